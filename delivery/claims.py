"""Whose turn a bundle is: agreed to, claimed, given back, recalled. Runs in the worker.

Leases run on the database's clock, and a fence keeps a builder whose lease ran out from writing over another's work.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, delete, func, or_, select, update

from accounts.models import Approval, ApprovalState
from core.answers import Answer
from core.extensions import db
from core.records import destroy_row_key
from delivery.models import APPROVAL_KIND, Bundle, BundleState, Download

LEASE = timedelta(minutes=15)
MAX_ATTEMPTS = 5
_CLAIMS = 1, 1
"""The advisory lock of `_keep_claims_apart`."""


class LeaseLostError(Exception):
    """Another worker has taken this bundle over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A bundle that is ours to build while the fence stands."""

    bundle_id: UUID
    fence: int


def _agreed() -> ColumnElement[bool]:
    """Whether two people agreed to a bundle."""
    theirs = Approval.kind == APPROVAL_KIND, Approval.object_id == cast(Bundle.id, String)
    return select(Approval.id).where(*theirs, Approval.state == ApprovalState.APPROVED).exists()


def settle_requests() -> None:
    """Take over what second people have decided about bundles. Only we move a bundle on; the console cannot. Commits.

    One that calls itself approved and was not agreed to by two is refused, so that it can be asked for.
    """
    waiting = select(Approval.id).where(
        Approval.kind == APPROVAL_KIND,
        Approval.object_id == cast(Bundle.id, String),
        Approval.state == ApprovalState.PENDING,
        Approval.expires_at > func.now(),
    )
    asked, said = Bundle.state == BundleState.REQUESTED, Bundle.state == BundleState.APPROVED
    moves = [
        update(Bundle).where(asked, _agreed()).values(state=BundleState.APPROVED),
        update(Bundle).where(asked, ~_agreed(), ~waiting.exists()).values(state=BundleState.REFUSED),
        update(Bundle).where(said, ~_agreed()).values(state=BundleState.REFUSED),
    ]
    for move in moves:
        db.session.execute(move, execution_options={"synchronize_session": False})
    db.session.commit()


def claim_bundle(but: Collection[UUID] = ()) -> Claim | None:
    """Take the oldest bundle that is approved, or whose builder went silent. Leases run on the database's clock. Commits.

    `but` are bundles that are not to be taken.
    """
    free = or_(
        Bundle.state == BundleState.APPROVED,
        (Bundle.state == BundleState.BUILDING) & (Bundle.leased_until < func.now()),
    )
    settle_requests()
    _keep_claims_apart()
    bundle = db.session.scalar(
        select(Bundle)
        .where(free, Bundle.id.not_in(list(but)), _agreed())
        .order_by(Bundle.requested_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if bundle is None:
        db.session.rollback()
        return None
    bundle.fence += 1
    bundle.attempts += 1
    if bundle.attempts > MAX_ATTEMPTS:
        bundle.state, bundle.leased_until, bundle.step = BundleState.FAILED, None, None
        db.session.commit()
        return claim_bundle(but)
    bundle.state, bundle.leased_until, bundle.step = BundleState.BUILDING, func.now() + LEASE, "collecting"
    claim = Claim(bundle.id, bundle.fence)
    db.session.commit()
    return claim


def release(claim: Claim, *, blameless: bool = False) -> None:
    """Give a bundle back after a fault, so that the next attempt need not wait for the lease. Commits.

    A `blameless` attempt (no valid key, say) is not counted.
    """
    db.session.rollback()
    db.session.execute(
        update(Bundle)
        .where(Bundle.id == claim.bundle_id, Bundle.fence == claim.fence, Bundle.state == BundleState.BUILDING)
        .values(state=BundleState.APPROVED, leased_until=None, step=None, attempts=Bundle.attempts - int(blameless))
    )
    db.session.commit()


def recall_bundles(petition_id: int, addressee_id: int, counted_at: datetime) -> None:
    """A signature counted at this moment was withdrawn: bundles that may hold it lose their key and are built anew.

    Belongs into the transaction that erases the signature. What was taken away before is out of reach.
    """
    _keep_claims_apart()
    bundles = db.session.scalars(
        select(Bundle)
        .where(
            Bundle.petition_id == petition_id,
            Bundle.addressee_id == addressee_id,
            Bundle.state.in_((BundleState.APPROVED, BundleState.BUILDING, BundleState.READY)),
            Bundle.cutoff_at >= counted_at,
        )
        .order_by(Bundle.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for bundle in bundles:
        row_key_id = bundle.row_key_id
        bundle.state, bundle.step, bundle.leased_until, bundle.attempts = BundleState.APPROVED, None, None, 0
        bundle.row_key_id = bundle.file_hash = bundle.ready_at = None
        bundle.signatures = bundle.pages = bundle.register_hash = None
        db.session.flush()
        if row_key_id is not None:
            destroy_row_key(row_key_id)
        # What was sealed to a browser, and not fetched yet, holds the signature, too.
        downloads = select(Download.id).where(Download.bundle_id == bundle.id)
        db.session.execute(delete(Answer).where(Answer.event_id.in_(downloads)))


def _keep_claims_apart() -> None:
    """Until the commit nobody else claims a bundle or recalls some.

    Whoever claimed one while a signature is being erased would not see that yet, and build with it. One who is building
    already finds that the lease is lost.
    """
    db.session.execute(select(func.pg_advisory_xact_lock(*_CLAIMS)))


def write(claim: Claim, **values: object) -> None:
    """Change a bundle that is still ours. Does not commit. Raises LeaseLostError when it is not."""
    done = db.session.execute(
        update(Bundle)
        .where(Bundle.id == claim.bundle_id, Bundle.fence == claim.fence, Bundle.state == BundleState.BUILDING)
        .values(**values)
    )
    if not done.rowcount:  # type: ignore[attr-defined]  # An UPDATE's result has a row count.
        db.session.rollback()
        raise LeaseLostError


def show_step(claim: Claim, step: str) -> None:
    """Show how far the build is, and renew the lease. Commits. Raises LeaseLostError."""
    write(claim, step=step, leased_until=func.now() + LEASE)
    db.session.commit()
