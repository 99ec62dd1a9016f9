"""What the public reads of pickets: lists, filters, the nearest, cities, one picket, and what a petition's page says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import House
from tests.factories import Factory
from tests.pickets.factories import BERLIN, VILNIUS, city, picket


def code_of(house: House, picket_id: object) -> str:
    return str(house.value("SELECT code FROM pickets WHERE id = :p", p=picket_id))


@pytest.mark.parametrize("state", ["draft", "review", "notified"])
def test_what_is_not_announced_is_on_no_page(house: House, make: Factory, state: str) -> None:
    here = picket(house, make, state=state, place="Behind the opera")
    client = house.client()
    assert client.get(f"/pickets/{code_of(house, here)}").status_code == 404
    for path in ("/pickets/", "/pickets/in/pl", "/pickets/in/pl/warsaw", "/pickets.json", "/pickets/calendar.ics"):
        assert "opera" not in client.get(path).text, path


@pytest.mark.parametrize("typed", ["Вільня", "Wilno", "vilnius", "Vilnius, Літва"])
def test_the_nearest_to_a_city_typed_in_any_language_comes_first(house: House, make: Factory, typed: str) -> None:
    city(house, "Вільня", "Wilno", **VILNIUS)
    far = picket(house, make, city_id=city(house, **BERLIN), title="The far one")
    near = picket(house, make, title="The near one")
    assert far != near
    page = house.client().get("/pickets/", query_string={"near": typed}).text
    assert page.index("The near one") < page.index("The far one")
    assert "393 km away" in page


def test_filters_narrow_and_a_wrong_one_is_told(house: House, make: Factory) -> None:
    picket(house, make, title="In Poland")
    picket(
        house, make, city_id=city(house, **BERLIN), title="In Germany", starts_at=datetime.now(UTC) + timedelta(days=40)
    )
    client = house.client()
    page = client.get("/pickets/?country=DE").text
    assert "In Germany" in page
    assert "In Poland" not in page
    later = f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}"
    assert "In Poland" not in client.get(f"/pickets/?first={later}").text
    assert "In Germany" not in client.get(f"/pickets/?last={later}").text
    assert "Enter a date" in client.get("/pickets/?first=soon").text
    petition = house.value("SELECT min(id) FROM petitions")
    assert "In Poland" in client.get(f"/pickets/?petition={petition}").text


def test_a_cancelled_one_stays_with_its_reason_until_it_would_have_ended(house: House, make: Factory) -> None:
    here = picket(
        house,
        make,
        state="cancelled",
        cancelled_at=datetime.now(UTC),
        cancel_reason="permit",
        cancel_note="The mayor said no.",
    )
    client = house.client()
    page = client.get(f"/pickets/{code_of(house, here)}").text
    assert "please do not come" in page
    assert "The mayor said no." in page
    assert "/join" not in page
    assert "please do not come" in client.get("/pickets/").text
    house.sql("UPDATE pickets SET starts_at = now() - interval '3 hours', ends_at = now() - interval '1 hour'")
    assert "please do not come" not in client.get("/pickets/").text
    assert client.get(f"/pickets/{code_of(house, here)}").status_code == 200


def test_a_report_feeds_its_page_the_city_and_the_petition(house: House, make: Factory) -> None:
    now = datetime.now(UTC)
    here = picket(house, make, state="reported", starts_at=now - timedelta(hours=5), ends_at=now - timedelta(hours=3))
    picket(house, make, city_id=city(house, **BERLIN))
    house.sql(
        "INSERT INTO picket_reports (picket_id, headcount, sheets, signatures, summary, publish_at) VALUES (:p, 45, 3, 234, 'Quiet.', now() + interval '1 hour')",
        p=here,
    )
    client, slug = house.client(), house.value("SELECT slug FROM petitions ORDER BY id LIMIT 1")
    pages = [f"/pickets/{code_of(house, here)}", "/pickets/in/pl/warsaw", f"/petitions/{slug}"]
    assert not any("234" in client.get(path).text for path in pages), "not before its time"
    house.sql("UPDATE picket_reports SET publish_at = now()")
    assert all("234" in client.get(path).text for path in pages)
    page = client.get(f"/petitions/{slug}").text
    assert "1 picket was held, in 1 city" in page
    assert "Berlin, Germany" in page


def test_the_codes_on_papers_lead_to_the_form_with_their_pass(house: House, make: Factory) -> None:
    here, slug = picket(house, make), house.value("SELECT slug FROM petitions ORDER BY id LIMIT 1")
    answer = house.client().get(f"/p/{code_of(house, here)}?pass=abc")
    assert (answer.status_code, answer.location) == (303, f"/petitions/{slug}/sign?pass=abc")
    assert house.client().get("/p/zzzzzz").status_code == 404


def test_times_are_those_of_the_place_with_its_zone(house: House, make: Factory) -> None:
    starts = datetime(2027, 3, 28, 10, 0, tzinfo=UTC)  # The day on which clocks go forward.
    here = picket(house, make, starts_at=starts)
    page = house.client().get(f"/pickets/{code_of(house, here)}").text
    assert "Sunday, 28 March 2027, 12:00" in page
    assert "CEST" in page
    batumi = city(
        house, id=615532, name="Batumi", country_code="GE", slug="batumi", timezone="Asia/Tbilisi", lat=41.6, lon=41.6
    )
    there = picket(house, make, city_id=batumi)
    assert "UTC+04" in house.client().get(f"/pickets/{code_of(house, there)}").text


@pytest.mark.parametrize(
    "path", ["/pickets/in/xx", "/pickets/in/ß", "/pickets/in/pl/atlantis", "/pickets/none99", "/pickets/none99/join"]
)
def test_what_is_nowhere_is_not_found(house: House, path: str) -> None:
    assert house.client().get(path).status_code == 404


def test_a_hidden_place_is_on_no_page_before_its_hour(house: House, make: Factory) -> None:
    for shown in ("late", "district"):
        here = picket(house, make, place="Behind the opera", place_shown=shown, district="Śródmieście")
        page = house.client().get(f"/pickets/{code_of(house, here)}").text
        assert "opera" not in page
        assert "Śródmieście" in page
    house.sql("UPDATE pickets SET starts_at = now() + interval '23 hours', ends_at = now() + interval '25 hours'")
    seen = [
        house.client().get(f"/pickets/{code}").text.count("opera") > 0
        for code in house.sql("SELECT code FROM pickets ORDER BY place_shown").scalars()
    ]
    assert seen == [False, True], "the district alone stays so; the late one shows"
