"""What coordinators read of a petition's letters: which there are, and each as it would be printed now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from accounts.models import Account
from core.config import current_config
from core.errors import NotFoundError
from core.extensions import db
from core.i18n import current_language, place_key
from delivery.letters import (
    ENGLISH,
    PLACEHOLDERS,
    Occasion,
    fill,
    letter_language,
    letter_languages,
    letter_of,
    letter_texts,
    letter_values,
    native_part,
    postal_address,
)
from delivery.models import SAMPLE_SIZE, Bundle, Letter, LetterKind, Level
from delivery.services import addressee_counts, corrections_of, counted_now, find_bundle
from delivery.writing import common_words, newest_letter, newest_letters, words_of
from petitions.models import Addressee, Petition, PetitionText
from petitions.services import NEVER_PUBLIC, Title, newest_text, title_of

# --- Which there are -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One letter in one language."""

    kind: LetterKind
    letter: Letter | None
    """Its newest version, None where it was not edited."""
    author: str
    reviewed_by: str
    """Who has read it as a native speaker; empty while nobody has."""


@dataclass(frozen=True, slots=True)
class LettersIn:
    """The letters in one language, and the addressees they are for."""

    language: str
    rows: Sequence[LetterRow]
    addressees: Sequence[Addressee]
    """Of whom it is an official language."""
    others: Sequence[Addressee]
    """Who get it because there are no letters in a language of theirs."""

    @property
    def is_needed(self) -> bool:
        """Whether anybody gets letters in it."""
        return bool(self.addressees or self.others)

    @property
    def is_unread(self) -> bool:
        """Whether a letter in it was not read by a native speaker yet."""
        return not all(one.reviewed_by for one in self.rows)


def list_letters(account: Account, petition: Petition) -> list[LettersIn]:
    """Letters by language, English first, for the addressees that are this account's."""
    mine = [(one, one.languages.split()) for one in own_addressees(account, petition)]
    edited = newest_letters(petition.id)

    def row(kind: LetterKind, language: str) -> LetterRow:
        letter, author = edited.get((kind, language), (None, ""))
        return LetterRow(kind, letter, author, words_of(letter, kind, language)["reviewed_by"])

    return [
        LettersIn(
            language,
            [row(kind, language) for kind in LetterKind],
            [one for one, official in mine if letter_language(official) == language and language in official],
            [one for one, official in mine if letter_language(official) == language and language not in official],
        )
        for language in letter_languages()
    ]


def own_addressees(account: Account, petition: Petition) -> list[Addressee]:
    """Addressees of a petition that are this account's, by their countries as the page's language spells them."""
    mine = (one.addressee for one in addressee_counts(account, petition))
    return sorted(mine, key=lambda one: place_key(one.country_code, one.name_en, current_language()))


# --- One of them ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """A letter as it would be printed, for one addressee."""

    addressee: Addressee
    bundle: Bundle | None
    """What it is about; None for a letter that goes with a bundle not asked for yet, or where none was handed over."""
    letter: dict[str, Any]
    """As `letter_of` returns it. What is not known yet is the name of its placeholder in brackets."""
    unknown: bool
    """Whether there are such brackets in it."""
    edited: Letter | None
    reviewed_by: str
    address: Sequence[str]
    """Lines, the ministry's own name first. None of a letter to somebody whose address we do not know."""
    salutation: str
    native: str
    """Language of the ministry's name, and of its salutation."""
    date_line: str

    @property
    def salutation_is_its_own(self) -> bool:
        """Whether the letter brings its salutation, in its language."""
        return "salutation" in self.letter

    def as_text(self) -> str:
        """For a mail: no address and no date."""
        end = f"{self.letter['closing']}\n{self.letter['signatory']}"
        return "\n\n".join([self.letter["subject"], self.salutation, *self.letter["body"], end]) + "\n"


