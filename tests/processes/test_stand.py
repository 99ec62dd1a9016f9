"""The demonstration, small, and what it says when something is in its way."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from core.demo.__main__ import Demonstration, start
from core.demo.embedded import StandError
from core.demo.stand import Ports, Stand

pytestmark = pytest.mark.processes


def test_the_demonstration_runs_and_runs_again(tmp_path: Path) -> None:
    ports = Ports.free()
    for runs in (1, 2):
        stand = Stand(tmp_path / "var", ports, durable=False, extra={"ZBOR_PROXY_HOPS": "1"})
        try:
            start(stand)
            Demonstration(stand, total=200).run()
        finally:
            stand.stop()
        assert len(list((tmp_path / "var" / "demo").glob("*.zip"))) == 2 * runs, "one for Poland and one for Lithuania"


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stand = Stand(tmp_path, replace(Ports.free(), console=port))
        with pytest.raises(
            StandError, match=rf"Port {port}, which the console wants, is in use\. Stop what listens there"
        ):
            stand.check_ports()


def test_an_interrupted_first_start_is_begun_anew(tmp_path: Path) -> None:
    stand = Stand(tmp_path, Ports.free(), durable=False)
    (tmp_path / "postgres" / "data" / "base").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("18\n")
    stand.start_servers()
    stand.stop()


def test_a_database_without_its_keys_is_said_to_be_half_there(tmp_path: Path) -> None:
    stand = Stand(tmp_path, Ports.free(), durable=False)
    stand.start_servers()
    stand.stop()
    (tmp_path / "secrets" / "worker" / "mailbox.key").unlink()
    with pytest.raises(StandError, match="only half there: it has a database, but not the keys to it"):
        Stand(tmp_path, Ports.free(), durable=False).start_servers()


def test_a_damaged_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    stand = Stand(tmp_path, Ports.free(), durable=False)
    stand.start_servers()
    stand.stop()
    (tmp_path / "postgres" / "data" / "PG_VERSION").unlink()
    with pytest.raises(StandError, match=r"stopped at once; .*postgres\.log says why"):
        Stand(tmp_path, Ports.free(), durable=False).start_servers()


def test_a_process_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    stand = Stand(tmp_path, Ports.free(), durable=False, extra={"ZBOR_CONTACT": ""})
    stand.start_servers()
    try:
        with pytest.raises(StandError, match=r"The process `web` did not start"):
            stand.start_web()
    finally:
        stand.stop()
