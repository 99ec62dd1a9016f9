"""The sign form and the two buttons that a mail leads to."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from markupsafe import Markup, escape
from wtforms import BooleanField, EmailField, Field, HiddenField, StringField
from wtforms.validators import InputRequired, StopValidation, ValidationError
from wtforms.widgets import html_params

from core.config import LANGUAGES
from core.i18n import COUNTRY_CODES, country_choices, current_language
from core.typed import MAX_EMAIL, normal_email, tidy
from petitions.rules import MAX_CITY, MAX_NAME, is_throwaway, problem_with


class PublicForm(FlaskForm):
    """A form of the public site: no session, so no CSRF token. Where it came from is checked by core.security."""

    class Meta:
        csrf = False

    event_id = HiddenField()

    def event(self) -> UUID:
        """Id of the event this form becomes. Made with the form, so that sending it twice adds nothing."""
        try:
            return UUID(self.event_id.data or "")
        except ValueError:
            return uuid4()


class PlainText:
    """Validator for a name or a city: tidies, then says in a sentence what is wrong."""

    def __init__(self, longest: int, empty: str) -> None:
        self.longest = longest
        self.empty = empty
        self.field_flags = {"required": True, "maxlength": longest}

    def __call__(self, _form: FlaskForm, field: Field) -> None:
        field.data = tidy(field.data)
        match problem_with(field.data, self.longest):
            case None:
                return
            case "empty":
                raise StopValidation(str(self.empty))
            case "long":
                raise StopValidation(
                    _("This is longer than %(longest)s characters. Please shorten it.", longest=self.longest)
                )
            case "control":
                raise StopValidation(_("There is an invisible or control character in it. Please type it anew."))
            case "marks":
                raise StopValidation(_("There are too many marks on one letter. Please type it anew."))
            case "link":
                raise StopValidation(_("This looks like a web address. Please write only the name."))
            case "formula":
                raise StopValidation(_("It cannot begin with the sign “%(sign)s”.", sign=field.data[0]))
            case "unprintable":
                raise StopValidation(
                    _(
                        "The register can be printed in Latin, Cyrillic, Greek, Georgian, Armenian, Hebrew, Arabic and Devanagari letters. Please write it in one of these."
                    )
                )
            case _:
                raise StopValidation(_("There is no letter in it. Please write it in letters."))


class MailAddress:
    """Validator for a mail address that we can write to."""

    field_flags = {"required": True, "maxlength": MAX_EMAIL}  # noqa: RUF012  # WTForms reads it from the class.

    def __call__(self, _form: FlaskForm, field: Field) -> None:
        typed = (field.data or "").strip()
        if not typed:
            raise StopValidation(_("Enter your e-mail address. We send you one message to confirm."))
        email = normal_email(typed)
        if email is None:
            raise StopValidation(_("This is not a complete e-mail address. It should look like name@example.org."))
        if is_throwaway(email):
            raise StopValidation(_("This is a throw-away address. Please use one that you will still have next month."))
        field.data = typed


@lru_cache(maxsize=len(LANGUAGES))
def _country_options(language: str) -> str:
    """The 250 options of one language. Drawing them anew took more than half of the time of the whole page."""
    return "".join(f'<option value="{code}">{escape(name)}</option>' for code, name in country_choices(language))


class CountrySelect:
    """Widget of the country field; looks like WTForms' own."""

    def __call__(self, field: Field, **attributes: Any) -> Markup:
        nothing_yet = escape(_("Choose a country"))
        options = f'<option value="">{nothing_yet}</option>{_country_options(current_language())}'
        if field.data in COUNTRY_CODES:
            options = options.replace(f'value="{field.data}"', f'value="{field.data}" selected', 1)
        params = html_params(id=field.id, name=field.name, required=True, **attributes)
        return Markup(f"<select {params}>{options}</select>")  # noqa: S704  # Each part is escaped above.


class CountryField(Field):
    """An ISO 3166-1 code."""

    widget = CountrySelect()


class SignForm(PublicForm):
    """What a signer gives us. Labels of the consents are what the signer agrees to; their hash goes with the signature."""

    name = StringField(
        _l("First and last name"),
        [PlainText(MAX_NAME, _l("Enter your first and last name."))],
        description=_l("As you would sign a letter."),
    )
    email = EmailField(
        _l("E-mail address"),
        [MailAddress()],
        description=_l("Only to confirm your signature. It is never handed over or shown."),
    )
    country = CountryField(
        _l("Country where you live"),
        description=_l("Your signature goes to the foreign ministry of this country."),
    )
    city = StringField(_l("City"), [PlainText(MAX_CITY, _l("Enter the city or town where you live."))])
    consent_ministry = BooleanField(
        _l(
            "I agree that a coordinator of this petition hands over my name and city, with the date of signing, to the foreign ministry of the country where I live, or, if the petition is not addressed to it, to the petition’s general addressee."
        ),
        [InputRequired(_l("Without this consent we cannot hand over your signature. Tick the box if you agree."))],
    )
    consent_public = BooleanField(_l("Show my name in public on the page of this petition."))
    consent_updates = BooleanField(_l("Write to me about what becomes of this petition."))
    text_hash = HiddenField()
    website = StringField(_l("Leave this field empty"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.event_id.data = str(self.event())

    def validate_country(self, field: Field) -> None:
        """A code of the list; an empty choice and an unknown code get different sentences."""
        if not field.data:
            raise ValidationError(_("Choose the country where you live."))
        if field.data not in COUNTRY_CODES:
            raise ValidationError(_("We do not know this country. Choose one from the list."))

    def consent_hash(self) -> str:
        """SHA-256 of the consents as they were worded on the signer's screen, in order, one a line."""
        wordings = [
            str(field.label.text) for field in (self.consent_ministry, self.consent_public, self.consent_updates)
        ]
        return hashlib.sha256("\n".join(wordings).encode()).hexdigest()


class ButtonForm(PublicForm):
    """One button, on the page a mail leads to."""


class SearchForm(FlaskForm):
    """The exact address of somebody who asks what became of their signature."""

    email = EmailField(
        _l("E-mail address"),
        [InputRequired(_l("Enter an e-mail address."))],
        filters=[tidy],
    )

    def validate_email(self, field: EmailField) -> None:
        """Raises ValidationError for what cannot be an address."""
        if normal_email(field.data or "") is None:
            raise ValidationError(_("This is not an e-mail address that we can write to."))
