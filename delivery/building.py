"""Building what is claimed: a volume of the register, or the index that lists them. Runs in the worker; keys and engine are passed in."""

from __future__ import annotations

import errno
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update

from core.config import Config
from core.errors import UnavailableError, describe
from core.extensions import db
from core.keyring import Keyring
from core.queues import TaskName, wake
from core.records import open_row_key
from core.sealing import KeyNotHeldError, context, encrypt
from delivery import claims, indexing
from delivery.claims import Claim, LeaseLostError, renew, write
from delivery.document import (
    Engine,
    RegisterRow,
    RegisterVolume,
    Sealed,
    draw_sample,
    row_marks,
    table_of,
)
from delivery.indexing import Frozen, read_frozen
from delivery.letters import moment_in
from delivery.models import SAMPLE_SIZE, Bundle, BundleLine, BundleState, Level, Volume
from delivery.store import remove_volumes, volume_path, write_whole
from petitions.register import CountedSignature, read_signatures
from petitions.rules import initials

log = logging.getLogger(__name__)


def build_some(keyring: Keyring, engine: Engine, config: Config, seconds: float) -> bool:
    """Freeze what is approved and build volumes for some seconds. Returns whether there is more to do. One that fails stops no other."""
    ends = time.monotonic() + seconds
    failed = set[UUID]()
    claims.settle_requests()
    while True:
        claim = claims.claim_volume(failed)
        if claim is None:
            if claims.freeze_next() is None:
                return False
            continue
        if claim.fence == 1:
            # Somebody else may build the next one meanwhile. Not when this one was tried before: what fails waits for the sweep.
            wake(TaskName.BUNDLES)
        if not _build_one(claim, keyring, engine, config):
            failed.add(claim.bundle_id)
        if time.monotonic() > ends:
            return claim.bundle_id not in failed


def _build_one(claim: Claim, keyring: Keyring, engine: Engine, config: Config) -> bool:
    """Build a volume. Returns whether its bundle can be gone on with now."""
    try:
        build(claim, keyring, engine, config)
    except LeaseLostError:
        log.warning("volume %d of bundle %s was taken over or recalled", claim.number, claim.bundle_id)
        db.session.rollback()
        remove_volumes_of_lost(config, claim)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        log.error("storing volume %d of bundle %s failed: %s", claim.number, claim.bundle_id, describe(error))
        claims.release(claim, blameless=is_full, out_of_space=is_full)
        return False
    except Exception as error:
        # The row goes back to waiting, and is given up by its count of attempts. The text of the error may quote
        # a name, so only its type and place are logged.
        log.error("building volume %d of bundle %s failed: %s", claim.number, claim.bundle_id, describe(error))
        claims.release(claim, blameless=isinstance(error, (UnavailableError, KeyNotHeldError)))
        return False
    return True


def remove_volumes_of_lost(config: Config, claim: Claim) -> None:
    """Remove the file of an attempt that came too late."""
    volume_path(config, claim.bundle_id, claim.number, claim.fence).unlink(missing_ok=True)


def build(claim: Claim, keyring: Keyring, engine: Engine, config: Config) -> None:
    """Draw, seal, encrypt and store one volume. Raises LeaseLostError when it is no longer ours; then nothing is changed."""
    frozen = read_frozen(claim.bundle_id, config)
    if claim.number == 0:
        _build_index(claim, frozen, keyring, engine, config)
    else:
        _build_register(claim, frozen, keyring, engine, config)


def _build_register(claim: Claim, frozen: Frozen, keyring: Keyring, engine: Engine, config: Config) -> None:
    rows, texts = _read_rows(claim, frozen, keyring)
    table = table_of(rows, frozen.level)
    content_hash = hashlib.sha256(table).hexdigest()
    manifest = frozen.manifest | {
        "zbor": "volume/2",
        "volume": claim.number,
        "volumes": frozen.volumes,
        "first": rows[0].number,
        "last": rows[-1].number,
        "lines": len(rows),
        "table_sha256": content_hash,
    }
    volume = RegisterVolume(
        language=frozen.language,
        texts=frozen.texts,
        title=frozen.title,
        ministry=frozen.address[0],
        cutoff=moment_in(frozen.cutoff, frozen.language),
        heading=frozen.register_heading,
        level=frozen.level,
        rows=rows,
        table=table,
        content_hash=content_hash,
        manifest=manifest,
        verify_address=frozen.verify_address(claim.number),
        paper=frozen.paper,
    )
    drawn = engine.draw_register(volume)
    renew(claim)
    marks = row_marks(rows, frozen.level)
    told = [[*text, number] for text, number in sorted(texts.items())]
    _store(claim, drawn, table, keyring, engine, config, content_hash=content_hash, marks=marks, texts=told)
    db.session.commit()


def _read_rows(claim: Claim, frozen: Frozen, keyring: Keyring) -> tuple[list[RegisterRow], Counter[tuple[str, int]]]:
    """The lines of a volume, opened. Raises LeaseLostError when one of them no longer counts: then the bundle is being recalled."""
    first, last = db.session.execute(
        select(Volume.first, Volume.last).where(Volume.bundle_id == claim.bundle_id, Volume.number == claim.number)
    ).one_or_none() or (None, None)
    if first is None or last is None:
        raise LeaseLostError
    chosen = select(BundleLine.number, BundleLine.signature_id).where(BundleLine.bundle_id == claim.bundle_id)
    if frozen.level == Level.COUNTS:
        drawn = sorted(draw_sample(frozen.root, frozen.code, frozen.count, SAMPLE_SIZE))
        chosen = chosen.where(BundleLine.number.in_(drawn[first - 1 : last]))
    else:
        chosen = chosen.where(BundleLine.number.between(first, last))
    found = list(read_signatures(chosen, keyring.private_keys))
    db.session.rollback()
    if len(found) != last - first + 1:
        raise LeaseLostError
    return [_row(one, frozen) for one in found], Counter(one.text for one in found)


