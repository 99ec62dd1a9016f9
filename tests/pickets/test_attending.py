"""Taking part: joining with nothing, an alias or an address; one's own page; shifts; leaving; and what nobody learns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Barrier, Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from accounts.models import Account
from core.config import Role
from core.extensions import db
from core.records import decrypt_record, open_row_key
from pickets import announcing, attending, broadcasts, care
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


def test_joining_again_takes_the_shift_and_keeps_the_alias_address_and_language_typed_last(
    house: House, make: Factory
) -> None:
    here, client = picket(house, make), house.client()
    first, second = shift(house, here), shift(house, here, role="steward")
    confirmed(house, client, here, alias="Zubr", shift=str(first))
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "pl"
    page = client.get(confirmed(house, client, here, alias="Bocian", shift=str(second), email="ales+x@example.org"))
    assert "Bocian" in page.text
    [row] = [row for row in people(house) if row.state == "coming"]
    with house.inside(Role.WORKER):
        key = open_row_key(row.row_key_id, house.keyring.private_keys)
        record = decrypt_record(key, "participants", row.id, row.sealed)
    assert (record["alias"], record["email"], record["language"]) == ("Bocian", "ales+x@example.org", "pl")
    assert set(house.sql("SELECT shift_id FROM shift_takers").scalars()) == {first, second}
    assert house.value("SELECT count(*) FROM row_keys") == 1


def test_of_two_mails_the_older_one_pressed_last_takes_nothing_back(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    join(house, client, here, email=EMAIL, people="2", alias="Zubr", shift=str(shift(house, here)))
    house.sql("UPDATE participants SET joined_at = joined_at - interval '1 hour'")
    older = mails(house)[-1]["confirm_url"]
    join(house, client, here, email=EMAIL, people="5")
    newer = next(mail["confirm_url"] for mail in mails(house) if mail["confirm_url"] != older)
    for url in (newer, older):
        press(client, path_of(url))
        house.drain()
    assert [row.people for row in people(house) if row.state == "coming"] == [5]
    assert house.value("SELECT count(*) FROM shift_takers") == 0


def test_a_mailbox_gets_three_mails_a_day_and_the_answer_stays_the_same(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    pages = [client.get(join(house, client, here, email=EMAIL)).text for _ in range(attending.MAILS_A_DAY + 2)]
    assert len(mails(house)) == attending.MAILS_A_DAY
    assert all("Look into your mailbox" in page for page in pages)


def come_from(monkeypatch: pytest.MonkeyPatch, network: str | None) -> None:
    """Let whoever sends the form be in this network, by its hash."""
    monkeypatch.setattr("pickets.joining._network", lambda _picket: network)


def test_one_network_can_add_only_so_many_people_without_an_address(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, client = picket(house, make), house.client()
    come_from(monkeypatch, "00" * 8)
    pages = [client.get(join(house, client, here, people=str(number))).text for number in (15, 6, 5, 1)]
    assert ["You are counted in" in page for page in pages] == [True, False, True, False]
    assert "Leave one, or simply come" in pages[1]
    assert "Look into your mailbox" in client.get(join(house, client, here, email=EMAIL)).text
    assert "You are counted in" in client.get(join(house, client, picket(house, make))).text, "to another picket"
    come_from(monkeypatch, "11" * 8)
    assert "You are counted in" in client.get(join(house, client, here, people="20")).text
    assert house.value("SELECT sum(people) FROM participants WHERE state = 'coming' AND picket_id = :p", p=here) == 40


def test_without_an_address_no_number_is_raised_beyond_what_the_network_may_bring(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, client = picket(house, make), house.client()
    come_from(monkeypatch, "00" * 8)
    join(house, client, here, people="15")
    page = client.get(join(house, client, here, people="2")).text
    [_first, mine] = house.sql("SELECT id FROM participants ORDER BY people DESC").scalars()
    answer = press(client, re.findall(r"/pickets/mine/[\w-]+", page)[0])
    house.drain()

    def say(number: int) -> str:
        shown = deed(house, client, answer.location, "people", people=str(number)).text
        assert str(house.value("SELECT people FROM participants WHERE id = :i", i=mine)) in shown
        return str(shown)

    assert "stays as it was" not in say(5)
    assert "The number stays as it was: many people have joined from your network" in say(6)
    assert house.value("SELECT people FROM participants WHERE id = :i", i=mine) == 5
    house.sql("UPDATE participants SET people = 20, network = NULL, joined_at = joined_at - interval '2 days'")
    monkeypatch.setattr(attending, "MOST_UNKNOWN", 30)
    assert "stays as it was" not in say(4), "fewer may always come"
    assert "stays as it was" in say(11), "and what is forgotten after a day does not help"
    assert "stays as it was" not in say(10)
    own = confirmed(house, client, here)
    assert "stays as it was" not in deed(house, client, own, "people", people="20").text, "with an address"


def test_whose_network_is_unknown_share_one_bound(house: House, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attending, "MOST_UNKNOWN", 30)
    here, client = picket(house, make), house.client()
    pages = [client.get(join(house, client, here, people=str(number))).text for number in (20, 10, 1)]
    assert ["You are counted in" in page for page in pages] == [True, True, False]
    house.sql("UPDATE participants SET joined_at = joined_at - interval '1 day'")
    assert "You are counted in" in client.get(join(house, client, here)).text


@pytest.mark.parametrize(("network", "bound"), [("00" * 8, "UNCONFIRMED_A_NETWORK"), (None, "UNCONFIRMED_UNKNOWN")])
def test_the_form_does_not_write_to_a_crowd_of_strangers_and_those_who_confirm_are_none(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch, network: str | None, bound: str
) -> None:
    come_from(monkeypatch, network)
    monkeypatch.setattr(attending, bound, 2)
    here, client = picket(house, make), house.client()
    for number in range(4):
        confirmed(house, client, here, email=f"friend{number}@example.org")
    assert house.value("SELECT count(*) FROM participants WHERE state = 'coming'") == 4
    pages = [client.get(join(house, client, here, email=f"stranger{number}@example.org")).text for number in range(4)]
    assert [mail["to"] for mail in mails(house)][4:] == ["stranger0@example.org", "stranger1@example.org"]
    assert len({re.sub(r"[0-9a-f-]{36}", "-", page) for page in pages}) == 1, "whoever asks"
    assert len(people(house)) == 6, "nothing is kept of whom we do not write to"
    come_from(monkeypatch, "22" * 8)
    join(house, client, here, email="elsewhere@example.org")
    assert mails(house)[-1]["to"] == "elsewhere@example.org"


def test_one_picket_sends_only_so_many_unconfirmed_mails_an_hour_from_however_many_networks(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "UNCONFIRMED_AN_HOUR", 2)
    here, client = picket(house, make), house.client()
    for number in range(4):
        come_from(monkeypatch, f"{number:016x}")
        join(house, client, here, email=f"stranger{number}@example.org")
    assert len(mails(house)) == 2
    house.sql("UPDATE participants SET joined_at = joined_at - interval '1 hour'")
    join(house, client, here, email=EMAIL)
    assert mails(house)[-1]["to"] == EMAIL


def test_the_network_of_who_has_not_confirmed_is_kept_for_a_day_and_no_longer(
    house: House, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    come_from(monkeypatch, "11" * 8)
    join(house, house.client(), picket(house, make), email=EMAIL)
    assert [(row.state, bytes(row.network)) for row in people(house)] == [("pending", b"\x11" * 8)]
    house.sql("UPDATE participants SET joined_at = now() - interval '24 hours 1 second'")
    with house.inside(Role.WORKER):
        care.forget_networks()
    assert people(house)[0].network is None


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


def test_where_one_person_stands_alone_nobody_joins(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    own, at = confirmed(house, client, here), join(house, client, here, drain=False)
    house.sql("UPDATE pickets SET mode = 'single_person'")
    house.drain()
    assert "You are counted in" not in client.get(at).text
    assert len(people(house)) == 1
    assert "You have left" in deed(house, client, own, "leave").text


@pytest.fixture
def canceller(own_database: House, make_own: Factory) -> Callable[[UUID], None]:
    """Cancels a picket as a coordinator does on the console."""
    account_id = make_own.account(own_database.value("SELECT min(id) FROM petitions") or make_own.petition())

    def cancel(picket_id: UUID) -> None:
        with own_database.inside(Role.CONSOLE):
            announcing.cancel_picket(db.session.get_one(Account, account_id), picket_id, "safety", "")

    return cancel


def test_whoever_confirms_while_a_picket_is_being_cancelled_learns_that_it_is_closed(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch, canceller: Callable[[UUID], None]
) -> None:
    house, client = own_database, own_database.client()
    here = picket(house, make_own)
    join(house, client, here, email=EMAIL)
    alone = join(house, client, here, drain=False)
    at = press(client, path_of(mails(house)[-1]["confirm_url"])).location
    begun, may_end, real = Event(), Event(), announcing._tell_participants

    def slowly(told: Any, kind: Any) -> None:
        real(told, kind)
        db.session.flush()
        begun.set()
        may_end.wait(10)

    monkeypatch.setattr(announcing, "_tell_participants", slowly)
    with ThreadPoolExecutor(2) as pool:
        cancelling = pool.submit(canceller, here)
        assert begun.wait(10)
        draining = pool.submit(house.drain)
        assert not wait([draining], 0.5).done, "it waits to learn what becomes of the picket"
        may_end.set()
        cancelling.result(10)
        assert draining.result(10) == 2
    assert [row.state for row in people(house)] == ["pending"]
    assert "Not open any more" in client.get(at).text
    assert "cancelled or is over" in client.get(alone).text


def test_a_cancellation_waits_for_whoever_is_confirming_and_reaches_them(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch, canceller: Callable[[UUID], None]
) -> None:
    from worker import drain

    house, client = own_database, own_database.client()
    here = picket(house, make_own)
    join(house, client, here, email=EMAIL)
    press(client, path_of(mails(house)[-1]["confirm_url"]))
    begun, may_end, real = Event(), Event(), drain.HANDLERS[drain.WEB, "join_confirm"]

    def slowly(opened: Any, keyring: Any) -> Any:
        told = real(opened, keyring)
        begun.set()
        may_end.wait(10)
        return told

    monkeypatch.setattr(drain, "HANDLERS", {**drain.HANDLERS, (drain.WEB, "join_confirm"): slowly})
    with ThreadPoolExecutor(2) as pool:
        draining = pool.submit(house.drain)
        assert begun.wait(10)
        cancelling = pool.submit(canceller, here)
        assert not wait([cancelling], 0.5).done
        may_end.set()
        draining.result(10)
        cancelling.result(10)
    with house.inside(Role.WORKER):
        assert len(list(broadcasts.queue_lots(house.keyring))) == 1
    assert [mail["to"] for mail in mails(house) if mail["template"] == "picket_cancelled"] == [EMAIL]


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


def test_an_answer_about_somebody_who_leaves_in_the_same_batch_is_not_kept(house: House, make: Factory) -> None:
    here, client = picket(house, make), house.client()
    own = confirmed(house, client, here, alias="Zubr")
    html = client.get(own).text
    token = re.findall(r'action="(/pickets/mine/[\w-]+)/leave', html)[0]
    shown = press(client, token).location
    left = client.post(f"{token}/leave", data={"event_id": str(uuid4())}).location
    house.sql("UPDATE inbox SET received_at = received_at - interval '1 second' WHERE id = :i", i=shown[-36:])
    assert house.drain() == 2
    assert "You have left" in client.get(left).text
    assert "Zubr" not in client.get(shown).text
    assert house.value("SELECT count(*) FROM answers WHERE about IS NOT NULL") == 0


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
