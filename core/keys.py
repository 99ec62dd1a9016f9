"""Making keys: `python -m core.keys FOLDER` writes a fresh set of secrets, one folder for each holder.

    FOLDER/root/root.key       the offline root key; in production it never lies on a server
    FOLDER/worker/             mailbox.key, token.key, smtp_url, sealing/
    FOLDER/console/session.key
    FOLDER/database/         a password for each database role, as libpq's password file; the superuser's plain
    FOLDER/initdb/roles.sql  creates those roles, for the start of an empty PostgreSQL

`flask add-sealing-key` then makes a sealing key, signs it with the root key and lists it in the database.
"""

from __future__ import annotations

import base64
import os
import sys
from datetime import datetime
from pathlib import Path
from secrets import token_urlsafe
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from core.inbox import SealingKey
from core.sealing import key_statement, sign_statement


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all. Keeps a file that is already there."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content + b"\n")
    half.rename(path)


def make_secrets(folder: Path, smtp_url: str) -> None:
    """Write every secret that is not there yet. Running it again changes nothing."""
    write_secret(folder / "root" / "root.key", base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()))
    for name in ("mailbox.key", "token.key"):
        write_secret(folder / "worker" / name, base64.b64encode(os.urandom(32)))
    write_secret(folder / "worker" / "smtp_url", smtp_url.encode())
    (folder / "worker" / "sealing").mkdir(mode=0o700, exist_ok=True)
    write_secret(folder / "console" / "session.key", base64.b64encode(os.urandom(32)))


DATABASE_ROLES = {"owner": "zbor_owner", "web": "zbor_web", "console": "zbor_console", "worker": "zbor_worker"}
"""Database roles by the name of their password file."""


def make_database_secrets(folder: Path) -> None:
    """Write a password for each database role, and the SQL that creates the roles. Keeps what is there."""
    if (folder / "initdb" / "roles.sql").exists():
        return
    statements = []
    write_secret(folder / "database" / "superuser", token_urlsafe(24).encode())
    for name, role in DATABASE_ROLES.items():
        password = token_urlsafe(24)
        write_secret(folder / "database" / name, f"*:*:*:{role}:{password}".encode())
        statements.append(f"CREATE ROLE {role} LOGIN {'CREATEROLE ' if name == 'owner' else ''}PASSWORD '{password}';")
    statements.append("ALTER DATABASE zbor OWNER TO zbor_owner;\nALTER SCHEMA public OWNER TO zbor_owner;")
    write_secret(folder / "initdb" / "roles.sql", "\n".join(statements).encode())


def read_root_key(path: Path) -> bytes:
    """The raw private root key."""
    return base64.b64decode(path.read_bytes().strip(), validate=True)


def root_public_key(path: Path) -> str:
    """The public half, base64, as ZBOR_ROOT_PUBLIC_KEY wants it."""
    public = Ed25519PrivateKey.from_private_bytes(read_root_key(path)).public_key()
    return base64.b64encode(public.public_bytes_raw()).decode()


def new_sealing_key(
    root_key: bytes, purpose: str, not_before: datetime, not_after: datetime
) -> tuple[SealingKey, bytes]:
    """A signed row for the list of keys, and the private key as the secret file holds it."""
    key_id: UUID = uuid4()
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    signature = sign_statement(root_key, key_statement(key_id, purpose, public, not_before, not_after))
    row = SealingKey(
        id=key_id,
        purpose=purpose,
        public_key=public,
        not_before=not_before,
        not_after=not_after,
        root_signature=signature,
    )
    return row, base64.b64encode(private.private_bytes_raw())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    make_secrets(target, smtp_url=sys.argv[2] if len(sys.argv) > 2 else "smtp://localhost:25")
    make_database_secrets(target)
    sys.stdout.write(f"ZBOR_ROOT_PUBLIC_KEY={root_public_key(target / 'root' / 'root.key')}\n")
