"""A local SMTP catcher: `python -m core.demo.catcher PORT FOLDER` writes every mail into FOLDER as NNNNNN.eml."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session


class Catcher:
    """Accepts mail as a real server does: some addresses it does not know (550)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        taken = [int(path.stem) for path in folder.glob("*.eml")]
        self.numbers = count(max(taken, default=0) + 1)

    async def handle_RCPT(  # noqa: N802  # The name is aiosmtpd's.
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("bounce"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # As above.
        path = self.folder / f"{next(self.numbers):06d}.eml"
        half = path.with_suffix(".part")
        half.write_bytes(envelope.original_content or b"")
        half.rename(path)
        return "250 caught"


def main() -> None:
    """Serve until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    loop = asyncio.new_event_loop()
    controller = UnthreadedController(Catcher(folder), hostname="127.0.0.1", port=port, loop=loop, enable_SMTPUTF8=True)
    controller.begin()
    loop.run_forever()


if __name__ == "__main__":
    main()
