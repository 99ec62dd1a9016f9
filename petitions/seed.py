"""`flask seed`: the addressees and the sample petition. Run it with the console's database role."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from pathlib import Path

import click
from flask.cli import with_appcontext
from markdown_it import MarkdownIt
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from core.extensions import db
from petitions.models import Addressee, Petition, PetitionAddressee, PetitionText

DATA = Path(__file__).parent / "data"
SAMPLE = "no-recognition"
INSTITUTIONS = {"EU", "UN", "OSCE", "COE", "UNESCO"}
"""Codes of ministries.csv that are not countries."""
NOT_ASKED = {"UN", "OSCE", "COE", "UNESCO", "KZ", "IN", "AZ", "RS", "TR", "ZA", "BR", "CL", "AR", "MX", "AM", "IL"}
"""The sample petition is addressed to everybody else on the list."""
FALLBACK = "EU"


def render_markdown(source: str) -> str:
    """HTML of an appeal text. Raw HTML in the source is shown as text, so the result is safe to print as it is."""
    return MarkdownIt("zero", {"html": False}).enable(["heading", "list", "emphasis"]).render(source)


def text_hash(title: str, summary: str, body: str) -> str:
    """SHA-256 that a consent is bound to: title, summary and body, separated by line feeds."""
    return hashlib.sha256("\n".join((title, summary, body)).encode()).hexdigest()


def seed_addressees() -> int:
    """Write ministries.csv into the table, new rows and changed ones. Every empty field stays empty. Returns rows."""
    with (DATA / "ministries.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        code = row.pop("country_code")
        values = {
            **row,
            "code": code,
            "country_code": None if code in INSTITUTIONS else code,
            "lat": float(row["lat"]),
            "lon": float(row["lon"]),
        }
        statement = insert(Addressee).values(values)
        db.session.execute(statement.on_conflict_do_update(index_elements=[Addressee.code], set_=values))
    return len(rows)


def seed_petition() -> int:
    """Write the sample petition with its four texts. Returns its id."""
    petition_id = db.session.scalar(select(Petition.id).where(Petition.slug == SAMPLE))
    if petition_id is None:
        fallback = db.session.scalars(select(Addressee.id).where(Addressee.code == FALLBACK)).one()
        petition = Petition(slug=SAMPLE, state="open", fallback_addressee_id=fallback, opens_at=func.now())
        db.session.add(petition)
        db.session.flush()
        petition_id = petition.id
        for path in sorted((DATA / SAMPLE).glob("*.md")):
            _, head, body = path.read_text(encoding="utf-8").split("+++\n", 2)
            meta = tomllib.loads(head)
            title, summary, body = meta["title"], meta["summary"], body.strip()
            db.session.add(
                PetitionText(
                    petition_id=petition_id,
                    language=path.stem,
                    title=title,
                    summary=summary,
                    body_markdown=body,
                    body_html=render_markdown(body),
                    hash=text_hash(title, summary, body),
                )
            )
    addressees = db.session.scalars(select(Addressee.id).where(Addressee.code.not_in(NOT_ASKED))).all()
    for addressee_id in addressees:
        row = insert(PetitionAddressee).values(petition_id=petition_id, addressee_id=addressee_id)
        db.session.execute(row.on_conflict_do_nothing())
    return petition_id


@click.command()
@with_appcontext
def seed() -> None:
    """Write the addressees and the sample petition; its number is printed."""
    addressees = seed_addressees()
    petition_id = seed_petition()
    db.session.commit()
    click.echo(f"addressees: {addressees}\npetition: {SAMPLE}\nnumber: {petition_id}")
