"""How a signature goes from state to state: confirmed, withdrawn, expired; and the tallies that move with it.

Runs in the worker, inside the drain's or the purge's transaction; keys are passed in. No function here commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core.answers import forget_about
from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.records import decrypt_record, destroy_row_key, open_row_key
from petitions.alike import is_same_person
from petitions.bursts import Mark, Sighted
from petitions.models import (
    Arrival,
    Breakdown,
    Hold,
    Petition,
    PublicName,
    Signature,
    SignatureState,
    Tally,
    Trace,
)
from petitions.rules import initials

CONFIRM_WITHIN = timedelta(days=14)
WAITED_FOR = timedelta(days=3)
"""How long a confirmation that waits for a key keeps unconfirmed signatures from being erased."""

WHOLE = (
    SignatureState.PENDING,
    SignatureState.COUNTED,
    SignatureState.QUARANTINED,
    SignatureState.REJECTED,
)
"""States in which personal data may still be there; of rejected signatures, while the decision can be undone."""

Place = tuple[int, int, str, str, str, str]
"""Where a signature stands: petition, addressee, day of arrival, state; and, while it is counted, its country and the day of counting."""
NO_SYNC = {"synchronize_session": False}

Moves = Counter[Place]
"""How many signatures come to a place, or leave it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event."""

    answer: str | None
    moves: Moves
    mails: int = 0
    erased: frozenset[UUID] = frozenset()
    """Signatures that bundles may hold otherwise than they now should."""
    about: UUID | None = None
    """The signature whose data the answer tells, and with which the answer is erased."""
    sighted: tuple[Sighted, ...] = ()
    """What it has in common with others: see bursts.py."""
    free: frozenset[Mark] = frozenset()
    """Those of these marks of which no burst was known when it was screened."""


def named_by_token(purpose: str, payload: Mapping[str, Any], keyring: Keyring) -> Signature | None:
    """The signature whose token a payload has, None for one that we did not make."""
    signature_id = keyring.read_token(purpose, str(payload.get("token", "")))
    return db.session.get(Signature, signature_id) if signature_id else None


def with_family(signature: Signature | None) -> tuple[Signature | None, Sequence[Signature]]:
    """A signature and all of its mailbox and petition, locked and as they are now; None when it is no longer whole.

    They are locked in one order, so that two workers cannot wait for each other.
    """
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
    signature, family = with_family(named_by_token("confirm", payload, keyring))
    return count_signature(event, signature, family, keyring)


def count_signature(
    event: InboxEvent, signature: Signature | None, family: Sequence[Signature], keyring: Keyring
) -> Outcome:
    """Count a signature that is pending, and the pending ones of its mailbox no more. Whoever asks has proved the mailbox.

    Of one that is held back it is noted that its signer confirmed: once people release it, it counts.
    """
    if signature is None or signature.row_key_id is None:
        return Outcome("invalid", Counter())
    if event.received_at > (signature.asked_at or signature.received_at) + CONFIRM_WITHIN:
        return Outcome("invalid", Counter())
    if signature.state == SignatureState.QUARANTINED:
        signature.confirmed_at = signature.confirmed_at or event.received_at
        db.session.flush()
        db.session.execute(update(Hold).where(Hold.signature_id == signature.id).values(confirmed=True))
        return Outcome("held", Counter())
    if signature.state != SignatureState.PENDING:
        return Outcome("invalid", Counter())
    answer, moves = let_count(signature, family, keyring)
    return Outcome(answer, moves)


def let_count(signature: Signature, family: Sequence[Signature], keyring: Keyring) -> tuple[str, Moves]:
    """Count a signature if its mailbox has a seat left for this person; otherwise it is a duplicate.

    `family` are all of its mailbox, locked. Returns `counted` or `already_counted`, and how the tallies move.
    """
    record = open_record(signature, keyring)
    moves: Moves = Counter({place(signature): -1})
    seats = _seats_of(signature)
    counted = [one for one in family if one.state == SignatureState.COUNTED]
    free = sorted(set(range(1, seats + 1)) - {one.seat for one in counted})
    again = seats > 1 and any(is_same_person(record["name"], open_record(one, keyring)["name"]) for one in counted)
    if not free or again or not _take_seat(signature, free[0]):
        erase(signature, SignatureState.DUPLICATE, "alike" if again else "already_counted", keep_mailbox=True)
        moves[place(signature)] += 1
        return "already_counted", moves
    moves[place(signature)] += 1
    for other in family:
        if other.state == SignatureState.PENDING and other.id != signature.id:
            # With a seat left, another person of this mailbox may still confirm.
            same = len(free) == 1 or is_same_person(record["name"], open_record(other, keyring)["name"])
            if same:
                moves[place(other)] -= 1
                erase(other, SignatureState.DUPLICATE, "already_counted", keep_mailbox=True)
                moves[place(other)] += 1
    show_in_public(signature, record)
    db.session.flush()
    return "counted", moves


def _take_seat(signature: Signature, seat: int) -> bool:
    try:
        with db.session.begin_nested():
            signature.state, signature.seat = SignatureState.COUNTED, seat
            signature.counted_at = func.now()
            db.session.flush()
    except IntegrityError:
        # A signature of this mailbox was counted between our look and our write; the index decided.
        db.session.refresh(signature)
        return False
    return True


def _seats_of(signature: Signature) -> int:
    return db.session.scalars(select(Petition.per_mailbox).where(Petition.id == signature.petition_id)).one()


def open_record(signature: Signature, keyring: Keyring) -> dict[str, Any]:
    """What a signer gave us. Raises KeyNotHeldError while the key is away, LookupError when it was erased."""
    if signature.row_key_id is None or signature.sealed is None:
        raise LookupError("The signature was erased.")
    key = open_row_key(signature.row_key_id, keyring.private_keys)
    return decrypt_record(key, "signatures", signature.id, signature.sealed)


def withdraw_signature(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `withdraw` event erases what is personal and keeps the count true.

    The link of a duplicate withdraws the signature that was counted in its stead: the token proves the mailbox. Not where
    couples share one: of a duplicate no name is left, and the signature that counts may be the other's.
    """
    # From the signer's own page, or by a link of its own, as mails had before there was such a page.
    named = named_by_token("mine", payload, keyring) or named_by_token("withdraw", payload, keyring)
    signature, family = with_family(named)
    if signature is not None and signature.state == SignatureState.DUPLICATE:
        alone = _seats_of(signature) == 1
        signature = next((one for one in family if alone and one.state == SignatureState.COUNTED), None)
    if signature is None or signature.state not in WHOLE or signature.row_key_id is None:
        return Outcome("invalid", Counter())
    return take_back(signature, "by_signer")


