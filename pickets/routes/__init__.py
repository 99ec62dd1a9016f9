"""The public pages of pickets, one module for each thing one comes for."""

from __future__ import annotations

from flask import Blueprint
from flask.blueprints import BlueprintSetupState

from pickets.cities import city_name, full_name
from pickets.models import CANCEL_REASON_LABELS, SHIFT_ROLE_LABELS
from pickets.reading import achieved, list_coming_for

bp = Blueprint("pickets", __name__)


@bp.record_once
def _give_templates_what_they_need(state: BlueprintSetupState) -> None:
    state.app.jinja_env.globals.update(
        city_name=city_name,
        city_full_name=full_name,
        cancel_reasons=CANCEL_REASON_LABELS,
        shift_roles=SHIFT_ROLE_LABELS,
        # The page of a petition shows what its pickets came to; petitions do not import this room.
        pickets_achieved=achieved,
        pickets_coming=list_coming_for,
    )


from pickets.routes import feeds, joining, pages  # noqa: E402, F401  # They add themselves to `bp`.
