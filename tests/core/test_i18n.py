"""Every text is translated, in every language of the interface."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from core.config import LANGUAGES
from core.i18n import country_choices, country_name, language_name, sort_key
from tests.conftest import ROOT, House
from tests.factories import Factory, log_in

IN_ATTRIBUTES = re.compile(r"\b(?:aria-label|alt|title|placeholder|data-label)=[\"']([^\"'{]+)")
NAMES = {"Windows", "PowerShell", "cmd", "macOS", "Linux", "Zbor", "Telegram", "WhatsApp", "Facebook", "SHA"}
"""What is called so in every language."""
SOURCES = ["accounts", "core", "delivery", "petitions", "pickets", "worker", "templates", "wsgi.py"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """All texts found in code and templates now."""
    pot = tmp_path_factory.mktemp("i18n") / "messages.pot"
    command = [
        str(ROOT / ".venv/bin/pybabel"),
        "-q",
        "extract",
        "-F",
        "core/translations/babel.cfg",
        "-k",
        "_l",
        "-o",
        str(pot),
        *SOURCES,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    with pot.open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_text_is_translated(texts: Catalog, language: str) -> None:
    with (ROOT / f"core/translations/{language}/LC_MESSAGES/messages.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    missing = []
    for message in texts:
        if not message.id:
            continue
        translated = catalog.get(message.id, message.context)
        strings = translated.string if translated else ""
        if not all([strings] if isinstance(strings, str) else strings) or (translated and translated.fuzzy):
            missing.append(message.id)
    assert not missing
    assert not list(catalog.check())
    assert {message.id for message in catalog if message.id} <= {message.id for message in texts}, (
        "texts nobody uses any more"
    )


def test_templates_hold_no_bare_text() -> None:
    """What a reader sees goes through gettext. Found by taking away tags, expressions and statements."""
    for path in (ROOT / "templates").rglob("*.html"):
        if path.parent.name == "pdf":
            continue  # Its words come from delivery/data/letters.
        if path.name == "components.html":
            continue  # For those who build the site.
        # The style of a mail, an address and markup to be copied are no text.
        code = r"<style>.*?</style>|<code>.*?</code>|&lt;.*?&gt;|&\w+;|{#.*?#}|{%.*?%}|{{.*?}}|<[^>]*>"
        bare = re.sub(code, " ", path.read_text(), flags=re.DOTALL)
        bare += " ".join(IN_ATTRIBUTES.findall(path.read_text()))
        words = [word for word in re.findall(r"[^\W\d_]{2,}", bare) if word not in NAMES]
        assert not words, (path, words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_countries_have_names_in_every_language(language: str) -> None:
    names = dict(country_choices(language))
    assert {"PL", "LT", "BY", "US", "XK", "TW"} <= set(names)
    assert "EU" not in names
    assert len(set(names.values())) == len(names)
    assert all(len(code) == 2 for code in names)


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("be", "Егіпет Емен Замбія Ізраіль Індыя Ірак Кенія Кіпр Косава Маўрытанія Мексіка М’янма_(Бірма) Намібія Украіна Ямайка"),
        ("pl", "Chorwacja Côte_d’Ivoire Cypr Czechy Dania Dżibuti Egipt Luksemburg Łotwa Malta Senegal Słowacja Węgry Włochy Zambia"),
        ("en", "Afghanistan Åland_Islands Albania Costa_Rica Côte_d’Ivoire Croatia Guinea Guinea-Bissau Réunion Romania Zambia"),
    ],
)  # fmt: skip
def test_countries_stand_in_the_order_of_the_alphabet(language: str, names: str) -> None:
    wanted = [name.replace("_", " ") for name in names.split()]
    assert [name for _code, name in country_choices(language) if name in wanted] == wanted


def test_letters_of_another_script_come_after_ones_own_and_small_ones_beside_large_ones() -> None:
    names = ["Žemaičiai", "Ўсе", "усе", "Тыя", "Ґанак", "Zet", "ганак", "Ганак 2", "łan"]
    in_order = sorted(names, key=lambda name: sort_key(name, "be"))
    assert in_order == ["ганак", "Ганак 2", "Тыя", "усе", "Ўсе", "łan", "Žemaičiai", "Zet", "Ґанак"]


def test_names() -> None:
    assert country_name("PL", "be") == "Польшча"
    assert country_name("ZZZ", "en") == "ZZZ"
    assert language_name("be") == "Беларуская"


def test_language_links_keep_the_page_and_its_query(house: House, make: Factory) -> None:
    slug = make.slug(make.petition(texts=("en", "ru")))
    page = house.client().get(f"/petitions/{slug}?text=ru&lang=pl").text
    assert f"/petitions/{slug}?text=ru&amp;lang=be" in page


def test_language_links_of_what_only_takes_posts_lead_to_the_start(house: House, make: Factory) -> None:
    answer = log_in(house, make, None).post("/logout")
    assert answer.status_code == 400
    assert 'href="/?lang=be"' in answer.text


def test_language_links_of_a_form_with_errors_lead_back_to_it(house: House, make: Factory) -> None:
    slug = make.slug(make.petition())
    assert f'href="/petitions/{slug}/signatures?lang=be"' in house.client().post(f"/petitions/{slug}/signatures").text


def test_unknown_language_is_passed_over(house: House) -> None:
    assert '<html lang="en">' in house.client().get("/?lang=xx").text


def test_compiled_catalogues_are_current() -> None:
    for po in (ROOT / "core/translations").rglob("*.po"):
        assert Path(po).with_suffix(".mo").stat().st_mtime >= po.stat().st_mtime, "run `make setup`"
