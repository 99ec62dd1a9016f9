"""After a picket: telling how it went, and its photos."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from uuid import UUID

from flask import flash, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.approvals import is_own, may_decide
from accounts.permissions import Action, needs
from core.errors import NotNowError
from core.fields import PictureForm
from core.pictures import MAX_BYTES
from core.security import takes
from pickets import after
from pickets.after import COLUMNS, MOST_PHOTOS, OVER, PhotoPage, TooManyPhotosError, TooTallError
from pickets.after_forms import PhotoWordsForm, ReportForm
from pickets.console import bp
from pickets.console.frame import find, show, tell
from pickets.models import PHOTO_STATE_LABELS, PhotoState
from pickets.services import PicketPage

WITH_PHOTO = MAX_BYTES + 1024 * 1024
"""A file that is a little too large gets its answer beside the field; one that is much too large is not read."""


@bp.route("/pickets/<uuid:picket_id>/report", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def report(picket_id: UUID) -> ResponseReturnValue:
    """How it went. Can be corrected later."""
    page = find(picket_id)
    if page.state not in OVER:
        return _not_now(picket_id)
    told = after.find_report(picket_id)
    form = ReportForm(told, is_public=after.is_public(told))
    if request.method == "POST" and form.validate():
        try:
            after.save_report(current_user, picket_id, form.values(), form.days)
        except NotNowError:
            return _not_now(picket_id)
        flash(_("Saved. Are there photos? Faces are made unrecognisable before anybody else sees one."), "good")
        return redirect(url_for(".photos", picket_id=picket_id), 303)
    status = 422 if form.errors else 200
    return show("report", page, status, form=form, report=told, public=after.is_public(told))


def _not_now(picket_id: UUID) -> ResponseReturnValue:
    tell(NotNowError())
    return redirect(url_for(".overview", picket_id=picket_id), 303)


# --- Photos ----------------------------------------------------------------------------------------------------------------


@bp.route("/pickets/<uuid:picket_id>/photos", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
@takes(WITH_PHOTO, files=True)
def photos(picket_id: UUID) -> ResponseReturnValue:
    """The photos there are, and sending one."""
    page = find(picket_id)
    if page.state not in OVER:
        return _not_now(picket_id)
    form = PictureForm()
    if form.validate_on_submit() and form.picture is not None:
        try:
            photo_id = after.add_photo(current_user, picket_id, form.picture)
        except TooManyPhotosError:
            form.file.errors = [_("There are five photos already. Remove one first.")]
            return _photos_page(page, form, HTTPStatus.CONFLICT)
        except TooTallError:
            form.file.errors = [_("This is more than three times as tall as it is wide. Cut it and send it again.")]
        except NotNowError:
            return _not_now(picket_id)
        else:
            return redirect(url_for(".photo", picket_id=picket_id, photo_id=photo_id), 303)
    return _photos_page(page, form, 422 if form.errors else 200)


def _photos_page(page: PicketPage, form: PictureForm, status: int) -> ResponseReturnValue:
    found = after.list_photos(page.picket.id)
    told = after.find_report(page.picket.id)
    return show(
        "photos",
        page,
        status,
        form=form,
        photos=found,
        is_full=len(found) >= MOST_PHOTOS,
        report=told,
        public=after.is_public(told),
        labels=PHOTO_STATE_LABELS,
    )


@bp.route("/pickets/<uuid:picket_id>/photos/<uuid:photo_id>", methods=["GET", "POST"])
@needs(Action.ANNOUNCE_PICKET)
def photo(picket_id: UUID, photo_id: UUID) -> ResponseReturnValue:
    """One photo: its faces are marked here, and it is published, or a second person is asked to look."""
    found = after.find_photo(current_user, picket_id, photo_id)
    if request.method == "GET":
        form = PhotoWordsForm(found.rows, formdata=None, data={"alt": found.photo.alt})
        return _photo_page(found, form, found.photo.marks)
    form = PhotoWordsForm(found.rows)
    if not form.settle(request.form.getlist("marks"), publishing=request.form.get("do") == "publish"):
        return _photo_page(found, form, form.marks, 422)
    try:
        _save(picket_id, photo_id, form)
    except NotNowError as error:
        tell(error)
    return redirect(url_for(".photo", picket_id=picket_id, photo_id=photo_id), 303)


def _save(picket_id: UUID, photo_id: UUID, form: PhotoWordsForm) -> None:
    alt = form.alt.data or ""
    if request.form.get("do") != "publish":
        after.save_photo(current_user, picket_id, photo_id, form.marks, alt)
        flash(_("Saved; nobody else sees it yet."), "good")
    elif form.marks:
        after.publish_photo(current_user, picket_id, photo_id, form.marks, alt)
        flash(_("Published. The photo with the faces is erased."), "good")
    else:
        after.ask_for_photo(current_user, picket_id, photo_id, alt)
        flash(_("A coordinator is asked to look at it. Until then it stays private."), "good")


def _photo_page(
    found: PhotoPage, form: PhotoWordsForm, marks: Collection[int], status: int = 200
) -> ResponseReturnValue:
    review = found.review
    return show(
        "photo",
        found.picket_page,
        status,
        form=form,
        photo=found.photo,
        state=found.state,
        labels=PHOTO_STATE_LABELS,
        review=review,
        is_mine=review is not None and review.requested_by == current_user.id,
        decides=review is not None and may_decide(current_user, review) and not is_own(current_user, review),
        marks=set(marks),
        squares=range(COLUMNS * found.rows),
        square_name=after.square_name,
        has_preview=found.state is PhotoState.PRIVATE and bool(found.photo.marks),
    )


@bp.get("/pickets/<uuid:picket_id>/photos/<uuid:photo_id>/file")
@needs(Action.SEE_PICKETS)
def photo_file(picket_id: UUID, photo_id: UUID) -> ResponseReturnValue:
    """The photo itself: with its faces, until it is published."""
    return _jpeg(after.open_photo(current_user, picket_id, photo_id))


@bp.get("/pickets/<uuid:picket_id>/photos/<uuid:photo_id>/preview")
@needs(Action.SEE_PICKETS)
def photo_preview(picket_id: UUID, photo_id: UUID) -> ResponseReturnValue:
    """The photo as it would be published by the squares that were saved."""
    return _jpeg(after.preview_photo(current_user, picket_id, photo_id))


def _jpeg(content: bytes) -> ResponseReturnValue:
    response = make_response(content)
    response.headers["Content-Type"] = "image/jpeg"
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/pickets/<uuid:picket_id>/photos/<uuid:photo_id>/removal")
@needs(Action.ANNOUNCE_PICKET)
def remove_photo(picket_id: UUID, photo_id: UUID) -> ResponseReturnValue:
    """Remove a photo, a published one, too."""
    after.remove_photo(current_user, picket_id, photo_id)
    flash(_("The photo is removed."), "good")
    return redirect(url_for(".photos", picket_id=picket_id), 303)
