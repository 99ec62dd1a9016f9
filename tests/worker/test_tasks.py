"""The tasks themselves, run as functions: each looks for work, does it, and does nothing when there is none."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy.exc import OperationalError

from core.config import Role
from core.demo.embedded import free_port
from core.queues import TaskName
from core.sealing import KeyNotHeldError
from delivery import building, claims
from delivery.document import RegisterVolume, Sealed
from tests.conftest import ROOT, House, Secrets
from tests.factories import Factory, counted, press, sign, signed, token, write_logs
from tests.pickets.factories import picket
from tests.pickets.test_attending import confirmed
from tests.pickets.test_care import READ
from tests.worker.test_updates import publish, signer
from worker import tasks
from worker.drain import BATCH


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[TaskName]:
    """Wake-ups that were sent. No sweep has been yet."""
    monkeypatch.setattr(tasks, "_rests_until", 0.0)
    monkeypatch.setattr(tasks, "_waiting", set())
    sent: list[TaskName] = []
    monkeypatch.setattr(tasks, "wake", lambda task, *_ids: sent.append(task))
    return sent


@pytest.fixture
def house(own_database: House, tmp_path: Path) -> Iterator[House]:
    app = own_database.app(Role.WORKER)
    app.extensions["zbor"] = replace(app.extensions["zbor"], bundle_dir=tmp_path / "bundles")
    with app.app_context():
        yield own_database


def bundle(house: House, make: Factory) -> None:
    petition = make.petition()
    counted(house, make.slug(petition))
    account = make.account(petition)
    house.sql(
        "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by)"
        " SELECT gen_random_uuid(), :p, id, 'approved', :a FROM addressees WHERE country_code = 'PL'",
        p=petition,
        a=account,
    )
    make.agreement(house.value("SELECT id FROM bundles ORDER BY requested_at DESC LIMIT 1"), account)
    write_logs(house, 1)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Volumes are drawn and sealed in no time."""
    monkeypatch.setattr(tasks, "draw_register", lambda _volume: b"%PDF")
    monkeypatch.setattr(tasks, "draw_index", lambda _volume: b"%PDF")
    monkeypatch.setattr(tasks, "seal", lambda content, config: Sealed(content, 1, "00" * 32))


def test_drain_empties_the_inbox_and_wakes_the_mailer(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 2)
    monkeypatch.setattr("worker.drain.BATCH", 2)
    slug = make_own.slug(make_own.petition())
    for number in range(5):
        sign(house.client(), slug, email=f"n{number}@example.org")
    tasks.drain.run()
    assert house.value("SELECT count(*) FROM inbox WHERE state = 'new'") == 0
    assert woken == [TaskName.MAIL] * 3
    tasks.drain.run()
    assert woken == [TaskName.MAIL] * 3


def test_mail_waits_when_there_is_no_server(house: House, make_own: Factory, woken: list[TaskName]) -> None:
    signed(house, make_own.slug(make_own.petition()))
    tasks.mail.run()
    assert house.value("SELECT state FROM outbox") == "queued"
    assert woken == []


@pytest.mark.usefixtures("drawn")
def test_bundles_are_built_until_none_waits(house: House, make_own: Factory) -> None:
    bundle(house, make_own)
    tasks.bundles.run()
    assert house.value("SELECT state FROM bundles") == "ready"
    tasks.bundles.run()
    tasks.downloads.run()


