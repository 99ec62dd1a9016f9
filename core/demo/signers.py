"""Fictional signers: names in nine languages and seven scripts, homes in twenty countries, and the usual trouble."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

COUNTRY_WEIGHTS = {
    "PL": 30, "LT": 12, "DE": 12, "GE": 6, "CZ": 5, "SE": 4, "US": 4, "CA": 3, "GB": 3, "UA": 4, "LV": 3, "EE": 2,
    "IL": 3, "GR": 2, "FR": 2, "NL": 1, "BE": 1, "AT": 1, "NO": 1, "MA": 1, "SG": 1,
}  # fmt: skip
LANGUAGE_WEIGHTS = {"be": 45, "pl": 14, "lt": 9, "de": 7, "ka": 6, "el": 5, "he": 5, "hy": 5, "ar": 4}
EVERYBODY_SIGNS: Mapping[str, float] = MappingProxyType({"no-recognition": 1.0})
THROWAWAY = ("mailinator.com", "guerrillamail.com", "yopmail.com")
MALFORMED = ("olga at example.org", "no-domain@", "@example.org", "two@@example.org", "with space@example.org")


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody who fills in the form. `kind`: honest, silent (never confirms), duplicate, bounce, malformed or throwaway."""

    kind: str
    name: str
    email: str
    country: str
    city: str
    language: str
    visibility: str
    updates: bool
    petition: str
    """Slug of the petition that they sign."""

    @property
    def passes_form(self) -> bool:
        """Whether the form takes what they typed."""
        return self.kind not in ("malformed", "throwaway")

    def typed(self) -> dict[str, str]:
        """Fields of the form."""
        fields = {
            "name": self.name,
            "email": self.email,
            "country": self.country,
            "city": self.city,
            "visibility": self.visibility,
        }
        return fields | ({"updates": "y"} if self.updates else {})


@lru_cache(maxsize=1)
def names() -> dict[str, Any]:
    """Given and family names by language, and `cities` by country."""
    return tomllib.loads((Path(__file__).parent / "names.toml").read_text(encoding="utf-8"))


def make_signers(
    total: int, run: str, luck: random.Random, petitions: Mapping[str, float] = EVERYBODY_SIGNS
) -> list[Signer]:
    """`total` signers of some petitions, each with its weight; one in twelve a duplicate of an earlier one, one in twenty-five each of the other kinds of trouble.

    `run` becomes part of every address, so that a second run brings other people.
    """
    trouble = {
        "duplicate": total // 12,
        "bounce": total // 25,
        "malformed": total // 25,
        "throwaway": total // 25,
        "silent": total // 25,
    }
    honest = [_signer(number, run, luck, petitions) for number in range(total - sum(trouble.values()))]
    signers = list(honest)
    for number, original in enumerate(luck.sample(honest, trouble["duplicate"])):
        local, _, domain = original.email.partition("@")
        spelling = f"{local}+again@{domain}" if number % 2 else f"{local.upper()}@{domain}"
        signers.append(replace(original, kind="duplicate", email=spelling))
    for kind in ("bounce", "malformed", "throwaway", "silent"):
        for number in range(trouble[kind]):
            signer = _signer(total + number, f"{kind}.{run}", luck, petitions)
            email = {
                "bounce": f"bounce{number}.{run}@example.org",
                "malformed": MALFORMED[number % len(MALFORMED)],
                "throwaway": f"olga{number}@{THROWAWAY[number % len(THROWAWAY)]}",
            }.get(kind, signer.email)
            signers.append(replace(signer, kind=kind, email=email))
    luck.shuffle(signers)
    return signers


def _signer(number: int, run: str, luck: random.Random, petitions: Mapping[str, float]) -> Signer:
    table = names()[luck.choices(list(LANGUAGE_WEIGHTS), list(LANGUAGE_WEIGHTS.values()))[0]]
    gender = luck.choice(("female", "male"))
    country = luck.choices(list(COUNTRY_WEIGHTS), list(COUNTRY_WEIGHTS.values()))[0]
    return Signer(
        kind="honest",
        name=f"{luck.choice(table[f'{gender}_given'])} {luck.choice(table[f'{gender}_family'])}",
        email=f"signer{number}.{run}@example.org",
        country=country,
        city=luck.choice(names()["cities"][country]),
        language=luck.choice(("en", "be", "pl")),
        visibility=luck.choices(("ministry", "public", "initials", "counted"), (60, 20, 12, 8))[0],
        updates=luck.random() < 0.3,
        petition=luck.choices(list(petitions), list(petitions.values()))[0],
    )
