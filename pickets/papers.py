"""What the print room puts on paper, as plain data, and the words around it in the languages of the host countries.

Nothing here reads the database or draws: `worker.papers` turns these facts into PDFs. No personal data is among them; what a
letter to an authority needs of the organiser is left as blank lines to be filled in by hand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.languages import get_official_languages

WORDS = Path(__file__).parent / "data" / "words"
BLANK = "______________________"
"""A line to write on, in texts without a layout."""


class PaperKind(StrEnum):
    """The papers of a picket. PACK is a ZIP archive of all the others but PASS."""

    POSTER_A3 = "poster_a3"
    POSTER_A4 = "poster_a4"
    APPEAL = "appeal"
    SAFETY_CARD = "safety_card"
    SHIFTS = "shifts"
    SHEET = "sheet"
    NOTICE = "notice"
    PASS = "pass"  # noqa: S105  # A card for the table, no password.
    PACK = "pack"


@dataclass(frozen=True, slots=True)
class PrintedAppeal:
    """The appeal in one language. `body_html` is what petitions.texts.render_markdown made."""

    title: str
    summary: str
    body_html: str
    demands: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PrintedShift:
    """A shift with aware times in the zone of the city. `role` is a key of pickets.models.SHIFT_ROLE_LABELS."""

    role: str
    starts_at: datetime
    ends_at: datetime
    seats: int
    taken: int


@dataclass(frozen=True, slots=True)
class PicketFacts:
    """All that is printed about one picket. Empty strings stand for what is not known."""

    code: str
    language: str
    """Of the host country, as `host_language` tells it. One we have no words in is set in English around its own texts."""
    country_code: str
    cities: Mapping[str, str]
    """Names of the city by language; "native" is taken where a language has none."""
    ministry_native: str
    ministry_en: str
    starts_at: datetime
    """Aware, in the zone of the city, as all times here."""
    ends_at: datetime
    public_url: str
    """Page of the picket."""
    sign_url: str
    """The form to sign: what the QR codes lead to."""
    contact: str
    """Address of the site's organisers."""
    title: str = ""
    """Of the picket itself."""
    petition_titles: Mapping[str, str] = field(default_factory=dict)
    appeals: Mapping[str, PrintedAppeal] = field(default_factory=dict)
    place: str = ""
    """As everybody may read it: the exact place or the district."""
    filed_place: str = ""
    """The exact place, for the authority alone; `place` where empty."""
    organiser: str = ""
    """What the organiser is called in public."""
    people: int = 0
    mode: str = "static_assembly"
    regime: str = ""
    """notification, permit, or anything else for "neither"."""
    authority_native: str = ""
    authority_en: str = ""
    law: str = ""
    face_covering: str = "unknown"
    """banned, restricted or unknown."""
    rule_note: str = ""
    rule_checked_on: date | None = None
    rule_confidence: str = ""
    shifts: Sequence[PrintedShift] = ()
    text_hash: str = ""
    """The first digits of the hash of the text that is signed, for the sheets."""
    lawyer_phone: str = ""
    sheet_lines: int = 12
    pass_url: str = ""
    """What the QR code of the pass leads to; `sign_url` where empty."""

    def petition_title(self, language: str) -> tuple[str, str]:
        """The petition's title and the language it is in: this one, else English, else Belarusian, else any."""
        for one in (language, "en", "be", *sorted(self.petition_titles)):
            if self.petition_titles.get(one):
                return self.petition_titles[one], one
        return self.title, language

    def appeal_languages(self) -> list[str]:
        """Languages of the appeal as it is handed out: the host's, or English, and Belarusian; else any one."""
        host = next((one for one in (self.language, "en") if one in self.appeals), None)
        found = [one for one in dict.fromkeys((host, "be")) if one and one in self.appeals]
        return found or sorted(self.appeals)[:1]

    def city(self, language: str) -> str:
        """Name of the city in a language, otherwise its own."""
        return self.cities.get(language) or self.cities.get("native") or next(iter(self.cities.values()), "")

    def ministry(self, language: str) -> str:
        """Its own name, as the host reads it; the English one in papers that are in English by fallback."""
        return self.ministry_en if language == "en" and self.ministry_en else self.ministry_native


# --- Words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """The fixed words of one language, in tables as in pickets/data/words/en.toml."""

    language: str
    reviewed_by: str
    tables: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, table: str) -> Mapping[str, Any]:
        return self.tables[table]


@cache
def word_languages() -> frozenset[str]:
    """Languages that there are words in."""
    return frozenset(path.stem for path in WORDS.glob("*.toml"))


