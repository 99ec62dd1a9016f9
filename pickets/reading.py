"""What the public reads of pickets: lists, cities, one picket, its report. All of it comes from the views of pub.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, or_, select

from core.errors import NotFoundError, database_may_be_away
from core.extensions import db
from petitions.reading import PetitionCard, titled
from pickets.cities import kilometres_between
from pickets.hours import zone_name
from pickets.pub import PublicCity, PublicPhoto, PublicPicket, PublicPicketReport, PublicShift

MOST_LISTED = 200
PAST_LISTED = 50
FEW = 6
MOST_READ = 2000
"""What calendars, feeds and the search for the nearest look at: more than will ever be at once, so that none is left out."""
KEPT = timedelta(days=60)
"""How long after its end a picket stays in calendars and feeds."""


@dataclass(frozen=True, slots=True)
class PicketCard:
    """A picket in a list."""

    picket: PublicPicket
    city: PublicCity
    petition: PetitionCard
    kilometres: int | None = None
    """From the city that was looked for."""
    report: PublicPicketReport | None = None

    @property
    def starts(self) -> datetime:
        """When it starts, as clocks there show it."""
        return self.picket.starts_at.astimezone(ZoneInfo(self.city.timezone))

    @property
    def ends(self) -> datetime:
        """When it ends, likewise."""
        return self.picket.ends_at.astimezone(ZoneInfo(self.city.timezone))

    @property
    def zone(self) -> str:
        """What its time zone is called."""
        return zone_name(self.starts)

    @property
    def place_from(self) -> datetime | None:
        """When everybody may read the exact place, likewise."""
        moment = self.picket.place_from
        return moment.astimezone(ZoneInfo(self.city.timezone)) if moment else None

    @property
    def is_changed(self) -> bool:
        """Whether hours or place of one that is to come have changed since it was announced."""
        return self.picket.state == "announced" and self.picket.sequence > 0

    @property
    def is_over(self) -> bool:
        """Whether it was held."""
        return self.picket.state in ("held", "reported")

    @property
    def can_be_joined(self) -> bool:
        """Whether the form is shown. The worker decides by the moment of arrival."""
        # With a single person nobody may stand: a second one would make an assembly of it.
        return self.picket.state == "announced" and self.picket.mode != "single_person"


@dataclass(frozen=True, slots=True)
class PicketView:
    """All that stands on the page of one picket."""

    card: PicketCard
    shifts: Sequence[PublicShift]
    photos: Sequence[tuple[UUID, int, int, str]]
    """Number, width, height, and what is to be seen."""


@dataclass(frozen=True, slots=True)
class Where:
    """What narrows a list. Empty fields narrow nothing."""

    country: str | None = None
    city_id: int | None = None
    petition_id: int | None = None
    first: date | None = None
    last: date | None = None
    """Days in UTC, both included."""


@dataclass(frozen=True, slots=True)
class Achieved:
    """What the pickets of a petition came to, as their organisers counted it."""

    coming: int
    held: int
    cities: int
    people: int
    signatures: int


def list_coming(language: str, where: Where = Where(), most: int = MOST_LISTED) -> list[PicketCard]:
    """Pickets that are not over, the next first. Those that were cancelled stay until they would have ended."""
    query = _narrowed(where).where(PublicPicket.ends_at > func.now()).order_by(PublicPicket.starts_at, PublicPicket.id)
    return _cards(query.limit(most), language)


def list_past(language: str, where: Where = Where(), most: int = PAST_LISTED) -> list[PicketCard]:
    """Pickets that were held, the last first, with what was reported of them."""
    over = PublicPicket.ends_at <= func.now(), PublicPicket.state != "cancelled"
    query = _narrowed(where).where(*over).order_by(PublicPicket.starts_at.desc(), PublicPicket.id)
    return _cards(query.limit(most), language)


def list_for_calendars(language: str, where: Where = Where(), most: int = MOST_READ) -> list[PicketCard]:
    """What calendars and feeds hold, by its beginning: all that is to come, and with the room that is left what ended lately.

    Cancelled ones are among both.
    """
    coming = list_coming(language, where, most)
    lately = PublicPicket.ends_at <= func.now(), PublicPicket.ends_at > func.now() - KEPT
    query = _narrowed(where).where(*lately).order_by(PublicPicket.starts_at.desc(), PublicPicket.id)
    past = _cards(query.limit(most - len(coming)), language)
    return sorted([*past, *coming], key=lambda one: (one.picket.starts_at, one.picket.id))


def list_nearest(language: str, city: PublicCity, where: Where = Where()) -> list[PicketCard]:
    """Pickets that are not over, the nearest to a city first."""
    measured = [
        replace(one, kilometres=round(kilometres_between(city.lat, city.lon, one.city.lat, one.city.lon)))
        for one in list_coming(language, where, MOST_READ)
    ]
    return sorted(measured, key=lambda one: (one.kilometres or 0, one.picket.starts_at))


def _narrowed(where: Where) -> Select[Any]:
    query = select(PublicPicket)
    if where.country:
        query = query.where(PublicPicket.country_code == where.country)
    if where.city_id is not None:
        query = query.where(PublicPicket.city_id == where.city_id)
    if where.petition_id is not None:
        query = query.where(PublicPicket.petition_id == where.petition_id)
    if where.first is not None:
        query = query.where(PublicPicket.ends_at >= datetime.combine(where.first, time(), UTC))
    if where.last is not None:
        query = query.where(PublicPicket.starts_at < datetime.combine(where.last, time(), UTC) + timedelta(days=1))
    return query


def _cards(query: Select[Any], language: str) -> list[PicketCard]:
    with database_may_be_away():
        pickets: Sequence[PublicPicket] = db.session.scalars(query).all()
        if not pickets:
            return []
        numbers = {one.city_id for one in pickets}
        cities = {one.id: one for one in db.session.scalars(select(PublicCity).where(PublicCity.id.in_(numbers)))}
        mine = PublicPicketReport.picket_id.in_([one.id for one in pickets])
        reports = {one.picket_id: one for one in db.session.scalars(select(PublicPicketReport).where(mine))}
    petitions = titled(language, {one.petition_id for one in pickets})
    return [
        PicketCard(one, cities[one.city_id], petitions[one.petition_id], report=reports.get(one.id))
        for one in pickets
        if one.petition_id in petitions
    ]


def find_public(code: str, language: str) -> PicketView:
    """One picket. Raises NotFoundError, as for one that is not public."""
    cards = _cards(select(PublicPicket).where(PublicPicket.code == code.lower()), language)
    if not cards:
        raise NotFoundError
    here = cards[0].picket.id
    query = select(PublicShift).where(PublicShift.picket_id == here)
    query = query.order_by(PublicShift.starts_at, PublicShift.role, PublicShift.id)
    with database_may_be_away():
        shifts = db.session.scalars(query).all() if cards[0].can_be_joined else []
        photos = db.session.execute(
            select(PublicPhoto.id, PublicPhoto.width, PublicPhoto.height, PublicPhoto.alt)
            .where(PublicPhoto.picket_id == here)
            .order_by(PublicPhoto.created_at, PublicPhoto.id)
        ).all()
    return PicketView(cards[0], shifts, [(one.id, one.width, one.height, one.alt) for one in photos])


def read_photo(code: str, photo_id: UUID) -> bytes:
    """A published photo, a JPEG file. Raises NotFoundError."""
    query = select(PublicPhoto.content).join(PublicPicket, PublicPicket.id == PublicPhoto.picket_id)
    with database_may_be_away():
        content = db.session.scalar(query.where(PublicPicket.code == code, PublicPhoto.id == photo_id))
    if content is None:
        raise NotFoundError
    return content


def find_city(country: str, slug: str) -> PublicCity:
    """A city by its address. Raises NotFoundError."""
    if not country.isascii():
        raise NotFoundError
    with database_may_be_away():
        city = db.session.scalar(
            select(PublicCity).where(PublicCity.country_code == country.upper(), PublicCity.slug == slug)
        )
    if city is None:
        raise NotFoundError
    return city


def cities_with_pickets(where: Where = Where()) -> list[tuple[PublicCity, int, int]]:
    """Cities that have or had pickets, each with how many are coming and how many were held. Cancelled ones do not count."""
    columns = PublicPicket.city_id, PublicPicket.state
    query = _narrowed(where).with_only_columns(*columns, func.count()).group_by(*columns)
    coming, held = Counter[int](), Counter[int]()
    with database_may_be_away():
        for city_id, state, number in db.session.execute(query):
            (coming if state == "announced" else held)[city_id] += number if state != "cancelled" else 0
        numbers = set(coming) | set(held)
        cities = db.session.scalars(select(PublicCity).where(PublicCity.id.in_(numbers))).all()
    return [(one, coming[one.id], held[one.id]) for one in cities if coming[one.id] or held[one.id]]


def countries_with_pickets() -> list[str]:
    """Codes of countries that have or had pickets."""
    with database_may_be_away():
        return list(db.session.scalars(select(PublicPicket.country_code).distinct()))


def list_coming_for(petition_id: int, language: str) -> list[PicketCard]:
    """The next few pickets of a petition."""
    return list_coming(language, Where(petition_id=petition_id), FEW)


def achieved(petition_id: int) -> Achieved:
    """What the pickets of a petition came to."""
    mine = PublicPicket.petition_id == petition_id
    states = select(PublicPicket.state, func.count()).where(mine).group_by(PublicPicket.state)
    was = or_(PublicPicket.state == "held", PublicPicket.state == "reported")
    cities = select(func.count(PublicPicket.city_id.distinct())).where(mine, was)
    sums = (
        select(
            func.coalesce(func.sum(PublicPicketReport.headcount), 0),
            func.coalesce(func.sum(PublicPicketReport.signatures), 0),
        )
        .join(PublicPicket, PublicPicket.id == PublicPicketReport.picket_id)
        .where(mine)
    )
    with database_may_be_away():
        totals = {row[0]: row[1] for row in db.session.execute(states)}
        people, signatures = db.session.execute(sums).one()
        number = db.session.scalars(cities).one()
    held = totals.get("held", 0) + totals.get("reported", 0)
    return Achieved(totals.get("announced", 0), held, number, people, signatures)
