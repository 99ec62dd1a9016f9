"""What the worker makes of events: signatures, duplicates, confirmations, withdrawals, expiry."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy.event

from core.config import Role
from core.extensions import db
from core.inbox import append
from core.records import decrypt_record, open_row_key
from petitions.states import CONFIRM_WITHIN, WAITED_FOR, expire_unconfirmed, forget_duplicates
from tests.conftest import House
from tests.factories import VALID, Factory, confirm_at_once, counted, press, sign, signed, the_signature, token
from worker import drain


@pytest.fixture
def slug(make: Factory) -> str:
    return make.slug(make.petition())


def fsck(house: House) -> dict[str, int]:
    """The invariants that are broken."""
    from core.fsck import _invariants

    with house.inside(Role.WORKER):
        return {item.name: broken for item in _invariants if (broken := item.count_broken())}


def tallies(house: House) -> dict[str, int]:
    return {
        row.state: row.total
        for row in house.sql("SELECT state, sum(total)::int AS total FROM tallies WHERE total > 0 GROUP BY state")
    }


def test_signature_waits_for_confirmation_with_everything_sealed(house: House, slug: str) -> None:
    row = signed(house, slug, visibility="public")
    assert (row.state, row.country_code) == ("pending", "PL")
    with house.inside(Role.WORKER):
        key = open_row_key(row.row_key_id, house.keyring.private_keys)
        record = decrypt_record(key, "signatures", row.id, row.sealed)
    assert record["v"] == 1
    assert (record["name"], record["city"], record["email"]) == (VALID["name"], VALID["city"], VALID["email"])
    assert record["consent"] | {"hash": ""} == {"ministry": True, "public": True, "updates": False, "hash": ""}
    assert set(record["text"]) == {"version", "language", "hash"}
    assert record["visibility"] == "public"
    assert len(base64.b64decode(record["salt"])) == 32
    assert house.value("SELECT sealed FROM inbox") is None
    assert house.value("SELECT template FROM outbox") == "confirm"
    assert fsck(house) == {}


@pytest.mark.parametrize(("country", "code"), [("PL", "PL"), ("LT", "LT"), ("SG", None)])
def test_signature_goes_to_the_ministry_of_residence_or_the_fallback(
    house: House, slug: str, country: str, code: str | None
) -> None:
    row = signed(house, slug, country=country)
    assert house.value("SELECT country_code FROM addressees WHERE id = :id", id=row.addressee_id) == code


def test_confirming_counts_once(house: House, slug: str) -> None:
    row = counted(house, slug)
    assert row.state == "counted"
    assert tallies(house) == {"counted": 1}
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    assert tallies(house) == {"counted": 1}
    assert fsck(house) == {}


def test_name_is_public_only_by_wish_and_only_once_counted(house: House, slug: str) -> None:
    quiet, loud = (
        counted(house, slug),
        signed(house, slug, email="b@example.org", name="Марына Ясінская", visibility="public"),
    )
    assert house.value("SELECT count(*) FROM pub.named_signers") == 0
    press(house.client(), f"/confirm/{token(house, 'confirm', loud.id)}")
    house.drain()
    page = house.client().get(f"/petitions/{slug}/names").text
    assert "Марына Ясінская" in page
    assert VALID["name"] not in page
    assert quiet.state == "counted"


def test_second_signature_of_a_counted_mailbox_is_a_duplicate_and_told_by_mail(house: House, slug: str) -> None:
    counted(house, slug)
    row = signed(house, slug, email="OLGA+again@EXAMPLE.org", name="Someone Else")
    assert (row.state, row.reason, row.sealed) == ("duplicate", "already_counted", None)
    assert house.value("SELECT count(*) FROM outbox WHERE template = 'already_signed'") == 1
    assert tallies(house) == {"counted": 1, "duplicate": 1}
    assert fsck(house) == {}


def test_first_to_confirm_is_counted_and_the_other_erased(house: House, slug: str) -> None:
    """Somebody else typed the address first; the owner's own signature is the one that counts."""
    stranger = signed(house, slug, name="Not Olga")
    owner = signed(house, slug)
    press(house.client(), f"/confirm/{token(house, 'confirm', owner.id)}")
    house.drain()
    rows = {row.id: row for row in house.sql("SELECT * FROM signatures")}
    assert rows[owner.id].state == "counted"
    assert (rows[stranger.id].state, rows[stranger.id].sealed, rows[stranger.id].row_key_id) == (
        "duplicate",
        None,
        None,
    )
    assert tallies(house) == {"counted": 1, "duplicate": 1}
    assert fsck(house) == {}


