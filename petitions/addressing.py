"""Whom a petition is addressed to, and who receives the signatures from which country. After the opening, by two people."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from accounts.approvals import ApprovalKind, register, request_approval
from accounts.models import Account, Approval
from accounts.permissions import Action
from core.audit import auditable, record
from core.errors import DomainError, EditedMeanwhileError, NotFoundError
from core.extensions import db
from core.i18n import country_name, current_language, place_key, sort_key
from core.queues import TaskName, wake
from petitions import services, standing
from petitions.models import Addressee, Petition, PetitionAddressee, PetitionRoute, PetitionState, SignatureState, Tally
from petitions.standing import ADDRESSEES, OPENING, begin_change, lock_petition, state_of

CHANGED = auditable("petition.addressees_changed", _l("Changed whom a petition is addressed to"))
ADDED = auditable("addressee.added", _l("Added an addressee of a petition’s own"))

OWN = "own"
REGION_LABELS = {
    "eu": _l("European Union"),
    "europe": _l("Other countries of Europe"),
    "east": _l("Eastern neighbours and the Caucasus"),
    "americas": _l("The Americas"),
    "asia": _l("Asia and the Pacific"),
    "south": _l("Africa and the Middle East"),
    "institutions": _l("International institutions"),
    OWN: _l("Added by yourselves"),
}
_NAMED = 5
"""Addressees that the line about a change names; the page has them all."""
_STAYING = SignatureState.COUNTED, SignatureState.PENDING


class FallbackStaysError(DomainError):
    """The addressee receives what belongs to no other; another has to do so first. Nothing was changed."""


class ResidentsTakenError(DomainError):
    """Another addressee receives the residents of this country; which of the two shall? Nothing was changed."""

    def __init__(self, addressee: Addressee) -> None:
        super().__init__()
        self.addressee = addressee


@cache
def regions() -> Mapping[str, Sequence[str]]:
    """Codes of addressees by region."""
    path = Path(__file__).parent / "data" / "regions.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def groups(petition_id: int, like: str = "") -> list[tuple[str, list[Addressee]]]:
    """Addressees that a petition can choose from, by region; with `like` those whose name or country has it in it."""
    mine = (Addressee.petition_id == petition_id) | Addressee.petition_id.is_(None)
    rows = db.session.scalars(select(Addressee).where(mine)).all()
    region_of = {code: region for region, codes in regions().items() for code in codes}
    found: dict[str, list[Addressee]] = {region: [] for region in REGION_LABELS}
    for row in rows:
        if like.casefold() in f"{_called(row)} {row.name_en} {row.name_native} {row.short_name}".casefold():
            found[OWN if row.petition_id else region_of.get(row.code, "institutions")].append(row)
    return [(region, sorted(members, key=_place)) for region, members in found.items() if members]


def _called(addressee: Addressee) -> str:
    """What it is looked for under: its country, or else its name."""
    return country_name(addressee.country_code) if addressee.country_code else addressee.name_en


def _place(addressee: Addressee) -> tuple[bool, list[tuple[int, int]], str]:
    """Where it stands among others."""
    return place_key(addressee.country_code, addressee.name_en, current_language())


@dataclass(frozen=True, slots=True)
class Addressing:
    """Whom a petition is addressed to now."""

    chosen: dict[int, Addressee]
    routes: list[tuple[str, Addressee]]
    """Country and who receives its residents, in the order of the countries' names."""
    fallback_id: int | None
    signatures: dict[int, int]
    """Counted and waiting ones by addressee, also of addressees that were removed."""


