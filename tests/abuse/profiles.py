"""Who signs: people as they are, and three kinds of machines. Everything is drawn from one seed.

The numbers were fixed before the seeds of the evaluation were drawn (`tests/abuse/__main__.py`), and with them the points and limits
of petitions/screening.py. Machines are given every advantage: each reads its mail and confirms, they solve proofs of work at
no cost, and those that open the form wait as long as people do.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from core.demo.signers import COUNTRY_WEIGHTS, LANGUAGE_WEIGHTS, names

HUMANS = 500
TOGETHER = 100
"""People behind one network: a square with its own Wi-Fi, a hostel, a provider that shares addresses."""
COUPLES = 20
WITHOUT_SCRIPT = 30
BOTS = {"plain": 4000, "solver": 3000, "farm": 3000}
"""Of the kinds of machines: one that only posts, one that opens the form and solves the proof, and a farm of mailboxes."""
BOT_NETWORKS = 20
FARM_DOMAINS = 200
NEIGHBOURS = 0.002
"""The share of people whose network is also one of the machines': a provider's router that belongs to both."""

LARGE = ("gmail.com", "outlook.com", "proton.me", "icloud.com", "yahoo.com", "wp.pl", "onet.pl", "seznam.cz")
MIDDLING = tuple(f"town{number}.example" for number in range(25))
"""Schools, parishes, firms: a handful of signers each."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody, or something, that sends the form."""

    profile: str
    """`human`, or a key of BOTS."""
    event_id: UUID
    name: str
    email: str
    country: str
    address: str
    """Where it comes from, IPv4."""
    opens_form: bool
    seconds: int
    """How long the form was open, if it was opened."""
    solves: bool
    falls_into_trap: bool


def make_crowd(
    seed: int, humans: int = HUMANS, bots: Mapping[str, int] | None = None, networks: int = BOT_NETWORKS
) -> list[Visitor]:
    """Everybody of one run, in the order in which they come. A smaller crowd has its parts in proportion."""
    luck = random.Random(seed)
    prefixes = luck.sample(range(1 << 14), networks + humans + 1)
    addresses = [f"{1 + (number >> 8)}.{number % 256}" for number in prefixes]
    bot_networks, others = [f"45.{one}" for one in addresses[:networks]], [f"89.{one}" for one in addresses[networks:]]
    crowd = [*_people(luck, humans, bot_networks, others), *_machines(luck, bots or BOTS, bot_networks)]
    luck.shuffle(crowd)
    return crowd


def _people(luck: random.Random, total: int, bot_networks: list[str], networks: list[str]) -> list[Visitor]:
    together, couples = total * TOGETHER // HUMANS, total * COUPLES // HUMANS
    people = []
    for number in range(total):
        network = networks[0] if number < together else networks[1 + number]
        if number >= together and luck.random() < NEIGHBOURS:
            network = luck.choice(bot_networks)
        partner = number - 1 if together <= number < together + 2 * couples and (number - together) % 2 else None
        email = people[partner].email if partner is not None else _mailbox(luck, number)
        if partner is not None:
            network = people[partner].address.rpartition(".")[0]
        people.append(_visitor(luck, "human", email, network, seconds=8 + int(luck.lognormvariate(3.6, 0.7))))
    # A few of each kind are what the checks could mistake them for.
    for number in luck.sample(range(total), total * WITHOUT_SCRIPT // HUMANS):
        people[number] = replace(people[number], solves=False)
    for number in luck.sample(range(total), total // 50):
        people[number] = replace(people[number], seconds=luck.randint(2, 6))
    for number in luck.sample(range(total), total // 100):
        people[number] = replace(people[number], seconds=luck.randint(86_401, 90_000))
    if luck.random() < 0.3:
        one = luck.randrange(total)
        people[one] = replace(people[one], falls_into_trap=True)  # A program that keeps passwords filled it in.
    return people


def _machines(luck: random.Random, bots: Mapping[str, int], networks: list[str]) -> list[Visitor]:
    domains = [f"mail{number}-{luck.randrange(10**6)}.example" for number in range(FARM_DOMAINS)]
    made = []
    for number in range(bots["plain"]):
        email = f"bot{number}.{luck.randrange(10**6)}@{luck.choice(LARGE)}"
        made.append(
            _visitor(
                luck,
                "plain",
                email,
                luck.choice(networks),
                opens_form=False,
                solves=False,
                falls_into_trap=luck.random() < 0.5,
            )
        )
    for number in range(bots["solver"]):
        own = f"s{number}.{luck.randrange(10**7)}@{luck.choice(LARGE) if luck.random() < 0.85 else f'own{luck.randrange(10**7)}.example'}"
        made.append(_visitor(luck, "solver", own, luck.choice(networks), seconds=luck.randint(4, 120)))
    for number in range(bots["farm"]):
        email = f"user{number}@{luck.choice(domains)}"
        solves = luck.random() < 0.5
        made.append(_visitor(luck, "farm", email, luck.choice(networks), seconds=luck.randint(4, 120), solves=solves))
    return made


def _mailbox(luck: random.Random, number: int) -> str:
    local, kind = f"{luck.choice('abcdefgh')}{number}.{luck.randrange(10**7)}", luck.random()
    if kind < 0.75:
        return f"{local}@{luck.choice(LARGE)}"
    if kind < 0.9:
        return f"{local}@{luck.choice(MIDDLING)}"
    return f"{local}@own{luck.randrange(10**7)}.example"


def _visitor(
    luck: random.Random,
    profile: str,
    email: str,
    network: str,
    *,
    seconds: int = 0,
    opens_form: bool = True,
    solves: bool = True,
    falls_into_trap: bool = False,
) -> Visitor:
    table = names()[luck.choices(list(LANGUAGE_WEIGHTS), list(LANGUAGE_WEIGHTS.values()))[0]]
    gender = luck.choice(("female", "male"))
    return Visitor(
        profile=profile,
        event_id=UUID(int=luck.getrandbits(128), version=4),
        name=f"{luck.choice(table[f'{gender}_given'])} {luck.choice(table[f'{gender}_family'])}",
        email=email,
        country=luck.choices(list(COUNTRY_WEIGHTS), list(COUNTRY_WEIGHTS.values()))[0],
        address=f"{network}.{luck.randint(1, 254)}",
        opens_form=opens_form,
        seconds=seconds,
        solves=solves,
        falls_into_trap=falls_into_trap,
    )
