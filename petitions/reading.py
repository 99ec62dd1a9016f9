"""What the public reads: lists, the page of a petition, its numbers, news and history. All of it comes from the views of pub.py."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select

from core.caching import kept
from core.errors import DomainError, NotFoundError, database_may_be_away
from core.extensions import db
from core.i18n import place_key
from petitions.pub import (
    PublicAddressee,
    PublicBreakdown,
    PublicCard,
    PublicFirstSignatory,
    PublicIntake,
    PublicMilestone,
    PublicNews,
    PublicOldText,
    PublicPetition,
    PublicPicture,
    PublicRoute,
    PublicSigner,
    PublicText,
    PublicVersion,
    TakenDown,
)
from petitions.texts import search_query

PER_PAGE = 20
NAMES_PER_PAGE = 200
MOST_TITLED = 1000
DAYS_SHOWN = 92
"""Of a petition that ran longer, the chart shows weeks."""


class TakenDownError(DomainError):
    """A petition that was rejected or hidden. Carries what the public is told of it."""

    def __init__(self, told: TakenDown) -> None:
        super().__init__()
        self.told = told


@dataclass(frozen=True, slots=True)
class PetitionCard:
    """A petition in a list."""

    petition: PublicPetition
    text: PublicText


@dataclass(frozen=True, slots=True)
class CardPage:
    """One page of a list of petitions."""

    cards: Sequence[PetitionCard]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class PetitionPage:
    """What every page of one petition needs."""

    petition: PublicPetition
    text: PublicText
    texts: Sequence[PublicText]
    addressees: Sequence[PublicAddressee] = ()
    routes: Mapping[str, int] | None = None
    """Addressees by country of residence; all other countries are the fallback's."""
    routes_hash: str = ""
    """Changes when a signature from any country goes elsewhere."""

    @property
    def accepts_signatures(self) -> bool:
        """Whether the form is shown. The worker decides by the moment of arrival."""
        return self.petition.state == "open"

    @property
    def fallback(self) -> PublicAddressee | None:
        """Who receives the signatures from countries without an addressee of their own."""
        return next((one for one in self.addressees if one.addressee_id == self.petition.fallback_addressee_id), None)

    @property
    def receivers(self) -> list[tuple[str, PublicAddressee]]:
        """Countries, each with the addressee that receives its signatures."""
        by_number = {one.addressee_id: one for one in self.addressees}
        return [(code, by_number[number]) for code, number in (self.routes or {}).items() if number in by_number]

    def addressee_of(self, country: str) -> int:
        """Number of the addressee that receives a signature from this country."""
        return (self.routes or {}).get(country, self.petition.fallback_addressee_id)


@dataclass(frozen=True, slots=True)
class PetitionDetails:
    """What the page of a petition shows beside its text."""

    addressees: Sequence[PublicAddressee]
    """By the names of their countries, as the reader's language sorts them; then those of no country."""
    first_signatories: Sequence[PublicFirstSignatory]
    countries: Sequence[tuple[str, int]]
    """Country and counted signatures, most first; those with few are together under an empty code, at the end."""
    days: Sequence[tuple[date, int]]
    """Day, or first day of a week, and the signatures counted in it, without gaps."""
    by_week: bool
    milestones: Sequence[PublicMilestone]
    news: Sequence[PublicNews]
    versions: Sequence[PublicVersion]
    named: int
    picture: tuple[UUID, int, int] | None
    """Its number, width and height in pixels."""


def best_text(texts: Sequence[PublicText], *wishes: str | None) -> PublicText:
    """The text in the first of these languages that there is, in English, or any."""
    by_language = {text.language: text for text in texts}
    return next((by_language[wish] for wish in (*wishes, "en") if wish in by_language), texts[0])


# --- Lists -------------------------------------------------------------------------------------------------------------

SORTS: Mapping[str, Sequence[ColumnElement[Any]]] = {
    "newest": (PublicPetition.opens_at.desc(), PublicPetition.id.desc()),
    "most": (PublicPetition.counted.desc(), PublicPetition.id.desc()),
    "closing": (PublicPetition.closes_at.asc().nulls_last(), PublicPetition.id.desc()),
}


def list_open(language: str, most: int = 12) -> Sequence[PetitionCard]:
    """Petitions that can be signed, newest first."""
    return _cards(
        select(PublicPetition).where(PublicPetition.state == "open").order_by(*SORTS["newest"]), language, most
    )


