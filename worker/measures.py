"""What the worker measures about the platform for the console's health panel: numbers and ages, nothing of people."""

from __future__ import annotations

import shutil
from typing import Any

from sqlalchemy import text

from core.config import Config
from core.extensions import db

_BACKLOGS = {
    "inbox": "SELECT count(*), extract(epoch FROM now() - min(received_at)) FROM inbox WHERE state = 'new'",
    "outbox": "SELECT count(*), extract(epoch FROM now() - min(due_at)) FROM outbox WHERE state = 'queued' AND due_at <= now()",
    "bundles": "SELECT count(*), NULL FROM bundles WHERE state IN ('approved', 'building')",
}


def measures(config: Config) -> dict[str, Any]:
    """Backlogs with the seconds that the oldest has waited (a bundle waits for people first, so its age says nothing), events given up, and the share of the bundles' disk in use."""
    found: dict[str, Any] = {}
    for name, query in _BACKLOGS.items():
        waiting, oldest = db.session.execute(text(query)).one()
        found[name] = {"waiting": waiting, "oldest": float(oldest or 0)}
    failed = "SELECT count(*) FROM inbox WHERE state = 'failed' AND sealed IS NOT NULL"
    found["failed"] = db.session.scalar(text(failed))
    if config.bundle_dir is not None and config.bundle_dir.exists():
        usage = shutil.disk_usage(config.bundle_dir)
        found["disk"] = round(usage.used / usage.total, 3)
    return found
