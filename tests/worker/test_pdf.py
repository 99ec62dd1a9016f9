"""PDFs: nothing is fetched, the register reads back as typed, tags and language are there."""

from __future__ import annotations

import csv
import random
import re
import unicodedata
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from weasyprint import HTML

from core.config import Role
from core.demo.register import read_register
from core.demo.signers import make_signers
from core.factory import ROOT
from delivery.document import (
    LETTERS,
    BundleDocument,
    PrintedHead,
    RegisterRow,
    fill,
    letter_language,
    letter_texts,
    register_hash,
)
from petitions import rules
from tests.conftest import House
from worker.pdf import FONTS, OwnFontsOnly, draw_bundle, draw_letter, draw_register, printable_characters
from worker.typeset import typeset

STATES = ("counted", "pending", "duplicate", "quarantined", "rejected", "withdrawn", "expired")
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


def scripts_of(text: str) -> set[str]:
    return {unicodedata.name(char).split()[0] for char in text if char.isalpha()}


def test_register_reads_back_as_it_was_typed_in_seven_scripts() -> None:
    mixed = [
        "Anna בן דוד Cohen",
        "Uri Cohen (אורי כהן)",
        "علاء الدين إسلام",
        "Գևորգ Smith",
        "प्रिया शर्मा",
        "שרה-לי O’Neill",
        "J. R. ღვინიაშვილი",
    ]
    rows = rows_of(300)
    rows += [RegisterRow(number, name, "Łódź", date(2026, 1, 1)) for number, name in enumerate(mixed, len(rows) + 1)]
    used = set().union(*(scripts_of(row.name) for row in rows))
    assert used >= {"LATIN", "CYRILLIC", "GREEK", "GEORGIAN", "ARMENIAN", "HEBREW", "ARABIC"}
    printed, printed_hash = read_register(draw_register(document(rows)).content)
    assert [(row.number, row.name, row.city, row.date) for row in printed] == [
        (r.number, r.name, r.city, r.signed_on.isoformat()) for r in rows
    ]
    assert printed_hash == register_hash(rows)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_names_bundle_and_its_number_and_the_file_its_language(house: House, language: str) -> None:
    with house.inside(Role.WORKER):
        volumes = draw_bundle(document(rows_of(120), language))
    assert [volume.name for volume in volumes] == ["letter", "register"]
    wording = (letter_texts(language) or {})["page_of"]
    for volume in volumes:
        reader = PdfReader(BytesIO(volume.content))
        assert len(reader.pages) == volume.pages > 1
        for number, page in enumerate(reader.pages, 1):
            text = page.extract_text()
            assert wording.format(page=number, pages=volume.pages) in text
            assert "ZB-1" in text
        catalog = reader.trailer["/Root"]
        assert catalog["/Lang"] == language
        assert catalog["/MarkInfo"]["/Marked"]
        assert "/StructTreeRoot" in catalog
        assert reader.metadata
        assert reader.metadata.title


ADDRESS = [
    "Ministerstwo Spraw Zagranicznych Rzeczypospolitej Polskiej",
    "al. J. Ch. Szucha 23",
    "00-580 Warszawa",
    "Polska",
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("title", "pages"), [("O nieuznawanie rządu Łukaszenki", 1), ("O uznanie " * 20, 2)])
def test_a_letter_is_one_page_and_one_that_is_longer_leaves_no_line_alone(
    house: House, language: str, title: str, pages: int
) -> None:
    filled = fill(
        letter_texts(language) or {},
        {
            "title": title, "count": 206, "date": "23 November 2026", "cutoff": "23 November 2026, 04:09 UTC", "reply_to": "organisers@example.org",
            "log_address": "https://zbor.example.org/petitions/do-not-recognise-the-lukashenka-government/log",
        },
    )  # fmt: skip
    counts = [(filled[state], 12_345) for state in ("received", *STATES)]
    head = PrintedHead("104,321", "102,118", "23 November 2026, 04:09 UTC", ["0123abcd"] * 8)
    with house.inside(Role.WORKER):
        more = {"letter": filled, "address": ADDRESS, "title": title, "counts": counts, "head": head}
        letter = draw_letter(document(rows_of(3), language, **more))
    texts = [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(letter.content)).pages]
    assert filled["method_heading"] in texts[-1], "how it was done fits on one page"
    assert filled["register_hash_note"].split(",")[0] in texts[-1]
    assert " ".join(head.root) in texts[-1]
    assert "/log" in texts[-1]
    first_of_appeal = next(number for number, text in enumerate(texts) if filled["appeal_heading"] in text and number)
    assert first_of_appeal <= pages
    # Numbers and enclosures stand together, wherever that is.
    together = [filled["count_label"], filled["cutoff_label"], filled["enclosures_heading"], filled["enclosures"][1]]
    assert any(all(part in text for part in together) for text in texts)


def test_register_says_that_it_is_pdf_a_3a_and_pdf_ua_1_and_the_letter_pdf_ua_1(house: House) -> None:
    with house.inside(Role.WORKER):
        letter, register = draw_bundle(document(rows_of(60)))

    def claims(content: bytes) -> str:
        return PdfReader(BytesIO(content)).trailer["/Root"]["/Metadata"].get_data().decode()

    assert re.search(r"pdfuaid:part[^0-9]+1", claims(letter.content))
    for claim in (r"pdfuaid:part[^0-9]+1", r"pdfaid:part[^0-9]+3", r"pdfaid:conformance[^A-Z]+A"):
        assert re.search(claim, claims(register.content)), claim


