"""The outbox: mail that is to be sent. Rows are written in the transaction that makes the mail true."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.bulk import insert_rows
from core.errors import describe
from core.extensions import CreatedAt, Model, Moment, db
from core.records import encrypt_record
from core.sealing import KeyNotHeldError

log = logging.getLogger(__name__)


class OutboxMail(Model):
    """One mail. Receiver and links are encrypted under the row key of the person it is about, and go once it is sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'failed', 'dropped')", name="state"),
        Index("ix_outbox_due", "due_at", postgresql_where=text("state = 'queued'")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    template: Mapped[str]
    row_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("row_keys.id", ondelete="SET NULL"), index=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(server_default="queued")
    """`failed` could not be delivered; `dropped` was no longer to be sent when its turn came."""
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    due_at: Mapped[CreatedAt]
    leased_until: Mapped[Moment | None]
    fence: Mapped[int] = mapped_column(Integer, server_default="0")
    smtp_status: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[Moment | None]


class MailPace(Model):
    """One row: the moment from which the next mail may leave. It holds all mailers to one sending rate."""

    __tablename__ = "mail_pace"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    next_at: Mapped[Moment]


class NotWantedError(Exception):
    """A mail that was queued must no longer be sent: its reader left meanwhile, or what it tells is no longer so."""


Job = TypeVar("Job")
Mail = tuple[str, UUID, bytes, Mapping[str, Any]]
"""Template, number and key of the row, and what `queue_mail` calls `mail`."""


def queue_mail(
    template: str, row_key_id: UUID, row_key: bytes, mail: Mapping[str, Any], mail_id: UUID | None = None
) -> UUID:
    """Queue a mail. `mail` has `to`, `language` and what the template needs. Does not commit and does not wake.

    A second one under the same `mail_id` is an error of the database, which keeps it from being sent.
    """
    row = _row(template, row_key_id, row_key, mail, mail_id or uuid4())
    db.session.add(OutboxMail(**row))
    return UUID(str(row["id"]))


def queue_mails(mails: Sequence[Mail]) -> None:
    """The same for many at once."""
    if mails:
        db.session.execute(insert_rows(OutboxMail, [_row(*mail, uuid4()) for mail in mails]))


def _row(template: str, row_key_id: UUID, row_key: bytes, mail: Mapping[str, Any], mail_id: UUID) -> dict[str, Any]:
    sealed = encrypt_record(row_key, "outbox", mail_id, mail)
    return {"id": mail_id, "template": template, "row_key_id": row_key_id, "sealed": sealed}


def in_lots(
    find: Callable[[Sequence[UUID]], Job | None], number: Callable[[Job], UUID], queue_lot: Callable[[Job], None]
) -> Iterator[None]:
    """Queue what is left of many mailings, a lot at a time. Yields after each lot, which is committed by then.

    `find` locks the oldest one that is not finished and not among those given, `queue_lot` queues its next mails and notes in the
    same transaction how far it came: so a worker that dies leaves nobody out and tells nobody twice. One that fails, or with
    somebody whose key is away, waits for the next run; the others go on, and the first error is raised at the end.
    """
    failed: dict[UUID, Exception] = {}
    while (job := find(list(failed))) is not None:
        job_id = number(job)
        try:
            queue_lot(job)
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            failed[job_id] = error
            if not isinstance(error, KeyNotHeldError):
                log.error("mails of %s cannot be queued: %s", job_id, describe(error))
        else:
            yield
    db.session.rollback()
    if failed:
        raise next(iter(failed.values()))
