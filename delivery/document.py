"""A bundle as plain data, between the room that opens signatures and the engines that draw and seal them."""

from __future__ import annotations

import csv
import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import Any

from delivery.models import Level

LETTER_COUNTRIES = frozenset(["BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE"])
"""Countries whose offices use US Letter (Unicode CLDR, supplemental data, paperSize); all others use A4."""

_FORMULA = tuple("=+-@\t\r＝＋－＠")
"""A cell that begins with one of these is run as a formula by spreadsheet programs (OWASP, CSV Injection)."""


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One line of the register. Of whoever is only counted, `name` says so and `city` is empty.

    `entry` is the leaf of the log, in a sample alone: in a whole register it would tell who it is that withdraws later.
    """

    number: int
    name: str
    city: str
    signed_on: date
    entry: int | None = None

    def cells(self, level: str) -> tuple[str, ...]:
        """What stands in the columns of this level, in Unicode Normalisation Form C."""
        parts = [str(self.number), self.name, self.city, self.signed_on.isoformat()]
        if level == Level.INITIALS:
            del parts[2]
        if level == Level.COUNTS:
            parts.append(str(self.entry))
        return tuple(unicodedata.normalize("NFC", part) for part in parts)


COLUMNS: dict[str, tuple[str, ...]] = {
    Level.NAMES: ("number", "name", "city", "signed_on"),
    Level.INITIALS: ("number", "initials", "signed_on"),
    Level.COUNTS: ("number", "name", "city", "signed_on", "entry"),
}
"""Names of the columns in a table, by level."""


def table_of(rows: Sequence[RegisterRow], level: str) -> bytes:
    """The register as a table: CSV as RFC 4180 has it, in UTF-8 with the mark by which spreadsheet programs know it.

    What could be read as a formula gets an apostrophe before it, as these programs hide it.
    """
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS[level])
    for row in rows:
        writer.writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row.cells(level))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def register_hash(content_hashes: Sequence[str]) -> str:
    """SHA-256 over the hashes of the tables of all volumes, each in hexadecimal and ended by a line feed."""
    return hashlib.sha256("".join(f"{one}\n" for one in content_hashes).encode()).hexdigest()


def row_marks(rows: Sequence[RegisterRow], level: str) -> str:
    """Eight hexadecimal digits for each line, by which a line that was forged is found among thousands."""
    lines = ("\t".join(row.cells(level)) for row in rows)
    return "".join(hashlib.sha256(line.encode()).hexdigest()[:8] for line in lines)


def draw_sample(root: str, bundle_code: str, count: int, size: int) -> list[int]:
    """Numbers from 1 to `count`, `size` of them or all, in the order in which the public rule draws them.

    The rule stands in the note on the method, and static/zbor-verify.py has it, too.
    """
    drawn: dict[int, None] = {}
    counter = 0
    while len(drawn) < min(size, count):
        line = f"zbor-sample/1 {root} {bundle_code} {counter}"
        drawn[int.from_bytes(hashlib.sha256(line.encode()).digest()) % count + 1] = None
        counter += 1
    return list(drawn)


@dataclass(frozen=True, slots=True)
class RegisterVolume:
    """All that is printed in one volume of the register. `texts` are those of one language, placeholders filled."""

    language: str
    texts: Mapping[str, Any]
    title: str
    ministry: str
    cutoff: str
    heading: str
    level: str
    rows: Sequence[RegisterRow]
    table: bytes
    content_hash: str
    manifest: Mapping[str, Any]
    verify_address: str
    paper: str

    @property
    def name(self) -> str:
        """The name of the file, and of the table attached to it, without what follows the dot."""
        return file_name(self.manifest["bundle"], self.manifest["volume"])


def file_name(bundle_code: str, number: int) -> str:
    """What the file of a volume is called, without what follows the dot."""
    return f"{bundle_code}-{number:03d}-{'register' if number else 'index'}"


@dataclass(frozen=True, slots=True)
class EarlierAppeal:
    """The appeal as it read before a day; the note says how many of the register's signatures were given to it."""

    heading: str
    note: str
    title: str
    html: str
    demands_html: str
    language: str


@dataclass(frozen=True, slots=True)
class PrintedHead:
    """The tree head of the petition's log, as it is printed: whoever has the paper can hold the log to it."""

    size: str
    counted: str
    signed: str
    root: Sequence[str]
    """In hexadecimal, in groups of eight."""


@dataclass(frozen=True, slots=True)
class PrintedVolume:
    """A line of the list of volumes."""

    label: str
    numbers: str
    pages: str
    file_hash: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A series of numbers: a label, a number, the number as it is written; and what is on the map, its place on the picture."""

    label: str
    value: int
    written: str
    x: float | None = None
    y: float | None = None


@dataclass(frozen=True, slots=True)
class IndexVolume:
    """All that is printed in the index: the letter, the appeal, the method, the figures, the list of volumes."""

    language: str
    texts: Mapping[str, Any]
    cover: Mapping[str, Any]
    """subject, paragraphs, closing, signatory."""
    address: Sequence[str]
    salutation: str
    title: str
    appeal_html: str
    appeal_language: str
    demands_html: str
    earlier: Sequence[EarlierAppeal]
    count: str
    cutoff: str
    counts: Sequence[tuple[str, str]]
    head: PrintedHead
    times: Sequence[Figure]
    by_month: bool
    countries: Sequence[Figure]
    volumes: Sequence[PrintedVolume]
    register_hash: str
    sampled: bool
    manifest: Mapping[str, Any]
    verify_address: str
    paper: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A PDF with its electronic seal, how many pages it has, and the SHA-256 of the certificate of the seal."""

    content: bytes
    pages: int
    certificate: str


@dataclass(frozen=True, slots=True)
class Engine:
    """Whatever draws the volumes and seals them electronically. Volumes are never joined: that would lose their structure.

    Each is tagged, with its language set, its text selectable and the manifest attached to it.
    """

    draw_register: Callable[[RegisterVolume], bytes]
    draw_index: Callable[[IndexVolume], bytes]
    seal: Callable[[bytes], Sealed]
    """Add the electronic seal to a PDF (PAdES). Raises UnavailableError while it cannot."""


def manifest_statement(manifest: Mapping[str, Any]) -> bytes:
    """What is signed of a manifest: a line that says what it is, and the manifest as JSON without spaces, by sorted names."""
    content = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"zbor-bundle/2\n{content}".encode()


def as_json(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as a file."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
