"""What people type, made plain: pure functions that every form and the worker share."""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL = 254


def tidy(text: str | None) -> str:
    """Unicode NFC, with every run of ordinary white space as one space and none at the ends.

    Tabs and line ends are left for rules to refuse: nobody has one in their name.
    """
    return re.sub(r"[ \u00a0\u2000-\u200a\u202f\u205f\u3000]+", " ", unicodedata.normalize("NFC", text or "")).strip(
        " "
    )


def tidy_line(text: str | None) -> str:
    """One line of prose: `tidy`, and without characters that nobody sees."""
    spaced = "".join(" " if char.isspace() else char for char in text or "")
    return tidy("".join(char for char in spaced if char.isprintable()))


def tidy_lines(text: str | None) -> str:
    """Prose of several lines: each as `tidy_line` makes it, no empty ones around them."""
    return "\n".join(tidy_line(line) for line in (text or "").splitlines()).strip()


def tidy_text(text: str | None) -> str:
    """Prose whose line ends and indents have a meaning: NFC, without control characters and without white space after a line."""
    lines = unicodedata.normalize("NFC", text or "").expandtabs(4).splitlines()
    kept = (
        "".join(char for char in line if unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn")) for line in lines
    )
    return "\n".join(line.rstrip() for line in kept).strip("\n")


def stored_email(typed: str) -> str:
    """An address of somebody who logs in, as it is stored and looked up: as mail is sent to it, in lower case."""
    text = typed.replace("\0", "").strip()
    return (normal_email(text) or text).lower()


def normal_email(text: str) -> str | None:
    """The address as mail is sent to it, or None when it is not an address that mail can be sent to.

    Syntax by email-validator; the domain becomes ASCII by IDNA 2008 (UTS 46), so that servers without SMTPUTF8 can be
    reached under it. Whether the domain takes mail is not asked here. `=?` is legal in an address, but opens an
    encoded word (RFC 2047) in a header, where programs take it for something else.
    """
    if len(text) > MAX_EMAIL or "=?" in text:
        return None
    try:
        address = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    return f"{address.local_part}@{address.ascii_domain}"
