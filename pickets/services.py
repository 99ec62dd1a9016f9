"""Pickets on the console: which of them somebody sees and looks after, and where one stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, String, and_, cast, false, func, or_, select, true

from accounts.mailing import News, tell_if_possible
from accounts.models import Account, Approval, ApprovalState, Grant
from accounts.permissions import RULES, Action, may
from core.config import current_config
from core.errors import NotFoundError, NotNowError
from core.extensions import db
from core.lists import FilterForm, Listing, read_page
from core.outbox import OutboxMail
from petitions.models import Addressee, Petition, PetitionState
from pickets import gate
from pickets.assembly import find_rule
from pickets.gate import Facts, Gate
from pickets.models import (
    AssemblyNotice,
    Broadcast,
    BroadcastMail,
    City,
    Participant,
    ParticipantState,
    Picket,
    PicketOrganiser,
    PicketState,
    Shift,
    ShiftTaker,
)

REVIEW = "picket"
"""The kind of approval by which a picket becomes public; registered in filing.py."""
OVER = (PicketState.HELD, PicketState.REPORTED, PicketState.CANCELLED)
REPORT_WITHIN = timedelta(days=30)
EDITABLE = (PicketState.DRAFT, PicketState.NOTIFIED, PicketState.ANNOUNCED)


@dataclass(frozen=True, slots=True)
class PicketPage:
    """What every page of one picket needs."""

    picket: Picket
    city: City
    ministry: Addressee
    notice: AssemblyNotice
    state: PicketState
    organisers: Sequence[PicketOrganiser]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the city."""
        return ZoneInfo(self.city.timezone)

    @property
    def starts(self) -> datetime:
        """When it starts, as clocks there show it."""
        return self.picket.starts_at.astimezone(self.zone)

    @property
    def ends(self) -> datetime:
        """When it ends, likewise."""
        return self.picket.ends_at.astimezone(self.zone)


@dataclass(frozen=True, slots=True)
class PicketLine:
    """A picket in a list."""

    picket: Picket
    city: City
    state: PicketState


@dataclass(frozen=True, slots=True)
class Coming:
    """How many come. Those who have not confirmed their address are not told: an organiser could try whether an address is known."""

    people: int
    joined: int


@dataclass(frozen=True, slots=True)
class ToldLine:
    """What all participants with an address were told, and to how many of them."""

    kind: str
    created_at: datetime
    finished_at: datetime | None
    """None while mails are still being queued."""
    queued: int
    """What is neither sent nor failed waits, or was no longer to be sent when its turn came."""
    sent: int
    failed: int
    """Could not be delivered."""


def now() -> datetime:
    """By the database's clock, which decides what is over."""
    return db.session.scalars(select(func.now())).one().astimezone(UTC)


def may_look_after(account: Account, picket: Picket, country_code: str) -> bool:
    """Whether this account may change a picket: one of its organisers, or a coordinator of its petition and country.

    An organiser who has lost the role may not any more.
    """
    if may(account, Action.DECIDE_PICKET, picket.petition_id, country_code):
        return True
    mine = select(PicketOrganiser.account_id).where(
        PicketOrganiser.picket_id == picket.id,
        PicketOrganiser.account_id == account.id,
        PicketOrganiser.accepted_at.is_not(None),
    )
    return (
        may(account, Action.ANNOUNCE_PICKET, picket.petition_id, country_code) and db.session.scalar(mine) is not None
    )


def find_picket(account: Account, picket_id: UUID) -> PicketPage:
    """A picket that this account looks after. Raises NotFoundError, as for one that is not there."""
    row = db.session.execute(
        select(Picket, City, Addressee, AssemblyNotice)
        .join(City, City.id == Picket.city_id)
        .join(Addressee, Addressee.id == Picket.addressee_id)
        .join(AssemblyNotice, AssemblyNotice.picket_id == Picket.id)
        .where(Picket.id == picket_id)
    ).first()
    if row is None or not may_look_after(account, row[0], row[1].country_code):
        raise NotFoundError
    organisers = db.session.scalars(
        select(PicketOrganiser).where(PicketOrganiser.picket_id == picket_id).order_by(PicketOrganiser.asked_at)
    ).all()
    picket, city, ministry, notice = row
    return PicketPage(picket, city, ministry, notice, state_of(picket), organisers)


