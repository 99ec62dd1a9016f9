"""Pickets in ten cities, announced by an organiser and a coordinator over HTTP; people who come; one that is called off."""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

from core.demo.browser import Browser, Page
from core.demo.embedded import StandError
from core.demo.staff import Robot
from core.demo.stand import Stand

PATIENCE = 60.0
PLACES = {
    "Stockholm": "Gustav Adolfs torg 1",
    "Vilnius": "J. Tumo-Vaižganto g. 2",
    "Praha": "Loretánské náměstí 5",
    "Białystok": "Rynek Kościuszki 1",
    "Batumi": "Europe Square",
    "Wrocław": "Rynek 1",
    "Toronto": "Nathan Phillips Square",
    "Варшава": "al. J. Ch. Szucha 23",
    "Ottawa": "125 Sussex Drive",
    "Berlin": "Werderscher Markt 1",
}
"""Cities as somebody may type them, and where people meet."""
CALLED_OFF, PAST = "Toronto", "Stockholm"


def hold_pickets(stand: Stand, petition: str) -> str:
    """Announce them, unless an earlier run has. Returns where the map is. Raises StandError when something goes wrong."""
    if not _number(stand, "SELECT count(*) FROM pickets"):
        organiser, coordinator = Robot(stand, "organiser"), Robot(stand, "coordinator")
        try:
            organiser.log_in()
            coordinator.log_in()
            _hold_all(stand, organiser, coordinator, petition)
        finally:
            organiser.browser.close()
            coordinator.browser.close()
    return f"http://localhost:{stand.ports.public}/pickets/"


def _hold_all(stand: Stand, organiser: Robot, coordinator: Robot, petition: str) -> None:
    """Announce one in each city, call one off that somebody comes to, and report of one."""
    petition_id = _number(stand, "SELECT id FROM petitions WHERE slug = %s", petition)
    paths = {city: announce(organiser, coordinator, city, number, petition_id) for number, city in enumerate(PLACES)}
    _wait(stand, "SELECT count(*) FROM pickets WHERE state = 'announced'", len(PLACES), "were announced")
    code = _text(stand, "SELECT p.code FROM pickets p JOIN cities c ON c.id = p.city_id WHERE c.name = %s", CALLED_OFF)
    _come(stand, code)
    page = organiser.browser.get(urljoin(organiser.site, f"{paths[CALLED_OFF]}/cancel"))
    _sent(organiser.browser.submit(page, page.forms("")[-1], {"reason": "weather", "note": "A storm is coming."}))
    _wait(stand, "SELECT count(*) FROM outbox WHERE template = 'picket_cancelled' AND state = 'sent'", 1, "was told")
    _look_at_calendar(stand, code)
    _let_go_by(stand, paths[PAST])
    page = organiser.browser.get(urljoin(organiser.site, f"{paths[PAST]}/report"))
    told = {
        "headcount": "120",
        "sheets": "9",
        "signatures": "101",
        "summary": "It rained, and nobody left.",
        "later": "now",
    }
    _sent(organiser.browser.submit(page, page.forms("")[-1], told))


def announce(organiser: Robot, coordinator: Robot, city: str, number: int, petition_id: int) -> str:
    """From the form to the coordinator's word. Returns the path of the picket on the console."""
    browser = organiser.browser
    page = browser.get(f"{organiser.site}/pickets/new")
    day = datetime.now(UTC) + timedelta(days=12 + number)
    typed = {
        "petition": str(petition_id), "city": city, "addressee": "", "day": f"{day:%Y-%m-%d}", "begins": "12:00", "ends": "14:00",
        "mode": "static_assembly", "people": "60", "place": PLACES[city], "place_shown": "exact", "alias": "Zubr", "language": "en",
        "about": "We stand in silence, and collect signatures on paper.", "bring": "Flags without poles. Water. A warm coat.",
        "access": "Level ground; a bench ten metres away.",
    }  # fmt: skip
    page = browser.submit(page, page.forms("")[-1], typed)
    if namesakes := re.findall(r'name="city_id"[^>]*value="(\d+)"', page.text):
        page = browser.submit(page, page.forms("")[-1], typed | {"city_id": namesakes[0]})
    _sent(page)
    found = re.search(r"/pickets/[0-9a-f-]{36}", page.url)
    if not found:
        raise StandError(f"The picket in {city} was not written down: {page.heading}")
    path = found[0]
    filed = datetime.now(UTC) - timedelta(days=3)
    noted = {"eligible": "yes", "filed_at": f"{filed:%Y-%m-%dT%H:%M}", "receipt": f"Z-{number + 1}", "granted": "y", "answer": "The office said that a notice is enough."}  # fmt: skip
    form = next(one for one in page.forms("") if one.action.endswith("/notice") or not one.action)
    _sent(browser.submit(page, form, noted))
    page = browser.get(urljoin(organiser.site, f"{path}/brief"))
    page = _sent(browser.submit(page, page.forms("")[-1], {"read": "y"}))
    page = browser.get(urljoin(organiser.site, path))
    if not page.forms("/submission"):
        raise StandError(f"The picket in {city} cannot be submitted; its page says why.")
    page = _sent(
        browser.submit(page, page.forms("/submission")[0], {"reason": "The office was asked; it is a demonstration."})
    )
    _agree(coordinator, path)
    return path


