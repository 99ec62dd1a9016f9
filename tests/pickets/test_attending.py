"""Taking part: joining with nothing, an alias or an address; one's own page; shifts; leaving; and what nobody learns."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from core.config import Role
from core.records import decrypt_record, open_row_key
from pickets import attending
from tests.conftest import House
from tests.factories import Factory, hidden, press
from tests.pickets.factories import picket, shift

EMAIL = "ales@example.org"


def join(house: House, client: FlaskClient, picket_id: UUID, drain: bool = True, **typed: Any) -> str:
    """Fill in the form and send it. Returns where its answer comes."""
    code = house.value("SELECT code FROM pickets WHERE id = :p", p=picket_id)
    page = client.get(f"/pickets/{code}/join").text
    answer = client.post(f"/pickets/{code}/join", data={"event_id": hidden(page, "event_id"), "people": "1"} | typed)
    assert answer.status_code == 303, answer.text
    if drain:
        house.drain()
    return str(answer.location)


def mails(house: House) -> list[dict[str, Any]]:
    rows = house.sql(
        "SELECT * FROM outbox WHERE sealed IS NOT NULL AND row_key_id IS NOT NULL ORDER BY created_at"
    ).all()
    with house.inside(Role.WORKER):
        keys = house.keyring.private_keys
        return [
            decrypt_record(open_row_key(row.row_key_id, keys), "outbox", row.id, row.sealed)
            | {"template": row.template}
            for row in rows
        ]


def path_of(url: str) -> str:
    return url.removeprefix("http://localhost")


def confirmed(house: House, client: FlaskClient, picket_id: UUID, **typed: Any) -> str:
    """Join with an address and press the mail's button. Returns the address of one's own page as the browser got it."""
    join(house, client, picket_id, email=typed.pop("email", EMAIL), **typed)
    answer = press(client, path_of(mails(house)[-1]["confirm_url"]))
    house.drain()
    return str(answer.location)


def deed(house: House, client: FlaskClient, page: str, what: str, **values: Any) -> Any:
    """Do something on one's own page. Returns the page that follows."""
    html = client.get(page).text
    action = re.search(rf'action="([^"]*/{what}(?:\?[^"]*)?)"', html)
    assert action, f"there is nothing to {what}"
    answer = client.post(action[1], data={"event_id": str(uuid4()), **values})
    house.drain()
    return client.get(answer.location)


def people(house: House) -> list[Any]:
    return house.sql("SELECT * FROM participants ORDER BY joined_at").all()


