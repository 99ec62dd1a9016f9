"""Browsers in which somebody has logged in before, and how often a stranger may try.

After the device cookies of OWASP ("Slow Down Online Guessing Attacks with Device Cookies"): attempts from a browser
that is known for an account are counted by themselves, so that a stranger who guesses cannot lock its owner out.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer

from accounts.models import Account
from core.config import current_config
from core.extensions import db
from core.throttles import attempt, network
from core.typed import stored_email

LIFE = timedelta(days=90)


def _cookie() -> str:
    return "__Host-device" if current_config().secure_cookies else "device"


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="device")


def remember(response: Response, account: Account) -> None:
    """Know this browser from now on, for this account."""
    value = _serializer().dumps([account.id, secrets.token_urlsafe(9)])
    secure = current_config().secure_cookies
    response.set_cookie(_cookie(), value, max_age=LIFE, secure=secure, httponly=True, samesite="Strict")


def known_as(email: str) -> str | None:
    """The mark of this browser, when the account of this address has logged in here since it last logged out everywhere."""
    try:
        (account_id, mark), made_at = _serializer().loads(
            request.cookies.get(_cookie(), ""), max_age=int(LIFE.total_seconds()), return_timestamp=True
        )
    except (BadData, ValueError, TypeError):
        return None
    account = db.session.get(Account, account_id)
    if (
        account is None
        or account.email != stored_email(email)
        or made_at < account.devices_since.replace(microsecond=0)
    ):
        return None
    return str(mark)


def may_try(email: str, mark: str | None, *, by_recovery_code: bool) -> bool:
    """Count an attempt to log in with a passphrase; False when there were too many.

    A recovery code cannot be guessed, so it is left to an owner whom a stranger has used up all attempts of.
    """
    if mark is not None:
        return attempt("20 per 5 minutes", "login-known", mark)
    address = stored_email(email)
    limits: list[tuple[str, str, tuple[str, ...]]] = [
        ("30 per 5 minutes", "login-network", (network(),)),
        ("10 per 5 minutes", "login-here", (address, network())),
        *([] if by_recovery_code else [("300 per day", "login-address", (address,))]),
        ("1000 per 5 minutes", "login-all", ()),
    ]
    return all(attempt(limit, what, *who) for limit, what, who in limits)


def may_try_passkey() -> bool:
    """The same with a passkey, which cannot be guessed: this only keeps the work small."""
    return attempt("600 per 5 minutes", "passkey", network())
