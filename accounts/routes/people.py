"""People: who has an account, what they may do, and changing that."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from accounts import enrolment, people, resets, roles, services
from accounts.desk import petition_titles
from accounts.forms import PERSON_STATE_LABELS, ButtonForm, GrantForm, InviteForm, PeopleFilter, ReasonForm
from accounts.models import ROLE_LABELS
from accounts.permissions import Action, needs
from accounts.routes import bp
from core.i18n import current_language
from core.lists import selected, tell_with_undo

LOST = "lost"
"""Prefix of the form about a lost factor, which stands on one page with the form about a role."""


@bp.get("/people")
@needs(Action.SEE_PEOPLE)
def list_people() -> ResponseReturnValue:
    """Everybody who has an account or is invited."""
    form = PeopleFilter(request.args)
    listing = people.list_people(form)
    return render_template(
        "accounts/people.html",
        listing=listing,
        state_of=people.state_of,
        describe_grant=roles.describe_grant,
        states=PERSON_STATE_LABELS,
        form=ButtonForm(formdata=None),
    )


@bp.post("/people/close")
@needs(Action.MANAGE_PEOPLE)
def close_people() -> ResponseReturnValue:
    """Close the accounts that were ticked. Administrators among them wait for a second person."""
    closed, waiting = roles.close_many(current_user, selected())
    if closed:
        message = ngettext("%(num)s account is closed.", "%(num)s accounts are closed.", len(closed))
        tell_with_undo(message, url_for(".reopen_people"), closed)
    if waiting:
        flash(
            _("An administrator's account is closed only when a second administrator approves: that was asked for."),
            "note",
        )
    if not closed and not waiting:
        flash(
            _("Nothing was changed. Tick somebody whose account is open; the last administrator’s stays open."), "note"
        )
    return redirect(url_for(".list_people"), 303)


@bp.post("/people/reopen")
@needs(Action.MANAGE_PEOPLE)
def reopen_people() -> ResponseReturnValue:
    """Reopen the accounts that were ticked, or undo closing them."""
    opened = roles.reopen_many(current_user, selected())
    if opened:
        message = ngettext("%(num)s account is open again.", "%(num)s accounts are open again.", len(opened))
        tell_with_undo(message, url_for(".close_people"), opened)
    else:
        flash(
            _(
                "Nothing was changed. Tick somebody whose account is closed; an administrator’s is reopened by whoever runs the platform."
            ),
            "note",
        )
    return redirect(url_for(".list_people"), 303)


@bp.route("/people/invite", methods=["GET", "POST"])
@needs(Action.MANAGE_PEOPLE)
def invite() -> ResponseReturnValue:
    """A link for somebody new, and the role they are to have, which a second person approves."""
    form = InviteForm(petition_titles(current_language()))
    if form.validate_on_submit():
        try:
            account, link = roles.invite(
                current_user,
                form.email.data or "",
                form.name.data or "",
                form.language.data,
                by_mail=bool(form.by_mail.data),
                reason=form.reason.data or "",
                **form.scope(),
            )
        except roles.EmailTakenError:
            form.email.errors = [_("There is an account of this address already; look among the people.")]
        else:
            return render_template(
                "accounts/invited.html", account=account, link=link, by_mail=form.by_mail.data, new=True
            )
    return render_template("accounts/invite.html", form=form), 422 if form.errors else 200


@bp.get("/people/<int:account_id>")
@needs(Action.SEE_PEOPLE)
def person(account_id: int) -> ResponseReturnValue:
    """One person: roles, how they log in, what waits about them."""
    return _person_page(account_id, GrantForm(petition_titles(current_language()), formdata=None))


def _person_page(
    account_id: int, form: GrantForm, reason_form: ReasonForm | None = None, status: int = 200
) -> ResponseReturnValue:
    account = people.find_person(account_id)
    page = render_template(
        "accounts/person.html",
        person=people.describe(account),
        grant_form=form,
        reason_form=reason_form or ReasonForm(formdata=None, prefix=LOST),
        form=ButtonForm(formdata=None),
        roles=ROLE_LABELS,
        states=PERSON_STATE_LABELS,
        titles=dict(petition_titles(current_language())),
        is_administrator=roles.is_administrator(account),
    )
    return page, status


@bp.post("/people/<int:account_id>/grants")
@needs(Action.MANAGE_PEOPLE)
def grant(account_id: int) -> ResponseReturnValue:
    """Ask a second administrator to give this person a role."""
    form = GrantForm(petition_titles(current_language()))
    if not form.validate_on_submit():
        return _person_page(account_id, form, status=422)
    approval_id = roles.ask_for_grant(
        current_user, people.find_person(account_id), **form.scope(), reason=form.reason.data or ""
    )
    return redirect(url_for(".approval", approval_id=approval_id), 303)


@bp.post("/people/<int:account_id>/grants/<int:grant_id>/remove")
@needs(Action.MANAGE_PEOPLE)
def remove_grant(account_id: int, grant_id: int) -> ResponseReturnValue:
    """Take a role away."""
    account = people.find_person(account_id)
    try:
        approval_id = roles.remove_grant(current_user, account, grant_id)
    except roles.LastAdministratorError:
        return _last_administrator(account_id)
    if approval_id is not None:
        return redirect(url_for(".approval", approval_id=approval_id), 303)
    return _told(account_id, _("The role is taken away, and the person's sessions are ended."))


@bp.post("/people/<int:account_id>/close")
@needs(Action.MANAGE_PEOPLE)
def close_person(account_id: int) -> ResponseReturnValue:
    """Close an account."""
    try:
        approval_id = roles.close_account(current_user, people.find_person(account_id))
    except roles.LastAdministratorError:
        return _last_administrator(account_id)
    if approval_id is not None:
        return redirect(url_for(".approval", approval_id=approval_id), 303)
    tell_with_undo(_("The account is closed, and its sessions are ended."), url_for(".reopen_people"), [account_id])
    return redirect(url_for(".person", account_id=account_id), 303)


def _last_administrator(account_id: int) -> ResponseReturnValue:
    return _told(account_id, _("This is the last administrator who can log in. Make another one first."), "error")


def _told(account_id: int, message: str, kind: str = "good") -> ResponseReturnValue:
    flash(message, kind)
    return redirect(url_for(".person", account_id=account_id), 303)


@bp.post("/people/<int:account_id>/sessions/end")
@needs(Action.MANAGE_PEOPLE)
def end_sessions(account_id: int) -> ResponseReturnValue:
    """Log somebody out everywhere."""
    services.end_sessions_of(current_user, people.find_person(account_id))
    return _told(account_id, _("The person is logged out everywhere."))


@bp.post("/people/<int:account_id>/invitation")
@needs(Action.MANAGE_PEOPLE)
def invite_again(account_id: int) -> ResponseReturnValue:
    """A new link for somebody who has not set up the account; earlier ones end."""
    account = people.find_person(account_id)
    link = enrolment.invite_again(current_user, account)
    return render_template("accounts/invited.html", account=account, link=link, by_mail=False, new=False)


@bp.post("/people/<int:account_id>/reset")
@needs(Action.MANAGE_PEOPLE)
def ask_for_reset(account_id: int) -> ResponseReturnValue:
    """Somebody has lost their second factor: a second administrator and two days are needed."""
    form = ReasonForm(prefix=LOST)
    if not form.validate_on_submit():
        return _person_page(account_id, GrantForm(petition_titles(current_language()), formdata=None), form, 422)
    approval_id = resets.ask_for_reset(current_user, people.find_person(account_id), form.reason.data or "")
    return redirect(url_for(".approval", approval_id=approval_id), 303)


@bp.post("/people/<int:account_id>/reset/carry-out")
@needs(Action.MANAGE_PEOPLE)
def carry_out_reset(account_id: int) -> ResponseReturnValue:
    """After the two days: the owner gets a link to set the account up anew."""
    resets.reset_factors(current_user, people.find_person(account_id))
    return _told(
        account_id, _("The lost keys are forgotten, and a link is on its way to the owner’s mail address alone.")
    )


@bp.post("/people/<int:account_id>/reset/stop")
@needs(Action.MANAGE_PEOPLE)
def stop_reset_of(account_id: int) -> ResponseReturnValue:
    """Doubts have come up: nothing is reset."""
    resets.stop_reset(current_user, people.find_person(account_id))
    return _told(account_id, _("The reset is stopped."))
