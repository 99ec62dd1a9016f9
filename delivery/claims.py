"""Whose turn a bundle is: agreed to, frozen, claimed volume by volume, given back, recalled. Runs in the worker.

Leases run on the database's clock, and a fence keeps a builder whose lease ran out from writing over another's work.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, String, Update, cast, delete, func, insert, literal, or_, select, update
from sqlalchemy.orm import aliased

from accounts.models import Approval, ApprovalState
from core.answers import Answer
from core.config import current_config
from core.extensions import db
from core.records import destroy_row_key, new_row_key
from delivery.models import (
    APPROVAL_KIND,
    KEPT,
    SAMPLE_SIZE,
    Bundle,
    BundleLine,
    BundleState,
    Correction,
    Download,
    DownloadPart,
    Level,
    Volume,
    Wish,
)
from petitions.models import Signature, SignatureState, TreeHead

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=40)
"""A volume takes a few seconds; whoever needs longer has been killed, or is overtaken and finds that out."""
MAX_ATTEMPTS = 10
_CLAIMS = 1, 1
"""The advisory lock of `_keep_claims_apart`."""
_NO_SYNC = {"synchronize_session": False}


class LeaseLostError(Exception):
    """Another worker has taken this volume over, or the bundle was recalled or cancelled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A volume that is ours to build while the fence stands."""

    bundle_id: UUID
    number: int
    fence: int


def _agreed() -> ColumnElement[bool]:
    """Whether two people agreed to a bundle, or to the one that it replaces."""
    agreed_to = cast(func.coalesce(Bundle.agreed_as, Bundle.id), String)
    theirs = Approval.kind == APPROVAL_KIND, Approval.object_id == agreed_to
    return select(Approval.id).where(*theirs, Approval.state == ApprovalState.APPROVED).exists()


def _waited() -> ColumnElement[bool]:
    """Whether the time that an installation waits after an approval is over, in which a bundle can still be stopped."""
    agreed_to = cast(func.coalesce(Bundle.agreed_as, Bundle.id), String)
    wait = timedelta(hours=current_config().bundle_wait_hours)
    ripe = Approval.state == ApprovalState.APPROVED, Approval.decided_at <= func.now() - wait
    return select(Approval.id).where(Approval.kind == APPROVAL_KIND, Approval.object_id == agreed_to, *ripe).exists()


def settle_requests() -> None:
    """Take over what people have decided about bundles. Only we move a bundle on; the console cannot. Commits.

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
        db.session.execute(move, execution_options=_NO_SYNC)
    db.session.commit()
    if db.session.scalar(select(Bundle.id).where(Bundle.wish.is_not(None)).limit(1)) is not None:
        _grant_wishes()
    db.session.rollback()


def _grant_wishes() -> None:
    """Cancel what is on its way, and go on with what was given up, as people at the console asked. Commits."""
    _keep_claims_apart()
    for bundle in db.session.scalars(
        select(Bundle).where(Bundle.wish.is_not(None)).order_by(Bundle.id).with_for_update()
    ):
        if bundle.wish == Wish.CANCEL and bundle.state in (
            BundleState.APPROVED,
            BundleState.BUILDING,
            BundleState.FAILED,
        ):
            _take_apart(bundle, BundleState.CANCELLED)
        elif bundle.wish == Wish.RESUME and bundle.state == BundleState.FAILED:
            bundle.state = BundleState.BUILDING if bundle.frozen_at else BundleState.APPROVED
            again = update(Volume).where(Volume.bundle_id == bundle.id, Volume.done_at.is_(None))
            db.session.execute(again.values(attempts=0, leased_until=None))
        bundle.wish = None
    db.session.commit()


# --- Freezing ----------------------------------------------------------------------------------------------------------


