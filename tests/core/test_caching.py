"""Pages that are the same for everybody are kept for seconds; what is made for one visitor is kept by nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import inspect

from core import caching
from core.config import Role
from petitions import reading
from tests.conftest import House
from tests.factories import VALID, Factory, counted, hidden, sign
from tests.pickets.factories import picket

KEPT = "public, max-age={}, stale-while-revalidate=60"


class Clock:
    """The clock of what is kept, which stands still until it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Pages are kept for as long as in production."""
    clock = Clock()
    monkeypatch.setattr(caching, "now", clock)
    return clock


@pytest.fixture
def keeping(house: House, clock: Clock) -> FlaskClient:
    """A browser in front of a site that keeps its pages."""
    app = house.app(Role.PUBLIC)
    del app.config["KEPT_SECONDS"]
    return app.test_client()


@pytest.fixture
def slug(house: House, make: Factory) -> str:
    petition = make.petition(texts=("en", "be"))
    picket(house, make, petition_id=petition, code="waw234")
    return make.slug(petition)


FRESH = {
    "/": 10, "/petitions": 10, "/privacy": 10, "/contact": 10, "/verify": 10, "/petitions.atom": 60, "/petitions/{}": 10, "/petitions/{}/history": 10, "/petitions/{}/numbers": 10, "/petitions/{}/numbers.json": 10,
    "/petitions/{}.json": 10, "/petitions/{}/count.json": 10, "/petitions/{}/feed.atom": 60, "/petitions/{}/embed": 10,
    "/petitions/{}/log": 10, "/petitions/{}/log/heads.json": 10, "/petitions/{}/log/entries": 10,
    "/pickets/": 10, "/pickets/in/pl": 10, "/pickets/in/pl/warsaw": 10, "/pickets/waw234": 10, "/pickets/calendar.ics": 60, "/pickets/in/pl/calendar.ics": 60,
    "/pickets/in/pl/warsaw/calendar.ics": 60, "/pickets/for/{}/calendar.ics": 60, "/pickets/waw234/calendar.ics": 60, "/pickets/feed.atom": 60, "/pickets/in/pl/feed.atom": 60,
    "/pickets/in/pl/warsaw/feed.atom": 60, "/pickets/for/{}/feed.atom": 60, "/pickets/waw234/feed.atom": 60, "/pickets.json": 60, "/pickets/waw234.json": 60, "/pickets/waw234/embed": 60, "/pickets/waw234/qr.svg": 86_400,
    "/petitions/{}/qr.svg": 86_400, "/petitions/{}/card-en.png": 60, "/petitions/{}/picture.jpg": 60,
}  # fmt: skip
FOR_ONE = [
    "/petitions/{}/sign", f"/petitions/{{}}/thanks/{UUID(int=1)}", "/petitions/{}/already-sent", "/petitions/{}/names",
    "/petitions/{}/report", "/petitions/{}/reported", "/confirm/x", "/withdraw/x", "/not-me/x", "/unsubscribe/x", "/mine/x",
    f"/mine/x/{UUID(int=1)}", f"/mine/x/receipt/{UUID(int=1)}", "/petitions/{}/log/check", f"/answers/confirm/{UUID(int=1)}",
    "/pickets/waw234/join", f"/pickets/waw234/joined/{UUID(int=1)}", "/pickets/confirm/x", "/pickets/mine/x", f"/pickets/own/{UUID(int=1)}",
]  # fmt: skip


def with_pictures(house: House) -> None:
    house.sql(
        "INSERT INTO share_cards (petition_id, language, fingerprint, content) SELECT id, 'en', 'x', 'x' FROM petitions"
    )
    house.sql(
        "INSERT INTO pictures (id, petition_id, width, height, content) SELECT gen_random_uuid(), id, 8, 8, 'x' FROM petitions"
    )
    house.sql("UPDATE petitions SET picture_id = (SELECT id FROM pictures)")


@pytest.mark.parametrize("path", FRESH)
def test_a_page_for_everybody_says_how_long_it_is_good_and_is_not_sent_twice(
    house: House, keeping: FlaskClient, slug: str, path: str
) -> None:
    with_pictures(house)
    page = keeping.get(path.format(slug))
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == KEPT.format(FRESH[path])
    assert "Set-Cookie" not in page.headers
    assert "Accept-Language" in page.headers["Vary"]
    again = keeping.get(path.format(slug), headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == KEPT.format(FRESH[path])
    assert keeping.get(path.format(slug), headers={"If-None-Match": '"other"'}).data == page.data


@pytest.mark.parametrize("path", FOR_ONE)
def test_what_is_made_for_one_visitor_is_kept_by_nobody(keeping: FlaskClient, slug: str, path: str) -> None:
    page = keeping.get(path.format(slug))
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "ETag" not in page.headers


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/petitions/{}?text=en&q=LEAK&next=/evil", "/petitions/{}?text=en"),
        ("/?actor=LEAK", "/"),
        (f"/petitions?q={'a' * 300}LEAK", f"/petitions?q={'a' * 300}"),
        (f"/petitions?q={'a' * 90}LEAK", f"/petitions?q={'a' * 90}"),
        ("/petitions?q=a&q=LEAK", "/petitions?q=a"),
        ("/verify?q=LEAK", "/verify"),
    ],
)
def test_what_one_visitor_asks_for_is_on_no_page_of_the_next(
    keeping: FlaskClient, slug: str, first: str, second: str
) -> None:
    assert keeping.get(first.format(slug)).status_code == 200
    assert "LEAK" not in keeping.get(second.format(slug)).text


def test_every_view_is_one_or_the_other(house: House) -> None:
    """A new page has to be put into one of the two lists above."""
    app = house.app(Role.PUBLIC)
    adapter = app.url_map.bind("localhost")
    listed = {adapter.match(path.format("slug"))[0] for path in (*FRESH, *FOR_ONE)}
    others = {
        "static", "petitions.code_answer", "petitions.export_own", "petitions.receipt_file", "petitions.reload", "petitions.proof",
        "components.index", "pickets.photo", "pickets.sign_here",
    }  # fmt: skip
    gets = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert gets - others == listed


def test_a_page_is_kept_for_five_seconds_then_made_anew(
    house: House, keeping: FlaskClient, clock: Clock, slug: str
) -> None:
    path = f"/petitions/{slug}/count.json"
    first = keeping.get(path)
    assert first.json == {"counted": 0, "next_milestone": 10}
    counted(house, slug)
    clock.now = caching.RENEW_SECONDS - 0.1
    assert keeping.get(path).json == first.json
    clock.now = caching.KEPT_SECONDS + 0.1
    now = keeping.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert now.json == {"counted": 1, "next_milestone": 10}
    assert now.headers["ETag"] != first.headers["ETag"]


def test_languages_are_kept_apart_whether_chosen_or_the_browsers(keeping: FlaskClient, slug: str) -> None:
    for path in ("/", f"/petitions/{slug}", f"/petitions/{slug}/embed"):
        for _ in range(2):
            for language in ("en", "be", "pl"):
                chosen = keeping.get(f"{path}?lang={language}")
                spoken = keeping.get(path, headers={"Accept-Language": language})
                for page in (chosen, spoken):
                    assert f'<html lang="{language}"' in page.text, path
    assert 'lang="be"' in keeping.get(f"/petitions/{slug}?text=be&lang=en").text
    english, belarusian = (keeping.get(f"/petitions/{slug}?text={text}&lang=en").data for text in ("en", "be"))
    assert english != belarusian


def test_a_chosen_language_stays_in_the_links_of_a_kept_page(keeping: FlaskClient, slug: str) -> None:
    """The browser's own Polish and a chosen one look alike, but only the second has to go on from page to page."""
    spoken = keeping.get("/", headers={"Accept-Language": "pl"}).text
    chosen = keeping.get("/?lang=pl", headers={"Accept-Language": "pl"}).text
    assert f'href="/petitions/{slug}"' in spoken
    assert f'href="/petitions/{slug}?lang=pl"' in chosen


