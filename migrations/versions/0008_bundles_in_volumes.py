"""Bundles as frozen sets of lines, built volume by volume; letters; parts of downloads; what anybody may check.

The columns of a bundle that was built in one go are still there: 0009 drops them, once no process of before is left.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
STATES = "'requested', 'approved', 'building', 'ready', 'refused', 'failed'"
NEW_STATES = "'requested', 'approved', 'building', 'ready', 'refused', 'cancelled', 'failed', 'replaced', 'destroyed'"
ROLES = "zbor_web, zbor_console, zbor_worker"
# Never a name, nothing of a petition that is not public, and no hash of a table: of a short one it could be guessed who is in it.
VOLUMES = """
    SELECT 'ZB-' || upper(substr(b.id::text, 1, 4)) || '-' || upper(substr(b.id::text, 5, 4)) AS code,
           v.number, (SELECT count(*) FROM volumes w WHERE w.bundle_id = b.id AND w.number > 0)::integer AS volumes,
           v.file_hash, v.first, v.last, v.pages, p.slug, a.name_en AS ministry, a.name_native AS ministry_native,
           a.languages AS ministry_languages, b.level, b.signatures, b.cutoff_at, b.ready_at,
           h.size AS head_size, h.root AS head_root, h.signed_at AS head_signed_at,
           b.state = 'replaced' AS replaced,
           (SELECT count(*) FROM corrections c WHERE c.bundle_id = b.id)::integer AS struck
    FROM volumes v JOIN bundles b ON b.id = v.bundle_id JOIN addressees a ON a.id = b.addressee_id
         JOIN pub.petitions p ON p.id = b.petition_id
         LEFT JOIN tree_heads h ON h.petition_id = b.petition_id AND h.size = b.head_size
    WHERE b.state IN ('ready', 'replaced', 'destroyed') AND v.done_at IS NOT NULL
