"""Commands for whoever runs the platform: the first administrators, and closing an account when no second person is there."""

from __future__ import annotations

import click
from flask.cli import with_appcontext
from sqlalchemy import select

from accounts import enrolment, roles
from accounts.models import Account, StaffRole
from core.config import LANGUAGES
from core.extensions import db
from core.typed import normal_email


@click.command()
@click.argument("email")
@click.option("--name", required=True, help="What others see.")
@click.option("--role", type=click.Choice([str(role) for role in StaffRole]), help="A role, granted at once.")
@click.option("--petition", type=int, help="Number of the petition that the role is for; all without it.")
@click.option("--country", help="Code of the country that the role is for; all without it.")
@click.option(
    "--language", type=click.Choice(list(LANGUAGES)), default="en", show_default=True, help="Language of mails."
)
@with_appcontext
def invite(email: str, name: str, role: str | None, petition: int | None, country: str | None, language: str) -> None:
    """Make an account and print the link that sets it up; for an invited one, print a new link.

    Run it with the console's database role. It needs no second person: whoever can run it can do anything.
    """
    address = normal_email(email)
    if address is None:
        raise click.ClickException("This is not an e-mail address.")
    account = db.session.scalar(select(Account).where(Account.email == address.lower()))
    if account is not None:
        if account.enrolled_at is not None:
            raise click.ClickException("This account is set up already.")
        click.echo(enrolment.invite_again(None, account, by_mail=False))
        return
    _account, link = roles.invite(
        None, address, name, language, by_mail=False, role=role, petition_id=petition, country_code=country
    )
    click.echo(link)


@click.command("close-account")
@click.argument("email")
@with_appcontext
def close_account(email: str) -> None:
    """Close an account at once and end its sessions. Run it with the console's database role."""
    account = db.session.scalar(select(Account).where(Account.email == email.strip().lower()))
    if account is None:
        raise click.ClickException("There is no such account.")
    try:
        roles.close_account(None, account)
    except roles.LastAdministratorError:
        raise click.ClickException("This is the last administrator who can log in.") from None
    click.echo("closed")
