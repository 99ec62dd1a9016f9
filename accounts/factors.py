"""Passphrases, codes of authenticator apps, passkeys and recovery codes: what proves who somebody is."""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import secrets
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, or_, select, update
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from zxcvbn import zxcvbn

from accounts.models import Account, Passkey, RecoveryCode
from core.config import current_config
from core.errors import UnavailableError
from core.extensions import db
from core.sealing import context, decrypt, encrypt

# --- Passphrases -------------------------------------------------------------------------------------------------------

SHORTEST, LONGEST = 15, 128
"""Characters of a passphrase (ASVS 5.0, 6.2.1 and 6.2.9)."""
LEAST_GUESSES = 10**10
"""What zxcvbn must think that guessing takes."""

_hasher = PasswordHasher()  # RFC 9106's second choice: 64 MiB, three passes, four lanes.
_at_once = threading.BoundedSemaphore(2)
"""Each hash takes 64 MiB, so a flood of log-ins must not make many at the same time."""
_PATIENCE = 10.0


@cache
def _breached() -> frozenset[str]:
    """Passphrases of at least SHORTEST characters that stand in public lists of breached ones, in lower case."""
    path = Path(__file__).parent / "data" / "breached.txt.gz"
    return frozenset(gzip.decompress(path.read_bytes()).decode().splitlines())


def is_breached(passphrase: str) -> bool:
    """Whether it stands in a list of breached ones."""
    return passphrase.casefold() in _breached()


def is_guessable(passphrase: str, *about: str) -> bool:
    """Whether it is made of what is guessed first: rows of keys, repeats, common words, and words `about` its owner."""
    words = [word for text in ("zbor", *about) for word in text.replace("@", " ").split()]
    # Its first half says enough, and the estimate's cost grows with the square of the length.
    return bool(zxcvbn(passphrase[:64], user_inputs=words)["guesses"] < LEAST_GUESSES)


def hash_secret(secret: str) -> str:
    """Argon2id with a salt of its own. Raises UnavailableError when too many are under way."""
    if not _at_once.acquire(timeout=_PATIENCE):
        raise UnavailableError
    try:
        return _hasher.hash(secret)
    finally:
        _at_once.release()


@lru_cache(maxsize=1)
def _dummy_hash() -> str:
    return _hasher.hash("nobody has this passphrase")


def is_secret(hashed: str | None, secret: str) -> bool:
    """Whether a secret has this hash. For None, of whoever has none, it takes as long and is False."""
    if not _at_once.acquire(timeout=_PATIENCE):
        raise UnavailableError
    try:
        return _hasher.verify(hashed or _dummy_hash(), secret) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _at_once.release()


# --- Codes of authenticator apps (RFC 6238) ------------------------------------------------------------------------------

STEP = 30
"""Seconds."""


def new_totp_key() -> str:
    """160 bits, base32."""
    return pyotp.random_base32()


def totp_uri(key: str, account: Account) -> str:
    """What the QR code holds. The app shows the address of the console, and no petition."""
    return pyotp.TOTP(key).provisioning_uri(name=account.email, issuer_name=f"Zbor {passkey_site()}")


def seal_totp_key(account: Account, key: str) -> bytes:
    """Encrypted for the account under the console's key, so that a stolen database makes no codes."""
    return encrypt(_factor_key(), key.encode(), context("totp", account.id))


def open_totp_key(account: Account, sealed: bytes) -> str:
    """Undo `seal_totp_key`."""
    return decrypt(_factor_key(), sealed, context("totp", account.id)).decode()


def _factor_key() -> bytes:
    return base64.b64decode(current_config().secret("factor.key"), validate=True)


def matching_step(key: str, code: str) -> int | None:
    """The time step whose code this is: now, or one before or after. By the database's clock."""
    now = int(db.session.scalars(select(func.extract("epoch", func.clock_timestamp()))).one()) // STEP
    totp = pyotp.TOTP(key)
    matching = [
        step for step in (now - 1, now, now + 1) if hmac.compare_digest(totp.at(step * STEP).encode(), code.encode())
    ]
    return matching[-1] if matching else None


def spend_totp(account: Account, code: str) -> bool:
    """Whether a code is right and newer than every accepted one; then it is spent. Two at once: one wins. Does not commit."""
    if account.totp_sealed is None:
        return False
    step = matching_step(open_totp_key(account, account.totp_sealed), code)
    if step is None:
        return False
    newer = or_(Account.totp_last_step.is_(None), Account.totp_last_step < step)
    mine = update(Account).where(Account.id == account.id, newer).values(totp_last_step=step)
    return db.session.execute(mine.returning(Account.id)).first() is not None


# --- Recovery codes -----------------------------------------------------------------------------------------------------

CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # Without what is mistaken for something else.
_SELECTOR, _SECRET = 4, 17  # 31**17 is more than 2**84.


