"""Log-in and log-out, on the console host only."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import login_user, logout_user

from accounts import services
from accounts.forms import LoginForm
from core.extensions import limiter, login_manager
from core.security import EVERYBODY, SIGNED_IN, open_to

bp = Blueprint("accounts", __name__)
login_manager.user_loader(services.find_account)


@bp.route("/login", methods=["GET", "POST"])
@open_to(EVERYBODY)
@limiter.limit("10 per 5 minutes", methods=["POST"])
def login() -> ResponseReturnValue:
    """One answer for an unknown address, a wrong passphrase and a closed account."""
    form = LoginForm()
    if form.validate_on_submit():
        account = services.authenticate(form.email.data or "", form.passphrase.data or "")
        if account is not None:
            session.clear()
            session.permanent = True
            login_user(account)
            return redirect(url_for("delivery.index"), 303)
        form.passphrase.errors = [_("This address and passphrase do not go together.")]
    return render_template("accounts/login.html", form=form), 422 if form.errors else 200


@bp.post("/logout")
@open_to(SIGNED_IN)
def logout() -> ResponseReturnValue:
    """End the session."""
    logout_user()
    session.clear()
    return redirect(url_for("accounts.login"), 303)
