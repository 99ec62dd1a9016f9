"""Creators write: nothing typed is lost, nobody writes what is not theirs, and what a reviewer reads stands still."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from core.config import Role
from core.typed import tidy_line
from petitions.addressing import regions
from petitions.editing import text_languages
from petitions.seed import DATA
from petitions.texts import demand_lines
from tests.conftest import House
from tests.core.test_pictures import bomb, encoded
from tests.factories import Factory, enter, hidden, post

WORDS = {
    "title": "Do not recognise the election",
    "summary": "Three sentences.",
    "body": "Dear Minister,\n\nplease do not.",
    "demands": "1. Say so\n- Visit nobody",
    "picture_alt": "",
}
OWN = {
    "name_en": "City of Vilnius", "name_native": "Vilniaus miestas", "salutation_native": "Gerbiamas mere,", "street_address": "Konstitucijos pr. 3",
    "postal_code": "09601", "city": "Vilnius", "country": "LT", "language": "lt",
}  # fmt: skip


@pytest.fixture
def creator(house: House, make: Factory) -> FlaskClient:
    """Somebody who coordinates something else, and so may begin a petition."""
    return enter(house, make.account(make.petition(countries=())))


def begin(client: FlaskClient, **changes: Any) -> int:
    """Begin a petition. Returns its number."""
    answer = post(
        client, "/petitions/new", **{"kind": "petition", "language": "en", "title": WORDS["title"], **changes}
    )
    assert answer.status_code == 303, answer.text
    found = re.search(r"/petitions/(\d+)/texts/", answer.location)
    assert found
    return int(found[1])


def revised(client: FlaskClient, path: str, **data: Any) -> Any:
    """Open a page and send its form with the revision that stands in it."""
    page = client.get(path).text
    data = {"revision": hidden(page, "revision"), **data}
    return client.post(path, data={"csrf_token": hidden(page, "csrf_token"), **data})


def write(client: FlaskClient, petition: int, language: str = "en", **changes: str) -> Any:
    """Save a whole text in one language."""
    return revised(client, f"/petitions/{petition}/texts/{language}", **{**WORDS, **changes})


def address(client: FlaskClient, petition: int, *ids: int) -> Any:
    """Choose just these addressees."""
    return revised(client, f"/petitions/{petition}/addressees", addressee=list(ids), save="1")


def set_up(client: FlaskClient, petition: int, fallback: object, **changes: Any) -> Any:
    """Save the settings of a draft."""
    page = client.get(f"/petitions/{petition}/settings").text
    slug = hidden_or_typed(page, "slug")
    values = {
        "kind": "petition",
        "slug": slug,
        "fallback": str(fallback),
        "min_age": "",
        "per_mailbox": "1",
        "zone": "UTC",
        "thresholds": "",
    }
    return revised(client, f"/petitions/{petition}/settings", **{**values, **changes})


def hidden_or_typed(page: str, name: str) -> str:
    """Value of any input."""
    tag = next(one for one in re.findall(r"<input[^>]*>", page) if f'name="{name}"' in one)
    value = re.search(r'value="([^"]*)"', tag)
    return html.unescape(value[1]) if value else ""


def whole(house: House, make: Factory, client: FlaskClient, **changes: Any) -> int:
    """A petition that lacks nothing."""
    petition = begin(client, **changes)
    write(client, petition)
    poland, union = make.addressee(), make.addressee()
    assert address(client, petition, poland, union).status_code == 303
    assert set_up(client, petition, union, **changes).status_code == 303
    return petition


# --- Beginning ----------------------------------------------------------------------------------------------------------


def test_whoever_begins_a_petition_coordinates_it_and_stays_logged_in(house: House, make: Factory) -> None:
    account = make.account(make.petition(countries=()), country="PL")
    client = enter(house, account)
    petition = begin(client, title="Не прызнаваць!")
    grant = house.sql(
        "SELECT role, country_code FROM grants WHERE account_id = :a AND petition_id = :p", a=account, p=petition
    ).one()
    assert grant == ("coordinator", None)
    assert house.value("SELECT slug FROM petitions WHERE id = :p", p=petition) == "ne-pryznavats"
    assert client.get(f"/petitions/{petition}/texts/en").status_code == 200
    actions = set(house.sql("SELECT action FROM audit WHERE petition_id = :p", p=petition).scalars())
    assert actions == {"petition.created", "grant.added"}
    assert "Не прызнаваць!" in client.get("/petitions").text
    assert "Не прызнаваць!" not in "".join(house.sql("SELECT details FROM audit").scalars())


@pytest.mark.parametrize("title", ["Do not recognise the election", "!!!"])
def test_the_same_title_twice_gets_two_addresses(house: House, creator: FlaskClient, title: str) -> None:
    slugs = {house.value("SELECT slug FROM petitions WHERE id = :p", p=begin(creator, title=title)) for _ in range(3)}
    assert len(slugs) == 3
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in slugs)


def test_an_address_that_the_next_one_would_get_by_its_number_is_no_hindrance(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    taken = whole(house, make, creator)
    house.sql("UPDATE petitions SET slug = :s WHERE id = :p", s=f"no-recognition-{taken + 2}", p=taken)
    begin(creator, title="No recognition")
    begin(creator, title="No recognition")


@pytest.mark.parametrize(
    "wrong", [{"title": " "}, {"title": "x" * 201}, {"language": "xx"}, {"kind": "poem"}, {"kind": ""}]
)
def test_a_wrong_beginning_is_told_beside_the_field(house: House, creator: FlaskClient, wrong: dict[str, str]) -> None:
    before = house.value("SELECT count(*) FROM petitions")
    answer = post(creator, "/petitions/new", **{"kind": "petition", "language": "en", "title": "A title", **wrong})
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert house.value("SELECT count(*) FROM petitions") == before


def test_organisers_and_reviewers_begin_none(house: House, make: Factory) -> None:
    for role in ("organiser", "reviewer"):
        assert enter(house, make.account(role=role)).get("/petitions/new").status_code == 403
    assert enter(house, make.account(role="administrator")).get("/petitions/new").status_code == 200


@pytest.mark.parametrize(
    "page", ["texts", "texts/en", "texts/add", "settings", "addressees", "addressees/new", "picture", "signatories"]
)
def test_what_is_not_ones_own_is_not_there(house: House, make: Factory, creator: FlaskClient, page: str) -> None:
    petition = begin(creator)
    of_a_country = make.account(petition, country="PL")
    of_another = make.account(make.petition(countries=()))
    for account in (of_a_country, of_another):
        client = enter(house, account)
        assert client.get(f"/petitions/{petition}/{page}").status_code == 404
        assert client.get(f"/petitions/{petition}").status_code == 404, "nobody else sees that there is a draft"
        assert WORDS["title"] not in client.get("/petitions").text
    assert creator.get(f"/petitions/{petition}/{page}").status_code in (200, 303)


# --- Text ---------------------------------------------------------------------------------------------------------------


def test_a_text_is_saved_tidied_and_shown_again(house: House, creator: FlaskClient) -> None:
    petition = begin(creator)
    assert write(creator, petition, body="Dear Minister,\r\n\r\nplease\x00 do not.  \r\n").status_code == 303
    row = house.sql("SELECT * FROM drafts WHERE petition_id = :p", p=petition).one()
    assert row.body == "Dear Minister,\n\nplease do not."
    assert row.demands == "Say so\nVisit nobody"
    assert row.revision == 2
    assert "please do not." in creator.get(f"/petitions/{petition}/texts/en").text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("1. a\n\n2) b\n - c\n4. - d\n•\te\n* f", "a b c d e f"),
        ("10. Dezember als Feiertag\n12. жніўня", "10. Dezember als Feiertag|12. жніўня"),
        ("-5 degrees\n–\n**all** of us\n2. May", "-5 degrees|**all** of us|2. May"),
        ("1. one\n2. 3. October", "one|3. October"),
    ],
)
def test_only_what_numbers_a_demand_is_taken_away(typed: str, kept: str) -> None:
    assert demand_lines(typed) == kept.split("|" if "|" in kept else " ")


def test_nothing_that_turns_letters_around_is_kept_of_a_text(house: House, creator: FlaskClient) -> None:
    petition = begin(creator)
    turned = "\u202a\u202b\u202d\u202elive\u202c \u2066\u2067\u2068x\u2069"
    for_spelling = "a\u200eb\u200f می\u200cخواهیم क\u094d\u200dष"
    write(creator, petition, body=turned + for_spelling, demands=turned, summary=turned)
    row = house.sql("SELECT * FROM drafts WHERE petition_id = :p", p=petition).one()
    assert (row.body, row.demands, row.summary) == (f"live x{for_spelling}", "live x", "live x")


@pytest.mark.parametrize("field", ["title", "summary", "demands", "picture_alt"])
def test_joiners_stay_inside_of_words_and_nowhere_else(house: House, creator: FlaskClient, field: str) -> None:
    petition = begin(creator)
    write(creator, petition, **{field: "\u200cمی\u200c\u200cخواهیم \u200d क\u094d\u200dष\u200c 1\u200c2"})
    kept = house.value(f"SELECT {field} FROM drafts WHERE petition_id = :p", p=petition)
    assert kept == "می\u200cخواهیم क\u094d\u200dष 12"


def test_no_two_names_of_accounts_differ_by_what_nobody_sees() -> None:
    assert tidy_line("Ad\u200cmin\u202e\t x") == "Admin x"


@pytest.mark.parametrize(
    ("field", "longest"), [("title", 200), ("summary", 500), ("body", 20_000), ("picture_alt", 300)]
)
def test_what_is_too_long_is_told_and_kept(house: House, creator: FlaskClient, field: str, longest: int) -> None:
    petition = begin(creator)
    # Letters that take most bytes on their way.
    assert write(creator, petition, **{field: "ქ" * longest}).status_code == 303
    answer = write(creator, petition, **{field: "ქ" * (longest + 1)})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "ქ" * (longest + 1) in answer.text


def test_two_editors_at_once_lose_no_words(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = begin(creator)
    other = enter(house, make.account(petition))
    path = f"/petitions/{petition}/texts/en"
    opened = creator.get(path).text
    assert write(other, petition, body="What the other one wrote.").status_code == 303
    mine = {**WORDS, "body": "What I wrote meanwhile.", "revision": hidden(opened, "revision")}
    answer = post(creator, path, **mine)
    assert answer.status_code == 409
    assert "What I wrote meanwhile.</textarea>" in answer.text
    assert "What the other one wrote." in answer.text
    assert house.value("SELECT body FROM drafts WHERE petition_id = :p", p=petition) == "What the other one wrote."
    again = post(creator, path, **{**mine, "revision": hidden(answer.text, "revision")})
    assert again.status_code == 303, "saving again is a decision"
    assert house.value("SELECT body FROM drafts WHERE petition_id = :p", p=petition) == "What I wrote meanwhile."


def test_a_language_that_both_begin_or_one_removes_loses_no_words(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = begin(creator)
    other = enter(house, make.account(petition))
    path = f"/petitions/{petition}/texts/pl"
    assert hidden(creator.get(path).text, "revision") == "0"
    write(other, petition, "pl", body="Theirs.")
    answer = post(creator, path, **{**WORDS, "body": "Mine.", "revision": "0"})
    assert answer.status_code == 409
    assert "Theirs." in answer.text
    assert post(other, f"{path}/removal").status_code == 303
    answer = post(creator, path, **{**WORDS, "body": "Mine.", "revision": hidden(answer.text, "revision")})
    assert answer.status_code == 409, "it is gone"
    assert "Mine.</textarea>" in answer.text
    assert post(creator, path, **{**WORDS, "revision": hidden(answer.text, "revision")}).status_code == 303


def test_real_transactions_let_one_of_two_editors_in(own_database: House, make_own: Factory) -> None:
    house = own_database
    account = make_own.account(make_own.petition(countries=()))
    with house.app(Role.CONSOLE).app_context():
        from concurrent.futures import ThreadPoolExecutor

        from accounts.models import Account
        from core.errors import EditedMeanwhileError
        from core.extensions import db
        from petitions.editing import create_petition, save_text

        petition = create_petition(db.session.get_one(Account, account), "petition", "Title", "en")

    def save(number: int) -> bool:
        with house.app(Role.CONSOLE).app_context():
            try:
                mine = {**WORDS, "body": f"By {number}."}
                save_text(db.session.get_one(Account, account), petition, "en", 1, mine)
            except EditedMeanwhileError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(save, range(4))) == [False, False, False, True]
    assert house.value("SELECT revision FROM drafts WHERE petition_id = :p", p=petition) == 2


def test_a_preview_saves_nothing_and_runs_nothing(house: House, creator: FlaskClient) -> None:
    petition = begin(creator)
    path = f"/petitions/{petition}/texts/en/preview"
    mine = {**WORDS, "body": "## Head\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))", "revision": "1"}
    whole_page = post(creator, path, **mine)
    assert whole_page.status_code == 200
    assert "<h2>Head</h2>" in whole_page.text
    assert "alert(1)</script>\n" not in whole_page.text
    assert 'href="javascript' not in whole_page.text
    csrf = hidden(whole_page.text, "csrf_token")
    fragment = creator.post(path, data={**mine, "csrf_token": csrf}, headers={"HX-Request": "true"})
    assert "<h2>Head</h2>" in fragment.text
    assert "<html" not in fragment.text
    assert house.value("SELECT body FROM drafts WHERE petition_id = :p", p=petition) == ""


def test_another_language_stands_beside(creator: FlaskClient) -> None:
    petition = begin(creator)
    write(creator, petition, summary="The English summary.")
    page = creator.get(f"/petitions/{petition}/texts/pl?beside=en").text
    assert "The English summary." in page
    added = creator.get(f"/petitions/{petition}/texts/add?language=pl")
    assert added.location == f"/petitions/{petition}/texts/pl?beside=en"
    assert creator.get(f"/petitions/{petition}/texts/xx").status_code == 404


def test_every_official_language_can_be_written_in() -> None:
    with (DATA / "ministries.csv").open(encoding="utf-8", newline="") as file:
        official = {code for row in csv.DictReader(file) for code in row["languages"].split()}
    names = dict(text_languages())
    assert official | {"be", "ru", "uk", "en"} <= names.keys()
    assert names["ka"] == "ქართული"
    assert names["cnr"] == "Crnogorski"


def test_the_last_language_and_a_published_one_stay(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = begin(creator)
    post(creator, f"/petitions/{petition}/texts/en/removal")
    assert house.value("SELECT count(*) FROM drafts WHERE petition_id = :p", p=petition) == 1
    public = make.petition(texts=("en", "pl"))
    client = enter(house, make.account(public))
    write(client, public, "pl")
    post(client, f"/petitions/{public}/texts/pl/removal")
    assert house.value("SELECT count(*) FROM drafts WHERE petition_id = :p AND language = 'pl'", p=public) == 1


# --- Settings -----------------------------------------------------------------------------------------------------------


def test_settings_are_kept_in_utc(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = whole(house, make, creator)
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    times = {"opens_at": "2090-01-10T10:00", "closes_at": "2090-07-10T10:00", "zone": "Europe/Warsaw"}
    assert set_up(creator, petition, fallback, **times, thresholds="1000, 10000 50000", min_age="16").status_code == 303
    row = house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one()
    assert f"{row.opens_at:%d %H:%M} {row.closes_at:%d %H:%M}" == "10 09:00 10 08:00"
    assert (row.thresholds, row.min_age) == ([1000, 10000, 50000], 16)
    page = creator.get(f"/petitions/{petition}/settings").text
    assert hidden_or_typed(page, "closes_at") == "2090-07-10T08:00"
    later = {**times, "opens_at": "2090-08-10T10:00"}
    assert "before the opening" in set_up(creator, petition, fallback, **later).text, "the closing time did not change"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("closes_at", {"closes_at": "2020-01-01T10:00"}),
        ("closes_at", {"closes_at": "2090-01-01T10:00", "opens_at": "2091-01-01T10:00"}),
        ("closes_at", {"closes_at": "2027-03-28T02:30", "zone": "Europe/Warsaw"}),
        ("closes_at", {"closes_at": "tomorrow"}),
        ("closes_at", {"closes_at": "0001-01-01T00:00", "zone": "Asia/Tokyo"}),
        ("closes_at", {"closes_at": "9999-12-31T23:59", "zone": "America/New_York"}),
        ("opens_at", {"opens_at": "2027-03-28T02:30", "zone": "Europe/Warsaw"}),
        ("zone", {"zone": "Europe/Nowhere", "closes_at": "2090-01-01T10:00"}),
        ("slug", {"slug": "Not an address"}),
        ("slug", {"slug": "taken"}),
        ("slug", {"slug": ""}),
        ("fallback", {"fallback": "999999"}),
        ("min_age", {"min_age": "12"}),
        ("thresholds", {"thresholds": "1000, 500"}),
        ("thresholds", {"thresholds": "1000, 1000"}),
        ("thresholds", {"thresholds": "many"}),
        ("thresholds", {"thresholds": "99999999999999"}),
        ("thresholds", {"thresholds": "0"}),
        ("kind", {"kind": "poem"}),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_beside_its_field_and_nothing_typed_is_lost(
    house: House, make: Factory, creator: FlaskClient, field: str, wrong: dict[str, str]
) -> None:
    make.petition(countries=(), slug="taken")
    petition = whole(house, make, creator)
    before = house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one()
    wanted = {"fallback": str(before.fallback_addressee_id), "thresholds": "77", **wrong}
    answer = set_up(creator, petition, **wanted)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert hidden_or_typed(answer.text, "thresholds") == wrong.get("thresholds", "77")
    assert house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one() == before


def test_two_editors_of_settings_lose_nothing(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = whole(house, make, creator)
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    other = enter(house, make.account(petition))
    opened = hidden(creator.get(f"/petitions/{petition}/settings").text, "revision")
    assert set_up(other, petition, fallback, thresholds="5000").status_code == 303
    answer = set_up(creator, petition, fallback, thresholds="7000", revision=opened)
    assert answer.status_code == 409
    assert hidden_or_typed(answer.text, "thresholds") == "7000"
    assert "5000" in answer.text
    assert set_up(creator, petition, fallback, thresholds="7000").status_code == 303


def test_of_an_open_petition_only_the_end_and_the_thresholds_change(house: House, make: Factory) -> None:
    petition = make.petition()
    client = enter(house, make.account(petition))
    slug = make.slug(petition)
    answer = revised(
        client, f"/petitions/{petition}/settings", closes_at="2090-01-01T10:00", zone="UTC", thresholds="9", slug="other",
        kind="open_letter", min_age="15",
    )  # fmt: skip
    assert answer.status_code == 303
    row = house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one()
    assert (row.slug, row.kind, row.min_age, row.thresholds) == (slug, "petition", None, [9])
    assert row.closes_at.year == 2090
    past = revised(client, f"/petitions/{petition}/settings", closes_at="2020-01-01T10:00", zone="UTC", thresholds="")
    assert past.status_code == 422
    house.sql("UPDATE petitions SET closes_at = now() - interval '1 second' WHERE id = :p", p=petition)
    late = post(
        client, f"/petitions/{petition}/settings", revision="1", closes_at="2091-01-01T10:00", zone="UTC", thresholds=""
    )
    assert late.status_code == 303
    assert house.value("SELECT closes_at < now() FROM petitions WHERE id = :p", p=petition), "what is over stays over"


# --- Addressees ---------------------------------------------------------------------------------------------------------


def test_every_addressee_of_the_list_is_in_one_region() -> None:
    with (DATA / "ministries.csv").open(encoding="utf-8", newline="") as file:
        codes = sorted(row["country_code"] for row in csv.DictReader(file))
    assert sorted(code for members in regions().values() for code in members) == codes


def ids(house: House, petition: int) -> set[int]:
    rows = house.sql(
        "SELECT addressee_id FROM petition_addressees WHERE petition_id = :p AND removed_at IS NULL", p=petition
    )
    return set(rows.scalars())


def routes(house: House, petition: int) -> dict[str, int]:
    rows = house.sql("SELECT country_code, addressee_id FROM petition_routes WHERE petition_id = :p", p=petition)
    return {row.country_code: row.addressee_id for row in rows}


def test_choosing_gives_each_ministry_its_residents(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = begin(creator)
    poland, union = make.addressee("PL"), make.addressee()
    assert address(creator, petition, poland, union).status_code == 303
    assert ids(house, petition) == {poland, union}
    assert routes(house, petition) == {"PL": poland}
    address(creator, petition, union)
    assert ids(house, petition) == {union}
    assert routes(house, petition) == {}


def test_a_region_and_a_filter_keep_all_other_ticks_and_save_nothing(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = begin(creator)
    poland, lithuania, georgia = make.addressee("PL"), make.addressee("LT"), make.addressee("GE")
    path = f"/petitions/{petition}/addressees"

    def ticked(page: str) -> set[int]:
        tags = [tag for tag in re.findall(r"<input[^>]*>", page) if 'name="addressee"' in tag]
        return {int(hidden(tag, "addressee")) for tag in tags if "checked" in tag or 'type="hidden"' in tag}

    page = revised(creator, path, addressee=[georgia], region="eu")
    assert page.status_code == 200
    assert ticked(page.text) == {poland, lithuania, georgia}
    assert ids(house, petition) == set()
    page = revised(creator, path, addressee=[poland, lithuania, georgia], q="Polan")
    assert ticked(page.text) == {poland, lithuania, georgia}
    assert f'id="addressee-{georgia}"' not in page.text
    assert revised(creator, path, addressee=[poland, lithuania, georgia], q="Polan", save="1").status_code == 303
    assert ids(house, petition) == {poland, lithuania, georgia}


def test_the_fallback_stays(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = whole(house, make, creator)
    answer = address(creator, petition, make.addressee("PL"))
    assert answer.status_code == 422
    assert "The fallback stays" in answer.text


def test_addressees_stand_in_the_order_of_the_alphabet(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = begin(creator)
    address(creator, petition, *(make.addressee(code) for code in ("FR", "IT", "IE", "JP", "PL", "DE")))
    page = creator.get(f"/petitions/{petition}/addressees?lang=be").text
    countries = "Германія Ірландыя Італія Польшча Францыя Японія"
    assert re.findall(r"<li><strong>(\w+)</strong>: ", page) == countries.split()
    ticked = [name for name in re.findall(r"<strong>(\w+)</strong> <span", page) if name in countries]
    assert ticked == countries.split()


def test_two_who_choose_addressees_at_once_notice_each_other(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = begin(creator)
    poland, lithuania = make.addressee("PL"), make.addressee("LT")
    opened = hidden(creator.get(f"/petitions/{petition}/addressees").text, "revision")
    address(enter(house, make.account(petition)), petition, poland)
    answer = post(creator, f"/petitions/{petition}/addressees", revision=opened, addressee=[lithuania], save="1")
    assert answer.status_code == 409
    assert re.search(rf'id="addressee-{lithuania}"[^>]*checked', answer.text)
    assert "saved: chosen" in answer.text
    assert ids(house, petition) == {poland}


def test_an_own_addressee_asks_who_receives_the_residents(house: House, make: Factory, creator: FlaskClient) -> None:
    petition = begin(creator)
    ministry = make.addressee("LT")
    address(creator, petition, ministry)
    path = f"/petitions/{petition}/addressees/new"
    asked = post(creator, path, **OWN)
    assert asked.status_code == 422
    assert "Who receives the residents" in asked.text
    assert html.escape(OWN["name_native"]) in asked.text
    assert house.value("SELECT count(*) FROM addressees WHERE petition_id = :p", p=petition) == 0
    assert post(creator, path, **OWN, receives="new").status_code == 303
    own = house.sql("SELECT * FROM addressees WHERE petition_id = :p", p=petition).one()
    assert (own.confidence, own.lat, own.languages) == ("low", None, "lt")
    assert routes(house, petition) == {"LT": own.id}
    assert ids(house, petition) == {ministry, own.id}
    other = begin(creator)
    assert own.name_en not in creator.get(f"/petitions/{other}/addressees").text, "it is of that petition alone"
    address(creator, other, own.id)
    assert ids(house, other) == set()


@pytest.mark.parametrize("field", ["name_en", "name_native", "salutation_native", "street_address", "city", "language"])
def test_an_own_addressee_lacks_nothing(house: House, creator: FlaskClient, field: str) -> None:
    answer = post(creator, f"/petitions/{begin(creator)}/addressees/new", **{**OWN, field: ""})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


def test_residents_of_a_country_without_an_addressee_can_go_to_another(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = begin(creator)
    swiss = make.addressee("CH")
    address(creator, petition, swiss)
    path = f"/petitions/{petition}/routes"
    assert post(creator, path, country="LI", addressee=str(swiss)).status_code == 303
    assert routes(house, petition) == {"CH": swiss, "LI": swiss}
    assert post(creator, path, country="LI", addressee="").status_code == 303
    assert routes(house, petition) == {"CH": swiss}
    assert post(creator, path, country="LI", addressee=str(make.addressee("FR"))).status_code == 422
    assert post(creator, path, country="", addressee="").status_code == 422


# --- Picture ------------------------------------------------------------------------------------------------------------


def upload(client: FlaskClient, petition: int, content: bytes, name: str = "picture.jpg") -> Any:
    path = f"/petitions/{petition}/picture"
    csrf = hidden(client.get(path).text, "csrf_token")
    data = {"csrf_token": csrf, "file": FileStorage(io.BytesIO(content), name)}
    boundary, body = encode_multipart(data)
    return client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def test_a_picture_is_kept_small_and_shown_to_those_who_write_or_review(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = begin(creator)
    assert upload(creator, petition, encoded(Image.new("RGB", (2000, 1000)))).status_code == 303
    row = house.sql("SELECT * FROM pictures WHERE petition_id = :p", p=petition).one()
    assert (row.width, row.height) == (1200, 600)
    file = creator.get(f"/petitions/{petition}/picture/file")
    assert (file.content_type, file.data) == ("image/jpeg", bytes(row.content))
    assert enter(house, make.account(role="reviewer")).get(f"/petitions/{petition}/picture/file").status_code == 200
    stranger = make.account(make.petition(countries=()))
    assert enter(house, stranger).get(f"/petitions/{petition}/picture/file").status_code == 404
    upload(creator, petition, encoded(Image.new("RGB", (10, 10))))
    assert house.value("SELECT count(*) FROM pictures WHERE petition_id = :p", p=petition) == 1, (
        "the one before is gone"
    )
    assert post(creator, f"/petitions/{petition}/picture/removal").status_code == 303
    assert house.value("SELECT count(*) FROM pictures WHERE petition_id = :p", p=petition) == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "Choose a file."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This is no JPEG, PNG or WebP file"),
        (b"<!doctype html><script>alert(1)</script>", "This is no JPEG, PNG or WebP file"),
        (encoded(Image.effect_noise((300, 300), 90), "JPEG")[:5000], "This picture is damaged"),
        (bomb(30_000, 30_000), "more than 50 million pixels"),
        (bytes(8 * 1024 * 1024 + 1), "larger than 8 MB"),
    ],
    ids=["nothing", "svg", "html", "truncated", "bomb", "large"],
)
def test_what_is_no_picture_is_told_beside_the_field(
    house: House, creator: FlaskClient, content: bytes, told: str
) -> None:
    petition = begin(creator)
    answer = upload(creator, petition, content)
    assert answer.status_code == 422
    assert told in re.search(r'id="file-error">([^<]*)<', answer.text)[1]  # type: ignore[index]  # It is there, or the test fails.
    assert house.value("SELECT count(*) FROM pictures") == 0


def test_files_are_taken_where_they_are_asked_for_and_nowhere_else(house: House, creator: FlaskClient) -> None:
    petition = begin(creator)
    csrf = hidden(creator.get("/me").text, "csrf_token")
    for path in (f"/petitions/{petition}/texts/en", "/petitions/new", f"/petitions/{petition}/settings"):
        answer = creator.post(path, data={"csrf_token": csrf, "title": "x"}, content_type="multipart/form-data")
        assert answer.status_code == 415, path
    public = house.client(Role.PUBLIC)
    assert (
        public.post("/petitions/x/signatures", data={"x": "y"}, content_type="multipart/form-data").status_code == 415
    )
    assert post(creator, f"/petitions/{petition}/picture", file="no file").status_code == 422
    assert upload(creator, petition, bytes(10 * 1024 * 1024)).status_code == 413
    assert post(creator, "/petitions/new", title="x" * 200_000).status_code == 413


# --- First signatories --------------------------------------------------------------------------------------------------


def names(house: House, petition: int) -> list[str]:
    rows = house.sql("SELECT name FROM first_signatories WHERE petition_id = :p ORDER BY position", p=petition)
    return list(rows.scalars())


def test_first_signatories_stand_in_the_order_that_creators_set(house: House, creator: FlaskClient) -> None:
    petition = begin(creator, kind="open_letter")
    path = f"/petitions/{petition}/signatories"
    people = "Anna Nowak, writer, Vilnius\n\nBarys Klim\nCelina Zak, judge"
    assert post(creator, path, people=people).status_code == 422, "nobody said that they agreed"
    assert post(creator, path, people=people, agreed="y").status_code == 303
    assert names(house, petition) == ["Anna Nowak", "Barys Klim", "Celina Zak"]
    assert house.value("SELECT role FROM first_signatories WHERE name = 'Anna Nowak'") == "writer, Vilnius"
    of = dict(house.sql("SELECT name, id FROM first_signatories WHERE petition_id = :p", p=petition).all())
    post(creator, f"{path}/{of['Celina Zak']}/up")
    assert names(house, petition) == ["Anna Nowak", "Celina Zak", "Barys Klim"]
    post(creator, f"{path}/{of['Anna Nowak']}/up")
    post(creator, f"{path}/{of['Anna Nowak']}/down")
    assert names(house, petition) == ["Celina Zak", "Anna Nowak", "Barys Klim"]
    post(creator, f"{path}/{of['Anna Nowak']}/removal")
    assert names(house, petition) == ["Celina Zak", "Barys Klim"]


@pytest.mark.parametrize(
    "people", ["", "x" * 81, "=HYPERLINK(1), spy", "Anna, " + "x" * 121, "\u202eAnna", "Anna\n, writer"]
)
def test_a_name_that_cannot_be_one_is_told(house: House, creator: FlaskClient, people: str) -> None:
    petition = begin(creator, kind="open_letter")
    answer = post(creator, f"/petitions/{petition}/signatories", people=people, agreed="y")
    expected = 303 if people == "\u202eAnna" else 422  # What nobody sees is taken out.
    assert answer.status_code == expected
    assert ('id="people-error"' in answer.text) is (expected == 422)


def test_a_petition_has_no_first_signatories(house: House, creator: FlaskClient) -> None:
    petition = begin(creator)
    assert post(creator, f"/petitions/{petition}/signatories", people="Anna Nowak", agreed="y").status_code == 409
    assert names(house, petition) == []
