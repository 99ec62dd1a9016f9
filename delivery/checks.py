"""Invariants of bundles, for `flask fsck`."""

from __future__ import annotations

import hashlib

from sqlalchemy import select

from core.config import current_config
from core.extensions import db
from core.fsck import invariant
from delivery.models import Bundle, BundleState


@invariant("I6", "Every ready bundle lies on disk with its SHA-256")
def _files() -> int:
    config = current_config()
    broken = 0
    for bundle_id, fence, file_hash in db.session.execute(
        select(Bundle.id, Bundle.fence, Bundle.file_hash).where(Bundle.state == BundleState.READY)
    ):
        path = (config.bundle_dir / f"{bundle_id}.{fence}.sealed") if config.bundle_dir else None
        if path is None or not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file_hash:
            broken += 1
    return broken
