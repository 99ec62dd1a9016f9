"""Answers, keys and the grants that keep the web from reading what it wrote."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core import inbox
from core.config import Role
from core.errors import UnavailableError
from core.extensions import db
from core.inbox import append, recipients
from core.keys import new_sealing_key
from tests.conftest import House
from tests.factories import Factory, counted
from tests.pickets.factories import picket, shift

SEALED_OR_BLIND = {
    "inbox": ["sealed"],
    "signatures": ["sealed", "mailbox_hmac", "row_key_id"],
    "row_keys": ["sealed"],
    "outbox": ["sealed"],
    "answers": ["about"],
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
        "drafts",
        "text_versions",
        "petition_routes",
        "pictures",
        "first_signatories",
        "news",
        "news_texts",
        "mailings",
        "mailboxes",
        "breakdowns",
        "milestones",
        "reports",
        "share_cards",
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


@pytest.mark.parametrize(
    "table",
    [
        "signatures",
        "tallies",
        "breakdowns",
        "milestones",
        "mailboxes",
        "public_names",
        "outbox",
        "row_keys",
        "share_cards",
    ],
)
def test_console_changes_nothing_that_is_the_workers(house: House, table: str) -> None:
    assert refused(house, Role.CONSOLE, f"DELETE FROM {table}")
    assert refused(house, Role.CONSOLE, f"INSERT INTO {table} DEFAULT VALUES")


def test_console_cannot_make_a_bundle_ready(house: House) -> None:
    assert refused(house, Role.CONSOLE, "UPDATE bundles SET state = 'ready'")
    assert refused(house, Role.CONSOLE, "UPDATE downloads SET answered_at = NULL")


VIEWS_OF_PUBLIC_PETITIONS = {
    "petitions", "petition_texts", "text_history", "text_versions", "petition_addressees", "petition_routes", "first_signatories",
    "pictures", "share_cards", "breakdowns", "milestones", "news", "named_signers", "intake", "arrivals", "leaves", "tiles", "tree_heads",
    "pickets", "shifts", "picket_reports", "photos", "volumes",
}  # fmt: skip


def petition_with_everything(house: House, make: Factory) -> int:
    """A public petition that has a row in every view."""
    petition = make.petition()
    counted(house, make.slug(petition), visibility="public")
    for statement in (
        "INSERT INTO pictures (id, petition_id, width, height, content) VALUES (gen_random_uuid(), :p, 8, 8, 'x')",
        "UPDATE petitions SET picture_id = (SELECT id FROM pictures) WHERE id = :p",
        "INSERT INTO share_cards (petition_id, language, fingerprint, content) VALUES (:p, 'en', 'x', 'x')",
        "INSERT INTO first_signatories (petition_id, position, name) VALUES (:p, 1, 'A Writer')",
        "INSERT INTO milestones (petition_id, total) VALUES (:p, 10)",
        "INSERT INTO news (id, petition_id, state, published_at) VALUES (gen_random_uuid(), :p, 'published', now())",
        "INSERT INTO news_texts SELECT id, 'en', 'They answered', 'x', '<p>x</p>' FROM news WHERE petition_id = :p",
        "INSERT INTO leaves (petition_id, index, kind, commitment) VALUES (:p, 0, 'S', decode(repeat('00', 32), 'hex'))",
        "INSERT INTO tiles (petition_id, number, root) VALUES (:p, 0, 'x')",
        "INSERT INTO tree_heads SELECT :p, 1, 'x', 1, now(), id, 'x' FROM sealing_keys WHERE purpose = 'log'",
        "INSERT INTO accounts (email, name) VALUES ('who-asked@example.org', 'Who asked')",
        (
            "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by, head_size, signatures, ready_at)"
            " SELECT gen_random_uuid(), :p, min(a.addressee_id), 'destroyed', max(o.id), 1, 1, now()"
            " FROM petition_addressees a, accounts o WHERE a.petition_id = :p"
        ),
        (
            "INSERT INTO volumes (bundle_id, number, pages, file_hash, stored_hash, done_at) SELECT id, 0, 1, 'x', 'x', now()"
            " FROM bundles WHERE petition_id = :p"
        ),
    ):
        house.sql(statement, p=petition)
    here = picket(house, make, petition_id=petition)
    shift(house, here)
    for statement in (
        "INSERT INTO picket_reports (picket_id, headcount, sheets, signatures, publish_at) VALUES (:h, 1, 1, 1, now())",
        "INSERT INTO photos (id, picket_id, state, width, height, content) VALUES (gen_random_uuid(), :h, 'published', 8, 8, 'x')",
    ):
        house.sql(statement, h=here)
    return petition


def rows_in_views(house: House) -> dict[str, int]:
    with house.acting(Role.PUBLIC):
        return {view: house.value(f"SELECT count(*) FROM pub.{view}") for view in VIEWS_OF_PUBLIC_PETITIONS}


@pytest.mark.parametrize("state", ["draft", "review", "rejected", "hidden"])
def test_views_give_no_row_of_what_is_not_public(house: House, make: Factory, state: str) -> None:
    petition_with_everything(house, make)
    assert 0 not in rows_in_views(house).values()
    house.sql("UPDATE petitions SET state = :state, public_reason = 'It breaks the rules.'", state=state)
    assert set(rows_in_views(house).values()) == {0}
    with house.acting(Role.PUBLIC):
        told = house.sql("SELECT * FROM pub.taken_down").mappings().all()
    if state in ("draft", "review"):
        assert told == []
        return
    [only] = told
    assert set(only) == {"slug", "state", "public_reason", "state_changed_at"}
    assert (only["state"], only["public_reason"]) == (state, "It breaks the rules.")


def test_views_give_no_row_before_the_opening_and_no_news_before_they_are_published(
    house: House, make: Factory
) -> None:
    petition_with_everything(house, make)
    house.sql("UPDATE news SET state = 'review'")
    with house.acting(Role.PUBLIC):
        assert house.value("SELECT count(*) FROM pub.news") == 0
    house.sql("UPDATE petitions SET opens_at = now() + interval '1 minute'; UPDATE news SET state = 'published'")
    assert set(rows_in_views(house).values()) == {0}


def test_every_view_is_covered_by_the_test_above(house: House) -> None:
    views = {row[0] for row in house.sql("SELECT table_name FROM information_schema.views WHERE table_schema = 'pub'")}
    assert views == VIEWS_OF_PUBLIC_PETITIONS | {"taken_down", "sealing_keys", "cities", "city_names"}


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


# --- The web's own line to the database ----------------------------------------------------------------------------------


def line_of(house: House) -> Any:
    """The connection over which this thread writes."""
    with house.app(Role.PUBLIC).app_context():
        return inbox._line()[0]


def test_an_event_is_written_once_over_a_connection_of_its_own(own_database: House) -> None:
    event = uuid4()
    with own_database.app(Role.PUBLIC).app_context():
        assert append("report", None, {"v": 1}, event)
        assert not append("report", None, {"v": 1}, event)
    assert own_database.value("SELECT origin FROM inbox") == "zbor_web"
    assert line_of(own_database).autocommit


@pytest.mark.parametrize("twice", [False, True])
def test_after_a_restart_of_the_database_no_form_is_refused(own_database: House, twice: bool) -> None:
    """The first to write over a dead connection gets a new one; if the row is there already, it was this form that stored it."""
    event = uuid4()
    with own_database.app(Role.PUBLIC).app_context():
        append("report", None, {"v": 1}, event if twice else uuid4())
        own_database.sql("SELECT pg_terminate_backend(:pid, 5000)", pid=line_of(own_database).info.backend_pid)
        assert append("report", None, {"v": 1}, event)
        assert append("report", None, {"v": 1}, uuid4())
    assert own_database.value("SELECT count(*) FROM inbox") == (2 if twice else 3)


def test_while_the_database_is_away_nothing_is_stored_and_then_it_works_again(own_database: House) -> None:
    with own_database.app(Role.PUBLIC).app_context():
        append("report", None, {"v": 1}, uuid4())
        own_database.sql("ALTER ROLE zbor_web CONNECTION LIMIT 0")
        try:
            own_database.sql("SELECT pg_terminate_backend(:pid, 5000)", pid=line_of(own_database).info.backend_pid)
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    append("report", None, {"v": 1}, uuid4())
        finally:
            own_database.sql("ALTER ROLE zbor_web CONNECTION LIMIT -1")
        assert append("report", None, {"v": 1}, uuid4())
    assert own_database.value("SELECT count(*) FROM inbox") == 2


def test_a_statement_that_takes_too_long_is_not_tried_again(own_database: House) -> None:
    line = line_of(own_database)
    with own_database.app(Role.PUBLIC).app_context(), own_database.bind.connect() as other, other.begin():  # type: ignore[union-attr]  # An engine here.
        line.execute("SET statement_timeout = 200")
        other.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            append("report", None, {"v": 1}, uuid4())
        assert time.monotonic() - started < 0.4
    assert not line.closed
    line.close()
