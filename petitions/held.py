"""What reviewers see of signatures that were held back, and what they decide about them. The worker does it (quarantine.py).

They see reasons, scores, the country, the hour and a large provider's domain; no name and no address. One person decides
about ALONE_A_DAY of a petition in a day, more take a second person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import url_for
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import ARRAY, ColumnElement, Select, String, Uuid, any_, case, cast, func, literal, select, update
from sqlalchemy.orm import load_only

from accounts import desk
from accounts.approvals import AlreadyDecidedError, ApprovalKind, register, request_approval
from accounts.desk import Waiting
from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action, covered_petitions, may, may_somewhere
from core.audit import auditable, record
from core.errors import DomainError, NotFoundError
from core.extensions import db
from core.i18n import current_language
from core.lists import Listing, read_page
from core.queues import TaskName, wake
from petitions import services
from petitions.held_forms import HeldFilter
from petitions.models import Burst, Decision, DecisionState, Hold, Petition
from petitions.rules import ALONE_A_DAY

HELD_RELEASED = auditable("held.released", _l("Decided to release signatures that were held back"))
HELD_REJECTED = auditable("held.rejected", _l("Decided to reject signatures that were held back"))
HELD_UNDONE = auditable("held.undone", _l("Undid a decision about signatures that were held back"))

_DECIDING = 3
"""The first number of the advisory locks of `_keep_apart`."""
UNDO_WITHIN = timedelta(days=7)
"""How long a decision can be undone. Until then what was rejected is kept."""
DECISION_KIND_LABELS = {"release": _l("Release"), "reject": _l("Reject")}
_ACTIONS = {"release": HELD_RELEASED, "reject": HELD_REJECTED}


class NeedsReasonError(DomainError):
    """So many that a second person has to agree, who must be told why."""


class NothingChosenError(DomainError):
    """None of what was chosen waits any more."""


@dataclass(frozen=True, slots=True)
class Group:
    """Signatures that were held back for one and the same reason."""

    code: str
    """Code of the heaviest check."""
    burst: Burst | None
    total: int
    confirmed: int
    first: datetime
    last: datetime
    countries: int

    @property
    def name(self) -> str:
        """As it stands in addresses."""
        return f"{self.code}-{self.burst.id}" if self.burst else self.code


def find_reviewed(account: Account, petition_id: int) -> Petition:
    """A petition whose held-back signatures this account may decide about. Raises NotFoundError."""
    petition = db.session.get(Petition, petition_id)
    if petition is None or not may(account, Action.DECIDE_HELD, petition_id, None):
        raise NotFoundError
    if petition.state in services.NEVER_PUBLIC:
        raise NotFoundError
    return petition


def _waiting(petition_id: int) -> Select[Hold]:
    return select(Hold).where(Hold.petition_id == petition_id, Hold.decision_id.is_(None))


def _in_group(name: str) -> tuple[ColumnElement[bool], ...]:
    code, _, number = name.partition("-")
    burst = Hold.burst_id == int(number) if number.isdecimal() and len(number) < 10 else Hold.burst_id.is_(None)
    return Hold.reasons[1] == code, burst


def list_groups(petition_id: int) -> list[Group]:
    """What waits for a decision, largest group first."""
    code = Hold.reasons[1]
    columns = (
        code,
        Hold.burst_id,
        func.count(),
        func.count().filter(Hold.confirmed),
        func.min(Hold.hour),
        func.max(Hold.hour),
        func.count(Hold.country_code.distinct()),
    )
    rows = db.session.execute(
        _waiting(petition_id)
        .with_only_columns(*columns)
        .group_by(code, Hold.burst_id)
        .order_by(func.count().desc(), code)
    ).all()
    here = select(Burst).options(_READABLE).where(Burst.id.in_([row[1] for row in rows if row[1] is not None]))
    bursts = {one.id: one for one in db.session.scalars(here)}
    return [Group(row[0], bursts.get(row[1]), *row[2:]) for row in rows]


# Not its key, which the console may not read.
_READABLE = load_only(Burst.kind, Burst.domain, Burst.since, Burst.last_at, Burst.seen, Burst.ended_at, raiseload=True)


def find_group(petition_id: int, name: str) -> Group:
    """One of them. Raises NotFoundError, also when nothing of it waits any more."""
    found = next((one for one in list_groups(petition_id) if one.name == name), None)
    if found is None:
        raise NotFoundError
    return found


def list_held(petition_id: int, group: str, form: HeldFilter) -> Listing[Hold]:
    """The signatures of a group, as the filters want them."""
    form.settle()
    sorts = {"hour": Hold.hour, "score": Hold.score, "country": Hold.country_code, "id": Hold.signature_id}
    return read_page(_filtered(petition_id, group, form), sorts, "-score", form)


def _filtered(petition_id: int, group: str, form: HeldFilter) -> Select[Hold]:
    query = _waiting(petition_id).where(*_in_group(group))
    if form.country.data:
        query = query.where(Hold.country_code == form.country.data)
    if form.confirmed.data:
        query = query.where(Hold.confirmed == (form.confirmed.data == "yes"))
    return query


def countries_held(petition_id: int, group: str) -> Sequence[str]:
    """Countries of residence of a group's signers."""
    query = _waiting(petition_id).where(*_in_group(group)).with_only_columns(Hold.country_code).distinct()
    return db.session.scalars(query.order_by(Hold.country_code)).all()


