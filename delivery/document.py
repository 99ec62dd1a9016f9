"""A bundle as plain data, between the room that opens signatures and the engine that draws them."""

from __future__ import annotations

import hashlib
import json
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZIP_DEFLATED, ZipFile

LETTERS = Path(__file__).parent / "data" / "letters"


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One line of the register."""

    number: int
    name: str
    city: str
    signed_on: date

    def line(self) -> str:
        """The line as it enters the hash of the register: number, name, city and ISO 8601 date, tabs between."""
        return unicodedata.normalize("NFC", f"{self.number}\t{self.name}\t{self.city}\t{self.signed_on.isoformat()}\n")


def register_hash(rows: Sequence[RegisterRow]) -> str:
    """SHA-256 over the lines of the register in UTF-8, in hexadecimal."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.line().encode())
    return digest.hexdigest()


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
    """The newest tree head of the petition's log, as it is printed: whoever has the paper can hold the log to it."""

    size: str
    counted: str
    signed: str
    root: Sequence[str]
    """In hexadecimal, in groups of eight."""


@dataclass(frozen=True, slots=True)
class BundleDocument:
    """All that is printed. `letter` holds the texts of one language (delivery/data/letters), placeholders filled."""

    bundle_code: str
    language: str
    letter: dict[str, Any]
    address: Sequence[str]
    salutation: str
    title: str
    appeal_html: str
    appeal_language: str
    cutoff: str
    counts: Sequence[tuple[str, int]]
    rows: Sequence[RegisterRow]
    register_hash: str
    demands_html: str = ""
    """A numbered list; empty when there are none."""
    earlier: Sequence[EarlierAppeal] = ()
    head: PrintedHead | None = None
    """None while the log has none."""
    manifest: Mapping[str, Any] | None = None
    """What the manifest says of the bundle as a whole."""


@dataclass(frozen=True, slots=True)
class Volume:
    """One finished PDF of a bundle."""

    name: str
    content: bytes
    pages: int


class BundleEngine(Protocol):
    """Whatever draws a bundle. Volumes are never joined: joining tagged PDFs loses their structure."""

    def __call__(self, document: BundleDocument) -> Sequence[Volume]:
        """Draw the volumes in their order: each tagged, with its language set and its text selectable."""
        ...


Sign = Callable[[bytes], str | None]
"""Gives the Ed25519 signature over a statement, in hexadecimal; None without a key."""


def archive(bundle_code: str, volumes: Sequence[Volume], manifest: Mapping[str, Any], sign: Sign) -> bytes:
    """A ZIP file with the volumes, numbered, in a folder with the bundle's name, and a manifest with the SHA-256 of each.

    static/zbor-verify.py checks it. The manifest names no signer.
    """
    packed, listed = BytesIO(), []
    with ZipFile(packed, "w", ZIP_DEFLATED) as file:
        for number, volume in enumerate(volumes, start=1):
            name = f"{bundle_code}-{number}-{volume.name}.pdf"
            file.writestr(f"{bundle_code}/{name}", volume.content)
            listed.append({"name": name, "pages": volume.pages, "sha256": hashlib.sha256(volume.content).hexdigest()})
        whole = {"zbor": "bundle/1", "bundle": bundle_code, **manifest, "files": listed}
        whole["signature"] = sign(manifest_statement(whole))
        file.writestr(f"{bundle_code}/manifest.json", json.dumps(whole, indent=1) + "\n")
    return packed.getvalue()


def manifest_statement(manifest: Mapping[str, Any]) -> bytes:
    """What is signed of a manifest: a line that says what it is, and the manifest as JSON without spaces, by sorted names."""
    content = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"zbor-bundle/1\n{content}".encode()


@cache
def letter_texts(language: str) -> dict[str, Any] | None:
    """Texts of a language, None when there are none."""
    path = LETTERS / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def letter_language(official: Sequence[str]) -> str:
    """The ministry's first official language when we have a letter in it, otherwise English."""
    return official[0] if official and letter_texts(official[0]) else "en"


def fill(texts: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Put values into the placeholders of all texts. Placeholders that only the engine knows stay as they are."""

    class Keep(dict[str, Any]):
        def __missing__(self, key: str) -> str:
            return "{" + key + "}"

    known = Keep(values)

    def put(text: Any) -> Any:
        return [put(one) for one in text] if isinstance(text, list) else text.format_map(known)

    return {key: put(text) for key, text in texts.items()}


def signed_on(received_at: datetime) -> date:
    """The day of a signature, in UTC."""
    return received_at.date()
