"""The opening of a petition: what is missing before it, and the second person who agrees to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func

from accounts.approvals import AlreadyDecidedError, ApprovalKind, register, request_approval
from accounts.models import Account, Approval
from accounts.permissions import Action
from core.audit import auditable, record
from core.errors import NotNowError
from core.extensions import db
from core.i18n import current_language, language_name
from core.queues import TaskName, wake
from core.typed import search_words
from petitions import services, standing
from petitions.addressing import addressing
from petitions.editing import Copy, copies, first_signatories
from petitions.models import (
    FirstSignatory,
    Petition,
    PetitionKind,
    PetitionState,
    PetitionText,
    TextVersion,
)
from petitions.standing import OPENING, begin_change, lock_petition, move
from petitions.texts import render_markdown, text_hash

SUBMITTED = auditable("petition.submitted", _l("Sent a petition to its review"))
OPENED = auditable("petition.opened", _l("A petition was opened"))


# --- What is missing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Missing:
    """What has to be done before a petition can open, and where."""

    text: str
    url: str


def missing(petition: Petition) -> list[Missing]:
    """Everything that keeps a petition from its review; empty when it can go."""
    return [*missing_words(petition), *_missing_facts(petition)]


def missing_words(petition: Petition) -> Iterable[Missing]:
    """What keeps its texts from being published."""
    written = copies(petition.id)
    if not any(copy.is_complete for copy in written.values()):
        url = url_for("petitions_console.texts", petition_id=petition.id)
        yield Missing(_("Write the text in at least one language: title, summary and appeal."), url)
    for copy in written.values():
        url = url_for("petitions_console.edit_text", petition_id=petition.id, language=copy.language)
        name = language_name(copy.language)
        if not copy.is_complete:
            yield Missing(_("%(language)s is not complete: finish it, or remove it.", language=name), url)
        elif petition.picture_id and not copy.picture_alt:
            yield Missing(_("%(language)s: describe the picture for those who do not see it.", language=name), url)


def _missing_facts(petition: Petition) -> Iterable[Missing]:
    chosen = addressing(petition).chosen
    if not chosen:
        yield Missing(
            _("Choose whom it is addressed to."), url_for("petitions_console.addressees", petition_id=petition.id)
        )
    elif petition.fallback_addressee_id not in chosen:
        text = _("Choose who receives the signatures from countries without an addressee of their own.")
        yield Missing(text, url_for("petitions_console.settings", petition_id=petition.id))
    if petition.closes_at is not None and standing.is_over(petition):
        yield Missing(
            _("The closing time is over: choose a later one."),
            url_for("petitions_console.settings", petition_id=petition.id),
        )
    if petition.kind == PetitionKind.OPEN_LETTER and not first_signatories(petition.id):
        text = _("An open letter has at least one first signatory.")
        yield Missing(text, url_for("petitions_console.signatories", petition_id=petition.id))


# --- Opening ------------------------------------------------------------------------------------------------------------


def submit(account: Account, petition_id: int, reason: str) -> UUID:
    """Ask a reviewer to open the petition; from now on nothing in it can be changed. Commits. Returns the approval's id.

    Raises NotFoundError, NotNowError (also while something is missing), EditingLockedError.
    """
    petition = begin_change(account, petition_id, PetitionState.DRAFT)
    if missing(petition):
        db.session.rollback()
        raise NotNowError
    move(petition, PetitionState.REVIEW)
    asked = request_approval(KIND_OPENING, account, petition_id, reason, petition_id=petition_id)
    record(SUBMITTED, account.id, "petition", petition_id, petition_id=petition_id)
    db.session.commit()
    return asked


def _petition_of(approval: Approval) -> Petition:
    return db.session.get_one(Petition, approval.petition_id)


def describe_petition(approval: Approval) -> str:
    """The title of the petition that an approval is about."""
    return services.title_of(approval.petition_id or 0, current_language()).title


def _can_open(approval: Approval) -> bool:
    petition = _petition_of(approval)
    return petition.state == PetitionState.REVIEW and not missing(petition)


def _open(approval: Approval) -> None:
    petition = lock_petition(approval.petition_id or 0)
    if petition.state != PetitionState.REVIEW:
        db.session.rollback()
        raise AlreadyDecidedError
    publish(petition.id, 1, copies(petition.id).values())
    db.session.add(TextVersion(petition_id=petition.id, version=1))
    if petition.kind != PetitionKind.OPEN_LETTER:
        db.session.execute(delete(FirstSignatory).where(FirstSignatory.petition_id == petition.id))
    petition.opens_at = func.greatest(func.coalesce(petition.opens_at, func.now()), func.now())
    move(petition, PetitionState.OPEN)
    record(OPENED, approval.decided_by, "petition", petition.id, petition_id=petition.id)


def publish(petition_id: int, version: int, texts: Iterable[Copy]) -> None:
    """Texts as the public reads them from now on, and as a consent is bound to. Does not commit."""
    for copy in texts:
        words = search_words(" ".join((copy.title, copy.summary, copy.body, copy.demands)))
        db.session.add(
            PetitionText(
                petition_id=petition_id,
                version=version,
                language=copy.language,
                title=copy.title,
                summary=copy.summary,
                body_markdown=copy.body,
                body_html=render_markdown(copy.body),
                demands=copy.demands,
                picture_alt=copy.picture_alt,
                hash=text_hash(copy.title, copy.summary, copy.body, copy.demands),
                search=func.to_tsvector("simple", words),
            )
        )
    db.session.flush()


def _back_to_draft(approval: Approval) -> None:
    petition = lock_petition(approval.petition_id or 0)
    if petition.state == PetitionState.REVIEW:
        move(petition, PetitionState.DRAFT)


def wake_after(_approval: Approval) -> None:
    """After a decision that changes what the public sees."""
    wake(TaskName.PETITIONS)


KIND_OPENING = register(
    ApprovalKind(
        OPENING,
        _l("Opening a petition"),
        Action.REVIEW_PETITION,
        describe_petition,
        _open,
        _back_to_draft,
        is_ripe=_can_open,
        unripe=_l(
            "It cannot be opened as it is: its closing time is over, or something is missing. Refuse it and say so."
        ),
        page=lambda approval: standing.preview_url(approval.petition_id),
        after_commit=wake_after,
    )
)