def now() -> datetime:
    """The moment at which a list is shown: what is held back later is not decided with it."""
    return db.session.scalars(select(func.now())).one()


def decide(
    account: Account,
    petition_id: int,
    kind: str,
    group: str,
    shown_at: datetime,
    chosen: Sequence[UUID] | HeldFilter,
    reason: str,
) -> Decision:
    """Release or reject what was chosen one by one, or all of a group that the filters leave, as far as it stood there at
    `shown_at`. Commits and wakes the worker.

    Raises NotFoundError, NothingChosenError, and NeedsReasonError when a second person has to agree and is told no reason.
    """
    find_reviewed(account, petition_id)
    moment = _keep_apart(account)
    if isinstance(chosen, HeldFilter):
        query = _filtered(petition_id, group, chosen)
    else:
        query = _waiting(petition_id).where(*_in_group(group), Hold.signature_id.in_(chosen))
    # Of two who decide at once the second waits here, and finds what the first has left.
    wanted = query.where(Hold.held_at <= shown_at).with_only_columns(Hold.signature_id, Hold.burst_id)
    rows = db.session.execute(wanted.order_by(Hold.signature_id).with_for_update()).all()
    if not rows:
        db.session.rollback()
        raise NothingChosenError
    decision = Decision(
        id=uuid4(),
        petition_id=petition_id,
        kind=kind,
        reason=group.partition("-")[0],
        burst_id=rows[0].burst_id,
        total=len(rows),
        state=DecisionState.READY,
        requested_by=account.id,
        requested_at=moment,
    )
    alone = db.session.scalars(select(decided_alone(petition_id, account.id, moment))).one()
    if alone + len(rows) > ALONE_A_DAY:
        if not reason:
            db.session.rollback()
            raise NeedsReasonError
        decision.state = DecisionState.WAITING
    db.session.add(decision)
    db.session.flush()
    # One parameter, because there may be more of them than a statement can have.
    ids = literal([row.signature_id for row in rows], ARRAY(Uuid))
    db.session.execute(
        update(Hold).where(Hold.signature_id == any_(ids)).values(decision_id=decision.id),
        execution_options={"synchronize_session": False},
    )
    if decision.state == DecisionState.WAITING:
        told = {"kind": kind, "total": decision.total}
        request_approval(KIND, account, decision.id, reason, petition_id=petition_id, details=told)
    _write_down(account.id, decision)
    db.session.commit()
    wake(TaskName.QUARANTINE)
    return decision


def _keep_apart(account: Account) -> datetime:
    """Have what one person decides at once, in two windows say, come one after the other. Returns the moment of this one."""
    db.session.execute(select(func.pg_advisory_xact_lock(_DECIDING, account.id)))
    return db.session.scalars(select(func.clock_timestamp())).one()


def decided_alone(petition_id: Any, account_id: Any, until: Any) -> Any:
    """How many signatures of a petition somebody decided about within a day before `until` without a second person; a
    scalar of SQL."""
    theirs = Decision.petition_id == petition_id, Decision.requested_by == account_id
    day = Decision.requested_at > until - timedelta(days=1), Decision.requested_at <= until
    gone = DecisionState.WAITING, DecisionState.REFUSED
    total = select(func.coalesce(func.sum(Decision.total), 0)).where(*theirs, *day)
    return total.where(Decision.state.not_in(gone), ~is_agreed(Decision.id)).scalar_subquery()


def is_agreed(decision_id: Any) -> ColumnElement[bool]:
    """Whether a second person agreed."""
    theirs = Approval.kind == KIND.name, Approval.object_id == cast(decision_id, String)
    return select(Approval.id).where(*theirs, Approval.state == ApprovalState.APPROVED).exists()


def list_decisions(petition_id: int) -> Sequence[Decision]:
    """What was decided and can still be undone, or waits for a second person; newest first."""
    # Of one that a second person refused nothing was done, and that it was refused is what ended it.
    ended_at = func.coalesce(Decision.done_at, case((Decision.state == DecisionState.REFUSED, Decision.decided_at)))
    recent = ended_at.is_(None) | (ended_at > func.now() - UNDO_WITHIN)
    query = select(Decision).where(Decision.petition_id == petition_id, recent)
    return db.session.scalars(query.order_by(Decision.requested_at.desc(), Decision.id).limit(50)).all()


