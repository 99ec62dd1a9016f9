"""`python -m tests.abuse [SEED ...]`: the whole crowd, once for each seed, and both error rates of each profile."""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.abuse.profiles import BOTS, make_crowd
from tests.abuse.simulation import Simulation

MOST_BOTS = 0.005
FEWEST_HUMANS = 0.99
SEEDS = 5

out = Console(highlight=False)


def main(arguments: list[str]) -> int:
    """Run the seeds given, or as many new ones. Returns 1 when one does not hold."""
    seeds = [int(text) for text in arguments] or [secrets.randbelow(10**9) for _ in range(SEEDS)]
    table = Table(
        "seed", "humans counted", *(f"{name} counted" for name in BOTS), "all bots", "bursts", "seconds", "holds"
    )
    failed = 0
    for seed in seeds:
        with (
            tempfile.TemporaryDirectory() as folder,
            out.status(f"seed {seed}") as status,
            Simulation(
                Path(folder) / "var", lambda text, seed=seed, status=status: status.update(f"seed {seed}: {text}")
            ) as run,
        ):
            result = run.run(make_crowd(seed))
        same = len(set.union(*result.answers.values())) == 1
        holds = (
            result.bots_counted() <= MOST_BOTS and result.share("human") >= FEWEST_HUMANS and not result.broken and same
        )
        failed += not holds
        table.add_row(
            str(seed),
            f"{result.share('human'):.1%}",
            *(f"{result.share(name):.2%}" for name in BOTS),
            f"{result.bots_counted():.2%}",
            str(result.bursts),
            f"{result.seconds:.0f}",
            "yes" if holds else f"NO {result.broken} {'' if same else 'answers differ'}",
        )
        out.print(f"{seed}: {dict(result.states)}")
    out.print(table)
    out.print(f"Demanded of each: at most {MOST_BOTS:.1%} of bots counted, at least {FEWEST_HUMANS:.0%} of humans.")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
