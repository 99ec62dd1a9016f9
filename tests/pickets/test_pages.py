"""What the public reads of pickets: lists, filters, the nearest, cities, one picket, and what a petition's page says of them."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from core.config import Role
from pickets import forms, reading
from tests.conftest import House
from tests.factories import Factory
from tests.pickets.factories import BERLIN, VILNIUS, city, picket, shift


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


def pages_of(house: House, *codes: str) -> list[str]:
    """Every page that tells of pickets in Warsaw."""
    slug = house.value("SELECT slug FROM petitions ORDER BY id LIMIT 1")
    lists = ["/pickets/", "/pickets/?near=Warsaw", "/pickets/in/pl", "/pickets/in/pl/warsaw", f"/petitions/{slug}"]
    return [*lists, *(f"/pickets/{code}{of}" for code in codes for of in ("", "/embed", "/join"))]


def test_a_hidden_place_is_on_no_page_before_its_hour(house: House, make: Factory) -> None:
    hidden = {"place": "Behind the opera", "district": "Śródmieście"}
    late = code_of(house, picket(house, make, place_shown="late", **hidden))
    never = code_of(house, picket(house, make, place_shown="district", **hidden))
    client = house.client()
    for path in pages_of(house, late, never):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "opera" not in page.text, path
        assert path.startswith("/petitions/") or "Śródmieście" in page.text, path
    house.sql("UPDATE pickets SET starts_at = now() + interval '23 hours', ends_at = now() + interval '25 hours'")
    for path in pages_of(house, never):
        times = client.get(path).text.count("opera")
        # In lists only the late one shows it; the petition's page names no place at all.
        assert times == (0 if never in path or path.startswith("/petitions/") else 1), path
    for path in pages_of(house, late)[-3:]:
        assert "Behind the opera" in client.get(path).text, path


@pytest.mark.parametrize("state", ["announced", "held", "reported", "cancelled"])
def test_a_place_for_participants_alone_stays_hidden_whatever_becomes_of_the_picket(
    house: House, make: Factory, state: str
) -> None:
    now = datetime.now(UTC)
    over = {} if state == "announced" else {"starts_at": now - timedelta(hours=5), "ends_at": now - timedelta(hours=3)}
    if state == "cancelled":
        over = {"cancelled_at": now, "starts_at": now + timedelta(hours=3), "ends_at": now + timedelta(hours=5)}
    here = picket(house, make, state=state, place="Behind the opera", place_shown="district", district="Wola", **over)
    client = house.client()
    for path in pages_of(house, code_of(house, here)):
        assert "opera" not in client.get(path).text, path


# --- What one page says ------------------------------------------------------------------------------------------------------


def outline(page: str) -> list[int]:
    """Levels of the headings, in their order."""
    return [int(level) for level in re.findall(r"<h([1-6])[ >]", page)]


@pytest.mark.parametrize("state", ["announced", "held", "reported", "cancelled"])
def test_the_name_comes_first_among_headings_and_no_level_is_left_out(house: House, make: Factory, state: str) -> None:
    changes = {"cancelled_at": datetime.now(UTC)} if state == "cancelled" else {}
    levels = outline(house.client().get(f"/pickets/{code_of(house, picket(house, make, state=state, **changes))}").text)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_what_is_over_says_so_before_and_after_its_report(house: House, make: Factory) -> None:
    here = picket(house, make, about="We stand in silence.", bring="A warm coat.")
    path, client = f"/pickets/{code_of(house, here)}", house.client()
    page = client.get(path).text
    assert "This picket is over." not in page
    assert "What will happen" in page
    assert "A warm coat." in page
    house.sql("UPDATE pickets SET starts_at = now() - interval '3 hours', ends_at = now() - interval '1 minute'")
    page = client.get(path).text
    assert "This picket is over." in page, "by the clock, before the worker has been there"
    assert "What its organisers report will stand here." in page
    assert "What was planned" in page
    assert "A warm coat." not in page, "nobody need bring anything any more"
    house.sql("UPDATE pickets SET state = 'reported'")
    house.sql(
        "INSERT INTO picket_reports (picket_id, headcount, sheets, signatures, summary, publish_at) VALUES (:p, 45, 3, 234, '', now())",
        p=here,
    )
    page = client.get(path).text
    assert "This picket is over." in page
    assert "will stand here" not in page


def test_that_hours_or_place_have_changed_since_it_was_announced_is_said(house: House, make: Factory) -> None:
    path, client = f"/pickets/{code_of(house, picket(house, make))}", house.client()
    assert "Time or place have changed" not in client.get(path).text, "it stands as it was announced"
    house.sql("UPDATE pickets SET sequence = 1")
    assert "Time or place have changed since it was announced: read them anew." in client.get(path).text
    house.sql("UPDATE pickets SET state = 'cancelled', cancelled_at = now(), sequence = 2")
    assert "Time or place have changed" not in client.get(path).text
    house.sql(
        "UPDATE pickets SET state = 'held', cancelled_at = NULL, starts_at = now() - interval '3 hours', ends_at = now() - interval '1 hour'"
    )
    assert "Time or place have changed" not in client.get(path).text


def test_nobody_can_join_one_person(house: House, make: Factory) -> None:
    hidden = {"place_shown": "district", "district": "Wola"}
    here = picket(house, make, mode="single_person", people=1, **hidden)
    shift(house, here)
    for _each in range(2):
        house.sql(
            "INSERT INTO participants (id, event_id, picket_id, state, people) VALUES (gen_random_uuid(), gen_random_uuid(), :p, 'coming', 10)",
            p=here,
        )
    code, client = code_of(house, here), house.client()
    page = client.get(f"/pickets/{code}").text
    assert "One person stands there; others cannot join." in page
    for none in (f"/pickets/{code}/join", "said that they come", "choose a shift", "participants who leave an address"):
        assert none not in page, none
    assert "said that they come" not in client.get("/pickets/in/pl").text
    assert "Read and come" not in client.get(f"/pickets/{code}/embed").text
    assert client.get(f"/pickets/{code}/join").status_code == 410
    assert client.get(f"/pickets/{code}.json").json["shifts"] == []
    house.sql("UPDATE pickets SET mode = 'static_assembly'")
    page = client.get(f"/pickets/{code}").text
    for some in (f"/pickets/{code}/join", "said that they come", "choose a shift", "participants who leave an address"):
        assert some in page, some


# --- Narrowed lists ----------------------------------------------------------------------------------------------------------


def in_warsaw_and_berlin(house: House, make: Factory) -> tuple[int, int]:
    """A picket of one petition in Warsaw next week, and one of another in Berlin in forty days. Returns the petitions' numbers."""
    first, other = make.petition(slug="first"), make.petition(countries=("DE",), slug="other")
    picket(house, make, petition_id=first, title="In Poland")
    ministry = house.value("SELECT addressee_id FROM petition_routes WHERE petition_id = :p", p=other)
    there = {"petition_id": other, "addressee_id": ministry, "city_id": city(house, **BERLIN), "title": "In Germany"}
    picket(house, make, starts_at=datetime.now(UTC) + timedelta(days=40), **there)
    return first, other


