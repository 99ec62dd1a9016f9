"""Pictures that people send: decoded, made small and encoded anew, in a process of its own that can do nothing else.

Decoders are written in C and read what strangers made. So this very file is run as a program that sees neither our
environment nor our modules, may open no file, and ends when it needs too much memory or time. Only the standard library
is imported above; Pillow is loaded by that program alone.
"""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from enum import IntEnum

MAX_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 50_000_000
LONGEST_SIDE = 1200
QUALITY = 80
_FORMATS = ("JPEG", "PNG", "WEBP")
_MEMORY = 1024 * 1024 * 1024
_SECONDS = 15
_HEAD = struct.Struct(">HH")
"""Width and height, before the JPEG file that the program writes."""


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
    try:
        done = subprocess.run(  # noqa: S603  # Our own interpreter and this very file.
            [sys.executable, "-I", __file__], input=content, capture_output=True, timeout=2 * _SECONDS, env={}, cwd="/", check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PictureError(PictureProblem.BROKEN) from None
    if done.returncode:
        known = done.returncode in list(PictureProblem)
        raise PictureError(PictureProblem(done.returncode) if known else PictureProblem.BROKEN)
    width, height = _HEAD.unpack_from(done.stdout)
    return done.stdout[_HEAD.size :], width, height


def _draw() -> int:
    """The program: a picture comes in, a smaller one goes out. Returns the exit code."""
    for limit, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CPU, _SECONDS), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    import io

    from PIL import Image, ImageOps

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
        picture.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        if picture.has_transparency_data:
            seen = picture.convert("RGBA")
            picture = Image.new("RGB", seen.size, "white")
            picture.paste(seen, mask=seen)
        picture = picture.convert("RGB")
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
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


if __name__ == "__main__":
    sys.exit(_draw())
