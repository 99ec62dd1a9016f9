"""What the public reads: lists and search, numbers, feeds, pictures, news and history."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import Role
from core.inbox import append
from core.typed import search_words
from petitions.progress import close_ended, record_milestones
from petitions.rules import initials
from tests.conftest import House
from tests.core.test_inbox import petition_with_everything
from tests.factories import Factory, counted, press, signed, token
from tests.petitions.test_intake import fsck
from tests.petitions.test_routing import payload

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


def words_of(house: House, petition_id: int, language: str, words: str) -> None:
    """What is found of a text, as it is written when it is published."""
    house.sql(
        "UPDATE petition_texts SET search = to_tsvector('simple', :w) WHERE petition_id = :p AND language = :l",
        w=search_words(words),
        p=petition_id,
        l=language,
    )


def found(house: House, **query: Any) -> list[str]:
    """Slugs of a list, in order."""
    page = house.client().get("/petitions", query_string=query)
    assert page.status_code == 200
    return list(dict.fromkeys(re.findall(r'href="/petitions/([a-z0-9-]+)[?"]', page.text)))


def count_as(house: House, petition_id: int, countries: dict[str, int], day: date | None = None) -> None:
    """So many counted signatures, as far as the public reads of them."""
    house.sql(
        "INSERT INTO tallies SELECT id, fallback_addressee_id, 'counted', :t FROM petitions WHERE id = :p"
        " ON CONFLICT (petition_id, addressee_id, state) DO UPDATE SET total = tallies.total + :t",
        p=petition_id,
        t=sum(countries.values()),
    )
    day = day or datetime.now(UTC).date()
    rows = [("country", code, total) for code, total in countries.items()]
    for by, key, total in [*rows, ("day", day.isoformat(), sum(countries.values()))]:
        values = {"p": petition_id, "by": by, "k": key, "t": total}
        house.sql("INSERT INTO breakdowns VALUES (:p, :by, :k, :t)", **values)


# --- Lists and search -------------------------------------------------------------------------------------------------------


def test_the_list_narrows_by_state_country_and_words_and_orders(house: House, make: Factory) -> None:
    now = datetime.now(UTC)
    first = make.petition(countries=("PL",), slug="first", opens_at=now - timedelta(days=3))
    second = make.petition(
        countries=("LT",), slug="second", opens_at=now - timedelta(days=2), closes_at=now + timedelta(days=9)
    )
    make.petition(countries=(), slug="third", state="closed", opens_at=now - timedelta(days=1))
    make.petition(countries=(), slug="fourth", state="archived", opens_at=now - timedelta(days=9))
    make.petition(countries=(), slug="unseen", state="review")
    count_as(house, second, {"LT": 3})
    words_of(house, first, "en", "apples")
    assert found(house) == ["third", "second", "first"], "what is in the archive is found by asking for it"
    assert found(house, sort="most")[0] == "second"
    assert found(house, sort="closing")[0] == "second"
    assert found(house, state="open") == ["second", "first"]
    assert found(house, state="closed") == ["third"]
    assert found(house, state="archived") == ["fourth"]
    assert found(house, country="PL") == ["first"]
    assert found(house, country="LT", state="open", sort="most", q="") == ["second"]
    assert found(house, country="LT", q="apples") == []
    assert found(house, q="apples") == ["first"]
    assert found(house, state="draft") == found(house), "a state that is not public narrows nothing"


@pytest.mark.parametrize(
    ("typed", "finds"),
    [
        ("lukasenka", True), ("Łukašenka", True), ("LUKAŠENKA", True), ("lukas", True), ("łuk", True),
        ("прызнаваць", True), ("ПРЫЗНАВ", True), ("свабода", True), ("svoboda", False),
        ("not recognise", True), ("recognise not", True), ("not recog", True), ("no recognise", False),
        ("zażółć gęślą", True), ("zazolc gesla", True), ("asenka", False), ("lukasenka pears", False),
        ("recognise & | ! (lukas", True), ("re:* | x", False), ("'lukasenka'", True), ("lukasenka" + " x" * 500, False),
        ("ё", True), ("е", True),
    ],
)  # fmt: skip
def test_words_are_found_in_every_language_without_case_and_accents(
    house: House, make: Factory, typed: str, finds: bool
) -> None:
    petition = make.petition(texts=("en", "be", "pl"), slug="it")
    words_of(house, petition, "en", "Do not recognise Łukašenka’s election")
    words_of(house, petition, "be", "Не прызнаваць! Свабода. Ёсць")
    words_of(house, petition, "pl", "Zażółć gęślą jaźń")
    make.petition(countries=(), slug="other")
    assert found(house, q=typed, lang="en") == (["it"] if finds else [])


@pytest.mark.parametrize(
    "typed",
    [
        "2020-2021", "2021", "2020", "Iran/Belarus", "belarus", "belsat.eu", "eu", "und/oder", "oder", "oder und", "12.5", "a@b.eu",
        "сям’я", "сям'я", "сям\u02bcя", "сямʼ", "não-oficial", "oficial", "می‌خواهیم", "خواهیم", "हिन्दी", "हिन", "soft hyphen", "❤️ heart",
    ],
)  # fmt: skip
def test_each_word_beside_a_sign_is_found(house: House, make: Factory, typed: str) -> None:
    petition = make.petition(slug="it")
    text = "2020-2021 Iran/Belarus belsat.eu und/oder 12.5 a@b.eu сям’я não-oficial می‌خواهیم हिन्दी so\u00adft hyphen ❤ heart"
    words_of(house, petition, "en", text)
    assert found(house, q=typed) == ["it"]
    assert found(house, q=f"{typed} nowhere") == []


@pytest.mark.parametrize("typed", ["!!!", "&", "…", "()", "' OR 1=1", "\\", "%"])
def test_a_query_of_punctuation_is_answered_calmly_and_finds_nothing(house: House, slug: str, typed: str) -> None:
    page = house.client().get("/petitions", query_string={"q": typed})
    assert page.status_code == 200
    assert "Nothing matches" in page.text


def test_an_empty_query_narrows_nothing(house: House, slug: str) -> None:
    assert found(house, q="   ") == found(house, q="") == [slug]


def test_pages_of_the_list_hold_twenty_and_any_number_leads_to_one(house: House, make: Factory) -> None:
    for number in range(41):
        make.petition(countries=(), slug=f"number-{number:02}")
    pages = [found(house, page=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [20, 20, 1]
    assert len({slug for page in pages for slug in page}) == 41
    for odd, same in ((0, 1), (-5, 1), (99, 3), (10**30, 3), ("x", 1), ("", 1)):
        assert found(house, page=odd) == pages[same - 1], odd
    page = house.client().get("/petitions?page=2&sort=most&q=&utm=x").text
    assert 'href="/petitions?page=1&amp;sort=most"' in page
    assert 'href="/petitions?page=3&amp;sort=most"' in page


# --- Numbers -----------------------------------------------------------------------------------------------------------------


def test_countries_with_fewer_than_ten_are_told_apart_nowhere(house: House, make: Factory) -> None:
    petition = make.petition(countries=("PL", "LT", "DE"), slug="it")
    count_as(house, petition, {"PL": 12, "DE": 10, "LT": 9, "FJ": 1})
    client = house.client()
    data = client.get("/petitions/it.json").json
    assert data["countries"] == {"PL": 12, "DE": 10}
    assert data["other_countries"] == 10
    assert data["counted"] == 32
    page = client.get("/petitions/it").text
    numbers = page.split('id="numbers-title"')[1].split("</section>")[0]
    assert re.findall(r'<th scope="row"[^>]*>([^<]*)</th>\s*<td[^>]*>([^<]*)</td>', numbers)[-3:] == [
        ("Poland", "12"),
        ("Germany", "10"),
        ("Other countries", "10"),
    ]
    for path in ("", ".json", "/feed.atom", "/embed", "/count.json"):
        assert "Fiji" not in client.get(f"/petitions/it{path}").text
        assert '"FJ"' not in client.get(f"/petitions/it{path}").text
    assert "Lithuania" not in numbers
    with house.acting(Role.PUBLIC):
        assert house.value("SELECT min(total) FROM pub.breakdowns WHERE by = 'country'") == 10


def test_days_are_without_gaps_and_weeks_when_there_are_many(house: House, make: Factory) -> None:
    petition = make.petition(slug="it")
    today = datetime.now(UTC).date()
    count_as(house, petition, {"PL": 3}, today - timedelta(days=5))
    house.sql("INSERT INTO breakdowns VALUES (:p, 'day', :d, 4)", p=petition, d=today.isoformat())
    data = house.client().get("/petitions/it.json").json
    assert data["by_day"] == {
        (today - timedelta(days=5 - number)).isoformat(): {0: 3, 5: 4}.get(number, 0) for number in range(6)
    }
    long_ago = today - timedelta(days=200)
    house.sql("INSERT INTO breakdowns VALUES (:p, 'day', :d, 7)", p=petition, d=long_ago.isoformat())
    data = house.client().get("/petitions/it.json").json
    assert "by_day" not in data
    weeks = [date.fromisoformat(day) for day in data["by_week"]]
    assert all(day.weekday() == 0 for day in weeks)
    assert {later - earlier for earlier, later in pairwise(weeks)} == {timedelta(days=7)}
    assert weeks[0] <= long_ago < weeks[0] + timedelta(days=7)
    assert sum(data["by_week"].values()) == 14
    assert "Confirmed signatures by week" in house.client().get("/petitions/it").text


def test_milestones_are_written_down_once_and_stay(house: House, make: Factory) -> None:
    petition = make.petition(slug="it", thresholds=[15, 1000])
    count_as(house, petition, {"PL": 21})
    with house.inside(Role.WORKER):
        record_milestones()
    reached = house.sql("SELECT total, reached_at FROM milestones ORDER BY total").all()
    assert [row.total for row in reached] == [10, 15, 20]
    house.sql("UPDATE tallies SET total = 9; UPDATE milestones SET reached_at = reached_at - interval '1 day'")
    with house.inside(Role.WORKER):
        record_milestones()
    house.sql("UPDATE tallies SET total = 50")
    with house.inside(Role.WORKER):
        record_milestones()
        record_milestones()
    now = house.sql("SELECT total, reached_at FROM milestones ORDER BY total").all()
    assert [row.total for row in now] == [10, 15, 20, 50]
    assert [row.reached_at for row in now[:3]] == [row.reached_at - timedelta(days=1) for row in reached]
    data = house.client().get("/petitions/it.json").json
    assert [one["signatures"] for one in data["milestones"]] == [50, 20, 15, 10]
    assert data["next_milestone"] == 100
    assert house.client().get("/petitions/it/count.json").json == {"counted": 50, "next_milestone": 100}


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["sign", "sign", "confirm", "confirm", "code", "withdraw", "change", "not_me", "day", "drain"]),
        st.integers(0, 4),
        st.sampled_from(["PL", "LT", "DE", "ZZ"]),
    ),
    min_size=8,
    max_size=30,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_what_is_shown_equals_the_signatures_whatever_people_do(
    house: House, make: Factory, actions: list[tuple[str, int, str]]
) -> None:
    state = house.bind.begin_nested()  # type: ignore[union-attr]  # A connection here.
    petition = make.petition()
    for action, number, country in actions:
        forms = house.sql("SELECT id, event_id FROM signatures ORDER BY event_id").all()
        if action == "day":
            # A day goes by: all that was counted was counted a day earlier.
            house.sql("UPDATE signatures SET counted_at = counted_at - interval '1 day'")
            house.sql("UPDATE breakdowns SET key = (key::date - 1)::text WHERE by = 'day'")
        elif action == "drain":
            house.drain()
        elif action == "sign":
            sent = payload(house, petition, email=f"n{number}@example.org", country=country, visibility="public")
            sent["consent"]["public"] = True
            with house.inside(Role.PUBLIC):
                append("sign", petition, sent, uuid4())
        elif forms:
            form = forms[number % len(forms)]
            told: dict[str, Any] = {
                "token": token(house, {"change": "mine", "withdraw": "mine"}.get(action, action), form.id)
            }
            if action == "code":
                told = {"signed": str(form.event_id), "code": house.keyring.code(form.id)}
            if action == "change":
                told |= {"visibility": ("public", "initials", "counted", "ministry")[number % 4], "updates": True}
            with house.inside(Role.PUBLIC):
                append(action, None, {"v": 1, **told}, uuid4())
    house.drain()
    assert fsck(house) == {}
    rows = house.sql("SELECT country_code, counted_at FROM signatures WHERE state = 'counted'").all()
    for by, keys in (
        ("country", [row.country_code for row in rows]),
        ("day", [row.counted_at.date().isoformat() for row in rows]),
    ):
        shown = dict(house.sql("SELECT key, total FROM breakdowns WHERE by = :by AND total > 0", by=by).all())
        assert shown == {key: keys.count(key) for key in keys}
    page = house.client().get(f"/petitions/{make.slug(petition)}/count.json").json
    assert page["counted"] == len(rows)
    assert house.value("SELECT count(*) FROM inbox WHERE state <> 'done'") == 0
    state.rollback()


def test_a_petition_is_closed_by_the_clock_and_the_worker_writes_it_down(house: House, make: Factory) -> None:
    petition = make.petition(slug="it", closes_at=datetime.now(UTC) - timedelta(minutes=5))
    client = house.client()
    assert client.get("/petitions/it.json").json["state"] == "closed"
    assert found(house, state="closed") == ["it"]
    page = client.get("/petitions/it")
    assert "It no longer takes signatures" in page.text
    assert "/petitions/it/sign" not in page.text
    assert client.get("/petitions/it/sign").status_code == 410
    with house.inside(Role.WORKER):
        close_ended()
    assert house.value("SELECT state FROM petitions WHERE id = :p", p=petition) == "closed"
    assert client.get("/petitions/it").data == page.data, "which changes nothing for the public"


# --- For other programs and sites ---------------------------------------------------------------------------------------------


def test_feeds_are_well_formed_whatever_is_written_in_the_texts(house: House, make: Factory) -> None:
    petition = make.petition(texts=(), slug="it")
    make.text(petition, "en", title='A <b>"title"</b> & more ]]>', summary="<i>&amp;</i>")
    news = uuid4()
    house.sql(
        "INSERT INTO news (id, petition_id, state, published_at) VALUES (:n, :p, 'published', now())",
        n=news,
        p=petition,
    )
    house.sql(
        "INSERT INTO news_texts VALUES (:n, 'en', 'They <said> & we', 'x', '<p>One &amp; <em>two</em></p>')", n=news
    )
    house.sql("INSERT INTO milestones VALUES (:p, 1000, now())", p=petition)
    client = house.client()
    for path in ("/petitions.atom", "/petitions/it/feed.atom", "/petitions/it/feed.atom?lang=be"):
        answer = client.get(path)
        assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        feed = ElementTree.fromstring(answer.data)  # noqa: S314  # Our own.
        assert feed.tag == f"{ATOM}feed"
        for needed in ("id", "title", "updated"):
            assert feed.findtext(f"{ATOM}{needed}"), (path, needed)
        entries = feed.findall(f"{ATOM}entry")
        for entry in entries:
            assert all(entry.findtext(f"{ATOM}{needed}") for needed in ("id", "title", "updated"))
            assert datetime.fromisoformat(entry.findtext(f"{ATOM}updated", ""))
        assert len({entry.findtext(f"{ATOM}id") for entry in entries}) == len(entries)
        titles = [entry.findtext(f"{ATOM}title") for entry in entries]
        if path == "/petitions.atom":
            assert titles == ['A <b>"title"</b> & more ]]>']
            assert entries[0].findtext(f"{ATOM}summary") == "<i>&amp;</i>"
        else:
            assert feed.findtext(f"{ATOM}title") == 'A <b>"title"</b> & more ]]>'
            assert titles[0] == "They <said> & we"
            assert entries[0].findtext(f"{ATOM}content") == "<p>One &amp; <em>two</em></p>"
            assert len(titles) == 2


def test_the_feed_of_an_empty_site_is_well_formed(house: House) -> None:
    feed = ElementTree.fromstring(house.client().get("/petitions.atom").data)  # noqa: S314  # Our own.
    assert feed.findall(f"{ATOM}entry") == []
    assert feed.findtext(f"{ATOM}updated")


def test_json_tells_all_that_is_public_and_no_name_of_a_signer(house: House, make: Factory) -> None:
    petition = petition_with_everything(house, make)
    make.text(petition, "be", demands="Раз\nДва")
    answer = house.client().get(f"/petitions/{make.slug(petition)}.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    data = answer.json
    assert set(data) == {
        "url", "kind", "state", "opens_at", "closes_at", "counted", "next_milestone", "milestones", "countries",
        "other_countries", "by_day", "addressees", "texts", "first_signatories",
    }  # fmt: skip
    assert data["url"] == f"http://localhost/petitions/{make.slug(petition)}"
    assert [text["language"] for text in data["texts"]] == ["be", "en"]
    assert data["texts"][0]["demands"] == ["Раз", "Два"]
    assert data["first_signatories"] == [{"name": "A Writer", "role": ""}]
    assert len(data["addressees"]) == 3
    assert "Вольга" not in answer.text


def test_the_card_may_be_shown_by_any_site_and_has_nothing_to_press(house: House, make: Factory, slug: str) -> None:
    client = house.client()
    card = client.get(f"/petitions/{slug}/embed?text=en")
    assert "frame-ancestors *" in card.headers["Content-Security-Policy"]
    assert "form-action 'none'" in card.headers["Content-Security-Policy"]
    assert "script-src" not in card.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in card.headers
    assert card.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in card.headers
    for none in ("<form", "<script", "<button", "<input", "http://", "https://"):
        assert none not in card.text, none
    links = re.findall(r"<a [^>]*>", card.text)
    assert links
    assert all('target="_blank" rel="noopener"' in link and f'href="/petitions/{slug}' in link for link in links)
    for other in (
        f"/petitions/{slug}",
        f"/petitions/{slug}/sign",
        f"/petitions/{slug}/names",
        "/",
        "/confirm/x",
        "/nope",
    ):
        headers = client.get(other).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], other
        assert headers["X-Frame-Options"] == "DENY", other
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin", other


def test_the_snippet_of_the_card_is_one_frame(house: House, make: Factory) -> None:
    petition = make.petition(texts=())
    make.text(petition, "en", title='"><script>x</script>')
    page = house.client().get(f"/petitions/{make.slug(petition)}").text
    [snippet] = re.findall(r'<textarea id="snippet"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert snippet.startswith(f'&lt;iframe src="http://localhost/petitions/{make.slug(petition)}/embed?text=en"')
    assert "<script" not in page


def test_the_qr_code_is_svg_of_the_address(house: House, slug: str) -> None:
    import io

    import segno

    answer = house.client().get(f"/petitions/{slug}/qr.svg")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    root = ElementTree.fromstring(answer.data)  # noqa: S314  # Our own.
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    drawn = io.BytesIO()
    segno.make(f"http://localhost/petitions/{slug}", error="m").save(
        drawn, kind="svg", scale=8, border=4, dark="#1b2430", light="#fff"
    )
    assert answer.data == drawn.getvalue()


def test_without_a_picture_and_a_card_there_is_none(house: House, slug: str) -> None:
    client = house.client()
    for path in ("picture.jpg", "card-en.png", "card-be.png", "card-xx.png"):
        assert client.get(f"/petitions/{slug}/{path}").status_code == 404


def test_a_picture_that_is_no_longer_the_petitions_is_not_found(house: House, make: Factory) -> None:
    petition = make.petition(slug="it")
    old = uuid4()
    house.sql("INSERT INTO pictures VALUES (:i, :p, 8, 8, 'jpeg')", i=old, p=petition)
    assert house.client().get("/petitions/it/picture.jpg").status_code == 404
    house.sql("UPDATE petitions SET picture_id = :i", i=old)
    answer = house.client().get("/petitions/it/picture.jpg")
    assert (answer.data, answer.headers["Content-Type"]) == (b"jpeg", "image/jpeg")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = house.client().get("/petitions/it").text
    assert f'src="/petitions/it/picture.jpg?v={str(old)[:8]}"' in page
    house.sql(
        "INSERT INTO share_cards (petition_id, language, fingerprint, content) VALUES (:p, 'be', 'x', 'png')",
        p=petition,
    )
    card = house.client().get("/petitions/it/card-be.png")
    assert (card.data, card.headers["Content-Type"]) == (b"png", "image/png")


# --- News and history ----------------------------------------------------------------------------------------------------------


def test_news_are_newest_first_each_in_the_best_language(house: House, make: Factory) -> None:
    petition = make.petition(texts=("en", "be", "lt"), slug="it")
    for days, titles in (
        (3, {"en": "Old en", "be": "Old be"}),
        (1, {"lt": "New lt", "en": "New en"}),
        (2, {"ru": "Middle ru"}),
    ):
        news = uuid4()
        house.sql(
            "INSERT INTO news (id, petition_id, state, published_at) VALUES (:n, :p, 'published', now() - :d * interval '1 day')",
            n=news,
            p=petition,
            d=days,
        )
        for language, title in titles.items():
            house.sql("INSERT INTO news_texts VALUES (:n, :l, :t, 'x', '<p>x</p>')", n=news, l=language, t=title)
    for text, lang, expected in (
        ("be", "en", ["New en", "Middle ru", "Old be"]),
        ("en", "be", ["New en", "Middle ru", "Old en"]),
        ("lt", "be", ["New lt", "Middle ru", "Old be"]),
    ):
        page = house.client().get(f"/petitions/it?text={text}&lang={lang}").text
        assert re.findall(r'<h3 lang="\w+">([^<]*)</h3>', page) == expected, (text, lang)


def test_history_shows_every_version_with_its_note_newest_first(house: House, make: Factory) -> None:
    petition = make.petition(texts=("en", "be"), slug="it")
    page = house.client().get("/petitions/it")
    assert "The text was changed on" not in page.text
    make.text(petition, "en", 2, title="Second <title>")
    house.sql("UPDATE text_versions SET note = 'A name was <wrong>.' WHERE version = 2")
    page = house.client().get("/petitions/it")
    assert "A name was &lt;wrong&gt;." in page.text
    history = house.client().get("/petitions/it/history").text
    assert re.findall(r"Version (\d)", history) == ["2", "1"]
    hashes = house.sql("SELECT hash FROM petition_texts ORDER BY version DESC, language").scalars().all()
    assert re.findall(r"<code>(\w{64})</code>", history) == hashes
    assert "Second &lt;title&gt;" in history
    assert "A name was &lt;wrong&gt;." in history


# --- What is left of somebody who withdrew ---------------------------------------------------------------------------------


NAME, MAIL, CITY = "Канарэйка Жоўтая", "canary@example.org", "Жоўтае Возера"


def rows_with(house: House, canary: str) -> list[str]:
    """Tables with a row in which the words stand, as text or as bytes."""
    tables = house.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").scalars().all()
    marks = {"text": f"%{canary}%", "bytes": f"%{canary.encode().hex()}%"}
    return [
        table
        for table in tables
        if house.value(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE :text OR t::text LIKE :bytes', **marks)
    ]


@pytest.mark.parametrize("visibility", ["public", "initials"])
def test_nothing_is_left_of_who_withdrew_at_once(house: House, make: Factory, visibility: str) -> None:
    """Pages are kept as long as in production; names stand on none that is."""
    slug = make.slug(make.petition(texts=("en", "be")))
    app = house.app(Role.PUBLIC)
    del app.config["KEPT_SECONDS"]
    client = app.test_client()
    row = counted(house, slug, name=NAME, email=MAIL, city=CITY, visibility=visibility, updates="y")
    canary = NAME if visibility == "public" else f"{initials(NAME)}"
    paths = [
        f"{path}?lang={language}"
        for language in ("en", "be")
        for path in (
            "/", "/petitions", "/petitions.atom", f"/petitions/{slug}", f"/petitions/{slug}.json", f"/petitions/{slug}/count.json",
            f"/petitions/{slug}/feed.atom", f"/petitions/{slug}/embed", f"/petitions/{slug}/history", f"/petitions/{slug}/names",
            f"/petitions/{slug}/sign", f"/petitions/{slug}/thanks/{row.event_id}",
        )
    ]  # fmt: skip

    def pages_with(words: str) -> set[str]:
        return {path.partition("?")[0] for path in paths if words in client.get(path).text}

    assert pages_with(canary) == {f"/petitions/{slug}/names"}
    assert rows_with(house, canary) == ["public_names"], "the search finds what is there"
    for sealed in (MAIL, CITY):
        assert pages_with(sealed) == set()
        assert rows_with(house, sealed) == []
    answer = press(client, f"/withdraw/{token(house, 'mine', row.id)}")
    house.drain()
    assert "Your signature is withdrawn" in client.get(answer.location).text
    for words in (canary, NAME, MAIL, CITY):
        assert pages_with(words) == set()
        assert rows_with(house, words) == []
    assert house.value("SELECT count(*) FROM row_keys") == 0
    assert (
        house.value("SELECT wants_updates OR sealed IS NOT NULL OR mailbox_hmac IS NOT NULL FROM signatures") is False
    )
    assert fsck(house) == {}


def test_names_are_in_pages_of_two_hundred(house: House, make: Factory) -> None:
    petition = make.petition(slug="it")
    row = signed(house, "it")
    house.sql("INSERT INTO public_names VALUES (:s, :p, 'Somebody Named')", s=row.id, p=petition)
    client = house.client()
    assert "1 person signed by name" in client.get("/petitions/it").text
    for odd in ("-1", "0", "2", "x", str(10**30)):
        page = client.get(f"/petitions/it/names?page={odd}")
        assert page.status_code == 200
        assert "Somebody Named" in page.text
