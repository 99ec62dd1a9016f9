"""Forms of creators and reviewers on the console."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, SearchField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional, ValidationError

from core.fields import TOO_LONG, ChoiceField, LocalTime, OneOfField, Revised, line, lines, moment_in_zone
from core.i18n import country_choices, current_language
from core.lists import FilterForm
from core.typed import tidy_line, tidy_text
from petitions.models import PETITION_KIND_LABELS, PetitionKind
from petitions.rules import MAX_NAME, problem_with

MAX_TITLE, MAX_SUMMARY, MAX_BODY, MAX_DEMANDS, MAX_ALT, MAX_ROLE, MAX_REASON = 200, 500, 20_000, 4000, 300, 120, 500
MAX_THRESHOLDS, HIGHEST = 20, 100_000_000


class NewPetitionForm(FlaskForm):
    """How a petition begins."""

    kind = OneOfField(
        _l("What it will be"), [InputRequired(_l("Choose one of the two."))], default=PetitionKind.PETITION
    )
    language = ChoiceField(_l("Language you begin with"), [InputRequired(_l("Choose a language."))])
    title = line(
        _l("Title"),
        MAX_TITLE,
        _l("Write a title; you can change it later."),
        description=_l("What you ask for, in one line. You can change it until a reviewer opens the petition."),
    )

    def __init__(self, languages: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language.choices = languages
        self.kind.choices = [(str(kind), label) for kind, label in PETITION_KIND_LABELS.items()]


class TextForm(Revised):
    """The text in one language."""

    title = line(_l("Title"), MAX_TITLE, _l("Write a title."), description=_l("What you ask for, in one line."))
    summary = lines(
        _l("Summary"),
        MAX_SUMMARY,
        description=_l("Two or three sentences for lists, and for those who share the link."),
    )
    body = lines(
        _l("Appeal"),
        MAX_BODY,
        tidied=tidy_text,
        description=_l(
            "An empty line begins a paragraph. ## makes a heading, - an item of a list, **two stars** make bold, > a quotation, [words](https://…) a link."
        ),
    )
    demands = lines(
        _l("Demands"),
        MAX_DEMANDS,
        description=_l("One a line, if you have any. The page numbers them."),
    )
    picture_alt = line(
        _l("What the picture shows"),
        MAX_ALT,
        description=_l("For those who do not see it. Needed in each language if there is a picture."),
    )


@cache
def time_zones() -> list[str]:
    """Names of time zones that people live in, UTC first."""
    areas = "Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"
    return ["UTC", *sorted(name for name in available_timezones() if name.split("/")[0] in areas and "/" in name)]


def _thresholds(typed: str) -> list[int]:
    """Rising numbers out of what was typed. Raises ValidationError."""
    words = re.split(r"[\s,;]+", typed.strip()) if typed.strip() else []
    if not all(word.isdecimal() and 0 < len(word) < 10 and 0 < int(word) <= HIGHEST for word in words):
        raise ValidationError(
            _("Write whole numbers with spaces or commas between them, without any inside: 1000, 10000.")
        )
    numbers = [int(word) for word in words]
    if len(numbers) > MAX_THRESHOLDS:
        raise ValidationError(_("%(number)d thresholds are possible.", number=MAX_THRESHOLDS))
    if numbers != sorted(set(numbers)):
        raise ValidationError(_("Each number has to be larger than the one before it."))
    return numbers


class LaterSettingsForm(Revised):
    """Settings that can change while a petition is open."""

    closes_at = LocalTime(_l("Closes"), [Optional()], description=_l("Left empty, it stays open until you close it."))
    zone = ChoiceField(_l("Time zone of these times"), default="UTC")
    thresholds = StringField(
        _l("Thresholds"),
        [Length(max=200, message=TOO_LONG)],
        filters=[tidy_line],
        description=_l("Numbers of signatures at which you hand them over, such as 1000, 10000."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone.choices = [(name, name.replace("_", " ")) for name in time_zones()]

    def validate_closes_at(self, field: LocalTime) -> None:
        """Raises ValidationError for a time that does not exist."""
        if self.zone.data in time_zones():
            moment_in_zone(field.data, self.zone.data)

    def validate_thresholds(self, field: StringField) -> None:
        """Raises ValidationError for what are no rising numbers."""
        _thresholds(field.data or "")

    @property
    def numbers(self) -> list[int]:
        """The thresholds of a form that is valid."""
        return _thresholds(self.thresholds.data or "")

    def moment(self, field: LocalTime) -> datetime | None:
        """A time of a form that is valid, in UTC."""
        return moment_in_zone(field.data, self.zone.data)


class SettingsForm(LaterSettingsForm):
    """All settings of a draft."""

    kind = OneOfField(_l("What it is"), [InputRequired(_l("Choose one of the two."))])
    slug = line(
        _l("Address"),
        80,
        _l("Write an address."),
        description=_l(
            "The end of the petition’s link: small Latin letters, numbers and hyphens. Fixed once it opens."
        ),
    )
    fallback = ChoiceField(
        _l("Who receives signatures from all other countries"),
        description=_l(
            "One of those you chose: a signature from a country without an addressee of its own goes there."
        ),
    )
    min_age = ChoiceField(_l("Youngest age of signers"))
    per_mailbox = ChoiceField(
        _l("Signatures with one mailbox"),
        description=_l("Couples often share a mailbox. Two signatures then need two different names."),
    )
    opens_at = LocalTime(
        _l("Opens"),
        [Optional()],
        description=_l("Left empty, it opens the moment a reviewer agrees; never before that."),
    )

    def __init__(self, chosen: Iterable[tuple[int, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = [(str(kind), label) for kind, label in PETITION_KIND_LABELS.items()]
        self.fallback.choices = [("", _("Choose one")), *((str(number), name) for number, name in chosen)]
        ages = [(str(age), ngettext("%(num)s year", "%(num)s years", age)) for age in range(13, 22)]
        self.min_age.choices = [("", _("No limit")), *ages]
        self.per_mailbox.choices = [("1", _("One")), ("2", _("Two, for couples"))]

    def validate_slug(self, field: StringField) -> None:
        """Raises ValidationError for what cannot stand in an address."""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", field.data or ""):
            raise ValidationError(_("Use small Latin letters and numbers, with single hyphens between words."))

    def validate_opens_at(self, field: LocalTime) -> None:
        """Raises ValidationError for a time that does not exist."""
        if self.zone.data in time_zones():
            moment_in_zone(field.data, self.zone.data)


class AddresseesForm(Revised):
    """What of the list is looked at; the ticks themselves are read by the route."""

    q = SearchField(_l("Name or country"), filters=[tidy_line])


class OwnAddresseeForm(FlaskForm):
    """An addressee that is not on the list."""

    name_en = line(_l("Name in English"), 200, _l("Write the name in English."))
    name_native = line(_l("Name in its own language"), 200, _l("Write the name as the addressee writes it."))
    salutation_native = line(
        _l("Salutation of the letter, in its own language"),
        200,
        _l("Write how the letter begins, such as “Dear Minister,”."),
    )
    street_address = line(_l("Street and number"), 200, _l("Write the street."))
    postal_code = line(_l("Postal code"), 20)
    city = line(_l("City"), 100, _l("Write the city."))
    country = ChoiceField(_l("Country"), description=_l("None for an organisation that stands for no country."))
    language = ChoiceField(_l("Language of the letter"), [InputRequired(_l("Choose a language."))])
    receives = OneOfField(_l("Who receives the residents of this country"))

    def __init__(self, languages: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = [("", _("No country")), *country_choices(current_language())]
        self.language.choices = [("", _("Choose a language")), *languages]
        self.receives.choices = [("new", _("The new addressee")), ("other", _("The one that does so now"))]

    def values(self) -> Mapping[str, Any]:
        """Columns of the new row."""
        names = "name_en", "name_native", "salutation_native", "street_address", "postal_code", "city"
        return {
            **{name: self[name].data or "" for name in names},
            "country_code": self.country.data or None,
            "languages": self.language.data,
        }

    @property
    def takes_residents(self) -> bool | None:
        """The answer to who receives the residents, None while there is none."""
        return {"new": True, "other": False}.get(self.receives.data)


class RouteForm(FlaskForm):
    """Who receives the residents of a country."""

    country = ChoiceField(_l("Residents of"), [InputRequired(_l("Choose a country."))])
    addressee = ChoiceField(_l("are received by"))

    def __init__(self, chosen: Iterable[tuple[int, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = [("", _("Choose a country")), *country_choices(current_language())]
        self.addressee.choices = [("", _("The fallback")), *((str(number), name) for number, name in chosen)]


class SignatoriesForm(FlaskForm):
    """First signatories, many at once."""

    people = lines(
        _l("Names"),
        10_000,
        _l("Write at least one name."),
        description=_l(
            "One a line: the name, a comma, and what the person is known for, such as “Anna Nowak, writer, Vilnius”."
        ),
    )
    agreed = BooleanField(
        _l("Each of them has agreed to be named here in public."),
        [DataRequired(_l("Ask each of them first, then tick this."))],
    )

    def validate_people(self, field: TextAreaField) -> None:
        """Raises ValidationError for a line that begins with no name."""
        for number, (name, role) in enumerate(self.pairs, 1):
            if problem_with(name, MAX_NAME) == "unprintable":
                raise ValidationError(
                    _("Line %(number)d: names are printed in Latin, Cyrillic, Greek, Georgian, Armenian, Hebrew, Arabic and Devanagari letters. Please write it in one of these.", number=number)
                )  # fmt: skip
            if problem_with(name, MAX_NAME) or len(role) > MAX_ROLE:
                raise ValidationError(
                    _("Line %(number)d cannot stand like this: a name of at most %(name)d characters, a comma, and at most %(role)d characters more.", number=number, name=MAX_NAME, role=MAX_ROLE)
                )  # fmt: skip

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and what they are known for."""
        lines = (line.partition(",") for line in (self.people.data or "").splitlines() if line.strip())
        return [(name.strip(), role.strip()) for name, _comma, role in lines]


