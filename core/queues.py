"""The only door to the queue. A message is a task's name and at most an id; losing it loses nothing."""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import Any

from celery import Celery
from flask import Flask, current_app
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


class TaskName(StrEnum):
    """Every task there is. The names are stable; the code behind them is the worker's."""

    DRAIN = "drain"
    MAIL = "mail"
    BUNDLES = "bundles"
    DOWNLOADS = "downloads"
    SWEEP = "sweep"
    PURGE = "purge"


SILENCE_SECONDS = 5.0
"""After a wake-up that could not be sent, how long no other is tried: a frozen broker must not slow every form."""


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
            TaskName.DOWNLOADS: {"queue": "quick"},
            TaskName.SWEEP: {"queue": "quick"},
            TaskName.MAIL: {"queue": "heavy"},
            TaskName.BUNDLES: {"queue": "heavy"},
            TaskName.PURGE: {"queue": "heavy"},
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


def wake(task: TaskName, *ids: str | int) -> None:
    """Ask the worker to look now instead of at the next sweep. Call it after the commit.

    It may fail in silence: the row is stored, and the sweep finds it within 30 seconds.
    """
    celery: Celery | None = current_app.extensions.get("zbor_celery")
    if celery is None or time.monotonic() < current_app.extensions.get("zbor_silent_until", 0.0):
        return
    options: dict[str, Any] = {"args": ids, "retry": False, "ignore_result": True}
    try:
        celery.send_task(task, **options)
    except (OperationalError, OSError) as error:
        current_app.extensions["zbor_silent_until"] = time.monotonic() + SILENCE_SECONDS
        log.warning("wake-up %s not sent (%s); the sweep will find the work", task, type(error).__name__)