def test_what_a_page_does_not_read_makes_no_further_copy(house: House, keeping: FlaskClient, slug: str) -> None:
    path = f"/petitions/{slug}"
    page = keeping.get(path).data
    for number in range(50):
        assert keeping.get(f"{path}?utm_source={number}&fbclid={number}&page={number}").data == page
    assert len(house.app(Role.PUBLIC).extensions["zbor_pages"].known) == 1


def test_no_more_than_so_many_pages_are_kept(
    house: House, keeping: FlaskClient, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "MOST_PAGES", 5)
    for number in range(20):
        assert keeping.get(f"/petitions?q=word{number}").status_code == 200
    assert len(house.app(Role.PUBLIC).extensions["zbor_pages"].known) == 5


def test_an_answer_that_is_not_the_page_is_not_kept(house: House, keeping: FlaskClient, make: Factory) -> None:
    assert keeping.get("/petitions/not-yet").status_code == 404
    petition = make.petition(countries=(), slug="not-yet")
    page = keeping.get("/petitions/not-yet")
    assert page.status_code == 200
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'because' WHERE id = :p", p=petition)
    for path in ("", ".json", "/embed", "/feed.atom"):
        other = keeping.get(f"/petitions/not-yet{path}")
        assert other.status_code in (200, 410) if path == "" else other.status_code == 410
        if other.status_code == 410:
            assert other.headers["Cache-Control"] == "no-store"
    assert set(house.app(Role.PUBLIC).extensions["zbor_pages"].known) == {("/petitions/not-yet", "en", ())}


