"""Every page there is, in the states that look different: the table that a new route has to be added to.

An address stands for itself, with what `Site.addresses` holds filled in; a function brings the browser there by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page, Response

from tests.browser.conftest import PETITION, Site, Words, press

FORM = f"{{site}}/petitions/{PETITION}?text=en"
NO_EVENT = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True)
class Scene:
    """One page in one state. `endpoint` is the route that draws it."""

    endpoint: str
    way: str | Callable[[Page, Site], Response | None]
    status: int = 200
    state: str = ""
    logged_in: bool = False

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
    page.get_by_role("textbox", name="First and last name").fill("A very long name " * 5)
    with site.database_away():
        return press(page, "Sign")


def page_without_a_database(page: Page, site: Site) -> Response | None:
    with site.database_away():
        return page.goto(site.url(FORM))


def button_without_a_database(page: Page, site: Site) -> Response:
    page.goto(site.url("{confirm}"))
    with site.database_away():
        return press(page, "Confirm my signature")


def withdrawing_without_a_database(page: Page, site: Site) -> Response:
    page.goto(site.url("{withdraw}"))
    with site.database_away():
        return press(page, "Withdraw and erase")


def empty_form_in_belarusian(page: Page, site: Site) -> Response:
    page.goto(site.url(f"{{site}}/petitions/{PETITION}?lang=be&text=be"))
    return press(page, Words("be")("Sign"))


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


def nothing_to_coordinate(page: Page, site: Site) -> Response | None:
    with site.changed("UPDATE grants SET role = 'reviewer'", "UPDATE grants SET role = 'coordinator'"):
        return page.goto(site.url("{console}/"))


# --- The table ----------------------------------------------------------------------------------------------------------

NO_PAGE = {
    "static": "files",
    "petitions.reload": "sends on to petitions.show",
}
"""Endpoints of GET that draw no page, and why."""

PUBLIC = [
    Scene("petitions.index", "{site}/"),
    Scene("petitions.index", nothing_open, state="without a petition"),
    Scene("petitions.show", FORM),
    Scene("petitions.show", f"{{site}}/petitions/{PETITION}?lang=be&text=be", state="in Belarusian"),
    Scene("petitions.show", f"{{site}}/petitions/{PETITION}?lang=pl&text=ru", state="in two languages"),
    Scene("petitions.show", "{site}/petitions/closed", state="closed"),
    Scene("petitions.show", "{site}/petitions/none", 404, "not there"),
    Scene("petitions.show", page_without_a_database, 503, "without a database"),
    Scene("petitions.sign", empty_form, 422, "with every error"),
    Scene("petitions.sign", empty_form_in_belarusian, 422, "with every error in Belarusian"),
    Scene("petitions.sign", form_of_an_older_text, 422, "after the text changed"),
    Scene("petitions.sign", form_of_a_closed_petition, 410, "after the end"),
    Scene("petitions.sign", full_form_without_a_database, 503, "without a database"),
    Scene("petitions.thanks", f"{{site}}/petitions/{PETITION}/thanks"),
    Scene("petitions.already_sent", f"{{site}}/petitions/{PETITION}/already-sent"),
    Scene("petitions.confirm", "{confirm}"),
    Scene("petitions.confirm", button_without_a_database, 503, "without a database"),
    Scene("petitions.withdraw", "{withdraw}"),
    Scene("petitions.withdraw", withdrawing_without_a_database, 503, "without a database"),
    Scene("petitions.answer", "{counted}", state="counted"),
    Scene("petitions.answer", "{withdrawn}", state="withdrawn"),
    Scene("petitions.answer", "{invalid}", 400, "invalid"),
    # The seventh look waits longest before the page asks again by itself.
    Scene("petitions.answer", f"{{site}}/answers/confirm/{NO_EVENT}?look=7", state="waiting"),
    Scene("petitions.answer", f"{{site}}/answers/confirm/{NO_EVENT}?look=8", state="given up"),
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
    Scene("delivery.index", "{console}/", logged_in=True),
    Scene("delivery.index", nothing_to_coordinate, state="without a petition", logged_in=True),
    Scene("delivery.petition", "{petition}", logged_in=True),
    Scene("delivery.petition", "{petition}?lang=be", state="in Belarusian", logged_in=True),
    Scene("delivery.petition", "{closed}", state="without a signature", logged_in=True),
    Scene("delivery.bundle", "{bundle}", state="ready", logged_in=True),
    Scene("delivery.bundle", "{under_way}", state="under way", logged_in=True),
    Scene("delivery.bundle", "{failed}", state="failed", logged_in=True),
    Scene("delivery.download", "{waiting_download}", state="waiting", logged_in=True),
    Scene("delivery.download", "{old_download}", state="over", logged_in=True),
    Scene("no route", "{console}/nothing/here", 404, "on the console", logged_in=True),
]
