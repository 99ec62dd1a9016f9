"""Whether a domain takes mail: each answer that DNS can give, from a small name server of our own."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import redis
from flask import Flask

from core.config import Config, Role, split_address
from core.demo.embedded import free_port
from tests.conftest import House, url_of
from worker import mailhosts
from worker.mailhosts import takes_mail


class NameServer:
    """Answers over UDP on loopback as its zone says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.zone: dict[str, dict[str, list[str]]] = {mailhosts.ALWAYS_THERE: {"MX": ["10 mx.example."]}}
        """By domain and kind. A domain that is not there does not exist."""
        self.codes: dict[tuple[str, str], str] = {}
        """What is said instead: an answer code, or `silence`."""
        self.thinks = 0.0
        """Seconds before each answer."""
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        # An empty packet is no question.
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            packet, sender = self._socket.recvfrom(4096)
            if not packet:
                return
            answer = self._answer(dns.message.from_wire(packet))
            time.sleep(self.thinks)
            if answer is not None:
                self._socket.sendto(answer.to_wire(want_shuffle=False), sender)

    def _answer(self, question: dns.message.Message) -> dns.message.Message | None:
        [asked] = question.question
        domain, kind = asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((domain, kind))
        code = self.codes.get((domain, kind))
        if code == "silence":
            return None
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        if code:
            answer.set_rcode(dns.rcode.from_text(code))
        elif domain not in self.zone:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif records := self.zone[domain].get(kind):
            answer.answer.append(dns.rrset.from_text_list(asked.name, 300, "IN", kind, records))
        return answer


@pytest.fixture
def names() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.close()


@pytest.fixture
def app(house: House) -> Iterator[Flask]:
    """The worker's, without Redis."""
    app = house.app(Role.WORKER)
    with app.app_context():
        yield app


def config(app: Flask, name_server: str) -> Config:
    """As the worker's, with this name server."""
    return replace(app.extensions["zbor"], name_server=name_server)


@pytest.mark.parametrize(
    ("records", "codes", "takes"),
    [
        ({"MX": ["10 mx.example."]}, {}, True),
        ({"MX": ["10 mx.example.", "20 mx2.example."], "A": ["192.0.2.1"]}, {}, True),
        ({"A": ["192.0.2.1"]}, {}, True),
        ({"AAAA": ["2001:db8::1"]}, {}, True),
        ({"MX": ["0 ."], "A": ["192.0.2.1"]}, {}, False),
        ({"MX": ["0 .", "10 mx.example."]}, {}, True),
        ({"TXT": ["hello"]}, {}, False),
        (None, {}, False),
        ({"MX": ["10 mx.example."]}, {"MX": "SERVFAIL"}, True),
        ({"A": ["192.0.2.1"]}, {"MX": "SERVFAIL"}, True),
        ({}, {"MX": "REFUSED"}, True),
        ({}, {"A": "SERVFAIL"}, True),
        ({}, {"AAAA": "SERVFAIL"}, True),
        ({}, {"A": "NXDOMAIN"}, True),
        ({}, {"MX": "FORMERR"}, True),
    ],
    ids=[
        "mx", "several", "address alone", "IPv6 address alone", "null MX", "null MX and another", "neither", "no domain",
        "MX fails", "MX fails, address", "MX refused", "address fails", "IPv6 fails", "contradiction", "not understood",
    ],
)  # fmt: skip
def test_only_a_clear_no_is_a_no(
    app: Flask,
    house: House,
    names: NameServer,
    records: dict[str, list[str]] | None,
    codes: dict[str, str],
    takes: bool,
) -> None:
    if records is not None:
        names.zone["mail.example"] = records
    names.codes = {("mail.example", kind): code for kind, code in codes.items()}
    assert takes_mail("mail.example", house.keyring, config(app, names.address)) is takes
    assert ("mail.example", "MX") in names.asked


def test_a_name_server_that_knows_nobody_is_not_believed(app: Flask, house: House, names: NameServer) -> None:
    names.zone["null.example"] = {"MX": ["0 ."]}
    for broken in ("NXDOMAIN", "SERVFAIL", "REFUSED"):
        names.codes[mailhosts.ALWAYS_THERE, "MX"] = broken
        for domain in ("gone.example", "null.example"):
            assert takes_mail(domain, house.keyring, config(app, names.address))
    names.codes.clear()
    assert not takes_mail("gone.example", house.keyring, config(app, names.address))


@pytest.mark.parametrize("kind", ["MX", "A", "AAAA"])
def test_silence_is_waited_for_two_seconds_whatever_is_asked(
    app: Flask, house: House, names: NameServer, kind: str
) -> None:
    names.zone["slow.example"] = {}
    names.codes["slow.example", kind] = "silence"
    started = time.monotonic()
    assert takes_mail("slow.example", house.keyring, config(app, names.address))
    assert time.monotonic() - started < mailhosts.SECONDS + 0.3
    assert names.asked.count(("slow.example", kind)) >= 2, "a packet may be lost"


