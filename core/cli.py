"""Commands for whoever runs the platform: `flask fsck`, `flask retry-failed`, `flask list-sealing-key`."""

from __future__ import annotations

import json
import sys

import click
from flask import Flask
from flask.cli import with_appcontext
from flask_babel import lazy_gettext as _l
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from core.audit import auditable, record
from core.config import current_config
from core.extensions import db
from core.fsck import run_fsck
from core.inbox import InboxEvent, SealingKey
from core.keys import read_line
from core.sealing import key_statement, statement_is_signed

KEY_LISTED = auditable("sealing_key.listed", _l("Listed a sealing key"))
RETRIED = auditable("event.retried", _l("Had events tried again that were given up"))


def register(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(fsck)
    app.cli.add_command(retry_failed)
    app.cli.add_command(list_sealing_key)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@with_appcontext
def fsck(as_json: bool) -> None:
    """Check the invariants. Exits with 1 when one is broken. Run it with the worker's database role."""
    results = run_fsck()
    if as_json:
        rows = [{"name": item.name, "sentence": item.sentence, "broken": broken} for item, broken in results]
        click.echo(json.dumps(rows, indent=1))
    else:
        width = max(len(item.sentence) for item, _ in results)
        for item, broken in results:
            click.echo(f"{item.name:<4} {item.sentence:<{width}}  {'ok' if not broken else f'BROKEN ({broken})'}")
    if any(broken for _, broken in results):
        sys.exit(1)


@click.command("retry-failed")
@with_appcontext
def retry_failed() -> None:
    """Have the worker try again what it gave up. Run it with the worker's database role, after the cause is mended."""
    again = update(InboxEvent).where(InboxEvent.state == "failed", InboxEvent.sealed.is_not(None))
    done = db.session.execute(again.values(state="new", attempts=0, drained_at=None))
    record(RETRIED, None)
    db.session.commit()
    click.echo(f"events to be tried again: {done.rowcount}")  # type: ignore[attr-defined]  # An UPDATE's result has a row count.


@click.command("list-sealing-key")
@click.argument("line")
@with_appcontext
def list_sealing_key(line: str) -> None:
    """List the key of a line that `python -m core.keys sealing-key` (or `log-key`) printed. Run it with the owner's database role."""
    try:
        row = read_line(line)
    except ValueError:
        raise click.ClickException("This is not a line that `python -m core.keys` printed.") from None
    signature = row["root_signature"]
    statement = key_statement(row["id"], row["purpose"], row["public_key"], row["not_before"], row["not_after"])
    if not statement_is_signed(current_config().root_public_key, statement, signature):
        raise click.ClickException("The line is not signed by the root key of ZBOR_ROOT_PUBLIC_KEY.")
    done = db.session.execute(insert(SealingKey).values(row).on_conflict_do_nothing().returning(SealingKey.id)).first()
    if done is not None:
        record(KEY_LISTED, None, "sealing_key", row["id"], purpose=row["purpose"])
    db.session.commit()
    if done is None:
        raise click.ClickException("This key is listed already.")
    use = "signs" if row["purpose"] == "log" else "sealed to"
    click.echo(f"{row['purpose']} key {row['id']}, {use} until {row['not_after']:%Y-%m-%d}")
