"""News by mail: each signer who asked gets each piece once, whatever happens to the worker, and nobody else gets any."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.config import Role
from core.inbox import append
from core.records import decrypt_record, open_row_key
from core.sealing import KeyNotHeldError
from petitions import updates
from petitions.texts import render_markdown
from tests.conftest import ROOT, House
from tests.factories import Factory, token
from worker import mail as mailer


def signer(house: House, petition_id: int, email: str, confirmed: bool = True, **changes: Any) -> UUID:
    """Somebody who signed and, as a rule, asked for news and confirmed. `read_in` is the language they read the text in."""
    wants = changes.pop("updates", True)
    read_in = changes.pop("read_in", "en")
    found = house.sql(
        "SELECT version, language, hash FROM petition_texts WHERE petition_id = :p AND language = :l",
        p=petition_id,
        l=read_in,
    ).one()
    payload = {
        "v": 1,
        "name": "Вольга Вераб’ёва",
        "email": email,
        "country": "PL",
        "city": "Gdynia",
        "visibility": "ministry",
        "text": found._asdict(),
        "consent": {"ministry": True, "public": False, "updates": wants, "hash": "0" * 64},
        "language": "en",
    } | changes
    event_id = uuid4()
    with house.inside(Role.PUBLIC):
        assert append("sign", petition_id, payload, event_id)
    house.drain()
    signature_id = house.value("SELECT id FROM signatures WHERE event_id = :e", e=event_id)
    if confirmed:
        say(house, "confirm", petition_id, signature_id)
        assert house.value("SELECT state FROM signatures WHERE id = :id", id=signature_id) == "counted"
    return UUID(str(signature_id))


def say(house: House, kind: str, petition_id: int, signature_id: UUID) -> None:
    """What somebody does with the token of a mail."""
    purpose = {"unsubscribe": "updates"}.get(kind, kind)
    with house.inside(Role.PUBLIC):
        append(kind, petition_id, {"v": 1, "token": token(house, purpose, signature_id)}, uuid4())
    house.drain()


def publish(house: House, petition_id: int, **texts: str) -> UUID:
    """News with a title in each language, published and to be mailed."""
    news_id = uuid4()
    house.sql(
        "INSERT INTO news (id, petition_id, state, published_at) VALUES (:n, :p, 'published', clock_timestamp())",
        n=news_id,
        p=petition_id,
    )
    for language, title in (texts or {"en": "They answered"}).items():
        house.sql(
            "INSERT INTO news_texts VALUES (:n, :l, :t, :b, :h)",
            n=news_id,
            l=language,
            t=title,
            b=f"**{title}** & more",
            h=render_markdown(f"**{title}** & more"),
        )
    house.sql("INSERT INTO mailings (news_id) VALUES (:n)", n=news_id)
    return news_id


def queue_all(house: House) -> int:
    """Let the worker queue lot after lot. Returns how many lots there were."""
    with house.inside(Role.WORKER):
        return sum(1 for _lot in updates.queue_lots(house.keyring))


def queued(house: House) -> list[dict[str, Any]]:
    """What stands in the outbox for updates."""
    rows = house.sql("SELECT id, row_key_id, sealed FROM outbox WHERE template = 'update' AND state = 'queued'").all()
    with house.inside(Role.WORKER):
        keys = house.keyring.private_keys
        return [decrypt_record(open_row_key(row.row_key_id, keys), "outbox", row.id, row.sealed) for row in rows]


def receivers(house: House) -> list[str]:
    return sorted(mail["to"] for mail in queued(house))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[EmailMessage]:
    """Mails that left."""
    left: list[EmailMessage] = []

    class Smtp:
        def send_message(self, message: EmailMessage, **_addresses: Any) -> None:
            left.append(message)

    @contextmanager
    def connection(_config: Any) -> Iterator[Smtp]:
        yield Smtp()

    monkeypatch.setattr(mailer, "_connection", connection)
    return left


def send(house: House) -> None:
    house.sql("DELETE FROM outbox WHERE template <> 'update'")
    with house.inside(Role.WORKER) as app:
        mailer.send_due(house.keyring, app.extensions["zbor"])


def test_only_those_who_asked_and_are_counted_are_written_to(house: House, make: Factory) -> None:
    petition_id, other = make.petition(), make.petition(countries=("DE",))
    signer(house, petition_id, "asked@example.org")
    signer(house, petition_id, "silent@example.org", updates=False)
    signer(house, petition_id, "pending@example.org", confirmed=False)
    signer(house, other, "other@example.org")
    say(house, "withdraw", petition_id, signer(house, petition_id, "withdrew@example.org"))
    say(house, "unsubscribe", petition_id, signer(house, petition_id, "stopped@example.org"))
    publish(house, petition_id)
    house.sql(
        "UPDATE signatures SET counted_at = now() + interval '1 hour' WHERE id = :id",
        id=signer(house, petition_id, "after@example.org"),
    )
    assert queue_all(house) == 1
    assert receivers(house) == ["asked@example.org"]
    assert queue_all(house) == 0
    assert house.sql("SELECT queued, finished_at IS NOT NULL FROM mailings").one() == (1, True)


def test_news_that_are_not_published_or_of_a_hidden_petition_wait(house: House, make: Factory) -> None:
    petition_id = make.petition()
    signer(house, petition_id, "asked@example.org")
    publish(house, petition_id)
    house.sql("UPDATE news SET state = 'review'")
    assert queue_all(house) == 0
    house.sql("UPDATE news SET state = 'published'; UPDATE petitions SET state = 'hidden', public_reason = 'because'")
    assert queue_all(house) == 0
    house.sql("UPDATE petitions SET state = 'closed'")
    assert queue_all(house) == 1
    assert receivers(house) == ["asked@example.org"]


def test_text_is_in_the_language_the_appeal_was_read_in(house: House, make: Factory, sent: list[EmailMessage]) -> None:
    petition_id = make.petition(texts=("en", "be", "lt"))
    for email, read_in, language in (
        ("lt@example.org", "lt", "pl"),
        ("be@example.org", "be", "be"),
        ("page@example.org", "en", "pl"),
        ("en@example.org", "en", "en"),
    ):
        signer(house, petition_id, email, read_in=read_in, language=language)
    publish(house, petition_id, lt="Naujiena", pl="Nowina", be="Навіна")
    queue_all(house)
    send(house)
    told = {}
    for message in sent:
        body = message.get_body(("html",))
        assert body is not None
        lines = body.get_content().splitlines()
        told[message["To"]] = (message["Content-Language"], next(line for line in lines if "<h1>" in line))
    assert told == {
        "lt@example.org": ("pl", "<h1>Naujiena</h1>"),
        "be@example.org": ("be", "<h1>Навіна</h1>"),
        "page@example.org": ("pl", "<h1>Nowina</h1>"),
        "en@example.org": ("en", told["en@example.org"][1]),
    }, "the language of the text, then that of the page, then English"
    assert any(title in told["en@example.org"][1] for title in ("Naujiena", "Nowina", "Навіна")), "or any there is"


def test_the_mail_tells_the_news_and_its_row_does_not(house: House, make: Factory, sent: list[EmailMessage]) -> None:
    petition_id = make.petition()
    signature_id = signer(house, petition_id, "asked@example.org")
    publish(house, petition_id, en="They answered")
    queue_all(house)
    [row] = queued(house)
    assert "They answered" not in str(row)
    send(house)
    [message] = sent
    assert "answered" not in str(message["Subject"])
    stop = f"http://localhost/unsubscribe/{token(house, 'updates', signature_id)}?lang=en"
    assert message["List-Unsubscribe"] == f"<{stop}>"
    plain, page = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    assert "**They answered** & more" in plain.get_content()
    assert "<strong>They answered</strong> &amp; more" in page.get_content()
    for part in (plain.get_content(), page.get_content()):
        assert f"/petitions/{make.slug(petition_id)}?lang=en" in part
        assert stop in part


@pytest.mark.parametrize("encoding", ["multipart/form-data", "application/x-www-form-urlencoded"])
def test_the_mail_programs_own_button_stops_the_news(
    house: House, make: Factory, sent: list[EmailMessage], encoding: str
) -> None:
    """RFC 8058: a POST to the very address of the header, from a server that knows neither forms nor browsers."""
    petition_id = make.petition()
    signer(house, petition_id, "asked@example.org")
    publish(house, petition_id)
    queue_all(house)
    send(house)
    address = str(sent[0]["List-Unsubscribe"]).strip("<>").removeprefix("http://localhost")
    nobody = {"Origin": None, "Sec-Fetch-Site": None}
    data = {"List-Unsubscribe": "One-Click"}
    answer = house.client().post(address, data=data, headers=nobody, content_type=encoding)
    assert answer.status_code == 204
    house.drain()
    assert house.value("SELECT wants_updates FROM signatures") is False
    publish(house, petition_id, en="More")
    queue_all(house)
    assert queued(house) == []


@pytest.mark.parametrize("what", ["unsubscribe", "withdraw", "hidden"])
def test_whoever_leaves_before_the_mail_does_gets_none(
    house: House, make: Factory, sent: list[EmailMessage], what: str
) -> None:
    petition_id = make.petition()
    leaving = signer(house, petition_id, "leaving@example.org")
    publish(house, petition_id)
    queue_all(house)
    assert receivers(house) == ["leaving@example.org"]
    if what == "hidden":
        house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'because'")
    else:
        say(house, what, petition_id, leaving)
    send(house)
    assert sent == []
    assert house.sql("SELECT state, sealed FROM outbox").one() == ("dropped", None)


def test_news_wait_behind_mails_that_somebody_waits_for(house: House, make: Factory, sent: list[EmailMessage]) -> None:
    petition_id = make.petition()
    signer(house, petition_id, "asked@example.org")
    house.sql("DELETE FROM outbox")
    publish(house, petition_id)
    queue_all(house)
    house.sql("UPDATE outbox SET due_at = now() - interval '1 hour'")
    signer(house, petition_id, "new@example.org", confirmed=False)
    with house.inside(Role.WORKER) as app:
        mailer.send_due(house.keyring, app.extensions["zbor"])
    assert [message["To"] for message in sent] == ["new@example.org", "asked@example.org"]


def test_a_signer_whose_data_do_not_open_keeps_the_news_from_nobody(house: House, make: Factory) -> None:
    petition_id = make.petition()
    broken = signer(house, petition_id, "broken@example.org")
    for name in ("a", "b"):
        signer(house, petition_id, f"{name}@example.org")
    house.sql("UPDATE signatures SET sealed = '\\x00' WHERE id = :id", id=broken)
    publish(house, petition_id)
    queue_all(house)
    assert receivers(house) == ["a@example.org", "b@example.org"]


def test_a_mailing_waits_for_a_key_that_is_away_and_the_others_do_not(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    petition_id, other = make.petition(), make.petition(countries=())
    away = signer(house, petition_id, "asked@example.org")
    signer(house, other, "other@example.org")
    waits = publish(house, petition_id)
    publish(house, other)
    key_id, whole = (
        house.value("SELECT row_key_id FROM signatures WHERE id = :id", id=away),
        updates.open_sealed_row_key,
    )

    def open_key(wanted: UUID, *rest: Any) -> bytes:
        if wanted == key_id:
            raise KeyNotHeldError
        return whole(wanted, *rest)

    monkeypatch.setattr(updates, "open_sealed_row_key", open_key)
    with pytest.raises(KeyNotHeldError):
        queue_all(house)
    assert receivers(house) == ["other@example.org"]
    assert house.sql("SELECT cursor, finished_at FROM mailings WHERE news_id = :n", n=waits).one() == (None, None)
    monkeypatch.undo()
    queue_all(house)
    assert receivers(house) == ["asked@example.org", "other@example.org"]


def many(house: House, make: Factory, number: int) -> list[str]:
    """So many signers who asked, and news for them."""
    petition_id = make.petition()
    addresses = [f"n{one:02}@example.org" for one in range(number)]
    for address in addresses:
        signer(house, petition_id, address)
    publish(house, petition_id)
    return addresses


def test_an_error_in_the_middle_of_a_lot_leaves_nobody_out_and_writes_to_nobody_twice(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = own_database
    addresses = many(house, make_own, 7)
    monkeypatch.setattr(updates, "LOT", 3)
    queue_mail, calls = updates.queue_mail, 0

    def failing(*args: Any, **options: Any) -> UUID:
        nonlocal calls
        calls += 1
        if calls in (2, 6):
            raise OSError("away")
        return queue_mail(*args, **options)

    monkeypatch.setattr(updates, "queue_mail", failing)
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            queue_all(house)
    assert 0 < len(receivers(house)) < 7
    queue_all(house)
    assert receivers(house) == addresses
    assert house.value("SELECT queued FROM mailings") == 7


DYING = """
import os, signal, sys
from core.keyring import load_keyring
from petitions import updates
from worker.celery import flask_app

