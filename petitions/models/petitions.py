"""Petitions: their texts, pictures and states."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    ARRAY,
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
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


class PetitionState(StrEnum):
    """Where a petition stands. The public sees OPEN, CLOSED and ARCHIVED, and of REJECTED and HIDDEN the reason alone."""

    DRAFT = "draft"
    REVIEW = "review"
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"
    REJECTED = "rejected"
    HIDDEN = "hidden"


PETITION_STATE_LABELS = {
    PetitionState.DRAFT: _l("Draft"),
    PetitionState.REVIEW: _l("In review"),
    PetitionState.OPEN: _l("Open"),
    PetitionState.CLOSED: _l("Closed"),
    PetitionState.ARCHIVED: _l("Archived"),
    PetitionState.REJECTED: _l("Rejected"),
    PetitionState.HIDDEN: _l("Hidden"),
}


PUBLIC_STATES = (PetitionState.OPEN, PetitionState.CLOSED, PetitionState.ARCHIVED)


class PetitionKind(StrEnum):
    """A petition, or an open letter, whose first signatories stand by name below its text."""

    PETITION = "petition"
    OPEN_LETTER = "open_letter"


PETITION_KIND_LABELS = {PetitionKind.PETITION: _l("Petition"), PetitionKind.OPEN_LETTER: _l("Open letter")}


class Petition(Model):
    """One petition to many addressees."""

    __tablename__ = "petitions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'review', 'open', 'closed', 'archived', 'rejected', 'hidden')", name="state"
        ),
        CheckConstraint("kind IN ('petition', 'open_letter')", name="kind"),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
        CheckConstraint("min_age BETWEEN 13 AND 21", name="min_age"),
        CheckConstraint("per_mailbox IN (1, 2)", name="per_mailbox"),
        CheckConstraint(
            "state IN ('draft', 'review', 'rejected') OR (fallback_addressee_id IS NOT NULL AND opens_at IS NOT NULL)",
            name="public_is_whole",
        ),
        CheckConstraint("state NOT IN ('rejected', 'hidden') OR public_reason <> ''", name="taken_down_with_a_reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(server_default="petition")
    state: Mapped[str] = mapped_column(server_default="draft")
    state_changed_at: Mapped[CreatedAt]
    public_reason: Mapped[str] = mapped_column(server_default="")
    """Why it was rejected or hidden, in the words that the public reads."""
    fallback_addressee_id: Mapped[int | None] = mapped_column(ForeignKey("addressees.id"))
    opens_at: Mapped[Moment | None]
    closes_at: Mapped[Moment | None]
    min_age: Mapped[int | None] = mapped_column(SmallInteger)
    """In years; a signer of such a petition says that they are at least so old."""
    per_mailbox: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    """How many people may sign with one mailbox: couples share one."""
    thresholds: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    """Numbers of signatures at which the creators hand them over, in rising order."""
    picture_id: Mapped[UUID | None] = mapped_column(ForeignKey("pictures.id", use_alter=True))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    revision: Mapped[int] = mapped_column(Integer, server_default="0")
    """Rises with each change of the settings, so that two editors notice each other."""
    created_at: Mapped[CreatedAt]

    @property
    def is_scheduled(self) -> bool:
        """Whether it is agreed to and opens later. For pages only: what depends on it goes by the database's clock."""
        return self.state == PetitionState.OPEN and self.opens_at is not None and self.opens_at > datetime.now(UTC)


class Draft(Model):
    """The creators' working copy of the text in one language. What the public reads is a `PetitionText` made of it."""

    __tablename__ = "drafts"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(server_default="")
    summary: Mapped[str] = mapped_column(server_default="")
    body: Mapped[str] = mapped_column(server_default="")
    demands: Mapped[str] = mapped_column(server_default="")
    """One demand a line."""
    picture_alt: Mapped[str] = mapped_column(server_default="")
    revision: Mapped[int] = mapped_column(Integer, server_default="1")
    """Rises with each save, so that two editors notice each other."""
    updated_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    updated_at: Mapped[CreatedAt]


class TextVersion(Model):
    """A version of the text that was published, with the public note that says what changed; the first has none."""

    __tablename__ = "text_versions"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    note: Mapped[str] = mapped_column(server_default="")
    note_language: Mapped[str] = mapped_column(server_default="en")
    published_at: Mapped[CreatedAt]


class PetitionText(Model):
    """The published appeal in one language and version; never changed. A consent is bound to its hash (`texts.text_hash`)."""

    __tablename__ = "petition_texts"
    __table_args__ = (
        UniqueConstraint("petition_id", "version", "language"),
        Index("ix_petition_texts_search", "search", postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"))
    version: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    language: Mapped[str]
    title: Mapped[str]
    summary: Mapped[str]
    body_markdown: Mapped[str]
    body_html: Mapped[str]
    demands: Mapped[str] = mapped_column(server_default="")
    """One demand a line, as plain text."""
    picture_alt: Mapped[str] = mapped_column(server_default="")
    hash: Mapped[str]
    search: Mapped[Any | None] = mapped_column(TSVECTOR)
    created_at: Mapped[CreatedAt]


class Picture(Model):
    """The picture of a petition: decoded, made small and encoded anew before it came here."""

    __tablename__ = "pictures"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), index=True)
    width: Mapped[int] = mapped_column(SmallInteger)
    height: Mapped[int] = mapped_column(SmallInteger)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    """A JPEG file."""
    created_at: Mapped[CreatedAt]


class FirstSignatory(Model):
    """One of those who stand by name below an open letter, in the order of `position`."""

    __tablename__ = "first_signatories"

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="")
    """What they are known for, such as “writer, Vilnius”."""
    created_at: Mapped[CreatedAt]


class Milestone(Model):
    """A number of counted signatures that was reached, and when for the first time."""

    __tablename__ = "milestones"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    total: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reached_at: Mapped[CreatedAt]


class ShareCard(Model):
    """The picture that other sites show beside a link to a petition, drawn by the worker for each language."""

    __tablename__ = "share_cards"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    """Of all that stands on it, so that it is drawn anew when something changed."""
    content: Mapped[bytes] = mapped_column(LargeBinary)
    """A PNG file of 1200 by 630 pixels."""
    drawn_at: Mapped[CreatedAt]
