"""Each database role has its own password, and no other role's."""

from __future__ import annotations

import psycopg
import pytest

from core.demo.embedded import EmbeddedPostgres
from core.keys import DATABASE_ROLES


@pytest.mark.parametrize("role", ["web", "console", "worker", "owner"])
def test_a_roles_password_opens_no_other_role(postgres: EmbeddedPostgres, role: str) -> None:
    own = postgres.passwords / DATABASE_ROLES[role]
    assert own.stat().st_mode & 0o777 == 0o600
    word = own.read_text().strip().rsplit(":", 1)[1]
    for other in {*DATABASE_ROLES.values(), "postgres"} - {DATABASE_ROLES[role]}:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=postgres.port, dbname="zbor", user=other, password=word)
    with pytest.raises(psycopg.OperationalError, match=r"no password supplied|password authentication failed"):
        psycopg.connect(
            host="127.0.0.1", port=postgres.port, dbname="zbor", user=DATABASE_ROLES[role], passfile="/dev/null"
        )
    psycopg.connect(
        host="127.0.0.1", port=postgres.port, dbname="zbor", user=DATABASE_ROLES[role], password=word
    ).close()


@pytest.mark.parametrize("role", ["web", "console", "worker"])
def test_no_process_can_become_another_role_or_owns_anything(postgres: EmbeddedPostgres, role: str) -> None:
    with postgres.connect(role) as connection:
        for other in {*DATABASE_ROLES.values(), "postgres"} - {DATABASE_ROLES[role]}:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SET ROLE {other}")
        owned = connection.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole").fetchone()
        assert owned == (0,)
        flags = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert flags == (False, False, False, False)
