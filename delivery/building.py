"""Building bundles and handing them out. Runs in the worker; keys and the drawing engine are passed in."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from babel import Locale
from babel.dates import format_date
from sqlalchemy import ColumnElement, String, cast, delete, func, or_, select, update

from accounts.models import Approval
from core.answers import Answer, answer
from core.config import Config
from core.errors import describe
from core.extensions import db
from core.i18n import country_name
from core.keyring import Keyring
from core.records import destroy_row_key, new_row_key, open_row_key
from core.sealing import KeyNotHeldError, SealingError, context, decrypt, encrypt
from delivery.document import (
    BundleDocument,
    BundleEngine,
    RegisterRow,
    archive,
    fill,
    letter_language,
    letter_texts,
    register_hash,
    signed_on,
)
from delivery.models import APPROVAL_KIND, DOWNLOAD_LIFETIME, Bundle, BundleState, Download
from petitions.models import Addressee
from petitions.register import count_by_state, read_counted
from petitions.services import newest_text

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=15)
MAX_ATTEMPTS = 5
_CLAIMS = 1, 1
"""The advisory lock of `_keep_claims_apart`."""


class LeaseLostError(Exception):
    """Another worker has taken this bundle over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A bundle that is ours to build while the fence stands."""

    bundle_id: UUID
    fence: int


def _agreed() -> ColumnElement[bool]:
    """Whether two people agreed to a bundle."""
    theirs = Approval.kind == APPROVAL_KIND, Approval.object_id == cast(Bundle.id, String)
    return select(Approval.id).where(*theirs, Approval.state == "approved").exists()


def settle_requests() -> None:
    """Take over what second people have decided about bundles. Only we move a bundle on; the console cannot. Commits.

    One that calls itself approved and was not agreed to by two is refused, so that it can be asked for.
    """
    waiting = select(Approval.id).where(
        Approval.kind == APPROVAL_KIND,
        Approval.object_id == cast(Bundle.id, String),
        Approval.state == "pending",
        Approval.expires_at > func.now(),
    )
    asked, said = Bundle.state == BundleState.REQUESTED, Bundle.state == BundleState.APPROVED
    moves = [
        update(Bundle).where(asked, _agreed()).values(state=BundleState.APPROVED),
        update(Bundle).where(asked, ~_agreed(), ~waiting.exists()).values(state=BundleState.REFUSED),
        update(Bundle).where(said, ~_agreed()).values(state=BundleState.REFUSED),
    ]
    for move in moves:
        db.session.execute(move, execution_options={"synchronize_session": False})
    db.session.commit()


def claim_bundle(but: Collection[UUID] = ()) -> Claim | None:
    """Take the oldest bundle that is approved, or whose builder went silent. Leases run on the database's clock. Commits.

    `but` are bundles that are not to be taken.
    """
    free = or_(
        Bundle.state == BundleState.APPROVED,
        (Bundle.state == BundleState.BUILDING) & (Bundle.leased_until < func.now()),
    )
    settle_requests()
    _keep_claims_apart()
    bundle = db.session.scalar(
        select(Bundle)
        .where(free, Bundle.id.not_in(list(but)), _agreed())
        .order_by(Bundle.requested_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if bundle is None:
        db.session.rollback()
        return None
    bundle.fence += 1
    bundle.attempts += 1
    if bundle.attempts > MAX_ATTEMPTS:
        bundle.state, bundle.leased_until, bundle.step = BundleState.FAILED, None, None
        db.session.commit()
        return claim_bundle(but)
    bundle.state, bundle.leased_until, bundle.step = BundleState.BUILDING, func.now() + LEASE, "collecting"
    claim = Claim(bundle.id, bundle.fence)
    db.session.commit()
    return claim


def build(claim: Claim, keyring: Keyring, draw: BundleEngine, config: Config) -> None:
    """Collect, draw, encrypt, store. Raises LeaseLostError when somebody else has taken over; then nothing is changed."""
    document = _collect(claim, keyring, config)
    _step(claim, "drawing")
    volumes = draw(document)
    _step(claim, "sealing")
    row_key_id, row_key = new_row_key()
    ciphertext = encrypt(row_key, archive(document.bundle_code, volumes), context("bundles", claim.bundle_id))
    path = bundle_path(config, claim.bundle_id, claim.fence)
    _write_whole(path, ciphertext)
    _update(
        claim,
        state=BundleState.READY,
        step=None,
        leased_until=None,
        signatures=len(document.rows),
        pages=sum(volume.pages for volume in volumes),
        register_hash=document.register_hash,
        row_key_id=row_key_id,
        file_hash=hashlib.sha256(ciphertext).hexdigest(),
        ready_at=func.now(),
    )
    db.session.commit()
    for old in path.parent.glob(f"{claim.bundle_id}.*"):
        if old != path:
            old.unlink()


def release(claim: Claim, *, blameless: bool = False) -> None:
    """Give a bundle back after a fault, so that the next attempt need not wait for the lease. Commits.

    A `blameless` attempt (no valid key, say) is not counted.
    """
    db.session.rollback()
    db.session.execute(
        update(Bundle)
        .where(Bundle.id == claim.bundle_id, Bundle.fence == claim.fence, Bundle.state == BundleState.BUILDING)
        .values(state=BundleState.APPROVED, leased_until=None, step=None, attempts=Bundle.attempts - int(blameless))
    )
    db.session.commit()


def recall_bundles(petition_id: int, addressee_id: int, counted_at: datetime) -> None:
    """A signature counted at this moment was withdrawn: bundles that may hold it lose their key and are built anew.

    Belongs into the transaction that erases the signature. What was taken away before is out of reach.
    """
    _keep_claims_apart()
    bundles = db.session.scalars(
        select(Bundle)
        .where(
            Bundle.petition_id == petition_id,
            Bundle.addressee_id == addressee_id,
            Bundle.state.in_((BundleState.APPROVED, BundleState.BUILDING, BundleState.READY)),
            Bundle.cutoff_at >= counted_at,
        )
        .order_by(Bundle.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for bundle in bundles:
        row_key_id = bundle.row_key_id
        bundle.state, bundle.step, bundle.leased_until, bundle.attempts = BundleState.APPROVED, None, None, 0
        bundle.row_key_id = bundle.file_hash = bundle.ready_at = None
        bundle.signatures = bundle.pages = bundle.register_hash = None
        db.session.flush()
        if row_key_id is not None:
            destroy_row_key(row_key_id)
        # What was sealed to a browser, and not fetched yet, holds the signature, too.
        downloads = select(Download.id).where(Download.bundle_id == bundle.id)
        db.session.execute(delete(Answer).where(Answer.event_id.in_(downloads)))


def _keep_claims_apart() -> None:
    """Until the commit nobody else claims a bundle or recalls some.

    Whoever claimed one while a signature is being erased would not see that yet, and build with it. One who is building
    already finds that the lease is lost.
    """
    db.session.execute(select(func.pg_advisory_xact_lock(*_CLAIMS)))


def _update(claim: Claim, **values: object) -> None:
    done = db.session.execute(
        update(Bundle)
        .where(Bundle.id == claim.bundle_id, Bundle.fence == claim.fence, Bundle.state == BundleState.BUILDING)
        .values(**values)
    )
    if not done.rowcount:  # type: ignore[attr-defined]  # An UPDATE's result has a row count.
        db.session.rollback()
        raise LeaseLostError


def _step(claim: Claim, step: str) -> None:
    """Show how far the build is, and renew the lease."""
    _update(claim, step=step, leased_until=func.now() + LEASE)
    db.session.commit()


def _collect(claim: Claim, keyring: Keyring, config: Config) -> BundleDocument:
    """Everything to be printed, from one snapshot of the database."""
    db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    bundle = db.session.get_one(Bundle, claim.bundle_id)
    addressee = db.session.get_one(Addressee, bundle.addressee_id)
    rows = [
        RegisterRow(number, signature.name, signature.city, signed_on(signature.received_at))
        for number, signature in enumerate(
            read_counted(bundle.petition_id, bundle.addressee_id, bundle.cutoff_at, keyring.private_keys), start=1
        )
    ]
    counts = count_by_state(bundle.petition_id, bundle.addressee_id, bundle.cutoff_at)
    official = addressee.languages.split()
    language = letter_language(official)
    appeal = newest_text(bundle.petition_id, language)
    code = bundle.code
    letter = fill(
        letter_texts(language) or {},
        {
            "title": appeal.title,
            "appeal_language": Locale.parse(appeal.language).get_display_name(language),
            "count": len(rows),
            "date": format_date(bundle.cutoff_at, "long", locale=language),
            "cutoff": _moment(bundle.cutoff_at, language),
            "reply_to": config.contact_address or config.public_url,
            "bundle_id": code,
            "city": addressee.city,
        },
    )
    # Received before the cut-off but confirmed after it: for this bundle, still waiting.
    counts["pending"] = counts.get("pending", 0) + counts.get("counted", 0) - len(rows)
    counts["counted"] = len(rows)
    order = ("counted", "pending", "duplicate", "quarantined", "rejected", "withdrawn", "expired")
    document = BundleDocument(
        bundle_code=code,
        language=language,
        letter=letter,
        address=_address(addressee, language),
        salutation=addressee.salutation_native.split(" / ")[0],
        title=appeal.title,
        appeal_html=appeal.body_html,
        appeal_language=appeal.language,
        cutoff=_moment(bundle.cutoff_at, language),
        counts=[
            (letter["received"], sum(counts.values())),
            *((letter[state], counts.get(state, 0)) for state in order),
        ],
        rows=rows,
        register_hash=register_hash(rows),
    )
    db.session.rollback()
    return document


def _address(addressee: Addressee, language: str) -> list[str]:
    place = " ".join(part for part in (addressee.postal_code, addressee.city) if part)
    lines = [addressee.name_native.split(" / ")[0], addressee.street_address, place]
    if addressee.country_code:
        lines.append(country_name(addressee.country_code, str(Locale.parse(language).language)))
    return lines


def _moment(moment: datetime, language: str) -> str:
    return f"{format_date(moment, 'long', locale=language)}, {moment:%H:%M} UTC"


def bundle_path(config: Config, bundle_id: UUID, fence: int) -> Path:
    """Where the encrypted file lies. Each attempt has a name of its own, so that a slow builder cannot overwrite a new one's."""
    if config.bundle_dir is None:
        raise ValueError("The worker has no bundle folder.")
    return config.bundle_dir / f"{bundle_id}.{fence}.sealed"


