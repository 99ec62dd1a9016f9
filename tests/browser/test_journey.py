"""The main job in a browser: from the text of a petition to the bundle in a coordinator's hands; with and without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from playwright.sync_api import Page, expect

from core.demo.register import read_bundle
from tests.browser.conftest import PETITION, Site, Words, press

pytestmark = pytest.mark.processes

POLAND = "Ministry of Foreign Affairs of the Republic of Poland"


def counted(site: Site) -> int:
    with site.database() as db:
        row = db.execute("SELECT counted FROM pub.petitions WHERE slug = %s", (PETITION,)).fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize(("language", "scripts"), [("en", True), ("en", False), ("be", False)])
def test_a_signature_is_given_confirmed_counted_and_handed_over(
    site: Site, visit: Callable[..., Page], tmp_path: Path, language: str, scripts: bool
) -> None:
    say = Words(language)
    options = {"locale": {"en": "en-GB", "be": "be-BY"}[language], "java_script_enabled": scripts}
    before = counted(site)
    name, email = f"Alena {language.title()} {'Tak' if scripts else 'Nie'}", f"alena-{language}-{scripts}@example.org"

    page = visit(**options)
    page.goto(site.url(f"{{site}}/petitions/{PETITION}"))
    title = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("textbox", name=say("First and last name")).fill(name)
    page.get_by_role("textbox", name=say("E-mail address")).fill(email)
    page.get_by_role("combobox", name=say("Country where you live")).select_option("PL")
    page.get_by_role("textbox", name=say("City")).fill("Białystok")
    page.get_by_role("group", name=say("Your consent")).get_by_role("checkbox").first.check()
    assert press(page, say("Sign")).status == 200
    expect(page.get_by_role("heading", level=1)).to_have_text(say("One more step: confirm your signature"))

    number, _message = site.mail_to(email)
    page.goto(site.url(f"{{site}}/dev/mail/{number}"))
    page.locator("a[href*='/confirm/']").click()
    press(page, say("Confirm my signature"))
    expect(page.get_by_role("heading", level=1)).to_have_text(say("Thank you. Your signature is counted."))
    page.goto(site.url(f"{{site}}/petitions/{PETITION}"))
    assert counted(site) == before + 1
    assert page.get_by_role("progressbar").first.evaluate("bar => bar.value") == before + 1

    desk = visit(**options, viewport={"width": 1280, "height": 900})
    # A coordinator's passkey needs a script, so whoever has none comes with a session (test_people.py logs in).
    known = site.staff["coordinator"].cookies.items()
    desk.context.add_cookies([{"name": name, "value": text, "url": site.addresses["console"]} for name, text in known])
    site.freshen()
    desk.goto(site.url("{console}/"))
    desk.get_by_role("navigation", name=say("Console")).get_by_role("link", name=say("Petitions")).click()
    desk.get_by_role("link", name=title).click()
    desk.get_by_role("button", name=POLAND).click()
    expect(desk.get_by_role("heading", level=1)).to_contain_text(POLAND)
    site.agree(desk.content())
    desk.reload()
    site.freshen()
    with desk.expect_download() as taking:
        desk.get_by_role("button", name=say("Take the bundle away")).click()
    taken = tmp_path / taking.value.suggested_filename
    taking.value.save_as(taken)
    assert taken.suffix == ".zip"
    with ZipFile(taken) as archive:
        assert [archive.read(one)[:4] for one in archive.namelist()] == [b"%PDF", b"%PDF"]
    assert (name, "Białystok") in {(row.name, row.city) for row in read_bundle(taken)[0]}


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(
    site: Site, visit: Callable[..., Page], scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts)
    page.goto(site.url(f"{{site}}/petitions/{PETITION}"))
    typed: dict[str, Any] = {"First and last name": "Вольга <b>", "E-mail address": "olga@", "City": ""}
    for name, text in typed.items():
        page.get_by_role("textbox", name=name).fill(text)
    page.get_by_role("combobox", name="Country where you live").select_option("GB")
    in_public = page.get_by_role("checkbox", name="Show my name in public on the page of this petition.")
    in_public.check()
    assert press(page, "Sign").status == 422

    for name, text in typed.items():
        expect(page.get_by_role("textbox", name=name)).to_have_value(text)
    expect(page.get_by_role("combobox", name="Country where you live")).to_have_value("GB")
    expect(in_public).to_be_checked()
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
    summary.get_by_role("link", name=wrong["E-mail address"]).click()
    expect(page.get_by_role("textbox", name="E-mail address")).to_be_focused()

    page.get_by_role("textbox", name="E-mail address").fill("olga-again@example.org")
    page.get_by_role("textbox", name="City").fill("Leeds")
    page.get_by_role("group", name="Your consent").get_by_role("checkbox").first.check()
    assert press(page, "Sign").status == 200
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step: confirm your signature")