def new_recovery_codes(account: Account) -> list[str]:
    """Ten codes in place of all earlier ones; only their hashes are kept. Does not commit."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account.id))
    codes: list[str] = []
    while len(codes) < CODES:
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_SELECTOR + _SECRET))
        if code[:_SELECTOR] in (other[:_SELECTOR] for other in codes):
            continue
        codes.append(code)
    db.session.add_all(
        RecoveryCode(account_id=account.id, selector=code[:_SELECTOR], code_hash=hash_secret(code[_SELECTOR:]))
        for code in codes
    )
    return ["-".join((code[:4], code[4:9], code[9:15], code[15:])) for code in codes]


def looks_like_recovery_code(typed: str) -> bool:
    """Whether a text has the length of a recovery code, and not of an app's."""
    return len(_bare(typed)) == _SELECTOR + _SECRET


def spend_recovery_code(account: Account | None, typed: str) -> bool:
    """Whether this is an unused code of the account; then it is spent. Takes as long when it is not. Does not commit."""
    code = _bare(typed)
    row = db.session.scalar(
        select(RecoveryCode)
        .where(
            RecoveryCode.account_id == (account.id if account else None),
            RecoveryCode.selector == code[:_SELECTOR],
            RecoveryCode.used_at.is_(None),
        )
        .with_for_update()
    )
    if not is_secret(row.code_hash if row else None, code[_SELECTOR:]) or row is None:
        return False
    row.used_at = func.now()
    return True


def unused_recovery_codes(account: Account) -> int:
    """How many are left."""
    unused = RecoveryCode.account_id == account.id, RecoveryCode.used_at.is_(None)
    return db.session.scalars(select(func.count()).select_from(RecoveryCode).where(*unused)).one()


def _bare(typed: str) -> str:
    return "".join(char for char in typed.casefold() if char.isalnum())


# --- Passkeys (WebAuthn) -------------------------------------------------------------------------------------------------


def passkey_site() -> str:
    """The host that passkeys belong to. A browser gives none of them to any other."""
    return urlsplit(current_config().console_url).hostname or ""


def registration_options(account: Account, challenge: bytes) -> str:
    """What the browser is asked for to make a passkey, as JSON. It must be findable without a name and verify its user."""
    options = generate_registration_options(
        rp_id=passkey_site(),
        rp_name="Zbor",
        user_name=account.email,
        user_id=account.user_handle.bytes,
        user_display_name=account.name,
        challenge=challenge,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in account.passkeys],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    return options_to_json(options)


def add_passkey(account: Account, challenge: bytes | None, answer: str, name: str) -> bool:
    """Keep the passkey a browser has made. False when it is not for this site, this account and this challenge. Does not commit."""
    if challenge is None:
        return False
    try:
        made = verify_registration_response(
            credential=_whole(answer),
            expected_challenge=challenge,
            expected_rp_id=passkey_site(),
            expected_origin=current_config().console_url,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, LookupError, TypeError, AttributeError):
        return False
    if db.session.scalar(select(Passkey.id).where(Passkey.credential_id == made.credential_id)) is not None:
        return False
    account.passkeys.append(
        Passkey(
            id=uuid4(),
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=name,
        )
    )
    return True


def request_options(challenge: bytes, known: Sequence[Passkey] = ()) -> str:
    """What the browser is asked for to prove that it holds a passkey, any or one of `known`, as JSON."""
    options = generate_authentication_options(
        rp_id=passkey_site(),
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def check_passkey(challenge: bytes | None, answer: str) -> Passkey | None:
    """The passkey that signed this challenge for this site, its user verified; None for anything else. Does not commit."""
    if challenge is None:
        return None
    try:
        credential = _whole(answer)
        found = db.session.scalar(
            select(Passkey).where(Passkey.credential_id == _decoded(credential["rawId"])).with_for_update()
        )
        if found is None:
            return None
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=passkey_site(),
            expected_origin=current_config().console_url,
            credential_public_key=found.public_key,
            credential_current_sign_count=found.sign_count,
            require_user_verification=True,
        )
        owner = db.session.get_one(Account, found.account_id)
        handle = credential["response"].get("userHandle")
        if handle and _decoded(handle) != owner.user_handle.bytes:
            return None
    except (WebAuthnException, ValueError, LookupError, TypeError, AttributeError):
        return None
    found.sign_count = verified.new_sign_count
    found.used_at = func.now()
    return found


def remove_passkey(account: Account, passkey_id: UUID) -> bool:
    """Forget a passkey. False when it is not the account's. Does not commit."""
    mine = Passkey.id == passkey_id, Passkey.account_id == account.id
    return db.session.execute(delete(Passkey).where(*mine).returning(Passkey.id)).first() is not None


def _whole(answer: str) -> dict[str, Any]:
    """A browser's answer. Raises ValueError when it is not one."""
    if len(answer) > 20_000:
        raise ValueError("Too long for a passkey's answer.")
    try:
        credential = json.loads(answer)
    except RecursionError:
        raise ValueError("Not a passkey's answer.") from None
    if not isinstance(credential, dict):
        raise TypeError("Not a passkey's answer.")
    return credential


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
