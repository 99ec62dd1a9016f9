"""Papers of a picket as they are drawn: sizes, words, QR codes, long and hostile texts, and nothing fetched."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from io import BytesIO
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
import segno
from pypdf import PdfReader

from core.config import Role
from core.factory import ROOT
from pickets.papers import (
    PACK_NAMES,
    PaperKind,
    PicketFacts,
    PrintedAppeal,
    PrintedShift,
    letter_to_authority,
    word_languages,
    words,
)
from tests.conftest import House
from worker.papers import draw_pack, draw_paper, qr_code
from worker.pdf import OwnFontsOnly

SIZES = {
    PaperKind.POSTER_A3: (297, 420), PaperKind.POSTER_A4: (210, 297), PaperKind.APPEAL: (210, 297), PaperKind.SAFETY_CARD: (105, 148),
    PaperKind.SHIFTS: (210, 297), PaperKind.SHEET: (297, 210), PaperKind.NOTICE: (210, 297), PaperKind.PASS: (148, 210),
}  # fmt: skip
"""Millimetres."""
PAGES = dict.fromkeys(SIZES, 1) | {PaperKind.APPEAL: 2, PaperKind.SAFETY_CARD: 4, PaperKind.NOTICE: 2}
SMALLEST_CODE = 25.0
"""Millimetres."""


@pytest.fixture(autouse=True)
def _inside(house: House) -> Iterator[None]:
    with house.inside(Role.WORKER):
        yield


def facts(**changes: Any) -> PicketFacts:
    start = datetime(2026, 11, 27, 17, tzinfo=ZoneInfo("Europe/Berlin"))
    appeals = {
        "de": PrintedAppeal("Eine Tür offen lassen", "Wer fliehen muss.", "<p>Sehr geehrte Frau Ministerin</p>", ["Visa"]),
        "be": PrintedAppeal("Не зачыняйце дзверы", "Хто мусіць.", "<p>Паважаная спадарыня</p>", ["Візы"]),
    }  # fmt: skip
    whole = PicketFacts(
        code="k7m2qx",
        language="de",
        country_code="DE",
        cities={"native": "Berlin", "be": "Берлін", "en": "Berlin"},
        ministry_native="Auswärtiges Amt",
        ministry_en="Federal Foreign Office",
        starts_at=start,
        ends_at=start + timedelta(hours=2),
        public_url="https://zbor.example.org/pickets/k7m2qx",
        sign_url="https://zbor.example.org/p/k7m2qx",
        contact="organisers@example.org",
        petition_titles={language: appeal.title for language, appeal in appeals.items()},
        appeals=appeals,
        place="Werderscher Markt 1",
        people=30,
        regime="notification",
        authority_native="Polizei Berlin, Versammlungsbehörde",
        law="VersFG BE § 12",
        face_covering="banned",
        organiser="Буслік",
        text_hash="3f9a02c4",
        shifts=(
            PrintedShift("table", start, start + timedelta(hours=1), 2, 1),
            PrintedShift("police", start, start + timedelta(hours=2), 1, 0),
        ),
    )
    return dataclasses.replace(whole, **changes)


@cache
def drawn(kind: PaperKind) -> bytes:
    """A paper of the facts above, drawn once for all tests."""
    return draw_paper(kind, facts())


def read(content: bytes) -> str:
    """The text of all pages, spaces and line ends left out: a word that is broken reads as one."""
    return squeezed("".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages))


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u00ad\u2010-]+", "", text)


def drawn_codes(content: bytes) -> list[tuple[set[tuple[int, int]], float]]:
    """QR codes of the first page, read from the strokes of the PDF: dark modules as (row, column), and width in mm of one."""
    codes: dict[tuple[float, ...], set[tuple[int, int]]] = {}
    begun: tuple[float, float] = (0, 0)

    def visit(operator: bytes, arguments: list[Any], matrix: list[float], _text: list[float]) -> None:
        nonlocal begun
        if operator == b"m":
            begun = (float(arguments[0]), float(arguments[1]))
        # Everything else on the page is in pixels of CSS, three quarters of a point each.
        elif operator == b"l" and abs(matrix[0] - 0.75) > 0.01:
            columns = range(round(begun[0]), round(float(arguments[0])))
            codes.setdefault(tuple(matrix), set()).update((int(begun[1]), column) for column in columns)

    PdfReader(BytesIO(content)).pages[0].extract_text(visitor_operand_before=visit)
    return [(modules, matrix[0] * 25.4 / 72) for matrix, modules in codes.items()]


@pytest.mark.parametrize("kind", SIZES)
def test_a_paper_has_its_size_its_pages_its_language_and_its_tags(kind: PaperKind) -> None:
    reader = PdfReader(BytesIO(drawn(kind)))
    assert len(reader.pages) == PAGES[kind]
    for page in reader.pages:
        width, height = (float(side) * 25.4 / 72 for side in (page.mediabox.width, page.mediabox.height))
        assert (round(width, 1), round(height, 1)) == SIZES[kind]
    catalog = reader.trailer["/Root"]
    assert catalog["/Lang"] == "de"
    assert catalog["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in catalog
    assert re.search(r"pdfuaid:part[^0-9]+1", catalog["/Metadata"].get_data().decode())
    assert reader.metadata
    assert reader.metadata.title


@pytest.mark.parametrize("kind", SIZES)
def test_all_fonts_of_a_paper_are_in_it(kind: PaperKind) -> None:
    found = 0
    for page in PdfReader(BytesIO(drawn(kind))).pages:
        for font in page["/Resources"]["/Font"].values():
            descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
            assert {"/FontFile2", "/FontFile3"} & set(descriptor), descriptor
            assert "+Zbor-" in descriptor["/FontName"], "a font of the machine"
            found += 1
    assert found


@pytest.mark.parametrize("language", sorted(word_languages()))
@pytest.mark.parametrize("kind", [PaperKind.SAFETY_CARD, PaperKind.SHEET])
def test_every_paper_of_many_words_fits_on_its_pages_in_every_language(kind: PaperKind, language: str) -> None:
    known = facts(language=language, lawyer_phone="+49 30 1234567")
    pages = len(PdfReader(BytesIO(draw_paper(kind, known))).pages)
    assert pages == (2 if (kind, language) == (PaperKind.SAFETY_CARD, "be") else PAGES[kind])


@pytest.mark.parametrize("kind", [PaperKind.POSTER_A4, PaperKind.POSTER_A3])
def test_a_poster_says_what_where_when_and_to_whom_and_names_nobody(kind: PaperKind) -> None:
    printed = read(drawn(kind))
    for told in (
        "Eine Tür offen lassen", "Не зачыняйце дзверы", "Auswärtiges Amt", "Freitag", "27", "November", "17:00–19:00", "Werderscher Markt 1",
        "Berlin", "пятніца, 27 лістапада 2026", "Берлін", "Hier unterschreiben", "Падпішыцеся тут", "Sign here", "zbor.example.org/p/k7m2qx", "K7M2QX",
    ):  # fmt: skip
        assert squeezed(told) in printed, told
    assert "Буслік" not in printed
    assert "organisers@example.org" not in printed


def test_without_a_place_a_poster_says_that_it_is_told_later() -> None:
    printed = read(draw_paper(PaperKind.POSTER_A4, facts(place="", filed_place="Geheimer Weg 5")))
    assert squeezed(words("de")["poster"]["place_later"]) in printed
    assert squeezed(words("be")["poster"]["place_later"]) in printed
    assert "GeheimerWeg" not in printed


def test_a_language_without_words_gets_english_around_its_own_title() -> None:
    titles = {"he": "השאירו דלת פתוחה", "be": "Не зачыняйце дзверы", "en": "Keep a door open"}
    reader = PdfReader(
        BytesIO(draw_paper(PaperKind.POSTER_A4, facts(language="he", country_code="IL", petition_titles=titles)))
    )
    assert reader.trailer["/Root"]["/Lang"] == "en"
    printed = reader.pages[0].extract_text()
    assert "Federal Foreign Office" in printed
    assert printed.count("Sign here") == 1
    assert "Keep a door open" not in printed
    assert re.search("[א-ת]", printed)


SHORT_ADDRESS = "https://zbor.example.org/p/k7m2qx"
LONG_ADDRESS = "https://zbor.example.org/petitions/" + "a" * 90


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        (PaperKind.POSTER_A3, SHORT_ADDRESS),
        (PaperKind.APPEAL, SHORT_ADDRESS),
        (PaperKind.PASS, SHORT_ADDRESS),
        (PaperKind.POSTER_A4, LONG_ADDRESS),
    ],
)
def test_the_qr_code_on_paper_is_that_of_the_address_and_large_enough(kind: PaperKind, address: str) -> None:
    codes = drawn_codes(draw_paper(kind, facts(sign_url=address)))
    expected = segno.make(address, error="m", micro=False)
    dark = {(row, column) for row, line in enumerate(expected.matrix) for column, bit in enumerate(line) if bit}
    assert [modules for modules, _width in codes] == [dark]
    assert codes[0][1] * len(expected.matrix) >= SMALLEST_CODE


def test_the_pass_leads_to_an_address_of_its_own() -> None:
    content = draw_paper(PaperKind.PASS, facts(pass_url="https://zbor.example.org/t/abc"))
    assert "zbor.example.org/t/abc" in read(content)
    assert "k7m2qx" not in read(content)
    assert len(drawn_codes(content)) == 1


def test_a_qr_code_is_drawn_by_segno_and_tells_where_it_leads() -> None:
    svg = str(qr_code("https://example.org/?a=1&b=2", "https://example.org/?a=1&b=2"))
    own = segno.make("https://example.org/?a=1&b=2", error="m", micro=False).svg_inline(omitsize=True, border=0)
    assert re.findall(' d="[^"]+"', svg) == re.findall(' d="[^"]+"', own)
    assert "<title>https://example.org/?a=1&amp;b=2</title>" in svg


def test_the_card_has_phrases_with_a_reading_aid_and_the_rule_on_covering_the_face() -> None:
    printed = read(drawn(PaperKind.SAFETY_CARD))
    german, belarusian = words("de")["card"], words("be")["card"]
    for phrase, aid, meaning in zip(german["police"], german["police_aid"], belarusian["police"], strict=True):
        assert squeezed(phrase) in printed
        assert squeezed(aid) in printed
        assert squeezed(meaning) in printed
    for card in (german, belarusian):
        assert squeezed(card["face_banned"]) in printed
        assert squeezed(card["not_advice"]) in printed
        assert squeezed(card["report"].format(contact="organisers@example.org")) in printed
    unknown = read(draw_paper(PaperKind.SAFETY_CARD, facts(face_covering="")))
    assert squeezed(german["face_unknown"]) in unknown
    assert squeezed(german["face_banned"]) not in unknown


def test_the_lawyer_is_on_the_card_when_there_is_one() -> None:
    assert "+49301234567" in read(draw_paper(PaperKind.SAFETY_CARD, facts(lawyer_phone="+49 30 1234567")))


def test_shifts_have_their_hours_roles_and_seats_and_ask_for_aliases() -> None:
    printed = read(drawn(PaperKind.SHIFTS))
    for told in ("17:00–18:00", "17:00–19:00", "Unterschriftentisch", "Стол для подпісаў", "Kontakt zur Polizei"):
        assert squeezed(told) in printed
    assert squeezed(words("de")["shifts"]["note"]) in printed
    assert squeezed(words("be")["shifts"]["note"]) in printed
    assert squeezed(words("de")["shifts"]["none"]) in read(draw_paper(PaperKind.SHIFTS, facts(shifts=())))


def test_fifty_shifts_go_on_more_pages_and_lose_none() -> None:
    start = facts().starts_at
    many = tuple(
        PrintedShift("table", start + timedelta(minutes=number), start + timedelta(hours=1), 3, 0)
        for number in range(50)
    )
    content = draw_paper(PaperKind.SHIFTS, facts(shifts=many))
    assert len(PdfReader(BytesIO(content)).pages) > 1
    printed = read(content)
    assert all(f"17:{number:02}–18:00" in printed for number in range(50))


@pytest.mark.parametrize("lines", [12, 15])
def test_a_sheet_has_as_many_lines_as_asked_for_and_no_column_for_mail(lines: int) -> None:
    content = draw_paper(PaperKind.SHEET, facts(sheet_lines=lines))
    reader = PdfReader(BytesIO(content))
    assert len(reader.pages) == 1
    numbers = [int(line) for line in reader.pages[0].extract_text().splitlines() if line.strip().isdigit()]
    assert [number for number in numbers if number <= lines] == list(range(1, lines + 1))
    for language in ("de", "be"):
        privacy = words(language)["sheet"]["privacy"].format(contact="organisers@example.org")
        assert squeezed(privacy) in read(content)
    for told in ("Auswärtiges Amt", "3f9a02c4", "Wer fliehen muss.", "Не зачыняйце дзверы"):
        assert squeezed(told) in read(content)
    assert "E-Mail" not in read(content)


def test_the_letter_to_the_authority_is_what_the_mail_says_and_marked_as_no_draft() -> None:
    printed, letter = read(drawn(PaperKind.NOTICE)), letter_to_authority(facts())
    parts = [letter.addressee, letter.subject, letter.opening, *letter.organiser, letter.reply, letter.enclosure]
    for part in [*parts, *(cell for row in letter.rows for cell in row), letter.privacy_subject, *letter.privacy]:
        assert squeezed(part) in printed, part
    assert "Entwurf" not in printed
    assert "Буслік" not in printed


# --- Long and hostile texts -------------------------------------------------------------------------------------------

COMPOUND = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"
LONG: dict[str, Any] = {
    "petition_titles": {
        "de": (f"{COMPOUND} und Donaudampfschifffahrtsgesellschaft: " + "wir fordern dringend humanitäre Visa für alle " * 3)[:200].strip(),
        "be": ("Неадкладна выдаваць гуманітарныя візы ўсім, каго пераследуюць у Беларусі " * 3)[:200].strip(),
    },
    "ministry_native": ("Ministerium für auswärtige Angelegenheiten, europäische Integration und Entwicklungszusammenarbeit " * 2)[:160].strip(),
    "place": ("vor dem Haupteingang gegenüber der Straßenbahnhaltestelle am Werderschen Markt " * 2)[:120].strip(),
    "cities": {"native": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", "be": "Берлін"},
    "authority_native": "Landesamt für Bürger- und Ordnungsangelegenheiten, Versammlungsbehörde " * 2,
    "title": "Mahnwache " * 15,
    "law": "Versammlungsfreiheitsgesetz Berlin, Paragraf zwölf " * 3,
}  # fmt: skip


def assert_inside(content: bytes) -> None:
    """Every run of letters begins on its page."""
    for page in PdfReader(BytesIO(content)).pages:
        width, height = float(page.mediabox.width), float(page.mediabox.height)
        starts: list[tuple[float, float]] = []

        def visit(text: str, cm: Any, own: Any, _font: Any, _size: Any, starts: list[Any] = starts) -> None:
            if text.strip():
                starts.append((own[4] * cm[0] + own[5] * cm[2] + cm[4], own[4] * cm[1] + own[5] * cm[3] + cm[5]))

        page.extract_text(visitor_text=visit)
        assert starts
        assert [at for at in starts if not (0 < at[0] < width and 0 < at[1] < height)] == []


@pytest.mark.parametrize("kind", [kind for kind in SIZES if kind is not PaperKind.APPEAL])
def test_long_names_neither_overflow_nor_lose_a_word(kind: PaperKind) -> None:
    known = facts(**LONG)
    content = draw_paper(kind, known)
    assert len(PdfReader(BytesIO(content)).pages) == PAGES[kind]
    assert_inside(content)
    given: dict[PaperKind, list[str]] = {
        PaperKind.SHIFTS: [known.title, known.place],
        PaperKind.SAFETY_CARD: [known.city("de")],
        PaperKind.PASS: [known.petition_titles["de"], known.place],
        PaperKind.NOTICE: [known.petition_titles["de"], known.ministry_native, known.place, known.authority_native, known.law],
        PaperKind.SHEET: [*known.petition_titles.values(), known.ministry_native],
    }  # fmt: skip
    everything = [*known.petition_titles.values(), known.ministry_native, known.place, known.city("de")]
    printed = read(content)
    for text in given.get(kind, everything):
        for word in text.split():
            assert squeezed(word) in printed, word


def test_a_word_wider_than_a_poster_is_hyphenated_and_a_short_one_is_not() -> None:
    titles = {"de": f"{COMPOUND} verhindern", "be": "Не зачыняйце дзверы"}
    (page,) = PdfReader(BytesIO(draw_paper(PaperKind.POSTER_A4, facts(petition_titles=titles)))).pages
    printed = page.extract_text()
    assert re.search(r"Rindfleisch\w*[\u2010-]\s", printed)
    assert "verhindern" in printed
    assert "зачыняйце" in printed


def test_an_appeal_of_many_pages_is_printed_whole() -> None:
    body = "".join(f"<p>Absatz{number} {'Wort ' * 40}</p>" for number in range(30))
    content = draw_paper(PaperKind.APPEAL, facts(appeals={"de": PrintedAppeal("T", "S", body, [])}))
    assert len(PdfReader(BytesIO(content)).pages) > 1
    printed = read(content)
    assert all(f"Absatz{number}Wort" in printed for number in range(30))


HOSTILE = (
    '<img src="http://127.0.0.1:1/x.png"><link rel=stylesheet href="file:///etc/passwd">'
    "<style>@import url(http://127.0.0.1:1/x.css)</style>{{ 7*7 }}{% raw %}"
)


@pytest.mark.parametrize("kind", SIZES)
def test_markup_is_printed_as_text_and_fetches_nothing(kind: PaperKind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    fetch = OwnFontsOnly.fetch
    monkeypatch.setattr(
        OwnFontsOnly, "fetch", lambda self, url, headers=None: asked.append(url) or fetch(self, url, headers)
    )
    printed = read(
        draw_paper(
            kind,
            facts(
                petition_titles={"de": HOSTILE, "be": HOSTILE}, ministry_native=HOSTILE, place=HOSTILE, title=HOSTILE, law=HOSTILE,
                authority_native=HOSTILE, organiser=HOSTILE, lawyer_phone=HOSTILE, contact=HOSTILE, text_hash=HOSTILE,
                cities={"native": HOSTILE}, appeals={"de": PrintedAppeal(HOSTILE, HOSTILE, "<p>x</p>", [HOSTILE])},
            ),
        )
    )  # fmt: skip
    assert squeezed(HOSTILE) in printed
    assert not [url for url in asked if not url.startswith("zbor-font:")]


def test_an_image_in_the_html_of_an_appeal_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    body = '<p>vorher</p><img src="http://127.0.0.1:1/x.png" alt=""><div style="background: url(file:///etc/passwd)">nachher</div>'
    printed = read(draw_paper(PaperKind.APPEAL, facts(appeals={"de": PrintedAppeal("T", "S", body, [])})))
    assert "vorher" in printed
    assert "nachher" in printed


def test_marks_that_turn_letters_around_are_left_out_and_unknown_letters_are_shown_as_such() -> None:
    title = "Ein \u202eoffenes\u202c Tor \u2066für\u2069 中 alle"
    printed = read(draw_paper(PaperKind.POSTER_A4, facts(petition_titles={"de": title})))
    assert "EinoffenesTorfür\ufffdalle" in printed


# --- The pack ---------------------------------------------------------------------------------------------------------


def test_the_pack_holds_all_papers_and_nothing_in_it_is_of_the_hour() -> None:
    content = draw_pack(facts())
    with ZipFile(BytesIO(content)) as file:
        names = file.namelist()
        assert names == ["README.txt", "08-letter-to-authority.txt", "09-rule.txt", *PACK_NAMES.values()]
        assert all(file.read(name).startswith(b"%PDF-") for name in PACK_NAMES.values())
        for kind in (PaperKind.POSTER_A4, PaperKind.SHIFTS):
            assert file.read(PACK_NAMES[kind]) == drawn(kind)
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert file.read("README.txt").decode("utf-8-sig").count("\r\n") > 20
        assert "VersFG BE § 12" in file.read("09-rule.txt").decode("utf-8-sig")
        assert all(entry.external_attr >> 16 == 0o644 for entry in file.infolist())
        for name in PACK_NAMES.values():
            assert "/CreationDate" not in (PdfReader(BytesIO(file.read(name))).metadata or {})


def test_a_pack_is_no_paper() -> None:
    with pytest.raises(ValueError, match="draw_pack"):
        drawn(PaperKind.PACK)


def test_papers_use_the_colours_of_the_site_and_the_fonts_of_the_letters() -> None:
    tokens = set(re.findall("#[0-9a-f]{3,6}", (ROOT / "static" / "tokens.css").read_text()))
    own, letters = ((ROOT / "static" / name).read_text() for name in ("picket.css", "pdf.css"))
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", own)) <= tokens
    assert re.findall("@font-face.*", own) == re.findall("@font-face.*", letters)
