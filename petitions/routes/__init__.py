"""The public site, one module for each thing one comes for."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, render_template
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from core.i18n import current_language
from petitions import reading
from petitions.models import PETITION_KIND_LABELS, PETITION_STATE_LABELS
from petitions.texts import demands_html

bp = Blueprint("petitions", __name__)


@bp.record_once
def _give_templates_what_they_need(state: BlueprintSetupState) -> None:
    state.app.jinja_env.globals.update(
        kinds=PETITION_KIND_LABELS,
        states=PETITION_STATE_LABELS,
        demands_html=demands_html,
        epoch=datetime.fromtimestamp(0, UTC),
    )


@bp.errorhandler(reading.TakenDownError)
def taken_down(error: reading.TakenDownError) -> ResponseReturnValue:
    """For a petition that was rejected or hidden: that it was, and why."""
    return render_template(
        "petitions/taken_down.html", told=error.told, cards=reading.list_open(current_language(), 3)
    ), 410


def no_such_petition() -> ResponseReturnValue:
    """For a petition that never was, or is not public yet: which of them, the page does not say."""
    return render_template("petitions/not_found.html", cards=reading.list_open(current_language(), 3)), 404


from petitions.routes import feeds, log, mine, numbers, pages, proof, reports, signing  # noqa: E402, F401  # They add themselves to `bp`.
