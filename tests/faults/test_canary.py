"""The search finds a word in every spelling, made here by other means, and nothing else."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable

import pytest

from tests.faults.canary import find

WORD = "0b7f5f1e-6a55-4c52-9e0e-0a5d1f5f4b11"
SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "utf-16, little end first": lambda text: text.encode("utf-16-le"),
    "utf-16, big end first": lambda text: text.encode("utf-16-be"),
    "hex": lambda text: text.encode().hex().encode(),
    "hex in capitals": lambda text: text.encode().hex().upper().encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()),
    "base64 of utf-16": lambda text: base64.b64encode(text.encode("utf-16")),
    "zlib": lambda text: zlib.compress(text.encode()),
    "zlib, quick": lambda text: zlib.compress(text.encode(), 1),
}


@pytest.mark.parametrize("before", ["", "a", "ab", "Вольга "])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_found(spelling: str, before: str) -> None:
    for word in (WORD, WORD.upper()):
        assert find(WORD, b"\xff\x78\x9c" + SPELLINGS[spelling](f"{before}{word}, and so on"))


def test_another_word_is_not_found() -> None:
    other = WORD.replace("4c52", "4c53")
    for spell in SPELLINGS.values():
        assert find(WORD, spell(other)) == set()
