"""What a coordinator does: ask for a bundle, follow it, take it away. The worker builds, opens and seals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from uuid import UUID, uuid4

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup, escape
from sqlalchemy import func, insert, select, update

from accounts import approvals, desk
from accounts.approvals import ApprovalKind
from accounts.desk import Place, Waiting
from accounts.models import Account, Approval
from accounts.permissions import Action, covered_countries, may, may_somewhere
from core.audit import auditable, record
from core.config import current_config
from core.errors import DomainError, NotFoundError
from core.extensions import db
from core.i18n import spoken
from core.lists import Listing, read_page
from core.queues import TaskName, wake
from delivery.forms import BundleFilter
from delivery.letters import letter_language
from delivery.models import (
    APPROVAL_KIND,
    LEVEL_LABELS,
    UNDER_WAY,
    Bundle,
    BundleState,
    Correction,
    Download,
    LetterKind,
    Level,
    Volume,
    Wish,
)
from delivery.writing import newest_letter
from petitions.models import PUBLIC_STATES, Addressee, Petition, PetitionAddressee, Signature, SignatureState
from petitions.services import (
    NEVER_PUBLIC,
    AddresseeCount,
    Title,
    counts_by_addressee,
    find_addressee,
    find_petition,
    may_see,
    title_of,
    titles,
)

HANDED_OVER = auditable("bundle.handed_over", _l("Noted that a bundle was handed over"))
TOLD = auditable("bundle.told", _l("Noted that a ministry was told what to strike out"))
CANCELLED = auditable("bundle.cancelled", _l("Cancelled a bundle"))
RESUMED = auditable("bundle.resumed", _l("Went on with a bundle that had failed"))
WISHES = {
    Wish.CANCEL: (BundleState.APPROVED, BundleState.BUILDING, BundleState.FAILED),
    Wish.RESUME: (BundleState.FAILED,),
}
"""States in which each can be wished for."""


class HiddenError(DomainError):
    """The petition was taken down; while it is, nothing of it is handed over. Nothing was changed."""

    status = HTTPStatus.FORBIDDEN


def is_handed_over(petition: Petition) -> bool:
    """Whether the public sees the petition, so that its signatures may leave."""
    return petition.state in PUBLIC_STATES


@dataclass(frozen=True, slots=True)
class BundleRow:
    """A bundle with its addressee."""

    bundle: Bundle
    addressee: Addressee


def coordinated_petition(account: Account, petition_id: int, language: str) -> tuple[Petition, Title]:
    """A petition of which this account sees some country, and its title. Raises NotFoundError, as for one that is not there."""
    petition = find_petition(petition_id)
    if not may_see(account, petition):
        raise NotFoundError
    return petition, title_of(petition_id, language)


def addressee_counts(account: Account, petition: Petition) -> list[AddresseeCount]:
    """Counts of the addressees that are this account's."""
    return [
        count
        for count in counts_by_addressee(petition.id)
        if may(account, Action.SEE_PETITION, petition.id, count.addressee.country_code)
    ]


