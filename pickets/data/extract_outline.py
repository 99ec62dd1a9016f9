"""Makes static/img/map-world.svg and map-europe.svg of Natural Earth's countries. Run from the root of the project:

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    python -m pickets.data.extract_outline package

README.md beside it tells the licence.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import hypot
from pathlib import Path
from typing import Any

from pickets.map import EUROPE, WORLD, Outline, project

STATIC = Path(__file__).resolve().parents[2] / "static"

Point = tuple[float, float]
Topology = Mapping[str, Any]

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">
<!-- Natural Earth 4.1.0 (public domain) by world-atlas 2.0.2. Made by pickets/data/extract_outline.py. -->
<path id="land" vector-effect="non-scaling-stroke" d="{land}"/>
<path id="borders" fill="none" vector-effect="non-scaling-stroke" d="{borders}"/>
</svg>
"""


def main(package: Path) -> None:
    """Draw both outlines."""
    for outline, file, off, smallest in (
        (WORLD, "countries-110m.json", 0.05, 0.5),
        (EUROPE, "countries-50m.json", 0.01, 0.01),
    ):
        topology = json.loads((package / file).read_text(encoding="utf-8"))
        _give_crimea_back(topology)
        drawn = _draw(topology, outline, off, smallest)
        (STATIC / outline.file).write_text(drawn, encoding="utf-8")


def _give_crimea_back(topology: Topology) -> None:
    """Natural Earth draws borders as they are held. Crimea is Ukraine's: UN General Assembly, resolution 68/262."""
    by_name = {one["properties"]["name"]: one for one in topology["objects"]["countries"]["geometries"]}
    arcs = _read_arcs(topology)
    crimea = [polygon for polygon in by_name["Russia"]["arcs"] if _is_crimea(_ring(polygon[0], arcs))]
    if len(crimea) != 1:
        raise ValueError("Crimea is not found where it was.")
    by_name["Russia"]["arcs"].remove(crimea[0])
    ukraine = by_name["Ukraine"]
    if ukraine["type"] == "Polygon":
        ukraine["type"], ukraine["arcs"] = "MultiPolygon", [ukraine["arcs"]]
    ukraine["arcs"].append(crimea[0])


def _is_crimea(ring: Sequence[Point]) -> bool:
    return all(32 < lon < 37 and 44 < lat < 46.5 for lon, lat in ring)


def _draw(topology: Topology, outline: Outline, off: float, smallest: float) -> str:
    """The file of an outline: without detail smaller than `off` degrees, without islands of less than `smallest` square degrees."""
    arcs = [_simplify(arc, off) for arc in _read_arcs(topology)]
    # The coast is what only one country has an arc of; a border is what two have.
    owners = Counter((index if index >= 0 else ~index, name) for name, ring in _rings(topology) for index in ring)
    shared = Counter(index for index, _name in owners)
    rings = (_ring(ring, arcs) for polygon in _polygons(topology["objects"]["land"]["geometries"]) for ring in polygon)
    clipped = (_clip(ring, outline) for ring in _everywhere(rings))
    land = [ring for ring in clipped if len(ring) > 3 and _area(ring) >= smallest]
    common = (arc for index, arc in enumerate(arcs) if shared[index] > 1)
    borders = [part for line in _everywhere(common) for part in _inside(line, outline)]
    left, top = _place((outline.west, outline.north), outline)
    right, bottom = _place((outline.east, outline.south), outline)
    return _SVG.format(
        box=f"{left} {top} {right - left} {bottom - top}",
        land=_path(land, outline, close=True),
        borders=_path(borders, outline, close=False),
    )


# --- TopoJSON ----------------------------------------------------------------------------------------------------------


