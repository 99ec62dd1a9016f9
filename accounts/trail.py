"""Reading the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select

from accounts.forms import NOBODY, AuditFilter
from accounts.models import Account
from core.audit import AuditEntry
from core.extensions import db
from core.lists import Listing, read_page

LATELY = 8


def list_entries(form: AuditFilter) -> Listing[AuditEntry]:
    """Entries that the filters let through, newest first. Days are those of UTC."""
    query = select(AuditEntry)
    if form.actor.data == NOBODY:
        query = query.where(AuditEntry.actor_id.is_(None))
    elif form.actor.data and form.actor.data in [value for value, _name in form.actor.choices or ()]:
        query = query.where(AuditEntry.actor_id == int(form.actor.data))
    if form.action.data:
        query = query.where(AuditEntry.action == form.action.data)
    if form.object_id.data:
        query = query.where(AuditEntry.object_id == form.object_id.data)
    if form.first.data:
        query = query.where(AuditEntry.at >= datetime.combine(form.first.data, time(), UTC))
    if form.last.data:
        query = query.where(AuditEntry.at < datetime.combine(form.last.data + timedelta(days=1), time(), UTC))
    return read_page(query, {"seq": AuditEntry.seq}, "-seq", form)


def latest_of(account: Account) -> Sequence[AuditEntry]:
    """What was done in the name of an account last."""
    mine = select(AuditEntry).where(AuditEntry.actor_id == account.id)
    return db.session.scalars(mine.order_by(AuditEntry.seq.desc()).limit(LATELY)).all()
