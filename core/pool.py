"""Connections to the database: how lists are sent, and that the web asks them whether they are still there, but not each time."""

from __future__ import annotations

import time
from typing import Any

from psycopg import Error
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import Pool, QueuePool

TRUSTED_SECONDS = 1.0
"""How long a connection that worked is taken to work still. Asking costs a third of what storing a signature does."""


class TrustingPool(QueuePool):
    """SQLAlchemy's pool for connections in autocommit, which asks them (`pool_pre_ping`) only when nobody has used one for a moment.

    A database that goes away breaks what is asked of it anyway; one that was restarted in quiet times breaks nothing.
    """


@event.listens_for(Pool, "connect")
def _send_lists_as_they_are(connection: Any, _record: Any) -> None:
    # As text, which is psycopg's wish, a list of sealed bytes is twice as long, and searched for quotes.
    connection.adapters.register_dumper(list, ListBinaryDumper)


@event.listens_for(TrustingPool, "checkin")
def _note(_connection: Any, record: Any) -> None:
    record.info["worked_at"] = time.monotonic()


@event.listens_for(TrustingPool, "checkout")
def _ask(connection: Any, record: Any, _proxy: Any) -> None:
    if time.monotonic() - record.info.get("worked_at", time.monotonic()) < TRUSTED_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
    except Error:
        # All the others are older than what happened to this one; the pool makes this visitor a new one.
        raise InvalidatePoolError("the database was away") from None
