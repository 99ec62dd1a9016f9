"""What becomes of those who come: joining, confirming, taking a shift, leaving.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits. What is wrong, used up or
somebody else's gets one and the same answer, so that nobody learns who comes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, func, select

from core.addresses import canonical_mailbox, is_throwaway
from core.answers import forget_about
from core.config import LANGUAGES
from core.errors import describe
from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.outbox import queue_mail
from core.records import decrypt_record, destroy_row_key, encrypt_record, new_row_key, open_row_key
from core.sealing import KeyNotHeldError, SealingError
from core.typed import normal_email, tidy_line
from pickets import mails
from pickets.models import Participant, ParticipantState, Picket, PicketState, Shift, ShiftTaker
from pickets.taking import (
    MAILS_A_DAY,
    MAX_ALIAS,
    MOST_A_NETWORK,
    MOST_PEOPLE,
    MOST_SHIFTS,
    MOST_UNKNOWN,
    SURE_BEFORE,
    UNCONFIRMED_A_NETWORK,
    UNCONFIRMED_AN_HOUR,
    UNCONFIRMED_UNKNOWN,
)

log = logging.getLogger(__name__)

TABLE = "participants"
SHIFT_LIST = "shift_list"
CONFIRM_WITHIN = timedelta(days=7)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an event."""

    answer: str | None
    mails: int = 0
    about: UUID | None = None
    """The participant whose data the answer tells, and with whom it is erased; of a list, the picket whose participants it tells."""


INVALID = Told("invalid")


# --- Joining -----------------------------------------------------------------------------------------------------------------


