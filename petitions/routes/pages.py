"""Pages to read: home, the list, a petition, its names and history."""

from __future__ import annotations

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.caching import same_for_everybody
from core.config import current_config
from core.errors import NotFoundError
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from petitions import reading
from petitions.forms import PetitionFilter
from petitions.routes import bp, no_such_petition


@bp.get("/")
@open_to(EVERYBODY)
@same_for_everybody()
def index() -> ResponseReturnValue:
    """Home: what this is, and the petitions that can be signed."""
    return render_template("petitions/index.html", cards=reading.list_open(current_language()))


@bp.get("/petitions")
@open_to(EVERYBODY)
@same_for_everybody("q", "country", "state", "sort", "page")
def list_petitions() -> ResponseReturnValue:
    """All public petitions, to be searched and narrowed."""
    form = PetitionFilter(reading.addressed_countries(), request.args)
    form.settle()
    found = reading.find_petitions(
        current_language(),
        form.q.data or "",
        form.state.data,
        form.country.data,
        sort=form.sort.data or "newest",
        page=request.args.get("page", 1, type=int),
    )
    return render_template("petitions/list.html", form=form, found=found, kept=_kept(form))


def _kept(form: PetitionFilter) -> dict[str, str]:
    """What of the filters stays in the address of another page of the list."""
    return {name: value for name, value in form.data.items() if value and name in request.args}


@bp.get("/petitions/<slug>")
@open_to(EVERYBODY)
@same_for_everybody("text")
def show(slug: str) -> ResponseReturnValue:
    """One petition. The form to sign it is a page of its own, because this one is the same for everybody."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"))
    except NotFoundError:
        return no_such_petition()
    details = reading.read_details(page, current_language())
    return render_template("petitions/show.html", page=page, details=details, share=share_links(page))


def share_links(page: reading.PetitionPage) -> dict[str, str]:
    """Addresses of a petition for those who pass it on. They name its page and nothing of who passes it on."""
    public = current_config().public_url
    slug, language = page.petition.slug, page.text.language
    return {
        "page": f"{public}{url_for('petitions.show', slug=slug, lang=None)}",
        "card": f"{public}{url_for('petitions.share_card', slug=slug, language=language, lang=None)}",
        "embed": f"{public}{url_for('petitions.embed', slug=slug, text=language)}",
    }


@bp.get("/petitions/<slug>/names")
@open_to(EVERYBODY)
def names(slug: str) -> ResponseReturnValue:
    """Those who asked to be named. Never cached: whoever withdraws is gone from it at once."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    except NotFoundError:
        return no_such_petition()
    shown, number, pages = reading.read_names(page, request.args.get("page", 1, type=int))
    return render_template("petitions/names.html", page=page, names=shown, number=number, pages=pages)


@bp.get("/petitions/<slug>/history")
@open_to(EVERYBODY)
@same_for_everybody("text")
def history(slug: str) -> ResponseReturnValue:
    """Every version of the text, and what changed."""
    try:
        page = reading.find_public(slug, current_language(), request.args.get("text"), routed=False)
    except NotFoundError:
        return no_such_petition()
    return render_template("petitions/history.html", page=page, versions=reading.read_history(page))


@bp.get("/privacy")
@open_to(EVERYBODY)
@same_for_everybody()
def privacy() -> ResponseReturnValue:
    """What becomes of personal data."""
    return render_template("petitions/privacy.html")


@bp.get("/contact")
@open_to(EVERYBODY)
@same_for_everybody()
def contact() -> ResponseReturnValue:
    """How to reach the people behind the site."""
    return render_template("petitions/contact.html")
