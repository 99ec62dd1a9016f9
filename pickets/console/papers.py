"""The print room."""

from __future__ import annotations

from uuid import UUID

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from accounts.permissions import Action, needs
from core.errors import NotFoundError, NotNowError
from core.waiting import look_again, looks, next_look
from pickets import printing
from pickets.console import bp
from pickets.console.frame import find, show, tell
from pickets.models import PaperState
from pickets.papers import PaperKind, host_language, words
from pickets.printing import PAPER_LABELS

MOST_LOOKS = 20


@bp.get("/pickets/<uuid:picket_id>/papers")
@needs(Action.SEE_PICKETS)
def papers(picket_id: UUID) -> ResponseReturnValue:
    """What can be printed, and what is drawn already."""
    page, found = find(picket_id), printing.list_papers(picket_id)
    language, is_fallback = host_language(page.city.country_code, page.city.region)
    waits = any(one.state == PaperState.WANTED for one in found.values())
    again = next_look(".papers", MOST_LOOKS, picket_id=picket_id) if waits else None
    told = show(
        "papers",
        page,
        papers=found,
        labels=PAPER_LABELS,
        possible=printing.kinds_for(page.state),
        language=language,
        is_fallback=is_fallback,
        unread=[one for one in dict.fromkeys((language, "be")) if not words(one).reviewed_by],
        waits=waits,
        again=again,
    )
    return look_again(told[0], again, seconds=min(2 * looks(), 15))


@bp.post("/pickets/<uuid:picket_id>/papers")
@needs(Action.ANNOUNCE_PICKET)
def want_papers(picket_id: UUID) -> ResponseReturnValue:
    """Have one drawn, or all of them."""
    asked = request.form.get("kind", "")
    if asked and asked not in PAPER_LABELS:
        raise NotFoundError
    try:
        printing.want_papers(current_user, picket_id, PaperKind(asked) if asked else None)
    except NotNowError as error:
        tell(error)
    return redirect(url_for(".papers", picket_id=picket_id), 303)


@bp.get("/pickets/<uuid:picket_id>/papers/<kind>")
@needs(Action.SEE_PICKETS)
def paper(picket_id: UUID, kind: str) -> ResponseReturnValue:
    """One of them, as a file."""
    try:
        content, code = printing.take_paper(current_user, picket_id, kind)
    except NotNowError as error:
        tell(error)
        return redirect(url_for(".papers", picket_id=picket_id), 303)
    is_pack = kind == PaperKind.PACK
    response = make_response(content)
    response.headers["Content-Type"] = "application/zip" if is_pack else "application/pdf"
    name = f"{code}-{kind.replace('_', '-')}.{'zip' if is_pack else 'pdf'}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
