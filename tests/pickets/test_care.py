"""What pickets do by themselves: going public, being over, and being forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core.config import Role
from core.demo.embedded import EmbeddedPostgres
from pickets import attending, care
from tests.conftest import House, migrate
from tests.factories import Factory
from tests.pickets.factories import BERLIN, city, picket, shift
from tests.pickets.test_attending import confirmed, join, people

READ = {"brief_read_at": datetime.now(UTC), "eligible": "yes"}


def announce(house: House) -> str:
    with house.inside(Role.WORKER):
        care.announce_due()
    return str(house.value("SELECT state FROM pickets"))


def test_what_a_coordinator_agreed_to_goes_out_by_itself_once_it_may(house: House, make: Factory) -> None:
    now = datetime.now(UTC)
    notice = READ | {"filed_at": now - timedelta(hours=47)}
    picket(
        house,
        make,
        notice=notice,
        city_id=city(house, **BERLIN),
        state="notified",
        announce_at=now + timedelta(hours=1),
    )
    assert announce(house) == "notified"
    house.sql("UPDATE pickets SET announce_at = now() - interval '1 second'")
    assert announce(house) == "notified", "the 48 hours since filing are looked at once more"
    house.sql("UPDATE assembly_notices SET filed_at = now() - interval '48 hours 1 second'")
    assert announce(house) == "announced"
    assert house.value("SELECT count(*) FROM pub.pickets") == 1


@pytest.mark.parametrize("missing", ["filed_at", "brief_read_at"])
def test_nothing_goes_out_without_what_nobody_can_lift(house: House, make: Factory, missing: str) -> None:
    now = datetime.now(UTC)
    notice = READ | {"filed_at": now - timedelta(days=1), missing: None}
    picket(house, make, notice=notice, state="notified", announce_at=now - timedelta(hours=1))
    assert announce(house) == "notified"


def test_what_cannot_be_looked_at_holds_up_no_other(
    house: House, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    now = datetime.now(UTC)
    may = {"notice": READ | {"filed_at": now - timedelta(days=1)}, "state": "notified"}
    broken = picket(house, make, **may, announce_at=now - timedelta(hours=2))
    whole = [picket(house, make, **may, announce_at=now - timedelta(hours=one)) for one in (3, 1)]
    house.sql("DELETE FROM assembly_notices WHERE picket_id = :p", p=broken)
    with house.inside(Role.WORKER):
        assert care.announce_due() == 2
    announced = house.sql("SELECT id FROM pickets WHERE state = 'announced'").scalars().all()
    assert set(announced) == set(whole)
    assert f"picket {broken} cannot be announced: NoResultFound" in caplog.text


@pytest.mark.parametrize("state", ["hidden", "draft"])
def test_nothing_goes_out_for_a_petition_that_is_not_public(house: House, make: Factory, state: str) -> None:
    now = datetime.now(UTC)
    notice = READ | {"filed_at": now - timedelta(days=1)}
    picket(house, make, notice=notice, state="notified", announce_at=now - timedelta(hours=1))
    house.sql("UPDATE petitions SET state = :s, public_reason = 'It breaks the rules.'", s=state)
    assert announce(house) == "notified"
    assert house.value("SELECT announced_at FROM pickets") is None
    house.sql("UPDATE petitions SET state = 'open'")
    assert announce(house) == "announced"


def test_a_picket_is_over_by_the_clock_for_the_public_at_once(house: House, make: Factory) -> None:
    now = datetime.now(UTC)
    picket(house, make, starts_at=now - timedelta(hours=2), ends_at=now - timedelta(seconds=1))
    assert house.value("SELECT state FROM pub.pickets") == "held"
    with house.inside(Role.WORKER):
        care.end_over()
    assert house.value("SELECT state FROM pickets") == "held"


@pytest.mark.parametrize(("hours", "shown"), [(25, False), (24, True), (1, True)])
def test_a_place_shows_24_hours_before(house: House, make: Factory, hours: int, shown: bool) -> None:
    starts = house.value("SELECT now()") + timedelta(hours=hours)
    picket(house, make, starts_at=starts, place_shown="late", district="Śródmieście")
    assert (house.value("SELECT place FROM pub.pickets") is not None) is shown


def test_what_was_never_announced_stays_hidden_when_it_is_cancelled(house: House, make: Factory) -> None:
    picket(house, make, state="cancelled", cancelled_at=datetime.now(UTC), announced_at=None)
    assert house.value("SELECT count(*) FROM pub.pickets") == 0


# --- Forgetting ------------------------------------------------------------------------------------------------------------------


def traces(house: House) -> dict[str, int]:
    tables = "participants", "shift_takers", "row_keys", "outbox", "broadcast_mails"
    found = {table: house.value(f"SELECT count(*) FROM {table}") for table in tables}
    return found | {"answers": house.value("SELECT count(*) FROM answers WHERE about IS NOT NULL")}


def test_everything_about_participants_is_erased_seven_days_after_the_end_and_not_before(
    house: House, make: Factory
) -> None:
    ends = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
    here = picket(house, make)
    confirmed(house, house.client(), here, alias="Zubr", shift=str(shift(house, here)))
    join(house, house.client(), here, alias="Second")
    join(house, house.client(), here)
    broadcast, mail = uuid4(), house.value("SELECT id FROM outbox LIMIT 1")
    house.sql(
        "INSERT INTO broadcasts (id, picket_id, kind, sequence, queued) VALUES (:b, :p, 'cancelled', 1, 1)",
        b=broadcast,
        p=here,
    )
    house.sql("INSERT INTO broadcast_mails VALUES (:m, :b)", m=mail, b=broadcast)
    house.sql("UPDATE outbox SET state = 'sent'")
    house.sql("UPDATE pickets SET starts_at = :e - interval '2 hours', ends_at = :e", e=ends)
    before = traces(house)
    assert before == {
        "participants": 3,
        "shift_takers": 1,
        "row_keys": 2,
        "outbox": 1,
        "broadcast_mails": 1,
        "answers": 3,
    }
    with house.inside(Role.WORKER):
        assert not care.purge_participants(ends + timedelta(days=7) - timedelta(seconds=1))
    assert traces(house) == before
    with house.inside(Role.WORKER):
        assert care.purge_participants(ends + timedelta(days=7))
        assert not care.purge_participants(ends + timedelta(days=7)), "once"
    assert traces(house) == dict.fromkeys(before, 0)
    assert house.value("SELECT sent FROM broadcasts") == 1
    assert house.value("SELECT count(*) FROM pickets") == 1


def test_participants_of_what_was_cancelled_are_forgotten_seven_days_after_that(house: House, make: Factory) -> None:
    here = picket(house, make)
    confirmed(house, house.client(), here)
    off = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
    house.sql("UPDATE pickets SET state = 'cancelled', cancelled_at = :o", o=off)
    with house.inside(Role.WORKER):
        assert not care.purge_participants(off + timedelta(days=7) - timedelta(seconds=1))
        assert care.purge_participants(off + timedelta(days=7)), "long before it would have begun"
    assert people(house) == []


def test_what_belongs_to_other_pickets_and_to_signers_stays(house: House, make: Factory) -> None:
    from tests.factories import signed

    gone, stays = picket(house, make), picket(house, make)
    for here in (gone, stays):
        confirmed(house, house.client(), here)
    signed(house, make.slug(house.value("SELECT min(petition_id) FROM pickets")))
    house.sql(
        "UPDATE pickets SET starts_at = now() - interval '9 days', ends_at = now() - interval '8 days' - interval '2 hours' WHERE id = :p",
        p=gone,
    )
    with house.inside(Role.WORKER):
        assert care.purge_participants(house.value("SELECT now()"))
    assert {row.picket_id for row in people(house)} == {stays}
    assert house.value("SELECT count(*) FROM row_keys") == 2


def test_who_never_confirms_is_erased_after_seven_days(house: House, make: Factory) -> None:
    here = picket(house, make)
    join(house, house.client(), here, email="a@example.org")
    with house.inside(Role.WORKER):
        attending.expire_unconfirmed()
    assert people(house)[0].state == "pending"
    house.sql("UPDATE participants SET joined_at = now() - interval '7 days 1 second'")
    with house.inside(Role.WORKER):
        attending.expire_unconfirmed()
    assert people(house)[0].mailbox_hmac is None
    assert house.value("SELECT count(*) FROM row_keys") == 0


def test_what_participants_sent_and_we_could_not_deal_with_is_erased_after_seven_days(
    house: House, make: Factory
) -> None:
    here = picket(house, make)
    join(house, house.client(), here, drain=False)
    for state in ("failed", "unreadable"):
        house.sql("UPDATE inbox SET state = :s, received_at = now() - interval '6 days 23 hours'", s=state)
        with house.inside(Role.WORKER):
            care.forget_events()
        assert house.value("SELECT sealed FROM inbox") is not None
    house.sql("UPDATE inbox SET state = 'new', received_at = now() - interval '8 days'")
    with house.inside(Role.WORKER):
        care.forget_events()
    assert house.value("SELECT sealed FROM inbox") is not None, "it still waits"
    house.sql("UPDATE inbox SET state = 'failed'")
    with house.inside(Role.WORKER):
        care.forget_events()
    assert tuple(house.sql("SELECT state, sealed FROM inbox").one()) == ("unreadable", None)


def test_going_back_before_pickets_leaves_nothing_of_those_who_came(postgres: EmbeddedPostgres) -> None:
    name, key, left = "before_pickets", uuid4(), uuid4()
    postgres.create_database(name)
    url = postgres.url("owner", name)
    migrate(url, "upgrade")
    with postgres.connect("owner", name) as database:
        database.execute(
            f"""
            INSERT INTO accounts (id, email, name) VALUES (1, 'a@example.org', 'A');
            INSERT INTO addressees (id, code, name_en, name_native, short_name, minister_title_en, salutation_native, street_address,
                                    postal_code, city, languages, website, lat, lon, confidence, notes)
              VALUES (1, 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'pl', 'x', 1, 1, 'high', '');
            INSERT INTO petitions (id, slug, fallback_addressee_id) VALUES (1, 'p', 1);
            INSERT INTO cities VALUES (1, 'Warsaw', 'PL', '', 'warsaw', '', 52, 21, 'Europe/Warsaw', 1);
            INSERT INTO pickets (id, code, petition_id, addressee_id, city_id, language, alias, starts_at, ends_at, place, people)
              VALUES (gen_random_uuid(), 'abc234', 1, 1, 1, 'en', 'A', now(), now() + interval '1 hour', 'x', 3);
            INSERT INTO row_keys (id, sealed) VALUES ('{key}', 'x'), ('{left}', 'x');
            INSERT INTO participants (id, event_id, picket_id, state, people, row_key_id, sealed)
              SELECT '{key}', gen_random_uuid(), id, 'coming', 1, '{key}', 'x' FROM pickets;
            INSERT INTO outbox (id, template, row_key_id, sealed, state) SELECT gen_random_uuid(), template, key::uuid, 'x', state
              FROM (VALUES ('picket_join', '{key}', 'queued'), ('picket_cancelled', NULL, 'sent'), ('update', '{left}', 'dropped'))
              AS mails (template, key, state);
            INSERT INTO answers (event_id, sealed, expires_at, about)
              VALUES (gen_random_uuid(), 'x', now(), '{key}'), (gen_random_uuid(), 'x', now(), NULL);
            INSERT INTO inbox (id, kind, key_id, sealed)
              SELECT gen_random_uuid(), kind, gen_random_uuid(), 'x' FROM unnest(ARRAY['join', 'attend', 'sign']) AS kind;
            INSERT INTO approvals (id, kind, object_id, details, reason, requested_by, expires_at)
              SELECT gen_random_uuid(), kind, 'x', '{{}}', '', 1, now() FROM unnest(ARRAY['picket', 'photo', 'bundle']) AS kind;
            """
        )
    migrate(url, "downgrade", "0006")
    with postgres.connect("owner", name) as database:
        found = {
            query: database.execute(query).fetchall()
            for query in (
                "SELECT id FROM row_keys",
                "SELECT template, state FROM outbox",
                "SELECT about FROM answers",
                "SELECT kind FROM inbox WHERE sealed IS NOT NULL",
                "SELECT kind FROM approvals",
            )
        }
    with postgres.connect("postgres", "postgres") as database:
        database.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    assert list(found.values()) == [[(left,)], [("update", "failed")], [(None,)], [("sign",)], [("bundle",)]]


def test_networks_are_forgotten_after_a_day(house: House, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickets.joining._network", lambda _picket: "11" * 8)
    here = picket(house, make)
    join(house, house.client(), here)
    assert people(house)[0].network is not None
    house.sql("UPDATE participants SET joined_at = now() - interval '24 hours 1 second'")
    with house.inside(Role.WORKER):
        care.forget_networks()
    assert people(house)[0].network is None
