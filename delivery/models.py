"""Bundles, their volumes and lines, who took one away, and the letters that go with them."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from accounts.models import Account
from core.extensions import CreatedAt, Model, Moment


class BundleState(StrEnum):
    """Where a bundle stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    BUILDING = "building"
    READY = "ready"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REPLACED = "replaced"
    """Somebody in it no longer counts after a copy was taken away: another one with the same approval has taken its place."""
    DESTROYED = "destroyed"
    """Its key is gone, and with it what was stored; what is known of its files still answers those who check a copy."""


UNDER_WAY = (BundleState.REQUESTED, BundleState.APPROVED, BundleState.BUILDING)
"""States in which a bundle is still to come."""


class Level(StrEnum):
    """How much of its signers a bundle tells its addressee."""

    NAMES = "names"
    INITIALS = "initials"
    COUNTS = "counts"


class Wish(StrEnum):
    """What somebody at the console wants done with a bundle; the worker does it."""

    CANCEL = "cancel"
    RESUME = "resume"


class LetterKind(StrEnum):
    """Letters that a petition has texts for."""

    COVER = "cover"
    MP = "mp"
    FOLLOW_UP = "follow_up"
    NOTICE = "notice"


APPROVAL_KIND = "bundle"
"""What the approval of a bundle is called in the table of approvals."""

DOWNLOAD_LIFETIME = timedelta(minutes=10)
"""How long a download is waited for, and its answer kept."""

SAMPLE_SIZE = 300
"""Signers. If none of so many is false, fewer than one in a hundred is, with a confidence of 95 % (the rule of three)."""

KEPT = timedelta(days=30)
"""How long a bundle that is ready can be taken away; then its key is destroyed."""

BUNDLE_STATE_LABELS = {
    BundleState.REQUESTED: _l("Waiting for a second person"),
    BundleState.APPROVED: _l("Waiting in the queue"),
    BundleState.BUILDING: _l("Being built"),
    BundleState.READY: _l("Ready"),
    BundleState.REFUSED: _l("Refused"),
    BundleState.CANCELLED: _l("Cancelled"),
    BundleState.FAILED: _l("Failed"),
    BundleState.REPLACED: _l("Replaced by a newer one"),
    BundleState.DESTROYED: _l("Destroyed"),
}
LEVEL_LABELS = {
    Level.NAMES: _l("Names and cities"),
    Level.INITIALS: _l("Initials"),
    Level.COUNTS: _l("The number alone, and a random sample"),
}
LETTER_LABELS = {
    LetterKind.COVER: _l("Cover letter"),
    LetterKind.MP: _l("Letter to a member of parliament"),
    LetterKind.FOLLOW_UP: _l("Follow-up"),
    LetterKind.NOTICE: _l("Notice of entries to be struck out"),
}


