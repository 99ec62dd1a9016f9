"""Pickets for other programs and other sites: calendars, feeds, data, a card to embed, a QR code. No person is in any of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import segno
from flask import Response, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from core.caching import open_to_other_sites, same_for_everybody
from core.config import current_config
from core.errors import NotFoundError
from core.i18n import COUNTRY_CODES, country_name, current_language
from core.security import CSP, EVERYBODY, open_to
from petitions.reading import PetitionPage, TakenDownError
from petitions.reading import find_public as find_petition
from pickets import calendars, reading
from pickets.calendars import called, changed_at, particulars, when, where
from pickets.cities import city_name, full_name
from pickets.pub import PublicCity, PublicShift
from pickets.reading import PicketCard, Where
from pickets.routes import bp

A_DAY = 86_400
FRESH = 60
EMBED_CSP = CSP.replace("frame-ancestors 'none'", "frame-ancestors *").replace(
    "form-action 'self'", "form-action 'none'"
)
"""Any site may show the card: there is nothing on it to press but a link, which opens by itself."""
NEVER = datetime.fromtimestamp(0, UTC)
"""When a feed in which nothing is yet was last updated."""


# --- What an address means ---------------------------------------------------------------------------------------------------


def _country(typed: str) -> str:
    """ISO 3166-1 code of a country in an address. Raises NotFoundError."""
    code = typed.upper()
    if not typed.isascii() or code not in COUNTRY_CODES:
        raise NotFoundError
    return code


def _city(country: str, slug: str) -> PublicCity:
    """Raises NotFoundError."""
    return reading.find_city(_country(country), slug)


def _petition(slug: str) -> PetitionPage:
    """Raises NotFoundError, for one that was taken down, too."""
    try:
        return find_petition(slug, current_language(), routed=False)
    except TakenDownError:
        raise NotFoundError from None


class _Asked(NamedTuple):
    """What narrows the lists of all pickets, as an address has it."""

    where: Where
    name: str
    values: dict[str, Any]
    """For the same list in another format."""
    page: dict[str, Any]
    """For the page with the same list."""


def _asked() -> _Asked:
    """By `?country=` (ISO 3166-1, two letters) and `?petition=` (its slug); empty ones narrow nothing. Raises NotFoundError."""
    typed, slug = request.args.get("country"), request.args.get("petition")
    code, petition = _country(typed) if typed else None, _petition(slug) if slug else None
    names, values, page = list[str](), dict[str, Any](), dict[str, Any]()
    if code:
        names.append(country_name(code))
        values["country"] = page["country"] = code
    if petition:
        names.append(petition.text.title)
        values["petition"], page["petition"] = petition.petition.slug, petition.petition.id
    where = Where(code, petition_id=petition.petition.id if petition else None)
    return _Asked(where, _name_of(" · ".join(names)) if names else _("Pickets"), values, page)


def _page(card: PicketCard) -> str:
    """Address of a picket's page, in full. The same in every language, so that it can name the picket."""
    return _full(url_for(".show", code=card.picket.code, lang=None))


def _full(path: str) -> str:
    return f"{current_config().public_url}{path}"


# --- Calendars ---------------------------------------------------------------------------------------------------------------


@bp.get("/pickets/<code>/calendar.ics")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def calendar(code: str) -> ResponseReturnValue:
    """One picket."""
    card = reading.find_public(code, current_language()).card
    return _calendar([card], called(card), f"picket-{card.picket.code}")


@bp.get("/pickets/calendar.ics")
@open_to(EVERYBODY)
@same_for_everybody("country", "petition", fresh=FRESH)
def calendar_of_all() -> ResponseReturnValue:
    """All that are to come, and those of the last weeks, narrowed as `_asked` says."""
    asked = _asked()
    return _calendar(_cards(asked.where), asked.name, "pickets")


@bp.get("/pickets/in/<country>/calendar.ics")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def calendar_of_country(country: str) -> ResponseReturnValue:
    """The same in one country."""
    code = _country(country)
    return _calendar(_cards(Where(code)), _name_of(country_name(code)), f"pickets-{code.lower()}")


@bp.get("/pickets/in/<country>/<slug>/calendar.ics")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def calendar_of_city(country: str, slug: str) -> ResponseReturnValue:
    """The same in one city."""
    city = _city(country, slug)
    name = _name_of(full_name(city, current_language()))
    return _calendar(_cards(Where(city_id=city.id)), name, f"pickets-{city.country_code.lower()}-{city.slug}")


