"""Petitions on their way: a draft that lacks something, one in review, news and reports, written past all grants."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from PIL import Image

from tests.browser.petitions import BODY, DEMANDS, LONG_TITLE, SIGNATORIES

if TYPE_CHECKING:
    from tests.browser.conftest import Site

AUTHOR = "(SELECT id FROM accounts WHERE email = 'robot-coordinator@example.org')"
REVIEWER = "(SELECT id FROM accounts WHERE email = 'robot-reviewer@example.org')"


def fill(site: Site, shown: str) -> None:
    """Make `draft`, `in_review`, `draft_news` and `out_news`, and a report about the petition whose slug is `shown`."""
    known = site.addresses
    with site.database() as db:
        public = db.execute("SELECT id FROM petitions WHERE slug = %s", (shown,)).fetchone()
        assert public
        draft, review = _draft(db, "draft-letter"), _draft(db, "letter-in-review")
        db.execute("INSERT INTO drafts (petition_id, language, title) VALUES (%s, 'pl', 'Tytuł')", (draft,))
        _asked(db, draft, "refused", "The third sentence names somebody who is in danger.\nPlease take the name out.")
        db.execute("UPDATE petitions SET state = 'review' WHERE id = %s", (review,))
        _asked(db, review, "pending", "")
        for name, state in (("draft_news", "draft"), ("out_news", "published")):
            news = uuid4()
            db.execute(
                "INSERT INTO news (id, petition_id, state, published_at) VALUES (%s, %s, %s, now())",
                (news, public[0], state),
            )
            db.execute(
                "INSERT INTO news_texts VALUES (%s, 'en', 'Handed over in Warsaw', 'They took it.', '<p>They took it.</p>')",
                (news,),
            )
            known[name] = f"{known['console']}/petitions/{public[0]}/news/{news}"
        db.execute(
            "INSERT INTO drafts (petition_id, language, title, summary, body, demands) SELECT petition_id, language, title,"
            r" summary, regexp_replace(body_markdown, '(\w+) (\w+) (\w+)', '\1 «\2» \3, \3'), demands || E'\n' || title"
            " FROM petition_texts WHERE petition_id = %s AND language = 'be' ORDER BY version DESC LIMIT 1",
            public,
        )
        db.execute("INSERT INTO mailings (news_id, queued, finished_at) VALUES (%s, 12, now())", (news,))
        db.execute(
            "INSERT INTO reports (petition_id, reason, message, received_at) VALUES (%s, 'untrue', %s, now())",
            (public[0], "The third line says what nobody has seen. " * 8),
        )
    known["draft"] = f"{known['console']}/petitions/{draft}"
    known["in_review"] = f"{known['console']}/petitions/{review}"


def _draft(db: Any, slug: str) -> int:
    """An open letter to the ministries of the European Union, with all that one can have."""
    picture, out = uuid4(), BytesIO()
    Image.effect_noise((1200, 600), 40).convert("RGB").save(out, "JPEG")
    number = int(
        db.execute(
            "INSERT INTO petitions (slug, kind, state, fallback_addressee_id, thresholds, created_by)"
            f" SELECT %s, 'open_letter', 'draft', id, '{{1000, 10000}}', {AUTHOR} FROM addressees WHERE code = 'EU' RETURNING id",
            (slug,),
        ).fetchone()[0]
    )
    db.execute(
        "INSERT INTO drafts (petition_id, language, title, summary, body, demands, picture_alt) VALUES (%s, 'en', %s, 'In short.', %s, %s, 'Noise')",
        (number, LONG_TITLE, BODY, DEMANDS),
    )
    db.execute("INSERT INTO pictures VALUES (%s, %s, 1200, 600, %s)", (picture, number, out.getvalue()))
    db.execute("UPDATE petitions SET picture_id = %s WHERE id = %s", (picture, number))
    for position, (name, role) in enumerate(SIGNATORIES.items(), 1):
        db.execute(
            "INSERT INTO first_signatories (petition_id, position, name, role) VALUES (%s, %s, %s, %s)",
            (number, position, name, role),
        )
    db.execute(
        "INSERT INTO petition_addressees SELECT %s, id FROM addressees WHERE code IN ('EU', 'BE', 'PL', 'CH', 'IS')",
        (number,),
    )
    db.execute(
        "INSERT INTO petition_routes (petition_id, country_code, addressee_id)"
        " SELECT %s, unnest(CASE code WHEN 'CH' THEN ARRAY['CH', 'LI'] ELSE ARRAY[code] END), id FROM addressees WHERE code IN ('BE', 'PL', 'CH', 'IS')",
        (number,),
    )
    return number


def _asked(db: Any, petition: int, state: str, reason: str) -> None:
    decided = (f"{REVIEWER}, now()") if state == "refused" else "NULL, NULL"
    db.execute(
        "INSERT INTO approvals (id, kind, object_id, petition_id, details, reason, requested_by, expires_at, state, decision_reason,"
        f" decided_by, decided_at) SELECT gen_random_uuid(), 'petition_opening', %s, %s, '{{}}', 'Please hurry.', {AUTHOR},"
        f" now() + interval '1 day', %s, %s, {decided}",
        (str(petition), petition, state, reason),
    )
