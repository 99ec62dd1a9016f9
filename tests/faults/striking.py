"""A mail server that has the mailer killed in its worst moment: it has the mail, and nobody has written that down yet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from core.demo.catcher import Catcher
from tests.faults.run import Run

_WITHIN = 60.0


class StrikingCatcher(Catcher):
    """Takes mail as the stand's own catcher does, but none between two strikes. Use it as a context manager."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.stand.mails)
        self.run = run
        self.struck: list[UUID] = []
        self._holding: psycopg.Connection[Any] | None = None
        self._taken = threading.Event()
        self._lets_go = False
        self._server = Controller(self, hostname="127.0.0.1", port=run.stand.ports.smtp, enable_SMTPUTF8=True)

    def __enter__(self) -> StrikingCatcher:
        self._server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.let_go()
        self._server.stop()

    def let_go(self) -> None:
        """From now on take every mail."""
        self._lets_go = True

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # The name is aiosmtpd's.
        while not self._lets_go and (self._holding is None or self._taken.is_set()):
            await asyncio.sleep(0.01)
        if self._holding is None:
            return await super().handle_DATA(server, session, envelope)
        # Only the mail that is being sent is leased for longer than its lot; while we hold its row, the mailer can
        # send it and cannot write down that it did.
        rows = self._holding.execute(
            "SELECT id FROM outbox WHERE state = 'queued' AND leased_until > now() + interval '2 minutes' AND id <> ALL(%s) FOR UPDATE",
            (self.struck,),
        ).fetchall()
        self.struck += [row[0] for row in rows]
        answer = await super().handle_DATA(server, session, envelope)
        self._taken.set()
        return answer

    def strike(self, kill: Callable[[], None]) -> bool:
        """Take one mail, and `kill` the mailer once it waits to write that down. Says whether it did wait.

        It has read the 250 by then, for before that it writes nothing; and as we hold the row, it cannot have committed.
        """
        already = len(self.struck)
        self._taken.clear()
        with psycopg.connect(self.run.stand.postgres.url("postgres").replace("+psycopg", "")) as holding:
            mine = holding.info.backend_pid
            self._holding = holding
            taken = self._taken.wait(_WITHIN)
            waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zbor-worker' AND %s = ANY (pg_blocking_pids(pid))"
            waiting = self.run.wait_for(lambda: self.run.value(waits, mine), _WITHIN, every=0.02) if taken else None
            # What it had leased besides is free for the next; the mail that was taken is not, until the end.
            self.run.let_leases_end(but=self.struck)
            kill()
            self._holding = None
            holding.rollback()
        return waiting is not None and len(self.struck) == already + 1
