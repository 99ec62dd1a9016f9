"""Writing the log of a petition: entries in batches, and a signed head over each. Runs in the worker; keys are passed in.

What is written follows from where each signature stands: a signature whose state and whose place in the log disagree waits for
an entry, however it came to that. Who is counted together is written together, in an order drawn by lot, so that nobody who
watches the log learns which leaf is that of the person they saw confirm.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.bulk import as_table, insert_rows
from core.config import current_config
from core.errors import describe
from core.extensions import db
from core.inbox import PublicSealingKey
from core.keyring import Keyring
from core.merkle import TILE, entry, head_statement, leaf_hash, root_of
from core.records import RowKey, decrypt_record, open_sealed_row_key
from core.sealing import KeyNotHeldError, SealingError, key_statement, statement_is_signed
from petitions.models import Leaf, Log, Petition, Signature, SignatureState, Tile, TreeHead

log = logging.getLogger(__name__)

ENOUGH = 50
"""So many entries are written at once, or more."""
LONGEST_WAIT = timedelta(hours=24)
"""Fewer are written after it, also when a petition is over: a withdrawal that was written at once would tell whoever watches names
and log whose leaf it was. A signer is told that it is a day."""
LOT = 5000
"""Signatures of one transaction."""

SALT_SIZES = range(16, 65)

UNLOGGED = text("(signatures.state = 'counted') <> signatures.in_log")
"""As the partial index has it, without a parameter, so that PostgreSQL sees that it may use it."""

_lots = SystemRandom()


# --- What a leaf commits to ----------------------------------------------------------------------------------------------


def canonical_record(slug: str, signature: Any, record: Mapping[str, Any]) -> bytes:
    """What a signer cannot have signed otherwise: who, what and when, as one line of JSON, keys sorted, in UTF-8.

    Not who may learn the name, which a signer may change. `signature` has `event_id` and `received_at`; `record` is the sealed one.
    """
    told = {
        "petition": slug,
        "event": str(signature.event_id),
        "name": record["name"],
        "city": record["city"],
        "country": record["country"],
        "email": record["email"],
        "text": record["text"]["hash"],
        "received": f"{signature.received_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def salt_of(record: Mapping[str, Any], row_key: bytes) -> bytes:
    """The random bytes that came with a signature, without which nobody can try out whose leaf one is.

    The form's process makes them. Of one that sends none, or too few, they are derived from the key of the row, which is erased
    with it: no event may stop the log.
    """
    try:
        salt = base64.b64decode(record.get("salt", ""), validate=True)
    except (TypeError, binascii.Error, ValueError):
        salt = b""
    return salt if len(salt) in SALT_SIZES else hmac.digest(row_key, b"zbor|log salt", hashlib.sha256)


def commitment(salt: bytes, record: bytes) -> bytes:
    """HMAC-SHA256 of a canonical record under its salt."""
    return hmac.digest(salt, record, hashlib.sha256)


# --- Writing what is due ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    """An entry to be written, and the signature that it is about."""

    signature_id: UUID
    kind: str
    commitment: bytes | None
    about: int | None


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The key that signs heads and manifests, and the number under which its public half is listed."""

    key: Ed25519PrivateKey
    key_id: UUID
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Lot:
    """What one transaction did."""

    last: UUID | None
    """The number of the last signature that was looked at; None when there are no more. So those that wait for a key, however
    many, are in nobody's way."""
    written: int = 0
    late: bool = False
    """Whether somebody had waited for long enough when the first lot was begun."""


def write_due(keyring: Keyring) -> int:
    """Write what is due of all petitions, a lot a transaction. Returns the number of entries.

    Without a key that is listed for it the log waits, and nothing else does. Nor does a log that cannot be gone on with, which
    `flask fsck` names, keep others from being written.
    """
    # Also where nothing waits any more, to forget since when it did.
    noted = select(Log.petition_id).where(Log.waiting_since.is_not(None))
    waiting = db.session.scalars(select(Signature.petition_id).where(UNLOGGED).union(noted)).all()
    signer = log_signer(keyring) if waiting else None
    written = 0
    if signer is not None:
        for petition_id in waiting:
            lot = _Lot(UUID(int=0))
            try:
                while lot.last is not None:
                    lot = _write_lot(petition_id, lot, keyring.private_keys, signer)
                    written += lot.written
            except Exception as error:
                db.session.rollback()
                log.error("writing the log of petition %d failed: %s", petition_id, describe(error))
    elif waiting:
        log.error("the logs wait for log.key, or for its public half to be listed")
    db.session.rollback()
    return written


