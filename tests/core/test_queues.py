"""Wake-ups may fail in silence, and quickly."""

from __future__ import annotations

import socket
import time

import pytest
from celery import Task

from core.config import Role
from core.demo.embedded import free_port
from core.queues import TaskName, wake
from tests.conftest import House
from tests.factories import Factory, hidden, sign


def test_signing_works_and_stays_quick_without_redis(
    house: House, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    slug = make.slug(make.petition())
    client = house.client(Role.PUBLIC, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    assert sign(client, slug).status_code == 303
    assert time.monotonic() - started < 3
    assert "wake-up drain not sent" in caplog.text
    assert house.value("SELECT count(*) FROM inbox") == 1


def test_without_a_broker_nothing_is_sent(house: House) -> None:
    with house.inside(Role.WORKER):
        wake(TaskName.DRAIN)


def test_every_task_name_has_exactly_one_task(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    import worker.tasks as tasks

    names = [task.name for task in vars(tasks).values() if isinstance(task, Task)]
    assert sorted(names) == sorted(TaskName)


def test_a_frozen_broker_slows_one_form_and_not_the_next(house: House, make: Factory) -> None:
    """A listening socket that never answers, as Redis is when its process is stopped."""
    slug = make.slug(make.petition())
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        frozen.listen()
        client = house.client(Role.PUBLIC, redis_url=f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")
        started = time.monotonic()
        assert sign(client, slug).status_code == 303
        assert time.monotonic() - started < 3
        started = time.monotonic()
        assert sign(client, slug, email="b@example.org").status_code == 303
        assert time.monotonic() - started < 0.5
    assert house.value("SELECT count(*) FROM inbox") == 2


def test_logging_in_works_while_the_limiters_store_is_frozen(house: House, make: Factory) -> None:
    make.account(email="anna@example.org")
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        frozen.listen()
        client = house.client(Role.CONSOLE, redis_url=f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")
        csrf = hidden(client.get("/login").text, "csrf_token")
        started = time.monotonic()
        answer = client.post(
            "/login", data={"email": "anna@example.org", "passphrase": "correct horse battery", "csrf_token": csrf}
        )
        assert answer.status_code == 303
        assert time.monotonic() - started < 10
