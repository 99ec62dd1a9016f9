"""Letters: which there are, edited without losing a word, and shown as they are printed."""

from __future__ import annotations

import html
import json
import re
from itertools import product
from typing import Any

import pytest
from flask.testing import FlaskClient

from accounts.models import Account
from core.config import Role
from core.extensions import db
from delivery import writing
from delivery.forms import LetterForm
from delivery.letters import (
    NEEDED,
    PLACEHOLDERS,
    letter_languages,
    letter_texts,
    paragraphs,
)
from delivery.models import LETTER_LABELS, LetterKind, Level, bundle_code
from delivery.previewing import Preview, preview_letter
from delivery.writing import common_words
from petitions.services import find_petition
from tests.conftest import House
from tests.delivery.factories import Studio, addressee, ask, the_bundle
from tests.factories import TITLE, Factory, counted, enter, hidden, log_in, post, press, token, write_logs

WORDS = {
    "subject": "Petycja {title}",
    "body": "Szanowni Państwo,\n\nliczba podpisów: {count}.\n\n{disclosure}",
    "closing": "Z poważaniem",
    "signatory": "Nadzeya",
    "reviewed_by": "",
}
GEORGIA = {
    "name_en": "Ministry of Georgia",
    "name_native": "სამინისტრო",
    "salutation_native": "ბატონო მინისტრო,",
    "languages": "ka",
}


def path_of(petition: int, kind: str = "cover", language: str = "pl") -> str:
    return f"/petitions/{petition}/letters/{kind}/{language}"


def save(client: FlaskClient, petition: int, kind: str = "cover", language: str = "pl", **changes: Any) -> Any:
    """Open the page of a letter and send its form, with the version that stands in it."""
    path = f"{path_of(petition, kind, language)}/edit"
    page = client.get(path).text
    data = {"csrf_token": hidden(page, "csrf_token"), "revision": hidden(page, "revision"), **WORDS, **changes}
    return client.post(path, data=data)


