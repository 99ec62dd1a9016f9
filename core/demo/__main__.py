"""`make demo`: stand the platform up, let 500 people sign, hand Poland's signatures to a coordinator, and stay up."""

from __future__ import annotations

import argparse
import email
import email.policy
import random
import re
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core.demo.browser import Browser
from core.demo.embedded import StandError
from core.demo.flood import flood, verify_receipt
from core.demo.handover import COUNTRIES, STEPS, compare, counted, have_log_written, take_bundle, verify
from core.demo.history import SAMPLE, add_petitions, open_petitions, tell_past
from core.demo.signers import Signer, make_signers
from core.demo.staff import links
from core.demo.stand import Ports, Stand
from core.demo.street import hold_pickets

SIGNERS = 500
VISITORS_AT_ONCE = 8
PATIENCE = 180.0
GONE_BUTTON, GONE_CODE = 400, 422
"""How the button and the code of a mail are answered when there is nothing left to confirm."""

out = Console()
Item = TypeVar("Item")
Result = TypeVar("Result")


def main() -> int:
    """Run the demonstration. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the bundle is built")
    parser.add_argument("--folder", type=Path, default=Path("var"), help="where everything is kept")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A proxy's header says where one comes from, so that the flood can come from somewhere.
    stand = Stand(options.folder, Ports(), extra={"ZBOR_PROXY_HOPS": "1"})
    try:
        start(stand)
        Demonstration(stand).run()
        if not options.once:
            stay(stand)
    except StandError as error:
        out.print(f"[bold red]{error}[/]", highlight=False)
        return 1
    except KeyboardInterrupt:
        out.print("\nStopping …")
    finally:
        stand.stop()
    return 0


@dataclass(frozen=True, slots=True)
class ConfirmMail:
    """What a mail that asks for confirmation brings."""

    to: str
    link: str
    code: str
    mine: str
    """The link to the signer's own page."""


def read_mail(path: Path) -> ConfirmMail | None:
    """A caught mail, by its plain part; None for one that asks nothing. Raises StandError for a link without its code."""
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    body = message.get_body(("plain",))
    text = body.get_content() if body else ""
    link, mine = re.search(r"http\S+/confirm/\S+", text), re.search(r"http\S+/mine/\S+", text)
    code = re.search(r"^\s*(\d{3}) (\d{3})\s*$", text, re.MULTILINE)
    if link is None:
        return None
    if code is None or mine is None:
        raise StandError(f"{path.name} has a link to confirm, and no code or no link to one's own page.")
    return ConfirmMail(str(message["To"]), link[0], code[1] + code[2], mine[0])


