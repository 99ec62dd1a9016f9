"""Pages that are the same for everybody: kept for a few seconds here, a little longer by browsers and proxies.

Nothing personal may be on such a page, and nothing made for one visitor, such as the id of a form.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from functools import wraps
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cachetools import TTLCache
from flask import Flask, Response, current_app, g, make_response, request

from core.i18n import current_language

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEPT_SECONDS = 5
"""How old a page may be that a process shows: for so long it is kept."""
RENEW_SECONDS = 4
"""How old it is when the next visitor has it made anew, while all others still get the one that is there."""
FRESH_SECONDS = 10
"""How long a browser or proxy need not ask again."""
STALE_SECONDS = 60
"""How long after it they may show what they have while they ask."""
PATIENCE_SECONDS = 3.0
"""How long a visitor waits for what another one is having made, before it is made for them, too."""
MOST_PAGES = 500
LONGEST_QUERY = 200
"""Bytes of a query string; a page with a longer one is drawn anew whenever it is asked for."""
MADE_AT = "zbor.made_at"
"""Where a kept page leaves the moment it was made, for `AnswersFromMemory`."""

T = TypeVar("T")


class _Page(NamedTuple):
    """A rendered page, before it is compressed."""

    content: bytes
    headers: dict[str, str]


class _Kept(NamedTuple):
    """What is kept, and when work on it began."""

    value: Any
    made_at: float


class _Memory:
    """What was made, by its key, for as long as KEPT_SECONDS."""

    def __init__(self, seconds: float) -> None:
        self.known: TTLCache[Hashable, _Kept] = TTLCache(MOST_PAGES, seconds, timer=now)
        self.seconds = seconds
        self.being_made: dict[Hashable, Event] = {}
        self.lock = Lock()

    def find(self, key: Hashable) -> _Kept | None:
        """What is kept. None when it is the caller's turn to make it, who then has to call `settle`.

        While one makes it the others get what is still good, or wait: the same page is not drawn by all threads at once.
        """
        with self.lock:
            found, made = self.known.get(key), self.being_made.get(key)
            if found is not None and now() - found.made_at < (self.seconds if made else RENEW_SECONDS):
                return found
            if made is None:
                self.being_made[key] = Event()
                return None
        made.wait(PATIENCE_SECONDS)
        with self.lock:
            return self.known.get(key)

    def look(self, key: Hashable) -> _Kept | None:
        """What is kept, for who would not wait for more."""
        with self.lock:
            return self.known.get(key)

    def settle(self, key: Hashable, made: _Kept | None) -> None:
        """Keep what was made; or, without it, let the next one try."""
        with self.lock:
            if made is not None:
                self.known[key] = made
            waiting = self.being_made.pop(key, None)
        if waiting is not None:
            waiting.set()


def now() -> float:
    """The clock of what is kept, in seconds."""
    return time.monotonic()


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
            pages, g.read = _memory("pages"), read
            may_be_kept = len(request.query_string) <= LONGEST_QUERY
            asked = tuple((name, value) for name, value in request.args.items(multi=True) if name in read)
            key = request.path, current_language(), asked
            known = pages.find(key) if may_be_kept else None
            if known is None:
                made_at = now()
                try:
                    response = make_response(view(**values))
                    if response.status_code != 200:
                        return response
                    response.add_etag()
                    known = _Kept(_Page(response.get_data(), dict(response.headers)), made_at)
                finally:
                    pages.settle(key, known if may_be_kept else None)
            if may_be_kept:
                request.environ[MADE_AT] = known.made_at
            response = Response(known.value.content, headers=known.value.headers)
            response.headers["Cache-Control"] = f"public, max-age={fresh}, stale-while-revalidate={STALE_SECONDS}"
            response.make_conditional(request)
            return response

        return answer

    return declare


def kept(name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` returned for this key within the last KEPT_SECONDS, or returns now. An exception of it is not kept.

    Threads share what is returned, so nothing may change it, and no object of a session may be in it.
    """
    memory = _memory(name)
    known = memory.find(key)
    if known is None:
        made_at = now()
        try:
            known = _Kept(make(), made_at)
        finally:
            memory.settle(key, known)
    value: T = known.value
    return value


def _memory(name: str) -> _Memory:
    found: _Memory | None = current_app.extensions.get(f"zbor_{name}")
    if found is None:
        found = current_app.extensions[f"zbor_{name}"] = _Memory(_kept_seconds(current_app))
    return found


def _kept_seconds(app: Flask) -> float:
    return float(app.config.get("KEPT_SECONDS", KEPT_SECONDS))


class _Answer(NamedTuple):
    """All that a server sends for a kept page, to visitors that ask for it in just the same words."""

    headers: list[tuple[str, str]]
    content: bytes


class AnswersFromMemory:
    """Answers a plain GET of a kept page before Flask begins to work, with the very bytes it sent a moment ago.

    What an answer depends on is the key: address, host, scheme, and the languages and encodings a browser takes. Whoever asks in
    any other way (HEAD, a part of it, only if it has changed) is answered by Flask. A page is as old here as in the cache of
    `same_for_everybody`: never more than KEPT_SECONDS.
    """

    def __init__(self, app: Flask, inner: WSGIApplication) -> None:
        self.app = app
        self.inner = inner
        self.answers = _Memory(KEPT_SECONDS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Speaks WSGI."""
        ask = environ.get
        if ask("REQUEST_METHOD") != "GET" or any(name.startswith(("HTTP_IF_", "HTTP_RANGE")) for name in environ):
            return self.inner(environ, start_response)
        key = (
            ask("PATH_INFO"),
            ask("QUERY_STRING"),
            ask("HTTP_HOST"),
            ask("wsgi.url_scheme"),
            ask("HTTP_ACCEPT_LANGUAGE"),
            ask("HTTP_ACCEPT_ENCODING"),
        )
        known = self.answers.look(key)
        if known is not None and now() - known.made_at < min(RENEW_SECONDS, _kept_seconds(self.app)):
            start_response("200 OK", known.value.headers.copy())
            return [known.value.content]
        parts, made = self._learn(environ, start_response)
        if made is not None:
            self.answers.settle(key, made)
        return parts

    def _learn(self, environ: WSGIEnvironment, start_response: StartResponse) -> tuple[Iterable[bytes], _Kept | None]:
        """Let Flask answer. Returns its answer, and what is to be kept of it."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            told.append((status, headers.copy()))
            return start_response(status, headers, *error)

        parts = self.inner(environ, start)
        made_at = environ.get(MADE_AT)
        if made_at is None or [status for status, _ in told] != ["200 OK"]:
            return parts, None
        try:
            content = b"".join(parts)
        finally:
            if close := getattr(parts, "close", None):
                close()
        return [content], _Kept(_Answer(told[0][1], content), made_at)


def open_to_other_sites(response: Response) -> Response:
    """Let other sites show or read an answer in which nothing can be pressed and nothing is personal."""
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
