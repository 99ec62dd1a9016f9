"""Personal data at rest: encrypted under a key for each row. Deleting that key is how a person is erased."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import LargeBinary, Uuid, delete
from sqlalchemy.orm import Mapped, mapped_column

from core.bulk import insert_rows
from core.extensions import CreatedAt, Model, db
from core.inbox import recipients
from core.sealing import context, decrypt, encrypt, pad, seal_bytes, unpad, unseal_bytes

RECORD_SIZES = (1024, 2048)
"""Sizes of records at rest after padding, so that a name's length does not show in a stolen database."""


class RowKey(Model):
    """A 256-bit key sealed to the worker and, if set, the recovery officers."""

    __tablename__ = "row_keys"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]


def new_row_key() -> tuple[UUID, bytes]:
    """Make a key, store it sealed, return its id and the key itself. Does not commit."""
    return new_row_keys(1)[0]


def new_row_keys(number: int) -> list[tuple[UUID, bytes]]:
    """The same for many at once."""
    keys = [(uuid4(), os.urandom(32)) for _ in range(number)]
    if keys:
        sealed_to = recipients()
        rows = [
            {"id": key_id, "sealed": seal_bytes(key, sealed_to, context("row-key", key_id))} for key_id, key in keys
        ]
        db.session.execute(insert_rows(RowKey, rows))
    return keys


def open_row_key(key_id: UUID, private_keys: Mapping[UUID, X25519PrivateKey]) -> bytes:
    """The key itself. Raises LookupError when it was destroyed, SealingError when it does not open."""
    row = db.session.get(RowKey, key_id)
    if row is None:
        raise LookupError("The row key was destroyed.")
    return open_sealed_row_key(key_id, row.sealed, private_keys)


def open_sealed_row_key(key_id: UUID, sealed: bytes, private_keys: Mapping[UUID, X25519PrivateKey]) -> bytes:
    """The same, for a caller that has read many rows at once."""
    return unseal_bytes(sealed, private_keys, context("row-key", key_id))


def destroy_row_key(key_id: UUID) -> None:
    """Erase: everything encrypted under this key is from now on random bytes. Does not commit."""
    db.session.execute(delete(RowKey).where(RowKey.id == key_id))


def encrypt_record(key: bytes, table: str, row_id: UUID, record: Mapping[str, Any]) -> bytes:
    """Encrypt a JSON-serialisable record for its place."""
    return encrypt(key, pad(json.dumps(record, ensure_ascii=False).encode(), RECORD_SIZES), context(table, row_id))


def decrypt_record(key: bytes, table: str, row_id: UUID, ciphertext: bytes) -> dict[str, Any]:
    """Undo `encrypt_record`. Raises SealingError."""
    record: dict[str, Any] = json.loads(unpad(decrypt(key, ciphertext, context(table, row_id))))
    return record
