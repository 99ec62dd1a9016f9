"""How a petition ends, or is taken from the public's sight and shown again: rejected, hidden, restored, closed, archived."""

from __future__ import annotations

from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select

from accounts import approvals
from accounts.approvals import AlreadyDecidedError, ApprovalKind, register, request_approval
from accounts.models import Account, Approval
from accounts.permissions import Action, may
from core.audit import auditable, record
from core.errors import NotFoundError, NotNowError
from core.extensions import db
from core.queues import TaskName, wake
from petitions import services, standing
from petitions.models import PUBLIC_STATES, Petition, PetitionState
from petitions.review import describe_petition, wake_after
from petitions.standing import OPENING, RESTORE, begin_change, find_for, lock_petition, move, waiting_approvals

REJECTED = auditable("petition.rejected", _l("Rejected a petition"))
HIDDEN = auditable("petition.hidden", _l("Hid a petition"))
RESTORED = auditable("petition.restored", _l("A hidden petition was shown again"))
CLOSED_EARLY = auditable("petition.closed", _l("Closed a petition before its time"))
ARCHIVED = auditable("petition.archived", _l("Put a closed petition into the archive"))


def find_to_review(account: Account, petition_id: int) -> Petition:
    """A petition that this account may open or reject. Raises NotFoundError."""
    return find_for(account, petition_id, Action.REVIEW_PETITION)


def find_to_take_down(account: Account, petition_id: int) -> Petition:
    """A petition that this account may hide; only what was public is there to be hidden. Raises NotFoundError."""
    petition = find_for(account, petition_id, Action.TAKE_DOWN)
    if petition.state in services.NEVER_PUBLIC:
        raise NotFoundError
    return petition


def reject(account: Account, petition_id: int, reason: str) -> None:
    """Turn a petition that is in review down for good, with a reason that the public reads. Commits.

    Raises NotFoundError, NotNowError, NotYoursToDecideError (somebody's own), AlreadyDecidedError.
    """
    find_to_review(account, petition_id)
    # The approval first and the petition after it, in the order of whoever approves at this moment.
    asked = waiting_approvals(petition_id).get(OPENING)
    if asked is None:
        raise NotNowError
    approvals.refuse_with(account, asked.id, reason)
    petition = lock_petition(petition_id)
    petition.public_reason = reason
    move(petition, PetitionState.REJECTED)
    record(REJECTED, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()


def hide(account: Account, petition_id: int, reason: str) -> None:
    """Take a public petition down at once, with a reason that the public reads. Commits. Raises NotFoundError, NotNowError."""
    petition = _begin_taking_down(account, petition_id)
    if petition.state not in PUBLIC_STATES:
        db.session.rollback()
        raise NotNowError
    petition.public_reason = reason
    move(petition, PetitionState.HIDDEN)
    record(HIDDEN, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()
    wake(TaskName.PETITIONS)


def ask_to_restore(account: Account, petition_id: int, reason: str) -> UUID:
    """Ask a second person to show a hidden petition again. Commits. Returns the approval's id. Raises as `hide`."""
    petition = _begin_taking_down(account, petition_id)
    if petition.state != PetitionState.HIDDEN:
        db.session.rollback()
        raise NotNowError
    asked = request_approval(KIND_RESTORE, account, petition_id, reason, petition_id=petition_id)
    db.session.commit()
    return asked


def _begin_taking_down(account: Account, petition_id: int) -> Petition:
    find_to_take_down(account, petition_id)
    return lock_petition(petition_id)


def _restore(approval: Approval) -> None:
    petition = lock_petition(approval.petition_id or 0)
    if petition.state != PetitionState.HIDDEN:
        db.session.rollback()
        raise AlreadyDecidedError
    state = PetitionState.CLOSED if standing.is_over(petition) else PetitionState.OPEN
    petition.public_reason = ""
    move(petition, state)
    record(RESTORED, approval.decided_by, "petition", petition.id, petition_id=petition.id)


KIND_RESTORE = register(
    ApprovalKind(
        RESTORE,
        _l("Showing a hidden petition again"),
        Action.REVIEW_PETITION,
        describe_petition,
        _restore,
        is_ripe=lambda approval: db.session.get_one(Petition, approval.petition_id).state == PetitionState.HIDDEN,
        unripe=_l("The petition is no longer hidden. Refuse it."),
        page=lambda approval: standing.preview_url(approval.petition_id),
        after_commit=wake_after,
    )
)


def close_now(account: Account, petition_id: int) -> None:
    """End an open petition before its time, for good. Commits. Raises NotFoundError, NotNowError, EditingLockedError.

    NotNowError also stands for one that opens later: what nobody has seen has no end to show.
    """
    petition = begin_change(account, petition_id, PetitionState.OPEN, unless=())
    if standing.is_ahead(petition):
        db.session.rollback()
        raise NotNowError
    petition.closes_at = func.now()
    petition.revision += 1
    move(petition, PetitionState.CLOSED)
    record(CLOSED_EARLY, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()


def archive(account: Account, petition_id: int) -> None:
    """Put a closed petition into the archive, for good. Commits. Raises as `close_now`."""
    petition = begin_change(account, petition_id, PetitionState.CLOSED, unless=())
    move(petition, PetitionState.ARCHIVED)
    record(ARCHIVED, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()


def shown_petitions(account: Account, language: str) -> list[tuple[Petition, services.Title]]:
    """Petitions that the public sees, or that were hidden from it, and that this account may take down; newest first."""
    states = *PUBLIC_STATES, PetitionState.HIDDEN
    rows = db.session.scalars(select(Petition).where(Petition.state.in_(states)).order_by(Petition.id.desc()))
    mine = [one for one in rows if may(account, Action.TAKE_DOWN, one.id, None)]
    return [(one, services.title_of(one.id, language)) for one in mine]
