"""What the log of a petition says, for whoever checks its count. Reads public views alone, so web and worker share it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.extensions import db
from core.inbox import PublicSealingKey
from core.merkle import TILE, Tree, entry, head_statement, leaf_hash, verify_inclusion
from petitions.models import TreeHead
from petitions.pub import PublicLeaf, PublicPetition, PublicTile, PublicTreeHead

ENTRIES_AT_ONCE = 8 * TILE
"""A page of entries. Pages begin at its multiples, so that there are no more of them than the log is long."""
HEADS_AT_ONCE = 100
LONGEST_LINE = 300

_LINE = re.compile(r"zbor1:([a-z0-9-]{1,200}):(0|[1-9][0-9]{0,8}):([0-9a-f]{64})")


# --- Heads ---------------------------------------------------------------------------------------------------------------


def newest_head(petition_id: int) -> PublicTreeHead | None:
    """The newest signed tree head, None while there is none."""
    mine = select(PublicTreeHead).where(PublicTreeHead.petition_id == petition_id)
    return db.session.scalar(mine.order_by(PublicTreeHead.size.desc()).limit(1))


def newest_heads(petition_id: int, page: int, of: int) -> tuple[Sequence[PublicTreeHead], bool]:
    """One page of the heads, newest first, and whether there are older ones."""
    mine = select(PublicTreeHead).where(PublicTreeHead.petition_id == petition_id)
    found = db.session.scalars(mine.order_by(PublicTreeHead.size.desc()).offset((page - 1) * of).limit(of + 1)).all()
    return found[:of], len(found) > of


def heads_from(petition: PublicPetition, size: int) -> dict[str, Any]:
    """At most HEADS_AT_ONCE heads with `size` leaves or more, by size, as JSON tells them, with the keys that signed them."""
    found = db.session.scalars(
        select(PublicTreeHead)
        .where(PublicTreeHead.petition_id == petition.id, PublicTreeHead.size >= size)
        .order_by(PublicTreeHead.size)
        .limit(HEADS_AT_ONCE + 1)
    ).all()
    shown, further = found[:HEADS_AT_ONCE], found[HEADS_AT_ONCE:]
    return {
        "petition": petition.slug,
        "heads": [head_as_json(petition.slug, head) for head in shown],
        "keys": log_keys({head.key_id for head in shown}),
        "next": further[0].size if further else None,
    }


def head_as_json(slug: str, head: PublicTreeHead | TreeHead) -> dict[str, Any]:
    """All that `core.merkle.head_statement` is made of, and its signature. Bytes are in hexadecimal."""
    return {
        "petition": slug,
        "size": head.size,
        "root": head.root.hex(),
        "counted": head.counted,
        "signed_at": in_utc(head.signed_at),
        "key_id": str(head.key_id),
        "signature": head.signature.hex(),
    }


def statement_of(slug: str, head: PublicTreeHead) -> str:
    """The text that is signed about a tree."""
    return head_statement(slug, head.size, head.root, head.counted, head.signed_at).decode()


def log_keys(ids: Collection[UUID]) -> list[dict[str, Any]]:
    """Public keys of logs, with all that `core.sealing.key_statement` is made of and the root key's signature over it."""
    keys = db.session.scalars(
        select(PublicSealingKey)
        .where(PublicSealingKey.purpose == "log", PublicSealingKey.id.in_(list(ids)))
        .order_by(PublicSealingKey.not_before)
    )
    return [
        {
            "id": str(key.id),
            "purpose": key.purpose,
            "public_key": key.public_key.hex(),
            "not_before": in_utc(key.not_before),
            "not_after": in_utc(key.not_after),
            "root_signature": key.root_signature.hex(),
        }
        for key in keys
    ]


