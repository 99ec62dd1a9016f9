"""What web and console do with petitions. Nothing here can open what is sealed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from accounts.models import Account
from accounts.permissions import Action, may
from core.answers import public_key, read_answer
from core.audit import auditable, record
from core.errors import NotFoundError, database_may_be_away
from core.extensions import db
from core.inbox import add_event, append
from core.queues import TaskName, wake
from petitions.models import (
    Addressee,
    Petition,
    PetitionAddressee,
    PetitionText,
    PublicAddressee,
    PublicPetition,
    PublicSigner,
    PublicText,
    Tally,
)

NAMED_SHOWN = 60
MILESTONES = [step * 10**power for power in range(1, 7) for step in (1, 2, 5)]
"""The ladder 10, 20, 50, 100 ... 5,000,000 that a petition climbs."""


@dataclass(frozen=True, slots=True)
class PetitionCard:
    """A petition in a list."""

    petition: PublicPetition
    text: PublicText


@dataclass(frozen=True, slots=True)
class PetitionPage:
    """All that the page of a petition shows."""

    petition: PublicPetition
    text: PublicText
    texts: Sequence[PublicText]
    accepts_signatures: bool
    """Whether the form is shown. The worker decides by the moment of arrival."""
    addressees: Sequence[PublicAddressee] = ()
    signers: Sequence[str] = ()

    @property
    def milestone(self) -> int:
        """The next step of the ladder."""
        return next((step for step in MILESTONES if step > self.petition.counted), MILESTONES[-1])

    @property
    def fallback(self) -> PublicAddressee | None:
        """Who receives the signatures from countries without an addressee of their own."""
        return next((one for one in self.addressees if one.addressee_id == self.petition.fallback_addressee_id), None)


def _best_text(texts: Sequence[PublicText], *wishes: str | None) -> PublicText:
    by_language = {text.language: text for text in texts}
    for language in (*wishes, "en"):
        if language in by_language:
            return by_language[language]
    return texts[0]


def list_open(language: str) -> list[PetitionCard]:
    """Petitions that can be signed, newest first."""
    with database_may_be_away():
        petitions = db.session.scalars(
            select(PublicPetition).where(PublicPetition.state == "open").order_by(PublicPetition.opens_at.desc())
        ).all()
        texts = db.session.scalars(
            select(PublicText).where(PublicText.petition_id.in_([one.id for one in petitions]))
        ).all()
    cards = []
    for petition in petitions:
        if own := [text for text in texts if text.petition_id == petition.id]:
            cards.append(PetitionCard(petition, _best_text(own, language)))
    return cards


def show(slug: str, language: str, text_language: str | None = None, *, whole: bool = True) -> PetitionPage:
    """The page of one public petition. Raises NotFoundError for one that is not there, or not public.

    Not `whole`, it has neither addressees nor signers: whoever signs well never sees them.
    """
    with database_may_be_away():
        # By the database's clock, as the moment of arrival will be.
        not_over = func.coalesce(PublicPetition.closes_at > func.now(), true())
        found = db.session.execute(select(PublicPetition, not_over).where(PublicPetition.slug == slug)).first()
        if found is None:
            raise NotFoundError
        petition, accepts = found[0], found[0].state == "open" and found[1]
        texts = db.session.scalars(
            select(PublicText).where(PublicText.petition_id == petition.id).order_by(PublicText.language)
        ).all()
        if not texts:
            raise NotFoundError
        if not whole:
            return PetitionPage(petition, _best_text(texts, text_language, language), texts, accepts)
        addressees = db.session.scalars(select(PublicAddressee).where(PublicAddressee.petition_id == petition.id)).all()
        signers = db.session.scalars(
            select(PublicSigner.name)
            .where(PublicSigner.petition_id == petition.id)
            .order_by(PublicSigner.signature_id)
            .limit(NAMED_SHOWN)
        ).all()
    return PetitionPage(petition, _best_text(texts, text_language, language), texts, accepts, addressees, signers)


@dataclass(frozen=True, slots=True)
class SignerInput:
    """A checked form."""

    name: str
    email: str
    country: str
    city: str
    in_public: bool
    updates: bool
    consent_hash: str
    filled_trap: bool


def sign(page: PetitionPage, signer: SignerInput, text: PublicText, language: str, event_id: UUID) -> bool:
    """Store a signature as a sealed event. False when this very form was already sent.

    Whether the person has signed before is not known here, so the answer cannot tell. Raises UnavailableError.
    """
    payload = {
        "v": 1,
        "name": signer.name,
        "email": signer.email,
        "country": signer.country,
        "city": signer.city,
        "text": {"version": text.version, "language": text.language, "hash": text.hash},
        "consent": {
            "ministry": True,
            "public": signer.in_public,
            "updates": signer.updates,
            "hash": signer.consent_hash,
        },
        "visibility": "public" if signer.in_public else "ministry",
        "language": language,
        "trap": signer.filled_trap,
        "salt": base64.b64encode(os.urandom(16)).decode(),
    }
    return append("sign", page.petition.id, payload, event_id)


def press_button(kind: str, token: str, secret: str | None, event_id: UUID) -> None:
    """Store that somebody pressed `confirm` or `withdraw` with a token. The worker verifies it. Raises UnavailableError."""
    answer_key = public_key(secret, event_id) if secret else None
    # No token of ours is longer; a longer one is wrong, and is told so like any other wrong one.
    append(kind, None, {"v": 1, "token": token[:64], "answer_key": answer_key}, event_id)


def button_result(event_id: UUID, secret: str) -> str | None:
    """What came of a pressed button, None while nothing has (or when this browser is not the one that pressed it)."""
    answer = read_answer(event_id, secret)
    return None if answer is None else answer.decode()


# --- Looking for one signature --------------------------------------------------------------------------------------------

SEARCH = "search"
SEARCHED = auditable("signature.searched", _l("Looked for a signature by its mail address"))
SEARCHES_AN_HOUR = 20


def may_search(account: Account, petition_id: int) -> bool:
    """Whether this account may look for signatures of a petition; a search is in all countries, so its grant must be, too."""
    return may(account, Action.SEARCH_SIGNATURE, petition_id, None)


def search_signature(account: Account, petition_id: int, email: str, secret: str) -> UUID:
    """Ask the worker whether a mail address has signed. Commits, wakes. Returns where its answer comes. The address is nowhere kept.

    Raises NotFoundError, UnavailableError.
    """
    if not may_search(account, petition_id):
        raise NotFoundError
    event_id = uuid4()
    payload = {"v": 1, "email": email, "answer_key": public_key(secret, event_id)}
    add_event(SEARCH, petition_id, payload, event_id)
    record(SEARCHED, account.id, petition_id=petition_id)
    db.session.commit()
    wake(TaskName.DRAIN)
    return event_id


def search_result(event_id: UUID, secret: str) -> list[dict[str, str]] | None:
    """What was found, None while nothing came (or in another browser)."""
    found = read_answer(event_id, secret)
    try:
        return None if found is None else json.loads(found)
    except ValueError:
        return None  # The answer to something else.


# --- For the console ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddresseeCount:
    """One line of the counts by addressee."""

    addressee: Addressee
    by_state: dict[str, int]


def list_petitions(language: str) -> list[tuple[Petition, PetitionText]]:
    """Every petition with its text in this language or another, newest first."""
    petitions = db.session.scalars(select(Petition).order_by(Petition.created_at.desc())).all()
    return [(petition, newest_text(petition.id, language)) for petition in petitions]


def titles(language: str) -> list[tuple[int, str]]:
    """Number and title of every petition that has a text, in this language, or English, or any; newest petition first."""
    wishes = (
        (PetitionText.language == language).desc(),
        (PetitionText.language == "en").desc(),
        PetitionText.version.desc(),
    )
    newest = (
        select(PetitionText.petition_id, PetitionText.title)
        .ext(distinct_on(PetitionText.petition_id))
        .order_by(PetitionText.petition_id.desc(), *wishes)
    )
    return [(number, title) for number, title in db.session.execute(newest)]


def find_petition(petition_id: int) -> Petition:
    """One petition in any state. Raises NotFoundError."""
    petition = db.session.get(Petition, petition_id)
    if petition is None:
        raise NotFoundError
    return petition


def newest_text(petition_id: int, language: str) -> PetitionText:
    """The appeal in this language, or English, or any; newest version. Raises NotFoundError when there is no text at all."""
    text = db.session.scalars(
        select(PetitionText)
        .where(PetitionText.petition_id == petition_id)
        .order_by(
            (PetitionText.language == language).desc(),
            (PetitionText.language == "en").desc(),
            PetitionText.version.desc(),
        )
        .limit(1)
    ).first()
    if text is None:
        raise NotFoundError
    return text


def find_addressee(petition_id: int, addressee_id: int) -> Addressee:
    """An addressee of this petition. Raises NotFoundError for one it is not addressed to."""
    addressee = db.session.scalar(
        select(Addressee)
        .join(PetitionAddressee, PetitionAddressee.addressee_id == Addressee.id)
        .where(PetitionAddressee.petition_id == petition_id, Addressee.id == addressee_id)
    )
    if addressee is None:
        raise NotFoundError
    return addressee


def counts_by_addressee(petition_id: int) -> list[AddresseeCount]:
    """Every addressee of a petition with its signatures by state, most counted first."""
    addressees = db.session.scalars(
        select(Addressee)
        .join(PetitionAddressee, PetitionAddressee.addressee_id == Addressee.id)
        .where(PetitionAddressee.petition_id == petition_id)
    ).all()
    tallies = db.session.execute(
        select(Tally.addressee_id, Tally.state, Tally.total).where(Tally.petition_id == petition_id)
    ).all()
    counts = [
        AddresseeCount(one, {state: total for owner, state, total in tallies if owner == one.id}) for one in addressees
    ]
    return sorted(counts, key=lambda count: (-count.by_state.get("counted", 0), count.addressee.name_en))
