"""Tables of petitions and signatures, and the views that the public web may read."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import VIEW, CreatedAt, Model, Moment


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
    "address": _l("no mail can be sent to this address"),
    "text": _l("a name or city that cannot be one"),
    "country": _l("no country that we know"),
    "consent": _l("without the consent that is needed"),
}
"""What a reviewer is told of why a signature is not counted."""
PETITION_STATE_LABELS = {
    "draft": _l("Draft"),
    "review": _l("In review"),
    "open": _l("Open"),
    "closed": _l("Closed"),
    "archived": _l("Archived"),
    "rejected": _l("Rejected"),
    "hidden": _l("Hidden"),
}


class Addressee(Model):
    """A ministry or institution. Comes from ministries.csv with that file's confidence; `notes` say what is weak."""

    __tablename__ = "addressees"
    __table_args__ = (CheckConstraint("confidence IN ('high', 'medium', 'low')", name="confidence"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    country_code: Mapped[str | None] = mapped_column(unique=True)
    name_en: Mapped[str]
    name_native: Mapped[str]
    short_name: Mapped[str]
    minister_title_en: Mapped[str]
    salutation_native: Mapped[str]
    street_address: Mapped[str]
    postal_code: Mapped[str]
    city: Mapped[str]
    languages: Mapped[str]
    website: Mapped[str]
    lat: Mapped[float]
    lon: Mapped[float]
    confidence: Mapped[str]
    notes: Mapped[str]


class Petition(Model):
    """One petition to many addressees."""

    __tablename__ = "petitions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'review', 'open', 'closed', 'archived', 'rejected', 'hidden')", name="state"
        ),
        CheckConstraint("kind IN ('petition', 'open_letter')", name="kind"),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(server_default="petition")
    state: Mapped[str] = mapped_column(server_default="draft")
    fallback_addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"))
    opens_at: Mapped[Moment | None]
    closes_at: Mapped[Moment | None]
    created_at: Mapped[CreatedAt]


class PetitionText(Model):
    """The appeal in one language and version. A consent is bound to its hash (SHA-256 of title, summary and body)."""

    __tablename__ = "petition_texts"
    __table_args__ = (UniqueConstraint("petition_id", "version", "language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"))
    version: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    language: Mapped[str]
    title: Mapped[str]
    summary: Mapped[str]
    body_markdown: Mapped[str]
    body_html: Mapped[str]
    hash: Mapped[str]
    created_at: Mapped[CreatedAt]


class PetitionAddressee(Model):
    """That a petition is addressed to this addressee."""

    __tablename__ = "petition_addressees"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"), primary_key=True)


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
        # The arbiter: whatever workers race for, one mailbox is counted once for a petition.
        Index(
            "uq_signatures_counted_mailbox",
            "petition_id",
            "mailbox_hmac",
            unique=True,
            postgresql_where=text("state = 'counted'"),
        ),
        Index("ix_signatures_mailbox", "petition_id", "mailbox_hmac"),
        Index("ix_signatures_pending", "received_at", postgresql_where=text("state = 'pending'")),
        Index("ix_signatures_register", "petition_id", "addressee_id", "state"),
    )

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
    received_at: Mapped[Moment]
    counted_at: Mapped[Moment | None]


class Tally(Model):
    """How many signatures of an addressee are in a state. Moves in the transaction that moves the signature."""

    __tablename__ = "tallies"
    __table_args__ = (CheckConstraint("total >= 0", name="not_negative"),)

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"), primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int]


class PublicName(Model):
    """Somebody who asked to be named in public. In the clear, because it is public by that person's wish."""

    __tablename__ = "public_names"

    signature_id: Mapped[UUID] = mapped_column(ForeignKey("signatures.id"), primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), index=True)
    name: Mapped[str]


class PublicPetition(Model):
    """View: petitions that are open, closed or archived, with their counted signatures."""

    __tablename__ = "petitions"
    __table_args__ = VIEW

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    fallback_addressee_id: Mapped[int]
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    counted: Mapped[int]


class PublicText(Model):
    """View: texts of public petitions, newest version of each language."""

    __tablename__ = "petition_texts"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    title: Mapped[str]
    summary: Mapped[str]
    body_html: Mapped[str]
    hash: Mapped[str]


class PublicAddressee(Model):
    """View: whom public petitions are addressed to."""

    __tablename__ = "petition_addressees"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    addressee_id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str | None]
    name_en: Mapped[str]
    name_native: Mapped[str]
    city: Mapped[str]
    website: Mapped[str]
    confidence: Mapped[str]


class PublicSigner(Model):
    """View: names of those who asked to be named."""

    __tablename__ = "named_signers"
    __table_args__ = VIEW

    signature_id: Mapped[UUID] = mapped_column(primary_key=True)
    petition_id: Mapped[int]
    name: Mapped[str]
