"""My account: second factors, passphrase, recovery codes, devices. Enrolment goes by the same pages."""

from __future__ import annotations

from uuid import UUID

import segno
from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup

from accounts import enrolment, factors, resets, roles, services, sessions, trail
from accounts.enrolment import InvitationOverError
from accounts.forms import ButtonForm, NewPassphraseForm, PasskeyNameForm, TotpForm
from accounts.models import METHOD_LABELS
from accounts.permissions import Action, needs
from accounts.routes import bp
from accounts.sessions import is_enrolling


def _done(message: str, first: bool) -> ResponseReturnValue:
    """After a first second factor come the recovery codes, at once: later nobody makes them."""
    if first:
        return _show_codes(enrolment.renew_recovery_codes(current_user), first=True)
    return _told(message)


def _told(message: str, kind: str = "good") -> ResponseReturnValue:
    flash(message, kind)
    return redirect(url_for(".keys"), 303)


def _show_codes(codes: list[str], *, first: bool) -> ResponseReturnValue:
    return render_template("accounts/codes.html", codes=codes, first=first)


@bp.get("/me")
@needs(Action.SEE_OWN_KEYS)
def keys() -> ResponseReturnValue:
    """What opens my account, where I am logged in, and what was done in my name lately; for who enrols, the choice of a factor."""
    if is_enrolling():
        return render_template("accounts/enrol.html", is_administrator=roles.is_administrator(current_user))
    return render_template(
        "accounts/me.html",
        form=ButtonForm(formdata=None),
        codes_left=factors.unused_recovery_codes(current_user),
        sessions=sessions.list_sessions(current_user),
        here=sessions.this_session(),
        methods=METHOD_LABELS,
        lately=trail.latest_of(current_user),
    )


@bp.route("/me/app", methods=["GET", "POST"])
@needs(Action.SET_UP_OWN_KEYS)
def set_up_totp() -> ResponseReturnValue:
    """Connect an authenticator app."""
    form, first = TotpForm(), is_enrolling()
    if form.validate_on_submit():
        try:
            if enrolment.set_up_totp(current_user, "".join((form.code.data or "").split())):
                return _done(_("The app is connected. Every other session was ended."), first)
        except InvitationOverError:
            return _too_late()
        form.code.errors = [_("This is not the code that the app shows now. Is the clock of your phone right?")]
    key = enrolment.pending_totp_key(current_user)
    picture = segno.make(factors.totp_uri(key, current_user), error="m").svg_inline(
        scale=5, border=4, svgclass=None, lineclass=None, light="#fff", dark="#000", omitsize=False
    )
    page = render_template("accounts/app.html", form=form, key=key, picture=Markup(picture), first=first)  # noqa: S704  # Drawn by segno from our own address.
    return page, 422 if form.errors else 200


@bp.post("/me/app/remove")
@needs(Action.CHANGE_OWN_KEYS)
def remove_totp() -> ResponseReturnValue:
    """Disconnect the app."""
    return _removed(enrolment.remove_totp(current_user), _("The app is no longer asked."))


@bp.route("/me/passkeys", methods=["GET", "POST"])
@needs(Action.SET_UP_OWN_KEYS)
def add_passkey() -> ResponseReturnValue:
    """Make a passkey: the one page that needs a script."""
    form, first = PasskeyNameForm(), is_enrolling()
    if form.validate_on_submit():
        name = form.name.data or _("Passkey %(number)s", number=len(current_user.passkeys) + 1)
        try:
            if enrolment.set_up_passkey(current_user, form.answer.data or "", name):
                return _done(_("The passkey is kept. Every other session was ended."), first)
        except InvitationOverError:
            return _too_late()
        form.answer.errors = [
            _(
                "This passkey could not be used: it was made for another site, is kept already, or the page was open too long. Please try again."
            )
        ]
    options = factors.registration_options(current_user, sessions.challenge())
    page = render_template("accounts/passkey.html", form=form, options=options, first=first)
    return page, 422 if form.errors else 200


@bp.post("/me/passkeys/<uuid:passkey_id>/remove")
@needs(Action.CHANGE_OWN_KEYS)
def remove_passkey(passkey_id: UUID) -> ResponseReturnValue:
    """Forget a passkey."""
    return _removed(enrolment.remove_passkey(current_user, passkey_id), _("The passkey is forgotten."))


def _removed(done: bool, message: str) -> ResponseReturnValue:
    if not done:
        return _told(_("This is your only second key. Add another one first."), "error")
    return _told(message)


@bp.post("/me/recovery-codes")
@needs(Action.CHANGE_OWN_KEYS)
def renew_recovery_codes() -> ResponseReturnValue:
    """Ten new codes, shown once."""
    return _show_codes(enrolment.renew_recovery_codes(current_user), first=False)


@bp.get("/me/recovery-codes")
@needs(Action.CHANGE_OWN_KEYS)
def reload_recovery_codes() -> ResponseReturnValue:
    """Somebody opens the address again: codes are shown once."""
    return redirect(url_for(".keys"), 303)


@bp.route("/me/passphrase", methods=["GET", "POST"])
@needs(Action.CHANGE_OWN_PHRASE)
def change_passphrase() -> ResponseReturnValue:
    """Choose another passphrase."""
    form = NewPassphraseForm()
    form.about = current_user.email, current_user.name
    if form.validate_on_submit():
        enrolment.change_passphrase(current_user, form.passphrase.data or "")
        return _told(_("Your passphrase is changed. Every other session was ended."))
    return render_template("accounts/passphrase.html", form=form), 422 if form.errors else 200


@bp.post("/me/sessions/<uuid:session_id>/end")
@needs(Action.SEE_CONSOLE)
def end_session(session_id: UUID) -> ResponseReturnValue:
    """Log out on another device."""
    sessions.end_one(current_user, session_id)
    return _told(_("That device is logged out."))


@bp.post("/me/sessions/end")
@needs(Action.SEE_CONSOLE)
def end_other_sessions() -> ResponseReturnValue:
    """Log out everywhere but here."""
    services.end_other_sessions(current_user)
    return _told(_("You are logged out everywhere but here."))


@bp.post("/me/reset/stop")
@needs(Action.SEE_CONSOLE)
def stop_reset() -> ResponseReturnValue:
    """It was not me who lost a second factor."""
    resets.stop_reset(current_user, current_user)
    flash(_("It is stopped. Please tell an administrator you trust."), "good")
    return redirect(url_for(".start"), 303)


def _too_late() -> ResponseReturnValue:
    return render_template("accounts/invitation_over.html"), 410
