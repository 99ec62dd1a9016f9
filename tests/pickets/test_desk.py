"""The desk: from the form to the public page, by the ordinary way and shorter ones; and what cannot be done, or not by whom."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from core.config import LANGUAGES, Role
from pickets import care
from pickets.console.frame import hours_there, span
from pickets.models import Picket
from tests.accounts.test_login import mails
from tests.conftest import House
from tests.factories import Factory, enter, hidden, post
from tests.pickets.factories import BERLIN, VILNIUS, WARSAW, city, organiser, picket, shift

ZONE = ZoneInfo("Europe/Warsaw")
FILLED = {
    "city": "Warsaw", "begins": "12:00", "ends": "14:00", "mode": "static_assembly", "people": "30", "place": "Aleja Szucha 23",
    "place_shown": "exact", "alias": "Ala", "language": "en", "addressee": "",
}  # fmt: skip
ALLOWED = {"brief_read_at": datetime.now(UTC), "eligible": "yes"}
NOWHERE = {"id": 2993458, "name": "Monaco", "country_code": "MC", "slug": "monaco", "lat": 43.7333, "lon": 7.4167, "timezone": "Europe/Monaco", "population": 32965}  # fmt: skip
"""Where we know no rule."""
CONCERNS = ["stale"]
"""What the rules may come to leave to a person, when the table gets old."""


TODAY = datetime.now(ZONE).date()
"""For the whole run: some values are made before it begins, and midnight may come in between."""


def day_in(days: int) -> date:
    return TODAY + timedelta(days=days)


@pytest.fixture
def petition(make: Factory, house: House) -> int:
    """A petition to Poland, Lithuania and Germany, with two cities known."""
    city(house)
    city(house, **BERLIN)
    return make.petition(countries=("PL", "LT", "DE"))


@pytest.fixture
def ala(house: House, make: Factory, petition: int) -> FlaskClient:
    """An organiser in Poland."""
    return enter(house, make.account(petition, role="organiser", country="PL"))


@pytest.fixture
def coordinator(house: House, make: Factory, petition: int) -> FlaskClient:
    return enter(house, make.account(petition))


def send(client: FlaskClient, petition: int, **changes: Any) -> Any:
    """Fill in the form of a new picket, in twenty days unless changed."""
    values = {**FILLED, "petition": str(petition), "day": str(day_in(20)), **changes}
    return post(client, "/pickets/new", **values)


def made(house: House, client: FlaskClient, petition: int, **changes: Any) -> UUID:
    """A draft from the form. Returns its number."""
    answer = send(client, petition, **changes)
    assert answer.status_code == 303, errors(answer)
    found = re.fullmatch(r"/pickets/([0-9a-f-]{36})/notice", answer.location)
    assert found
    return UUID(found[1])


def errors(answer: Any) -> list[tuple[str, str]]:
    """Name of each field that is wrong, with what is said beside it."""
    return [
        (name, html.unescape(told))
        for name, told in re.findall(r'<p class="error" id="(\w+)-error">([^<]*)', answer.text)
    ]


def said(answer: Any) -> str:
    """A page's text as people read it."""
    return re.sub(r"\s+", " ", html.unescape(answer.text))


def page(client: FlaskClient, picket_id: UUID, name: str = "") -> str:
    answer = client.get(f"/pickets/{picket_id}{name}")
    assert answer.status_code == 200
    return said(answer)


def row(house: House, picket_id: UUID) -> Any:
    return house.sql("SELECT * FROM pickets WHERE id = :p", p=picket_id).one()


def notice_of(house: House, picket_id: UUID) -> Any:
    return house.sql("SELECT * FROM assembly_notices WHERE picket_id = :p", p=picket_id).one()


def broadcasts(house: House, picket_id: UUID) -> list[str]:
    return list(house.sql("SELECT kind FROM broadcasts WHERE picket_id = :p", p=picket_id).scalars())


def clock(moment: datetime, zone: ZoneInfo = ZONE) -> str:
    """A moment as one types it there."""
    return f"{moment.astimezone(zone):%Y-%m-%dT%H:%M}"


def prepare(client: FlaskClient, picket_id: UUID, **notice: str) -> None:
    """Read the brief, and record that the notice was filed an hour ago."""
    post(client, f"/pickets/{picket_id}/brief", read="y")
    filed = clock(datetime.now(UTC) - timedelta(hours=1))
    answer = post(
        client, f"/pickets/{picket_id}/notice", **{"route": "", "eligible": "yes", "filed_at": filed, **notice}
    )
    assert answer.status_code == 303, said(answer)


def agree(house: House, client: FlaskClient, picket_id: UUID) -> None:
    """A coordinator finds what waits, reads the picket, and agrees."""
    path = f"/approvals/{house.value('SELECT id FROM approvals WHERE object_id = :o', o=str(picket_id))}"
    assert f'href="/pickets/{picket_id}"' in client.get(path).text
    assert f'href="{path}"' in client.get(f"/pickets/{picket_id}").text
    assert post(client, path, decision="approve", reason="").status_code == 303


