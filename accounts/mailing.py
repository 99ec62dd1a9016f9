"""Asking the worker to write to people who log in. What is to be said goes sealed into the inbox; no SMTP here."""

from __future__ import annotations

import logging
from enum import StrEnum
from uuid import uuid4

from accounts.models import Account
from core.errors import UnavailableError
from core.inbox import add_event

log = logging.getLogger(__name__)

KIND = "staff_mail"


class News(StrEnum):
    """What a mail to somebody who logs in says; `templates/mail/staff.html` has the words."""

    INVITED = "invited"
    NEW_DEVICE = "new_device"
    WRONG_CODE = "wrong_code"
    RECOVERY_CODE_USED = "recovery_code_used"
    KEYS_CHANGED = "keys_changed"
    ROLES_CHANGED = "roles_changed"
    RESET_ASKED = "reset_asked"
    RESET_APPROVED = "reset_approved"
    DECISION_WAITS = "decision_waits"
    REQUEST_REFUSED = "request_refused"
    PICKET = "picket"


def tell(account: Account, news: News, **values: str) -> None:
    """Queue a mail about an account to its holder. Does not commit. Raises UnavailableError when it cannot be sealed."""
    write_to(account.email, account.language, news, **values)


def write_to(email: str, language: str, news: News, **values: str) -> None:
    """The same for an address that has no account."""
    payload = {"v": 1, "to": email, "language": language, "news": news, "values": values}
    add_event(KIND, None, payload, uuid4())


def tell_if_possible(account: Account, news: News, **values: str) -> None:
    """The same where the mail must not stop what it tells of. Does not commit."""
    try:
        tell(account, news, **values)
    except UnavailableError:
        log.error("no mail could be queued about %s: no sealing key is valid", news)
