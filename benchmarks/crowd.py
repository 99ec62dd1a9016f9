"""People who sign, for the benchmark: forms as browsers send them, signatures that are stored already, a backlog for the workers."""

from __future__ import annotations

import base64
import hmac
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import psycopg
from altcha import Challenge, Payload, solve_challenge
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from core.config import Role, read_config
from core.daykeys import day_key
from core.demo.embedded import StandError
from core.demo.signers import make_signers
from core.demo.stand import Stand
from core.factory import create_base_app
from core.keys import new_sealing_key, read_signing_key, write_secret
from core.sealing import Recipient, context, seal
from petitions import signals

PETITION = "no-recognition"
PROOFS = 100
"""Solved challenges of a run. Only the worker sees to it that each counts once, and it does not run meanwhile."""
LARGE_PROVIDERS = ("gmail.com", "proton.me", "outlook.com", "wp.pl", "gmx.de", "seznam.cz", "inbox.lt", "yahoo.com")


@contextmanager
def as_web(stand: Stand) -> Iterator[None]:
    """Inside a process of the public site, with its Redis."""
    app = create_base_app(read_config(Role.PUBLIC, stand.environment("public")))
    with app.app_context():
        yield


def petition_of(stand: Stand) -> tuple[int, dict[str, str]]:
    """Number of the petition and the hash of its English text."""
    with stand.postgres.connect("postgres") as db:
        row = db.execute(
            "SELECT p.id, t.hash FROM petitions p JOIN petition_texts t ON t.petition_id = p.id AND t.language = 'en'"
            " WHERE slug = %s ORDER BY t.version DESC LIMIT 1",
            (PETITION,),
        ).fetchone()
    if row is None:
        raise StandError("The sample petition is not there.")
    return int(str(row[0])), {"text_hash": str(row[1])}


def solved_proofs(stand: Stand, petition: int) -> list[str]:
    """Proofs of work of this petition. They are as good as any, but took a single try."""
    tries, signals.TRIES = signals.TRIES, range(1, 2)
    try:
        with as_web(stand):
            made = [signals.new_challenge(petition, flooded=False) or {} for _ in range(PROOFS)]
    finally:
        signals.TRIES = tries
    proofs = []
    for one in made:
        challenge = Challenge.from_dict(dict(one))
        solution = solve_challenge(challenge)
        if solution is None:
            raise StandError("A challenge was not solved.")
        proofs.append(Payload(challenge, solution).to_base64())
    return proofs


def write_forms(stand: Stand, path: Path, number: int, hidden: dict[str, str], proofs: list[str]) -> None:
    """So many filled-in forms, one a line: each opened half a minute ago, each with a proof if there are any."""
    shown_at = int(time.time()) - 30
    with as_web(stand):
        key = day_key("form", datetime.fromtimestamp(shown_at, UTC).date(), signals.FORM_HOURS)
    if key is None:
        raise StandError("Valkey is away.")
    with path.open("w", encoding="ascii") as file:
        for line in range(number):
            event = uuid4()
            mark = hmac.digest(key, b"%d|%s" % (shown_at, event.bytes), "sha256")[:16].hex()
            form = {
                "event_id": str(event), **hidden, "routes_hash": "", "shown": f"{shown_at}.{mark}",
                "proof": proofs[line % len(proofs)] if proofs else "", "name": f"Вольга {event.hex[:8]}",
                "email": f"volha.{event.hex[:12]}@example.org", "country": "PL", "city": "Białystok", "website": "",
                "visibility": "ministry",
            }  # fmt: skip
            file.write(urlencode(form) + "\n")


def store_signatures(stand: Stand, petition: int, number: int) -> None:
    """As if so many had signed and confirmed: rows as the worker leaves them, in all the tables that hold one for each.

    What is sealed in them is bytes of the right size, which nobody opens here.
    """
    with stand.postgres.connect("postgres") as db:
        db.execute("SET synchronous_commit = off")
        for start in range(0, number, 50_000):
            db.execute(_STORE, {"petition": petition, "number": min(50_000, number - start)})
        db.execute(
            "INSERT INTO tallies SELECT petition_id, addressee_id, 'counted', count(*) FROM signatures"
            " WHERE petition_id = %(p)s AND state = 'counted' GROUP BY 1, 2"
            " ON CONFLICT (petition_id, addressee_id, state) DO UPDATE SET total = excluded.total",
            {"p": petition},
        )
        for by, key in (("country", "country_code"), ("day", "to_char(counted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')")):
            db.execute(
                f"INSERT INTO breakdowns SELECT petition_id, '{by}', {key}, count(*) FROM signatures"  # noqa: S608  # Words of ours.
                " WHERE petition_id = %(p)s AND state = 'counted' GROUP BY 1, 3"
                " ON CONFLICT (petition_id, by, key) DO UPDATE SET total = excluded.total",
                {"p": petition},
            )
        for command in ("VACUUM (ANALYZE)", "CHECKPOINT"):
            db.execute(command)


