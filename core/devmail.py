"""The caught mails of a demonstration, at /dev/mail. Registered only when ZBOR_DEV_MAIL_DIR is set, which
configuration allows for a site on this machine alone."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from core.config import current_config
from core.security import EVERYBODY, open_to

bp = Blueprint("devmail", __name__, url_prefix="/dev/mail")
SHOWN = 200


def _read(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    if not isinstance(message, EmailMessage):
        abort(404)
    return message


@bp.get("/")
@open_to(EVERYBODY)
def index() -> ResponseReturnValue:
    """The newest mails."""
    paths = sorted((current_config().dev_mail_dir or Path()).glob("*.eml"), reverse=True)
    mails = [(path.stem, _read(path)) for path in paths[:SHOWN]]
    return render_template("dev/mails.html", mails=mails, total=len(paths))


@bp.get("/<int:number>")
@open_to(EVERYBODY)
def show(number: int) -> ResponseReturnValue:
    """One mail as its receiver reads it."""
    path = (current_config().dev_mail_dir or Path()) / f"{number:06d}.eml"
    if not path.exists():
        abort(404)
    message = _read(path)
    body = message.get_body(("plain",))
    return render_template("dev/mail.html", message=message, text=body.get_content() if body else "")
