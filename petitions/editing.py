"""What creators write: a new petition, its text in each language, its settings, its picture, its first signatories."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from flask_babel import lazy_gettext as _l
from slugify import slugify
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from accounts.models import Account, Grant, StaffRole
from accounts.permissions import Action, may_somewhere
from accounts.roles import GRANTED
from core.audit import auditable, record
from core.errors import DomainError, EditedMeanwhileError, NotFoundError, NotNowError
from core.extensions import db
from core.i18n import current_language, language_name, sort_key
from petitions.models import Draft, FirstSignatory, Petition, PetitionKind, PetitionState, PetitionText, Picture
from petitions.standing import OPENING, VERSION, begin_change, find_readable
from petitions.texts import demand_lines

CREATED = auditable("petition.created", _l("Began a petition"))
TEXT_SAVED = auditable("petition.text_saved", _l("Changed the working copy of a petition’s text"))
TEXT_REMOVED = auditable("petition.text_removed", _l("Removed a language from a petition’s working copy"))
SETTINGS_SAVED = auditable("petition.settings_saved", _l("Changed the settings of a petition"))
PICTURE_SET = auditable("petition.picture_set", _l("Gave a petition a picture"))
PICTURE_REMOVED = auditable("petition.picture_removed", _l("Took the picture of a petition away"))
SIGNATORIES_CHANGED = auditable("petition.signatories_changed", _l("Changed the first signatories of an open letter"))

MAX_SLUG = 80
MAX_SIGNATORIES = 100
_LANGUAGES = [
    "ar", "az", "be", "bg", "bs", "ca", "cnr", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "ga", "gl",
    "he", "hi", "hr", "hu", "hy", "is", "it", "ja", "ka", "kk", "ko", "ku", "lb", "lt", "lv", "mi", "mk", "mt", "nb", "nl",
    "nn", "pl", "pt", "pt-BR", "rm", "ro", "ru", "sk", "sl", "sq", "sr-Cyrl", "sr-Latn", "sv", "tr", "uk", "uz", "vi", "yi", "zh",
]  # fmt: skip


class SlugTakenError(DomainError):
    """Another petition has this address. Nothing was changed."""


class ClosesInThePastError(DomainError):
    """The closing time is over already, or before the opening. Nothing was changed."""


def text_languages() -> list[tuple[str, str]]:
    """Every language that a text may be written in: its code and its own name, by name."""
    names = ((code, language_name(code)) for code in _LANGUAGES)
    return sorted(names, key=lambda one: sort_key(one[1], current_language()))


# --- A new one ----------------------------------------------------------------------------------------------------------


def create_petition(account: Account, kind: str, title: str, language: str) -> int:
    """Begin a petition; whoever does becomes its coordinator. Commits. Returns its number. Raises NotFoundError."""
    if not may_somewhere(account, Action.CREATE_PETITION):
        raise NotFoundError
    petition = Petition(slug=f"new-{uuid4()}", kind=kind, created_by=account.id)
    db.session.add(petition)
    db.session.flush()
    _name(petition, slugify(title, max_length=MAX_SLUG - 12, word_boundary=True) or "petition")
    db.session.add(Draft(petition_id=petition.id, language=language, title=title, updated_by=account.id))
    # Past the sessions' end that other new roles bring: what this one is for did not exist a moment ago.
    account.grants.append(Grant(role=StaffRole.COORDINATOR, petition_id=petition.id))
    db.session.flush()
    record(CREATED, account.id, "petition", petition.id, petition_id=petition.id, language=language)
    record(GRANTED, account.id, "account", account.id, petition_id=petition.id, role=StaffRole.COORDINATOR)
    db.session.commit()
    return petition.id


def _name(petition: Petition, slug: str) -> None:
    """Give it this address or, when another petition has it, one with a number that hardly any other has."""
    try:
        with db.session.begin_nested():
            petition.slug = slug
    except IntegrityError:
        petition.slug = f"{slug}-{secrets.randbelow(10**9)}"


# --- The text -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Copy:
    """The working copy of the text in one language. `revision` 0: nobody has saved it since it was published, or ever."""

    language: str
    title: str = ""
    summary: str = ""
    body: str = ""
    demands: str = ""
    picture_alt: str = ""
    revision: int = 0
    is_published: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it can be published."""
        return bool(self.title and self.summary and self.body)

    @property
    def words(self) -> dict[str, str]:
        """What is written, by field."""
        return {name: getattr(self, name) for name in WRITTEN}


