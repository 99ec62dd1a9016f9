"""Whether a mail domain takes mail at all, by DNS, so that no mail is sent where none can arrive.

Only a clear answer is a no; whatever fails, is late or contradicts itself is a yes, and the mail server finds out. What was
learned is kept in Redis under a keyed hash of the domain, so that nobody reads there whose signers have signed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from enum import StrEnum
from typing import Any

from dns.exception import DNSException
from dns.name import Name, from_text, root
from dns.rdatatype import AAAA, MX, A, RdataType
from dns.resolver import NXDOMAIN, NoAnswer, Resolver
from flask import current_app
from redis import Redis, RedisError

from core.addresses import is_large_provider
from core.config import Config, split_address
from core.keyring import Keyring

log = logging.getLogger(__name__)

SECONDS = 2.0
"""How long one domain is asked about, whatever it takes: other mails wait meanwhile."""
TRY_SECONDS = 0.9
"""After which a name server is asked once more, because a packet was lost."""
KEPT_SECONDS = 24 * 3600
UNCLEAR_KEPT_SECONDS = 3600
SILENCE_SECONDS = 10.0
"""After a domain that took half of SECONDS or more, for how long this process asks about no other: name servers that are
dead, or slow on purpose, must not slow every mail."""
ALWAYS_THERE = "gmail.com"
"""Name servers that do not know this one know nothing, and are not believed when they say that there is no other."""
OFF = "off"


class Verdict(StrEnum):
    """What DNS says of a domain."""

    TAKES = "takes"
    REFUSES = "refuses"
    UNCLEAR = "unclear"


def takes_mail(domain: str, keyring: Keyring, config: Config) -> bool:
    """Whether to send mail to a domain, in ASCII. Takes at most SECONDS; hold no transaction open meanwhile."""
    # That a provider of millions were gone is an error, by which thousands of signatures must not be erased.
    if config.name_server == OFF or is_large_provider(domain):
        return True
    name = _kept_as(domain, keyring)
    verdict = _recall(name)
    if verdict is None:
        if time.monotonic() < current_app.extensions.get("zbor_dns_silent_until", 0.0):
            return True
        started = time.monotonic()
        verdict = _ask(domain, config.name_server)
        if time.monotonic() > started + SECONDS / 2:
            current_app.extensions["zbor_dns_silent_until"] = time.monotonic() + SILENCE_SECONDS
        _keep(name, verdict)
    return verdict is not Verdict.REFUSES


def _ask(domain: str, name_server: str) -> Verdict:
    try:
        resolver, ends = _resolver(name_server), time.monotonic() + SECONDS
        verdict = _look(from_text(domain), resolver, ends)
        if verdict is Verdict.REFUSES and not _records(from_text(ALWAYS_THERE), MX, resolver, ends):
            return Verdict.UNCLEAR
    except (DNSException, OSError) as error:
        # Its text has the domain in it.
        log.info("not known whether a domain takes mail (%s)", type(error).__name__)
        return Verdict.UNCLEAR
    return verdict


def _look(name: Name, resolver: Resolver, ends: float) -> Verdict:
    """MX, otherwise an address (RFC 5321, 5.1); a single MX that names the root says "none" (RFC 7505). Raises DNSException."""
    try:
        servers = _records(name, MX, resolver, ends)
    except NXDOMAIN:
        return Verdict.REFUSES
    if servers:
        return Verdict.REFUSES if [server.exchange for server in servers] == [root] else Verdict.TAKES
    # That there is no such domain, said now, contradicts what was said before: it is raised, and so unclear.
    reached = any(_records(name, kind, resolver, ends) for kind in (A, AAAA))
    return Verdict.TAKES if reached else Verdict.REFUSES


def _records(name: Name, kind: RdataType, resolver: Resolver, ends: float) -> list[Any]:
    """The records of one kind, none when the domain has none. Raises NXDOMAIN, and DNSException when it is not known."""
    try:
        return list(resolver.resolve(name, kind, search=False, lifetime=max(0.0, ends - time.monotonic())))
    except NoAnswer:
        return []


def _resolver(name_server: str) -> Resolver:
    """The one of the configuration, or the system's. Raises DNSException when the system has none."""
    resolver = Resolver(configure=not name_server)
    if name_server:
        address, resolver.port = split_address(name_server, 53)
        resolver.nameservers = [address]
    resolver.timeout = TRY_SECONDS
    return resolver


# --- What was learned -------------------------------------------------------------------------------------------------


def _kept_as(domain: str, keyring: Keyring) -> str:
    digest = hmac.digest(keyring.token_key, b"mail-host|" + domain.lower().encode(), hashlib.sha256)
    return f"zbor:mail-host:{digest[:16].hex()}"


def _recall(name: str) -> Verdict | None:
    """What is known of a domain; None when nothing is, or Redis is away."""
    redis: Redis | None = current_app.extensions.get("zbor_wake_ups")
    try:
        kept = redis.get(name) if redis is not None else None
        return Verdict(kept.decode()) if isinstance(kept, bytes) else None
    except (RedisError, OSError, ValueError):
        return None


def _keep(name: str, verdict: Verdict) -> None:
    redis: Redis | None = current_app.extensions.get("zbor_wake_ups")
    seconds = UNCLEAR_KEPT_SECONDS if verdict is Verdict.UNCLEAR else KEPT_SECONDS
    try:
        if redis is not None:
            redis.set(name, verdict, ex=seconds)
    except (RedisError, OSError) as error:
        log.info("what DNS said is not kept (%s)", type(error).__name__)
