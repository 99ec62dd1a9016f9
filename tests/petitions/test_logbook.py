"""The log of a petition: what is written into it, when, and that no fault in it stays unseen."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from core import fsck
from core.config import Role
from core.extensions import db
from core.merkle import entry, head_statement, leaf_hash, root_of
from core.records import decrypt_record, encrypt_record, open_row_key
from core.sealing import statement_is_signed
from petitions import logbook
from petitions.proving import Answer, check_line, newest_head, receipt_line, tree_of
from petitions.pub import PublicPetition
from tests.conftest import House
from tests.factories import Factory, counted, many_counted, press, token, write_logs

LEAVES = "SELECT index, kind, commitment, about FROM leaves ORDER BY index"
OTHER = "decode(repeat('ab', 32), 'hex')"
DAY_GONE = "UPDATE logs SET waiting_since = waiting_since - interval '24 hours'"


@pytest.fixture
def petition(make: Factory) -> int:
    return make.petition()


def heads(house: House) -> Sequence[Any]:
    return house.sql("SELECT * FROM tree_heads ORDER BY size").all()


def entries(house: House) -> list[tuple[str, int | None]]:
    return [(row.kind, row.about) for row in house.sql(LEAVES)]


def broken(house: House) -> set[str]:
    """Names of the invariants of logs that are broken."""
    with house.inside(Role.WORKER):
        mine = [one for one in fsck._invariants if one.name in ("I15", "I16", "I17", "I18")]
        return {one.name for one in mine if one.count_broken()}


# --- When ---------------------------------------------------------------------------------------------------------------


def test_few_signatures_wait_a_day_and_many_do_not(house: House, petition: int) -> None:
    many_counted(house, petition, 49)
    assert write_logs(house) == 0
    assert write_logs(house) == 0
    many_counted(house, petition, 1)
    assert write_logs(house) == 50
    assert house.value("SELECT waiting_since FROM logs") is None

    many_counted(house, petition, 1)
    assert write_logs(house) == 0
    assert house.value("SELECT waiting_since FROM logs") is not None
    house.sql("UPDATE logs SET waiting_since = waiting_since - interval '23 hours 59 minutes'")
    assert write_logs(house) == 0
    house.sql("UPDATE logs SET waiting_since = waiting_since - interval '1 minute'")
    assert write_logs(house) == 1
    assert [head.size for head in heads(house)] == [50, 51]
    assert broken(house) == set()


@pytest.mark.parametrize("state", ["closed", "archived"])
def test_what_comes_after_the_end_waits_as_long(house: House, petition: int, state: str) -> None:
    many_counted(house, petition, 50)
    assert write_logs(house) == 50
    house.sql("UPDATE petitions SET state = :s, closes_at = now()", s=state)
    house.sql("UPDATE signatures SET state = 'withdrawn' WHERE leaf_index = 7")
    assert write_logs(house) == 0, "whoever sees a name disappear would know its leaf"
    house.sql(DAY_GONE)
    assert write_logs(house) == 1
    assert entries(house)[50:] == [("W", 7)]


def test_heads_are_in_order_though_the_clock_was_set_back(house: House, petition: int) -> None:
    many_counted(house, petition, 50)
    write_logs(house)
    house.sql("ALTER TABLE tree_heads DISABLE TRIGGER ALL")
    later: datetime = house.value("UPDATE tree_heads SET signed_at = signed_at + interval '1 hour' RETURNING signed_at")
    many_counted(house, petition, 50)
    assert write_logs(house) == 50
    assert [head.signed_at for head in heads(house)] == [later, later]


def test_no_head_is_signed_by_a_key_whose_time_is_over(
    house: House, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends while the worker writes."""
    many_counted(house, petition, 50)
    with house.inside(Role.WORKER):
        signer = logbook.log_signer(house.keyring)
    assert signer is not None
    over = replace(signer, not_after=house.value("SELECT now()"))
    monkeypatch.setattr(logbook, "log_signer", lambda _keyring: over)
    assert write_logs(house) == 0
    monkeypatch.undo()
    assert write_logs(house) == 50


