"""Many rows in one statement. They go as arrays, one for each column, so that however many they are the statement is the same.

A row after a row of parameters (VALUES, IN) is put together, cut up and read anew for each number of rows, by SQLAlchemy, by
psycopg and by PostgreSQL, which took the worker longer than all it does with a signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, FromClause, String, column, func, literal, select
from sqlalchemy.dialects.postgresql import Insert, insert

from core.extensions import Base


def as_table(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> FromClause:
    """Rows to be joined with: all with the same names, each a column of `model` with its type. `rows` must not be empty."""
    # unnest takes lists of lists apart, so that a list of words, none of which has a comma, goes as text.
    types = {name: String() if _is_list(model, name) else model.__table__.c[name].type for name in rows[0]}
    arrays = [literal(_told(model, name, [row[name] for row in rows]), ARRAY(kind)) for name, kind in types.items()]
    return func.unnest(*arrays).table_valued(*(column(name, kind) for name, kind in types.items())).render_derived()


def insert_rows(model: type[Base], rows: Sequence[Mapping[str, Any]]) -> Insert:
    """The statement that stores such rows, past the session."""
    table = as_table(model, rows)
    return insert(model).from_select(list(rows[0]), select(*(_stored(model, table, name) for name in rows[0])))


def _is_list(model: type[Base], name: str) -> bool:
    return isinstance(model.__table__.c[name].type, ARRAY)


def _told(model: type[Base], name: str, values: list[Any]) -> list[Any]:
    return [",".join(value) for value in values] if _is_list(model, name) else values


def _stored(model: type[Base], table: FromClause, name: str) -> ColumnElement[Any]:
    return func.string_to_array(table.c[name], ",") if _is_list(model, name) else table.c[name]
