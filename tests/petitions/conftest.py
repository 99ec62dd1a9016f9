"""What several tests of petitions begin with."""

from __future__ import annotations

import pytest

from petitions import bursts
from tests.factories import Factory


@pytest.fixture
def petition(make: Factory) -> int:
    """Number of an open petition."""
    return make.petition()


@pytest.fixture
def small_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are a flood."""
    monkeypatch.setattr(bursts, "MOST_A_NETWORK", 5)
    monkeypatch.setattr(bursts, "MOST_A_DOMAIN", 4)
