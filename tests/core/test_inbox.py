"""Answers, keys and the grants that keep the web from reading what it wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.config import Role
from core.extensions import db
from core.inbox import append, recipients
from core.keys import new_sealing_key
from tests.conftest import House
from tests.factories import Factory, counted

SEALED_OR_BLIND = {
    "inbox": ["sealed"],
    "signatures": ["sealed", "mailbox_hmac", "row_key_id"],
    "row_keys": ["sealed"],
    "outbox": ["sealed"],
}


def refused(house: House, role: Role, statement: str) -> bool:
    with house.acting(role), pytest.raises(ProgrammingError, match="permission denied"), house.bind.begin_nested():  # type: ignore[union-attr]
        house.bind.execute(text(statement))  # type: ignore[union-attr]
    return True


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSOLE])
def test_no_web_process_reads_a_sealed_column_or_a_blind_index(house: House, role: Role) -> None:
    for table, columns in SEALED_OR_BLIND.items():
        for column in columns:
            assert refused(house, role, f"SELECT {column} FROM {table}")


@pytest.mark.parametrize(
    "table",
    [
        "inbox",
        "signatures",
        "row_keys",
        "outbox",
        "tallies",
        "public_names",
        "accounts",
        "grants",
        "bundles",
        "petitions",
    ],
)
def test_public_web_neither_reads_changes_nor_deletes(house: House, table: str) -> None:
    column = house.value(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :t ORDER BY ordinal_position LIMIT 1",
        t=table,
    )
    for statement in (
        f"SELECT {column} FROM {table}",
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        assert refused(house, Role.PUBLIC, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO inbox (id, kind, key_id, sealed, state) VALUES (gen_random_uuid(), 'x', gen_random_uuid(), '', 'done')",
        "INSERT INTO inbox (id, kind, key_id, sealed) VALUES (gen_random_uuid(), 'x', gen_random_uuid(), '') RETURNING id",
        "INSERT INTO answers (event_id, sealed, expires_at) VALUES (gen_random_uuid(), '', now())",
        "INSERT INTO signatures (id) VALUES (gen_random_uuid())",
        "CREATE TABLE mine (id int)",
        "SELECT * FROM sealing_keys",
    ],
)
def test_public_web_inserts_events_and_nothing_else(house: House, statement: str) -> None:
    assert refused(house, Role.PUBLIC, statement)


def test_who_wrote_an_event_is_not_for_its_writer_to_say(house: House) -> None:
    for role in (Role.PUBLIC, Role.CONSOLE):
        assert refused(
            house, role, "INSERT INTO inbox (id, kind, key_id, origin) VALUES (NULL, 'x', NULL, 'zbor_console')"
        )
    assert refused(house, Role.CONSOLE, "DELETE FROM inbox")
    assert refused(house, Role.CONSOLE, "SELECT id FROM inbox")


@pytest.mark.parametrize("table", ["signatures", "tallies", "public_names", "outbox", "row_keys"])
def test_console_changes_nothing_that_is_the_workers(house: House, table: str) -> None:
    assert refused(house, Role.CONSOLE, f"DELETE FROM {table}")
    assert refused(house, Role.CONSOLE, f"INSERT INTO {table} DEFAULT VALUES")


def test_console_cannot_make_a_bundle_ready(house: House) -> None:
    assert refused(house, Role.CONSOLE, "UPDATE bundles SET state = 'ready'")
    assert refused(house, Role.CONSOLE, "UPDATE downloads SET answered_at = NULL")


@pytest.mark.parametrize("state", ["draft", "review", "rejected", "hidden"])
def test_views_give_no_row_of_what_is_not_public(house: House, make: Factory, state: str) -> None:
    petition = make.petition()
    counted(house, make.slug(petition), consent_public="y")
    views = ("petitions", "petition_texts", "petition_addressees", "named_signers")
    with house.acting(Role.PUBLIC):
        assert all(house.value(f"SELECT count(*) FROM pub.{view}") > 0 for view in views)
    house.sql("UPDATE petitions SET state = :state", state=state)
    with house.acting(Role.PUBLIC):
        assert [house.value(f"SELECT count(*) FROM pub.{view}") for view in views] == [0, 0, 0, 0]


def test_every_view_is_covered_by_the_test_above(house: House) -> None:
    views = {row[0] for row in house.sql("SELECT table_name FROM information_schema.views WHERE table_schema = 'pub'")}
    assert views == {"petitions", "petition_texts", "petition_addressees", "named_signers", "sealing_keys"}


def test_recovery_key_is_sealed_to_when_it_is_signed(house: House) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    window = now - timedelta(hours=1), now + timedelta(days=1)
    good, _ = new_sealing_key(house.secrets.root_private_key, "recovery", *window)
    forged, _ = new_sealing_key(bytes(32), "recovery", *window)
    house.list_key(good)
    house.list_key(forged)
    with house.inside(Role.PUBLIC):
        assert {one.key_id for one in recipients()} == {house.secrets.sealing_key["id"], good["id"]}
        append("confirm", None, {"token": "x"}, uuid4())
    assert house.value("SELECT get_byte(sealed, 1) FROM inbox") == 2


def test_newest_worker_key_is_sealed_to(house: House) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    newer, _ = new_sealing_key(
        house.secrets.root_private_key, "worker", now - timedelta(minutes=1), now + timedelta(days=1)
    )
    house.list_key(newer)
    with house.inside(Role.PUBLIC):
        assert [one.key_id for one in recipients()] == [newer["id"]]


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSOLE, Role.WORKER])
def test_moments_come_in_utc_whatever_zone_the_database_is_in(own_database: House, role: Role) -> None:
    name = own_database.value("SELECT current_database()")
    own_database.sql(f"ALTER DATABASE {name} SET timezone = 'Pacific/Kiritimati'")
    with own_database.inside(role):
        assert db.session.scalar(text("SELECT now()")).utcoffset() == timedelta(0)  # type: ignore[union-attr]  # It is a moment.


def test_the_public_web_spends_no_statement_on_transactions(own_database: House) -> None:
    with own_database.inside(Role.PUBLIC):
        connection = db.session.connection()
        connection.execute(text("SELECT 1"))
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.info.transaction_status == TransactionStatus.IDLE