def test_map_and_cities_show_what_the_list_shows(house: House, make: Factory) -> None:
    first, other = in_warsaw_and_berlin(house, make)
    client, later = house.client(), f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}"
    for query, cities in {
        "": {"warsaw", "berlin"},
        "country=DE": {"berlin"},
        f"petition={first}": {"warsaw"},
        f"petition={other}": {"berlin"},
        f"first={later}": {"berlin"},
        f"last={later}": {"warsaw"},
        f"petition={first}&first={later}": set(),
    }.items():
        page = client.get(f"/pickets/?{query}").text
        assert set(re.findall(r'class="map-spot" href="/pickets/in/../(\w+)"', page)) == cities, query
        assert set(re.findall(r'<li><a href="/pickets/in/../(\w+)"', page)) == cities, query
        listed = {"warsaw": "In Poland", "berlin": "In Germany"}
        assert {name for name, title in listed.items() if title in page} == cities, query


def test_a_narrowed_list_leads_to_calendar_feed_and_data_of_the_same(house: House, make: Factory) -> None:
    _first, other = in_warsaw_and_berlin(house, make)
    client = house.client()
    for query, narrowed in {
        "": "",
        "country=PL": "?country=PL",
        f"petition={other}": "?petition=other",
        f"country=DE&petition={other}&first=2020-01-01": "?country=DE&petition=other",
    }.items():
        page = html.unescape(client.get(f"/pickets/?{query}").text)
        for path in ("/pickets/calendar.ics", "/pickets/feed.atom", "/pickets.json"):
            assert f'href="{path}{narrowed}"' in page, (query, path)
            assert client.get(f"{path}{narrowed}").status_code == 200
        assert ("on all days" in page) == bool(narrowed)
    told = html.unescape(client.get("/petitions/other").text)
    for path in ("/pickets/for/other/calendar.ics", "/pickets/for/other/feed.atom", "/pickets.json?petition=other"):
        assert f'href="{path}"' in told
        assert client.get(path).status_code == 200


