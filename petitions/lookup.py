"""The worker's half of the search for one signature by its exact mail address. Opens nothing that is stored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from core.addresses import canonical_mailbox
from core.extensions import db
from core.inbox import InboxEvent
from core.keyring import Keyring
from core.typed import normal_email
from petitions.models import Signature
from petitions.services import SEARCH as KIND
from petitions.states import Outcome

__all__ = ["KIND", "find_signatures"]


def find_signatures(event: InboxEvent, payload: Mapping[str, Any], keyring: Keyring) -> Outcome:
    """Answer with state, country, reason and day of every signature of a mailbox in one petition; no name, no city."""
    email = normal_email(str(payload["email"]))
    if email is None or event.petition_id is None:
        return Outcome("[]", Counter())
    mine = (
        Signature.petition_id == event.petition_id,
        Signature.mailbox_hmac == keyring.mailbox_hmac(event.petition_id, canonical_mailbox(email)),
    )
    rows = db.session.scalars(select(Signature).where(*mine).order_by(Signature.received_at).limit(20)).all()
    found = [
        {
            "state": row.state,
            "country": row.country_code,
            "reason": row.reason,
            "on": row.received_at.date().isoformat(),
        }
        for row in rows
    ]
    return Outcome(json.dumps(found), Counter())
