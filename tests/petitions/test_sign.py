"""The sign form, as a visitor meets it."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from core.config import Role
from tests.conftest import House
from tests.factories import VALID, Factory, hidden, sign


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition(texts=("en", "be", "pl")))


def test_valid_form_is_stored_as_one_sealed_event(house: House, slug: str) -> None:
    response = sign(house.client(), slug)
    assert (response.status_code, response.location) == (303, f"/petitions/{slug}/thanks")
    row = house.sql("SELECT * FROM inbox").one()
    assert (row.kind, row.state) == ("sign", "new")
    for typed in ("Вольга", "olga@example.org", "Białystok"):
        assert typed.encode() not in bytes(row.sealed)


def test_same_form_twice_adds_nothing_and_says_so(house: House, slug: str) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}").text
    same = {"event_id": hidden(page, "event_id")}
    assert sign(client, slug, **same).location.endswith("/thanks")
    again = sign(client, slug, **same)
    assert again.location == f"/petitions/{slug}/already-sent"
    assert "To an empty form" in client.get(again.location).text
    assert house.value("SELECT count(*) FROM inbox") == 1


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "", "Enter your first and last name"),
        ("name", "   ", "Enter your first and last name"),
        ("name", "a" * 81, "longer than 80 characters"),
        ("name", "Anna\u202eilgnA", "invisible or control character"),
        ("name", "Anna\x07", "invisible or control character"),
        ("name", "Anna\nBcc: x@example.org", "invisible or control character"),
        ("name", "Visit https://example.org", "looks like a web address"),
        ("name", "www.example.org", "looks like a web address"),
        ("name", "=HYPERLINK(1)", "cannot begin with the sign “=”"),
        ("name", "＝cmd", "cannot begin with the sign"),
        ("name", "12345", "no letter in it"),
        ("email", "", "Enter your e-mail address"),
        ("email", "olga at example.org", "not a complete e-mail address"),
        ("email", "a" * 250 + "@example.org", "not a complete e-mail address"),
        ("email", "x@mailinator.com", "throw-away address"),
        ("email", "x@sub.mailinator.com", "throw-away address"),
        ("country", "", "Choose the country where you live"),
        ("country", "XX", "We do not know this country"),
        ("country", None, "Choose the country where you live"),
        ("city", "", "Enter the city or town"),
        ("name", "孙中山", "The register can be printed in Latin"),
        ("city", "@SUM(A1)", "cannot begin with the sign “@”"),
        ("consent_ministry", None, "Without this consent we cannot"),
    ],
)
def test_bad_input_comes_back_with_a_sentence_and_all_that_was_typed(
    house: House, slug: str, field: str, typed: str | None, sentence: str
) -> None:
    response = sign(house.client(), slug, consent_public="y", **{field: typed})
    assert response.status_code == 422
    assert sentence in response.text
    assert f'id="{field}-error"' in response.text
    for name in {"name", "email", "city"} - {field}:
        assert f'value="{VALID[name]}"' in response.text.replace("&#39;", "'")
    if field != "country":
        assert 'value="PL" selected' in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_bad_input_comes_back_on_the_whole_page(house: House, slug: str) -> None:
    assert "Ministry of PL" in house.client().get(f"/petitions/{slug}").text
    assert "Ministry of PL" in sign(house.client(), slug, email="").text


def test_markup_in_a_city_is_shown_as_text(house: House, slug: str) -> None:
    response = sign(house.client(), slug, city='"><script>alert(1)</script>', name="")
    assert "<script" not in response.text
    assert "&lt;script&gt;" in response.text


def test_tick_boxes_for_public_and_updates_are_off_at_first(house: House, slug: str) -> None:
    page = house.client().get(f"/petitions/{slug}").text
    assert "checked" not in page


def test_text_changed_while_reading_is_said_and_nothing_is_stored(house: House, make: Factory) -> None:
    petition = make.petition()
    client = house.client()
    page = client.get(f"/petitions/{make.slug(petition)}").text
    old = hidden(page, "text_hash")
    make.text(petition, "en", version=2)
    response = sign(client, make.slug(petition), text_hash=old)
    assert response.status_code == 422
    assert "The text was changed while you were reading" in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_signing_another_language_of_the_text_is_allowed(house: House, slug: str) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}?text=pl").text
    assert sign(client, slug, text_hash=hidden(page, "text_hash")).status_code == 303


@pytest.mark.parametrize("state", ["closed", "archived"])
def test_closed_petition_offers_the_open_ones(house: House, make: Factory, state: str) -> None:
    closed = make.slug(make.petition(countries=(), state=state))
    other = make.slug(make.petition())
    client = house.client()
    assert "no longer takes signatures" in client.get(f"/petitions/{closed}").text
    response = client.post(f"/petitions/{closed}/signatures", data=VALID)
    assert response.status_code == 410
    assert f"/petitions/{other}" in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_petition_past_its_closing_time_is_closed(house: House, make: Factory) -> None:
    petition = make.petition()
    house.sql("UPDATE petitions SET closes_at = now() - interval '1 minute'")
    assert house.client().post(f"/petitions/{make.slug(petition)}/signatures", data=VALID).status_code == 410


@pytest.mark.parametrize("state", ["draft", "review", "rejected", "hidden", None])
def test_a_petition_that_is_not_public_looks_like_one_that_never_was(
    house: House, make: Factory, state: str | None
) -> None:
    hidden_slug = make.slug(make.petition(countries=(), state=state)) if state else "never-was"
    make.petition()
    client = house.client()
    never = client.get("/petitions/never-was-either")
    for response in (
        client.get(f"/petitions/{hidden_slug}"),
        client.post(f"/petitions/{hidden_slug}/signatures", data=VALID),
    ):
        assert response.status_code == 404
        assert response.text.split("<main")[1] == never.text.split("<main")[1]
    assert "These petitions are open" in never.text


def test_petition_not_open_yet_is_not_public(house: House, make: Factory) -> None:
    petition = make.petition()
    house.sql("UPDATE petitions SET opens_at = now() + interval '1 hour'")
    assert house.client().get(f"/petitions/{make.slug(petition)}").status_code == 404


def test_database_away_gives_503_and_keeps_what_was_typed(
    house: House, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}").text

    def away(*_args: object, **_options: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    monkeypatch.setattr("petitions.services.db.session.execute", away)
    event_id = hidden(page, "event_id")
    response = client.post(
        f"/petitions/{slug}/signatures", data={**VALID, "event_id": event_id, "text_hash": hidden(page, "text_hash")}
    )
    assert response.status_code == 503
    assert "we stored nothing" in response.text
    for typed in ("Вольга Вераб’ёва", "olga@example.org", "Białystok", 'value="PL" selected', event_id):
        assert typed in response.text


def test_no_valid_key_gives_503_and_stores_nothing(house: House, slug: str) -> None:
    """T3: whoever swaps the public key in the database gets no signature sealed to it."""
    house.sql("UPDATE sealing_keys SET public_key = :other", other=bytes(range(32)))
    response = sign(house.client(), slug)
    assert response.status_code == 503
    assert "Вольга Вераб’ёва" in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_expired_key_gives_503(house: House, slug: str) -> None:
    house.sql("UPDATE sealing_keys SET not_after = now() - interval '1 second'")
    assert sign(house.client(), slug).status_code == 503


def test_answer_is_the_same_for_somebody_who_signed_before(house: House, slug: str) -> None:
    first = sign(house.client(), slug)
    house.drain()
    second = sign(house.client(), slug, email="OLGA+x@example.org")
    assert (first.status_code, first.data, sorted(first.headers)) == (
        second.status_code,
        second.data,
        sorted(second.headers),
    )


@pytest.mark.parametrize("language", ["en", "be", "pl"])
def test_pages_speak_the_chosen_language(house: House, slug: str, language: str) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}?lang={language}")
    assert f'<html lang="{language}">' in page.text
    assert f"/petitions/{slug}/signatures?text={language}&amp;lang={language}" in page.text


def test_browser_language_decides_without_a_choice(house: House, slug: str) -> None:
    page = house.client().get(f"/petitions/{slug}", headers={"Accept-Language": "pl-PL,pl;q=0.9,en;q=0.5"})
    assert '<html lang="pl">' in page.text
    assert "Accept-Language" in page.headers["Vary"]


def test_worker_role_has_no_pages(house: House) -> None:
    assert set(house.app(Role.WORKER).view_functions) == {"static"}
