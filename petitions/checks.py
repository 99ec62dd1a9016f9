"""Invariants of petitions and signatures, for `flask fsck`."""

from __future__ import annotations

from core.fsck import count, invariant


@invariant("I1", "Every signature comes from one stored event, every dealt-with sign event left one")
def _events() -> int:
    return count(
        "SELECT (SELECT count(*) FROM inbox i JOIN petitions p ON p.id = i.petition_id"
        " WHERE i.kind = 'sign' AND i.state = 'done' AND NOT EXISTS (SELECT FROM signatures s WHERE s.event_id = i.id))"
        " + (SELECT count(*) FROM signatures s WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.id = s.event_id AND i.state = 'done'))"
    )


@invariant("I3", "Every tally equals the number of signatures in that state")
def _tallies() -> int:
    return count(
        "SELECT count(*) FROM (SELECT petition_id, addressee_id, state, count(*) AS total FROM signatures GROUP BY 1, 2, 3) s"
        " FULL JOIN tallies t USING (petition_id, addressee_id, state) WHERE coalesce(s.total, 0) <> coalesce(t.total, 0)"
    )


@invariant("I5", "A mailbox is counted at most once for a petition")
def _mailboxes() -> int:
    return count(
        "SELECT count(*) FROM (SELECT FROM signatures WHERE state = 'counted' GROUP BY petition_id, mailbox_hmac HAVING count(*) > 1) d"
    )


@invariant("I9", "What must be readable has its key; what was erased has neither key nor content")
def _keys() -> int:
    return count(
        "SELECT count(*) FROM signatures WHERE"
        " (state IN ('pending', 'counted', 'quarantined') AND (row_key_id IS NULL OR sealed IS NULL OR mailbox_hmac IS NULL))"
        " OR (state IN ('withdrawn', 'expired', 'rejected') AND (row_key_id IS NOT NULL OR sealed IS NOT NULL OR mailbox_hmac IS NOT NULL))"
    )


@invariant("I10", "Only people whose signature is counted are named in public")
def _names() -> int:
    return count(
        "SELECT count(*) FROM public_names n WHERE NOT EXISTS"
        " (SELECT FROM signatures s WHERE s.id = n.signature_id AND s.petition_id = n.petition_id AND s.state = 'counted')"
    )


@invariant("I11", "Every signature belongs to an addressee of its petition")
def _addressees() -> int:
    return count(
        "SELECT count(*) FROM signatures s WHERE NOT EXISTS (SELECT FROM petition_addressees a"
        " WHERE a.petition_id = s.petition_id AND a.addressee_id = s.addressee_id)"
    )


@invariant("I14", "Every breakdown by country and by day equals the number of counted signatures")
def _breakdowns() -> int:
    return count(
        "SELECT count(*) FROM (SELECT petition_id, 'country' AS by, country_code AS key, count(*) AS total FROM signatures"
        " WHERE state = 'counted' GROUP BY 1, 3 UNION ALL"
        " SELECT petition_id, 'day', to_char(counted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*) FROM signatures"
        " WHERE state = 'counted' GROUP BY 1, 3) s"
        " FULL JOIN breakdowns b USING (petition_id, by, key) WHERE coalesce(s.total, 0) <> coalesce(b.total, 0)"
    )
