"""Waiting for what a page, a worker or a mail brings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 60.0


def until(what: str, look: Callable[[], Any]) -> Any:
    """Whatever `look` returns once it returns something. A test waits for a condition, never for a time."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {PATIENCE:.0f} seconds")
        time.sleep(0.05)
    return found
