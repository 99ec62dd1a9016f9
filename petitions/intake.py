"""What an event does to a signature. Runs in the worker, inside the drain's transaction; keys are passed in.

No function here commits. Each returns an Outcome: what to answer the visitor, and how the tallies move.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core.config import LANGUAGES, current_config
from core.extensions import db
from core.i18n import COUNTRY_CODES
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.outbox import queue_mail
from core.records import (
    RowKey,
    decrypt_record,
    destroy_row_key,
    encrypt_record,
    new_row_keys,
    open_row_key,
    open_sealed_row_key,
)
from petitions.models import Addressee, Petition, PetitionAddressee, PublicName, Signature, SignatureState, Tally
from petitions.rules import MAX_CITY, MAX_NAME, canonical_mailbox, is_throwaway, normal_email, problem_with, tidy

CONFIRM_WITHIN = timedelta(days=14)
MAILS_A_DAY = 3
"""Mails to one mailbox for one petition in 24 hours: the form must neither fill somebody's inbox nor, used by a
stranger, keep its owner from signing for long."""

Moves = Counter[tuple[int, int, str]]
"""How tallies move: (petition, addressee, state) -> difference."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an event."""

    answer: str | None
    moves: Moves
    mails: int = 0


Opened = tuple[InboxEvent, Mapping[str, Any]]
"""An event with its payload."""


def record_signatures(opened: Sequence[Opened], keyring: Keyring) -> list[Outcome]:
    """Each `sign` event becomes a signature: pending with a mail to confirm, or duplicate, or rejected.

    Many at once, because most of the time goes into statements: what all need is asked for once, and what all leave
    behind is written together.
    """
    petitions = {
        one.id: one
        for one in db.session.scalars(
            select(Petition).where(Petition.id.in_({event.petition_id for event, _ in opened}))
        )
    }
    routes = _routes(petitions)
    arrivals = [
        _Arrival(event, payload, petitions[event.petition_id], routes)
        for event, payload in opened
        if event.petition_id in petitions
    ]
    for one in arrivals:
        one.check(keyring)
    mailboxes = _known_mailboxes([one.signature for one in arrivals if one.signature.mailbox_hmac is not None])
    for one in arrivals:
        if one.signature.mailbox_hmac is not None:
            one.settle(mailboxes[one.signature.petition_id, one.signature.mailbox_hmac])
    to_be_mailed = [one for one in arrivals if one.template]
    for one, (key_id, key) in zip(to_be_mailed, new_row_keys(len(to_be_mailed)), strict=True):
        one.seal(key_id, key, keyring)
    db.session.add_all(one.signature for one in arrivals)
    db.session.flush()
    outcomes = {
        one.event.id: Outcome(None, Counter({_place(one.signature): 1}), int(one.template is not None))
        for one in arrivals
    }
    return [outcomes.get(event.id, Outcome(None, Counter())) for event, _ in opened]


@dataclass(slots=True)
class _Mailbox:
    """What is known of a mailbox that signed a petition."""

    counted_id: UUID | None = None
    received_at: list[datetime] = field(default_factory=list)


