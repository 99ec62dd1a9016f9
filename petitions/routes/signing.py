"""Signing: the form, the code, the mail once more, and the buttons that a mail leads to."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID, uuid4

from flask import make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from core.answers import browser_secret, keep_secret, new_secret
from core.errors import NotFoundError, UnavailableError
from core.forms import ButtonForm
from core.i18n import current_language
from core.security import EVERYBODY, FORM_CSP, from_anywhere, open_to, takes
from core.waiting import look_again, looks, next_look
from petitions import reading, signals, signing
from petitions.forms import CodeForm, SignForm
from petitions.reading import PetitionPage
from petitions.routes import bp, no_such_petition

MOST_LOOKS = 8
MOST_UNSUBSCRIBING = 8192
"""Bytes of what a program for mail sends, in either encoding of a form."""
KINDS = "any(confirm, withdraw, not_me, unsubscribe)"


@bp.get("/petitions/<slug>/sign")
@open_to(EVERYBODY)
def sign_form(slug: str) -> ResponseReturnValue:
    """The form. Never cached: it carries the id that keeps it from being stored twice."""
    try:
        page = reading.find_kept(slug, current_language(), request.args.get("text"))
    except NotFoundError:
        return no_such_petition()
    if not page.accepts_signatures:
        return _closed(page)
    carried = {"text_hash": page.text.hash, "routes_hash": page.routes_hash, "shown_pass": request.args.get("pass", "")}
    return _form_page(page, SignForm(page, formdata=None, **carried))


def _form_page(page: PetitionPage, form: SignForm, status: int = 200, **values: object) -> ResponseReturnValue:
    # A form that comes back keeps the moment in which it was first shown.
    if signals.read_shown(form.shown.data or "", form.event()).form != "known":
        form.shown.data = signals.shown_now(form.event())
    response = make_response(render_template("petitions/sign.html", page=page, form=form, **values), status)
    response.headers["Content-Security-Policy"] = FORM_CSP
    return response


def _closed(page: PetitionPage) -> ResponseReturnValue:
    return render_template("petitions/closed.html", page=page, cards=reading.list_open(current_language(), 3)), 410


@bp.post("/petitions/<slug>/signatures")
@open_to(EVERYBODY)
def sign(slug: str) -> ResponseReturnValue:
    """Take a signature. The answer is the same whoever has signed before; nothing typed is lost on an error."""
    page: PetitionPage | None = None
    try:
        try:
            page = reading.find_kept(slug, current_language(), request.args.get("text"))
        except NotFoundError:
            return no_such_petition()
        if not page.accepts_signatures:
            return _closed(page)
        form = SignForm(page)
        valid = form.validate_on_submit()
        text = next((text for text in page.texts if text.hash == form.text_hash.data), None)
        rerouted = form.routes_hash.data not in ("", None, page.routes_hash)
        if not valid or text is None or rerouted:
            form.text_hash.data, form.routes_hash.data = page.text.hash, page.routes_hash
            return _form_page(page, form, 422, text_changed=text is None, rerouted=rerouted)
        event_id = form.event()
        signer = signing.SignerInput(
            name=form.name.data or "",
            email=form.email.data or "",
            country=form.country.data,
            city=form.city.data or "",
            visibility=form.visibility.data,
            updates=bool(form.updates.data),
            of_age=form.min_age is not None,
            consent_hash=form.consent_hash(),
            signals=signals.gather(
                page.petition.id,
                event_id,
                shown=form.shown.data or "",
                proof=form.proof.data or "",
                trap=bool(form.website.data),
            ),
            shown_pass=form.shown_pass.data or "",
        )
        is_new = signing.sign(page, signer, text, current_language(), event_id)
    except UnavailableError:
        form = SignForm(page)
        return render_template("petitions/try_again.html", form=form, action=url_for(".sign", slug=slug)), 503
    if not is_new:
        return redirect(url_for(".already_sent", slug=slug), 303)
    return redirect(url_for(".thanks", slug=slug, signed=event_id), 303)


@bp.get("/petitions/<slug>/signatures")
@open_to(EVERYBODY)
def reload(slug: str) -> ResponseReturnValue:
    """Somebody opens the address of the form's answer: its language changed, or the page was reloaded."""
    return redirect(url_for(".sign_form", slug=slug, text=request.args.get("text")))


@bp.get("/petitions/<slug>/already-sent")
@open_to(EVERYBODY)
def already_sent(slug: str) -> ResponseReturnValue:
    """The same form arrived twice; says how to sign for another person."""
    return render_template("petitions/already_sent.html", page=_any_petition(slug))


def _any_petition(slug: str) -> PetitionPage:
    return reading.find_kept(slug, current_language(), request.args.get("text"))


# --- After the form: the code, and the mail once more --------------------------------------------------------------------


class _Thanks(NamedTuple):
    """What the page after the form says beside its form for the code."""

    sent_again: bool = False
    wrong: bool = False
    unavailable: bool = False


