"""Pages that are the same for everybody: kept for a few seconds here, a little longer by browsers and proxies.

Nothing personal may be on such a page, and nothing made for one visitor, such as the id of a form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any

from cachetools import TTLCache
from flask import Response, current_app, g, make_response, request

from core.i18n import current_language

KEPT_SECONDS = 5
"""How long a process shows a rendered page before it looks again."""
FRESH_SECONDS = 10
"""How long a browser or proxy need not ask again."""
STALE_SECONDS = 60
"""How long after it they may show what they have while they ask."""
MOST_PAGES = 500
LONGEST_QUERY = 200
"""Bytes of a query string; a page with a longer one is drawn anew whenever it is asked for."""

_lock = Lock()


def same_for_everybody(
    *arguments: str, fresh: int = FRESH_SECONDS
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Declare a view cacheable. `arguments` are what of the query string it reads.

    Its links to other languages repeat no more than these, or a page that is kept would tell one visitor's words to the
    next. Answers other than 200 are not cached. `fresh` is in seconds.
    """
    read = {"lang", *arguments}

    def declare(view: Callable[..., Any]) -> Callable[..., Response]:
        @wraps(view)
        def answer(**values: Any) -> Response:
            pages, g.read = _pages(), read
            may_be_kept = len(request.query_string) <= LONGEST_QUERY
            asked = tuple((name, value) for name, value in request.args.items(multi=True) if name in read)
            key = request.path, current_language(), asked
            with _lock:
                known = pages.get(key) if may_be_kept else None
            if known is None:
                response = make_response(view(**values))
                if response.status_code != 200:
                    return response
                response.add_etag()
                known = response.get_data(), dict(response.headers)
                if may_be_kept:
                    with _lock:
                        pages[key] = known
            response = Response(known[0], headers=known[1])
            response.headers["Cache-Control"] = f"public, max-age={fresh}, stale-while-revalidate={STALE_SECONDS}"
            response.make_conditional(request)
            return response

        return answer

    return declare


def _pages() -> TTLCache[Any, tuple[bytes, dict[str, str]]]:
    pages: TTLCache[Any, tuple[bytes, dict[str, str]]] | None = current_app.extensions.get("zbor_pages")
    if pages is None:
        pages = TTLCache(MOST_PAGES, current_app.config.get("KEPT_SECONDS", KEPT_SECONDS))
        current_app.extensions["zbor_pages"] = pages
    return pages


def open_to_other_sites(response: Response) -> Response:
    """Let other sites show or read an answer in which nothing can be pressed and nothing is personal."""
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
