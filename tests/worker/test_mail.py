"""Mail: what it says, when it is sent again, and when never."""

from __future__ import annotations

import asyncio
import html
import re
import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from flask_babel import force_locale, gettext
from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from accounts.mailing import News
from core.config import LANGUAGES, Role
from core.demo.embedded import free_port
from core.extensions import db
from core.outbox import queue_mail
from core.records import open_row_key
from petitions import states
from tests.conftest import House
from tests.factories import TITLE, Factory, counted, press, sign, signed, token
from tests.worker.test_mailhosts import NameServer
from worker import mail as mailer


class Server:
    """A mail server that answers as it is told."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.received: list[Any] = []

    async def handle_RCPT(self, _s: Any, _session: Any, envelope: Any, address: str, _o: list[str]) -> str:  # noqa: N802  # aiosmtpd's name.
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _s: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # As above.
        self.received.append(envelope)
        await asyncio.sleep(0)
        return "250 caught"


@pytest.fixture
def server(secrets: Any) -> Iterator[Server]:
    handler, port = Server(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    controller.start()
    path = secrets.folder / "worker" / "smtp_url"
    before = path.read_text()
    path.write_text(f"smtp://127.0.0.1:{port}\n")
    yield handler
    path.write_text(before)
    controller.stop()


def send(house: House) -> None:
    with house.inside(Role.WORKER) as app:
        mailer.send_due(house.keyring, app.extensions["zbor"])


def three_mails(house: House, make: Factory) -> str:
    """Three people sign, and are to be written to. Returns the petition's slug."""
    slug = make.slug(make.petition())
    for number in range(3):
        sign(house.client(), slug, email=f"n{number}@example.org")
    house.drain()
    return slug


def outbox(house: House) -> Any:
    return house.sql("SELECT * FROM outbox").one()


