"""What every form of the public site is made of."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import Field, HiddenField
from wtforms.fields.core import UnboundField
from wtforms.utils import unset_value
from wtforms.validators import StopValidation

from core.addresses import is_throwaway
from core.typed import MAX_EMAIL, normal_email


class CarriedField(HiddenField):
    """What a form carries from the page that showed it. It comes back as it is, and nothing is said about it."""

    def process(self, formdata: Any, data: Any = unset_value, extra_filters: Any = None) -> None:
        """As WTForms does for a field without filters and validators."""
        self.process_errors: list[str] = []
        self.data = formdata.get(self.name) if formdata else None if data is unset_value else data

    def validate(self, _form: Any, _extra_validators: Any = ()) -> bool:
        """There is nothing to check."""
        return True


_first_fields: dict[UnboundField, Field] = {}


class PublicForm(FlaskForm):
    """A form of the public site: no session, so no CSRF token. Where it came from is checked by core.security."""

    class Meta:
        csrf = False

        def get_translations(self, _form: Any) -> None:
            """All wordings are our own; looking for WTForms' would cost each form some reading of files."""

        def bind_field(self, form: Any, unbound_field: UnboundField, options: dict[str, Any]) -> Field:
            """A copy of the field as it was made the first time: making all of them anew took a fifth of a signature's time."""
            first = _first_fields.get(unbound_field)
            if first is None:
                first = _first_fields[unbound_field] = unbound_field.bind(form=form, **options)
                first._form = None  # noqa: SLF001  # It must not keep what the first visitor typed.
            field: Field = object.__new__(
                type(first)
            )  # By its own name a field makes something else, as in the classes here.
            field.__dict__.update(first.__dict__, _form=form, meta=self)
            return field

    event_id = CarriedField()

    def event(self) -> UUID:
        """Id of the event this form becomes. Made with the form, so that sending it twice adds nothing."""
        try:
            return UUID(self.event_id.data or "")
        except ValueError:
            return uuid4()


class MailAddress:
    """Validator for a mail address that we can write to."""

    def __init__(self, *, required: bool = True) -> None:
        self.field_flags = {"maxlength": MAX_EMAIL} | ({"required": True} if required else {})

    def __call__(self, _form: FlaskForm, field: Field) -> None:
        typed = (field.data or "").strip()
        if not typed:
            raise StopValidation(_("Enter your e-mail address. We send you one message to confirm."))
        email = normal_email(typed)
        if email is None and "@" in typed and not typed.rpartition("@")[0].isascii():
            raise StopValidation(_("We can write only to addresses with Latin letters, digits and signs before the @."))
        if email is None:
            raise StopValidation(_("This is not a complete e-mail address. It should look like name@example.org."))
        if is_throwaway(email):
            raise StopValidation(_("This is a throw-away address. Please use one that you will still have next month."))
        field.data = typed


class ButtonForm(PublicForm):
    """One button, on the page a mail leads to."""
