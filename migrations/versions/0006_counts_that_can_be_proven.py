"""What is noticed about signatures and decided about them, their arrival by day, and the log that proves the count.

One mailbox may be two people's, where the petition says so: the index that decides who is counted has a seat more. Going
down fails while two of one mailbox are counted, for then the older rule is broken already.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
PUBLIC = "EXISTS (SELECT FROM pub.petitions p WHERE p.id = {}.petition_id)"
VIEWS = {
    "intake": """
        SELECT q.id AS petition_id, q.per_mailbox,
               EXISTS (SELECT FROM bursts b WHERE b.petition_id = q.id AND b.ended_at IS NULL) AS flooded
        FROM petitions q WHERE EXISTS (SELECT FROM pub.petitions p WHERE p.id = q.id)
    """,
    "arrivals": f"SELECT a.petition_id, a.day, a.state, a.total FROM arrivals a WHERE a.total > 0 AND {PUBLIC.format('a')}",
    "leaves": f"SELECT l.petition_id, l.index, l.kind, l.commitment, l.about FROM leaves l WHERE {PUBLIC.format('l')}",
    "tiles": f"SELECT t.petition_id, t.number, t.root FROM tiles t WHERE {PUBLIC.format('t')}",
    "tree_heads": f"""
        SELECT h.petition_id, h.size, h.root, h.counted, h.signed_at, h.key_id, h.signature
        FROM tree_heads h WHERE {PUBLIC.format("h")}
    """,
}
ROLES = "zbor_web, zbor_console, zbor_worker"
GRANTS = [
    "GRANT SELECT, INSERT, UPDATE, DELETE ON traces, sightings, bursts, holds, arrivals, spent_proofs TO zbor_worker",
    "GRANT SELECT, INSERT, UPDATE ON logs TO zbor_worker",
    # Append-only: not even the worker can change what the log says.
    "GRANT SELECT, INSERT ON leaves, tiles, tree_heads TO zbor_worker",
    "GRANT SELECT ON decisions TO zbor_worker",
    "GRANT UPDATE (state, done_at) ON decisions TO zbor_worker",
    "GRANT USAGE ON SEQUENCE bursts_id_seq TO zbor_worker",
    "GRANT SELECT ON holds, arrivals TO zbor_console",
    # Not the key: the console need not tell one network from another.
    "GRANT SELECT (id, petition_id, kind, domain, since, last_at, seen, swept, ended_at) ON bursts TO zbor_console",
    "GRANT UPDATE (decision_id) ON holds TO zbor_console",
    "GRANT SELECT, INSERT ON decisions TO zbor_console",
    "GRANT UPDATE (state, decided_at, undone_by) ON decisions TO zbor_console",
]


def upgrade() -> None:
    op.drop_constraint(op.f("ck_sealing_keys_purpose"), "sealing_keys")
    op.create_check_constraint(
        op.f("ck_sealing_keys_purpose"), "sealing_keys", "purpose IN ('worker', 'recovery', 'log')"
    )
    op.create_table(
        "spent_proofs",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("spent_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spent_proofs")),
    )
    op.create_index(op.f("ix_spent_proofs_spent_at"), "spent_proofs", ["spent_at"])
    op.create_table(
        "arrivals",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.CheckConstraint("total >= 0", name=op.f("ck_arrivals_not_negative")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_arrivals_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "day", "state", name=op.f("pk_arrivals")),
    )
    op.create_table(
        "bursts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("domain", sa.String(), nullable=True),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("swept", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint("kind IN ('network', 'domain')", name=op.f("ck_bursts_kind")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_bursts_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bursts")),
    )
    op.create_index(
        "uq_bursts_going_on",
        "bursts",
        ["petition_id", "kind", "key"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "leaves",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=True),
        sa.Column("about", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "CASE WHEN kind = 'S' THEN commitment IS NOT NULL AND octet_length(commitment) = 32 AND about IS NULL ELSE commitment IS NULL AND about IS NOT NULL AND about < index END",
            name=op.f("ck_leaves_whole"),
        ),
        sa.CheckConstraint("kind IN ('S', 'W', 'Q', 'R')", name=op.f("ck_leaves_kind")),
        sa.CheckConstraint("index >= 0", name=op.f("ck_leaves_index")),
        sa.ForeignKeyConstraint(
            ["petition_id", "about"],
            ["leaves.petition_id", "leaves.index"],
            name=op.f("fk_leaves_petition_id_about_leaves"),
        ),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_leaves_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "index", name=op.f("pk_leaves")),
    )
    op.create_index(
        "ix_leaves_about", "leaves", ["petition_id", "about"], postgresql_where=sa.text("about IS NOT NULL")
    )
    op.create_table(
        "logs",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("waiting_since", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_logs_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", name=op.f("pk_logs")),
    )
    op.create_table(
        "sightings",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_sightings_petition_id_petitions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("petition_id", "kind", "key", "hour", name=op.f("pk_sightings")),
    )
    op.create_index(op.f("ix_sightings_hour"), "sightings", ["hour"])
    op.create_table(
        "tiles",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_tiles_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "number", name=op.f("pk_tiles")),
    )
    op.create_table(
        "tree_heads",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["sealing_keys.id"], name=op.f("fk_tree_heads_key_id_sealing_keys")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_tree_heads_petition_id_petitions")),
        sa.PrimaryKeyConstraint("petition_id", "size", name=op.f("pk_tree_heads")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("burst_id", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("requested_by", sa.Integer(), nullable=True),
        sa.Column("requested_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('release', 'reject')", name=op.f("ck_decisions_kind")),
        sa.CheckConstraint(
            "state IN ('waiting', 'ready', 'done', 'undo', 'undone', 'refused')", name=op.f("ck_decisions_state")
        ),
        sa.ForeignKeyConstraint(
            ["burst_id"], ["bursts.id"], name=op.f("fk_decisions_burst_id_bursts"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_decisions_petition_id_petitions")),
        sa.ForeignKeyConstraint(["requested_by"], ["accounts.id"], name=op.f("fk_decisions_requested_by_accounts")),
        sa.ForeignKeyConstraint(["undone_by"], ["accounts.id"], name=op.f("fk_decisions_undone_by_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(
        "ix_decisions_open", "decisions", ["petition_id"], postgresql_where=sa.text("state IN ('ready', 'undo')")
    )
    op.create_table(
        "traces",
        sa.Column("signature_id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("network", sa.LargeBinary(), nullable=True),
        sa.Column("domain", sa.LargeBinary(), nullable=True),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_traces_signature_id_signatures"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_traces")),
    )
    op.create_index(
        "ix_traces_domain",
        "traces",
        ["petition_id", "domain", "received_at"],
        postgresql_where=sa.text("domain IS NOT NULL"),
    )
    op.create_index(
        "ix_traces_network",
        "traces",
        ["petition_id", "network", "received_at"],
        postgresql_where=sa.text("network IS NOT NULL"),
    )
    op.create_index("ix_traces_received_at", "traces", ["received_at"])
    op.create_table(
        "holds",
        sa.Column("signature_id", sa.Uuid(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("burst_id", sa.Integer(), nullable=True),
        sa.Column("reasons", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("held_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["burst_id"], ["bursts.id"], name=op.f("fk_holds_burst_id_bursts"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_holds_decision_id_decisions")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_holds_petition_id_petitions")),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.id"], name=op.f("fk_holds_signature_id_signatures"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("signature_id", name=op.f("pk_holds")),
    )
    op.create_index("ix_holds_decision", "holds", ["decision_id"], postgresql_where=sa.text("decision_id IS NOT NULL"))
    op.create_index("ix_holds_waiting", "holds", ["petition_id"], postgresql_where=sa.text("decision_id IS NULL"))
    op.add_column("petitions", sa.Column("per_mailbox", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("signatures", sa.Column("confirmed_at", MOMENT, nullable=True))
    op.add_column("signatures", sa.Column("asked_at", MOMENT, nullable=True))
    op.add_column("signatures", sa.Column("seat", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("signatures", sa.Column("leaf_index", sa.Integer(), nullable=True))
    op.add_column("signatures", sa.Column("in_log", sa.Boolean(), server_default="false", nullable=False))
    op.drop_index("uq_signatures_counted_mailbox", "signatures")
    op.create_index(
        "uq_signatures_counted_mailbox",
        "signatures",
        ["petition_id", "mailbox_hmac", "seat"],
        unique=True,
        postgresql_where=sa.text("state = 'counted'"),
    )
    op.create_index(
        "ix_signatures_rejected",
        "signatures",
        ["received_at"],
        postgresql_where=sa.text("state = 'rejected' AND sealed IS NOT NULL"),
    )
    op.create_index(
        "ix_signatures_unlogged",
        "signatures",
        ["petition_id", "id"],
        postgresql_where=sa.text("(state = 'counted') <> in_log"),
    )

    op.create_check_constraint(op.f("ck_petitions_per_mailbox"), "petitions", "per_mailbox IN (1, 2)")
    op.create_check_constraint(op.f("ck_signatures_seat"), "signatures", "seat IN (1, 2)")
    op.create_check_constraint(
        op.f("ck_signatures_in_log_by_a_leaf"), "signatures", "NOT in_log OR leaf_index IS NOT NULL"
    )
    op.execute(
        "INSERT INTO arrivals (petition_id, day, state, total) SELECT petition_id,"
        " to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), state, count(*) FROM signatures GROUP BY 1, 2, 3"
    )
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW pub.{name} WITH (security_barrier) AS {query}")
        op.execute(f"GRANT SELECT ON pub.{name} TO {ROLES}")
    for grant in GRANTS:
        op.execute(grant)


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW pub.{name}")
    op.drop_index("ix_signatures_unlogged", "signatures")
    op.drop_index("ix_signatures_rejected", "signatures")
    op.drop_index("uq_signatures_counted_mailbox", "signatures")
    op.create_index(
        "uq_signatures_counted_mailbox",
        "signatures",
        ["petition_id", "mailbox_hmac"],
        unique=True,
        postgresql_where=sa.text("state = 'counted'"),
    )
    for name in ("in_log", "leaf_index", "seat", "asked_at", "confirmed_at"):
        op.drop_column("signatures", name)
    op.drop_column("petitions", "per_mailbox")
    for name in (
        "holds", "traces", "decisions", "tree_heads", "tiles", "sightings", "leaves", "logs", "bursts", "arrivals", "spent_proofs",
    ):  # fmt: skip
        op.drop_table(name)
    op.execute("DELETE FROM sealing_keys WHERE purpose = 'log'")
    op.drop_constraint(op.f("ck_sealing_keys_purpose"), "sealing_keys")
    op.create_check_constraint(op.f("ck_sealing_keys_purpose"), "sealing_keys", "purpose IN ('worker', 'recovery')")