class SubmissionForm(FlaskForm):
    """Words to the second person."""

    reason = lines(
        _l("What the reviewer should know"),
        MAX_REASON,
    )


class VersionForm(FlaskForm):
    """A new version, with the note that the public reads."""

    note = lines(
        _l("What has changed, and why"),
        MAX_REASON,
        _l("Write a sentence; everybody who reads the petition can read it."),
        description=_l("The public reads it beside the new version. Whoever has signed has signed the earlier one."),
    )
    language = ChoiceField(_l("Language of this note"))

    def __init__(self, languages: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language.choices = languages


class PublicReasonForm(FlaskForm):
    """Why a petition is taken down."""

    reason = lines(
        _l("Reason"),
        MAX_REASON,
        _l("Say why; it stands where the petition stood."),
        description=_l("Everybody reads it. Name nobody, and quote nothing that must not be read."),
    )


class NewsForm(Revised):
    """News in one language."""

    title = line(_l("Title"), 120, _l("Write a title."))
    body = lines(
        _l("Text"),
        5000,
        _l("Write what is new."),
        tidied=tidy_text,
        description=_l("An empty line begins a paragraph. **Two stars** make bold, [words](https://…) a link."),
    )


class LanguageForm(FilterForm):
    """Which language to write in next."""

    language = ChoiceField(_l("Another language"))

    def __init__(self, languages: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language.choices = languages


class ReportFilter(FilterForm):
    """Reports by petition and state."""

    petition = ChoiceField(_l("Petition"))
    state = ChoiceField(_l("State"))

    def __init__(self, petitions: list[tuple[int, str]], states: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.petition.choices = [("", _("All petitions")), *((str(number), title) for number, title in petitions)]
        self.state.choices = [("", _("Any state")), *states.items()]
