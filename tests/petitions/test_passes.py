"""Passes of pickets: a signed code for a place and its hours, under which a square may share one network."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.config import Role
from core.extensions import db
from core.records import decrypt_record, open_row_key
from petitions import bursts, quarantine
from petitions.screening import PASS_KEY
from tests.conftest import House
from tests.factories import Factory, hidden, sign
from tests.petitions.test_bursts import NETWORK, arrive, states

pytestmark = pytest.mark.usefixtures("small_bursts")


def a_pass(
    house: House, petition: int, starts: timedelta = -timedelta(hours=1), hours: int = 3, place: str = "waw234"
) -> str:
    now: datetime = house.value("SELECT now()")
    return house.keyring.make_pass(petition, place, now + starts, now + starts + timedelta(hours=hours))


def test_a_square_may_sign_from_one_network_under_its_pass(house: House, petition: int) -> None:
    arrive(house, petition, 20, network=NETWORK, shown_pass=a_pass(house, petition))
    assert states(house) == {"pending": 20}
    arrive(house, petition, 5, network=NETWORK)
    assert states(house) == {"pending": 25}, "those without it are not judged by the square"


@pytest.mark.parametrize("wrong", ["none", "forged", "over", "ahead", "other petition", "nonsense"])
def test_what_is_no_pass_here_and_now_changes_nothing(house: House, make: Factory, petition: int, wrong: str) -> None:
    good = a_pass(house, petition)
    shown = {
        "none": "",
        "forged": ("A" if good[0] != "A" else "B") + good[1:],
        "over": a_pass(house, petition, -timedelta(hours=5)),
        "ahead": a_pass(house, petition, timedelta(minutes=5)),
        "other petition": a_pass(house, petition + 1),
        "nonsense": "\u0430" * 35,
    }[wrong]
    arrive(house, petition, 7, network=NETWORK, shown_pass=shown)
    assert states(house)["quarantined"] == 7


def test_a_pass_that_got_about_brings_no_more_than_a_table_can_from_however_many_networks(
    house: House, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bursts, "MOST_UNDER_A_PASS", 10)
    shown = a_pass(house, petition)
    for number in range(12):
        arrive(house, petition, 1, network=f"{number:02x}" * 8, shown_pass=shown)
    assert states(house) == {"pending": 10, "quarantined": 2}


def test_the_form_carries_the_pass_and_the_record_forgets_it(house: House, make: Factory, petition: int) -> None:
    slug, shown = make.slug(petition), a_pass(house, petition)
    client = house.client()
    assert hidden(client.get(f"/petitions/{slug}/sign?pass={shown}").text, "shown_pass") == shown
    assert f"pass={shown}" in client.get(f"/petitions/{slug}/sign?pass={shown}").text, (
        "links to other languages keep it"
    )
    assert sign(client, slug, shown_pass=shown).status_code == 303
    house.drain()
    row = house.sql("SELECT * FROM signatures").one()
    with house.inside(Role.WORKER):
        record = decrypt_record(
            open_row_key(row.row_key_id, house.keyring.private_keys), "signatures", row.id, row.sealed
        )
    assert "pass" not in record


def test_a_pass_is_short_enough_for_a_code_on_paper(house: House, petition: int) -> None:
    assert len(a_pass(house, petition)) == 35


def test_no_trace_says_where_somebody_stood_and_after_a_day_none_says_who_stood_together(
    house: House, petition: int
) -> None:
    for hours in (3, 4):
        arrive(house, petition, 1, network=NETWORK, shown_pass=a_pass(house, petition, hours=hours))
    arrive(house, petition, 1, network=NETWORK)
    kept = [bytes(one) for one in house.sql("SELECT network FROM traces ORDER BY received_at").scalars()]
    under_a_pass = {one for one in kept if len(one) == PASS_KEY}
    assert len(under_a_pass) == 1, "a pass made anew brings no second limit"
    assert b"waw234" not in b"".join(kept)
    assert b"waw234" not in b"".join(bytes(one) for one in house.sql("SELECT key FROM sightings").scalars())
    house.sql("UPDATE traces SET received_at = received_at - interval '25 hours'")
    with house.inside(Role.WORKER):
        quarantine.forget_traces()
        db.session.commit()
    assert house.value("SELECT count(*) FROM traces WHERE network IS NULL") == 2
    assert house.value("SELECT count(*) FROM traces") == 3