def _read_arcs(topology: Topology) -> list[list[Point]]:
    """Lines in degrees of longitude and latitude; the file has whole numbers, each the difference from the last."""
    (scale_x, scale_y), (off_x, off_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for step_x, step_y in arc:
            x, y = x + step_x, y + step_y
            points.append((x * scale_x + off_x, y * scale_y + off_y))
        arcs.append(_unwrapped(points))
    return arcs


def _polygons(geometries: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[Sequence[int]]]:
    for one in geometries:
        if one["type"] == "Polygon":
            yield one["arcs"]
        elif one["type"] == "MultiPolygon":
            yield from one["arcs"]


def _rings(topology: Topology) -> Iterator[tuple[str, Sequence[int]]]:
    """Every ring of every country, with the country's name."""
    for country in topology["objects"]["countries"]["geometries"]:
        for polygon in _polygons([country]):
            for ring in polygon:
                yield country["properties"]["name"], ring


def _ring(indices: Iterable[int], arcs: Sequence[Sequence[Point]]) -> list[Point]:
    """Arcs put together; ~index means the arc the other way round."""
    points: list[Point] = []
    for index in indices:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points.extend(arc[1:] if points else arc)
    return _unwrapped(points)


def _unwrapped(points: Iterable[Point]) -> list[Point]:
    """The same line without jumps from one end of the map to the other: longitudes run on beyond 180 degrees."""
    line: list[Point] = []
    for lon, lat in points:
        turns = round((line[-1][0] - lon) / 360) if line else 0
        line.append((lon + 360 * turns, lat))
    return line


def _everywhere(lines: Iterable[Sequence[Point]]) -> Iterator[list[Point]]:
    """Lines once more to the west and to the east, because the edge of a map may run through them."""
    for line in lines:
        for off in (-360, 0, 360):
            yield [(lon + off, lat) for lon, lat in line]


# --- Shapes ------------------------------------------------------------------------------------------------------------


def _simplify(line: Sequence[Point], off: float) -> list[Point]:
    """Of Douglas and Peucker: as few points as keep the line within `off` of all that are left out."""
    kept = {0, len(line) - 1}
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        farthest, index = max(
            ((_distance(line[between], line[first], line[last]), between) for between in range(first + 1, last)),
            default=(0.0, 0),
        )
        if farthest > off:
            kept.add(index)
            spans += [(first, index), (index, last)]
    return [line[index] for index in sorted(kept)]


def _distance(point: Point, start: Point, end: Point) -> float:
    """From a point to the line between two others."""
    wide, high = end[0] - start[0], end[1] - start[1]
    length = wide * wide + high * high
    along = ((point[0] - start[0]) * wide + (point[1] - start[1]) * high) / length if length else 0.0
    along = max(0.0, min(1.0, along))
    return hypot(point[0] - start[0] - along * wide, point[1] - start[1] - along * high)


def _area(ring: Sequence[Point]) -> float:
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*ring, ring[0]]))) / 2


def _clip(ring: Sequence[Point], outline: Outline) -> list[Point]:
    """The part of a ring inside of the outline, of Sutherland and Hodgman: one edge after another."""
    points = list(ring)
    for axis, edge, sign in (
        (0, outline.west, 1),
        (0, outline.east, -1),
        (1, outline.south, 1),
        (1, outline.north, -1),
    ):
        kept: list[Point] = []
        for before, here in pairwise([points[-1], *points] if points else []):
            was_in, is_in = sign * before[axis] >= sign * edge, sign * here[axis] >= sign * edge
            if was_in != is_in:
                part = (edge - before[axis]) / (here[axis] - before[axis])
                kept.append(tuple(a + part * (b - a) for a, b in zip(before, here, strict=True)))  # type: ignore[arg-type]  # Two numbers.
            if is_in:
                kept.append(here)
        points = kept
    return points


def _inside(line: Sequence[Point], outline: Outline) -> Iterator[list[Point]]:
    """Parts of a line with an end inside of the outline."""
    part: list[Point] = []
    for before, here in pairwise(line):
        if any(outline.west <= x <= outline.east and outline.south <= y <= outline.north for x, y in (before, here)):
            part = part or [before]
            part.append(here)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _place(point: Point, outline: Outline) -> tuple[int, int]:
    x, y = project(point[1], point[0])
    return round(x * outline.units), round(y * outline.units)


def _path(lines: Iterable[Sequence[Point]], outline: Outline, *, close: bool) -> str:
    """Lines as the data of a path, each number the difference from the last."""
    parts = []
    for line in lines:
        places = [_place(point, outline) for point in line]
        steps = [(there[0] - here[0], there[1] - here[1]) for here, there in pairwise(places) if there != here]
        if len(steps) > (1 if close else 0):
            numbers = "".join(f"{x}{_signed(y)}" if x < 0 else f" {x}{_signed(y)}" for x, y in steps).lstrip()
            parts.append(f"M{places[0][0]}{_signed(places[0][1])}l{numbers}{'z' if close else ''}")
    return "".join(parts)


def _signed(number: int) -> str:
    return f"{number}" if number < 0 else f" {number}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
