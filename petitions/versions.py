"""New versions of a text: what differs, word by word, and the second person who publishes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal
from uuid import UUID

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from accounts.approvals import ApprovalKind, register, request_approval
from accounts.models import Account, Approval
from accounts.permissions import Action
from core.audit import auditable, record
from core.errors import NotNowError
from core.extensions import db
from petitions.editing import Copy, copies, published_texts
from petitions.models import Petition, PetitionState, PetitionText, TextVersion
from petitions.review import describe_petition, missing_words, publish, wake_after
from petitions.standing import VERSION, begin_change, lock_petition, preview_url, state_of
from petitions.texts import text_hash

REPUBLISHED = auditable("petition.republished", _l("A new version of a petition’s text was published"))

_WORDS = re.compile(r"\S+\s*|\s+")
_FIELDS: Sequence[tuple[str, str, LazyString]] = (
    ("title", "title", _l("Title")),
    ("summary", "summary", _l("Summary")),
    ("body_markdown", "body", _l("Appeal")),
    ("demands", "demands", _l("Demands")),
    ("picture_alt", "picture_alt", _l("What the picture shows")),
)
"""Names of the published column and of the working copy's field, and what people call it."""


# --- What differs ------------------------------------------------------------------------------------------------------


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


def changed_copies(petition_id: int) -> list[Copy]:
    """Working copies that differ from what is published, in languages old and new."""
    published = published_texts(petition_id)
    return [
        copy
        for copy in copies(petition_id).values()
        if (text := published.get(copy.language)) is None
        or (
            (text.hash, text.picture_alt)
            != (text_hash(copy.title, copy.summary, copy.body, copy.demands), copy.picture_alt)
            and copy.revision > 0
        )
    ]


def changes(petition_id: int, copy: Copy) -> list[Change]:
    """What the working copy in one language changes of what is published in it; empty when nothing is published yet."""
    published: PetitionText | None = published_texts(petition_id).get(copy.language)
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


# --- The second person --------------------------------------------------------------------------------------------------


def submit_version(account: Account, petition_id: int, note: str, language: str) -> UUID:
    """Ask a reviewer to publish the working copy as a new version, with a note that the public reads. Commits.

    Returns the approval's id. Raises NotFoundError, EditingLockedError, NotNowError (also when nothing differs, or when a language
    is not complete).
    """
    petition = begin_change(account, petition_id, PetitionState.OPEN, unless=(VERSION,))
    changed = changed_copies(petition_id)
    if not changed or any(missing_words(petition)):
        db.session.rollback()
        raise NotNowError
    # In a part of its own, because the audit trail tells nothing that somebody typed.
    details = {"public": {"note": note, "language": language}}
    asked = request_approval(KIND_VERSION, account, petition_id, "", petition_id=petition_id, details=details)
    db.session.commit()
    return asked


def _publish_version(approval: Approval) -> None:
    petition = lock_petition(approval.petition_id or 0)
    version = 1 + max(text.version for text in published_texts(petition.id).values())
    publish(petition.id, version, changed_copies(petition.id))
    public = approval.details["public"]
    row = TextVersion(petition_id=petition.id, version=version, note=public["note"], note_language=public["language"])
    db.session.add(row)
    db.session.flush()
    record(REPUBLISHED, approval.decided_by, "petition", petition.id, petition_id=petition.id, version=version)


def _describe_version(approval: Approval) -> str:
    return f"{describe_petition(approval)}: {approval.details['public']['note']}"


KIND_VERSION = register(
    ApprovalKind(
        VERSION,
        _l("A new version of a petition’s text"),
        Action.REVIEW_PETITION,
        _describe_version,
        _publish_version,
        is_ripe=lambda approval: state_of(db.session.get_one(Petition, approval.petition_id)) is PetitionState.OPEN,
        unripe=_l("This goes only while the petition is open. Refuse it."),
        page=lambda approval: preview_url(approval.petition_id),
        after_commit=wake_after,
    )
)


def versions(petition_id: int) -> Sequence[TextVersion]:
    """Every published version, newest first."""
    mine = select(TextVersion).where(TextVersion.petition_id == petition_id)
    return db.session.scalars(mine.order_by(TextVersion.version.desc())).all()