class _Arrival:
    """A signature on its way from an event into the tables."""

    def __init__(
        self, event: InboxEvent, payload: Mapping[str, Any], petition: Petition, routes: Mapping[tuple[int, str], int]
    ) -> None:
        country = str(payload.get("country", ""))
        self.event, self.payload, self.petition = event, payload, petition
        self.email = normal_email(str(payload.get("email", "")))
        self.template: str | None = None
        self.counted_id: UUID | None = None
        self.signature = Signature(
            id=uuid4(),
            event_id=event.id,
            petition_id=petition.id,
            addressee_id=routes.get((petition.id, country), petition.fallback_addressee_id),
            country_code=country[:2],
            state=SignatureState.REJECTED,
            received_at=event.received_at,
        )

    def check(self, keyring: Keyring) -> None:
        """Reject it, or give it the blind index of its mailbox."""
        self.signature.reason = _reason_to_reject(self.petition, self.event, self.payload, self.email)
        if self.signature.reason is None and self.email is not None:
            self.signature.mailbox_hmac = keyring.mailbox_hmac(self.petition.id, canonical_mailbox(self.email))

    def settle(self, mailbox: _Mailbox) -> None:
        """Whether this mailbox may still be counted, and which mail says so."""
        signature = self.signature
        a_day_before = signature.received_at - timedelta(days=1)
        if sum(moment > a_day_before for moment in mailbox.received_at) >= MAILS_A_DAY:
            # It keeps no blind index: a mailbox that is flooded would make every look at it longer.
            signature.state, signature.reason, signature.mailbox_hmac = SignatureState.DUPLICATE, "too_many", None
            return
        mailbox.received_at.append(signature.received_at)
        self.counted_id = mailbox.counted_id
        if self.counted_id is None:
            signature.state, self.template = SignatureState.PENDING, "confirm"
        else:
            signature.state, signature.reason = SignatureState.DUPLICATE, "already_counted"
            self.template = "already_signed"

    def seal(self, key_id: UUID, key: bytes, keyring: Keyring) -> None:
        """Encrypt what is personal, and queue the mail."""
        signature, payload = self.signature, self.payload
        signature.row_key_id = key_id
        language = payload["language"] if payload.get("language") in LANGUAGES else "en"
        mail = {"to": self.email, "language": language}
        if self.counted_id is None:
            signature.sealed = encrypt_record(key, "signatures", signature.id, payload)
            mail["confirm_url"] = _link("confirm", signature.id, language, keyring)
        mail["withdraw_url"] = _link("withdraw", self.counted_id or signature.id, language, keyring)
        queue_mail(str(self.template), key_id, key, mail)


def _routes(petitions: Collection[int]) -> dict[tuple[int, str], int]:
    """Whose signature it is, by petition and country of residence; other countries are the fallback addressee's."""
    rows = db.session.execute(
        select(PetitionAddressee.petition_id, Addressee.country_code, Addressee.id)
        .join(Addressee, PetitionAddressee.addressee_id == Addressee.id)
        .where(PetitionAddressee.petition_id.in_(list(petitions)), Addressee.country_code.is_not(None))
    )
    return {(petition_id, str(country)): addressee_id for petition_id, country, addressee_id in rows}


def _known_mailboxes(signatures: Sequence[Signature]) -> defaultdict[tuple[int, bytes | None], _Mailbox]:
    """What is known of the mailboxes of these, not counting themselves."""
    known: defaultdict[tuple[int, bytes | None], _Mailbox] = defaultdict(_Mailbox)
    if not signatures:
        return known
    rows = db.session.execute(
        select(
            Signature.petition_id, Signature.mailbox_hmac, Signature.id, Signature.state, Signature.received_at
        ).where(
            Signature.petition_id.in_({one.petition_id for one in signatures}),
            Signature.mailbox_hmac.in_({one.mailbox_hmac for one in signatures}),
        )
    )
    for petition_id, mailbox_hmac, signature_id, state, received_at in rows:
        mailbox = known[petition_id, mailbox_hmac]
        mailbox.received_at.append(received_at)
        if state == SignatureState.COUNTED:
            mailbox.counted_id = signature_id
    return known


def _reason_to_reject(
    petition: Petition, event: InboxEvent, payload: Mapping[str, Any], email: str | None
) -> str | None:
    """The form has checked all this; it is checked again because the web process may be in other hands."""
    beat_closing = petition.closes_at is None or event.received_at < petition.closes_at
    was_open = petition.opens_at is not None and petition.opens_at <= event.received_at
    if (
        petition.state not in ("open", "closed")
        or not was_open
        or not beat_closing
        or (petition.state == "closed" and petition.closes_at is None)
    ):
        return "closed"
    if email is None or is_throwaway(email):
        return "address"
    if payload.get("country") not in COUNTRY_CODES:
        return "country"
    name, city = str(payload.get("name", "")), str(payload.get("city", ""))
    if name != tidy(name) or problem_with(name, MAX_NAME) or city != tidy(city) or problem_with(city, MAX_CITY):
        return "text"
    consent = payload.get("consent")
    if not isinstance(consent, dict) or consent.get("ministry") is not True:
        return "consent"
    return None


