"""Faults with real processes, small: the scenarios of `make faults`, and what only a browser sees of a fault."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.demo.browser import Browser
from tests.faults import scenarios
from tests.faults.run import Run

pytestmark = pytest.mark.processes


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Run]]:
    """Makes a run with short sweeps and swift mail."""
    with ExitStack() as runs:
        yield lambda: runs.enter_context(
            Run(tmp_path / "stand", durable=False, ZBOR_SWEEP_SECONDS="2", ZBOR_MAIL_PER_MINUTE="60000")
        )


def test_nothing_acknowledged_is_lost_and_nobody_counted_twice(begin: Callable[[], Run]) -> None:
    run = begin()
    scenarios.all_at_once(run, submissions=600, kills=4, away=10)
    run.crowd.send(run.crowd.confirmations(run.links()))
    assert run.unprocessed() == 0
    run.check_counted()
    assert run.broken == []

    total = "UPDATE tallies SET total = total {} 1 WHERE state = 'counted' AND addressee_id = (SELECT min(addressee_id) FROM tallies WHERE state = 'counted')"
    with run.stand.postgres.connect("postgres") as db:
        db.execute(total.format("+"))
        damaged = run.stand.run_flask("worker", "fsck")
        assert damaged.returncode == 1
        assert "BROKEN (1)" in damaged.stdout
        db.execute(total.format("-"))
    assert run.stand.run_flask("worker", "fsck").returncode == 0


def test_a_mailer_killed_between_the_servers_yes_and_the_commit_loses_no_mail(begin: Callable[[], Run]) -> None:
    run = begin()
    scenarios.kill_mailer(run, submissions=30, kills=20, swift=True)
    assert run.broken == []


def test_no_name_lies_anywhere_in_the_clear(begin: Callable[[], Run]) -> None:
    run = begin()
    scenarios.search_canary(run, submissions=40)
    assert run.broken == []


def test_database_away_keeps_what_was_typed_and_all_recover_by_themselves(begin: Callable[[], Run]) -> None:
    run = begin()
    run.start()
    stand, crowd = run.stand, run.crowd
    values = crowd.signatures(1)[0].values  # type: ignore[union-attr]  # The first is a form.
    browser = Browser()
    page = browser.get(f"{crowd.site}/petitions/no-recognition/sign")
    stand.postgres.stop(signal.SIGQUIT)
    form = page.forms("/signatures")[0]
    refused = browser.submit(
        page, form, {name: values[name] for name in ("name", "email", "city", "country", "visibility")}
    )
    assert refused.status == 503
    for typed in (values["name"], values["email"], values["city"], form.values["event_id"]):
        assert typed in refused.text
    # For some seconds the form is made of what the site still knows of the petition.
    form_page = f"{crowd.site}/petitions/no-recognition/sign"
    assert any(browser.get(form_page).status == 503 or time.sleep(0.5) for _ in range(20))
    stand.postgres.start()
    # The page that came back is sent once more, as it stands.
    taken = browser.submit(
        refused,
        refused.forms("/signatures")[0],
        {name: values[name] for name in ("name", "email", "city", "country", "visibility")},
    )
    assert (taken.status, "thanks" in taken.url) == (200, True)
    assert run.unprocessed() == 0
    assert run.value("SELECT count(*) FROM signatures WHERE state = 'pending'") == 1
    run.wait_for_mails()
    assert len(run.mails()) == 1
    browser.close()
    assert stand.run_flask("worker", "fsck").returncode == 0


def test_the_web_knows_only_what_is_its_own(begin: Callable[[], Run]) -> None:
    stand = begin().stand
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
