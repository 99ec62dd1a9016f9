"""Answers open in the browser that asked, for an hour, and nowhere else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

from core.answers import answer, forget_answers, new_secret, public_key, read_answer
from core.config import Role
from tests.conftest import House


def test_answers_open_with_their_own_secret_and_expire(house: House) -> None:
    secret, event, other = new_secret(), uuid4(), uuid4()
    with house.inside(Role.WORKER):
        answer(event, public_key(secret, event), b"counted", timedelta(hours=1))
        answer(event, public_key(secret, event), b"something else", timedelta(hours=1))
        answer(other, public_key(secret, event), b"sealed to another event's key", timedelta(hours=1))
        for key in ("not a key", "AAAA", ""):
            answer(uuid4(), key, b"lost", timedelta(hours=1))
    with house.inside(Role.PUBLIC):
        assert read_answer(event, secret, wait=0) == b"counted"
        assert read_answer(event, new_secret(), wait=0) is None
        assert read_answer(other, secret, wait=0) is None
        assert read_answer(uuid4(), "rubbish", wait=0.1) is None
    house.sql("UPDATE answers SET expires_at = now() - interval '1 second'")
    with house.inside(Role.PUBLIC):
        assert read_answer(event, secret, wait=0) is None
    with house.inside(Role.WORKER):
        forget_answers()
    assert house.value("SELECT count(*) FROM answers") == 0


def test_each_event_has_a_key_of_its_own() -> None:
    secret = new_secret()
    assert len({public_key(secret, uuid4()) for _ in range(10)}) == 10


def test_at_most_two_threads_of_a_process_wait(own_database: House) -> None:
    def wait(_number: int) -> float:
        started = time.monotonic()
        with own_database.inside(Role.PUBLIC):
            assert read_answer(uuid4(), new_secret(), wait=1.5) is None
        return time.monotonic() - started

    with ThreadPoolExecutor(6) as pool:
        waited = sorted(pool.map(wait, range(6)))
    assert sum(seconds >= 1.5 for seconds in waited) == 2
    assert waited[3] < 1.4
