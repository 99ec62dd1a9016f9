"""zbor-verify: a script of its own that names what is wrong. It runs as strangers run it, without any of our modules."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.config import Role
from core.keys import signed_row
from core.merkle import TILE, Tree, entry, head_statement, leaf_hash, root_of
from delivery.document import (
    RegisterRow,
    draw_sample,
    file_name,
    manifest_statement,
    register_hash,
    row_marks,
    table_of,
)
from tests.conftest import ROOT, House
from tests.delivery.factories import Studio, ask, taken_away
from tests.factories import Factory, counted, log_in, press, token, write_logs

SCRIPT = ROOT / "static" / "zbor-verify.py"
START = datetime(2026, 3, 1, tzinfo=UTC)
SLUG = "papers"


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


class Maker:
    """A log as our site publishes it, and whoever runs the site and would like to cheat."""

    def __init__(self, slug: str = SLUG) -> None:
        self.slug = slug
        self.root_key, self.log_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.key = self.list_key(self.root_key, self.log_key)
        self.lines = [f"S {hashlib.sha256(b'%d' % at).hexdigest()}" for at in range(300)]
        self.lines += ["W 7", "Q 9", "R 9", "Q 11"]
        self.heads = [self.head(100, 100, 1), self.head(290, 290, 2), self.head(304, 298, 3)]
        self.told: dict[str, Any] = {}
        self.answer: bytes | None = None

    @property
    def root(self) -> str:
        return base64.b64encode(self.root_key.public_key().public_bytes_raw()).decode()

    def list_key(self, root_key: Ed25519PrivateKey, key: Ed25519PrivateKey, purpose: str = "log") -> dict[str, Any]:
        public = key.public_key().public_bytes_raw()
        row = signed_row(root_key.private_bytes_raw(), purpose, public, START, START + timedelta(days=3650))
        return {
            "id": str(row["id"]), "purpose": purpose, "public_key": public.hex(), "not_before": moment(row["not_before"]),
            "not_after": moment(row["not_after"]), "root_signature": row["root_signature"].hex(),
        }  # fmt: skip

    def leaves(self) -> list[bytes]:
        parted = [line.split(" ") for line in self.lines]
        return [
            leaf_hash(entry(kind, bytes.fromhex(told), None) if kind == "S" else entry(kind, None, int(told)))
            for kind, told in parted
        ]

    def tree(self) -> Tree:
        leaves = self.leaves()
        tiles = [root_of(leaves[at * TILE : (at + 1) * TILE]) for at in range(len(leaves) // TILE)]
        return Tree(len(leaves), tiles, lambda start, end: leaves[start:end])

    def head(self, size: int, counted: int, day: int, key: Ed25519PrivateKey | None = None) -> dict[str, Any]:
        root, at = self.tree().root(size), START + timedelta(days=day)
        signature = (key or self.log_key).sign(head_statement(self.slug, size, root, counted, at))
        return {
            "petition": self.slug, "size": size, "root": root.hex(), "counted": counted, "signed_at": moment(at),
            "key_id": self.key["id"], "signature": signature.hex(),
        }  # fmt: skip

    def publish(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        told = {"petition": self.slug, "heads": self.heads, "keys": [self.key], "next": None, **self.told}
        (folder / "heads.json").write_text(json.dumps(told))
        (folder / "entries.txt").write_text("".join(f"{line}\n" for line in self.lines))
        return folder

    def receipt(self, index: int, **more: Any) -> dict[str, Any]:
        return {
            "petition": self.slug, "leaf_index": index, "commitment": self.lines[index][2:], "head": self.heads[-1], "key": self.key,
            "path": [step.hex() for step in self.tree().inclusion_path(index)], **more,
        }  # fmt: skip


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def verify(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run a copy of the script, with nothing of the project on its path. Returns its exit code and what it says."""
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(SCRIPT, alone)

    def run(*arguments: object, **environment: str) -> tuple[int, str]:
        command = [sys.executable, "-I", *(("-X", "utf8=0") if environment else ()), "zbor-verify.py"]
        command += [str(one) for one in arguments]
        environment = {"PATH": "/usr/bin", **environment}
        done = subprocess.run(command, cwd=alone, capture_output=True, text=True, check=False, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    return run


Verify = Callable[..., tuple[int, str]]


def test_it_can_see_nothing_of_the_project(tmp_path: Path) -> None:
    find = "import importlib.util as u; print([n for n in ('core', 'petitions', 'wsgi') if u.find_spec(n)])"
    seen = subprocess.run([sys.executable, "-I", "-c", find], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert seen.stdout == "[]\n"
    imported = {line.split()[1].split(".")[0] for line in SCRIPT.read_text().splitlines() if line.startswith("import ")}
    assert imported <= sys.stdlib_module_names


# --- Logs ---------------------------------------------------------------------------------------------------------------


def test_a_good_log_holds(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    code, said = verify("log", maker.publish(tmp_path / "log"), "--root-key", maker.root)
    assert code == 0, said
    assert "3 heads signed by the key of the log" in said
    assert "304 entries without a gap" in said
    assert "298 signatures" in said
    assert maker.heads[-1]["root"] in said
    code, said = verify("log", tmp_path / "log")
    assert code == 0
    assert "without --root-key" in said


def tampered(maker: Maker, how: str) -> None:
    """What somebody does who has the files but no key."""
    lines = maker.lines
    match how:
        case "dropped":
            del lines[42]
        case "dropped twice":
            del lines[42:44]
        case "dropped at the end":
            del lines[-1]
        case "forged":
            lines[42] = "S " + "ab" * 32
        case "swapped":
            lines[42], lines[200] = lines[200], lines[42]
        case "swapped neighbours":
            lines[42], lines[43] = lines[43], lines[42]
        case "slipped in":
            lines.insert(42, "S " + "ab" * 32)


NAMED = {
    "dropped": "entry 42 was dropped",
    "dropped twice": "entry 42 was dropped",
    "dropped at the end": "entry 303 was dropped",
    "forged": "entry 42 was forged",
    "swapped": "entries 42 and 200 were swapped",
    "swapped neighbours": "entries 42 and 43 were swapped",
    "slipped in": "entry 42 was slipped in",
}


@pytest.mark.parametrize("how", NAMED)
def test_dropped_forged_and_swapped_leaves_are_each_named(
    maker: Maker, verify: Verify, tmp_path: Path, how: str
) -> None:
    earlier = maker.publish(tmp_path / "earlier")
    tampered(maker, how)
    code, said = verify("log", maker.publish(tmp_path / "log"), "--earlier", earlier, "--root-key", maker.root)
    assert code == 1
    assert f"WRONG {NAMED[how]}" in said


@pytest.mark.parametrize("how", NAMED)
def test_they_are_found_without_an_earlier_copy(maker: Maker, verify: Verify, tmp_path: Path, how: str) -> None:
    tampered(maker, how)
    code, said = verify("log", maker.publish(tmp_path / "log"), "--root-key", maker.root)
    assert code == 1
    if how == "dropped at the end":
        assert "entry 303 was dropped: a head covers 304 entries, and there are 303" in said
    else:
        # What can be known: it is below the first head whose root is not theirs.
        assert "an entry from 0 to 99 was dropped, forged or swapped" in said


@pytest.mark.parametrize("how", NAMED)
def test_whoever_holds_the_key_and_signs_everything_anew_is_found_by_an_earlier_copy(
    maker: Maker, verify: Verify, tmp_path: Path, how: str
) -> None:
    earlier = maker.publish(tmp_path / "earlier")
    tampered(maker, how)
    marked = {line[2:] for line in maker.lines if line[0] in "WQ"} - {"9"}
    counted = sum(1 for line in maker.lines if line[0] == "S") - len(marked)
    maker.heads = [maker.head(len(maker.lines), counted, 3)]
    now = maker.publish(tmp_path / "log")
    assert verify("log", now, "--root-key", maker.root)[0] == 0, "alone it looks whole"
    code, said = verify("log", now, "--earlier", earlier)
    assert (code, NAMED[how] in said) == (1, True), said
    code, said = verify("log", now, "--earlier", earlier / "heads.json")
    assert (code, "WRONG a head that was published is gone" in said) == (1, True)


def two_heads(maker: Maker) -> None:
    maker.heads.append(maker.head(304, 298, 4))


def foreign_key(maker: Maker) -> None:
    other = Ed25519PrivateKey.generate()
    maker.key = maker.list_key(Ed25519PrivateKey.generate(), other)
    maker.log_key = other
    maker.heads = [maker.head(304, 298, 3)]


def foreign_head(maker: Maker) -> None:
    maker.heads[1] = maker.head(290, 290, 2, key=Ed25519PrivateKey.generate())


def sealing_key(maker: Maker) -> None:
    maker.key = maker.list_key(maker.root_key, maker.log_key, purpose="worker")
    maker.heads = [maker.head(304, 298, 3)]


def put(**changes: Any) -> Callable[[Maker], None]:
    def change(maker: Maker) -> None:
        maker.heads[1] = {**maker.heads[1], **changes}

    return change


def flipped(maker: Maker) -> None:
    signature = bytearray.fromhex(maker.heads[1]["signature"])
    signature[5] ^= 1
    maker.heads[1]["signature"] = signature.hex()


def too_late(maker: Maker) -> None:
    maker.heads.append(maker.head(304, 298, 4000))
    del maker.heads[-2]


def unordered(maker: Maker) -> None:
    maker.heads[2] = maker.head(304, 298, 1)


def other_petition(maker: Maker) -> None:
    maker.slug = "another"
    maker.heads[1] = maker.head(290, 290, 2)
    maker.slug = SLUG


def lying_count(maker: Maker) -> None:
    maker.heads[1] = maker.head(290, 291, 2)


def no_day(maker: Maker) -> None:
    maker.key["not_after"] = "2026-02-30T00:00:00Z"


def strange_digits(maker: Maker) -> None:
    maker.heads[1]["signed_at"] = "٢026-03-03T00:00:00Z"


def two_keys_of_one_id(maker: Maker) -> None:
    other = {**maker.list_key(maker.root_key, Ed25519PrivateKey.generate()), "id": maker.key["id"]}
    maker.told = {"keys": [other, maker.key]}


def other_line_ends(maker: Maker) -> None:
    maker.lines[1:3] = [f"{maker.lines[1]}\v{maker.lines[2]}"]


def entries_of(*lines: str) -> Callable[[Maker], None]:
    """Entries that make no sense, under a head that is theirs."""

    def change(maker: Maker) -> None:
        maker.lines[300:] = lines
        if all(one[0] in "SWQR" and len(one) in (3, 66) for one in lines):
            maker.heads = [maker.head(len(maker.lines), 300, 3)]

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (flipped, "the signature of the head of 290 entries does not hold"),
        (put(signed_at="2026-03-03T00:00:01Z"), "the signature of the head of 290 entries does not hold"),
        (put(counted=289), "the signature of the head of 290 entries does not hold"),
        (put(root="ab" * 32), "the signature of the head of 290 entries does not hold"),
        (put(key_id="0"), "signed by a foreign key: 0 is not listed"),
        (put(root="short"), "a head has no root, or one that cannot be"),
        (put(size=True), "a head has no size"),
        (put(size=0), "a head has no size"),
        (put(counted=2**53 + 1), "heads.json is not what it should be"),
        (strange_digits, "a head has no signed_at"),
        (no_day, "a key has no not_after"),
        (two_keys_of_one_id, "two different keys are listed under one id"),
        (other_line_ends, "entry 1 is not an entry"),
        (foreign_key, "is a foreign one: the root key did not sign it"),
        (foreign_head, "the signature of the head of 290 entries does not hold"),
        (sealing_key, "is not one for logs"),
        (too_late, "was signed when its key was not valid"),
        (two_heads, "two heads of 304 entries"),
        (unordered, "the head of 304 entries was signed before that of 290"),
        (other_petition, "the head of 290 entries is that of another petition: another"),
        (lying_count, "the head of 290 entries says 291 signatures, and its entries say 290"),
        (entries_of("W 7", "W 7"), "entry 301 (W 7) does not fit what was said of entry 7"),
        (entries_of("R 7"), "entry 300 (R 7) does not fit"),
        (entries_of("W 7", "Q 7"), "entry 301 (Q 7) does not fit"),
        (entries_of("W 7", "W 300"), "entry 301 (W 300) does not fit"),
        (entries_of("S " + hashlib.sha256(b"5").hexdigest()), "entry 300 repeats entry 5"),
        (entries_of("nonsense"), "entry 300 is not an entry"),
        (entries_of("W 7", "Q 9", "R 9", "Q 11", "W 9"), "entry 304 and what follows is covered by no head"),
    ],
)
def test_each_fault_of_heads_keys_and_entries_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, change: Callable[[Maker], None], named: str
) -> None:
    change(maker)
    code, said = verify("log", maker.publish(tmp_path / "log"), "--root-key", maker.root)
    assert code == 1
    assert named in said


