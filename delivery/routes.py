"""The console's delivery pages."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from accounts.forms import ButtonForm
from accounts.models import ApprovalState
from accounts.permissions import Action, needs
from core.answers import browser_secret, keep_secret, new_secret
from core.i18n import current_language
from core.waiting import look_again, looks, next_look
from delivery import services
from delivery.forms import BundleFilter
from delivery.models import BUILD_STEP_LABELS, BUNDLE_STATE_LABELS, UNDER_WAY, BundleState, bundle_code
from petitions.models import PETITION_KIND_LABELS, PETITION_STATE_LABELS, SIGNATURE_STATE_LABELS
from petitions.services import list_petitions

bp = Blueprint("delivery", __name__)
MOST_LOOKS = 20


@bp.get("/petitions")
@needs(Action.SEE_PETITION)
def index() -> ResponseReturnValue:
    """The petitions of which one sees some country."""
    mine = list_petitions(current_user, current_language())
    return render_template("delivery/index.html", petitions=mine, petition_states=PETITION_STATE_LABELS)


@bp.get("/petitions/<int:petition_id>")
@needs(Action.SEE_PETITION)
def petition(petition_id: int) -> ResponseReturnValue:
    """Counts by addressee, the button for each, and the bundles so far."""
    found, text = services.coordinated_petition(current_user, petition_id, current_language())
    return render_template(
        "delivery/petition.html",
        petition=found,
        text=text,
        counts=services.addressee_counts(current_user, found),
        listing=services.list_bundles(current_user, found, BundleFilter(request.args)),
        form=ButtonForm(),
        bundle_states=BUNDLE_STATE_LABELS,
        signature_states=SIGNATURE_STATE_LABELS,
        petition_states=PETITION_STATE_LABELS,
        kinds=PETITION_KIND_LABELS,
    )


@bp.post("/petitions/<int:petition_id>/addressees/<int:addressee_id>/bundles")
@needs(Action.REQUEST_BUNDLE)
def request_bundle(petition_id: int, addressee_id: int) -> ResponseReturnValue:
    """Ask for a bundle."""
    bundle_id = services.request_bundle(current_user, petition_id, addressee_id)
    return redirect(url_for(".bundle", bundle_id=bundle_id), 303)


@bp.get("/bundles/<uuid:bundle_id>")
@needs(Action.SEE_PETITION)
def bundle(bundle_id: UUID) -> ResponseReturnValue:
    """How far the build is; when it is ready, the button to take it away, and who has."""
    row = services.find_bundle(current_user, bundle_id)
    approval = services.approval_of(row.bundle)
    agreed = approval is None or approval.state == ApprovalState.APPROVED
    # Nobody looks every few seconds whether another person has decided.
    under_way = row.bundle.state in UNDER_WAY and (agreed or row.bundle.state != BundleState.REQUESTED)
    again = next_look(".bundle", MOST_LOOKS, bundle_id=bundle_id) if under_way else None
    page = render_template(
        "delivery/bundle.html",
        row=row,
        under_way=under_way,
        approval=approval,
        again=again,
        form=ButtonForm(),
        downloads=services.downloads_of(row.bundle),
        bundle_states=BUNDLE_STATE_LABELS,
        build_steps=BUILD_STEP_LABELS,
    )
    return look_again(page, again, seconds=min(5 * looks(), 30))


@bp.post("/bundles/<uuid:bundle_id>/downloads")
@needs(Action.TAKE_BUNDLE)
def ask_for_download(bundle_id: UUID) -> ResponseReturnValue:
    """Log the download and have the archive sealed to a key that only this browser can derive."""
    secret = browser_secret() or new_secret()
    download_id = services.ask_for_download(current_user, bundle_id, secret)
    response = make_response(redirect(url_for(".download", download_id=download_id), 303))
    keep_secret(response, secret)
    return response


@bp.get("/downloads/<uuid:download_id>")
@needs(Action.TAKE_BUNDLE)
def download(download_id: UUID) -> ResponseReturnValue:
    """The archive as an attachment; until the worker has sealed it, a page that asks again by itself."""
    asked = services.find_download(current_user, download_id)
    secret = browser_secret()
    archive = services.downloaded_archive(asked, secret) if secret else None
    if archive is None:
        waiting = secret is not None and services.is_awaited(asked)
        again = next_look(".download", MOST_LOOKS, download_id=download_id) if waiting else None
        page = render_template("delivery/download.html", download=asked, waiting=waiting, again=again)
        return look_again(page, again, seconds=min(3 * looks(), 15))
    response = make_response(archive)
    response.headers["Content-Type"] = "application/zip"
    response.headers["Content-Disposition"] = f'attachment; filename="{bundle_code(asked.bundle_id)}.zip"'
    return response
