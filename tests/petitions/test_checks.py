"""`flask fsck` names what is wrong with signatures, what is held back and what was decided, and nothing beside it."""

from __future__ import annotations

import pytest

from petitions import bursts
from petitions.rules import ALONE_A_DAY
from tests.conftest import House
from tests.factories import Factory, press, token, write_logs
from tests.petitions.test_bursts import NETWORK, arrive, care, confirm_all, states
from tests.petitions.test_intake import fsck

DECISION = (
    "INSERT INTO decisions (id, petition_id, kind, reason, total, state, requested_by, requested_at)"
    " SELECT gen_random_uuid(), id, 'release', 'trap', {total}, '{state}', {who}, now() - interval '{ago}' FROM petitions"
)
ONE = "(SELECT id FROM signatures WHERE state = '{}' ORDER BY id LIMIT 1)"


@pytest.fixture
def everything(house: House, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature in each state, some of them held back, one decision done, and a log."""
    monkeypatch.setattr(bursts, "MOST_A_NETWORK", 5)
    petition = make.petition(per_mailbox=2)
    account = make.account(petition, role="reviewer", with_passkey=False)
    arrive(house, petition, 4, network="11" * 8)
    confirm_all(house)
    gone = house.value("SELECT id FROM signatures LIMIT 1")
    press(house.client(), f"/withdraw/{token(house, 'withdraw', gone)}")
    arrive(house, petition, 2, network="22" * 8)
    arrive(house, petition, 7, network=NETWORK)
    house.sql(DECISION.format(total=1, state="ready", who=account, ago="0 seconds").replace("'release'", "'reject'"))
    house.sql(
        "UPDATE holds SET decision_id = (SELECT id FROM decisions)"
        " WHERE signature_id = (SELECT signature_id FROM holds ORDER BY 1 LIMIT 1)"
    )
    care(house)
    write_logs(house)
    assert states(house) == {"counted": 3, "withdrawn": 1, "pending": 2, "quarantined": 6, "rejected": 1}
    assert fsck(house) == {}


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (
            ("UPDATE signatures SET seat = 2, mailbox_hmac = (SELECT mailbox_hmac FROM signatures WHERE state = 'counted'"
            f" AND id <> {ONE.format('counted')} LIMIT 1) WHERE id = {ONE.format('counted')};"
            "UPDATE petitions SET per_mailbox = 1"),
            {"I5": 1},
        ),
        ("UPDATE signatures SET sealed = NULL WHERE state = 'pending'", {"I9": 2}),
        ("UPDATE signatures SET mailbox_hmac = NULL WHERE state = 'quarantined'", {"I9": 6}),
        ("UPDATE signatures SET sealed = 'x' WHERE state = 'withdrawn'", {"I9": 1}),
        ("DELETE FROM holds WHERE decision_id IS NOT NULL", {"I9": 1}),
        ("UPDATE arrivals SET total = total + 1 WHERE state = 'withdrawn'", {"I19": 1}),
        ("UPDATE arrivals SET day = '2020-01-01' WHERE state = 'pending'", {"I19": 2}),
        ("DELETE FROM arrivals", {"I19": 5}),
        (f"DELETE FROM holds WHERE signature_id = {ONE.format('quarantined')}", {"I20": 1}),
        (
            ("INSERT INTO holds (signature_id, petition_id, reasons, score, country_code, hour, confirmed)"
            " SELECT id, petition_id, '{trap}', 60, 'PL', received_at, false FROM signatures WHERE state = 'pending'"),
            {"I20": 2},
        ),
        (
            ("INSERT INTO traces (signature_id, petition_id, score, reasons, received_at)"
            " SELECT id, petition_id, 0, '{}', received_at FROM signatures WHERE state = 'withdrawn'"),
            {"I21": 1},
        ),
        # The decision of a day before is of another day, and one that waits, or was refused, or is not done yet, is not done.
        (DECISION.format(total=ALONE_A_DAY + 1, state="done", who="NULL", ago="2 days"), {"I22": 1}),
        (DECISION.format(total=ALONE_A_DAY + 1, state="ready", who="NULL", ago="2 days"), {}),
        (DECISION.format(total=ALONE_A_DAY + 1, state="refused", who="NULL", ago="2 days"), {}),
        (
            ";".join(DECISION.format(total=30, state="undone", who="NULL", ago=ago) for ago in ("48 hours", "40 hours")),
            {"I22": 1},
        ),
        (";".join(DECISION.format(total=30, state="done", who="NULL", ago=ago) for ago in ("48 hours", "20 hours")), {}),
    ],
)  # fmt: skip
def test_fsck_names_what_was_planted_and_nothing_else(house: House, damage: str, broken: dict[str, int]) -> None:
    for statement in damage.split(";"):
        house.sql(statement)
    assert fsck(house) == broken


@pytest.mark.usefixtures("everything")
def test_what_two_people_agreed_to_may_be_as_many_as_they_like(house: House) -> None:
    house.sql(DECISION.format(total=5_000, state="done", who="(SELECT min(id) FROM accounts)", ago="2 days"))
    assert fsck(house) == {"I22": 1}
    second = house.value("INSERT INTO accounts (email, name) VALUES ('second@example.org', 'Second') RETURNING id")
    house.sql(
        "INSERT INTO approvals (id, kind, object_id, details, reason, requested_by, expires_at, state, decided_by, decided_at)"
        " SELECT gen_random_uuid(), 'held_decision', d.id::text, '{}', '', d.requested_by, now(), 'approved', :s, now()"
        " FROM decisions d WHERE total = 5000",
        s=second,
    )
    assert fsck(house) == {}
