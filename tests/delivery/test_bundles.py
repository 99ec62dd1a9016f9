"""From the coordinator's button to the PDF in the coordinator's hands. Real transactions, in a database of its own."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4
from zipfile import ZipFile, is_zipfile

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader

from core.config import Role
from core.demo.register import read_register, register_hash
from core.extensions import db
from core.inbox import append
from core.records import open_row_key
from core.sealing import SealingError, context, decrypt, statement_is_signed
from delivery import building, claims
from delivery.document import BundleDocument, Volume
from delivery.models import bundle_code
from tests.conftest import ROOT, House
from tests.factories import (
    Factory,
    agree,
    counted,
    hidden,
    log_in,
    many_counted,
    post,
    press,
    signed,
    token,
    write_logs,
)
from worker.pdf import draw_bundle


@pytest.fixture
def house(own_database: House, tmp_path: Path) -> House:
    """With a bundle folder of its own."""
    app = own_database.app(Role.WORKER)
    app.extensions["zbor"] = replace(app.extensions["zbor"], bundle_dir=tmp_path / "bundles")
    return own_database


@pytest.fixture
def petition(make_own: Factory) -> int:
    return make_own.petition(texts=("en", "pl"))


def addressee(house: House, country: str) -> int:
    return int(house.value("SELECT id FROM addressees WHERE country_code = :c", c=country))


def ask(house: House, client: FlaskClient, petition_id: int, country: str = "PL") -> Any:
    """Ask for a bundle, and have a second person agree."""
    csrf = hidden(client.get(f"/petitions/{petition_id}").text, "csrf_token")
    answer = client.post(
        f"/petitions/{petition_id}/addressees/{addressee(house, country)}/bundles", data={"csrf_token": csrf}
    )
    if answer.status_code == 303:
        agree(house, answer.location.rpartition("/")[2])
    return answer


def build(house: House, draw: Any = draw_bundle) -> None:
    with house.inside(Role.WORKER) as app:
        claim = claims.claim_bundle()
        assert claim is not None
        building.build(claim, house.keyring, draw, app.extensions["zbor"])


def volumes(content: bytes = b"%PDF") -> list[Volume]:
    return [Volume("letter", content, 1)]


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The volumes of a bundle."""
    with ZipFile(BytesIO(archive)) as file:
        pdfs = [name for name in file.namelist() if name.endswith(".pdf")]
        return {name.rpartition("/")[2].split("-", 3)[3]: file.read(name) for name in pdfs}


def taken_away(house: House, client: FlaskClient, page: str) -> bytes:
    """The archive of a bundle that is ready, as its coordinator gets it."""
    asked = client.post(f"{page}/downloads", data={"csrf_token": hidden(client.get(page).text, "csrf_token")})
    assert answer_downloads(house) == 1
    return bytes(client.get(asked.location).data)


def answer_downloads(house: House) -> int:
    with house.inside(Role.WORKER) as app:
        return building.answer_downloads(house.keyring, app.extensions["zbor"])


def _first_only(look: Any) -> Any:
    found = iter([look, lambda _but: None])
    return lambda but: next(found)(but)


def the_bundle(house: House) -> Any:
    return house.sql("SELECT * FROM bundles").one()


def broken(house: House) -> set[str]:
    from core.fsck import run_fsck

    with house.inside(Role.WORKER):
        return {item.name for item, number in run_fsck() if number}