def take_back(signature: Signature, reason: str) -> Outcome:
    """Erase what is personal of a signature that is still whole."""
    moves: Moves = Counter({place(signature): -1})
    was_counted = signature.counted_at is not None
    erase(signature, SignatureState.WITHDRAWN, reason)
    moves[place(signature)] += 1
    db.session.flush()
    return Outcome("withdrawn", moves, erased=frozenset({signature.id} if was_counted else ()))


def show_in_public(signature: Signature, record: Mapping[str, Any]) -> None:
    """Have the page name a counted signer as its record wishes: by name, by initials, or not at all. Does not flush."""
    shown = {"public": record["name"], "initials": initials(record["name"])}.get(record["visibility"])
    db.session.execute(delete(PublicName).where(PublicName.signature_id == signature.id))
    if shown:
        db.session.add(PublicName(signature_id=signature.id, petition_id=signature.petition_id, name=shown))


def place(signature: Signature) -> Place:
    """Where a signature stands now."""
    counted_at = signature.counted_at if signature.state == SignatureState.COUNTED else None
    country, day = (signature.country_code, counted_at.date().isoformat()) if counted_at is not None else ("", "")
    came = signature.received_at.astimezone(UTC).date().isoformat()
    return signature.petition_id, signature.addressee_id, came, str(signature.state), country, day


def erase(signature: Signature, state: SignatureState, reason: str, *, keep_mailbox: bool = False) -> None:
    """Leave of a signature only that it was there. The row key goes, and with it any mail that is still waiting."""
    row_key_id = signature.row_key_id
    signature.state, signature.reason = state, reason
    signature.sealed = signature.row_key_id = signature.counted_at = signature.confirmed_at = None
    signature.wants_updates = False
    if not keep_mailbox:
        signature.mailbox_hmac = None
    db.session.flush()
    if row_key_id is not None:
        destroy_row_key(row_key_id)
    for table in (PublicName, Trace, Hold):
        db.session.execute(delete(table).where(table.signature_id == signature.id))
    forget_about(signature.id)


