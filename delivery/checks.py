"""Invariants of bundles, for `flask fsck`."""

from __future__ import annotations

import hashlib

from sqlalchemy import func, select

from core.config import current_config
from core.extensions import db
from core.fsck import invariant
from delivery.models import Bundle, BundleLine, BundleState, Volume
from delivery.store import volume_path
from petitions.models import Signature, SignatureState


@invariant("I6", "Every volume that is done lies on disk with its SHA-256")
def _files() -> int:
    config = current_config()
    broken = 0
    done = (
        select(Volume.bundle_id, Volume.number, Volume.fence, Volume.stored_hash)
        .join(Bundle, Bundle.id == Volume.bundle_id)
        .where(Bundle.state.in_((BundleState.BUILDING, BundleState.READY)), Volume.done_at.is_not(None))
    )
    for bundle_id, number, fence, stored_hash in db.session.execute(done):
        path = volume_path(config, bundle_id, number, fence) if config.bundle_dir else None
        if path is None or not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != stored_hash:
            broken += 1
    return broken


@invariant("I27", "Every line of a bundle that is built or ready is a counted signature, and all its lines are there")
def _lines() -> int:
    alive = Bundle.state.in_((BundleState.BUILDING, BundleState.READY)), Bundle.handed_over_on.is_(None)
    lines = (
        select(func.count())
        .select_from(BundleLine)
        .join(Signature, Signature.id == BundleLine.signature_id)
        .where(BundleLine.bundle_id == Bundle.id, Signature.state == SignatureState.COUNTED)
        .scalar_subquery()
    )
    return db.session.scalars(select(func.count()).select_from(Bundle).where(*alive, lines != Bundle.signatures)).one()