def in_utc(moment: datetime) -> str:
    """A moment as it stands in all that is signed."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


# --- Entries -------------------------------------------------------------------------------------------------------------


def entry_lines(petition_id: int, start: int) -> str:
    """At most ENTRIES_AT_ONCE entries from `start`, one a line: `S` and its commitment, or kind and number of another leaf."""
    rows = db.session.execute(
        select(PublicLeaf.kind, PublicLeaf.commitment, PublicLeaf.about)
        .where(
            PublicLeaf.petition_id == petition_id,
            PublicLeaf.index >= start,
            PublicLeaf.index < start + ENTRIES_AT_ONCE,
        )
        .order_by(PublicLeaf.index)
    )
    return "".join(f"{kind} {about if commitment is None else commitment.hex()}\n" for kind, commitment, about in rows)


def tree_of(petition_id: int, size: int) -> Tree:
    """The tree of the first `size` leaves, which reads what it is asked for: all tiles, and the leaves of one or two."""
    tiles = db.session.scalars(
        select(PublicTile.root)
        .where(PublicTile.petition_id == petition_id, PublicTile.number < size // TILE)
        .order_by(PublicTile.number)
    ).all()

    @cache
    def leaves_of(number: int) -> Sequence[bytes]:
        rows = db.session.execute(
            select(PublicLeaf.kind, PublicLeaf.commitment, PublicLeaf.about)
            .where(
                PublicLeaf.petition_id == petition_id,
                PublicLeaf.index >= number * TILE,
                PublicLeaf.index < min((number + 1) * TILE, size),
            )
            .order_by(PublicLeaf.index)
        )
        return [leaf_hash(entry(kind, commitment, about)) for kind, commitment, about in rows]

    def read(start: int, end: int) -> Sequence[bytes]:
        first = start // TILE
        return leaves_of(first)[start - first * TILE : end - first * TILE]

    return Tree(size, tiles, read)


# --- Receipts ------------------------------------------------------------------------------------------------------------


def receipt_line(slug: str, index: int, commitment: bytes) -> str:
    """A receipt in one line. It names nobody: what was committed to cannot be found without the salt, which is not in it."""
    return f"zbor1:{slug}:{index}:{commitment.hex()}"


class Answer(StrEnum):
    """What the log says of a receipt."""

    INCLUDED = "included"
    WITHDRAWN = "withdrawn"
    HELD_BACK = "held_back"
    NOT_HERE = "not_here"
    NO_RECEIPT = "no_receipt"


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer, with the first head that covers the leaf and the newest one, where there are such."""

    answer: Answer
    since: PublicTreeHead | None = None
    newest: PublicTreeHead | None = None


_SAID_LAST: Mapping[str | None, Answer] = {
    None: Answer.INCLUDED,
    "R": Answer.INCLUDED,
    "W": Answer.WITHDRAWN,
    "Q": Answer.HELD_BACK,
}


def check_line(petition: PublicPetition, line: str) -> Checked:
    """What the log of a petition says of a receipt's line. A receipt of another petition, or a made-up one, is not here."""
    found = _LINE.fullmatch(line.strip()) if len(line) <= LONGEST_LINE else None
    if found is None:
        return Checked(Answer.NO_RECEIPT)
    slug, index, commitment = found[1], int(found[2]), bytes.fromhex(found[3])
    newest = newest_head(petition.id)
    if slug != petition.slug or newest is None or index >= newest.size:
        return Checked(Answer.NOT_HERE)
    # Reckoned from what is claimed, not looked up: so the answer is worth as much as the published root.
    path = tree_of(petition.id, newest.size).inclusion_path(index)
    if not verify_inclusion(index, newest.size, leaf_hash(entry("S", commitment, None)), path, newest.root):
        return Checked(Answer.NOT_HERE)
    since = db.session.scalar(
        select(PublicTreeHead)
        .where(PublicTreeHead.petition_id == petition.id, PublicTreeHead.size > index)
        .order_by(PublicTreeHead.size)
        .limit(1)
    )
    said_last = db.session.scalar(
        select(PublicLeaf.kind)
        .where(PublicLeaf.petition_id == petition.id, PublicLeaf.about == index)
        .order_by(PublicLeaf.index.desc())
        .limit(1)
    )
    return Checked(_SAID_LAST[said_last], since, newest)
