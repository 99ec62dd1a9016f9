"""Accounts and their grants."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.extensions import CreatedAt, Model, Moment


class StaffRole(StrEnum):
    """What somebody who logs in may be."""

    ORGANISER = "organiser"
    COORDINATOR = "coordinator"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"


class Account(Model):
    """Somebody who logs in. Not a signer: signers never have accounts."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[CreatedAt]
    last_login_at: Mapped[Moment | None]
    grants: Mapped[list[Grant]] = relationship(lazy="selectin")

    is_authenticated = True
    is_anonymous = False

    def get_id(self) -> str:
        """Flask-Login's name for the identity in the session."""
        return str(self.id)

    def has_role(self, role: str) -> bool:
        """Whether the account holds this role for anything at all."""
        return any(grant.role == role for grant in self.grants)


class Grant(Model):
    """A role for one petition and one country; an empty field means all of them."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("role IN ('organiser', 'coordinator', 'reviewer', 'administrator')", name="role"),
        UniqueConstraint("account_id", "role", "petition_id", "country_code", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    role: Mapped[str]
    petition_id: Mapped[int | None] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), index=True)
    country_code: Mapped[str | None]
    created_at: Mapped[CreatedAt]
