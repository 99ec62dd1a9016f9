"""Letters as a petition's coordinators edit them. Each version is kept; a bundle goes out with the one it was asked for with."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from accounts.models import Account
from core.audit import auditable, record
from core.errors import EditedMeanwhileError, NotFoundError
from core.extensions import db
from delivery.letters import letter_languages, letter_texts
from delivery.models import Letter, LetterKind
from petitions.standing import find_own

LETTER_CHANGED = auditable("letter.changed", _l("Changed a letter of a petition"))

WRITTEN = ("subject", "salutation", "body", "closing", "signatory", "reviewed_by")
"""What is written in a letter, by column and field."""


def newest_letter(petition_id: int, kind: LetterKind, language: str) -> Letter | None:
    """The newest version that a petition has made of a letter, None while it has made none."""
    mine = Letter.petition_id == petition_id, Letter.kind == kind, Letter.language == language
    newest = select(Letter).where(*mine).order_by(Letter.version.desc()).limit(1)
    return db.session.scalar(newest.execution_options(populate_existing=True))


def newest_letters(petition_id: int) -> dict[tuple[str, str], tuple[Letter, str]]:
    """The newest version of each letter that a petition has edited, with its author's name, by kind and language."""
    one = Letter.kind, Letter.language
    rows = db.session.execute(
        select(Letter, Account.name)
        .join(Account, Account.id == Letter.created_by)
        .where(Letter.petition_id == petition_id)
        .ext(distinct_on(*one))
        .order_by(*one, Letter.version.desc())
    )
    return {(letter.kind, letter.language): (letter, name) for letter, name in rows}


def common_words(kind: LetterKind, language: str) -> dict[str, str]:
    """What is written in a letter before a petition edits it. Raises NotFoundError for a language without letters."""
    told = letter_texts(language) if language in letter_languages() else None
    if told is None:
        raise NotFoundError
    words = {"salutation": "", **told[kind], "reviewed_by": told["reviewed_by"]}
    return {**words, "body": "\n\n".join(words["body"])}


def words_of(letter: Letter | None, kind: LetterKind, language: str) -> dict[str, str]:
    """What is written in a letter, edited or not. Raises NotFoundError."""
    common = common_words(kind, language)
    return common if letter is None else {name: getattr(letter, name) for name in WRITTEN}


def save_letter(
    account: Account, petition_id: int, kind: LetterKind, language: str, version: int, words: Mapping[str, str]
) -> None:
    """Save another version after the one that one has read; 0 when there was none. Commits.

    Raises NotFoundError, EditedMeanwhileError.
    """
    find_own(account, petition_id)
    common_words(kind, language)
    newest = newest_letter(petition_id, kind, language)
    row = {"petition_id": petition_id, "kind": kind, "language": language, "version": version + 1, **words}
    # Of two who save at once, PostgreSQL takes one; who began from an older version is told before.
    saved = version == (newest.version if newest else 0) and db.session.scalar(
        insert(Letter).values(id=uuid4(), created_by=account.id, **row).on_conflict_do_nothing().returning(Letter.id)
    )
    if not saved:
        db.session.rollback()
        raise EditedMeanwhileError
    record(LETTER_CHANGED, account.id, "petition", petition_id, petition_id=petition_id, kind=kind, language=language)
    db.session.commit()
