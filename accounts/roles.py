"""Who has which role: inviting with one, granting, taking away, closing an account."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from accounts import approvals, sessions
from accounts.approvals import ApprovalKind, request_approval
from accounts.desk import petition_titles
from accounts.enrolment import COMMAND_LINE, INVITED, new_invitation, revoke_invitations
from accounts.mailing import News, tell, tell_if_possible
from accounts.models import ROLE_LABELS, Account, Approval, Grant, StaffRole
from accounts.permissions import Action
from accounts.services import find_by_email
from core.audit import auditable, record
from core.errors import DomainError, NotFoundError
from core.extensions import db
from core.i18n import country_name, current_language
from core.queues import TaskName, wake
from core.typed import stored_email

GRANTED = auditable("grant.added", _l("Gave a role"))
REVOKED = auditable("grant.removed", _l("Took a role away"))
CLOSED = auditable("account.closed", _l("Closed an account"))
REOPENED = auditable("account.reopened", _l("Reopened an account"))

_ONE_REMOVAL = 2, 1
"""The advisory lock of `_keep_an_administrator`."""


class LastAdministratorError(DomainError):
    """Nobody would be left who can manage people. Nothing was changed."""


class EmailTakenError(DomainError):
    """There is an account of this address."""


def _titles() -> dict[int, str]:
    """Titles of petitions by number, asked for once in a request."""
    if "petition_titles" not in g:
        g.petition_titles = dict(petition_titles(current_language()))
    titles: dict[int, str] = g.petition_titles
    return titles


def describe_grant(role: str, petition_id: int | None, country_code: str | None) -> str:
    """Role, title of the petition and country, such as “Coordinator, Poland”, in the reader's language."""
    parts = [str(ROLE_LABELS[StaffRole(role)])]
    if petition_id is not None:
        parts.append(_titles().get(petition_id, _("petition %(number)s", number=petition_id)))
    if country_code:
        parts.append(country_name(country_code))
    return ", ".join(parts)


def name_of(account_id: int | None) -> str:
    """Name and address of an account, because anybody can take anybody's name."""
    found = db.session.execute(select(Account.name, Account.email).where(Account.id == account_id)).first()
    return f"{found.name} ({found.email})" if found else "?"


def _describe_grant_request(approval: Approval) -> str:
    details = approval.details
    name = name_of(approval.subject_id)
    role = describe_grant(details["role"], details["petition_id"], details["country_code"])
    if details.get("close"):
        return _("Close the account of %(name)s (%(role)s)", name=name, role=role)
    if details.get("remove"):
        return _("%(name)s: take away “%(role)s”", name=name, role=role)
    return f"{name}: {role}"


def add_grant(account: Account, role: str, petition_id: int | None, country_code: str | None, by: int | None) -> None:
    """Give a role, end the account's sessions, and write it down. Does not commit."""
    if not any(
        (one.role, one.petition_id, one.country_code) == (role, petition_id, country_code) for one in account.grants
    ):
        account.grants.append(Grant(role=role, petition_id=petition_id, country_code=country_code))
    _changed_roles(account)
    record(GRANTED, by, "account", account.id, petition_id=petition_id, country_code=country_code, role=role)


def _changed_roles(account: Account) -> None:
    sessions.end_all(account.id)
    if account.enrolled_at is not None:
        tell_if_possible(account, News.ROLES_CHANGED)


def _carry_out_grant(approval: Approval) -> None:
    account, details = db.session.get_one(Account, approval.subject_id), approval.details
    if details.get("remove"):
        grant = next((one for one in account.grants if one.id == details["grant_id"]), None)
        _remove_grant(account, grant, approval.decided_by)
    elif details.get("close"):
        _close(account, approval.decided_by)
    else:
        add_grant(account, details["role"], details["petition_id"], details["country_code"], approval.decided_by)


def _is_somebody(approval: Approval) -> bool:
    """A role goes to somebody who has set up their account: until then, whoever has the link could become them."""
    account = db.session.get_one(Account, approval.subject_id)
    takes_away = approval.details.get("remove") or approval.details.get("close")
    return bool(takes_away) or (account.enrolled_at is not None and account.is_active)


def wake_for_mail(_approval: Approval) -> None:
    """After a decision that queued a mail."""
    wake(TaskName.DRAIN)


GRANT = approvals.register(
    ApprovalKind(
        "grant",
        _l("A role"),
        Action.DECIDE_PEOPLE,
        _describe_grant_request,
        _carry_out_grant,
        is_ripe=_is_somebody,
        after_commit=wake_for_mail,
    )
)


def _ask_for_grant(
    by: Account,
    account: Account,
    role: str,
    petition_id: int | None,
    country_code: str | None,
    reason: str,
    **more: Any,
) -> UUID:
    details = {"role": role, "petition_id": petition_id, "country_code": country_code, **more}
    object_id = json.dumps([account.id, *details.values()])
    return request_approval(GRANT, by, object_id, reason, subject=account, details=details)


def ask_for_grant(
    by: Account, account: Account, role: str, petition_id: int | None, country_code: str | None, reason: str
) -> UUID:
    """Ask a second administrator to give somebody a role. Commits. Returns the approval's id."""
    approval_id = _ask_for_grant(by, account, role, petition_id, country_code, reason)
    db.session.commit()
    return approval_id


