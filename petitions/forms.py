"""The forms of the public site: to sign, to type a code, to change one's signature, to report, to search."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from markupsafe import Markup, escape
from wtforms import BooleanField, EmailField, Field, StringField, TextAreaField
from wtforms.fields.core import Label
from wtforms.validators import InputRequired, StopValidation, ValidationError
from wtforms.widgets import html_params

from core.addresses import is_watched
from core.fields import ChoiceField, OneOfField, choices
from core.forms import CarriedField, MailAddress, PublicForm
from core.i18n import COUNTRY_CODES, country_choices, country_name, current_language, sort_key
from core.lists import FilterForm
from core.typed import normal_email, tidy, tidy_lines
from petitions.models import PETITION_STATE_LABELS, PUBLIC_STATES, REPORT_REASON_LABELS
from petitions.reading import PetitionPage
from petitions.rules import MAX_CITY, MAX_NAME, MAX_REPORT, NO_COUNTRY, problem_with


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


@lru_cache(maxsize=64)
def _country_options(language: str, routed: frozenset[str]) -> tuple[str, str]:
    """The options of countries with an addressee of their own, and of the others. Drawing the 250 anew took half of a page's time."""
    options: tuple[list[str], list[str]] = [], []
    for code, name in country_choices(language):
        options[code not in routed].append(f'<option value="{code}">{escape(name)}</option>')
    return "".join(options[0]), "".join(options[1])


class CountrySelect:
    """Widget of the country field: two groups, which say whom a signature goes to before it is sent, without a script."""

    def __call__(self, field: Field, **attributes: Any) -> Markup:
        page: PetitionPage | None = field.page
        own, others = _country_options(current_language(), frozenset(page.routes or ()) if page else frozenset())
        fallback = page.fallback.name_en if page and page.fallback else ""
        # Words by themselves, because gettext does not look into strings with braces.
        choose, rather_not = _("Choose a country"), _("No country, or I would rather not say")
        to_own = _("Goes to the ministry of this country")
        to_fallback = _("Goes to: %(name)s", name=fallback) if fallback else _("Other countries")
        options = f'<option value="">{escape(choose)}</option>'
        if own:
            options += f'<optgroup label="{escape(to_own)}">{own}</optgroup>'
        others = f'<option value="{NO_COUNTRY}">{escape(rather_not)}</option>{others}'
        options += f'<optgroup class="others" label="{escape(to_fallback)}">{others}</optgroup>'
        if field.data in COUNTRY_CODES or field.data == NO_COUNTRY:
            options = options.replace(f'value="{field.data}"', f'value="{field.data}" selected', 1)
        params = html_params(id=field.id, name=field.name, required=True, **attributes)
        return Markup(f"<select {params}>{options}</select>")  # noqa: S704  # Each part is escaped above.


class CountryField(Field):
    """An ISO 3166-1 code, or NO_COUNTRY. `page` is the petition whose routes the choices tell."""

    widget = CountrySelect()
    page: PetitionPage | None = None


VISIBILITY = _l("I agree that my signature is handed over in this way")
UPDATES = _l("Write to me about what becomes of this petition.")


def _visibility_choices() -> list[tuple[str, LazyString]]:
    return [
        ("ministry", _l("With my name and city, for the ministry and the coordinator who hands them over.")),
        ("initials", _l("The same, and the page of the petition shows my initials.")),
        ("public", _l("The same, and the page of the petition shows my name.")),
        ("counted", _l("Counted only: nobody is given my name; the register says “one further signer”.")),
    ]


class ConsentForm(PublicForm):
    """What a signer agrees to. The wordings are what is agreed to, and their hash goes with the signature."""

    visibility = OneOfField(
        VISIBILITY,
        [InputRequired(_l("Choose who may see your name. Without your consent we cannot hand anything over."))],
        choices=choices(_visibility_choices()),
        description=_l("If you or your relatives may be at risk, choose “counted only”. You can change it later."),
    )
    updates = BooleanField(UPDATES)

    def consent_hash(self) -> str:
        """SHA-256 of the wordings on the signer's screen, in order, one a line."""
        return _consent_hash(current_language())


@lru_cache
def _consent_hash(_language: str) -> str:
    """The hash in the language in force, which the wordings speak by themselves."""
    labels = [choice[1] for choice in _visibility_choices()]
    wordings = [VISIBILITY, *labels, UPDATES]
    return hashlib.sha256("\n".join(str(one) for one in wordings).encode()).hexdigest()


