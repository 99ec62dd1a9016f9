"""Photos of a picket: sealed, seen by few, and in the clear only when nobody on them can be told any more."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageStat
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from accounts.models import Account
from core.config import Role
from core.extensions import db
from core.pictures import MAX_BYTES
from core.sealing import SealingError, context, decrypt
from pickets.after import COLUMNS, NothingMarkedError, publish_photo, read_squares, rows_of, square_name
from tests.conftest import House
from tests.core.test_pictures import bomb, encoded
from tests.factories import Factory, enter, hidden, post
from tests.pickets.factories import organiser, picket

YESTERDAY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
ALT = "Twenty people with a banner"
FACE = [101, 102, 125, 126]
"""Squares of one face on a photo of 1200 by 900 pixels, each 50 pixels wide."""


@pytest.fixture
def over(house: House, make: Factory) -> UUID:
    """A picket that ended yesterday, with a report that everybody may read."""
    one = picket(house, make, starts_at=YESTERDAY, state="reported")
    house.sql(
        "INSERT INTO picket_reports (picket_id, headcount, sheets, signatures, publish_at) VALUES (:p, 1, 0, 0, now())",
        p=one,
    )
    return one


@pytest.fixture
def client(house: House, make: Factory, over: UUID) -> FlaskClient:
    """Its organiser."""
    return enter(house, organiser(house, make, over))


@pytest.fixture
def coordinator(house: House, make: Factory, over: UUID) -> FlaskClient:
    return enter(house, make.account(petition_of(house, over), country="PL"))


def petition_of(house: House, picket_id: UUID) -> int:
    return int(house.value("SELECT petition_id FROM pickets WHERE id = :p", p=picket_id))


def crowd() -> bytes:
    """A photo with something like a face, and where it was taken."""
    picture = Image.merge("RGB", [Image.effect_noise((1200, 900), 60) for _ in range(3)])
    ImageDraw.Draw(picture).ellipse((255, 205, 345, 295), "bisque", "black", 6)
    exif = Image.Exif()
    exif[0x010F] = "a telephone"
    exif.get_ifd(0x8825)[2] = (53.0, 54.0, 0.0)
    return encoded(picture, "JPEG", exif=exif, comment=b"taken in Minsk")


@pytest.fixture(scope="module")
def photo() -> bytes:
    return crowd()


def upload(client: FlaskClient, picket_id: UUID, content: bytes) -> Any:
    path = f"/pickets/{picket_id}/photos"
    csrf = hidden(client.get("/me").text, "csrf_token")
    boundary, body = encode_multipart({"csrf_token": csrf, "file": FileStorage(io.BytesIO(content), "IMG_1.jpg")})
    return client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def added(client: FlaskClient, picket_id: UUID, content: bytes) -> str:
    """Send a photo. Returns the address of its page."""
    answer = upload(client, picket_id, content)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def send(client: FlaskClient, page: str, do: str = "publish", **changes: Any) -> Any:
    return post(client, page, do=do, **{"alt": ALT, **changes})


def row_of(house: House, page: str) -> Any:
    return house.sql("SELECT * FROM photos WHERE id = :i", i=page.rpartition("/")[2]).one()


def seen(house: House) -> list[Any]:
    """What the public web may read."""
    with house.acting(Role.PUBLIC):
        return list(house.sql("SELECT * FROM pub.photos"))


def image(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def spread(picture: Image.Image, cells: list[int]) -> float:
    """How much the pixels of the squares differ within each of them, away from its rim."""
    side = picture.width // COLUMNS
    boxes = [(cell % COLUMNS * side, cell // COLUMNS * side) for cell in cells]
    inner = [picture.crop((left + 16, top + 16, left + side - 16, top + side - 16)) for left, top in boxes]
    return max(max(ImageStat.Stat(one).stddev) for one in inner)


# --- Sending -------------------------------------------------------------------------------------------------------------


def test_a_photo_is_stored_small_sealed_and_without_metadata(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    assert b"Exif" in photo
    page = added(client, over, photo)
    row = row_of(house, page)
    assert (row.state, row.width, row.height, row.content) == ("private", 1200, 900, None)
    for part in (b"\xff\xd8\xff\xe0\x00\x10JFIF", b"JFIF\0\x01", b"Exif\0\0", b"telephone", b"Minsk"):
        assert part not in bytes(row.sealed), "the database holds no picture in the clear"
    file = client.get(f"{page}/file")
    assert (file.status_code, file.content_type, file.headers["Cache-Control"]) == (200, "image/jpeg", "no-store")
    assert len(row.sealed) == len(file.data) + 28, "it was sealed as it is shown: a nonce and a tag more"
    assert not image(file.data).getexif()
    assert b"Exif" not in file.data
    assert b"Minsk" not in file.data
    assert house.value("SELECT count(*) FROM audit WHERE action = 'photo.added'") == 1
    assert seen(house) == []


def test_a_sealed_photo_opens_in_its_own_row_alone_and_not_with_the_key_of_other_factors(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    one, other = added(client, over, photo), added(client, over, photo)
    house.sql(
        "UPDATE photos SET sealed = (SELECT sealed FROM photos WHERE id = :a) WHERE id = :b",
        a=one.rpartition("/")[2],
        b=other.rpartition("/")[2],
    )
    assert client.get(f"{one}/file").status_code == 200
    assert client.get(f"{other}/file").status_code == 500
    secret = b64decode((house.secrets.folder / "console" / "factor.key").read_bytes())
    with pytest.raises(SealingError):
        decrypt(secret, bytes(row_of(house, one).sealed), context("photos", UUID(one.rpartition("/")[2])))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bomb(30_000, 30_000), "more than 50 million pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG or WebP"),
        (b"", "Choose a file"),
        (bytes(MAX_BYTES + 1), "larger than 8 MB"),
        (encoded(Image.new("RGB", (100, 301))), "three times as tall"),
    ],
)
def test_what_cannot_be_used_is_told_beside_the_field_and_nothing_is_lost(
    house: House, client: FlaskClient, over: UUID, photo: bytes, content: bytes, sentence: str
) -> None:
    page = added(client, over, photo)
    answer = upload(client, over, content)
    assert answer.status_code == 422
    found = re.search(r'id="file-error">([^<]*)', answer.text)
    assert found
    assert sentence in found[1]
    assert f"{page}/file" in answer.text, "what is there is shown as before"
    assert house.value("SELECT count(*) FROM photos") == 1


def test_a_sixth_photo_is_told_and_fits_once_another_is_gone(house: House, client: FlaskClient, over: UUID) -> None:
    small = encoded(Image.new("RGB", (60, 40)))
    pages = [added(client, over, small) for _ in range(5)]
    assert 'type="file"' not in client.get(f"/pickets/{over}/photos").text
    answer = upload(client, over, small)
    assert answer.status_code == 409
    assert "There are five photos already" in answer.text
    assert post(client, f"{pages[0]}/removal").status_code == 303
    added(client, over, small)
    assert house.value("SELECT count(*) FROM photos") == 5


def test_there_are_no_photos_of_what_is_still_to_come(house: House, make: Factory) -> None:
    one = picket(house, make)
    client = enter(house, organiser(house, make, one))
    answer = upload(client, one, encoded(Image.new("RGB", (60, 40))))
    assert (answer.status_code, answer.location) == (303, f"/pickets/{one}")
    assert house.value("SELECT count(*) FROM photos") == 0


def test_nobody_else_finds_a_photo(house: House, make: Factory, client: FlaskClient, over: UUID, photo: bytes) -> None:
    page = added(client, over, photo)
    petition = petition_of(house, over)
    of_another = picket(house, make, petition_id=petition, starts_at=YESTERDAY)
    strangers = (
        make.account(petition, role="organiser", country="PL"),
        make.account(petition, country="DE"),
        organiser(house, make, of_another),
    )
    for account in strangers:
        stranger = enter(house, account)
        for path in (page, f"{page}/file", f"{page}/preview"):
            assert stranger.get(path).status_code == 404
        for path in (page, f"{page}/removal", page.replace(str(over), str(of_another))):
            assert post(stranger, path, do="publish", alt=ALT, marks="1").status_code == 404
        assert upload(stranger, over, photo).status_code == 404
    assert client.get(f"/pickets/{over}/photos/{uuid4()}/file").status_code == 404
    outside = house.client(Role.CONSOLE).get(f"{page}/file")
    assert (outside.status_code, outside.location.split("?")[0]) == (302, "/login")
    assert row_of(house, page).state == "private"


def test_a_role_that_was_lost_shows_no_photo(house: House, make: Factory, over: UUID, photo: bytes) -> None:
    account = organiser(house, make, over)
    client = enter(house, account)
    page = added(client, over, photo)
    house.sql("UPDATE grants SET country_code = 'DE' WHERE account_id = :a", a=account)
    assert client.get(f"{page}/file").status_code == 404


# --- Faces ---------------------------------------------------------------------------------------------------------------


def test_marked_faces_are_gone_from_what_is_published_and_the_original_is_erased(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    before = image(client.get(f"{page}/file").data)
    answer = send(client, page, marks=FACE)
    assert (answer.status_code, answer.location) == (303, page)
    row = row_of(house, page)
    assert (row.state, row.sealed, list(row.marks), row.alt) == ("published", None, FACE, ALT)
    (told,) = seen(house)
    assert (told.alt, told.width, told.height) == (ALT, 1200, 900)
    after = image(bytes(told.content))
    assert after.size == (1200, 900)
    assert not after.getexif()
    assert b"Exif" not in bytes(told.content)
    assert spread(before, FACE) > 40
    assert spread(after, FACE) < 5, "each square is of one colour"
    far = [cell for cell in range(COLUMNS * 18) if abs(cell % 24 - 5) > 3 or abs(cell // 24 - 4) > 3]
    assert spread(after, far) > 20, "everything else is as it was"
    assert client.get(f"{page}/file").data == bytes(told.content)
    assert house.value("SELECT count(*) FROM audit WHERE action = 'photo.published'") == 1


def test_squares_can_be_written_instead_of_ticked(house: House, client: FlaskClient, over: UUID, photo: bytes) -> None:
    page = added(client, over, photo)
    assert send(client, page, do="save", squares="f5-g6", marks=["0"]).status_code == 303
    assert list(row_of(house, page).marks) == [0, *FACE]
    wrong = send(client, page, do="save", squares="F5, Z9")
    assert wrong.status_code == 422
    assert "There is no square “Z9”" in wrong.text


def test_what_is_saved_is_seen_as_it_would_be_and_by_nobody_else(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    assert client.get(f"{page}/preview").status_code == 404, "there is nothing to show yet"
    assert send(client, page, do="save", alt="", marks=FACE).status_code == 303
    shown = client.get(page).text
    ticked = re.findall(r'value="(\d+)"[^>]*aria-label="Column \w, row \d+" checked', shown)
    assert [int(one) for one in ticked] == FACE
    assert f"{page}/preview" in shown
    preview = client.get(f"{page}/preview")
    assert (preview.content_type, preview.headers["Cache-Control"]) == ("image/jpeg", "no-store")
    assert spread(image(preview.data), FACE) < 5
    row = row_of(house, page)
    assert (row.state, row.content) == ("private", None)
    assert seen(house) == []


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"marks": FACE, "alt": ""}, "alt"),
        ({"alt": "x" * 201, "marks": FACE}, "alt"),
        ({}, "no_faces"),
        ({"marks": FACE, "no_faces": "y"}, "no_faces"),
        ({"marks": FACE, "squares": "A19"}, "squares"),
    ],
)
def test_what_is_missing_is_told_and_the_squares_stay_ticked(
    house: House, client: FlaskClient, over: UUID, photo: bytes, sent: dict[str, Any], field: str
) -> None:
    page = added(client, over, photo)
    answer = send(client, page, **sent)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert len(re.findall(r'name="marks" value="\d+"[^>]* checked', answer.text)) == len(sent.get("marks", []))
    assert row_of(house, page).state == "private"


def test_squares_that_are_not_on_the_photo_are_no_marks(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    assert send(client, page, marks=["432", "-1", "x", "9" * 30]).status_code == 422
    with house.inside(Role.CONSOLE):
        account = db.session.get_one(Account, house.value("SELECT account_id FROM picket_organisers"))
        with pytest.raises(NothingMarkedError):
            publish_photo(account, over, UUID(page.rpartition("/")[2]), [432], ALT)
    assert row_of(house, page).state == "private", "nothing was marked, so nothing is published"


def test_what_is_published_cannot_be_marked_again(house: House, client: FlaskClient, over: UUID, photo: bytes) -> None:
    page = added(client, over, photo)
    send(client, page, marks=FACE)
    before = bytes(row_of(house, page).content)
    answer = post(client, page, do="save", alt="Other words", marks="0")
    assert answer.status_code == 303
    assert "no longer possible" in client.get(page).text
    row = row_of(house, page)
    assert (bytes(row.content), row.alt, list(row.marks)) == (before, ALT, FACE)


# --- No faces, says its sender -------------------------------------------------------------------------------------------


def asked(client: FlaskClient, page: str) -> None:
    answer = send(client, page, no_faces="y")
    assert answer.status_code == 303


def decide(house: House, client: FlaskClient, decision: str, reason: str = "") -> Any:
    number = house.value("SELECT id FROM approvals WHERE kind = 'photo' AND state = 'pending'")
    return post(client, f"/approvals/{number}", decision=decision, reason=reason)


def test_an_unmarked_photo_is_private_until_a_second_person_agrees(
    house: House, client: FlaskClient, coordinator: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    asked(client, page)
    row = row_of(house, page)
    assert (row.state, row.content) == ("review", None)
    assert seen(house) == []
    number = house.value("SELECT id FROM approvals WHERE kind = 'photo'")
    told = coordinator.get(f"/approvals/{number}").text
    assert "Photo of the picket in Warsaw" in told
    assert f'href="{page}"' in told, "and the way to the photo"
    looked = coordinator.get(page).text
    assert f"{page}/file" in looked
    assert f"/approvals/{number}" in looked
    assert 'name="marks"' not in looked
    as_it_is = coordinator.get(f"{page}/file").data
    assert decide(house, coordinator, "approve").status_code == 303
    row = row_of(house, page)
    assert (row.state, row.sealed, bytes(row.content)) == ("published", None, as_it_is)
    (public,) = seen(house)
    assert not image(bytes(public.content)).getexif()


def test_whoever_sent_it_cannot_agree_to_it(house: House, coordinator: FlaskClient, over: UUID, photo: bytes) -> None:
    page = added(coordinator, over, photo)
    asked(coordinator, page)
    assert "I have looked" not in coordinator.get(page).text
    assert decide(house, coordinator, "approve").status_code == 403
    assert row_of(house, page).state == "review"


def test_an_organiser_cannot_agree_to_a_photo_of_others(
    house: House, make: Factory, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    asked(client, added(client, over, photo))
    other = enter(house, organiser(house, make, over))
    assert decide(house, other, "approve").status_code in (403, 404)
    assert seen(house) == []


def test_a_photo_that_was_refused_or_taken_back_is_private_again(
    house: House, client: FlaskClient, coordinator: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    asked(client, page)
    assert send(client, page, marks=FACE).status_code == 303
    assert row_of(house, page).state == "review", "while somebody looks at it nothing changes"
    assert decide(house, coordinator, "refuse", "There is one, on the left.").status_code == 303
    assert row_of(house, page).state == "private"
    asked(client, page)
    number = house.value("SELECT id FROM approvals WHERE state = 'pending'")
    assert post(client, f"/approvals/{number}/withdraw").status_code == 303
    assert row_of(house, page).state == "private"
    assert send(client, page, marks=FACE).status_code == 303
    assert row_of(house, page).state == "published"


def test_a_request_that_ran_out_leaves_a_photo_that_can_be_marked(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    asked(client, page)
    house.sql("UPDATE approvals SET expires_at = now() - interval '1 hour'")
    assert 'name="marks"' in client.get(page).text
    assert send(client, page, marks=FACE).status_code == 303
    assert row_of(house, page).state == "published"


def test_a_photo_that_is_gone_can_no_longer_be_agreed_to(
    house: House, client: FlaskClient, coordinator: FlaskClient, over: UUID, photo: bytes
) -> None:
    page = added(client, over, photo)
    asked(client, page)
    assert post(client, f"{page}/removal").status_code == 303
    assert house.value("SELECT state FROM approvals") == "withdrawn"
    asked(client, added(client, over, photo))
    house.sql("DELETE FROM photos")  # As the worker does after 14 days.
    answer = decide(house, coordinator, "approve")
    assert answer.status_code == 303
    assert "The photo is gone" in coordinator.get(answer.location).text
    assert house.value("SELECT count(*) FROM approvals WHERE state = 'approved'") == 0
    assert decide(house, coordinator, "refuse", "It is gone.").status_code == 303


# --- Who sees it, and until when -----------------------------------------------------------------------------------------


def test_photos_are_seen_with_the_report_and_not_before(
    house: House, client: FlaskClient, over: UUID, photo: bytes
) -> None:
    send(client, added(client, over, photo), marks=FACE)
    house.sql("UPDATE picket_reports SET publish_at = now() + interval '1 hour'")
    assert seen(house) == []
    house.sql("UPDATE picket_reports SET publish_at = now()")
    assert len(seen(house)) == 1
    house.sql("DELETE FROM picket_reports")
    assert seen(house) == []


def test_a_published_photo_can_be_removed(house: House, client: FlaskClient, over: UUID, photo: bytes) -> None:
    page = added(client, over, photo)
    send(client, page, marks=FACE)
    answer = post(client, f"{page}/removal")
    assert (answer.status_code, answer.location) == (303, f"/pickets/{over}/photos")
    assert house.value("SELECT count(*) FROM photos") == 0
    assert seen(house) == []
    assert "published" in house.value("SELECT details FROM audit WHERE action = 'photo.removed'")
    assert client.get(page).status_code == 404


def test_nobody_on_the_way_reads_a_photo(house: House, client: FlaskClient, over: UUID, photo: bytes) -> None:
    added(client, over, photo)
    for role in (Role.PUBLIC, Role.WORKER):
        with house.acting(role):
            allowed = house.value("SELECT has_column_privilege(current_user, 'photos', 'sealed', 'SELECT')")
        assert not allowed


@pytest.mark.parametrize("language", ["en", "be", "pl"])
def test_its_page_can_be_read_in_every_language(
    house: House, client: FlaskClient, over: UUID, photo: bytes, language: str
) -> None:
    page = added(client, over, photo)
    for state in ("private", "review"):
        assert client.get(f"{page}?lang={language}").status_code == 200
        if state == "private":
            asked(client, page)


# --- Squares -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1200), st.integers(1, 1200))
def test_the_rows_cover_a_photo_and_none_lies_below_it(width: int, height: int) -> None:
    rows = rows_of(width, height)
    assert (rows - 1) * width < height * COLUMNS <= rows * width


@given(st.integers(0, 72 * COLUMNS - 1))
def test_a_square_is_read_as_it_is_named(number: int) -> None:
    assert read_squares(square_name(number), 72) == {number}
    assert read_squares(f" {square_name(number).lower()} ;", 72) == {number}


@given(st.integers(0, 18 * COLUMNS - 1), st.integers(0, 18 * COLUMNS - 1))
def test_two_corners_name_all_between_them_in_either_order(one: int, other: int) -> None:
    found = read_squares(f"{square_name(one)}-{square_name(other)}", 18)
    assert found == read_squares(f"{square_name(other)} – {square_name(one)}", 18)
    assert {one, other} <= found
    across, down = abs(one % 24 - other % 24) + 1, abs(one // 24 - other // 24) + 1
    assert len(found) == across * down


@pytest.mark.parametrize(
    ("typed", "count"), [("", 0), (" , ", 0), ("C7", 1), ("C7-E9", 9), ("С7 Е9", 2), ("C7,C7", 1), ("A1:B2; X18", 5)]
)
def test_squares_are_read_as_people_write_them(typed: str, count: int) -> None:
    assert len(read_squares(typed, 18)) == count


@pytest.mark.parametrize("typed", ["7C", "Y1", "A0", "A19", "C7-", "A1-B", "C7-E9-G2", "squares"])
def test_what_names_no_square_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_squares(typed, 18)


def test_the_style_has_as_many_columns_as_the_grid() -> None:
    style = Path(__file__).parents[2].joinpath("static", "pickets.css").read_text()
    assert f"grid-template-columns: repeat({COLUMNS}, minmax(0, 1fr))" in style
    assert f"label:nth-child(-n + {COLUMNS})" in style
    assert f"label:nth-child({COLUMNS}n + 1)" in style