def log_signer(keyring: Keyring) -> LogSigner | None:
    """The key of the logs, if it is here, is listed now, and the root key signed that."""
    key = keyring.log_key
    if key is None:
        return None
    rows = db.session.scalars(
        select(PublicSealingKey)
        .where(
            PublicSealingKey.purpose == "log",
            PublicSealingKey.public_key == key.public_key().public_bytes_raw(),
            PublicSealingKey.not_before <= func.now(),
            PublicSealingKey.not_after > func.now(),
        )
        .order_by(PublicSealingKey.not_after.desc())
    ).all()
    root = current_config().root_public_key
    for row in rows:
        statement = key_statement(row.id, row.purpose, row.public_key, row.not_before, row.not_after)
        if statement_is_signed(root, statement, row.root_signature):
            return LogSigner(key, row.id, row.not_after)
    return None


def _write_lot(
    petition_id: int, before: _Lot, private_keys: Mapping[UUID, X25519PrivateKey], signer: LogSigner
) -> _Lot:
    """Write at most LOT entries of one petition, if it is time. Commits."""
    db.session.execute(insert(Log).values(petition_id=petition_id).on_conflict_do_nothing())
    # Whoever holds this row alone reads the end of the log and adds to it.
    own = select(Log).where(Log.petition_id == petition_id).with_for_update(skip_locked=True)
    book = db.session.scalar(own.execution_options(populate_existing=True))
    petition = db.session.get_one(Petition, petition_id, populate_existing=True)
    # Of the running clock, after the lock: whoever had it before may have begun later than we did.
    now = db.session.scalars(select(func.clock_timestamp())).one()
    if book is None or now >= signer.not_after:
        db.session.rollback()
        return _Lot(last=None)
    mine = Signature.petition_id == petition_id, UNLOGGED
    few = select(Signature.id).where(*mine).limit(ENOUGH).subquery()
    waiting = db.session.scalars(select(func.count()).select_from(few)).one()
    late = before.late or (book.waiting_since is not None and book.waiting_since <= now - LONGEST_WAIT)
    lines, last = list[_Line](), None
    if waiting and (waiting >= ENOUGH or late):
        lines, last = _read_lines(petition, before.last, private_keys)
    # Those that wait for a key make nobody else's batch smaller than it should be.
    if lines and (len(lines) >= ENOUGH or late):
        _lots.shuffle(lines)
        _append(petition, lines, now, signer)
        book.waiting_since = None
    else:
        lines = []
        book.waiting_since = (now if late else book.waiting_since or now) if waiting else None
    db.session.commit()
    return _Lot(last, len(lines), late)


def _read_lines(
    petition: Petition, after: UUID | None, private_keys: Mapping[UUID, X25519PrivateKey]
) -> tuple[list[_Line], UUID | None]:
    """What is to be said about the next LOT signatures, which are locked, and after which of them there are more.

    Those that do not open now wait.
    """
    rows = db.session.execute(
        select(
            Signature.id, Signature.event_id, Signature.received_at, Signature.state, Signature.leaf_index,
            Signature.sealed, RowKey.id.label("key_id"), RowKey.sealed.label("sealed_key"),
        )
        .outerjoin(RowKey, RowKey.id == Signature.row_key_id)
        .where(Signature.petition_id == petition.id, Signature.id > after, UNLOGGED)
        .order_by(Signature.id)
        .limit(LOT)
        .with_for_update(of=Signature, skip_locked=True)
    ).all()  # fmt: skip
    lines, away, damaged = list[_Line](), 0, 0
    for row in rows:
        if row.state != SignatureState.COUNTED:
            gone = row.state in (SignatureState.WITHDRAWN, SignatureState.EXPIRED)
            lines.append(_Line(row.id, "W" if gone else "Q", None, row.leaf_index))
        elif row.leaf_index is not None:
            lines.append(_Line(row.id, "R", None, row.leaf_index))
        else:
            try:
                row_key = open_sealed_row_key(row.key_id, row.sealed_key, private_keys)
                record = decrypt_record(row_key, "signatures", row.id, row.sealed)
                content = commitment(salt_of(record, row_key), canonical_record(petition.slug, row, record))
            except KeyNotHeldError:
                away += 1
            except (SealingError, LookupError, TypeError, ValueError):
                # One damaged row must not stop the log of all.
                damaged += 1
            else:
                lines.append(_Line(row.id, "S", content, None))
    if away:
        log.error("%d signatures wait for a sealing key before they can be written into the log", away)
    if damaged:
        log.error("%d signatures cannot be written into the log: they do not open", damaged)
    return lines, rows[-1].id if len(rows) == LOT else None


