"""How `sign` events become signatures: checked, compared, screened, sealed, and written to. What comes later is in states.py.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from core.addresses import canonical_mailbox, is_large_provider, is_throwaway, is_watched
from core.bulk import as_table, insert_rows
from core.config import LANGUAGES
from core.extensions import db
from core.i18n import COUNTRY_CODES
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.outbox import Mail, queue_mails
from core.records import encrypt_record, new_row_keys
from core.typed import normal_email, tidy
from petitions.alike import is_same_person, mark_alike
from petitions.bursts import Mark, Sighted, count_recent, find_bursts, hour_of
from petitions.mailboxes import Key, lock_mailboxes, take_mail
from petitions.mails import signer_mail
from petitions.models import (
    BurstKind,
    Hold,
    Mailbox,
    Petition,
    PetitionAddressee,
    PetitionRoute,
    PetitionText,
    Signature,
    SignatureState,
    SpentProof,
    Trace,
)
from petitions.rules import (
    MAX_CITY,
    MAX_NAME,
    NO_COUNTRY,
    VISIBILITIES,
    problem_with,
)
from petitions.screening import HOLD, Seen, is_nobodys, read_signals, score, unproved
from petitions.states import Outcome, Place, open_record

Opened = tuple[InboxEvent, Mapping[str, Any]]
"""An event with its payload."""


def record_signatures(opened: Sequence[Opened], keyring: Keyring) -> list[Outcome]:
    """Each `sign` event becomes a signature: pending with a mail to confirm, held back for people, duplicate, or rejected.

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
            one.settle(mailboxes[one.mailbox_key], counted.get(one.mailbox_key, []), keyring)
    _screen([one for one in arrivals if one.signature.state == SignatureState.PENDING], keyring)
    to_be_sealed = [one for one in arrivals if one.is_kept]
    for one, (key_id, key) in zip(to_be_sealed, new_row_keys(len(to_be_sealed)), strict=True):
        one.seal(key_id, key, keyring)
    if arrivals:
        db.session.execute(insert_rows(Signature, [one.signature.row() for one in arrivals]))
    queue_mails([one.mail for one in arrivals if one.mail is not None])
    _write_traces(arrivals)
    outcomes = {
        one.event.id: Outcome(
            None,
            Counter({one.signature.place(): 1}),
            int(one.template is not None),
            sighted=one.sighted,
            free=one.free,
        )
        for one in arrivals
    }
    return [outcomes.get(event.id, Outcome(None, Counter())) for event, _ in opened]


@dataclass(slots=True)
class _New:
    """A row of the table of signatures, with what is known from its beginning.

    No `Signature`, every attribute of which SQLAlchemy would watch, for longer than all else takes that is done with it.
    """

    id: UUID
    event_id: UUID
    petition_id: int
    addressee_id: int
    country_code: str
    received_at: datetime
    state: str = SignatureState.REJECTED
    reason: str | None = None
    mailbox_hmac: bytes | None = None
    row_key_id: UUID | None = None
    sealed: bytes | None = None
    wants_updates: bool = False

    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def place(self) -> Place:
        """As `petitions.states.place`; none is counted yet."""
        came = self.received_at.astimezone(UTC).date().isoformat()
        return self.petition_id, self.addressee_id, came, str(self.state), "", ""


