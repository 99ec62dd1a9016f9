"""How the platform is doing."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from accounts.permissions import Action, needs
from accounts.routes import bp
from core import health


@bp.get("/health")
@needs(Action.SEE_HEALTH)
def platform_health() -> ResponseReturnValue:
    """Workers, queues, mail, disk, keys, invariants."""
    return render_template("accounts/health.html", panel=health.read_panel())
