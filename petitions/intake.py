"""How `sign` events become signatures: checked, compared, sealed, and written to. What comes later is in states.py.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, tuple_

from core.config import LANGUAGES
from core.extensions import db
from core.i18n import COUNTRY_CODES
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.records import encrypt_record, new_row_keys
from core.typed import normal_email, tidy
from petitions.mailboxes import Key, lock_mailboxes, take_mail
from petitions.mails import mail_to_signer
from petitions.models import (
    Mailbox,
    Petition,
    PetitionAddressee,
    PetitionRoute,
    PetitionText,
    Signature,
    SignatureState,
)
from petitions.rules import MAX_CITY, MAX_NAME, NO_COUNTRY, VISIBILITIES, canonical_mailbox, is_throwaway, problem_with
from petitions.states import Outcome, place

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
    routing, texts = _Routing(petitions), _known_texts(petitions)
    arrivals = [
        _Arrival(event, payload, petitions[event.petition_id], routing)
        for event, payload in opened
        if event.petition_id in petitions
    ]
    for one in arrivals:
        one.check(keyring, texts)
    keys = [one.mailbox_key for one in arrivals if one.signature.mailbox_hmac is not None]
    mailboxes = lock_mailboxes(keys, max((event.received_at for event, _ in opened)))
    counted = _counted_of(keys)
    for one in arrivals:
        if one.signature.mailbox_hmac is not None:
            one.settle(mailboxes[one.mailbox_key], counted.get(one.mailbox_key))
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


class _Arrival:
    """A signature on its way from an event into the tables."""

    def __init__(self, event: InboxEvent, payload: Mapping[str, Any], petition: Petition, routing: _Routing) -> None:
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
            addressee_id=routing.addressee_of(petition, country, payload.get("addressee_id")),
            country_code=country[:2],
            state=SignatureState.REJECTED,
            received_at=event.received_at,
        )

    @property
    def mailbox_key(self) -> Key:
        """Whose signature it is."""
        return self.signature.petition_id, self.signature.mailbox_hmac or b""

    def check(self, keyring: Keyring, texts: Collection[_Text]) -> None:
        """Reject it, or give it the blind index of its mailbox."""
        self.signature.reason = _reason_to_reject(self.petition, self.event, self.payload, self.email, texts)
        if self.signature.reason is None and self.email is not None:
            self.signature.mailbox_hmac = keyring.mailbox_hmac(self.petition.id, canonical_mailbox(self.email))

    def settle(self, mailbox: Mailbox, counted_id: UUID | None) -> None:
        """Whether this mailbox may still be counted, and which mail says so."""
        signature = self.signature
        if not take_mail(mailbox, signature.received_at):
            # It keeps no blind index: a mailbox that is flooded would make every look at it longer.
            signature.mailbox_hmac = None
            if mailbox.blocked_at is not None:
                signature.state, signature.reason = SignatureState.REJECTED, "blocked"
            else:
                signature.state, signature.reason = SignatureState.DUPLICATE, "too_many"
            return
        self.counted_id = counted_id
        if counted_id is None:
            signature.state, self.template = SignatureState.PENDING, "confirm"
            signature.wants_updates = self.payload["consent"].get("updates") is True
        else:
            signature.state, signature.reason = SignatureState.DUPLICATE, "already_counted"
            self.template = "already_signed"

    def seal(self, key_id: UUID, key: bytes, keyring: Keyring) -> None:
        """Encrypt what is personal, and queue the mail."""
        signature = self.signature
        signature.row_key_id = key_id
        if self.counted_id is None:
            signature.sealed = encrypt_record(key, "signatures", signature.id, self.payload)
        mail_to_signer(
            str(self.template), signature, key_id, key, str(self.email), self.language, keyring, self.counted_id
        )


class _Routing:
    """Which addressee receives a signature: that of the country of residence, or the petition's fallback."""

    def __init__(self, petitions: Collection[int]) -> None:
        here = list(petitions)
        self.routes = {
            (one.petition_id, one.country_code): one.addressee_id
            for one in db.session.scalars(select(PetitionRoute).where(PetitionRoute.petition_id.in_(here)))
        }
        members = select(PetitionAddressee.petition_id, PetitionAddressee.addressee_id).where(
            PetitionAddressee.petition_id.in_(here)
        )
        self.members = {(petition_id, addressee_id) for petition_id, addressee_id in db.session.execute(members)}

    def addressee_of(self, petition: Petition, country: str, told: object) -> int:
        """The addressee that the signer was told of, whatever became of it or its route meanwhile.

        The web took it from the routes when the form arrived, and can name none but addressees that the petition has or had.
        """
        if isinstance(told, int) and (petition.id, told) in self.members:
            return told
        return self.routes.get((petition.id, country), int(petition.fallback_addressee_id or 0))


_Text = tuple[int, str, str, str]
"""Petition, version, language and hash of a text."""


def _known_texts(petitions: Collection[int]) -> set[_Text]:
    """Every text that these petitions ever showed."""
    here = PetitionText.petition_id.in_(list(petitions))
    columns = PetitionText.petition_id, PetitionText.version, PetitionText.language, PetitionText.hash
    rows = db.session.execute(select(*columns).where(here))
    return {(petition_id, str(version), language, text_hash) for petition_id, version, language, text_hash in rows}


def _counted_of(keys: Collection[Key]) -> dict[Key, UUID]:
    """The counted signature of each mailbox that has one."""
    if not keys:
        return {}
    rows = db.session.execute(
        select(Signature.petition_id, Signature.mailbox_hmac, Signature.id).where(
            tuple_(Signature.petition_id, Signature.mailbox_hmac).in_(sorted(set(keys))),
            Signature.state == SignatureState.COUNTED,
        )
    )
    return {(petition_id, mailbox or b""): signature_id for petition_id, mailbox, signature_id in rows}


def _reason_to_reject(
    petition: Petition,
    event: InboxEvent,
    payload: Mapping[str, Any],
    email: str | None,
    texts: Collection[_Text],
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
    if country not in COUNTRY_CODES and country != NO_COUNTRY:
        return "country"
    if name != tidy(name) or problem_with(name, MAX_NAME) or city != tidy(city):
        return "text"
    # Whoever would rather not say where they live need not say in which city either.
    if problem_with(city, MAX_CITY) and not (city == "" and country == NO_COUNTRY):
        return "text"
    consent, visibility = payload.get("consent"), payload.get("visibility")
    if not isinstance(consent, dict) or visibility not in VISIBILITIES:
        return "consent"
    # What is agreed to and what is wished must say the same.
    if consent.get("ministry") is not (visibility != "counted") or consent.get("public") is not (
        visibility == "public"
    ):
        return "consent"
    if petition.min_age is not None and payload.get("of_age") is not True:
        return "age"
    text = payload.get("text")
    if not isinstance(text, dict):
        return "text_unknown"
    if (petition.id, *(str(text.get(name)) for name in ("version", "language", "hash"))) not in texts:
        return "text_unknown"
    return None
