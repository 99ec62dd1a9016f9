"""Pages that wait for a worker: they look again by themselves, without JavaScript, and not for ever."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, request, url_for


def looks() -> int:
    """How often this page was opened to look for something: 1 at first, 0 once its reader has stopped it."""
    return max(0, request.args.get("look", 1, type=int))


def next_look(endpoint: str, most: int, **values: Any) -> str | None:
    """Where a page that waits looks again by itself; None after `most` looks: a reader must not be disturbed for ever."""
    return url_for(endpoint, look=looks() + 1, **values) if 0 < looks() < most else None


def look_again(page: str, url: str | None, seconds: int) -> Response:
    """A page that opens `url`, if any, by itself after some seconds, without JavaScript. It also has a link there."""
    response = make_response(page)
    if url is not None:
        response.headers["Refresh"] = f"{seconds};url={url}"
    return response
