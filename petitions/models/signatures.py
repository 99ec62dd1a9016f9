"""Signatures as the worker keeps them, and the numbers that move with them."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import Model, Moment


class SignatureState(StrEnum):
    """Where a signature stands. Only COUNTED is ever handed over."""

    PENDING = "pending"
    COUNTED = "counted"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


SIGNATURE_STATE_LABELS = {
    SignatureState.PENDING: _l("Waiting for confirmation"),
    SignatureState.COUNTED: _l("Counted"),
    SignatureState.DUPLICATE: _l("Duplicates"),
    SignatureState.QUARANTINED: _l("Held back"),
    SignatureState.REJECTED: _l("Rejected"),
    SignatureState.WITHDRAWN: _l("Withdrawn"),
    SignatureState.EXPIRED: _l("Expired"),
}


REASON_LABELS = {
    "already_counted": _l("another one of this address is counted"),
    "too_many": _l("too many forms came for this address"),
    "closed": _l("the petition was over"),
    "text_unknown": _l("a text that this petition never had"),
    "blocked": _l("this address wants no more mail about it"),
    "not_me": _l("its owner says that it was somebody else"),
    "by_signer": _l("taken back by the signer"),
    "unconfirmed": _l("not confirmed in time"),
    "age": _l("too young for this petition"),
    "address": _l("no mail can be sent to this address"),
    "text": _l("a name or city that cannot be one"),
    "country": _l("no country that we know"),
    "consent": _l("without the consent that is needed"),
    "machine": _l("made by a machine, as many signs say"),
    "by_people": _l("rejected by people after a look at it"),
    "no_mail_server": _l("no server takes mail for this address"),
    "alike": _l("the same person again, as the name says"),
}
"""What a reviewer is told of why a signature is not counted."""


class Signature(Model):
    """A signature as the worker keeps it: what is personal is encrypted under the row key."""

    __tablename__ = "signatures"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'counted', 'duplicate', 'quarantined', 'rejected', 'withdrawn', 'expired')",
            name="state",
        ),
        CheckConstraint(
            "(state = 'counted') <= (row_key_id IS NOT NULL AND counted_at IS NOT NULL)", name="counted_is_whole"
        ),
        # The arbiter: whatever workers race for, each seat of a mailbox is counted once for a petition.
        Index(
            "uq_signatures_counted_mailbox",
            "petition_id",
            "mailbox_hmac",
            "seat",
            unique=True,
            postgresql_where=text("state = 'counted'"),
        ),
        Index("ix_signatures_mailbox", "petition_id", "mailbox_hmac"),
        Index("ix_signatures_pending", "received_at", postgresql_where=text("state = 'pending'")),
        Index("ix_signatures_register", "petition_id", "addressee_id", "state"),
        # What its log does not say yet.
        Index("ix_signatures_unlogged", "petition_id", "id", postgresql_where=text("(state = 'counted') <> in_log")),
        Index(
            "ix_signatures_rejected", "received_at", postgresql_where=text("state = 'rejected' AND sealed IS NOT NULL")
        ),
        CheckConstraint("seat IN (1, 2)", name="seat"),
        CheckConstraint("NOT in_log OR leaf_index IS NOT NULL", name="in_log_by_a_leaf"),
    )
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012  # SQLAlchemy reads it from the class. The moment of counting comes back with the UPDATE.

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("inbox.id"), unique=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"))
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"))
    country_code: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    mailbox_hmac: Mapped[bytes | None] = mapped_column(LargeBinary)
    row_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("row_keys.id", ondelete="SET NULL"), unique=True)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    wants_updates: Mapped[bool] = mapped_column(server_default="false")
    received_at: Mapped[Moment]
    counted_at: Mapped[Moment | None]
    confirmed_at: Mapped[Moment | None]
    """When its signer proved to have the mailbox, of one that is or was held back."""
    asked_at: Mapped[Moment | None]
    """When its signer was asked to confirm, if that was not at once but after it was held back and released."""
    seat: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    """Which of the signatures that its petition allows a mailbox."""
    leaf_index: Mapped[int | None]
    """The leaf that added it to the log."""
    in_log: Mapped[bool] = mapped_column(server_default="false")
    """Whether the log counts it now. Where this and the state disagree, the log's next batch says so."""


class Mailbox(Model):
    """What was sent to a mailbox about a petition, and what was guessed of its codes, so that neither is without end.

    Apart from the signatures, because signing again must reset neither. Forgotten some time after the last of it.
    """

    __tablename__ = "mailboxes"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    mailbox_hmac: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    mails: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Mails of the day that began at `mails_since`."""
    mails_since: Mapped[Moment]
    guesses: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Codes that were typed wrongly."""
    blocked_at: Mapped[Moment | None]
    """Its owner said "it was not me", and is written to no more."""
    seen_at: Mapped[Moment] = mapped_column(index=True)


class Tally(Model):
    """How many signatures of an addressee are in a state. Moves in the transaction that moves the signature."""

    __tablename__ = "tallies"
    __table_args__ = (CheckConstraint("total >= 0", name="not_negative"),)

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"), primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int]


class Breakdown(Model):
    """How many counted signatures come from a country, or were counted on a day (UTC, ISO 8601). Moves with the tallies."""

    __tablename__ = "breakdowns"
    __table_args__ = (
        CheckConstraint("by IN ('country', 'day')", name="by"),
        CheckConstraint("total >= 0", name="not_negative"),
    )

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    by: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int]


class Arrival(Model):
    """How many of the signatures that came on a day (UTC, ISO 8601) are in a state. Moves with the tallies."""

    __tablename__ = "arrivals"
    __table_args__ = (CheckConstraint("total >= 0", name="not_negative"),)

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int]


class PublicName(Model):
    """Somebody who asked to be named in public, by name or by initials. In the clear, because it is public by that wish."""

    __tablename__ = "public_names"

    signature_id: Mapped[UUID] = mapped_column(ForeignKey("signatures.id"), primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), index=True)
    name: Mapped[str]