def test_nobody_inherits_the_wait_of_somebody_who_left(house: House, petition: int) -> None:
    [gone] = many_counted(house, petition, 1)
    write_logs(house)
    house.sql(DAY_GONE)
    house.sql("UPDATE signatures SET state = 'withdrawn' WHERE id = :id", id=gone)
    assert write_logs(house) == 0
    many_counted(house, petition, 1)
    assert write_logs(house) == 0, "it would stand alone in its batch"
    assert entries(house) == []


def test_the_order_of_a_batch_tells_nothing_and_lots_make_heads_of_their_own(
    house: House, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "LOT", 60)
    made = many_counted(house, petition, 150)
    assert write_logs(house) == 120, "the last 30 wait for others"
    assert [head.size for head in heads(house)] == [60, 120]
    house.sql(DAY_GONE)
    assert write_logs(house) == 30
    in_order = house.sql("SELECT id FROM signatures ORDER BY leaf_index").scalars().all()
    assert sorted(in_order) == sorted(made)
    # One of 60! orders; that of the numbers would be the one in which they are read.
    assert in_order[:60] != sorted(in_order[:60])
    assert broken(house) == set()


# --- What ---------------------------------------------------------------------------------------------------------------


def test_a_signature_is_added_withdrawn_held_back_and_released(house: House, petition: int) -> None:
    first, second, third = many_counted(house, petition, 3)

    def becomes(signature_id: object, state: str) -> None:
        house.sql("UPDATE signatures SET state = :s WHERE id = :id", s=state, id=signature_id)
        assert write_logs(house, enough=1) == 1

    assert write_logs(house, enough=1) == 3
    at = {row.id: row.leaf_index for row in house.sql("SELECT id, leaf_index FROM signatures")}
    becomes(first, "withdrawn")
    becomes(second, "quarantined")
    becomes(second, "counted")
    becomes(third, "rejected")
    assert entries(house)[3:] == [("W", at[first]), ("Q", at[second]), ("R", at[second]), ("Q", at[third])]
    assert [(head.size, head.counted) for head in heads(house)] == [(3, 3), (4, 2), (5, 1), (6, 2), (7, 1)]
    assert house.sql("SELECT id FROM signatures WHERE in_log").scalars().all() == [second]
    assert broken(house) == set()
    # Held back, then withdrawn: the log counts it no more already.
    house.sql("UPDATE signatures SET state = 'withdrawn' WHERE id = :id", id=third)
    assert write_logs(house, enough=1) == 0


def test_a_leaf_commits_to_who_signed_what_and_not_to_who_may_know(house: House, make: Factory) -> None:
    petition = make.petition()
    slug = make.slug(petition)
    row = counted(house, slug)
    assert write_logs(house, enough=1) == 1
    with house.inside(Role.WORKER):
        record = decrypt_record(
            open_row_key(row.row_key_id, house.keyring.private_keys), "signatures", row.id, row.sealed
        )
    text_hash = house.value("SELECT hash FROM petition_texts")
    told = (
        f'{{"city":"Białystok","country":"PL","email":"olga@example.org","event":"{row.event_id}","name":"Вольга Вераб’ёва",'
        f'"petition":"{slug}","received":"{row.received_at:%Y-%m-%dT%H:%M:%SZ}","text":"{text_hash}"}}'
    )
    [leaf] = house.sql(LEAVES).all()
    salt = base64.b64decode(record["salt"])
    assert leaf.commitment == hmac.digest(salt, told.encode(), hashlib.sha256)
    assert "visibility" not in told
    assert json.loads(told)["received"].endswith("Z")


def test_a_form_without_a_salt_gets_one_that_is_erased_with_it() -> None:
    good = base64.b64encode(bytes(range(32))).decode()
    assert logbook.salt_of({"salt": good}, b"key") == bytes(range(32))
    assert logbook.salt_of({"salt": base64.b64encode(bytes(16)).decode()}, b"key") == bytes(16)
    for wrong in (
        {},
        {"salt": ""},
        {"salt": "AAAA"},
        {"salt": None},
        {"salt": ["a"]},
        {"salt": "no base64"},
        {"salt": good * 9},
    ):
        made = logbook.salt_of(wrong, b"key")
        assert len(made) == 32
        assert made != logbook.salt_of(wrong, b"another key")


