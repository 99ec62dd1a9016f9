"""Where a petition stands: who may write it, whether it may be changed now, and what about it waits for a second person."""

from __future__ import annotations

from collections.abc import Sequence

from flask import url_for
from sqlalchemy import func, select

from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action, may
from core.errors import EditingLockedError, NotFoundError, NotNowError
from core.extensions import db
from petitions.models import Petition, PetitionState

OPENING, VERSION, ADDRESSEES, RESTORE, NEWS = (
    "petition_opening", "petition_version", "petition_addressees", "petition_restore", "petition_news",
)  # fmt: skip
"""Kinds of approvals about petitions; each is registered where its consequences are."""


def find_for(account: Account, petition_id: int, *actions: Action) -> Petition:
    """A petition on all of which this account may do one of these. Raises NotFoundError, as for one that is not there."""
    petition = db.session.get(Petition, petition_id)
    if petition is None or not any(may(account, one, petition_id, None) for one in actions):
        raise NotFoundError
    return petition


def find_own(account: Account, petition_id: int) -> Petition:
    """A petition whose text is this account's to write. Raises NotFoundError."""
    return find_for(account, petition_id, Action.EDIT_PETITION)


def find_readable(account: Account, petition_id: int) -> Petition:
    """A petition whose working copy is this account's to write or to review. Raises NotFoundError."""
    return find_for(account, petition_id, Action.EDIT_PETITION, Action.REVIEW_PETITION)


def waiting_approvals(petition_id: int) -> dict[str, Approval]:
    """What about this petition waits for a second person, by kind; of news any one."""
    waits = Approval.state == ApprovalState.PENDING, Approval.expires_at > func.now()
    rows = db.session.scalars(select(Approval).where(Approval.petition_id == petition_id, *waits))
    return {row.kind: row for row in rows}


def is_over(petition: Petition) -> bool:
    """Whether its closing time has come, by the database's clock."""
    over = select(Petition.closes_at <= func.now()).where(Petition.id == petition.id)
    return bool(db.session.scalar(over))


def is_ahead(petition: Petition) -> bool:
    """Whether its opening is still to come, by the database's clock."""
    ahead = select(Petition.opens_at > func.now()).where(Petition.id == petition.id)
    return bool(db.session.scalar(ahead))


def state_of(petition: Petition) -> PetitionState:
    """Where it stands now: a review that ran out has left a draft, and one whose closing time has come is closed."""
    if petition.state == PetitionState.REVIEW and OPENING not in waiting_approvals(petition.id):
        return PetitionState.DRAFT
    if petition.state == PetitionState.OPEN and is_over(petition):
        return PetitionState.CLOSED
    return PetitionState(petition.state)


def lock_petition(petition_id: int) -> Petition:
    """The petition as it is now, until the end of the transaction nobody else's. Raises NotFoundError."""
    petition = db.session.get(Petition, petition_id, with_for_update=True, populate_existing=True)
    if petition is None:
        raise NotFoundError
    return petition


def begin_change(
    account: Account, petition_id: int, *states: PetitionState, unless: Sequence[str] = (OPENING,)
) -> Petition:
    """The petition, locked, for one who may write it, in one of these states, while no approval `unless` waits.

    Whoever submits it locks it, too, so that nothing changes under a reviewer's eyes. Raises NotFoundError, NotNowError,
    EditingLockedError.
    """
    find_own(account, petition_id)
    petition = lock_petition(petition_id)
    waiting = waiting_approvals(petition_id)
    if any(kind in waiting for kind in unless):
        db.session.rollback()
        raise EditingLockedError
    state = state_of(petition)
    if state not in states:
        db.session.rollback()
        raise NotNowError
    if state is PetitionState.DRAFT:
        petition.state = PetitionState.DRAFT
    return petition


def move(petition: Petition, state: PetitionState) -> None:
    """Put a petition into a state, from this moment on. Does not commit."""
    petition.state, petition.state_changed_at = state, func.now()
    db.session.flush()


def preview_url(petition_id: int | None) -> str:
    """Where a second person reads what would be published."""
    return url_for("petitions_console.preview", petition_id=petition_id)