class _Arrival:
    """A signature on its way from an event into the tables."""

    def __init__(self, event: InboxEvent, payload: Mapping[str, Any], petition: Petition, routing: _Routing) -> None:
        country = str(payload.get("country", ""))
        self.event, self.payload, self.petition = event, payload, petition
        self.email = normal_email(str(payload.get("email", "")))
        wish = payload.get("language")
        self.language = wish if isinstance(wish, str) and wish in LANGUAGES else "en"
        self.template: str | None = None
        self.mail: Mail | None = None
        self.counted_id: UUID | None = None
        self.seen, self.score, self.reasons = Seen(), 0, list[str]()
        self.sighted: tuple[Sighted, ...] = ()
        self.free = frozenset[Mark]()
        self.burst_id: int | None = None
        self.signature = _New(
            id=uuid4(),
            event_id=event.id,
            petition_id=petition.id,
            addressee_id=routing.addressee_of(petition, country, payload.get("addressee_id")),
            country_code=country[:2],
            received_at=event.received_at,
        )

    @property
    def mailbox_key(self) -> Key:
        """Whose signature it is."""
        return self.signature.petition_id, self.signature.mailbox_hmac or b""

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return str(self.email).rpartition("@")[2].lower()

    @property
    def is_kept(self) -> bool:
        """Whether anything personal of it is stored: of duplicates the address, until their mail is sent."""
        return self.template is not None or self.signature.state == SignatureState.QUARANTINED

    def check(self, keyring: Keyring, texts: Collection[_Text]) -> None:
        """Reject it, or give it the blind index of its mailbox."""
        self.signature.reason = _reason_to_reject(self.petition, self.event, self.payload, self.email, texts)
        if self.signature.reason is None and self.email is not None:
            self.signature.mailbox_hmac = keyring.mailbox_hmac(self.petition.id, canonical_mailbox(self.email))

    def settle(self, mailbox: Mailbox, counted: Sequence[Signature], keyring: Keyring) -> None:
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
        known = self._counted_as(counted, keyring)
        if known is None:
            signature.state, self.template = SignatureState.PENDING, "confirm"
            signature.wants_updates = self.payload["consent"].get("updates") is True
            return
        self.counted_id, signature.reason = known
        signature.state, self.template = SignatureState.DUPLICATE, "already_signed"

    def _counted_as(self, counted: Sequence[Signature], keyring: Keyring) -> tuple[UUID, str] | None:
        """Which counted signature of the mailbox leaves no room for this one, and why; None when there is room."""
        if self.petition.per_mailbox > 1:
            for one in counted:
                if is_same_person(self.payload["name"], open_record(one, keyring)["name"]):
                    return one.id, "alike"
        return (counted[0].id, "already_counted") if len(counted) >= self.petition.per_mailbox else None

    def screen(self, seen: Seen, bursts: Mapping[str, int]) -> None:
        """Hold it back, or reject it, when too much speaks against it. `bursts` are those that it belongs to, by kind."""
        self.seen = replace(seen, bursts=frozenset(bursts))
        self.score, self.reasons = score(self.seen)
        self.burst_id = next(iter(bursts.values()), None)
        if self.score < HOLD:
            return
        signature, rejected = self.signature, is_nobodys(self.reasons)
        if bursts or rejected:
            # Whoever floods a petition with other people's addresses must not have us write to all of them; a mail is
            # sent when people have released it.
            self.template = None
        if rejected:
            signature.state, signature.reason, signature.mailbox_hmac = SignatureState.REJECTED, "machine", None
            signature.wants_updates = False
        else:
            signature.state, signature.reason = SignatureState.QUARANTINED, self.reasons[0]

    def seal(self, key_id: UUID, key: bytes, keyring: Keyring) -> None:
        """Encrypt what is personal, and write the mail if there is one."""
        signature = self.signature
        signature.row_key_id = key_id
        if self.counted_id is None:
            # Where somebody signed is nobody's to know any more.
            kept = {name: value for name, value in self.payload.items() if name != "pass"}
            signature.sealed = encrypt_record(key, "signatures", signature.id, kept)
        if self.template is not None:
            self.mail = signer_mail(
                self.template, signature.id, key_id, key, str(self.email), self.language, keyring, self.counted_id
            )


