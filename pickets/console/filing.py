"""The assembly-notice desk: the rule, the last moment, the prepared notice, what was filed, the safety brief."""

from __future__ import annotations

from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.errors import NotNowError
from pickets import filing, gate, services
from pickets.assembly import (
    CONFIDENCE_LABELS,
    FACE_LABELS,
    MODE_LABELS,
    REGIME_LABELS,
    ROUTE_LABELS,
    find_rule,
    is_stale,
    period,
    upper_bound,
    who_may_organise,
)
from pickets.console import bp
from pickets.console.frame import find, show, span, tell
from pickets.console_forms import NoticeForm, TickForm
from pickets.deadlines import filing_window, state_of, time_left
from pickets.models import PicketState
from pickets.papers import notice_text, words
from pickets.printing import list_papers, plain_facts
from pickets.services import PicketPage


@bp.get("/pickets/<uuid:picket_id>/notice")
@needs(Action.SEE_PICKETS)
def notice(picket_id: UUID) -> ResponseReturnValue:
    """The desk."""
    page = find(picket_id)
    return _desk(page, _form(page, filled=True))


def _form(page: PicketPage, *, filled: bool = False) -> NoticeForm:
    rule = find_rule(page.city.country_code, page.city.region, page.city.name, page.picket.mode)
    if not filled:
        return NoticeForm(rule, page.zone, services.now())
    told = page.notice
    filed = told.filed_at.astimezone(page.zone).replace(tzinfo=None) if told.filed_at else None
    typed = {"route": told.route, "eligible": told.eligible, "filed_at": filed, "receipt": told.receipt, "granted": told.granted, "answer": told.answer}  # fmt: skip
    return NoticeForm(rule, page.zone, services.now(), formdata=None, data=typed)


def _desk(page: PicketPage, form: NoticeForm, status: int = 200) -> ResponseReturnValue:
    picket, city = page.picket, page.city
    rule = find_rule(city.country_code, city.region, city.name, picket.mode)
    now = services.now()
    ways = []
    for one in (rule, *rule.routes) if rule else ():
        window = filing_window(one, page.starts, page.zone, city.country_code, city.region)
        left = span(time_left(window.advised, now)) if window.advised else ""
        ways.append((one, period(one), upper_bound(one), window, state_of(window, now), left))
    facts, printed = services.facts_of(picket, city, page.notice), plain_facts(picket, city)
    looked = services.look_at_gate(page)
    return show(
        "notice",
        page,
        status,
        form=form,
        rule=rule,
        ways=ways,
        gate=looked,
        explain=lambda finding: gate.explain(finding, facts),
        is_stale=rule is not None and is_stale(rule, now.date()),
        organisers_rule=who_may_organise(rule) if rule else "",
        mail_text=notice_text(printed),
        mail_language=words(printed.language).language,
        papers=list_papers(picket.id),
        labels={"regime": REGIME_LABELS, "mode": MODE_LABELS, "route": ROUTE_LABELS, "confidence": CONFIDENCE_LABELS, "face": FACE_LABELS},
    )  # fmt: skip


@bp.post("/pickets/<uuid:picket_id>/notice")
@needs(Action.ANNOUNCE_PICKET)
def record_notice(picket_id: UUID) -> ResponseReturnValue:
    """Write down what was filed or asked."""
    page = find(picket_id)
    form = _form(page)
    if not form.validate():
        return _desk(page, form, 422)
    try:
        filing.record_notice(current_user, picket_id, form.values())
    except NotNowError as error:
        tell(error)
    else:
        if page.state is PicketState.DRAFT:
            flash(_("Recorded."), "good")
        else:
            flash(_("The receipt is recorded; the rest stands as a coordinator agreed to it."), "good")
    return redirect(url_for(".overview", picket_id=picket_id), 303)


@bp.route("/pickets/<uuid:picket_id>/brief", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def brief(picket_id: UUID) -> ResponseReturnValue:
    """The safety brief, which every organiser reads before anything is public."""
    page, form = find(picket_id), TickForm()
    if request.method == "POST" and form.validate():
        try:
            filing.read_brief(current_user, picket_id)
        except NotNowError as error:
            tell(error)
        return redirect(url_for(".overview", picket_id=picket_id), 303)
    rule = find_rule(page.city.country_code, page.city.region, page.city.name, page.picket.mode)
    face = FACE_LABELS[rule.face_covering if rule else "unknown"]
    return show("brief", page, 422 if request.method == "POST" else 200, form=form, face=face)
