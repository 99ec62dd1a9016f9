"""Pickets: cities, what the authority was told, participants and their shifts, papers, reports and photos."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
SEEN = "EXISTS (SELECT FROM pub.pickets p WHERE p.id = {}.picket_id)"
VIEWS = {
    "cities": "SELECT id, name, country_code, region, slug, near, lat, lon, timezone, population FROM cities",
    "city_names": "SELECT city_id, name FROM city_names",
    "pickets": """
        SELECT p.id, p.code, p.petition_id, p.city_id,
               CASE WHEN p.state = 'announced' AND p.ends_at <= now() THEN 'held' ELSE p.state END AS state,
               p.mode, p.title, p.language, p.alias, p.starts_at, p.ends_at,
               CASE WHEN p.place_shown = 'exact'
                      OR p.place_shown = 'late' AND p.state <> 'cancelled' AND p.starts_at - interval '24 hours' <= now()
                    THEN p.place END AS place,
               CASE WHEN p.place_shown = 'late' THEN p.starts_at - interval '24 hours' END AS place_from,
               p.place_shown, p.district, p.about, p.bring, p.access, p.announced_at, p.changed_at, p.cancelled_at,
               p.cancel_reason, p.cancel_note, p.sequence,
               (ARRAY[0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000])[1 + width_bucket(
                   (SELECT coalesce(sum(t.people), 0) FROM participants t WHERE t.picket_id = p.id AND t.state = 'coming')::integer,
                   ARRAY[5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000])] AS band,
               c.country_code, a.name_en AS ministry, a.name_native AS ministry_native, a.languages AS ministry_languages
        FROM pickets p JOIN cities c ON c.id = p.city_id JOIN addressees a ON a.id = p.addressee_id
        WHERE p.announced_at <= now() AND p.state IN ('announced', 'held', 'reported', 'cancelled')
          AND EXISTS (SELECT FROM pub.petitions q WHERE q.id = p.petition_id)
    """,
    "shifts": """
        SELECT s.id, s.picket_id, s.role, s.starts_at, s.ends_at, s.seats,
               (s.seats - (SELECT count(*) FROM shift_takers t WHERE t.shift_id = s.id))::integer AS free
        FROM shifts s
        WHERE EXISTS (SELECT FROM pub.pickets p WHERE p.id = s.picket_id AND p.state = 'announced')
    """,
    "picket_reports": f"""
        SELECT r.picket_id, r.headcount, r.sheets, r.signatures, r.summary, r.publish_at
        FROM picket_reports r WHERE r.publish_at <= now() AND {SEEN.format("r")}
    """,
    "photos": """
        SELECT f.id, f.picket_id, f.width, f.height, f.alt, f.created_at, f.content
        FROM photos f
        WHERE f.state = 'published' AND EXISTS (SELECT FROM pub.picket_reports r WHERE r.picket_id = f.picket_id)
    """,
}
ROLES = "zbor_web, zbor_console, zbor_worker"
GRANTS = [
    "GRANT SELECT, INSERT, UPDATE, DELETE ON cities, city_names TO zbor_console",
    "GRANT SELECT, INSERT, UPDATE ON pickets, assembly_notices, papers, picket_reports TO zbor_console",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON picket_organisers, shifts, photos TO zbor_console",
    "GRANT SELECT, INSERT ON broadcasts TO zbor_console",
    "GRANT SELECT ON shift_takers, broadcast_mails TO zbor_console",
    # When the hours of a shift move, whoever takes it confirms anew.
    "GRANT UPDATE (confirmed_at) ON shift_takers TO zbor_console",
    # How many come, and nothing of who.
    "GRANT SELECT (id, picket_id, state, people, joined_at) ON participants TO zbor_console",
    # How many mails have left.
    "GRANT SELECT (id, state) ON outbox TO zbor_console",
    "GRANT SELECT ON pickets, cities, assembly_notices, shifts, papers TO zbor_worker",
    "GRANT UPDATE (state, state_changed_at, announced_at, changed_at, purged_at) ON pickets TO zbor_worker",
    "GRANT UPDATE (state, revision, content, attempts, leased_until, drawn_at) ON papers TO zbor_worker",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON participants, shift_takers, broadcasts, broadcast_mails TO zbor_worker",
    # Whoever takes the last seat of a shift locks it, which PostgreSQL lets nobody do who may not change it.
    "GRANT UPDATE (seats) ON shifts TO zbor_worker",
    # To erase what nobody published in time; never to read what is on one.
    "GRANT SELECT (id, picket_id, state, created_at), DELETE ON photos TO zbor_worker",
]


def upgrade() -> None:
    op.create_table(
        "cities",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("near", sa.String(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("population", sa.Integer(), nullable=False),
        sa.CheckConstraint("country_code ~ '^[A-Z]{2}$'", name=op.f("ck_cities_country_code")),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_cities_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cities")),
        sa.UniqueConstraint("country_code", "slug", name=op.f("uq_cities_country_code_slug")),
    )
    op.create_table(
        "city_names",
        sa.Column("city_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["city_id"], ["cities.id"], name=op.f("fk_city_names_city_id_cities"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("city_id", "name", name=op.f("pk_city_names")),
    )
    op.create_index("ix_city_names_name", "city_names", ["name"], postgresql_ops={"name": "text_pattern_ops"})
    op.create_table(
        "pickets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("addressee_id", sa.Integer(), nullable=False),
        sa.Column("city_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), server_default="draft", nullable=False),
        sa.Column("state_changed_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("mode", sa.String(), server_default="static_assembly", nullable=False),
        sa.Column("title", sa.String(), server_default="", nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("district", sa.String(), server_default="", nullable=False),
        sa.Column("place_shown", sa.String(), server_default="exact", nullable=False),
        sa.Column("about", sa.String(), server_default="", nullable=False),
        sa.Column("bring", sa.String(), server_default="", nullable=False),
        sa.Column("access", sa.String(), server_default="", nullable=False),
        sa.Column("lawyer_phone", sa.String(), server_default="", nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("differs", sa.String(), server_default="", nullable=False),
        sa.Column("announce_at", MOMENT, nullable=True),
        sa.Column("announced_at", MOMENT, nullable=True),
        sa.Column("agreed_concerns", sa.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("cancelled_at", MOMENT, nullable=True),
        sa.Column("cancel_reason", sa.String(), server_default="", nullable=False),
        sa.Column("cancel_note", sa.String(), server_default="", nullable=False),
        sa.Column("sequence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("purged_at", MOMENT, nullable=True),
        sa.CheckConstraint("(state = 'cancelled') = (cancelled_at IS NOT NULL)", name=op.f("ck_pickets_cancelled")),
        sa.CheckConstraint(
            "cancel_reason IN ('', 'safety', 'permit', 'weather', 'organiser', 'other')", name=op.f("ck_pickets_reason")
        ),
        sa.CheckConstraint("code ~ '^[a-z0-9]{6}$'", name=op.f("ck_pickets_code")),
        sa.CheckConstraint(
            "ends_at > starts_at AND ends_at <= starts_at + interval '24 hours'",
            name=op.f("ck_pickets_ends_after_start"),
        ),
        sa.CheckConstraint(
            "mode IN ('static_assembly', 'petition_stand', 'single_person')", name=op.f("ck_pickets_mode")
        ),
        sa.CheckConstraint(
            "place_shown = 'exact' OR district <> ''", name=op.f("ck_pickets_district_where_place_is_hidden")
        ),
        sa.CheckConstraint("place_shown IN ('exact', 'late', 'district')", name=op.f("ck_pickets_place_shown")),
        sa.CheckConstraint(
            "state IN ('draft', 'review', 'notified', 'announced', 'held', 'reported', 'cancelled')",
            name=op.f("ck_pickets_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('announced', 'held', 'reported') OR announced_at IS NOT NULL",
            name=op.f("ck_pickets_announced"),
        ),
        sa.CheckConstraint("people BETWEEN 1 AND 100000", name=op.f("ck_pickets_people")),
        sa.ForeignKeyConstraint(["addressee_id"], ["addressees.id"], name=op.f("fk_pickets_addressee_id_addressees")),
        sa.ForeignKeyConstraint(["city_id"], ["cities.id"], name=op.f("fk_pickets_city_id_cities")),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name=op.f("fk_pickets_created_by_accounts")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_pickets_petition_id_petitions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pickets")),
        sa.UniqueConstraint("code", name=op.f("uq_pickets_code")),
    )
    op.create_index("ix_pickets_city_id", "pickets", ["city_id"])
    op.create_index(op.f("ix_pickets_petition_id"), "pickets", ["petition_id"])
    op.create_index("ix_pickets_when", "pickets", ["starts_at"])
    op.create_table(
        "assembly_notices",
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("route", sa.String(), server_default="", nullable=False),
        sa.Column("eligible", sa.String(), server_default="unsure", nullable=False),
        sa.Column("filed_at", MOMENT, nullable=True),
        sa.Column("receipt", sa.String(), server_default="", nullable=False),
        sa.Column("granted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("answer", sa.String(), server_default="", nullable=False),
        sa.Column("brief_read_at", MOMENT, nullable=True),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("eligible IN ('yes', 'no', 'unsure')", name=op.f("ck_assembly_notices_eligible")),
        sa.CheckConstraint(
            "route IN ('', 'simplified', 'spontaneous', 'urgent')", name=op.f("ck_assembly_notices_route")
        ),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_assembly_notices_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("picket_id", name=op.f("pk_assembly_notices")),
    )
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.Uuid(), nullable=True),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent", sa.Integer(), nullable=True),
        sa.Column("failed", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint("kind IN ('changed', 'cancelled', 'reminder')", name=op.f("ck_broadcasts_kind")),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_broadcasts_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
        sa.UniqueConstraint("picket_id", "kind", "sequence", name=op.f("uq_broadcasts_picket_id_kind_sequence")),
    )
    op.create_index("ix_broadcasts_open", "broadcasts", ["created_at"], postgresql_where=sa.text("finished_at IS NULL"))
    op.create_table(
        "papers",
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="wanted", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("wanted_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("drawn_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('wanted', 'ready', 'failed')", name=op.f("ck_papers_state")),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_papers_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("picket_id", "kind", name=op.f("pk_papers")),
    )
    op.create_index("ix_papers_wanted", "papers", ["wanted_at"], postgresql_where=sa.text("state = 'wanted'"))
    op.create_table(
        "participants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("people", sa.SmallInteger(), nullable=False),
        sa.Column("row_key_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("mailbox_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("network", sa.LargeBinary(), nullable=True),
        sa.Column("joined_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "mailbox_hmac IS NOT NULL OR state <> 'pending'", name=op.f("ck_participants_only_an_address_waits")
        ),
        sa.CheckConstraint("state IN ('pending', 'coming', 'left')", name=op.f("ck_participants_state")),
        sa.CheckConstraint("people BETWEEN 1 AND 20", name=op.f("ck_participants_people")),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_participants_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["row_key_id"], ["row_keys.id"], name=op.f("fk_participants_row_key_id_row_keys"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participants")),
        sa.UniqueConstraint("event_id", name=op.f("uq_participants_event_id")),
    )
    op.create_index("ix_participants_picket_id", "participants", ["picket_id", "state"])
    op.create_index(op.f("ix_participants_row_key_id"), "participants", ["row_key_id"])
    op.create_index(
        "uq_participants_coming",
        "participants",
        ["picket_id", "mailbox_hmac"],
        unique=True,
        postgresql_where=sa.text("state = 'coming' AND mailbox_hmac IS NOT NULL"),
    )
    op.create_table(
        "photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), server_default="private", nullable=False),
        sa.Column("width", sa.SmallInteger(), nullable=False),
        sa.Column("height", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("marks", sa.ARRAY(sa.SmallInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("alt", sa.String(), server_default="", nullable=False),
        sa.Column("uploaded_by", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(state = 'published') = (content IS NOT NULL)", name=op.f("ck_photos_in_the_clear_once_published")
        ),
        sa.CheckConstraint("(state = 'published') = (sealed IS NULL)", name=op.f("ck_photos_sealed_until_published")),
        sa.CheckConstraint("state IN ('private', 'review', 'published')", name=op.f("ck_photos_state")),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_photos_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["uploaded_by"], ["accounts.id"], name=op.f("fk_photos_uploaded_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    op.create_index(op.f("ix_photos_picket_id"), "photos", ["picket_id"])
    op.create_table(
        "picket_organisers",
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column("asked_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_picket_organisers_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_picket_organisers_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("picket_id", "account_id", name=op.f("pk_picket_organisers")),
    )
    op.create_index(op.f("ix_picket_organisers_account_id"), "picket_organisers", ["account_id"])
    op.create_table(
        "picket_reports",
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("headcount", sa.Integer(), nullable=False),
        sa.Column("sheets", sa.Integer(), nullable=False),
        sa.Column("signatures", sa.Integer(), nullable=False),
        sa.Column("summary", sa.String(), server_default="", nullable=False),
        sa.Column("incidents", sa.String(), server_default="", nullable=False),
        sa.Column("improve", sa.String(), server_default="", nullable=False),
        sa.Column("publish_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("headcount BETWEEN 0 AND 100000", name=op.f("ck_picket_reports_headcount")),
        sa.CheckConstraint(
            "sheets BETWEEN 0 AND 10000 AND signatures BETWEEN 0 AND 100000", name=op.f("ck_picket_reports_sheets")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name=op.f("fk_picket_reports_created_by_accounts")),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_picket_reports_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("picket_id", name=op.f("pk_picket_reports")),
    )
    op.create_table(
        "shifts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("picket_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("seats", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "role IN ('table', 'police', 'steward', 'photographer', 'scanner')", name=op.f("ck_shifts_role")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_shifts_ends_after_start")),
        sa.CheckConstraint("seats BETWEEN 1 AND 50", name=op.f("ck_shifts_seats")),
        sa.ForeignKeyConstraint(
            ["picket_id"], ["pickets.id"], name=op.f("fk_shifts_picket_id_pickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shifts")),
    )
    op.create_index(op.f("ix_shifts_picket_id"), "shifts", ["picket_id"])
    op.create_table(
        "broadcast_mails",
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("broadcast_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["broadcast_id"],
            ["broadcasts.id"],
            name=op.f("fk_broadcast_mails_broadcast_id_broadcasts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("mail_id", name=op.f("pk_broadcast_mails")),
    )
    op.create_index(op.f("ix_broadcast_mails_broadcast_id"), "broadcast_mails", ["broadcast_id"])
    op.create_table(
        "shift_takers",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("taken_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participants.id"],
            name=op.f("fk_shift_takers_participant_id_participants"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shift_id"], ["shifts.id"], name=op.f("fk_shift_takers_shift_id_shifts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shift_id", "participant_id", name=op.f("pk_shift_takers")),
    )
    op.create_index(op.f("ix_shift_takers_participant_id"), "shift_takers", ["participant_id"])
    op.drop_constraint(op.f("ck_outbox_state"), "outbox")
    op.create_check_constraint(op.f("ck_outbox_state"), "outbox", "state IN ('queued', 'sent', 'failed', 'dropped')")

    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW pub.{name} WITH (security_barrier) AS {query}")
        op.execute(f"GRANT SELECT ON pub.{name} TO {ROLES}")
    for grant in GRANTS:
        op.execute(grant)


def downgrade() -> None:
    """Nothing of those who came is left, nor what was asked for pickets that are no more."""
    op.execute("DELETE FROM outbox WHERE template LIKE 'picket\\_%'")
    op.execute("DELETE FROM answers WHERE about IN (SELECT id FROM participants UNION ALL SELECT id FROM pickets)")
    op.execute("DELETE FROM row_keys WHERE id IN (SELECT row_key_id FROM participants)")
    op.execute(
        "UPDATE inbox SET state = 'unreadable', sealed = NULL, drained_at = now()"
        " WHERE kind IN ('join', 'join_confirm', 'attend', 'shift_list') AND sealed IS NOT NULL"
    )
    op.execute("DELETE FROM approvals WHERE kind IN ('picket', 'photo')")
    op.execute("UPDATE outbox SET state = 'failed' WHERE state = 'dropped'")
    op.drop_constraint(op.f("ck_outbox_state"), "outbox")
    op.create_check_constraint(op.f("ck_outbox_state"), "outbox", "state IN ('queued', 'sent', 'failed')")
    op.execute("REVOKE SELECT (id, state) ON outbox FROM zbor_console")
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW pub.{name}")
    for name in (
        "shift_takers", "broadcast_mails", "shifts", "picket_reports", "picket_organisers", "photos", "participants", "papers", "broadcasts", "assembly_notices", "pickets", "city_names", "cities",
    ):  # fmt: skip
        op.drop_table(name)
