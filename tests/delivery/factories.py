"""Asking for bundles, building them, taking them away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from flask.testing import FlaskClient

from core.config import Config, Role
from delivery import building, handing
from delivery.document import Engine, IndexVolume, RegisterVolume, Sealed
from tests.conftest import House
from tests.factories import agree, hidden, post, write_logs
from worker.pdf import draw_index, draw_register
from worker.seal import seal


@dataclass
class Studio:
    """Builds bundles, and keeps what was to be drawn. Unless told otherwise it draws nothing, and each file says which it is."""

    house: House
    real: bool = False
    registers: list[RegisterVolume] = field(default_factory=list)
    indexes: list[IndexVolume] = field(default_factory=list)
    before_register: Callable[[RegisterVolume], object] = lambda _volume: None

    @property
    def config(self) -> Config:
        """The worker's."""
        config: Config = self.house.app(Role.WORKER).extensions["zbor"]
        return config

    def configure(self, **changes: Any) -> None:
        """Change the worker's configuration."""
        app = self.house.app(Role.WORKER)
        app.extensions["zbor"] = replace(self.config, **changes)

    @property
    def engine(self) -> Engine:
        """What draws and seals."""

        def register(volume: RegisterVolume) -> bytes:
            self.registers.append(volume)
            self.before_register(volume)
            return draw_register(volume) if self.real else f"%PDF {volume.name}".encode()

        def index(volume: IndexVolume) -> bytes:
            self.indexes.append(volume)
            return draw_index(volume) if self.real else b"%PDF index"

        made = partial(seal, config=self.config) if self.real else lambda content: Sealed(content, 1, "00" * 32)
        return Engine(register, index, made)

    def build(self, *, logged: bool = True) -> bool:
        """Let the worker build whatever is to be built. Returns whether there is more to do."""
        if logged:
            write_logs(self.house, 1)
        with self.house.inside(Role.WORKER):
            return building.build_some(self.house.keyring, self.engine, self.config, 600)

    def names(self) -> list[str]:
        """The names in all registers that were drawn."""
        return [row.name for volume in self.registers for row in volume.rows]


def addressee(house: House, country: str) -> int:
    """The addressee of a country."""
    return int(house.value("SELECT id FROM addressees WHERE country_code = :c", c=country))


def ask(house: House, client: FlaskClient, petition_id: int, country: str = "PL", level: str = "names") -> Any:
    """Ask for a bundle, and have a second person agree."""
    path = f"/petitions/{petition_id}/addressees/{addressee(house, country)}/bundles"
    page = client.get(path)
    csrf = hidden(page.text, "csrf_token") if page.status_code == 200 else ""
    answer = client.post(path, data={"csrf_token": csrf, "level": level})
    if answer.status_code == 303:
        agree(house, answer.location.rpartition("/")[2])
    return answer


def taken_away(studio: Studio, client: FlaskClient, page: str) -> bytes:
    """The archive of a bundle that is ready, as its coordinator gets it."""
    asked = post(client, f"{page}/downloads")
    assert answer_downloads(studio) == 1
    return bytes(client.get(asked.location).data)


def answer_downloads(studio: Studio) -> int:
    """Let the worker answer what was asked for."""
    with studio.house.inside(Role.WORKER):
        return handing.answer_downloads(studio.house.keyring, studio.config)


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The files of a bundle, by what follows its code."""
    with ZipFile(BytesIO(archive)) as file:
        names = {name: name.rpartition("/")[2] for name in file.namelist()}
        return {short.split("-", 3)[-1]: file.read(name) for name, short in names.items()}


def the_bundle(house: House) -> Any:
    """The row of the only bundle, or the newest."""
    return house.sql("SELECT * FROM bundles ORDER BY requested_at DESC LIMIT 1").one()
