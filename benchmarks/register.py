"""Engines for the register of a bundle: rows per second, peak memory, size of the file, and whether its text reads back.

Each draws the same rows in seven scripts, in a process of its own. The one in place is `typst table`; the others live here alone.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path

from pypdf import PdfReader
from rich.console import Console
from rich.table import Table

from core.demo.register import read_rows
from core.demo.signers import make_signers
from delivery.document import RegisterRow, RegisterVolume, table_of
from delivery.letters import fill, letter_texts
from worker.pdf import FONTS, OwnFontsOnly, draw_register

ROWS_ON_A_PAGE = 47
HEAD = ("No.", "Name", "City", "Signed on")
STYLE = """
@page { size: A4; margin: 26mm 22mm 24mm 25mm; @bottom-right { content: counter(page) " / " counter(pages); } }
body { font: 9pt/1.35 "Zbor Sans", "Zbor Hebrew", "Zbor Georgian", "Zbor Armenian", "Zbor Arabic"; margin: 0; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; } th { text-align: left; }
td { border-bottom: 0.3pt solid #ccc; padding: 0.9mm 2mm; } tr { break-inside: avoid; }
.page { break-after: page; display: flex; } .page div { line-height: 5.2mm; white-space: pre; width: 25%; }
"""


def document(total: int) -> RegisterVolume:
    """A volume of `total` fictional people, every script among them."""
    signers = make_signers(total, "bench", random.Random(2021))
    rows = [RegisterRow(number, one.name, one.city, date(2026, 1, 1)) for number, one in enumerate(signers, start=1)]
    table = table_of(rows, "names")
    return RegisterVolume(
        language="en",
        texts=fill((letter_texts("en") or {})["print"], {"bundle_id": "ZB-0000-0000"}),
        title="Benchmark",
        ministry="",
        cutoff="",
        heading="Register of signatures",
        level="names",
        rows=rows,
        table=table,
        content_hash=hashlib.sha256(table).hexdigest(),
        manifest={"bundle": "ZB-0000-0000", "volume": 1, "volumes": 1, "first": 1, "last": total},
        verify_address="https://zbor.example.org/verify",
        paper="a4",
    )


def cells(row: RegisterRow) -> tuple[str, str, str, str]:
    """What stands in the four columns."""
    return str(row.number), row.name, row.city, row.signed_on.isoformat()


def pages(rows: list[RegisterRow]) -> list[list[RegisterRow]]:
    """Rows page by page, for the engines that do not break pages themselves."""
    return [rows[at : at + ROWS_ON_A_PAGE] for at in range(0, len(rows), ROWS_ON_A_PAGE)]


def font_faces(address: str) -> str:
    """The fonts as CSS. `address` takes the name of a file."""
    files = {"Sans": "NotoSans"} | {one: f"NotoSans{one}" for one in ("Hebrew", "Georgian", "Armenian", "Arabic")}
    return "".join(
        f'@font-face {{ font-family: "Zbor {family}"; src: url("{address.format(f"{file}-Regular.ttf")}"); }}\n'
        for family, file in files.items()
    )


def as_table(rows: list[RegisterRow]) -> str:
    """One table with a head that repeats."""
    lines = "".join(
        "<tr>" + "".join(f"<td><bdi>{html.escape(cell)}</bdi></td>" for cell in cells(row)) + "</tr>\n" for row in rows
    )
    head = "".join(f"<th scope=col>{label}</th>" for label in HEAD)
    return f'<html lang="en"><title>Register</title><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def as_columns(rows: list[RegisterRow]) -> str:
    """Four blocks of text a page, one for each column."""
    out = []
    for page in pages(rows):
        columns = zip(*(cells(row) for row in page), strict=True)
        out.append(
            "<div class=page>" + "".join("<div>" + html.escape("\n".join(one)) + "</div>" for one in columns) + "</div>"
        )
    return '<html lang="en"><title>Register</title>' + "".join(out)


def weasyprint(markup: str) -> bytes:
    """HTML to PDF/UA-1."""
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    css = CSS(string=font_faces("zbor-font:{}") + STYLE, font_config=fonts, url_fetcher=OwnFontsOnly())
    return HTML(string=markup, url_fetcher=OwnFontsOnly()).write_pdf(
        stylesheets=[css], font_config=fonts, pdf_variant="pdf/ua-1", pdf_tags=True
    )


def chromium(markup: str) -> bytes:
    """HTML printed by a browser."""
    browser = shutil.which("chromium")
    if browser is None:
        raise LookupError("chromium is not installed")
    quiet = (
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-sync",
        "--virtual-time-budget=60000",
    )
    with tempfile.TemporaryDirectory() as folder:
        page, pdf = Path(folder) / "page.html", Path(folder) / "page.pdf"
        style = f"<meta charset=utf-8><style>{font_faces('file://' + str(FONTS) + '/{}')}{STYLE}</style>"
        page.write_text(markup.replace("<title>", style + "<title>", 1), encoding="utf-8")
        root = ["--no-sandbox"] if os.getuid() == 0 else []
        order = [
            browser,
            *quiet,
            *root,
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            f"--print-to-pdf={pdf}",
        ]
        subprocess.run([*order, page.as_uri()], check=True, capture_output=True)
        return pdf.read_bytes()


def font_of(text: str) -> str:
    """Which of our fonts has this text: the engines below choose none by themselves."""
    script = next((unicodedata.name(char).split()[0] for char in text if char.isalpha()), "LATIN").title()
    return f"NotoSans{script}" if script in ("Hebrew", "Georgian", "Armenian", "Arabic") else "NotoSans"


def reportlab(rows: list[RegisterRow]) -> bytes:
    """Strings at coordinates; shaped by HarfBuzz, without tags."""
    from io import BytesIO

    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    for name in ("NotoSans", *(f"NotoSans{one}" for one in ("Hebrew", "Georgian", "Armenian", "Arabic"))):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}-Regular.ttf"), shapable=True))
    out = BytesIO()
    canvas = Canvas(out, pagesize=(595.3, 841.9), lang="en", pageCompression=1)
    for page in pages(rows):
        for line, row in enumerate(page):
            for left, cell in zip((71, 110, 290, 465), cells(row), strict=True):
                font = font_of(cell)
                canvas.setFont(font, 9)
                backwards = font in ("NotoSansHebrew", "NotoSansArabic")
                canvas.drawString(left, 760 - 14.6 * line, cell, direction="RTL" if backwards else None, shaping=True)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def fpdf2(rows: list[RegisterRow]) -> bytes:
    """Cells, shaped by HarfBuzz, without tags."""
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_lang("en")
    names = ["NotoSans", *(f"NotoSans{one}" for one in ("Hebrew", "Georgian", "Armenian", "Arabic"))]
    for name in names:
        pdf.add_font(name, fname=str(FONTS / f"{name}-Regular.ttf"))
    pdf.set_fallback_fonts(names[1:], exact_match=False)
    pdf.set_text_shaping(use_shaping_engine=True)
    pdf.set_font("NotoSans", size=9)
    for page in pages(rows):
        pdf.add_page()
        for row in page:
            for width, cell in zip((14, 63, 63, 40), cells(row), strict=True):
                pdf.cell(width, 5.2, cell)
            pdf.ln()
    return bytes(pdf.output())


ENGINES: dict[str, Callable[[RegisterVolume], bytes]] = {
    "typst table": draw_register,
    "weasyprint table": lambda one: weasyprint(as_table(list(one.rows))),
    "weasyprint columns": lambda one: weasyprint(as_columns(list(one.rows))),
    "chromium table": lambda one: chromium(as_table(list(one.rows))),
    "reportlab canvas": lambda one: reportlab(list(one.rows)),
    "fpdf2 cells": lambda one: fpdf2(list(one.rows)),
}


def pdf_of(engine: str, folder: Path) -> Path:
    """Where the file of an engine lies."""
    return folder / f"{engine.replace(' ', '-')}.pdf"


def measure(engine: str, total: int, out: Path) -> tuple[float, float]:
    """Draw in a child. Returns seconds, above those for a single row, and the peak memory in MB of the largest process."""

    def run(rows: int) -> tuple[float, float]:
        started = time.monotonic()
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "benchmarks.register", "--draw", engine, "--rows", str(rows), "--out", str(out)],
            os.environ,
        )
        _, status, usage = os.wait4(child, 0)
        if status:
            raise LookupError(f"{engine} cannot be measured here")
        return time.monotonic() - started, usage.ru_maxrss / 1024

    # The first start reads the program from the disk, so the quicker of two counts.
    small = min(run(1)[0] for _ in range(2))
    seconds, memory = run(total)
    return max(seconds - small, 0.001), memory


def read_back(path: Path, wanted: RegisterVolume) -> str:
    """Share of rows whose name stands in the text that poppler extracts and, for a tagged table, in its structure tree."""
    text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=False).stdout
    plain = " ".join(re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", text).split())
    poppler = sum(row.name in plain for row in wanted.rows) / len(wanted.rows)
    tree = sum(
        (a.name, a.city) == (b.name, b.city) for a, b in zip(read_rows(path.read_bytes()), wanted.rows, strict=False)
    )
    return f"{poppler:.1%} / {tree / len(wanted.rows):.1%}"


def metadata_of(path: Path) -> bytes:
    """The XMP packet, where a file says which standards it keeps."""
    packet = PdfReader(path).root_object.get("/Metadata")
    return packet.get_object().get_data() if packet is not None else b""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.register", description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the PDFs, to look at them")
    parser.add_argument("--draw", choices=ENGINES, help="what a child does")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.draw:
        options.out.write_bytes(ENGINES[options.draw](document(options.rows)))
        return
    wanted = document(options.rows)
    table = Table("engine", "rows/s", "peak MB", "bytes a row", "tags", "claims", "names read back (poppler / tags)")
    table.title = f"{options.rows} rows in seven scripts, best of {options.rounds}"
    with tempfile.TemporaryDirectory() as folder:
        place = options.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        runs: dict[str, list[tuple[float, float]]] = {}
        # All are measured before any is read: a child's peak of memory begins with what its parent has at the time.
        for engine in ENGINES:
            try:
                runs[engine] = [measure(engine, options.rows, pdf_of(engine, place)) for _ in range(options.rounds)]
            except LookupError as error:
                table.add_row(engine, str(error))
        for engine, measured in runs.items():
            path = pdf_of(engine, place)
            size = path.stat().st_size
            claims = re.findall(rb"pdf(aid|uaid):part[^0-9]{1,3}([0-9])", metadata_of(path))
            table.add_row(
                engine,
                f"{options.rows / min(seconds for seconds, _ in measured):,.0f}",
                f"{max(memory for _, memory in measured):,.0f}",
                f"{size / options.rows:,.0f}",
                "yes" if "/StructTreeRoot" in PdfReader(path).root_object else "no",
                " ".join(
                    f"{'PDF/A' if kind == b'aid' else 'PDF/UA'}-{part.decode()}" for kind, part in dict.fromkeys(claims)
                )
                or "–",
                read_back(path, wanted),
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
