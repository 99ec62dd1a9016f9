"""The drain: opens events and lets their domains act, at most BATCH in one transaction.

A crash rolls the whole batch back, and the next drain finds it again. An event that fails is undone by itself and
tried again later, so that it cannot hold up the others; one that does not open is set aside at once. Only what names
a key of ours that is not here waits for it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, all_, any_, func, literal, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from accounts import mailing
from accounts.notices import queue_notice
from core.answers import answer
from core.errors import UnavailableError, describe
from core.extensions import db
from core.inbox import MAX_ATTEMPTS, InboxEvent, PublicSealingKey
from core.keyring import Keyring
from core.sealing import KeyNotHeldError, context, unseal
from delivery.claims import recall_bundles
from petitions import intake, lookup, personal, receipts, states
from petitions.bursts import Mark, Sighted, note_sightings
from petitions.intake import Opened
from petitions.states import Moves, Outcome
from pickets import attending
from pickets.attending import Told

log = logging.getLogger(__name__)

BATCH = 500
ANSWER_LIFETIME = timedelta(hours=1)
KEY_MARGIN = timedelta(hours=1)
"""How long after a key's end an event may still name it: the web keeps its list of keys for some seconds."""

Handler = Callable[[Sequence[Opened], Keyring], Sequence[Outcome]]


def _one_by_one(handle: Callable[[InboxEvent, Mapping[str, Any], Keyring], Outcome]) -> Handler:
    def deal(opened: Sequence[Opened], keyring: Keyring) -> Sequence[Outcome]:
        outcomes = []
        for event, payload in opened:
            outcomes.append(outcome := handle(event, payload, keyring))
            if outcome.answer is not None and isinstance(payload.get("answer_key"), str):
                # At once, not when all are dealt with: the next event may erase whom this answer is about, and it with them.
                answer(event.id, payload["answer_key"], outcome.answer.encode(), ANSWER_LIFETIME, outcome.about)
        return outcomes

    return deal


