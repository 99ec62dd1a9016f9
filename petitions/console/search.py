"""Looking for one signature."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.answers import browser_secret, keep_secret, new_secret
from core.errors import NotFoundError
from core.i18n import current_language
from core.throttles import attempt
from core.waiting import look_again, looks, next_look
from petitions import services
from petitions.console import bp
from petitions.forms import SearchForm
from petitions.models import REASON_LABELS, SIGNATURE_STATE_LABELS

MOST_LOOKS = 20


@bp.route("/petitions/<int:petition_id>/search", methods=["GET", "POST"])
@needs(Action.SEARCH_SIGNATURE)
def search(petition_id: int) -> ResponseReturnValue:
    """Whether somebody who writes to us has signed: by the exact address alone, counted and written down."""
    if not services.may_search(current_user, petition_id):
        raise NotFoundError
    text = services.title_of(petition_id, current_language())
    form, status = SearchForm(), HTTPStatus.OK
    if form.validate_on_submit():
        if attempt(f"{services.SEARCHES_AN_HOUR} per hour", "search", current_user.id):
            secret = browser_secret() or new_secret()
            event_id = services.search_signature(current_user, petition_id, form.email.data or "", secret)
            response = make_response(redirect(url_for(".found", petition_id=petition_id, event_id=event_id), 303))
            keep_secret(response, secret)
            return response
        form.email.errors = [_("That was one search too many. Please wait an hour.")]
        status = HTTPStatus.TOO_MANY_REQUESTS
    elif form.errors:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    here = {"petition_id": petition_id, "an_hour": services.SEARCHES_AN_HOUR}
    return render_template("petitions/search.html", form=form, text=text, **here), status


@bp.get("/petitions/<int:petition_id>/search/<uuid:event_id>")
@needs(Action.SEARCH_SIGNATURE)
def found(petition_id: int, event_id: UUID) -> ResponseReturnValue:
    """What was found; until the worker has answered, a page that asks again by itself."""
    if not services.may_search(current_user, petition_id):
        raise NotFoundError
    secret = browser_secret()
    result = services.search_result(event_id, secret) if secret else None
    here = {"petition_id": petition_id, "event_id": event_id}
    again = next_look(".found", MOST_LOOKS, **here) if secret and result is None else None
    page = render_template(
        "petitions/found.html", result=result, again=again, states=SIGNATURE_STATE_LABELS, reasons=REASON_LABELS, **here
    )
    return look_again(page, again, seconds=min(2 * looks(), 15))
