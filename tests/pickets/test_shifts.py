"""Shifts: they move with their picket, are confirmed by whoever takes them, and what the organiser reads of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from accounts.models import Account
from core.config import Role
from core.extensions import db
from pickets import announcing
from tests.conftest import House
from tests.factories import Factory, enter, post
from tests.pickets.factories import organiser, picket, shift
from tests.pickets.test_attending import confirmed, deed
from tests.pickets.test_desk import ALLOWED, CONCERNS
from worker import drain


def confirmations(house: House) -> list[bool]:
    rows = house.sql(
        "SELECT confirmed_at IS NOT NULL FROM shift_takers JOIN shifts ON shifts.id = shift_id ORDER BY role"
    )
    return list(rows.scalars())


def change(house: House, account_id: int, picket_id: UUID, **values: Any) -> None:
    """Save a picket as the form does."""
    with house.inside(Role.CONSOLE):
        account = db.session.get_one(Account, account_id)
        revision = house.value("SELECT revision FROM pickets WHERE id = :p", p=picket_id)
        known = house.sql("SELECT starts_at, ends_at FROM pickets WHERE id = :p", p=picket_id).one()
        values = {"starts_at": known.starts_at, "ends_at": known.ends_at, **values}
        announcing.change_picket(account, picket_id, revision, values, authority_told=True)


def test_when_the_hours_move_everybody_confirms_anew(house: House, make: Factory) -> None:
    starts = (datetime.now(UTC) + timedelta(days=20)).replace(hour=11, minute=0, second=0, microsecond=0)
    filed = ALLOWED | {"filed_at": datetime.now(UTC) - timedelta(hours=2)}
    here = picket(house, make, starts_at=starts, agreed_concerns=CONCERNS, notice=filed)
    elsewhere, client, account = picket(house, make), house.client(), organiser(house, make, here)
    taken = shift(house, here)
    own = confirmed(house, client, here, alias="Zubr", shift=str(taken))
    deed(house, client, own, "confirm", shift=taken)
    other, foreign = house.client(), shift(house, elsewhere, role="steward")
    deed(house, other, confirmed(house, other, elsewhere, alias="Bocian", shift=str(foreign)), "confirm", shift=foreign)
    change(house, account, here, about="Songs.")
    assert confirmations(house) == [True, True], "other words move nothing"
    change(house, account, here, starts_at=starts + timedelta(hours=1), ends_at=starts + timedelta(hours=3))
    assert house.value("SELECT starts_at FROM shifts WHERE id = :i", i=taken) == starts + timedelta(hours=1)
    assert confirmations(house) == [True, False], "of another picket it stays: steward, table"


@pytest.mark.parametrize(
    ("hours", "earlier", "sure"),
    [(25, 0, False), (24, 0, True), (1, 0, True), (25, 2, True)],
    ids=["the reminder comes", "too late for it", "at the last moment", "before the picket begins"],
)
def test_a_shift_taken_too_late_for_the_reminder_is_confirmed_by_that(
    house: House, make: Factory, hours: int, earlier: int, sure: bool
) -> None:
    starts = house.value("SELECT now()") + timedelta(hours=hours)
    here, client = picket(house, make, starts_at=starts), house.client()
    taken = shift(house, here)
    house.sql("UPDATE shifts SET starts_at = starts_at - make_interval(hours => :h)", h=earlier)
    page = client.get(confirmed(house, client, here, alias="Zubr", shift=str(taken))).text
    assert confirmations(house) == [sure]
    assert ("it is soon" in page) is sure
    assert ("We ask you to confirm it" in page) is not sure


def test_the_printed_list_of_shifts_is_old_once_they_change(house: House, make: Factory) -> None:
    here = picket(house, make)
    desk = enter(house, organiser(house, make, here))
    house.sql(
        "INSERT INTO papers (picket_id, kind, state, content, drawn_at) SELECT :p, kind, 'ready', 'x', now() FROM unnest(ARRAY['shifts', 'pack']) AS kind",
        p=here,
    )

    def are_old() -> bool:
        return desk.get(f"/pickets/{here}/papers").text.count("older than the last change") == 2

    assert not are_old()
    hour = house.value("SELECT to_char(starts_at AT TIME ZONE 'Europe/Warsaw', 'HH24:MI') FROM pickets")
    until = house.value("SELECT to_char(ends_at AT TIME ZONE 'Europe/Warsaw', 'HH24:MI') FROM pickets")
    post(desk, f"/pickets/{here}/shifts", role="table", begins=hour, ends=until, seats="1")
    assert are_old()
    house.sql("UPDATE papers SET revision = (SELECT revision FROM pickets)")
    assert not are_old()
    post(desk, f"/pickets/{here}/shifts/{house.value('SELECT id FROM shifts')}/removal")
    assert are_old()


# --- What the organiser reads ----------------------------------------------------------------------------------------------------


def listed(house: House, make: Factory) -> tuple[FlaskClient, str, list[tuple[FlaskClient, str]]]:
    """Two people take a shift, and the organiser asks for their aliases. Returns the desk, where the answer comes, and their own pages."""
    here = picket(house, make)
    taken = str(shift(house, here, seats=2))
    clients = [house.client(), house.client()]
    pages = [
        confirmed(house, client, here, alias=alias, shift=taken, email=f"{alias}@example.org")
        for client, alias in zip(clients, ("Zubr", "Bocian"), strict=True)
    ]
    desk = enter(house, organiser(house, make, here))
    desk.get(f"/pickets/{here}/shifts")
    where = post(desk, f"/pickets/{here}/shifts/aliases").location
    return desk, where, list(zip(clients, pages, strict=True))


@pytest.mark.parametrize("what", ["the row", "its key", "all of it"])
def test_one_row_that_does_not_open_takes_nothing_from_the_list(house: House, make: Factory, what: str) -> None:
    desk, where, [(client, own), _other] = listed(house, make)
    first = "(SELECT row_key_id FROM participants ORDER BY joined_at, id LIMIT 1)"
    damaged = "sealed = set_byte(sealed, 300, (get_byte(sealed, 300) + 1) % 256)"
    house.sql(
        "UPDATE participants SET joined_at = joined_at - interval '1 hour' WHERE id = (SELECT id FROM participants LIMIT 1)"
    )
    match what:
        case "the row":
            house.sql(f"UPDATE participants SET {damaged} WHERE row_key_id = {first}")
        case "its key":
            house.sql(
                f"UPDATE row_keys SET sealed = set_byte(sealed, length(sealed) - 1, (get_byte(sealed, length(sealed) - 1) + 1) % 256) WHERE id = {first}"
            )
        case _:
            house.sql(f"DELETE FROM row_keys WHERE id = {first}")
    house.drain()
    page = desk.get(where).text
    assert page.count("without an alias") == 1
    assert page.count("Zubr") + page.count("Bocian") == 1
    assert "You have left" in deed(house, client, own, "leave").text


def test_a_list_waits_for_a_key_that_is_away(house: House, make: Factory) -> None:
    desk, where, _people = listed(house, make)
    kept = house.sql("SELECT id, sealed FROM row_keys").all()
    house.sql("UPDATE row_keys SET sealed = overlay(sealed placing decode(repeat('00', 16), 'hex') from 3)")
    with house.inside(Role.WORKER):
        for _ in range(drain.MAX_ATTEMPTS + 1):
            assert len(drain.drain_batch(house.keyring).waiting) == 1
    for row in kept:
        house.sql("UPDATE row_keys SET sealed = :s WHERE id = :i", s=bytes(row.sealed), i=row.id)
    house.drain()
    assert "Zubr" in desk.get(where).text


def test_a_list_is_erased_when_somebody_on_it_leaves(house: House, make: Factory) -> None:
    desk, where, [(client, own), _other] = listed(house, make)
    house.drain()
    assert "Zubr" in desk.get(where).text
    assert "You have left" in deed(house, client, own, "leave").text
    page = desk.get(f"{where}?look=8").text
    assert "Zubr" not in page
    assert "Bocian" not in page
    assert "erased when somebody leaves" in page


def test_a_list_that_is_asked_for_in_the_batch_in_which_somebody_leaves_does_not_tell_of_them(
    house: House, make: Factory
) -> None:
    desk, where, [(client, own), _other] = listed(house, make)
    page = deed(house, client, own, "leave")  # The list waits before it in the same batch.
    assert "You have left" in page.text
    assert "Zubr" not in desk.get(f"{where}?look=8").text
