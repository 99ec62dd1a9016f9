"""The console's pages about petitions, one module for each thing one comes for."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("petitions_console", __name__)

from petitions.console import addressees, editor, held, life, news, reports, search  # noqa: E402, F401  # They add themselves to `bp`.
