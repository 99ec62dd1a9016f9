"""Where a petition stands: its overview and preview, its review, new versions, and its end."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.approvals import AlreadyDecidedError, NotYoursToDecideError, kinds
from accounts.forms import ReasonForm
from accounts.permissions import Action, needs
from accounts.roles import name_of
from core.errors import EditingLockedError, NotNowError
from core.i18n import current_language
from petitions import addressing, editing, life, review, standing, versions
from petitions.console import bp
from petitions.console.frame import show, tell
from petitions.editor_forms import PublicReasonForm, SubmissionForm, VersionForm
from petitions.models import PETITION_STATE_LABELS, PUBLIC_STATES, PetitionState
from petitions.overview import overview as overview_of
from petitions.texts import demands_html, render_markdown


@bp.get("/petitions/<int:petition_id>/overview")
@needs(Action.SEE_PETITION)
def overview(petition_id: int) -> ResponseReturnValue:
    """Where it stands, what is missing, what waits, and what can be done next."""
    return _overview(petition_id)


def _overview(
    petition_id: int,
    status: int = 200,
    submission: SubmissionForm | None = None,
    version: VersionForm | None = None,
) -> ResponseReturnValue:
    found = overview_of(current_user, petition_id)
    note_languages = [one for one in editing.text_languages() if one[0] in editing.copies(petition_id)]
    return show(
        "overview",
        found.petition,
        status,
        found=found,
        approval_kinds=kinds,
        name_of=name_of,
        submission=submission or SubmissionForm(formdata=None),
        version=version or VersionForm(note_languages, formdata=None, data={"language": current_language()}),
    )


@bp.get("/petitions/<int:petition_id>/preview")
@bp.get("/petitions/<int:petition_id>/preview/<language>")
@needs(Action.SEE_PETITION)
def preview(petition_id: int, language: str | None = None) -> ResponseReturnValue:
    """Exactly what would be published: the working copy, the addressees, and all that goes with it."""
    petition = standing.find_readable(current_user, petition_id)
    copies = editing.copies(petition_id)
    wishes = (language, current_language(), "en", *copies)
    added, removed = addressing.waiting_change(petition_id)
    copy = next((copies[wish] for wish in wishes if wish in copies), editing.Copy(current_language()))
    return show(
        "preview",
        petition,
        copy=copy,
        copies=copies,
        body=render_markdown(copy.body),
        demands=demands_html(copy.demands),
        changes=versions.changes(petition_id, copy),
        now=addressing.addressing(petition),
        added=added,
        removed=removed,
        signatories=editing.first_signatories(petition_id),
        picture=editing.find_picture(current_user, petition_id) if petition.picture_id else None,
    )


@bp.post("/petitions/<int:petition_id>/submission")
@needs(Action.EDIT_PETITION)
def submit(petition_id: int) -> ResponseReturnValue:
    """Ask a reviewer to open it."""
    form = SubmissionForm()
    if not form.validate():
        return _overview(petition_id, 422, submission=form)
    return _do(
        petition_id,
        lambda: review.submit(current_user, petition_id, form.reason.data or ""),
        _("It is with a reviewer now. Until they have decided, nothing in it can be changed."),
    )


@bp.post("/petitions/<int:petition_id>/versions")
@needs(Action.EDIT_PETITION)
def submit_version(petition_id: int) -> ResponseReturnValue:
    """Ask a reviewer to publish the working copy as a new version."""
    form = VersionForm(editing.text_languages())
    if not form.validate():
        standing.find_own(current_user, petition_id)
        return _overview(petition_id, 422, version=form)
    return _do(
        petition_id,
        lambda: versions.submit_version(current_user, petition_id, form.note.data or "", form.language.data),
        _("A reviewer has to agree to the new version. Until they have decided, the text cannot be changed."),
    )


@bp.post("/petitions/<int:petition_id>/closing")
@needs(Action.EDIT_PETITION)
def close(petition_id: int) -> ResponseReturnValue:
    """End it now."""
    return _do(petition_id, lambda: life.close_now(current_user, petition_id), _("The petition is closed."))


@bp.post("/petitions/<int:petition_id>/archiving")
@needs(Action.EDIT_PETITION)
def archive(petition_id: int) -> ResponseReturnValue:
    """Put it into the archive."""
    return _do(petition_id, lambda: life.archive(current_user, petition_id), _("The petition is in the archive."))


def _do(petition_id: int, act: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        act()
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    else:
        flash(done, "good")
    return redirect(url_for(".overview", petition_id=petition_id), 303)


@bp.route("/petitions/<int:petition_id>/rejection", methods=["GET", "POST"])
@needs(Action.REVIEW_PETITION)
def reject(petition_id: int) -> ResponseReturnValue:
    """Turn it down for good."""
    petition, form = life.find_to_review(current_user, petition_id), PublicReasonForm()
    if form.validate_on_submit():
        try:
            life.reject(current_user, petition_id, form.reason.data or "")
        except (NotNowError, AlreadyDecidedError) as error:
            tell(error)
        except NotYoursToDecideError:
            flash(_("Another person has to decide this: you sent it to its review."), "error")
        else:
            flash(_("The petition is rejected. Its address says why."), "good")
        return redirect(url_for(".overview", petition_id=petition_id), 303)
    return show("rejection", petition, 422 if form.errors else 200, form=form)


@bp.get("/petitions/shown")
@needs(Action.TAKE_DOWN)
def shown() -> ResponseReturnValue:
    """What the public sees, and the way to take it down."""
    rows = life.shown_petitions(current_user, current_language())
    return render_template("petitions/console/shown.html", petitions=rows, states=PETITION_STATE_LABELS)


@bp.route("/petitions/<int:petition_id>/hiding", methods=["GET", "POST"])
@needs(Action.TAKE_DOWN)
def hide(petition_id: int) -> ResponseReturnValue:
    """Take it down at once."""
    petition, form = life.find_to_take_down(current_user, petition_id), PublicReasonForm()
    if form.validate_on_submit():
        try:
            life.hide(current_user, petition_id, form.reason.data or "")
        except NotNowError as error:
            tell(error)
        else:
            flash(_("The petition is hidden. Its address says why."), "good")
        return redirect(url_for(".hide", petition_id=petition_id), 303)
    can_hide, is_hidden = petition.state in PUBLIC_STATES, petition.state == PetitionState.HIDDEN
    again = ReasonForm(formdata=None)
    return show(
        "hiding", petition, 422 if form.errors else 200, form=form, again=again, can_hide=can_hide, is_hidden=is_hidden
    )


@bp.post("/petitions/<int:petition_id>/restoration")
@needs(Action.TAKE_DOWN)
def restore(petition_id: int) -> ResponseReturnValue:
    """Ask a second person to show it again."""
    petition, form = life.find_to_take_down(current_user, petition_id), ReasonForm()
    if not form.validate():
        is_hidden = petition.state == PetitionState.HIDDEN
        blank = PublicReasonForm(formdata=None)
        return show("hiding", petition, 422, form=blank, again=form, can_hide=False, is_hidden=is_hidden)
    try:
        asked = life.ask_to_restore(current_user, petition_id, form.reason.data or "")
    except NotNowError as error:
        tell(error)
        return redirect(url_for(".hide", petition_id=petition_id), 303)
    return redirect(url_for("accounts.approval", approval_id=asked), 303)
