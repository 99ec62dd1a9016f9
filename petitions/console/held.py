"""Signatures that were held back: by reason, released or rejected many at once, and undone."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from accounts.approvals import AlreadyDecidedError
from accounts.permissions import Action, needs
from accounts.roles import name_of
from core.errors import NotFoundError
from petitions import held as desk
from petitions.console import bp
from petitions.console.frame import show
from petitions.held import NeedsReasonError, NothingChosenError
from petitions.held_forms import HeldFilter, HeldForm
from petitions.models import DECISION_STATE_LABELS, DecisionState
from petitions.rules import ALONE_A_DAY
from petitions.screening import CHECK_LABELS, CHECKS, HOLD, REJECT

_WORDS: Mapping[str, Any] = {
    "checks": CHECK_LABELS,
    "decision_kinds": desk.DECISION_KIND_LABELS,
    "decision_states": DECISION_STATE_LABELS,
    "undoable": (DecisionState.READY, DecisionState.DONE),
    "name_of": name_of,
}
"""What every page about decisions needs to tell of them."""


@bp.get("/petitions/<int:petition_id>/held")
@needs(Action.SEE_HELD)
def held(petition_id: int) -> ResponseReturnValue:
    """What waits, by reason, and what was decided lately."""
    petition = desk.find_reviewed(current_user, petition_id)
    return show(
        "held",
        petition,
        groups=desk.list_groups(petition_id),
        decisions=desk.list_decisions(petition_id),
        **_WORDS,
        limits=(HOLD, REJECT),
        all_checks=CHECKS,
    )


@bp.get("/petitions/<int:petition_id>/held/<group>")
@needs(Action.SEE_HELD)
def held_group(petition_id: int, group: str) -> ResponseReturnValue:
    """The signatures of one group, and what can be done about them."""
    try:
        return _group_page(petition_id, group, HeldForm(formdata=None))
    except NotFoundError:
        desk.find_reviewed(current_user, petition_id)
        flash(_("Nothing of this group waits any more."), "note")
        return redirect(url_for(".held", petition_id=petition_id), 303)


def _group_page(petition_id: int, name: str, form: HeldForm, status: int = 200) -> ResponseReturnValue:
    petition = desk.find_reviewed(current_user, petition_id)
    group = desk.find_group(petition_id, name)
    form.shown_at.data = desk.now().isoformat()
    filters = HeldFilter(desk.countries_held(petition_id, name), request.args)
    return show(
        "held_group",
        petition,
        status,
        group=group,
        listing=desk.list_held(petition_id, name, filters),
        form=form,
        checks=CHECK_LABELS,
        chosen=set(request.form.getlist("row")),
        alone=ALONE_A_DAY,
    )


@bp.post("/petitions/<int:petition_id>/held/<group>")
@needs(Action.DECIDE_HELD)
def decide_held(petition_id: int, group: str) -> ResponseReturnValue:
    """Release or reject what was ticked, or all that the filters leave."""
    form = HeldForm()
    # The button that was pressed says both.
    kind, _dash, which = (form.kind.data or "").partition("-")
    if not form.validate_on_submit() or kind not in desk.DECISION_KIND_LABELS or which not in ("chosen", "all"):
        return _group_page(petition_id, group, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    filters = HeldFilter(desk.countries_held(petition_id, group), request.args)
    filters.settle()
    try:
        decision = desk.decide(
            current_user,
            petition_id,
            kind,
            group,
            form.moment,
            filters if which == "all" else _chosen(),
            form.reason.data or "",
        )
    except NeedsReasonError:
        form.reason.errors = [_("This takes a second person, who has to be told why.")]
        return _group_page(petition_id, group, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    except NothingChosenError:
        flash(_("Nothing was changed. Tick a signature first."), "note")
        return redirect(url_for(".held_group", petition_id=petition_id, group=group), 303)
    number = decision.total
    if decision.state == DecisionState.WAITING:
        text = ngettext(
            "%(num)s signature waits for a second person’s word.",
            "%(num)s signatures wait for a second person’s word.",
            number,
        )
    elif kind == "release":
        text = ngettext("%(num)s signature is released.", "%(num)s signatures are released.", number)
    else:
        text = ngettext("%(num)s signature is rejected.", "%(num)s signatures are rejected.", number)
    flash(text, "good")
    return redirect(url_for(".held", petition_id=petition_id), 303)


def _chosen() -> list[UUID]:
    found = []
    for text in request.form.getlist("row")[:500]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


@bp.get("/petitions/<int:petition_id>/held/decisions/<uuid:decision_id>")
@needs(Action.SEE_HELD)
def decision(petition_id: int, decision_id: UUID) -> ResponseReturnValue:
    """One decision, as a second person reads it before agreeing."""
    petition = desk.find_reviewed(current_user, petition_id)
    found = desk.find_decision(current_user, petition_id, decision_id)
    return show(
        "decision",
        petition,
        decision=found,
        rows=desk.decided_holds(found),
        **_WORDS,
    )


@bp.post("/petitions/<int:petition_id>/held/decisions/<uuid:decision_id>/undo")
@needs(Action.DECIDE_HELD)
def undo_decision(petition_id: int, decision_id: UUID) -> ResponseReturnValue:
    """Hold back again what was decided about."""
    try:
        found = desk.undo(current_user, petition_id, decision_id)
        flash(
            ngettext("%(num)s signature is held back again.", "%(num)s signatures are held back again.", found.total),
            "good",
        )
    except AlreadyDecidedError:
        flash(_("Nothing was changed: this can no longer be undone."), "note")
    return redirect(url_for(".held", petition_id=petition_id), 303)
