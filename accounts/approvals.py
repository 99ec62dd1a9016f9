"""Approval by a second person: one mechanism for bundles, roles, lost factors and whatever a domain registers here.

Somebody asks with a reason; somebody else approves, or refuses with a reason, before it runs out. That they are two
people, and that nobody decides about themselves, is a constraint of the table. What follows happens in the same
transaction as the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from accounts.mailing import News, tell_if_possible
from accounts.models import Account, Approval, ApprovalState, Grant
from accounts.permissions import RULES, Action, may
from core.audit import auditable, record
from core.config import current_config
from core.errors import DomainError, NotFoundError
from core.extensions import db

LIFE = timedelta(days=7)

REQUESTED = auditable("approval.requested", _l("Asked for approval"))
APPROVED = auditable("approval.approved", _l("Approved"))
REFUSED = auditable("approval.refused", _l("Refused"))
WITHDRAWN = auditable("approval.withdrawn", _l("Took a request back"))


class NotYoursToDecideError(DomainError):
    """The one who asked, or whom it is about, tries to decide."""


class AlreadyDecidedError(DomainError):
    """It was decided, withdrawn or ran out meanwhile. Nothing was changed."""


class NotRipeError(DomainError):
    """Something has to happen before it can be approved; the kind says what (`unripe`). Nothing was changed."""


_NOT_SET_UP = _l(
    "This can be approved once the person has set up the account; until then, whoever has the link could become them."
)


@dataclass(frozen=True, slots=True)
class ApprovalKind:
    """What can be asked for. `describe` says in one line what; `carry_out` and `turn_down` act, and do not commit."""

    name: str
    label: LazyString
    action: Action
    """What one must be allowed to do, to decide."""
    describe: Callable[[Approval], str | Markup]
    carry_out: Callable[[Approval], None]
    turn_down: Callable[[Approval], None] = lambda _approval: None
    is_ripe: Callable[[Approval], bool] = lambda _approval: True
    """Whether it can be approved yet; refused it can be at any time."""
    unripe: LazyString = _NOT_SET_UP
    """What has to happen before."""
    page: Callable[[Approval], str | None] = lambda _approval: None
    """Where the second person reads what it is about, if there is more to it than a line."""
    delay: timedelta | None = None
    """How long after its approval it takes effect."""
    after_commit: Callable[[Approval], None] = lambda _approval: None


kinds: dict[str, ApprovalKind] = {}


def register(kind: ApprovalKind) -> ApprovalKind:
    """Make a kind known."""
    kinds[kind.name] = kind
    return kind


def request_approval(
    kind: ApprovalKind,
    account: Account | None,
    object_id: object,
    reason: str,
    *,
    subject: Account | None = None,
    petition_id: int | None = None,
    country_code: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> UUID:
    """Ask. Does not commit. Returns the id; of the request that is already waiting for the same object, if there is one."""
    here = Approval.kind == kind.name, Approval.object_id == str(object_id), Approval.state == ApprovalState.PENDING
    ran_out = update(Approval).where(*here, Approval.expires_at <= func.now())
    db.session.execute(ran_out.values(state=ApprovalState.EXPIRED))
    values = {
        "id": uuid4(),
        "kind": kind.name,
        "object_id": str(object_id),
        "petition_id": petition_id,
        "country_code": country_code,
        "subject_id": subject.id if subject else None,
        "details": dict(details or {}),
        "reason": reason,
        "requested_by": account.id if account else None,
        "expires_at": func.now() + LIFE,
    }
    # Of two who ask at once the index lets one in, and the other is shown that one's request.
    made = db.session.execute(insert(Approval).values(values).on_conflict_do_nothing().returning(Approval.id)).scalar()
    if made is None:
        return db.session.scalars(select(Approval.id).where(*here)).one()
    approval = db.session.get_one(Approval, made)
    _call_deciders(approval)
    _record(REQUESTED, account, approval)
    return made


def _call_deciders(approval: Approval) -> None:
    """Write to those who can decide it, but not to whom something else waits for: they have been called already."""
    able = Grant.role.in_(RULES[kinds[approval.kind].action].roles or ())
    people = select(Account).where(Account.is_active, Account.enrolled_at.is_not(None), Account.grants.any(able))
    for account in db.session.scalars(people):
        waiting = db.session.scalars(waiting_for(account).limit(2)).all()
        if [row.id for row in waiting] == [approval.id]:
            tell_if_possible(account, News.DECISION_WAITS, link=f"{current_config().console_url}/approvals")


def find_approval(account: Account, approval_id: UUID) -> Approval:
    """One that this account may decide, or has asked for. Raises NotFoundError."""
    approval = db.session.get(Approval, approval_id, populate_existing=True)
    if approval is None or not (may_decide(account, approval) or approval.requested_by == account.id):
        raise NotFoundError
    return approval


def unripe_because(account: Account, approval_id: UUID) -> str:
    """What has to happen before it can be approved. Raises NotFoundError."""
    return str(kinds[find_approval(account, approval_id).kind].unripe)


def may_decide(account: Account, approval: Approval) -> bool:
    """Whether this account's roles cover deciding it. Whether it is one's own is not asked here."""
    return may(account, kinds[approval.kind].action, approval.petition_id, approval.country_code)


def is_own(account: Account, approval: Approval) -> bool:
    """Whether the account asked for it or is what it is about, so that another has to decide."""
    return account.id in (approval.requested_by, approval.subject_id)


def approve(account: Account, approval_id: UUID, reason: str) -> Approval:
    """Approve, and do what was asked for. Commits. Raises NotFoundError, NotYoursToDecideError, AlreadyDecidedError, NotRipeError."""
    approval = find_approval(account, approval_id)
    kind = kinds[approval.kind]
    if approval.state == ApprovalState.PENDING and not kind.is_ripe(approval):
        raise NotRipeError
    approval = _decide(account, approval_id, ApprovalState.APPROVED, reason)
    if kind.delay is not None:
        approval.due_at = func.now() + kind.delay
    else:
        approval.done_at = func.now()
    kind.carry_out(approval)
    _record(APPROVED, account, approval)
    db.session.commit()
    kind.after_commit(approval)
    return approval


def refuse(account: Account, approval_id: UUID, reason: str) -> Approval:
    """Refuse, with a reason. Commits. Raises as `approve`."""
    approval = _decide(account, approval_id, ApprovalState.REFUSED, reason)
    kinds[approval.kind].turn_down(approval)
    _record(REFUSED, account, approval)
    db.session.commit()
    return approval


def refuse_with(account: Account, approval_id: UUID, reason: str) -> Approval:
    """Refuse, for a domain that does more at once than to turn down. Does not commit. Raises as `approve`."""
    approval = _decide(account, approval_id, ApprovalState.REFUSED, reason)
    _record(REFUSED, account, approval)
    return approval


def withdraw(account: Account, approval_id: UUID) -> Approval:
    """Take one's own request back. Commits. Raises NotFoundError, AlreadyDecidedError."""
    approval = find_approval(account, approval_id)
    if approval.requested_by != account.id:
        raise NotFoundError
    approval = _move(approval_id, {"state": ApprovalState.WITHDRAWN})
    kinds[approval.kind].turn_down(approval)
    _record(WITHDRAWN, account, approval)
    db.session.commit()
    return approval


