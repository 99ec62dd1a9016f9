"""Commands for whoever runs the platform: the first administrators, and closing an account when no second person is there."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from accounts import enrolment, resets, roles
from accounts.desk import petition_titles
from accounts.models import Account, StaffRole
from accounts.services import find_by_email
from core.config import LANGUAGES
from core.i18n import COUNTRY_CODES
from core.typed import normal_email


@click.command()
@click.argument("email")
@click.option("--name", required=True, help="What others see.")
@click.option("--role", type=click.Choice([str(role) for role in StaffRole]), help="A role, granted at once.")
@click.option("--petition", type=int, help="Number of the petition that the role is for; all without it.")
@click.option(
    "--country",
    type=click.Choice(sorted(COUNTRY_CODES)),
    metavar="CODE",
    help="Code of the country that the role is for; all without it.",
)
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
    if role == StaffRole.ADMINISTRATOR and (petition is not None or country is not None):
        raise click.ClickException("An administrator is one for everything: leave petition and country out.")
    if petition is not None and petition not in dict(petition_titles("en")):
        raise click.ClickException("There is no petition of this number.")
    account = find_by_email(address)
    if account is not None:
        if account.enrolled_at is not None or not account.is_active:
            raise click.ClickException("This account is set up already, or closed.")
        if role is not None and role not in [grant.role for grant in account.grants]:
            raise click.ClickException("This person is invited already; give a further role on the console.")
        click.echo(enrolment.invite_again(None, account))
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
    account = _known(email)
    try:
        roles.close_account(None, account)
    except roles.LastAdministratorError:
        raise click.ClickException("This is the last administrator who can log in.") from None
    click.echo("closed")


@click.command("reopen-account")
@click.argument("email")
@with_appcontext
def reopen_account(email: str) -> None:
    """Reopen an account, an administrator's, too. Run it with the console's database role."""
    roles.reopen_account(None, _known(email))
    click.echo("open")


@click.command("reset-account")
@click.argument("email")
@with_appcontext
def reset_account(email: str) -> None:
    """Forget every key of somebody and print a link, when no two administrators are left to do it. Run it with the console's database role."""
    click.echo(resets.reset_by_command(_known(email)))


def _known(email: str) -> Account:
    account = find_by_email(email)
    if account is None:
        raise click.ClickException("There is no such account.")
    return account