def test_both_volumes_carry_the_hash_of_the_register(house: House) -> None:
    rows = rows_of(60)
    with house.inside(Role.WORKER):
        volumes = draw_bundle(document(rows))
    for volume in volumes:
        assert register_hash(rows) in PdfReader(BytesIO(volume.content)).pages[-1].extract_text()


def test_markup_in_a_name_is_printed_as_text() -> None:
    names = ['<img src="file:///etc/passwd">', '#read("/etc/passwd")', "*a* _b_ $c$ @d \\ `e`", "// = x"]
    rows = [RegisterRow(number, name, "</td><b>x", date(2026, 1, 1)) for number, name in enumerate(names, 1)]
    printed, _ = read_register(draw_register(document(rows)).content)
    assert [(row.name, row.city) for row in printed] == [(row.name, row.city) for row in rows]


def test_letters_that_no_font_has_and_words_longer_than_the_column_do_not_stop_the_register() -> None:
    rows = [RegisterRow(1, "中文 Anna", "W" * 80, date(2026, 1, 1))]
    printed, _ = read_register(draw_register(document(rows, title="題名")).content)
    assert (printed[0].name, printed[0].city) == ("\ufffd\ufffd Anna", "W" * 80)


@pytest.mark.parametrize("word", ["W" * 80, "Щ" * 40, "Hovhannisyan" * 4, "A-" * 30, "שלום" * 10])
def test_a_long_word_stays_in_its_column(word: str) -> None:
    content = draw_register(document([RegisterRow(1, word, word, date(2026, 1, 1))])).content
    found: list[tuple[float, str]] = []

    def visit(text: str, page: list[float], _text: list[float], _font: object, size: float) -> None:
        if len(text.strip()) > 3 and set(text.strip()) <= set(word):
            found.append((page[4], text.strip()))

    PdfReader(BytesIO(content)).pages[0].extract_text(visitor_text=visit)
    widths = TTFont(FONTS / ("NotoSansHebrew-Regular.ttf" if "ש" in word else "NotoSans-Regular.ttf"))
    cmap, metrics = widths.getBestCmap(), widths["hmtx"].metrics
    lines = [(left, sum(metrics[cmap[ord(char)]][0] for char in text) * 9 / 1000) for left, text in found]
    name, city, day = 25 + 14 + 2, 25 + 14 + 61.5 + 2, 25 + 14 + 123
    assert {round(left * 25.4 / 72) for left, _ in lines} == {name, round(city)}
    for left, width in lines:
        end = (left + width) * 25.4 / 72
        assert end < (city if left * 25.4 / 72 < city - 1 else day), (word, end)


@pytest.mark.xfail(reason="Typst 0.15 writes the text of a letter twice when its mark is set apart", strict=True)
@pytest.mark.parametrize("name", ["محمّد", "M̃aria"])
def test_marks_set_apart_read_back_as_typed(name: str) -> None:
    printed, _ = read_register(draw_register(document([RegisterRow(1, name, "x", date(2026, 1, 1))])).content)
    assert printed[0].name == name


def test_the_typesetter_fails_without_quoting_a_name(tmp_path: Path) -> None:
    template = tmp_path / "x.typ"
    template.write_text("#panic(json(bytes(sys.inputs.values)).name)")
    with pytest.raises(ChildProcessError) as caught:
        typeset(template, FONTS, {"name": "Вольга"})
    assert str(caught.value) == "The typesetter ended with 1."


def test_the_typesetter_reads_nothing_beside_its_template(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    template = tmp_path / "inside" / "x.typ"
    (tmp_path / "secret.json").write_text("{}")
    template.write_text('#json("../secret.json")')
    with pytest.raises(ChildProcessError):
        typeset(template, FONTS, {})


def test_the_form_takes_what_the_register_can_print_and_nothing_else() -> None:
    of_ministries = {point for path in FONTS.glob("*Ministries*") for point in TTFont(path).getBestCmap()}
    others = {point for path in FONTS.glob("*.ttf") for point in TTFont(path).getBestCmap()}
    assert {ord(char) for char in rules.printable()} == {point for point in others if point > 0x1F} - {0xFFFC, 0xFFFD}
    assert printable_characters() == others | of_ministries


def test_pdfs_use_the_colours_of_the_site() -> None:
    tokens = set(re.findall("#[0-9a-f]{3,6}", (ROOT / "static" / "tokens.css").read_text()))
    for path in ("static/pdf.css", "templates/pdf/register.typ"):
        colours = set(re.findall(r"#[0-9a-f]{3,6}\b", (ROOT / path).read_text()))
        assert colours, path
        assert colours <= tokens, path


def test_every_text_about_a_ministry_can_be_printed() -> None:
    with (ROOT / "petitions" / "data" / "ministries.csv").open(encoding="utf-8") as file:
        unprintable = {
            char
            for row in csv.DictReader(file)
            for text in row.values()
            for char in text
            if ord(char) not in printable_characters()
        }
    assert unprintable <= {"\n"}


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
