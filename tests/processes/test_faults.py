"""Faults with real processes: gunicorn, a Celery worker, beat, PostgreSQL, Valkey and SMTP, killed and emptied."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis

from core.demo.browser import Browser, Form, Page
from core.demo.stand import Ports, Stand

pytestmark = pytest.mark.processes

SUBMISSIONS = 2000
ROUNDS = 10
VISITORS = 6
PATIENCE = 90.0


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path / "var", Ports.free(), durable=False, extra={"ZBOR_SWEEP_SECONDS": "2"})
    made.start_servers()
    made.flask("console", "seed")
    yield made
    made.stop()


@pytest.fixture
def gather() -> Iterator[Callable[[Stand], Crowd]]:
    """Makes crowds, and sends them home in the end."""
    crowds: list[Crowd] = []

    def make(stand: Stand) -> Crowd:
        crowds.append(Crowd(stand))
        return crowds[-1]

    yield make
    for crowd in crowds:
        crowd.go_home()


class Crowd:
    """People who post forms, and remember what was acknowledged."""

    def __init__(self, stand: Stand) -> None:
        self.site = f"http://localhost:{stand.ports.public}"
        self.acknowledged: set[str] = set()
        self.refused: list[int] = []
        self._local = threading.local()
        self._browsers = [Browser()]
        page = self._browsers[0].get(f"{self.site}/petitions/no-recognition")
        self.text_hash = page.forms("/signatures")[0].values["text_hash"]

    def post(self, item: tuple[str, dict[str, str]]) -> None:
        """Post one form with its event id, again and again until the site answers: as people do."""
        path, values = item
        if not hasattr(self._local, "browser"):
            self._local.browser = Browser()
            self._browsers.append(self._local.browser)
        browser = self._local.browser
        for _ in range(20):
            try:
                page = browser.submit(
                    Page(self.site, 200, {}, b""), Form(self.site + path, "post"), values, follow=False
                )
            except OSError:
                time.sleep(0.2)
                continue
            if page.status == 303:
                self.acknowledged.add(values["event_id"])
                return
            time.sleep(0.2)
        self.refused.append(page.status)

    def go_home(self) -> None:
        """Close every connection."""
        for browser in self._browsers:
            browser.close()


def submissions(crowd: Crowd) -> Iterator[tuple[str, dict[str, str]]]:
    """SUBMISSIONS posts: 85 % new people, 10 % a mailbox again under another spelling, 5 % the very same form again."""
    forms: list[dict[str, str]] = []
    for number in range(SUBMISSIONS):
        kind = number % 20
        if kind == 19:
            values = forms[-5]
        else:
            email = f"person{number}@example.org" if kind < 17 else forms[-10]["email"].replace("@", "+again@").upper()
            values = {
                "event_id": str(uuid4()), "text_hash": crowd.text_hash, "name": f"Вольга {'абвгд'[number % 5]}", "email": email, "country": "PL",
                "city": "Białystok", "consent_ministry": "y",
            }  # fmt: skip
            forms.append(values)
        yield "/petitions/no-recognition/signatures", values


def kill_in_the_middle_of_a_transaction(stand: Stand, watch: psycopg.Connection[Any]) -> bool:
    """kill -9 of the workers and their children, at a moment when one of them has changed rows and not committed."""
    deadline = time.monotonic() + 20
    hit = False
    while time.monotonic() < deadline and not hit:
        row = watch.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zbor-worker' AND backend_xid IS NOT NULL"
        ).fetchone()
        hit = bool(row and row[0])
    for name in ("worker", "heavy"):
        stand.kill(name)
    return hit


def wait_until_drained(watch: psycopg.Connection[Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = watch.execute("SELECT count(*) FROM inbox WHERE state = 'new'").fetchone()
        if row == (0,):
            return
        time.sleep(0.2)
    raise AssertionError(f"events are still waiting after {PATIENCE} s: {row}")


def storm(stand: Stand, crowd: Crowd, items: list[tuple[str, dict[str, str]]], rounds: int) -> int:
    """Post everything in `rounds` parts; in each kill the worker mid-batch and empty Redis. Returns kills that hit."""
    valkey = redis.Redis.from_url(stand.valkey.url)
    hits = 0
    rest = iter(items)
    size = -(-len(items) // rounds)
    with stand.postgres.connect("postgres") as watch, ThreadPoolExecutor(VISITORS) as pool:
        for _ in range(rounds):
            posting = [pool.submit(crowd.post, item) for item in islice(rest, size)]
            hits += kill_in_the_middle_of_a_transaction(stand, watch)
            valkey.flushall()
            for one in posting:
                one.result()
            stand.start_worker()
        wait_until_drained(watch)
    valkey.close()
    return hits


def confirm_links(stand: Stand) -> Iterator[tuple[str, str]]:
    for path in stand.mails.glob("*.eml"):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        link = re.search(r"(/confirm/[\w-]+)", message.get_content())
        if link:
            yield str(message["To"]), link[1]


def wait_for_mails(stand: Stand, watch: psycopg.Connection[Any]) -> None:
    """Until no mail is queued. When nothing moves, what is left was leased by mailers that were killed: time passes."""
    deadline = time.monotonic() + 2 * PATIENCE
    before, since = None, time.monotonic()
    while time.monotonic() < deadline:
        row = watch.execute("SELECT count(*) FROM outbox WHERE state = 'queued'").fetchone()
        if row == (0,):
            return
        if row != before:
            before, since = row, time.monotonic()
        elif time.monotonic() > since + 10:
            watch.execute("UPDATE outbox SET leased_until = now() WHERE state = 'queued' AND leased_until > now()")
            since = time.monotonic()
        time.sleep(0.5)
    raise AssertionError(f"mails are still waiting: {row}")


def test_nothing_acknowledged_is_lost_and_nobody_counted_twice(stand: Stand, gather: Callable[[Stand], Crowd]) -> None:
    stand.extra["ZBOR_MAIL_PER_MINUTE"] = "60000"
    for start in (stand.start_catcher, stand.start_worker, stand.start_beat, stand.start_web):
        start()
    crowd = gather(stand)
    items = list(submissions(crowd))
    hits = storm(stand, crowd, items, ROUNDS)
    assert crowd.refused == []
    assert hits == ROUNDS, "each kill struck in the middle of a batch"

    with stand.postgres.connect("postgres") as db:
        stored = {str(row[0]) for row in db.execute("SELECT id FROM inbox WHERE kind = 'sign'")}
        assert stored == crowd.acknowledged
        assert db.execute("SELECT count(*), count(DISTINCT event_id) FROM signatures").fetchone() == (
            len(stored),
            len(stored),
        )
        wait_for_mails(stand, db)
        mailed = Counter(link for _, link in confirm_links(stand))
        assert len(mailed) == db.execute("SELECT count(*) FROM signatures WHERE state = 'pending'").fetchone()[0]  # type: ignore[index]
        # A mailer killed between the server's 250 and its own commit sends once more, and only then.
        assert sum(mailed.values()) - len(mailed) <= 2 * ROUNDS, "two mailers are killed in each round"
        people = {values["email"].lower().replace("+again", "") for _, values in items}

        confirmations = [(link, {"event_id": str(uuid4())}) for link in mailed]
        assert storm(stand, crowd, confirmations, 3) == 3
        assert crowd.refused == []
        assert db.execute(
            "SELECT count(*), count(DISTINCT mailbox_hmac) FROM signatures WHERE state = 'counted'"
        ).fetchone() == (len(people), len(people))
        assert db.execute("SELECT total FROM tallies WHERE state = 'counted'").fetchone() == (len(people),)

        clean = stand.run_flask("worker", "fsck", "--json")
        assert clean.returncode == 0, clean.stdout
        db.execute("UPDATE tallies SET total = total + 1 WHERE state = 'counted'")
        damaged = stand.run_flask("worker", "fsck")
        assert damaged.returncode == 1
        assert "BROKEN (1)" in damaged.stdout
        db.execute("UPDATE tallies SET total = total - 1 WHERE state = 'counted'")
        assert stand.run_flask("worker", "fsck").returncode == 0

    logs = "".join(path.read_text(errors="replace") for path in stand.logs.glob("*.log"))
    assert "@example.org" not in logs.replace("zbor@example.org", "")
    assert "Вольга" not in logs


def test_database_away_keeps_what_was_typed_and_all_recover_by_themselves(
    stand: Stand, gather: Callable[[Stand], Crowd]
) -> None:
    for start in (stand.start_catcher, stand.start_worker, stand.start_beat, stand.start_web):
        start()
    crowd = gather(stand)
    _path, values = next(submissions(crowd))
    browser = Browser()
    page = browser.get(f"{crowd.site}/petitions/no-recognition")
    stand.postgres.stop(signal.SIGQUIT)
    form = page.forms("/signatures")[0]
    refused = browser.submit(
        page, form, {name: values[name] for name in ("name", "email", "city", "country", "consent_ministry")}
    )
    assert refused.status == 503
    for typed in (values["name"], values["email"], values["city"], form.values["event_id"]):
        assert typed in refused.text
    assert browser.get(f"{crowd.site}/petitions/no-recognition").status == 503
    stand.postgres.start()
    # The page that came back is sent once more, as it stands.
    taken = browser.submit(
        refused,
        refused.forms("/signatures")[0],
        {name: values[name] for name in ("name", "email", "city", "country", "consent_ministry")},
    )
    assert (taken.status, "thanks" in taken.url) == (200, True)
    with stand.postgres.connect("postgres") as db:
        wait_until_drained(db)
        assert db.execute("SELECT count(*) FROM signatures WHERE state = 'pending'").fetchone() == (1,)
        wait_for_mails(stand, db)
    browser.close()
    assert stand.run_flask("worker", "fsck").returncode == 0


def test_processes_know_only_what_is_theirs(stand: Stand) -> None:
    stand.start_web()
    pid = stand.processes["web"].pid
    environment = Path(f"/proc/{pid}/environ").read_bytes().decode().replace("\0", "\n")
    assert "zbor_web" in environment
    for secret in ("zbor_worker", "zbor_owner", "smtp", "SECRETS", "pepper", "mailbox"):
        assert secret not in environment
    password = stand.postgres.passwords / "zbor_worker"
    assert password.read_text().rsplit(":", 1)[1].strip() not in environment
    for path in (stand.secrets / "worker").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
    assert os.path.realpath(f"/proc/{pid}/cwd")
