"""Who organises a picket together, and which shifts there are. Who takes them only the worker can tell."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.answers import browser_secret, keep_secret, new_secret
from core.errors import NotNowError
from core.i18n import current_language
from core.waiting import look_again, looks, next_look
from petitions.services import title_of
from pickets import announcing, services, shifts
from pickets.cities import full_name
from pickets.console import bp
from pickets.console.frame import find, hours_there, show, tell
from pickets.console_forms import HelpForm, ShiftForm
from pickets.models import SHIFT_ROLE_LABELS

MOST_LOOKS = 8


@bp.route("/pickets/<uuid:picket_id>/help", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def offer_help(picket_id: UUID) -> ResponseReturnValue:
    """Offer to organise one that stands already."""
    form = HelpForm()
    picket, city = announcing.find_offered(current_user, picket_id)
    if request.method == "POST" and form.validate():
        announcing.offer_help(current_user, picket_id, form.note.data or "")
        flash(_("Your offer was sent. If they take you in, the picket is among yours."), "good")
        return redirect(url_for(".index"), 303)
    page = render_template(
        "pickets/console/help.html",
        form=form,
        picket=picket,
        city=full_name(city, current_language()),
        when=hours_there(picket, ZoneInfo(city.timezone)),
        petition_title=title_of(picket.petition_id, current_language()),
    )
    return page, 422 if request.method == "POST" else 200


@bp.post("/pickets/<uuid:picket_id>/organisers/<int:account_id>/<any(accept, decline):answer>")
@needs(Action.ANNOUNCE_PICKET)
def answer_offer(picket_id: UUID, account_id: int, answer: str) -> ResponseReturnValue:
    """Take somebody in who offered to help, or decline."""
    announcing.answer_offer(current_user, picket_id, account_id, accepted=answer == "accept")
    return redirect(url_for(".overview", picket_id=picket_id), 303)


@bp.get("/pickets/<uuid:picket_id>/shifts")
@needs(Action.SEE_PICKETS)
def list_shifts(picket_id: UUID) -> ResponseReturnValue:
    """Shifts, and adding one."""
    return _shifts_page(picket_id, ShiftForm(formdata=None))


def _shifts_page(picket_id: UUID, form: ShiftForm, status: int = 200) -> ResponseReturnValue:
    page = find(picket_id)
    told, code = show(
        "shifts", page, status, form=form, shifts=services.list_shifts(picket_id), roles=SHIFT_ROLE_LABELS
    )
    response = make_response(told, code)
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.post("/pickets/<uuid:picket_id>/shifts")
@needs(Action.ANNOUNCE_PICKET)
def add_shift(picket_id: UUID) -> ResponseReturnValue:
    """Add a shift."""
    page, form = find(picket_id), ShiftForm()
    moments = form.moments(page.starts, page.ends, page.zone) if form.validate() else None
    if moments is None:
        return _shifts_page(picket_id, form, 422)
    try:
        announcing.add_shift(current_user, picket_id, form.role.data, *moments, form.seats.data or 1)
    except NotNowError as error:
        tell(error)
    return redirect(url_for(".list_shifts", picket_id=picket_id), 303)


@bp.post("/pickets/<uuid:picket_id>/shifts/<uuid:shift_id>/removal")
@needs(Action.ANNOUNCE_PICKET)
def remove_shift(picket_id: UUID, shift_id: UUID) -> ResponseReturnValue:
    """Take one away that nobody took."""
    try:
        announcing.remove_shift(current_user, picket_id, shift_id)
    except announcing.TakenShiftError:
        flash(_("Somebody has taken this shift meanwhile; it stays."), "note")
    except NotNowError as error:
        tell(error)
    return redirect(url_for(".list_shifts", picket_id=picket_id), 303)


@bp.post("/pickets/<uuid:picket_id>/shifts/aliases")
@needs(Action.ANNOUNCE_PICKET)
def ask_aliases(picket_id: UUID) -> ResponseReturnValue:
    """Ask the worker who takes which shift. It answers to this browser alone, and that one asked is written down."""
    find(picket_id)
    secret = browser_secret()
    if secret is None:
        return redirect(url_for(".list_shifts", picket_id=picket_id), 303)
    event_id = shifts.ask_aliases(current_user, picket_id, secret)
    return redirect(url_for(".aliases", picket_id=picket_id, event_id=event_id), 303)


@bp.get("/pickets/<uuid:picket_id>/shifts/aliases/<uuid:event_id>")
@needs(Action.ANNOUNCE_PICKET)
def aliases(picket_id: UUID, event_id: UUID) -> ResponseReturnValue:
    """The shifts with the aliases of those who take them."""
    secret = browser_secret()
    told = shifts.read_aliases(event_id, secret) if secret else None
    again = (
        next_look(".aliases", MOST_LOOKS, picket_id=picket_id, event_id=event_id) if secret and told is None else None
    )
    page = show(
        "aliases",
        find(picket_id),
        told=told,
        again=again,
        shifts=services.list_shifts(picket_id),
        roles=SHIFT_ROLE_LABELS,
    )
    return look_again(page[0], again, seconds=min(2 * looks(), 15))
