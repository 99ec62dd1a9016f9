"""Sending mail from the outbox: at least once, and at most one repeat after each crash.

A mail is leased, sent, then marked as sent. Leases are judged by the database's clock, and a fence keeps a mailer
whose lease ran out from marking what another has taken over. The Message-ID is the same at every attempt.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from flask import current_app
from flask_babel import force_locale
from markupsafe import Markup
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import case, delete, exists, func, or_, select, update
from sqlalchemy.exc import OperationalError

from accounts.notices import TEMPLATE as STAFF_TEMPLATE
from core.config import Config
from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.outbox import MailPace, NotWantedError, OutboxMail
from core.records import RowKey, decrypt_record, open_row_key
from core.sealing import KeyNotHeldError, SealingError
from petitions import states, updates
from pickets import mails as picket_mails
from pickets.models import BroadcastMail
from worker.mailhosts import takes_mail

log = logging.getLogger(__name__)

LOT_LEASE = timedelta(minutes=1)
"""A lot is leased briefly, and each mail for long just before it is sent. So what a killed mailer held is free again
after a minute, but for the one mail it was sending."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=12)
KEY_PAUSE = timedelta(minutes=10)
SERVER_PAUSE = timedelta(seconds=60)
GIVE_UP_AFTER = timedelta(days=5)
MAX_ATTEMPTS = 16
CONNECT_SECONDS = 20
ANSWER_SECONDS = 600
"""How long a server may think about a mail (RFC 5321, 4.5.3.2.6): giving up earlier would send one twice."""
MAIL_LEASE = timedelta(seconds=4 * ANSWER_SECONDS + 60)
"""A server answers four times to one mail, so nobody else has taken it over while it is still being sent."""
RUN_SECONDS = 20.0
KEPT = timedelta(days=14)
CONFIRM = "confirm"
"""Template of the mail that a signature waits for."""
_TURN = case((OutboxMail.template == picket_mails.CANCELLED, 0), (OutboxMail.template == updates.TEMPLATE, 2), else_=1)
"""Nobody may stand somewhere alone because a cancellation stood in line, and whoever waits for a code must not stand behind
ten thousand who get news."""
# That the address is wrong or gone (RFC 3463, X.1.1 to X.1.3, X.1.6; RFC 7505, X.1.10). A bare 550 may as well mean that it is
# we who are not liked, and for that nobody's signature is rejected.
_NO_SUCH_ADDRESS = re.compile(rb"5\.1\.(?:[1236]|10)\b")


@dataclass(frozen=True, slots=True)
class Lease:
    """A mail that is ours to send while the fence stands."""

    mail_id: UUID
    fence: int
    attempts: int


def send_due(keyring: Keyring, config: Config) -> bool:
    """Send what is due, never faster than the rate that all mailers share, for at most RUN_SECONDS.

    Returns whether more is due at once, so that the caller can queue behind whoever else waits for a worker.
    """
    give_up_old()
    ends = time.monotonic() + RUN_SECONDS
    while (left := ends - time.monotonic()) > 0:
        leases, pause = lease_due(config.mail_per_minute / 60)
        if not (pause or leases):
            return False
        if pause > left:
            return pause <= RUN_SECONDS  # The next run has time for it; a longer one is the sweep's to find.
        if pause:
            time.sleep(pause)
        elif not _send_all(leases, keyring, config):
            return False
    return True


def give_up_old() -> None:
    """Mails that could not be sent for GIVE_UP_AFTER are not sent any more. Commits."""
    old = OutboxMail.state == "queued", OutboxMail.created_at < func.now() - GIVE_UP_AFTER
    db.session.execute(update(OutboxMail).where(*old).values(state="failed", sealed=None, finished_at=func.now()))
    db.session.commit()


def lease_due(rate: float) -> tuple[list[Lease], float]:
    """Lease one second's worth of due mails, or say how many seconds to wait for the next slot. Commits."""
    pace = db.session.scalars(select(MailPace).with_for_update()).one()
    wait = db.session.scalars(select(func.extract("epoch", pace.next_at - func.clock_timestamp()))).one()
    due = (
        OutboxMail.state == "queued",
        OutboxMail.due_at <= func.now(),
        or_(OutboxMail.leased_until.is_(None), OutboxMail.leased_until < func.now()),
    )
    if wait > 0:
        is_due = db.session.scalar(select(OutboxMail.id).where(*due).limit(1)) is not None
        db.session.rollback()
        return [], float(wait) if is_due else 0.0
    mails = db.session.scalars(
        select(OutboxMail)
        .where(*due)
        .order_by(_TURN, OutboxMail.due_at)
        .limit(max(1, int(rate)))
        .with_for_update(skip_locked=True)
    ).all()
    leases = []
    for mail in mails:
        mail.leased_until = func.now() + LOT_LEASE
        mail.fence += 1
        mail.attempts += 1
        leases.append(Lease(mail.id, mail.fence, mail.attempts))
    pace.next_at = func.clock_timestamp() + timedelta(seconds=len(leases) / rate)
    db.session.commit()
    return leases, 0.0


