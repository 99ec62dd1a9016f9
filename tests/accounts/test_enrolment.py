"""From the link of an invitation to an account with two factors; and that nothing half-done opens anything."""

from __future__ import annotations

import re
from typing import Any

import pyotp
import pytest
from flask.testing import FlaskClient

from accounts import factors, roles
from accounts.permissions import Action
from core.config import Role
from core.security import declared_entry
from tests.accounts.test_login import attempt, mails
from tests.conftest import House
from tests.factories import Factory, enter, hidden, options_in, passkey_of, post

WORDS = "fjord candle zebra moss"
UUIDS = {
    "bundle_id",
    "download_id",
    "approval_id",
    "event_id",
    "passkey_id",
    "session_id",
    "news_id",
    "decision_id",
    "picket_id",
    "shift_id",
    "photo_id",
}


def invited(house: House, *options: str, email: str = "new@example.org") -> str:
    """Invite somebody by the command line. Returns the path of the link."""
    with house.acting(Role.CONSOLE):
        done = house.app(Role.CONSOLE).test_cli_runner().invoke(args=["invite", email, "--name", "New", *options])
    assert done.exit_code == 0, done.output
    return done.output.strip().removeprefix("http://localhost")


def accept(client: FlaskClient, link: str, **changes: Any) -> Any:
    data = {"name": "Nadzeya", "passphrase": WORDS, "repeated": WORDS, **changes}
    return client.post(link, data={"csrf_token": hidden(client.get(link).text, "csrf_token"), **data})


def shown_key(client: FlaskClient) -> str:
    found = re.search(r'<code class="key">([A-Z2-7 ]+)', client.get("/me/app").text)
    assert found
    return found[1].replace(" ", "")


def connect_app(client: FlaskClient) -> tuple[str, Any]:
    key = shown_key(client)
    csrf = hidden(client.get("/me/app").text, "csrf_token")
    return key, client.post("/me/app", data={"csrf_token": csrf, "code": pyotp.TOTP(key).now()})


def test_from_the_link_to_the_console_with_an_app(house: House) -> None:
    link = invited(house, "--role", "organiser", "--country", "PL")
    client = house.client(Role.CONSOLE)
    assert accept(client, link).location == "/me"
    assert house.sql("SELECT enrolled_at FROM accounts").one() == (None,)
    key, done = connect_app(client)
    assert len(re.findall(r"<li><code>", done.text)) == 10, "the recovery codes come at once"
    assert "Welcome, Nadzeya" in client.get("/").text
    assert "Organiser, Poland" in client.get("/").text
    assert house.client(Role.CONSOLE).get(link).status_code == 410
    other = house.client(Role.CONSOLE)
    assert attempt(other, "new@example.org", WORDS, pyotp.TOTP(key).now()).status_code == 422, "its first code is spent"
    house.sql("UPDATE accounts SET totp_last_step = totp_last_step - 5")
    assert attempt(other, "new@example.org", WORDS, pyotp.TOTP(key).now()).status_code == 303


def test_from_the_link_to_the_console_with_a_passkey(house: House) -> None:
    client = house.client(Role.CONSOLE)
    accept(client, invited(house, "--role", "administrator"))
    assert "Authenticator app" not in client.get("/me").text, "administrators need a passkey"
    page = client.get("/me/passkeys").text
    passkey = passkey_of(1)
    data = {"csrf_token": hidden(page, "csrf_token"), "answer": passkey.create(options_in(page)), "name": ""}
    assert "Your recovery codes" in client.post("/me/passkeys", data=data).text
    assert client.get("/people").status_code == 200
    assert house.value("SELECT name FROM passkeys") == "Passkey 1"


