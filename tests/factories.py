"""Rows for tests, written past all grants, each with everything it needs around it."""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from threading import Barrier
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pyotp
import pytest
from flask.testing import FlaskClient

from core.config import Role
from core.demo.authenticator import SoftPasskey

if TYPE_CHECKING:
    from tests.conftest import House

_numbers = count(1)
PASSPHRASE = "correct horse battery"
TOTP_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TITLE, SUMMARY, BODY = "Do not recognise", "A short summary.", "Dear Minister,\n\nplease do not."


def words(prefix: str = "x") -> str:
    """A name that no other row has."""
    return f"{prefix}-{next(_numbers)}"


class Factory:
    """Makes rows in one house."""

    def __init__(self, house: House) -> None:
        self.house = house

    def addressee(self, country: str | None = None, **changes: Any) -> int:
        """A ministry."""
        values = {
            "code": country or words("inst"), "country_code": country, "name_en": f"Ministry of {country}", "name_native": "Ministerstwo",
            "short_name": "MSZ", "minister_title_en": "Minister", "salutation_native": "Szanowna Pani Minister,", "street_address": "al. 1",
            "postal_code": "00-580", "city": "Warsaw", "languages": "pl", "website": "https://example.org", "lat": 52.0, "lon": 21.0,
            "confidence": "high", "notes": "test",
        } | changes  # fmt: skip
        return self._insert("addressees", values)

    def petition(
        self, countries: tuple[str, ...] = ("PL", "LT"), texts: tuple[str, ...] = ("en",), **changes: Any
    ) -> int:
        """An open petition to some countries, with a fallback addressee that is no country."""
        fallback = self.addressee()
        values = {"slug": words("petition"), "state": "open", "fallback_addressee_id": fallback} | changes
        if values["state"] in ("rejected", "hidden"):
            values.setdefault("public_reason", "It breaks the rules.")
        opened = {"opens_at": self.house.value("SELECT now() - interval '1 day'")}
        petition_id = self._insert("petitions", opened | values)
        for addressee_id in [fallback, *(self.addressee(country) for country in countries)]:
            self.addressed(petition_id, addressee_id)
        for language in texts:
            self.text(petition_id, language)
        return petition_id

    def addressed(self, petition_id: int, addressee_id: int) -> None:
        """That a petition goes to an addressee, who receives the signatures of its country."""
        self.house.sql("INSERT INTO petition_addressees VALUES (:p, :a)", p=petition_id, a=addressee_id)
        self.house.sql(
            "INSERT INTO petition_routes (petition_id, country_code, addressee_id)"
            " SELECT :p, country_code, id FROM addressees WHERE id = :a AND country_code IS NOT NULL",
            p=petition_id,
            a=addressee_id,
        )

    def text(self, petition_id: int, language: str, version: int = 1, **changes: Any) -> int:
        """The appeal in one language."""
        from petitions.texts import render_markdown, text_hash

        title = changes.get("title", f"{TITLE} ({language})")
        values = {
            "petition_id": petition_id, "language": language, "version": version, "title": title, "summary": SUMMARY,
            "body_markdown": BODY, "body_html": render_markdown(BODY), "hash": text_hash(title, SUMMARY, f"{BODY}{language}{version}"),
        } | changes  # fmt: skip
        self.house.sql(
            "INSERT INTO text_versions (petition_id, version) VALUES (:p, :v) ON CONFLICT DO NOTHING",
            p=petition_id,
            v=version,
        )
        return self._insert("petition_texts", values)

    def account(
        self,
        petition_id: int | None = None,
        *,
        role: str | None = "coordinator",
        country: str | None = None,
        passphrase: str = PASSPHRASE,
        with_passkey: bool = True,
        **changes: Any,
    ) -> int:
        """Somebody who logs in, with one grant, a passkey (see `passkey_of`) and the app key TOTP_KEY."""
        from accounts.factors import hash_secret, seal_totp_key
        from accounts.models import Account

        values = {"email": f"{words('staff')}@example.org", "name": "Staff", "password_hash": hash_secret(passphrase)}
        account_id = self._insert("accounts", values | changes)
        if "enrolled_at" not in changes:
            self.house.sql("UPDATE accounts SET enrolled_at = now() WHERE id = :id", id=account_id)
        with self.house.app(Role.CONSOLE).app_context():
            sealed = seal_totp_key(Account(id=account_id), TOTP_KEY)
        self.house.sql("UPDATE accounts SET totp_sealed = :sealed WHERE id = :id", sealed=sealed, id=account_id)
        if role is not None:
            self.grant(account_id, role, petition_id, country)
        if with_passkey:
            passkey = passkey_of(account_id)
            self.house.sql(
                "INSERT INTO passkeys (id, account_id, credential_id, public_key, sign_count, name)"
                " VALUES (gen_random_uuid(), :a, :c, :k, 0, 'key')",
                a=account_id,
                c=passkey.credential_id,
                k=passkey.cose_key,
            )
        return account_id

    def agreement(self, bundle_id: object, account_id: int) -> None:
        """Two people who agreed to a bundle."""
        self.house.sql(
            "INSERT INTO approvals (id, kind, object_id, details, reason, requested_by, expires_at)"
            " VALUES (gen_random_uuid(), 'bundle', :o, '{}', '', :a, now() + interval '1 day')",
            o=str(bundle_id),
            a=account_id,
        )
        agree(self.house, bundle_id)

    def grant(self, account_id: int, role: str, petition_id: int | None = None, country: str | None = None) -> int:
        """A role for somebody."""
        values = {"account_id": account_id, "role": role, "petition_id": petition_id, "country_code": country}
        return self._insert("grants", values)

    def slug(self, petition_id: int) -> str:
        """Slug of a petition."""
        return str(self.house.value("SELECT slug FROM petitions WHERE id = :id", id=petition_id))

    def _insert(self, table: str, values: dict[str, Any]) -> int:
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        return int(self.house.value(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id", **values))


def hidden(html: str, name: str) -> str:
    """Value of a hidden field."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', html)
    assert found, f"no hidden field {name}"
    return found[1]


VALID = {
    "name": "Вольга Вераб’ёва",
    "email": "olga@example.org",
    "country": "PL",
    "city": "Białystok",
    "visibility": "ministry",
}


def sign(client: FlaskClient, slug: str, **changes: Any) -> Any:
    """Open the form, fill it in, send it. A field changed to None is left out. Returns the response."""
    page = client.get(f"/petitions/{slug}/sign").text
    values = {**VALID, "event_id": hidden(page, "event_id"), "text_hash": hidden(page, "text_hash"), **changes}
    return client.post(
        f"/petitions/{slug}/signatures", data={name: value for name, value in values.items() if value is not None}
    )


def press(client: FlaskClient, path: str) -> Any:
    """Open a page that a mail leads to and press its button. Returns the redirect."""
    page = client.get(path)
    return client.post(path, data={"event_id": hidden(page.text, "event_id")})


def token(house: House, purpose: str, signature_id: UUID) -> str:
    """A token as the worker puts it into the mail."""
    return house.keyring.token(purpose, signature_id)


def the_signature(house: House) -> Any:
    """The only signature, as a row."""
    return house.sql("SELECT * FROM signatures").one()


def signed(house: House, slug: str, **changes: Any) -> Any:
    """Sign and let the worker take it. Returns the newest signature's row."""
    before = set(house.sql("SELECT id FROM signatures").scalars())
    assert sign(house.client(Role.PUBLIC), slug, **changes).status_code == 303
    assert house.drain() == 1
    return house.sql("SELECT * FROM signatures WHERE id <> ALL(:before)", before=list(before)).one()


def counted(house: House, slug: str, **changes: Any) -> Any:
    """Sign and confirm. Returns the row."""
    row = signed(house, slug, **changes)
    press(house.client(Role.PUBLIC), f"/confirm/{token(house, 'confirm', row.id)}")
    house.drain()
    return house.sql("SELECT * FROM signatures WHERE id = :id", id=row.id).one()


def passkey_of(account_id: int) -> SoftPasskey:
    """The passkey that the factory gives an account."""
    seed = hashlib.sha256(f"passkey {account_id}".encode()).digest()[:31]
    return SoftPasskey("http://localhost", seed=seed, uses=next(_numbers))


def options_in(page: str) -> str:
    """What a page asks of a passkey."""
    found = re.search(r'data-options="([^"]*)"', page)
    assert found, "the page asks for no passkey"
    return html.unescape(found[1])


def enter(house: House, account_id: int) -> FlaskClient:
    """A browser in which somebody has just logged in with their passkey."""
    client = house.client(Role.CONSOLE)
    page = client.get("/login").text
    answer = passkey_of(account_id).get(options_in(page))
    data = {"answer": answer, "csrf_token": hidden(page, "csrf_token")}
    assert client.post("/login/passkey", data=data).status_code == 303
    return client


def log_in(house: House, make: Factory, petition_id: int | None, **changes: Any) -> FlaskClient:
    """A browser in which a new coordinator of this petition has logged in."""
    return enter(house, make.account(petition_id, **changes))


def app_code(steps: int = 0) -> str:
    """The code of TOTP_KEY now, or some steps of half a minute later."""
    return pyotp.TOTP(TOTP_KEY).at(int(time.time()) + steps * 30)


def post(client: FlaskClient, path: str, **data: Any) -> Any:
    """Send a form of the console, with the token of the start page."""
    return client.post(path, data={"csrf_token": hidden(client.get("/me").text, "csrf_token"), **data})


def agree(house: House, object_id: object) -> None:
    """A second person, made for it, approves what was asked for."""
    approver = house.value(
        "INSERT INTO accounts (email, name) VALUES (:e, 'Second') RETURNING id", e=f"{words('second')}@example.org"
    )
    house.sql(
        "UPDATE approvals SET state = 'approved', decided_by = :d, decided_at = now() WHERE object_id = :o",
        d=approver,
        o=str(object_id),
    )


def many_counted(house: House, petition_id: int, number: int) -> list[UUID]:
    """Counted signatures with sealed records, made faster than by signing. No tally knows of them."""
    from core.extensions import db
    from core.records import encrypt_record, new_row_keys
    from petitions.models import Signature

    addressee_id = house.value(
        "SELECT min(addressee_id) FROM petition_addressees WHERE petition_id = :p", p=petition_id
    )
    text = house.value("SELECT hash FROM petition_texts WHERE petition_id = :p LIMIT 1", p=petition_id)
    made = [uuid4() for _ in range(number)]
    house.sql(
        "INSERT INTO inbox (id, kind, petition_id, key_id, state, origin)"
        " SELECT id, 'sign', :p, :k, 'done', 'zbor_web' FROM unnest(CAST(:ids AS uuid[])) AS id",
        p=petition_id,
        k=house.secrets.sealing_key["id"],
        ids=made,
    )
    with house.inside(Role.WORKER):
        for at, (key_id, key) in zip(made, new_row_keys(number), strict=True):
            record = {
                "name": f"Signer {at}", "city": "Białystok", "country": "PL", "email": f"{at}@example.org", "visibility": "counted",
                "text": {"hash": text, "language": "en", "version": 1}, "salt": base64.b64encode(os.urandom(32)).decode(),
                "consent": {"ministry": False, "public": False, "updates": False, "hash": ""}, "language": "en",
            }  # fmt: skip
            db.session.add(
                Signature(
                    id=at,
                    event_id=at,
                    petition_id=petition_id,
                    addressee_id=addressee_id,
                    country_code="PL",
                    state="counted",
                    mailbox_hmac=at.bytes,
                    row_key_id=key_id,
                    sealed=encrypt_record(key, "signatures", at, record),
                    received_at=datetime.now(UTC),
                    counted_at=datetime.now(UTC),
                )
            )
        db.session.commit()
    return made


def write_logs(house: House, enough: int | None = None) -> int:
    """Let the worker write what is due into the logs. Returns the number of entries. `enough` is instead of logbook.ENOUGH."""
    from petitions import logbook

    with house.inside(Role.WORKER), patch.object(logbook, "ENOUGH", enough or logbook.ENOUGH):
        return logbook.write_due(house.keyring)


def confirm_at_once(house: House, monkeypatch: pytest.MonkeyPatch, rows: list[Any]) -> None:
    """Two workers confirm two signatures at the same moment, each in a transaction of its own."""
    from worker import drain

    barrier, real = Barrier(2, timeout=10), drain.HANDLERS[drain.WEB, "confirm"]

    def together(opened: Any, keyring: Any) -> Any:
        barrier.wait()
        return real(opened, keyring)

    for row in rows:
        press(house.client(), f"/confirm/{token(house, 'confirm', row.id)}")
    monkeypatch.setattr(drain, "HANDLERS", {**drain.HANDLERS, (drain.WEB, "confirm"): together})
    monkeypatch.setattr(drain, "BATCH", 1)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _number: house.drain(), range(2))) == [1, 1]
