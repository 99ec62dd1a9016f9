"""Counting attempts, in Redis while it is there and in this process's memory while it is not: never unlimited."""

from __future__ import annotations

import hmac
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import current_app, request
from limits import parse
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError

from core.config import current_config

_in_memory = FixedWindowRateLimiter(MemoryStorage())
_parsed = cache(parse)


def attempt(limit: str, what: str, *who: object) -> bool:
    """Count one attempt; False when there were too many. `limit` is like "10 per 5 minutes", `who` is kept as a keyed hash."""
    text = "|".join(map(str, ("attempt", what, *who))).encode()
    name = what, hmac.digest(current_app.config["SECRET_KEY"], text, "sha256")[:16].hex()
    try:
        return _limiter().hit(_parsed(limit), *name)
    except (RedisError, OSError):
        return _in_memory.hit(_parsed(limit), *name)


def network() -> str:
    """The network a request comes from: /24 of an IPv4 address, /48 of an IPv6 address."""
    address = _address()
    return str(ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def is_from_the_internet() -> bool:
    """Whether the address is one of the internet. Any other is a proxy's, or a neighbour's, and tells visitors not apart."""
    return _address().is_global


def _address() -> IPv4Address | IPv6Address:
    address = ip_address(request.remote_addr or "0.0.0.0")  # noqa: S104  # Nobody listens there; it stands for "unknown".
    return getattr(address, "ipv4_mapped", None) or address


def _limiter() -> FixedWindowRateLimiter:
    known = current_app.extensions.get("zbor_attempts")
    if known is None:
        url = current_config().redis_url
        patience = {"socket_timeout": 0.5, "socket_connect_timeout": 0.2} if url.startswith("redis") else {}
        known = FixedWindowRateLimiter(storage_from_string(url, wrap_exceptions=False, **patience))
        current_app.extensions["zbor_attempts"] = known
    limiter: FixedWindowRateLimiter = known
    return limiter
