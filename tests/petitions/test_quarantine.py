"""What people decide about signatures that were held back, and what the worker makes of it: released, rejected, undone."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from accounts.permissions import RULES, Action, Proof
from core.config import Role
from core.extensions import db
from delivery import claims
from petitions import quarantine
from petitions.rules import ALONE_A_DAY
from tests.conftest import House
from tests.factories import Factory, enter, hidden, log_in, post, press, token, write_logs
from tests.petitions.test_bursts import NETWORK, arrive, care, confirm_all, states
from tests.petitions.test_intake import fsck

pytestmark = pytest.mark.usefixtures("small_bursts")


@pytest.fixture
def flood(house: House, petition: int) -> int:
    """Ten signatures that are held back, four of them confirmed. Returns the petition."""
    arrive(house, petition, 4, network=NETWORK)
    confirm_all(house)
    arrive(house, petition, 6, network=NETWORK)
    care(house)
    assert states(house) == {"quarantined": 10}
    return petition


@pytest.fixture
def reviewer(house: House, make: Factory, petition: int) -> FlaskClient:
    return log_in(house, make, petition, role="reviewer")


def group_of(house: House) -> str:
    burst = house.value("SELECT id FROM bursts")
    return f"network_burst-{burst}" if burst else house.value("SELECT reasons[1] FROM holds")


def decide(house: House, client: FlaskClient, petition: int, kind: str, *, query: str = "", **data: Any) -> Any:
    path = f"/petitions/{petition}/held/{group_of(house)}{query}"
    page = client.get(path)
    assert page.status_code == 200, page.location
    values = {"kind": kind, "shown_at": hidden(page.text, "shown_at"), **data}
    return post(client, path, **values)


def held_ids(house: House) -> list[str]:
    return [str(one) for one in house.sql("SELECT signature_id FROM holds ORDER BY 1").scalars()]


def test_the_groups_show_what_waits_and_no_name(house: House, flood: int, reviewer: FlaskClient) -> None:
    page = reviewer.get(f"/petitions/{flood}/held").text
    assert "More from one network within an hour than people send" in page
    row = re.search(r"<tr role=\"row\">\s*<th role=\"rowheader\".*?</tr>", page, re.DOTALL)
    assert row
    assert re.findall(r'class="numeric"[^>]*>(\d+)<', row.group()) == ["10", "4", "1"]
    listed = reviewer.get(f"/petitions/{flood}/held/{group_of(house)}").text
    assert listed.count('name="row"') == 10
    assert "gmail.com" in listed
    for secret in ("Volha", "@gmail.com", "Białystok"):
        assert secret not in listed


def test_released_signatures_count_or_are_asked_to_confirm(house: House, flood: int, reviewer: FlaskClient) -> None:
    before = house.value("SELECT count(*) FROM outbox")
    assert decide(house, reviewer, flood, "release-all").status_code == 303
    care(house)
    assert states(house) == {"counted": 4, "pending": 6}
    assert house.value("SELECT count(*) FROM outbox") == before + 6
    assert house.value("SELECT count(*) FROM signatures WHERE state = 'pending' AND asked_at IS NOT NULL") == 6
    confirm_all(house)
    assert states(house) == {"counted": 10}
    assert house.value("SELECT count(*) FROM signatures WHERE reason IS NOT NULL") == 0
    assert house.value("SELECT state FROM decisions") == "done"
    assert fsck(house) == {}


def test_rejected_signatures_do_not_count_and_are_erased_when_it_cannot_be_undone(
    house: House, flood: int, reviewer: FlaskClient
) -> None:
    assert decide(house, reviewer, flood, "reject-all").status_code == 303
    care(house)
    assert states(house) == {"rejected": 10}
    assert house.value("SELECT count(*) FROM signatures WHERE sealed IS NOT NULL AND reason = 'by_people'") == 10
    assert fsck(house) == {}
    forget(house)
    assert house.value("SELECT count(*) FROM row_keys") == 10
    house.sql("UPDATE decisions SET done_at = now() - interval '7 days 1 minute'")
    forget(house)
    assert house.value("SELECT count(*) FROM signatures WHERE sealed IS NOT NULL OR mailbox_hmac IS NOT NULL") == 0
    assert house.value("SELECT (SELECT count(*) FROM row_keys) + (SELECT count(*) FROM holds)") == 0
    assert fsck(house) == {}


def forget(house: House) -> None:
    with house.inside(Role.WORKER):
        now = house.value("SELECT now()")
        for step in (quarantine.forget_decided, quarantine.expire_held):
            while step(now):
                db.session.commit()


@pytest.mark.parametrize("kind", ["release", "reject"])
def test_a_decision_is_undone(house: House, flood: int, reviewer: FlaskClient, kind: str) -> None:
    decide(house, reviewer, flood, f"{kind}-all")
    care(house)
    confirm_all(house)
    decision = house.value("SELECT id FROM decisions")
    assert post(reviewer, f"/petitions/{flood}/held/decisions/{decision}/undo").status_code == 303
    care(house)
    assert states(house) == {"quarantined": 10}
    assert house.value("SELECT state FROM decisions") == "undone"
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == 10
    assert house.value("SELECT count(*) FROM public_names") == 0
    assert fsck(house) == {}
    again = post(reviewer, f"/petitions/{flood}/held/decisions/{decision}/undo")
    assert "can no longer be undone" in reviewer.get(again.location).text


def test_it_cannot_be_undone_after_seven_days(house: House, flood: int, reviewer: FlaskClient) -> None:
    decide(house, reviewer, flood, "reject-all")
    care(house)
    house.sql("UPDATE decisions SET done_at = now() - interval '8 days'")
    decision = house.value("SELECT id FROM decisions")
    post(reviewer, f"/petitions/{flood}/held/decisions/{decision}/undo")
    assert house.value("SELECT state FROM decisions") == "done"


def test_some_are_chosen_and_the_others_wait(house: House, flood: int, reviewer: FlaskClient) -> None:
    first = held_ids(house)[:3]
    assert decide(house, reviewer, flood, "reject-chosen", row=[*first, "no number", str(uuid4())]).status_code == 303
    care(house)
    assert states(house) == {"rejected": 3, "quarantined": 7}
    rejected = house.sql("SELECT id FROM signatures WHERE state = 'rejected'").scalars()
    assert {str(one) for one in rejected} == set(first)


def test_nothing_chosen_changes_nothing(house: House, flood: int, reviewer: FlaskClient) -> None:
    answer = decide(house, reviewer, flood, "release-chosen")
    assert answer.status_code == 303
    assert "Tick a signature first" in reviewer.get(answer.location).text
    assert house.value("SELECT count(*) FROM decisions") == 0


def test_all_that_a_filter_leaves(house: House, flood: int, reviewer: FlaskClient) -> None:
    decide(house, reviewer, flood, "release-all", query="?confirmed=yes")
    care(house)
    assert states(house) == {"counted": 4, "quarantined": 6}


def test_what_came_after_the_list_was_shown_is_not_decided_with_it(
    house: House, flood: int, reviewer: FlaskClient
) -> None:
    house.sql("UPDATE holds SET held_at = now() + interval '1 second' WHERE confirmed")
    decide(house, reviewer, flood, "release-all")
    care(house)
    assert states(house) == {"pending": 6, "quarantined": 4}


@pytest.mark.parametrize("kind", ["", "release", "burn-all", "release-some", "-all"])
def test_an_unknown_wish_changes_nothing(house: House, flood: int, reviewer: FlaskClient, kind: str) -> None:
    assert decide(house, reviewer, flood, kind).status_code == 422
    assert house.value("SELECT count(*) FROM decisions") == 0


def test_a_moment_that_cannot_be_read_decides_about_nothing(house: House, flood: int, reviewer: FlaskClient) -> None:
    decide(house, reviewer, flood, "release-all", shown_at="yesterday")
    assert house.value("SELECT count(*) FROM decisions") == 0


def test_more_than_fifty_take_a_second_person_and_a_reason(
    house: House, petition: int, reviewer: FlaskClient, make: Factory
) -> None:
    arrive(house, petition, ALONE_A_DAY + 1, network=NETWORK)
    answer = decide(house, reviewer, petition, "release-all")
    assert answer.status_code == 422
    assert "who has to be told why" in answer.text
    assert house.value("SELECT count(*) FROM decisions") == 0
    assert decide(house, reviewer, petition, "release-all", reason="A square full of people").status_code == 303
    care(house)
    assert states(house) == {"quarantined": ALONE_A_DAY + 1}
    decision = house.value("SELECT id FROM decisions WHERE state = 'waiting'")
    approval = house.value("SELECT id FROM approvals WHERE object_id = :d", d=str(decision))
    assert post(reviewer, f"/approvals/{approval}", decision="approve").status_code == 403
    second = log_in(house, make, petition, role="reviewer")
    assert f"Release {ALONE_A_DAY + 1} signatures" in second.get("/approvals").text
    page = second.get(f"/petitions/{petition}/held/decisions/{decision}").text
    assert "gmail.com" in page
    assert post(second, f"/approvals/{approval}", decision="approve").status_code == 303
    care(house)
    assert states(house) == {"pending": ALONE_A_DAY + 1}
    assert fsck(house) == {}


def test_fifty_in_a_day_are_one_persons_and_not_fifty_each_time(
    house: House, petition: int, reviewer: FlaskClient
) -> None:
    arrive(house, petition, ALONE_A_DAY + 1, network=NETWORK)
    first, rest = held_ids(house)[:30], held_ids(house)[30:]
    assert decide(house, reviewer, petition, "reject-chosen", row=first).status_code == 303
    care(house)
    assert decide(house, reviewer, petition, "reject-chosen", row=rest).status_code == 422
    assert decide(house, reviewer, petition, "reject-chosen", row=rest[:20]).status_code == 303
    care(house)
    assert states(house) == {"rejected": ALONE_A_DAY, "quarantined": 1}
    house.sql("UPDATE decisions SET requested_at = requested_at - interval '25 hours'")
    assert decide(house, reviewer, petition, "reject-chosen", row=rest[20:]).status_code == 303
    assert house.value("SELECT count(*) FROM decisions WHERE state = 'ready'") == 1


def test_the_worker_does_not_obey_a_decision_that_nobody_agreed_to(house: House, petition: int, make: Factory) -> None:
    """Whoever could write into the console's tables would still need two people."""
    arrive(house, petition, ALONE_A_DAY + 1, network=NETWORK)
    account = make.account(petition, role="reviewer")
    decision = uuid4()
    house.sql(
        "INSERT INTO decisions (id, petition_id, kind, reason, total, state, requested_by)"
        " VALUES (:d, :p, 'release', 'network_burst', 1, 'ready', :a)",
        d=decision,
        p=petition,
        a=account,
    )
    house.sql("UPDATE holds SET decision_id = :d", d=decision)
    care(house)
    assert states(house) == {"quarantined": ALONE_A_DAY + 1}
    assert house.value("SELECT state FROM decisions") == "refused"
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == ALONE_A_DAY + 1