def _link(purpose: str, signature_id: UUID, language: str, keyring: Keyring) -> str:
    return f"{current_config().public_url}/{purpose}/{keyring.token(purpose, signature_id)}?lang={language}"


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
    moves[_place(signature)] -= 1
    try:
        with db.session.begin_nested():
            signature.state = SignatureState.COUNTED
            signature.counted_at = func.now()
            db.session.flush()
    except IntegrityError:
        # A signature of this mailbox was counted between our look and our write; the index decided.
        db.session.refresh(signature)
        _erase(signature, SignatureState.DUPLICATE, "already_counted", keep_mailbox=True)
        moves[_place(signature)] += 1
        return Outcome("already_counted", moves)
    moves[_place(signature)] += 1
    for other in family:
        if other.state == SignatureState.PENDING and other.id != signature.id:
            moves[_place(other)] -= 1
            _erase(other, SignatureState.DUPLICATE, "already_counted", keep_mailbox=True)
            moves[_place(other)] += 1
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
    moves: Moves = Counter({_place(signature): -1})
    _erase(signature, SignatureState.WITHDRAWN, "by_signer")
    moves[_place(signature)] += 1
    db.session.flush()
    return Outcome("withdrawn", moves)


def _place(signature: Signature) -> tuple[int, int, str]:
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
    waits in the inbox, nothing expires: the moment of arrival decides, not that of draining.
    """
    a_day_ago = InboxEvent.received_at > now - timedelta(days=1)
    if db.session.scalar(
        select(InboxEvent.id).where(InboxEvent.kind == "confirm", InboxEvent.state == "new", a_day_ago).limit(1)
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
        moves[_place(signature)] -= 1
        _erase(signature, SignatureState.EXPIRED, "unconfirmed")
        moves[_place(signature)] += 1
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


@dataclass(frozen=True, slots=True)
class CountedSignature:
    """What a ministry receives of one signature."""

    name: str
    city: str
    received_at: datetime


def read_counted(
    petition_id: int, addressee_id: int, cutoff: datetime, private_keys: Mapping[Any, X25519PrivateKey]
) -> Iterator[CountedSignature]:
    """Open the counted signatures of an addressee up to a cut-off, in the order in which they were counted."""
    rows = db.session.execute(
        select(Signature.id, Signature.sealed, Signature.received_at, RowKey.id, RowKey.sealed)
        .join(RowKey, RowKey.id == Signature.row_key_id)
        .where(
            Signature.petition_id == petition_id,
            Signature.addressee_id == addressee_id,
            Signature.state == SignatureState.COUNTED,
            Signature.counted_at <= cutoff,
        )
        .order_by(Signature.counted_at, Signature.id)
    )
    for signature_id, sealed, received_at, key_id, sealed_key in rows:
        record = decrypt_record(
            open_sealed_row_key(key_id, sealed_key, private_keys), "signatures", signature_id, sealed or b""
        )
        yield CountedSignature(record["name"], record["city"], received_at)


def count_by_state(petition_id: int, addressee_id: int, cutoff: datetime) -> dict[str, int]:
    """Signatures of an addressee received up to a cut-off, by state; for the page on method."""
    rows = db.session.execute(
        select(Signature.state, func.count())
        .where(
            Signature.petition_id == petition_id,
            Signature.addressee_id == addressee_id,
            Signature.received_at <= cutoff,
        )
        .group_by(Signature.state)
    ).all()
    return {state: int(total) for state, total in rows}
