"""Forms of the console about a picket that is over: the report, and the faces on its photos."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField

from core.fields import NumberField, OneOfField, line, lines
from pickets.after import COLUMNS, read_squares
from pickets.console_forms import MAX_TEXT
from pickets.models import PicketReport


class ReportForm(FlaskForm):
    """What is told once it is over. Of a report that is public already, no longer when it becomes so."""

    COLUMNS = "headcount", "sheets", "signatures", "summary", "incidents", "improve"

    headcount = NumberField(_l("How many people came"), 0, 100_000)
    sheets = NumberField(
        _l("Signature sheets"), 0, 10_000, default=0, description=_l("How many came back with signatures on them.")
    )
    signatures = NumberField(
        _l("Signatures on paper"),
        0,
        100_000,
        default=0,
        description=_l("As you counted them; they are shown as your count."),
    )
    summary = lines(
        _l("What everybody may read"),
        MAX_TEXT,
        description=_l("A few sentences about how it went. Name nobody."),
    )
    incidents = lines(
        _l("Incidents"),
        MAX_TEXT,
        description=_l("Provocations, police, cameras of the embassy."),
    )
    improve = lines(_l("What to do better next time"), MAX_TEXT)
    later = OneOfField(
        _l("When the report becomes public"),
        description=_l("Later, if nobody is to be met there or on the way home."),
    )

    def __init__(self, report: PicketReport | None, *, is_public: bool) -> None:
        told = {name: getattr(report, name) for name in self.COLUMNS} if report else {}
        super().__init__(data={**told, "later": "" if report else "now"})
        as_it_is = [("", _("On the day that was chosen"))] if report else []
        days = [("now", _("Now")), ("1", _("Tomorrow")), ("3", _("In three days")), ("7", _("In a week"))]
        self.later.choices = [*as_it_is, *days]
        if is_public:
            del self.later

    def values(self) -> dict[str, Any]:
        """Columns of `PicketReport`, of a valid form."""
        return {name: self[name].data if self[name].data is not None else "" for name in self.COLUMNS}

    @property
    def days(self) -> int | None:
        """In how many days it becomes public, of a valid form; None for when it would anyhow."""
        if "later" not in self or not self.later.data:
            return None
        return 0 if self.later.data == "now" else int(self.later.data)


class PhotoWordsForm(FlaskForm):
    """What is to be seen on a photo, and where its faces are. Settled, it has `marks`: numbers of squares."""

    squares = line(
        _l("Squares, by their names"),
        200,
        description=_l(
            "Instead of ticking them one by one: C7 for a single one, C7-E9 for all from one corner to the other."
        ),
    )
    alt = line(
        _l("What is to be seen"),
        200,
        description=_l("In a few words, for those who do not see it. Name nobody."),
    )
    no_faces = BooleanField(
        _l("There is no face on it."), description=_l("A coordinator looks at it before anybody else.")
    )

    def __init__(self, rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.marks: set[int] = set()

    def settle(self, ticked: Iterable[str], *, publishing: bool) -> bool:
        """Whether it can be saved, or published; `ticked` are the numbers of ticked squares. Beside the field stands why not."""
        self.validate()
        numbers = {int(one) for one in ticked if one.isdecimal() and len(one) < 6}
        self.marks = {one for one in numbers if one < COLUMNS * self.rows}
        try:
            self.marks |= read_squares(self.squares.data or "", self.rows)
        except ValueError as error:
            self.squares.errors = [_("There is no square “%(name)s” on this photo.", name=str(error))]
        if publishing:
            self._look_before_publishing()
        return not self.errors

    def _look_before_publishing(self) -> None:
        if not self.alt.data:
            self.alt.errors = [_("Say in a few words what is to be seen, for those who do not see it.")]
        if self.marks and self.no_faces.data:
            self.no_faces.errors = [_("You marked squares and say that there is no face. Only one of the two can be.")]
        elif not self.marks and not self.no_faces.data:
            self.no_faces.errors = [_("Mark every face above, or tick that there is none.")]
