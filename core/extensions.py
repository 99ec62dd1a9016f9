"""Flask extensions, created unbound here and bound to an application by core.factory."""

from __future__ import annotations

import hmac
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated

from flask import current_app, request
from flask_babel import Babel
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import DateTime, MetaData, text
from sqlalchemy.orm import DeclarativeBase, mapped_column


class Base(DeclarativeBase):
    """Base of every table. Constraint names follow one convention, so that migrations can name what they change."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base, disable_autonaming=True)
if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model

Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""An aware point in time, stored in UTC by PostgreSQL."""

CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]
"""A moment the database itself writes when the row appears."""

VIEW = {"schema": "pub", "info": {"is_view": True}}
"""Table arguments of a class that maps a view of schema `pub`; migrations make those by hand."""

migrate = Migrate()
babel = Babel()
csrf = CSRFProtect()
login_manager = LoginManager()


def network_tag() -> str:
    """Who is counted by the limiter: a keyed hash of the address's network, so that Redis never holds an address."""
    address = ip_address(request.remote_addr or "0.0.0.0")  # noqa: S104  # Nobody listens there; it stands for "unknown".
    network = ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False)
    key = current_app.config["SECRET_KEY"]
    return hmac.digest(key, f"network|{network}".encode(), "sha256")[:8].hex()


limiter = Limiter(key_func=network_tag)
