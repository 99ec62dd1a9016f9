"""What happens to pickets by itself: they become public once they may, are over when they have ended, and are forgotten.

Runs in the worker; the clock is the database's.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update

from core.answers import forget_about
from core.errors import describe
from core.extensions import db
from core.inbox import InboxEvent
from core.outbox import OutboxMail
from core.records import RowKey
from pickets import gate, services
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
from pickets.pub import PublicPicket

log = logging.getLogger(__name__)

KEPT_AFTER = timedelta(days=7)
"""How long after a picket's end, or its cancellation, anything about its participants is kept."""
PHOTOS_KEPT = timedelta(days=14)
"""How long a photo waits for its faces to be marked."""
NETWORKS_KEPT = timedelta(days=1)
EVENTS = ("join", "join_confirm", "attend")
"""Kinds of what participants send."""


_DUE = Picket.state == PicketState.NOTIFIED, Picket.announce_at <= func.now(), Picket.starts_at > func.now()


def announce_due() -> int:
    """Make public what a coordinator agreed to and the rules no longer hold back. Commits each. Returns how many.

    One that fails stops no other.
    """
    done = 0
    for picket_id in db.session.scalars(select(Picket.id).where(*_DUE).order_by(Picket.announce_at)).all():
        try:
            if _announce(picket_id):
                db.session.commit()
                done += 1
            else:
                db.session.rollback()
        except Exception as error:
            db.session.rollback()
            log.error("picket %s cannot be announced: %s", picket_id, describe(error))
    return done


def _announce(picket_id: UUID) -> bool:
    """Make one public, if it still may be. Does not commit. Returns whether the public sees it then."""
    same = select(Picket).where(Picket.id == picket_id, *_DUE).with_for_update(skip_locked=True)
    picket = db.session.scalar(same.execution_options(populate_existing=True))
    if picket is None:
        return False
    city, notice = db.session.get_one(City, picket.city_id), db.session.get_one(AssemblyNotice, picket.id)
    if gate.look(services.facts_of(picket, city, notice), services.now()).blocks:
        return False  # Its page says what; nobody is told of it before that is mended.
    picket.state, picket.state_changed_at = PicketState.ANNOUNCED, func.now()
    picket.announced_at = picket.changed_at = func.now()
    db.session.flush()
    # It waits while its petition is not public.
    return db.session.scalar(select(PublicPicket.id).where(PublicPicket.id == picket_id)) is not None


def end_over() -> None:
    """What was announced and has ended was held. Commits."""
    # Those that somebody holds who joins them are left for the next pass: to wait for one while holding others can end in a deadlock.
    over = Picket.state == PicketState.ANNOUNCED, Picket.ends_at <= func.now()
    free = select(Picket.id).where(*over).with_for_update(skip_locked=True)
    db.session.execute(
        update(Picket).where(Picket.id.in_(free)).values(state=PicketState.HELD, state_changed_at=func.now()),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def purge_participants(now: datetime) -> bool:
    """Erase everything about the participants of one picket that ended, or was cancelled, KEPT_AFTER ago: rows, keys, mails and answers.

    How many mails of a broadcast left, and how many could not, stays as a number. Does not commit. Returns whether there was one.
    """
    over = func.least(Picket.ends_at, Picket.cancelled_at) <= now - KEPT_AFTER
    picket = db.session.scalar(
        select(Picket).where(over, Picket.purged_at.is_(None)).limit(1).with_for_update(skip_locked=True)
    )
    if picket is None:
        return False
    for broadcast in db.session.scalars(select(Broadcast).where(Broadcast.picket_id == picket.id)).all():
        of_it = select(BroadcastMail.mail_id).where(BroadcastMail.broadcast_id == broadcast.id)
        ended = select(OutboxMail.state, func.count()).where(OutboxMail.id.in_(of_it)).group_by(OutboxMail.state)
        numbers = {state: number for state, number in db.session.execute(ended)}  # noqa: C416  # As in services.names_of.
        broadcast.sent, broadcast.failed = numbers.get("sent", 0), numbers.get("failed", 0)
        broadcast.finished_at = broadcast.finished_at or func.now()
    db.session.flush()
    people = db.session.execute(
        select(Participant.id, Participant.row_key_id).where(Participant.picket_id == picket.id)
    ).all()
    keys = [key_id for _number, key_id in people if key_id is not None]
    unseen = {"synchronize_session": False}
    for number in (picket.id, *(number for number, _key in people)):
        forget_about(number)
    people_ids = [number for number, _key in people]
    mine = select(Broadcast.id).where(Broadcast.picket_id == picket.id)
    # Those of who has left have no key any more.
    told = select(BroadcastMail.mail_id).where(BroadcastMail.broadcast_id.in_(mine))
    for statement in (
        delete(OutboxMail).where(OutboxMail.row_key_id.in_(keys) | OutboxMail.id.in_(told)),
        delete(RowKey).where(RowKey.id.in_(keys)),
        delete(BroadcastMail).where(BroadcastMail.broadcast_id.in_(mine)),
        delete(ShiftTaker).where(ShiftTaker.participant_id.in_(people_ids)),
        delete(Participant).where(Participant.id.in_(people_ids)),
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


def forget_events() -> None:
    """Erase what participants sent and we could not deal with, KEPT_AFTER it came: no later than all else about them. Does not commit."""
    set_aside = InboxEvent.kind.in_(EVENTS), InboxEvent.state.in_(("unreadable", "failed"))
    old = InboxEvent.sealed.is_not(None), InboxEvent.received_at < func.now() - KEPT_AFTER
    db.session.execute(
        update(InboxEvent).where(*set_aside, *old).values(sealed=None, state="unreadable"),
        execution_options={"synchronize_session": False},
    )


def forget_photos() -> None:
    """Erase photos that nobody published in time. Does not commit."""
    old = Photo.state != PhotoState.PUBLISHED, Photo.created_at < func.now() - PHOTOS_KEPT
    db.session.execute(delete(Photo).where(*old), execution_options={"synchronize_session": False})
