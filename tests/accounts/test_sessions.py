"""Sessions in the database: how long they live, how they end, and that an ended one stays ended."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from flask.testing import FlaskClient

from accounts import factors, sessions
from accounts.sessions import describe_device
from core.config import Role
from tests.accounts.test_login import EMAIL, attempt, mails
from tests.conftest import House
from tests.factories import PASSPHRASE, Factory, app_code, enter, hidden, options_in, passkey_of, post


def cookie_of(client: FlaskClient) -> str:
    found = client.get_cookie("session")
    assert found
    return found.value


def test_a_session_has_a_new_id_after_logging_in_and_after_a_proof(house: House, make: Factory) -> None:
    make.account(email=EMAIL, with_passkey=False)
    client = house.client(Role.CONSOLE)
    client.get("/login")
    before = cookie_of(client)
    assert attempt(client).status_code == 303
    first = cookie_of(client)
    assert first != before
    tokens = {house.value("SELECT token_hash FROM sessions")}
    house.sql("UPDATE sessions SET proved_at = now() - interval '6 minutes'")
    csrf = hidden(client.get("/me").text, "csrf_token")
    data = {"csrf_token": csrf, "proof_passphrase": PASSPHRASE, "proof_code": app_code(1)}
    assert client.post("/me/recovery-codes", data=data).status_code == 200
    tokens.add(house.value("SELECT token_hash FROM sessions"))
    assert len(tokens) == 2
    stale = house.client(Role.CONSOLE)
    stale.set_cookie("session", first)
    assert stale.get("/").status_code == 302, "the old id is worth nothing"
    assert client.get("/").status_code == 200


def test_the_database_holds_no_token(house: House, make: Factory) -> None:
    client = enter(house, make.account())
    with client.session_transaction() as held:
        token = held["_user_id"]
    assert len(token) >= 43, "256 bits"
    assert house.value("SELECT token_hash FROM sessions") == hashlib.sha256(token.encode()).digest()
    assert token not in str(house.sql("SELECT * FROM sessions").all())


@pytest.mark.parametrize(
    ("column", "age", "status"),
    [
        ("seen_at", "29 minutes", 200),
        ("seen_at", "31 minutes", 302),
        ("created_at", "7 hours 59 minutes", 200),
        ("created_at", "8 hours 1 minute", 302),
    ],
)
def test_a_session_ends_by_itself(house: House, make: Factory, column: str, age: str, status: int) -> None:
    client = enter(house, make.account())
    house.sql(f"UPDATE sessions SET {column} = now() - interval '{age}'")
    answer = client.get("/me")
    assert answer.status_code == status
    if status == 302:
        assert "Your session has ended" in client.get(answer.location).text


def test_being_seen_keeps_a_session_alive(house: House, make: Factory) -> None:
    client = enter(house, make.account())
    house.sql("UPDATE sessions SET seen_at = now() - interval '20 minutes'")
    client.get("/")
    assert house.value("SELECT seen_at > now() - interval '1 minute' FROM sessions")


def test_logging_out_ends_the_session_and_its_cookie(house: House, make: Factory) -> None:
    client = enter(house, make.account())
    held = cookie_of(client)
    assert post(client, "/logout").location == "/login"
    assert house.value("SELECT count(*) FROM sessions") == 0
    client.set_cookie("session", held)
    assert client.get("/").status_code == 302


def test_my_devices_can_be_logged_out_one_by_one_and_together(house: House, make: Factory) -> None:
    account = make.account()
    here, there, elsewhere = (enter(house, account) for _ in range(3))
    page = here.get("/me").text
    ends = re.findall(r'action="(/me/sessions/[^"]+/end)"', page)
    assert len(ends) == 2, "not this one"
    assert post(here, ends[0]).status_code == 303
    assert sorted(client.get("/").status_code for client in (there, elsewhere)) == [200, 302]
    assert post(here, "/me/sessions/end").status_code == 303
    assert [client.get("/").status_code for client in (here, there, elsewhere)] == [200, 302, 302]


def test_nobody_ends_the_session_of_another(house: House, make: Factory) -> None:
    owner = make.account()
    mine, theirs = enter(house, make.account()), enter(house, owner)
    other = house.value("SELECT id FROM sessions WHERE account_id = :a", a=owner)
    assert post(mine, f"/me/sessions/{other}/end").status_code == 404
    assert theirs.get("/").status_code == 200


@pytest.mark.parametrize("what", ["passphrase", "codes", "app", "passkey"])
def test_a_changed_key_ends_every_other_session_and_is_told(house: House, make: Factory, what: str) -> None:
    account = make.account()
    here, there = enter(house, account), enter(house, account)
    match what:
        case "passphrase":
            words = "fjord candle zebra moss"
            assert post(here, "/me/passphrase", passphrase=words, repeated=words).status_code == 303
        case "codes":
            assert post(here, "/me/recovery-codes").status_code == 200
        case "app":
            assert post(here, "/me/app/remove").status_code == 303
        case "passkey":
            answer = passkey_of(account + 1000).create(options_in(here.get("/me/passkeys").text))
            assert post(here, "/me/passkeys", answer=answer, name="blue key").status_code == 303
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 302)
    house.drain()
    assert [mail["news"] for mail in mails(house)] == ["keys_changed"]


def test_an_ended_session_does_not_come_back(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is under way while its session is ended elsewhere must not write it back (R11)."""
    house = own_database
    account = make_own.account()
    slow, other = enter(house, account), enter(house, account)
    house.sql("UPDATE sessions SET seen_at = now() - interval '5 minutes'")
    found, go_on = Event(), Event()
    real = sessions.this_session

    def waits() -> Any:
        row = real()
        if not found.is_set():
            found.set()
            assert go_on.wait(20)
        return row

    monkeypatch.setattr("accounts.doors.sessions.this_session", waits)
    with ThreadPoolExecutor() as pool:
        under_way = pool.submit(slow.get, "/me")
        assert found.wait(20)
        monkeypatch.setattr("accounts.doors.sessions.this_session", real)
        assert post(other, "/me/sessions/end").status_code == 303
        go_on.set()
        under_way.result()
    assert house.value("SELECT count(*) FROM sessions") == 1
    assert slow.get("/").status_code == 302
    assert other.get("/").status_code == 200


