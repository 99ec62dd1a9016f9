"""Pictures that people send: small, without metadata, and whatever is wrong with one is noticed in a process of its own."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import pytest
from PIL import Image

from core.pictures import PictureError, PictureProblem, shrink


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def opened(jpeg: bytes) -> Image.Image:
    assert jpeg[:3] == b"\xff\xd8\xff"
    return Image.open(io.BytesIO(jpeg))


def bomb(width: int, height: int) -> bytes:
    """A PNG file of some kilobytes that would need up to gigabytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    row = b"\0" + bytes((width + 7) // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_becomes_a_small_jpeg(kind: str) -> None:
    jpeg, width, height = shrink(encoded(Image.new("RGB", (2400, 1000), "teal"), kind))
    picture = opened(jpeg)
    assert (width, height) == picture.size == (1200, 500)
    assert picture.info.get("progressive")
    assert len(jpeg) < 20_000


def test_a_small_picture_is_not_blown_up() -> None:
    _jpeg, width, height = shrink(encoded(Image.new("RGB", (30, 20))))
    assert (width, height) == (30, 20)


def test_nothing_but_pixels_goes_on() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Lies on its side.
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[2] = (53.0, 54.0, 0.0)  # The place, as telephones write it.
    picture = Image.new("RGB", (100, 40), "red")
    jpeg, width, height = shrink(encoded(picture, "JPEG", exif=exif, comment=b"secret", icc_profile=b"x" * 200))
    assert (width, height) == (40, 100), "it stands upright"
    again = opened(jpeg)
    assert not again.getexif()
    assert not {"exif", "comment", "icc_profile", "xmp"} & again.info.keys()
    assert b"secret" not in jpeg
    assert b"taken at home" not in jpeg


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK", "I;16"])
def test_every_kind_of_colour_is_read(mode: str) -> None:
    picture = Image.new(mode, (20, 20))
    jpeg, *_size = shrink(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert opened(jpeg).mode == "RGB"


def test_what_is_transparent_is_paper() -> None:
    jpeg, *_size = shrink(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0))))
    assert opened(jpeg).getpixel((10, 10)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 5_001)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    content = bomb(*size)
    assert len(content) < 200_000
    with pytest.raises(PictureError) as told:
        shrink(content)
    assert told.value.problem is PictureProblem.PIXELS


def test_as_many_pixels_as_are_taken_can_be_drawn() -> None:
    jpeg, width, height = shrink(bomb(10_000, 5_000))
    assert (width, height) == opened(jpeg).size == (1200, 600)


def test_one_that_was_cut_off_is_broken() -> None:
    whole = encoded(Image.effect_noise((400, 400), 90), "JPEG")
    with pytest.raises(PictureError) as told:
        shrink(whole[: len(whole) // 2])
    assert told.value.problem is PictureProblem.BROKEN


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"<!doctype html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        encoded(Image.new("RGB", (10, 10)), "GIF"),
        encoded(Image.new("RGB", (10, 10)), "TIFF"),
    ],
)
def test_by_its_first_bytes_it_is_something_else(content: bytes) -> None:
    with pytest.raises(PictureError) as told:
        shrink(content)
    assert told.value.problem is PictureProblem.TYPE


def test_a_decoder_that_dies_is_a_broken_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PictureError) as told:
        shrink(encoded(Image.new("RGB", (10, 10))))
    assert told.value.problem is PictureProblem.BROKEN
