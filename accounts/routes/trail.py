"""The audit trail, and how the platform is doing."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from accounts import health, people, trail
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


@bp.get("/health")
@needs(Action.SEE_HEALTH)
def platform_health() -> ResponseReturnValue:
    """Workers, queues, mail, disk, keys, invariants."""
    return render_template("accounts/health.html", panel=health.read_panel())
