"""The checks that tell people from machines. Each is small, has a code and a number of points, and alone decides nothing.

A signature with HOLD points or more is held back for people to decide; with REJECT for what its sender did, it is nobody's. No check is a proof: whoever
browses without JavaScript, shares a network with a whole square or fills in the form in a hurry still passes, and only
several of these together, or a burst, do not. What is measured here is measured again with made-up crowds in tests/abuse/.

Pure functions over what was seen; what is seen is gathered in intake.py and bursts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

HOLD = 50
REJECT = 100
FAST_SECONDS = 3
"""Nobody reads a form and types a name, an address and a city in less."""
STALE_SECONDS = 24 * 3600
BUSY_NETWORK = 40
"""Signatures of one petition in an hour from one network: more than a household or a small office brings."""
MOST_A_NETWORK = 150
"""More than a square or a café brings: the research of e-petitions' hourly alerts, which are at 100 for a single address."""
MOST_UNDER_A_PASS = 600
"""Signatures in an hour at a picket whose organiser has a pass for it: ten a minute, from a table with several phones. They
are counted for the place, so that a pass which got about cannot bring more, whatever network it is used from."""
MOST_A_DOMAIN = 20
"""Signatures of one petition in an hour with one mail domain that is not a large provider's."""
TIMES_THE_USUAL = 5
"""A domain that is used every day may be used as many times its mean hour of the last seven days."""


NETWORK_KEY, PASS_KEY = 8, 7
"""Bytes of what signatures from one network, and those under one pass, have in common."""


def is_a_pass(key: bytes | None) -> bool:
    """Whether this is the key of a pass, and not of a network."""
    return key is not None and len(key) == PASS_KEY


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known about how a signature came. None and "unknown" stand for what cannot be told, and are nobody's fault."""

    network: bytes | None = None
    """Under a pass, the key of its place instead (`PASS_KEY` bytes)."""
    proof: str = "unknown"
    """`solved`, `none` or `unknown`."""
    proof_id: bytes | None = None
    form: str = "away"
    """`known` (the form was made here), `unknown` or `away`."""
    seconds: int | None = None
    trap: bool = False
    watched: bool = False
    alike: bool = False
    from_network: int = 0
    """Signatures from its network in the hour up to it, as bursts.py estimates; `with_domain` likewise."""
    with_domain: int = 0
    bursts: frozenset[str] = frozenset()
    """Kinds of bursts that it belongs to."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `speaks_against` tells from what was seen."""

    code: str
    points: int
    label: LazyString
    speaks_against: Callable[[Seen], bool]
    is_own: bool = True
    """Whether it is about what the sender did, and not about who else came from there at the time."""


CHECKS: Sequence[Check] = (
    Check("network_burst", 60, _l("more from one network within an hour than people send"), lambda seen: "network" in seen.bursts, is_own=False),
    Check("domain_burst", 60, _l("more with one mail domain within an hour than people send"), lambda seen: "domain" in seen.bursts, is_own=False),
    Check("trap", 60, _l("a field was filled in that nobody sees"), lambda seen: seen.trap),
    Check("no_form", 25, _l("sent without our form"), lambda seen: seen.form == "unknown"),
    Check("fast", 25, _l("filled in faster than one can type"), lambda seen: seen.seconds is not None and seen.seconds < FAST_SECONDS),
    Check("no_proof", 20, _l("without the small calculation that browsers with JavaScript do"), lambda seen: seen.proof == "none"),
    Check("busy_network", 20, _l("many from one network within an hour"), lambda seen: seen.from_network > (MOST_UNDER_A_PASS if is_a_pass(seen.network) else BUSY_NETWORK), is_own=False),
    Check("alike", 15, _l("names that are very alike, at the same time from one place"), lambda seen: seen.alike, is_own=False),
    Check("stale", 10, _l("the form was opened more than a day before"), lambda seen: seen.seconds is not None and seen.seconds > STALE_SECONDS),
    # A matter of the signer's safety, not of truth: the form warned of it.
    Check("watched", 0, _l("a mail provider that a state can read"), lambda seen: seen.watched),
)  # fmt: skip
CHECK_LABELS: Mapping[str, LazyString] = {check.code: check.label for check in CHECKS}


def read_signals(payload: Mapping[str, Any]) -> Seen:
    """What the web process noted beside a signature. What is not as the web writes it counts as not known."""
    signals = payload.get("signals")
    if not isinstance(signals, dict):
        return Seen()
    proof, form, seconds = signals.get("proof"), signals.get("form"), signals.get("seconds")
    return Seen(
        network=_hexadecimal(signals.get("network"), NETWORK_KEY),
        proof=proof if proof in ("solved", "none") else "unknown",
        proof_id=_hexadecimal(signals.get("proof_id"), 16) if proof == "solved" else None,
        form=form if form in ("known", "unknown") else "away",
        seconds=seconds if isinstance(seconds, int) and form == "known" else None,
        trap=signals.get("trap") is True,
    )


def _hexadecimal(text: object, size: int) -> bytes | None:
    if not isinstance(text, str) or len(text) != 2 * size:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def score(seen: Seen) -> tuple[int, list[str]]:
    """Points, and the codes of the checks that gave them, heaviest first."""
    against = [check for check in CHECKS if check.speaks_against(seen)]
    return sum(check.points for check in against), [check.code for check in against]


def is_nobodys(codes: Collection[str]) -> bool:
    """Whether these checks reject a signature at once. What others did never does: a university has one network and one mail domain."""
    return sum(check.points for check in CHECKS if check.is_own and check.code in codes) >= REJECT


def unproved(seen: Seen) -> Seen:
    """The same, of one whose proof had been spent already."""
    return replace(seen, proof="none", proof_id=None)