lot, mails = int(sys.argv[1]), int(sys.argv[2])
updates.LOT, queue_mail, calls = lot, updates.queue_mail, 0

def dying(*args, **options):
    global calls
    calls += 1
    if calls == mails:
        os.kill(os.getpid(), signal.SIGKILL)
    return queue_mail(*args, **options)

updates.queue_mail = dying
with flask_app.app_context():
    for _lot in updates.queue_lots(load_keyring(flask_app.extensions["zbor"])):
        if mails == 0:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.processes
def test_a_killed_worker_leaves_nobody_out_and_writes_to_nobody_twice(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 in the middle of the first lot, between two, and in the middle of a later one."""
    house = own_database
    addresses = many(house, make_own, 12)
    config = house.app(Role.WORKER).extensions["zbor"]
    environment = {
        **os.environ,
        "ZBOR_ROLE": "worker",
        "DATABASE_URL": config.database_url,
        "REDIS_URL": "redis://127.0.0.1:1",
        "ZBOR_PUBLIC_URL": config.public_url,
        "ZBOR_ROOT_PUBLIC_KEY": base64.b64encode(config.root_public_key).decode(),
        "ZBOR_SECRETS_DIR": str(config.secrets_dir),
        "ZBOR_MAIL_FROM": config.mail_from,
        "ZBOR_BUNDLE_DIR": str(config.bundle_dir),
    }
    for dies_at, then in ((2, 0), (0, 5), (7, 10)):
        command = [sys.executable, "-c", DYING, "5", str(dies_at)]
        died = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert len(receivers(house)) == then
    monkeypatch.setattr(updates, "LOT", 5)
    queue_all(house)
    assert receivers(house) == addresses


def test_two_workers_at_once_queue_each_mail_once(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    house = own_database
    addresses = many(house, make_own, 9)
    monkeypatch.setattr(updates, "LOT", 2)

    def run(_number: int) -> int:
        return queue_all(house)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    queue_all(house)  # Who came while a lot was locked has gone away again.
    assert receivers(house) == addresses
    with house.bind.connect() as connection:  # type: ignore[union-attr]  # An engine here.
        assert connection.execute(text("SELECT queued FROM mailings")).scalar() == 9
