"""Making keys and passwords. Run it where the root key may be: on a machine that is not a server.

`python -m core.keys init FOLDER` writes a fresh set, one folder for each holder, and keeps what is already there:

    FOLDER/root/root.key     the offline root key
    FOLDER/worker/           mailbox.key, token.key, log.key, smtp_url (to be edited), sealing/
    FOLDER/console/          session.key, factor.key
    FOLDER/database/         a password for each database role, as libpq's password file; the superuser's plain
    FOLDER/initdb/roles.sql  creates those roles, for the start of an empty PostgreSQL

`python -m core.keys sealing-key FOLDER` makes a sealing key, writes its private half into FOLDER/worker/sealing (or
FOLDER/recovery) and prints one line: the public half, signed by the root key. `flask list-sealing-key LINE` lists it.

`python -m core.keys log-key FOLDER` prints such a line for FOLDER/worker/log.key, which signs the logs of petitions.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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
    write_secret(folder / "worker" / "log.key", base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()))
    make_seal(folder / "worker")
    write_secret(folder / "worker" / "smtp_url", smtp_url.encode())
    (folder / "worker" / "sealing").mkdir(mode=0o700, exist_ok=True)
    for name in ("session.key", "factor.key"):
        write_secret(folder / "console" / name, base64.b64encode(os.urandom(32)))


def make_seal(folder: Path) -> None:
    """Write a key (P-256) and a certificate by itself, for ten years, with which volumes of bundles are sealed. Keeps what is there."""
    if (folder / "seal.pem").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Zbor: seal of bundles")])
    now = datetime.now(UTC).replace(microsecond=0)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(usage, critical=True)
        .sign(key, SHA256())
    )
    # The certificate first: a key without one would be taken for whole the next time.
    (folder / "seal.crt").unlink(missing_ok=True)
    write_secret(folder / "seal.crt", certificate.public_bytes(Encoding.PEM).strip())
    write_secret(folder / "seal.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).strip())


_MOMENT = "%Y-%m-%dT%H:%M:%SZ"

DATABASE_ROLES = {"owner": "zbor_owner", "web": "zbor_web", "console": "zbor_console", "worker": "zbor_worker"}
"""Database roles by the name of their password file."""


def make_database_secrets(folder: Path) -> None:
    """Write a password for each database role, and the SQL that creates the roles. Keeps what is there."""
    if (folder / "initdb" / "roles.sql").exists():
        return
    statements = ["\\connect zbor"]
    write_secret(folder / "database" / "superuser", token_urlsafe(24).encode())
    for name, role in DATABASE_ROLES.items():
        password = token_urlsafe(24)
        write_secret(folder / "database" / name, f"*:*:*:{role}:{password}".encode())
        statements.append(f"CREATE ROLE {role} LOGIN {'CREATEROLE ' if name == 'owner' else ''}PASSWORD '{password}';")
    statements.append("ALTER DATABASE zbor OWNER TO zbor_owner;\nALTER SCHEMA public OWNER TO zbor_owner;")
    write_secret(folder / "initdb" / "roles.sql", "\n".join(statements).encode())


def read_signing_key(path: Path) -> bytes:
    """A raw private key that signs: the root key, or the logs' one."""
    return base64.b64decode(path.read_bytes().strip(), validate=True)


def root_public_key(path: Path) -> str:
    """The public half, base64, as ZBOR_ROOT_PUBLIC_KEY wants it."""
    return base64.b64encode(public_half(path)).decode()


def public_half(path: Path) -> bytes:
    """The raw public half of a private key that signs."""
    return Ed25519PrivateKey.from_private_bytes(read_signing_key(path)).public_key().public_bytes_raw()


