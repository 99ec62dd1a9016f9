"""/dev/components: every part that pages are made of, in use. Registered with the caught mails, on a developer's machine."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, FileField, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired

from core.fields import choices
from core.security import EVERYBODY, open_to

bp = Blueprint("components", __name__, url_prefix="/dev/components")


class SampleForm(FlaskForm):
    """One field of each kind."""

    class Meta:
        csrf = False

    name = StringField("First and last name", description="As you would sign a letter.")
    city = StringField("City", [InputRequired("Enter the city or town where you live.")])
    country = SelectField(
        "Country where you live",
        [InputRequired("Choose the country where you live.")],
        choices=choices([("", "Choose a country"), ("PL", "Poland")]),
        default="",
    )
    message = TextAreaField("Message", description="At most 500 characters.")
    held_on = DateField("Day")
    scan = FileField("Scan", description="PDF, JPEG or PNG, at most 10 MB.")
    place = RadioField(
        "Place",
        choices=choices([("exact", "Exact place"), ("district", "District only")]),
        description="Participants always see the exact one.",
        default="district",
    )
    consent = BooleanField("I agree that my name is handed over.", [InputRequired("Tick the box if you agree.")])


@bp.get("/")
@open_to(EVERYBODY)
def index() -> ResponseReturnValue:
    """All components on one page, the form as it looks after an error."""
    form = SampleForm(formdata=None, data={"name": "Вольга Вераб’ёва"})
    form.validate()
    first = date(2021, 9, 1)
    days = [((first + timedelta(days=day)).isoformat(), (day * day * 7 + 31 * day) % 173 + 4) for day in range(30)]
    countries = [("Poland", 4120), ("Lithuania", 2033), ("Germany", 1307), ("Georgia", 684), ("Sweden", 212)]
    return render_template("dev/components.html", form=form, days=days, countries=countries)
