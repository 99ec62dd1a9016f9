"""A browser that proves its work: what it loads and when, what the worker is told, and that nothing stands in a signer's way."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from playwright.sync_api import Page, expect

from core.sealing import context, unseal
from tests.browser.conftest import Complaints, Site, press, until
from tests.browser.scenes import FORM
from tests.browser.test_journey import heading

pytestmark = pytest.mark.processes

SPY = """
    CREATE TABLE spied (LIKE inbox);
    CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
        AS $$ BEGIN INSERT INTO spied SELECT NEW.*; RETURN NULL; END $$;
    CREATE TRIGGER spy AFTER INSERT ON inbox FOR EACH ROW WHEN (NEW.kind = 'sign') EXECUTE FUNCTION spy();
"""
NO_SPY = "DROP TRIGGER spy ON inbox; DROP FUNCTION spy; DROP TABLE spied"


@pytest.fixture
def spying(site: Site) -> Iterator[Callable[[], dict[str, Any]]]:
    """Opens the newest signature as the worker found it, which erases it once it is dealt with."""
    folder = site.stand.secrets / "worker" / "sealing"
    keys = {
        UUID(one.stem): X25519PrivateKey.from_private_bytes(b64decode(one.read_bytes())) for one in folder.glob("*.key")
    }

    def newest() -> dict[str, Any]:
        with site.database() as db:
            row = db.execute("SELECT id, petition_id, sealed FROM spied ORDER BY received_at DESC LIMIT 1").fetchone()
        assert row
        return unseal(bytes(row[2]), keys, context("sign", row[1], row[0]))

    with site.changed(SPY, NO_SPY):
        yield newest


def fill(page: Page, email: str) -> None:
    page.get_by_role("textbox", name="First and last name").fill("Proof of Work")
    page.get_by_role("textbox", name="E-mail address").fill(email)
    page.get_by_role("combobox", name="Country where you live").select_option("PL")
    page.get_by_role("textbox", name="City").fill("Białystok")
    page.get_by_role("radio", name="With my name and city").check()


def test_a_browser_with_scripts_proves_its_work_once_the_form_is_touched(
    site: Site, visit: Callable[..., Page], spying: Callable[[], dict[str, Any]]
) -> None:
    page = visit()
    complaints = Complaints(page, site.addresses["site"])
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url.split("?")[0].rpartition("/")[2]))
    page.goto(site.url(FORM), wait_until="networkidle")
    assert "proof.js" in loaded
    assert not {"altcha.min.js", "pbkdf2.js", "proof"} & set(loaded)
    fill(page, "proof@example.org")
    proof = page.locator("[name=proof]")
    until("the proof", proof.input_value)
    assert {"altcha.min.js", "pbkdf2.js", "proof"} <= set(loaded)
    assert loaded.count("proof") == 1
    assert page.get_by_role("checkbox").count() == 1, "nothing of the widget is seen"
    assert press(page, "Sign").status == 200
    heading(page, "One more step: confirm your signature")
    told = spying()
    assert told["email"] == "proof@example.org"
    assert told["signals"]["proof"] == "solved"
    assert len(told["signals"]["proof_id"]) == 32
    assert told["signals"]["form"] == "known"
    assert complaints.found == []


def test_a_form_that_is_sent_at_once_waits_for_its_proof_and_keeps_it_when_it_comes_back(
    site: Site, visit: Callable[..., Page], spying: Callable[[], dict[str, Any]]
) -> None:
    page = visit()
    page.goto(site.url(FORM))
    page.get_by_role("textbox", name="E-mail address").evaluate("one => { one.value = 'x@mail.ru' }")
    assert press(page, "Sign").status == 422
    proof = page.locator("[name=proof]").input_value()
    assert proof
    expect(page.get_by_text("can read mail at mail.ru").first).to_be_visible()
    fill(page, "proof-again@mail.ru")
    page.get_by_role("checkbox", name="Use this address all the same.").check()
    assert page.locator("[name=proof]").input_value() == proof, "it is still good"
    assert press(page, "Sign").status == 200
    assert spying()["signals"]["proof"] == "solved"


@pytest.mark.parametrize("what", ["challenge never comes", "challenge is refused", "widget is broken", "no scripts"])
def test_whatever_fails_the_signature_is_given(
    site: Site, visit: Callable[..., Page], spying: Callable[[], dict[str, Any]], what: str
) -> None:
    page = visit(java_script_enabled=what != "no scripts")
    if what == "challenge never comes":
        page.route("**/proof", lambda _route: None)
    elif what == "challenge is refused":
        page.route("**/proof", lambda route: route.fulfill(status=503, body="no"))
    elif what == "widget is broken":
        page.route("**/altcha.min.js*", lambda route: route.fulfill(body="(", content_type="text/javascript"))
    page.goto(site.url(FORM))
    email = f"{what.replace(' ', '-')}@example.org"
    fill(page, email)
    started = time.monotonic()
    if what == "challenge never comes":
        page.get_by_role("button", name="Sign").click(no_wait_after=True)
        expect(page.get_by_text("One moment: your device is still proving")).to_be_visible()
        heading(page, "One more step: confirm your signature")
    else:
        assert press(page, "Sign").status == 200
    assert time.monotonic() - started < 15
    told = spying()
    assert (told["email"], told["signals"]["proof"], told["signals"]["form"]) == (email, "none", "known")
