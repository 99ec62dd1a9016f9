"""Workers and reviewers who want the same signatures at the same moment, each in a real transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.models import Account
from core.config import Role
from core.extensions import db
from core.inbox import append
from petitions import bursts, held, quarantine, states
from petitions.held import NeedsReasonError, NothingChosenError
from petitions.rules import ALONE_A_DAY
from tests.conftest import House
from tests.factories import Factory, token
from tests.petitions import test_bursts
from tests.petitions.test_bursts import NETWORK, arrive
from tests.petitions.test_intake import fsck
from worker import drain, tasks

OTHER = "11" * 8
A_MOMENT = 0.3
"""Seconds. Long enough for another thread to come to a lock and wait there; deadlocks are found after one second."""


@pytest.fixture
def house(own_database: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(bursts, "MOST_A_NETWORK", 5)
    return own_database


@pytest.fixture
def petition(house: House, make_own: Factory) -> int:
    return make_own.petition()


def now_in(house: House) -> dict[str, int]:
    """How many signatures are in each state."""
    return test_bursts.states(house)


def care(house: House) -> None:
    with house.inside(Role.WORKER):
        tasks.quarantine_care.run()


def drain_all(house: House) -> None:
    with house.inside(Role.WORKER):
        tasks.drain.run()


def press_all(house: House, purpose: str, ids: Sequence[UUID]) -> None:
    """Have all of these confirmed or withdrawn, in this order, by events that wait in the inbox."""
    with house.app(Role.PUBLIC).test_request_context():
        for one in ids:
            append(purpose, None, {"v": 1, "token": token(house, purpose, one), "answer_key": None}, uuid4())


def ids_of(house: House, state: str, order: str = "id") -> list[UUID]:
    return list(house.sql(f"SELECT id FROM signatures WHERE state = '{state}' ORDER BY {order}").scalars())


def at_once(*what: Callable[[], object]) -> list[Any]:
    """Do all of it at the same moment. Raises what one of them raises."""
    with ThreadPoolExecutor(len(what)) as pool:
        return [one.result(timeout=60) for one in [pool.submit(one) for one in what]]


class Pause:
    """Halts the first who calls a function, after it was called, until others have had the time to come to its locks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
        self.reached, self.real = Event(), getattr(module, name)
        monkeypatch.setattr(module, name, self)

    def __call__(self, *passed: Any, **named: Any) -> Any:
        result = self.real(*passed, **named)
        if not self.reached.is_set():
            self.reached.set()
            sleep(A_MOMENT)
        return result

    def then(self, what: Callable[[], object]) -> Callable[[], object]:
        """Do something once it has been reached."""

        def wait_and_do() -> object:
            assert self.reached.wait(20)
            return what()

        return wait_and_do


