"""Mails to participants. Runs in the worker; keys are passed in.

What is queued says whom a mail is for. What it tells is read when it is written, so that nobody is sent to a place or an
hour that is no longer so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from babel.dates import format_time
from flask_babel import force_locale
from sqlalchemy import exists, select

from core.config import current_config
from core.extensions import db
from core.keyring import Keyring
from core.outbox import NotWantedError, OutboxMail
from pickets.cities import city_name
from pickets.hours import hours_in_words
from pickets.models import (
    CANCEL_REASON_LABELS,
    SHIFT_ROLE_LABELS,
    Broadcast,
    BroadcastKind,
    City,
    Picket,
    PicketState,
    Shift,
    ShiftTaker,
)
from pickets.pub import PublicPicket
from pickets.services import now

JOIN, CHANGED, CANCELLED, REMINDER = "picket_join", "picket_changed", "picket_cancelled", "picket_reminder"
TEMPLATES = (JOIN, CHANGED, CANCELLED, REMINDER)
OF_KIND = {
    BroadcastKind.CHANGED: CHANGED,
    BroadcastKind.CANCELLED: CANCELLED,
    BroadcastKind.REMINDER: REMINDER,
}
CANCELLATION_TOLD = timedelta(days=1)
"""How long after the end somebody still learns that it was cancelled: they may wonder whom they missed."""


# --- When it is queued ------------------------------------------------------------------------------------------------------


def join_mail(email: str, language: str, participant_id: UUID, picket: Picket, keyring: Keyring) -> dict[str, Any]:
    """`picket_join`: the address is to be confirmed."""
    return {
        "to": email,
        "language": language,
        "picket_id": str(picket.id),
        "participant_id": str(participant_id),
        "confirm_url": link("join", participant_id, language, keyring),
    }


def news_mail(
    participant_id: UUID, record: Mapping[str, Any], broadcast: Broadcast, keyring: Keyring
) -> dict[str, Any]:
    """What every participant is told by a broadcast."""
    language = record["language"]
    return {
        "to": record["email"],
        "language": language,
        "picket_id": str(broadcast.picket_id),
        "participant_id": str(participant_id),
        "sequence": broadcast.sequence,
        "mine_url": link("attend", participant_id, language, keyring),
    }


def mail_number(broadcast_id: UUID, participant_id: UUID) -> UUID:
    """The number of the mail by which a participant learns of a broadcast: it cannot be queued twice."""
    return uuid5(NAMESPACE_URL, f"{broadcast_id}/{participant_id}")


def reminder_sequence(starts_at: datetime) -> int:
    """The `sequence` of a reminder: the minute at which a picket begins, so that each beginning is reminded of once."""
    return int(starts_at.timestamp()) // 60


# --- When it is written -----------------------------------------------------------------------------------------------------


def told(template: str, mail: Mapping[str, Any]) -> dict[str, Any]:
    """What a mail tells: `city`, `when`, `page_url`; to those who come also `place`, `shifts` (their own, in words), `reason`, `note`.

    Raises NotWantedError when it is no longer so, or a later mail tells it.
    """
    picket = db.session.get_one(Picket, UUID(mail["picket_id"]), populate_existing=True)
    participant_id, language, sequence = UUID(mail["participant_id"]), mail["language"], mail.get("sequence", 0)
    if not is_so(template, picket, sequence):
        raise NotWantedError
    if template == CHANGED and _is_told_later(picket, participant_id, sequence):
        raise NotWantedError
    city = db.session.get_one(City, picket.city_id)
    zone = ZoneInfo(city.timezone)
    where_and_when = {
        "city": city_name(city, language),
        "when": hours_in_words(picket.starts_at.astimezone(zone), picket.ends_at.astimezone(zone), language),
        "page_url": f"{current_config().public_url}/pickets/{picket.code}?lang={language}",
    }
    if template == JOIN:
        return where_and_when
    with force_locale(language):
        reason = str(CANCEL_REASON_LABELS.get(picket.cancel_reason, ""))
        shifts = _shifts_in_words(participant_id, zone)
    return {**where_and_when, "place": picket.place, "reason": reason, "note": picket.cancel_note, "shifts": shifts}


def is_so(template: str, picket: Picket, sequence: int) -> bool:
    """Whether what a mail would tell is so now. `sequence` is that of its broadcast."""
    if template == CANCELLED:
        return picket.ends_at > now() - CANCELLATION_TOLD
    is_coming = picket.state == PicketState.ANNOUNCED and picket.ends_at > now()
    if template == REMINDER:
        # Nobody is reminded of hours that were changed, or of what they could not read about.
        is_public = db.session.scalars(select(exists().where(PublicPicket.id == picket.id))).one()
        return is_coming and is_public and sequence == reminder_sequence(picket.starts_at)
    return is_coming


def _is_told_later(picket: Picket, participant_id: UUID, sequence: int) -> bool:
    """Whether a mail about a later change is queued already: both would say the same."""
    later = Broadcast.picket_id == picket.id, Broadcast.kind == BroadcastKind.CHANGED, Broadcast.sequence > sequence
    mails = [mail_number(number, participant_id) for number in db.session.scalars(select(Broadcast.id).where(*later))]
    return db.session.scalars(select(exists().where(OutboxMail.id.in_(mails)))).one()


def _shifts_in_words(participant_id: UUID, zone: ZoneInfo) -> list[str]:
    shifts = db.session.scalars(
        select(Shift)
        .join(ShiftTaker, ShiftTaker.shift_id == Shift.id)
        .where(ShiftTaker.participant_id == participant_id)
        .order_by(Shift.starts_at, Shift.id)
    )
    return [
        f"{SHIFT_ROLE_LABELS[one.role]}, {_clock(one.starts_at, zone)}–{_clock(one.ends_at, zone)}" for one in shifts
    ]


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return format_time(moment.astimezone(zone), "HH:mm")


def link(purpose: str, participant_id: UUID, language: str, keyring: Keyring) -> str:
    """Address of a page that a mail leads to: `join` or `attend`."""
    path = {"join": "confirm", "attend": "mine"}[purpose]
    token = keyring.token(purpose, participant_id)
    return f"{current_config().public_url}/pickets/{path}/{token}?lang={language}"
