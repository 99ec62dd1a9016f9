"""What visitors report."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from accounts.forms import ButtonForm
from accounts.permissions import Action, needs
from core.i18n import current_language
from core.lists import selected, tell_with_undo
from petitions import reports as desk
from petitions.console import bp
from petitions.editor_forms import ReportFilter
from petitions.models import REPORT_REASON_LABELS


@bp.get("/reports")
@needs(Action.READ_REPORTS)
def reports() -> ResponseReturnValue:
    """Reports about petitions that one reviews."""
    called = desk.reviewed_titles(current_user, current_language())
    form = ReportFilter(called, desk.REPORT_STATE_LABELS, request.args)
    return render_template(
        "petitions/console/reports.html",
        listing=desk.list_reports(current_user, form),
        titles=dict(called),
        states=desk.REPORT_STATE_LABELS,
        reasons=REPORT_REASON_LABELS,
        form=ButtonForm(formdata=None),
    )


@bp.post("/reports/dismissal")
@needs(Action.READ_REPORTS)
def dismiss_reports() -> ResponseReturnValue:
    """Nothing is wrong with the petition."""
    rows = desk.decide_reports(current_user, selected(), "dismissed")
    return _told(rows, ngettext("%(num)s report is dismissed.", "%(num)s reports are dismissed.", len(rows)))


@bp.post("/reports/action")
@needs(Action.READ_REPORTS)
def act_on_reports() -> ResponseReturnValue:
    """Something was done about it."""
    rows = desk.decide_reports(current_user, selected(), "acted")
    text = ngettext("%(num)s report is marked as acted upon.", "%(num)s reports are marked as acted upon.", len(rows))
    return _told(rows, text)


@bp.post("/reports/return")
@needs(Action.READ_REPORTS)
def return_reports() -> ResponseReturnValue:
    """Let them wait again."""
    rows = desk.decide_reports(current_user, selected(), "new")
    flash(ngettext("%(num)s report waits again.", "%(num)s reports wait again.", len(rows)), "good")
    return redirect(url_for(".reports"), 303)


def _told(rows: list[int], message: str) -> ResponseReturnValue:
    if rows:
        tell_with_undo(message, url_for(".return_reports"), rows)
    else:
        flash(_("Nothing was changed. Tick a report first."), "note")
    return redirect(url_for(".reports"), 303)
