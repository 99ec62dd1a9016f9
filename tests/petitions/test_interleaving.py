"""The numbers stay true in whatever order people sign, confirm, withdraw, flood, release, reject, undo, and time passes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from core.config import Role
from core.inbox import append
from petitions import bursts, quarantine, states
from tests.conftest import House
from tests.factories import Factory, token, write_logs
from tests.petitions.test_bursts import arrive, care
from tests.petitions.test_intake import fsck

NETWORKS = ("00" * 8, "11" * 8)
STEP = some.one_of(
    some.tuples(some.just("sign"), some.integers(0, 3), some.sampled_from(NETWORKS)),
    some.tuples(some.sampled_from(["confirm", "withdraw", "not_me"]), some.integers(0, 20)),
    some.tuples(some.sampled_from(["release", "reject"]), some.integers(1, 3)),
    some.tuples(some.sampled_from(["undo", "care", "log", "expire", "forget"])),
)


@pytest.mark.parametrize("per_mailbox", [1, 2])
# What fails is short already; making it shorter would take minutes.
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=some.lists(STEP, min_size=4, max_size=14))
def test_the_count_is_what_the_signatures_are(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch, per_mailbox: int, steps: list[Any]
) -> None:
    monkeypatch.setattr(bursts, "MOST_A_NETWORK", 3)
    before = house.bind.begin_nested()  # type: ignore[union-attr]  # The house of these tests has one connection.
    try:
        petition = make.petition(countries=(), per_mailbox=per_mailbox)
        reviewer = make.account(petition, role="reviewer", with_passkey=False)
        for step in steps:
            take(house, petition, reviewer, *step)
            assert fsck(house) == {}, step
        told = house.client().get(f"/petitions/{make.slug(petition)}/numbers.json").json["total"]
        assert told["received"] == sum(told[state] for state in told if state != "received")
        assert told["counted"] == house.client().get(f"/petitions/{make.slug(petition)}/count.json").json["counted"]
    finally:
        before.rollback()


def take(house: House, petition: int, reviewer: int, what: str, *how: Any) -> None:
    """One step."""
    if what == "sign":
        mailbox, network = how
        arrive(house, petition, 1, network=network, email=f"couple{mailbox}@gmail.com")
    elif what in ("confirm", "withdraw", "not_me"):
        ids = house.sql("SELECT id FROM signatures ORDER BY received_at, id").scalars().all()
        if ids:
            chosen = token(house, what, ids[how[0] % len(ids)])
            with house.inside(Role.PUBLIC):
                append(what, None, {"v": 1, "token": chosen, "answer_key": None}, uuid4())
            house.drain()
    elif what in ("release", "reject"):
        decide(house, petition, reviewer, what, how[0])
    elif what == "undo":
        house.sql("UPDATE decisions SET state = 'undo', undone_by = :a WHERE state IN ('ready', 'done')", a=reviewer)
    elif what == "care":
        care(house)
    elif what == "log":
        write_logs(house)
    elif what == "expire":
        house.sql(
            "UPDATE signatures SET received_at = received_at - interval '15 days', asked_at = NULL WHERE state = 'pending'"
        )
        house.sql("DELETE FROM arrivals")
        house.sql(
            "INSERT INTO arrivals SELECT petition_id, to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), state, count(*)"
            " FROM signatures GROUP BY 1, 2, 3"
        )
        with house.inside(Role.WORKER):
            states.expire_unconfirmed(house.value("SELECT now()"))
    elif what == "forget":
        house.sql("UPDATE decisions SET done_at = now() - interval '8 days' WHERE state = 'done'")
        with house.inside(Role.WORKER):
            quarantine.forget_decided(house.value("SELECT now()"))


def decide(house: House, petition: int, reviewer: int, kind: str, number: int) -> None:
    """A reviewer decides about some of what waits."""
    decision = uuid4()
    house.sql(
        "INSERT INTO decisions (id, petition_id, kind, reason, total, state, requested_by)"
        " VALUES (:d, :p, :k, 'network_burst', :n, 'ready', :a)",
        d=decision, p=petition, k=kind, n=number, a=reviewer,
    )  # fmt: skip
    house.sql(
        "UPDATE holds SET decision_id = :d WHERE signature_id IN"
        " (SELECT signature_id FROM holds WHERE decision_id IS NULL ORDER BY 1 LIMIT :n)",
        d=decision, n=number,
    )  # fmt: skip
