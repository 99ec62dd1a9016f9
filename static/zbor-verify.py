#!/usr/bin/env python3
"""Checks the log of a Zbor petition, a signer's receipt, or a bundle, without trusting the site that made them.

    python3 zbor-verify.py log https://example.org/petitions/NAME/log --root-key KEY --save COPY
    python3 zbor-verify.py log COPY --earlier OLDER_COPY
    python3 zbor-verify.py receipt receipt.json --log https://example.org/petitions/NAME/log
    python3 zbor-verify.py bundle bundle.zip --log COPY

It needs Python 3.9 or newer and `pip install cryptography`, and nothing else. It exits with 0 when everything holds, with 1
when something is wrong, which it names, and with 2 when it could not look.

A log proves that nothing was dropped, swapped or slipped in after it was published. It does not prove that a signer is a
real person. And one site could show one log to you and another one to somebody else: keep what you fetch (--save), compare
it with what others keep (--earlier), and have the root key (--root-key) from elsewhere than the site.

What is checked:
* entries.txt has one entry a line: `S` and 64 hexadecimal digits, or `W` (withdrawn), `Q` (held back) or `R` (released) and
  the number of the line, from 0, that it speaks of. As bytes: the letter, then 32 bytes, or the number in 8, highest first.
* The tree over them is that of RFC 9162, section 2.1: SHA-256(0x00 | entry) for a leaf, SHA-256(0x01 | left | right) above.
* A head says of the first `size` entries which root they have, and how many signatures they count: each `S` about which
  nothing else is said, or `R` last. It is signed with Ed25519, as six lines of text: see `head_statement`.
* The key of the log is listed, with the root key's Ed25519 signature over one line of text: see `key_statement`.
* A leaf commits to a signature by HMAC-SHA256(salt, record). Both are on a receipt only if its owner wanted that.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import re
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print("Please install the one library that this needs: python3 -m pip install cryptography", file=sys.stderr)
    sys.exit(2)

PAGE = 2048
"""Entries that a site gives at once."""
PATIENCE, PAUSE = 6, 15
"""How often, and after how many seconds, a site is asked again for entries that a head covers: proxies may keep an older page."""

ENTRY = re.compile(r"S [0-9a-f]{64}|[WQR] (?:0|[1-9][0-9]{0,15})")
LINE = re.compile(r"zbor1:([a-z0-9-]+):(0|[1-9][0-9]*):([0-9a-f]{64})")
FORMS = {
    "hash": re.compile(r"[0-9a-f]{64}"),
    "signature": re.compile(r"[0-9a-f]{128}"),
    "moment": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "name": re.compile(r"[a-z0-9-]+"),
}
HEAD = {
    "petition": "name",
    "size": int,
    "root": "hash",
    "counted": int,
    "signed_at": "moment",
    "key_id": "name",
    "signature": "signature",
}
KEY = {
    "id": "name",
    "purpose": "name",
    "public_key": "hash",
    "not_before": "moment",
    "not_after": "moment",
    "root_signature": "signature",
}
MAY_FOLLOW = {"W": ("S", "R"), "Q": ("S", "R"), "R": ("Q",)}
SAID = {
    "S": "counted",
    "R": "counted: it was held back, and then released",
    "W": "not counted: its signer withdrew it",
    "Q": "not counted: it is held back",
}


class Wrong(Exception):
    """Something does not hold; the text says what."""


class CannotLook(Exception):
    """Something could not be read; the text says what."""


def good(text: str) -> None:
    """Report a check that held."""
    print("ok    " + text)


def note(text: str) -> None:
    """Report what was not checked, or is for people to compare."""
    print("note  " + text)


# --- What is signed ------------------------------------------------------------------------------------------------------


def head_statement(head: dict[str, Any]) -> bytes:
    """The text under the signature of a head."""
    lines = (
        "zbor-tree-head/1",
        f"petition {head['petition']}",
        f"size {head['size']}",
        f"root {head['root']}",
        f"counted {head['counted']}",
        f"signed {head['signed_at']}",
    )
    return "".join(line + "\n" for line in lines).encode()


def key_statement(key: dict[str, Any]) -> bytes:
    """The text under the root key's signature."""
    parts = ("zbor-sealing-key", "1", key["id"], key["purpose"], key["public_key"], key["not_before"], key["not_after"])
    return "|".join(parts).encode()