class Bundle(Model):
    """The counted signatures of one petition and addressee up to a cut-off, as PDFs encrypted at rest.

    Which ones they are is settled once (`frozen_at`), under the tree head of `head_size` entries, in BundleLine.
    """

    __tablename__ = "bundles"
    __table_args__ = (
        CheckConstraint(
            "state IN ('requested', 'approved', 'building', 'ready', 'refused', 'cancelled', 'failed', 'replaced', 'destroyed')",
            name="state",
        ),
        CheckConstraint("level IN ('names', 'initials', 'counts')", name="level"),
        CheckConstraint("wish IN ('cancel', 'resume')", name="wish"),
        CheckConstraint(
            "(state = 'ready') <= (row_key_id IS NOT NULL AND register_hash IS NOT NULL AND frozen_at IS NOT NULL)",
            name="ready_is_whole",
        ),
        ForeignKeyConstraint(["petition_id", "head_size"], ["tree_heads.petition_id", "tree_heads.size"]),
        Index("ix_bundles_unfinished", "requested_at", postgresql_where=text("state IN ('approved', 'building')")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"))
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"))
    state: Mapped[str] = mapped_column(server_default="requested")
    level: Mapped[str] = mapped_column(server_default="names")
    letter_id: Mapped[UUID | None] = mapped_column(ForeignKey("letters.id"))
    """The cover letter as it was edited for the petition; None for the one that all petitions have."""
    requested_by: Mapped[int] = mapped_column(ForeignKey(Account.id))
    requested_at: Mapped[CreatedAt]
    cutoff_at: Mapped[CreatedAt]
    agreed_as: Mapped[UUID | None] = mapped_column(ForeignKey("bundles.id"))
    """Of one that replaces another: the bundle that two people agreed to. The console cannot write it."""
    wish: Mapped[str | None]
    frozen_at: Mapped[Moment | None]
    head_size: Mapped[int | None]
    unlogged: Mapped[int | None]
    """Signatures that were counted by the cut-off and were not yet in the log; they are not in this bundle."""
    out_of_space_at: Mapped[Moment | None]
    """When the disk was last found to be full."""
    signatures: Mapped[int | None]
    pages: Mapped[int | None]
    register_hash: Mapped[str | None]
    """SHA-256 over the hashes of the tables of its volumes, each in hexadecimal and ended by a line feed."""
    manifest: Mapped[str | None] = mapped_column(deferred=True)
    """The signed manifest as JSON. It names no signer."""
    row_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("row_keys.id", ondelete="SET NULL"))
    ready_at: Mapped[Moment | None]
    handed_over_on: Mapped[date | None]
    handed_over_by: Mapped[int | None] = mapped_column(ForeignKey(Account.id))

    @property
    def code(self) -> str:
        """Its short name, as it stands on its pages."""
        return bundle_code(self.id)


class BundleLine(Model):
    """Which signature stands in which line of a bundle's register."""

    __tablename__ = "bundle_lines"

    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("bundles.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    signature_id: Mapped[UUID] = mapped_column(ForeignKey("signatures.id"), index=True)


class Volume(Model):
    """One file of a bundle, and the lease of whoever builds it. Number 0 is the index, which is built last.

    Hashes are SHA-256 in hexadecimal: of the table attached to it, of the PDF, and of what is stored, which is encrypted.
    """

    __tablename__ = "volumes"
    __table_args__ = (
        CheckConstraint("number >= 0 AND attempts >= 0", name="numbers"),
        CheckConstraint(
            "(done_at IS NULL) = (file_hash IS NULL) AND (done_at IS NULL) = (stored_hash IS NULL)",
            name="done_is_whole",
        ),
        Index("ix_volumes_waiting", "bundle_id", "number", postgresql_where=text("done_at IS NULL")),
        Index("ix_volumes_file_hash", "file_hash"),
    )

    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("bundles.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int | None]
    """Number of its first line; with `last`, of the sample: its place among the lines of the sample."""
    last: Mapped[int | None]
    fence: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    leased_until: Mapped[Moment | None]
    pages: Mapped[int | None]
    size: Mapped[int | None]
    """Bytes of the PDF."""
    content_hash: Mapped[str | None]
    file_hash: Mapped[str | None]
    stored_hash: Mapped[str | None]
    marks: Mapped[str | None]
    """Eight hexadecimal digits for each line: see `delivery.document.row_marks`."""
    texts: Mapped[list[list[Any]] | None] = mapped_column(JSONB)
    """Which texts its signatures were given to: language, version and number of each."""
    done_at: Mapped[Moment | None]


class Correction(Model):
    """A line of a bundle that was handed over, and no longer counts: the ministry has to be told."""

    __tablename__ = "corrections"

    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("bundles.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    found_at: Mapped[CreatedAt]
    told_on: Mapped[date | None]


class Download(Model):
    """That somebody asked for a ready bundle. The log of downloads, and the request the worker answers."""

    __tablename__ = "downloads"
    __table_args__ = (Index("ix_downloads_unanswered", "requested_at", postgresql_where=text("answered_at IS NULL")),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("bundles.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey(Account.id))
    answer_key: Mapped[str]
    requested_at: Mapped[CreatedAt]
    answered_at: Mapped[Moment | None]


class DownloadPart(Model):
    """A piece of an archive, encrypted under a key that the download's answer holds for one browser."""

    __tablename__ = "download_parts"

    download_id: Mapped[UUID] = mapped_column(ForeignKey("downloads.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    written_at: Mapped[CreatedAt]


class Letter(Model):
    """A letter as it was edited for a petition. Never changed: the newest version counts."""

    __tablename__ = "letters"
    __table_args__ = (
        CheckConstraint("kind IN ('cover', 'mp', 'follow_up', 'notice')", name="kind"),
        UniqueConstraint("petition_id", "kind", "language", "version"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"))
    kind: Mapped[str]
    language: Mapped[str]
    version: Mapped[int]
    subject: Mapped[str]
    salutation: Mapped[str]
    """Empty where the ministry's own is used."""
    body: Mapped[str]
    """Paragraphs with an empty line between them."""
    closing: Mapped[str]
    signatory: Mapped[str]
    reviewed_by: Mapped[str]
    """Who reads the language as their own and has read it; empty while nobody has."""
    created_by: Mapped[int] = mapped_column(ForeignKey(Account.id))
    created_at: Mapped[CreatedAt]


def bundle_code(bundle_id: UUID) -> str:
    """The short name of a bundle as it stands on its pages."""
    return f"ZB-{bundle_id.hex[:4].upper()}-{bundle_id.hex[4:8].upper()}"