def freeze_next(but: Collection[UUID] = ()) -> UUID | None:
    """Settle which signatures are in the oldest approved bundle, and into which volumes they go. Commits.

    They are the counted ones of its addressee up to its cut-off that its tree head counts. Returns the bundle, None when none
    can be frozen: nothing is approved, or the log has none of its signatures yet and will have them within a day.
    """
    _keep_claims_apart()
    bundle = db.session.scalar(
        select(Bundle)
        .where(Bundle.state == BundleState.APPROVED, Bundle.id.not_in(list(but)), _agreed(), _waited())
        .order_by(Bundle.requested_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if bundle is None:
        db.session.rollback()
        return None
    # Each statement sees what was committed before it began. Nobody recalls while we hold the lock, so that what the first one
    # takes still counts at the end; and a head that is read after it covers whatever it took.
    lines = _freeze_lines(bundle)
    head = db.session.scalar(
        select(TreeHead).where(TreeHead.petition_id == bundle.petition_id).order_by(TreeHead.size.desc()).limit(1)
    )
    bundle.unlogged = db.session.scalars(
        select(func.count()).select_from(Signature).where(*_belongs_to(bundle), ~Signature.in_log)
    ).one()
    if not lines or head is None:
        # Of one that nobody is left in nothing can be built; what only the log lacks is looked at again.
        db.session.execute(update(Bundle).where(Bundle.id == bundle.id).values(unlogged=bundle.unlogged))
        if not bundle.unlogged:
            bundle.state = BundleState.FAILED
        bundle_id = bundle.id
        db.session.commit()
        return freeze_next({*but, bundle_id})
    bundle.state, bundle.frozen_at, bundle.head_size = BundleState.BUILDING, func.now(), head.size
    bundle.signatures = lines
    bundle.row_key_id, _key = new_row_key()
    printed = min(SAMPLE_SIZE, lines) if bundle.level == Level.COUNTS else lines
    size = current_config().volume_size
    volumes = [{"number": 0, "first": None, "last": None}]
    volumes += [
        {"number": number, "first": first, "last": min(first + size - 1, printed)}
        for number, first in enumerate(range(1, printed + 1, size), start=1)
    ]
    db.session.execute(insert(Volume), [{"bundle_id": bundle.id, **one} for one in volumes])
    db.session.commit()
    return bundle.id


def _belongs_to(bundle: Bundle) -> tuple[ColumnElement[bool], ...]:
    return (
        Signature.petition_id == bundle.petition_id,
        Signature.addressee_id == bundle.addressee_id,
        Signature.state == SignatureState.COUNTED,
        Signature.counted_at <= bundle.cutoff_at,
    )


def _freeze_lines(bundle: Bundle) -> int:
    """Write down which signature stands in which line. A sample is drawn by the order of the log, so that all can repeat it."""
    order = (Signature.leaf_index,) if bundle.level == Level.COUNTS else (Signature.counted_at, Signature.id)
    chosen = select(
        literal(bundle.id, BundleLine.bundle_id.type), func.row_number().over(order_by=order), Signature.id
    ).where(*_belongs_to(bundle), Signature.in_log)
    db.session.execute(insert(BundleLine).from_select(["bundle_id", "number", "signature_id"], chosen))
    mine = select(func.count()).select_from(BundleLine).where(BundleLine.bundle_id == bundle.id)
    return db.session.scalars(mine).one()


# --- Volumes -----------------------------------------------------------------------------------------------------------


def claim_volume(but: Collection[UUID] = ()) -> Claim | None:
    """Take the next volume that nobody builds, or whose builder went silent; the index after all others. Commits.

    `but` are bundles that are not to be looked at.
    """
    other = aliased(Volume)
    open_ones = select(other.number).where(
        other.bundle_id == Volume.bundle_id, other.number > 0, other.done_at.is_(None)
    )
    volume = db.session.scalar(
        select(Volume)
        .join(Bundle, Bundle.id == Volume.bundle_id)
        .where(
            Bundle.state == BundleState.BUILDING,
            Bundle.id.not_in(list(but)),
            _agreed(),
            Volume.done_at.is_(None),
            or_(Volume.leased_until.is_(None), Volume.leased_until < func.now()),
            or_(Volume.number > 0, ~open_ones.exists()),
        )
        .order_by(Bundle.requested_at, Volume.bundle_id, Volume.number)
        .limit(1)
        .with_for_update(of=Volume, skip_locked=True)
    )
    if volume is None:
        db.session.rollback()
        return None
    volume.fence += 1
    volume.attempts += 1
    if volume.attempts > MAX_ATTEMPTS:
        bundle_id = volume.bundle_id
        db.session.rollback()
        give_up = update(Bundle).where(Bundle.id == bundle_id, Bundle.state == BundleState.BUILDING)
        db.session.execute(give_up.values(state=BundleState.FAILED), execution_options=_NO_SYNC)
        db.session.commit()
        log.error("bundle %s is given up: one of its volumes failed %d times", bundle_id, MAX_ATTEMPTS)
        return claim_volume(but)
    volume.leased_until = func.now() + LEASE
    claim = Claim(volume.bundle_id, volume.number, volume.fence)
    db.session.commit()
    return claim


def release(claim: Claim, *, blameless: bool = False, out_of_space: bool = False) -> None:
    """Give a volume back after a fault, so that the next attempt need not wait for the lease. Commits.

    A `blameless` attempt (no valid key, or a full disk, say) is not counted.
    """
    db.session.rollback()
    db.session.execute(
        _ours(claim).values(leased_until=None, attempts=Volume.attempts - int(blameless)), execution_options=_NO_SYNC
    )
    if out_of_space:
        full = update(Bundle).where(Bundle.id == claim.bundle_id).values(out_of_space_at=func.now())
        db.session.execute(full, execution_options=_NO_SYNC)
    db.session.commit()


def renew(claim: Claim) -> None:
    """Go on holding a volume. Commits. Raises LeaseLostError when it is no longer ours."""
    write(claim, leased_until=func.now() + LEASE)
    db.session.commit()


def write(claim: Claim, **values: object) -> None:
    """Change a volume that is still ours. Does not commit. Raises LeaseLostError when it is not."""
    done = db.session.execute(_ours(claim).values(**values), execution_options=_NO_SYNC)
    if not done.rowcount:  # type: ignore[attr-defined]  # An UPDATE's result has a row count.
        db.session.rollback()
        raise LeaseLostError


def _ours(claim: Claim) -> Update:
    return update(Volume).where(
        Volume.bundle_id == claim.bundle_id,
        Volume.number == claim.number,
        Volume.fence == claim.fence,
        Volume.done_at.is_(None),
    )


# --- Recalling, taking apart, destroying ---------------------------------------------------------------------------------


def recall_bundles(signature_ids: Collection[UUID]) -> None:
    """These signatures no longer count, or are to be named otherwise: no bundle may go on as if nothing were.

    What is being built, or was never taken away, is built anew. What was taken away is replaced by another bundle with the same
    approval. What was handed over stays as it is, loses its key, and the lines are noted of which the ministry has to be told.
    Belongs into the transaction that changes the signatures.
    """
    _keep_claims_apart()
    touched = select(BundleLine.bundle_id).where(BundleLine.signature_id.in_(list(signature_ids)))
    bundles = db.session.scalars(
        select(Bundle)
        .where(Bundle.id.in_(touched), Bundle.state != BundleState.REPLACED)
        .order_by(Bundle.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for bundle in bundles:
        if bundle.handed_over_on is not None:
            _correct(bundle, signature_ids)
        elif bundle.state == BundleState.READY and _was_taken(bundle):
            _replace(bundle)
        elif bundle.state in (BundleState.BUILDING, BundleState.READY):
            _take_apart(bundle, BundleState.APPROVED)
        elif bundle.state == BundleState.FAILED:
            _take_apart(bundle, BundleState.FAILED)


def _was_taken(bundle: Bundle) -> bool:
    taken = select(Download.id).where(Download.bundle_id == bundle.id, Download.answered_at.is_not(None)).limit(1)
    return db.session.scalar(taken) is not None


def _correct(bundle: Bundle, signature_ids: Collection[UUID]) -> None:
    """Note the lines that no longer count. A signature that is only to be named otherwise stays in what the ministry has."""
    known = select(Correction.number).where(Correction.bundle_id == bundle.id)
    gone = (
        select(BundleLine.bundle_id, BundleLine.number)
        .join(Signature, Signature.id == BundleLine.signature_id)
        .where(
            BundleLine.bundle_id == bundle.id,
            BundleLine.signature_id.in_(list(signature_ids)),
            Signature.state != SignatureState.COUNTED,
            BundleLine.number.not_in(known),
        )
    )
    db.session.execute(insert(Correction).from_select(["bundle_id", "number"], gone))
    destroy(bundle)


def _replace(bundle: Bundle) -> None:
    """Put another bundle with the same approval into the place of one of which copies are about."""
    successor = {
        "id": uuid4(), "petition_id": bundle.petition_id, "addressee_id": bundle.addressee_id, "state": BundleState.APPROVED,
        "level": bundle.level, "letter_id": bundle.letter_id, "requested_by": bundle.requested_by, "cutoff_at": bundle.cutoff_at,
        "agreed_as": bundle.agreed_as or bundle.id,
    }  # fmt: skip
    db.session.execute(insert(Bundle).values(successor))
    _lose_key(bundle)
    bundle.state = BundleState.REPLACED
    db.session.execute(delete(BundleLine).where(BundleLine.bundle_id == bundle.id))
    db.session.flush()


def _take_apart(bundle: Bundle, state: BundleState) -> None:
    """Leave nothing of what was built, and nothing of who is in it."""
    _lose_key(bundle)
    bundle.state = state
    bundle.frozen_at = bundle.ready_at = bundle.head_size = bundle.out_of_space_at = None
    bundle.signatures = bundle.pages = bundle.register_hash = bundle.unlogged = None
    db.session.flush()
    for table in (Volume, BundleLine):
        db.session.execute(delete(table).where(table.bundle_id == bundle.id))


def destroy(bundle: Bundle) -> None:
    """Make what is stored of a bundle unreadable for ever; that it was built, and its hashes, remain. Does not commit."""
    if bundle.state == BundleState.READY:
        bundle.state = BundleState.DESTROYED
    _lose_key(bundle)


def _lose_key(bundle: Bundle) -> None:
    row_key_id = bundle.row_key_id
    if row_key_id is not None and bundle.state == BundleState.READY:
        # A constraint wants the key of what is ready.
        bundle.state = BundleState.DESTROYED
    bundle.row_key_id = None
    db.session.flush()
    if row_key_id is not None:
        destroy_row_key(row_key_id)
    # What was sealed to a browser, and not fetched yet, is gone, too.
    downloads = select(Download.id).where(Download.bundle_id == bundle.id)
    db.session.execute(delete(Answer).where(Answer.event_id.in_(downloads)), execution_options=_NO_SYNC)
    parts = delete(DownloadPart).where(DownloadPart.download_id.in_(downloads))
    db.session.execute(parts, execution_options=_NO_SYNC)


def destroy_expired() -> int:
    """Destroy bundles whose time to be taken away is over. Commits. Returns how many."""
    _keep_claims_apart()
    over = db.session.scalars(
        select(Bundle)
        .where(Bundle.state == BundleState.READY, Bundle.ready_at <= func.now() - KEPT)
        .order_by(Bundle.id)
        .with_for_update()
    ).all()
    for bundle in over:
        destroy(bundle)
    db.session.commit()
    return len(over)


def _keep_claims_apart() -> None:
    """Until the commit nobody else freezes a bundle or recalls some.

    Whoever froze one while a signature is being erased would not see that yet, and build with it. One who is building already
    finds that the lease is lost.
    """
    db.session.execute(select(func.pg_advisory_xact_lock(*_CLAIMS)))
