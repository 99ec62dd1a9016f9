"""Bursts: more signatures from one network, or with one mail domain, than an hour of people brings.

Counted by the hour of arrival, in the transaction that records the signatures. A burst holds back what belongs to it from
then on, and the sweep holds back what had come within the hour before, counted or not. Runs in the worker; the clock is
the database's. Nothing here commits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.bulk import as_table, insert_rows
from core.extensions import db
from petitions.models import Burst, BurstKind, Sighting
from petitions.screening import MOST_A_DOMAIN, MOST_A_NETWORK, MOST_UNDER_A_PASS, TIMES_THE_USUAL, is_a_pass

WINDOW = timedelta(hours=1)
REMEMBERED = timedelta(days=7)

Mark = tuple[int, str, bytes]
"""Petition, kind and key: what signatures have in common."""
Sighted = tuple[int, str, bytes, datetime]
"""The same with the hour in which one was seen."""


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment is in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def count_recent(sighted: Counter[Sighted], moment: datetime) -> dict[Mark, int]:
    """How many signatures of each mark came in the hour up to `moment`, those of `sighted` included.

    An estimate: all of the running hour, and of the one before it the part that is less than an hour ago.
    """
    hour, marks = hour_of(moment), {(petition_id, kind, key) for petition_id, kind, key, _hour in sighted}
    before = hour - WINDOW
    totals = Counter[Sighted]()
    if marks:
        wanted = as_table(
            Sighting, [{"petition_id": number, "kind": kind, "key": key} for number, kind, key in sorted(marks)]
        )
        same = (getattr(Sighting, name) == wanted.c[name] for name in ("petition_id", "kind", "key"))
        columns = Sighting.petition_id, Sighting.kind, Sighting.key, Sighting.hour, Sighting.total
        query = select(*columns).join(wanted, and_(*same)).where(Sighting.hour.in_((before, hour)))
        for petition_id, kind, key, at, total in db.session.execute(query):
            totals[petition_id, kind, key, at] = total
    totals.update(sighted)
    left = 1 - (moment - hour) / WINDOW
    return {mark: totals[(*mark, hour)] + int(totals[(*mark, before)] * left) for mark in marks}


def going_on(petitions: Collection[int]) -> dict[Mark, int]:
    """Number of every burst that is going on."""
    here = Burst.petition_id.in_(list(petitions)), Burst.ended_at.is_(None)
    rows = db.session.execute(select(Burst.petition_id, Burst.kind, Burst.key, Burst.id).where(*here))
    return {(petition_id, kind, key): burst_id for petition_id, kind, key, burst_id in rows}


def find_bursts(recent: Mapping[Mark, int], domains: Mapping[Mark, str], moment: datetime) -> dict[Mark, int]:
    """The burst of each mark that is in one, opened now where there was none.

    `domains` are the mail domains behind the marks, which stand in the clear once there is a burst of them.
    """
    known = going_on({petition_id for petition_id, _kind, _key in recent})
    for mark in sorted(recent):
        if mark not in known and recent[mark] > _limit_of(mark, recent[mark], moment):
            known[mark] = _open(mark, domains.get(mark), recent[mark], moment)
    return {mark: known[mark] for mark in recent if mark in known}


def _limit_of(mark: Mark, seen: int, moment: datetime) -> float:
    petition_id, kind, key = mark
    if kind == BurstKind.NETWORK:
        return MOST_UNDER_A_PASS if is_a_pass(key) else MOST_A_NETWORK
    if seen <= MOST_A_DOMAIN:
        return MOST_A_DOMAIN
    here = Sighting.petition_id == petition_id, Sighting.kind == kind, Sighting.key == key
    earlier = Sighting.hour >= moment - REMEMBERED, Sighting.hour < hour_of(moment) - WINDOW
    total = db.session.scalar(select(func.coalesce(func.sum(Sighting.total), 0)).where(*here, *earlier)) or 0
    return max(MOST_A_DOMAIN, TIMES_THE_USUAL * total / (REMEMBERED / WINDOW))


def _open(mark: Mark, domain: str | None, seen: int, moment: datetime) -> int:
    petition_id, kind, key = mark
    values = {
        "petition_id": petition_id, "kind": kind, "key": key, "domain": domain,
        "since": moment - WINDOW, "last_at": moment, "seen": seen,
    }  # fmt: skip
    made = db.session.scalar(insert(Burst).values(values).on_conflict_do_nothing().returning(Burst.id))
    return made if made is not None else going_on([petition_id])[mark]


def note_sightings(sighted: Counter[Sighted], free: Collection[Mark] = ()) -> bool:
    """Add what was seen to the totals, and to bursts that are going on. Returns whether one of these waits to be swept.

    At the end of the transaction, in one order for all workers: others wait for these rows until it commits. `free` are
    marks of which no burst was known when the signatures were screened. Another worker may have found one, and may have had it
    swept, while ours could not be seen yet; then it is swept again.
    """
    if not sighted:
        return False
    rows = [
        {"petition_id": petition_id, "kind": kind, "key": key, "hour": hour, "total": total}
        for (petition_id, kind, key, hour), total in sorted(sighted.items())
    ]
    more = insert_rows(Sighting, rows)
    totals = db.session.execute(
        more.on_conflict_do_update(
            index_elements=["petition_id", "kind", "key", "hour"],
            set_={"total": Sighting.total + more.excluded.total},
        ).returning(Sighting.petition_id, Sighting.kind, Sighting.key, Sighting.total)
    ).all()
    newest = max(hour for _petition, _kind, _key, hour in sighted)
    bursts = going_on({petition_id for petition_id, *_ in sighted})
    for petition_id, kind, key, total in sorted(totals):
        if (burst_id := bursts.get((petition_id, kind, key))) is not None:
            later: dict[str, Any] = {
                "last_at": func.greatest(Burst.last_at, newest, func.now()),
                "seen": func.greatest(Burst.seen, total),
            }
            missed = (petition_id, kind, key) in free
            # A sweep holds the burst while it waits for signatures that we hold. What is passed over now is noted with the
            # next signatures, for these are totals; that something was missed is not.
            mine = select(Burst.id).where(Burst.id == burst_id).with_for_update(skip_locked=not missed, key_share=True)
            if missed:
                later["swept"] = False
            note = update(Burst).where(Burst.id.in_(mine)).values(later)
            db.session.execute(note, execution_options={"synchronize_session": False})
    return bool(bursts) and db.session.scalar(unswept().limit(1)) is not None


def unswept() -> Select[Burst]:
    """Bursts whose first hour is not held back yet, oldest first."""
    return select(Burst).where(~Burst.swept).order_by(Burst.id)


def end_quiet() -> None:
    """Bursts to which nothing was added for an hour are over."""
    quiet = Burst.ended_at.is_(None), Burst.swept, Burst.last_at < func.now() - WINDOW
    db.session.execute(
        update(Burst).where(*quiet).values(ended_at=func.now()).execution_options(synchronize_session=False)
    )


def forget_sightings() -> None:
    """Erase counts that no estimate needs any more."""
    db.session.execute(delete(Sighting).where(Sighting.hour < func.now() - REMEMBERED - WINDOW))
