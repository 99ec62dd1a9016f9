"""People of the demonstration who log in: robots that do the main job, and links for whoever looks at the console."""

from __future__ import annotations

import base64
import html
import json
import re
from secrets import token_urlsafe

from core.demo.authenticator import SoftPasskey
from core.demo.browser import Browser, Page
from core.demo.embedded import StandError
from core.demo.stand import Stand

PEOPLE = [
    ("ales@example.org", "Ales", "administrator"),
    ("belka@example.org", "Belka", "administrator"),
    ("organiser@example.org", "Organiser", "organiser"),
    ("coordinator@example.org", "Coordinator", "coordinator"),
    ("reviewer@example.org", "Reviewer", "reviewer"),
]


def links(stand: Stand) -> list[tuple[str, str, str]]:
    """Address, role and one-time link of everybody of PEOPLE; no link for who has set the account up already."""
    made = []
    for email, name, role in PEOPLE:
        done = stand.run_flask("console", "invite", email, "--name", name, "--role", role)
        if done.returncode and "set up already" not in done.stderr:
            raise StandError(f"No link for {email}: {done.stderr.strip().splitlines()[-1]}")
        made.append((email, role, "" if done.returncode else done.stdout.strip()))
    return made


class Robot:
    """Somebody who logs in with a passkey in software, which a file keeps for the next run."""

    def __init__(self, stand: Stand, role: str) -> None:
        self.stand = stand
        self.role = role
        self.site = f"http://localhost:{stand.ports.console}"
        self.browser = Browser()
        self.file = stand.folder / "demo" / f"{role}.passkey"

    def log_in(self) -> Page:
        """Set the account up, the first time; then log in. Returns the start page. Raises StandError."""
        passkey = self._known() or self._enrol()
        page = self.browser.get(f"{self.site}/login")
        answer = passkey.get(self._options(page))
        self._keep(passkey)
        page = self.browser.submit(page, page.forms("/login/passkey")[0], {"answer": answer})
        if page.status != 200 or not page.forms("/logout"):
            raise StandError(f"The {self.role} of the demonstration could not log in.")
        return page

    def _enrol(self) -> SoftPasskey:
        email, passphrase = f"robot-{self.role}@example.org", token_urlsafe(24)
        name = f"Robot ({self.role})"
        link = self.stand.flask("console", "invite", email, "--name", name, "--role", self.role).strip()
        page = self.browser.get(link)
        typed = {"name": name, "passphrase": passphrase, "repeated": passphrase}
        self.browser.submit(page, page.forms()[-1], typed)
        page = self.browser.get(f"{self.site}/me/passkeys")
        passkey = SoftPasskey(self.site)
        answer = {"answer": passkey.create(self._options(page)), "name": "in software"}
        page = self.browser.submit(page, page.forms("")[-1], answer)
        if '<ol class="codes">' not in page.text:
            raise StandError(f"The {self.role} of the demonstration could not set up its account.")
        page = self.browser.get(f"{self.site}/me")
        self.browser.submit(page, page.forms("/logout")[0])
        return passkey

    @staticmethod
    def _options(page: Page) -> str:
        found = re.search(r'data-options="([^"]*)"', page.text)
        if not found:
            raise StandError("The console asks for no passkey.")
        return html.unescape(found[1])

    def _known(self) -> SoftPasskey | None:
        if not self.file.exists():
            return None
        kept = json.loads(self.file.read_text())
        seed, handle = (base64.b64decode(kept[name]) for name in ("seed", "user_handle"))
        return SoftPasskey(self.site, seed=seed, user_handle=handle, uses=kept["uses"])

    def _keep(self, passkey: SoftPasskey) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch(mode=0o600)
        held = {"seed": passkey.seed, "user_handle": passkey.user_handle}
        written = {name: base64.b64encode(value).decode() for name, value in held.items()}
        self.file.write_text(json.dumps({**written, "uses": passkey.uses}))
