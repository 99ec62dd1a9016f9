"""When an assembly notice has to be filed: hours, days, clear days, working days and weeks before a picket, as moments.

Days and hours are those of the picket's city. Holidays are those of the library `holidays`, which knows weekends other
than Saturday and Sunday and Saturdays that are worked. Moments are compared and subtracted in UTC: Python takes two of one
time zone by what the clocks show, and is an hour wrong when they are changed between the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import holidays

from pickets.assembly import Period

SOON = timedelta(hours=48)
"""Less than this is left of what is advised: time to file today."""
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
# A holiday of a part of a place counts as one: who files earlier than needed has filed in time. Assumption Day is a holiday
# in the mostly Catholic municipalities of Bavaria, Munich among them; 5 May in the Netherlands only every fifth year for
# most people, but every year by their act on periods of time (Algemene termijnenwet, art. 3).
_FURTHER_HOLIDAYS = {"DE": ("public", "catholic"), "NL": ("public", "optional")}

State = Literal["unknown", "early", "open", "soon", "late"]


class NoSuchTimeError(ValueError):
    """The clocks leap over this time on this day."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a notice can be filed; all moments are aware and in the zone of the picket's city."""

    first: datetime | None
    """None where the rule has no upper bound."""
    last: datetime | None
    """The last moment by the law's own count, to the minute. None where no figure is known."""
    advised: datetime | None
    """The last moment at which an office still reads what is filed. Never later than `last`."""
    calendar_known: bool
    """False where no holidays are known, so that only Saturdays and Sundays are rest days."""


def local_moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """What the clocks of a place show, as a moment: of a doubled hour the first; NoSuchTimeError for a time they leap over."""
    moment = datetime.combine(day, clock.replace(tzinfo=None, fold=0), zone)
    if _shown(moment, zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
        raise NoSuchTimeError(f"{moment.replace(tzinfo=None)} does not exist in {zone.key}")
    return moment


def filing_window(period: Period, starts_at: datetime, zone: ZoneInfo, country: str, region: str) -> Window:
    """When the notice for a picket that begins at `starts_at` (aware, any zone) can be filed under a rule or a route of one.

    `last` is the law's own count. Hours are elapsed time. Of days, that of the picket does not count, and the last one
    is open until its end, given as 23:59; of clear days the day of filing does not count either. `advised` is the same
    moment, or the end of the working day before it if its day is no working day, because nobody reads a notice on a Sunday.

    Where the hours are counted from the announcement, `last` is when the picket itself is so near that nobody could be
    invited any more; the rule itself is `may_be_announced_from`.
    """
    if starts_at.tzinfo is None:
        raise ValueError("a moment without a zone")
    day = starts_at.astimezone(zone).date()
    last = _last(period, starts_at, day, zone, country, region)
    advised = last
    if last is not None and not is_working_day(last.date(), country, region):
        advised = _end_of(_calendar(country, region, last.year).get_nth_working_day(last.date(), -1), zone)
    first = None if period.earliest_days is None else _begin_of(day - timedelta(days=period.earliest_days), zone)
    return Window(
        first, last, advised, calendar_known=not isinstance(_calendar(country, region, day.year), _WeekendsAlone)
    )


def may_be_announced_from(rule: Period, filed_at: datetime, zone: ZoneInfo, country: str, region: str) -> datetime:
    """The first moment at which a picket may be made public, when the rule counts hours from filing to announcing.

    ValueError for a rule that does not.
    """
    if rule.counted_from != "announcement" or rule.unit != "hours" or rule.minimum is None:
        raise ValueError("this rule does not count hours from the announcement")
    hours = timedelta(hours=rule.minimum)
    if not rule.skips_rest_days:
        return _shown(filed_at.astimezone(UTC) + hours, zone)
    at, left = filed_at.astimezone(UTC), hours
    while True:
        day = at.astimezone(zone).date()
        end = _begin_of(day + _DAY, zone).astimezone(UTC)
        if is_working_day(day, country, region):
            if end - at >= left:
                return _shown(at + left, zone)
            left -= end - at
        at = end


def state_of(window: Window, now: datetime) -> State:
    """Where `now` lies: before `first`, well inside, less than SOON before `advised`, after `last`, or no figure is known."""
    if window.last is None or window.advised is None:
        return "unknown"
    if time_left(window.last, now) < timedelta(0):
        return "late"
    if window.first is not None and time_left(window.first, now) > timedelta(0):
        return "early"
    return "soon" if time_left(window.advised, now) < SOON else "open"


def time_left(last: datetime, now: datetime) -> timedelta:
    """Elapsed time from `now` to `last`, negative when it is over."""
    return last.astimezone(UTC) - now.astimezone(UTC)


def is_working_day(day: date, country: str, region: str) -> bool:
    """Whether offices of a place work on a day: no weekend and no holiday there, or a Saturday that is worked instead."""
    return _calendar(country, region, day.year).is_working_day(day)


def _last(period: Period, starts_at: datetime, day: date, zone: ZoneInfo, country: str, region: str) -> datetime | None:
    number = period.minimum
    if number is None:
        return None
    if period.unit == "hours":
        if period.skips_rest_days:
            return _working_hours_before(starts_at, timedelta(hours=number), zone, country, region)
        return _shown(starts_at.astimezone(UTC) - timedelta(hours=number), zone)
    if period.unit == "working_days":
        steps = number + 1 if period.clear else number
        return _end_of(_calendar(country, region, day.year).get_nth_working_day(day, -steps), zone)
    days = {"days": number, "clear_days": number + 1, "weeks": 7 * number}[period.unit or ""]
    return _end_of(day - timedelta(days=days), zone)


def _working_hours_before(moment: datetime, hours: timedelta, zone: ZoneInfo, country: str, region: str) -> datetime:
    """The last moment from which so many hours of working days run until this one."""
    at, left = moment.astimezone(UTC), hours
    while True:
        day = (at - timedelta.resolution).astimezone(zone).date()
        begin = _begin_of(day, zone).astimezone(UTC)
        if is_working_day(day, country, region):
            if at - begin >= left:
                return _shown(at - left, zone)
            left -= at - begin
        at = begin


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """A moment as the clocks of a place show it. By way of UTC, because a conversion to its own zone changes nothing."""
    return moment.astimezone(UTC).astimezone(zone)


def _begin_of(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day: in some zones the clocks leap over midnight."""
    return _shown(datetime.combine(day, time.min, zone), zone)


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """The last minute of a day."""
    return _shown(_begin_of(day + _DAY, zone).astimezone(UTC) - _MINUTE, zone)


class _WeekendsAlone(holidays.HolidayBase):
    """Of a country whose holidays are not known."""


@lru_cache(maxsize=512)
def _calendar(country: str, region: str, year: int) -> holidays.HolidayBase:
    """The holidays of a place in a year and those beside it; of a region that the library does not know, the country's.

    Without `expand`, which would let one thread read a year that another has not yet filled in.
    """
    years, part = (year - 1, year, year + 1), region.partition("-")[2]
    for subdivision in (part, None) if part else (None,):
        try:
            return holidays.country_holidays(
                country,
                subdiv=subdivision,
                years=years,
                expand=False,
                categories=_FURTHER_HOLIDAYS.get(country, ("public",)),
            )
        except NotImplementedError:
            continue
    return _WeekendsAlone(years=years, expand=False)
