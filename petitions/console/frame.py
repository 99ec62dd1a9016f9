"""What the pages of one petition have in common: its title and state, the way to the others, and what locks them."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from accounts.forms import ButtonForm
from accounts.models import Approval
from accounts.permissions import Action, may
from core.errors import DomainError, EditingLockedError
from core.i18n import current_language
from petitions import services, standing
from petitions.models import PETITION_KIND_LABELS, PETITION_STATE_LABELS, Petition, PetitionState

CHANGEABLE = (PetitionState.DRAFT, PetitionState.OPEN)


def show(
    template: str, petition: Petition, status: int = 200, locks: tuple[str, ...] = (standing.OPENING,), **context: Any
) -> ResponseReturnValue:
    """A page of a petition. `locks` are the kinds of approvals that keep it from being changed while they wait."""
    waiting = standing.waiting_approvals(petition.id)
    state = standing.state_of(petition)
    locked: Approval | None = next((waiting[kind] for kind in locks if kind in waiting), None)
    page = render_template(
        f"petitions/console/{template}.html",
        petition=petition,
        title=services.title_of(petition.id, current_language()),
        state=state,
        states=PETITION_STATE_LABELS,
        kinds=PETITION_KIND_LABELS,
        may_edit=may(current_user, Action.EDIT_PETITION, petition.id, None),
        was_public=state not in services.NEVER_PUBLIC,
        locked=locked,
        is_fixed=state not in CHANGEABLE,
        button=ButtonForm(formdata=None),
        **context,
    )
    return page, status


def tell(error: DomainError) -> None:
    """Say on the next page why something was not done."""
    if isinstance(error, EditingLockedError):
        flash(_("Nothing was changed: a reviewer is deciding about this now."), "note")
    else:
        flash(_("Nothing was changed: this is no longer possible, or not yet. Here is how it stands."), "note")
