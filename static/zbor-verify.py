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
* The manifest of a bundle is signed with a key of the log, too: see `manifest_statement`. It has the SHA-256 of each PDF and of
  each table (CSV); `register_hash`, which is that of the tables' hashes, in hexadecimal, each ended by LF; and eight hexadecimal
  digits for each line (`marks_of`), by which a line that was dropped, forged or slipped in is found.
* Lines are numbered from 1 without a gap. Where a ministry is told numbers alone, its tables have those lines that the rule in
  `draw_sample` draws from the root of the head, so that nobody could choose them.
* `entries` are the leaves of the log that are counted, by their numbers. With --log each has to be a signature that counts under
  the bundle's own head. In a sample each line has its entry: number k has the k-th of them.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import csv
import hashlib
import hmac
import http.client
import io
import itertools
import json
import os
import re
import stat
import struct
import sys
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from datetime import datetime
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

LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes that are read of one answer, so that a site cannot fill the memory of whoever checks it."""
LARGEST = 2**53
"""The largest whole number that every reader of JSON reads alike."""

ENTRY = re.compile(r"S [0-9a-f]{64}|[WQR] (?:0|[1-9][0-9]{0,15})")
LINE = re.compile(r"zbor1:([a-z0-9-]+):(0|[1-9][0-9]{0,15}):([0-9a-f]{64})")
ADDRESS = re.compile(r".*/petitions/([^/]+)/log")
FORMS = {
    "hash": re.compile(r"[0-9a-f]{64}"),
    "signature": re.compile(r"[0-9a-f]{128}"),
    "moment": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"),
    "name": re.compile(r"[a-z0-9-]+"),
    "file": re.compile(r"[A-Za-z0-9._-]+"),
    "form": re.compile(r"bundle/[0-9]{1,9}"),
    "code": re.compile(r"ZB-[0-9A-F]{4}-[0-9A-F]{4}"),
    "level": re.compile(r"names|initials|counts"),
    "entries": re.compile(r"(?:0|[1-9][0-9]{0,15})(?: (?:0|[1-9][0-9]{0,15}))*"),
    "marks": re.compile(r"(?:[0-9a-f]{8})+"),
}
HEAD = {
    "petition": "name",
    "size": 1,
    "root": "hash",
    "counted": 0,
    "signed_at": "moment",
    "key_id": "name",
    "signature": "signature",
}
"""What a head consists of: the name of a form, or the least that a number may be."""
KEY = {
    "id": "name",
    "purpose": "name",
    "public_key": "hash",
    "not_before": "moment",
    "not_after": "moment",
    "root_signature": "signature",
}
MANIFEST = {
    "bundle": "code",
    "petition": "name",
    "level": "level",
    "counted": 1,
    "cutoff": "moment",
    "register_hash": "hash",
    "entries": "entries",
    "certificate": "hash",
    "signed_at": "moment",
    "signature": "signature",
}
BUNDLE_FORM = "bundle/2"
PDF = {"name": "file", "sha256": "hash", "pages": 1}
VOLUME = {**PDF, "first": 1, "last": 1, "table": "file", "table_sha256": "hash", "marks": "marks"}
COLUMNS = {
    "names": ["number", "name", "city", "signed_on"],
    "initials": ["number", "initials", "signed_on"],
    "counts": ["number", "name", "city", "signed_on", "entry"],
}
"""Names of the columns of a table, by level."""
FORMULA = tuple("=+-@\t\r＝＋－＠")
"""What begins with one of these has an apostrophe before it in a table, so that no program takes it for a formula."""
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


def manifest_statement(manifest: dict[str, Any]) -> bytes:
    """What is under the signature of a manifest: all of it but the signature itself."""
    return b"zbor-bundle/2\n" + canonical({name: told for name, told in manifest.items() if name != "signature"})


def canonical(told: Any) -> bytes:
    """JSON as it is signed and committed to, of which there is one form only. Raises ValueError or RecursionError."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_signed(public_key: bytes, statement: bytes, signature: str) -> bool:
    """Whether an Ed25519 signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def keys_by_id(keys: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Keys by their id. Raises Wrong when two are listed under one, as it would be open which of them counts."""
    found: dict[str, dict[str, Any]] = {}
    for key in keys:
        if found.setdefault(key["id"], key) != key:
            raise Wrong(f"two different keys are listed under one id: {key['id']}")
    return found


