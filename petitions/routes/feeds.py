"""A petition for other programs and other sites: numbers, news, pictures, a card to embed, a QR code. No name is in any of it."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import segno
from flask import Response, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.caching import open_to_other_sites, same_for_everybody
from core.config import current_config
from core.i18n import current_language
from core.security import CSP, EVERYBODY, open_to
from petitions import proving, reading
from petitions.reading import PetitionPage
from petitions.routes import bp

A_DAY = 86_400
PICTURES_FRESH = 60
EMBED_CSP = CSP.replace("frame-ancestors 'none'", "frame-ancestors *").replace(
    "form-action 'self'", "form-action 'none'"
)
"""Any site may show the card: there is nothing on it to press but a link, which opens by itself."""


def _find(slug: str) -> PetitionPage:
    return reading.find_public(slug, current_language(), request.args.get("text"))


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


@bp.get("/petitions/<slug>.json")
@open_to(EVERYBODY)
@same_for_everybody("text")
def as_json(slug: str) -> ResponseReturnValue:
    """All that is public about a petition but the names."""
    page = _find(slug)
    details = reading.read_details(page, current_language())
    petition = page.petition
    told: dict[str, Any] = {
        "url": f"{current_config().public_url}{url_for('petitions.show', slug=slug, lang=None)}",
        "kind": petition.kind,
        "state": petition.state,
        "opens_at": _at(petition.opens_at),
        "closes_at": _at(petition.closes_at),
        "counted": petition.counted,
        "next_milestone": page.petition.milestone,
        "milestones": [{"signatures": one.total, "reached_at": _at(one.reached_at)} for one in details.milestones],
        "countries": {code: total for code, total in details.countries if code},
        "other_countries": sum(total for code, total in details.countries if not code),
        "by_week" if details.by_week else "by_day": {day.isoformat(): total for day, total in details.days},
        "addressees": [
            {"country": one.country_code, "name": one.name_en, "native_name": one.name_native}
            for one in page.addressees
        ],
        "texts": [
            {
                "language": one.language,
                "version": one.version,
                "title": one.title,
                "summary": one.summary,
                "html": one.body_html,
                "demands": one.demands.splitlines(),
                "sha256": one.hash,
            }
            for one in page.texts
        ],
        "first_signatories": [{"name": one.name, "role": one.role} for one in details.first_signatories],
    }
    return open_to_other_sites(jsonify(told))


@bp.get("/petitions/<slug>/count.json")
@open_to(EVERYBODY)
@same_for_everybody()
def count(slug: str) -> ResponseReturnValue:
    """The number alone, for whoever asks often."""
    page = reading.find_public(slug, current_language(), routed=False)
    return open_to_other_sites(jsonify(counted=page.petition.counted, next_milestone=page.petition.milestone))


@bp.get("/petitions.atom")
@open_to(EVERYBODY)
@same_for_everybody(fresh=60)
def feed_of_petitions() -> ResponseReturnValue:
    """Petitions as they open (RFC 4287)."""
    cards = reading.list_open(current_language(), 50)
    return _atom(render_template("petitions/petitions.atom", cards=cards, site=current_config().public_url))


@bp.get("/petitions/<slug>/feed.atom")
@open_to(EVERYBODY)
@same_for_everybody("text", fresh=60)
def feed(slug: str) -> ResponseReturnValue:
    """News of one petition, the milestones that it reached, and the newest tree head of its log."""
    page = _find(slug)
    details = reading.read_details(page, current_language())
    site = current_config().public_url
    head = proving.newest_head(page.petition.id)
    statement = proving.statement_of(page.petition.slug, head) if head is not None else ""
    told = {"page": page, "details": details, "site": site, "head": head, "statement": statement}
    return _atom(render_template("petitions/feed.atom", **told))


def _atom(text: str) -> Response:
    response = make_response(text)
    response.headers["Content-Type"] = "application/atom+xml; charset=utf-8"
    return open_to_other_sites(response)


@bp.get("/petitions/<slug>/embed")
@open_to(EVERYBODY)
@same_for_everybody("text")
def embed(slug: str) -> ResponseReturnValue:
    """A card for an iframe on another site. It sets no cookie, and a page that shows it learns nothing of its readers."""
    page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    response = make_response(render_template("petitions/embed.html", page=page))
    response.headers["Content-Security-Policy"] = EMBED_CSP
    response.headers["X-Frame-Options"] = ""
    return open_to_other_sites(response)


@bp.get("/petitions/<slug>/qr.svg")
@open_to(EVERYBODY)
@same_for_everybody(fresh=A_DAY)
def qr(slug: str) -> ResponseReturnValue:
    """The address of the petition as a QR code, for posters and slides."""
    page = reading.find_public(slug, current_language(), routed=False)
    address = f"{current_config().public_url}{url_for('petitions.show', slug=page.petition.slug, lang=None)}"
    drawn = io.BytesIO()
    segno.make(address, error="m").save(drawn, kind="svg", scale=8, border=4, dark="#1b2430", light="#fff")
    return _picture(drawn.getvalue(), "image/svg+xml")


@bp.get("/petitions/<slug>/card-<language>.png")
@open_to(EVERYBODY)
@same_for_everybody(fresh=PICTURES_FRESH)
def share_card(slug: str, language: str) -> ResponseReturnValue:
    """The picture that other sites show beside a link to the petition."""
    return _picture(reading.read_share_card(slug, language), "image/png")


@bp.get("/petitions/<slug>/picture.jpg")
@open_to(EVERYBODY)
@same_for_everybody("v", fresh=PICTURES_FRESH)
def picture(slug: str) -> ResponseReturnValue:
    """The petition's own picture."""
    return _picture(reading.read_picture(slug), "image/jpeg")


def _picture(content: bytes, media_type: str) -> Response:
    response = make_response(content)
    response.headers["Content-Type"] = media_type
    return open_to_other_sites(response)