def test_with_a_number_alone_one_is_counted_and_nothing_is_stored_of_anybody(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    page = client.get(join(house, client, here, people="3"))
    assert "You are counted in" in page.text
    [row] = people(house)
    assert (row.state, row.people, row.row_key_id, row.sealed, row.mailbox_hmac) == ("coming", 3, None, None, None)
    assert house.value("SELECT count(*) FROM outbox") == 0
    assert house.value("SELECT count(*) FROM row_keys") == 0


def test_an_alias_is_sealed(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    join(house, client, here, alias="Zubr-77")
    [row] = people(house)
    assert b"Zubr" not in bytes(row.sealed)
    with house.inside(Role.WORKER):
        key = open_row_key(row.row_key_id, house.keyring.private_keys)
        assert decrypt_record(key, "participants", row.id, row.sealed)["alias"] == "Zubr-77"


def test_with_an_address_nothing_counts_before_its_button_and_get_changes_nothing(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    page = client.get(join(house, client, here, email=EMAIL, people="2"))
    assert "Look into your mailbox" in page.text
    [mail] = mails(house)
    assert (mail["template"], mail["to"]) == ("picket_join", EMAIL)
    client.get(path_of(mail["confirm_url"]))
    house.drain()
    assert people(house)[0].state == "pending"
    own = press(client, path_of(mail["confirm_url"])).location
    house.drain()
    assert people(house)[0].state == "coming"
    assert EMAIL in client.get(own).text
    assert EMAIL not in house.client().get(own).text, "another browser"


def test_the_answer_is_the_same_for_an_address_that_comes_already(house: House, make: Factory) -> None:
    here, first, second = picket(house, make), house.client(), house.client()
    confirmed(house, first, here)
    known, fresh = join(house, second, here, email=EMAIL), join(house, second, here, email="other@example.org")

    def told(at: str) -> str:
        return re.sub(r"[0-9a-f-]{36}", "-", second.get(at).text)

    assert told(known) == told(fresh)
    assert [mail["to"] for mail in mails(house)] == [EMAIL, EMAIL, "other@example.org"]


def test_joining_again_with_one_mailbox_is_one_participant_with_what_was_typed_last(
    house: House, make: Factory
) -> None:
    here, client = picket(house, make), house.client()
    confirmed(house, client, here, people="2")
    confirmed(house, client, here, people="5", email="Ales+x@example.org")
    assert [(row.state, row.people) for row in people(house) if row.state == "coming"] == [("coming", 5)]
    assert house.value("SELECT count(*) FROM participants WHERE state = 'coming'") == 1


def test_a_mailbox_gets_three_mails_a_day_and_the_answer_stays_the_same(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    pages = [client.get(join(house, client, here, email=EMAIL)).text for _ in range(attending.MAILS_A_DAY + 2)]
    assert len(mails(house)) == attending.MAILS_A_DAY
    assert all("Look into your mailbox" in page for page in pages)


def test_one_network_can_add_only_so_many_without_an_address(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pickets.joining._network", lambda _picket: "00" * 8)
    monkeypatch.setattr(attending, "MOST_A_NETWORK", 2)
    here, client = picket(house, make), house.client()
    pages = [client.get(join(house, client, here)).text for _ in range(3)]
    assert ["You are counted in" in page for page in pages] == [True, True, False]
    assert "Leave one, or simply come" in pages[2]
    assert "Look into your mailbox" in client.get(join(house, client, here, email=EMAIL)).text


def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    shift(house, here)
    code = house.value("SELECT code FROM pickets WHERE id = :p", p=here)
    typed = {"people": "0", "alias": "Zubr", "email": "zubr@yandex.by"}
    answer = client.post(f"/pickets/{code}/join", data=typed)
    assert answer.status_code == 422
    assert "whole number from 1 to 20" in answer.text
    assert "can read mail there" in answer.text
    assert 'value="Zubr"' in answer.text
    assert 'value="zubr@yandex.by"' in answer.text
    number = house.value("SELECT id FROM shifts")
    answer = client.post(f"/pickets/{code}/join", data={"people": "1", "shift": str(number)})
    assert "write an alias and an address above" in answer.text
    assert house.value("SELECT count(*) FROM inbox") == 0


def test_a_cancelled_or_past_picket_cannot_be_joined_and_an_event_on_its_way_is_told_so(
    house: House, make: Factory
) -> None:
    here, client = picket(house, make), house.client()
    at = join(house, client, here, drain=False)
    house.sql("UPDATE pickets SET state = 'cancelled', cancelled_at = now()")
    house.drain()
    assert "cancelled or is over" in client.get(at).text
    assert people(house) == []
    code = house.value("SELECT code FROM pickets")
    assert client.get(f"/pickets/{code}/join").status_code == 410
    house.sql(
        "UPDATE pickets SET state = 'announced', cancelled_at = NULL, starts_at = now() - interval '3 hours', ends_at = now() - interval '1 hour'"
    )
    assert client.get(f"/pickets/{code}/join").status_code == 410


def test_leaving_erases_everything_about_somebody(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    number = shift(house, here)
    own = confirmed(house, client, here, alias="Zubr", shift=str(number))
    assert house.value("SELECT count(*) FROM shift_takers") == 1
    page = deed(house, client, own, "leave")
    assert "You have left" in page.text
    [row] = people(house)
    assert (row.state, row.row_key_id, row.sealed, row.mailbox_hmac, row.network) == ("left", None, None, None, None)
    for table in ("row_keys", "shift_takers"):
        assert house.value(f"SELECT count(*) FROM {table}") == 0, table
    assert house.value("SELECT count(*) FROM answers WHERE about IS NOT NULL") == 0
    assert "This link opens nothing" in open_again(house, client, row.id)


def open_again(house: House, client: FlaskClient, participant_id: UUID) -> str:
    answer = press(client, f"/pickets/mine/{house.keyring.token('attend', participant_id)}")
    house.drain()
    return str(client.get(answer.location).text)


@pytest.mark.parametrize("kind", ["forged", "other purpose", "nothing"])
def test_a_token_that_is_not_for_it_opens_nothing(house: House, make: Factory, kind: str) -> None:
    here, client = picket(house, make), house.client()
    confirmed(house, client, here)
    [row] = people(house)
    token = {"forged": "A" * 43, "other purpose": house.keyring.token("join", row.id), "nothing": "x"}[kind]
    answer = press(client, f"/pickets/mine/{token}")
    house.drain()
    page = client.get(answer.location)
    assert page.status_code == 400
    assert "This link opens nothing" in page.text


# --- Shifts --------------------------------------------------------------------------------------------------------------------


def test_a_shift_is_taken_with_the_button_of_the_mail_confirmed_and_given_up(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    number = shift(house, here)
    join(house, client, here, email=EMAIL, alias="Zubr", shift=str(number))
    assert house.value("SELECT count(*) FROM shift_takers") == 0, "a stranger must not block it with somebody's address"
    own = press(client, path_of(mails(house)[-1]["confirm_url"])).location
    house.drain()
    assert "The shift is yours" in client.get(own).text
    assert "counts on you" in deed(house, client, own, "confirm", shift=number).text
    assert house.value("SELECT count(*) FROM shift_takers WHERE confirmed_at IS NOT NULL") == 1
    assert "free for somebody else" in deed(house, client, own, "drop", shift=number).text
    assert house.value("SELECT count(*) FROM shift_takers") == 0


def test_a_shift_of_another_picket_or_without_an_address_is_not_taken(house: House, make: Factory) -> None:
    here, elsewhere, client = picket(house, make), picket(house, make), house.client()
    own, foreign = shift(house, here), shift(house, elsewhere)
    page = confirmed(house, client, here)
    deed(house, client, page, "take", shift=foreign)
    assert house.value("SELECT count(*) FROM shift_takers") == 0
    join(house, client, here)
    unknown = house.value("SELECT id FROM participants WHERE mailbox_hmac IS NULL")
    with house.inside(Role.PUBLIC):
        from pickets import joining

        joining.act(house.keyring.token("attend", unknown), "take", None, uuid4(), shift=str(own))
    house.drain()
    assert house.value("SELECT count(*) FROM shift_takers") == 0


def test_of_two_who_take_the_last_place_at_once_one_is_told_and_stays_counted_in(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker import drain

    house = own_database
    here = picket(house, make_own)
    number = shift(house, here, seats=1)
    clients = [house.client(), house.client()]
    pages = [confirmed(house, one, here, email=f"p{at}@example.org", alias="A") for at, one in enumerate(clients)]
    barrier, real = Barrier(2, timeout=10), drain.HANDLERS[drain.WEB, "attend"]

    def together(opened: Any, keyring: Any) -> Any:
        barrier.wait()
        return real(opened, keyring)

    answers = []
    for client, page in zip(clients, pages, strict=True):
        html = client.get(page).text
        action = re.search(r'action="([^"]*/take(?:\?[^"]*)?)"', html)
        assert action
        answers.append(client.post(action[1], data={"event_id": str(uuid4()), "shift": str(number)}).location)
    monkeypatch.setattr(drain, "HANDLERS", {**drain.HANDLERS, (drain.WEB, "attend"): together})
    monkeypatch.setattr(drain, "BATCH", 1)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _number: house.drain(), range(2))) == [1, 1]
    told = sorted("The shift is yours" in client.get(at).text for client, at in zip(clients, answers, strict=True))
    assert told == [False, True]
    assert house.value("SELECT count(*) FROM shift_takers") == 1
    assert house.value("SELECT count(*) FROM participants WHERE state = 'coming'") == 2
    late = next(
        client.get(at).text
        for client, at in zip(clients, answers, strict=True)
        if "is yours" not in client.get(at).text
    )
    assert "Somebody was faster" in late


def test_the_organiser_learns_aliases_by_shift_and_no_address(house: House, make: Factory) -> None:
    from tests.factories import enter, post

    account = make.account(role="organiser", country="PL")
    here, visitor = picket(house, make), house.client()
    house.sql(
        "INSERT INTO picket_organisers (picket_id, account_id, accepted_at) VALUES (:p, :a, now())", p=here, a=account
    )
    confirmed(house, visitor, here, alias="Zubr", shift=str(shift(house, here)))
    desk = enter(house, account)
    desk.get(f"/pickets/{here}/shifts")
    answer = post(desk, f"/pickets/{here}/shifts/aliases")
    house.drain()
    page = desk.get(answer.location).text
    assert "Zubr" in page
    assert EMAIL not in page
    assert house.value("SELECT count(*) FROM audit WHERE action = 'picket.shifts_read'") == 1


# --- What the roles of the database may ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["sealed", "mailbox_hmac", "row_key_id", "network"])
def test_the_console_cannot_read_who_comes(house: House, make: Factory, column: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    picket(house, make)
    with (
        house.acting(Role.CONSOLE),
        pytest.raises(ProgrammingError, match="permission denied"),
        house.bind.begin_nested(),
    ):
        house.bind.execute(text(f"SELECT {column} FROM participants"))


@pytest.mark.parametrize(
    "table", ["participants", "shift_takers", "pickets", "assembly_notices", "photos", "broadcasts"]
)
def test_the_public_web_reads_no_table_of_pickets(house: House, table: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    with (
        house.acting(Role.PUBLIC),
        pytest.raises(ProgrammingError, match="permission denied"),
        house.bind.begin_nested(),
    ):
        house.bind.execute(text(f"SELECT count(*) FROM public.{table}"))


def test_the_page_tells_bands_and_no_numbers(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    code = house.value("SELECT code FROM pickets WHERE id = :p", p=here)
    seen = {}
    for number in (4, 5, 9, 10, 19, 20, 21):
        house.sql("DELETE FROM participants")
        for _ in range(number):
            house.sql(
                "INSERT INTO participants (id, event_id, picket_id, state, people) VALUES (gen_random_uuid(), gen_random_uuid(), :p, 'coming', 1)",
                p=here,
            )
        seen[number] = house.value("SELECT band FROM pub.pickets WHERE id = :p", p=here)
    assert seen == {4: 0, 5: 5, 9: 5, 10: 10, 19: 10, 20: 20, 21: 20}
    assert "20+" in client.get(f"/pickets/{code}").text


def test_nothing_typed_stands_in_the_inbox_or_a_log(
    house: House, make: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    here, client = picket(house, make), house.client()
    join(house, client, here, drain=False, alias="Zubr-77", email=EMAIL)
    [row] = house.sql("SELECT * FROM inbox").all()
    assert row.petition_id is None
    assert b"Zubr" not in bytes(row.sealed)
    house.drain()
    assert "Zubr" not in caplog.text
    assert EMAIL not in caplog.text
    assert json.dumps(str(here))[1:-1] not in bytes(row.sealed).hex()
