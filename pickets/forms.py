"""The forms of the public pages of pickets: to search, to join, to come with more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_time
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, SearchField, StringField
from wtforms.validators import Length, Optional, ValidationError

from core.addresses import is_watched
from core.fields import TOO_LONG, ChoiceField, DayField, NumberField
from core.forms import CarriedField, MailAddress, PublicForm
from core.i18n import country_name, current_language, sort_key
from core.lists import FilterForm
from core.typed import tidy_line
from pickets.models import SHIFT_ROLE_LABELS
from pickets.pub import PublicShift
from pickets.taking import MAX_ALIAS, MOST_PEOPLE

FIRST_PETITIONS = 50


class PicketSearch(FilterForm):
    """Pickets by petition, country and days."""

    petition = ChoiceField(_l("Petition"))
    country = ChoiceField(_l("Country"))
    first = DayField(_l("From"), [Optional()])
    last = DayField(_l("To"), [Optional()])

    def __init__(
        self, countries: Iterable[str], petitions: Sequence[tuple[int, str]], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        language = current_language()
        named = sorted(
            ((code, country_name(code, language)) for code in countries), key=lambda one: sort_key(one[1], language)
        )
        self.country.choices = [("", _("All countries")), *named]
        self.petition.choices = [
            ("", _("All petitions")),
            *((str(number), title) for number, title in petitions[:FIRST_PETITIONS]),
        ]


class NearForm(FilterForm):
    """A city, in any language."""

    near = SearchField(_l("Nearest to"), filters=[tidy_line])


class JoinForm(PublicForm):
    """That somebody comes. Only the number has to be there."""

    people = NumberField(_l("How many of you come"), 1, MOST_PEOPLE, default=1)
    alias = StringField(
        _l("What we may call you"),
        [Length(max=MAX_ALIAS, message=TOO_LONG)],
        filters=[tidy_line],
        description=_l("Not your name: a word that you and the organiser know. Empty, if you like."),
    )
    email = EmailField(
        _l("E-mail address, only if you want messages"),
        [Optional(strip_whitespace=True), MailAddress(required=False)],
        description=_l(
            "Then we write when something changes or is called off, and on the day before. It is sealed, shown to nobody, and erased seven days after."
        ),
    )
    shift = ChoiceField(
        _l("Do you take a shift?"),
        description=_l(
            "It needs an alias, which the organiser then sees, and an address, because you confirm it the day before."
        ),
    )

    def __init__(self, shifts: Sequence[PublicShift], zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        free = [one for one in shifts if one.free > 0]
        self.shift.choices = [("", _("No shift")), *((str(one.id), _in_words(one, zone)) for one in free)]
        if not free:
            del self.shift
        elif not self.shift.raw_data:
            self.shift.data = ""

    def validate_email(self, field: EmailField) -> None:
        """Raises ValidationError for an address that a state can read: nothing forces anybody to leave one."""
        if is_watched(field.data or ""):
            raise ValidationError(
                _(
                    "The authorities of Belarus or Russia can read mail there, and would learn that you come. Use another address, or none."
                )
            )

    def validate_shift(self, field: ChoiceField) -> None:
        """Raises ValidationError for a shift without the alias and address that it needs."""
        if field.data and not (self.alias.data and self.email.data):
            raise ValidationError(_("For a shift, write an alias and an address above."))

    def joiner(self) -> dict[str, Any]:
        """What is sent, of a valid form."""
        return {
            "people": self.people.data or 1,
            "alias": self.alias.data or "",
            "email": (self.email.data or "").strip(),
            "shift": (self.shift.data or None) if "shift" in self else None,
        }


def _in_words(shift: PublicShift, zone: ZoneInfo) -> str:
    starts, ends = shift.starts_at.astimezone(zone), shift.ends_at.astimezone(zone)
    hours = f"{format_time(starts, 'HH:mm')}–{format_time(ends, 'HH:mm')}"
    return f"{SHIFT_ROLE_LABELS[shift.role]}, {hours}"


class PeopleForm(PublicForm):
    """With how many one comes."""

    people = NumberField(_l("How many of you come"), 1, MOST_PEOPLE)
    page = CarriedField()
    """The own page that it stands on, which a number that cannot be leads back to."""

    def shown_on(self) -> UUID | None:
        """Where the answer is that this page was made of."""
        try:
            return UUID(self.page.data or "")
        except ValueError:
            return None
