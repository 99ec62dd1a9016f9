"""`python -m benchmarks.intake`: how fast signatures are taken and petitions shown, beside what nothing can beat.

Everything is measured in short turns, several rounds of it in one run, and the medians are printed: on a machine with other
things to do only what was measured side by side can be compared, so a ratio is the median of the rounds' ratios. It is measured with no signature stored, and again
with 100,000; with FULL=1 with 1,000,000, too. The workers do not run meanwhile, so that intake is measured and not what
comes after it; PostgreSQL syncs every commit to the disk under var/. In the end two light workers deal with a backlog.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks import crowd
from benchmarks.floor import INSERT
from core.demo.embedded import StandError, free_port
from core.demo.stand import ROOT, Ports, Stand

CONNECTIONS = 16
ROUNDS = 5
SECONDS = 4.0
MOST_A_SECOND = 2_500
"""Forms that are made ready for each second; nothing that stores them is as fast."""
STORED = (0, 100_000)
FULL = (*STORED, 1_000_000)
BACKLOG = 100_000
FOLDER = ROOT / "var" / "bench-intake"
ROW_SIZE = 1662
"""Bytes of a sealed signature; every one is as long as any other, which is checked in the end."""
LOAD = Path(__file__).with_name("load.lua")
PAGE = f"/petitions/{crowd.PETITION}"
NGINX = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr emerg;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    include {rules}/http.conf;
    upstream web {{ server 127.0.0.1:{web}; keepalive 16; }}
    server {{ listen 127.0.0.1:{port}; include {rules}/public.conf; }}
}}
"""
"""compose.yaml's proxy without TLS, with its very rules."""

out = Console(highlight=False, width=130)


@dataclass(frozen=True)
class Measured:
    """One measurement of one round. Latencies, and what the processes that serve worked for one answer, in milliseconds."""

    seconds: float
    answers: int
    p50: float = 0.0
    p99: float = 0.0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


LABELS = {
    "sign": "POST a signature, without a proof",
    "sign with proof": "POST a signature, its proof checked",
    "bare form": "B: Flask, form, seal, INSERT",
    "bare insert": "A: INSERT and COMMIT",
    "form": "GET the form",
    "show": "GET the petition, kept",
    "bare page": "C: Flask, a string of 18 kB",
    "proxy": "GET the petition, through the proxy",
}
RATIOS = (
    ("sign", "bare form"), ("sign with proof", "bare form"), ("sign", "bare insert"), ("form", "bare page"), ("show", "bare page"),
)  # fmt: skip


