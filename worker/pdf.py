"""Drawing the PDFs of a bundle. Nothing is fetched: not from the network, not from the disk, except our own fonts.

Prose is drawn by WeasyPrint from HTML, the register by Typst: docs/decisions/0001-register-engine.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import render_template
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from core.factory import ROOT
from delivery.document import BundleDocument, Volume
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


def draw_bundle(document: BundleDocument) -> Sequence[Volume]:
    """The letter with the appeal and the method, and the register. Each is a tagged file of its own with its language set."""
    return draw_letter(document), draw_register(document)


# --- Prose, with WeasyPrint -------------------------------------------------------------------------------------------


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


@lru_cache(maxsize=1)
def _stylesheet() -> tuple[CSS, FontConfiguration]:
    fonts = FontConfiguration()
    css = CSS(
        string=(ROOT / "static" / "pdf.css").read_text(encoding="utf-8"), font_config=fonts, url_fetcher=OwnFontsOnly()
    )
    return css, fonts


def draw_letter(document: BundleDocument) -> Volume:
    """Cover letter, appeal text and method: tagged (PDF/UA-1), text selectable."""
    html = render_template("pdf/letter.html", document=document)
    css, fonts = _stylesheet()
    options = {"pdf_variant": "pdf/ua-1", "pdf_tags": True}
    rendered = HTML(string=html, url_fetcher=OwnFontsOnly()).render(stylesheets=[css], font_config=fonts, **options)
    return Volume("letter", rendered.write_pdf(**options), len(rendered.pages))


# --- The register, with Typst -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def printable_characters() -> frozenset[int]:
    """Code points that the fonts of the register have."""
    points: set[int] = set()
    for path in FONTS.glob("NotoSans*-*"):
        with TTFont(path) as font:
            points.update(font.getBestCmap())
    return frozenset(points)


def _printable(text: str) -> str:
    """Text that can be set: what no font has becomes U+FFFD, because Typst refuses to write PDF/A with a letter missing.

    The form refuses such names; a petition's title may still hold one.
    """
    known = printable_characters()
    return "".join(char if ord(char) in known else "\ufffd" for char in text)


def _all_printable(value: Any) -> Any:
    match value:
        case str():
            return _printable(value)
        case list() | tuple():
            return [_all_printable(one) for one in value]
        case dict():
            return {key: _all_printable(one) for key, one in value.items()}
    return value


def draw_register(document: BundleDocument) -> Volume:
    """The register: PDF/A-3a and PDF/UA-1. About 60 kB of memory a row, in a process that ends with it."""
    register = {
        "language": document.language,
        "title": document.title,
        "texts": {key: text for key, text in document.letter.items() if isinstance(text, str)},
        "rows": [(str(row.number), row.name, row.city, row.signed_on.isoformat()) for row in document.rows],
    }
    fixed = {
        "fonts": REGISTER_FONTS,
        "heading_fonts": ["Noto Serif", *REGISTER_FONTS],
        "hash": document.register_hash,
        "longest_word": LONGEST_WORD,
    }
    content = typeset(REGISTER_TEMPLATE, FONTS, _all_printable(register) | fixed)
    return Volume("register", content, len(PdfReader(BytesIO(content)).pages))