@cache
def words(language: str) -> Words:
    """The words of a language; English where there are none."""
    known = language if language in word_languages() else "en"
    read = tomllib.loads((WORDS / f"{known}.toml").read_text(encoding="utf-8"))
    return Words(known, read.pop("reviewed_by"), read)


# Where the first official language by number of speakers is not the ministry's, and where a region has another one.
# Only cantons whose single official language it is: in Bern, Fribourg, Valais and Grisons there are several.
_FIRST_LANGUAGE = {
    "BE": "fr",
    "CH-GE": "fr",
    "CH-JU": "fr",
    "CH-NE": "fr",
    "CH-VD": "fr",
    "CH-TI": "it",
    "CA-QC": "fr",
}


def host_language(country_code: str, region: str = "") -> tuple[str, bool]:
    """The language that papers for a place are in, and whether English stands in for one we have no words in.

    The first official language of the country (CLDR), or of the region (ISO 3166-2) where that is another. Never Belarusian:
    it stands on the papers anyway.
    """
    official = get_official_languages(country_code, de_facto=True)
    first = _FIRST_LANGUAGE.get(region) or _FIRST_LANGUAGE.get(country_code) or next(iter(official), "")
    if first in word_languages() - {"be"}:
        return first, False
    return "en", "en" not in official


# --- Days and hours ---------------------------------------------------------------------------------------------------


def _locale(language: str, country_code: str) -> Locale:
    """How a language writes dates in a country; English as in Britain where CLDR knows no English of the country."""
    for one in ((language, country_code), (language, "GB"), (language, None)):
        try:
            return Locale(*one)
        except UnknownLocaleError:
            continue
    return Locale("en", "GB")


def day(moment: datetime, language: str, country_code: str = "") -> str:
    """Such as "Friday, 27 November 2026"."""
    return format_date(moment, "full", locale=_locale(language, country_code))


def day_of_month(moment: datetime, language: str, country_code: str = "") -> str:
    """Such as "27 November", in the order of the language."""
    return format_skeleton("MMMMd", moment, locale=_locale(language, country_code))


def weekday(moment: datetime, language: str) -> str:
    """Such as "Friday"."""
    return format_date(moment, "EEEE", locale=_locale(language, ""))


def month(moment: datetime, language: str) -> str:
    """Name of the month as it follows the number of the day."""
    return format_date(moment, "MMMM", locale=_locale(language, ""))


def clock(moment: datetime, language: str, country_code: str = "") -> str:
    """The local time, such as "17:00"; in the way of the country for English."""
    return format_time(moment, "short", locale=_locale(language, country_code))


def hours(start: datetime, end: datetime, language: str, country_code: str = "") -> str:
    """Such as "17:00–19:00"; the day of the end is named when it is another one."""
    until = clock(end, language, country_code)
    if start.date() != end.date():
        until = f"{until} ({day_of_month(end, language, country_code)})"
    return f"{clock(start, language, country_code)}–{until}"


# --- The letter to the authority --------------------------------------------------------------------------------------

