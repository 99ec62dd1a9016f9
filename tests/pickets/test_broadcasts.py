"""Telling all participants: a change, a cancellation, the day before; once each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.config import Role
from pickets import broadcasts, care
from tests.conftest import House
from tests.factories import Factory, enter, post
from tests.pickets.factories import picket, shift
from tests.pickets.test_attending import confirmed, join, mails, people


def care_for(house: House) -> int:
    """What the worker does by itself. Returns how many lots of mails were queued."""
    with house.inside(Role.WORKER):
        care.announce_due()
        care.end_over()
        broadcasts.start_reminders()
        return sum(1 for _lot in broadcasts.queue_lots(house.keyring))


def of_kind(house: House, template: str) -> list[dict[str, Any]]:
    return [mail for mail in mails(house) if mail["template"] == template]


@pytest.fixture
def organiser(make: Factory) -> int:
    return make.account(role="organiser", country="PL")


def organised(house: House, make: Factory, account: int, **changes: Any) -> UUID:
    here = picket(house, make, **changes)
    house.sql(
        "INSERT INTO picket_organisers (picket_id, account_id, accepted_at) VALUES (:p, :a, now())", p=here, a=account
    )
    return here


def test_one_press_tells_everybody_who_left_an_address_once(house: House, make: Factory, organiser: int) -> None:
    here = organised(house, make, organiser)
    for number in range(3):
        confirmed(house, house.client(), here, email=f"p{number}@example.org")
    join(house, house.client(), here)
    join(house, house.client(), here, email="unconfirmed@example.org")
    desk = enter(house, organiser)
    post(desk, f"/pickets/{here}/cancel", reason="safety", note="Come another day.")
    assert care_for(house) == 1
    assert care_for(house) == 0
    told = of_kind(house, "picket_cancelled")
    assert sorted(mail["to"] for mail in told) == ["p0@example.org", "p1@example.org", "p2@example.org"]
    assert {(mail["reason"], mail["note"]) for mail in told} == {
        ("For the safety of those who come", "Come another day.")
    }
    page = desk.get(f"/pickets/{here}").text
    assert "3" in page
    row = house.sql("SELECT * FROM broadcasts").one()
    assert (row.kind, row.queued, row.finished_at is not None) == ("cancelled", 3, True)


def test_lots_go_on_where_a_worker_that_died_left_off(
    house: House, make: Factory, organiser: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcasts, "LOT", 2)
    here = organised(house, make, organiser)
    for number in range(5):
        confirmed(house, house.client(), here, email=f"p{number}@example.org")
    post(enter(house, organiser), f"/pickets/{here}/cancel", reason="weather", note="")
    with house.inside(Role.WORKER):
        lots = broadcasts.queue_lots(house.keyring)
        next(lots)
        lots.close()
    assert len(of_kind(house, "picket_cancelled")) == 2
    care_for(house)
    told = [mail["to"] for mail in of_kind(house, "picket_cancelled")]
    assert len(told) == len(set(told)) == 5


def test_a_mail_that_was_queued_cannot_be_queued_twice(house: House, make: Factory, organiser: int) -> None:
    from sqlalchemy.exc import IntegrityError

    here = organised(house, make, organiser)
    confirmed(house, house.client(), here)
    post(enter(house, organiser), f"/pickets/{here}/cancel", reason="weather", note="")
    care_for(house)
    house.sql("UPDATE broadcasts SET cursor = NULL, finished_at = NULL")
    with pytest.raises(IntegrityError), house.bind.begin_nested():
        care_for(house)


def test_the_day_before_everybody_is_reminded_once_with_the_place_and_their_shift(
    house: House, make: Factory, organiser: int
) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=23)
    here = organised(house, make, organiser, starts_at=soon, place_shown="district", district="Śródmieście")
    confirmed(house, house.client(), here, alias="Zubr", shift=str(shift(house, here)))
    care_for(house)
    care_for(house)
    [mail] = of_kind(house, "picket_reminder")
    assert mail["place"] == "Aleja Szucha 23"
    assert mail["shifts"][0].startswith("Signature table, ")


def test_nobody_is_reminded_two_days_before_or_of_what_is_cancelled(
    house: House, make: Factory, organiser: int
) -> None:
    later = datetime.now(UTC) + timedelta(hours=49)
    here = organised(house, make, organiser, starts_at=later)
    confirmed(house, house.client(), here)
    care_for(house)
    assert of_kind(house, "picket_reminder") == []
    house.sql("UPDATE pickets SET starts_at = now() + interval '20 hours', ends_at = now() + interval '22 hours'")
    with house.inside(Role.WORKER):
        broadcasts.start_reminders()
    post(enter(house, organiser), f"/pickets/{here}/cancel", reason="weather", note="")
    care_for(house)
    assert of_kind(house, "picket_reminder") == []
    assert len(of_kind(house, "picket_cancelled")) == 1


def test_a_reminder_that_still_waits_is_not_sent_after_the_cancellation(
    house: House, make: Factory, organiser: int
) -> None:
    here = organised(house, make, organiser, starts_at=datetime.now(UTC) + timedelta(hours=20))
    confirmed(house, house.client(), here)
    care_for(house)
    assert house.value("SELECT state FROM outbox WHERE template = 'picket_reminder'") == "queued"
    post(enter(house, organiser), f"/pickets/{here}/cancel", reason="safety", note="")
    care_for(house)
    assert house.value("SELECT state FROM outbox WHERE template = 'picket_reminder'") == "failed"
    assert house.value("SELECT state FROM outbox WHERE template = 'picket_cancelled'") == "queued"


def test_who_joins_after_a_change_is_not_told_of_it(house: House, make: Factory, organiser: int) -> None:
    here = organised(house, make, organiser)
    confirmed(house, house.client(), here, email="early@example.org")
    house.sql("UPDATE participants SET joined_at = now() - interval '1 hour'")
    house.sql(
        "INSERT INTO broadcasts (id, picket_id, kind, sequence, created_at) VALUES (gen_random_uuid(), :p, 'changed', 1, now() - interval '1 minute')",
        p=here,
    )
    confirmed(house, house.client(), here, email="late@example.org")
    care_for(house)
    assert [mail["to"] for mail in of_kind(house, "picket_changed")] == ["early@example.org"]


def test_mails_are_in_the_language_of_who_joined(house: House, make: Factory, organiser: int) -> None:
    from worker.mail import compose

    here = organised(house, make, organiser)
    code = house.value("SELECT code FROM pickets")
    from tests.factories import hidden, press

    client = house.client()
    event = hidden(client.get(f"/pickets/{code}/join?lang=pl").text, "event_id")
    client.post(f"/pickets/{code}/join?lang=pl", data={"event_id": event, "people": "1", "email": "ala@example.org"})
    house.drain()
    press(client, mails(house)[-1]["confirm_url"].removeprefix("http://localhost"))
    house.drain()
    post(enter(house, organiser), f"/pickets/{here}/cancel", reason="weather", note="")
    care_for(house)
    [mail] = of_kind(house, "picket_cancelled")
    assert (mail["language"], mail["city"]) == ("pl", "Warszawa")
    with house.inside(Role.WORKER) as app:
        told = compose("picket_cancelled", mail, app.extensions["zbor"], "<1@example.org>")
    assert "Warszawa" in str(told.get_body(("plain",)))
    assert "petition" not in str(told["Subject"]).lower()


@pytest.mark.parametrize("template", ["picket_join", "picket_changed", "picket_cancelled", "picket_reminder"])
def test_every_mail_is_written_in_both_forms(house: House, template: str) -> None:
    from worker.mail import compose

    mail = {
        "to": "a@example.org", "language": "en", "city": "Warsaw", "when": "Saturday, 5 December 2026, 12:00–14:00 (CET)", "place": "<b>here</b>",
        "reason": "Because of the weather", "note": "x & y", "shifts": ["Steward, 12:00–13:00"], "page_url": "http://localhost/pickets/abc234",
        "mine_url": "http://localhost/pickets/mine/x", "confirm_url": "http://localhost/pickets/confirm/x",
    }  # fmt: skip
    with house.inside(Role.WORKER) as app:
        told = compose(template, mail, app.extensions["zbor"], "<1@example.org>")
    plain, page = (told.get_body((part,)).get_content() for part in ("plain", "html"))
    assert "Warsaw, Saturday" in plain
    assert "Warsaw, Saturday" in page
    assert "<b>here" not in page
    assert len(people(house)) == 0
