"""The pages of taking part: what they say when something is wrong, over or gone, and that one can always leave."""

from __future__ import annotations

import re

import pytest

from core.config import Role
from tests.conftest import House
from tests.factories import Factory, hidden, press
from tests.pickets.factories import picket, shift
from tests.pickets.test_attending import EMAIL, confirmed, deed, join, mails, path_of

NO_EVENT = "00000000-0000-4000-8000-000000000000"


def test_without_cookies_the_answer_is_a_sentence_and_everything_is_stored(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.app(Role.PUBLIC).test_client(use_cookies=False)
    page = client.get(join(house, client, here))
    assert page.status_code == 200
    assert "your browser does not keep cookies" in page.text
    assert "Refresh" not in page.headers
    assert house.value("SELECT count(*) FROM participants") == 1
    join(house, client, here, email=EMAIL)
    own = client.get(press(client, path_of(mails(house)[-1]["confirm_url"])).location)
    house.drain()
    assert "your browser does not keep cookies" in own.text
    assert "One moment" not in own.text
    assert house.value("SELECT count(*) FROM participants WHERE state = 'coming'") == 2


@pytest.mark.parametrize("path", [f"/pickets/{{code}}/joined/{NO_EVENT}", f"/pickets/own/{NO_EVENT}"])
def test_a_page_that_has_waited_long_enough_says_so_and_can_be_looked_at_again(
    house: House, make: Factory, path: str
) -> None:
    here, client = picket(house, make), house.client()
    code = house.value("SELECT code FROM pickets WHERE id = :p", p=here)
    client.get(f"/pickets/{code}/join")
    first, last = (client.get(path.format(code=code) + f"?look={look}") for look in (1, 8))
    assert "One moment" in first.text
    assert "takes longer than usual" in last.text
    assert "Look again now" in last.text
    assert "Refresh" not in last.headers


def test_what_is_said_of_an_alias_is_true(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    assert "We know nothing of you" in client.get(join(house, client, here)).text
    page = client.get(join(house, client, here, alias="Zubr")).text
    assert "We know nothing of you" not in page
    assert "stored sealed, and nothing else about you" in page


@pytest.mark.parametrize("typed", ["0", "21", "two", ""])
def test_a_number_that_cannot_be_is_told_beside_its_field_and_nothing_is_lost(
    house: House, make: Factory, typed: str
) -> None:
    here, client = picket(house, make), house.client()
    shift(house, here)
    own = confirmed(house, client, here, alias="Zubr", people="3")
    page = client.get(own).text
    action = re.findall(r'action="(/pickets/mine/[\w-]+/people)', page)[0]
    form = {"people": typed, "event_id": hidden(page, "event_id"), "page": hidden(page, "page")}
    answer = client.post(action, data=form)
    assert answer.status_code == 422
    assert re.search(r'id="people-error">Enter a whole number from 1 to 20', answer.text)
    assert f'value="{typed}"' in answer.text
    for kept in ("Zubr", EMAIL, "Signature table", "I am not coming"):
        assert kept in answer.text, kept
    assert house.value("SELECT count(*) FROM inbox WHERE state = 'new'") == 0
    again = {**form, "people": "4", "event_id": hidden(answer.text, "event_id")}
    assert client.post(action, data=again).status_code == 303
    house.drain()
    assert house.value("SELECT people FROM participants") == 4


@pytest.mark.parametrize("page", ["", "x", NO_EVENT])
def test_a_wrong_number_on_a_page_that_has_run_out_leads_to_its_button(house: House, make: Factory, page: str) -> None:
    here, client = picket(house, make), house.client()
    confirmed(house, client, here)
    answer = client.post("/pickets/mine/abc/people", data={"people": "0", "page": page})
    assert (answer.status_code, answer.location) == (303, "/pickets/mine/abc")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pickets SET state = 'cancelled', cancelled_at = now()",
        "UPDATE pickets SET starts_at = now() - interval '3 hours', ends_at = now() - interval '1 hour'",
        "UPDATE petitions SET state = 'hidden', public_reason = 'x'",
    ],
    ids=["cancelled", "over", "taken down"],
)
@pytest.mark.parametrize("way", ["the page", "the mail's button"])
def test_whatever_becomes_of_the_picket_one_can_see_ones_own_page_and_leave(
    house: House, make: Factory, change: str, way: str
) -> None:
    here, client = picket(house, make), house.client()
    own = confirmed(house, client, here, alias="Zubr")
    house.sql(change)
    if way == "the mail's button":
        own = press(client, path_of(mails(house)[-1]["confirm_url"])).location
        house.drain()
    page = client.get(own)
    assert page.status_code == 200
    assert "Zubr" in page.text
    assert "/people" not in page.text
    assert "You have left" in deed(house, client, own, "leave").text
    assert house.value("SELECT state FROM participants") == "left"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("state = 'cancelled', cancelled_at = now()", "was cancelled"),
        ("starts_at = now() - interval '3 hours', ends_at = now() - interval '1 hour'", "is over"),
        ("mode = 'single_person'", "others cannot join"),
    ],
)
def test_what_cannot_be_joined_says_why_and_leads_to_the_others(
    house: House, make: Factory, change: str, told: str
) -> None:
    here, client = picket(house, make), house.client()
    code = house.value("SELECT code FROM pickets WHERE id = :p", p=here)
    on_its_way = join(house, client, here, drain=False)
    join(house, client, here, email=EMAIL, drain=False)
    house.sql(f"UPDATE pickets SET {change}")
    house.drain()
    pages = [client.get(f"/pickets/{code}/join"), client.get(on_its_way)]
    assert told in pages[0].text
    assert ("others cannot join" in pages[1].text) is ("single_person" in change)
    assert all('href="/pickets/"' in page.text.split("<main")[1].split("</main")[0] for page in pages)


def test_a_button_that_comes_too_late_leads_to_the_others(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    join(house, client, here, email=EMAIL)
    house.sql("UPDATE pickets SET state = 'cancelled', cancelled_at = now()")
    at = press(client, path_of(mails(house)[-1]["confirm_url"])).location
    house.drain()
    page = client.get(at).text
    assert "<title>Not open any more" in page
    assert 'href="/pickets/?lang=en"' in page.split("<main")[1].split("</main")[0]
