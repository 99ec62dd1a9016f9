"""Pickets in calendar programs: what is read out of a file is what was meant, whatever is in it and whenever it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Event, Timezone, vText

from core.config import Role
from core.extensions import babel
from petitions.pub import PublicPetition, PublicText
from pickets.calendars import _zone, draw_calendar
from pickets.pub import PublicCity, PublicPicket, PublicPicketReport
from pickets.reading import PetitionCard, PicketCard
from tests.conftest import House

ANNOUNCED = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
ID = UUID(int=7)
ZONES = [
    "Europe/Warsaw", "Europe/Dublin", "America/New_York", "America/Santiago", "Pacific/Auckland", "Asia/Beirut", "Africa/Cairo", "Asia/Jerusalem",
    "Australia/Lord_Howe", "Asia/Tbilisi", "Asia/Kolkata", "Pacific/Apia",
]  # fmt: skip


def card(starts: datetime, hours: float = 2, zone: str = "Europe/Warsaw", **changes: Any) -> PicketCard:
    """A picket in Warsaw, whose clocks may be those of another city."""
    values = {
        "id": ID, "code": "abc234", "petition_id": 1, "city_id": 1, "state": "announced", "mode": "static_assembly", "title": "", "language": "en",
        "alias": "Ala", "starts_at": starts, "ends_at": starts + timedelta(hours=hours), "place": "Aleja Szucha 23", "place_from": None,
        "place_shown": "exact", "district": "", "about": "", "bring": "", "access": "", "announced_at": ANNOUNCED, "changed_at": ANNOUNCED,
        "cancelled_at": None, "cancel_reason": "", "cancel_note": "", "sequence": 0, "band": 0, "country_code": "PL",
    } | changes  # fmt: skip
    city = PublicCity(
        id=756135, name="Warsaw", country_code="PL", slug="warsaw", near="", lat=52.22977, lon=21.01178, timezone=zone
    )
    petition = PetitionCard(PublicPetition(id=1, slug="it"), PublicText(language="en", title="Do not recognise"))
    return PicketCard(PublicPicket(**values), city, petition)


def draw(house: House, cards: Sequence[PicketCard], name: str = "Pickets") -> bytes:
    with house.app(Role.PUBLIC).test_request_context("/?lang=en"):
        return draw_calendar(cards, name, lambda one: f"https://zbor.example:444/pickets/{one.picket.code}")


def read(content: bytes) -> Calendar:
    """As a calendar program reads it, which sees the zones in the file alone."""
    read = Calendar.from_ical(content)
    assert isinstance(read, Calendar)
    assert not read.errors
    return read


def the_event(house: House, *cards: PicketCard) -> Event:
    [event] = read(draw(house, cards)).events
    assert not event.errors
    return event


def onsets_of(zone: Timezone) -> list[tuple[datetime, timedelta]]:
    """When each offset begins to be in force, in UTC, as RFC 5545 (3.6.5) says that a VTIMEZONE is read."""
    return sorted(
        (begins - part.TZOFFSETFROM, part.TZOFFSETTO)
        for part in (*zone.standard, *zone.daylight)
        for begins in (part.DTSTART, *(begins for begins, _ends in part.rdates))
    )


def offset_by(onsets: list[tuple[datetime, timedelta]], moment: datetime) -> timedelta:
    """The offset from UTC at a moment in UTC."""
    return [to for begins, to in onsets if begins <= moment.replace(tzinfo=None)][-1]


NOON = datetime(2026, 12, 5, 11, 0, tzinfo=UTC)


def test_what_a_program_reads_is_what_was_meant(house: House) -> None:
    content = draw(house, [card(NOON, bring="A flag", sequence=3)], "Pickets: Warsaw")
    drawn = read(content)
    assert b"\r\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in content
    assert (drawn["VERSION"], drawn["CALSCALE"], drawn["METHOD"]) == ("2.0", "GREGORIAN", "PUBLISH")
    assert drawn["PRODID"]
    assert drawn["NAME"] == drawn["X-WR-CALNAME"] == "Pickets: Warsaw"
    assert drawn.refresh_interval == timedelta(hours=1)
    assert drawn["X-PUBLISHED-TTL"] == "PT1H"
    [event] = drawn.events
    assert event["UID"] == f"picket-{ID}@zbor.example"
    assert event["SEQUENCE"] == 3
    assert event["SUMMARY"] == "Picket: Warsaw"
    assert event["LOCATION"] == "Aleja Szucha 23, Warsaw, Poland"
    assert event["DESCRIPTION"] == (
        "Petition: Do not recognise\n\nWhat to bring: A flag\n\nhttps://zbor.example:444/pickets/abc234"
    )
    assert event["URL"] == "https://zbor.example:444/pickets/abc234"
    assert (event["STATUS"], event["TRANSP"], event["CLASS"]) == ("CONFIRMED", "TRANSPARENT", "PUBLIC")
    assert event.categories == ["Pickets"]
    assert event["GEO"].to_ical() == "52.23;21.01", "no more than the city"
    assert event.DTSTAMP == event.LAST_MODIFIED == event["CREATED"].dt == ANNOUNCED
    assert event.start == NOON
    assert event.end == NOON + timedelta(hours=2)
    assert event["DTSTART"].params["TZID"] == "Europe/Warsaw"
    assert event["DTSTART"].to_ical() == b"20261205T120000"


def test_nobody_is_named_as_organiser_or_attendee(house: House) -> None:
    content = draw(house, [card(NOON, alias="Ala Makota")]).decode()
    for none in ("ORGANIZER", "ATTENDEE", "CONTACT", "mailto", "Ala", "Makota"):
        assert none not in content, none


def test_a_cancelled_picket_stays_and_says_why(house: House) -> None:
    cancelled = NOON - timedelta(days=2)
    told = {
        "cancelled_at": cancelled,
        "changed_at": cancelled,
        "cancel_reason": "weather",
        "cancel_note": "Ice; storm.",
    }
    before = the_event(house, card(NOON))
    after = the_event(house, card(NOON, state="cancelled", sequence=1, **told))
    assert after["UID"] == before["UID"]
    assert after["STATUS"] == "CANCELLED"
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert after.DTSTAMP == cancelled > before.DTSTAMP
    assert after["SUMMARY"] == "Cancelled: Picket: Warsaw"
    assert after["DESCRIPTION"].startswith(
        "Cancelled: please do not come\n\nBecause of the weather\n\nIce; storm.\n\nPetition"
    )


def test_a_hidden_place_is_told_as_hidden_and_counts_as_news_when_it_is_told(house: House) -> None:
    hour = NOON - timedelta(days=1)
    late = {"place_shown": "late", "place_from": hour, "district": "Mokotów"}
    before = the_event(house, card(NOON, **late, place=None))
    assert before["LOCATION"] == "Mokotów, Warsaw, Poland"
    assert "stands here from Friday, 4 December 2026, 12:00 (local time)" in before["DESCRIPTION"]
    assert before.DTSTAMP == ANNOUNCED
    after = the_event(house, card(NOON, **late))
    assert after["LOCATION"] == "Aleja Szucha 23, Warsaw, Poland"
    assert "stands here from" not in after["DESCRIPTION"]
    assert after.DTSTAMP == after.LAST_MODIFIED == hour
    never = the_event(house, card(NOON, place_shown="district", district="Mokotów", place=None))
    assert "told to participants who leave an address" in never["DESCRIPTION"]
    over = the_event(house, card(NOON, state="held", place_shown="district", district="Mokotów", place=None))
    assert "participants" not in over["DESCRIPTION"]


def test_a_report_is_news(house: House) -> None:
    published = NOON + timedelta(days=1)
    held = card(NOON, state="reported")
    report = PublicPicketReport(picket_id=ID, headcount=41, publish_at=published)
    event = the_event(house, PicketCard(held.picket, held.city, held.petition, report=report))
    assert "41 people came" in event["DESCRIPTION"]
    assert published == event.DTSTAMP


@pytest.mark.parametrize(
    "title",
    [
        "One\nEND:VEVENT\nBEGIN:VEVENT\nUID:x", "One\r\nEND:VCALENDAR", "a;b,c:d\\n\\;\\,\"e\"", "x" * 300, "ў" * 300, "👩‍👩‍👧" * 60, "הפגנה מול משרד החוץ",
        "تظاهرة أمام الوزارة", "BEGIN:VEVENT", ";VALUE=URI:https://evil.example", " leading and trailing ", "^n^'^^", "50 % off",
    ],
)  # fmt: skip
def test_whatever_stands_in_a_title_stays_one_property(house: House, title: str) -> None:
    one = card(NOON, title=title, place=title, bring=title)
    one.petition.text.title = title
    content = draw(house, [one], title)
    event = the_event(house, one)
    meant = title.replace("\r\n", "\n")
    assert event["SUMMARY"] == meant
    assert event["LOCATION"] == f"{meant}, Warsaw, Poland"
    assert event["DESCRIPTION"].startswith(f"Petition: {meant}\n\nWhat to bring: {meant}\n\n")
    for named in (b"NAME:", b"X-WR-CALNAME:"):
        [line] = [line for line in content.replace(b"\r\n ", b"").split(b"\r\n") if line.startswith(named)]
        assert line == named + vText(meant).to_ical()
    assert set(event) == set(the_event(house, card(NOON)))
    assert content.replace(b"\r\n", b"").count(b"\n") == 0
    assert all(len(line) <= 75 for line in content.split(b"\r\n")), "RFC 5545, 3.1: octets without the line break"


@settings(max_examples=100, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2031, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001  # Aware by `timezones`.
        lambda one: one.replace(second=0, microsecond=0)
    ),
    hours=st.sampled_from([0.5, 2, 24]),
)
@example(zone="Europe/Warsaw", moment=datetime(2027, 3, 28, 0, 59, tzinfo=UTC), hours=2)
@example(zone="Europe/Warsaw", moment=datetime(2027, 3, 28, 1, 0, tzinfo=UTC), hours=2)
@example(zone="Europe/Warsaw", moment=datetime(2027, 10, 31, 0, 30, tzinfo=UTC), hours=2)
@example(zone="Europe/Warsaw", moment=datetime(2027, 10, 31, 1, 30, tzinfo=UTC), hours=0.5)
@example(zone="Pacific/Auckland", moment=datetime(2026, 12, 31, 22, 0, tzinfo=UTC), hours=24)
def test_times_are_right_on_both_sides_of_a_clock_change(zone: str, moment: datetime, hours: float) -> None:
    one = card(moment, hours, zone)
    event = _event_of(one)
    for told, meant in ((event["DTSTART"], one.picket.starts_at), (event["DTEND"], one.picket.ends_at)):
        clock = told.dt
        assert clock.astimezone(UTC) == meant
        local = meant.astimezone(ZoneInfo(zone))
        if "TZID" not in told.params:
            assert told.to_ical().endswith(b"Z")
            assert local.fold, "only what clocks show twice is told in UTC"
            continue
        assert told.params["TZID"] == zone
        assert clock.replace(tzinfo=None) == local.replace(tzinfo=None)
        years = one.starts.year, one.ends.year
        assert offset_by(onsets_of(_zone(zone, *years)), meant) == local.utcoffset()


@cache
def _bare_app() -> Flask:
    """An application without a database: drawing needs none."""
    app = Flask("calendar")
    babel.init_app(app)
    return app


def _event_of(one: PicketCard) -> Event:
    with _bare_app().test_request_context():
        [event] = read(draw_calendar([one], "Pickets", lambda _card: "https://zbor.example/")).events
    return event


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_of_ours_is_the_zone_at_every_hour(zone: str) -> None:
    ours, moment = onsets_of(_zone(zone, 2026, 2027)), datetime(2026, 1, 1, tzinfo=UTC)
    while moment < datetime(2028, 1, 1, tzinfo=UTC):
        assert offset_by(ours, moment) == moment.astimezone(ZoneInfo(zone)).utcoffset(), moment
        moment += timedelta(minutes=30)


def test_the_library_still_begins_summer_late_so_we_have_to_mend_it() -> None:
    zone = Timezone.from_tzid("Europe/Warsaw", first_date=date(2026, 1, 1), last_date=date(2027, 1, 1))
    change = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert offset_by(onsets_of(zone), change) == timedelta(hours=1), (
        "it does not: _zone need not shift anything any more"
    )


def test_every_zone_stands_in_the_file_once_in_order_and_before_what_uses_it(house: House) -> None:
    zones = ["Europe/Warsaw", "Asia/Tbilisi", "Europe/Vilnius", "Europe/Warsaw"]
    content = draw(house, [card(NOON, zone=zone) for zone in zones])
    drawn = read(content)
    assert [zone.tz_name for zone in drawn.timezones] == ["Asia/Tbilisi", "Europe/Vilnius", "Europe/Warsaw"]
    assert not drawn.get_missing_tzids()
    assert content.rindex(b"END:VTIMEZONE") < content.index(b"BEGIN:VEVENT")


def test_a_calendar_without_pickets_is_a_calendar(house: House) -> None:
    drawn = read(draw(house, []))
    assert drawn.events == drawn.timezones == []
    assert drawn["X-WR-CALNAME"] == "Pickets"


def test_the_same_pickets_make_the_same_bytes(house: House) -> None:
    cards = [card(NOON, zone=zone) for zone in ZONES]
    first = draw(house, cards)
    _zone.cache_clear()
    assert draw(house, cards) == first
