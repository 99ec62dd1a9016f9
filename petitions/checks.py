"""Invariants of petitions and signatures, for `flask fsck`."""

from __future__ import annotations

from sqlalchemy import select

from core.config import current_config
from core.extensions import db
from core.fsck import count, invariant
from petitions.held import KIND
from petitions.models import TreeHead
from petitions.reckoning import unsigned_heads, wrong_roots
from petitions.rules import ALONE_A_DAY


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


@invariant("I5", "A mailbox is counted no more often than its petition allows")
def _mailboxes() -> int:
    return count(
        "SELECT count(*) FROM (SELECT FROM signatures s JOIN petitions p ON p.id = s.petition_id WHERE s.state = 'counted'"
        " GROUP BY s.petition_id, s.mailbox_hmac, p.per_mailbox HAVING count(*) > p.per_mailbox) d"
    )


@invariant("I9", "What must be readable has its key; what was erased has neither key nor content")
def _keys() -> int:
    return count(
        "SELECT count(*) FROM signatures s WHERE"
        " (state IN ('pending', 'counted', 'quarantined') AND (row_key_id IS NULL OR sealed IS NULL OR mailbox_hmac IS NULL))"
        # What people rejected is kept while that can be undone.
        " OR (state IN ('withdrawn', 'expired', 'rejected') AND (row_key_id IS NOT NULL OR sealed IS NOT NULL OR mailbox_hmac IS NOT NULL)"
        " AND NOT (state = 'rejected' AND EXISTS (SELECT FROM holds h WHERE h.signature_id = s.id AND h.decision_id IS NOT NULL)))"
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


@invariant("I19", "Every number of a day's arrivals equals the signatures that came on it and are in that state")
def _arrivals() -> int:
    return count(
        "SELECT count(*) FROM (SELECT petition_id, to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, state, count(*) AS total"
        " FROM signatures GROUP BY 1, 2, 3) s"
        " FULL JOIN arrivals a USING (petition_id, day, state) WHERE coalesce(s.total, 0) <> coalesce(a.total, 0)"
    )


@invariant("I20", "Whatever is held back waits for people, and nothing else does")
def _held() -> int:
    return count(
        "SELECT (SELECT count(*) FROM signatures s WHERE s.state = 'quarantined'"
        " AND NOT EXISTS (SELECT FROM holds h WHERE h.signature_id = s.id))"
        " + (SELECT count(*) FROM holds h JOIN signatures s ON s.id = h.signature_id LEFT JOIN decisions d ON d.id = h.decision_id"
        " WHERE s.state <> 'quarantined' AND coalesce(d.state, 'waiting') = 'waiting')"
    )


@invariant("I21", "What checks saw and what people see of a signature goes with it")
def _traces() -> int:
    return count(
        "SELECT (SELECT count(*) FROM traces t JOIN signatures s ON s.id = t.signature_id WHERE s.row_key_id IS NULL)"
        " + (SELECT count(*) FROM holds h JOIN signatures s ON s.id = h.signature_id WHERE s.row_key_id IS NULL)"
    )


@invariant("I22", "More than a person may decide in a day is not done without a second one")
def _decisions() -> int:
    return count(
        "SELECT count(*) FROM (SELECT state, sum(total) OVER (PARTITION BY petition_id, requested_by ORDER BY requested_at"  # noqa: S608  # What is put in is ours.
        " RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW) AS alone FROM decisions d"
        " WHERE d.state NOT IN ('waiting', 'refused') AND NOT EXISTS (SELECT FROM approvals a"
        f" WHERE a.kind = '{KIND.name}' AND a.object_id = d.id::text AND a.state = 'approved')) s"
        # What is not done yet the worker still looks at, and does not do.
        f" WHERE alone > {ALONE_A_DAY} AND state <> 'ready'"  # Both are ours.
    )


# --- The log that proves the count -----------------------------------------------------------------------------------------


@invariant(
    "I15", "Every log is gapless, its newest head covers all of it, and what refers to a leaf fits what was said before"
)
def _gapless_logs() -> int:
    return count(
        "SELECT (SELECT count(*) FROM (SELECT petition_id, count(*) AS total, max(index) + 1 AS size FROM leaves GROUP BY 1) l"
        " FULL JOIN (SELECT petition_id, max(size) AS head FROM tree_heads GROUP BY 1) h USING (petition_id)"
        " WHERE total IS DISTINCT FROM size OR size IS DISTINCT FROM head)"
        # Counted, then held back, then released, and so on; nothing comes after a withdrawal.
        " + (SELECT count(*) FROM (SELECT kind, lag(kind) OVER (PARTITION BY petition_id, coalesce(about, index) ORDER BY index)"
        " AS before FROM leaves) s WHERE CASE kind WHEN 'S' THEN before IS NOT NULL WHEN 'R' THEN before IS DISTINCT FROM 'Q'"
        " ELSE before IS NULL OR before NOT IN ('S', 'R') END)"
    )


@invariant("I16", "Tiles and tree heads of every log say what its leaves say: their root, and what they count")
def _roots_of_logs() -> int:
    return sum(wrong_roots(petition_id) for petition_id in db.session.scalars(select(TreeHead.petition_id).distinct()))


@invariant("I17", "Every tree head is signed by a log key that the root key signed")
def _signatures_of_heads() -> int:
    return unsigned_heads(current_config().root_public_key)


@invariant("I18", "The log counts a signature just when it is marked so, and each only once")
def _signatures_in_logs() -> int:
    return count(
        "WITH said AS (SELECT DISTINCT ON (petition_id, coalesce(about, index)) petition_id, coalesce(about, index) AS leaf_index,"
        " kind FROM leaves ORDER BY petition_id, coalesce(about, index), index DESC)"
        " SELECT (SELECT count(*) FROM said FULL JOIN (SELECT * FROM signatures WHERE leaf_index IS NOT NULL) s"
        " USING (petition_id, leaf_index) WHERE coalesce(kind IN ('S', 'R'), false) IS DISTINCT FROM s.in_log)"
        " + (SELECT count(*) - count(DISTINCT (petition_id, leaf_index)) FROM signatures WHERE leaf_index IS NOT NULL)"
    )