def test_the_manifest_lists_the_files_and_the_newest_tree_head_and_zbor_verify_agrees(
    house: House, make_own: Factory, petition: int, tmp_path: Path
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="pl@example.org")
    many_counted(house, petition, 299)
    assert write_logs(house) == 300
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    build(house)
    archive = taken_away(house, client, page)
    bundle, head = the_bundle(house), house.sql("SELECT * FROM tree_heads").one()
    with ZipFile(BytesIO(archive)) as file:
        manifest = json.loads(file.read(next(name for name in file.namelist() if name.endswith("/manifest.json"))))
    assert manifest["bundle"] == bundle_code(bundle.id)
    assert (manifest["petition"], manifest["counted"], manifest["register_hash"]) == (slug, 1, bundle.register_hash)
    assert manifest["cutoff"] == f"{bundle.cutoff_at:%Y-%m-%dT%H:%M:%SZ}"
    assert manifest["addressee"] == house.value("SELECT code FROM addressees WHERE country_code = 'PL'")
    assert (manifest["tree_head"]["size"], manifest["tree_head"]["root"]) == (300, head.root.hex())
    assert "Вольга" not in json.dumps(manifest, ensure_ascii=False)
    assert (manifest["signed_by"]["id"], manifest["signed_by"]["purpose"]) == (manifest["key"]["id"], "log")
    signature = manifest.pop("signature")
    told = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    public_key = bytes.fromhex(manifest["signed_by"]["public_key"])
    assert statement_is_signed(public_key, f"zbor-bundle/1\n{told}".encode(), bytes.fromhex(signature))
    letter = unpacked(archive)["1-letter.pdf"]
    printed = PdfReader(BytesIO(letter)).pages[-1].extract_text()
    groups = [head.root.hex()[at : at + 8] for at in range(0, 64, 8)]
    assert " ".join(groups) in " ".join(printed.split())

    log = tmp_path / "log"
    log.mkdir()
    public = house.client(Role.PUBLIC)
    (log / "heads.json").write_bytes(public.get(f"/petitions/{slug}/log/heads.json").data)
    (log / "entries.txt").write_bytes(public.get(f"/petitions/{slug}/log/entries").data)
    (tmp_path / "bundle.zip").write_bytes(archive)
    root_key = base64.b64encode(house.secrets.root_public_key).decode()
    script = [sys.executable, "-I", ROOT / "static" / "zbor-verify.py", "bundle", tmp_path / "bundle.zip"]
    checked = subprocess.run(
        [*script, "--log", log, "--root-key", root_key], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert bundle.register_hash in checked.stdout


@pytest.mark.parametrize(("per_mailbox", "said"), [(1, "tylko jeden podpis"), (2, "zalicza się najwyżej dwa podpisy")])
def test_the_letter_says_how_many_a_mailbox_may_bring(
    house: House, make_own: Factory, per_mailbox: int, said: str
) -> None:
    petition = make_own.petition(per_mailbox=per_mailbox)
    counted(house, make_own.slug(petition), email="pl@example.org")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    build(house)
    letter = PdfReader(BytesIO(unpacked(taken_away(house, client, page))["1-letter.pdf"]))
    printed = " ".join(" ".join(one.extract_text() for one in letter.pages).split())
    assert said in printed
    assert "{" not in printed


def test_without_a_key_of_the_logs_nobody_signs_the_manifest(
    house: House, make_own: Factory, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(house, make_own.slug(petition), email="pl@example.org")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    monkeypatch.setattr(House, "keyring", replace(house.keyring, log_key=None))
    build(house)
    with ZipFile(BytesIO(taken_away(house, client, page))) as file:
        manifest = json.loads(file.read(next(name for name in file.namelist() if name.endswith("/manifest.json"))))
    assert [manifest[name] for name in ("signed_at", "signed_by", "signature")] == [None, None, None]


def test_from_button_to_pdf(house: House, make_own: Factory, petition: int, tmp_path: Path) -> None:
    slug = make_own.slug(petition)
    for number, name in enumerate(["Вольга Вераб’ёва", "Ελένη Παππά", "נועה כהן"]):
        counted(house, slug, email=f"n{number}@example.org", name=name)
    counted(house, slug, email="lt@example.org", country="LT", name="Rūta Kazlauskienė")
    signed(house, slug, email="silent@example.org", name="Never Confirmed")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    assert page.status_code == 303
    assert client.get(page.location).headers["Refresh"] == f"5;url={page.location}?look=2"
    for still in ("?look=20", "?look=0"):
        quiet = client.get(page.location + still)
        assert "Refresh" not in quiet.headers, "nobody is disturbed for ever, nor after saying so"
        assert f'href="{page.location}"' in quiet.text
    build(house)
    ready = client.get(page.location).text
    assert "Ready" in ready
    assert the_bundle(house).register_hash in ready
    asked = client.post(f"{page.location}/downloads", data={"csrf_token": hidden(ready, "csrf_token")})
    assert "Preparing the bundle" in client.get(asked.location).text
    assert answer_downloads(house) == 1
    answer = client.get(asked.location)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{bundle_code(the_bundle(house).id)}.zip"'
    files = unpacked(answer.data)
    assert set(files) == {"1-letter.pdf", "2-register.pdf"}
    rows, printed = read_register(files["2-register.pdf"])
    assert [row.name for row in rows] == ["Вольга Вераб’ёва", "Ελένη Παππά", "נועה כהן"]
    assert printed == the_bundle(house).register_hash
    text = "".join(one.extract_text() for name in files for one in PdfReader(BytesIO(files[name])).pages)
    assert "Szanowna Pani Minister" in text
    assert "Never Confirmed" not in text
    assert "Staff" in client.get(page.location).text
    assert broken(house) == set()


def test_bundle_is_encrypted_at_rest_and_opens_with_its_key_only(
    house: House, make_own: Factory, petition: int, tmp_path: Path
) -> None:
    counted(house, make_own.slug(petition), name="Zuzanna Nowakowska")
    ask(house, log_in(house, make_own, petition), petition)
    build(house)
    [file] = (tmp_path / "bundles").iterdir()
    content = file.read_bytes()
    assert file.stat().st_size > 10_000
    assert not is_zipfile(file)
    place = context("bundles", the_bundle(house).id)
    with house.inside(Role.WORKER):
        key = open_row_key(the_bundle(house).row_key_id, house.keyring.private_keys)
    assert set(unpacked(decrypt(key, content, place))) == {"1-letter.pdf", "2-register.pdf"}
    with pytest.raises(SealingError):
        decrypt(bytes(32), content, place)


def test_two_clicks_make_one_bundle(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    assert ask(house, client, petition).location == ask(house, client, petition).location
    assert house.value("SELECT count(*) FROM bundles") == 1


def test_what_is_confirmed_after_the_cutoff_is_not_in_the_register(
    house: House, make_own: Factory, petition: int
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="before@example.org", name="Before Cutoff")
    ask(house, log_in(house, make_own, petition), petition)
    counted(house, slug, email="after@example.org", name="After Cutoff")
    seen: list[BundleDocument] = []

    def draw(document: BundleDocument) -> list[Volume]:
        seen.append(document)
        return volumes(b"%PDF")

    build(house, draw)
    assert [row.name for row in seen[0].rows] == ["Before Cutoff"]
    assert dict(seen[0].counts)[seen[0].letter["counted"]] == 1


@pytest.mark.parametrize(
    ("country", "languages", "words", "heading", "consent"),
    [
        ("GB", "en", "One further signer", "Demands", "Each signer named here has consented"),
        ("LT", "lt", "Dar vienas pasirašęs asmuo", "Reikalavimai", "Kiekvienas čia įvardytas pasirašęs asmuo sutiko"),
        ("PL", "pl", "Jeszcze jedna osoba podpisująca", "Postulaty", "Każda z osób wymienionych tu z nazwiska"),
        ("DE", "de", "Eine weitere unterzeichnende Person", "Forderungen", "Alle hier namentlich genannten"),
    ],
)
def test_who_is_counted_only_is_one_further_signer_without_name_and_city(
    house: House, make_own: Factory, country: str, languages: str, words: str, heading: str, consent: str
) -> None:
    petition = make_own.petition(countries=(), texts=())
    make_own.text(petition, "en", demands="1. Nobody is recognised.\n- Talk to <us>")
    make_own.addressed(petition, make_own.addressee(country, languages=languages))
    slug = make_own.slug(petition)
    for number, visibility in enumerate(("ministry", "counted", "initials", "public")):
        name, city = f"Named {visibility.title()}", f"City of {visibility}"
        counted(
            house,
            slug,
            email=f"n{number}@example.org",
            country=country,
            name=name,
            city=city,
            visibility=visibility,
        )
    ask(house, log_in(house, make_own, petition), petition, country)
    seen: list[BundleDocument] = []
    build(house, lambda document: seen.append(document) or draw_bundle(document))
    with house.inside(Role.WORKER):
        letter, register = draw_bundle(seen[0])
    rows, printed = read_register(register.content)
    assert [(row.name, row.city) for row in rows] == [
        ("Named Ministry", "City of ministry"),
        (words, ""),
        ("Named Initials", "City of initials"),
        ("Named Public", "City of public"),
    ]
    assert printed == register_hash(rows) == the_bundle(house).register_hash
    text = " ".join("".join(page.extract_text() for page in PdfReader(BytesIO(letter.content)).pages).split())
    assert consent in text
    assert words in text
    assert seen[0].demands_html == "<ol><li>Nobody is recognised.</li><li>Talk to &lt;us&gt;</li></ol>"
    for line in (heading, "Nobody is recognised.", "Talk to <us>"):
        assert line in text
    assert "Named" not in text


def test_who_changes_to_counted_only_and_back_leaves_bundles_and_comes_again(
    house: House, make_own: Factory, petition: int
) -> None:
    """Bundles that were not handed over are made anew; who only changes between names for the public recalls none."""
    row = counted(house, make_own.slug(petition), name="Hanna Kowalska")
    ask(house, log_in(house, make_own, petition), petition)
    seen: list[list[str]] = []

    def draw(document: BundleDocument) -> list[Volume]:
        seen.append([one.name for one in document.rows])
        return volumes()

    build(house, draw)
    for visibility, state in (
        ("public", "ready"),
        ("initials", "ready"),
        ("counted", "approved"),
        ("counted", "ready"),
        ("ministry", "approved"),
    ):
        with house.inside(Role.PUBLIC):
            change = {"v": 1, "token": token(house, "mine", row.id), "visibility": visibility, "updates": False}
            assert append("change", None, change | {"consent_hash": "0" * 64}, uuid4())
        house.drain()
        assert the_bundle(house).state == state, visibility
        if state == "approved":
            assert the_bundle(house).row_key_id is None
            build(house, draw)
    assert seen == [["Hanna Kowalska"], ["Jeszcze jedna osoba podpisująca"], ["Hanna Kowalska"]]
    assert broken(house) == set()


def test_withdrawn_before_the_build_is_not_in_it(house: House, make_own: Factory, petition: int) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    ask(house, log_in(house, make_own, petition), petition)
    press(house.client(), f"/withdraw/{token(house, 'withdraw', gone.id)}")
    house.drain()
    seen: list[BundleDocument] = []
    build(house, lambda document: seen.append(document) or volumes(b"%PDF"))
    assert [row.name for row in seen[0].rows] == ["Stays Here"]


def test_who_withdraws_is_no_longer_in_bundles_made_before(
    house: House, make_own: Factory, petition: int, tmp_path: Path
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    counted(house, slug, email="lt@example.org", country="LT")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    build(house, lambda _document: volumes(b"%PDF both"))
    ask(house, client, petition, "LT")
    build(house, lambda _document: volumes())
    elsewhere = house.sql("SELECT * FROM bundles WHERE id <> :id", id=page.location.rsplit("/", 1)[1]).one()
    keys = house.value("SELECT count(*) FROM row_keys")
    later = counted(house, slug, email="later@example.org", name="Later Gone")
    for row in (later, gone):
        press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
        house.drain()
        # Who was counted after the cut-off is in no bundle, so the first withdrawal leaves all as they are.
        states = [one[0] for one in house.sql("SELECT state FROM bundles ORDER BY requested_at")]
        assert states == (["ready", "ready"] if row is later else ["approved", "ready"])
    # The signature's key, its mail's and the bundle's own: what is left of the file are random bytes.
    assert house.value("SELECT count(*) FROM row_keys") == keys - 2
    assert "Take the bundle away" not in client.get(page.location).text
    seen: list[BundleDocument] = []
    build(house, lambda document: seen.append(document) or volumes(b"%PDF one"))
    assert [row.name for row in seen[0].rows] == ["Stays Here"]
    assert house.sql("SELECT * FROM bundles WHERE id = :id", id=elsewhere.id).one() == elsewhere
    assert len(list((tmp_path / "bundles").iterdir())) == 2
    assert broken(house) == set()


def test_who_withdraws_is_no_longer_in_a_download_on_its_way(house: House, make_own: Factory, petition: int) -> None:
    gone = counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    build(house, lambda _document: volumes())
    csrf = {"csrf_token": hidden(client.get(page.location).text, "csrf_token")}
    sealed, asked = (client.post(f"{page.location}/downloads", data=csrf).location for _ in range(2))
    house.sql("UPDATE downloads SET requested_at = requested_at - interval '1 minute' WHERE id = :id", id=sealed[-36:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_next_download", _first_only(building._next_download))
        assert answer_downloads(house) == 1
    press(house.client(), f"/withdraw/{token(house, 'withdraw', gone.id)}")
    house.drain()
    assert house.value("SELECT count(*) FROM answers WHERE event_id IN (SELECT id FROM downloads)") == 0
    assert answer_downloads(house) == 1
    for download in (sealed, asked):
        assert "This download is over" in client.get(download).text


def test_withdrawals_at_once_do_not_stand_in_each_others_way(
    house: House, make_own: Factory, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = make_own.slug(petition)
    rows = [counted(house, slug, email=f"n{number}@example.org") for number in range(2)]
    ask(house, log_in(house, make_own, petition), petition)
    build(house, lambda _document: volumes())
    for row in rows:
        press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    both_have_erased, recall = Barrier(2, timeout=10), claims.recall_bundles

    def recall_together(*erased: Any) -> None:
        both_have_erased.wait()
        recall(*erased)

    monkeypatch.setattr("worker.drain.recall_bundles", recall_together)
    monkeypatch.setattr("worker.drain.BATCH", 1)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _number: house.drain(), range(2))) == [1, 1]
    assert (the_bundle(house).state, the_bundle(house).row_key_id) == ("approved", None)
    assert house.value("SELECT sum(total) FROM tallies WHERE state = 'withdrawn'") == 2


def test_who_withdraws_while_a_bundle_is_built_is_not_in_it(house: House, make_own: Factory, petition: int) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    ask(house, log_in(house, make_own, petition), petition)

    def draw(document: BundleDocument) -> list[Volume]:
        if len(document.rows) == 2:
            press(house.client(), f"/withdraw/{token(house, 'withdraw', gone.id)}")
            house.drain()
        return volumes()

    with pytest.raises(claims.LeaseLostError):
        build(house, draw)
    build(house, draw)
    assert (the_bundle(house).state, the_bundle(house).signatures) == ("ready", 1)


def test_a_ministry_gets_each_text_that_was_signed_and_is_told_how_often(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=(), texts=("en", "pl"))
    make_own.addressed(petition, make_own.addressee("PL", languages="pl"))
    slug = make_own.slug(petition)

    def read(number: int, language: str, version: int) -> None:
        of = "SELECT hash FROM petition_texts WHERE petition_id = :p AND language = :l AND version = :v"
        text_hash = house.value(of, p=petition, l=language, v=version)
        counted(house, slug, email=f"n{number}@example.org", country="PL", text_hash=text_hash)

    def publish(language: str, version: int) -> None:
        make_own.text(
            petition, language, version, title=f"Title {version} ({language})", created_at=f"2026-11-0{version}"
        )

    read(1, "en", 1)
    read(2, "pl", 1)
    publish("en", 2)
    publish("pl", 2)
    read(3, "pl", 2)
    read(4, "en", 2)
    publish("en", 3)  # A slip in English alone: in Polish it is the same text.
    read(5, "en", 3)
    ask(house, log_in(house, make_own, petition), petition)
    seen: list[BundleDocument] = []
    build(house, lambda document: seen.append(document) or volumes(b"%PDF"))
    assert (seen[0].title, len(seen[0].rows)) == ("Title 2 (pl)", 5)
    [earlier] = seen[0].earlier
    assert (earlier.title, earlier.heading) == ("Do not recognise (pl)", "Apel do dnia 2 listopada 2026")
    assert earlier.note.endswith("pod tą wersją: 2.")
    with house.inside(Role.WORKER):
        letter, _register = draw_bundle(seen[0])
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(letter.content)).pages).split())
    assert "złożonych pod wcześniejszą wersją: 2." in text
    assert "Apel do dnia 2 listopada 2026" in text
    assert "złożonych pod tą wersją: 2." in text
    assert "Do not recognise (pl)" in text


def test_of_a_text_that_is_new_in_the_letters_language_the_earlier_one_is_given_as_it_was_read(
    house: House, make_own: Factory
) -> None:
    petition = make_own.petition(countries=(), texts=("en",))
    make_own.addressed(petition, make_own.addressee("PL", languages="pl"))
    counted(house, make_own.slug(petition), country="PL")
    for language in ("en", "pl"):
        make_own.text(petition, language, 2, title=f"Title 2 ({language})")
    ask(house, log_in(house, make_own, petition), petition)
    seen: list[BundleDocument] = []
    build(house, lambda document: seen.append(document) or volumes(b"%PDF"))
    assert seen[0].appeal_language == "pl"
    [earlier] = seen[0].earlier
    assert earlier.language == "en"
    assert earlier.note.endswith("pod tą wersją: 1.")


def test_ministry_without_a_letter_in_its_language_gets_english_and_says_so(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=(), texts=("be",))
    georgia = make_own.addressee("GE", languages="ka", salutation_native="პატივცემულო მინისტრო,", name_native="საგარეო")
    house.sql("INSERT INTO petition_addressees VALUES (:p, :a)", p=petition, a=georgia)
    counted(house, make_own.slug(petition), country="GE")
    ask(house, log_in(house, make_own, petition), petition, "GE")
    seen: list[BundleDocument] = []
    build(house, lambda document: seen.append(document) or volumes(b"%PDF"))
    assert (seen[0].language, seen[0].appeal_language) == ("en", "be")
    assert seen[0].salutation == "პატივცემულო მინისტრო,"
    assert seen[0].address[0] == "საგარეო"
    assert seen[0].letter["appeal_fallback_note"].endswith("in another language: Belarusian.")
    with house.inside(Role.WORKER):
        letter, register = draw_bundle(seen[0])
    assert letter.pages + register.pages >= 4
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(letter.content)).pages)
    assert "in another language: Belarusian." in " ".join(text.split())


