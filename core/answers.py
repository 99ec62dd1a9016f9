"""Answers: what came of an event, sealed to the browser that sent it and to nobody else.

A browser that opens a page with a button gets one cookie with a random secret. From it and the event's id a key pair
is derived for each event; the event carries the public half, the worker seals the answer to it, and only the browser
with the cookie can open it. The web process stores nothing.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Response, request
from sqlalchemy import Index, LargeBinary, Uuid, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from core.config import current_config
from core.errors import database_may_be_away
from core.extensions import Model, Moment, db
from core.sealing import Recipient, SealingError, context, pad, seal_bytes, unpad, unseal_bytes

COOKIE_SECONDS = 3600
_KEY_ID = UUID(int=0)  # An answer has one recipient, who needs no name.
_waiting = threading.BoundedSemaphore(2)
"""At most this many threads of a process wait for an answer; the others look once, and their page asks again."""


class Answer(Model):
    """The answer to one event."""

    __tablename__ = "answers"

    event_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    about: Mapped[UUID | None] = mapped_column(Uuid)
    """The record that it tells of, with which it is erased. Web processes cannot read this."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Moment] = mapped_column(index=True)

    __table_args__ = (Index("ix_answers_about", about, postgresql_where=about.is_not(None)),)


# --- The visitor's cookie ----------------------------------------------------------------------------------------------


def _cookie_name() -> str:
    return "__Host-answers" if current_config().secure_cookies else "answers"


def browser_secret() -> str | None:
    """The secret this browser sent, None when it has none."""
    return request.cookies.get(_cookie_name())


def new_secret() -> str:
    """A fresh secret for a browser that has none."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def keep_secret(response: Response, secret: str) -> None:
    """Have the browser keep its secret for an hour from now."""
    # Lax, not Strict: whoever comes from a mail in the browser would otherwise arrive without it, be given another, and
    # a first tab would no longer find its answer. GET changes nothing here, so Strict would guard nothing more.
    response.set_cookie(
        _cookie_name(),
        secret,
        max_age=COOKIE_SECONDS,
        secure=current_config().secure_cookies,
        httponly=True,
        samesite="Lax",
    )


def _private_key(secret: str, event_id: UUID) -> X25519PrivateKey:
    derived = HKDF(SHA256(), 32, salt=None, info=context("answer-key", event_id)).derive(secret.encode())
    return X25519PrivateKey.from_private_bytes(derived)


def public_key(secret: str, event_id: UUID) -> str:
    """The public half for one event, base64, as its payload carries it."""
    return base64.b64encode(_private_key(secret, event_id).public_key().public_bytes_raw()).decode()


def read_answer(event_id: UUID, secret: str, wait: float = 2.0) -> bytes | None:
    """The answer to an event, or None when there is none (yet) for this browser. Waits up to `wait` seconds for it."""
    may_wait = _waiting.acquire(blocking=False)
    deadline = time.monotonic() + (wait if may_wait else 0)
    try:
        while True:
            with database_may_be_away():
                sealed = db.session.scalar(
                    select(Answer.sealed).where(Answer.event_id == event_id, Answer.expires_at > func.now())
                )
                db.session.rollback()  # Each look needs a new snapshot, and waiting must not hold a connection.
            if sealed is not None:
                try:
                    return unpad(
                        unseal_bytes(sealed, {_KEY_ID: _private_key(secret, event_id)}, context("answer", event_id))
                    )
                except SealingError:
                    return None
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)
    finally:
        if may_wait:
            _waiting.release()


# --- The worker's side -------------------------------------------------------------------------------------------------


def answer(event_id: UUID, key: str, payload: bytes, lifetime: timedelta, about: UUID | None = None) -> None:
    """Write the answer to an event, readable for `lifetime` by whoever can derive the private half. Does not commit.

    One that tells the data `about` a record goes with the record: see `forget_about`. A key that is not one (a visitor can
    send anything) means that there is nobody to answer, and is passed over.
    """
    try:
        recipient = Recipient(_KEY_ID, X25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)))
        sealed = seal_bytes(pad(payload), [recipient], context("answer", event_id))
    except ValueError:
        return
    db.session.execute(
        insert(Answer)
        .values(event_id=event_id, about=about, sealed=sealed, expires_at=func.now() + lifetime)
        .on_conflict_do_nothing(index_elements=[Answer.event_id])
    )


def forget_about(record_id: UUID) -> None:
    """Delete the answers that tell the data of a record. Does not commit."""
    db.session.execute(delete(Answer).where(Answer.about == record_id))


def forget_answers() -> None:
    """Delete answers whose time is over. Does not commit."""
    db.session.execute(delete(Answer).where(Answer.expires_at < func.now()))