def new_sealing_key(
    root_key: bytes, purpose: str, not_before: datetime, not_after: datetime
) -> tuple[dict[str, Any], bytes]:
    """Columns of a signed row for the list of keys, and the private key as its secret file holds it."""
    private = X25519PrivateKey.generate()
    row = signed_row(root_key, purpose, private.public_key().public_bytes_raw(), not_before, not_after)
    return row, base64.b64encode(private.private_bytes_raw())


def signed_row(
    root_key: bytes, purpose: str, public_key: bytes, not_before: datetime, not_after: datetime
) -> dict[str, Any]:
    """Columns of a row for the list of keys, with the root key's signature over them."""
    key_id = uuid4()
    signature = sign_statement(root_key, key_statement(key_id, purpose, public_key, not_before, not_after))
    return {
        "id": key_id, "purpose": purpose, "public_key": public_key, "not_before": not_before, "not_after": not_after, "root_signature": signature,
    }  # fmt: skip


def make_sealing_key(folder: Path, purpose: str, days: int) -> str:
    """Make a key that is sealed to from now for `days`, keep its private half in `folder`, return the line to list."""
    root_key, *term = _root_key_and_term(folder, days)
    row, private_key = new_sealing_key(root_key, purpose, *term)
    place = folder / "worker" / "sealing" if purpose == "worker" else folder / "recovery"
    write_secret(place / f"{row['id']}.key", private_key)
    return write_line(row)


def sign_log_key(folder: Path, days: int) -> str:
    """The line that lists the key of the logs for `days` from now."""
    root_key, *term = _root_key_and_term(folder, days)
    return write_line(signed_row(root_key, "log", public_half(folder / "worker" / "log.key"), *term))


def _root_key_and_term(folder: Path, days: int) -> tuple[bytes, datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return read_signing_key(folder / "root" / "root.key"), now, now + timedelta(days=days)


def write_line(row: Mapping[str, Any]) -> str:
    """One line of text for a signed row."""
    parts = [str(row["id"]), row["purpose"], base64.b64encode(row["public_key"]).decode()]
    moments = [row[name].astimezone(UTC).strftime(_MOMENT) for name in ("not_before", "not_after")]
    return "|".join([*parts, *moments, base64.b64encode(row["root_signature"]).decode()])


def read_line(line: str) -> dict[str, Any]:
    """The row of a line. Raises ValueError when it is not one."""
    key_id, purpose, public_key, not_before, not_after, signature = line.strip().split("|")
    return {
        "id": UUID(key_id),
        "purpose": purpose,
        "public_key": base64.b64decode(public_key, validate=True),
        "not_before": datetime.strptime(not_before, _MOMENT).replace(tzinfo=UTC),
        "not_after": datetime.strptime(not_after, _MOMENT).replace(tzinfo=UTC),
        "root_signature": base64.b64decode(signature, validate=True),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m core.keys", description="Make keys and passwords.")
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="write a fresh set of keys and passwords")
    sealing = commands.add_parser("sealing-key", help="make a sealing key and print the line that lists it")
    sealing.add_argument("--purpose", choices=("worker", "recovery"), default="worker")
    sealing.add_argument("--days", type=int, default=35, help="how long the key is sealed to (default 35)")
    signing = commands.add_parser("log-key", help="print the line that lists the key which signs the logs of petitions")
    # Ten years: whoever checks a log, or a receipt from long ago, needs to know but a few of them.
    signing.add_argument("--days", type=int, default=3650, help="how long it may sign (default 3650)")
    for command in (init, sealing, signing):
        command.add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.command == "init":
        make_secrets(options.folder, smtp_url="smtp://localhost:25")
        make_database_secrets(options.folder)
        sys.stdout.write(f"ZBOR_ROOT_PUBLIC_KEY={root_public_key(options.folder / 'root' / 'root.key')}\n")
    elif options.command == "log-key":
        sys.stdout.write(sign_log_key(options.folder, options.days) + "\n")
    else:
        sys.stdout.write(make_sealing_key(options.folder, options.purpose, options.days) + "\n")


if __name__ == "__main__":
    main()