def ministry_of(picket: Picket) -> Addressee:
    """Whom it stands in front of."""
    return db.session.get_one(Addressee, picket.addressee_id)


def state_of(picket: Picket) -> PicketState:
    """Where it stands now: a review that ran out has left a draft, and what was announced and has ended is over."""
    if picket.state == PicketState.REVIEW and waiting_review(picket.id) is None:
        return PicketState.DRAFT
    if picket.state == PicketState.ANNOUNCED and picket.ends_at <= now():
        return PicketState.HELD
    return PicketState(picket.state)


def waiting_review(picket_id: UUID) -> Approval | None:
    """The request that a coordinator has not decided yet."""
    return db.session.scalar(
        select(Approval).where(
            Approval.kind == REVIEW,
            Approval.object_id == str(picket_id),
            Approval.state == ApprovalState.PENDING,
            Approval.expires_at > func.now(),
        )
    )


def last_review(picket_id: UUID) -> Approval | None:
    """The newest request that a coordinator decided, that ran out, or that waits."""
    newest = select(Approval).where(Approval.kind == REVIEW, Approval.object_id == str(picket_id))
    return db.session.scalar(newest.order_by(Approval.requested_at.desc()).limit(1))


def somebody_may(action: Action, picket_id: UUID, but: int | None = None) -> bool:
    """Whether anybody who can log in, other than `but`, may do this with a picket."""
    able = (
        select(Account.id)
        .select_from(Picket)
        .join(City, City.id == Picket.city_id)
        .join(Grant, _grants(action))
        .join(Account, Account.id == Grant.account_id)
        .where(Picket.id == picket_id, Account.is_active, Account.enrolled_at.is_not(None))
    )
    return db.session.scalar(able.where(Account.id.is_distinct_from(but)).limit(1)) is not None


def _grants(action: Action) -> ColumnElement[bool]:
    """That a `Grant` covers an action on a `Picket` joined with its `City`."""
    return and_(
        Grant.role.in_(RULES[action].roles or ()),
        or_(Grant.petition_id.is_(None), Grant.petition_id == Picket.petition_id),
        or_(Grant.country_code.is_(None), Grant.country_code == City.country_code),
    )


def petition_state_of(picket: Picket) -> PetitionState:
    """Where its petition stands, on which it depends whether the picket is public and papers can be signed."""
    return PetitionState(db.session.get_one(Petition, picket.petition_id).state)


def tell_organisers(picket_id: UUID, but: int | None) -> None:
    """Write to those who organise a picket, other than `but`, that there is news of it. Does not commit."""
    mine = PicketOrganiser.picket_id == picket_id, PicketOrganiser.accepted_at.is_not(None)
    people = select(Account).join(PicketOrganiser).where(*mine, Account.is_active, Account.id.is_distinct_from(but))
    for account in db.session.scalars(people):
        tell_if_possible(account, News.PICKET, link=f"{current_config().console_url}/pickets/{picket_id}")


def begin_change(account: Account, picket_id: UUID, *states: PicketState) -> PicketPage:
    """A picket, locked until the end of the transaction, in one of these states. Raises NotFoundError, NotNowError.

    Whoever joins meanwhile waits (pickets.attending): a change reaches them, or they find it made.
    """
    find_picket(account, picket_id)
    db.session.get(Picket, picket_id, with_for_update={"key_share": True}, populate_existing=True)
    page = find_picket(account, picket_id)
    if page.state not in states:
        db.session.rollback()
        raise NotNowError
    return page


