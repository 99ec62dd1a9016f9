"""Where the number comes from: every signature that arrived stands there once, whatever becomes of it."""

from __future__ import annotations

import re

import pytest

from tests.conftest import House
from tests.factories import Factory, counted, press, signed, token
from tests.petitions.test_intake import fsck


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


def numbers(house: House, slug: str) -> dict[str, int]:
    told = house.client().get(f"/petitions/{slug}/numbers.json").json
    return {state: total for state, total in told["total"].items() if total}


def test_it_adds_up_whatever_becomes_of_signatures(house: House, slug: str) -> None:
    counted(house, slug)
    assert numbers(house, slug) == {"received": 1, "counted": 1}
    signed(house, slug)
    assert numbers(house, slug) == {"received": 2, "counted": 1, "duplicate": 1}
    waiting = signed(house, slug, email="b@example.org")
    assert numbers(house, slug) == {"received": 3, "counted": 1, "duplicate": 1, "pending": 1}
    press(house.client(), f"/withdraw/{token(house, 'withdraw', waiting.id)}")
    house.drain()
    assert numbers(house, slug) == {"received": 3, "counted": 1, "duplicate": 1, "withdrawn": 1}
    assert fsck(house) == {}


def test_each_line_and_each_column_adds_up_on_the_page(house: House, slug: str) -> None:
    counted(house, slug)
    counted(house, slug, email="b@example.org")
    house.sql("DELETE FROM arrivals WHERE state <> 'counted'")
    house.sql("UPDATE arrivals SET day = '2026-03-01', total = 1")
    house.sql(
        "INSERT INTO arrivals SELECT petition_id, '2026-03-02', state, 1 FROM arrivals"
        " UNION ALL SELECT petition_id, '2026-03-02', 'quarantined', 7 FROM arrivals"
    )
    page = house.client().get(f"/petitions/{slug}/numbers").text
    table = page[page.index('aria-labelledby="days-title">\n    <thead') :]
    lines = []
    for row in re.findall(r'<tr role="row">(.*?)</tr>', table[: table.index("</table>")], re.DOTALL)[1:]:
        [received] = re.findall(r'data-label="Received">([\d,]+)<', row)
        lines.append(
            (int(received), {name: int(number) for name, number in re.findall(r"<span>([\w ]+):&nbsp;(\d+)<", row)})
        )
    assert len(lines) == 3
    assert all(received == sum(states.values()) for received, states in lines)
    (received, states), *days = lines
    assert received == sum(number for number, _states in days) == 9
    for state, number in states.items():
        assert number == sum(by_state.get(state, 0) for _received, by_state in days), state
    assert set(states) == {"Counted", "Held back"}


def test_a_petition_without_any_says_so(house: House, slug: str) -> None:
    assert "Nobody has signed yet." in house.client().get(f"/petitions/{slug}/numbers").text


def test_a_draft_has_no_numbers(house: House, make: Factory) -> None:
    slug = make.slug(make.petition(state="draft"))
    assert house.client().get(f"/petitions/{slug}/numbers").status_code == 404
    assert house.client().get(f"/petitions/{slug}/numbers.json").status_code == 404
