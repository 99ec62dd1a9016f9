"""Tables of petitions and signatures. What the public web may read of them stands in pub.py."""

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
    ForeignKeyConstraint,
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
}
"""What a reviewer is told of why a signature is not counted."""


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


class Addressee(Model):
    """A ministry or institution. Comes from ministries.csv with that file's confidence; `notes` say what is weak.

    One with a `petition_id` was added by the creators of that petition, for it alone.
    """

    __tablename__ = "addressees"
    __table_args__ = (
        CheckConstraint("confidence IN ('high', 'medium', 'low')", name="confidence"),
        Index(
            "uq_addressees_country_code",
            "country_code",
            unique=True,
            postgresql_where=text("petition_id IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int | None] = mapped_column(
        ForeignKey("petitions.id", ondelete="CASCADE", use_alter=True), index=True
    )
    code: Mapped[str] = mapped_column(unique=True)
    country_code: Mapped[str | None]
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
    lat: Mapped[float | None]
    """With `lon` where it is; unknown of what creators add."""
    lon: Mapped[float | None]
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
        CheckConstraint("min_age BETWEEN 13 AND 21", name="min_age"),
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


class PetitionAddressee(Model):
    """That a petition is addressed to this addressee.

    Removed after the opening, it stays as long as signatures are its own; only new ones no longer go there.
    """

    __tablename__ = "petition_addressees"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"), primary_key=True)
    removed_at: Mapped[Moment | None]


class PetitionRoute(Model):
    """Whose signatures an addressee receives: of everybody who lives in this country. Others go to the fallback."""

    __tablename__ = "petition_routes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["petition_id", "addressee_id"],
            ["petition_addressees.petition_id", "petition_addressees.addressee_id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("country_code ~ '^[A-Z]{2}$'", name="country_code"),
    )

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str] = mapped_column(primary_key=True)
    addressee_id: Mapped[int]
    since: Mapped[CreatedAt]


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


class Milestone(Model):
    """A number of counted signatures that was reached, and when for the first time."""

    __tablename__ = "milestones"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    total: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reached_at: Mapped[CreatedAt]


class PublicName(Model):
    """Somebody who asked to be named in public, by name or by initials. In the clear, because it is public by that wish."""

    __tablename__ = "public_names"

    signature_id: Mapped[UUID] = mapped_column(ForeignKey("signatures.id"), primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), index=True)
    name: Mapped[str]


class News(Model):
    """Something that the creators tell: on the page, and by mail to signers who asked for it, once a second person agreed."""

    __tablename__ = "news"
    __table_args__ = (CheckConstraint("state IN ('draft', 'review', 'published')", name="state"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(server_default="draft")
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[CreatedAt]
    published_at: Mapped[Moment | None]
    revision: Mapped[int] = mapped_column(Integer, server_default="0")


class NewsText(Model):
    """One piece of news in one language."""

    __tablename__ = "news_texts"

    news_id: Mapped[UUID] = mapped_column(ForeignKey("news.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    body_html: Mapped[str]


class Mailing(Model):
    """How far the mails about one piece of news are queued. Each signer who asked gets one: `cursor` moves in the
    transaction that queues them."""

    __tablename__ = "mailings"

    news_id: Mapped[UUID] = mapped_column(ForeignKey("news.id", ondelete="CASCADE"), primary_key=True)
    cursor: Mapped[UUID | None] = mapped_column(Uuid)
    """The last signature that was dealt with, in the order of their ids."""
    queued: Mapped[int] = mapped_column(server_default="0")
    finished_at: Mapped[Moment | None]


class Report(Model):
    """What a visitor finds wrong with a petition. Waits for a reviewer."""

    __tablename__ = "reports"
    __table_args__ = (
        CheckConstraint("state IN ('new', 'dismissed', 'acted')", name="state"),
        CheckConstraint("reason IN ('hate', 'danger', 'personal', 'untrue', 'spam', 'other')", name="reason"),
        Index("ix_reports_waiting", "petition_id", postgresql_where=text("state = 'new'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"))
    reason: Mapped[str]
    message: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="new")
    received_at: Mapped[Moment]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[Moment | None]


REPORT_REASON_LABELS = {
    "hate": _l("It calls for hatred or violence"),
    "danger": _l("It endangers somebody"),
    "personal": _l("It names somebody who must not be named"),
    "untrue": _l("It says what is not true"),
    "spam": _l("It is advertising, or not a petition at all"),
    "other": _l("Something else"),
}


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
