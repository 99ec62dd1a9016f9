"""Drawing the volumes of a bundle. Nothing is fetched: not from the network, not from the disk, except our own fonts and maps.

Prose is drawn by WeasyPrint from HTML, the register by Typst: docs/decisions/0001-register-engine.md has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import segno
from flask import render_template
from fontTools.ttLib import TTFont
from markupsafe import Markup
from weasyprint import CSS, HTML, Attachment
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from core.factory import ROOT
from delivery.document import Figure, IndexVolume, RegisterVolume, as_json
from delivery.letters import fill
from delivery.models import Level
from pickets.map import EUROPE, WORLD, Outline
from worker.typeset import typeset

FONTS = ROOT / "static" / "fonts"
FONT_SCHEME = "zbor-font:"
REGISTER_TEMPLATE = ROOT / "templates" / "pdf" / "register.typ"
# The scripts after Noto Sans hold no digits and no Latin: the order matters.
REGISTER_FONTS = [
    "Noto Sans",
    *(f"Noto Sans {script}" for script in ("Hebrew", "Georgian", "Armenian", "Arabic", "Devanagari")),
    "Noto Sans CJK JP",
]
LONGEST_WORD = 18  # Letters that fit into a column whatever they are; longer words are measured.

# Widths in millimetres; together as wide as A4 between its margins. Letter is 6 mm wider, which stay empty.
_WIDTHS: dict[str, tuple[tuple[str, float], ...]] = {
    Level.NAMES: (("column_number", 16), ("column_name", 60.5), ("column_city", 60.5), ("column_date", 26)),
    Level.INITIALS: (("column_number", 16), ("column_initials", 121), ("column_date", 26)),
    Level.COUNTS: (
        ("column_number", 16),
        ("column_name", 52),
        ("column_city", 52),
        ("column_date", 25),
        ("column_entry", 18),
    ),
}
_RIGHT = ("column_number", "column_entry")
_MARKS = re.compile(
    "(?<=[\u0590-\u06ff])[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)
"""Hebrew and Arabic marks. Set apart from its letter by a mark of direction, which has no width, each is a piece of text of its
own: together, poppler and readers of tags turn them round (static/fonts/README.md)."""
_INSET = 4.0
"""Millimetres of a column that its text does not use."""
_POINTS_A_MILLIMETRE = 72 / 25.4
_FONT_SIZE = 9.0
_SURELY = 0.94
"""Of a column's width: text that is no wider by the sum of its letters fits into one line, however they are joined."""


class OwnFontsOnly(URLFetcher):
    """Serves the fonts of static/fonts by name and refuses everything else.

    A subclass, because WeasyPrint 70 crashes on a plain function that raises.
    """

    def __init__(self) -> None:
        super().__init__(allowed_protocols=set(), allow_redirects=False)

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:  # The signature is WeasyPrint's.
        """Raises ValueError for anything that is not one of our fonts; WeasyPrint then leaves it out."""
        name = url.removeprefix(FONT_SCHEME)
        path = FONTS / Path(name).name
        if not url.startswith(FONT_SCHEME) or path.name != name or not path.is_file():
            raise ValueError("Nothing is fetched for a PDF.")
        return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": "font/ttf"})


def qr_code(address: str) -> str:
    """An address as a QR code, an SVG picture without a size of its own."""
    made: str = segno.make(address, error="m").svg_inline(border=0, dark="#1b2430", omitsize=True)
    return made.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


# --- The index, with WeasyPrint ---------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _stylesheet(paper: str) -> tuple[CSS, FontConfiguration]:
    fonts = FontConfiguration()
    text = (ROOT / "static" / "pdf.css").read_text(encoding="utf-8")
    size = {"a4": "A4", "us-letter": "letter"}[paper]
    css = CSS(string=f"{text}\n@page {{ size: {size}; }}\n", font_config=fonts, url_fetcher=OwnFontsOnly())
    return css, fonts


def draw_index(volume: IndexVolume) -> bytes:
    """Letter, appeal, method, figures, list of volumes: tagged PDF/A-3a with the manifest attached."""
    page = render_template(
        "pdf/index.html",
        document=volume,
        letter=volume.texts,
        qr=Markup(qr_code(volume.verify_address)),  # noqa: S704  # Made here, of an address of ours.
        map=draw_map(volume.countries),
        verify_note=fill(volume.texts["verify_note"], {"code": volume.manifest["bundle"]}),
    )
    css, fonts = _stylesheet(volume.paper)
    attached = Attachment(
        string=as_json(volume.manifest),
        name="manifest.json",
        description=volume.texts["bundle_id"],
        relationship="Data",
    )
    options: dict[str, Any] = {"pdf_variant": "pdf/a-3a", "pdf_tags": True, "attachments": [attached]}
    html = HTML(string=page, url_fetcher=OwnFontsOnly())
    content: bytes = html.write_pdf(stylesheets=[css], font_config=fonts, **options)
    return content


@dataclass(frozen=True, slots=True)
class DrawnMap:
    """A crop of an outline, and circles on it, in units of the outline."""

    land: str
    view_box: str
    circles: Sequence[tuple[float, float, float]]


