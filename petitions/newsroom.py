"""News that creators tell: written in one language or several, agreed to by a second person, shown and mailed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from accounts.approvals import AlreadyDecidedError, ApprovalKind, register, request_approval
from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action
from core.audit import auditable, record
from core.errors import EditedMeanwhileError, EditingLockedError, NotFoundError, NotNowError
from core.extensions import db
from core.i18n import current_language
from core.queues import TaskName, wake
from petitions import services
from petitions.editing import text_languages
from petitions.models import Mailing, News, NewsText, Petition, PetitionState
from petitions.standing import NEWS, find_own, find_readable
from petitions.texts import render_markdown

NEWS_SAVED = auditable("news.saved", _l("Wrote news"))
NEWS_REMOVED = auditable("news.language_removed", _l("Removed a language from news"))
NEWS_PUBLISHED = auditable("news.published", _l("News was published"))

MAX_TITLE, MAX_BODY = 120, 5000
NEWS_STATE_LABELS = {"draft": _l("Draft"), "review": _l("In review"), "published": _l("Published")}
_TOLD_IN = (PetitionState.OPEN, PetitionState.CLOSED)


@dataclass(frozen=True, slots=True)
class NewsItem:
    """A piece of news with its texts by language, who waits for it, and how far its mails are."""

    news: News
    texts: dict[str, NewsText]
    state: str
    approval: Approval | None
    """The newest request about it."""
    mailing: Mailing | None

    @property
    def title(self) -> NewsText | None:
        """A text to show its title from."""
        wishes = (current_language(), "en", *self.texts)
        return next((self.texts[wish] for wish in wishes if wish in self.texts), None)


def _item(news: News) -> NewsItem:
    written = select(NewsText).where(NewsText.news_id == news.id).order_by(NewsText.language)
    texts = {row.language: row for row in db.session.scalars(written.execution_options(populate_existing=True))}
    newest = db.session.scalars(
        select(Approval)
        .where(Approval.kind == NEWS, Approval.object_id == str(news.id))
        .order_by((Approval.state == ApprovalState.PENDING).desc(), Approval.decided_at.desc().nulls_last())
        .limit(1)
    ).first()
    state = "draft" if news.state == "review" and not _is_waiting(news) else news.state
    return NewsItem(news, texts, state, newest, db.session.get(Mailing, news.id))


def _is_waiting(news: News) -> bool:
    asked = Approval.kind == NEWS, Approval.object_id == str(news.id), Approval.state == ApprovalState.PENDING
    return db.session.scalar(select(Approval.id).where(*asked, Approval.expires_at > func.now())) is not None


def list_news(account: Account, petition_id: int) -> Sequence[NewsItem]:
    """All news of a petition with a text, published or not, newest first. Raises NotFoundError."""
    find_readable(account, petition_id)
    written = select(NewsText.news_id).where(NewsText.news_id == News.id).exists()
    rows = select(News).where(News.petition_id == petition_id, written).order_by(News.created_at.desc(), News.id)
    return [_item(row) for row in db.session.scalars(rows)]


def find_news(account: Account, petition_id: int, news_id: UUID) -> NewsItem:
    """One piece of news, for whoever writes or reviews the petition. Raises NotFoundError."""
    find_readable(account, petition_id)
    news = db.session.get(News, news_id)
    if news is None or news.petition_id != petition_id:
        raise NotFoundError
    return _item(news)


def as_typed(account: Account, petition_id: int, news_id: UUID, language: str) -> dict[str, Any]:
    """Title, body and revision as a form holds them; empty for what nobody has saved. Raises NotFoundError."""
    find_own(account, petition_id)
    news = db.session.get(News, news_id, populate_existing=True)
    if news is None:
        return {"title": "", "body": "", "revision": 0}
    item = find_news(account, petition_id, news_id)
    text = item.texts.get(language)
    return {
        "title": text.title if text else "",
        "body": text.body if text else "",
        "revision": news.revision,
    }


def save_news(
    account: Account, petition_id: int, news_id: UUID, language: str, revision: int, title: str, body: str
) -> None:
    """Save news in one language; `news_id` is made with the form, and `revision` is 0 for what nobody has saved. Commits.

    Raises NotFoundError, NotNowError, EditingLockedError, EditedMeanwhileError.
    """
    petition = find_own(account, petition_id)
    if language not in dict(text_languages()):
        raise NotFoundError
    if petition.state not in _TOLD_IN:
        raise NotNowError
    new = insert(News).values(id=news_id, petition_id=petition_id, created_by=account.id)
    is_new = db.session.scalar(new.on_conflict_do_nothing().returning(News.id)) is not None
    news = _begin(petition_id, news_id)
    if news.revision != revision and not is_new:
        db.session.rollback()
        raise EditedMeanwhileError
    values = {"title": title, "body": body, "body_html": render_markdown(body)}
    row = insert(NewsText).values(news_id=news_id, language=language, **values)
    db.session.execute(row.on_conflict_do_update(index_elements=["news_id", "language"], set_=values))
    news.revision += 1
    db.session.flush()
    record(NEWS_SAVED, account.id, "news", news_id, petition_id=petition_id, language=language)
    db.session.commit()


def _begin(petition_id: int, news_id: UUID) -> News:
    """The piece of news, locked, while it may be changed."""
    news = db.session.get(News, news_id, with_for_update=True, populate_existing=True)
    if news is None or news.petition_id != petition_id:
        db.session.rollback()
        raise NotFoundError
    if news.state == "published":
        db.session.rollback()
        raise NotNowError
    if _is_waiting(news):
        db.session.rollback()
        raise EditingLockedError
    news.state = "draft"
    return news


def remove_news_text(account: Account, petition_id: int, news_id: UUID, language: str) -> None:
    """Remove one language; with the last one the news is gone from the list. Commits. Raises as `save_news`."""
    find_own(account, petition_id)
    news = _begin(petition_id, news_id)
    db.session.execute(delete(NewsText).filter_by(news_id=news_id, language=language))
    news.revision += 1
    db.session.flush()
    record(NEWS_REMOVED, account.id, "news", news_id, petition_id=petition_id, language=language)
    db.session.commit()


def submit_news(account: Account, petition_id: int, news_id: UUID, reason: str) -> UUID:
    """Ask a reviewer to publish it. Commits. Returns the approval's id. Raises as `save_news`; NotNowError also without a text."""
    petition = find_own(account, petition_id)
    news = _begin(petition_id, news_id)
    if petition.state not in _TOLD_IN or not _item(news).texts:
        db.session.rollback()
        raise NotNowError
    news.state = "review"
    db.session.flush()
    asked = request_approval(KIND, account, news_id, reason, petition_id=petition_id)
    db.session.commit()
    return asked


