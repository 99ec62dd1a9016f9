"""A signer's journey in a browser, and the main job: from the text of a petition to the bundle in a coordinator's hands; with and without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zipfile import ZipFile

import pytest
from playwright.sync_api import Page, expect

from core.demo.register import read_bundle
from tests.browser.conftest import PETITION, Site, Words, press, until
from tests.browser.scenes import FORM

pytestmark = pytest.mark.processes

POLAND = "Ministry of Foreign Affairs of the Republic of Poland"
FALLBACK = "European External Action Service"
EACH_WAY = pytest.mark.parametrize(("language", "scripts"), [("en", True), ("en", False), ("be", False)])
"""Languages, with a script and without; there is nothing on these pages that a script would do better."""


def counted(site: Site) -> int:
    with site.database() as db:
        row = db.execute("SELECT counted FROM pub.petitions WHERE slug = %s", (PETITION,)).fetchone()
    assert row
    return int(row[0])


def someone(language: str, scripts: bool) -> dict[str, Any]:
    """Whose browser it is."""
    return {"locale": {"en": "en-GB", "be": "be-BY"}[language], "java_script_enabled": scripts}


def heading(page: Page, text: str) -> None:
    """Wait for a page by its heading; pages that wait for a worker look again by themselves."""
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def sign(page: Page, site: Site, say: Words, name: str, email: str) -> None:
    """Fill in the form and send it, for the ministry alone."""
    page.goto(site.url(f"{{site}}/petitions/{PETITION}/sign"))
    page.get_by_role("textbox", name=say("First and last name")).fill(name)
    page.get_by_role("textbox", name=say("E-mail address")).fill(email)
    page.get_by_role("combobox", name=say("Country where you live")).select_option("PL")
    page.get_by_role("textbox", name=say("City")).fill("Białystok")
    page.get_by_role(
        "radio", name=say("With my name and city, for the ministry and the coordinator who hands them over.")
    ).check()
    assert press(page, say("Sign")).status == 200
    heading(page, say("One more step: confirm your signature"))


def open_from_mail(page: Page, site: Site, email: str, link: str) -> None:
    """Open the newest mail to an address where the demonstration shows it, and follow one of its links."""
    number, _message = site.mail_to(email)
    page.goto(site.url(f"{{site}}/dev/mail/{number}"))
    page.locator(f"a[href*='/{link}/']").click()


@EACH_WAY
def test_a_signature_is_given_confirmed_counted_and_handed_over(
    site: Site, visit: Callable[..., Page], tmp_path: Path, language: str, scripts: bool
) -> None:
    say = Words(language)
    options = someone(language, scripts)
    before = counted(site)
    name, email = f"Alena {language.title()} {'Tak' if scripts else 'Nie'}", f"alena-{language}-{scripts}@example.org"

    page = visit(**options)
    page.goto(site.url(f"{{site}}/petitions/{PETITION}"))
    title = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name=say("Sign this petition")).first.click()
    heading(page, title)
    page.get_by_role("textbox", name=say("First and last name")).fill(name)
    page.get_by_role("textbox", name=say("E-mail address")).fill(email)
    # The page says whom the signature goes to before it is sent: this country's ministry, or else the fallback.
    country, told = page.get_by_role("combobox", name=say("Country where you live")), page.locator(".receiver")
    expect(told).not_to_be_visible()
    for code, sentence, receiver in (
        ("BR", "This petition is not addressed to that country, so your signature goes to:", FALLBACK),
        ("ZZ", "This petition is not addressed to that country, so your signature goes to:", FALLBACK),
        ("PL", "Your signature goes to:", POLAND),
    ):
        country.select_option(code)
        assert told.locator("p:visible").count() == 1, code
        expect(told.locator("p:visible")).to_contain_text(say(sentence))
        expect(told.locator("p:visible")).to_contain_text(receiver)
    page.get_by_role("textbox", name=say("City")).fill("Białystok")
    page.get_by_role(
        "radio", name=say("With my name and city, for the ministry and the coordinator who hands them over.")
    ).check()
    assert press(page, say("Sign")).status == 200
    heading(page, say("One more step: confirm your signature"))

    page.get_by_role("textbox", name=say("Code of six digits from our message")).fill(site.told(email)["code"])
    press(page, say("Confirm by code"))
    heading(page, say("Thank you. Your signature is counted."))
    assert counted(site) == before + 1
    page.goto(site.url(f"{{site}}/petitions/{PETITION}"))
    # The site keeps the page for some seconds.
    bar = page.get_by_role("progressbar").first
    until("the new count", lambda: page.reload() and bar.get_attribute("value") == str(before + 1))

    desk = visit(**options, viewport={"width": 1280, "height": 900})
    # A coordinator's passkey needs a script, so whoever has none comes with a session (test_people.py logs in).
    known = site.staff["coordinator"].cookies.items()
    desk.context.add_cookies([{"name": name, "value": text, "url": site.addresses["console"]} for name, text in known])
    site.freshen()
    desk.goto(site.url("{console}/"))
    desk.get_by_role("navigation", name=say("Console")).get_by_role("link", name=say("Petitions")).click()
    desk.get_by_role("link", name=title).click()
    desk.locator("a[href$='/bundles']", has_text=POLAND).click()
    desk.get_by_role("radio", name=say("Names and cities")).check()
    site.freshen()
    desk.get_by_role("button", name=say("Ask for the bundle")).click()
    expect(desk.get_by_role("heading", level=1)).to_contain_text(POLAND)
    site.write_log()
    site.agree(desk.content())
    desk.reload()
    site.freshen()
    with desk.expect_download() as taking:
        desk.get_by_role("button", name=say("Take the bundle away")).click()
    taken = tmp_path / taking.value.suggested_filename
    taking.value.save_as(taken)
    assert taken.suffix == ".zip"
    with ZipFile(taken) as archive:
        drawn = [one for one in archive.namelist() if one.endswith(".pdf")]
        assert [archive.read(one)[:4] for one in drawn] == [b"%PDF", b"%PDF"]
    assert (name, "Białystok") in {(row.name, row.city) for row in read_bundle(taken)}


@EACH_WAY
def test_on_their_own_page_signers_look_change_and_leave(
    site: Site, visit: Callable[..., Page], language: str, scripts: bool
) -> None:
    say = Words(language)
    before = counted(site)
    name, email = f"Zośka {language.title()} {'Tak' if scripts else 'Nie'}", f"zoska-{language}-{scripts}@example.org"
    page = visit(**someone(language, scripts))
    sign(page, site, say, name, email)
    open_from_mail(page, site, email, "confirm")
    press(page, say("Confirm my signature"))
    heading(page, say("Thank you. Your signature is counted."))
    names = site.url(f"{{site}}/petitions/{PETITION}/names")
    page.goto(names)
    expect(page.get_by_text(name)).to_have_count(0)

    open_from_mail(page, site, email, "mine")
    press(page, say("Open my page"))
    held = page.locator("dl")
    for part in (name, "Białystok", email, POLAND):
        expect(held).to_contain_text(part)
    with page.expect_download() as taking:
        page.get_by_role("link", name=say("Take it away as a file (JSON)")).click()
    assert json.loads(taking.value.path().read_text())["name"] == name
    page.get_by_role("radio", name=say("The same, and the page of the petition shows my name.")).check()
    press(page, say("Save"))
    expect(page.get_by_role("status")).to_have_text(say("It is changed. This is how it now stands."))
    in_public = page.get_by_role("radio", name=say("The same, and the page of the petition shows my name."))
    expect(in_public).to_be_checked()
    own_page = page.url
    page.goto(names)
    expect(page.get_by_text(name)).to_be_visible()

    page.goto(own_page)
    page.get_by_role("link", name=say("Withdraw my signature")).click()
    press(page, say("Withdraw and erase"))
    heading(page, say("Your signature is withdrawn."))
    assert counted(site) == before
    page.goto(names)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text(name)).to_have_count(0)
    open_from_mail(page, site, email, "mine")
    press(page, say("Open my page"))
    heading(page, say("This link opens nothing"))


@pytest.mark.parametrize("scripts", [True, False])
def test_whoever_did_not_sign_says_so_and_nothing_is_left(
    site: Site, visit: Callable[..., Page], scripts: bool
) -> None:
    say, email, before = Words("en"), f"not-me-{scripts}@example.org", counted(site)
    stranger = visit(**someone("en", scripts))
    sign(stranger, site, say, "Somebody Else", email)
    owner = visit(**someone("en", scripts))
    open_from_mail(owner, site, email, "not-me")
    press(owner, "It was not me")
    heading(owner, "Done: nothing is left of it")
    # The code and the link are worth nothing any more.
    stranger.get_by_role("textbox", name="Code of six digits").fill(site.told(email)["code"])
    press(stranger, "Confirm by code")
    expect(stranger.get_by_role("alert")).to_contain_text("This is not the code of our newest message")
    open_from_mail(owner, site, email, "confirm")
    press(owner, "Confirm my signature")
    heading(owner, "This link has done its work, or has run out")
    assert counted(site) == before


@pytest.mark.parametrize("scripts", [True, False])
def test_a_slip_in_the_code_is_told_and_the_mail_comes_once_more(
    site: Site, visit: Callable[..., Page], scripts: bool
) -> None:
    email, before = f"slip-{scripts}@example.org", counted(site)
    page = visit(**someone("en", scripts))
    sign(page, site, Words("en"), "Slip of the Pen", email)
    code = site.told(email)["code"]
    field = page.get_by_role("textbox", name="Code of six digits")
    field.fill("12345")
    assert press(page, "Confirm by code").status == 422
    expect(field).to_have_accessible_description(re.compile("six digits, such as"))
    field.fill(f"{(int(code) + 1) % 1_000_000:06d}")
    press(page, "Confirm by code")
    expect(page.get_by_role("alert")).to_contain_text("This is not the code of our newest message")
    press(page, "Send the message once more")
    expect(page.get_by_role("status")).to_contain_text("another one is on its way")
    assert site.told(email, 1)["code"] == code
    field.fill(f" {code[:3]}-{code[3:]} ")
    press(page, "Confirm by code")
    heading(page, "Thank you. Your signature is counted.")
    assert counted(site) == before + 1


@contextmanager
def another_site(folder: Path) -> Iterator[str]:
    """A site of somebody else, with the files of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_another_site_may_show_the_card_and_nothing_that_can_be_pressed(
    site: Site, visit: Callable[..., Page], tmp_path: Path
) -> None:
    refused = (FORM, "{site}/petitions/everything", "{confirm}", "{mine}", "{console}/login")
    for name, addresses in (("card", ("{site}/petitions/everything/embed",)), ("rest", refused)):
        frames = "".join(
            f'<iframe src="{site.url(address)}" width="320" height="380"></iframe>' for address in addresses
        )
        (tmp_path / f"{name}.html").write_text(
            f"<!doctype html><link rel=icon href='data:,'><title>Elsewhere</title>{frames}", encoding="utf-8"
        )
    page = visit(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    with another_site(tmp_path) as elsewhere:
        page.goto(f"{elsewhere}/card.html")
        card = page.frame_locator("iframe")
        expect(card.get_by_role("heading", level=1)).to_have_text("Papers for those who cannot go home")
        with page.expect_popup() as opened:
            card.get_by_role("link", name=re.compile("Read and sign")).click()
        heading(opened.value, "Papers for those who cannot go home")
        assert page.context.cookies() == []
        assert complaints == []

        page.goto(f"{elsewhere}/rest.html")
        until("a refusal for each", lambda: page.wait_for_timeout(50) or len(complaints) >= len(refused))
        assert all("frame-ancestors" in one for one in complaints), complaints
        assert {frame.url for frame in page.frames[1:]} == {"chrome-error://chromewebdata/"}


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(
    site: Site, visit: Callable[..., Page], scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts)
    page.goto(site.url(FORM))
    typed: dict[str, Any] = {"First and last name": "Вольга <b>", "E-mail address": "olga@", "City": ""}
    for name, text in typed.items():
        page.get_by_role("textbox", name=name).fill(text)
    page.get_by_role("combobox", name="Country where you live").select_option("GB")
    updates = page.get_by_role("checkbox", name="Write to me about what becomes of this petition.")
    updates.check()
    assert press(page, "Sign").status == 422

    for name, text in typed.items():
        expect(page.get_by_role("textbox", name=name)).to_have_value(text)
    expect(page.get_by_role("combobox", name="Country where you live")).to_have_value("GB")
    expect(updates).to_be_checked()
    wrong = {"E-mail address": "This is not a complete e-mail address.", "City": "Enter the city or town"}
    for name, sentence in wrong.items():
        box = page.get_by_role("textbox", name=name)
        expect(box).to_have_attribute("aria-invalid", "true")
        expect(box).to_have_accessible_description(re.compile(re.escape(sentence)))
        beside = page.locator(f"#{box.get_attribute('id')}-error")
        expect(beside).to_contain_text(sentence)
        gap = (box.bounding_box() or {})["y"] - (beside.bounding_box() or {})["y"]
        assert abs(gap) < 120, "the sentence stands beside its field"
    summary = page.get_by_role("alert")
    expect(summary).to_be_in_viewport()
    summary.get_by_role("link", name="Choose who may see your name.").click()
    ministry = page.get_by_role(
        "radio", name="With my name and city, for the ministry and the coordinator who hands them over."
    )
    expect(ministry).to_be_focused()
    expect(page.get_by_role("group", name="I agree")).to_have_accessible_description(re.compile("Choose who may see"))
    summary.get_by_role("link", name=wrong["E-mail address"]).click()
    expect(page.get_by_role("textbox", name="E-mail address")).to_be_focused()

    page.get_by_role("textbox", name="E-mail address").fill("olga-again@example.org")
    page.get_by_role("textbox", name="City").fill("Leeds")
    ministry.check()
    assert press(page, "Sign").status == 200
    heading(page, "One more step: confirm your signature")
