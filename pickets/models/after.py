"""What is told of a picket that is over: the report and its photos."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, LargeBinary, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


class PicketReport(Model):
    """The report. What happened and what to improve stay inside; `summary` and the numbers are public from `publish_at`."""

    __tablename__ = "picket_reports"
    __table_args__ = (
        CheckConstraint("headcount BETWEEN 0 AND 100000", name="headcount"),
        CheckConstraint("sheets BETWEEN 0 AND 10000 AND signatures BETWEEN 0 AND 100000", name="sheets"),
    )

    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"), primary_key=True)
    headcount: Mapped[int]
    sheets: Mapped[int]
    signatures: Mapped[int]
    """On paper, as the organiser counted them; they are not counted by us yet."""
    summary: Mapped[str] = mapped_column(server_default="")
    incidents: Mapped[str] = mapped_column(server_default="")
    improve: Mapped[str] = mapped_column(server_default="")
    publish_at: Mapped[Moment]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[CreatedAt]


class PhotoState(StrEnum):
    """Where a photo stands. Only PUBLISHED ones are in the clear."""

    PRIVATE = "private"
    REVIEW = "review"
    """Its sender says that there is no face on it; a second person looks."""
    PUBLISHED = "published"


PHOTO_STATE_LABELS = {
    PhotoState.PRIVATE: _l("Not public"),
    PhotoState.REVIEW: _l("A second person looks whether there is a face on it"),
    PhotoState.PUBLISHED: _l("Public with the report"),
}


class Photo(Model):
    """A photo of a picket: made small and without metadata before it came here. Sealed until its faces are blurred."""

    __tablename__ = "photos"
    __table_args__ = (
        CheckConstraint("state IN ('private', 'review', 'published')", name="state"),
        CheckConstraint("(state = 'published') = (content IS NOT NULL)", name="in_the_clear_once_published"),
        CheckConstraint("(state = 'published') = (sealed IS NULL)", name="sealed_until_published"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(server_default="private")
    width: Mapped[int] = mapped_column(SmallInteger)
    height: Mapped[int] = mapped_column(SmallInteger)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A JPEG file in which the marked faces cannot be told any more."""
    marks: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default=text("'{}'"))
    """Numbers of the squares of its grid that have a face in them, row by row from 0."""
    alt: Mapped[str] = mapped_column(server_default="")
    uploaded_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[CreatedAt]
    published_at: Mapped[Moment | None]
