"""What organisers do with a picket: write it down, join one that stands already, change it, hand it on, call it off."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from accounts import approvals
from accounts.models import Account
from accounts.permissions import Action, may
from core.audit import auditable, record
from core.errors import DomainError, EditedMeanwhileError, NotFoundError
from core.extensions import db
from core.queues import TaskName, wake
from petitions import services as petition_services
from petitions.models import Addressee
from pickets import gate, services, shifts
from pickets.cities import kilometres_between
from pickets.models import (
    AssemblyNotice,
    Broadcast,
    BroadcastKind,
    City,
    Picket,
    PicketOrganiser,
    PicketState,
    Shift,
    ShiftTaker,
)
from pickets.services import EDITABLE, PicketPage

PICKET_WRITTEN = auditable("picket.written", _l("Wrote down a picket"))
PICKET_CHANGED = auditable("picket.changed", _l("Changed a picket"))
PICKET_CANCELLED = auditable("picket.cancelled", _l("Cancelled a picket"))
HELP_OFFERED = auditable("picket.offered_help", _l("Offered to organise a picket with others"))
ORGANISER_ADDED = auditable("picket.organiser_added", _l("Took somebody in as an organiser of a picket"))

NEAR_KILOMETRES = 30
NEAR_DAYS = timedelta(days=3)
CODE_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without those that are taken for each other on paper."""
PUBLIC_FACTS = ("starts_at", "ends_at", "place", "district", "place_shown")
"""What participants have to learn when it changes."""
FILED_FACTS = ("starts_at", "ends_at", "place", "mode")
"""What stands in the notice that the authority has."""
RULED_FACTS = ("starts_at", "people", "mode")
"""What the rules of assembly depend on."""
WEIGHED_ANEW = {"starts_at": {"late", "early", "route", "no_figure"}, "people": {"small", "large"}}
"""To what of pickets.gate a coordinator agreed for these facts alone; what was agreed for one mode holds for no other."""


class NearbyError(DomainError):
    """Another picket stands near this one, for the same addressee, at about the same time. Nothing was changed."""

    def __init__(self, pickets: Sequence[NearbyPicket]) -> None:
        super().__init__()
        self.pickets = pickets


class NotYourCountryError(DomainError):
    """The account's roles do not cover this petition in this country. Nothing was changed."""


class NotAddressedError(DomainError):
    """The petition is not addressed to whom was chosen, or to nobody of this country. Nothing was changed."""


class WordWouldBeNeededError(DomainError):
    """With this change the rules would hold the picket back, so it needs to be announced anew. Nothing was changed."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__()
        self.reasons = reasons
        """What the rules say, in the language in force."""


class AuthorityNotToldError(DomainError):
    """When or where has changed, and nobody has said that the authority knows. Nothing was changed."""


class TakenShiftError(DomainError):
    """Somebody has taken this shift. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class NearbyPicket:
    """One that stands already."""

    picket: Picket
    city: City
    kilometres: int
    is_mine: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked form: where, for whom, and the other columns of `Picket`."""

    city: City
    petition_id: int
    addressee_id: int | None
    """None for the ministry of the city's country."""
    values: Mapping[str, Any]


def announce_picket(account: Account, wish: Wish) -> UUID:
    """Write down a picket as a draft. Commits. Returns its id.

    Raises NotYourCountryError, NotAddressedError, NearbyError when one stands already and `differs` does not say why this is another.
    """
    if not may(account, Action.ANNOUNCE_PICKET, wish.petition_id, wish.city.country_code):
        raise NotYourCountryError
    addressee = _addressee_of(wish)
    picket = Picket(
        id=uuid4(),
        code="".join(secrets.choice(CODE_LETTERS) for _ in range(6)),
        petition_id=wish.petition_id,
        addressee_id=addressee.id,
        city_id=wish.city.id,
        created_by=account.id,
        **wish.values,
    )
    near = find_nearby(account, addressee.id, wish.city, picket.starts_at)
    if near and not picket.differs:
        raise NearbyError(near)
    db.session.add(picket)
    db.session.flush()
    db.session.add(AssemblyNotice(picket_id=picket.id))
    db.session.add(PicketOrganiser(picket_id=picket.id, account_id=account.id, accepted_at=func.now()))
    db.session.flush()
    _write_down(PICKET_WRITTEN, account, picket, wish.city)
    db.session.commit()
    return picket.id


def _addressee_of(wish: Wish) -> Addressee:
    """Whom it stands in front of. Raises NotAddressedError."""
    if wish.addressee_id is None:
        receiver = petition_services.receiver_of(wish.petition_id, wish.city.country_code)
        if receiver is None:
            raise NotAddressedError
        return receiver
    try:
        return petition_services.find_addressee(wish.petition_id, wish.addressee_id)
    except NotFoundError:
        raise NotAddressedError from None