class SignForm(ConsentForm):
    """What a signer gives us."""

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
    watched_anyway = BooleanField(_l("Use this address all the same."))
    country = CountryField(
        _l("Country where you live"),
        description=_l(
            "It decides who receives your signature. If you live in two, choose the one where you are more often."
        ),
    )
    city = StringField(_l("City"), [PlainText(MAX_CITY, _l("Enter the city or town where you live."))])
    of_age = BooleanField()
    text_hash = CarriedField()
    routes_hash = CarriedField()
    shown = CarriedField()
    proof = CarriedField()
    shown_pass = CarriedField()
    website = StringField(_l("Leave this field empty"))

    def __init__(self, page: PetitionPage | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_id.data = str(self.event())
        for last in ("visibility", "of_age", "updates"):  # In the order in which they stand on the page.
            self._fields[last] = self._fields.pop(last)
        self.country.page = page
        self.min_age = page.petition.min_age if page else None
        if self.min_age is None:
            del self.of_age
        else:
            self.of_age.label = Label(self.of_age.id, _("I am at least %(years)s years old.", years=self.min_age))

    @property
    def is_watched(self) -> bool:
        """Whether the typed address is at a provider that a state watches; then its owner is asked."""
        return is_watched(self.email.data or "")

    def validate_email(self, field: Field) -> None:
        """An address that a state can read goes through once its owner has been told."""
        if self.is_watched and not self.watched_anyway.data:
            domain = (field.data or "").rpartition("@")[2]
            raise ValidationError(
                _(
                    "The authorities of Belarus or Russia can read mail at %(domain)s, and so learn that you sign. Another address is safer, such as one at a provider abroad.",
                    domain=domain,
                )
            )

    def validate_country(self, field: Field) -> None:
        """A code of the list; an empty choice and an unknown code get different sentences."""
        if not field.data:
            raise ValidationError(_("Choose the country where you live."))
        if field.data not in COUNTRY_CODES and field.data != NO_COUNTRY:
            raise ValidationError(_("We do not know this country. Choose one from the list."))

    def validate_of_age(self, field: Field) -> None:
        """Only of petitions with a minimum age."""
        if not field.data:
            raise ValidationError(_("This petition may be signed from the age of %(years)s.", years=self.min_age))

    def validate(self, extra_validators: Any = None) -> bool:
        """As WTForms does; whoever would rather not say in which country they live need not name a city either."""
        valid: bool = super().validate(extra_validators)
        if self.country.data == NO_COUNTRY and not self.city.data:
            self.city.errors = []
            valid = not any(field.errors for field in self)
        return valid


class CodeForm(PublicForm):
    """The six digits of the mail, however they were typed."""

    code = StringField(_l("Code of six digits from our message"), filters=[lambda typed: _digits(typed)])

    def validate_code(self, field: Field) -> None:
        """Raises ValidationError for what cannot be a code; it is not sent, and no guess is spent."""
        if not re.fullmatch(r"\d{6}", field.data or ""):
            raise ValidationError(_("The code has six digits, such as 123 456."))


def _digits(typed: str | None) -> str:
    """The digits of any script as ASCII, without what stands between them."""
    return "".join(str(unicodedata.digit(char, "")) for char in (typed or "")[:40] if char.isdigit())


class ReportForm(PublicForm):
    """What a visitor finds wrong with a petition."""

    reason = OneOfField(
        _l("What is wrong with it?"),
        [InputRequired(_l("Choose what is wrong."))],
        choices=choices(REPORT_REASON_LABELS.items()),
    )
    message = TextAreaField(
        _l("What should we know? (optional)"),
        filters=[tidy_lines],
        description=_l("A reviewer reads it. Please do not write names of people who could be endangered by it."),
    )

    def validate_message(self, field: Field) -> None:
        """Raises ValidationError for more than MAX_REPORT characters."""
        if len(field.data) > MAX_REPORT:
            raise ValidationError(
                _("This is longer than %(longest)s characters. Please shorten it.", longest=MAX_REPORT)
            )


class PetitionFilter(FilterForm):
    """Filters of the list of petitions."""

    q = StringField(_l("Words in title or text"), filters=[tidy])
    country = ChoiceField(_l("Addressed to"), choices=[], filters=[lambda code: code or None])
    state = ChoiceField(
        _l("State"),
        choices=choices([("", _l("Any")), *((one, PETITION_STATE_LABELS[one]) for one in PUBLIC_STATES)]),
    )
    sort = ChoiceField(
        _l("Order"),
        choices=choices(
            [("newest", _l("Newest first")), ("most", _l("Most signed first")), ("closing", _l("Closing soon"))]
        ),
        default="newest",
    )

    def __init__(self, countries: Iterable[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = current_language()
        named = sorted(((code, country_name(code)) for code in countries), key=lambda one: sort_key(one[1], language))
        self.country.choices = [("", _("Any country")), *named]


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
