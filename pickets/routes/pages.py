"""Pages to read: the map and the list, a country, a city, a picket, a photo."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.caching import open_to_other_sites, same_for_everybody
from core.config import current_config
from core.errors import NotFoundError
from core.i18n import COUNTRY_CODES, current_language, sort_key
from core.security import EVERYBODY, open_to
from petitions.reading import titled
from pickets import calendars, reading
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
    petitions = titled(language)
    titles = [(number, card.text.title) for number, card in petitions.items()]
    # Of many petitions the form offers the first: the one that is asked for has to be among them.
    titles.sort(key=lambda one: str(one[0]) != request.args.get("petition"))
    form = PicketSearch(reading.countries_with_pickets(), titles, request.args)
    form.settle()
    petition = int(form.petition.data) if form.petition.data else None
    where = Where(form.country.data or None, None, petition, form.first.data, form.last.data)
    near = NearForm(request.args)
    found = find_cities(near.near.data or "", most=6) if near.near.data else []
    cards = reading.list_nearest(language, found[0], where) if found else reading.list_coming(language, where)
    cards = cards[: reading.MOST_LISTED]
    cities = _cities(where, language)
    return render_template(
        "pickets/index.html",
        form=form,
        near=near,
        found=found,
        cards=cards,
        past=[] if found else reading.list_past(language, where, 10),
        is_cut=len(cards) == reading.MOST_LISTED,
        cities=cities,
        map=_map(cities, language),
        kept={name: value for name, value in request.args.items() if value and name in form},
        subscribed={
            "country": where.country,
            "petition": petitions[petition].petition.slug if petition is not None else None,
        },
    )


def _cities(where: Where, language: str) -> list[tuple[PublicCity, int, int]]:
    """Those with most to come first, then by their names."""
    cities = reading.cities_with_pickets(where)
    return sorted(cities, key=lambda one: (-one[1], sort_key(city_name(one[0], language), language)))


def _map(cities: list[tuple[PublicCity, int, int]], language: str) -> Map | None:
    """Of cities with pickets; those where all are over are drawn as such."""
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
    language = current_language()
    cities = _cities(Where(code), language)
    return render_template(
        "pickets/country.html",
        code=code,
        cities=cities,
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
    nearest = reading.list_nearest(language, found)
    return render_template(
        "pickets/city.html",
        city=found,
        cards=cards,
        past=reading.list_past(language, Where(city_id=found.id)),
        near=[one for one in nearest if one.city.id != found.id and one.picket.state == "announced"][:5],
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
        about_the_place=calendars.about_the_place(view.card),
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
