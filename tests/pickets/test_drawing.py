"""Drawing papers: each by one worker, in no transaction, as it was asked for last, and given up when it cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.config import Role
from core.extensions import db
from pickets import drawing
from pickets.papers import PaperKind, PicketFacts
from tests.conftest import House
from tests.factories import Factory
from tests.pickets.factories import picket


def want(house: House, picket_id: UUID, *kinds: PaperKind) -> None:
    for kind in kinds:
        house.sql("INSERT INTO papers (picket_id, kind) VALUES (:p, :k)", p=picket_id, k=kind)


def paper(house: House) -> Any:
    return house.sql("SELECT * FROM papers").one()


def drawn(_kind: PaperKind, facts: PicketFacts) -> bytes:
    return facts.pass_url.encode() or b"no pass"


def draw(house: House, how: Callable[[PaperKind, PicketFacts], bytes] = drawn) -> bool:
    with house.inside(Role.WORKER):
        return drawing.draw_next(how, lambda _facts: b"PK", house.keyring)


def test_a_paper_is_drawn_once_and_then_nothing_is_left_to_do(house: House, make: Factory) -> None:
    here = picket(house, make, revision=4)
    want(house, here, PaperKind.NOTICE, PaperKind.PACK)
    assert [draw(house) for _ in range(3)] == [True, True, False]
    rows = house.sql("SELECT kind, state, revision, leased_until FROM papers ORDER BY kind").all()
    assert [tuple(row) for row in rows] == [("notice", "ready", 4, None), ("pack", "ready", 4, None)]
    assert house.value("SELECT content FROM papers WHERE kind = 'pack'") == b"PK"


def test_while_it_is_drawn_no_transaction_is_open_and_no_other_worker_draws_it(house: House, make: Factory) -> None:
    want(house, picket(house, make), PaperKind.NOTICE)
    seen = []

    def look(_kind: PaperKind, _facts: PicketFacts) -> bytes:
        seen.append(db.session().in_transaction())
        row = paper(house)
        seen.append((row.attempts, row.leased_until is not None))
        seen.append(drawing.draw_next(look, lambda _facts: b"", house.keyring))
        return b"%PDF"

    assert draw(house, look)
    assert seen == [False, (1, True), False]
    assert paper(house).state == "ready"


def test_the_revision_is_that_of_what_was_printed(house: House, make: Factory) -> None:
    want(house, picket(house, make, revision=1), PaperKind.NOTICE)

    def change(_kind: PaperKind, _facts: PicketFacts) -> bytes:
        meanwhile(house, "UPDATE pickets SET revision = 2")
        return b"%PDF"

    assert draw(house, change)
    assert paper(house).revision == 1


def test_what_kills_its_worker_is_given_up(house: House, make: Factory) -> None:
    want(house, picket(house, make), PaperKind.NOTICE)

    class Killed(BaseException):
        """What no worker lives to handle."""

    def die(_kind: PaperKind, _facts: PicketFacts) -> bytes:
        raise Killed

    for attempt in range(1, drawing.MAX_ATTEMPTS + 1):
        with pytest.raises(Killed):
            draw(house, die)
        assert (paper(house).attempts, paper(house).state) == (attempt, "wanted")
        assert not draw(house, die), "its lease has not run out"
        house.sql("UPDATE papers SET leased_until = now() - interval '1 second'")
    assert not draw(house, die)
    assert (paper(house).state, paper(house).leased_until) == ("failed", None)


def test_what_fails_goes_behind_the_others_and_is_given_up(
    house: House, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    here = picket(house, make)
    want(house, here, PaperKind.NOTICE, PaperKind.SHEET)
    house.sql("UPDATE papers SET wanted_at = now() - interval '1 minute' WHERE kind = 'notice'")
    tried = []

    def fail(kind: PaperKind, _facts: PicketFacts) -> bytes:
        tried.append(kind)
        if kind is PaperKind.NOTICE:
            raise ValueError("Aleja Szucha 23")
        return b"%PDF"

    while draw(house, fail):
        pass
    assert tried == [PaperKind.NOTICE, PaperKind.SHEET, PaperKind.NOTICE, PaperKind.NOTICE]
    assert dict(house.sql("SELECT kind, state FROM papers").all()) == {"notice": "failed", "sheet": "ready"}
    assert "Szucha" not in caplog.text


@pytest.mark.parametrize("fails", [False, True])
def test_what_was_asked_for_anew_meanwhile_is_drawn_anew(house: House, make: Factory, fails: bool) -> None:
    want(house, picket(house, make), PaperKind.NOTICE)
    house.sql("UPDATE papers SET attempts = 2")

    def want_anew(_kind: PaperKind, _facts: PicketFacts) -> bytes:
        meanwhile(house, "UPDATE papers SET attempts = 0, leased_until = NULL, wanted_at = clock_timestamp()")
        if fails:
            raise ValueError
        return b"old"

    assert draw(house, want_anew)
    assert (paper(house).state, paper(house).content) == ("wanted", None)
    assert draw(house)
    assert paper(house).state == "ready"


def meanwhile(house: House, statement: str) -> None:
    """What the console does while a worker draws."""
    with house.acting(Role.CONSOLE):
        house.sql(statement)
    house.sql("SET LOCAL ROLE zbor_worker")


OVER = {"starts_at": datetime.now(UTC) - timedelta(hours=5), "ends_at": datetime.now(UTC) - timedelta(hours=3)}


@pytest.mark.parametrize(
    ("changes", "has_pass"),
    [({"state": "draft"}, False), ({"state": "notified"}, True), ({"state": "announced"}, True), (OVER, False)],
)
def test_the_codes_are_signed_once_a_coordinator_has_agreed_and_until_it_is_over(
    house: House, make: Factory, changes: dict[str, Any], has_pass: bool
) -> None:
    here = picket(house, make, **changes)
    want(house, here, PaperKind.POSTER_A4, PaperKind.PASS)
    while draw(house):
        pass
    assert (house.value("SELECT content FROM papers WHERE kind = 'poster_a4'") != b"no pass") is has_pass
    assert (house.value("SELECT state FROM papers WHERE kind = 'pass'") == "ready") is has_pass


def test_nothing_is_drawn_of_what_is_cancelled(house: House, make: Factory) -> None:
    here = picket(house, make, state="cancelled", cancelled_at=datetime.now(UTC))
    want(house, here, PaperKind.NOTICE)
    assert draw(house, lambda *_facts: pytest.fail("It was drawn."))
    assert paper(house).state == "failed"
