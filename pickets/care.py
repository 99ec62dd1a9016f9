"""What happens to pickets by itself: they become public once they may, are over when they have ended, and are forgotten.

Runs in the worker; the clock is the database's.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from core.answers import forget_about
from core.extensions import db
from core.outbox import OutboxMail
from core.records import RowKey
from pickets import gate
from pickets.models import (
    AssemblyNotice,
    Broadcast,
    BroadcastMail,
    City,
    Participant,
    Photo,
    PhotoState,
    Picket,
    PicketState,
    ShiftTaker,
)
from pickets.services import facts_of

log = logging.getLogger(__name__)

KEPT_AFTER = timedelta(days=7)
"""How long after a picket's end anything about its participants is kept."""
PHOTOS_KEPT = timedelta(days=14)
"""How long a photo waits for its faces to be marked."""
NETWORKS_KEPT = timedelta(days=1)


def announce_due() -> int:
    """Make public what a coordinator agreed to and the rules no longer hold back. Commits. Returns how many."""
    done = 0
    due = Picket.state == PicketState.NOTIFIED, Picket.announce_at <= func.now(), Picket.starts_at > func.now()
    for picket in db.session.scalars(select(Picket).where(*due).with_for_update(skip_locked=True)).all():
        city, notice = db.session.get_one(City, picket.city_id), db.session.get_one(AssemblyNotice, picket.id)
        if gate.look(facts_of(picket, city, notice), _now()).blocks:
            continue  # Its page says what; nobody is told of it before that is mended.
        picket.state, picket.state_changed_at = PicketState.ANNOUNCED, func.now()
        picket.announced_at = picket.changed_at = func.now()
        done += 1
    db.session.commit()
    return done


def _now() -> datetime:
    return db.session.scalars(select(func.now())).one()


def end_over() -> None:
    """What was announced and has ended was held. Commits."""
    over = Picket.state == PicketState.ANNOUNCED, Picket.ends_at <= func.now()
    db.session.execute(
        update(Picket).where(*over).values(state=PicketState.HELD, state_changed_at=func.now()),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def purge_participants(now: datetime) -> bool:
    """Erase everything about the participants of one picket that ended KEPT_AFTER ago: their rows, keys, mails and answers.

    How many mails of a broadcast left stays as a number. Does not commit. Returns whether there was one.
    """
    over = Picket.ends_at <= now - KEPT_AFTER, Picket.purged_at.is_(None)
    picket = db.session.scalar(select(Picket).where(*over).limit(1).with_for_update(skip_locked=True))
    if picket is None:
        return False
    for broadcast in db.session.scalars(select(Broadcast).where(Broadcast.picket_id == picket.id)).all():
        of_it = select(BroadcastMail.mail_id).where(BroadcastMail.broadcast_id == broadcast.id)
        left = OutboxMail.id.in_(of_it), OutboxMail.state == "sent"
        broadcast.sent = db.session.scalars(select(func.count()).select_from(OutboxMail).where(*left)).one()
        broadcast.finished_at = broadcast.finished_at or func.now()
    db.session.flush()
    people = db.session.execute(
        select(Participant.id, Participant.row_key_id).where(Participant.picket_id == picket.id)
    ).all()
    keys = [key_id for _number, key_id in people if key_id is not None]
    unseen = {"synchronize_session": False}
    for number, _key in people:
        forget_about(number)
    mails = [delete(OutboxMail).where(OutboxMail.row_key_id.in_(keys)), delete(RowKey).where(RowKey.id.in_(keys))]
    numbers = [number for number, _key in people]
    mine = select(Broadcast.id).where(Broadcast.picket_id == picket.id)
    for statement in (
        *mails,
        delete(BroadcastMail).where(BroadcastMail.broadcast_id.in_(mine)),
        delete(ShiftTaker).where(ShiftTaker.participant_id.in_(numbers)),
        delete(Participant).where(Participant.id.in_(numbers)),
    ):
        db.session.execute(statement, execution_options=unseen)
    picket.purged_at = now
    db.session.flush()
    log.info("picket %s: all about its participants is erased", picket.id)
    return True


def forget_networks() -> None:
    """Forget which networks participants came from. Does not commit."""
    old = Participant.network.is_not(None), Participant.joined_at < func.now() - NETWORKS_KEPT
    db.session.execute(
        update(Participant).where(*old).values(network=None), execution_options={"synchronize_session": False}
    )


def forget_photos() -> None:
    """Erase photos that nobody published in time. Does not commit."""
    old = Photo.state != PhotoState.PUBLISHED, Photo.created_at < func.now() - PHOTOS_KEPT
    db.session.execute(delete(Photo).where(*old), execution_options={"synchronize_session": False})
