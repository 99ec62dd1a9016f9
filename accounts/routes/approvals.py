"""What waits for a second person, and deciding it."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts import approvals, people
from accounts.approvals import AlreadyDecidedError, NotRipeError, NotYoursToDecideError
from accounts.forms import ApprovalFilter, ButtonForm, DecisionForm
from accounts.models import APPROVAL_STATE_LABELS
from accounts.permissions import Action, needs
from accounts.routes import bp


@bp.get("/approvals")
@needs(Action.SEE_CONSOLE)
def list_approvals() -> ResponseReturnValue:
    """Requests that one may decide or has made."""
    form = ApprovalFilter([(kind.name, kind.label) for kind in approvals.kinds.values()], request.args)
    listing = people.list_approvals(current_user, form)
    return render_template("accounts/approvals.html", listing=listing, states=APPROVAL_STATE_LABELS)


@bp.get("/approvals/<uuid:approval_id>")
@needs(Action.SEE_CONSOLE)
def approval(approval_id: UUID) -> ResponseReturnValue:
    """One request: who asks for what and why, and who decided."""
    return _page(approval_id, DecisionForm(formdata=None))


def _page(approval_id: UUID, form: DecisionForm, status: int = 200) -> ResponseReturnValue:
    row = approvals.find_approval(current_user, approval_id)
    page = render_template(
        "accounts/approval.html",
        row=people.describe_approval(current_user, row),
        form=form,
        button=ButtonForm(formdata=None),
        states=APPROVAL_STATE_LABELS,
    )
    return page, status


@bp.post("/approvals/<uuid:approval_id>")
@needs(Action.DECIDE)
def decide(approval_id: UUID) -> ResponseReturnValue:
    """Approve, or refuse with a reason."""
    form = DecisionForm()
    wants_to_refuse = request.form.get("decision") == "refuse"
    if not form.validate_on_submit() or request.form.get("decision") not in ("approve", "refuse"):
        return _page(approval_id, form, 422)
    if wants_to_refuse and not form.reason.data:
        form.reason.errors = [_("Say why you refuse; whoever asked reads it.")]
        return _page(approval_id, form, 422)
    act = approvals.refuse if wants_to_refuse else approvals.approve
    try:
        act(current_user, approval_id, form.reason.data or "")
    except AlreadyDecidedError:
        flash(_("Somebody was faster, or the request has run out: here is how it stands. You changed nothing."), "note")
        return redirect(url_for(".approval", approval_id=approval_id), 303)
    except NotRipeError:
        flash(approvals.unripe_because(current_user, approval_id), "note")
        return redirect(url_for(".approval", approval_id=approval_id), 303)
    except NotYoursToDecideError:
        flash(_("Another person has to decide this: you asked for it, or it is about you."), "error")
        return _page(approval_id, form, HTTPStatus.FORBIDDEN)
    flash(_("It is refused.") if wants_to_refuse else _("It is approved."), "good")
    return redirect(url_for(".list_approvals", state="pending"), 303)


@bp.post("/approvals/<uuid:approval_id>/withdraw")
@needs(Action.SEE_CONSOLE)
def withdraw_approval(approval_id: UUID) -> ResponseReturnValue:
    """Take one's own request back."""
    try:
        approvals.withdraw(current_user, approval_id)
    except AlreadyDecidedError:
        flash(_("It is decided already."), "note")
    else:
        flash(_("Your request is taken back."), "good")
    return redirect(url_for(".approval", approval_id=approval_id), 303)
