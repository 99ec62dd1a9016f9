"""How `sign` events become signatures: checked, compared, sealed, and written to. What comes later is in states.py.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from core.config import LANGUAGES, current_config
from core.extensions import db
from core.i18n import COUNTRY_CODES
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.outbox import queue_mail
from core.records import encrypt_record, new_row_keys
from core.typed import normal_email, tidy
from petitions.models import Addressee, Petition, PetitionAddressee, Signature, SignatureState
from petitions.rules import MAX_CITY, MAX_NAME, canonical_mailbox, is_throwaway, problem_with
from petitions.states import Outcome, place

MAILS_A_DAY = 3
"""Mails to one mailbox for one petition in 24 hours: the form must neither fill somebody's inbox nor, used by a
stranger, keep its owner from signing for long. Workers that take forms of one mailbox at the same moment do not see each
other's, and do not wait for each other; so it may be as many for each worker."""

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
        one.event.id: Outcome(None, Counter({place(one.signature): 1}), int(one.template is not None))
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
        wish = payload.get("language")
        self.language = wish if isinstance(wish, str) and wish in LANGUAGES else "en"
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
        mail = {"to": self.email, "language": self.language}
        if self.counted_id is None:
            signature.sealed = encrypt_record(key, "signatures", signature.id, payload)
            mail["confirm_url"] = _link("confirm", signature.id, self.language, keyring)
        mail["withdraw_url"] = _link("withdraw", self.counted_id or signature.id, self.language, keyring)
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
    country, name, city = (payload.get(key) for key in ("country", "name", "city"))
    # What is not text, a list of names say, would still look right as text, and be printed as something else.
    if not (isinstance(country, str) and isinstance(name, str) and isinstance(city, str)):
        return "text"
    if country not in COUNTRY_CODES:
        return "country"
    if name != tidy(name) or problem_with(name, MAX_NAME) or city != tidy(city) or problem_with(city, MAX_CITY):
        return "text"
    consent = payload.get("consent")
    if not isinstance(consent, dict) or consent.get("ministry") is not True:
        return "consent"
    if not isinstance(consent.get("public"), bool):
        return "consent"
    return None


def _link(purpose: str, signature_id: UUID, language: str, keyring: Keyring) -> str:
    return f"{current_config().public_url}/{purpose}/{keyring.token(purpose, signature_id)}?lang={language}"
