"""Proving anew who one is: asked for where it matters, by what it must be, and nothing typed is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from core.config import Role
from tests.accounts.test_login import EMAIL, attempt
from tests.conftest import House
from tests.factories import PASSPHRASE, Factory, app_code, enter, hidden, options_in, passkey_of

INVITE = {
    "name": "Nadzeya <b>",
    "email": "new@example.org",
    "language": "pl",
    "role": "reviewer",
    "reason": "one & two",
}


def grow_stale(house: House, minutes: int = 6) -> None:
    house.sql(f"UPDATE sessions SET proved_at = now() - interval '{minutes} minutes'")


def send(client: FlaskClient, path: str, **data: Any) -> Any:
    return client.post(path, data={"csrf_token": hidden(client.get("/me").text, "csrf_token"), **data})


@pytest.mark.parametrize(("minutes", "status"), [(4, 200), (6, 403)])
def test_a_proof_is_fresh_for_five_minutes(house: House, make: Factory, minutes: int, status: int) -> None:
    client = enter(house, make.account(role="administrator"))
    grow_stale(house, minutes)
    assert send(client, "/people/invite", **INVITE).status_code == status


def test_what_was_typed_goes_on_after_the_proof(house: House, make: Factory) -> None:
    account = make.account(role="administrator")
    client = enter(house, account)
    grow_stale(house)
    page = send(client, "/people/invite", **INVITE)
    assert page.status_code == 403
    assert house.value("SELECT count(*) FROM invitations") == 0
    kept = {name: hidden(page.text, name) for name in INVITE}
    assert kept["name"] == "Nadzeya &lt;b&gt;"
    data = {
        **INVITE,
        "csrf_token": hidden(page.text, "csrf_token"),
        "proof_passkey": passkey_of(account).get(options_in(page.text)),
    }
    done = client.post("/people/invite", data=data)
    assert done.status_code == 200
    assert "The link for Nadzeya" in done.text
    assert house.value("SELECT reason FROM approvals") == "one & two"
    assert send(client, "/people/invite", **{**INVITE, "email": "b@example.org"}).status_code == 200, "fresh now"


def test_an_answer_of_a_passkey_proves_once(house: House, make: Factory) -> None:
    account = make.account(role="administrator")
    client = enter(house, account)
    grow_stale(house)
    page = send(client, "/people/invite", **INVITE)
    answer = passkey_of(account).get(options_in(page.text))
    proof = {**INVITE, "csrf_token": hidden(page.text, "csrf_token"), "proof_passkey": answer}
    assert client.post("/people/invite", data=proof).status_code == 200
    grow_stale(house)
    house.sql("UPDATE passkeys SET sign_count = 0")
    assert client.post("/people/invite", data={**proof, "email": "b@example.org"}).status_code == 403


@pytest.mark.parametrize("spoil", ["another account", "no token", "junk"])
def test_a_proof_that_is_none_changes_nothing(house: House, make: Factory, spoil: str) -> None:
    account, other = make.account(role="administrator"), make.account(role="administrator")
    client = enter(house, account)
    grow_stale(house)
    page = send(client, "/people/invite", **INVITE)
    answer = (
        "junk"
        if spoil == "junk"
        else passkey_of(other if spoil == "another account" else account).get(options_in(page.text))
    )
    data = {**INVITE, "csrf_token": hidden(page.text, "csrf_token"), "proof_passkey": answer}
    if spoil == "no token":
        del data["csrf_token"]
    refused = client.post("/people/invite", data=data)
    assert refused.status_code == (400 if spoil == "no token" else 403)
    assert house.value("SELECT count(*) FROM invitations") == 0
    if spoil != "no token":
        assert "This did not prove who you are" in refused.text
        assert hidden(refused.text, "reason") == "one &amp; two"


def test_passphrase_and_code_do_not_prove_enough_where_a_passkey_is_asked_for(house: House, make: Factory) -> None:
    client = enter(house, make.account(role="administrator"))
    grow_stale(house)
    page = send(client, "/people/invite", **INVITE, proof_passphrase=PASSPHRASE, proof_code=app_code())
    assert page.status_code == 403
    assert "this step asks for your passkey" in page.text
    assert house.value("SELECT count(*) FROM invitations") == 0


def test_whoever_has_a_passkey_changes_keys_with_it_or_a_recovery_code(house: House, make: Factory) -> None:
    """A phished code must not be enough to add a passkey of the thief's."""
    from tests.accounts.test_login import codes_of

    account = make.account(email=EMAIL)
    codes = codes_of(house, account)
    client = house.client(Role.CONSOLE)
    assert attempt(client).status_code == 303
    assert send(client, "/me/recovery-codes").status_code == 403
    by_code = {"proof_passphrase": PASSPHRASE, "proof_code": app_code(1)}
    assert send(client, "/me/recovery-codes", **by_code).status_code == 403
    by_recovery = {"proof_passphrase": PASSPHRASE, "proof_code": codes[0]}
    assert send(client, "/me/recovery-codes", **by_recovery).status_code == 200


def test_a_passkey_can_be_shown_on_the_way_to_a_page(house: House, make: Factory) -> None:
    account = make.account(role="administrator", email=EMAIL)
    client = house.client(Role.CONSOLE)
    attempt(client)
    page = client.get("/people?state=open")
    assert page.status_code == 403
    assert 'action="/prove?next=/people?state%3Dopen&proof=passkey"' in page.text.replace("&amp;", "&")
    data = {
        "csrf_token": hidden(page.text, "csrf_token"),
        "proof_passkey": passkey_of(account).get(options_in(page.text)),
    }
    there = client.post("/prove", query_string={"next": "/people?state=open", "proof": "passkey"}, data=data)
    assert there.location == "/people?state=open"
    assert client.get(there.location).status_code == 200
    assert (
        client.post(
            "/prove",
            query_string={"next": "////evil.example", "proof": "passkey"},
            data={"csrf_token": data["csrf_token"]},
        ).location
        == "/"
    )


def test_guessing_at_the_proof_is_slowed(house: House, make: Factory) -> None:
    client = enter(house, make.account())
    grow_stale(house)
    guess = {"proof_passphrase": "guess", "proof_code": "000000"}
    assert [send(client, "/me/recovery-codes", **guess).status_code for _ in range(11)] == [403] * 10 + [429]
    assert "what you entered is kept" in send(client, "/me/recovery-codes", **guess).text


def test_what_was_sent_after_the_session_ended_is_told_not_to_be_done(house: House, make: Factory) -> None:
    client = enter(house, make.account(role="administrator"))
    csrf = hidden(client.get("/people/invite").text, "csrf_token")
    house.sql("DELETE FROM sessions")
    from_page = {"Referer": "http://localhost/people/invite"}
    answer = client.post("/people/invite", data={"csrf_token": csrf, **INVITE}, headers=from_page)
    assert (answer.status_code, answer.location) == (303, "/login?next=/people/invite&unsent=1")
    assert "What you sent last was not done." in client.get(answer.location).text
    elsewhere = client.post("/people/invite", data={"csrf_token": csrf}, headers={"Referer": "http://evil.example/x"})
    assert elsewhere.location == "/login?unsent=1"
    assert house.value("SELECT count(*) FROM invitations") == 0
