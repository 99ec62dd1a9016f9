"""What a signer does later with their own signature: types the code, asks for the mail again, looks, changes, leaves.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits. What is wrong, used up or
somebody else's gets one and the same answer, so that nobody learns who has signed.
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.outbox import queue_mail
from core.records import decrypt_record, encrypt_record, open_row_key
from petitions.mailboxes import guess_was_wrong, lock_mailboxes, may_guess, take_mail
from petitions.mails import signer_mail
from petitions.models import Addressee, Mailbox, Petition, Report, Signature, SignatureState
from petitions.rules import MAX_REPORT, REPORT_REASONS, REPORTS_KEPT, VISIBILITIES
from petitions.states import WHOLE, Outcome, count_signature, named_by_token, show_in_public, take_back, with_family

NOTHING = Counter[Any]()


def _signed_by_event(payload: Mapping[str, Any]) -> Signature | None:
    """The signature that came of the form a browser sent; it knows the form's id and nothing else."""
    try:
        event_id = UUID(str(payload.get("signed", "")))
    except ValueError:
        return None
    return db.session.scalar(select(Signature).where(Signature.event_id == event_id))


def _mailbox_of(signature: Signature | None, event: InboxEvent) -> Mailbox | None:
    if signature is None or signature.mailbox_hmac is None:
        return None
    key = signature.petition_id, signature.mailbox_hmac
    return lock_mailboxes([key], event.received_at)[key]


