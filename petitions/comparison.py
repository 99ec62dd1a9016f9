"""What a new version of a text would change, word by word, for whoever has to agree to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from petitions import editing
from petitions.editing import Copy
from petitions.models import PetitionText

_WORDS = re.compile(r"\S+\s*|\s+")
_FIELDS: Sequence[tuple[str, str, LazyString]] = (
    ("title", "title", _l("Title")),
    ("summary", "summary", _l("Summary")),
    ("body_markdown", "body", _l("Appeal")),
    ("demands", "demands", _l("Demands")),
    ("picture_alt", "picture_alt", _l("What the picture shows")),
)
"""Names of the published column and of the working copy's field, and what people call it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some words that stay, go or come."""

    kind: Literal["same", "gone", "new"]
    words: str


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs, with all its words in their order."""

    label: LazyString
    parts: Sequence[Part]


def changes(petition_id: int, copy: Copy) -> list[Change]:
    """What the working copy in one language changes of what is published in it; empty when nothing is published yet."""
    published: PetitionText | None = editing.published_texts(petition_id).get(copy.language)
    if published is None:
        return []
    pairs = ((label, getattr(published, old), getattr(copy, new)) for old, new, label in _FIELDS)
    return [Change(label, compare(old, new)) for label, old, new in pairs if old != new]


def compare(old: str, new: str) -> list[Part]:
    """Both texts in one, word by word: without what is new it is `old`, without what is gone it is `new`."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    parts: list[Part] = []
    for _kind, start, end, begin, stop in SequenceMatcher(None, before, after).get_opcodes():
        gone, come = "".join(before[start:end]), "".join(after[begin:stop])
        parts += [Part("same", gone)] if gone == come else [Part("gone", gone), Part("new", come)]
    return [part for part in parts if part.words]
