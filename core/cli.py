"""Commands for whoever runs the platform: `flask fsck`, `flask add-sealing-key`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext

from core.extensions import db
from core.fsck import run_fsck


def register(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(fsck)
    app.cli.add_command(add_sealing_key)


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


@click.command("add-sealing-key")
@click.option(
    "--root-key", type=click.Path(exists=True, path_type=Path), required=True, help="File of the private root key."
)
@click.option(
    "--sealing-dir",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the private half goes.",
)
@click.option("--purpose", type=click.Choice(["worker", "recovery"]), default="worker", show_default=True)
@click.option(
    "--days", type=click.IntRange(1, 3660), default=35, show_default=True, help="How long the key is sealed to."
)
@with_appcontext
def add_sealing_key(root_key: Path, sealing_dir: Path, purpose: str, days: int) -> None:
    """Make a sealing key, sign it with the root key and list it. Run it with the owner's database role."""
    # Imported here because the web processes load this module and have no use for the making of keys.
    from core.keys import new_sealing_key, read_root_key, write_secret

    now = datetime.now(UTC).replace(microsecond=0)
    row, private_key = new_sealing_key(read_root_key(root_key), purpose, now, now + timedelta(days=days))
    # The private half is on disk before anything can be sealed to it.
    write_secret(sealing_dir / f"{row.id}.key", private_key)
    db.session.add(row)
    db.session.commit()
    click.echo(f"{purpose} key {row.id}, valid until {row.not_after:%Y-%m-%d}")
