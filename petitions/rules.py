"""What a name and a city may look like, and the numbers that petitions go by. Pure functions: the form explains with them, the worker decides."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

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
