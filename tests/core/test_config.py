"""A process that is not safe to start does not start, and says why."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from core.config import Config, ConfigError, Role, read_config

GOOD = {
    "DATABASE_URL": "postgresql+psycopg://zbor_web@127.0.0.1/zbor",
    "REDIS_URL": "redis://127.0.0.1",
    "ZBOR_PUBLIC_URL": "https://zbor.example.org/",
    "ZBOR_ROOT_PUBLIC_KEY": base64.b64encode(bytes(32)).decode(),
    "ZBOR_TRUSTED_HOSTS": "zbor.example.org",
    "ZBOR_CONTACT": "organisers@example.org",
    "ZBOR_CONSOLE_URL": "https://console.example.org/",
}


def read(role: Role = Role.PUBLIC, **changes: str) -> Config:
    return read_config(role, {**GOOD, **changes})


def test_good_configuration() -> None:
    config = read()
    assert config.public_url == "https://zbor.example.org"
    assert config.trusted_hosts == ("zbor.example.org",)
    assert config.secure_cookies
    with pytest.raises(AttributeError):
        config.role = Role.WORKER  # type: ignore[misc]  # That it is frozen is the point.


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": ""}, "Set DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:///x"}, "must start with postgresql"),
        ({"REDIS_URL": ""}, "Set REDIS_URL"),
        ({"ZBOR_ROOT_PUBLIC_KEY": "short"}, "must be 32 bytes"),
        ({"ZBOR_ROOT_PUBLIC_KEY": "%%%"}, "must be 32 bytes"),
        ({"ZBOR_TRUSTED_HOSTS": ""}, "Set ZBOR_TRUSTED_HOSTS"),
        ({"ZBOR_CONTACT": ""}, "Set ZBOR_CONTACT"),
        ({"ZBOR_SOURCE_URL": "javascript:alert(1)"}, "must be an https address"),
        ({"ZBOR_PROXY_HOPS": "two"}, "must be a whole number"),
        ({"ZBOR_INSECURE_COOKIES": "1"}, "site on this machine only"),
        ({"ZBOR_DEV_MAIL_DIR": "mails"}, "shows all mail to everybody"),
        ({"ZBOR_DNS": "resolver.example.org"}, "ZBOR_DNS must be an IP address"),
    ],
)
def test_each_bad_setting_is_named(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read(**changes)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read_config(Role.PUBLIC, {})
    assert len(str(error.value).splitlines()) >= 5


@pytest.mark.parametrize("name", ["mailbox.key", "token.key", "log.key", "smtp_url", "sealing"])
def test_public_web_refuses_to_start_where_the_workers_secrets_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ConfigError, match="secrets of the worker"):
        read(ZBOR_SECRETS_DIR=str(tmp_path))


@pytest.mark.parametrize("url", ["", "http://console.example.org", "http://127.0.0.1:8001"])
def test_console_needs_an_address_that_passkeys_can_belong_to(url: str) -> None:
    with pytest.raises(ConfigError, match="ZBOR_CONSOLE_URL"):
        read(Role.CONSOLE, ZBOR_CONSOLE_URL=url)
    assert read(Role.CONSOLE).console_url == "https://console.example.org"


def test_worker_names_what_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"ZBOR_SECRETS_DIR[\s\S]*ZBOR_MAIL_FROM[\s\S]*ZBOR_BUNDLE_DIR"):
        read(Role.WORKER)
    with pytest.raises(ConfigError, match="at least 1"):
        read(
            Role.WORKER, ZBOR_SECRETS_DIR="/x", ZBOR_MAIL_FROM="a@b.cd", ZBOR_BUNDLE_DIR="/x", ZBOR_MAIL_PER_MINUTE="0"
        )


def test_missing_secret_is_named_without_its_path(tmp_path: Path) -> None:
    config = read(Role.CONSOLE, ZBOR_SECRETS_DIR=str(tmp_path))
    with pytest.raises(ConfigError, match=r"'session\.key' cannot be read: No such file"):
        config.secret("session.key")
    with pytest.raises(ConfigError, match="has no ZBOR_SECRETS_DIR"):
        read().secret("session.key")
