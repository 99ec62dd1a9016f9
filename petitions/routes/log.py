"""The log that proves a petition's count: its page, its data, and where a receipt is looked up. No name is in any of it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from flask import jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.caching import open_to_other_sites, same_for_everybody
from core.config import current_config
from core.errors import NotFoundError
from core.factory import ROOT
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from petitions import proving, reading
from petitions.log_forms import CheckForm
from petitions.routes import bp, no_such_petition

HEADS_ON_A_PAGE = 10
LONGEST_LOG = 2**31 - 1


@cache
def _script_hash() -> str:
    """SHA-256 of the script that strangers check a log with."""
    return hashlib.sha256((ROOT / "static" / "zbor-verify.py").read_bytes()).hexdigest()


@bp.get("/petitions/<slug>/log")
@open_to(EVERYBODY)
@same_for_everybody("text", "page")
def log(slug: str) -> ResponseReturnValue:
    """What the log is and is not, its heads, and how to check it."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    except NotFoundError:
        return no_such_petition()
    number = min(max(1, request.args.get("page", 1, type=int)), LONGEST_LOG // HEADS_ON_A_PAGE)
    heads, has_older = proving.newest_heads(page.petition.id, number, HEADS_ON_A_PAGE)
    config = current_config()
    root_key = base64.b64encode(config.root_public_key).decode()
    address = f"{config.public_url}{url_for('petitions.log', slug=slug, lang=None)}"
    command = f"python3 zbor-verify.py log {address} --root-key {root_key}"
    return render_template(
        "petitions/log.html",
        page=page,
        newest=heads[0] if heads and number == 1 else proving.newest_head(page.petition.id),
        heads=heads,
        number=number,
        has_older=has_older,
        commands=(f"{command} --save copy-1", f"{command} --save copy-2 --earlier copy-1"),
        root_key=root_key,
        script_hash=_script_hash(),
        entries_at_once=proving.ENTRIES_AT_ONCE,
    )


@bp.get("/petitions/<slug>/log/heads.json")
@open_to(EVERYBODY)
@same_for_everybody("from")
def log_heads(slug: str) -> ResponseReturnValue:
    """Signed tree heads with `from` entries or more, some at once: `next` says from where the others can be had."""
    page = reading.find_public(slug, current_language(), routed=False)
    return open_to_other_sites(jsonify(proving.heads_from(page.petition, _asked_from(1))))


@bp.get("/petitions/<slug>/log/entries")
@open_to(EVERYBODY)
@same_for_everybody("from")
def log_entries(slug: str) -> ResponseReturnValue:
    """Entries from `from`, one a line. It is a multiple of ENTRIES_AT_ONCE; a page with fewer is the last."""
    page = reading.find_public(slug, current_language(), routed=False)
    start = _asked_from(0)
    if start % proving.ENTRIES_AT_ONCE:
        raise NotFoundError
    response = make_response(proving.entry_lines(page.petition.id, start))
    response.headers["Content-Type"] = "text/plain; charset=us-ascii"
    return open_to_other_sites(response)


def _asked_from(default: int) -> int:
    """The number `from` of the query. Raises NotFoundError for one that no log has."""
    start = request.args.get("from", default, type=int)
    if not 0 <= start <= LONGEST_LOG:
        raise NotFoundError
    return start


@bp.route("/petitions/<slug>/log/check", methods=["GET", "POST"])
@open_to(EVERYBODY)
def log_check(slug: str) -> ResponseReturnValue:
    """Look up the line of a receipt. Nothing is stored, and the line stands in no address."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    except NotFoundError:
        return no_such_petition()
    form, checked, status = CheckForm(), None, 200
    if request.method == "POST":
        if form.validate_on_submit():
            checked = proving.check_line(page.petition, form.line.data or "")
        else:
            status = 422
    return render_template("petitions/log_check.html", page=page, form=form, checked=checked), status
