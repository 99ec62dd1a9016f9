"""What the pages of one picket have in common: its city, day and state, and the way to the others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_timedelta
from flask import flash, render_template
from flask_babel import gettext as _
from flask_login import current_user

from accounts.forms import ButtonForm
from core.errors import DomainError, EditedMeanwhileError
from core.i18n import current_language
from petitions.services import title_of
from pickets import services
from pickets.cities import full_name
from pickets.hours import hours_in_words
from pickets.models import PICKET_STATE_LABELS, Picket
from pickets.services import EDITABLE, PicketPage


def show(template: str, page: PicketPage, status: int = 200, **context: object) -> tuple[str, int]:
    """A page of a picket."""
    told = render_template(
        f"pickets/console/{template}.html",
        page=page,
        picket=page.picket,
        city=full_name(page.city, current_language()),
        when=hours_there(page.picket, page.zone),
        there=lambda moment: moment_there(moment, page.zone),
        petition_title=title_of(page.picket.petition_id, current_language()),
        states=PICKET_STATE_LABELS,
        is_fixed=page.state not in EDITABLE,
        petition_state=services.petition_state_of(page.picket),
        button=ButtonForm(formdata=None),
        **context,
    )
    return told, status


def hours_there(picket: Picket, zone: ZoneInfo) -> str:
    """Day and hours of a picket as clocks there show them."""
    starts, ends = picket.starts_at.astimezone(zone), picket.ends_at.astimezone(zone)
    return hours_in_words(starts, ends, current_language())


def moment_there(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as clocks there show it; the page says that its times are local ones."""
    return _shown(moment.astimezone(zone), "EEE d MMM y, HH:mm")


def span(left: timedelta) -> str:
    """How long something still takes, in days and hours, or in hours and minutes of the last day. Empty when it is over."""
    minutes = int(left.total_seconds()) // 60
    if minutes < 0:
        return ""
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return " ".join([_counted(days, "day"), *([_counted(hours, "hour")] if hours else [])])
    return " ".join([*([_counted(hours, "hour")] if hours else []), _counted(rest, "minute")])


def _counted(number: int, unit: Literal["day", "hour", "minute"]) -> str:
    # A threshold that no number reaches: no unit but this one is used.
    delta = timedelta(**{f"{unit}s": number})
    return format_timedelta(delta, granularity=unit, threshold=10**6, locale=current_language())


def _shown(moment: datetime, pattern: str) -> str:
    return str(format_datetime(moment, pattern, locale=current_language()))


def find(picket_id: UUID) -> PicketPage:
    """A picket that whoever is logged in looks after. Raises NotFoundError."""
    return services.find_picket(current_user, picket_id)


def tell(error: DomainError) -> None:
    """Say on the next page why something was not done."""
    if isinstance(error, EditedMeanwhileError):
        flash(_("Nothing was saved: somebody else changed it meanwhile. Here is how it stands now."), "note")
    else:
        flash(_("Nothing was changed: this is no longer possible, or not yet. Here is how it stands."), "note")