WRITTEN = ("title", "summary", "body", "demands", "picture_alt")


def published_texts(petition_id: int) -> dict[str, PetitionText]:
    """The newest published text of each language."""
    rows = select(PetitionText).where(PetitionText.petition_id == petition_id).order_by(PetitionText.version)
    return {row.language: row for row in db.session.scalars(rows)}


def copies(petition_id: int) -> dict[str, Copy]:
    """The working copy in each language: as somebody saved it, or else as it is published."""
    published = published_texts(petition_id)
    found = {
        language: Copy(
            language, text.title, text.summary, text.body_markdown, text.demands, text.picture_alt, is_published=True
        )
        for language, text in published.items()
    }
    drafts = select(Draft).where(Draft.petition_id == petition_id).execution_options(populate_existing=True)
    for row in db.session.scalars(drafts):
        written = {name: getattr(row, name) for name in WRITTEN}
        found[row.language] = Copy(
            row.language, **written, revision=row.revision, is_published=row.language in published
        )
    return dict(sorted(found.items()))


def save_text(account: Account, petition_id: int, language: str, revision: int, words: Mapping[str, str]) -> None:
    """Save the working copy in one language, which `revision` says one has read. Commits.

    Raises NotFoundError, NotNowError, EditingLockedError, EditedMeanwhileError.
    """
    if language not in _LANGUAGES:
        raise NotFoundError
    begin_change(account, petition_id, PetitionState.DRAFT, PetitionState.OPEN, unless=(OPENING, VERSION))
    values: dict[str, Any] = {name: words[name] for name in WRITTEN}
    values["demands"] = "\n".join(demand_lines(values["demands"]))
    here = {"petition_id": petition_id, "language": language}
    if revision == 0:
        first = insert(Draft).values(**here, **values, updated_by=account.id)
        saved = db.session.scalar(first.on_conflict_do_nothing().returning(Draft.revision))
    else:
        mine = update(Draft).filter_by(**here, revision=revision)
        values |= {"revision": Draft.revision + 1, "updated_by": account.id, "updated_at": func.now()}
        saved = db.session.scalar(mine.values(values).returning(Draft.revision))
    if saved is None:
        db.session.rollback()
        raise EditedMeanwhileError
    record(TEXT_SAVED, account.id, "petition", petition_id, petition_id=petition_id, language=language)
    db.session.commit()


def remove_text(account: Account, petition_id: int, language: str) -> None:
    """Remove a language that was never published, and is not the only one. Commits. Raises as `save_text`, but the last."""
    begin_change(account, petition_id, PetitionState.DRAFT, PetitionState.OPEN, unless=(OPENING, VERSION))
    all_of_them = copies(petition_id)
    copy = all_of_them.get(language)
    if copy is None or copy.is_published or len(all_of_them) == 1:
        db.session.rollback()
        raise NotNowError
    db.session.execute(delete(Draft).filter_by(petition_id=petition_id, language=language))
    record(TEXT_REMOVED, account.id, "petition", petition_id, petition_id=petition_id, language=language)
    db.session.commit()


# --- Settings -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings. Once the petition is open, only the closing time and the thresholds are looked at."""

    kind: str
    slug: str
    fallback_addressee_id: int | None
    opens_at: datetime | None
    closes_at: datetime | None
    min_age: int | None
    per_mailbox: int
    thresholds: list[int]


