"""PDFs: nothing is fetched, the register reads back as typed, tags and language are there."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
import subprocess
import unicodedata
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader
from weasyprint import HTML

from core.config import Role
from core.demo.register import read_rows
from core.demo.signers import make_signers
from core.factory import ROOT
from delivery.document import Figure, IndexVolume, PrintedHead, PrintedVolume, RegisterRow, RegisterVolume, table_of
from delivery.letters import LETTERS, fill, letter_language, letter_texts
from petitions import rules
from tests.conftest import House
from worker.pdf import FONTS, OwnFontsOnly, draw_index, draw_map, draw_register, printable_characters, qr_code
from worker.typeset import typeset

LANGUAGES = sorted(path.stem for path in LETTERS.glob("*.toml"))
STATES = ("counted", "unlogged", "pending", "duplicate", "quarantined", "rejected", "withdrawn", "expired")
VALUES = {
    "title": "T", "count": "3", "date": "D", "cutoff": "C", "reply_to": "R", "bundle_id": "ZB-1A2B-3C4D", "code": "ZB-1A2B-3C4D",
    "city": "X", "log_address": "https://zbor.example.org/petitions/do-not-recognise-the-lukashenka-government/log",
    "verify_address": "https://zbor.example.org/verify", "volumes": "2", "register_title": "R", "sample": "300", "bound": "1,0 %",
    "appeal_language": "English",
}  # fmt: skip
ADDRESS = [
    "Ministerstwo Spraw Zagranicznych Rzeczypospolitej Polskiej",
    "al. J. Ch. Szucha 23",
    "00-580 Warszawa",
    "Polska",
]
HEAD = PrintedHead("104,321", "102,118", "23 November 2026, 04:09 UTC", ["0123abcd"] * 8)


def register_volume(rows: list[RegisterRow], language: str = "en", **changes: Any) -> RegisterVolume:
    """A volume with these lines."""
    level = changes.get("level", "names")
    table = table_of(rows, level)
    texts = fill((letter_texts(language) or {})["print"], VALUES)
    manifest = {"bundle": "ZB-1A2B-3C4D", "volume": 1, "volumes": 2, "first": 1, "last": len(rows)}
    fields: dict[str, Any] = {
        "language": language, "texts": texts, "title": "A title", "ministry": "Ministry", "cutoff": "C",
        "heading": texts["register_heading"], "level": level, "rows": rows, "table": table,
        "content_hash": hashlib.sha256(table).hexdigest(), "manifest": manifest,
        "verify_address": "https://zbor.example.org/verify?code=ZB-1A2B-3C4D-1", "paper": "a4",
    }  # fmt: skip
    return RegisterVolume(**{**fields, **changes})


def index_volume(language: str = "en", **changes: Any) -> IndexVolume:
    """An index of two volumes."""
    told = letter_texts(language) or {}
    values = VALUES | {"title": changes.get("title", "A title")}
    texts = fill(told["print"], values)
    values["disclosure"] = texts["disclosure_names"]
    volumes = [PrintedVolume(f"Volume {n} of 2", "1–2,500", "54", f"{n}{'a' * 63}", f"{n}{'b' * 63}") for n in (1, 2)]
    fields: dict[str, Any] = {
        "language": language, "texts": texts, "cover": fill(told["cover"], values), "address": ADDRESS, "salutation": "Dear,",
        "title": "A title", "appeal_html": "<p>Please.</p>", "appeal_language": "en", "demands_html": "", "earlier": [],
        "count": "3", "cutoff": "C", "counts": [(texts[state], "12,345") for state in ("received", *STATES)], "head": HEAD,
        "times": [Figure(f"{day} Nov", day % 7, str(day % 7)) for day in range(1, 31)], "by_month": False,
        "countries": [Figure("Poland", 1200, "1,200", 21.0, 52.2), Figure("Georgia", 80, "80", 44.8, 41.7)],
        "volumes": volumes, "register_hash": "c" * 64, "sampled": False, "manifest": {"bundle": "ZB-1A2B-3C4D", "files": []},
        "verify_address": "https://zbor.example.org/verify?code=ZB-1A2B-3C4D-0", "paper": "a4",
    }  # fmt: skip
    return IndexVolume(**{**fields, **changes})


def drawn_index(house: House, volume: IndexVolume) -> bytes:
    with house.inside(Role.WORKER):
        return draw_index(volume)


def texts_of(content: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(BytesIO(content)).pages]


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
    volume = register_volume(rows)
    content = draw_register(volume)
    assert [(row.number, row.name, row.city, row.date) for row in read_rows(content)] == [
        (r.number, r.name, r.city, r.signed_on.isoformat()) for r in rows
    ]
    assert volume.content_hash in texts_of(content)[-1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_names_bundle_volume_and_its_number_and_the_file_its_language(house: House, language: str) -> None:
    wording = (letter_texts(language) or {})["print"]
    volume = fill(wording["volume_label"], {"number": 1, "volumes": 2})
    for content, called in (
        (drawn_index(house, index_volume(language)), wording["index_volume"]),
        (draw_register(register_volume(rows_of(120), language)), volume),
    ):
        reader = PdfReader(BytesIO(content))
        pages = len(reader.pages)
        assert pages > 1
        for number, text in enumerate(texts_of(content), 1):
            assert fill(wording["page_of"], {"page": number, "pages": pages}) in text
            assert "ZB-1A2B-3C4D" in text
            assert called in text
        catalog = reader.trailer["/Root"]
        assert catalog["/Lang"] == language
        assert catalog["/MarkInfo"]["/Marked"]
        assert "/StructTreeRoot" in catalog
        assert reader.outline, "there are bookmarks"
        assert reader.metadata
        assert reader.metadata.title


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("title", "pages"), [("O nieuznawanie rządu Łukaszenki", 1), ("O uznanie " * 20, 2)])
def test_a_letter_is_one_page_and_one_that_is_longer_leaves_no_line_alone(
    house: House, language: str, title: str, pages: int
) -> None:
    volume = index_volume(language, title=title)
    wording = volume.texts
    texts = texts_of(drawn_index(house, volume))
    method = next(number for number, text in enumerate(texts) if wording["method_heading"] in text and number >= pages)
    figures = next(number for number, text in enumerate(texts) if wording["by_time"] in text)
    assert figures == method + 1, "how it was done fits on one page"
    assert " ".join(HEAD.root) in texts[method]
    assert "/log" in texts[method]
    first_of_appeal = next(n for n, text in enumerate(texts) if wording["appeal_heading"] in text and n)
    assert first_of_appeal <= pages
    # Numbers and enclosures stand together, wherever that is.
    together = [
        wording["count_label"],
        wording["cutoff_label"],
        wording["enclosures_heading"],
        wording["enclosures"][1],
    ]
    assert any(all(part in text for part in together) for text in texts)


def test_register_says_that_it_is_pdf_a_3a_and_pdf_ua_1_and_the_index_pdf_a_3a(house: House) -> None:
    def claims(content: bytes) -> str:
        return PdfReader(BytesIO(content)).trailer["/Root"]["/Metadata"].get_data().decode()

    index, register = drawn_index(house, index_volume()), draw_register(register_volume(rows_of(60)))
    for content in (index, register):
        for claim in (r"pdfaid:part[^0-9]+3", r"pdfaid:conformance[^A-Z]+A"):
            assert re.search(claim, claims(content)), claim
    assert re.search(r"pdfuaid:part[^0-9]+1", claims(register))


def test_manifest_and_table_are_attached_as_what_they_are(house: House) -> None:
    volume = register_volume(rows_of(60))
    register = PdfReader(BytesIO(draw_register(volume)))
    assert register.attachments[f"{volume.name}.csv"] == [volume.table]
    assert json.loads(register.attachments["manifest.json"][0]) == volume.manifest
    index = PdfReader(BytesIO(drawn_index(house, index_volume())))
    assert json.loads(index.attachments["manifest.json"][0]) == index_volume().manifest
    for reader, relations in ((register, ["/Data", "/Source"]), (index, ["/Data"])):
        catalog = reader.trailer["/Root"]
        assert sorted({one.get_object()["/AFRelationship"] for one in catalog["/AF"]}) == relations


def test_all_fonts_are_embedded(house: House) -> None:
    for content in (drawn_index(house, index_volume()), draw_register(register_volume(rows_of(300)))):
        for page in PdfReader(BytesIO(content)).pages:
            for font in page["/Resources"]["/Font"].values():
                [descendant] = font.get_object()["/DescendantFonts"]
                descriptor = descendant.get_object()["/FontDescriptor"]
                assert "/FontFile2" in descriptor or "/FontFile3" in descriptor


def test_the_structure_tree_has_a_table_with_its_heads(house: House) -> None:
    rows = rows_of(60)

    def kinds(element: Any) -> list[str]:
        kids = element.get("/K", [])
        found = [str(element["/S"])] if "/S" in element else []
        for kid in kids if isinstance(kids, list) else [kids]:
            one = kid.get_object()
            if hasattr(one, "get"):
                found += kinds(one)
        return found

    found = kinds(PdfReader(BytesIO(draw_register(register_volume(rows)))).trailer["/Root"]["/StructTreeRoot"])
    assert (found.count("/TD"), found.count("/TR"), found.count("/TH")) == (60 * 4, 61, 4)
    assert {"/Table", "/H1", "/H2", "/Figure"} <= set(found)
    index = kinds(PdfReader(BytesIO(drawn_index(house, index_volume()))).trailer["/Root"]["/StructTreeRoot"])
    assert {"/H1", "/H2", "/P", "/Table", "/TH", "/TD", "/L"} <= set(index)


@pytest.mark.parametrize(
    ("level", "columns"),
    [("names", ["Name", "City"]), ("initials", ["Initials"]), ("counts", ["Name", "City", "Entry in the log"])],
)
def test_each_level_has_its_columns(level: str, columns: list[str]) -> None:
    rows = [RegisterRow(1, "A. N.", "" if level == "initials" else "Łódź", date(2026, 1, 1), 517)]
    text = texts_of(draw_register(register_volume(rows, level=level)))[0]
    for column in columns:
        assert column in text
    assert ("517" in text) == (level == "counts")


def test_the_codes_of_a_volume_lead_to_where_it_is_checked(house: House) -> None:
    for drawn in (qr_code("https://zbor.example.org/verify?code=ZB-1A2B-3C4D-1"),):
        assert drawn.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        assert "width" not in drawn.partition(">")[0]
    assert "ZB-1A2B-3C4D-1" in texts_of(draw_register(register_volume(rows_of(1))))[0]
    assert "ZB-1A2B-3C4D-0" in texts_of(drawn_index(house, index_volume()))[0]


def test_circles_stand_where_ministries_do_and_grow_with_the_number() -> None:
    drawn = draw_map([Figure("Poland", 1200, "", 21.0, 52.2), Figure("Georgia", 12, "", 44.8, 41.7)])
    assert drawn is not None
    (poland_x, poland_y, poland), (georgia_x, georgia_y, georgia) = drawn.circles
    assert poland_x < georgia_x
    assert poland_y < georgia_y, "y grows downwards"
    assert poland > georgia > 0
    left, top, width, height = map(float, drawn.view_box.split())
    for x, y, _radius in drawn.circles:
        assert left < x < left + width
        assert top < y < top + height
    assert draw_map([Figure("Nowhere", 10, "10")]) is None
    far = draw_map([Figure("Poland", 10, "", 21.0, 52.2), Figure("Canada", 10, "", -75.7, 45.4)])
    assert far is not None
    assert far.land != drawn.land, "on the map of the world"


HOSTILE = [
    '<img src="file:///etc/passwd">',
    '#read("/etc/passwd")',
    "*a* _b_ $c$ @d \\ `e`",
    "// = x",
    "url(http://127.0.0.1:9/x) @import 'a'",
    "</table><style>*{display:none}</style>",
    "a" * 200,
    "Ж " * 100,
    "Anna\u200bNowak\u200d\u200c",
    "\u202eabc\u202c \u2067x\u2069",
    "שלום <b>x</b> \u200f(1)",
    "e\u0301\u0302\u0303" * 8,
]


def test_a_hostile_name_neither_breaks_the_layout_nor_fetches_anything(house: House) -> None:
    names = [name for name in HOSTILE for _ in range(3)]
    rows = [RegisterRow(number, name, name[:80], date(2026, 1, 1)) for number, name in enumerate(names, 1)]
    volume = register_volume(rows, title=HOSTILE[0], ministry=HOSTILE[5])
    content = draw_register(volume)
    read = read_rows(content)
    assert [row.number for row in read] == list(range(1, len(rows) + 1)), "no line is lost or joined with another"
    for row, name in zip(read[:15], names[:15], strict=True):
        assert row.name == name
    assert PdfReader(BytesIO(content)).attachments[f"{volume.name}.csv"] == [volume.table]
    for page in PdfReader(BytesIO(content)).pages:
        assert "/Annots" not in page, "nothing can be clicked"
    title = "<script>x</script> & \u202e" + "w" * 200
    index = drawn_index(house, index_volume(title=title, cover=index_volume(title=title).cover))
    assert "<script>x</script>" in " ".join(texts_of(index))


def test_letters_that_no_font_has_and_words_longer_than_the_column_do_not_stop_the_register() -> None:
    rows = [RegisterRow(1, "中文 Anna", "W" * 80, date(2026, 1, 1))]
    printed = read_rows(draw_register(register_volume(rows, title="題名")))
    assert (printed[0].name, printed[0].city) == ("\ufffd\ufffd Anna", "W" * 80)


@pytest.mark.parametrize("word", ["W" * 80, "Щ" * 40, "Hovhannisyan" * 4, "A-" * 30, "שלום" * 10])
def test_a_long_word_stays_in_its_column(word: str) -> None:
    content = draw_register(register_volume([RegisterRow(1, word, word, date(2026, 1, 1))]))
    found: list[tuple[float, str]] = []

    def visit(text: str, page: list[float], _text: list[float], _font: object, size: float) -> None:
        if len(text.strip()) > 3 and set(text.strip()) <= set(word):
            found.append((page[4], text.strip()))

    PdfReader(BytesIO(content)).pages[0].extract_text(visitor_text=visit)
    widths = TTFont(FONTS / ("NotoSansHebrew-Regular.ttf" if "ש" in word else "NotoSans-Regular.ttf"))
    cmap, metrics = widths.getBestCmap(), widths["hmtx"].metrics
    lines = [(left, sum(metrics[cmap[ord(char)]][0] for char in text) * 9 / 1000) for left, text in found]
    name, city, day = 25 + 16 + 2, 25 + 16 + 60.5 + 2, 25 + 16 + 121
    assert {round(left * 25.4 / 72) for left, _ in lines} == {name, round(city)}
    for left, width in lines:
        end = (left + width) * 25.4 / 72
        assert end < (city if left * 25.4 / 72 < city - 1 else day), (word, end)


def test_ligatures_and_marks_read_back_as_typed_by_tags_and_by_poppler(tmp_path: Path) -> None:
    names = ["محمّد", "M̃aria", "بلال", "الأحمد", "ليلى", "علی\u200cرضا", "שַּׁבָּת", "कुमार"]
    rows = [RegisterRow(number, name, "x", date(2026, 1, 1)) for number, name in enumerate(names, 1)]
    file = tmp_path / "register.pdf"
    file.write_bytes(draw_register(register_volume(rows)))
    assert [row.name for row in read_rows(file.read_bytes())] == [row.cells("names")[1] for row in rows]
    done = subprocess.run(["pdftotext", str(file), "-"], capture_output=True, text=True, check=True)
    plain = re.sub("[\u200e\u200f\u202a-\u202e]", "", done.stdout)
    for row in rows:
        assert row.cells("names")[1] in plain


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
    for path in ("static/pdf.css", "templates/pdf/register.typ", "templates/pdf/index.html"):
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


def test_language_of_the_letter_is_the_first_of_the_ministrys_that_there_is_or_english() -> None:
    assert letter_language(["pl"]) == "pl"
    assert letter_language(["nl", "fr", "de"]) == "fr"
    assert letter_language(["ka"]) == "en"
    assert letter_language([]) == "en"
