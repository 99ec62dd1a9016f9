"""The start page: what waits for whoever has logged in."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from accounts import desk, doors, resets, roles
from accounts.forms import ButtonForm
from accounts.models import ROLE_LABELS
from accounts.permissions import Action, Proof, is_proved, needs
from accounts.routes import bp
from accounts.routes.login import safe_next
from accounts.sessions import this_session


@bp.get("/")
@needs(Action.SEE_CONSOLE)
def start() -> ResponseReturnValue:
    """What waits for me, and the rooms that are open to me."""
    return render_template(
        "accounts/start.html",
        waiting=desk.what_waits(current_user),
        rooms=desk.places_for(current_user),
        roles=ROLE_LABELS,
        reset=resets.under_way(current_user),
        form=ButtonForm(formdata=None),
        describe_grant=roles.describe_grant,
    )


@bp.post("/prove")
@needs(Action.SEE_CONSOLE)
def prove() -> ResponseReturnValue:
    """Prove anew who one is, on the way to a page that asks for it and looks again whether it was."""
    wanted = request.args.get("proof", "")
    proof = Proof(wanted) if wanted in list(Proof) else Proof.FRESH_BEST
    if is_proved(this_session(), current_user, proof):
        return redirect(safe_next(), 303)
    here = url_for(".prove", next=request.args.get("next"), proof=proof)
    asked = doors.ask_for_proof(current_user, proof, here)
    return redirect(safe_next(), 303) if asked is None else asked


@bp.get("/prove")
@needs(Action.SEE_CONSOLE)
def reload_prove() -> ResponseReturnValue:
    """Somebody opens the address of the form's answer."""
    return redirect(safe_next(), 303)
