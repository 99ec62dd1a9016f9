"""Bursts: what an hour brings from one network or with one mail domain, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from core.config import Role
from core.extensions import db
from core.inbox import append
from petitions import quarantine
from petitions.bursts import Sighted, count_recent, hour_of
from petitions.intake import domain_key
from tests.conftest import House
from tests.factories import VALID, Factory, press, token
from tests.petitions.test_intake import fsck
from worker import tasks

pytestmark = pytest.mark.usefixtures("small_bursts")

NETWORK = "00" * 8


def arrive(
    house: House,
    petition: int,
    number: int = 1,
    *,
    domain: str = "gmail.com",
    email: str = "",
    shown_pass: str = "",
    **signals: Any,
) -> list[str]:
    """Signatures of different people arrive, or of `email`. Returns their addresses."""
    text = house.sql("SELECT version, language, hash FROM petition_texts WHERE petition_id = :p", p=petition).first()
    sent = []
    for _ in range(number):
        address = email or f"p{uuid4().hex[:12]}@{domain}"
        payload = {
            **{name: VALID[name] for name in ("country", "city", "visibility")},
            "v": 1,
            "name": f"Volha {uuid4().hex[:5]}",
            "email": address,
            "text": {"version": text.version, "language": text.language, "hash": text.hash},
            "consent": {"ministry": True, "public": False, "updates": False, "hash": ""},
            "language": "en",
            "salt": "c2FsdA==",
            "pass": shown_pass,
            "signals": {"form": "known", "seconds": 30, "proof": "unknown", "trap": False, **signals},
        }
        with house.inside(Role.PUBLIC):
            append("sign", petition, payload, uuid4())
        sent.append(address)
    house.drain()
    return sent


def care(house: House) -> None:
    """Let the worker sweep bursts and do what was decided."""
    with house.inside(Role.WORKER):
        tasks.quarantine_care.run()


def states(house: House) -> dict[str, int]:
    return dict(house.sql("SELECT state, count(*)::int FROM signatures GROUP BY 1").all())  # type: ignore[arg-type]  # Pairs.


def confirm_all(house: House) -> None:
    for one in house.sql("SELECT id FROM signatures WHERE state IN ('pending', 'quarantined')").scalars().all():
        press(house.client(), f"/confirm/{token(house, 'confirm', one)}")
    while house.drain():
        pass


def test_a_crowd_below_the_limit_is_nobodys_business(house: House, petition: int) -> None:
    arrive(house, petition, 5, network=NETWORK)
    assert states(house) == {"pending": 5}
    assert house.value("SELECT count(*) FROM bursts") == 0
    assert house.value("SELECT total FROM sightings") == 5


def test_a_flood_from_one_network_is_held_back_with_what_was_counted_before(house: House, petition: int) -> None:
    arrive(house, petition, 4, network=NETWORK)
    arrive(house, petition, 1, network="11" * 8)
    confirm_all(house)
    assert states(house) == {"counted": 5}
    arrive(house, petition, 3, network=NETWORK)
    assert states(house) == {"counted": 5, "quarantined": 3}
    care(house)
    assert states(house) == {"counted": 1, "quarantined": 7}
    [burst] = house.sql("SELECT * FROM bursts").all()
    assert (burst.kind, burst.domain, burst.swept, burst.ended_at) == ("network", None, True, None)
    holds = house.sql("SELECT * FROM holds ORDER BY confirmed").all()
    assert [one.confirmed for one in holds] == [False] * 3 + [True] * 4
    assert {(one.burst_id, one.reasons[0], one.provider, one.score) for one in holds} == {
        (burst.id, "network_burst", "gmail.com", 60)
    }
    assert house.value("SELECT sum(total) FROM breakdowns WHERE by = 'day'") == 1
    assert fsck(house) == {}


def test_nobody_is_written_to_in_a_flood_until_people_release_it(house: House, petition: int) -> None:
    arrive(house, petition, 9, network=NETWORK)
    assert states(house) == {"quarantined": 9}
    assert house.value("SELECT count(*) FROM outbox") == 0
    arrive(house, petition, 1, network="11" * 8)
    assert house.value("SELECT count(*) FROM outbox") == 1


def test_what_was_held_back_by_its_own_fault_is_decided_about_with_the_burst(house: House, petition: int) -> None:
    arrive(house, petition, 3, network=NETWORK, trap=True)
    arrive(house, petition, 1, network="11" * 8, trap=True)
    arrive(house, petition, 3, network=NETWORK)
    care(house)
    held = house.sql("SELECT reasons, score, count(*) FROM holds GROUP BY 1, 2 ORDER BY 2, 1").all()
    assert [tuple(row) for row in held] == [
        (["network_burst"], 60, 3),
        (["trap"], 60, 1),
        (["network_burst", "trap"], 120, 3),
    ]
    assert house.value("SELECT count(*) FROM holds WHERE burst_id IS NOT NULL") == 6
    assert fsck(house) == {}


def test_a_flood_with_one_mail_domain_shows_the_domain_and_large_providers_are_none(
    house: House, petition: int
) -> None:
    arrive(house, petition, 20, domain="gmail.com")
    arrive(house, petition, 4, domain="farm.example")
    assert house.value("SELECT count(*) FROM bursts") == 0
    arrive(house, petition, 1, domain="farm.example")
    care(house)
    [burst] = house.sql("SELECT * FROM bursts").all()
    assert (burst.kind, burst.domain) == ("domain", "farm.example")
    assert states(house) == {"pending": 20, "quarantined": 5}
    assert house.value("SELECT count(*) FROM traces WHERE provider IS NOT NULL AND domain IS NOT NULL") == 0
    assert fsck(house) == {}


def test_a_domain_that_is_used_every_day_has_a_higher_limit(house: House, petition: int) -> None:
    with house.inside(Role.WORKER):
        key = domain_key(petition, "parafia.example", house.keyring)
    house.sql(
        "INSERT INTO sightings (petition_id, kind, key, hour, total) SELECT :p, 'domain', :k,"
        " date_trunc('hour', now()) - n * interval '1 hour', 2 FROM generate_series(2, 160) n",
        p=petition,
        k=key,
    )
    arrive(house, petition, 9, domain="parafia.example")
    assert states(house) == {"pending": 9}
    arrive(house, petition, 1, domain="parafia.example")
    care(house)
    assert states(house) == {"quarantined": 10}


def test_bursts_of_one_petition_are_not_those_of_another(house: House, petition: int, make: Factory) -> None:
    other = make.petition(countries=())
    arrive(house, petition, 6, network=NETWORK)
    arrive(house, other, 5, network=NETWORK)
    assert dict(house.sql("SELECT petition_id, count(*) FROM holds GROUP BY 1").all()) == {petition: 6}  # type: ignore[arg-type]  # Pairs.


def test_the_hour_before_counts_as_far_as_it_is_less_than_an_hour_ago(house: House, petition: int) -> None:
    moment = datetime(2026, 5, 1, 12, 15, tzinfo=UTC)
    house.sql(
        "INSERT INTO sightings VALUES (:p, 'network', 'k', '2026-05-01 11:00Z', 100), (:p, 'network', 'k', '2026-05-01 12:00Z', 7),"
        " (:p, 'network', 'k', '2026-05-01 10:00Z', 1000)",
        p=petition,
    )
    seen: Sighted = (petition, "network", b"k", hour_of(moment))
    with house.inside(Role.WORKER):
        assert count_recent(Counter([seen, seen]), moment) == {(petition, "network", b"k"): 75 + 7 + 2}
        assert count_recent(Counter(), moment) == {}


def test_a_burst_is_over_after_an_hour_without_any(house: House, petition: int) -> None:
    arrive(house, petition, 6, network=NETWORK)
    care(house)
    house.sql("UPDATE bursts SET last_at = now() - interval '59 minutes'")
    care(house)
    assert house.value("SELECT count(*) FROM bursts WHERE ended_at IS NULL") == 1
    house.sql("UPDATE bursts SET last_at = now() - interval '61 minutes'")
    care(house)
    assert house.value("SELECT count(*) FROM bursts WHERE ended_at IS NULL") == 0
    house.sql("UPDATE sightings SET hour = hour - interval '3 hours'")
    arrive(house, petition, 1, network=NETWORK)
    assert states(house) == {"pending": 1, "quarantined": 6}


def test_while_it_goes_on_what_comes_is_held_back_however_little(house: House, petition: int) -> None:
    arrive(house, petition, 6, network=NETWORK)
    house.sql("DELETE FROM sightings")
    arrive(house, petition, 1, network=NETWORK)
    assert states(house) == {"quarantined": 7}
    assert house.value("SELECT count(*) FROM bursts") == 1


def test_a_proof_is_good_for_one_signature(house: House, petition: int) -> None:
    for proof in ("00" * 16, "00" * 16, "11" * 16):
        arrive(house, petition, 1, proof="solved", proof_id=proof)
    assert [row.reasons for row in house.sql("SELECT reasons FROM traces ORDER BY received_at, score").all()].count(
        ["no_proof"]
    ) == 1
    assert house.value("SELECT count(*) FROM spent_proofs") == 2


def test_of_two_that_come_together_with_one_proof_one_has_it(house: House, petition: int) -> None:
    arrive(house, petition, 2, proof="solved", proof_id="00" * 16)
    assert sorted(house.sql("SELECT score FROM traces").scalars()) == [0, 20]


def test_what_every_sign_speaks_against_is_rejected_and_leaves_nothing(house: House, petition: int) -> None:
    arrive(house, petition, 1, trap=True, form="unknown", proof="none", network=NETWORK)
    [row] = house.sql("SELECT * FROM signatures").all()
    assert (row.state, row.reason, row.sealed, row.mailbox_hmac) == ("rejected", "machine", None, None)
    for table in ("outbox", "traces", "holds", "row_keys"):
        assert house.value(f"SELECT count(*) FROM {table}") == 0
    assert fsck(house) == {}


def test_one_that_is_held_back_by_its_own_fault_is_written_to_and_may_confirm(house: House, petition: int) -> None:
    arrive(house, petition, 1, trap=True)
    [row] = house.sql("SELECT * FROM signatures").all()
    assert (row.state, row.reason) == ("quarantined", "trap")
    assert house.value("SELECT template FROM outbox") == "confirm"
    client = house.client()
    answer = press(client, f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    assert "Your address is confirmed" in client.get(answer.location).text
    assert house.value("SELECT confirmed FROM holds") is True
    assert states(house) == {"quarantined": 1}
    assert fsck(house) == {}


def test_what_was_seen_is_forgotten_in_time(house: House, petition: int) -> None:
    arrive(house, petition, 1, network=NETWORK, proof="solved", proof_id="00" * 16)
    with house.inside(Role.WORKER):
        quarantine.forget_traces()
    assert house.value("SELECT (SELECT count(*) FROM traces) + (SELECT count(*) FROM sightings)") == 2
    for table, column, age in (
        ("traces", "received_at", 15),
        ("sightings", "hour", 8),
        ("spent_proofs", "spent_at", 2),
    ):
        house.sql(f"UPDATE {table} SET {column} = now() - interval '{age} days'")
    with house.inside(Role.WORKER):
        quarantine.forget_traces()
        db.session.commit()
    for table in ("traces", "sightings", "spent_proofs"):
        assert house.value(f"SELECT count(*) FROM {table}") == 0, table


def test_a_withdrawn_signature_leaves_no_trace(house: House, petition: int) -> None:
    arrive(house, petition, 6, network=NETWORK)
    care(house)
    one = house.value("SELECT id FROM signatures LIMIT 1")
    press(house.client(), f"/withdraw/{token(house, 'withdraw', one)}")
    house.drain()
    assert house.value("SELECT count(*) FROM traces") == house.value("SELECT count(*) FROM holds") == 5
    assert fsck(house) == {}
