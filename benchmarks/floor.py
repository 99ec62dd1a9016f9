"""What Flask and PostgreSQL cost without Zbor: the floors that `benchmarks.intake` compares with, under its gunicorn."""

from __future__ import annotations

import os
import threading
from uuid import UUID, uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flask import Flask, abort, redirect, request
from flask.typing import ResponseReturnValue
from wtforms import EmailField, Form, StringField
from wtforms.validators import InputRequired, Length

from core.sealing import Recipient, context, seal

INSERT = "INSERT INTO floor (id, sealed) VALUES (%s, %s)"

app = Flask(__name__)
_here = threading.local()
_recipient = Recipient(uuid4(), X25519PrivateKey.generate().public_key())
_page = "<!doctype html>" + "Ziamlia pad bielymi kryłami. " * 600


class FiveFields(Form):
    """A signature's fields with the plainest checks there are."""

    name = StringField(validators=[InputRequired(), Length(max=100)])
    email = EmailField(validators=[InputRequired(), Length(max=254)])
    country = StringField(validators=[InputRequired(), Length(max=2)])
    city = StringField(validators=[InputRequired(), Length(max=80)])
    visibility = StringField(validators=[InputRequired(), Length(max=8)])


@app.post("/form")
def form() -> ResponseReturnValue:
    """Check five fields, seal them, one INSERT with its COMMIT, a redirect."""
    checked = FiveFields(request.form)
    if not checked.validate():
        abort(422)
    event_id = UUID(request.form["event_id"])
    sealed = seal(checked.data, [_recipient], context("floor", event_id))
    if not hasattr(_here, "connection"):
        _here.connection = psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", ""), autocommit=True)
    _here.connection.execute(INSERT, (event_id, sealed))
    return redirect("/page", 303)


@app.get("/page")
def page() -> str:
    """A string of 18 kB."""
    return _page[:18_000]