def list_bundles(account: Account, petition: Petition, form: BundleFilter) -> Listing[BundleRow]:
    """Bundles of the addressees that are this account's, newest first, as the filters and the address want them."""
    form.settle()
    countries = covered_countries(account, Action.SEE_PETITION, petition.id)
    query = select(Bundle).join(Addressee, Addressee.id == Bundle.addressee_id).where(Bundle.petition_id == petition.id)
    if None not in countries:
        query = query.where(Addressee.country_code.in_(countries))
    if form.state.data:
        query = query.where(Bundle.state == form.state.data)
    sorts = {"cutoff": Bundle.cutoff_at, "name": Addressee.name_en, "state": Bundle.state, "id": Bundle.id}
    listing = read_page(query, sorts, "-cutoff", form)
    addressees = {
        one.id: one
        for one in db.session.scalars(
            select(Addressee).where(Addressee.id.in_([row.addressee_id for row in listing.rows]))
        )
    }
    return listing.map(lambda row: BundleRow(row, addressees[row.addressee_id]))


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What would leave with a bundle that is asked for now, for whoever asks and whoever agrees."""

    addressee: Addressee
    counted: int
    unlogged: int
    """Of these: not in the log yet, and therefore not in the bundle."""
    language: str
    """Of the letter and of all that is printed."""
    falls_back: bool
    """There is no letter in an official language of the ministry."""
    wait_hours: int


def outgoing(account: Account, petition_id: int, addressee_id: int) -> Outgoing:
    """What would leave. Raises NotFoundError, HiddenError."""
    addressee = find_addressee(petition_id, addressee_id)
    petition = find_petition(petition_id)
    is_public = petition.state not in NEVER_PUBLIC
    if not is_public or not may(account, Action.REQUEST_BUNDLE, petition_id, addressee.country_code):
        raise NotFoundError
    if not is_handed_over(petition):
        raise HiddenError
    counted, unlogged = counted_now(petition_id, addressee_id)
    official = addressee.languages.split()
    language = letter_language(official)
    wait = current_config().bundle_wait_hours
    return Outgoing(addressee, counted, unlogged, language, language not in official, wait)


def counted_now(petition_id: int, addressee_id: int) -> tuple[int, int]:
    """How many signatures for an addressee are counted, and how many of them are not in the log yet."""
    here = Signature.petition_id == petition_id, Signature.addressee_id == addressee_id
    counted, logged = db.session.execute(
        select(func.count(), func.count().filter(Signature.in_log)).where(
            *here, Signature.state == SignatureState.COUNTED
        )
    ).one()
    return counted, counted - logged


def request_bundle(account: Account, petition_id: int, addressee_id: int, level: Level) -> UUID:
    """Ask for the bundle of one addressee, cut off now; a second person has to agree. Commits. Raises NotFoundError, HiddenError.

    While one for the same addressee is on its way, that one is returned and nothing is added.
    """
    leaves = outgoing(account, petition_id, addressee_id)
    # Two clicks at once wait for each other here, so that the second finds the first one's bundle.
    here = PetitionAddressee.petition_id == petition_id, PetitionAddressee.addressee_id == addressee_id
    db.session.execute(select(PetitionAddressee).where(*here).with_for_update())
    on_its_way = db.session.scalar(
        select(Bundle.id).where(
            Bundle.petition_id == petition_id,
            Bundle.addressee_id == addressee_id,
            Bundle.state.in_(UNDER_WAY),
        )
    )
    if on_its_way is not None:
        db.session.rollback()
        wake(TaskName.BUNDLES)
        return on_its_way
    bundle_id = uuid4()
    letter = newest_letter(petition_id, LetterKind.COVER, leaves.language)
    row = {
        "id": bundle_id,
        "petition_id": petition_id,
        "addressee_id": addressee_id,
        "requested_by": account.id,
        "level": level,
        "letter_id": letter.id if letter else None,
    }
    db.session.execute(insert(Bundle).values(row))
    approvals.request_approval(
        BUNDLE,
        account,
        bundle_id,
        "",
        details={"addressee": leaves.addressee.code, "level": level},
        petition_id=petition_id,
        country_code=leaves.addressee.country_code,
    )
    db.session.commit()
    return bundle_id


def find_bundle(account: Account, bundle_id: UUID) -> BundleRow:
    """A bundle of an addressee that is this account's. Raises NotFoundError."""
    row = db.session.execute(
        select(Bundle, Addressee).join(Addressee, Addressee.id == Bundle.addressee_id).where(Bundle.id == bundle_id)
    ).first()
    if row is None or not may(account, Action.SEE_PETITION, row[0].petition_id, row[1].country_code):
        raise NotFoundError
    return BundleRow(*row)


