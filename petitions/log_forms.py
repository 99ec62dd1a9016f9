"""Forms about the log: to ask for a receipt, and to look one up."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, TextAreaField
from wtforms.validators import InputRequired

from core.forms import ButtonForm, PublicForm
from petitions.proving import LONGEST_LINE


class ReceiptForm(ButtonForm):
    """The button that asks for a receipt."""

    mine = BooleanField(
        _l("The file also proves that it is mine"),
        description=_l(
            "Then your name, address and the secret number of your signature are in it. Such a file on a phone is evidence that you signed: tick this only where nobody can take the phone or computer from you."
        ),
    )


class CheckForm(PublicForm):
    """A receipt's line, to be looked up in the log. It goes by POST, so that it stands in no address."""

    line = TextAreaField(
        _l("Line of the receipt"),
        [InputRequired(_l("Paste the line of your receipt. It begins with zbor1:"))],
        description=_l("It begins with zbor1: and names nobody."),
        render_kw={"rows": 4, "maxlength": LONGEST_LINE, "spellcheck": "false", "autocapitalize": "off"},
    )
