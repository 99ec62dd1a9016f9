"""What signers and visitors do. Each is one sealed event in the inbox; nothing here can open one, or tell who has signed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.answers import public_key, read_answer
from core.inbox import append
from petitions.pub import PublicText
from petitions.reading import PetitionPage

LONGEST_PASS = 80
"""The same for passes of pickets."""
LONGEST_TOKEN = 64
"""No token of ours is longer; a longer one is wrong, and is told so like any other wrong one."""


@dataclass(frozen=True, slots=True)
class SignerInput:
    """A checked form."""

    name: str
    email: str
    country: str
    city: str
    visibility: str
    updates: bool
    of_age: bool
    consent_hash: str
    signals: Mapping[str, Any]
    """See `petitions.signals.gather`."""
    shown_pass: str = ""
    """Of the picket at which it was given."""


def sign(page: PetitionPage, signer: SignerInput, text: PublicText, language: str, event_id: UUID) -> bool:
    """Store a signature as a sealed event. False when this very form was already sent.

    Whether the person has signed before is not known here, so the answer cannot tell. Raises UnavailableError.
    """
    payload = {
        "v": 1,
        "name": signer.name,
        "email": signer.email,
        "country": signer.country,
        "city": signer.city,
        "addressee_id": page.addressee_of(signer.country),
        "of_age": signer.of_age,
        "text": {"version": text.version, "language": text.language, "hash": text.hash},
        "consent": {
            "ministry": signer.visibility != "counted",
            "public": signer.visibility == "public",
            "updates": signer.updates,
            "hash": signer.consent_hash,
        },
        "visibility": signer.visibility,
        "language": language,
        "signals": signer.signals,
        "pass": signer.shown_pass[:LONGEST_PASS],
        "salt": base64.b64encode(os.urandom(32)).decode(),
    }
    return append("sign", page.petition.id, payload, event_id)


def press_button(kind: str, token: str, secret: str | None, event_id: UUID, **values: Any) -> None:
    """Store what somebody did with the token of a mail: `confirm`, `withdraw`, `not_me`, `unsubscribe`, `show`, `change` or `receipt`.

    `values` go with it. The worker verifies the token. Raises UnavailableError.
    """
    _append(kind, {"token": token[:LONGEST_TOKEN], **values}, secret, event_id)


def type_code(signed: UUID, code: str, secret: str | None, event_id: UUID) -> None:
    """Store the code that somebody typed on the page that their form led to. Raises UnavailableError."""
    _append("code", {"signed": str(signed), "code": code[:16]}, secret, event_id)


def ask_again(signed: UUID, event_id: UUID) -> None:
    """Store the wish for the mail once more. Raises UnavailableError."""
    _append("resend", {"signed": str(signed)}, None, event_id)


def report(petition_id: int, reason: str, message: str, event_id: UUID) -> bool:
    """Store what a visitor finds wrong with a petition. False when this very form was already sent. Raises UnavailableError."""
    return append("report", petition_id, {"v": 1, "reason": reason, "message": message}, event_id)


def _append(kind: str, payload: Mapping[str, Any], secret: str | None, event_id: UUID) -> None:
    answer_key = public_key(secret, event_id) if secret else None
    append(kind, None, {"v": 1, **payload, "answer_key": answer_key}, event_id)


def result_of(event_id: UUID, secret: str) -> str | None:
    """What came of an event, None while nothing has (or when this browser is not the one that sent it)."""
    answer = read_answer(event_id, secret)
    return None if answer is None else answer.decode()


def own_page(event_id: UUID, secret: str) -> dict[str, Any] | str | None:
    """What a signer is told of their own signature; `invalid` for a link that opens nothing; None while no answer came."""
    answer = result_of(event_id, secret)
    if answer is None or not answer.startswith("{"):
        return answer
    told: dict[str, Any] = json.loads(answer)
    return told
