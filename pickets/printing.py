"""The print room: what organisers ask for, and what is printed. The worker draws it (drawing.py)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from accounts.models import Account
from core.config import LANGUAGES, current_config
from core.errors import NotFoundError, NotNowError
from core.extensions import db
from core.queues import TaskName, wake
from petitions import services as petition_services
from pickets import services
from pickets.assembly import find_rule
from pickets.cities import city_name, native_name
from pickets.models import City, Paper, PaperState, Picket, PicketState, PlaceShown
from pickets.papers import PaperKind, PicketFacts, PrintedAppeal, PrintedShift, host_language

PAPER_LABELS = {
    PaperKind.POSTER_A3: _l("Poster, A3"),
    PaperKind.POSTER_A4: _l("Poster, A4"),
    PaperKind.APPEAL: _l("The appeal, to hand out"),
    PaperKind.SAFETY_CARD: _l("Safety card, A6"),
    PaperKind.SHIFTS: _l("List of shifts"),
    PaperKind.SHEET: _l("Signature sheet"),
    PaperKind.NOTICE: _l("Notice to the authority, prepared"),
    PaperKind.PASS: _l("Code for signing at the table"),
    PaperKind.PACK: _l("Everything in one archive, for printing without a network"),
}
WITH_PASS = (PicketState.NOTIFIED, PicketState.ANNOUNCED)
"""When a picket has a pass: once a coordinator has agreed, until it is over or cancelled."""


def list_papers(picket_id: UUID) -> dict[str, Paper]:
    """What was asked for, by kind, without the files."""
    columns = Paper.picket_id, Paper.kind, Paper.state, Paper.revision, Paper.drawn_at
    rows = db.session.execute(select(*columns).where(Paper.picket_id == picket_id))
    return {row.kind: Paper(**row._mapping) for row in rows}  # noqa: SLF001  # The documented way to a row's names.


def kinds_for(state: PicketState) -> Sequence[PaperKind]:
    """What can be drawn for a picket: nothing once it is cancelled, and its pass only when it may be used."""
    if state is PicketState.CANCELLED:
        return ()
    return [kind for kind in PaperKind if kind is not PaperKind.PASS or state in WITH_PASS]


def want_papers(account: Account, picket_id: UUID, kind: PaperKind | None) -> None:
    """Have a paper drawn, or drawn anew; with None all that can be. Commits, wakes. Raises NotFoundError, NotNowError."""
    possible = kinds_for(services.find_picket(account, picket_id).state)
    kinds = possible if kind is None else [one for one in possible if one is kind]
    if not kinds:
        raise NotNowError
    for one in kinds:
        wanted = {"state": PaperState.WANTED, "attempts": 0, "wanted_at": func.now(), "leased_until": None}
        row = insert(Paper).values(picket_id=picket_id, kind=one, **wanted)
        db.session.execute(row.on_conflict_do_update(index_elements=["picket_id", "kind"], set_=wanted))
    db.session.commit()
    wake(TaskName.PICKETS)


def take_paper(account: Account, picket_id: UUID, kind: str) -> tuple[bytes, str]:
    """A paper that is drawn, and the picket's code. Raises NotFoundError; NotNowError for a pass that may not be used."""
    page = services.find_picket(account, picket_id)
    if kind == PaperKind.PASS and page.state not in WITH_PASS:
        raise NotNowError
    paper = db.session.get(Paper, (picket_id, kind))
    if paper is None or paper.content is None:
        raise NotFoundError
    return paper.content, page.picket.code


def plain_facts(picket: Picket, city: City) -> PicketFacts:
    """Everything that is printed about a picket, but for its pass, which only the worker can make."""
    zone, site = ZoneInfo(city.timezone), current_config().public_url
    ministry = services.ministry_of(picket)
    rule = find_rule(city.country_code, city.region, city.name, picket.mode)
    texts = petition_services.newest_texts(picket.petition_id)
    language, _fallback = host_language(city.country_code, city.region)
    hidden = picket.place_shown != PlaceShown.EXACT
    return PicketFacts(
        code=picket.code,
        language=language,
        country_code=city.country_code,
        cities={"native": native_name(city)} | {one: city_name(city, one) for one in LANGUAGES},
        ministry_native=ministry.name_native,
        ministry_en=ministry.name_en,
        starts_at=picket.starts_at.astimezone(zone),
        ends_at=picket.ends_at.astimezone(zone),
        public_url=f"{site}/pickets/{picket.code}",
        sign_url=f"{site}/p/{picket.code}",
        contact=current_config().contact_address,
        title=picket.title,
        petition_titles={one.language: one.title for one in texts},
        appeals={
            one.language: PrintedAppeal(one.title, one.summary, one.body_html, one.demands.splitlines())
            for one in texts
        },
        place=picket.district if hidden else picket.place,
        filed_place=picket.place,
        organiser=picket.alias,
        people=picket.people,
        mode=picket.mode,
        regime=rule.regime or "" if rule else "",
        authority_native=rule.authority_native if rule else "",
        authority_en=rule.authority_en if rule else "",
        law=rule.law if rule else "",
        face_covering=rule.face_covering if rule else "unknown",
        rule_note=rule.note if rule else "",
        rule_checked_on=rule.checked_on if rule else None,
        rule_confidence=rule.confidence if rule else "",
        shifts=[
            PrintedShift(one.role, one.starts_at.astimezone(zone), one.ends_at.astimezone(zone), one.seats, taken)
            for one, taken, _confirmed in services.list_shifts(picket.id)
        ],
        text_hash=next((one.hash[:12] for one in texts if one.language == language), texts[0].hash[:12]),
        lawyer_phone=picket.lawyer_phone,
    )
