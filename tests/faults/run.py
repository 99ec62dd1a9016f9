"""One scenario's run: a fresh stand, its crowd, the tools that break things, and the numbers that must hold."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis

from core.demo.stand import Ports, Stand
from tests.faults.canary import search
from tests.faults.crowd import Crowd

UNPROCESSED_WITHIN = 60.0
PATIENCE = 240.0
SWEEP_SECONDS = 30
"""As in production (worker/celery.py) unless a scenario says otherwise."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is demanded, and what was measured."""

    what: str
    demanded: str
    measured: str
    holds: bool


def _signature_of(link: str) -> UUID:
    """The signature a link names; the other half of its token proves that it is ours."""
    return UUID(bytes=base64.urlsafe_b64decode(link.rpartition("/")[2] + "==")[:16])


class Run:
    """Everything a scenario needs. Use it as a context manager."""

    def __init__(
        self, folder: Path, say: Callable[[str], object] = lambda _text: None, durable: bool = True, **extra: str
    ) -> None:
        settings = {"TMPDIR": str(folder / "tmp"), "ZBOR_PROXY_HOPS": "1", **extra}
        self.stand = Stand(folder, Ports.free(), durable=durable, extra=settings)
        self.say = say
        self.done = ""
        """What was done, in words, for the table."""
        self.numbers: list[Number] = []
        self._aged: set[str] = set()

    def __enter__(self) -> Run:
        (self.stand.folder / "tmp").mkdir(parents=True)
        try:
            self.stand.start_servers()
            self.stand.flask("console", "seed")
            self.stand.start_web()
            self.crowd = Crowd(self.stand)
        except BaseException:
            self.stand.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.crowd.go_home()
        self.stand.stop()

    def start(self) -> None:
        """Catcher, beat and one worker for each queue."""
        self.stand.start_catcher()
        self.stand.start_beat()
        self.stand.start_worker()

    def start_second_workers(self) -> None:
        """One more worker for each queue."""
        for name in ("worker-2", "heavy-2"):
            self.stand.start_celery(name)

    # --- Numbers --------------------------------------------------------------------------------------------------------

    def exactly(self, what: str, measured: int, demanded: int) -> None:
        """A number that must be this one."""
        self.numbers.append(Number(what, str(demanded), str(measured), measured == demanded))

    def at_most(self, what: str, measured: float | None, demanded: float, unit: str = "") -> None:
        """A number that may not be larger; None when it was never reached."""
        shown = "never" if measured is None else f"{measured:g}" if isinstance(measured, int) else f"{measured:.1f}"
        holds = measured is not None and measured <= demanded
        self.numbers.append(Number(what, f"<= {demanded:g}{unit}", shown + unit * (measured is not None), holds))

    def at_least(self, what: str, measured: int, demanded: int) -> None:
        """A number that may not be smaller: that what was meant to be broken was broken."""
        self.numbers.append(Number(what, f">= {demanded}", str(measured), measured >= demanded))

    def note(self, what: str, measured: str) -> None:
        """Something measured that has no limit."""
        self.numbers.append(Number(what, "", measured, True))

    @property
    def broken(self) -> list[Number]:
        """Numbers that do not hold."""
        return [one for one in self.numbers if not one.holds]

    # --- Looking --------------------------------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query, past all grants."""
        with self.stand.postgres.connect("postgres") as db:
            return db.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """The one value of a query."""
        return self.rows(query, *values)[0][0]

    def wait_for(self, condition: Callable[[], object], within: float = PATIENCE, every: float = 0.2) -> float | None:
        """Seconds until a condition holds, None when it does not within the time."""
        start = time.monotonic()
        while time.monotonic() < start + within:
            if condition():
                return time.monotonic() - start
            time.sleep(every)
        return None

    def unprocessed(self, within: float = UNPROCESSED_WITHIN) -> int:
        """Events that still wait: 0 as soon as none does, else their number after so many seconds."""
        self.wait_for(lambda: self.waiting() == 0, within)
        return self.waiting()

    def waiting(self) -> int:
        """Events that wait now."""
        return self.value("SELECT count(*) FROM inbox WHERE state = 'new'")

    def wait_for_mails(self, killed: bool = False) -> None:
        """Until no mail is queued. If mailers were `killed`, the time passes for which these had leased mails."""
        deadline, before, since = time.monotonic() + PATIENCE, None, time.monotonic()
        while time.monotonic() < deadline:
            queued = self.value("SELECT count(*) FROM outbox WHERE state = 'queued'")
            if queued == 0:
                return
            if queued != before:
                before, since = queued, time.monotonic()
            elif killed and time.monotonic() > since + 10:
                self.let_leases_end()
                since = time.monotonic()
            time.sleep(0.5)

    def let_leases_end(self, but: Sequence[UUID] = ()) -> None:
        """As if as much time had passed as mails are leased or put off for."""
        with self.stand.postgres.connect("postgres") as db:
            db.execute(
                "UPDATE outbox SET leased_until = least(leased_until, now()), due_at = least(due_at, now())"
                " WHERE state = 'queued' AND id <> ALL (%s)",
                (list(but),),
            )

    def mails(self) -> list[tuple[str, str]]:
        """Address and confirmation link of every mail that was caught."""
        return [(address, link) for address, link, _ in self._caught()]

    def _caught(self) -> Iterator[tuple[str, str, str]]:
        """Address, confirmation link and Message-ID."""
        for path in self.stand.mails.glob("*.eml"):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            link = re.search(r"(/confirm/[\w-]+)", body.get_content() if body else "")
            if link:
                yield str(message["To"]), link[1], str(message["Message-ID"])

    def repeated_mails(self) -> int:
        """Mails beyond the first with each link."""
        mails = self.mails()
        return len(mails) - len(set(mails))

    def other_message_ids(self) -> int:
        """Repeats under another Message-ID than the first mail's, by which no mail program would know them."""
        caught = set(self._caught())
        return len(caught) - len({link for _, link, _ in caught})

    def most_mails_to_one(self) -> int:
        """Mails with a link to the address that got most."""
        return max(Counter(address for address, _ in self.mails()).values(), default=0)

    def links(self) -> list[str]:
        """Every confirmation link that was mailed, once."""
        return sorted({link for _, link in self.mails()})

    def unused_links(self) -> list[str]:
        """Links of signatures that are pending, each the only one of its mailbox."""
        pending = {
            row[0]
            for row in self.rows(
                "SELECT id FROM signatures s WHERE state = 'pending' AND NOT EXISTS"
                " (SELECT FROM signatures o WHERE o.mailbox_hmac = s.mailbox_hmac AND o.id <> s.id)"
            )
        }
        return [link for link in self.links() if _signature_of(link) in pending]

    def age_links(self, age: timedelta, number: int) -> list[str]:
        """Make some unused links as old as this."""
        chosen = [link for link in self.unused_links() if link not in self._aged][:number]
        self._aged.update(chosen)
        with self.stand.postgres.connect("postgres") as db:
            db.execute(
                "UPDATE signatures SET received_at = now() - %s WHERE id = ANY (%s)",
                (age, [_signature_of(link) for link in chosen]),
            )
        return chosen

    def counted_of(self, links: Sequence[str]) -> int:
        """How many of these links' signatures are counted."""
        return self.value(
            "SELECT count(*) FROM signatures WHERE state = 'counted' AND id = ANY (%s)",
            [_signature_of(link) for link in links],
        )

    def ask_for_bundles(self) -> int:
        """Ask for the bundles of two ministries and agree, as the console does. Returns how many; the sweep finds them."""
        with self.stand.postgres.connect("console") as db, db.transaction():
            db.execute(
                "INSERT INTO accounts (email, name) VALUES ('asks@example.org', 'Asks'), ('agrees@example.org', 'Agrees')"
                " ON CONFLICT DO NOTHING"
            )
            asks, agrees = db.execute("SELECT min(id), max(id) FROM accounts").fetchone() or (0, 0)
            made = db.execute(
                "INSERT INTO bundles (id, petition_id, addressee_id, requested_by)"
                " SELECT gen_random_uuid(), t.petition_id, t.addressee_id, %s"
                " FROM tallies t WHERE t.state = 'counted' AND t.total > 0 ORDER BY t.total DESC LIMIT 2 RETURNING id",
                (asks,),
            ).fetchall()
            for (bundle_id,) in made:
                db.execute(
                    "INSERT INTO approvals (id, kind, object_id, details, reason, requested_by, expires_at, state, decided_by, decided_at)"
                    " VALUES (gen_random_uuid(), 'bundle', %s, '{}', '', %s, now() + interval '1 day', 'approved', %s, now())",
                    (str(bundle_id), asks, agrees),
                )
            return len(made)

    def wait_for_bundles(self) -> None:
        """Until none is under way. A bundle is built from what its log has, and a log waits a day for company: that day is over."""

        def is_over() -> bool:
            with self.stand.postgres.connect("postgres") as db:
                db.execute("UPDATE logs SET waiting_since = now() - interval '25 hours'")
            return not self.value("SELECT count(*) FROM bundles WHERE state IN ('requested', 'approved', 'building')")

        self.wait_for(is_over)

    # --- Breaking -------------------------------------------------------------------------------------------------------

    @contextmanager
    def valkey(self) -> Iterator[redis.Redis]:
        """A client of the queue's server."""
        client = redis.Redis.from_url(self.stand.valkey.url)
        yield client
        client.close()

    def kill_drains_in_a_transaction(self, within: float = 30.0) -> bool:
        """kill -9 of the process groups that drain, while one has changed rows and not committed. Says whether one had.

        All are halted first, so that what pg_stat_activity shows cannot be over by the time of the kill.
        """
        drains = [name for name in self.stand.processes if name.startswith("worker")]
        struck = False
        deadline = time.monotonic() + within
        with self.stand.postgres.connect("postgres") as db:
            while time.monotonic() < deadline and not struck:
                if self._drain_in_transaction(db):
                    self._signal(drains, signal.SIGSTOP)
                    time.sleep(0.05)
                    struck = self._drain_in_transaction(db)
                    if not struck:
                        self._signal(drains, signal.SIGCONT)
        for name in drains:
            self.stand.kill(name)
        return struck

    def _signal(self, names: Sequence[str], what: signal.Signals) -> None:
        for name in names:
            os.killpg(self.stand.processes[name].pid, what)

    @staticmethod
    def _drain_in_transaction(db: psycopg.Connection[Any]) -> bool:
        """Only a drain locks rows of the inbox."""
        row = db.execute(
            "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid WHERE a.application_name = 'zbor-worker'"
            " AND a.backend_xid IS NOT NULL AND l.relation = 'inbox'::regclass AND l.mode IN ('RowShareLock', 'RowExclusiveLock')"
        ).fetchone()
        return bool(row and row[0])

    def kill_children(self, name: str) -> None:
        """kill -9 of what one of the stand's processes has started."""
        pid = self.stand.processes[name].pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    def crash_database(self, down: float = 2.0) -> None:
        """PostgreSQL's immediate stop, which is a crash to it, and a start after some seconds."""
        self.stand.postgres.stop(signal.SIGQUIT)
        time.sleep(down)
        self.stand.postgres.start()

    # --- What must hold after every fault -------------------------------------------------------------------------------

    def check_events(self) -> None:
        """Nothing acknowledged is missing, nothing waits, nothing was taken twice, what is no event was set aside."""
        self.exactly(f"unprocessed after {UNPROCESSED_WITHIN:.0f} s", self.unprocessed(), 0)
        stored = {row[0] for row in self.rows("SELECT id FROM inbox")}
        self.exactly("acknowledged and missing", len(self.crowd.acknowledged - stored), 0)
        self.exactly("given up by the clients", self.crowd.given_up, 0)
        self.exactly(
            "mailboxes pending or counted",
            self.value("SELECT count(DISTINCT mailbox_hmac) FROM signatures WHERE state IN ('pending', 'counted')"),
            len(self.crowd.mailboxes),
        )
        twice = self.value(
            "SELECT (SELECT count(*) - count(DISTINCT event_id) FROM signatures)"
            " + (SELECT count(*) - count(DISTINCT mailbox_hmac) FROM signatures WHERE state = 'counted')"
        )
        self.exactly("taken or counted twice", twice, 0)
        aside = {row[0] for row in self.rows("SELECT id FROM inbox WHERE state = 'unreadable'")}
        self.exactly("events that do not open, set aside", len(aside & self.crowd.junk), len(self.crowd.junk))
        self.exactly(
            "others set aside or failed",
            self.value("SELECT count(*) FROM inbox WHERE state = 'failed'") + len(aside - self.crowd.junk),
            0,
        )

    def check_counted(self) -> None:
        """Every mailbox is counted, once."""
        self.exactly(
            "counted", self.value("SELECT count(*) FROM signatures WHERE state = 'counted'"), len(self.crowd.mailboxes)
        )
        self.exactly(
            "sum of tallies counted",
            self.value("SELECT coalesce(sum(total), 0)::int FROM tallies WHERE state = 'counted'"),
            len(self.crowd.mailboxes),
        )

    def check_mails(self, repeats: int) -> None:
        """Each signature that waits for it has got its mail, and not more than so many got theirs twice."""
        mailed = Counter(self.mails())
        sent = {link for _, link in mailed}
        wanted = self.value("SELECT count(*) FROM outbox WHERE template = 'confirm'")
        self.exactly("mails lost", wanted - len(sent), 0)
        if repeats:
            self.at_most("mails repeated", mailed.total() - len(mailed), repeats)
        else:
            self.exactly("most mails to one address and link", max(mailed.values()), 1)

    def check_peace(self) -> None:
        """All invariants hold, and nobody's name or address lies anywhere in the clear."""
        found = json.loads(self.stand.run_flask("worker", "fsck", "--json").stdout)
        offenders = " ".join(one["name"] for one in found if one["broken"])
        self.exactly(f"fsck, broken invariants {offenders}".strip(), sum(bool(one["broken"]) for one in found), 0)
        hits = search(self.stand, self.crowd.mark)
        for hit in hits:
            self.say(f"[red]in the clear: {hit}[/]")
        self.exactly("places with a name in the clear", len(hits), 0)
