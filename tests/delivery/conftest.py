"""A house with a bundle folder of its own, and somebody to draw bundles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config import Role
from tests.conftest import House
from tests.delivery.factories import Studio
from tests.factories import Factory


@pytest.fixture
def house(own_database: House, tmp_path: Path) -> House:
    """Real transactions, and a bundle folder of its own."""
    app = own_database.app(Role.WORKER)
    app.extensions["zbor"] = replace(app.extensions["zbor"], bundle_dir=tmp_path / "bundles")
    return own_database


@pytest.fixture
def petition(make_own: Factory) -> int:
    return make_own.petition(texts=("en", "pl"))


@pytest.fixture
def studio(house: House) -> Studio:
    return Studio(house)
