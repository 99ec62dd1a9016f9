"""News and reports: nothing goes out without a second person, and nothing waits for the wrong one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from tests.conftest import House
from tests.factories import Factory, enter, hidden, post
from tests.petitions.test_editing import begin, revised
from tests.petitions.test_review import decide, waiting

NEWS = {"title": "Handed over", "body": "The **ministry** took it."}


@pytest.fixture
def petition(make: Factory) -> int:
    return make.petition()


@pytest.fixture
def creator(house: House, make: Factory, petition: int) -> FlaskClient:
    return enter(house, make.account(petition))


@pytest.fixture
def reviewer(house: House, make: Factory) -> FlaskClient:
    return enter(house, make.account(role="reviewer"))


def write(client: FlaskClient, petition: int, language: str = "en", path: str = "", **changes: str) -> str:
    """Write news. Returns the address of its page."""
    path = path or f"/petitions/{petition}/news/{uuid4()}"
    answer = revised(client, f"{path}/{language}", **{**NEWS, **changes})
    assert answer.status_code == 303, answer.text
    assert answer.location == path
    return path


def test_news_is_published_in_each_language_once_a_reviewer_agreed(
    house: House, petition: int, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    path = write(creator, petition)
    write(creator, petition, "pl", path, title="Przekazano")
    assert post(creator, f"{path}/submission", reason="").status_code == 303
    assert house.value("SELECT count(*) FROM pub.news") == 0
    approval = waiting(house, petition, "petition_news")
    assert path in reviewer.get(f"/approvals/{approval}").text
    assert "<strong>ministry</strong>" in reviewer.get(path).text
    assert post(creator, f"{path}/en", **NEWS, revision="2").status_code == 409, "locked"
    assert decide(creator, approval).status_code in (403, 404)
    decide(reviewer, approval)
    assert set(house.sql("SELECT language, title FROM pub.news").all()) == {("en", "Handed over"), ("pl", "Przekazano")}
    assert house.value("SELECT count(*) FROM mailings WHERE queued = 0 AND finished_at IS NULL") == 1
    assert "0 mails are queued so far" in creator.get(path).text
    assert post(creator, f"{path}/en", **NEWS, revision="2").status_code == 409, "what is out is out"


def test_refused_news_is_a_draft_again(
    house: House, petition: int, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    path = write(creator, petition)
    post(creator, f"{path}/submission", reason="")
    decide(reviewer, waiting(house, petition, "petition_news"), "refuse", "Say when.")
    page = creator.get(path).text
    assert "Say when." in page
    write(creator, petition, path=path, body="On Monday.")
    post(creator, f"{path}/submission", reason="")
    assert waiting(house, petition, "petition_news")


def test_a_draft_goes_with_its_last_language(house: House, petition: int, creator: FlaskClient) -> None:
    path = write(creator, petition)
    write(creator, petition, "pl", path, title="Przekazano")
    assert post(creator, f"{path}/pl/removal").location == path
    assert "Przekazano" not in creator.get(path).text
    list_of_all = f"/petitions/{petition}/news"
    assert NEWS["title"] in creator.get(list_of_all).text
    assert post(creator, f"{path}/en/removal").location == list_of_all
    assert "Nothing yet." in creator.get(list_of_all).text
    assert post(creator, f"{path}/submission", reason="").status_code == 303
    assert house.value("SELECT count(*) FROM approvals WHERE kind = 'petition_news'") == 0, (
        "nothing is there to agree to"
    )


def test_two_who_write_the_same_news_lose_nothing(
    house: House, make: Factory, petition: int, creator: FlaskClient
) -> None:
    path = write(creator, petition)
    opened = hidden(creator.get(f"{path}/en").text, "revision")
    write(enter(house, make.account(petition)), petition, path=path, body="Theirs.")
    answer = post(creator, f"{path}/en", title="Handed over", body="Mine.", revision=opened)
    assert answer.status_code == 409
    assert "Mine.</textarea>" in answer.text
    assert "Theirs." in answer.text
    assert (
        post(creator, f"{path}/en", title="x", body="Mine.", revision=hidden(answer.text, "revision")).status_code
        == 303
    )


@pytest.mark.parametrize("wrong", [{"title": ""}, {"title": "x" * 121}, {"body": " "}, {"body": "x" * 5001}])
def test_wrong_news_is_told_and_kept(house: House, petition: int, creator: FlaskClient, wrong: dict[str, str]) -> None:
    answer = revised(creator, f"/petitions/{petition}/news/{uuid4()}/en", **{**NEWS, **wrong})
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert house.value("SELECT count(*) FROM news") == 0


def test_news_of_another_petition_and_of_a_draft_is_not_there(
    house: House, make: Factory, petition: int, creator: FlaskClient
) -> None:
    path = write(creator, petition)
    other = make.petition(countries=())
    foreign = path.replace(f"/petitions/{petition}/", f"/petitions/{other}/")
    client = enter(house, make.account(other))
    assert client.get(path).status_code == client.get(foreign).status_code == 404
    assert post(client, f"{foreign}/en", **NEWS, revision="1").status_code == 404
    draft = begin(creator)
    assert post(creator, f"/petitions/{draft}/news/{uuid4()}/en", **NEWS, revision="0").status_code == 409


# --- Reports ------------------------------------------------------------------------------------------------------------


def reported(house: House, petition: int, message: str = "Look at the third line.") -> int:
    return int(
        house.value(
            "INSERT INTO reports (petition_id, reason, message, received_at) VALUES (:p, 'untrue', :m, now()) RETURNING id",
            p=petition,
            m=message,
        )
    )


def states(house: House) -> dict[int, Any]:
    return dict(house.sql("SELECT id, state FROM reports").all())


def test_reports_are_read_dealt_with_and_brought_back(house: House, petition: int, reviewer: FlaskClient) -> None:
    first, second = reported(house, petition, "<b>one</b>"), reported(house, petition)
    assert "2 reports of visitors wait." in reviewer.get("/").text
    page = reviewer.get("/reports").text
    assert "&lt;b&gt;one" in page
    assert f"/petitions/{petition}/hiding" in page
    post(reviewer, "/reports/dismissal", row=[first])
    post(reviewer, "/reports/action", row=[second])
    assert states(house) == {first: "dismissed", second: "acted"}
    assert house.value("SELECT count(*) FROM reports WHERE decided_by IS NOT NULL AND decided_at IS NOT NULL") == 2
    post(reviewer, "/reports/return", row=[first])
    assert states(house)[first] == "new"
    assert house.value("SELECT decided_by FROM reports WHERE id = :i", i=first) is None
    assert "No report matches." in reviewer.get(f"/reports?petition={petition}&state=dismissed").text


def test_reviewers_of_one_petition_read_and_decide_its_reports_alone(
    house: House, make: Factory, petition: int
) -> None:
    own, foreign = reported(house, petition, "Mine."), reported(house, make.petition(countries=()), "Foreign.")
    client = enter(house, make.account(petition, role="reviewer"))
    page = client.get("/reports").text
    assert "Mine." in page
    assert "Foreign." not in page
    post(client, "/reports/dismissal", row=[own, foreign])
    assert states(house) == {own: "dismissed", foreign: "new"}
    of_a_country = enter(house, make.account(petition, role="reviewer", country="PL"))
    assert "Mine." not in of_a_country.get("/reports").text
    assert enter(house, make.account(petition)).get("/reports").status_code == 403
