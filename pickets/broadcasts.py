"""One mail to each participant with an address: that something has changed, that it is cancelled, that it is tomorrow.

Runs in the worker; keys are passed in. Who is done moves on in the transaction that queues the mails, and a mail's number
follows from the broadcast and the participant: a worker that dies leaves none out and none twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.outbox import in_lots, queue_mail
from core.records import RowKey, decrypt_record, open_sealed_row_key
from core.sealing import KeyNotHeldError, SealingError
from pickets import mails
from pickets.attending import TABLE
from pickets.models import (
    Broadcast,
    BroadcastKind,
    BroadcastMail,
    Participant,
    ParticipantState,
    Picket,
    PicketState,
)
from pickets.pub import PublicPicket
from pickets.taking import SURE_BEFORE

log = logging.getLogger(__name__)

LOT = 200


def start_reminders() -> None:
    """Have participants of what is public and within a day reminded, once for each beginning that it was set to. Commits."""
    soon = Picket.starts_at.between(func.now(), func.now() + SURE_BEFORE)
    coming = Picket.state == PicketState.ANNOUNCED, Picket.id.in_(select(PublicPicket.id))
    for picket in db.session.scalars(select(Picket).where(*coming, soon)).all():
        values = {
            "id": uuid4(),
            "picket_id": picket.id,
            "kind": BroadcastKind.REMINDER,
            "sequence": mails.reminder_sequence(picket.starts_at),
        }
        db.session.execute(insert(Broadcast).values(values).on_conflict_do_nothing())
    db.session.commit()


def queue_lots(keyring: Keyring) -> Iterator[None]:
    """Queue what is left of every broadcast, the oldest first; yields and raises as `in_lots`."""
    yield from in_lots(_next, lambda broadcast: broadcast.id, lambda broadcast: _queue_lot(broadcast, keyring))


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
    template = mails.OF_KIND[BroadcastKind(broadcast.kind)]
    if not mails.is_so(template, picket, broadcast.sequence):
        broadcast.finished_at = func.now()
        return
    rows = db.session.execute(
        select(Participant, RowKey.id, RowKey.sealed)
        .join(RowKey, RowKey.id == Participant.row_key_id)
        .where(
            Participant.picket_id == picket.id,
            Participant.state == ParticipantState.COMING,
            Participant.mailbox_hmac.is_not(None),
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
        mail_id = mails.mail_number(broadcast.id, participant.id)
        queue_mail(template, key_id, key, mails.news_mail(participant.id, record, broadcast, keyring), mail_id=mail_id)
        db.session.add(BroadcastMail(mail_id=mail_id, broadcast_id=broadcast.id))
        broadcast.queued += 1
    if len(rows) < LOT:
        broadcast.finished_at = func.now()
