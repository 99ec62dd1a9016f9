"""Invariants: what must hold in the database at any moment. Each domain registers its own; `flask fsck` runs all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from core.extensions import db


@dataclass(frozen=True, slots=True)
class Invariant:
    """A number that stays, a sentence, and a check that returns how many offend against it."""

    name: str
    sentence: str
    count_broken: Callable[[], int]


_invariants: list[Invariant] = []


def invariant(name: str, sentence: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register a check. It returns how many rows or files break the invariant: 0 is good."""

    def register(check: Callable[[], int]) -> Callable[[], int]:
        _invariants.append(Invariant(name, sentence, check))
        return check

    return register


def run_fsck() -> list[tuple[Invariant, int]]:
    """Check everything in one snapshot, in order of number."""
    db.session.rollback()
    db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    results = [(item, item.count_broken()) for item in sorted(_invariants, key=lambda item: int(item.name[1:]))]
    db.session.rollback()
    return results


def count(sql: str) -> int:
    """Run `SELECT count(...)` and return the number."""
    return int(db.session.scalar(text(sql)) or 0)


@invariant("I2", "No event waits longer than 120 seconds")
def _no_event_waits() -> int:
    return count("SELECT count(*) FROM inbox WHERE state = 'new' AND received_at < now() - interval '120 seconds'")


@invariant("I7", "A dealt-with event keeps its id and no payload; a waiting one has its payload")
def _payloads() -> int:
    return count(
        "SELECT count(*) FROM inbox WHERE (state = 'done' AND sealed IS NOT NULL) OR (state = 'new' AND sealed IS NULL)"
    )


@invariant("I12", "No event was given up; `flask retry-failed` tries them again")
def _none_given_up() -> int:
    return count("SELECT count(*) FROM inbox WHERE state = 'failed' AND sealed IS NOT NULL")


@invariant("I8", "No mail waits longer than six days, none is sent and still holds its receiver")
def _mail() -> int:
    return count(
        "SELECT count(*) FROM outbox WHERE (state = 'queued' AND created_at < now() - interval '6 days')"
        " OR (state <> 'queued' AND sealed IS NOT NULL)"
    )
