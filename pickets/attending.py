"""What becomes of those who come: joining, confirming, taking a shift, leaving.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits. What is wrong, used up or
somebody else's gets one and the same answer, so that nobody learns who comes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select

from core.addresses import canonical_mailbox, is_throwaway
from core.answers import forget_about
from core.config import LANGUAGES
from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.outbox import queue_mail
from core.records import decrypt_record, destroy_row_key, encrypt_record, new_row_key, open_row_key
from core.typed import normal_email, tidy_line
from pickets import mails
from pickets.models import Participant, ParticipantState, Picket, PicketState, Shift, ShiftTaker
from pickets.taking import MAX_ALIAS, MOST_PEOPLE, MOST_SHIFTS

TABLE = "participants"
SHIFT_LIST = "shift_list"
MAILS_A_DAY = 3
"""To one mailbox for one picket, so that the form fills nobody's inbox."""
MOST_A_NETWORK = 20
"""Joined without an address from one network on one day: a household, or a bus. Beyond it an address is asked for."""
CONFIRM_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an event."""

    answer: str | None
    mails: int = 0
    about: UUID | None = None
    """The participant whose data the answer tells, and with whom it is erased."""


INVALID = Told("invalid")


# --- Joining -----------------------------------------------------------------------------------------------------------------


def record_join(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Told:
    """A `join` event. With an address nothing counts before it is confirmed, and the answer is always `mail`."""
    picket = _open_picket(_uuid(payload.get("picket")), event.received_at)
    people = payload.get("people")
    if picket is None or not isinstance(people, int) or not 1 <= people <= MOST_PEOPLE:
        return Told("closed")
    language = payload["language"] if payload.get("language") in LANGUAGES else "en"
    alias = tidy_line(str(payload.get("alias") or ""))[:MAX_ALIAS]
    participant = Participant(
        id=uuid4(),
        event_id=event.id,
        picket_id=picket.id,
        people=people,
        joined_at=event.received_at,
        network=_network(payload),
    )
    if payload.get("email"):
        return _ask_to_confirm(picket, participant, payload, alias, language, keyring)
    if participant.network is not None and _from_network(participant) >= MOST_A_NETWORK:
        return Told("many")
    participant.state = ParticipantState.COMING
    _store(participant, {"alias": alias, "language": language} if alias else None)
    return _own_page(participant, picket, keyring, {"alias": alias, "language": language})


def _ask_to_confirm(
    picket: Picket, participant: Participant, payload: Mapping[str, Any], alias: str, language: str, keyring: Keyring
) -> Told:
    email = normal_email(str(payload["email"]).strip())
    if email is None or is_throwaway(email):
        return Told("mail")
    participant.state = ParticipantState.PENDING
    participant.mailbox_hmac = keyring.participant_hmac(picket.id, canonical_mailbox(email))
    same = Participant.picket_id == picket.id, Participant.mailbox_hmac == participant.mailbox_hmac
    known = db.session.scalars(select(Participant).where(*same).order_by(Participant.joined_at)).all()
    day_ago = participant.joined_at - timedelta(days=1)
    if sum(one.joined_at > day_ago for one in known) >= MAILS_A_DAY:
        return Told("mail")
    shift = _uuid(payload.get("shift"))
    record = {"alias": alias, "email": email, "language": language, "shift": str(shift) if shift else None}
    key_id, key = _store(participant, record)
    # Whoever comes already is led to their own page by the same mail; pressing its button twice changes nothing.
    queue_mail("picket_join", key_id, key, mails.join_mail(email, language, participant.id, picket, keyring))
    return Told("mail", mails=1)


def _store(participant: Participant, record: Mapping[str, Any] | None) -> tuple[UUID, bytes]:
    """Add a participant, with what they typed under a row key. Without anything there is none."""
    key_id, key = UUID(int=0), b""
    if record is not None:
        key_id, key = new_row_key()
        participant.row_key_id = key_id
        participant.sealed = encrypt_record(key, TABLE, participant.id, record)
    db.session.add(participant)
    db.session.flush()
    return key_id, key


def confirm_join(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Told:
    """A `join_confirm` event: the button of the mail. From now on they come, and have the shift that they chose if it is free."""
    participant = _named_by("join", payload, keyring)
    if participant is None or participant.mailbox_hmac is None:
        return INVALID
    picket = _open_picket(participant.picket_id, event.received_at)
    if picket is None:
        return Told("closed")
    if participant.state == ParticipantState.COMING:
        return _own_page(participant, picket, keyring)
    before = db.session.scalar(
        select(Participant)
        .where(
            Participant.picket_id == picket.id,
            Participant.mailbox_hmac == participant.mailbox_hmac,
            Participant.state == ParticipantState.COMING,
        )
        .with_for_update()
    )
    if before is not None:
        # The same mailbox joined anew: what was typed last holds, on the page that is there already.
        before.people = participant.people
        _forget(participant)
        return _own_page(before, picket, keyring)
    participant.state = ParticipantState.COMING
    db.session.flush()
    record = _open(participant, keyring)
    outcome = _take(participant, _uuid(record.get("shift"))) if record.get("shift") else ""
    return _own_page(participant, picket, keyring, record, outcome)


# --- One's own page ------------------------------------------------------------------------------------------------------------


def attend(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Told:
    """An `attend` event: what a participant does on their own page, and what it shows afterwards."""
    participant = _named_by("attend", payload, keyring)
    if participant is None or participant.state != ParticipantState.COMING:
        return INVALID
    picket = db.session.get_one(Picket, participant.picket_id)
    act, shift_id, outcome = payload.get("act"), _uuid(payload.get("shift")), ""
    if act == "leave":
        _forget(participant)
        return Told("left")
    if _open_picket(picket.id, event.received_at) is not None:
        if act == "people" and isinstance(payload.get("people"), int) and 1 <= payload["people"] <= MOST_PEOPLE:
            participant.people = payload["people"]
        elif act == "take":
            outcome = _take(participant, shift_id)
        elif act in ("drop", "confirm"):
            outcome = _change_shift(participant, shift_id, str(act))
    return _own_page(participant, picket, keyring, outcome=outcome)


def _take(participant: Participant, shift_id: UUID | None) -> str:
    """`taken`, `full` or `enough`. Of two who want the last seat the second finds it taken, because each locks the shift first."""
    if participant.mailbox_hmac is None or shift_id is None:
        return "full"  # A shift is confirmed the day before by mail, so it needs an address; the form says so.
    shift = db.session.get(Shift, shift_id, with_for_update=True, populate_existing=True)
    if shift is None or shift.picket_id != participant.picket_id:
        return "full"
    takers = db.session.scalars(select(ShiftTaker.participant_id).where(ShiftTaker.shift_id == shift_id)).all()
    if participant.id in takers:
        return "taken"
    if len(takers) >= shift.seats:
        return "full"
    mine = select(func.count()).select_from(ShiftTaker).where(ShiftTaker.participant_id == participant.id)
    if db.session.scalars(mine).one() >= MOST_SHIFTS:
        return "enough"
    db.session.add(ShiftTaker(shift_id=shift_id, participant_id=participant.id))
    db.session.flush()
    return "taken"


def _change_shift(participant: Participant, shift_id: UUID | None, act: str) -> str:
    taker = db.session.get(ShiftTaker, (shift_id, participant.id)) if shift_id else None
    if taker is None:
        return ""
    if act == "drop":
        db.session.delete(taker)
    else:
        taker.confirmed_at = taker.confirmed_at or func.now()
    db.session.flush()
    return "dropped" if act == "drop" else "confirmed"


def _own_page(
    participant: Participant,
    picket: Picket,
    keyring: Keyring,
    record: Mapping[str, Any] | None = None,
    outcome: str = "",
) -> Told:
    """What a participant is told: what is stored, the place, their shifts, and the way back to this page."""
    told = record if record is not None else _open(participant, keyring)
    mine = db.session.execute(
        select(ShiftTaker.shift_id, ShiftTaker.confirmed_at).where(ShiftTaker.participant_id == participant.id)
    )
    page = {
        "token": keyring.token("attend", participant.id),
        "code": picket.code,
        "alias": told.get("alias", ""),
        "email": told.get("email", ""),
        "people": participant.people,
        # The exact place is for those whose address somebody confirmed: anybody can press a button without one.
        "place": picket.place if participant.mailbox_hmac is not None else "",
        "lawyer_phone": picket.lawyer_phone if participant.mailbox_hmac is not None else "",
        "shifts": {str(shift_id): confirmed is not None for shift_id, confirmed in mine},
        "outcome": outcome,
    }
    return Told(json.dumps(page, ensure_ascii=False), about=participant.id)


# --- For the organiser -----------------------------------------------------------------------------------------------------


def tell_shifts(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Told:
    """A `shift_list` event of the console: aliases of those who took shifts, by shift. They were told that the organiser sees them."""
    rows = db.session.execute(
        select(ShiftTaker.shift_id, ShiftTaker.confirmed_at, Participant)
        .join(Participant, Participant.id == ShiftTaker.participant_id)
        .join(Shift, Shift.id == ShiftTaker.shift_id)
        .where(Shift.picket_id == _uuid(payload.get("picket")))
        .order_by(ShiftTaker.taken_at, Participant.id)
    ).all()
    told: dict[str, list[tuple[str, bool]]] = {}
    for shift_id, confirmed, participant in rows:
        alias = _open(participant, keyring).get("alias", "")
        told.setdefault(str(shift_id), []).append((alias, confirmed is not None))
    return Told(json.dumps(told, ensure_ascii=False))


# --- Erasing ---------------------------------------------------------------------------------------------------------------


def _forget(participant: Participant) -> None:
    """Everything about them goes; what stays is that somebody was there once."""
    db.session.execute(delete(ShiftTaker).where(ShiftTaker.participant_id == participant.id))
    forget_about(participant.id)
    if participant.row_key_id is not None:
        destroy_row_key(participant.row_key_id)
    participant.state = ParticipantState.LEFT
    participant.row_key_id = participant.sealed = participant.mailbox_hmac = participant.network = None
    db.session.flush()


def expire_unconfirmed() -> None:
    """Erase those who did not confirm their address in time. Does not commit."""
    late = Participant.state == ParticipantState.PENDING, Participant.joined_at < func.now() - CONFIRM_WITHIN
    for participant in db.session.scalars(select(Participant).where(*late).with_for_update(skip_locked=True)).all():
        _forget(participant)


# --- Reading what came -------------------------------------------------------------------------------------------------------


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _network(payload: Mapping[str, Any]) -> bytes | None:
    text = payload.get("network")
    try:
        return bytes.fromhex(text) if isinstance(text, str) and len(text) == 16 else None
    except ValueError:
        return None


def _from_network(participant: Participant) -> int:
    here = Participant.picket_id == participant.picket_id, Participant.network == participant.network
    unproved = Participant.mailbox_hmac.is_(None), Participant.state == ParticipantState.COMING
    return db.session.scalars(select(func.count()).select_from(Participant).where(*here, *unproved)).one()


def _open_picket(picket_id: UUID | None, at: datetime) -> Picket | None:
    """A picket that one could join when the event came."""
    picket = db.session.get(Picket, picket_id) if picket_id else None
    is_open = picket is not None and picket.state == PicketState.ANNOUNCED and at < picket.ends_at
    return picket if is_open else None


def _named_by(purpose: str, payload: Mapping[str, Any], keyring: Keyring) -> Participant | None:
    """Whom a token names, locked; None for one that we did not make."""
    participant_id = keyring.read_token(purpose, str(payload.get("token", "")))
    found = db.session.get(Participant, participant_id, with_for_update=True) if participant_id else None
    return found if found is not None and found.state != ParticipantState.LEFT else None


def _open(participant: Participant, keyring: Keyring) -> dict[str, Any]:
    """What they typed. Raises KeyNotHeldError."""
    if participant.row_key_id is None or participant.sealed is None:
        return {}
    key = open_row_key(participant.row_key_id, keyring.private_keys)
    return decrypt_record(key, TABLE, participant.id, participant.sealed)
