"""Form fields that several rooms share."""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import LazyString
from flask_babel import gettext as _
from wtforms import RadioField, SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.form import BaseForm
from wtforms.validators import ValidationError


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
