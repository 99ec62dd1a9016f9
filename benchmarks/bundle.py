"""Bundles on real workers: seconds, rows per second, peak memory of the largest process and size, for bundles of growing size.

Beside them, in the same run, the same rows as one WeasyPrint table and as bare lines of ReportLab, which is the floor: drawn, and
neither attached to, sealed, encrypted nor stored. Both have one core; a bundle is compared with them by its workers' CPU time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.intake import cpu_seconds
from benchmarks.register import measure
from core.demo.embedded import StandError
from core.demo.stand import ROOT, Ports, Stand
from core.queues import TaskName, make_celery
from tests.counted import store_counted

PETITION = "no-recognition"
FOLDER = ROOT / "var" / "benchmark"
SIZES = [1_000, 10_000, 100_000]
FULL = [*SIZES, 1_000_000]
COUNTRIES = ("LT", "DE", "PL", "CZ")
"""Each size is the bundle of another ministry."""
BESIDE = {"weasyprint table": 10_000, "reportlab canvas": 10_000}
"""Engines of `benchmarks.register`, and at most how many rows each draws."""
PATIENCE = 3600

out = Console(width=120)


@dataclass(frozen=True, slots=True)
class Built:
    """One bundle. `first` is the time until its first volume was ready, which one of a few signatures mostly consists of."""

    rows: int
    seconds: float
    cpu: float
    memory: float
    size: int
    volumes: int


class Watch(threading.Thread):
    """Looks at the peak of memory of every process of a session, also of those that end."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session, self.peak, self.over = session, 0.0, threading.Event()

    def run(self) -> None:
        """Until it is told to stop."""
        while not self.over.wait(0.2):
            self.look()

    def look(self) -> None:
        """VmHWM, in MB, of the largest."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if int((path / "stat").read_text().rpartition(")")[2].split()[3]) == self.session:
                    [line] = [one for one in (path / "status").read_text().splitlines() if one.startswith("VmHWM")]
                    self.peak = max(self.peak, int(line.split()[1]) / 1024)
            except (OSError, ValueError):
                continue  # It has ended meanwhile.


def ask(stand: Stand, country: str) -> Any:
    """A bundle that two people agreed to."""
    with stand.postgres.connect("console") as db, db.transaction():
        db.execute(
            "INSERT INTO accounts (email, name) VALUES ('asks@example.org', 'Asks'), ('agrees@example.org', 'Agrees')"
            " ON CONFLICT DO NOTHING"
        )
        asks, agrees = db.execute("SELECT min(id), max(id) FROM accounts").fetchone() or (0, 0)
        (bundle,) = db.execute(
            "INSERT INTO bundles (id, petition_id, addressee_id, requested_by)"
            " SELECT gen_random_uuid(), p.id, r.addressee_id, %s FROM petitions p JOIN petition_routes r ON r.petition_id = p.id"
            " WHERE p.slug = %s AND r.country_code = %s RETURNING id",
            (asks, PETITION, country),
        ).fetchone() or (None,)
        db.execute(
            "INSERT INTO approvals (id, kind, object_id, details, reason, requested_by, expires_at, state, decided_by, decided_at)"
            " VALUES (gen_random_uuid(), 'bundle', %s, '{}', '', %s, now() + interval '1 day', 'approved', %s, now())",
            (str(bundle), asks, agrees),
        )
    return bundle


def build(stand: Stand, country: str, number: int) -> Built:
    """Build one bundle with fresh workers, as many processes as there are cores."""
    stand.start_celery("heavy", concurrency=os.cpu_count() or 1)
    celery = make_celery(stand.valkey.url, socket_timeout=5.0)
    bundle = ask(stand, country)
    session = stand.processes["heavy"].pid
    watch = Watch(session)
    watch.start()
    time.sleep(5)  # Until the worker is there: starting it is not measured.
    before, started = cpu_seconds(session), time.monotonic()
    celery.send_task(TaskName.BUNDLES)
    state = "approved"
    with stand.postgres.connect("postgres", "zbor") as db:
        db.autocommit = True
        while state in ("requested", "approved", "building"):
            if time.monotonic() > started + PATIENCE:
                raise StandError(f"A bundle of {number:,} was not built within an hour.")
            time.sleep(0.1)
            (state,) = db.execute("SELECT state FROM bundles WHERE id = %s", (bundle,)).fetchone() or ("",)
        seconds = time.monotonic() - started
        cpu = cpu_seconds(session) - before
        rows, volumes, size = db.execute(
            "SELECT b.signatures, count(*) - 1, sum(v.size)::bigint FROM bundles b JOIN volumes v ON v.bundle_id = b.id"
            " WHERE b.id = %s GROUP BY b.id",
            (bundle,),
        ).fetchone() or (0, 0, 0)
    watch.over.set()
    watch.join()
    watch.look()
    stand.stop(["heavy"])
    if state != "ready" or rows != number:
        raise StandError(f"The bundle of {number:,} is {state}, with {rows} rows; see logs/heavy.log.")
    return Built(number, seconds, cpu, watch.peak, size, volumes)


def report(built: list[Built], beside: dict[str, tuple[int, float, float, int]]) -> None:
    """The tables, and the ratios of CPU time a row."""
    table = Table("", "rows", "volumes", "seconds", "rows/s", "CPU ms/row", "peak MB", "MB")
    for one in built:
        table.add_row(
            "Zbor, complete", f"{one.rows:,}", str(one.volumes), f"{one.seconds:.1f}", f"{one.rows / one.seconds:,.0f}",
            f"{one.cpu / one.rows * 1000:.2f}", f"{one.memory:.0f}", f"{one.size / 1e6:.1f}",
        )  # fmt: skip
    table.add_section()
    for engine, (rows, seconds, memory, size) in beside.items():
        table.add_row(
            engine, f"{rows:,}", "1", f"{seconds:.1f}", f"{rows / seconds:,.0f}", f"{seconds / rows * 1000:.2f}",
            f"{memory:.0f}", f"{size / 1e6:.1f}",
        )  # fmt: skip
    out.print(table)
    reference = max((one for one in built if one.rows >= 10_000), key=lambda one: one.rows, default=built[-1])
    for engine, (rows, seconds, *_rest) in beside.items():
        ratio = (seconds / rows) / (reference.cpu / reference.rows)
        said = f"{ratio:.1f} times as quick as" if ratio >= 1 else f"{1 / ratio:.2f} times the time of"
        out.print(f"A row of the bundle of {reference.rows:,}, complete, is {said} one of {engine}, drawn.")


def main() -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundle", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=FULL if os.environ.get("FULL") else SIZES)
    options = parser.parse_args()
    if len(options.rows) > len(COUNTRIES):
        parser.error(f"at most {len(COUNTRIES)} sizes")
    shutil.rmtree(FOLDER, ignore_errors=True)
    stand = Stand(FOLDER, Ports.free(), durable=True)
    try:
        with out.status("starting PostgreSQL and Valkey"):
            stand.start_servers()
            stand.flask("console", "seed")
        built = []
        for country, number in zip(COUNTRIES, options.rows, strict=False):
            with out.status(f"storing {number:,} signatures"):
                store_counted(stand, PETITION, number, country)
            with out.status(f"building a bundle of {number:,}"):
                built.append(build(stand, country, number))
        beside = {}
        for engine, most in BESIDE.items():
            rows, path = min(most, max(options.rows)), FOLDER / "engine.pdf"
            with out.status(f"{rows:,} rows by {engine}"):
                seconds, memory = measure(engine, rows, path)
            beside[engine] = rows, seconds, memory, path.stat().st_size
        report(built, beside)
    except (StandError, LookupError) as error:
        out.print(f"[bold red]{error}[/]")
        return 1
    finally:
        stand.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
