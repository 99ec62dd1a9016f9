"""What of accounts waits for somebody on the start page, and the rooms that accounts adds to the console."""

from __future__ import annotations

from collections.abc import Iterable

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlalchemy import func, select

from accounts import approvals, desk, factors, resets, roles
from accounts.desk import Place, Waiting
from accounts.models import Account
from accounts.permissions import Action, may_somewhere
from core.extensions import db

FEW_CODES = 3


@desk.waits
def _approvals_wait(account: Account) -> Iterable[Waiting]:
    waiting = approvals.waiting_for(account).subquery()
    number = db.session.scalars(select(func.count()).select_from(waiting)).one()
    if number:
        text = ngettext("%(num)s request waits for your decision.", "%(num)s requests wait for your decision.", number)
        yield Waiting(text, url_for("accounts.list_approvals", state="pending"), urgent=True)


@desk.waits
def _own_keys_wait(account: Account) -> Iterable[Waiting]:
    if roles.is_administrator(account) and not account.passkeys:
        yield Waiting(_("Administrators need a passkey. Add yours."), url_for("accounts.add_passkey"), urgent=True)
    elif len(account.passkeys) == 1 and account.totp_sealed is None:
        yield Waiting(
            _("You have one passkey and nothing else. Add a second one, in case you lose it."),
            url_for("accounts.add_passkey"),
        )
    if (left := factors.unused_recovery_codes(account)) < FEW_CODES:
        text = ngettext(
            "%(num)s recovery code is left. Make new ones.", "%(num)s recovery codes are left. Make new ones.", left
        )
        yield Waiting(text, url_for("accounts.keys", _anchor="codes"))


@desk.waits
def _people_wait(account: Account) -> Iterable[Waiting]:
    if not may_somewhere(account, Action.MANAGE_PEOPLE):
        return
    if len(roles.administrators()) < 2:
        yield Waiting(
            _("You are the only administrator. Nothing that needs two can be approved."),
            url_for("accounts.list_people"),
            urgent=True,
        )
    for account_id, name in resets.all_due():
        yield Waiting(
            _("The two days for %(name)s are over: send the link.", name=name),
            url_for("accounts.person", account_id=account_id),
        )


desk.add_place(
    Place(
        _l("Approvals"),
        "accounts.list_approvals",
        _l("What waits for a second person, and what you asked for."),
        lambda account: may_somewhere(account, Action.DECIDE),
    )
)
desk.add_place(
    Place(
        _l("People"),
        "accounts.list_people",
        _l("Who has an account, and what they may do."),
        lambda account: may_somewhere(account, Action.SEE_PEOPLE),
    )
)
desk.add_place(
    Place(
        _l("Audit trail"),
        "accounts.audit",
        _l("Who did what, and when."),
        lambda account: may_somewhere(account, Action.READ_AUDIT),
    )
)
desk.add_place(
    Place(
        _l("Health"),
        "accounts.platform_health",
        _l("Whether everything that should run does run."),
        lambda account: may_somewhere(account, Action.SEE_HEALTH),
    )
)
