"""What stands on the papers of a picket: words that are complete, languages, days and hours, the letter to the authority."""

from __future__ import annotations

import dataclasses
import re
import string
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pickets.models import MODES, SHIFT_ROLE_LABELS
from pickets.papers import (
    BLANK,
    PACK_NAMES,
    WORDS,
    PaperKind,
    PicketFacts,
    PrintedAppeal,
    day,
    host_language,
    hours,
    letter_to_authority,
    notice_text,
    readme_text,
    rule_text,
    word_languages,
    words,
)

LANGUAGES = sorted(word_languages())
QUOTES = {"be": "«»", "cs": "„“", "de": "„“", "en": "“”", "fr": "«»", "lt": "„“", "pl": "„”", "sv": "””"}


def facts(**changes: Any) -> PicketFacts:
    start = datetime(2026, 11, 27, 17, tzinfo=ZoneInfo("Europe/Warsaw"))
    whole = PicketFacts(
        code="k7m2qx",
        language="pl",
        country_code="PL",
        cities={"native": "Warszawa", "be": "Варшава", "en": "Warsaw"},
        ministry_native="Ministerstwo Spraw Zagranicznych",
        ministry_en="Ministry of Foreign Affairs",
        starts_at=start,
        ends_at=start + timedelta(hours=2),
        public_url="https://zbor.example.org/pickets/k7m2qx",
        sign_url="https://zbor.example.org/p/k7m2qx",
        contact="organisers@example.org",
        petition_titles={"en": "Keep a door open", "be": "Не зачыняйце дзверы", "pl": "Nie zamykajcie drzwi"},
        place="al. Szucha 23",
        people=30,
        regime="notification",
        authority_native="Urząd m.st. Warszawy",
        authority_en="City of Warsaw",
        law="Prawo o zgromadzeniach, art. 7",
        organiser="Буслік",
    )
    return dataclasses.replace(whole, **changes)


