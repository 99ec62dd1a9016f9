"""The print room on the console: what can be had when, and what is said about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from accounts.models import Account
from core.config import Role
from core.errors import NotNowError
from core.extensions import db
from pickets import printing
from pickets.papers import PaperKind
from tests.conftest import House
from tests.factories import Factory, enter, post
from tests.pickets.factories import organiser, picket

WARNING = "Not public yet: hang up and hand out nothing, but file the notice"
OVER = {"starts_at": datetime.now(UTC) - timedelta(hours=5), "ends_at": datetime.now(UTC) - timedelta(hours=3)}
CANCELLED = {"state": "cancelled", "cancelled_at": datetime.now(UTC)}
KINDS = len(PaperKind)


def ready(house: House, here: UUID) -> None:
    """All papers are drawn."""
    for kind in PaperKind:
        house.sql(
            "INSERT INTO papers (picket_id, kind, state, content, drawn_at) VALUES (:p, :k, 'ready', '%PDF', now())",
            p=here, k=kind,
        )  # fmt: skip


def at_desk(house: House, make: Factory, here: UUID) -> FlaskClient:
    return enter(house, organiser(house, make, here))


@pytest.mark.parametrize(
    ("changes", "warns"), [({"state": "draft"}, True), ({"state": "notified"}, True), ({}, False), (OVER, False)]
)
def test_before_it_is_public_the_page_says_that_nothing_may_be_hung_up(
    house: House, make: Factory, changes: dict[str, Any], warns: bool
) -> None:
    here = picket(house, make, **changes)
    page = at_desk(house, make, here).get(f"/pickets/{here}/papers").text
    assert (WARNING in page) is warns


@pytest.mark.parametrize(
    ("changes", "drawable", "has_pass"),
    [
        ({"state": "draft"}, KINDS - 1, False),
        ({"state": "notified"}, KINDS, True),
        ({}, KINDS, True),
        (OVER, KINDS - 1, False),
        (CANCELLED, 0, False),
    ],
)
def test_what_can_be_drawn_and_downloaded_goes_by_where_the_picket_stands(
    house: House, make: Factory, changes: dict[str, Any], drawable: int, has_pass: bool
) -> None:
    here = picket(house, make, **changes)
    ready(house, here)
    desk, path = at_desk(house, make, here), f"/pickets/{here}/papers"
    page = desk.get(path).text
    assert page.count("Draw anew") == drawable
    assert ("Draw all of them" in page) is bool(drawable)
    assert ("once a coordinator has agreed, and until" in page) is not has_pass
    assert (f"{path}/pass" in page) is has_pass
    assert desk.get(f"{path}/poster_a4").status_code == 200
    taken = desk.get(f"{path}/pass")
    assert taken.status_code == (200 if has_pass else 303)
    if not has_pass:
        assert "no longer possible, or not yet" in desk.get(taken.location).text
    post(desk, path)
    assert house.value("SELECT count(*) FROM papers WHERE state = 'wanted'") == drawable
    post(desk, path, kind="pass")
    assert (house.value("SELECT state FROM papers WHERE kind = 'pass'") == "wanted") is has_pass


def test_the_service_refuses_what_cannot_be_drawn(house: House, make: Factory) -> None:
    here = picket(house, make)
    account = organiser(house, make, here)
    house.sql("UPDATE pickets SET state = 'cancelled', cancelled_at = now()")
    with house.inside(Role.CONSOLE):
        who = db.session.get_one(Account, account)
        for kind in (None, PaperKind.NOTICE, PaperKind.PASS):
            with pytest.raises(NotNowError):
                printing.want_papers(who, here, kind)
    assert house.value("SELECT count(*) FROM papers") == 0


def test_what_is_asked_for_anew_is_free_for_any_worker(house: House, make: Factory) -> None:
    here = picket(house, make)
    house.sql(
        "INSERT INTO papers (picket_id, kind, state, attempts, leased_until) VALUES (:p, 'notice', 'failed', 3, now() + interval '1 minute')",
        p=here,
    )
    post(at_desk(house, make, here), f"/pickets/{here}/papers", kind="notice")
    row = house.sql("SELECT state, attempts, leased_until FROM papers").one()
    assert tuple(row) == ("wanted", 0, None)


def test_there_is_no_such_paper(house: House, make: Factory) -> None:
    here = picket(house, make)
    assert post(at_desk(house, make, here), f"/pickets/{here}/papers", kind="banner").status_code == 404
