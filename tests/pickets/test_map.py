"""The map: which outline, what part of it, and labels that lie on nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from flask import render_template_string
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Role
from pickets.map import (
    CLEAR,
    DESK_DOT,
    DESK_FONT,
    EUROPE,
    PHONE_DOT,
    PHONE_FONT,
    PICTURE_WIDTH,
    WORLD,
    Box,
    Map,
    Outline,
    Spot,
    _box,
    draw_map,
    project,
)
from tests.conftest import ROOT, House

WARSAW = Spot("Warsaw", "/pickets/pl/warsaw", 52.23, 21.01, 3, is_over=False)
VILNIUS = Spot("Vilnius", "/pickets/lt/vilnius", 54.69, 25.28, 1, is_over=False)
BATUMI = Spot("Batumi", "/pickets/ge/batumi", 41.64, 41.63, 1, is_over=True)
TORONTO = Spot("Toronto", "/pickets/ca/toronto", 43.70, -79.42, 1, is_over=False)
WELLINGTON = Spot("Wellington", "/pickets/nz/wellington", -41.29, 174.78, 1, is_over=False)
APIA = Spot("Apia", "/pickets/ws/apia", -13.83, -171.77, 1, is_over=False)

spots = st.lists(
    st.builds(
        Spot,
        name=st.text("abcdefghijk", min_size=2, max_size=22),
        url=st.just("/"),
        lat=st.floats(-90, 90),
        lon=st.floats(-180, 180),
        number=st.integers(1, 2000),
        is_over=st.booleans(),
    ),
    max_size=25,
)


def drawn(*some: Spot) -> Map:
    """The map of some spots, which must be there."""
    made = draw_map(some, "en")
    assert made is not None
    return made


def test_no_spots_make_no_map() -> None:
    assert draw_map([], "en") is None
    assert draw_map([replace(WARSAW, lat=89.0)], "en") is None


def test_europe_is_taken_while_all_lie_there() -> None:
    assert drawn(WARSAW, VILNIUS, BATUMI).outline == "img/map-europe.svg"
    assert drawn(WARSAW, VILNIUS, TORONTO).outline == "img/map-world.svg"


@pytest.mark.parametrize(("spot", "outline"), [(WARSAW, EUROPE), (TORONTO, WORLD)])
def test_one_spot_stands_in_the_middle_and_is_not_shown_too_close(spot: Spot, outline: Outline) -> None:
    made = drawn(spot)
    assert (made.spots[0].x, made.spots[0].y) == pytest.approx((made.width / 2, made.height / 2), abs=0.2)
    degrees_wide = PICTURE_WIDTH / (made.scale * outline.units)
    # At 52 degrees north a degree of longitude is 68 km, at 44 it is 80.
    assert degrees_wide * (68 if spot is WARSAW else 80) == pytest.approx(outline.min_km, rel=0.02)


def test_a_dot_lies_where_the_outline_has_its_city() -> None:
    made = drawn(WARSAW, VILNIUS)
    for one in made.spots:
        x, y = project(one.spot.lat, one.spot.lon)
        there = x * EUROPE.units * made.scale + made.x, y * EUROPE.units * made.scale + made.y
        assert there == pytest.approx((one.x, one.y), abs=0.5)


def test_places_on_both_sides_of_the_date_line_lie_side_by_side() -> None:
    made = drawn(WELLINGTON, APIA)
    by_name = {one.spot.name: one for one in made.spots}
    assert by_name["Wellington"].x < by_name["Apia"].x < PICTURE_WIDTH
    degrees_wide = PICTURE_WIDTH / (made.scale * WORLD.units)
    assert degrees_wide < 90


def test_what_is_over_lies_beneath_and_has_its_name_last() -> None:
    over = replace(WARSAW, name="Over", is_over=True)
    made = drawn(WARSAW, replace(over, lon=WARSAW.lon + 0.01), VILNIUS)
    assert [one.spot.is_over for one in made.spots] == [True, False, False]
    assert {one.spot.name for one in made.spots if one.label} >= {"Warsaw", "Vilnius"}


def test_a_label_tells_the_number_as_the_language_writes_it() -> None:
    made = draw_map([replace(WARSAW, number=12345)], "pl")
    assert made is not None
    assert made.spots[0].label is not None
    assert made.spots[0].label.text == "Warsaw · 12\u00a0345"
    assert [one.label.text for one in drawn(VILNIUS).spots if one.label] == ["Vilnius"]


def test_a_name_that_finds_no_room_is_left_out() -> None:
    crowd = [replace(WARSAW, name=f"A rather long name {number}") for number in range(30)]
    labels = [one.label for one in drawn(*crowd).spots]
    assert any(labels)
    assert not all(labels)


def test_small_letters_find_room_where_large_ones_do_not() -> None:
    near = [replace(WARSAW, name=f"Namesake {number}", lat=WARSAW.lat + number * 0.22) for number in range(20)]
    roomy = {one.label.is_roomy for one in drawn(*near).spots if one.label}
    assert roomy == {True, False}


@settings(max_examples=150, deadline=None)
@given(spots)
def test_no_label_lies_on_another_near_the_dot_of_another_or_outside(some: list[Spot]) -> None:
    made = draw_map(some, "en")
    if made is None:
        return
    picture = Box(0, 0, made.width, made.height + 0.1)
    assert made.width / made.height < 1.9
    assert made.height <= 1.2 * PICTURE_WIDTH
    for font, dot, roomy in ((PHONE_FONT, PHONE_DOT, False), (DESK_FONT, DESK_DOT, True)):
        labels = [(one, _box(one.label, font)) for one in made.spots if one.label and (roomy or not one.label.is_roomy)]
        for (_, box), (_, other) in combinations(labels, 2):
            assert not box.overlaps(other)
        for one, box in labels:
            assert box.is_within(picture)
            for other in made.spots:
                off = dot + CLEAR * font
                dot_box = Box(other.x - off, other.y - off, other.x + off, other.y + off)
                assert other is one or not box.overlaps(dot_box)
    for one in made.spots:
        assert 0 <= one.x <= made.width
        assert 0 <= one.y <= made.height + 0.1


# --- The outlines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outline", "most"), [(WORLD, 60_000), (EUROPE, 90_000)])
def test_outlines_are_light_and_take_their_colours_from_the_page(outline: Outline, most: int) -> None:
    path = ROOT / "static" / outline.file
    assert path.stat().st_size < most
    tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314  # A file of ours.
    paths = tree.findall("{http://www.w3.org/2000/svg}path")
    assert [one.get("id") for one in paths] == ["land", "borders"]
    assert all(set(one.attrib) <= {"id", "d", "fill", "vector-effect"} for one in paths)
    assert paths[0].get("fill") is None
    assert paths[1].get("fill") == "none"


def lines(outline: Outline, name: str) -> list[list[tuple[float, float]]]:
    """Lines of an outline in its units, read from the file."""
    text = (ROOT / "static" / outline.file).read_text(encoding="utf-8")
    found = re.search(rf'id="{name}".* d="([^"]+)"', text)
    assert found is not None
    made = []
    for part in re.findall(r"M([^M]+)", found[1]):
        numbers = [int(number) for number in re.findall(r"-?\d+", part)]
        x = y = 0
        points = []
        for step_x, step_y in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + step_x, y + step_y
            points.append((x, y))
        made.append(points)
    return made


def is_on_land(outline: Outline, lat: float, lon: float) -> bool:
    """Whether a place lies within an odd number of rings."""
    x, y = (part * outline.units for part in outline.place(lat, lon))
    inside = False
    for ring in lines(outline, "land"):
        for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
                inside = not inside
    return inside


@pytest.mark.parametrize("outline", [WORLD, EUROPE])
def test_cities_lie_on_land_and_seas_do_not(outline: Outline) -> None:
    for lat, lon in [(52.23, 21.01), (53.9, 27.56), (48.0, 11.5), (40.4, -3.7), (41.69, 44.83), (65.0, -18.5)]:
        assert is_on_land(outline, lat, lon), (lat, lon)
    for lat, lon in [(56.5, 19.0), (43.3, 34.0), (45.0, -15.0), (35.0, 18.0)]:
        assert not is_on_land(outline, lat, lon), (lat, lon)


def test_the_far_east_and_new_zealand_lie_on_the_world() -> None:
    for lat, lon in [(66.5, -173.5), (66.5, 178.0), (-43.5, 171.5), (65.0, -155.0)]:
        assert is_on_land(WORLD, lat, lon), (lat, lon)
    assert not is_on_land(WORLD, 60.0, 178.0)


@pytest.mark.parametrize("outline", [WORLD, EUROPE])
def test_no_line_runs_across_the_whole_map(outline: Outline) -> None:
    edges = [round(project(lat, 0)[1] * outline.units) for lat in (outline.north, outline.south)]
    for name in ("land", "borders"):
        for line in lines(outline, name):
            for (ax, ay), (bx, by) in pairwise(line):
                is_edge = ay == by and ay in edges
                assert abs(ax - bx) < 30 * outline.units or is_edge


@pytest.mark.parametrize("outline", [WORLD, EUROPE])
def test_no_border_parts_crimea_from_ukraine(outline: Outline) -> None:
    west, south = (part * outline.units for part in project(45.6, 33.2))
    east, north = (part * outline.units for part in project(46.4, 35.2))
    for line in lines(outline, "borders"):
        assert not any(west < x < east and north < y < south for x, y in line)


# --- The page ----------------------------------------------------------------------------------------------------------


def test_the_picture_has_a_link_a_title_and_a_name_for_each_spot_and_no_style(house: House) -> None:
    app = house.app(Role.PUBLIC)
    with app.test_request_context("/"):
        page = render_template_string(
            '{% from "pickets/_map.html" import map_of %}{{ map_of(map, "Pickets <on> a map") }}',
            map=drawn(replace(WARSAW, name="War & saw"), BATUMI),
        )
    assert 'role="group" aria-label="Pickets &lt;on&gt; a map"' in page
    assert page.count("<a ") == page.count("<title>") == 2
    assert "<title>War &amp; saw: 3 pickets</title>" in page
    assert "<title>Batumi: 1 picket, over</title>" in page
    assert re.search(r'<use class="map-land" href="/static/img/map-europe\.svg[^"]*#land"/>', page)
    assert "style" not in page
    assert "<script" not in page


def test_no_spots_draw_nothing(house: House) -> None:
    with house.app(Role.PUBLIC).test_request_context("/"):
        page = render_template_string('{% from "pickets/_map.html" import map_of %}{{ map_of(none, "x") }}')
    assert page.strip() == ""
