"""What a name, a city and a mailbox may look like. Pure functions: the form explains with them, the worker decides."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from disposable_email_domains import blocklist

from core.typed import normal_email

MAX_NAME = 80
MAX_CITY = 80
NO_COUNTRY = "ZZ"
"""CLDR's code for "unknown": somebody who lives in no country, or would rather not say. Their ministry is the fallback."""
MAILS_A_DAY = 3
"""Mails to one mailbox for one petition in 24 hours: the form must neither fill somebody's inbox nor, used by a
stranger, keep its owner from signing for long."""
GUESSES = 10
"""Wrong codes for one mailbox and petition; of a million codes that leaves a guesser one chance in 100,000."""
VISIBILITIES = ("ministry", "initials", "public", "counted")
"""Who learns the name: the ministry alone; the ministry, and the page the initials; everybody; nobody."""
ALONE_A_DAY = 50
"""Signatures of one petition that were held back and about which one person decides in a day without a second."""
REPORT_REASONS = ("hate", "danger", "personal", "untrue", "spam", "other")
MAX_REPORT = 1000
"""Characters."""
REPORTS_KEPT = 200
"""Reports of one petition that wait for a reviewer at most: more would tell nothing new."""
LADDER = [step * 10**power for power in range(1, 7) for step in (1, 2, 5)]
"""The milestones 10, 20, 50, 100 ... 5,000,000 that a petition climbs."""

# A scheme, `www.`, a domain with a path, or a common domain that ends there. Initials written without spaces
# ("J.R.de la Cruz", "Dr.Me Lee") are names.
_LINK = re.compile(
    r"(?:https?|ftp)://|\bwww\.|[\w-]{2,}\.[a-z]{2,10}/"
    r"|[\w-]{2,}\.(?:com|net|org|info|biz|online|site|xyz|top|click|link)\b|[\w-]{2,}\.(?:ru|by|pl|de|io|me)$",
    re.IGNORECASE,
)
# First characters that make a spreadsheet take a cell for a formula, full-width forms included
# (OWASP ASVS 5.0, 1.2.10).
_FORMULA = tuple("=+-@\t\r＝＋－＠")
# More marks on one letter than any of our scripts sets (pointed Hebrew: three) print over the lines above and below.
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0903\u093a-\u094f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5}"
)
_JOINERS = "\u200c\u200d"  # Needed inside words of some scripts.


@lru_cache(maxsize=1)
def printable() -> frozenset[str]:
    """What registers and share cards can print: Latin, Greek, Cyrillic, Georgian, Armenian, Hebrew, Arabic, Devanagari and signs."""
    lines = (Path(__file__).parent / "data" / "printable.txt").read_text(encoding="ascii").splitlines()
    ranges = [line.split("-") for line in lines if not line.startswith("#")]
    return frozenset(chr(point) for first, last in ranges for point in range(int(first, 16), int(last, 16) + 1))


def problem_with(text: str, longest: int) -> str | None:
    """Why this cannot be a name or a city: `empty`, `long`, `control`, `marks`, `link`, `formula`, `unprintable`, `letterless`, or None when it can."""
    if not text:
        return "empty"
    if len(text) > longest:
        return "long"
    if any(
        unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and char not in _JOINERS
        for char in text
    ):
        return "control"
    if _MARKS.search(text):
        return "marks"
    if _LINK.search(text):
        return "link"
    if text.startswith(_FORMULA):
        return "formula"
    if not printable().issuperset(text):
        return "unprintable"
    if not any(unicodedata.category(char)[0] == "L" for char in text):
        return "letterless"
    return None


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


def milestone_after(counted: int, thresholds: Iterable[int] = ()) -> int:
    """The next step of the ladder, or threshold of the creators, that lies above a number of signatures."""
    return min((step for step in (*LADDER, *thresholds) if step > counted), default=LADDER[-1])


def milestones_up_to(counted: int, thresholds: Iterable[int] = ()) -> list[int]:
    """All milestones that a number of signatures has reached."""
    return sorted({step for step in (*LADDER, *thresholds) if step <= counted})


def initials(name: str) -> str:
    """First letters of a name's words, such as "В. В." for "Вольга Вераб’ёва"; of hyphenated ones each."""
    # Not `upper`: Georgian has capitals, but begins no name with one, and no font of ours holds them.
    words = [word for word in re.split(r"[\s\-‐]+", name) if word and unicodedata.category(word[0])[0] == "L"]
    return " ".join(f"{unicodedata.normalize('NFC', word)[0].title()}." for word in words[:4])
