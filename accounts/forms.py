"""Forms of the log-in."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, Length


class LoginForm(FlaskForm):
    """Address and passphrase. The upper bound keeps a long text from becoming work for the hash."""

    email = EmailField(
        _l("E-mail address"),
        [InputRequired(_l("Enter your e-mail address.")), Length(max=254, message=_l("This is too long."))],
    )
    passphrase = PasswordField(
        _l("Passphrase"),
        [InputRequired(_l("Enter your passphrase.")), Length(max=128, message=_l("This is too long."))],
    )