@pytest.mark.parametrize("how", ["refuse", "withdraw", "run out"])
def test_what_the_second_person_does_not_agree_to_waits_again(
    house: House, petition: int, reviewer: FlaskClient, make: Factory, how: str
) -> None:
    arrive(house, petition, ALONE_A_DAY + 1, network=NETWORK)
    decide(house, reviewer, petition, "reject-all", reason="They are all the same")
    approval = house.value("SELECT id FROM approvals ORDER BY requested_at DESC LIMIT 1")
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == 0
    if how == "refuse":
        second = log_in(house, make, petition, role="reviewer")
        assert post(second, f"/approvals/{approval}", decision="refuse", reason="They are not").status_code == 303
    elif how == "withdraw":
        assert post(reviewer, f"/approvals/{approval}/withdraw").status_code == 303
    else:
        house.sql("UPDATE approvals SET expires_at = now() - interval '1 minute'")
        with house.inside(Role.WORKER):
            quarantine.drop_abandoned()
            db.session.commit()
    care(house)
    assert house.value("SELECT state FROM decisions") == "refused"
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == ALONE_A_DAY + 1
    assert states(house) == {"quarantined": ALONE_A_DAY + 1}


def test_every_step_is_written_down(house: House, flood: int, reviewer: FlaskClient) -> None:
    decide(house, reviewer, flood, "release-all")
    care(house)
    decision = house.value("SELECT id FROM decisions")
    post(reviewer, f"/petitions/{flood}/held/decisions/{decision}/undo")
    rows = house.sql("SELECT action, object_id, details FROM audit WHERE action LIKE 'held.%' ORDER BY seq").all()
    assert [(row.action, row.object_id) for row in rows] == [
        ("held.released", str(decision)),
        ("held.undone", str(decision)),
    ]
    assert "10" in rows[0].details


