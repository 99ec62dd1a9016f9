"""What a coordinator does: ask for a bundle, follow it, take it away. The worker builds, opens and seals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select

from accounts.models import Account, StaffRole
from accounts.services import may
from core.answers import public_key, read_answer
from core.errors import NotFoundError
from core.extensions import db
from core.queues import TaskName, wake
from delivery.models import DOWNLOAD_LIFETIME, UNDER_WAY, Bundle, BundleState, Download
from petitions.models import Addressee, Petition, PetitionAddressee, PetitionText
from petitions.services import (
    AddresseeCount,
    counts_by_addressee,
    find_addressee,
    find_petition,
    list_petitions,
    newest_text,
)


@dataclass(frozen=True, slots=True)
class BundleRow:
    """A bundle with its addressee."""

    bundle: Bundle
    addressee: Addressee


def petitions_of(account: Account, language: str) -> list[tuple[Petition, PetitionText]]:
    """Petitions that this account coordinates, each with a text to show its title from."""
    grants = [grant for grant in account.grants if grant.role == StaffRole.COORDINATOR]
    covered = {grant.petition_id for grant in grants}
    return [
        (petition, text) for petition, text in list_petitions(language) if None in covered or petition.id in covered
    ]


def coordinated_petition(account: Account, petition_id: int, language: str) -> tuple[Petition, PetitionText]:
    """A petition this account coordinates in some country, and a text to show its title from.

    Raises NotFoundError, as for one that is not there.
    """
    if not any(
        grant.role == StaffRole.COORDINATOR and grant.petition_id in (None, petition_id) for grant in account.grants
    ):
        raise NotFoundError
    return find_petition(petition_id), newest_text(petition_id, language)


def addressee_counts(account: Account, petition: Petition) -> list[AddresseeCount]:
    """Counts of the addressees that are this account's."""
    return [
        count
        for count in counts_by_addressee(petition.id)
        if may(account, StaffRole.COORDINATOR, petition.id, count.addressee.country_code)
    ]


def list_bundles(account: Account, petition: Petition) -> list[BundleRow]:
    """Bundles of the addressees that are this account's, newest first."""
    rows = db.session.execute(
        select(Bundle, Addressee)
        .join(Addressee, Addressee.id == Bundle.addressee_id)
        .where(Bundle.petition_id == petition.id)
        .order_by(Bundle.requested_at.desc())
    ).all()
    return [
        BundleRow(bundle, addressee)
        for bundle, addressee in rows
        if may(account, StaffRole.COORDINATOR, petition.id, addressee.country_code)
    ]


def request_bundle(account: Account, petition_id: int, addressee_id: int) -> UUID:
    """Ask for the bundle of one addressee, cut off now. Commits, wakes the worker. Raises NotFoundError.

    While one for the same addressee is on its way, that one is returned and nothing is added.
    """
    addressee = find_addressee(petition_id, addressee_id)
    if not may(account, StaffRole.COORDINATOR, petition_id, addressee.country_code):
        raise NotFoundError
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
    # No rule asks for a second person yet, so a request is approved as it is made.
    row = {"id": bundle_id, "petition_id": petition_id, "addressee_id": addressee_id, "requested_by": account.id}
    db.session.execute(insert(Bundle).values(row | {"state": BundleState.APPROVED}))
    db.session.commit()
    wake(TaskName.BUNDLES)
    return bundle_id


def find_bundle(account: Account, bundle_id: UUID) -> BundleRow:
    """A bundle of an addressee that is this account's. Raises NotFoundError."""
    row = db.session.execute(
        select(Bundle, Addressee).join(Addressee, Addressee.id == Bundle.addressee_id).where(Bundle.id == bundle_id)
    ).first()
    if row is None or not may(account, StaffRole.COORDINATOR, row[0].petition_id, row[1].country_code):
        raise NotFoundError
    return BundleRow(*row)


def ask_for_download(account: Account, bundle_id: UUID, secret: str) -> UUID:
    """Log that this account takes a ready bundle away, and have the worker seal it to this browser. Commits, wakes."""
    bundle = find_bundle(account, bundle_id).bundle
    if bundle.state != BundleState.READY:
        raise NotFoundError
    download_id = uuid4()
    row = {
        "id": download_id,
        "bundle_id": bundle.id,
        "account_id": account.id,
        "answer_key": public_key(secret, download_id),
    }
    db.session.execute(insert(Download).values(row))
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
