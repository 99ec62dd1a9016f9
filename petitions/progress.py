"""What the clock and the count bring: petitions that are over, milestones that are reached. Runs in the worker."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.extensions import db
from petitions.models import Milestone, Petition, PetitionState, Report, SignatureState, Tally
from petitions.rules import milestones_up_to

REPORTS_KEPT_FOR = timedelta(days=30)


def close_ended() -> None:
    """Petitions whose closing time is over are closed. Commits. The public sees them so from the moment itself."""
    over = Petition.state == PetitionState.OPEN, Petition.closes_at <= func.now()
    db.session.execute(
        update(Petition)
        .where(*over)
        .values(state=PetitionState.CLOSED, state_changed_at=func.now())
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def record_milestones() -> None:
    """Write down which steps of the ladder, and which thresholds, petitions have reached for the first time. Commits.

    Not in the transaction that counts: two that count at once see neither's signatures, and both would miss a step.
    """
    counted = select(Tally.petition_id, func.sum(Tally.total).label("total")).where(
        Tally.state == SignatureState.COUNTED, Tally.total > 0
    )
    totals = counted.group_by(Tally.petition_id).subquery()
    newest = (
        select(func.coalesce(func.max(Milestone.total), 0))
        .where(Milestone.petition_id == Petition.id)
        .correlate(Petition)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Petition.id, Petition.thresholds, totals.c.total, newest)
        .join(totals, totals.c.petition_id == Petition.id)
        .where(totals.c.total > newest)
    ).all()
    reached = [
        {"petition_id": petition_id, "total": step}
        for petition_id, thresholds, total, highest in rows
        for step in milestones_up_to(total, thresholds)
        if step > highest
    ]
    if reached:
        db.session.execute(insert(Milestone).values(reached).on_conflict_do_nothing())
    db.session.commit()


def forget_reports() -> None:
    """Erase what visitors reported, some time after a reviewer dealt with it. Does not commit."""
    dealt_with = Report.state != "new", Report.decided_at < func.now() - REPORTS_KEPT_FOR
    db.session.execute(delete(Report).where(*dealt_with), execution_options={"synchronize_session": False})