def _screen(arrivals: Sequence[_Arrival], keyring: Keyring) -> None:
    """Score signatures by how they came, and by what came with them."""
    if not arrivals:
        return
    seen = [_under_its_pass(read_signals(one.payload), one, keyring) for one in arrivals]
    fresh = _spend([one.proof_id for one in seen if one.proof_id is not None])
    moment = max(one.event.received_at for one in arrivals)
    marks, domains, total = list[list[Mark]](), dict[Mark, str](), Counter[Sighted]()
    for one, what in zip(arrivals, seen, strict=True):
        petition_id, own = one.petition.id, list[Mark]()
        if what.network is not None:
            own.append((petition_id, BurstKind.NETWORK, what.network))
        if not is_large_provider(one.domain):
            mark = petition_id, str(BurstKind.DOMAIN), domain_key(petition_id, one.domain, keyring)
            own.append(mark)
            domains[mark] = one.domain
        marks.append(own)
        one.sighted = tuple((*mark, hour_of(one.event.received_at)) for mark in own)
        total.update(one.sighted)
    recent = count_recent(total, moment)
    bursts = find_bursts(recent, domains, moment)
    alike = mark_alike([one.payload["name"] for one in arrivals], [own[0] if own else None for own in marks])
    for one, what, own, is_alike in zip(arrivals, seen, marks, alike, strict=True):
        unspent = what.proof_id is None or what.proof_id in fresh
        fresh.discard(what.proof_id)
        by_kind = {kind: recent[mark] for mark in own for kind in [mark[1]]}
        one.free = frozenset(own) - bursts.keys()
        one.screen(
            replace(
                what if unspent else unproved(what),
                watched=is_watched(str(one.email)),
                alike=is_alike,
                from_network=by_kind.get(BurstKind.NETWORK, 0),
                with_domain=by_kind.get(BurstKind.DOMAIN, 0),
            ),
            {mark[1]: bursts[mark] for mark in own if mark in bursts},
        )


def _under_its_pass(seen: Seen, arrival: _Arrival, keyring: Keyring) -> Seen:
    """Whoever signs at a picket with its pass is counted for the place, and not for the network that a square shares."""
    shown = str(arrival.payload.get("pass") or "")
    place = keyring.read_pass(shown, arrival.petition.id, arrival.event.received_at) if shown else None
    return replace(seen, network=b"p" + place) if place else seen


def _spend(proofs: Collection[bytes]) -> set[bytes | None]:
    """Those of these proofs of work that nobody has sent before."""
    if not proofs:
        return set()
    spent = insert_rows(SpentProof, [{"id": one} for one in sorted(set(proofs))])
    return set(db.session.scalars(spent.on_conflict_do_nothing().returning(SpentProof.id)))


def _write_traces(arrivals: Sequence[_Arrival]) -> None:
    """What was seen of signatures that may still count, and what those see who decide about the ones that are held back."""
    traces, holds = list[dict[str, Any]](), list[dict[str, Any]]()
    for one in arrivals:
        signature = one.signature
        if signature.state not in (SignatureState.PENDING, SignatureState.QUARANTINED):
            continue
        domain = next((key for _petition, kind, key, _hour in one.sighted if kind == BurstKind.DOMAIN), None)
        provider = one.domain if domain is None else None
        known = {"signature_id": signature.id, "petition_id": signature.petition_id}
        known |= {"score": one.score, "reasons": one.reasons}
        traces.append(
            known
            | {
                "network": one.seen.network,
                "domain": domain,
                "provider": provider,
                "received_at": signature.received_at,
            }
        )
        if signature.state == SignatureState.QUARANTINED:
            holds.append(
                known
                | {
                    "burst_id": one.burst_id,
                    "country_code": signature.country_code,
                    "hour": hour_of(signature.received_at),
                    "provider": provider,
                    "confirmed": False,
                }
            )
    if traces:
        db.session.execute(insert_rows(Trace, traces))
    if holds:
        db.session.execute(insert_rows(Hold, holds))


def domain_key(petition_id: int, domain: str, keyring: Keyring) -> bytes:
    """A keyed hash of a mail domain, of 8 bytes. No mailbox has an empty name, so it is none's."""
    return keyring.mailbox_hmac(petition_id, f"@{domain}")[:8]


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


def _counted_of(keys: Collection[Key]) -> dict[Key, list[Signature]]:
    """The counted signatures of each mailbox that has some."""
    found: dict[Key, list[Signature]] = {}
    if keys:
        ours = as_table(
            Signature, [{"petition_id": number, "mailbox_hmac": mailbox} for number, mailbox in sorted(set(keys))]
        )
        query = (
            select(Signature)
            .join(ours, (Signature.petition_id == ours.c.petition_id) & (Signature.mailbox_hmac == ours.c.mailbox_hmac))
            .where(Signature.state == SignatureState.COUNTED)
            .order_by(Signature.seat)
        )
        for one in db.session.scalars(query):
            found.setdefault((one.petition_id, one.mailbox_hmac or b""), []).append(one)
    return found


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
