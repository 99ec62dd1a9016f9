"""The scenarios. Each breaks something under load and then compares numbers; the tests run some of them small."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

from tests.faults.canary import plant, search
from tests.faults.crowd import Item
from tests.faults.echo import QUEUES, Echo
from tests.faults.run import SWEEP_SECONDS, Run
from tests.faults.striking import StrikingCatcher

BACK_WITHIN = 15.0
FEW_WAITING = 500
"""A next fault comes when so few events wait, so that every fault meets a platform that has recovered from the last."""


def parts(items: Sequence[Item], number: int) -> Iterator[Sequence[Item]]:
    """The items in so many parts of one size."""
    size = -(-len(items) // number)
    return (items[start : start + size] for start in range(0, len(items), size))


def kill_worker(run: Run, submissions: int = 6000, kills: int = 10) -> None:
    """F1: the worker is killed in the middle of a transaction, again and again."""
    run.start()
    struck = under_load = 0
    for number, part in enumerate(parts(run.crowd.signatures(submissions), kills), start=1):
        with run.crowd.sending(part):
            struck += run.kill_drains_in_a_transaction()
            under_load += run.crowd.is_sending
            run.stand.start_celery("worker")
        run.wait_for(lambda: run.waiting() < FEW_WAITING)
        run.say(f"kill {number} of {kills}")
    run.done = f"{submissions} forms; {kills} kills, {struck} mid-transaction, {under_load} under load"
    run.exactly("kills mid-transaction", struck, kills)
    run.at_least("kills under load", under_load, kills // 2)
    run.check_events()
    run.exactly("web 5xx", run.crowd.server_errors, 0)
    run.check_peace()


def flush_queue(run: Run, submissions: int = 6000, flushes: int = 10, away: float = 60.0) -> None:
    """F2: the queue is emptied, again and again, and then its server is gone for a while."""
    run.start()
    items = run.crowd.signatures(submissions)
    first, second = len(items) * 2 // 5, len(items) * 3 // 5
    began = run.value("SELECT clock_timestamp()")
    under_load = 0
    with run.crowd.sending(items[:first], 1.5 * flushes):
        under_load += flush(run, flushes)
    run.wait_for(lambda: run.waiting() < FEW_WAITING)
    gone = run.value("SELECT clock_timestamp()")
    run.say(f"no queue for {away:.0f} s")
    run.stand.valkey.stop()
    with run.crowd.sending(items[first:second], away + 5):
        time.sleep(away)
        run.stand.valkey.start()
        back = run.value("SELECT clock_timestamp()")
        still = run.crowd.is_sending
        run.say("the queue is back")
    with run.crowd.sending(items[second:], away):
        pass
    run.done = f"{submissions} forms; {flushes} x FLUSHALL, {under_load} under load; {away:.0f} s without Valkey"
    run.exactly("load until Valkey is back", int(still), 1)
    run.check_events()
    run.exactly("web 5xx", run.crowd.server_errors, 0)
    lag = (
        "SELECT coalesce(max(extract(epoch FROM drained_at - greatest(received_at, %s))), 0)::float FROM inbox"
        " WHERE drained_at >= %s AND received_at < %s"
    )
    run.at_most("lag while flushed", run.value(lag, began, began, gone), SWEEP_SECONDS + 5, " s")
    run.note("lag while Valkey was away", f"{run.value(lag, began, gone, back):.1f} s")
    run.at_most("lag after Valkey is back", run.value(lag, back, back, "infinity"), SWEEP_SECONDS + 5, " s")
    run.check_peace()


def flush(run: Run, times: int) -> int:
    """FLUSHALL every 1.2 s. Returns how many were under load."""
    under_load = 0
    with run.valkey() as valkey:
        for number in range(1, times + 1):
            time.sleep(1.2)
            valkey.flushall()
            under_load += run.crowd.is_sending
            run.say(f"flush {number} of {times}")
    return under_load


def crash_database(run: Run, submissions: int = 6000, crashes: int = 3, a_second: float = 40.0) -> None:
    """F3: PostgreSQL crashes under load, which is not more than the workers keep up with when nothing is broken."""
    run.start()
    under_load = 0
    for number, part in enumerate(parts(run.crowd.signatures(submissions), crashes), start=1):
        with run.crowd.sending(part, len(part) / a_second):
            enough = len(run.crowd.acknowledged_at) + len(part) // 5
            run.wait_for(lambda enough=enough: len(run.crowd.acknowledged_at) > enough)
            under_load += run.crowd.is_sending
            acknowledging, drained = crash_and_recover(run)
            run.at_most(f"crash {number}: acknowledges again after", acknowledging, BACK_WITHIN, " s")
            run.at_most(f"crash {number}: backlog drained after", drained, BACK_WITHIN, " s")
        run.wait_for(lambda: run.waiting() < FEW_WAITING)
        run.say(f"crash {number} of {crashes}")
    run.done = (
        f"{submissions} forms; {crashes} immediate stops, 2 s down, {under_load} under load;"
        f" {run.crowd.statuses[503] + run.crowd.statuses[0]} answers of 503 or none, each tried again"
    )
    run.exactly("crashes under load", under_load, crashes)
    run.check_events()
    run.check_peace()


def crash_and_recover(run: Run) -> tuple[float | None, float | None]:
    """Crash the database. Returns how long after the crash the site acknowledged again, and the backlog was drained."""
    crashed = time.monotonic()
    run.crash_database()
    started = time.monotonic()
    moment = run.value("SELECT clock_timestamp()")
    backlog = "SELECT count(*) FROM inbox WHERE state = 'new' AND received_at < %s"
    drained = run.wait_for(lambda: run.value(backlog, moment) == 0, within=60.0)
    drained_at = None if drained is None else started + drained
    run.wait_for(lambda: run.crowd.first_acknowledged_after(started), within=60.0)
    first = run.crowd.first_acknowledged_after(started)
    return first and first - crashed, drained_at and drained_at - crashed


def deliver_tenfold(run: Run, submissions: int = 6000) -> None:
    """F4: every wake-up is delivered ten times, to two workers for each queue."""
    run.start()
    run.start_second_workers()
    with Echo(run.stand.valkey.url) as echo:
        run.crowd.send(run.crowd.signatures(submissions))
        run.say("signed")
        run.check_events()
        run.wait_for_mails()
        run.say("mailed")
        run.check_mails(repeats=0)
        links = run.links()
        run.crowd.send(run.crowd.confirmations(links))
        run.say("confirmed")
        run.exactly("confirmations unprocessed after 60 s", run.unprocessed(), 0)
    run.at_least("wake-ups delivered tenfold", echo.heard, submissions // 100)
    left = wait_until_queues_are_empty(run)
    run.done = (
        f"{submissions} forms, {len(links)} confirmations; {echo.heard} wake-ups, each pushed {echo.times} times more;"
        f" 2 x 2 processes for each queue; {left} never taken"
    )
    run.check_counted()
    run.check_peace()


def wait_until_queues_are_empty(run: Run) -> int:
    """How many wake-ups are left in the end."""
    with run.valkey() as valkey:
        run.wait_for(lambda: sum(valkey.llen(queue) for queue in QUEUES) == 0, within=60.0)
        return sum(valkey.llen(queue) for queue in QUEUES)


def all_at_once(run: Run, submissions: int = 6000, kills: int = 10, away: float = 60.0) -> None:
    """F5: F1 to F4 together."""
    run.start()
    run.start_second_workers()
    items = run.crowd.signatures(submissions)
    first, second = len(items) * 2 // 5, len(items) * 3 // 5
    struck = 0

    def kill(times: int) -> int:
        hits = 0
        for number in range(1, times + 1):
            hits += run.kill_drains_in_a_transaction()
            run.say(f"kill {number} of {times}")
            for name in ("worker", "worker-2"):
                run.stand.start_celery(name)
            if number == times // 2:
                run.crash_database()
                run.say("crash")
        return hits

    with Echo(run.stand.valkey.url) as echo:
        with run.crowd.sending(items[:first], 40), ThreadPoolExecutor(1) as pool:
            flushing = pool.submit(flush, run, 10)
            struck += kill(kills // 2)
            flushing.result()
        run.say(f"no queue for {away:.0f} s")
        run.stand.valkey.stop()
        back_at = time.monotonic() + away
        with run.crowd.sending(items[first:second], away + 5):
            time.sleep(away / 4)
            run.crash_database()
            run.say("crash")
            for name in ("heavy", "worker"):
                run.stand.kill(name)
                run.stand.start_celery(name)
            time.sleep(max(0.0, back_at - time.monotonic()))
            run.stand.valkey.start()
            run.say("the queue is back")
        with run.crowd.sending(items[second:], 40):
            struck += kill(kills - kills // 2)
    run.done = (
        f"{submissions} forms; {kills} kills, {struck} mid-transaction, and one of the mailer; 10 x FLUSHALL;"
        f" {away:.0f} s without Valkey; 3 crashes of PostgreSQL; {echo.heard} wake-ups delivered tenfold"
    )
    run.exactly("kills mid-transaction", struck, kills)
    run.at_least("wake-ups delivered tenfold", echo.heard, submissions // 100)
    run.check_events()
    run.wait_for_mails(killed=True)
    # The mailer was killed once with two processes, and the database lost what two mailers with two were writing.
    run.check_mails(repeats=2 + 3 * 4)
    run.check_peace()


def skew_clocks(run: Run, submissions: int = 400) -> None:
    """F7: a worker whose clock is two hours ahead, then one two hours behind, beside one with the right clock."""
    run.start()
    bundles = 0
    with fake_clock("+2h") as ahead, fake_clock("-2h") as behind:
        for words, hours, environment in (("ahead", 2, ahead), ("behind", -2, behind)):
            names = [f"{kind}-{words}" for kind in ("worker", "heavy")]
            for name in names:
                run.stand.start_celery(name, environment=environment)
            # Beside each other: mails and bundles are leased, and nobody takes over what the other holds.
            run.crowd.send(run.crowd.signatures(submissions))
            run.unprocessed()
            run.wait_for_mails()
            links = run.unused_links()
            run.crowd.send(run.crowd.confirmations(links[: len(links) // 2]))
            run.exactly(f"{words}: confirmations unprocessed after 60 s", run.unprocessed(), 0)
            bundles += run.ask_for_bundles()
            run.wait_for_bundles()
            # Alone: links are judged by the database's clock, and no wake-up is dropped. Only sweeps wake here.
            run.stand.stop(["worker", "heavy"])
            run.say(f"{words} by two hours, alone")
            limit = timedelta(days=14)
            young, old = run.age_links(limit - timedelta(hours=1), 20), run.age_links(limit + timedelta(hours=1), 20)
            run.stand.stop(names)
            run.crowd.send(run.crowd.confirmations([*young, *old]))
            run.crowd.send(run.crowd.signatures(100))
            with run.valkey() as valkey:
                valkey.flushall()
            for name in names:
                run.stand.start_celery(name, environment=environment)
            started = time.monotonic()
            run.exactly(f"{words}: hours by which the clock is off", round(clock_of(run, names[0])), hours)
            run.exactly(f"{words}: woken by sweeps alone, left after 60 s", run.unprocessed(), 0)
            run.say(f"drained by sweeps after {time.monotonic() - started:.0f} s")
            run.exactly(f"{words}: links an hour before their end, counted", run.counted_of(young), len(young))
            run.exactly(f"{words}: links an hour after their end, counted", run.counted_of(old), 0)
            run.stand.stop(names)
            run.stand.start_worker()
    run.done = f"2 x {submissions + 100} forms; clocks 2 h ahead and 2 h behind, beside a right one and alone; {bundles} bundles"
    run.wait_for_mails()
    run.check_events()
    run.check_mails(repeats=0)
    run.exactly("mail leases taken over", run.value("SELECT count(*) FROM outbox WHERE fence > 1"), 0)
    run.exactly("bundles ready", run.value("SELECT count(*) FROM bundles WHERE state = 'ready'"), bundles)
    volumes = run.value("SELECT count(*) FROM volumes")
    run.exactly("attempts at volumes", run.value("SELECT sum(attempts)::int FROM volumes"), volumes)
    dropped = sum(path.read_text(errors="replace").count("Discarding revoked") for path in run.stand.logs.glob("*.log"))
    run.exactly("wake-ups dropped as expired", dropped, 0)
    run.check_peace()


def clock_of(run: Run, name: str) -> float:
    """Hours between a process's clock, as its log shows it, and ours."""
    log = (run.stand.logs / f"{name}.log").read_text(errors="replace")
    newest = re.findall(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),", log, re.MULTILINE)[-1]
    return (datetime.fromisoformat(newest) - datetime.now()).total_seconds() / 3600  # noqa: DTZ005  # Logs are in local time.


