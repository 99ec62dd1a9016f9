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
    """One line of what is no prose, such as a name: `tidy`, and without characters that nobody sees."""
    return tidy(_seen(text))


def tidy_prose(text: str | None) -> str:
    """One line of prose: as `tidy_line`, but joiners stay inside of words, which Persian and Hindi spell with them.

    Names and addresses of those who log in go through `tidy_line`: no two shall differ by what nobody sees.
    """
    return tidy(_JOINING.sub(_inside_a_word, _seen(text, but="\u200c\u200d")))


def _seen(text: str | None, but: str = "") -> str:
    spaced = "".join(" " if char.isspace() else char for char in text or "")
    return "".join(char for char in spaced if char.isprintable() or char in but)


_JOINING = re.compile("[\u200c\u200d]+")


def _inside_a_word(found: re.Match[str]) -> str:
    """The first of these joiners if it stands between two letters or marks, otherwise nothing."""
    before, after = found.string[max(0, found.start() - 1) : found.start()], found.string[found.end() : found.end() + 1]
    between = all(side and unicodedata.category(side)[0] in "LM" for side in (before, after))
    return found[0][0] if between else ""


def tidy_lines(text: str | None) -> str:
    """Prose of several lines: each as `tidy_prose` makes it, no empty ones around them."""
    return "\n".join(tidy_prose(line) for line in (text or "").splitlines()).strip()


# They print "evil" as "live", for whole lines. U+200E and U+200F turn nothing around but signs at the border of two scripts.
_OVERRIDES = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def tidy_text(text: str | None) -> str:
    """Prose whose line ends and indents have a meaning: NFC, without control characters, without what turns the order of
    letters around, and without white space after a line."""
    plain = (text or "").translate(_OVERRIDES)
    lines = unicodedata.normalize("NFC", plain).expandtabs(4).splitlines()
    kept = (
        "".join(char for char in line if unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn")) for line in lines
    )
    return "\n".join(line.rstrip() for line in kept).strip("\n")


def fold(text: str) -> str:
    """Letters as they are compared: without case, accents and marks, so that "Łukašenka" is "lukasenka"."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    return bare.translate(_FOLDED)


# Letters that Unicode does not take apart, and what nobody sees: soft hyphens, joiners, and the choice of how an emoji looks.
_FOLDED = str.maketrans(
    {
        "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i", "’": "'", "ʼ": "'",
        "\u00ad": "", "\u200d": "", "\ufe0e": "", "\ufe0f": "",
    }
)  # fmt: skip


def search_words(text: str) -> str:
    """The words of a text as they are stored and asked for, both by this: folded, with single spaces between them.

    PostgreSQL's `simple` configuration does not fold, and its extensions are not everywhere. Its parser would also keep
    "2020-2021", "und/oder" and "belsat.eu" as one word each, by which nobody searches. An apostrophe parts words like
    any sign, so "сям’я" is the two words "сям" and "я" on both sides. Marks that folding leaves are vowels, as in Hindi.
    """
    kept = (char if char.isalnum() or unicodedata.category(char) in ("Mn", "Mc") else " " for char in fold(text))
    return " ".join("".join(kept).split())


def stored_email(typed: str) -> str:
    """An address of somebody who logs in, as it is stored and looked up: as mail is sent to it, in lower case."""
    text = typed.replace("\0", "").strip()
    return (normal_email(text) or text).lower()


def normal_email(text: str) -> str | None:
    """The address as mail is sent to it, or None when it is not an address that mail can be sent to.

    Syntax by email-validator; the domain becomes ASCII by IDNA 2008 (UTS 46), and what stands before it must be ASCII,
    because many servers on the way do not know SMTPUTF8. Whether the domain takes mail is not asked here. `=?` is legal in
    an address, but opens an encoded word (RFC 2047) in a header, where programs take it for something else.
    """
    if len(text) > MAX_EMAIL or "=?" in text:
        return None
    try:
        address = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return f"{address.local_part}@{address.ascii_domain}"
