"""Whose turn a volume is: leases on the database's clock, fences, faults that are somebody's and faults that are nobody's."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from core.config import Role
from core.errors import UnavailableError
from core.extensions import db
from delivery import building, claims, store
from delivery.document import Engine, Sealed
from delivery.models import Volume
from tests.conftest import House
from tests.delivery.factories import Studio, addressee, ask, the_bundle
from tests.factories import Factory, agree, counted, log_in, many_counted, post, write_logs


@pytest.fixture
def frozen(house: House, make_own: Factory, petition: int, studio: Studio) -> Any:
    """A bundle of five signatures in three volumes, frozen and not built. Returns its coordinator's browser."""
    many_counted(house, petition, 5)
    house.sql("UPDATE signatures SET addressee_id = :a", a=addressee(house, "PL"))
    studio.configure(volume_size=2)
    client = log_in(house, make_own, petition)
    ask(house, client, petition)
    write_logs(house, 1)
    with house.inside(Role.WORKER):
        claims.settle_requests()
        assert claims.freeze_next() is not None
        assert claims.freeze_next() is None
    return client


def volumes(house: House) -> list[tuple[int, int, int, bool]]:
    """Number, fence, attempts, and whether it is done."""
    rows = house.sql("SELECT number, fence, attempts, done_at IS NOT NULL FROM volumes ORDER BY number").all()
    return [tuple(row) for row in rows]


def build(studio: Studio, claim: claims.Claim) -> None:
    building.build(claim, studio.house.keyring, studio.engine, studio.config)


def test_the_index_comes_last_and_each_volume_is_claimed_once(house: House, frozen: Any, studio: Studio) -> None:
    with house.inside(Role.WORKER):
        taken = [claims.claim_volume() for _ in range(4)]
        assert [one.number if one else None for one in taken] == [1, 2, 3, None]
        for one in taken[:3]:
            assert one is not None
            build(studio, one)
            index = claims.claim_volume()
            assert (index is None) == (one is not taken[2])
        assert index is not None
        assert index.number == 0
        build(studio, index)
        assert claims.claim_volume() is None
    assert the_bundle(house).state == "ready"
    assert volumes(house) == [(0, 1, 1, True), (1, 1, 1, True), (2, 1, 1, True), (3, 1, 1, True)]


def test_a_builder_that_went_silent_is_taken_over_and_fenced_off(
    house: House, frozen: Any, studio: Studio, tmp_path: Path
) -> None:
    with house.inside(Role.WORKER):
        silent = claims.claim_volume()
        assert silent is not None
        house.sql("UPDATE volumes SET leased_until = now() - interval '1 second' WHERE number = 1")
        again = claims.claim_volume()
        assert again is not None
        assert (again.number, again.fence) == (1, 2)
        build(studio, again)
        done = house.sql("SELECT * FROM volumes WHERE number = 1").one()
        with pytest.raises(claims.LeaseLostError):
            build(studio, silent)
        db.session.rollback()
    assert house.sql("SELECT * FROM volumes WHERE number = 1").one() == done
    studio.build()
    assert len(list((tmp_path / "bundles").iterdir())) == 4, "what came too late is removed"


def test_a_volume_that_fails_goes_back_and_the_bundle_is_given_up_in_the_end_and_can_be_gone_on_with(
    house: House, frozen: Any, studio: Studio
) -> None:
    def fails(_volume: Any) -> bytes:
        if _volume.manifest["volume"] == 2:
            raise RuntimeError("Not today.")
        return b"%PDF"

    good = studio.engine
    engine = Engine(fails, good.draw_index, good.seal)
    with house.inside(Role.WORKER):
        for _ in range(claims.MAX_ATTEMPTS + 1):
            building.build_some(house.keyring, engine, studio.config, 600)
            db.session.rollback()
    page = f"/bundles/{the_bundle(house).id}"
    assert the_bundle(house).state == "failed"
    done = volumes(house)[1]
    assert "could not be built" in frozen.get(page).text
    assert "could not be built" in frozen.get("/").text
    assert post(frozen, f"{page}/resume").status_code == 303
    studio.registers.clear()
    studio.build()
    assert the_bundle(house).state == "ready"
    assert volumes(house)[1] == done, "what was done stays done"
    assert [volume.manifest["volume"] for volume in studio.registers] == [2, 3]
    assert post(frozen, f"{page}/resume").status_code == 404


