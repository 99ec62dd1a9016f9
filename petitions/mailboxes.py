"""How often a mailbox is written to about a petition, and how often its codes are guessed. Runs in the worker, in the drain's transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from core.bulk import as_table, insert_rows
from core.extensions import db
from petitions.models import Mailbox, Petition, PetitionState
from petitions.rules import GUESSES, MAILS_A_DAY

FORGOTTEN_AFTER = timedelta(days=14)
A_DAY = timedelta(days=1)

Key = tuple[int, bytes]
"""Petition, and keyed hash of the mailbox."""


def lock_mailboxes(keys: Collection[Key], moment: datetime) -> dict[Key, Mailbox]:
    """The rows of these mailboxes, made where there are none, and ours until the commit; locked in one order for all workers."""
    if not keys:
        return {}
    ordered = sorted(set(keys))
    rows = [
        {"petition_id": petition_id, "mailbox_hmac": mailbox, "mails_since": moment, "seen_at": moment}
        for petition_id, mailbox in ordered
    ]
    db.session.execute(insert_rows(Mailbox, rows).on_conflict_do_nothing())
    ours = as_table(Mailbox, rows)
    found = db.session.scalars(
        select(Mailbox)
        .join(ours, (Mailbox.petition_id == ours.c.petition_id) & (Mailbox.mailbox_hmac == ours.c.mailbox_hmac))
        .order_by(Mailbox.petition_id, Mailbox.mailbox_hmac)
        .with_for_update(of=Mailbox)
        .execution_options(populate_existing=True)
    )
    return {(one.petition_id, one.mailbox_hmac): one for one in found}


def take_mail(mailbox: Mailbox, moment: datetime) -> bool:
    """Count one mail to it; False when it has had MAILS_A_DAY within a day, or wants none."""
    mailbox.seen_at = max(mailbox.seen_at, moment)
    if mailbox.blocked_at is not None:
        return False
    if moment >= mailbox.mails_since + A_DAY:
        mailbox.mails, mailbox.mails_since = 0, moment
    if mailbox.mails >= MAILS_A_DAY:
        return False
    mailbox.mails += 1
    return True


def may_guess(mailbox: Mailbox) -> bool:
    """Whether a code may still be tried for it."""
    return mailbox.guesses < GUESSES


def guess_was_wrong(mailbox: Mailbox, moment: datetime) -> None:
    """Count a wrong code."""
    mailbox.guesses += 1
    mailbox.seen_at = max(mailbox.seen_at, moment)


def forget_mailboxes(now: datetime) -> None:
    """Erase what is older than FORGOTTEN_AFTER; one that wants no mail is kept while the petition can be signed. Does not commit."""
    is_over = Mailbox.petition_id.in_(select(Petition.id).where(Petition.state != PetitionState.OPEN))
    old = Mailbox.seen_at < now - FORGOTTEN_AFTER, (Mailbox.blocked_at.is_(None) | is_over)
    db.session.execute(delete(Mailbox).where(*old))
