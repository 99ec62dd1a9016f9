"""Bundles: asked for, followed, stopped, taken away, handed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from flask import Response, make_response, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from accounts.forms import ButtonForm
from accounts.models import ApprovalState
from accounts.permissions import Action, needs
from core.answers import browser_secret, keep_secret, new_secret
from core.i18n import current_language
from core.waiting import look_again, looks, next_look
from delivery import services, taking
from delivery.console import bp
from delivery.forms import BundleFilter, DayForm, RequestForm
from delivery.letters import letter_language
from delivery.models import BUNDLE_STATE_LABELS, LEVEL_LABELS, UNDER_WAY, BundleState, LetterKind, Level, Wish
from delivery.writing import newest_letter, words_of
from petitions.models import PETITION_KIND_LABELS, PETITION_STATE_LABELS, SIGNATURE_STATE_LABELS
from petitions.services import list_petitions

MOST_LOOKS = 40


@bp.get("/petitions")
@needs(Action.SEE_PETITION)
def index() -> ResponseReturnValue:
    """The petitions of which one sees some country."""
    mine = list_petitions(current_user, current_language())
    return render_template("delivery/index.html", petitions=mine, petition_states=PETITION_STATE_LABELS)


@bp.get("/petitions/<int:petition_id>")
@needs(Action.SEE_PETITION)
def petition(petition_id: int) -> ResponseReturnValue:
    """Counts by addressee, the way to a bundle for each, and the bundles so far."""
    found, text = services.coordinated_petition(current_user, petition_id, current_language())
    return render_template(
        "delivery/petition.html",
        petition=found,
        text=text,
        counts=services.addressee_counts(current_user, found),
        listing=services.list_bundles(current_user, found, BundleFilter(request.args)),
        bundle_states=BUNDLE_STATE_LABELS,
        signature_states=SIGNATURE_STATE_LABELS,
        petition_states=PETITION_STATE_LABELS,
        kinds=PETITION_KIND_LABELS,
    )


@bp.get("/petitions/<int:petition_id>/addressees/<int:addressee_id>/bundles")
@needs(Action.REQUEST_BUNDLE)
def new_bundle(petition_id: int, addressee_id: int) -> ResponseReturnValue:
    """What would leave, and how much of it may be told."""
    return _new_bundle(petition_id, addressee_id, RequestForm())


def _new_bundle(petition_id: int, addressee_id: int, form: RequestForm) -> str:
    leaves = services.outgoing(current_user, petition_id, addressee_id)
    petition, text = services.coordinated_petition(current_user, petition_id, current_language())
    letter = newest_letter(petition_id, LetterKind.COVER, leaves.language)
    words = words_of(letter, LetterKind.COVER, leaves.language)
    return render_template(
        "delivery/new_bundle.html",
        petition=petition,
        text=text,
        leaves=leaves,
        form=form,
        is_unread=not words["reviewed_by"],
    )


@bp.post("/petitions/<int:petition_id>/addressees/<int:addressee_id>/bundles")
@needs(Action.REQUEST_BUNDLE)
def request_bundle(petition_id: int, addressee_id: int) -> ResponseReturnValue:
    """Ask for a bundle."""
    form = RequestForm()
    if not form.validate():
        return _new_bundle(petition_id, addressee_id, form), 422
    bundle_id = services.request_bundle(current_user, petition_id, addressee_id, Level(form.level.data))
    return redirect(url_for(".bundle", bundle_id=bundle_id), 303)


@bp.get("/bundles/<uuid:bundle_id>")
@needs(Action.SEE_PETITION)
def bundle(bundle_id: UUID) -> ResponseReturnValue:
    """How far the build is; when it is ready, the button to take it away, and who has."""
    return _bundle(bundle_id, DayForm())


def _bundle(bundle_id: UUID, form: DayForm) -> Response:
    row = services.find_bundle(current_user, bundle_id)
    approval = services.approval_of(row.bundle)
    agreed = approval is None or approval.state == ApprovalState.APPROVED
    # Nobody looks every few seconds whether another person has decided.
    under_way = row.bundle.state in UNDER_WAY and (agreed or row.bundle.state != BundleState.REQUESTED)
    again = next_look(".bundle", MOST_LOOKS, bundle_id=bundle_id) if under_way and not form.errors else None
    page = render_template(
        "delivery/bundle.html",
        row=row,
        under_way=under_way,
        approval=approval,
        again=again,
        button=ButtonForm(),
        form=form,
        may_be_handed_over=services.may_be_handed_over(row.bundle),
        progress=services.progress_of(row.bundle),
        corrections=services.corrections_of(row.bundle),
        successor=services.successor_of(row.bundle),
        downloads=taking.downloads_of(row.bundle),
        bundle_states=BUNDLE_STATE_LABELS,
        levels=LEVEL_LABELS,
        wishes=services.WISHES,
        letter_language=letter_language(row.addressee.languages.split()),
    )
    return look_again(page, again, seconds=min(2 + looks(), 15))


@bp.post("/bundles/<uuid:bundle_id>/cancel")
@needs(Action.REQUEST_BUNDLE)
def cancel(bundle_id: UUID) -> ResponseReturnValue:
    """Stop a bundle that is on its way."""
    services.wish_for(current_user, bundle_id, Wish.CANCEL)
    return redirect(url_for(".bundle", bundle_id=bundle_id), 303)


@bp.post("/bundles/<uuid:bundle_id>/resume")
@needs(Action.REQUEST_BUNDLE)
def resume(bundle_id: UUID) -> ResponseReturnValue:
    """Go on with one that was given up."""
    services.wish_for(current_user, bundle_id, Wish.RESUME)
    return redirect(url_for(".bundle", bundle_id=bundle_id), 303)


@bp.post("/bundles/<uuid:bundle_id>/handed-over")
@needs(Action.TAKE_BUNDLE)
def hand_over(bundle_id: UUID) -> ResponseReturnValue:
    """Note when the ministry got it."""
    return _note_day(bundle_id, services.mark_handed_over)


@bp.post("/bundles/<uuid:bundle_id>/told")
@needs(Action.TAKE_BUNDLE)
def told(bundle_id: UUID) -> ResponseReturnValue:
    """Note when the ministry was told what to strike out."""
    return _note_day(bundle_id, services.mark_told)


def _note_day(bundle_id: UUID, note: Callable[[Any, UUID, date], None]) -> ResponseReturnValue:
    form = DayForm()
    if not form.validate() or form.day.data is None:
        return _bundle(bundle_id, form), 422
    note(current_user, bundle_id, form.day.data)
    return redirect(url_for(".bundle", bundle_id=bundle_id), 303)


@bp.post("/bundles/<uuid:bundle_id>/downloads")
@needs(Action.TAKE_BUNDLE)
def ask_for_download(bundle_id: UUID) -> ResponseReturnValue:
    """Log the download and have the archive sealed to a key that only this browser can derive."""
    secret = browser_secret() or new_secret()
    download_id = taking.ask_for_download(current_user, bundle_id, secret)
    response = make_response(redirect(url_for(".download", download_id=download_id), 303))
    keep_secret(response, secret)
    return response


@bp.get("/downloads/<uuid:download_id>")
@needs(Action.TAKE_BUNDLE)
def download(download_id: UUID) -> ResponseReturnValue:
    """The archive as an attachment; until the worker has sealed it, a page that asks again by itself."""
    asked = taking.find_download(current_user, download_id)
    secret = browser_secret()
    archive = taking.downloaded_archive(asked, secret) if secret else None
    if archive is None:
        waiting = secret is not None and taking.is_awaited(asked)
        again = next_look(".download", MOST_LOOKS, download_id=download_id) if waiting else None
        page = render_template("delivery/download.html", download=asked, waiting=waiting, again=again)
        return look_again(page, again, seconds=min(3 * looks(), 15))
    response = Response(stream_with_context(archive.pieces), mimetype="application/zip")
    response.headers["Content-Length"] = str(archive.size)
    response.headers["Content-Disposition"] = f'attachment; filename="{archive.name}"'
    return response
