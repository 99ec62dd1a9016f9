"""The map of pickets: which outline, what part of it, and where dots and names stand. Pure; templates/pickets/_map.html draws it.

Coordinates of the picture are units of which it is always PICTURE_WIDTH wide, so that one style sheet fits every crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import asinh, atan, cos, degrees, radians, sinh, tan

from babel.numbers import format_decimal

PICTURE_WIDTH = 720.0
ASPECT = 1.5
"""Width to height. A wider picture would be a strip on a phone."""
MARGIN = 0.14
"""Of the distance between the outermost spots, left free around them on each side."""
KILOMETRES_A_DEGREE = 111.2

# On a phone the picture is about half as wide as it has units, so that names and dots are drawn twice as large there.
# static/site.css has the same sizes.
PHONE_FONT, PHONE_DOT = 26.0, 11.0
DESK_FONT, DESK_DOT = 15.0, 6.5
LETTER = 0.57
"""Width of a letter on average, in heights of the font."""
GAP = 5.0
"""Between a dot and its name."""
CLEAR = 0.2
"""Between a dot and the name of another, in heights of the font."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A drawing of land and borders in static/img, in Mercator's projection. Longitudes and latitudes in degrees."""

    file: str
    units: int
    """Of the drawing, in a degree of longitude."""
    west: float
    east: float
    south: float
    north: float
    shows: tuple[float, float, float, float]
    """West, east, south and north of the spots that it is taken for; what lies around them is drawn, too."""
    min_km: float
    """Its crops are at least so wide: closer, it would be too coarse."""

    def has(self, lat: float, lon: float) -> bool:
        """Whether a spot may lie on it."""
        west, east, south, north = self.shows
        return west <= lon <= east and south <= lat <= north

    def place(self, lat: float, lon: float) -> tuple[float, float]:
        """Where a spot lies on it, as `project` has it."""
        return project(lat, lon + 360 if lon < self.west else lon)


EUROPE = Outline("img/map-europe.svg", 50, -48, 72, 30, 73, (-25, 50, 33, 72), 1200)
# Its edges run through the Bering Strait, where no country is cut in two and New Zealand is not at the very edge.
WORLD = Outline("img/map-world.svg", 10, -169, 191, -57, 78, (-180, 180, -57, 78), 3000)


@dataclass(frozen=True, slots=True)
class Spot:
    """A city with pickets."""

    name: str
    url: str
    lat: float
    lon: float
    number: int
    """Of pickets there."""
    is_over: bool
    """None of them is to come."""


@dataclass(frozen=True, slots=True)
class Label:
    """Where the name of a spot stands. `x` and `y` are those of the text, `anchor` is SVG's text-anchor."""

    text: str
    x: float
    y: float
    anchor: str
    is_roomy: bool
    """It finds room only where names are small: not on a phone."""


@dataclass(frozen=True, slots=True)
class DrawnSpot:
    """A spot with its place in the picture. Without a label its name is in the title and in the list beside the map."""

    spot: Spot
    x: float
    y: float
    label: Label | None


@dataclass(frozen=True, slots=True)
class Map:
    """A picture `width` by `height`, with its outline moved by `x` and `y` and then made larger or smaller by `scale`."""

    outline: str
    width: float
    height: float
    x: float
    y: float
    scale: float
    spots: Sequence[DrawnSpot]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether they have more than an edge in common."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def is_within(self, other: Box) -> bool:
        """Whether it nowhere leaves the other."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


def project(lat: float, lon: float) -> tuple[float, float]:
    """Mercator's projection of a place in degrees; x and y in degrees of longitude at the equator, y downwards."""
    return lon, -degrees(asinh(tan(radians(lat))))


def draw_map(spots: Sequence[Spot], language: str) -> Map | None:
    """The map with these spots, None when there are none that a map can show. Numbers are written as in the language.

    Europe when all lie there, otherwise the world. What lies beyond its edges, near the poles, is left out.
    """
    shown = [spot for spot in spots if WORLD.has(spot.lat, spot.lon)]
    if not shown:
        return None
    outline = EUROPE if all(EUROPE.has(spot.lat, spot.lon) for spot in shown) else WORLD
    places = [outline.place(spot.lat, spot.lon) for spot in shown]
    crop = _crop(outline, places)
    scale = PICTURE_WIDTH / (crop.right - crop.left)
    height = (crop.bottom - crop.top) * scale
    points = [(round((x - crop.left) * scale, 1), round((y - crop.top) * scale, 1)) for x, y in places]
    labels = _place_labels(shown, points, Box(0, 0, PICTURE_WIDTH, height), language)
    drawn = [DrawnSpot(spot, *point, label) for spot, point, label in zip(shown, points, labels, strict=True)]
    # What is over lies beneath what is to come.
    drawn.sort(key=lambda one: one.spot.is_over, reverse=True)
    return Map(
        outline.file,
        PICTURE_WIDTH,
        round(height, 1),
        round(-crop.left * scale, 2),
        round(-crop.top * scale, 2),
        round(scale / outline.units, 5),
        drawn,
    )


