"""Organisers' pickets: the list, a new one, how one stands, changing it, calling it off."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.config import current_config
from core.errors import EditedMeanwhileError, NotNowError
from core.i18n import current_language
from petitions.services import addressees_of, open_petitions
from pickets import announcing, filing, gate, services
from pickets.announcing import (
    AuthorityNotToldError,
    NearbyError,
    NearbyPicket,
    NotAddressedError,
    NotYourCountryError,
    Wish,
    WordWouldBeNeededError,
)
from pickets.assembly import MODE_LABELS, REGIME_LABELS
from pickets.cities import full_name
from pickets.console import bp
from pickets.console.frame import find, hours_there, show, span, tell
from pickets.console_forms import CancelForm, PicketFilter, PicketForm, WordForm
from pickets.deadlines import state_of, time_left
from pickets.models import CANCEL_REASON_LABELS, PICKET_STATE_LABELS, SHOWN_LABELS, City, PicketState
from pickets.services import PicketLine, PicketPage


@bp.get("/pickets")
@needs(Action.SEE_PICKETS)
def index() -> ResponseReturnValue:
    """Those that one looks after."""
    listing = services.list_pickets(current_user, PicketFilter(request.args))
    return render_template("pickets/console/index.html", listing=listing, hours=_hours, **_words())


def _words() -> dict[str, object]:
    return {"states": PICKET_STATE_LABELS, "full_name": full_name}


def _hours(line: PicketLine | NearbyPicket) -> str:
    return hours_there(line.picket, ZoneInfo(line.city.timezone))


@bp.route("/pickets/new", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def new() -> ResponseReturnValue:
    """One form for a picket. If another stands near it, that one is offered first."""
    form = _form(None)
    if request.method == "GET":
        form.language.data = current_language()
        return _new_page(form)
    if form.validate() and form.settle(services.now()) and form.where is not None:
        addressee = int(form.addressee.data) if form.addressee.data else None
        city = services.city_of(form.where.id)
        values = form.values() | {"differs": form.differs.data or ""}
        try:
            made = announcing.announce_picket(current_user, Wish(city, int(form.petition.data), addressee, values))
        except NotYourCountryError:
            form.city.errors = [_("Your role does not cover this petition in that country. Ask an administrator.")]
        except NotAddressedError:
            form.addressee.errors = [
                _("The petition is not addressed to anybody of that country. Choose whom you will stand in front of.")
            ]
        except NearbyError as error:
            return _new_page(form, 409, error.pickets)
        else:
            flash(_("Written down. Next: what the law asks for, and the safety brief."), "good")
            return redirect(url_for(".notice", picket_id=made), 303)
    return _new_page(form, 422)


def _form(fixed: City | None, **data: object) -> PicketForm:
    addressees = [(one.id, f"{one.name_en}, {one.city}") for one in addressees_of()]
    return PicketForm(open_petitions(current_language()), addressees, fixed, **data)


def _new_page(form: PicketForm, status: int = 200, near: Sequence[NearbyPicket] = ()) -> ResponseReturnValue:
    site = f"{current_config().public_url}/pickets"
    page = render_template("pickets/console/new.html", form=form, near=near, site=site, hours=_hours, **_words())
    return page, status


@bp.get("/pickets/<uuid:picket_id>")
@needs(Action.SEE_PICKETS)
def overview(picket_id: UUID) -> ResponseReturnValue:
    """How it stands: what holds it back, what comes next, how many come."""
    return _overview(picket_id, WordForm(formdata=None))


def _overview(picket_id: UUID, form: WordForm, status: int = 200) -> ResponseReturnValue:
    page = find(picket_id)
    facts, looked = services.facts_of(page.picket, page.city, page.notice), services.look_at_gate(page)
    now, review = services.now(), services.waiting_review(picket_id)
    return show(
        "overview",
        page,
        status,
        form=form,
        gate=looked,
        rule=facts.rule,
        regimes=REGIME_LABELS,
        modes=MODE_LABELS,
        shown_labels=SHOWN_LABELS,
        blocks=filing.what_blocks(page),
        explain=lambda finding: gate.explain(finding, facts),
        coming=services.count_coming(picket_id),
        broadcasts=services.list_broadcasts(picket_id),
        review=review,
        last_review=services.last_review(picket_id),
        near=_others_near(page),
        hours=_hours,
        full_name=full_name,
        has_decider=services.somebody_may(
            Action.DECIDE_PICKET, picket_id, but=review.requested_by if review else current_user.id
        ),
        window_state=state_of(looked.window, now) if looked.window else "unknown",
        left=span(time_left(looked.window.advised, now)) if looked.window and looked.window.advised else "",
        public_url=f"{current_config().public_url}/pickets/{page.picket.code}",
        cancel_reasons=CANCEL_REASON_LABELS,
        names=services.names_of(page.organisers),
    )


def _others_near(page: PicketPage) -> Sequence[NearbyPicket]:
    """Which others stand near one that is not agreed to yet: its day may have changed since that was asked."""
    if page.state not in (PicketState.DRAFT, PicketState.REVIEW):
        return ()
    picket = page.picket
    return announcing.find_nearby(current_user, picket.addressee_id, page.city, picket.starts_at, but=picket.id)


@bp.post("/pickets/<uuid:picket_id>/submission")
@needs(Action.ANNOUNCE_PICKET)
def submit(picket_id: UUID) -> ResponseReturnValue:
    """Ask a coordinator for the word."""
    form = WordForm()
    if not form.validate():
        return _overview(picket_id, form, 422)
    try:
        filing.submit(current_user, picket_id, form.reason.data or "")
    except filing.NotYetError:
        flash(_("Not yet: something has to be done first. It stands below."), "note")
    except NotNowError as error:
        tell(error)
    else:
        flash(_("A coordinator is asked. Until the answer comes nothing can be changed."), "good")
    return redirect(url_for(".overview", picket_id=picket_id), 303)


@bp.route("/pickets/<uuid:picket_id>/edit", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def edit(picket_id: UUID) -> ResponseReturnValue:
    """Change it. What participants must know is mailed to them."""
    page = find(picket_id)
    if request.method == "GET":
        form = _form(page.city, formdata=None, data=PicketForm.typed(page.picket, page.zone))
        return _edit_page(page, form)
    form = _form(page.city)
    if form.validate() and form.settle(services.now(), page.picket.starts_at):
        try:
            announcing.change_picket(
                current_user, picket_id, form.read_revision, form.values(), authority_told=bool(form.told.data)
            )
        except AuthorityNotToldError:
            form.told.errors = [_("Tell the authority first, then tick this: it knows the picket as it was.")]
        except WordWouldBeNeededError as error:
            form.day.errors = [
                _(
                    "With this change the rules would hold it back. Cancel this one and announce it anew, so that a coordinator looks at it."
                )
            ]
            return _edit_page(page, form, 409, reasons=error.reasons)
        except EditedMeanwhileError:
            page = find(picket_id)
            form.revision.data = str(page.picket.revision)
            return _edit_page(page, form, 409, theirs=PicketForm.typed(page.picket, page.zone))
        except NotNowError as error:
            tell(error)
            return redirect(url_for(".overview", picket_id=picket_id), 303)
        else:
            flash(_("Saved."), "good")
            return redirect(url_for(".overview", picket_id=picket_id), 303)
    return _edit_page(page, form, 422)


def _edit_page(page: PicketPage, form: PicketForm, status: int = 200, **more: object) -> ResponseReturnValue:
    return show("edit", page, status, form=form, is_told=announcing.is_told(page.notice), **more)


@bp.route("/pickets/<uuid:picket_id>/cancel", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def cancel(picket_id: UUID) -> ResponseReturnValue:
    """Call it off: everybody is told at once."""
    page, form = find(picket_id), CancelForm()
    if request.method == "GET" or not form.validate():
        coming = services.count_coming(picket_id)
        return show("cancel", page, 200 if request.method == "GET" else 422, form=form, coming=coming)
    try:
        announcing.cancel_picket(current_user, picket_id, form.reason.data, form.note.data or "")
    except NotNowError as error:
        tell(error)
    else:
        told = page.state is PicketState.ANNOUNCED
        flash(
            _("Cancelled. The page says so, and everybody who left an address is written to.")
            if told
            else _("Cancelled."),
            "good",
        )
    return redirect(url_for(".overview", picket_id=picket_id), 303)
