"""Forms of reviewers who decide about signatures that were held back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField

from core.fields import ChoiceField, lines
from core.i18n import country_name
from core.lists import FilterForm
from petitions.editor_forms import MAX_REASON


class HeldFilter(FilterForm):
    """Signatures that were held back, by country and by whether their signer has confirmed."""

    country = ChoiceField(_l("Country"))
    confirmed = ChoiceField(_l("Address confirmed"))

    def __init__(self, countries: Iterable[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = [("", _("Any country")), *((code, country_name(code)) for code in countries)]
        self.confirmed.choices = [("", _("Confirmed or not")), ("yes", _("Confirmed")), ("no", _("Not confirmed"))]


class HeldForm(FlaskForm):
    """What is decided about signatures that were held back: those that were ticked, or all that are shown."""

    kind = HiddenField()
    shown_at = HiddenField()
    reason = lines(
        _l("Reason"),
        MAX_REASON,
        description=_l("The second person reads it, when one is needed: for more than 50 in a day."),
    )

    @property
    def moment(self) -> datetime:
        """When the list was shown; long ago when that cannot be read, so that nothing is decided about."""
        try:
            return datetime.fromisoformat(self.shown_at.data or "").astimezone(UTC)
        except ValueError:
            return datetime.fromtimestamp(0, UTC)
