"""Invariants of pickets, for `flask fsck`."""

from __future__ import annotations

from core.fsck import count, invariant


@invariant("I23", "Nothing about participants is kept eight days after a picket's end or cancellation")
def _forgotten() -> int:
    return count(
        "SELECT count(*) FROM participants t JOIN pickets p ON p.id = t.picket_id "
        " WHERE least(p.ends_at, p.cancelled_at) < now() - interval '8 days'"
    )


@invariant("I24", "No shift has more takers than seats")
def _seats() -> int:
    return count(
        "SELECT count(*) FROM shifts s WHERE s.seats < (SELECT count(*) FROM shift_takers t WHERE t.shift_id = s.id)"
    )


@invariant("I25", "Every public picket was agreed to by a coordinator who is not the one who asked")
def _word() -> int:
    return count(
        "SELECT count(*) FROM pickets p WHERE p.announced_at IS NOT NULL AND NOT EXISTS (SELECT FROM approvals a"
        " WHERE a.kind = 'picket' AND a.object_id = p.id::text AND a.state = 'approved' AND a.decided_by <> a.requested_by)"
    )


@invariant("I26", "Every cancellation of a public picket is told to all who left an address, or is being told")
def _told() -> int:
    return count(
        "SELECT count(*) FROM pickets p WHERE p.state = 'cancelled' AND p.announced_at IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM broadcasts b WHERE b.picket_id = p.id AND b.kind = 'cancelled')"
    )
