"""Keys that live for a day, in Redis and nowhere else: what was made under one can neither be made again nor looked up later."""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, date, datetime

from flask import current_app
from redis import Redis, RedisError

from core.queues import SILENCE_SECONDS

log = logging.getLogger(__name__)

HOURS = 25
"""How long a key lives: its day, and an hour in which what was made before midnight is still known."""
KNOWN_SECONDS = 60.0
"""How long a process remembers a key without asking; never longer than the key lives."""


def today() -> date:
    """The day whose keys are made under now, in UTC."""
    return datetime.now(UTC).date()


def day_key(purpose: str, day: date | None = None, hours: int = HOURS) -> bytes | None:
    """32 random bytes that all web processes share on one day, in UTC, for one purpose. None while Redis is away.

    Today's is made by whoever asks first, to live for some hours. For a day whose key is gone, or was never made, these are bytes that nobody
    knows, under which nothing can have been made: so what is claimed to be of that day is refused like a forgery.
    """
    day = day or today()
    name = f"zbor:day-key:{purpose}:{day.isoformat()}"
    known: dict[str, tuple[float, bytes]] = current_app.extensions.setdefault("zbor_day_keys", {})
    until, key = known.get(name, (0.0, b""))
    now = time.monotonic()
    if now < until:
        return key
    redis: Redis | None = current_app.extensions.get("zbor_wake_ups")
    # It shares the patience of wake-ups: a broker that is frozen must not slow every form twice.
    if redis is None or now < current_app.extensions.get("zbor_silent_until", 0.0):
        return None
    try:
        if day == today():
            redis.set(name, os.urandom(32), nx=True, ex=hours * 3600)
        asked = redis.pipeline(transaction=True)
        asked.get(name)
        asked.pttl(name)
        found, lives_for = asked.execute()
    except (RedisError, OSError) as error:
        current_app.extensions["zbor_silent_until"] = time.monotonic() + SILENCE_SECONDS
        log.warning("key of the day for %s not read (%s)", purpose, type(error).__name__)
        return None
    seconds = min(KNOWN_SECONDS, lives_for / 1000) if found else KNOWN_SECONDS
    for old in [one for one, (ends, _) in known.items() if ends < now]:
        known.pop(old, None)
    known[name] = now + seconds, found or os.urandom(32)
    return known[name][1]
