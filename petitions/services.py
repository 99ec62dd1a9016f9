"""What the console reads of petitions, and the search for one signature. Nothing here can open what is sealed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import literal, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on

from accounts.models import Account
from accounts.permissions import Action, may, may_in_petition
from core.answers import public_key, read_answer
from core.audit import auditable, record
from core.errors import NotFoundError
from core.extensions import db
from core.inbox import add_event
from core.queues import TaskName, wake
from petitions.models import (
    Addressee,
    Draft,
    Petition,
    PetitionAddressee,
    PetitionRoute,
    PetitionState,
    PetitionText,
    Tally,
)
from petitions.pub import PublicPetition

NEVER_PUBLIC = (PetitionState.DRAFT, PetitionState.REVIEW, PetitionState.REJECTED)
"""States in which nobody but creators and reviewers has read the text."""

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


@dataclass(frozen=True, slots=True)
class Title:
    """What a petition is called, in one language."""

    title: str
    language: str


def list_petitions(account: Account, language: str) -> list[tuple[Petition, Title]]:
    """Every petition that this account may see, in any state, with its title, newest first."""
    called = _titles(language)
    petitions = db.session.scalars(select(Petition).order_by(Petition.id.desc())).all()
    return [(one, called[one.id]) for one in petitions if one.id in called and may_see(account, one)]


def may_see(account: Account, petition: Petition) -> bool:
    """Whether this account sees a petition: one that was never public only if it writes or reviews all of it."""
    if petition.state not in NEVER_PUBLIC:
        return may_in_petition(account, Action.SEE_PETITION, petition.id)
    return any(may(account, one, petition.id, None) for one in (Action.EDIT_PETITION, Action.REVIEW_PETITION))


def titles(language: str) -> list[tuple[int, str]]:
    """Number and title of every petition that has a text, in this language, or English, or any; newest petition first."""
    return [(number, one.title) for number, one in _titles(language).items()]


def title_of(petition_id: int, language: str) -> Title:
    """What a petition is called, in any state; of a draft, what its creators call it. Raises NotFoundError."""
    found = _titles(language, petition_id).get(petition_id)
    if found is None:
        raise NotFoundError
    return found


def _titles(language: str, petition_id: int | None = None) -> dict[int, Title]:
    """Newest published title of each petition, or else the one of its working copy."""
    published = select(PetitionText.petition_id, PetitionText.language, PetitionText.title, PetitionText.version)
    copies = select(Draft.petition_id, Draft.language, Draft.title, literal(0).label("version"))
    every = union_all(published, copies).subquery()
    one = every.c.language
    newest = (
        select(every.c.petition_id, every.c.title, one)
        .ext(distinct_on(every.c.petition_id))
        .order_by(
            every.c.petition_id.desc(),
            (every.c.version > 0).desc(),
            (one == language).desc(),
            (one == "en").desc(),
            every.c.version.desc(),
            one,
        )
    )
    if petition_id is not None:
        newest = newest.where(every.c.petition_id == petition_id)
    return {number: Title(title, spoken) for number, title, spoken in db.session.execute(newest)}


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


# --- For the rooms beside this one -----------------------------------------------------------------------------------------


def open_petitions(language: str) -> list[tuple[int, str]]:
    """Number and title of every petition that can be signed now, newest first."""
    called = _titles(language)
    numbers = db.session.scalars(
        select(PublicPetition.id).where(PublicPetition.state == "open").order_by(PublicPetition.id.desc())
    )
    return [(number, called[number].title) for number in numbers if number in called]


def addressees_of(petition_id: int | None = None) -> Sequence[Addressee]:
    """Addressees of one petition, or of all that can be signed now."""
    here = (
        PetitionAddressee.petition_id == petition_id
        if petition_id is not None
        else PetitionAddressee.petition_id.in_(select(PublicPetition.id).where(PublicPetition.state == "open"))
    )
    chosen = select(PetitionAddressee.addressee_id).where(here, PetitionAddressee.removed_at.is_(None))
    return db.session.scalars(select(Addressee).where(Addressee.id.in_(chosen)).order_by(Addressee.name_en)).all()


def receiver_of(petition_id: int, country_code: str) -> Addressee | None:
    """The addressee that receives the signatures of a country's residents, None for one without an addressee of its own."""
    return db.session.scalar(
        select(Addressee)
        .join(PetitionRoute, PetitionRoute.addressee_id == Addressee.id)
        .where(PetitionRoute.petition_id == petition_id, PetitionRoute.country_code == country_code)
    )


def newest_texts(petition_id: int) -> Sequence[PetitionText]:
    """The newest published text in each language, in the order of the languages' codes. Raises NotFoundError when there is none."""
    texts = db.session.scalars(
        select(PetitionText)
        .ext(distinct_on(PetitionText.language))
        .where(PetitionText.petition_id == petition_id)
        .order_by(PetitionText.language, PetitionText.version.desc())
    ).all()
    if not texts:
        raise NotFoundError
    return texts
