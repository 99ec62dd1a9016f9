"""Every page in every state: whole in the table, accessible in light and dark, and never wider than the screen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route

from core.config import Role
from tests.browser.conftest import PHONE, Site
from tests.browser.scenes import CONSOLE, NO_PAGE, PUBLIC, Scene
from tests.conftest import Secrets, make_app, make_config

AXE = Axe().axe_script
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


@pytest.mark.processes
@pytest.mark.parametrize("scene", [*PUBLIC, *CONSOLE], ids=str)
def test_page(scene: Scene, site: Site, known_at: Callable[[str], Page]) -> None:
    page = known_at("console" if scene.logged_in else "site")
    page.route(re.compile("/(answers|bundles|downloads)/"), without_refresh)
    scene.open(page, site)
    found = []
    page.evaluate(AXE)
    for colours, rules in RULES.items():
        page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]  # One of the two it knows.
        found += [f"{colours}: {one}" for one in page.evaluate(RUN, rules)]
    for width in (PHONE["width"], 320):
        page.set_viewport_size({"width": width, "height": 800})
        found += [f"at {width} px: {one}" for one in page.evaluate(TOO_WIDE)]
    # What somebody sets who reads large letters: the browser's own size of text, which is 16 px.
    page.set_viewport_size({"width": 1280, "height": 800})
    page.context.new_cdp_session(page).send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") >= 32
    found += [f"with text of 200 %: {one}" for one in page.evaluate(TOO_WIDE)]
    assert not found, "\n".join(found)
