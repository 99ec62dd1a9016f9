"""Names that are alike: one person's, typed twice with one mailbox, or a machine's, made from one pattern. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from rapidfuzz import fuzz, process

from core.typed import fold

ALIKE = 90.0
"""Of 100, as rapidfuzz measures names with their words sorted."""
ALIKE_OTHERS = 2
SAME_WORD = 80.0
"""How alike two words are when one is the other, mistyped: one letter of five. Oleg and Olga are 75."""


def mark_alike(names: Sequence[str], places: Sequence[Hashable | None]) -> list[bool]:
    """Of signatures that came together, which have a name like that of ALIKE_OTHERS others from the same place.

    A place is a network, a mail domain or a burst; those without one (None) are compared with nobody.
    """
    by_place: dict[Hashable, list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        if place is not None:
            by_place[place].append(index)
    marked = [False] * len(names)
    for indices in by_place.values():
        if len(indices) <= ALIKE_OTHERS:
            continue
        folded = [fold(names[index]) for index in indices]
        for index, name in zip(indices, folded, strict=True):
            near = process.extract(
                name, folded, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE, limit=ALIKE_OTHERS + 1
            )
            marked[index] = len(near) > ALIKE_OTHERS  # It finds itself, too.
    return marked


def is_same_person(one: str, other: str) -> bool:
    """Whether two names from one mailbox are one person's, typed twice: every word of the shorter is in the longer.

    Word by word, because a long surname that a couple shares would outweigh two first names of three letters.
    """
    words = [fold(name).replace("-", " ").split() for name in (one, other)]
    few, many = sorted(words, key=lambda own: (len(own), own))
    left = list(many)
    for word in sorted(few, key=len, reverse=True):
        nearest = max(left, key=lambda candidate: fuzz.ratio(word, candidate))
        if fuzz.ratio(word, nearest) < SAME_WORD:
            return False
        left.remove(nearest)
    return bool(few)