def announce(house: House) -> int:
    with house.inside(Role.WORKER):
        return care.announce_due()


def revised(client: FlaskClient, picket_id: UUID, **changes: Any) -> dict[str, Any]:
    """The form of a change as its page has it, with some fields changed."""
    found = client.get(f"/pickets/{picket_id}/edit").text
    values = {name: hidden(found, name) for name in ("revision", "day", "begins", "ends")}
    return {name: value for name, value in FILLED.items() if name != "city"} | values | changes


# --- From the form to the public page ------------------------------------------------------------------------------------------


def test_a_picket_goes_from_the_form_to_the_public_by_the_ordinary_way(
    house: House, petition: int, ala: FlaskClient, coordinator: FlaskClient
) -> None:
    picket_id = made(house, ala, petition)
    found = page(ala, picket_id)
    assert "Before it can be public" in found
    assert "Nobody has read the safety brief" in found
    assert "File it there: City of Warsaw" in found
    assert "Ask for the word" not in found
    desk = page(ala, picket_id, "/notice")
    assert "Urząd m.st. Warszawy" in desk
    assert "Simplified notice" in desk
    assert "Wezwanie" in desk or "zgromadzeni" in desk, "the letter is in the words of the country"
    post(ala, f"/pickets/{picket_id}/submission")
    assert row(house, picket_id).state == "draft", "not before the brief and the notice"
    prepare(ala, picket_id)
    assert "Ask for the word" in page(ala, picket_id)
    assert post(ala, f"/pickets/{picket_id}/submission", reason="We know the place.").status_code == 303
    assert row(house, picket_id).state == "review"
    found = page(ala, picket_id)
    assert "It waits for the word of a coordinator" in found
    assert "Take my request back" in found
    assert "waits for your decision" in said(coordinator.get("/"))
    agree(house, coordinator, picket_id)
    assert row(house, picket_id).state == "notified"
    assert announce(house) == 1
    told = row(house, picket_id)
    assert told.state == "announced"
    found = page(ala, picket_id)
    assert f'value="http://localhost/pickets/{told.code}"' in found
    assert announce(house) == 0, "once"


def test_a_near_day_needs_the_shorter_way_and_a_coordinator_weighs_it(
    house: House, petition: int, ala: FlaskClient, coordinator: FlaskClient
) -> None:
    picket_id = made(house, ala, petition, day=str(day_in(4)))
    assert "There is a shorter way, “Simplified notice”" in page(ala, picket_id)
    prepare(ala, picket_id)
    assert "The notice was filed late" in page(ala, picket_id), "by the ordinary way it is"
    prepare(ala, picket_id, route="simplified")
    found = page(ala, picket_id)
    assert "The notice was filed late" not in found
    assert "A coordinator looks at this" in found
    assert "A shorter way was chosen, “Simplified notice”" in found
    post(ala, f"/pickets/{picket_id}/submission", reason="The square has no traffic.")
    agree(house, coordinator, picket_id)
    assert "route" in row(house, picket_id).agreed_concerns
    assert announce(house) == 1


def test_in_berlin_nothing_goes_out_before_48_hours_are_over(
    house: House, make: Factory, petition: int, coordinator: FlaskClient
) -> None:
    greta = enter(house, make.account(petition, role="organiser", country="DE"))
    picket_id = made(house, greta, petition, city="Berlin")
    prepare(greta, picket_id)
    found = page(greta, picket_id)
    assert "nobody may be invited, here or elsewhere" in found
    assert "Ask for the word" in found, "waiting is nothing that one has to do"
    post(greta, f"/pickets/{picket_id}/submission")
    agree(house, coordinator, picket_id)
    told = row(house, picket_id)
    assert told.announce_at - notice_of(house, picket_id).filed_at == timedelta(hours=48)
    assert announce(house) == 0
    assert row(house, picket_id).state == "notified"
    assert "then this site announces the picket by itself" in page(greta, picket_id)
    house.sql("UPDATE pickets SET announce_at = announce_at - interval '48 hours' WHERE id = :p", p=picket_id)
    assert announce(house) == 0, "the rule holds, whatever the column says"
    house.sql("UPDATE assembly_notices SET filed_at = filed_at - interval '48 hours' WHERE picket_id = :p", p=picket_id)
    assert announce(house) == 1


def test_nobody_is_asked_about_what_could_not_be_announced_before_it_begins(
    house: House, make: Factory, petition: int
) -> None:
    greta = enter(house, make.account(petition, role="organiser", country="DE"))
    picket_id = made(house, greta, petition, city="Berlin", day=str(day_in(1)))
    prepare(greta, picket_id)
    found = page(greta, picket_id)
    assert "when it has begun. Choose a later day." in found
    assert "Choose another day" in found
    assert "Ask for the word" not in found
    post(greta, f"/pickets/{picket_id}/submission")
    assert row(house, picket_id).state == "draft"


