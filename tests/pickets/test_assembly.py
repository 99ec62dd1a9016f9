"""The table of assembly rules, and which of its lines is meant for a place."""

from __future__ import annotations

import csv
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from pickets import assembly
from pickets.assembly import (
    CONFIDENCE_LABELS,
    DATA,
    FACE_LABELS,
    MODE_LABELS,
    REGIME_LABELS,
    ROUTE_LABELS,
    UNITS,
    Rule,
    find_rule,
    is_stale,
    period,
    upper_bound,
    who_may_organise,
)

HOURS = {"hours": 1.0, "days": 24.0, "clear_days": 24.0, "working_days": 33.6, "weeks": 168.0}


def known(country: str, region: str = "", city: str = "", mode: str = "static_assembly") -> Rule:
    rule = find_rule(country, region, city, mode)
    assert rule is not None
    return rule


def rows() -> list[dict[str, str]]:
    with (DATA / "assembly_rules.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def all_rules() -> Iterator[Rule]:
    for row in rows():
        yield known(row["country_code"], row["region"], mode=row["mode"])


def test_every_line_of_the_table_is_a_rule_of_its_own() -> None:
    keys = Counter((row["country_code"], row["region"], row["mode"]) for row in rows())
    assert max(keys.values()) == 1
    found = [(rule.country_code, rule.region, rule.mode) for rule in all_rules()]
    assert found == list(keys)
    assert len(found) > 100


def test_codes_of_the_table_are_known() -> None:
    for rule in all_rules():
        about = (rule.country_code, rule.region, rule.mode)
        assert rule.mode in MODE_LABELS, about
        assert rule.regime in REGIME_LABELS, about
        assert rule.unit in (None, *UNITS), about
        assert rule.counted_from in (None, "event", "announcement"), about
        assert rule.face_covering in FACE_LABELS, about
        assert rule.confidence in CONFIDENCE_LABELS, about
        assert rule.authority_en, about
        assert rule.authority_native, about
        assert rule.law or rule.regime is None, about
        assert re.fullmatch(r"[A-Z]{2}", rule.country_code), about
        assert re.fullmatch(rf"|{rule.country_code}-[A-Z0-9]{{1,3}}|[A-Z][a-z]+(?: [A-Z][a-z]+)*", rule.region), about


def test_figure_unit_and_what_it_is_counted_from_are_there_together() -> None:
    for rule in all_rules():
        assert (rule.minimum is None) == (rule.unit is None) == (rule.counted_from is None), rule
        assert rule.minimum is None or 1 <= rule.minimum < 1000
        if rule.regime in (None, "none"):
            assert rule.minimum is None, rule
            assert rule.earliest_days is None, rule
        if rule.counted_from == "announcement":
            assert rule.unit == "hours", "pickets.deadlines counts nothing else up to the announcement"


def test_no_rule_can_be_kept_by_nobody() -> None:
    for one in [*all_rules(), *(route for rule in all_rules() for route in rule.routes)]:
        if one.minimum is not None and one.unit is not None and one.earliest_days is not None:
            assert one.minimum * HOURS[one.unit] <= one.earliest_days * 24, one


def test_what_is_not_known_or_dangerous_says_so() -> None:
    for rule in all_rules():
        assert (rule.red_flag) == rule.note.startswith("Red flag"), rule
        if rule.regime is None:
            assert rule.confidence == "low", rule
            assert rule.note.startswith("Unknown: ask locally"), rule
        if rule.regime == "prohibited_or_restricted":
            assert rule.red_flag, rule


def test_texts_of_the_table_are_clean() -> None:
    for row in rows():
        for text in row.values():
            assert text == unicodedata.normalize("NFC", text).strip(), row
            assert all(unicodedata.category(char) not in ("Cc", "Cf", "Co", "Cn") for char in text), row
            assert "@" not in text, "addresses of people and offices go out of date unseen"
        assert 30 <= len(row["note_en"]) <= 330
        assert row["note_en"].endswith(".")


def test_a_place_has_a_rule_only_where_its_country_has_one() -> None:
    countries = {rule.country_code for rule in all_rules() if not rule.region and rule.mode == "static_assembly"}
    assert {rule.country_code for rule in all_rules()} == countries


def test_a_city_comes_before_its_region_and_that_before_the_country() -> None:
    assert known("DE").law == "VersG § 14 or the assembly law of the Land"
    assert known("DE", "DE-BE", "Berlin").law == "VersFG BE § 12"
    assert known("DE", "DE-HE", "Frankfurt am Main") == known("DE")
    assert known("NL", "", "Oosterhout").minimum == 72
    assert known("NL", "", "Amsterdam") == known("NL")
    assert known("PL", "", "Warsaw").authority_en == "City of Warsaw"


def test_a_city_beats_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {("DE", place, "static_assembly"): replace(known("DE"), region=place) for place in ("", "de-by", "munich")}
    monkeypatch.setattr(assembly, "_rules", lambda: made)
    assert known("DE", "DE-BY", "Munich").region == "munich"
    assert known("DE", "DE-BY", "Nuremberg").region == "de-by"
    assert known("DE", "DE-BE", "Berlin").region == ""


@pytest.mark.parametrize(
    ("country", "city", "region"),
    [
        ("CH", "Zürich", "Zurich"),
        ("MD", "Chişinău", "Chisinau"),
        ("MD", "Chișinău", "Chisinau"),
        ("LU", "Luxembourg", "Luxembourg"),
        ("NL", "The Hague", "The Hague"),
        ("LV", "Rīga", "Riga"),
    ],
)
def test_cities_are_found_however_their_accents_are_written(country: str, city: str, region: str) -> None:
    assert known(country, "", city).region == region


def test_a_city_is_looked_for_in_its_own_country_alone() -> None:
    assert known("CA", "", "London") == known("CA")


def test_a_mode_without_a_line_for_the_city_has_that_of_the_country() -> None:
    assert known("PL", "", "Warsaw", "single_person").regime == "none"
    assert known("PL", "", "Warsaw", "single_person").region == ""


def test_a_mode_that_has_no_line_is_not_known() -> None:
    assert find_rule("FR", "", "Paris", "petition_stand") is None
    assert find_rule("BY", "", "Minsk") is None


def test_a_rule_is_stale_after_half_a_year() -> None:
    rule = known("PL")
    assert not is_stale(rule, rule.checked_on + timedelta(days=180))
    assert is_stale(rule, rule.checked_on + timedelta(days=181))
    assert rule.checked_on == date(2026, 11, 22)


def test_what_is_known_of_berlin() -> None:
    rule = known("DE", "DE-BE", "Berlin")
    assert (rule.regime, rule.minimum, rule.unit, rule.counted_from) == ("notification", 48, "hours", "announcement")
    assert (rule.min_people, rule.face_covering, rule.red_flag, rule.confidence) == (2, "banned", False, "high")
    assert not rule.skips_rest_days


def test_hours_that_rest_on_weekends() -> None:
    assert {rule.region for rule in all_rules() if rule.skips_rest_days} == {"DE-BY", "DE-NI", "Oosterhout"}


def test_working_days_that_are_clear() -> None:
    assert {rule.region for rule in all_rules() if rule.clear} == {"AU-QLD"}


def test_figures_that_hold_for_small_pickets_alone() -> None:
    assert {(rule.country_code, rule.max_people) for rule in all_rules() if rule.max_people} == {
        ("CH", 100),
        ("AZ", 50),
    }


def test_routes_are_whole_and_shorter_than_the_rule() -> None:
    for rule in all_rules():
        codes = [route.code for route in rule.routes]
        assert len(set(codes)) == len(codes), rule
        for route in rule.routes:
            assert route.code in ROUTE_LABELS
            assert route.confidence in CONFIDENCE_LABELS
            assert (route.minimum is None) == (route.unit is None) == (route.counted_from is None)
            assert route.unit in (None, *UNITS)
            assert route.note.endswith(".")
            if route.minimum is not None and route.unit is not None:
                assert rule.minimum is not None
                assert rule.unit is not None
                assert route.minimum * HOURS[route.unit] < rule.minimum * HOURS[rule.unit], rule


@pytest.mark.parametrize(
    ("place", "routes"),
    [
        (("PL", "", "Warsaw"), [("simplified", 2, "days"), ("spontaneous", None, None)]),
        (("LV", "", "Riga"), [("urgent", 24, "hours")]),
        (("EE", "", "Tallinn"), [("simplified", 2, "hours")]),
        (("ES", "ES-CT", "Barcelona"), [("urgent", 24, "hours")]),
        (("XK", "", "Pristina"), [("urgent", 3, "hours")]),
        (("BG", "", "Sofia"), [("urgent", 24, "hours")]),
        (("HR", "", "Zagreb"), [("urgent", 48, "hours")]),
        (("CH", "", "Geneva"), [("urgent", 48, "hours")]),
        (("DE", "DE-BE", "Berlin"), [("urgent", None, None), ("spontaneous", None, None)]),
        (("FR", "", "Paris"), []),
    ],
)
def test_shorter_ways(place: tuple[str, str, str], routes: list[tuple[str, int | None, str | None]]) -> None:
    assert [(route.code, route.minimum, route.unit) for route in known(*place).routes] == routes


def test_only_a_spontaneous_assembly_in_poland_is_exempt() -> None:
    exempt = {(rule.country_code, route.code) for rule in all_rules() for route in rule.routes if route.exempt}
    assert exempt == {("PL", "spontaneous")}


def test_a_figure_of_a_route_stands_in_the_note_of_its_rule_or_of_its_country() -> None:
    told = tomllib.loads((DATA / "assembly_routes.toml").read_text(encoding="utf-8"))
    words = {2: "2|two", 3: "three", 24: "24", 48: "48"}
    for entry in told["route"]:
        if "minimum" in entry:
            country = entry["rows"][0].partition("/")[0]
            notes = " ".join(rule.note for rule in all_rules() if rule.country_code == country)
            assert re.search(rf"\b(?:{words[entry['minimum']]}) {entry['unit']}", notes), entry


@pytest.mark.parametrize(
    ("place", "phrase"),
    [
        (("PL", "", ""), "6 days before the day of the picket"),
        (("DE", "DE-BE", "Berlin"), "48 hours before it is announced"),
        (
            ("DE", "DE-BY", "Munich"),
            "48 hours before it is announced; Saturdays, Sundays and public holidays do not count",
        ),
        (("DK", "", ""), "24 hours before the picket begins"),
        (("LT", "", "Vilnius"), "5 working days before the day of the picket"),
        (("FR", "", ""), "3 clear days: neither the day of filing nor the day of the picket counts"),
        (
            ("AU", "AU-QLD", "Brisbane"),
            "5 clear working days: neither the day of filing nor the day of the picket counts",
        ),
        (("SE", "", ""), "1 week before the day of the picket"),
        (("CH", "", "Basel"), "3 weeks before the day of the picket"),
        (("NO", "", ""), "no figure is known: ask"),
        (("IE", "", "Dublin"), "the rule that we know asks for no notice"),
    ],
)
def test_a_period_is_said_in_words(place: tuple[str, str, str], phrase: str) -> None:
    assert period(known(*place)) == phrase


def test_the_period_of_a_route_is_said_in_words() -> None:
    simplified, spontaneous = known("PL").routes
    assert period(simplified) == "2 days before the day of the picket"
    assert period(spontaneous) == "no notice is needed"
    assert upper_bound(simplified) == "not earlier than 30 days before the day of the picket"
    assert upper_bound(known("DK")) is None


def test_who_may_organise_is_said_in_words() -> None:
    assert who_may_organise(known("PL")) == "Everybody"
    assert who_may_organise(known("IT")) == "Everybody"
    assert who_may_organise(known("GE")) == "Not known: ask"
    assert who_may_organise(known("PT")).startswith("Three people")
    assert who_may_organise(known("KZ")) == "citizens of Kazakhstan only, also as participants"


def test_every_code_of_eligibility_has_words() -> None:
    for rule in all_rules():
        assert " " in who_may_organise(rule) or rule.eligibility == "any", rule
