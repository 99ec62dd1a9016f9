"""Make pico.trimmed.css of Pico's own css/pico.min.css, which this takes as its one argument; README.md says how."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tinycss2

HERE = Path(__file__).resolve().parent
SITE = HERE.parent.parent / "site.css"

UNUSED = (
    ":host", "[data-theme", "[dir=rtl]", ".contrast", ".outline", ":where(a:not([role=button])).", "[role=link]",
    "[role=switch]", "[role=group]", "[role=search]", "summary[role=button]", "[type=reset]", "[type=range]",
    "[type=color]", "[type=month]", "[type=week]", "[aria-busy=true]", "[aria-invalid=false]", "[data-tooltip]",
    "[aria-label=breadcrumb]", ".dropdown", ".striped", ".grid", ".container-fluid", ".overflow-auto", "dialog", "modal-is",
    "audio", "video", "canvas", "iframe", "kbd", "samp", "hgroup", "ins", "del", "mark", "abbr", "aside", "tfoot", "h5",
    "h6", "progress:indeterminate", "-ms-", "-moz-document",
)  # fmt: skip
"""Parts of selectors that no page of ours has."""
_INSIDE = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)")


def main() -> None:
    """Write the trimmed style sheet and its icons beside this file."""
    source = Path(sys.argv[1]).read_text(encoding="utf-8")
    declared_by_site = set(re.findall(r"(--pico-[\w-]+):", SITE.read_text(encoding="utf-8").split("}")[0]))
    trimmed = "".join(_rules(tinycss2.parse_stylesheet(source, True, True), declared_by_site))
    while (fewer := _without_what_nothing_reads(trimmed)) != trimmed:
        trimmed = fewer
    for old in HERE.glob("icon-*.svg"):
        old.unlink()
    trimmed = re.sub(r'url\("data:image/svg\+xml,([^"]*)"\)', _move_icon, trimmed)
    banner = source[source.index("/*!") : source.index("*/") + 2]
    (HERE / "pico.trimmed.css").write_text(f'@charset "UTF-8";{banner}\n{trimmed}\n', encoding="utf-8")


def _rules(rules: Iterable[Any], declared_by_site: set[str]) -> Iterator[str]:
    for rule in rules:
        content = tinycss2.serialize(rule.content or [])
        if rule.type == "qualified-rule":
            kept = [one for one in _selectors(rule.prelude) if not _is_unused(one)]
            if kept and all(one.startswith(":root") and " " not in one for one in kept):
                content = ";".join(one for one in _split(content) if one.partition(":")[0] not in declared_by_site)
            if kept and content:
                yield f"{','.join(kept)}{{{content}}}"
        elif rule.at_keyword in ("media", "supports") and not _is_unused(tinycss2.serialize(rule.prelude)):
            inner = "".join(_rules(tinycss2.parse_rule_list(rule.content, True, True), declared_by_site))
            if inner:
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
        elif rule.at_keyword == "keyframes":
            yield f"@keyframes{tinycss2.serialize(rule.prelude)}{{{content}}}"


def _selectors(prelude: list[Any]) -> list[str]:
    """The selectors of a list, split at its own commas and not at those inside brackets."""
    parts: list[list[Any]] = [[]]
    for one in prelude:
        if one == ",":
            parts.append([])
        else:
            parts[-1].append(one)
    return [tinycss2.serialize(part).strip() for part in parts]


def _split(declarations: str) -> list[str]:
    """Declarations, each as it stands; a semicolon inside a string or brackets ends none."""
    return re.findall(r"""(?:"[^"]*"|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^;"(])+""", declarations)


def _is_unused(selector: str) -> bool:
    """Whether it can match nothing. What stands inside :not() and its like does not decide that."""
    bare = _INSIDE.sub("", selector)
    words = set(re.findall(r"(?<![\w.#\[=-])[a-z][a-z0-9]*", bare))
    return any(
        part in words if part.isalnum() else part in (selector if part.startswith(":") else bare) for part in UNUSED
    )


def _without_what_nothing_reads(css: str) -> str:
    """Custom properties and keyframes that neither Pico's rules nor our own name any more."""
    read = set(re.findall(r"var\((--[\w-]+)", css + SITE.read_text(encoding="utf-8")))
    css = re.sub(
        r"(?<=[{;])(--pico-[\w-]+):((?:\"[^\"]*\"|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^;}\"(])*);?",
        lambda found: found[0] if found[1] in read else "",
        css,
    )
    css = re.sub(r"[^{}]+\{\}", "", css)
    for name in re.findall(r"@keyframes ([\w-]+)", css):
        if len(re.findall(rf"(?<![\w-]){name}(?![\w-])", css)) == 1:
            css = re.sub(rf"@keyframes {name}\{{(?:[^{{}}]*\{{[^{{}}]*\}})*\}}", "", css)
    return css


def _move_icon(found: re.Match[str]) -> str:
    """Our Content-Security-Policy allows no data: images. The name follows the content, for it is cached for a year."""
    picture = unquote(found[1])
    name = f"icon-{hashlib.sha256(picture.encode()).hexdigest()[:8]}.svg"
    (HERE / name).write_text(picture, encoding="utf-8")
    return f"url({name})"


if __name__ == "__main__":
    main()
