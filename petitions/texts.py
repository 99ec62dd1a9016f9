"""Texts of creators, made ready once when they are written: HTML that is safe to print, the hash of a consent, words to search."""

from __future__ import annotations

import hashlib
import re

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

from core.typed import search_words

_MARKDOWN = MarkdownIt("zero", {"html": False}).enable(["heading", "list", "emphasis", "link", "blockquote"])
_TAGS = {"h2", "h3", "h4", "p", "ul", "ol", "li", "em", "strong", "a", "blockquote"}
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}


def render_markdown(source: str) -> str:
    """HTML of an appeal text: headings, lists, emphasis, quotations and links to https pages, nothing else.

    Raw HTML in the source is shown as text, and what comes out is cleaned once more by another library.
    """
    tokens = _MARKDOWN.parse(source)
    for token in tokens:
        if token.tag == "h1":
            token.tag = "h2"  # The page itself has the one of the first order: the title.
    return nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"https", "mailto"},
        link_rel="nofollow noreferrer noopener",
    )


_LIST_MARK = re.compile(r"(?:[-–—•*]|(\d{1,3})[.)])\s+")
_NOTHING = re.compile(r"[-–—•*\s]*")


def demand_lines(demands: str) -> list[str]:
    """The demands, one a line, without what people type before them to number them.

    "-5 degrees" and "10. Dezember" are no such marks: a bullet has white space after it, and a number is that of its line.
    """
    lines = [line.strip() for line in demands.splitlines() if not _NOTHING.fullmatch(line)]
    return [_without_marks(line, number) for number, line in enumerate(lines, 1)]


def _without_marks(line: str, number: int) -> str:
    while (mark := _LIST_MARK.match(line)) and int(mark[1] or number) == number:
        line = line[mark.end() :]
    return line


def demands_html(demands: str) -> Markup:
    """The demands as a numbered list; empty without any."""
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in demand_lines(demands))
    return Markup("<ol>{}</ol>").format(items) if items else Markup("")


def text_hash(title: str, summary: str, body: str, demands: str = "") -> str:
    """SHA-256 that a consent is bound to: title, summary, body, separated by line feeds; with demands also U+001E and these."""
    parts = [title, summary, body, *(["\x1e" + demands] if demands else [])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def search_query(typed: str) -> str | None:
    """A tsquery for `to_tsquery('simple', ...)`: every word, the last one by its beginning; None when there is no word."""
    words = search_words(typed).split()[:12]
    if not words:
        return None
    return " & ".join([*words[:-1], f"{words[-1]}:*"])
