"""The checks, one by one and together; pure functions. Whole crowds are in tests/abuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from petitions.alike import is_same_person, mark_alike
from petitions.models import SIGNATURE_STATE_LABELS
from petitions.rules import MAX_NAME
from petitions.screening import (
    BUSY_NETWORK,
    CHECK_LABELS,
    CHECKS,
    FAST_SECONDS,
    HOLD,
    REJECT,
    STALE_SECONDS,
    Seen,
    is_nobodys,
    read_signals,
    score,
)

GOOD = Seen(network=b"n" * 8, proof="solved", proof_id=b"p" * 16, form="known", seconds=40, from_network=1)
AGAINST = {
    "network_burst": {"bursts": frozenset({"network"})},
    "domain_burst": {"bursts": frozenset({"domain"})},
    "trap": {"trap": True},
    "no_form": {"form": "unknown", "seconds": None},
    "fast": {"seconds": FAST_SECONDS - 1},
    "no_proof": {"proof": "none"},
    "busy_network": {"from_network": BUSY_NETWORK + 1},
    "alike": {"alike": True},
    "stale": {"seconds": STALE_SECONDS + 1},
    "watched": {"watched": True},
}


def test_nothing_speaks_against_somebody_who_fills_in_the_form() -> None:
    assert score(GOOD) == (0, [])


def test_what_cannot_be_told_is_nobodys_fault() -> None:
    assert score(Seen()) == (0, [])


def test_every_check_is_seen_here_and_has_a_name() -> None:
    assert set(AGAINST) == {check.code for check in CHECKS} == set(CHECK_LABELS)
    assert all(str(label) for label in CHECK_LABELS.values())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_each_check_speaks_against_what_it_is_for_and_nothing_else(check: object) -> None:
    code, points = check.code, check.points  # type: ignore[attr-defined]  # A Check.
    assert score(replace(GOOD, **AGAINST[code])) == (points, [code] if code in CHECK_LABELS else [])
    for other, changes in AGAINST.items():
        if other != code:
            assert code not in score(replace(GOOD, **changes))[1]


def test_the_edges_of_what_is_counted() -> None:
    assert score(replace(GOOD, seconds=FAST_SECONDS)) == (0, [])
    assert score(replace(GOOD, seconds=STALE_SECONDS)) == (0, [])
    assert score(replace(GOOD, from_network=BUSY_NETWORK)) == (0, [])


@pytest.mark.parametrize(
    "changes",
    [
        {"proof": "none"},
        {"proof": "none", "seconds": 1},
        {"proof": "none", "from_network": BUSY_NETWORK + 60},
        {"seconds": 1, "from_network": BUSY_NETWORK + 60},
        {"proof": "none", "form": "away", "seconds": None, "watched": True},
        {"alike": True, "from_network": BUSY_NETWORK + 60},
        {"proof": "none", "alike": True},
        {"seconds": STALE_SECONDS * 2, "proof": "none"},
    ],
)
def test_people_pass(changes: dict[str, object]) -> None:
    """Without JavaScript, in a hurry, on a square full of others, as a family, with a tab that was left open."""
    assert score(replace(GOOD, **changes))[0] < HOLD  # type: ignore[arg-type]  # Fields of Seen.


@pytest.mark.parametrize(
    "changes",
    [
        {"bursts": frozenset({"network"})},
        {"bursts": frozenset({"domain"})},
        {"trap": True},
        {"form": "unknown", "seconds": None, "proof": "none", "from_network": BUSY_NETWORK + 1},
        {"seconds": 0, "proof": "none", "from_network": BUSY_NETWORK + 1},
    ],
)
def test_machines_are_held_back(changes: dict[str, object]) -> None:
    points, codes = score(replace(GOOD, **changes))  # type: ignore[arg-type]  # Fields of Seen.
    assert points >= HOLD
    assert not is_nobodys(codes)


def test_only_what_every_sign_speaks_against_is_rejected_at_once() -> None:
    plain = replace(GOOD, trap=True, form="unknown", seconds=None, proof="none")
    assert score(plain) == (105, ["trap", "no_form", "no_proof"])
    assert is_nobodys(score(plain)[1])
    assert not is_nobodys(["trap", "no_form"])


def test_what_others_did_rejects_nobody() -> None:
    """A university has one network and one mail domain, and two hundred students who sign on one day."""
    campus = replace(GOOD, bursts=frozenset({"network", "domain"}), from_network=900, alike=True)
    points, codes = score(campus)
    assert points >= REJECT
    assert not is_nobodys(codes)


def test_signals_are_read_as_the_web_writes_them() -> None:
    written = {
        "network": "00112233445566ff",
        "proof": "solved",
        "proof_id": "00" * 16,
        "form": "known",
        "seconds": 12,
        "trap": False,
    }
    assert read_signals({"signals": written}) == Seen(
        bytes.fromhex("00112233445566ff"), "solved", bytes(16), "known", 12, trap=False
    )


@given(
    some.dictionaries(
        some.sampled_from(["network", "proof", "proof_id", "form", "seconds", "trap"]),
        some.none() | some.text(max_size=40) | some.integers() | some.booleans() | some.lists(some.text(), max_size=2),
    )
)
def test_whatever_else_stands_there_counts_as_not_known(signals: dict[str, object]) -> None:
    seen = read_signals({"signals": signals})
    assert seen.network is None or len(seen.network) == 8
    assert seen.proof_id is None or len(seen.proof_id) == 16
    assert seen.seconds is None or seen.form == "known"
    assert read_signals({"signals": "x"}) == read_signals({}) == Seen()


def test_names_that_are_alike_are_marked_in_a_crowd_from_one_place() -> None:
    names = ["Ivan Petrov", "Petrov Ivan", "Iván Petróv", "Hanna Nowak", "Ivan Petrov", "Ivan Petrov"]
    assert mark_alike(names, ["a"] * 4 + ["b", None]) == [True, True, True, False, False, False]
    assert mark_alike(names[:2], ["a", "a"]) == [False, False]
    assert mark_alike([], []) == []


@given(some.lists(some.text(min_size=1, max_size=MAX_NAME), max_size=12))
def test_any_names_can_be_compared(names: list[str]) -> None:
    assert len(mark_alike(names, ["x"] * len(names))) == len(names)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Вольга Вераб’ёва", "вольга вераб'ева", True),
        ("Anna Kowalska", "Kowalska  Anna", True),
        ("Anna Kowalska", "Anna Kowalsk", True),
        ("Anna Kowalska", "Piotr Kowalski", False),
        ("Вольга Вераб’ёва", "Алесь Вераб’ёў", False),
        ("Maria Nowak", "Jan Nowak", False),
        # A long surname does not make one person of two.
        ("Jan Brzęczyszczykiewicz", "Ewa Brzęczyszczykiewicz", False),
        ("Oleg Kuznetsov", "Olga Kuznetsova", False),
        ("Ina Padabied", "Ivan Padabied", False),
        ("Anna Maria Kowalska", "Kowalska Anna", True),
        ("Anna Kowalska", "Ana Kowlska", True),
    ],
)
def test_couples_are_two_people(one: str, other: str, *, same: bool) -> None:
    assert is_same_person(one, other) is is_same_person(other, one) is same


def test_each_state_of_a_signature_has_a_name() -> None:
    assert all(str(label) for label in SIGNATURE_STATE_LABELS.values())
