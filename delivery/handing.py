"""Handing a ready bundle to the browser that asked for it, piece by piece. Runs in the worker; keys are passed in."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import pyrage
from sqlalchemy import delete, func, insert, select

from accounts.models import Account
from core.answers import answer
from core.config import Config
from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.records import open_row_key
from core.sealing import KeyNotHeldError, SealingError, context, decrypt, encrypt
from delivery.document import file_name
from delivery.models import DOWNLOAD_LIFETIME, Bundle, Download, DownloadPart, Volume
from delivery.store import volume_path
from petitions.proving import in_utc

log = logging.getLogger(__name__)

PART_SIZE = 2**20
"""Bytes of an archive that are encrypted, stored and sent at once, so that memory does not grow with the bundle."""
PARTS_KEPT = timedelta(hours=1)
"""For whoever began to load a large one in time, and loads slowly."""


def answer_downloads(keyring: Keyring, config: Config) -> int:
    """Seal each bundle that was asked for to the browser that asked. Commits one by one. Returns how many."""
    answered, waiting = 0, set[UUID]()
    while (download := _next_download(waiting)) is not None:
        # Nobody recalls it while it is being sealed.
        bundle = db.session.get_one(Bundle, download.bundle_id, with_for_update={"read": True}, populate_existing=True)
        try:
            _hand_over(download, bundle, keyring, config)
        except KeyNotHeldError:
            log.error("bundle %s waits for a sealing key that is not among the worker's secrets", bundle.id)
            waiting.add(download.id)
            db.session.rollback()
            continue
        except LookupError:
            log.info("bundle %s was recalled before it could be taken away", bundle.id)
            _forget_parts(download)
        except (OSError, SealingError, pyrage.RecipientError) as error:
            # This one cannot be had; the page says that the download is over, and the others get their turn.
            log.error("bundle %s does not open: %s", bundle.id, describe(error))
            _forget_parts(download)
        download.answered_at = func.now()
        db.session.commit()
        answered += 1
    db.session.rollback()
    return answered


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


def _forget_parts(download: Download) -> None:
    db.session.execute(delete(DownloadPart).where(DownloadPart.download_id == download.id))


def forget_parts() -> None:
    """Delete pieces that nobody can ask for any more. Does not commit."""
    db.session.execute(delete(DownloadPart).where(DownloadPart.written_at < func.now() - PARTS_KEPT))


def _hand_over(download: Download, bundle: Bundle, keyring: Keyring, config: Config) -> None:
    """Write the archive as encrypted pieces, and the key to them as the answer. Does not commit."""
    if bundle.row_key_id is None or bundle.manifest is None:
        raise LookupError("The key of the bundle was destroyed.")
    row_key = open_row_key(bundle.row_key_id, keyring.private_keys)
    key, number, size = os.urandom(32), 0, 0
    recipients = _recipients(download)

    def store(piece: bytes) -> None:
        nonlocal number, size
        sealed = encrypt(key, piece, context("download", download.id, number))
        db.session.execute(insert(DownloadPart).values(download_id=download.id, number=number, sealed=sealed))
        number, size = number + 1, size + len(piece)

    pieces = _Pieces(store)
    if recipients:
        pyrage.encrypt_io(_Readable(_archive(bundle, download, row_key, config)), pieces, recipients)
    else:
        for chunk in _archive(bundle, download, row_key, config):
            pieces.write(chunk)
    pieces.close()
    name = f"{bundle.code}.zip{'.age' if recipients else ''}"
    told = {"key": key.hex(), "parts": number, "size": size, "name": name}
    answer(download.id, download.answer_key, json.dumps(told).encode(), DOWNLOAD_LIFETIME)


def _recipients(download: Download) -> list[pyrage.x25519.Recipient]:
    lines = db.session.scalars(select(Account.age_recipients).where(Account.id == download.account_id)).one()
    return [pyrage.x25519.Recipient.from_str(line) for line in lines.split()]


def _archive(bundle: Bundle, download: Download, row_key: bytes, config: Config) -> Iterator[bytes]:
    """A ZIP file, bit by bit: a folder with the volumes, their tables, the manifest, and a mark of this copy.

    The mark is in the archive alone. What the ministry files is the same in every copy, or its hash would tell who took it.
    """
    pipe = _Pipe()
    folder = bundle.code
    volumes = db.session.execute(
        select(Volume.number, Volume.fence).where(Volume.bundle_id == bundle.id).order_by(Volume.number)
    ).all()
    copy = {"copy": download.id.hex[:12], "bundle": bundle.code, "taken_at": in_utc(download.requested_at)}
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=1) as file:
        file.comment = f"Copy {copy['copy']}".encode()
        file.writestr(f"{folder}/manifest.json", bundle.manifest or "")
        file.writestr(f"{folder}/copy.json", json.dumps(copy, indent=1) + "\n")
        for number, fence in volumes:
            stored = volume_path(config, bundle.id, number, fence).read_bytes()
            packed = decrypt(row_key, stored, context("volumes", bundle.id, number))
            ends = 8 + int.from_bytes(packed[:8])
            name = f"{folder}/{file_name(bundle.code, number)}"
            file.writestr(f"{name}.pdf", packed[8:ends])
            if number:
                file.writestr(f"{name}.csv", packed[ends:])
            yield pipe.taken()
    yield pipe.taken()


class _Pipe(io.RawIOBase):
    """A file that ZipFile writes to without going back in it, and of which what was written is taken out again."""

    def __init__(self) -> None:
        super().__init__()
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # Whatever has bytes in it.
        self.held += content
        return len(content)

    def taken(self) -> bytes:
        content = bytes(self.held)
        self.held.clear()
        return content


class _Readable(io.RawIOBase):
    """What an iterator gives, as a file that is read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self.chunks = chunks
        self.held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # Whatever can be written into.
        while not self.held:
            chunk = next(self.chunks, None)
            if chunk is None:
                return 0
            self.held = chunk
        size = min(len(buffer), len(self.held))
        buffer[:size] = self.held[:size]
        self.held = self.held[size:]
        return size


class _Pieces(io.RawIOBase):
    """A file that is written to, and gives away pieces of PART_SIZE."""

    def __init__(self, store: Callable[[bytes], None]) -> None:
        super().__init__()
        self.store = store
        self.held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]  # Whatever has bytes in it.
        self.held += content
        while len(self.held) >= PART_SIZE:
            self.store(bytes(self.held[:PART_SIZE]))
            del self.held[:PART_SIZE]
        return len(content)

    def close(self) -> None:
        if not self.closed and self.held:
            self.store(bytes(self.held))
            self.held.clear()
        super().close()