@bp.get("/pickets/for/<slug>/calendar.ics")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def calendar_of_petition(slug: str) -> ResponseReturnValue:
    """The same for one petition."""
    page = _petition(slug)
    return _calendar(_cards(Where(petition_id=page.petition.id)), _name_of(page.text.title), f"pickets-for-{slug}")


def _cards(narrowed: Where) -> list[PicketCard]:
    return reading.list_for_calendars(current_language(), narrowed)


def _name_of(place: str) -> str:
    return str(_("Pickets: %(place)s", place=place))


def _calendar(cards: Sequence[PicketCard], name: str, filename: str) -> Response:
    response = make_response(calendars.draw_calendar(cards, name, _page))
    response.headers["Content-Type"] = "text/calendar; charset=utf-8"
    response.headers["Content-Disposition"] = f'inline; filename="{filename}.ics"'
    return open_to_other_sites(response)


# --- Feeds -------------------------------------------------------------------------------------------------------------------


@bp.get("/pickets/<code>/feed.atom")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def feed(code: str) -> ResponseReturnValue:
    """One picket, told anew whenever something about it has changed (RFC 4287)."""
    card = reading.find_public(code, current_language()).card
    return _feed([card], called(card), url_for(".show", code=card.picket.code), code=card.picket.code)


@bp.get("/pickets/feed.atom")
@open_to(EVERYBODY)
@same_for_everybody("country", "petition", fresh=FRESH)
def feed_of_all() -> ResponseReturnValue:
    """All that are to come, and those of the last weeks, narrowed as `_asked` says."""
    asked = _asked()
    return _feed(_cards(asked.where), asked.name, url_for(".index", **asked.page), **asked.values)


@bp.get("/pickets/in/<country>/feed.atom")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def feed_of_country(country: str) -> ResponseReturnValue:
    """The same in one country."""
    code = _country(country)
    values: dict[str, Any] = {"country": code.lower()}
    return _feed(_cards(Where(code)), _name_of(country_name(code)), url_for(".country", **values), **values)


@bp.get("/pickets/in/<country>/<slug>/feed.atom")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def feed_of_city(country: str, slug: str) -> ResponseReturnValue:
    """The same in one city."""
    city = _city(country, slug)
    name = _name_of(full_name(city, current_language()))
    values: dict[str, Any] = {"country": city.country_code.lower(), "slug": city.slug}
    return _feed(_cards(Where(city_id=city.id)), name, url_for(".city", **values), **values)


@bp.get("/pickets/for/<slug>/feed.atom")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def feed_of_petition(slug: str) -> ResponseReturnValue:
    """The same for one petition."""
    page = _petition(slug)
    cards = _cards(Where(petition_id=page.petition.id))
    return _feed(cards, _name_of(page.text.title), url_for("petitions.show", slug=slug), slug=slug)


def _feed(cards: Sequence[PicketCard], name: str, page: str, **values: Any) -> Response:
    """What was changed last comes first. `page` is the path of what tells the same to people; `values` are what names the feed."""
    here = request.endpoint or ""
    told = [
        {
            "card": card,
            "address": _page(card),
            "title": called(card),
            "updated": changed_at(card),
            "paragraphs": [when(card), where(card), *particulars(card)],
        }
        for card in sorted(cards, key=lambda one: (changed_at(one), one.picket.code), reverse=True)
    ]
    response = make_response(
        render_template(
            "pickets/pickets.atom",
            entries=told,
            name=name,
            id=_full(url_for(here, **values, lang=None)),
            own=_full(url_for(here, **values)),
            page=_full(page),
            updated=max((changed_at(card) for card in cards), default=NEVER),
        )
    )
    response.headers["Content-Type"] = "application/atom+xml; charset=utf-8"
    return open_to_other_sites(response)


# --- Data --------------------------------------------------------------------------------------------------------------------


@bp.get("/pickets.json")
@open_to(EVERYBODY)
@same_for_everybody("country", "petition", fresh=FRESH)
def list_as_json() -> ResponseReturnValue:
    """`pickets`: all to come and those of the last 60 days, cancelled ones included, by their beginning.

    `?country=` (ISO 3166-1, two letters) and `?petition=` (its slug) narrow it. Each has the fields of `as_json` but `shifts`.
    """
    return open_to_other_sites(jsonify(pickets=[_told(card) for card in _cards(_asked().where)]))


