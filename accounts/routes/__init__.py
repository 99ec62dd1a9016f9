"""The console's own pages, one module for each thing one comes for."""

from __future__ import annotations

from flask import Blueprint, Response, g
from flask.blueprints import BlueprintSetupState
from flask_login import current_user

from accounts import desk, devices, sessions
from accounts.doors import doorkeeper, may_here
from accounts.sessions import is_enrolling
from core import health as platform_health
from core import lists
from core.audit import labels
from core.extensions import login_manager

bp = Blueprint("accounts", __name__)
login_manager.user_loader(sessions.find_account)


@bp.record_once
def _stand_at_the_door(state: BlueprintSetupState) -> None:
    app = state.app
    app.extensions["zbor_doorkeeper"] = doorkeeper
    app.jinja_env.globals.update(
        may=may_here,
        places=lambda: desk.places_for(current_user),
        is_enrolling=is_enrolling,
        silent_workers=platform_health.silent_workers,
        messages=lists.messages,
        audit_labels=labels,
    )


@bp.after_app_request
def _know_this_browser_still(response: Response) -> Response:
    """Whoever ends all other sessions goes on from this browser, which must not become a stranger by it."""
    if g.get("this_device_stays"):
        devices.remember(response, current_user)
    return response


import accounts.places  # noqa: E402, F401  # It registers what waits, and the rooms.
from accounts.routes import approvals, health, login, me, people, start, trail  # noqa: E402, F401  # They add themselves to `bp`.
