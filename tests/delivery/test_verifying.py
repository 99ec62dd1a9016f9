"""What a ministry, or anybody, is told at /verify of a file or a code."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from delivery.models import bundle_code
from delivery.verifying import Asked, read_asked
from tests.conftest import House
from tests.delivery.factories import Studio, ask, taken_away, the_bundle, unpacked
from tests.factories import Factory, counted, hidden, log_in, post, press, token, write_logs

HASH = "0123456789abcdef" * 4
NAMES = ("Вольга Вераб’ёва", "Ян Марозаў", "Ala Kowalska")


class Desk:
    """A bundle that a coordinator took away, and a stranger's browser in front of the public site."""

    def __init__(self, house: House, make: Factory, studio: Studio, petition: int, level: str = "names") -> None:
        studio.configure(volume_size=2)
        self.house, self.studio, self.slug = house, studio, make.slug(petition)
        self.signers = [
            counted(house, self.slug, email=f"{at}@example.org", name=name) for at, name in enumerate(NAMES)
        ]
        self.coordinator = log_in(house, make, petition)
        self.page = ask(house, self.coordinator, petition, level=level).location
        studio.build()
        self.files = unpacked(taken_away(studio, self.coordinator, self.page))
        self.code = bundle_code(the_bundle(house).id)
        self.public: FlaskClient = house.client()

    def hash_of(self, name: str) -> str:
        return hashlib.sha256(self.files[name]).hexdigest()

    def verify(self, typed: str, **more: str) -> Any:
        return self.public.get("/verify", query_string={"code": typed, **more})

    def withdraw(self, at: int = 0) -> None:
        press(self.public, f"/withdraw/{token(self.house, 'withdraw', self.signers[at].id)}")
        self.house.drain()


@pytest.fixture
def desk(house: House, make_own: Factory, studio: Studio, petition: int) -> Desk:
    return Desk(house, make_own, studio, petition)