@pytest.fixture
def unswept(house: House, petition: int, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Twelve signatures that came before their burst was found, which is not swept yet, by id."""
    with monkeypatch.context() as high:
        high.setattr(bursts, "MOST_A_NETWORK", 100)
        arrive(house, petition, 12, network=NETWORK)
    arrive(house, petition, 1, network=NETWORK)
    assert now_in(house) == {"pending": 12, "quarantined": 1}
    return ids_of(house, "pending")


# --- A sweep and the drain --------------------------------------------------------------------------------------------------


def test_a_sweep_that_wants_what_is_being_confirmed_goes_again(
    house: House, unswept: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain locks by arrival, the sweep by number: they wait for each other, and PostgreSQL ends one of them."""
    press_all(house, "confirm", list(reversed(unswept)))
    confirmed = Pause(monkeypatch, states, "let_count")
    at_once(lambda: drain_all(house), confirmed.then(lambda: care(house)))
    drain_all(house)
    care(house)
    assert now_in(house) == {"quarantined": 13}
    assert house.value("SELECT count(*) FROM signatures WHERE confirmed_at IS NOT NULL") == 12
    assert house.value("SELECT count(*) FROM holds WHERE confirmed") == 12
    assert house.value("SELECT count(*) FROM bursts WHERE swept") == 1
    assert fsck(house) == {}


def test_what_comes_in_a_burst_does_not_wait_for_its_sweep(
    house: House, petition: int, unswept: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that waits for a signature holds the burst, to which the drain adds; neither may stand in the other's way."""
    press_all(house, "confirm", unswept[:1])
    send(house, petition, 3)
    confirmed = Pause(monkeypatch, states, "let_count")

    def sweep() -> None:
        with house.inside(Role.WORKER):
            assert tasks._finished(quarantine.sweep_burst())

    # Neither of these two goes again when it is chosen to end a deadlock.
    assert at_once(house.drain, confirmed.then(sweep))[0] == 4
    care(house)
    assert now_in(house) == {"quarantined": 16}
    assert fsck(house) == {}


def send(house: House, petition: int, number: int, network: str = NETWORK) -> None:
    """Signatures that wait in the inbox."""
    waiting, house.drain = house.drain, lambda: 0  # type: ignore[method-assign]  # For as long as this takes.
    try:
        arrive(house, petition, number, network=network)
    finally:
        house.drain = waiting  # type: ignore[method-assign]  # As it was.


def test_what_was_screened_before_another_worker_found_the_burst_is_swept_later(
    house: House, petition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(house, petition, 4)
    screened, go_on, real = Event(), Event(), drain.note_sightings

    def late(*passed: Any) -> bool:
        if not screened.is_set():
            screened.set()
            assert go_on.wait(20)
        return real(*passed)

    monkeypatch.setattr(drain, "note_sightings", late)

    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(house.drain)
        assert screened.wait(20)
        arrive(house, petition, 6, network=NETWORK)
        care(house)
        assert house.value("SELECT count(*) FROM bursts WHERE swept") == 1
        go_on.set()
        assert drained.result(20) == 4
    assert house.value("SELECT count(*) FROM bursts WHERE swept") == 0
    care(house)
    assert now_in(house) == {"quarantined": 10}
    assert house.value("SELECT total FROM sightings") == 10
    assert fsck(house) == {}


def test_drains_and_sweeps_of_two_workers_end_with_true_numbers(
    house: House, petition: int, unswept: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "BATCH", 7)
    monkeypatch.setattr(quarantine, "LOT_SIZE", 3)
    press_all(house, "confirm", unswept[::2])
    send(house, petition, 9)
    press_all(house, "withdraw", unswept[::-3])
    send(house, petition, 9, OTHER)
    press_all(house, "confirm", unswept[1::2])
    works = [lambda: drain_all(house), lambda: care(house)] * 2
    at_once(*works)
    while house.value("SELECT count(*) FROM inbox WHERE state = 'new'"):
        drain_all(house)
    care(house)
    assert now_in(house) == {"quarantined": 27, "withdrawn": 4}
    assert house.value("SELECT sum(total) FROM sightings") == 31
    assert fsck(house) == {}


# --- Decisions --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def flood(house: House, petition: int) -> list[UUID]:
    """Six that are held back, all confirmed."""
    arrive(house, petition, 6, network=NETWORK)
    care(house)
    press_all(house, "confirm", ids_of(house, "quarantined"))
    drain_all(house)
    assert house.value("SELECT count(*) FROM holds WHERE confirmed") == 6
    return ids_of(house, "quarantined")


@pytest.fixture
def reviewers(make_own: Factory, petition: int) -> tuple[int, int]:
    first, second = (make_own.account(petition, role="reviewer", with_passkey=False) for _ in range(2))
    return first, second


def decide(house: House, who: int, petition: int, kind: str, chosen: Sequence[UUID]) -> object:
    """What a reviewer decides in the console. Returns how many it is about, or the error."""
    with house.app(Role.CONSOLE).test_request_context():
        try:
            account, burst = db.session.get_one(Account, who), house.value("SELECT id FROM bursts")
            return held.decide(account, petition, kind, f"network_burst-{burst}", held.now(), chosen, "").total
        except (NothingChosenError, NeedsReasonError) as error:
            return type(error)


@pytest.mark.parametrize("first", ["release", "withdrawal"])
def test_a_release_beside_a_withdrawal_of_the_same_signature(
    house: House,
    petition: int,
    flood: list[UUID],
    reviewers: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    first: str,
) -> None:
    assert decide(house, reviewers[0], petition, "release", flood) == 6
    press_all(house, "withdraw", list(reversed(flood[:3])))
    if first == "release":
        released = Pause(monkeypatch, quarantine, "let_count")
        at_once(lambda: care(house), released.then(lambda: drain_all(house)))
    else:
        taken_back = Pause(monkeypatch, states, "take_back")
        at_once(lambda: drain_all(house), taken_back.then(lambda: care(house)))
    drain_all(house)
    care(house)
    assert now_in(house) == {"counted": 3, "withdrawn": 3}
    assert house.value("SELECT state FROM decisions") == "done"
    assert fsck(house) == {}


@pytest.mark.parametrize("kinds", [("release", "release"), ("release", "reject")])
def test_of_two_reviewers_who_decide_at_once_one_gets_them(
    house: House,
    petition: int,
    flood: list[UUID],
    reviewers: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    kinds: tuple[str, str],
) -> None:
    together(monkeypatch)
    [one, other] = (
        (lambda who=who, kind=kind: decide(house, who, petition, kind, flood))
        for who, kind in zip(reviewers, kinds, strict=True)
    )
    assert sorted(map(str, at_once(one, other))) == ["6", str(NothingChosenError)]
    care(house)
    assert now_in(house) in ({"counted": 6}, {"rejected": 6})
    assert house.value("SELECT count(*) FROM decisions") == 1
    assert fsck(house) == {}


def test_one_reviewer_in_two_windows_decides_about_no_more_alone(
    house: House, petition: int, reviewers: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(house, petition, ALONE_A_DAY + 1, network=NETWORK)
    every = ids_of(house, "quarantined")
    together(monkeypatch)
    [one, other] = (
        (lambda part=part: decide(house, reviewers[0], petition, "reject", part)) for part in (every[:26], every[26:])
    )
    assert sum(answer is NeedsReasonError for answer in at_once(one, other)) == 1
    care(house)
    assert house.value("SELECT string_agg(state, ' ') FROM decisions") == "done"
    assert fsck(house) == {}


def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who decide begin at the same moment."""
    barrier, real = Barrier(2, timeout=10), held.find_reviewed

    def find(*passed: Any) -> Any:
        found = real(*passed)
        barrier.wait()
        return found

    monkeypatch.setattr(held, "find_reviewed", find)


def test_two_workers_do_what_was_decided_and_undone_once(
    house: House, petition: int, flood: list[UUID], reviewers: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "LOT_SIZE", 1)
    decide(house, reviewers[0], petition, "release", flood[:3])
    decide(house, reviewers[1], petition, "reject", flood[3:])
    at_once(*[lambda: care(house)] * 2)
    assert now_in(house) == {"counted": 3, "rejected": 3}
    assert house.value("SELECT count(*) FROM decisions WHERE state = 'done'") == 2
    house.sql("UPDATE decisions SET state = 'undo'")
    at_once(*[lambda: care(house)] * 2)
    assert now_in(house) == {"quarantined": 6}
    assert house.value("SELECT count(*) FROM holds WHERE decision_id IS NULL") == 6
    assert fsck(house) == {}


def test_a_release_that_writes_to_a_mailbox_and_a_code_typed_for_it(
    house: House, petition: int, reviewers: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever types a code locks the mailbox and then the signature; so does the release."""
    arrive(house, petition, 6, network=NETWORK)
    every = ids_of(house, "quarantined")
    # Their mailboxes are known, so that a code for one of them locks it.
    decide(house, reviewers[0], petition, "release", every)
    signed = house.value("SELECT event_id FROM signatures WHERE id = :i", i=every[-1])
    with house.app(Role.PUBLIC).test_request_context():
        payload = {"v": 1, "signed": str(signed), "code": house.keyring.code(every[-1]), "answer_key": None}
        append("code", None, payload, uuid4())
    from petitions import personal

    locked = Pause(monkeypatch, personal, "lock_mailboxes")

    def carry_out() -> None:
        with house.inside(Role.WORKER):
            assert tasks._finished(quarantine.carry_out(house.keyring))

    # As above: neither goes again.
    at_once(house.drain, locked.then(carry_out))
    care(house)
    assert house.value("SELECT count(*) FROM signatures WHERE confirmed_at IS NOT NULL OR counted_at IS NOT NULL") == 1
    assert now_in(house) == {"pending": 5, "counted": 1}
    assert fsck(house) == {}


@pytest.fixture(autouse=True)
def _quick_deadlocks(house: House) -> Iterator[None]:
    """Nothing waits for ever."""
    house.sql("ALTER ROLE zbor_worker SET lock_timeout = '20s'")
    yield
    house.sql("ALTER ROLE zbor_worker RESET lock_timeout")