def test_only_reviewers_of_this_petition_see_any_of_it(house: House, flood: int, make: Factory) -> None:
    other = make.petition(countries=())
    group = group_of(house)
    for account in (
        make.account(flood, role="coordinator"),
        make.account(other, role="reviewer"),
        make.account(None, role="administrator"),
    ):
        client = enter(house, account)
        for path in ("held", f"held/{group}", f"held/decisions/{uuid4()}"):
            assert client.get(f"/petitions/{flood}/{path}").status_code in (403, 404), (account, path)
        assert post(client, f"/petitions/{flood}/held/{group}", kind="release-all").status_code in (403, 404)
    assert house.value("SELECT count(*) FROM decisions") == 0


def test_deciding_takes_a_fresh_passkey() -> None:
    assert RULES[Action.DECIDE_HELD].proof is Proof.FRESH_PASSKEY


def test_a_decision_of_another_petition_is_not_found(
    house: House, flood: int, reviewer: FlaskClient, make: Factory
) -> None:
    decide(house, reviewer, flood, "release-all")
    decision = house.value("SELECT id FROM decisions")
    other = make.petition(countries=())
    client = log_in(house, make, other, role="reviewer")
    assert client.get(f"/petitions/{other}/held/decisions/{decision}").status_code == 404
    assert post(client, f"/petitions/{other}/held/decisions/{decision}/undo").status_code == 404