def flat(language: str) -> dict[str, str]:
    """Every text of a language by its path."""

    def walk(path: str, value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield path, value
            return
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from walk(f"{path}.{key}", one)

    return dict(walk("", tomllib.loads((WORDS / f"{language}.toml").read_text(encoding="utf-8"))))


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_complete_and_their_placeholders_agree(language: str) -> None:
    own, english = flat(language), flat("en")
    assert own.keys() == english.keys()
    assert {key: placeholders(text) for key, text in own.items()} == {
        key: placeholders(text) for key, text in english.items()
    }
    may_be_empty = {".reviewed_by"} | {key for key in own if language == "be" and key.startswith(".card.police_aid")}
    assert not [key for key, text in own.items() if not text.strip() and key not in may_be_empty]


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_of_a_language_have_its_letters_and_its_quotation_marks(language: str) -> None:
    for key, text in flat(language).items():
        if key.startswith(".card.police_aid"):
            assert not re.search("[A-Za-z]", text), (key, text)
            continue
        assert not re.search("[\"'«»„“”]", text.translate(dict.fromkeys(map(ord, QUOTES[language])))), (key, text)
        assert language == "be" or not re.search("[а-яёіў]", text.casefold()), (key, text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_role_mode_and_paper_has_words(language: str) -> None:
    own = words(language)
    assert {f"role_{role}" for role in SHIFT_ROLE_LABELS} == {key for key in own["shifts"] if key.startswith("role_")}
    assert {f"kind_{mode}" for mode in MODES} == {key for key in own["notice"] if key.startswith("kind_")}
    assert set(PACK_NAMES) == set(PaperKind) - {PaperKind.PASS, PaperKind.PACK}
    assert set(PACK_NAMES) <= set(own["pack"])
    assert len(own["card"]["police"]) == len(own["card"]["police_aid"])


def test_a_language_without_words_is_set_in_english() -> None:
    assert words("ka").language == "en"
    assert words("pl").language == "pl"


@pytest.mark.parametrize(
    ("country", "region", "expected"),
    [
        ("PL", "", ("pl", False)), ("LT", "", ("lt", False)), ("DE", "DE-BE", ("de", False)), ("AT", "", ("de", False)),
        ("LI", "", ("de", False)), ("CH", "CH-BE", ("de", False)), ("CH", "CH-GE", ("fr", False)), ("CH", "CH-TI", ("en", True)),
        ("CZ", "", ("cs", False)), ("SE", "", ("sv", False)), ("FR", "", ("fr", False)), ("BE", "", ("fr", False)),
        ("LU", "", ("fr", False)), ("GB", "", ("en", False)), ("CA", "CA-QC", ("fr", False)), ("CA", "CA-ON", ("en", False)),
        ("GE", "", ("en", True)), ("LV", "", ("en", True)), ("FI", "", ("en", True)), ("BY", "", ("en", True)), ("", "", ("en", True)),
    ],
)  # fmt: skip
def test_papers_are_in_the_first_language_of_the_place(country: str, region: str, expected: tuple[str, bool]) -> None:
    assert host_language(country, region) == expected


def test_a_day_is_written_as_in_its_language_and_country() -> None:
    start = facts().starts_at
    assert day(start, "pl", "PL") == "piątek, 27 listopada 2026"
    assert day(start, "be", "PL").startswith("пятніца, 27 лістапада 2026")
    assert day(start, "en", "GE") == "Friday, 27 November 2026"
    assert day(start, "en", "US") == "Friday, November 27, 2026"


def test_hours_after_midnight_name_their_day() -> None:
    start = facts().starts_at.replace(hour=22)
    assert hours(start, start + timedelta(hours=1), "en", "GB") == "22:00–23:00"
    assert hours(start, start + timedelta(hours=4), "en", "GB") == "22:00–02:00 (28 November)"


def test_a_title_that_a_language_lacks_is_taken_in_english_then_in_belarusian() -> None:
    assert facts().petition_title("pl") == ("Nie zamykajcie drzwi", "pl")
    assert facts().petition_title("lt") == ("Keep a door open", "en")
    assert facts(petition_titles={"uk": "Двері", "be": "Дзверы"}).petition_title("lt") == ("Дзверы", "be")
    assert facts(petition_titles={"uk": "Двері"}).petition_title("lt") == ("Двері", "uk")
    assert facts(petition_titles={}, title="Пікет").petition_title("lt") == ("Пікет", "lt")


def test_the_appeal_is_handed_out_in_the_language_of_the_host_and_in_belarusian() -> None:
    one = PrintedAppeal("T", "S", "<p>B</p>")
    assert facts(appeals={"en": one, "be": one, "pl": one}).appeal_languages() == ["pl", "be"]
    assert facts(appeals={"en": one, "be": one}).appeal_languages() == ["en", "be"]
    assert facts(appeals={"be": one, "uk": one}).appeal_languages() == ["be"]
    assert facts(appeals={"uk": one, "ru": one}).appeal_languages() == ["ru"]
    assert facts(appeals={}).appeal_languages() == []


@pytest.mark.parametrize(
    ("regime", "subject"),
    [
        ("notification", "Notice of a public assembly"),
        ("permit", "Application for a permit for a public assembly"),
        ("none", "Information on a public assembly"),
        ("prohibited_or_restricted", "Information on a public assembly"),
        ("", "Information on a public assembly"),
    ],
)
def test_the_letter_asks_for_what_the_regime_needs(regime: str, subject: str) -> None:
    assert letter_to_authority(facts(language="en", regime=regime)).subject == subject


def test_the_letter_tells_the_authority_the_exact_place_when_the_public_reads_the_district() -> None:
    rows = dict(letter_to_authority(facts(language="en", place="Mokotów", filed_place="al. Szucha 23")).rows)
    assert rows["Place"] == "al. Szucha 23, Warsaw"
    assert dict(letter_to_authority(facts(language="en")).rows)["Place"] == "al. Szucha 23, Warsaw"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", MODES)
def test_the_mail_holds_all_that_is_known_and_blank_lines_for_the_organiser(language: str, mode: str) -> None:
    text = notice_text(facts(language=language, mode=mode))
    told = words(language)["notice"]
    assert text.startswith(f"[{told['mail_preface']}]\n\nUrząd m.st. Warszawy\n")
    for value in (
        told[f"kind_{mode}"],
        told["equipment_text"],
        "al. Szucha 23",
        "Prawo o zgromadzeniach, art. 7",
        "17:00",
        "19:00",
    ):
        assert value in text
    assert f"{told['people']}: 30\n" in text
    for key in ("name", "address", "phone", "email", "other"):
        assert f"{told[f'organiser_{key}']}: {BLANK}\n" in text
    assert "Буслік" not in text
    assert "{" not in text


def test_what_is_not_known_is_a_line_to_fill_in_and_not_a_zero() -> None:
    rows = dict(letter_to_authority(facts(language="en", people=0, law="")).rows)
    assert (rows["Expected number of participants"], rows["Legal basis"], rows["Stewards"]) == ("", "", "")
    text = notice_text(facts(language="en", people=0, law="", authority_native="", authority_en=""))
    assert f"Legal basis: {BLANK}" in text


@pytest.mark.parametrize(
    ("country", "cited"),
    [("PL", "Regulation (EU) 2016/679"), ("NO", "Regulation (EU) 2016/679"), ("GB", "UK GDPR"), ("GE", ""), ("CH", ""), ("US", "")],
)  # fmt: skip
def test_the_request_on_personal_data_cites_the_gdpr_only_where_it_holds(country: str, cited: str) -> None:
    request = " ".join(letter_to_authority(facts(language="en", country_code=country)).privacy)
    assert "embassy or a consulate of the Republic of Belarus" in request
    assert ("Article 5(1)(b) and (c)" in request) is bool(cited)
    assert cited in request
    assert ("2016/679" in request) is ("2016" in cited)


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=40))
def test_braces_and_percent_signs_in_what_people_typed_are_printed_as_typed(typed: str) -> None:
    hostile = "{ministry} {0} %s " + typed
    text = notice_text(facts(petition_titles={"pl": hostile}, place=hostile, authority_native=hostile, law=hostile))
    assert text.count(hostile) >= 5


def test_the_readme_names_every_file_in_three_languages() -> None:
    text = readme_text(facts(sheet_lines=15))
    for name in (*PACK_NAMES.values(), "08-letter-to-authority.txt", "09-rule.txt"):
        assert text.count(f"{name}: ") == 3
    assert text.startswith("K7M2QX https://zbor.example.org/pickets/k7m2qx\n")
    for language in ("pl", "be", "en"):
        assert words(language)["pack"]["heading"] in text
    assert text.count("15") == 3
    assert readme_text(facts(language="en")).count("09-rule.txt") == 2


def test_the_rule_is_told_with_its_source_its_day_and_how_sure_we_are() -> None:
    text = rule_text(facts(rule_checked_on=date(2026, 11, 22), rule_confidence="medium", rule_note="Ask."))
    for part in (
        "Source: Prawo o zgromadzeniach, art. 7",
        "Checked on: 2026-11-22",
        "How sure we are: medium",
        "Ask.",
        "часткова",
        "not legal advice",
    ):
        assert part in text
    unknown = rule_text(facts(law="", rule_checked_on=None, rule_confidence="", authority_native="", authority_en=""))
    assert unknown.count(": not known\n") + unknown.endswith(": not known\n") >= 5
