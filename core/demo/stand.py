"""A stand: every process of the platform on this machine, each with its own database role and its own secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.demo.embedded import EmbeddedPostgres, EmbeddedValkey, StandError, dies_with_us, free_port, port_is_busy
from core.keys import make_sealing_key, make_secrets, public_half, root_public_key, sign_log_key

WORKERS = {"worker": "light,quick", "heavy": "heavy"}
"""Celery workers and their queues: `worker` for what is quick, `heavy` for mail and PDFs."""

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of one stand, all on loopback."""

    public: int = 8000
    console: int = 8001
    postgres: int = 8432
    redis: int = 8379
    smtp: int = 8025

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody uses, for tests and benchmarks."""
        return cls(*(free_port() for _ in range(5)))


@dataclass
class Stand:
    """Everything lives in `folder`; starting again goes on from what is there."""

    folder: Path
    ports: Ports = field(default_factory=Ports)
    durable: bool = True
    extra: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.logs = self.folder / "logs"
        self.mails = self.folder / "mail"
        self.secrets = self.folder / "secrets"
        self.postgres = EmbeddedPostgres(self.folder / "postgres", self.ports.postgres, self.durable)
        self.valkey = EmbeddedValkey(self.folder / "valkey", self.ports.redis)

    # --- Setting up ---------------------------------------------------------------------------------------------------

    def check_ports(self) -> None:
        """Raises StandError naming the first port that is taken."""
        names = {
            "public": "the site",
            "console": "the console",
            "postgres": "PostgreSQL",
            "redis": "Valkey",
            "smtp": "the mail catcher",
        }
        for name, what in names.items():
            port = getattr(self.ports, name)
            if port_is_busy(port):
                raise StandError(
                    f"Port {port}, which {what} wants, is in use. Stop what listens there and run this again."
                )

    def start_servers(self) -> None:
        """PostgreSQL and Valkey, with the database made and migrated, secrets made, a sealing key and the logs' key listed."""
        if self.postgres.is_complete and not (self.secrets / "worker" / "mailbox.key").exists():
            raise StandError(
                f"{self.folder} is only half there: it has a database, but not the keys to it. Remove the folder and run this again."
            )
        for folder in (self.logs, self.mails):
            folder.mkdir(parents=True, exist_ok=True)
        make_secrets(self.secrets, f"smtp://127.0.0.1:{self.ports.smtp}")
        # The mail catcher's port may differ from the one of an earlier run.
        (self.secrets / "worker" / "smtp_url").write_text(f"smtp://127.0.0.1:{self.ports.smtp}\n")
        self.postgres.start()
        self.postgres.create_database("zbor")
        self.valkey.start()
        self.flask("owner", "db", "upgrade")
        if not self.has_sealing_key():
            self.flask("owner", "list-sealing-key", make_sealing_key(self.secrets, "worker", days=35))
        if not self.has_log_key():
            self.flask("owner", "list-sealing-key", sign_log_key(self.secrets, days=3650))

    def has_log_key(self) -> bool:
        """Whether the key that signs the logs is listed."""
        with self.postgres.connect("owner") as connection:
            rows = connection.execute("SELECT public_key FROM sealing_keys WHERE purpose = 'log'").fetchall()
        return (public_half(self.secrets / "worker" / "log.key"),) in rows

    def has_sealing_key(self) -> bool:
        """Whether a worker key is in force for another day, and its private half is here."""
        with self.postgres.connect("owner") as connection:
            rows = connection.execute(
                "SELECT id FROM sealing_keys WHERE purpose = 'worker' AND not_before <= now() AND not_after > now() + interval '1 day'"
            ).fetchall()
        return any((self.secrets / "worker" / "sealing" / f"{row[0]}.key").exists() for row in rows)

    def environment(self, role: str) -> dict[str, str]:
        """What a process of this role is told: its own database role, its own secrets, nothing of the others'."""
        own = {
            "ZBOR_ROLE": role,
            "DATABASE_URL": self.postgres.url("web" if role == "public" else role),
            "REDIS_URL": self.valkey.url,
            "ZBOR_PUBLIC_URL": f"http://localhost:{self.ports.public}",
            "ZBOR_ROOT_PUBLIC_KEY": root_public_key(self.secrets / "root" / "root.key"),
            "ZBOR_TRUSTED_HOSTS": "localhost 127.0.0.1",
            "ZBOR_CONSOLE_URL": f"http://localhost:{self.ports.console}",
            "ZBOR_CONTACT": "organisers@example.org",
            "ZBOR_INSECURE_COOKIES": "1",
        }
        if role in ("console", "worker"):
            own["ZBOR_SECRETS_DIR"] = str(self.secrets / role)
        if role == "worker":
            own |= {
                "ZBOR_MAIL_FROM": "zbor@example.org",
                "ZBOR_MAIL_PER_MINUTE": "6000",
                "ZBOR_BUNDLE_DIR": str(self.folder / "bundles"),
                "ZBOR_DNS": "off",
            }
        if role == "public":
            own["ZBOR_DEV_MAIL_DIR"] = str(self.mails)
        common = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        return {**common, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **own, **self.extra}

    def flask(self, role: str, *arguments: str) -> str:
        """Run one command of the command line. Raises StandError with its last line when it fails."""
        done = self.run_flask(role, *arguments)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise StandError(f"`flask {' '.join(arguments[:2])}` failed: {lines[-1] if lines else done.returncode}")
        return done.stdout

    def run_flask(self, role: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same, for a caller that looks at the exit code itself."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        return subprocess.run(
            command, env=self.environment(role), cwd=ROOT, capture_output=True, text=True, check=False
        )

    # --- Processes ------------------------------------------------------------------------------------------------------

    def spawn(self, name: str, role: str, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Start one process in a group of its own, with its output in logs/<name>.log."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*dies_with_us(), *command],
                env={**self.environment(role), **(environment or {})},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start_web(self) -> None:
        """The public site."""
        self._gunicorn("web", "public", self.ports.public, "privacy")

    def start_console(self) -> None:
        """The console."""
        self._gunicorn("console", "console", self.ports.console, "login")

    def _gunicorn(self, name: str, role: str, port: int, page: str) -> None:
        self.spawn(name, role, sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}")
        self.wait_for(name, f"http://127.0.0.1:{port}/{page}")

    def start_worker(self) -> None:
        """Both Celery workers."""
        for name in WORKERS:
            self.start_celery(name)

    def start_celery(self, name: str, concurrency: int = 2, environment: Mapping[str, str] | None = None) -> None:
        """One Celery worker. What follows a hyphen in its name tells it from others for the same queues."""
        queues = WORKERS[name.partition("-")[0]]
        options = ["--concurrency", str(concurrency), "--queues", queues, "--hostname", f"{name}@zbor"]
        quiet = ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command = [sys.executable, "-m", "celery", "-A", "worker.celery", "worker", *options, *quiet]
        self.spawn(name, "worker", *command, environment=environment)

    def start_beat(self) -> None:
        """The clock of the sweeps."""
        self.spawn(
            "beat",
            "worker",
            sys.executable,
            "-m",
            "celery",
            "-A",
            "worker.celery",
            "beat",
            "--schedule",
            str(self.folder / "beat"),
            "--pidfile=",
        )

    def start_catcher(self) -> None:
        """The SMTP catcher, which accepts every mail but those to an address that begins with `bounce`."""
        self.spawn("catcher", "none", sys.executable, "-m", "core.demo.catcher", str(self.ports.smtp), str(self.mails))
        self._until("catcher", lambda: port_is_busy(self.ports.smtp))

    def wait_for(self, name: str, url: str) -> None:
        """Until a page answers. Raises StandError when the process ends or takes too long."""

        def answers() -> bool:
            try:
                with urllib.request.urlopen(url, timeout=2):  # noqa: S310  # Our own page on loopback.
                    return True
            except (urllib.error.URLError, OSError):
                return False

        self._until(name, answers)

    def _until(self, name: str, ready: Any) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                break
            if ready():
                return
            time.sleep(0.1)
        tail = (self.logs / f"{name}.log").read_text(errors="replace").strip().splitlines()[-1:]
        raise StandError(f"The process `{name}` did not start: {' '.join(tail) or 'it says nothing'} (logs/{name}.log)")

    def kill(self, name: str) -> None:
        """kill -9 a process and all its children."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Ask the named processes, or all and the servers, to end; kill what does not within ten seconds."""
        chosen = {name: self.processes.pop(name) for name in list(names if names is not None else self.processes)}
        for process in chosen.values():
            if process.poll() is None:
                process.terminate()
        for process in chosen.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if names is None:
            self.valkey.stop()
            self.postgres.stop()
