"""Texts of letters and bundles in the languages of ministries, and what a petition has made of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from core.config import Config
from core.i18n import country_name
from delivery.models import Letter, LetterKind, Level
from petitions.models import Addressee, Petition

LETTERS = Path(__file__).parent / "data" / "letters"
ENGLISH = "en"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_IN_ALL = {
    "title": _l("The title of the petition"),
    "ministry": _l("The name of the ministry, as it writes it"),
    "date": _l("The day of the letter"),
    "reply_to": _l("The address that replies go to"),
    "petition_address": _l("The address of the petition’s page"),
    "log_address": _l("The address of the petition’s log"),
    "verify_address": _l("The address at which a volume can be checked"),
}
_OF_A_BUNDLE = {
    "count": _l("How many signatures the bundle holds"),
    "cutoff": _l("The moment up to which signatures are in the bundle"),
    "bundle_id": _l("The code of the bundle"),
}
_HANDED_OVER = {"handed_over": _l("The day on which the bundle was handed over")}
PLACEHOLDERS: dict[LetterKind, Mapping[str, LazyString]] = {
    LetterKind.COVER: {
        "disclosure": _l("What the register tells of the signers, and what they have consented to"),
        **_OF_A_BUNDLE,
        **_IN_ALL,
    },
    LetterKind.MP: {"count": _l("How many signatures are counted for the country so far"), **_IN_ALL},
    LetterKind.FOLLOW_UP: {**_HANDED_OVER, **_OF_A_BUNDLE, **_IN_ALL},
    LetterKind.NOTICE: {
        "numbers": _l("The numbers of the entries to be struck out"),
        "remaining": _l("How many signatures the register holds without them"),
        **_HANDED_OVER,
        **_OF_A_BUNDLE,
        **_IN_ALL,
    },
}
"""What each letter may have in braces, and what it becomes."""

NEEDED: dict[LetterKind, Sequence[str]] = {
    LetterKind.COVER: ("disclosure", "count"),
    LetterKind.MP: (),
    LetterKind.FOLLOW_UP: (),
    LetterKind.NOTICE: ("numbers",),
}
"""What the paragraphs of a letter must have, because it is written for it."""


@cache
def letter_texts(language: str) -> dict[str, Any] | None:
    """Texts of a language by letter, with `print` for what every bundle prints; None when there are none."""
    path = LETTERS / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else None


@cache
def letter_languages() -> tuple[str, ...]:
    """Languages that have texts, English first."""
    found = sorted(path.stem for path in LETTERS.glob("*.toml"))
    return (ENGLISH, *(one for one in found if one != ENGLISH))


def letter_language(official: Sequence[str]) -> str:
    """The first of a ministry's official languages in which we have letters, otherwise English."""
    return next((one for one in official if letter_texts(one)), ENGLISH)


def fill(text: Any, values: Mapping[str, Any]) -> Any:
    """Put values into the placeholders of a text, a list or a dictionary of them. Others stay as they are.

    Not by `str.format`: letters are edited by people, and a brace of theirs must neither fail nor reach into objects.
    """
    match text:
        case str():
            return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), text)
        case list():
            return [fill(one, values) for one in text]
        case dict():
            return {key: fill(one, values) for key, one in text.items()}
    return text


def letter_of(
    told: Mapping[str, Any], kind: LetterKind, edited: Letter | None, language: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """A letter, placeholders filled: as it was edited for the petition in this very language, or as all petitions have it.

    Has `subject`, `body` (a list of paragraphs), `closing`, `signatory`, and `salutation` where it brings one of its own.
    """
    if edited is None or edited.language != language or edited.kind != kind:
        return dict(fill(told[kind], values))
    parts = {
        "subject": edited.subject,
        "body": paragraphs(edited.body),
        "closing": edited.closing,
        "signatory": edited.signatory,
    }
    return dict(fill(parts | ({"salutation": edited.salutation} if edited.salutation else {}), values))


def paragraphs(body: str) -> list[str]:
    """Paragraphs of a text that has an empty line between them. Spaces that keep words together stay, as French needs them."""
    return [re.sub(r"[ \n]+", " ", part.strip()) for part in re.split(r"\n[ \n]*\n", body) if part.strip()]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a letter is written about: a bundle, or what one would hold that was asked for now. None: not known yet."""

    on: date
    """The day of the letter."""
    count: int | None = None
    code: str | None = None
    cutoff: datetime | None = None
    level: str = Level.NAMES
    sample: int = 0
    """How many signers the bundle names of those that it counts; told at the level `counts` alone."""
    handed_over_on: date | None = None
    struck_out: Sequence[int] = ()
    """Numbers of the entries that the ministry is to be told of."""
    remaining: int | None = None


def letter_values(
    petition: Petition, title: str, addressee: Addressee, language: str, occasion: Occasion, config: Config
) -> dict[str, Any]:
    """What is put into the placeholders of letters, by name; what is not known yet is left out."""

    def written(number: int | None) -> str | None:
        return None if number is None else format_decimal(number, locale=language)

    def day(on: date | None) -> str | None:
        return format_date(on, "long", locale=language) if on else None

    page = f"{config.public_url}/petitions/{petition.slug}"
    values = {
        "title": title,
        "ministry": native_part(addressee.name_native, addressee.languages.split(), language),
        "date": day(occasion.on),
        "reply_to": config.contact_address or config.public_url,
        "petition_address": page,
        "log_address": f"{page}/log",
        "verify_address": f"{config.public_url}/verify",
        "count": written(occasion.count),
        "cutoff": moment_in(occasion.cutoff, language) if occasion.cutoff else None,
        "bundle_id": occasion.code,
        "sample": written(occasion.sample),
        "handed_over": day(occasion.handed_over_on),
        # As the register prints them: without signs between the thousands.
        "numbers": ", ".join(map(str, occasion.struck_out)) or None,
        "remaining": written(occasion.remaining),
    }
    known = {name: value for name, value in values.items() if value is not None}
    printed = (letter_texts(language) or {})["print"]
    return {**known, "disclosure": fill(printed[f"disclosure_{occasion.level}"], known)}


def native_part(text: str, official: Sequence[str], language: str) -> str:
    """Of what stands in each official language of a ministry, with slashes between, the part in this one, otherwise the first."""
    parts = [part.strip() for part in text.split(" / ")]
    fits = len(parts) == len(official) and language in official
    return parts[official.index(language)] if fits else parts[0]


def postal_address(addressee: Addressee, language: str) -> list[str]:
    """Lines of an address, the ministry's own name first."""
    place = " ".join(part for part in (addressee.postal_code, addressee.city) if part)
    name = native_part(addressee.name_native, addressee.languages.split(), language)
    lines = [name, addressee.street_address, place]
    if addressee.country_code:
        lines.append(country_name(addressee.country_code, str(Locale.parse(language).language)))
    return [line for line in lines if line]


def moment_in(moment: datetime, language: str) -> str:
    """A moment as prose has it, to the minute, in UTC."""
    return f"{format_date(moment, 'long', locale=language)}, {moment:%H:%M} UTC"
