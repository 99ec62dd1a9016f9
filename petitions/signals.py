"""What the form tells beside what was typed: how long it was open, whether a proof of work came with it, from which network.

Nothing here decides anything. It goes into the sealed event, and the worker weighs it (petitions/screening.py). When the keys of
the day are away, nothing can be told, and nothing is held against the signer.
"""

from __future__ import annotations

import hmac
import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from altcha import Payload, create_challenge, verify_solution

from core.daykeys import day_key
from core.throttles import is_from_the_internet, network

ALGORITHM = "PBKDF2/SHA-256"
COST = 5_000
"""Iterations of one try."""
TRIES = range(400, 1_200)
"""How many tries a proof takes, drawn anew for each: on the average 1.4 s of one core of a server, and 1 to 2 s of a middling
phone, which tries with several at once."""
FLOODED = 4
"""So many times as many while the petition is flooded."""
PROOF_SECONDS = 600
"""How long a challenge can be answered."""
MAX_PROOF = 2_048
"""Characters of a solved challenge; those of ours have 900."""
FORM_HOURS = 49
"""A form that somebody left open for a day is still known, as one that was open for a day."""
_SHOWN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})", re.ASCII)


class Opened(NamedTuple):
    """What a form says of when it was shown."""

    form: str
    """`known`; `unknown` when no form of ours says so; `away` when the key is."""
    seconds: int | None = None
    """Since then, of a known one."""


class Proof(NamedTuple):
    """What a form brings as a proof of work."""

    state: str
    """`solved`, `none`, or `unknown` when the key is away."""
    number: str | None = None
    """Nonce of the solved challenge, 32 hex digits: it counts once, which only the worker can see to."""


def gather(petition_id: int, event_id: UUID, *, shown: str, proof: str, trap: bool) -> Mapping[str, Any]:
    """The member `signals` of a signature's event, from the fields of its form."""
    opened, solved = read_shown(shown, event_id), check_proof(proof, petition_id)
    return {
        "network": network_of_today(),
        "proof": solved.state,
        "proof_id": solved.number,
        "form": opened.form,
        "seconds": opened.seconds,
        "trap": trap,
    }


def network_of_today() -> str | None:
    """The network a request comes from, as 16 hex digits that mean nothing tomorrow; None while the key is away.

    Also None for an address that is not one of the internet: then it is a proxy's of ours, behind which all signers would look
    like one flood. The address itself is written nowhere, and whoever reads the events cannot try all networks: the key
    never leaves Redis.
    """
    key = day_key("network") if is_from_the_internet() else None
    return None if key is None else hmac.digest(key, network().encode(), "sha256")[:8].hex()


# --- How long the form was open ----------------------------------------------------------------------------------------


def shown_now(event_id: UUID) -> str:
    """The field that tells when a form was shown, bound to that form. Empty while the key is away."""
    now = int(time.time())
    mark = _mark(now, event_id)
    return f"{now}.{mark}" if mark else ""


def read_shown(token: str, event_id: UUID) -> Opened:
    """What that field says when the form comes back."""
    if day_key("form", None, FORM_HOURS) is None:
        return Opened("away")
    found = _SHOWN.fullmatch(token)
    now = int(time.time())
    if found is None or not now - 2 * 86_400 < int(found[1]) <= now + 60:
        return Opened("unknown")
    mark = _mark(int(found[1]), event_id)
    if mark is None:
        return Opened("away")
    if not hmac.compare_digest(mark, found[2]):
        return Opened("unknown")
    return Opened("known", max(0, now - int(found[1])))


def _mark(moment: int, event_id: UUID) -> str | None:
    key = day_key("form", _day(moment), FORM_HOURS)
    return None if key is None else hmac.digest(key, b"%d|%s" % (moment, event_id.bytes), "sha256")[:16].hex()


def _day(moment: int) -> date:
    return datetime.fromtimestamp(moment, UTC).date()


# --- Proof of work -----------------------------------------------------------------------------------------------------


def new_challenge(petition_id: int, *, flooded: bool) -> Mapping[str, Any] | None:
    """A challenge for ALTCHA's widget, None while the key is away.

    How many tries it takes is drawn here and told to nobody, so checking the answer costs two HMACs instead of one try.
    """
    expires_at = int(time.time()) + PROOF_SECONDS
    keys = _proof_keys(expires_at)
    if keys is None:
        return None
    challenge = create_challenge(
        ALGORITHM,
        COST,
        counter=random.SystemRandom().choice(TRIES) * (FLOODED if flooded else 1),
        expires_at=expires_at,
        data={"petition": petition_id},
        hmac_secret=keys[0],
        hmac_key_secret=keys[1],
    )
    made: Mapping[str, Any] = challenge.to_dict()
    return made


def check_proof(proof: str, petition_id: int) -> Proof:
    """Whether a challenge of ours, for this petition, was solved in time. That it was used before is not known here."""
    if day_key("proof") is None:
        return Proof("unknown")
    if not proof or len(proof) > MAX_PROOF:
        return Proof("none")
    try:
        payload = Payload.from_base64(proof)
        parameters = payload.challenge.parameters
        keys = _proof_keys(int(parameters.expires_at or 0))
        if keys is None:
            return Proof("unknown")
        result = verify_solution(payload, keys[0], hmac_key_secret=keys[1])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return Proof("none")  # No proof looks like this; a stranger wrote it.
    # The signature covers every parameter, so what they say is what we said.
    if not result.verified or parameters.data != {"petition": petition_id}:
        return Proof("none")
    return Proof("solved", parameters.nonce)


def _proof_keys(expires_at: int) -> tuple[bytes, bytes] | None:
    """What signs challenges and their answers, of the day a challenge was made."""
    now = int(time.time())
    made = min(max(expires_at - PROOF_SECONDS, now - 86_400), now)
    key = day_key("proof", _day(made))
    if key is None:
        return None
    return hmac.digest(key, b"challenge", "sha256"), hmac.digest(key, b"answer", "sha256")
