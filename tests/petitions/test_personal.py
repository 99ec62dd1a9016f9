"""What a signer does later: the code, the mail once more, one's own page, "it was not me", no more news."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from core.config import Role
from core.inbox import append
from core.records import decrypt_record, open_row_key
from petitions.rules import GUESSES
from tests.conftest import House
from tests.factories import VALID, Factory, counted, hidden, press, signed, the_signature, token
from tests.petitions.test_intake import fsck, tallies

PURPOSES = ("confirm", "withdraw", "not_me", "mine", "updates")


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


def say(house: House, kind: str, **payload: Any) -> None:
    """An event as the web appends it, dealt with at once."""
    with house.inside(Role.PUBLIC):
        assert append(kind, None, {"v": 1, **payload}, uuid4())
    house.drain()


def mails(house: House) -> list[dict[str, Any]]:
    """What waits to be sent to signers, in no order."""
    rows = house.sql("SELECT * FROM outbox WHERE sealed IS NOT NULL AND row_key_id IS NOT NULL").all()
    with house.inside(Role.WORKER):
        keys = house.keyring.private_keys
        return [decrypt_record(open_row_key(row.row_key_id, keys), "outbox", row.id, row.sealed) for row in rows]


def type_code(house: House, client: FlaskClient, slug: str, event_id: UUID, code: str) -> Any:
    """Type a code on the page after the form. Returns the page that tells what came of it."""
    path = f"/petitions/{slug}/thanks/{event_id}"
    event = hidden(client.get(path).text, "event_id")
    answer = client.post(f"{path}/code", data={"code": code, "event_id": event})
    house.drain()
    return client.get(answer.location) if answer.status_code == 303 else answer


def open_own(house: House, client: FlaskClient, signature_id: UUID, purpose: str = "mine") -> str:
    """Open the page of one's own, with the token that is for it or another. Returns its address."""
    answer = press(client, f"/mine/{token(house, purpose, signature_id)}")
    house.drain()
    return str(answer.location)


def change(house: House, client: FlaskClient, page: str, **values: Any) -> Any:
    """Change one's signature on one's own page. Returns the page that tells of it."""
    answer = client.post(page, data={"event_id": hidden(client.get(page).text, "event_id"), **values})
    house.drain()
    return client.get(answer.location) if answer.status_code == 303 else answer


# --- The code -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typing",
    [
        lambda code: code,
        lambda code: f" {code[:3]} {code[3:]}\t",
        lambda code: code.translate({ord(str(digit)): chr(0x6F0 + digit) for digit in range(10)}),
    ],
    ids=["plain", "spaces", "persian"],
)
def test_the_code_of_the_mail_counts_the_signature(house: House, slug: str, typing: Callable[[str], str]) -> None:
    row = signed(house, slug)
    [mail] = mails(house)
    code = mail["code"]
    typed = typing(code)
    page = type_code(house, house.client(), slug, row.event_id, typed)
    assert "Your signature is counted" in page.text
    assert the_signature(house).state == "counted"
    assert "Your signature is counted" in type_code(house, house.client(), slug, row.event_id, code).text, "once more"
    assert tallies(house) == {"counted": 1}
    assert fsck(house) == {}


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12a456", "ⅠⅡⅢⅣⅤⅥ", "x" * 5000])
def test_what_cannot_be_a_code_is_told_and_spends_no_guess(house: House, slug: str, typed: str) -> None:
    row = signed(house, slug)
    page = type_code(house, house.client(), slug, row.event_id, typed)
    assert page.status_code == 422
    assert "The code has six digits" in page.text
    assert 'id="code-error"' in page.text
    assert house.value("SELECT count(*) FROM inbox WHERE kind = 'code'") == 0


def test_a_wrong_code_is_told_and_the_right_one_still_works(house: House, slug: str) -> None:
    row = signed(house, slug)
    right = house.keyring.code(row.id)
    page = type_code(house, house.client(), slug, row.event_id, f"{(int(right) + 1) % 10**6:06}")
    assert page.status_code == 422
    assert "This is not the code of our newest message" in page.text
    assert the_signature(house).state == "pending"
    assert "counted" in type_code(house, house.client(), slug, row.event_id, right).text
    assert the_signature(house).state == "counted"


