"""Sessions in the database: begun at log-in, looked up at each request, ended from any of the person's devices.

The browser's cookie is signed and readable; in it stand the CSRF token and this session's token, of which the database
keeps only the hash. A new token is made at log-in and whenever the person proves anew who they are.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from uuid import UUID, uuid4

from flask import g, request, session
from flask_babel import lazy_gettext as _l
from flask_login import login_user, logout_user
from sqlalchemy import delete, func, select, update

from accounts.models import FRESH, IDLE, LONGEST, Account, Invitation, Method, StaffSession
from core.audit import auditable, record
from core.errors import NotFoundError
from core.extensions import db

LOGGED_OUT = auditable("session.ended", _l("Logged out"))
ALL_ENDED = auditable("session.all_ended", _l("Ended every session of an account"))

CHALLENGE_LIFE = FRESH
"""How long a passkey may take to answer."""
_BROWSERS = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
_BETTER = {"Edg": "Edge", "OPR": "Opera", "Mac OS X": "macOS"}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def describe_device(user_agent: str) -> str:
    """Browser and system in a word each, for the list of one's devices: "Firefox, Linux". No version, nothing rare."""
    found = [
        next((name for name in names if f"{name}/" in user_agent or name in user_agent.split("(", 1)[-1]), "?")
        for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(_BETTER.get(name, name) for name in found)


def begin(account: Account, method: Method, invitation: Invitation | None = None) -> None:
    """Log somebody in, in this browser, with a new token, in place of whoever was. Does not commit."""
    token = secrets.token_urlsafe(32)
    db.session.execute(delete(StaffSession).where(StaffSession.token_hash == _hash(session.get("_user_id", ""))))
    row = StaffSession(
        id=uuid4(),
        token_hash=_hash(token),
        account_id=account.id,
        method=method,
        device=describe_device(request.user_agent.string),
        invitation_id=invitation.id if invitation else None,
    )
    db.session.add(row)
    db.session.flush()
    session.clear()
    session.permanent = True
    account.session_token = token
    login_user(account)
    g.staff_session = row


def find_account(token: str) -> Account | None:
    """The account of a live session, for Flask-Login; marks the session as seen. None when it ran out or was ended."""
    fresh = StaffSession.proved_at > func.now() - FRESH
    idle = func.now() - StaffSession.seen_at
    found = db.session.execute(
        select(StaffSession, Account, fresh, idle > IDLE / 30)
        .join(Account, Account.id == StaffSession.account_id)
        .where(
            StaffSession.token_hash == _hash(token),
            StaffSession.created_at > func.now() - LONGEST,
            idle < IDLE,
            Account.is_active,
        )
    ).first()
    if found is None:
        return None
    row, account, is_fresh, is_old = found
    if is_old:
        # Once a minute, and only if it is still there: a session that is ended meanwhile does not come back.
        db.session.execute(update(StaffSession).where(StaffSession.id == row.id).values(seen_at=func.now()))
        db.session.commit()
    row.is_fresh = is_fresh
    account.session_token = token
    g.staff_session = row
    return account


def this_session() -> StaffSession:
    """The session of this request, which is logged in."""
    row: StaffSession = g.staff_session
    return row


def is_enrolling() -> bool:
    """Whether this session comes from an invitation, and has no second factor yet."""
    return this_session().method == Method.INVITATION


def prove(method: Method) -> None:
    """Note that the person has just proved who they are, and give the session a new token. Does not commit.

    Raises NotFoundError when the session was ended meanwhile.
    """
    row = this_session()
    token = secrets.token_urlsafe(32)
    mine = update(StaffSession).where(StaffSession.id == row.id)
    values = {"token_hash": _hash(token), "method": method, "proved_at": func.now(), "challenge": None}
    if db.session.execute(mine.values(values).returning(StaffSession.id)).first() is None:
        raise NotFoundError  # It was ended meanwhile, and does not come back.
    db.session.refresh(row)
    row.is_fresh = True
    session["_user_id"] = token


def end() -> None:
    """Log out of this browser. Commits."""
    row = this_session()
    db.session.execute(delete(StaffSession).where(StaffSession.id == row.id))
    record(LOGGED_OUT, row.account_id)
    db.session.commit()
    logout_user()
    session.clear()


def list_sessions(account: Account) -> Sequence[StaffSession]:
    """Live sessions of an account, the one seen last first."""
    live = StaffSession.created_at > func.now() - LONGEST, StaffSession.seen_at > func.now() - IDLE
    mine = StaffSession.account_id == account.id
    return db.session.scalars(select(StaffSession).where(mine, *live).order_by(StaffSession.seen_at.desc())).all()


def end_one(account: Account, session_id: UUID) -> None:
    """End one session of one's own. Commits. Raises NotFoundError."""
    mine = StaffSession.id == session_id, StaffSession.account_id == account.id
    done = db.session.execute(delete(StaffSession).where(*mine).returning(StaffSession.id)).first()
    if done is None:
        raise NotFoundError
    record(LOGGED_OUT, account.id, "session", session_id)
    db.session.commit()


def end_all(account_id: int, *, but: UUID | None = None) -> None:
    """End every session of an account, `but` one, whose browser alone stays known. Does not commit."""
    # The account first: a log-in that is under way has its row, and is then ended with the others or finds what changed.
    db.session.execute(update(Account).where(Account.id == account_id).values(devices_since=func.now()))
    theirs = StaffSession.account_id == account_id, StaffSession.id.is_distinct_from(but)
    db.session.execute(delete(StaffSession).where(*theirs))
    g.this_device_stays = but is not None


def challenge() -> bytes:
    """What a passkey is to sign in this session: one for all tabs, new every few minutes and after each use. Commits."""
    row = this_session()
    still_good = (StaffSession.challenge.is_not(None)) & (StaffSession.challenged_at > func.now() - CHALLENGE_LIFE / 2)
    found = db.session.scalar(select(StaffSession.challenge).where(StaffSession.id == row.id, still_good))
    if found is None:
        found = secrets.token_bytes(32)
        renewed = update(StaffSession).where(StaffSession.id == row.id)
        db.session.execute(renewed.values(challenge=found, challenged_at=func.now()))
        db.session.commit()
    return found


def take_challenge() -> bytes | None:
    """The challenge of this session, which is used up with this; None when there is none or it is too old. Does not commit."""
    row = this_session()
    good = StaffSession.id == row.id, StaffSession.challenged_at > func.now() - CHALLENGE_LIFE
    found = db.session.scalar(select(StaffSession.challenge).where(*good).with_for_update())
    db.session.execute(update(StaffSession).where(StaffSession.id == row.id).values(challenge=None))
    return found
