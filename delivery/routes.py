"""The public page on which a ministry, or anybody, checks a file of a bundle. The console's pages are in `delivery.console`."""

from __future__ import annotations

import base64

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.caching import same_for_everybody
from core.config import current_config
from core.i18n import current_language
from core.security import CSP, EVERYBODY, open_to
from delivery import verifying

bp = Blueprint("verifying", __name__)

SCRIPT_CSP = f"{CSP}; script-src 'self'"
"""The script reckons the SHA-256 of a file here in the browser; it may connect to nowhere."""


@bp.get("/verify")
@open_to(EVERYBODY)
@same_for_everybody("code")
def verify() -> ResponseReturnValue:
    """The form, and with `code`, a code or a SHA-256, what is known of it; 404 when nothing is."""
    typed = request.args.get("code", "").strip()
    asked = verifying.read_asked(typed)
    found = verifying.find(asked, current_language()) if asked is not None else None
    config = current_config()
    archive, log = "bundle.zip", ""
    if found is not None:
        archive = f"{found.volume.code}.zip"
        log = f" --log {config.public_url}{url_for('petitions.log', slug=found.volume.slug, lang=None)}"
    root_key = base64.b64encode(config.root_public_key).decode()
    page = render_template(
        "delivery/verify.html",
        typed=typed,
        asked=asked,
        found=found,
        command=f"python3 zbor-verify.py bundle {archive}{log} --root-key {root_key}",
    )
    response = make_response(page, 404 if typed and found is None else 200)
    response.headers["Content-Security-Policy"] = SCRIPT_CSP
    return response
