"""Writing a petition: beginning it, its text, settings, picture and first signatories."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup

from accounts.permissions import Action, needs
from core.errors import EditedMeanwhileError, EditingLockedError, NotFoundError, NotNowError
from core.fields import PictureForm
from core.i18n import current_language, language_name
from core.pictures import MAX_BYTES
from core.security import takes
from petitions import addressing, editing, standing
from petitions.console import bp
from petitions.console.frame import show, tell
from petitions.editing import WRITTEN, ClosesInThePastError, Copy, Settings, SlugTakenError
from petitions.editor_forms import (
    LanguageForm,
    LaterSettingsForm,
    NewPetitionForm,
    SettingsForm,
    SignatoriesForm,
    TextForm,
)
from petitions.models import Petition, PetitionState
from petitions.standing import OPENING, VERSION
from petitions.texts import demands_html, render_markdown

LONG_TEXT = 512 * 1024
"""Bytes of a form: 20,000 letters that are no Latin ones take nine each on their way."""
WITH_PICTURE = MAX_BYTES + 1024 * 1024
"""A file that is a little too large gets its answer beside the field; one that is much too large is not read."""


@bp.route("/petitions/new", methods=["GET", "POST"])
@needs(Action.CREATE_PETITION)
def new() -> ResponseReturnValue:
    """Begin a petition."""
    form = NewPetitionForm(editing.text_languages(), language=current_language())
    if form.validate_on_submit():
        petition_id = editing.create_petition(current_user, form.kind.data, form.title.data or "", form.language.data)
        return redirect(url_for(".edit_text", petition_id=petition_id, language=form.language.data), 303)
    return render_template("petitions/console/new.html", form=form), 422 if form.errors else 200


# --- The text -----------------------------------------------------------------------------------------------------------


@bp.get("/petitions/<int:petition_id>/texts")
@needs(Action.EDIT_PETITION)
def texts(petition_id: int) -> ResponseReturnValue:
    """Every language there is, and how complete it is."""
    petition = standing.find_own(current_user, petition_id)
    copies = editing.copies(petition_id)
    left = [one for one in editing.text_languages() if one[0] not in copies]
    form = LanguageForm(left, formdata=None)
    return show("texts", petition, locks=(OPENING, VERSION), copies=copies.values(), form=form)


@bp.get("/petitions/<int:petition_id>/texts/add")
@needs(Action.EDIT_PETITION)
def add_language(petition_id: int) -> ResponseReturnValue:
    """To the empty page of another language, beside one that is written."""
    standing.find_own(current_user, petition_id)
    beside = next(iter(editing.copies(petition_id)), None)
    language = request.args.get("language", "en")
    return redirect(url_for(".edit_text", petition_id=petition_id, language=language, beside=beside), 303)


@bp.route("/petitions/<int:petition_id>/texts/<language>", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
@takes(LONG_TEXT)
def edit_text(petition_id: int, language: str) -> ResponseReturnValue:
    """The text in one language, another one beside it if wished."""
    petition = standing.find_own(current_user, petition_id)
    copy = _copy(petition_id, language)
    if request.method == "GET":
        return _text_page(petition, copy, TextForm(data={**copy.words, "revision": copy.revision}, formdata=None))
    form = TextForm()
    if not form.validate():
        return _text_page(petition, copy, form, HTTPStatus.UNPROCESSABLE_ENTITY)
    words = {name: form[name].data or "" for name in WRITTEN}
    try:
        editing.save_text(current_user, petition_id, language, form.read_revision, words)
    except EditedMeanwhileError:
        theirs = _copy(petition_id, language)
        form.revision.data = str(theirs.revision)
        return _text_page(petition, theirs, form, HTTPStatus.CONFLICT, theirs=theirs.words)
    except (EditingLockedError, NotNowError):
        return _text_page(petition, copy, form, HTTPStatus.CONFLICT, refused=True)
    flash(_("Saved."), "good")
    return redirect(url_for(".edit_text", petition_id=petition_id, language=language, beside=_beside()), 303)


def _copy(petition_id: int, language: str) -> Copy:
    if language not in dict(editing.text_languages()):
        raise NotFoundError
    return editing.copies(petition_id).get(language, Copy(language))


def _beside() -> str | None:
    return request.args.get("beside") or None


def _text_page(
    petition: Petition, copy: Copy, form: TextForm, status: int = HTTPStatus.OK, **context: Any
) -> ResponseReturnValue:
    copies = editing.copies(petition.id)
    beside = copies.get(_beside() or "")
    return show(
        "text",
        petition,
        status,
        locks=(OPENING, VERSION),
        copy=copy,
        copies=copies,
        beside=beside if beside and beside.language != copy.language else None,
        form=form,
        drawn=_drawn({name: form[name].data or "" for name in WRITTEN}),
        drawn_beside=_drawn(beside.words) if beside else None,
        **{"theirs": None, "refused": False, **context},
    )


def _drawn(words: dict[str, str]) -> dict[str, Any]:
    """A text as the public would read it."""
    body = Markup(render_markdown(words["body"]))  # noqa: S704  # Cleaned a moment ago.
    return {**words, "body": body, "demands": demands_html(words["demands"])}


@bp.post("/petitions/<int:petition_id>/texts/<language>/preview")
@needs(Action.EDIT_PETITION)
@takes(LONG_TEXT)
def preview_text(petition_id: int, language: str) -> ResponseReturnValue:
    """What is in the fields, as it would be read; nothing is saved. The fragment for a script, else the whole page."""
    petition = standing.find_own(current_user, petition_id)
    copy, form = _copy(petition_id, language), TextForm()
    if request.headers.get("HX-Request"):
        return render_template(
            "petitions/console/_drawn.html",
            drawn=_drawn({name: form[name].data or "" for name in WRITTEN}),
            language=language,
        )
    form.validate()
    return _text_page(petition, copy, form, previewed=True)


@bp.post("/petitions/<int:petition_id>/texts/<language>/removal")
@needs(Action.EDIT_PETITION)
def remove_text(petition_id: int, language: str) -> ResponseReturnValue:
    """Remove a language."""
    try:
        editing.remove_text(current_user, petition_id, language)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    else:
        flash(_("%(language)s is removed.", language=language_name(language)), "good")
    return redirect(url_for(".texts", petition_id=petition_id), 303)


# --- Settings -----------------------------------------------------------------------------------------------------------


@bp.route("/petitions/<int:petition_id>/settings", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
def settings(petition_id: int) -> ResponseReturnValue:
    """Kind, address, fallback, times, age, thresholds; of an open petition the closing time and thresholds."""
    petition = standing.find_own(current_user, petition_id)
    form = _settings_form(petition)
    if request.method == "GET":
        return show("settings", petition, form=form, theirs=None)
    if not form.validate():
        return show("settings", petition, 422, form=form, theirs=None)
    try:
        editing.save_settings(current_user, petition_id, form.read_revision, _wanted(petition, form))
    except EditedMeanwhileError:
        theirs = _as_typed(standing.find_own(current_user, petition_id))
        form.revision.data = str(theirs.pop("revision"))
        return show("settings", petition, 409, form=form, theirs=theirs)
    except SlugTakenError:
        form.slug.errors = [_("Another petition has this address. Choose another.")]
    except ClosesInThePastError:
        form.closes_at.errors = [_("This time is over, or before the opening. Choose a later one.")]
    except (EditingLockedError, NotNowError) as error:
        tell(error)
        return redirect(url_for(".settings", petition_id=petition_id), 303)
    else:
        flash(_("Saved."), "good")
        return redirect(url_for(".settings", petition_id=petition_id), 303)
    return show("settings", petition, 422, form=form, theirs=None)


def _as_typed(petition: Petition) -> dict[str, Any]:
    """The settings as the form's fields hold them."""
    return {
        "kind": petition.kind,
        "slug": petition.slug,
        "fallback": str(petition.fallback_addressee_id or ""),
        "opens_at": petition.opens_at and petition.opens_at.replace(tzinfo=None),
        "closes_at": petition.closes_at and petition.closes_at.replace(tzinfo=None),
        "min_age": str(petition.min_age or ""),
        "per_mailbox": str(petition.per_mailbox),
        "thresholds": ", ".join(map(str, petition.thresholds)),
        "revision": petition.revision,
    }


