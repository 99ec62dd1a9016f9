"""Merkle trees: the same as another implementation makes them, and no proof of what is not so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from core.merkle import (
    EMPTY,
    TILE,
    Tree,
    entry,
    head_statement,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

MOST = 300
CONTENTS = [b"leaf %d" % number for number in range(1200)]
LEAVES = [leaf_hash(content) for content in CONTENTS]
ORACLE = InmemoryTree(algorithm="sha256")
for _content in CONTENTS:
    ORACLE.append_entry(_content)


def tree(size: int, asked: list[tuple[int, int]] | None = None) -> Tree:
    """The tree of the first leaves. Notes what it reads."""

    def read(start: int, end: int) -> Sequence[bytes]:
        if asked is not None:
            asked.append((start, end))
        return LEAVES[start:end]

    tiles = [root_of(LEAVES[at * TILE : (at + 1) * TILE]) for at in range(size // TILE)]
    return Tree(size, tiles, read)


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def test_every_root_up_to_300_leaves_is_that_of_pymerkle_and_of_the_rfc() -> None:
    for size in range(1, MOST + 1):
        assert tree(size).root() == tree(len(LEAVES)).root(size) == ORACLE.get_root(size) == naive_root(LEAVES[:size])
    assert tree(0).root() == naive_root([])


def test_every_path_up_to_300_leaves_is_that_of_pymerkle() -> None:
    whole = tree(len(LEAVES))
    for size in range(1, MOST + 1):
        for index in {0, 1, size // 2, size - 2, size - 1, *range(0, size, 17)} & set(range(size)):
            path = whole.inclusion_path(index, size)
            # Theirs begins with the leaf itself.
            assert [LEAVES[index], *path] == ORACLE.prove_inclusion(index + 1, size).path
            assert verify_inclusion(index, size, LEAVES[index], path, ORACLE.get_root(size))


def naive_proof(old: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """RFC 9162, 2.1.4.1, word by word."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_proof(old, leaves[:split], whole), naive_root(leaves[split:])]
    return [*naive_proof(old - split, leaves[split:], False), naive_root(leaves[:split])]


def test_every_consistency_proof_up_to_300_leaves_is_that_of_the_rfc_and_holds_by_the_roots_of_pymerkle() -> None:
    whole = tree(len(LEAVES))
    for size in range(1, MOST + 1):
        for old in {1, 2, size // 2, size - 1, size, *range(1, size, 19)} & set(range(1, size + 1)):
            proof = whole.consistency_proof(old, size)
            assert proof == naive_proof(old, LEAVES[:size])
            # pymerkle cuts a proof elsewhere, so its nodes are not to be compared; its roots are.
            assert verify_consistency(old, size, ORACLE.get_root(old), ORACLE.get_root(size), proof)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_proofs_across_tiles_hold_and_no_altered_one_does(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size - 1))
    whole = tree(size)
    root, path, proof = whole.root(), whole.inclusion_path(index), whole.consistency_proof(old)
    assert verify_inclusion(index, size, LEAVES[index], path, root)
    assert verify_consistency(old, size, whole.root(old), root, proof)

    other = data.draw(st.integers(0, len(LEAVES) - 1).filter(lambda one: one != index))
    assert not verify_inclusion(index, size, LEAVES[other], path, root)
    if other < size:
        assert not verify_inclusion(other, size, LEAVES[index], path, root)
    assert not verify_inclusion(index, size, LEAVES[index], [*path, root], root)
    assert not verify_inclusion(index, size, LEAVES[index], path[:-1], root)
    at = data.draw(st.integers(0, len(path) - 1))
    bad = [*path[:at], bytes(32), *path[at + 1 :]]
    assert not verify_inclusion(index, size, LEAVES[index], bad, root)

    assert not verify_consistency(old, size, bytes(32), root, proof)
    assert not verify_consistency(old, size, whole.root(old), bytes(32), proof)
    assert not verify_consistency(old, size, whole.root(old), root, proof[:-1])
    assert not verify_consistency(old, size, whole.root(old), root, [*proof, root])
    at = data.draw(st.integers(0, len(proof) - 1))
    assert not verify_consistency(old, size, whole.root(old), root, [*proof[:at], bytes(32), *proof[at + 1 :]])


def test_a_proof_reads_the_leaves_of_two_tiles_at_most() -> None:
    asked: list[tuple[int, int]] = []
    whole = tree(1100, asked)
    assert verify_inclusion(300, 1100, LEAVES[300], whole.inclusion_path(300), whole.root())
    assert {start // TILE for start, _end in asked} == {1, 4}
    assert all(start // TILE == (end - 1) // TILE for start, end in asked)


@pytest.mark.parametrize("ask", [lambda one: one.root(301), lambda one: one.inclusion_path(300)])
def test_there_is_no_proof_beyond_the_end(ask: object) -> None:
    with pytest.raises(ValueError, match="no such"):
        ask(tree(300))  # type: ignore[operator]  # The two questions above.
    assert not verify_inclusion(5, 5, LEAVES[0], [], LEAVES[0])
    assert not verify_consistency(0, 5, tree(0).root(), tree(5).root(), [])
    assert not verify_consistency(2, 5, tree(2).root(), tree(5).root(), [])


def test_entries_have_one_form_each() -> None:
    assert entry("S", bytes(range(32)), None) == b"S" + bytes(range(32))
    assert entry("W", None, 258) == b"W\0\0\0\0\0\0\x01\x02"
    for wrong in (("S", b"short", None), ("S", bytes(32), 1), ("Q", None, None), ("R", bytes(32), 1), ("X", None, 1)):
        with pytest.raises(ValueError, match="Not an entry"):
            entry(*wrong)


def test_what_is_signed_can_be_read() -> None:
    moment = datetime(2026, 3, 1, 13, 5, 9, 999, tzinfo=timezone(timedelta(hours=1)))
    assert head_statement("papers", 3, bytes(32), 1, moment).decode() == (
        f"zbor-tree-head/1\npetition papers\nsize 3\nroot {'00' * 32}\ncounted 1\nsigned 2026-03-01T12:05:09Z\n"
    )
    assert head_statement("a", 1, b"\1" * 32, 1, datetime(2026, 1, 1, tzinfo=UTC)).endswith(b"\n")
