"""What a form tells beside what was typed: the proof of work, the time it was open, the network, the trap."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from altcha import Challenge, Payload, Solution, create_challenge, solve_challenge
from flask import Flask
from flask.testing import FlaskClient

from core import daykeys
from core.config import Role
from core.demo.embedded import free_port
from core.sealing import context, unseal
from petitions import signals
from tests.conftest import House, url_of
from tests.factories import Factory, hidden, sign

AWAY = {"network": None, "proof": "unknown", "proof_id": None, "form": "away", "seconds": None, "trap": False}


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


@pytest.fixture
def app(house: House, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A public site with a Redis, whose challenges take five tries."""
    monkeypatch.setattr(signals, "TRIES", range(5, 6))
    app = house.app(Role.PUBLIC, redis_url=url_of(valkey))
    yield app
    for name in ("zbor_wake_ups", "zbor_celery"):
        app.extensions[name].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def told(house: House) -> dict[str, Any]:
    """The signals of the only event, as the worker finds them."""
    row = house.sql("SELECT * FROM inbox").one()
    keys = house.keyring.private_keys
    payload = unseal(bytes(row.sealed), keys, context("sign", row.petition_id, row.id))
    assert len(base64.b64decode(payload["salt"])) == 32
    assert "trap" not in payload
    found: dict[str, Any] = payload["signals"]
    house.sql("DELETE FROM inbox")
    return found


def solved(client: FlaskClient, slug: str) -> str:
    """A challenge of the site, solved as the widget does."""
    answer = client.get(f"/petitions/{slug}/proof")
    assert answer.status_code == 200
    challenge = Challenge.from_dict(answer.json)
    solution = solve_challenge(challenge)
    assert solution
    assert solution.counter == 5
    return Payload(challenge, solution).to_base64()


def test_a_browser_that_proves_its_work_is_told_apart(house: House, client: FlaskClient, slug: str) -> None:
    proof = solved(client, slug)
    page = client.get(f"/petitions/{slug}/sign").text
    sent = {"event_id": hidden(page, "event_id"), "shown": hidden(page, "shown"), "proof": proof}
    assert sign(client, slug, **sent).status_code == 303
    found = told(house)
    assert found.pop("network") is None, "this very machine is no network of the internet"
    assert re.fullmatch("[0-9a-f]{32}", found["proof_id"])
    assert found.pop("proof_id") in base64.b64decode(proof).decode()
    assert found.pop("seconds") in (0, 1)
    assert found == {"proof": "solved", "form": "known", "trap": False}


def test_without_a_script_there_is_no_proof_and_the_signature_is_stored(
    house: House, client: FlaskClient, slug: str
) -> None:
    assert sign(client, slug, website="https://spam.example").status_code == 303
    found = told(house)
    assert (found["proof"], found["proof_id"], found["form"], found["seconds"]) == ("none", None, "unknown", None)
    assert found["trap"] is True


def test_a_challenge_says_no_more_than_it_must_and_nobody_keeps_it(
    house: House, client: FlaskClient, slug: str
) -> None:
    answer = client.get(f"/petitions/{slug}/proof")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert "Set-Cookie" not in answer.headers
    assert answer.json
    assert set(answer.json) == {"parameters", "signature"}
    parameters = answer.json["parameters"]
    assert set(parameters) == {
        "algorithm", "cost", "data", "expiresAt", "keyLength", "keyPrefix", "keySignature", "nonce", "salt",
    }  # fmt: skip
    assert parameters["data"] == {"petition": house.value("SELECT id FROM petitions")}
    assert 590 <= parameters["expiresAt"] - time.time() <= 600
    assert len(parameters["keyPrefix"]) == 32, "half of the key, so that only the right try fits"
    assert client.get(f"/petitions/{slug}/proof").json["parameters"]["nonce"] != parameters["nonce"]


@pytest.mark.parametrize("state", ["draft", "closed", "hidden", None])
def test_there_is_a_challenge_for_open_petitions_alone(client: FlaskClient, make: Factory, state: str | None) -> None:
    slug = make.slug(make.petition(countries=(), state=state)) if state else "never-was"
    answer = client.get(f"/petitions/{slug}/proof")
    assert answer.status_code == 404
    never = client.get("/petitions/never-was-either/proof")
    assert answer.text.split("<main")[1] == never.text.split("<main")[1]


def test_while_a_petition_is_flooded_a_proof_takes_four_times_as_many_tries(
    house: House, client: FlaskClient, slug: str
) -> None:
    house.sql(
        "INSERT INTO bursts (petition_id, kind, key, since, last_at) SELECT id, 'network', 'x', now(), now() FROM petitions"
    )
    solution = solve_challenge(Challenge.from_dict(client.get(f"/petitions/{slug}/proof").json))
    assert solution
    assert solution.counter == 20
    house.sql("UPDATE bursts SET ended_at = now()")
    solved(client, slug)


