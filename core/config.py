"""Typed, frozen configuration, read once from the environment. A process that is not safe to start does not start."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from flask import current_app

LANGUAGES = {"en": "English", "be": "Беларуская", "pl": "Polski"}
"""Languages of the user interface, by BCP-47 tag, each under its own name."""


class Role(StrEnum):
    """Which process this is. Each has its own database role and its own secrets."""

    PUBLIC = "public"
    CONSOLE = "console"
    WORKER = "worker"
    OWNER = "owner"


class ConfigError(Exception):
    """The process may not start; the text says in one sentence a line what to set."""


@dataclass(frozen=True, slots=True)
class Config:
    """What one process knows.

    `secrets_dir` is a folder of 0600 files that only this role's Unix user can read: `session.key` and `factor.key` for the
    console; `mailbox.key`, `token.key`, `log.key`, `seal.pem` (or `pkcs11.pin` and `seal.crt`), `smtp_url` and `sealing/<key id>.key` for the worker; none for the public web.
    `root_public_key` is the raw 32-byte Ed25519 key that signs the list of sealing keys.
    `console_url` is where people log in; its host is the site that their passkeys belong to.
    `audit_heads` is a file that lies elsewhere, to which the worker adds the head of the audit trail.
    `source_url` is where this very version's source code can be had, which the AGPL asks a site to show.
    `mail_per_minute` is the sending rate of all mailers together.
    `volume_size` is how many signatures a volume of a bundle has at most; `bundle_wait_hours` passes between a bundle's approval
    and its building. `timestamp_url` is a server of RFC 3161 timestamps for the seals of volumes; `pkcs11` is where their key
    is when it is not a file: the path of a module, the label of a token and that of a key, with semicolons between them.
    `name_server` is whom the mailer asks whether a domain takes mail, as `split_address` reads it: "" the system's, "off" nobody.
    """

    role: Role
    database_url: str
    redis_url: str
    public_url: str
    root_public_key: bytes
    secrets_dir: Path | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = 0
    secure_cookies: bool = True
    contact_address: str = ""
    source_url: str = ""
    console_url: str = ""
    audit_heads: Path | None = None
    mail_from: str = ""
    mail_per_minute: int = 600
    name_server: str = ""
    bundle_dir: Path | None = None
    volume_size: int = 2500
    bundle_wait_hours: int = 0
    timestamp_url: str = ""
    pkcs11: str = ""
    dev_mail_dir: Path | None = None

    def secret(self, name: str) -> bytes:
        """Content of one secret file, without the trailing newline. Raises ConfigError when it is not there."""
        if self.secrets_dir is None:
            raise ConfigError(
                f"The {self.role} process has no ZBOR_SECRETS_DIR, but needs the secret {name!r} from it."
            )
        try:
            return (self.secrets_dir / name).read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"The secret file {name!r} cannot be read: {error.strerror}.") from None


def current_config() -> Config:
    """The configuration of the process we are in."""
    config: Config = current_app.extensions["zbor"]
    return config


WORKER_ONLY_SECRETS = ("mailbox.key", "token.key", "log.key", "seal.pem", "pkcs11.pin", "smtp_url", "sealing")


def role_from(environ: Mapping[str, str]) -> Role:
    """What ZBOR_ROLE says, the public web when it says nothing. Raises ConfigError."""
    name = environ.get("ZBOR_ROLE", Role.PUBLIC)
    try:
        return Role(name)
    except ValueError:
        raise ConfigError(f"ZBOR_ROLE must be one of {', '.join(Role)}, not {name!r}.") from None


def read_config(role: Role, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check the configuration of one process. Raises ConfigError with one line for each thing that is wrong."""
    problems: list[str] = []

    def required(name: str, why: str) -> str:
        value = environ.get(name, "")
        if not value:
            problems.append(f"Set {name}: {why}.")
        return value

    def whole(name: str, default: int) -> int:
        value = environ.get(name, str(default))
        if not value.isdecimal():
            problems.append(f"{name} must be a whole number, not {value!r}.")
            return default
        return int(value)

    def path(name: str) -> Path | None:
        return Path(environ[name]) if environ.get(name) else None

    database_url = required("DATABASE_URL", f"the PostgreSQL address with the database role of the {role} process")
    public_url = required("ZBOR_PUBLIC_URL", "the address under which signers reach the site, e.g. https://example.org")
    root_text = required(
        "ZBOR_ROOT_PUBLIC_KEY", "the root key's public half, base64, as `python -m core.keys init` prints it"
    )
    try:
        root_public_key = base64.b64decode(root_text, validate=True)
    except binascii.Error:
        root_public_key = b""
    if root_text and len(root_public_key) != 32:
        problems.append("ZBOR_ROOT_PUBLIC_KEY must be 32 bytes in base64.")
    if database_url and not database_url.startswith("postgresql+psycopg://"):
        problems.append("DATABASE_URL must start with postgresql+psycopg:// (PostgreSQL is the only database).")
    config = Config(
        role=role,
        database_url=database_url,
        redis_url=required("REDIS_URL", "the address of Redis or Valkey, which carries wake-ups")
        if role is not Role.OWNER
        else "",
        public_url=public_url.rstrip("/"),
        root_public_key=root_public_key,
        secrets_dir=path("ZBOR_SECRETS_DIR"),
        trusted_hosts=tuple(host for host in environ.get("ZBOR_TRUSTED_HOSTS", "").split() if host),
        proxy_hops=whole("ZBOR_PROXY_HOPS", 0),
        secure_cookies=environ.get("ZBOR_INSECURE_COOKIES", "") != "1",
        contact_address=environ.get("ZBOR_CONTACT", ""),
        source_url=environ.get("ZBOR_SOURCE_URL", ""),
        console_url=required("ZBOR_CONSOLE_URL", "the address of the console, e.g. https://console.example.org").rstrip(
            "/"
        )
        if role is Role.CONSOLE
        else environ.get("ZBOR_CONSOLE_URL", "").rstrip("/"),
        audit_heads=path("ZBOR_AUDIT_HEADS"),
        mail_from=environ.get("ZBOR_MAIL_FROM", ""),
        mail_per_minute=whole("ZBOR_MAIL_PER_MINUTE", 600),
        name_server=environ.get("ZBOR_DNS", ""),
        bundle_dir=path("ZBOR_BUNDLE_DIR"),
        volume_size=whole("ZBOR_VOLUME_SIZE", 2500),
        bundle_wait_hours=whole("ZBOR_BUNDLE_WAIT_HOURS", 0),
        timestamp_url=environ.get("ZBOR_TIMESTAMP_URL", ""),
        pkcs11=environ.get("ZBOR_PKCS11", ""),
        dev_mail_dir=path("ZBOR_DEV_MAIL_DIR"),
    )
    problems += _unsafe(config)
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def split_address(text: str, usual_port: int) -> tuple[str, int]:
    """`address` or `address:port`, an IPv6 address in brackets, as its two parts. Raises ValueError."""
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or parts.username is not None:
        raise ValueError("This is more than an address and a port.")
    return str(ip_address(parts.hostname or "")), parts.port or usual_port