def approval_of(bundle: Bundle) -> Approval | None:
    """The request that a second person decides or has decided; None for a bundle older than that rule."""
    mine = Approval.kind == BUNDLE.name, Approval.object_id == str(bundle.id)
    return db.session.scalar(select(Approval).where(*mine).order_by(Approval.requested_at.desc()))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the build of a bundle is."""

    done: int
    of: int
    seconds_left: int | None
    """None while nothing is done by which it could be told."""


def progress_of(bundle: Bundle) -> Progress:
    """How many volumes are done, the index among them, and how long the others will take at the pace so far."""
    row = db.session.execute(
        select(
            func.count(Volume.done_at),
            func.count(),
            func.extract("epoch", func.now() - Bundle.frozen_at) / func.nullif(func.count(Volume.done_at), 0),
        )
        .join(Bundle, Bundle.id == Volume.bundle_id)
        .where(Volume.bundle_id == bundle.id)
        .group_by(Bundle.frozen_at)
    ).one_or_none()
    if row is None:
        return Progress(0, 0, None)
    done, of, pace = row
    return Progress(done, of, round(float(pace) * (of - done)) if pace is not None else None)


def wish_for(account: Account, bundle_id: UUID, wish: Wish) -> None:
    """Have the worker cancel a bundle that is on its way, or go on with one that was given up. Commits, wakes. Raises NotFoundError."""
    found = find_bundle(account, bundle_id)
    bundle, country = found.bundle, found.addressee.country_code
    fits = bundle.state in WISHES[wish]
    if not fits or not may(account, Action.REQUEST_BUNDLE, bundle.petition_id, country):
        raise NotFoundError
    db.session.execute(update(Bundle).where(Bundle.id == bundle_id).values(wish=wish))
    done = CANCELLED if wish == Wish.CANCEL else RESUMED
    record(done, account.id, "bundle", bundle_id, petition_id=bundle.petition_id, country_code=country)
    db.session.commit()
    wake(TaskName.BUNDLES)


def mark_handed_over(account: Account, bundle_id: UUID, on: date) -> None:
    """Note that the ministry has it since a day. From then on it is not replaced; its ministry is told of what no longer counts.

    Commits. Raises NotFoundError.
    """
    found = find_bundle(account, bundle_id)
    bundle, country = found.bundle, found.addressee.country_code
    if not may_be_handed_over(bundle) or not may(account, Action.TAKE_BUNDLE, bundle.petition_id, country):
        raise NotFoundError
    db.session.execute(
        update(Bundle).where(Bundle.id == bundle_id).values(handed_over_on=on, handed_over_by=account.id)
    )
    record(HANDED_OVER, account.id, "bundle", bundle_id, petition_id=bundle.petition_id, country_code=country)
    db.session.commit()


def may_be_handed_over(bundle: Bundle) -> bool:
    """Whether it can be noted that a ministry has it: what was built can lie on a table somewhere, be its key gone or not."""
    return bundle.handed_over_on is None and bundle.state in (BundleState.READY, BundleState.DESTROYED)


def corrections_of(bundle: Bundle) -> Sequence[Correction]:
    """Lines of a bundle that was handed over which count no more, by their numbers."""
    mine = select(Correction).where(Correction.bundle_id == bundle.id).order_by(Correction.number)
    return db.session.scalars(mine).all()


def mark_told(account: Account, bundle_id: UUID, on: date) -> None:
    """Note that the ministry was told of all lines that count no more. Commits. Raises NotFoundError."""
    found = find_bundle(account, bundle_id)
    bundle, country = found.bundle, found.addressee.country_code
    if not may(account, Action.TAKE_BUNDLE, bundle.petition_id, country):
        raise NotFoundError
    open_ones = Correction.bundle_id == bundle_id, Correction.told_on.is_(None)
    db.session.execute(update(Correction).where(*open_ones).values(told_on=on))
    record(TOLD, account.id, "bundle", bundle_id, petition_id=bundle.petition_id, country_code=country)
    db.session.commit()


def successor_of(bundle: Bundle) -> UUID | None:
    """The newest bundle that has the same approval as one that was replaced."""
    root = bundle.agreed_as or bundle.id
    newest = select(Bundle.id).where(Bundle.agreed_as == root).order_by(Bundle.requested_at.desc()).limit(1)
    return db.session.scalar(newest)


# --- For the console's common pages ------------------------------------------------------------------------------------


def _describe(approval: Approval) -> Markup:
    """ "Ministry of Foreign Affairs of ..., 114 signatures"."""
    row = db.session.execute(
        select(Bundle, Addressee)
        .join(Addressee, Addressee.id == Bundle.addressee_id)
        .where(Bundle.id == UUID(approval.object_id))
    ).one()
    counted = next(
        (
            one.by_state.get("counted", 0)
            for one in counts_by_addressee(row[0].petition_id)
            if one.addressee.id == row[1].id
        ),
        0,
    )
    signatures = ngettext("%(num)s signature", "%(num)s signatures", counted)
    return Markup("{}: {}. {}").format(spoken(row[1].name_en, "en"), signatures, LEVEL_LABELS[Level(row[0].level)])


BUNDLE = approvals.register(
    ApprovalKind(
        APPROVAL_KIND,
        _l("A bundle"),
        Action.DECIDE_BUNDLE,
        _describe,
        carry_out=lambda _approval: None,  # The worker takes the bundle once it finds it approved.
        after_commit=lambda _approval: wake(TaskName.BUNDLES),
    )
)


@desk.waits
def _bundles_wait(account: Account) -> Iterable[Waiting]:
    """Ready bundles that nobody has taken away, and failed ones, of addressees that are this account's."""
    if not may_somewhere(account, Action.TAKE_BUNDLE):
        return
    taken = select(Download.id).where(Download.bundle_id == Bundle.id).exists()
    rows = db.session.execute(
        select(Bundle, Addressee)
        .join(Addressee, Addressee.id == Bundle.addressee_id)
        .where(((Bundle.state == BundleState.READY) & ~taken) | (Bundle.state == BundleState.FAILED))
        .order_by(Bundle.requested_at.desc())
    ).all()
    for bundle, addressee in rows:
        if not may(account, Action.TAKE_BUNDLE, bundle.petition_id, addressee.country_code):
            continue
        url, name = url_for("delivery.bundle", bundle_id=bundle.id), spoken(addressee.name_en, "en")
        if bundle.state == BundleState.READY:
            yield Waiting(escape(_("The bundle for %(name)s is ready.")) % {"name": name}, url)
        else:
            yield Waiting(escape(_("The bundle for %(name)s could not be built.")) % {"name": name}, url)


@desk.waits
def _ministries_wait(account: Account) -> Iterable[Waiting]:
    """Ministries to be told of lines that count no more, of addressees that are this account's."""
    if not may_somewhere(account, Action.TAKE_BUNDLE):
        return
    untold = select(Correction.number).where(Correction.bundle_id == Bundle.id, Correction.told_on.is_(None)).exists()
    rows = db.session.execute(
        select(Bundle, Addressee).join(Addressee, Addressee.id == Bundle.addressee_id).where(untold)
    ).all()
    for bundle, addressee in rows:
        if may(account, Action.TAKE_BUNDLE, bundle.petition_id, addressee.country_code):
            text = escape(_("%(name)s has to be told of entries to be struck out."))
            url = url_for("delivery.bundle", bundle_id=bundle.id)
            yield Waiting(text % {"name": spoken(addressee.name_en, "en")}, url)


desk.add_place(
    Place(
        _l("Petitions"),
        "delivery.index",
        _l("Counts by ministry, and bundles to hand over."),
        lambda account: may_somewhere(account, Action.SEE_PETITION),
    )
)


desk.gives_titles(titles)
