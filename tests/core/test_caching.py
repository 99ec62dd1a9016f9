"""Pages that are the same for everybody are kept for seconds; what is made for one visitor is kept by nobody."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask.testing import FlaskClient

from core import caching
from core.config import Role
from tests.conftest import House
from tests.factories import Factory, counted, sign

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
    cache = caching.TTLCache
    monkeypatch.setattr(caching, "TTLCache", lambda most, seconds: cache(most, seconds, timer=clock))
    return clock


@pytest.fixture
def keeping(house: House, clock: Clock) -> FlaskClient:
    """A browser in front of a site that keeps its pages."""
    app = house.app(Role.PUBLIC)
    del app.config["KEPT_SECONDS"]
    return app.test_client()


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition(texts=("en", "be")))


FRESH = {
    "/": 10, "/petitions": 10, "/privacy": 10, "/contact": 10, "/petitions.atom": 60, "/petitions/{}": 10, "/petitions/{}/history": 10,
    "/petitions/{}.json": 10, "/petitions/{}/count.json": 10, "/petitions/{}/feed.atom": 60, "/petitions/{}/embed": 10,
    "/petitions/{}/qr.svg": 86_400, "/petitions/{}/card-en.png": 60, "/petitions/{}/picture.jpg": 60,
}  # fmt: skip
FOR_ONE = [
    "/petitions/{}/sign", f"/petitions/{{}}/thanks/{UUID(int=1)}", "/petitions/{}/already-sent", "/petitions/{}/names",
    "/petitions/{}/report", "/petitions/{}/reported", "/confirm/x", "/withdraw/x", "/not-me/x", "/unsubscribe/x", "/mine/x",
    f"/mine/x/{UUID(int=1)}", f"/answers/confirm/{UUID(int=1)}",
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
        "static", "petitions.code_answer", "petitions.export_own", "petitions.reload",
        "components.index",
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
    clock.now = caching.KEPT_SECONDS - 0.1
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
    assert len(house.app(Role.PUBLIC).extensions["zbor_pages"]) == 1


def test_no_more_than_so_many_pages_are_kept(
    house: House, keeping: FlaskClient, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "MOST_PAGES", 5)
    for number in range(20):
        assert keeping.get(f"/petitions?q=word{number}").status_code == 200
    assert len(house.app(Role.PUBLIC).extensions["zbor_pages"]) == 5


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
    assert set(house.app(Role.PUBLIC).extensions["zbor_pages"]) == {("/petitions/not-yet", "en", ())}


def test_a_post_is_never_answered_from_what_is_kept(house: House, keeping: FlaskClient, slug: str) -> None:
    for number in range(2):
        assert keeping.get(f"/petitions/{slug}").status_code == 200
        assert sign(keeping, slug, email=f"n{number}@example.org").status_code == 303
    assert house.value("SELECT count(*) FROM inbox") == 2
    assert keeping.head(f"/petitions/{slug}").data == b""
    assert keeping.get(f"/petitions/{slug}").data != b""
