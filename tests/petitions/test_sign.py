"""The sign form, as a visitor meets it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from core import forms as core_forms
from core.config import Role
from tests.conftest import House
from tests.factories import VALID, Factory, counted, hidden, press, sign, signed, token


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition(texts=("en", "be", "pl")))


def test_valid_form_is_stored_as_one_sealed_event(house: House, slug: str) -> None:
    response = sign(house.client(), slug)
    row = house.sql("SELECT * FROM inbox").one()
    assert (response.status_code, response.location) == (303, f"/petitions/{slug}/thanks/{row.id}")
    assert (row.kind, row.state) == ("sign", "new")
    for typed in ("Вольга", "olga@example.org", "Białystok"):
        assert typed.encode() not in bytes(row.sealed)


def test_same_form_twice_adds_nothing_and_says_so(house: House, slug: str) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}/sign").text
    same = {"event_id": hidden(page, "event_id")}
    assert sign(client, slug, **same).location == f"/petitions/{slug}/thanks/{same['event_id']}"
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
        ("email", "жук@example.org", "Latin letters, digits and signs before the @"),
        ("email", "a" * 250 + "@example.org", "not a complete e-mail address"),
        ("email", "x@mailinator.com", "throw-away address"),
        ("email", "x@sub.mailinator.com", "throw-away address"),
        ("country", "", "Choose the country where you live"),
        ("country", "XX", "We do not know this country"),
        ("country", None, "Choose the country where you live"),
        ("city", "", "Enter the city or town"),
        ("name", "孙中山", "The register can be printed in Latin"),
        ("city", "@SUM(A1)", "cannot begin with the sign “@”"),
        ("visibility", None, "Choose who may see your name"),
    ],
)
def test_bad_input_comes_back_with_a_sentence_and_all_that_was_typed(
    house: House, slug: str, field: str, typed: str | None, sentence: str
) -> None:
    response = sign(house.client(), slug, **{"visibility": "public", field: typed})
    assert response.status_code == 422
    assert sentence in response.text
    assert f'id="{field}-error"' in response.text
    for name in {"name", "email", "city"} - {field}:
        assert f'value="{VALID[name]}"' in response.text.replace("&#39;", "'")
    if field != "country":
        assert 'value="PL" selected' in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


@pytest.mark.parametrize("address", ["olga@mail.ru", "olga@Yandex.BY", "olga@corp.mail.ru"])
def test_an_address_that_a_state_watches_is_asked_about_once(house: House, slug: str, address: str) -> None:
    client = house.client()
    first = sign(client, slug, email=address)
    assert first.status_code == 422
    assert "can read mail at" in first.text
    for typed in ("Вольга Вераб’ёва", address, "Białystok", 'value="PL" selected'):
        assert typed in first.text
    assert re.search(r'<input[^>]*name="watched_anyway"[^>]*>', first.text)
    assert "checked" in re.search(r'<input[^>]*value="ministry"[^>]*>', first.text)[0]  # type: ignore[index]  # Found, or the test fails.
    assert house.value("SELECT count(*) FROM inbox") == 0
    other = sign(client, slug, email=address, city="", watched_anyway="y")
    assert "can read mail at" not in other.text
    assert "checked" in re.search(r'<input[^>]*name="watched_anyway"[^>]*>', other.text)[0]  # type: ignore[index]  # As above.
    assert sign(client, slug, email=address, watched_anyway="y").status_code == 303


def test_any_other_address_is_not_asked_about(house: House, slug: str) -> None:
    client = house.client()
    assert "watched_anyway" not in client.get(f"/petitions/{slug}/sign").text
    assert "watched_anyway" not in sign(client, slug, city="").text
    assert sign(client, slug, email="olga@notmail.ru.example.org").status_code == 303


def test_bad_input_comes_back_on_the_whole_page(house: House, slug: str) -> None:
    assert "Ministry of PL" in house.client().get(f"/petitions/{slug}/sign").text
    assert "Ministry of PL" in sign(house.client(), slug, email="").text


def test_markup_in_a_city_is_shown_as_text(house: House, slug: str) -> None:
    response = sign(house.client(), slug, city='"><script>alert(1)</script>', name="")
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text


def test_nothing_is_agreed_to_beforehand(house: House, slug: str) -> None:
    page = house.client().get(f"/petitions/{slug}/sign").text
    assert page.count('type="radio"') == 4
    assert 'type="checkbox"' in page
    assert "checked" not in page


def test_text_changed_while_reading_is_said_and_nothing_is_stored(house: House, make: Factory) -> None:
    petition = make.petition()
    client = house.client()
    page = client.get(f"/petitions/{make.slug(petition)}/sign").text
    old = hidden(page, "text_hash")
    make.text(petition, "en", version=2)
    response = sign(client, make.slug(petition), text_hash=old)
    assert response.status_code == 422
    assert "The text was changed while you were reading" in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_signing_another_language_of_the_text_is_allowed(house: House, slug: str) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}/sign?text=pl").text
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


@pytest.mark.parametrize("state", ["draft", "review", None])
def test_a_petition_that_is_not_public_looks_like_one_that_never_was(
    house: House, make: Factory, state: str | None
) -> None:
    hidden_slug = make.slug(make.petition(countries=(), state=state)) if state else "never-was"
    make.petition()
    client = house.client()
    never = client.get("/petitions/never-was-either")
    for response in (
        client.get(f"/petitions/{hidden_slug}"),
        client.get(f"/petitions/{hidden_slug}/sign"),
        client.get(f"/petitions/{hidden_slug}/names"),
        client.get(f"/petitions/{hidden_slug}/history"),
        client.get(f"/petitions/{hidden_slug}/report"),
        client.post(f"/petitions/{hidden_slug}/signatures", data=VALID),
    ):
        assert response.status_code == 404
        assert response.text.split("<main")[1] == never.text.split("<main")[1]
    assert "These petitions are open" in never.text


REST = (
    "",
    "/sign",
    "/names",
    "/history",
    "/report",
    "/reported",
    "/already-sent",
    "/thanks/00000000-0000-0000-0000-000000000001",
)
DATA = (".json", "/count.json", "/feed.atom", "/embed", "/qr.svg", "/card-en.png", "/picture.jpg")


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize("state", ["draft", None])
def test_nothing_else_tells_of_a_petition_that_is_not_public(
    house: House, make: Factory, state: str | None, path: str
) -> None:
    slug = make.slug(make.petition(state=state)) if state else "never-was"
    assert house.client().get(f"/petitions/{slug}{path}").status_code == 404


@pytest.mark.parametrize("state", ["rejected", "hidden"])
def test_a_petition_that_was_taken_down_says_why_and_nothing_of_what_it_said(
    house: House, make: Factory, state: str
) -> None:
    petition = make.petition(texts=(), state=state, public_reason="It names <b>a child</b>.")
    make.text(petition, "en", title="What It Said")
    slug, other = make.slug(petition), make.slug(make.petition(countries=()))
    client = house.client()
    pages = [client.get(f"/petitions/{slug}{path}") for path in (*REST, *DATA[:5])]
    for response in (*pages, client.post(f"/petitions/{slug}/signatures", data=VALID)):
        assert response.status_code == 410, response.request.path
        assert "It names &lt;b&gt;a child&lt;/b&gt;." in response.text
        assert f"/petitions/{other}" in response.text
        assert response.headers["Cache-Control"] == "no-store"
        assert "What It Said" not in response.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_petition_not_open_yet_is_not_public(house: House, make: Factory) -> None:
    petition = make.petition()
    house.sql("UPDATE petitions SET opens_at = now() + interval '1 hour'")
    assert house.client().get(f"/petitions/{make.slug(petition)}").status_code == 404


def test_database_away_gives_503_and_keeps_what_was_typed(
    house: House, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}/sign").text

    def away(*_args: object, **_options: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    monkeypatch.setattr("petitions.reading.db.session.execute", away)
    monkeypatch.setattr("petitions.reading.db.session.scalar", away)
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


def test_forms_share_how_they_look_and_nothing_that_was_typed(house: House, slug: str) -> None:
    client = house.client()
    assert sign(client, slug, name="SECRET <b>", email="secret@", city="", website="SECRET").status_code == 422
    page = client.get(f"/petitions/{slug}/sign").text
    assert "SECRET" not in page
    assert "aria-invalid" not in page
    for field in core_forms._first_fields.values():
        assert field._form is None
        assert getattr(field, "data", None) in (None, False), field.name
        assert not field.errors, field.name


def test_two_ages_are_told_apart(house: House, make: Factory) -> None:
    young, old = (make.slug(make.petition(countries=(), min_age=age)) for age in (14, 18))
    client = house.client()
    for slug, age in ((young, 14), (old, 18), (young, 14)):
        assert f"at least {age} years old" in client.get(f"/petitions/{slug}/sign").text


def test_answer_is_the_same_for_somebody_who_signed_before(house: House, slug: str) -> None:
    """The answer, the page after it, a wrong code, its answer, and the mail once more: whatever the mailbox is, they are the same."""
    told = {name: _journey(house, slug, before) for name, before in BEFORE.items()}
    assert len(told["new"]) == 7
    for name, journey in told.items():
        assert journey == told["new"], name


def _withdraw(house: House, slug: str) -> None:
    row = counted(house, slug)
    press(house.client(), f"/withdraw/{token(house, 'mine', row.id)}")
    house.drain()


def _block(house: House, slug: str) -> None:
    row = signed(house, slug)
    press(house.client(), f"/not-me/{token(house, 'not_me', row.id)}")
    house.drain()
    assert signed(house, slug).reason == "blocked"


def _flood(house: House, slug: str) -> None:
    assert [signed(house, slug).reason for _ in range(4)] == [None, None, None, "too_many"]


def _guess(house: House, slug: str) -> None:
    row = signed(house, slug)
    for _ in range(10):
        path = f"/petitions/{slug}/thanks/{row.event_id}"
        house.client().post(f"{path}/code", data={"code": "000000", "event_id": ""})
    house.drain()
    assert house.value("SELECT guesses FROM mailboxes") == 10


BEFORE: dict[str, Callable[[House, str], object]] = {
    "new": lambda _house, _slug: None,
    "waits": signed,
    "counted": counted,
    "withdrawn": _withdraw,
    "blocked": _block,
    "flooded": _flood,
    "guessed": _guess,
}


def _journey(house: House, slug: str, before: Callable[[House, str], object]) -> list[tuple[int, bytes, list[Any]]]:
    """All that a visitor sees who signs with a mailbox and goes on, in a state that is undone afterwards."""
    state = house.bind.begin_nested()  # type: ignore[union-attr]  # A connection here.
    before(house, slug)
    numbers = count(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.answers.COOKIE_SECONDS", None)  # The cookie says to the second when it ends.
        patch.setattr("core.forms.uuid4", lambda: UUID(int=next(numbers)))
        patch.setattr("petitions.routes.signing.uuid4", lambda: UUID(int=next(numbers)))
        client = house.client()
        client.set_cookie("answers", "the same browser")
        seen = [sign(client, slug)]
        house.drain()
        thanks = seen[0].location
        seen.append(client.get(thanks))
        seen.append(client.post(f"{thanks}/code", data={"code": "000000", "event_id": str(UUID(int=77))}))
        house.drain()
        seen.append(client.get(seen[-1].location))
        assert seen[-1].status_code == 422
        seen.append(client.post(f"{thanks}/resend", data={"event_id": str(UUID(int=78))}))
        house.drain()
        seen.append(client.get(seen[-1].location))
        seen.append(client.get(thanks))
    state.rollback()
    return [(one.status_code, one.data, sorted(one.headers)) for one in seen]


@pytest.mark.parametrize("language", ["en", "be", "pl"])
def test_pages_speak_the_chosen_language(house: House, slug: str, language: str) -> None:
    client = house.client()
    page = client.get(f"/petitions/{slug}/sign?lang={language}")
    assert f'<html lang="{language}">' in page.text
    assert f"/petitions/{slug}/signatures?text={language}&amp;lang={language}" in page.text


def test_browser_language_decides_without_a_choice(house: House, slug: str) -> None:
    page = house.client().get(f"/petitions/{slug}", headers={"Accept-Language": "pl-PL,pl;q=0.9,en;q=0.5"})
    assert '<html lang="pl">' in page.text
    assert "Accept-Language" in page.headers["Vary"]


def test_worker_role_has_no_pages(house: House) -> None:
    assert set(house.app(Role.WORKER).view_functions) == {"static"}
