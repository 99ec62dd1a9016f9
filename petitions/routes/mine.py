"""A signer's own page, reached from the mail: what is stored, changing it, taking it away as a file."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.answers import browser_secret, keep_secret, new_secret
from core.errors import NotFoundError, UnavailableError
from core.forms import ButtonForm
from core.security import EVERYBODY, open_to
from core.waiting import look_again, looks, next_look
from petitions import signing
from petitions.forms import ConsentForm
from petitions.log_forms import ReceiptForm
from petitions.models import SIGNATURE_STATE_LABELS
from petitions.routes import bp

MOST_LOOKS = 8


@bp.route("/mine/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def mine(token: str) -> ResponseReturnValue:
    """A button that opens one's own page: only the worker can, and it seals what it finds to this browser."""
    form = ButtonForm()
    if request.method == "POST":
        event_id = form.event()
        try:
            signing.press_button("show", token, browser_secret(), event_id)
        except UnavailableError:
            return render_template("petitions/mine_closed.html", form=form, unavailable=True), 503
        return redirect(url_for(".own_page", token=token, event_id=event_id), 303)
    form.event_id.data = str(uuid4())
    response = make_response(render_template("petitions/mine_closed.html", form=form))
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.get("/mine/<token>/<uuid:event_id>")
@open_to(EVERYBODY)
def own_page(token: str, event_id: UUID) -> ResponseReturnValue:
    """What is stored about a signer, with what can be done about it."""
    secret = browser_secret()
    told = signing.own_page(event_id, secret) if secret else None
    if isinstance(told, dict):
        form = ConsentForm(formdata=None, visibility=told["visibility"], updates=told["updates"])
        return _page(token, event_id, told, form)
    again = next_look(".own_page", MOST_LOOKS, token=token, event_id=event_id) if secret and told is None else None
    page = render_template("petitions/mine_waiting.html", told=told, again=again, token=token)
    return look_again(page, again, seconds=min(2 * looks(), 15)), 400 if told == "invalid" else 200


def _page(
    token: str, event_id: UUID, told: dict[str, Any], form: ConsentForm, status: int = 200, *, unavailable: bool = False
) -> ResponseReturnValue:
    form.event_id.data = str(uuid4())
    receipt_form = ReceiptForm(formdata=None, event_id=str(uuid4()))
    return (
        render_template(
            "petitions/mine.html",
            told=told,
            form=form,
            receipt_form=receipt_form,
            token=token,
            event_id=event_id,
            states=SIGNATURE_STATE_LABELS,
            unavailable=unavailable,
            changed="changed" in request.args,
        ),
        status,
    )


@bp.post("/mine/<token>/<uuid:event_id>")
@open_to(EVERYBODY)
def change_own(token: str, event_id: UUID) -> ResponseReturnValue:
    """Change who learns the name, and whether to be written to."""
    form = ConsentForm()
    secret = browser_secret()
    told = signing.own_page(event_id, secret) if secret else None
    if not isinstance(told, dict):
        return redirect(url_for(".mine", token=token), 303)  # The answer is over, or this browser does not have it.
    if not form.validate_on_submit():
        return _page(token, event_id, told, form, 422)
    asked = form.event()
    wish = {
        "visibility": form.visibility.data,
        "updates": bool(form.updates.data),
        "consent_hash": form.consent_hash(),
    }
    try:
        signing.press_button("change", token, secret, asked, **wish)
    except UnavailableError:
        return _page(token, event_id, told, form, 503, unavailable=True)
    return redirect(url_for(".own_page", token=token, event_id=asked, changed=1), 303)


@bp.get("/mine/<token>/<uuid:event_id>/data.json")
@open_to(EVERYBODY)
def export_own(token: str, event_id: UUID) -> ResponseReturnValue:
    """All of it as a file, for whoever wants to keep it or carry it elsewhere (GDPR, articles 15 and 20)."""
    return _file(_told(event_id), "signature.json")


def _told(event_id: UUID) -> dict[str, Any]:
    """What this browser was told by an answer. Raises NotFoundError."""
    secret = browser_secret()
    told = signing.own_page(event_id, secret) if secret else None
    if not isinstance(told, dict):
        raise NotFoundError
    return told


def _file(told: dict[str, Any], name: str) -> ResponseReturnValue:
    response = make_response(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# --- The receipt -----------------------------------------------------------------------------------------------------------


@bp.post("/mine/<token>/receipt")
@open_to(EVERYBODY)
def ask_receipt(token: str) -> ResponseReturnValue:
    """Ask the worker for a receipt. It is made when somebody wants it, and is sent to no mailbox."""
    form = ReceiptForm()
    asked = form.event()
    try:
        signing.press_button("receipt", token, browser_secret(), asked, mine=bool(form.mine.data))
    except UnavailableError:
        return render_template("petitions/mine_closed.html", form=ButtonForm(), unavailable=True), 503
    return redirect(url_for(".receipt", token=token, event_id=asked), 303)


@bp.get("/mine/<token>/receipt/<uuid:event_id>")
@open_to(EVERYBODY)
def receipt(token: str, event_id: UUID) -> ResponseReturnValue:
    """The receipt, or when there will be one."""
    secret = browser_secret()
    told = signing.own_page(event_id, secret) if secret else None
    if isinstance(told, dict):
        by = datetime.fromisoformat(told["by"]) if told["by"] else None
        return render_template("petitions/receipt.html", told=told, by=by, token=token, event_id=event_id)
    again = next_look(".receipt", MOST_LOOKS, token=token, event_id=event_id) if secret and told is None else None
    page = render_template("petitions/mine_waiting.html", told=told, again=again, token=token)
    return look_again(page, again, seconds=min(2 * looks(), 15)), 400 if told == "invalid" else 200


@bp.get("/mine/<token>/receipt/<uuid:event_id>/receipt.json")
@open_to(EVERYBODY)
def receipt_file(token: str, event_id: UUID) -> ResponseReturnValue:
    """The receipt as a file, for zbor-verify."""
    found = _told(event_id).get("receipt")
    if found is None:
        raise NotFoundError
    return _file(found, "receipt.json")
