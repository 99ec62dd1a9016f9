"""Taking a ready bundle away: asked for and logged here, handed out by the worker, opened by the browser's own secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import func, insert, select

from accounts.models import Account
from accounts.permissions import Action, may
from core.answers import public_key, read_answer
from core.audit import auditable, record
from core.errors import NotFoundError
from core.extensions import db
from core.queues import TaskName, wake
from core.sealing import context, decrypt
from delivery.models import DOWNLOAD_LIFETIME, Bundle, BundleState, Download, DownloadPart
from delivery.services import HiddenError, find_bundle, is_handed_over
from petitions.services import find_petition

TAKEN = auditable("bundle.taken", _l("Took a bundle away"))


@dataclass(frozen=True, slots=True)
class Archive:
    """What a browser loads: its name, its size in bytes, and the bytes bit by bit."""

    name: str
    size: int
    pieces: Iterator[bytes]


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


def downloaded_archive(download: Download, secret: str) -> Archive | None:
    """The archive, once the worker has sealed it to this browser; None before, in another browser, or when its time is over."""
    answered = read_answer(download.id, secret)
    if answered is None:
        return None
    told = json.loads(answered)
    return Archive(told["name"], told["size"], _pieces(download.id, bytes.fromhex(told["key"]), told["parts"]))


def _pieces(download_id: UUID, key: bytes, parts: int) -> Iterator[bytes]:
    for number in range(parts):
        sealed = db.session.scalars(
            select(DownloadPart.sealed).where(DownloadPart.download_id == download_id, DownloadPart.number == number)
        ).one()
        db.session.rollback()
        yield decrypt(key, sealed, context("download", download_id, number))


def downloads_of(bundle: Bundle) -> Sequence[tuple[Download, str]]:
    """The log of a bundle: who took it away and when, newest first."""
    rows = db.session.execute(
        select(Download, Account.name)
        .join(Account, Account.id == Download.account_id)
        .where(Download.bundle_id == bundle.id)
        .order_by(Download.requested_at.desc())
    ).all()
    return [(download, name) for download, name in rows]
