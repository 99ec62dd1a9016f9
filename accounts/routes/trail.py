"""The audit trail."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from accounts import people, trail
from accounts.forms import AuditFilter
from accounts.permissions import Action, needs
from accounts.routes import bp
from core.audit import labels


@bp.get("/audit")
@needs(Action.READ_AUDIT)
def audit() -> ResponseReturnValue:
    """Who did what, newest first."""
    actions = sorted(labels.items(), key=lambda item: str(item[1]))
    known = people.names()
    form = AuditFilter(known, actions, request.args)
    listing = trail.list_entries(form)
    return render_template("accounts/audit.html", listing=listing, told=trail.told, names=dict(known))