def find_nearby(
    account: Account, addressee_id: int, city: City, starts_at: datetime, but: UUID | None = None
) -> list[NearbyPicket]:
    """Pickets within NEAR_KILOMETRES and NEAR_DAYS for the same addressee, other than `but`, the nearest first.

    A draft of somebody else's is not told, and one that is not public yet only to those who might announce it themselves.
    """
    told = PicketState.NOTIFIED, PicketState.ANNOUNCED
    rows = db.session.execute(
        select(Picket, City)
        .join(City, City.id == Picket.city_id)
        .where(
            Picket.addressee_id == addressee_id,
            Picket.id.is_distinct_from(but),
            Picket.starts_at.between(starts_at - NEAR_DAYS, starts_at + NEAR_DAYS),
            Picket.state.in_(told) | (Picket.created_by == account.id) & Picket.state.in_(("draft", "review")),
        )
    ).all()
    near = []
    for picket, its_city in rows:
        kilometres = kilometres_between(city.lat, city.lon, its_city.lat, its_city.lon)
        where = picket.petition_id, its_city.country_code
        is_told = picket.state != PicketState.NOTIFIED or may(account, Action.ANNOUNCE_PICKET, *where)
        if kilometres <= NEAR_KILOMETRES and is_told:
            is_mine = services.may_look_after(account, picket, its_city.country_code)
            near.append(NearbyPicket(picket, its_city, round(kilometres), is_mine))
    return sorted(near, key=lambda one: (one.kilometres, one.picket.starts_at))


def change_picket(
    account: Account, picket_id: UUID, revision: int, values: Mapping[str, Any], *, authority_told: bool
) -> None:
    """Save a picket. What participants have to know goes to all of them. Commits, wakes.

    Raises NotFoundError, NotNowError, EditedMeanwhileError, AuthorityNotToldError, WordWouldBeNeededError.
    """
    page = services.begin_change(account, picket_id, *EDITABLE)
    picket = page.picket
    was = picket.starts_at, picket.people
    if picket.revision != revision:
        db.session.rollback()
        raise EditedMeanwhileError
    changed = {name for name, value in values.items() if getattr(picket, name) != value}
    if not changed:
        db.session.rollback()
        return
    moved = values["starts_at"] - picket.starts_at
    for name in changed:
        setattr(picket, name, values[name])
    if moved:
        shifts.move_shifts(picket, moved)
    picket.revision += 1
    if is_told(page.notice) and changed & set(FILED_FACTS) and not authority_told:
        db.session.rollback()
        raise AuthorityNotToldError
    if page.state is PicketState.DRAFT:
        picket.state = PicketState.DRAFT  # A review that ran out has left one.
    else:
        _stop_unless_still_allowed(page, changed, *was)
    if page.state is PicketState.ANNOUNCED:
        picket.changed_at = func.now()
        if changed & set(PUBLIC_FACTS):
            picket.sequence += 1
            _tell_participants(picket, BroadcastKind.CHANGED)
    db.session.flush()
    _write_down(PICKET_CHANGED, account, picket, page.city, fields=", ".join(sorted(changed)))
    db.session.commit()
    wake(TaskName.PICKETS)


def is_told(notice: AssemblyNotice) -> bool:
    """Whether an authority was told of the picket as it is, or answered."""
    return notice.filed_at is not None or notice.granted or bool(notice.answer)


def _stop_unless_still_allowed(page: PicketPage, changed: set[str], began_at: datetime, people: int) -> None:
    """What a coordinator has not agreed to must not come in by a change. Of one that is under way, what the rules depend on stays."""
    picket = page.picket
    anew = {
        code for fact in changed for code in WEIGHED_ANEW.get(fact, ()) if fact != "people" or picket.people > people
    }
    agreed = set() if "mode" in changed else set(picket.agreed_concerns) - anew
    looked, facts = services.look_at_gate(page), services.facts_of(picket, page.city, page.notice)
    reasons = []
    if changed & set(RULED_FACTS):
        found = [*looked.blocks, *(one for one in looked.concerns if one.code not in agreed)]
        reasons = [gate.explain(one, facts) for one in found]
    is_another = "mode" in changed or began_at.astimezone(page.zone).date() != page.starts.date()
    if is_another and (page.notice.granted or gate.rests_on_an_answer(facts)):
        reasons.append(_("What the authority allowed or answered was about another day, or another kind of picket."))
    if reasons:
        db.session.rollback()
        raise WordWouldBeNeededError(reasons)


def _tell_participants(picket: Picket, kind: BroadcastKind) -> None:
    db.session.add(Broadcast(id=uuid4(), picket_id=picket.id, kind=kind, sequence=picket.sequence))


