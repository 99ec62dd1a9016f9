"""A newcomer writes a petition and a reviewer opens it, all of it in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, press
from tests.browser.test_people import DESK, accept, press_passkey, shown_codes, with_authenticator

pytestmark = pytest.mark.processes

REGIONS = ("eu", "europe", "institutions")
"""Of these 43 two are left out, which makes 41."""
LEFT_OUT = ("UN", "UNESCO")
TITLE, TYTUL = "Let nobody be sent back", "Niech nikt nie zostanie odesłany"


def write(page: Page, title: str, body: str) -> None:
    page.get_by_role("textbox", name="Title").fill(title)
    page.get_by_role("textbox", name="Summary").fill(f"{title}, in short.")
    page.get_by_role("textbox", name="Appeal").fill(body)


def test_from_a_newcomer_to_an_open_petition(
    site: Site, visit: Callable[..., Page], known_at: Callable[[str], Page]
) -> None:
    site.forget_attempts()
    hanna = with_authenticator(visit(**DESK))
    # A coordinator of one country alone may begin a petition, and coordinates all of that one.
    accept(hanna, site.invite("creator@example.org", "--role", "coordinator", "--country", "LT"), "Hanna")
    hanna.get_by_role("link", name="Passkey").click()
    press_passkey(hanna, "Make the passkey")
    shown_codes(hanna)
    hanna.get_by_role("navigation", name="Console").get_by_role("link", name="Petitions").click()
    hanna.get_by_role("link", name="Begin a petition").click()
    hanna.get_by_role("combobox", name="Language you begin with").select_option("en")
    hanna.get_by_role("textbox", name="Title").fill(TITLE)
    press(hanna, "Begin")
    overview = hanna.url.split("/texts/")[0] + "/overview"

    # Two languages, the second beside the first, with a preview that follows the typing.
    write(hanna, TITLE, "Dear Minister,\n\n**please** help.")
    hanna.get_by_role("textbox", name="Demands").press_sequentially("Issue papers.")
    expect(hanna.locator("#drawn strong")).to_have_text("please")
    expect(hanna.locator("#drawn .demands li")).to_have_text("Issue papers.")
    press(hanna, "Save")
    hanna.get_by_role("link", name="Text", exact=True).click()
    hanna.get_by_role("combobox", name="Another language").select_option("pl")
    press(hanna, "Write in this language")
    expect(hanna.get_by_role("region", name="English")).to_contain_text("please help.")
    write(hanna, TYTUL, "Szanowna Pani Minister,\n\nprosimy.")
    press(hanna, "Save")

    # Addressees by region, then a fallback, then a picture with its description.
    hanna.get_by_role("link", name="Addressees").click()
    for region in REGIONS:
        with hanna.expect_navigation():
            hanna.locator(f"button[value={region}]").click()
    with site.database() as db:
        for code in LEFT_OUT:
            [(number,)] = db.execute("SELECT id FROM addressees WHERE code = %s", (code,)).fetchall()
            hanna.locator(f"#addressee-{number}").uncheck()
    with hanna.expect_navigation():
        hanna.get_by_role("button", name="Save").last.click()
    expect(hanna.get_by_text("41 are ticked.")).to_be_visible()
    hanna.get_by_role("link", name="Settings").click()
    fallback = hanna.get_by_role("combobox", name="Who receives signatures from all other countries")
    fallback.select_option(label=fallback.locator("option").filter(has_text="European").first.inner_text())
    press(hanna, "Save")
    picture = BytesIO()
    Image.new("RGB", (1600, 800), "teal").save(picture, "PNG")
    hanna.get_by_role("link", name="Picture").click()
    hanna.get_by_label("Picture").set_input_files(
        {"name": "p.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    press(hanna, "Send")
    hanna.goto(overview)
    for language in ("English", "Polski"):
        hanna.get_by_role("link", name=f"{language}: describe the picture").click()
        hanna.get_by_role("textbox", name="What the picture shows").fill("A teal sea.")
        press(hanna, "Save")
        hanna.get_by_role("link", name="Overview").click()
    press(hanna, "Send it to a reviewer")
    expect(hanna.get_by_text("It is with a reviewer now.")).to_be_visible()
    expect(hanna.get_by_text("In review", exact=True)).to_be_visible()

    # The reviewer reads exactly what will be published, and opens it.
    site.freshen()
    reviewer = known_at("reviewer")
    reviewer.set_viewport_size(DESK["viewport"])
    reviewer.goto(site.url("{console}/approvals?state=pending"))
    reviewer.get_by_role("link", name=TITLE).click()
    reviewer.get_by_role("link", name="Read what it is about").click()
    expect(reviewer.get_by_text("41 addressees")).to_be_visible()
    reviewer.get_by_role("link", name="Polski").last.click()
    expect(reviewer.get_by_role("heading", name=TYTUL)).to_be_visible()
    reviewer.goto(site.url("{console}/approvals?state=pending"))
    reviewer.get_by_role("link", name=TITLE).click()
    press(reviewer, "Approve")
    expect(reviewer.get_by_text("It is approved.")).to_be_visible()

    # It is open; the public reads it in both languages.
    hanna.goto(overview)
    expect(hanna.get_by_text("Open", exact=True)).to_be_visible()
    slug = re.search(
        r"/petitions/([a-z0-9-]+)", hanna.get_by_role("definition").filter(has_text="/petitions/").inner_text()
    )
    assert slug
    reader = visit(**DESK)
    for language, title in (("en", TITLE), ("pl", TYTUL)):
        answer = reader.goto(site.url(f"{{site}}/petitions/{slug[1]}?text={language}"))
        assert answer
        assert answer.status == 200
        expect(reader.get_by_role("heading", name=title)).to_be_visible()
