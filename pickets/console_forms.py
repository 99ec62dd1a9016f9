"""Forms of the console about a picket until it is over; those about what comes afterwards are in after_forms.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional, ValidationError

from core.config import LANGUAGES
from core.fields import (
    TOO_LONG,
    ChoiceField,
    ClockField,
    DayField,
    LocalTime,
    NumberField,
    OneOfField,
    Revised,
    choices,
    line,
    lines,
    moment_in_zone,
)
from core.i18n import country_choices, current_language
from core.lists import FilterForm
from pickets.assembly import MODE_LABELS, ROUTE_LABELS, Rule
from pickets.cities import find_cities, full_name, named_so
from pickets.deadlines import NoSuchTimeError, local_moment
from pickets.models import (
    CANCEL_REASON_LABELS,
    MODES,
    PICKET_STATE_LABELS,
    SHIFT_ROLE_LABELS,
    SHOWN_LABELS,
    City,
    Picket,
    PlaceShown,
)
from pickets.pub import PublicCity

MAX_TITLE, MAX_PLACE, MAX_TEXT, MAX_NOTE, MAX_ALIAS, MAX_PHONE = 120, 200, 2000, 500, 60, 40
LONGEST = timedelta(hours=14)
FURTHEST = timedelta(days=365)
CHOICES = 8
"""Cities of one name that can be chosen from."""


class PicketForm(Revised):
    """A picket: where, when, for which petition. Valid, it has `moments` and, of a new one, `where`."""

    COLUMNS = "mode", "people", "place", "place_shown", "district", "alias", "language", "title", "about", "bring", "access", "lawyer_phone"  # fmt: skip

    petition = ChoiceField(_l("Petition"), [InputRequired(_l("Choose a petition."))])
    city = line(
        _l("City"),
        100,
        _l("Write the city."),
        description=_l("In any language. If there are several of this name, you choose on the next page."),
    )
    city_id = OneOfField(_l("Which one?"))
    addressee = ChoiceField(
        _l("In front of"), description=_l("Left as it is, this is whom people who live there sign to.")
    )
    day = DayField(_l("Day"), [InputRequired(_l("Choose a day."))])
    begins = ClockField(_l("Begins"), [InputRequired(_l("Enter when it begins."))], description=_l("Local time there."))
    ends = ClockField(
        _l("Ends"),
        [InputRequired(_l("Enter when it ends."))],
        description=_l("Earlier than it begins: on the next day."),
    )
    mode = OneOfField(_l("What it is"), default=MODES[0])
    people = NumberField(
        _l("How many people you expect"),
        1,
        100_000,
        description=_l("Some rules depend on it. Rather too many than too few."),
    )
    place = line(_l("Exact place"), MAX_PLACE, _l("Write where exactly people meet."))
    place_shown = OneOfField(
        _l("Who learns the exact place"),
        default=PlaceShown.EXACT,
        description=_l(
            "Anybody with an address for mail can be a participant: this keeps the place from those who pass by, not from those who look for it."
        ),
    )
    district = line(_l("District"), MAX_PLACE, description=_l("What everybody reads when the exact place is hidden."))
    alias = line(
        _l("What you are called in public"),
        MAX_ALIAS,
        _l("Write a name that people can use. It need not be your own."),
    )
    language = ChoiceField(_l("Language of what you write here"), [InputRequired(_l("Choose a language."))])
    title = line(_l("Title"), MAX_TITLE, description=_l("If it needs one. Otherwise it is called by its city."))
    about = lines(_l("What will happen"), MAX_TEXT)
    bring = lines(_l("What to bring"), MAX_TEXT)
    access = lines(
        _l("How accessible it is"),
        MAX_TEXT,
        description=_l("Steps, benches, toilets, how far from a stop; where one can stand aside."),
    )
    lawyer_phone = line(
        _l("Telephone of a lawyer or a helpline"),
        MAX_PHONE,
        description=_l("On the safety card and for participants who left an address; never on the public page."),
    )
    differs = lines(_l("Why yours is another one"), MAX_NOTE)
    told = BooleanField(_l("The authority knows of the new time, place or kind, and has agreed where it has to."))

    where: PublicCity | City | None = None
    moments: tuple[datetime, datetime] | None = None

    def __init__(
        self,
        petitions: Iterable[tuple[int, str]],
        addressees: Iterable[tuple[int, str]],
        fixed: City | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.petition.choices = [("", _("Choose one")), *((str(number), title) for number, title in petitions)]
        self.addressee.choices = [
            ("", _("The ministry of the country")),
            *((str(number), name) for number, name in addressees),
        ]
        self.mode.choices = [(mode, MODE_LABELS[mode]) for mode in MODES]
        self.place_shown.choices = [(str(key), label) for key, label in SHOWN_LABELS.items()]
        self.language.choices = list(LANGUAGES.items())
        self.city_id.choices = []
        if fixed is not None:
            self.where = fixed
            for name in ("petition", "city", "city_id", "addressee", "differs"):
                delattr(self, name)

    def validate_city(self, field: StringField) -> None:
        """Raises ValidationError for a city that we do not know, and for one of several that was not chosen yet."""
        found = find_cities(field.data or "", most=CHOICES)
        if not found:
            raise ValidationError(
                _(
                    "We know no such city. Write it in another way, or take the nearest larger one and name the place below."
                )
            )
        exact = named_so(field.data or "", found) or list(found)
        chosen = None
        if len(exact) > 1:
            # Also when one was chosen, for the form may come back for another reason.
            self.city_id.choices = [(str(one.id), full_name(one, current_language())) for one in found]
            chosen = next((one for one in found if str(one.id) == self.city_id.data), None)
        if chosen is None:
            self.city_id.data = None  # It may be of a city that was typed before.
            if len(exact) > 1:
                self.city_id.data = str(found[0].id)
                raise ValidationError(_("There are several cities of this name. Choose one below."))
        self.where = chosen or exact[0]

    def validate_district(self, field: StringField) -> None:
        """Raises ValidationError when the exact place is hidden and nothing stands in for it."""
        if self.place_shown.data != PlaceShown.EXACT and not field.data:
            raise ValidationError(_("Write the district, so that people know roughly where it will be."))

    def validate_people(self, field: NumberField) -> None:
        """Raises ValidationError for one person alone who expects others."""
        if self.mode.data == "single_person" and field.data != 1:
            raise ValidationError(_("One person alone is one. Enter 1, or choose another kind above."))

    def settle(self, now: datetime, begun: datetime | None = None) -> bool:
        """After `validate`: whether its hours can be. Beside the field stands why not.

        `begun` is when the picket that is changed begins: as long as that stays, it may be over already.
        """
        if self.where is None or not (self.day.data and self.begins.data and self.ends.data):
            return False
        zone, day = ZoneInfo(self.where.timezone), self.day.data
        last = day if self.ends.data > self.begins.data else day + timedelta(days=1)
        times = []
        for field, on, clock in ((self.begins, day, self.begins.data), (self.ends, last, self.ends.data)):
            try:
                times.append(local_moment(on, clock, zone))
            except NoSuchTimeError:
                field.errors = [_("This time does not exist there on that day: the clocks go forward over it.")]
                return False
        starts, ends = times
        if starts <= now and starts != begun:
            self.day.errors = [_("This is over already. Choose a day and time that are still to come.")]
        elif starts > now + FURTHEST:
            self.day.errors = [_("This is more than a year ahead. Choose a nearer day.")]
        elif ends - starts > LONGEST:
            self.ends.errors = [_("It would last for more than 14 hours. Make it two.")]
        else:
            self.moments = starts, ends
        return self.moments is not None

    def values(self) -> dict[str, Any]:
        """Columns of `Picket`, of a form that is settled."""
        if self.moments is None:
            raise ValueError("The form was not settled.")
        values = {name: self[name].data if self[name].data is not None else "" for name in self.COLUMNS}
        return {**values, "starts_at": self.moments[0], "ends_at": self.moments[1]}

    @classmethod
    def typed(cls, picket: Picket, zone: ZoneInfo) -> dict[str, Any]:
        """What the form shows of a picket."""
        starts, ends = picket.starts_at.astimezone(zone), picket.ends_at.astimezone(zone)
        told = {name: getattr(picket, name) for name in cls.COLUMNS}
        return told | {"day": starts.date(), "begins": starts.time(), "ends": ends.time(), "revision": picket.revision}


class NoticeForm(FlaskForm):
    """What was filed, or asked."""

    route = OneOfField(_l("The way you took"))
    eligible = OneOfField(
        _l("Are you somebody who may organise it there?"),
        [InputRequired(_l("Choose one of these."))],
        choices=choices([("yes", _l("Yes")), ("no", _l("No")), ("unsure", _l("I do not know"))]),
    )
    filed_at = LocalTime(
        _l("When you filed it"), [Optional()], description=_l("Local time there. Empty while you have not.")
    )
    receipt = line(
        _l("Number or words of the receipt"),
        MAX_PLACE,
        description=_l("What the authority sent back. No names, no addresses: those we do not keep."),
    )
    granted = BooleanField(_l("The authority has allowed it."))
    answer = lines(
        _l("Whom you asked, and what they said"),
        MAX_TEXT,
        description=_l("Where we do not know the rule. The office is enough; name no person."),
    )

    def __init__(self, rule: Rule | None, zone: ZoneInfo, now: datetime, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zone, self.now = zone, now
        routes = rule.routes if rule else ()
        self.route.choices = [("", _("The ordinary one")), *((one.code, ROUTE_LABELS[one.code]) for one in routes)]
        if not routes:
            del self.route
        if rule is None or rule.regime != "permit":
            del self.granted
        if rule is not None and rule.regime == "none":
            del self.filed_at

    def validate_filed_at(self, field: LocalTime) -> None:
        """Raises ValidationError for a time that does not exist or has not come."""
        moment = moment_in_zone(field.data, self.zone.key)
        if moment is not None and moment > self.now:
            raise ValidationError(_("This is still to come. Record it once you have filed it."))

    def values(self) -> dict[str, Any]:
        """Columns of `AssemblyNotice`, of a valid form."""
        filed = moment_in_zone(self.filed_at.data, self.zone.key) if "filed_at" in self else None
        return {
            "route": (self.route.data or "") if "route" in self else "",
            "eligible": self.eligible.data,
            "filed_at": filed,
            "receipt": self.receipt.data or "",
            "granted": bool(self.granted.data) if "granted" in self else False,
            "answer": self.answer.data or "",
        }


class WordForm(FlaskForm):
    """Words to the coordinator."""

    reason = TextAreaField(
        _l("What the coordinator should know"),
        [Length(max=MAX_NOTE, message=TOO_LONG)],
        description=_l("Where the rules leave something to a person: why it can go on."),
    )


class CancelForm(FlaskForm):
    """Why it is called off."""

    reason = OneOfField(
        _l("Why it is called off"),
        [InputRequired(_l("Choose a reason."))],
        choices=choices(CANCEL_REASON_LABELS.items()),
    )
    note = lines(
        _l("What people should know"),
        MAX_NOTE,
        description=_l("Everybody reads it: on the page, in calendars, and in the mail to participants."),
    )


class HelpForm(FlaskForm):
    """Somebody offers to organise a picket together."""

    note = lines(_l("A word to those who organise it"), MAX_NOTE, description=_l("They see your name and this."))


class ShiftForm(FlaskForm):
    """A shift to add."""

    role = ChoiceField(_l("Task"), [InputRequired(_l("Choose a task."))], choices=choices(SHIFT_ROLE_LABELS.items()))
    begins = ClockField(_l("Begins"), [InputRequired(_l("Enter when it begins."))])
    ends = ClockField(_l("Ends"), [InputRequired(_l("Enter when it ends."))])
    seats = NumberField(_l("People needed"), 1, 50, default=1)

    def moments(self, starts: datetime, ends: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
        """Begin and end within the hours of the picket, give or take two; beside the field stands why not."""
        if not (self.begins.data and self.ends.data):
            return None
        margin = timedelta(hours=2)
        for day in (starts.date() - timedelta(days=1), starts.date(), ends.date()):
            last = day if self.ends.data > self.begins.data else day + timedelta(days=1)
            try:
                first, until = local_moment(day, self.begins.data, zone), local_moment(last, self.ends.data, zone)
            except NoSuchTimeError:
                continue
            if starts - margin <= first and until <= ends + margin:
                return first, until
        self.begins.errors = [
            _(
                "This is not within the hours of the picket: at most two hours before it begins until two hours after it ends."
            )
        ]
        return None


class PicketFilter(FilterForm):
    """Pickets by state and country."""

    state = ChoiceField(_l("State"))
    country = ChoiceField(_l("Country"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.choices = [("", _("Any state")), *((str(key), label) for key, label in PICKET_STATE_LABELS.items())]
        self.country.choices = [("", _("All countries")), *country_choices(current_language())]


class TickForm(FlaskForm):
    """One thing that has to be said by a tick."""

    read = BooleanField(_l("I have read this."), [DataRequired(_l("Please read it, then tick this."))])