def undo(account: Account, petition_id: int, decision_id: UUID) -> Decision:
    """Hold back again what was decided about. Commits and wakes the worker. Raises NotFoundError, AlreadyDecidedError."""
    find_reviewed(account, petition_id)
    decision = db.session.get(Decision, decision_id, with_for_update=True, populate_existing=True)
    if decision is None or decision.petition_id != petition_id:
        db.session.rollback()
        raise NotFoundError
    in_time = decision.done_at is None or decision.done_at > now() - UNDO_WITHIN
    if decision.state not in (DecisionState.READY, DecisionState.DONE) or not in_time:
        db.session.rollback()
        raise AlreadyDecidedError
    decision.state, decision.undone_by = DecisionState.UNDO, account.id
    record(HELD_UNDONE, account.id, "decision", decision.id, petition_id=petition_id, total=decision.total)
    db.session.commit()
    wake(TaskName.QUARANTINE)
    return decision


def _write_down(account_id: int, decision: Decision) -> None:
    record(
        _ACTIONS[decision.kind],
        account_id,
        "decision",
        decision.id,
        petition_id=decision.petition_id,
        total=decision.total,
        reason=decision.reason,
        alone=decision.state == DecisionState.READY,
    )


# --- The second person --------------------------------------------------------------------------------------------------


def _decision_of(approval: Approval) -> Decision:
    return db.session.get_one(Decision, UUID(approval.object_id), with_for_update=True, populate_existing=True)


def _describe(approval: Approval) -> str:
    decision = db.session.get_one(Decision, UUID(approval.object_id))
    title = services.title_of(decision.petition_id, current_language()).title
    number = decision.total
    if decision.kind == "release":
        return ngettext(
            "Release %(num)s signature: %(title)s", "Release %(num)s signatures: %(title)s", number, title=title
        )
    return ngettext("Reject %(num)s signature: %(title)s", "Reject %(num)s signatures: %(title)s", number, title=title)


def _carry_out(approval: Approval) -> None:
    decision = _decision_of(approval)
    if decision.state != DecisionState.WAITING:
        db.session.rollback()
        raise AlreadyDecidedError
    decision.state, decision.decided_at = DecisionState.READY, func.now()


def _turn_down(approval: Approval) -> None:
    decision = _decision_of(approval)
    if decision.state == DecisionState.WAITING:
        decision.state, decision.decided_at = DecisionState.REFUSED, func.now()
        db.session.flush()
        db.session.execute(
            update(Hold).where(Hold.decision_id == decision.id).values(decision_id=None),
            execution_options={"synchronize_session": False},
        )


def _page_of(approval: Approval) -> str:
    return url_for("petitions_console.decision", petition_id=approval.petition_id, decision_id=approval.object_id)


KIND = register(
    ApprovalKind(
        "held_decision",
        _l("Deciding about signatures that were held back"),
        Action.DECIDE_HELD,
        _describe,
        _carry_out,
        _turn_down,
        page=_page_of,
        after_commit=lambda _approval: wake(TaskName.QUARANTINE),
    )
)


def find_decision(account: Account, petition_id: int, decision_id: UUID) -> Decision:
    """A decision about signatures of this petition. Raises NotFoundError."""
    find_reviewed(account, petition_id)
    decision = db.session.get(Decision, decision_id)
    if decision is None or decision.petition_id != petition_id:
        raise NotFoundError
    return decision


def decided_holds(decision: Decision) -> Sequence[tuple[str, str | None, datetime, int, int]]:
    """What a decision is about, as a second person reads it: country, provider, hour, how many, and how many confirmed."""
    columns = Hold.country_code, Hold.provider, Hold.hour
    query = select(*columns, func.count(), func.count().filter(Hold.confirmed)).where(Hold.decision_id == decision.id)
    rows = db.session.execute(query.group_by(*columns).order_by(func.count().desc(), *columns).limit(200))
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


@desk.waits
def _held_wait(account: Account) -> Iterable[Waiting]:
    if not may_somewhere(account, Action.DECIDE_HELD):
        return
    covered = covered_petitions(account, Action.DECIDE_HELD)
    query = select(Hold.petition_id, func.count()).where(Hold.decision_id.is_(None)).group_by(Hold.petition_id)
    if None not in covered:
        query = query.where(Hold.petition_id.in_(covered))
    for petition_id, number in db.session.execute(query.order_by(Hold.petition_id)):
        title = services.title_of(petition_id, current_language()).title
        text = ngettext(
            "%(num)s signature is held back: %(title)s",
            "%(num)s signatures are held back: %(title)s",
            number,
            title=title,
        )
        yield Waiting(text, url_for("petitions_console.held", petition_id=petition_id), urgent=True)
