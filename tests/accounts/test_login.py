"""Logging in, and what it does not tell (ASVS 5.0, 6.2 to 6.5; the numbers of requirements are those of docs/security.md)."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from accounts import factors
from core.config import Role
from tests.conftest import House
from tests.factories import (
    PASSPHRASE,
    TOTP_KEY,
    Factory,
    app_code,
    enter,
    hidden,
    options_in,
    passkey_of,
    post,
)

EMAIL = "anna@example.org"
WRONG = "Address, passphrase and code do not go together"


def attempt(
    client: FlaskClient, email: str = EMAIL, passphrase: str = PASSPHRASE, code: str | None = None, **more: Any
) -> Any:
    """Fill in the log-in form and send it."""
    csrf = hidden(client.get("/login").text, "csrf_token")
    data = {"email": email, "passphrase": passphrase, "code": code or app_code(), "csrf_token": csrf}
    return client.post("/login", data=data, **more)


def test_passphrase_and_code_open_the_console(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    client = house.client(Role.CONSOLE)
    response = attempt(client, " Anna@Example.org ")
    assert (response.status_code, response.location) == (303, "/")
    assert "Welcome, Staff" in client.get("/").text
    assert house.value("SELECT last_login_at IS NOT NULL FROM accounts")
    assert house.value("SELECT password_hash LIKE '$argon2id$%' FROM accounts")


def test_argon2_has_the_parameters_that_are_asked_for() -> None:
    from argon2 import PasswordHasher

    hasher = PasswordHasher()  # R1; the tests' own hasher is a cheap one.
    assert (hasher.type.name, hasher.memory_cost, hasher.time_cost, hasher.parallelism) == ("ID", 65536, 3, 4)
    source = Path(factors.__file__).read_text()
    assert re.search(r"^_hasher = PasswordHasher\(\)", source, re.MULTILINE)


def test_too_many_hashes_at_once_are_refused(house: House, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 64 MiB: a flood of log-ins must not take all memory."""
    make.account(email=EMAIL)
    monkeypatch.setattr(factors, "_PATIENCE", 0.01)
    held = [factors._at_once.acquire(blocking=False) for _ in range(2)]
    try:
        assert held == [True, True]
        assert attempt(house.client(Role.CONSOLE)).status_code == 503
    finally:
        for _ in held:
            factors._at_once.release()
    assert attempt(house.client(Role.CONSOLE)).status_code == 303


@pytest.mark.parametrize(
    "changed",
    [
        {"passphrase": "wrong"},
        {"code": "000000"},
        {"email": "nobody@example.org"},
        {"email": "closed@example.org"},
        {"email": "invited@example.org"},
        {"email": "a\0b@example.org"},
        {"email": "ÿ" * 250},
        {"code": "aaaa-bbbbb-cccccc-dddddd"},
    ],
)
def test_whatever_is_wrong_gets_the_same_answer(house: House, make: Factory, changed: dict[str, str]) -> None:
    make.account(email=EMAIL)
    make.account(email="closed@example.org", is_active=False)
    make.account(email="invited@example.org", enrolled_at=None)
    right = attempt(house.client(Role.CONSOLE), email=EMAIL, passphrase="also wrong")
    wrong = attempt(house.client(Role.CONSOLE), **changed)
    assert (wrong.status_code, right.status_code) == (422, 422)
    assert WRONG in wrong.text

    def bare(page: Any) -> str:
        """What is one's own: the token, what one typed, and what a passkey would sign."""
        return re.sub(r'name="csrf_token"[^>]*|data-options="[^"]*"|id="(?:email|code)"[^>]*', "", page.text)

    assert bare(wrong) == bare(right)
    assert {name for name, _ in wrong.headers} == {name for name, _ in right.headers}
    assert PASSPHRASE not in wrong.text


