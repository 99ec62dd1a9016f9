"""Petitions as creators write them and signers meet them.

Drafts and versions of texts, routes, pictures, first signatories, breakdowns, milestones, news, reports, share cards,
and what keeps mailboxes from being flooded. All of it adds, but for the fallback addressee, which a draft may lack; code of
the revision before goes on working with petitions that are public.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
MOMENT = sa.DateTime(timezone=True)
ROLES = "zbor_web, zbor_console, zbor_worker"

PUBLIC = "EXISTS (SELECT FROM pub.petitions p WHERE p.id = {}.petition_id)"
VIEWS = {
    # Changed: columns are added at the end, so that code of the revision before finds what it knows.
    "petitions": """
        SELECT p.id, p.slug, p.kind,
               CASE WHEN p.state = 'open' AND p.closes_at <= now() THEN 'closed' ELSE p.state END AS state,
               p.fallback_addressee_id, p.opens_at, p.closes_at,
               coalesce((SELECT sum(t.total) FROM tallies t WHERE t.petition_id = p.id AND t.state = 'counted'), 0)::integer AS counted,
               p.min_age, p.thresholds, p.picture_id
        FROM petitions p
        WHERE p.state IN ('open', 'closed', 'archived') AND p.opens_at <= now()
    """,
    "petition_texts": f"""
        SELECT DISTINCT ON (t.petition_id, t.language)
               t.petition_id, t.language, t.version, t.title, t.summary, t.body_html, t.hash,
               t.demands, t.picture_alt, t.search, t.created_at
        FROM petition_texts t
        WHERE {PUBLIC.format("t")}
        ORDER BY t.petition_id, t.language, t.version DESC
    """,
    "petition_addressees": f"""
        SELECT pa.petition_id, a.id AS addressee_id, a.country_code, a.name_en, a.name_native, a.city, a.website, a.confidence
        FROM petition_addressees pa JOIN addressees a ON a.id = pa.addressee_id
        WHERE pa.removed_at IS NULL AND {PUBLIC.format("pa")}
    """,
    # New.
    "text_history": f"""
        SELECT t.petition_id, t.version, t.language, t.title, t.summary, t.body_html, t.demands, t.hash
        FROM petition_texts t WHERE {PUBLIC.format("t")}
    """,
    "text_versions": f"""
        SELECT v.petition_id, v.version, v.note, v.note_language, v.published_at
        FROM text_versions v WHERE {PUBLIC.format("v")}
    """,
    "pictures": """
        SELECT i.id, i.petition_id, i.width, i.height, i.content
        FROM pictures i WHERE EXISTS (SELECT FROM pub.petitions p WHERE p.picture_id = i.id)
    """,
    "share_cards": f"""
        SELECT c.petition_id, c.language, c.fingerprint, c.content FROM share_cards c WHERE {PUBLIC.format("c")}
    """,
    "petition_routes": f"""
        SELECT r.petition_id, r.country_code, r.addressee_id FROM petition_routes r WHERE {PUBLIC.format("r")}
    """,
    "first_signatories": f"""
        SELECT f.id, f.petition_id, f.position, f.name, f.role FROM first_signatories f WHERE {PUBLIC.format("f")}
    """,
    # Fewer than ten from one country could be told apart.
    "breakdowns": f"""
        SELECT b.petition_id, b.by, b.key, b.total FROM breakdowns b
        WHERE (b.total >= 10 OR b.by = 'day') AND b.total > 0 AND {PUBLIC.format("b")}
    """,
    "milestones": f"""
        SELECT m.petition_id, m.total, m.reached_at FROM milestones m WHERE {PUBLIC.format("m")}
    """,
    "news": f"""
        SELECT n.id, t.language, n.petition_id, n.published_at, t.title, t.body_html
        FROM news n JOIN news_texts t ON t.news_id = n.id
        WHERE n.state = 'published' AND {PUBLIC.format("n")}
    """,
    "taken_down": """
        SELECT p.slug, p.state, p.public_reason, p.state_changed_at FROM petitions p WHERE p.state IN ('rejected', 'hidden')
    """,
}
CHANGED = ("petitions", "petition_texts", "petition_addressees")
BEFORE = {
    "petitions": """
        SELECT p.id, p.slug, p.kind, p.state, p.fallback_addressee_id, p.opens_at, p.closes_at,
               coalesce((SELECT sum(t.total) FROM tallies t WHERE t.petition_id = p.id AND t.state = 'counted'), 0)::integer AS counted
        FROM petitions p
        WHERE p.state IN ('open', 'closed', 'archived') AND p.opens_at <= now()
    """,
    "petition_texts": """
        SELECT DISTINCT ON (t.petition_id, t.language)
               t.petition_id, t.language, t.version, t.title, t.summary, t.body_html, t.hash
        FROM petition_texts t
        WHERE EXISTS (SELECT FROM pub.petitions p WHERE p.id = t.petition_id)
        ORDER BY t.petition_id, t.language, t.version DESC
    """,
    "petition_addressees": """
        SELECT pa.petition_id, a.id AS addressee_id, a.country_code, a.name_en, a.name_native, a.city, a.website, a.confidence
        FROM petition_addressees pa JOIN addressees a ON a.id = pa.addressee_id
        WHERE EXISTS (SELECT FROM pub.petitions p WHERE p.id = pa.petition_id)
    """,
    "named_signers": """
        SELECT n.signature_id, n.petition_id, n.name
        FROM public_names n
        WHERE EXISTS (SELECT FROM pub.petitions p WHERE p.id = n.petition_id)
    """,
}

GRANTS = [
    "GRANT SELECT, INSERT, UPDATE ON drafts, text_versions, pictures, petition_routes, first_signatories, news, news_texts TO zbor_console",
    "GRANT DELETE ON drafts, petition_routes, first_signatories, news_texts, pictures TO zbor_console",
    "GRANT SELECT ON breakdowns, milestones, reports, share_cards, mailings TO zbor_console",
    "GRANT UPDATE (state, decided_by, decided_at) ON reports TO zbor_console",
    "GRANT INSERT (news_id) ON mailings TO zbor_console",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO zbor_console",
    "GRANT SELECT ON text_versions, petition_routes, pictures, first_signatories, news, news_texts TO zbor_worker",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON mailboxes, breakdowns, share_cards TO zbor_worker",
    "GRANT SELECT, INSERT ON milestones TO zbor_worker",
    # To write the file of names anew when some were taken out (VACUUM FULL); PostgreSQL has this right since 17.
    "GRANT MAINTAIN ON public_names TO zbor_worker",
    "GRANT SELECT, INSERT, DELETE ON reports TO zbor_worker",
    "GRANT SELECT, UPDATE ON mailings TO zbor_worker",
    "GRANT UPDATE (state, state_changed_at) ON petitions TO zbor_worker",
    "GRANT USAGE ON SEQUENCE reports_id_seq TO zbor_worker",
]


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("height", sa.SmallInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_pictures_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
    )
    op.create_index(op.f("ix_pictures_petition_id"), "pictures", ["petition_id"])

    op.add_column("petitions", sa.Column("state_changed_at", MOMENT, server_default=NOW, nullable=False))
    op.add_column("petitions", sa.Column("public_reason", sa.String(), server_default="", nullable=False))
    op.add_column("petitions", sa.Column("min_age", sa.SmallInteger()))
    op.add_column(
        "petitions", sa.Column("thresholds", sa.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("petitions", sa.Column("picture_id", sa.Uuid()))
    op.add_column("petitions", sa.Column("created_by", sa.Integer()))
    op.add_column("petitions", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
    op.create_foreign_key(op.f("fk_petitions_picture_id_pictures"), "petitions", "pictures", ["picture_id"], ["id"])
    op.create_foreign_key(op.f("fk_petitions_created_by_accounts"), "petitions", "accounts", ["created_by"], ["id"])
    op.alter_column("petitions", "fallback_addressee_id", nullable=True)
    op.execute(
        "UPDATE petitions SET opens_at = created_at WHERE opens_at IS NULL AND state NOT IN ('draft', 'review', 'rejected')"
    )
    op.execute("UPDATE petitions SET public_reason = '-' WHERE state IN ('rejected', 'hidden')")
    op.create_check_constraint(op.f("ck_petitions_min_age"), "petitions", "min_age BETWEEN 13 AND 21")
    op.create_check_constraint(
        op.f("ck_petitions_public_is_whole"),
        "petitions",
        "state IN ('draft', 'review', 'rejected') OR (fallback_addressee_id IS NOT NULL AND opens_at IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_petitions_taken_down_with_a_reason"),
        "petitions",
        "state NOT IN ('rejected', 'hidden') OR public_reason <> ''",
    )

    op.add_column("addressees", sa.Column("petition_id", sa.Integer()))
    op.alter_column("addressees", "lat", nullable=True)
    op.alter_column("addressees", "lon", nullable=True)
    op.create_foreign_key(
        op.f("fk_addressees_petition_id_petitions"),
        "addressees",
        "petitions",
        ["petition_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_addressees_petition_id"), "addressees", ["petition_id"])
    op.drop_constraint(op.f("uq_addressees_country_code"), "addressees")
    op.create_index(
        "uq_addressees_country_code",
        "addressees",
        ["country_code"],
        unique=True,
        postgresql_where=sa.text("petition_id IS NULL"),
    )

    op.add_column("petition_texts", sa.Column("demands", sa.String(), server_default="", nullable=False))
    op.add_column("petition_texts", sa.Column("picture_alt", sa.String(), server_default="", nullable=False))
    op.add_column("petition_texts", sa.Column("search", postgresql.TSVECTOR()))
    op.create_index("ix_petition_texts_search", "petition_texts", ["search"], postgresql_using="gin")
    op.add_column("petition_addressees", sa.Column("removed_at", MOMENT))
    op.add_column("signatures", sa.Column("wants_updates", sa.Boolean(), server_default="false", nullable=False))

    op.create_table(
        "drafts",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        *(
            sa.Column(name, sa.String(), server_default="", nullable=False)
            for name in ("title", "summary", "body", "demands", "picture_alt")
        ),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_by", sa.Integer()),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_drafts_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["updated_by"], ["accounts.id"], name=op.f("fk_drafts_updated_by_accounts")),
        sa.PrimaryKeyConstraint("petition_id", "language", name=op.f("pk_drafts")),
    )
    op.create_table(
        "text_versions",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column("note_language", sa.String(), server_default="en", nullable=False),
        sa.Column("published_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_text_versions_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("petition_id", "version", name=op.f("pk_text_versions")),
    )
    op.create_table(
        "petition_routes",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("addressee_id", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("country_code ~ '^[A-Z]{2}$'", name=op.f("ck_petition_routes_country_code")),
        sa.ForeignKeyConstraint(
            ["petition_id", "addressee_id"],
            ["petition_addressees.petition_id", "petition_addressees.addressee_id"],
            name=op.f("fk_petition_routes_petition_id_petition_addressees"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("petition_id", "country_code", name=op.f("pk_petition_routes")),
    )
    op.create_table(
        "first_signatories",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"],
            ["petitions.id"],
            name=op.f("fk_first_signatories_petition_id_petitions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_first_signatories")),
    )
    op.create_index(op.f("ix_first_signatories_petition_id"), "first_signatories", ["petition_id"])
    op.create_table(
        "mailboxes",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_hmac", sa.LargeBinary(), nullable=False),
        sa.Column("mails", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("mails_since", MOMENT, nullable=False),
        sa.Column("guesses", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("blocked_at", MOMENT),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_mailboxes_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("petition_id", "mailbox_hmac", name=op.f("pk_mailboxes")),
    )
    op.create_index(op.f("ix_mailboxes_seen_at"), "mailboxes", ["seen_at"])
    op.create_table(
        "breakdowns",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.CheckConstraint("by IN ('country', 'day')", name=op.f("ck_breakdowns_by")),
        sa.CheckConstraint("total >= 0", name=op.f("ck_breakdowns_not_negative")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_breakdowns_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "by", "key", name=op.f("pk_breakdowns")),
    )
    op.create_table(
        "milestones",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reached_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_milestones_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "total", name=op.f("pk_milestones")),
    )
    op.create_table(
        "news",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), server_default="draft", nullable=False),
        sa.Column("created_by", sa.Integer()),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("published_at", MOMENT),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('draft', 'review', 'published')", name=op.f("ck_news_state")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_news_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name=op.f("fk_news_created_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_news")),
    )
    op.create_index(op.f("ix_news_petition_id"), "news", ["petition_id"])
    op.create_table(
        "news_texts",
        sa.Column("news_id", sa.Uuid(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("body_html", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["news_id"], ["news.id"], name=op.f("fk_news_texts_news_id_news"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("news_id", "language", name=op.f("pk_news_texts")),
    )
    op.create_table(
        "mailings",
        sa.Column("news_id", sa.Uuid(), nullable=False),
        sa.Column("cursor", sa.Uuid()),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(["news_id"], ["news.id"], name=op.f("fk_mailings_news_id_news"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("news_id", name=op.f("pk_mailings")),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="new", nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("decided_by", sa.Integer()),
        sa.Column("decided_at", MOMENT),
        sa.CheckConstraint(
            "reason IN ('hate', 'danger', 'personal', 'untrue', 'spam', 'other')", name=op.f("ck_reports_reason")
        ),
        sa.CheckConstraint("state IN ('new', 'dismissed', 'acted')", name=op.f("ck_reports_state")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_reports_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["accounts.id"], name=op.f("fk_reports_decided_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index("ix_reports_waiting", "reports", ["petition_id"], postgresql_where=sa.text("state = 'new'"))
    op.create_table(
        "share_cards",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("drawn_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_share_cards_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("petition_id", "language", name=op.f("pk_share_cards")),
    )

    # What is there already: texts are first versions, residence decides as it did, and what is counted is broken down.
    op.execute(
        "INSERT INTO text_versions (petition_id, version, published_at)"
        " SELECT petition_id, version, min(created_at) FROM petition_texts GROUP BY 1, 2"
    )
    op.execute(
        "INSERT INTO petition_routes (petition_id, country_code, addressee_id, since)"
        " SELECT pa.petition_id, a.country_code, a.id, 'epoch' FROM petition_addressees pa"
        " JOIN addressees a ON a.id = pa.addressee_id WHERE a.country_code IS NOT NULL"
    )
    op.execute(
        "INSERT INTO breakdowns (petition_id, by, key, total)"
        " SELECT petition_id, 'country', country_code, count(*) FROM signatures WHERE state = 'counted' GROUP BY 1, 3"
        " UNION ALL SELECT petition_id, 'day', to_char(counted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), count(*)"
        " FROM signatures WHERE state = 'counted' GROUP BY 1, 3"
    )
    for name, query in VIEWS.items():
        op.execute(f"CREATE OR REPLACE VIEW pub.{name} WITH (security_barrier) AS {query}")
        op.execute(f"GRANT SELECT ON pub.{name} TO {ROLES}")
    for grant in GRANTS:
        op.execute(grant)


def downgrade() -> None:
    """Drafts, news, reports and all that only this revision knows are lost; petitions without a fallback addressee go."""
    for name in reversed(VIEWS):
        if name not in CHANGED:
            op.execute(f"DROP VIEW pub.{name}")
    op.execute("DROP VIEW pub.named_signers, pub.petition_addressees, pub.petition_texts, pub.petitions")
    op.execute("REVOKE UPDATE (state, state_changed_at) ON petitions FROM zbor_worker")
    op.execute("REVOKE MAINTAIN ON public_names FROM zbor_worker")
    op.execute(
        "DROP TABLE share_cards, reports, mailings, news_texts, news, milestones, breakdowns, mailboxes, first_signatories, petition_routes, text_versions, drafts"
    )
    op.drop_column("signatures", "wants_updates")
    op.drop_column("petition_addressees", "removed_at")
    for column in ("search", "picture_alt", "demands"):
        op.drop_column("petition_texts", column)
    op.execute("DELETE FROM petitions WHERE fallback_addressee_id IS NULL")
    op.execute(
        "DELETE FROM petition_addressees USING addressees a WHERE a.id = addressee_id AND a.petition_id IS NOT NULL"
    )
    op.execute("DELETE FROM addressees WHERE petition_id IS NOT NULL")
    op.drop_index("uq_addressees_country_code", "addressees")
    op.create_unique_constraint(op.f("uq_addressees_country_code"), "addressees", ["country_code"])
    op.drop_column("addressees", "petition_id")
    op.alter_column("addressees", "lat", nullable=False)
    op.alter_column("addressees", "lon", nullable=False)
    op.drop_constraint(op.f("ck_petitions_public_is_whole"), "petitions")
    op.drop_constraint(op.f("ck_petitions_taken_down_with_a_reason"), "petitions")
    op.alter_column("petitions", "fallback_addressee_id", nullable=False)
    for column in (
        "state_changed_at",
        "public_reason",
        "min_age",
        "thresholds",
        "picture_id",
        "created_by",
        "revision",
    ):
        op.drop_column("petitions", column)
    op.drop_table("pictures")
    for name, query in BEFORE.items():
        op.execute(f"CREATE VIEW pub.{name} WITH (security_barrier) AS {query}")
        op.execute(f"GRANT SELECT ON pub.{name} TO {ROLES}")
