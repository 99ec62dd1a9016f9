"""Choosing whom a petition is addressed to."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.permissions import Action, needs
from core.errors import EditedMeanwhileError, EditingLockedError, NotNowError
from petitions import addressing, editing, standing
from petitions.addressing import REGION_LABELS, FallbackStaysError, ResidentsTakenError
from petitions.console import bp
from petitions.console.frame import show, tell
from petitions.editor_forms import AddresseesForm, OwnAddresseeForm, RouteForm
from petitions.models import Petition
from petitions.standing import ADDRESSEES, OPENING


@bp.route("/petitions/<int:petition_id>/addressees", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
def addressees(petition_id: int) -> ResponseReturnValue:
    """The list with its ticks. Looking for a name and choosing a region only change what is ticked; saving saves."""
    petition = standing.find_own(current_user, petition_id)
    if request.method == "GET":
        form = AddresseesForm(formdata=None, data={"revision": petition.revision})
        return _page(petition, form, set(addressing.addressing(petition).chosen))
    form = AddresseesForm()
    ticked = {int(text) for text in request.form.getlist("addressee") if text.isdecimal() and len(text) < 10}
    if not form.validate():
        return _page(petition, form, ticked, HTTPStatus.UNPROCESSABLE_ENTITY)
    if region := request.form.get("region"):
        ticked |= {one.id for name, members in addressing.groups(petition_id) if name == region for one in members}
        return _page(petition, form, ticked, unsaved=True)
    if "save" not in request.form:
        return _page(petition, form, ticked, unsaved=True)
    try:
        asked = addressing.choose_addressees(current_user, petition_id, form.read_revision, ticked)
    except EditedMeanwhileError:
        form.revision.data = str(petition.revision)
        return _page(petition, form, ticked, HTTPStatus.CONFLICT, changed=True)
    except FallbackStaysError:
        form.q.errors = [
            _("The fallback stays: it receives what belongs to no other. Choose another one in the settings first.")
        ]
        return _page(petition, form, ticked, HTTPStatus.UNPROCESSABLE_ENTITY)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
        return _page(petition, form, ticked, HTTPStatus.CONFLICT)
    return _done(petition_id, asked)


def _done(petition_id: int, asked: UUID | None) -> ResponseReturnValue:
    if asked is not None:
        flash(_("A reviewer has to agree to this change, because the petition is open. It was asked for."), "good")
        return redirect(url_for("accounts.approval", approval_id=asked), 303)
    flash(_("Saved."), "good")
    return redirect(url_for(".addressees", petition_id=petition_id), 303)


def _page(
    petition: Petition,
    form: AddresseesForm,
    ticked: set[int],
    status: int = HTTPStatus.OK,
    route_form: RouteForm | None = None,
    *,
    unsaved: bool = False,
    changed: bool = False,
) -> ResponseReturnValue:
    now = addressing.addressing(petition)
    return show(
        "addressees",
        petition,
        status,
        locks=(OPENING, ADDRESSEES),
        form=form,
        ticked=ticked,
        groups=addressing.groups(petition.id, form.q.data or ""),
        regions=REGION_LABELS,
        now=now,
        route_form=route_form or RouteForm([(one.id, one.name_en) for one in now.chosen.values()], formdata=None),
        unsaved=unsaved,
        changed=changed,
    )


@bp.post("/petitions/<int:petition_id>/routes")
@needs(Action.EDIT_PETITION)
def set_route(petition_id: int) -> ResponseReturnValue:
    """Say who receives the residents of a country."""
    petition = standing.find_own(current_user, petition_id)
    now = addressing.addressing(petition)
    form = RouteForm([(one.id, one.name_en) for one in now.chosen.values()])
    if not form.validate():
        ticks = AddresseesForm(formdata=None, data={"revision": petition.revision})
        return _page(petition, ticks, set(now.chosen), HTTPStatus.UNPROCESSABLE_ENTITY, form)
    receiver = int(form.addressee.data) if form.addressee.data else None
    try:
        asked = addressing.set_route(current_user, petition_id, form.country.data, receiver)
    except (EditingLockedError, NotNowError) as error:
        tell(error)
        return redirect(url_for(".addressees", petition_id=petition_id), 303)
    return _done(petition_id, asked)


@bp.route("/petitions/<int:petition_id>/addressees/new", methods=["GET", "POST"])
@needs(Action.EDIT_PETITION)
def new_addressee(petition_id: int) -> ResponseReturnValue:
    """Add an addressee that is not on the list."""
    petition = standing.find_own(current_user, petition_id)
    form, receiver = OwnAddresseeForm(editing.text_languages()), None
    if form.validate_on_submit():
        try:
            asked = addressing.add_own(current_user, petition_id, form.values(), form.takes_residents)
        except ResidentsTakenError as error:
            receiver = error.addressee
            form.receives.errors = [
                _("Another addressee receives the residents of this country. Choose which of the two shall.")
            ]
        except (EditingLockedError, NotNowError) as error:
            tell(error)
            return show("addressee", petition, 409, (OPENING, ADDRESSEES), form=form, receiver=None)
        else:
            return _done(petition_id, asked)
    return show("addressee", petition, 422 if form.errors else 200, (OPENING, ADDRESSEES), form=form, receiver=receiver)
