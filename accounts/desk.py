"""What domains give to the console's common pages: what waits for somebody, where one can go, and titles of petitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flask_babel import LazyString

from accounts.models import Account


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for one person: a sentence, and where to deal with it."""

    text: str
    url: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A room of the console, for the start page and the navigation."""

    label: LazyString
    endpoint: str
    hint: LazyString
    is_open_to: Callable[[Account], bool]


_waiting: list[Callable[[Account], Iterable[Waiting]]] = []
_places: list[Place] = []
_titles: list[Callable[[str], Sequence[tuple[int, str]]]] = []


def waits(look: Callable[[Account], Iterable[Waiting]]) -> Callable[[Account], Iterable[Waiting]]:
    """Register a function that says what of its domain waits for somebody."""
    _waiting.append(look)
    return look


def add_place(place: Place) -> None:
    """Register a room."""
    _places.append(place)


def gives_titles(look: Callable[[str], Sequence[tuple[int, str]]]) -> Callable[[str], Sequence[tuple[int, str]]]:
    """Register the function that knows number and title of every petition, in a language."""
    _titles.append(look)
    return look


def what_waits(account: Account) -> list[Waiting]:
    """Everything that waits for this account, the urgent first."""
    found = [one for look in _waiting for one in look(account)]
    return sorted(found, key=lambda one: not one.urgent)


def places_for(account: Account) -> list[Place]:
    """Rooms that are open to this account, in the order of their registration."""
    return [place for place in _places if place.is_open_to(account)]


def petition_titles(language: str) -> list[tuple[int, str]]:
    """Number and title of every petition."""
    return [one for look in _titles for one in look(language)]