def test_cookies_of_the_console(house: House, make: Factory) -> None:
    page = house.client(Role.CONSOLE, secure_cookies=True).get("/login", base_url="https://localhost")
    [cookie] = page.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-session=")
    for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert "Domain" not in cookie
    assert page.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    plain = house.client(Role.CONSOLE, secure_cookies=False).get("/login")
    assert plain.headers["Set-Cookie"].startswith("session=")
    assert "Strict-Transport-Security" not in plain.headers


def test_the_mark_of_a_known_browser_has_a_safe_cookie(house: House, make: Factory) -> None:
    account = make.account()
    client = house.client(Role.CONSOLE, secure_cookies=True)
    base = {
        "base_url": "https://localhost",
        "headers": {"Origin": "https://localhost", "Referer": "https://localhost/login"},
    }
    page = client.get("/login", **base).text
    passkey = passkey_of(account)
    data = {"answer": passkey.get(options_in(page)), "csrf_token": hidden(page, "csrf_token")}
    answer = client.post("/login/passkey", data=data, **base)
    cookies = {cookie.split("=")[0]: cookie for cookie in answer.headers.getlist("Set-Cookie")}
    assert set(cookies) == {"__Host-session", "__Host-device"}
    for cookie in cookies.values():
        for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
            assert part in cookie


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0", "Edge, Windows"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15", "Safari, macOS"),
        ("curl/8.0", "?, ?"),
        ("", "?, ?"),
    ],
)  # fmt: skip
def test_a_device_is_described_in_two_words(agent: str, device: str) -> None:
    assert describe_device(agent) == device


def test_two_keys_removed_at_once_leave_one(own_database: House, make_own: Factory) -> None:
    house = own_database
    account = make_own.account()
    clients = [enter(house, account) for _ in range(2)]
    tokens = [hidden(client.get("/me").text, "csrf_token") for client in clients]
    key = house.value("SELECT id FROM passkeys")
    paths = ["/me/app/remove", f"/me/passkeys/{key}/remove"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: clients[one].post(paths[one], data={"csrf_token": tokens[one]}), range(2)))
    left = house.value("SELECT count(*) FROM passkeys") + house.value("SELECT count(totp_sealed) FROM accounts")
    assert left >= 1


def test_a_passphrase_that_is_changed_while_it_is_checked_opens_nothing(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.account(email=EMAIL)
    real = factors.spend_totp

    def meanwhile(account: Any, code: str) -> bool:
        found = real(account, code)
        house.sql("UPDATE accounts SET password_hash = 'another', devices_since = now() + interval '1 second'")
        return found

    monkeypatch.setattr(factors, "spend_totp", meanwhile)
    assert attempt(house.client(Role.CONSOLE)).status_code == 422
    assert house.value("SELECT count(*) FROM sessions") == 0


def test_logging_in_again_ends_the_session_before(house: House, make: Factory) -> None:
    account = make.account(email=EMAIL)
    client = enter(house, account)
    client.set_cookie("unrelated", "x")
    with client.session_transaction() as held:
        held["challenge"] = (0, "")
    csrf = hidden(client.get("/me").text, "csrf_token")
    data = {"email": EMAIL, "passphrase": PASSPHRASE, "code": app_code(), "csrf_token": csrf}
    assert client.post("/login", data=data).status_code == 303
    assert house.value("SELECT count(*) FROM sessions") == 1


def test_this_browser_stays_known_when_its_owner_ends_all_others(house: House, make: Factory) -> None:
    make.account(email=EMAIL)
    client = house.client(Role.CONSOLE)
    attempt(client)
    house.drain()
    assert len(mails(house)) == 1
    house.sql("UPDATE accounts SET devices_since = now() + interval '3 seconds'")
    assert post(client, "/me/sessions/end").status_code == 303
    client.delete_cookie("session")
    assert attempt(client, code=app_code(1)).status_code == 303
    house.drain()
    assert len(mails(house)) == 1
