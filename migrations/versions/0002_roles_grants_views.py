"""Database roles, what each may do, and the views that the public web reads.

Roles belong to the whole cluster, so they are created when missing, never dropped here, and get their passwords from
whoever runs the cluster. Everything not granted below is denied.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = ("zbor_web", "zbor_console", "zbor_worker")

VIEWS = {
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
    "sealing_keys": "SELECT id, purpose, public_key, not_before, not_after, root_signature FROM sealing_keys",
}

GRANTS = [
    # The public web appends to the inbox, and reads views and answers. It cannot read back what it wrote.
    "GRANT USAGE ON SCHEMA public, pub TO zbor_web",
    "GRANT INSERT (id, kind, petition_id, key_id, sealed) ON inbox TO zbor_web",
    "GRANT SELECT ON answers TO zbor_web",
    "GRANT SELECT ON ALL TABLES IN SCHEMA pub TO zbor_web",
    # The console runs the staff screens. No sealed column and no blind index is among these.
    "GRANT USAGE ON SCHEMA public, pub TO zbor_console",
    "GRANT SELECT ON ALL TABLES IN SCHEMA pub TO zbor_console",
    "GRANT SELECT ON answers, tallies, accounts, grants, downloads TO zbor_console",
    "GRANT SELECT, INSERT, UPDATE ON addressees, petitions, petition_texts, petition_addressees TO zbor_console",
    "GRANT DELETE ON petition_addressees TO zbor_console",
    "GRANT INSERT, UPDATE ON accounts TO zbor_console",
    "GRANT INSERT, DELETE ON grants TO zbor_console",
    "GRANT SELECT (id, petition_id, addressee_id, country_code, state, reason, received_at, counted_at) ON signatures TO zbor_console",
    "GRANT SELECT ON bundles TO zbor_console",
    "GRANT INSERT (id, petition_id, addressee_id, state, requested_by) ON bundles TO zbor_console",
    "GRANT INSERT (id, bundle_id, account_id, answer_key) ON downloads TO zbor_console",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO zbor_console",
    # The worker drains, mails, builds and purges.
    "GRANT USAGE ON SCHEMA public, pub TO zbor_worker",
    "GRANT SELECT ON ALL TABLES IN SCHEMA pub TO zbor_worker",
    "GRANT SELECT, UPDATE ON inbox, bundles, downloads, mail_pace TO zbor_worker",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON answers, row_keys, outbox, signatures, tallies, public_names TO zbor_worker",
    "GRANT SELECT ON addressees, petitions, petition_texts, petition_addressees TO zbor_worker",
]


def upgrade() -> None:
    for role in ROLES:
        op.execute(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}')"
            f" THEN CREATE ROLE {role} LOGIN; END IF; END $$"
        )
    op.execute(
        "DO $$ BEGIN"
        " EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());"
        f" EXECUTE format('GRANT CONNECT ON DATABASE %I TO {', '.join(ROLES)}', current_database());"
        " END $$"
    )
    op.execute("CREATE SCHEMA pub")
    for name, query in VIEWS.items():
        op.execute(f"CREATE VIEW pub.{name} WITH (security_barrier) AS {query}")
    for grant in GRANTS:
        op.execute(grant)
    op.execute("INSERT INTO mail_pace (id, next_at) VALUES (1, now())")


def downgrade() -> None:
    op.execute("DELETE FROM mail_pace")
    op.execute("DROP SCHEMA pub CASCADE")
    for role in ROLES:
        op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        op.execute(f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role}")
        op.execute(f"REVOKE ALL ON SCHEMA public FROM {role}")
        op.execute(f"DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM {role}', current_database()); END $$")
    op.execute(
        "DO $$ BEGIN EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$"
    )
