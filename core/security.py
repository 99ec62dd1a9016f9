"""Who may enter a route, which headers every answer carries, and where a form may come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from flask.typing import ResponseReturnValue

View = TypeVar("View", bound=Callable[..., Any])

EVERYBODY = "everybody"

Doorkeeper = Callable[[str], ResponseReturnValue | None]
"""Asked about everything that is not open to everybody: returns what to answer instead of the page, None to let in."""

CSP = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
CONSOLE_CSP = f"{CSP}; script-src 'self'; connect-src 'self'"
"""Passkeys work by script alone, and lists move less with htmx."""
FORM_CSP = f"{CSP}; script-src 'self'; worker-src 'self'; connect-src 'self'"
"""Of the form, whose script works for a proof that a browser sent it. Of the other public pages only the check of a file runs one."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: under it browsers send `Origin: null` with our own forms, and we check the origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def open_to(who: str) -> Callable[[View], View]:
    """Declare who may enter a view: EVERYBODY, or the name of what one must be allowed to do.

    A view without it is closed to all.
    """

    def declare(view: View) -> View:
        view.open_to = who  # type: ignore[attr-defined]  # The declaration travels with the function.
        return view

    return declare


def from_anywhere(view: View) -> View:
    """Declare that a view takes its POST from anywhere: what is sent proves by itself that it may."""
    view.from_anywhere = True  # type: ignore[attr-defined]  # As above.
    return view


def takes(limit: int, *, files: bool = False) -> Callable[[View], View]:
    """Declare that the forms of a view may be longer than others, up to so many bytes, and whether files may be in them."""

    def declare(view: View) -> View:
        view.takes = (limit, files)  # type: ignore[attr-defined]  # The declaration travels with the function.
        return view

    return declare


def declared_entry(app: Flask, endpoint: str) -> str | None:
    """Who may enter an endpoint, None when nobody said."""
    if endpoint == "static":
        return EVERYBODY
    view = app.view_functions[endpoint]
    return getattr(view, "open_to", None)


def register_security(app: Flask, csp: str) -> None:
    """Deny by default, check the origin of every form, and put the headers on every answer."""

    headers = [("Content-Security-Policy", csp), *HEADERS.items()]

    @app.before_request
    def check_path() -> None:
        if "\0" in request.path or any("\0" in value for value in request.args.values()):
            abort(404)  # PostgreSQL has no such character, so nothing is named by it.

    @app.before_request
    def check_origin() -> None:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        view = app.view_functions.get(request.endpoint or "")
        if not getattr(view, "from_anywhere", False) and not _from_this_site():
            abort(400)
        # Forms are all we take: no JSON in a form's stead, and no file where a name is asked for.
        limit, files = getattr(app.view_functions.get(request.endpoint or ""), "takes", (None, False))
        if request.mimetype not in (
            "",
            "application/x-www-form-urlencoded",
            *(["multipart/form-data"] if files else []),
        ):
            abort(415)
        if limit is not None:
            request.max_content_length = request.max_form_memory_size = limit

    @app.before_request
    def check_entry() -> ResponseReturnValue | None:
        if request.endpoint is None:
            return None  # No such route: the router's 404 follows.
        who = declared_entry(app, request.endpoint)
        if who == EVERYBODY:
            return None
        doorkeeper: Doorkeeper | None = app.extensions.get("zbor_doorkeeper")
        if who is None or doorkeeper is None:
            abort(403)
        return doorkeeper(who)

    @app.after_request
    def add_headers(response: Response) -> Response:
        there = {name for name, _ in response.headers}
        for name, value in headers:
            if name not in there:
                response.headers.add(name, value)
        if not response.headers.get("X-Frame-Options"):
            del response.headers["X-Frame-Options"]  # A view that may be framed says so by an empty one.
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
            response.vary.add("Accept-Language")
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=63072000; includeSubDomains; preload")
        return response


def _from_this_site() -> bool:
    """Whether a form was sent from a page of this site.

    Browsers of the last years say so in Sec-Fetch-Site; older ones send Origin with every POST. A request with
    neither did not come from a form of ours.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return site == "same-origin"
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return (parts.scheme, parts.netloc) == (request.scheme, request.host)