def preview_letter(
    account: Account,
    petition: Petition,
    kind: LetterKind,
    language: str,
    addressee_id: int | None = None,
    bundle_id: UUID | None = None,
    level: Level = Level.NAMES,
) -> Preview | None:
    """A letter for an addressee of this account's, the first that gets this language unless told; None if it has none.

    A cover letter is that of the bundle, or of one that would be asked for now at this level. Raises NotFoundError.
    """
    common = common_words(kind, language)
    addressees = own_addressees(account, petition)
    bundle = _bundle(account, petition, addressee_id, bundle_id)
    if bundle is not None:
        addressee_id = bundle.addressee_id
    if not addressees and addressee_id is None:
        return None
    addressee = _chosen(addressees, addressee_id, language)
    if bundle is None and kind in (LetterKind.FOLLOW_UP, LetterKind.NOTICE):
        bundle = _newest_handed_over(petition, addressee)
    occasion = _occasion(petition, addressee, kind, bundle, level)
    title = _title(petition, language)
    known = letter_values(petition, title.title, addressee, language, occasion, current_config())
    values = {name: f"[{name}]" for name in PLACEHOLDERS[kind]} | known
    told = letter_texts(language) or {}
    edited = newest_letter(petition.id, kind, language)
    if kind is LetterKind.COVER and bundle is not None:
        edited = db.session.get(Letter, bundle.letter_id) if bundle.letter_id else None
    letter = letter_of(told, kind, edited, language, values)
    official = addressee.languages.split()
    native = language if language in official else next(iter(official), ENGLISH)
    return Preview(
        addressee=addressee,
        bundle=bundle,
        letter=letter,
        unknown=letter != letter_of(told, kind, edited, language, known),
        edited=edited,
        reviewed_by=edited.reviewed_by if edited else common["reviewed_by"],
        address=[] if kind is LetterKind.MP else postal_address(addressee, language),
        salutation=letter.get("salutation") or native_part(addressee.salutation_native, official, language),
        native=native,
        date_line=fill(told["print"]["date_line"], known),
    )


def _bundle(account: Account, petition: Petition, addressee_id: int | None, bundle_id: UUID | None) -> Bundle | None:
    if bundle_id is None:
        return None
    bundle = find_bundle(account, bundle_id).bundle
    if bundle.petition_id != petition.id or addressee_id not in (None, bundle.addressee_id):
        raise NotFoundError
    return bundle


def _chosen(addressees: Sequence[Addressee], addressee_id: int | None, language: str) -> Addressee:
    if addressee_id is None:
        fits = (one for one in addressees if letter_language(one.languages.split()) == language)
        return next(fits, addressees[0])
    chosen = next((one for one in addressees if one.id == addressee_id), None)
    if chosen is None:
        raise NotFoundError
    return chosen


def _newest_handed_over(petition: Petition, addressee: Addressee) -> Bundle | None:
    here = Bundle.petition_id == petition.id, Bundle.addressee_id == addressee.id
    newest = select(Bundle).where(*here, Bundle.handed_over_on.is_not(None))
    return db.session.scalar(newest.order_by(Bundle.handed_over_on.desc(), Bundle.requested_at.desc()).limit(1))


def _title(petition: Petition, language: str) -> Title | PetitionText:
    """As the appeal that goes with the letter has it; of a petition that was never public, as its creators have it."""
    find = title_of if petition.state in NEVER_PUBLIC else newest_text
    return find(petition.id, language)


def _occasion(
    petition: Petition, addressee: Addressee, kind: LetterKind, bundle: Bundle | None, level: Level
) -> Occasion:
    now = datetime.now(UTC)
    if kind is LetterKind.MP:
        return Occasion(now, count=counted_now(petition.id, addressee.id)[0])
    if bundle is not None and bundle.signatures is not None:
        return _occasion_of(bundle, (bundle.frozen_at or now) if kind is LetterKind.COVER else now)
    if kind is not LetterKind.COVER:
        return Occasion(now)
    counted, unlogged = counted_now(petition.id, addressee.id)
    return Occasion(
        on=now,
        count=counted - unlogged,
        code=bundle.code if bundle else None,
        cutoff=bundle.cutoff_at if bundle else now,
        level=bundle.level if bundle else level,
        sample=min(SAMPLE_SIZE, counted - unlogged),
    )


def _occasion_of(bundle: Bundle, on: datetime) -> Occasion:
    corrections, signatures = corrections_of(bundle), bundle.signatures or 0
    untold = [one.number for one in corrections if one.told_on is None]
    return Occasion(
        on=on,
        count=signatures,
        code=bundle.code,
        cutoff=bundle.cutoff_at,
        level=bundle.level,
        sample=min(SAMPLE_SIZE, signatures),
        handed_over_on=bundle.handed_over_on,
        # Those that the ministry was told of before are named again only where there are no others.
        struck_out=untold or [one.number for one in corrections],
        remaining=signatures - len(corrections),
    )
