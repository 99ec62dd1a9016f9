"""Reckoning logs anew from their leaves, for `flask fsck`: what zbor-verify does from outside, with the tiles that it never sees."""

from __future__ import annotations

from sqlalchemy import select

from core.extensions import db
from core.inbox import PublicSealingKey
from core.merkle import TILE, entry, head_statement, leaf_hash, node_hash, root_of
from core.sealing import key_statement, statement_is_signed
from petitions.models import Leaf, Petition, Tile, TreeHead

AT_ONCE = 10_000


class _Growing:
    """The root of a tree that leaves are added to, from the roots of the whole subtrees it consists of."""

    def __init__(self) -> None:
        self._subtrees: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        height, root = 0, leaf
        while self._subtrees and self._subtrees[-1][0] == height:
            root = node_hash(self._subtrees.pop()[1], root)
            height += 1
        self._subtrees.append((height, root))

    def root(self) -> bytes:
        *others, (_height, root) = self._subtrees
        for _height, left in reversed(others):
            root = node_hash(left, root)
        return root


def wrong_roots(petition_id: int) -> int:
    """How many tiles and heads of one log are not what its leaves say, are missing, or were signed before a smaller one."""
    tiles = dict(db.session.execute(select(Tile.number, Tile.root).where(Tile.petition_id == petition_id)).all())
    heads = {
        head.size: head for head in db.session.scalars(select(TreeHead).where(TreeHead.petition_id == petition_id))
    }
    leaves = db.session.execute(
        select(Leaf.kind, Leaf.commitment, Leaf.about)
        .where(Leaf.petition_id == petition_id)
        .order_by(Leaf.index)
        .execution_options(yield_per=AT_ONCE)
    )
    wrong = counted = 0
    signed_before = None
    tree, tile = _Growing(), list[bytes]()
    for size, (kind, commitment, about) in enumerate(leaves, start=1):
        counted += 1 if kind in ("S", "R") else -1
        leaf = leaf_hash(entry(kind, commitment, about))
        tree.add(leaf)
        tile.append(leaf)
        if len(tile) == TILE:
            wrong += tiles.pop(size // TILE - 1, None) != root_of(tile)
            tile.clear()
        if (head := heads.pop(size, None)) is not None:
            wrong += (head.root, head.counted) != (tree.root(), counted)
            wrong += signed_before is not None and head.signed_at < signed_before
            signed_before = head.signed_at
    return wrong + len(tiles) + len(heads)


def unsigned_heads(root_public_key: bytes) -> int:
    """How many heads of all logs have no signature that leads to the root key."""
    keys = {
        key.id: key
        for key in db.session.scalars(select(PublicSealingKey).where(PublicSealingKey.purpose == "log"))
        if statement_is_signed(
            root_public_key,
            key_statement(key.id, key.purpose, key.public_key, key.not_before, key.not_after),
            key.root_signature,
        )
    }
    wrong = 0
    heads = select(TreeHead, Petition.slug).join(Petition, Petition.id == TreeHead.petition_id)
    for head, slug in db.session.execute(heads.execution_options(yield_per=AT_ONCE)):
        key = keys.get(head.key_id)
        statement = head_statement(slug, head.size, head.root, head.counted, head.signed_at)
        wrong += not (
            key is not None
            and key.not_before <= head.signed_at < key.not_after
            and statement_is_signed(key.public_key, statement, head.signature)
        )
    return wrong