def test_a_refusal_is_told_with_its_reason_and_the_draft_can_be_asked_for_again(
    house: House, petition: int, ala: FlaskClient, coordinator: FlaskClient
) -> None:
    picket_id = made(house, ala, petition)
    prepare(ala, picket_id)
    post(ala, f"/pickets/{picket_id}/submission")
    approval = house.value("SELECT id FROM approvals")
    post(coordinator, f"/approvals/{approval}", decision="refuse", reason="Not on a holiday.")
    assert row(house, picket_id).state == "draft"
    found = page(ala, picket_id)
    assert "Not on a holiday." in found
    assert "Ask for the word" in found
    post(ala, f"/pickets/{picket_id}/submission")
    assert "Not on a holiday." not in page(ala, picket_id)


def test_a_coordinator_does_not_agree_to_their_own(house: House, petition: int, coordinator: FlaskClient) -> None:
    picket_id = made(house, coordinator, petition)
    prepare(coordinator, picket_id)
    post(coordinator, f"/pickets/{picket_id}/submission")
    approval = house.value("SELECT id FROM approvals")
    assert f'href="/approvals/{approval}"' not in coordinator.get(f"/pickets/{picket_id}").text
    assert post(coordinator, f"/approvals/{approval}", decision="approve", reason="").status_code == 403
    assert row(house, picket_id).state == "review"


# --- The form ------------------------------------------------------------------------------------------------------------------


def test_one_that_stands_already_is_offered_first(house: House, make: Factory, petition: int, ala: FlaskClient) -> None:
    starts = datetime.combine(day_in(21), datetime.min.time(), ZONE).replace(hour=17).astimezone(UTC)
    other = picket(house, make, petition_id=petition, starts_at=starts)
    owner = enter(house, organiser(house, make, other, name="Barys"))
    answer = send(ala, petition, alias="Kept as typed")
    found = said(answer)
    assert answer.status_code == 409
    assert "A picket stands already" in found
    assert "In the same city" in found
    assert f'href="http://localhost/pickets/{row(house, other).code}"' in found
    assert f'href="/pickets/{other}/help"' in found
    assert 'value="Kept as typed"' in found
    assert house.value("SELECT count(*) FROM pickets") == 1
    assert "Organise it together" in page(ala, other, "/help")
    assert post(ala, f"/pickets/{other}/help", note="I have a table.").status_code == 303
    found = page(owner, other)
    assert "Staff offers to organise it with you." in found
    assert "I have a table." in found
    assert ala.get(f"/pickets/{other}").status_code == 404, "not before they take one in"
    offered = house.value("SELECT account_id FROM picket_organisers WHERE accepted_at IS NULL")
    post(owner, f"/pickets/{other}/organisers/{offered}/accept")
    assert ala.get(f"/pickets/{other}").status_code == 200
    assert send(ala, petition, differs="Another group, in the evening.").status_code == 303
    assert house.value("SELECT count(*) FROM pickets WHERE differs <> ''") == 1


def test_a_draft_of_ones_own_is_told_as_ones_own_and_one_of_others_is_not_told(
    house: House, make: Factory, petition: int, ala: FlaskClient
) -> None:
    made(house, enter(house, make.account(petition, role="organiser", country="PL")), petition)
    made(house, ala, petition)
    answer = send(ala, petition)
    assert answer.status_code == 409
    assert said(answer).count("It is one of yours.") == 1
    assert "Organise it together" not in said(answer)


def test_of_several_cities_of_one_name_one_is_chosen(house: House, petition: int, ala: FlaskClient) -> None:
    for number in (1, 2):
        city(
            house,
            **{**WARSAW, "id": number, "name": "Nowa Wieś", "slug": f"nowa-wies-{number}", "near": f"Town {number}"},
        )
    answer = send(ala, petition, city="nowa wies")
    assert answer.status_code == 422
    assert "There are several cities of this name" in said(answer)
    assert "Nowa Wieś (near Town 2), Poland" in said(answer)
    answer = send(ala, petition, city="nowa wies", city_id="2", people="none")
    assert answer.status_code == 422
    assert re.search(r"<input checked[^>]*value=\"2\"", answer.text), "what was chosen is kept"
    picket_id = made(house, ala, petition, city="nowa wies", city_id="2")
    assert row(house, picket_id).city_id == 2
    picket_id = made(house, ala, petition, city_id="2", day=str(day_in(40)))
    assert row(house, picket_id).city_id == WARSAW["id"], "a choice for another name counts for nothing"


def spring() -> date:
    """The next last Sunday of March, on which the clocks in Europe go forward at 2:00."""
    for year in (day_in(0).year, day_in(0).year + 1):
        sunday = max(date(year, 3, number) for number in range(25, 32) if date(year, 3, number).weekday() == 6)
        if sunday > day_in(0):
            return sunday
    raise AssertionError("There is one each year.")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"city": "Nowhere at all"}, "We know no such city."),
        ({"day": str(spring()), "begins": "02:30", "ends": "05:00"}, "This time does not exist there on that day"),
        ({"day": str(day_in(-1))}, "This is over already."),
        ({"day": str(day_in(500))}, "more than a year ahead"),
        ({"ends": "03:00"}, "It would last for more than 14 hours."),
        ({"people": "0"}, "Enter a whole number from 1 to 100000."),
        ({"place_shown": "district"}, "Write the district"),
        ({"day": ""}, "Choose a day."),
        ({"city": "Berlin"}, "Your role does not cover this petition in that country."),
        ({"mode": "single_person", "people": "2"}, "One person alone is one."),
        ({"alias": ""}, "Write a name that people can use."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
    house: House, petition: int, ala: FlaskClient, changes: dict[str, str], sentence: str
) -> None:
    answer = send(ala, petition, **{"about": "Songs and silence.", **changes})
    assert answer.status_code == 422
    assert any(sentence in told for _name, told in errors(answer)), errors(answer)
    assert "Songs and silence." in answer.text
    assert house.value("SELECT count(*) FROM pickets") == 0


