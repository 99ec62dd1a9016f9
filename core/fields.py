"""Form fields that several rooms share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    DateField,
    DateTimeLocalField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.form import BaseForm
from wtforms.validators import DataRequired, Length, ValidationError

from core.pictures import MAX_BYTES, PictureError, PictureProblem, shrink
from core.typed import tidy_lines, tidy_prose


def choices(pairs: Iterable[tuple[str, str | LazyString]]) -> list[SelectChoice]:
    """What can be chosen, of values and labels, as a field's constructor wants it."""
    return [SelectChoice(value, label) for value, label in pairs]


class ChoiceField(SelectField):
    """One of a list. WTForms has its own words for what is not in it, but not in every language of ours."""

    def pre_validate(self, form: BaseForm) -> None:
        """Raise ValidationError for what is not in the list."""
        try:
            super().pre_validate(form)
        except ValidationError:
            raise ValidationError(_("Choose one that is in the list.")) from None


class OneOfField(RadioField):
    """One of a few, all of them shown; the same."""

    def pre_validate(self, form: BaseForm) -> None:
        """Raise ValidationError for what is not among them. That nothing was chosen is for InputRequired to say."""
        if self.data in (None, "None", ""):
            return
        try:
            super().pre_validate(form)
        except ValidationError:
            raise ValidationError(_("Choose one that is in the list.")) from None


TOO_LONG = _l("This is too long: %(max)d characters are possible.")


def line(label: Any, longest: int, missing: Any = None, **options: Any) -> StringField:
    """A field for one line of at most `longest` characters, with the sentence for an empty one if it must not be."""
    needed = [DataRequired(missing)] if missing else []
    return StringField(label, [*needed, Length(max=longest, message=TOO_LONG)], filters=[tidy_prose], **options)


def lines(label: Any, longest: int, missing: Any = None, tidied: Any = tidy_lines, **options: Any) -> TextAreaField:
    """A field for several lines of at most `longest` characters, with the sentence for an empty one if it must not be."""
    needed = [DataRequired(missing)] if missing else []
    return TextAreaField(label, [*needed, Length(max=longest, message=TOO_LONG)], filters=[tidied], **options)


class Revised(FlaskForm):
    """A form that knows which state of things its sender has read."""

    revision = HiddenField(default="0")

    @property
    def read_revision(self) -> int:
        """The number; what cannot be one is 0, which is nobody's."""
        text = str(self.revision.data or "")
        return int(text) if text.isdecimal() and len(text) < 10 else 0


class LocalTime(DateTimeLocalField):
    """Date and time as a clock on the wall shows them."""

    data: datetime | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, format=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"], **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Raises ValueError with our own words."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_("Enter a date and a time, such as 2027-05-31 20:00.")) from None
        if self.data is not None and not 2000 <= self.data.year <= 2100:
            self.data = None
            raise ValueError(_("Choose a year between 2000 and 2100."))


def moment_in_zone(typed: datetime | None, zone: str) -> datetime | None:
    """What the clocks of a zone show, in UTC. Raises ValidationError for an hour that is left out when clocks go forward."""
    if typed is None:
        return None
    there = typed.replace(tzinfo=ZoneInfo(zone))
    moment = there.astimezone(UTC)
    if moment.astimezone(there.tzinfo).replace(tzinfo=None) != typed:
        raise ValidationError(_("This time does not exist there: the clocks go forward over it."))
    return moment


class DayField(DateField):
    """A day of the calendar."""

    data: date | None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Raises ValueError with our own words."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_("Enter a date, such as 2027-05-31.")) from None
        if self.data is not None and not 2000 <= self.data.year <= 2100:
            self.data = None
            raise ValueError(_("Choose a year between 2000 and 2100."))


class ClockField(TimeField):
    """A time as a clock on the wall shows it."""

    data: time | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, format=["%H:%M", "%H:%M:%S", "%H.%M"], **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Raises ValueError with our own words."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_("Enter a time, such as 12:30.")) from None


class NumberField(IntegerField):
    """A whole number between two others, both included."""

    data: int | None

    def __init__(self, label: Any, least: int, most: int, **options: Any) -> None:
        super().__init__(label, **options)
        self.least, self.most = least, most

    def process_formdata(self, valuelist: list[str]) -> None:
        """Raises ValueError with our own words; an empty field is none."""
        typed = valuelist[0].strip() if valuelist else ""
        self.data = None
        if not (typed.isdecimal() and len(typed) < 10 and self.least <= int(typed) <= self.most):
            raise ValueError(_("Enter a whole number from %(least)s to %(most)s.", least=self.least, most=self.most))
        self.data = int(typed)


class PictureForm(FlaskForm):
    """A picture to send. Valid, it has it drawn anew."""

    file = FileField(
        _l("Picture"),
        description=_l(
            "A JPEG, PNG or WebP file of at most 8 MB. Place, time and camera that it may tell are taken out."
        ),
    )
    picture: tuple[bytes, int, int] | None = None

    def validate_file(self, field: FileField) -> None:
        """Raises ValidationError for what is no picture that we can use."""
        content = field.data.read(MAX_BYTES + 1) if field.data else b""
        if not content:
            raise ValidationError(_("Choose a file."))
        if len(content) > MAX_BYTES:
            raise ValidationError(_("This file is larger than 8 MB. Save the picture smaller and send it again."))
        try:
            self.picture = shrink(content)
        except PictureError as error:
            raise ValidationError(PICTURE_SENTENCES[error.problem]) from None


PICTURE_SENTENCES = {
    PictureProblem.TYPE: _l("This is no JPEG, PNG or WebP file, whatever its name says."),
    PictureProblem.PIXELS: _l("This picture has more than 50 million pixels. Save it smaller and send it again."),
    PictureProblem.BROKEN: _l(
        "This picture is damaged or was cut off on its way. Please send it again, or another one."
    ),
}