def test_a_mailbox_gets_at_most_three_mails(house: House, slug: str) -> None:
    for number in range(6):
        sign(house.client(), slug, name=f"Name {'abcdef'[number]}")
    house.drain()
    assert house.value("SELECT count(*) FROM outbox") == 3
    assert tallies(house) == {"pending": 3, "duplicate": 3}
    counted_now = house.sql("SELECT id FROM signatures WHERE state = 'pending' LIMIT 1").one()
    press(house.client(), f"/confirm/{token(house, 'confirm', counted_now.id)}")
    house.drain()
    sign(house.client(), slug)
    house.drain()
    assert house.value("SELECT count(*) FROM outbox") == 3
    assert fsck(house) == {}


def test_same_mailbox_may_sign_another_petition(house: House, make: Factory, slug: str) -> None:
    other = make.slug(make.petition(countries=()))
    first, second = counted(house, slug), counted(house, other)
    assert first.state == second.state == "counted"
    assert first.mailbox_hmac != second.mailbox_hmac


@pytest.mark.parametrize("spoil", ["wrong", "used", "expired", "foreign"])
def test_wrong_used_and_expired_links_get_one_and_the_same_page(house: House, slug: str, spoil: str) -> None:
    row = counted(house, slug) if spoil == "used" else signed(house, slug)
    path = {
        "wrong": "/confirm/notatoken",
        "foreign": f"/confirm/{token(house, 'withdraw', row.id)}",
    }.get(spoil, f"/confirm/{token(house, 'confirm', row.id)}")
    if spoil == "expired":
        house.sql("UPDATE signatures SET received_at = received_at - interval '15 days'")
    before = the_signature(house)
    client = house.client()
    answer = press(client, path)
    house.drain()
    page = client.get(answer.location)
    assert page.status_code == 400
    assert "This link has done its work, or has run out" in page.text
    assert "sign again and use the new link" in page.text
    assert the_signature(house) == before


def test_result_is_shown_to_the_browser_that_pressed_and_to_no_other(house: House, slug: str) -> None:
    row = signed(house, slug)
    client, other = house.client(), house.client()
    answer = press(client, f"/confirm/{token(house, 'confirm', row.id)}")
    waiting = client.get(answer.location)
    assert "One moment" in waiting.text
    assert "look=2" in waiting.headers["Refresh"]
    house.drain()
    assert "Your signature is counted" in client.get(answer.location).text
    page = other.get(answer.location)
    assert "We have what you sent" in page.text
    assert "Refresh" not in page.headers


def test_double_click_on_confirm_still_finds_its_answer(house: House, slug: str) -> None:
    row = signed(house, slug)
    client = house.client()
    path = f"/confirm/{token(house, 'confirm', row.id)}"
    from tests.factories import hidden

    event = {"event_id": hidden(client.get(path).text, "event_id")}
    first, second = client.post(path, data=event), client.post(path, data=event)
    assert first.location == second.location
    house.drain()
    assert "Your signature is counted" in client.get(second.location).text


def test_looking_at_the_page_of_a_link_changes_nothing(house: House, slug: str) -> None:
    row = signed(house, slug)
    for purpose in ("confirm", "withdraw"):
        assert house.client().get(f"/{purpose}/{token(house, purpose, row.id)}").status_code == 200
    assert house.drain() == 0
    assert the_signature(house).state == "pending"


