"""News of a petition."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.errors import EditedMeanwhileError, EditingLockedError, NotFoundError, NotNowError
from core.i18n import current_language
from core.security import takes
from petitions import editing, newsroom, standing
from petitions.console import bp
from petitions.console.editor import LONG_TEXT
from petitions.console.frame import show, tell
from petitions.editor_forms import LanguageForm, NewsForm, SubmissionForm
from petitions.newsroom import NEWS_STATE_LABELS, NewsItem


@bp.get("/petitions/<int:petition_id>/news")
@needs(Action.SEE_PETITION)
def news(petition_id: int) -> ResponseReturnValue:
    """All news, and writing more."""
    petition = standing.find_readable(current_user, petition_id)
    form = LanguageForm(editing.text_languages(), formdata=None, data={"language": current_language()})
    items = newsroom.list_news(current_user, petition_id)
    return show("news", petition, locks=(), items=items, form=form, news_states=NEWS_STATE_LABELS)


@bp.get("/petitions/<int:petition_id>/news/add")
@needs(Action.EDIT_PETITION)
def add_news(petition_id: int) -> ResponseReturnValue:
    """To an empty page: of new news, or of what there is in another language."""
    standing.find_own(current_user, petition_id)
    news_id = request.args.get("news_id", type=UUID) or newsroom.new_id()
    language = request.args.get("language", "en")
    return redirect(url_for(".edit_news", petition_id=petition_id, news_id=news_id, language=language), 303)


@bp.get("/petitions/<int:petition_id>/news/<uuid:news_id>")
@needs(Action.SEE_PETITION)
def news_item(petition_id: int, news_id: UUID) -> ResponseReturnValue:
    """One piece of news as it would be read, in every language; sending it to a reviewer; how far its mails are."""
    return _item_page(petition_id, newsroom.find_news(current_user, petition_id, news_id))


def _item_page(
    petition_id: int, item: NewsItem, status: int = 200, form: SubmissionForm | None = None
) -> ResponseReturnValue:
    left = [one for one in editing.text_languages() if one[0] not in item.texts]
    return show(
        "news_item",
        standing.find_readable(current_user, petition_id),
        status,
        locks=(),
        item=item,
        form=form or SubmissionForm(formdata=None),
        language_form=LanguageForm(left, formdata=None),
        news_states=NEWS_STATE_LABELS,
    )


@bp.route("/petitions/<int:petition_id>/news/<uuid:news_id>/<language>", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
@takes(LONG_TEXT)
def edit_news(petition_id: int, news_id: UUID, language: str) -> ResponseReturnValue:
    """News in one language. The page of news that nobody has saved yet is empty."""
    petition = standing.find_own(current_user, petition_id)
    if language not in dict(editing.text_languages()):
        raise NotFoundError
    if request.method == "GET":
        typed = newsroom.as_typed(current_user, petition_id, news_id, language)
        form = NewsForm(formdata=None, data=typed)
        return show("news_text", petition, locks=(), form=form, language=language, news_id=news_id, theirs=None)
    form, status, theirs = NewsForm(), 422, None
    if form.validate():
        words = form.title.data or "", form.body.data or ""
        try:
            newsroom.save_news(current_user, petition_id, news_id, language, form.read_revision, *words)
        except EditedMeanwhileError:
            theirs, status = newsroom.as_typed(current_user, petition_id, news_id, language), 409
            form.revision.data = str(theirs.pop("revision"))
        except (EditingLockedError, NotNowError):
            flash(_("Nothing was saved: a reviewer is deciding about it, or it is published already."), "note")
            status = 409
        else:
            flash(_("Saved."), "good")
            return redirect(url_for(".news_item", petition_id=petition_id, news_id=news_id), 303)
    return show("news_text", petition, status, locks=(), form=form, language=language, news_id=news_id, theirs=theirs)


@bp.post("/petitions/<int:petition_id>/news/<uuid:news_id>/<language>/removal")
@needs(Action.EDIT_PETITION)
def remove_news_text(petition_id: int, news_id: UUID, language: str) -> ResponseReturnValue:
    """Remove one language."""
    try:
        newsroom.remove_news_text(current_user, petition_id, news_id, language)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    else:
        flash(_("Removed."), "good")
        if not newsroom.find_news(current_user, petition_id, news_id).texts:
            return redirect(url_for(".news", petition_id=petition_id), 303)
    return redirect(url_for(".news_item", petition_id=petition_id, news_id=news_id), 303)


@bp.post("/petitions/<int:petition_id>/news/<uuid:news_id>/submission")
@needs(Action.EDIT_PETITION)
def submit_news(petition_id: int, news_id: UUID) -> ResponseReturnValue:
    """Ask a reviewer to publish it."""
    form = SubmissionForm()
    if not form.validate():
        return _item_page(petition_id, newsroom.find_news(current_user, petition_id, news_id), 422, form)
    try:
        newsroom.submit_news(current_user, petition_id, news_id, form.reason.data or "")
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    else:
        flash(_("A reviewer has to agree; then it is published, and mailed to signers who asked for news."), "good")
    return redirect(url_for(".news_item", petition_id=petition_id, news_id=news_id), 303)