# --- Proofs that prove nothing ------------------------------------------------------------------------------------------


def changed(proof: str, **changes: Any) -> str:
    """The same proof with something of its challenge changed."""
    payload = json.loads(base64.b64decode(proof))
    payload["challenge"]["parameters"] |= changes
    return base64.b64encode(json.dumps(payload).encode()).decode()


def own_challenge(petition_id: int) -> str:
    """A challenge that somebody made for themselves, under a key of theirs."""
    key = bytes(32)
    made = create_challenge(
        signals.ALGORITHM, 1, counter=1, expires_at=int(time.time()) + 500, data={"petition": petition_id}, hmac_secret=key, hmac_key_secret=key,
    )  # fmt: skip
    solution = solve_challenge(made)
    assert solution
    return Payload(made, solution).to_base64()


def wrong_answer(proof: str) -> str:
    payload = Payload.from_base64(proof)
    return Payload(payload.challenge, Solution(5, "00" * 32)).to_base64()


WORTHLESS: dict[str, Callable[[str, int], str]] = {
    "nothing": lambda _proof, _petition: "",
    "not base64": lambda _proof, _petition: "жук",
    "not JSON": lambda _proof, _petition: base64.b64encode(b"{").decode(),
    "another shape": lambda _proof, _petition: base64.b64encode(b'{"challenge": [], "solution": 5}').decode(),
    "a list of parameters": lambda _proof, _petition: base64.b64encode(b'{"challenge": {"parameters": [1]}}').decode(),
    "deep": lambda _proof, _petition: base64.b64encode(b"[" * 1_500).decode(),
    "long": lambda proof, _petition: proof + "A" * 4_000,
    "no number in time": lambda proof, _petition: changed(proof, expiresAt="soon"),
    "no time at all": lambda proof, _petition: changed(proof, expiresAt=None),
    "endless": lambda proof, _petition: changed(proof, expiresAt=float("inf")),
    "good for longer": lambda proof, _petition: changed(proof, expiresAt=int(time.time()) + 86_400),
    "cheaper": lambda proof, _petition: changed(proof, cost=1),
    "another petition's": lambda proof, petition: changed(proof, data={"petition": petition + 1}),
    "another number": lambda proof, _petition: changed(proof, nonce="ab" * 16),
    "unsigned answer": lambda proof, _petition: changed(proof, keySignature=None),
    "a wrong answer": lambda proof, _petition: wrong_answer(proof),
    "one's own challenge": lambda _proof, petition: own_challenge(petition),
}


@pytest.mark.parametrize("how", WORTHLESS)
def test_a_forged_proof_is_none(house: House, client: FlaskClient, slug: str, how: str) -> None:
    proof = WORTHLESS[how](solved(client, slug), house.value("SELECT id FROM petitions"))
    assert sign(client, slug, proof=proof).status_code == 303
    found = told(house)
    assert (found["proof"], found["proof_id"]) == ("none", None)


def test_the_proof_of_another_petition_is_none(house: House, client: FlaskClient, make: Factory, slug: str) -> None:
    other = make.slug(make.petition(countries=()))
    assert sign(client, slug, proof=solved(client, other)).status_code == 303
    assert told(house)["proof"] == "none"