def is_signed(public_key: bytes, statement: bytes, signature: str) -> bool:
    """Whether an Ed25519 signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(signature), statement)
    except InvalidSignature:
        return False
    return True


def check_keys(keys: list[dict[str, Any]], root_key: bytes | None) -> dict[str, dict[str, Any]]:
    """Keys by their number, each for logs and signed by the root key, if that is known."""
    for key in keys:
        if key["purpose"] != "log":
            raise Wrong(f"the key {key['id']} is not one for logs")
        if root_key is not None and not is_signed(root_key, key_statement(key), key["root_signature"]):
            raise Wrong(f"the key {key['id']} is a foreign one: the root key did not sign it")
    if root_key is not None:
        good(f"the root key signed {'the key of the log' if len(keys) == 1 else f'all {len(keys)} keys of the log'}")
    else:
        note(
            "without --root-key nobody has said that the key of the log is the right one: "
            + ", ".join(key["public_key"] for key in keys)
        )
    return {key["id"]: key for key in keys}


def check_head(head: dict[str, Any], keys: dict[str, dict[str, Any]]) -> None:
    """Whether a head has the signature of a key that was valid then."""
    key = keys.get(head["key_id"])
    if key is None:
        raise Wrong(f"the head of {head['size']} entries is signed by a foreign key: {head['key_id']} is not listed")
    if not is_signed(bytes.fromhex(key["public_key"]), head_statement(head), head["signature"]):
        raise Wrong(f"the signature of the head of {head['size']} entries does not hold")
    if not key["not_before"] <= head["signed_at"] < key["not_after"]:
        raise Wrong(f"the head of {head['size']} entries was signed when its key was not valid")


# --- The tree ------------------------------------------------------------------------------------------------------------


def entry_bytes(line: str) -> bytes:
    """An entry as it is hashed."""
    kind, told = line.split(" ")
    return kind.encode() + (bytes.fromhex(told) if kind == "S" else int(told).to_bytes(8, "big"))


def leaf_hash(line: str) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\0" + entry_bytes(line)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash above two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that leaves are added to: the roots of the whole subtrees that it consists of, with their heights."""

    def __init__(self) -> None:
        self.subtrees: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Add one leaf at the end."""
        height, root = 0, leaf
        while self.subtrees and self.subtrees[-1][0] == height:
            root = node_hash(self.subtrees.pop()[1], root)
            height += 1
        self.subtrees.append((height, root))

    def root(self) -> str:
        """The root over all leaves, of which there is one at least."""
        root = self.subtrees[-1][1]
        for _height, left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root.hex()


def root_of_path(index: int, size: int, leaf: bytes, path: list[str]) -> str | None:
    """Where a path leads from a leaf (RFC 9162, section 2.1.3.2); None when it is too long or too short."""
    at, last, reached = index, size - 1, leaf
    for step in path:
        if last == 0:
            return None
        if at % 2 or at == last:
            reached = node_hash(bytes.fromhex(step), reached)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, bytes.fromhex(step))
        at, last = at >> 1, last >> 1
    return reached.hex() if last == 0 else None


# --- Reading -------------------------------------------------------------------------------------------------------------


def parse(content: bytes, name: str) -> dict[str, Any]:
    """A JSON object. Raises Wrong."""
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise Wrong(f"{name} is not what it should be")
    return told


def shaped(told: Any, shape: dict[str, Any], name: str) -> dict[str, Any]:
    """An object whose values have the form they must have, before anything is made of them. Raises Wrong."""
    for field, form in shape.items():
        value = told.get(field) if isinstance(told, dict) else None
        fits = (
            type(value) is int and value >= 0
            if form is int
            else isinstance(value, str) and FORMS[form].fullmatch(value)
        )
        if not fits:
            raise Wrong(f"{name} has no {field}, or one that cannot be")
    return told


def listed(told: dict[str, Any], field: str, name: str) -> list[Any]:
    """The list of this name. Raises Wrong."""
    found = told.get(field)
    if not isinstance(found, list):
        raise Wrong(f"{name} lists no {field}")
    return found


class Log:
    """A log as it is published. `entries` is None where only heads are at hand."""

    def __init__(self, parts: list[dict[str, Any]], entries: list[str] | None) -> None:
        self.petition = parts[0].get("petition")
        heads = [shaped(head, HEAD, "a head") for part in parts for head in listed(part, "heads", "heads.json")]
        keys = [shaped(key, KEY, "a key") for part in parts for key in listed(part, "keys", "heads.json")]
        self.entries = entries
        self.heads = sorted(heads, key=lambda head: head["size"])
        self.keys = list({key["id"]: key for key in keys}.values())


def read_log(place: str) -> Log:
    """A log from its address on a site, from a folder with heads.json and entries.txt, or heads alone from such a file."""
    if re.match(r"https?://", place):
        return fetch_log(place.rstrip("/"))
    folder = Path(place)
    heads = parse(read(folder / "heads.json" if folder.is_dir() else folder), "heads.json")
    entries = read(folder / "entries.txt").decode("ascii", "replace").splitlines() if folder.is_dir() else None
    return Log([heads], entries)


def read(path: Path) -> bytes:
    """A file. Raises CannotLook."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotLook(f"{path}: {error.strerror}") from None


