"""A consent is bound to the very text and wordings that stood on the form, whatever is published meanwhile."""

from __future__ import annotations

import hashlib
from itertools import product
from typing import Any

import pytest

from core.config import LANGUAGES, Role
from core.records import decrypt_record, open_row_key
from petitions.forms import ConsentForm
from petitions.rules import VISIBILITIES
from tests.conftest import House
from tests.factories import VALID, Factory, hidden, sign, signed, the_signature
from tests.petitions.test_routing import send


def record_of(house: House, row: Any) -> dict[str, Any]:
    """What is kept of a signature."""
    with house.inside(Role.WORKER):
        key = open_row_key(row.row_key_id, house.keyring.private_keys)
        return decrypt_record(key, "signatures", row.id, row.sealed)


def published(house: House, petition_id: int, version: int, language: str) -> dict[str, Any]:
    row = house.sql(
        "SELECT version, language, hash FROM petition_texts WHERE petition_id = :p AND version = :v AND language = :l",
        p=petition_id,
        v=version,
        l=language,
    ).one()
    return dict(row._asdict())


@pytest.mark.parametrize("language", ["en", "be", "ru"])
@pytest.mark.parametrize("edits", list(product((0, 1, 2), (0, 1, 2))), ids=lambda pair: f"{pair[0]} then {pair[1]}")
def test_the_record_names_the_text_on_the_form_whatever_edits_race_with_it(
    house: House, make: Factory, language: str, edits: tuple[int, int]
) -> None:
    """So many versions are published between GET and POST, and so many between POST and the worker's turn."""
    petition = make.petition(texts=("en", "be", "ru"))
    slug, client = make.slug(petition), house.client()
    before, after = edits
    version = 1
    page = client.get(f"/petitions/{slug}/sign?text={language}").text
    read = hidden(page, "text_hash")
    assert read == published(house, petition, 1, language)["hash"]
    for _ in range(before):
        version += 1
        for one in ("en", "be", "ru"):
            make.text(petition, one, version)
    path = f"/petitions/{slug}/signatures?text={language}"
    data = {**VALID, "event_id": hidden(page, "event_id"), "text_hash": read}
    answer = client.post(path, data=data)
    if before:
        assert answer.status_code == 422
        assert "The text was changed while you were reading" in answer.text
        assert VALID["email"] in answer.text
        assert house.value("SELECT count(*) FROM inbox") == 0
        read = hidden(answer.text, "text_hash")
        answer = client.post(path, data={**data, "text_hash": read})
    assert answer.status_code == 303
    signed_version = version
    for _ in range(after):
        version += 1
        for one in ("en", "be", "ru"):
            make.text(petition, one, version)
    house.drain()
    row = the_signature(house)
    assert row.state == "pending"
    assert record_of(house, row)["text"] == published(house, petition, signed_version, language)
    assert published(house, petition, signed_version, language)["hash"] == read


def test_a_language_that_a_new_version_leaves_as_it_was_can_still_be_signed(house: House, make: Factory) -> None:
    petition = make.petition(texts=("en", "pl"))
    client, slug = house.client(), make.slug(petition)
    page = client.get(f"/petitions/{slug}/sign?text=pl").text
    make.text(petition, "en", 2)
    data = {**VALID, "event_id": hidden(page, "event_id"), "text_hash": hidden(page, "text_hash")}
    assert client.post(f"/petitions/{slug}/signatures?text=pl", data=data).status_code == 303
    house.drain()
    assert record_of(house, the_signature(house))["text"] == published(house, petition, 1, "pl")


