"""zbor-verify: a script of its own that names what is wrong. It runs as strangers run it, without any of our modules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.keys import signed_row
from core.merkle import TILE, Tree, entry, head_statement, leaf_hash, root_of
from tests.conftest import ROOT

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
    if kind == "receipt":
        place = keep(tmp_path, maker.receipt(42))
    else:
        files = {"1.pdf": b""}
        place = pack(tmp_path / "bundle.zip", files, manifest_of(maker, files))
    code, said = verify(kind, place, "--log", log)
    assert (code, named in said) == (1, True), said


# --- Bundles ------------------------------------------------------------------------------------------------------------


def manifest_of(maker: Maker, files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "bundle": "PL-0001", "petition": SLUG, "addressee": "msz", "counted": 120, "cutoff": "2026-03-04T00:00:00Z", "register_hash": "cd" * 32,
        "files": [{"name": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()],
        "tree_head": maker.heads[-1], "key": maker.key,
    }  # fmt: skip


def pack(path: Path, files: dict[str, bytes], manifest: dict[str, Any] | None) -> Path:
    with ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(f"PL-0001/{name}", content)
        if manifest is not None:
            packed.writestr("PL-0001/manifest.json", json.dumps(manifest))
    return path


def test_a_bundle_holds_and_each_fault_of_it_is_named(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    log, path = maker.publish(tmp_path / "log"), tmp_path / "bundle.zip"
    files = {"1-letter.pdf": b"letter", "2-register.pdf": b"register"}
    manifest = manifest_of(maker, files)
    code, said = verify("bundle", pack(path, files, manifest), "--log", log)
    assert code == 0, said
    assert "120 signatures up to 2026-03-04" in said
    assert "cd" * 32 in said
    with ZipFile(path) as packed:
        packed.extractall(tmp_path / "unpacked")
    assert verify("bundle", tmp_path / "unpacked")[0] == 0
    headless = {**manifest, "tree_head": None}
    assert verify("bundle", pack(path, files, {**headless, "key": None}))[0] == 0
    code, said = verify("bundle", path, "--root-key", maker.root)
    assert (code, "Cannot look: nobody signed the manifest" in said) == (2, True)
    code, said = verify("bundle", pack(path, files, headless), "--root-key", maker.root)
    assert code == 2, "a key alone signs nothing"
    for wrong_files, wrong_manifest, named in (
        ({**files, "1-letter.pdf": b"other"}, manifest, "the file '1-letter.pdf' was altered"),
        ({"1-letter.pdf": b"letter"}, manifest, "the file '2-register.pdf' is missing"),
        ({**files, "3.pdf": b""}, manifest, "the file 'PL-0001/3.pdf' is not in the manifest"),
        (files, None, "there is no manifest.json"),
        (files, {**manifest, "register_hash": ""}, "has no register_hash"),
        (files, {**manifest, "tree_head": {**maker.heads[-1], "counted": 1}}, "the signature of the head of 304"),
        (files, {**manifest, "petition": "another"}, "its head of another"),
        (files, {**manifest, "files": {}}, "lists no files"),
        ({}, {**manifest, "files": []}, "lists no file, so that it says nothing"),
        (
            files,
            {**manifest, "files": [{"name": "../1.pdf", "sha256": "ab" * 32}]},
            "a file of the manifest has no name",
        ),
        (files, {**manifest, "files": [{"name": ["x"], "sha256": "ab" * 32}]}, "a file of the manifest has no name"),
        (
            {**files, "1-LETTER.pdf": b"x"},
            manifest,
            "two files have one name: 'PL-0001/1-letter.pdf' and 'PL-0001/1-LETTER.pdf'",
        ),
    ):
        code, said = verify("bundle", pack(path, wrong_files, wrong_manifest), "--root-key", maker.root)
        assert (code, named in said) == (1, True), said
    path.write_bytes(b"no zip")
    assert verify("bundle", path)[0] == 1
    assert verify("bundle", tmp_path / "nothing.zip")[0] == 2


def test_a_bundle_without_a_head_is_looked_for_in_the_log_all_the_same(
    maker: Maker, verify: Verify, tmp_path: Path
) -> None:
    log, files = maker.publish(tmp_path / "log"), {"1.pdf": b""}
    manifest = {**manifest_of(maker, files), "tree_head": None, "key": None}
    path = pack(tmp_path / "bundle.zip", files, manifest)
    code, said = verify("bundle", path, "--log", log)
    assert (code, "no tree head, and the log had one since 2026-03-02T00:00:00Z" in said) == (1, True)
    early = {**manifest, "cutoff": "2026-03-01T23:59:59Z"}
    code, said = verify("bundle", pack(path, files, early), "--log", log)
    assert (code, "304 entries without a gap" in said) == (0, True), said
    code, said = verify("bundle", path, "--log", Maker("another").publish(tmp_path / "another"))
    assert (code, "the bundle is of the petition papers, and the log of another" in said) == (1, True)
    maker.lines[42] = "S " + "ab" * 32
    assert verify("bundle", path, "--log", maker.publish(log))[0] == 1


def signed(
    manifest: dict[str, Any], key: dict[str, Any], private: Ed25519PrivateKey, at: str = "2026-03-04T01:00:00Z"
) -> dict[str, Any]:
    """A manifest as the worker signs it."""
    whole = {**manifest, "signed_at": at, "signed_by": key}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {**whole, "signature": private.sign(f"zbor-bundle/1\n{text}".encode()).hex()}


def test_the_signature_of_a_manifest_is_checked(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    log, path, files = maker.publish(tmp_path / "log"), tmp_path / "bundle.zip", {"1.pdf": b"letter"}
    manifest = {**manifest_of(maker, files), "bundle": "PL-0001 ’"}
    whole = signed(manifest, maker.key, maker.log_key)
    code, said = verify("bundle", pack(path, files, whole), "--log", log, "--root-key", maker.root)
    assert (code, "the manifest is signed, on 2026-03-04T01:00:00Z" in said) == (0, True), said
    assert said.endswith("of the bundle 'PL-0001 ’' of the petition papers for 'msz' holds.\n")
    assert "lag by a day" not in said
    unsigned = {**manifest, "signed_at": None, "signed_by": None, "signature": None}
    code, said = verify("bundle", pack(path, files, unsigned), "--log", log)
    assert (code, "note  nobody signed the manifest" in said) == (0, True), said
    assert verify("bundle", path, "--log", log, "--root-key", maker.root)[0] == 2, (
        "or whoever altered it could take it off"
    )
    headless = signed({**manifest, "tree_head": None, "key": None}, maker.key, maker.log_key)
    assert verify("bundle", pack(path, files, headless), "--root-key", maker.root)[0] == 0
    many = signed({**manifest, "counted": 299}, maker.key, maker.log_key)
    code, said = verify("bundle", pack(path, files, many), "--log", log)
    assert (code, "the log may lag by a day" in said) == (0, True), said
    other = Ed25519PrivateKey.generate()
    foreign = maker.list_key(Ed25519PrivateKey.generate(), other)
    second = signed(manifest, maker.list_key(maker.root_key, other), other)
    assert verify("bundle", pack(path, files, second), "--log", log, "--root-key", maker.root)[0] == 0
    root = ("--root-key", maker.root)
    for wrong, arguments, named in (
        ({**whole, "counted": 121}, root, "the signature of the manifest does not hold"),
        ({**whole, "more": 1}, root, "the signature of the manifest does not hold"),
        ({**whole, "more": "\ud800"}, root, "manifest.json is not what it should be"),
        ({**whole, "signed_at": "2026-03-04T01:00:01Z"}, root, "the signature of the manifest does not hold"),
        (signed(manifest, maker.key, other), root, "the signature of the manifest does not hold"),
        (signed(manifest, maker.key, maker.log_key, "2036-03-04T00:00:00Z"), root, "signed when its key was not valid"),
        (signed(manifest, maker.key, maker.log_key, "2026-02-28T00:00:00Z"), root, "signed when its key was not valid"),
        (signed(manifest, foreign, other), root, "is a foreign one: the root key did not sign it"),
        (signed(manifest, {**foreign, "id": maker.key["id"]}, other), (), "two different keys are listed under one id"),
        (
            signed(manifest, foreign, other),
            ("--log", log),
            "the manifest is signed by a key that the log does not list",
        ),
        ({**whole, "signature": None}, root, "manifest.json has no signature"),
        ({**whole, "signed_by": None}, root, "signed_by of the manifest has no id"),
    ):
        code, said = verify("bundle", pack(path, files, wrong), *arguments)
        assert (code, named in said) == (1, True), said


def damaged(path: Path, how: str) -> Path:
    """The ZIP file, with something changed that its reader stumbles over."""
    content = bytearray(path.read_bytes())
    first, last = 0, content.index(b"PK\1\2")
    match how:
        case "deflate stream":
            content[30 + len("PL-0001/1.pdf")] = 0xFF
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
    path, files = tmp_path / "bundle.zip", {"1.pdf": b"letter" * 100}
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        packed.writestr("PL-0001/1.pdf", files["1.pdf"])
        packed.writestr("PL-0001/manifest.json", json.dumps(manifest_of(maker, files)))
    assert verify("bundle", path)[0] == 0
    code, said = verify("bundle", damaged(path, how))
    assert (code, "WRONG" in said) == (1, True), said


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_named(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    path, files = tmp_path / "bundle.zip", {"1.pdf": b"letter"}
    pack(path, files, manifest_of(maker, files))
    for name in ("PL-0001/1.pdf", "pl-0001/1.PDF", "PL-0001/1.pdf/"):
        twice = tmp_path / "twice.zip"
        shutil.copy(path, twice)
        with ZipFile(twice, "a") as packed:
            packed.writestr(name, b"")
        code, said = verify("bundle", twice)
        assert (code, "two files have one name" in said) == (1, True), said


def test_an_unpacked_bundle_has_files_and_folders_only(maker: Maker, verify: Verify, tmp_path: Path) -> None:
    files = {"1.pdf": b"letter"}
    with ZipFile(pack(tmp_path / "bundle.zip", files, manifest_of(maker, files))) as packed:
        packed.extractall(tmp_path / "unpacked")
    letter, other = tmp_path / "unpacked" / "PL-0001" / "1.pdf", tmp_path / "unpacked" / "PL-0001" / "1.PDF"
    assert verify("bundle", tmp_path / "unpacked")[0] == 0
    other.write_bytes(b"letter")
    code, said = verify("bundle", tmp_path / "unpacked")
    assert (code, "two files have one name" in said) == (1, True), said
    other.unlink()
    for make in (
        lambda: other.symlink_to(tmp_path),
        lambda: os.mkfifo(other),
        lambda: (letter.rename(tmp_path / "real.pdf"), letter.symlink_to(tmp_path / "real.pdf")),
    ):
        make()
        code, said = verify("bundle", tmp_path / "unpacked")
        assert (code, "is neither a file nor a folder" in said) == (1, True), said
        other.unlink(missing_ok=True)
