"""Receipts: what a signer can show, or check later, that the log counts their signature.

Runs in the worker, inside the drain's transaction; keys are passed in. Nothing here commits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.records import decrypt_record, open_row_key
from petitions.logbook import LONGEST_WAIT, canonical_record, salt_of
from petitions.models import Leaf, Petition, Signature
from petitions.proving import head_as_json, log_keys, newest_head, receipt_line, tree_of
from petitions.pub import PublicTreeHead
from petitions.states import WHOLE, Outcome, named_by_token, with_family


def give_receipt(_event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """A `receipt` event, by the token of a signer's own page. Answers `invalid`, or JSON for `petitions.signing.own_page`.

    Without the tick `mine` a receipt holds nothing that could name its owner. It is sealed to the browser that asked, and
    never mailed.
    """
    signature, _family = with_family(named_by_token("mine", payload, keyring))
    if signature is None or signature.state not in WHOLE or signature.row_key_id is None:
        return Outcome("invalid", Counter())
    petition = db.session.get_one(Petition, signature.petition_id)
    by = signature.counted_at + LONGEST_WAIT if signature.counted_at is not None else None
    told: dict[str, Any] = {
        "petition": petition.slug,
        "state": signature.state,
        "by": by.isoformat(timespec="seconds") if by is not None else None,
        "receipt": None,
    }
    # Of a petition that was taken down no log is public, against which a receipt could be held.
    newest = newest_head(petition.id)
    if signature.leaf_index is not None and newest is not None:
        receipt = _receipt(petition, signature.leaf_index, newest)
        if payload.get("mine") is True:
            receipt["mine"] = _owner(petition, signature, keyring)
        told["receipt"] = receipt
    return Outcome(json.dumps(told, ensure_ascii=False), Counter(), about=signature.id)


def _receipt(petition: Petition, index: int, newest: PublicTreeHead) -> dict[str, Any]:
    """A leaf and its path to the newest head, with all that is signed and by whom. Bytes are in hexadecimal."""
    commitment = db.session.get_one(Leaf, (petition.id, index)).commitment or b""
    return {
        "zbor": "receipt/1",
        "line": receipt_line(petition.slug, index, commitment),
        "petition": petition.slug,
        "leaf_index": index,
        "commitment": commitment.hex(),
        "path": [step.hex() for step in tree_of(petition.id, newest.size).inclusion_path(index)],
        "head": head_as_json(petition.slug, newest),
        "key": log_keys([newest.key_id])[0],
    }


def _owner(petition: Petition, signature: Signature, keyring: Keyring) -> dict[str, Any]:
    """The salt, and the record that the leaf commits to."""
    key = open_row_key(signature.row_key_id, keyring.private_keys)  # type: ignore[arg-type]  # The caller has looked.
    record = decrypt_record(key, "signatures", signature.id, signature.sealed or b"")
    return {
        "salt": salt_of(record, key).hex(),
        "record": json.loads(canonical_record(petition.slug, signature, record)),
    }
