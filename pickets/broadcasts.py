"""One mail to each participant with an address: that something has changed, that it is cancelled, that it is tomorrow.

Runs in the worker; keys are passed in. Who is done moves on in the transaction that queues the mails, and a mail's number
follows from the broadcast and the participant: a worker that dies leaves none out and none twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

from babel.dates import format_time
from flask_babel import force_locale
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.outbox import OutboxMail, queue_mail
from core.records import RowKey, decrypt_record, open_sealed_row_key
from core.sealing import KeyNotHeldError, SealingError
from pickets import mails
from pickets.attending import TABLE
from pickets.models import (
    SHIFT_ROLE_LABELS,
    Broadcast,
    BroadcastKind,
    BroadcastMail,
    City,
    Participant,
    ParticipantState,
    Picket,
    PicketState,
    Shift,
    ShiftTaker,
)

log = logging.getLogger(__name__)

LOT = 200
REMINDED_BEFORE = timedelta(hours=24)
TEMPLATES = {
    BroadcastKind.CHANGED: "picket_changed",
    BroadcastKind.CANCELLED: "picket_cancelled",
    BroadcastKind.REMINDER: "picket_reminder",
}


def start_reminders() -> None:
    """Have participants of what is within a day reminded, once for each day that it was set to. Commits."""
    soon = Picket.starts_at.between(func.now(), func.now() + REMINDED_BEFORE)
    for picket in db.session.scalars(select(Picket).where(Picket.state == PicketState.ANNOUNCED, soon)).all():
        values = {
            "id": uuid4(),
            "picket_id": picket.id,
            "kind": BroadcastKind.REMINDER,
            "sequence": picket.starts_at.toordinal(),
        }
        db.session.execute(insert(Broadcast).values(values).on_conflict_do_nothing())
    db.session.commit()


def queue_lots(keyring: Keyring) -> Iterator[None]:
    """Queue what is left of every broadcast, the oldest first. Yields after each lot of mails, which is committed by then.

    A broadcast to somebody whose key is away waits for it; the others go on, and KeyNotHeldError is raised at the end.
    """
    waiting: list[UUID] = []
    away: KeyNotHeldError | None = None
    while (broadcast := _next(waiting)) is not None:
        broadcast_id = broadcast.id
        try:
            _queue_lot(broadcast, keyring)
        except KeyNotHeldError as error:
            db.session.rollback()
            waiting.append(broadcast_id)
            away = error
        else:
            db.session.commit()
            yield
    db.session.rollback()
    if away:
        raise away


def _next(but: Sequence[UUID]) -> Broadcast | None:
    """The oldest that is not finished, locked; none that another worker holds."""
    return db.session.scalar(
        select(Broadcast)
        .where(Broadcast.finished_at.is_(None), Broadcast.id.not_in(but))
        .order_by(Broadcast.created_at, Broadcast.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _queue_lot(broadcast: Broadcast, keyring: Keyring) -> None:
    """Queue the next LOT mails. Does not commit. Raises KeyNotHeldError."""
    picket = db.session.get_one(Picket, broadcast.picket_id, populate_existing=True)
    if picket.state == PicketState.CANCELLED:
        _drop_what_no_longer_holds(picket)
        if broadcast.kind != BroadcastKind.CANCELLED:
            broadcast.finished_at = func.now()
            return
    rows = db.session.execute(
        select(Participant, RowKey.id, RowKey.sealed)
        .join(RowKey, RowKey.id == Participant.row_key_id)
        .where(
            Participant.picket_id == picket.id,
            Participant.state == ParticipantState.COMING,
            Participant.mailbox_hmac.is_not(None),
            # Whoever joined later has read it on the page.
            *([] if broadcast.kind == BroadcastKind.REMINDER else [Participant.joined_at <= broadcast.created_at]),
            *([Participant.id > broadcast.cursor] if broadcast.cursor is not None else []),
        )
        .order_by(Participant.id)
        .limit(LOT)
    ).all()
    for participant, key_id, sealed_key in rows:
        broadcast.cursor = participant.id
        try:
            key = open_sealed_row_key(key_id, sealed_key, keyring.private_keys)
            record = decrypt_record(key, TABLE, participant.id, participant.sealed or b"")
        except KeyNotHeldError:
            raise
        except SealingError as error:
            # One row that does not open must not keep all others from learning it.
            log.error("participant %s cannot be written to: %s", participant.id, describe(error))
            continue
        shifts = _shifts_in_words(participant.id, picket, record["language"])
        mail = mails.news_mail(participant.id, record, picket, keyring, shifts)
        mail_id = uuid5(NAMESPACE_URL, f"{broadcast.id}/{participant.id}")
        queue_mail(TEMPLATES[BroadcastKind(broadcast.kind)], key_id, key, mail, mail_id=mail_id)
        db.session.add(BroadcastMail(mail_id=mail_id, broadcast_id=broadcast.id))
        broadcast.queued += 1
    if len(rows) < LOT:
        broadcast.finished_at = func.now()


def _drop_what_no_longer_holds(picket: Picket) -> None:
    """Nobody is reminded of what is cancelled, or told of a change of it."""
    earlier = select(BroadcastMail.mail_id).join(Broadcast, Broadcast.id == BroadcastMail.broadcast_id)
    earlier = earlier.where(Broadcast.picket_id == picket.id, Broadcast.kind != BroadcastKind.CANCELLED)
    waiting = OutboxMail.state == "queued", OutboxMail.leased_until.is_(None)
    stopped = update(OutboxMail).where(OutboxMail.id.in_(earlier), *waiting)
    db.session.execute(
        stopped.values(state="failed", sealed=None, finished_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def _shifts_in_words(participant_id: UUID, picket: Picket, language: str) -> list[str]:
    zone = ZoneInfo(db.session.get_one(City, picket.city_id).timezone)
    shifts = db.session.scalars(
        select(Shift)
        .join(ShiftTaker, ShiftTaker.shift_id == Shift.id)
        .where(ShiftTaker.participant_id == participant_id)
        .order_by(Shift.starts_at, Shift.id)
    )
    with force_locale(language):
        return [
            f"{SHIFT_ROLE_LABELS[one.role]}, {format_time(one.starts_at.astimezone(zone), 'HH:mm')}–{format_time(one.ends_at.astimezone(zone), 'HH:mm')}"
            for one in shifts
        ]