@contextmanager
def fake_clock(offset: str) -> Iterator[dict[str, str]]:
    """Environment of a process whose clock is off. What measures durations stays right, as with a wrong clock in life."""
    told = subprocess.run(["faketime", "-f", offset, "env"], capture_output=True, text=True, check=True).stdout
    library = next(line.partition("=")[2] for line in told.splitlines() if line.startswith("LD_PRELOAD="))
    yield {
        "LD_PRELOAD": library,
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


def kill_mailer(run: Run, submissions: int = 200, kills: int = 20, *, swift: bool = False) -> None:
    """F8: the mailer is killed after the mail server has taken a mail and before it could write that down.

    `swift`: not a whole Celery worker each time, but a child of tests/faults/mailer.py.
    """
    with StrikingCatcher(run) as catcher:
        run.stand.start_beat()
        run.stand.start_celery("worker")
        run.crowd.send(run.crowd.signatures(submissions))
        run.unprocessed()
        struck = 0
        if swift:
            run.stand.spawn("mailer", "worker", sys.executable, "-m", "tests.faults.mailer")
        for number in range(1, kills + 1):
            if swift:
                struck += catcher.strike(lambda: run.kill_children("mailer"))
            else:
                run.stand.start_celery("heavy", concurrency=1)
                struck += catcher.strike(lambda: run.stand.kill("heavy"))
            run.say(f"kill {number} of {kills}")
        catcher.let_go()
        if not swift:
            run.stand.start_celery("heavy")
        run.let_leases_end()
        run.wait_for_mails(killed=True)
    run.done = f"{submissions} forms; {kills} kills, {struck} between the server's 250 and the commit"
    run.exactly("kills in that moment", struck, kills)
    run.check_events()
    run.check_mails(repeats=kills)
    # Fewer would mean that a mailer had written it down after all, and was killed too late.
    run.at_least("mails repeated, one a kill", run.repeated_mails(), kills)
    run.at_most("most mails to one address", run.most_mails_to_one(), 2)
    run.exactly("repeats with another Message-ID", run.other_message_ids(), 0)
    run.check_peace()


def lose_key(run: Run, submissions: int = 1500, away: float = 60.0) -> None:
    """F9: the worker's sealing key is away for a while, and the workers were started without it."""
    run.start()
    items = run.crowd.signatures(submissions)
    run.crowd.send(items[: len(items) // 3])
    run.unprocessed()
    run.wait_for_mails()
    run.crowd.send(run.crowd.confirmations(run.unused_links()[:100]))
    run.unprocessed()
    bundles = run.ask_for_bundles()
    key = next((run.stand.secrets / "worker" / "sealing").glob("*.key"))
    hidden = run.stand.secrets / "away.key"
    run.stand.stop(["worker", "heavy"])
    key.rename(hidden)
    run.stand.start_worker()
    moved = time.monotonic()
    run.say("the key is away")
    with run.crowd.sending(items[len(items) // 3 :], away + 5):
        log = run.stand.logs / "worker.log"
        alarm = run.wait_for(
            lambda: re.search(r"ERROR .* wait for the sealing key", log.read_text(errors="replace")), away
        )
        time.sleep(max(0.0, moved + away - time.monotonic()))
        waiting = run.waiting()
        hidden.rename(key)
        run.say("the key is back")
    run.done = f"{submissions} forms; key away for {away:.0f} s under load, {waiting} events waiting at its end"
    run.at_most("alarm in the worker's log after", alarm, 60, " s")
    run.at_least("events that waited for the key", waiting, submissions // 10)
    run.check_events()
    run.wait_for_mails()
    run.check_mails(repeats=0)
    run.wait_for_bundles()
    run.exactly("bundles asked for and ready", run.value("SELECT count(*) FROM bundles WHERE state = 'ready'"), bundles)
    run.exactly("answers of the web other than 303", run.crowd.statuses.total() - run.crowd.statuses[303], 0)
    run.check_peace()


def search_canary(run: Run, submissions: int = 100) -> None:
    """Canary: people sign, are written to, confirm and are handed over; their names then lie nowhere in the clear."""
    run.start()
    with Echo(run.stand.valkey.url, times=0, record=run.stand.logs / "messages.log"):
        run.crowd.send(run.crowd.signatures(submissions))
        run.unprocessed()
        run.wait_for_mails()
        run.crowd.send(run.crowd.confirmations(run.links()))
        run.unprocessed()
        bundles = run.ask_for_bundles()
        run.wait_for_bundles()
    run.check_events()
    run.check_mails(repeats=0)
    run.check_counted()
    run.exactly("bundles ready", run.value("SELECT count(*) FROM bundles WHERE state = 'ready'"), bundles)
    recorded = (run.stand.logs / "messages.log").read_bytes()
    run.exactly("messages of the queue recorded", int(b'"LPUSH" "light"' in recorded), 1)
    run.check_peace()
    control = str(uuid4())
    wanted = plant(run.stand, control)
    found = search(run.stand, control)
    run.exactly(
        "control: places planted and found",
        sum(any(hit.startswith(place) for hit in found) for place in wanted),
        len(wanted),
    )
    run.done = (
        f"{submissions} forms, mailed, confirmed, {bundles} bundles; the name sought in every file but the mail folder,"
        f" in every table and message; a second one planted in {len(wanted)} places and spellings"
    )
