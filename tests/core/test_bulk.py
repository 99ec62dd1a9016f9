"""Many rows in one statement: what is stored is what was given, whatever it is, and the statement knows no number of rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from core.bulk import as_table, insert_rows
from core.config import Role
from core.extensions import db
from petitions.models import BurstKind, Sighting, Trace
from tests.conftest import House
from tests.factories import Factory, many_counted

MOMENT = datetime(2026, 1, 31, 23, 59, 59, 123456, UTC)
BYTES = (b"", b"\0", b"\\x00", b"{,}\"'", bytes(range(256)))


@pytest.mark.parametrize("number", [1, 3, 300])
def test_what_is_stored_is_what_was_given(house: House, make: Factory, number: int) -> None:
    petition = make.petition()
    rows = [
        {
            "petition_id": petition, "kind": BurstKind.NETWORK, "key": BYTES[place % len(BYTES)],
            "hour": MOMENT - timedelta(hours=place), "total": place,
        }
        for place in range(number)
    ]  # fmt: skip
    with house.inside(Role.WORKER):
        db.session.execute(insert_rows(Sighting, rows))
        db.session.commit()
    stored = house.sql("SELECT petition_id, kind, key, hour, total FROM sightings ORDER BY hour DESC").mappings()
    assert [dict(one) for one in stored] == [{**row, "kind": "network"} for row in rows]


def test_rows_to_be_joined_with_and_values_that_are_none(house: House) -> None:
    def trace(**changes: Any) -> dict[str, Any]:
        known: dict[str, Any] = {"signature_id": uuid4(), "network": None, "provider": None, "reasons": []}
        return known | changes

    rows = [trace(), trace(network=b"\xff", provider="Пошта, \\ \"{NULL}'"), trace(reasons=["quick", "no_proof"])]
    with house.inside(Role.WORKER):
        found = db.session.execute(select(as_table(Trace, rows))).mappings().all()
        nothing = db.session.execute(select(as_table(Trace, rows[:1]))).mappings().all()
    assert [dict(one) for one in found] == [{**row, "reasons": ",".join(row["reasons"])} for row in rows]
    assert [dict(one) for one in nothing] == [{**rows[0], "reasons": ""}]


def test_a_list_of_words_comes_back_as_one(house: House, make: Factory) -> None:
    petition = make.petition()
    ids = sorted(many_counted(house, petition, 2))
    rows = [
        {"signature_id": one, "petition_id": petition, "score": 0, "reasons": words, "received_at": MOMENT}
        for one, words in zip(ids, ([], ["quick", "no_proof"]), strict=True)
    ]
    with house.inside(Role.WORKER):
        db.session.execute(insert_rows(Trace, rows))
        db.session.commit()
    assert house.sql("SELECT reasons FROM traces ORDER BY signature_id").scalars().all() == [[], ["quick", "no_proof"]]


def test_the_statement_is_the_same_however_many_rows() -> None:
    rows = [{"signature_id": uuid4(), "petition_id": 1, "reasons": ["quick"]} for _ in range(3)]
    few, many = (str(insert_rows(Trace, some).compile(dialect=postgresql.dialect())) for some in (rows[:1], rows))
    assert few == many
    assert few.count("[]") == len(rows[0])  # Arrays, one a column.
