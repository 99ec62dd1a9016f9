"""The pages of the log, and receipts: what a signer is given, and what anybody is told about it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from core.merkle import entry, leaf_hash, verify_inclusion
from tests.conftest import ROOT, SITE, House
from tests.factories import Factory, counted, hidden, many_counted, press, signed, token, write_logs


@pytest.fixture
def petition(make: Factory) -> int:
    return make.petition()


@pytest.fixture
def slug(make: Factory, petition: int) -> str:
    return make.slug(petition)


def own_page(house: House, client: FlaskClient, signature_id: Any) -> str:
    """Open a signer's own page; returns its path."""
    told = press(client, f"/mine/{token(house, 'mine', signature_id)}")
    house.drain()
    return str(told.headers["Location"])


def ask(house: House, client: FlaskClient, signature_id: Any, **more: Any) -> str:
    """Ask for a receipt on the page that has the button; returns the receipt's path."""
    page = client.get(own_page(house, client, signature_id)).text
    part = page[page.index('/receipt"') :]
    data = {"event_id": hidden(part, "event_id"), **more}
    asked = client.post(f"/mine/{token(house, 'mine', signature_id)}/receipt", data=data)
    assert asked.status_code == 303
    house.drain()
    return str(asked.headers["Location"])


def file_of(client: FlaskClient, path: str) -> dict[str, Any]:
    answer = client.get(f"{path}/receipt.json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="receipt.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    told: dict[str, Any] = json.loads(answer.text)
    return told


def verify(*arguments: object) -> tuple[int, str]:
    command = [sys.executable, "-I", ROOT / "static" / "zbor-verify.py", *arguments]
    done = subprocess.run([str(one) for one in command], cwd="/", capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def publish(client: FlaskClient, slug: str, folder: Path) -> Path:
    """Take the log away as anybody may."""
    folder.mkdir()
    (folder / "heads.json").write_bytes(client.get(f"/petitions/{slug}/log/heads.json").data)
    (folder / "entries.txt").write_bytes(client.get(f"/petitions/{slug}/log/entries").data)
    return folder


# --- Receipts -----------------------------------------------------------------------------------------------------------


def test_a_signer_gets_a_receipt_that_the_page_and_the_script_verify(
    house: House, slug: str, petition: int, tmp_path: Path
) -> None:
    row = counted(house, slug)
    many_counted(house, petition, 299)
    write_logs(house, enough=1)
    client = house.client()
    path = ask(house, client, row.id)
    page = client.get(path).text
    receipt = file_of(client, path)
    assert receipt["line"] in page
    assert receipt["line"] == f"zbor1:{slug}:{receipt['leaf_index']}:{receipt['commitment']}"
    assert "mine" not in receipt
    assert not any(secret in json.dumps(receipt, ensure_ascii=False) for secret in ("Вольга", "olga", "Białystok"))
    leaf = leaf_hash(entry("S", bytes.fromhex(receipt["commitment"]), None))
    path_up = [bytes.fromhex(step) for step in receipt["path"]]
    assert verify_inclusion(receipt["leaf_index"], 300, leaf, path_up, bytes.fromhex(receipt["head"]["root"]))

    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    log = publish(client, slug, tmp_path / "log")
    root_key = base64.b64encode(house.secrets.root_public_key).decode()
    code, said = verify("receipt", tmp_path / "receipt.json", "--log", log, "--root-key", root_key)
    assert code == 0, said
    assert f"leaf {receipt['leaf_index']} of the log is that of this receipt" in said
    answer = client.post(f"/petitions/{slug}/log/check", data={"line": f"\n {receipt['line']} "})
    assert "This signature is counted: it is in the log since" in answer.text
    assert "now counts 300" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_whoever_ticks_it_gets_a_file_that_proves_whose_it_is(house: House, slug: str, tmp_path: Path) -> None:
    row = counted(house, slug, visibility="public")
    write_logs(house, enough=1)
    client = house.client()
    path = ask(house, client, row.id, mine="y")
    assert "This file proves that you signed" in client.get(path).text
    receipt = file_of(client, path)
    assert receipt["mine"]["record"]["name"] == "Вольга Вераб’ёва"
    assert set(receipt["mine"]["record"]) == {
        "petition",
        "event",
        "name",
        "city",
        "country",
        "email",
        "text",
        "received",
    }
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    code, said = verify("receipt", tmp_path / "receipt.json")
    assert (code, "olga@example.org" in said) == (0, True), said
    # Who may learn the name is none of it: the receipt holds after a change.
    page = own_page(house, client, row.id)
    asked = client.post(page, data={"event_id": str(uuid4()), "visibility": "counted"})
    assert asked.status_code == 303
    house.drain()
    assert file_of(client, ask(house, client, row.id, mine="y"))["mine"] == receipt["mine"]


def test_before_it_is_in_the_log_the_page_says_when_it_will_be(house: House, slug: str) -> None:
    row = counted(house, slug)
    client = house.client()
    path = ask(house, client, row.id)
    page = client.get(path).text
    assert "is not in the log yet" in page
    assert client.get(f"{path}/receipt.json").status_code == 404
    waiting = signed(house, slug, email="other@example.org")
    assert "Get a receipt" not in client.get(own_page(house, client, waiting.id)).text


def test_a_receipt_is_sealed_to_its_browser_and_goes_with_the_signature(house: House, slug: str) -> None:
    row = counted(house, slug)
    write_logs(house, enough=1)
    client = house.client()
    path = ask(house, client, row.id, mine="y")
    stranger = house.client()
    stranger.get("/mine/x")
    assert stranger.get(f"{path}/receipt.json").status_code == 404
    assert "zbor1:" not in stranger.get(path).text
    line = file_of(client, path)["line"]

    press(client, f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()
    assert client.get(f"{path}/receipt.json").status_code == 404
    answer = client.post(f"/petitions/{slug}/log/check", data={"line": line}).text
    assert "is counted: it is in the log" in answer, "its leaf is not marked yet"
    write_logs(house, enough=1)
    answer = client.post(f"/petitions/{slug}/log/check", data={"line": line}).text
    assert "its signer withdrew it" in answer
    asked = client.post(f"/mine/{token(house, 'mine', row.id)}/receipt", data={"event_id": str(uuid4())})
    house.drain()
    assert client.get(asked.headers["Location"]).status_code == 400


def test_a_made_up_token_gets_no_receipt_and_a_mail_never_has_one(house: House, slug: str) -> None:
    row = counted(house, slug)
    write_logs(house, enough=1)
    client = house.client()
    client.get("/mine/x")
    mails = house.value("SELECT count(*) FROM outbox")
    for wrong in ("x", token(house, "confirm", row.id), token(house, "mine", uuid4())):
        asked = client.post(f"/mine/{wrong}/receipt", data={"event_id": str(uuid4())})
        house.drain()
        assert client.get(asked.headers["Location"]).status_code == 400
    ask(house, client, row.id)
    assert house.value("SELECT count(*) FROM outbox") == mails


# --- Pages --------------------------------------------------------------------------------------------------------------


def test_a_receipt_held_back_is_told_and_wrong_ones_get_one_answer(house: House, slug: str, petition: int) -> None:
    made = many_counted(house, petition, 3)
    write_logs(house, enough=1)
    client = house.client()

    def look_up(line: str) -> str:
        answer = client.post(f"/petitions/{slug}/log/check", data={"line": line})
        assert answer.status_code == 200
        assert house.value("SELECT count(*) FROM inbox WHERE state = 'new'") == 0
        return str(answer.text)

    at = {row.id: row.leaf_index for row in house.sql("SELECT id, leaf_index FROM signatures")}
    commitments = house.sql("SELECT commitment FROM leaves ORDER BY index").scalars().all()
    line = f"zbor1:{slug}:{at[made[0]]}:{commitments[at[made[0]]].hex()}"
    assert "This signature is counted" in look_up(line)
    house.sql("UPDATE signatures SET state = 'quarantined' WHERE id = :id", id=made[0])
    write_logs(house, enough=1)
    assert "it is held back" in look_up(line)
    house.sql("UPDATE signatures SET state = 'counted' WHERE id = :id", id=made[0])
    write_logs(house, enough=1)
    assert "This signature is counted" in look_up(line)

    wrong = [f"zbor1:{slug}:99:{'0' * 64}", f"zbor1:{slug}:0:{'0' * 64}", f"zbor1:another:0:{commitments[0].hex()}"]
    assert len({look_up(one).replace(one, "") for one in wrong}) == 1
    assert "This receipt is not of this log." in look_up(wrong[0])
    assert "This is not a receipt." in look_up("hello")
    assert client.post(f"/petitions/{slug}/log/check", data={"line": ""}).status_code == 422
    assert client.post("/petitions/none/log/check", data={"line": line}).status_code == 404


def test_the_page_of_the_log_tells_how_to_check_it(house: House, slug: str, petition: int) -> None:
    client = house.client()
    assert "Nothing is in it yet" in client.get(f"/petitions/{slug}/log").text
    assert f"/petitions/{slug}/log" in client.get(f"/petitions/{slug}").text
    for _batch in range(21):
        many_counted(house, petition, 50)
        write_logs(house, enough=1)
    page = client.get(f"/petitions/{slug}/log").text
    assert f"zbor-verify.py log {SITE}/petitions/{slug}/log --root-key" in page
    with client.get("/static/zbor-verify.py") as served:
        script = served.data
    assert hashlib.sha256(script).hexdigest() in page
    root = house.value("SELECT root FROM tree_heads WHERE size = 1050").hex()
    assert root in page
    assert page.count('scope="row"') == 10
    older = client.get(f"/petitions/{slug}/log?page=3").text
    assert older.count('scope="row"') == 1
    assert root in older
    assert "Older" not in older
    feed = client.get(f"/petitions/{slug}/feed.atom").text
    assert f"size 1050\nroot {root}\ncounted 1050\n" in feed
    assert client.get("/petitions/none/log").status_code == 404


def test_the_data_come_in_parts(house: House, slug: str, petition: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from petitions import proving

    monkeypatch.setattr(proving, "HEADS_AT_ONCE", 2)
    monkeypatch.setattr(proving, "ENTRIES_AT_ONCE", 64)
    for _batch in range(3):
        many_counted(house, petition, 50)
        write_logs(house, enough=1)
    client = house.client()
    first = client.get(f"/petitions/{slug}/log/heads.json")
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert [head["size"] for head in first.json["heads"]] == [50, 100]
    assert first.json["next"] == 150
    rest = client.get(f"/petitions/{slug}/log/heads.json?from=150").json
    assert ([head["size"] for head in rest["heads"]], rest["next"]) == ([150], None)
    pages = [client.get(f"/petitions/{slug}/log/entries?from={start}").text.splitlines() for start in (0, 64, 128, 192)]
    assert [len(page) for page in pages] == [64, 64, 22, 0]
    assert all(line.startswith("S ") and len(line) == 66 for page in pages for line in page)
    for wrong in ("from=1", "from=-64", f"from={64 * 10**12}"):
        assert client.get(f"/petitions/{slug}/log/entries?{wrong}").status_code == 404
    assert client.get(f"/petitions/{slug}/log/heads.json?from={10**12}").status_code == 404


def test_the_log_of_a_hidden_petition_is_not_shown(house: House, slug: str, petition: int) -> None:
    row = counted(house, slug)
    many_counted(house, petition, 50)
    write_logs(house, enough=1)
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'x'")
    client = house.client()
    for path in ("log", "log/heads.json", "log/entries", "log/check"):
        assert client.get(f"/petitions/{slug}/{path}").status_code == 410
    path = ask(house, client, row.id)
    assert "zbor1:" not in client.get(path).text
