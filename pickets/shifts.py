"""Shifts move with their picket. Who takes which the console asks, and the worker answers to the browser that asked."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, select, update

from accounts.models import Account
from core.answers import public_key, read_answer
from core.audit import auditable, record
from core.extensions import db
from core.inbox import add_event
from core.queues import TaskName, wake
from pickets import services
from pickets.models import Paper, Picket, Shift, ShiftTaker
from pickets.papers import PaperKind

KIND = "shift_list"
ALIASES_READ = auditable("picket.shifts_read", _l("Read the aliases of those who take shifts of a picket"))


def move_shifts(picket: Picket, by: timedelta) -> None:
    """Shifts keep their place within the hours of a picket that moves. Who said yes to other hours has to confirm these. Does not commit."""
    mine = select(Shift.id).where(Shift.picket_id == picket.id)
    unseen = {"synchronize_session": False}
    later = {"starts_at": Shift.starts_at + by, "ends_at": Shift.ends_at + by}
    db.session.execute(update(Shift).where(Shift.picket_id == picket.id).values(later), execution_options=unseen)
    db.session.execute(
        update(ShiftTaker).where(ShiftTaker.shift_id.in_(mine)).values(confirmed_at=None), execution_options=unseen
    )


def mark_printed_old(picket_id: UUID) -> None:
    """What was printed of shifts is older than these, also what is being drawn just now. Does not commit."""
    # No picket has this revision; and what is drawn for an earlier wish is not kept (pickets.drawing).
    printed = Paper.picket_id == picket_id, Paper.kind.in_((PaperKind.SHIFTS, PaperKind.PACK))
    db.session.execute(
        update(Paper).where(*printed).values(revision=-1, wanted_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def ask_aliases(account: Account, picket_id: UUID, secret: str) -> UUID:
    """Ask the worker. Commits, wakes. Returns where its answer comes. Raises NotFoundError, UnavailableError."""
    page = services.find_picket(account, picket_id)
    event_id = uuid4()
    add_event(KIND, None, {"v": 1, "picket": str(picket_id), "answer_key": public_key(secret, event_id)}, event_id)
    where = {"petition_id": page.picket.petition_id, "country_code": page.city.country_code}
    record(ALIASES_READ, account.id, "picket", picket_id, **where)  # type: ignore[arg-type]  # Each goes to its own parameter.
    db.session.commit()
    wake(TaskName.DRAIN)
    return event_id


def read_aliases(event_id: UUID, secret: str) -> dict[str, list[tuple[str, bool]]] | None:
    """Aliases by shift, each with whether it was confirmed. None while no answer came (or in another browser)."""
    found = read_answer(event_id, secret)
    try:
        return None if found is None else json.loads(found)
    except ValueError:
        return None  # The answer to something else.
