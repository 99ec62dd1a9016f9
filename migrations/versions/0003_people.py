"""People who log in: second factors, sessions, invitations, approvals; the audit trail; signs of life.

All of it adds. Code of the revision before goes on working: it reads and writes none of the new columns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
MOMENT = sa.DateTime(timezone=True)

# Runs as its owner, because no role may write these columns itself. What is hashed is what core.audit.line_of puts together.
APPEND = """
CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head public.audit_head%ROWTYPE;
BEGIN
    SELECT * INTO STRICT head FROM public.audit_head FOR UPDATE;
    NEW.seq := head.seq + 1;
    NEW.at := clock_timestamp();
    NEW.via := session_user;
    NEW.hash := sha256(head.hash || convert_to(concat_ws(chr(31),
        NEW.seq::text, to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), NEW.via, coalesce(NEW.actor_id::text, ''),
        NEW.action, NEW.object_kind, NEW.object_id, coalesce(NEW.petition_id::text, ''), coalesce(NEW.country_code, ''), NEW.details
    ), 'UTF8'));
    UPDATE public.audit_head SET seq = NEW.seq, hash = NEW.hash;
    RETURN NEW;
END $$
"""

AUDIT_COLUMNS = "actor_id, action, object_kind, object_id, petition_id, country_code, details"
GRANTS = [
    "GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, passkeys, recovery_codes TO zbor_console",
    "GRANT SELECT, INSERT, UPDATE ON invitations TO zbor_console",
    "GRANT SELECT, INSERT ON approvals, spent_challenges TO zbor_console",
    "GRANT UPDATE (state, decided_by, decided_at, decision_reason, subject_id, due_at, done_at) ON approvals TO zbor_console",
    "GRANT SELECT, INSERT, DELETE ON account_requests TO zbor_console",
    "GRANT SELECT ON audit, vitals TO zbor_console",
    # What the console asks of the worker goes the way of everything: sealed, into the inbox.
    "GRANT INSERT (id, kind, petition_id, key_id, sealed) ON inbox TO zbor_console",
    f"GRANT INSERT ({AUDIT_COLUMNS}) ON audit TO zbor_console, zbor_worker",
    "GRANT SELECT ON audit, audit_head TO zbor_worker",
    "GRANT SELECT, INSERT, UPDATE ON vitals TO zbor_worker",
    "GRANT SELECT ON approvals TO zbor_worker",
    "GRANT SELECT (created_at), DELETE ON sessions, account_requests TO zbor_worker",
    "GRANT SELECT (spent_at), DELETE ON spent_challenges TO zbor_worker",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO zbor_console",
]


def upgrade() -> None:
    op.alter_column("accounts", "password_hash", nullable=True)
    op.add_column("accounts", sa.Column("language", sa.String(), server_default="en", nullable=False))
    op.add_column("accounts", sa.Column("enrolled_at", MOMENT))
    op.add_column(
        "accounts", sa.Column("user_handle", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    )
    op.create_unique_constraint(op.f("uq_accounts_user_handle"), "accounts", ["user_handle"])
    op.add_column("accounts", sa.Column("totp_sealed", sa.LargeBinary()))
    op.add_column("accounts", sa.Column("totp_last_step", sa.BigInteger()))
    op.add_column("accounts", sa.Column("devices_since", MOMENT, server_default=NOW, nullable=False))
    # An administrator of a part was never made by our code.
    op.create_check_constraint(
        op.f("ck_grants_administrators_are_whole"),
        "grants",
        "role <> 'administrator' OR (petition_id IS NULL AND country_code IS NULL)",
    )
    # Rows that are there came from the public web. From now on PostgreSQL writes who a row came from, and only it.
    op.add_column("inbox", sa.Column("origin", sa.String(), server_default="zbor_web", nullable=False))
    op.alter_column("inbox", "origin", server_default=sa.text("current_user"))

    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Integer()),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_invitations_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name=op.f("fk_invitations_created_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index(op.f("ix_invitations_account_id"), "invitations", ["account_id"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("seen_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("proved_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("challenge", sa.LargeBinary()),
        sa.Column("challenged_at", MOMENT),
        sa.Column("totp_pending", sa.LargeBinary()),
        sa.Column("invitation_id", sa.Uuid()),
        sa.CheckConstraint("method IN ('passkey', 'totp', 'recovery', 'invitation')", name=op.f("ck_sessions_method")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitations.id"], name=op.f("fk_sessions_invitation_id_invitations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"])
    op.create_table(
        "spent_challenges",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("spent_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_spent_challenges")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("used_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_passkeys_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index(op.f("ix_passkeys_account_id"), "passkeys", ["account_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("selector", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("used_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_recovery_codes_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        sa.UniqueConstraint("account_id", "selector", name=op.f("uq_recovery_codes_account_id_selector")),
    )
    op.create_table(
        "account_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_requests")),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("petition_id", sa.Integer()),
        sa.Column("country_code", sa.String()),
        sa.Column("subject_id", sa.Integer()),
        sa.Column("details", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("requested_by", sa.Integer()),
        sa.Column("requested_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(), server_default="pending", nullable=False),
        sa.Column("decided_by", sa.Integer()),
        sa.Column("decided_at", MOMENT),
        sa.Column("decision_reason", sa.String(), server_default="", nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("done_at", MOMENT),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'refused', 'withdrawn', 'expired')", name=op.f("ck_approvals_state")
        ),
        sa.CheckConstraint("decided_by <> requested_by", name=op.f("ck_approvals_two_people")),
        sa.CheckConstraint("decided_by <> subject_id", name=op.f("ck_approvals_not_about_oneself")),
        sa.CheckConstraint(
            "(state IN ('approved', 'refused')) = (decided_by IS NOT NULL)",
            name=op.f("ck_approvals_decided_by_somebody"),
        ),
        sa.CheckConstraint(
            "state <> 'refused' OR decision_reason <> ''", name=op.f("ck_approvals_refused_with_a_reason")
        ),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_approvals_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["accounts.id"], name=op.f("fk_approvals_subject_id_accounts")),
        sa.ForeignKeyConstraint(["requested_by"], ["accounts.id"], name=op.f("fk_approvals_requested_by_accounts")),
        sa.ForeignKeyConstraint(["decided_by"], ["accounts.id"], name=op.f("fk_approvals_decided_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(
        "uq_approvals_pending",
        "approvals",
        ["kind", "object_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_approvals_state", "approvals", ["state", "requested_at"])

    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.execute("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'))")
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Integer()),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=False),
        sa.Column("petition_id", sa.Integer()),
        sa.Column("country_code", sa.String()),
        sa.Column("details", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("action ~ '^[a-z_]+[.][a-z_]+$'", name=op.f("ck_audit_action")),
        sa.CheckConstraint("object_kind ~ '^[a-z_]*$' AND object_id !~ '[[:cntrl:]]'", name=op.f("ck_audit_object")),
        sa.CheckConstraint("details !~ '[[:cntrl:]]'", name=op.f("ck_audit_details")),
        sa.ForeignKeyConstraint(["actor_id"], ["accounts.id"], name=op.f("fk_audit_actor_id_accounts")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_actor", "audit", ["actor_id", "seq"])
    op.create_index("ix_audit_object", "audit", ["object_kind", "object_id", "seq"])
    op.execute(APPEND)
    op.execute("CREATE TRIGGER audit_append BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_append()")
    op.create_table(
        "vitals",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("measured_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_vitals")),
    )
    for grant in GRANTS:
        op.execute(grant)


def downgrade() -> None:
    """Whoever was invited and has no passphrase yet is lost, as is all that this revision added."""
    op.execute(
        "DROP TABLE vitals, audit, audit_head, approvals, account_requests, recovery_codes, passkeys, spent_challenges, sessions, invitations"
    )
    op.execute("DROP FUNCTION audit_append")
    op.execute("REVOKE INSERT (id, kind, petition_id, key_id, sealed) ON inbox FROM zbor_console")
    op.drop_column("inbox", "origin")
    op.drop_constraint(op.f("ck_grants_administrators_are_whole"), "grants")
    for column in ("language", "enrolled_at", "user_handle", "totp_sealed", "totp_last_step", "devices_since"):
        op.drop_column("accounts", column)
    op.execute(
        "DELETE FROM accounts a WHERE password_hash IS NULL AND NOT EXISTS (SELECT FROM bundles b WHERE b.requested_by = a.id)"
    )
    op.alter_column("accounts", "password_hash", nullable=False)
