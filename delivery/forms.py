"""Forms of the console's delivery pages: buttons, guarded by the staff session's CSRF token."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from core.fields import ChoiceField
from core.lists import FilterForm
from delivery.models import BUNDLE_STATE_LABELS


class BundleFilter(FilterForm):
    """Bundles by state."""

    state = ChoiceField(_l("State"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.choices = [
            ("", _("Any state")),
            *((str(state), label) for state, label in BUNDLE_STATE_LABELS.items()),
        ]
