"""The worker's keys, and what can only be done with them. No web process imports this module."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.config import Config, ConfigError

log = logging.getLogger(__name__)

_MAC_SIZE = 16
_PASS = struct.Struct(">IIH6s")
"""Petition, begin in minutes since 1970, duration in minutes, place: short, because it is printed as a QR code."""
_PASS_MAC_SIZE = 10


@dataclass(frozen=True)
class Keyring:
    """Private sealing keys by id, the pepper of the blind index, the key that makes tokens, and the one that signs logs."""

    private_keys: Mapping[UUID, X25519PrivateKey]
    mailbox_key: bytes
    token_key: bytes
    log_key: Ed25519PrivateKey | None = None
    """Without it the logs of petitions wait."""

    def mailbox_hmac(self, petition_id: int, mailbox: str) -> bytes:
        """Blind index of a canonical mailbox: HMAC-SHA256 under a key derived for this petition alone.

        A subkey for each petition keeps one mailbox from being linked across petitions.
        """
        subkey = HKDF(SHA256(), 32, salt=None, info=f"zbor|mailbox|{petition_id}".encode()).derive(self.mailbox_key)
        return hmac.digest(subkey, mailbox.encode(), hashlib.sha256)

    def participant_hmac(self, picket_id: UUID, mailbox: str) -> bytes:
        """The same for a participant, under a key derived for one picket alone."""
        subkey = HKDF(SHA256(), 32, salt=None, info=b"zbor|participant|" + picket_id.bytes).derive(self.mailbox_key)
        return hmac.digest(subkey, mailbox.encode(), hashlib.sha256)

    def token(self, purpose: str, record_id: UUID) -> str:
        """An unguessable token (43 characters) that names a record and one purpose; see `read_token`."""
        return base64.urlsafe_b64encode(record_id.bytes + self._mac(purpose, record_id)).decode().rstrip("=")

    def read_token(self, purpose: str, token: str) -> UUID | None:
        """The record a token names, or None when it was not made by us for this purpose."""
        raw = _from_base64(token)
        if len(raw) != 16 + _MAC_SIZE:
            return None
        record_id = UUID(bytes=raw[:16])
        return record_id if hmac.compare_digest(raw[16:], self._mac(purpose, record_id)) else None

    def code(self, record_id: UUID) -> str:
        """Six digits for those who would rather type than follow a link; how often one may guess them is counted elsewhere."""
        digest = hmac.digest(self.token_key, b"code|" + record_id.bytes, hashlib.sha256)
        return f"{int.from_bytes(digest[:8]) % 1_000_000:06d}"

    def message_id(self, outbox_id: UUID, domain: str) -> str:
        """A Message-ID that is the same however often a mail is sent, and says nothing about its receiver."""
        return f"<{hmac.digest(self.token_key, b'message|' + outbox_id.bytes, hashlib.sha256)[:16].hex()}@{domain}>"

    def make_pass(self, petition_id: int, place: str, starts_at: datetime, ends_at: datetime) -> str:
        """A pass for those who sign one petition at one place (six letters that name it) in its hours. It names no person."""
        minutes = int(starts_at.timestamp()) // 60
        told = _PASS.pack(petition_id, minutes, -int(-ends_at.timestamp() // 60) - minutes, place.encode())
        return base64.urlsafe_b64encode(told + self._mac_of(told)).decode().rstrip("=")

    def read_pass(self, text: str, petition_id: int, moment: datetime) -> bytes | None:
        """What signatures under a pass have in common: six bytes that stand for its petition and place, and tell neither.

        None for one that we did not make for this petition and moment.
        """
        raw = _from_base64(text)
        told = raw[: _PASS.size]
        if len(raw) != _PASS.size + _PASS_MAC_SIZE or not hmac.compare_digest(raw[_PASS.size :], self._mac_of(told)):
            return None
        number, starts, lasts, place = _PASS.unpack(told)
        is_open = number == petition_id and starts <= moment.timestamp() / 60 <= starts + lasts
        common = hmac.digest(self.token_key, b"place|%d|%s" % (number, place), hashlib.sha256)[:6]
        return common if is_open else None

    def _mac_of(self, told: bytes) -> bytes:
        return hmac.digest(self.token_key, b"pass|" + told, hashlib.sha256)[:_PASS_MAC_SIZE]

    def _mac(self, purpose: str, record_id: UUID) -> bytes:
        return hmac.digest(self.token_key, purpose.encode() + b"|" + record_id.bytes, hashlib.sha256)[:_MAC_SIZE]

    @cached_property
    def key_ids(self) -> list[UUID]:
        """Ids of the private keys held now."""
        return list(self.private_keys)


def _from_base64(text: str) -> bytes:
    """The bytes of a token, none for what is no token."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def load_keyring(config: Config) -> Keyring:
    """Read the keys from the worker's secrets. Done for each piece of work, so a key that is put back is noticed.

    A missing sealing key is not an error: what is sealed to it waits. Neither is a missing key of the logs.
    """
    if config.secrets_dir is None:
        raise ConfigError("Set ZBOR_SECRETS_DIR: the worker needs its keys.")
    return Keyring(
        private_keys=_read_private_keys(config.secrets_dir / "sealing"),
        mailbox_key=_key(config, "mailbox.key"),
        token_key=_key(config, "token.key"),
        log_key=_read_log_key(config.secrets_dir / "log.key"),
    )


def _read_log_key(path: Path) -> Ed25519PrivateKey | None:
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_bytes().strip(), validate=True))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        log.warning("the file of the logs' key is not a key (%s)", type(error).__name__)
        return None


def _read_private_keys(folder: Path) -> dict[UUID, X25519PrivateKey]:
    """Every whole key of a folder. A half-copied file must not stop the work that the others can do."""
    keys = {}
    for path in folder.glob("*.key"):
        try:
            raw = base64.b64decode(path.read_bytes().strip(), validate=True)
            keys[UUID(path.stem)] = X25519PrivateKey.from_private_bytes(raw)
        except (ValueError, OSError) as error:
            log.warning("a file in the folder of sealing keys is not a key (%s)", type(error).__name__)
    return keys


def _key(config: Config, name: str) -> bytes:
    key = base64.b64decode(config.secret(name), validate=True)
    if len(key) != 32:
        raise ConfigError(f"The secret {name!r} must be 32 bytes in base64.")
    return key