def save_settings(account: Account, petition_id: int, revision: int, wanted: Settings) -> None:
    """Save the settings, of which `revision` says that one has read them. Commits.

    Raises NotFoundError, NotNowError, EditingLockedError, EditedMeanwhileError, SlugTakenError, ClosesInThePastError.
    """
    petition = begin_change(account, petition_id, PetitionState.DRAFT, PetitionState.OPEN)
    if petition.revision != revision:
        db.session.rollback()
        raise EditedMeanwhileError
    is_draft = petition.state == PetitionState.DRAFT
    opens_at = wanted.opens_at if is_draft else petition.opens_at
    now = db.session.scalars(select(func.now())).one()
    is_new = (wanted.closes_at, opens_at) != (petition.closes_at, petition.opens_at)
    if is_new and wanted.closes_at and wanted.closes_at <= max(now, opens_at or now):
        db.session.rollback()
        raise ClosesInThePastError
    petition.closes_at, petition.thresholds = wanted.closes_at, wanted.thresholds
    if is_draft:
        if db.session.scalar(select(Petition.id).where(Petition.slug == wanted.slug, Petition.id != petition_id)):
            db.session.rollback()
            raise SlugTakenError
        for name in ("kind", "slug", "fallback_addressee_id", "opens_at", "min_age", "per_mailbox"):
            setattr(petition, name, getattr(wanted, name))
    petition.revision += 1
    try:
        db.session.flush()
    except IntegrityError:  # Somebody takes the same address at this moment.
        db.session.rollback()
        raise SlugTakenError from None
    record(SETTINGS_SAVED, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()


# --- The picture --------------------------------------------------------------------------------------------------------


def set_picture(account: Account, petition_id: int, picture: tuple[bytes, int, int]) -> None:
    """Give a draft a picture, as `core.pictures.shrink` made it, instead of the one it had. Commits.

    Raises NotFoundError, NotNowError, EditingLockedError.
    """
    petition = begin_change(account, petition_id, PetitionState.DRAFT)
    content, width, height = picture
    new = Picture(id=uuid4(), petition_id=petition_id, content=content, width=width, height=height)
    db.session.add(new)
    db.session.flush()
    _replace_picture(petition, new)
    record(PICTURE_SET, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()


def remove_picture(account: Account, petition_id: int) -> None:
    """Take the picture away, also from an open petition. Commits. Raises as `set_picture`."""
    petition = begin_change(account, petition_id, PetitionState.DRAFT, PetitionState.OPEN)
    _replace_picture(petition, None)
    record(PICTURE_REMOVED, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()


def _replace_picture(petition: Petition, new: Picture | None) -> None:
    petition.picture_id = new.id if new else None
    db.session.flush()
    old = Picture.petition_id == petition.id
    db.session.execute(delete(Picture).where(old, Picture.id.is_distinct_from(petition.picture_id)))


def find_picture(account: Account, petition_id: int) -> Picture:
    """The picture, for whoever writes or reviews the petition. Raises NotFoundError."""
    picture = db.session.get(Picture, find_readable(account, petition_id).picture_id or uuid4())
    if picture is None:
        raise NotFoundError
    return picture


# --- First signatories --------------------------------------------------------------------------------------------------


def first_signatories(petition_id: int) -> Sequence[FirstSignatory]:
    """Those who stand by name below an open letter, in their order."""
    mine = select(FirstSignatory).where(FirstSignatory.petition_id == petition_id)
    return db.session.scalars(mine.order_by(FirstSignatory.position, FirstSignatory.id)).all()


def add_signatories(account: Account, petition_id: int, people: Sequence[tuple[str, str]]) -> None:
    """Add names with what they are known for, at the end. Commits. Raises NotFoundError, NotNowError, EditingLockedError.

    NotNowError also stands for more than MAX_SIGNATORIES.
    """
    petition = begin_change(account, petition_id, PetitionState.DRAFT)
    there = first_signatories(petition_id)
    if petition.kind != PetitionKind.OPEN_LETTER or len(there) + len(people) > MAX_SIGNATORIES:
        db.session.rollback()
        raise NotNowError
    last = there[-1].position if there else 0
    db.session.add_all(
        FirstSignatory(petition_id=petition_id, position=last + step, name=name, role=role)
        for step, (name, role) in enumerate(people, 1)
    )
    _record_signatories(account, petition_id)


def remove_signatory(account: Account, petition_id: int, signatory_id: int) -> None:
    """Remove somebody, who may have changed their mind: from an open letter that is open, too. Commits. Raises as above."""
    begin_change(account, petition_id, PetitionState.DRAFT, PetitionState.OPEN)
    db.session.execute(delete(FirstSignatory).filter_by(id=signatory_id, petition_id=petition_id))
    _record_signatories(account, petition_id)


def move_signatory(account: Account, petition_id: int, signatory_id: int, step: int) -> None:
    """Move somebody up (-1) or down (1) by one place. Commits. Raises as above."""
    begin_change(account, petition_id, PetitionState.DRAFT)
    people = list(first_signatories(petition_id))
    here = next((place for place, one in enumerate(people) if one.id == signatory_id), None)
    if here is None:
        db.session.rollback()
        raise NotFoundError
    there = min(max(here + step, 0), len(people) - 1)
    people[here], people[there] = people[there], people[here]
    for position, one in enumerate(people, 1):
        one.position = position
    _record_signatories(account, petition_id)


def _record_signatories(account: Account, petition_id: int) -> None:
    db.session.flush()
    record(SIGNATORIES_CHANGED, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()
