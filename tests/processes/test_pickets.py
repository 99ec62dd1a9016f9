"""Pickets with real processes: a cancellation once to everybody across crashes, the purge, and files that are too much."""

from __future__ import annotations

import email
import email.policy
import io
import re
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from core.demo.browser import Browser, Page
from core.demo.history import SAMPLE
from core.demo.staff import Robot
from core.demo.stand import Ports, Stand
from core.demo.street import announce
from tests.conftest import ROOT

pytestmark = pytest.mark.processes

PEOPLE = 40
KILLS = 4


def until(what: str, is_so: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    extra = {"ZBOR_SWEEP_SECONDS": "2", "ZBOR_MAIL_PER_MINUTE": "600"}
    made = Stand(tmp_path_factory.mktemp("pickets"), Ports.free(), durable=False, extra=extra)
    try:
        made.start_servers()
        made.flask("console", "seed")
        made.flask("console", "seed-places")
        made.start_catcher()
        made.start_worker()
        made.start_beat()
        made.start_web()
        made.start_console()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def organiser(stand: Stand) -> Iterator[Robot]:
    robot = Robot(stand, "organiser")
    robot.log_in()
    yield robot
    robot.browser.close()


@pytest.fixture(scope="module")
def path(stand: Stand, organiser: Robot) -> str:
    """Of an announced picket in Warsaw, on the console."""
    coordinator = Robot(stand, "coordinator")
    coordinator.log_in()
    petition = int(value(stand, "SELECT id FROM petitions WHERE slug = %s", SAMPLE))
    made = announce(organiser, coordinator, "Варшава", 0, petition)
    coordinator.browser.close()
    until("the picket is announced", lambda: value(stand, "SELECT state FROM pickets") == "announced")
    return made


def value(stand: Stand, query: str, *values: object) -> str:
    with stand.postgres.connect("owner") as db:
        row = db.execute(query, values).fetchone()
    return str(row[0]) if row else ""


def mails(stand: Stand, subject: str) -> list[tuple[str, str, str]]:
    """Receiver, Message-ID and text of every caught mail with this subject."""
    found = []
    for file in stand.mails.glob("*.eml"):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        if message["Subject"] == subject:
            body = message.get_body(("plain",))
            found.append((str(message["To"]), str(message["Message-ID"]), body.get_content() if body else ""))
    return found


def join_all(stand: Stand) -> None:
    site, code = f"http://localhost:{stand.ports.public}", value(stand, "SELECT code FROM pickets")
    browser = Browser()
    for number in range(PEOPLE):
        browser.headers["X-Forwarded-For"] = f"10.7.{number}.1"  # One network cannot have so many written to.
        page = browser.get(f"{site}/pickets/{code}/join")
        page = browser.submit(
            page, page.forms("")[-1], {"people": "1", "email": f"p{number}@example.org", "alias": f"P{number}"}
        )
        assert page.status == 200
    until("every mail to confirm came", lambda: len(mails(stand, "Please confirm")) == PEOPLE)
    for _to, _number, text in mails(stand, "Please confirm"):
        link = re.search(r"http\S+/pickets/confirm/\S+", text)
        assert link
        page = browser.get(link[0])
        assert browser.submit(page, page.forms("")[-1]).status == 200
    browser.close()
    coming = "SELECT count(*) FROM participants WHERE state = 'coming'"
    until("all are counted in", lambda: int(value(stand, coming)) == PEOPLE)


def test_a_cancellation_reaches_everybody_once_though_workers_are_killed(
    stand: Stand, organiser: Robot, path: str
) -> None:
    join_all(stand)
    page = organiser.browser.get(f"{organiser.site}{path}/cancel")
    page = organiser.browser.submit(page, page.forms("")[-1], {"reason": "safety", "note": "Stay at home."})
    assert page.status == 200
    cancelled = "Cancelled: please do not come"
    for kill in range(KILLS):
        until(
            "mails go on leaving", lambda kill=kill: len(mails(stand, cancelled)) >= (kill + 1) * PEOPLE // (KILLS + 2)
        )  # type: ignore[misc]  # A closure over the number.
        stand.kill("heavy")
        # What it was sending is leased for as long as a server may think about a mail; nobody waits for that here.
        with stand.postgres.connect("owner") as db:
            db.execute("UPDATE outbox SET leased_until = now() WHERE leased_until IS NOT NULL")
        stand.start_celery("heavy")
    told = "SELECT count(*) FROM outbox WHERE template = 'picket_cancelled' AND state = 'sent'"
    until("all were told", lambda: int(value(stand, told)) == PEOPLE, 150)
    sent = Counter((to, number) for to, number, _text in mails(stand, cancelled))
    assert {to for to, _number in sent} == {f"p{number}@example.org" for number in range(PEOPLE)}
    assert len(sent) == PEOPLE, "one mail each, whatever the crashes"
    repeated = sum(times - 1 for times in sent.values())
    assert repeated <= KILLS * 2, "at most what each killed mailer had just handed over"
    page = organiser.browser.get(f"{organiser.site}{path}")
    assert re.search(rf'data-label="Sent">{PEOPLE}<', page.text), "the organiser sees how many mails have left"
    visitor = Browser()
    assert "STATUS:CANCELLED" in visitor.get(f"http://localhost:{stand.ports.public}/pickets/calendar.ics").text
    visitor.close()


def purge(stand: Stand) -> None:
    """Have the worker do what beat asks of it every hour."""
    command = [sys.executable, "-m", "celery", "-A", "worker.celery", "call", "purge"]
    done = subprocess.run(
        command, env=stand.environment("worker"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_worker_erases_everything_about_participants_seven_days_after(stand: Stand, path: str) -> None:
    people = "SELECT count(*) FROM participants"
    before = int(value(stand, people))
    assert before >= PEOPLE

    def ended(ago: str) -> None:
        with stand.postgres.connect("owner") as db:
            db.execute(
                f"UPDATE pickets SET starts_at = now() - interval '{ago}' - interval '2 hours', ends_at = now() - interval '{ago}'"
            )

    ended("6 days 23 hours 50 minutes")
    purge(stand)
    time.sleep(3)
    assert int(value(stand, people)) == before
    ended("7 days")
    purge(stand)
    until("all is erased", lambda: value(stand, people) == "0")
    for query in (
        "SELECT count(*) FROM shift_takers",
        "SELECT count(*) FROM broadcast_mails",
        "SELECT count(*) FROM outbox WHERE template LIKE 'picket%%'",
        "SELECT count(*) FROM answers WHERE about IS NOT NULL",
        "SELECT count(*) FROM row_keys k WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.row_key_id = k.id)",
    ):
        assert value(stand, query) == "0", query
    assert value(stand, "SELECT sent FROM broadcasts WHERE kind = 'cancelled'") == str(PEOPLE)
    assert stand.run_flask("worker", "fsck").returncode == 0


# --- Files that are too much ---------------------------------------------------------------------------------------------------


def bomb() -> bytes:
    """A PNG file of a few kilobytes that says it has 30,000 by 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000))
        + chunk(b"IEND", b"")
    )


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "white").save(out, "JPEG")
    return out.getvalue()


def upload(robot: Robot, page: Page, content: bytes) -> tuple[int, str]:
    """Send a file with the form of a page. Returns the status and the answer."""
    form = next(one for one in page.forms("") if one.method == "post" and not one.action)
    try:
        answer = robot.browser.submit(page, form, file=content, follow=False)
    except (BrokenPipeError, ConnectionResetError):
        return 413, ""  # It was not read to its end.
    return answer.status, answer.text


def test_files_that_are_too_much_get_a_clear_answer_and_nothing_is_lost(
    stand: Stand, organiser: Robot, path: str, tmp_path: Path
) -> None:
    with stand.postgres.connect("owner") as db:
        db.execute(
            "UPDATE pickets SET state = 'held', cancelled_at = NULL, cancel_reason = '', starts_at = now() - interval '5 hours', ends_at = now() - interval '3 hours'"
        )
    address = f"{organiser.site}{path}/photos"
    page = organiser.browser.get(address)
    assert upload(organiser, page, picture())[0] == 303
    status, text = upload(organiser, page, bomb())
    assert (status, "50 million pixels" in text) == (422, True)
    status, text = upload(organiser, page, b"GIF89a" + b"x" * 1000)
    assert (status, "no JPEG, PNG or WebP" in text) == (422, True)
    status, text = upload(organiser, page, b"\xff\xd8" + b"x" * (8 * 1024 * 1024))
    assert (status, "larger than 8 MB" in text) == (422, True)
    assert upload(organiser, page, b"\xff\xd8" + b"x" * (20 * 1024 * 1024))[0] == 413
    for _ in range(4):
        assert upload(organiser, page, picture())[0] == 303
    status, _text = upload(organiser, page, picture())
    assert status in (409, 422)
    assert value(stand, "SELECT count(*) FROM photos") == "5"
    assert organiser.browser.get(address).status == 200
