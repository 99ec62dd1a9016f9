"""Commands, the pages of caught mail, and the keys they make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.config import Role
from core.demo.embedded import EmbeddedPostgres
from core.keys import DATABASE_ROLES, make_database_secrets, make_secrets, root_public_key
from tests.conftest import House
from tests.factories import Factory, counted


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


@pytest.mark.parametrize("purpose", ["worker", "recovery"])
def test_a_new_sealing_key_is_listed_and_its_private_half_kept(house: House, tmp_path: Path, purpose: str) -> None:
    root = house.secrets.folder / "root" / "root.key"
    with house.acting(Role.OWNER):
        done = (
            house.app(Role.OWNER)
            .test_cli_runner()
            .invoke(
                args=[
                    "add-sealing-key",
                    "--root-key",
                    str(root),
                    "--sealing-dir",
                    str(tmp_path),
                    "--purpose",
                    purpose,
                    "--days",
                    "40",
                ]
            )
        )
    assert done.exit_code == 0, done.output
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert house.value("SELECT purpose FROM sealing_keys WHERE id = :id", id=file.stem) == purpose


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    make_secrets(tmp_path, "smtp://127.0.0.1:25")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 5
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
        for statement in script.splitlines():
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
