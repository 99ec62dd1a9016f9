"""What participants do. Each is one sealed event in the inbox; nothing here can open one, or tell who comes."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.answers import public_key, read_answer
from core.daykeys import day_key
from core.inbox import append
from core.throttles import is_from_the_internet, network
from pickets.pub import PublicPicket

LONGEST_TOKEN = 64
"""No token of ours is longer; a longer one is wrong, and is told so like any other wrong one."""


def join(picket: PublicPicket, joiner: Mapping[str, Any], language: str, secret: str | None, event_id: UUID) -> bool:
    """Store that somebody comes. `joiner` has `alias`, `email`, `people` and `shift`, of which all but `people` may be empty.

    False when this very form was already sent. What is answered does not depend on who has joined before. Raises UnavailableError.
    """
    payload = {"picket": str(picket.id), **joiner, "language": language, "network": _network(picket.id)}
    return _append("join", payload, secret, event_id)


def _network(picket_id: UUID) -> str | None:
    """Keyed hash of the visitor's network for this picket and day, which tells nothing once the key of the day is gone."""
    key = day_key("joins") if is_from_the_internet() else None
    return hmac.digest(key, f"{picket_id}|{network()}".encode(), "sha256")[:8].hex() if key else None


def confirm(token: str, secret: str | None, event_id: UUID) -> None:
    """Store that somebody pressed the button of the mail. Raises UnavailableError."""
    _append("join_confirm", {"token": token[:LONGEST_TOKEN]}, secret, event_id)


def act(token: str, deed: str, secret: str | None, event_id: UUID, **values: Any) -> None:
    """Store what a participant does on their own page: `show`, `people`, `take`, `drop`, `confirm` or `leave`.

    The worker verifies the token. Raises UnavailableError.
    """
    _append("attend", {"token": token[:LONGEST_TOKEN], "act": deed, **values}, secret, event_id)


def _append(kind: str, payload: Mapping[str, Any], secret: str | None, event_id: UUID) -> bool:
    answer_key = public_key(secret, event_id) if secret else None
    return append(kind, None, {"v": 1, **payload, "answer_key": answer_key}, event_id)


def told(event_id: UUID, secret: str) -> dict[str, Any] | str | None:
    """What came of it: what a participant is told, a word such as `invalid`, None while no answer came."""
    answer = read_answer(event_id, secret)
    if answer is None:
        return None
    text = answer.decode()
    if not text.startswith("{"):
        return text
    found: dict[str, Any] = json.loads(text)
    return found