def test_without_a_second_factor_nothing_is_open(house: House) -> None:
    """Every door but those that lead to a second factor, and out, with a form that would do what it is for."""
    client = house.client(Role.CONSOLE)
    accept(client, invited(house, "--role", "administrator"))
    csrf = hidden(client.get("/me/app").text, "csrf_token")
    words = "another fine old phrase"
    app = house.app(Role.CONSOLE)
    with app.test_request_context():
        rules = [
            rule
            for rule in app.url_map.iter_rules()
            if declared_entry(app, rule.endpoint) in {*Action} - {Action.LOG_OUT}
        ]
        odd = {**dict.fromkeys(UUIDS, "00000000-0000-0000-0000-000000000001"), "direction": "up", "answer": "accept"}
        odd["letter_kind"] = "cover"
        paths = [
            (method, app.url_for(rule.endpoint, **{name: odd.get(name, 1) for name in rule.arguments}))
            for rule in rules
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        ]
    open_doors = {"/me", "/me/app", "/me/passkeys"}
    assert len(paths) > 40
    for method, path in paths:
        if path not in open_doors:
            data = {"csrf_token": csrf, "passphrase": words, "repeated": words}
            answer = client.open(path, method=method, data=data if method == "POST" else None)
            assert (answer.status_code, answer.location) == (303, "/me"), (method, path)
    assert house.sql("SELECT enrolled_at, totp_sealed FROM accounts").one() == (None, None)
    assert house.value("SELECT method FROM sessions") == "invitation"
    assert attempt(house.client(Role.CONSOLE), "new@example.org", WORDS, "").status_code == 422
    assert attempt(house.client(Role.CONSOLE), "new@example.org", WORDS, "123456").status_code == 422


def test_whoever_is_interrupted_opens_the_link_again(house: House) -> None:
    link = invited(house)
    first, again = house.client(Role.CONSOLE), house.client(Role.CONSOLE)
    accept(first, link)
    key = shown_key(first)
    accept(again, link, passphrase="other words of mine", repeated="other words of mine")
    assert first.get("/me/app").status_code == 302, "the first session is over"
    assert shown_key(again) != key
    connect_app(again)
    assert again.get("/").status_code == 200


def test_a_link_opened_twice_makes_one_account_and_the_second_is_told(house: House) -> None:
    """Both have the page open; the second finds the link used up when they send theirs, and changes nothing."""
    link = invited(house)
    first, second = house.client(Role.CONSOLE), house.client(Role.CONSOLE)
    csrf = hidden(second.get(link).text, "csrf_token")
    accept(first, link)
    connect_app(first)
    before = house.value("SELECT password_hash FROM accounts")
    late = second.post(link, data={"csrf_token": csrf, "name": "Thief", "passphrase": WORDS, "repeated": WORDS})
    assert late.status_code == 410
    assert "This invitation is over" in late.text
    assert house.sql("SELECT name, password_hash FROM accounts").one() == ("Nadzeya", before)
    assert first.get("/").status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE invitations SET expires_at = now() - interval '1 second'",
        "UPDATE invitations SET revoked_at = now()",
        "UPDATE invitations SET used_at = now()",
        "UPDATE accounts SET is_active = false",
    ],
)
def test_a_link_that_is_over_says_so_and_no_more(house: House, end: str) -> None:
    link = invited(house)
    house.sql(end)
    pages = [house.client(Role.CONSOLE).get(path) for path in (link, "/invitations/" + "x" * 43)]
    assert [page.status_code for page in pages] == [410, 410]
    bare = [re.sub(r'href="[^"]*"', "", page.text) for page in pages]
    assert bare[0] == bare[1], "an unknown link gets the same page"


def test_a_link_that_ends_half_way_leaves_nothing_half_done(house: House) -> None:
    link = invited(house)
    client = house.client(Role.CONSOLE)
    accept(client, link)
    house.sql("UPDATE invitations SET revoked_at = now()")
    assert connect_app(client)[1].status_code == 410
    assert house.sql("SELECT enrolled_at, totp_sealed FROM accounts").one() == (None, None)


def test_a_newer_link_ends_the_older(house: House) -> None:
    old, new = invited(house), invited(house)
    assert house.client(Role.CONSOLE).get(old).status_code == 410
    assert house.client(Role.CONSOLE).get(new).status_code == 200
    assert house.value("SELECT count(*) FROM accounts") == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"passphrase": "too short"}, "at least 15 characters"),
        ({"passphrase": "x" * 129}, "too long"),
        ({"passphrase": "PasswordPassword"}, "lists of stolen ones"),
        ({"passphrase": "zborzborzborzborzbor"}, "guessed too soon"),
        ({"passphrase": "new@example.orgNadzeya"}, "guessed too soon"),
        ({"repeated": "other"}, "not the same"),
        ({"name": " "}, "Enter your name"),
        ({"name": "x" * 101}, "too long"),
    ],
)
def test_what_is_wrong_is_told_beside_the_field(house: House, changes: dict[str, str], sentence: str) -> None:
    repeated = {"repeated": changes["passphrase"]} if "passphrase" in changes else {}
    link = invited(house)
    answer = accept(house.client(Role.CONSOLE), link, **{**repeated, **changes})
    assert answer.status_code == 422
    assert sentence in answer.text
    assert house.value("SELECT password_hash IS NULL FROM accounts")