def test_of_a_hundred_guesses_ten_are_looked_at(house: House, slug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after signing again: not even the right code is taken then. The button of the mail still works."""
    looked: list[str] = []
    keyring = type(house.keyring)
    code_of = keyring.code

    def looking(self: Any, signature_id: UUID) -> str:
        looked.append("code")
        return code_of(self, signature_id)

    row = signed(house, slug)
    right = house.keyring.code(row.id)
    monkeypatch.setattr(keyring, "code", looking)
    wrong = [f"{(int(right) + step) % 10**6:06}" for step in range(1, 101)]
    for code in wrong[:60]:
        say(house, "code", signed=str(row.event_id), code=code)
    monkeypatch.setattr(keyring, "code", code_of)
    again = signed(house, slug, email="OLGA+2@example.org")
    monkeypatch.setattr(keyring, "code", looking)
    for code in wrong[60:]:
        say(house, "code", signed=str(again.event_id), code=code)
    for one in (row, again):
        say(house, "code", signed=str(one.event_id), code=code_of(house.keyring, one.id))
    assert len(looked) == GUESSES == 10
    assert house.value("SELECT guesses FROM mailboxes") == 10
    assert tallies(house) == {"pending": 2}
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    assert tallies(house) == {"counted": 1, "duplicate": 1}
    assert fsck(house) == {}


def test_guesses_for_one_mailbox_take_none_from_another(house: House, slug: str) -> None:
    row, other = signed(house, slug), signed(house, slug, email="other@example.org")
    for _ in range(GUESSES + 1):
        say(house, "code", signed=str(row.event_id), code="x")
    say(house, "code", signed=str(other.event_id), code=house.keyring.code(other.id))
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=other.id) == "counted"


def test_the_code_of_a_duplicate_opens_nothing(house: House, slug: str) -> None:
    first = counted(house, slug)
    double = signed(house, slug)
    page = type_code(house, house.client(), slug, double.event_id, house.keyring.code(double.id))
    assert page.status_code == 422
    page = type_code(house, house.client(), slug, double.event_id, house.keyring.code(first.id))
    assert page.status_code == 422, "nor does that of the first"
    assert tallies(house) == {"counted": 1, "duplicate": 1}


@pytest.mark.parametrize("spoil", ["expired", "withdrawn", "unknown", "nonsense"])
def test_a_code_that_came_too_late_or_for_nothing_is_wrong(house: House, slug: str, spoil: str) -> None:
    row = signed(house, slug)
    code, event_id = house.keyring.code(row.id), str(row.event_id)
    if spoil == "expired":
        house.sql("UPDATE signatures SET received_at = received_at - interval '15 days'")
    if spoil == "withdrawn":
        say(house, "withdraw", token=token(house, "mine", row.id))
    if spoil == "unknown":
        event_id = str(uuid4())
    if spoil == "nonsense":
        event_id = "'; --"
    say(house, "code", signed=event_id, code=code)
    assert "counted" not in tallies(house)
    assert house.value("SELECT state FROM inbox WHERE kind = 'code'") == "done"


# --- The mail once more ----------------------------------------------------------------------------------------------------


def test_the_mail_comes_again_with_the_same_code_and_links(house: House, slug: str) -> None:
    row = signed(house, slug)
    client = house.client()
    path = f"/petitions/{slug}/thanks/{row.event_id}"
    answer = client.post(f"{path}/resend", data={"event_id": ""})
    assert (answer.status_code, answer.location) == (303, f"{path}?again=1")
    house.drain()
    assert "another one is on its way" in client.get(answer.location).text
    first, second = mails(house)
    assert first == second
    assert first["to"] == VALID["email"]
    assert f"/confirm/{token(house, 'confirm', row.id)}?" in first["confirm_url"]
    assert fsck(house) == {}


def test_signing_and_resending_together_send_three_mails_a_day(house: House, slug: str) -> None:
    row = signed(house, slug)
    for _ in range(5):
        say(house, "resend", signed=str(row.event_id))
    assert signed(house, slug, name="Somebody Else").reason == "too_many"
    assert house.value("SELECT count(*) FROM outbox") == 3
    house.sql("UPDATE mailboxes SET mails_since = mails_since - interval '1 day'")
    for _ in range(5):
        say(house, "resend", signed=str(row.event_id))
    assert house.value("SELECT count(*) FROM outbox") == 6
    assert house.value("SELECT mails FROM mailboxes") == 3


@pytest.mark.parametrize("state", ["counted", "withdrawn", "duplicate", "blocked", "unknown"])
def test_no_mail_comes_again_for_what_does_not_wait_for_one(house: House, slug: str, state: str) -> None:
    event_id = uuid4()
    if state != "unknown":
        row = counted(house, slug) if state in ("counted", "duplicate") else signed(house, slug)
        event_id = row.event_id
    if state == "duplicate":
        event_id = signed(house, slug).event_id
    if state == "withdrawn":
        say(house, "withdraw", token=token(house, "mine", row.id))
    if state == "blocked":
        say(house, "not_me", token=token(house, "not_me", row.id))
    before = house.value("SELECT count(*) FROM outbox")
    say(house, "resend", signed=str(event_id))
    assert house.value("SELECT count(*) FROM outbox") == before


# --- It was not me -----------------------------------------------------------------------------------------------------------


def test_who_says_it_was_not_me_is_erased_and_written_to_no_more(house: House, slug: str) -> None:
    row = signed(house, slug)
    client = house.client()
    answer = press(client, f"/not-me/{token(house, 'not_me', row.id)}")
    house.drain()
    assert "nothing is left of it" in client.get(answer.location).text
    left = the_signature(house)
    assert (left.state, left.reason, left.sealed, left.mailbox_hmac) == ("withdrawn", "not_me", None, None)
    assert house.value("SELECT count(*) FROM row_keys") == 0
    sent = house.value("SELECT count(*) FROM outbox")
    for number in range(3):
        again = signed(house, slug, email=f"olga+{number}@example.org")
        assert (again.state, again.reason, again.sealed) == ("rejected", "blocked", None)
    house.sql("UPDATE mailboxes SET mails_since = mails_since - interval '30 days'")
    assert signed(house, slug).reason == "blocked", "not only for a day"
    assert house.value("SELECT count(*) FROM outbox") == sent
    assert signed(house, slug, email="another@example.org").state == "pending"
    assert fsck(house) == {}


def test_it_was_not_me_ends_whatever_the_mailbox_has_not_confirmed(house: House, slug: str) -> None:
    first, second = signed(house, slug), signed(house, slug)
    press(house.client(), f"/not-me/{token(house, 'not_me', first.id)}")
    house.drain()
    assert tallies(house) == {"withdrawn": 2}
    assert house.value("SELECT count(*) FROM row_keys") == 0
    press(house.client(), f"/confirm/{token(house, 'confirm', second.id)}")
    house.drain()
    assert tallies(house) == {"withdrawn": 2}
    assert fsck(house) == {}


def test_it_was_not_me_by_the_mail_of_a_duplicate_leaves_the_earlier_signature(house: House, slug: str) -> None:
    first = counted(house, slug)
    stranger = signed(house, slug, name="Not Olga")
    press(house.client(), f"/not-me/{token(house, 'not_me', stranger.id)}")
    house.drain()
    assert tallies(house) == {"counted": 1, "duplicate": 1}
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=first.id) == "counted"
    assert signed(house, slug).reason == "blocked"
    assert fsck(house) == {}


# --- One's own page -----------------------------------------------------------------------------------------------------------


def test_ones_own_page_shows_what_is_held_in_the_browser_that_asked_and_in_no_other(house: House, slug: str) -> None:
    row = counted(house, slug, visibility="initials", updates="y")
    client, other = house.client(), house.client()
    path = f"/mine/{token(house, 'mine', row.id)}"
    assert VALID["name"] not in client.get(path).text, "looking at the link opens nothing"
    page = open_own(house, client, row.id)
    own = client.get(page)
    assert own.headers["Cache-Control"] == "no-store"
    for held in (VALID["name"], VALID["email"], VALID["city"], "Ministry of PL"):
        assert held in own.text.replace("&#39;", "'").replace("&#x27;", "'")
    assert own.text.count("checked") == 2, "the visibility, and the wish for news"
    told = client.get(f"{page}/data.json")
    assert told.headers["Content-Disposition"] == 'attachment; filename="signature.json"'
    data = json.loads(told.text)
    assert data["email"] == VALID["email"]
    assert (data["visibility"], data["updates"], data["state"]) == ("initials", True, "counted")
    assert len(data["text"]["hash"]) == len(data["consent"]) == 64
    other.get(path)
    for stranger in (other, house.client()):
        assert VALID["name"] not in stranger.get(page).text
        assert stranger.get(f"{page}/data.json").status_code == 404
        assert stranger.post(page, data={"visibility": "public"}).location == path
    assert house.value("SELECT count(*) FROM inbox WHERE kind = 'change'") == 0


@pytest.mark.parametrize("left", ["withdrawn", "expired", "duplicate", "wrong"])
def test_a_link_without_a_signature_behind_it_opens_nothing(house: House, slug: str, left: str) -> None:
    row = counted(house, slug) if left == "duplicate" else signed(house, slug)
    mine = token(house, "mine", row.id)
    if left == "withdrawn":
        say(house, "withdraw", token=mine)
    if left == "duplicate":
        mine = token(house, "mine", signed(house, slug).id)
    if left == "expired":
        from petitions.states import CONFIRM_WITHIN, expire_unconfirmed

        with house.inside(Role.WORKER):
            assert expire_unconfirmed(row.received_at + CONFIRM_WITHIN) == 1
    if left == "wrong":
        mine = "notatoken"
    client = house.client()
    page = press(client, f"/mine/{mine}")
    house.drain()
    shown = client.get(page.location)
    assert shown.status_code == 400
    assert "There is no signature behind it any more" in shown.text
    assert client.get(f"{page.location}/data.json").status_code == 404


def names(house: House, slug: str) -> str:
    page = house.client().get(f"/petitions/{slug}/names")
    assert page.headers["Cache-Control"] == "no-store"
    return str(page.text)


def test_the_public_name_comes_and_goes_with_the_wish(house: House, slug: str) -> None:
    row = counted(house, slug)
    client = house.client()
    page = open_own(house, client, row.id)
    for visibility, shown in (
        ("public", VALID["name"]),
        ("initials", "В. В."),
        ("counted", None),
        ("public", VALID["name"]),
        ("ministry", None),
    ):
        told = change(house, client, page, visibility=visibility)
        assert "It is changed" in told.text
        assert house.sql("SELECT name FROM pub.named_signers").scalars().all() == ([shown] if shown else [])
        assert (VALID["name"] in names(house, slug)) == (visibility == "public")
        if shown:
            assert shown in names(house, slug)
        assert fsck(house) == {}


def test_a_change_binds_the_consent_to_the_wordings_of_its_form(house: House, slug: str) -> None:
    row = counted(house, slug)
    client = house.client()
    page = open_own(house, client, row.id)
    before = json.loads(client.get(f"{page}/data.json").text)
    told = change(house, client, page, visibility="counted", updates="y")
    now = json.loads(client.get(f"{told.request.path}/data.json").text)
    assert (now["visibility"], now["updates"]) == ("counted", True)
    assert {key: now[key] for key in ("name", "text", "received_at")} == {
        key: before[key] for key in ("name", "text", "received_at")
    }
    assert now["consent"] == before["consent"], "the same wordings in the same language"
    assert the_signature(house).wants_updates is True
    assert re.findall(r'<input[^>]* checked[^>]*value="(\w+)"', told.text) == ["counted", "y"]


def test_a_change_without_a_choice_is_told_and_changes_nothing(house: House, slug: str) -> None:
    row = counted(house, slug)
    client = house.client()
    page = open_own(house, client, row.id)
    for wrong in ({}, {"visibility": "everybody"}):
        told = change(house, client, page, **wrong)
        assert told.status_code == 422
        assert VALID["name"].partition(" ")[0] in told.text, "the page is still there"
    assert house.value("SELECT count(*) FROM inbox WHERE kind = 'change'") == 0
    say(house, "change", token=token(house, "mine", row.id), visibility="everybody", updates=True)
    assert the_signature(house).wants_updates is False, "the worker looks again"


def test_a_change_before_the_confirmation_is_kept_for_it(house: House, slug: str) -> None:
    row = signed(house, slug, visibility="public")
    client = house.client()
    change(house, client, open_own(house, client, row.id), visibility="initials")
    assert house.value("SELECT count(*) FROM public_names") == 0
    press(client, f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    assert house.sql("SELECT name FROM public_names").scalars().all() == ["В. В."]


def test_after_leaving_the_way_back_shows_nothing_of_oneself(house: House, slug: str) -> None:
    row = counted(house, slug)
    client = house.client()
    pages = [open_own(house, client, row.id), open_own(house, client, row.id)]
    answer = client.post(
        pages[1], data={"event_id": hidden(client.get(pages[1]).text, "event_id"), "visibility": "initials"}
    )
    house.drain()
    pages.append(answer.location)
    assert all(VALID["email"] in client.get(page).text for page in pages)
    done = press(client, f"/withdraw/{token(house, 'mine', row.id)}")
    house.drain()
    assert "erased" in client.get(done.location).text, "what came of it is told"
    for page in pages:
        assert VALID["email"] not in client.get(f"{page}{'&' if '?' in page else '?'}look=99").text
        assert client.get(f"{page.partition('?')[0]}/data.json").status_code == 404


def test_withdrawing_from_the_own_page_erases(house: House, slug: str) -> None:
    row = counted(house, slug, visibility="public")
    client = house.client()
    page = open_own(house, client, row.id)
    path = f"/withdraw/{token(house, 'mine', row.id)}"
    assert f'href="{path}"' in client.get(page).text
    answer = press(client, path)
    house.drain()
    assert "Your signature is withdrawn" in client.get(answer.location).text
    assert tallies(house) == {"withdrawn": 1}
    assert house.value("SELECT count(*) FROM row_keys") == 0
    assert fsck(house) == {}


# --- No more news -----------------------------------------------------------------------------------------------------------


def test_a_mail_program_unsubscribes_by_one_post_without_an_origin(house: House, slug: str) -> None:
    """RFC 8058: no cookie, no page before, no Origin, and one field that is the same in every such mail."""
    row = counted(house, slug, updates="y")
    assert row.wants_updates
    alone = {"Sec-Fetch-Site": None, "Origin": None}
    path = f"/unsubscribe/{token(house, 'updates', row.id)}?lang=en"
    answer = house.client().post(path, data={"List-Unsubscribe": "One-Click"}, headers=alone)
    assert (answer.status_code, answer.data) == (204, b""), "and it is not sent on"
    house.drain()
    now = the_signature(house)
    assert (now.state, now.wants_updates) == ("counted", False)
    assert fsck(house) == {}


def test_everything_else_without_an_origin_is_refused(house: House, slug: str) -> None:
    event = uuid4()
    rules = [
        rule
        for rule in house.app(Role.PUBLIC).url_map.iter_rules()
        if "POST" in (rule.methods or ()) and rule.endpoint != "petitions.unsubscribe"
    ]
    assert len(rules) >= 9
    values = {"slug": slug, "signed": event, "event_id": event, "token": "x", "code": "waw234", "deed": "leave"}
    with house.app(Role.PUBLIC).test_request_context():
        from flask import url_for

        paths = [url_for(one.endpoint, **{name: values[name] for name in one.arguments}) for one in rules]
    for path in paths:
        for headers in (
            {"Sec-Fetch-Site": None, "Origin": None},
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        ):
            assert house.client().post(path, data={"event_id": str(event)}, headers=headers).status_code == 400, path
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_a_person_unsubscribes_by_the_button(house: House, slug: str) -> None:
    row = counted(house, slug, updates="y")
    client = house.client()
    answer = press(client, f"/unsubscribe/{token(house, 'updates', row.id)}")
    house.drain()
    assert "You get no more news from us" in client.get(answer.location).text
    page = open_own(house, client, row.id)
    assert json.loads(client.get(f"{page}/data.json").text)["updates"] is False


# --- Tokens -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", PURPOSES)
def test_tokens_of_one_purpose_do_not_open_another(house: House, slug: str, purpose: str) -> None:
    row = signed(house, slug, updates="y")
    of_kind = {
        "confirm": {"confirm"},
        "withdraw": {"withdraw", "mine"},
        "not_me": {"not_me"},
        "unsubscribe": {"updates"},
    }
    of_kind |= {"show": {"mine"}, "change": {"mine"}}
    for kind, purposes in of_kind.items():
        if purpose in purposes:
            continue
        say(house, kind, token=token(house, purpose, row.id), visibility="counted", updates=False)
        assert the_signature(house) == row, kind
    assert tallies(house) == {"pending": 1}
    client = house.client()
    page = client.get(open_own(house, client, row.id, purpose))
    assert page.status_code == (200 if purpose == "mine" else 400)
    assert (VALID["email"] in page.text) is (purpose == "mine")
