"""The public site: petitions, the sign form, and the pages that a mail leads to."""

from __future__ import annotations

from uuid import UUID, uuid4

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.answers import browser_secret, keep_secret, new_secret
from core.errors import NotFoundError, UnavailableError
from core.i18n import current_language
from core.security import EVERYBODY, open_to
from core.waiting import look_again, looks, next_look
from petitions import services
from petitions.forms import ButtonForm, SignForm

bp = Blueprint("petitions", __name__)
MOST_LOOKS = 8


@bp.get("/")
@open_to(EVERYBODY)
def index() -> ResponseReturnValue:
    """Home: what this is, and the petitions that can be signed."""
    return render_template("petitions/index.html", cards=services.list_open(current_language()))


@bp.get("/petitions/<slug>")
@open_to(EVERYBODY)
def show(slug: str) -> ResponseReturnValue:
    """One petition with the sign form below its text."""
    try:
        page = services.show(slug, current_language(), request.args.get("text"))
    except NotFoundError:
        return _not_there()
    form = SignForm(formdata=None, text_hash=page.text.hash)
    return render_template("petitions/show.html", page=page, form=form)


@bp.post("/petitions/<slug>/signatures")
@open_to(EVERYBODY)
def sign(slug: str) -> ResponseReturnValue:
    """Take a signature. The answer is the same whoever has signed before; nothing typed is lost on an error."""
    form = SignForm()
    try:
        try:
            page = services.show(slug, current_language(), request.args.get("text"), whole=False)
        except NotFoundError:
            return _not_there()
        if not page.accepts_signatures:
            return render_template(
                "petitions/closed.html", page=page, cards=services.list_open(current_language())
            ), 410
        valid = form.validate_on_submit()
        text = next((text for text in page.texts if text.hash == form.text_hash.data), None)
        if not valid or text is None:
            page = services.show(slug, current_language(), request.args.get("text"))
            form.text_hash.data = page.text.hash
            return render_template("petitions/show.html", page=page, form=form, text_changed=text is None), 422
        signer = services.SignerInput(
            name=form.name.data or "",
            email=form.email.data or "",
            country=form.country.data,
            city=form.city.data or "",
            in_public=bool(form.consent_public.data),
            updates=bool(form.consent_updates.data),
            consent_hash=form.consent_hash(),
            filled_trap=bool(form.website.data),
        )
        is_new = services.sign(page, signer, text, current_language(), form.event())
    except UnavailableError:
        return render_template("petitions/try_again.html", form=form, action=url_for(".sign", slug=slug)), 503
    return redirect(url_for(".thanks" if is_new else ".already_sent", slug=slug), 303)


@bp.get("/petitions/<slug>/signatures")
@open_to(EVERYBODY)
def reload(slug: str) -> ResponseReturnValue:
    """Somebody opens the address of the form's answer: its language changed, or the page was reloaded."""
    return redirect(url_for(".show", slug=slug, text=request.args.get("text"), _anchor="sign"))


@bp.get("/petitions/<slug>/thanks")
@open_to(EVERYBODY)
def thanks(slug: str) -> ResponseReturnValue:
    """What happens next: a mail, and a button to press."""
    return render_template("petitions/thanks.html", page=services.show(slug, current_language()))


@bp.get("/petitions/<slug>/already-sent")
@open_to(EVERYBODY)
def already_sent(slug: str) -> ResponseReturnValue:
    """The same form arrived twice; says how to sign for another person."""
    return render_template("petitions/already_sent.html", page=services.show(slug, current_language()))


@bp.route("/confirm/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def confirm(token: str) -> ResponseReturnValue:
    """Confirm a signature. GET changes nothing: mail scanners follow links."""
    return _button("confirm", token)


@bp.route("/withdraw/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def withdraw(token: str) -> ResponseReturnValue:
    """Withdraw a signature and have the personal data erased."""
    return _button("withdraw", token)


def _button(kind: str, token: str) -> ResponseReturnValue:
    form = ButtonForm()
    if request.method == "POST":
        event_id = form.event()
        try:
            services.press_button(kind, token, browser_secret(), event_id)
        except UnavailableError:
            return render_template("petitions/button.html", kind=kind, form=form, unavailable=True), 503
        return redirect(url_for(".answer", kind=kind, event_id=event_id), 303)
    form.event_id.data = str(uuid4())
    response = make_response(render_template("petitions/button.html", kind=kind, form=form))
    # The secret is there before the POST, so that a double click finds its answer.
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.get("/answers/<any(confirm, withdraw):kind>/<uuid:event_id>")
@open_to(EVERYBODY)
def answer(kind: str, event_id: UUID) -> ResponseReturnValue:
    """The result of a pressed button. Waits up to two seconds, then the page asks again by itself."""
    secret = browser_secret()
    result = services.button_result(event_id, secret) if secret else None
    again = next_look(".answer", MOST_LOOKS, kind=kind, event_id=event_id) if secret and not result else None
    page = render_template("petitions/answer.html", kind=kind, result=result, again=again)
    return look_again(page, again, seconds=min(2 * looks(), 15)), 400 if result == "invalid" else 200


@bp.get("/privacy")
@open_to(EVERYBODY)
def privacy() -> ResponseReturnValue:
    """What becomes of personal data."""
    return render_template("petitions/privacy.html")


@bp.get("/contact")
@open_to(EVERYBODY)
def contact() -> ResponseReturnValue:
    """How to reach the people behind the site."""
    return render_template("petitions/contact.html")


def _not_there() -> ResponseReturnValue:
    """For a petition that never was, is not public yet, or was taken down: which of them, the page does not say."""
    return render_template("petitions/not_found.html", cards=services.list_open(current_language())), 404