def test_what_needs_a_key_that_is_away_is_tried_once_until_the_keys_change(
    house: House,
    make_own: Factory,
    woken: list[TaskName],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = signed(house, make_own.slug(make_own.petition()))
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    keyring, other = house.keyring, uuid4()
    house.sql("UPDATE row_keys SET sealed = overlay(sealed placing :id from 3)", id=other.bytes)
    for _ in range(3):
        tasks.drain.run()
    assert caplog.text.count("need the sealing key of a row") == 1
    [key_id] = keyring.private_keys
    house.sql("UPDATE row_keys SET sealed = overlay(sealed placing :id from 3)", id=key_id.bytes)
    tasks.drain.run()
    assert house.value("SELECT state FROM inbox WHERE kind = 'confirm'") == "new"
    both = replace(keyring, private_keys={**keyring.private_keys, other: keyring.private_keys[key_id]})
    monkeypatch.setattr(tasks, "load_keyring", lambda _config: both)
    tasks.drain.run()
    assert house.value("SELECT state FROM inbox WHERE kind = 'confirm'") == "done"


def attempts(house: House) -> list[int]:
    """How often each volume was begun: the index, then the register."""
    return list(house.sql("SELECT attempts FROM volumes ORDER BY bundle_id, number").scalars())


def test_bundles_that_fail_slowly_are_not_tried_again_at_once(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(house, make_own)

    def fail(_volume: RegisterVolume) -> bytes:
        raise OSError

    monkeypatch.setattr(tasks, "draw_register", fail)
    monkeypatch.setattr(tasks, "BUNDLE_SECONDS", 0.0)
    tasks.bundles.run()
    assert house.value("SELECT state FROM bundles") == "building"
    assert attempts(house) == [0, 1]
    assert woken == []


@pytest.mark.usefixtures("drawn")
def test_bundles_take_turns_with_mails(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(house, make_own)
    house.sql(
        "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by) SELECT gen_random_uuid(), petition_id, addressee_id, state, requested_by FROM bundles"
    )
    for bundle_id, account in house.sql("SELECT id, requested_by FROM bundles ORDER BY requested_at DESC LIMIT 1"):
        make_own.agreement(bundle_id, account)
    monkeypatch.setattr(tasks, "BUNDLE_SECONDS", 0.0)
    for done in (1, 2, 3, 4):
        tasks.bundles.run()
        assert house.value("SELECT count(*) FROM volumes WHERE done_at IS NOT NULL") == done
        assert woken == [TaskName.BUNDLES] * done
    assert house.value("SELECT count(*) FROM bundles WHERE state = 'ready'") == 2


def test_a_failing_bundle_goes_back_and_its_error_is_not_quoted(
    house: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle(house, make_own)

    def fail(_volume: RegisterVolume) -> bytes:
        raise ValueError("Вольга Вераб’ёва")

    monkeypatch.setattr(tasks, "draw_register", fail)
    tasks.bundles.run()
    assert house.value("SELECT state FROM bundles") == "building"
    assert house.sql("SELECT attempts, leased_until FROM volumes WHERE number = 1").one() == (1, None)
    assert "ValueError at" in caplog.text
    assert "Вольга" not in caplog.text


@pytest.mark.usefixtures("drawn")
def test_a_bundle_whose_key_is_away_waits_for_it(
    house: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(house, make_own)
    keyring = house.keyring
    monkeypatch.setattr(tasks, "load_keyring", lambda _config: replace(keyring, private_keys={}))
    for _ in range(claims.MAX_ATTEMPTS + 1):
        tasks.bundles.run()
    assert house.value("SELECT state FROM bundles") == "building"
    assert attempts(house) == [0, 0]
    monkeypatch.setattr(tasks, "load_keyring", lambda _config: keyring)
    tasks.bundles.run()
    assert house.value("SELECT state FROM bundles") == "ready"


def test_a_bundle_taken_over_is_left_to_the_other(
    house: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle(house, make_own)

    def lose(*_args: object) -> None:
        house.sql("UPDATE volumes SET fence = fence + 1, leased_until = now() + interval '1 minute'")
        raise claims.LeaseLostError

    monkeypatch.setattr(building, "build", lose)
    tasks.bundles.run()
    assert house.value("SELECT state FROM bundles") == "building"
    assert "taken over" in caplog.text


def test_the_sweep_wakes_everybody(house: House, woken: list[TaskName]) -> None:
    tasks.sweep.run()
    assert woken == [
        TaskName.DRAIN, TaskName.QUARANTINE, TaskName.MAIL, TaskName.BUNDLES, TaskName.DOWNLOADS, TaskName.PETITIONS,
        TaskName.PICKETS,
    ]  # fmt: skip


def test_sweeps_that_come_together_are_one(
    house: House, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They pile up while no worker is there, and do not expire."""
    tasks.sweep.run()
    tasks.sweep.run()
    assert len(woken) == 7
    monkeypatch.setattr(tasks, "_rests_until", time.monotonic())
    tasks.sweep.run()
    assert len(woken) == 14


def test_the_sweep_raises_the_alarm_when_a_key_is_away(
    house: House,
    make_own: Factory,
    woken: list[TaskName],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign(house.client(), make_own.slug(make_own.petition()))
    monkeypatch.setattr(tasks, "load_keyring", lambda _config: replace(house.keyring, private_keys={}))
    tasks.sweep.run()
    assert "1 events wait for the sealing key" in caplog.text


@pytest.fixture
def in_celery(house: House, secrets: Secrets, tmp_path: Path) -> Callable[[str], str]:
    """Runs a line of code in a process that has the worker's Celery application as `app`, and returns what it prints."""

    def run(code: str) -> str:
        environment = {
            "PATH": os.environ["PATH"], "DATABASE_URL": house.app(Role.WORKER).extensions["zbor"].database_url,
            "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "ZBOR_PUBLIC_URL": "http://localhost",
            "ZBOR_MAIL_FROM": "a@example.org", "ZBOR_BUNDLE_DIR": str(tmp_path),
            "ZBOR_ROOT_PUBLIC_KEY": base64.b64encode(secrets.root_public_key).decode(),
            "ZBOR_SECRETS_DIR": str(secrets.folder / "worker"),
        }  # fmt: skip
        command = [sys.executable, "-c", f"from worker.celery import app; {code}"]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    return run


def test_no_wake_up_expires(in_celery: Callable[[str], str]) -> None:
    """A worker whose clock is ahead would drop it."""
    printed = in_celery("print({name: entry.get('options') for name, entry in app.conf.beat_schedule.items()})")
    assert "expires" not in printed


def test_a_worker_soon_notices_that_the_broker_is_back(in_celery: Callable[[str], str]) -> None:
    looks = "app.connection_for_read().ensure_connection(lambda error, pause: print(pause), 4)"
    assert in_celery(f"from contextlib import suppress\nwith suppress(Exception): {looks}") == "2.0\n" * 4


def test_the_purge_erases_what_is_over(house: House, make_own: Factory) -> None:
    slug = make_own.slug(make_own.petition())
    counted(house, slug, email="kept@example.org")
    signed(house, slug, email="kept@example.org")
    signed(house, slug)
    house.sql("UPDATE signatures SET received_at = received_at - interval '15 days'")
    house.sql(
        "INSERT INTO inbox (id, kind, key_id, sealed, state, received_at)"
        " SELECT gen_random_uuid(), 'join', gen_random_uuid(), 'x', 'failed', now() - interval '8 days'"
    )
    tasks.purge.run()
    assert house.value("SELECT sealed FROM inbox WHERE kind = 'join'") is None
    rows = house.sql("SELECT state, mailbox_hmac IS NULL AS erased FROM signatures ORDER BY state").all()
    assert [tuple(row) for row in rows] == [("counted", False), ("duplicate", True), ("expired", True)]
    assert house.value("SELECT count(*) FROM row_keys") == 1


def test_a_drain_gives_others_their_turn(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "DRAIN_SECONDS", 0.0)
    tasks.drain.run()
    assert woken == [TaskName.DRAIN]


@pytest.mark.parametrize("cause", [DeadlockDetected, LockNotAvailable])
def test_a_drain_that_stood_in_anothers_way_goes_again(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch, cause: type[Exception]
) -> None:
    sign(house.client(), make_own.slug(make_own.petition()))
    real, failures = tasks.drain_batch, [cause(), cause()]
    sizes: list[object] = []

    def in_the_way(*passed: object) -> object:
        sizes.append(passed[2])
        if failures:
            raise OperationalError("x", {}, failures.pop())
        return real(*passed)  # type: ignore[arg-type]  # As they were passed.

    monkeypatch.setattr(tasks, "drain_batch", in_the_way)
    tasks.drain.run()
    assert house.value("SELECT state FROM inbox") == "done"
    assert sizes[:3] == [BATCH, BATCH // 10, BATCH // 100], "with fewer each time, until it stands in nobody's way"
    monkeypatch.setattr(
        tasks, "drain_batch", lambda *_passed: (_ for _ in ()).throw(OperationalError("x", {}, Exception("gone")))
    )
    with pytest.raises(OperationalError):
        tasks.drain.run()


def test_what_petitions_wait_for_is_done_and_a_key_that_is_away_holds_up_the_mails_alone(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    petition_id = make_own.petition()
    house.sql(
        "INSERT INTO tallies SELECT id, fallback_addressee_id, 'counted', 101 FROM petitions WHERE id = :p",
        p=petition_id,
    )
    signer(house, petition_id, "asked@example.org")
    publish(house, petition_id)
    house.sql("UPDATE petitions SET closes_at = now()")
    keyring = house.keyring
    with monkeypatch.context() as away:
        away.setattr(tasks, "load_keyring", lambda _config: replace(keyring, private_keys={}))
        with pytest.raises(KeyNotHeldError):
            tasks.petitions_care.run()
    assert house.sql("SELECT state FROM petitions").scalars().all() == ["closed"]
    assert house.value("SELECT max(total) FROM milestones") == 100
    assert bytes(house.value("SELECT content FROM share_cards")).startswith(b"\x89PNG")
    assert woken == []
    tasks.petitions_care.run()
    assert woken == [TaskName.MAIL]
    assert house.value("SELECT queued FROM mailings") == 1


def test_what_pickets_wait_for_is_told_before_anything_is_drawn_and_a_key_that_is_away_holds_up_no_paper(
    house: House, make_own: Factory, woken: list[TaskName], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    here = picket(house, make_own, starts_at=now + timedelta(hours=20))
    confirmed(house, house.client(), here)
    due = picket(
        house, make_own, state="notified", announce_at=now, notice=READ | {"filed_at": now - timedelta(days=1)}
    )
    order = []

    def draw(_kind: object, _facts: object) -> bytes:
        queued = house.value("SELECT count(*) FROM outbox WHERE template = 'picket_reminder'")
        order.append((house.value("SELECT state FROM pickets WHERE id = :p", p=due), queued))
        return b"%PDF"

    monkeypatch.setattr(tasks, "draw_paper", draw)
    for kind in ("notice", "sheet"):
        house.sql("INSERT INTO papers (picket_id, kind) VALUES (:p, :k)", p=here, k=kind)
    keyring = house.keyring
    with monkeypatch.context() as away:
        away.setattr(tasks, "load_keyring", lambda _config: replace(keyring, private_keys={}))
        with pytest.raises(KeyNotHeldError):
            tasks.pickets_care.run()
    assert (order, woken) == ([("announced", 0)], [TaskName.PICKETS])
    tasks.pickets_care.run()
    assert order[1:] == [("announced", 1)]
    assert woken[1:] == [TaskName.MAIL, TaskName.PICKETS]
    tasks.pickets_care.run()
    assert len(woken) == 3
