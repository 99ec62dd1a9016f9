"""The challenge that a signer's browser works on while its form is filled in."""

from __future__ import annotations

from flask import jsonify
from flask.typing import ResponseReturnValue

from core.errors import UnavailableError
from core.security import EVERYBODY, open_to
from petitions import reading, signals
from petitions.routes import bp


@bp.get("/petitions/<slug>/proof")
@open_to(EVERYBODY)
def proof(slug: str) -> ResponseReturnValue:
    """A challenge, as JSON. Nobody keeps it: each is good for one signature."""
    intake = reading.read_intake(slug)
    challenge = signals.new_challenge(intake.petition_id, flooded=intake.flooded)
    if challenge is None:
        raise UnavailableError
    return jsonify(challenge)
