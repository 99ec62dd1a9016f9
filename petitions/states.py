"""How a signature goes from state to state: confirmed, withdrawn, expired; and the tallies that move with it.

Runs in the worker, inside the drain's or the purge's transaction; keys are passed in. No function here commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.records import decrypt_record, destroy_row_key, open_row_key
from petitions.models import PublicName, Signature, SignatureState, Tally

CONFIRM_WITHIN = timedelta(days=14)
WAITED_FOR = timedelta(days=3)
"""How long a confirmation that waits for a key keeps unconfirmed signatures from being erased."""

Moves = Counter[tuple[int, int, str]]
"""How tallies move: (petition, addressee, state) -> difference."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event."""

    answer: str | None
    moves: Moves
    mails: int = 0
    erased: tuple[int, int, datetime] | None = None
    """Petition, addressee and moment of counting of a signature that bundles may still hold."""


def _with_family(
    purpose: str, payload: Mapping[str, Any], keyring: Keyring
) -> tuple[Signature | None, Sequence[Signature]]:
    """The signature that a token names, and all of its mailbox and petition, locked and as they are now.

    They are locked in one order, so that two workers cannot wait for each other.
    """
    signature_id = keyring.read_token(purpose, str(payload.get("token", "")))
    signature = db.session.get(Signature, signature_id) if signature_id else None
    if signature is None or signature.mailbox_hmac is None:
        return None, []
    family = db.session.scalars(
        select(Signature)
        .where(Signature.petition_id == signature.petition_id, Signature.mailbox_hmac == signature.mailbox_hmac)
        .order_by(Signature.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    # Whoever is no longer among them was withdrawn while we waited for the locks.
    return (signature, family) if signature in family else (None, family)


def confirm_signature(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `confirm` event counts a pending signature. A wrong, used and expired token get one and the same answer."""
    signature, family = _with_family("confirm", payload, keyring)
    if signature is None or signature.state != SignatureState.PENDING or signature.row_key_id is None:
        return Outcome("invalid", Counter())
    if event.received_at > signature.received_at + CONFIRM_WITHIN:
        return Outcome("invalid", Counter())
    record = decrypt_record(
        open_row_key(signature.row_key_id, keyring.private_keys), "signatures", signature.id, signature.sealed or b""
    )
    moves: Moves = Counter()
    moves[place(signature)] -= 1
    try:
        with db.session.begin_nested():
            signature.state = SignatureState.COUNTED
            signature.counted_at = func.now()
            db.session.flush()
    except IntegrityError:
        # A signature of this mailbox was counted between our look and our write; the index decided.
        db.session.refresh(signature)
        _erase(signature, SignatureState.DUPLICATE, "already_counted", keep_mailbox=True)
        moves[place(signature)] += 1
        return Outcome("already_counted", moves)
    moves[place(signature)] += 1
    for other in family:
        if other.state == SignatureState.PENDING and other.id != signature.id:
            moves[place(other)] -= 1
            _erase(other, SignatureState.DUPLICATE, "already_counted", keep_mailbox=True)
            moves[place(other)] += 1
    if record["consent"]["public"]:
        db.session.add(PublicName(signature_id=signature.id, petition_id=signature.petition_id, name=record["name"]))
    db.session.flush()
    return Outcome("counted", moves)


def withdraw_signature(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `withdraw` event erases what is personal and keeps the count true.

    The link of a duplicate withdraws the signature that was counted in its stead: the token proves the mailbox.
    """
    signature, family = _with_family("withdraw", payload, keyring)
    if signature is not None and signature.state == SignatureState.DUPLICATE:
        signature = next((one for one in family if one.state == SignatureState.COUNTED), None)
    if signature is None or signature.state not in (
        SignatureState.PENDING,
        SignatureState.COUNTED,
        SignatureState.QUARANTINED,
    ):
        return Outcome("invalid", Counter())
    moves: Moves = Counter({place(signature): -1})
    counted_at = signature.counted_at
    _erase(signature, SignatureState.WITHDRAWN, "by_signer")
    moves[place(signature)] += 1
    db.session.flush()
    erased = (signature.petition_id, signature.addressee_id, counted_at) if counted_at is not None else None
    return Outcome("withdrawn", moves, erased=erased)


def place(signature: Signature) -> tuple[int, int, str]:
    """Where a signature stands in the tallies: petition, addressee, state."""
    return signature.petition_id, signature.addressee_id, str(signature.state)


def _erase(signature: Signature, state: SignatureState, reason: str, *, keep_mailbox: bool = False) -> None:
    """Leave of a signature only that it was there. The row key goes, and with it any mail that is still waiting."""
    row_key_id = signature.row_key_id
    signature.state, signature.reason = state, reason
    signature.sealed = signature.row_key_id = signature.counted_at = None
    if not keep_mailbox:
        signature.mailbox_hmac = None
    db.session.flush()
    if row_key_id is not None:
        destroy_row_key(row_key_id)
    db.session.execute(delete(PublicName).where(PublicName.signature_id == signature.id))


def apply_moves(moves: Moves) -> None:
    """Write how the tallies moved, in one order for all workers. Call it once, at the end of the transaction."""
    for (petition_id, addressee_id, state), difference in sorted(moves.items()):
        if difference > 0:
            row = insert(Tally).values(
                petition_id=petition_id, addressee_id=addressee_id, state=state, total=difference
            )
            keys = [Tally.petition_id, Tally.addressee_id, Tally.state]
            db.session.execute(row.on_conflict_do_update(index_elements=keys, set_={"total": Tally.total + difference}))
        elif difference < 0:
            this = Tally.petition_id == petition_id, Tally.addressee_id == addressee_id, Tally.state == state
            db.session.execute(update(Tally).where(*this).values(total=Tally.total + difference))


def expire_unconfirmed(now: datetime, at_most: int = 500) -> int:
    """Expire signatures that nobody confirmed within CONFIRM_WITHIN of `now`, erasing them. Returns how many.

    Call it until it returns 0; each call is one transaction's worth. While a confirmation that may have come in time
    waits in the inbox, nothing expires: the moment of arrival decides, not that of draining. One that has waited for
    WAITED_FOR holds nothing up any more: we promise to erase.
    """
    in_time = InboxEvent.received_at > now - WAITED_FOR
    if db.session.scalar(
        select(InboxEvent.id).where(InboxEvent.kind == "confirm", InboxEvent.state == "new", in_time).limit(1)
    ):
        return 0
    overdue = db.session.scalars(
        select(Signature)
        .where(Signature.state == SignatureState.PENDING, Signature.received_at <= now - CONFIRM_WITHIN)
        .order_by(Signature.id)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    ).all()
    moves: Moves = Counter()
    for signature in overdue:
        moves[place(signature)] -= 1
        _erase(signature, SignatureState.EXPIRED, "unconfirmed")
        moves[place(signature)] += 1
    apply_moves(moves)
    return len(overdue)


def forget_duplicates(now: datetime, at_most: int = 500) -> int:
    """Erase what duplicates still hold (blind index, the key of their mail) after CONFIRM_WITHIN. Returns how many."""
    old = db.session.scalars(
        select(Signature)
        .where(
            Signature.state == SignatureState.DUPLICATE,
            Signature.mailbox_hmac.is_not(None),
            Signature.received_at <= now - CONFIRM_WITHIN,
        )
        .order_by(Signature.id)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    ).all()
    for signature in old:
        _erase(signature, SignatureState.DUPLICATE, signature.reason or "already_counted")
    return len(old)
