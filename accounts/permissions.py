"""Who may do what: one table, read by routes, services and templates alike. What is not in it is denied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from accounts.models import Account, Method, StaffRole, StaffSession
from core.security import open_to

View = TypeVar("View", bound=Callable[..., object])


class Action(StrEnum):
    """Everything one may be allowed to do on the console."""

    LOG_OUT = "session.end"
    SEE_CONSOLE = "console.see"
    SET_UP_OWN_KEYS = "own_keys.set_up"
    """With SEE_OWN_KEYS all that is open to somebody who has no second factor yet, but logging out."""
    SEE_OWN_KEYS = "own_keys.see"
    CHANGE_OWN_KEYS = "own_keys.change"
    CHANGE_OWN_PHRASE = "own_phrase.change"
    SEE_PETITION = "petition.see"
    REQUEST_BUNDLE = "bundle.request"
    DECIDE = "approval.decide"
    """Open the door to deciding; whether on this very request, its kind says."""
    DECIDE_BUNDLE = "bundle.decide"
    TAKE_BUNDLE = "bundle.take"
    SEARCH_SIGNATURE = "signature.search"
    CREATE_PETITION = "petition.create"
    EDIT_PETITION = "petition.edit"
    """The text, the addressees, the news: for whoever coordinates the petition in all countries."""
    REVIEW_PETITION = "petition.review"
    TAKE_DOWN = "petition.take_down"
    READ_REPORTS = "reports.read"
    SEE_HELD = "held.see"
    DECIDE_HELD = "held.decide"
    """About signatures that were held back, of petitions that one reviews."""
    SEE_PICKETS = "picket.see"
    ANNOUNCE_PICKET = "picket.announce"
    """Announce one, and look after those that one organises; coordinators, after all of their petitions and countries."""
    DECIDE_PICKET = "picket.decide"
    """Give the word that a picket needs before it is public."""
    DECIDE_PHOTO = "photo.decide"
    """Say of a photo of others that there is no face on it."""
    DECIDE_ORGANISER = "organiser.decide"
    """About people outside who ask for an account as organisers."""
    SEE_PEOPLE = "people.see"
    MANAGE_PEOPLE = "people.manage"
    DECIDE_PEOPLE = "people.decide"
    READ_AUDIT = "audit.read"
    SEE_HEALTH = "health.see"


class Proof(StrEnum):
    """How the person must have proved who they are, beyond being logged in."""

    SESSION = "session"
    PASSKEY = "passkey"
    """In this session, with a passkey."""
    FRESH_PASSKEY = "fresh_passkey"
    """Within the last minutes (accounts.models.FRESH), with a passkey."""
    FRESH_BEST = "fresh_best"
    """Within the last minutes, with a passkey or a recovery code; whoever has no passkey, in any way."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which roles allow an action, and how their holder must have proved who they are. `roles` None: whoever is logged in."""

    roles: frozenset[StaffRole] | None
    proof: Proof = Proof.SESSION
    proof_to_read: bool = False
    """Whether a fresh proof is asked for before the page is shown, and not only when it is sent: for pages whose form cannot
    go on after it, because it holds a new passphrase or the answer to a challenge."""


def _for(*roles: StaffRole) -> frozenset[StaffRole]:
    return frozenset(roles)


_ORGANISER, _COORDINATOR, _REVIEWER, _ADMINISTRATOR = StaffRole

