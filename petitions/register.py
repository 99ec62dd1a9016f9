"""What a bundle is made of: the counted signatures of an addressee, opened, and their numbers by state.

Runs in the worker; keys are passed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import func, select

from core.extensions import db
from core.records import RowKey, decrypt_record, open_sealed_row_key
from petitions.models import Signature, SignatureState


@dataclass(frozen=True, slots=True)
class CountedSignature:
    """What a ministry receives of one signature: of somebody who wished to be counted only, neither name nor city."""

    name: str | None
    city: str
    received_at: datetime


def read_counted(
    petition_id: int, addressee_id: int, cutoff: datetime, private_keys: Mapping[Any, X25519PrivateKey]
) -> Iterator[CountedSignature]:
    """Open the counted signatures of an addressee up to a cut-off, in the order in which they were counted."""
    rows = db.session.execute(
        select(Signature.id, Signature.sealed, Signature.received_at, RowKey.id, RowKey.sealed)
        .join(RowKey, RowKey.id == Signature.row_key_id)
        .where(
            Signature.petition_id == petition_id,
            Signature.addressee_id == addressee_id,
            Signature.state == SignatureState.COUNTED,
            Signature.counted_at <= cutoff,
        )
        .order_by(Signature.counted_at, Signature.id)
    )
    for signature_id, sealed, received_at, key_id, sealed_key in rows:
        record = decrypt_record(
            open_sealed_row_key(key_id, sealed_key, private_keys), "signatures", signature_id, sealed or b""
        )
        if record["visibility"] == "counted":
            yield CountedSignature(None, "", received_at)
        else:
            yield CountedSignature(record["name"], record["city"], received_at)


def count_by_state(petition_id: int, addressee_id: int, cutoff: datetime) -> dict[str, int]:
    """Signatures of an addressee received up to a cut-off, by state; for the page on method."""
    rows = db.session.execute(
        select(Signature.state, func.count())
        .where(
            Signature.petition_id == petition_id,
            Signature.addressee_id == addressee_id,
            Signature.received_at <= cutoff,
        )
        .group_by(Signature.state)
    ).all()
    return {state: int(total) for state, total in rows}
