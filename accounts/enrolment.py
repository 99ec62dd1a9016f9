"""How an account comes to be whole: the link of an invitation, a passphrase, a second factor; and changing those later."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, update

from accounts import factors, sessions
from accounts.mailing import News, tell_if_possible
from accounts.models import Account, Invitation, Method
from core.audit import auditable, record
from core.config import current_config
from core.errors import DomainError, NotFoundError
from core.extensions import db
from core.queues import TaskName, wake

INVITATION_LIFE = timedelta(days=7)
COMMAND_LINE = "command line"
"""What stands in the audit trail beside what nobody who was logged in has done, but whoever runs the platform."""

INVITED = auditable("account.invited", _l("Invited somebody"))
OPENED_INVITATION = auditable("account.invitation_opened", _l("Accepted an invitation"))
ENROLLED = auditable("account.enrolled", _l("Set up an account"))
KEYS_CHANGED = auditable("account.keys_changed", _l("Changed a passphrase, code or passkey"))


class InvitationOverError(DomainError):
    """The link is unknown, used, replaced or too old: which of them, is not told."""


def new_invitation(account: Account, by: Account | None) -> str:
    """A link in place of every earlier one. Does not commit."""
    revoke_invitations(account)
    token = secrets.token_urlsafe(32)
    db.session.add(
        Invitation(
            id=uuid4(),
            account_id=account.id,
            token_hash=hashlib.sha256(token.encode()).digest(),
            created_by=by.id if by else None,
            expires_at=func.now() + INVITATION_LIFE,
        )
    )
    db.session.flush()
    return f"{current_config().console_url}/invitations/{token}"


def invite_again(by: Account | None, account: Account) -> str:
    """A new link for somebody who has not set up the account yet; earlier ones end. Commits. Raises NotFoundError.

    Whoever makes the link could use it, so for an account that already has a role only the command line (`by` None) does.
    """
    db.session.refresh(account, with_for_update=True)
    if account.enrolled_at is not None or not account.is_active or (by is not None and account.grants):
        db.session.rollback()
        raise NotFoundError
    link = new_invitation(account, by)
    record(INVITED, by.id if by else None, "account", account.id, how=None if by else COMMAND_LINE)
    db.session.commit()
    return link


def find_invitation(token: str) -> tuple[Invitation, Account]:
    """A link that is still good, and whose it is. Raises InvitationOverError."""
    good = (
        Invitation.token_hash == hashlib.sha256(token.encode()).digest(),
        Invitation.used_at.is_(None),
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > func.now(),
        Account.is_active,
        Account.enrolled_at.is_(None),
    )
    found = db.session.execute(
        select(Invitation, Account).join(Account, Account.id == Invitation.account_id).where(*good)
    ).first()
    if found is None:
        raise InvitationOverError
    return found[0], found[1]


def accept_invitation(token: str, name: str, passphrase: str, language: str) -> Account:
    """Set name and passphrase, and begin a session that can only set up a second factor. Commits. Raises InvitationOverError.

    The link stays good until a second factor is in place, so whoever is interrupted opens it again.
    """
    invitation, account = find_invitation(token)
    account.name, account.language = name, language
    account.password_hash = factors.hash_secret(passphrase)
    sessions.end_all(account.id)
    sessions.begin(account, Method.INVITATION, invitation)
    record(OPENED_INVITATION, account.id)
    db.session.commit()
    return account


def revoke_invitations(account: Account) -> None:
    """End every link of an account. Does not commit."""
    unused = Invitation.account_id == account.id, Invitation.used_at.is_(None), Invitation.revoked_at.is_(None)
    db.session.execute(update(Invitation).where(*unused).values(revoked_at=func.now()))


def _enrolled(account: Account, method: Method) -> bool:
    """After a first second factor: the account is whole, its link used up, and the session one like any other."""
    row = sessions.this_session()
    if not sessions.is_enrolling():
        return True
    unused = Invitation.id == row.invitation_id, Invitation.used_at.is_(None), Invitation.revoked_at.is_(None)
    spent = db.session.execute(update(Invitation).where(*unused).values(used_at=func.now()).returning(Invitation.id))
    if spent.first() is None:
        return False
    account.enrolled_at = func.now()
    sessions.prove(method)
    record(ENROLLED, account.id, "account", account.id, method=method)
    return True


def pending_totp_key(account: Account) -> str:
    """The key of the app that is being set up in this session, made when there is none. Commits."""
    row = sessions.this_session()
    if row.totp_pending is None:
        row.totp_pending = factors.seal_totp_key(account, factors.new_totp_key())
        db.session.commit()
    return factors.open_totp_key(account, row.totp_pending)


def set_up_totp(account: Account, code: str) -> bool:
    """Use the app from now on, if its code is right. Commits."""
    row = sessions.this_session()
    step = factors.matching_step(pending_totp_key(account), code)
    if step is None:
        return False
    account.totp_sealed, account.totp_last_step, row.totp_pending = row.totp_pending, step, None
    return _set_up(account, Method.TOTP, "app")


def set_up_passkey(account: Account, answer: str, name: str) -> bool:
    """Keep a new passkey, if the browser's answer is right. Commits."""
    if not factors.add_passkey(account, sessions.take_challenge(), answer, name):
        db.session.commit()  # The challenge is used up.
        return False
    return _set_up(account, Method.PASSKEY, "passkey")


def _set_up(account: Account, method: Method, what: str) -> bool:
    """A new way in: the first one makes the account whole. Commits. Raises InvitationOverError, with nothing changed."""
    if not _enrolled(account, method):
        db.session.rollback()
        raise InvitationOverError
    _changed(account, what)
    return True


def _changed(account: Account, what: str) -> None:
    """A way in was added, changed or removed: every other session ends, and its owner is told. Commits."""
    sessions.end_all(account.id, but=sessions.this_session().id)
    tell_if_possible(account, News.KEYS_CHANGED)
    record(KEYS_CHANGED, account.id, "account", account.id, what=what)
    db.session.commit()
    wake(TaskName.DRAIN)


def remove_totp(account: Account) -> bool:
    """Stop using the app. Commits. False when it is the only second factor."""
    db.session.refresh(account, with_for_update=True)  # Two removals at once must not leave none.
    if not account.passkeys:
        return False
    account.totp_sealed, account.totp_last_step = None, None
    _changed(account, "app_removed")
    return True


def remove_passkey(account: Account, passkey_id: UUID) -> bool:
    """Forget a passkey. Commits. False when it is the only second factor. Raises NotFoundError."""
    db.session.refresh(account, with_for_update=True)
    if account.totp_sealed is None and len(account.passkeys) < 2:
        return False
    if not factors.remove_passkey(account, passkey_id):
        raise NotFoundError
    db.session.expire(account, ["passkeys"])
    _changed(account, "passkey_removed")
    return True


def renew_recovery_codes(account: Account) -> list[str]:
    """Ten new codes, shown once. Commits."""
    codes = factors.new_recovery_codes(account)
    _changed(account, "recovery_codes")
    return codes


def change_passphrase(account: Account, passphrase: str) -> None:
    """Take another passphrase from now on. Commits."""
    account.password_hash = factors.hash_secret(passphrase)
    _changed(account, "passphrase")
