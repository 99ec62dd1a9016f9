"""The console's delivery pages, one module for each thing one comes for."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("delivery", __name__)

from delivery.console import bundles, letters  # noqa: E402, F401  # They add themselves to `bp`.
