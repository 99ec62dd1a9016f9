"""One bad event never holds up the others, and a key that is away loses nothing."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from core.config import Role
from core.errors import UnavailableError
from core.extensions import db
from core.inbox import MAX_ATTEMPTS
from petitions import intake
from tests.conftest import House
from tests.factories import Factory, press, sign, signed, token
from worker import drain


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


def states(house: House) -> list[str]:
    return [row[0] for row in house.sql("SELECT state FROM inbox ORDER BY state")]


def test_an_event_that_does_not_open_is_set_aside_and_kept(house: House, slug: str) -> None:
    sign(house.client(), slug)
    sign(house.client(), slug, email="b@example.org")
    house.sql(
        "UPDATE inbox SET sealed = set_byte(sealed, 300, (get_byte(sealed, 300) + 1) % 256) WHERE ctid = (SELECT min(ctid) FROM inbox)"
    )
    house.drain()
    assert states(house) == ["done", "unreadable"]
    assert house.value("SELECT sealed IS NOT NULL FROM inbox WHERE state = 'unreadable'")
    assert house.drain() == 0


def test_an_event_of_an_unknown_kind_is_set_aside(house: House, slug: str) -> None:
    from core.inbox import append

    with house.inside(Role.PUBLIC):
        append("dance", None, {}, uuid4())
    house.drain()
    assert states(house) == ["unreadable"]


def test_an_event_moved_to_another_petition_does_not_open(house: House, make: Factory, slug: str) -> None:
    other = make.petition(countries=())
    sign(house.client(), slug)
    house.sql("UPDATE inbox SET petition_id = :other", other=other)
    house.drain()
    assert states(house) == ["unreadable"]


def test_without_the_key_events_wait_and_with_it_they_are_drained(house: House, slug: str) -> None:
    sign(house.client(), slug)
    with house.inside(Role.WORKER):
        assert drain.drain_batch(replace(house.keyring, private_keys={})).events == 0
    assert states(house) == ["new"]
    assert house.drain() == 1
    assert states(house) == ["done"]


def test_an_event_that_needs_a_row_key_of_a_missing_key_waits_and_lets_the_others_through(
    house: House, slug: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The sealing key has changed between a signature and its confirmation, and the old one is away."""
    row = signed(house, slug)
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    house.sql("UPDATE row_keys SET sealed = overlay(sealed placing decode(repeat('00', 16), 'hex') from 3)")
    for number in range(3):
        sign(house.client(), slug, email=f"n{number}@example.org")
    with house.inside(Role.WORKER):
        for _ in range(MAX_ATTEMPTS + 1):
            waiting = drain.drain_batch(house.keyring).waiting
        assert drain.drain_batch(house.keyring, waiting).events == 0
    assert house.sql("SELECT kind, attempts FROM inbox WHERE state = 'new'").one() == ("confirm", 0)
    assert house.value("SELECT count(*) FROM signatures") == 4
    assert "1 events need the sealing key of a row" in caplog.text


