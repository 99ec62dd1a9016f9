"""Forms of the console's delivery pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import Field, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from core.fields import TOO_LONG, ChoiceField, DayField, OneOfField, Revised, choices, line, lines
from core.lists import FilterForm
from core.typed import tidy_text
from delivery.letters import NEEDED, PLACEHOLDERS
from delivery.models import BUNDLE_STATE_LABELS, LEVEL_LABELS, LetterKind

MAX_SUBJECT, MAX_LINE, MAX_LETTER, MAX_NAME = 250, 200, 8000, 100


class BundleFilter(FilterForm):
    """Bundles by state."""

    state = ChoiceField(_l("State"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.choices = [
            ("", _("Any state")),
            *((str(state), label) for state, label in BUNDLE_STATE_LABELS.items()),
        ]


class RequestForm(FlaskForm):
    """A bundle, and how much of its signers it tells."""

    level = OneOfField(
        _l("What the ministry is told of the signers"),
        [InputRequired(_l("Choose how much the ministry is told."))],
        choices=choices((str(level), label) for level, label in LEVEL_LABELS.items()),
    )


class DayForm(FlaskForm):
    """On which day something was done."""

    day = DayField(_l("Day"), [InputRequired(_l("Choose a day."))])

    def validate_day(self, field: DayField) -> None:
        """Raises ValidationError for a day that is still to come, wherever on earth it is."""
        if field.data is not None and (field.data - datetime.now(UTC).date()).days > 1:
            raise ValidationError(_("This day is still to come."))


def _one_line(text: str | None) -> str:
    """Without line ends; spaces that keep words together stay, as French needs them."""
    return " ".join(tidy_text(text).split("\n")).strip()


def _letter_line(label: Any, longest: int, missing: Any, **options: Any) -> StringField:
    rules = [DataRequired(missing), Length(max=longest, message=TOO_LONG)]
    return StringField(label, rules, filters=[_one_line], **options)


class LetterForm(Revised):
    """A letter of one kind, in one language. `revision` is the number of the version that its sender has read."""

    subject = _letter_line(_l("Subject"), MAX_SUBJECT, _l("Write a subject."))
    salutation = _letter_line(_l("Salutation"), MAX_LINE, _l("Write how the letter begins, such as “Dear Minister,”."))
    body = lines(
        _l("Text"),
        MAX_LETTER,
        _l("Write the letter."),
        tidied=tidy_text,
        description=_l("An empty line begins a paragraph. What stands in braces is put in when the letter is made."),
    )
    closing = _letter_line(_l("Closing"), MAX_LINE, _l("Write how the letter ends, such as “Yours faithfully,”."))
    signatory = _letter_line(_l("Who signs"), MAX_LINE, _l("Write who signs the letter."))
    reviewed_by = line(
        _l("Read by"),
        MAX_NAME,
        description=_l(
            "Somebody whose own language this is, and who has read the letter as it stands here. Empty while nobody has, and again after a change."
        ),
    )

    def __init__(self, kind: LetterKind, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        if kind is not LetterKind.MP:
            del self.salutation  # The ministry's own is printed.

    @property
    def words(self) -> dict[str, str]:
        """What is written, by column."""
        written = {one.name: one.data or "" for one in self if one.type in ("StringField", "TextAreaField")}
        return {"salutation": "", **written}

    def validate_subject(self, field: Field) -> None:
        """Raises ValidationError for what cannot be put in."""
        self._check_braces(field)

    validate_salutation = validate_closing = validate_signatory = validate_subject

    def validate_body(self, field: Field) -> None:
        """Raises ValidationError for what cannot be put in, and for what is missing."""
        self._check_braces(field)
        missing = [name for name in NEEDED[self.kind] if f"{{{name}}}" not in field.data]
        if missing:
            raise ValidationError(_("This letter is not complete without: %(names)s", names=_in_braces(missing)))

    def _check_braces(self, field: Field) -> None:
        found = re.findall(r"\{([^{}]*)\}", field.data or "")
        unknown = [name for name in dict.fromkeys(found) if name not in PLACEHOLDERS[self.kind]]
        if unknown:
            raise ValidationError(_("This letter cannot put anything in for: %(names)s", names=_in_braces(unknown)))
        if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", field.data or "")):
            raise ValidationError(_("A brace stands alone here. They come in pairs, as in {title}."))


def _in_braces(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