def record_join(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Told:
    """A `join` event. With an address nothing counts before it is confirmed, and the answer is always `mail`."""
    picket_id, people = _uuid(payload.get("picket")), payload.get("people")
    picket = _hold(picket_id) if picket_id else None
    if (
        picket is None
        or not _is_open(picket, event.received_at)
        or not isinstance(people, int)
        or not 1 <= people <= MOST_PEOPLE
    ):
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
    if _is_beyond(participant, people):
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
    day_ago = participant.joined_at - DAY
    if sum(one.joined_at > day_ago for one in known) >= MAILS_A_DAY or _is_flood(participant):
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
    found = _named_by("join", payload, keyring)
    if found is None or found[0].mailbox_hmac is None:
        return INVALID
    participant, picket = found
    if participant.state == ParticipantState.COMING:
        return _own_page(participant, picket, keyring)
    if not _is_open(picket, event.received_at):
        return Told("closed")
    before = db.session.scalar(
        select(Participant)
        .where(
            Participant.picket_id == picket.id,
            Participant.mailbox_hmac == participant.mailbox_hmac,
            Participant.state == ParticipantState.COMING,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    record = _open(participant, keyring)
    if before is not None:
        if participant.joined_at < before.joined_at:
            record = {}  # The button of an older mail takes nothing back.
        else:
            _join_anew(before, participant, record, keyring)
        _forget(participant)
        participant = before
    participant.state = ParticipantState.COMING
    db.session.flush()
    outcome = _take(participant, _uuid(record["shift"]), picket, event.received_at) if record.get("shift") else ""
    return _own_page(participant, picket, keyring, outcome=outcome)


def _join_anew(before: Participant, participant: Participant, typed: Mapping[str, Any], keyring: Keyring) -> None:
    """The same mailbox joined anew: what was typed last holds, on the page that is there already."""
    before.people = participant.people
    kept = _open(before, keyring)
    if before.row_key_id is None or not (typed and kept):
        return
    # The key stays, for mails that wait to be sent are under it. An alias that was left empty takes away none.
    key = open_row_key(before.row_key_id, keyring.private_keys)
    record = {**kept, **typed, "alias": typed["alias"] or kept["alias"]}
    before.sealed = encrypt_record(key, TABLE, before.id, record)


# --- One's own page ------------------------------------------------------------------------------------------------------------


def attend(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Told:
    """An `attend` event: what a participant does on their own page, and what it shows afterwards."""
    found = _named_by("attend", payload, keyring)
    if found is None or found[0].state != ParticipantState.COMING:
        return INVALID
    participant, picket = found
    act, shift_id, outcome = payload.get("act"), _uuid(payload.get("shift")), ""
    if act == "leave":
        _forget(participant)
        forget_about(picket.id)  # Lists of those who take its shifts.
        return Told("left")
    if _is_open(picket, event.received_at):
        if act == "people":
            outcome = _come_with(participant, payload.get("people"))
        elif act == "take":
            outcome = _take(participant, shift_id, picket, event.received_at)
        elif act in ("drop", "confirm"):
            outcome = _change_shift(participant, shift_id, str(act))
    return _own_page(participant, picket, keyring, outcome=outcome)


def _come_with(participant: Participant, people: object) -> str:
    """`many` when more cannot come without an address."""
    if not isinstance(people, int) or not 1 <= people <= MOST_PEOPLE:
        return ""
    if participant.mailbox_hmac is None and people > participant.people and _is_beyond(participant, people):
        return "many"
    participant.people = people
    return ""


def _take(participant: Participant, shift_id: UUID | None, picket: Picket, at: datetime) -> str:
    """`taken`, `sure`, `full` or `enough`. Of two who want the last seat the second finds it taken, because each locks the shift first."""
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
    is_sure = at >= min(shift.starts_at, picket.starts_at) - SURE_BEFORE
    taker = ShiftTaker(shift_id=shift_id, participant_id=participant.id, confirmed_at=at if is_sure else None)
    db.session.add(taker)
    db.session.flush()
    return "sure" if is_sure else "taken"


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
    """A `shift_list` event of the console: aliases of those who took shifts, by shift. They were told that the organiser sees them.

    When one of them leaves, the list is erased with all that is about them.
    """
    picket_id = _uuid(payload.get("picket"))
    if picket_id is None or _hold(picket_id) is None:
        return Told("{}")
    rows = db.session.execute(
        select(ShiftTaker.shift_id, ShiftTaker.confirmed_at, Participant)
        .join(Participant, Participant.id == ShiftTaker.participant_id)
        .join(Shift, Shift.id == ShiftTaker.shift_id)
        .where(Shift.picket_id == picket_id, Participant.state == ParticipantState.COMING)
        .order_by(ShiftTaker.taken_at, Participant.id)
        # Whoever leaves meanwhile waits for this list, and finds it to be erased.
        .with_for_update(read=True, of=Participant)
        .execution_options(populate_existing=True)
    ).all()
    told: dict[str, list[tuple[str, bool]]] = {}
    for shift_id, confirmed, participant in rows:
        alias = _open(participant, keyring).get("alias", "")
        told.setdefault(str(shift_id), []).append((alias, confirmed is not None))
    return Told(json.dumps(told, ensure_ascii=False), about=picket_id)


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


# --- What one network can do -------------------------------------------------------------------------------------------------


def _is_beyond(participant: Participant, people: int) -> bool:
    """Whether, coming with so many, more people would come without an address from this network than may on one day."""
    unproved = Participant.mailbox_hmac.is_(None), Participant.state == ParticipantState.COMING
    others = select(func.coalesce(func.sum(Participant.people), 0)).where(
        *_from_there(participant), *unproved, Participant.id != participant.id
    )
    most = MOST_UNKNOWN if participant.network is None else MOST_A_NETWORK
    return db.session.scalars(others).one() + people > most


def _is_flood(participant: Participant) -> bool:
    """Whether too many mails went out for this network, or this picket, to addresses that nobody has confirmed."""
    waiting = Participant.picket_id == participant.picket_id, Participant.state == ParticipantState.PENDING
    in_an_hour = Participant.joined_at > participant.joined_at - HOUR
    most = UNCONFIRMED_UNKNOWN if participant.network is None else UNCONFIRMED_A_NETWORK
    return _number(*waiting, *_from_there(participant)) >= most or _number(*waiting, in_an_hour) >= UNCONFIRMED_AN_HOUR


def _from_there(participant: Participant) -> tuple[ColumnElement[bool], ...]:
    """Who joined the same picket from the same network, or likewise from an unknown one, since the day before."""
    return (
        Participant.picket_id == participant.picket_id,
        Participant.network.is_not_distinct_from(participant.network),
        Participant.joined_at > participant.joined_at - DAY,
    )


def _number(*which: ColumnElement[bool]) -> int:
    return db.session.scalars(select(func.count()).select_from(Participant).where(*which)).one()


# --- Reading what is there ---------------------------------------------------------------------------------------------------


def _hold(picket_id: UUID) -> Picket | None:
    """A picket as it is now, which nobody changes or cancels before this transaction ends.

    So a cancellation either finds whoever comes, to write to them, or is found here. Always before a participant is locked:
    whoever erases all of them locks in this order, too.
    """
    return db.session.get(Picket, picket_id, with_for_update={"read": True}, populate_existing=True)


def _is_open(picket: Picket, at: datetime) -> bool:
    """Whether one could join it when the event came. Where the law allows a single person, nobody joins them."""
    return picket.state == PicketState.ANNOUNCED and picket.mode != "single_person" and at < picket.ends_at


def _named_by(purpose: str, payload: Mapping[str, Any], keyring: Keyring) -> tuple[Participant, Picket] | None:
    """Whom a token names, locked, and their picket, held; None for one that we did not make."""
    participant_id = keyring.read_token(purpose, str(payload.get("token", "")))
    if participant_id is None:
        return None
    picket_id = db.session.scalar(select(Participant.picket_id).where(Participant.id == participant_id))
    picket = _hold(picket_id) if picket_id else None
    found = db.session.get(Participant, participant_id, with_for_update=True, populate_existing=True)
    if picket is None or found is None or found.state == ParticipantState.LEFT:
        return None
    return found, picket


def _open(participant: Participant, keyring: Keyring) -> dict[str, Any]:
    """What they typed; nothing, where it was erased or does not open. Raises KeyNotHeldError."""
    if participant.row_key_id is None or participant.sealed is None:
        return {}
    try:
        key = open_row_key(participant.row_key_id, keyring.private_keys)
        return decrypt_record(key, TABLE, participant.id, participant.sealed)
    except KeyNotHeldError:
        raise
    except (LookupError, SealingError) as error:
        # One row that is broken must not keep a whole list from its organiser, or anybody from leaving.
        log.error("participant %s does not open: %s", participant.id, describe(error))
        return {}