def test_heads_are_signed_tiles_are_kept_and_proofs_reach_them(house: House, petition: int) -> None:
    many_counted(house, petition, 600)
    assert write_logs(house) == 600
    [head] = heads(house)
    leaves = [leaf_hash(entry(row.kind, row.commitment, row.about)) for row in house.sql(LEAVES)]
    assert head.root == root_of(leaves)
    assert house.sql("SELECT root FROM tiles ORDER BY number").scalars().all() == [
        root_of(leaves[:256]),
        root_of(leaves[256:512]),
    ]
    slug = house.value("SELECT slug FROM petitions")
    statement = head_statement(slug, 600, head.root, 600, head.signed_at)
    assert head.signed_at.microsecond == 0
    assert head.key_id == house.secrets.log_key["id"]
    assert statement_is_signed(house.secrets.log_key["public_key"], statement, head.signature)
    row = house.sql("SELECT id, leaf_index FROM signatures WHERE leaf_index = 300").one()
    commitment = house.value("SELECT commitment FROM leaves WHERE index = 300")
    many_counted(house, petition, 50)
    assert write_logs(house) == 50
    house.sql("UPDATE signatures SET state = 'withdrawn' WHERE id = :id", id=row.id)
    write_logs(house)
    house.sql(DAY_GONE)
    assert write_logs(house) == 1
    assert [(one.size, one.counted) for one in heads(house)] == [(600, 600), (650, 650), (651, 649)]
    assert broken(house) == set()
    roots = {one.size: one.root for one in heads(house)}
    with house.inside(Role.PUBLIC):
        public = db.session.get_one(PublicPetition, petition)
        tree = tree_of(petition, 651)
        assert [tree.root(size) for size in roots] == list(roots.values())
        newest = newest_head(petition)
        assert newest is not None
        checked = check_line(public, f" {receipt_line(slug, 300, commitment)}\n")
        assert checked.answer is Answer.WITHDRAWN
        assert (checked.since.size, checked.newest.size) == (600, 651)  # type: ignore[union-attr]  # It has both.
        for wrong in (
            receipt_line(slug, 301, commitment),
            receipt_line(slug, 651, commitment),
            receipt_line("another", 300, commitment),
            receipt_line(slug, 300, bytes(32)),
        ):
            assert check_line(public, wrong) == check_line(public, receipt_line(slug, 99_999, bytes(32)))
            assert check_line(public, wrong).answer is Answer.NOT_HERE
        for nonsense in ("", "zbor1:", receipt_line(slug, 300, commitment) + "0", "zbor1:a:01:" + "0" * 64, "x" * 400):
            assert check_line(public, nonsense).answer is Answer.NO_RECEIPT


# --- What is away, and who is in the way --------------------------------------------------------------------------------


def test_without_its_key_the_log_waits_and_says_so(
    house: House, petition: int, caplog: pytest.LogCaptureFixture
) -> None:
    many_counted(house, petition, 50)
    for keyring in (
        replace(house.keyring, log_key=None),
        replace(house.keyring, log_key=Ed25519PrivateKey.generate()),
    ):
        with caplog.at_level(logging.ERROR), house.inside(Role.WORKER):
            assert logbook.write_due(keyring) == 0
        assert "wait for log.key" in caplog.text
        caplog.clear()
    house.sql("UPDATE sealing_keys SET root_signature = :s WHERE purpose = 'log'", s=bytes(64))
    assert write_logs(house) == 0
    house.sql(
        "UPDATE sealing_keys SET root_signature = :s WHERE purpose = 'log'", s=house.secrets.log_key["root_signature"]
    )
    assert write_logs(house) == 50