def cancel_picket(account: Account, picket_id: UUID, reason: str, note: str) -> None:
    """Call it off: page, calendars and feeds say so, and every participant with an address is written to. Commits, wakes.

    Raises NotFoundError, NotNowError when it is over or cancelled already.
    """
    states = PicketState.DRAFT, PicketState.REVIEW, PicketState.NOTIFIED, PicketState.ANNOUNCED
    page = services.begin_change(account, picket_id, *states)
    picket = page.picket
    approvals.withdraw_about(services.REVIEW, picket.id)
    picket.cancelled_at, picket.cancel_reason, picket.cancel_note = func.now(), reason, note
    picket.sequence += 1
    picket.changed_at = func.now()
    services.move(picket, PicketState.CANCELLED)
    if picket.announced_at is not None:
        _tell_participants(picket, BroadcastKind.CANCELLED)
    services.tell_organisers(picket.id, but=account.id)
    db.session.flush()
    _write_down(PICKET_CANCELLED, account, picket, page.city, reason=reason)
    db.session.commit()
    wake(TaskName.PICKETS)


# --- Organising together -------------------------------------------------------------------------------------------------


def find_offered(account: Account, picket_id: UUID) -> tuple[Picket, City]:
    """One that stands already, and that this account may offer to help with. Raises NotFoundError."""
    row = db.session.execute(
        select(Picket, City).join(City, City.id == Picket.city_id).where(Picket.id == picket_id)
    ).first()
    if row is None or row[0].state not in (PicketState.NOTIFIED, PicketState.ANNOUNCED):
        raise NotFoundError
    picket, city = row
    if not may(account, Action.ANNOUNCE_PICKET, picket.petition_id, city.country_code):
        raise NotFoundError
    return picket, city


def offer_help(account: Account, picket_id: UUID, note: str) -> None:
    """Offer to organise a picket with those who do. They read the name of the account and the note. Commits.

    Raises NotFoundError for one that nobody may know of, or where the account could not announce one of its own.
    """
    picket, city = find_offered(account, picket_id)
    values = {"picket_id": picket_id, "account_id": account.id, "note": note}
    done = db.session.execute(
        insert(PicketOrganiser).values(values).on_conflict_do_nothing().returning(PicketOrganiser.account_id)
    ).first()
    if done is not None:
        _write_down(HELP_OFFERED, account, picket, city)
        services.tell_organisers(picket_id, but=account.id)
    db.session.commit()


def answer_offer(account: Account, picket_id: UUID, account_id: int, *, accepted: bool) -> None:
    """Take somebody in who offered to help, or decline. Commits. Raises NotFoundError."""
    page = services.begin_change(account, picket_id, *PicketState)
    offer = next((one for one in page.organisers if one.account_id == account_id and one.accepted_at is None), None)
    if offer is None:
        db.session.rollback()
        raise NotFoundError
    if accepted:
        offer.accepted_at = func.now()
        db.session.flush()
        _write_down(ORGANISER_ADDED, account, page.picket, page.city, organiser=account_id)
    else:
        db.session.delete(offer)
    db.session.commit()


# --- Shifts ----------------------------------------------------------------------------------------------------------------


def add_shift(account: Account, picket_id: UUID, role: str, starts_at: datetime, ends_at: datetime, seats: int) -> None:
    """Add a shift. Commits. Raises NotFoundError, NotNowError."""
    services.begin_change(account, picket_id, *EDITABLE, PicketState.REVIEW)
    shifts.mark_printed_old(picket_id)
    db.session.add(Shift(id=uuid4(), picket_id=picket_id, role=role, starts_at=starts_at, ends_at=ends_at, seats=seats))
    db.session.commit()


def remove_shift(account: Account, picket_id: UUID, shift_id: UUID) -> None:
    """Take away a shift that nobody took. Commits. Raises NotFoundError, NotNowError, TakenShiftError."""
    services.begin_change(account, picket_id, *EDITABLE, PicketState.REVIEW)
    # Whoever takes it locks it, too.
    shift = db.session.get(Shift, shift_id, with_for_update=True)
    if shift is None or shift.picket_id != picket_id:
        db.session.rollback()
        raise NotFoundError
    if db.session.scalar(select(ShiftTaker.shift_id).where(ShiftTaker.shift_id == shift_id).limit(1)) is not None:
        db.session.rollback()
        raise TakenShiftError
    shifts.mark_printed_old(picket_id)
    db.session.execute(delete(Shift).where(Shift.id == shift_id))
    db.session.commit()


def _write_down(action: str, account: Account, picket: Picket, city: City, **details: str | int) -> None:
    where = {"petition_id": picket.petition_id, "country_code": city.country_code}
    record(action, account.id, "picket", picket.id, **where, **details)  # type: ignore[arg-type]  # Each goes to its own parameter.
