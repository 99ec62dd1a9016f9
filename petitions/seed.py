"""`flask seed`: the addressees and the sample petition. Run it with the console's database role."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from core.extensions import db
from core.typed import search_words
from petitions.models import Addressee, Petition, PetitionAddressee, PetitionRoute, PetitionText, TextVersion
from petitions.texts import render_markdown, text_hash

DATA = Path(__file__).parent / "data"
SAMPLE = "no-recognition"
INSTITUTIONS = {"EU", "UN", "OSCE", "COE", "UNESCO"}
"""Codes of ministries.csv that are not countries."""
NOT_ASKED = {"UN", "OSCE", "COE", "UNESCO", "KZ", "IN", "AZ", "RS", "TR", "ZA", "BR", "CL", "AR", "MX", "AM", "IL"}
"""The sample petition is addressed to everybody else on the list."""
FALLBACK = "EU"


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
            demands = "\n".join(meta["demands"])
            words = search_words(" ".join((title, summary, body, demands)))
            db.session.add(
                PetitionText(
                    petition_id=petition_id,
                    language=path.stem,
                    title=title,
                    summary=summary,
                    body_markdown=body,
                    body_html=render_markdown(body),
                    demands=demands,
                    hash=text_hash(title, summary, body, demands),
                    search=func.to_tsvector("simple", words),
                )
            )
        db.session.add(TextVersion(petition_id=petition_id, version=1))
        db.session.flush()
    addressees = db.session.execute(
        select(Addressee.id, Addressee.country_code).where(
            Addressee.code.not_in(NOT_ASKED), Addressee.petition_id.is_(None)
        )
    ).all()
    for addressee_id, country in addressees:
        row = insert(PetitionAddressee).values(petition_id=petition_id, addressee_id=addressee_id)
        db.session.execute(row.on_conflict_do_nothing())
        if country is not None:
            route = insert(PetitionRoute).values(
                petition_id=petition_id, country_code=country, addressee_id=addressee_id
            )
            db.session.execute(route.on_conflict_do_nothing())
    return petition_id


@click.command()
@with_appcontext
def seed() -> None:
    """Write the addressees and the sample petition; its number is printed."""
    addressees = seed_addressees()
    petition_id = seed_petition()
    db.session.commit()
    click.echo(f"addressees: {addressees}\npetition: {SAMPLE}\nnumber: {petition_id}")
