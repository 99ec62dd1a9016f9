"""A walk along every link, from the home pages of both hosts: nothing from elsewhere, nothing missing, nothing to warn of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qsl, urldefrag, urlsplit

import pytest
from playwright.sync_api import Error, Page

from tests.browser.conftest import Complaints, Site

pytestmark = pytest.mark.processes

FEWEST = {"site": 15, "coordinator": 20, "administrator": 40, "organiser": 10}
"""A walk of fewer pages has lost its way: three languages of each page are linked, and four of the appeal."""
MOST = 500
ALIKE = 3
"""Of addresses that differ by a number, a code of a language or a word alone so many are walked: they are one page."""


def shape(address: str) -> str:
    """What addresses of one page have in common; each language of the page is one by itself."""
    parts = urlsplit(address)
    path = re.sub(
        r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+|(?<=/texts/)[\w-]+|(?<=card-)[\w-]+|(?<=/letters/)\w+/\w+", "*", parts.path
    )
    return f"{path} {sorted((name, word if name == 'lang' else '') for name, word in parse_qsl(parts.query))}"


@pytest.mark.parametrize("who", FEWEST)
def test_every_link_leads_to_a_page_without_complaints(site: Site, known_at: Callable[[str], Page], who: str) -> None:
    origin = site.addresses["site" if who == "site" else "console"]
    page = known_at(who)
    complaints = Complaints(page, origin)
    # The pages that only a form or a mail leads to are beginnings as well.
    known = site.addresses
    more = [known["thanks"], known["confirm"], known["mine"], known["own_page"]] if who == "site" else []
    ahead = [f"{origin}/", *more]
    seen, alike = set(ahead), Counter[str]()
    while ahead:
        site.freshen()  # The walk takes longer than a proof of who one is holds.
        address = ahead.pop()
        # A file to be kept: the browser would stay where it is.
        if urlsplit(address).path.endswith(("/data.json", ".py", ".ics", "/text")):
            assert page.request.get(address).ok
            continue
        page.goto(address)
        for link in page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)"):
            address = urldefrag(link).url
            if urlsplit(address).scheme in ("http", "https") and address not in seen and address.startswith(origin):
                seen.add(address)
                alike[shape(address)] += 1
                if alike[shape(address)] <= ALIKE:
                    ahead.append(address)
        assert len(alike) < MOST, "the links have no end"
    assert not complaints.found, "\n".join(complaints.found)
    assert len(seen) >= FEWEST[who]


def test_the_walk_would_notice(site: Site, known_at: Callable[[str], Page]) -> None:
    page = known_at("site")
    complaints = Complaints(page, site.addresses["site"])
    page.goto(site.url("{site}/"))
    assert complaints.found == []
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\"><img src=http://elsewhere.example/x>')"
    )
    page.goto(site.url("{site}/nothing/here"))
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://elsewhere.example/")
    kinds = {one.split(":")[0] for one in complaints.found}
    assert kinds >= {"error", "404", "from elsewhere", "failed"}
    assert any("Content Security Policy" in one for one in complaints.found)
