"""Merkle trees after RFC 9162, section 2.1, and the statement that is signed about one. Pure functions of bytes.

A tree of n leaves is split at the largest power of two below n. Whole tiles of 256 leaves are therefore subtrees of every
larger tree, so that with their roots a proof among a million leaves reads some thousand hashes. static/zbor-verify.py
reckons the same without a line of this.

An entry of a log is one byte for its kind, then 32 bytes of commitment for `S`, or the number of the leaf that it is
about, 8 bytes, highest first, for `W`, `Q` and `R`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

TILE = 256
"""Leaves of a tile. A power of two, or tiles would be no subtrees."""

HEAD_VERSION = "zbor-tree-head/1"
EMPTY = hashlib.sha256(b"").digest()


def entry(kind: str, commitment: bytes | None, about: int | None) -> bytes:
    """The bytes of an entry. Raises ValueError for one that is none."""
    if kind == "S" and commitment is not None and len(commitment) == 32 and about is None:
        return b"S" + commitment
    if kind in ("W", "Q", "R") and commitment is None and about is not None:
        return kind.encode() + about.to_bytes(8)
    raise ValueError("Not an entry of a log.")


def leaf_hash(content: bytes) -> bytes:
    """Hash of a leaf with this content."""
    return hashlib.sha256(b"\0" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Root over leaves, or over subtrees of one size of which the last may be smaller."""
    if not hashes:
        return EMPTY
    # Level by level: what has no neighbour goes up as it is, which is where the largest power of two splits.
    level = list(hashes)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)] + odd
    return level[0]


class Tree:
    """A tree of `size` leaves, of which only what is needed is read.

    `tiles` are the roots of all its whole tiles, in order. `read` gives the hashes of the leaves from a first one up to, not
    including, a last one, which are never of more than one tile.
    """

    def __init__(self, size: int, tiles: Sequence[bytes], read: Callable[[int, int], Sequence[bytes]]) -> None:
        if len(tiles) != size // TILE:
            raise ValueError("There is a root for each whole tile, and no other.")
        self.size = size
        self._tiles = tiles
        self._read = read

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` leaves, or of all."""
        return self._subtree(0, self._checked(size))

    def inclusion_path(self, index: int, size: int | None = None) -> list[bytes]:
        """The path from a leaf, counted from 0, to the root of the first `size` leaves (RFC 9162, 2.1.3.1)."""
        start, end, path = 0, self._checked(size), list[bytes]()
        if not 0 <= index < end:
            raise ValueError("There is no such leaf.")
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(start, middle))
                start = middle
        return path[::-1]

    def consistency_proof(self, old: int, size: int | None = None) -> list[bytes]:
        """The proof that the first `old` leaves begin the tree of the first `size` ones (RFC 9162, 2.1.4.1)."""
        start, end, proof = 0, self._checked(size), list[bytes]()
        if not 0 < old <= end:
            raise ValueError("There is no such tree.")
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                proof.append(self._subtree(middle, end))
                end = middle
            else:
                proof.append(self._subtree(start, middle))
                start = middle
        # The root of the old tree itself is known to whoever checks, unless it has been cut.
        return [*([self._subtree(start, end)] if start else []), *proof[::-1]]

    def _checked(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            raise ValueError("There is no such tree.")
        return size

    def _subtree(self, start: int, end: int) -> bytes:
        """Root of leaves that stand together below one node."""
        if end - start < TILE:
            return root_of(self._read(start, end) if end > start else [])
        whole, rest = end // TILE, end % TILE
        last = [root_of(self._read(end - rest, end))] if rest else []
        return root_of([*self._tiles[start // TILE : whole], *last])


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from the hash of a leaf to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, reached = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if at % 2 or at == last:
            reached = node_hash(step, reached)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        at, last = at >> 1, last >> 1
    return last == 0 and hmac.compare_digest(reached, root)


def verify_consistency(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the old tree begins the new one (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not proof and hmac.compare_digest(old_root, root)
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        return False
    at, last = old - 1, size - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    reached_old = reached = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at % 2 or at == last:
            reached_old, reached = node_hash(step, reached_old), node_hash(step, reached)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        at, last = at >> 1, last >> 1
    return last == 0 and hmac.compare_digest(reached_old, old_root) and hmac.compare_digest(reached, root)


def head_statement(petition: str, size: int, root: bytes, counted: int, signed_at: datetime) -> bytes:
    """What a log key signs about a tree: six lines of text, each with its end. Moments are in UTC to the second.

    `counted` are the signatures that its leaves add up to: `S` leaves about which no other leaf speaks, or an `R` last.
    """
    lines = (
        HEAD_VERSION,
        f"petition {petition}",
        f"size {size}",
        f"root {root.hex()}",
        f"counted {counted}",
        f"signed {signed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    return "".join(f"{line}\n" for line in lines).encode()
