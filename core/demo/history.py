"""More petitions for the demonstration, and a past for all of them: nobody waits seventy days to see a chart.

The signatures themselves are real: they come through the form, the worker and the mail. Only their days are moved.
"""

from __future__ import annotations

import hashlib
import random
import tomllib
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from markupsafe import Markup

from core.demo.stand import Stand
from core.typed import search_words

SAMPLE, CLOSED, LETTER = "no-recognition", "humanitarian-visas", "imprisoned-writers"
SHARES = {SAMPLE: 0.6, CLOSED: 0.22, LETTER: 0.18}
"""Which part of the signers signs which petition."""
DAYS = {SAMPLE: 70, CLOSED: 48, LETTER: 20}
"""How long ago each was opened."""


def add_petitions(stand: Stand) -> None:
    """Write the further petitions, with the addressees of the sample one. Does nothing the second time."""
    told = tomllib.loads((Path(__file__).parent / "history.toml").read_text(encoding="utf-8"))
    with stand.postgres.connect("postgres") as db:
        for slug, petition in told.items():
            row = db.execute(
                "INSERT INTO petitions (slug, kind, state, fallback_addressee_id, opens_at)"
                " SELECT %s, %s, 'open', fallback_addressee_id, now() FROM petitions WHERE slug = %s"
                " ON CONFLICT DO NOTHING RETURNING id",
                (slug, petition["kind"], SAMPLE),
            ).fetchone()
            if row is not None:
                _fill(db, int(str(row[0])), petition)


def _fill(db: psycopg.Connection[Any], number: int, petition: dict[str, Any]) -> None:
    db.execute(
        "INSERT INTO petition_addressees (petition_id, addressee_id) SELECT %s, addressee_id FROM petition_addressees"
        " WHERE petition_id = (SELECT id FROM petitions WHERE slug = %s)",
        (number, SAMPLE),
    )
    db.execute(
        "INSERT INTO petition_routes (petition_id, country_code, addressee_id) SELECT %s, country_code, addressee_id"
        " FROM petition_routes WHERE petition_id = (SELECT id FROM petitions WHERE slug = %s)",
        (number, SAMPLE),
    )
    db.execute("INSERT INTO text_versions (petition_id, version) VALUES (%s, 1)", (number,))
    for language, text in petition["texts"].items():
        body, demands = text["body"].strip(), "\n".join(text["demands"])
        whole = "\n".join((text["title"], text["summary"], body, "\x1e" + demands))
        db.execute(
            "INSERT INTO petition_texts (petition_id, language, title, summary, body_markdown, body_html, demands, hash, search)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, to_tsvector('simple', %s))",
            (
                number, language, text["title"], text["summary"], body, _paragraphs(body), demands,
                hashlib.sha256(whole.encode()).hexdigest(), search_words(whole),
            ),
        )  # fmt: skip
    for position, (name, role) in enumerate(petition.get("signatories", [])):
        db.execute(
            "INSERT INTO first_signatories (petition_id, position, name, role) VALUES (%s, %s, %s, %s)",
            (number, position, name, role),
        )


def _paragraphs(text: str) -> str:
    return "".join(str(Markup("<p>{}</p>\n").format(one)) for one in text.split("\n\n"))


def open_petitions(stand: Stand) -> dict[str, float]:
    """The petitions that can be signed, with the share of signers that each gets."""
    with stand.postgres.connect("postgres") as db:
        rows = db.execute("SELECT slug FROM petitions WHERE state = 'open'").fetchall()
    return {slug: share for slug, share in SHARES.items() if (slug,) in rows}


def tell_past(stand: Stand) -> None:
    """Spread what was counted over the days since each petition opened, close one, and tell news. Nothing the second time."""
    if CLOSED not in open_petitions(stand):
        return
    luck = random.Random(1918)
    told = tomllib.loads((Path(__file__).parent / "history.toml").read_text(encoding="utf-8"))
    with stand.postgres.connect("postgres") as db:
        for slug, days in DAYS.items():
            _spread(db, slug, days, luck)
            for language, text in told.get(slug, {}).get("news", {}).items():
                _tell(db, slug, language, text)
        db.execute(
            "UPDATE petitions SET state = 'closed', closes_at = now(), state_changed_at = now() WHERE slug = %s",
            (CLOSED,),
        )


def _spread(db: psycopg.Connection[Any], slug: str, days: int, luck: random.Random) -> None:
    """Most sign in the first days, and some whenever news comes."""
    (petition,) = db.execute("SELECT id FROM petitions WHERE slug = %s", (slug,)).fetchone() or (0,)
    db.execute("UPDATE petitions SET opens_at = now() - %s * interval '1 day' WHERE id = %s", (days, petition))
    counted = db.execute(
        "SELECT id FROM signatures WHERE petition_id = %s AND state = 'counted' ORDER BY id", (petition,)
    ).fetchall()
    peaks = [0, days // 2, days - 4]
    for (signature,) in counted:
        day = min(days - 1, luck.choices(peaks, (6, 3, 2))[0] + int(luck.expovariate(1 / (days / 9))))
        db.execute(
            "UPDATE signatures SET counted_at = counted_at - %(ago)s * interval '1 hour',"
            " received_at = received_at - %(ago)s * interval '1 hour' WHERE id = %(id)s",
            {"ago": (days - 1 - day) * 24 + luck.randrange(20), "id": signature},
        )
    db.execute("DELETE FROM breakdowns WHERE petition_id = %s AND by = 'day'", (petition,))
    db.execute(
        "INSERT INTO breakdowns (petition_id, by, key, total)"
        " SELECT petition_id, 'day', to_char(counted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*)"
        " FROM signatures WHERE petition_id = %s AND state = 'counted' GROUP BY 1, 3",
        (petition,),
    )
    db.execute("DELETE FROM arrivals WHERE petition_id = %s", (petition,))
    db.execute(
        "INSERT INTO arrivals (petition_id, day, state, total)"
        " SELECT petition_id, to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), state, count(*)"
        " FROM signatures WHERE petition_id = %s GROUP BY 1, 2, 3",
        (petition,),
    )
    # A milestone was reached when the signature of its number was counted.
    db.execute(
        "UPDATE milestones m SET reached_at = s.counted_at FROM"
        " (SELECT counted_at, row_number() OVER (ORDER BY counted_at, id) AS place FROM signatures"
        "  WHERE petition_id = %(petition)s AND state = 'counted') s"
        " WHERE m.petition_id = %(petition)s AND m.total = s.place",
        {"petition": petition},
    )


def _tell(db: psycopg.Connection[Any], slug: str, language: str, text: dict[str, str]) -> None:
    """One piece of news, in one language more each time; its mails are the worker's."""
    (petition,) = db.execute("SELECT id FROM petitions WHERE slug = %s", (slug,)).fetchone() or (0,)
    row = db.execute("SELECT id FROM news WHERE petition_id = %s", (petition,)).fetchone()
    news = row[0] if row else uuid4()
    if row is None:
        db.execute(
            "INSERT INTO news (id, petition_id, state, published_at) VALUES (%s, %s, 'published', now())",
            (news, petition),
        )
        db.execute("INSERT INTO mailings (news_id) VALUES (%s)", (news,))
    db.execute(
        "INSERT INTO news_texts (news_id, language, title, body, body_html) VALUES (%s, %s, %s, %s, %s)",
        (news, language, text["title"], text["body"], _paragraphs(text["body"])),
    )