# The member states of the European Union and the other states of the European Economic Area.
_GDPR = frozenset({"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Letter:
    """The letter to the authority and the request on personal data that goes with it, ready to print or to mail."""

    addressee: str
    subject: str
    opening: str
    organiser: Sequence[str]
    """Labels of lines that the organiser fills in by hand."""
    rows: Sequence[tuple[str, str]]
    """What is told of the assembly; an empty value is a line to be filled in."""
    reply: str
    enclosure: str
    closing: str
    privacy_subject: str
    privacy: Sequence[str]


def letter_to_authority(facts: PicketFacts) -> Letter:
    """The notice, application or information, by the regime, in the words of the host country.

    The request on personal data is there because the city of Lisbon gave the data of organisers to the embassies that their
    assemblies were held at, and was fined for it (CNPD, January 2022). It cites the GDPR only where that is in force.
    """
    own = words(facts.language)
    told, asked, language = own["notice"], own["privacy"], own.language
    regime = facts.regime if facts.regime in ("notification", "permit") else "other"
    law = "eu" if facts.country_code in _GDPR else "gb" if facts.country_code == "GB" else "other"
    on_day = day(facts.starts_at, language, facts.country_code)
    values = {"date": on_day, "city": facts.city(language)}
    return Letter(
        addressee=facts.authority_native or facts.authority_en,
        subject=told[f"subject_{regime}"],
        opening=told[f"opening_{regime}"],
        organiser=[told[f"organiser_{key}"] for key in ("name", "address", "phone", "email", "other")],
        rows=_rows(facts, told, language, on_day),
        reply=told["reply"],
        enclosure=told["enclosure"],
        closing=told["closing"],
        privacy_subject=asked["subject"],
        privacy=[*(one.format_map(values) for one in asked["paragraphs"]), asked[f"law_{law}"], asked["before"]],
    )


def _rows(facts: PicketFacts, told: Mapping[str, str], language: str, on_day: str) -> list[tuple[str, str]]:
    start, end = (clock(one, language, facts.country_code) for one in (facts.starts_at, facts.ends_at))
    if facts.starts_at.date() != facts.ends_at.date():
        end = f"{end} ({day(facts.ends_at, language, facts.country_code)})"
    place = ", ".join(one for one in (facts.filed_place or facts.place, facts.city(language)) if one)
    purpose = told["purpose_text"].format(
        title=facts.petition_title(facts.language)[0], ministry=facts.ministry(language)
    )
    return [
        (told["kind"], told[f"kind_{facts.mode}"]),
        (told["purpose"], purpose),
        (told["place"], place),
        (told["date"], on_day),
        (told["time"], told["time_text"].format(start=start, end=end)),
        (told["people"], str(facts.people) if facts.people else ""),
        (told["equipment"], told["equipment_text"]),
        (told["stewards"], ""),
        (told["law"], facts.law),
    ]


def notice_text(facts: PicketFacts) -> str:
    """The same letter as text for a mail, with a preface that says it is a draft. Lines end with a line feed."""
    letter, told = letter_to_authority(facts), words(facts.language)["notice"]
    parts = [
        f"[{told['mail_preface']}]",
        letter.addressee,
        letter.subject,
        letter.opening,
        "\n".join([told["organiser"], *(f"{label}: {BLANK}" for label in letter.organiser)]),
        "\n".join([told["particulars"], *(f"{label}: {value or BLANK}" for label, value in letter.rows)]),
        letter.reply,
        letter.enclosure,
        letter.closing,
        f"{told['organiser_name']}: {BLANK}",
        "-" * 40,
        letter.addressee,
        letter.privacy_subject,
        *letter.privacy,
        letter.closing,
        f"{told['organiser_name']}: {BLANK}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# --- Texts of the pack ------------------------------------------------------------------------------------------------

PACK_NAMES = {
    PaperKind.POSTER_A4: "01-poster-a4.pdf",
    PaperKind.POSTER_A3: "02-poster-a3.pdf",
    PaperKind.APPEAL: "03-appeal-a4.pdf",
    PaperKind.SAFETY_CARD: "04-safety-card-a6.pdf",
    PaperKind.SHIFTS: "05-shifts-a4.pdf",
    PaperKind.SHEET: "06-signature-sheet-a4.pdf",
    PaperKind.NOTICE: "07-letter-to-authority-a4.pdf",
}
"""Drawn papers in the order of the archive."""
NOTICE_TEXT = "08-letter-to-authority.txt"
RULE_TEXT = "09-rule.txt"


def readme_text(facts: PicketFacts) -> str:
    """What is in the archive and how often to print it: in the host's language, Belarusian and English."""
    told = [_readme(facts, words(one)) for one in _languages(facts)]
    return "\n\n".join([f"{facts.code.upper()} {facts.public_url}", *told]) + "\n"


def _readme(facts: PicketFacts, own: Words) -> str:
    told = own["pack"]
    lines = [f"{name}: {told[kind].format(lines=facts.sheet_lines)}" for kind, name in PACK_NAMES.items()]
    lines += [f"{NOTICE_TEXT}: {told['notice_text']}", f"{RULE_TEXT}: {told['rule']}"]
    return "\n".join([told["heading"], "=" * len(told["heading"]), told["intro"], "", *lines])


def _languages(facts: PicketFacts) -> list[str]:
    """Languages of words: the host's, Belarusian, English, each once."""
    return list(dict.fromkeys((words(facts.language).language, "be", "en")))


def rule_text(facts: PicketFacts) -> str:
    """The rule with its source, the day it was checked, and how sure we are: in Belarusian and English."""
    return "\n\n".join(_rule(facts, words(one)) for one in ("be", "en")) + "\n"


def _rule(facts: PicketFacts, own: Words) -> str:
    told = own["rule"]
    checked = facts.rule_checked_on.isoformat() if facts.rule_checked_on else ""
    authority = " / ".join(dict.fromkeys(one for one in (facts.authority_native, facts.authority_en) if one))
    rows = [
        (told["authority"], authority),
        (told["law"], facts.law),
        (told["checked_on"], checked),
        (told["confidence"], told.get(f"confidence_{facts.rule_confidence}", "")),
        (told["note"], facts.rule_note),
    ]
    return "\n".join(
        [
            told["heading"],
            "=" * len(told["heading"]),
            own["card"]["not_advice"],
            "",
            *(f"{label}: {value or told['unknown']}" for label, value in rows),
        ]
    )
