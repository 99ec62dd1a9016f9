"""What creators and reviewers see of a petition at one glance, and what waits for creators on their start page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import format_decimal
from flask_babel import gettext as _
from sqlalchemy import func, select

from accounts import desk
from accounts.desk import Waiting
from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action, may, may_somewhere
from core.extensions import db
from core.i18n import current_language
from petitions import services
from petitions.editing import Copy
from petitions.models import Milestone, Petition, PetitionState, TextVersion
from petitions.review import Missing, missing
from petitions.standing import ADDRESSEES, OPENING, RESTORE, VERSION, find_readable, state_of, waiting_approvals
from petitions.versions import changed_copies, versions

_LATELY = 30
"""Days for which the start page tells of a threshold that was reached."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Where a petition stands, for whoever writes or reviews it."""

    petition: Petition
    title: services.Title
    state: PetitionState
    may_edit: bool
    waiting: dict[str, Approval]
    refused: Sequence[Approval]
    """The last decision of each kind, where it was a refusal."""
    missing: Sequence[Missing]
    changed: Sequence[Copy]
    versions: Sequence[TextVersion]


def overview(account: Account, petition_id: int) -> Overview:
    """All that the petition's own page shows. Raises NotFoundError."""
    petition = find_readable(account, petition_id)
    state = state_of(petition)
    return Overview(
        petition,
        services.title_of(petition_id, current_language()),
        state,
        may(account, Action.EDIT_PETITION, petition_id, None),
        waiting_approvals(petition_id),
        _last_refusals(petition_id),
        missing(petition) if state is PetitionState.DRAFT else [],
        changed_copies(petition_id) if state is PetitionState.OPEN else [],
        versions(petition_id),
    )


def _last_refusals(petition_id: int) -> list[Approval]:
    kinds = OPENING, VERSION, ADDRESSEES, RESTORE
    rows = db.session.scalars(
        select(Approval)
        .where(Approval.petition_id == petition_id, Approval.kind.in_(kinds))
        .order_by(Approval.requested_at, Approval.decided_at.asc().nulls_last())
    )
    last = {row.kind: row for row in rows}
    return [row for row in last.values() if row.state == ApprovalState.REFUSED]


@desk.waits
def _creators_wait(account: Account) -> Iterable[Waiting]:
    """Drafts that a reviewer has sent back, and thresholds that were reached lately."""
    if not may_somewhere(account, Action.EDIT_PETITION):
        return
    rows = db.session.scalars(
        select(Petition).where(Petition.state.in_((PetitionState.DRAFT, PetitionState.OPEN, PetitionState.CLOSED)))
    )
    for petition in rows:
        if not may(account, Action.EDIT_PETITION, petition.id, None):
            continue
        url = url_for("petitions_console.overview", petition_id=petition.id)
        if petition.state == PetitionState.DRAFT:
            if any(row.kind == OPENING for row in _last_refusals(petition.id)):
                name = services.title_of(petition.id, current_language()).title
                yield Waiting(_("“%(title)s” was not opened: read why.", title=name), url)
        elif reached := _reached_lately(petition):
            name = services.title_of(petition.id, current_language()).title
            text = _(
                "“%(title)s” has reached %(number)s signatures: hand them over.",
                title=name,
                number=format_decimal(reached),
            )
            yield Waiting(text, url_for("delivery.petition", petition_id=petition.id))


def _reached_lately(petition: Petition) -> int | None:
    """The highest of the creators' own thresholds that was reached within the last weeks."""
    lately = Milestone.reached_at > func.now() - func.make_interval(0, 0, 0, _LATELY)
    mine = Milestone.petition_id == petition.id, Milestone.total.in_(petition.thresholds)
    return db.session.scalar(select(func.max(Milestone.total)).where(*mine, lately))