def fetch_log(address: str) -> Log:
    """A log from its address."""
    parts: list[dict[str, Any]] = []
    start: Any = 1
    while start is not None:
        parts.append(parse(fetch(f"{address}/heads.json?from={start}"), "heads.json"))
        start = parts[-1].get("next")
    size = max((head["size"] for head in Log(parts, None).heads), default=0)
    entries: list[str] = []
    for _attempt in range(PATIENCE):
        del entries[len(entries) // PAGE * PAGE :]
        while len(entries) < size:
            page = fetch(f"{address}/entries?from={len(entries)}").decode("ascii", "replace").splitlines()
            entries += page
            if len(page) < PAGE:
                break
        if len(entries) >= size:
            break
        time.sleep(PAUSE)
    # What came after the newest head was fetched belongs to the next one.
    return Log(parts, entries[:size])


def fetch(address: str) -> bytes:
    """What a site answers. Raises CannotLook."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise CannotLook(f"{address}: {error}") from None


def save(log: Log, folder: Path) -> None:
    """Keep a copy of a log, to be compared with later ones."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"petition": log.petition, "heads": log.heads, "keys": log.keys, "next": None}
    (folder / "heads.json").write_text(json.dumps(told, indent=1) + "\n", "ascii")
    (folder / "entries.txt").write_text("".join(line + "\n" for line in log.entries or ()), "ascii")
    good(f"a copy is in {folder}")


# --- A log ---------------------------------------------------------------------------------------------------------------


def check_log(log: Log, root_key: bytes | None, earlier: Log | None = None) -> dict[int, str]:
    """Everything that can be checked of a log. Returns the kind of the entry that was last said about each signature."""
    entries = log.entries
    if entries is None:
        raise CannotLook("there are heads, but no entries: name a folder with both, or an address")
    if not log.heads:
        raise Wrong("the log has no head")
    if earlier is not None:
        compare(earlier, log)
    keys = check_keys(log.keys, root_key)
    for number, head in enumerate(log.heads):
        if head["petition"] != log.petition:
            raise Wrong(f"the head of {head['size']} entries is that of another petition: {head['petition']}")
        check_head(head, keys)
        before = log.heads[number - 1] if number else None
        if before is not None and before["size"] == head["size"]:
            raise Wrong(f"there are two heads of {head['size']} entries")
        if before is not None and before["signed_at"] > head["signed_at"]:
            raise Wrong(f"the head of {head['size']} entries was signed before that of {before['size']}")
    good(
        f"{counted_as(len(log.heads), 'head')} signed by the key of the log, the newest on {log.heads[-1]['signed_at']}"
    )
    said = check_entries(log)
    newest = log.heads[-1]
    good(
        f"{counted_as(len(entries), 'entry', 'entries')} without a gap, which every head is the root of, each of them the next one's beginning"
    )
    good(f"they count {counted_as(newest['counted'], 'signature')}, as the newest head says")
    print(f"      size {newest['size']}, root {newest['root']}")
    return said


def counted_as(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def check_entries(log: Log) -> dict[int, str]:
    """Whether the entries make sense, and give every head its root and count."""
    heads = {head["size"]: head for head in log.heads}
    entries = log.entries or []
    said: dict[int, str] = {}
    seen: dict[str, int] = {}
    tree, counted, sound = Tree(), 0, 0
    for index, line in enumerate(entries):
        if not ENTRY.fullmatch(line):
            raise Wrong(f"entry {index} is not an entry")
        kind, told = line.split(" ")
        if kind == "S":
            if told in seen:
                raise Wrong(f"entry {index} repeats entry {seen[told]}: one signature would count twice")
            said[index], seen[told] = kind, index
            counted += 1
        else:
            about = int(told)
            if about >= index or said.get(about) not in MAY_FOLLOW[kind]:
                raise Wrong(f"entry {index} ({kind} {about}) does not fit what was said of entry {about} before")
            said[about] = kind
            counted += 1 if kind == "R" else -1
        tree.add(leaf_hash(line))
        head = heads.pop(index + 1, None)
        if head is not None:
            if head["root"] != tree.root():
                raise Wrong(
                    f"the first {index + 1} entries do not give the root of their head: an entry from {sound} to {index} was dropped, forged or"
                    " swapped. With --earlier and a copy that you or somebody else kept, it can be named"
                )
            if head["counted"] != counted:
                raise Wrong(
                    f"the head of {index + 1} entries says {head['counted']} signatures, and its entries say {counted}"
                )
            sound = index + 1
    if heads:
        raise Wrong(
            f"entry {len(entries)} was dropped: a head covers {max(heads)} entries, and there are {len(entries)}"
        )
    if sound < len(entries):
        raise Wrong(f"entry {sound} and what follows is covered by no head")
    return said


def compare(earlier: Log, log: Log) -> None:
    """Whether a log goes on from an earlier copy of it, and if not, which entry was touched."""
    if earlier.petition != log.petition:
        raise CannotLook("the earlier copy is that of another petition")
    now = {head["size"]: head for head in log.heads}
    entries = log.entries or []
    if earlier.entries is not None:
        name_difference(earlier.entries, entries)
    for head in earlier.heads:
        if head["size"] not in now:
            raise Wrong(
                f"a head that was published is gone: that of {head['size']} entries, signed on {head['signed_at']}"
            )
        for field, name in (("root", "root"), ("counted", "count"), ("signed_at", "date")):
            if now[head["size"]][field] != head[field]:
                raise Wrong(f"the head of {head['size']} entries was published with another {name}")
    good(f"it goes on from the earlier copy, of {counted_as(len(earlier.heads), 'head')}")


def name_difference(old: list[str], new: list[str]) -> None:
    """Name the first entry of an earlier copy that is no longer where it was. Raises Wrong."""
    at = next((index for index, pair in enumerate(zip(old, new)) if pair[0] != pair[1]), None)
    if at is None:
        if len(new) < len(old):
            raise Wrong(
                f"entry {len(new)} was dropped: the earlier copy has {len(old)} entries, and there are {len(new)}"
            )
        return
    where = old.index(new[at], at) if new[at] in old[at:] else None
    if where is not None and where < len(new) and new[where] == old[at]:
        raise Wrong(f"entries {at} and {where} were swapped")
    if where is not None:
        raise Wrong(f"entry {at} was dropped: entry {where} has moved up to its place")
    if at + 1 < len(new) and new[at + 1] == old[at]:
        raise Wrong(f"entry {at} was slipped in: what stood there has moved down")
    raise Wrong(f"entry {at} was forged: it was {old[at]!r} and is {new[at]!r}")


def check_covered(head: dict[str, Any], log: Log) -> None:
    """Whether a head from elsewhere is of this very log."""
    tree = Tree()
    entries = log.entries or []
    if head["petition"] != log.petition:
        raise Wrong(f"the head is of the petition {head['petition']}, and the log of {log.petition}")
    if head["size"] > len(entries):
        raise Wrong(
            f"the log has {len(entries)} entries, and the head is of {head['size']}: entry {len(entries)} was dropped, or the log is older"
        )
    for line in entries[: head["size"]]:
        tree.add(leaf_hash(line))
    if tree.root() != head["root"]:
        raise Wrong(f"the head of {head['size']} entries is not one of this log: two logs were shown")
    good(f"the log goes on from this head of {counted_as(head['size'], 'entry', 'entries')}")


# --- A receipt -----------------------------------------------------------------------------------------------------------


def check_receipt(place: str, log: Log | None, root_key: bytes | None) -> None:
    """A receipt: a file, or its short line, which says something only beside a log."""
    line = LINE.fullmatch(place.strip())
    if line is not None:
        if log is None:
            raise CannotLook("a line alone proves nothing: name the log with --log")
        find_leaf(line[1], int(line[2]), line[3], log, check_log(log, root_key))
        return
    told = shaped(
        parse(read(Path(place)), "the receipt"),
        {"petition": "name", "leaf_index": int, "commitment": "hash"},
        "the receipt",
    )
    head = shaped(told.get("head"), HEAD, "the head of the receipt")
    key = shaped(told.get("key"), KEY, "the key of the receipt")
    path = told.get("path")
    if not isinstance(path, list) or not all(isinstance(step, str) and FORMS["hash"].fullmatch(step) for step in path):
        raise Wrong("the receipt has no path, or one that cannot be")
    if head["petition"] != told["petition"]:
        raise Wrong("the receipt is for one petition, and its head is of another")
    check_head(head, check_keys([key], root_key))
    good(
        f"its head of {counted_as(head['size'], 'entry', 'entries')} is signed, on {head['signed_at']}, and counts {counted_as(head['counted'], 'signature')}"
    )
    index, commitment = told["leaf_index"], told["commitment"]
    if index >= head["size"] or root_of_path(index, head["size"], leaf_hash(f"S {commitment}"), path) != head["root"]:
        raise Wrong(f"the path does not lead from leaf {index} to the root of the head")
    good(f"leaf {index} is one of them")
    if told.get("mine") is not None:
        check_owner(told["mine"], told)
    if log is not None:
        said = check_log(log, root_key)
        check_covered(head, log)
        find_leaf(told["petition"], index, commitment, log, said)


def check_owner(mine: Any, told: dict[str, Any]) -> None:
    """Whether the leaf commits to the record on the receipt."""
    try:
        salt, record = bytes.fromhex(mine["salt"]), mine["record"]
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, KeyError, ValueError):
        raise Wrong("what the receipt says of its owner is not what it should be") from None
    if hmac.new(salt, text, hashlib.sha256).hexdigest() != told["commitment"]:
        raise Wrong("the leaf does not commit to the name, address and text on this receipt")
    if not isinstance(record, dict) or record.get("petition") != told["petition"]:
        raise Wrong("what the receipt says of its owner is about another petition")
    good(
        f"it commits to the signature of {record.get('name')!r}, {record.get('email')!r}, received on {record.get('received')!r}"
    )


def find_leaf(petition: str, index: int, commitment: str, log: Log, said: dict[int, str]) -> None:
    """What a log says of a leaf."""
    entries = log.entries or []
    if petition != log.petition:
        raise Wrong(f"the receipt is for the petition {petition}, and the log of {log.petition}")
    if index >= len(entries) or entries[index] != f"S {commitment}":
        raise Wrong(
            f"leaf {index} of the log is not that of this receipt: it was dropped, forged or swapped, or the receipt is made up"
        )
    good(f"leaf {index} of the log is that of this receipt; the signature is {SAID[said[index]]}")


# --- A bundle ------------------------------------------------------------------------------------------------------------


def check_bundle(place: Path, log: Log | None, root_key: bytes | None) -> None:
    """A bundle, as the ZIP file that it is handed over as, or unpacked."""
    files = files_of(place)
    names = [name for name in files if name.rpartition("/")[2] == "manifest.json"]
    if len(names) != 1:
        raise Wrong("there is no manifest.json in it" if not names else "there is more than one manifest.json in it")
    folder = names[0].rpartition("/")[0]
    manifest = parse(files.pop(names[0]), "manifest.json")
    shaped(manifest, {"petition": "name", "counted": int, "cutoff": "moment", "register_hash": "hash"}, "manifest.json")
    volumes = listed(manifest, "files", "manifest.json")
    for one in volumes:
        shaped(one, {"sha256": "hash"}, "a file of the manifest")
        name = f"{folder}/{one.get('name')}".lstrip("/")
        if name not in files:
            raise Wrong(f"the file {one.get('name')!r} is missing")
        if hashlib.sha256(files.pop(name)).hexdigest() != one["sha256"]:
            raise Wrong(f"the file {one.get('name')!r} was altered")
    if files:
        raise Wrong(f"the file {min(files)!r} is not in the manifest")
    good(
        f"{counted_as(len(volumes), 'file')} as the manifest of bundle {manifest.get('bundle')!r} lists them, with {counted_as(manifest['counted'], 'signature')} up to {manifest['cutoff']}"
    )
    note(f"compare with what letter and register print: register {manifest['register_hash']}")
    if manifest.get("tree_head") is None:
        note("the bundle has no tree head: there was no log yet")
        return
    head = shaped(manifest["tree_head"], HEAD, "the head of the manifest")
    if head["petition"] != manifest["petition"]:
        raise Wrong("the bundle is of one petition, and its head of another")
    check_head(head, check_keys([shaped(manifest.get("key"), KEY, "the key of the manifest")], root_key))
    good(
        f"its head of {counted_as(head['size'], 'entry', 'entries')} is signed, on {head['signed_at']}, and counts {counted_as(head['counted'], 'signature')} for all addressees"
    )
    note(f"compare with what the letter prints: root {head['root']}")
    if log is not None:
        check_log(log, root_key)
        check_covered(head, log)


def files_of(place: Path) -> dict[str, bytes]:
    """All files of a ZIP file or folder by their names. Raises CannotLook."""
    if place.is_dir():
        return {path.relative_to(place).as_posix(): read(path) for path in sorted(place.rglob("*")) if path.is_file()}
    try:
        with zipfile.ZipFile(place) as packed:
            return {one.filename: packed.read(one) for one in packed.infolist() if not one.is_dir()}
    except OSError as error:
        raise CannotLook(f"{place}: {error.strerror}") from None
    except (zipfile.BadZipFile, ValueError) as error:
        raise Wrong(f"{place} is not a whole ZIP file ({error})") from None


# --- The command line ----------------------------------------------------------------------------------------------------


def root_key_of(text: str) -> bytes:
    """The raw root key of its base64."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise argparse.ArgumentTypeError("not 32 bytes in base64")
    return raw


def main() -> int:
    """Check what the command line names. Returns the exit code."""
    about, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    log = commands.add_parser("log", help="check a log")
    log.add_argument("place", help="its address, or a folder with heads.json and entries.txt")
    log.add_argument("--earlier", metavar="COPY", help="an earlier copy: such a folder, or heads.json alone")
    log.add_argument("--save", metavar="FOLDER", type=Path, help="keep a copy")
    receipt = commands.add_parser("receipt", help="check a signer's receipt")
    receipt.add_argument("place", help="receipt.json, or the line that begins with zbor1:")
    bundle = commands.add_parser("bundle", help="check a bundle")
    bundle.add_argument("place", type=Path, help="the ZIP file, or a folder into which it was unpacked")
    for command in (receipt, bundle):
        command.add_argument("--log", metavar="PLACE", help="look for it in this log, too")
    for command in (log, receipt, bundle):
        command.add_argument("--root-key", metavar="BASE64", type=root_key_of, help="the root key of the site")
    asked = parser.parse_args()
    try:
        if asked.command == "log":
            found = read_log(asked.place)
            check_log(found, asked.root_key, read_log(asked.earlier) if asked.earlier else None)
            if asked.save is not None:
                save(found, asked.save)
        else:
            beside = read_log(asked.log) if asked.log else None
            check = check_receipt if asked.command == "receipt" else check_bundle
            check(asked.place, beside, asked.root_key)
    except Wrong as wrong:
        print(f"WRONG {wrong}.")
        return 1
    except CannotLook as error:
        print(f"Cannot look: {error}", file=sys.stderr)
        return 2
    print("Everything that was checked holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