@lru_cache(maxsize=2)
def _land(file: str) -> str:
    """The path of all land in one of our outlines."""
    found = re.search(r'id="land"[^>]*\sd="([^"]+)"', (ROOT / "static" / file).read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("The outline has no land.")
    return found[1]


def draw_map(countries: Sequence[Figure]) -> DrawnMap | None:
    """A map with a circle for each country, as large as its number; None when no country has a place."""
    placed = [(one.y, one.x, one.value) for one in countries if one.x is not None and one.y is not None]
    if not placed:
        return None
    outline: Outline = EUROPE if all(EUROPE.has(lat, lon) for lat, lon, _value in placed) else WORLD
    at = [(*outline.place(lat, lon), value) for lat, lon, value in placed]
    xs, ys = [x * outline.units for x, _y, _value in at], [y * outline.units for _x, y, _value in at]
    west, east, north, south = min(xs), max(xs), min(ys), max(ys)
    width = max((east - west) * 1.35, (south - north) * 1.35 * 1.7, 24 * outline.units)
    height = width / 1.7
    left, top = (west + east - width) / 2, (north + south - height) / 2
    most = max(value for _x, _y, value in at)
    circles = [
        (x, y, width * (0.006 + 0.03 * (value / most) ** 0.5))
        for x, y, (*_place, value) in zip(xs, ys, at, strict=True)
    ]
    return DrawnMap(_land(outline.file), f"{left:.1f} {top:.1f} {width:.1f} {height:.1f}", circles)


# --- The register, with Typst -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _advances() -> Mapping[int, float]:
    """How wide each code point is in the first of the register's fonts that has it, in points at the size of the register."""
    widths: dict[int, float] = {}
    for path in sorted(FONTS.glob("NotoSans*-*")):
        with TTFont(path) as font:
            scale = _FONT_SIZE / font["head"].unitsPerEm
            metrics = font["hmtx"]
            for point, glyph in font.getBestCmap().items():
                widths[point] = max(widths.get(point, 0.0), metrics[glyph][0] * scale)
    return widths


def printable_characters() -> frozenset[int]:
    """Code points that the fonts of the register have."""
    return frozenset(_advances())


def _printable(text: str) -> str:
    """Text that can be set: what no font has becomes U+FFFD, because Typst refuses to write PDF/A with a letter missing.

    The form refuses such names; a petition's title may still hold one.
    """
    known = _advances()
    return (
        text
        if all(map(known.__contains__, map(ord, text)))
        else "".join(char if ord(char) in known else "\ufffd" for char in text)
    )


def _all_printable(value: Any) -> Any:
    match value:
        case str():
            return _printable(value)
        case list() | tuple():
            return [_all_printable(one) for one in value]
        case dict():
            return {key: _all_printable(one) for key, one in value.items()}
    return value


def _is_tall(cells: Sequence[str], rooms: Sequence[float]) -> bool:
    """Whether a row may need more than one line: letters are as wide alone as they are together, or narrower when joined."""
    known = _advances()
    return any(sum(known[ord(char)] for char in cell) > room for cell, room in zip(cells, rooms, strict=True))


def draw_register(volume: RegisterVolume) -> bytes:
    """A volume of the register: PDF/A-3a and PDF/UA-1. About 50 kB of memory a row, in a process that ends with it."""
    columns = _WIDTHS[volume.level]
    rooms = [_SURELY * (width - _INSET) * _POINTS_A_MILLIMETRE for _name, width in columns]
    numbers = {"number": volume.manifest["volume"], "volumes": volume.manifest["volumes"]}
    texts = {
        key: fill(text, numbers | {"csv_name": f"{volume.name}.csv"})
        for key, text in volume.texts.items()
        if isinstance(text, str)
    }
    rows = [[_printable(cell) for cell in row.cells(volume.level)] for row in volume.rows]
    tall = [_is_tall(cells, rooms) for cells in rows]
    told = {
        "language": volume.language,
        "title": volume.title,
        "heading": volume.heading,
        "texts": texts,
        "facts": [
            (texts["volume_numbers"], f"{volume.manifest['first']}–{volume.manifest['last']}"),
            (texts["cutoff_label"], volume.cutoff),
        ],
        "ministry": volume.ministry,
        "code": f"{volume.manifest['bundle']}-{volume.manifest['volume']}",
        "columns": [{"label": texts[name], "width": width, "right": name in _RIGHT} for name, width in columns],
        "verify_address": volume.verify_address,
        "name": volume.name,
    }
    fixed = {
        "rows": [
            {"cells": [_MARKS.sub("\u200f\\g<0>", cell) for cell in cells], "tall": is_tall}
            for cells, is_tall in zip(rows, tall, strict=True)
        ],
        "fonts": REGISTER_FONTS,
        "heading_fonts": ["Noto Serif", *REGISTER_FONTS],
        "hash": volume.content_hash,
        "longest_word": LONGEST_WORD,
        "qr": qr_code(volume.verify_address),
        "table": volume.table.decode(),
        "manifest": as_json(volume.manifest).decode(),
        "paper": volume.paper,
    }
    return typeset(REGISTER_TEMPLATE, FONTS, _all_printable(told) | fixed)