def _send_all(leases: list[Lease], keyring: Keyring, config: Config) -> bool:
    """Send what was leased. False when the mail server is not to be had; the mails then wait their turn again."""
    waiting = list(leases)
    try:
        with _connection(config) as smtp:
            while waiting:
                lease = waiting.pop(0)
                try:
                    _send_one(smtp, lease, keyring, config)
                except smtplib.SMTPSenderRefused:
                    waiting.insert(0, lease)  # It is we who are refused, not this mail.
                    raise
                except (OSError, smtplib.SMTPServerDisconnected):
                    # Whether the server has it is not known. It may also be this mail that the server cannot bear, so
                    # the next attempt is later than that of the others.
                    db.session.rollback()
                    _put_off(lease, None)
                    raise
    except (OSError, smtplib.SMTPException) as error:
        # What is wrong with the server, or with us as its sender, is not held against the mails that wait.
        db.session.rollback()
        log.warning("mail server not available (%s); %d mails wait", type(error).__name__, len(waiting))
        for lease in waiting:
            _write(lease, due_at=func.now() + SERVER_PAUSE, leased_until=None, attempts=lease.attempts - 1)
        return False
    return True


@contextmanager
def _connection(config: Config) -> Iterator[smtplib.SMTP]:
    """A connection as the secret `smtp_url` says: smtp://user:password@host:port, smtps://..., or smtp://...?starttls=1."""
    url = urlsplit(config.secret("smtp_url").decode())
    host, secure = url.hostname or "localhost", ssl.create_default_context()
    smtp: smtplib.SMTP
    if url.scheme == "smtps":
        smtp = smtplib.SMTP_SSL(host, url.port or 465, timeout=CONNECT_SECONDS, context=secure)
    else:
        smtp = smtplib.SMTP(host, url.port or 25, timeout=CONNECT_SECONDS)
    with smtp:
        if parse_qs(url.query).get("starttls") == ["1"]:
            smtp.starttls(context=secure)
        if smtp.sock is not None:
            smtp.sock.settimeout(ANSWER_SECONDS)
        if url.username:
            smtp.login(unquote(url.username), unquote(url.password or ""))
        yield smtp


def _send_one(smtp: smtplib.SMTP, lease: Lease, keyring: Keyring, config: Config) -> None:
    if not _write(lease, leased_until=func.now() + MAIL_LEASE):
        return  # The server was so slow that the lease ran out, and another mailer has it now.
    row = db.session.get(OutboxMail, lease.mail_id, populate_existing=True)
    if row is None or row.row_key_id is None or row.sealed is None:
        _finish(lease, "dropped", None)  # The person was erased meanwhile: there is nobody left to write to.
        return
    try:
        mail = decrypt_record(open_row_key(row.row_key_id, keyring.private_keys), "outbox", row.id, row.sealed)
    except KeyNotHeldError:
        # Not this mail's fault, so it is not counted as an attempt.
        log.error("mail %s waits for a sealing key that is not among the worker's secrets", lease.mail_id)
        _write(lease, due_at=func.now() + KEY_PAUSE, leased_until=None, attempts=lease.attempts - 1)
        return
    except (SealingError, LookupError):
        _put_off(lease, None)  # What was erased is settled by the next look.
        return
    try:
        if row.template == updates.TEMPLATE:
            mail |= updates.told(mail)
        elif row.template in picket_mails.TEMPLATES:
            mail |= picket_mails.told(row.template, mail)
        message = compose(row.template, mail, config, keyring.message_id(row.id, config.mail_from.rpartition("@")[2]))
    except NotWantedError:
        _finish(lease, "dropped", None)
        return
    except Exception as error:
        # One mail that cannot be written must not stop the others.
        log.error("mail %s cannot be written: %s", lease.mail_id, describe(error))
        _finish(lease, "failed", None)
        return
    waits_for_it = row.row_key_id if row.template == CONFIRM else None
    db.session.rollback()  # No transaction stays open while a name server or the mail server takes its time.
    if waits_for_it and not takes_mail(mail["to"].rpartition("@")[2], keyring, config):
        _reject(waits_for_it, lease, None)
        return
    try:
        smtp.send_message(message, from_addr=config.mail_from, to_addrs=[mail["to"]])
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        if waits_for_it and _NO_SUCH_ADDRESS.match(answer) and code >= 500:
            _reject(waits_for_it, lease, code)
        else:
            _refused(lease, code)
    except smtplib.SMTPDataError as error:
        _refused(lease, error.smtp_code)
    except (smtplib.SMTPNotSupportedError, ValueError):
        _finish(lease, "failed", None)  # The server cannot take a mailbox in this script.
    else:
        _finish(lease, "sent", 250)


