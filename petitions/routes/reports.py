"""A visitor reports a petition; a reviewer reads it."""

from __future__ import annotations

from uuid import uuid4

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.errors import NotFoundError, UnavailableError
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from petitions import reading, signing
from petitions.forms import ReportForm
from petitions.routes import bp, no_such_petition


@bp.route("/petitions/<slug>/report", methods=["GET", "POST"])
@open_to(EVERYBODY)
def report(slug: str) -> ResponseReturnValue:
    """Say what is wrong with a petition, without saying who one is."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    except NotFoundError:
        return no_such_petition()
    form = ReportForm()
    if request.method == "POST":
        if form.validate_on_submit():
            try:
                signing.report(page.petition.id, form.reason.data, form.message.data or "", form.event())
            except UnavailableError:
                return render_template("petitions/report.html", page=page, form=form, unavailable=True), 503
            return redirect(url_for(".reported", slug=slug), 303)
        return render_template("petitions/report.html", page=page, form=form), 422
    form.event_id.data = str(uuid4())
    return render_template("petitions/report.html", page=page, form=form)


@bp.get("/petitions/<slug>/reported")
@open_to(EVERYBODY)
def reported(slug: str) -> ResponseReturnValue:
    """Thanks, and what happens next."""
    page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    return render_template("petitions/reported.html", page=page)