def _agree(coordinator: Robot, path: str) -> None:
    page = coordinator.browser.get(urljoin(coordinator.site, path))
    link = re.search(r'href="(/approvals/[0-9a-f-]+)"', page.text)
    if not link:
        raise StandError("The coordinator is not led from the picket to the request.")
    page = coordinator.browser.get(urljoin(coordinator.site, link[1]))
    _sent(coordinator.browser.submit(page, page.forms("/approvals/")[0], {"decision": "approve"}))


def _come(stand: Stand, code: str) -> None:
    """Somebody joins with an address and presses the button of the mail; a few more without."""
    site = f"http://localhost:{stand.ports.public}"
    known = {path.name for path in stand.mails.glob("*.eml")}
    typed: list[Mapping[str, str]] = [
        {"people": "2", "email": "ala.demo@example.org", "alias": "Ala"},
        {"people": "4"},
        {"people": "3"},
    ]
    for one in typed:
        browser = Browser()
        page = browser.get(f"{site}/pickets/{code}/join")
        _sent(browser.submit(page, page.forms("")[-1], one))
        browser.close()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for path in stand.mails.glob("*.eml"):
            link = _link_in(path) if path.name not in known else None
            if link:
                browser = Browser()
                page = browser.get(link)
                _sent(browser.submit(page, page.forms("")[-1]))
                browser.close()
                _wait(
                    stand,
                    "SELECT count(*) FROM participants WHERE state = 'coming' AND mailbox_hmac IS NOT NULL",
                    1,
                    "confirmed",
                )
                return
        time.sleep(0.2)
    raise StandError("The mail to a participant did not come; see var/logs/heavy.log.")


def _link_in(path: Path) -> str | None:
    """The link of a caught mail that asks to confirm."""
    body = email.message_from_bytes(path.read_bytes(), policy=email.policy.default).get_body(("plain",))
    found = re.search(r"http\S+/pickets/confirm/\S+", body.get_content()) if body else None
    return found[0] if found else None


def _look_at_calendar(stand: Stand, code: str) -> None:
    """A calendar keeps what is called off, and says so."""
    browser = Browser()
    deadline = time.monotonic() + PATIENCE
    while "STATUS:CANCELLED" not in (
        text := browser.get(f"http://localhost:{stand.ports.public}/pickets/{code}/calendar.ics").text
    ):
        if time.monotonic() > deadline or "BEGIN:VEVENT" not in text:
            raise StandError("The calendar does not say that the picket is cancelled.")
        time.sleep(1)
    browser.close()


def _let_go_by(stand: Stand, path: str) -> None:
    """A picket that was yesterday: the demonstration has no week to wait."""
    with stand.postgres.connect("owner") as db:
        db.execute(
            "UPDATE pickets SET starts_at = now() - interval '26 hours', ends_at = now() - interval '24 hours', announced_at = now() - interval '9 days' WHERE id = %s",
            (path.rpartition("/")[2],),
        )


def _sent(page: Page) -> Page:
    if page.status != 200:
        wrong = re.findall(r'<p class="error"[^>]*>([^<]*)', page.text)
        raise StandError(f"A form of pickets was answered with {page.status}: {page.heading}. {' '.join(wrong)}")
    return page


def _wait(stand: Stand, query: str, number: int, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while _number(stand, query) < number:
        if time.monotonic() > deadline:
            raise StandError(f"Not all {what} within {PATIENCE:.0f} seconds; see var/logs/heavy.log.")
        time.sleep(0.3)


def _number(stand: Stand, query: str, *values: str) -> int:
    return int(_text(stand, query, *values) or 0)


def _text(stand: Stand, query: str, *values: str) -> str:
    with stand.postgres.connect("owner") as db:
        row = db.execute(query, values).fetchone()
    return str(row[0]) if row else ""
