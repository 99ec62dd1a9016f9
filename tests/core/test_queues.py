"""Wake-ups may fail in silence, and quickly."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Timer

import pytest
import redis
from celery import Task

from core.config import Role
from core.demo.embedded import free_port
from core.queues import PENDING_SECONDS, TaskName, arrived, wake, wake_soon
from tests.conftest import House, url_of
from tests.factories import PASSPHRASE, Factory, app_code, hidden, sign


def test_signing_works_and_stays_quick_without_redis(
    house: House, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    slug = make.slug(make.petition())
    client = house.client(Role.PUBLIC, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    assert sign(client, slug).status_code == 303
    assert time.monotonic() - started < 3
    assert caplog.text.count("(ConnectionError)") == 1, "of all that a form needs it for, only the first tries"
    assert house.value("SELECT count(*) FROM inbox") == 1


def test_a_wake_up_on_its_way_stands_for_those_after_it(house: House, valkey: redis.Redis) -> None:
    app = house.app(Role.PUBLIC, redis_url=url_of(valkey))
    with app.app_context():
        for _ in range(3):
            wake(TaskName.DRAIN)
        assert valkey.llen("light") == 1
        wake(TaskName.MAIL)
        assert valkey.llen("heavy") == 1, "each task has its own"
        arrived(TaskName.DRAIN)
        wake(TaskName.DRAIN)
        assert valkey.llen("light") == 2, "what comes after it arrived may be news to whoever took it"
        valkey.flushall()
        wake(TaskName.DRAIN)
        assert valkey.llen("light") == 1, "a queue that was emptied has forgotten what was on its way"
        key = next(iter(valkey.scan_iter("zbor:*drain")))
        assert 0 < valkey.pttl(key) <= PENDING_SECONDS * 1000, "a lost message is not waited for"
        app.extensions["zbor_wake_ups"].close()
        app.extensions["zbor_celery"].close()


def test_what_cannot_be_marked_as_arrived_is_no_error(house: House, caplog: pytest.LogCaptureFixture) -> None:
    app = house.app(Role.PUBLIC, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with app.app_context():
        arrived(TaskName.DRAIN)
    assert "not marked as arrived" in caplog.text


def test_wake_ups_of_a_moment_are_one_and_nobody_of_them_is_forgotten(
    house: House, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = house.app(Role.PUBLIC, redis_url=url_of(valkey))
    timers: list[tuple[Callable[..., None], tuple[object, ...]]] = []

    class LaterTimer(Timer):
        def start(self) -> None:
            timers.append((self.function, tuple(self.args)))

    monkeypatch.setattr("core.queues.Timer", LaterTimer)
    with app.app_context():
        wake_soon(TaskName.DRAIN)
        assert valkey.llen("light") == 1, "the first goes at once"
        arrived(TaskName.DRAIN)
        wake_soon(TaskName.DRAIN)
        wake_soon(TaskName.DRAIN)
        assert valkey.llen("light") == 1
        ((over, arguments),) = timers
        over(*arguments)
        assert valkey.llen("light") == 2, "those who came after it share one"
        arrived(TaskName.DRAIN)
        wake_soon(TaskName.DRAIN)
        assert valkey.llen("light") == 3, "and the next goes at once again"
        (over, arguments) = timers[1]
        over(*arguments)
        assert valkey.llen("light") == 3, "for nobody there is nothing to send"
        app.extensions["zbor_wake_ups"].close()
        app.extensions["zbor_celery"].close()


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
        data = {"email": "anna@example.org", "passphrase": PASSPHRASE, "code": app_code(), "csrf_token": csrf}
        answer = client.post("/login", data=data)
        assert answer.status_code == 303
        assert time.monotonic() - started < 10