def test_an_event_whose_handling_fails_is_undone_alone_and_given_up_in_the_end(
    house: House, slug: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sign(house.client(), slug)
    sign(house.client(), slug, email="poison@example.org", name="Secret Poison")

    def record(opened, keyring):  # type: ignore[no-untyped-def]  # Stands in for the handler.
        outcomes = intake.record_signatures(opened, keyring)
        for _event, payload in opened:
            if payload["email"].startswith("poison"):
                raise ValueError(payload["name"])
        return outcomes

    monkeypatch.setattr(drain, "HANDLERS", {**drain.HANDLERS, (drain.WEB, "sign"): record})
    for attempt in range(1, MAX_ATTEMPTS):
        house.drain()
        assert states(house) == ["done", "new"]
        assert house.value("SELECT attempts FROM inbox WHERE state = 'new'") == attempt
    house.drain()
    assert states(house) == ["done", "failed"]
    assert house.value("SELECT count(*) FROM signatures") == 1
    assert house.value("SELECT sum(total) FROM tallies") == 1
    assert "Secret" not in caplog.text
    assert "ValueError at" in caplog.text


def test_a_lost_database_ends_the_batch_and_changes_nothing(
    house: House, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(house.client(), slug)

    def away(*_args: object) -> None:
        raise OperationalError("x", {}, Exception("gone"))

    monkeypatch.setattr(drain, "HANDLERS", {(drain.WEB, "sign"): away})
    with pytest.raises(OperationalError), house.inside(Role.WORKER):
        drain.drain_batch(house.keyring)
    assert house.value("SELECT attempts FROM inbox") == 0


def test_batches_are_bounded(house: House, slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "BATCH", 3)
    for number in range(4):
        sign(house.client(), slug, email=f"n{number}@example.org")
    assert house.drain() == 3
    assert house.drain() == 1


def test_a_payload_that_harms_its_reader_harms_itself_alone(house: House, make: Factory) -> None:
    """Whoever speaks as zbor_web can seal anything: here a thousand lists inside each other."""
    from core.inbox import recipients
    from core.sealing import context, pad, seal_bytes

    petition, event = make.petition(), uuid4()
    with house.inside(Role.PUBLIC):
        nested = b'{"a":' + b"[" * 7000
        sealed = seal_bytes(pad(nested), recipients(), context("sign", petition, event))
    house.sql(
        "INSERT INTO inbox (id, kind, petition_id, key_id, sealed) VALUES (:id, 'sign', :p, :k, :s)",
        id=event, p=petition, k=house.secrets.sealing_key["id"], s=sealed,
    )  # fmt: skip
    sign(house.client(), make.slug(petition))
    assert house.drain() == 2
    assert states(house) == ["done", "unreadable"]


def test_forged_events_that_name_our_key_are_settled_at_once(house: House, slug: str) -> None:
    for _ in range(3):
        house.sql(
            "INSERT INTO inbox (id, kind, key_id, sealed) VALUES (:id, 'sign', :k, :s)",
            id=uuid4(),
            k=house.secrets.sealing_key["id"],
            s=b"\x01\x00",
        )
    sign(house.client(), slug)
    assert house.drain() == 4
    assert house.drain() == 0
    assert states(house) == ["done", "unreadable", "unreadable", "unreadable"]


def test_a_sealing_key_that_ran_out_is_not_held_against_the_events(house: House, slug: str) -> None:
    sign(house.client(), slug)
    house.sql("UPDATE sealing_keys SET not_after = now() - interval '1 second'")
    with pytest.raises(UnavailableError), house.inside(Role.WORKER):
        drain.drain_batch(house.keyring)
    assert house.sql("SELECT state, attempts FROM inbox").one() == ("new", 0)
    house.sql("UPDATE sealing_keys SET not_after = :then", then=house.secrets.sealing_key["not_after"])
    assert house.drain() == 1


def test_payloads_set_aside_are_erased_after_fourteen_days(house: House, slug: str) -> None:
    sign(house.client(), slug)
    house.sql("UPDATE inbox SET state = 'failed', received_at = now() - interval '13 days'")
    with house.inside(Role.WORKER):
        drain.forget_unreadable()
    assert house.value("SELECT sealed IS NOT NULL FROM inbox")
    house.sql("UPDATE inbox SET received_at = now() - interval '15 days'")
    with house.inside(Role.WORKER):
        drain.forget_unreadable()
    assert house.value("SELECT sealed IS NULL FROM inbox")


def test_a_half_copied_key_does_not_stop_the_others(house: House, slug: str, caplog: pytest.LogCaptureFixture) -> None:
    stray = house.secrets.folder / "worker" / "sealing" / "half-copied.key"
    stray.touch()
    try:
        sign(house.client(), slug)
        assert house.drain() == 1
    finally:
        stray.unlink()
    assert "is not a key" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM sealing_keys",
        "UPDATE sealing_keys SET purpose = 'recovery'",
        "UPDATE sealing_keys SET not_after = now() - interval '61 minutes'",
        "UPDATE sealing_keys SET not_before = now() + interval '1 second'",
    ],
)
def test_an_event_that_names_no_key_of_ours_does_not_wait_for_it(
    house: House, slug: str, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever speaks as zbor_web can name any key; nobody would ever bring it."""
    sign(house.client(), slug)
    house.sql(change)
    with house.inside(Role.WORKER):
        without = replace(house.keyring, private_keys={})
        drain.report_missing_keys(without)
        assert drain.drain_batch(without).events == 1
    assert states(house) == ["unreadable"]
    assert "wait for the sealing key" not in caplog.text


def test_a_key_that_is_away_raises_the_alarm(house: House, slug: str, caplog: pytest.LogCaptureFixture) -> None:
    sign(house.client(), slug)
    # The web may go on for a moment after the key's end, until it looks at the list again.
    house.sql("UPDATE sealing_keys SET not_after = now() - interval '1 minute'")
    with house.inside(Role.WORKER):
        drain.report_missing_keys(house.keyring)
        assert caplog.text == ""
        drain.report_missing_keys(replace(house.keyring, private_keys={}))
    assert "ERROR    worker.drain:drain.py" in caplog.text
    assert f"1 events wait for the sealing key {house.secrets.sealing_key['id']}" in caplog.text


@pytest.mark.parametrize(
    ("kind", "sealed"),
    [("'x y'", "'a'"), ("repeat('x', 40)", "'a'"), ("'sign'", "NULL"), ("'sign'", "repeat('x', 20000)::bytea")],
)
def test_the_inbox_takes_no_oversized_kind_and_no_empty_event(house: House, kind: str, sealed: str) -> None:
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError), house.bind.begin_nested():  # type: ignore[union-attr]  # A connection here.
        house.sql(
            f"INSERT INTO inbox (id, key_id, kind, sealed) VALUES (gen_random_uuid(), gen_random_uuid(), {kind}, {sealed})"
        )


def test_many_signatures_cost_as_many_statements_as_few(house: House, slug: str) -> None:
    def statements(number: int, run: str) -> int:
        for one in range(number):
            sign(house.client(), slug, email=f"{run}{one}@example.org")
        counted: list[str] = []
        with house.inside(Role.WORKER):
            engine = db.engine

            def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
                counted.append(statement)

            sqlalchemy.event.listen(engine, "before_cursor_execute", count)
            drain.drain_batch(house.keyring)
            sqlalchemy.event.remove(engine, "before_cursor_execute", count)
        return len(counted)

    few = statements(2, "few")
    assert few > 5
    assert statements(20, "many") <= few


def test_a_mailbox_that_signs_often_in_one_batch_gets_three_mails(house: House, slug: str) -> None:
    for number in range(5):
        sign(house.client(), slug, email=f"olga+{number}@example.org")
    house.drain()
    assert house.sql("SELECT state, reason FROM signatures ORDER BY received_at, state DESC").all() == [
        *[("pending", None)] * 3,
        *[("duplicate", "too_many")] * 2,
    ]
    assert house.value("SELECT count(*) FROM outbox") == 3
