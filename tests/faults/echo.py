"""Every wake-up delivered ten times: what somebody pushes into a queue is pushed nine times more."""

from __future__ import annotations

import ast
import re
import threading
import time
from pathlib import Path

import redis

QUEUES = ("light", "quick", "heavy")
_PUSH = re.compile(rb'^[\d.]+ \[0 (?!lua)[^]]*\] "LPUSH" "(light|quick|heavy)" ("(?:[^"\\]|\\.)*")$')
_AGAIN = "for _ = 1, tonumber(ARGV[2]) do redis.call('LPUSH', KEYS[1], ARGV[1]) end"


class Echo:
    """Reads MONITOR, where our own pushes are told apart by coming from a script. Use it as a context manager."""

    def __init__(self, url: str, times: int = 9, record: Path | None = None) -> None:
        self.url = url
        self.times = times
        self.record = record
        """Where everything that anybody says to the server is written down, if anywhere."""
        self.heard = 0
        self._ends = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Echo:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends = True
        self._thread.join()

    def _run(self) -> None:
        while not self._ends:
            try:
                self._listen()
            except (redis.RedisError, OSError):
                time.sleep(0.1)  # The server is away, and so are those who push; we are back before most of them.

    def _listen(self) -> None:
        with redis.Redis.from_url(self.url) as client, client.monitor() as monitor:
            self._ready.set()
            while not self._ends:
                if not monitor.connection.can_read(timeout=0.2):
                    continue
                line = monitor.connection.read_response(disable_decoding=True)
                if self.record is not None:
                    with self.record.open("ab") as file:
                        file.write(line + b"\n")
                push = _PUSH.match(line)
                if push:
                    # MONITOR writes bytes as C does, and so does Python.
                    client.eval(_AGAIN, 1, push[1], ast.literal_eval("b" + push[2].decode()), self.times)
                    self.heard += 1
