"""What is held back for people to decide: sweeping what a burst brought, and doing what people decided, and undoing it.

Runs in the worker. A sweep or a decision goes lot by lot, each lot its own transaction, so that one of thousands holds up
nobody and a crash in the middle loses nothing: what is done is what the rows say.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    String,
    Uuid,
    all_,
    and_,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError

from accounts.approvals import LIFE
from accounts.models import Approval, ApprovalState
from core.bulk import insert_rows
from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.outbox import OutboxMail, queue_mail
from core.records import open_row_key
from core.sealing import KeyNotHeldError
from petitions.bursts import end_quiet, forget_sightings, hour_of, unswept
from petitions.held import KIND, UNDO_WITHIN, decided_alone, is_agreed
from petitions.mailboxes import Key, lock_mailboxes, take_mail
from petitions.mails import signer_mail
from petitions.models import (
    Burst,
    BurstKind,
    Decision,
    DecisionState,
    Hold,
    Mailbox,
    PublicName,
    Signature,
    SignatureState,
    SpentProof,
    Trace,
)
from petitions.rules import ALONE_A_DAY
from petitions.screening import CHECKS, PASS_KEY
from petitions.states import NO_SYNC, Moves, erase, erase_all, let_count, open_record, place, with_family

log = logging.getLogger(__name__)

LOT_SIZE = 500
TRACES_KEPT_FOR = timedelta(days=14)
HELD_FOR = timedelta(days=30)
"""How long an address that nobody confirmed is kept waiting for a decision."""

"""Petition and addressee whose bundles hold something that they now should not, counted since this moment."""


@dataclass(slots=True)
class Lot:
    """What one transaction did. The tallies move last, after bundles are recalled: in the order in which the drain locks."""

    moves: Moves = field(default_factory=Counter)
    recalled: set[UUID] = field(default_factory=set)
    """Signatures that count no more, for bundles that may hold them."""
    mails: int = 0
    passed_over: set[UUID] = field(default_factory=set)
    """Signatures that could not be dealt with now, a key of theirs being away, say; and decisions that have nothing else left."""


_POINTS = {check.code: check.points for check in CHECKS}


def sweep_burst(most: int = LOT_SIZE) -> Lot | None:
    """Hold back a lot of what had come before a burst was noticed. Commits nothing. None when there is nothing to do."""
    # Its key may be shared: whoever holds back what belongs to it need not wait, and could not with signatures that we want.
    burst = db.session.scalar(unswept().limit(1).with_for_update(skip_locked=True, key_share=True))
    if burst is None:
        end_quiet()
        return None
    code = f"{burst.kind}_burst"
    key = {BurstKind.NETWORK: Trace.network, BurstKind.DOMAIN: Trace.domain}[BurstKind(burst.kind)]
    here = Trace.petition_id == burst.petition_id, key == burst.key, Trace.received_at >= burst.since
    rows = db.session.execute(
        select(Signature, Trace)
        .join(Trace, Trace.signature_id == Signature.id)
        .where(*here, Signature.state.in_((SignatureState.PENDING, SignatureState.COUNTED)))
        .where(~select(Hold.signature_id).where(Hold.signature_id == Signature.id).exists())
        .order_by(Signature.id)
        .limit(most)
        .with_for_update(of=Signature)
        .execution_options(populate_existing=True)
    ).all()
    if not rows:
        _gather_held(burst, code, here)
        burst.swept = True
        db.session.flush()
        return Lot()
    lot = Lot()
    for signature, trace in rows:
        trace.score, trace.reasons = trace.score + _POINTS[code], [code, *trace.reasons]
        _hold(signature, code, lot)
    holds = [
        {
            "signature_id": signature.id,
            "petition_id": signature.petition_id,
            "burst_id": burst.id,
            "reasons": trace.reasons,
            "score": trace.score,
            "country_code": signature.country_code,
            "hour": hour_of(signature.received_at),
            "provider": trace.provider,
            "confirmed": signature.confirmed_at is not None,
        }
        for signature, trace in rows
    ]
    db.session.flush()
    db.session.execute(insert_rows(Hold, holds))
    _unname([signature.id for signature, _ in rows])
    return lot


def _gather_held(burst: Burst, code: str, here: Sequence[ColumnElement[bool]]) -> None:
    """What was held back for reasons of its own, and turns out to belong to the burst, is decided about with it."""
    values = {
        "burst_id": burst.id,
        "score": Hold.score + _POINTS[code],
        "reasons": func.array_prepend(code, Hold.reasons),
    }
    alone = Hold.signature_id == Trace.signature_id, Hold.burst_id.is_(None), Hold.decision_id.is_(None)
    db.session.execute(update(Hold).where(*here, *alone).values(values), execution_options=NO_SYNC)


def _hold(signature: Signature, reason: str, lot: Lot) -> None:
    """Take a signature out of the count, or out of those that may come into it."""
    lot.moves[place(signature)] -= 1
    if signature.counted_at is not None:
        signature.confirmed_at = signature.counted_at
        lot.recalled.add(signature.id)
    signature.state, signature.reason, signature.counted_at = SignatureState.QUARANTINED, reason, None
    lot.moves[place(signature)] += 1


def _unname(ids: Iterable[UUID]) -> None:
    db.session.execute(delete(PublicName).where(PublicName.signature_id.in_(list(ids))))


def carry_out(keyring: Keyring, but: Collection[UUID] = (), most: int = LOT_SIZE) -> Lot | None:
    """Do a lot of what people decided, or undo it. Commits nothing. None when there is nothing to do.

    `but` are signatures and decisions that were passed over; they are tried again with the next sweep.
    """
    open_states = DecisionState.READY, DecisionState.UNDO
    decision = db.session.scalar(
        select(Decision)
        .where(Decision.state.in_(open_states), _is_none_of(Decision.id, but))
        .order_by(Decision.requested_at, Decision.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if decision is None:
        return None
    if decision.state == DecisionState.READY and not _is_allowed(decision):
        # Nobody's console does this; whoever wrote it there by another way is not obeyed.
        _close(decision, DecisionState.REFUSED)
        return Lot()
    undoing = decision.state == DecisionState.UNDO
    to_do = _still_to_do(decision, undoing=undoing)
    ids = db.session.scalars(to_do.where(_is_none_of(Signature.id, but)).limit(most)).all()
    if not ids:
        if db.session.scalar(to_do.limit(1)) is not None:
            return Lot(passed_over={decision.id})
        _close(decision, DecisionState.UNDONE if undoing else DecisionState.DONE)
        return Lot()
    lot = Lot()
    # Before the signatures, as the drain does it.
    mailboxes = _lock_mailboxes_of(ids) if decision.kind == "release" and not undoing else {}
    keyless = 0
    for signature_id in ids:
        own = Lot()
        try:
            with db.session.begin_nested():
                _move(signature_id, decision, mailboxes, keyring, own)
        except (OperationalError, InterfaceError):
            raise
        except KeyNotHeldError:
            keyless += 1
            lot.passed_over.add(signature_id)
        except Exception as error:
            # Something is wrong with this signature alone, and must not hold up the others.
            log.error("signature %s of a decision is passed over: %s", signature_id, describe(error))
            lot.passed_over.add(signature_id)
        else:
            _add(lot, own)
    if keyless:
        log.error("%d released signatures need a sealing key, which is not among the worker's secrets", keyless)
    if lot.passed_over.issuperset(ids):
        # So it will be with the next lots of this decision; trying them all would take the time of others.
        lot.passed_over.add(decision.id)
    return lot


def _is_none_of(column: Any, ids: Collection[UUID]) -> ColumnElement[bool]:
    unlike: ColumnElement[bool] = column != all_(literal(list(ids), ARRAY(Uuid)))
    return unlike


def _add(lot: Lot, own: Lot) -> None:
    lot.moves.update(own.moves)
    lot.recalled |= own.recalled
    lot.mails += own.mails
    lot.passed_over |= own.passed_over


def _lock_mailboxes_of(ids: Collection[UUID]) -> dict[Key, Mailbox]:
    """The mailboxes that will be asked to confirm."""
    asked = Signature.id.in_(ids), Signature.confirmed_at.is_(None), Signature.mailbox_hmac.is_not(None)
    keys = db.session.execute(select(Signature.petition_id, Signature.mailbox_hmac).where(*asked)).all()
    return lock_mailboxes([(row[0], row[1] or b"") for row in keys], _now())


def _move(signature_id: UUID, decision: Decision, mailboxes: Mapping[Key, Mailbox], keyring: Keyring, lot: Lot) -> None:
    """Do with one signature what was decided."""
    signature, family = with_family(db.session.get(Signature, signature_id))
    if signature is None or signature.row_key_id is None:
        # It was withdrawn while we waited for the lock, and its hold went with it.
        lot.passed_over.add(signature_id)
    elif decision.state == DecisionState.UNDO:
        if signature.state in (SignatureState.PENDING, SignatureState.COUNTED, SignatureState.REJECTED):
            _hold(signature, db.session.get_one(Hold, signature.id).reasons[0], lot)
            _unname([signature.id])
    elif signature.state != SignatureState.QUARANTINED:
        return
    elif decision.kind == "reject":
        _reject(signature, lot)
    else:
        _release(signature, family, mailboxes, keyring, lot)
    db.session.flush()


def _is_allowed(decision: Decision) -> bool:
    """Whether one person may decide this alone, or a second one agreed. The tables are asked, not the console."""
    chosen = select(func.count()).select_from(Hold).where(Hold.decision_id == decision.id).scalar_subquery()
    before = decided_alone(decision.petition_id, decision.requested_by, decision.requested_at)
    # This decision is among those before it, unless a second person agreed.
    total, others = db.session.execute(select(chosen, before - Decision.total).where(Decision.id == decision.id)).one()
    # Withdrawn signatures are among its total no less: what it was asked for counts for the others, too.
    return max(total, decision.total) + others <= ALONE_A_DAY or bool(db.session.scalar(select(is_agreed(decision.id))))


def _still_to_do(decision: Decision, *, undoing: bool) -> Select[UUID]:
    """Signatures of a decision that are not yet where it wants them, in the order in which all workers lock them."""
    away = Signature.state == SignatureState.QUARANTINED
    if undoing:
        back = SignatureState.PENDING, SignatureState.COUNTED, SignatureState.REJECTED
        away = and_(Signature.state.in_(back), Signature.row_key_id.is_not(None))
    chosen = select(Signature.id).join(Hold, Hold.signature_id == Signature.id).where(Hold.decision_id == decision.id)
    return chosen.where(away).order_by(Signature.id)


def _release(
    signature: Signature,
    family: Sequence[Signature],
    mailboxes: Mapping[Key, Mailbox],
    keyring: Keyring,
    lot: Lot,
) -> None:
    """Let it count if its signer has confirmed, and otherwise ask for that."""
    signature.reason = None
    if signature.confirmed_at is not None:
        lot.moves.update(let_count(signature, family, keyring)[1])
        return
    record = open_record(signature, keyring)
    lot.moves[place(signature)] -= 1
    signature.state, signature.asked_at = SignatureState.PENDING, func.now()
    db.session.flush()
    lot.moves[place(signature)] += 1
    mailbox = mailboxes[signature.petition_id, signature.mailbox_hmac or b""]
    if signature.row_key_id is None or mailbox.blocked_at is not None:
        return
    # Of what came in a flood the mail was counted, and not sent. Now it is; any other is one more.
    written = select(OutboxMail.id).where(OutboxMail.row_key_id == signature.row_key_id)
    if db.session.scalar(written.limit(1)) is not None and not take_mail(mailbox, _now()):
        return
    key = open_row_key(signature.row_key_id, keyring.private_keys)
    language = str(record.get("language", "en"))
    queue_mail(*signer_mail("confirm", signature.id, signature.row_key_id, key, record["email"], language, keyring))
    lot.mails += 1


def _now() -> datetime:
    return db.session.scalars(select(func.now())).one()


def _reject(signature: Signature, lot: Lot) -> None:
    """It counts no more. What is personal of it stays until the decision cannot be undone any longer."""
    lot.moves[place(signature)] -= 1
    signature.state, signature.reason = SignatureState.REJECTED, "by_people"
    lot.moves[place(signature)] += 1


def _close(decision: Decision, state: DecisionState) -> None:
    decision.state, decision.done_at = state, func.now()
    db.session.flush()
    if state != DecisionState.DONE:
        free = update(Hold).where(Hold.decision_id == decision.id).values(decision_id=None)
        db.session.execute(free, execution_options=NO_SYNC)


def drop_abandoned() -> None:
    """Requests for a second person that ran out: what they were about waits for a decision again. Does not commit."""
    theirs = Approval.kind == KIND.name, Approval.object_id == cast(Decision.id, String)
    alive = or_(
        Approval.state == ApprovalState.APPROVED,
        and_(Approval.state == ApprovalState.PENDING, Approval.expires_at > func.now()),
    )
    abandoned = ~select(Approval.id).where(*theirs, alive).exists()
    rows = select(Decision).where(Decision.state == DecisionState.WAITING, abandoned).with_for_update(skip_locked=True)
    for decision in db.session.scalars(rows).all():
        _close(decision, DecisionState.REFUSED)


def forget_decided(now: datetime, at_most: int = LOT_SIZE) -> int:
    """Erase what was rejected, and the notes on what was released, once that cannot be undone any more. Returns how many."""
    over = select(Decision.id).where(Decision.state == DecisionState.DONE, Decision.done_at <= now - UNDO_WITHIN)
    ids = db.session.scalars(
        select(Hold.signature_id).where(Hold.decision_id.in_(over)).order_by(Hold.signature_id).limit(at_most)
    ).all()
    # One that somebody else has locked is left, with its hold, for the next time: without it nobody would find it again.
    locked = _lock(Signature.id.in_(ids))
    for signature in locked:
        if signature.state == SignatureState.REJECTED:
            erase(signature, SignatureState.REJECTED, signature.reason or "by_people")
    forgotten = delete(Hold).where(Hold.signature_id.in_([signature.id for signature in locked]))
    db.session.execute(forgotten, execution_options=NO_SYNC)
    return len(locked)


def expire_held(now: datetime, at_most: int = LOT_SIZE) -> int:
    """Erase addresses that nobody confirmed, and about which nobody decided, after HELD_FOR. Returns how many.

    What was decided and could not be done, a key being away, is waited for no longer than for a second person.
    """
    is_held = Hold.signature_id == Signature.id, Signature.state == SignatureState.QUARANTINED
    too_long = or_(Hold.decision_id.is_(None), Hold.held_at <= now - HELD_FOR - LIFE)
    unconfirmed = select(Hold.signature_id).join(Signature, and_(*is_held)).where(~Hold.confirmed, too_long)
    ids = unconfirmed.where(Hold.held_at <= now - HELD_FOR).limit(at_most)
    overdue = _lock(Signature.id.in_(ids), Signature.state == SignatureState.QUARANTINED)
    erase_all(overdue, SignatureState.EXPIRED, "unconfirmed")
    return len(overdue)


def _lock(*which: ColumnElement[bool]) -> Sequence[Signature]:
    locked = select(Signature).where(*which).order_by(Signature.id).with_for_update(skip_locked=True)
    return db.session.scalars(locked.execution_options(populate_existing=True)).all()


def forget_traces() -> None:
    """Erase what the checks saw, and which proofs were spent, when neither is needed any more. Does not commit."""
    db.session.execute(delete(Trace).where(Trace.received_at < func.now() - TRACES_KEPT_FOR), execution_options=NO_SYNC)
    # The worker could tell at which picket somebody stood, as long as it is there.
    passed = func.length(Trace.network) == PASS_KEY, Trace.received_at < func.now() - timedelta(days=1)
    db.session.execute(update(Trace).where(*passed).values(network=None), execution_options=NO_SYNC)
    db.session.execute(
        delete(SpentProof).where(SpentProof.spent_at < func.now() - timedelta(days=1)), execution_options=NO_SYNC
    )
    forget_sightings()
