"""Letters: which there are, how they would be printed, and their text."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.errors import EditedMeanwhileError, NotFoundError
from core.i18n import current_language
from core.security import takes
from delivery import previewing, services, writing
from delivery.console import bp
from delivery.forms import LetterForm
from delivery.letters import PLACEHOLDERS
from delivery.models import LETTER_LABELS, LEVEL_LABELS, LetterKind, Level
from delivery.previewing import Preview
from petitions.models import Petition
from petitions.services import Title
from petitions.standing import find_own

LONG_LETTER = 128 * 1024
"""Bytes of a form: 8,000 letters that are no Latin ones take nine each on their way."""
KIND = "<any(cover, mp, follow_up, notice):letter_kind>"


@bp.get("/petitions/<int:petition_id>/letters")
@needs(Action.SEE_PETITION)
def letters(petition_id: int) -> ResponseReturnValue:
    """Every letter in every language: who needs it, who edited it, who has read it."""
    petition, title = _petition(petition_id)
    return render_template(
        "delivery/letters.html",
        petition=petition,
        text=title,
        languages_of_letters=previewing.list_letters(current_user, petition),
        kinds=LETTER_LABELS,
    )


def _petition(petition_id: int) -> tuple[Petition, Title]:
    return services.coordinated_petition(current_user, petition_id, current_language())


# --- As it would be printed ----------------------------------------------------------------------------------------------


@bp.get(f"/petitions/<int:petition_id>/letters/{KIND}/<language>")
@needs(Action.SEE_PETITION)
def letter(petition_id: int, letter_kind: str, language: str) -> ResponseReturnValue:
    """One letter, as it would be printed for one addressee."""
    petition, title = _petition(petition_id)
    kind = LetterKind(letter_kind)
    return render_template(
        "delivery/letter_print.html",
        petition=petition,
        text=title,
        kind=kind,
        kinds=LETTER_LABELS,
        language=language,
        preview=_preview(petition, kind, language),
        addressees=previewing.own_addressees(current_user, petition),
        levels=LEVEL_LABELS,
        level=_level(),
        # So that the plain text is of the same.
        chosen={name: request.args[name] for name in ("addressee", "bundle", "level") if request.args.get(name)},
    )


@bp.get(f"/petitions/<int:petition_id>/letters/{KIND}/<language>/text")
@needs(Action.SEE_PETITION)
def letter_as_text(petition_id: int, letter_kind: str, language: str) -> ResponseReturnValue:
    """The same as plain text, for a mail."""
    petition, _title = _petition(petition_id)
    preview = _preview(petition, LetterKind(letter_kind), language)
    if preview is None:
        raise NotFoundError
    response = make_response(preview.as_text())
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{petition.slug}-{letter_kind}-{language}.txt"'
    return response


def _preview(petition: Petition, kind: LetterKind, language: str) -> Preview | None:
    try:
        addressee = int(request.args["addressee"]) if request.args.get("addressee") else None
        bundle = UUID(request.args["bundle"]) if request.args.get("bundle") else None
    except ValueError:
        raise NotFoundError from None
    return previewing.preview_letter(current_user, petition, kind, language, addressee, bundle, _level())


def _level() -> Level:
    wanted = request.args.get("level", "")
    return Level(wanted) if wanted in LEVEL_LABELS else Level.NAMES


# --- Its text ------------------------------------------------------------------------------------------------------------


@bp.route(f"/petitions/<int:petition_id>/letters/{KIND}/<language>/edit", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
@takes(LONG_LETTER)
def edit_letter(petition_id: int, letter_kind: str, language: str) -> ResponseReturnValue:
    """Edit a letter for this petition; every save makes a version."""
    find_own(current_user, petition_id)
    kind = LetterKind(letter_kind)
    if request.method == "GET":
        newest = writing.newest_letter(petition_id, kind, language)
        words = writing.words_of(newest, kind, language)
        version = newest.version if newest else 0
        return _text_page(
            petition_id, kind, language, LetterForm(kind, data={**words, "revision": version}, formdata=None)
        )
    form = LetterForm(kind)
    if not form.validate():
        return _text_page(petition_id, kind, language, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        writing.save_letter(current_user, petition_id, kind, language, form.read_revision, form.words)
    except EditedMeanwhileError:
        newest = writing.newest_letter(petition_id, kind, language)
        form.revision.data = str(newest.version if newest else 0)
        theirs = writing.words_of(newest, kind, language)
        return _text_page(petition_id, kind, language, form, HTTPStatus.CONFLICT, theirs=theirs)
    flash(_("Saved."), "good")
    return redirect(url_for(".letter", petition_id=petition_id, letter_kind=kind, language=language), 303)


@bp.post(f"/petitions/<int:petition_id>/letters/{KIND}/<language>/common")
@needs(Action.EDIT_PETITION)
def restore_letter(petition_id: int, letter_kind: str, language: str) -> ResponseReturnValue:
    """Go back to the text that all petitions have, as another version."""
    kind = LetterKind(letter_kind)
    words, form = writing.common_words(kind, language), LetterForm(kind)
    try:
        writing.save_letter(current_user, petition_id, kind, language, form.read_revision, words)
    except EditedMeanwhileError:
        flash(_("Nothing was changed: somebody else saved this letter meanwhile. Here is how it stands."), "note")
    else:
        flash(_("The letter is again the one that all petitions have."), "good")
    return redirect(url_for(".edit_letter", petition_id=petition_id, letter_kind=kind, language=language), 303)


def _text_page(
    petition_id: int,
    kind: LetterKind,
    language: str,
    form: LetterForm,
    status: int = HTTPStatus.OK,
    theirs: dict[str, Any] | None = None,
) -> ResponseReturnValue:
    petition, title = _petition(petition_id)
    newest, common = writing.newest_letter(petition_id, kind, language), writing.common_words(kind, language)
    page = render_template(
        "delivery/letter.html",
        petition=petition,
        text=title,
        kind=kind,
        kinds=LETTER_LABELS,
        language=language,
        form=form,
        theirs=theirs,
        newest=newest,
        is_common=writing.words_of(newest, kind, language) == common,
        placeholders=PLACEHOLDERS[kind],
    )
    return page, status
