"""Mails to signers: to confirm, to say that they have signed already, and updates. Runs in the worker; keys are passed in."""

from __future__ import annotations

from uuid import UUID

from core.config import current_config
from core.keyring import Keyring
from core.outbox import Mail


def signer_mail(
    template: str,
    signature_id: UUID,
    key_id: UUID,
    key: bytes,
    email: str,
    language: str,
    keyring: Keyring,
    counted_id: UUID | None = None,
) -> Mail:
    """`confirm` or `already_signed`, for `core.outbox` to queue.

    `counted_id` is the signature of the same mailbox that is counted already; what one can do then concerns that one.
    """
    mine = counted_id or signature_id
    mail = {
        "to": email,
        "language": language,
        "mine_url": link("mine", mine, language, keyring),
        "not_me_url": link("not_me", signature_id, language, keyring),
    }
    if counted_id is None:
        mail["confirm_url"] = link("confirm", signature_id, language, keyring)
        mail["code"] = keyring.code(signature_id)
    return template, key_id, key, mail


PATHS = {"not_me": "not-me", "updates": "unsubscribe"}
"""Paths of links that are not called as the purpose of their tokens."""


def link(purpose: str, signature_id: UUID, language: str, keyring: Keyring) -> str:
    """Address of a page of the public site that a mail leads to."""
    token = keyring.token(purpose, signature_id)
    return f"{current_config().public_url}/{PATHS.get(purpose, purpose)}/{token}?lang={language}"
