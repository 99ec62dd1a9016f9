"""A mailer that is swiftly back after a kill: `python -m tests.faults.mailer` runs the worker's mail task in one child after another.

Starting a Celery worker takes seconds, and one whose child was killed takes five to notice. The children do what its do.
"""

from __future__ import annotations

import os
import time

import worker.celery  # noqa: F401  # Makes the application that the task runs in.
from worker.tasks import mail


def main() -> None:
    """Go on until killed."""
    while True:
        child = os.fork()
        if child == 0:
            mail()
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