def _row(one: CountedSignature, frozen: Frozen) -> RegisterRow:
    """What the level lets a line tell. The day is that of UTC."""
    name = one.name if one.name is not None else str(frozen.texts["further_signer"])
    if one.name is not None and frozen.level == Level.INITIALS:
        name = initials(one.name)
    city = "" if frozen.level == Level.INITIALS else one.city
    entry = one.leaf_index if frozen.level == Level.COUNTS else None
    return RegisterRow(one.number, name, city, one.received_at.date(), entry)


def _build_index(claim: Claim, frozen: Frozen, keyring: Keyring, engine: Engine, config: Config) -> None:
    volumes = db.session.scalars(
        select(Volume).where(Volume.bundle_id == claim.bundle_id, Volume.number > 0).order_by(Volume.number)
    ).all()
    read = _texts_of(claim, frozen, keyring, volumes)
    manifest = indexing.manifest_of(frozen, volumes)
    pages = sum(one.pages or 0 for one in volumes)
    drawn = engine.draw_index(indexing.index_of(frozen, volumes, read, manifest))
    renew(claim)
    file_hash, sealed = _store(claim, drawn, b"", keyring, engine, config)
    signed = indexing.signed_manifest(frozen, manifest, sealed, file_hash, keyring)
    done = db.session.execute(
        update(Bundle)
        .where(Bundle.id == claim.bundle_id, Bundle.state == BundleState.BUILDING)
        .values(
            state=BundleState.READY,
            pages=sealed.pages + pages,
            register_hash=manifest["register_hash"],
            manifest=signed,
            ready_at=func.now(),
            out_of_space_at=None,
        ),
        execution_options={"synchronize_session": False},
    )
    if not done.rowcount:  # type: ignore[attr-defined]  # An UPDATE's result has a row count.
        raise LeaseLostError
    db.session.commit()
    _remove_other_attempts(claim.bundle_id, config)


def _texts_of(claim: Claim, frozen: Frozen, keyring: Keyring, volumes: Sequence[Volume]) -> Counter[tuple[str, int]]:
    """How many signatures were given to which text. Where only a sample is printed, all of them are opened for it here."""
    if frozen.level != Level.COUNTS:
        told = [one for volume in volumes for one in volume.texts or ()]
        return sum((Counter({(language, version): number}) for language, version, number in told), Counter())
    read = Counter[tuple[str, int]]()
    lot = 5000
    for first in range(1, frozen.count + 1, lot):
        lines = BundleLine.bundle_id == claim.bundle_id, BundleLine.number.between(first, first + lot - 1)
        chosen = select(BundleLine.number, BundleLine.signature_id).where(*lines)
        read.update(one.text for one in read_signatures(chosen, keyring.private_keys))
        renew(claim)
    if read.total() != frozen.count:
        raise LeaseLostError
    return read


def _store(
    claim: Claim, drawn: bytes, table: bytes, keyring: Keyring, engine: Engine, config: Config, **values: object
) -> tuple[str, Sealed]:
    """Seal a volume electronically, encrypt it with its table and store it; note that in its row. Returns the file's hash, and what was sealed.

    Does not commit. The file is on the disk before the row says so; one that no row tells of is removed when all is done.
    """
    sealed = engine.seal(drawn)
    file_hash = hashlib.sha256(sealed.content).hexdigest()
    bundle = db.session.get(Bundle, claim.bundle_id, populate_existing=True)
    if bundle is None or bundle.row_key_id is None:
        raise LeaseLostError
    row_key = open_row_key(bundle.row_key_id, keyring.private_keys)
    db.session.rollback()
    packed = len(sealed.content).to_bytes(8) + sealed.content + table
    stored = encrypt(row_key, packed, context("volumes", claim.bundle_id, claim.number))
    write_whole(volume_path(config, claim.bundle_id, claim.number, claim.fence), stored)
    write(
        claim,
        leased_until=None,
        pages=sealed.pages,
        size=len(sealed.content),
        file_hash=file_hash,
        stored_hash=hashlib.sha256(stored).hexdigest(),
        done_at=func.now(),
        **values,
    )
    return file_hash, sealed


def _remove_other_attempts(bundle_id: UUID, config: Config) -> None:
    """Remove files that no row tells of: of builders that were killed between storing and saying so."""
    if config.bundle_dir is None:
        return
    rows = db.session.execute(select(Volume.number, Volume.fence).where(Volume.bundle_id == bundle_id)).all()
    db.session.rollback()
    kept = {volume_path(config, bundle_id, number, fence).name for number, fence in rows}
    for path in config.bundle_dir.glob(f"{bundle_id}.*"):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def remove_destroyed(config: Config) -> None:
    """Remove the files of bundles whose key is gone; without it they are random bytes that fill the disk."""
    if config.bundle_dir is None or not config.bundle_dir.is_dir():
        return
    lying = {path.name.partition(".")[0] for path in config.bundle_dir.iterdir()}
    living = {
        str(one)
        for one in db.session.scalars(
            select(Bundle.id).where(Bundle.row_key_id.is_not(None), Bundle.id.in_([UUID(one) for one in lying]))
        )
    }
    db.session.rollback()
    for name in lying - living:
        remove_volumes(config, UUID(name))
