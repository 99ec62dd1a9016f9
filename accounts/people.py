"""Reading about people and approvals for the console's lists and pages. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _
from markupsafe import Markup
from sqlalchemy import func, or_, select

from accounts import approvals, factors, requests, resets, roles, sessions
from accounts.approvals import ApprovalKind
from accounts.forms import ApprovalFilter, PeopleFilter
from accounts.models import Account, AccountRequest, Approval, ApprovalState, Grant
from core.errors import NotFoundError
from core.extensions import db
from core.lists import Listing, read_page


def find_person(account_id: int) -> Account:
    """An account. Raises NotFoundError."""
    account = db.session.get(Account, account_id)
    if account is None:
        raise NotFoundError
    return account


def names() -> list[tuple[int, str]]:
    """Number and name of everybody, by name."""
    return [
        (number, name) for number, name in db.session.execute(select(Account.id, Account.name).order_by(Account.name))
    ]


def state_of(account: Account) -> str:
    """`open`, `invited` or `closed`."""
    return "closed" if not account.is_active else "open" if account.enrolled_at is not None else "invited"


def list_people(form: PeopleFilter) -> Listing[Account]:
    """Accounts that the filters let through."""
    form.settle()
    query = select(Account)
    if form.q.data:
        wish = f"%{form.q.data.lower().replace('%', '').replace('_', '')}%"
        query = query.where(or_(func.lower(Account.name).like(wish), Account.email.like(wish)))
    if form.role.data:
        query = query.where(Account.id.in_(select(Grant.account_id).where(Grant.role == form.role.data)))
    match form.state.data:
        case "open":
            query = query.where(Account.is_active, Account.enrolled_at.is_not(None))
        case "invited":
            query = query.where(Account.is_active, Account.enrolled_at.is_(None))
        case "closed":
            query = query.where(~Account.is_active)
    sorts = {
        "name": func.lower(Account.name),
        "login": Account.last_login_at,
        "id": Account.id,
    }
    return read_page(query, sorts, "name", form)


@dataclass(frozen=True, slots=True)
class Person:
    """All that the page of a person shows."""

    account: Account
    state: str
    codes_left: int
    sessions: int
    requests: list[ApprovalRow]
    reset: Approval | None
    reset_is_due: bool


def describe(account: Account) -> Person:
    """A person, with what waits about them."""
    about = select(Approval).where(
        Approval.subject_id == account.id, Approval.state == ApprovalState.PENDING, Approval.expires_at > func.now()
    )
    reset = resets.under_way(account)
    return Person(
        account,
        state_of(account),
        factors.unused_recovery_codes(account),
        len(sessions.list_sessions(account)),
        [describe_approval(None, row) for row in db.session.scalars(about)],
        reset,
        resets.is_due(reset),
    )


# --- Approvals ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A request as people read it."""

    approval: Approval
    kind: ApprovalKind
    text: str | Markup
    state: ApprovalState
    asked_by: str
    decided_by: str
    may_decide: bool
    is_ripe: bool
    is_own: bool
    request: AccountRequest | None


def describe_approval(account: Account | None, approval: Approval) -> ApprovalRow:
    """A request, and what this account can do about it."""
    kind = approvals.kinds[approval.kind]
    state = ApprovalState(approval.state)
    is_over = db.session.scalar(select(Approval.expires_at <= func.now()).where(Approval.id == approval.id))
    if state is ApprovalState.PENDING and is_over:
        state = ApprovalState.EXPIRED
    is_own = account is not None and approvals.is_own(account, approval)
    return ApprovalRow(
        approval,
        kind,
        kind.describe(approval),
        state,
        roles.name_of(approval.requested_by) if approval.requested_by else _("Somebody without an account"),
        roles.name_of(approval.decided_by) if approval.decided_by else "",
        account is not None
        and approvals.may_decide(account, approval)
        and not is_own
        and state is ApprovalState.PENDING,
        kind.is_ripe(approval),
        is_own,
        requests.find_account_request(approval),
    )


def list_approvals(account: Account, form: ApprovalFilter) -> Listing[ApprovalRow]:
    """Requests that this account may decide or has made, the newest first."""
    form.settle()
    query = approvals.decidable(account)
    if form.state.data == ApprovalState.EXPIRED:
        query = query.where(
            or_(
                Approval.state == ApprovalState.EXPIRED,
                (Approval.state == ApprovalState.PENDING) & (Approval.expires_at <= func.now()),
            )
        )
    elif form.state.data:
        query = query.where(Approval.state == form.state.data)
        if form.state.data == ApprovalState.PENDING:
            query = query.where(Approval.expires_at > func.now())
    if form.kind.data:
        query = query.where(Approval.kind == form.kind.data)
    sorts = {"asked": Approval.requested_at, "kind": Approval.kind, "state": Approval.state, "id": Approval.id}
    return read_page(query, sorts, "-asked", form).map(lambda row: describe_approval(account, row))
