"""Logging in and out, opening an invitation, asking for an account."""

from __future__ import annotations

import base64
import re
import secrets
import time
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import abort, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts import devices, enrolment, factors, requests, services, sessions
from accounts.forms import AcceptInvitationForm, LoginForm, PasskeyForm, RequestAccountForm
from accounts.permissions import Action, needs
from accounts.routes import bp
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from core.throttles import attempt, network

CHALLENGE_SECONDS = sessions.CHALLENGE_LIFE.total_seconds()


def _challenge() -> bytes:
    """What a passkey is to sign to log in from this browser. One that was used to log in is remembered in the database, and refused."""
    made_at, text = session.get("challenge", (0, ""))
    if time.time() - made_at > CHALLENGE_SECONDS / 2:
        text = base64.b64encode(secrets.token_bytes(32)).decode()
        session["challenge"] = int(time.time()), text
    return base64.b64decode(text)


def _taken_challenge() -> bytes | None:
    made_at, text = session.pop("challenge", (0, ""))
    return base64.b64decode(text) if time.time() - made_at < CHALLENGE_SECONDS else None


def safe_next() -> str:
    """Where somebody wanted to go before they had to log in: a path of ours, or the start page."""
    wish = request.args.get("next", "")
    try:
        parts = urlsplit(wish)
    except ValueError:
        return url_for("accounts.start")
    # Two slashes or more at the start would be a host's name to a browser, whatever the parser made of them.
    is_path = (
        re.match(r"/(?!/)", wish) and not parts.scheme and not parts.netloc and "\\" not in wish and wish.isprintable()
    )
    return wish if is_path else url_for("accounts.start")


def _login_page(form: LoginForm, passkey: PasskeyForm, status: int) -> ResponseReturnValue:
    options = factors.request_options(_challenge())
    ended = "_user_id" in session and not current_user.is_authenticated
    return render_template("accounts/login.html", form=form, passkey=passkey, options=options, ended=ended), status


@bp.route("/login", methods=["GET", "POST"])
@open_to(EVERYBODY)
def login() -> ResponseReturnValue:
    """One answer for an unknown address, a wrong passphrase, a wrong code and a closed account."""
    if current_user.is_authenticated and request.method == "GET":
        return redirect(safe_next(), 303)
    form = LoginForm()
    if form.validate_on_submit():
        email = form.email.data or ""
        mark = devices.known_as(email)
        by_recovery_code = factors.looks_like_recovery_code(form.code.data or "")
        if not devices.may_try(email, mark, by_recovery_code=by_recovery_code):
            abort(HTTPStatus.TOO_MANY_REQUESTS)
        account = services.log_in(
            email, form.passphrase.data or "", form.code.data or "", known_device=mark is not None
        )
        if account is not None:
            response = make_response(redirect(safe_next(), 303))
            devices.remember(response, account)
            return response
        form.passphrase.errors = [_("Address, passphrase and code do not go together, or the code was used before.")]
    return _login_page(form, PasskeyForm(formdata=None), 422 if form.errors else 200)


@bp.post("/login/passkey")
@open_to(EVERYBODY)
def login_with_passkey() -> ResponseReturnValue:
    """Log in with a passkey alone: it is something one has, and verifies who uses it."""
    if not devices.may_try_passkey():
        abort(HTTPStatus.TOO_MANY_REQUESTS)
    answer = PasskeyForm()
    challenge = _taken_challenge()
    account = services.log_in_with_passkey(challenge, answer.answer.data or "") if answer.validate_on_submit() else None
    if account is None:
        answer.answer.data = ""
        answer.answer.errors = [
            _(
                "This passkey does not open an account here, or the page was open too long. Try again, try another, or log in below."
            )
        ]
        return _login_page(LoginForm(formdata=None), answer, 422)
    response = make_response(redirect(safe_next(), 303))
    devices.remember(response, account)
    return response


@bp.get("/login/passkey")
@open_to(EVERYBODY)
def reload_login() -> ResponseReturnValue:
    """Somebody opens the address of the form's answer."""
    return redirect(url_for(".login"), 303)


@bp.post("/logout")
@needs(Action.LOG_OUT)
def logout() -> ResponseReturnValue:
    """End this session."""
    sessions.end()
    return redirect(url_for(".login"), 303)


@bp.route("/invitations/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def invitation(token: str) -> ResponseReturnValue:
    """Set up an account: name and passphrase here, the second factor on the page after. GET changes nothing."""
    if not attempt("60 per 5 minutes", "invitation", network()):
        abort(HTTPStatus.TOO_MANY_REQUESTS)
    try:
        found, account = enrolment.find_invitation(token)
        form = AcceptInvitationForm(name=account.name)
        form.about = account.email, account.name, form.name.data or ""
        if form.validate_on_submit():
            enrolment.accept_invitation(token, form.name.data or "", form.passphrase.data or "", current_language())
            return redirect(url_for(".keys"), 303)
    except enrolment.InvitationOverError:
        return render_template("accounts/invitation_over.html"), 410
    page = render_template("accounts/invitation.html", form=form, account=account, invitation=found)
    return page, 422 if form.errors else 200


@bp.route("/request-account", methods=["GET", "POST"])
@open_to(EVERYBODY)
def request_account() -> ResponseReturnValue:
    """Ask to become an organiser. The answer is the same whoever asks."""
    form = RequestAccountForm()
    if form.validate_on_submit():
        if not attempt("5 per hour", "request-account", network()) or not attempt("100 per hour", "request-account"):
            form.message.errors = [
                _("Too many requests came from your network. Please wait an hour; what you typed is still here.")
            ]
            return render_template("accounts/request.html", form=form), HTTPStatus.TOO_MANY_REQUESTS
        requests.request_account(
            form.name.data or "",
            form.email.data or "",
            form.country.data,
            form.city.data or "",
            form.message.data or "",
            current_language(),
        )
        return redirect(url_for(".account_requested"), 303)
    return render_template("accounts/request.html", form=form), 422 if form.errors else 200


@bp.get("/request-account/sent")
@open_to(EVERYBODY)
def account_requested() -> ResponseReturnValue:
    """What happens next."""
    return render_template("accounts/requested.html")
