"""The life of a petition: what is missing before it opens, the second person who opens it, new versions, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import url_for
from flask_babel import format_decimal
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select

from accounts import desk
from accounts.approvals import AlreadyDecidedError, ApprovalKind, register, request_approval
from accounts.desk import Waiting
from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action, may, may_somewhere
from core.audit import auditable, record
from core.extensions import db
from core.i18n import current_language, language_name
from core.queues import TaskName, wake
from core.typed import search_words
from petitions import editing, services
from petitions.addressing import addressing
from petitions.editing import (
    OPENING,
    RESTORE,
    VERSION,
    Copy,
    NotNowError,
    begin_change,
    copies,
    first_signatories,
    lock_petition,
    move,
    state_of,
    waiting_approvals,
)
from petitions.models import (
    FirstSignatory,
    Milestone,
    Petition,
    PetitionKind,
    PetitionState,
    PetitionText,
    TextVersion,
)
from petitions.texts import render_markdown, text_hash

SUBMITTED = auditable("petition.submitted", _l("Sent a petition to its review"))
OPENED = auditable("petition.opened", _l("A petition was opened"))
REPUBLISHED = auditable("petition.republished", _l("A new version of a petition’s text was published"))

_LATELY = 30
"""Days for which the start page tells of a threshold that was reached."""


# --- What is missing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Missing:
    """What has to be done before a petition can open, and where."""

    text: str
    url: str


def missing(petition: Petition) -> list[Missing]:
    """Everything that keeps a petition from its review; empty when it can go."""
    return [*_missing_words(petition), *_missing_facts(petition)]


def _missing_words(petition: Petition) -> Iterable[Missing]:
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
    if petition.closes_at is not None and editing.is_over(petition):
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
    _publish(petition.id, 1, copies(petition.id).values())
    db.session.add(TextVersion(petition_id=petition.id, version=1))
    if petition.kind != PetitionKind.OPEN_LETTER:
        db.session.execute(delete(FirstSignatory).where(FirstSignatory.petition_id == petition.id))
    petition.opens_at = func.greatest(func.coalesce(petition.opens_at, func.now()), func.now())
    move(petition, PetitionState.OPEN)
    record(OPENED, approval.decided_by, "petition", petition.id, petition_id=petition.id)


def _publish(petition_id: int, version: int, texts: Iterable[Copy]) -> None:
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
        page=lambda approval: editing.preview_url(approval.petition_id),
        after_commit=wake_after,
    )
)


# --- New versions -------------------------------------------------------------------------------------------------------


def changed_copies(petition_id: int) -> list[Copy]:
    """Working copies that differ from what is published, in languages old and new."""
    published = editing.published_texts(petition_id)
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


def submit_version(account: Account, petition_id: int, note: str, language: str) -> UUID:
    """Ask a reviewer to publish the working copy as a new version, with a note that the public reads. Commits.

    Returns the approval's id. Raises NotFoundError, EditingLockedError, NotNowError (also when nothing differs, or when a language
    is not complete).
    """
    petition = begin_change(account, petition_id, PetitionState.OPEN, unless=(VERSION,))
    changed = changed_copies(petition_id)
    if not changed or any(_missing_words(petition)):
        db.session.rollback()
        raise NotNowError
    # In a part of its own, because the audit trail tells nothing that somebody typed.
    details = {"public": {"note": note, "language": language}}
    asked = request_approval(KIND_VERSION, account, petition_id, "", petition_id=petition_id, details=details)
    db.session.commit()
    return asked


def _publish_version(approval: Approval) -> None:
    petition = lock_petition(approval.petition_id or 0)
    version = 1 + max(text.version for text in editing.published_texts(petition.id).values())
    _publish(petition.id, version, changed_copies(petition.id))
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
        is_ripe=lambda approval: state_of(_petition_of(approval)) is PetitionState.OPEN,
        unripe=_l("This goes only while the petition is open. Refuse it."),
        page=lambda approval: editing.preview_url(approval.petition_id),
        after_commit=wake_after,
    )
)


def versions(petition_id: int) -> Sequence[TextVersion]:
    """Every published version, newest first."""
    mine = select(TextVersion).where(TextVersion.petition_id == petition_id)
    return db.session.scalars(mine.order_by(TextVersion.version.desc())).all()


# --- What the pages show ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Overview:
    """Where a petition stands, for whoever writes or reviews it."""

    petition: Petition
    title: services.Title
    state: PetitionState
    may_edit: bool
    waiting: dict[str, Approval]
    refused: Sequence[Approval]
    """The last decision of each kind, where it was a refusal."""
    missing: Sequence[Missing]
    changed: Sequence[Copy]
    versions: Sequence[TextVersion]


def overview(account: Account, petition_id: int) -> Overview:
    """All that the petition's own page shows. Raises NotFoundError."""
    petition = editing.find_readable(account, petition_id)
    state = state_of(petition)
    return Overview(
        petition,
        services.title_of(petition_id, current_language()),
        state,
        may(account, Action.EDIT_PETITION, petition_id, None),
        waiting_approvals(petition_id),
        _last_refusals(petition_id),
        missing(petition) if state is PetitionState.DRAFT else [],
        changed_copies(petition_id) if state is PetitionState.OPEN else [],
        versions(petition_id),
    )


def _last_refusals(petition_id: int) -> list[Approval]:
    kinds = OPENING, VERSION, editing.ADDRESSEES, RESTORE
    rows = db.session.scalars(
        select(Approval)
        .where(Approval.petition_id == petition_id, Approval.kind.in_(kinds))
        .order_by(Approval.requested_at, Approval.decided_at.asc().nulls_last())
    )
    last = {row.kind: row for row in rows}
    return [row for row in last.values() if row.state == ApprovalState.REFUSED]


@desk.waits
def _creators_wait(account: Account) -> Iterable[Waiting]:
    """Drafts that a reviewer has sent back, and thresholds that were reached lately."""
    if not may_somewhere(account, Action.EDIT_PETITION):
        return
    rows = db.session.scalars(
        select(Petition).where(Petition.state.in_((PetitionState.DRAFT, PetitionState.OPEN, PetitionState.CLOSED)))
    )
    for petition in rows:
        if not may(account, Action.EDIT_PETITION, petition.id, None):
            continue
        url = url_for("petitions_console.overview", petition_id=petition.id)
        if petition.state == PetitionState.DRAFT:
            if any(row.kind == OPENING for row in _last_refusals(petition.id)):
                name = services.title_of(petition.id, current_language()).title
                yield Waiting(_("“%(title)s” was not opened: read why.", title=name), url)
        elif reached := _reached_lately(petition):
            name = services.title_of(petition.id, current_language()).title
            text = _(
                "“%(title)s” has reached %(number)s signatures: hand them over.",
                title=name,
                number=format_decimal(reached),
            )
            yield Waiting(text, url_for("delivery.petition", petition_id=petition.id))


def _reached_lately(petition: Petition) -> int | None:
    """The highest of the creators' own thresholds that was reached within the last weeks."""
    lately = Milestone.reached_at > func.now() - func.make_interval(0, 0, 0, _LATELY)
    mine = Milestone.petition_id == petition.id, Milestone.total.in_(petition.thresholds)
    return db.session.scalar(select(func.max(Milestone.total)).where(*mine, lately))
