"""Keys of the day: shared by all processes, gone after it, and never waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
import redis
from flask import Flask

from core import daykeys
from core.config import Role
from core.daykeys import day_key, today
from core.demo.embedded import free_port
from core.queues import TaskName, wake
from tests.conftest import House, url_of


@pytest.fixture
def app(house: House, valkey: redis.Redis) -> Iterator[Flask]:
    app = house.app(Role.PUBLIC, redis_url=url_of(valkey))
    with app.app_context():
        yield app
    app.extensions["zbor_wake_ups"].close()


def forget(app: Flask) -> None:
    """As if it were another process."""
    app.extensions.pop("zbor_day_keys", None)


def test_every_process_has_the_same_key_and_each_purpose_another(app: Flask) -> None:
    key = day_key("form")
    assert key is not None
    assert len(key) == 32
    forget(app)
    assert day_key("form") == key
    assert day_key("proof") != key


def test_a_key_lives_for_a_day_and_an_hour(app: Flask, valkey: redis.Redis) -> None:
    assert day_key("network") is not None
    assert 0 < 25 * 3600 * 1000 - valkey.pttl(f"zbor:day-key:network:{today()}") < 10_000


def test_a_process_remembers_a_key_for_a_minute_and_no_longer_than_it_lives(
    app: Flask, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(daykeys.time, "monotonic", lambda: now)
    first = day_key("form")
    valkey.flushall()
    now += 59
    assert day_key("form") == first
    now += 2
    second = day_key("form")
    assert second != first
    valkey.pexpire(f"zbor:day-key:form:{today()}", 5_000)
    forget(app)
    assert day_key("form") == second
    valkey.flushall()
    now += 6
    assert day_key("form") != second


def test_of_yesterday_a_key_is_known_while_it_lives_and_then_by_nobody(
    app: Flask, monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis
) -> None:
    key = day_key("form")
    tomorrow = today() + timedelta(days=1)
    monkeypatch.setattr(daykeys, "today", lambda: tomorrow)
    assert day_key("form") != key
    assert day_key("form", tomorrow - timedelta(days=1)) == key
    valkey.flushall()
    forget(app)
    gone = day_key("form", tomorrow - timedelta(days=1))
    assert gone is not None
    assert gone != key
    forget(app)
    assert day_key("form", tomorrow - timedelta(days=1)) != gone
    assert valkey.keys("*") == [], "no key is made for a day that is over"
    assert day_key("form", date(2020, 1, 1)) != day_key("form", date(2020, 1, 2))


def test_without_redis_there_is_no_key_and_nobody_waits_for_it(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with house.app(Role.PUBLIC, redis_url=f"redis://127.0.0.1:{free_port()}/0").app_context():
        started = time.monotonic()
        assert [day_key("form") for _ in range(100)] == [None] * 100
        wake(TaskName.DRAIN)
        assert time.monotonic() - started < 1
    assert caplog.text.count("not read") == 1
    assert "not sent" not in caplog.text, "it is not tried for the wake-up either"
    with house.app(Role.CONSOLE).app_context():
        assert day_key("form") is None


def test_what_is_remembered_does_not_pile_up(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(daykeys.time, "monotonic", lambda: now)
    for number in range(20):
        day_key(f"purpose {number}")
        now += 120
    assert len(app.extensions["zbor_day_keys"]) == 1
