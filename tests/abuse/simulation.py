"""One run of a crowd: real web and worker processes, PostgreSQL, Valkey and SMTP; everybody signs over HTTP and confirms what is mailed.

Two things are not waited for. What the hidden field says of when the form was opened is made here with the day's key, so that
10,000 forms need not be opened; and a proof of work is made the same way, as if solving one cost nothing.
"""

from __future__ import annotations

import email
import http.client
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import policy
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from altcha import Payload, create_challenge, solve_challenge
from flask import Flask

from core.config import Role, read_config
from core.demo.browser import Browser, Form, Page
from core.demo.embedded import StandError
from core.demo.stand import Ports, Stand
from core.extensions import db
from petitions import signals
from tests.abuse.profiles import Visitor
from wsgi import create_app

VISITORS_AT_ONCE = 6
PATIENCE = 600.0
SLUG = "no-recognition"
_LINK = re.compile(rb"/confirm/[\w-]+")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a crowd: how many of each profile there were, and in which states they are."""

    states: Mapping[str, Counter[str]]
    broken: str
    """What `flask fsck` finds broken, empty when nothing is."""
    answers: Mapping[str, set[tuple[Any, ...]]]
    """What each profile was answered, without what the sender itself had chosen."""
    bursts: int
    seconds: float

    def share(self, profile: str, state: str = "counted") -> float:
        """The share of a profile that is in a state."""
        of = self.states[profile]
        return of[state] / sum(of.values())

    def bots_counted(self) -> float:
        """The share of all machines that are counted."""
        machines = sum((states for profile, states in self.states.items() if profile != "human"), Counter[str]())
        return machines["counted"] / sum(machines.values())


class Simulation:
    """A stand with its processes, for one crowd."""

    def __init__(self, folder: Path, say: Callable[[str], object] = lambda _text: None) -> None:
        self.stand = Stand(folder, Ports.free(), durable=False, extra={"ZBOR_PROXY_HOPS": "1"})
        self.site = f"http://localhost:{self.stand.ports.public}"
        self.say = say
        self._local = threading.local()
        self._browsers: list[Browser] = []
        self._answers: dict[str, set[tuple[Any, ...]]] = {}
        self._read: set[str] = set()

    def __enter__(self) -> Simulation:
        stand = self.stand
        try:
            stand.start_servers()
            stand.flask("console", "seed")
            with stand.postgres.connect("postgres") as db:
                db.execute("UPDATE petitions SET per_mailbox = 2 WHERE slug = %s", (SLUG,))
            stand.start_catcher()
            stand.start_worker()
            stand.start_beat()
            stand.start_web()
            page = self._browser().get(f"{self.site}/petitions/{SLUG}/sign")
            self._text_hash = page.forms("/signatures")[0].values["text_hash"]
        except BaseException:
            stand.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for browser in self._browsers:
            browser.close()
        self.stand.stop()

    def run(self, crowd: Sequence[Visitor]) -> Result:
        """Let everybody sign and confirm, and look what became of them once nothing moves any more."""
        started = time.monotonic()
        app = create_app(config=read_config(Role.PUBLIC, self.stand.environment("public")))
        with ThreadPoolExecutor(VISITORS_AT_ONCE) as pool:
            for number, _done in enumerate(pool.map(lambda one: self._sign(one, app), crowd), start=1):
                if number % 1000 == 0:
                    self.say(f"{number} of {len(crowd)} have signed")
                    list(pool.map(self._confirm, self._new_links()))
            self.say("waiting until nothing moves any more")
            deadline = time.monotonic() + PATIENCE
            while True:
                links = self._new_links()
                list(pool.map(self._confirm, links))
                if not links and self._is_quiet():
                    break
                if time.monotonic() > deadline:
                    raise StandError("The workers did not come to an end.")
                time.sleep(0.5)
        with app.app_context():
            db.engine.dispose()
        return self._result(crowd, time.monotonic() - started)

    # --- Signing --------------------------------------------------------------------------------------------------------

    def _sign(self, visitor: Visitor, app: Flask) -> None:
        values = {
            "event_id": str(visitor.event_id), "text_hash": self._text_hash, "name": visitor.name, "email": visitor.email,
            "country": visitor.country, "city": "Town", "visibility": "ministry", "website": "http://x" if visitor.falls_into_trap else "",
        }  # fmt: skip
        with app.app_context():
            if visitor.opens_form:
                values["shown"] = self._shown(visitor)
            if visitor.solves:
                values["proof"] = self._proof()
        answer = self._post(f"{self.site}/petitions/{SLUG}/signatures?text=en", values, visitor.address)
        if answer.status != 303:
            raise StandError(f"A form was answered with {answer.status}: {answer.heading}")
        said = re.sub(
            re.escape(str(visitor.event_id)),
            "EVENT",
            repr((answer.status, sorted(answer.headers.items()), answer.body)),
        )
        said = re.sub(r"\('Date', '[^']*'\)", "DATE", said)
        self._answers.setdefault(visitor.profile, set()).add((said,))

    def _shown(self, visitor: Visitor) -> str:
        moment = int(time.time()) - visitor.seconds
        mark = signals._mark(moment, visitor.event_id)
        # Of a form that was opened the day before, the key may not be there any more, or never have been.
        return f"{moment}.{mark}"

    def _proof(self) -> str:
        expires_at = int(time.time()) + signals.PROOF_SECONDS
        keys = signals._proof_keys(expires_at)
        assert keys is not None
        challenge = create_challenge(
            signals.ALGORITHM, 1, counter=0, expires_at=expires_at, data={"petition": self._petition_id()},
            hmac_secret=keys[0], hmac_key_secret=keys[1],
        )  # fmt: skip
        solution = solve_challenge(challenge)
        assert solution is not None
        return Payload(challenge, solution).to_base64()

    def _petition_id(self) -> int:
        if not hasattr(self, "_id"):
            with self.stand.postgres.connect("postgres") as db:
                self._id = int(str(db.execute("SELECT id FROM petitions WHERE slug = %s", (SLUG,)).fetchone()[0]))  # type: ignore[index]  # There is one.
        return self._id

    def _post(self, url: str, values: Mapping[str, str], address: str) -> Page:
        for _attempt in range(5):
            browser = self._browser()
            browser.headers["X-Forwarded-For"] = address
            browser.cookies.clear()
            try:
                return browser.submit(Page(self.site, 200, {}, b""), Form(url, "post"), values, follow=False)
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        raise StandError("The site does not answer.")

    def _browser(self) -> Browser:
        if not hasattr(self._local, "browser"):
            self._local.browser = Browser()
            self._browsers.append(self._local.browser)
        browser: Browser = self._local.browser
        return browser

    # --- Confirming -----------------------------------------------------------------------------------------------------

    def _new_links(self) -> Iterable[str]:
        found = []
        for path in sorted(self.stand.mails.glob("*.eml")):
            if path.name not in self._read:
                self._read.add(path.name)
                message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
                body = message.get_body(("plain",))  # type: ignore[attr-defined]  # An EmailMessage.
                link = _LINK.search(body.get_content().encode()) if body else None
                if link is not None:
                    found.append(link[0].decode())
        return found

    def _confirm(self, link: str) -> None:
        answer = self._post(f"{self.site}{link}", {"event_id": str(uuid4())}, "89.1.2.3")
        if answer.status != 303:
            raise StandError(f"A confirmation was answered with {answer.status}.")

    # --- What became of them --------------------------------------------------------------------------------------------

    def _is_quiet(self) -> bool:
        with self.stand.postgres.connect("postgres") as db:
            row = db.execute(
                "SELECT (SELECT count(*) FROM inbox WHERE state = 'new') + (SELECT count(*) FROM outbox WHERE state = 'queued')"
                " + (SELECT count(*) FROM bursts WHERE NOT swept)"
            ).fetchone()
        return row is not None and row[0] == 0

    def _result(self, crowd: Sequence[Visitor], seconds: float) -> Result:
        with self.stand.postgres.connect("postgres") as db:
            rows = db.execute("SELECT event_id, state FROM signatures").fetchall()
            bursts = db.execute("SELECT count(*) FROM bursts").fetchone()
        by_event = {UUID(str(event)): str(state) for event, state in rows}
        states: dict[str, Counter[str]] = {}
        for visitor in crowd:
            states.setdefault(visitor.profile, Counter())[by_event.get(visitor.event_id, "lost")] += 1
        checked = self.stand.run_flask("worker", "fsck")
        broken = "" if checked.returncode == 0 else checked.stdout
        return Result(states, broken, self._answers, int(str(bursts[0])) if bursts else 0, seconds)
