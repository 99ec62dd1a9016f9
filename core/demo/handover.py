"""The half of the demonstration that belongs to coordinators: bundles asked for, agreed to, taken away, and checked as a stranger would."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urljoin
from zipfile import ZipFile

from core.demo.browser import Browser, Page
from core.demo.embedded import StandError
from core.demo.register import read_bundle
from core.demo.signers import Signer
from core.demo.staff import Robot
from core.demo.stand import ROOT, Stand

PATIENCE = 180.0
COUNTRIES = {"PL": "Poland", "LT": "Lithuania"}
"""Whose bundles are built."""
STEPS = 5
"""How often `take_bundle` says that it came further."""


def have_log_written(stand: Stand) -> None:
    """Have the log take what waits for others: who counts in this run was counted minutes ago, and it waits for a day."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with stand.postgres.connect("worker") as connection:
            connection.execute(
                "UPDATE logs SET waiting_since = now() - interval '25 hours' WHERE waiting_since IS NOT NULL"
            )
            connection.commit()
            waits = connection.execute("SELECT count(*) FROM signatures WHERE (state = 'counted') <> in_log").fetchone()
        if waits == (0,):
            return
        if time.monotonic() > deadline:
            raise StandError("The log was not written; see var/logs/heavy.log.")
        time.sleep(0.5)


def counted(stand: Stand, slug: str, country: str) -> int:
    """How many signatures of a petition and a country the tallies count."""
    with stand.postgres.connect("worker") as connection:
        row = connection.execute(
            "SELECT coalesce(sum(total), 0) FROM tallies t JOIN addressees a ON a.id = t.addressee_id"
            " JOIN petitions p ON p.id = t.petition_id WHERE a.country_code = %s AND t.state = 'counted' AND p.slug = %s",
            (country, slug),
        ).fetchone()
    return int(str(row[0])) if row else 0


def take_bundle(stand: Stand, slug: str, country: str, advance: Callable[[], object]) -> Path:
    """Ask for a bundle, have a second person agree, wait until it is built, take it away. Returns the archive."""
    coordinator, second = Robot(stand, "coordinator"), Robot(stand, "reviewer")
    browser = coordinator.browser
    coordinator.log_in()
    advance()
    with stand.postgres.connect("worker") as connection:
        numbers = connection.execute(
            "SELECT p.id, a.id FROM petitions p, addressees a WHERE p.slug = %s AND a.country_code = %s AND a.petition_id IS NULL",
            (slug, country),
        ).fetchone()
    petition, addressee = numbers or (0, 0)
    page = browser.get(f"http://localhost:{stand.ports.console}/petitions/{petition}")
    way = f"/petitions/{petition}/addressees/{addressee}/bundles"
    if f'href="{way}"' not in page.text:
        raise StandError(f"The console offers no bundle for {COUNTRIES[country]}.")
    page = browser.get(urljoin(page.url, way))
    page = browser.submit(page, page.forms("/bundles")[0], {"level": "names"})
    advance()
    _agree(second, page)
    advance()
    deadline = time.monotonic() + PATIENCE
    while not page.forms("/downloads"):
        if time.monotonic() > deadline or "badge-failed" in page.text:
            raise StandError("The bundle was not built; see var/logs/heavy.log.")
        time.sleep(0.5)
        page = browser.get(page.url)
    advance()
    page = browser.submit(page, page.forms("/downloads")[0])
    while page.headers.get("Content-Type") != "application/zip":
        if time.monotonic() > deadline:
            raise StandError("The bundle was not handed out; see var/logs/worker.log.")
        time.sleep(0.5)
        page = browser.get(page.url)
    advance()
    name = re.search(r'filename="([^"]+)"', page.headers["Content-Disposition"])
    path = stand.folder / "demo" / (name[1] if name else "bundle.zip")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page.body)
    browser.close()
    return path


def _agree(second: Robot, asked: Page) -> None:
    """The second person finds the request among what waits, and approves it."""
    path = re.search(r'href="(/approvals/[0-9a-f-]+)"', asked.text)
    page = second.log_in()
    if path is None or "/approvals?state=pending" not in page.text:
        raise StandError("The request for the bundle does not wait for the second person.")
    page = second.browser.get(urljoin(page.url, path[1]))
    page = second.browser.submit(page, page.forms("/approvals/")[0], {"decision": "approve"})
    if page.status != 200:
        raise StandError("The second person could not agree to the bundle.")
    second.browser.close()


def compare(path: Path, country: str, number: int, signed: Sequence[Signer], *, nobody_else: bool) -> None:
    """The register against the count of the database and the people who signed in this run. Raises StandError.

    `signed` are those of this country who count; with `nobody_else` the register may hold no others.
    """
    rows = read_bundle(path)
    if len(rows) != number:
        raise StandError(f"The register has {len(rows)} lines where {number} signatures of {country} are counted.")
    # Who wished only to be counted is a line without a city; what it says is in the ministry's language.
    in_register = Counter((row.name, row.city) for row in rows if row.city)
    further = sum(not row.city for row in rows)
    if len({row.name for row in rows if not row.city}) > 1:
        raise StandError("The register names people who wished only to be counted.")
    of_this_run = Counter((one.name, one.city) for one in signed if one.visibility != "counted")
    unnamed = len(signed) - of_this_run.total()
    missing = of_this_run - in_register
    if missing or further < unnamed:
        raise StandError(
            f"{missing.total()} names of people who signed in {COUNTRIES[country]}, and {max(0, unnamed - further)} lines of those"
            " who are only counted, are not in the register."
        )
    if nobody_else and (in_register, further) != (of_this_run, unnamed):
        raise StandError("The register holds people who did not sign in this run, or do not want to be named.")


def verify(stand: Stand, slug: str, path: Path) -> None:
    """Check a bundle with the program that the site gives away, beside the log that it publishes; and on the site itself. Raises StandError."""
    root_key = stand.environment("public")["ZBOR_ROOT_PUBLIC_KEY"]
    site = f"http://localhost:{stand.ports.public}"
    program = str(ROOT / "static" / "zbor-verify.py")
    done = subprocess.run(  # Our own interpreter and our own program.
        [sys.executable, "-I", program, "bundle", str(path), "--log", f"{site}/petitions/{slug}/log", "--root-key", root_key],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StandError(f"{path.name} does not verify: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
    with ZipFile(path) as archive:
        hashes = [hashlib.sha256(archive.read(one)).hexdigest() for one in archive.namelist() if one.endswith(".pdf")]
    browser = Browser()
    unknown = [one for one in hashes if browser.get(f"{site}/verify?code={one}").status != 200]
    browser.close()
    if unknown or not hashes:
        raise StandError("The site does not know a volume that it handed out.")
