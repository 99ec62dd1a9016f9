"""Petitions that allow two signatures a mailbox, for couples who share one."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from core.config import Role
from core.records import decrypt_record, open_row_key
from tests.conftest import House
from tests.factories import Factory, confirm_at_once, counted, log_in, press, signed, token
from tests.petitions.test_editing import revised, set_up, whole
from tests.petitions.test_intake import fsck

ANNA, PIOTR, THIRD = "Anna Kowalska", "Piotr Kowalski", "Maria Nowak"


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition(per_mailbox=2))


def seats(house: House) -> list[int]:
    """Seats of what is counted."""
    return list(house.sql("SELECT seat FROM signatures WHERE state = 'counted' ORDER BY seat").scalars())


def states(house: House) -> Counter[tuple[str, str | None]]:
    return Counter((row.state, row.reason) for row in house.sql("SELECT state, reason FROM signatures").all())


def confirm(house: House, row: Any) -> Any:
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    return house.sql("SELECT * FROM signatures WHERE id = :id", id=row.id).one()


def withdraw(house: House, signature_id: UUID, purpose: str = "withdraw") -> None:
    press(house.client(), f"/withdraw/{token(house, purpose, signature_id)}")
    house.drain()


def newest_mail(house: House) -> tuple[str, dict[str, Any]]:
    """Template and content of the only mail in the outbox, which is then emptied."""
    mail = house.sql("SELECT * FROM outbox").one()
    with house.inside(Role.WORKER):
        key = open_row_key(mail.row_key_id, house.keyring.private_keys)
        content = decrypt_record(key, "outbox", mail.id, mail.sealed)
    house.sql("DELETE FROM outbox")
    return mail.template, content


def test_a_couple_is_counted_on_two_seats_and_a_third_person_is_not(house: House, slug: str) -> None:
    assert counted(house, slug, name=ANNA).state == "counted"
    assert counted(house, slug, name=PIOTR).state == "counted"
    assert seats(house) == [1, 2]
    house.sql("DELETE FROM outbox")
    third = signed(house, slug, name=THIRD)
    assert (third.state, third.reason, third.sealed) == ("duplicate", "already_counted", None)
    assert newest_mail(house)[0] == "already_signed"
    assert house.client().get(f"/petitions/{slug}/count.json").json["counted"] == 2
    assert fsck(house) == {}


@pytest.mark.parametrize("again", ["Kowalska Anna", "anna kowalská", "Ana Kowlska", "Anna Maria Kowalska"])
def test_the_same_person_again_is_a_duplicate_though_a_seat_is_free(house: House, slug: str, again: str) -> None:
    first = counted(house, slug, name=ANNA)
    house.sql("DELETE FROM outbox")
    row = signed(house, slug, name=again)
    assert (row.state, row.reason, row.sealed) == ("duplicate", "alike", None)
    template, content = newest_mail(house)
    assert template == "already_signed"
    assert token(house, "mine", first.id) in content["mine_url"]
    assert seats(house) == [1]
    assert fsck(house) == {}


def test_the_same_person_confirming_twice_is_one(house: House, slug: str) -> None:
    first, second, partner = (signed(house, slug, name=name) for name in (ANNA, "Kowalska, Anna", PIOTR))
    assert (first.state, second.state) == ("pending", "pending")
    assert confirm(house, first).state == "counted"
    row = house.sql("SELECT * FROM signatures WHERE id = :id", id=second.id).one()
    assert (row.state, row.sealed) == ("duplicate", None), "the pending one of the same name counts no more"
    assert confirm(house, partner).seat == 2
    assert fsck(house) == {}


def test_a_seat_that_is_given_up_is_free_for_another(house: House, slug: str) -> None:
    anna, _piotr = counted(house, slug, name=ANNA), counted(house, slug, name=PIOTR)
    withdraw(house, anna.id)
    assert seats(house) == [2]
    assert counted(house, slug, name=THIRD).seat == 1
    assert seats(house) == [1, 2]
    assert fsck(house) == {}


def test_whoever_withdrew_may_sign_again(house: House, slug: str) -> None:
    anna, _piotr = counted(house, slug, name=ANNA), counted(house, slug, name=PIOTR)
    withdraw(house, anna.id, "mine")
    assert counted(house, slug, name=ANNA).seat == 1
    assert fsck(house) == {}


def test_when_the_last_seat_is_taken_those_who_wait_are_duplicates(house: House, slug: str) -> None:
    rows = [signed(house, slug, name=name) for name in (ANNA, PIOTR, THIRD)]
    assert [row.state for row in rows] == ["pending"] * 3
    assert confirm(house, rows[2]).seat == 1
    assert states(house) == {("counted", None): 1, ("pending", None): 2}
    assert confirm(house, rows[0]).seat == 2
    assert states(house) == {("counted", None): 2, ("duplicate", "already_counted"): 1}
    assert confirm(house, rows[1]).state == "duplicate"
    assert fsck(house) == {}


def test_the_link_of_a_duplicate_withdraws_nobody_elses_signature(house: House, slug: str) -> None:
    """A mail of the one signature that a mailbox had is still good for it; where couples share one, it may be the other's."""
    again = signed(house, slug, name=ANNA)
    anna = counted(house, slug, name=ANNA)
    piotr = counted(house, slug, name=PIOTR)
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=again.id) == "duplicate"
    withdraw(house, anna.id)
    withdraw(house, again.id)
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=piotr.id) == "counted"
    assert states(house) == {("counted", None): 1, ("duplicate", "already_counted"): 1, ("withdrawn", "by_signer"): 1}