def test_a_post_is_never_answered_from_what_is_kept(house: House, keeping: FlaskClient, slug: str) -> None:
    for number in range(2):
        assert keeping.get(f"/petitions/{slug}").status_code == 200
        assert sign(keeping, slug, email=f"n{number}@example.org").status_code == 303
    assert house.value("SELECT count(*) FROM inbox") == 2
    assert keeping.head(f"/petitions/{slug}").data == b""
    assert keeping.get(f"/petitions/{slug}").data != b""


# --- Before Flask begins to work -----------------------------------------------------------------------------------------


@pytest.fixture
def drawn(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Flask was asked for."""
    app = house.app(Role.PUBLIC)
    asked: list[str] = []
    inner = app.wsgi_app.inner  # type: ignore[attr-defined]  # The layer in front of Flask.

    def counting(environ: dict[str, str], start_response: object) -> object:
        asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        return inner(environ, start_response)

    monkeypatch.setattr(app.wsgi_app, "inner", counting)
    return asked


PLAIN = {"Accept-Language": "be", "Accept-Encoding": "gzip"}


@pytest.mark.parametrize("path", [path for path in FRESH if "png" not in path])
def test_who_asks_in_the_same_words_gets_the_same_bytes_without_flask(
    house: House, drawn: list[str], keeping: FlaskClient, slug: str, path: str
) -> None:
    with_pictures(house)
    first, second = (keeping.get(path.format(slug), headers=PLAIN) for _ in range(2))
    assert len(drawn) == 1
    assert (second.status, sorted(second.headers), second.data) == (first.status, sorted(first.headers), first.data)
    assert second.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Accept-Language": "pl"}, ""),
        ({"Accept-Encoding": None}, ""),
        ({"Accept-Encoding": "identity"}, ""),
        ({"If-None-Match": '"x"'}, ""),
        ({"If-Match": '"x"'}, ""),
        ({"Range": "bytes=0-10"}, ""),
        ({"Host": "127.0.0.1"}, ""),
        ({}, "?lang=pl"),
        ({}, "?text=be"),
    ],
)
def test_who_asks_for_anything_else_is_answered_by_flask(
    drawn: list[str], keeping: FlaskClient, slug: str, headers: dict[str, str | None], query: str
) -> None:
    keeping.get(f"/petitions/{slug}", headers=PLAIN)
    changed = {name: value for name, value in {**PLAIN, **headers}.items() if value is not None}
    answer = keeping.get(f"/petitions/{slug}{query}", headers=changed)
    assert len(drawn) == 2
    assert answer.status_code == (400 if "Host" in headers else 412 if "If-Match" in headers else 200)
    assert ("Content-Encoding" in answer.headers) == (
        changed.get("Accept-Encoding") == "gzip" and answer.status_code == 200
    )


def test_head_and_post_are_never_answered_from_memory(drawn: list[str], keeping: FlaskClient, slug: str) -> None:
    full = keeping.get(f"/petitions/{slug}", headers=PLAIN)
    head = keeping.head(f"/petitions/{slug}", headers=PLAIN)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == full.headers["ETag"]
    keeping.post(f"/petitions/{slug}/signatures", data={"name": ""})
    assert len(drawn) == 3


@pytest.mark.parametrize("path", FOR_ONE)
def test_what_is_made_for_one_visitor_is_made_anew(
    drawn: list[str], keeping: FlaskClient, slug: str, path: str
) -> None:
    for _ in range(2):
        keeping.get(path.format(slug), headers=PLAIN)
    assert len(drawn) == 2


def test_from_memory_a_page_is_no_older_than_it_may_be(
    house: House, drawn: list[str], keeping: FlaskClient, clock: Clock, slug: str
) -> None:
    """Two browsers that ask in other words: the second is told a page that is three seconds old, which it keeps for one more."""
    path = f"/petitions/{slug}"
    assert keeping.get(path, headers=PLAIN).status_code == 200
    clock.now = 3
    other = {**PLAIN, "Accept-Language": "be,en;q=0.5"}
    assert keeping.get(path, headers=other).status_code == 200
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'because'")
    clock.now = 3.9
    assert keeping.get(path, headers=other).status_code == 200
    assert len(drawn) == 2
    clock.now = 5.1
    assert keeping.get(path, headers=other).status_code == 410
    assert keeping.get(path, headers=PLAIN).status_code == 410


def test_one_visitor_has_the_page_made_anew_and_the_others_get_the_one_that_is_there(
    keeping: FlaskClient, clock: Clock, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that come while it is made: until five seconds are over they get the old one, then they wait for the new one."""
    path = f"/petitions/{slug}"
    keeping.get(path, headers=PLAIN)
    clock.now = 4.5
    monkeypatch.setattr(caching, "PATIENCE_SECONDS", 0.01)  # They would wait for this very thread.
    read, made = reading.read_details, list[float]()

    def slowly(*arguments: Any) -> Any:
        made.append(clock.now)
        if len(made) == 1:
            for moment in (4.6, 4.9, 5.1):
                clock.now = moment
                assert keeping.get(path, headers=PLAIN).status_code == 200
        return read(*arguments)

    monkeypatch.setattr(reading, "read_details", slowly)
    assert keeping.get(path, headers=PLAIN).status_code == 200
    assert made == [4.5, 5.1]


def test_a_page_that_nobody_has_yet_is_drawn_once_for_all_who_want_it() -> None:
    memory = caching._Memory(5)
    assert memory.find("page") is None
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(memory.find, "page") for _ in range(4)]
        assert wait(others, timeout=0.2).done == set()
        memory.settle("page", caching._Kept("drawn", caching.now()))
        assert [other.result(timeout=5).value for other in others] == ["drawn"] * 4  # type: ignore[union-attr]  # Or the test fails.
    assert memory.find("missing") is None
    memory.settle("missing", None)
    assert memory.find("missing") is None, "what could not be made is tried again"


