"""Two people: one asks, another decides; and what is never done by one alone."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError

from accounts import approvals, roles
from core.config import Role
from core.extensions import db
from delivery import claims
from tests.accounts.test_enrolment import accept, connect_app
from tests.accounts.test_login import mails
from tests.conftest import House
from tests.delivery.factories import Studio
from tests.factories import Factory, counted, enter, hidden, post, write_logs

ASKS = {"role": "coordinator", "country": "PL", "petition": "", "reason": "She stands there every week."}


@pytest.fixture
def chiefs(house: House, make: Factory) -> tuple[int, int]:
    return make.account(role="administrator", name="Ales"), make.account(role="administrator", name="Belka")


def asked(client: FlaskClient, account: int, **changes: str) -> str:
    answer = post(client, f"/people/{account}/grants", **{**ASKS, **changes})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def decide(client: FlaskClient, path: str, decision: str, reason: str = "") -> Any:
    return post(client, path, decision=decision, reason=reason)


def grants(house: House, account: int) -> list[Any]:
    return list(house.sql("SELECT role, petition_id, country_code FROM grants WHERE account_id = :a", a=account))


def test_a_role_needs_two_and_ends_the_sessions_of_who_gets_it(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role=None)
    theirs = enter(house, person)
    path = asked(one, person)
    assert grants(house, person) == []
    assert "1 request waits for your decision" in other.get("/").text
    assert "waits for your decision" not in one.get("/").text, "one's own request does not wait for oneself"
    page = other.get(path).text
    assert "She stands there every week." in page
    assert "Coordinator, Poland" in page
    assert decide(other, path, "approve").status_code == 303
    assert grants(house, person) == [("coordinator", None, "PL")]
    assert theirs.get("/").status_code == 302
    house.drain()
    assert [mail["news"] for mail in mails(house)] == ["decision_waits", "roles_changed"]


def test_nobody_decides_what_they_asked_for(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    client, person = enter(house, chiefs[0]), make.account(role=None)
    path = asked(client, person)
    assert 'value="approve"' not in client.get(path).text
    refused = decide(client, path, "approve")
    assert refused.status_code == 403
    assert "Another person has to decide this" in refused.text
    assert grants(house, person) == []


def test_nobody_decides_about_themselves(house: House, chiefs: tuple[int, int]) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    path = asked(one, chiefs[1])
    assert decide(other, path, "approve").status_code == 403
    assert len(grants(house, chiefs[1])) == 1


@pytest.mark.parametrize("who", ["requested_by", "subject_id"])
def test_the_database_itself_wants_two_people(house: House, chiefs: tuple[int, int], who: str) -> None:
    asked(enter(house, chiefs[0]), chiefs[1])
    with pytest.raises(IntegrityError, match=r"two_people|not_about_oneself"):
        house.sql(f"UPDATE approvals SET state = 'approved', decided_by = {who}")


def test_the_database_wants_a_reason_for_a_refusal(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    asked(enter(house, chiefs[0]), make.account(role=None))
    with pytest.raises(IntegrityError, match="refused_with_a_reason"):
        house.sql("UPDATE approvals SET state = 'refused', decided_by = :d", d=chiefs[1])


def test_a_refusal_needs_a_reason_and_its_asker_reads_it(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role=None)
    path = asked(one, person)
    missing = decide(other, path, "refuse", " ")
    assert missing.status_code == 422
    assert "Say why you refuse" in missing.text
    assert decide(other, path, "refuse", "I do not know her.").status_code == 303
    assert "I do not know her." in one.get(path).text
    assert grants(house, person) == []
    assert decide(other, path, "dance").status_code == 422


def test_a_request_runs_out(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role=None)
    path = asked(one, person)
    house.sql("UPDATE approvals SET expires_at = now() - interval '1 second'")
    late = decide(other, path, "approve")
    assert late.location == path
    assert "You changed nothing" in other.get(path).text
    assert "Ran out" in other.get("/approvals?state=expired").text
    assert grants(house, person) == []
    assert "waits for your decision" not in other.get("/").text
    assert asked(one, person) != path, "it can be asked for again"


def test_asking_twice_makes_one_request(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    client, person = enter(house, chiefs[0]), make.account(role=None)
    assert asked(client, person) == asked(client, person)
    assert asked(client, person) != asked(client, person, country="LT")


def test_an_own_address_is_not_a_strangers(house: House, chiefs: tuple[int, int]) -> None:
    email = house.value("SELECT email FROM accounts WHERE id = :i", i=chiefs[0])
    ask_outside(house, email=email)
    client = enter(house, chiefs[0])
    assert decide(client, f"/approvals/{house.value('SELECT id FROM approvals')}", "approve").status_code == 403
    assert len(grants(house, chiefs[0])) == 1


def test_who_asked_can_withdraw_and_nobody_else(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    path = asked(one, make.account(role=None))
    assert post(other, f"{path}/withdraw").status_code == 404
    assert post(one, f"{path}/withdraw").status_code == 303
    assert decide(other, path, "approve").location == path
    assert house.value("SELECT state FROM approvals") == "withdrawn"


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(own_database: House, make_own: Factory) -> None:
    house = own_database
    asker, *deciders = (make_own.account(role="administrator") for _ in range(3))
    person = make_own.account(role=None)
    path = asked(enter(house, asker), person)
    clients = [enter(house, decider) for decider in deciders]
    tokens = [hidden(client.get("/me").text, "csrf_token") for client in clients]
    together = Barrier(2)

    def go(number: int) -> str:
        together.wait(10)
        data = {"csrf_token": tokens[number], "decision": ("approve", "refuse")[number], "reason": "I say so."}
        return str(clients[number].post(path, data=data).location)

    with ThreadPoolExecutor() as pool:
        places = list(pool.map(go, range(2)))
    assert sorted(places) == sorted(["/approvals?state=pending", path])
    state = house.value("SELECT state FROM approvals")
    assert len(grants(house, person)) == (state == "approved")
    assert house.value("SELECT count(*) FROM audit WHERE action IN ('approval.approved', 'approval.refused')") == 1


def test_a_decision_that_fails_half_way_leaves_nothing(
    house: House, make: Factory, chiefs: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role=None)
    path = asked(one, person)

    def broken(_approval: object) -> None:
        raise RuntimeError

    kind = approvals.kinds["grant"]
    monkeypatch.setitem(approvals.kinds, "grant", type(kind)(kind.name, kind.label, kind.action, kind.describe, broken))
    assert decide(other, path, "approve").status_code == 500
    assert house.value("SELECT state FROM approvals") == "pending"


# --- Administrators ----------------------------------------------------------------------------------------------------


def removal_of(client: FlaskClient, account: int) -> str:
    found = re.search(r'action="(/people/\d+/grants/\d+/remove)"', client.get(f"/people/{account}").text)
    assert found
    return found[1]


def test_an_administrator_is_removed_by_two_others_alone(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    third = make.account(role="administrator")
    one, other, theirs = (enter(house, chief) for chief in (*chiefs, third))
    path = post(one, removal_of(one, third)).location
    assert len(grants(house, third)) == 1
    assert decide(theirs, path, "approve").status_code == 403, "not by the one whom it is about"
    assert decide(other, path, "approve").status_code == 303
    assert grants(house, third) == []


def test_an_administrators_account_is_closed_by_two_others_alone(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    third = make.account(role="administrator")
    one, other = (enter(house, chief) for chief in chiefs)
    path = post(one, f"/people/{third}/close").location
    assert house.value("SELECT is_active FROM accounts WHERE id = :i", i=third)
    assert decide(other, path, "approve").status_code == 303
    assert not house.value("SELECT is_active FROM accounts WHERE id = :i", i=third)
    post(one, "/people/reopen", row=[third])
    assert "an administrator’s is reopened by whoever runs the platform" in one.get("/people").text
    with house.acting(Role.CONSOLE):
        email = house.value("SELECT email FROM accounts WHERE id = :i", i=third)
        done = house.app(Role.CONSOLE).test_cli_runner().invoke(args=["reopen-account", email])
    assert done.output == "open\n"
    assert house.value("SELECT is_active FROM accounts WHERE id = :i", i=third)


def test_the_last_administrator_stays(house: House, make: Factory) -> None:
    last = make.account(role="administrator")
    make.account(role="administrator", enrolled_at=None)
    make.account(role="administrator", is_active=False)
    client = enter(house, last)
    for path in (removal_of(client, last), f"/people/{last}/close"):
        assert post(client, path).location == f"/people/{last}"
        assert "This is the last administrator" in client.get(f"/people/{last}").text
    post(client, "/people/close", row=[last])
    assert house.value("SELECT count(*) FROM approvals") == 0
    with house.acting(Role.CONSOLE):
        email = house.value("SELECT email FROM accounts WHERE id = :i", i=last)
        done = house.app(Role.CONSOLE).test_cli_runner().invoke(args=["close-account", email])
    assert done.exit_code == 1
    assert "last administrator" in done.output
    assert "You are the only administrator" in client.get("/").text


def test_two_administrators_removed_at_once_leave_one(own_database: House, make_own: Factory) -> None:
    house = own_database
    pair = [make_own.account(role="administrator") for _ in range(2)]
    together = Barrier(2)

    def remove(account_id: int) -> bool:
        from accounts.models import Account

        with house.app(Role.CONSOLE).app_context():
            account = db.session.get_one(Account, account_id)
            together.wait(10)
            try:
                roles._remove_grant(account, account.grants[0], None)
            except roles.LastAdministratorError:
                return False
            db.session.commit()
            return True

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(remove, pair))
    assert sorted(done) == [False, True]
    assert house.value("SELECT count(*) FROM grants") == 1


def test_no_administrator_of_a_part(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    client = enter(house, chiefs[0])
    answer = post(client, f"/people/{make.account(role=None)}/grants", **{**ASKS, "role": "administrator"})
    assert answer.status_code == 422
    assert "An administrator is one for everything" in answer.text
    with pytest.raises(IntegrityError, match="administrators_are_whole"):
        make.grant(chiefs[0], "administrator", None, "PL")


# --- People ------------------------------------------------------------------------------------------------------------


def test_accounts_are_closed_and_reopened_together_with_undo(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    client = enter(house, chiefs[0])
    people = [make.account(role="reviewer") for _ in range(3)]
    theirs = enter(house, people[0])
    post(client, "/people/close", row=[str(one) for one in people[:2]])
    assert theirs.get("/").status_code == 302
    page = client.get("/people?state=closed").text
    assert "2 accounts are closed." in page
    assert 'action="/people/reopen"' in page
    undo = {"row": re.findall(r'type="hidden" name="row" value="(\d+)"', page)}
    assert sorted(undo["row"]) == sorted(str(one) for one in people[:2])
    post(client, "/people/reopen", **undo)
    assert house.value("SELECT count(*) FROM accounts WHERE NOT is_active") == 0
    assert "2 accounts are closed." not in client.get("/people").text, "it is said once"


def test_the_list_of_people_keeps_its_state_in_the_address(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    client = enter(house, chiefs[0])
    for number in range(60):
        house.sql(
            "INSERT INTO accounts (email, name) VALUES (:e, :n)", e=f"n{number:02}@example.org", n=f"Name {number:02}"
        )
    first = client.get("/people?state=invited").text
    assert "Name 00" in first
    assert "Name 59" not in first
    assert 'href="/people?state=invited&amp;page=2"' in first
    second = client.get("/people?state=invited&page=2").text
    assert "Name 59" in second
    assert "Name 00" not in second
    backwards = client.get("/people?state=invited&sort=-name").text
    assert backwards.index("Name 59") < backwards.index("Name 50")
    assert 'aria-sort="descending"' in backwards
    one = client.get("/people?q=n07@EXAMPLE").text
    assert "Name 07" in one
    assert "Name 08" not in one
    assert "Nobody matches" in client.get("/people?q=nobody").text
    for quiet in ("/people", "/people?q=x", "/approvals", "/approvals?state=pending", "/audit", "/audit?actor=0"):
        assert 'class="error"' not in client.get(quiet).text, quiet
    for wrong in ("/people?role=king", "/audit?first=yesterday", "/approvals?kind=x"):
        assert 'class="error"' in client.get(wrong).text, wrong
    assert "Абярыце нешта са спіса" in client.get("/people?role=king&lang=be").text
    for odd in (
        "?page=0",
        "?page=x",
        "?page=999",
        "?sort=password_hash",
        "?state=x&role=y",
        "?q=%25%25",
        "?q=" + "x" * 999,
    ):
        assert client.get(f"/people{odd}").status_code == 200, odd


def test_those_who_can_decide_are_called_once(house: House, make: Factory) -> None:
    asks = make.account(role="administrator", email="asks@example.org")
    make.account(role="administrator", email="able@example.org", language="pl")
    make.account(role="reviewer", email="reviewer@example.org")
    closed = make.account(role="administrator", email="closed@example.org")
    house.sql("UPDATE accounts SET is_active = false WHERE id = :id", id=closed)
    invited = make.account(role="administrator", email="invited@example.org")
    house.sql("UPDATE accounts SET enrolled_at = NULL WHERE id = :id", id=invited)
    about = make.account(role="organiser", email="about@example.org")
    client = enter(house, asks)

    def called() -> list[tuple[str, str]]:
        house.drain()
        return [(mail["to"], mail["language"]) for mail in mails(house) if mail["news"] == "decision_waits"]

    for role in ("reviewer", "coordinator"):
        post(client, f"/people/{about}/grants", role=role, petition="", country="", reason="We need one.")
        assert called() == [("able@example.org", "pl")]
    waiting = house.sql("SELECT id FROM approvals WHERE state = 'pending'").scalars().all()
    assert len(waiting) == 2
    house.sql("UPDATE approvals SET expires_at = now() - interval '1 second'")
    post(client, f"/people/{about}/grants", role="administrator", petition="", country="", reason="We need one.")
    assert called() == [("able@example.org", "pl")] * 2


# --- A lost second factor --------------------------------------------------------------------------------------------------


def asked_for_reset(client: FlaskClient, person: int) -> str:
    answer = post(client, f"/people/{person}/reset", **{"lost-reason": "I spoke to her on the phone."})
    assert answer.status_code == 303
    return str(answer.location)


def test_a_lost_factor_needs_two_administrators_and_two_days(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role="organiser", name="Olga")
    theirs = enter(house, person)
    path = asked_for_reset(one, person)
    assert decide(one, path, "approve").status_code == 403
    carry_out = f"/people/{person}/reset/carry-out"
    assert post(other, carry_out).status_code == 404
    assert decide(other, path, "approve").status_code == 303
    assert post(other, carry_out).status_code == 404, "not before two days are over"
    assert theirs.get("/").status_code == 200
    assert "Two administrators agreed" in theirs.get("/").text
    house.sql("UPDATE approvals SET due_at = now() - interval '1 second', decided_at = now() - interval '48 hours'")
    assert "The two days for Olga are over" in one.get("/").text
    assert "/invitations/" not in post(one, carry_out).text, "no administrator sees the link"
    assert theirs.get("/").status_code == 302
    assert house.value("SELECT count(*) FROM passkeys WHERE account_id = :a", a=person) == 0
    assert post(other, carry_out).status_code == 404, "once"
    house.drain()
    told = mails(house)
    assert [mail["news"] for mail in told] == ["decision_waits", "invited", "reset_approved", "reset_asked"]
    invitation = told[1]
    client = house.client(Role.CONSOLE)
    accept(client, invitation["link"].removeprefix("http://localhost"))
    connect_app(client)
    assert "Organiser" in client.get("/").text, "the roles stay"
    assert post(one, carry_out).status_code == 404, "an agreement is good once"


def test_an_agreement_to_a_reset_is_good_for_a_week_and_can_be_stopped(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role=None)
    decide(other, asked_for_reset(one, person), "approve")
    assert asked_for_reset(one, person) == asked_for_reset(other, person), "no second one beside it"
    assert house.value("SELECT count(*) FROM approvals") == 1
    house.sql("UPDATE approvals SET due_at = now() - interval '8 days'")
    assert post(one, f"/people/{person}/reset/carry-out").status_code == 404
    house.sql("UPDATE approvals SET due_at = now() - interval '1 hour'")
    post(other, f"/people/{person}/reset/stop")
    assert post(one, f"/people/{person}/reset/carry-out").status_code == 404
    assert house.value("SELECT count(*) FROM passkeys WHERE account_id = :a", a=person) == 1


def test_when_two_administrators_are_not_left_the_command_line_resets(house: House, make: Factory) -> None:
    account = make.account(role="administrator", email="lost@example.org")
    with house.acting(Role.CONSOLE):
        done = house.app(Role.CONSOLE).test_cli_runner().invoke(args=["reset-account", "lost@example.org"])
    assert done.exit_code == 0, done.output
    client = house.client(Role.CONSOLE)
    accept(client, done.output.strip().removeprefix("http://localhost"))
    connect_app(client)
    assert house.value("SELECT count(*) FROM passkeys WHERE account_id = :a", a=account) == 0


def test_nobody_becomes_a_second_person_by_inviting_one(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    """A role is given only to somebody who has set up the account, and nobody makes a link for an account with a role."""
    one, other = (enter(house, chief) for chief in chiefs)
    wish = {"name": "Carol", "email": "carol@example.org", "language": "en", "role": "administrator", "reason": "new"}
    link = re.search(r"http://localhost(/invitations/[^<\s]+)<", post(one, "/people/invite", **wish).text)
    assert link
    path = f"/approvals/{house.value('SELECT id FROM approvals')}"
    carol = house.value("SELECT id FROM accounts WHERE name = 'Carol'")
    assert decide(other, path, "approve").location == path
    assert "once the person has set up the account" in other.get(path).text
    assert grants(house, carol) == []
    client = house.client(Role.CONSOLE)
    accept(client, link[1])
    connect_app(client)
    assert decide(other, path, "approve").location == "/approvals?state=pending"
    assert grants(house, carol) == [("administrator", None, None)]
    waiting = make.account(role="administrator", enrolled_at=None)
    assert post(one, f"/people/{waiting}/invitation").status_code == 404
    assert "Make a new link" not in one.get(f"/people/{waiting}").text


def test_requests_of_somebody_whose_account_is_closed_are_taken_back(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    third, person = make.account(role="administrator"), make.account(role=None)
    path = asked(enter(house, third), person)
    with house.acting(Role.CONSOLE):
        email = house.value("SELECT email FROM accounts WHERE id = :i", i=third)
        house.app(Role.CONSOLE).test_cli_runner().invoke(args=["close-account", email])
    assert decide(enter(house, chiefs[0]), path, "approve").location == path
    assert grants(house, person) == []


def test_two_who_ask_at_once_make_one_request(own_database: House, make_own: Factory) -> None:
    house = own_database
    asker, person = make_own.account(role="administrator"), make_own.account(role=None)
    clients = [enter(house, asker) for _ in range(2)]
    tokens = [hidden(client.get("/me").text, "csrf_token") for client in clients]
    for attempt in range(5):
        together = Barrier(2)

        def go(
            number: int, together: Barrier = together, country: str = ("PL", "LT", "GE", "DE", "SE")[attempt]
        ) -> int:
            together.wait(10)
            data = {"csrf_token": tokens[number], **ASKS, "country": country}
            return clients[number].post(f"/people/{person}/grants", data=data).status_code

        with ThreadPoolExecutor() as pool:
            assert list(pool.map(go, range(2))) == [303, 303]
    assert house.value("SELECT count(*) FROM approvals") == 5


def test_the_delay_is_forty_eight_hours(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    decide(other, asked_for_reset(one, make.account(role=None)), "approve")
    assert house.value("SELECT due_at - decided_at = interval '48 hours' FROM approvals")


@pytest.mark.parametrize("when", ["before the approval", "after it"])
def test_the_owner_can_say_no(house: House, make: Factory, chiefs: tuple[int, int], when: str) -> None:
    one, other = (enter(house, chief) for chief in chiefs)
    person = make.account(role=None)
    path = asked_for_reset(one, person)
    if when == "after it":
        decide(other, path, "approve")
    theirs = enter(house, person)
    assert "Somebody says that you have lost your second key" in theirs.get("/").text
    assert post(theirs, "/me/reset/stop").status_code == 303
    assert "have lost your second key" not in theirs.get("/").text
    if when == "before the approval":
        decide(other, path, "approve")
    house.sql("UPDATE approvals SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL")
    assert post(one, f"/people/{person}/reset/carry-out").status_code == 404
    assert theirs.get("/").status_code == 200


# --- Somebody outside asks ---------------------------------------------------------------------------------------------------

OUTSIDE = {
    "name": "Zmicier",
    "email": "Z@Example.org",
    "country": "GE",
    "city": "Batumi",
    "message": "We are twelve here.",
}


def ask_outside(house: House, **changes: str) -> Any:
    client = house.client(Role.CONSOLE)
    csrf = hidden(client.get("/request-account").text, "csrf_token")
    return client.post("/request-account", data={"csrf_token": csrf, **OUTSIDE, **changes})


def test_a_request_for_an_account_is_approved_and_answered_by_mail(
    house: House, make: Factory, chiefs: tuple[int, int]
) -> None:
    assert ask_outside(house).location == "/request-account/sent"
    chief = enter(house, chiefs[0])
    path = re.search(r'href="(/approvals/[0-9a-f-]{36})"', chief.get("/approvals?state=pending").text)
    assert path
    page = chief.get(path[1]).text
    for shown in ("Zmicier, Batumi, Georgia", "z@example.org", "We are twelve here."):
        assert shown in page
    assert decide(chief, path[1], "approve").status_code == 303
    assert house.value("SELECT count(*) FROM account_requests") == 0, "what was written is erased"
    house.drain()
    [mail] = [mail for mail in mails(house) if mail["news"] == "invited"]
    assert mail["to"] == "z@example.org"
    client = house.client(Role.CONSOLE)
    accept(client, mail["link"].removeprefix("http://localhost"))
    connect_app(client)
    assert "Organiser, Georgia" in client.get("/").text
    assert chief.get(path[1]).status_code == 200


def test_a_coordinator_decides_about_organisers_of_their_own_country(house: House, make: Factory) -> None:
    own = make.account(role="coordinator", country="GE")
    foreign = make.account(role="coordinator", country="LT")
    of_one_petition = make.account(make.petition(), role="coordinator", country="GE")
    ask_outside(house)
    path = f"/approvals/{house.value('SELECT id FROM approvals')}"
    assert [enter(house, one).get(path).status_code for one in (foreign, of_one_petition)] == [404, 404]
    assert decide(enter(house, own), path, "approve").status_code == 303
    assert house.value("SELECT country_code FROM grants WHERE role = 'organiser'") == "GE"


def test_a_refused_request_is_answered_and_erased(house: House, make: Factory, chiefs: tuple[int, int]) -> None:
    ask_outside(house)
    approval = house.value("SELECT id FROM approvals")
    decide(enter(house, chiefs[0]), f"/approvals/{approval}", "refuse", "Please come with a friend.")
    house.drain()
    *_calls, mail = mails(house)
    assert (mail["news"], mail["reason"]) == ("request_refused", "Please come with a friend.")
    assert house.value("SELECT count(*) FROM account_requests") == 0
    assert "z@example.org" not in str(house.sql("SELECT * FROM audit").all())


def test_a_request_tells_nothing_about_who_has_an_account(house: House, make: Factory) -> None:
    make.account(email="z@example.org")
    known, unknown = ask_outside(house), ask_outside(house, email="nobody@example.org")
    assert (known.status_code, known.data) == (unknown.status_code, unknown.data)
    assert house.value("SELECT count(*) FROM account_requests") == 2


@pytest.mark.parametrize(
    "changed", [{"email": "no"}, {"name": " "}, {"country": "XX"}, {"city": ""}, {"message": "\n"}]
)
def test_a_request_that_is_not_whole_says_what_is_missing(house: House, changed: dict[str, str]) -> None:
    answer = ask_outside(house, **changed)
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert "We are twelve here." in answer.text or "message" in changed


def test_requests_are_slowed(house: House) -> None:
    assert [ask_outside(house, email=f"n{n}@example.org").status_code for n in range(6)] == [303] * 5 + [429]


def test_the_purge_erases_requests_nobody_decided(house: House, make: Factory) -> None:
    from accounts.notices import forget_account_requests

    ask_outside(house)
    house.sql("UPDATE account_requests SET created_at = now() - interval '8 days'")
    with house.inside(Role.WORKER):
        forget_account_requests()
    assert house.value("SELECT count(*) FROM account_requests") == 0


# --- Exports ---------------------------------------------------------------------------------------------------------------


def test_a_bundle_waits_for_a_second_person(house: House, make: Factory) -> None:
    petition = make.petition()
    counted(house, make.slug(petition))
    asker, second = enter(house, make.account(petition)), enter(house, make.account(petition, role="reviewer"))
    addressee = house.value("SELECT id FROM addressees WHERE country_code = 'PL'")
    bundle = post(asker, f"/petitions/{petition}/addressees/{addressee}/bundles", level="names").location
    assert "A second person has to agree" in asker.get(bundle).text
    assert "Refresh" not in asker.get(bundle).headers
    write_logs(house, 1)
    with house.inside(Role.WORKER):
        claims.settle_requests()
        assert claims.freeze_next() is None
    path = re.search(r'href="(/approvals/[0-9a-f-]{36})"', asker.get(bundle).text)
    assert path
    assert decide(asker, path[1], "approve").status_code == 403
    page = second.get(path[1]).text
    assert '<span lang="en">Ministry of PL</span>: 1 signature' in page
    assert decide(second, path[1], "approve").status_code == 303
    with house.inside(Role.WORKER):
        claims.settle_requests()
    assert house.value("SELECT state FROM bundles") == "approved"


def test_a_refused_bundle_says_why(house: House, make: Factory) -> None:
    petition = make.petition()
    counted(house, make.slug(petition))
    asker, second = enter(house, make.account(petition)), enter(house, make.account(petition))
    addressee = house.value("SELECT id FROM addressees WHERE country_code = 'PL'")
    bundle = post(asker, f"/petitions/{petition}/addressees/{addressee}/bundles", level="names").location
    decide(second, f"/approvals/{house.value('SELECT id FROM approvals')}", "refuse", "Not before Monday.")
    assert "Not before Monday." in asker.get(bundle).text
    with house.inside(Role.WORKER):
        claims.settle_requests()
    assert house.value("SELECT state FROM bundles") == "refused"
    assert "Not before Monday." in asker.get(bundle).text


def test_a_bundle_that_the_console_itself_calls_approved_is_not_built(house: House, make: Factory) -> None:
    """Whoever takes the console over can write a bundle's state, but no decision of two people without both of them."""
    petition = make.petition()
    counted(house, make.slug(petition))
    write_logs(house, 1)
    addressee = house.value("SELECT id FROM addressees WHERE country_code = 'PL'")
    with house.acting(Role.CONSOLE):
        house.sql(
            "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by) VALUES (gen_random_uuid(), :p, :a, 'approved', :w)",
            p=petition, a=addressee, w=make.account(petition),
        )  # fmt: skip
    with house.inside(Role.WORKER):
        assert claims.freeze_next() is None
        claims.settle_requests()
    assert house.value("SELECT state FROM bundles") == "refused"