def text_of(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def letter_in(page: str) -> str:
    """The letter that a page shows."""
    return text_of(page.partition('<article class="letter')[2].partition("</article>")[0].partition(">")[2])


def preview(house: House, account_id: int, petition: int, *chosen: Any, **more: Any) -> Preview:
    with house.inside(Role.CONSOLE) as app, app.test_request_context():
        account = db.session.get_one(Account, account_id)
        found = preview_letter(account, find_petition(petition), *chosen, **more)
        assert found is not None
        return found


# --- The texts that all petitions have -------------------------------------------------------------------------------------


def shape(text: Any) -> Any:
    """Keys, types, lengths of lists and placeholders; no words."""
    if isinstance(text, dict):
        return {key: shape(one) for key, one in text.items()}
    if isinstance(text, list):
        return [shape(one) for one in text]
    return sorted(re.findall(r"{\w+}", text))


@pytest.mark.parametrize("language", letter_languages())
def test_texts_have_the_same_keys_and_places_in_every_language(language: str) -> None:
    texts, english = letter_texts(language) or {}, letter_texts("en") or {}
    assert shape(texts) == shape(english)

    def empty(text: Any, name: str) -> list[str]:
        if isinstance(text, dict):
            return [found for key, one in text.items() for found in empty(one, f"{name}.{key}")]
        if isinstance(text, list):
            return [found for at, one in enumerate(text) for found in empty(one, f"{name}[{at}]")]
        return [] if text.strip() else [name]

    assert set(empty(texts, "")) <= {".reviewed_by"}


def test_there_are_letters_in_the_seven_languages() -> None:
    assert letter_languages() == ("en", "cs", "de", "fr", "lt", "pl", "sv")


def test_what_a_letter_has_in_braces_is_known_to_it_and_what_it_needs_is_there(house: House) -> None:
    """As it stands in the file, a letter could be saved."""
    for kind, language in product(LetterKind, letter_languages()):
        words = common_words(kind, language)
        with house.app(Role.CONSOLE).test_request_context(method="POST", data=words):
            form = LetterForm(kind, meta={"csrf": False})
            assert form.validate(), (kind, language, form.errors)
            assert form.words == words, "nothing of it is changed by being saved"
        assert paragraphs(words["body"]) == (letter_texts(language) or {})[kind]["body"]
        assert set(NEEDED[kind]) <= set(PLACEHOLDERS[kind])


# --- Which there are -------------------------------------------------------------------------------------------------------


def test_the_list_says_who_needs_which_language_and_who_gets_english_instead(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    make_own.addressed(petition, make_own.addressee("GE", **GEORGIA))
    page = log_in(house, make_own, petition).get(f"/petitions/{petition}/letters")
    assert page.status_code == 200
    found = re.findall(r'(?s)<details id="(\w+)"( open)?>(.*?)</details>', page.text)
    sections = {language: text_of(words) for language, is_open, words in found if is_open}
    assert set(sections) == {"en", "pl"}
    assert "Polski not read by a native speaker Poland, Ministry of None" in sections["pl"]
    assert "In place of their own: 1 addressee" in sections["en"]
    assert "in the language of these ministries" in sections["en"]
    assert "Georgia: Ministry of Georgia" in sections["en"]
    assert "Georgia" not in sections["pl"]
    for label in LETTER_LABELS.values():
        assert str(label) in sections["pl"]
    assert sections["pl"].count("not yet") == 4, "no translation was read by a native speaker"
    assert "Languages that none of your addressees needs" in page.text
    assert page.text.count('lang="sv"') == 1


def test_the_list_says_what_was_edited_by_whom_and_who_has_read_it(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = enter(house, make_own.account(petition, name="Nadzeya K."))
    assert save(client, petition, reviewed_by="Ala Nowak").status_code == 303
    page = text_of(client.get(f"/petitions/{petition}/letters").text)
    assert "version 1 Nadzeya K.," in page
    assert "Ala Nowak" in page
    assert page.count("not yet") == 27, "all other letters in seven languages"


def test_without_an_addressee_of_ones_own_the_pages_say_so(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition, country="SE")
    assert "No addressee of this petition is yours yet." in client.get(f"/petitions/{petition}/letters").text
    assert "No addressee of this petition is yours yet." in client.get(path_of(petition)).text
    assert client.get(f"{path_of(petition)}/text").status_code == 404


# --- Editing ---------------------------------------------------------------------------------------------------------------


def test_the_form_has_the_common_text_then_the_newest_version(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    common = common_words(LetterKind.COVER, "pl")
    page = client.get(f"{path_of(petition)}/edit").text
    assert html.escape(common["subject"], quote=False).replace('"', "&#34;") in page
    assert html.unescape(page).count(common["body"]) == 1
    assert hidden(page, "revision") == "0"
    for name in PLACEHOLDERS[LetterKind.COVER]:
        assert f"<code>{{{name}}}</code>" in page
    assert "{numbers}" not in page
    assert 'name="salutation"' not in page
    assert "Go back to the common text" not in page
    assert save(client, petition).location == path_of(petition)
    page = client.get(f"{path_of(petition)}/edit").text
    assert "Petycja {title}" in page
    assert hidden(page, "revision") == "1"
    assert "Go back to the common text" in page
    assert save(client, petition, signatory="Ala").status_code == 303
    rows = house.sql("SELECT version, signatory FROM letters ORDER BY version").all()
    assert rows == [(1, "Nadzeya"), (2, "Ala")], "each version is kept"
    assert (house.value("SELECT salutation FROM letters LIMIT 1")) == ""


def test_the_letter_to_a_member_of_parliament_brings_its_own_salutation(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    words = {"body": "proszę o pomoc.", "subject": "Prośba"}
    refused = save(client, petition, "mp", **words)
    assert refused.status_code == 422
    assert "Write how the letter begins" in refused.text
    assert save(client, petition, "mp", salutation="Szanowna Pani Poseł,", **words).status_code == 303
    shown = client.get(f"{path_of(petition, 'mp')}?addressee={addressee(house, 'PL')}").text
    assert "Szanowna Pani Poseł, proszę o pomoc." in letter_in(shown)
    assert "Szanowna Pani Minister" not in shown
    assert "<address>" not in shown, "where it goes, we do not know"


WRONG: list[tuple[str, dict[str, str], str]] = [
    ("cover", {"subject": " "}, "Write a subject."),
    ("cover", {"subject": "x" * 251}, "This is too long: 250 characters are possible."),
    ("cover", {"body": "\n \n"}, "Write the letter."),
    ("cover", {"body": "x" * 8001 + "{count} {disclosure}"}, "This is too long: 8000 characters are possible."),
    ("cover", {"closing": ""}, "Write how the letter ends"),
    ("cover", {"closing": "x" * 201}, "This is too long"),
    ("cover", {"signatory": ""}, "Write who signs the letter."),
    ("cover", {"reviewed_by": "x" * 101}, "This is too long"),
    ("cover", {"body": "{count} {disclosure} {nobody} {Count} {count.real}"}, "anything in for: {nobody}, {Count}, {count.real}"),
    ("cover", {"subject": "{numbers}"}, "This letter cannot put anything in for: {numbers}"),
    ("cover", {"signatory": "{x}"}, "This letter cannot put anything in for: {x}"),
    ("cover", {"body": "{count} {disclosure} {title"}, "A brace stands alone here."),
    ("cover", {"closing": "}"}, "A brace stands alone here."),
    ("cover", {"body": "Nothing."}, "This letter is not complete without: {disclosure}, {count}"),
    ("cover", {"body": "{count}"}, "This letter is not complete without: {disclosure}"),
    ("notice", {"body": "{remaining}"}, "This letter is not complete without: {numbers}"),
    ("mp", {"salutation": "{numbers}", "body": "x"}, "This letter cannot put anything in for: {numbers}"),
    ("follow_up", {"body": "{disclosure}"}, "This letter cannot put anything in for: {disclosure}"),
]  # fmt: skip


def test_what_is_wrong_is_told_beside_the_field_and_nothing_typed_is_lost(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    for kind, changes, sentence in WRONG:
        answer = save(client, petition, kind, **{"salutation": "Szanowni,", **changes})
        assert answer.status_code == 422, sentence
        page = html.unescape(answer.text)
        assert sentence in page
        field = next(iter(changes))
        assert f'id="{field}-error"' in page, sentence
        assert f'href="#{field}"' in page, sentence
        typed = {**WORDS, **changes}
        assert all(word in page for text in typed.values() for word in text.split()), sentence
    assert house.value("SELECT count(*) FROM letters") == 0


def test_of_two_who_write_nobody_loses_a_word(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    first, second = (log_in(house, make_own, petition) for _ in range(2))
    path = f"{path_of(petition)}/edit"
    begun = {name: hidden(second.get(path).text, name) for name in ("csrf_token", "revision")}
    assert save(first, petition, closing="Ich zakończenie").status_code == 303
    late = second.post(path, data={**WORDS, "subject": "Mój temat", "closing": "Moje zakończenie", **begun})
    assert late.status_code == 409
    assert "Somebody else saved this while you were writing" in late.text
    for words in ("Mój temat", "Moje zakończenie", "Ich zakończenie"):
        assert words in late.text
    assert hidden(late.text, "revision") == "1"
    assert house.value("SELECT count(*) FROM letters") == 1
    again = {**WORDS, "closing": "Moje zakończenie", "revision": "1", "csrf_token": begun["csrf_token"]}
    assert second.post(path, data=again).status_code == 303
    assert house.value("SELECT closing FROM letters WHERE version = 2") == "Moje zakończenie"


def test_two_who_save_at_the_same_moment_make_one_version(
    house: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    save(client, petition)
    real, looks = writing.newest_letter, iter([None])
    monkeypatch.setattr(writing, "newest_letter", lambda *of: next(looks, real(*of)))  # The other saves after the look.
    path = f"{path_of(petition)}/edit"
    token_of_form = hidden(client.get("/me").text, "csrf_token")
    answer = client.post(path, data={**WORDS, "revision": "0", "csrf_token": token_of_form})
    assert answer.status_code == 409
    assert house.value("SELECT count(*) FROM letters") == 1


def test_a_version_that_nobody_has_read_is_refused(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    save(client, petition)
    for revision in ("7", "x", ""):
        assert save(client, petition, revision=revision).status_code == 409, revision


def test_going_back_to_the_common_text_is_another_version(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    save(client, petition, reviewed_by="Ala Nowak")
    path = f"{path_of(petition)}/common"
    refused = post(client, path, revision="0")
    assert "somebody else saved this letter meanwhile" in client.get(refused.location).text
    done = post(client, path, revision="1")
    assert "again the one that all petitions have" in client.get(done.location).text
    columns = ", ".join(writing.WRITTEN)
    newest = house.sql(f"SELECT {columns} FROM letters WHERE version = 2").one()
    assert dict(newest._mapping) == common_words(LetterKind.COVER, "pl")
    assert "Go back to the common text" not in client.get(f"{path_of(petition)}/edit").text


def test_a_change_is_written_down_without_a_word_of_it(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    account = make_own.account(petition)
    save(enter(house, account), petition)
    entry = house.sql("SELECT * FROM audit WHERE action = 'letter.changed'").one()
    assert (entry.actor_id, entry.object_kind, entry.object_id) == (account, "petition", str(petition))
    assert json.loads(entry.details) == {"kind": "cover", "language": "pl"}


def test_spaces_that_keep_words_together_stay(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=())
    make_own.addressed(petition, make_own.addressee("FR", languages="fr"))
    client = log_in(house, make_own, petition)
    body = "Nombre\u00a0: {count}.\nSuite.\n\n«\u202f{disclosure}\u202f»"
    assert save(client, petition, language="fr", subject="Pétition\u00a0!", body=body).status_code == 303
    shown = preview(house, make_own.account(petition), petition, LetterKind.COVER, "fr").letter
    assert shown["subject"] == "Pétition\u00a0!"
    assert shown["body"][0] == "Nombre\u00a0: 0. Suite."
    assert shown["body"][1].startswith("«\u202fChaque signataire")


# --- As it would be printed ------------------------------------------------------------------------------------------------


def test_the_preview_is_what_a_bundle_prints(house: House, make_own: Factory, petition: int, studio: Studio) -> None:
    for number in range(3):
        counted(house, make_own.slug(petition), email=f"n{number}@example.org")
    write_logs(house, 1)
    account = make_own.account(petition)
    client, to = enter(house, account), addressee(house, "PL")
    save(
        client,
        petition,
        body="Do {ministry}: {count}, do {cutoff}.\n\n{disclosure}\n\n{bundle_id} {petition_address} {log_address} {reply_to}",
    )
    asked_now = preview(house, account, petition, LetterKind.COVER, "pl", to, level=Level.INITIALS)
    assert asked_now.unknown, "the code is not known yet"
    page = ask(house, client, petition, level="initials").location
    while_it_waits = preview(house, account, petition, LetterKind.COVER, "pl", to, the_bundle(house).id)
    save(client, petition, closing="Dopiero później")
    studio.build()
    printed = studio.indexes[0]
    bundle_id = the_bundle(house).id
    shown = preview(house, account, petition, LetterKind.COVER, "pl", to, bundle_id)
    assert shown.letter == printed.cover
    assert (shown.address, shown.salutation) == (printed.address, printed.salutation)
    assert shown.date_line == printed.texts["date_line"]
    assert not shown.unknown
    assert printed.cover["closing"] == "Z poważaniem", "what is changed later concerns later bundles"
    assert while_it_waits.letter == printed.cover
    assert asked_now.letter["body"][1] == printed.cover["body"][1], "the level decides what is disclosed"
    assert asked_now.letter["body"][0].startswith("Do Ministerstwo: 3, do ")
    assert asked_now.letter["body"][2] == printed.cover["body"][2].replace(bundle_code(bundle_id), "[bundle_id]")
    web = client.get(f"{path_of(petition)}?addressee={to}&bundle={bundle_id}").text
    for paragraph in printed.cover["body"]:
        assert " ".join(paragraph.split()) in letter_in(web)
    assert "stands in brackets" not in web
    assert bundle_code(bundle_id) in web
    assert f'href="{page}"' in web


def test_the_common_cover_letter_is_what_a_bundle_prints(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition))
    account = make_own.account(petition)
    ask(house, enter(house, account), petition, level="counts")
    studio.build()
    shown = preview(house, account, petition, LetterKind.COVER, "pl", bundle_id=the_bundle(house).id)
    assert shown.letter == studio.indexes[0].cover
    assert "Liczebność próby: 1." in shown.letter["body"][2]


def test_the_cover_letter_counts_what_a_bundle_would_hold_and_the_member_of_parliament_hears_of_all(
    house: House, make_own: Factory, petition: int
) -> None:
    slug, to = make_own.slug(petition), addressee(house, "PL")
    counted(house, slug, email="logged@example.org")
    write_logs(house, 1)
    counted(house, slug, email="late@example.org")
    client = log_in(house, make_own, petition)
    assert "Liczba podpisów: 1." in letter_in(client.get(f"{path_of(petition)}?addressee={to}").text)
    assert "dla Państwa kraju: 2." in letter_in(client.get(f"{path_of(petition, 'mp')}?addressee={to}").text)


def test_address_date_and_salutation_are_the_ministrys_own(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    georgia = make_own.addressee("GE", **GEORGIA)
    make_own.addressed(petition, georgia)
    client = log_in(house, make_own, petition)
    page = client.get(f"{path_of(petition, language='en')}?addressee={georgia}").text
    assert '<article class="letter sheet" lang="en">' in page
    assert '<span lang="ka">სამინისტრო</span>' in page
    assert '<p lang="ka">ბატონო მინისტრო,</p>' in page
    assert "This is not a language of the ministry." in page
    assert letter_in(page).startswith("სამინისტრო al. 1 00-580 Warsaw Georgia ")
    own = client.get(f"{path_of(petition)}?addressee={addressee(house, 'PL')}").text
    assert "This is not a language of the ministry." not in own
    assert '<p lang="pl">Szanowna Pani Minister,</p>' in own
    assert f'<option value="{georgia}">Georgia: Ministry of Georgia' in own, "another addressee can be chosen"
    chosen = client.get(path_of(petition, language="en")).text
    assert "სამინისტრო" in letter_in(chosen), "the first that gets this language"


def withdraw(house: House, row: Any) -> None:
    press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()


def test_follow_up_and_notice_are_of_the_bundle_that_was_handed_over(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    slug, to = make_own.slug(petition), addressee(house, "PL")
    gone = counted(house, slug, email="gone@example.org")
    counted(house, slug, email="stays@example.org")
    client = log_in(house, make_own, petition)
    for kind, name in (("follow_up", "[handed_over]"), ("notice", "[numbers]")):
        page = client.get(f"{path_of(petition, kind)}?addressee={to}").text
        assert "No bundle for this addressee was handed over yet." in page
        assert name in letter_in(page)
    page = ask(house, client, petition).location
    studio.build()
    post(client, f"{page}/downloads")
    studio.house.sql("UPDATE downloads SET answered_at = now()")
    before = client.get(f"{path_of(petition, 'follow_up')}?bundle={the_bundle(house).id}").text
    assert "What is not known yet stands in brackets." in before
    assert post(client, f"{page}/handed-over", day="2026-11-20").status_code == 303
    follow_up = letter_in(client.get(f"{path_of(petition, 'follow_up')}?addressee={to}").text)
    assert "w dniu 20 listopada 2026 przekazaliśmy" in follow_up
    assert f"Liczba podpisów: 2. Oznaczenie pakietu: {bundle_code(the_bundle(house).id)}." in follow_up
    assert "[" not in follow_up
    nothing = client.get(f"{path_of(petition, 'notice')}?addressee={to}").text
    assert "No entry of this bundle has to be struck out." in nothing
    withdraw(house, gone)
    notice = letter_in(client.get(f"{path_of(petition, 'notice')}?addressee={to}").text)
    assert "Numery pozycji: 1." in notice
    assert "po wykreśleniu tych pozycji: 1." in notice
    shown = html.unescape(client.get(page).text)
    for kind in ("follow_up", "notice"):
        link = f"{path_of(petition, kind)}?addressee={to}&bundle={the_bundle(house).id}"
        assert f'href="{link}"' in shown
        assert client.get(link).status_code == 200
    post(client, f"{page}/told", day="2026-11-21")
    again = letter_in(client.get(f"{path_of(petition, 'notice')}?addressee={to}").text)
    assert "Numery pozycji: 1." in again, "it can be read once more"


def test_as_plain_text_it_can_go_into_a_mail(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",), texts=("pl",))
    client = log_in(house, make_own, petition)
    save(client, petition, "follow_up", subject="Temat <b> & {title}", body="Raz.\n\nDwa:\n{reply_to}")
    answer = client.get(f"{path_of(petition, 'follow_up')}/text?addressee={addressee(house, 'PL')}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    name = f"{make_own.slug(petition)}-follow_up-pl.txt"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.text == (
        f"Temat <b> & {TITLE} (pl)\n\nSzanowna Pani Minister,\n\nRaz.\n\nDwa: organisers@example.org\n\nZ poważaniem\nNadzeya\n"
    )


def test_what_people_write_is_never_html_and_never_filled_twice(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",), texts=())
    make_own.text(petition, "pl", title="{count} {reply_to} <i>")
    client = log_in(house, make_own, petition)
    save(client, petition, subject="<script>x</script> {title}", signatory="<b>Ala</b>")
    page = client.get(path_of(petition)).text
    assert "<script>x" not in page
    assert "<b>Ala" not in page
    assert "&lt;script&gt;x&lt;/script&gt; {count} {reply_to} &lt;i&gt;" in page


def test_letters_of_a_draft_are_shown_with_the_title_that_its_creators_have(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",), texts=(), state="draft")
    house.sql("INSERT INTO drafts (petition_id, language, title, summary, body, demands, picture_alt, revision, updated_by)"
              " SELECT :p, 'be', 'Чарнавік', '', '', '', '', 1, :a", p=petition, a=make_own.account(petition))  # fmt: skip
    shown = log_in(house, make_own, petition).get(path_of(petition))
    assert shown.status_code == 200
    assert "Petycja „Чарнавік”" in letter_in(shown.text)
    assert log_in(house, make_own, petition, country="PL").get(path_of(petition)).status_code == 404


# --- Before a bundle is asked for -------------------------------------------------------------------------------------------


def test_whoever_asks_for_a_bundle_reads_the_letter_and_that_nobody_has_read_the_translation(
    house: House, make_own: Factory, petition: int
) -> None:
    counted(house, make_own.slug(petition))
    client, to = log_in(house, make_own, petition), addressee(house, "PL")
    path = f"/petitions/{petition}/addressees/{to}/bundles"
    unread = client.get(path).text
    link = f"{path_of(petition)}?addressee={to}"
    assert "Nobody whose own language this is has read this letter yet." in unread
    assert f'href="{link}"' in unread
    assert "Nobody whose own language this is has read this letter yet." in client.get(link).text
    save(client, petition, reviewed_by="Ala Nowak")
    for page in (path, link):
        assert "Nobody whose own language this is" not in client.get(page).text
    assert "Read by a native speaker: Ala Nowak" in client.get(link).text
    asked = ask(house, client, petition).location
    assert house.value("SELECT version FROM letters l JOIN bundles b ON b.letter_id = l.id") == 1
    assert f'href="/petitions/{petition}/letters"' in client.get(f"/petitions/{petition}").text
    assert client.get(asked).status_code == 200


# --- Whose it is -----------------------------------------------------------------------------------------------------------


def test_a_coordinator_of_one_country_reads_what_goes_there_and_changes_nothing(
    house: House, make_own: Factory, petition: int, studio: Studio
) -> None:
    counted(house, make_own.slug(petition), country="LT")
    ask(house, log_in(house, make_own, petition), petition, "LT")
    foreign, foreign_bundle = addressee(house, "LT"), the_bundle(house).id
    client, to = log_in(house, make_own, petition, country="PL"), addressee(house, "PL")
    listed = client.get(f"/petitions/{petition}/letters").text
    assert "Poland" in listed
    assert "Lithuania" not in listed
    assert "/edit" not in listed
    shown = client.get(f"{path_of(petition)}?addressee={to}")
    assert shown.status_code == 200
    assert "Ministry of LT" not in shown.text
    assert "/edit" not in shown.text
    for of_another in (f"addressee={foreign}", f"bundle={foreign_bundle}"):
        for path in (path_of(petition), f"{path_of(petition)}/text"):
            assert client.get(f"{path}?{of_another}").status_code == 404
    assert client.get(f"{path_of(petition)}/edit").status_code == 404
    for path in (f"{path_of(petition)}/edit", f"{path_of(petition)}/common"):
        assert post(client, path, revision="0", **WORDS).status_code == 404
    assert house.value("SELECT count(*) FROM letters") == 0


def test_a_reviewer_reads_and_a_coordinator_of_another_petition_finds_nothing(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    reviewer = log_in(house, make_own, petition, role="reviewer")
    stranger = log_in(house, make_own, make_own.petition(countries=()))
    for path in (f"/petitions/{petition}/letters", path_of(petition), f"{path_of(petition)}/text"):
        assert reviewer.get(path).status_code == 200
        assert stranger.get(path).status_code == 404
    assert reviewer.get(f"{path_of(petition)}/edit").status_code == 403
    assert stranger.get(f"{path_of(petition)}/edit").status_code == 404
    assert post(reviewer, f"{path_of(petition)}/edit", revision="0", **WORDS).status_code == 403
    assert post(stranger, f"{path_of(petition)}/edit", revision="0", **WORDS).status_code == 404
    assert house.value("SELECT count(*) FROM letters") == 0


def test_what_is_not_known_is_not_there(house: House, make_own: Factory) -> None:
    petition = make_own.petition(countries=("PL",))
    client = log_in(house, make_own, petition)
    cover = path_of(petition)
    strange = [
        path_of(petition, kind="print"), path_of(petition, language="ka"), path_of(petition, language="..%2fletters"),
        f"{cover}?addressee=99999", f"{cover}?addressee=x", f"{cover}?addressee={10**30}", f"{cover}?bundle=x",
        f"{cover}?bundle=00000000-0000-0000-0000-000000000001", path_of(99999), "/petitions/99999/letters",
    ]  # fmt: skip
    for path in strange:
        assert client.get(path).status_code == 404, path
    for path in (path_of(petition, kind="print"), path_of(petition, language="ka"), path_of(99999)):
        for end in ("edit", "common"):
            assert post(client, f"{path}/{end}", revision="0", **WORDS).status_code == 404, path
    assert client.get(f"{cover}?level=nonsense").status_code == 200