def test_two_confirmations_at_the_same_moment_take_two_seats(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = own_database
    slug = make_own.slug(make_own.petition(per_mailbox=2))
    confirm_at_once(house, monkeypatch, [signed(house, slug, name=name) for name in (ANNA, PIOTR)])
    assert seats(house) == [1, 2]
    assert fsck(house) == {}


def test_two_confirmations_of_one_person_at_the_same_moment_take_one(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = own_database
    slug = make_own.slug(make_own.petition(per_mailbox=2))
    confirm_at_once(house, monkeypatch, [signed(house, slug, name=name) for name in (ANNA, "Kowalska Anna")])
    assert seats(house) == [1]
    assert fsck(house) == {}


def test_two_who_confirm_at_once_when_one_seat_is_left(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = own_database
    slug = make_own.slug(make_own.petition(per_mailbox=2))
    waiting = [signed(house, slug, name=name) for name in (PIOTR, THIRD)]
    house.sql("DELETE FROM mailboxes")  # Of three mails a day one is gone already.
    counted(house, slug, name=ANNA)
    confirm_at_once(house, monkeypatch, waiting)
    assert seats(house) == [1, 2]
    assert states(house) == {("counted", None): 2, ("duplicate", "already_counted"): 1}
    assert fsck(house) == {}


def test_elsewhere_a_mailbox_is_counted_once_whatever_the_names(house: House, make: Factory) -> None:
    slug = make.slug(make.petition(countries=()))
    partner = signed(house, slug, name=PIOTR)
    anna = counted(house, slug, name=ANNA)
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=partner.id) == "duplicate"
    late = signed(house, slug, name=THIRD)
    assert (late.state, late.reason) == ("duplicate", "already_counted")
    withdraw(house, late.id)
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=anna.id) == "withdrawn"
    assert fsck(house) == {}


def test_the_settings_of_a_draft_say_how_many_a_mailbox_may_bring(house: House, make: Factory) -> None:
    client = log_in(house, make, make.petition(countries=()))
    petition = whole(house, make, client)
    query = "SELECT per_mailbox FROM petitions WHERE id = :p"
    assert house.value(query, p=petition) == 1
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    assert set_up(client, petition, fallback, per_mailbox="3").status_code == 422
    assert house.value(query, p=petition) == 1
    assert set_up(client, petition, fallback, per_mailbox="2").status_code == 303
    assert house.value(query, p=petition) == 2
    page = client.get(f"/petitions/{petition}/settings").text
    assert '<option selected value="2">' in page
    # Once people can sign, it stays as they were told.
    house.sql("UPDATE petitions SET state = 'open', opens_at = now() WHERE id = :p", p=petition)
    late = {"per_mailbox": "1", "zone": "UTC", "thresholds": ""}
    assert revised(client, f"/petitions/{petition}/settings", **late).status_code == 303
    assert house.value(query, p=petition) == 2