# --- The second person --------------------------------------------------------------------------------------------------


def _news_of(approval: Approval) -> News:
    return db.session.get_one(News, UUID(approval.object_id), with_for_update=True, populate_existing=True)


def _describe(approval: Approval) -> str:
    text = _item(db.session.get_one(News, UUID(approval.object_id))).title
    called = services.title_of(approval.petition_id or 0, current_language()).title
    return f"{called}: {text.title}" if text else called


def _publish(approval: Approval) -> None:
    news = _news_of(approval)
    if news.state != "review":
        db.session.rollback()
        raise AlreadyDecidedError
    news.state, news.published_at = "published", func.now()
    db.session.flush()
    db.session.execute(insert(Mailing).values(news_id=news.id))
    record(NEWS_PUBLISHED, approval.decided_by, "news", news.id, petition_id=news.petition_id)


def _back_to_draft(approval: Approval) -> None:
    news = _news_of(approval)
    if news.state == "review":
        news.state = "draft"


KIND = register(
    ApprovalKind(
        NEWS,
        _l("News of a petition"),
        Action.REVIEW_PETITION,
        _describe,
        _publish,
        _back_to_draft,
        is_ripe=lambda approval: db.session.get_one(Petition, approval.petition_id).state in _TOLD_IN,
        unripe=_l("News are told while a petition is open or closed. Refuse it."),
        page=lambda approval: url_for(
            "petitions_console.news_item", petition_id=approval.petition_id, news_id=approval.object_id
        ),
        after_commit=lambda _approval: wake(TaskName.PETITIONS),
    )
)


def new_id() -> UUID:
    """For a form that becomes a piece of news."""
    return uuid4()
