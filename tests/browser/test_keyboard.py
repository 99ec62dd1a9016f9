"""Without a mouse: the way past the head of the page, the sign form from its first field to its button, and where one is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PETITION, Site

pytestmark = pytest.mark.processes

WHERE = """() => {
    const here = document.activeElement;
    if (!here || here === document.body) return null;
    // What says that one is here, and the same without: `blur` takes it away, `focus` brings it back.
    const look = () => {
        const { outline, outlineStyle, outlineWidth, boxShadow } = getComputedStyle(here);
        return (outlineStyle === 'none' || outlineWidth === '0px' ? '' : outline) + boxShadow;
    };
    const box = here.getBoundingClientRect();
    const focused = look();
    here.blur();
    const plain = look();
    here.focus({ focusVisible: true });
    return {
        what: here.cloneNode(false).outerHTML,
        differs: focused !== plain,
        inside: document.querySelector('main').contains(here),
        seen: box.width > 0 && box.left >= 0 && box.right <= innerWidth && box.bottom > 0 && box.top < innerHeight,
    };
}"""


def stops(page: Page, look: str = WHERE) -> Iterator[Any]:
    """Press Tab from stop to stop until the page is over; what a script sees at each."""
    for _ in range(400):
        page.keyboard.press("Tab")
        stop = page.evaluate(look)
        if stop is None:
            return
        yield stop
    raise AssertionError("Tab goes round and round")


def go_to(page: Page, selector: str) -> None:
    """Press Tab until one is there."""
    look = f"() => document.activeElement === document.body ? null : [document.activeElement.matches({selector!r})]"
    assert any(stop == [True] for stop in stops(page, look)), f"Tab does not lead to {selector}"


@pytest.mark.parametrize("address", [f"{{site}}/petitions/{PETITION}", "{console}/login"])
def test_the_first_stop_leads_past_the_head_of_the_page(site: Site, visit: Callable[..., Page], address: str) -> None:
    page = visit()
    page.goto(site.url(address))
    link = page.get_by_role("link", name="Skip to the content")
    expect(link).not_to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(WHERE)["inside"]


def test_the_form_is_filled_in_and_sent_by_keyboard(site: Site, visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto(site.url(f"{{site}}/petitions/{PETITION}"))
    go_to(page, "[href*='/sign']")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/sign"))
    typed = {"name": "Кастусь", "email": "kastus@example.org", "country": "Portugal", "city": "Porto"}
    for field, text in typed.items():
        go_to(page, f"[name={field}]")
        page.keyboard.type(text)
    expect(page.get_by_role("combobox")).to_have_value("PT")
    go_to(page, "[name=visibility]")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="shows my initials")).to_be_checked()
    go_to(page, "[name=updates]")
    page.keyboard.press("Space")
    go_to(page, "[action*=signatures] [type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step: confirm your signature")
    code = site.told("kastus@example.org")["code"]
    go_to(page, "[name=code]")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you. Your signature is counted.")


def test_a_dialog_takes_the_focus_and_gives_it_back(site: Site, visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto(site.url("{site}/dev/components/"))
    opener = page.get_by_role("button", name="Open a dialog")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("site", "{site}/"),
        ("site", f"{{site}}/petitions/{PETITION}"),
        ("site", "{site}/petitions/everything"),
        ("site", "{site}/petitions/everything/sign"),
        ("site", "{thanks}"),
        ("site", "{own_page}"),
        ("site", "{confirm}"),
        ("coordinator", "{petition}"),
        ("administrator", "{person}"),
    ],
)
def test_one_sees_where_one_is(site: Site, known_at: Callable[[str], Page], host: str, address: str) -> None:
    page = known_at(host)
    page.goto(site.url(address))
    found = list(stops(page))
    assert len(found) > 5
    assert [stop["what"] for stop in found if not stop["differs"]] == []
    assert [stop["what"] for stop in found if not stop["seen"]] == []
