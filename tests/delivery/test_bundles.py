"""From the coordinator's button to the PDF in the coordinator's hands. Real transactions, in a database of its own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4
from zipfile import ZipFile, is_zipfile

import pyrage
import pytest
from pypdf import PdfReader

from core.config import Role
from core.demo.register import read_rows
from core.inbox import append
from core.records import open_row_key
from core.sealing import SealingError, context, decrypt, statement_is_signed
from delivery import claims, handing
from delivery.document import draw_sample, register_hash
from delivery.models import bundle_code
from tests.conftest import House
from tests.delivery.factories import Studio, addressee, answer_downloads, ask, taken_away, the_bundle, unpacked
from tests.factories import (
    Factory,
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
from worker.pdf import draw_index


def many_for_poland(house: House, petition: int, number: int) -> None:
    many_counted(house, petition, number)
    house.sql("UPDATE signatures SET addressee_id = :a", a=addressee(house, "PL"))


def broken(house: House) -> set[str]:
    from core.fsck import run_fsck

    with house.inside(Role.WORKER):
        return {item.name for item, number in run_fsck() if number}


def withdraw(house: House, row: Any) -> None:
    press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()


def text_of(content: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages).split())


def csv_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]


# --- The whole way -----------------------------------------------------------------------------------------------------


def test_from_button_to_pdf(house: House, make_own: Factory, petition: int, studio: Studio) -> None:
    slug = make_own.slug(petition)
    names = ["Вольга Вераб’ёва", "Ελένη Παππά", "נועה כהן"]
    for number, name in enumerate(names):
        counted(house, slug, email=f"n{number}@example.org", name=name)
    counted(house, slug, email="lt@example.org", country="LT", name="Rūta Kazlauskienė")
    signed(house, slug, email="silent@example.org", name="Never Confirmed")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    assert page.status_code == 303
    assert client.get(page.location).headers["Refresh"] == f"3;url={page.location}?look=2"
    for still in ("?look=40", "?look=0"):
        quiet = client.get(page.location + still)
        assert "Refresh" not in quiet.headers, "nobody is disturbed for ever, nor after saying so"
        assert f'href="{page.location}"' in quiet.text
    studio.real = True
    assert not studio.build()
    ready = client.get(page.location).text
    assert "Ready" in ready
    assert the_bundle(house).register_hash in ready
    asked = client.post(f"{page.location}/downloads", data={"csrf_token": hidden(ready, "csrf_token")})
    assert "Preparing the bundle" in client.get(asked.location).text
    assert answer_downloads(studio) == 1
    answer = client.get(asked.location)
    code = bundle_code(the_bundle(house).id)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{code}.zip"'
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    files = unpacked(answer.data)
    assert set(files) == {"000-index.pdf", "001-register.pdf", "001-register.csv", "manifest.json", "copy.json"}
    rows = read_rows(files["001-register.pdf"])
    assert [row.name for row in rows] == names
    assert csv_rows(files["001-register.csv"]) == [[str(row.number), row.name, row.city, row.date] for row in rows]
    content_hash = hashlib.sha256(files["001-register.csv"]).hexdigest()
    assert the_bundle(house).register_hash == register_hash([content_hash])
    printed = text_of(files["001-register.pdf"])
    for line in (content_hash, f"{code}-1", "Tom 1 z 1", "Ministerstwo"):
        assert line in printed
    letter = text_of(files["000-index.pdf"])
    for line in ("Szanowna Pani Minister", content_hash, the_bundle(house).register_hash, f"{code}-0"):
        assert line in letter
    assert hashlib.sha256(files["001-register.pdf"]).hexdigest() in letter
    assert "Never Confirmed" not in letter + printed
    page_now = client.get(page.location).text
    assert "Staff" in page_now
    assert json.loads(files["copy.json"])["copy"] in page_now, "each copy bears a mark of its own"
    assert broken(house) == set()


def test_what_leaves_is_shown_before_it_is_asked_for_and_to_the_second_person(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="logged@example.org")
    write_logs(house, 1)
    counted(house, slug, email="late@example.org")
    client = log_in(house, make_own, petition)
    path = f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles"
    page = client.get(path).text
    assert "<dd>1</dd>" in page
    assert "1 more signature is counted, and not in the log yet" in page
    empty = client.post(path, data={"csrf_token": hidden(page, "csrf_token")})
    assert empty.status_code == 422
    assert "Choose how much the ministry is told." in empty.text
    asked = client.post(path, data={"csrf_token": hidden(page, "csrf_token"), "level": "initials"})
    approval = house.value("SELECT id FROM approvals")
    second = log_in(house, make_own, petition, role="reviewer")
    shown = second.get(f"/approvals/{approval}").text
    assert "Initials" in shown
    assert asked.status_code == 303
    assert the_bundle(house).level == "initials"


def test_the_manifest_lists_the_files_and_is_signed_by_the_key_of_the_logs(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="pl@example.org")
    many_counted(house, petition, 299)
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.real = True
    studio.build()
    files = unpacked(taken_away(studio, client, page))
    bundle, head = the_bundle(house), house.sql("SELECT * FROM tree_heads ORDER BY size DESC LIMIT 1").one()
    manifest = json.loads(files["manifest.json"])
    assert (manifest["zbor"], manifest["bundle"], manifest["level"]) == ("bundle/2", bundle_code(bundle.id), "names")
    assert (manifest["petition"], manifest["counted"], manifest["register_hash"]) == (slug, 1, bundle.register_hash)
    assert manifest["cutoff"] == f"{bundle.cutoff_at:%Y-%m-%dT%H:%M:%SZ}"
    assert manifest["addressee"] == house.value("SELECT code FROM addressees WHERE country_code = 'PL'")
    assert (manifest["tree_head"]["size"], manifest["tree_head"]["root"]) == (300, head.root.hex())
    assert manifest["entries"] == str(
        house.value("SELECT leaf_index FROM signatures WHERE addressee_id = :a", a=addressee(house, "PL"))
    )
    assert "Вольга" not in json.dumps(manifest, ensure_ascii=False)
    for told in manifest["files"]:
        name = told["name"].split("-", 3)[3]
        assert hashlib.sha256(files[name]).hexdigest() == told["sha256"]
        if "table" in told:
            assert hashlib.sha256(files[told["table"].split("-", 3)[3]]).hexdigest() == told["table_sha256"]
    signature = manifest.pop("signature")
    plain = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    public_key = bytes.fromhex(manifest["signed_by"]["public_key"])
    assert statement_is_signed(public_key, f"zbor-bundle/2\n{plain}".encode(), bytes.fromhex(signature))
    printed = text_of(files["000-index.pdf"])
    groups = [head.root.hex()[at : at + 8] for at in range(0, 64, 8)]
    assert " ".join(groups) in printed
    attached = PdfReader(BytesIO(files["000-index.pdf"])).attachments["manifest.json"][0]
    assert json.loads(attached)["files"] == manifest["files"][1:], "it cannot hold its own hash"


def test_without_a_key_of_the_logs_a_bundle_waits(
    house: House, make_own: Factory, petition: int, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    write_logs(house, 1)
    with monkeypatch.context() as patch:
        patch.setattr(House, "keyring", replace(house.keyring, log_key=None))
        studio.build(logged=False)
    assert the_bundle(house).state == "building"
    assert house.sql("SELECT number, attempts FROM volumes WHERE done_at IS NULL").all() == [(0, 0)], "nobody's fault"
    studio.build()
    assert the_bundle(house).state == "ready"


@pytest.mark.parametrize(("per_mailbox", "said"), [(1, "tylko jeden podpis"), (2, "zalicza się najwyżej dwa podpisy")])
def test_the_method_says_how_many_a_mailbox_may_bring(
    house: House, make_own: Factory, studio: Studio, per_mailbox: int, said: str
) -> None:
    petition = make_own.petition(per_mailbox=per_mailbox)
    counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    studio.build()
    [index] = studio.indexes
    assert said in " ".join(index.texts["method"])
    with house.inside(Role.WORKER):
        assert "{" not in text_of(draw_index(index))


# --- Frozen sets ---------------------------------------------------------------------------------------------------------


def test_a_bundle_is_cut_into_volumes_of_the_size_that_is_set(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    many_for_poland(house, petition, 25)
    studio.configure(volume_size=10)
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    write_logs(house, 1)
    with house.inside(Role.WORKER):
        claims.settle_requests()
        assert claims.freeze_next() is not None
    assert "0 of 4 volumes are done" in client.get(page).text
    studio.build()
    volumes = house.sql("SELECT number, first, last FROM volumes ORDER BY number").all()
    assert volumes == [(0, None, None), (1, 1, 10), (2, 11, 20), (3, 21, 25)]
    assert [row.number for volume in studio.registers for row in volume.rows] == list(range(1, 26))
    assert (the_bundle(house).signatures, the_bundle(house).pages) == (25, 4)
    assert not broken(house) & {"I6", "I27"}, "the tallies know nothing of these"


def test_what_is_confirmed_after_the_cutoff_is_not_in_the_register(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="before@example.org", name="Before Cutoff")
    ask(house, log_in(house, make_own, petition), petition)
    counted(house, slug, email="after@example.org", name="After Cutoff")
    studio.build()
    assert studio.names() == ["Before Cutoff"]
    [index] = studio.indexes
    assert dict(index.counts)[index.texts["counted"]] == "1"


def test_what_the_log_does_not_count_yet_waits_for_the_next_bundle(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="first@example.org", name="In The Log")
    write_logs(house, 1)
    counted(house, slug, email="second@example.org", name="Not Yet")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build(logged=False)
    assert studio.names() == ["In The Log"]
    assert "1 signature was counted, and not in the log yet" in client.get(page).text
    [index] = studio.indexes
    assert dict(index.counts)[index.texts["unlogged"]] == "1"
    ask(house, client, petition)
    studio.build()
    assert studio.names()[1:] == ["In The Log", "Not Yet"]


def test_a_bundle_of_which_the_log_has_nothing_yet_waits_and_says_so(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    assert not studio.build(logged=False)
    assert the_bundle(house).state == "approved"
    assert "not in the log yet" in client.get(page).text
    studio.build()
    assert the_bundle(house).state == "ready"


@pytest.mark.parametrize("seed", range(6))
def test_register_log_manifest_and_count_agree_whatever_comes_between(
    house: House, make_own: Factory, petition: int, studio: Studio, seed: int
) -> None:
    """Signing, withdrawing, writing the log and building in any order: what is handed over is what counts, and nobody who left."""
    chance = random.Random(seed)
    slug = make_own.slug(petition)
    client = log_in(house, make_own, petition)
    staying: dict[str, Any] = {}
    gone: set[str] = set()
    studio.configure(volume_size=2)
    for step in range(14):
        match chance.choice(("sign", "sign", "sign", "withdraw", "log", "ask", "build")):
            case "sign":
                name = f"Signer {chr(ord('A') + step)}"
                staying[name] = counted(house, slug, email=f"n{step}@example.org", name=name)
            case "withdraw" if staying:
                name = chance.choice(sorted(staying))
                withdraw(house, staying.pop(name))
                gone.add(name)
            case "log":
                write_logs(house, 1)
            case "ask":
                ask(house, client, petition)
            case "build":
                studio.build(logged=chance.random() < 0.5)
        assert broken(house) <= {"I3"}
    if not staying:
        staying["Last One"] = counted(house, slug, email="last@example.org", name="Last One")
    studio.build()
    for row in house.sql("SELECT id FROM bundles WHERE state IN ('requested', 'approved', 'building')").all():
        house.sql("UPDATE bundles SET state = 'cancelled' WHERE id = :id", id=row.id)
    studio.registers.clear()
    page = ask(house, client, petition).location
    studio.build()
    manifest = json.loads(unpacked(taken_away(studio, client, page))["manifest.json"])
    assert sorted(studio.names()) == sorted(staying)
    assert not gone & set(studio.names())
    entries = [int(one) for one in manifest["entries"].split()]
    leaves = house.sql("SELECT index, kind, about FROM leaves ORDER BY index").all()
    said = {leaf.index: "S" for leaf in leaves if leaf.kind == "S"}
    for leaf in leaves:
        if leaf.kind != "S":
            said[leaf.about] = leaf.kind
    assert [said[one] for one in entries] == ["S"] * len(staying)
    assert manifest["counted"] == len(entries) == len(staying) == manifest["tree_head"]["counted"]
    assert broken(house) == set()


# --- What is told of signers ---------------------------------------------------------------------------------------------


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
    house: House,
    make_own: Factory,
    studio: Studio,
    country: str,
    languages: str,
    words: str,
    heading: str,
    consent: str,
) -> None:
    petition = make_own.petition(countries=(), texts=())
    make_own.text(petition, "en", demands="1. Nobody is recognised.\n- Talk to <us>")
    make_own.addressed(petition, make_own.addressee(country, languages=languages))
    _sign_with_every_wish(house, make_own.slug(petition), country)
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition, country).location
    studio.real = True
    studio.build()
    files = unpacked(taken_away(studio, client, page))
    assert [(row.name, row.city) for row in read_rows(files["001-register.pdf"])] == [
        ("Named Ministry", "City of ministry"),
        (words, ""),
        ("Named Initials", "City of initials"),
        ("Named Public", "City of public"),
    ]
    text = text_of(files["000-index.pdf"])
    assert consent in text
    assert words in text
    assert studio.indexes[0].demands_html == "<ol><li>Nobody is recognised.</li><li>Talk to &lt;us&gt;</li></ol>"
    for line in (heading, "Nobody is recognised.", "Talk to <us>"):
        assert line in text
    assert "Named" not in text


def _sign_with_every_wish(house: House, slug: str, country: str = "PL") -> None:
    for number, visibility in enumerate(("ministry", "counted", "initials", "public")):
        name, city = f"Named {visibility.title()}", f"City of {visibility}"
        counted(
            house, slug, email=f"n{number}@example.org", country=country, name=name, city=city, visibility=visibility
        )


def test_by_initials_neither_names_nor_cities_leave(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    _sign_with_every_wish(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition, level="initials").location
    studio.real = True
    studio.build()
    archive = taken_away(studio, client, page)
    files = unpacked(archive)
    names = [row[1] for row in csv_rows(files["001-register.csv"])]
    assert names == ["N. M.", "Jeszcze jedna osoba podpisująca", "N. I.", "N. P."]
    everything = b"".join(files.values()) + text_of(files["001-register.pdf"]).encode()
    for word in (b"Named", b"City of"):
        assert word not in everything
    assert "N. M." in text_of(files["001-register.pdf"])


def test_of_the_number_alone_only_the_sample_is_named_that_the_rule_draws(
    house: House, make_own: Factory, petition: int, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("claims", "building", "indexing", "models"):
        monkeypatch.setattr(f"delivery.{room}.SAMPLE_SIZE", 2, raising=False)
    slug = make_own.slug(petition)
    people = {}
    for number in range(5):
        row = counted(house, slug, email=f"n{number}@example.org", name=f"Signer {chr(65 + number)}")
        people[row.id] = f"Signer {chr(65 + number)}"
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition, level="counts").location
    studio.real = True
    studio.build()
    files = unpacked(taken_away(studio, client, page))
    manifest = json.loads(files["manifest.json"])
    drawn = sorted(draw_sample(manifest["tree_head"]["root"], manifest["bundle"], 5, 2))
    by_leaf = house.sql("SELECT id, leaf_index FROM signatures ORDER BY leaf_index").all()
    wanted = [[str(number), people[by_leaf[number - 1].id], str(by_leaf[number - 1].leaf_index)] for number in drawn]
    assert [[row[0], row[1], row[4]] for row in csv_rows(files["001-register.csv"])] == wanted
    everything = text_of(files["000-index.pdf"]) + text_of(files["001-register.pdf"]) + files["manifest.json"].decode()
    for name in set(people.values()) - {row[1] for row in wanted}:
        assert name not in everything
    assert (manifest["counted"], manifest["sample"], len(manifest["entries"].split())) == (5, 2, 5)
    assert "zbor-sample/1" in text_of(files["000-index.pdf"])


def test_who_changes_to_counted_only_and_back_leaves_bundles_and_comes_again(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    """Bundles that were not taken away are made anew; who only changes between names for the public recalls none."""
    row = counted(house, make_own.slug(petition), name="Hanna Kowalska")
    ask(house, log_in(house, make_own, petition), petition)
    studio.build()
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
            studio.build()
    assert studio.names() == ["Hanna Kowalska", "Jeszcze jedna osoba podpisująca", "Hanna Kowalska"]
    assert broken(house) == set()


# --- Withdrawals -----------------------------------------------------------------------------------------------------------


def test_withdrawn_before_the_build_is_not_in_it(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    ask(house, log_in(house, make_own, petition), petition)
    withdraw(house, gone)
    studio.build()
    assert studio.names() == ["Stays Here"]


def test_who_withdraws_is_no_longer_in_bundles_made_before(
    house: House, make_own: Factory, petition: int, studio: Studio, tmp_path: Path
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    counted(house, slug, email="lt@example.org", country="LT", name="In Lithuania")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    studio.build()
    ask(house, client, petition, "LT")
    studio.build()
    elsewhere = house.sql("SELECT * FROM bundles WHERE id <> :id", id=page.location.rsplit("/", 1)[1]).one()
    keys = house.value("SELECT count(*) FROM row_keys")
    later = counted(house, slug, email="later@example.org", name="Later Gone")
    for row in (later, gone):
        withdraw(house, row)
        # Who was counted after the cut-off is in no bundle, so the first withdrawal leaves all as they are.
        states = [one[0] for one in house.sql("SELECT state FROM bundles ORDER BY requested_at")]
        assert states == (["ready", "ready"] if row is later else ["approved", "ready"])
    # The signature's key, its mail's and the bundle's own: what is left of the files are random bytes.
    assert house.value("SELECT count(*) FROM row_keys") == keys - 2
    assert "Take the bundle away" not in client.get(page.location).text
    studio.registers.clear()
    studio.build()
    assert studio.names() == ["Stays Here"]
    assert house.sql("SELECT * FROM bundles WHERE id = :id", id=elsewhere.id).one() == elsewhere
    assert len(list((tmp_path / "bundles").iterdir())) == 4
    assert broken(house) == set()


def test_after_a_copy_was_taken_away_a_withdrawal_makes_another_bundle_with_the_same_approval(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build()
    taken_away(studio, client, page)
    withdraw(house, gone)
    old = client.get(page).text
    assert "Do not hand that copy over" in old
    assert "Take the bundle away" not in old
    newer = the_bundle(house)
    assert f'href="/bundles/{newer.id}"' in old
    studio.registers.clear()
    studio.build()
    assert studio.names() == ["Stays Here"]
    assert the_bundle(house).state == "ready"
    assert taken_away(studio, client, f"/bundles/{newer.id}")
    assert house.value("SELECT count(*) FROM bundle_lines WHERE bundle_id <> :id", id=newer.id) == 0


def test_after_the_hand_over_a_withdrawal_is_noted_for_the_ministry_and_the_stored_copy_is_destroyed(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    counted(house, slug, email="stays@example.org", name="Stays Here")
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build()
    taken_away(studio, client, page)
    tomorrow_on = client.post(
        f"{page}/handed-over", data={"csrf_token": hidden(client.get(page).text, "csrf_token"), "day": "2099-01-01"}
    )
    assert tomorrow_on.status_code == 422
    assert "This day is still to come." in tomorrow_on.text
    assert post(client, f"{page}/handed-over", day="2026-11-20").status_code == 303
    withdraw(house, gone)
    assert the_bundle(house).state == "destroyed"
    assert house.sql("SELECT number FROM corrections").scalars().all() == [1]
    shown = client.get(page).text
    assert "have ceased to count since the hand-over: 1." in shown
    assert "has to be told of entries to be struck out" in client.get("/").text
    assert post(client, f"{page}/told", day="2026-11-21").status_code == 303
    assert "has to be told" not in client.get("/").text
    ask(house, client, petition)
    studio.registers.clear()
    studio.build()
    assert studio.names() == ["Stays Here"]
    assert broken(house) == set()


def test_who_withdraws_is_no_longer_in_a_download_on_its_way(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    gone = counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    studio.build()
    csrf = {"csrf_token": hidden(client.get(page.location).text, "csrf_token")}
    sealed, asked = (client.post(f"{page.location}/downloads", data=csrf).location for _ in range(2))
    house.sql("UPDATE downloads SET requested_at = requested_at - interval '1 minute' WHERE id = :id", id=sealed[-36:])
    with pytest.MonkeyPatch.context() as patch:
        looks = iter([handing._next_download, lambda _but: None])
        patch.setattr(handing, "_next_download", lambda but: next(looks)(but))
        assert answer_downloads(studio) == 1
    withdraw(house, gone)
    assert house.value("SELECT count(*) FROM answers WHERE event_id IN (SELECT id FROM downloads)") == 0
    assert house.value("SELECT count(*) FROM download_parts") == 0
    assert answer_downloads(studio) == 1
    for download in (sealed, asked):
        assert "This download is over" in client.get(download).text


def test_withdrawals_at_once_do_not_stand_in_each_others_way(
    house: House, make_own: Factory, petition: int, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = make_own.slug(petition)
    rows = [counted(house, slug, email=f"n{number}@example.org") for number in range(2)]
    ask(house, log_in(house, make_own, petition), petition)
    studio.build()
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


def test_who_withdraws_while_a_bundle_is_built_is_not_in_it(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug = make_own.slug(petition)
    counted(house, slug, email="stays@example.org", name="Stays Here")
    gone = counted(house, slug, email="gone@example.org", name="Gone Away")
    ask(house, log_in(house, make_own, petition), petition)
    withdrawn: list[bool] = []

    def before(_volume: object) -> None:
        if not withdrawn:
            withdrawn.append(True)
            withdraw(house, gone)

    studio.before_register = before
    studio.build()
    assert studio.names() == ["Stays Here", "Gone Away", "Stays Here"]
    assert (the_bundle(house).state, the_bundle(house).signatures) == ("ready", 1)
    assert broken(house) == set()


# --- Texts -------------------------------------------------------------------------------------------------------------------


def test_a_ministry_gets_each_text_that_was_signed_and_is_told_how_often(
    house: House, make_own: Factory, studio: Studio
) -> None:
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
    studio.configure(volume_size=2)
    for level in ("names", "counts"):
        ask(house, log_in(house, make_own, petition), petition, level=level)
        studio.build()
        index = studio.indexes[-1]
        assert (index.title, index.count) == ("Title 2 (pl)", "5")
        [earlier] = index.earlier
        assert (earlier.title, earlier.heading) == ("Do not recognise (pl)", "Apel do dnia 2 listopada 2026")
        assert earlier.note.endswith("pod tą wersją: 2.")
    with house.inside(Role.WORKER):
        text = text_of(draw_index(index))
    assert "złożonych pod wcześniejszą wersją: 2." in text
    assert "Apel do dnia 2 listopada 2026" in text
    assert "złożonych pod tą wersją: 2." in text
    assert "Do not recognise (pl)" in text


def test_of_a_text_that_is_new_in_the_letters_language_the_earlier_one_is_given_as_it_was_read(
    house: House, make_own: Factory, studio: Studio
) -> None:
    petition = make_own.petition(countries=(), texts=("en",))
    make_own.addressed(petition, make_own.addressee("PL", languages="pl"))
    counted(house, make_own.slug(petition), country="PL")
    for language in ("en", "pl"):
        make_own.text(petition, language, 2, title=f"Title 2 ({language})")
    ask(house, log_in(house, make_own, petition), petition)
    studio.build()
    [index] = studio.indexes
    assert index.appeal_language == "pl"
    [earlier] = index.earlier
    assert earlier.language == "en"
    assert earlier.note.endswith("pod tą wersją: 1.")


def test_ministry_without_a_letter_in_its_language_gets_english_and_says_so(
    house: House, make_own: Factory, studio: Studio
) -> None:
    petition = make_own.petition(countries=(), texts=("be",))
    georgia = make_own.addressee("GE", languages="ka", salutation_native="პატივცემულო მინისტრო,", name_native="საგარეო")
    make_own.addressed(petition, georgia)
    counted(house, make_own.slug(petition), country="GE")
    client = log_in(house, make_own, petition)
    assert "It goes out in English" in client.get(f"/petitions/{petition}/addressees/{georgia}/bundles").text
    ask(house, client, petition, "GE")
    studio.build()
    [index] = studio.indexes
    assert (index.language, index.appeal_language) == ("en", "be")
    assert index.salutation == "პატივცემულო მინისტრო,"
    assert index.address[0] == "საგარეო"
    assert index.texts["appeal_fallback_note"].endswith("in another language: Belarusian.")
    with house.inside(Role.WORKER):
        text = text_of(draw_index(index))
    assert "in another language: Belarusian." in text


@pytest.mark.parametrize(("country", "paper", "size"), [("US", "us-letter", (612, 792)), ("PL", "a4", (595, 841))])
def test_paper_is_that_of_the_country(
    house: House, make_own: Factory, studio: Studio, country: str, paper: str, size: tuple[int, int]
) -> None:
    petition = make_own.petition(countries=(), texts=("en",))
    make_own.addressed(petition, make_own.addressee(country, languages="en"))
    counted(house, make_own.slug(petition), country=country)
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition, country).location
    studio.real = True
    studio.build()
    assert studio.registers[0].paper == paper
    files = unpacked(taken_away(studio, client, page))
    for name in ("000-index.pdf", "001-register.pdf"):
        box = PdfReader(BytesIO(files[name])).pages[0].mediabox
        assert (int(box.width), int(box.height)) == size


# --- At rest, and taken away -------------------------------------------------------------------------------------------------


def test_volumes_are_encrypted_at_rest_and_open_with_their_key_only(
    house: House, make_own: Factory, petition: int, studio: Studio, tmp_path: Path
) -> None:
    counted(house, make_own.slug(petition), name="Zuzanna Nowakowska")
    ask(house, log_in(house, make_own, petition), petition)
    studio.real = True
    studio.build()
    files = sorted((tmp_path / "bundles").iterdir())
    assert len(files) == 2
    with house.inside(Role.WORKER):
        key = open_row_key(the_bundle(house).row_key_id, house.keyring.private_keys)
    for number, file in enumerate(files):
        content, place = file.read_bytes(), context("volumes", the_bundle(house).id, number)
        assert file.stat().st_size > 10_000
        assert not is_zipfile(file)
        assert b"%PDF" not in content
        assert decrypt(key, content, place)[8:13] == b"%PDF-"
        with pytest.raises(SealingError):
            decrypt(bytes(32), content, place)
        with pytest.raises(SealingError):
            decrypt(key, content, context("volumes", the_bundle(house).id, number + 1))


def test_a_large_archive_comes_in_pieces_and_whole(
    house: House, make_own: Factory, petition: int, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handing, "PART_SIZE", 100)
    many_for_poland(house, petition, 40)
    studio.configure(volume_size=3)
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build()
    archive = taken_away(studio, client, page)
    assert house.value("SELECT count(*) FROM download_parts") == -(-len(archive) // 100) > 10
    with ZipFile(BytesIO(archive)) as file:
        assert file.testzip() is None
        assert len(file.namelist()) == 2 + 1 + 2 * 14
    house.sql("UPDATE download_parts SET written_at = written_at - interval '61 minutes'")
    with house.inside(Role.WORKER):
        from core.extensions import db

        handing.forget_parts()
        db.session.commit()
    assert house.value("SELECT count(*) FROM download_parts") == 0


def test_what_somebody_with_a_key_of_age_takes_away_opens_with_that_key_alone(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build()
    own = pyrage.x25519.Identity.generate()
    house.sql("UPDATE accounts SET age_recipients = :r", r=str(own.to_public()))
    asked = post(client, f"{page}/downloads")
    answer_downloads(studio)
    answer = client.get(asked.location)
    assert answer.headers["Content-Disposition"].endswith('.zip.age"')
    assert set(unpacked(pyrage.decrypt(answer.data, [own]))) >= {"manifest.json", "001-register.csv"}
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(answer.data, [pyrage.x25519.Identity.generate()])


def test_download_opens_in_the_asking_browser_only_and_is_logged(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    client, other = log_in(house, make_own, petition), log_in(house, make_own, petition)
    page = ask(house, client, petition)
    studio.build()
    asked = post(client, f"{page.location}/downloads")
    answer_downloads(studio)
    assert unpacked(client.get(asked.location).data)["000-index.pdf"] == b"%PDF index"
    assert other.get(asked.location).status_code == 404
    cookie = client.get_cookie("answers")
    assert cookie is not None
    client.delete_cookie("answers")
    assert "This download is over" in client.get(asked.location).text
    client.set_cookie("answers", cookie.value)
    house.sql("UPDATE answers SET expires_at = now() - interval '1 second'")
    assert "This download is over" in client.get(asked.location).text, "after ten minutes the link is dead"
    assert house.value("SELECT count(*) FROM downloads WHERE answered_at IS NOT NULL") == 1
    assert answer_downloads(studio) == 0


def test_two_copies_differ_in_their_mark_and_in_nothing_that_is_filed(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.real = True
    studio.build()
    one, two = (unpacked(taken_away(studio, client, page)) for _ in range(2))
    assert {name for name in one if one[name] != two[name]} == {"copy.json"}


def test_after_thirty_days_the_key_is_destroyed_and_the_files_are_gone(
    house: House, make_own: Factory, petition: int, studio: Studio, tmp_path: Path
) -> None:
    from delivery import building

    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build()
    keys = house.value("SELECT count(*) FROM row_keys")

    def purge() -> None:
        with house.inside(Role.WORKER):
            claims.destroy_expired()
            building.remove_destroyed(studio.config)

    purge()
    assert len(list((tmp_path / "bundles").iterdir())) == 2
    house.sql("UPDATE bundles SET ready_at = ready_at - interval '30 days'")
    purge()
    assert house.value("SELECT count(*) FROM row_keys") == keys - 1
    assert list((tmp_path / "bundles").iterdir()) == []
    shown = client.get(page).text
    assert "so nobody can take it away again" in shown
    assert "Take the bundle away" not in shown
    assert broken(house) == set()


# --- Who may -------------------------------------------------------------------------------------------------------------------


def test_two_clicks_make_one_bundle(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    assert ask(house, client, petition).location == ask(house, client, petition).location
    assert house.value("SELECT count(*) FROM bundles") == 1


def test_download_of_a_bundle_that_is_not_ready_is_not_there(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition)
    assert post(client, f"{page.location}/downloads").status_code == 404
    assert house.value("SELECT count(*) FROM downloads") == 0


def test_of_a_hidden_petition_nothing_is_handed_over(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    ask(house, client, petition)
    studio.build()
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'It endangers somebody.'")
    bundle = the_bundle(house).id
    path = f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles"
    assert path not in client.get(f"/petitions/{petition}").text
    assert client.get(path).status_code == 403
    assert post(client, path, level="names").status_code == 403
    assert post(client, f"/bundles/{bundle}/downloads").status_code == 403
    assert house.value("SELECT count(*) FROM downloads") == 0
    house.sql("UPDATE petitions SET state = 'open'")
    assert post(client, f"/bundles/{bundle}/downloads").status_code == 303


def test_a_coordinator_of_another_petition_finds_nothing(house: House, make_own: Factory, petition: int) -> None:
    counted(house, make_own.slug(petition))
    mine = log_in(house, make_own, petition)
    page = ask(house, mine, petition)
    stranger = log_in(house, make_own, make_own.petition(countries=()))
    request = f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles"
    for path in (f"/petitions/{petition}", page.location, request):
        assert stranger.get(path).status_code == 404
    assert f"/petitions/{petition}" not in stranger.get("/").text
    for path in ("downloads", "cancel", "resume", "handed-over", "told"):
        assert post(stranger, f"{page.location}/{path}", day="2026-11-01").status_code == 404
    assert post(stranger, request, level="names").status_code == 404
    assert house.value("SELECT count(*) FROM downloads") == 0
    assert house.sql("SELECT wish, handed_over_on FROM bundles").all() == [(None, None)]


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
    assert ask(house, client, petition, "PL").status_code == 400
    assert ask(house, client, petition, "LT").status_code == 303
    assert "Ministry of LT" in client.get(f"/petitions/{petition}").text


def test_staff_forms_without_the_csrf_token_are_refused(house: House, make_own: Factory, petition: int) -> None:
    client = log_in(house, make_own, petition)
    path = f"/petitions/{petition}/addressees/{addressee(house, 'PL')}/bundles"
    assert client.post(path, data={"level": "names"}).status_code == 400
    assert client.post("/logout").status_code == 400
    assert house.value("SELECT count(*) FROM bundles") == 0


def test_addressee_of_another_petition_is_not_there(house: House, make_own: Factory, petition: int) -> None:
    client = log_in(house, make_own, petition)
    other = make_own.addressee("GE")
    path = f"/petitions/{petition}/addressees/{other}/bundles"
    assert client.get(path).status_code == 404
    assert post(client, path, level="names").status_code == 404


# --- Faults ----------------------------------------------------------------------------------------------------------------------


def test_fsck_finds_a_missing_and_a_damaged_file(
    house: House, make_own: Factory, petition: int, studio: Studio, tmp_path: Path
) -> None:
    counted(house, make_own.slug(petition))
    ask(house, log_in(house, make_own, petition), petition)
    studio.build()
    file = next((tmp_path / "bundles").iterdir())
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert broken(house) == {"I6"}
    file.unlink()
    assert broken(house) == {"I6"}
    file.write_bytes(content)
    assert broken(house) == set()


def test_a_bundle_that_does_not_open_ends_its_download_and_lets_others_through(
    house: House, make_own: Factory, petition: int, studio: Studio, tmp_path: Path
) -> None:
    from dataclasses import replace

    counted(house, make_own.slug(petition))
    client = log_in(house, make_own, petition)
    page = ask(house, client, petition).location
    studio.build()
    file = max((tmp_path / "bundles").iterdir())
    content = file.read_bytes()
    waits = post(client, f"{page}/downloads")
    with house.inside(Role.WORKER):
        assert handing.answer_downloads(replace(house.keyring, private_keys={}), studio.config) == 0
    assert answer_downloads(studio) == 1
    assert unpacked(client.get(waits.location).data)
    file.unlink()
    lost = post(client, f"{page}/downloads")
    assert answer_downloads(studio) == 1
    assert "This download is over" in client.get(lost.location).text
    file.write_bytes(content)
    found = post(client, f"{page}/downloads")
    assert answer_downloads(studio) == 1
    assert unpacked(client.get(found.location).data)
