"""A small crowd with every `make test`; the whole one, with its five seeds, is `make abuse`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from petitions.screening import MOST_A_NETWORK
from tests.abuse.profiles import BOTS, COUPLES, HUMANS, TOGETHER, WITHOUT_SCRIPT, make_crowd
from tests.abuse.simulation import Simulation


def test_a_crowd_is_as_it_is_said_to_be() -> None:
    crowd = make_crowd(1)
    assert crowd == make_crowd(1) != make_crowd(2)
    assert Counter(one.profile for one in crowd) == {"human": HUMANS, **BOTS}
    people = [one for one in crowd if one.profile == "human"]
    networks = Counter(one.address.rpartition(".")[0] for one in people)
    assert networks.most_common(1)[0][1] == TOGETHER
    assert sum(number == 2 for number in Counter(one.email for one in people).values()) == COUPLES
    assert sum(not one.solves for one in people) == WITHOUT_SCRIPT
    machines = Counter(one.address.rpartition(".")[0] for one in crowd if one.profile != "human")
    assert len(machines) == 20
    assert min(machines.values()) > 2 * MOST_A_NETWORK


@pytest.mark.processes
def test_machines_do_not_count_and_people_do(tmp_path: Path) -> None:
    crowd = make_crowd(7, humans=60, bots={"plain": 240, "solver": 180, "farm": 180}, networks=2)
    with Simulation(tmp_path / "var") as simulation:
        result = simulation.run(crowd)
    assert result.broken == ""
    assert result.bots_counted() <= 0.005, result.states
    assert result.share("human") >= 0.95, result.states  # One of sixty may share a router with a machine.
    assert len(set.union(*result.answers.values())) == 1, "all are answered alike"
