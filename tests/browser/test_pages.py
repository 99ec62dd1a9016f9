"""Every page in every state: whole in the table, accessible in light and dark, and never wider than the screen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route

from core.config import Role
from tests.browser.conftest import PHONE, Complaints, Site
from tests.browser.scenes import CONSOLE, FORM, NO_PAGE, PUBLIC, SHOWN, Scene
from tests.conftest import Secrets, make_app, make_config

pytestmark = pytest.mark.processes

AXE = Axe().axe_script
WIDTHS = (PHONE["width"], 320, 768, 1024)
"""Pixels: phones, then what lies between a phone and a desk, where tables are tightest."""
RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    # The dark page is the same document in other colours.
    "dark": ["color-contrast", "link-in-text-block"],
}
# With `preload` it would fetch the style sheets again by script, which our policy forbids.
RUN = """async rules => {
    const { violations } = await axe.run({ runOnly: rules, resultTypes: ['violations'], preload: false });
    return violations.flatMap(rule => rule.nodes.map(node => rule.id + ' at ' + node.target));
}"""
TOO_WIDE = """() => {
    const root = document.scrollingElement, width = root.clientWidth;
    if (root.scrollWidth <= width) return [];
    const out = [...document.body.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > width + 0.5);
    return ['it needs ' + root.scrollWidth, ...out.slice(0, 5).map(one => one.cloneNode(false).outerHTML)];
}"""


@pytest.mark.parametrize(("role", "scenes"), [(Role.PUBLIC, PUBLIC), (Role.CONSOLE, CONSOLE)])
def test_every_route_that_is_read_is_in_the_table(
    secrets: Secrets, tmp_path: Path, role: Role, scenes: list[Scene]
) -> None:
    mails = tmp_path if role is Role.PUBLIC else None
    app = make_app(make_config(role, secrets, "postgresql+psycopg://nobody@127.0.0.1/none", dev_mail_dir=mails))
    read = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or set())}
    assert read - {scene.endpoint for scene in scenes} - NO_PAGE.keys() == set()


def without_refresh(route: Route) -> None:
    """A page that asks again by itself would take the test's script away."""
    if route.request.method != "GET":
        route.continue_()
        return
    answer = route.fetch()
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "refresh"}
    route.fulfill(response=answer, headers=headers)


@pytest.mark.parametrize("scene", [*PUBLIC, *CONSOLE], ids=str)
def test_page(scene: Scene, site: Site, known_at: Callable[[str], Page]) -> None:
    page = known_at(scene.who)
    complaints = Complaints(page, site.addresses["site"], site.addresses["console"])
    page.route(re.compile("/(answers|bundles|downloads|mine|search|thanks)/"), without_refresh)
    scene.open(page, site)
    found = complaints.found.copy()
    if scene.status >= 400:
        # Its own status is told twice; a second time would be a picture's or a style sheet's.
        for own in (f"{scene.status}: ", "error: Failed to load resource: the server responded with a status of "):
            found.remove(next(one for one in found if one.startswith(own)))
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.evaluate(AXE)
    for colours, rules in RULES.items():
        page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]  # One of the two it knows.
        found += [f"{colours}: {one}" for one in page.evaluate(RUN, rules)]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        found += [f"at {width} px: {one}" for one in page.evaluate(TOO_WIDE)]
    # What somebody sets who reads large letters: the browser's own size of text, which is 16 px.
    page.set_viewport_size({"width": 1280, "height": 800})
    browser = page.context.new_cdp_session(page)
    browser.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") >= 32
    found += [f"with text of 200 %: {one}" for one in page.evaluate(TOO_WIDE)]
    browser.send("Page.setFontSizes", {"fontSizes": {"standard": 16}})
    if isinstance(scene.way, str) and "lang=" not in scene.way:
        for language in ("be", "pl"):
            address = site.url(scene.way)
            page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                found += [f"{language} at {width} px: {one}" for one in page.evaluate(TOO_WIDE)]
    assert not found, "\n".join(found)


def test_on_paper_a_table_stays_a_table(site: Site, known_at: Callable[[str], Page]) -> None:
    page = known_at("coordinator")
    page.goto(site.url("{petition}"))
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 with the margins that browsers leave.
    shown = "selector => getComputedStyle(document.querySelector(selector)).display"
    assert page.evaluate(shown, "table.stack") == "table"
    assert page.evaluate(shown, "table.stack td") == "table-cell"
    assert page.evaluate(shown, "form") == "none"
    page.goto(site.url(FORM))
    assert page.evaluate(shown, "form.sign") == "none"
    page.goto(site.url("{site}/petitions/closed"))
    assert page.evaluate(shown, ".progress-box") == "block", "that it is over is worth its ink"


def test_in_a_readers_own_colours_ticks_and_progress_are_the_browsers(
    site: Site, known_at: Callable[[str], Page]
) -> None:
    page = known_at("site")
    page.emulate_media(forced_colors="active")
    for address, selector in ((FORM, "[type=checkbox]"), (FORM, "[type=radio]"), (SHOWN, "progress")):
        page.goto(site.url(address))
        look = page.eval_on_selector(
            selector, "one => [getComputedStyle(one).appearance, getComputedStyle(one).backgroundImage]"
        )
        assert look == ["auto", "none"], selector
