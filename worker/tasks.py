"""The tasks. Each is thin: load by id or look for work, call a domain's function, leave the state in the database."""

from __future__ import annotations

import logging
import time
from functools import partial
from uuid import UUID

from celery import Task, shared_task
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

import delivery.checks  # noqa: F401  # It registers its invariants.
import petitions.checks  # noqa: F401  # The same.
import pickets.checks  # noqa: F401  # The same.
from accounts.notices import forget_account_requests, forget_sessions
from core import vitals
from core.answers import forget_answers
from core.audit import carry_head
from core.config import current_config
from core.extensions import db
from core.fsck import run_fsck
from core.keyring import load_keyring
from core.queues import QUEUES, TaskName, wake
from delivery import building, claims, handing
from delivery.document import Engine
from petitions import cards, logbook, progress, quarantine, updates
from petitions.mailboxes import forget_mailboxes
from petitions.states import apply_moves, expire_unconfirmed, forget_duplicates, overwrite_names
from pickets import attending, broadcasts, care, drawing
from worker.drain import BATCH, drain_batch, forget_unreadable, report_missing_keys
from worker.mail import forget_sent, send_due
from worker.measures import measures
from worker.papers import draw_pack, draw_paper
from worker.pdf import draw_index, draw_register
from worker.seal import seal
from worker.typeset import draw_card

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
BUNDLE_SECONDS = 10.0
QUARANTINE_SECONDS = 5.0
CHECK_EVERY = 24 * 3600.0
SWEEP_REST = 1.0
"""Seconds. Sweeps that came together, because no worker was there to take them, are one for each process."""

_rests_until = 0.0
_waiting: set[UUID] = set()
"""Events that this process has found to need a key that is not here. It tries them again when its keys have changed."""
_waiting_for: set[UUID] = set()


