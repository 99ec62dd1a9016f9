"""Taking part: the form, the button of the mail, and a participant's own page."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.answers import browser_secret, keep_secret, new_secret
from core.errors import NotFoundError, UnavailableError
from core.forms import ButtonForm
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from core.waiting import look_again, looks, next_look
from pickets import joining, reading
from pickets.forms import JoinForm, PeopleForm
from pickets.reading import PicketView
from pickets.routes import bp

MOST_LOOKS = 8
ACTS = "any(people, take, drop, confirm, leave)"


# --- The form --------------------------------------------------------------------------------------------------------------


@bp.route("/pickets/<code>/join", methods=["GET", "POST"])
@open_to(EVERYBODY)
def join(code: str) -> ResponseReturnValue:
    """Say that one comes: with nothing, with an alias, or with an address for messages."""
    view = reading.find_public(code, current_language())
    if not view.card.can_be_joined:
        return render_template("pickets/closed.html", card=view.card, picket=view.card.picket), 410
    form = JoinForm(view.shifts, ZoneInfo(view.card.city.timezone))
    if request.method == "GET":
        return _form_page(view, form)
    if not form.validate_on_submit():
        return _form_page(view, form, 422)
    event_id = form.event()
    try:
        joining.join(view.card.picket, form.joiner(), current_language(), browser_secret(), event_id)
    except UnavailableError:
        return _form_page(view, form, 503, unavailable=True)
    return redirect(url_for(".joined", code=code, event_id=event_id), 303)


def _form_page(
    view: PicketView, form: JoinForm, status: int = 200, *, unavailable: bool = False
) -> ResponseReturnValue:
    form.event_id.data = str(form.event())
    told = {"view": view, "card": view.card, "picket": view.card.picket, "form": form, "unavailable": unavailable}
    response = make_response(render_template("pickets/join.html", **told), status)
    # The secret is there before the POST, so that a double click finds its answer.
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.get("/pickets/<code>/joined/<uuid:event_id>")
@open_to(EVERYBODY)
def joined(code: str, event_id: UUID) -> ResponseReturnValue:
    """What came of the form. With an address it is the same for everybody: look into the mailbox."""
    view = reading.find_public(code, current_language())
    secret = browser_secret()
    told = joining.told(event_id, secret) if secret else None
    again = next_look(".joined", MOST_LOOKS, code=code, event_id=event_id) if secret and told is None else None
    page = render_template("pickets/joined.html", card=view.card, picket=view.card.picket, told=told, again=again)
    return look_again(page, again, seconds=min(2 * looks(), 15))


# --- The mail's button, and one's own page -----------------------------------------------------------------------------------


@bp.route("/pickets/confirm/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def confirm(token: str) -> ResponseReturnValue:
    """Confirm the address. GET changes nothing: mail scanners follow links."""
    return _button("confirm", token)


@bp.route("/pickets/mine/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def mine(token: str) -> ResponseReturnValue:
    """A button that opens one's own page: only the worker can, and it seals what it finds to this browser."""
    return _button("mine", token)


def _button(kind: str, token: str) -> ResponseReturnValue:
    form = ButtonForm()
    if request.method == "POST":
        event_id, secret = form.event(), browser_secret()
        try:
            if kind == "confirm":
                joining.confirm(token, secret, event_id)
            else:
                joining.act(token, "show", secret, event_id)
        except UnavailableError:
            return render_template("pickets/button.html", kind=kind, form=form, unavailable=True), 503
        return redirect(url_for(".own_page", event_id=event_id), 303)
    form.event_id.data = str(uuid4())
    response = make_response(render_template("pickets/button.html", kind=kind, form=form))
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.get("/pickets/own/<uuid:event_id>")
@open_to(EVERYBODY)
def own_page(event_id: UUID) -> ResponseReturnValue:
    """What is stored about a participant, their shifts, and what they can do."""
    secret = browser_secret()
    told = joining.told(event_id, secret) if secret else None
    if isinstance(told, dict):
        return _own(told, PeopleForm(formdata=None, people=told["people"], page=str(event_id)))
    again = next_look(".own_page", MOST_LOOKS, event_id=event_id) if secret and told is None else None
    page = render_template("pickets/own_waiting.html", told=told, again=again)
    return look_again(page, again, seconds=min(2 * looks(), 15)), 400 if told == "invalid" else 200


def _own(told: dict[str, Any], form: PeopleForm, status: int = 200) -> ResponseReturnValue:
    try:
        view = reading.find_public(told["code"], current_language())
    except NotFoundError:
        view = None  # Its petition was taken down. Whoever said that they come can leave all the same.
    form.event_id.data = str(uuid4())
    card = view.card if view else None
    page = render_template(
        "pickets/own.html", view=view, card=card, picket=card and card.picket, told=told, form=form, new_id=uuid4
    )
    return page, status


def _own_again(token: str, form: PeopleForm) -> ResponseReturnValue:
    """The own page as it was, with what is wrong beside the field."""
    page, secret = form.shown_on(), browser_secret()
    told = joining.told(page, secret) if page and secret else None
    if isinstance(told, dict):
        return _own(told, form, 422)
    return redirect(url_for(".mine", token=token), 303)  # That page has run out, so it is opened anew.


@bp.post(f"/pickets/mine/<token>/<{ACTS}:deed>")
@open_to(EVERYBODY)
def act(token: str, deed: str) -> ResponseReturnValue:
    """Come with more or fewer, take, give up or confirm a shift, leave."""
    form = PeopleForm()
    values: dict[str, Any] = {}
    if deed == "people":
        if not form.validate():
            return _own_again(token, form)
        values["people"] = form.people.data
    elif deed != "leave":
        values["shift"] = request.form.get("shift", "")[:36]
    event_id = form.event()
    try:
        joining.act(token, deed, browser_secret(), event_id, **values)
    except UnavailableError:
        return render_template("pickets/button.html", kind="mine", form=ButtonForm(), unavailable=True), 503
    return redirect(url_for(".own_page", event_id=event_id), 303)