RULES: dict[Action, Rule] = {
    Action.LOG_OUT: Rule(None),
    Action.SEE_CONSOLE: Rule(None),
    Action.SET_UP_OWN_KEYS: Rule(None, Proof.FRESH_BEST, proof_to_read=True),
    Action.SEE_OWN_KEYS: Rule(None),
    Action.CHANGE_OWN_KEYS: Rule(None, Proof.FRESH_BEST),
    Action.CHANGE_OWN_PHRASE: Rule(None, Proof.FRESH_BEST, proof_to_read=True),
    Action.SEE_PETITION: Rule(_for(_COORDINATOR, _REVIEWER)),
    Action.DECIDE: Rule(_for(_COORDINATOR, _REVIEWER, _ADMINISTRATOR), Proof.FRESH_PASSKEY),
    Action.REQUEST_BUNDLE: Rule(_for(_COORDINATOR), Proof.FRESH_PASSKEY),
    Action.DECIDE_BUNDLE: Rule(_for(_COORDINATOR, _REVIEWER, _ADMINISTRATOR), Proof.FRESH_PASSKEY),
    Action.TAKE_BUNDLE: Rule(_for(_COORDINATOR), Proof.FRESH_PASSKEY),
    Action.SEARCH_SIGNATURE: Rule(_for(_REVIEWER), Proof.PASSKEY),
    Action.CREATE_PETITION: Rule(_for(_COORDINATOR, _ADMINISTRATOR), Proof.PASSKEY),
    Action.EDIT_PETITION: Rule(_for(_COORDINATOR)),
    Action.REVIEW_PETITION: Rule(_for(_REVIEWER), Proof.FRESH_PASSKEY),
    Action.TAKE_DOWN: Rule(_for(_REVIEWER, _ADMINISTRATOR), Proof.FRESH_PASSKEY),
    Action.READ_REPORTS: Rule(_for(_REVIEWER)),
    Action.SEE_HELD: Rule(_for(_REVIEWER), Proof.PASSKEY),
    Action.DECIDE_HELD: Rule(_for(_REVIEWER), Proof.FRESH_PASSKEY),
    Action.SEE_PICKETS: Rule(_for(_ORGANISER, _COORDINATOR)),
    Action.ANNOUNCE_PICKET: Rule(_for(_ORGANISER, _COORDINATOR)),
    Action.DECIDE_PICKET: Rule(_for(_COORDINATOR), Proof.FRESH_PASSKEY),
    Action.DECIDE_PHOTO: Rule(_for(_COORDINATOR), Proof.FRESH_PASSKEY),
    Action.DECIDE_ORGANISER: Rule(_for(_COORDINATOR, _ADMINISTRATOR), Proof.FRESH_PASSKEY),
    Action.SEE_PEOPLE: Rule(_for(_ADMINISTRATOR), Proof.PASSKEY),
    Action.MANAGE_PEOPLE: Rule(_for(_ADMINISTRATOR), Proof.FRESH_PASSKEY),
    Action.DECIDE_PEOPLE: Rule(_for(_ADMINISTRATOR), Proof.FRESH_PASSKEY),
    Action.READ_AUDIT: Rule(_for(_ADMINISTRATOR), Proof.PASSKEY),
    Action.SEE_HEALTH: Rule(_for(_ADMINISTRATOR), Proof.PASSKEY),
}


def needs(action: Action) -> Callable[[View], View]:
    """Declare what whoever enters a view must be allowed to do, there or somewhere. Services ask about the very object."""
    return open_to(action)


def may(account: Account, action: Action, petition_id: int | None, country_code: str | None) -> bool:
    """Whether a grant of this account allows an action on this petition and country.

    What belongs to no petition (None) is covered by grants for all petitions alone, and likewise for countries.
    """
    roles = RULES[action].roles
    return roles is None or any(
        grant.role in roles and grant.petition_id in (None, petition_id) and grant.country_code in (None, country_code)
        for grant in account.grants
    )


def may_somewhere(account: Account, action: Action) -> bool:
    """Whether a grant of this account allows an action on anything at all."""
    roles = RULES[action].roles
    return roles is None or any(grant.role in roles for grant in account.grants)


def may_in_petition(account: Account, action: Action, petition_id: int) -> bool:
    """Whether a grant of this account allows an action in some country of this petition."""
    roles = RULES[action].roles
    return roles is None or any(
        grant.role in roles and grant.petition_id in (None, petition_id) for grant in account.grants
    )


def covered_countries(account: Account, action: Action, petition_id: int) -> set[str | None]:
    """Countries of a petition on which an action is allowed, for queries; with None among them, all."""
    roles = RULES[action].roles or ()
    return {
        grant.country_code
        for grant in account.grants
        if grant.role in roles and grant.petition_id in (None, petition_id)
    }


def covered_petitions(account: Account, action: Action) -> set[int | None]:
    """Petitions on which an action is allowed in all countries, for queries; with None among them, all."""
    roles = RULES[action].roles or ()
    return {grant.petition_id for grant in account.grants if grant.role in roles and grant.country_code is None}


def is_proved(session: StaffSession, account: Account, proof: Proof) -> bool:
    """Whether the person of a session has proved who they are as an action wants it."""
    if session.method == Method.INVITATION:
        return False
    match proof:
        case Proof.SESSION:
            return True
        case Proof.PASSKEY:
            return session.method == Method.PASSKEY
        case Proof.FRESH_PASSKEY:
            return session.is_fresh and session.method == Method.PASSKEY
        case Proof.FRESH_BEST:
            return session.is_fresh and (session.method in (Method.PASSKEY, Method.RECOVERY) or not account.passkeys)
