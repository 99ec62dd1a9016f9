"""Share cards: the picture that other sites show beside a link to a petition. Runs in the worker."""

from __future__ import annotations

import hashlib
import json
import logging
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from random import sample

from babel.numbers import format_decimal
from flask import current_app
from flask_babel import force_locale, ngettext
from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from core.config import LANGUAGES
from core.errors import describe
from core.extensions import db
from petitions.models import PETITION_KIND_LABELS, PetitionKind, ShareCard
from petitions.pub import PublicAddressee, PublicPetition, PublicText
from petitions.rules import milestones_up_to, printable

log = logging.getLogger(__name__)

A_RUN = 10
"""Cards drawn at once at most: the mails of a petition must not wait for the cards of all."""
TOLD_FROM = 100
"""A smaller number of signatures is not told, for it would speak against the petition."""

Key = tuple[int, str]
"""Petition and language."""
Facts = Mapping[str, str]
"""All that stands on a card: `kind`, `title`, `signed` and `addressed`, the language of the `title` and that of the `words`."""


def draw_due(draw: Callable[[Facts], bytes]) -> None:
    """Draw what is missing or no longer true, A_RUN cards at most, and delete cards of what is no longer public. Commits one by one.

    One that cannot be drawn is tried again by a later run, and stops no other.
    """
    drawing = Path(current_app.root_path, "templates", "pdf", "card.typ").read_bytes()
    true = {key: (facts, _fingerprint(facts, drawing)) for key, facts in _facts_of_all().items()}
    there = {
        (petition_id, language): fingerprint
        for petition_id, language, fingerprint in db.session.execute(
            select(ShareCard.petition_id, ShareCard.language, ShareCard.fingerprint)
        )
    }
    if gone := there.keys() - true.keys():
        db.session.execute(delete(ShareCard).where(tuple_(ShareCard.petition_id, ShareCard.language).in_(gone)))
    db.session.commit()
    due = sorted(key for key, (_, fingerprint) in true.items() if there.get(key) != fingerprint)
    # By lot: always the same ones first, and ten that cannot be drawn would stop all others.
    for key in sample(due, min(A_RUN, len(due))):
        facts, fingerprint = true[key]
        try:
            content = draw(facts)
        except Exception as error:
            log.error("the card of petition %d in %s cannot be drawn: %s", *key, describe(error))
            continue
        card = {"fingerprint": fingerprint, "content": content, "drawn_at": func.now()}
        row = insert(ShareCard).values(petition_id=key[0], language=key[1], **card)
        db.session.execute(row.on_conflict_do_update(index_elements=["petition_id", "language"], set_=card))
        db.session.commit()


def _facts_of_all() -> dict[Key, Facts]:
    """What the card of each public petition says, in each language it has a text in."""
    addressees = (
        select(func.count()).where(PublicAddressee.petition_id == PublicPetition.id).correlate(PublicPetition)
    ).scalar_subquery()
    rows = db.session.execute(
        select(PublicText, PublicPetition, addressees).join(PublicPetition, PublicPetition.id == PublicText.petition_id)
    )
    found = rows.all()
    titles: dict[int, dict[str, str]] = {}
    for text, petition, _number in found:
        titles.setdefault(petition.id, {})[text.language] = text.title
    return {
        (petition.id, text.language): _facts(text.language, titles[petition.id], petition, number)
        for text, petition, number in found
    }


def _facts(language: str, titles: Mapping[str, str], petition: PublicPetition, addressees: int) -> Facts:
    """The words around the title are in the language of the card if our pages are, otherwise in English."""
    words = language if language in LANGUAGES else "en"
    title, spoken = _title(titles, language)
    passed = milestones_up_to(petition.counted - 1, petition.thresholds)[-1:]
    with force_locale(words):
        return {
            "kind": str(PETITION_KIND_LABELS[PetitionKind(petition.kind)]),
            "title": title,
            "signed": _signed(passed[0], words) if passed and passed[0] >= TOLD_FROM else "",
            "addressed": ngettext(
                "To %(num)s ministry or institution", "To %(num)s ministries and institutions", addressees
            ),
            "language": spoken,
            "words": words,
        }


def _title(titles: Mapping[str, str], language: str) -> tuple[str, str]:
    """The title and its language: this one, else English, else any, of which our fonts have every letter and digit.

    Other signs are left out, such as an emoji; a name left out could turn the meaning round. Empty when none can be drawn.
    """
    for one in (language, "en", *sorted(titles)):
        missing = set(titles.get(one, "")) - printable()
        title = "".join(char for char in titles.get(one, "") if char not in missing).strip()
        if title and not any(unicodedata.category(char)[0] in "LN" for char in missing):
            return title, one
    return "", language


def _signed(milestone: int, language: str) -> str:
    return ngettext(
        "More than %(number)s person has signed",
        "More than %(number)s people have signed",
        milestone,
        number=format_decimal(milestone, locale=language),
    )


def _fingerprint(facts: Facts, drawing: bytes) -> str:
    """Of all that stands on a card, and of how it is drawn."""
    return hashlib.sha256(drawing + json.dumps(facts, sort_keys=True).encode()).hexdigest()
