"""Every page there is, in the states that look different: the table that a new route has to be added to.

An address stands for itself, with what `Site.addresses` holds filled in; a function brings the browser there by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page, Response

from tests.browser.conftest import PETITION, Site, Words, press, until
from tests.browser.petitions import BY_COUNTRY, commitment

SHOWN = f"{{site}}/petitions/{PETITION}?text=en"
FORM = f"{{site}}/petitions/{PETITION}/sign?text=en"
NO_EVENT = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True)
class Scene:
    """One page in one state. `endpoint` is the route that draws it."""

    endpoint: str
    way: str | Callable[[Page, Site], Response | None]
    status: int = 200
    state: str = ""
    who: str = "site"
    """Whose browser: the visitor's, or that of a role of the console."""

    def __str__(self) -> str:
        return f"{self.endpoint}{' ' if self.state else ''}{self.state}"

    def open(self, page: Page, site: Site) -> None:
        """Bring a page there."""
        answer = page.goto(site.url(self.way)) if isinstance(self.way, str) else self.way(page, site)
        assert answer
        assert answer.status == self.status


# --- Ways that are more than an address ---------------------------------------------------------------------------------


def nothing_open(page: Page, site: Site) -> Response | None:
    change = "UPDATE petitions SET state = '{}' WHERE slug = '" + PETITION + "'"
    with site.changed(change.format("closed"), change.format("open")):
        return page.goto(site.url("{site}/"))


def empty_form(page: Page, site: Site) -> Response:
    page.goto(site.url(FORM))
    return press(page, "Sign")


def form_with_a_watched_address(page: Page, site: Site) -> Response:
    page.goto(site.url(FORM))
    page.get_by_role("textbox", name="E-mail address").fill("volha.vierabjova@yandex.by")
    return press(page, "Sign")


def form_of_an_older_text(page: Page, site: Site) -> Response:
    page.goto(site.url(FORM))
    page.eval_on_selector("[name=text_hash]", "field => field.value = 'older'")
    return press(page, "Sign")


def form_of_a_closed_petition(page: Page, site: Site) -> Response:
    page.goto(site.url(FORM))
    page.eval_on_selector("form[action*='/signatures']", "form => form.action = '/petitions/closed/signatures'")
    return press(page, "Sign")


def full_form_without_a_database(page: Page, site: Site) -> Response:
    page.goto(site.url(FORM))
    page.get_by_role("textbox", name="First and last name").fill("A very long name " * 4)
    page.get_by_role("textbox", name="E-mail address").fill("long@example.org")
    page.get_by_role("combobox", name="Country where you live").select_option("PL")
    page.get_by_role("textbox", name="City").fill("Białystok")
    page.get_by_role("radio", name="With my name and city").check()
    until("the proof", page.locator("[name=proof]").input_value)  # From now on no challenge is asked for.
    with site.database_away():
        return press(page, "Sign")


def page_without_a_database(page: Page, site: Site) -> Response | None:
    def look() -> Response | None:
        answer = page.goto(site.url(FORM))
        return answer if answer and answer.status == 503 else None

    # For some seconds the form is made of what the site still knows of the petition.
    with site.database_away():
        found: Response = until("the answer without a database", look)
    return found


def empty_form_in_belarusian(page: Page, site: Site) -> Response:
    page.goto(site.url(f"{{site}}/petitions/{PETITION}/sign?lang=be&text=be"))
    return press(page, Words("be")("Sign"))


def form_too_young(page: Page, site: Site) -> Response:
    page.goto(site.url("{site}/petitions/everything/sign"))
    page.get_by_role("textbox", name="First and last name").fill("Ян")
    return press(page, "Sign")


def typed_code(code: str) -> Callable[[Page, Site], Response | None]:
    def way(page: Page, site: Site) -> Response | None:
        page.goto(site.url("{thanks}"))
        page.get_by_role("textbox", name="Code of six digits").fill(code)
        answer = press(page, "Confirm by code")
        return over(page, answer)

    return way


def over(page: Page, answer: Response | None) -> Response | None:
    """The page once it no longer asks its reader for a moment."""
    while "moment" in page.title():
        page.wait_for_timeout(100)
        answer = page.reload()
    return answer


def mail_once_more(page: Page, site: Site) -> Response:
    page.goto(site.url("{thanks}"))
    return press(page, "Send the message once more")


def without_a_database(address: str, button: str) -> Callable[[Page, Site], Response]:
    def way(page: Page, site: Site) -> Response:
        page.goto(site.url(address))
        with site.database_away():
            return press(page, button)

    return way


def changed_signature(page: Page, site: Site) -> Response | None:
    page.goto(site.url("{own_page}"))
    return over(page, press(page, "Save"))


def signature_without_a_choice(page: Page, site: Site) -> Response:
    page.goto(site.url("{own_page}"))
    page.eval_on_selector("[type=radio]:checked", "one => { one.checked = false }")
    return press(page, "Save")


def looked_up(line: str, slug: str = PETITION) -> Callable[[Page, Site], Response]:
    def way(page: Page, site: Site) -> Response:
        page.goto(site.url(f"{{site}}/petitions/{slug}/log/check"))
        page.get_by_role("textbox", name="Line of the receipt").fill(site.url(line))
        return press(page, "Look up")

    return way


def line_of(index: int) -> str:
    return f"zbor1:everything:{index}:{commitment(index).hex()}"


SIGNERS = sum(BY_COUNTRY.values())


def report_without_a_reason(page: Page, site: Site) -> Response:
    page.goto(site.url("{site}/petitions/everything/report"))
    page.get_by_role("textbox", name="What should we know?").fill("It is about my family. " * 60)
    return press(page, "Send the report")