def test_nobody_is_sent_from_one_city_to_a_cancelled_picket_in_another(house: House, make: Factory) -> None:
    city(house, **VILNIUS)
    picket(house, make, title="The cancelled one", state="cancelled", cancelled_at=datetime.now(UTC))
    picket(house, make, title="The far one", city_id=city(house, **BERLIN))
    page = house.client().get("/pickets/in/lt/vilnius").text
    assert "The far one" in page
    assert "The cancelled one" not in page


def test_a_petition_that_the_form_would_not_offer_can_be_asked_for(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = in_warsaw_and_berlin(house, make)
    monkeypatch.setattr(forms, "FIRST_PETITIONS", 1)
    for petition, mine, foreign in ((first, "In Poland", "In Germany"), (other, "In Germany", "In Poland")):
        page = house.client().get(f"/pickets/?petition={petition}").text
        assert mine in page
        assert foreign not in page


def test_a_petition_tells_of_its_next_dates_when_all_of_them_are_cancelled(house: House, make: Factory) -> None:
    picket(house, make, state="cancelled", cancelled_at=datetime.now(UTC))
    page = house.client().get(f"/petitions/{house.value('SELECT slug FROM petitions')}").text
    assert "Warsaw, Poland" in page
    assert "<strong>Cancelled</strong>" in page


# --- Many --------------------------------------------------------------------------------------------------------------------


def crowd(house: House, make: Factory, number: int, days: float, letter: str) -> None:
    """So many pickets in Berlin, so many days from now; their codes begin with the letter."""
    starts = datetime.now(UTC) + timedelta(days=days)
    state = "announced" if days > 0 else "held"
    here = picket(house, make, city_id=city(house, **BERLIN), code=f"{letter}00000", starts_at=starts, state=state)
    house.sql(
        "INSERT INTO pickets (id, code, petition_id, addressee_id, city_id, state, language, alias, starts_at, ends_at, place, people, announced_at)"
        " SELECT gen_random_uuid(), CAST(:l AS text) || lpad(i::text, 5, '0'), petition_id, addressee_id, city_id, state, language, alias, starts_at, ends_at, place, people, announced_at"
        " FROM pickets, generate_series(1, :n) AS i WHERE id = :p",
        l=letter,
        n=number - 1,
        p=here,
    )


def test_of_many_the_nearest_is_found_and_the_list_says_that_it_is_cut(house: House, make: Factory) -> None:
    crowd(house, make, 200, 3, "m")
    picket(house, make, title="The near one", starts_at=datetime.now(UTC) + timedelta(days=9))
    city(house, "Wilno", **VILNIUS)
    client = house.client()
    page = client.get("/pickets/").text
    assert "The near one" not in page
    assert "Filter it to see the others" in page
    page = client.get("/pickets/?near=Wilno").text
    assert "The near one" in page
    assert "The near one" in client.get("/pickets/in/lt/vilnius").text
    assert "Filter it to see the others" not in client.get("/pickets/?country=PL").text


def test_calendars_hold_all_that_is_to_come_however_many_are_over(house: House, make: Factory) -> None:
    crowd(house, make, 210, -3, "m")
    crowd(house, make, 210, 3, "k")
    told = [one["code"] for one in house.client().get("/pickets.json").json["pickets"]]
    assert len(told) == 420
    assert all(code.startswith("m") for code in told[:210])
    assert house.client().get("/pickets/calendar.ics").text.count("BEGIN:VEVENT") == 420


def test_what_is_over_gives_way_to_what_is_to_come(house: House, make: Factory) -> None:
    crowd(house, make, 3, -3, "m")
    crowd(house, make, 2, -5, "o")
    crowd(house, make, 2, 3, "k")
    with house.app(Role.PUBLIC).test_request_context():
        for most, kinds in {1: "k", 2: "kk", 4: "mmkk", 6: "ommmkk", 9: "oommmkk"}.items():
            cards = reading.list_for_calendars("en", most=most)
            assert "".join(one.picket.code[0] for one in cards) == kinds
