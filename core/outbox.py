"""The outbox: mail that is to be sent. Rows are written in the transaction that makes the mail true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment, db
from core.records import encrypt_record


class OutboxMail(Model):
    """One mail. Receiver and links are encrypted under the row key of the person it is about, and go once it is sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'failed')", name="state"),
        Index("ix_outbox_due", "due_at", postgresql_where=text("state = 'queued'")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    template: Mapped[str]
    row_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("row_keys.id", ondelete="SET NULL"), index=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(server_default="queued")
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


def queue_mail(
    template: str, row_key_id: UUID, row_key: bytes, mail: Mapping[str, Any], mail_id: UUID | None = None
) -> UUID:
    """Queue a mail. `mail` has `to`, `language` and what the template needs. Does not commit and does not wake.

    A second one under the same `mail_id` is an error of the database, which keeps it from being sent.
    """
    mail_id = mail_id or uuid4()
    sealed = encrypt_record(row_key, "outbox", mail_id, mail)
    db.session.add(OutboxMail(id=mail_id, template=template, row_key_id=row_key_id, sealed=sealed))
    return mail_id
