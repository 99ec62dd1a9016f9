"""The console's pages about pickets, one module for each thing one comes for."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("pickets_console", __name__)

import pickets.places  # noqa: E402, F401  # It registers what waits, and the rooms.
from pickets.console import after, desk, filing, papers, people  # noqa: E402, F401  # They add themselves to `bp`.
