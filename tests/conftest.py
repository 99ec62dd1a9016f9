"""One embedded PostgreSQL for the whole run, migrated once.

Most tests use `house`: the applications of all roles over one connection, whose transaction is rolled back at the
end. Each application speaks under its own database role (SET ROLE), so the grants are in force in every test. Tests
that need several real transactions get a copy of the migrated database from `own_database`.
"""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import Engine
from xdist.scheduler import LoadScopeScheduling

from core import inbox
from core.config import Config, Role
from core.demo.embedded import EmbeddedPostgres, EmbeddedValkey, free_port
from core.errors import database_may_be_away
from core.extensions import db
from core.factory import create_base_app
from core.keyring import Keyring, load_keyring
from core.keys import (
    make_secrets,
    new_sealing_key,
    read_line,
    read_signing_key,
    root_public_key,
    sign_log_key,
    write_secret,
)
from tests.factories import Factory
from wsgi import create_app

ROOT = Path(__file__).resolve().parent.parent
DATABASE_ROLE = {
    Role.PUBLIC: "zbor_web",
    Role.CONSOLE: "zbor_console",
    Role.WORKER: "zbor_worker",
    Role.OWNER: "zbor_owner",
}
SITE = "http://localhost"


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]  # Comes without types.
    """Share the tests out by file; a folder whose tests share a stand, or strain the machine, goes to one process as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        folder = path.rpartition("/")[0]
        return folder if folder in ("tests/browser", "tests/processes") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """What `make test` runs on several cores with."""
    return _Sharing(config, log)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError("A test tried to leave this machine.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 at full cost would take a quarter of a second for each log-in."""
    from argon2 import PasswordHasher

    import accounts.factors

    monkeypatch.setattr(accounts.factors, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    accounts.factors._dummy_hash.cache_clear()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A cluster with one migrated database `zbor`."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), free_port(), durable=False)
    server.start()
    server.create_database("zbor")
    migrate(server.url("owner"), "upgrade")
    with server.connect("postgres", "postgres") as connection:
        connection.execute(
            "CREATE DATABASE blank TEMPLATE zbor OWNER zbor_owner"
        )  # For copies: nobody ever connects to it.
    yield server
    server.stop()


def migrate(url: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `flask db ...` as the owner, in a process of its own as in production."""
    environment = {
        **os.environ,
        "ZBOR_ROLE": "owner",
        "DATABASE_URL": url,
        "ZBOR_PUBLIC_URL": SITE,
        "ZBOR_ROOT_PUBLIC_KEY": base64.b64encode(bytes(32)).decode(),
    }
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", *command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )


@dataclass
class Secrets:
    """Secrets as they lie on disk, and the keys that are listed: one to seal to, and one that signs the logs."""

    folder: Path
    root_public_key: bytes
    root_private_key: bytes
    sealing_key: dict[str, Any]
    log_key: dict[str, Any]


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    folder = tmp_path_factory.mktemp("secrets")
    make_secrets(folder, "smtp://127.0.0.1:1")
    root = folder / "root" / "root.key"
    now = datetime.now(UTC).replace(microsecond=0)
    row, private = new_sealing_key(read_signing_key(root), "worker", now - timedelta(days=1), now + timedelta(days=30))
    write_secret(folder / "worker" / "sealing" / f"{row['id']}.key", private)
    log_key = read_line(sign_log_key(folder, days=3650))
    return Secrets(folder, base64.b64decode(root_public_key(root)), read_signing_key(root), row, log_key)


def make_config(role: Role, secrets: Secrets, database_url: str, **changes: Any) -> Config:
    """A configuration as `read_config` would make it."""
    own = {Role.CONSOLE: "console", Role.WORKER: "worker"}
    values: dict[str, Any] = {
        "role": role,
        "database_url": database_url,
        "redis_url": "memory://" if role is Role.CONSOLE else "",  # The limiter wants a store.
        "public_url": SITE,
        "console_url": SITE,
        "root_public_key": secrets.root_public_key,
        "secrets_dir": secrets.folder / own[role] if role in own else None,
        "trusted_hosts": ("localhost",),
        "secure_cookies": False,
        "contact_address": "organisers@example.org",
        "mail_from": "zbor@example.org",
        "bundle_dir": secrets.folder / "bundles",
        "name_server": "off",
    }
    return Config(**{**values, **changes})


def make_app(config: Config) -> Flask:
    """The application of a role, as its process makes it."""
    app = create_base_app(config) if config.role is Role.WORKER else create_app(config=config)
    # Pages are looked at anew each time; what keeps them has tests of its own.
    app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False, KEPT_SECONDS=0)
    return app


class VisitorClient(FlaskClient):
    """A test client that sends its forms as a browser does."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": SITE, **dict(kwargs.pop("headers", None) or {})}
        kwargs["headers"] = {name: value for name, value in headers.items() if value is not None}
        acting: Callable[[], Any] | None = self.application.extensions.get("test_acting")
        if acting is None:
            return super().open(*args, **kwargs)
        with acting():
            return super().open(*args, **kwargs)


@dataclass
class House:
    """Every application over one database; see the module's docstring."""

    secrets: Secrets
    bind: Connection | Engine
    url: str
    apps: dict[Role, Flask] = field(default_factory=dict)

    def app(self, role: Role, **changes: Any) -> Flask:
        """The application of a role, made once."""
        if role not in self.apps or changes:
            app = make_app(make_config(role, self.secrets, self.url, **changes))
            app.test_client_class = VisitorClient
            if isinstance(self.bind, Connection):
                with app.app_context():
                    db._app_engines[app] = {None: self.bind}  # type: ignore[dict-item]  # A connection serves as an engine here.
                app.extensions["test_acting"] = lambda: self.acting(role)
            self.apps[role] = app
        return self.apps[role]

    def client(self, role: Role = Role.PUBLIC, **changes: Any) -> FlaskClient:
        """A browser in front of the application of a role."""
        return self.app(role, **changes).test_client()

    @contextmanager
    def acting(self, role: Role) -> Iterator[None]:
        """Speak to the database under a role."""
        assert isinstance(self.bind, Connection)
        self.bind.execute(text(f"SET LOCAL ROLE {DATABASE_ROLE[role]}"))
        try:
            yield
        finally:
            self.bind.execute(text("RESET ROLE"))

    @contextmanager
    def inside(self, role: Role) -> Iterator[Flask]:
        """In the application context of a role, under its database role."""
        app = self.app(role)
        if isinstance(self.bind, Connection):
            with self.acting(role), app.app_context():
                yield app
                db.session.commit()
        else:
            with app.app_context():
                yield app

    def sql(self, statement: str, **values: Any) -> Any:
        """Run SQL past all grants and return the result."""
        if isinstance(self.bind, Connection):
            return self.bind.execute(text(statement), values)
        with self.bind.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.freeze()() if result.returns_rows else None

    def value(self, statement: str, **values: Any) -> Any:
        """The one value of a query."""
        return self.sql(statement, **values).scalar()

    def list_key(self, row: dict[str, Any]) -> None:
        """List a sealing key."""
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        self.sql(f"INSERT INTO sealing_keys ({names}) VALUES ({marks})", **row)

    @property
    def keyring(self) -> Keyring:
        """The worker's keys."""
        return load_keyring(self.app(Role.WORKER).extensions["zbor"])

    def drain(self) -> int:
        """Let the worker empty the inbox. Returns how many events it dealt with."""
        from worker.drain import drain_batch

        with self.inside(Role.WORKER):
            return drain_batch(self.keyring).events


@pytest.fixture(scope="session")
def superuser(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    engine = create_engine(postgres.url("postgres"))
    yield engine
    engine.dispose()


def _insert_by_session(values: tuple[Any, ...]) -> bool:
    """What `core.inbox.insert_row` does over a connection of its own, in the test's transaction."""
    with database_may_be_away():
        result = db.session.connection().exec_driver_sql(inbox.APPEND, values)
        db.session.commit()
    return result.rowcount == 1


@pytest.fixture
def house(
    superuser: Engine, secrets: Secrets, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[House]:
    """All applications in one transaction that is rolled back."""
    monkeypatch.setattr(inbox, "insert_row", _insert_by_session)
    db.session.session_factory.configure(join_transaction_mode="create_savepoint")
    with superuser.connect() as connection:
        transaction = connection.begin()
        made = House(secrets, connection, postgres.url("web"))
        made.list_key(secrets.sealing_key)
        made.list_key(secrets.log_key)
        yield made
        transaction.rollback()


@pytest.fixture
def own_database(postgres: EmbeddedPostgres, secrets: Secrets, request: pytest.FixtureRequest) -> Iterator[House]:
    """A copy of the migrated database, for real transactions. Its applications connect as the superuser's engine says."""
    name = f"copy_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**8}"
    with postgres.connect("postgres", "postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE blank OWNER zbor_owner')
    engine = create_engine(postgres.url("postgres", name))
    with engine.begin() as connection:
        connection.execute(text(f'GRANT CONNECT ON DATABASE "{name}" TO zbor_web, zbor_console, zbor_worker'))
    db.session.session_factory.configure(join_transaction_mode="conditional_savepoint")
    made = House(secrets, engine, "")
    for role in (Role.PUBLIC, Role.CONSOLE, Role.WORKER):
        url = postgres.url("web" if role is Role.PUBLIC else str(role), name)
        app = make_app(make_config(role, secrets, url))
        app.test_client_class = VisitorClient
        made.apps[role] = app
    made.list_key(secrets.sealing_key)
    made.list_key(secrets.log_key)
    yield made
    for app in made.apps.values():
        with app.app_context():
            db.engine.dispose()
    engine.dispose()
    with postgres.connect("postgres", "postgres") as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[redis.Redis]:
    """An empty Valkey of the test's own."""
    server = EmbeddedValkey(tmp_path / "valkey", free_port())
    server.start()
    with redis.Redis.from_url(server.url) as client:
        yield client
    server.stop()


def url_of(valkey: redis.Redis) -> str:
    """What an application is told to find it."""
    return f"redis://127.0.0.1:{valkey.connection_pool.connection_kwargs['port']}/0"


@pytest.fixture
def make(house: House) -> Factory:
    """Factories in the rolled-back transaction."""
    return Factory(house)


@pytest.fixture
def make_own(own_database: House) -> Factory:
    """Factories in the test's own database."""
    return Factory(own_database)
