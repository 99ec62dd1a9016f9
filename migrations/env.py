"""Runs migrations with the owner's role: one at a time, and never waiting long for a lock that the site needs."""

from alembic import context
from flask import current_app
from sqlalchemy import text

import petitions.models  # noqa: F401  # These bring every table into the metadata.
import pickets.models  # noqa: F401  # The same.
from core.extensions import db

ADVISORY_LOCK = 0x7A626F72  # "zbor": two deployments at once wait for each other.


def include_object(item, _name, kind, _reflected, _compare_to):
    """Views are made by hand in the migrations; a comparison of tables leaves them out."""
    return not (kind == "table" and item.info.get("is_view"))


def run() -> None:
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata, include_object=include_object)
        with context.begin_transaction():
            connection.execute(text("SET LOCAL lock_timeout = '4s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            context.run_migrations()


run()
