"""Answers go with the record whose data they tell, and texts are found by each of their words.

An answer to "what do you hold about me" stayed readable for an hour after its signer had withdrawn. PostgreSQL's parser
kept "2020-2021", "und/oder" and "belsat.eu" as one word each, by which nobody searches.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


FOLDED = str.maketrans(
    {
        "ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ı": "i", "’": "'", "ʼ": "'",
        "\u00ad": "", "\u200d": "", "\ufe0e": "", "\ufe0f": "",
    }
)  # fmt: skip


def words(text: str) -> str:
    """`core.typed.search_words` as it was at this revision."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    kept = (
        char if char.isalnum() or unicodedata.category(char) in ("Mn", "Mc") else " " for char in bare.translate(FOLDED)
    )
    return " ".join("".join(kept).split())


def upgrade() -> None:
    op.add_column("answers", sa.Column("about", sa.Uuid(), nullable=True))
    op.create_index("ix_answers_about", "answers", ["about"], postgresql_where=sa.text("about IS NOT NULL"))
    # Which signature an event was about is for the worker alone.
    op.execute("REVOKE SELECT ON answers FROM zbor_web, zbor_console")
    op.execute("GRANT SELECT (event_id, sealed, expires_at) ON answers TO zbor_web, zbor_console")
    texts = (
        op.get_bind().execute(sa.text("SELECT id, title, summary, body_markdown, demands FROM petition_texts")).all()
    )
    again = sa.text("UPDATE petition_texts SET search = to_tsvector('simple', :words) WHERE id = :id")
    for number, *text in texts:
        op.get_bind().execute(again, {"id": number, "words": words(" ".join(text))})


def downgrade() -> None:
    """Texts are still found by the words that they are found by now."""
    op.execute("REVOKE SELECT (event_id, sealed, expires_at) ON answers FROM zbor_web, zbor_console")
    op.execute("GRANT SELECT ON answers TO zbor_web, zbor_console")
    op.drop_index("ix_answers_about", "answers")
    op.drop_column("answers", "about")
