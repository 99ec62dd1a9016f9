"""Days and hours of pickets in words, as clocks of their city show them."""

from __future__ import annotations

from datetime import datetime

from babel.dates import format_datetime

DAY_AND_HOUR = "EEEE, d MMMM y, HH:mm"
"""As babel.dates spells patterns."""


def in_words(moment: datetime, language: str) -> str:
    """Such as "Saturday, 5 December 2026, 12:00", of a moment in the zone of its city."""
    return str(format_datetime(moment, DAY_AND_HOUR, locale=language))


def hours_in_words(starts: datetime, ends: datetime, language: str) -> str:
    """Day, hours and zone: "Saturday, 5 December 2026, 12:00–14:00 (CET)". The day of the end stands there if it is another."""
    until = f"{ends:%H:%M}" if ends.date() == starts.date() else in_words(ends, language)
    return f"{in_words(starts, language)}–{until} ({zone_name(starts)})"


def zone_name(moment: datetime) -> str:
    """What the zone of a moment is called there: "CET", or "UTC+04" where it has no name."""
    name = moment.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name