def test_a_builder_that_went_silent_is_taken_over_and_fenced_off(
    house: House, make_own: Factory, petition: int, tmp_path: Path
) -> None:
    counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    with house.inside(Role.WORKER) as app:
        silent = claims.claim_bundle()
        assert silent is not None
        assert claims.claim_bundle() is None
        house.sql("UPDATE bundles SET leased_until = now() - interval '1 second'")
        build(house, lambda _document: volumes(b"%PDF second"))
        ready = the_bundle(house)
        with pytest.raises(claims.LeaseLostError):
            building.build(silent, house.keyring, lambda _document: volumes(b"%PDF first"), app.extensions["zbor"])
        db.session.rollback()
    assert the_bundle(house) == ready
    assert broken(house) == set()


def test_a_build_that_fails_goes_back_and_is_given_up_in_the_end(
    house: House, make_own: Factory, petition: int
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    with house.inside(Role.WORKER):
        for _ in range(claims.MAX_ATTEMPTS):
            claim = claims.claim_bundle()
            assert claim is not None
            claims.release(claim)
        assert claims.claim_bundle() is None
    assert the_bundle(house).state == "failed"
    assert "could not be made" in client.get(page.location).text
    assert ask(house, client, petition).location != page.location


def test_a_bundle_that_is_left_out_lets_the_next_be_built(house: House, make_own: Factory, petition: int) -> None:
    slug = make_own.slug(petition)
    counted(house, slug)
    counted(house, slug, email="lt@example.org", country="LT")
    client = log_in(house, make_own, petition)
    for country in ("PL", "LT"):
        ask(house, client, petition, country)
    with house.inside(Role.WORKER):
        first = claims.claim_bundle()
        assert first is not None
        claims.release(first, blameless=True)
        second = claims.claim_bundle({first.bundle_id})
        assert second is not None
        assert second.bundle_id != first.bundle_id
        assert claims.claim_bundle({first.bundle_id, second.bundle_id}) is None


def test_half_written_file_never_has_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        building._write_whole(tmp_path / "x.sealed", b"content")
    assert list(tmp_path.iterdir()) == []


def test_download_opens_in_the_asking_browser_only_and_is_logged(
    house: House, make_own: Factory, petition: int
) -> None:
    counted(house, make_own.slug(petition))
    client, other = log_in(house, make_own, petition), log_in(house, make_own, petition)
    page = ask(house, client, petition)
    build(house, lambda _document: volumes(b"%PDF-test"))
    asked = client.post(
        f"{page.location}/downloads", data={"csrf_token": hidden(client.get(page.location).text, "csrf_token")}
    )
    answer_downloads(house)
    assert unpacked(client.get(asked.location).data) == {"1-letter.pdf": b"%PDF-test"}
    assert other.get(asked.location).status_code == 404
    client.delete_cookie("answers")
    assert "This download is over" in client.get(asked.location).text
    assert house.value("SELECT count(*) FROM downloads WHERE answered_at IS NOT NULL") == 1
    assert answer_downloads(house) == 0


def test_download_of_a_bundle_that_is_not_ready_is_not_there(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    csrf = hidden(client.get("/petitions/" + str(petition)).text, "csrf_token")
    assert client.post(f"{page.location}/downloads", data={"csrf_token": csrf}).status_code == 404
    assert house.value("SELECT count(*) FROM downloads") == 0


def test_of_a_hidden_petition_nothing_is_handed_over(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    ask(house, client, petition)
    build(house)
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'It endangers somebody.'")
    bundle = the_bundle(house).id
    assert '/bundles"' not in client.get(f"/petitions/{petition}").text
    assert post(client, f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles").status_code == 403
    assert post(client, f"/bundles/{bundle}/downloads").status_code == 403
    assert house.value("SELECT count(*) FROM downloads") == 0
    house.sql("UPDATE petitions SET state = 'open'")
    assert post(client, f"/bundles/{bundle}/downloads").status_code == 303


def test_a_coordinator_of_another_petition_finds_nothing(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    mine = log_in(house, make_own, petition)
    page = ask(house, mine, petition)
    other_petition = make_own.petition(countries=())
    stranger = log_in(house, make_own, other_petition)
    csrf = hidden(
        stranger.get(f"/petitions/{other_petition}").text + '<input name="csrf_token" value="">', "csrf_token"
    )
    assert stranger.get(f"/petitions/{petition}").status_code == 404
    assert stranger.get(page.location).status_code == 404
    assert f"/petitions/{petition}" not in stranger.get("/").text
    for path in (f"{page.location}/downloads", f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles"):
        assert stranger.post(path, data={"csrf_token": csrf}).status_code in (400, 404)
    assert house.value("SELECT count(*) FROM downloads") == 0
    assert house.value("SELECT count(*) FROM bundles") == 1


def test_a_grant_for_one_country_shows_that_country_alone(house: House, make_own: Factory, petition: int) -> None:
    slug = make_own.slug(petition)
    counted(house, slug)
    counted(house, slug, email="lt@example.org", country="LT")
    client = log_in(house, make_own, petition)
    house.sql("UPDATE grants SET country_code = 'LT'")
    page = client.get(f"/petitions/{petition}").text
    assert 'class="error"' not in page
    assert "Ministry of LT" in page
    assert "Ministry of PL" not in page
    assert ask(house, client, petition, "PL").status_code == 404
    assert ask(house, client, petition, "LT").status_code == 303
    assert "Ministry of LT" in client.get(f"/petitions/{petition}").text


def test_staff_forms_without_the_csrf_token_are_refused(house: House, make_own: Factory, petition: int) -> None:
    client = log_in(house, make_own, petition)
    path = f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles"
    assert client.post(path).status_code == 400
    assert client.post("/logout").status_code == 400
    assert house.value("SELECT count(*) FROM bundles") == 0


def test_addressee_of_another_petition_is_not_there(house: House, make_own: Factory, petition: int) -> None:
    client = log_in(house, make_own, petition)
    other = make_own.addressee("GE")
    csrf = hidden(client.get(f"/petitions/{petition}").text + '<input name="csrf_token" value="x">', "csrf_token")
    counted(house, make_own.slug(petition))
    csrf = hidden(client.get(f"/petitions/{petition}").text, "csrf_token")
    assert (
        client.post(f"/petitions/{petition}/addressees/{other}/bundles", data={"csrf_token": csrf}).status_code == 404
    )


def test_fsck_finds_a_missing_and_a_damaged_file(
    house: House, make_own: Factory, petition: int, tmp_path: Path
) -> None:
    counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    build(house, lambda _document: volumes(b"%PDF"))
    [file] = (tmp_path / "bundles").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert broken(house) == {"I6"}
    file.unlink()
    assert broken(house) == {"I6"}
    file.write_bytes(content)
    assert broken(house) == set()


def test_a_bundle_that_does_not_open_ends_its_download_and_lets_others_through(
    house: House, make_own: Factory, petition: int, tmp_path: Path
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    build(house, lambda _document: volumes(b"%PDF"))
    [file] = (tmp_path / "bundles").iterdir()
    content = file.read_bytes()
    csrf = {"csrf_token": hidden(client.get(page.location).text, "csrf_token")}
    waits = client.post(f"{page.location}/downloads", data=csrf)
    with house.inside(Role.WORKER) as app:
        assert building.answer_downloads(replace(house.keyring, private_keys={}), app.extensions["zbor"]) == 0
    assert answer_downloads(house) == 1
    assert unpacked(client.get(waits.location).data) == {"1-letter.pdf": b"%PDF"}
    file.unlink()
    lost = client.post(f"{page.location}/downloads", data=csrf)
    assert answer_downloads(house) == 1
    assert "This download is over" in client.get(lost.location).text
    file.write_bytes(content)
    found = client.post(f"{page.location}/downloads", data=csrf)
    assert answer_downloads(house) == 1
    assert unpacked(client.get(found.location).data) == {"1-letter.pdf": b"%PDF"}