def words(page: Any) -> str:
    """What stands on a page, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text.partition("<main")[2]).split())


def field(page: Any) -> str:
    return hidden(page.text, "code")


def test_what_is_typed_is_read_leniently() -> None:
    volume = Asked(code="ZB-1A2B-3C4D", number=3)
    for typed in (
        "ZB-1A2B-3C4D-3", "zb-1a2b-3c4d-3", " ZB 1A2B 3C4D 3 ", "ZB1A2B3C4D3", "1a2b3c4d3", "1A2B–3C4D—3", "ＺＢ－１Ａ２Ｂ－３Ｃ４Ｄ－３",
        "ZB-1A2B-3C4D-003-register.pdf", "https://example.org/verify?code=ZB-1A2B-3C4D-3&lang=pl", "Code: ZB-1A2B-3C4D-3.",
    ):  # fmt: skip
        assert read_asked(typed) == volume, typed
    assert read_asked("ZB-1A2B-3C4D") == Asked(code="ZB-1A2B-3C4D")
    assert read_asked("ZB-1A2B-3C4D-0") == Asked(code="ZB-1A2B-3C4D", number=0)
    assert read_asked("ZB-1A2B-3C4D.zip") == Asked(code="ZB-1A2B-3C4D")
    pairs = " ".join(HASH[at : at + 2] for at in range(0, 64, 2))
    for typed in (
        HASH,
        HASH.upper(),
        f" {HASH}  register.pdf",
        f"SHA256 {HASH} C:\\register.pdf",
        pairs,
        f"SHA256:{HASH}",
    ):
        assert read_asked(typed) == Asked(file_hash=HASH), typed
    for typed in (
        "",
        "ZB",
        "ZB-1A2B",
        "ZB-1A2G-3C4D",
        "register",
        HASH[1:],
        HASH + "0",
        "ZB-1A2B-3C4D-123456",
        "\0",
        "x" * 9000,
    ):
        assert read_asked(typed) is None, typed


def test_the_form_waits_for_a_code_and_may_run_its_script_and_connect_to_nothing(house: House) -> None:
    page = house.client().get("/verify")
    assert page.status_code == 200
    assert field(page) == ""
    assert "your browser reckons its SHA-256, and only that is sent" in page.text
    for command in ("Get-FileHash", "certutil -hashfile", "shasum -a 256", "sha256sum"):
        assert command in page.text
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert "script-src 'self'" in policy
    assert not [one for one in policy if one.startswith(("connect-src", "worker-src"))]
    assert page.headers["Cache-Control"].startswith("public")


def test_a_code_tells_what_the_file_should_be_and_that_its_hash_decides(desk: Desk) -> None:
    page = desk.verify(f"{desk.code}-2")
    said = words(page)
    assert page.status_code == 200
    assert "This code is ours" in said
    assert "The SHA-256 of the file in your hands decides" in said
    assert "authentic" not in said
    assert said.count(desk.hash_of("002-register.pdf")) == 1
    assert "Volume 2 of 2" in said
    assert "3 to 3" in said
    assert "Do not recognise (en)" in said
    assert "Ministerstwo Ministry of PL" in said
    assert "Signatures 3 " in said
    assert "Names and cities of those who agreed to it" in said
    head = desk.house.sql("SELECT * FROM tree_heads ORDER BY size DESC LIMIT 1").one()
    assert head.root.hex() in said
    assert f'href="/petitions/{desk.slug}/log"' in page.text
    assert f'href="/petitions/{desk.slug}"' in page.text
    assert f"{desk.code}-002-register.pdf" in said
    assert (
        f"zbor-verify.py bundle {desk.code}.zip --log http://localhost/petitions/{desk.slug}/log --root-key"
        in page.text
    )
    index = words(desk.verify(f"{desk.code}-0"))
    assert "The index, which goes with 2 volumes" in index
    assert desk.hash_of("000-index.pdf") in index
    assert "Do not recognise (pl)" in desk.verify(f"{desk.code}-0", lang="pl").text


def test_the_hash_of_a_file_says_that_it_is_authentic(desk: Desk) -> None:
    for typed in (desk.hash_of("001-register.pdf"), desk.hash_of("001-register.pdf").upper()):
        page = desk.verify(typed)
        said = words(page)
        assert page.status_code == 200
        assert "This file is authentic" in said
        assert "Volume 1 of 2" in said
        assert "1 to 2" in said
        assert "decides" not in said
        assert field(page) == typed


def test_the_code_of_a_whole_bundle_lists_its_files(desk: Desk) -> None:
    page = desk.verify(desk.code)
    said = words(page)
    assert page.status_code == 200
    for name in ("000-index.pdf", "001-register.pdf", "002-register.pdf"):
        assert desk.hash_of(name) in said
    assert f'href="/verify?code={desk.code}-1"' in page.text
    assert "1–2" in said
    assert "The SHA-256 of the file in your hands decides" in said


@pytest.mark.parametrize("typed", ["ZB-0000-0000", "{code}-3", "{code}-99999", HASH, "{table}", "what?"])
def test_what_is_not_ours_is_told_so_with_what_was_typed_kept(desk: Desk, typed: str) -> None:
    typed = typed.format(code=desk.code, table=desk.hash_of("001-register.csv"))
    page = desk.verify(typed)
    assert page.status_code == 404
    assert page.headers["Cache-Control"] == "no-store"
    assert field(page) == typed
    said = words(page)
    assert "What you can do" in said
    assert "organisers@example.org" in said
    if typed == "what?":
        assert "This is neither a code nor a SHA-256" in said
    elif len(typed) == 64:
        assert "We do not know this file. Either it was altered" in said.replace("file Either", "file. Either")
        assert "Only the PDF files are known here" in said
    else:
        assert "We do not know this code" in said
    assert desk.slug not in page.text


def test_one_bit_more_or_less_is_not_ours(desk: Desk) -> None:
    altered = bytes([desk.files["001-register.pdf"][0] ^ 1]) + desk.files["001-register.pdf"][1:]
    assert desk.verify(hashlib.sha256(altered).hexdigest()).status_code == 404


def test_what_is_typed_does_no_harm(house: House) -> None:
    page = house.client().get("/verify", query_string={"code": '"><script>alert(1)</script>'})
    assert page.status_code == 404
    assert "<script>alert" not in page.text
    assert house.client().get("/verify?code=%00").status_code == 404
    assert house.client().get(f"/verify?code={'9' * 5000}").status_code == 404
    assert house.client().get("/verify?code=+").status_code == 200


def test_a_bundle_that_was_replaced_is_authentic_and_not_to_be_used(desk: Desk) -> None:
    old, old_code = desk.hash_of("001-register.pdf"), desk.code
    desk.withdraw()
    said = words(desk.verify(old))
    assert "This file is authentic, and it was replaced" in said
    assert "ask whoever handed it over for the newer one" in said
    said = words(desk.verify(f"{old_code}-1"))
    assert "This code is ours, and its bundle was replaced" in said
    assert old in said
    write_logs(desk.house, 1)
    desk.studio.build()
    newer = bundle_code(desk.house.value("SELECT id FROM bundles WHERE state = 'ready'"))
    assert newer != old_code
    said = words(desk.verify(newer))
    assert "This code is ours" in said
    assert "replaced" not in said


def test_a_bundle_that_was_handed_over_says_how_many_withdrew_since(desk: Desk) -> None:
    post(desk.coordinator, f"{desk.page}/handed-over", day=desk.house.value("SELECT current_date").isoformat())
    for at, number in enumerate(("1 entry of this bundle has", "2 entries of this bundle have")):
        desk.withdraw(at)
        said = words(desk.verify(desk.hash_of("001-register.pdf")))
        assert "This file is authentic" in said
        assert f"Since it was handed over, {number} been withdrawn" in said
    assert desk.house.value("SELECT state FROM bundles") == "destroyed", "and copies of it still can be checked"


def test_a_bundle_of_a_hidden_petition_is_unknown(desk: Desk) -> None:
    asked = [desk.code, f"{desk.code}-1", desk.hash_of("001-register.pdf")]
    assert {desk.verify(one).status_code for one in asked} == {200}
    desk.house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'because'")
    assert {desk.verify(one).status_code for one in asked} == {404}
    assert desk.slug not in desk.verify(asked[0]).text


def test_a_bundle_that_is_being_built_or_was_taken_apart_is_unknown(
    house: House, make_own: Factory, studio: Studio, petition: int
) -> None:
    signer = counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    code = bundle_code(the_bundle(house).id)

    def look(_volume: object) -> None:
        assert house.client().get(f"/verify?code={code}").status_code == 404

    studio.before_register = look
    studio.build()
    assert house.client().get(f"/verify?code={code}").status_code == 200
    press(house.client(), f"/withdraw/{token(house, 'withdraw', signer.id)}")
    house.drain()
    assert house.client().get(f"/verify?code={code}").status_code == 404, "nobody took it away"


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("names", "Names and cities of those"),
        ("initials", "Initials of those"),
        ("counts", "a random sample of them that was drawn by a public rule"),
    ],
)
def test_no_page_holds_a_name_or_lets_one_guess_it(
    house: House, make_own: Factory, studio: Studio, petition: int, level: str, told: str
) -> None:
    desk = Desk(house, make_own, studio, petition, level)
    manifest = desk.files["manifest.json"].decode()
    secret = [*re.findall(r'"(?:table_sha256|register_hash|marks)": "(\w+)"', manifest), "Вераб", "Марозаў", "Kowalska"]
    assert len(secret) > 6
    for typed in (desk.code, f"{desk.code}-0", f"{desk.code}-1", desk.hash_of("002-register.pdf")):
        page = desk.verify(typed)
        assert told in words(page)
        # Whoever knows the hash of a table with a few lines can try out names until one fits.
        assert not [one for one in secret if one in page.text], typed
        assert "Białystok" not in page.text
    assert ("Lines of the sample" in desk.verify(f"{desk.code}-1").text) == (level == "counts")


def test_of_two_bundles_with_one_code_the_newer_is_told_and_files_are_never_mixed_up(
    house: House, make_own: Factory, studio: Studio, petition: int
) -> None:
    counted(house, make_own.slug(petition))
    counted(house, make_own.slug(petition), email="lt@example.org", country="LT")
    client = log_in(house, make_own, petition)
    for country in ("PL", "LT"):
        ask(house, client, petition, country)
        studio.build()
    ids = house.sql("SELECT id FROM bundles ORDER BY ready_at").scalars().all()
    # One code has 32 bits: with ten thousand bundles it happens once in a hundred times.
    twin = f"{str(ids[0])[:8]}-0000-4000-8000-000000000000"
    copied = ", ".join(house.sql("SELECT * FROM bundles LIMIT 0").keys()).removeprefix("id, ")
    house.sql(
        f"INSERT INTO bundles (id, {copied}) SELECT CAST(:twin AS uuid), {copied} FROM bundles WHERE id = :old",
        old=ids[1],
        twin=twin,
    )
    house.sql("UPDATE volumes SET bundle_id = CAST(:twin AS uuid) WHERE bundle_id = :old", old=ids[1], twin=twin)
    hashes = house.sql("SELECT file_hash, bundle_id FROM volumes WHERE number = 1").all()
    public = house.client()
    page = public.get(f"/verify?code={bundle_code(ids[0])}")
    assert "Ministry of LT" in page.text
    assert "Ministry of PL" not in page.text
    for file_hash, bundle_id in hashes:
        ministry = "LT" if str(bundle_id) == twin else "PL"
        assert f"Ministry of {ministry}" in public.get(f"/verify?code={file_hash}").text
