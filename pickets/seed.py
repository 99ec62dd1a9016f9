"""`flask seed-places`: the cities and their names. Run it with the console's database role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import delete

from core.bulk import insert_rows
from core.extensions import db
from pickets.cities import COLUMNS, read_cities
from pickets.models import City, CityName

A_LOT = 20_000
"""Rows that one statement writes."""


def seed_cities() -> int:
    """Write all cities of data/cities.tsv.gz, new ones and changed ones, and replace all names. Returns the number of cities.

    Does not commit. A city that is no longer in the data stays, for pickets there may be, and is found by no name.
    """
    rows = list(read_cities())
    columns = [column for column in COLUMNS if column != "names"]
    cities = [{column: row[column] for column in columns} for row in rows]
    for lot in _lots(cities):
        statement = insert_rows(City, lot)
        changed = {column: statement.excluded[column] for column in columns if column != "id"}
        db.session.execute(statement.on_conflict_do_update(index_elements=[City.id], set_=changed))
    db.session.execute(delete(CityName))
    for lot in _lots([{"city_id": row["id"], "name": name} for row in rows for name in row["names"]]):
        db.session.execute(insert_rows(CityName, lot))
    return len(rows)


def _lots(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), A_LOT):
        yield rows[start : start + A_LOT]


@click.command("seed-places")
@with_appcontext
def seed_places() -> None:
    """Write the cities; how many is printed."""
    cities = seed_cities()
    db.session.commit()
    click.echo(f"cities: {cities}")