def test_asking_for_a_bundle_and_taking_it_away_are_written_down(
    own_database: House, make_own: Factory, tmp_path: Path
) -> None:
    house = own_database
    studio = Studio(house)
    studio.configure(bundle_dir=tmp_path)
    petition = make_own.petition()
    counted(house, make_own.slug(petition))
    account, second = make_own.account(petition), make_own.account(petition)
    client = enter(house, account)
    addressee = house.value("SELECT id FROM addressees WHERE country_code = 'PL'")
    bundle = post(client, f"/petitions/{petition}/addressees/{addressee}/bundles", level="names").location
    decide(enter(house, second), f"/approvals/{house.value('SELECT id FROM approvals')}", "approve")
    assert not studio.build()
    post(client, f"{bundle}/downloads")
    rows = house.sql(
        "SELECT action, actor_id, petition_id, country_code, object_id FROM audit WHERE object_kind = 'bundle' ORDER BY seq"
    )
    place = (petition, "PL", bundle.rpartition("/")[2])
    assert [tuple(row) for row in rows] == [
        ("approval.requested", account, *place), ("approval.approved", second, *place), ("bundle.taken", account, *place),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["no address", "--name", "X"], "not an e-mail address"),
        (["x@example.org", "--name", "X", "--role", "administrator", "--country", "PL"], "one for everything"),
        (["x@example.org", "--name", "X", "--role", "reviewer", "--country", "Poland"], "Invalid value"),
        (["x@example.org", "--name", "X", "--role", "reviewer", "--petition", "999"], "no petition of this number"),
        (["known@example.org", "--name", "X"], "set up already"),
        (["new@example.org", "--name", "X", "--role", "reviewer"], "invited already"),
    ],
)
def test_the_command_line_says_what_is_wrong(house: House, make: Factory, options: list[str], sentence: str) -> None:
    make.account(email="known@example.org")
    make.account(email="new@example.org", enrolled_at=None, role=None)
    with house.acting(Role.CONSOLE):
        done = house.app(Role.CONSOLE).test_cli_runner().invoke(args=["invite", *options])
    assert done.exit_code != 0
    assert sentence in done.output
    assert house.value("SELECT count(*) FROM invitations") == 0