def read(envelope: Any) -> EmailMessage:
    """A mail as the server took it."""
    message = message_from_bytes(envelope.content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts(message: EmailMessage) -> tuple[str, str]:
    """Plain text and HTML."""
    plain, page = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    return plain.get_content(), page.get_content()


def links(plain: str) -> list[str]:
    """Every address in a plain text."""
    return re.findall(r"https?://\S+", plain)


@pytest.mark.parametrize("language", LANGUAGES)
def test_mail_is_in_the_signers_language_and_names_no_petition(
    house: House, make: Factory, server: Server, language: str
) -> None:
    slug = make.slug(make.petition())
    client = house.client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    assert sign(client, slug, email="other@example.org").status_code == 303
    house.drain()
    send(house)
    message = read(server.received[0])
    with house.app(Role.WORKER).app_context(), force_locale(language):
        assert message["Subject"] == gettext("Please confirm")
        label = gettext("Confirm the signature")
    assert message["From"] == "zbor@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == language
    assert message["List-Unsubscribe"] is None
    plain, page = parts(message)
    for part in (plain, page):
        assert f"?lang={language}" in part
        assert label in part
        assert slug not in part
        assert TITLE not in part
        assert "Вольга" not in part
    assert f'<html lang="{language}">' in page


SAMPLE = {
    "to": "olga@example.org",
    "confirm_url": "http://localhost/confirm/a-b_c?lang=pl",
    "code": "012345",
    "mine_url": "http://localhost/mine/d?lang=pl",
    "not_me_url": "http://localhost/not-me/e?lang=pl&x=1",
    "unsubscribe_url": "http://localhost/unsubscribe/" + "f" * 90,
    "page_url": "http://localhost/petitions/no?lang=pl",
    "news_language": "ka",
    "title": "სიახლე <b>& " + "ხ" * 200,
    "body": "One *word*, < & > “all”",
    "body_html": "<p>One <em>word</em>, &lt; &amp; &gt; “all”</p>",
    "link": "http://localhost/enrol/g",
    "device": "Firefox <script>&amp;",
    "left": "9",
    "reason": "we & you < <i>no</i>",
}


def sample(house: House, template: str, language: str, **changes: str) -> EmailMessage:
    """A mail with every value there is."""
    values = {name: value for name, value in SAMPLE.items() if template == "update" or name != "unsubscribe_url"}
    with house.inside(Role.WORKER) as app:
        mail = {**values, "language": language, **changes}
        return read(
            SimpleNamespace(content=bytes(mailer.compose(template, mail, app.extensions["zbor"], "<1@example.org>")))
        )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("template", "news"),
    [("confirm", ""), ("already_signed", ""), ("update", ""), *(("staff", news.value) for news in News)],
)
def test_both_parts_say_the_same_and_fetch_nothing(house: House, template: str, news: str, language: str) -> None:
    message = sample(house, template, language, news=news)
    plain, page = parts(message)
    hrefs = [html.unescape(address) for address in re.findall(r'href="([^"]*)"', page)]
    assert hrefs == links(plain)
    assert all(address.startswith("http://localhost/") for address in hrefs)
    shown = html.unescape(re.sub(r"<(style|title)>.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL))
    written = re.sub(r"https?://\S+|---|[*]", " ", plain)
    assert re.findall(r"[^\s:]+", written) == re.findall(r"[^\s:]+", shown)
    assert set(re.findall(r"<(\w+)", page)) <= {
        "html", "head", "meta", "title", "style", "body", "p", "a", "strong", "div", "h1", "em", "hr",
    }  # fmt: skip
    assert not re.search(r"url\(|src=|@import|<script", page)
    assert "\n\n\n" not in plain


@pytest.mark.parametrize("template", ["confirm", "already_signed", "update"])
def test_subject_is_one_for_all_texts(house: House, template: str) -> None:
    for language in LANGUAGES:
        subject = sample(house, template, language)["Subject"]
        assert subject == sample(house, template, language, title="Other", slug="other", name="Other")["Subject"]
        assert "ხ" not in subject
        assert len(subject) > 5


def test_code_is_shown_in_two_groups(house: House) -> None:
    for part in parts(sample(house, "confirm", "en")):
        assert "012 345" in part


def test_an_update_can_be_stopped_by_one_press_in_the_mail_program(house: House) -> None:
    message = sample(house, "update", "en")
    assert message["List-Unsubscribe"] == f"<{SAMPLE['unsubscribe_url']}>", "not wrapped, or programs do not follow it"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_link_of_the_mail_confirms(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    send(house)
    plain, _page = parts(read(server.received[0]))
    [path] = [address for address in links(plain) if "/confirm/" in address]
    press(house.client(), path.removeprefix("http://localhost").split("?")[0])
    house.drain()
    assert house.value("SELECT state FROM signatures") == "counted"


def test_sent_mail_forgets_its_receiver(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    send(house)
    row = outbox(house)
    assert (row.state, row.sealed, row.smtp_status, row.attempts) == ("sent", None, 250, 1)
    assert server.received[0].rcpt_tos == ["olga@example.org"]
    send(house)
    assert len(server.received) == 1


def test_4xx_is_tried_again_later_with_the_same_message_id(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    server.answers = ["451 greylisted"]
    send(house)
    row = outbox(house)
    assert (row.state, row.smtp_status, row.leased_until) == ("queued", 451, None)
    assert house.value("SELECT due_at = now() + interval '30 seconds' FROM outbox")
    send(house)
    assert server.received == []
    house.sql("UPDATE outbox SET due_at = now()")
    server.answers = ["451 still"]
    send(house)
    assert house.value("SELECT due_at = now() + interval '60 seconds' FROM outbox")
    house.sql("UPDATE outbox SET due_at = now()")
    send(house)
    assert outbox(house).state == "sent"
    expected = house.keyring.message_id(UUID(str(row.id)), "example.org")
    assert f"Message-ID: {expected}".encode() in server.received[0].content


def test_5xx_ends_it(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    server.answers = ["550 no such mailbox"]
    send(house)
    row = outbox(house)
    assert (row.state, row.sealed, row.smtp_status) == ("failed", None, 550)


def test_endless_4xx_ends_after_five_days(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    house.sql("UPDATE outbox SET attempts = 9, created_at = now() - interval '4 days 23 hours'")
    server.answers = ["451 no"]
    send(house)
    assert outbox(house).state == "queued"
    house.sql("UPDATE outbox SET due_at = now(), created_at = now() - interval '5 days 1 hour'")
    send(house)
    assert (outbox(house).state, outbox(house).sealed) == ("failed", None)
    assert server.received == []


def test_no_mail_server_means_waiting(house: House, make: Factory, secrets: Any) -> None:
    signed(house, make.slug(make.petition()))
    send(house)  # The secret names a port on which nobody listens.
    row = outbox(house)
    assert (row.state, row.leased_until, row.attempts) == ("queued", None, 0)
    assert house.value("SELECT due_at > now() FROM outbox")
    assert row.sealed is not None


def test_mail_to_somebody_erased_is_dropped(house: House, make: Factory, server: Server) -> None:
    row = signed(house, make.slug(make.petition()))
    press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()
    send(house)
    assert server.received == []
    assert outbox(house).state == "dropped"


def test_already_signed_is_told_without_a_link_to_confirm(house: House, make: Factory, server: Server) -> None:
    slug = make.slug(make.petition())
    counted(house, slug)
    house.sql("DELETE FROM outbox")
    sign(house.client(), slug)
    house.drain()
    send(house)
    message = read(server.received[0])
    plain, _page = parts(message)
    assert message["Subject"] == "You have signed already"
    assert [address.split("/")[3] for address in links(plain)] == ["mine", "not-me"]


def test_lease_keeps_others_away_and_the_fence_keeps_the_late_one_out(own_database: House, make_own: Factory) -> None:
    house = own_database
    signed(house, make_own.slug(make_own.petition()))
    with house.inside(Role.WORKER) as app:
        [mine], _ = mailer.lease_due(1000)
        assert mailer.lease_due(1000)[0] == []
        house.sql("UPDATE outbox SET leased_until = now() - interval '1 second'")
        house.sql("UPDATE mail_pace SET next_at = now()")
        [theirs], _ = mailer.lease_due(1000)
        assert theirs.fence == mine.fence + 1
        mailer._finish(mine, "sent", 250)
        assert house.value("SELECT state FROM outbox") == "queued"
        mailer._send_one(None, mine, house.keyring, app.extensions["zbor"])  # type: ignore[arg-type]  # It must not get as far as the server.
        assert house.value("SELECT state FROM outbox") == "queued"
        mailer._finish(theirs, "sent", 250)
        assert house.value("SELECT state FROM outbox") == "sent"


def test_all_mailers_together_keep_the_sending_rate(own_database: House, make_own: Factory) -> None:
    house = own_database
    slug = make_own.slug(make_own.petition())
    for number in range(6):
        sign(house.client(), slug, email=f"n{number}@example.org")
    house.drain()

    def lease(_number: int) -> tuple[int, float]:
        with house.inside(Role.WORKER):
            leases, pause = mailer.lease_due(2.0)
            return len(leases), pause

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lease, range(4)))
    assert sum(number for number, _ in results) == 2, "one second's worth at two a second"
    assert all(0 < pause <= 1 for number, pause in results if not number)


def test_connection_speaks_tls_and_logs_in_as_the_secret_says(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Any] = []

    class Fake(smtplib.SMTP):
        def __init__(self, host: str, port: int, **options: Any) -> None:
            calls.append((type(self).__name__, host, port, "context" in options))

        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *_error: object) -> None:
            return None

        def starttls(self, **_options: Any) -> Any:
            calls.append("starttls")

        def login(self, user: str, password: str, **_options: Any) -> Any:
            calls.append((user, password))

    class FakeSSL(Fake):
        pass

    monkeypatch.setattr(smtplib, "SMTP", Fake)
    monkeypatch.setattr(smtplib, "SMTP_SSL", FakeSSL)
    from tests.conftest import make_config

    config = make_config(Role.WORKER, house.secrets, house.url, secrets_dir=tmp_path)
    for url in ("smtps://u%40x:p%3A@mail.example.org", "smtp://mail.example.org?starttls=1"):
        (tmp_path / "smtp_url").write_text(url)
        with mailer._connection(config):
            pass
    assert calls == [
        ("FakeSSL", "mail.example.org", 465, True),
        ("u@x", "p:"),
        ("Fake", "mail.example.org", 25, False),
        "starttls",
    ]


def test_old_finished_mails_are_forgotten(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    send(house)
    house.bind.execute(text("UPDATE outbox SET finished_at = now() - interval '15 days'"))  # type: ignore[union-attr]  # A connection here.
    with house.inside(Role.WORKER):
        mailer.forget_sent()
    assert house.value("SELECT count(*) FROM outbox") == 0


def test_a_mailer_does_not_hold_its_worker_for_ever(
    house: House, make: Factory, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = three_mails(house, make)
    monkeypatch.setattr(mailer, "RUN_SECONDS", 0.0)
    with house.inside(Role.WORKER) as app:
        assert mailer.send_due(house.keyring, app.extensions["zbor"]) is True
        monkeypatch.setattr(mailer, "RUN_SECONDS", 20.0)
        assert mailer.send_due(house.keyring, app.extensions["zbor"]) is False
    house.sql("UPDATE mail_pace SET next_at = clock_timestamp() + interval '1 minute'")
    sign(house.client(), slug, email="later@example.org")
    house.drain()
    with house.inside(Role.WORKER) as app:
        assert mailer.send_due(house.keyring, app.extensions["zbor"]) is False, "a long pause is not slept through"
    assert len(server.received) == 3


def test_a_slow_sending_rate_is_reached_all_the_same(
    house: House, make: Factory, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty mails a minute: each waits three seconds for its turn, in one run."""
    slug = three_mails(house, make)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        house.sql("UPDATE mail_pace SET next_at = next_at - make_interval(secs => :seconds)", seconds=seconds)

    monkeypatch.setattr(mailer, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with house.inside(Role.WORKER) as app:
        config = replace(app.extensions["zbor"], mail_per_minute=20)
        assert mailer.send_due(house.keyring, config) is False
    assert len(server.received) == 3
    assert len(pauses) == 2
    assert all(1.0 < pause <= 3.0 for pause in pauses)
    sign(house.client(), slug, email="later@example.org")
    house.drain()
    house.sql("UPDATE mail_pace SET next_at = clock_timestamp() + interval '30 seconds'")
    monkeypatch.setattr(mailer, "RUN_SECONDS", 40.0)
    monkeypatch.setattr(mailer, "time", SimpleNamespace(monotonic=iter([0.0, 35.0]).__next__))
    with house.inside(Role.WORKER):
        assert mailer.send_due(house.keyring, config) is True, "the next run has time for it"


@pytest.mark.parametrize("poison", ["=?utf-8?q?=0a?=@example.org", "=?utf-8?b?Cg==?=@example.org"])
def test_an_address_that_hides_a_line_end_is_refused_and_would_not_stop_the_others(
    house: House, make: Factory, server: Server, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    slug = make.slug(make.petition())
    assert sign(house.client(), slug, email=poison).status_code == 422
    # Should one ever get that far all the same:
    compose = mailer.compose

    def strict(template: str, mail: Any, config: Any, message_id: str) -> Any:
        if mail["to"] == "poison@example.org":
            raise ValueError("address parts cannot contain CR or LF")
        return compose(template, mail, config, message_id)

    monkeypatch.setattr(mailer, "compose", strict)
    for email in ("a@example.org", "poison@example.org", "b@example.org"):
        sign(house.client(), slug, email=email)
    house.drain()
    send(house)
    assert sorted(one.rcpt_tos[0] for one in server.received) == ["a@example.org", "b@example.org"]
    assert [row[0] for row in house.sql("SELECT state FROM outbox ORDER BY state")] == ["failed", "sent", "sent"]


def test_a_refused_sender_is_not_held_against_the_mails(house: House, make: Factory, server: Server) -> None:
    async def refuse(*_args: Any) -> str:
        return "550 account suspended"

    server.handle_MAIL = refuse  # type: ignore[attr-defined]  # aiosmtpd looks for it by name.
    signed(house, make.slug(make.petition()))
    send(house)
    row = outbox(house)
    assert (row.state, row.attempts) == ("queued", 0)


def test_a_domain_in_another_script_is_reached_under_its_ascii_name(
    house: House, make: Factory, server: Server
) -> None:
    signed(house, make.slug(make.petition()), email="user@пошта.бел")
    send(house)
    assert server.received[0].rcpt_tos == ["user@xn--80a1acn3a.xn--90ais"]


def test_a_mail_the_server_cannot_bear_waits_longer_than_the_others(
    house: House, make: Factory, server: Server
) -> None:
    """The connection breaks at one receiver; the next attempt must not break at the same place for the others, too."""

    async def drop(_s: Any, session: Any, envelope: Any, address: str, _o: list[str]) -> str:
        if address == "unbearable@example.org":
            raise ConnectionResetError
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def on_exception(_error: Exception) -> str:
        return "421 closing"

    server.handle_RCPT = drop  # type: ignore[method-assign]  # Another behaviour of the same server.
    server.handle_exception = on_exception  # type: ignore[attr-defined]  # aiosmtpd looks for it by name.
    slug = make.slug(make.petition())
    for email in ("unbearable@example.org", "a@example.org", "b@example.org"):
        sign(house.client(), slug, email=email)
    house.drain()
    for _ in range(2):
        send(house)
        house.sql("UPDATE outbox SET due_at = now() WHERE attempts = 0")
        house.sql("UPDATE mail_pace SET next_at = now() - interval '1 minute'")
    assert sorted(one.rcpt_tos[0] for one in server.received) == ["a@example.org", "b@example.org"]
    row = house.sql("SELECT * FROM outbox WHERE state = 'queued'").one()
    assert row.attempts >= 1


def test_a_mail_whose_fate_is_never_known_is_given_up(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    house.sql("UPDATE outbox SET attempts = :n", n=mailer.MAX_ATTEMPTS - 1)
    server.answers = ["451 no"]
    send(house)
    assert outbox(house).state == "failed"


def test_a_mail_whose_key_is_away_waits_for_it(house: House, make: Factory, server: Server) -> None:
    signed(house, make.slug(make.petition()))
    for _ in range(mailer.MAX_ATTEMPTS + 1):
        with house.inside(Role.WORKER) as app:
            mailer.send_due(replace(house.keyring, private_keys={}), app.extensions["zbor"])
        house.sql("UPDATE outbox SET due_at = now(); UPDATE mail_pace SET next_at = now()")
    assert house.sql("SELECT state, attempts FROM outbox").one() == ("queued", 0)
    assert server.received == []
    send(house)
    assert len(server.received) == 1


def state(house: House) -> Any:
    """Of the one signature and its mail."""
    return house.sql(
        "SELECT s.state, s.reason, s.row_key_id IS NULL, o.state, o.smtp_status FROM signatures s, outbox o"
    ).one()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The domains that were asked about. One that begins with `gone` takes no mail."""
    domains: list[str] = []

    def takes_mail(domain: str, _keyring: Any, _config: Any) -> bool:
        # In the tests' one connection the transaction never ends, but the session must have let go of it.
        assert not db.session().in_transaction()
        domains.append(domain)
        return not domain.startswith("gone")

    monkeypatch.setattr(mailer, "takes_mail", takes_mail)
    return domains


def test_where_no_mail_can_arrive_none_is_sent_and_the_signature_is_rejected(
    house: House, make: Factory, server: Server, asked: list[str]
) -> None:
    slug = make.slug(make.petition())
    for email in ("a@here.example.com", "b@gone.example.com", "c@here.example.com"):
        sign(house.client(), slug, email=email)
    house.drain()
    send(house)
    assert sorted(asked) == ["gone.example.com", "here.example.com", "here.example.com"]
    assert sorted(one.rcpt_tos[0] for one in server.received) == ["a@here.example.com", "c@here.example.com"]
    assert [tuple(row) for row in house.sql("SELECT state, smtp_status, sealed FROM outbox ORDER BY state")] == [
        ("failed", None, None), ("sent", 250, None), ("sent", 250, None),
    ]  # fmt: skip
    rejected = house.sql("SELECT * FROM signatures WHERE state = 'rejected'").one()
    assert (rejected.reason, rejected.row_key_id, rejected.sealed) == ("no_mail_server", None, None)
    tallies = dict(house.sql("SELECT state, sum(total)::int FROM tallies GROUP BY state HAVING sum(total) > 0").all())
    assert tallies == {"pending": 2, "rejected": 1}
    # Whoever had mistyped can sign again.
    sign(house.client(), slug, email="b@here.example.com")
    house.drain()
    send(house)
    assert len(server.received) == 3


def test_the_name_server_of_the_configuration_is_asked(house: House, make: Factory, server: Server) -> None:
    slug = make.slug(make.petition())
    for email in ("a@here.example.com", "b@gone.example.com", "c@wp.pl"):
        sign(house.client(), slug, email=email)
    house.drain()
    names = NameServer()
    names.zone["here.example.com"] = {"MX": ["10 mx.example.com."]}
    try:
        with house.inside(Role.WORKER) as app:
            mailer.send_due(house.keyring, replace(app.extensions["zbor"], name_server=names.address))
    finally:
        names.close()
    assert sorted(one.rcpt_tos[0] for one in server.received) == ["a@here.example.com", "c@wp.pl"]
    assert sorted(house.sql("SELECT state, reason FROM signatures").all()) == [
        ("pending", None), ("pending", None), ("rejected", "no_mail_server"),
    ]  # fmt: skip
    assert {domain for domain, _kind in names.asked} == {"here.example.com", "gone.example.com", "gmail.com"}


def test_only_what_a_signature_waits_for_is_asked_about(
    house: House, make: Factory, server: Server, asked: list[str]
) -> None:
    slug = make.slug(make.petition())
    counted(house, slug)
    house.sql("DELETE FROM outbox")
    sign(house.client(), slug)
    house.drain()
    send(house)
    assert (len(server.received), asked) == (1, [])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 5.1.1 <x> User unknown", ("rejected", "no_mail_server", True, "failed", 550)),
        ("550-5.1.1 The account that you tried to reach\r\n550 5.1.1 does not exist", ("rejected", "no_mail_server", True, "failed", 550)),
        ("553 5.1.2 no such system", ("rejected", "no_mail_server", True, "failed", 553)),
        ("556 5.1.10 null MX", ("rejected", "no_mail_server", True, "failed", 556)),
        ("550 no such mailbox", ("pending", None, False, "failed", 550)),
        ("550 5.7.1 your network is on a list", ("pending", None, False, "failed", 550)),
        ("550 5.1.8 sender address rejected", ("pending", None, False, "failed", 550)),
        ("550 5.1.11 something new", ("pending", None, False, "failed", 550)),
        ("554 5.2.2 mailbox full", ("pending", None, False, "failed", 554)),
        ("450 4.1.1 greylisted", ("pending", None, False, "queued", 450)),
        ("450 5.1.1 cannot make up its mind", ("pending", None, False, "queued", 450)),
    ],
)  # fmt: skip
def test_a_signature_is_rejected_when_its_address_is_refused_and_not_when_we_are(
    house: House, make: Factory, server: Server, answer: str, expected: tuple[Any, ...]
) -> None:
    signed(house, make.slug(make.petition()))
    server.answers = [answer]
    send(house)
    assert state(house) == expected


def test_whoever_was_sent_an_earlier_mail_may_still_confirm(
    house: House, make: Factory, server: Server, asked: list[str]
) -> None:
    row = signed(house, make.slug(make.petition()), email="a@gone.example.com")
    with house.inside(Role.WORKER) as app:
        # As if its domain had gone between two mails.
        key_id = row.row_key_id
        mail = {"to": "a@gone.example.com", "language": "en", "confirm_url": "x", "code": "1", "mine_url": "x", "not_me_url": "x"}  # fmt: skip
        queue_mail("confirm", key_id, open_row_key(key_id, house.keyring.private_keys), mail)
        db.session.commit()
        house.sql("UPDATE outbox SET state = 'sent' WHERE id = (SELECT min(id::text)::uuid FROM outbox)")
        mailer.send_due(house.keyring, app.extensions["zbor"])
    assert asked == ["gone.example.com"]
    assert house.value("SELECT state FROM signatures") == "pending"
    assert [one[0] for one in house.sql("SELECT state FROM outbox ORDER BY state")] == ["failed", "sent"]


def test_a_mailer_that_is_late_rejects_nothing(
    house: House, make: Factory, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has taken the mail over while this one was asking, and may be sending it."""
    signed(house, make.slug(make.petition()))

    def late(*_what: Any) -> bool:
        house.sql("UPDATE outbox SET fence = fence + 1")
        return False

    monkeypatch.setattr(mailer, "takes_mail", late)
    send(house)
    assert state(house) == ("pending", None, False, "queued", None)
    assert house.value("SELECT total FROM tallies WHERE state = 'pending'") == 1


def test_a_mailer_in_the_way_of_another_worker_comes_again(
    house: House, make: Factory, server: Server, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(house, make.slug(make.petition()), email="a@gone.example.com")
    reject = states.reject_unreachable

    def in_the_way(_row_key_id: UUID) -> None:
        raise OperationalError("UPDATE", {}, DeadlockDetected())

    monkeypatch.setattr(states, "reject_unreachable", in_the_way)
    send(house)
    assert state(house) == ("pending", None, False, "queued", None)
    monkeypatch.setattr(states, "reject_unreachable", reject)
    house.sql("UPDATE outbox SET due_at = now(); UPDATE mail_pace SET next_at = now()")
    send(house)
    assert state(house) == ("rejected", "no_mail_server", True, "failed", None)
    assert server.received == []
