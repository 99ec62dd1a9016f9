"""Pictures that people send: decoded, made small or blurred, and encoded anew, in a process that can do nothing else.

Decoders are written in C and read what strangers made. So this very file is run as a program that sees neither our
environment nor our modules, may open no file, and ends when it needs too much memory or time. Only the standard library
is imported above; Pillow is loaded by that program alone.
"""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 50_000_000
LONGEST_SIDE = 1200
QUALITY = 80
_FORMATS = ("JPEG", "PNG", "WEBP")
_MEMORY = 1024 * 1024 * 1024
_SECONDS = 15
_HEAD = struct.Struct(">HH")
"""Width and height, before the JPEG file that the program writes."""
BLOCKS = 3
"""Blocks of a mosaic across the longer side of what it hides, at most."""
LEVELS = 32
"""Steps between the colours of a mosaic, of 256."""

_Square = tuple[int, int]
"""Column and row, from 0."""


class PictureProblem(IntEnum):
    """Why a file cannot be used; the exit codes of the program."""

    TYPE = 10
    PIXELS = 11
    BROKEN = 12


class PictureError(Exception):
    """The file is no picture that we can use."""

    def __init__(self, problem: PictureProblem) -> None:
        super().__init__(problem.name)
        self.problem = problem


def shrink(content: bytes) -> tuple[bytes, int, int]:
    """A JPEG file without metadata that fits into 1200 by 1200 pixels, its width and its height. Raises PictureError.

    What is read are JPEG, PNG and WebP, whatever the file is called; of an animation the first picture.
    """
    done = _run(content)
    width, height = _HEAD.unpack_from(done)
    return done[_HEAD.size :], width, height


def blur(content: bytes, cells: Collection[int], columns: int, rows: int) -> bytes:
    """A JPEG file of the same size in which nobody can be told in some cells. Raises PictureError, ValueError.

    The cells are squares, `columns` of them across the picture, numbered row by row from 0; the last of the `rows` may reach
    below the picture. A Gaussian blur would not do: it is a weighted sum, so most of what it takes can be computed back, and
    networks trained on blurred faces name them anyhow, as they do with a fine mosaic (McPherson, Shokri and Shmatikov,
    "Defeating Image Obfuscation with Deep Learning", 2016). So each connected group of cells, whatever its size, becomes a
    mosaic of at most BLOCKS by BLOCKS blocks, none smaller than a cell, each of one colour: the average of its pixels,
    rounded to LEVELS, which leaves of a face less than what any two people with similar hair and skin differ in.
    """
    if columns < 1 or any(not 0 <= cell < columns * rows for cell in cells):
        raise ValueError("There are no such cells.")
    return _run(content, str(columns), ",".join(str(cell) for cell in sorted(set(cells))))[_HEAD.size :]


def _run(content: bytes, *arguments: str) -> bytes:
    """What the program writes. Raises PictureError."""
    command = [sys.executable, "-I", __file__, *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # Our own interpreter and this very file.
            command, input=content, capture_output=True, timeout=2 * _SECONDS, env={}, cwd="/", check=False
        )
    except subprocess.TimeoutExpired:
        raise PictureError(PictureProblem.BROKEN) from None
    if done.returncode:
        known = done.returncode in list(PictureProblem)
        raise PictureError(PictureProblem(done.returncode) if known else PictureProblem.BROKEN)
    return done.stdout


# --- The program ---------------------------------------------------------------------------------------------------------


def _main(arguments: list[str]) -> int:
    """A picture comes in, another goes out: a smaller one, or, given columns and cells, one with a mosaic. Returns the exit code."""
    if not arguments:
        return _draw(_smaller)
    columns, cells = int(arguments[0]), [int(cell) for cell in arguments[1].split(",") if cell]
    return _draw(lambda picture: _hide(picture.convert("RGB"), cells, columns))


def _draw(change: Callable[[Image.Image], Image.Image]) -> int:
    """Read a picture, change it and write it as JPEG. Returns the exit code."""
    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _SECONDS), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    import io

    from PIL import Image, ImageOps, ImageStat  # noqa: F401  # The last two for what is done with it.

    Image.init()  # It loads every decoder that there is.
    content = sys.stdin.buffer.read()
    # Everything is loaded: from here on nothing can be opened.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    try:
        picture: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError:
        return PictureProblem.PIXELS
    except Exception:
        return PictureProblem.TYPE
    if picture.width * picture.height > MAX_PIXELS:
        return PictureProblem.PIXELS
    try:
        picture = change(picture)
        # Into a picture of its own, so that nothing of what the first one brought along goes with it.
        plain = Image.new("RGB", picture.size)
        plain.paste(picture)
        out = io.BytesIO()
        plain.save(out, "JPEG", quality=QUALITY, progressive=True, optimize=True)
    except Exception:
        return PictureProblem.BROKEN
    sys.stdout.buffer.write(_HEAD.pack(*plain.size) + out.getvalue())
    sys.stdout.buffer.flush()
    return 0


def _smaller(picture: Image.Image) -> Image.Image:
    """Upright, in plain colours, and fitting into LONGEST_SIDE."""
    from PIL import Image, ImageOps

    picture.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        picture = Image.new("RGB", seen.size, "white")
        picture.paste(seen, mask=seen)
    picture = picture.convert("RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return picture


def _hide(picture: Image.Image, cells: Collection[int], columns: int) -> Image.Image:
    """With a mosaic over some cells. Cells that only touch at a corner belong together: a mosaic is the coarser for it."""
    seen, marked = picture.copy(), {(cell % columns, cell // columns) for cell in cells}
    for group in _groups(marked):
        across = [max(one[side] for one in group) - min(one[side] for one in group) + 1 for side in (0, 1)]
        size = -(-max(across) // BLOCKS)
        left, top = (min(one[side] for one in group) for side in (0, 1))
        blocks: dict[_Square, set[_Square]] = {}
        for column, row in group:
            blocks.setdefault(((column - left) // size, (row - top) // size), set()).add((column, row))
        for block in blocks.values():
            _fill(picture, seen, block, columns)
    return picture


def _groups(marked: set[_Square]) -> Iterator[set[_Square]]:
    """Cells that touch each other, group by group."""
    left = set(marked)
    while left:
        edge = [left.pop()]
        group = set(edge)
        while edge:
            column, row = edge.pop()
            around = {(column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1)} & left
            left -= around
            group |= around
            edge.extend(around)
        yield group


def _fill(picture: Image.Image, seen: Image.Image, block: set[_Square], columns: int) -> None:
    """Fill cells with the average of what was `seen` in them."""
    from PIL import Image, ImageStat

    # Outwards to whole pixels, so that no line of the original stays between two cells.
    boxes = [
        (
            column * picture.width // columns,
            row * picture.width // columns,
            -(-(column + 1) * picture.width // columns),
            min(-(-(row + 1) * picture.width // columns), picture.height),
        )
        for column, row in block
        if row * picture.width // columns < picture.height
    ]
    if not boxes:
        return  # All of it lies below the picture.
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    mask = Image.new("1", (right - left, bottom - top))
    for box in boxes:
        mask.paste(1, (box[0] - left, box[1] - top, box[2] - left, box[3] - top))
    means = ImageStat.Stat(seen.crop((left, top, right, bottom)), mask).mean
    colour: Any = tuple(min(round(mean / LEVELS) * LEVELS, 255) for mean in means)
    picture.paste(colour, (left, top, right, bottom), mask)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