def confirm_by_code(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `code` event: the six digits of the mail, typed on the page that the form led to.

    After GUESSES wrong ones for a mailbox no code is right any more; the button of the mail still is.
    """
    signature = _signed_by_event(payload)
    mailbox = _mailbox_of(signature, event)
    if signature is None or mailbox is None or not may_guess(mailbox):
        return Outcome("wrong_code", NOTHING)
    if not hmac.compare_digest(keyring.code(signature.id).encode(), str(payload.get("code", "")).encode()):
        guess_was_wrong(mailbox, event.received_at)
        return Outcome("wrong_code", NOTHING)
    signature, family = with_family(signature)
    if signature is not None and signature.state == SignatureState.COUNTED:
        return Outcome("counted", NOTHING)
    outcome = count_signature(event, signature, family, keyring)
    return outcome if outcome.answer != "invalid" else Outcome("wrong_code", outcome.moves)


def send_again(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `resend` event: the same mail, with the same code and links, once more; as often as a mailbox may be written to."""
    signature = _signed_by_event(payload)
    mailbox = _mailbox_of(signature, event)
    if signature is None or mailbox is None or signature.state != SignatureState.PENDING:
        return Outcome(None, NOTHING)
    if signature.row_key_id is None or not take_mail(mailbox, event.received_at):
        return Outcome(None, NOTHING)
    key = open_row_key(signature.row_key_id, keyring.private_keys)
    record = decrypt_record(key, "signatures", signature.id, signature.sealed or b"")
    language = str(record.get("language", "en"))
    queue_mail(*signer_mail("confirm", signature.id, signature.row_key_id, key, record["email"], language, keyring))
    return Outcome(None, NOTHING, mails=1)


def was_not_me(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `not_me` event: whoever owns the mailbox did not sign. What is there of it is erased, and it is written to no more.

    That goes for all that nobody has confirmed, for it was typed by the same stranger or another. The mail that a duplicate
    brought is about the duplicate: the signature that its owner gave stays.
    """
    named = named_by_token("not_me", payload, keyring)
    mailbox = _mailbox_of(named, event)
    signature, family = with_family(named)
    if signature is None or mailbox is None:
        return Outcome("invalid", NOTHING)
    mailbox.blocked_at = func.now()
    mailbox.seen_at = max(mailbox.seen_at, event.received_at)
    moves, erased = Counter[Any](), frozenset[UUID]()
    for one in family:
        # Nobody has proved to have the mailbox but by what was confirmed, be it counted or held back since.
        unproved = one.counted_at is None and one.confirmed_at is None
        if one.state in WHOLE and one.row_key_id is not None and (unproved or one is signature):
            outcome = take_back(one, "not_me")
            moves.update(outcome.moves)
            erased |= outcome.erased
    return Outcome("not_me", moves, erased=erased)


def show_own(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `show` event: all that is stored about a signer, for whoever has the link of the mail."""
    signature, _family = with_family(named_by_token("mine", payload, keyring))
    if signature is None or signature.state not in WHOLE or signature.row_key_id is None:
        return Outcome("invalid", NOTHING)
    key = open_row_key(signature.row_key_id, keyring.private_keys)
    record = decrypt_record(key, "signatures", signature.id, signature.sealed or b"")
    return Outcome(_told(signature, record), NOTHING, about=signature.id)


def change_own(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `change` event: who learns the name, and whether to write about what becomes of the petition. Answers as `show_own`."""
    signature, _family = with_family(named_by_token("mine", payload, keyring))
    if signature is None or signature.state not in WHOLE or signature.row_key_id is None:
        return Outcome("invalid", NOTHING)
    key = open_row_key(signature.row_key_id, keyring.private_keys)
    record = decrypt_record(key, "signatures", signature.id, signature.sealed or b"")
    before = record["visibility"]
    visibility = payload.get("visibility")
    if visibility not in VISIBILITIES:
        return Outcome("invalid", NOTHING)
    record["visibility"] = visibility
    record["consent"] = {
        "ministry": visibility != "counted",
        "public": visibility == "public",
        "updates": payload.get("updates") is True,
        "hash": str(payload.get("consent_hash", "")),
    }
    _rewrite(signature, key, record)
    erased = frozenset[UUID]()
    if signature.state == SignatureState.COUNTED:
        show_in_public(signature, record)
        # Bundles that are not handed over yet are made anew when the name must leave them, or come into them.
        if (before == "counted") != (visibility == "counted") and signature.counted_at is not None:
            erased = frozenset({signature.id})
    db.session.flush()
    return Outcome(_told(signature, record), NOTHING, erased=erased, about=signature.id)


def unsubscribe(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """An `unsubscribe` event: no more updates. The signature stays as it is."""
    signature, _family = with_family(named_by_token("updates", payload, keyring))
    if signature is None or signature.state not in WHOLE or signature.row_key_id is None:
        return Outcome("invalid", NOTHING)
    key = open_row_key(signature.row_key_id, keyring.private_keys)
    record = decrypt_record(key, "signatures", signature.id, signature.sealed or b"")
    record["consent"]["updates"] = False
    _rewrite(signature, key, record)
    return Outcome("unsubscribed", NOTHING)


def _rewrite(signature: Signature, key: bytes, record: Mapping[str, Any]) -> None:
    signature.sealed = encrypt_record(key, "signatures", signature.id, record)
    signature.wants_updates = record["consent"]["updates"]
    db.session.flush()


def _told(signature: Signature, record: Mapping[str, Any]) -> str:
    """What a signer is told of their own signature, as JSON."""
    addressee = db.session.get_one(Addressee, signature.addressee_id)
    petition = db.session.get_one(Petition, signature.petition_id)
    return json.dumps(
        {
            "state": signature.state,
            "petition": petition.slug,
            "name": record["name"],
            "email": record["email"],
            "country": record["country"],
            "city": record["city"],
            "visibility": record["visibility"],
            "updates": record["consent"]["updates"],
            "text": record["text"],
            "consent": record["consent"]["hash"],
            "ministry": addressee.name_en,
            "received_at": signature.received_at.isoformat(timespec="seconds"),
            "counted_at": signature.counted_at.isoformat(timespec="seconds") if signature.counted_at else None,
        },
        ensure_ascii=False,
    )


def record_report(event: InboxEvent, payload: Mapping[str, Any], _keyring: Keyring) -> Outcome:
    """A `report` event becomes a report that waits for a reviewer; of a petition that has hundreds of them, no more are taken."""
    petition = db.session.get(Petition, event.petition_id) if event.petition_id is not None else None
    reason, message = payload.get("reason"), payload.get("message")
    if petition is None or reason not in REPORT_REASONS or not isinstance(message, str) or len(message) > MAX_REPORT:
        return Outcome(None, NOTHING)
    waiting = db.session.scalars(
        select(func.count()).select_from(Report).where(Report.petition_id == petition.id, Report.state == "new")
    ).one()
    if waiting < REPORTS_KEPT:
        report = Report(petition_id=petition.id, reason=reason, message=message, received_at=event.received_at)
        db.session.add(report)
        db.session.flush()
    return Outcome(None, NOTHING)
