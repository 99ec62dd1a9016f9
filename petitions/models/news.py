"""What creators tell, and what visitors report."""

from __future__ import annotations

from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


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
