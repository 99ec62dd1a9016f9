"""The tables of the spine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_accounts_email_lower")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_accounts_email")),
    )
    op.create_table(
        "addressees",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=True),
        sa.Column("name_en", sa.String(), nullable=False),
        sa.Column("name_native", sa.String(), nullable=False),
        sa.Column("short_name", sa.String(), nullable=False),
        sa.Column("minister_title_en", sa.String(), nullable=False),
        sa.Column("salutation_native", sa.String(), nullable=False),
        sa.Column("street_address", sa.String(), nullable=False),
        sa.Column("postal_code", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("languages", sa.String(), nullable=False),
        sa.Column("website", sa.String(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("confidence", sa.String(), nullable=False),
        sa.Column("notes", sa.String(), nullable=False),
        sa.CheckConstraint("confidence IN ('high', 'medium', 'low')", name=op.f("ck_addressees_confidence")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addressees")),
        sa.UniqueConstraint("code", name=op.f("uq_addressees_code")),
        sa.UniqueConstraint("country_code", name=op.f("uq_addressees_country_code")),
    )
    op.create_table(
        "answers",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_answers")),
    )
    op.create_index(op.f("ix_answers_expires_at"), "answers", ["expires_at"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.String(), server_default="new", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("drained_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('new', 'done', 'unreadable', 'failed')", name=op.f("ck_inbox_state")),
        sa.CheckConstraint("octet_length(sealed) <= 16384", name=op.f("ck_inbox_size")),
        sa.CheckConstraint("kind ~ '^[a-z_]{1,32}$'", name=op.f("ck_inbox_kind")),
        sa.CheckConstraint("state <> 'new' OR sealed IS NOT NULL", name=op.f("ck_inbox_waiting_is_whole")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
    )
    op.create_index(
        "ix_inbox_waiting", "inbox", ["received_at"], unique=False, postgresql_where=sa.text("state = 'new'")
    )
    op.create_table(
        "mail_pace",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_mail_pace_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_pace")),
    )
    op.create_table(
        "row_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_row_keys")),
    )
    op.create_table(
        "sealing_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("root_signature", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("purpose IN ('worker', 'recovery')", name=op.f("ck_sealing_keys_purpose")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sealing_keys")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("row_key_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(), server_default="queued", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("smtp_status", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed')", name=op.f("ck_outbox_state")),
        sa.ForeignKeyConstraint(
            ["row_key_id"], ["row_keys.id"], name=op.f("fk_outbox_row_key_id_row_keys"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_due", "outbox", ["due_at"], unique=False, postgresql_where=sa.text("state = 'queued'"))
    op.create_index(op.f("ix_outbox_row_key_id"), "outbox", ["row_key_id"], unique=False)
    op.create_table(
        "petitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), server_default="petition", nullable=False),
        sa.Column("state", sa.String(), server_default="draft", nullable=False),
        sa.Column("fallback_addressee_id", sa.Integer(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('petition', 'open_letter')", name=op.f("ck_petitions_kind")),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_petitions_slug")),
        sa.CheckConstraint(
            "state IN ('draft', 'review', 'open', 'closed', 'archived', 'rejected', 'hidden')",
            name=op.f("ck_petitions_state"),
        ),
        sa.ForeignKeyConstraint(
            ["fallback_addressee_id"], ["addressees.id"], name=op.f("fk_petitions_fallback_addressee_id_addressees")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_petitions")),
        sa.UniqueConstraint("slug", name=op.f("uq_petitions_slug")),
    )
    op.create_table(
        "bundles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("addressee_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), server_default="requested", nullable=False),
        sa.Column("requested_by", sa.Integer(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("cutoff_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("signatures", sa.Integer(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("register_hash", sa.String(), nullable=True),
        sa.Column("row_key_id", sa.Uuid(), nullable=True),
        sa.Column("file_hash", sa.String(), nullable=True),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'ready') <= (row_key_id IS NOT NULL AND file_hash IS NOT NULL)",
            name=op.f("ck_bundles_ready_is_whole"),
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'building', 'ready', 'refused', 'failed')",
            name=op.f("ck_bundles_state"),
        ),
        sa.ForeignKeyConstraint(["addressee_id"], ["addressees.id"], name=op.f("fk_bundles_addressee_id_addressees")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_bundles_petition_id_petitions")),
        sa.ForeignKeyConstraint(["requested_by"], ["accounts.id"], name=op.f("fk_bundles_requested_by_accounts")),
        sa.ForeignKeyConstraint(
            ["row_key_id"], ["row_keys.id"], name=op.f("fk_bundles_row_key_id_row_keys"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundles")),
    )
    op.create_index(
        "ix_bundles_unfinished",
        "bundles",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('approved', 'building')"),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=True),
        sa.Column("country_code", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('organiser', 'coordinator', 'reviewer', 'administrator')", name=op.f("ck_grants_role")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_grants_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_grants_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.UniqueConstraint(
            "account_id",
            "role",
            "petition_id",
            "country_code",
            name=op.f("uq_grants_account_id_role_petition_id_country_code"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_grants_petition_id"), "grants", ["petition_id"], unique=False)
    op.create_table(
        "petition_addressees",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("addressee_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["addressee_id"], ["addressees.id"], name=op.f("fk_petition_addressees_addressee_id_addressees")
        ),
        sa.ForeignKeyConstraint(
            ["petition_id"],
            ["petitions.id"],
            name=op.f("fk_petition_addressees_petition_id_petitions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("petition_id", "addressee_id", name=op.f("pk_petition_addressees")),
    )
    op.create_table(
        "petition_texts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("body_markdown", sa.String(), nullable=False),
        sa.Column("body_html", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_petition_texts_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_petition_texts")),
        sa.UniqueConstraint(
            "petition_id", "version", "language", name=op.f("uq_petition_texts_petition_id_version_language")
        ),
    )
    op.create_table(
        "signatures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("addressee_id", sa.Integer(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("mailbox_hmac", sa.LargeBinary(), nullable=True),
        sa.Column("row_key_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'counted') <= (row_key_id IS NOT NULL AND counted_at IS NOT NULL)",
            name=op.f("ck_signatures_counted_is_whole"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'counted', 'duplicate', 'quarantined', 'rejected', 'withdrawn', 'expired')",
            name=op.f("ck_signatures_state"),
        ),
        sa.ForeignKeyConstraint(
            ["addressee_id"], ["addressees.id"], name=op.f("fk_signatures_addressee_id_addressees")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["inbox.id"], name=op.f("fk_signatures_event_id_inbox")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_signatures_petition_id_petitions")),
        sa.ForeignKeyConstraint(
            ["row_key_id"], ["row_keys.id"], name=op.f("fk_signatures_row_key_id_row_keys"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signatures")),
        sa.UniqueConstraint("event_id", name=op.f("uq_signatures_event_id")),
        sa.UniqueConstraint("row_key_id", name=op.f("uq_signatures_row_key_id")),
    )
    op.create_index("ix_signatures_mailbox", "signatures", ["petition_id", "mailbox_hmac"], unique=False)
    op.create_index(
        "ix_signatures_pending",
        "signatures",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_signatures_register", "signatures", ["petition_id", "addressee_id", "state"], unique=False)
    op.create_index(
        "uq_signatures_counted_mailbox",
        "signatures",
        ["petition_id", "mailbox_hmac"],
        unique=True,
        postgresql_where=sa.text("state = 'counted'"),
    )
    op.create_table(
        "tallies",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("addressee_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.CheckConstraint("total >= 0", name=op.f("ck_tallies_not_negative")),
        sa.ForeignKeyConstraint(["addressee_id"], ["addressees.id"], name=op.f("fk_tallies_addressee_id_addressees")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_tallies_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "addressee_id", "state", name=op.f("pk_tallies")),
    )
    op.create_table(
        "downloads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("answer_key", sa.String(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_downloads_account_id_accounts")),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name=op.f("fk_downloads_bundle_id_bundles")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_downloads")),
    )
    op.create_index(
        "ix_downloads_unanswered",
        "downloads",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("answered_at IS NULL"),
    )
    op.create_table(
        "public_names",
        sa.Column("signature_id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_public_names_petition_id_petitions")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_public_names_signature_id_signatures")
        ),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_public_names")),
    )
    op.create_index(op.f("ix_public_names_petition_id"), "public_names", ["petition_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_public_names_petition_id"), table_name="public_names")
    op.drop_table("public_names")
    op.drop_index("ix_downloads_unanswered", table_name="downloads", postgresql_where=sa.text("answered_at IS NULL"))
    op.drop_table("downloads")
    op.drop_table("tallies")
    op.drop_index(
        "uq_signatures_counted_mailbox", table_name="signatures", postgresql_where=sa.text("state = 'counted'")
    )
    op.drop_index("ix_signatures_register", table_name="signatures")
    op.drop_index("ix_signatures_pending", table_name="signatures", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("ix_signatures_mailbox", table_name="signatures")
    op.drop_table("signatures")
    op.drop_table("petition_texts")
    op.drop_table("petition_addressees")
    op.drop_index(op.f("ix_grants_petition_id"), table_name="grants")
    op.drop_table("grants")
    op.drop_index(
        "ix_bundles_unfinished", table_name="bundles", postgresql_where=sa.text("state IN ('approved', 'building')")
    )
    op.drop_table("bundles")
    op.drop_table("petitions")
    op.drop_index(op.f("ix_outbox_row_key_id"), table_name="outbox")
    op.drop_index("ix_outbox_due", table_name="outbox", postgresql_where=sa.text("state = 'queued'"))
    op.drop_table("outbox")
    op.drop_table("sealing_keys")
    op.drop_table("row_keys")
    op.drop_table("mail_pace")
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=sa.text("state = 'new'"))
    op.drop_table("inbox")
    op.drop_index(op.f("ix_answers_expires_at"), table_name="answers")
    op.drop_table("answers")
    op.drop_table("addressees")
    op.drop_table("accounts")
