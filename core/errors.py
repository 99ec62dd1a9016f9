"""Errors that a person may see, and the one place that turns them into a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from flask import Flask, make_response, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, SecurityError

from core.extensions import db


class DomainError(Exception):
    """Something a person asked for cannot be had. Carries the status and never personal data."""

    status = HTTPStatus.BAD_REQUEST


class NotFoundError(DomainError):
    """There is no such thing, or it is not for this visitor; the page does not say which."""

    status = HTTPStatus.NOT_FOUND


class UnavailableError(DomainError):
    """The database is away or no sealing key is valid: nothing was stored, and trying again may help."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class EditingLockedError(DomainError):
    """A second person is deciding about just this; it can be changed again afterwards. Nothing was changed."""

    status = HTTPStatus.CONFLICT


class EditedMeanwhileError(DomainError):
    """Somebody else saved the same after it was opened here. Nothing was changed."""

    status = HTTPStatus.CONFLICT


class NotNowError(DomainError):
    """This does not go with the state that things are in. Nothing was changed."""

    status = HTTPStatus.CONFLICT


@contextmanager
def database_may_be_away() -> Iterator[None]:
    """Turn a lost or refused database connection into UnavailableError, without the text of the statement."""
    try:
        yield
    except (OperationalError, PoolTimeoutError):
        raise UnavailableError from None


def describe(error: BaseException) -> str:
    """Type of an error and the place it came from, enough to find the fault. Its message may quote what somebody typed."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    return f"{type(error).__name__} at {place}"


def _sentences(status: int) -> tuple[str, str]:
    """Title and explanation of an error page."""
    match status:
        case 403:
            return _("This is not open to you"), _("You may need to log in, or to ask for the right to see this.")
        case 404 | 405:
            return _("There is no such page"), _("The address may be mistyped, or what was here has been taken down.")
        case 400:
            return _("This could not be understood"), _("Please go back, reload the page and send the form again.")
        case 413:
            return _("That was too much to send"), _(
                "Please shorten what you typed, or choose a smaller file, and send it again."
            )
        case 429:
            return _("Too many attempts"), _("Please wait a few minutes and try again.")
        case 503:
            return (
                _("We cannot store or show anything at this moment"),
                _("Nothing was saved. Please try again in a few minutes."),
            )
        case _ if status < 500:
            return _sentences(HTTPStatus.BAD_REQUEST)
        case _:
            return _("Something went wrong on our side"), _("It was noted. Please try again in a few minutes.")


def register_errors(app: Flask) -> None:
    """Render every error as a page of ours; no text of an exception ever reaches it."""

    def page(status: int) -> ResponseReturnValue:
        db.session.rollback()  # Whatever was begun is not to be finished, and the page may need the database.
        title, text = _sentences(status)
        try:
            return render_template("errors/error.html", title=title, text=text, status=status), status
        except Exception as error:
            # An error page that fails would hand the request's address, with any token in it, to the server's log.
            app.logger.error("error page not drawn: %s", describe(error))
            return f"{title}\n", status, {"Content-Type": "text/plain; charset=utf-8"}

    def on_http(error: HTTPException) -> ResponseReturnValue:
        if error.code is None or error.code < 400:
            return error
        response = make_response(page(error.code))
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response

    def on_foreign_host(_error: SecurityError) -> ResponseReturnValue:
        # Under a name that is not ours no address of a page can be made, so there is no page.
        sentence = _("This site does not answer to that name.")
        return f"{sentence}\n", HTTPStatus.BAD_REQUEST, {"Content-Type": "text/plain; charset=utf-8"}

    def on_domain(error: DomainError) -> ResponseReturnValue:
        return page(error.status)

    def on_database(_error: Exception) -> ResponseReturnValue:
        return page(HTTPStatus.SERVICE_UNAVAILABLE)

    def on_data(_error: DataError) -> ResponseReturnValue:
        # A number or text in an address that PostgreSQL's columns cannot hold names nothing that is there.
        return page(HTTPStatus.NOT_FOUND)

    def on_other(error: Exception) -> ResponseReturnValue:
        app.logger.error("unhandled %s", describe(error))
        return page(HTTPStatus.INTERNAL_SERVER_ERROR)

    handlers: list[tuple[type[Exception], Callable[[Any], ResponseReturnValue]]] = [
        (HTTPException, on_http),
        (SecurityError, on_foreign_host),
        (DomainError, on_domain),
        (OperationalError, on_database),
        (PoolTimeoutError, on_database),
        (DataError, on_data),
        (Exception, on_other),
    ]
    for error_type, handler in handlers:
        app.register_error_handler(error_type, handler)
