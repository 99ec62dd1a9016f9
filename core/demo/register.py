"""Reading a bundle's register back out of its PDF, to compare it with what went in."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pypdf import PdfReader

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A line of the register as it stands on the page."""

    number: int
    name: str
    city: str
    date: str


def read_register(path: Path) -> tuple[list[PrintedRow], str]:
    """Rows of the register in order, and the hash printed on the last page. Raises ValueError when either is missing."""
    reader = PdfReader(path)
    rows: list[PrintedRow] = []
    city_column: float | None = None
    waiting: list[tuple[float, str]] = []
    for page in reader.pages:
        for left, text in _fragments(page):
            waiting.append((left, text))
            if not _DATE.fullmatch(text):
                continue
            # The row is what came since its number: the last fragment that is this number.
            number = len(rows) + 1
            start = max((place for place, (_, one) in enumerate(waiting) if one == str(number)), default=None)
            if start is None:
                waiting = []
                continue
            if city_column is None:
                city_column = waiting[start - 2][0]  # Before the first row stands the head: number, name, city, date.
            cells = waiting[start + 1 : -1]
            name = " ".join(one for place, one in cells if place < city_column - 1)
            city = " ".join(one for place, one in cells if place >= city_column - 1)
            rows.append(PrintedRow(number, name, city, text))
            waiting = []
    printed = _HASH.findall(reader.pages[-1].extract_text())
    if not rows or not printed:
        raise ValueError("There is no register in this PDF.")
    return rows, printed[0]


def _fragments(page: Any) -> Iterator[tuple[float, str]]:
    found: list[tuple[float, str]] = []

    def visit(text: str, page_matrix: list[float], text_matrix: list[float], *_font: object) -> None:
        if text.strip():
            found.append((page_matrix[4] + text_matrix[4], text.strip()))

    page.extract_text(visitor_text=visit)
    yield from found


def register_hash(rows: Sequence[PrintedRow]) -> str:
    """The hash by the rule that is printed beside it, written here once more, independently of the worker."""
    lines = "".join(f"{row.number}\t{row.name}\t{row.city}\t{row.date}\n" for row in rows)
    return hashlib.sha256(unicodedata.normalize("NFC", lines).encode()).hexdigest()
