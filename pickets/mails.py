"""Mails to participants. Runs in the worker; keys are passed in. What a mail tells is sealed with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import force_locale

from core.config import current_config
from core.extensions import db
from core.keyring import Keyring
from pickets.cities import city_name
from pickets.hours import hours_in_words
from pickets.models import CANCEL_REASON_LABELS, City, Picket


def join_mail(email: str, language: str, participant_id: UUID, picket: Picket, keyring: Keyring) -> dict[str, Any]:
    """`picket_join`: the address is to be confirmed."""
    return {
        "to": email,
        "language": language,
        "confirm_url": link("join", participant_id, language, keyring),
        **told_of(picket, language),
    }


def news_mail(
    participant_id: UUID, record: Mapping[str, Any], picket: Picket, keyring: Keyring, shifts: list[str]
) -> dict[str, Any]:
    """What every participant is told by a broadcast. `shifts` are their own, in words."""
    language = record["language"]
    return {
        "to": record["email"],
        "language": language,
        "mine_url": link("attend", participant_id, language, keyring),
        "place": picket.place,
        "reason": _reason(picket, language),
        "note": picket.cancel_note,
        "shifts": shifts,
        **told_of(picket, language),
    }


def _reason(picket: Picket, language: str) -> str:
    with force_locale(language):
        return str(CANCEL_REASON_LABELS.get(picket.cancel_reason, ""))


def told_of(picket: Picket, language: str) -> dict[str, str]:
    """Where, when, and the page, in a language."""
    city = db.session.get_one(City, picket.city_id)
    zone = ZoneInfo(city.timezone)
    starts, ends = picket.starts_at.astimezone(zone), picket.ends_at.astimezone(zone)
    return {
        "city": city_name(city, language),
        "when": hours_in_words(starts, ends, language),
        "page_url": f"{current_config().public_url}/pickets/{picket.code}?lang={language}",
    }


def link(purpose: str, participant_id: UUID, language: str, keyring: Keyring) -> str:
    """Address of a page that a mail leads to: `join` or `attend`."""
    path = {"join": "confirm", "attend": "mine"}[purpose]
    token = keyring.token(purpose, participant_id)
    return f"{current_config().public_url}/pickets/{path}/{token}?lang={language}"