def test_the_hours_of_a_picket_over_midnight_end_on_the_next_day(house: House, petition: int, ala: FlaskClient) -> None:
    told = row(house, made(house, ala, petition, begins="22:00", ends="01:00"))
    assert told.ends_at - told.starts_at == timedelta(hours=3)
    assert told.starts_at.astimezone(ZONE).hour == 22


# --- Who may -------------------------------------------------------------------------------------------------------------------


def paths(house: House, picket_id: UUID) -> list[tuple[str, str]]:
    """Method and address of everything that the console has about one picket."""
    values: dict[str, Any] = {
        "picket_id": picket_id, "shift_id": uuid4(), "photo_id": uuid4(), "event_id": uuid4(), "account_id": 1, "answer": "accept", "kind": "notice",
    }  # fmt: skip
    app = house.app(Role.CONSOLE)
    adapter = app.url_map.bind("localhost")
    return [
        (method, adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments}, method))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("pickets_console.") and "picket_id" in rule.arguments
        for method in sorted((rule.methods or set()) & {"GET", "POST"})
    ]


def test_a_stranger_finds_nothing(house: House, make: Factory, petition: int, ala: FlaskClient) -> None:
    picket_id = made(house, ala, petition)
    stranger = enter(house, make.account(petition, role="organiser", country="PL"))
    found = paths(house, picket_id)
    assert len(found) > 20
    values = {
        **FILLED,
        "day": str(day_in(20)),
        "reason": "other",
        "read": "y",
        "eligible": "yes",
        "role": "table",
        "seats": "1",
    }
    for method, path in found:
        answer = stranger.get(path) if method == "GET" else post(stranger, path, **values)
        # Whoever asks for aliases without having seen the shifts is sent there first.
        where = (404, 303) if path.endswith("/shifts/aliases") else (404,)
        assert answer.status_code in where, (method, path)
    assert str(picket_id) not in stranger.get("/pickets").text
    assert str(picket_id) in ala.get("/pickets").text
    assert house.value("SELECT count(*) FROM shifts") == 0
    assert row(house, picket_id).state == "draft"


def test_an_organiser_who_has_lost_the_role_changes_nothing_and_a_coordinator_sees_it_waiting(
    house: House, make: Factory, petition: int, coordinator: FlaskClient
) -> None:
    picket_id = picket(house, make, petition_id=petition)
    account = organiser(house, make, picket_id)
    client = enter(house, account)
    assert page(client, picket_id)
    assert "nobody who may organises this picket" not in said(coordinator.get("/"))
    house.sql("UPDATE grants SET country_code = 'LT' WHERE account_id = :a", a=account)
    assert client.get(f"/pickets/{picket_id}").status_code == 404
    assert post(client, f"/pickets/{picket_id}/cancel", reason="weather").status_code == 404
    assert row(house, picket_id).state == "announced"
    assert "Warsaw, Poland: nobody who may organises this picket any more" in said(coordinator.get("/"))
    assert "Cancel the picket" in page(coordinator, picket_id), "and looks after it"


# --- Changing ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def announced(house: House, make: Factory, petition: int) -> UUID:
    """A public picket in Warsaw in twenty days, whose notice was filed in time."""
    starts = datetime.combine(day_in(20), datetime.min.time(), ZONE).replace(hour=12).astimezone(UTC)
    filed = ALLOWED | {"filed_at": datetime.now(UTC) - timedelta(hours=2), "receipt": "ZG-7"}
    return picket(house, make, petition_id=petition, starts_at=starts, agreed_concerns=CONCERNS, notice=filed)


@pytest.fixture
def owner(house: House, make: Factory, announced: UUID) -> FlaskClient:
    return enter(house, organiser(house, make, announced))


