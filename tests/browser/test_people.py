"""People of the console in a browser, with an authenticator that Chromium simulates: from the invitation to the audit trail."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Page, expect

from tests.browser.conftest import WORDS, Site, press

pytestmark = pytest.mark.processes

DESK = {"viewport": {"width": 1280, "height": 900}}
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
    "automaticPresenceSimulation": True,
}  # fmt: skip


def with_authenticator(page: Page, **changes: Any) -> Page:
    """The same page in a browser that can make and use passkeys, and whose owner always agrees."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": {**AUTHENTICATOR, **changes}})
    return page


def accept(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_role("textbox", name="Your name").fill(name)
    page.get_by_label("New passphrase").fill(WORDS)
    page.get_by_label("The same once more").fill(WORDS)
    assert press(page, "Go on to the second key").status == 200


def press_passkey(page: Page, name: str) -> None:
    """Press a button that asks the authenticator first, and wait for the page after."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


def shown_codes(page: Page) -> list[str]:
    expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    codes = page.locator("ol.codes code").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("link", name="I have kept them").click()
    return codes


def log_in(page: Page, site: Site, email: str, code: str) -> None:
    page.goto(site.url("{console}/login"))
    page.get_by_role("textbox", name="E-mail address").fill(email)
    page.get_by_label("Passphrase").fill(WORDS)
    page.get_by_role("textbox", name="Code").fill(code)
    press(page, "Log in")


def test_from_an_invitation_to_the_audit_trail(
    site: Site, visit: Callable[..., Page], known_at: Callable[[str], Page]
) -> None:
    site.forget_attempts()
    site.freshen()
    # A second administrator sets up her account with a passkey.
    belka = with_authenticator(visit(**DESK))
    accept(belka, site.invite("belka@example.org", "--role", "administrator"), "Belka")
    expect(belka.get_by_role("link", name="Authenticator app")).to_have_count(0)
    belka.get_by_role("link", name="Passkey").click()
    belka.get_by_role("textbox", name="Name of this passkey").fill("blue key")
    press_passkey(belka, "Make the passkey")
    shown_codes(belka)
    expect(belka.get_by_role("heading", level=1)).to_have_text("Welcome, Belka")

    # The first one invites a coordinator for Poland alone.
    chief = known_at("administrator")
    chief.set_viewport_size(DESK["viewport"])
    chief.goto(site.url("{console}/people"))
    chief.get_by_role("link", name="Invite somebody").click()
    chief.get_by_role("textbox", name="Name", exact=True).fill("Hanna")
    chief.get_by_role("textbox", name="E-mail address").fill("hanna@example.org")
    chief.get_by_role("combobox", name="Role").select_option("coordinator")
    chief.get_by_role("combobox", name="Country").select_option("PL")
    chief.get_by_role("textbox", name="Reason").fill("She stands there every week.")
    assert press(chief, "Make the link").status == 200
    link = chief.locator("code.key").inner_text().strip()

    # She sets up her account with an app, and has no role yet.
    hanna = visit(**DESK)
    accept(hanna, link, "Hanna")
    hanna.get_by_role("link", name="Authenticator app").click()
    key = pyotp.TOTP(hanna.locator("code.key").inner_text().replace(" ", ""))
    hanna.get_by_role("textbox", name="Code that the app shows").fill(key.now())
    press(hanna, "Connect")
    codes = shown_codes(hanna)
    expect(hanna.get_by_text("You have no role yet")).to_be_visible()
    again = visit()
    assert again.goto(link).status == 410  # type: ignore[union-attr]  # There is an answer.
    expect(again.get_by_role("heading", level=1)).to_have_text("This invitation is over")

    # The second administrator finds the request on her start page and agrees, with her passkey.
    belka.goto(site.url("{console}/"))
    belka.get_by_role("link", name=re.compile("for your decision")).click()
    belka.get_by_role("link", name="Hanna (hanna@example.org): Coordinator, Poland").click()
    expect(belka.get_by_text("She stands there every week.")).to_be_visible()
    with site.database() as db:
        db.execute("UPDATE sessions SET proved_at = now() - interval '1 hour'")
    press(belka, "Approve")
    expect(belka.get_by_role("heading", level=1)).to_have_text("Confirm that it is you")
    press_passkey(belka, "Use my passkey")
    expect(belka.get_by_text("It is approved.")).to_be_visible()

    # Hanna's session is over, because what she may do has changed. With a recovery code she is back.
    hanna.goto(site.url("{console}/"))
    expect(hanna.get_by_text("Your session has ended")).to_be_visible()
    log_in(hanna, site, "hanna@example.org", codes[0])
    expect(hanna.get_by_text("Coordinator, Poland")).to_be_visible()
    log_in(again, site, "hanna@example.org", codes[0])
    expect(again.get_by_role("alert")).to_contain_text("do not go together")

    # Poland is hers; Lithuania is not there, and people are not open to her.
    hanna.goto(site.url("{petition}"))
    names = hanna.locator("section:has(#counts-title) th[scope=row]").all_inner_texts()
    assert [name for name in names if "Poland" in name] == names
    assert names
    with site.database() as db:
        [(lithuania,)] = db.execute("SELECT id FROM addressees WHERE country_code = 'LT'").fetchall()
    form = hanna.request.post(
        site.url(f"{{petition}}/addressees/{lithuania}/bundles"),
        form={"csrf_token": hanna.locator("[name=csrf_token]").first.input_value()},
        headers={"Origin": site.addresses["console"], "Sec-Fetch-Site": "same-origin"},
    )
    assert form.status in (403, 404)
    assert hanna.goto(site.url("{console}/people")).status == 403  # type: ignore[union-attr]  # As above.

    # She adds a passkey, logs in with it elsewhere, and ends that session from here.
    with_authenticator(hanna)
    hanna.goto(site.url("{console}/me"))
    hanna.get_by_role("link", name="Add a passkey").click()
    press_passkey(hanna, "Make the passkey")
    expect(hanna.get_by_text("The passkey is kept.")).to_be_visible()
    other = hanna.context.browser.new_context(locale="en-GB")  # type: ignore[union-attr]  # It has one.
    phone = other.new_page()
    log_in(phone, site, "hanna@example.org", codes[1])
    expect(phone.get_by_role("heading", level=1)).to_have_text("Welcome, Hanna")
    hanna.reload()
    row = hanna.get_by_role("row", name=re.compile("Passphrase and recovery code")).filter(
        has=hanna.get_by_role("button")
    )
    row.get_by_role("button", name=re.compile("Log out there")).click()
    expect(hanna.get_by_text("That device is logged out.")).to_be_visible()
    phone.goto(site.url("{console}/"))
    expect(phone).to_have_url(re.compile("/login"))
    other.close()
    press(hanna, "Log out")
    press_passkey(hanna, "Log in with a passkey")
    expect(hanna.get_by_role("heading", level=1)).to_have_text("Welcome, Hanna")

    # All of it stands in the audit trail.
    belka.goto(site.url("{console}/audit"))
    belka.get_by_role("combobox", name="Who").select_option("Hanna")
    belka.get_by_role("button", name="Filter").click()
    expect(belka).to_have_url(re.compile("actor="))
    expect(belka.locator("tbody")).not_to_contain_text("Robot")
    done = belka.locator("tbody th[scope=row]").all_inner_texts()[::-1]
    expected = [
        "Accepted an invitation", "Set up an account", "Logged in", "Was refused a page",
        "Changed a passphrase, code or passkey", "Logged in", "Logged out", "Logged out", "Logged in",
    ]  # fmt: skip
    places = iter(done)
    assert all(any(step == place for place in places) for step in expected), done
    belka.get_by_role("link", name="Show all").click()
    expect(belka.locator("tbody")).to_contain_text("Robot")
    everything = belka.get_by_role("table").inner_text()
    for step in ("Invited somebody", "Asked for approval", "Approved", "Gave a role"):
        assert step in everything
    assert "Coordinator" in everything
    checked = site.stand.run_flask("worker", "fsck").stdout
    assert re.search(r"I13 .* ok$", checked, re.MULTILINE), checked


def test_a_passkey_of_another_site_is_not_even_offered(site: Site, visit: Callable[..., Page]) -> None:
    """The browser holds passkeys apart by site; the page then says what happened, and the form stays usable."""
    page = visit()
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    credential = {
        "credentialId": base64.b64encode(b"x" * 32).decode(), "isResidentCredential": True, "rpId": "elsewhere.example",
        "privateKey": base64.b64encode(key).decode(), "userHandle": base64.b64encode(b"y" * 16).decode(), "signCount": 1,
    }  # fmt: skip
    session.send("WebAuthn.addCredential", {"authenticatorId": made["authenticatorId"], "credential": credential})
    page.goto(site.url("{console}/login"))
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used")
    expect(page.get_by_role("textbox", name="E-mail address")).to_be_editable()


def test_without_scripts_the_console_is_all_there_but_for_passkeys(site: Site, visit: Callable[..., Page]) -> None:
    site.forget_attempts()
    page = visit(java_script_enabled=False)
    accept(page, site.invite("plain@example.org", "--role", "organiser"), "Plain")
    page.get_by_role("link", name="Authenticator app").click()
    key = pyotp.TOTP(page.locator("code.key").inner_text().replace(" ", ""))
    page.get_by_role("textbox", name="Code that the app shows").fill(key.now())
    press(page, "Connect")
    codes = shown_codes(page)
    press(page, "Log out")
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()
    log_in(page, site, "plain@example.org", codes[3])
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, Plain")


def test_a_list_moves_less_with_a_script_and_does_the_same_without(
    site: Site, visit: Callable[..., Page], known_at: Callable[[str], Page]
) -> None:
    known = site.staff["administrator"].cookies.items()
    shown = []
    for scripts in (True, False):
        page = visit(**DESK, java_script_enabled=scripts)
        page.context.add_cookies(
            [{"name": name, "value": text.strip('"'), "url": site.addresses["console"]} for name, text in known]
        )
        page.goto(site.url("{console}/people"))
        if scripts:
            page.evaluate("window.stayed = true")
        page.get_by_role("searchbox", name="Name or address").fill("robot-")
        page.get_by_role("button", name="Filter").click()
        expect(page).to_have_url(re.compile("q=robot-"))
        names = page.get_by_role("columnheader", name="Name")
        expect(names).to_have_attribute("aria-sort", "ascending")
        page.get_by_role("link", name="Name", exact=True).click()
        expect(page).to_have_url(re.compile("sort=-name"))
        expect(names).to_have_attribute("aria-sort", "descending")
        if scripts:
            assert page.evaluate("window.stayed"), "the page itself stayed"
            page.go_back()
            expect(page).not_to_have_url(re.compile("sort=-name"))
            expect(names).to_have_attribute("aria-sort", "ascending")
            page.go_forward()
            expect(page).to_have_url(re.compile("sort=-name"))
            expect(names).to_have_attribute("aria-sort", "descending")
        shown.append(page.locator("tbody th[scope=row]").all_inner_texts())
    assert shown[0] == shown[1] == sorted(shown[0], reverse=True)
    assert len(shown[0]) > 1
