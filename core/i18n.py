"""Language of the page, and names of countries in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from string import ascii_lowercase
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from flask import Flask, g, has_request_context, request, url_for
from flask.globals import request_ctx
from flask_babel import get_locale
from markupsafe import Markup
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from core.config import LANGUAGES
from core.extensions import babel
from core.typed import fold

KEPT_IN_LINKS = (
    "text", "pass", "look", "next", "q", "beside", "petition", "country", "role", "state", "kind", "actor", "action", "object_id", "first", "last", "sort", "page", "code", "addressee", "bundle", "level",
)  # fmt: skip
"""What of an address names the page and stays when its language changes."""
_NOT_COUNTRIES = {"EU", "EZ", "UN", "XA", "XB", "ZZ", "QO", "AC", "CP", "CQ", "DG", "EA", "IC", "TA"}


def chosen_language() -> str | None:
    """The language asked for in the address (`?lang=pl`), None when the browser's wish decides."""
    wish = request.args.get("lang", "") if has_request_context() else ""
    return wish if wish in LANGUAGES else None


def select_language() -> str:
    """Language of this page: the address, then the browser, then English."""
    return chosen_language() or _best_language(request.headers.get("Accept-Language", ""))


@lru_cache(maxsize=512)
def _best_language(wishes: str) -> str:
    """Of a browser's wishes. Most browsers have the same few."""
    return parse_accept_header(wishes, LanguageAccept).best_match(LANGUAGES) or "en"


def current_language() -> str:
    """Language now in force, in a request or under `force_locale`."""
    locale = get_locale()
    return locale.language if locale is not None and locale.language in LANGUAGES else "en"


@cache
def _territories(language: str) -> Mapping[str, str]:
    """Names by code, kept: parsing the language for each ministry took a sixth of the time of a petition's page."""
    names: Mapping[str, str] = Locale.parse(language).territories
    return names


_ALPHABETS = {"be": "абвгдеёжзійклмнопрстуўфхцчшыьэюя", "pl": "aąbcćdeęfghijklłmnńoópqrsśtuvwxyzźż"}


def sort_key(name: str, language: str) -> list[tuple[int, int]]:
    """What sorts names as a language's alphabet does: signs, its own letters, then those of other scripts.

    Case does not count, nor an apostrophe, nor an accent that makes no letter of its own. By code points "Łotwa" comes after "Włochy".
    """
    alphabet = _ALPHABETS.get(language, ascii_lowercase)
    letters = unicodedata.normalize("NFC", name.casefold())
    plain = "".join(letter if letter in alphabet else fold(letter) for letter in letters).replace("'", "")
    return [
        (1, alphabet.index(char)) if char in alphabet else (2 if char.isalpha() else 0, ord(char)) for char in plain
    ]


def place_key(country_code: str | None, name: str, language: str) -> tuple[bool, list[tuple[int, int]], str]:
    """What sorts ministries as readers look for them: by their countries' names, then what has none, each by its own name."""
    called = country_name(country_code, language) if country_code else name
    return not country_code, sort_key(called, language), name


@cache
def country_choices(language: str) -> list[tuple[str, str]]:
    """(ISO 3166-1 code, name) of every country, sorted by name as that language spells them. Names come from CLDR."""
    names = _territories(language)
    countries = [
        (code, name) for code, name in names.items() if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
    ]
    return sorted(countries, key=lambda item: sort_key(item[1], language))


COUNTRY_CODES = frozenset(code for code, _name in country_choices("en"))
"""ISO 3166-1 codes of every country one can choose."""


def country_name(code: str, language: str | None = None) -> str:
    """Name of a country in a language, or the code itself when CLDR has none."""
    return str(_territories(language or current_language()).get(code, code))


def language_name(code: str) -> str:
    """A language under its own name, with a capital."""
    # CLDR knows Montenegrin as a kind of Serbian, which its speakers do not.
    name = "crnogorski" if code == "cnr" else str(Locale.parse(code, sep="-").get_display_name())
    return name[:1].title() + name[1:]  # Not `upper`: Georgian has capitals, but begins no name with one.


def spoken(text: str, language: str) -> Markup:
    """Text in a language other than its page's, marked so that it is read out in it."""
    return Markup('<span lang="{}">{}</span>').format(language, text)


def register_i18n(app: Flask) -> None:
    """Bind Babel, keep an explicit choice of language in every link, and give templates what they need."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "core/translations"
    babel.init_app(app, locale_selector=lambda: select_language() if has_request_context() else "en")

    @app.url_defaults
    def keep_language(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint != "static" and "lang" not in values and (language := chosen_language()):
            values["lang"] = language

    def in_language(language: str) -> str:
        """Address of this page in another language. Of the query only what names a page is kept.

        What answers a POST alone cannot be opened by a link: from its error pages one comes to the start.
        """
        here = request_ctx.url_adapter
        if request.endpoint is None or here is None or not here.test(method="GET"):
            return url_for(str(app.jinja_env.globals["home_endpoint"]), lang=language)
        # A page that is kept for everybody (core.caching) repeats only what it reads.
        names = [name for name in KEPT_IN_LINKS if name in g.get("read", KEPT_IN_LINKS)]
        kept = {name: request.args[name] for name in names if name in request.args}
        return url_for(request.endpoint, **{**kept, **(request.view_args or {}), "lang": language})

    app.jinja_env.globals.update(
        languages=LANGUAGES,
        current_language=current_language,
        in_language=in_language,
        country_name=country_name,
        language_name=language_name,
        spoken=spoken,
    )
    app.jinja_env.filters.update(
        number=lambda value: format_decimal(value, locale=current_language()),
        moment=lambda value: f"{format_datetime(value, 'd MMM y, HH:mm', locale=current_language())} UTC",
        date=lambda value: format_date(value, "d MMM y", locale=current_language()),
        # Of a moment as clocks of its place show it.
        local_day=lambda value: format_date(value, "EEEE, d MMMM y", locale=current_language()),
        clock=lambda value: f"{value:%H:%M}",
        clock_in=lambda value, zone: f"{value.astimezone(ZoneInfo(zone)):%H:%M}",
        month=lambda value: format_date(value, "LLL", locale=current_language()),
        day=lambda value: format_date(date.fromisoformat(value), "d MMM y", locale=current_language()),
        # Appeal texts are turned into HTML without raw HTML when they are written (petitions.texts.render_markdown).
        sanitised=Markup,
        language_name=language_name,
    )