def believed_keys(keys: list[dict[str, Any]], root_key: bytes | None) -> dict[str, dict[str, Any]]:
    """Keys by their id, each for logs and signed by the root key, if that is known."""
    for key in keys:
        if key["purpose"] != "log":
            raise Wrong(f"the key {key['id']} is not one for logs")
        if root_key is not None and not is_signed(root_key, key_statement(key), key["root_signature"]):
            raise Wrong(f"the key {key['id']} is a foreign one: the root key did not sign it")
    return keys_by_id(keys)


def check_keys(keys: list[dict[str, Any]], root_key: bytes | None) -> dict[str, dict[str, Any]]:
    """The same, and say whose word there is for them."""
    found = believed_keys(keys, root_key)
    if root_key is not None:
        good(f"the root key signed {'the key of the log' if len(found) == 1 else f'all {len(found)} keys of the log'}")
    else:
        note(
            "without --root-key nobody has said that the key of the log is the right one: "
            + ", ".join(key["public_key"] for key in found.values())
        )
    return found


def check_head(head: dict[str, Any], keys: dict[str, dict[str, Any]]) -> None:
    """Whether a head has the signature of a key that was valid then."""
    name = f"the head of {head['size']} entries"
    key = keys.get(head["key_id"])
    if key is None:
        raise Wrong(f"{name} is signed by a foreign key: {head['key_id']} is not listed")
    check_signed(name, head_statement(head), head, key)


def check_signed(name: str, statement: bytes, told: dict[str, Any], key: dict[str, Any]) -> None:
    """Whether what is named was signed by this key, and while it was valid."""
    if not is_signed(bytes.fromhex(key["public_key"]), statement, told["signature"]):
        raise Wrong(f"the signature of {name} does not hold")
    if not key["not_before"] <= told["signed_at"] < key["not_after"]:
        raise Wrong(f"{name} was signed when its key was not valid")


