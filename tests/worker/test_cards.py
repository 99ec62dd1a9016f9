"""Share cards: what stands on them, when they are drawn, and that everything fits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO

import pytest
from PIL import Image

from core.config import Role
from petitions import cards
from tests.conftest import ROOT, House
from tests.factories import Factory
from worker.typeset import draw_card


class Drawer:
    """Draws nothing and remembers what it was asked for."""

    def __init__(self, *broken: str) -> None:
        self.drawn: list[Mapping[str, str]] = []
        self.broken = broken

    def __call__(self, facts: Mapping[str, str]) -> bytes:
        if facts["title"] in self.broken:
            raise ChildProcessError("The typesetter ended with 1.")
        self.drawn.append(facts)
        return facts["title"].encode()


def run(house: House, *broken: str) -> list[Mapping[str, str]]:
    """One run of the worker. Returns what it drew, in the order of the titles."""
    drawer = Drawer(*broken)
    with house.inside(Role.WORKER):
        cards.draw_due(drawer)
    return sorted(drawer.drawn, key=lambda facts: facts["title"])


def kept(house: House) -> list[tuple[str, str]]:
    """Language and content of every card."""
    return [
        (row.language, bytes(row.content).decode())
        for row in house.sql("SELECT language, content FROM share_cards ORDER BY language, content")
    ]


def count(house: House, petition_id: int, total: int) -> None:
    """Let a petition have so many signatures."""
    house.sql("DELETE FROM tallies WHERE petition_id = :p", p=petition_id)
    house.sql(
        "INSERT INTO tallies SELECT id, fallback_addressee_id, 'counted', :n FROM petitions WHERE id = :p",
        n=total,
        p=petition_id,
    )


def test_each_public_petition_has_a_card_in_each_language(house: House, make: Factory) -> None:
    make.petition(texts=("en", "be", "lt"))
    make.petition(countries=("DE",), state="draft")
    make.petition(countries=("FR",), state="hidden", public_reason="because")
    drawn = run(house)
    assert [(one["language"], one["words"]) for one in drawn] == [("be", "be"), ("en", "en"), ("lt", "en")]
    assert [language for language, _ in kept(house)] == ["be", "en", "lt"]
    assert drawn[1] == {
        "kind": "Petition",
        "title": "Do not recognise (en)",
        "signed": "",
        "addressed": "To 3 ministries and institutions",
        "language": "en",
        "words": "en",
    }
    assert drawn[0]["kind"] != "Petition"
    assert run(house) == [], "what is still true is not drawn again"


def test_a_card_is_drawn_anew_when_what_it_says_has_changed(house: House, make: Factory) -> None:
    petition_id = make.petition(texts=("en", "pl"))
    assert len(run(house)) == 2
    make.text(petition_id, "en", version=2, title="Do not, we say")
    assert [one["title"] for one in run(house)] == ["Do not, we say"]
    assert kept(house) == [("en", "Do not, we say"), ("pl", "Do not recognise (pl)")]
    count(house, petition_id, 501)
    assert [one["signed"] for one in run(house)][1] == "More than 500 people have signed"
    count(house, petition_id, 999)
    assert run(house) == []
    house.sql(
        "UPDATE petition_addressees SET removed_at = now() WHERE addressee_id = (SELECT min(addressee_id) FROM petition_addressees)"
    )
    assert len(run(house)) == 2
    house.sql("UPDATE petitions SET kind = 'open_letter'")
    assert [one["kind"] for one in run(house)][1] == "Open letter"


@pytest.mark.parametrize(
    ("counted", "said"),
    [(100, ""), (101, "More than 100 "), (4999, "More than 2,000 "), (10_000, "More than 5,000 "), (10_001, "More than 10,000 "), (1300, "More than 1,234 ")],
)  # fmt: skip
def test_the_highest_milestone_passed_is_told(house: House, make: Factory, counted: int, said: str) -> None:
    petition_id = make.petition()
    house.sql("UPDATE petitions SET thresholds = '{1234}'")
    count(house, petition_id, counted)
    [facts] = run(house)
    assert facts["signed"] == (said and f"{said}people have signed")


def test_cards_of_what_is_no_longer_public_are_deleted(house: House, make: Factory) -> None:
    gone, stays = make.petition(), make.petition(countries=("DE",), texts=("pl",))
    assert len(run(house)) == 2
    house.sql("UPDATE petitions SET state = 'hidden', public_reason = 'because' WHERE id = :id", id=gone)
    run(house)
    assert house.sql("SELECT petition_id FROM share_cards").scalars().all() == [stays]


def test_one_that_cannot_be_drawn_stops_no_other(house: House, make: Factory) -> None:
    petition_id = make.petition(texts=("en", "be", "pl"))
    run(house, "Do not recognise (be)")
    assert [language for language, _ in kept(house)] == ["en", "pl"]
    assert [one["language"] for one in run(house)] == ["be"], "it is tried again"
    assert house.value("SELECT count(*) FROM share_cards WHERE petition_id = :p", p=petition_id) == 3


def test_a_run_draws_ten_at_most_and_the_next_goes_on(house: House, make: Factory) -> None:
    make.petition(texts=("en", "be", "pl", "lt", "lv", "et", "uk", "cs", "sk", "de", "fr", "it"))
    broken = [f"Do not recognise ({language})" for language in ("en", "be")]
    numbers = [len(run(house, *broken)) for _ in range(20)]
    assert max(numbers) <= 10
    assert len(kept(house)) == 10, "the two that cannot be drawn hold up nobody for ever"


def test_what_no_font_has_is_left_out(house: House, make: Factory) -> None:
    petition_id = make.petition(texts=())
    make.text(petition_id, "en", title="Save us 🌍 all")
    [facts] = run(house)
    assert facts["title"] == "Save us  all"


@pytest.mark.parametrize(
    ("titles", "drawn"),
    [
        ({"zh": "不要承认", "en": "Do not", "be": "Не"}, ("Do not", "en")),
        ({"zh": "不要承认", "en": "Do not believe 习近平", "pl": "Nie", "be": "🌍"}, ("Nie", "pl")),
        ({"zh": "不要承认", "th": "อย่า"}, ("", "zh")),
    ],
)
def test_a_title_in_letters_that_no_font_has_gives_way_to_one_in_another_language(
    house: House, make: Factory, titles: dict[str, str], drawn: tuple[str, str]
) -> None:
    petition_id = make.petition(texts=())
    for language, title in titles.items():
        make.text(petition_id, language, title=title)
    run(house)
    with house.inside(Role.WORKER):
        facts = cards._facts_of_all()[petition_id, "zh"]
    assert (facts["title"], facts["language"]) == drawn
    assert draw_card(facts)


TITLES = {
    "short": ("en", "Stop"),
    "one word": ("de", "Donaudampfschifffahrtsgesellschaftskapitän" * 4),
    "two hundred letters": ("be", "Заклікаем міністэрствы не прызнаваць несправядлівыя выбары ў Беларусі, " * 3),
    "Georgian": ("ka", "ნუ აღიარებთ არჩევნებს, რომლებიც არ იყო თავისუფალი " * 4),
    "Arabic": ("ar", "لا تعترفوا بانتخابات لم تكن حرة، وادعموا المجتمع المدني Zbor 2026 " * 3),
    "Hebrew": ("he", "אל תכירו בבחירות " * 12),
    "markup": ("en", '#panic() $x$ <a> \\ "quoted" */ // = * _ no'),
}


@pytest.mark.parametrize("title", TITLES)
def test_every_title_fits(title: str) -> None:
    language, words = TITLES[title]
    facts = {
        "kind": "Ліст",
        "title": words[:200],
        "signed": "More than 10,000 people have signed",
        "addressed": "To 41 ministries and institutions",
        "language": language,
        "words": "en",
    }
    picture = Image.open(BytesIO(draw_card(facts))).convert("RGB")
    assert picture.size == (1200, 630)
    paper = (250, 248, 244)

    def empty(box: tuple[int, int, int, int]) -> bool:
        return picture.crop(box).getcolors() == [((box[2] - box[0]) * (box[3] - box[1]), paper)]

    assert not empty((72, 170, 1128, 460)), "the title"
    assert empty((0, 0, 64, 630)), "left margin"
    assert empty((1136, 0, 1200, 630)), "right margin"
    assert empty((0, 480, 1200, 492)), "between the title and what stands below"
    assert not empty((72, 492, 1128, 600)), "what stands below"
    assert empty((0, 600, 1200, 630)), "foot"


def test_cards_and_mails_use_the_colours_of_the_site() -> None:
    tokens = set(re.findall("#[0-9a-f]{3,6}", (ROOT / "static" / "tokens.css").read_text()))
    for path in ("templates/pdf/card.typ", "templates/mail/_html.html"):
        colours = set(re.findall(r"#[0-9a-f]{3,6}\b", (ROOT / path).read_text()))
        assert colours, path
        assert colours <= tokens, path