def move(picket: Picket, state: PicketState) -> None:
    """Put a picket into a state, from this moment on. Does not commit."""
    picket.state, picket.state_changed_at = state, func.now()
    db.session.flush()


def facts_of(picket: Picket, city: City, notice: AssemblyNotice) -> Facts:
    """What the publication gate looks at."""
    zone = ZoneInfo(city.timezone)
    return Facts(
        rule=find_rule(city.country_code, city.region, city.name, picket.mode),
        mode=picket.mode,
        route=notice.route or None,
        starts_at=picket.starts_at.astimezone(zone),
        zone=zone,
        country=city.country_code,
        region=city.region,
        people=picket.people,
        eligible=notice.eligible,
        filed_at=notice.filed_at,
        granted=notice.granted,
        answer=bool(notice.answer),
        brief_read=notice.brief_read_at is not None,
    )


def look_at_gate(page: PicketPage) -> Gate:
    """What stands between this picket and the public, now."""
    return gate.look(facts_of(page.picket, page.city, page.notice), now())


def covered(account: Account, action: Action) -> ColumnElement[bool]:
    """What of `Picket` joined with `City` this account's roles cover for an action, for queries."""
    return or_(
        false(),
        *(
            and_(
                Picket.petition_id == grant.petition_id if grant.petition_id is not None else true(),
                City.country_code == grant.country_code if grant.country_code is not None else true(),
            )
            for grant in account.grants
            if grant.role in (RULES[action].roles or ())
        ),
    )


def mine(account: Account) -> Select[Picket]:
    """Pickets that this account looks after, joined with their cities, as a query to be narrowed."""
    own = select(PicketOrganiser.picket_id).where(
        PicketOrganiser.account_id == account.id, PicketOrganiser.accepted_at.is_not(None)
    )
    return (
        select(Picket)
        .join(City, City.id == Picket.city_id)
        .where(
            or_(
                covered(account, Action.DECIDE_PICKET),
                and_(Picket.id.in_(own), covered(account, Action.ANNOUNCE_PICKET)),
            )
        )
    )


def list_pickets(account: Account, form: FilterForm) -> Listing[PicketLine]:
    """Those pickets, the next first; `form` has `state` and `country`."""
    form.settle()
    query = mine(account)
    if form["state"].data:
        query = query.where(Picket.state == form["state"].data)
    if form["country"].data:
        query = query.where(City.country_code == form["country"].data)
    sorts = {"when": Picket.starts_at, "city": City.name, "code": Picket.code}
    return read_page(query, sorts, "-when", form).map(_line)


def _line(picket: Picket) -> PicketLine:
    return PicketLine(picket, db.session.get_one(City, picket.city_id), state_of(picket))


def count_coming(picket_id: UUID) -> Coming:
    """How many said that they come. Who they are is nobody's to know."""
    coming = Participant.picket_id == picket_id, Participant.state == ParticipantState.COMING
    totals = select(func.coalesce(func.sum(Participant.people), 0), func.count()).where(*coming)
    return Coming(*db.session.execute(totals).one())


def list_shifts(picket_id: UUID) -> list[tuple[Shift, int, int]]:
    """Shifts in their order, each with how many took it and how many of these have confirmed."""
    taken = (
        select(
            ShiftTaker.shift_id,
            func.count().label("taken"),
            func.count(ShiftTaker.confirmed_at).label("confirmed"),
        )
        .group_by(ShiftTaker.shift_id)
        .subquery()
    )
    rows = db.session.execute(
        select(Shift, func.coalesce(taken.c.taken, 0), func.coalesce(taken.c.confirmed, 0))
        .outerjoin(taken, taken.c.shift_id == Shift.id)
        .where(Shift.picket_id == picket_id)
        .order_by(Shift.starts_at, Shift.role, Shift.id)
    )
    return [(shift, number, confirmed) for shift, number, confirmed in rows]


