"""Bundles, and the log of who took one away."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import CheckConstraint, ForeignKey, Index, Uuid, text
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
    FAILED = "failed"


UNDER_WAY = (BundleState.REQUESTED, BundleState.APPROVED, BundleState.BUILDING)
"""States in which a bundle is still to come."""

APPROVAL_KIND = "bundle"
"""What the approval of a bundle is called in the table of approvals."""

DOWNLOAD_LIFETIME = timedelta(minutes=10)
"""How long a download is waited for, and its answer kept."""

BUNDLE_STATE_LABELS = {
    BundleState.REQUESTED: _l("Waiting for a second person"),
    BundleState.APPROVED: _l("Waiting in the queue"),
    BundleState.BUILDING: _l("Being built"),
    BundleState.READY: _l("Ready"),
    BundleState.REFUSED: _l("Refused"),
    BundleState.FAILED: _l("Failed"),
}
BUILD_STEP_LABELS = {
    "collecting": _l("Opening the signatures"),
    "drawing": _l("Drawing the pages"),
    "sealing": _l("Sealing the file"),
}


class Bundle(Model):
    """The counted signatures of one petition and addressee up to a cut-off, as PDFs encrypted at rest."""

    __tablename__ = "bundles"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'approved', 'building', 'ready', 'refused', 'failed')", name="state"),
        CheckConstraint(
            "(state = 'ready') <= (row_key_id IS NOT NULL AND file_hash IS NOT NULL)", name="ready_is_whole"
        ),
        Index("ix_bundles_unfinished", "requested_at", postgresql_where=text("state IN ('approved', 'building')")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"))
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"))
    state: Mapped[str] = mapped_column(server_default="requested")
    requested_by: Mapped[int] = mapped_column(ForeignKey(Account.id))
    requested_at: Mapped[CreatedAt]
    cutoff_at: Mapped[CreatedAt]
    step: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    leased_until: Mapped[Moment | None]
    fence: Mapped[int] = mapped_column(server_default="0")
    signatures: Mapped[int | None]
    pages: Mapped[int | None]
    register_hash: Mapped[str | None]
    row_key_id: Mapped[UUID | None] = mapped_column(ForeignKey("row_keys.id", ondelete="SET NULL"))
    file_hash: Mapped[str | None]
    ready_at: Mapped[Moment | None]

    @property
    def code(self) -> str:
        """Its short name, as it stands on its pages."""
        return bundle_code(self.id)


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


def bundle_code(bundle_id: UUID) -> str:
    """The short name of a bundle as it stands on its pages."""
    return f"ZB-{bundle_id.hex[:4].upper()}-{bundle_id.hex[4:8].upper()}"
