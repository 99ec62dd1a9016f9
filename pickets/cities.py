"""Cities: found by whatever name somebody calls them, and called as their readers call them."""

from __future__ import annotations

import csv
import gzip
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any, Protocol

from flask_babel import force_locale
from flask_babel import gettext as _
from rapidfuzz import fuzz, process
from sqlalchemy import ColumnElement, func, select

from core.config import LANGUAGES
from core.errors import database_may_be_away
from core.extensions import db
from core.i18n import country_choices, country_name
from core.typed import search_words
from pickets.pub import PublicCity, PublicCityName

DATA = Path(__file__).parent / "data"
COLUMNS = (
    "id", "name", "country_code", "region", "slug", "near", "lat", "lon", "timezone", "population", "names",
)  # fmt: skip
"""Of data/cities.tsv.gz."""
LONGEST_TYPED = 100
"""What is typed beyond it is passed over. No city of the data has so long a name."""
ALIKE = 75.0
"""Of 100, as rapidfuzz measures: two letters of eight differ."""
SHORTEST_ALIKE = 4
"""Letters. Of shorter words too many are alike."""
LETTERS_OFF = 2
MOST_COMPARED = 40_000
"""Names that one look-up compares at most. All that begin with the commonest letter and are about as long are fewer."""
EARTH_RADIUS = 6371.0
"""Mean radius, in kilometres."""


class Place(Protocol):
    """What a city has to have to be called by its name: rows of the table and of the view have it."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def near(self) -> str: ...
    @property
    def country_code(self) -> str: ...


# --- Finding -----------------------------------------------------------------------------------------------------------


def find_cities(typed: str, country: str | None = None, most: int = 10) -> Sequence[PublicCity]:
    """Cities of that name in any language, then those whose name begins so, each the largest first; else near spellings.

    A country's name after a comma narrows it ("Vilnius, Lithuania"); `country` (ISO 3166-1) leaves all others out.
    Never raises for what was typed. Near spellings are compared with MOST_COMPARED names at most: those with the same first
    letter, LETTERS_OFF letters longer or shorter.
    """
    typed = typed[:LONGEST_TYPED]
    before, _comma, after = typed.rpartition(",")
    ways = [typed, before]
    if (named := _countries_by_name().get(search_words(after))) and before.strip():
        if country not in (None, named):
            return []
        ways, country = [before], named
    here = [PublicCity.country_code == country] if country else []
    with database_may_be_away():
        for words in filter(None, map(search_words, ways)):
            if found := _beginning(words, here, most) or _alike(words, here, most):
                return found
    return []


def named_so(typed: str, cities: Sequence[PublicCity]) -> list[PublicCity]:
    """Those of these cities that have just this name, in whatever language; a country after a comma counts for nothing."""
    words = {search_words(typed), search_words(typed.rpartition(",")[0])}
    here = PublicCityName.city_id.in_([one.id for one in cities]), PublicCityName.name.in_(words)
    with database_may_be_away():
        numbers = set(db.session.scalars(select(PublicCityName.city_id).where(*here)))
    return [one for one in cities if one.id in numbers]


def _beginning(words: str, here: Sequence[ColumnElement[bool]], most: int) -> Sequence[PublicCity]:
    """Cities with a name that begins with the words; those with exactly this name first."""
    is_exact = func.bool_or(PublicCityName.name == words)
    found = (
        select(PublicCityName.city_id, is_exact.label("is_exact"))
        .where(_begins_with(words))
        .group_by(PublicCityName.city_id)
        .subquery()
    )
    query = select(PublicCity).join(found, found.c.city_id == PublicCity.id).where(*here)
    return db.session.scalars(
        query.order_by(found.c.is_exact.desc(), PublicCity.population.desc(), PublicCity.id).limit(most)
    ).all()


def _alike(words: str, here: Sequence[ColumnElement[bool]], most: int) -> Sequence[PublicCity]:
    """Cities with a name that is spelt nearly so, the nearest first."""
    if len(words) < SHORTEST_ALIKE:
        return []
    query = select(PublicCityName.city_id, PublicCityName.name).where(
        _begins_with(words[0]),
        func.length(PublicCityName.name).between(len(words) - LETTERS_OFF, len(words) + LETTERS_OFF),
    )
    if here:
        query = query.join(PublicCity, PublicCity.id == PublicCityName.city_id).where(*here)
    rows = db.session.execute(query.limit(MOST_COMPARED)).all()
    near = process.extract(words, [row.name for row in rows], scorer=fuzz.ratio, score_cutoff=ALIKE, limit=None)
    scores: dict[int, float] = {}
    for _name, score, index in near:  # The best comes first.
        scores.setdefault(rows[index].city_id, score)
    cities = db.session.scalars(select(PublicCity).where(PublicCity.id.in_(list(scores)[: 10 * most]))).all()
    return sorted(cities, key=lambda city: (-scores[city.id], -city.population))[:most]


def _begins_with(words: str) -> ColumnElement[bool]:
    # Not LIKE: only functions that are leak-proof, as PostgreSQL calls them, reach the index through a view that is a
    # barrier. This one is, and knows no wildcards.
    return PublicCityName.name.bool_op("^@")(words)


@cache
def _countries_by_name() -> Mapping[str, str]:
    """Codes by the names that CLDR has for countries in the languages of our pages, folded."""
    return {search_words(name): code for language in LANGUAGES for code, name in country_choices(language)}


# --- Names -------------------------------------------------------------------------------------------------------------


def city_name(city: Place, language: str) -> str:
    """What a city is called in a language, where data/city_names.toml has it; otherwise its international name."""
    names = _names().get(str(city.id), {})
    return str(names.get(language) or names.get("en") or city.name)


def native_name(city: Place) -> str:
    """What those who live there call it, where data/city_names.toml has it; otherwise its international name."""
    return str(_names().get(str(city.id), {}).get("native") or city.name)


def full_name(city: Place, language: str) -> str:
    """With its country and, where a namesake lies in the same country, a larger city nearby."""
    names = {"city": city_name(city, language), "country": country_name(city.country_code, language)}
    with force_locale(language):
        if city.near:
            return str(_("%(city)s (near %(near)s), %(country)s", near=city.near, **names))
        return str(_("%(city)s, %(country)s", **names))


def added_names(city_id: int) -> Sequence[str]:
    """Names by which a city is to be found that GeoNames does not have."""
    return _names().get(str(city_id), {}).get("also", ())


@cache
def _names() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((DATA / "city_names.toml").read_text(encoding="utf-8"))


# --- Numbers and data --------------------------------------------------------------------------------------------------


def kilometres_between(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Length of the great circle between two points given in degrees, on a sphere (haversine): at most 0.6 % off."""
    south, north = radians(lat), radians(other_lat)
    half_chord = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin(radians(other_lon - lon) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(half_chord)))


def read_cities() -> Iterator[dict[str, Any]]:
    """The cities of data/cities.tsv.gz: COLUMNS with their types, `names` as a list of folded names."""
    with gzip.open(DATA / "cities.tsv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield {
                **row,
                "id": int(row["id"]),
                "lat": float(row["lat"]),
                "lon": float(row["lon"]),
                "population": int(row["population"]),
                "names": row["names"].split("|"),
            }
