"""The door of every page that is not open to everybody: logged in, allowed, and proved as the table of permissions wants.

Whoever is to prove anew who they are is shown a page that does this and then goes on with what they had sent, so that
nothing typed is lost.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import abort, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

from accounts import sessions
from accounts.factors import request_options
from accounts.forms import ProofForm
from accounts.models import Account
from accounts.permissions import RULES, Action, Proof, is_proved, may, may_somewhere
from accounts.services import prove_again, prove_again_with_passkey, was_denied
from core.throttles import attempt

READING = ("GET", "HEAD")
NOT_KEPT = ("csrf_token", "passphrase", "repeated")
PROOF_FIELDS = ("proof_passkey", "proof_passphrase", "proof_code")
"""What the page that asks for a proof adds to a form that is on its way."""


def doorkeeper(who: str) -> ResponseReturnValue | None:
    """Let in, send to log in, refuse, or ask to prove anew who one is. `who` is an action's name."""
    action = Action(who)
    if not current_user.is_authenticated:
        return _send_to_log_in()
    account: Account = current_user
    if sessions.is_enrolling():
        open_now = action in (Action.SEE_OWN_KEYS, Action.SET_UP_OWN_KEYS, Action.LOG_OUT)
        return None if open_now else redirect(url_for("accounts.keys"), 303)
    if not may_somewhere(account, action):
        was_denied(account, request.endpoint or "")
        abort(HTTPStatus.FORBIDDEN)
    rule = RULES[action]
    proof = rule.proof
    if request.method in READING and not rule.proof_to_read:
        # What only reads asks for no fresh proof; what it shows that can be sent does.
        proof = Proof.PASSKEY if proof in (Proof.PASSKEY, Proof.FRESH_PASSKEY) else Proof.SESSION
    if is_proved(sessions.this_session(), account, proof):
        return None
    here = request.full_path.rstrip("?")
    return ask_for_proof(
        account, proof, here if request.method == "POST" else url_for("accounts.prove", next=here, proof=proof)
    )


def _send_to_log_in() -> ResponseReturnValue:
    """To the log-in, and back to the page one wanted, or from which a form was sent: what was sent is not done then, and is told so."""
    if request.method in READING:
        return redirect(url_for("accounts.login", next=request.full_path.rstrip("?")))
    came_from = urlsplit(request.referrer or "")
    back = came_from.path if came_from.netloc == request.host else None
    return redirect(url_for("accounts.login", next=back, unsent=1), HTTPStatus.SEE_OTHER)


def ask_for_proof(account: Account, proof: Proof, action: str) -> ResponseReturnValue | None:
    """None once the form that comes in proves what is wanted; before, the page that asks for it.

    `action` is where that page sends its form. What was on its way when we asked is sent there again.
    """
    form, status = ProofForm(), HTTPStatus.FORBIDDEN
    if request.method == "POST" and any(request.form.get(name) for name in PROOF_FIELDS):
        _check_token()
        by_passkey = bool(form.proof_passkey.data)
        wrong = form.proof_passkey if by_passkey else form.proof_code
        if not attempt("10 per 5 minutes", "proof", account.id):
            wrong.errors, status = (
                [_("Too many attempts. Please wait five minutes; what you entered is kept.")],
                HTTPStatus.TOO_MANY_REQUESTS,
            )
        elif form.validate() and _has_proved(account, form):
            if is_proved(sessions.this_session(), account, proof):
                return None
            wrong.errors = [_("That was right, but this step asks for your passkey.")]
        else:
            wrong.errors = [_("This did not prove who you are, or the page was open too long. Please try again.")]
    page = render_template(
        "accounts/prove.html",
        form=form,
        action=action,
        with_code=proof is Proof.FRESH_BEST,
        options=request_options(sessions.challenge(), account.passkeys) if account.passkeys else None,
        kept=[
            (name, value)
            for name, values in request.form.lists()
            for value in values
            if name not in (*PROOF_FIELDS, *NOT_KEPT)
        ],
    )
    return make_response(page, status)


def _has_proved(account: Account, form: ProofForm) -> bool:
    if form.proof_passkey.data:
        return prove_again_with_passkey(account, form.proof_passkey.data)
    return prove_again(account, form.proof_passphrase.data or "", form.proof_code.data or "")


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
