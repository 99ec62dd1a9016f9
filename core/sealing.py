"""Sealing: how personal data is made unreadable before it touches a disk.

A sealed message is a random 256-bit content key, encrypted with HPKE (RFC 9180: DHKEM(X25519, HKDF-SHA256),
HKDF-SHA256, ChaCha20-Poly1305) once for each recipient, followed by the padded payload encrypted under that content
key with ChaCha20-Poly1305. Both are bound to a context (version, petition, key, event and kind), so a message moved
to another row does not open. Layout, all fixed in size for a given list of recipients:

    1 byte version | 1 byte number of recipients | (16 bytes key id | 80 bytes HPKE)* | 12 bytes nonce | ciphertext

Anyone who holds public keys can seal. Opening needs a private key, and those live with the worker (core.keyring),
with the recovery officers, and, for answers, is derived from the visitor's own cookie (core.answers).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

VERSION = 1
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
PADDED_SIZES = (1536, 8192)
"""Payload sizes after padding, in bytes; a longer payload is padded to a multiple of the last. Every event of a
visitor fits the first, so a signature is as long as any other, and as long as a confirmation."""

_HPKE_SIZE = 32 + 32 + 16  # Encapsulated key, content key, tag.
_RECIPIENT_SIZE = 16 + _HPKE_SIZE


class SealingError(Exception):
    """Something sealed does not open: wrong key, wrong context, or damaged. Says nothing about the content."""


class KeyNotHeldError(SealingError):
    """The message is sealed to keys that this process does not hold (now); it may open later."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody a message is sealed to."""

    key_id: UUID
    public_key: X25519PublicKey


def context(kind: str, *parts: object) -> bytes:
    """The associated data that ties a sealed message to its place, e.g. context("sign", petition_id, event_id)."""
    return "|".join(["zbor", str(VERSION), kind, *(str(part) for part in parts)]).encode()


def pad(plaintext: bytes, sizes: tuple[int, ...] = PADDED_SIZES) -> bytes:
    """Length (4 bytes), plaintext, zeros up to the next of `sizes`."""
    length = len(plaintext) + 4
    size = next((size for size in sizes if length <= size), math.ceil(length / sizes[-1]) * sizes[-1])
    return (len(plaintext).to_bytes(4) + plaintext).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """The plaintext inside what `pad` made."""
    return padded[4 : 4 + int.from_bytes(padded[:4])]


def seal(payload: Mapping[str, Any], recipients: Iterable[Recipient], place: bytes) -> bytes:
    """Seal a JSON-serialisable payload for all recipients, bound to `place` (see `context`)."""
    return seal_bytes(pad(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()), recipients, place)


def seal_bytes(plaintext: bytes, recipients: Iterable[Recipient], place: bytes) -> bytes:
    """Seal bytes as they are, without padding. `recipients` must not be empty."""
    recipients = list(recipients)
    if not recipients:
        raise ValueError("Nothing is sealed to nobody.")
    content_key = os.urandom(32)
    head = bytes([VERSION, len(recipients)])
    for recipient in recipients:
        info = place + b"|" + recipient.key_id.bytes
        head += recipient.key_id.bytes + SUITE.encrypt(content_key, recipient.public_key, info=info)
    return head + encrypt(content_key, plaintext, place)


def unseal(sealed: bytes, private_keys: Mapping[UUID, X25519PrivateKey], place: bytes) -> dict[str, Any]:
    """Open what `seal` made. Raises KeyNotHeldError or SealingError."""
    payload = json.loads(unpad(unseal_bytes(sealed, private_keys, place)))
    if not isinstance(payload, dict):
        raise SealingError("The payload is not an object.")
    return payload


def unseal_bytes(sealed: bytes, private_keys: Mapping[UUID, X25519PrivateKey], place: bytes) -> bytes:
    """Open what `seal_bytes` made. Raises KeyNotHeldError or SealingError."""
    if len(sealed) < 2 or sealed[0] != VERSION:
        raise SealingError("Not a sealed message of a version we know.")
    body_starts = 2 + sealed[1] * _RECIPIENT_SIZE
    for start in range(2, body_starts, _RECIPIENT_SIZE):
        key_bytes = sealed[start : start + 16]
        private_key = private_keys.get(UUID(bytes=key_bytes)) if len(key_bytes) == 16 else None
        if private_key is None:
            continue
        try:
            wrapped = sealed[start + 16 : start + _RECIPIENT_SIZE]
            content_key = SUITE.decrypt(wrapped, private_key, info=place + b"|" + key_bytes)
        except InvalidTag:
            raise SealingError("The sealed message does not open with our key in this place.") from None
        return decrypt(content_key, sealed[body_starts:], place)
    raise KeyNotHeldError("The message is sealed to keys that are not held here.")


def encrypt(key: bytes, plaintext: bytes, place: bytes) -> bytes:
    """Encrypt under a 256-bit key: 12 random bytes of nonce, then ciphertext and tag."""
    nonce = os.urandom(12)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, plaintext, place)


def decrypt(key: bytes, ciphertext: bytes, place: bytes) -> bytes:
    """Undo `encrypt`. Raises SealingError."""
    try:
        return ChaCha20Poly1305(key).decrypt(ciphertext[:12], ciphertext[12:], place)
    except (InvalidTag, ValueError):
        raise SealingError("The ciphertext does not open with this key in this place.") from None


# --- The signed list of keys -----------------------------------------------------------------------------------------


def key_statement(key_id: UUID, purpose: str, public_key: bytes, not_before: datetime, not_after: datetime) -> bytes:
    """What the root key signs about one sealing key. Moments are written in UTC to the second."""
    moments = [moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (not_before, not_after)]
    return "|".join(["zbor-sealing-key", str(VERSION), str(key_id), purpose, public_key.hex(), *moments]).encode()


def sign_statement(root_private_key: bytes, statement: bytes) -> bytes:
    """Ed25519 signature of the offline root key over a key statement."""
    return Ed25519PrivateKey.from_private_bytes(root_private_key).sign(statement)


def statement_is_signed(root_public_key: bytes, statement: bytes, signature: bytes) -> bool:
    """Whether the root key signed this statement."""
    try:
        Ed25519PublicKey.from_public_bytes(root_public_key).verify(signature, statement)
    except InvalidSignature:
        return False
    return True
