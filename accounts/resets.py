"""A lost second factor: two administrators, and two days in which its owner can say no."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select, update

from accounts import approvals, sessions
from accounts.approvals import ApprovalKind, request_approval
from accounts.enrolment import new_invitation
from accounts.mailing import News, tell_if_possible
from accounts.models import Account, Approval, Passkey, RecoveryCode
from accounts.permissions import Action
from accounts.roles import name_of, wake_for_mail
from core.audit import auditable, record
from core.errors import NotFoundError
from core.extensions import db
from core.queues import TaskName, wake

RESET_DELAY = timedelta(hours=48)

FACTORS_RESET = auditable("account.factors_reset", _l("Factors reset after a delay"))


def _reset_approved(approval: Approval) -> None:
    tell_if_possible(db.session.get_one(Account, approval.subject_id), News.RESET_APPROVED)


FACTOR_RESET = approvals.register(
    ApprovalKind(
        "factor_reset",
        _l("A lost second factor"),
        Action.DECIDE_PEOPLE,
        lambda approval: name_of(approval.subject_id),
        _reset_approved,
        delay=RESET_DELAY,
        after_commit=wake_for_mail,
    )
)


def ask_for_reset(by: Account, account: Account, reason: str) -> UUID:
    """Say that somebody has proved, in person or by voice, who they are, and has lost their factors. Commits. Tells them."""
    approval_id = request_approval(FACTOR_RESET, by, account.id, reason, subject=account)
    tell_if_possible(account, News.RESET_ASKED)
    db.session.commit()
    wake(TaskName.DRAIN)
    return approval_id


def due_reset(account: Account) -> Approval | None:
    """An approved reset of this account that has not been carried out, due or not."""
    return db.session.scalar(
        select(Approval)
        .where(
            Approval.kind == FACTOR_RESET.name,
            Approval.subject_id == account.id,
            Approval.state == "approved",
            Approval.done_at.is_(None),
        )
        .order_by(Approval.decided_at.desc())
    )


def stop_reset(account: Account) -> None:
    """Its holder logs in and says that it was not them: every reset that waits ends. Commits."""
    theirs = Approval.kind == FACTOR_RESET.name, Approval.subject_id == account.id, Approval.done_at.is_(None)
    pending = db.session.execute(
        update(Approval).where(*theirs, Approval.state == "pending").values(state="withdrawn").returning(Approval.id)
    ).all()
    stopped = db.session.execute(
        update(Approval)
        .where(*theirs, Approval.state == "approved")
        .values(done_at=func.now(), due_at=None)
        .returning(Approval.id)
    ).all()
    for (approval_id,) in (*pending, *stopped):
        record(approvals.WITHDRAWN, account.id, FACTOR_RESET.name, approval_id)
    db.session.commit()


def reset_factors(by: Account, account: Account) -> str:
    """After the delay: forget passkeys, app and codes, end all sessions, make a link to set the account up anew. Commits.

    Raises NotFoundError while there is no reset that is due.
    """
    approval = due_reset(account)
    due = approval and db.session.scalar(select(Approval.due_at <= func.now()).where(Approval.id == approval.id))
    if approval is None or not due:
        raise NotFoundError
    approval.done_at = func.now()
    account.totp_sealed, account.totp_last_step, account.password_hash, account.enrolled_at = None, None, None, None
    db.session.execute(delete(Passkey).where(Passkey.account_id == account.id))
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    db.session.expire(account, ["passkeys"])
    sessions.end_all(account.id)
    link = new_invitation(account, by)
    record(FACTORS_RESET, by.id, "account", account.id)
    db.session.commit()
    return link


def under_way(account: Account) -> Approval | None:
    """A reset of this account that was asked for and is neither refused, stopped nor done."""
    mine = Approval.kind == FACTOR_RESET.name, Approval.subject_id == account.id, Approval.done_at.is_(None)
    alive = (Approval.state == "approved") | ((Approval.state == "pending") & (Approval.expires_at > func.now()))
    return db.session.scalar(select(Approval).where(*mine, alive).order_by(Approval.requested_at.desc()))
