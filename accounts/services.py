"""Logging in, and the question who may do what."""

from __future__ import annotations

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select

from accounts.models import Account, Grant, StaffRole
from core.extensions import db

_hasher = PasswordHasher()


@lru_cache(maxsize=1)
def _dummy_hash() -> str:
    """Verified when there is no such account, so that the answer takes as long as for one that exists."""
    return _hasher.hash("no account has this passphrase")


def authenticate(email: str, passphrase: str) -> Account | None:
    """The active account of this address and passphrase, or None. Both answers take the same time."""
    account = db.session.scalar(select(Account).where(Account.email == email.replace("\0", "").strip().lower()))
    try:
        _hasher.verify(account.password_hash if account else _dummy_hash(), passphrase)
    except (VerificationError, InvalidHashError):
        return None
    if account is None or not account.is_active:
        return None
    account.last_login_at = func.now()
    db.session.commit()
    return account


def find_account(account_id: str) -> Account | None:
    """The active account of a session, or None."""
    account = db.session.get(Account, int(account_id)) if account_id.isdecimal() else None
    return account if account is not None and account.is_active else None


def may(account: Account, role: StaffRole, petition_id: int, country_code: str | None) -> bool:
    """Whether a grant of this account covers this petition and country. Nothing is allowed that no grant covers."""
    return any(
        grant.role == role
        and grant.petition_id in (None, petition_id)
        and (grant.country_code is None or grant.country_code == country_code)
        for grant in account.grants
    )


def create_account(email: str, name: str, passphrase: str, role: StaffRole, petition_id: int | None = None) -> Account:
    """Create an account with one grant, or give an existing one this passphrase and grant. Commits."""
    account = db.session.scalar(select(Account).where(Account.email == email.lower()))
    if account is None:
        account = Account(email=email.lower(), name=name, password_hash="", grants=[])
        db.session.add(account)
    account.password_hash = _hasher.hash(passphrase)
    if not any(grant.role == role and grant.petition_id == petition_id for grant in account.grants):
        account.grants.append(Grant(role=role, petition_id=petition_id))
    db.session.commit()
    return account
