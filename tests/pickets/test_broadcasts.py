"""Telling all participants: a change, a cancellation, the day before; once each, and nothing that is no longer so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from core.config import Role
from core.outbox import in_lots
from core.sealing import KeyNotHeldError
from pickets import broadcasts, care, services
from pickets import mails as picket_mails
from tests.conftest import House
from tests.factories import Factory, enter, post, signed
from tests.pickets.factories import picket, shift
from tests.pickets.test_attending import confirmed, deed, join, mails, people
from worker import mail as mailer


def care_for(house: House) -> int:
    """What the worker does by itself. Returns how many lots of mails were queued."""
    with house.inside(Role.WORKER):
        care.announce_due()
        care.end_over()
        broadcasts.start_reminders()
        return sum(1 for _lot in broadcasts.queue_lots(house.keyring))


def of_kind(house: House, template: str) -> list[dict[str, Any]]:
    """Mails in the outbox, with what they would tell now."""
    found = [mail for mail in mails(house) if mail["template"] == template]
    with house.inside(Role.WORKER):
        return [mail | picket_mails.told(template, mail) for mail in found]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[EmailMessage]:
    """Mails that left."""
    sent: list[EmailMessage] = []

    class Smtp:
        def send_message(self, message: EmailMessage, **_addresses: Any) -> None:
            sent.append(message)

    @contextmanager
    def connection(_config: Any) -> Iterator[Smtp]:
        yield Smtp()

    monkeypatch.setattr(mailer, "_connection", connection)
    return sent


def send(house: House) -> None:
    """Have the mailer send all that waits, but for mails to confirm an address."""
    house.sql("DELETE FROM outbox WHERE template = 'picket_join'")
    with house.inside(Role.WORKER) as app:
        mailer.send_due(house.keyring, app.extensions["zbor"])


def states(house: House) -> list[tuple[str, str]]:
    """Template and state of every mail to participants who come."""
    rows = house.sql("SELECT template, state FROM outbox WHERE template <> 'picket_join' ORDER BY template, state")
    return [(row.template.removeprefix("picket_"), row.state) for row in rows]


CANCELLED, SOON, CHANGED = "Cancelled: please do not come", "It is soon", "Something has changed"


def change(house: House, here: UUID, **values: Any) -> None:
    """What the desk does when hours or place of an announced picket are changed."""
    named = ", ".join(f"{name} = :{name}" for name in values)
    sequence = house.value(f"UPDATE pickets SET {named}, sequence = sequence + 1 RETURNING sequence", **values)
    house.sql(
        "INSERT INTO broadcasts (id, picket_id, kind, sequence) VALUES (:b, :p, 'changed', :s)",
        b=uuid4(), p=here, s=sequence,
    )  # fmt: skip


def cancel(house: House, here: UUID) -> None:
    house.sql(
        "UPDATE pickets SET state = 'cancelled', cancelled_at = now(), cancel_reason = 'safety' WHERE id = :p", p=here
    )
    house.sql(
        "INSERT INTO broadcasts (id, picket_id, kind, sequence) VALUES (:b, :p, 'cancelled', 9)", b=uuid4(), p=here
    )


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
    house: House, make: Factory, organiser: int, left: list[EmailMessage]
) -> None:
    here = organised(house, make, organiser, starts_at=datetime.now(UTC) + timedelta(hours=20))
    confirmed(house, house.client(), here)
    care_for(house)
    assert house.value("SELECT state FROM outbox WHERE template = 'picket_reminder'") == "queued"
    post(enter(house, organiser), f"/pickets/{here}/cancel", reason="safety", note="")
    care_for(house)
    send(house)
    assert [mail["Subject"] for mail in left] == [CANCELLED]
    assert states(house) == [("cancelled", "sent"), ("reminder", "dropped")]


def test_a_reminder_of_hours_that_were_changed_is_not_sent_and_one_of_the_new_hours_is(
    house: House, make: Factory, left: list[EmailMessage]
) -> None:
    soon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=20)
    here = picket(house, make, starts_at=soon)
    confirmed(house, house.client(), here)
    care_for(house)
    later = soon + timedelta(hours=1)
    change(house, here, starts_at=later, ends_at=later + timedelta(hours=2))
    send(house)
    assert left == []
    care_for(house)
    send(house)
    assert sorted(str(mail["Subject"]) for mail in left) == [SOON, CHANGED]
    for mail in left:
        body = mail.get_body(("plain",))
        assert body is not None
        assert f"{later.astimezone(ZoneInfo('Europe/Warsaw')):%H:%M}–" in body.get_content()
    care_for(house)
    assert states(house) == [("changed", "sent"), ("reminder", "dropped"), ("reminder", "sent")]


def test_a_change_is_not_told_of_what_is_cancelled_or_over_meanwhile(
    house: House, make: Factory, left: list[EmailMessage]
) -> None:
    here = picket(house, make)
    confirmed(house, house.client(), here)
    change(house, here, place="Elsewhere 1")
    care_for(house)
    house.sql("UPDATE pickets SET starts_at = now() - interval '3 hours', ends_at = now() - interval '1 second'")
    send(house)
    assert (left, states(house)) == ([], [("changed", "dropped")])
    house.sql("UPDATE pickets SET starts_at = now() + interval '3 days', ends_at = now() + interval '4 days'")
    change(house, here, place="Elsewhere 2")
    care_for(house)
    cancel(house, here)
    send(house)
    assert (left, states(house)) == ([], [("changed", "dropped")] * 2)


def test_of_two_changes_that_wait_one_mail_tells_what_holds(
    house: House, make: Factory, left: list[EmailMessage]
) -> None:
    here = picket(house, make)
    confirmed(house, house.client(), here)
    change(house, here, place="First 1")
    care_for(house)
    change(house, here, place="Second 2")
    with house.inside(Role.WORKER):
        assert of_kind(house, "picket_changed")[0]["place"] == "Second 2", "while no later mail is there"
    care_for(house)
    send(house)
    [mail] = left
    assert "Second 2" in str(mail.get_body(("plain",)))
    assert states(house) == [("changed", "dropped"), ("changed", "sent")]


@pytest.mark.parametrize(("hours", "leaves"), [(1, True), (23, True), (25, False)])
def test_a_cancellation_leaves_until_a_day_after_the_end(
    house: House, make: Factory, left: list[EmailMessage], hours: int, leaves: bool
) -> None:
    here = picket(house, make)
    confirmed(house, house.client(), here)
    cancel(house, here)
    care_for(house)
    house.sql(
        f"UPDATE pickets SET starts_at = now() - interval '{hours + 2} hours', ends_at = now() - interval '{hours} hours'"
    )
    send(house)
    assert [mail["Subject"] for mail in left] == [CANCELLED] * leaves


def test_who_left_meanwhile_is_not_written_to(house: House, make: Factory, left: list[EmailMessage]) -> None:
    here, client = picket(house, make), house.client()
    own = confirmed(house, client, here)
    change(house, here, place="Elsewhere 1")
    care_for(house)
    deed(house, client, own, "leave")
    send(house)
    assert (left, states(house)) == ([], [("changed", "dropped")])


def test_a_mail_to_confirm_is_not_sent_once_nobody_can_join(
    house: House, make: Factory, left: list[EmailMessage]
) -> None:
    here = picket(house, make)
    join(house, house.client(), here, email="a@example.org")
    cancel(house, here)
    with house.inside(Role.WORKER) as app:
        mailer.send_due(house.keyring, app.extensions["zbor"])
    assert left == []
    assert house.value("SELECT state FROM outbox") == "dropped"


def test_nobody_is_reminded_while_the_petition_is_not_public(
    house: House, make: Factory, left: list[EmailMessage]
) -> None:
    here = picket(house, make, starts_at=datetime.now(UTC) + timedelta(hours=20))
    confirmed(house, house.client(), here)
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'It breaks the rules.'")
    assert care_for(house) == 0
    assert house.value("SELECT count(*) FROM broadcasts") == 0
    house.sql("UPDATE petitions SET state = 'open'")
    assert care_for(house) == 1
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'It breaks the rules.'")
    send(house)
    assert (left, states(house)) == ([], [("reminder", "dropped")])


def test_cancellations_leave_first(house: House, make: Factory) -> None:
    here = picket(house, make)
    confirmed(house, house.client(), here)
    signed(house, make.slug(house.value("SELECT min(petition_id) FROM pickets")))
    cancel(house, here)
    care_for(house)
    house.sql("UPDATE outbox SET due_at = now() - interval '1 hour' WHERE template <> 'picket_cancelled'")
    with house.inside(Role.WORKER):
        [lease], _pause = mailer.lease_due(1.0)
    assert house.value("SELECT template FROM outbox WHERE id = :m", m=lease.mail_id) == "picket_cancelled"


# --- Counting what left --------------------------------------------------------------------------------------------------


def told_of(house: House, here: UUID) -> tuple[int, int, int]:
    """Queued, sent and not delivered mails of the only broadcast, as the organiser sees them."""
    with house.inside(Role.CONSOLE):
        [one] = services.list_broadcasts(here)
        return one.queued, one.sent, one.failed


def test_what_left_stays_counted_when_the_outbox_is_cleared_and_what_could_not_be_delivered_is_told(
    house: House, make: Factory
) -> None:
    here = picket(house, make)
    for name in ("left", "p0", "p1", "p2"):
        confirmed(house, house.client(), here, email=f"{name}@example.org")
    cancel(house, here)
    care_for(house)
    ends = {"left": "sent", "p0": "sent", "p1": "failed", "p2": "dropped"}
    told = {mail["to"].partition("@")[0]: mail["participant_id"] for mail in of_kind(house, "picket_cancelled")}
    for name, state in ends.items():
        house.sql(
            "UPDATE outbox SET state = :s, sealed = NULL, finished_at = now() - interval '15 days' WHERE template = 'picket_cancelled'"
            " AND row_key_id = (SELECT row_key_id FROM participants WHERE id = :p)",
            s=state,
            p=told[name],
        )
    # Whoever leaves takes their key along.
    house.sql("DELETE FROM row_keys k USING participants t WHERE t.row_key_id = k.id AND t.id = :p", p=told["left"])
    assert told_of(house, here) == (4, 2, 1)
    with house.inside(Role.WORKER):
        mailer.forget_sent()
    assert told_of(house, here) == (4, 2, 1)
    house.sql("UPDATE pickets SET starts_at = now() - interval '9 days', ends_at = now() - interval '8 days 2 hours'")
    with house.inside(Role.WORKER):
        assert care.purge_participants(house.value("SELECT now()"))
    assert states(house) == []
    assert told_of(house, here) == (4, 2, 1)


# --- One that fails ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyNotHeldError])
def test_a_broadcast_that_cannot_be_queued_stops_no_other(
    house: House,
    make: Factory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    bad, good = picket(house, make), picket(house, make)
    for here in (bad, good):
        confirmed(house, house.client(), here)
        cancel(house, here)
    house.sql("UPDATE broadcasts SET created_at = now() - interval '1 hour' WHERE picket_id = :p", p=bad)
    news = picket_mails.news_mail

    def fail(participant_id: UUID, record: Any, broadcast: Any, keyring: Any) -> Any:
        if broadcast.picket_id == bad:
            raise error("p0@example.org")
        return news(participant_id, record, broadcast, keyring)

    with monkeypatch.context() as patched:
        patched.setattr(picket_mails, "news_mail", fail)
        with pytest.raises(error):
            care_for(house)
    assert house.value("SELECT queued FROM broadcasts WHERE picket_id = :p", p=good) == 1
    assert house.value("SELECT queued FROM broadcasts WHERE picket_id = :p", p=bad) == 0
    assert "p0@example.org" not in caplog.text
    care_for(house)
    assert house.value("SELECT queued FROM broadcasts WHERE picket_id = :p", p=bad) == 1


def test_the_first_error_is_raised_once_all_others_are_done(house: House) -> None:
    jobs = {uuid4(): LookupError, uuid4(): None, uuid4(): ValueError, uuid4(): None}
    done: set[UUID] = set()

    def queue(job: UUID) -> None:
        error = jobs[job]
        if error:
            raise error
        done.add(job)

    def find(but: Any) -> UUID | None:
        return next((job for job in jobs if job not in but and job not in done), None)

    lots = 0
    with house.inside(Role.WORKER), pytest.raises(LookupError):  # noqa: PT012  # How many came before it is the matter.
        for _lot in in_lots(find, lambda job: job, queue):
            lots += 1
    assert lots == len(done) == 2


def test_who_joins_while_a_change_is_being_told_is_told_of_it(house: House, make: Factory, organiser: int) -> None:
    here = organised(house, make, organiser)
    confirmed(house, house.client(), here, email="early@example.org")
    house.sql(
        "INSERT INTO broadcasts (id, picket_id, kind, sequence, created_at) VALUES (gen_random_uuid(), :p, 'changed', 1, now() - interval '1 minute')",
        p=here,
    )
    # Their page may have been opened before.
    confirmed(house, house.client(), here, email="late@example.org")
    care_for(house)
    assert {mail["to"] for mail in of_kind(house, "picket_changed")} == {"early@example.org", "late@example.org"}


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
