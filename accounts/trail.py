"""Reading the audit trail, in words of the reader's language."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from accounts.approvals import kinds
from accounts.forms import NOBODY, AuditFilter
from accounts.models import METHOD_LABELS, ROLE_LABELS, Account
from core.audit import AuditEntry
from core.extensions import db
from core.i18n import country_name
from core.lists import Listing, read_page

LATELY = 8

_WORDS: dict[str, LazyString] = {
    **{str(role): label for role, label in ROLE_LABELS.items()},
    **{str(method): label for method, label in METHOD_LABELS.items()},
    "bundle": _l("Bundle"),
    "petition": _l("Petition"),
    "addressee": _l("Addressee"),
    "news": _l("News"),
    "reports": _l("Reports"),
    "session": _l("Session"),
    "page": _l("Page"),
    "sealing_key": _l("Sealing key"),
    "account_request": _l("Request for an account"),
    "factor_reset": _l("A lost second key"),
    "grant": _l("A role"),
    "app": _l("Authenticator app"),
    "app_removed": _l("Authenticator app removed"),
    "passkey_removed": _l("Passkey removed"),
    "recovery_codes": _l("Recovery codes"),
    "passphrase": _l("Passphrase"),
    "command line": _l("Command line"),
    "worker": _l("Worker"),
    "remove": _l("taken away"),
    "close": _l("account closed"),
}
"""What kinds of objects and details are called. Numbers and codes are shown as they are."""
_SAID_BY_NAME = {"remove", "close"}
_NOT_SAID = {"grant_id"}


def list_entries(form: AuditFilter) -> Listing[AuditEntry]:
    """Entries that the filters let through, newest first. Days are those of UTC."""
    form.settle()
    query = select(AuditEntry)
    if form.actor.data == NOBODY:
        query = query.where(AuditEntry.actor_id.is_(None))
    elif form.actor.data:
        query = query.where(AuditEntry.actor_id == int(form.actor.data))
    if form.action.data:
        query = query.where(AuditEntry.action == form.action.data)
    if form.object_id.data:
        query = query.where(AuditEntry.object_id == form.object_id.data)
    if form.first.data:
        query = query.where(AuditEntry.at >= datetime.combine(form.first.data, time(), UTC))
    if form.last.data:
        query = query.where(AuditEntry.at <= datetime.combine(form.last.data, time.max, UTC))
    return read_page(query, {"seq": AuditEntry.seq}, "-seq", form)


def latest_of(account: Account) -> Sequence[AuditEntry]:
    """What was done in the name of an account last."""
    mine = select(AuditEntry).where(AuditEntry.actor_id == account.id)
    return db.session.scalars(mine.order_by(AuditEntry.seq.desc()).limit(LATELY)).all()


def _word(name: Any) -> Any:
    """What a kind of object, a kind of approval or a detail is called; what is not called anything, as it is."""
    return _WORDS.get(name) or (kinds[name].label if name in kinds else name)


def told(entry: AuditEntry) -> list[str]:
    """What an entry tells beside who, what and when, a line each, in the reader's language."""
    lines = []
    if entry.object_kind not in ("", "account"):
        lines.append(f"{_word(entry.object_kind)} {entry.object_id}")
    if entry.petition_id is not None and entry.object_kind != "petition":
        lines.append(_("petition %(number)s", number=entry.petition_id))
    if entry.country_code:
        lines.append(country_name(entry.country_code))
    for name, value in json.loads(entry.details).items():
        if name in _SAID_BY_NAME:
            lines.append(str(_WORDS[name]))
        elif name not in _NOT_SAID and value not in (entry.object_kind, entry.country_code):
            lines.append(str(_word(value)))
    return lines