def list_broadcasts(picket_id: UUID) -> list[ToldLine]:
    """What participants were told, the last first."""
    ended = (
        select(
            func.count().filter(OutboxMail.state == "sent").label("sent"),
            func.count().filter(OutboxMail.state == "failed").label("failed"),
        )
        .join(BroadcastMail, BroadcastMail.mail_id == OutboxMail.id)
        .where(BroadcastMail.broadcast_id == Broadcast.id)
        .lateral()
    )
    rows = db.session.execute(
        select(
            *(Broadcast.kind, Broadcast.created_at, Broadcast.finished_at, Broadcast.queued),
            func.coalesce(Broadcast.sent, ended.c.sent),
            func.coalesce(Broadcast.failed, ended.c.failed),
        )
        .join(ended, true())
        .where(Broadcast.picket_id == picket_id)
        .order_by(Broadcast.created_at.desc())
    )
    return [ToldLine(*row) for row in rows]


def names_of(organisers: Sequence[PicketOrganiser]) -> dict[int, str]:
    """Names of accounts by number."""
    numbers = [one.account_id for one in organisers]
    rows = db.session.execute(select(Account.id, Account.name).where(Account.id.in_(numbers)))
    return {number: name for number, name in rows}  # noqa: C416  # Rows are no pairs to a type checker.


def city_of(city_id: int) -> City:
    """A city. Raises NotFoundError."""
    city = db.session.get(City, city_id)
    if city is None:
        raise NotFoundError
    return city


# --- What waits --------------------------------------------------------------------------------------------------------------


def unfinished(account: Account) -> list[PicketLine]:
    """One's own drafts that are still to come, those included about which nobody answered."""
    pending = Approval.kind == REVIEW, Approval.state == ApprovalState.PENDING, Approval.expires_at > func.now()
    asked = select(Approval.id).where(*pending, Approval.object_id == cast(Picket.id, String)).exists()
    drafts = or_(Picket.state == PicketState.DRAFT, and_(Picket.state == PicketState.REVIEW, ~asked))
    return _lines_of(_own(account).where(drafts, Picket.starts_at > func.now()))


def without_report(account: Account) -> list[PicketLine]:
    """One's own pickets that are over, for as long as anybody remembers."""
    over = Picket.ends_at.between(func.now() - REPORT_WITHIN, func.now())
    held = Picket.state.in_((PicketState.ANNOUNCED, PicketState.HELD))
    return _lines_of(_own(account).where(over, held))


def _own(account: Account) -> Select[Picket]:
    own = select(PicketOrganiser.picket_id).where(
        PicketOrganiser.account_id == account.id, PicketOrganiser.accepted_at.is_not(None)
    )
    return mine(account).where(Picket.id.in_(own))


def _lines_of(query: Select[Picket]) -> list[PicketLine]:
    return [_line(one) for one in db.session.scalars(query.order_by(Picket.starts_at).limit(20))]


def orphaned(account: Account) -> list[PicketLine]:
    """Coming pickets of a coordinator's that nobody looks after any more, because every organiser has lost the role."""
    coming = Picket.starts_at > func.now(), Picket.state.in_((PicketState.NOTIFIED, PicketState.ANNOUNCED))
    organised = (
        select(PicketOrganiser.account_id)
        .join(Account)
        .join(Grant, Grant.account_id == Account.id)
        .where(PicketOrganiser.picket_id == Picket.id, PicketOrganiser.accepted_at.is_not(None))
        .where(Account.is_active, _grants(Action.ANNOUNCE_PICKET))
        .correlate(Picket, City)
        .exists()
    )
    query = select(Picket).join(City, City.id == Picket.city_id)
    return _lines_of(query.where(covered(account, Action.DECIDE_PICKET), *coming, ~organised))


def offers_waiting(account: Account) -> int:
    """How many people offer to organise one's pickets with one."""
    here = _own(account).with_only_columns(Picket.id)
    waiting = PicketOrganiser.picket_id.in_(here), PicketOrganiser.accepted_at.is_(None)
    return db.session.scalars(select(func.count()).select_from(PicketOrganiser).where(*waiting)).one()
