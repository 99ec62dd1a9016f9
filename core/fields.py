"""Form fields that several rooms share."""

from __future__ import annotations

from flask_babel import gettext as _
from wtforms import SelectField
from wtforms.form import BaseForm
from wtforms.validators import ValidationError


class ChoiceField(SelectField):
    """One of a list. WTForms has its own words for what is not in it, but not in every language of ours."""

    def pre_validate(self, form: BaseForm) -> None:
        """Raise ValidationError for what is not in the list."""
        try:
            super().pre_validate(form)
        except ValidationError:
            raise ValidationError(_("Choose one that is in the list.")) from None