def _unsafe(config: Config) -> list[str]:
    """Sentences about settings that are readable but must not be run with."""
    problems = []
    is_web = config.role in (Role.PUBLIC, Role.CONSOLE)
    if is_web and not config.trusted_hosts:
        problems.append("Set ZBOR_TRUSTED_HOSTS: the host names this site answers to, separated by spaces.")
    if config.source_url and not config.source_url.startswith("https://"):
        problems.append("ZBOR_SOURCE_URL must be an https address.")
    if is_web and not config.contact_address:
        problems.append("Set ZBOR_CONTACT: the address at which signers reach the people who answer for their data.")
    local = urlsplit(config.public_url).hostname in ("localhost", "127.0.0.1")
    console = urlsplit(config.console_url)
    if config.console_url and console.scheme != "https" and console.hostname != "localhost":
        problems.append("ZBOR_CONSOLE_URL must be an https address, or http://localhost: passkeys work nowhere else.")
    if is_web and not config.secure_cookies and not local:
        problems.append("ZBOR_INSECURE_COOKIES is for a site on this machine only.")
    if config.dev_mail_dir and not local:
        problems.append("ZBOR_DEV_MAIL_DIR shows all mail to everybody: it is for a site on this machine only.")
    if is_web and config.secrets_dir:
        found = [name for name in WORKER_ONLY_SECRETS if (config.secrets_dir / name).exists()]
        if found:
            problems.append(
                f"The {config.role} process can reach secrets of the worker ({', '.join(found)}); it must not."
            )
    if config.role is Role.WORKER:
        for name, value in (
            ("ZBOR_SECRETS_DIR", config.secrets_dir),
            ("ZBOR_MAIL_FROM", config.mail_from),
            ("ZBOR_BUNDLE_DIR", config.bundle_dir),
        ):
            if not value:
                problems.append(f"Set {name}: the worker needs it.")
        if config.mail_per_minute < 1:
            problems.append("ZBOR_MAIL_PER_MINUTE must be at least 1.")
        if not 1 <= config.volume_size <= 5000:
            problems.append(
                "ZBOR_VOLUME_SIZE must be from 1 to 5000: a larger volume takes more memory than a worker has."
            )
        if config.timestamp_url and urlsplit(config.timestamp_url).scheme not in ("http", "https"):
            problems.append("ZBOR_TIMESTAMP_URL must be an http or https address.")
        if config.pkcs11 and config.pkcs11.count(";") != 2:
            problems.append(
                "ZBOR_PKCS11 must be the path of a module, the label of a token and that of a key: path;token;key."
            )
    try:
        if config.name_server not in ("", "off"):
            split_address(config.name_server, 53)
    except ValueError:
        problems.append("ZBOR_DNS must be an IP address, with a port or without, or `off`; [::1]:53 if it is IPv6.")
    return problems