def test_those_whose_key_is_away_wait_and_make_no_smaller_batch_for_others(
    house: House, petition: int, caplog: pytest.LogCaptureFixture
) -> None:
    made = many_counted(house, petition, 60)
    away = "UPDATE row_keys SET sealed = overlay(sealed placing :other from 3) WHERE id IN (SELECT row_key_id FROM signatures WHERE id = ANY(:ids))"
    house.sql(away, other=bytes(16), ids=made[:20])
    with caplog.at_level(logging.ERROR):
        assert write_logs(house) == 0, "only 40 can be read"
    assert "20 signatures wait for a sealing key" in caplog.text
    house.sql(DAY_GONE)
    assert write_logs(house) == 40
    house.sql(away, other=house.secrets.sealing_key["id"].bytes, ids=made[:20])
    assert write_logs(house) == 0, "their day begins anew"
    house.sql(DAY_GONE)
    assert write_logs(house) == 20
    assert broken(house) == set()


def test_however_many_wait_for_a_key_they_are_in_nobodys_way(
    house: House, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "LOT", 60)
    first = sorted(many_counted(house, petition, 180))[:125]
    house.sql(
        "UPDATE row_keys SET sealed = overlay(sealed placing :other from 3) WHERE id IN (SELECT row_key_id FROM signatures WHERE id = ANY(:ids))",
        other=bytes(16),
        ids=first,
    )
    assert write_logs(house) == 55
    assert broken(house) == set()


@pytest.mark.parametrize("opens", [False, True])
def test_a_damaged_row_does_not_stop_the_log(
    house: House, petition: int, caplog: pytest.LogCaptureFixture, opens: bool
) -> None:
    made = many_counted(house, petition, 51)
    damaged = b"damaged"
    if opens:
        key_id = house.value("SELECT row_key_id FROM signatures WHERE id = :id", id=made[0])
        with house.inside(Role.WORKER):
            key = open_row_key(key_id, house.keyring.private_keys)
        damaged = encrypt_record(key, "signatures", made[0], {"name": "and nothing else"})
    house.sql("UPDATE signatures SET sealed = :sealed WHERE id = :id", sealed=damaged, id=made[0])
    with caplog.at_level(logging.ERROR):
        assert write_logs(house) == 50
    assert "1 signatures cannot be written" in caplog.text


