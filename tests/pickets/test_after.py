"""The report: once a picket is over, from those who look after it, public now or later, and corrected afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from core.config import Role
from tests.conftest import House
from tests.factories import Factory, enter, post
from tests.pickets.factories import organiser, picket

TOLD = {
    "headcount": "34", "sheets": "3", "signatures": "41", "summary": "Calm, many passers-by.", "incidents": "A camera in a window.",
    "improve": "More pens.", "later": "now",
}  # fmt: skip
YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.fixture
def over(house: House, make: Factory) -> UUID:
    """A picket that ended yesterday."""
    return picket(house, make, starts_at=YESTERDAY)


@pytest.fixture
def client(house: House, make: Factory, over: UUID) -> FlaskClient:
    """Its organiser."""
    return enter(house, organiser(house, make, over))


def send(client: FlaskClient, picket_id: UUID, **changes: Any) -> Any:
    values = TOLD | changes
    kept = {name: value for name, value in values.items() if value is not None}
    return post(client, f"/pickets/{picket_id}/report", **kept)


def public_reports(house: House) -> list[Any]:
    """What the public web may read."""
    with house.acting(Role.PUBLIC):
        return list(house.sql("SELECT * FROM pub.picket_reports"))


def row_of(house: House, picket_id: UUID) -> Any:
    return house.sql("SELECT * FROM picket_reports WHERE picket_id = :p", p=picket_id).one()


def test_a_report_is_kept_shown_and_written_down(house: House, client: FlaskClient, over: UUID) -> None:
    assert "How many people came" in client.get(f"/pickets/{over}/report").text
    answer = send(client, over)
    assert (answer.status_code, answer.location) == (303, f"/pickets/{over}/photos")
    row = row_of(house, over)
    assert (row.headcount, row.sheets, row.signatures, row.improve) == (34, 3, 41, "More pens.")
    assert house.value("SELECT state FROM pickets WHERE id = :p", p=over) == "reported"
    assert (
        house.value("SELECT count(*) FROM audit WHERE action = 'picket.reported' AND object_id = :p", p=str(over)) == 1
    )
    (told,) = public_reports(house)
    assert (told.headcount, told.summary) == (34, "Calm, many passers-by.")
    assert not {"incidents", "improve"} & set(told._fields), "what happened stays inside"


def test_one_that_is_to_be_public_later_is_not_there_before(house: House, client: FlaskClient, over: UUID) -> None:
    assert send(client, over, later="3").status_code == 303
    days = house.value("SELECT publish_at - now() FROM picket_reports")
    assert timedelta(days=2, hours=23) < days <= timedelta(days=3)
    assert public_reports(house) == []
    house.sql("UPDATE picket_reports SET publish_at = now()")
    assert len(public_reports(house)) == 1


def test_what_is_saved_again_keeps_its_day_unless_another_is_chosen(
    house: House, client: FlaskClient, over: UUID
) -> None:
    send(client, over, later="7")
    first = row_of(house, over).publish_at
    page = client.get(f"/pickets/{over}/report").text
    assert "On the day that was chosen" in page
    assert 'value="34"' in page
    send(client, over, later="", headcount="35")
    assert (row_of(house, over).publish_at, row_of(house, over).headcount) == (first, 35)
    send(client, over, later="1")
    assert row_of(house, over).publish_at < first


def test_a_public_report_is_corrected_and_not_hidden_again(house: House, client: FlaskClient, over: UUID) -> None:
    send(client, over)
    first = row_of(house, over).publish_at
    assert 'name="later"' not in client.get(f"/pickets/{over}/report").text
    assert send(client, over, later="7", summary="Calm; a camera.").status_code == 303
    assert (row_of(house, over).publish_at, row_of(house, over).summary) == (first, "Calm; a camera.")
    assert [one.summary for one in public_reports(house)] == ["Calm; a camera."]


@pytest.mark.parametrize(
    ("field", "typed"),
    [("headcount", ""), ("headcount", "-1"), ("headcount", "many"), ("sheets", "10001"), ("later", "30"), ("summary", "x" * 2001)],
)  # fmt: skip
def test_what_is_wrong_is_told_beside_its_field_and_kept(
    house: House, client: FlaskClient, over: UUID, field: str, typed: str
) -> None:
    answer = send(client, over, **{field: typed})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "A camera in a window." in answer.text
    assert house.value("SELECT count(*) FROM picket_reports") == 0


@pytest.mark.parametrize("state", ["draft", "review", "notified", "announced", "cancelled"])
def test_there_is_no_report_of_what_was_not_held(house: House, make: Factory, state: str) -> None:
    changes: dict[str, Any] = {"cancelled_at": datetime.now(UTC)} if state == "cancelled" else {}
    one = picket(house, make, state=state, **changes)
    client = enter(house, organiser(house, make, one))
    for answer in (client.get(f"/pickets/{one}/report"), send(client, one), client.get(f"/pickets/{one}/photos")):
        assert (answer.status_code, answer.location) == (303, f"/pickets/{one}")
    assert house.value("SELECT count(*) FROM picket_reports") == 0


def test_a_coordinator_reports_too_and_a_stranger_finds_nothing(house: House, make: Factory, over: UUID) -> None:
    petition = house.value("SELECT petition_id FROM pickets WHERE id = :p", p=over)
    assert send(enter(house, make.account(petition, country="PL")), over).status_code == 303
    for account in (make.account(petition, country="DE"), make.account(petition, role="organiser", country="PL")):
        stranger = enter(house, account)
        assert stranger.get(f"/pickets/{over}/report").status_code == 404
        assert send(stranger, over, headcount="1").status_code == 404
    assert row_of(house, over).headcount == 34


@pytest.mark.parametrize("language", ["en", "be", "pl"])
def test_its_pages_can_be_read_in_every_language(client: FlaskClient, over: UUID, language: str) -> None:
    for page in ("report", "photos"):
        assert client.get(f"/pickets/{over}/{page}?lang={language}").status_code == 200
