"""What a bundle is made of: the counted signatures of an addressee, opened, and their numbers by state.

Runs in the worker; keys are passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Select, func, select

from core.extensions import db
from core.records import RowKey, decrypt_record, open_sealed_row_key
from petitions.models import PetitionText, Signature, SignatureState

ReadText = tuple[str, int]
"""Language and version of the text that a signer agreed to."""


@dataclass(frozen=True, slots=True)
class CountedSignature:
    """What a ministry may receive of one signature: of somebody who wished to be counted only, neither name nor city."""

    number: int
    name: str | None
    city: str
    received_at: datetime
    text: ReadText
    leaf_index: int


def read_signatures(
    chosen: Select[int, UUID], private_keys: Mapping[UUID, X25519PrivateKey]
) -> Iterator[CountedSignature]:
    """Open signatures, given as a query of their numbers and ids, in the order of the numbers. One that is no longer counted is left out."""
    lines = chosen.subquery()
    number, signature_id = lines.c
    rows = db.session.execute(
        select(
            number,
            Signature.id,
            Signature.sealed,
            Signature.received_at,
            Signature.leaf_index,
            RowKey.id,
            RowKey.sealed,
        )
        .join(Signature, Signature.id == signature_id)
        .join(RowKey, RowKey.id == Signature.row_key_id)
        .where(Signature.state == SignatureState.COUNTED)
        .order_by(number)
        .execution_options(yield_per=1000)
    )
    for line, row_id, sealed, received_at, leaf_index, key_id, sealed_key in rows:
        row_key = open_sealed_row_key(key_id, sealed_key, private_keys)
        record = decrypt_record(row_key, "signatures", row_id, sealed or b"")
        text = str(record["text"]["language"]), int(record["text"]["version"])
        name, city = (None, "") if record["visibility"] == "counted" else (record["name"], record["city"])
        yield CountedSignature(line, name, city, received_at, text, leaf_index)


@dataclass(frozen=True, slots=True)
class EarlierText:
    """A text that stood there before the newest one, until when, and how many signatures were given to it."""

    text: PetitionText
    until: datetime
    signatures: int


def earlier_texts(newest: PetitionText, read: Mapping[ReadText, int]) -> list[EarlierText]:
    """What signers agreed to who did not read the newest text, newest first. `read` are their numbers by what they read.

    Each is given in the language of `newest`, as it stood while theirs was the newest in their own language; as they read it
    where there was none. A correction in their language alone, while this one stayed as it is, makes no other text.
    """
    versions: dict[str, list[PetitionText]] = {}
    mine = select(PetitionText).where(PetitionText.petition_id == newest.petition_id).order_by(PetitionText.version)
    for text in db.session.scalars(mine):
        versions.setdefault(text.language, []).append(text)
    given: Counter[tuple[str, int]] = Counter()
    for (language, version), number in read.items():
        replaced_by = _successor(versions.get(language, []), version)
        if replaced_by is None:
            continue
        stood = [one for one in versions[newest.language] if one.version < replaced_by.version]
        if not stood:
            given[language, version] += number
        elif stood[-1].hash != newest.hash:
            given[newest.language, stood[-1].version] += number
    found = []
    for (language, version), number in given.items():
        text = next(one for one in versions[language] if one.version == version)
        successor = _successor(versions[language], version) or newest
        found.append(EarlierText(text, successor.created_at, number))
    return sorted(found, key=lambda one: one.until, reverse=True)


def _successor(texts: Sequence[PetitionText], version: int) -> PetitionText | None:
    """The first of these texts that is newer than a version."""
    return next((one for one in texts if one.version > version), None)


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