def remove_grant(by: Account, account: Account, grant_id: int) -> UUID | None:
    """Take a role away: at once, because it may be urgent; an administrator's only with a second one's approval, because one
    alone must not be able to remove all others. Commits. Returns the approval's id, if one is needed.

    Raises NotFoundError, LastAdministratorError.
    """
    grant = next((one for one in account.grants if one.id == grant_id), None)
    if grant is None:
        raise NotFoundError
    if grant.role != StaffRole.ADMINISTRATOR:
        _remove_grant(account, grant, by.id)
        db.session.commit()
        wake(TaskName.DRAIN)
        return None
    _keep_an_administrator(account)
    approval_id = _ask_for_grant(by, account, grant.role, None, None, "", remove=True, grant_id=grant.id)
    db.session.commit()
    return approval_id


def _remove_grant(account: Account, grant: Grant | None, by: int | None) -> None:
    if grant is None:
        return  # Somebody else was faster.
    if grant.role == StaffRole.ADMINISTRATOR:
        _keep_an_administrator(account)
    role, petition_id, country_code = grant.role, grant.petition_id, grant.country_code
    db.session.execute(delete(Grant).where(Grant.id == grant.id))
    db.session.expire(account, ["grants"])
    _changed_roles(account)
    approvals.withdraw_all_of(account.id)
    record(REVOKED, by, "account", account.id, petition_id=petition_id, country_code=country_code, role=role)


def is_administrator(account: Account) -> bool:
    """Whether the account may manage people."""
    return any(grant.role == StaffRole.ADMINISTRATOR for grant in account.grants)


def administrators() -> set[int]:
    """Numbers of the administrators who can log in."""
    able = Grant.role == StaffRole.ADMINISTRATOR, Account.is_active, Account.enrolled_at.is_not(None)
    return set(db.session.scalars(select(Account.id).join(Grant).where(*able)))


def _keep_an_administrator(but: Account) -> None:
    """Raise LastAdministratorError unless another administrator can log in. Two removals at once come one after the other."""
    db.session.execute(select(func.pg_advisory_xact_lock(*_ONE_REMOVAL)))
    if administrators() <= {but.id}:
        db.session.rollback()
        raise LastAdministratorError


def close_account(by: Account | None, account: Account) -> UUID | None:
    """Close at once; an administrator's account only with a second one's approval, or by the command line (`by` None).

    Commits. Returns the approval's id, if one is needed. Raises LastAdministratorError.
    """
    if by is not None and is_administrator(account):
        _keep_an_administrator(account)
        approval_id = _ask_for_grant(by, account, StaffRole.ADMINISTRATOR, None, None, "", close=True)
        db.session.commit()
        return approval_id
    _close(account, by.id if by else None)
    db.session.commit()
    return None


def _close(account: Account, by: int | None) -> None:
    if is_administrator(account):
        _keep_an_administrator(account)
    account.is_active = False
    sessions.end_all(account.id)
    revoke_invitations(account)
    approvals.withdraw_all_of(account.id)
    record(CLOSED, by, "account", account.id, how=None if by else COMMAND_LINE)


def reopen_account(by: Account | None, account: Account) -> None:
    """Undo a closing. Commits. For an administrator's account, which two people closed, only by the command line (`by` None)."""
    account.is_active = True
    record(REOPENED, by.id if by else None, "account", account.id, how=None if by else COMMAND_LINE)
    db.session.commit()


def invite(
    by: Account | None,
    email: str,
    name: str,
    language: str,
    *,
    by_mail: bool,
    reason: str = "",
    role: str | None,
    petition_id: int | None,
    country_code: str | None,
) -> tuple[Account, str]:
    """Make an account without a role, and the link that lets its holder set it up. Commits.

    A role that is wished for is asked for at the same time, and waits for a second person; by the command line (`by` None)
    it is granted at once. Raises EmailTakenError.
    """
    if find_by_email(email) is not None:
        raise EmailTakenError
    account = Account(email=stored_email(email), name=name, language=language, grants=[], passkeys=[])
    db.session.add(account)
    try:
        db.session.flush()
    except IntegrityError:  # Somebody else invites the same address at this moment.
        db.session.rollback()
        raise EmailTakenError from None
    link = new_invitation(account, by)
    if by_mail:
        tell(account, News.INVITED, link=link)
    if role is not None and by is None:
        add_grant(account, role, petition_id, country_code, None)
    elif role is not None and by is not None:
        _ask_for_grant(by, account, role, petition_id, country_code, reason)
    record(INVITED, by.id if by else None, "account", account.id, how=None if by else COMMAND_LINE)
    db.session.commit()
    wake(TaskName.DRAIN)
    return account, link


def close_many(by: Account, account_ids: Sequence[int]) -> tuple[list[int], list[int]]:
    """Close several accounts, each by itself. Commits. Returns those that are closed, and those that wait for approval."""
    closed: list[int] = []
    waiting: list[int] = []
    for account in db.session.scalars(select(Account).where(Account.id.in_(account_ids), Account.is_active)).all():
        account_id = account.id
        try:
            (closed if close_account(by, account) is None else waiting).append(account_id)
        except LastAdministratorError:
            continue
    return closed, waiting


def reopen_many(by: Account, account_ids: Sequence[int]) -> list[int]:
    """Reopen several accounts, but no administrator's. Commits. Returns those that are open again."""
    rows = db.session.scalars(select(Account).where(Account.id.in_(account_ids), ~Account.is_active)).all()
    opened = [account for account in rows if not is_administrator(account)]
    for account in opened:
        reopen_account(by, account)
    return [account.id for account in opened]