def find_petitions(
    language: str,
    typed: str = "",
    state: str | None = None,
    country: str | None = None,
    sort: str = "newest",
    page: int = 1,
) -> CardPage:
    """Petitions whose text, in whatever language, has all the words; narrowed by state and country addressed."""
    # What was put into the archive is shown to whoever asks for it.
    query = select(PublicPetition).where(PublicPetition.state == state if state else PublicPetition.state != "archived")
    if country:
        routed = select(PublicRoute.petition_id).where(PublicRoute.country_code == country)
        query = query.where(PublicPetition.id.in_(routed))
    if typed:
        words = search_query(typed)
        matching = PublicText.search.op("@@")(func.to_tsquery("simple", words or ""))
        query = query.where(PublicPetition.id.in_(select(PublicText.petition_id).where(matching)))
    with database_may_be_away():
        total = db.session.scalars(select(func.count()).select_from(query.subquery())).one()
    pages = max(1, -(-total // PER_PAGE))
    page = min(max(1, page), pages)
    ordered = query.order_by(*SORTS.get(sort, SORTS["newest"])).offset((page - 1) * PER_PAGE)
    return CardPage(_cards(ordered, language, PER_PAGE), total, page, pages)


def addressed_countries() -> Sequence[str]:
    """Countries whose residents have an addressee of their own in some public petition."""
    with database_may_be_away():
        return db.session.scalars(select(PublicRoute.country_code).distinct()).all()


def _cards(query: Select[PublicPetition], language: str, most: int) -> Sequence[PetitionCard]:
    with database_may_be_away():
        petitions = db.session.scalars(query.limit(most)).all()
        here = PublicText.petition_id.in_([one.id for one in petitions])
        texts = db.session.scalars(select(PublicText).where(here)).all()
    own = {one.id: [text for text in texts if text.petition_id == one.id] for one in petitions}
    return [PetitionCard(one, best_text(own[one.id], language)) for one in petitions if own[one.id]]


def titled(language: str, petitions: Collection[int] | None = None) -> dict[int, PetitionCard]:
    """Public petitions by number, in any state, for the rooms beside this one; of those named, or of all."""
    query = select(PublicPetition).order_by(PublicPetition.id.desc())
    if petitions is not None:
        query = query.where(PublicPetition.id.in_(petitions))
    return {card.petition.id: card for card in _cards(query, language, MOST_TITLED)}


# --- One petition ------------------------------------------------------------------------------------------------------


def find_public(slug: str, language: str, text_language: str | None = None, *, routed: bool = True) -> PetitionPage:
    """One public petition. Raises NotFoundError for one that is not there, TakenDownError for one that no longer is.

    Not `routed`, it comes without its addressees.
    """
    return _in_language(_read_public(slug, routed=routed), language, text_language)


def find_kept(slug: str, language: str, text_language: str | None = None) -> PetitionPage:
    """The same as it was some seconds ago (core.caching): for what is made for one visitor, and cannot be kept itself."""

    def read() -> PetitionPage:
        page = _read_public(slug)
        for row in (page.petition, *page.texts, *page.addressees):
            db.session.expunge(row)
        return page

    return _in_language(kept("petitions", slug, read), language, text_language)


def _in_language(page: PetitionPage, language: str, text_language: str | None = None) -> PetitionPage:
    """The same petition with the text that fits: in the language that was asked for, the reader's, English, or any."""
    return replace(page, text=best_text(page.texts, text_language, language))


def _read_public(slug: str, *, routed: bool = True) -> PetitionPage:
    with database_may_be_away():
        petition = db.session.scalar(select(PublicPetition).where(PublicPetition.slug == slug))
        if petition is None:
            if (told := db.session.get(TakenDown, slug)) is not None:
                raise TakenDownError(told)
            raise NotFoundError
        texts = db.session.scalars(
            select(PublicText).where(PublicText.petition_id == petition.id).order_by(PublicText.language)
        ).all()
        if not texts:
            raise NotFoundError
        if not routed:
            return PetitionPage(petition, texts[0], texts)
        addressees = db.session.scalars(
            select(PublicAddressee).where(PublicAddressee.petition_id == petition.id).order_by(PublicAddressee.name_en)
        ).all()
        rows = db.session.execute(
            select(PublicRoute.country_code, PublicRoute.addressee_id).where(PublicRoute.petition_id == petition.id)
        )
        routes = {one.country_code: one.addressee_id for one in rows}
        whither = repr((sorted(routes.items()), petition.fallback_addressee_id))
        routes_hash = hashlib.sha256(whither.encode()).hexdigest()[:16]
        return PetitionPage(petition, texts[0], texts, addressees, routes, routes_hash)


def read_intake(slug: str) -> PublicIntake:
    """What the form of an open petition has to know. Raises NotFoundError for every other one."""
    is_open = PublicPetition.slug == slug, PublicPetition.state == "open"
    query = select(PublicIntake).join(PublicPetition, PublicPetition.id == PublicIntake.petition_id).where(*is_open)
    with database_may_be_away():
        intake = db.session.scalar(query)
    if intake is None:
        raise NotFoundError
    return intake


def read_details(page: PetitionPage, language: str) -> PetitionDetails:
    """All that stands beside the text of a petition."""
    here = page.petition.id
    with database_may_be_away():
        breakdowns = db.session.scalars(select(PublicBreakdown).where(PublicBreakdown.petition_id == here)).all()
        milestones = db.session.scalars(
            select(PublicMilestone).where(PublicMilestone.petition_id == here).order_by(PublicMilestone.total.desc())
        ).all()
        versions = db.session.scalars(
            select(PublicVersion).where(PublicVersion.petition_id == here).order_by(PublicVersion.version.desc())
        ).all()
        named = db.session.scalars(
            select(func.count()).select_from(PublicSigner).where(PublicSigner.petition_id == here)
        ).one()
        signatories = db.session.scalars(
            select(PublicFirstSignatory)
            .where(PublicFirstSignatory.petition_id == here)
            .order_by(PublicFirstSignatory.position, PublicFirstSignatory.id)
        ).all()
        picture = db.session.execute(
            select(PublicPicture.id, PublicPicture.width, PublicPicture.height).where(
                PublicPicture.id == page.petition.picture_id
            )
        ).first()
    by_country = {one.key: one.total for one in breakdowns if one.by == "country"}
    by_day = {date.fromisoformat(one.key): one.total for one in breakdowns if one.by == "day"}
    days, by_week = _without_gaps(by_day, until_today=page.accepts_signatures)
    return PetitionDetails(
        addressees=sorted(page.addressees, key=lambda one: place_key(one.country_code, one.name_en, language)),
        first_signatories=signatories,
        countries=_with_the_rest(by_country, page.petition.counted),
        days=days,
        by_week=by_week,
        milestones=milestones,
        news=read_news(page, language),
        versions=versions,
        named=named,
        picture=(picture[0], picture[1], picture[2]) if picture else None,
    )


def _with_the_rest(by_country: Mapping[str, int], counted: int) -> list[tuple[str, int]]:
    """Countries, most first, and what is left of all signatures as one line."""
    rows = sorted(by_country.items(), key=lambda one: (-one[1], one[0]))
    rest = counted - sum(by_country.values())
    return [*rows, *([("", rest)] if rest > 0 else [])]


def _without_gaps(by_day: Mapping[date, int], *, until_today: bool) -> tuple[list[tuple[date, int]], bool]:
    """Every day from the first to the last, or to today, or every week when there are too many."""
    if not by_day:
        return [], False
    first, last = min(by_day), max([*by_day, *([datetime.now(UTC).date()] if until_today else [])])
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if len(days) <= DAYS_SHOWN:
        return [(day, by_day.get(day, 0)) for day in days], False
    weeks: dict[date, int] = {}
    for day in days:
        monday = day - timedelta(days=day.weekday())
        weeks[monday] = weeks.get(monday, 0) + by_day.get(day, 0)
    return list(weeks.items()), True


def read_news(page: PetitionPage, language: str) -> list[PublicNews]:
    """News, newest first, each in the language of the text that is read, the reader's, English, or any."""
    with database_may_be_away():
        rows = db.session.scalars(
            select(PublicNews)
            .where(PublicNews.petition_id == page.petition.id)
            .order_by(PublicNews.published_at.desc(), PublicNews.id)
        ).all()
    wishes = [page.text.language, language, "en"]
    by_news: dict[UUID, list[PublicNews]] = {}
    for row in rows:
        by_news.setdefault(row.id, []).append(row)
    return [
        min(own, key=lambda one: wishes.index(one.language) if one.language in wishes else len(wishes))
        for own in by_news.values()
    ]


def read_names(page: PetitionPage, number: int) -> tuple[Sequence[str], int, int]:
    """One page of those who asked to be named, its number, and how many pages there are."""
    here = PublicSigner.petition_id == page.petition.id
    with database_may_be_away():
        total = db.session.scalars(select(func.count()).select_from(PublicSigner).where(here)).one()
        pages = max(1, -(-total // NAMES_PER_PAGE))
        number = min(max(1, number), pages)
        names = db.session.scalars(
            select(PublicSigner.name)
            .where(here)
            .order_by(PublicSigner.signature_id)
            .limit(NAMES_PER_PAGE)
            .offset((number - 1) * NAMES_PER_PAGE)
        ).all()
    return names, number, pages


def read_history(page: PetitionPage) -> list[tuple[PublicVersion, Sequence[PublicOldText]]]:
    """Every version, newest first, with its texts in every language that it has."""
    with database_may_be_away():
        versions = db.session.scalars(
            select(PublicVersion)
            .where(PublicVersion.petition_id == page.petition.id)
            .order_by(PublicVersion.version.desc())
        ).all()
        texts = db.session.scalars(
            select(PublicOldText).where(PublicOldText.petition_id == page.petition.id).order_by(PublicOldText.language)
        ).all()
    return [(one, [text for text in texts if text.version == one.version]) for one in versions]


def read_picture(slug: str) -> bytes:
    """The picture of a public petition, a JPEG file. Raises NotFoundError."""
    return _content(
        select(PublicPicture.content).join(PublicPetition, PublicPetition.picture_id == PublicPicture.id), slug
    )


def read_share_card(slug: str, language: str) -> bytes:
    """The share card of a text, a PNG file. Raises NotFoundError, also while the worker has not drawn it yet."""
    query = select(PublicCard.content).join(PublicPetition, PublicPetition.id == PublicCard.petition_id)
    return _content(query.where(PublicCard.language == language), slug)


def _content(query: Select[bytes], slug: str) -> bytes:
    with database_may_be_away():
        content = db.session.scalar(query.where(PublicPetition.slug == slug))
    if content is None:
        raise NotFoundError
    return content