@pytest.mark.parametrize(
    "change",
    [
        {"hash": "0" * 64},
        {"hash": ["0"]},
        {"version": 2},
        {"version": [1]},
        {"language": "be"},
        {"language": None},
    ],
    ids=str,
)
def test_a_text_that_the_petition_never_had_is_rejected(house: House, make: Factory, change: dict[str, Any]) -> None:
    petition = make.petition(texts=("en",))
    send(house, petition, text=published(house, petition, 1, "en") | change)
    house.drain()
    row = the_signature(house)
    assert (row.state, row.reason, row.sealed, row.mailbox_hmac) == ("rejected", "text_unknown", None, None)
    assert house.value("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize("text", [None, "x", [], {}])
def test_no_text_at_all_is_rejected(house: House, make: Factory, text: object) -> None:
    send(house, make.petition(), text=text)
    house.drain()
    assert the_signature(house).reason == "text_unknown"


def test_the_text_of_another_petition_is_rejected(house: House, make: Factory) -> None:
    petition, other = make.petition(), make.petition(countries=(), texts=())
    make.text(other, "en", title="Something else")
    send(house, petition, text=published(house, other, 1, "en"))
    house.drain()
    assert the_signature(house).reason == "text_unknown"


AGREED = {
    "ministry": {"ministry": True, "public": False},
    "initials": {"ministry": True, "public": False},
    "public": {"ministry": True, "public": True},
    "counted": {"ministry": False, "public": False},
}


def test_consent_and_visibility_must_say_the_same(house: House, make: Factory) -> None:
    petition = make.petition()
    expected = {}
    values = [*product(VISIBILITIES, (True, False, None, 1, "yes"), (True, False, None, 0))]
    values += [(wrong, True, False) for wrong in (None, "", "everybody", ["public"], {"public": True})]
    for number, (visibility, ministry, public) in enumerate(values):
        consent = {"ministry": ministry, "public": public, "hash": "0"}
        event = send(house, petition, visibility=visibility, consent=consent, email=f"n{number}@example.org")
        agreed = AGREED.get(visibility) if isinstance(visibility, str) else None
        whole = agreed is not None and ministry is agreed["ministry"] and public is agreed["public"]
        expected[event] = ("pending", None) if whole else ("rejected", "consent")
    house.drain()
    rows = house.sql("SELECT event_id, state, reason FROM signatures")
    assert {row.event_id: (row.state, row.reason) for row in rows} == expected
    assert sum(state == "pending" for state, _ in expected.values()) == len(VISIBILITIES)


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_the_form_makes_the_consent_of_the_choice(house: House, make: Factory, visibility: str) -> None:
    row = signed(house, make.slug(make.petition()), visibility=visibility)
    record = record_of(house, row)
    assert record["visibility"] == visibility
    consent = record["consent"]
    assert {name: consent[name] for name in ("ministry", "public", "updates")} == AGREED[visibility] | {
        "updates": False
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_hash_of_the_consent_is_of_the_words_on_the_screen(house: House, make: Factory, language: str) -> None:
    slug, client = make.slug(make.petition()), house.client()
    page = client.get(f"/petitions/{slug}/sign?lang={language}").text
    with house.app(Role.PUBLIC).test_request_context(f"/?lang={language}"):
        form = ConsentForm(formdata=None)
        words = [str(form.visibility.label.text), *(str(choice.label) for choice in form.visibility.choices)]
        words.append(str(form.updates.label.text))
    for word in words:
        assert word in page.replace("&#39;", "'").replace("&#34;", '"'), word
    data = {**VALID, "event_id": hidden(page, "event_id"), "text_hash": hidden(page, "text_hash")}
    assert client.post(f"/petitions/{slug}/signatures?lang={language}", data=data).status_code == 303
    house.drain()
    kept = record_of(house, the_signature(house))
    assert kept["consent"]["hash"] == hashlib.sha256("\n".join(words).encode()).hexdigest()
    assert kept["language"] == language


def test_a_text_sent_with_the_hash_of_none_is_asked_for_again(house: House, make: Factory) -> None:
    for wrong in ("", "0" * 64):
        response = sign(house.client(), make.slug(make.petition(countries=())), text_hash=wrong)
        assert response.status_code == 422
        assert "The text was changed" in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_a_receiver_that_changed_while_reading_is_said_and_nothing_is_stored(house: House, make: Factory) -> None:
    petition = make.petition()
    client, slug = house.client(), make.slug(petition)
    page = client.get(f"/petitions/{slug}/sign").text
    house.sql("DELETE FROM petition_routes WHERE country_code = 'PL'")
    told = {"event_id": hidden(page, "event_id"), "routes_hash": hidden(page, "routes_hash")}
    response = sign(client, slug, **told)
    assert response.status_code == 422
    assert "Who receives the signatures was changed while you were reading" in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0
    told["routes_hash"] = hidden(response.text, "routes_hash")
    assert sign(client, slug, **told).status_code == 303
