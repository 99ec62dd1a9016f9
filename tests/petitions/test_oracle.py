"""No answer tells who has signed: status, body and every header are the same, byte by byte, whatever is known of an address.

Every case begins from the same database and sends the same ids, so nothing is cut out or evened before it is compared. What the
server draws at random for a page, the id of its next form, and the clock by which a cookie ends are held still.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, Self
from uuid import UUID

import pytest
import redis
import werkzeug.http
from flask import Flask
from flask.testing import FlaskClient

from core.config import Role
from core.extensions import db
from petitions import bursts, screening, signals
from petitions.routes import signing
from petitions.states import expire_unconfirmed
from tests.conftest import House, url_of
from tests.factories import VALID, Factory, hidden, press, sign, token
from tests.petitions.test_proof import solved

EVENT, LATER, NEXT = UUID(int=1), UUID(int=2), UUID(int=3)
SECRET = "c2VjcmV0IG9mIGEgYnJvd3NlciB0aGF0IGlzIGFsd2F5cyBvbmU="
FLOODING, QUIET = "8.8.4.4", "9.9.9.9"
CASES = {
    "new": ("pending", None),
    "counted": ("duplicate", "already_counted"),
    "pending": ("pending", None),
    "held": ("pending", None),
    "withdrawn": ("pending", None),
    "blocked": ("rejected", "blocked"),
    "expired": ("pending", None),
    "flooded": ("duplicate", "too_many"),
    "in a flood": ("quarantined", "network_burst"),
    "trapped": ("quarantined", "trap"),
    "a machine": ("rejected", "machine"),
}
"""What the worker makes of each."""


class StoppedClock(datetime):
    """The end of a cookie's life is written down as a moment, and the cases are not sent within one second."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 5, 1, 12, tzinfo=tz)


