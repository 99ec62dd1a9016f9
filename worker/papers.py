"""The print room: draws the papers of a picket with WeasyPrint. Nothing is fetched but our own fonts, as for letters.

Posters and cards have fixed pages, and what stands on them has any length. So each paper is set in the largest of its sizes
in which it fits on its pages.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import segno
from babel import Locale, UnknownLocaleError
from flask import render_template
from fontTools.ttLib import TTFont
from markupsafe import Markup
from weasyprint import CSS, HTML, Document
from weasyprint.text.fonts import FontConfiguration

from core.factory import ROOT
from core.typed import tidy_prose, tidy_text
from pickets import papers
from pickets.papers import PACK_NAMES, PaperKind, PicketFacts, PrintedAppeal, words
from worker.pdf import FONTS, OwnFontsOnly, printable_characters

PDF_OPTIONS: Mapping[str, Any] = {"pdf_variant": "pdf/ua-1", "pdf_tags": True}
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a ZIP archive can hold: the same facts make the same bytes."""
CLEAR = 24
"""Of a poster: pixels of CSS between what is asked and what stands at the foot."""
_ONE_LETTER = re.compile(r"(?<=\b\w) (?=\w)")
UNBROKEN = 19
"""Letters of a word that is never hyphenated on a poster. picket.css says the same by `hyphenate-limit-chars`."""


@dataclass(frozen=True, slots=True)
class _Design:
    """How a kind of paper is set: its template, classes of its body, the sizes of its text in points, largest first."""

    template: str
    classes: str
    sizes: Sequence[float]
    pages: int | None = 1
    """It has to fit on; None for as many as it has languages."""
    column: float = 0.0
    """Width in points that the longest word of the title has to fit into; 0 where words may be hyphenated."""


_MM = 72 / 25.4
_POSTER_SIZES = [float(size) for size in range(66, 14, -3)]
_DESIGNS = {
    PaperKind.POSTER_A4: _Design("poster", "poster a4", _POSTER_SIZES, column=178 * _MM),
    PaperKind.POSTER_A3: _Design("poster", "poster a3", [size * 1.414 for size in _POSTER_SIZES], column=251 * _MM),
    PaperKind.APPEAL: _Design("appeal", "appeal", [14, 13, 12.5, 12, 11.5, 11, 10.5, 10, 9.5, 9], pages=None),
    PaperKind.SAFETY_CARD: _Design("safety_card", "card", [8.4, 8.2, 8, 7.8, 7.6, 7.4, 7.2, 7, 6.8, 6.6]),
    PaperKind.SHIFTS: _Design("shifts", "shifts", [11, 10, 9]),
    PaperKind.SHEET: _Design("sheet", "sheet", [13, 12.5, 12, 11.5, 11, 10.5, 10, 9.5, 9, 8.5, 8, 7.5, 7]),
    PaperKind.NOTICE: _Design("notice", "notice", [11, 10.5, 10, 9.5, 9], pages=2),
    PaperKind.PASS: _Design("pass", "pass", [13, 12, 11, 10, 9, 8, 7]),
}  # fmt: skip


def draw_paper(kind: PaperKind, facts: PicketFacts) -> bytes:
    """One paper as a PDF: tagged (PDF/UA-1), with its language, its fonts embedded. Raises ValueError for PACK."""
    if kind not in _DESIGNS:
        raise ValueError("A pack is drawn by draw_pack.")
    return _draw(kind, _plain(facts))


def draw_pack(facts: PicketFacts) -> bytes:
    """A ZIP archive with all papers but the pass, the letter and the rule as texts, and what to print how often."""
    packed = BytesIO()
    with ZipFile(packed, "w") as file:
        for name, text in (
            ("README.txt", papers.readme_text(facts)),
            (papers.NOTICE_TEXT, papers.notice_text(facts)),
            (papers.RULE_TEXT, papers.rule_text(facts)),
        ):
            # Programs on old machines take a text without this mark for one in their own encoding.
            file.writestr(_entry(name), text.replace("\n", "\r\n").encode("utf-8-sig"), ZIP_DEFLATED)
        for kind, name in PACK_NAMES.items():
            file.writestr(_entry(name), draw_paper(kind, facts), ZIP_DEFLATED)
    return packed.getvalue()


def _entry(name: str) -> ZipInfo:
    """A file that everybody may read, written on a Unix machine wherever this runs."""
    entry = ZipInfo(name, ZIP_TIME)
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    return entry


def qr_code(address: str, label: str) -> Markup:
    """The QR code of an address as inline SVG, error correction level M.

    Without a quiet zone, so that it stands in line with the text: picket.css leaves four modules of paper around each.
    """
    drawn = segno.make(address, error="m", micro=False)
    return Markup(drawn.svg_inline(omitsize=True, border=0, dark="#1b2430", title=label))  # noqa: S704  # Segno escapes the label.


# --- Setting ----------------------------------------------------------------------------------------------------------


