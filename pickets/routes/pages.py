"""Pages to read: the map and the list, a country, a city, a picket, a photo."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.caching import open_to_other_sites, same_for_everybody
from core.config import current_config
from core.errors import NotFoundError
from core.i18n import COUNTRY_CODES, current_language
from core.security import EVERYBODY, open_to
from petitions.reading import titled
from pickets import reading
from pickets.assembly import FACE_LABELS, find_rule
from pickets.cities import city_name, find_cities
from pickets.forms import NearForm, PicketSearch
from pickets.map import Map, Spot, draw_map
from pickets.pub import PublicCity
from pickets.reading import Where
from pickets.routes import bp


@bp.get("/pickets/")
@open_to(EVERYBODY)
@same_for_everybody("petition", "country", "first", "last", "near")
def index() -> ResponseReturnValue:
    """Next dates, a map, and the nearest to a city that somebody names."""
    language = current_language()
    form = PicketSearch(reading.countries_with_pickets(), _petitions(language), request.args)
    form.settle()
    petition = int(form.petition.data) if form.petition.data else None
    where = Where(form.country.data or None, None, petition, form.first.data, form.last.data)
    cards = reading.list_coming(language, where)
    near = NearForm(request.args)
    found = find_cities(near.near.data or "", most=6) if near.near.data else []
    if found:
        cards = reading.by_distance(cards, found[0])
    return render_template(
        "pickets/index.html",
        form=form,
        near=near,
        found=found,
        cards=cards,
        past=[] if found else reading.list_past(language, where, 10),
        map=_map(reading.cities_with_pickets(form.country.data or None), language),
        kept={name: value for name, value in request.args.items() if value and name in form},
    )


def _petitions(language: str) -> list[tuple[int, str]]:
    return [(number, card.text.title) for number, card in titled(language).items()]


def _map(cities: list[tuple[PublicCity, int, int]], language: str) -> Map | None:
    """Of all cities that have pickets; those where all are over are drawn as such."""
    spots = [
        Spot(city_name(city, language), url_for("pickets.city", country=city.country_code.lower(), slug=city.slug), city.lat, city.lon, coming or held, coming == 0)
        for city, coming, held in cities
    ]  # fmt: skip
    return draw_map(spots, language)


@bp.get("/pickets/in/<country>")
@open_to(EVERYBODY)
@same_for_everybody()
def country(country: str) -> ResponseReturnValue:
    """Pickets of one country, to come and past."""
    code = country.upper()
    if not country.isascii() or code not in COUNTRY_CODES:
        raise NotFoundError
    language, cities = current_language(), reading.cities_with_pickets(code)
    return render_template(
        "pickets/country.html",
        code=code,
        cities=sorted(cities, key=lambda one: (-one[1], city_name(one[0], language))),
        cards=reading.list_coming(language, Where(code)),
        past=reading.list_past(language, Where(code)),
        map=_map(cities, language),
    )


@bp.get("/pickets/in/<country>/<slug>")
@open_to(EVERYBODY)
@same_for_everybody()
def city(country: str, slug: str) -> ResponseReturnValue:
    """Pickets of one city, to come and past, and the nearest elsewhere."""
    language, found = current_language(), reading.find_city(country, slug)
    cards = reading.list_coming(language, Where(city_id=found.id))
    others = [one for one in reading.list_coming(language) if one.city.id != found.id]
    return render_template(
        "pickets/city.html",
        city=found,
        cards=cards,
        past=reading.list_past(language, Where(city_id=found.id)),
        near=reading.by_distance(others, found)[:5],
    )


@bp.get("/pickets/<code>")
@open_to(EVERYBODY)
@same_for_everybody()
def show(code: str) -> ResponseReturnValue:
    """One picket."""
    view = reading.find_public(code, current_language())
    city = view.card.city
    rule = find_rule(city.country_code, city.region, city.name, view.card.picket.mode)
    return render_template(
        "pickets/show.html",
        view=view,
        card=view.card,
        picket=view.card.picket,
        face=FACE_LABELS[rule.face_covering if rule else "unknown"],
        page_url=f"{current_config().public_url}{url_for('.show', code=view.card.picket.code, lang=None)}",
    )


@bp.get("/p/<code>")
@open_to(EVERYBODY)
def sign_here(code: str) -> ResponseReturnValue:
    """The short address on papers: to the form, with the pass of the place if there is one."""
    card = reading.find_public(code, current_language()).card
    carried: dict[str, Any] = {"pass": request.args.get("pass") or None}
    return redirect(url_for("petitions.sign_form", slug=card.petition.petition.slug, **carried), 303)


@bp.get("/pickets/<code>/photos/<uuid:photo_id>.jpg")
@open_to(EVERYBODY)
@same_for_everybody()
def photo(code: str, photo_id: UUID) -> ResponseReturnValue:
    """A photo of the report, on which marked faces cannot be told."""
    response = make_response(reading.read_photo(code, photo_id))
    response.headers["Content-Type"] = "image/jpeg"
    return open_to_other_sites(response)
