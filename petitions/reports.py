"""What visitors report about petitions, for reviewers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import url_for
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import Select, func, select, update

from accounts import desk
from accounts.desk import Place, Waiting
from accounts.models import Account
from accounts.permissions import Action, covered_petitions, may_somewhere
from core.audit import auditable, record
from core.extensions import db
from core.lists import Listing, read_page
from petitions.editor_forms import ReportFilter
from petitions.models import Report
from petitions.services import titles

DECIDED = auditable("reports.decided", _l("Dealt with reports of visitors"))
REPORT_STATE_LABELS = {"new": _l("Waiting"), "dismissed": _l("Dismissed"), "acted": _l("Acted upon")}


def _mine(account: Account) -> Select[Report]:
    covered = covered_petitions(account, Action.READ_REPORTS)
    query = select(Report)
    return query if None in covered else query.where(Report.petition_id.in_(covered))


def list_reports(account: Account, form: ReportFilter) -> Listing[Report]:
    """Reports about petitions that this account reviews, as the filters want them, newest first."""
    form.settle()
    query = _mine(account)
    if form.petition.data:
        query = query.where(Report.petition_id == int(form.petition.data))
    if form.state.data:
        query = query.where(Report.state == form.state.data)
    sorts = {"received": Report.received_at, "reason": Report.reason, "state": Report.state, "id": Report.id}
    return read_page(query, sorts, "-received", form)


def reviewed_titles(account: Account, language: str) -> list[tuple[int, str]]:
    """Number and title of the petitions whose reports this account reads."""
    covered = covered_petitions(account, Action.READ_REPORTS)
    return [one for one in titles(language) if None in covered or one[0] in covered]


def decide_reports(account: Account, ids: Sequence[int], state: str) -> list[int]:
    """Dismiss reports (`dismissed`), mark them as `acted` upon, or let them wait again (`new`). Commits. Returns what changed."""
    theirs = _mine(account).where(Report.id.in_(ids), Report.state != state).with_only_columns(Report.id)
    decided = (
        {"decided_by": None, "decided_at": None}
        if state == "new"
        else {"decided_by": account.id, "decided_at": func.now()}
    )
    rows = db.session.scalars(
        update(Report).where(Report.id.in_(theirs)).values(state=state, **decided).returning(Report.id)
    ).all()
    if rows:
        record(DECIDED, account.id, "reports", len(rows), state=state)
        db.session.commit()
    return list(rows)


@desk.waits
def _reports_wait(account: Account) -> Iterable[Waiting]:
    if not may_somewhere(account, Action.READ_REPORTS):
        return
    waiting = _mine(account).where(Report.state == "new").subquery()
    number = db.session.scalars(select(func.count()).select_from(waiting)).one()
    if number:
        text = ngettext("%(num)s report of a visitor waits.", "%(num)s reports of visitors wait.", number)
        yield Waiting(text, url_for("petitions_console.reports", state="new"), urgent=True)


desk.add_place(
    Place(
        _l("Reports"),
        "petitions_console.reports",
        _l("What visitors find wrong with a petition."),
        lambda account: may_somewhere(account, Action.READ_REPORTS),
    )
)
desk.add_place(
    Place(
        _l("Petitions"),
        "petitions_console.shown",
        _l("Begin one, or take one down."),
        lambda account: may_somewhere(account, Action.TAKE_DOWN) and not may_somewhere(account, Action.SEE_PETITION),
    )
)
