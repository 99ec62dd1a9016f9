"""Petitions that take months to become what they show here, and one of each state, written past all grants."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import psycopg
from PIL import Image, ImageOps

from core.merkle import TILE, entry, leaf_hash, root_of
from core.typed import search_words
from petitions.texts import render_markdown, text_hash

Database = psycopg.Connection[Any]

NAMED = 205
"""Signers by name: a page of the list holds 200."""
BY_COUNTRY = {"PL": 1200, "DE": 140, "LT": 90, "GE": 37, "US": 11, "GB": 4}
HEADS = 25
"""Signed heads of the log: a page of them holds 10."""
REASON = "It names people who are in danger. The creators may write it anew without these names."
LONG_TITLE = (
    "To the ministries of all countries whose citizens know an Unabhängigkeitserklärungsunterzeichnungsfeierlichkeit:"
    " let nobody who fled be sent back, and let all of us keep our papers until the year 2030"
)
"""200 letters."""
BODY = """Dear Minister,

we live in your country because we could not stay in ours. **Please do not forget it.**

## What we saw

> They came at four in the morning.

* They took the papers.
* They took the telephones.
"""
DEMANDS = "Speak of the prisoners at every meeting.\nIssue papers to those whose embassy refuses them."
SIGNATORIES = {
    "Вольга Вераб’ёва": "writer, Vilnius", "Jan Kowalski-Wiśniewski": "", "ნინო ბერიძე": "historian", "Alaksiej Doŭhi": "former prisoner",
    "Maximiliana von und zu Hohenschwangau-Wolfratshausen": "Professor of International Law",
}  # fmt: skip


def add_petition(db: Database, slug: str, titles: dict[str, str], state: str = "open", **changes: Any) -> int:
    """A petition to Poland, Lithuania and the European Union, opened a hundred days ago, with a text in each language."""
    values = {"slug": slug, "state": state, **changes}
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    petition = _one(
        db,
        f"INSERT INTO petitions ({names}, fallback_addressee_id, opens_at, state_changed_at, created_at)"
        f" SELECT {marks}, id, now() - interval '100 days', now() - interval '3 days', now() - interval '100 days'"
        " FROM addressees WHERE code = 'EU' RETURNING id",
        *values.values(),
    )
    db.execute(
        "INSERT INTO petition_addressees SELECT %s, id FROM addressees WHERE code IN ('PL', 'LT', 'EU')", (petition,)
    )
    db.execute(
        "INSERT INTO petition_routes (petition_id, country_code, addressee_id)"
        " SELECT %s, country_code, id FROM addressees WHERE code IN ('PL', 'LT')",
        (petition,),
    )
    for language, title in titles.items():
        add_text(db, petition, language, title)
    return petition


def add_text(db: Database, petition: int, language: str, title: str, version: int = 1, demands: str = "") -> None:
    """A published text."""
    summary = f"A summary of version {version}."
    db.execute(
        "INSERT INTO text_versions (petition_id, version, note, published_at) VALUES (%s, %s, %s, now() - interval '9 days')"
        " ON CONFLICT DO NOTHING",
        (petition, version, "A second demand was added." if version > 1 else ""),
    )
    db.execute(
        "INSERT INTO petition_texts (petition_id, version, language, title, summary, body_markdown, body_html, demands, picture_alt,"
        " hash, search) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, to_tsvector('simple', %s))",
        (
            petition, version, language, title, summary, BODY, render_markdown(BODY), demands, "A square full of people at dusk",
            text_hash(title, summary, BODY, demands + language), search_words(f"{title} {summary} {BODY} {demands}"),
        ),
    )  # fmt: skip


def add_everything(db: Database) -> None:
    """An open letter that has every part a petition can have, changed once and signed by many."""
    titles = {"en": "Papers for those who cannot go home", "be": "Дакументы тым, хто не можа вярнуцца дадому"}
    petition = add_petition(db, "everything", titles, kind="open_letter", min_age=16, thresholds=[1500, 4000])
    for language, title in titles.items():
        add_text(db, petition, language, title, 2, DEMANDS)
    db.execute("UPDATE petitions SET closes_at = now() + interval '40 days' WHERE id = %s", (petition,))
    picture = uuid4()
    db.execute(
        "INSERT INTO pictures (id, petition_id, width, height, content) VALUES (%s, %s, 1200, 800, %s)",
        (picture, petition, picture_of_nothing()),
    )
    db.execute("UPDATE petitions SET picture_id = %s WHERE id = %s", (picture, petition))
    for position, (name, role) in enumerate(SIGNATORIES.items()):
        db.execute(
            "INSERT INTO first_signatories (petition_id, position, name, role) VALUES (%s, %s, %s, %s)",
            (petition, position, name, role),
        )
    add_news(db, petition, {"en": "The ministry has answered", "be": "Міністэрства адказала"}, "12 days")
    add_news(db, petition, {"en": "A thousand signatures"}, "30 days")
    _add_signatures(db, petition)
    _add_log(db, petition)
    _add_held(db, petition)


def add_news(db: Database, petition: int, titles: dict[str, str], ago: str) -> UUID:
    """A published piece of news. Returns its number."""
    news = uuid4()
    db.execute(
        "INSERT INTO news (id, petition_id, state, published_at) VALUES (%s, %s, 'published', now() - %s::interval)",
        (news, petition, ago),
    )
    body = "They will *look into it*, and write to us **in autumn**."
    for language, title in titles.items():
        db.execute(
            "INSERT INTO news_texts (news_id, language, title, body, body_html) VALUES (%s, %s, %s, %s, %s)",
            (news, language, title, body, render_markdown(body)),
        )
    return news


def _add_signatures(db: Database, petition: int) -> None:
    """Signatures that nobody could open, because nobody will have to, with all that is counted of them."""
    for country, number in BY_COUNTRY.items():
        db.execute(
            "CREATE TEMPORARY TABLE made AS"
            " SELECT gen_random_uuid() AS event, gen_random_uuid() AS key, gen_random_uuid() AS signature, n FROM generate_series(1, %s) n",
            (number,),
        )
        db.execute(
            "INSERT INTO inbox (id, kind, key_id, state) SELECT event, 'sign', (SELECT id FROM sealing_keys LIMIT 1), 'done' FROM made"
        )
        db.execute("INSERT INTO row_keys (id, sealed) SELECT key, '' FROM made")
        db.execute(
            "INSERT INTO signatures (id, event_id, petition_id, addressee_id, country_code, state, row_key_id, received_at, counted_at)"
            " SELECT signature, event, p.id, coalesce(r.addressee_id, p.fallback_addressee_id), %(country)s, 'counted', key,"
            "  now() - interval '90 days', now() - (3 + n * 37 %% 77) * interval '1 day'"
            " FROM made, petitions p LEFT JOIN petition_routes r ON r.petition_id = p.id AND r.country_code = %(country)s"
            " WHERE p.id = %(petition)s",
            {"petition": petition, "country": country},
        )
        db.execute("DROP TABLE made")
    here = "FROM signatures WHERE petition_id = %s GROUP BY 1, 2, 3"
    db.execute(f"INSERT INTO tallies SELECT petition_id, addressee_id, state, count(*) {here}", (petition,))
    db.execute(f"INSERT INTO breakdowns SELECT petition_id, 'country', country_code, count(*) {here}", (petition,))
    day = "to_char(counted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    db.execute(f"INSERT INTO breakdowns SELECT petition_id, 'day', {day}, count(*) {here}", (petition,))
    db.execute(
        "INSERT INTO public_names SELECT id, petition_id, CASE WHEN n %% 3 = 0 THEN 'В. В.' ELSE 'Świętosława Przykładowa ' || n END"
        " FROM (SELECT id, petition_id, row_number() OVER () AS n FROM signatures WHERE petition_id = %s LIMIT %s) s",
        (petition, NAMED),
    )
    for number, step in enumerate((1000, 500, 200, 100, 50, 20, 10)):
        db.execute(
            "INSERT INTO milestones VALUES (%s, %s, now() - %s * interval '9 days')", (petition, step, number + 1)
        )


def _add_log(db: Database, petition: int) -> None:
    """A log of these signatures in twenty-five steps, and of two more: one was withdrawn, one is held back."""
    counted = "SELECT id, row_number() OVER (ORDER BY id) - 1 AS at FROM signatures WHERE petition_id = %s"
    db.execute(
        f"UPDATE signatures s SET leaf_index = at, in_log = true FROM ({counted}) n WHERE n.id = s.id", (petition,)
    )
    signers = sum(BY_COUNTRY.values())
    entries: list[tuple[str, bytes | None, int | None]] = [("S", commitment(at), None) for at in range(signers + 2)]
    entries += [("W", None, signers), ("Q", None, signers + 1)]
    leaves = [leaf_hash(entry(*one)) for one in entries]
    with db.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO leaves VALUES (%s, %s, %s, %s, %s)", [(petition, at, *one) for at, one in enumerate(entries)]
        )
        tiles = [root_of(leaves[at : at + TILE]) for at in range(0, len(leaves) - TILE + 1, TILE)]
        cursor.executemany("INSERT INTO tiles VALUES (%s, %s, %s)", [(petition, *one) for one in enumerate(tiles)])
        steps = [*range(60, 60 * HEADS, 60), len(leaves)]
        cursor.executemany(
            "INSERT INTO tree_heads SELECT %s, %s, %s, %s, now() - %s * interval '1 day', id, '' FROM sealing_keys WHERE purpose = 'log'",
            [
                (petition, size, root_of(leaves[:size]), min(size, signers), 3 * (HEADS - number))
                for number, size in enumerate(steps)
            ],
        )


def _add_held(db: Database, petition: int) -> None:
    """A flood with one mail domain that is going on, three others that are held back, and what was decided about some."""
    burst = _one(
        db,
        "INSERT INTO bursts (petition_id, kind, key, domain, since, last_at, seen, swept)"
        " VALUES (%s, 'domain', 'k', 'cheap-mailboxes.example', now() - interval '2 hours', now(), 61, true) RETURNING id",
        petition,
    )
    reviewer = "(SELECT id FROM accounts WHERE email = 'robot-reviewer@example.org')"
    decided = {}
    for kind, state in (("release", "done"), ("reject", "done"), ("reject", "waiting")):
        decided[kind, state] = _one(
            db,
            "INSERT INTO decisions (id, petition_id, kind, reason, burst_id, total, state, requested_by, done_at) SELECT gen_random_uuid(),"
            f" %s, %s, 'domain_burst', %s, 7, %s, {reviewer}, CASE WHEN %s = 'done' THEN now() - interval '1 hour' END RETURNING id",
            petition, kind, burst, state, state,
        )  # fmt: skip
    _hold(db, petition, 54, ["domain_burst", "no_proof"], burst_id=burst)
    _hold(db, petition, 3, ["trap"], provider="gmail.com", country_code="PL", confirmed=True)
    _hold(db, petition, 7, ["domain_burst"], "counted", burst_id=burst, decision_id=decided["release", "done"])
    _hold(db, petition, 7, ["domain_burst"], "rejected", burst_id=burst, decision_id=decided["reject", "done"])
    _hold(db, petition, 7, ["domain_burst"], burst_id=burst, decision_id=decided["reject", "waiting"])
    days = "to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    db.execute(
        f"INSERT INTO arrivals SELECT petition_id, {days}, state, count(*) FROM signatures WHERE petition_id = %s GROUP BY 1, 2, 3",
        (petition,),
    )


def _hold(
    db: Database, petition: int, number: int, reasons: list[str], state: str = "quarantined", **held: Any
) -> None:
    """Signatures with what is noted of those that are, or were, held back."""
    values = {"country_code": "DE", "provider": None, "confirmed": False, "reasons": reasons, "score": 80, **held}
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    for _ in range(number):
        event, key, signature = uuid4(), uuid4(), uuid4()
        db.execute("INSERT INTO row_keys (id, sealed) VALUES (%s, '')", (key,))
        db.execute(
            "INSERT INTO inbox (id, kind, key_id, state) SELECT %s, 'sign', id, 'done' FROM sealing_keys LIMIT 1",
            (event,),
        )
        db.execute(
            "INSERT INTO signatures (id, event_id, petition_id, addressee_id, country_code, state, row_key_id, received_at, counted_at)"
            " SELECT %s, %s, id, fallback_addressee_id, %s, %s, %s, now() - interval '3 hours', CASE WHEN %s = 'counted' THEN now() END"
            " FROM petitions WHERE id = %s",
            (signature, event, values["country_code"], state, key, state, petition),
        )
        db.execute(
            f"INSERT INTO holds (signature_id, petition_id, hour, {names}) VALUES (%s, %s, date_trunc('hour', now()), {marks})",
            (signature, petition, *values.values()),
        )


def commitment(index: int) -> bytes:
    """What leaf of that number commits to, as nobody could open it."""
    return hashlib.sha256(f"leaf {index}".encode()).digest()


def picture_of_nothing() -> bytes:
    """A JPEG file, from dark blue to red."""
    content = BytesIO()
    ImageOps.colorize(Image.linear_gradient("L").resize((1200, 800)), "#14223c", "#c8324b").save(content, "JPEG")
    return content.getvalue()


def add_all(db: Database) -> None:
    """Everything of this module."""
    with db.transaction():
        add_everything(db)
        add_petition(db, "bare", {"en": "Short"})
        add_petition(db, "long", {"en": LONG_TITLE})
        add_petition(db, "hidden", {"en": "Hidden"}, "hidden", public_reason=REASON)
        add_petition(db, "rejected", {"en": "Rejected"}, "rejected", public_reason=REASON)


def _one(db: Database, statement: str, *values: object) -> Any:
    row = db.execute(statement, values).fetchone()
    assert row
    return row[0]
