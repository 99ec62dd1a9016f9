"""The worker's half: queues mails to people who log in as the console asked, and erases what is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Delete, delete, func

from accounts.approvals import LIFE
from accounts.mailing import News
from accounts.models import LONGEST, AccountRequest, SpentChallenge, StaffSession
from core.config import LANGUAGES
from core.extensions import db
from core.outbox import queue_mail
from core.records import new_row_key

TEMPLATE = "staff"


def queue_notice(payload: Mapping[str, Any]) -> None:
    """Queue one mail. Does not commit. Raises ValueError for what the console does not send.

    Its row key lives as long as its row in the outbox (worker.mail.forget_sent).
    """
    values = payload["values"]
    if payload["language"] not in LANGUAGES or not isinstance(values, dict):
        raise ValueError("This is not a notice.")
    row_key_id, row_key = new_row_key()
    mail = {**values, "to": payload["to"], "language": payload["language"], "news": News(payload["news"])}
    queue_mail(TEMPLATE, row_key_id, row_key, mail)


def forget_sessions() -> None:
    """Delete sessions, and answers of passkeys, whose time is over. Does not commit."""
    _forget(delete(StaffSession).where(StaffSession.created_at < func.now() - LONGEST))
    _forget(delete(SpentChallenge).where(SpentChallenge.spent_at < func.now() - LONGEST))


def forget_account_requests() -> None:
    """Erase what people wrote who asked for an account and were not answered in time. Does not commit."""
    _forget(delete(AccountRequest).where(AccountRequest.created_at < func.now() - LIFE))


def _forget(statement: Delete) -> None:
    # The worker may not read what it deletes, which the session would do to keep its own objects true.
    db.session.execute(statement, execution_options={"synchronize_session": False})
