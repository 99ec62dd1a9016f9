"""What a first visit to the page of a petition weighs, compressed, with everything that it loads."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from core.config import Role
from core.extensions import db
from petitions.seed import seed_addressees, seed_petition
from tests.conftest import ROOT, House

STATIC = ROOT / "static"
MOST = 40_000
"""Bytes."""
SERIF = "h1|h2|h3|strong|th|dd|legend"
"""Elements that may be set in the serif of headings and numbers."""


def weight(path: Path) -> int:
    """Bytes on the wire. Fonts are compressed already."""
    content = path.read_bytes()
    return len(content) if path.suffix == ".woff2" else len(gzip.compress(content, 6))


def letters(ranges: str) -> set[int]:
    """Code points of a unicode-range."""
    points = (part.strip().removeprefix("U+").split("-") for part in ranges.split(","))
    return {point for ends in points for point in range(int(ends[0], 16), int(ends[-1], 16) + 1)}


def loads(page: str) -> dict[str, int]:
    """Every file that a page makes a browser load, with its weight.

    All pictures that a style sheet names are counted, but for the lines behind the start page: browsers load fewer of them.
    """
    linked = {STATIC / name for name in re.findall(r'(?:href|src)="/static/([^"?]+)', page)}
    named = {
        (sheet.parent / name).resolve()
        for sheet in linked
        if sheet.suffix == ".css"
        for name in re.findall(r"url\(\"?([\w./-]+\.svg)\"?\)", sheet.read_text())
        if "guilloche" not in name or 'class="hero' in page
    }
    faces = re.findall(r'url\("(fonts/[^"]+)"\).*unicode-range: ([^;]+);', (STATIC / "tokens.css").read_text())
    bold = {ord(char) for piece in re.findall(rf"<({SERIF})\b[^>]*>(.*?)</\1>", page, re.DOTALL) for char in piece[1]}
    fonts = {STATIC / name for name, ranges in faces if letters(ranges) & bold}
    return {str(path.relative_to(STATIC)): weight(path) for path in linked | named | fonts}


@pytest.mark.parametrize("language", ["en", "be", "pl", "ru"])
def test_first_visit_to_a_petition_weighs_under_forty_kilobytes(house: House, language: str) -> None:
    with house.inside(Role.CONSOLE):
        seed_addressees()
        seed_petition()
        db.session.commit()
    house.sql("UPDATE petitions SET opens_at = now() - interval '90 days'")
    house.sql(
        "INSERT INTO tallies SELECT petition_id, addressee_id, 'counted', 400 FROM petition_addressees;"
        " INSERT INTO breakdowns SELECT DISTINCT petition_id, 'country', country_code, 400 FROM petition_routes;"
        " INSERT INTO breakdowns SELECT id, 'day', (now() - interval '1 day' * n)::date::text, 200 + n * 7 % 40"
        " FROM petitions, generate_series(1, 90) n"
    )
    path = f"/petitions/no-recognition?lang={language if language != 'ru' else 'en'}&text={language}"
    answer = house.client().get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    page = gzip.decompress(answer.data).decode()
    loaded = {"page": len(answer.data), **loads(page)}
    assert {"site.css", "tokens.css", "fonts/web/bold-latin.woff2"} <= set(loaded), "nothing is forgotten"
    assert ("fonts/web/bold-cyrillic.woff2" in loaded) == (language in ("be", "ru")), loaded
    assert sum(loaded.values()) < MOST, sorted(loaded.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("language", ["en", "be", "pl"])
def test_the_form_weighs_under_forty_kilobytes_until_it_is_touched(house: House, language: str) -> None:
    with house.inside(Role.CONSOLE):
        seed_addressees()
        seed_petition()
        db.session.commit()
    path = f"/petitions/no-recognition/sign?lang={language}&text={language}"
    answer = house.client().get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    loaded = {"page": len(answer.data), **loads(gzip.decompress(answer.data).decode())}
    assert {"site.css", "routes.css", "proof.js"} <= set(loaded), "nothing is forgotten"
    assert "vendor/altcha/altcha.min.js" not in loaded
    assert sum(loaded.values()) < MOST, sorted(loaded.items(), key=lambda item: -item[1])


def test_fonts_have_every_letter_that_they_are_asked_for() -> None:
    from fontTools.ttLib import TTFont

    tokens = (STATIC / "tokens.css").read_text()
    for name, ranges in re.findall(r'url\("(fonts/[^"]+)"\).*unicode-range: ([^;]+);', tokens):
        has = set(TTFont(STATIC / name).getBestCmap())
        assert has <= letters(ranges), name
    shown = "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ ąčęėįšųūž ŠČŘĚŮ äöüßñçéàõ ÅØÆőű țș ўіёґ’ЎІЁҐїє №«»„“”–—…0123456789"
    every = set().union(*(TTFont(path).getBestCmap() for path in (STATIC / "fonts" / "web").glob("*.woff2")))
    assert {char for char in shown if ord(char) not in every} == set()


def test_the_trimmed_pico_reads_nothing_that_is_declared_nowhere() -> None:
    sheets = "".join((STATIC / name).read_text() for name in ("vendor/pico/pico.trimmed.css", "site.css"))
    read = set(re.findall(r"var\((--pico-[\w-]+)\)", sheets))
    assert read
    assert read <= set(re.findall(r"[{;\s](--pico-[\w-]+):", sheets))
