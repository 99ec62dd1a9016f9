"""Mail addresses: which reach one mailbox, which are thrown away, which a state can read. Pure functions over lists in data/."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from disposable_email_domains import blocklist

from core.typed import normal_email


def is_throwaway(email: str) -> bool:
    """Whether the domain, or one above it, is on the list of throw-away mail providers."""
    labels = email.rpartition("@")[2].lower().split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))


def is_watched(email: str) -> bool:
    """Whether the domain, or one above it, is on our list of mail providers that the states of Belarus or Russia watch."""
    labels = email.rpartition("@")[2].strip().lower().split(".")
    return any(".".join(labels[start:]) in _listed_domains("watched_domains.txt") for start in range(len(labels) - 1))


def is_large_provider(domain: str) -> bool:
    """Whether so many people have their mail at a domain that a burst of signatures with it says nothing."""
    domain = domain.lower()
    return _providers().same_as.get(domain, domain) in _listed_domains("large_providers.txt")


@cache
def _listed_domains(file: str) -> frozenset[str]:
    """A list of ours: one domain a line, and comments."""
    lines = (Path(__file__).parent / "data" / file).read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class _Providers:
    """What data/mailboxes.toml says: where each mail domain's mailboxes really are, and how names are read there."""

    same_as: Mapping[str, str]
    without_dots: frozenset[str]
    names_before_the_domain: frozenset[str]


@lru_cache(maxsize=1)
def _providers() -> _Providers:
    told = tomllib.loads((Path(__file__).parent / "data" / "mailboxes.toml").read_text(encoding="utf-8"))
    return _Providers(
        same_as={other: domain for domain, others in told["also"].items() for other in others},
        without_dots=frozenset(told["without_dots"]),
        names_before_the_domain=frozenset(told["names_before_the_domain"]),
    )


def canonical_mailbox(email: str) -> str:
    """One spelling for all addresses that reach one mailbox: case, `+tag`, both forms of a domain in another script, and
    what providers say of themselves (data/mailboxes.toml). Never raises; what is no address is given back, in small letters.

    The rules are those of the e-petitions site of the UK Parliament (its `domains` table), which strip `+tag`
    everywhere and dots at Gmail alone.
    """
    # What `normal_email` has made is ASCII, and need not be taken apart again for each of a hundred thousand signatures.
    local, _, domain = (email if email.isascii() else normal_email(email) or email).rpartition("@")
    local, domain, providers = local.casefold(), domain.lower(), _providers()
    local = local.partition("+")[0] or local
    name, _, above = domain.partition(".")
    if above in providers.names_before_the_domain:
        local, domain = name, above
    domain = providers.same_as.get(domain, domain)
    if domain in providers.without_dots:
        local = local.replace(".", "") or local
    return f"{local}@{domain}"
