"""Forms of the console's own pages: logging in, enrolling, people, approvals, and the filters of lists."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    EmailField,
    HiddenField,
    PasswordField,
    SearchField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from accounts import factors
from accounts.models import APPROVAL_STATE_LABELS, ROLE_LABELS, StaffRole
from core.config import LANGUAGES
from core.fields import ChoiceField
from core.i18n import country_choices, current_language
from core.lists import FilterForm
from core.typed import MAX_EMAIL, normal_email, tidy_line, tidy_lines

TOO_LONG = _l("This is too long.")
CODE_HINT = _l("Six digits from your authenticator app, or one of your recovery codes.")


def _passphrase() -> PasswordField:
    return PasswordField(
        _l("Passphrase"),
        [InputRequired(_l("Enter your passphrase.")), Length(max=factors.LONGEST, message=TOO_LONG)],
    )


def _code() -> StringField:
    return StringField(
        _l("Code"),
        [InputRequired(_l("Enter the code.")), Length(max=64, message=TOO_LONG)],
        description=CODE_HINT,
    )


def _reason(label: Any, missing: Any) -> TextAreaField:
    return TextAreaField(label, [DataRequired(missing), Length(max=500, message=TOO_LONG)], filters=[tidy_lines])


def _email() -> EmailField:
    return EmailField(
        _l("E-mail address"),
        [DataRequired(_l("Enter an e-mail address.")), Length(max=MAX_EMAIL, message=TOO_LONG)],
        filters=[tidy_line],
    )


class _NewAddress(FlaskForm):
    """For forms that take an address to write to."""

    email = _email()

    def validate_email(self, field: EmailField) -> None:
        """Raises ValidationError for what cannot be an address."""
        email = normal_email(field.data or "")
        if email is None:
            raise ValidationError(_("This is not an e-mail address that we can write to."))
        field.data = email.lower()


class ButtonForm(FlaskForm):
    """A button."""


class LoginForm(FlaskForm):
    """Everything on one form, so that no step tells that the one before was right.

    The upper bounds keep a long text from becoming work for the hash.
    """

    email = EmailField(
        _l("E-mail address"), [InputRequired(_l("Enter your e-mail address.")), Length(max=MAX_EMAIL, message=TOO_LONG)]
    )
    passphrase = _passphrase()
    code = _code()


class PasskeyForm(FlaskForm):
    """What the browser answered, put into the field by script."""

    answer = HiddenField(validators=[InputRequired(_l("Your browser sent no passkey. Please try again."))])


class ProofForm(FlaskForm):
    """Proving anew who one is, on the way to something else."""

    proof_passkey = HiddenField()
    proof_passphrase = PasswordField(_l("Passphrase"), [Length(max=factors.LONGEST, message=TOO_LONG)])
    proof_code = StringField(
        _l("Code"),
        [Length(max=64, message=TOO_LONG)],
        description=CODE_HINT,
    )


class _NewPassphrase(FlaskForm):
    passphrase = PasswordField(
        _l("New passphrase"),
        [
            InputRequired(_l("Choose a passphrase.")),
            Length(min=factors.SHORTEST, message=_l("A passphrase has at least %(min)d characters.")),
            Length(max=factors.LONGEST, message=TOO_LONG),
        ],
        description=_l(
            "At least %(shortest)d characters; four or five words that nobody would expect together are good. Pasting is fine.",
            shortest=factors.SHORTEST,
        ),
    )
    repeated = PasswordField(_l("The same once more"), [Length(max=factors.LONGEST, message=TOO_LONG)])
    about: tuple[str, ...] = ()
    """Words that it must not be made of."""

    def validate_passphrase(self, field: PasswordField) -> None:
        """Raises ValidationError for one that would be guessed."""
        if factors.is_breached(field.data or ""):
            raise ValidationError(_("This passphrase stands in public lists of stolen ones. Choose another."))
        if factors.is_guessable(field.data or "", *self.about):
            raise ValidationError(
                _("This passphrase would be guessed too soon. Choose words that do not belong together.")
            )

    def validate_repeated(self, field: PasswordField) -> None:
        """Raises ValidationError when it is another."""
        if field.data != self.passphrase.data:
            raise ValidationError(_("The two are not the same."))


class AcceptInvitationForm(_NewPassphrase):
    """The first step of setting up an account."""

    name = StringField(
        _l("Your name"),
        [DataRequired(_l("Enter your name.")), Length(max=100, message=TOO_LONG)],
        filters=[tidy_line],
        description=_l(
            "Other coordinators and administrators see it; the public does not. It need not be the one in your passport."
        ),
    )


class NewPassphraseForm(_NewPassphrase):
    """Another passphrase."""


class TotpForm(FlaskForm):
    """The first code of an app."""

    code = StringField(
        _l("Code that the app shows"), [InputRequired(_l("Enter the code.")), Length(max=64, message=TOO_LONG)]
    )


class PasskeyNameForm(PasskeyForm):
    """A new passkey, with a name to know it by."""

    name = StringField(
        _l("Name of this passkey"),
        [Length(max=60, message=TOO_LONG)],
        filters=[tidy_line],
        description=_l("Such as “phone” or “blue key”."),
    )


class RequestAccountForm(_NewAddress):
    """Somebody outside asks for an account."""

    name = StringField(
        _l("Your name"), [DataRequired(_l("Enter your name.")), Length(max=100, message=TOO_LONG)], filters=[tidy_line]
    )
    country = ChoiceField(_l("Country"), [InputRequired(_l("Choose a country."))])
    city = StringField(
        _l("City"), [DataRequired(_l("Enter a city.")), Length(max=100, message=TOO_LONG)], filters=[tidy_line]
    )
    message = _reason(_l("Who you are, and what you want to organise"), _l("Write a sentence or two."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = [("", _("Choose a country")), *country_choices(current_language())]


class _Role(FlaskForm):
    """A role, for one petition and country or for all."""

    role = ChoiceField(_l("Role"), [InputRequired(_l("Choose a role."))])
    petition = ChoiceField(_l("Petition"), default="")
    country = ChoiceField(_l("Country"), default="")
    reason = _reason(_l("Reason"), _l("Say why; the second person reads it."))

    def __init__(self, petitions: list[tuple[int, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.role.choices = [("", _("Choose a role")), *((str(role), label) for role, label in ROLE_LABELS.items())]
        self.petition.choices = [("", _("All petitions")), *((str(number), title) for number, title in petitions)]
        self.country.choices = [("", _("All countries")), *country_choices(current_language())]

    def validate_role(self, field: ChoiceField) -> None:
        """Raises ValidationError for an administrator of a part."""
        if field.data == StaffRole.ADMINISTRATOR and (self.petition.data or self.country.data):
            raise ValidationError(_("An administrator is one for everything: leave petition and country at “all”."))

    def scope(self) -> dict[str, Any]:
        """The role and what it is for, as services want them."""
        return {
            "role": self.role.data,
            "petition_id": int(self.petition.data) if self.petition.data else None,
            "country_code": self.country.data or None,
        }


class InviteForm(_Role, _NewAddress):
    """A new person with the role that is asked for."""

    name = StringField(
        _l("Name"), [DataRequired(_l("Enter a name.")), Length(max=100, message=TOO_LONG)], filters=[tidy_line]
    )
    language = ChoiceField(_l("Language of mails"), default="en")
    by_mail = BooleanField(_l("Send the link by mail, too"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.language.choices = list(LANGUAGES.items())


class GrantForm(_Role):
    """A further role for somebody."""


class ReasonForm(FlaskForm):
    """Something with a reason that a second person reads."""

    reason = _reason(_l("Reason"), _l("Say why; the second person reads it."))


class DecisionForm(FlaskForm):
    """Approve, or refuse with a reason."""

    reason = TextAreaField(
        _l("Reason"),
        [Length(max=500, message=TOO_LONG)],
        filters=[tidy_lines],
        description=_l("Needed to refuse; whoever asked reads it."),
    )


class PeopleFilter(FilterForm):
    """People by name or address, role and state."""

    q = SearchField(_l("Name or address"), filters=[tidy_line])
    role = ChoiceField(_l("Role"))
    state = ChoiceField(_l("State"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.role.choices = [("", _("Any role")), *((str(role), label) for role, label in ROLE_LABELS.items())]
        self.state.choices = [("", _("Any state")), *((name, label) for name, label in PERSON_STATE_LABELS.items())]


PERSON_STATE_LABELS = {"open": _l("In use"), "invited": _l("Invited"), "closed": _l("Account closed")}


class ApprovalFilter(FilterForm):
    """Requests by state and kind."""

    state = ChoiceField(_l("State"))
    kind = ChoiceField(_l("Kind"))

    def __init__(self, kinds: list[tuple[str, Any]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.state.choices = [
            ("", _("Any state")),
            *((str(state), label) for state, label in APPROVAL_STATE_LABELS.items()),
        ]
        self.kind.choices = [("", _("Any kind")), *kinds]


NOBODY = "0"
"""The filter's value for entries of nobody who was logged in."""


class AuditFilter(FilterForm):
    """Entries by person, action and days."""

    actor = ChoiceField(_l("Who"))
    action = ChoiceField(_l("What"))
    object_id = SearchField(_l("Number of the object"), filters=[tidy_line])
    first = DateField(_l("From"), [Optional()])
    last = DateField(_l("Until"), [Optional()])

    def __init__(
        self, people: list[tuple[int, str]], actions: list[tuple[str, Any]], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.actor.choices = [
            ("", _("Anybody")),
            (NOBODY, _("Nobody who was logged in")),
            *((str(i), name) for i, name in people),
        ]
        self.action.choices = [("", _("Anything")), *actions]
