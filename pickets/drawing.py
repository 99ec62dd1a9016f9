"""Drawing what the print room was asked for. Runs in the worker; keys and engines are passed in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, update

from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from pickets.models import City, Paper, PaperState, Picket
from pickets.papers import PaperKind, PicketFacts
from pickets.printing import WITH_PASS, kinds_for, plain_facts
from pickets.services import state_of

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
LEASE = timedelta(minutes=5)
"""How long a paper is one worker's. A pack takes half a minute; what a killed worker had begun is tried again after this."""

Draw = Callable[[PaperKind, PicketFacts], bytes]
DrawPack = Callable[[PicketFacts], bytes]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A paper that is ours to draw, as it was asked for at a moment."""

    picket_id: UUID
    kind: PaperKind
    wanted_at: datetime
    attempts: int


def draw_next(draw: Draw, draw_pack: DrawPack, keyring: Keyring) -> bool:
    """Draw the paper that waits longest. Commits. Returns whether there was one.

    It is drawn in no transaction, and its attempt is counted before: what kills a worker is given up like what raises.
    """
    claim = _claim()
    if claim is None:
        return False
    try:
        picket = db.session.get_one(Picket, claim.picket_id, populate_existing=True)
        if claim.kind not in kinds_for(state_of(picket)):
            _write(claim, state=PaperState.FAILED)  # It was cancelled, or is over, since this was asked for.
            return True
        facts, revision = _facts_of(picket, keyring), picket.revision
        db.session.rollback()
        content = draw_pack(facts) if claim.kind is PaperKind.PACK else draw(claim.kind, facts)
    except Exception as error:
        db.session.rollback()
        log.error("paper %s of picket %s not drawn: %s", claim.kind, claim.picket_id, describe(error))
        _write(claim, state=PaperState.WANTED if claim.attempts < MAX_ATTEMPTS else PaperState.FAILED)
    else:
        _write(claim, state=PaperState.READY, content=content, revision=revision, drawn_at=func.now())
    return True


def _claim() -> _Claim | None:
    """Take the paper that failed least and waits longest. Leases run on the database's clock. Commits."""
    free = Paper.state == PaperState.WANTED, or_(Paper.leased_until.is_(None), Paper.leased_until < func.now())
    row = db.session.execute(
        select(Paper.picket_id, Paper.kind, Paper.wanted_at, Paper.attempts)
        .where(*free)
        .order_by(Paper.attempts, Paper.wanted_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        db.session.rollback()
        return None
    claim = _Claim(row.picket_id, PaperKind(row.kind), row.wanted_at, row.attempts + 1)
    if claim.attempts > MAX_ATTEMPTS:
        log.error("paper %s of picket %s given up: its workers were killed", claim.kind, claim.picket_id)
        _write(claim, state=PaperState.FAILED)
        return _claim()
    _write(claim, attempts=claim.attempts, leased_until=func.now() + LEASE)
    return claim


def _write(claim: _Claim, **values: object) -> None:
    """Write, unless the paper was asked for anew meanwhile. Without `leased_until` among the values it is free. Commits."""
    same = Paper.picket_id == claim.picket_id, Paper.kind == claim.kind, Paper.wanted_at == claim.wanted_at
    db.session.execute(
        update(Paper).where(*same, Paper.state == PaperState.WANTED).values({"leased_until": None} | values),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def _facts_of(picket: Picket, keyring: Keyring) -> PicketFacts:
    """What is printed, with the pass: whoever signs by its code is counted for the place, in its hours.

    What nobody has agreed to has none; its codes lead to the form as any link does.
    """
    facts = plain_facts(picket, db.session.get_one(City, picket.city_id))
    if state_of(picket) not in WITH_PASS:
        return facts
    shown = keyring.make_pass(picket.petition_id, picket.code, picket.starts_at, picket.ends_at)
    return replace(facts, pass_url=f"{facts.sign_url}?pass={shown}")
