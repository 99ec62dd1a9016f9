"""Somebody outside asks for an account, and a coordinator of their country or an administrator decides."""

from __future__ import annotations

from uuid import UUID, uuid4

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from accounts import approvals
from accounts.approvals import ApprovalKind, NotYoursToDecideError, request_approval
from accounts.enrolment import new_invitation
from accounts.mailing import News, tell, write_to
from accounts.models import Account, AccountRequest, Approval, StaffRole
from accounts.permissions import Action
from accounts.roles import add_grant, name_of, wake_for_mail
from accounts.services import find_by_email
from core.extensions import db
from core.i18n import country_name


def _describe_account_request(approval: Approval) -> str:
    row = db.session.get(AccountRequest, UUID(approval.object_id))
    if row is not None:
        return f"{row.name}, {row.city}, {country_name(row.country_code)}"
    return name_of(approval.subject_id) if approval.subject_id else _("Somebody whose request was erased")


def _grant_account_request(approval: Approval) -> None:
    row = db.session.get_one(AccountRequest, UUID(approval.object_id))
    account = find_by_email(row.email)
    if account is None:
        account = Account(email=row.email, name=row.name, language=row.language, grants=[], passkeys=[])
        db.session.add(account)
        db.session.flush()
        tell(account, News.INVITED, link=new_invitation(account, None))
    if account.id == approval.decided_by:
        db.session.rollback()
        raise NotYoursToDecideError
    approval.subject_id = account.id
    add_grant(account, StaffRole.ORGANISER, None, row.country_code, approval.decided_by)
    db.session.delete(row)


def _turn_account_request_down(approval: Approval) -> None:
    row = db.session.get(AccountRequest, UUID(approval.object_id))
    if row is not None:
        write_to(row.email, row.language, News.REQUEST_REFUSED, reason=approval.decision_reason)
        db.session.delete(row)


ACCOUNT_REQUEST = approvals.register(
    ApprovalKind(
        "account_request",
        _l("An account for an organiser"),
        Action.DECIDE_ORGANISER,
        _describe_account_request,
        _grant_account_request,
        _turn_account_request_down,
        after_commit=wake_for_mail,
    )
)


def request_account(name: str, email: str, country_code: str, city: str, message: str, language: str) -> None:
    """Somebody asks to become an organiser. Commits. Whether the address has an account already, nobody is told."""
    row = AccountRequest(
        id=uuid4(),
        name=name,
        email=email.lower(),
        country_code=country_code,
        city=city,
        message=message,
        language=language,
    )
    db.session.add(row)
    db.session.flush()
    request_approval(ACCOUNT_REQUEST, None, row.id, "", country_code=country_code)
    db.session.commit()


def find_account_request(approval: Approval) -> AccountRequest | None:
    """What was asked, while it is kept."""
    return db.session.get(AccountRequest, UUID(approval.object_id)) if approval.kind == ACCOUNT_REQUEST.name else None
