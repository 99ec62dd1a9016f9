"""A search for words that must not lie anywhere: in files, in the database's tables, in any usual spelling."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

import redis
from psycopg import sql

from core.demo.stand import Stand

_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")
_MOST_INFLATED = 1 << 20
_OPEN_BUNDLES = {"a PDF": b"%PDF-1.", "a ZIP file": b"PK\x03\x04\x14\x00"}
"""How files begin that hold names in ways no search for bytes finds; at rest there must be none, whoever is in it."""


def spellings(word: str) -> dict[str, list[bytes]]:
    """How a word of ASCII can stand in bytes: each spelling by its name."""
    found: dict[str, list[bytes]] = {}
    for one in (word.lower(), word.upper()):
        # Without its last zero, UTF-16 is found in either order of bytes.
        texts = {"utf-8": one.encode(), "utf-16": one.encode("utf-16-le")[:-1]}
        for name, raw in texts.items():
            found.setdefault(name, []).append(raw)
            found.setdefault(f"hex of {name}", []).extend([raw.hex().encode(), raw.hex().upper().encode()])
            for shift in range(3):
                # Characters that also depend on what stands before or behind the word are left off.
                encoded = base64.b64encode(bytes(shift) + raw)
                middle = encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
                found.setdefault(f"base64 of {name}, shifted by {shift}", []).extend(
                    {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
                )
    return found


def find(word: str, data: bytes) -> set[str]:
    """Names of the spellings in which a word stands in these bytes, in zlib streams among them, too."""
    wanted = spellings(word)
    found = _plain(wanted, data)
    for start in _ZLIB.finditer(data):
        try:
            inflated = zlib.decompressobj().decompress(
                data[start.start() : start.start() + _MOST_INFLATED], _MOST_INFLATED
            )
        except zlib.error:
            continue
        found |= {f"zlib of {name}" for name in _plain(wanted, inflated)}
    return found


def _plain(wanted: Mapping[str, list[bytes]], data: bytes) -> set[str]:
    return {name for name, needles in wanted.items() if any(needle in data for needle in needles)}


def search(stand: Stand, word: str) -> list[str]:
    """Every place of a stand where a word, or an unsealed bundle, lies: `<place>: <spelling>`. Empty is good.

    Looked through is every file below the stand's folder (the database's cluster with its WAL and log, Valkey's dump,
    beat's schedule, sealed bundles, all logs), and each table's rows as text, because PostgreSQL may keep long rows
    compressed. Not looked through is the mail folder: what the catcher wrote there has left for the outside world.
    """
    with stand.postgres.connect("postgres") as db:
        db.execute("CHECKPOINT")
    valkey = redis.Redis.from_url(stand.valkey.url)
    # The dump would cut longer texts into pieces by its own compression.
    valkey.config_set("rdbcompression", "no")
    valkey.save()
    valkey.close()
    hits = []
    for path in sorted(stand.folder.rglob("*")):
        if path.is_file() and stand.mails not in path.parents:
            data = _read(path)
            found = sorted(find(word, data)) + [name for name, start in _OPEN_BUNDLES.items() if start in data]
            hits += [f"{path.relative_to(stand.folder)}: {name}" for name in found]
    for table, rows in _tables(stand):
        hits += [f"table {table}: {name}" for name in sorted(find(word, rows))]
    return hits


def plant(stand: Stand, word: str) -> list[str]:
    """Put a word into a table, the queue's server and a log, there in every spelling. Returns how its hits begin."""
    with stand.postgres.connect("postgres") as db:
        db.execute("CREATE TABLE planted (word text, long text)")
        # A row this long is compressed, and cannot be found in the files.
        db.execute("INSERT INTO planted VALUES (%s, repeat('-', 90) || repeat(%s, 900))", (word, f"{word} "))
    with redis.Redis.from_url(stand.valkey.url) as valkey:
        valkey.set("planted", word)
    lines = {name: needles[0] for name, needles in spellings(word).items()}
    lines |= {"zlib of utf-8": zlib.compress(word.upper().encode())}
    (stand.logs / "planted.log").write_bytes(b"\n".join(lines.values()))
    with ZipFile(stand.folder / "planted.zip", "w") as file:
        file.writestr("planted.txt", "planted")
    (stand.folder / "planted.pdf").write_bytes(b"%PDF-1.7")
    bundles = ("planted.zip: a ZIP file", "planted.pdf: a PDF")
    places = (
        *bundles,
        "postgres/data/base/",
        "postgres/data/pg_wal/",
        "valkey/dump.rdb: utf-8",
        "table public.planted: utf-8",
    )
    return [*places, *(f"logs/planted.log: {name}" for name in lines)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # PostgreSQL has recycled it meanwhile.


def _tables(stand: Stand) -> Iterator[tuple[str, bytes]]:
    with stand.postgres.connect("postgres") as db:
        names = db.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema'"
        ).fetchall()
        for schema, name in names:
            query = sql.SQL("COPY (SELECT t::text FROM {} t) TO STDOUT").format(sql.Identifier(str(schema), str(name)))
            with db.cursor().copy(query) as copy:
                yield f"{schema}.{name}", b"".join(bytes(chunk) for chunk in copy)
