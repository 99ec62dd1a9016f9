"""A name that was public is gone from the database's files, too, once it was withdrawn and the purge has run."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from core.config import Role
from core.demo.embedded import EmbeddedPostgres
from core.extensions import db
from petitions.states import overwrite_names
from tests.conftest import House
from tests.factories import Factory, counted, press, token

NAME = "Kanarka Niezapomniana"


def files_with_the_name(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and NAME.encode() in path.read_bytes():
                found.append(str(path.relative_to(folder)))
        except FileNotFoundError:
            continue  # PostgreSQL has removed it meanwhile.
    return found


def settle(house: House, postgres: EmbeddedPostgres) -> None:
    """Have everything counted and written to its place, and the log's old segments removed."""
    with house.inside(Role.WORKER):
        # Otherwise a busy connection tells of its dead rows a second later.
        db.session.execute(text("SELECT pg_stat_force_next_flush()"))
        db.session.commit()
    for _ in range(2):
        house.sql("SELECT pg_switch_wal()")
        with postgres.connect("postgres", "postgres") as connection:
            connection.execute("CHECKPOINT")


def test_a_withdrawn_name_is_in_no_file_of_the_database(
    own_database: House, make_own: Factory, postgres: EmbeddedPostgres
) -> None:
    house = own_database
    slug = make_own.slug(make_own.petition())
    gone = counted(house, slug, name=NAME, visibility="public")
    counted(house, slug, name="Jan Zostaje", visibility="public", email="jan@example.org")
    settle(house, postgres)
    assert any("base/" in path for path in files_with_the_name(postgres.data)), "the search finds what is there"
    client = house.client()
    press(client, f"/withdraw/{token(house, 'mine', gone.id)}")
    house.drain()
    assert NAME not in client.get(f"/petitions/{slug}/names").text
    settle(house, postgres)
    assert files_with_the_name(postgres.data), "it takes the purge to write it over"
    with house.inside(Role.WORKER):
        overwrite_names()
    settle(house, postgres)
    assert files_with_the_name(postgres.data) == []
    assert house.sql("SELECT name FROM public_names").scalars().all() == ["Jan Zostaje"]