@pytest.mark.parametrize("code", ["123456", "aaaa-bbbbb-cccccc-dddddd"])
def test_every_answer_costs_as_many_hashes(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    make.account(email=EMAIL)
    make.account(email="closed@example.org", is_active=False)
    verified: list[str] = []
    real = factors._hasher

    class Counting:
        hash = real.hash

        @staticmethod
        def verify(hashed: str, secret: str) -> bool:
            verified.append(hashed)
            return real.verify(hashed, secret)

    monkeypatch.setattr(factors, "_hasher", Counting)
    numbers = []
    for email, passphrase in (
        (EMAIL, PASSPHRASE),
        (EMAIL, "wrong"),
        ("nobody@x.org", "wrong"),
        ("closed@example.org", PASSPHRASE),
    ):
        verified.clear()
        assert attempt(house.client(Role.CONSOLE), email, passphrase, code).status_code == 422
        numbers.append(len(verified))
    assert numbers == [1 if code.isdecimal() else 2] * 4


def test_an_unknown_address_takes_as_long_as_a_wrong_passphrase(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher

    monkeypatch.setattr(factors, "_hasher", PasswordHasher(time_cost=8, memory_cost=16384, parallelism=1))
    make.account(email=EMAIL)

    def spent(email: str) -> float:
        started = time.process_time()
        assert attempt(house.client(Role.CONSOLE), email, "wrong").status_code == 422
        return time.process_time() - started

    spent("nobody@example.org")  # Makes the dummy hash.
    known, unknown = (min(spent(email) for _ in range(3)) for email in (EMAIL, "nobody@example.org"))
    assert known / 2 < unknown < known * 2


def test_a_closed_account_is_out_at_once(house: House, make: Factory) -> None:
    client = enter(house, make.account())
    house.sql("UPDATE accounts SET is_active = false")
    assert client.get("/").status_code == 302


# --- Codes of apps ------------------------------------------------------------------------------------------------------


def test_a_code_opens_once_and_no_older_one_after_it(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    assert attempt(house.client(Role.CONSOLE), code=app_code()).status_code == 303
    assert attempt(house.client(Role.CONSOLE), code=app_code()).status_code == 422, "the same"
    assert attempt(house.client(Role.CONSOLE), code=app_code(-1)).status_code == 422, "the one before, R4"
    assert attempt(house.client(Role.CONSOLE), code=app_code(+1)).status_code == 303
    assert attempt(house.client(Role.CONSOLE), code=app_code(+1)).status_code == 422


@pytest.mark.parametrize("steps", [-3, -2, 3, 4])
def test_a_code_of_another_time_is_wrong(house: House, make: Factory, steps: int) -> None:
    make.account(email=EMAIL)
    assert attempt(house.client(Role.CONSOLE), code=app_code(steps)).status_code == 422


def test_the_apps_key_is_not_readable_in_the_database(house: House, make: Factory) -> None:
    one, other = make.account(), make.account()
    sealed = house.value("SELECT totp_sealed FROM accounts WHERE id = :id", id=one)
    assert TOTP_KEY.encode() not in bytes(sealed)
    house.sql("UPDATE accounts SET totp_sealed = :s WHERE id = :id", s=sealed, id=other)
    email = house.value("SELECT email FROM accounts WHERE id = :id", id=other)
    assert attempt(house.client(Role.CONSOLE), email).status_code == 500, (
        "a key that was moved to another account does not open"
    )


# --- Recovery codes -----------------------------------------------------------------------------------------------------


def codes_of(house: House, account_id: int) -> list[str]:
    """Make recovery codes by the button."""
    client = enter(house, account_id)
    page = client.post("/me/recovery-codes", data={"csrf_token": hidden(client.get("/me").text, "csrf_token")})
    found = re.findall(r"<li><code>([^<]+)</code>", page.text)
    assert len(found) == 10
    return found


def test_a_recovery_code_opens_once_and_is_told_by_mail(house: House, make: Factory) -> None:
    account = make.account(email=EMAIL)
    codes = codes_of(house, account)
    assert house.value("SELECT count(*) FROM recovery_codes WHERE code_hash LIKE '$argon2id$%'") == 10
    stored = str(house.sql("SELECT * FROM recovery_codes").all())
    assert not any(code.replace("-", "")[4:] in stored for code in codes)
    assert attempt(house.client(Role.CONSOLE), code=codes[0].upper().replace("-", " ")).status_code == 303
    assert attempt(house.client(Role.CONSOLE), code=codes[0]).status_code == 422
    assert attempt(house.client(Role.CONSOLE), passphrase="wrong", code=codes[1]).status_code == 422
    assert attempt(house.client(Role.CONSOLE), code=codes[1]).status_code == 303
    house.drain()
    news = [mail["news"] for mail in mails(house)]
    assert news.count("recovery_code_used") == 2


def test_new_codes_end_the_old_ones(house: House, make: Factory) -> None:
    account = make.account(email=EMAIL)
    old, new = codes_of(house, account), codes_of(house, account)
    assert set(old).isdisjoint(new)
    assert attempt(house.client(Role.CONSOLE), code=old[0]).status_code == 422
    assert attempt(house.client(Role.CONSOLE), code=new[0]).status_code == 303


def test_a_recovery_code_has_more_than_80_bits() -> None:
    assert len(factors._ALPHABET) ** factors._SECRET > 2**80


# --- Passkeys -----------------------------------------------------------------------------------------------------------


def with_passkey(client: FlaskClient, answer: str) -> Any:
    csrf = hidden(client.get("/login").text, "csrf_token")
    return client.post("/login/passkey", data={"answer": answer, "csrf_token": csrf})


def test_a_passkey_opens_without_a_passphrase(house: House, make: Factory) -> None:
    client = enter(house, make.account())
    assert client.get("/").status_code == 200
    assert house.value("SELECT method FROM sessions") == "passkey"
    assert house.value("SELECT sign_count FROM passkeys") > 0


@pytest.mark.parametrize(
    "spoil",
    [
        "another site",
        "unverified",
        "another challenge",
        "unknown key",
        "foreign handle",
        "empty",
        "nested",
        "no object",
        "long",
    ],
)
def test_a_passkey_that_is_not_right_opens_nothing(house: House, make: Factory, spoil: str) -> None:
    account = make.account()
    client = house.client(Role.CONSOLE)
    options = options_in(client.get("/login").text)
    passkey = passkey_of(account)
    match spoil:
        case "another site":
            passkey.origin = "https://console.evil.example"
        case "unverified":
            passkey.flags = 0b0000_0001
        case "another challenge":
            options = options_in(house.client(Role.CONSOLE).get("/login").text)
        case "unknown key":
            passkey = passkey_of(account + 1)
        case "foreign handle":
            passkey.user_handle = b"x" * 16
    answer = {"nested": "[" * 9999, "no object": "3", "long": "x" * 30_000, "empty": ""}.get(
        spoil, passkey.get(options)
    )
    refused = with_passkey(client, answer)
    assert refused.status_code == 422
    assert "This passkey does not open" in refused.text or "sent no passkey" in refused.text
    assert house.value("SELECT count(*) FROM sessions") == 0


def test_an_answer_opens_once_even_with_the_old_cookie(house: House, make: Factory) -> None:
    account = make.account()
    client = house.client(Role.CONSOLE)
    page = client.get("/login").text
    cookie = client.get_cookie("session")
    assert cookie
    data = {"answer": passkey_of(account).get(options_in(page)), "csrf_token": hidden(page, "csrf_token")}
    house.sql("UPDATE passkeys SET sign_count = 0")
    assert client.post("/login/passkey", data=data).status_code == 303
    house.sql("UPDATE passkeys SET sign_count = 0")
    thief = house.client(Role.CONSOLE)
    thief.set_cookie("session", cookie.value)
    assert thief.post("/login/passkey", data=data).status_code == 422
    assert house.value("SELECT count(*) FROM sessions") == 1
    post(client, "/logout")
    assert thief.post("/login/passkey", data=data).status_code == 422, "nor when the session is ended"
    assert house.value("SELECT count(*) FROM sessions") == 0


def test_a_cloned_key_is_noticed_by_its_counter(house: House, make: Factory) -> None:
    account = make.account()
    enter(house, account)
    house.sql("UPDATE passkeys SET sign_count = 1000000")
    client = house.client(Role.CONSOLE)
    assert with_passkey(client, passkey_of(account).get(options_in(client.get("/login").text))).status_code == 422


# --- Throttles ----------------------------------------------------------------------------------------------------------


def from_(address: str) -> dict[str, Any]:
    return {"environ_base": {"REMOTE_ADDR": address}}


def test_a_stranger_is_slowed_and_cannot_lock_the_owner_out(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    owner, stranger = house.client(Role.CONSOLE), house.client(Role.CONSOLE)
    assert attempt(owner, code=app_code(-1), **from_("198.51.100.7")).status_code == 303
    answers = [attempt(stranger, passphrase="guess", **from_("203.0.113.9")).status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]
    # From the very network that the stranger uses, in the browser that is known.
    owner.delete_cookie("session")
    assert attempt(owner, **from_("203.0.113.9")).status_code == 303
    assert attempt(house.client(Role.CONSOLE), code=app_code(+1), **from_("198.51.100.7")).status_code == 303, (
        "and from elsewhere"
    )


def test_many_networks_do_not_help_to_guess(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    app = house.app(Role.CONSOLE)
    from accounts import devices

    with app.test_request_context("/login"):
        tries = [devices.may_try(EMAIL, None, by_recovery_code=False) for _ in range(10)]
    assert all(tries)
    allowed = 0
    for number in range(40):
        with app.test_request_context("/login", environ_base={"REMOTE_ADDR": f"10.{number}.0.1"}):
            allowed += sum(devices.may_try(EMAIL, None, by_recovery_code=False) for _ in range(10))
    assert allowed == 290, "300 a day for one address, whatever the network"
    with app.test_request_context("/login", environ_base={"REMOTE_ADDR": "10.99.0.1"}):
        assert not devices.may_try(EMAIL, None, by_recovery_code=False)
        assert devices.may_try(EMAIL, None, by_recovery_code=True), "which is left to the owner"


def test_forwarded_for_is_not_believed(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    client = house.client(Role.CONSOLE)
    answers = [
        attempt(
            client, passphrase="guess", headers={"X-Forwarded-For": f"10.9.{number}.1", "X-Real-IP": f"10.8.{number}.1"}
        ).status_code
        for number in range(11)
    ]
    assert answers[-1] == 429, "R24"


def test_a_device_is_unknown_again_after_logging_out_everywhere(house: House, make: Factory) -> None:
    account = make.account(email=EMAIL)
    client = house.client(Role.CONSOLE)
    assert attempt(client).status_code == 303
    house.drain()
    assert [mail["news"] for mail in mails(house)] == ["new_device"]
    client.delete_cookie("session")
    assert attempt(client, code=app_code(1)).status_code == 303
    house.drain()
    assert len(mails(house)) == 1, "this browser is known by now"
    house.sql(
        "UPDATE accounts SET devices_since = now() + interval '1 minute', totp_last_step = NULL WHERE id = :id",
        id=account,
    )
    client.delete_cookie("session")
    assert attempt(client).status_code == 303
    house.drain()
    assert len(mails(house)) == 2


def test_the_owner_is_told_when_somebody_knows_the_passphrase_alone(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    attempt(house.client(Role.CONSOLE), code="000000")
    house.drain()
    [mail] = mails(house)
    assert (mail["news"], mail["to"]) == ("wrong_code", EMAIL)


def mails(house: House) -> list[dict[str, Any]]:
    """Queued mails to people who log in, opened with the worker's keys, by what they tell: in one transaction none is older."""
    from core.records import decrypt_record, open_row_key

    with house.inside(Role.WORKER):
        opened = [
            decrypt_record(
                open_row_key(row.row_key_id, house.keyring.private_keys), "outbox", row.id, bytes(row.sealed)
            )
            for row in house.sql("SELECT id, row_key_id, sealed FROM outbox WHERE template = 'staff'")
        ]
        return sorted(opened, key=lambda mail: (mail["news"], mail["to"]))


# --- Where one goes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        ("/me", "/me"),
        ("/approvals?state=pending", "/approvals?state=pending"),
        ("//evil.example/", "/"),
        ("///evil.example/", "/"),
        ("////evil.example/", "/"),
        ("/////evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("http://[::1", "/"),
    ],
)
def test_after_logging_in_one_comes_to_pages_of_ours_alone(house: House, make: Factory, wish: str, place: str) -> None:
    make.account(email=EMAIL)
    client = house.client(Role.CONSOLE)
    csrf = hidden(client.get("/login").text, "csrf_token")
    data = {"email": EMAIL, "passphrase": PASSPHRASE, "code": app_code(), "csrf_token": csrf}
    assert client.post("/login", query_string={"next": wish}, data=data).location == place


def test_no_session_is_made_for_strangers(house: House) -> None:
    client = house.client(Role.CONSOLE)
    client.get("/login")
    attempt(client)
    assert house.value("SELECT count(*) FROM sessions") == 0
