"""The addressees and the sample petition, as `flask seed` writes them."""

from __future__ import annotations

import csv

import pytest

from core.config import Role
from petitions.seed import DATA, SAMPLE, render_markdown
from tests.conftest import House


@pytest.fixture
def seeded(house: House) -> House:
    with house.acting(Role.CONSOLE):
        for _ in range(2):  # The second time changes nothing.
            done = house.app(Role.CONSOLE).test_cli_runner().invoke(args=["seed"])
            assert done.exit_code == 0, done.output
    return house


def test_every_ministry_is_there_as_the_list_has_it(seeded: House) -> None:
    with (DATA / "ministries.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["country_code"]: row for row in csv.DictReader(file)}
    found = {row.code: row for row in seeded.sql("SELECT * FROM addressees")}
    assert set(found) == set(rows)
    for code, row in rows.items():
        for column in ("name_native", "postal_code", "street_address", "salutation_native", "confidence", "notes"):
            assert getattr(found[code], column) == row[column], (code, column)
    assert found["EU"].country_code is None
    assert found["CL"].postal_code == ""


def test_sample_petition_is_open_in_four_languages_to_more_than_forty(seeded: House) -> None:
    assert {row[0] for row in seeded.sql("SELECT language FROM petition_texts")} == {"en", "be", "ru", "pl"}
    assert seeded.value("SELECT count(*) FROM petition_addressees") > 40
    assert seeded.value("SELECT a.code FROM petitions p JOIN addressees a ON a.id = p.fallback_addressee_id") == "EU"
    for language in ("en", "be", "pl"):
        page = seeded.client().get(f"/petitions/{SAMPLE}?lang={language}")
        assert page.status_code == 200
        assert "<ol>" in page.text
    assert 'lang="ru"' in seeded.client().get(f"/petitions/{SAMPLE}?text=ru").text


def test_uncertain_addresses_are_shown_as_such(seeded: House) -> None:
    page = seeded.client().get(f"/petitions/{SAMPLE}").text
    assert "address: please check" in page
    assert "address: uncertain" in page


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("[x](http://example.org/)", '<p><a rel="nofollow noreferrer noopener">x</a></p>\n'),
        (
            "[x](https://example.org/)",
            '<p><a href="https://example.org/" rel="nofollow noreferrer noopener">x</a></p>\n',
        ),
        # No picture is loaded from anywhere: it becomes a link.
        (
            "![x](https://example.org/x.png)",
            '<p>!<a href="https://example.org/x.png" rel="nofollow noreferrer noopener">x</a></p>\n',
        ),
        ("a<br>b &lt;", "<p>a&lt;br&gt;b &amp;lt;</p>\n"),
        ("a *b*", "<p>a <em>b</em></p>\n"),
        ("# a", "<h2>a</h2>\n"),
    ],
)
def test_appeal_texts_become_harmless_html(source: str, html: str) -> None:
    assert render_markdown(source) == html
