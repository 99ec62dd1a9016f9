"""Building bundles and handing them out. Runs in the worker; keys and the drawing engine are passed in."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from sqlalchemy import func, select

from core.answers import answer
from core.config import Config
from core.errors import describe
from core.extensions import db
from core.i18n import country_name
from core.keyring import Keyring
from core.records import new_row_key, open_row_key
from core.sealing import KeyNotHeldError, SealingError, context, decrypt, encrypt
from delivery.claims import Claim, show_step, write
from delivery.document import (
    BundleDocument,
    BundleEngine,
    EarlierAppeal,
    PrintedHead,
    RegisterRow,
    Sign,
    archive,
    fill,
    letter_language,
    letter_texts,
    register_hash,
    signed_on,
)
from delivery.models import DOWNLOAD_LIFETIME, Bundle, BundleState, Download
from petitions.logbook import log_signer
from petitions.models import Addressee, Petition, TreeHead
from petitions.proving import head_as_json, in_utc, log_keys
from petitions.register import EarlierText, ReadText, count_by_state, earlier_texts, read_counted
from petitions.services import newest_text
from petitions.texts import demands_html

log = logging.getLogger(__name__)


def build(claim: Claim, keyring: Keyring, draw: BundleEngine, config: Config) -> None:
    """Collect, draw, encrypt, store. Raises LeaseLostError when somebody else has taken over; then nothing is changed."""
    document = _collect(claim, keyring, config)
    show_step(claim, "drawing")
    volumes = draw(document)
    show_step(claim, "sealing")
    packed = archive(document.bundle_code, volumes, *_signed(document.manifest or {}, keyring))
    row_key_id, row_key = new_row_key()
    ciphertext = encrypt(row_key, packed, context("bundles", claim.bundle_id))
    path = bundle_path(config, claim.bundle_id, claim.fence)
    _write_whole(path, ciphertext)
    write(
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


def _signed(manifest: Mapping[str, Any], keyring: Keyring) -> tuple[dict[str, Any], Sign]:
    """The manifest with who signs it and when, and what signs it. Without a key of the logs nobody does."""
    signer = log_signer(keyring)
    moment = db.session.scalars(select(func.clock_timestamp())).one()
    key = log_keys([signer.key_id])[0] if signer is not None else None
    whole = {**manifest, "signed_at": in_utc(moment) if key else None, "signed_by": key}
    return whole, lambda statement: signer.key.sign(statement).hex() if signer is not None else None


def _collect(claim: Claim, keyring: Keyring, config: Config) -> BundleDocument:
    """Everything to be printed, from one snapshot of the database."""
    db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    bundle = db.session.get_one(Bundle, claim.bundle_id)
    addressee = db.session.get_one(Addressee, bundle.addressee_id)
    petition = db.session.get_one(Petition, bundle.petition_id)
    slug = petition.slug
    # From the table: the view shows none of a petition that is hidden meanwhile.
    heads = select(TreeHead).where(TreeHead.petition_id == bundle.petition_id).order_by(TreeHead.size.desc())
    head = db.session.scalar(heads.limit(1))
    official = addressee.languages.split()
    language = letter_language(official)
    texts = letter_texts(language) or {}
    rows, read = list[RegisterRow](), Counter[ReadText]()
    counted = read_counted(bundle.petition_id, bundle.addressee_id, bundle.cutoff_at, keyring.private_keys)
    for number, one in enumerate(counted, start=1):
        rows.append(RegisterRow(number, one.name or texts["further_signer"], one.city, signed_on(one.received_at)))
        read[one.text] += 1
    counts = count_by_state(bundle.petition_id, bundle.addressee_id, bundle.cutoff_at)
    appeal = newest_text(bundle.petition_id, language)
    earlier = earlier_texts(appeal, read)
    code = bundle.code
    letter = fill(
        texts,
        {
            "title": appeal.title,
            "appeal_language": Locale.parse(appeal.language).get_display_name(language),
            "count": len(rows),
            "number": sum(one.signatures for one in earlier),
            "date": format_date(bundle.cutoff_at, "long", locale=language),
            "cutoff": _moment(bundle.cutoff_at, language),
            "reply_to": config.contact_address or config.public_url,
            "bundle_id": code,
            "city": addressee.city,
            "per_mailbox": texts["per_mailbox"][petition.per_mailbox - 1],
            "log_address": f"{config.public_url}/petitions/{slug}/log",
        },
    )
    # Received before the cut-off but confirmed after it: for this bundle, still waiting.
    counts["pending"] = counts.get("pending", 0) + counts.get("counted", 0) - len(rows)
    counts["counted"] = len(rows)
    hashed = register_hash(rows)
    order = ("counted", "pending", "duplicate", "quarantined", "rejected", "withdrawn", "expired")
    document = BundleDocument(
        bundle_code=code,
        language=language,
        letter=letter,
        address=_address(addressee, language),
        salutation=addressee.salutation_native.split(" / ")[0],
        title=appeal.title,
        appeal_html=appeal.body_html,
        demands_html=demands_html(appeal.demands),
        earlier=[_earlier(one, texts, language) for one in earlier],
        appeal_language=appeal.language,
        cutoff=_moment(bundle.cutoff_at, language),
        counts=[
            (letter["received"], sum(counts.values())),
            *((letter[state], counts.get(state, 0)) for state in order),
        ],
        rows=rows,
        register_hash=hashed,
        head=_printed(head, language) if head is not None else None,
        manifest={
            "petition": slug,
            "addressee": addressee.code,
            "counted": len(rows),
            "cutoff": in_utc(bundle.cutoff_at),
            "register_hash": hashed,
            "tree_head": head_as_json(slug, head) if head is not None else None,
            "key": log_keys([head.key_id])[0] if head is not None else None,
        },
    )
    db.session.rollback()
    return document


def _earlier(one: EarlierText, texts: dict[str, Any], language: str) -> EarlierAppeal:
    return EarlierAppeal(
        heading=texts["earlier_heading"].format(until=format_date(one.until, "long", locale=language)),
        note=texts["earlier_note"].format(number=one.signatures),
        title=one.text.title,
        html=one.text.body_html,
        demands_html=demands_html(one.text.demands),
        language=one.text.language,
    )


def _printed(head: TreeHead, language: str) -> PrintedHead:
    root = head.root.hex()
    return PrintedHead(
        size=format_decimal(head.size, locale=language),
        counted=format_decimal(head.counted, locale=language),
        signed=_moment(head.signed_at, language),
        root=[root[at : at + 8] for at in range(0, len(root), 8)],
    )


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