def test_a_group_that_is_empty_leads_back(house: House, petition: int, reviewer: FlaskClient) -> None:
    answer = reviewer.get(f"/petitions/{petition}/held/trap")
    assert (answer.status_code, answer.location) == (303, f"/petitions/{petition}/held")
    assert "Nothing of this group waits" in reviewer.get(answer.location).text
    assert "Nothing is held back" in reviewer.get(f"/petitions/{petition}/held").text


def test_whoever_is_held_back_can_still_look_and_leave(house: House, flood: int) -> None:
    one = house.value("SELECT id FROM signatures WHERE confirmed_at IS NOT NULL LIMIT 1")
    client = house.client()
    answer = press(client, f"/mine/{token(house, 'mine', one)}")
    house.drain()
    assert "Held back" in client.get(answer.location).text
    press(client, f"/withdraw/{token(house, 'withdraw', one)}")
    house.drain()
    assert states(house) == {"quarantined": 9, "withdrawn": 1}
    assert fsck(house) == {}


def test_whoever_was_rejected_can_still_have_it_erased(house: House, flood: int, reviewer: FlaskClient) -> None:
    decide(house, reviewer, flood, "reject-all")
    care(house)
    one = house.value("SELECT id FROM signatures LIMIT 1")
    press(house.client(), f"/withdraw/{token(house, 'withdraw', one)}")
    house.drain()
    assert states(house) == {"rejected": 9, "withdrawn": 1}
    decision = house.value("SELECT id FROM decisions")
    post(reviewer, f"/petitions/{flood}/held/decisions/{decision}/undo")
    care(house)
    assert states(house) == {"quarantined": 9, "withdrawn": 1}
    assert fsck(house) == {}


def test_a_released_signature_whose_mailbox_is_counted_meanwhile_is_a_duplicate(
    house: House, petition: int, reviewer: FlaskClient
) -> None:
    [email] = arrive(house, petition, 1, trap=True)
    first = house.value("SELECT id FROM signatures")
    press(house.client(), f"/confirm/{token(house, 'confirm', first)}")
    house.drain()
    local, _, domain = email.partition("@")
    again(house, petition, f"{local}+x@{domain}")
    second = house.value("SELECT id FROM signatures WHERE state = 'pending'")
    press(house.client(), f"/confirm/{token(house, 'confirm', second)}")
    house.drain()
    decide(house, reviewer, petition, "release-all")
    care(house)
    assert states(house) == {"counted": 1, "duplicate": 1}
    assert fsck(house) == {}


def again(house: House, petition: int, email: str) -> UUID:
    """Somebody signs with a given address."""
    from tests.factories import sign

    assert (
        sign(
            house.client(), house.value("SELECT slug FROM petitions WHERE id = :p", p=petition), email=email
        ).status_code
        == 303
    )
    house.drain()
    return house.value("SELECT id FROM signatures ORDER BY received_at DESC LIMIT 1")


def test_held_addresses_that_nobody_confirmed_or_decided_about_are_erased(house: House, flood: int) -> None:
    house.sql("UPDATE holds SET held_at = now() - interval '30 days'")
    forget(house)
    assert states(house) == {"quarantined": 4, "expired": 6}
    assert fsck(house) == {}


def test_the_desk_tells_reviewers_what_waits(house: House, flood: int, reviewer: FlaskClient) -> None:
    assert "10 signatures are held back" in reviewer.get("/").text


def test_bundles_that_hold_what_is_held_back_are_built_anew(house: House, petition: int, make: Factory) -> None:
    arrive(house, petition, 4, network=NETWORK)
    confirm_all(house)
    write_logs(house, 1)
    account = make.account(petition)
    house.sql(
        "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by)"
        " SELECT gen_random_uuid(), :p, id, 'approved', :a FROM addressees WHERE country_code = 'PL'",
        p=petition,
        a=account,
    )
    make.agreement(house.value("SELECT id FROM bundles"), account)
    with house.inside(Role.WORKER):
        assert claims.freeze_next() is not None
    assert house.sql("SELECT state, signatures FROM bundles").one() == ("building", 4)
    arrive(house, petition, 6, network=NETWORK)
    care(house)
    assert house.sql("SELECT state, signatures FROM bundles").one() == ("approved", None)
    assert house.value("SELECT count(*) FROM bundle_lines") == 0
