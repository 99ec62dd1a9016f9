"""Which ministry receives a signature: that of the country of residence, whichever the form told, or the fallback."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.config import Role
from core.extensions import db
from core.i18n import COUNTRY_CODES
from core.inbox import append
from petitions.reading import find_public
from petitions.rules import NO_COUNTRY
from petitions.seed import DATA, INSTITUTIONS, seed_addressees
from tests.conftest import House
from tests.factories import VALID, Factory, sign, signed
from tests.petitions.test_intake import fsck

with (DATA / "ministries.csv").open(encoding="utf-8", newline="") as file:
    CODES = [row["country_code"] for row in csv.DictReader(file)]


def payload(house: House, petition_id: int, **changes: Any) -> dict[str, Any]:
    """A signature as the form would send it."""
    text = house.sql("SELECT version, language, hash FROM petition_texts WHERE petition_id = :p", p=petition_id).one()
    consent = {"ministry": True, "public": False, "updates": False, "hash": "0" * 64}
    return {"v": 1, **VALID, "language": "en", "text": text._asdict(), "consent": consent, **changes}


def send(house: House, petition_id: int, **changes: Any) -> UUID:
    """Have the web store it. Returns its event."""
    event_id, sent = uuid4(), payload(house, petition_id, **changes)
    with house.inside(Role.PUBLIC):
        assert append("sign", petition_id, sent, event_id)
    return event_id


def receivers(house: House, events: Iterable[UUID]) -> list[str]:
    """Codes of the addressees that received them."""
    by_event = {
        row.event_id: row.code
        for row in house.sql("SELECT s.event_id, a.code FROM signatures s JOIN addressees a ON a.id = s.addressee_id")
    }
    return [by_event[event] for event in events]


@pytest.fixture
def everybody(house: House, make: Factory) -> int:
    """A petition to all of the list, with the European Union for the countries that are not on it."""
    with house.inside(Role.CONSOLE):
        assert seed_addressees() == len(CODES) == 63
        db.session.commit()
    ids = dict(house.sql("SELECT code, id FROM addressees").all())
    petition_id = make.petition(countries=(), fallback_addressee_id=ids["EU"])
    for code in CODES:
        make.addressed(petition_id, ids[code])
    return petition_id


@pytest.mark.parametrize("told", [True, False], ids=["told by the form", "decided by the worker"])
def test_each_of_the_63_addressees_receives_its_residents_and_the_fallback_all_others(
    house: House, make: Factory, everybody: int, told: bool
) -> None:
    countries = [*sorted(COUNTRY_CODES), NO_COUNTRY]
    own = set(CODES) - INSTITUTIONS
    assert len(own) == 58
    assert own < COUNTRY_CODES
    slug = make.slug(everybody)
    with house.inside(Role.PUBLIC):
        page = find_public(slug, "en")
        on_the_form = {country: page.addressee_of(country) for country in countries}
    events = [
        send(
            house,
            everybody,
            country=country,
            city="" if country == NO_COUNTRY else "Somewhere",
            email=f"{country}@example.org",
            **({"addressee_id": on_the_form[country]} if told else {}),
        )
        for country in countries
    ]
    while house.drain():
        pass
    assert dict(zip(countries, receivers(house, events), strict=True)) == {
        country: country if country in own else "EU" for country in countries
    }
    assert fsck(house) == {}


def test_the_form_says_who_receives_the_signature_of_every_country(house: House, make: Factory, everybody: int) -> None:
    page = house.client().get(f"/petitions/{make.slug(everybody)}/sign").text
    names = dict(house.sql("SELECT code, name_en FROM addressees").all())
    said = dict(re.findall(r'<p class="to to-(\w+)">[^<]*<strong lang="en">([^<]*)</strong>', page))
    assert said.pop("others").replace("&amp;", "&") == names["EU"]
    assert {country: name.replace("&amp;", "&").replace("&#39;", "'") for country, name in said.items()} == {
        code: names[code] for code in set(CODES) - INSTITUTIONS
    }
    groups = re.findall(r"<optgroup.*?</optgroup>", page)
    own, others = (re.findall(r'value="(\w+)"', group) for group in groups)
    assert set(own) == set(said)
    assert set(others) == COUNTRY_CODES - set(said) | {NO_COUNTRY}


# --- What becomes of a route while a signature waits ------------------------------------------------------------------------


def addressee(house: House, country: str) -> int:
    return int(house.value("SELECT id FROM addressees WHERE country_code = :c", c=country))


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE petition_routes SET addressee_id = (SELECT id FROM addressees WHERE country_code = 'LT') WHERE country_code = 'PL'",
        "DELETE FROM petition_routes WHERE country_code = 'PL'",
        """DELETE FROM petition_routes WHERE country_code = 'PL'; UPDATE petition_addressees SET removed_at = now()
        WHERE addressee_id = (SELECT id FROM addressees WHERE country_code = 'PL')""",
    ],
    ids=["to another", "to the fallback", "addressee removed"],
)
def test_who_was_told_is_who_receives_it_whatever_is_changed_meanwhile(
    house: House, make: Factory, meanwhile: str
) -> None:
    petition = make.petition()
    assert sign(house.client(), make.slug(petition)).status_code == 303
    house.sql(meanwhile)
    assert house.drain() == 1
    events = house.sql("SELECT id FROM inbox").scalars().all()
    assert receivers(house, events) == ["PL"]
    later = signed(house, make.slug(petition), email="later@example.org")
    assert later.addressee_id != addressee(house, "PL")
    assert fsck(house) == {}


def test_a_route_that_is_new_takes_nobody_who_was_told_of_the_fallback(house: House, make: Factory) -> None:
    petition = make.petition()
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    sign(house.client(), make.slug(petition), country="DE")
    make.addressed(petition, make.addressee("DE"))
    house.drain()
    assert house.value("SELECT addressee_id FROM signatures") == fallback
    assert signed(house, make.slug(petition), country="DE", email="b@example.org").addressee_id == addressee(
        house, "DE"
    )


def test_a_removed_addressee_keeps_what_it_has_and_gets_no_more(house: House, make: Factory) -> None:
    petition = make.petition()
    slug = make.slug(petition)
    before = signed(house, slug)
    house.sql("DELETE FROM petition_routes WHERE country_code = 'PL'")
    house.sql("UPDATE petition_addressees SET removed_at = now() WHERE addressee_id = :a", a=before.addressee_id)
    page = house.client().get(f"/petitions/{slug}").text
    assert "Ministry of PL" not in page
    after = signed(house, slug, email="after@example.org")
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    assert after.addressee_id == fallback
    assert house.value("SELECT addressee_id FROM signatures WHERE id = :id", id=before.id) == before.addressee_id
    assert fsck(house) == {}


@pytest.mark.parametrize("forged", ["of another petition", "unknown", "text", "list", "none"])
def test_an_addressee_that_the_petition_never_had_is_passed_over(house: House, make: Factory, forged: str) -> None:
    petition = make.petition()
    other = make.petition(countries=("DE",))
    assert other != petition
    told = {
        "of another petition": addressee(house, "DE"),
        "unknown": 10**9,
        "text": str(addressee(house, "LT")),
        "list": [addressee(house, "LT")],
        "none": None,
    }[forged]
    event = send(house, petition, addressee_id=told)
    house.drain()
    assert receivers(house, [event]) == ["PL"]


# --- Who may leave out what ---------------------------------------------------------------------------------------------------


def test_only_who_names_no_country_may_leave_out_the_city(house: House, make: Factory) -> None:
    slug = make.slug(make.petition())
    client = house.client()
    for country in ("PL", "SG"):
        refused = sign(client, slug, country=country, city="")
        assert refused.status_code == 422
        assert "Enter the city or town" in refused.text
    assert sign(client, slug, country=NO_COUNTRY, city="=cmd", email="b@example.org").status_code == 422
    row = signed(house, slug, country=NO_COUNTRY, city="")
    fallback = house.value("SELECT fallback_addressee_id FROM petitions")
    assert (row.state, row.country_code, row.addressee_id) == ("pending", NO_COUNTRY, fallback)


def test_the_worker_lets_nobody_else_leave_out_the_city(house: House, make: Factory) -> None:
    petition = make.petition()
    for country, city, expected in (
        ("PL", "", "rejected"),
        (NO_COUNTRY, "", "pending"),
        (NO_COUNTRY, "=x", "rejected"),
    ):
        event = send(house, petition, country=country, city=city, email=f"{uuid4().hex}@example.org")
        house.drain()
        assert house.value("SELECT state FROM signatures WHERE event_id = :e", e=event) == expected


def test_a_minimum_age_is_asked_for_and_looked_at_again(house: House, make: Factory) -> None:
    petition = make.petition(min_age=16)
    slug, client = make.slug(petition), house.client()
    assert "I am at least 16 years old." in client.get(f"/petitions/{slug}/sign").text
    refused = sign(client, slug)
    assert refused.status_code == 422
    assert "may be signed from the age of 16" in refused.text
    assert 'id="of_age-error"' in refused.text
    assert signed(house, slug, of_age="y").state == "pending"
    for value in (None, False, "yes", 1):
        event = send(house, petition, of_age=value, email=f"{uuid4().hex}@example.org")
        house.drain()
        row = house.sql("SELECT state, reason FROM signatures WHERE event_id = :e", e=event).one()
        assert row == ("rejected", "age")


def test_without_a_minimum_age_nobody_is_asked_for_it(house: House, make: Factory) -> None:
    slug = make.slug(make.petition())
    assert "of_age" not in house.client().get(f"/petitions/{slug}/sign").text
    assert signed(house, slug).state == "pending"
