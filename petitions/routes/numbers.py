"""Where the number comes from: every signature that arrived, and what became of it."""

from __future__ import annotations

from typing import Any

from flask import jsonify, render_template, request
from flask.typing import ResponseReturnValue

from core.caching import open_to_other_sites, same_for_everybody
from core.errors import NotFoundError
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from petitions import reading
from petitions.models import SIGNATURE_STATE_LABELS
from petitions.numbers import SHOWN, Arrivals, read_numbers
from petitions.routes import bp, no_such_petition
from petitions.screening import CHECKS, HOLD, REJECT


@bp.get("/petitions/<slug>/numbers")
@open_to(EVERYBODY)
@same_for_everybody()
def numbers(slug: str) -> ResponseReturnValue:
    """Received, counted, duplicates, held back, rejected, withdrawn: in all and by day."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    except NotFoundError:
        return no_such_petition()
    total, days = read_numbers(page)
    return render_template(
        "petitions/numbers.html",
        page=page,
        total=total,
        days=days,
        shown=SHOWN,
        labels=SIGNATURE_STATE_LABELS,
        checks=[check for check in CHECKS if check.points],
        limits=(HOLD, REJECT),
    )


@bp.get("/petitions/<slug>/numbers.json")
@open_to(EVERYBODY)
@same_for_everybody()
def numbers_as_json(slug: str) -> ResponseReturnValue:
    """The same for programs. Days are in UTC."""
    page = reading.find_public(slug, current_language(), routed=False)
    total, days = read_numbers(page)
    told = {"petition": slug, "total": _as_data(total), "days": [_as_data(one) for one in days]}
    return open_to_other_sites(jsonify(told))


def _as_data(one: Arrivals) -> dict[str, Any]:
    day = {"day": one.day.isoformat()} if one.day else {}
    return {**day, "received": one.received, **{str(state): one.by_state.get(state, 0) for state in SHOWN}}