@bp.get("/petitions/<slug>/thanks/<uuid:signed>")
@open_to(EVERYBODY)
def thanks(slug: str, signed: UUID) -> ResponseReturnValue:
    """What happens next: a mail, and its button or code. `signed` is the id of the form that was sent, known to its sender."""
    return _thanks_page(slug, signed, CodeForm(formdata=None), _Thanks(sent_again="again" in request.args))


def _thanks_page(slug: str, signed: UUID, form: CodeForm, told: _Thanks, status: int = 200) -> ResponseReturnValue:
    form.event_id.data = str(uuid4())
    page = render_template("petitions/thanks.html", page=_any_petition(slug), signed=signed, form=form, told=told)
    response = make_response(page, status)
    # The secret is there before the POST, so that a double click finds its answer.
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.post("/petitions/<slug>/thanks/<uuid:signed>/code")
@open_to(EVERYBODY)
def type_code(slug: str, signed: UUID) -> ResponseReturnValue:
    """Confirm by the code of the mail."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _thanks_page(slug, signed, form, _Thanks(), 422)
    event_id = form.event()
    try:
        signing.type_code(signed, form.code.data or "", browser_secret(), event_id)
    except UnavailableError:
        return _thanks_page(slug, signed, form, _Thanks(unavailable=True), 503)
    return redirect(url_for(".code_answer", slug=slug, signed=signed, event_id=event_id), 303)


@bp.get("/petitions/<slug>/thanks/<uuid:signed>/code/<uuid:event_id>")
@open_to(EVERYBODY)
def code_answer(slug: str, signed: UUID, event_id: UUID) -> ResponseReturnValue:
    """What came of a code. A wrong one leads back to the form."""
    secret = browser_secret()
    result = signing.result_of(event_id, secret) if secret else None
    if result == "wrong_code":
        return _thanks_page(slug, signed, CodeForm(formdata=None), _Thanks(wrong=True), 422)
    again = _next_look(".code_answer", secret, result, slug=slug, signed=signed, event_id=event_id)
    return _answer_page("code", result, again)


@bp.post("/petitions/<slug>/thanks/<uuid:signed>/resend")
@open_to(EVERYBODY)
def resend(slug: str, signed: UUID) -> ResponseReturnValue:
    """Ask for the mail once more. What is said is the same, whether one is sent or not."""
    form = ButtonForm()
    try:
        signing.ask_again(signed, form.event())
    except UnavailableError:
        return _thanks_page(slug, signed, CodeForm(formdata=None), _Thanks(unavailable=True), 503)
    return redirect(url_for(".thanks", slug=slug, signed=signed, again=1), 303)


# --- Buttons that a mail leads to ------------------------------------------------------------------------------------------


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


@bp.route("/not-me/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
def not_me(token: str) -> ResponseReturnValue:
    """Somebody else typed this address: erase what came of it, and write to it no more."""
    return _button("not_me", token)


@bp.route("/unsubscribe/<token>", methods=["GET", "POST"])
@open_to(EVERYBODY)
@from_anywhere
@takes(MOST_UNSUBSCRIBING, files=True)
def unsubscribe(token: str) -> ResponseReturnValue:
    """No more updates. Programs for mail press this by themselves when their user asks for it (RFC 8058)."""
    return _button("unsubscribe", token)


def _button(kind: str, token: str) -> ResponseReturnValue:
    form = ButtonForm()
    if request.method == "POST":
        event_id = form.event()
        try:
            signing.press_button(kind, token, browser_secret(), event_id)
        except UnavailableError:
            return render_template("petitions/button.html", kind=kind, form=form, unavailable=True), 503
        if "List-Unsubscribe" in request.form:
            return "", 204  # A program for mail; it must not be sent on (RFC 8058, 3.1).
        return redirect(url_for(".answer", kind=kind, event_id=event_id), 303)
    form.event_id.data = str(uuid4())
    response = make_response(render_template("petitions/button.html", kind=kind, form=form))
    keep_secret(response, browser_secret() or new_secret())
    return response


@bp.get(f"/answers/<{KINDS}:kind>/<uuid:event_id>")
@open_to(EVERYBODY)
def answer(kind: str, event_id: UUID) -> ResponseReturnValue:
    """The result of a pressed button. Waits up to two seconds, then the page asks again by itself."""
    secret = browser_secret()
    result = signing.result_of(event_id, secret) if secret else None
    return _answer_page(kind, result, _next_look(".answer", secret, result, kind=kind, event_id=event_id))


def _next_look(endpoint: str, secret: str | None, result: object, **values: object) -> str | None:
    return next_look(endpoint, MOST_LOOKS, **values) if secret and not result else None


def _answer_page(kind: str, result: str | None, again: str | None) -> ResponseReturnValue:
    page = render_template("petitions/answer.html", kind=kind, result=result, again=again)
    return look_again(page, again, seconds=min(2 * looks(), 15)), 400 if result == "invalid" else 200
