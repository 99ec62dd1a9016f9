"""Decisions about what is held back when something comes in between: a key, a withdrawal, a role, time, the end of a petition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy.event
from flask.testing import FlaskClient

from accounts import approvals
from core.config import Role
from core.extensions import db
from core.keyring import load_keyring
from petitions import quarantine, states
from petitions.models import Signature
from petitions.rules import ALONE_A_DAY
from tests.conftest import House
from tests.factories import Factory, log_in, post, press, token
from tests.petitions.test_bursts import NETWORK, arrive, care, confirm_all
from tests.petitions.test_bursts import states as now_in
from tests.petitions.test_intake import fsck
from tests.petitions.test_quarantine import decide, held_ids
from worker import tasks

pytestmark = pytest.mark.usefixtures("small_bursts")


@pytest.fixture
def flood(house: House, petition: int) -> int:
    """Six that are held back, two of them confirmed. Returns the petition."""
    arrive(house, petition, 6, network=NETWORK)
    care(house)
    for one in house.sql("SELECT id FROM signatures ORDER BY id LIMIT 2").scalars().all():
        confirm(house, one)
    return petition


@pytest.fixture
def reviewer(house: House, make: Factory, petition: int) -> FlaskClient:
    return log_in(house, make, petition, role="reviewer")


@pytest.fixture
def waiting(house: House, petition: int, reviewer: FlaskClient) -> UUID:
    """A decision about 51 that waits for a second person."""
    arrive(house, petition, ALONE_A_DAY + 1, network=NETWORK)
    assert decide(house, reviewer, petition, "release-all", reason="A square full of people").status_code == 303
    decision: UUID = house.value("SELECT id FROM decisions WHERE state = 'waiting'")
    return decision


def confirm(house: House, signature_id: UUID) -> None:
    press(house.client(), f"/confirm/{token(house, 'confirm', signature_id)}")
    house.drain()


def decisions(house: House) -> list[str]:
    return list(house.sql("SELECT state FROM decisions ORDER BY requested_at").scalars())


# --- Keys -------------------------------------------------------------------------------------------------------------------


def test_a_release_waits_for_its_key_and_holds_up_no_other_decision(
    house: House, flood: int, reviewer: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    every = held_ids(house)
    decide(house, reviewer, flood, "release-chosen", row=every[:4])
    decide(house, reviewer, flood, "reject-chosen", row=every[4:])
    real = tasks.load_keyring
    monkeypatch.setattr(tasks, "load_keyring", lambda config: replace(real(config), private_keys={}))
    care(house)
    assert decisions(house) == ["ready", "done"]
    assert now_in(house) == {"quarantined": 4, "rejected": 2}
    assert "4 released signatures need a sealing key" in caplog.text
    assert fsck(house) == {}
    arrive(house, flood, 2, network=NETWORK)
    assert now_in(house) == {"quarantined": 6, "rejected": 2}
    monkeypatch.setattr(tasks, "load_keyring", real)
    care(house)
    assert decisions(house) == ["done", "done"]
    assert now_in(house) == {"counted": 2, "pending": 2, "rejected": 2, "quarantined": 2}
    assert fsck(house) == {}


def test_thousands_that_wait_for_a_key_take_the_time_of_no_other_decision(
    house: House, flood: int, reviewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "LOT_SIZE", 1)
    decide(house, reviewer, flood, "release-all")
    real, tried = quarantine.open_record, list[UUID]()
    monkeypatch.setattr(tasks, "load_keyring", lambda config: replace(load_keyring(config), private_keys={}))
    monkeypatch.setattr(quarantine, "open_record", lambda one, keyring: (tried.append(one.id), real(one, keyring))[1])
    house.sql("UPDATE signatures SET confirmed_at = NULL")
    care(house)
    assert len(tried) == 1, "one lot of six, and then it is another decision's turn"
    assert decisions(house) == ["ready"]


def test_a_release_that_waits_for_its_key_can_be_undone(
    house: House, flood: int, reviewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(house, reviewer, flood, "release-all")
    real = tasks.load_keyring
    monkeypatch.setattr(tasks, "load_keyring", lambda config: replace(real(config), private_keys={}))
    care(house)
    post(reviewer, f"/petitions/{flood}/held/decisions/{house.value('SELECT id FROM decisions')}/undo")
    care(house)
    assert decisions(house) == ["undone"]
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == 6
    assert fsck(house) == {}


def test_one_record_that_cannot_be_read_holds_up_none_of_the_others(
    house: House, flood: int, reviewer: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "LOT_SIZE", 2)
    bad = held_ids(house)[0]
    house.sql("UPDATE signatures SET sealed = 'damaged' WHERE id = :i", i=bad)
    decide(house, reviewer, flood, "release-all")
    care(house)
    assert now_in(house) == {"quarantined": 1, "counted": 1, "pending": 4}
    assert decisions(house) == ["ready"]
    assert house.value("SELECT count(*) FROM outbox") == 4
    assert fsck(house) == {}


def test_a_decision_about_any_number_takes_statements_of_a_few_parameters(
    house: House, petition: int, reviewer: FlaskClient
) -> None:
    """PostgreSQL takes 65,535 of them, and a flood may be larger."""
    arrive(house, petition, ALONE_A_DAY, network=NETWORK)
    most = 0

    def count(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_rest: Any) -> None:
        nonlocal most
        most = max(most, len(parameters))

    sqlalchemy.event.listen(house.bind, "before_cursor_execute", count)
    assert decide(house, reviewer, petition, "release-all").status_code == 303
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NOT NULL") == ALONE_A_DAY
    assert most < ALONE_A_DAY


# --- What changes while a decision waits ------------------------------------------------------------------------------------


def test_one_of_a_waiting_decision_is_withdrawn_and_the_others_are_released(
    house: House, petition: int, waiting: UUID, make: Factory
) -> None:
    gone = house.value("SELECT id FROM signatures LIMIT 1")
    press(house.client(), f"/withdraw/{token(house, 'withdraw', gone)}")
    house.drain()
    second = log_in(house, make, petition, role="reviewer")
    assert second.get(f"/petitions/{petition}/held/decisions/{waiting}").status_code == 200
    approve(house, second, waiting)
    care(house)
    assert now_in(house) == {"withdrawn": 1, "pending": ALONE_A_DAY}
    assert decisions(house) == ["done"]
    assert fsck(house) == {}


def test_a_withdrawal_makes_no_decision_one_persons(house: House, petition: int, waiting: UUID) -> None:
    """Fifty-one were asked for. That one of them left does not make it a decision that one person takes."""
    gone = house.value("SELECT id FROM signatures LIMIT 1")
    press(house.client(), f"/withdraw/{token(house, 'withdraw', gone)}")
    house.drain()
    house.sql("UPDATE decisions SET state = 'ready'")
    care(house)
    assert decisions(house) == ["refused"]
    assert fsck(house) == {}


def test_when_all_of_a_waiting_decision_left_nothing_is_done_and_it_ends(
    house: House, petition: int, waiting: UUID, make: Factory
) -> None:
    house.sql("UPDATE holds SET held_at = now() - interval '38 days'")
    erase_overdue(house)
    assert now_in(house) == {"expired": ALONE_A_DAY + 1}
    approve(house, log_in(house, make, petition, role="reviewer"), waiting)
    care(house)
    assert decisions(house) == ["done"]
    assert fsck(house) == {}


def approve(house: House, client: FlaskClient, decision: UUID) -> None:
    approval = house.value("SELECT id FROM approvals WHERE object_id = :d", d=str(decision))
    assert post(client, f"/approvals/{approval}", decision="approve").status_code == 303


def test_what_somebody_asked_for_who_is_no_longer_here_waits_again(house: House, petition: int, waiting: UUID) -> None:
    with house.inside(Role.CONSOLE), house.app(Role.CONSOLE).test_request_context():
        approvals.withdraw_all_of(house.value("SELECT requested_by FROM decisions"))
        db.session.commit()
    care(house)
    assert decisions(house) == ["refused"]
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == ALONE_A_DAY + 1
    assert now_in(house) == {"quarantined": ALONE_A_DAY + 1}
    assert fsck(house) == {}


def test_a_mailbox_that_the_flood_used_three_times_is_asked_no_less(
    house: House, petition: int, reviewer: FlaskClient
) -> None:
    """Its mails of the day were counted when the forms came, and none was sent."""
    arrive(house, petition, 6, network=NETWORK)
    arrive(house, petition, 4, network=NETWORK, email="owner@gmail.com")
    assert now_in(house) == {"quarantined": 9, "duplicate": 1}
    decide(house, reviewer, petition, "release-all")
    care(house)
    assert house.value("SELECT count(*) FROM outbox WHERE template = 'confirm'") == 9
    assert house.value("SELECT max(mails) FROM mailboxes") == 3
    # What was written already is counted as always: undone and released again, it brings the owner no fourth mail.
    post(reviewer, f"/petitions/{petition}/held/decisions/{house.value('SELECT id FROM decisions')}/undo")
    care(house)
    decide(house, reviewer, petition, "release-all")
    care(house)
    assert house.value("SELECT count(*) FROM outbox WHERE template = 'confirm'") == 15
    assert fsck(house) == {}


@pytest.mark.parametrize("state", ["closed", "hidden"])
def test_what_was_signed_in_time_is_released_after_the_petition_ended(
    house: House, flood: int, reviewer: FlaskClient, state: str
) -> None:
    assert decide(house, reviewer, flood, "release-all").status_code == 303
    house.sql(
        "UPDATE petitions SET state = :s, closes_at = now(), public_reason = 'It is over.' WHERE id = :p",
        s=state,
        p=flood,
    )
    care(house)
    assert now_in(house) == {"counted": 2, "pending": 4}
    for one in house.sql("SELECT id FROM signatures WHERE state = 'pending'").scalars().all():
        press(house.client(), f"/confirm/{token(house, 'confirm', one)}")
    house.drain()
    assert now_in(house) == {"counted": 6}
    assert fsck(house) == {}


def test_a_check_that_is_no_longer_made_is_shown_by_its_code(house: House, flood: int, reviewer: FlaskClient) -> None:
    house.sql("UPDATE holds SET reasons = '{handwriting,fast}', burst_id = NULL")
    assert "Handwriting" in reviewer.get(f"/petitions/{flood}/held").text
    listed = reviewer.get(f"/petitions/{flood}/held/handwriting")
    assert "Handwriting" in listed.text
    assert "<div>filled in faster than one can type</div>" in listed.text, "what else speaks against it"
    house.sql("UPDATE bursts SET ended_at = now()")
    house.sql("DELETE FROM bursts")
    assert decide(house, reviewer, flood, "release-all").status_code == 303
    assert "Handwriting" in reviewer.get(f"/petitions/{flood}/held").text
    care(house)
    assert now_in(house) == {"counted": 2, "pending": 4}


def test_what_was_refused_leaves_the_list_after_seven_days(
    house: House, petition: int, waiting: UUID, reviewer: FlaskClient, make: Factory
) -> None:
    approval = house.value("SELECT id FROM approvals WHERE object_id = :d", d=str(waiting))
    second = log_in(house, make, petition, role="reviewer")
    post(second, f"/approvals/{approval}", decision="refuse", reason="They are not")
    path = f"/petitions/{petition}/held"
    assert str(waiting) in reviewer.get(path).text
    house.sql("UPDATE decisions SET decided_at = now() - interval '8 days'")
    assert str(waiting) not in reviewer.get(path).text


# --- Time -------------------------------------------------------------------------------------------------------------------


def erase_overdue(house: House) -> None:
    """What the purge does."""
    with house.inside(Role.WORKER):
        now = house.value("SELECT now()")
        for step in (states.expire_unconfirmed, quarantine.forget_decided, quarantine.expire_held):
            while step(now):
                db.session.commit()


def left(house: House) -> int:
    """Signatures of which something personal is left, in whatever table."""
    number = house.value(
        "SELECT count(*) FROM signatures s WHERE sealed IS NOT NULL OR mailbox_hmac IS NOT NULL OR row_key_id IS NOT NULL"
        " OR EXISTS (SELECT FROM traces t WHERE t.signature_id = s.id) OR EXISTS (SELECT FROM holds h WHERE h.signature_id = s.id)"
    )
    assert house.value("SELECT count(*) FROM row_keys") == number
    return int(number)


def test_whoever_is_asked_to_confirm_after_a_release_has_fourteen_days_from_then(
    house: House, flood: int, reviewer: FlaskClient
) -> None:
    backdate(house, "received_at", "29 days")
    decide(house, reviewer, flood, "release-all")
    care(house)
    erase_overdue(house)
    assert now_in(house) == {"counted": 2, "pending": 4}
    house.sql("UPDATE signatures SET asked_at = asked_at - interval '13 days 23 hours' WHERE state = 'pending'")
    erase_overdue(house)
    late, in_time, *_ = house.sql("SELECT id FROM signatures WHERE state = 'pending' ORDER BY id").scalars()
    confirm(house, in_time)
    assert now_in(house) == {"counted": 3, "pending": 3}
    house.sql("UPDATE signatures SET asked_at = asked_at - interval '2 hours' WHERE state = 'pending'")
    confirm(house, late)
    assert now_in(house) == {"counted": 3, "pending": 3}, "a confirmation after that comes too late"
    erase_overdue(house)
    assert now_in(house) == {"counted": 3, "expired": 3}
    assert left(house) == 3
    assert fsck(house) == {}


def backdate(house: House, column: str, by: str) -> None:
    """Have all signatures been there for longer."""
    house.sql(f"UPDATE signatures SET {column} = {column} - interval '{by}'")
    house.sql("DELETE FROM arrivals")
    house.sql(
        "INSERT INTO arrivals SELECT petition_id, to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), state, count(*)"
        " FROM signatures GROUP BY 1, 2, 3"
    )


def test_whoever_does_not_confirm_at_all_is_erased_after_fourteen_days(house: House, petition: int) -> None:
    arrive(house, petition, 3, network=NETWORK)
    backdate(house, "received_at", "13 days 23 hours")
    erase_overdue(house)
    assert left(house) == 3
    backdate(house, "received_at", "1 hour")
    erase_overdue(house)
    assert now_in(house) == {"expired": 3}
    assert left(house) == 0
    assert fsck(house) == {}


def test_held_addresses_are_erased_after_thirty_days_and_confirmed_ones_wait_for_people(
    house: House, flood: int
) -> None:
    house.sql("UPDATE holds SET held_at = now() - interval '29 days 23 hours'")
    erase_overdue(house)
    assert left(house) == 6
    house.sql("UPDATE holds SET held_at = held_at - interval '1 hour'")
    erase_overdue(house)
    assert now_in(house) == {"quarantined": 2, "expired": 4}
    assert left(house) == 2
    assert fsck(house) == {}


@pytest.mark.parametrize(("days", "after"), [(36, {"quarantined": 6}), (37, {"quarantined": 2, "expired": 4})])
def test_a_decision_that_cannot_be_done_keeps_no_address_for_ever(
    house: House, flood: int, reviewer: FlaskClient, days: int, after: dict[str, int]
) -> None:
    decide(house, reviewer, flood, "release-all")
    house.sql(f"UPDATE holds SET held_at = now() - interval '{days} days'")
    erase_overdue(house)
    assert now_in(house) == after
    assert fsck(house) == {}


def test_what_somebody_else_has_locked_is_forgotten_the_next_time(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = own_database
    petition = make_own.petition()
    account = make_own.account(petition, role="reviewer", with_passkey=False)
    arrive(house, petition, 6, network=NETWORK)
    decision = house.value(
        "INSERT INTO decisions (id, petition_id, kind, reason, total, state, requested_by)"
        " VALUES (gen_random_uuid(), :p, 'reject', 'network_burst', 6, 'ready', :a) RETURNING id",
        p=petition,
        a=account,
    )
    house.sql("UPDATE holds SET decision_id = :d", d=decision)
    care(house)
    house.sql("UPDATE decisions SET done_at = now() - interval '8 days'")
    with house.bind.connect() as other, other.begin():
        one = other.exec_driver_sql("SELECT id FROM signatures ORDER BY id LIMIT 1 FOR UPDATE").scalar()
        erase_overdue(house)
        assert left(house) == 1
        assert fsck(house) == {}
    erase_overdue(house)
    assert left(house) == 0
    with house.inside(Role.WORKER):
        assert db.session.get_one(Signature, one).reason == "by_people"
    assert fsck(house) == {}


def test_the_purge_does_all_of_it(house: House, flood: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "overwrite_names", lambda: None)  # It cannot run in a transaction.
    confirm_all(house)
    arrive(house, flood, 3, network=NETWORK)
    house.sql("UPDATE holds SET held_at = now() - interval '31 days'")
    with house.inside(Role.WORKER):
        tasks.purge.run()
    assert now_in(house) == {"quarantined": 6, "expired": 3}
    assert fsck(house) == {}
