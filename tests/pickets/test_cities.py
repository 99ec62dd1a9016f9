"""Cities: what the data hold, how they are found, and what they are called."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from core.config import Role
from core.typed import search_words
from pickets.cities import (
    DATA,
    added_names,
    city_name,
    find_cities,
    full_name,
    kilometres_between,
    named_so,
    native_name,
    read_cities,
)
from pickets.seed import seed_cities
from tests.conftest import ROOT, House
from tests.pickets import factories

VILNIUS = 593116
IN_PUBLIC_USE = {
    "Вільня", "Ротэрдам", "Гётэборг", "Вашынгтон", "Харкаў", "Велінгтон", "Нью-Дэлі", "Nowe Delhi",
}  # fmt: skip
"""Names that neither GeoNames nor CLDR has."""


@dataclass(frozen=True)
class Called:
    """As much of a city as its names need."""

    id: int
    name: str = "Somewhere"
    near: str = ""
    country_code: str = "US"


@pytest.fixture(scope="module")
def cities() -> dict[int, dict[str, Any]]:
    """All cities of the data by number."""
    return {city["id"]: city for city in read_cities()}


@pytest.fixture(scope="module")
def names() -> dict[int, dict[str, Any]]:
    """What data/city_names.toml says, by number."""
    told = tomllib.loads((DATA / "city_names.toml").read_text(encoding="utf-8"))
    return {int(number): entry for number, entry in told.items()}


@pytest.fixture
def seeded(house: House) -> House:
    """A few cities that tests look for, with all their names."""
    wanted = {
        VILNIUS, 756135, 776069, 5128581, 4887398,  # Vilnius, Warsaw, Białystok, New York, Chicago
        611717, 615532, 616052, 264371, 281184, 2618425, 6094817, 6167865,  # Tbilisi, Batumi, Yerevan, Athens, Jerusalem, Copenhagen, Ottawa, Toronto
        4250542, 4409896, 4951788,  # three Springfields
    }  # fmt: skip
    for city in read_cities():
        if city["id"] in wanted:
            row = {key: value for key, value in city.items() if key != "names"}
            house.sql(
                "INSERT INTO cities (id, name, country_code, region, slug, near, lat, lon, timezone, population) VALUES"
                " (:id, :name, :country_code, :region, :slug, :near, :lat, :lon, :timezone, :population)",
                **row,
            )
            for name in city["names"]:
                house.sql("INSERT INTO city_names (city_id, name) VALUES (:id, :name)", id=city["id"], name=name)
    return house


# --- The data ----------------------------------------------------------------------------------------------------------


def test_the_file_is_small_and_its_lines_are_in_order(cities: dict[int, dict[str, Any]]) -> None:
    path = DATA / "cities.tsv.gz"
    assert path.stat().st_size < 3_500_000
    assert path.read_bytes()[4:8] == bytes(4), "the time in the header would make each file another one"
    assert list(cities) == sorted(cities)
    assert len(cities) > 30_000


def test_every_city_can_be_addressed_and_found(cities: dict[int, dict[str, Any]]) -> None:
    slugs = Counter((city["country_code"], city["slug"]) for city in cities.values())
    assert [slug for slug, number in slugs.items() if number > 1] == []
    assert all(search_words(city["name"]) in city["names"] for city in cities.values())
    assert all(-90 <= city["lat"] <= 90 and -180 <= city["lon"] <= 180 for city in cities.values())


def test_every_time_zone_is_one_that_is_known(cities: dict[int, dict[str, Any]]) -> None:
    for name in {city["timezone"] for city in cities.values()}:
        assert ZoneInfo(name).key == name


def test_names_are_stored_as_they_are_looked_for(cities: dict[int, dict[str, Any]]) -> None:
    for city in list(cities.values())[::50]:
        assert city["names"] == sorted({search_words(name) for name in city["names"]})
        assert all(2 <= len(name) <= 60 for name in city["names"])


def test_codes_of_airports_are_no_names(cities: dict[int, dict[str, Any]]) -> None:
    assert "waw" not in cities[756135]["names"]
    assert "vno" not in cities[VILNIUS]["names"]


@pytest.mark.parametrize(
    ("number", "region"),
    [
        (2867714, "DE-BY"), (2910831, "DE-NI"), (2950159, "DE-BE"), (2661552, "CH-BE"), (3128760, "ES-CT"), (3128026, "ES-PV"),
        (2655984, "GB-NIR"), (2775220, "AT-7"), (2172517, "AU-ACT"), (2147714, "AU-NSW"), (2174003, "AU-QLD"), (2158177, "AU-VIC"),
        (2063523, "AU-WA"), (3204541, "BA-SRP"), (4140963, "US-DC"), (1261481, "IN-DL"), (1850147, "JP-13"), (3530597, "MX-CMX"),
        (6094817, "CA-ON"), (756135, ""), (2523920, ""),
    ],
)  # fmt: skip
def test_regions_are_those_that_rules_and_calendars_know(
    cities: dict[int, dict[str, Any]], number: int, region: str
) -> None:
    assert cities[number]["region"] == region


def test_every_region_has_a_calendar_or_a_rule(cities: dict[int, dict[str, Any]]) -> None:
    calendars = holidays.list_supported_countries()
    with (DATA / "assembly_rules.csv").open(encoding="utf-8", newline="") as file:
        ruled = {row["region"] for row in csv.DictReader(file)}
    for region in {city["region"] for city in cities.values() if city["region"]}:
        country, _, part = region.partition("-")
        assert part in calendars.get(country, []) or region in ruled, region


def test_the_largest_of_namesakes_has_the_plain_address(cities: dict[int, dict[str, Any]]) -> None:
    namesakes = [city for city in cities.values() if (city["country_code"], city["name"]) == ("US", "Springfield")]
    largest = max(namesakes, key=lambda city: city["population"])
    assert [city["id"] for city in namesakes if city["slug"] == "springfield"] == [largest["id"]]
    assert cities[4951788]["near"] == "Boston"
    assert cities[4951788]["slug"] == "springfield-boston"


def test_only_a_city_with_a_namesake_is_near_another(cities: dict[int, dict[str, Any]]) -> None:
    shared = Counter((city["country_code"], search_words(city["name"])) for city in cities.values())
    assert all(shared[city["country_code"], search_words(city["name"])] > 1 for city in cities.values() if city["near"])


def test_every_capital_with_a_ministry_is_among_them(cities: dict[int, dict[str, Any]]) -> None:
    found = {(city["country_code"], name) for city in cities.values() for name in city["names"]}
    with (ROOT / "petitions" / "data" / "ministries.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if len(row["country_code"]) == 2 and row["country_code"] not in ("EU", "UN"):
                city = search_words(row["city"])
                assert (row["country_code"], city) in found or city == "washington d c", row["city"]


# --- Names -------------------------------------------------------------------------------------------------------------


def test_what_cities_are_called_is_what_geonames_has(
    cities: dict[int, dict[str, Any]], names: dict[int, dict[str, Any]]
) -> None:
    for number, entry in names.items():
        told = [entry[key] for key in ("en", "be", "pl", "native") if key in entry]
        added = [name for name in told if name in entry.get("also", ())]
        assert all(search_words(name) in cities[number]["names"] for name in told), entry
        assert set(added) <= {entry.get("be"), entry.get("pl")}, entry


def test_names_that_geonames_lacks_are_from_cldr_or_listed_here(
    cities: dict[int, dict[str, Any]], names: dict[int, dict[str, Any]]
) -> None:
    zones = {language: Locale.parse(language).time_zones for language in ("be", "pl")}
    others = {
        name
        for number, entry in names.items()
        for name in entry.get("also", ())
        if name not in {zones[one].get(cities[number]["timezone"], {}).get("city") for one in zones}
    }
    assert others == IN_PUBLIC_USE


def test_a_city_is_called_as_its_reader_calls_it() -> None:
    vilnius = Called(VILNIUS, "Vilnius", country_code="LT")
    assert [city_name(vilnius, language) for language in ("en", "be", "pl", "fr")] == [
        "Vilnius", "Вільнюс", "Wilno", "Vilnius",
    ]  # fmt: skip
    assert native_name(Called(2867714, "Munich")) == "München"
    assert city_name(Called(1, "Nowhere"), "be") == native_name(Called(1, "Nowhere")) == "Nowhere"


def test_a_full_name_tells_namesakes_apart(house: House) -> None:
    with house.inside(Role.PUBLIC):
        assert full_name(Called(1, "Springfield", "Boston"), "en") == "Springfield (near Boston), United States"
        assert full_name(Called(VILNIUS, "Vilnius", country_code="LT"), "pl") == "Wilno, Litwa"


def test_names_of_our_own_are_few() -> None:
    assert added_names(VILNIUS) == ["Вільня"]
    assert added_names(1) == ()


# --- Finding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "Vilnius", "vilnius", "  VILNIUS ", "Wilno", "Вільня", "Вільнюс", "Вильнюс", "Vilna", "ვილნიუსი", "Βίλνα", "Վիլնյուս",
        "וילנה", "vilnius, lithuania", "Вільнюс, Літва", "Wilno, Litwa", "Viln", "Vilnus", "Vilinus", "Vilnius, Nowhere",
    ],
)  # fmt: skip
def test_vilnius_is_found_by_all_its_names(seeded: House, typed: str) -> None:
    with seeded.inside(Role.PUBLIC):
        assert [city.id for city in find_cities(typed)][:1] == [VILNIUS]


def test_exact_names_come_first_and_the_largest_first(seeded: House) -> None:
    seeded.sql(
        "INSERT INTO cities VALUES (1, 'Springfield Heights', 'US', '', 'heights', '', 0, 0, 'America/Chicago', 9000000)"
    )
    seeded.sql("INSERT INTO city_names VALUES (1, 'springfield heights')")
    with seeded.inside(Role.PUBLIC):
        found = find_cities("springfield")
        assert [city.id for city in found] == [4409896, 4951788, 4250542, 1]
        assert [city.id for city in find_cities("springfield", most=2)] == [4409896, 4951788]


def test_a_country_leaves_all_others_out(seeded: House) -> None:
    with seeded.inside(Role.PUBLIC):
        assert find_cities("Vilnius", "PL") == []
        assert find_cities("Vilnius, Lithuania", "PL") == []
        assert [city.id for city in find_cities("Vilnyos", "LT")] == [VILNIUS]
        assert find_cities("Vilnius, Poland") == []


@pytest.mark.parametrize(
    "typed",
    ["", " ", ",", ",,,", ", Lithuania", "%", "_", "%%%%%%", "v%", "\\", "'; --", "x" * 1000, "\0", "😀", "\ud800"],
)
def test_odd_input_finds_nothing_and_breaks_nothing(seeded: House, typed: str) -> None:
    with seeded.inside(Role.PUBLIC):
        assert find_cities(typed) == [] or typed in ("v%",)


def test_near_spellings_are_looked_for_only_when_nothing_else_is_found(seeded: House) -> None:
    with seeded.inside(Role.PUBLIC):
        assert [city.id for city in find_cities("Warszawa")] == [756135]
        assert [city.id for city in find_cities("Warszwaa")] == [756135]
        assert [city.id for city in find_cities("Bialistok")] == [776069]
        assert find_cities("Wxs") == []
        assert find_cities("Xyzzyxyz") == []


# --- Numbers -----------------------------------------------------------------------------------------------------------


def test_kilometres_between_known_cities() -> None:
    assert kilometres_between(52.2297, 21.0122, 54.6872, 25.2797) == pytest.approx(394, abs=3)  # Warsaw and Vilnius.
    assert kilometres_between(51.5074, -0.1278, 40.7128, -74.0060) == pytest.approx(
        5570, abs=10
    )  # London and New York.


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_distances_are_the_same_both_ways_and_never_longer_than_half_round(
    lat: float, lon: float, other_lat: float, other_lon: float
) -> None:
    there = kilometres_between(lat, lon, other_lat, other_lon)
    assert there == pytest.approx(kilometres_between(other_lat, other_lon, lat, lon), abs=1e-6)
    assert 0 <= there < 20_016


# --- The seed ----------------------------------------------------------------------------------------------------------


def test_all_cities_are_written_and_again_without_harm(house: House) -> None:
    with house.inside(Role.CONSOLE):
        number = seed_cities()
        assert number > 30_000
    house.sql("UPDATE cities SET name = 'Old' WHERE id = :id", id=VILNIUS)
    house.sql("INSERT INTO city_names VALUES (:id, 'gone')", id=VILNIUS)
    rows = house.value("SELECT count(*) FROM city_names")
    with house.inside(Role.CONSOLE):
        assert seed_cities() == number
    assert house.value("SELECT name FROM cities WHERE id = :id", id=VILNIUS) == "Vilnius"
    assert house.value("SELECT count(*) FROM city_names") == rows - 1
    assert house.value("SELECT count(*) FROM cities") == number
    with house.inside(Role.PUBLIC):
        assert find_cities("Вільня")[0].id == VILNIUS
        assert find_cities("Washington, D.C.")[0].region == "US-DC"
        assert find_cities("paris")[0].country_code == "FR"
        assert find_cities("s")
        assert not find_cities("sxxxxxxx")


def test_only_those_of_just_this_name_are_namesakes(house: House) -> None:
    factories.city(house, "Warszawa", "Варшава")
    factories.city(
        house,
        id=1,
        name="Warsaw",
        country_code="US",
        slug="warsaw",
        timezone="America/Indiana/Indianapolis",
        population=15_000,
    )
    factories.city(house, id=2, name="Warszawianka", country_code="PL", slug="warszawianka", population=20_000)
    with house.inside(Role.PUBLIC):
        for typed, number in (("Warszawa", 1), ("варшава, Польшча", 1), ("Warsaw", 2), ("Warsz", 0)):
            assert len(named_so(typed, find_cities(typed))) == number, typed
