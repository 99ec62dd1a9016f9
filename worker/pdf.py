"""Drawing PDFs with WeasyPrint. Nothing is fetched: not from the network, not from the disk, except our own fonts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import render_template
from weasyprint import CSS, HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from core.factory import ROOT
from delivery.document import BundleDocument, DrawnPdf

FONTS = ROOT / "static" / "fonts"
FONT_SCHEME = "zbor-font:"


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


def draw_bundle(document: BundleDocument) -> DrawnPdf:
    """Draw a whole bundle: tagged (PDF/UA-1), language set, text selectable. About 105 kB of memory a row of the register."""
    html = render_template("pdf/bundle.html", document=document)
    css, fonts = _stylesheet()
    options = {"pdf_variant": "pdf/ua-1", "pdf_tags": True}
    rendered = HTML(string=html, url_fetcher=OwnFontsOnly()).render(stylesheets=[css], font_config=fonts, **options)
    return DrawnPdf(rendered.write_pdf(**options), len(rendered.pages))
