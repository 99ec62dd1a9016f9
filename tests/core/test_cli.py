"""Commands, the pages of caught mail, and the keys they make."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import keys
from core.config import Role
from core.demo.embedded import EmbeddedPostgres
from core.keyring import load_keyring
from core.keys import DATABASE_ROLES, make_database_secrets, make_secrets, root_public_key, write_secret
from tests.conftest import House
from tests.factories import Factory, counted, sign


def test_fsck_as_a_table_and_as_json(own_database: House, make_own: Factory) -> None:
    runner = own_database.app(Role.WORKER).test_cli_runner()
    counted(own_database, make_own.slug(make_own.petition()))
    clean = runner.invoke(args=["fsck"])
    assert clean.exit_code == 0, clean.output
    assert "BROKEN" not in clean.output
    own_database.sql("UPDATE tallies SET total = 7 WHERE state = 'counted'")
    broken = runner.invoke(args=["fsck", "--json"])
    assert broken.exit_code == 1
    assert [row["name"] for row in json.loads(broken.output) if row["broken"]] == ["I3"]


@pytest.mark.parametrize(("purpose", "place"), [("worker", "worker/sealing"), ("recovery", "recovery")])
def test_a_new_sealing_key_is_made_where_the_root_is_and_listed_where_the_database_is(
    house: House,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    purpose: str,
    place: str,
) -> None:
    write_secret(tmp_path / "root" / "root.key", (house.secrets.folder / "root" / "root.key").read_bytes())
    monkeypatch.setattr("sys.argv", ["core.keys", "sealing-key", str(tmp_path), "--purpose", purpose, "--days", "40"])
    keys.main()
    line = capsys.readouterr().out
    [file] = (tmp_path / place).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600

    def list_it(line: str) -> Any:
        with house.acting(Role.OWNER):
            return house.app(Role.OWNER).test_cli_runner().invoke(args=["list-sealing-key", line])

    assert (
        "not signed by the root key"
        in list_it(line.replace(f"|{purpose}|", f"|{'recovery' if purpose == 'worker' else 'worker'}|")).output
    )
    assert "not a line that" in list_it("nonsense").output
    done = list_it(line)
    assert done.exit_code == 0, done.output
    assert house.value("SELECT purpose FROM sealing_keys WHERE id = :id", id=file.stem) == purpose


def test_what_was_given_up_can_be_tried_again(house: House, make: Factory) -> None:
    slug = make.slug(make.petition())
    sign(house.client(), slug)
    house.sql("UPDATE inbox SET state = 'failed', attempts = 5")
    with house.acting(Role.WORKER):
        done = house.app(Role.WORKER).test_cli_runner().invoke(args=["retry-failed"])
    assert "tried again: 1" in done.output
    assert house.drain() == 1
    assert house.value("SELECT state FROM signatures") == "pending"


def test_keys_and_passwords_are_made_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["core.keys", "init", str(tmp_path)])
    keys.main()
    assert capsys.readouterr().out.startswith("ZBOR_ROOT_PUBLIC_KEY=")
    assert {path.name for path in tmp_path.iterdir()} == {"root", "worker", "console", "database", "initdb"}


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    make_secrets(tmp_path, "smtp://127.0.0.1:25")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 9
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*"))
    make_secrets(tmp_path, "smtp://elsewhere")
    assert {path: path.read_bytes() for path in before} == before
    assert len(root_public_key(tmp_path / "root" / "root.key")) == 44


def test_database_roles_are_made_with_the_passwords_of_their_files(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    for _ in range(2):
        make_database_secrets(tmp_path)
    script = (tmp_path / "initdb" / "roles.sql").read_text()
    for name, role in DATABASE_ROLES.items():
        password = (tmp_path / "database" / name).read_text().strip().rsplit(":", 1)[1]
        assert f"CREATE ROLE {role} LOGIN" in script
        assert f"PASSWORD '{password}'" in script
    with postgres.connect("postgres", "postgres") as connection, connection.transaction(force_rollback=True):
        for statement in script.splitlines()[1:]:
            connection.execute(
                statement.replace("ROLE zbor_", "ROLE other_")
                .replace("TO zbor_owner", "TO other_owner")
                .replace("DATABASE zbor", "DATABASE postgres")
            )


def test_caught_mail_can_be_read_where_it_is_switched_on(house: House, tmp_path: Path) -> None:
    (tmp_path / "000001.eml").write_bytes(
        b"Subject: Please confirm\r\nTo: olga@example.org\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhttp://localhost/confirm/x <b>\r\n"
    )
    client = house.client(Role.PUBLIC, dev_mail_dir=tmp_path)
    assert "olga@example.org" in client.get("/dev/mail/").text
    page = client.get("/dev/mail/1").text
    assert 'href="http://localhost/confirm/x"' in page
    assert "&lt;b&gt;" in page
    assert client.get("/dev/mail/2").status_code == 404


def test_caught_mail_is_not_there_otherwise(house: House) -> None:
    assert house.client().get("/dev/mail/").status_code == 404


def test_the_key_of_the_logs_is_listed_and_nothing_is_sealed_to_it(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.inbox import recipients

    make_secrets(tmp_path, "smtp://localhost:25")
    (tmp_path / "root" / "root.key").write_bytes((house.secrets.folder / "root" / "root.key").read_bytes())
    monkeypatch.setattr("sys.argv", ["core.keys", "log-key", str(tmp_path)])
    keys.main()
    line = capsys.readouterr().out
    with house.acting(Role.OWNER):
        done = house.app(Role.OWNER).test_cli_runner().invoke(args=["list-sealing-key", line])
    assert "signs until" in done.output
    row = house.sql("SELECT * FROM sealing_keys WHERE id = :id", id=line.split("|")[0]).one()
    assert row.purpose == "log"
    assert row.public_key == keys.public_half(tmp_path / "worker" / "log.key")
    assert (row.not_after - row.not_before).days == 3650
    with house.inside(Role.PUBLIC):
        assert [one.key_id for one in recipients()] == [house.secrets.sealing_key["id"]]


def test_without_a_whole_key_of_the_logs_the_worker_has_all_its_others(house: House, tmp_path: Path) -> None:
    make_secrets(tmp_path, "smtp://localhost:25")
    config = replace(house.app(Role.WORKER).extensions["zbor"], secrets_dir=tmp_path / "worker")
    assert load_keyring(config).log_key is not None
    (tmp_path / "worker" / "log.key").write_text("half a k")
    assert load_keyring(config).log_key is None
    (tmp_path / "worker" / "log.key").unlink()
    assert load_keyring(config).log_key is None
    make_secrets(tmp_path, "smtp://localhost:25")
    assert load_keyring(config).log_key is not None, "an older folder is given one"
