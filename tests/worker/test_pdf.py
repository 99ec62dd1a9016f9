"""PDFs: nothing is fetched, the register reads back as typed, tags and language are there."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
from pypdf import PdfReader
from weasyprint import HTML

from core.config import Role
from core.demo.register import read_register
from core.demo.signers import make_signers
from delivery.document import LETTERS, BundleDocument, RegisterRow, fill, letter_language, letter_texts, register_hash
from tests.conftest import House
from worker.pdf import OwnFontsOnly, draw_bundle

LANGUAGES = sorted(path.stem for path in LETTERS.glob("*.toml"))


def document(rows: list[RegisterRow], language: str = "en", **changes: object) -> BundleDocument:
    values = {
        "title": "T",
        "count": len(rows),
        "date": "D",
        "cutoff": "C",
        "reply_to": "R",
        "bundle_id": "ZB-1",
        "city": "X",
    }
    letter = fill(letter_texts(language) or {}, values)
    fields: dict[str, object] = {
        "bundle_code": "ZB-1", "language": language, "letter": letter, "address": ["Ministry", "Street"], "salutation": "Dear,",
        "title": "A title", "appeal_html": "<p>Please.</p>", "appeal_language": "en", "cutoff": "C", "counts": [("Received", 3)],
        "rows": rows, "register_hash": register_hash(rows),
    }  # fmt: skip
    return BundleDocument(**{**fields, **changes})  # type: ignore[arg-type]  # Built from a dictionary.


def rows_of(total: int) -> list[RegisterRow]:
    signers = make_signers(total, "x", random.Random(7))
    return [RegisterRow(number, one.name, one.city, date(2026, 11, 22)) for number, one in enumerate(signers, 1)]


def test_register_reads_back_as_it_was_typed_in_seven_scripts(house: House, tmp_path: Path) -> None:
    rows = rows_of(300)
    with house.inside(Role.WORKER):
        pdf = draw_bundle(document(rows))
    path = tmp_path / "bundle.pdf"
    path.write_bytes(pdf.content)
    printed, printed_hash = read_register(path)
    assert [(row.number, row.name, row.city, row.date) for row in printed] == [
        (r.number, r.name, r.city, r.signed_on.isoformat()) for r in rows
    ]
    assert printed_hash == register_hash(rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_names_bundle_and_its_number_and_the_file_its_language(
    house: House, tmp_path: Path, language: str
) -> None:
    with house.inside(Role.WORKER):
        pdf = draw_bundle(document(rows_of(120), language))
    path = tmp_path / "bundle.pdf"
    path.write_bytes(pdf.content)
    reader = PdfReader(path)
    assert len(reader.pages) == pdf.pages
    wording = (letter_texts(language) or {})["page_of"]
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()
        assert wording.format(page=number, pages=pdf.pages) in text
        assert "ZB-1" in text
    catalog = reader.trailer["/Root"]
    assert catalog["/Lang"] == language
    assert catalog["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in catalog
    assert reader.metadata
    assert "T" in (reader.metadata.title or "")


def test_markup_in_a_name_is_printed_as_text(house: House, tmp_path: Path) -> None:
    rows = [RegisterRow(1, '<img src="file:///etc/passwd">', "</td><b>x", date(2026, 1, 1))]
    with house.inside(Role.WORKER):
        pdf = draw_bundle(document(rows))
    (tmp_path / "x.pdf").write_bytes(pdf.content)
    printed, _ = read_register(tmp_path / "x.pdf")
    assert printed[0].name.replace(" ", "") == rows[0].name.replace(" ", "")


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/x.png",
        "https://example.org/x.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "ftp://x/y",
        "zbor-font:../../pyproject.toml",
        "zbor-font:none.ttf",
        "x",
    ],
)
def test_nothing_is_fetched(address: str) -> None:
    with pytest.raises(ValueError, match="Nothing is fetched"):
        OwnFontsOnly().fetch(address)


def test_a_page_with_foreign_images_is_drawn_without_them() -> None:
    html = '<html lang="en"><title>x</title><img src="http://127.0.0.1:9/a.png" alt="a"><img src="file:///etc/passwd" alt="b"><p>text'
    assert HTML(string=html, url_fetcher=OwnFontsOnly()).write_pdf().startswith(b"%PDF")


def test_letters_have_the_same_keys_and_places() -> None:
    import re

    def shape(text: object) -> object:
        return [shape(one) for one in text] if isinstance(text, list) else sorted(re.findall(r"{\w+}", str(text)))

    english = letter_texts("en") or {}
    for language in LANGUAGES:
        texts = letter_texts(language) or {}
        assert set(texts) == set(english)
        for key, value in texts.items():
            if isinstance(value, str):
                assert shape(value) == shape(english[key]), (language, key)
            assert value or key == "reviewed_by", (language, key)


def test_language_of_the_letter_is_the_ministrys_first_or_english() -> None:
    assert letter_language(["pl"]) == "pl"
    assert letter_language(["ka", "pl"]) == "en"
    assert letter_language([]) == "en"