def opened_dialog(page: Page, site: Site) -> Response | None:
    answer = page.goto(site.url("{site}/dev/components/"))
    page.get_by_role("button", name="Open a dialog").click()
    return answer


def no_mails(page: Page, site: Site) -> Response | None:
    with site.no_mails():
        return page.goto(site.url("{site}/dev/mail/"))


def empty_login(page: Page, site: Site) -> Response:
    site.forget_attempts()
    page.goto(site.url("{console}/login"))
    return press(page, "Log in")


def wrong_login(page: Page, site: Site) -> Response:
    site.forget_attempts()
    page.goto(site.url("{console}/login"))
    page.get_by_role("textbox", name="E-mail address").fill("nobody@example.org")
    page.get_by_label("Passphrase").fill("a wrong one")
    return press(page, "Log in")


def passkey_of_nobody(page: Page, site: Site) -> Response:
    page.goto(site.url("{console}/login"))
    page.eval_on_selector("[name=answer]", "field => field.value = '{}'")
    return press(page, "Log in with a passkey")


def link_of_nobody(page: Page, site: Site) -> Response | None:
    return page.goto(site.url("{console}/invitations/none"))


def filled(page: Page, address: str, button: str, **typed: str) -> Response:
    page.goto(address)
    for name, text in typed.items():
        page.locator(f"[name={name}]").fill(text)
    return press(page, button)


def short_passphrase(page: Page, site: Site) -> Response:
    return filled(page, site.url("{invitation}"), "Go on to the second key", passphrase="short", repeated="shorter")


def empty_request(page: Page, site: Site) -> Response:
    return filled(page, site.url("{console}/request-account"), "Send the request", name="")


def guessed_passphrase(page: Page, site: Site) -> Response:
    site.freshen()
    words = "passwordpassword"
    return filled(page, site.url("{console}/me/passphrase"), "Change it", passphrase=words, repeated="x")


def wrong_code(page: Page, site: Site) -> Response:
    site.freshen()
    return filled(page, site.url("{console}/me/app"), "Connect", code="000000")


