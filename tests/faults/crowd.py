"""The load: people who sign and confirm over HTTP and remember what was acknowledged, and junk among their events."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from core.demo.browser import Browser, Form, Page
from core.demo.stand import Stand
from core.sealing import Recipient, context, seal

VISITORS = 6
PATIENCE = 120.0
COUNTRIES = ("PL", "LT", "DE", "US")


@dataclass(frozen=True, slots=True)
class Post:
    """A form to be sent. Its event id stays the same however often it is sent."""

    path: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Junk:
    """An event that does not open, as whoever has taken over the public web could write it under its database role."""

    event_id: UUID
    key_id: UUID
    sealed: bytes


Item = Post | Junk


class Crowd:
    """People who post forms until the site answers with 303, always under the same event id."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.site = f"http://localhost:{stand.ports.public}"
        self.mark = str(uuid4())
        """Stands in each name, city and address of this crowd, so that one search finds whatever leaked."""
        self.acknowledged: set[UUID] = set()
        self.acknowledged_at: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.given_up = 0
        self.mailboxes: set[str] = set()
        self.junk: set[UUID] = set()
        self._numbers = count()
        self._local = threading.local()
        self._to_close: list[Any] = []
        self.is_sending = False
        """Whether there is still something to send: what is broken now is broken under load."""
        page = self._browser().get(f"{self.site}/petitions/no-recognition/sign")
        self._text_hash = page.forms("/signatures")[0].values["text_hash"]

    # --- What is sent ---------------------------------------------------------------------------------------------------

    def signatures(self, total: int) -> list[Item]:
        """`total` forms, of which 10 % are a mailbox again under another spelling and 5 % the very same form again.

        To them come 1 % events that do not open.
        """
        forms: list[Post] = []
        items: list[Item] = []
        for index in range(total):
            number, kind = next(self._numbers), index % 20
            if kind == 19:
                post = forms[-5]
            elif kind >= 17:
                local, _, domain = forms[-10].values["email"].partition("@")
                post = self._form(number, f"{local}+again@{domain}" if kind == 17 else f"{local.upper()}@{domain}")
            else:
                email = f"canary-{self.mark}.{number}@example.org"
                self.mailboxes.add(email)
                post = self._form(number, email)
            forms.append(post)
            items.append(post)
            if index % 100 == 50:
                items.append(self._junk(index // 100))
        return items

    def _form(self, number: int, email: str) -> Post:
        values = {
            "event_id": str(uuid4()), "text_hash": self._text_hash, "name": f"Вольга canary-{self.mark}", "email": email,
            "country": COUNTRIES[number % len(COUNTRIES)], "city": f"canary-{self.mark}", "visibility": "ministry",
        }  # fmt: skip
        return Post("/petitions/no-recognition/signatures", values)

    def _junk(self, number: int) -> Junk:
        """Noise under our key's name, or a whole event sealed to a stranger, under the stranger's name or under ours."""
        with self.stand.postgres.connect("web") as db:
            ours = UUID(str(db.execute("SELECT id FROM pub.sealing_keys WHERE purpose = 'worker'").fetchone()[0]))  # type: ignore[index]  # There is one.
        event_id, stranger = uuid4(), Recipient(uuid4(), X25519PrivateKey.generate().public_key())
        if number % 3 == 0:
            return Junk(event_id, ours, os.urandom(1700))
        sealed = seal({"v": 1, "name": "Nobody"}, [stranger], context("sign", 1, event_id))
        return Junk(event_id, stranger.key_id if number % 3 == 1 else ours, sealed)

    def confirmations(self, links: Sequence[str]) -> list[Item]:
        """Presses of the button behind each link."""
        return [Post(link, {"event_id": str(uuid4())}) for link in links]

    # --- Sending --------------------------------------------------------------------------------------------------------

    @contextmanager
    def sending(self, items: Sequence[Item], seconds: float = 0.0) -> Iterator[None]:
        """Send everything, spread over at least `seconds`, while the caller breaks things. Ends when all is sent."""
        todo = iter(enumerate(items))
        taking, broken_off = threading.Lock(), threading.Event()
        start, pause = time.monotonic(), seconds / max(1, len(items))

        def visit() -> None:
            while not broken_off.is_set():
                with taking:
                    number, item = next(todo, (0, None))
                if item is None:
                    break
                time.sleep(max(0.0, start + number * pause - time.monotonic()))
                self._post(item) if isinstance(item, Post) else self._insert(item)
            self.is_sending = False

        with ThreadPoolExecutor(VISITORS) as pool:
            self.is_sending = True
            visitors = [pool.submit(visit) for _ in range(VISITORS)]
            try:
                yield
            except BaseException:
                broken_off.set()
                raise
            for visitor in visitors:
                visitor.result()

    def send(self, items: Sequence[Item]) -> None:
        """Send everything, with nothing broken meanwhile."""
        with self.sending(items):
            pass

    def _post(self, post: Post) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                page = self._browser(post).submit(
                    Page(self.site, 200, {}, b""), Form(self.site + post.path, "post"), post.values, follow=False
                )
            except (OSError, http.client.HTTPException):
                self.statuses[0] += 1
            else:
                self.statuses[page.status] += 1
                if page.status == 303:
                    self.acknowledged.add(UUID(post.values["event_id"]))
                    self.acknowledged_at.append(time.monotonic())
                    return
            time.sleep(0.2)
        self.given_up += 1

    def _insert(self, junk: Junk) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if not hasattr(self._local, "db"):
                    self._local.db = self.stand.postgres.connect("web")
                    self._to_close.append(self._local.db)
                self._local.db.execute(
                    "INSERT INTO inbox (id, kind, petition_id, key_id, sealed) VALUES (%s, 'sign', 1, %s, %s) ON CONFLICT DO NOTHING",
                    (junk.event_id, junk.key_id, junk.sealed),
                )
            except psycopg.OperationalError:
                if hasattr(self._local, "db"):
                    self._local.db.close()
                    del self._local.db
                time.sleep(0.2)
            else:
                self.junk.add(junk.event_id)
                return
        self.given_up += 1

    def _browser(self, post: Post | None = None) -> Browser:
        """This thread's, as if in the network of whoever posts this: people do not sign by the thousand from one."""
        if not hasattr(self._local, "browser"):
            self._local.browser = Browser()
            self._to_close.append(self._local.browser)
        if post is not None:
            one, other = UUID(post.values["event_id"]).bytes[:2]
            self._local.browser.headers["X-Forwarded-For"] = f"10.{one}.{other}.1"
        return self._local.browser

    # --- What became of it ----------------------------------------------------------------------------------------------

    @property
    def server_errors(self) -> int:
        """Answers of 500 and above."""
        return sum(number for status, number in self.statuses.items() if status >= 500)

    def first_acknowledged_after(self, moment: float) -> float | None:
        """When the site first acknowledged something after a moment, both by time.monotonic()."""
        return min((one for one in list(self.acknowledged_at) if one >= moment), default=None)

    def go_home(self) -> None:
        """Close every connection."""
        for one in self._to_close:
            one.close()