def test_several_slow_answers_have_two_seconds_together(
    app: Flask, house: House, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailhosts, "SECONDS", 0.8)
    names.thinks = 0.5
    names.zone["slow.example"] = {}
    started = time.monotonic()
    assert takes_mail("slow.example", house.keyring, config(app, names.address)), "there was no time to be sure"
    assert time.monotonic() - started < 1.2


@pytest.mark.parametrize("answers", [False, True])
def test_after_one_that_took_long_nobody_is_asked_for_a_while(
    app: Flask, house: House, names: NameServer, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(mailhosts, "SECONDS", 0.4)
    if answers:
        names.thinks = 0.25
        names.zone["slow.example"] = {"MX": ["10 mx.example."]}
    else:
        names.codes["slow.example", "MX"] = "silence"
    told = config(app, names.address)
    assert takes_mail("slow.example", house.keyring, told)
    names.asked.clear()
    names.thinks = 0.0
    for number in range(100):
        assert takes_mail(f"gone{number}.example", house.keyring, told)
    assert names.asked == []
    app.extensions["zbor_dns_silent_until"] -= mailhosts.SILENCE_SECONDS
    assert not takes_mail("gone0.example", house.keyring, told)


def test_nobody_there_to_ask_means_sending(app: Flask, house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for address in (f"127.0.0.1:{free_port()}", f"[::1]:{free_port()}"):
        assert takes_mail("mail.example", house.keyring, config(app, address))
    assert "not known whether a domain takes mail" in caplog.text
    assert "mail.example" not in caplog.text


def test_a_large_provider_is_not_asked_about_and_off_asks_nobody(app: Flask, house: House, names: NameServer) -> None:
    assert takes_mail("wp.pl", house.keyring, config(app, names.address))
    assert takes_mail("gone.example", house.keyring, config(app, "off"))
    assert names.asked == []


@pytest.fixture
def keeping(house: House, valkey: redis.Redis) -> Iterator[Flask]:
    """The worker's application, with Redis."""
    app = house.app(Role.WORKER, redis_url=url_of(valkey))
    with app.app_context():
        yield app
    app.extensions["zbor_wake_ups"].close()


def test_what_was_learned_is_kept_for_a_day_and_what_was_not_for_an_hour(
    keeping: Flask, house: House, names: NameServer, valkey: redis.Redis
) -> None:
    names.zone["mail.example"] = {"MX": ["10 mx.example."]}
    names.codes["broken.example", "MX"] = "SERVFAIL"
    told = config(keeping, names.address)
    for domain, takes, seconds in (("mail.example", True, 86400), ("gone.example", False, 86400), ("broken.example", True, 3600)):  # fmt: skip
        before = set(valkey.keys())
        assert takes_mail(domain, house.keyring, told) is takes
        [name] = set(valkey.keys()) - before
        assert seconds - 10 < valkey.ttl(name) <= seconds
        names.asked.clear()
        assert takes_mail(domain.upper(), house.keyring, told) is takes
        assert names.asked == []
    kept = valkey.keys()
    everything = b" ".join([*kept, *valkey.mget(kept)])
    for word in (b"mail.example", b"gone", b"broken"):
        assert word not in everything
    other = replace(house.keyring, token_key=bytes(32))
    assert not takes_mail("gone.example", other, told)
    assert ("gone.example", "MX") in names.asked, "under another key it is another name"


def test_without_redis_it_is_asked_again(keeping: Flask, house: House, names: NameServer, valkey: redis.Redis) -> None:
    told = config(keeping, names.address)
    keeping.extensions["zbor_wake_ups"].connection_pool.connection_kwargs["port"] = free_port()
    keeping.extensions["zbor_wake_ups"].connection_pool.disconnect()
    for _ in range(2):
        assert not takes_mail("gone.example", house.keyring, told)
    assert names.asked.count(("gone.example", "MX")) == 2
    assert valkey.keys() == []


def test_what_is_kept_and_not_ours_is_not_read(
    keeping: Flask, house: House, names: NameServer, valkey: redis.Redis
) -> None:
    told = config(keeping, names.address)
    assert not takes_mail("gone.example", house.keyring, told)
    [name] = valkey.keys()
    valkey.set(name, b"\xff")
    assert not takes_mail("gone.example", house.keyring, told)
    assert valkey.get(name) == b"refuses"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("[::1]:5353", ("::1", 5353)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_an_address_is_read_with_and_without_a_port(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text, 53) == parts


@pytest.mark.parametrize("text", ["", "dns.example", "192.0.2.1:x", "192.0.2.1:99999", "192.0.2.1/24", "a@192.0.2.1", "::1", "of"])  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # Some are Python's own, in its words.
        split_address(text, 53)
