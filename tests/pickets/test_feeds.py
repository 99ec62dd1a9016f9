"""Pickets for other programs and sites: every format at every address, the place in none before its hour, nothing to press."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import segno
from flask.testing import FlaskClient
from icalendar import Calendar, Event

from tests.conftest import House
from tests.factories import Factory
from tests.pickets.factories import BERLIN, city, picket, shift

ATOM = "{http://www.w3.org/2005/Atom}"
PLACE = "Aleja Szucha 23"
HIDDEN = {"place": PLACE, "district": "Mokotów"}
LISTS = ["/pickets", "/pickets/in/pl", "/pickets/in/pl/warsaw", "/pickets/for/it"]
OF_ONE = ["/pickets/aaa222/calendar.ics", "/pickets/aaa222/feed.atom", "/pickets/aaa222.json", "/pickets/aaa222/embed"]
EVERY = [
    *(f"{place}/{kind}" for place in LISTS for kind in ("calendar.ics", "feed.atom")), "/pickets.json", "/pickets.json?country=PL&petition=it", *OF_ONE,
]  # fmt: skip


def stand(house: House, make: Factory, **changes: Any) -> UUID:
    """A picket in Warsaw with the code aaa222, for the petition called `it`."""
    if not house.value("SELECT count(*) FROM petitions WHERE slug = 'it'"):
        make.petition(countries=("PL", "DE"), slug="it")
    petition_id = house.value("SELECT id FROM petitions WHERE slug = 'it'")
    return picket(house, make, **{"code": "aaa222", "petition_id": petition_id, **changes})


def in_days(days: float) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(second=0, microsecond=0)


def over(house: House, **changes: Any) -> None:
    """Change the picket past everything that would notice."""
    house.sql(
        f"UPDATE pickets SET {', '.join(f'{name} = :{name}' for name in changes)} WHERE code = 'aaa222'", **changes
    )


def events(client: FlaskClient, path: str) -> list[Event]:
    answer = client.get(path)
    assert answer.status_code == 200, path
    calendar = Calendar.from_ical(answer.data)
    assert isinstance(calendar, Calendar)
    assert not calendar.errors
    return calendar.events


def feed_at(client: FlaskClient, path: str) -> ElementTree.Element:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return ElementTree.fromstring(answer.data)  # noqa: S314  # Our own.


def codes(client: FlaskClient, path: str) -> list[str]:
    """Codes of the pickets in a list, in whatever form it comes."""
    if ".json" in path:
        return [one["code"] for one in client.get(path).json["pickets"]]
    if path.endswith(".ics"):
        return [event["URL"].rpartition("/")[2] for event in events(client, path)]
    return [entry.findtext(f"{ATOM}id", "").rpartition("/")[2] for entry in feed_at(client, path).iter(f"{ATOM}entry")]


# --- Which pickets, and where -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["calendar.ics", "feed.atom"])
def test_each_place_lists_its_pickets_and_no_others(house: House, make: Factory, kind: str) -> None:
    stand(house, make, changed_at=in_days(-1))
    other = make.petition(countries=(), slug="other")
    berlin = city(house, **BERLIN)
    stand(house, make, code="bbb222", city_id=berlin, starts_at=in_days(20), ends_at=in_days(20.1))
    ministry = house.value("SELECT addressee_id FROM pickets WHERE code = 'bbb222'")
    elsewhere = {"city_id": berlin, "petition_id": other, "addressee_id": ministry}
    stand(house, make, code="ccc222", **elsewhere, starts_at=in_days(30), ends_at=in_days(30.1))
    client = house.client()
    for place, meant in {
        "/pickets": {"aaa222", "bbb222", "ccc222"}, "/pickets/in/pl": {"aaa222"}, "/pickets/in/PL": {"aaa222"}, "/pickets/in/de": {"bbb222", "ccc222"},
        "/pickets/in/DE/berlin": {"bbb222", "ccc222"}, "/pickets/for/it": {"aaa222", "bbb222"}, "/pickets/in/fr": set(), "/pickets/aaa222": {"aaa222"},
        "/pickets/AAA222": {"aaa222"},
    }.items():  # fmt: skip
        assert set(codes(client, f"{place}/{kind}")) == meant, place
    assert codes(client, "/pickets.json") == ["aaa222", "bbb222", "ccc222"]
    assert codes(client, "/pickets.json?country=de&petition=it") == ["bbb222"]
    assert codes(client, "/pickets.json?country=&petition=") == ["aaa222", "bbb222", "ccc222"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/pickets{place}/{kind}"
            for place in ("/zzz999", "/in/xx", "/in/poland", "/in/ß", "/in/pl/nowhere", "/in/xx/warsaw", "/in/de/warsaw", "/for/nothing", "/for/hidden")
            for kind in ("calendar.ics", "feed.atom")
        ),
        "/pickets.json?country=xx", "/pickets.json?country=pol", "/pickets.json?petition=nothing", "/pickets/zzz999.json", "/pickets/zzz999/embed",
        "/pickets/zzz999/qr.svg",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(house: House, make: Factory, path: str) -> None:
    stand(house, make)
    make.petition(countries=(), slug="hidden", state="hidden")
    assert house.client().get(path).status_code == 404


@pytest.mark.parametrize("state", ["draft", "review", "notified"])
def test_what_is_not_announced_is_in_nothing(house: House, make: Factory, state: str) -> None:
    stand(house, make, state=state)
    client = house.client()
    for path in EVERY:
        answer = client.get(path)
        assert answer.status_code == (404 if path in OF_ONE else 200)
        assert PLACE not in answer.text
        assert path in OF_ONE or "aaa222" not in answer.text


def test_what_is_long_over_is_in_no_list(house: House, make: Factory) -> None:
    stand(house, make, state="held", starts_at=in_days(-61), ends_at=in_days(-60.9))
    stand(house, make, state="held", code="bbb222", starts_at=in_days(-59), ends_at=in_days(-58.9))
    client = house.client()
    for path in ("/pickets/calendar.ics", "/pickets/feed.atom", "/pickets.json"):
        assert codes(client, path) == ["bbb222"]


# --- The place ---------------------------------------------------------------------------------------------------------------


def test_a_place_that_is_told_late_is_in_nothing_before_its_hour_and_in_all_after(house: House, make: Factory) -> None:
    starts = in_days(1) + timedelta(minutes=5)
    stand(house, make, starts_at=starts, ends_at=starts + timedelta(hours=2), place_shown="late", **HIDDEN)
    over(house, announced_at=in_days(-2), changed_at=in_days(-2))
    client = house.client()
    for path in EVERY:
        text = client.get(path).data.replace(b"\r\n ", b"").decode()
        assert PLACE not in text, path
        assert "Szucha" not in text, path
        assert "Mokotów" in text or "Mokot\\u00f3w" in text, path
    before = events(client, EVERY[0])[0]
    over(house, starts_at=starts - timedelta(minutes=10))
    for path in EVERY:
        assert PLACE in client.get(path).data.replace(b"\r\n ", b"").decode(), path
    assert events(client, EVERY[0])[0].DTSTAMP > before.DTSTAMP


@pytest.mark.parametrize(
    "changes",
    [
        {"place_shown": "district", "starts_at": in_days(0.1), "ends_at": in_days(0.2)},
        {"place_shown": "late", "starts_at": in_days(0.5), "ends_at": in_days(0.6), "state": "cancelled", "cancelled_at": in_days(0)},
    ],
)  # fmt: skip
def test_a_place_that_is_never_told_is_in_nothing(house: House, make: Factory, changes: dict[str, Any]) -> None:
    stand(house, make, **HIDDEN, **changes)
    client = house.client()
    for path in EVERY:
        assert "Szucha" not in client.get(path).data.replace(b"\r\n ", b"").decode(), path
    assert client.get("/pickets/aaa222.json").json["place"] is None


# --- Calendars ---------------------------------------------------------------------------------------------------------------


def test_who_subscribed_learns_that_a_picket_is_cancelled(house: House, make: Factory) -> None:
    number = stand(house, make, changed_at=in_days(-1))
    client = house.client()
    for place in (*LISTS, "/pickets/aaa222"):
        path = f"{place}/calendar.ics?lang=en"
        over(house, state="announced", cancelled_at=None, sequence=0)
        [before] = events(client, path)
        over(house, state="cancelled", cancelled_at=datetime.now(UTC), changed_at=datetime.now(UTC), cancel_reason="permit", cancel_note="They said no.", sequence=1)  # fmt: skip
        [after] = events(client, path)
        assert before["STATUS"] == "CONFIRMED"
        assert after["STATUS"] == "CANCELLED"
        assert after["UID"] == before["UID"] == f"picket-{number}@localhost"
        assert after["SEQUENCE"] > before["SEQUENCE"]
        assert after["SUMMARY"].startswith("Cancelled: ")
        assert "They said no." in after["DESCRIPTION"]
        over(house, changed_at=in_days(-1))


def test_a_calendar_is_sent_as_one_and_stays_the_same_while_nothing_changes(house: House, make: Factory) -> None:
    stand(house, make)
    stand(house, make, code="bbb222", city_id=city(house, **BERLIN))
    client = house.client()
    for place in (*LISTS, "/pickets/aaa222"):
        first, second = (client.get(f"{place}/calendar.ics") for _time in range(2))
        assert first.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert re.fullmatch(r'inline; filename="[a-z0-9-]+\.ics"', first.headers["Content-Disposition"])
        assert first.headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=60"
        assert "Set-Cookie" not in first.headers
        assert first.data == second.data
        assert first.headers["ETag"] == second.headers["ETag"]
        unchanged = client.get(f"{place}/calendar.ics", headers={"If-None-Match": first.headers["ETag"]})
        assert unchanged.status_code == 304
    before = client.get("/pickets/calendar.ics").headers["ETag"]
    over(house, bring="A flag", changed_at=datetime.now(UTC))
    assert client.get("/pickets/calendar.ics").headers["ETag"] != before


def test_calendars_speak_the_language_that_is_asked_for(house: House, make: Factory) -> None:
    stand(house, make)
    client = house.client()
    polish = Calendar.from_ical(client.get("/pickets/in/pl/calendar.ics?lang=pl").data)
    assert "Polska" in polish["X-WR-CALNAME"]
    assert polish.events[0]["LOCATION"].endswith("Warszawa, Polska")
    english = Calendar.from_ical(client.get("/pickets/in/pl/calendar.ics", headers={"Accept-Language": "en"}).data)
    assert english["X-WR-CALNAME"] == "Pickets: Poland"
    assert english.events[0]["UID"] == polish.events[0]["UID"]


# --- Feeds -------------------------------------------------------------------------------------------------------------------


def test_feeds_are_well_formed_whatever_is_written_in_them(house: House, make: Factory) -> None:
    hostile = 'A <b>"title"</b> & more ]]> <!-- הפגנה'
    stand(house, make, title=hostile, place=hostile, bring=hostile, changed_at=in_days(-2))
    house.sql("UPDATE petition_texts SET title = :t", t=hostile)
    client = house.client()
    for place in (*LISTS, "/pickets/aaa222", "/pickets/in/fr"):
        answer = client.get(f"{place}/feed.atom?lang=en")
        assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        feed = feed_at(client, f"{place}/feed.atom?lang=en")
        assert feed.tag == f"{ATOM}feed"
        assert feed.findtext(f"{ATOM}id") == f"http://localhost{place}/feed.atom", "the same in every language"
        links = {link.get("rel"): link.get("href", "") for link in feed.findall(f"{ATOM}link")}
        assert links["self"] == f"http://localhost{place}/feed.atom?lang=en"
        assert client.get(links[None]).status_code == 200
        assert feed.findtext(f"{ATOM}title")
        assert datetime.fromisoformat(feed.findtext(f"{ATOM}updated", ""))
        for entry in feed.findall(f"{ATOM}entry"):
            assert entry.findtext(f"{ATOM}id") == "http://localhost/pickets/aaa222"
            assert entry.findtext(f"{ATOM}title") == hostile
            assert hostile in entry.findtext(f"{ATOM}content", "")
            assert len(entry) == 6
        assert len(feed.findall(f"{ATOM}entry")) == (place != "/pickets/in/fr")


def test_a_change_moves_an_entry_to_the_top_and_keeps_its_id(house: House, make: Factory) -> None:
    announced = {"announced_at": in_days(-3)}
    stand(house, make, changed_at=in_days(-2), **announced)
    stand(house, make, code="bbb222", changed_at=in_days(-1), **announced)
    client = house.client()
    assert codes(client, "/pickets/feed.atom") == ["bbb222", "aaa222"]
    moment = datetime.now(UTC)
    over(house, changed_at=moment, sequence=1)
    feed = feed_at(client, "/pickets/feed.atom")
    assert codes(client, "/pickets/feed.atom") == ["aaa222", "bbb222"]
    entry = feed.find(f"{ATOM}entry")
    assert entry is not None
    assert datetime.fromisoformat(entry.findtext(f"{ATOM}updated", "")) == moment
    assert datetime.fromisoformat(feed.findtext(f"{ATOM}updated", "")) == moment


def test_the_id_of_a_feed_does_not_depend_on_how_its_address_is_written(house: House, make: Factory) -> None:
    stand(house, make)
    client = house.client()
    for one, other in (("/pickets/in/PL", "/pickets/in/pl"), ("/pickets/AAA222", "/pickets/aaa222")):
        ids = {feed_at(client, f"{place}/feed.atom").findtext(f"{ATOM}id") for place in (one, other)}
        assert ids == {f"http://localhost{other}/feed.atom"}


# --- Data --------------------------------------------------------------------------------------------------------------------


FIELDS = {
    "code", "url", "state", "mode", "starts_at", "ends_at", "timezone", "country", "city", "lat", "lon", "place", "place_from", "district", "ministry",
    "petition", "language", "title", "about", "bring", "access", "organiser", "at_least", "announced_at", "changed_at", "sequence", "cancelled", "report",
}  # fmt: skip


def test_data_has_the_fields_that_are_documented(house: House, make: Factory) -> None:
    from pickets.routes import feeds

    starts = in_days(9)
    number = stand(
        house, make, starts_at=starts, ends_at=starts + timedelta(hours=2), lawyer_phone="+48 1", differs="x"
    )
    shift(house, number, seats=2)
    client = house.client()
    answer = client.get("/pickets/aaa222.json?lang=en")
    told = answer.json
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert set(told) == {*FIELDS, "shifts"}
    documented = set(re.findall(r"`([a-z_]+)`", feeds.as_json.__doc__ or ""))
    assert set(told) <= documented
    for part in ("ministry", "petition"):
        assert set(told[part]) <= documented
    assert told["url"] == "http://localhost/pickets/aaa222"
    assert told["petition"] == {"slug": "it", "title": "Do not recognise (en)", "url": "http://localhost/petitions/it"}
    assert (told["place"], told["city"], told["lat"], told["lon"]) == (PLACE, "Warsaw", 52.23, 21.01)
    assert datetime.fromisoformat(told["starts_at"]) == starts
    assert (
        datetime.fromisoformat(told["starts_at"]).utcoffset()
        == starts.astimezone(ZoneInfo("Europe/Warsaw")).utcoffset()
    )
    [seat] = told["shifts"]
    assert set(seat) == {"role", "starts_at", "ends_at", "seats", "free"} <= documented
    assert (seat["seats"], seat["free"]) == (2, 2)
    [listed] = client.get("/pickets.json?lang=en").json["pickets"]
    assert listed == {name: told[name] for name in FIELDS}
    assert "+48" not in answer.text


def test_data_of_what_is_cancelled_or_reported_says_so(house: House, make: Factory) -> None:
    number = stand(house, make)
    client = house.client()
    assert (client.get(OF_ONE[2]).json["cancelled"], client.get(OF_ONE[2]).json["report"]) == (None, None)
    over(house, state="reported", starts_at=in_days(-2), ends_at=in_days(-1.9))
    house.sql(
        "INSERT INTO picket_reports (picket_id, headcount, sheets, signatures, summary, publish_at)"
        " VALUES (:p, 41, 2, 19, 'It went well.', now() - interval '1 minute')",
        p=number,
    )
    report = {"people": 41, "sheets": 2, "signatures": 19, "summary": "It went well."}
    assert client.get(OF_ONE[2]).json["report"] == report
    assert "41 people came" in client.get("/pickets/aaa222/feed.atom?lang=en").text
    over(house, state="cancelled", cancelled_at=in_days(-3), cancel_reason="weather", cancel_note="Ice")
    told = client.get(OF_ONE[2]).json
    assert (told["state"], told["cancelled"]["reason"], told["cancelled"]["note"]) == ("cancelled", "weather", "Ice")


# --- For other sites and paper -------------------------------------------------------------------------------------------------


def test_the_card_may_be_shown_by_any_site_and_has_nothing_to_press(house: House, make: Factory) -> None:
    stand(house, make, title="<script>x</script>")
    client = house.client()
    card = client.get("/pickets/aaa222/embed?lang=en")
    assert card.status_code == 200
    policy = card.headers["Content-Security-Policy"]
    assert "frame-ancestors *" in policy
    assert "form-action 'none'" in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert "X-Frame-Options" not in card.headers
    assert card.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in card.headers
    for none in ("<form", "<script", "<button", "<input", "style=", "http://", "https://"):
        assert none not in card.text, none
    links = re.findall(r"<a [^>]*>", card.text)
    assert links
    assert all('target="_blank" rel="noopener"' in link and 'href="/pickets/aaa222?lang=en"' in link for link in links)
    assert "Read and come" in card.text
    over(house, state="cancelled", cancelled_at=datetime.now(UTC))
    cancelled = client.get("/pickets/aaa222/embed?lang=en").text
    assert "Cancelled: please do not come" in cancelled
    assert "Read and come" not in cancelled
    assert "frame-ancestors 'none'" in client.get("/pickets/zzz999/embed").headers["Content-Security-Policy"]


def test_the_qr_code_leads_to_the_page_whatever_the_language(house: House, make: Factory) -> None:
    stand(house, make)
    drawn = io.BytesIO()
    segno.make("http://localhost/pickets/aaa222", error="m").save(
        drawn, kind="svg", scale=8, border=4, dark="#1b2430", light="#fff"
    )
    answer = house.client().get("/pickets/AAA222/qr.svg?lang=pl")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Cache-Control"].startswith("public, max-age=86400,")
    assert answer.data == drawn.getvalue()


def test_no_format_names_a_person(house: House, make: Factory) -> None:
    number = stand(house, make, alias="The Warsaw circle")
    house.sql(
        "INSERT INTO participants (id, event_id, picket_id, state, people) VALUES (gen_random_uuid(), gen_random_uuid(), :p, 'coming', 3)",
        p=number,
    )
    client = house.client()
    for path in EVERY:
        text = client.get(path).text
        for none in ("ORGANIZER", "ATTENDEE", "mailto:", "@example.org"):
            assert none not in text, (path, none)
        assert ("The Warsaw circle" in text) == (".json" in path), path
    assert client.get(OF_ONE[2]).json["at_least"] == 0