def _settings_form(petition: Petition) -> LaterSettingsForm:
    typed = {"formdata": None, "data": _as_typed(petition)} if request.method == "GET" else {}
    if standing.state_of(petition) is not PetitionState.DRAFT and petition.state != PetitionState.REVIEW:
        return LaterSettingsForm(**typed)
    chosen = addressing.addressing(petition).chosen
    return SettingsForm([(number, one.name_en) for number, one in chosen.items()], **typed)


def _wanted(petition: Petition, form: LaterSettingsForm) -> Settings:
    values: dict[str, Any] = {name: getattr(petition, name) for name in Settings.__dataclass_fields__}
    if isinstance(form, SettingsForm):
        values |= {
            "kind": form.kind.data,
            "slug": form.slug.data or "",
            "fallback_addressee_id": int(form.fallback.data) if form.fallback.data else None,
            "opens_at": form.moment(form.opens_at),
            "min_age": int(form.min_age.data) if form.min_age.data else None,
            "per_mailbox": int(form.per_mailbox.data),
        }
    return Settings(**{**values, "closes_at": form.moment(form.closes_at), "thresholds": form.numbers})


# --- The picture --------------------------------------------------------------------------------------------------------


@bp.route("/petitions/<int:petition_id>/picture", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
@takes(WITH_PICTURE, files=True)
def picture(petition_id: int) -> ResponseReturnValue:
    """The picture there is, and sending another."""
    petition = standing.find_own(current_user, petition_id)
    form = PictureForm()
    if form.validate_on_submit() and form.picture is not None:
        try:
            editing.set_picture(current_user, petition_id, form.picture)
        except (EditingLockedError, NotNowError) as error:
            tell(error)
        else:
            flash(_("The picture is in place. Describe it in each language."), "good")
        return redirect(url_for(".picture", petition_id=petition_id), 303)
    found = editing.find_picture(current_user, petition_id) if petition.picture_id else None
    return show("picture", petition, 422 if form.errors else 200, form=form, picture=found)


@bp.get("/petitions/<int:petition_id>/picture/file")
@needs(Action.SEE_PETITION)
def picture_file(petition_id: int) -> ResponseReturnValue:
    """The picture itself."""
    response = make_response(editing.find_picture(current_user, petition_id).content)
    response.headers["Content-Type"] = "image/jpeg"
    return response


@bp.post("/petitions/<int:petition_id>/picture/removal")
@needs(Action.EDIT_PETITION)
def remove_picture(petition_id: int) -> ResponseReturnValue:
    """Take the picture away."""
    try:
        editing.remove_picture(current_user, petition_id)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    else:
        flash(_("The picture is taken away."), "good")
    return redirect(url_for(".picture", petition_id=petition_id), 303)


# --- First signatories --------------------------------------------------------------------------------------------------


@bp.route("/petitions/<int:petition_id>/signatories", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
def signatories(petition_id: int) -> ResponseReturnValue:
    """Those who stand by name below an open letter, and adding more."""
    petition = standing.find_own(current_user, petition_id)
    form = SignatoriesForm()
    if form.validate_on_submit():
        try:
            editing.add_signatories(current_user, petition_id, form.pairs)
        except EditingLockedError as error:
            tell(error)
        except NotNowError:
            form.people.errors = [_("This is no open letter that can still change, or it would have too many names.")]
            return show("signatories", petition, 409, form=form, people=editing.first_signatories(petition_id))
        return redirect(url_for(".signatories", petition_id=petition_id), 303)
    status = 422 if form.errors else 200
    return show("signatories", petition, status, form=form, people=editing.first_signatories(petition_id))


@bp.post("/petitions/<int:petition_id>/signatories/<int:signatory_id>/removal")
@needs(Action.EDIT_PETITION)
def remove_signatory(petition_id: int, signatory_id: int) -> ResponseReturnValue:
    """Remove somebody."""
    try:
        editing.remove_signatory(current_user, petition_id, signatory_id)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    return redirect(url_for(".signatories", petition_id=petition_id), 303)


@bp.post("/petitions/<int:petition_id>/signatories/<int:signatory_id>/<any(up, down):direction>")
@needs(Action.EDIT_PETITION)
def move_signatory(petition_id: int, signatory_id: int, direction: str) -> ResponseReturnValue:
    """Move somebody by one place."""
    try:
        editing.move_signatory(current_user, petition_id, signatory_id, -1 if direction == "up" else 1)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
    return redirect(url_for(".signatories", petition_id=petition_id), 303)