def test_after_a_failure_the_next_one_tries(
    keeping: FlaskClient, clock: Clock, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/petitions/{slug}"
    keeping.get(path, headers=PLAIN)
    clock.now = 4.5
    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_details", lambda *_: 1 / 0)
        assert keeping.get(path, headers=PLAIN).status_code == 500
        assert keeping.get(path, headers=PLAIN).status_code == 500
    assert keeping.get(path, headers=PLAIN).status_code == 200


def test_a_flood_of_addresses_fills_no_memory(house: House, drawn: list[str], keeping: FlaskClient, slug: str) -> None:
    for number in range(caching.MOST_PAGES + 20):
        keeping.get(f"/petitions/{slug}/count.json?utm_source={number}")
    assert len(house.app(Role.PUBLIC).wsgi_app.answers.known) == caching.MOST_PAGES  # type: ignore[attr-defined]  # As above.
    drawn.clear()
    for _ in range(2):
        keeping.get(f"/petitions/{slug}?utm_source={'x' * 300}")
    assert len(drawn) == 2, "and long ones are not remembered at all"


# --- What the form needs of a petition ------------------------------------------------------------------------------------


def test_the_form_is_made_anew_of_a_petition_that_is_kept(
    house: House, keeping: FlaskClient, clock: Clock, slug: str, make: Factory
) -> None:
    path = f"/petitions/{slug}/sign"
    first = keeping.get(f"{path}?lang=be").text
    assert 'lang="be"' in first
    house.sql("UPDATE petition_texts SET summary = 'Another summary'")
    again = keeping.get(f"{path}?lang=en").text
    assert "Another summary" not in again
    assert "Do not recognise (en)" in again, "in whatever language"
    assert hidden(first, "event_id") != hidden(again, "event_id")
    house.sql("UPDATE petitions SET closes_at = now() - interval '1 minute'")
    assert sign(keeping, slug).status_code == 303, "the worker decides by the moment it came"
    clock.now = caching.KEPT_SECONDS + 0.1
    assert sign_again(keeping, slug) == 410
    assert keeping.get(path).status_code == 410


def sign_again(client: FlaskClient, slug: str) -> int:
    """Send a form without opening it; the status of the answer."""
    return client.post(f"/petitions/{slug}/signatures", data=VALID).status_code


def test_what_is_kept_of_a_petition_is_no_sessions(house: House, keeping: FlaskClient, slug: str) -> None:
    keeping.get(f"/petitions/{slug}/sign")
    page = next(iter(house.app(Role.PUBLIC).extensions["zbor_petitions"].known.values())).value
    for row in (page.petition, *page.texts, *page.addressees):
        assert inspect(row).detached
