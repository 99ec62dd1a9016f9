"""One Typst document in a process of its own: JSON on standard input, the PDF or the picture on standard output.

A process, because the binding never empties its process-wide cache: it grew by 210 MB with each register of 5,000
rows, and the names of a ministry's signers would stay in the worker's memory with it.
"""

from __future__ import annotations

import ctypes
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1  # From linux/prctl.h.
MOST_MEMORY = 8 * 2**30
MOST_SECONDS = 600
ROOT = Path(__file__).resolve().parent.parent
CARD_TEMPLATE = ROOT / "templates" / "pdf" / "card.typ"

PDF = {"format": "pdf", "pdf_standards": ["a-3a", "ua-1"]}
"""PDF/A-3a and PDF/UA-1."""
PICTURE = {"format": "png", "ppi": 72}
"""A PNG file with a pixel for each point."""


def typeset(template: Path, fonts: Path, values: Mapping[str, object], form: Mapping[str, object] = PDF) -> bytes:
    """Set `template` with `values` as `sys.inputs.values`, with the fonts of this folder alone, as PDF or PICTURE.

    Raises ChildProcessError when it fails, without Typst's own words, which may quote a name.
    """
    # No time-out here: the child ends itself, and polling for its end made one bundle fail under a disturbed clock.
    order = {"template": str(template), "fonts": str(fonts), "values": json.dumps(values), "form": form}
    done = subprocess.run(  # noqa: S603  # Our own interpreter and this very module.
        [sys.executable, "-m", __name__],
        input=json.dumps(order).encode(),
        capture_output=True,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )
    if done.returncode:
        raise ChildProcessError(f"The typesetter ended with {done.returncode}.")
    return done.stdout


def draw_card(facts: Mapping[str, str]) -> bytes:
    """A share card, a PNG file of 1200 by 630 pixels, from what `petitions.cards` says of it. Raises ChildProcessError."""
    static = ROOT / "static"
    mark = (static / "img" / "mark.svg").read_text(encoding="utf-8")
    return typeset(CARD_TEMPLATE, static / "fonts", {**facts, "mark": mark}, PICTURE)


def main() -> None:
    """Child's side."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # It holds names, so it must not outlive a killed worker.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    signal.alarm(MOST_SECONDS)  # Ends it, whatever it waits for.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import typst  # Only now, so that loading it is under these limits, too, and the worker never does.

    order = json.load(sys.stdin.buffer)
    template = Path(order["template"])
    content = typst.compile(
        template.read_bytes(),
        root=str(template.parent),
        font_paths=[order["fonts"]],
        ignore_system_fonts=True,
        sys_inputs={"values": order["values"]},
        **order["form"],
    )
    sys.stdout.buffer.write(content)


if __name__ == "__main__":
    main()
