"""A visitor reports a petition; what is stored waits for a reviewer and says nothing of who sent it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from core.config import Role
from core.inbox import append
from petitions.models import REPORT_REASON_LABELS
from petitions.rules import MAX_REPORT, REPORT_REASONS, REPORTS_KEPT
from tests.conftest import House
from tests.factories import Factory, hidden


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


def report(house: House, slug: str, **values: Any) -> Any:
    client = house.client()
    event = hidden(client.get(f"/petitions/{slug}/report").text, "event_id")
    return client.post(f"/petitions/{slug}/report", data={"event_id": event, **values})


def test_a_report_reaches_the_reviewers_once(house: House, slug: str) -> None:
    event = str(uuid4())
    for _ in range(2):
        answer = report(house, slug, event_id=event, reason="danger", message=" It names\r\n a <witness>. ")
        assert (answer.status_code, answer.location) == (303, f"/petitions/{slug}/reported")
    assert house.client().get(answer.location).status_code == 200
    assert house.value("SELECT position('witness'::bytea in sealed) FROM inbox") == 0
    house.drain()
    [row] = house.sql("SELECT * FROM reports").all()
    assert (row.reason, row.state, row.decided_by) == ("danger", "new", None)
    assert row.message.split() == ["It", "names", "a", "<witness>."]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"message": "Typed with care"}, "reason"),
        ({"reason": "other", "message": "Typed with care " * 100}, "message"),
        ({"reason": "boring", "message": "Typed with care"}, "reason"),
    ],
)
def test_a_report_that_is_not_whole_comes_back_with_what_was_typed(
    house: House, slug: str, values: dict[str, str], field: str
) -> None:
    answer = report(house, slug, **values)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "Typed with care" in answer.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_the_worker_looks_again_and_takes_no_more_than_a_reviewer_can_read(house: House, make: Factory) -> None:
    petition = make.petition()

    def send(petition_id: int | None, **payload: object) -> None:
        with house.inside(Role.PUBLIC):
            append("report", petition_id, {"v": 1, "reason": "spam", "message": "", **payload}, uuid4())
        house.drain()

    for petition_id, wrong in (
        (petition, {"reason": "x"}),
        (petition, {"reason": ["spam"]}),
        (petition, {"message": None}),
        (petition, {"message": "x" * (MAX_REPORT + 1)}),
        (None, {}),
        (10**6, {}),
    ):
        send(petition_id, **wrong)
    assert house.value("SELECT count(*) FROM reports") == 0
    house.sql(
        "INSERT INTO reports (petition_id, reason, message, received_at) SELECT :p, 'spam', '', now() FROM generate_series(2, :n)",
        p=petition,
        n=REPORTS_KEPT,
    )
    for _ in range(2):
        send(petition)
    assert house.value("SELECT count(*) FROM reports") == REPORTS_KEPT
    send(make.petition(countries=()))
    assert house.value("SELECT count(*) FROM reports") == REPORTS_KEPT + 1
    assert house.value("SELECT count(*) FROM inbox WHERE state <> 'done'") == 0


def test_reasons_are_the_same_in_form_and_worker() -> None:
    assert tuple(REPORT_REASON_LABELS) == REPORT_REASONS