def test_a_log_that_cannot_be_gone_on_with_stops_no_other(
    house: House, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = make.petition(), make.petition(countries=("DE",))
    for petition in (first, second):
        many_counted(house, petition, 50)
    house.sql("INSERT INTO leaves (petition_id, index, kind, commitment) VALUES (:p, 0, 'S', " + OTHER + ")", p=first)
    with caplog.at_level(logging.ERROR):
        assert write_logs(house) == 50
    assert f"writing the log of petition {first} failed" in caplog.text
    assert house.value("SELECT petition_id FROM tree_heads") == second
    assert broken(house) == {"I15", "I18"}


@pytest.mark.parametrize("table", ["leaves", "tiles", "tree_heads"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET petition_id = 1", "TRUNCATE {}"])
def test_not_even_the_worker_changes_what_a_log_says(house: House, table: str, statement: str) -> None:
    with (
        house.acting(Role.WORKER),
        pytest.raises(ProgrammingError, match="permission denied"),
        house.bind.begin_nested(),
    ):
        house.sql(statement.format(table))


@pytest.mark.parametrize("leaf", ["'S', NULL, NULL", "'S', NULL, 3", "'W', NULL, NULL", "'W', " + OTHER + ", 3"])
def test_the_database_takes_no_leaf_that_says_half(house: House, petition: int, leaf: str) -> None:
    many_counted(house, petition, 50)
    write_logs(house)
    with pytest.raises(IntegrityError, match="ck_leaves_whole"):
        house.sql(
            f"INSERT INTO leaves (petition_id, index, kind, commitment, about) VALUES (:p, 50, {leaf})", p=petition
        )


def test_two_workers_never_write_one_log_at_once(own_database: House, make_own: Factory) -> None:
    petition = make_own.petition()
    many_counted(own_database, petition, 50)
    own_database.sql("INSERT INTO logs (petition_id) VALUES (:p)", p=petition)
    engine = own_database.bind
    with engine.connect() as other, other.begin():
        other.execute(text("SELECT FROM logs FOR UPDATE"))
        started = time.monotonic()
        assert write_logs(own_database) == 0
        assert time.monotonic() - started < 5
    assert write_logs(own_database) == 50
    assert broken(own_database) == set()


# --- Faults -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("UPDATE tree_heads SET root = " + OTHER + " WHERE size = 50", {"I16", "I17"}),
        ("UPDATE tree_heads SET counted = 49 WHERE size = 50", {"I16", "I17"}),
        ("UPDATE tree_heads SET signature = decode(repeat('00', 64), 'hex') WHERE size = 301", {"I17"}),
        ("UPDATE tree_heads SET signed_at = signed_at + interval '1 second' WHERE size = 301", {"I17"}),
        ("UPDATE tree_heads SET signed_at = signed_at + interval '1 hour' WHERE size = 50", {"I16", "I17"}),
        ("UPDATE tree_heads SET signed_at = signed_at - interval '1 year' WHERE size = 50", {"I17"}),
        ("UPDATE sealing_keys SET root_signature = decode(repeat('00', 64), 'hex') WHERE purpose = 'log'", {"I17"}),
        ("DELETE FROM tree_heads WHERE size = 301", {"I15"}),
        ("DELETE FROM tree_heads", {"I15"}),
        ("UPDATE tiles SET root = " + OTHER, {"I16"}),
        ("DELETE FROM tiles", {"I16"}),
        ("INSERT INTO tiles SELECT petition_id, 1, root FROM tiles", {"I16"}),
        # A forged leaf in the place of one, a swapped pair, one dropped from the end and from the middle, one slipped in.
        ("UPDATE leaves SET commitment = " + OTHER + " WHERE index = 60", {"I16"}),
        (
            "UPDATE leaves a SET commitment = b.commitment FROM leaves b WHERE (a.index, b.index) IN ((20, 21), (21, 20))",
            {"I16"},
        ),
        ("DELETE FROM leaves WHERE index = 300", {"I15", "I16", "I18"}),
        ("DELETE FROM leaves WHERE index = 100", {"I15", "I16", "I18"}),
        ("INSERT INTO leaves SELECT petition_id, 301, 'S', " + OTHER + " FROM petitions", {"I15", "I18"}),
        # A marker that counts somebody twice, and one that changed what it says.
        ("INSERT INTO leaves SELECT petition_id, 301, 'R', 5 FROM petitions", {"I15"}),
        ("UPDATE leaves SET kind = 'Q' WHERE kind = 'W'", {"I16"}),
        # The log says another thing than the signatures do.
        ("UPDATE signatures SET in_log = false WHERE leaf_index = 7", {"I18"}),
        ("UPDATE signatures SET in_log = true WHERE NOT in_log AND leaf_index IS NOT NULL", {"I18"}),
        ("UPDATE signatures SET leaf_index = 8 WHERE leaf_index = 7", {"I18"}),
        ("UPDATE signatures SET leaf_index = NULL, in_log = false WHERE leaf_index = 7", {"I18"}),
    ],
)
def test_each_fault_is_found_by_its_name(house: House, make: Factory, fault: str, found: set[str]) -> None:
    petition = make.petition()
    many_counted(house, petition, 50)
    assert write_logs(house) == 50
    many_counted(house, petition, 250)
    house.sql("UPDATE signatures SET state = 'withdrawn' WHERE leaf_index = 3")
    assert write_logs(house) == 251
    assert broken(house) == set()
    columns = " (petition_id, index, kind, about)" if "'R', 5" in fault else " (petition_id, index, kind, commitment)"
    fault = fault.replace("INTO leaves", "INTO leaves" + columns).replace("SELECT petition_id, 301", "SELECT id, 301")
    house.sql("ALTER TABLE leaves DROP CONSTRAINT fk_leaves_petition_id_about_leaves")
    house.sql(fault)
    assert broken(house) == found


def test_whoever_withdraws_by_mail_is_counted_no_more(house: House, make: Factory) -> None:
    petition = make.petition()
    row = counted(house, make.slug(petition))
    assert write_logs(house, enough=1) == 1
    press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()
    assert write_logs(house, enough=1) == 1
    assert entries(house) == [("S", None), ("W", 0)]
    assert heads(house)[-1].counted == 0
    assert broken(house) == set()