def _draw(kind: PaperKind, facts: PicketFacts) -> bytes:
    design = _DESIGNS[kind]
    page = HTML(string=_html(kind, design, facts), url_fetcher=OwnFontsOnly())
    most = _pages(kind, design, facts)
    css, fonts = _stylesheet()
    sizes = [size for size in design.sizes if size <= _widest(design, facts)] or design.sizes[-1:]
    drawn: Document | None = None
    while sizes:
        # The middle one of those that are left: each try costs as much as drawing.
        tried = sizes[len(sizes) // 2]
        size = CSS(string=f"html {{ font-size: {tried:.3f}pt }}", url_fetcher=OwnFontsOnly())
        rendered = page.render(stylesheets=[css, size], font_config=fonts, **PDF_OPTIONS)
        if _fits(rendered, most):
            drawn, sizes = rendered, sizes[: len(sizes) // 2]
        else:
            drawn, sizes = drawn or (rendered if tried == design.sizes[-1] else None), sizes[len(sizes) // 2 + 1 :]
    assert drawn is not None  # noqa: S101  # The smallest size is always tried when no other fits.
    content: bytes = drawn.write_pdf(**PDF_OPTIONS)
    return content


def _fits(document: Document, most: int) -> bool:
    """Whether it has no more pages than it may, and on a poster the upper part ends above the one that stands at the foot."""
    places = document.pages[0].anchors
    clear = "top" not in places or places["top"][3] + CLEAR <= places["bottom"][1]
    return clear and len(document.pages) <= most


def _html(kind: PaperKind, design: _Design, facts: PicketFacts) -> str:
    own = words(facts.language)
    return render_template(
        f"pdf/picket/{design.template}.html",
        classes=design.classes,
        facts=facts,
        host=own,
        be=words("be"),
        en=words("en"),
        each=[words(one) for one in dict.fromkeys((own.language, "be", "en"))],
        pair=[words(one) for one in dict.fromkeys((own.language, "be"))],
        name=f"{own['poster']['picket']} {facts.code}",
        letter=papers.letter_to_authority(facts) if kind is PaperKind.NOTICE else None,
        qr_code=qr_code,
        short=lambda address: address.removeprefix("https://").removeprefix("http://"),
        day=lambda one, language: papers.day(one, language, facts.country_code),
        clock=lambda one, language: papers.clock(one, language, facts.country_code),
        hours=lambda one, language: papers.hours(one.starts_at, one.ends_at, language, facts.country_code),
        weekday=papers.weekday,
        month=papers.month,
        direction=_direction,
        titles=_titles(facts),
    )


def _pages(kind: PaperKind, design: _Design, facts: PicketFacts) -> int:
    if kind is PaperKind.SAFETY_CARD:
        return 2 * len({words(facts.language).language, "be"})
    return len(facts.appeal_languages()) if design.pages is None else design.pages


def _titles(facts: PicketFacts) -> list[tuple[str, str]]:
    """What is asked, with its language: in the language of the host, or in English, and in Belarusian below."""
    found = [facts.petition_title(facts.language)]
    if facts.petition_titles.get("be"):
        found.append((facts.petition_titles["be"], "be"))
    return list(dict.fromkeys((_bound(title), language) for title, language in found))


def _bound(title: str) -> str:
    """A title whose words of one letter stay with the next one, as Polish, Czech and Belarusian set prepositions."""
    return _ONE_LETTER.sub("\u00a0", title)


def _direction(language: str) -> str:
    try:
        return Locale.parse(language).text_direction
    except (UnknownLocaleError, ValueError):
        return "ltr"


def _widest(design: _Design, facts: PicketFacts) -> float:
    """The largest size in points in which no short word of the titles is wider than the column."""
    if not design.column:
        return design.sizes[0]
    typed = [word for title, _language in _titles(facts) for word in title.split() if len(word) <= UNBROKEN]
    return design.column / max(map(_width, typed), default=1.0)


@lru_cache(maxsize=1)
def _metrics() -> tuple[Mapping[int, str], Mapping[str, tuple[int, int]], int]:
    with TTFont(FONTS / "NotoSerif-Bold.ttf") as font:
        return font.getBestCmap(), dict(font["hmtx"].metrics), font["head"].unitsPerEm


def _width(word: str) -> float:
    """Width of a word in ems, in the bold serif; a letter of another font counts as one em."""
    names, widths, em = _metrics()
    return sum(widths[names[ord(char)]][0] / em if ord(char) in names else 1.0 for char in word)


# --- What is printed --------------------------------------------------------------------------------------------------


def _plain(facts: PicketFacts) -> PicketFacts:
    """The facts without what nobody sees and what turns letters around, and U+FFFD for letters that no font of ours has."""
    changes = {one.name: _all_plain(getattr(facts, one.name)) for one in dataclasses.fields(facts)}
    return dataclasses.replace(facts, **changes)


def _all_plain(value: Any) -> Any:
    match value:
        case str():
            return _known(tidy_prose(value))
        case PrintedAppeal():
            body = _known(tidy_text(value.body_html))
            rest = (_all_plain(value.title), _all_plain(value.summary), body, _all_plain(list(value.demands)))
            return PrintedAppeal(*rest)
        case Mapping():
            return {key: _all_plain(one) for key, one in value.items()}
        case list():
            return [_all_plain(one) for one in value]
    return value


def _known(text: str) -> str:
    known = printable_characters()
    return "".join(char if ord(char) in known or char == "\n" else "\ufffd" for char in text)


@lru_cache(maxsize=1)
def _stylesheet() -> tuple[CSS, FontConfiguration]:
    fonts = FontConfiguration()
    text = (ROOT / "static" / "picket.css").read_text(encoding="utf-8")
    return CSS(string=text, font_config=fonts, url_fetcher=OwnFontsOnly()), fonts