def test_withdrawing_erases_and_keeps_the_count_true(house: House, slug: str) -> None:
    row = counted(house, slug, visibility="public")
    client = house.client()
    answer = press(client, f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()
    assert "Your signature is withdrawn" in client.get(answer.location).text
    left = the_signature(house)
    assert (left.state, left.sealed, left.mailbox_hmac, left.row_key_id) == ("withdrawn", None, None, None)
    assert house.value("SELECT count(*) FROM row_keys") == 0
    assert house.value("SELECT count(*) FROM public_names") == 0
    assert tallies(house) == {"withdrawn": 1}
    assert counted(house, slug).id != row.id
    assert fsck(house) == {}


def test_mail_of_a_withdrawn_signature_cannot_be_read_any_more(house: House, slug: str) -> None:
    row = signed(house, slug)
    press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    house.drain()
    assert house.value("SELECT row_key_id FROM outbox") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"email": "nonsense"}, "address"),
        ({"email": "x@mailinator.com"}, "address"),
        ({"country": "XX"}, "country"),
        ({"name": "=cmd"}, "text"),
        ({"name": " Anna"}, "text"),
        ({"city": ""}, "text"),
        ({"consent": {"ministry": False}}, "consent"),
        ({"consent": None}, "consent"),
        ({"consent": {"ministry": True, "public": "no"}}, "consent"),
        # What is no text, but would pass for one once it is written as text.
        ({"name": True}, "text"),
        ({"name": ["Forged A", "City", "2025-01-01", "2", "Forged B"]}, "text"),
        ({"city": {"Minsk": 1}}, "text"),
        ({"country": ["PL"]}, "text"),
    ],
)
def test_worker_checks_again_what_the_form_has_checked(
    house: House, make: Factory, change: dict[str, Any], reason: str
) -> None:
    petition = make.petition()
    payload: dict[str, Any] = {
        "v": 1,
        **VALID,
        "language": "en",
        "consent": {"ministry": True, "public": False},
        **change,
    }
    with house.inside(Role.PUBLIC):
        append("sign", petition, payload, uuid4())
    house.drain()
    row = the_signature(house)
    assert (row.state, row.reason, row.sealed, row.mailbox_hmac) == ("rejected", reason, None, None)
    assert house.value("SELECT count(*) FROM outbox") == 0
    assert fsck(house) == {}


def test_arrival_in_the_inbox_decides_whether_a_signature_beat_the_closing(house: House, make: Factory) -> None:
    petition = make.petition()
    for email, minutes in (("early@example.org", 10), ("late@example.org", 2)):
        sign(house.client(), make.slug(petition), email=email)
        house.sql(f"UPDATE inbox SET received_at = now() - interval '{minutes} minutes' WHERE received_at = now()")
    house.sql("UPDATE petitions SET state = 'closed', closes_at = now() - interval '5 minutes'")
    house.drain()
    assert sorted((row.state, row.reason) for row in house.sql("SELECT state, reason FROM signatures")) == [
        ("pending", None),
        ("rejected", "closed"),
    ]


def test_event_for_no_petition_is_dealt_with_and_forgotten(house: House) -> None:
    with house.inside(Role.PUBLIC):
        append("sign", 999_999, dict(VALID), uuid4())
    assert house.drain() == 1
    assert house.value("SELECT count(*) FROM signatures") == 0
    assert house.value("SELECT state FROM inbox") == "done"


def test_unconfirmed_signatures_are_erased_after_fourteen_days(house: House, slug: str) -> None:
    kept = counted(house, slug, email="kept@example.org")
    row = signed(house, slug)
    moment = row.received_at + CONFIRM_WITHIN
    with house.inside(Role.WORKER):
        assert expire_unconfirmed(moment - timedelta(seconds=1)) == 0
        assert expire_unconfirmed(moment) == 1
        assert expire_unconfirmed(moment) == 0
    left = house.sql("SELECT * FROM signatures WHERE id = :id", id=row.id).one()
    assert (left.state, left.sealed, left.mailbox_hmac, left.row_key_id) == ("expired", None, None, None)
    assert tallies(house) == {"counted": 1, "expired": 1}
    assert house.value("SELECT count(*) FROM row_keys") == 1
    assert house.value("SELECT state FROM signatures WHERE id = :id", id=kept.id) == "counted"
    assert fsck(house) == {}