def test_what_cannot_be_read_is_no_verdict(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    folder = maker.publish(tmp_path / "log")
    assert verify("log", tmp_path / "nowhere")[0] == 2
    assert verify("log", folder / "heads.json")[0] == 2
    assert verify("log", folder, "--root-key", "no key")[0] == 2
    assert verify("log", "http://127.0.0.1:1/log")[0] == 2
    (folder / "heads.json").write_text("[]")
    assert verify("log", folder) == (1, "WRONG heads.json is not what it should be.\n")
    (folder / "heads.json").write_text('{"heads": 3}')
    assert verify("log", folder) == (1, "WRONG heads.json lists no heads.\n")
    (folder / "heads.json").write_text('{"heads": [], "keys": [], "petition": "a", "petition": "b"}')
    assert verify("log", folder) == (1, "WRONG two members of one object have the name 'petition'.\n")
    (folder / "heads.json").write_text('{"heads": ' + "[" * 100_000)
    assert verify("log", folder) == (1, "WRONG heads.json is not what it should be.\n")
    long = "x" * 300
    for arguments in (
        ("log", long),
        ("bundle", long),
        ("receipt", long),
        ("receipt", f"zbor1:a:{'9' * 17}:{'0' * 64}"),
    ):
        code, said = verify(*arguments)
        assert (code, long in said or "zbor1" in said) == (2, True)
    assert verify("log", maker.publish(folder), "--save", tmp_path / long)[0] == 2
    (tmp_path / "file").touch()
    assert verify("log", folder, "--save", tmp_path / "file")[0] == 2


def test_what_nobody_thought_of_is_no_verdict(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    script = tmp_path / "alone" / "zbor-verify.py"
    script.write_text(
        script.read_text().replace("def read_log(place: str) -> Log:", "def read_log(place: str) -> Log:\n    1 / 0", 1)
    )
    assert verify("log", maker.publish(tmp_path / "log")) == (2, "Cannot look: ZeroDivisionError\n")


@pytest.fixture
def site(maker: Maker) -> Iterator[str]:
    """The log by its address, heads in pages of two."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            start = int(parse_qs(asked.query)["from"][0])
            if asked.path.endswith("heads.json"):
                heads = [head for head in maker.heads if head["size"] >= start]
                further = heads[2]["size"] if len(heads) > 2 else None
                told = {"petition": SLUG, "heads": heads[:2], "keys": [maker.key], "next": further, **maker.told}
                body = json.dumps(told).encode()
            else:
                body = "".join(f"{line}\n" for line in maker.lines[start : start + 2048]).encode()
            if maker.answer is not None:
                self.wfile.write(maker.answer)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/petitions/{SLUG}/log"
    server.shutdown()
    server.server_close()


def test_a_log_is_fetched_kept_and_compared_later(maker: Maker, verify: Verify, site: str, tmp_path: Path) -> None:
    maker.lines += [f"S {hashlib.sha256(b'more %d' % at).hexdigest()}" for at in range(4000)]
    maker.heads.append(maker.head(4304, 4298, 4))
    maker.lines += ["W 1"]  # Written after the newest head was fetched, so of no concern yet.
    code, said = verify("log", site, "--root-key", maker.root, "--save", tmp_path / "copy")
    assert code == 0, said
    assert "4304 entries" in said
    maker.heads.append(maker.head(4305, 4297, 5))
    code, said = verify("log", site, "--earlier", tmp_path / "copy")
    assert code == 0, said
    assert "it goes on from the earlier copy, of 4 heads" in said
    maker.lines[2100] = "S " + "cd" * 32
    code, said = verify("log", site, "--earlier", tmp_path / "copy")
    assert (code, "entry 2100 was forged" in said) == (1, True)


@pytest.mark.parametrize(
    ("told", "answer", "code", "named"),
    [
        ({"petition": "another"}, None, 1, "the address is that of the petition 'papers', and the log that of another"),
        ({"next": 1}, None, 1, "begin where these did, or before"),
        ({"next": True}, None, 1, "begin where these did, or before"),
        ({}, b"nonsense\r\n\r\n", 2, "BadStatusLine"),
        ({}, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}", 2, "cut off"),
        ({}, b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 2**24 + b"{}", 2, "longer than"),
    ],
)
def test_each_fault_of_a_site_is_named(
    maker: Maker, verify: Verify, site: str, told: dict[str, Any], answer: bytes | None, code: int, named: str
) -> None:
    maker.told, maker.answer = told, answer
    found, said = verify("log", site)
    assert (found, named in said) == (code, True), said


# --- Earlier copies -----------------------------------------------------------------------------------------------------


def test_a_copy_is_kept_only_where_no_other_one_is_lost(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    log, copy = maker.publish(tmp_path / "log"), tmp_path / "copy"
    for _time in range(2):
        code, said = verify("log", log, "--save", copy)
        assert (code, said.splitlines()[-1]) == (
            0,
            "Everything that was checked of the log of the petition papers holds.",
        )
    assert "it goes on from the earlier copy" in said
    before = [path.read_bytes() for path in sorted(copy.iterdir())]
    maker.lines[42] = "S " + "ab" * 32
    maker.heads = [maker.head(304, 298, 3)]
    code, said = verify("log", maker.publish(log), "--save", copy)
    assert (code, "entry 42 was forged" in said) == (1, True)
    assert verify("log", Maker("another").publish(tmp_path / "another"), "--save", copy)[0] == 2
    assert [path.read_bytes() for path in sorted(copy.iterdir())] == before


def test_a_head_that_is_slipped_in_among_older_ones_is_named(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    earlier = maker.publish(tmp_path / "earlier")
    maker.heads.insert(1, maker.head(200, 200, 1))
    log = maker.publish(tmp_path / "log")
    for copy in (earlier, earlier / "heads.json"):
        code, said = verify("log", log, "--earlier", copy, "--root-key", maker.root)
        assert (code, "the head of 200 entries was slipped in" in said) == (1, True), said
    later = tmp_path / "later.json"
    later.write_text(json.dumps({"petition": SLUG, "heads": maker.heads[2:], "keys": [maker.key], "next": None}))
    assert verify("log", log, "--earlier", later)[0] == 0, "a site gives heads from any size on"


def own_root(maker: Maker) -> None:
    maker.root_key = Ed25519PrivateKey.generate()
    maker.key = maker.list_key(maker.root_key, maker.log_key)
    maker.heads = [maker.head(304, 298, 3)]


def other_entries(maker: Maker) -> None:
    maker.lines[42] = "S " + "ab" * 32


def no_head(maker: Maker) -> None:
    maker.heads, maker.lines = [], []


@pytest.mark.parametrize("change", [flipped, put(counted=289), own_root, other_entries, other_petition, no_head])
def test_nobody_is_accused_by_an_earlier_copy_that_is_not_sound(
    maker: Maker, verify: Verify, tmp_path: Path, change: Callable[[Maker], None]
) -> None:
    log, root = maker.publish(tmp_path / "log"), maker.root
    change(maker)
    code, said = verify("log", log, "--earlier", maker.publish(tmp_path / "earlier"), "--root-key", root)
    assert (code, "is not sound" in said, "WRONG" in said) == (2, True, False), said


# --- Receipts -----------------------------------------------------------------------------------------------------------


def keep(folder: Path, told: object) -> Path:
    path = folder / "receipt.json"
    path.write_text(json.dumps(told, ensure_ascii=False))
    return path


def test_a_receipt_holds_alone_and_beside_its_log(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    log = maker.publish(tmp_path / "log")
    for index, said_of_it in (
        (42, "is counted."),
        (9, "held back, and then released"),
        (7, "withdrew"),
        (11, "held back"),
    ):
        code, said = verify("receipt", keep(tmp_path, maker.receipt(index)), "--log", log, "--root-key", maker.root)
        assert code == 0, said
        assert f"leaf {index} is one of them" in said
        assert said_of_it.rstrip(".") in said
        assert said.endswith("Everything that was checked of the receipt for the petition papers holds.\n")
    line = f"zbor1:{SLUG}:42:{maker.lines[42][2:]}"
    assert verify("receipt", line, "--log", log)[0] == 0
    assert verify("receipt", line)[0] == 2, "it proves nothing alone"
    code, said = verify("receipt", line.replace(":42:", ":43:"), "--log", log)
    assert (code, "leaf 43 of the log is not that of this receipt" in said) == (1, True)


def test_a_receipt_that_proves_whose_it_is(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    record = {
        "petition": SLUG,
        "name": "Вольга Вераб’ёва",
        "email": "olga@example.org",
        "received": "2026-03-01T00:00:00Z",
    }
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    salt = bytes(range(32))
    maker.lines[42] = f"S {hmac.digest(salt, text, hashlib.sha256).hex()}"
    maker.heads = [maker.head(304, 298, 3)]
    mine = {"salt": salt.hex(), "record": record}
    code, said = verify("receipt", keep(tmp_path, maker.receipt(42, mine=mine)))
    assert (code, "Вольга Вераб’ёва" in said) == (0, True), said
    code, said = verify("receipt", tmp_path / "receipt.json", LC_ALL="POSIX")
    assert (code, r"\u0412" in said) == (0, True), said
    for wrong in (
        {"salt": bytes(32).hex(), "record": record},
        {"salt": salt.hex(), "record": {**record, "name": "Somebody Else"}},
        {"salt": "?", "record": record},
        "nothing",
    ):
        assert verify("receipt", keep(tmp_path, maker.receipt(42, mine=wrong)))[0] == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"leaf_index": 43}, "the path does not lead from leaf 43"),
        ({"leaf_index": 304}, "the path does not lead"),
        ({"commitment": "ab" * 32}, "the path does not lead"),
        ({"path": []}, "the path does not lead"),
        ({"path": ["x"]}, "has no path"),
        ({"petition": "another"}, "for one petition, and its head is of another"),
        ({"head": None}, "the head of the receipt has no petition"),
        ({"key": None}, "the key of the receipt has no id"),
    ],
)
def test_each_fault_of_a_receipt_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    code, said = verify("receipt", keep(tmp_path, {**maker.receipt(42), **changes}), "--root-key", maker.root)
    assert code == 1
    assert named in said


def test_a_receipt_shows_that_two_logs_were_shown(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    receipt = keep(tmp_path, maker.receipt(42))
    maker.lines[77] = "S " + "ab" * 32
    maker.heads = [maker.head(304, 298, 4)]
    code, said = verify("receipt", receipt, "--log", maker.publish(tmp_path / "log"), "--root-key", maker.root)
    assert (code, "two logs were shown" in said) == (1, True)
    maker.lines[300:] = []
    maker.heads = [maker.head(300, 300, 4)]
    code, said = verify("receipt", receipt, "--log", maker.publish(tmp_path / "log"))
    assert (code, "entry 300 was dropped, or the log is older" in said) == (1, True)


def between(maker: Maker) -> None:
    """A head that was shown to one signer, of a log that publishes others."""
    maker.heads.append(maker.head(304, 298, 3))
    maker.heads[-2] = maker.head(300, 300, 3)


def again(maker: Maker) -> None:
    maker.heads[-1] = maker.head(304, 298, 4)


def other_count(maker: Maker) -> None:
    maker.heads[-1] = maker.head(304, 299, 3)


def key_of_another_log(maker: Maker) -> None:
    maker.log_key = Ed25519PrivateKey.generate()
    maker.key = maker.list_key(maker.root_key, maker.log_key)
    maker.heads[-1] = maker.head(304, 298, 3)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (between, "the log publishes no head of 300 entries: two logs were shown"),
        (again, "the log publishes the head of 304 entries with another date"),
        (other_count, "the log publishes the head of 304 entries with another count"),
        (key_of_another_log, "the head of 304 entries is signed by a key that the log does not list"),
    ],
)
@pytest.mark.parametrize("kind", ["receipt", "bundle"])
def test_a_head_that_the_log_does_not_publish_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, kind: str, change: Callable[[Maker], None], named: str
) -> None:
    log = maker.publish(tmp_path / "log")
    change(maker)
    if change is between:
        maker.heads.pop()
        maker.lines = maker.lines[:300]
    place = keep(tmp_path, maker.receipt(42)) if kind == "receipt" else Bundle(maker).pack(tmp_path / "bundle.zip")
    code, said = verify(kind, place, "--log", log)
    assert (code, named in said) == (1, True), said


# --- Bundles ------------------------------------------------------------------------------------------------------------


CODE = "ZB-1A2B-3C4D"
LINES = 120
FIRST, SECOND = f"{CODE}-001-register", f"{CODE}-002-register"
NAMES = ("Вольга Вераб’ёва", "=SUM(A1)", "'=so called", "'t Hart, Jan", 'O\u0308zge "x"', "+1", "ნინო")


@dataclass
class Bundle:
    """A bundle as our worker builds it, in volumes of fifty lines, and whoever would like to cheat with it."""

    maker: Maker
    level: str = "names"
    entries: list[int] = field(default_factory=lambda: [9, *range(20, 20 + LINES - 1)])
    rows: list[RegisterRow] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, bytes] = field(default_factory=lambda: {"copy.json": b"{}"})

    def __post_init__(self) -> None:
        numbers = list(range(1, LINES + 1))
        if self.level == "counts":
            numbers = sorted(draw_sample(self.maker.heads[-1]["root"], CODE, LINES, 60))
        self.rows = [
            RegisterRow(at, f"{NAMES[at % 7]} {at}", "-Kraków", date(2026, 3, 1 + at % 2), self.entries[at - 1])
            for at in numbers
        ]
        self.build()

    def build(self) -> None:
        """Files and manifest of the lines."""
        self.files, listed = {f"{CODE}-000-index.pdf": b"%PDF index"}, []
        for number, start in enumerate(range(0, len(self.rows), 50), start=1):
            rows, name = self.rows[start : start + 50], file_name(CODE, number)
            table, pdf = table_of(rows, self.level), f"%PDF {name}".encode() * 50
            self.files |= {f"{name}.pdf": pdf, f"{name}.csv": table}
            listed.append({
                "name": f"{name}.pdf", "sha256": sha256(pdf), "pages": 2, "first": start + 1, "last": start + len(rows),
                "table": f"{name}.csv", "table_sha256": sha256(table), "marks": row_marks(rows, self.level),
            })  # fmt: skip
        index = {"name": f"{CODE}-000-index.pdf", "sha256": sha256(b"%PDF index"), "pages": 3}
        self.manifest = {
            "zbor": "bundle/2", "bundle": CODE, "petition": SLUG, "addressee": "PL", "level": self.level, "counted": len(self.entries),
            "cutoff": "2026-03-04T00:00:00Z", "tree_head": self.maker.heads[-1], "key": self.maker.key,
            "sample": 60 if self.level == "counts" else None, "register_hash": register_hash([one["table_sha256"] for one in listed]),
            "entries": " ".join(map(str, self.entries)), "files": [index, *listed], "certificate": "cd" * 32,
        }  # fmt: skip
        self.sign()

    def sign(
        self,
        *,
        key: dict[str, Any] | None = None,
        by: Ed25519PrivateKey | None = None,
        at: str = "2026-03-04T01:00:00Z",
    ) -> None:
        """Sign the manifest, whatever is in it."""
        self.manifest = {name: told for name, told in self.manifest.items() if name != "signature"}
        self.manifest |= {"signed_at": at, "signed_by": key or self.maker.key}
        signature = (by or self.maker.log_key).sign(manifest_statement(self.manifest))
        self.manifest["signature"] = signature.hex()

    def pack(self, path: Path) -> Path:
        """The archive."""
        with ZipFile(path, "w", ZIP_DEFLATED) as packed:
            packed.writestr(f"{CODE}/manifest.json", json.dumps(self.manifest))
            for name, content in {**self.extra, **self.files}.items():
                packed.writestr(f"{CODE}/{name}", content)
        return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("level", ["names", "initials", "counts"])
def test_a_bundle_holds_packed_and_unpacked_alone_and_beside_its_log(
    maker: Maker, verify: Verify, tmp_path: Path, level: str
) -> None:
    bundle, log = Bundle(maker, level), maker.publish(tmp_path / "log")
    path = bundle.pack(tmp_path / "bundle.zip")
    code, said = verify("bundle", path, "--log", log, "--root-key", maker.root)
    assert code == 0, said
    assert "the manifest of the bundle ZB-1A2B-3C4D is signed, on 2026-03-04T01:00:00Z" in said
    assert "120 signatures up to 2026-03-04" in said
    assert bundle.manifest["register_hash"] in said
    assert maker.heads[-1]["root"] in said
    assert "all its 120 entries are signatures of the log" in said
    assert ("60 lines that the rule draws" if level == "counts" else "120 lines, numbered from 1") in said
    assert said.endswith("of the bundle ZB-1A2B-3C4D of the petition papers for 'PL' holds.\n")
    assert "since" not in said
    with ZipFile(path) as packed:
        packed.extractall(tmp_path / "unpacked")
    for place in (tmp_path / "unpacked", tmp_path / "unpacked" / CODE):
        code, said = verify("bundle", place)
        assert (code, "without --root-key" in said) == (0, True), said


def flip(bundle: Bundle) -> None:
    content = bytearray(bundle.files[f"{SECOND}.pdf"])
    content[77] ^= 1
    bundle.files[f"{SECOND}.pdf"] = bytes(content)


def swap(first: str, second: str) -> Callable[[Bundle], None]:
    def change(bundle: Bundle) -> None:
        bundle.files[first], bundle.files[second] = bundle.files[second], bundle.files[first]

    return change


def copy_over(bundle: Bundle) -> None:
    bundle.files[f"{FIRST}.pdf"] = bundle.files[f"{SECOND}.pdf"]


def without(name: str) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.files.__delitem__(name)


def beside(name: str) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.extra.__setitem__(name, b"x")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (flip, f"the file '{SECOND}.pdf' was altered."),
        (copy_over, f"the file '{FIRST}.pdf' was altered: it is a copy of '{SECOND}.pdf'."),
        (swap(f"{FIRST}.pdf", f"{SECOND}.pdf"), f"'{FIRST}.pdf' and '{SECOND}.pdf' were swapped."),
        (swap(f"{FIRST}.csv", f"{SECOND}.csv"), f"'{FIRST}.csv' and '{SECOND}.csv' were swapped."),
        (swap(f"{CODE}-000-index.pdf", f"{SECOND}.pdf"), f"'{CODE}-000-index.pdf' and '{SECOND}.pdf' were swapped."),
        (without(f"{SECOND}.pdf"), f"the file '{SECOND}.pdf' is missing."),
        (without(f"{SECOND}.csv"), f"the file '{SECOND}.csv' is missing."),
        (beside("more.pdf"), "the file 'more.pdf' is not in the manifest."),
        (beside("copy/copy.json"), "the file 'copy/copy.json' is not in the manifest."),
        (beside("other/manifest.json"), "there is more than one manifest.json in it."),
        (beside("COPY.json"), f"two files have one name: '{CODE}/copy.json' and '{CODE}/COPY.json'."),
        (beside(f"{FIRST}.PDF"), "two files have one name"),
    ],
)
def test_each_file_that_is_not_what_it_should_be_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, change: Callable[[Bundle], None], named: str
) -> None:
    bundle = Bundle(maker)
    change(bundle)
    code, said = verify("bundle", bundle.pack(tmp_path / "bundle.zip"), "--root-key", maker.root)
    assert (code, f"WRONG {named}" in said) == (1, True), said


Table = list[list[str]]


def rewritten(content: bytes, change: Callable[[Table], Table | None]) -> bytes:
    """A table with its lines changed, its heading not among them. Its cells are as they stand in the file."""
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    changed = rows[1:]
    changed = change(changed) or changed
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([rows[0], *changed])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def number_anew(rows: Table) -> Table:
    return [[str(int(rows[0][0]) + at), *row[1:]] for at, row in enumerate(rows)]


def forge(at: int) -> Callable[[Table], Table | None]:
    return lambda rows: rows[at].__setitem__(1, "Somebody Else")


def drop(at: int) -> Callable[[Table], Table | None]:
    return lambda rows: rows.__delitem__(at)


def insert(at: int, row: list[str] | None = None) -> Callable[[Table], Table | None]:
    return lambda rows: rows.insert(at, row or ["999", "Somebody Else", "x", "2026-03-01"])


def turn(first: int, second: int) -> Callable[[Table], Table | None]:
    def change(rows: Table) -> None:
        rows[first], rows[second] = rows[second], rows[first]

    return change


LINES_OF_IT = [
    (drop(16), "line 67 was dropped from '{}'."),
    (drop(0), "line 51 was dropped from '{}'."),
    (drop(49), "line 100 was dropped from '{}'."),
    (lambda rows: rows.__delitem__(slice(16, 20)), "line 67 was dropped from '{}'."),
    (lambda rows: number_anew(rows[:16] + rows[17:]), "line 67 was dropped from '{}', and those after it were numbered anew."),
    (forge(16), "line 67 of '{}' was forged."),
    (forge(0), "line 51 of '{}' was forged."),
    (forge(49), "line 100 of '{}' was forged."),
    (lambda rows: [[row[0], "x", *row[2:]] for row in rows], "line 51 of '{}' was forged."),
    (lambda rows: rows[16].append("more"), "line 67 of '{}' was forged."),
    (lambda rows: rows[16].__setitem__(3, "2026-03-09"), "line 67 of '{}' was forged."),
    (lambda rows: rows.insert(17, rows[16]), "line 67 stands twice in '{}'."),
    (lambda rows: rows.append(rows[3]), "line 54 stands twice in '{}'."),
    (lambda rows: rows.__setitem__(17, rows[16]), "line 67 stands twice in '{}'."),
    (insert(16), "a line was slipped in after 66 of '{}'."),
    (insert(0), "a line was slipped in before 51 of '{}'."),
    (insert(50), "a line was slipped in after 100 of '{}'."),
    (
        lambda rows: number_anew([*rows[:16], ["1", "Somebody Else", "x", "2026-03-01"], *rows[16:]]),
        "a line was slipped in after 66 of '{}', and those after it were numbered anew.",
    ),
    (turn(16, 40), "lines 67 and 91 of '{}' were swapped."),
    (turn(16, 17), "lines 67 and 68 of '{}' were swapped."),
    (lambda rows: rows.append(rows.pop(16)), "line 67 was moved within '{}'."),
]  # fmt: skip


@pytest.mark.parametrize(("change", "named"), LINES_OF_IT)
def test_each_line_of_a_table_that_was_touched_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, change: Callable[[Table], Table | None], named: str
) -> None:
    bundle = Bundle(maker)
    content = bundle.files[f"{SECOND}.csv"]
    assert rewritten(content, lambda rows: rows) == content
    bundle.files[f"{SECOND}.csv"] = rewritten(content, change)
    code, said = verify("bundle", bundle.pack(tmp_path / "bundle.zip"), "--root-key", maker.root)
    assert (code, f"WRONG {named.format(f'{SECOND}.csv')}" in said) == (1, True), said


def test_a_line_of_a_sample_is_named_by_its_number_in_the_register(
    maker: Maker, verify: Verify, tmp_path: Path
) -> None:
    bundle = Bundle(maker, "counts")
    number = bundle.rows[53].number
    assert number != 54
    bundle.files[f"{SECOND}.csv"] = rewritten(bundle.files[f"{SECOND}.csv"], forge(3))
    code, said = verify("bundle", bundle.pack(tmp_path / "bundle.zip"))
    assert (code, f"WRONG line {number} of '{SECOND}.csv' was forged." in said) == (1, True), said


def test_a_table_whose_lines_are_the_same_or_that_is_none_is_named_as_such(
    maker: Maker, verify: Verify, tmp_path: Path
) -> None:
    good = Bundle(maker).files[f"{FIRST}.csv"]
    for content, named in (
        (good[3:], f"'{FIRST}.csv' was altered, and its lines were not"),
        (good.replace(b"\r\n", b"\n"), f"'{FIRST}.csv' was altered, and its lines were not"),
        (good.replace(b"number", b"nummer"), f"the file '{FIRST}.csv' was altered."),
        (good[3:].decode().encode("utf-16"), f"the file '{FIRST}.csv' was altered."),
        (b"", f"the file '{FIRST}.csv' was altered."),
        (good[:40] + b"\0" + good[40:], f"the file '{FIRST}.csv' was altered."),
        (good + b'"' + b"x" * 200_000, f"the file '{FIRST}.csv' was altered."),
        (good.replace(b"number,name,city,signed_on", b"number,name,city,signed_on\r\n" + b"'=," * 4000), "a line was slipped in before 1"),
    ):  # fmt: skip
        bundle = Bundle(maker)
        bundle.files[f"{FIRST}.csv"] = content
        code, said = verify("bundle", bundle.pack(tmp_path / "bundle.zip"))
        assert (code, f"WRONG {named}" in said) == (1, True), said


# --- Bundles of whoever holds the key: the signature holds, and what is signed does not -------------------------------------


def tell(**changes: Any) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.manifest.update(changes)


def tell_of(at: int, **changes: Any) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.manifest["files"][at].update(changes)


def count(entries: list[int]) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.manifest.update(entries=" ".join(map(str, entries)), counted=len(entries))


def made_of(change: Callable[[list[RegisterRow]], Any]) -> Callable[[Bundle], None]:
    """Other lines, with files and hashes that are theirs."""

    def make(bundle: Bundle) -> None:
        change(bundle.rows)
        bundle.build()

    return make


def of_another_level(bundle: Bundle) -> None:
    bundle.manifest["level"] = "initials"


def heads_other_petition(bundle: Bundle) -> None:
    bundle.maker.slug = "another"
    bundle.manifest["tree_head"] = bundle.maker.head(304, 298, 3)


MADE_UP = [
    ("names", tell(counted=121), "the manifest counts 121 signatures and lists 120 entries"),
    ("names", count([20, *range(20, 139)]), "are not in order, or one stands twice"),
    ("names", count([21, 20, *range(22, 140)]), "are not in order, or one stands twice"),
    ("names", count([*range(20, 139), 304]), "the manifest lists entry 304, and its head covers 304 entries"),
    ("names", count(list(range(299))), "the manifest counts 299 signatures, and its head 298"),
    ("names", count(list(range(20, 141))), "the volumes have 120 lines, and there have to be 121"),
    ("names", tell(register_hash="ab" * 32), "the hash of the register is not that of its tables"),
    ("names", tell_of(2, first=52), f"after line 50 comes '{SECOND}.pdf' with 52"),
    ("names", tell_of(2, first=50), f"after line 50 comes '{SECOND}.pdf' with 50"),
    ("names", tell_of(2, last=1), f"after line 50 comes '{SECOND}.pdf' with 51"),
    ("names", tell_of(2, marks="ab" * 4 * 49), f"the manifest has not one mark for each line of '{SECOND}.csv'"),
    ("names", tell_of(2, marks="ab" * 4 * 50), f"the mark of line 51 in the manifest is not that of the line in '{SECOND}.csv'"),
    ("names", tell_of(2, name=f"{FIRST}.pdf"), f"the manifest lists two files as '{FIRST}.pdf'"),
    ("names", of_another_level, f"'{FIRST}.csv' is no table of the level 'initials'"),
    ("names", made_of(lambda rows: rows.pop()), "the volumes have 119 lines, and there have to be 120"),
    ("names", made_of(lambda rows: rows.__setitem__(66, replace(rows[66], number=999))), f"'{SECOND}.csv' has a line '999' where line 67 has to be"),
    ("counts", tell(sample=59), "the volumes have 60 lines, and there have to be 59"),
    ("counts", made_of(lambda rows: rows.__setitem__(0, replace(rows[0], number=rows[0].number + 1))), f"'{FIRST}.csv' has a line"),
    ("counts", made_of(lambda rows: rows.__setitem__(0, replace(rows[0], entry=139))), f"of '{FIRST}.csv' has entry '139', and number"),
    ("names", tell(zbor="bundle/1"), "of the form bundle/1"),
    ("names", tell(zbor=None), "manifest.json has no zbor"),
    ("names", tell(level="all"), "manifest.json has no level"),
    ("names", tell(counted=0), "manifest.json has no counted"),
    ("names", tell(entries="1, 2"), "manifest.json has no entries"),
    ("names", tell(register_hash=""), "manifest.json has no register_hash"),
    ("counts", tell(sample=None), "manifest.json has no sample"),
    ("names", tell(files={}), "manifest.json lists no files"),
    ("names", tell(files=[]), "manifest.json lists no volume"),
    ("names", tell_of(1, name="../1.pdf"), "a file of the manifest has no name"),
    ("names", tell_of(1, name=["x"]), "a file of the manifest has no name"),
    ("names", tell_of(1, table=None), "a file of the manifest has no table"),
    ("names", tell(tree_head=None), "the head of the manifest has no petition"),
    ("names", tell(key=None), "the key of the manifest has no id"),
    ("names", tell(petition="another"), "the bundle is of one petition, and its head of another"),
    ("names", heads_other_petition, "the bundle is of one petition, and its head of another"),
]  # fmt: skip


@pytest.mark.parametrize(("level", "change", "named"), MADE_UP)
def test_what_whoever_holds_the_key_makes_up_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, level: str, change: Callable[[Bundle], None], named: str
) -> None:
    bundle = Bundle(maker, level)
    change(bundle)
    bundle.sign()
    code, said = verify("bundle", bundle.pack(tmp_path / "bundle.zip"), "--root-key", maker.root)
    assert (code, named in said) == (2 if "bundle/1" in named else 1, True), said


def test_the_signature_of_a_manifest_is_checked(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    log, path, root = maker.publish(tmp_path / "log"), tmp_path / "bundle.zip", ("--root-key", maker.root)
    other = Ed25519PrivateKey.generate()
    foreign = maker.list_key(Ed25519PrivateKey.generate(), other)
    second = Bundle(maker)
    second.sign(key=maker.list_key(maker.root_key, other), by=other)
    assert verify("bundle", second.pack(path), "--log", log, *root)[0] == 0, "a key that the root key signed is as good"
    whole = Bundle(maker).manifest
    head = whole["tree_head"]
    wrong = "the signature of the manifest does not hold"
    for told, arguments, named in (
        ({"counted": 121}, root, wrong),
        ({"more": 1}, root, wrong),
        ({"more": "\ud800"}, root, "manifest.json is not what it should be"),
        ({"signed_at": "2026-03-04T01:00:01Z"}, root, wrong),
        ({"tree_head": {**head, "counted": 1}}, root, wrong),
        ({"signature": None}, root, "manifest.json has no signature"),
        ({"signed_by": None}, root, "signed_by of the manifest has no id"),
    ):
        bundle = Bundle(maker)
        bundle.manifest.update(told)
        code, said = verify("bundle", bundle.pack(path), *arguments)
        assert (code, f"WRONG {named}" in said) == (1, True), said
    listed = ("--log", log)
    for how, arguments, named in (
        ({"by": other}, root, wrong),
        ({"at": "2036-03-04T00:00:00Z"}, root, "signed when its key was not valid"),
        ({"at": "2026-02-28T00:00:00Z"}, root, "signed when its key was not valid"),
        ({"key": foreign, "by": other}, root, "is a foreign one: the root key did not sign it"),
        ({"key": {**foreign, "id": maker.key["id"]}, "by": other}, (), "two different keys are listed under one id"),
        ({"key": foreign, "by": other}, listed, "the manifest is signed by a key that the log does not list"),
        ({"key": maker.list_key(maker.root_key, other, "worker"), "by": other}, root, "is not one for logs"),
    ):
        bundle = Bundle(maker)
        bundle.sign(**how)
        code, said = verify("bundle", bundle.pack(path), *arguments)
        assert (code, named in said) == (1, True), said
    bundle = Bundle(maker)
    bundle.manifest["tree_head"] = {**head, "counted": 299}
    bundle.sign()
    code, said = verify("bundle", bundle.pack(path), *root)
    assert (code, "the signature of the head of 304 entries does not hold" in said) == (1, True), said
    bundle.manifest["tree_head"] = {**head, "key_id": "0"}
    bundle.sign()
    code, said = verify("bundle", bundle.pack(path), *root)
    assert (code, "signed by a foreign key: 0 is not listed" in said) == (1, True), said


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ([7, *range(20, 139)], "the bundle counts entry 7 of the log, which under its head is not counted: its signer withdrew"),
        ([11, *range(20, 139)], "the bundle counts entry 11 of the log, which under its head is not counted: it is held back"),
        ([*range(20, 139), 300], "entry 300 of the log is no signature"),
    ],
)  # fmt: skip
def test_an_entry_that_the_log_does_not_count_is_named(
    maker: Maker, verify: Verify, tmp_path: Path, entries: list[int], named: str
) -> None:
    path = Bundle(maker, entries=entries).pack(tmp_path / "bundle.zip")
    assert verify("bundle", path)[0] == 0, "only the log can say it"
    code, said = verify("bundle", path, "--log", maker.publish(tmp_path / "log"), "--root-key", maker.root)
    assert (code, named in said) == (1, True), said


def test_what_was_withdrawn_since_is_told_and_no_fault(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    path = Bundle(maker).pack(tmp_path / "bundle.zip")
    maker.lines += ["W 20", "Q 21", "W 200", "Q 22", "R 22"]
    maker.heads.append(maker.head(309, 295, 9))
    code, said = verify("bundle", path, "--log", maker.publish(tmp_path / "log"), "--root-key", maker.root)
    assert (code, "note  2 signatures of them withdrawn or held back since" in said) == (0, True), said


def test_a_bundle_is_looked_for_in_its_own_log(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    path = Bundle(maker).pack(tmp_path / "bundle.zip")
    code, said = verify("bundle", path, "--log", Maker("another").publish(tmp_path / "another"))
    assert (code, "the head is of the petition papers, and the log of another" in said) == (1, True), said
    maker.lines[42] = "S " + "ab" * 32
    code, said = verify("bundle", path, "--log", maker.publish(tmp_path / "log"))
    assert (code, "an entry from 0 to 99 was dropped, forged or swapped" in said) == (1, True), said


def test_what_is_no_bundle_is_no_verdict_or_a_clear_one(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    assert verify("bundle", path)[0] == 2
    path.write_bytes(b"no zip")
    assert verify("bundle", path)[0] == 1
    path.write_bytes(b"age-encryption.org/v1\n-> X25519 x")
    code, said = verify("bundle", path)
    assert (code, "open it with age and your own key first" in said) == (2, True), said
    with ZipFile(path, "w") as packed:
        packed.writestr("1.pdf", b"x")
    assert verify("bundle", path) == (1, "WRONG there is no manifest.json in it.\n")


def damaged(path: Path, how: str) -> Path:
    """The ZIP file, with something changed that its reader stumbles over."""
    content = bytearray(path.read_bytes())
    first, last = 0, content.index(b"PK\1\2")
    match how:
        case "deflate stream":
            content[30 + len(f"{CODE}/manifest.json")] = 0xFF
        case "encrypted":
            content[first + 6] |= 1
            content[last + 8] |= 1
        case "compression":
            content[first + 8] = content[last + 10] = 99
        case "bzip2":
            content[first + 8] = content[last + 10] = 12
        case "end":
            content[first + 8] = content[last + 10] = 0
            content[last + 20 : last + 28] = b"\xff\xff\xff\x7f" * 2
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("how", ["deflate stream", "encrypted", "compression", "bzip2", "end"])
def test_a_damaged_zip_file_is_named(maker: Maker, verify: Verify, tmp_path: Path, how: str) -> None:
    path = Bundle(maker).pack(tmp_path / "bundle.zip")
    assert verify("bundle", path)[0] == 0
    code, said = verify("bundle", damaged(path, how))
    assert (code, "WRONG" in said) == (1, True), said


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_named(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    path = Bundle(maker).pack(tmp_path / "bundle.zip")
    for name in (f"{CODE}/{FIRST}.pdf", f"{CODE.lower()}/{FIRST}.PDF", f"{CODE}/{FIRST}.pdf/"):
        twice = tmp_path / "twice.zip"
        shutil.copy(path, twice)
        with ZipFile(twice, "a") as packed:
            packed.writestr(name, b"")
        code, said = verify("bundle", twice)
        assert (code, "two files have one name" in said) == (1, True), said


def test_an_unpacked_bundle_has_files_and_folders_only(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    with ZipFile(Bundle(maker).pack(tmp_path / "bundle.zip")) as packed:
        packed.extractall(tmp_path / "unpacked")
    volume, other = (tmp_path / "unpacked" / CODE / f"{FIRST}.{end}" for end in ("pdf", "PDF"))
    assert verify("bundle", tmp_path / "unpacked")[0] == 0
    other.write_bytes(b"x")
    code, said = verify("bundle", tmp_path / "unpacked")
    assert (code, "two files have one name" in said) == (1, True), said
    other.unlink()
    for make in (
        lambda: other.symlink_to(tmp_path),
        lambda: os.mkfifo(other),
        lambda: (volume.rename(tmp_path / "real.pdf"), volume.symlink_to(tmp_path / "real.pdf")),
    ):
        make()
        code, said = verify("bundle", tmp_path / "unpacked")
        assert (code, "is neither a file nor a folder" in said) == (1, True), said
        other.unlink(missing_ok=True)


@pytest.mark.parametrize("level", ["names", "initials", "counts"])
def test_a_bundle_of_the_worker_holds_beside_the_log_of_the_site(
    own_database: House, make_own: Factory, verify: Verify, tmp_path: Path, level: str
) -> None:
    """As a ministry does it that has the archive, the log by its address, and the root key from somebody else."""
    house, petition = own_database, make_own.petition(texts=("en", "pl"))
    studio = Studio(house)
    studio.configure(bundle_dir=tmp_path / "bundles", volume_size=2)
    slug = make_own.slug(petition)
    rows = [
        counted(house, slug, email=f"{at}@example.org", name=name, visibility="counted" if at == 2 else "ministry")
        for at, name in enumerate(("Вольга Вераб’ёва", "O’Neill Jan", "Ales Counted", "ნინო ბერიძე", "Ян Марозаў"))
    ]
    press(house.client(), f"/withdraw/{token(house, 'withdraw', rows[0].id)}")
    write_logs(house, 1)
    house.drain()
    coordinator = log_in(house, make_own, petition)
    page = ask(house, coordinator, petition, level=level).location
    studio.build()
    archive = tmp_path / "bundle.zip"
    archive.write_bytes(taken_away(studio, coordinator, page))
    press(house.client(), f"/withdraw/{token(house, 'withdraw', rows[1].id)}")
    house.drain()
    write_logs(house, 1)
    log, public = tmp_path / "log", house.client(Role.PUBLIC)
    log.mkdir()
    for name in ("heads.json", "entries"):
        (log / name.replace("entries", "entries.txt")).write_bytes(public.get(f"/petitions/{slug}/log/{name}").data)
    root_key = base64.b64encode(house.secrets.root_public_key).decode()
    code, said = verify("bundle", archive, "--log", log, "--root-key", root_key)
    assert code == 0, said
    assert "for 'PL' holds" in said
    assert "all its 4 entries are signatures of the log" in said
    assert "note  1 signature of them withdrawn or held back since" in said
    assert "Вольга" not in said