def check_same_keys(name: str, key: dict[str, Any], log: Log, root_key: bytes | None) -> None:
    """Whether a log lists the key that something else is signed by. A root key that signed both says more than that."""
    if root_key is None and key["public_key"] not in {one["public_key"] for one in log.keys}:
        raise Wrong(
            f"{name} is signed by a key that the log does not list, and without --root-key nobody vouches for it"
        )


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
        told = json.loads(content, object_pairs_hook=members, parse_int=whole)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Wrong(f"{name} is not what it should be")
    return told


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its members. Raises Wrong when two have one name: readers would differ about which of them counts."""
    told = dict(pairs)
    if len(told) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Wrong(f"two members of one object have the name {twice!r}")
    return told


def whole(text: str) -> int:
    """A whole number, unless it is too large. Its length comes first, because reading a very long one takes hours."""
    if len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise ValueError
    return int(text)


def fits(value: Any, form: str | int) -> bool:
    """Whether a value has this form, or is at least this number."""
    if isinstance(form, int):
        return type(value) is int and value >= form
    if not isinstance(value, str) or not FORMS[form].fullmatch(value):
        return False
    if form == "moment":
        try:
            datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
        except ValueError:
            return False
    return True


def shaped(told: Any, shape: dict[str, Any], name: str) -> dict[str, Any]:
    """An object whose values have the form they must have, before anything is made of them. Raises Wrong."""
    for field, form in shape.items():
        if not isinstance(told, dict) or not fits(told.get(field), form):
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
        heads = [shaped(head, HEAD, "a head") for part in parts for head in listed(part, "heads", "heads.json")]
        keys = [shaped(key, KEY, "a key") for part in parts for key in listed(part, "keys", "heads.json")]
        self.entries = entries
        self.heads = sorted(heads, key=lambda head: head["size"])
        self.keys = list(keys_by_id(keys).values())
        petitions = {shaped(part, {"petition": "name"}, "heads.json")["petition"] for part in parts}
        if len(petitions) > 1:
            raise Wrong(f"the heads are those of more than one petition: {', '.join(sorted(petitions))}")
        self.petition = petitions.pop()


def read_log(place: str) -> Log:
    """A log from its address on a site, from a folder with heads.json and entries.txt, or heads alone from such a file."""
    if re.match(r"https?://", place):
        return fetch_log(place.rstrip("/"))
    folder = Path(place)
    if not is_folder(folder):
        return Log([parse(read(folder), "heads.json")], None)
    return Log([parse(read(folder / "heads.json"), "heads.json")], lines_of(read(folder / "entries.txt")))


def lines_of(content: bytes) -> list[str]:
    """Lines, which end with LF and nothing else: `splitlines` would see some where nobody else does."""
    lines = content.decode("ascii", "replace").split("\n")
    return lines if lines[-1] else lines[:-1]


def is_folder(path: Path) -> bool:
    """Whether a folder is there. Raises CannotLook, as for a name that is too long."""
    try:
        return path.is_dir()
    except OSError as error:
        raise CannotLook(f"{path}: {error.strerror}") from None


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
        before, start = start, parts[-1].get("next")
        if start is not None and (type(start) is not int or start <= before):
            raise Wrong("heads.json says of the next heads that they begin where these did, or before")
    log = Log(parts, None)
    named = ADDRESS.fullmatch(urllib.parse.urlsplit(address).path)
    if named is not None and named[1] != log.petition:
        raise Wrong(f"the address is that of the petition {named[1]!r}, and the log that of {log.petition}")
    size = max((head["size"] for head in log.heads), default=0)
    entries: list[str] = []
    for _attempt in range(PATIENCE):
        del entries[len(entries) // PAGE * PAGE :]
        while len(entries) < size:
            page = lines_of(fetch(f"{address}/entries?from={len(entries)}"))
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
            content = answer.read(LONGEST_ANSWER + 1)
            # Unlike a whole answer, a part of one is read without an error when the connection breaks.
            cut_off = bool(getattr(answer, "length", None))
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise CannotLook(f"{address}: {error!r}") from None
    if len(content) > LONGEST_ANSWER:
        raise CannotLook(f"{address}: the answer is longer than {LONGEST_ANSWER} bytes")
    if cut_off:
        raise CannotLook(f"{address}: the answer was cut off")
    return content


def save(log: Log, folder: Path) -> None:
    """Keep a copy of a log, to be compared with later ones."""
    told = {"petition": log.petition, "heads": log.heads, "keys": log.keys, "next": None}
    files = {
        "heads.json": json.dumps(told, indent=1) + "\n",
        "entries.txt": "".join(line + "\n" for line in log.entries or ()),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # An older copy is replaced only when the new one is whole. Bytes, because Windows would write other line ends.
        for name, text in files.items():
            (folder / f"{name}.new").write_bytes(text.encode("ascii"))
        for name in files:
            os.replace(folder / f"{name}.new", folder / name)
    except OSError as error:
        raise CannotLook(f"{folder}: nothing was kept: {error.strerror}") from None
    good(f"a copy is in {folder}")


# --- A log ---------------------------------------------------------------------------------------------------------------


def read_earlier(place: str, root_key: bytes | None) -> Log:
    """An earlier copy. Raises CannotLook unless it is sound by itself: whoever gave it could accuse a good log with it."""
    try:
        earlier = read_log(place)
        keys = believed_keys(earlier.keys, root_key)
        for head in earlier.heads:
            check_head(head, keys)
            if head["petition"] != earlier.petition:
                raise Wrong("it has a head of another petition")
        if not earlier.heads:
            raise Wrong("it has no head")
        if earlier.entries is not None:
            check_entries(earlier)
    except Wrong as wrong:
        raise CannotLook(f"the earlier copy in {place} is not sound, so nothing follows from it: {wrong}") from None
    return earlier


def check_log(log: Log, root_key: bytes | None, copies: list[Log] | None = None) -> dict[int, str]:
    """Everything that can be checked of a log. Returns the kind of the entry that was last said about each signature."""
    entries = log.entries
    if entries is None:
        raise CannotLook("there are heads, but no entries: name a folder with both, or an address")
    if not log.heads:
        raise Wrong("the log has no head")
    for earlier in copies or ():
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
    known = [head["size"] for head in earlier.heads]
    # A file with heads alone may be one of several that a site gives, which begins with a later head.
    first = 1 if earlier.entries is not None else known[0]
    for size in now:
        if first <= size <= known[-1] and size not in known:
            raise Wrong(
                f"the head of {size} entries was slipped in: the earlier copy goes further, and does not have it"
            )
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


def check_covered(head: dict[str, Any], key: dict[str, Any], log: Log, root_key: bytes | None) -> None:
    """Whether a head from elsewhere is one that this very log publishes. Its entries were compared with its heads before."""
    entries = log.entries or []
    if head["petition"] != log.petition:
        raise Wrong(f"the head is of the petition {head['petition']}, and the log of {log.petition}")
    if head["size"] > len(entries):
        raise Wrong(
            f"the log has {len(entries)} entries, and the head is of {head['size']}: entry {len(entries)} was dropped, or the log is older"
        )
    published = next((one for one in log.heads if one["size"] == head["size"]), None)
    if published is None:
        raise Wrong(f"the log publishes no head of {head['size']} entries: two logs were shown")
    for field, name in (("root", "root"), ("counted", "count"), ("signed_at", "date")):
        if published[field] != head[field]:
            raise Wrong(
                f"the log publishes the head of {head['size']} entries with another {name}: two logs were shown"
            )
    check_same_keys(f"the head of {head['size']} entries", key, log, root_key)
    good(f"the log goes on from this head of {counted_as(head['size'], 'entry', 'entries')}")


# --- A receipt -----------------------------------------------------------------------------------------------------------


def check_receipt(place: str, log: Log | None, root_key: bytes | None) -> str:
    """A receipt: a file, or its short line, which says something only beside a log. Returns what was checked."""
    line = LINE.fullmatch(place.strip())
    if line is not None:
        if log is None:
            raise CannotLook("a line alone proves nothing: name the log with --log")
        find_leaf(line[1], int(line[2]), line[3], log, check_log(log, root_key))
        return f"the receipt for the petition {line[1]}"
    told = shaped(
        parse(read(Path(place)), "the receipt"),
        {"petition": "name", "leaf_index": 0, "commitment": "hash"},
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
        check_covered(head, key, log, root_key)
        find_leaf(told["petition"], index, commitment, log, said)
    return f"the receipt for the petition {told['petition']}"


def check_owner(mine: Any, told: dict[str, Any]) -> None:
    """Whether the leaf commits to the record on the receipt."""
    try:
        salt, record = bytes.fromhex(mine["salt"]), mine["record"]
        text = canonical(record)
    except (TypeError, KeyError, ValueError, RecursionError):
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


def check_bundle(place: Path, log: Log | None, root_key: bytes | None) -> str:
    """A bundle, as the ZIP file that it is handed over as, or unpacked. Returns what was checked."""
    files, manifest = read_bundle(place)
    head, signed_by = check_manifest(manifest, root_key)
    entries, numbers = check_numbers(manifest, head)
    check_files(files, manifest, numbers)
    for volume in manifest["files"][1:]:
        check_table(volume, files[volume["table"]], manifest["level"], numbers, entries)
    lines = counted_as(len(numbers), "line")
    if manifest["level"] == "counts":
        good(
            f"the tables have the {lines} that the rule draws from the root of the head, each with its entry of the log"
        )
    else:
        good(f"the tables have {lines}, numbered from 1 without a gap")
    if log is not None:
        said = check_log(log, root_key)
        check_covered(head, manifest["key"], log, root_key)
        check_same_keys("the manifest", signed_by, log, root_key)
        check_counted(entries, head["size"], log, said)
    return f"the bundle {manifest['bundle']} of the petition {manifest['petition']} for {manifest.get('addressee')!r}"


def read_bundle(place: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a bundle beside its manifest, by their names, and the manifest, whose values have the form they must have."""
    found = files_of(place)
    names = [name for name in found if name.rpartition("/")[2] == "manifest.json"]
    if len(names) != 1:
        raise Wrong("there is no manifest.json in it" if not names else "there is more than one manifest.json in it")
    folder = names[0][: -len("manifest.json")]
    manifest = parse(found.pop(names[0]), "manifest.json")
    form = shaped(manifest, {"zbor": "form"}, "manifest.json")["zbor"]
    if form != BUNDLE_FORM:
        raise CannotLook(
            f"the manifest is of the form {form}, and this script knows {BUNDLE_FORM} alone: take another one"
        )
    shaped(manifest, MANIFEST, "manifest.json")
    if manifest["level"] == "counts":
        shaped(manifest, {"sample": 1}, "manifest.json")
    listed_files = listed(manifest, "files", "manifest.json")
    if len(listed_files) < 2:
        raise Wrong("manifest.json lists no volume, so that it says nothing of what was handed over")
    for number, one in enumerate(listed_files):
        shaped(one, VOLUME if number else PDF, "a file of the manifest")
    # Whose copy it is. That is in no manifest, which is the same in all copies; nothing follows from it.
    found.pop(f"{folder}copy.json", None)
    return {
        name[len(folder) :] if name.startswith(folder) else name: content for name, content in found.items()
    }, manifest