def addressing(petition: Petition) -> Addressing:
    """Whom a petition is addressed to, and how much is theirs."""
    here = PetitionAddressee.petition_id == petition.id, PetitionAddressee.removed_at.is_(None)
    rows = db.session.scalars(
        select(Addressee).join(PetitionAddressee, PetitionAddressee.addressee_id == Addressee.id).where(*here)
    )
    chosen = {one.id: one for one in sorted(rows, key=_place)}
    routes = db.session.execute(
        select(PetitionRoute.country_code, PetitionRoute.addressee_id).where(PetitionRoute.petition_id == petition.id)
    )
    by_name = sorted(routes, key=lambda route: sort_key(country_name(route[0]), current_language()))
    totals = db.session.execute(
        select(Tally.addressee_id, func.sum(Tally.total))
        .where(Tally.petition_id == petition.id, Tally.state.in_(_STAYING))
        .group_by(Tally.addressee_id)
    )
    return Addressing(
        chosen,
        [(country, chosen[owner]) for country, owner in by_name if owner in chosen],
        petition.fallback_addressee_id,
        {owner: total for owner, total in totals if total},
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become different. A route to None ends: those residents go to the fallback."""

    add: Collection[int] = ()
    remove: Collection[int] = ()
    routes: Mapping[str, int | None] | None = None


def choose_addressees(account: Account, petition_id: int, revision: int, wanted: Collection[int]) -> UUID | None:
    """Address the petition to just these. Commits. Before the opening it is so at once; afterwards it is asked for, and
    the approval's id is returned.

    Raises NotFoundError, NotNowError, EditingLockedError, EditedMeanwhileError, FallbackStaysError.
    """
    petition = _begin(account, petition_id)
    if petition.revision != revision:
        db.session.rollback()
        raise EditedMeanwhileError
    possible = {one.id for _region, members in groups(petition_id) for one in members}
    chosen = addressing(petition).chosen.keys()
    change = Change(sorted((set(wanted) & possible) - chosen), sorted(chosen - set(wanted)))
    if petition.fallback_addressee_id in change.remove:
        db.session.rollback()
        raise FallbackStaysError
    if not change.add and not change.remove:
        db.session.rollback()
        return None
    return _apply_or_ask(account, petition, change)


def set_route(account: Account, petition_id: int, country_code: str, addressee_id: int | None) -> UUID | None:
    """Say who receives the residents of a country, None for the fallback. Commits. Returns and raises as `choose_addressees`."""
    petition = _begin(account, petition_id)
    if addressee_id is not None and addressee_id not in addressing(petition).chosen:
        db.session.rollback()
        raise NotFoundError
    return _apply_or_ask(account, petition, Change(routes={country_code: addressee_id}))


def add_own(account: Account, petition_id: int, values: Mapping[str, Any], takes_residents: bool | None) -> UUID | None:
    """Add an addressee for this petition alone. Commits. Returns and raises as `choose_addressees`.

    Raises ResidentsTakenError while `takes_residents` is None and its country has a receiver already.
    """
    petition = _begin(account, petition_id)
    country = values["country_code"]
    receiver = dict(addressing(petition).routes).get(country or "")
    if receiver is not None and takes_residents is None:
        db.session.rollback()
        raise ResidentsTakenError(receiver)
    unknown = dict.fromkeys(("short_name", "minister_title_en", "website"), "")
    own = Addressee(
        petition_id=petition_id,
        code=f"own-{uuid4()}",
        confidence="low",
        notes="Added by creators.",
        **unknown,
        **values,
    )
    db.session.add(own)
    db.session.flush()
    routes = {country: own.id} if receiver is not None and takes_residents else {}
    record(ADDED, account.id, "addressee", own.id, petition_id=petition_id, country_code=country)
    return _apply_or_ask(account, petition, Change([own.id], routes=routes))


def _begin(account: Account, petition_id: int) -> Petition:
    states = PetitionState.DRAFT, PetitionState.OPEN
    return begin_change(account, petition_id, *states, unless=(OPENING, ADDRESSEES))


def _apply_or_ask(account: Account, petition: Petition, change: Change) -> UUID | None:
    if petition.state == PetitionState.DRAFT:
        _apply(petition, change)
        record(CHANGED, account.id, "petition", petition.id, petition_id=petition.id)
        db.session.commit()
        return None
    details = {"add": list(change.add), "remove": list(change.remove), "routes": dict(change.routes or {})}
    asked = request_approval(KIND, account, petition.id, "", petition_id=petition.id, details=details)
    db.session.commit()
    return asked


def _apply(petition: Petition, change: Change) -> None:
    """Make a change true. A country's own addressee receives its residents, unless another does. Does not commit.

    Who was removed keeps the signatures that it has, and with them its row, unless the petition was never public.
    """
    for addressee_id in change.add:
        row = insert(PetitionAddressee).values(petition_id=petition.id, addressee_id=addressee_id)
        again = {"removed_at": None}
        db.session.execute(row.on_conflict_do_update(index_elements=["petition_id", "addressee_id"], set_=again))
    routes = dict(change.routes or {})
    added = db.session.scalars(select(Addressee).where(Addressee.id.in_(change.add)).order_by(Addressee.id))
    _route(petition, [one for one in added if one.country_code not in routes])
    for country, receiver in routes.items():
        db.session.execute(delete(PetitionRoute).filter_by(petition_id=petition.id, country_code=country))
        if receiver is not None:
            db.session.add(PetitionRoute(petition_id=petition.id, country_code=country, addressee_id=receiver))
    gone = PetitionAddressee.petition_id == petition.id, PetitionAddressee.addressee_id.in_(change.remove)
    theirs = PetitionRoute.petition_id == petition.id, PetitionRoute.addressee_id.in_(change.remove)
    left = db.session.scalars(delete(PetitionRoute).where(*theirs).returning(PetitionRoute.country_code)).all()
    if petition.state == PetitionState.DRAFT:
        db.session.execute(delete(PetitionAddressee).where(*gone))
    else:
        db.session.execute(update(PetitionAddressee).where(*gone).values(removed_at=func.now()))
    db.session.flush()
    # Those of our list before those that creators added for the same country.
    chosen = sorted(addressing(petition).chosen.values(), key=lambda one: one.petition_id is not None)
    _route(petition, [one for one in chosen if one.country_code in left])
    petition.revision += 1
    db.session.flush()


def _route(petition: Petition, addressees: Sequence[Addressee]) -> None:
    """Have addressees receive the residents of their own countries, where nobody does yet."""
    for one in addressees:
        if one.country_code:
            route = insert(PetitionRoute).values(
                petition_id=petition.id, country_code=one.country_code, addressee_id=one.id
            )
            db.session.execute(route.on_conflict_do_nothing())


# --- The second person --------------------------------------------------------------------------------------------------


def waiting_change(petition_id: int) -> tuple[list[Addressee], list[Addressee]]:
    """Addressees that a second person is asked to add, and to take away."""
    approval = standing.waiting_approvals(petition_id).get(ADDRESSEES)
    change = _change_of(approval) if approval else Change()
    added, removed = (
        sorted(db.session.scalars(select(Addressee).where(Addressee.id.in_(numbers))), key=_place)
        for numbers in (change.add, change.remove)
    )
    return added, removed


def _change_of(approval: Approval) -> Change:
    return Change(approval.details["add"], approval.details["remove"], approval.details["routes"])


def _names(ids: Collection[int]) -> str:
    rows = db.session.scalars(select(Addressee).where(Addressee.id.in_(ids)))
    named = sorted(rows, key=_place)
    names = [f"{_called(one)}: {one.name_en}" if one.country_code else one.name_en for one in named]
    more = len(names) - _NAMED
    rest = [ngettext("and %(num)s other", "and %(num)s others", more)] if more > 0 else []
    return ", ".join([*names[:_NAMED], *rest])


def _describe(approval: Approval) -> str:
    change, parts = _change_of(approval), []
    if change.add:
        parts.append(_("add %(names)s", names=_names(change.add)))
    if change.remove:
        theirs = Tally.petition_id == approval.petition_id, Tally.addressee_id.in_(change.remove)
        stay = db.session.scalar(select(func.sum(Tally.total)).where(*theirs, Tally.state.in_(_STAYING))) or 0
        staying = ngettext("%(num)s signature stays with it", "%(num)s signatures stay with them", stay)
        parts.append(_("take away %(names)s (%(staying)s)", names=_names(change.remove), staying=staying))
    for country, receiver in (change.routes or {}).items():
        name = _names([receiver]) if receiver else _("the fallback")
        parts.append(_("residents of %(country)s to %(name)s", country=country_name(country), name=name))
    title = services.title_of(approval.petition_id or 0, current_language()).title
    return f"{title}: {'; '.join(parts)}"


def _carry_out(approval: Approval) -> None:
    petition = lock_petition(approval.petition_id or 0)
    change = _change_of(approval)
    _apply(
        petition,
        Change(change.add, [one for one in change.remove if one != petition.fallback_addressee_id], change.routes),
    )
    record(CHANGED, approval.decided_by, "petition", petition.id, petition_id=petition.id)


def _is_open(approval: Approval) -> bool:
    return state_of(db.session.get_one(Petition, approval.petition_id)) is PetitionState.OPEN


KIND = register(
    ApprovalKind(
        ADDRESSEES,
        _l("Addressees of a petition"),
        Action.REVIEW_PETITION,
        _describe,
        _carry_out,
        is_ripe=_is_open,
        unripe=_l("This goes only while the petition is open. Refuse it."),
        page=lambda approval: standing.preview_url(approval.petition_id),
        after_commit=lambda _approval: wake(TaskName.PETITIONS),
    )
)