def start(stand: Stand) -> None:
    """All servers and processes."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("looking at the ports", stand.check_ports),
        ("PostgreSQL, Valkey, migrations, keys", stand.start_servers),
        ("addressees, the sample petition", lambda: stand.flask("console", "seed")),
        ("34,000 cities", lambda: stand.flask("console", "seed-places")),
        ("two more petitions", lambda: add_petitions(stand)),
        ("mail catcher", stand.start_catcher),
        ("worker", stand.start_worker),
        ("beat", stand.start_beat),
        ("public site", stand.start_web),
        ("console", stand.start_console),
    ]
    for label, step in steps:
        with out.status(label):
            step()
        out.print(f"[green]✓[/] {label}")


class Demonstration:
    """The main job, done over HTTP and SMTP as people do it."""

    def __init__(self, stand: Stand, total: int = SIGNERS) -> None:
        self.stand = stand
        self.site = f"http://localhost:{stand.ports.public}"
        self.signers = make_signers(total, secrets.token_hex(3), random.Random(2021), open_petitions(stand))
        self.known_mails = {path.name for path in stand.mails.glob("*.eml")}
        self.is_first_run = not self.known_mails
        self.thanked: dict[str, str] = {}
        """Where the form led whom, by address: the page on which the code of the mail is typed."""
        self.progress = Progress(
            TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out
        )

    def run(self) -> None:
        """Sign, confirm, ask for Poland's bundle, compare. Raises StandError when a number is not what it must be."""
        with self.progress:
            self._sign()
            mails = self._wait_for_mails()
            self._confirm(mails)
            have_log_written(self.stand)
            bundles = {country: self._bundle(country) for country in COUNTRIES}
        with out.status("a receipt, and the log it is from"):
            verified = verify_receipt(self.stand, SAMPLE, self._mine_of_somebody(mails))
        tell_past(self.stand)
        with out.status("a flood from one network"):
            held = flood(self.stand, SAMPLE)
        with out.status("pickets in ten cities"):
            streets = hold_pickets(self.stand, SAMPLE)
        self._report(bundles)
        out.print(
            f"Receipt    {self.stand.folder / 'demo' / 'receipt.json'}\n{verified}", highlight=False, soft_wrap=True
        )
        out.print(f"Held back  {held}", highlight=False, soft_wrap=True)
        out.print(f"Pickets    ten cities, with a map: {streets}", highlight=False, soft_wrap=True)

    def _mine_of_somebody(self, mails: list[ConfirmMail]) -> str:
        """The link to the own page of somebody who is counted."""
        honest = {one.email for one in self.signers if one.kind == "honest" and one.petition == SAMPLE}
        return next(one.mine for one in mails if one.to in honest)

    def _together(self, label: str, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Do something for many, several at once, with a bar."""
        todo = list(items)
        task = self.progress.add_task(label, total=len(todo))
        results = []
        with ThreadPoolExecutor(VISITORS_AT_ONCE) as pool:
            for result in pool.map(work, todo):
                results.append(result)
                self.progress.advance(task)
        return results

    def _sign(self) -> None:
        statuses = Counter(
            zip(
                (one.passes_form for one in self.signers),
                self._together("signing", self._sign_one, self.signers),
                strict=True,
            )
        )
        wrong = {key: number for key, number in statuses.items() if key not in ((True, 303), (False, 422))}
        if wrong:
            raise StandError(f"The form did not answer as it must: {wrong}")
        unthanked = sum(one.passes_form for one in self.signers) - len(self.thanked)
        if unthanked:
            raise StandError(f"{unthanked} signers were not led to the page where the code is typed.")

    def _sign_one(self, signer: Signer) -> int:
        browser = Browser()
        page = browser.get(f"{self.site}/petitions/{signer.petition}/sign?lang={signer.language}")
        form = page.forms("/signatures")[0]
        answer = browser.submit(page, form, signer.typed(), follow=False)
        browser.close()
        led_to = urljoin(page.url, answer.headers.get("Location", ""))
        if f"/petitions/{signer.petition}/thanks/{form.values['event_id']}" in led_to:
            self.thanked[signer.email] = led_to
        return answer.status

    def _wait_for_mails(self) -> list[ConfirmMail]:
        """The mails that ask to confirm. News of an earlier run may come between them."""
        expected = sum(one.passes_form and one.kind != "bounce" for one in self.signers)
        task = self.progress.add_task("confirmation mails caught", total=expected)
        deadline = time.monotonic() + PATIENCE
        mails: list[ConfirmMail] = []
        while True:
            for path in sorted(self.stand.mails.glob("*.eml")):
                if path.name not in self.known_mails:
                    self.known_mails.add(path.name)
                    mails += [mail] if (mail := read_mail(path)) else []
            self.progress.update(task, completed=len(mails))
            if len(mails) >= expected:
                return mails
            if time.monotonic() > deadline:
                raise StandError(
                    f"Only {len(mails)} of {expected} mails came within {PATIENCE:.0f} seconds; see var/logs/heavy.log."
                )
            time.sleep(0.2)

    def _confirm(self, mails: list[ConfirmMail]) -> None:
        silent = {one.email for one in self.signers if one.kind == "silent"}
        read = [one for one in mails if one.to not in silent]
        statuses = Counter(self._together("confirming by button", self._press_button, read[::2]))
        statuses.update(self._together("confirming by code", self._type_code, read[1::2]))
        duplicates = sum(one.kind == "duplicate" for one in self.signers)
        # Of two signatures from one mailbox the second is refused: its data went when the first was counted.
        refused = statuses[GONE_BUTTON] + statuses[GONE_CODE]
        if refused != duplicates or statuses[200] != len(self.thanked) - self._never_confirmed() - duplicates:
            raise StandError(f"Where {duplicates} duplicates were sent, confirming was answered with {dict(statuses)}.")

    def _never_confirmed(self) -> int:
        return sum(one.kind in ("silent", "bounce") for one in self.signers)

    def _press_button(self, mail: ConfirmMail) -> int:
        return self._confirm_on(mail.link, "", {})

    def _type_code(self, mail: ConfirmMail) -> int:
        return self._confirm_on(self.thanked[mail.to], "/code", {"code": mail.code})

    def _confirm_on(self, address: str, action: str, typed: Mapping[str, str]) -> int:
        """Send the form of a page, and look until its result is there. Returns the result's status."""
        browser = Browser()
        page = browser.get(address)
        answer = browser.submit(page, page.forms(action)[0], typed)
        deadline = time.monotonic() + PATIENCE
        while "Refresh" in answer.headers and time.monotonic() < deadline:
            time.sleep(0.2)  # A browser would wait longer, and would give up looking after eight times.
            answer = browser.get(answer.url)
        browser.close()
        return answer.status

    def _bundle(self, country: str) -> Path:
        """The verified archive of a country, which holds exactly those who count."""
        steps = self.progress.add_task(f"the bundle for {COUNTRIES[country]}", total=STEPS)
        number = counted(self.stand, SAMPLE, country)
        path = take_bundle(self.stand, SAMPLE, country, lambda: self.progress.advance(steps))
        signed = [
            one for one in self.signers if one.kind == "honest" and one.country == country and one.petition == SAMPLE
        ]
        compare(path, country, number, signed, nobody_else=self.is_first_run)
        verify(self.stand, SAMPLE, path)
        return path

    def _report(self, bundles: Mapping[str, Path]) -> None:
        with self.stand.postgres.connect("worker") as connection:
            states = connection.execute(
                "SELECT state, sum(total) FROM tallies GROUP BY state ORDER BY 2 DESC"
            ).fetchall()
        refused = Counter(one.kind for one in self.signers if not one.passes_form)
        table = Table("signatures", "number", title="Counts by state")
        for state, total in states:
            table.add_row(str(state), str(total))
        for kind, number in refused.items():
            table.add_row(f"refused by the form ({kind} address)", str(number))
        out.print(table)
        out.print(self.stand.flask("worker", "fsck"), highlight=False, soft_wrap=True)
        out.print(
            "Each register holds exactly the counted signatures of its country: "
            + " and ".join(str(counted(self.stand, SAMPLE, country)) for country in COUNTRIES),
            highlight=False,
        )
        for path in bundles.values():
            out.print(f"Bundle     {path} (verified)", highlight=False, soft_wrap=True)


def stay(stand: Stand) -> None:
    """Print where everything is and who can log in, and keep it up until Ctrl-C. Raises StandError when a process ends by itself."""
    out.print("\nPeople of the console, and the one-time link with which each sets the account up:")
    for address, role, link in links(stand):
        out.print(f"  {role:<14} {address:<24} {link or 'set up in an earlier run'}", highlight=False, soft_wrap=True)
    hint = 'No phone at hand? The page with the QR code also shows its key; then:  make totp KEY="the key"'
    out.print(hint, highlight=False, soft_wrap=True)
    public, console = stand.ports.public, stand.ports.console
    out.print(
        f"\nSite       http://localhost:{public}\nConsole    http://localhost:{console}\nMails      http://localhost:{public}/dev/mail/"
    )
    out.print("Press Ctrl-C to stop.")
    while True:
        for name, process in stand.processes.items():
            if process.poll() is not None:
                raise StandError(f"The process `{name}` has ended; var/logs/{name}.log says why.")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
