"""Those who come: participants, the shifts they take, and the mails that tell all of them something."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


class ParticipantState(StrEnum):
    """Where a participant stands: whoever leaves an address confirms it first."""

    PENDING = "pending"
    COMING = "coming"
    LEFT = "left"


class Participant(Model):
    """Somebody who comes, with how many others. Alias and address are under a row key; without either there is none."""

    __tablename__ = "participants"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'coming', 'left')", name="state"),
        CheckConstraint("people BETWEEN 1 AND 20", name="people"),
        CheckConstraint("mailbox_hmac IS NOT NULL OR state <> 'pending'", name="only_an_address_waits"),
        Index("ix_participants_picket_id", "picket_id", "state"),
        Index(
            "uq_participants_coming",
            "picket_id",
            "mailbox_hmac",
            unique=True,
            postgresql_where=text("state = 'coming' AND mailbox_hmac IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(Uuid, unique=True)
    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"))
    state: Mapped[str]
    people: Mapped[int] = mapped_column(SmallInteger)
    row_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("row_keys.id", ondelete="SET NULL"), index=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    mailbox_hmac: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Blind index of the mailbox, under a key for this picket alone."""
    network: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Keyed hash of the network under the key of a day, which bounds what one of them can add; forgotten after that day."""
    joined_at: Mapped[CreatedAt]


SHIFT_ROLE_LABELS = {
    "table": _l("Signature table"),
    "police": _l("Contact of the police"),
    "steward": _l("Steward"),
    "photographer": _l("Photographer"),
    "scanner": _l("Scanning of sheets"),
}


class Shift(Model):
    """A task for some people for some time."""

    __tablename__ = "shifts"
    __table_args__ = (
        CheckConstraint("role IN ('table', 'police', 'steward', 'photographer', 'scanner')", name="role"),
        CheckConstraint("seats BETWEEN 1 AND 50", name="seats"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    starts_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    seats: Mapped[int] = mapped_column(SmallInteger)


class ShiftTaker(Model):
    """That a participant takes a shift; confirmed the day before."""

    __tablename__ = "shift_takers"

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id", ondelete="CASCADE"), primary_key=True)
    participant_id: Mapped[UUID] = mapped_column(
        ForeignKey("participants.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    taken_at: Mapped[CreatedAt]
    confirmed_at: Mapped[Moment | None]


class BroadcastKind(StrEnum):
    """What all participants with an address are told."""

    CHANGED = "changed"
    CANCELLED = "cancelled"
    REMINDER = "reminder"


class Broadcast(Model):
    """One mail to each participant with an address. `cursor` moves in the transaction that queues them: once each."""

    __tablename__ = "broadcasts"
    __table_args__ = (
        CheckConstraint("kind IN ('changed', 'cancelled', 'reminder')", name="kind"),
        UniqueConstraint("picket_id", "kind", "sequence"),
        Index("ix_broadcasts_open", "created_at", postgresql_where=text("finished_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"))
    kind: Mapped[str]
    sequence: Mapped[int] = mapped_column(Integer)
    """Of the picket, when this was to be told; of a reminder the minute of the beginning, counted from 1970."""
    cursor: Mapped[UUID | None] = mapped_column(Uuid)
    queued: Mapped[int] = mapped_column(Integer, server_default="0")
    sent: Mapped[int | None] = mapped_column(Integer)
    """How many left, once that is no longer counted from the outbox."""
    failed: Mapped[int | None] = mapped_column(Integer)
    """How many could not be delivered, likewise."""
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[Moment | None]


class BroadcastMail(Model):
    """Which mails of the outbox belong to a broadcast, so that the organiser sees how many have left."""

    __tablename__ = "broadcast_mails"

    mail_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    broadcast_id: Mapped[UUID] = mapped_column(ForeignKey("broadcasts.id", ondelete="CASCADE"), index=True)