def test_duplicates_are_forgotten_after_fourteen_days(house: House, slug: str) -> None:
    counted(house, slug)
    row = signed(house, slug)
    with house.inside(Role.WORKER):
        assert forget_duplicates(row.received_at + CONFIRM_WITHIN) == 1
        db.session.commit()
    left = house.sql("SELECT * FROM signatures WHERE id = :id", id=row.id).one()
    assert (left.state, left.mailbox_hmac, left.row_key_id) == ("duplicate", None, None)
    assert fsck(house) == {}


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        ("UPDATE tallies SET total = total + 1 WHERE state = 'counted'", "I3"),
        ("DELETE FROM tallies", "I3"),
        ("UPDATE signatures SET state = 'rejected', reason = 'x' WHERE state = 'pending'", "I9"),
        ("DELETE FROM signatures WHERE state = 'pending'", "I1"),
        ("UPDATE inbox SET sealed = 'x'", "I7"),
        ("UPDATE inbox SET state = 'new', sealed = 'x', received_at = now() - interval '1 hour'", "I2"),
        ("UPDATE outbox SET state = 'sent'", "I8"),
        ("UPDATE signatures SET state = 'withdrawn' WHERE state = 'counted'", "I10"),
        ("DELETE FROM petition_addressees", "I11"),
        ("UPDATE breakdowns SET total = total + 1 WHERE by = 'country'", "I14"),
        ("UPDATE breakdowns SET key = '2026-01-01' WHERE by = 'day'", "I14"),
        ("DELETE FROM breakdowns WHERE by = 'day'", "I14"),
        ("UPDATE signatures SET country_code = 'LT' WHERE state = 'counted'", "I14"),
    ],
)
def test_fsck_finds_a_row_damaged_by_hand(house: House, slug: str, damage: str, broken: str) -> None:
    counted(house, slug, email="a@example.org", visibility="public")
    signed(house, slug)
    assert fsck(house) == {}
    house.sql(damage)
    assert broken in fsck(house)


