"""The inbox: the only table the public web writes. `append` is all it can do there."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from flask import current_app
from sqlalchemy import CheckConstraint, Index, LargeBinary, SmallInteger, Uuid, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Mapped, mapped_column

from core.config import current_config
from core.errors import UnavailableError, database_may_be_away
from core.extensions import VIEW, CreatedAt, Model, Moment, db
from core.queues import TaskName, wake_soon
from core.sealing import Recipient, context, key_statement, seal, statement_is_signed

MAX_ATTEMPTS = 5
"""How often the worker tries an event whose handling fails before it sets it aside for people to look at."""


class InboxEvent(Model):
    """One thing somebody in public did. Sealed on arrival; the payload goes once it has been dealt with, the id stays."""

    __tablename__ = "inbox"
    __table_args__ = (
        CheckConstraint("state IN ('new', 'done', 'unreadable', 'failed')", name="state"),
        CheckConstraint("octet_length(sealed) <= 16384", name="size"),
        CheckConstraint("kind ~ '^[a-z_]{1,32}$'", name="kind"),
        CheckConstraint("state <> 'new' OR sealed IS NOT NULL", name="waiting_is_whole"),
        Index("ix_inbox_waiting", "received_at", postgresql_where=text("state = 'new'")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str]
    petition_id: Mapped[int | None]
    key_id: Mapped[UUID]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    received_at: Mapped[CreatedAt]
    state: Mapped[str] = mapped_column(server_default="new")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    drained_at: Mapped[Moment | None]
    origin: Mapped[str] = mapped_column(server_default=text("current_user"))
    """The database role that wrote it; PostgreSQL's word, for no process may set it."""


class SealingKey(Model):
    """A public key that payloads are sealed to. Counts only with the root key's signature over its statement."""

    __tablename__ = "sealing_keys"
    __table_args__ = (CheckConstraint("purpose IN ('worker', 'recovery', 'log')", name="purpose"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    purpose: Mapped[str]
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    not_before: Mapped[Moment]
    not_after: Mapped[Moment]
    root_signature: Mapped[bytes] = mapped_column(LargeBinary)


class PublicSealingKey(Model):
    """The same list as the web may read it."""

    __tablename__ = "sealing_keys"
    __table_args__ = VIEW

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    purpose: Mapped[str]
    public_key: Mapped[bytes]
    not_before: Mapped[Moment]
    not_after: Mapped[Moment]
    root_signature: Mapped[bytes]


_KEYS_ARE_FRESH_FOR = (
    30.0  # Seconds. A swapped key is refused by its signature at once; a new one is noticed this late.
)


def recipients() -> list[Recipient]:
    """Those every payload is sealed to: the worker's newest valid key and each valid recovery key.

    A key whose root signature does not verify is not there at all. Raises UnavailableError when no worker key remains.
    """
    cached = current_app.extensions.get("zbor_recipients")
    if cached is not None and cached[0] > time.monotonic():
        return list(cached[1])
    root = current_config().root_public_key
    in_force = PublicSealingKey.not_before <= func.now(), PublicSealingKey.not_after > func.now()
    with database_may_be_away():
        rows = db.session.scalars(
            select(PublicSealingKey).where(*in_force).order_by(PublicSealingKey.not_before.desc(), PublicSealingKey.id)
        ).all()
    valid = [
        row
        for row in rows
        if statement_is_signed(
            root, key_statement(row.id, row.purpose, row.public_key, row.not_before, row.not_after), row.root_signature
        )
    ]
    workers = [row for row in valid if row.purpose == "worker"][:1]
    if not workers:
        current_app.logger.error("no valid sealing key: the forms answer 503 until there is one")
        raise UnavailableError
    chosen = [
        Recipient(row.id, X25519PublicKey.from_public_bytes(row.public_key))
        for row in [*workers, *(row for row in valid if row.purpose == "recovery")]
    ]
    current_app.extensions["zbor_recipients"] = (time.monotonic() + _KEYS_ARE_FRESH_FOR, chosen)
    return list(chosen)


def append(kind: str, petition_id: int | None, payload: Mapping[str, Any], event_id: UUID) -> bool:
    """Seal one event, store it, commit, wake the drain. The only write the public web makes.

    Returns and raises as `add_event`.
    """
    sealed_to = recipients()
    sealed = seal(payload, sealed_to, context(kind, petition_id, event_id))
    is_new = insert_row((event_id, kind, petition_id, sealed_to[0].key_id, sealed))
    wake_soon(TaskName.DRAIN)
    return is_new


APPEND = "INSERT INTO inbox (id, kind, petition_id, key_id, sealed) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
"""The same statement as in `add_event`, which tells why it says no more of the conflict."""


def insert_row(values: tuple[UUID, str, int | None, UUID, bytes]) -> bool:
    """One row in one statement, past SQLAlchemy, whose session takes three times as long for it as PostgreSQL.

    Returns False when its id is already there. Raises UnavailableError when the database is away.
    """
    try:
        line, was_there = _line()
        try:
            return line.execute(APPEND, values).rowcount == 1
        except psycopg.OperationalError:
            if not (was_there and line.closed):
                raise
        # The database was restarted since this thread last wrote.
        _line()[0].execute(APPEND, values)
    except (psycopg.OperationalError, PoolTimeoutError):
        raise UnavailableError from None
    # If it had stored the row before it fell silent, then it is there by this very form, and new all the same.
    return True


_here = threading.local()


class _Line:
    """A connection of one thread's own, closed when the thread has ended. Made as the pool makes its own, in autocommit."""

    def __init__(self) -> None:
        self.engine = db.engine
        taken = self.engine.raw_connection()
        taken.detach()
        self.connection = cast("psycopg.Connection[Any]", taken.dbapi_connection)
        weakref.finalize(self, self.connection.close)


def _line() -> tuple[psycopg.Connection[Any], bool]:
    """This thread's own connection, and whether it was there before."""
    line: _Line | None = getattr(_here, "line", None)
    if line and line.engine is db.engine and not line.connection.closed:
        return line.connection, True
    _here.line = _Line()
    return _here.line.connection, False


def add_event(kind: str, petition_id: int | None, payload: Mapping[str, Any], event_id: UUID) -> bool:
    """The same in a transaction of the caller's, who commits it and wakes the drain.

    Returns False when an event of this id is already stored (the same form was sent twice): nothing was added then.
    Raises UnavailableError, with nothing stored, when no key is valid or the database is away.
    """
    sealed_to = recipients()
    sealed = seal(payload, sealed_to, context(kind, petition_id, event_id))
    statement = insert(InboxEvent).values(
        id=event_id, kind=kind, petition_id=petition_id, key_id=sealed_to[0].key_id, sealed=sealed
    )
    with database_may_be_away():
        # The web may not read its own rows, so PostgreSQL lets it neither name the conflicting column nor have the
        # row returned; the row count says whether the event is new.
        result = db.session.connection().execute(
            statement.on_conflict_do_nothing(), execution_options={"preserve_rowcount": True}
        )
    return result.rowcount == 1
