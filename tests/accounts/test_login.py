"""Logging in, and what it does not tell."""

from __future__ import annotations

import time

import pytest

from accounts.models import StaffRole
from accounts.services import authenticate, create_account, find_account
from core.config import Role
from tests.conftest import House
from tests.factories import Factory, hidden

PASSPHRASE = "correct horse battery"


def log_in(house: House, email: str, passphrase: str) -> tuple[object, object]:
    client = house.client(Role.CONSOLE)
    csrf = hidden(client.get("/login").text, "csrf_token")
    return client, client.post("/login", data={"email": email, "passphrase": passphrase, "csrf_token": csrf})


def test_right_passphrase_opens_the_console(house: House, make: Factory) -> None:
    make.account(email="anna@example.org")
    client, response = log_in(house, " Anna@Example.org ", PASSPHRASE)
    assert (response.status_code, response.location) == (303, "/")  # type: ignore[attr-defined]
    assert client.get("/").status_code == 200  # type: ignore[attr-defined]
    assert house.value("SELECT last_login_at IS NOT NULL FROM accounts")


@pytest.mark.parametrize(
    ("email", "passphrase"),
    [("anna@example.org", "wrong"), ("nobody@example.org", PASSPHRASE), ("closed@example.org", PASSPHRASE)],
)
def test_unknown_wrong_and_closed_get_the_same_answer(house: House, make: Factory, email: str, passphrase: str) -> None:
    make.account(email="anna@example.org")
    make.account(email="closed@example.org", is_active=False)
    _, response = log_in(house, email, passphrase)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "This address and passphrase do not go together" in response.text  # type: ignore[attr-defined]
    assert passphrase not in response.text  # type: ignore[attr-defined]


def test_unknown_address_takes_as_long_as_a_wrong_passphrase(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    import accounts.services

    monkeypatch.setattr(accounts.services, "_hasher", PasswordHasher(time_cost=8, memory_cost=16384, parallelism=1))
    make.account(email="anna@example.org")

    def spent(email: str) -> float:
        started = time.process_time()
        assert authenticate(email, "wrong") is None
        return time.process_time() - started

    with house.inside(Role.CONSOLE):
        spent("nobody@example.org")  # Makes the dummy hash.
        known, unknown = (
            min(spent("anna@example.org") for _ in range(3)),
            min(spent("nobody@example.org") for _ in range(3)),
        )
    assert unknown > known / 3


def test_logging_out_ends_the_session(house: House, make: Factory) -> None:
    make.account(email="anna@example.org")
    client, _ = log_in(house, "anna@example.org", PASSPHRASE)
    csrf = hidden(client.get("/").text, "csrf_token")  # type: ignore[attr-defined]
    assert client.post("/logout", data={"csrf_token": csrf}).location == "/login"  # type: ignore[attr-defined]
    assert client.get("/").status_code == 302  # type: ignore[attr-defined]


def test_account_closed_at_work_is_out_at_once(house: House, make: Factory) -> None:
    make.account(email="anna@example.org")
    client, _ = log_in(house, "anna@example.org", PASSPHRASE)
    house.sql("UPDATE accounts SET is_active = false")
    assert client.get("/").status_code == 302  # type: ignore[attr-defined]


def test_session_cookie(house: House) -> None:
    cookie = house.client(Role.CONSOLE, secure_cookies=True).get("/login").headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie


def test_too_many_attempts_are_slowed(house: House, make: Factory) -> None:
    client = house.client(Role.CONSOLE)
    csrf = hidden(client.get("/login").text, "csrf_token")
    codes = [
        client.post(
            "/login",
            data={"email": "a@b.cd", "passphrase": "x", "csrf_token": csrf},
            environ_base={"REMOTE_ADDR": "127.0.0.9"},
        ).status_code
        for _ in range(11)
    ]
    assert codes == [422] * 10 + [429]


def test_creating_twice_changes_the_passphrase_and_keeps_one_account(house: House) -> None:
    with house.inside(Role.CONSOLE):
        create_account("New@example.org", "New", "first passphrase", StaffRole.REVIEWER)
        create_account("new@example.org", "New", "second passphrase", StaffRole.REVIEWER)
        assert authenticate("new@example.org", "first passphrase") is None
        account = authenticate("new@example.org", "second passphrase")
        assert account is not None
        assert [grant.role for grant in account.grants] == ["reviewer"]
        assert find_account(str(account.id)) is account
        assert find_account("x") is None
    assert house.value("SELECT count(*) FROM accounts") == 1
    assert house.value("SELECT password_hash LIKE '$argon2id$%' FROM accounts")


def test_empty_start_page_teaches(house: House, make: Factory) -> None:
    make.account(role="reviewer", email="r@example.org")
    client, _ = log_in(house, "r@example.org", PASSPHRASE)
    assert "You do not coordinate a petition yet" in client.get("/").text  # type: ignore[attr-defined]


def test_odd_addresses_are_answered_as_unknown(house: House) -> None:
    for email in ("a\0b@example.org", "ÿ" * 250):
        assert log_in(house, email, PASSPHRASE)[1].status_code == 422  # type: ignore[attr-defined]
