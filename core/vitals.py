"""Signs of life: what the worker measures about the platform, for the console, which cannot look for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, db


class Vital(Model):
    """The newest measurement of one thing, by the database's clock."""

    __tablename__ = "vitals"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]] = mapped_column(JSONB)
    measured_at: Mapped[CreatedAt]


def report(name: str, value: Mapping[str, Any]) -> None:
    """Write down a measurement. Commits."""
    row = insert(Vital).values(name=name, value=value)
    fresh = {"value": row.excluded.value, "measured_at": func.now()}
    db.session.execute(row.on_conflict_do_update(index_elements=[Vital.name], set_=fresh))
    db.session.commit()


def read_vitals() -> dict[str, tuple[dict[str, Any], float]]:
    """By name: the newest value, and how many seconds ago it was measured."""
    age = func.extract("epoch", func.now() - Vital.measured_at)
    return {
        name: (value, float(seconds))
        for name, value, seconds in db.session.execute(select(Vital.name, Vital.value, age))
    }