def _append(petition: Petition, lines: Sequence[_Line], now: datetime, signer: LogSigner) -> None:
    """Add leaves, the roots of tiles that they fill, and a signed head over all. Does not commit."""
    head = db.session.scalar(
        select(TreeHead).where(TreeHead.petition_id == petition.id).order_by(TreeHead.size.desc()).limit(1)
    )
    start, counted = (head.size, head.counted) if head is not None else (0, 0)
    indexes = range(start, start + len(lines))
    _insert_leaves(petition.id, start, lines)
    _mark_signatures(lines, indexes)
    counted += sum(1 if line.kind in ("S", "R") else -1 for line in lines)
    size = start + len(lines)
    root = _fill_tiles(petition.id, start, [entry(line.kind, line.commitment, line.about) for line in lines])
    # A clock that was set back must not make a head that no verifier takes.
    signed_at = max([now.replace(microsecond=0), *([head.signed_at] if head is not None else [])])
    statement = head_statement(petition.slug, size, root, counted, signed_at)
    db.session.add(
        TreeHead(
            petition_id=petition.id,
            size=size,
            root=root,
            counted=counted,
            signed_at=signed_at,
            key_id=signer.key_id,
            signature=signer.key.sign(statement),
        )
    )
    db.session.flush()


def _insert_leaves(petition_id: int, start: int, lines: Sequence[_Line]) -> None:
    rows = [
        {"petition_id": petition_id, "index": at, "kind": line.kind, "commitment": line.commitment, "about": line.about}
        for at, line in enumerate(lines, start)
    ]
    db.session.execute(insert_rows(Leaf, rows))


def _mark_signatures(lines: Sequence[_Line], indexes: Sequence[int]) -> None:
    """Note in the signatures what the log now says of them."""
    rows = [
        {
            "id": line.signature_id,
            "leaf_index": at if line.kind == "S" else line.about,
            "in_log": line.kind in ("S", "R"),
        }
        for line, at in zip(lines, indexes, strict=True)
    ]
    told = as_table(Signature, rows)
    db.session.execute(
        update(Signature)
        .where(Signature.id == told.c.id)
        .values(leaf_index=told.c.leaf_index, in_log=told.c.in_log)
        .execution_options(synchronize_session=False)
    )


def _fill_tiles(petition_id: int, start: int, added: Sequence[bytes]) -> bytes:
    """Store the roots of tiles that are whole now, and return the root of the tree."""
    first = start // TILE
    roots = list(
        db.session.scalars(select(Tile.root).where(Tile.petition_id == petition_id).order_by(Tile.number)).all()
    )
    open_tile = db.session.execute(
        select(Leaf.kind, Leaf.commitment, Leaf.about)
        .where(Leaf.petition_id == petition_id, Leaf.index >= first * TILE, Leaf.index < start)
        .order_by(Leaf.index)
    )
    hashes = [leaf_hash(entry(*row)) for row in open_tile] + [leaf_hash(content) for content in added]
    whole = [root_of(hashes[at : at + TILE]) for at in range(0, len(hashes) - TILE + 1, TILE)]
    if whole:
        rows = [{"petition_id": petition_id, "number": first + at, "root": root} for at, root in enumerate(whole)]
        db.session.execute(insert_rows(Tile, rows))
    rest = hashes[len(whole) * TILE :]
    return root_of([*roots, *whole, *([root_of(rest)] if rest else [])])
