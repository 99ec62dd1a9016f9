"""The application without any domain: what web, console, worker and command line share."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.pool import QueuePool
from werkzeug.middleware.proxy_fix import ProxyFix

import core.audit
import core.outbox
import core.vitals  # noqa: F401  # Foreign keys lead from and to their tables, so every process must know these.
from core import cli
from core.caching import AnswersFromMemory
from core.config import Config, Role
from core.errors import register_errors
from core.extensions import compress, csrf, db, login_manager, migrate
from core.i18n import register_i18n
from core.pool import TrustingPool
from core.queues import init_queues
from core.security import CONSOLE_CSP, CSP, register_security

COMPRESSED = [
    "text/html", "text/css", "text/javascript", "application/json", "application/atom+xml", "image/svg+xml", "text/calendar",
]  # fmt: skip
"""What the public site compresses. The console does not: its pages hold tokens beside what a stranger may have typed."""
ROOT = Path(__file__).resolve().parent.parent
STATEMENT_SECONDS = {Role.PUBLIC: 5, Role.CONSOLE: 15, Role.WORKER: 300, Role.OWNER: 600}


def create_base_app(config: Config) -> Flask:
    """Bind the extensions to one process's configuration. Blueprints are added by wsgi; the worker needs none."""
    app = Flask("zbor", root_path=str(ROOT), template_folder="templates", static_folder="static")
    app.extensions["zbor"] = config
    seconds = STATEMENT_SECONDS[config.role]
    app.config.update(
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={
            # All the public web writes is one row in one statement, so it needs no BEGIN and no COMMIT on the wire.
            **(
                {"poolclass": TrustingPool, "isolation_level": "AUTOCOMMIT"}
                if config.role is Role.PUBLIC
                else {"poolclass": QueuePool, "pool_pre_ping": True}
            ),
            "pool_timeout": 3,
            # What people typed stays out of logs and of the text of errors.
            "hide_parameters": True,
            "connect_args": {
                "connect_timeout": 3,
                "tcp_user_timeout": 10_000,  # Milliseconds; a database that has left the network is noticed.
                "application_name": f"zbor-{config.role}",
                # What PostgreSQL says in its own zone would be printed as UTC.
                "options": f"-c timezone=UTC -c statement_timeout={seconds}s -c lock_timeout=5s -c idle_in_transaction_session_timeout={max(30, seconds)}s",
            },
        },
        TRUSTED_HOSTS=list(config.trusted_hosts) or None,
        MAX_CONTENT_LENGTH=96 * 1024,
        MAX_FORM_MEMORY_SIZE=96 * 1024,
        MAX_FORM_PARTS=100,
        SEND_FILE_MAX_AGE_DEFAULT=31536000,
        WTF_CSRF_ENABLED=config.role is Role.CONSOLE,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    db.init_app(app)
    migrate.init_app(app, db)
    register_i18n(app)
    if config.redis_url.startswith("redis"):
        init_queues(app, config.redis_url)
    if config.role in (Role.PUBLIC, Role.CONSOLE):
        _make_web(app, config)
    cli.register(app)
    return app


def _make_web(app: Flask, config: Config) -> None:
    if config.role is Role.PUBLIC:
        # Inside of what follows, so that host and scheme are those that the visitor sees.
        app.wsgi_app = AnswersFromMemory(app, app.wsgi_app)  # type: ignore[method-assign]  # The documented way.
    if config.proxy_hops:
        hops = config.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # The documented way.
    register_security(app, CONSOLE_CSP if config.role is Role.CONSOLE else CSP)
    register_errors(app)
    home = "petitions.index" if config.role is Role.PUBLIC else "accounts.start"
    app.jinja_env.globals.update(
        is_console=config.role is Role.CONSOLE,
        contact_address=config.contact_address,
        source_url=config.source_url,
        console_url=config.console_url,
        home_endpoint=home,
    )

    @app.url_defaults
    def version_static(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["v"] = _fingerprint(values["filename"])

    if config.role is Role.PUBLIC:
        app.config.update(COMPRESS_ALGORITHM=["gzip"], COMPRESS_MIMETYPES=COMPRESSED)
        compress.init_app(app)
    if config.role is Role.CONSOLE:
        app.config.update(
            SECRET_KEY=config.secret("session.key"),
            SESSION_COOKIE_NAME="__Host-session" if config.secure_cookies else "session",
            SESSION_COOKIE_SECURE=config.secure_cookies,
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Strict",
            PERMANENT_SESSION_LIFETIME=8 * 3600,
            SESSION_REFRESH_EACH_REQUEST=False,
            WTF_CSRF_TIME_LIMIT=None,  # A token is good as long as the session that it belongs to.
        )
        csrf.init_app(app)
        login_manager.init_app(app)
        login_manager.login_view = "accounts.login"
        login_manager.login_message = None  # The page itself says it, in its reader's language.
        login_manager.session_protection = None  # It hashes the network address; sessions are in the database instead.


@cache
def _fingerprint(filename: str) -> str:
    """Short hash of a static file, so that it can be cached for a year and still change."""
    path = ROOT / "static" / filename
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10] if path.is_file() else "missing"
