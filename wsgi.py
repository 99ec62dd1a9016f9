"""The web processes. ZBOR_ROLE says which: `public` for signers, `console` for those who log in.

The command line (`flask fsck`, `flask db upgrade`, `flask seed`) uses the same door with the role it needs.
"""

from __future__ import annotations

import os

from flask import Flask

import accounts.cli
import accounts.routes
import core.components
import core.devmail
import delivery.checks
import delivery.console
import delivery.routes
import petitions.checks
import petitions.console
import petitions.routes
import petitions.seed
import pickets.checks
import pickets.console
import pickets.routes
import pickets.seed
from core.config import Config, Role, read_config, role_from
from core.factory import create_base_app


def create_app(role: Role | None = None, config: Config | None = None) -> Flask:
    """The application of one role, from the environment unless a configuration is given."""
    config = config or read_config(role or role_from(os.environ))
    app = create_base_app(config)
    if config.role is Role.PUBLIC:
        app.register_blueprint(petitions.routes.bp)
        app.register_blueprint(pickets.routes.bp)
        app.register_blueprint(delivery.routes.bp)
        if config.dev_mail_dir is not None:
            app.register_blueprint(core.devmail.bp)
            app.register_blueprint(core.components.bp)
    elif config.role is Role.CONSOLE:
        app.register_blueprint(accounts.routes.bp)
        app.register_blueprint(delivery.console.bp)
        app.register_blueprint(petitions.console.bp)
        app.register_blueprint(pickets.console.bp)
        for command in (
            petitions.seed.seed,
            pickets.seed.seed_places,
            accounts.cli.invite,
            accounts.cli.close_account,
            accounts.cli.reopen_account,
            accounts.cli.reset_account,
        ):
            app.cli.add_command(command)
    return app


def __getattr__(name: str) -> Flask:
    """`wsgi:app`, made when a server asks for it, so that importing this module for `create_app` starts nothing."""
    if name == "app":
        return create_app()
    raise AttributeError(name)