@bp.get("/pickets/<code>.json")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def as_json(code: str) -> ResponseReturnValue:
    """All that is public about a picket.

    `code`, `url` · `state`: announced, held, reported or cancelled · `mode` · `starts_at`, `ends_at`: with the offset of local
    time, whose zone is `timezone` · `country` (ISO 3166-1), `city` (in the language of the request), `lat` and `lon` of the city,
    in degrees · `place`: null while it is not for everybody; `place_from`: when it will be, null if that is no matter of
    time; `district` · `ministry`: `name`, `native_name` · `petition`: `slug`, `title`, `url` · what the organiser wrote, in
    `language`: `title`, `about`, `bring`, `access`; `organiser` is what they are called in public · `at_least`: so many said
    that they come, rounded down to 0, 5, 10, 20, 50 and so on · `announced_at`, `changed_at`; `sequence` rises with each
    change · `cancelled`: null, or `at`, `reason` (safety, permit, weather, organiser or other) and `note` · `report`: null, or
    `people`, `sheets`, `signatures`, `summary` · `shifts`: `role`, `starts_at`, `ends_at`, `seats`, `free`.
    All moments are ISO 8601.
    """
    view = reading.find_public(code, current_language())
    shifts = [_shift(one, view.card) for one in view.shifts]
    return open_to_other_sites(jsonify({**_told(view.card), "shifts": shifts}))


def _told(card: PicketCard) -> dict[str, Any]:
    picket, petition = card.picket, card.petition
    return {
        "code": picket.code,
        "url": _page(card),
        "state": picket.state,
        "mode": picket.mode,
        "starts_at": _at(card.starts),
        "ends_at": _at(card.ends),
        "timezone": card.city.timezone,
        "country": card.city.country_code,
        "city": city_name(card.city, current_language()),
        "lat": round(card.city.lat, 2),
        "lon": round(card.city.lon, 2),
        "place": picket.place,
        "place_from": _at(card.place_from) if picket.state != "cancelled" else None,
        "district": picket.district,
        "ministry": {"name": picket.ministry, "native_name": picket.ministry_native},
        "petition": {
            "slug": petition.petition.slug,
            "title": petition.text.title,
            "url": _full(url_for("petitions.show", slug=petition.petition.slug, lang=None)),
        },
        "language": picket.language,
        "title": picket.title,
        "about": picket.about,
        "bring": picket.bring,
        "access": picket.access,
        "organiser": picket.alias,
        "at_least": picket.band,
        "announced_at": _at(picket.announced_at),
        "changed_at": _at(changed_at(card)),
        "sequence": picket.sequence,
        "cancelled": _cancelled(card),
        "report": _report(card),
    }


def _cancelled(card: PicketCard) -> dict[str, Any] | None:
    picket = card.picket
    if picket.state != "cancelled":
        return None
    return {"at": _at(picket.cancelled_at), "reason": picket.cancel_reason, "note": picket.cancel_note}


def _report(card: PicketCard) -> dict[str, Any] | None:
    told = card.report
    if told is None:
        return None
    return {
        "people": told.headcount,
        "sheets": told.sheets,
        "signatures": told.signatures,
        "summary": told.summary,
    }


def _shift(shift: PublicShift, card: PicketCard) -> dict[str, Any]:
    zone = card.starts.tzinfo
    return {
        "role": shift.role,
        "starts_at": _at(shift.starts_at.astimezone(zone)),
        "ends_at": _at(shift.ends_at.astimezone(zone)),
        "seats": shift.seats,
        "free": shift.free,
    }


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


# --- For other sites and paper -----------------------------------------------------------------------------------------------


@bp.get("/pickets/<code>/embed")
@open_to(EVERYBODY)
@same_for_everybody(fresh=FRESH)
def embed(code: str) -> ResponseReturnValue:
    """A card for an iframe on another site. It sets no cookie, and a page that shows it learns nothing of its readers."""
    card = reading.find_public(code, current_language()).card
    response = make_response(render_template("pickets/embed.html", card=card, called=called(card)))
    response.headers["Content-Security-Policy"] = EMBED_CSP
    response.headers["X-Frame-Options"] = ""
    return open_to_other_sites(response)


@bp.get("/pickets/<code>/qr.svg")
@open_to(EVERYBODY)
@same_for_everybody(fresh=A_DAY)
def qr(code: str) -> ResponseReturnValue:
    """The address of the picket as a QR code, for posters and slides."""
    card, drawn = reading.find_public(code, current_language()).card, io.BytesIO()
    segno.make(_page(card), error="m").save(drawn, kind="svg", scale=8, border=4, dark="#1b2430", light="#fff")
    response = make_response(drawn.getvalue())
    response.headers["Content-Type"] = "image/svg+xml"
    return open_to_other_sites(response)
