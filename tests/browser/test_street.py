"""Pickets from the form to the street, and one that is called off: in browsers, as organisers, a coordinator and a participant see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import urlopen

import icalendar
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, press
from tests.browser.test_people import DESK, accept, press_passkey, shown_codes, with_authenticator
from tests.browser.waiting import until

pytestmark = pytest.mark.processes

PETITION = "Do not recognise the Lukashenka government"
NOTE = "I can bring a table."


def newcomer(site: Site, visit: Callable[..., Page], address: str, name: str) -> Page:
    """An organiser who has just set up the account."""
    site.forget_attempts()
    page = with_authenticator(visit(**DESK))
    accept(page, site.invite(address, "--role", "organiser"), name)
    page.get_by_role("link", name="Passkey").click()
    press_passkey(page, "Make the passkey")
    shown_codes(page)
    return page


def write(page: Page, city: str, day: datetime, place: str) -> None:
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Pickets").click()
    page.get_by_role("link", name="Announce a picket").click()
    page.get_by_role("combobox", name="Petition").select_option(label=PETITION)
    page.get_by_role("textbox", name="City").fill(city)
    page.get_by_label("Day").fill(f"{day:%Y-%m-%d}")
    page.get_by_label("Begins").fill("12:00")
    page.get_by_label("Ends").fill("14:00")
    page.get_by_role("spinbutton", name="How many people you expect").fill("25")
    page.get_by_role("textbox", name="Exact place").fill(place)
    page.get_by_role("textbox", name="What you are called in public").fill("Zubr")
    press(page, "Go on")
    # Of some cities there are several; the largest is chosen already.
    if page.get_by_role("radio", name=re.compile("Poland|Germany")).count():
        page.get_by_role("radio", name=re.compile("Poland|Germany")).first.check()
        press(page, "Go on")


def prepare(page: Page, filed: datetime, route: str | None) -> str:
    """Record the notice, read the brief, ask for the word. Returns the address of the picket."""
    overview = re.sub(r"/notice.*", "", page.url)
    if route:
        page.get_by_role("radio", name=route).check()
    page.get_by_role("radio", name="Yes", exact=True).check()
    page.get_by_label("When you filed it").fill(f"{filed:%Y-%m-%dT%H:%M}")
    page.get_by_role("textbox", name="Number or words of the receipt").fill("Z-17/2026")
    press(page, "Record it")
    expect(page.get_by_role("button", name="Ask for the word")).to_have_count(0)
    page.get_by_role("link", name="Safety brief").first.click()
    page.get_by_role("checkbox", name="I have read this.").check()
    page.get_by_role("main").get_by_role("button").last.click()
    page.goto(overview)
    page.get_by_role("textbox", name="What the coordinator should know").fill("No traffic is disturbed there.")
    press(page, "Ask for the word")
    return overview


def agree(site: Site, known_at: Callable[[str], Page], overview: str) -> None:
    coordinator = known_at("coordinator")
    site.freshen()
    coordinator.goto(overview)
    coordinator.get_by_role("link", name="Decide", exact=True).click()
    press(coordinator, "Approve")


def one(site: Site, query: str, *values: object) -> Any:
    with site.database() as db:
        row = db.execute(query, values).fetchone()
    return row and row[0]


def calendar(site: Site, path: str) -> list[icalendar.Event]:
    with urlopen(f"{site.addresses['site']}{path}") as answer:  # noqa: S310
        return list(icalendar.Calendar.from_ical(answer.read()).walk("VEVENT"))


def test_pickets_from_the_form_to_the_street(
    site: Site, visit: Callable[..., Page], known_at: Callable[[str], Page]
) -> None:
    now = datetime.now(UTC)
    ales = newcomer(site, visit, "ales.street@example.org", "Ales")
    visitor = visit()

    def public_address(overview: str) -> str:
        code = one(site, "SELECT code FROM pickets WHERE id = %s", overview.rpartition("/")[2])
        return f"{site.addresses['site']}/pickets/{code}"

    def is_public(overview: str) -> bool:
        """Whether a visitor finds its page."""
        answer = visitor.goto(public_address(overview))
        assert answer
        assert answer.status in (200, 404)
        return answer.status == 200

    # Warsaw in eight days: the ordinary way of six days.
    write(ales, "Warszawa", now + timedelta(days=8), "al. J. Ch. Szucha 23")
    expect(ales.get_by_role("main")).to_contain_text("6 days before")
    assert not is_public(re.sub("/notice.*", "", ales.url)), "a draft"
    ordinary = prepare(ales, now - timedelta(minutes=30), "The ordinary one")
    expect(ales.get_by_role("main")).to_contain_text("In review")
    assert not is_public(ordinary), "nothing is public before a coordinator agrees"
    agree(site, known_at, ordinary)
    until("the ordinary one is public", lambda: is_public(ordinary))

    # Warsaw in four days: too late for the ordinary way, in time for the simplified one of two days.
    write(ales, "Warszawa", now + timedelta(days=4), "Plac Zamkowy")
    expect(ales.get_by_role("main")).to_contain_text("2 days before")
    expect(ales.get_by_role("heading", name="The ordinary way")).to_contain_text("too late")
    simplified = prepare(ales, now - timedelta(minutes=30), "Simplified")
    expect(ales.get_by_role("main")).to_contain_text("In review")
    assert not is_public(simplified)
    agree(site, known_at, simplified)
    until("the simplified one is public", lambda: is_public(simplified))

    # Berlin: 48 hours from filing to announcing, whatever anybody agrees to.
    write(ales, "Berlin", now + timedelta(days=9), "Werderscher Markt 1")
    expect(ales.get_by_role("main")).to_contain_text("48 hours before")
    berlin = prepare(ales, now - timedelta(hours=2), None)
    agree(site, known_at, berlin)
    number = berlin.rpartition("/")[2]
    state = "SELECT state FROM pickets WHERE id = %s"
    assert one(site, state, number) == "notified"
    ales.goto(berlin)
    expect(ales.get_by_role("main")).to_contain_text("Ready, not public yet")
    assert not is_public(berlin)
    assert not calendar(site, "/pickets/in/de/berlin/calendar.ics")
    # One minute before the 48 hours are over nothing happens, although its hour by the coordinator's word has come.
    with site.database() as db:
        filed = "UPDATE assembly_notices SET filed_at = now() - %s * interval '1 minute' WHERE picket_id = %s"
        db.execute("UPDATE pickets SET announce_at = now() WHERE id = %s", (number,))
        db.execute(filed, (48 * 60 - 1, number))
    over = "SELECT state FROM pickets WHERE code = %s"
    for _pass in range(2):
        # The worker ends what is over right after it has announced what is due: the second pass has seen the change above.
        with site.database() as db:
            db.execute("UPDATE pickets SET state = 'announced' WHERE code = %s", (site.addresses["over_code"],))
        until("the worker has looked", lambda: one(site, over, site.addresses["over_code"]) == "held")
    assert one(site, state, number) == "notified"
    assert not is_public(berlin)
    with site.database() as db:
        db.execute(filed, (48 * 60 + 1, number))
    until("Berlin is public", lambda: is_public(berlin))

    # Somebody else wants to stand in Warsaw, too, and is led to those who do already.
    belka = newcomer(site, visit, "belka.street@example.org", "Belka")
    write(belka, "Варшава", now + timedelta(days=3), "In front of the town hall")
    expect(belka.get_by_role("main")).to_contain_text("stands already")
    belka.get_by_role("link", name="Organise it together").click()
    belka.get_by_role("textbox").first.fill(NOTE)
    belka.get_by_role("main").get_by_role("button").last.click()
    ales.goto(simplified)
    expect(ales.get_by_role("main")).to_contain_text(NOTE)
    ales.get_by_role("button", name="Take in").click()
    belka.goto(simplified)
    expect(belka.get_by_role("heading", level=1)).to_be_visible()
    public = public_address(simplified)
    code = public.rpartition("/")[2]

    # A shift, and somebody who takes it with an alias.
    ales.get_by_role("link", name="Shifts").click()
    ales.get_by_role("combobox", name="Task").select_option("table")
    ales.get_by_label("Begins").fill("12:00")
    ales.get_by_label("Ends").fill("13:00")
    press(ales, "Add the shift")
    visitor.goto(public)
    visitor.get_by_role("link", name="I am coming").click()
    visitor.get_by_role("textbox", name="What we may call you").fill("Busieł")
    visitor.get_by_role("textbox", name="E-mail address").fill("busiel@example.org")
    visitor.get_by_role("combobox", name="Do you take a shift?").select_option(index=1)
    press(visitor, "I am coming")
    body = site.mail_to("busiel@example.org")[1].get_body(("plain",))
    assert body
    link = re.search(r"http\S+/pickets/confirm/\S+", body.get_content())
    assert link
    visitor.goto(link[0])
    press(visitor, "I am coming")
    expect(visitor.get_by_text("The shift is yours")).to_be_visible()

    # Called off with one press: page, calendars and mail say so.
    [before] = calendar(site, f"/pickets/{code}/calendar.ics")
    assert (str(before["STATUS"]), int(before["SEQUENCE"])) == ("CONFIRMED", 0)
    ales.goto(f"{simplified}/cancel")
    ales.get_by_role("radio", name="For the safety of those who come").check()
    ales.get_by_role("main").get_by_role("button").last.click()
    told = site.mail_to("busiel@example.org", 1)[1]
    assert told["Subject"] == "Cancelled: please do not come"

    def cancelled() -> bool:
        visitor.goto(public)
        return visitor.get_by_text("Cancelled: please do not come").count() > 0

    until("the page says so", cancelled)
    until(
        "the calendar says so", lambda: str(calendar(site, f"/pickets/{code}/calendar.ics")[0]["STATUS"]) == "CANCELLED"
    )
    for path in (
        f"/pickets/{code}/calendar.ics",
        "/pickets/in/pl/warsaw/calendar.ics",
        "/pickets/in/pl/calendar.ics",
        "/pickets/for/no-recognition/calendar.ics",
    ):
        until(
            "every calendar says so",
            lambda path=path: any(
                event["UID"] == before["UID"] and str(event["STATUS"]) == "CANCELLED" and int(event["SEQUENCE"]) == 1
                for event in calendar(site, path)
            ),
        )  # type: ignore[misc]  # A closure over the path.

    # Of its only mail the organiser sees that it has left, and that none was returned.
    def told_of_it() -> list[str]:
        ales.goto(simplified)
        row = ales.get_by_role("row", name="That it is cancelled")
        return row.get_by_role("cell").all_inner_texts()[1:]

    until("the organiser sees that it has left", lambda: told_of_it() == ["1", "1", "0"])
    assert is_public(ordinary), "the other one stands"
