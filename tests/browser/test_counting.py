"""A flood comes, is held back, and two people decide about it; everybody sees what became of every signature."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, expect

from core.demo.browser import Browser as Visitor
from petitions.screening import MOST_A_NETWORK
from tests.browser.conftest import Site, press, until
from tests.browser.test_people import DESK, accept, press_passkey, shown_codes, with_authenticator

pytestmark = pytest.mark.processes

SLUG = "bare"
NETWORK = "45.84.196"
FLOOD = MOST_A_NETWORK + 10


def sign(site: Site, number: int, network: str) -> None:
    """One more, as a machine does it: at once."""
    visitor = Visitor()
    visitor.headers["X-Forwarded-For"] = f"{network}.{number % 250 + 1}"
    page = visitor.get(site.url(f"{{site}}/petitions/{SLUG}/sign"))
    typed = {
        "name": f"Volha {'abcdefghij'[number % 10] * 3}", "email": f"flood{number}.{network}@example.org",
        "country": "PL", "city": "Warszawa", "visibility": "ministry",
    }  # fmt: skip
    answer = visitor.submit(page, page.forms("/signatures")[0], typed, follow=False)
    visitor.close()
    assert answer.status == 303


def states(site: Site) -> Counter[str]:
    with site.database() as db:
        rows = db.execute(
            "SELECT s.state, count(*) FROM signatures s JOIN petitions p ON p.id = s.petition_id WHERE p.slug = %s GROUP BY 1",
            (SLUG,),
        ).fetchall()
    return Counter(dict(rows))


def test_a_flood_is_held_back_and_decided_about_by_reason(
    site: Site, visit: Callable[..., Page], known_at: Callable[[str], Page]
) -> None:
    site.forget_attempts()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: sign(site, number, NETWORK), range(FLOOD)))
        list(pool.map(lambda number: sign(site, number, f"89.{number}.7"), range(3)))
    until("the flood in the quarantine", lambda: states(site) == {"quarantined": FLOOD, "pending": 3})

    # One reviewer looks at it by its reason, and releases some by himself.
    site.freshen()
    first = known_at("reviewer")
    first.set_viewport_size(DESK["viewport"])
    with site.database() as db:
        [(petition,)] = db.execute("SELECT id FROM petitions WHERE slug = %s", (SLUG,)).fetchall()
    held = site.url(f"{{console}}/petitions/{petition}/held")
    first.goto(held)
    group = first.get_by_role("link", name="More from one network within an hour than people send")
    expect(first.get_by_role("row").filter(has=group)).to_contain_text(f"{FLOOD}")
    group.click()
    for box in first.get_by_role("checkbox").all()[:20]:
        box.check()
    press(first, "Release the chosen ones")
    expect(first.get_by_text("20 signatures are released.")).to_be_visible()
    until("the release", lambda: states(site)["pending"] == 23)

    # To reject the others takes a reason, and a second person.
    first.get_by_role("link", name="More from one network").first.click()
    button = f"Reject all {FLOOD - 20}"
    press(first, button)
    expect(first.get_by_text("This takes a second person, who has to be told why.").first).to_be_visible()
    first.get_by_role("textbox", name="Reason").fill("All within two minutes, with ten names.")
    press(first, button)
    expect(first.get_by_text(f"{FLOOD - 20} signatures wait for a second person’s word.")).to_be_visible()
    assert states(site)["quarantined"] == FLOOD - 20

    second = with_authenticator(visit(**DESK))
    accept(second, site.invite("second-reviewer@example.org", "--role", "reviewer"), "Second")
    second.get_by_role("link", name="Passkey").click()
    press_passkey(second, "Make the passkey")
    shown_codes(second)
    second.goto(site.url("{console}/approvals?state=pending"))
    second.get_by_role("link", name=f"Reject {FLOOD - 20} signatures").click()
    second.get_by_role("link", name="Read what it is about").click()
    expect(second.get_by_role("definition").filter(has_text=f"{FLOOD - 20}")).to_be_visible()
    second.go_back()
    press(second, "Approve")
    until("the rejection", lambda: states(site) == {"rejected": FLOOD - 20, "pending": 23})

    # Everybody sees what became of all of them, and it adds up.
    reader = visit(**DESK)
    reader.goto(site.url(f"{{site}}/petitions/{SLUG}/numbers"))
    received, states_told = (
        reader.get_by_role("row")
        .filter(has=reader.get_by_role("rowheader", name="All days"))
        .get_by_role("cell")
        .all_inner_texts()
    )
    assert int(received) == FLOOD + 3 == sum(map(int, re.findall(r"(\d+)(?: ·|$)", states_told)))

    # The first one thinks better of it.
    first.goto(held)
    site.freshen()
    rows = first.get_by_role("row").filter(has_text=f"{FLOOD - 20}")
    with first.expect_navigation():
        rows.get_by_role("button", name="Undo").click()
    until("the undoing", lambda: states(site) == {"quarantined": FLOOD - 20, "pending": 23})
