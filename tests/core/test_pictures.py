"""Pictures that people send: small, without metadata, and whatever is wrong with one is noticed in a process of its own."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import pytest
from PIL import Image, ImageChops, ImageStat

from core.pictures import BLOCKS, LEVELS, PictureError, PictureProblem, blur, shrink


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


# --- Mosaics ------------------------------------------------------------------------------------------------------------

COLUMNS, SIDE = 24, 10


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A JPEG file of 240 by 235 pixels, no two of which are alike; 24 columns make 24 rows, the last cut in half."""
    return encoded(Image.merge("RGB", [Image.effect_noise((240, 235), 120) for _ in range(3)]), "JPEG", quality=95)


def box_of(cell: int) -> tuple[int, int, int, int]:
    left, top = cell % COLUMNS * SIDE, cell // COLUMNS * SIDE
    return left, top, left + SIDE, min(top + SIDE, 235)


def spread(picture: Image.Image, box: tuple[int, int, int, int]) -> float:
    """How much the pixels of a box differ among themselves, away from its rim, which JPEG mixes with its neighbours."""
    inner = picture.crop((box[0] + 3, box[1] + 2, box[2] - 3, box[3] - 2))
    return max(ImageStat.Stat(inner).stddev)


def test_no_pixel_of_marked_squares_goes_on(noise: bytes) -> None:
    marked = {0, 23, 100, 101, 124, 125, 570}  # Corners, a face of four squares, and one that is cut in half.
    hidden = opened(blur(noise, marked, COLUMNS, 24))
    assert hidden.size == (240, 235)
    before = opened(noise)
    for cell in range(COLUMNS * 24):
        box = box_of(cell)
        if cell in marked:
            assert spread(before, box) > 40
            assert spread(hidden, box) < 12, f"the square {cell} is one colour"
        elif not _touches(cell, marked):
            far = ImageStat.Stat(ImageChops.difference(before.crop(box), hidden.crop(box))).mean
            assert max(far) < 30, f"the square {cell} is as it was"


def _touches(cell: int, marked: set[int]) -> bool:
    """JPEG draws blocks of 16 pixels together, so what lies near a mosaic may shimmer."""
    return any(abs(cell % 24 - one % 24) <= 2 and abs(cell // 24 - one // 24) <= 2 for one in marked)


def test_what_is_hidden_does_not_depend_on_details() -> None:
    """Two pictures that differ in the order of their pixels alone are the same behind the mosaic."""
    one = Image.new("RGB", (240, 240), "white")
    other = one.copy()
    for column in range(0, 30, 2):
        one.paste("black", (50 + column, 50, 51 + column, 80))  # Upright stripes.
        other.paste("black", (50, 50 + column, 80, 51 + column))  # Lying ones.
    marked = [row * COLUMNS + column for row in (5, 6, 7) for column in (5, 6, 7)]
    first, second = (opened(blur(encoded(each), marked, COLUMNS, 24)) for each in (one, other))
    assert first.tobytes() == second.tobytes()
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize("across", [1, 2, 3, 4, 7, 24])
def test_a_face_has_few_blocks_however_large_it_is(noise: bytes, across: int) -> None:
    marked = [row * COLUMNS + column for row in range(across) for column in range(across)]
    hidden = opened(blur(noise, marked, COLUMNS, 24))
    middles = {hidden.getpixel(_middle(cell)) for cell in marked if cell // COLUMNS < 23}
    near = {tuple(round(part / LEVELS) for part in colour) for colour in middles if isinstance(colour, tuple)}
    assert len(near) <= BLOCKS**2


def _middle(cell: int) -> tuple[int, int]:
    left, top, right, bottom = box_of(cell)
    return (left + right) // 2, (top + bottom) // 2


def test_a_mosaic_fits_squares_that_are_no_whole_pixels() -> None:
    picture = encoded(Image.merge("RGB", [Image.effect_noise((250, 110), 120) for _ in range(3)]), "JPEG")
    hidden = opened(blur(picture, range(24 * 11), COLUMNS, 11))
    assert hidden.size == (250, 110)
    assert max(ImageStat.Stat(hidden).stddev) < 20, "nothing shines through between squares"


@pytest.mark.parametrize("cells", [[-1], [576], [0, 10_000]])
def test_there_are_no_other_squares(noise: bytes, cells: list[int]) -> None:
    with pytest.raises(ValueError, match="no such cells"):
        blur(noise, cells, COLUMNS, 24)


def test_what_is_no_picture_is_told_by_the_mosaic_too() -> None:
    with pytest.raises(PictureError) as told:
        blur(b"no picture", [0], COLUMNS, 24)
    assert told.value.problem is PictureProblem.TYPE


def test_metadata_goes_from_what_is_blurred() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (53.0, 54.0, 0.0)
    picture = encoded(Image.new("RGB", (240, 240), "red"), "JPEG", exif=exif, comment=b"secret")
    hidden = blur(picture, [0], COLUMNS, 24)
    assert b"Exif" in picture
    assert b"Exif" not in hidden
    assert b"secret" not in hidden
