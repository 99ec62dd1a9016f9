"""What a coordinator does: ask for a bundle, follow it, take it away. The worker builds, opens and seals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID, uuid4

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup, escape
from sqlalchemy import func, insert, select

from accounts import approvals, desk
from accounts.approvals import ApprovalKind
from accounts.desk import Place, Waiting
from accounts.models import Account, Approval
from accounts.permissions import Action, covered_countries, may, may_somewhere
from core.answers import public_key, read_answer
from core.audit import auditable, record
from core.errors import DomainError, NotFoundError
from core.extensions import db
from core.i18n import spoken
from core.lists import Listing, read_page
from core.queues import TaskName, wake
from delivery.forms import BundleFilter
from delivery.models import APPROVAL_KIND, DOWNLOAD_LIFETIME, UNDER_WAY, Bundle, BundleState, Download
from petitions.models import PUBLIC_STATES, Addressee, Petition, PetitionAddressee
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

TAKEN = auditable("bundle.taken", _l("Took a bundle away"))


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


def request_bundle(account: Account, petition_id: int, addressee_id: int) -> UUID:
    """Ask for the bundle of one addressee, cut off now; a second person has to agree. Commits. Raises NotFoundError.

    While one for the same addressee is on its way, that one is returned and nothing is added.
    """
    addressee = find_addressee(petition_id, addressee_id)
    is_public = find_petition(petition_id).state not in NEVER_PUBLIC
    if not is_public or not may(account, Action.REQUEST_BUNDLE, petition_id, addressee.country_code):
        raise NotFoundError
    if not is_handed_over(find_petition(petition_id)):
        raise HiddenError
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
    row = {"id": bundle_id, "petition_id": petition_id, "addressee_id": addressee_id, "requested_by": account.id}
    db.session.execute(insert(Bundle).values(row))
    approvals.request_approval(
        BUNDLE,
        account,
        bundle_id,
        "",
        details={"addressee": addressee.code},
        petition_id=petition_id,
        country_code=addressee.country_code,
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


def ask_for_download(account: Account, bundle_id: UUID, secret: str) -> UUID:
    """Log that this account takes a ready bundle away, and have the worker seal it to this browser. Commits, wakes."""
    found = find_bundle(account, bundle_id)
    bundle, country = found.bundle, found.addressee.country_code
    if bundle.state != BundleState.READY or not may(account, Action.TAKE_BUNDLE, bundle.petition_id, country):
        raise NotFoundError
    if not is_handed_over(find_petition(bundle.petition_id)):
        raise HiddenError
    download_id = uuid4()
    row = {
        "id": download_id,
        "bundle_id": bundle.id,
        "account_id": account.id,
        "answer_key": public_key(secret, download_id),
    }
    db.session.execute(insert(Download).values(row))
    record(TAKEN, account.id, "bundle", bundle_id, petition_id=bundle.petition_id, country_code=country)
    db.session.commit()
    wake(TaskName.DOWNLOADS)
    return download_id


def find_download(account: Account, download_id: UUID) -> Download:
    """A download this very account asked for. Raises NotFoundError."""
    download = db.session.get(Download, download_id)
    if download is None or download.account_id != account.id:
        raise NotFoundError
    find_bundle(account, download.bundle_id)
    return download


def is_awaited(download: Download) -> bool:
    """Whether the worker may still answer it; by the database's clock, as the worker looks."""
    fresh = select(Download.requested_at > func.now() - DOWNLOAD_LIFETIME).where(Download.id == download.id)
    return download.answered_at is None and bool(db.session.scalar(fresh))


def downloaded_archive(download: Download, secret: str) -> bytes | None:
    """The ZIP file with the volumes, once the worker has sealed it to this browser; None before, or in another browser."""
    return read_answer(download.id, secret)


def downloads_of(bundle: Bundle) -> Sequence[tuple[Download, str]]:
    """The log of a bundle: who took it away and when, newest first."""
    rows = db.session.execute(
        select(Download, Account.name)
        .join(Account, Account.id == Download.account_id)
        .where(Download.bundle_id == bundle.id)
        .order_by(Download.requested_at.desc())
    ).all()
    return [(download, name) for download, name in rows]


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
    return Markup("{}: {}").format(spoken(row[1].name_en, "en"), signatures)


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
            yield Waiting(escape(_("The bundle for %(name)s failed. Ask for a new one.")) % {"name": name}, url)


desk.add_place(
    Place(
        _l("Petitions"),
        "delivery.index",
        _l("Counts by ministry, and bundles to hand over."),
        lambda account: may_somewhere(account, Action.SEE_PETITION),
    )
)


desk.gives_titles(titles)