class Intake:
    """The stand with its public site, the proxy before it, the floors beside it, and the measurements."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.site = f"http://localhost:{stand.ports.public}"
        self.floor = f"http://localhost:{free_port()}"
        self.proxy = f"http://localhost:{free_port()}"
        self.names = {self.site: "web", self.floor: "floor", self.proxy: "proxy"}
        self.petition, self.hidden, self.proofs = 0, dict[str, str](), list[str]()
        self.taken = self.stored = self.rounds = 0

    def start(self) -> None:
        """PostgreSQL, Valkey, the site, its proxy, the floors' own application, and a table for its rows."""
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
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        settings = {"folder": stand.folder, "rules": ROOT / "core" / "proxy", "web": stand.ports.public}
        config = stand.folder / "nginx.conf"
        config.write_text(NGINX.format(port=self.proxy.rpartition(":")[2], **settings))
        stand.spawn("proxy", "public", nginx, "-e", "stderr", "-p", str(stand.folder), "-c", str(config))
        stand.wait_for("proxy", f"{self.proxy.replace('localhost', '127.0.0.1')}/privacy")
        self.petition, self.hidden = crowd.petition_of(stand)
        self.proofs = crowd.solved_proofs(stand, self.petition)

    def store(self, number: int) -> None:
        """Fill the tables up to so many signatures."""
        crowd.store_signatures(self.stand, self.petition, number - self.stored)
        self.stored = number

    def turns(self) -> dict[str, Callable[[float], Measured]]:
        """What is measured in each round, under the names of LABELS."""
        return {
            "sign": lambda seconds: self.sign(seconds, []),
            "bare form": lambda seconds: self._post(seconds, f"{self.floor}/form", []),
            "bare insert": self.bare_insert,
            "sign with proof": lambda seconds: self.sign(seconds, self.proofs),
            "form": lambda seconds: self._wrk(seconds, f"{self.site}{PAGE}/sign"),
            "show": lambda seconds: self._wrk(seconds, f"{self.site}{PAGE}"),
            "bare page": lambda seconds: self._wrk(seconds, f"{self.floor}/page"),
            "proxy": lambda seconds: self._wrk(seconds, f"{self.proxy}{PAGE}"),
        }

    def sign(self, seconds: float, proofs: Sequence[str]) -> Measured:
        """Signatures over HTTP, no two alike."""
        measured = self._post(seconds, f"{self.site}{PAGE}/signatures?text=en", proofs)
        self.taken += measured.answers
        self.rounds += 1
        return measured

    def _post(self, seconds: float, url: str, proofs: Sequence[str]) -> Measured:
        path = self.stand.folder / "forms"
        crowd.write_forms(self.stand, path, int(seconds * MOST_A_SECOND), self.hidden, list(proofs))
        return self._wrk(seconds, url, str(path))

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

    def _wrk(self, seconds: float, url: str, *forms: str) -> Measured:
        host = "/".join(url.split("/")[:3])
        options = ["-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds:.0f}s", "--timeout", "10s", "-s", str(LOAD)]
        serving = [self.stand.processes[name] for name in {self.names[host], *(["web"] if host == self.proxy else [])}]
        before = sum(cpu_seconds(one.pid) for one in serving)
        # The name of this machine may lead to an address that nobody listens on.
        target = url.replace("localhost", "127.0.0.1")
        done = subprocess.run(
            ["wrk", *options, target, "--", host, *forms], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StandError(f"wrk failed: {(done.stderr or done.stdout).strip()}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        if wrong := result.pop("wrong") + result.pop("broken"):
            raise StandError(f"{wrong} of {result['answers']} answers of {url} were not the right one, or broke off.")
        worked = sum(cpu_seconds(one.pid) for one in serving) - before
        return Measured(**result, cpu=worked * 1000 / max(1, result["answers"]))

    def unanswered(self) -> int:
        """Rows of the inbox without an answer. Raises StandError when there are fewer rows than answers, or far more.

        wrk hangs up at the end of its time, so each connection may leave one behind each time.
        """
        with self.stand.postgres.connect("postgres") as db:
            row = db.execute(
                "SELECT count(*), min(octet_length(sealed)), max(octet_length(sealed)) FROM inbox WHERE state = 'new'"
            ).fetchone()
        rows, *sizes = (int(str(one or 0)) for one in row or (0, 0, 0))
        if not self.rounds:
            return rows
        if not self.taken <= rows <= self.taken + CONNECTIONS * self.rounds or sizes != [ROW_SIZE, ROW_SIZE]:
            raise StandError(f"{self.taken} signatures were answered with 303, but {rows} rows are in the inbox.")
        return rows - self.taken


def cpu_seconds(session: int) -> float:
    """What all processes of a session have worked, with those they started that have ended; beside other work it says more than the clock."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It may have ended meanwhile.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(int(one) for one in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, print. Returns the exit code: 1 when an answer was not the right one or a row is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake", description=__doc__)
    parser.add_argument("--stored", type=int, nargs="+", default=FULL if os.environ.get("FULL") else STORED)
    parser.add_argument("--only", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--backlog", type=int, default=BACKLOG, help="events for the workers; 0 for none")
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    stand = Stand(FOLDER, Ports.free(), durable=True, extra={"ZBOR_DNS": "off"})
    try:
        intake = Intake(stand)
        with out.status("starting PostgreSQL, Valkey, the site and its proxy"):
            intake.start()
        first: dict[str, float] = {}
        for number in options.stored:
            with out.status(f"storing {number:,} signatures"):
                intake.store(number)
            rates = report(number, measure(intake, options.only))
            compare(rates, first)
            first = first or rates
        out.print(
            f"{intake.taken:,} signatures were answered with 303, none with anything else. All are in the inbox, and"
            f" {intake.unanswered()} more, whose answers wrk no longer waited for at the end of a round."
        )
        if options.backlog:
            drain(intake, options.backlog)
    except StandError as error:
        out.print(f"[bold red]{error}[/]")
        return 1
    finally:
        stand.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)
    return 0


def measure(intake: Intake, names: Sequence[str]) -> dict[str, list[Measured]]:
    """All measurements, round by round, after one short one of each to warm up."""
    turns = {name: turn for name, turn in intake.turns().items() if name in names}
    found: dict[str, list[Measured]] = {name: [] for name in turns}
    for number in range(ROUNDS + 1):
        for name, turn in turns.items():
            with out.status(f"{name}, {f'round {number} of {ROUNDS}' if number else 'to warm up'}"):
                measured = turn(SECONDS)
            if number:
                if not measured.answers:
                    raise StandError(f"Not one answer came within {SECONDS:.0f} seconds ({name}).")
                found[name].append(measured)
    return found


def report(stored: int, found: dict[str, list[Measured]]) -> dict[str, float]:
    """The table of medians and the ratios. Returns answers a second by name."""
    table = Table(
        "", "a second", "in each round", "p50 ms", "p99 ms", "CPU ms",
        title=f"{stored:,} signatures stored; {CONNECTIONS} connections, medians",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    rate = {name: statistics.median(one.rate for one in rounds) for name, rounds in found.items()}
    for name, label in LABELS.items():
        if rounds := found.get(name):
            each = " ".join(f"{one.rate:.0f}" for one in rounds)
            parts = [statistics.median(getattr(one, part) for one in rounds) for part in ("p50", "p99", "cpu")]
            table.add_row(label, f"{rate[name]:.0f}", each, *(f"{part:.2f}" if part else "" for part in parts))
    out.print(table)
    for name, floor in RATIOS:
        if name in rate and floor in rate:
            ratios = [one.rate / other.rate for one, other in zip(found[name], found[floor], strict=True)]
            out.print(
                f"{LABELS[name]}: {statistics.median(ratios):.0%} of {LABELS[floor]}"
                f" ({min(ratios):.0%} to {max(ratios):.0%})"
            )
    return rate


def compare(rates: dict[str, float], first: dict[str, float]) -> None:
    """What more rows in the tables take away."""
    for name in ("sign", "sign with proof", "show"):
        if name in first and name in rates:
            out.print(f"{LABELS[name]}: {rates[name] / first[name] - 1:+.0%} beside the first table")


def drain(intake: Intake, number: int) -> None:
    """Let the two light workers deal with a backlog, and print how long it took."""
    stand = intake.stand
    stand.stop(["web", "floor", "proxy"])
    with out.status(f"sealing {number:,} events"):
        with stand.postgres.connect("postgres") as db:
            # What was signed over HTTP all came within minutes, from one network and domain, and would be held back.
            db.execute("DELETE FROM inbox WHERE state = 'new'")
        crowd.seal_backlog(stand, intake.petition, number)
    with out.status("the workers deal with them"):
        stand.start_celery("worker")
        while crowd.waiting(stand) == number:  # Until they have begun: their start is not what is measured.
            wake(stand)
            time.sleep(0.05)
        started, left = time.monotonic(), crowd.waiting(stand)
        begun_with = left
        while left:
            wake(stand)
            time.sleep(0.5)
            left = crowd.waiting(stand)
        seconds = time.monotonic() - started
    stand.stop(["worker"])
    found = ", ".join(f"{total:,} {state}" for state, total in crowd.outcomes(stand, intake.stored).items())
    out.print(
        f"Two light workers dealt with a backlog of {number:,} signatures in {seconds * number / begun_with:.0f} seconds:"
        f" {begun_with / seconds:,.0f} a second ({found})."
    )


def wake(stand: Stand) -> None:
    """Ask both workers to drain, as forms do."""
    from core.queues import TaskName, make_celery

    with make_celery(stand.valkey.url, socket_timeout=1.0) as celery:
        for _ in range(2):
            celery.send_task(TaskName.DRAIN, ignore_result=True)


if __name__ == "__main__":
    sys.exit(main())