def erase_all(signatures: Sequence[Signature], state: SignatureState, reason: str) -> None:
    """Erase signatures, and write how the tallies moved: at the end of a transaction that does nothing else."""
    moves: Moves = Counter()
    for signature in signatures:
        moves[place(signature)] -= 1
        erase(signature, state, reason)
        moves[place(signature)] += 1
    apply_moves(moves)


def apply_moves(moves: Moves) -> None:
    """Write how tallies and breakdowns moved, in one order for all workers. Call it once, at the end of the transaction."""
    tallies, breakdowns, arrivals = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    for (petition_id, addressee_id, came, state, country, day), difference in moves.items():
        tallies[petition_id, addressee_id, state] += difference
        arrivals[petition_id, came, state] += difference
        if state == SignatureState.COUNTED:
            breakdowns[petition_id, "country", country] += difference
            breakdowns[petition_id, "day", day] += difference
    _move(Tally, ("petition_id", "addressee_id", "state"), tallies)
    _move(Breakdown, ("petition_id", "by", "key"), breakdowns)
    _move(Arrival, ("petition_id", "day", "state"), arrivals)


def _move(
    table: type[Tally | Breakdown | Arrival], names: Sequence[str], differences: Counter[tuple[Any, ...]]
) -> None:
    """Add to the totals of rows, or take from them: two statements, for a row that comes to be may not begin below zero."""
    rows = [(key, difference) for key, difference in sorted(differences.items()) if difference]
    more = [dict(zip(names, key, strict=True)) | {"total": number} for key, number in rows if number > 0]
    if more:
        adding = insert(table).values(more)
        db.session.execute(
            adding.on_conflict_do_update(
                index_elements=list(names), set_={"total": table.total + adding.excluded.total}
            )
        )
    for key, number in rows:
        if number < 0:
            this = [getattr(table, name) == value for name, value in zip(names, key, strict=True)]
            db.session.execute(update(table).where(*this).values(total=table.total + number), execution_options=NO_SYNC)


def expire_unconfirmed(now: datetime, at_most: int = 500) -> int:
    """Expire signatures that nobody confirmed within CONFIRM_WITHIN of `now`, erasing them. Returns how many.

    Call it until it returns 0; each call is one transaction's worth. While a confirmation that may have come in time
    waits in the inbox, nothing expires: the moment of arrival decides, not that of draining. One that has waited for
    WAITED_FOR holds nothing up any more: we promise to erase.
    """
    in_time = InboxEvent.received_at > now - WAITED_FOR
    if db.session.scalar(
        select(InboxEvent.id)
        .where(InboxEvent.kind.in_(("confirm", "code")), InboxEvent.state == "new", in_time)
        .limit(1)
    ):
        return 0
    overdue = db.session.scalars(
        select(Signature)
        .where(
            Signature.state == SignatureState.PENDING,
            Signature.received_at <= now - CONFIRM_WITHIN,
            func.coalesce(Signature.asked_at, Signature.received_at) <= now - CONFIRM_WITHIN,
        )
        .order_by(Signature.id)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    ).all()
    erase_all(overdue, SignatureState.EXPIRED, "unconfirmed")
    return len(overdue)


def reject_unreachable(row_key_id: UUID) -> None:
    """Reject the unconfirmed signature of this row key: no server takes mail for its address. Does not commit."""
    signature = db.session.scalar(
        select(Signature)
        .where(Signature.row_key_id == row_key_id, Signature.confirmed_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if signature is not None and signature.state in (SignatureState.PENDING, SignatureState.QUARANTINED):
        erase_all([signature], SignatureState.REJECTED, "no_mail_server")


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
        erase(signature, SignatureState.DUPLICATE, signature.reason or "already_counted")
    return len(old)


def overwrite_names() -> None:
    """Have the database write the file of public names anew when some were taken out: until then they still lie in it.

    Everything else that is personal is encrypted, and unreadable once its key is gone. Cannot run in a transaction.
    """
    taken_out = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'public_names'"
    if not db.session.scalar(text(taken_out)):
        db.session.rollback()
        return
    db.session.rollback()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (FULL) public_names"))
