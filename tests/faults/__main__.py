"""`make faults`: run the scenarios one after another and print what was demanded beside what was measured."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core.demo.stand import ROOT
from tests.faults import scenarios
from tests.faults.run import Number, Run

FAST = {"ZBOR_MAIL_PER_MINUTE": "30000"}
SLOW = {"ZBOR_MAIL_PER_MINUTE": "60"}
"""Where no mail is looked at, few are sent, so that the machine has its time for what is."""
SCENARIOS: dict[str, tuple[str, Callable[[Run], None], dict[str, str]]] = {
    "F1": ("kill worker", scenarios.kill_worker, SLOW),
    "F2": ("queue lost", scenarios.flush_queue, SLOW),
    "F3": ("database crash", scenarios.crash_database, SLOW),
    "F4": ("delivered tenfold", scenarios.deliver_tenfold, FAST),
    "F5": ("all at once", scenarios.all_at_once, FAST),
    "F7": ("clocks off", scenarios.skew_clocks, FAST | {"ZBOR_SWEEP_SECONDS": "5"}),
    "F8": ("kill mailer", scenarios.kill_mailer, FAST | {"ZBOR_SWEEP_SECONDS": "2"}),
    "F9": ("key missing", scenarios.lose_key, FAST),
    "canary": ("name in the clear", scenarios.search_canary, FAST | {"ZBOR_SWEEP_SECONDS": "2"}),
}
"""By name: words, the scenario, and settings other than those of production."""

KEPT_LOGS = ROOT / "var" / "faults"
out = Console()
if not out.is_terminal:
    out = Console(width=150)  # A log has no width of its own, and the table needs some.


def main() -> int:
    """Run what is asked for. Returns 0 when every number holds."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}; all when none is given")
    names = list(dict.fromkeys(parser.parse_args().names)) or list(SCENARIOS)
    if unknown := set(names) - set(SCENARIOS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    table = Table("scenario", "what was done", "number", "demanded", "measured", "", title="Faults")
    broken, left = 0, list(names)
    try:
        for name in names:
            done, numbers = run_one(name)
            broken += sum(not one.holds for one in numbers)
            for row, one in enumerate(numbers):
                shown = "[green]ok[/]" if one.holds else "[bold red]BROKEN[/]"
                first = (f"{name} {SCENARIOS[name][0]}", done) if row == 0 else ("", "")
                table.add_row(*first, one.what, one.demanded, one.measured, shown if one.demanded else "")
            table.add_section()
            left.remove(name)
    except KeyboardInterrupt:
        out.print("interrupted")
    out.print(table)
    minutes = (time.monotonic() - started) / 60
    not_run = f"; not run to the end: {', '.join(left)}" if left else ""
    out.print(f"{broken} BROKEN{not_run}; {minutes:.0f} minutes")
    return int(broken > 0 or bool(left))


def run_one(name: str) -> tuple[str, list[Number]]:
    """One scenario on a stand of its own. Returns what was done, and the numbers."""
    words, scenario, settings = SCENARIOS[name]
    started = time.monotonic()

    def say(text: str) -> None:
        out.print(f"{name} {time.monotonic() - started:5.0f} s  {text}", highlight=False)

    say(words)
    with tempfile.TemporaryDirectory(prefix="zbor-faults-") as folder:
        run = Run(Path(folder) / "stand", say, **settings)
        try:
            with run:
                scenario(run)
        except Exception as error:  # One scenario that breaks down must not hide the others' numbers.
            run.exactly(f"breakdown of the scenario: {type(error).__name__}: {error}", 1, 0)
        for one in run.broken:
            say(f"[red]BROKEN[/] {one.what}: {one.measured} where {one.demanded} is demanded")
        if run.broken and run.stand.logs.exists():
            shutil.rmtree(KEPT_LOGS / name, ignore_errors=True)
            shutil.copytree(run.stand.logs, KEPT_LOGS / name)
            say(f"the logs are in {(KEPT_LOGS / name).relative_to(ROOT)}")
    say("done")
    return run.done, run.numbers


if __name__ == "__main__":
    sys.exit(main())
