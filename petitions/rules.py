"""What a name, a city and a mailbox may look like. Pure functions: the form explains with them, the worker decides."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from disposable_email_domains import blocklist

MAX_NAME = 80
MAX_CITY = 80

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
def _printable() -> frozenset[str]:
    """What the register can print: Latin, Greek, Cyrillic, Georgian, Armenian, Hebrew, Arabic, Devanagari and signs."""
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
    if not _printable().issuperset(text):
        return "unprintable"
    if not any(unicodedata.category(char)[0] == "L" for char in text):
        return "letterless"
    return None


def is_throwaway(email: str) -> bool:
    """Whether the domain, or one above it, is on the list of throw-away mail providers."""
    labels = email.rpartition("@")[2].lower().split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))


_SAME_PROVIDER = {
    "googlemail.com": "gmail.com",
    "protonmail.com": "proton.me",
    "protonmail.ch": "proton.me",
    "pm.me": "proton.me",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
    "yandex.by": "yandex.ru",
    "yandex.kz": "yandex.ru",
    "yandex.ua": "yandex.ru",
}


def canonical_mailbox(email: str) -> str:
    """One spelling for all addresses, as `normal_email` makes them, that reach one mailbox: case, `+tag`, dots at Gmail, second names of providers.

    The rules are those of the e-petitions site of the UK Parliament (its `domains` table), which strip `+tag`
    everywhere and dots at Gmail alone.
    """
    local, _, domain = email.rpartition("@")
    domain = _SAME_PROVIDER.get(domain.lower(), domain.lower())
    local = local.casefold().split("+")[0] or local.casefold()
    if domain == "gmail.com":
        local = local.replace(".", "")
    return f"{local}@{domain}"
