"""Lists of the console, all in one way: filter, sort, page, select many, act, undo. The address holds the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask import flash, get_flashed_messages, request, url_for
from flask_wtf import FlaskForm
from sqlalchemy import Select, SQLColumnExpression, func, select

from core.extensions import db

Row = TypeVar("Row")
Other = TypeVar("Other")
PER_PAGE = 50
MOST_SELECTED = 200


class FilterForm(FlaskForm):
    """Filters of a list: sent by GET, so that the address holds them. What is not valid is shown as such, and filters nothing."""

    class Meta:
        csrf = False

    def settle(self) -> None:
        """Check what was sent; afterwards only what is valid stands in the fields."""
        self.validate()
        for field in self:
            if not field.raw_data:
                field.errors = []  # Nothing was sent, and nothing is filtered by it.
            elif field.errors:
                field.data = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """One page of a list, and the addresses of the others."""

    rows: Sequence[Row]
    total: int
    page: int
    pages: int
    sort: str
    """Name of the column, after a hyphen when the largest comes first."""
    form: FilterForm

    def url(self, **changes: Any) -> str:
        """This list with something changed; None leaves a part out."""
        kept = {name: request.args[name] for name in (*self.form.data, "sort", "lang") if request.args.get(name)}
        return url_for(str(request.endpoint), **{**(request.view_args or {}), **kept, **changes})

    def sorted_by(self, column: str) -> str | None:
        """`ascending`, `descending` or None, as aria-sort says it."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort)

    def sort_url(self, column: str) -> str:
        """This list sorted by a column; the other way round when it already is."""
        return self.url(sort=f"-{column}" if self.sort == column else column)

    def map(self, change: Callable[[Row], Other]) -> Listing[Other]:
        """The same page with other rows."""
        return Listing([change(row) for row in self.rows], self.total, self.page, self.pages, self.sort, self.form)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter leaves rows out."""
        return any(field.data for field in self.form)


def read_page(
    query: Select[Row],
    sorts: Mapping[str, SQLColumnExpression[Any]],
    default: str,
    form: FilterForm,
) -> Listing[Row]:
    """The page that the address asks for. What it asks for wrongly is passed over. `sorts` end in something unique."""
    total = db.session.scalars(select(func.count()).select_from(query.order_by(None).subquery())).one()
    pages = max(1, -(-total // PER_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    sort = request.args.get("sort", default)
    if sort.removeprefix("-") not in sorts:
        sort = default
    column = sorts[sort.removeprefix("-")]
    tie = list(sorts.values())[-1]
    order = (column.desc(), tie.desc()) if sort.startswith("-") else (column.asc(), tie.asc())
    rows = db.session.scalars(query.order_by(None).order_by(*order).limit(PER_PAGE).offset((page - 1) * PER_PAGE))
    return Listing(rows.unique().all(), total, page, pages, sort, form)


def selected() -> list[int]:
    """Numbers of the rows that were ticked, at most MOST_SELECTED."""
    return [int(text) for text in request.form.getlist("row")[:MOST_SELECTED] if text.isdecimal() and len(text) < 10]


def tell_with_undo(message: str, undo: str, rows: Sequence[int]) -> None:
    """Show a message on the next page, with a button that posts the same rows to `undo`."""
    flash({"message": message, "undo": undo, "rows": list(rows)}, "undo")  # type: ignore[arg-type]  # It is kept as JSON.


def messages() -> list[tuple[str, Any]]:
    """For templates: what is to be said once, as (kind, message)."""
    found: list[tuple[str, Any]] = get_flashed_messages(with_categories=True)  # type: ignore[assignment]  # They are kept as JSON.
    return found
