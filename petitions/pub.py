"""Views of the schema `pub`: all that the public web may read. No draft is in them, and nothing that was taken down."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, LargeBinary, Uuid
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import VIEW, Model
from petitions.rules import milestone_after


class PublicPetition(Model):
    """Petitions that are open, closed or archived, with their counted signatures. `state` goes by the clock, too."""

    __tablename__ = "petitions"
    __table_args__ = VIEW

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    fallback_addressee_id: Mapped[int]
    opens_at: Mapped[datetime]
    closes_at: Mapped[datetime | None]
    counted: Mapped[int]
    min_age: Mapped[int | None]
    thresholds: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    picture_id: Mapped[UUID | None]

    @property
    def milestone(self) -> int:
        """The next step that it climbs to."""
        return milestone_after(self.counted, self.thresholds)


class PublicText(Model):
    """Texts of public petitions, newest version of each language."""

    __tablename__ = "petition_texts"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    title: Mapped[str]
    summary: Mapped[str]
    body_html: Mapped[str]
    hash: Mapped[str]
    demands: Mapped[str]
    picture_alt: Mapped[str]
    search: Mapped[Any | None] = mapped_column(TSVECTOR, deferred=True)
    created_at: Mapped[datetime]


class PublicOldText(Model):
    """Every version of every text of public petitions."""

    __tablename__ = "text_history"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    summary: Mapped[str]
    body_html: Mapped[str]
    demands: Mapped[str]
    hash: Mapped[str]


class PublicVersion(Model):
    """When versions were published, and what changed."""

    __tablename__ = "text_versions"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str]
    note_language: Mapped[str]
    published_at: Mapped[datetime]


class PublicPicture(Model):
    """Pictures that public petitions show now."""

    __tablename__ = "pictures"
    __table_args__ = VIEW

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class PublicCard(Model):
    """Share cards of public petitions."""

    __tablename__ = "share_cards"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class PublicAddressee(Model):
    """Whom public petitions are addressed to. Removed ones are no longer here."""

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


class PublicRoute(Model):
    """Which addressee receives the signatures from which country."""

    __tablename__ = "petition_routes"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str] = mapped_column(primary_key=True)
    addressee_id: Mapped[int]


class PublicFirstSignatory(Model):
    """First signatories of public open letters."""

    __tablename__ = "first_signatories"
    __table_args__ = VIEW

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int]
    position: Mapped[int]
    name: Mapped[str]
    role: Mapped[str]


class PublicBreakdown(Model):
    """Counted signatures by day, and by country where there are ten or more."""

    __tablename__ = "breakdowns"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    by: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int]


class PublicMilestone(Model):
    """Milestones that public petitions have reached."""

    __tablename__ = "milestones"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]


class PublicNews(Model):
    """Published news of public petitions, in each language."""

    __tablename__ = "news"
    __table_args__ = VIEW

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    petition_id: Mapped[int]
    published_at: Mapped[datetime]
    title: Mapped[str]
    body_html: Mapped[str]


class TakenDown(Model):
    """Petitions that were rejected or hidden: that it is so, since when and why, and nothing of what they said."""

    __tablename__ = "taken_down"
    __table_args__ = VIEW

    slug: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    public_reason: Mapped[str]
    state_changed_at: Mapped[datetime]


class PublicSigner(Model):
    """Names and initials of those who asked for it."""

    __tablename__ = "named_signers"
    __table_args__ = VIEW

    signature_id: Mapped[UUID] = mapped_column(primary_key=True)
    petition_id: Mapped[int]
    name: Mapped[str]


class PublicIntake(Model):
    """What the form of a petition has to know."""

    __tablename__ = "intake"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    per_mailbox: Mapped[int]
    flooded: Mapped[bool]
    """Whether a burst is going on, in which proofs of work cost more."""


class PublicArrival(Model):
    """How many of the signatures that came on a day are in a state."""

    __tablename__ = "arrivals"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int]


class PublicLeaf(Model):
    """Entries of the logs of public petitions."""

    __tablename__ = "leaves"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    commitment: Mapped[bytes | None] = mapped_column(LargeBinary)
    about: Mapped[int | None]


class PublicTile(Model):
    """Roots of each 256 of them."""

    __tablename__ = "tiles"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    root: Mapped[bytes] = mapped_column(LargeBinary)


class PublicTreeHead(Model):
    """Their signed tree heads."""

    __tablename__ = "tree_heads"
    __table_args__ = VIEW

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(primary_key=True)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    counted: Mapped[int]
    signed_at: Mapped[datetime]
    key_id: Mapped[UUID]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
