"""A lost second factor: two administrators, and two days in which its owner can say no."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import ColumnElement, delete, func, select, update

from accounts import approvals, sessions
from accounts.approvals import ApprovalKind, request_approval
from accounts.enrolment import COMMAND_LINE, new_invitation
from accounts.mailing import News, tell, tell_if_possible
from accounts.models import Account, Approval, ApprovalState, Passkey, RecoveryCode
from accounts.permissions import Action
from accounts.roles import name_of, wake_for_mail
from core.audit import auditable, record
from core.errors import NotFoundError
from core.extensions import db
from core.queues import TaskName, wake

RESET_DELAY = timedelta(hours=48)
CARRY_OUT_WITHIN = timedelta(days=7)
"""How long after the delay an agreement is still good."""

STOPPED = auditable("account.reset_stopped", _l("Stopped a reset of keys"))
FACTORS_RESET = auditable("account.factors_reset", _l("Factors reset after a delay"))


def _reset_approved(approval: Approval) -> None:
    tell_if_possible(db.session.get_one(Account, approval.subject_id), News.RESET_APPROVED)


FACTOR_RESET = approvals.register(
    ApprovalKind(
        "factor_reset",
        _l("A lost second key"),
        Action.DECIDE_PEOPLE,
        lambda approval: name_of(approval.subject_id),
        _reset_approved,
        delay=RESET_DELAY,
        after_commit=wake_for_mail,
    )
)


def ask_for_reset(by: Account, account: Account, reason: str) -> UUID:
    """Say that somebody has proved, in person or by voice, who they are, and has lost their keys. Commits. Tells them.

    Returns the request; the one that is under way, if there is one. Raises NotFoundError for an account that has no keys to lose.
    """
    if account.enrolled_at is None or not account.is_active:
        raise NotFoundError
    waiting = under_way(account)
    if waiting is not None:
        return waiting.id
    approval_id = request_approval(FACTOR_RESET, by, account.id, reason, subject=account)
    tell_if_possible(account, News.RESET_ASKED)
    db.session.commit()
    wake(TaskName.DRAIN)
    return approval_id


def under_way(account: Account) -> Approval | None:
    """A reset of this account that was asked for and is neither refused, stopped, done nor too old."""
    return db.session.scalar(select(Approval).where(*_alive(account)).order_by(Approval.requested_at.desc()))


def _alive(account: Account) -> tuple[ColumnElement[bool], ...]:
    asked = (Approval.state == ApprovalState.PENDING) & (Approval.expires_at > func.now())
    agreed = (Approval.state == ApprovalState.APPROVED) & (Approval.due_at > func.now() - CARRY_OUT_WITHIN)
    mine = Approval.kind == FACTOR_RESET.name, Approval.subject_id == account.id, Approval.done_at.is_(None)
    return (*mine, asked | agreed)


def is_due(approval: Approval | None) -> bool:
    """Whether the two days of an approved reset are over."""
    due = Approval.due_at <= func.now()
    return approval is not None and bool(db.session.scalar(select(due).where(Approval.id == approval.id)))


def all_due() -> list[tuple[int, str]]:
    """Number and name of everybody whose agreed reset can be carried out now."""
    now = Approval.due_at <= func.now(), Approval.due_at > func.now() - CARRY_OUT_WITHIN
    agreed = Approval.kind == FACTOR_RESET.name, Approval.state == ApprovalState.APPROVED, Approval.done_at.is_(None)
    rows = select(Account.id, Account.name).join(Approval, Approval.subject_id == Account.id).where(*agreed, *now)
    return [(number, name) for number, name in db.session.execute(rows)]


def stop_reset(by: Account, account: Account) -> None:
    """Its owner logs in and says that it was not them, or an administrator has doubts: whatever is under way ends. Commits."""
    mine = Approval.kind == FACTOR_RESET.name, Approval.subject_id == account.id, Approval.done_at.is_(None)
    pending = update(Approval).where(*mine, Approval.state == ApprovalState.PENDING)
    agreed = update(Approval).where(*mine, Approval.state == ApprovalState.APPROVED)
    ended = [
        *db.session.scalars(pending.values(state=ApprovalState.WITHDRAWN).returning(Approval.id)),
        *db.session.scalars(agreed.values(done_at=func.now(), due_at=None).returning(Approval.id)),
    ]
    if ended:
        record(STOPPED, by.id, "account", account.id)
    db.session.commit()


def reset_factors(by: Account, account: Account) -> None:
    """After the two days: forget every key, end all sessions, and send its owner, and nobody else, a link. Commits.

    Each agreement is good once, and for CARRY_OUT_WITHIN. Raises NotFoundError while there is none that is due.
    """
    db.session.refresh(account, with_for_update=True)
    due = update(Approval).where(*_alive(account), Approval.due_at <= func.now()).values(done_at=func.now())
    if not account.is_active or not db.session.execute(due.returning(Approval.id)).all():
        db.session.rollback()
        raise NotFoundError
    _forget_keys(account, by)
    db.session.commit()
    wake(TaskName.DRAIN)


def reset_by_command(account: Account) -> str:
    """The same at once, for whoever runs the platform, when no two administrators are left. Commits. Returns the link."""
    link = _forget_keys(account, None)
    db.session.commit()
    return link


def _forget_keys(account: Account, by: Account | None) -> str:
    account.totp_sealed, account.totp_last_step, account.password_hash, account.enrolled_at = None, None, None, None
    db.session.execute(delete(Passkey).where(Passkey.account_id == account.id))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    db.session.expire(account, ["passkeys"])
    sessions.end_all(account.id)
    link = new_invitation(account, by)
    if by is not None:
        tell(account, News.INVITED, link=link)
    record(FACTORS_RESET, by.id if by else None, "account", account.id, how=None if by else COMMAND_LINE)
    return link