def withdraw_all_of(account_id: int) -> None:
    """Take back whatever somebody asked for who is no longer here to answer for it. Does not commit."""
    _take_back(Approval.requested_by == account_id)


def withdraw_about(kind: str, object_id: object) -> None:
    """Take back what waits about an object that there is nothing to decide about any more. Does not commit."""
    _take_back(Approval.kind == kind, Approval.object_id == str(object_id))


def _take_back(*which: ColumnElement[bool]) -> None:
    pending = Approval.state == ApprovalState.PENDING
    taken_back = update(Approval).where(pending, *which).values(state=ApprovalState.WITHDRAWN).returning(Approval)
    for approval in db.session.scalars(taken_back).all():
        kinds[approval.kind].turn_down(approval)
        _record(WITHDRAWN, None, approval)


def _decide(account: Account, approval_id: UUID, state: ApprovalState, reason: str) -> Approval:
    approval = find_approval(account, approval_id)
    if not may_decide(account, approval) or is_own(account, approval):
        raise NotYoursToDecideError
    decided = {"state": state, "decided_by": account.id, "decided_at": func.now(), "decision_reason": reason}
    return _move(approval_id, decided)


def _move(approval_id: UUID, values: Mapping[str, Any]) -> Approval:
    """Of two people who decide at once, the second finds it decided."""
    waiting = Approval.id == approval_id, Approval.state == ApprovalState.PENDING, Approval.expires_at > func.now()
    moved = db.session.execute(update(Approval).where(*waiting).values(values).returning(Approval.id)).first()
    if moved is None:
        db.session.rollback()
        raise AlreadyDecidedError
    return db.session.get_one(Approval, approval_id, populate_existing=True)


def _record(action: str, account: Account | None, approval: Approval) -> None:
    told: dict[str, Any] = {
        name: value for name, value in approval.details.items() if isinstance(value, str | int | bool)
    }
    # A role's petition and country are what it would be for; those of the request say who may decide.
    petition_id = told.pop("petition_id", approval.petition_id)
    country_code = told.pop("country_code", approval.country_code)
    about = ("account", approval.subject_id) if approval.subject_id else (approval.kind, approval.object_id)
    actor_id = account.id if account else None
    record(action, actor_id, *about, petition_id=petition_id, country_code=country_code, request=approval.kind, **told)


def decidable(account: Account) -> Select[Approval]:
    """Requests in any state that this account's roles cover, and its own, as a query to be narrowed."""
    covered = [
        and_(
            Approval.kind == kind.name,
            or_(
                *(
                    and_(
                        Approval.petition_id == grant.petition_id if grant.petition_id is not None else true(),
                        Approval.country_code == grant.country_code if grant.country_code is not None else true(),
                    )
                    for grant in account.grants
                    if grant.role in (RULES[kind.action].roles or ())
                ),
                false(),
            ),
        )
        for kind in kinds.values()
    ]
    return select(Approval).where(or_(*covered, Approval.requested_by == account.id))


def waiting_for(account: Account) -> Select[Approval]:
    """Requests that this very account can decide now."""
    return decidable(account).where(
        Approval.state == ApprovalState.PENDING,
        Approval.expires_at > func.now(),
        Approval.requested_by.is_distinct_from(account.id),
        Approval.subject_id.is_distinct_from(account.id),
    )