def _crop(outline: Outline, points: Sequence[tuple[float, float]]) -> Box:
    """The part of an outline around the points, in degrees as `project` has them."""
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    _, edge_top = project(outline.north, 0)
    _, edge_bottom = project(outline.south, 0)
    most_wide, most_high = outline.east - outline.west, edge_bottom - edge_top
    # Mercator's degrees of longitude are shorter towards the poles.
    middle = atan(sinh(radians(-(top + bottom) / 2)))
    least = outline.min_km / (KILOMETRES_A_DEGREE * cos(middle))
    around = 1 + 2 * MARGIN
    high = min(most_high, max((bottom - top) * around, least / ASPECT, (right - left) * around / ASPECT))
    wide = min(most_wide, max((right - left) * around, high * ASPECT))
    high = min(most_high, max(high, wide / ASPECT))
    x = _within((left + right - wide) / 2, outline.west, outline.east - wide)
    y = _within((top + bottom - high) / 2, edge_top, edge_bottom - high)
    return Box(x, y, x + wide, y + high)


def _within(value: float, least: float, most: float) -> float:
    return max(least, min(value, most))


# --- Names -------------------------------------------------------------------------------------------------------------


def _place_labels(
    spots: Sequence[Spot], points: Sequence[tuple[float, float]], picture: Box, language: str
) -> list[Label | None]:
    """A label for each spot that finds room for one: those to come first, of these the ones with most pickets.

    First as large as on a phone; who finds no room then may find it where letters are small.
    """
    texts = [
        spot.name if spot.number < 2 else f"{spot.name} · {format_decimal(spot.number, locale=language)}"
        for spot in spots
    ]
    labels: list[Label | None] = [None] * len(spots)
    turns = sorted(range(len(spots)), key=lambda index: (spots[index].is_over, -spots[index].number, index))
    for font, dot, is_roomy in ((PHONE_FONT, PHONE_DOT, False), (DESK_FONT, DESK_DOT, True)):
        # So far off that nobody takes it for the name of another dot.
        off = dot + CLEAR * font
        dots = [Box(x - off, y - off, x + off, y + off) for x, y in points]
        # A label of the first round keeps its place and is as small as those of the second.
        taken = [_box(label, font) for label in labels if label is not None]
        for index in turns:
            if labels[index] is not None:
                continue
            others = [*taken, *(one for other, one in enumerate(dots) if other != index)]
            for label in _ways(texts[index], points[index], font, dot, is_roomy=is_roomy):
                box = _box(label, font)
                if box.is_within(picture) and not any(box.overlaps(other) for other in others):
                    labels[index] = label
                    taken.append(box)
                    break
    return labels


def _ways(text: str, point: tuple[float, float], font: float, dot: float, *, is_roomy: bool) -> Iterator[Label]:
    """Places for a label, the best first: beside the dot, above and below it, then at its corners."""
    x, y = point
    middle = 0.35 * font  # The baseline lies that far below the middle of small letters.
    off, corner = dot + GAP, 0.7 * (dot + GAP)
    above, below = y - off, y + off + 0.75 * font
    for at_x, at_y, anchor in (
        (x + off, y + middle, "start"),
        (x - off, y + middle, "end"),
        (x, above, "middle"),
        (x, below, "middle"),
        (x + corner, y - corner, "start"),
        (x - corner, y - corner, "end"),
        (x + corner, y + corner + 0.75 * font, "start"),
        (x - corner, y + corner + 0.75 * font, "end"),
    ):
        yield Label(text, round(at_x, 1), round(at_y, 1), anchor, is_roomy)


def _box(label: Label, font: float) -> Box:
    """What a label covers, by the number of its letters."""
    wide = len(label.text) * LETTER * font
    left = label.x - {"start": 0.0, "middle": wide / 2, "end": wide}[label.anchor]
    return Box(left, label.y - 0.85 * font, left + wide, label.y + 0.25 * font)