def _told(handle: Callable[[InboxEvent, Mapping[str, Any], Keyring], Told]) -> Handler:
    """What participants do moves no count of signatures."""

    def outcome(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
        told = handle(event, payload, keyring)
        return Outcome(told.answer, Counter(), mails=told.mails, about=told.about)

    return _one_by_one(outcome)


def _notice(_event: InboxEvent, payload: Mapping[str, Any], _keyring: Keyring) -> Outcome:
    queue_notice(payload)
    return Outcome(None, Counter(), mails=1)


WEB, CONSOLE = "zbor_web", "zbor_console"

HANDLERS: Mapping[tuple[str, str], Handler] = {
    (WEB, "sign"): intake.record_signatures,
    (WEB, "confirm"): _one_by_one(states.confirm_signature),
    (WEB, "withdraw"): _one_by_one(states.withdraw_signature),
    (WEB, "code"): _one_by_one(personal.confirm_by_code),
    (WEB, "resend"): _one_by_one(personal.send_again),
    (WEB, "not_me"): _one_by_one(personal.was_not_me),
    (WEB, "show"): _one_by_one(personal.show_own),
    (WEB, "change"): _one_by_one(personal.change_own),
    (WEB, "receipt"): _one_by_one(receipts.give_receipt),
    (WEB, "unsubscribe"): _one_by_one(personal.unsubscribe),
    (WEB, "report"): _one_by_one(personal.record_report),
    (WEB, "join"): _told(attending.record_join),
    (WEB, "join_confirm"): _told(attending.confirm_join),
    (WEB, "attend"): _told(attending.attend),
    (CONSOLE, attending.SHIFT_LIST): _told(attending.tell_shifts),
    (CONSOLE, mailing.KIND): _one_by_one(_notice),
    (CONSOLE, lookup.KIND): _one_by_one(lookup.find_signatures),
}
"""By the database role that wrote the event, which PostgreSQL vouches for, and its kind. Nobody may ask for more."""


@dataclass(slots=True)
class Batch:
    """What one transaction did."""

    events: int = 0
    mails: int = 0
    waiting: list[UUID] = field(default_factory=list)
    """Events that need a key of a row which is sealed to a key that is not here."""
    recalled: bool = False
    counted: bool = False
    """Whether a count moved, so that a milestone may have been reached."""
    burst: bool = False
    """Whether a burst was found, whose first hour is to be held back."""


def drain_batch(keyring: Keyring, but: Collection[UUID] = (), most: int | None = None) -> Batch:
    """Deal with the oldest waiting events, but for those whose key is away. Commits once. Lets a lost database raise.

    `but` are events that are not to be taken; `most` is how many are, BATCH without it.
    """
    events = db.session.scalars(
        select(InboxEvent)
        .where(
            InboxEvent.state == "new",
            ~_waits_for_its_key(keyring),
            InboxEvent.id != all_(literal(list(but), ARRAY(Uuid))),
        )
        .order_by(InboxEvent.received_at)
        .limit(most or BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    batch = Batch(events=len(events))
    moves: Moves = Counter()
    sighted: Counter[Sighted] = Counter()
    free: set[Mark] = set()
    erased: set[UUID] = set()
    opened = [one for event in events if (one := _open(event, keyring)) is not None]
    # What came one after the other and is of one kind is dealt with together; the order of arrival stays.
    for _kind, group in groupby(opened, key=lambda one: (one[0].origin, one[0].kind)):
        for outcome in _deal_with(list(group), keyring, batch):
            moves.update(outcome.moves)
            sighted.update(outcome.sighted)
            free |= outcome.free
            batch.mails += outcome.mails
            erased |= outcome.erased
    if erased:
        recall_bundles(erased)
    batch.recalled = bool(erased)
    batch.counted = any(state == "counted" for _petition, _addressee, _came, state, _country, _day in moves)
    states.apply_moves(moves)
    batch.burst = note_sightings(sighted, free)
    if batch.waiting:
        log.error(
            "%d events need the sealing key of a row, which is not among the worker's secrets", len(batch.waiting)
        )
    db.session.commit()
    return batch


def _waits_for_its_key(keyring: Keyring) -> ColumnElement[bool]:
    """Whether an event names a key that the web was told to seal to when the event came, and that is not here now.

    Any other key is a forger's invention. Its events must not wait, for they would wait for ever.
    """
    in_force = (
        PublicSealingKey.id == InboxEvent.key_id,
        PublicSealingKey.purpose == "worker",
        PublicSealingKey.not_before <= InboxEvent.received_at,
        PublicSealingKey.not_after > InboxEvent.received_at - KEY_MARGIN,
    )
    return InboxEvent.key_id.not_in(keyring.key_ids) & select(PublicSealingKey.id).where(*in_force).exists()


def report_missing_keys(keyring: Keyring) -> None:
    """Raise the alarm when events wait for a key that is not here. Changes nothing."""
    rows = db.session.execute(
        select(InboxEvent.key_id, func.count())
        .where(InboxEvent.state == "new", _waits_for_its_key(keyring))
        .group_by(InboxEvent.key_id)
    ).all()
    for key_id, waiting in rows:
        log.error("%d events wait for the sealing key %s, which is not among the worker's secrets", waiting, key_id)


def _open(event: InboxEvent, keyring: Keyring) -> Opened | None:
    try:
        payload = unseal(event.sealed or b"", keyring.private_keys, context(event.kind, event.petition_id, event.id))
        HANDLERS[event.origin, event.kind]
    except Exception as error:
        # Whatever a payload can do to its reader (a thousand nested lists, say), it does to itself alone. An event that
        # names a key we hold and is not sealed to it is a forgery, and ends here, too.
        event.state = "unreadable"
        event.drained_at = func.now()
        log.warning("event %s set aside as unreadable: %s", event.id, describe(error))
        return None
    return event, payload


def _deal_with(opened: Sequence[Opened], keyring: Keyring, batch: Batch) -> Sequence[Outcome]:
    """Deal with events of one kind. When that fails, with each by itself, so that one cannot hold up the others."""
    ids = [event.id for event, _ in opened]
    origin, kind = opened[0][0].origin, opened[0][0].kind
    try:
        with db.session.begin_nested():
            outcomes = HANDLERS[origin, kind](opened, keyring)
            done = update(InboxEvent).where(InboxEvent.id == any_(literal(ids, ARRAY(Uuid))))
            # The session need not know, which would compare each event with each of these.
            unseen = {"synchronize_session": False}
            db.session.execute(done.values(state="done", sealed=None, drained_at=func.now()), execution_options=unseen)
    except (OperationalError, InterfaceError, UnavailableError):
        # The database is away or chose us to end a deadlock, or no key is valid: not this event's fault. The whole
        # batch is tried again.
        raise
    except Exception as error:
        if len(opened) > 1:
            return [outcome for one in opened for outcome in _deal_with([one], keyring, batch)]
        event = opened[0][0]
        if isinstance(error, KeyNotHeldError):
            batch.waiting.append(ids[0])
            return []
        # Anything else is this event's own fault, and must not block the others.
        log.error("event %s of kind %s failed: %s", ids[0], kind, describe(error))
        event.attempts += 1
        if event.attempts >= MAX_ATTEMPTS:
            event.state, event.drained_at = "failed", func.now()
        return []
    return outcomes


def forget_unreadable() -> None:
    """Erase the payloads of events that were set aside, after as long as an unconfirmed signature. Does not commit."""
    old = InboxEvent.state.in_(("unreadable", "failed")), InboxEvent.received_at < func.now() - states.CONFIRM_WITHIN
    held = update(InboxEvent).where(*old, InboxEvent.sealed.is_not(None))
    db.session.execute(held.values(sealed=None, state="unreadable"))