def check_manifest(manifest: dict[str, Any], root_key: bytes | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Whether the manifest and the head in it are signed, and of one petition. Returns the head, and the key of the manifest."""
    signed_by = shaped(manifest.get("signed_by"), KEY, "signed_by of the manifest")
    key = shaped(manifest.get("key"), KEY, "the key of the manifest")
    head = shaped(manifest.get("tree_head"), HEAD, "the head of the manifest")
    keys = check_keys([signed_by, key], root_key)
    try:
        statement = manifest_statement(manifest)
    except (ValueError, RecursionError):
        raise Wrong("manifest.json is not what it should be") from None
    check_signed("the manifest", statement, manifest, signed_by)
    good(f"the manifest of the bundle {manifest['bundle']} is signed, on {manifest['signed_at']}")
    check_head(head, keys)
    if head["petition"] != manifest["petition"]:
        raise Wrong("the bundle is of one petition, and its head of another")
    good(
        f"its head of {counted_as(head['size'], 'entry', 'entries')} is signed, on {head['signed_at']}, and counts {counted_as(head['counted'], 'signature')} for all addressees"
    )
    note(f"compare with what the index prints: root {head['root']}")
    return head, signed_by


def check_numbers(manifest: dict[str, Any], head: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Whether what the manifest counts fits together. Returns the entries of the log, and the numbers of all lines in the tables."""
    counted, volumes = manifest["counted"], manifest["files"][1:]
    entries = [int(entry) for entry in manifest["entries"].split(" ")]
    if len(entries) != counted:
        raise Wrong(
            f"the manifest counts {counted_as(counted, 'signature')} and lists {counted_as(len(entries), 'entry', 'entries')}"
        )
    if any(one >= other for one, other in zip(entries, entries[1:])):
        raise Wrong("the entries of the manifest are not in order, or one stands twice: it would count twice")
    if entries[-1] >= head["size"]:
        raise Wrong(
            f"the manifest lists entry {entries[-1]}, and its head covers {counted_as(head['size'], 'entry', 'entries')}"
        )
    if counted > head["counted"]:
        raise Wrong(f"the manifest counts {counted_as(counted, 'signature')}, and its head {head['counted']}")
    if manifest["level"] == "counts":
        numbers = sorted(draw_sample(head["root"], manifest["bundle"], counted, manifest["sample"]))
    else:
        numbers = list(range(1, counted + 1))
    after = 0
    for volume in volumes:
        if volume["first"] != after + 1 or volume["last"] < volume["first"]:
            raise Wrong(
                f"the volumes leave a gap or overlap: after line {after} comes {volume['name']!r} with {volume['first']}"
            )
        after = volume["last"]
        if len(volume["marks"]) != 8 * (after - volume["first"] + 1):
            raise Wrong(f"the manifest has not one mark for each line of {volume['table']!r}")
    if after != len(numbers):
        raise Wrong(f"the volumes have {counted_as(after, 'line')}, and there have to be {len(numbers)}")
    hashes = "".join(f"{volume['table_sha256']}\n" for volume in volumes)
    if hashlib.sha256(hashes.encode()).hexdigest() != manifest["register_hash"]:
        raise Wrong("the hash of the register is not that of its tables")
    good(
        f"it counts {counted_as(counted, 'signature')} up to {manifest['cutoff']}, each with an entry of the log under that head"
    )
    note(f"compare with what the index prints: register {manifest['register_hash']}")
    return entries, numbers


def draw_sample(root: str, code: str, counted: int, size: int) -> list[int]:
    """Numbers from 1 to `counted`, `size` of them or all, in the order in which they are drawn: whoever knows the root can repeat it."""
    drawn: dict[int, None] = {}
    counter = 0
    while len(drawn) < min(size, counted):
        line = f"zbor-sample/1 {root} {code} {counter}"
        drawn[int.from_bytes(hashlib.sha256(line.encode()).digest(), "big") % counted + 1] = None
        counter += 1
    return list(drawn)


def check_files(files: dict[str, bytes], manifest: dict[str, Any], numbers: list[int]) -> None:
    """Whether a bundle has the files that its manifest lists, as they were, and no others."""
    expected: dict[str, str] = {}
    tables = {volume["table"]: volume for volume in manifest["files"][1:]}
    for one in manifest["files"]:
        for name, told in ((one["name"], one["sha256"]), (one.get("table"), one.get("table_sha256"))):
            if name is not None and expected.setdefault(name, told) != told:
                raise Wrong(f"the manifest lists two files as {name!r}")
    actual = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for name, told in expected.items():
        if name not in actual:
            raise Wrong(f"the file {name!r} is missing")
        if actual[name] == told:
            continue
        other = next((one for one in expected if expected[one] == actual[name]), None)
        if other is not None and actual.get(other) == told:
            raise Wrong(f"{name!r} and {other!r} were swapped")
        if other is not None:
            raise Wrong(f"the file {name!r} was altered: it is a copy of {other!r}")
        if name in tables:
            name_line(tables[name], files[name], manifest["level"], numbers)
        raise Wrong(f"the file {name!r} was altered")
    more = sorted(name for name in files if name not in expected)
    if more:
        raise Wrong(f"the file {more[0]!r} is not in the manifest")
    good(
        f"{counted_as(len(expected), 'file')} as the manifest lists them: the index, and {counted_as(len(tables), 'volume')} of the register with a table each"
    )
    note(
        f"the PDFs bear an electronic seal, which programs that show them check; SHA-256 of its certificate: {manifest['certificate']}"
    )


def rows_of(content: bytes, level: str) -> list[list[str]] | None:
    """The lines of a table, None when it is no table of this level."""
    if b"\0" in content:
        return None  # Some versions of Python read on, others do not.
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows[1:] if rows and rows[0] == COLUMNS[level] else None


def marks_of(row: list[str], level: str, number: int | None = None) -> set[str]:
    """First eight hexadecimal digits of SHA-256 over the cells of a line with tabs between them; or of it under another number.

    An apostrophe before what could be a formula was put there, or somebody is called so: there may be more than one.
    """
    if len(row) != len(COLUMNS[level]):
        return set()
    cells = row if number is None else [str(number), *row[1:]]
    ways = [{cell, cell[1:]} if cell[:1] == "'" and cell[1:].startswith(FORMULA) else {cell} for cell in cells]
    lines = (unicodedata.normalize("NFC", "\t".join(way)) for way in itertools.product(*ways))
    return {hashlib.sha256(line.encode()).hexdigest()[:8] for line in lines}


def lines_of_volume(volume: dict[str, Any], numbers: list[int]) -> tuple[list[int], list[str]]:
    """The numbers that the lines of a volume must have, and their marks."""
    marks = volume["marks"]
    return numbers[volume["first"] - 1 : volume["last"]], [marks[at : at + 8] for at in range(0, len(marks), 8)]


def name_line(volume: dict[str, Any], content: bytes, level: str, numbers: list[int]) -> None:
    """Name the first line of an altered table that is not what it was, by the marks in the manifest. Raises Wrong if it is found."""
    name, rows = repr(volume["table"]), rows_of(content, level)
    if rows is None:
        return
    numbers, marks = lines_of_volume(volume, numbers)
    found = [marks_of(row, level) for row in rows]
    where = {mark: at for at, mark in enumerate(marks)}

    def holds(row: int, line: int) -> bool:
        return row < len(rows) and line < len(marks) and marks[line] in found[row]

    def holds_renumbered(row: int, line: int) -> bool:
        return row < len(rows) and line < len(marks) and marks[line] in marks_of(rows[row], level, numbers[line])

    at = next((one for one in range(max(len(rows), len(marks))) if not holds(one, one)), None)
    if at is None:
        raise Wrong(f"{name} was altered, and its lines were not: a program that opened it may have written it anew")
    if at == len(rows):
        raise Wrong(f"line {numbers[at]} was dropped from {name}")
    slipped_in = f"a line was slipped in {f'after {numbers[at - 1]}' if at else f'before {numbers[0]}'} of {name}"
    known = next((where[mark] for mark in found[at] if mark in where), None)
    if known is not None and known < at:
        raise Wrong(f"line {numbers[known]} stands twice in {name}")
    if known is not None and holds(known, at):
        raise Wrong(f"lines {numbers[at]} and {numbers[known]} of {name} were swapped")
    if known is not None:
        moved = any(marks[at] in one for one in found)
        raise Wrong(f"line {numbers[at]} {'was moved within' if moved else 'was dropped from'} {name}")
    if at == len(marks) or holds(at + 1, at):
        raise Wrong(slipped_in)
    if not holds(at + 1, at + 1) and len(rows) < len(marks) and holds_renumbered(at, at + 1):
        raise Wrong(f"line {numbers[at]} was dropped from {name}, and those after it were numbered anew")
    if not holds(at + 1, at + 1) and len(rows) > len(marks) and holds_renumbered(at + 1, at):
        raise Wrong(f"{slipped_in}, and those after it were numbered anew")
    raise Wrong(f"line {numbers[at]} of {name} was forged")


def check_table(volume: dict[str, Any], content: bytes, level: str, all_numbers: list[int], entries: list[int]) -> None:
    """Whether the lines of a table are those that have to be in it. Whoever signs the manifest could have put in others."""
    name, rows = repr(volume["table"]), rows_of(content, level)
    numbers, marks = lines_of_volume(volume, all_numbers)
    if rows is None:
        raise Wrong(f"{name} is no table of the level {level!r}")
    if len(rows) != len(numbers):
        raise Wrong(f"{name} has {counted_as(len(rows), 'line')}, and there have to be {len(numbers)}")
    for row, number, mark in zip(rows, numbers, marks):
        if row[:1] != [str(number)]:
            raise Wrong(f"{name} has a line {''.join(row[:1])!r} where line {number} has to be")
        if mark not in marks_of(row, level):
            raise Wrong(f"the mark of line {number} in the manifest is not that of the line in {name}")
        if level == "counts" and row[4] != str(entries[number - 1]):
            raise Wrong(
                f"line {number} of {name} has entry {row[4]!r}, and number {number} is entry {entries[number - 1]}"
            )


def check_counted(entries: list[int], size: int, log: Log, said: dict[int, str]) -> None:
    """Whether each entry of a bundle is a signature that counts under the bundle's own head; what became of them since is no fault."""
    lines = log.entries or []
    then: dict[int, str] = {}
    for index, line in enumerate(lines[:size]):
        kind, told = line.split(" ")
        then[index if kind == "S" else int(told)] = kind
    for entry in entries:
        if not lines[entry].startswith("S "):
            raise Wrong(f"entry {entry} of the log is no signature, and the bundle counts it as one")
        if then[entry] not in ("S", "R"):
            raise Wrong(f"the bundle counts entry {entry} of the log, which under its head is {SAID[then[entry]]}")
    good(
        f"{'its one entry' if len(entries) == 1 else f'all its {len(entries)} entries'} are signatures of the log that count under its head"
    )
    gone = sum(said[entry] not in ("S", "R") for entry in entries)
    if gone:
        note(
            f"{counted_as(gone, 'signature')} of them withdrawn or held back since: the ministry has to strike them out"
        )


def files_of(place: Path) -> dict[str, bytes]:
    """All files of a ZIP file or folder by their names. Raises CannotLook and Wrong."""
    found = unpacked_files(place) if is_folder(place) else packed_files(place)
    seen: dict[str, str] = {}
    for name, _content in found:
        # Many computers keep only one of two such files, and which of them differs.
        plain = name.rstrip("/").casefold()
        if plain in seen:
            raise Wrong(f"two files have one name: {seen[plain]!r} and {name!r}")
        seen[plain] = name
    return {name: content for name, content in found if content is not None}


def unpacked_files(place: Path) -> list[tuple[str, bytes | None]]:
    """Names in a folder, with contents for files and None for folders. A link shows others what is somewhere else."""
    found: list[tuple[str, bytes | None]] = []
    try:
        for path in sorted(place.rglob("*")):
            name, mode = path.relative_to(place).as_posix(), path.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise Wrong(f"{name!r} is neither a file nor a folder")
            found.append((name, read(path) if stat.S_ISREG(mode) else None))
    except OSError as error:
        raise CannotLook(f"{place}: {error.strerror}") from None
    return found


def packed_files(place: Path) -> list[tuple[str, bytes | None]]:
    """The same of a ZIP file, packed as ZIP files usually are: other ways are not at hand everywhere."""
    content = read(place)
    if content.startswith(b"age-encryption.org/"):
        raise CannotLook(f"{place} is encrypted: open it with age and your own key first")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in packed.infolist()):
                raise Wrong(f"{place} is packed in an unusual way")
            return [(one.filename, None if one.is_dir() else packed.read(one)) for one in packed.infolist()]
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
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
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal has no letters for is no reason to stop.
        stream.reconfigure(errors="backslashreplace")
    try:
        checked = check(asked)
        print(f"Everything that was checked of {checked} holds.")
    except Wrong as wrong:
        print(f"WRONG {wrong}.")
        return 1
    except CannotLook as error:
        print(f"Cannot look: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # Whatever nobody thought of is no verdict, and must not look like one.
        print(f"Cannot look: {type(error).__name__}", file=sys.stderr)
        return 2
    return 0


def check(asked: argparse.Namespace) -> str:
    """Do what the command line asks for. Returns what was checked."""
    if asked.command == "log":
        return check_and_save(asked)
    beside = read_log(asked.log) if asked.log else None
    if asked.command == "receipt":
        return check_receipt(asked.place, beside, asked.root_key)
    return check_bundle(asked.place, beside, asked.root_key)


def check_and_save(asked: argparse.Namespace) -> str:
    """Check a log, and keep a copy of it. A copy that is there already may be all that proves a fork: it is compared first."""
    found = read_log(asked.place)
    places = {asked.earlier} if asked.earlier else set()
    if asked.save is not None and any(os.path.lexists(asked.save / name) for name in ("heads.json", "entries.txt")):
        places.add(str(asked.save))
    check_log(found, asked.root_key, [read_earlier(place, asked.root_key) for place in sorted(places)])
    if asked.save is not None:
        save(found, asked.save)
    return f"the log of the petition {found.petition}"


if __name__ == "__main__":
    sys.exit(main())