def _reject(row_key_id: UUID, lease: Lease, code: int | None) -> None:
    """Nobody can be reached there: the signature that waits for this mail is rejected in the transaction that ends the mail."""
    taken = OutboxMail.row_key_id == row_key_id, OutboxMail.state == "sent"
    try:
        # Whoever was sent an earlier mail may still press its button.
        if db.session.scalar(select(OutboxMail.id).where(*taken).limit(1)) is None:
            # First, because whoever withdraws a signature locks it before its mails.
            states.reject_unreachable(row_key_id)
        _finish(lease, "failed", code)
    except OperationalError as error:
        if not isinstance(error.orig, (DeadlockDetected, LockNotAvailable)):
            raise
        db.session.rollback()
        _put_off(lease, code)


def _refused(lease: Lease, code: int) -> None:
    """4xx: later, with growing pauses. 5xx: never."""
    if code >= 500:
        _finish(lease, "failed", code)
    else:
        _put_off(lease, code)


def _put_off(lease: Lease, code: int | None) -> None:
    if lease.attempts >= MAX_ATTEMPTS:
        _finish(lease, "failed", code)
        return
    pause = min(FIRST_PAUSE * 2 ** (lease.attempts - 1), LONGEST_PAUSE)
    _write(lease, due_at=func.now() + pause, leased_until=None, smtp_status=code)


def _finish(lease: Lease, state: str, code: int | None) -> None:
    _write(lease, state=state, sealed=None, leased_until=None, smtp_status=code, finished_at=func.now())


def _write(lease: Lease, **values: object) -> bool:
    """Write while the fence stands, and commit that with what else was written. When it does not, undo that and return False."""
    mine = OutboxMail.id == lease.mail_id, OutboxMail.fence == lease.fence, OutboxMail.state == "queued"
    done = db.session.execute(
        update(OutboxMail).where(*mine).values(**values).execution_options(synchronize_session=False)
    )
    stands = bool(done.rowcount)  # type: ignore[attr-defined]  # An UPDATE's result has a row count.
    if stands:
        db.session.commit()
    else:
        db.session.rollback()
    return stands


def compose(template: str, mail: Mapping[str, Any], config: Config, message_id: str) -> EmailMessage:
    """A mail in plain text and HTML that say the same. Its subject says neither the petition nor the cause."""
    with force_locale(mail["language"]):
        subject, plain = _draw(template, "plain", mail, config)
        _, page = _draw(template, "html", mail, config)
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = config.mail_from
    message["To"] = Address(addr_spec=mail["to"])
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    if "unsubscribe_url" in mail:
        # A button of the mail program itself (RFC 8058).
        message["List-Unsubscribe"] = f"<{mail['unsubscribe_url']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(re.sub(r"\n{3,}", "\n\n", plain.unescape()).strip("\n") + "\n")
    message.add_alternative(page, subtype="html")
    message["Content-Language"] = mail["language"]
    # Wrapped after 78 characters, a long link in a header becomes encoded words, which nobody follows.
    message.policy = message.policy.clone(max_line_length=998)
    return message


def _draw(template: str, part: str, mail: Mapping[str, Any], config: Config) -> tuple[str, Markup]:
    """Subject and text of one part: the mail says what, and templates/mail/_plain.html or _html.html how."""
    values = {"part": part, "mail": mail, "contact": config.contact_address}
    drawn: Any = current_app.jinja_env.get_template(f"mail/{template}.html").make_module(values)
    return drawn.subject.unescape(), drawn.__html__()


def forget_sent() -> None:
    """Delete rows of mails that were sent or given up long ago, and keys that nothing but such a mail needed. Does not commit.

    Those of broadcasts stay until their picket's participants are erased: until then the organiser sees how many have left.
    """
    done = OutboxMail.template == STAFF_TEMPLATE, OutboxMail.state != "queued", OutboxMail.row_key_id.is_not(None)
    db.session.execute(delete(RowKey).where(RowKey.id.in_(select(OutboxMail.row_key_id).where(*done))))
    old = OutboxMail.state != "queued", OutboxMail.finished_at < func.now() - KEPT
    db.session.execute(
        delete(OutboxMail).where(*old, ~exists().where(BroadcastMail.mail_id == OutboxMail.id)),
        execution_options={"synchronize_session": False},
    )
