"""How the number of a petition comes about: what became of every signature that arrived, by the day of its arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from core.errors import database_may_be_away
from core.extensions import db
from petitions.models import SignatureState
from petitions.pub import PublicArrival
from petitions.reading import PetitionPage

SHOWN = tuple(SignatureState)
"""States in the order in which the page tells them. Each signature is in one of them, so that they add up to all that arrived."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What became of the signatures that arrived on one day (UTC), or of all."""

    day: date | None
    by_state: Mapping[str, int]

    @property
    def received(self) -> int:
        """All that arrived."""
        return sum(self.by_state.values())


def read_numbers(page: PetitionPage) -> tuple[Arrivals, list[Arrivals]]:
    """The sum of all days, and the days, newest first."""
    with database_may_be_away():
        rows = db.session.scalars(
            select(PublicArrival)
            .where(PublicArrival.petition_id == page.petition.id)
            .order_by(PublicArrival.day.desc())
        ).all()
    days: dict[str, Counter[str]] = {}
    for row in rows:
        days.setdefault(row.day, Counter())[row.state] += row.total
    total = sum(days.values(), Counter[str]())
    return Arrivals(None, total), [Arrivals(date.fromisoformat(day), states) for day, states in days.items()]
