"""A mail server that has the mailer killed in its worst moment: it has the mail, and nobody has written that down yet."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from core.demo.catcher import Catcher
from tests.faults.run import Run

_WITHIN = 60.0


class StrikingCatcher(Catcher):
    """Takes mail as the stand's own catcher does. Use it as a context manager."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.stand.mails)
        self.run = run
        self.struck: list[UUID] = []
        self._holding: psycopg.Connection[Any] | None = None
        self._taken = threading.Event()
        self._server = Controller(self, hostname="127.0.0.1", port=run.stand.ports.smtp, enable_SMTPUTF8=True)

    def __enter__(self) -> StrikingCatcher:
        self._server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # The name is aiosmtpd's.
        if self._holding is None or self._taken.is_set():
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

    def strike(self) -> bool:
        """kill -9 of the mailer once it waits to write down what was just taken. Says whether it did wait."""
        already = len(self.struck)
        self._taken.clear()
        with psycopg.connect(self.run.stand.postgres.url("postgres").replace("+psycopg", "")) as holding:
            # What the mailers killed before had leased is free, but for the mails that have been taken.
            self.run.let_leases_end(but=self.struck)
            mine = holding.info.backend_pid
            self._holding = holding
            taken = self._taken.wait(_WITHIN)
            waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'zbor-worker' AND %s = ANY (pg_blocking_pids(pid))"
            waiting = self.run.wait_for(lambda: self.run.value(waits, mine), _WITHIN, every=0.02) if taken else None
            self.run.stand.kill("heavy")
            self._holding = None
            holding.rollback()
        return waiting is not None and len(self.struck) == already + 1
