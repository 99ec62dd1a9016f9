"""The audit trail: PostgreSQL keeps the chain, nobody of ours can change it, and whoever can is found out."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from core import audit
from core.audit import AuditEntry, broken_links, carry_head, labels, line_of, read_heads, record
from core.config import Role
from core.demo.embedded import EmbeddedPostgres
from core.extensions import db
from tests.accounts.test_login import EMAIL, attempt
from tests.conftest import ROOT, House
from tests.core.test_inbox import refused
from tests.factories import Factory, counted, enter, post, sign

ACTION = "session.begun"


def write(house: House, number: int, role: Role = Role.CONSOLE) -> None:
    with house.inside(role):
        for step in range(number):
            record(ACTION, None, "thing", step, country_code="PL", note="Ільлё ‘x’")


def found(house: House, heads: Path | None = None) -> list[str]:
    with house.inside(Role.WORKER):
        return list(broken_links(read_heads(heads) if heads else None))


def test_the_database_numbers_dates_and_chains(house: House) -> None:
    write(house, 3)
    assert found(house) == []
    with house.inside(Role.WORKER):
        before = audit.GENESIS
        for number, entry in enumerate(db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)), 1):
            assert entry.seq == number
            before = hashlib.sha256(before + line_of(entry)).digest()
            assert entry.hash == before
    assert house.value("SELECT bool_and(at > now() - interval '1 minute') FROM audit")


@pytest.mark.parametrize("column", ["seq", "at", "via", "hash"])
def test_no_role_writes_what_the_database_writes(house: House, column: str) -> None:
    value = {"seq": "5", "at": "now()", "via": "'x'", "hash": "''"}[column]
    for role in (Role.CONSOLE, Role.WORKER):
        assert refused(
            house,
            role,
            f"INSERT INTO audit (action, object_kind, object_id, details, {column}) VALUES ('a.b', '', '', '', {value})",
        )


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSOLE, Role.WORKER])
@pytest.mark.parametrize(
    "change",
    ["UPDATE audit SET details = '{}'", "DELETE FROM audit", "TRUNCATE audit", "UPDATE audit_head SET seq = 0"],
)
def test_no_role_changes_or_removes_an_entry(house: House, role: Role, change: str) -> None:
    write(house, 1)
    assert refused(house, role, change)


def test_the_public_web_neither_reads_nor_writes_it(house: House) -> None:
    for statement in ("SELECT count(*) FROM audit", "INSERT INTO audit (action) VALUES ('a.b')"):
        assert refused(house, Role.PUBLIC, statement)


@pytest.mark.parametrize(
    ("tampering", "sentence"),
    [
        ("UPDATE audit SET details = '{}' WHERE seq = 5", "entry 5 was altered"),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE seq = 5", "entry 5 was altered"),
        ("UPDATE audit SET actor_id = NULL, via = 'x' WHERE seq = 5", "entry 5 was altered"),
        ("UPDATE audit SET country_code = 'LT' WHERE seq = 5", "entry 5 was altered"),
        ("DELETE FROM audit WHERE seq = 5", "entry 5 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "entry 1 is missing"),
        ("DELETE FROM audit WHERE seq > 6", "ends with entry 6"),
        ("DELETE FROM audit", "ends with entry 0"),
        (
            "UPDATE audit SET seq = -seq WHERE seq IN (4, 5); UPDATE audit SET seq = CASE seq WHEN -4 THEN 5 ELSE 4 END WHERE seq < 0",
            "entry 4 was altered or moved",
        ),
    ],
)
def test_altering_cutting_and_reordering_are_found(house: House, tampering: str, sentence: str) -> None:
    write(house, 8)
    for statement in tampering.split(";"):
        house.sql(statement)
    assert any(sentence in one for one in found(house)), found(house)


def rewrite(house: House, upto: int) -> None:
    """What a superuser can do: cut the end off and make all that remains look whole."""
    house.sql("DELETE FROM audit WHERE seq > :n", n=upto)
    house.sql("UPDATE audit SET details = '{}' WHERE seq = 2")
    with house.inside(Role.WORKER):
        before = audit.GENESIS
        hashes = {}
        for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.seq)):
            before = hashes[entry.seq] = hashlib.sha256(before + line_of(entry)).digest()
    for seq, new in hashes.items():
        house.sql("UPDATE audit SET hash = :h WHERE seq = :s", h=new, s=seq)
    house.sql("UPDATE audit_head SET seq = :s, hash = :h", s=upto, h=before)


def test_a_trail_that_was_made_anew_is_found_by_the_heads_kept_elsewhere(house: House, tmp_path: Path) -> None:
    heads = tmp_path / "heads"
    for _ in range(3):
        write(house, 3)
        with house.inside(Role.WORKER):
            carry_head(heads)
            carry_head(heads)
    assert list(read_heads(heads)) == [3, 6, 9], "each head once"
    assert found(house, heads) == []
    rewrite(house, 6)
    assert found(house) == [], "the chain alone cannot see it"
    assert found(house, heads) == [
        "entry 3 is not the one whose hash was kept elsewhere",
        "entry 6 is not the one whose hash was kept elsewhere",
        "entry 9, whose hash was kept elsewhere, is gone",
    ]


def test_fsck_tells_and_ends_with_one(
    own_database: House, make_own: Factory, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    enter(own_database, make_own.account())
    app = own_database.app(Role.WORKER)
    app.extensions["zbor"] = replace(app.extensions["zbor"], audit_heads=tmp_path / "heads")
    good = app.test_cli_runner().invoke(args=["fsck"])
    assert "I13" in good.output
    assert good.exit_code == 0, good.output
    own_database.sql("UPDATE audit SET object_id = 'other' WHERE seq = 1")
    bad = app.test_cli_runner().invoke(args=["fsck"])
    assert bad.exit_code == 1
    assert "BROKEN" in bad.output
    assert "entry 1 was altered" in caplog.text


def test_entries_written_at_once_form_one_chain(own_database: House) -> None:
    def go(_number: int) -> None:
        with own_database.app(Role.CONSOLE).app_context():
            for _ in range(10):
                record(ACTION, None)
                db.session.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(go, range(4)))
    assert own_database.value("SELECT count(*) FROM audit") == 40
    with own_database.app(Role.WORKER).app_context():
        assert list(broken_links()) == []


def test_what_is_rolled_back_leaves_no_entry_and_no_gap(house: House) -> None:
    write(house, 1)
    with house.inside(Role.CONSOLE):
        record(ACTION, None)
        db.session.rollback()
    write(house, 1)
    assert found(house) == []
    assert house.value("SELECT max(seq) FROM audit") == 2


def test_an_action_that_nobody_declared_is_a_mistake_of_ours(house: House) -> None:
    with house.inside(Role.CONSOLE), pytest.raises(ValueError, match="not declared"):
        record("made.up", None)


@pytest.mark.parametrize("role", [Role.CONSOLE, Role.WORKER])
def test_an_entry_says_which_process_wrote_it(own_database: House, postgres: EmbeddedPostgres, role: Role) -> None:
    with own_database.app(role).app_context():
        record(ACTION, None)
        db.session.commit()
    assert own_database.value("SELECT via FROM audit") == f"zbor_{role}"


def test_the_log_is_told_each_head_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with house.inside(Role.WORKER):
        carry_head(None)
        assert "audit trail" not in caplog.text
    write(house, 2)
    with house.inside(Role.WORKER):
        for _ in range(3):
            carry_head(None)
    assert caplog.text.count("entry 2 has the hash") == 1


# --- What stands in it ---------------------------------------------------------------------------------------------------


@pytest.fixture
def canary(house: House, make: Factory) -> Iterator[str]:
    """The address and name of a signer, which nothing may write into the trail."""
    yield "canary-8871"
    everything = str(house.sql("SELECT * FROM audit").all())
    assert "canary-8871" not in everything


def test_a_day_of_work_names_no_signer(house: House, make: Factory, canary: str) -> None:
    petition = make.petition()
    counted(house, make.slug(petition), email=f"{canary}@example.org", name=f"Name {canary}", city=canary)
    sign(house.client(), make.slug(petition), email=f"{canary}-2@example.org")
    client = enter(house, make.account(petition, role="reviewer"))
    post(client, f"/petitions/{petition}/search", email=f"{canary}@example.org")
    attempt(house.client(Role.CONSOLE), email=f"{canary}@example.org")
    house.drain()
    assert house.value("SELECT count(*) FROM audit") >= 3


def test_logging_in_and_failing_to_are_written_down_alike(house: House, make: Factory) -> None:
    account = make.account(email=EMAIL)
    attempt(house.client(Role.CONSOLE), passphrase="wrong")
    attempt(house.client(Role.CONSOLE), email="nobody@example.org")
    attempt(house.client(Role.CONSOLE))
    rows = house.sql("SELECT action, actor_id, object_kind, object_id FROM audit ORDER BY seq").all()
    assert [row[:2] for row in rows] == [
        ("session.refused", None),
        ("session.refused", None),
        ("session.begun", account),
    ]
    assert [row.object_id for row in rows[:2]] == [str(account), ""]


def test_the_viewer_reads_it_back_with_filters(house: House, make: Factory) -> None:
    chief, other = make.account(role="administrator", name="Ales"), make.account(role="administrator", name="Belka")
    client = enter(house, chief)
    post(client, f"/people/{other}/sessions/end")
    everything = client.get("/audit").text
    for word in ("Ales", "Logged in", "Ended every session of an account", "Passkey"):
        assert word in everything
    assert "Logged in" not in client.get("/audit?action=session.all_ended").text.split("<tbody")[1]
    assert "No entry matches" in client.get(f"/audit?actor={other}").text
    assert "No entry matches" in client.get("/audit?last=2020-01-01").text
    assert "Ended every" in client.get(f"/audit?object_id={other}").text.split("<tbody")[1]
    for odd in ("?first=x", "?actor=x", "?actor=99999999999", "?action=no.such", "?last=9999-12-31", "?page=-1"):
        assert client.get(f"/audit{odd}").status_code == 200, odd


def test_every_declared_action_is_recorded_somewhere() -> None:
    """A name in the viewer's filter that nothing ever writes would look as if it never happened."""
    import wsgi  # noqa: F401  # Everything that declares one.

    sources = [
        path.read_text()
        for room in ("accounts", "core", "delivery", "petitions", "pickets", "worker")
        for path in (ROOT / room).rglob("*.py")
    ]
    declared = dict(
        found for source in sources for found in re.findall(r'^(\w+) = auditable\("([a-z_.]+)"', source, re.MULTILINE)
    )
    assert set(declared.values()) == set(labels)
    for constant in declared:
        assert sum(len(re.findall(rf"\b{constant}\b", source)) for source in sources) > 1, constant
