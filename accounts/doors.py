"""The door of every page that is not open to everybody: logged in, allowed, and proved as the table of permissions wants.

Whoever is to prove anew who they are is shown a page that does this and then goes on with what they had sent, so that
nothing typed is lost.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import abort, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

from accounts import sessions
from accounts.factors import request_options
from accounts.forms import ProofForm
from accounts.models import Account, Method
from accounts.permissions import RULES, Action, Proof, is_proved, may, may_somewhere
from accounts.services import prove_again, prove_again_with_passkey, was_denied
from core.throttles import attempt

PROOF_FIELDS = ("proof_passkey", "proof_passphrase", "proof_code")
"""What the page that asks for a proof adds to a form that is on its way."""


def doorkeeper(who: str) -> ResponseReturnValue | None:
    """Let in, send to log in, refuse, or ask to prove anew who one is. `who` is an action's name."""
    action = Action(who)
    if not current_user.is_authenticated:
        abort(current_app.login_manager.unauthorized())  # type: ignore[attr-defined]  # Flask-Login adds it.
    account: Account = current_user
    if sessions.this_session().method == Method.INVITATION:
        return None if action in (Action.CHANGE_OWN_KEYS, Action.LOG_OUT) else redirect(url_for("accounts.keys"), 303)
    if not may_somewhere(account, action):
        was_denied(account, request.endpoint or "")
        abort(HTTPStatus.FORBIDDEN)
    proof = RULES[action].proof
    # What only reads asks for no fresh proof: the form that led to it did.
    if request.method == "GET":
        proof = Proof.PASSKEY if proof is Proof.FRESH_PASSKEY else proof if proof is Proof.PASSKEY else Proof.SESSION
    if is_proved(sessions.this_session(), account, proof):
        return None
    here = request.full_path.rstrip("?")
    return ask_for_proof(account, proof, here if request.method == "POST" else url_for("accounts.prove", next=here))


def ask_for_proof(account: Account, proof: Proof, action: str) -> ResponseReturnValue | None:
    """None once the form that comes in proves what is wanted; before, the page that asks for it.

    `action` is where that page sends its form. What was on its way when we asked is sent there again.
    """
    form = ProofForm()
    if request.method == "POST" and any(request.form.get(name) for name in PROOF_FIELDS):
        _check_token()
        if not attempt("10 per 5 minutes", "proof", account.id):
            abort(HTTPStatus.TOO_MANY_REQUESTS)
        if form.proof_passkey.data:
            right = prove_again_with_passkey(account, form.proof_passkey.data)
        else:
            right = prove_again(account, form.proof_passphrase.data or "", form.proof_code.data or "")
        if right and is_proved(sessions.this_session(), account, proof):
            return None
        form.proof_code.errors = [
            _("That was right, but this step asks for your passkey.")
            if right
            else _("This did not prove who you are. Please try again.")
        ]
    page = render_template(
        "accounts/prove.html",
        form=form,
        action=action,
        passkey_only=proof is not Proof.FRESH_BEST,
        with_code=proof is Proof.FRESH_BEST,
        options=request_options(sessions.challenge(), account.passkeys) if account.passkeys else None,
        kept=[
            (name, value)
            for name, values in request.form.lists()
            for value in values
            if name not in (*PROOF_FIELDS, "csrf_token")
        ],
    )
    return make_response(page, HTTPStatus.FORBIDDEN)


def _check_token() -> None:
    """Flask-WTF looks at our token only after the door, and a proof must not be spent on a form that is not ours."""
    try:
        validate_csrf(request.form.get("csrf_token"))
    except ValidationError:
        abort(HTTPStatus.BAD_REQUEST)


def may_here(action: str, petition_id: int | None = None, country_code: str | None = None) -> bool:
    """For templates: whether the reader may do something to this petition and country, or, without any, somewhere."""
    if petition_id is None and country_code is None:
        return may_somewhere(current_user, Action(action))
    return may(current_user, Action(action), petition_id, country_code)
