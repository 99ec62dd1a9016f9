"""Reading a register back out of its PDF by its structure tree, as a screen reader does, to compare it with what went in.

A table cell is a list of marked contents (ISO 32000-2, 14.7 and 14.8). What stands in the file is glyphs in the order in
which they are painted; the text comes from each font's ToUnicode map, from ActualText where a cluster has one, and
backwards where the file says ReversedChars.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from pypdf import PdfReader
from pypdf.generic import ArrayObject, ContentStream, DictionaryObject

_DIRECTION = dict.fromkeys((0x200E, 0x200F))
"""Marks of direction, which are put in where the register is drawn: no form takes one."""


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A line of the register as it stands on the page."""

    number: int
    name: str
    city: str
    date: str


def read_bundle(path: Path) -> list[PrintedRow]:
    """Rows of all volumes of the register in a bundle's archive, in their order."""
    with ZipFile(path) as archive:
        names = sorted(one for one in archive.namelist() if one.endswith("register.pdf"))
        return [row for name in names for row in read_rows(archive.read(name))]


def read_rows(content: bytes) -> list[PrintedRow]:
    """Rows of every table of four columns in the structure tree."""
    reader = PdfReader(BytesIO(content))
    pages = {
        page.indirect_reference.idnum: number for number, page in enumerate(reader.pages) if page.indirect_reference
    }

    @lru_cache(maxsize=2)
    def marked(number: int) -> dict[int, str]:
        return _marked_text(reader, reader.pages[number])

    def text_of(cell: Any) -> str:
        runs = [marked(pages[page])[mark] for page, mark in _marks(cell, None)]
        return "".join(_logical(runs)).translate(_DIRECTION).strip()

    rows = []
    for row in _elements(reader.root_object.get("/StructTreeRoot"), "/TR"):
        cells = [text_of(cell) for cell in _elements(row, "/TD")]
        if len(cells) == 4:
            rows.append(PrintedRow(int(cells[0]), *cells[1:]))
    return rows


def _children(element: Any) -> list[Any]:
    kids: Any = element.get("/K", ArrayObject()) if element is not None else ArrayObject()
    return [one.get_object() for one in (list(kids) if isinstance(kids, ArrayObject) else [kids])]


def _elements(element: Any, kind: str) -> Iterator[Any]:
    """Structure elements of a kind below this one, in reading order."""
    for child in _children(element):
        if isinstance(child, DictionaryObject):
            if child.get("/S") == kind:
                yield child
            else:
                yield from _elements(child, kind)


def _marks(element: Any, page: int | None) -> Iterator[tuple[int, int]]:
    """Number of the page object and of the marked content of everything below this element."""
    page = element.raw_get("/Pg").idnum if "/Pg" in element else page
    child: Any
    for child in _children(element):
        if not isinstance(child, DictionaryObject):
            yield page or 0, int(child)
        elif "/MCID" in child:
            yield (child.raw_get("/Pg").idnum if "/Pg" in child else page or 0), int(str(child["/MCID"]))
        else:
            yield from _marks(child, page)


def _marked_text(reader: PdfReader, page: Any) -> dict[int, str]:
    """Text by number of the marked content on one page."""
    fonts = {name: _to_unicode(font.get_object()) for name, font in page["/Resources"]["/Font"].items()}
    found: dict[int, list[str]] = {}
    opened: list[tuple[str, Any]] = []  # Marked contents that we are in: their tag and what goes with it.
    number, font, backwards_from = -1, "", 0
    for operands, operator in ContentStream(page.get_contents(), reader).operations:
        match operator:
            case b"BDC" | b"BMC":
                properties = operands[1] if operator == b"BDC" and isinstance(operands[1], DictionaryObject) else {}
                opened.append((str(operands[0]), properties))
                if "/MCID" in properties:
                    number = int(properties["/MCID"])
                    found[number] = []
                if operands[0] == "/ReversedChars":
                    backwards_from = len(found.get(number, []))
            case b"EMC":
                tag, properties = opened.pop()
                if "/ActualText" in properties and number in found:
                    found[number].append(str(properties["/ActualText"]))
                if tag == "/ReversedChars" and number in found:
                    found[number][backwards_from:] = reversed(found[number][backwards_from:])
                if "/MCID" in properties:
                    number = -1
            case b"Tf":
                font = operands[0]
            case b"Tj" | b"TJ":
                if number in found and not any("/ActualText" in properties for _, properties in opened):
                    shown = operands[0] if operator == b"TJ" else [operands[0]]
                    codes = b"".join(one.original_bytes for one in shown if hasattr(one, "original_bytes"))
                    found[number] += [fonts[font].get(codes[at : at + 2], "") for at in range(0, len(codes), 2)]
    return {mark: "".join(parts) for mark, parts in found.items()}


def _to_unicode(font: Any) -> dict[bytes, str]:
    """Two-byte glyph codes and their text, from the font's ToUnicode map."""
    table = font["/ToUnicode"].get_data().decode("ascii")
    known: dict[bytes, str] = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", table, re.DOTALL):
        for code, text in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]*)>", block):
            known[bytes.fromhex(code)] = bytes.fromhex(text).decode("utf-16-be")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", table, re.DOTALL):
        for first, last, text in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            start = bytes.fromhex(text).decode("utf-16-be")
            for step in range(int(last, 16) - int(first, 16) + 1):
                known[(int(first, 16) + step).to_bytes(2, "big")] = start[:-1] + chr(ord(start[-1]) + step)
    return known


def _logical(runs: list[str]) -> list[str]:
    """Runs as they are painted from left to right, put into the order in which they are read."""

    def direction(run: str) -> str:
        return next(
            (
                "R" if kind in ("R", "AL") else "L"
                for kind in map(unicodedata.bidirectional, run)
                if kind in ("L", "R", "AL")
            ),
            "",
        )

    kinds = [direction(run) for run in runs]
    ordered: list[str] = []
    at = 0
    while at < len(runs):
        end = at + 1
        if kinds[at] == "R":
            # A stretch from the first to the last run from right to left, with what is neutral in between.
            neutral = (place for place in range(at + 1, len(runs)) if kinds[place] == "L")
            stop = next(neutral, len(runs))
            end = max(place for place in range(at, stop) if kinds[place] == "R") + 1
        ordered += reversed(runs[at:end])
        at = end
    return ordered