def test_a_full_disk_is_nobodys_fault_and_the_page_says_so(
    house: House, frozen: Any, studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = os.fsync

    def full(descriptor: int) -> None:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if is_file and len(list((tmp_path / "bundles").glob("*.sealed"))) >= 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert not studio.build()
    assert [(number, attempts, done) for number, _fence, attempts, done in volumes(house)] == [
        (0, 0, False), (1, 1, True), (2, 0, False), (3, 0, False),
    ]  # fmt: skip
    assert len(list((tmp_path / "bundles").iterdir())) == 1, "nothing that is half there"
    assert "The disk was full" in frozen.get(f"/bundles/{the_bundle(house).id}").text
    studio.build()
    assert the_bundle(house).state == "ready"
    assert "The disk was full" not in frozen.get(f"/bundles/{the_bundle(house).id}").text


def test_while_no_seal_can_be_had_a_bundle_waits(house: House, frozen: Any, studio: Studio) -> None:
    def away(_content: bytes) -> Sealed:
        raise UnavailableError

    engine = studio.engine
    with house.inside(Role.WORKER):
        for _ in range(claims.MAX_ATTEMPTS + 2):
            building.build_some(
                house.keyring, Engine(engine.draw_register, engine.draw_index, away), studio.config, 600
            )
            db.session.rollback()
    assert the_bundle(house).state == "building"
    assert [attempts for _number, _fence, attempts, _done in volumes(house)] == [0, 0, 0, 0]
    studio.build()
    assert the_bundle(house).state == "ready"


def test_a_bundle_that_fails_stops_no_other(house: House, make_own: Factory, petition: int, studio: Studio) -> None:
    slug = make_own.slug(petition)
    counted(house, slug)
    counted(house, slug, email="lt@example.org", country="LT")
    client = log_in(house, make_own, petition)
    for country in ("PL", "LT"):
        ask(house, client, petition, country)

    def fails_for_poland(volume: Any) -> bytes:
        if volume.language == "pl":
            raise RuntimeError
        return b"%PDF"

    house.sql("UPDATE addressees SET languages = 'lt' WHERE country_code = 'LT'")
    write_logs(house, 1)
    engine = studio.engine
    with house.inside(Role.WORKER):
        building.build_some(house.keyring, Engine(fails_for_poland, engine.draw_index, engine.seal), studio.config, 600)
    states = house.sql("SELECT state FROM bundles ORDER BY requested_at").scalars().all()
    assert list(states) == ["building", "ready"]


def test_a_bundle_can_be_stopped_while_it_is_built_and_nothing_of_it_is_left(
    house: House, frozen: Any, studio: Studio, tmp_path: Path
) -> None:
    page = f"/bundles/{the_bundle(house).id}"
    keys = house.value("SELECT count(*) FROM row_keys")

    def stop(volume: Any) -> None:
        if volume.manifest["volume"] == 2:
            assert post(frozen, f"{page}/cancel").status_code == 303
            with house.inside(Role.WORKER):
                claims.settle_requests()

    studio.before_register = stop
    studio.build()
    assert the_bundle(house).state == "cancelled"
    assert house.value("SELECT count(*) FROM row_keys") == keys - 1
    for table in ("volumes", "bundle_lines"):
        assert house.value(f"SELECT count(*) FROM {table}") == 0
    with house.inside(Role.WORKER):
        building.remove_destroyed(studio.config)
    assert list((tmp_path / "bundles").iterdir()) == []
    assert "Somebody stopped it" in frozen.get(page).text
    assert post(frozen, f"{page}/cancel").status_code == 404


def test_after_its_approval_a_bundle_waits_as_long_as_is_set(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    studio.configure(bundle_wait_hours=24)
    page = ask(house, client, petition).location
    studio.build()
    assert the_bundle(house).state == "approved"
    assert "Stop this bundle" in client.get(page).text
    house.sql("UPDATE approvals SET decided_at = decided_at - interval '24 hours'")
    studio.build()
    assert the_bundle(house).state == "ready"


def test_the_console_cannot_move_a_bundle_on_or_borrow_an_approval(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    agreed = the_bundle(house)
    house.sql(
        "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by) VALUES (gen_random_uuid(), :p, :a, 'approved', :w)",
        p=petition,
        a=addressee(house, "LT"),
        w=agreed.requested_by,
    )
    studio.build()
    assert sorted(house.sql("SELECT state FROM bundles").scalars()) == ["ready", "refused"]
    for column in ("agreed_as", "frozen_at", "head_size", "manifest", "state", "row_key_id", "level"):
        for privilege in ("INSERT", "UPDATE"):
            may = house.value(f"SELECT has_column_privilege('zbor_console', 'bundles', '{column}', '{privilege}')")
            assert may == ((column, privilege) in {("state", "INSERT"), ("level", "INSERT")}), (column, privilege)


def test_half_written_file_never_has_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write_whole(tmp_path / "x.sealed", b"content")
    assert list(tmp_path.iterdir()) == []


def test_what_is_stored_is_what_the_row_says(house: House, frozen: Any, studio: Studio) -> None:
    studio.build()
    bundle = the_bundle(house)
    with house.inside(Role.WORKER):
        for volume in db.session.query(Volume):
            path = store.volume_path(studio.config, bundle.id, volume.number, volume.fence)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == volume.stored_hash


def test_one_that_is_agreed_to_twice_is_built_once(house: House, frozen: Any, studio: Studio) -> None:
    agree(house, the_bundle(house).id)
    studio.build()
    studio.build()
    assert len(studio.registers) == 3
    assert len(studio.indexes) == 1
