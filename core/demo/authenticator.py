"""An authenticator in software, for the demonstration's robots and for tests: makes passkeys and signs with them.

It does what a platform authenticator does (WebAuthn level 2, 6.1 and 6.5.4), without asking anybody.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT_AND_VERIFIED = 0b0000_0101
_HAS_CREDENTIAL = 0b0100_0000


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftPasskey:
    """One passkey. `origin` is what the browser would say where it is used."""

    origin: str
    seed: bytes = field(default_factory=lambda: os.urandom(31))
    flags: int = _PRESENT_AND_VERIFIED
    uses: int = 0
    user_handle: bytes = b""

    @property
    def _key(self) -> EllipticCurvePrivateKey:
        return derive_private_key(int.from_bytes(self.seed) + 1, SECP256R1())

    @property
    def credential_id(self) -> bytes:
        """Its name for sites."""
        return hashlib.sha256(b"credential" + self.seed).digest()

    @property
    def cose_key(self) -> bytes:
        """The public half as authenticators write it."""
        point = self._key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _data(self, site: str, more: bytes = b"", flags: int = 0) -> bytes:
        self.uses += 1
        return hashlib.sha256(site.encode()).digest() + bytes([self.flags | flags]) + self.uses.to_bytes(4) + more

    def _answer(self, response: dict[str, bytes]) -> str:
        name = _text(self.credential_id)
        written = {key: _text(value) for key, value in response.items()}
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "response": written, "clientExtensionResults": {}}
        )

    def create(self, options: str) -> str:
        """Answer to what a site asks for to make a passkey."""
        asked: dict[str, Any] = json.loads(options)
        self.user_handle = _bytes(asked["user"]["id"])
        credential = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + self.cose_key
        data = self._data(asked["rp"]["id"], credential, _HAS_CREDENTIAL)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {
                "clientDataJSON": self._client_data("webauthn.create", asked["challenge"]),
                "attestationObject": attestation,
            }
        )

    def get(self, options: str) -> str:
        """Answer to what a site asks for to see that the passkey is held."""
        asked: dict[str, Any] = json.loads(options)
        client_data = self._client_data("webauthn.get", asked["challenge"])
        data = self._data(asked["rpId"])
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": client_data,
                "authenticatorData": data,
                "signature": signature,
                "userHandle": self.user_handle,
            }
        )
