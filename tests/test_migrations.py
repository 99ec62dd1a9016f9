"""The schema: up, down, up again, and equal to the models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

import wsgi  # noqa: F401  # Brings every model into the metadata.
from core.demo.embedded import EmbeddedPostgres
from core.extensions import db
from tests.conftest import ROOT, migrate

SHAPE = """
    SELECT 'column', table_schema || '.' || table_name || '.' || column_name, data_type || coalesce(column_default, '') || is_nullable
      FROM information_schema.columns WHERE table_schema IN ('public', 'pub')
    UNION ALL SELECT 'index', schemaname || '.' || indexname, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'pub')
    UNION ALL SELECT 'constraint', conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'view', schemaname || '.' || viewname, definition FROM pg_views WHERE schemaname = 'pub'
    UNION ALL SELECT 'grant', grantee || ' ' || table_schema || '.' || table_name || '.' || column_name, privilege_type
      FROM information_schema.column_privileges WHERE table_schema IN ('public', 'pub') AND grantee LIKE 'zbor%'
    ORDER BY 1, 2, 3
"""
LEFT = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'pub') AND c.relname NOT LIKE 'alembic%'"


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = "migrations"
    postgres.create_database(name)
    yield name
    with postgres.connect("postgres", "postgres") as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_each_revision_goes_up_down_and_up_again(postgres: EmbeddedPostgres, empty: str) -> None:
    engine = create_engine(postgres.url("postgres", empty))

    def shape() -> list[tuple[str, str, str]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(SHAPE))]  # type: ignore[misc]  # Three texts each.

    revisions = [script.revision for script in ScriptDirectory(str(ROOT / "migrations")).walk_revisions()][::-1]
    assert revisions == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    shapes = []
    for revision in revisions:
        migrate(postgres.url("owner", empty), "upgrade", revision)
        shapes.append(shape())
    for revision, before in zip(revisions[-2::-1], shapes[-2::-1], strict=True):
        migrate(postgres.url("owner", empty), "downgrade", revision)
        assert shape() == before, revision
    migrate(postgres.url("owner", empty), "downgrade", "base")
    with engine.connect() as connection:
        assert connection.scalar(text(LEFT)) == 0
    migrate(postgres.url("owner", empty), "upgrade")
    assert shape() == shapes[-1]
    engine.dispose()


def test_texts_of_the_fourth_revision_are_found_by_each_word_after_the_fifth(
    postgres: EmbeddedPostgres, empty: str
) -> None:
    engine = create_engine(postgres.url("postgres", empty))
    migrate(postgres.url("owner", empty), "upgrade", "0004")
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO petitions (slug) VALUES ('old')"))
        connection.execute(
            text(
                "INSERT INTO petition_texts (petition_id, language, version, title, summary, body_markdown, body_html, hash, search)"
                " SELECT id, 'be', 1, 'Выбары 2020-2021', 'und/oder', 'Łukašenka', '', 'x', to_tsvector('simple', 'выбары 2020-2021 und/oder') FROM petitions"
            )
        )
    migrate(postgres.url("owner", empty), "upgrade", "0005")
    with engine.connect() as connection:
        for word in ("выбары", "2021", "oder", "lukasenka"):
            found = text("SELECT count(*) FROM petition_texts WHERE search @@ to_tsquery('simple', :word)")
            assert connection.scalar(found, {"word": word}) == 1, word
    engine.dispose()


def test_models_equal_the_migrated_schema(superuser: Engine) -> None:
    with superuser.connect() as connection:
        options = {
            "include_object": lambda item, _name, kind, *_rest: not (kind == "table" and item.info.get("is_view"))
        }
        context = MigrationContext.configure(connection, opts={**options, "compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_columns_of_views_equal_their_classes(superuser: Engine) -> None:
    with superuser.connect() as connection:
        for table in db.metadata.tables.values():
            if table.info.get("is_view"):
                found = connection.execute(
                    text(
                        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'pub' AND table_name = :t"
                    ),
                    {"t": table.name},
                )
                assert set(found.scalars()) == {column.name for column in table.columns}, table.name
