"""The only door to the queue. A message is a task's name; losing it loses nothing."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from threading import Lock, Timer

from celery import Celery
from flask import Flask, current_app
from kombu.exceptions import OperationalError
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)
_lock = Lock()


class TaskName(StrEnum):
    """Every task there is. The names are stable; the code behind them is the worker's."""

    DRAIN = "drain"
    QUARANTINE = "quarantine"
    MAIL = "mail"
    BUNDLES = "bundles"
    DOWNLOADS = "downloads"
    PETITIONS = "petitions"
    PICKETS = "pickets"
    SWEEP = "sweep"
    PURGE = "purge"
    PULSE = "pulse"
    MEASURE = "measure"
    CHECK = "check"


QUEUES = ("light", "quick", "heavy")
"""Every queue; each has workers that take from it."""

SILENCE_SECONDS = 5.0
"""After a wake-up that could not be sent, how long no other is tried: a frozen broker must not slow every form."""

GATHER_SECONDS = 0.05
"""How long wake-ups of one process are gathered (`wake_soon`)."""

PENDING_SECONDS = 5
"""How long a wake-up that was sent stands for those after it, unless it arrives sooner."""


def make_celery(redis_url: str, socket_timeout: float) -> Celery:
    """A Celery application that speaks JSON and keeps no results. `socket_timeout` is in seconds."""
    celery = Celery("zbor", broker=redis_url)
    celery.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue="light",
        # What takes long has workers of its own, so that a signature never waits behind a thousand mails or a PDF; and
        # what somebody is waiting for does not stand in line behind the wake-ups of a thousand signatures.
        task_routes={
            TaskName.DRAIN: {"queue": "light"},
            TaskName.QUARANTINE: {"queue": "light"},
            TaskName.DOWNLOADS: {"queue": "quick"},
            TaskName.SWEEP: {"queue": "quick"},
            TaskName.MAIL: {"queue": "heavy"},
            TaskName.PETITIONS: {"queue": "heavy"},
            TaskName.PICKETS: {"queue": "heavy"},
            TaskName.BUNDLES: {"queue": "heavy"},
            TaskName.PURGE: {"queue": "heavy"},
            TaskName.MEASURE: {"queue": "quick"},
            TaskName.CHECK: {"queue": "heavy"},
        },
        broker_transport_options={
            "visibility_timeout": 600,
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": 0.2,
            "retry_on_timeout": False,
            "max_retries": 0,
        },
        broker_connection_timeout=0.2,
    )
    return celery


def init_queues(app: Flask, redis_url: str) -> None:
    """Bind the producer to an application. It gives up on a dead or frozen broker within 0.2 s."""
    app.extensions["zbor_celery"] = make_celery(redis_url, socket_timeout=0.2)
    app.extensions["zbor_wake_ups"] = Redis.from_url(
        redis_url, socket_timeout=0.2, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0)
    )


def wake(task: TaskName) -> None:
    """Ask the worker to look now instead of at the next sweep. Call it after the commit.

    It may fail in silence: the row is stored, and the sweep finds it within 30 seconds. While one is on its way no other
    is sent: whoever takes it looks after `arrived`, and so finds what was committed before this call.
    """
    celery: Celery | None = current_app.extensions.get("zbor_celery")
    if celery is None or time.monotonic() < current_app.extensions.get("zbor_silent_until", 0.0):
        return
    wake_ups: Redis = current_app.extensions["zbor_wake_ups"]
    try:
        if wake_ups.set(_on_its_way(task), 1, nx=True, ex=PENDING_SECONDS):
            celery.send_task(task, retry=False, ignore_result=True)
    except (OperationalError, RedisError, OSError) as error:
        current_app.extensions["zbor_silent_until"] = time.monotonic() + SILENCE_SECONDS
        log.warning("wake-up %s not sent (%s); the sweep will find the work", task, type(error).__name__)


def wake_soon(task: TaskName) -> None:
    """As `wake`, for what comes often: the first is sent at once, and those of the next moment share one at its end.

    A process that ends within that moment sends none; then the sweep finds the work, as always.
    """
    if "zbor_celery" not in current_app.extensions:
        return
    gathering: dict[TaskName, bool] = current_app.extensions.setdefault("zbor_gathering", {})
    with _lock:
        if task in gathering:
            gathering[task] = True
            return
        gathering[task] = False
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # The documented way to hand it to a thread.
    wake(task)
    timer = Timer(GATHER_SECONDS, _wake_for_others, (app, task))
    timer.daemon = True
    timer.start()


def _wake_for_others(app: Flask, task: TaskName) -> None:
    gathering: dict[TaskName, bool] = app.extensions["zbor_gathering"]
    with _lock:
        # Whoever comes from now on sends one again: it must be sent after what they stored.
        others = gathering.pop(task)
    if others:
        with app.app_context():
            wake(task)


def arrived(task: str) -> None:
    """A wake-up was taken: from now on the next one is sent. Call it before looking into the database."""
    try:
        current_app.extensions["zbor_wake_ups"].delete(_on_its_way(task))
    except RedisError as error:
        # Then the next one is sent a few seconds later, when this one's time is over.
        log.warning("wake-up %s not marked as arrived (%s)", task, type(error).__name__)


def _on_its_way(task: str) -> str:
    return f"zbor:on-its-way:{task}"
