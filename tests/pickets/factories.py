"""Cities and pickets for tests, written past all grants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from core.typed import search_words

if TYPE_CHECKING:
    from tests.conftest import House
    from tests.factories import Factory

_codes = count(1)
WARSAW = {"id": 756135, "name": "Warsaw", "country_code": "PL", "slug": "warsaw", "lat": 52.2298, "lon": 21.0118, "timezone": "Europe/Warsaw", "population": 1702139}  # fmt: skip
VILNIUS = {"id": 593116, "name": "Vilnius", "country_code": "LT", "slug": "vilnius", "lat": 54.6892, "lon": 25.2798, "timezone": "Europe/Vilnius", "population": 542366}  # fmt: skip
BERLIN = {"id": 2950159, "name": "Berlin", "country_code": "DE", "region": "DE-BE", "slug": "berlin", "lat": 52.5244, "lon": 13.4105, "timezone": "Europe/Berlin", "population": 3426354}  # fmt: skip


def city(house: House, *names: str, **changes: Any) -> int:
    """A city, Warsaw unless changed, found by its own name and by `names`. Made once. Returns its number."""
    values: dict[str, Any] = {"region": "", "near": ""} | WARSAW | changes
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    house.sql(f"INSERT INTO cities ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING", **values)
    for name in {values["name"], *names}:
        house.sql("INSERT INTO city_names VALUES (:c, :n) ON CONFLICT DO NOTHING", c=values["id"], n=search_words(name))
    return int(values["id"])


def picket(house: House, make: Factory, *, notice: dict[str, Any] | None = None, **changes: Any) -> UUID:
    """A picket in a week, announced unless changed, for the first petition that there is. Returns its number."""
    starts = (datetime.now(UTC) + timedelta(days=7)).replace(hour=11, minute=0, second=0, microsecond=0)
    starts = changes.get("starts_at", starts)
    petition_id = changes.get("petition_id") or house.value("SELECT min(id) FROM petitions") or make.petition()
    addressee_id = changes.get("addressee_id") or house.value(
        "SELECT addressee_id FROM petition_routes WHERE petition_id = :p AND country_code = 'PL'", p=petition_id
    )
    values = {
        "id": uuid4(), "code": f"{next(_codes):06d}", "petition_id": petition_id, "addressee_id": addressee_id,
        "city_id": changes.get("city_id") or city(house), "state": "announced", "language": "en", "alias": "Ala", "starts_at": starts,
        "ends_at": starts + timedelta(hours=2), "place": "Aleja Szucha 23", "people": 30, "announced_at": datetime.now(UTC) - timedelta(hours=1),
    } | changes  # fmt: skip
    if values["state"] in ("draft", "review", "notified"):
        values["announced_at"] = changes.get("announced_at")
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    house.sql(f"INSERT INTO pickets ({columns}) VALUES ({marks})", **values)
    told = {"picket_id": values["id"]} | (notice or {})
    columns, marks = ", ".join(told), ", ".join(f":{name}" for name in told)
    house.sql(f"INSERT INTO assembly_notices ({columns}) VALUES ({marks})", **told)
    return UUID(str(values["id"]))


def shift(house: House, picket_id: UUID, seats: int = 1, role: str = "table") -> UUID:
    """A shift of the picket's whole time. Returns its number."""
    number = uuid4()
    house.sql(
        "INSERT INTO shifts SELECT :i, id, :r, starts_at, ends_at, :s FROM pickets WHERE id = :p",
        i=number, r=role, s=seats, p=picket_id,
    )  # fmt: skip
    return number


def organiser(house: House, make: Factory, picket_id: UUID, **changes: Any) -> int:
    """Somebody who organises a picket. Returns the number of the account."""
    where = house.sql(
        "SELECT petition_id, country_code FROM pickets JOIN cities ON cities.id = city_id WHERE pickets.id = :p",
        p=picket_id,
    ).one()
    account = make.account(where.petition_id, role="organiser", country=where.country_code, **changes)
    house.sql(
        "INSERT INTO picket_organisers (picket_id, account_id, accepted_at) VALUES (:p, :a, now())",
        p=picket_id,
        a=account,
    )
    return account