def test_the_index_decides_when_the_look_missed_the_other_worker(
    house: House, slug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker counted a signature of this mailbox, which ours could not see when it looked for the family."""
    counted(house, slug, email="first@example.org")
    late = signed(house, slug, email="late@example.org")

    def after_the_look(opened: Any, keyring: Any) -> Any:
        @sqlalchemy.event.listens_for(db.session, "before_flush", once=True)
        def same_mailbox(*_args: object) -> None:
            with house.acting(Role.WORKER):
                house.sql("UPDATE signatures SET mailbox_hmac = :hmac WHERE state = 'counted'", hmac=late.mailbox_hmac)

        return confirm(opened, keyring)

    confirm = drain.HANDLERS[drain.WEB, "confirm"]
    monkeypatch.setattr(drain, "HANDLERS", {**drain.HANDLERS, (drain.WEB, "confirm"): after_the_look})
    client = house.client()
    answer = press(client, f"/confirm/{token(house, 'confirm', late.id)}")
    house.drain()
    assert "Your signature is counted already" in client.get(answer.location).text
    row = house.sql("SELECT * FROM signatures WHERE id = :id", id=late.id).one()
    assert (row.state, row.sealed, row.row_key_id) == ("duplicate", None, None)
    assert tallies(house) == {"counted": 1, "duplicate": 1}
    assert fsck(house) == {}


def test_two_workers_confirming_at_once_count_one(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = own_database
    slug = make_own.slug(make_own.petition())
    rows = [signed(house, slug, name=name) for name in ("One Name", "Other Name")]
    confirm_at_once(house, monkeypatch, rows)
    assert tallies(house) == {"counted": 1, "duplicate": 1}
    assert house.value("SELECT count(*) FROM signatures WHERE state = 'counted'") == 1


def test_the_link_of_a_second_mail_withdraws_what_the_first_one_counted(house: House, slug: str) -> None:
    first, second = signed(house, slug), signed(house, slug)
    press(house.client(), f"/confirm/{token(house, 'confirm', first.id)}")
    house.drain()
    client = house.client()
    answer = press(client, f"/withdraw/{token(house, 'withdraw', second.id)}")
    house.drain()
    assert "Your signature is withdrawn" in client.get(answer.location).text
    assert tallies(house) == {"withdrawn": 1, "duplicate": 1}
    assert fsck(house) == {}


def test_the_mail_that_says_signed_already_can_withdraw_for_ever(house: House, slug: str) -> None:
    """The first mail may have been deleted, as it advises; signing again brings a link that still works."""
    from core.records import decrypt_record as decrypt

    first = counted(house, slug)
    signed(house, slug)
    mail = house.sql("SELECT * FROM outbox WHERE template = 'already_signed'").one()
    with house.inside(Role.WORKER):
        content = decrypt(open_row_key(mail.row_key_id, house.keyring.private_keys), "outbox", mail.id, mail.sealed)
    mine = content["mine_url"].removeprefix("http://localhost/mine/").partition("?")[0]
    assert mine == token(house, "mine", first.id)
    assert {"confirm_url", "code"}.isdisjoint(content)
    client = house.client()
    answer = press(client, f"/withdraw/{mine}")
    house.drain()
    assert "Your signature is withdrawn" in client.get(answer.location).text


def test_a_stranger_keeps_an_owner_from_signing_for_a_day_at_most(house: House, slug: str) -> None:
    for number in range(5):
        sign(house.client(), slug, name=f"Stranger {'abcde'[number]}")
    house.drain()
    assert signed(house, slug).reason == "too_many"
    house.sql("UPDATE mailboxes SET mails_since = mails_since - interval '25 hours'")
    assert signed(house, slug).state == "pending"


@pytest.mark.parametrize("kind", ["confirm", "code"])
def test_nothing_expires_while_a_confirmation_waits_in_the_inbox(house: House, slug: str, kind: str) -> None:
    row = signed(house, slug)
    moment = row.received_at + CONFIRM_WITHIN
    if kind == "confirm":
        press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    else:
        form = {"code": house.keyring.code(row.id), "event_id": str(uuid4())}
        house.client().post(f"/petitions/{slug}/thanks/{row.event_id}/code", data=form)
    house.sql("UPDATE inbox SET received_at = :then WHERE kind = :kind", then=moment - timedelta(minutes=1), kind=kind)
    with house.inside(Role.WORKER):
        assert expire_unconfirmed(moment) == 0
        # Not even when the worker is without its key for days.
        assert expire_unconfirmed(moment + timedelta(days=2)) == 0
    house.drain()
    assert the_signature(house).state == "counted"


def test_a_confirmation_that_can_never_be_opened_does_not_keep_data_for_ever(house: House, slug: str) -> None:
    row = signed(house, slug)
    last = row.received_at + CONFIRM_WITHIN
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    house.sql("UPDATE inbox SET received_at = :last WHERE kind = 'confirm'", last=last)
    with house.inside(Role.WORKER):
        assert expire_unconfirmed(last + WAITED_FOR - timedelta(seconds=1)) == 0
        assert expire_unconfirmed(row.received_at + CONFIRM_WITHIN + WAITED_FOR) == 1


def test_a_signature_withdrawn_while_its_confirmation_waited_stays_withdrawn(house: House, slug: str) -> None:
    row = signed(house, slug)
    press(house.client(), f"/withdraw/{token(house, 'withdraw', row.id)}")
    press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    assert the_signature(house).state == "withdrawn"
    assert tallies(house) == {"withdrawn": 1}


def test_records_at_rest_are_equally_long(house: House, slug: str) -> None:
    short = signed(house, slug, name="A", city="B", email="a@b.cd")
    long = signed(house, slug, name="Ш" * 80, city="Щ" * 80)
    assert len(short.sealed) == len(long.sealed)