_STORE = """
    WITH made AS MATERIALIZED (
        SELECT gen_random_uuid() AS event, gen_random_uuid() AS id, gen_random_uuid() AS row_key,
               now() - random() * interval '60 days' AS came, random() AS luck,
               decode(repeat(md5(random()::text || n), 67), 'hex') AS piece
        FROM generate_series(1, %(number)s) n
    ), key AS (SELECT id FROM sealing_keys WHERE purpose = 'worker' LIMIT 1),
    events AS (
        INSERT INTO inbox (id, kind, petition_id, key_id, sealed, received_at, state, drained_at, origin)
        SELECT event, 'sign', %(petition)s, (SELECT id FROM key), NULL, came, 'done', came, 'zbor_web' FROM made RETURNING id
    ), row_keys AS (
        INSERT INTO row_keys (id, sealed) SELECT row_key, substr(piece, 1, 158) FROM made RETURNING id
    ), mailboxes AS (
        INSERT INTO mailboxes (petition_id, mailbox_hmac, mails, mails_since, seen_at)
        SELECT %(petition)s, substr(piece, 1, 32), 1, came, came FROM made
    ), signatures AS (
        INSERT INTO signatures (id, event_id, petition_id, addressee_id, country_code, state, mailbox_hmac, row_key_id, sealed, received_at, counted_at)
        SELECT made.id, event, %(petition)s, (SELECT addressee_id FROM petition_routes WHERE petition_id = %(petition)s AND country_code = 'PL'),
               'PL', 'counted', substr(piece, 1, 32), row_key, substr(piece, 1, 1052), came, came
        FROM made, (SELECT count(*) FROM events) e, (SELECT count(*) FROM row_keys) k RETURNING id
    )
    INSERT INTO public_names (signature_id, petition_id, name)
    SELECT made.id, %(petition)s, 'Вольга Вераб’ёва' FROM made, (SELECT count(*) FROM signatures) s WHERE luck < 0.2
"""


def seal_backlog(stand: Stand, petition: int, number: int) -> None:
    """Put events of so many people into the inbox, as the site would have: over a fortnight, in which no worker ran.

    Names in nine languages, most mailboxes at large providers and the rest at domains of their own, some homes with one
    network, one in twenty without a script.
    """
    luck = random.Random(1863)
    with stand.postgres.connect("postgres") as db:
        routes: dict[Any, Any] = dict(
            db.execute("SELECT country_code, addressee_id FROM petition_routes WHERE petition_id = %s", (petition,))
        )
        (fallback,) = db.execute(
            "SELECT fallback_addressee_id FROM petitions WHERE id = %s", (petition,)
        ).fetchone() or (0,)
        (now,) = db.execute("SELECT now()").fetchone() or (None,)
        key_id, public_key = _older_key(stand, db)
        db.execute("UPDATE petitions SET opens_at = now() - interval '20 days' WHERE id = %s", (petition,))
        text = db.execute(
            "SELECT version, hash FROM petition_texts WHERE petition_id = %s AND language = 'en'", (petition,)
        )
        version, text_hash = text.fetchone() or (1, "")
        sealed_to = [Recipient(key_id, public_key)]
        people = [one for one in make_signers(number * 3 // 2, "backlog", luck) if one.kind == "honest"][:number]
        networks = [os.urandom(8).hex() for _ in range(number // 3)]
        with db.cursor().copy(
            "COPY inbox (id, kind, petition_id, key_id, sealed, received_at, state, origin) FROM STDIN"
        ) as copy:
            for place, one in enumerate(people):
                event = uuid4()
                domain = (
                    luck.choice(LARGE_PROVIDERS) if luck.random() < 0.9 else f"d{luck.randrange(number)}.example.org"
                )
                script = luck.random() < 0.95
                payload = {
                    "v": 1, "name": one.name, "email": f"{one.email.partition('@')[0]}.{place}@{domain}",
                    "country": one.country, "city": one.city, "addressee_id": routes.get(one.country, fallback), "of_age": False,
                    "text": {"version": version, "language": "en", "hash": text_hash},
                    "consent": {"ministry": one.visibility != "counted", "public": one.visibility == "public", "updates": one.updates, "hash": "0" * 64},
                    "visibility": one.visibility, "language": "en",
                    "signals": {
                        "network": luck.choice(networks), "proof": "solved" if script else "none",
                        "proof_id": os.urandom(16).hex() if script else None, "form": "known",
                        "seconds": luck.randrange(20, 400), "trap": False,
                    },
                    "salt": base64.b64encode(os.urandom(32)).decode(),
                }  # fmt: skip
                came = now - timedelta(seconds=(number - place) * 14 * 86_400 / number)  # type: ignore[operator]  # A moment.
                sealed = seal(payload, sealed_to, context("sign", petition, event))
                copy.write_row((event, "sign", petition, key_id, sealed, came, "new", "zbor_web"))


def _older_key(stand: Stand, db: psycopg.Connection[Any]) -> tuple[UUID, X25519PublicKey]:
    """A worker's key that was in force when they signed."""
    now = datetime.now(UTC).replace(microsecond=0)
    root = read_signing_key(stand.secrets / "root" / "root.key")
    row, private = new_sealing_key(root, "worker", now - timedelta(days=20), now + timedelta(days=10))
    write_secret(stand.secrets / "worker" / "sealing" / f"{row['id']}.key", private)
    columns = f"({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})"
    db.execute(f"INSERT INTO sealing_keys {columns}", list(row.values()))
    return row["id"], X25519PublicKey.from_public_bytes(row["public_key"])


def waiting(stand: Stand) -> int:
    """Events that no worker has dealt with."""
    with stand.postgres.connect("postgres") as db:
        row = db.execute("SELECT count(*) FROM inbox WHERE state = 'new'").fetchone()
    return int(str(row[0] if row else 0))


def outcomes(stand: Stand, known: int) -> dict[str, int]:
    """How many signatures are in which state, without those that were stored before."""
    with stand.postgres.connect("postgres") as db:
        found = {
            str(row[0]): int(str(row[1])) for row in db.execute("SELECT state, count(*) FROM signatures GROUP BY 1")
        }
    found["counted"] = found.get("counted", 0) - known
    return {state: number for state, number in found.items() if number}