@shared_task(name=TaskName.DRAIN)
def drain() -> None:
    """Take events out of the inbox until none is waiting, or for DRAIN_SECONDS: then others get their turn."""
    global _waiting_for
    ends = time.monotonic() + DRAIN_SECONDS
    most = BATCH
    while time.monotonic() < ends:
        keyring = load_keyring(current_config())
        if _waiting_for != (held := set(keyring.key_ids)):
            _waiting.clear()
            _waiting_for = held
        try:
            batch = drain_batch(keyring, _waiting, most)
        except OperationalError as error:
            if not isinstance(error.orig, (DeadlockDetected, LockNotAvailable)):
                raise
            # Two workers stood in each other's way; one of them, us, goes again with fewer: batches that share mailboxes
            # in another order would stand in each other's way for ever, and single events cannot.
            db.session.rollback()
            most = max(1, most // 10)
            continue
        _waiting.update(batch.waiting)
        if batch.mails:
            wake(TaskName.MAIL)
        if batch.recalled:
            wake(TaskName.BUNDLES)
        if batch.counted:
            wake(TaskName.PETITIONS)
        if batch.burst:
            wake(TaskName.QUARANTINE)
        if batch.events < most:
            return
        most = min(BATCH, 2 * most)
    wake(TaskName.DRAIN)


@shared_task(name=TaskName.MAIL)
def mail() -> None:
    """Send what is due in the outbox, at the sending rate."""
    if send_due(load_keyring(current_config()), current_config()):
        wake(TaskName.MAIL)


@shared_task(name=TaskName.BUNDLES)
def bundles() -> None:
    """Build volumes of bundles for BUNDLE_SECONDS: then mails get their turn."""
    config = current_config()
    engine = Engine(draw_register, draw_index, partial(seal, config=config))
    if building.build_some(load_keyring(config), engine, config, BUNDLE_SECONDS):
        wake(TaskName.BUNDLES)


@shared_task(name=TaskName.PETITIONS)
def petitions_care() -> None:
    """Close petitions whose time is over, record milestones, draw share cards, write logs, queue updates: whatever is due."""
    progress.close_ended()
    progress.record_milestones()
    cards.draw_due(draw_card)
    keyring = load_keyring(current_config())
    if logbook.write_due(keyring):
        wake(TaskName.BUNDLES)  # One may have waited for its signatures to be in the log.
    for _lot in updates.queue_lots(keyring):  # Last, for it raises when a key is away.
        wake(TaskName.MAIL)


@shared_task(name=TaskName.PICKETS)
def pickets_care() -> None:
    """Make pickets public that may be, end those that are over, tell participants: whatever is due. Then draw one paper."""
    care.announce_due()
    care.end_over()
    broadcasts.start_reminders()
    keyring = load_keyring(current_config())
    try:
        for _lot in broadcasts.queue_lots(keyring):
            wake(TaskName.MAIL)
    finally:  # It raises when a key is away, which papers need not wait for.
        if drawing.draw_next(draw_paper, draw_pack, keyring):
            wake(TaskName.PICKETS)  # Whatever has become due meanwhile goes before the next one.


@shared_task(name=TaskName.QUARANTINE)
def quarantine_care() -> None:
    """Hold back what bursts brought, and do what people decided about it: a lot at a time, for QUARANTINE_SECONDS."""
    ends = time.monotonic() + QUARANTINE_SECONDS
    keyring = load_keyring(current_config())
    lots: list[quarantine.Lot | None] = [quarantine.Lot()]
    passed_over, most = set[UUID](), quarantine.LOT_SIZE
    while any(lots) and time.monotonic() < ends:
        try:
            swept = _finished(quarantine.sweep_burst(most))
            done = _finished(quarantine.carry_out(keyring, passed_over, most))
        except OperationalError as error:
            if not isinstance(error.orig, (DeadlockDetected, LockNotAvailable)):
                raise
            # As in `drain`.
            db.session.rollback()
            most = max(1, most // 10)
            continue
        lots = [swept, done]
        passed_over |= done.passed_over if done else set()
        most = min(quarantine.LOT_SIZE, 2 * most)
    if any(lots):
        wake(TaskName.QUARANTINE)


def _finished(lot: quarantine.Lot | None) -> quarantine.Lot | None:
    """Commit it, with what follows from it."""
    if lot is not None:
        if lot.recalled:
            claims.recall_bundles(lot.recalled)
        apply_moves(lot.moves)
    db.session.commit()
    if lot is not None and lot.recalled:
        wake(TaskName.BUNDLES)
    if lot is not None and lot.mails:
        wake(TaskName.MAIL)
    return lot


@shared_task(name=TaskName.DOWNLOADS)
def downloads() -> None:
    """Seal ready bundles to the browsers that asked for them."""
    handing.answer_downloads(load_keyring(current_config()), current_config())


@shared_task(name=TaskName.SWEEP)
def sweep() -> None:
    """Find what a lost wake-up left unfinished: wake every task once. Each does nothing when there is nothing."""
    global _rests_until
    if time.monotonic() < _rests_until:
        return
    _rests_until = time.monotonic() + SWEEP_REST
    for task in (
        TaskName.DRAIN, TaskName.QUARANTINE, TaskName.MAIL, TaskName.BUNDLES, TaskName.DOWNLOADS, TaskName.PETITIONS, TaskName.PICKETS,
    ):  # fmt: skip
        wake(task)
    report_missing_keys(load_keyring(current_config()))


@shared_task(name=TaskName.PULSE, bind=True)
def pulse(self: Task) -> None:
    """Give a sign of life of whoever takes from the queue that this came by."""
    queue = (self.request.delivery_info or {}).get("routing_key")
    if queue in QUEUES:
        vitals.report(f"pulse.{queue}", {})


@shared_task(name=TaskName.MEASURE)
def measure() -> None:
    """Measure for the console's health panel, carry the audit trail's head elsewhere, have the invariants checked daily."""
    config = current_config()
    vitals.report("measures", measures(config))
    carry_head(config.audit_heads)
    checked = vitals.read_vitals().get("fsck")
    if checked is None or checked[1] > CHECK_EVERY:
        wake(TaskName.CHECK)


@shared_task(name=TaskName.CHECK)
def check() -> None:
    """What `flask fsck` does, for the health panel."""
    try:
        broken = [item.name for item, number in run_fsck() if number]
    except Exception:
        # A check that cannot be made must not look like one that found nothing; what went wrong is logged where it is caught.
        db.session.rollback()
        vitals.report("fsck", {"broken": ["?"]})
        raise
    if broken:
        log.error("invariants broken: %s", ", ".join(broken))
    vitals.report("fsck", {"broken": broken})


@shared_task(name=TaskName.PURGE)
def purge() -> None:
    """Erase what nobody may keep any longer; what holds locks that others want, a few hundred rows a transaction."""
    now = db.session.scalars(select(func.now())).one()
    quarantine.drop_abandoned()
    db.session.commit()
    for step in (
        expire_unconfirmed,
        forget_duplicates,
        quarantine.forget_decided,
        quarantine.expire_held,
        care.purge_participants,
    ):
        while step(now):
            db.session.commit()
    forget_mailboxes(now)
    db.session.commit()
    for forget in (
        forget_answers, forget_sent, forget_unreadable, forget_sessions, forget_account_requests, progress.forget_reports,
        quarantine.forget_traces, attending.expire_unconfirmed, care.forget_networks, care.forget_photos, care.forget_events,
        handing.forget_parts,
    ):  # fmt: skip
        forget()
        db.session.commit()
    overwrite_names()
    claims.destroy_expired()
    building.remove_destroyed(current_config())
