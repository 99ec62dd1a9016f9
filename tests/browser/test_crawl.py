"""A walk along every link, from the home pages of both hosts: nothing from elsewhere, nothing missing, nothing to warn of."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urldefrag, urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, Response

from tests.browser.conftest import PETITION, Site

pytestmark = pytest.mark.processes

FEWEST = {"site": 15, "console": 12}
"""A walk of fewer pages has lost its way: three languages of each page are linked, and four of the appeal."""
MOST = 300


class Complaints:
    """What a browser would hold against the pages it was led to."""

    def __init__(self, page: Page, origin: str) -> None:
        self.origin = origin
        self.found: list[str] = []
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("console", self._console)
        page.on("requestfailed", self._failed)
        page.on("pageerror", lambda error: self.found.append(f"script: {error}"))

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self.origin + "/"):
            self.found.append(f"from elsewhere: {request.url}")

    def _failed(self, request: Request) -> None:
        # A page that is left while its icon is still coming stops asking for it.
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"failed: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{response.status}: {response.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            # What breaks the Content-Security-Policy is told here, too.
            self.found.append(f"{message.type}: {message.text}")


@pytest.mark.parametrize("host", ["site", "console"])
def test_every_link_leads_to_a_page_without_complaints(site: Site, known_at: Callable[[str], Page], host: str) -> None:
    origin = site.addresses[host]
    page = known_at(host)
    complaints = Complaints(page, origin)
    # The pages that only a form or a mail leads to are beginnings as well.
    more = {"site": [f"{origin}/petitions/{PETITION}/thanks", site.addresses["confirm"]], "console": []}
    ahead = [f"{origin}/", *more[host]]
    seen = set(ahead)
    while ahead:
        page.goto(ahead.pop())
        for link in page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)"):
            address = urldefrag(link).url
            if urlsplit(address).scheme in ("http", "https") and address not in seen and address.startswith(origin):
                seen.add(address)
                ahead.append(address)
        assert len(seen) < MOST, "the links have no end"
    assert not complaints.found, "\n".join(complaints.found)
    assert len(seen) >= FEWEST[host]


def test_the_walk_would_notice(site: Site, known_at: Callable[[str], Page]) -> None:
    page = known_at("site")
    complaints = Complaints(page, site.addresses["site"])
    page.goto(site.url("{site}/"))
    assert complaints.found == []
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\"><img src=http://elsewhere.example/x>')"
    )
    page.goto(site.url("{site}/nothing/here"))
    kinds = {one.split(":")[0] for one in complaints.found}
    assert kinds >= {"error", "404"}
    assert any("Content Security Policy" in one for one in complaints.found)
