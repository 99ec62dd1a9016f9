"""What the demonstration shows of proof: a signer's receipt that a stranger's script checks, and a flood that is held back."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.demo.browser import Browser, Page
from core.demo.embedded import StandError
from core.demo.signers import make_signers
from core.demo.staff import Robot
from core.demo.stand import ROOT, Stand
from core.keys import public_half

Found = TypeVar("Found")
PATIENCE = 180.0
MACHINES = 170
"""A few more than one network may send in an hour."""
NETWORK = "45.84.196"
"""Where they say that they come from; nothing leaves this machine."""


def verify_receipt(stand: Stand, slug: str, mine: str) -> str:
    """Have a signer's receipt made, and check it and the whole log as a stranger would. Returns what the script says.

    `mine` is the link to the signer's own page. Raises StandError when anything does not hold.
    """
    site = f"http://localhost:{stand.ports.public}"
    browser = Browser()
    page = browser.get(mine)
    page = browser.submit(page, page.forms()[-1])
    page = _until(lambda: browser.get(page.url), lambda one: bool(one.forms("/receipt")), "the signer's own page")
    deadline = time.monotonic() + PATIENCE
    while "receipt.json" not in (answer := _ask_for_receipt(browser, page)).text:
        if time.monotonic() > deadline:
            raise StandError("The signature did not come into the log; see var/logs/heavy.log.")
        time.sleep(1)
    path = stand.folder / "demo" / "receipt.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(browser.get(f"{answer.url.partition('?')[0]}/receipt.json").body)
    browser.close()
    log = f"{site.replace('localhost', '127.0.0.1')}/petitions/{slug}/log"
    root_key = base64.b64encode(public_half(stand.secrets / "root" / "root.key")).decode()
    said = [
        _verify("log", log, "--root-key", root_key),
        _verify("receipt", str(path), "--log", log, "--root-key", root_key),
    ]
    return "\n".join(said)


def _ask_for_receipt(browser: Browser, page: Page) -> Page:
    address = browser.submit(page, page.forms("/receipt")[0], {"mine": "y"}).url
    return _until(lambda: browser.get(address), lambda one: "Refresh" not in one.headers, "the receipt")


def _verify(*arguments: str) -> str:
    # -I: nothing of the project can be imported.
    command = [sys.executable, "-I", str(ROOT / "static" / "zbor-verify.py"), *arguments]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise StandError(f"zbor-verify found something wrong: {(done.stdout + done.stderr).strip()}")
    return done.stdout.strip()


def flood(stand: Stand, slug: str) -> str:
    """Machines sign from one network, and are held back. Returns what became of them. Raises StandError when they are not."""
    site = f"http://localhost:{stand.ports.public}"
    before = _held(stand, slug)
    machines = [
        one for one in make_signers(2 * MACHINES, f"flood{time.time_ns()}", random.Random()) if one.kind == "honest"
    ]

    def sign(number: int) -> None:
        browser = Browser()
        browser.headers["X-Forwarded-For"] = f"{NETWORK}.{number % 250 + 1}"
        form = browser.get(f"{site}/petitions/{slug}/sign")
        browser.submit(form, form.forms("/signatures")[0], machines[number].typed(), follow=False)
        browser.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sign, range(MACHINES)))
    held = _until(lambda: _held(stand, slug) - before, lambda number: number >= MACHINES, "the flood in the quarantine")
    browser = Browser()
    numbers = json.loads(browser.get(f"{site}/petitions/{slug}/numbers.json").body)["total"]
    browser.close()
    if numbers["received"] != sum(total for state, total in numbers.items() if state != "received"):
        raise StandError(f"The public numbers do not add up: {numbers}")
    reviewer = Robot(stand, "reviewer")
    reviewer.log_in()
    with stand.postgres.connect("worker") as db:
        petition = db.execute("SELECT id FROM petitions WHERE slug = %s", (slug,)).fetchone()
    waiting = reviewer.browser.get(f"{reviewer.site}/petitions/{petition[0] if petition else 0}/held")
    reviewer.browser.close()
    if "network_burst" not in waiting.text:
        raise StandError("The reviewer does not see the burst.")
    return f"{held} signatures from one network wait for a reviewer; received {numbers['received']}, counted {numbers['counted']}"


def _held(stand: Stand, slug: str) -> int:
    with stand.postgres.connect("worker") as db:
        row = db.execute(
            "SELECT count(*) FROM holds h JOIN petitions p ON p.id = h.petition_id JOIN bursts b ON b.id = h.burst_id AND b.swept"
            " WHERE p.slug = %s",
            (slug,),
        ).fetchone()
    return int(str(row[0])) if row else 0


def _until(look: Callable[[], Found], is_there: Callable[[Found], bool], what: str) -> Found:
    """Look until it is there. Raises StandError."""
    deadline = time.monotonic() + PATIENCE
    while not is_there(found := look()):
        if time.monotonic() > deadline:
            raise StandError(f"Waited {PATIENCE:.0f} seconds for {what}; see var/logs.")
        time.sleep(0.3)
    return found
