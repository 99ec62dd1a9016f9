"""`python -m benchmarks.intake`: how fast signatures are taken, and the petition and its form are shown, beside what nothing can beat.

Everything is measured in turns, several rounds of it in one run, and the medians are printed: on a machine with other
things to do only what was measured side by side can be compared. The workers do not run, so that intake is measured
and not what comes after it; PostgreSQL syncs every commit to the disk under var/.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.floor import INSERT
from core.demo.browser import Browser
from core.demo.embedded import StandError, free_port
from core.demo.stand import ROOT, Ports, Stand

CONNECTIONS = 16
ROUNDS = 3
SECONDS = 5.0
FOLDER = ROOT / "var" / "bench-intake"
ROW_SIZE = 1662
"""Bytes of a sealed signature; every one is as long as any other, which is checked in the end."""
LOAD = Path(__file__).with_name("load.lua")

out = Console(highlight=False)


@dataclass(frozen=True)
class Measured:
    """One measurement of one round. Latencies, and what the web processes worked for one answer, in milliseconds."""

    seconds: float
    answers: int
    p50: float = 0.0
    p99: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class Intake:
    """The stand with its public site, the floors beside it, and the six measurements."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.site = f"http://localhost:{stand.ports.public}"
        self.floor = f"http://localhost:{free_port()}"
        self.text_hash = ""
        self.taken = 0

    def start(self) -> None:
        """PostgreSQL, Valkey, the site, the floors' own application, and a table for its rows."""
        stand = self.stand
        stand.start_servers()
        stand.flask("console", "seed")
        stand.start_web()
        with stand.postgres.connect("postgres") as db:
            db.execute("CREATE TABLE floor (id uuid PRIMARY KEY, sealed bytea NOT NULL)")
            db.execute("GRANT INSERT ON floor TO zbor_web")
        address = self.floor.replace("http://localhost", "127.0.0.1")
        stand.spawn("floor", "public", sys.executable, "-m", "gunicorn", "--bind", address, "benchmarks.floor:app")
        stand.wait_for("floor", f"{self.floor}/page")
        browser = Browser()
        page = browser.get(f"{self.site}/petitions/no-recognition/sign")
        self.text_hash = page.forms("/signatures")[0].values["text_hash"]
        browser.close()

    def sign(self, seconds: float) -> Measured:
        """Signatures over HTTP."""
        measured = self._wrk(seconds, f"{self.site}/petitions/no-recognition/signatures?text=en", self.text_hash)
        self.taken += measured.answers
        return measured

    def form(self, seconds: float) -> Measured:
        """The page with the form, which is made anew for each who opens it."""
        return self._wrk(seconds, f"{self.site}/petitions/no-recognition/sign")

    def show(self, seconds: float) -> Measured:
        """The petition, which the site keeps for some seconds."""
        return self._wrk(seconds, f"{self.site}/petitions/no-recognition")

    def bare_form(self, seconds: float) -> Measured:
        """The floor of signing."""
        return self._wrk(seconds, f"{self.floor}/form", self.text_hash)

    def bare_page(self, seconds: float) -> Measured:
        """The floor of showing."""
        return self._wrk(seconds, f"{self.floor}/page")

    def bare_insert(self, seconds: float) -> Measured:
        """The floor below all: INSERT and COMMIT of a row as large as the inbox's, over connections of their own."""
        # Threads: on two cores as many processes came to half of it.
        url = self.stand.postgres.url("web").replace("+psycopg", "")
        content, ready = os.urandom(ROW_SIZE), threading.Barrier(CONNECTIONS)

        def insert() -> int:
            with psycopg.connect(url, autocommit=True) as connection:
                ready.wait(timeout=60)
                deadline, number = time.perf_counter() + seconds, 0
                while time.perf_counter() < deadline:
                    connection.execute(INSERT, (uuid4(), content))
                    number += 1
                return number

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            inserting = [pool.submit(insert) for _ in range(CONNECTIONS)]
            return Measured(seconds, sum(one.result() for one in inserting))

    def _wrk(self, seconds: float, url: str, *text_hash: str) -> Measured:
        host = "/".join(url.split("/")[:3])
        options = ["-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds:.0f}s", "--timeout", "10s", "-s", str(LOAD)]
        serving = self.stand.processes["web" if host == self.site else "floor"]
        before = cpu_seconds(serving.pid)
        # The name of this machine may lead to an address that nobody listens on.
        target = url.replace("localhost", "127.0.0.1")
        done = subprocess.run(
            ["wrk", *options, target, "--", host, *text_hash], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StandError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        if wrong := result.pop("wrong") + result.pop("broken"):
            raise StandError(f"{wrong} of {result['answers']} answers of {url} were not the right one, or broke off.")
        return Measured(**result, cpu=(cpu_seconds(serving.pid) - before) * 1000 / max(1, result["answers"]))

    def unanswered(self) -> int:
        """Rows of the inbox without an answer. Raises StandError when there are fewer rows than answers, or far more.

        wrk hangs up at the end of its time, so each connection may leave one behind each time.
        """
        with self.stand.postgres.connect("postgres") as db:
            row = db.execute("SELECT count(*), round(avg(octet_length(sealed))) FROM inbox").fetchone()
        rows, size = int(str(row[0] if row else 0)), int(str(row[1] if row else 0))
        if not self.taken <= rows <= self.taken + CONNECTIONS * (ROUNDS + 1) or size != ROW_SIZE:
            raise StandError(f"{self.taken} signatures were answered with 303, but {rows} rows are in the inbox.")
        return rows - self.taken


def cpu_seconds(session: int) -> float:
    """What all processes of a session have worked; beside other work it says more than the clock."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It may have ended meanwhile.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, print. Returns the exit code: 1 when an answer was not the right one or a row is missing."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    stand = Stand(FOLDER, Ports.free(), durable=True)
    try:
        intake = Intake(stand)
        with out.status("starting PostgreSQL, Valkey and the site"):
            intake.start()
        report(intake, measure(intake))
    except StandError as error:
        out.print(f"[bold red]{error}[/]")
        return 1
    finally:
        stand.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)
    return 0


def measure(intake: Intake) -> dict[str, list[Measured]]:
    """All measurements, round by round, after one short one of each to warm up."""
    turns: dict[str, Callable[[float], Measured]] = {
        "sign": intake.sign,
        "bare form": intake.bare_form,
        "bare insert": intake.bare_insert,
        "form": intake.form,
        "show": intake.show,
        "bare page": intake.bare_page,
    }
    found: dict[str, list[Measured]] = {name: [] for name in turns}
    for number in range(ROUNDS + 1):
        for name, turn in turns.items():
            with out.status(f"{name}, {f'round {number} of {ROUNDS}' if number else 'to warm up'}"):
                measured = turn(SECONDS if number else 2)
            if number:
                if not measured.answers:
                    raise StandError(f"Not one answer came within {SECONDS:.0f} seconds ({name}).")
                found[name].append(measured)
    return found


def report(intake: Intake, found: dict[str, list[Measured]]) -> None:
    """The table of medians, the ratios, and what was checked."""
    labels = {
        "sign": "POST a signature",
        "bare insert": "A: INSERT and COMMIT",
        "bare form": "B: Flask, form, seal, INSERT",
        "form": "GET the form",
        "show": "GET the petition, kept",
        "bare page": "C: Flask, a string of 18 kB",
    }
    table = Table(
        "", "a second", "in each round", "p50 ms", "p99 ms", "CPU ms", title=f"{CONNECTIONS} connections, medians"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    rate = {name: statistics.median(one.rate for one in rounds) for name, rounds in found.items()}
    for name, label in labels.items():
        rounds = found[name]
        each = " ".join(f"{one.rate:.0f}" for one in rounds)
        parts = [statistics.median(getattr(one, part) for one in rounds) for part in ("p50", "p99", "cpu")]
        table.add_row(label, f"{rate[name]:.0f}", each, *(f"{part:.1f}" if part else "" for part in parts))
    out.print(table)
    for name, floor in (("sign", "bare form"), ("sign", "bare insert"), ("form", "bare page"), ("show", "bare page")):
        out.print(f"{labels[name]}: {rate[name] / rate[floor]:.0%} of {labels[floor]}")
    out.print(
        f"{intake.taken} signatures were answered with 303, none with anything else. All are in the inbox, and"
        f" {intake.unanswered()} more, whose answers wrk no longer waited for at the end of a round."
    )


if __name__ == "__main__":
    sys.exit(main())
