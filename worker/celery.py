"""Entry of the worker and of beat: `celery -A worker.celery worker` and `celery -A worker.celery beat`."""

from __future__ import annotations

import gc
import logging
import os
from typing import Any

from celery import Task
from celery.signals import setup_logging, worker_process_init
from flask import Flask
from kombu.connection import Connection

from core.config import Role, read_config
from core.errors import describe
from core.extensions import db
from core.factory import create_base_app
from core.queues import QUEUES, TaskName, arrived, make_celery

log = logging.getLogger(__name__)
flask_app: Flask = create_base_app(read_config(Role.WORKER))


class AppTask(Task):
    """Runs in the application's context, one session for each run. An error never leaves with its text."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with flask_app.app_context():
            try:
                arrived(self.name)
                return super().__call__(*args, **kwargs)
            except Exception as error:
                # The work is still in its rows, where the sweep finds it. Celery would log the error with its text.
                log.error("task %s ended early: %s", self.name, describe(error))
                return None


class BrokerConnection(Connection):
    """Looks every two seconds for a broker that is away. Celery's own pauses grow to half a minute, and so would ours."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
        """As Connection's."""
        return super().ensure_connection(*args, **{"interval_step": 0, "interval_max": 2, **kwargs})


app = make_celery(flask_app.extensions["zbor"].redis_url, socket_timeout=30.0)
app.amqp.Connection = BrokerConnection
app.Task = AppTask
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=500,
    worker_max_memory_per_child=600_000,
    worker_soft_shutdown_timeout=30,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_hijack_root_logger=False,
    imports=("worker.tasks",),
    # Neither expires: a worker whose clock is ahead would drop every one of them.
    beat_schedule={
        "sweep": {"task": TaskName.SWEEP, "schedule": float(os.environ.get("ZBOR_SWEEP_SECONDS", "30"))},
        "purge": {"task": TaskName.PURGE, "schedule": 3600.0},
        "measure": {"task": TaskName.MEASURE, "schedule": 60.0},
        # Into every queue, so that a sign comes from each worker by the way its work comes.
        **{
            f"pulse.{queue}": {"task": TaskName.PULSE, "schedule": 30.0, "options": {"queue": queue}}
            for queue in QUEUES
        },
    },
)


@setup_logging.connect
def _log_plainly(**_options: object) -> None:
    """One line a message, without arguments of tasks. Nothing that logs here is given personal data."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("celery.app.trace", "celery.worker.strategy", "fontTools", "weasyprint"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@worker_process_init.connect
def _drop_inherited_connections(**_options: object) -> None:
    """A forked child must not speak over its parent's database connections."""
    with flask_app.app_context():
        db.engine.dispose(close=False)
    gc.freeze()  # What is loaded by now lives as long as the process, and need not be looked at again.
