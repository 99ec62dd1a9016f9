"""Drawing what the print room was asked for. Runs in the worker; keys and engines are passed in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from sqlalchemy import func, select

from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.queues import TaskName, wake
from pickets.models import City, Paper, PaperState, Picket
from pickets.papers import PaperKind, PicketFacts
from pickets.printing import plain_facts

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
DRAWN_AT_ONCE = 3
"""Papers that one run draws, so that mails need not wait for a whole print room."""

Draw = Callable[[PaperKind, PicketFacts], bytes]
DrawPack = Callable[[PicketFacts], bytes]


def draw_due(draw: Draw, draw_pack: DrawPack, keyring: Keyring) -> None:
    """Draw what was asked for, the oldest first. Commits after each; wakes when some are left."""
    for _turn in range(DRAWN_AT_ONCE):
        wanted = select(Paper).where(Paper.state == PaperState.WANTED).order_by(Paper.wanted_at).limit(1)
        paper = db.session.scalar(wanted.with_for_update(skip_locked=True))
        if paper is None:
            db.session.rollback()
            return
        paper.attempts += 1
        try:
            facts = _facts_of(paper.picket_id, keyring)
            kind = PaperKind(paper.kind)
            paper.content = draw_pack(facts) if kind is PaperKind.PACK else draw(kind, facts)
        except Exception as error:
            log.error("paper %s of picket %s not drawn: %s", paper.kind, paper.picket_id, describe(error))
            if paper.attempts >= MAX_ATTEMPTS:
                paper.state = PaperState.FAILED
        else:
            paper.state, paper.drawn_at = PaperState.READY, func.now()
            paper.revision = db.session.get_one(Picket, paper.picket_id).revision
        db.session.commit()
    wake(TaskName.PICKETS)


def _facts_of(picket_id: UUID, keyring: Keyring) -> PicketFacts:
    """What is printed, with the pass: whoever signs by its code is counted for the place, in its hours."""
    picket = db.session.get_one(Picket, picket_id, populate_existing=True)
    facts = plain_facts(picket, db.session.get_one(City, picket.city_id))
    shown = keyring.make_pass(picket.petition_id, picket.code, picket.starts_at, picket.ends_at)
    return replace(facts, pass_url=f"{facts.sign_url}?pass={shown}")