def _write_whole(path: Path, content: bytes) -> None:
    """The file is there with all its bytes, or it is not there."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with half.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        half.unlink(missing_ok=True)


def answer_downloads(keyring: Keyring, config: Config) -> int:
    """Seal each bundle that was asked for to the browser that asked. Commits one by one. Returns how many."""
    answered, waiting = 0, set[UUID]()
    while (download := _next_download(waiting)) is not None:
        # Nobody recalls it while it is being sealed.
        bundle = db.session.get_one(Bundle, download.bundle_id, with_for_update={"read": True})
        try:
            answer(download.id, download.answer_key, _open_bundle(bundle, keyring, config), DOWNLOAD_LIFETIME)
        except KeyNotHeldError:
            log.error("bundle %s waits for a sealing key that is not among the worker's secrets", bundle.id)
            waiting.add(download.id)
            db.session.rollback()
            continue
        except LookupError:
            log.info("bundle %s was recalled before it could be taken away", bundle.id)
        except (OSError, SealingError) as error:
            # This one cannot be had; the page says that the download is over, and the others get their turn.
            log.error("bundle %s does not open: %s", bundle.id, describe(error))
        download.answered_at = func.now()
        db.session.commit()
        answered += 1
    db.session.rollback()
    return answered


def _open_bundle(bundle: Bundle, keyring: Keyring, config: Config) -> bytes:
    if bundle.row_key_id is None:
        raise LookupError("The key of the bundle was destroyed.")
    key = open_row_key(bundle.row_key_id, keyring.private_keys)
    ciphertext = bundle_path(config, bundle.id, bundle.fence).read_bytes()
    return decrypt(key, ciphertext, context("bundles", bundle.id))


def _next_download(but: Collection[UUID]) -> Download | None:
    # A request older than its cookie has nobody left to read the answer.
    fresh = Download.requested_at > func.now() - DOWNLOAD_LIFETIME
    return db.session.scalar(
        select(Download)
        .where(Download.answered_at.is_(None), fresh, Download.id.not_in(list(but)))
        .order_by(Download.requested_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