"""
GRANTS = [
    "GRANT SELECT ON volumes, corrections, download_parts TO zbor_console",
    "GRANT SELECT, INSERT ON letters TO zbor_console",
    "GRANT INSERT (level, letter_id) ON bundles TO zbor_console",
    # It says what it wishes; only the worker moves a bundle on.
    "GRANT UPDATE (wish, handed_over_on, handed_over_by) ON bundles TO zbor_console",
    "GRANT UPDATE (told_on) ON corrections TO zbor_console",
    "GRANT SELECT (in_log) ON signatures TO zbor_console",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON volumes, bundle_lines, download_parts, corrections TO zbor_worker",
    "GRANT INSERT ON bundles TO zbor_worker",
    "GRANT SELECT ON letters TO zbor_worker",
    "GRANT SELECT (id, age_recipients) ON accounts TO zbor_worker",
]


def upgrade() -> None:
    op.create_table(
        "letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("salutation", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("closing", sa.String(), nullable=False),
        sa.Column("signatory", sa.String(), nullable=False),
        sa.Column("reviewed_by", sa.String(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("kind IN ('cover', 'mp', 'follow_up', 'notice')", name=op.f("ck_letters_kind")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_letters_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name=op.f("fk_letters_created_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sa.UniqueConstraint(
            "petition_id", "kind", "language", "version", name=op.f("uq_letters_petition_id_kind_language_version")
        ),
    )
    op.add_column("accounts", sa.Column("age_recipients", sa.String(), server_default="", nullable=False))
    for column in (
        sa.Column("level", sa.String(), server_default="names", nullable=False),
        sa.Column("letter_id", sa.Uuid(), nullable=True),
        sa.Column("agreed_as", sa.Uuid(), nullable=True),
        sa.Column("wish", sa.String(), nullable=True),
        sa.Column("frozen_at", MOMENT, nullable=True),
        sa.Column("head_size", sa.Integer(), nullable=True),
        sa.Column("unlogged", sa.Integer(), nullable=True),
        sa.Column("out_of_space_at", MOMENT, nullable=True),
        sa.Column("manifest", sa.String(), nullable=True),
        sa.Column("handed_over_on", sa.Date(), nullable=True),
        sa.Column("handed_over_by", sa.Integer(), nullable=True),
    ):
        op.add_column("bundles", column)
    for name, table, columns, theirs in (
        ("letter_id_letters", "letters", ["letter_id"], ["id"]),
        ("agreed_as_bundles", "bundles", ["agreed_as"], ["id"]),
        ("handed_over_by_accounts", "accounts", ["handed_over_by"], ["id"]),
        ("petition_id_head_size_tree_heads", "tree_heads", ["petition_id", "head_size"], ["petition_id", "size"]),
    ):
        op.create_foreign_key(op.f(f"fk_bundles_{name}"), "bundles", table, columns, theirs)
    _build_anew()
    op.drop_constraint(op.f("ck_bundles_state"), "bundles")
    op.drop_constraint(op.f("ck_bundles_ready_is_whole"), "bundles")
    for name, condition in (
        ("state", f"state IN ({NEW_STATES})"),
        ("level", "level IN ('names', 'initials', 'counts')"),
        ("wish", "wish IN ('cancel', 'resume')"),
        (
            "ready_is_whole",
            "(state = 'ready') <= (row_key_id IS NOT NULL AND register_hash IS NOT NULL AND frozen_at IS NOT NULL)",
        ),
    ):
        op.create_check_constraint(op.f(f"ck_bundles_{name}"), "bundles", condition)
    op.create_table(
        "bundle_lines",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signature_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name=op.f("fk_bundle_lines_bundle_id_bundles")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_bundle_lines_signature_id_signatures")
        ),
        sa.PrimaryKeyConstraint("bundle_id", "number", name=op.f("pk_bundle_lines")),
    )
    op.create_index(op.f("ix_bundle_lines_signature_id"), "bundle_lines", ["signature_id"])
    op.create_table(
        "volumes",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), nullable=True),
        sa.Column("last", sa.Integer(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("content_hash", sa.String(), nullable=True),
        sa.Column("file_hash", sa.String(), nullable=True),
        sa.Column("stored_hash", sa.String(), nullable=True),
        sa.Column("marks", sa.String(), nullable=True),
        sa.Column("texts", JSONB(), nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.CheckConstraint("number >= 0 AND attempts >= 0", name=op.f("ck_volumes_numbers")),
        sa.CheckConstraint(
            "(done_at IS NULL) = (file_hash IS NULL) AND (done_at IS NULL) = (stored_hash IS NULL)",
            name=op.f("ck_volumes_done_is_whole"),
        ),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name=op.f("fk_volumes_bundle_id_bundles")),
        sa.PrimaryKeyConstraint("bundle_id", "number", name=op.f("pk_volumes")),
    )
    op.create_index(
        "ix_volumes_waiting", "volumes", ["bundle_id", "number"], postgresql_where=sa.text("done_at IS NULL")
    )
    op.create_index("ix_volumes_file_hash", "volumes", ["file_hash"])
    op.create_table(
        "corrections",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("found_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("told_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundles.id"], name=op.f("fk_corrections_bundle_id_bundles")),
        sa.PrimaryKeyConstraint("bundle_id", "number", name=op.f("pk_corrections")),
    )
    op.create_table(
        "download_parts",
        sa.Column("download_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("written_at", MOMENT, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["download_id"], ["downloads.id"], name=op.f("fk_download_parts_download_id_downloads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("download_id", "number", name=op.f("pk_download_parts")),
    )
    op.execute(f"CREATE VIEW pub.volumes WITH (security_barrier) AS {VOLUMES}")
    op.execute(f"GRANT SELECT ON pub.volumes TO {ROLES}")
    for grant in GRANTS:
        op.execute(grant)


def _build_anew() -> None:
    """What is ready, or half built, is built anew in the other way; nothing that was stored of it opens any more."""
    op.execute(
        "DELETE FROM answers WHERE event_id IN (SELECT d.id FROM downloads d JOIN bundles b ON b.id = d.bundle_id WHERE b.state = 'ready')"
    )
    op.execute(
        "WITH gone AS (UPDATE bundles b SET state = 'approved', step = NULL, leased_until = NULL, attempts = 0, signatures = NULL,"
        " pages = NULL, register_hash = NULL, file_hash = NULL, ready_at = NULL, row_key_id = NULL"
        " FROM bundles old WHERE old.id = b.id AND b.state IN ('building', 'ready') RETURNING old.row_key_id)"
        " DELETE FROM row_keys WHERE id IN (SELECT row_key_id FROM gone)"
    )


def downgrade() -> None:
    op.execute("DROP VIEW pub.volumes")
    _build_anew()
    op.execute("DELETE FROM answers WHERE event_id IN (SELECT id FROM downloads)")
    for name in ("download_parts", "corrections", "volumes", "bundle_lines"):
        op.drop_table(name)
    op.execute("UPDATE bundles SET state = 'failed' WHERE state IN ('cancelled', 'replaced', 'destroyed')")
    op.execute("REVOKE SELECT (in_log) ON signatures FROM zbor_console")
    op.execute("REVOKE INSERT ON bundles FROM zbor_worker")
    op.execute("REVOKE SELECT (id) ON accounts FROM zbor_worker")
    for name in ("state", "level", "wish", "ready_is_whole"):
        op.drop_constraint(op.f(f"ck_bundles_{name}"), "bundles")
    op.create_check_constraint(op.f("ck_bundles_state"), "bundles", f"state IN ({STATES})")
    op.create_check_constraint(
        op.f("ck_bundles_ready_is_whole"),
        "bundles",
        "(state = 'ready') <= (row_key_id IS NOT NULL AND file_hash IS NOT NULL)",
    )
    for name in (
        "level", "letter_id", "agreed_as", "wish", "frozen_at", "head_size", "unlogged", "out_of_space_at", "manifest", "handed_over_on", "handed_over_by",
    ):  # fmt: skip
        op.drop_column("bundles", name)
    op.drop_column("accounts", "age_recipients")
    op.drop_table("letters")