@pytest.fixture
def app(house: House, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A public site with a Redis, on which challenges take five tries, six signatures are a flood and machines type slowly."""
    monkeypatch.setattr(signals, "TRIES", range(5, 6))
    monkeypatch.setattr(signals, "FLOODED", 1)
    monkeypatch.setattr(bursts, "MOST_A_NETWORK", 5)
    monkeypatch.setattr(screening, "FAST_SECONDS", 0)
    app = house.app(Role.PUBLIC, redis_url=url_of(valkey))
    yield app
    for name in ("zbor_wake_ups", "zbor_celery"):
        app.extensions[name].close()


def browser(app: Flask, address: str = QUIET) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    client.set_cookie("answers", SECRET)
    return client


@pytest.fixture
def slug(house: House, make: Factory, app: Flask, monkeypatch: pytest.MonkeyPatch) -> str:
    """A petition with a signature in every state. From then on ids of further forms and the cookie's clock are still."""
    slug = make.slug(make.petition())
    rows = {}
    for number, case in enumerate(("counted", "pending", "held", "withdrawn", "blocked", "expired", "flooded")):
        trap = {"website": "x"} if case == "held" else {}
        rows[case] = someone(house, browser(app, f"9.9.{number}.9"), slug, case, **trap)
    for purpose, path, case in (
        ("confirm", "confirm", "counted"),
        ("withdraw", "withdraw", "withdrawn"),
        ("not_me", "not-me", "blocked"),
    ):
        press(browser(app), f"/{path}/{token(house, purpose, rows[case])}")
    house.drain()
    house.sql("UPDATE signatures SET received_at = received_at - interval '15 days' WHERE id = :i", i=rows["expired"])
    with house.inside(Role.WORKER):
        assert expire_unconfirmed(house.value("SELECT now()")) == 1
        db.session.commit()
    for number in range(3):
        someone(house, browser(app, f"9.9.2{number}.9"), slug, "flooded")
    for number in range(6):
        someone(house, browser(app, FLOODING), slug, f"flood{number}")
    assert house.value("SELECT count(*) FROM bursts") == 1
    found = house.sql("SELECT state, count(*)::int AS total FROM signatures GROUP BY 1").all()
    assert {row.state for row in found} >= {"counted", "pending", "quarantined", "withdrawn", "expired", "duplicate"}
    monkeypatch.setattr(signing, "uuid4", lambda: NEXT)
    monkeypatch.setattr(werkzeug.http, "datetime", StoppedClock)
    return slug


def address_of(case: str) -> str:
    return f"{case.replace(' ', '-')}@gmail.com"


def someone(house: House, client: FlaskClient, slug: str, case: str, **changes: Any) -> UUID:
    page = client.get(f"/petitions/{slug}/sign").text
    sent = {"email": address_of(case), "shown": hidden(page, "shown")} | changes
    before = list(house.sql("SELECT id FROM signatures").scalars())
    assert sign(client, slug, **sent).status_code == 303
    house.drain()
    made: UUID = house.value("SELECT id FROM signatures WHERE id <> ALL(:b)", b=before)
    return made


def answer_of(response: Any) -> tuple[str, list[tuple[str, str]], bytes]:
    return response.status, list(response.headers), response.data


def all_answers(house: House, app: Flask, slug: str, case: str, *, proved: bool) -> list[Any]:
    """Everything that the browser of somebody who signs is told, to a wrong code and a second mail."""
    client = browser(app, FLOODING if case == "in a flood" else QUIET)
    proof = solved(client, slug) if proved and case != "a machine" else ""
    with app.test_request_context():
        shown = signals.shown_now(EVENT)
    page = client.get(f"/petitions/{slug}/sign").text
    sent = {
        **VALID,
        "email": address_of(case),
        "event_id": str(EVENT),
        "text_hash": hidden(page, "text_hash"),
        "routes_hash": hidden(page, "routes_hash"),
        "shown": "" if case == "a machine" else shown,
        "proof": proof,
        "website": "x" if case in ("a machine", "trapped") else "",
    }
    told = [posted := client.post(f"/petitions/{slug}/signatures", data=sent)]
    told.append(client.get(posted.location))
    house.drain()
    told.append(client.get(posted.location))
    row = house.sql("SELECT * FROM signatures WHERE event_id = :e", e=EVENT).one()
    assert (row.state, row.reason) == CASES[case]
    wrong = f"{(int(house.keyring.code(row.id)) + 1) % 10**6:06d}"
    told.append(typed := client.post(f"{posted.location}/code", data={"event_id": str(LATER), "code": wrong}))
    house.drain()
    told.append(client.get(typed.location))
    again = client.post(f"{posted.location}/resend", data={"event_id": str(NEXT)})
    told.append(again)
    told.append(client.get(again.location))
    house.drain()
    told.append(client.get(again.location))
    # The same form once more, and its page.
    told.append(repeated := client.post(f"/petitions/{slug}/signatures", data=sent))
    told.append(client.get(repeated.location))
    return [answer_of(one) for one in told]


@pytest.mark.parametrize("proved", [False, True])
def test_every_answer_is_the_same_whoever_signs(house: House, slug: str, app: Flask, *, proved: bool) -> None:
    told = {}
    for case in CASES:
        before = house.bind.begin_nested()  # type: ignore[union-attr]  # The house of these tests has one connection.
        told[case] = all_answers(house, app, slug, case, proved=proved)
        before.rollback()
    expected = told["new"]
    assert [status for status, _headers, _body in expected] == [
        "303 SEE OTHER", "200 OK", "200 OK", "303 SEE OTHER", "422 UNPROCESSABLE ENTITY", "303 SEE OTHER", "200 OK", "200 OK",
        "303 SEE OTHER", "200 OK",
    ]  # fmt: skip
    for case, answers in told.items():
        for number, (one, other) in enumerate(zip(expected, answers, strict=True)):
            assert one == other, (case, number)


def test_with_and_without_a_proof_the_answer_is_the_same(house: House, slug: str, app: Flask) -> None:
    told = []
    for proved in (False, True):
        before = house.bind.begin_nested()  # type: ignore[union-attr]  # As above.
        told.append(all_answers(house, app, slug, "new", proved=proved))
        before.rollback()
    assert told[0] == told[1]
