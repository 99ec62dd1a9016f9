"""Logging in, proving anew who one is, and ending sessions."""

from __future__ import annotations

import hashlib

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from accounts import factors, sessions
from accounts.mailing import News, tell_if_possible
from accounts.models import Account, Method, SpentChallenge
from core.audit import auditable, record
from core.extensions import db
from core.queues import TaskName, wake
from core.typed import stored_email

LOGGED_IN = auditable("session.begun", _l("Logged in"))
REFUSED_LOGIN = auditable("session.refused", _l("A log-in failed"))
PROVED = auditable("session.proved", _l("Proved anew who they are"))
NOT_PROVED = auditable("session.not_proved", _l("Failed to prove anew who they are"))
DENIED = auditable("door.denied", _l("Was refused a page"))


def find_by_email(email: str) -> Account | None:
    """The account of an address as somebody typed it."""
    return db.session.scalar(select(Account).where(Account.email == stored_email(email)))


def log_in(email: str, passphrase: str, code: str, *, known_device: bool) -> Account | None:
    """Begin a session for whoever has the passphrase and a fresh code, of an app or for recovery. Commits.

    None for anything else, after the same work: an unknown address, a closed account, a wrong passphrase and a wrong
    code cannot be told apart, neither by the answer nor by its time.
    """
    account = find_by_email(email)
    before = _state_of(account)
    is_open = account is not None and account.is_active and account.enrolled_at is not None
    knows = factors.is_secret(account.password_hash if account and is_open else None, passphrase)
    method = _method(account if knows else None, code)
    if account is not None and method is not None:
        # Hashing takes its time: what was closed, changed or ended meanwhile is not to be opened by what was true before.
        db.session.refresh(account, with_for_update=True)
        if _state_of(account) != before:
            db.session.rollback()
            method = None
    if account is None or method is None:
        if account is not None and knows and not known_device:
            tell_if_possible(account, News.WRONG_CODE)
        record(REFUSED_LOGIN, None, "account", account.id if account else "")
        db.session.commit()
        wake(TaskName.DRAIN)
        return None
    _begin(account, method)
    if method is Method.RECOVERY:
        tell_if_possible(account, News.RECOVERY_CODE_USED, left=str(factors.unused_recovery_codes(account)))
    elif not known_device:
        tell_if_possible(account, News.NEW_DEVICE, device=sessions.this_session().device)
    db.session.commit()
    wake(TaskName.DRAIN)
    return account


def _method(account: Account | None, code: str) -> Method | None:
    """What a code is of an account, spent by this; None for a wrong or used one, and for nobody, after the same work."""
    if factors.looks_like_recovery_code(code):
        return Method.RECOVERY if factors.spend_recovery_code(account, code) else None
    return Method.TOTP if account is not None and factors.spend_totp(account, code) else None


def _state_of(account: Account | None) -> tuple[object, ...]:
    """What a log-in relies on."""
    return (account.password_hash, account.totp_sealed, account.is_active, account.devices_since) if account else ()


def log_in_with_passkey(challenge: bytes | None, answer: str) -> Account | None:
    """Begin a session for whoever holds a passkey of an open account, and has never sent this answer before. Commits."""
    passkey = factors.check_passkey(challenge, answer)
    account = db.session.get_one(Account, passkey.account_id, with_for_update=True) if passkey else None
    if account is None or challenge is None or not account.is_active or not _spend(challenge):
        db.session.rollback()
        record(REFUSED_LOGIN, None, method=Method.PASSKEY)
        db.session.commit()
        return None
    _begin(account, Method.PASSKEY)
    db.session.commit()
    return account


def _spend(challenge: bytes) -> bool:
    """Whether a challenge has never been used to log in; from now on it has. Does not commit."""
    row = insert(SpentChallenge).values(hash=hashlib.sha256(challenge).digest())
    return db.session.execute(row.on_conflict_do_nothing().returning(SpentChallenge.hash)).first() is not None


def _begin(account: Account, method: Method) -> None:
    sessions.begin(account, method)
    account.last_login_at = func.now()
    record(LOGGED_IN, account.id, "session", sessions.this_session().id, method=method)


def prove_again(account: Account, passphrase: str, code: str) -> bool:
    """Prove anew by passphrase and code who one is. Commits."""
    knows = factors.is_secret(account.password_hash, passphrase)
    return _proved(account, _method(account if knows else None, code))


def prove_again_with_passkey(account: Account, answer: str) -> bool:
    """The same by a passkey of this very account. Commits."""
    passkey = factors.check_passkey(sessions.take_challenge(), answer)
    return _proved(account, Method.PASSKEY if passkey and passkey.account_id == account.id else None)


def _proved(account: Account, method: Method | None) -> bool:
    if method is None:
        record(NOT_PROVED, account.id)
    else:
        sessions.prove(method)
        record(PROVED, account.id, method=method)
    db.session.commit()
    return method is not None


def was_denied(account: Account, endpoint: str) -> None:
    """Write down that somebody wanted a page that is not theirs. Commits."""
    record(DENIED, account.id, "page", endpoint.replace(".", "_"))
    db.session.commit()


def end_other_sessions(account: Account) -> None:
    """Log out everywhere but here. Commits."""
    sessions.end_all(account.id, but=sessions.this_session().id)
    record(sessions.ALL_ENDED, account.id, "account", account.id)
    db.session.commit()


def end_sessions_of(by: Account, account: Account) -> None:
    """Log somebody else out everywhere. Commits."""
    sessions.end_all(account.id)
    record(sessions.ALL_ENDED, by.id, "account", account.id)
    db.session.commit()