def test_another_time_needs_the_authority_to_know_and_is_told_to_participants(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    path, before = f"/pickets/{announced}/edit", row(house, announced)
    shift(house, announced)
    answer = post(owner, path, **revised(owner, announced, ends="15:00", begins="13:00"))
    assert answer.status_code == 422
    assert "Tell the authority first" in said(answer)
    assert row(house, announced) == before
    answer = post(owner, path, **revised(owner, announced, ends="15:00", begins="13:00", told="y"))
    assert answer.status_code == 303
    after = row(house, announced)
    assert after.starts_at - before.starts_at == timedelta(hours=1)
    assert house.value("SELECT starts_at FROM shifts") == after.starts_at, "shifts move with it"
    assert (after.revision, after.sequence) == (before.revision + 1, before.sequence + 1)
    assert broadcasts(house, announced) == ["changed"]
    assert "That something has changed" in page(owner, announced)


def test_other_words_are_told_to_nobody_by_mail(house: House, announced: UUID, owner: FlaskClient) -> None:
    answer = post(owner, f"/pickets/{announced}/edit", **revised(owner, announced, about="Songs."))
    assert answer.status_code == 303
    assert row(house, announced).about == "Songs."
    assert broadcasts(house, announced) == []
    assert row(house, announced).sequence == 0, "calendars have nothing to learn anew"


def test_a_change_that_no_coordinator_has_agreed_to_does_not_come_in(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    before = row(house, announced)
    answer = post(owner, f"/pickets/{announced}/edit", **revised(owner, announced, mode="petition_stand", told="y"))
    assert answer.status_code == 409
    assert "Cancel this one and announce it anew" in said(answer)
    assert re.search(r"What the rules say of this change.*“Stand that collects signatures”", said(answer))
    assert row(house, announced) == before


@pytest.mark.parametrize(
    ("kept", "changes", "sentence"),
    [
        # By the simplified way, to which a coordinator agreed for another day.
        ({"route": "simplified"}, {"day": str(day_in(21)), "told": "y"}, "A shorter way was chosen"),
        # So few that no notice was asked for, and now more.
        ({"small": True}, {"people": "12"}, "the rule begins at this number of people"),
        # A permit, for that day.
        ({"granted": True}, {"day": str(day_in(21)), "told": "y"}, "was about another day"),
        ({"answer": "They said yes.", "unknown": True}, {"day": str(day_in(21)), "told": "y"}, "was about another day"),
    ],
)
def test_what_was_agreed_or_allowed_for_one_day_or_number_holds_for_no_other(
    house: House, make: Factory, petition: int, kept: dict[str, Any], changes: dict[str, str], sentence: str
) -> None:
    starts = datetime.combine(day_in(20), datetime.min.time(), ZONE).replace(hour=12).astimezone(UTC)
    filed = ALLOWED | {"filed_at": datetime.now(UTC) - timedelta(hours=2)}
    where: dict[str, Any] = {}
    if kept.pop("small", False):
        where, filed = {"city_id": city(house, **VILNIUS), "people": 5}, dict(ALLOWED)
    if kept.pop("unknown", False):
        where, filed = {"city_id": city(house, **NOWHERE)}, dict(ALLOWED)
    agreed = ["small", "route", "unknown", "late", "no_figure", *CONCERNS]
    picket_id = picket(
        house, make, petition_id=petition, starts_at=starts, agreed_concerns=agreed, notice=filed | kept, **where
    )
    owner = enter(house, organiser(house, make, picket_id))
    before = row(house, picket_id)
    answer = post(owner, f"/pickets/{picket_id}/edit", **revised(owner, picket_id, **changes))
    assert answer.status_code == 409, errors(answer)
    assert sentence in said(answer)
    assert row(house, picket_id) == before
    fewer = {"people": "4"} if where.get("people") else {"about": "Songs."}
    answer = post(owner, f"/pickets/{picket_id}/edit", **revised(owner, picket_id, **fewer))
    assert answer.status_code == 303, "fewer people, or other words, ask for nothing"


def test_a_draft_whose_notice_is_filed_moves_only_when_the_authority_knows(
    house: House, petition: int, ala: FlaskClient
) -> None:
    picket_id = made(house, ala, petition)
    path = f"/pickets/{picket_id}/edit"
    assert 'name="told"' not in page(ala, picket_id, "/edit")
    prepare(ala, picket_id)
    assert 'name="told"' in page(ala, picket_id, "/edit")
    answer = post(ala, path, **revised(ala, picket_id, day=str(day_in(25))))
    assert answer.status_code == 422
    assert "Tell the authority first" in said(answer)
    assert post(ala, path, **revised(ala, picket_id, day=str(day_in(25)), told="y")).status_code == 303


def test_one_that_is_under_way_can_be_changed_but_not_moved(house: House, make: Factory, petition: int) -> None:
    begun = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    picket_id = picket(house, make, petition_id=petition, starts_at=begun, agreed_concerns=CONCERNS, notice=ALLOWED)
    owner = enter(house, organiser(house, make, picket_id))
    path = f"/pickets/{picket_id}/edit"
    assert "What is over cannot be announced" not in page(owner, picket_id), "it is announced"
    answer = post(owner, path, **revised(owner, picket_id, place="On the other side of the street"))
    assert answer.status_code == 303, errors(answer)
    day, _t, hour = clock(begun - timedelta(hours=1)).partition("T")
    answer = post(owner, path, **revised(owner, picket_id, day=day, begins=hour))
    assert answer.status_code == 422
    assert "This is over already" in said(answer)
    assert post(owner, path, **revised(owner, picket_id, people="50")).status_code == 409


def test_of_two_who_change_it_neither_overwrites_the_other(house: House, announced: UUID, owner: FlaskClient) -> None:
    first, second = (revised(owner, announced, about=words) for words in ("Songs.", "Silence."))
    path = f"/pickets/{announced}/edit"
    assert post(owner, path, **first).status_code == 303
    answer = post(owner, path, **second)
    assert answer.status_code == 409
    found = said(answer)
    assert "Somebody else saved this while you were writing" in found
    assert "Silence.</textarea>" in found
    assert re.search(r"as it was saved meanwhile:.*Songs\.", found)
    assert row(house, announced).about == "Songs."
    assert post(owner, path, **{**second, "revision": hidden(answer.text, "revision")}).status_code == 303
    assert row(house, announced).about == "Silence."


def test_after_the_word_only_the_receipt_of_a_notice_changes(house: House, announced: UUID, owner: FlaskClient) -> None:
    before = notice_of(house, announced)
    assert 'name="filed_at"' not in page(owner, announced, "/notice")
    values = {"route": "simplified", "eligible": "no", "filed_at": clock(datetime.now(UTC) - timedelta(days=3))}
    answer = post(owner, f"/pickets/{announced}/notice", **values, receipt="ZG-8", answer="They said yes.")
    assert answer.status_code == 303
    after = notice_of(house, announced)
    assert after.receipt == "ZG-8"
    assert (after.route, after.eligible, after.filed_at, after.answer) == ("", "yes", before.filed_at, "")


def test_what_is_filed_in_the_future_is_not_recorded(house: House, petition: int, ala: FlaskClient) -> None:
    picket_id = made(house, ala, petition)
    values = {"route": "", "eligible": "yes", "filed_at": clock(datetime.now(UTC) + timedelta(days=1))}
    answer = post(ala, f"/pickets/{picket_id}/notice", **values)
    assert answer.status_code == 422
    assert "This is still to come." in said(answer)
    assert notice_of(house, picket_id).filed_at is None


def test_a_cancelled_one_stays_with_its_reason_and_participants_are_told(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    path = f"/pickets/{announced}/cancel"
    assert post(owner, path, note="Storm.").status_code == 422, "without a reason"
    assert row(house, announced).state == "announced"
    assert post(owner, path, reason="weather", note="Storm.").status_code == 303
    told = row(house, announced)
    assert (told.state, told.cancel_reason, told.cancel_note) == ("cancelled", "weather", "Storm.")
    assert broadcasts(house, announced) == ["cancelled"]
    found = page(owner, announced)
    assert "Because of the weather" in found
    assert "Cancel the picket" not in found
    assert post(owner, path, reason="other").status_code == 303
    assert row(house, announced).cancel_reason == "weather", "once"


def test_a_draft_is_cancelled_in_silence_and_its_request_is_taken_back(
    house: House, petition: int, ala: FlaskClient
) -> None:
    picket_id = made(house, ala, petition)
    prepare(ala, picket_id)
    post(ala, f"/pickets/{picket_id}/submission")
    post(ala, f"/pickets/{picket_id}/cancel", reason="organiser")
    assert row(house, picket_id).state == "cancelled"
    assert house.value("SELECT state FROM approvals") == "withdrawn"
    assert broadcasts(house, picket_id) == []


# --- Who hears of it -----------------------------------------------------------------------------------------------------------


def told_of_pickets(house: House) -> list[str]:
    """Who is written to that there is news of a picket."""
    house.drain()
    return [mail["to"] for mail in mails(house) if mail["news"] == "picket"]


def test_organisers_hear_of_a_decision_an_offer_and_a_cancellation_by_others(
    house: House, make: Factory, petition: int, ala: FlaskClient
) -> None:
    house.sql("UPDATE accounts SET email = 'ala@example.org'")
    coordinator = enter(house, make.account(petition, email="coordinator@example.org"))
    picket_id = made(house, ala, petition)
    prepare(ala, picket_id)
    post(ala, f"/pickets/{picket_id}/submission")
    assert told_of_pickets(house) == []
    agree(house, coordinator, picket_id)
    assert told_of_pickets(house) == ["ala@example.org"]
    offered = make.account(petition, role="organiser", country="PL", email="ola@example.org")
    post(enter(house, offered), f"/pickets/{picket_id}/help", note="I have a table.")
    assert told_of_pickets(house) == ["ala@example.org"] * 2
    post(ala, f"/pickets/{picket_id}/organisers/{offered}/accept")
    post(coordinator, f"/pickets/{picket_id}/cancel", reason="safety")
    assert told_of_pickets(house) == ["ala@example.org"] * 3 + ["ola@example.org"]


def test_a_refusal_is_told_too(house: House, make: Factory, petition: int, ala: FlaskClient) -> None:
    house.sql("UPDATE accounts SET email = 'ala@example.org'")
    coordinator = enter(house, make.account(petition))
    picket_id = made(house, ala, petition)
    prepare(ala, picket_id)
    post(ala, f"/pickets/{picket_id}/submission")
    approval = house.value("SELECT id FROM approvals")
    post(coordinator, f"/approvals/{approval}", decision="refuse", reason="Another day.")
    assert told_of_pickets(house) == ["ala@example.org"]


def test_where_nobody_could_decide_the_page_says_so(
    house: House, petition: int, ala: FlaskClient, make: Factory
) -> None:
    picket_id = made(house, ala, petition)
    prepare(ala, picket_id)
    nobody = "At present nobody else is there who could decide"
    assert nobody in page(ala, picket_id)
    make.account(petition, country="LT")
    assert nobody in page(ala, picket_id)
    make.account(petition, country="PL")
    assert nobody not in page(ala, picket_id)


def test_a_request_that_nobody_answered_is_said_and_waits_for_the_organiser_again(
    house: House, petition: int, ala: FlaskClient, coordinator: FlaskClient
) -> None:
    picket_id = made(house, ala, petition)
    prepare(ala, picket_id)
    post(ala, f"/pickets/{picket_id}/submission")
    assert "the picket is not public yet" not in said(ala.get("/"))
    house.sql("UPDATE approvals SET requested_at = now() - interval '8 days', expires_at = now() - interval '1 day'")
    found = page(ala, picket_id)
    assert "No coordinator has answered" in found
    assert "Ask for the word" in found
    assert "the picket is not public yet" in said(ala.get("/"))
    post(ala, f"/pickets/{picket_id}/submission")
    assert "No coordinator has answered" not in page(ala, picket_id)


def test_others_that_stand_near_are_told_until_it_is_agreed_to(
    house: House, make: Factory, petition: int, ala: FlaskClient, coordinator: FlaskClient
) -> None:
    picket_id = made(house, ala, petition)
    assert "Others stand near it" not in page(ala, picket_id)
    picket(house, make, petition_id=petition, starts_at=row(house, picket_id).starts_at + timedelta(days=2))
    assert "Others stand near it" in page(ala, picket_id)
    assert "Others stand near it" in page(coordinator, picket_id)


def test_what_is_not_public_yet_is_told_to_those_alone_who_might_announce_it(
    house: House, make: Factory, petition: int, ala: FlaskClient
) -> None:
    starts = datetime.combine(day_in(21), datetime.min.time(), ZONE).replace(hour=17).astimezone(UTC)
    receiver = house.value("SELECT addressee_id FROM petition_routes WHERE country_code = 'PL'")
    other = make.petition(countries=("SE",))
    picket(house, make, petition_id=other, addressee_id=receiver, starts_at=starts, state="notified")
    assert send(ala, petition).status_code == 303
    picket(house, make, petition_id=petition, starts_at=starts, state="notified")
    assert send(ala, petition).status_code == 409


def test_a_petition_that_is_hidden_or_closed_is_told_on_every_page(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    assert "The petition is closed" not in page(owner, announced)
    house.sql("UPDATE petitions SET state = 'closed'")
    assert "The petition is closed" in page(owner, announced, "/papers")
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'x'")
    assert "neither is this picket" in page(owner, announced)


def test_those_nobody_looks_after_are_found_behind_however_many_that_somebody_does(
    house: House, make: Factory, petition: int, coordinator: FlaskClient
) -> None:
    account = organiser(house, make, picket(house, make, petition_id=petition))
    for _ in range(25):
        house.sql(
            "INSERT INTO picket_organisers (picket_id, account_id, accepted_at) VALUES (:p, :a, now())",
            p=picket(house, make, petition_id=petition),
            a=account,
        )
    assert "nobody who may organises this picket" not in said(coordinator.get("/"))
    picket(house, make, petition_id=petition, starts_at=datetime.now(UTC) + timedelta(days=30))
    assert "nobody who may organises this picket" in said(coordinator.get("/"))


# --- Shifts, papers, pages ---------------------------------------------------------------------------------------------------


def test_shifts_are_within_the_hours_and_one_that_is_taken_stays(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    path = f"/pickets/{announced}/shifts"
    answer = post(owner, path, role="table", begins="18:00", ends="19:00", seats="2")
    assert answer.status_code == 422
    assert "This is not within the hours of the picket" in said(answer)
    assert post(owner, path, role="table", begins="11:00", ends="13:00", seats="2").status_code == 303
    made_shift = house.sql("SELECT * FROM shifts").one()
    assert made_shift.starts_at.astimezone(ZONE).hour == 11
    assert "11:00–13:00" in page(owner, announced, "/shifts")
    house.sql(
        "INSERT INTO participants (id, event_id, picket_id, state, people) VALUES (:i, :i, :p, 'coming', 1)",
        i=made_shift.id, p=announced,
    )  # fmt: skip
    house.sql("INSERT INTO shift_takers (shift_id, participant_id) VALUES (:i, :i)", i=made_shift.id)
    post(owner, f"{path}/{made_shift.id}/removal")
    assert house.value("SELECT count(*) FROM shifts") == 1
    house.sql("DELETE FROM shift_takers")
    post(owner, f"{path}/{made_shift.id}/removal")
    assert house.value("SELECT count(*) FROM shifts") == 0


def test_aliases_come_from_the_worker_and_that_one_asked_is_written_down(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    shift(house, announced)
    page(owner, announced, "/shifts")
    answer = post(owner, f"/pickets/{announced}/shifts/aliases")
    waiting = owner.get(answer.location)
    assert "being opened" in said(waiting)
    assert "Refresh" in waiting.headers
    house.drain()
    told = owner.get(answer.location)
    assert "nobody yet" in said(told)
    assert "Refresh" not in told.headers
    assert house.value("SELECT count(*) FROM audit WHERE action = 'picket.shifts_read'") == 1


def test_papers_are_asked_for_and_told_when_they_are_older_than_a_change(
    house: House, announced: UUID, owner: FlaskClient
) -> None:
    path = f"/pickets/{announced}/papers"
    assert "not drawn yet" in page(owner, announced, "/papers")
    post(owner, path, kind="notice")
    assert [tuple(one) for one in house.sql("SELECT kind, state FROM papers")] == [("notice", "wanted")]
    assert "Refresh" in owner.get(path).headers
    assert owner.get(f"{path}/notice").status_code == 404, "not drawn yet"
    house.sql("UPDATE papers SET state = 'ready', content = '%PDF', drawn_at = now()")
    assert "older than the last change" not in page(owner, announced, "/papers")
    assert owner.get(f"{path}/notice").data == b"%PDF"
    house.sql("UPDATE pickets SET revision = 1")
    assert "older than the last change" in page(owner, announced, "/papers")
    post(owner, path)
    assert house.value("SELECT count(*) FROM papers WHERE state = 'wanted'") == 9


@pytest.mark.parametrize("state", ["draft", "review", "notified", "announced", "held", "reported", "cancelled"])
def test_every_page_is_there_in_every_language(
    house: House, make: Factory, announced: UUID, owner: FlaskClient, state: str
) -> None:
    unseen, off = state in ("draft", "review", "notified"), state == "cancelled"
    house.sql(
        "UPDATE pickets SET state = :s, announce_at = now(), cancel_reason = :r, cancelled_at = CASE WHEN :c THEN now() END,"
        " announced_at = CASE WHEN :u THEN NULL ELSE announced_at END",
        s=state,
        r="safety" if off else "",
        c=off,
        u=unseen,
    )
    house.sql("INSERT INTO broadcasts (id, picket_id, kind, sequence) VALUES (:p, :p, 'reminder', 1)", p=announced)
    house.sql("INSERT INTO papers (picket_id, kind, state) VALUES (:p, 'notice', 'failed')", p=announced)
    house.sql(
        "INSERT INTO picket_organisers (picket_id, account_id, note) VALUES (:p, :a, 'Me, too.')",
        p=announced,
        a=make.account(),
    )
    shift(house, announced)
    missing = ("/photos/", "/papers/", "/help")  # There is no photo and no file, and what is over cannot be joined.
    mine = [
        path for method, path in paths(house, announced) if method == "GET" and not any(one in path for one in missing)
    ]
    assert len(mine) >= 9
    for path in [*mine, "/pickets", "/pickets/new", "/pickets?state=draft&country=LT"]:
        for language in LANGUAGES:
            answer = owner.get(path, query_string={"lang": language} if "?" not in path else None)
            assert answer.status_code in (200, 303), path
            if answer.status_code == 200:
                assert answer.text.count("<h1") == 1, path
                assert "&lt;" not in answer.text, path
                found = [int(level) for level in re.findall(r"<h([1-6])", answer.text)]
                assert all(after - before <= 1 for before, after in pairwise(found)), (path, found)


def test_where_no_rule_is_known_the_page_says_ask_and_never_that_one_may(
    house: House, make: Factory, petition: int, coordinator: FlaskClient
) -> None:
    city(house, id=7, name="Nowhere", country_code="KP", slug="nowhere", timezone="Asia/Pyongyang")
    make.addressed(petition, make.addressee("KP"))
    picket_id = made(house, coordinator, petition, city="Nowhere")
    assert "We do not know the rule here: ask the authority" in page(coordinator, picket_id, "/notice")
    found = page(coordinator, picket_id)
    assert "We do not know what the law asks for here" in found
    assert "Ask for the word" not in found


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=3, hours=4, minutes=5), "3 days 4 hours"),
        (timedelta(days=20), "20 days"),
        (timedelta(hours=1, minutes=30), "1 hour 30 minutes"),
        (timedelta(seconds=20), "0 minutes"),
        (timedelta(seconds=-61), ""),
    ],
)
def test_time_left_is_told_in_two_units(house: House, left: timedelta, told: str) -> None:
    with house.app(Role.CONSOLE).test_request_context("/"):
        assert span(left) == told


def test_hours_are_told_as_clocks_there_show_them(house: House) -> None:
    starts = datetime(2027, 6, 1, 20, 0, tzinfo=UTC)
    one = Picket(starts_at=starts, ends_at=starts + timedelta(hours=3))
    with house.app(Role.CONSOLE).test_request_context("/"):
        assert hours_there(one, ZONE) == "Tuesday, 1 June 2027, 22:00–Wednesday, 2 June 2027, 01:00 (CEST)"