def test_a_proof_that_comes_too_late_is_none(
    house: House, client: FlaskClient, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = solved(client, slug)
    now = time.time()
    for later, state in ((590, "solved"), (610, "none")):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert sign(client, slug, proof=proof).status_code == 303
        assert told(house)["proof"] == state


def test_a_proof_and_a_form_of_before_midnight_are_known_after_it(
    house: House, client: FlaskClient, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = (int(time.time()) // 86_400 + 1) * 86_400
    monkeypatch.setattr(daykeys, "today", lambda: signals._day(int(time.time())))
    monkeypatch.setattr(time, "time", lambda: midnight - 60)
    proof = solved(client, slug)
    page = client.get(f"/petitions/{slug}/sign").text
    sent = {"event_id": hidden(page, "event_id"), "shown": hidden(page, "shown"), "proof": proof}
    monkeypatch.setattr(time, "time", lambda: midnight + 60)
    assert sign(client, slug, **sent).status_code == 303
    found = told(house)
    assert (found["proof"], found["form"], found["seconds"]) == ("solved", "known", 120)


def test_the_number_of_a_proof_that_is_sent_twice_is_the_same_so_the_worker_can_tell(
    house: House, client: FlaskClient, slug: str
) -> None:
    proof = solved(client, slug)
    numbers = []
    for number in range(2):
        assert sign(client, slug, proof=proof, email=f"n{number}@example.org").status_code == 303
        numbers.append(told(house)["proof_id"])
    assert numbers[0] == numbers[1]


# --- How long the form was open ------------------------------------------------------------------------------------------


def test_a_form_that_comes_back_keeps_the_moment_it_was_first_shown(
    house: House, client: FlaskClient, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    page = client.get(f"/petitions/{slug}/sign").text
    sent = {"event_id": hidden(page, "event_id"), "shown": hidden(page, "shown")}
    monkeypatch.setattr(time, "time", lambda: now + 40)
    again = sign(client, slug, **sent, city="")
    assert again.status_code == 422
    sent = {"event_id": hidden(again.text, "event_id"), "shown": hidden(again.text, "shown")}
    monkeypatch.setattr(time, "time", lambda: now + 90)
    assert sign(client, slug, **sent).status_code == 303
    assert told(house)["seconds"] in (89, 90)


@pytest.mark.parametrize("how", ["another form's", "younger", "of last week", "of tomorrow", "forged", "odd", "empty"])
def test_the_moment_of_another_form_or_a_made_up_one_is_unknown(
    house: House, app: Flask, client: FlaskClient, slug: str, how: str
) -> None:
    event, now = str(uuid4()), int(time.time())
    mark = "0" * 32
    shown = {
        "another form's": hidden(client.get(f"/petitions/{slug}/sign").text, "shown"),
        "forged": f"{now}.{mark}",
        "of last week": f"{now - 7 * 86_400}.{mark}",
        "of tomorrow": f"{now + 86_400}.{mark}",
        "odd": f"{now}.{mark}\n",
        "empty": "",
    }
    with app.test_request_context():
        shown["younger"] = f"{now - 3600}.{signals.shown_now(UUID(event)).partition('.')[2]}"
    assert sign(client, slug, event_id=event, shown=shown[how]).status_code == 303
    found = told(house)
    assert (found["form"], found["seconds"]) == ("unknown", None)


def test_a_form_shown_while_the_key_was_away_gets_its_moment_when_it_comes_back(client: FlaskClient, slug: str) -> None:
    again = sign(client, slug, shown="", city="")
    assert re.fullmatch(r"[0-9]+\.[0-9a-f]{32}", hidden(again.text, "shown"))


# --- Networks, and no key at all -----------------------------------------------------------------------------------------


def test_a_network_is_the_same_for_all_within_it_and_means_nothing_under_the_next_key(
    app: Flask, valkey: redis.Redis
) -> None:
    def seen(address: str) -> str | None:
        with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return signals.network_of_today()

    assert seen("9.9.9.1") == seen("9.9.9.250") != seen("9.9.8.1")
    assert seen("::ffff:9.9.9.7") == seen("9.9.9.1"), "one address in two spellings"
    assert seen("2620:fe:1:2::3") == seen("2620:fe:1:9::4") != seen("2620:fe:2::1")
    for ours in ("127.0.0.1", "10.1.2.3", "172.18.0.1", "::1", "fd00::1"):
        assert seen(ours) is None, "a proxy of ours is not a flood"
    before = seen("9.9.9.1")
    assert before is not None
    assert re.fullmatch("[0-9a-f]{16}", before)
    valkey.flushall()
    app.extensions.pop("zbor_day_keys")
    assert seen("9.9.9.1") not in (before, None)


@pytest.mark.parametrize("url", ["", "away"])
def test_while_the_keys_are_away_nothing_is_told_and_signing_works(house: House, slug: str, url: str) -> None:
    client = house.client(redis_url=f"redis://127.0.0.1:{free_port()}/0" if url else "")
    assert sign(client, slug, proof="x", shown="1.0").status_code == 303
    assert told(house) == AWAY
    assert client.get(f"/petitions/{slug}/proof").status_code == 503


def test_nothing_of_it_stands_in_the_database_or_in_redis(
    house: House, client: FlaskClient, slug: str, valkey: redis.Redis
) -> None:
    proof = solved(client, slug)
    with house.app(Role.PUBLIC).test_request_context(environ_base={"REMOTE_ADDR": "9.9.9.7"}):
        assert signals.network_of_today()
    assert sign(client, slug, proof=proof).status_code == 303
    row = house.sql("SELECT * FROM inbox").one()
    for text in (b"127.0.0", b"198.51.100", proof.encode()[:40]):
        assert text not in bytes(row.sealed)
        assert all(text not in (valkey.get(key) or b"") for key in valkey.keys("zbor:*"))