@pytest.mark.parametrize(
    "passphrase", ["вясна прыйдзе ў кожны двор", "x9$kQ2!vLp7@wRt4", WORDS, "żółw pije gęsią śmietanę"]
)
def test_good_passphrases_in_any_script_are_taken(house: House, passphrase: str) -> None:
    assert (
        accept(house.client(Role.CONSOLE), invited(house), passphrase=passphrase, repeated=passphrase).status_code
        == 303
    )


def test_the_list_of_breached_passphrases_is_there_and_offline() -> None:
    assert len(factors._breached()) > 10_000
    assert all(len(word) >= factors.SHORTEST for word in factors._breached())
    assert factors.is_breached("PASSWORDPASSWORD")
    assert not factors.is_breached(WORDS)


@pytest.mark.parametrize("code", ["000000", "12345", "", "½½½½½½"])
def test_a_wrong_first_code_says_so_and_keeps_the_key(house: House, code: str) -> None:
    client = house.client(Role.CONSOLE)
    accept(client, invited(house))
    key = shown_key(client)
    csrf = hidden(client.get("/me/app").text, "csrf_token")
    answer = client.post("/me/app", data={"csrf_token": csrf, "code": code})
    assert answer.status_code == 422
    assert shown_key(client) == key
    assert house.value("SELECT totp_sealed IS NULL FROM accounts")


@pytest.mark.parametrize("spoil", ["another site", "unverified", "kept already", "junk"])
def test_a_passkey_that_does_not_belong_here_is_refused(house: House, make: Factory, spoil: str) -> None:
    account = make.account()
    client = enter(house, account)
    options = options_in(client.get("/me/passkeys").text)
    passkey = passkey_of(account if spoil == "kept already" else account + 1)
    if spoil == "another site":
        passkey.origin = "https://evil.example"
    if spoil == "unverified":
        passkey.flags = 1
    answer = "{}" if spoil == "junk" else passkey.create(options)
    refused = post(client, "/me/passkeys", answer=answer, name="")
    assert refused.status_code == 422
    assert "This passkey could not be used" in refused.text
    assert house.value("SELECT count(*) FROM passkeys") == 1


def test_the_only_second_factor_cannot_be_removed(house: House, make: Factory) -> None:
    account = make.account()
    client = enter(house, account)
    key = house.value("SELECT id FROM passkeys")
    assert post(client, "/me/app/remove").status_code == 303
    assert post(client, f"/me/passkeys/{key}/remove").status_code == 303
    assert "This is your only second key" in client.get("/me").text
    assert house.value("SELECT count(*) FROM passkeys") == 1


def test_a_passkey_of_another_account_cannot_be_removed(house: House, make: Factory) -> None:
    client, other = enter(house, make.account()), make.account()
    key = house.value("SELECT id FROM passkeys WHERE account_id = :a", a=other)
    assert post(client, f"/me/passkeys/{key}/remove").status_code == 404
    assert house.value("SELECT count(*) FROM passkeys") == 2


def test_an_invitation_goes_by_mail_when_it_is_wanted(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = enter(house, make.account(role="administrator"))
    data = {
        "name": "New",
        "email": "New@Example.org",
        "language": "be",
        "role": "reviewer",
        "reason": "we need one",
        "by_mail": "y",
    }
    page = post(client, "/people/invite", **data)
    link = re.search(r"http://localhost(/invitations/[^<\s]+)<", page.text)
    assert link
    house.drain()
    [mail] = mails(house)
    assert (mail["news"], mail["to"], mail["language"]) == ("invited", "new@example.org", "be")
    assert mail["link"].endswith(link[1])
    assert house.client(Role.CONSOLE).get(link[1]).status_code == 200
    for found in (roles.find_by_email, lambda _email: None):  # The second: somebody else invites at the same moment.
        monkeypatch.setattr(roles, "find_by_email", found)
        again = post(client, "/people/invite", **data)
        assert again.status_code == 422
        assert "There is an account of this address already" in again.text