def new_codes(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{console}/me"))
    return press(page, "Make new ones")


def junk_passkey(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{console}/me/passkeys"))
    page.eval_on_selector("[name=answer]", "field => field.value = '{}'")
    return press(page, "Make the passkey")


def asked_who_one_is(page: Page, site: Site) -> Response:
    with site.database() as db:
        db.execute("UPDATE sessions SET proved_at = now() - interval '1 hour'")
    page.goto(site.url("{console}/me"))
    return press(page, "Make new ones")


def asked_for_a_passkey(page: Page, site: Site) -> Response | None:
    with site.changed(
        "UPDATE sessions SET method = 'totp'", "UPDATE sessions SET method = 'passkey' WHERE method = 'totp'"
    ):
        return page.goto(site.url("{console}/people"))


def empty_invite(page: Page, site: Site) -> Response:
    site.freshen()
    return filled(page, site.url("{console}/people/invite"), "Make the link", email="no address")


def invited_somebody(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{console}/people/invite"))
    page.locator("[name=role]").select_option("reviewer")
    typed = {"name": "Świętosława Wiśniewska-Kowalczyk", "email": "swietoslawa@example.org", "reason": "We need one."}
    with site.database() as db:
        db.execute(
            "DELETE FROM approvals WHERE subject_id IN (SELECT id FROM accounts WHERE email = %s)", (typed["email"],)
        )
        db.execute("DELETE FROM accounts WHERE email = %s", (typed["email"],))
    for name, text in typed.items():
        page.locator(f"[name={name}]").fill(text)
    return press(page, "Make the link")


def person_without_a_reason(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{person}"))
    page.get_by_text("Give a role").click()
    return press(page, "Ask a second administrator")


def refusal_without_a_reason(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{request}"))
    return press(page, "Refuse")


def closed_and_undone(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{console}/people?q=invited"))
    page.get_by_role("checkbox").first.check()
    return press(page, "Close the chosen accounts")


def with_a_lost_key(page: Page, site: Site) -> Response | None:
    insert = (
        "INSERT INTO approvals (id, kind, object_id, subject_id, details, reason, requested_by, expires_at)"
        " SELECT gen_random_uuid(), 'factor_reset', 'scene', o.id, '{}', 'on the phone', a.id, now() + interval '1 day'"
        " FROM accounts o, accounts a WHERE o.email = 'robot-organiser@example.org' AND a.email = 'robot-administrator@example.org'"
    )
    with site.changed(insert, "DELETE FROM approvals WHERE object_id = 'scene'"):
        return page.goto(site.url("{console}/"))


def with_a_silent_worker(page: Page, site: Site) -> Response | None:
    with site.changed(
        "INSERT INTO vitals VALUES ('pulse.heavy', '{}', now() - interval '1 hour')"
        " ON CONFLICT (name) DO UPDATE SET measured_at = excluded.measured_at",
        "UPDATE vitals SET measured_at = now()",
    ):
        return page.goto(site.url("{console}/health"))


def searched(email: str) -> Callable[[Page, Site], Response]:
    def way(page: Page, site: Site) -> Response:
        answer = filled(page, site.url("{petition}/search"), "Look", email=email)
        while "Looking" in page.title():
            page.wait_for_timeout(100)
            again = page.reload()
            assert again
            answer = again
        return answer

    return way


def empty_petition(page: Page, site: Site) -> Response:
    page.goto(site.url("{console}/petitions/new"))
    return press(page, "Begin")


def text_that_moved(page: Page, site: Site) -> Response:
    page.goto(site.url("{draft}/texts/en"))
    page.eval_on_selector("[name=revision]", "field => field.value = '999'")
    page.get_by_role("textbox", name="Summary").fill("What I wrote meanwhile.")
    with page.expect_navigation() as leaving:
        page.locator(".actions [type=submit]").first.click()
    answer = leaving.value
    assert answer
    return answer


def letter_without_what_it_needs(page: Page, site: Site) -> Response:
    return filled(page, site.url("{petition}/letters/cover/pl/edit"), "Save", subject="", body="Sto {nobody}")


def letter_that_moved(page: Page, site: Site) -> Response:
    page.goto(site.url("{petition}/letters/cover/pl/edit"))
    page.locator("[name=closing]").fill("Z wyrazami głębokiego szacunku")
    page.eval_on_selector("[name=revision]", "field => field.value = '999'")
    return press(page, "Save")


def wrong_settings(page: Page, site: Site) -> Response:
    return filled(page, site.url("{draft}/settings"), "Save", slug="Not an address", thresholds="many")


def empty_addressee(page: Page, site: Site) -> Response:
    page.goto(site.url("{draft}/addressees/new"))
    return press(page, "Add")


def no_picture(page: Page, site: Site) -> Response:
    page.goto(site.url("{draft}/picture"))
    return press(page, "Put this one in its place")


def decision_without_a_reason(page: Page, site: Site) -> Response:
    site.freshen()
    page.goto(site.url("{burst}"))
    return press(page, "Reject all 54")


# --- The table ----------------------------------------------------------------------------------------------------------


def shift_without_an_address(page: Page, site: Site) -> Response:
    page.goto(site.url("{site}/pickets/{announced_code}/join"))
    page.get_by_role("spinbutton", name="How many of you come").fill("99")
    page.get_by_role("combobox", name="Do you take a shift?").select_option(index=1)
    return press(page, "I am coming")


def link_that_opens_no_participant(page: Page, site: Site) -> Response | None:
    page.goto(site.url("{site}/pickets/mine/none"))
    return over(page, press(page, "Open my page"))


def shift_that_is_gone(page: Page, site: Site) -> Response | None:
    page.goto(site.url("{attending}"))
    page.eval_on_selector("form[action*='/take'] [name=shift]", f"field => field.value = '{NO_EVENT}'")
    with page.expect_navigation() as leaving:
        page.locator("form[action*='/take'] button").first.click()
    return over(page, leaving.value)


def impossible_number(page: Page, site: Site) -> Response:
    page.goto(site.url("{attending}"))
    page.get_by_role("spinbutton", name="How many of you come").fill("99")
    return press(page, "Save")


def own_page_of_what_was_taken_down(page: Page, site: Site) -> Response | None:
    here = f"WHERE code = '{site.addresses['announced_code']}'"
    with site.changed(f"UPDATE pickets SET state = 'review' {here}", f"UPDATE pickets SET state = 'announced' {here}"):
        return page.goto(site.url("{attending}"))


def empty_picket(page: Page, site: Site) -> Response:
    page.goto(site.url("{console}/pickets/new"))
    return press(page, "Go on")


def _written(page: Page, site: Site, city: str, day: str) -> Response:
    page.goto(site.url("{console}/pickets/new"))
    page.get_by_role("combobox", name="Petition").select_option(label="Do not recognise the Lukashenka government")
    page.get_by_role("textbox", name="City").fill(city)
    page.get_by_label("Day").fill(day)
    page.get_by_label("Begins").fill("12:00")
    page.get_by_label("Ends").fill("14:00")
    page.get_by_role("spinbutton", name="How many people you expect").fill("30")
    page.get_by_role("textbox", name="Exact place").fill("In front of the ministry")
    page.get_by_role("textbox", name="What you are called in public").fill("Ala")
    return press(page, "Go on")


def picket_in_a_city_of_many(page: Page, site: Site) -> Response:
    return _written(page, site, "Springfield", "2027-05-14")


def picket_beside_another(page: Page, site: Site) -> Response:
    with site.database() as db:
        row = db.execute(
            "SELECT to_char(starts_at + interval '2 days', 'YYYY-MM-DD') FROM pickets WHERE code = %s",
            (site.addresses["announced_code"],),
        ).fetchone()
    assert row
    return _written(page, site, "Warszawa", row[0])


def notice_ahead(page: Page, site: Site) -> Response:
    page.goto(site.url("{draft_picket}/notice"))
    page.get_by_label("When you filed it").fill("2040-01-01T12:00")
    return press(page, "Record it")


def drawn_papers(page: Page, site: Site) -> Response | None:
    page.goto(site.url("{announced_picket}/papers"))
    with site.database() as db:
        db.execute(
            "INSERT INTO papers (picket_id, kind, state, revision, content, drawn_at) SELECT id, kind, 'ready', revision - old, 'x', now()"
            " FROM pickets, (VALUES ('poster_a4', 0), ('sheet', 1)) AS drawn (kind, old) WHERE code = %s ON CONFLICT DO NOTHING",
            (site.addresses["announced_code"],),
        )
    return page.reload()


def read_aliases(page: Page, site: Site) -> Response | None:
    page.goto(site.url("{announced_picket}/shifts"))
    answer = press(page, "Read the aliases")
    return over(page, answer)


def no_photo(page: Page, site: Site) -> Response:
    page.goto(site.url("{held_picket}/photos"))
    return press(page, "Send, and mark the faces")


def bundle_without_a_level(page: Page, site: Site) -> Response:
    page.goto(site.url("{new_bundle}"))
    return press(page, "Ask for the bundle")


NO_PAGE = {
    "static": "files",
    "petitions.reload": "sends on to petitions.sign_form",
    "petitions.as_json": "data",
    "petitions.count": "data",
    "petitions.export_own": "a file to be kept",
    "petitions.feed": "a feed (Atom)",
    "petitions.log_entries": "data",
    "petitions.numbers_as_json": "data",
    "petitions.log_heads": "data",
    "petitions.receipt_file": "a file",
    "petitions.feed_of_petitions": "a feed (Atom)",
    "petitions.picture": "a picture",
    "petitions.proof": "data",
    "petitions.qr": "a picture",
    "petitions.share_card": "a picture",
    "pickets.photo": "a picture",
    "pickets.qr": "a picture",
    "pickets.list_as_json": "data",
    "pickets.as_json": "data",
    "pickets.sign_here": "sends on to petitions.sign_form",
    **{f"pickets.calendar{of}": "a calendar" for of in ("", "_of_all", "_of_country", "_of_city", "_of_petition")},
    **{f"pickets.feed{of}": "a feed (Atom)" for of in ("", "_of_all", "_of_country", "_of_city", "_of_petition")},
    "accounts.reload_login": "sends on to accounts.login",
    "accounts.reload_recovery_codes": "sends on to accounts.keys",
    "accounts.reload_prove": "sends on to where one wanted to go",
    "delivery.letter_as_text": "a file",
    "petitions_console.add_language": "sends on to petitions_console.edit_text",
    "petitions_console.add_news": "sends on to petitions_console.edit_news",
    "petitions_console.picture_file": "a picture",
    "pickets_console.paper": "a file",
    "pickets_console.photo_file": "a picture",
    "pickets_console.photo_preview": "a picture",
}
"""Endpoints of GET that draw no page, and why."""

PUBLIC = [
    Scene("petitions.index", "{site}/"),
    Scene("petitions.index", nothing_open, state="without a petition"),
    Scene("petitions.list_petitions", "{site}/petitions"),
    Scene("petitions.list_petitions", "{site}/petitions?q=papers&state=open&country=PL&sort=most", state="filtered"),
    Scene("petitions.list_petitions", "{site}/petitions?q=none+at+all", state="without a match"),
    Scene("petitions.list_petitions", "{site}/petitions?country=XX&state=draft", state="with errors"),
    Scene("petitions.show", SHOWN),
    Scene("petitions.show", "{site}/petitions/everything", state="with everything"),
    Scene("petitions.show", "{site}/petitions/everything?lang=be", state="with everything in Belarusian"),
    Scene("petitions.show", "{site}/petitions/bare", state="with nothing more"),
    Scene("petitions.show", "{site}/petitions/long", state="with a title of 200 letters"),
    Scene("petitions.show", f"{{site}}/petitions/{PETITION}?lang=pl&text=ru", state="in two languages"),
    Scene("petitions.show", "{site}/petitions/closed", state="closed"),
    Scene("petitions.show", "{site}/petitions/hidden", 410, "hidden"),
    Scene("petitions.show", "{site}/petitions/rejected", 410, "rejected"),
    Scene("petitions.show", "{site}/petitions/none", 404, "not there"),
    Scene("petitions.names", "{site}/petitions/everything/names"),
    Scene("petitions.names", "{site}/petitions/everything/names?page=2", state="on its last page"),
    Scene("petitions.names", "{site}/petitions/bare/names", state="without a name"),
    Scene("petitions.history", "{site}/petitions/everything/history"),
    Scene("petitions.numbers", "{site}/petitions/everything/numbers"),
    Scene("petitions.numbers", "{site}/petitions/bare/numbers", state="of nobody"),
    Scene("petitions.history", "{site}/petitions/bare/history", state="of one version"),
    Scene("petitions.embed", "{site}/petitions/everything/embed"),
    Scene("petitions.embed", "{site}/petitions/long/embed", state="with a title of 200 letters"),
    Scene("petitions.embed", "{site}/petitions/closed/embed?lang=be", state="closed, in Belarusian"),
    Scene("petitions.report", "{site}/petitions/everything/report"),
    Scene("petitions.report", report_without_a_reason, 422, "with errors"),
    Scene(
        "petitions.report",
        without_a_database("{site}/petitions/bare/report", "Send the report"),
        503,
        "without a database",
    ),
    Scene("petitions.reported", "{site}/petitions/everything/reported"),
    Scene("petitions.sign_form", FORM),
    Scene("petitions.sign_form", "{site}/petitions/everything/sign", state="from an age"),
    Scene("petitions.sign_form", "{site}/petitions/long/sign", state="with a title of 200 letters"),
    Scene("petitions.sign_form", "{site}/petitions/closed/sign", 410, "closed"),
    Scene("petitions.sign_form", "{site}/petitions/hidden/sign", 410, "hidden"),
    Scene("petitions.sign_form", page_without_a_database, 503, "without a database"),
    Scene("petitions.sign", empty_form, 422, "with every error"),
    Scene("petitions.sign", empty_form_in_belarusian, 422, "with every error in Belarusian"),
    Scene("petitions.sign", form_with_a_watched_address, 422, "with an address that a state watches"),
    Scene("petitions.sign", form_too_young, 422, "without an age"),
    Scene("petitions.sign", form_of_an_older_text, 422, "after the text changed"),
    Scene("petitions.sign", form_of_a_closed_petition, 410, "after the end"),
    Scene("petitions.sign", full_form_without_a_database, 503, "without a database"),
    Scene("petitions.already_sent", f"{{site}}/petitions/{PETITION}/already-sent"),
    Scene("petitions.thanks", "{thanks}"),
    Scene("petitions.thanks", mail_once_more, state="with the mail sent again"),
    Scene("petitions.type_code", typed_code(""), 422, "without a code"),
    Scene(
        "petitions.type_code", without_a_database("{thanks}", "Send the message once more"), 503, "without a database"
    ),
    Scene("petitions.code_answer", typed_code("000 000"), 422, "with a wrong code"),
    Scene("petitions.code_answer", "{coded}", state="counted"),
    Scene("petitions.code_answer", f"{{thanks}}/code/{NO_EVENT}?look=7", state="waiting"),
    Scene("petitions.code_answer", f"{{thanks}}/code/{NO_EVENT}?look=8", state="given up"),
    Scene("petitions.confirm", "{confirm}"),
    Scene("petitions.confirm", without_a_database("{confirm}", "Confirm my signature"), 503, "without a database"),
    Scene("petitions.withdraw", "{withdraw}"),
    Scene("petitions.withdraw", without_a_database("{withdraw}", "Withdraw and erase"), 503, "without a database"),
    Scene("petitions.not_me", "{not_me}"),
    Scene("petitions.unsubscribe", "{unsubscribe}"),
    Scene("petitions.answer", "{counted}", state="counted"),
    Scene("petitions.answer", "{withdrawn}", state="withdrawn"),
    Scene("petitions.answer", "{erased}", state="erased"),
    Scene("petitions.answer", "{unsubscribed}", state="unsubscribed"),
    Scene("petitions.answer", "{invalid}", 400, "invalid"),
    # The seventh look waits longest before the page asks again by itself.
    Scene("petitions.answer", f"{{site}}/answers/confirm/{NO_EVENT}?look=7", state="waiting"),
    Scene("petitions.answer", f"{{site}}/answers/confirm/{NO_EVENT}?look=8", state="given up"),
    Scene("petitions.mine", "{mine}"),
    Scene("petitions.mine", without_a_database("{mine}", "Open my page"), 503, "without a database"),
    Scene("petitions.own_page", "{own_page}"),
    Scene("petitions.own_page", changed_signature, state="changed"),
    Scene("petitions.own_page", "{not_mine}", 400, "of one that is gone"),
    Scene("petitions.own_page", f"{{site}}/mine/none/{NO_EVENT}?look=7", state="waiting"),
    Scene("petitions.own_page", f"{{site}}/mine/none/{NO_EVENT}?look=8", state="given up"),
    Scene("petitions.change_own", signature_without_a_choice, 422, "with errors"),
    Scene("petitions.receipt", "{receipt}"),
    Scene("petitions.receipt", "{receipt}?lang=be", state="in Belarusian"),
    Scene("petitions.receipt", "{own_receipt}", state="with a name in it"),
    Scene("petitions.receipt", "{early_receipt}", state="before the log has it"),
    Scene("petitions.receipt", f"{{site}}/mine/none/receipt/{NO_EVENT}?look=7", state="waiting"),
    Scene("petitions.ask_receipt", without_a_database("{own_page}", "Get a receipt"), 503, "without a database"),
    Scene("petitions.log", f"{{site}}/petitions/{PETITION}/log"),
    Scene("petitions.log", "{site}/petitions/everything/log", state="of many heads"),
    Scene("petitions.log", "{site}/petitions/everything/log?page=3&lang=pl", state="on its last page, in Polish"),
    Scene("petitions.log", "{site}/petitions/bare/log", state="with nothing in it"),
    Scene("petitions.log_check", f"{{site}}/petitions/{PETITION}/log/check"),
    Scene("petitions.log_check", looked_up("{line}"), state="of one that is counted"),
    Scene("petitions.log_check", looked_up(line_of(SIGNERS), "everything"), state="of one that was withdrawn"),
    Scene("petitions.log_check", looked_up(line_of(SIGNERS + 1), "everything"), state="of one that is held back"),
    Scene("petitions.log_check", looked_up("{line}", "everything"), state="of another petition"),
    Scene("petitions.log_check", looked_up("What is this?"), state="of nonsense"),
    Scene("petitions.log_check", looked_up(""), 422, "without a line"),
    Scene("pickets.index", "{site}/pickets/"),
    Scene("pickets.index", "{site}/pickets/?near=Кракаў", state="by distance"),
    Scene("pickets.index", "{site}/pickets/?near=xyzzyplugh", state="of a city that we do not know"),
    Scene("pickets.index", "{site}/pickets/?country=PL&first=2040-01-01", state="without a match"),
    Scene("pickets.index", "{site}/pickets/?country=PL", state="of one country"),
    Scene("pickets.country", "{site}/pickets/in/pl"),
    Scene("pickets.country", "{site}/pickets/in/nz", state="without any"),
    Scene("pickets.city", "{site}/pickets/in/pl/warsaw"),
    Scene("pickets.city", "{site}/pickets/in/se/stockholm", state="with one that is over"),
    Scene("pickets.show", "{site}/pickets/{announced_code}"),
    Scene("pickets.show", "{site}/pickets/{announced_code}?lang=be", state="in Belarusian"),
    Scene("pickets.show", "{site}/pickets/{cancelled_code}", state="cancelled"),
    Scene("pickets.show", "{site}/pickets/{held_code}", state="with a report and a photo"),
    Scene("pickets.show", "{site}/pickets/{changed_code}", state="changed, its place told late"),
    Scene("pickets.show", "{site}/pickets/{single_code}", state="of one person"),
    Scene("pickets.show", "{site}/pickets/{over_code}", state="over, before its report"),
    Scene("pickets.embed", "{site}/pickets/{announced_code}/embed"),
    Scene("pickets.embed", "{site}/pickets/{cancelled_code}/embed", state="cancelled"),
    Scene("pickets.join", "{site}/pickets/{announced_code}/join"),
    Scene("pickets.join", shift_without_an_address, 422, "with errors"),
    Scene("pickets.join", "{site}/pickets/{cancelled_code}/join", 410, "cancelled"),
    Scene(
        "pickets.join",
        without_a_database("{site}/pickets/{announced_code}/join", "I am coming"),
        503,
        "without a database",
    ),
    Scene("pickets.joined", "{joined_alone}", state="counted in"),
    Scene("pickets.joined", "{joined_mail}", state="with an address"),
    Scene("pickets.joined", f"{{site}}/pickets/{{announced_code}}/joined/{NO_EVENT}?look=7", state="waiting"),
    Scene("pickets.confirm", "{join_confirm}"),
    Scene("pickets.confirm", without_a_database("{join_confirm}", "I am coming"), 503, "without a database"),
    Scene("pickets.mine", "{attend}"),
    Scene("pickets.own_page", "{attending}"),
    Scene("pickets.own_page", shift_that_is_gone, state="of somebody who was not fast enough"),
    Scene("pickets.own_page", impossible_number, 422, "with a number too high"),
    Scene("pickets.own_page", own_page_of_what_was_taken_down, state="of a picket that was taken down"),
    Scene("pickets.own_page", link_that_opens_no_participant, 400, "of one that is gone"),
    Scene("pickets.own_page", f"{{site}}/pickets/own/{NO_EVENT}?look=7", state="waiting"),
    Scene("verifying.verify", "{site}/verify"),
    Scene("verifying.verify", "{site}/verify?code={bundle_code}-1", state="found by its code"),
    Scene("verifying.verify", "{site}/verify?code={bundle_code}-0", state="the index, found by its code"),
    Scene("verifying.verify", "{site}/verify?code={bundle_hash}", state="found by its hash"),
    Scene("verifying.verify", "{site}/verify?code={bundle_code}", state="a whole bundle"),
    Scene("verifying.verify", "{site}/verify?code={replaced_hash}", state="replaced"),
    Scene("verifying.verify", "{site}/verify?code={replaced_code}-1", state="replaced, found by its code"),
    Scene("verifying.verify", "{site}/verify?code={corrected_hash}", state="with a line that was withdrawn"),
    Scene("verifying.verify", "{site}/verify?code=ZB-0000-0000-3", 404, "of a code that is unknown"),
    Scene("verifying.verify", f"{{site}}/verify?code={'0' * 64}", 404, "of a file that is unknown"),
    Scene("verifying.verify", "{site}/verify?code=What+is+this", 404, "of nonsense"),
    Scene("petitions.privacy", "{site}/privacy"),
    Scene("petitions.contact", "{site}/contact"),
    Scene("components.index", "{site}/dev/components/"),
    Scene("components.index", opened_dialog, state="with its dialog"),
    Scene("devmail.index", "{site}/dev/mail/"),
    Scene("devmail.index", no_mails, state="without a mail"),
    Scene("devmail.show", "{site}/dev/mail/{mail}"),
    Scene("no route", "{site}/nothing/here", 404),
]

CONSOLE = [
    Scene("accounts.login", "{console}/login"),
    Scene("accounts.login", "{petition}", state="on the way to a page"),
    Scene("accounts.login", empty_login, 422, "with every error"),
    Scene("accounts.login", wrong_login, 422, "with a wrong passphrase"),
    Scene("accounts.login_with_passkey", passkey_of_nobody, 422, "with a passkey of nobody"),
    Scene("accounts.invitation", "{invitation}"),
    Scene("accounts.invitation", short_passphrase, 422, "with errors"),
    Scene("accounts.invitation", link_of_nobody, 410, "that is over"),
    Scene("accounts.request_account", "{console}/request-account"),
    Scene("accounts.request_account", empty_request, 422, "with every error"),
    Scene("accounts.account_requested", "{console}/request-account/sent"),
    Scene("accounts.start", "{console}/", state="of an administrator", who="administrator"),
    Scene("accounts.start", "{console}/", state="of a coordinator", who="coordinator"),
    Scene("accounts.start", "{console}/", state="of a reviewer", who="reviewer"),
    Scene("accounts.start", with_a_lost_key, state="of an organiser whose key is said to be lost", who="organiser"),
    Scene("accounts.keys", "{console}/me", state="of somebody who enrols", who="newcomer"),
    Scene("accounts.keys", "{console}/me", who="organiser"),
    Scene("accounts.set_up_totp", "{console}/me/app", state="of somebody who enrols", who="newcomer"),
    Scene("accounts.set_up_totp", wrong_code, 422, "with a wrong code", who="newcomer"),
    Scene("accounts.add_passkey", "{console}/me/passkeys", state="of somebody who enrols", who="newcomer"),
    Scene("accounts.add_passkey", junk_passkey, 422, "with a wrong passkey", who="organiser"),
    Scene("accounts.renew_recovery_codes", new_codes, who="organiser"),
    Scene("accounts.change_passphrase", "{console}/me/passphrase", who="organiser"),
    Scene("accounts.change_passphrase", guessed_passphrase, 422, "with errors", who="organiser"),
    Scene("accounts.prove", asked_who_one_is, 403, "on the way to something", who="organiser"),
    Scene("accounts.prove", asked_for_a_passkey, 403, "with a passkey", who="administrator"),
    Scene("accounts.list_people", "{console}/people", who="administrator"),
    Scene("accounts.list_people", "{console}/people?q=nobody+at+all", state="with nobody in it", who="administrator"),
    Scene("accounts.list_people", closed_and_undone, state="after closing one", who="administrator"),
    Scene("accounts.invite", "{console}/people/invite", who="administrator"),
    Scene("accounts.invite", empty_invite, 422, "with errors", who="administrator"),
    Scene("accounts.invite", invited_somebody, state="done", who="administrator"),
    Scene("accounts.person", "{person}", who="administrator"),
    Scene("accounts.person", person_without_a_reason, 422, "with errors", who="administrator"),
    Scene("accounts.list_approvals", "{console}/approvals", who="administrator"),
    Scene("accounts.list_approvals", "{console}/approvals", state="of a reviewer", who="reviewer"),
    Scene("accounts.list_approvals", "{console}/approvals", state="without any", who="organiser"),
    Scene("accounts.approval", "{request}", state="to be decided", who="administrator"),
    Scene("accounts.approval", refusal_without_a_reason, 422, "refused without a reason", who="administrator"),
    Scene("accounts.approval", "{own_request}", state="of one's own", who="administrator"),
    Scene("accounts.approval", "{asked}", state="decided", who="coordinator"),
    Scene("accounts.audit", "{console}/audit", who="administrator"),
    Scene("accounts.audit", "{console}/audit?last=2020-01-01", state="without a match", who="administrator"),
    Scene("accounts.platform_health", "{console}/health", who="administrator"),
    Scene("accounts.platform_health", with_a_silent_worker, state="with a silent worker", who="administrator"),
    Scene("petitions_console.new", "{console}/petitions/new", who="coordinator"),
    Scene("petitions_console.new", empty_petition, 422, "with every error", who="coordinator"),
    Scene("petitions_console.overview", "{draft}/overview", state="of a draft that was sent back", who="coordinator"),
    Scene("petitions_console.overview", "{in_review}/overview", state="in review", who="coordinator"),
    Scene("petitions_console.overview", "{in_review}/overview", state="in review, of a reviewer", who="reviewer"),
    Scene("petitions_console.overview", "{petition}/overview", state="of an open petition", who="coordinator"),
    Scene("petitions_console.texts", "{draft}/texts", who="coordinator"),
    Scene("petitions_console.edit_text", "{draft}/texts/en", who="coordinator"),
    Scene("petitions_console.edit_text", "{draft}/texts/pl?beside=en", state="beside another", who="coordinator"),
    Scene("petitions_console.edit_text", text_that_moved, 409, "that somebody else saved", who="coordinator"),
    Scene("petitions_console.edit_text", "{in_review}/texts/en", state="while it is in review", who="coordinator"),
    Scene("petitions_console.settings", "{draft}/settings", who="coordinator"),
    Scene("petitions_console.settings", wrong_settings, 422, "with errors", who="coordinator"),
    Scene("petitions_console.settings", "{petition}/settings", state="of an open petition", who="coordinator"),
    Scene("petitions_console.addressees", "{draft}/addressees", who="coordinator"),
    Scene("petitions_console.addressees", "{petition}/addressees", state="of an open petition", who="coordinator"),
    Scene("petitions_console.new_addressee", "{draft}/addressees/new", who="coordinator"),
    Scene("petitions_console.new_addressee", empty_addressee, 422, "with every error", who="coordinator"),
    Scene("petitions_console.picture", "{draft}/picture", who="coordinator"),
    Scene("petitions_console.picture", no_picture, 422, "without a file", who="coordinator"),
    Scene("petitions_console.signatories", "{draft}/signatories", who="coordinator"),
    Scene("petitions_console.preview", "{draft}/preview", who="coordinator"),
    Scene("petitions_console.preview", "{petition}/preview/be", state="of what a new version changes", who="reviewer"),
    Scene("petitions_console.reject", "{in_review}/rejection", who="reviewer"),
    Scene("petitions_console.hide", "{petition}/hiding", who="reviewer"),
    Scene("petitions_console.hide", "{petition}/hiding", state="of an administrator", who="administrator"),
    Scene("petitions_console.shown", "{console}/petitions/shown", who="administrator"),
    Scene("petitions_console.news", "{petition}/news", who="coordinator"),
    Scene("petitions_console.news_item", "{draft_news}", state="of a draft", who="coordinator"),
    Scene("petitions_console.news_item", "{out_news}", state="published", who="reviewer"),
    Scene("petitions_console.edit_news", "{draft_news}/en", who="coordinator"),
    Scene("petitions_console.reports", "{console}/reports", who="reviewer"),
    Scene("petitions_console.reports", "{console}/reports?state=acted", state="without a match", who="reviewer"),
    Scene("petitions_console.held", "{held}", who="reviewer"),
    Scene("petitions_console.held", "{petition}/held", state="without any", who="reviewer"),
    Scene("petitions_console.held_group", "{burst}", state="of a burst", who="reviewer"),
    Scene("petitions_console.held_group", "{held}/trap", state="of three", who="reviewer"),
    Scene("petitions_console.held_group", "{burst}?confirmed=yes", state="without a match", who="reviewer"),
    Scene("petitions_console.held_group", decision_without_a_reason, 422, "without a reason", who="reviewer"),
    Scene("petitions_console.decision", "{decision}", state="waiting", who="reviewer"),
    Scene("petitions_console.decision", "{rejection}", state="done", who="reviewer"),
    Scene("petitions_console.search", "{petition}/search", who="reviewer"),
    Scene("petitions_console.found", searched("olga@example.org"), state="with one", who="reviewer"),
    Scene("petitions_console.found", searched("nobody@example.org"), state="without any", who="reviewer"),
    Scene("petitions_console.found", f"{{petition}}/search/{NO_EVENT}", state="waiting", who="reviewer"),
    Scene("petitions_console.found", f"{{petition}}/search/{NO_EVENT}?look=20", state="given up", who="reviewer"),
    Scene("pickets_console.index", "{console}/pickets", who="organiser"),
    Scene("pickets_console.index", "{console}/pickets?country=NZ", state="without a match", who="organiser"),
    Scene("pickets_console.new", "{console}/pickets/new", who="organiser"),
    Scene("pickets_console.new", empty_picket, 422, "with every error", who="organiser"),
    Scene(
        "pickets_console.new", picket_in_a_city_of_many, 422, "in a city of which there are several", who="organiser"
    ),
    Scene("pickets_console.new", picket_beside_another, 409, "beside another", who="coordinator"),
    *(
        Scene("pickets_console.overview", f"{{{state}_picket}}", state=f"of one that is {state}", who="organiser")
        for state in ("draft", "review", "notified", "announced", "held", "cancelled")
    ),
    Scene("pickets_console.overview", "{review_picket}", state="of a coordinator", who="coordinator"),
    Scene("pickets_console.edit", "{announced_picket}/edit", who="organiser"),
    Scene("pickets_console.edit", "{cancelled_picket}/edit", state="that is cancelled", who="organiser"),
    Scene("pickets_console.cancel", "{announced_picket}/cancel", who="organiser"),
    Scene("pickets_console.notice", "{draft_picket}/notice", state="counted from the announcement", who="organiser"),
    Scene("pickets_console.notice", "{announced_picket}/notice", state="of two ways", who="organiser"),
    Scene("pickets_console.notice", "{cancelled_picket}/notice", state="of one that is cancelled", who="organiser"),
    Scene("pickets_console.record_notice", notice_ahead, 422, "that is still to come", who="organiser"),
    Scene("pickets_console.brief", "{draft_picket}/brief", who="organiser"),
    Scene("pickets_console.papers", "{announced_picket}/papers", who="organiser"),
    Scene("pickets_console.papers", drawn_papers, state="drawn", who="organiser"),
    Scene("pickets_console.offer_help", "{announced_picket}/help", who="coordinator"),
    Scene("pickets_console.list_shifts", "{announced_picket}/shifts", who="organiser"),
    Scene("pickets_console.list_shifts", "{draft_picket}/shifts", state="without any", who="organiser"),
    Scene("pickets_console.aliases", read_aliases, who="organiser"),
    Scene(
        "pickets_console.aliases",
        f"{{announced_picket}}/shifts/aliases/{NO_EVENT}?look=7",
        state="waiting",
        who="organiser",
    ),
    Scene("pickets_console.report", "{held_picket}/report", who="organiser"),
    Scene("pickets_console.photos", "{held_picket}/photos", who="organiser"),
    Scene("pickets_console.photos", no_photo, 422, "without a file", who="organiser"),
    Scene("pickets_console.photo", "{photo}", who="organiser"),
    Scene("delivery.index", "{console}/petitions", who="coordinator"),
    Scene("delivery.petition", "{petition}", who="coordinator"),
    Scene("delivery.petition", "{petition}", state="of a reviewer", who="reviewer"),
    Scene("delivery.petition", "{petition}?lang=be", state="in Belarusian", who="coordinator"),
    Scene("delivery.petition", "{closed}", state="without a signature", who="coordinator"),
    Scene("delivery.letters", "{petition}/letters", who="coordinator"),
    Scene("delivery.letters", "{petition}/letters", state="of a reviewer", who="reviewer"),
    Scene("delivery.letter", "{petition}/letters/cover/pl", who="coordinator"),
    Scene("delivery.letter", "{petition}/letters/cover/en", state="in English instead", who="coordinator"),
    Scene("delivery.letter", "{petition}/letters/mp/de", state="to a member of parliament", who="coordinator"),
    Scene("delivery.letter", "{petition}/letters/notice/lt", state="before a hand-over", who="coordinator"),
    Scene("delivery.edit_letter", "{petition}/letters/mp/fr/edit", who="coordinator"),
    Scene("delivery.edit_letter", letter_without_what_it_needs, 422, "with errors", who="coordinator"),
    Scene("delivery.edit_letter", letter_that_moved, 409, "that somebody else saved", who="coordinator"),
    Scene("delivery.new_bundle", "{new_bundle}", who="coordinator"),
    Scene("delivery.request_bundle", bundle_without_a_level, 422, "without a level", who="coordinator"),
    Scene("delivery.bundle", "{bundle}", state="ready", who="coordinator"),
    Scene("delivery.bundle", "{cancelled_bundle}", state="cancelled", who="coordinator"),
    Scene("delivery.bundle", "{replaced}", state="replaced", who="coordinator"),
    Scene("delivery.bundle", "{corrected}", state="with lines to be struck out", who="coordinator"),
    Scene("delivery.bundle", "{requested}", state="waiting for a second person", who="coordinator"),
    Scene("delivery.bundle", "{refused}", state="refused", who="coordinator"),
    Scene("delivery.bundle", "{under_way}", state="under way", who="coordinator"),
    Scene("delivery.bundle", "{failed}", state="failed", who="coordinator"),
    Scene("delivery.download", "{waiting_download}", state="waiting", who="coordinator"),
    Scene("delivery.download", "{old_download}", state="over", who="coordinator"),
    Scene("no route", "{console}/nothing/here", 404, "on the console", who="coordinator"),
    Scene("no route", "{console}/people", 403, "not open", who="organiser"),
]
