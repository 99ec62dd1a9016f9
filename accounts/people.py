"""Reading about people and approvals for the console's lists and pages. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy import func, or_, select

from accounts import approvals, desk, factors, requests, resets, roles, sessions
from accounts.approvals import ApprovalKind
from accounts.desk import Place, Waiting
from accounts.forms import ApprovalFilter, PeopleFilter
from accounts.models import Account, AccountRequest, Approval, ApprovalState, Grant, StaffRole
from accounts.permissions import Action, may_somewhere
from core.errors import NotFoundError
from core.extensions import db
from core.lists import Listing, read_page

FEW_CODES = 3


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


# --- The start page -------------------------------------------------------------------------------------------------------


@desk.waits
def _approvals_wait(account: Account) -> Iterable[Waiting]:
    waiting = approvals.waiting_for(account).subquery()
    number = db.session.scalars(select(func.count()).select_from(waiting)).one()
    if number:
        text = ngettext("%(num)s request waits for your decision.", "%(num)s requests wait for your decision.", number)
        yield Waiting(text, url_for("accounts.list_approvals", state="pending"), urgent=True)


@desk.waits
def _own_keys_wait(account: Account) -> Iterable[Waiting]:
    if roles.is_administrator(account) and not account.passkeys:
        yield Waiting(_("Administrators need a passkey. Add yours."), url_for("accounts.add_passkey"), urgent=True)
    elif len(account.passkeys) == 1 and account.totp_sealed is None:
        yield Waiting(
            _("You have one passkey and nothing else. Add a second one, in case you lose it."),
            url_for("accounts.add_passkey"),
        )
    if (left := factors.unused_recovery_codes(account)) < FEW_CODES:
        text = ngettext(
            "%(num)s recovery code is left. Make new ones.", "%(num)s recovery codes are left. Make new ones.", left
        )
        yield Waiting(text, url_for("accounts.keys", _anchor="codes"))


@desk.waits
def _people_wait(account: Account) -> Iterable[Waiting]:
    if not may_somewhere(account, Action.MANAGE_PEOPLE):
        return
    administrators = db.session.scalars(
        select(func.count(Account.id.distinct()))
        .join(Grant)
        .where(Grant.role == StaffRole.ADMINISTRATOR, Account.is_active, Account.enrolled_at.is_not(None))
    ).one()
    if administrators < 2:
        yield Waiting(
            _("You are the only administrator. Nothing that needs two can be approved."),
            url_for("accounts.list_people"),
            urgent=True,
        )
    due = db.session.execute(
        select(Approval.subject_id, Account.name)
        .join(Account, Account.id == Approval.subject_id)
        .where(
            Approval.kind == resets.FACTOR_RESET.name,
            Approval.state == ApprovalState.APPROVED,
            Approval.done_at.is_(None),
            Approval.due_at <= func.now(),
            Approval.due_at > func.now() - resets.CARRY_OUT_WITHIN,
        )
    ).all()
    for account_id, name in due:
        yield Waiting(
            _("The two days for %(name)s are over: make the link.", name=name),
            url_for("accounts.person", account_id=account_id),
        )


desk.add_place(
    Place(
        _l("Approvals"),
        "accounts.list_approvals",
        _l("What waits for a second person, and what you asked for."),
        lambda account: may_somewhere(account, Action.DECIDE),
    )
)
desk.add_place(
    Place(
        _l("People"),
        "accounts.list_people",
        _l("Who has an account, and what they may do."),
        lambda account: may_somewhere(account, Action.SEE_PEOPLE),
    )
)
desk.add_place(
    Place(
        _l("Audit trail"),
        "accounts.audit",
        _l("Who did what, and when."),
        lambda account: may_somewhere(account, Action.READ_AUDIT),
    )
)
desk.add_place(
    Place(
        _l("Health"),
        "accounts.platform_health",
        _l("Whether everything that should run does run."),
        lambda account: may_somewhere(account, Action.SEE_HEALTH),
    )
)
