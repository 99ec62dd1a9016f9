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
    volha = with_authenticator(visit(**DESK))
    # A coordinator of one country alone may begin a petition, and coordinates all of that one.
    accept(volha, site.invite("creator@example.org", "--role", "coordinator", "--country", "LT"), "Volha")
    volha.get_by_role("link", name="Passkey").click()
    press_passkey(volha, "Make the passkey")
    shown_codes(volha)
    volha.get_by_role("navigation", name="Console").get_by_role("link", name="Petitions").click()
    volha.get_by_role("link", name="Begin a petition").click()
    volha.get_by_role("combobox", name="Language you begin with").select_option("en")
    volha.get_by_role("textbox", name="Title").fill(TITLE)
    press(volha, "Begin")
    overview = volha.url.split("/texts/")[0] + "/overview"

    # Two languages, the second beside the first, with a preview that follows the typing.
    write(volha, TITLE, "Dear Minister,\n\n**please** help.")
    volha.get_by_role("textbox", name="Demands").press_sequentially("Issue papers.")
    expect(volha.locator("#drawn strong")).to_have_text("please")
    expect(volha.locator("#drawn .demands li")).to_have_text("Issue papers.")
    press(volha, "Save")
    volha.get_by_role("link", name="Text", exact=True).click()
    volha.get_by_role("combobox", name="Another language").select_option("pl")
    press(volha, "Write in this language")
    expect(volha.get_by_role("region", name="English")).to_contain_text("please help.")
    write(volha, TYTUL, "Szanowna Pani Minister,\n\nprosimy.")
    press(volha, "Save")

    # Addressees by region, then a fallback, then a picture with its description.
    volha.get_by_role("link", name="Addressees").click()
    for region in REGIONS:
        with volha.expect_navigation():
            volha.locator(f"button[value={region}]").click()
    with site.database() as db:
        for code in LEFT_OUT:
            [(number,)] = db.execute("SELECT id FROM addressees WHERE code = %s", (code,)).fetchall()
            volha.locator(f"#addressee-{number}").uncheck()
    with volha.expect_navigation():
        volha.get_by_role("button", name="Save").last.click()
    expect(volha.get_by_text("41 are ticked.")).to_be_visible()
    volha.get_by_role("link", name="Settings").click()
    fallback = volha.get_by_role("combobox", name="Who receives signatures from all other countries")
    fallback.select_option(label=fallback.locator("option").filter(has_text="European").first.inner_text())
    press(volha, "Save")
    picture = BytesIO()
    Image.new("RGB", (1600, 800), "teal").save(picture, "PNG")
    volha.get_by_role("link", name="Picture").click()
    volha.get_by_label("Picture").set_input_files(
        {"name": "p.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    press(volha, "Send")
    volha.goto(overview)
    for language in ("English", "Polski"):
        volha.get_by_role("link", name=f"{language}: describe the picture").click()
        volha.get_by_role("textbox", name="What the picture shows").fill("A teal sea.")
        press(volha, "Save")
        volha.get_by_role("link", name="Overview").click()
    press(volha, "Send it to a reviewer")
    expect(volha.get_by_text("It is with a reviewer now.")).to_be_visible()
    expect(volha.get_by_text("In review", exact=True)).to_be_visible()

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
    volha.goto(overview)
    expect(volha.get_by_text("Open", exact=True)).to_be_visible()
    slug = re.search(
        r"/petitions/([a-z0-9-]+)", volha.get_by_role("definition").filter(has_text="/petitions/").inner_text()
    )
    assert slug
    reader = visit(**DESK)
    for language, title in (("en", TITLE), ("pl", TYTUL)):
        answer = reader.goto(site.url(f"{{site}}/petitions/{slug[1]}?text={language}"))
        assert answer
        assert answer.status == 200
        expect(reader.get_by_role("heading", name=title)).to_be_visible()
