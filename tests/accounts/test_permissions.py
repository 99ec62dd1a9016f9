"""One table says who may do what. Every route, for every role, on one's own petition and country and on foreign ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from accounts.models import StaffRole
from accounts.permissions import RULES, Action, Proof, may, may_in_petition, may_somewhere
from core.config import Role
from core.security import CONSOLE_CSP, EVERYBODY, HEADERS, declared_entry
from tests.conftest import House
from tests.factories import Factory, enter, hidden
from tests.pickets.factories import VILNIUS, WARSAW, city, picket

SCOPED = {
    Action.SEE_PETITION, Action.REQUEST_BUNDLE, Action.DECIDE_BUNDLE, Action.TAKE_BUNDLE, Action.SEARCH_SIGNATURE,
    Action.EDIT_PETITION, Action.REVIEW_PETITION, Action.TAKE_DOWN, Action.SEE_PICKETS, Action.ANNOUNCE_PICKET,
}  # fmt: skip
"""Actions on something of one petition and country."""


def test_every_action_has_a_rule_and_every_route_an_action(house: House) -> None:
    assert set(RULES) == set(Action)
    app = house.app(Role.CONSOLE)
    declared = {declared_entry(app, endpoint) for endpoint in app.view_functions}
    assert declared <= {EVERYBODY, *Action}
    # These are asked by the kinds of approvals, behind the door of DECIDE.
    by_kind = {
        Action.DECIDE_BUNDLE,
        Action.DECIDE_PEOPLE,
        Action.DECIDE_PICKET,
        Action.DECIDE_PHOTO,
        Action.DECIDE_ORGANISER,
    }
    assert {*Action} - declared == by_kind


def test_what_leads_to_names_keys_and_roles_asks_for_a_fresh_passkey() -> None:
    for action in (
        Action.REQUEST_BUNDLE,
        Action.DECIDE_BUNDLE,
        Action.TAKE_BUNDLE,
        Action.MANAGE_PEOPLE,
        Action.DECIDE_PEOPLE,
        Action.DECIDE_PICKET,
        Action.DECIDE_PHOTO,
        Action.DECIDE_ORGANISER,
        Action.DECIDE,
        Action.REVIEW_PETITION,
        Action.TAKE_DOWN,
    ):
        assert RULES[action].proof is Proof.FRESH_PASSKEY, action
    for action, rule in RULES.items():
        if rule.roles and StaffRole.ADMINISTRATOR in rule.roles:
            assert rule.proof in (Proof.PASSKEY, Proof.FRESH_PASSKEY), f"{action}: administrators use passkeys"
    assert RULES[Action.CHANGE_OWN_KEYS].proof is Proof.FRESH_BEST


@dataclass
class World:
    """Bundles with a download and an approval: one's own, one of a foreign petition to one's own ministry, one of one's own
    petition to a foreign ministry."""

    house: House
    own: dict[str, Any]
    foreign: dict[str, dict[str, Any]]


@pytest.fixture
def world(house: House, make: Factory) -> World:
    asker = make.account(role=None)
    own, other = make.petition(countries=("PL",)), make.petition(countries=())
    make.addressee("LT")

    def things(petition: int, country: str) -> dict[str, Any]:
        addressee = house.value("SELECT id FROM addressees WHERE country_code = :c", c=country)
        house.sql("INSERT INTO petition_addressees VALUES (:p, :a) ON CONFLICT DO NOTHING", p=petition, a=addressee)
        bundle, download, approval, decision = uuid4(), uuid4(), uuid4(), uuid4()
        house.sql(
            "INSERT INTO bundles (id, petition_id, addressee_id, requested_by) VALUES (:b, :p, :a, :w)",
            b=bundle, p=petition, a=addressee, w=asker,
        )  # fmt: skip
        house.sql(
            "INSERT INTO downloads (id, bundle_id, account_id, answer_key) VALUES (:d, :b, :w, 'none')",
            d=download,
            b=bundle,
            w=asker,
        )
        house.sql(
            "INSERT INTO approvals (id, kind, object_id, petition_id, country_code, details, reason, requested_by, expires_at)"
            " VALUES (:i, 'bundle', :b, :p, :c, '{}', '', :w, now() + interval '1 day')",
            i=approval, b=str(bundle), p=petition, c=country, w=asker,
        )  # fmt: skip
        house.sql(
            "INSERT INTO decisions (id, petition_id, kind, reason, total, state) VALUES (:d, :p, 'reject', 'trap', 1, 'done')",
            d=decision,
            p=petition,
        )
        city_id = city(house, **(WARSAW if country == "PL" else VILNIUS))
        here = picket(house, make, petition_id=petition, addressee_id=addressee, city_id=city_id)
        for account in house.sql("SELECT id FROM accounts").scalars().all():
            house.sql(
                "INSERT INTO picket_organisers (picket_id, account_id, accepted_at) VALUES (:p, :a, now())",
                p=here,
                a=account,
            )
        return {
            "picket_id": here, "petition_id": petition, "addressee_id": addressee, "bundle_id": bundle, "download_id": download,
            "approval_id": approval, "event_id": uuid4(), "country": country, "decision_id": decision,
        }  # fmt: skip

    return World(
        house, things(own, "PL"), {"foreign petition": things(other, "PL"), "foreign country": things(own, "LT")}
    )


def filled(rule: Rule, things: dict[str, Any], person: int) -> str:
    values = {
        **things,
        "account_id": person,
        "grant_id": 1,
        "passkey_id": UUID(int=1),
        "session_id": UUID(int=1),
        "filename": "site.css",
        "token": "x",
        "language": "pl",
        "signatory_id": 1,
        "news_id": UUID(int=1),
        "direction": "up",
        "group": "trap",
        "shift_id": UUID(int=1),
        "photo_id": UUID(int=1),
        "kind": "poster_a4",
        "letter_kind": "cover",
        "answer": "accept",
    }
    return rule.build({name: values[name] for name in rule.arguments})[1]  # type: ignore[index]  # None only for what is missing.


def knock(client: FlaskClient, method: str, path: str, csrf: str) -> int:
    """The status; whatever it is, the headers that protect the page are there."""
    # With what bundles are asked for and told of, so that their forms are valid.
    data = {"csrf_token": csrf, "level": "names", "day": "2026-11-20"}
    response = client.open(path, method=method, data=data if method == "POST" else None)
    for name, value in {**HEADERS, "Content-Security-Policy": CONSOLE_CSP, "Cache-Control": "no-store"}.items():
        assert response.headers[name] == value, f"{name} of {path}"
    return response.status_code


@pytest.mark.parametrize("role", [*StaffRole, None])
@pytest.mark.parametrize("scope", ["own", "foreign petition", "foreign country"])
def test_every_route_for_every_role_and_scope(world: World, make: Factory, role: StaffRole | None, scope: str) -> None:
    """What the table denies is refused with 403, what is of a foreign petition or country is not there: 404.

    The grant is for one petition and one country; `scope` says whose things are in the address.
    """
    house = world.house
    grant = {"petition_id": world.own["petition_id"], "country": world.own["country"]}
    if role is StaffRole.ADMINISTRATOR:
        grant = {"petition_id": None, "country": None}
    account = make.account(role=role, **grant)
    victim = make.account(role=None)
    things = world.own if scope == "own" else world.foreign[scope]
    app = house.app(Role.CONSOLE)
    client = enter(house, account)
    csrf = hidden(client.get("/me").text, "csrf_token")
    roles = [role] if role else []
    seen = 0
    for rule in app.url_map.iter_rules():
        who = declared_entry(app, rule.endpoint)
        if who == EVERYBODY or rule.endpoint == "accounts.logout":
            continue
        action = Action(who or "")
        allowed = RULES[action].roles is None or any(one in (RULES[action].roles or ()) for one in roles)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            seen += 1
            status = knock(client, method, filled(rule, things, victim), csrf)
            where = f"{method} {rule.rule} as {role} on {scope}"
            assert status < 500, where
            if not allowed:
                assert status == 403, where
            elif scope != "own" and role is not StaffRole.ADMINISTRATOR and touches_foreign(rule, action, scope):
                assert status in (403, 404), where
            else:
                assert status not in (401, 403), where
    assert seen > 30
    if scope != "own" and role is not StaffRole.ADMINISTRATOR:
        assert house.value("SELECT count(*) FROM bundles") == 3, "nothing was asked for"
        assert house.value("SELECT count(*) FROM approvals WHERE state <> 'pending'") == 0


def touches_foreign(rule: Rule, action: Action, scope: str) -> bool:
    """Whether the address names something that the grant does not cover."""
    named = set(rule.arguments) & {
        "petition_id",
        "addressee_id",
        "bundle_id",
        "download_id",
        "approval_id",
        "picket_id",
    }
    if scope == "foreign country":
        named -= {"petition_id"}  # It is one's own; what is shown of it is tested with the bundles.
    return bool(named) and (action in SCOPED or "approval_id" in named)


@pytest.mark.parametrize("role", [*StaffRole, None])
def test_the_questions_of_templates_are_those_of_the_table(house: House, make: Factory, role: StaffRole | None) -> None:
    from accounts.models import Account, Grant

    account = Account(grants=[Grant(role=role, petition_id=1, country_code="PL")] if role else [])
    for action, rule in RULES.items():
        allowed = rule.roles is None or role in rule.roles
        assert may(account, action, 1, "PL") is allowed
        assert may_somewhere(account, action) is allowed
        assert may_in_petition(account, action, 1) is allowed
        everywhere = rule.roles is None
        assert may(account, action, 2, "PL") is everywhere
        assert may(account, action, 1, "LT") is everywhere
        assert may(account, action, 1, None) is everywhere
        assert may(account, action, None, None) is everywhere
        assert may_in_petition(account, action, 2) is everywhere


def test_without_logging_in_every_door_leads_to_the_log_in(world: World, make: Factory) -> None:
    house = world.house
    app, client, victim = house.app(Role.CONSOLE), house.client(Role.CONSOLE), make.account(role=None)
    for rule in app.url_map.iter_rules():
        if declared_entry(app, rule.endpoint) == EVERYBODY:
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            response = client.open(filled(rule, world.own, victim), method=method)
            assert response.status_code in (302, 303), rule
            wanted = "/login?unsent=" if method == "POST" else "/login?next="
            assert response.location.startswith(wanted), rule


def test_a_refused_door_is_written_down(house: House, make: Factory) -> None:
    account = make.account(role="organiser")
    assert enter(house, account).get("/people").status_code == 403
    entry = house.sql("SELECT actor_id, object_id FROM audit WHERE action = 'door.denied'").one()
    assert entry == (account, "accounts_list_people")


def test_a_role_that_is_taken_away_while_its_owner_works_works_no_longer(house: House, make: Factory) -> None:
    boss, petition = make.account(role="administrator"), make.petition()
    account = make.account(petition)
    at_work, chief = enter(house, account), enter(house, boss)
    page = at_work.get(f"/petitions/{petition}")
    csrf = hidden(page.text, "csrf_token")
    removal = re.search(r'action="(/people/\d+/grants/\d+/remove)"', chief.get(f"/people/{account}").text)
    assert removal
    chief.post(removal[1], data={"csrf_token": hidden(chief.get("/me").text, "csrf_token")})
    addressee = house.value("SELECT addressee_id FROM petition_addressees WHERE petition_id = :p LIMIT 1", p=petition)
    sent = {"csrf_token": csrf, "level": "names"}
    answer = at_work.post(f"/petitions/{petition}/addressees/{addressee}/bundles", data=sent)
    assert answer.status_code == 303
    told = at_work.get(answer.location).text
    assert "what you may do was changed" in told
    assert "What you sent last was not done." in told
    assert house.value("SELECT count(*) FROM bundles") == 0
    again = enter(house, account)
    assert again.get(f"/petitions/{petition}").status_code == 403
    assert "You have no role yet" in again.get("/").text


@pytest.mark.parametrize("path", ["/people", "/audit", "/health"])
def test_an_administrator_without_a_passkey_is_asked_for_one(house: House, make: Factory, path: str) -> None:
    from tests.accounts.test_login import EMAIL, attempt

    make.account(role="administrator", email=EMAIL, with_passkey=False)
    client = house.client(Role.CONSOLE)
    assert attempt(client).status_code == 303
    page = client.get(path)
    assert page.status_code == 403
    assert "you have none yet" in page.text
    assert "Administrators need a passkey" in client.get("/").text


@pytest.mark.parametrize(
    "path",
    [
        "/people/99999999999", "/petitions/99999999999", "/petitions/99999999999/search", "/people?role=%00", "/audit?action=%00",
        "/approvals?kind=%00", "/people?endpoint=x", "/people?_method=DELETE", "/people?_anchor=x&_external=1", "/people?sort=x&page=-3",
    ],
)  # fmt: skip
def test_odd_addresses_of_the_console_are_answered_calmly(house: House, make: Factory, path: str) -> None:
    make.petition()
    account = make.account(role="administrator")
    make.grant(account, "reviewer")
    page = enter(house, account).get(path)
    assert page.status_code in (200, 404)
    assert "_external" not in page.text
