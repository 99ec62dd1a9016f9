"""When a notice has to be filed: days counted by hand, and counted again in another way by the tests themselves."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickets.assembly import Period, Rule, find_rule
from pickets.deadlines import (
    NoSuchTimeError,
    Window,
    filing_window,
    is_working_day,
    local_moment,
    may_be_announced_from,
    state_of,
    time_left,
)

PLACES = {
    "PL": ("PL", "", "Warsaw", "Europe/Warsaw"),
    "LT": ("LT", "", "Vilnius", "Europe/Vilnius"),
    "DE": ("DE", "", "", "Europe/Berlin"),
    "DE-BE": ("DE", "DE-BE", "Berlin", "Europe/Berlin"),
    "DE-BY": ("DE", "DE-BY", "Munich", "Europe/Berlin"),
    "DE-NI": ("DE", "DE-NI", "Hanover", "Europe/Berlin"),
    "CZ": ("CZ", "", "Prague", "Europe/Prague"),
    "SE": ("SE", "", "Stockholm", "Europe/Stockholm"),
    "AU-QLD": ("AU", "AU-QLD", "Brisbane", "Australia/Brisbane"),
    "FR": ("FR", "", "Paris", "Europe/Paris"),
    "Oosterhout": ("NL", "NL-NB", "Oosterhout", "Europe/Amsterdam"),
    "LV": ("LV", "", "Riga", "Europe/Riga"),
    "IL": ("IL", "", "Tel Aviv", "Asia/Jerusalem"),
}


def place(name: str) -> tuple[Rule, str, str, ZoneInfo]:
    country, region, city, zone = PLACES[name]
    rule = find_rule(country, region, city)
    assert rule is not None
    return rule, country, region, ZoneInfo(zone)


def window_at(name: str, day: date, clock: time = time(12)) -> Window:
    rule, country, region, zone = place(name)
    return filing_window(rule, local_moment(day, clock, zone), zone, country, region)


def at(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type, misc]


# Days counted by hand.


def test_five_working_days_before_a_tuesday_after_easter_in_vilnius() -> None:
    # Easter Monday of 2027 is 29 March. Good Friday is a working day in Lithuania. Before Tuesday the 30th lie Friday the
    # 26th (1), Thursday (2), Wednesday (3), Tuesday (4) and Monday the 22nd (5).
    assert window_at("LT", date(2027, 3, 30)).last == at("Europe/Vilnius", 2027, 3, 22, 23, 59)


def test_five_working_days_over_christmas_in_vilnius() -> None:
    # Before Monday 4 January 2027: Thursday 31 December (1; Friday is New Year's Day), Wednesday (2), Tuesday (3), Monday
    # the 28th (4); 24 to 26 December are holidays, so that Wednesday the 23rd is the fifth.
    assert window_at("LT", date(2027, 1, 4)).last == at("Europe/Vilnius", 2026, 12, 23, 23, 59)


def test_six_days_over_new_year_in_warsaw() -> None:
    # Calendar days: 4 January 2027 less six is 29 December 2026, a Tuesday. Holidays do not move it.
    window = window_at("PL", date(2027, 1, 4))
    assert window.last == window.advised == at("Europe/Warsaw", 2026, 12, 29, 23, 59)
    assert window.first == at("Europe/Warsaw", 2026, 12, 5, 0, 0)


def test_a_last_day_that_is_a_holiday_is_advised_against() -> None:
    # 7 January 2027 less six is New Year's Day, a Friday: the law's count stays, the office is open until Thursday.
    window = window_at("PL", date(2027, 1, 7))
    assert window.last == at("Europe/Warsaw", 2027, 1, 1, 23, 59)
    assert window.advised == at("Europe/Warsaw", 2026, 12, 31, 23, 59)


def test_the_simplified_notice_of_warsaw_is_two_days() -> None:
    rule, country, region, zone = place("PL")
    window = filing_window(rule.routes[0], at(zone.key, 2027, 5, 20, 17), zone, country, region)
    assert window.first == at(zone.key, 2027, 4, 20)
    assert window.last == at(zone.key, 2027, 5, 18, 23, 59)


def test_forty_eight_hours_over_the_change_of_clocks_in_berlin() -> None:
    # On Sunday 28 March 2027 the clocks leap from 2 to 3: Monday 10:00 less 48 elapsed hours is Saturday 9:00.
    assert window_at("DE-BE", date(2027, 3, 29), time(10)).last == at("Europe/Berlin", 2027, 3, 27, 9)
    # On Sunday 31 October they are put back from 3 to 2.
    assert window_at("DE-BE", date(2027, 11, 1), time(10)).last == at("Europe/Berlin", 2027, 10, 30, 11)


def test_forty_eight_hours_of_working_days_over_easter_in_munich() -> None:
    # Before Wednesday 31 March 2027, 12:00: 12 hours of Wednesday, 24 of Tuesday; Monday to Friday are Easter and its
    # weekend; 12 hours of Thursday the 25th.
    assert window_at("DE-BY", date(2027, 3, 31)).last == at("Europe/Berlin", 2027, 3, 25, 12)


def test_a_picket_on_a_rest_day_is_counted_from_the_working_days_before() -> None:
    # Before a Sunday: all of Friday and of Thursday.
    assert window_at("DE-BY", date(2027, 6, 13)).last == at("Europe/Berlin", 2027, 6, 10, 0)


def test_filed_on_wednesday_announced_on_friday_in_munich() -> None:
    # So the note of Bavaria's rule has it.
    rule, country, region, zone = place("DE-BY")
    assert may_be_announced_from(rule, at(zone.key, 2027, 6, 9, 10, 30), zone, country, region) == at(
        zone.key, 2027, 6, 11, 10, 30
    )


@pytest.mark.parametrize(
    ("filed", "announced"),
    [
        # Friday 15:00: nine hours of Friday, Monday, and 15 hours of Tuesday.
        ((2027, 6, 11, 15), (2027, 6, 15, 15)),
        # Saturday and Sunday, too: Monday and Tuesday.
        ((2027, 6, 12, 9), (2027, 6, 16, 0)),
        ((2027, 6, 13, 23, 59), (2027, 6, 16, 0)),
        # Wednesday 26 May 2027, 18:00: six hours; Thursday is Corpus Christi, a holiday in Bavaria; Friday; Monday until 18:00.
        ((2027, 5, 26, 18), (2027, 5, 31, 18)),
    ],
)
def test_announcing_waits_for_working_hours_in_munich(filed: tuple[int, ...], announced: tuple[int, ...]) -> None:
    rule, country, region, zone = place("DE-BY")
    assert may_be_announced_from(rule, at(zone.key, *filed), zone, country, region) == at(zone.key, *announced)


def test_corpus_christi_is_no_holiday_in_hanover() -> None:
    rule, country, region, zone = place("DE-NI")
    assert may_be_announced_from(rule, at(zone.key, 2027, 5, 26, 18), zone, country, region) == at(
        zone.key, 2027, 5, 28, 18
    )


def test_assumption_day_counts_as_a_holiday_in_bavaria() -> None:
    # It is one in Munich and not in Nuremberg; 15 August 2028 is a Tuesday.
    assert not is_working_day(date(2028, 8, 15), "DE", "DE-BY")
    assert is_working_day(date(2028, 8, 15), "DE", "DE-NI")


def test_the_fifth_of_may_counts_as_a_holiday_in_the_netherlands() -> None:
    assert not is_working_day(date(2027, 5, 5), "NL", "")


def test_forty_eight_hours_in_berlin_run_on_weekends() -> None:
    rule, country, region, zone = place("DE-BE")
    assert may_be_announced_from(rule, at(zone.key, 2027, 6, 11, 15), zone, country, region) == at(
        zone.key, 2027, 6, 13, 15
    )
    # And are 48 elapsed hours when the clocks are changed.
    assert may_be_announced_from(rule, at(zone.key, 2027, 3, 27, 9), zone, country, region) == at(
        zone.key, 2027, 3, 29, 10
    )


def test_a_rule_that_counts_from_the_picket_has_no_wait() -> None:
    rule, country, region, zone = place("PL")
    with pytest.raises(ValueError, match="announcement"):
        may_be_announced_from(rule, at(zone.key, 2027, 6, 11, 15), zone, country, region)


def test_three_clear_days_in_paris() -> None:
    # Filed on Sunday the 6th, three full days lie between: Monday, Tuesday, Wednesday. The office is open until Friday.
    window = window_at("FR", date(2027, 6, 10))
    assert window.last == at("Europe/Paris", 2027, 6, 6, 23, 59)
    assert window.advised == at("Europe/Paris", 2027, 6, 4, 23, 59)
    assert window.first == at("Europe/Paris", 2027, 5, 26)


def test_five_clear_working_days_in_brisbane() -> None:
    # Before Monday 14 June 2027 the whole week from the 7th is clear, and Friday the 4th the last day to file.
    assert window_at("AU-QLD", date(2027, 6, 14)).last == at("Australia/Brisbane", 2027, 6, 4, 23, 59)


def test_a_week_in_stockholm() -> None:
    assert window_at("SE", date(2027, 6, 16)).last == at("Europe/Stockholm", 2027, 6, 9, 23, 59)


def test_friday_and_saturday_are_the_weekend_in_israel() -> None:
    # Five calendar days before Thursday 11 March 2027 lie on Saturday the 6th: the office is open until Thursday the 4th.
    window = window_at("IL", date(2027, 3, 11))
    assert window.last == at("Asia/Jerusalem", 2027, 3, 6, 23, 59)
    assert window.advised == at("Asia/Jerusalem", 2027, 3, 4, 23, 59)


def test_a_saturday_that_is_worked_is_a_working_day() -> None:
    # In 2024 Hungary worked on Saturday 3 August and rested on Monday 19 August instead.
    assert is_working_day(date(2024, 8, 3), "HU", "")
    assert not is_working_day(date(2024, 8, 19), "HU", "")


def test_an_unknown_figure_has_no_last_moment() -> None:
    rule = find_rule("NO", "", "Oslo")
    assert rule is not None
    window = filing_window(rule, at("Europe/Oslo", 2027, 6, 1, 12), ZoneInfo("Europe/Oslo"), "NO", "")
    assert window == Window(None, None, None, calendar_known=True)
    assert state_of(window, at("Europe/Oslo", 2027, 5, 1, 12)) == "unknown"


def test_without_a_calendar_weekends_are_rest_days_and_it_is_said() -> None:
    days = Period(minimum=2, unit="working_days", counted_from="event")
    window = filing_window(days, at("UTC", 2027, 1, 4, 12), ZoneInfo("UTC"), "ZZ", "")
    assert not window.calendar_known
    assert window.last == at("UTC", 2026, 12, 31, 23, 59)  # New Year's Day, a Friday, is the first.


def test_a_region_that_the_calendar_does_not_know_has_the_holidays_of_its_country() -> None:
    assert not is_working_day(date(2027, 10, 26), "AT", "AT-99")
    window = filing_window(Period(), at("UTC", 2027, 1, 4, 12), ZoneInfo("UTC"), "JP", "JP-13")
    assert window.calendar_known


def test_a_day_that_begins_after_midnight_and_one_that_ends_twice() -> None:
    # In Chile the clocks leap over the first hour of Sunday 5 September 2027, and the last hour of Saturday 3 April is doubled.
    zone = ZoneInfo("America/Santiago")
    period = Period(minimum=1, unit="days", counted_from="event", earliest_days=2)
    window = filing_window(period, at(zone.key, 2027, 9, 7, 12), zone, "CL", "")
    assert window.first is not None
    assert (window.first.hour, window.first.day) == (1, 5)
    last = filing_window(period, at(zone.key, 2027, 4, 4, 12), zone, "CL", "").last
    assert last is not None
    assert last.astimezone(UTC) == datetime(2027, 4, 4, 3, 59, tzinfo=UTC)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        filing_window(Period(), datetime(2027, 1, 1), ZoneInfo("UTC"), "PL", "")  # noqa: DTZ001  # The subject of this test.


# Clocks.


def test_a_time_that_the_clocks_leap_over_is_refused() -> None:
    with pytest.raises(NoSuchTimeError):
        local_moment(date(2027, 3, 28), time(2, 30), ZoneInfo("Europe/Warsaw"))


def test_of_a_doubled_hour_the_first_is_meant() -> None:
    for fold in (0, 1):
        moment = local_moment(date(2027, 10, 31), time(2, 30, fold=fold), ZoneInfo("Europe/Warsaw"))
        assert moment.utcoffset() == timedelta(hours=2)


def test_time_left_is_elapsed_time() -> None:
    # Both on the same wall in Berlin, an hour is missing between.
    left = time_left(at("Europe/Berlin", 2027, 3, 28, 12), at("Europe/Berlin", 2027, 3, 27, 12))
    assert left == timedelta(hours=23)
    assert time_left(at("UTC", 2027, 1, 1), at("UTC", 2027, 1, 2)) == timedelta(days=-1)


def test_states_follow_each_other() -> None:
    window = window_at("PL", date(2027, 6, 11))  # Filed from 12 May until Saturday 5 June, as is advised until the 4th.
    zone = "Europe/Warsaw"
    assert window.advised == at(zone, 2027, 6, 4, 23, 59)
    told = [
        (at(zone, 2027, 5, 11, 23, 59), "early"),
        (at(zone, 2027, 5, 12, 0, 0), "open"),
        (at(zone, 2027, 6, 2, 23, 59), "open"),
        (at(zone, 2027, 6, 3, 0, 0), "soon"),
        (at(zone, 2027, 6, 5, 12), "soon"),
        (at(zone, 2027, 6, 5, 23, 59), "soon"),
        (at(zone, 2027, 6, 6, 0, 0), "late"),
    ]
    assert [state_of(window, moment) for moment, _state in told] == [state for _moment, state in told]


# Counted again, in another way.

DAYS = st.one_of(
    st.dates(date(2026, 12, 15), date(2029, 1, 31)),
    st.dates(date(2027, 3, 15), date(2027, 4, 12)),  # Around Easter and the change of clocks.
    st.dates(date(2026, 12, 20), date(2027, 1, 15)),
)
CLOCKS = st.times(time(4), time(23, 59)).map(lambda clock: clock.replace(second=0, microsecond=0))
_EXTRA = {"DE": ("public", "catholic"), "NL": ("public", "optional")}


def rest_days(name: str) -> set[date]:
    """Weekends and holidays of 2026 to 2029, as a plain set."""
    country, region = PLACES[name][:2]
    known = holidays.country_holidays(
        country,
        subdiv={"DE-BE": "BE", "DE-BY": "BY", "DE-NI": "NI", "AU-QLD": "QLD"}.get(region),
        years=range(2026, 2030),
        categories=_EXTRA.get(country, ("public",)),
    )
    weekend = {4, 5} if country == "IL" else {5, 6}
    every = (date(2026, 1, 1) + timedelta(days=step) for step in range(4 * 365))
    return {day for day in every if day.weekday() in weekend or day in known}


RESTS = {name: rest_days(name) for name in PLACES}


def last_day_walked(name: str, day: date) -> date:
    """The last day to file, found by walking back until enough days have been passed."""
    rule, rests = place(name)[0], RESTS[name]
    assert rule.minimum is not None
    passed = 0
    for step in count(1):
        walked = day - timedelta(days=step)
        if rule.unit != "working_days" or walked not in rests:
            passed += 1
        wanted = {"weeks": rule.minimum * 7, "clear_days": rule.minimum + 1}.get(rule.unit or "", rule.minimum)
        if passed == wanted + rule.clear:
            return walked
    raise AssertionError


def working_minutes(name: str, earlier: datetime, later: datetime) -> int:
    """Minutes between two moments that lie on no rest day, each looked at by its quarter of an hour."""
    zone, rests = place(name)[3], RESTS[name]
    quarter, counted = earlier.astimezone(UTC), 0
    while quarter < later.astimezone(UTC):
        if quarter.astimezone(zone).date() not in rests:
            counted += 15
        quarter += timedelta(minutes=15)
    return counted


@pytest.mark.parametrize("name", ["PL", "LT", "CZ", "SE", "AU-QLD", "FR", "LV", "IL"])
@settings(deadline=None, max_examples=60)
@given(day=DAYS, clock=CLOCKS)
def test_days_are_those_that_one_counts_on_a_calendar(name: str, day: date, clock: time) -> None:
    zone = place(name)[3]
    last = window_at(name, day, clock).last
    assert last is not None
    assert last.replace(tzinfo=None) == datetime.combine(last_day_walked(name, day), time(23, 59))
    assert last.tzinfo is zone


@pytest.mark.parametrize("name", ["DE", "DE-BE"])
@settings(deadline=None, max_examples=60)
@given(day=DAYS, clock=CLOCKS)
def test_hours_are_those_that_pass(name: str, day: date, clock: time) -> None:
    starts_at = local_moment(day, clock, place(name)[3])
    last = window_at(name, day, clock).last
    assert last is not None
    assert int(starts_at.timestamp()) - int(last.timestamp()) == 48 * 3600


QUARTERS = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))


@pytest.mark.parametrize("name", ["DE-BY", "DE-NI", "Oosterhout"])
@settings(deadline=None, max_examples=60)
@given(day=DAYS, clock=QUARTERS)
def test_hours_of_rest_days_do_not_count(name: str, day: date, clock: tuple[int, int]) -> None:
    rule, country, region, zone = place(name)
    starts_at = datetime.combine(day, time(*clock), zone)
    last = filing_window(rule, starts_at, zone, country, region).last
    assert last is not None
    assert rule.minimum is not None
    assert working_minutes(name, last, starts_at) == rule.minimum * 60
    assert working_minutes(name, last + timedelta(minutes=15), starts_at) < rule.minimum * 60  # It is the last.


@pytest.mark.parametrize("name", ["DE-BE", "DE-BY", "DE-NI"])
@settings(deadline=None, max_examples=60)
@given(day=DAYS, clock=QUARTERS)
def test_announcing_waits_for_as_many_hours_as_the_law_says(name: str, day: date, clock: tuple[int, int]) -> None:
    rule, country, region, zone = place(name)
    filed_at = datetime.combine(day, time(*clock), zone)
    announced_at = may_be_announced_from(rule, filed_at, zone, country, region)
    if rule.skips_rest_days:
        assert working_minutes(name, filed_at, announced_at) == 48 * 60
        assert working_minutes(name, filed_at, announced_at - timedelta(minutes=15)) < 48 * 60  # It is the first.
    else:
        assert announced_at.timestamp() - filed_at.timestamp() == 48 * 3600


@pytest.mark.parametrize("name", sorted(PLACES))
@settings(deadline=None, max_examples=40)
@given(day=DAYS, clock=CLOCKS)
def test_what_holds_for_every_window(name: str, day: date, clock: time) -> None:
    rule, _country, _region, zone = place(name)
    window = window_at(name, day, clock)
    later = window_at(name, day + timedelta(days=1), clock)
    assert window.last is not None
    assert window.advised is not None
    assert later.last is not None
    assert later.advised is not None
    assert window.advised.timestamp() <= window.last.timestamp() < local_moment(day, clock, zone).timestamp()
    assert window.last.timestamp() <= later.last.timestamp()
    assert window.advised.timestamp() <= later.advised.timestamp()
    assert window.advised.date() not in RESTS[name]
    assert window.first is None or window.first.timestamp() < window.last.timestamp()
    if rule.unit == "working_days":
        assert window.last.date() not in RESTS[name]
        assert window.last == window.advised
