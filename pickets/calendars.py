"""Pickets as calendar programs read them (RFC 5545, RFC 7986), and the words for them that feeds share.

A cancelled picket stays, so that whoever subscribed learns it. No person is in any of it: no organiser, no attendee.
What is drawn depends on what it is drawn of alone, so it stays the same, byte by byte, until something has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from urllib.parse import urlsplit

from flask_babel import gettext as _
from flask_babel import ngettext
from icalendar import Calendar, Event, Timezone, vDuration, vText

from core.i18n import current_language
from pickets.cities import city_name, full_name
from pickets.hours import hours_in_words, in_words
from pickets.models import CANCEL_REASON_LABELS
from pickets.reading import PicketCard

PRODUCT = "-//Zbor//Pickets//EN"
ASKED_AGAIN = timedelta(hours=1)
"""How often a program that subscribed should look for what has changed."""

Address = Callable[[PicketCard], str]
"""Of a picket's page, in full."""


# --- Words ---------------------------------------------------------------------------------------------------------------


def called(card: PicketCard) -> str:
    """What it is, in one line: the organiser's title or the city, and first of all that it is cancelled."""
    name = card.picket.title or _("Picket: %(city)s", city=city_name(card.city, current_language()))
    return str(_("Cancelled: %(what)s", what=name)) if card.picket.state == "cancelled" else name


def when(card: PicketCard) -> str:
    """Day, hours and zone as clocks there show them: "Saturday, 5 December 2026, 12:00–14:00 (CET)"."""
    return hours_in_words(card.starts, card.ends, current_language())


def where(card: PicketCard) -> str:
    """As much of the place as everybody may read now, with the city and its country."""
    near = card.picket.place or card.picket.district
    return ", ".join(filter(None, (near, full_name(card.city, current_language()))))


def changed_at(card: PicketCard) -> datetime:
    """When the public last learned anything of it: by a change, by its report, or because the hour of its place has come."""
    moments = [card.picket.announced_at, card.picket.changed_at]
    if card.picket.place is not None and card.picket.place_from is not None:
        moments.append(card.picket.place_from)
    if card.report is not None:
        moments.append(card.report.publish_at)
    return max(moments)


def particulars(card: PicketCard) -> list[str]:
    """What people have to know, a paragraph each: whether it is cancelled and why, what it is for, where, what to bring."""
    picket, petition = card.picket, _("Petition: %(title)s", title=card.petition.text.title)
    if picket.state == "cancelled":
        reason = str(CANCEL_REASON_LABELS.get(picket.cancel_reason, ""))
        return list(filter(None, (_("Cancelled: please do not come"), reason, picket.cancel_note, petition)))
    told = [petition]
    if card.report is not None:
        told.append(ngettext("%(num)s person came", "%(num)s people came", card.report.headcount))
    told.append(about_the_place(card))
    if picket.bring:
        told.append(_("What to bring: %(things)s", things=picket.bring))
    return list(filter(None, told))


def about_the_place(card: PicketCard) -> str:
    """When the exact place will be told, and to whom; empty where it is told, and where it is too late to know it."""
    if card.picket.place is not None or card.picket.state != "announced":
        return ""
    if card.place_from is None:
        return str(_("The exact place is told to participants who leave an address.")) if card.can_be_joined else ""
    moment = in_words(card.place_from, current_language())
    if not card.can_be_joined:
        return str(_("The exact place stands here from %(moment)s (local time).", moment=moment))
    text = _(
        "The exact place stands here from %(moment)s (local time). Who leaves an address learns it at once.",
        moment=moment,
    )
    return str(text)


# --- iCalendar -----------------------------------------------------------------------------------------------------------


def draw_calendar(cards: Sequence[PicketCard], name: str, address_of: Address) -> bytes:
    """An iCalendar file of these pickets, in the language now in force, for programs that look at it again and again."""
    drawn = Calendar()
    drawn.add("prodid", PRODUCT)
    drawn.add("version", "2.0")
    drawn.add("calscale", "GREGORIAN")
    drawn.add("method", "PUBLISH")
    # Said to be text, because icalendar 7.3 knows neither property and would escape nothing.
    for known_as in ("name", "x-wr-calname"):
        drawn.add(known_as, vText(name))
    drawn.add(
        "refresh-interval", ASKED_AGAIN, parameters={"VALUE": "DURATION"}
    )  # RFC 7986, 5.7: it has no default type.
    drawn.add("x-published-ttl", vDuration(ASKED_AGAIN))
    for zone in _zones(cards):
        drawn.add_component(zone)
    for card in cards:
        drawn.add_component(_event(card, address_of))
    return drawn.to_ical()


def _event(card: PicketCard, address_of: Address) -> Event:
    picket, address, cancelled = card.picket, address_of(card), card.picket.state == "cancelled"
    event = Event()
    event.add("uid", f"picket-{picket.id}@{urlsplit(address).hostname}")
    event.add("sequence", picket.sequence)
    event.add("created", picket.announced_at.astimezone(UTC))
    event.add("last-modified", changed_at(card).astimezone(UTC))
    event.add("dtstamp", changed_at(card).astimezone(UTC))
    event.add("dtstart", _told_by_clocks(card.starts))
    event.add("dtend", _told_by_clocks(card.ends))
    event.add("summary", called(card))
    event.add("description", "\n\n".join((*particulars(card), address)))
    event.add("location", where(card))
    # Of the city: two decimals are a kilometre, and say nothing of a place that is not for everybody.
    event.add("geo", (round(card.city.lat, 2), round(card.city.lon, 2)))
    event.add("url", address)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    # Whoever subscribed may not go to any: those who see when they are busy must not read it there.
    event.add("transp", "TRANSPARENT")
    event.add("class", "PUBLIC")
    event.add("categories", [_("Pickets")])
    return event


def _told_by_clocks(moment: datetime) -> datetime:
    """The same in UTC where clocks are set back and show it for the second time, which a local time cannot say."""
    return moment.astimezone(UTC) if moment.fold else moment


def _zones(cards: Sequence[PicketCard]) -> list[Timezone]:
    """The zones that occur, in the order of their names, for the years that occur."""
    if not cards:
        return []
    first, last = min(card.starts.year for card in cards), max(card.ends.year for card in cards)
    return [_zone(name, first, last) for name in sorted({card.city.timezone for card in cards})]


@cache
def _zone(name: str, first: int, last: int) -> Timezone:
    """A zone from a year before the first to a year after the last."""
    zone = Timezone.from_tzid(name, first_date=date(first - 1, 1, 1), last_date=date(last + 2, 1, 1))
    zone.pop("COMMENT", None)
    for part in zone.subcomponents:
        # A clock is put forward at the hour that it shows before (RFC 5545, 3.6.5). icalendar 7.3 writes what it shows
        # afterwards, and whoever went by that would put it forward too late. Where one is put back it writes what it should.
        jump = part.TZOFFSETTO - part.TZOFFSETFROM
        if jump > timedelta():
            part.DTSTART -= jump
            part.rdates = [begins - jump for begins, _ends in part.rdates]
    return zone
