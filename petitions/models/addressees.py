"""Whom petitions are addressed to, and which signatures go where."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


class Addressee(Model):
    """A ministry or institution. Comes from ministries.csv with that file's confidence; `notes` say what is weak.

    One with a `petition_id` was added by the creators of that petition, for it alone.
    """

    __tablename__ = "addressees"
    __table_args__ = (
        CheckConstraint("confidence IN ('high', 'medium', 'low')", name="confidence"),
        Index(
            "uq_addressees_country_code",
            "country_code",
            unique=True,
            postgresql_where=text("petition_id IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int | None] = mapped_column(
        ForeignKey("petitions.id", ondelete="CASCADE", use_alter=True), index=True
    )
    code: Mapped[str] = mapped_column(unique=True)
    country_code: Mapped[str | None]
    name_en: Mapped[str]
    name_native: Mapped[str]
    short_name: Mapped[str]
    minister_title_en: Mapped[str]
    salutation_native: Mapped[str]
    street_address: Mapped[str]
    postal_code: Mapped[str]
    city: Mapped[str]
    languages: Mapped[str]
    website: Mapped[str]
    lat: Mapped[float | None]
    """With `lon` where it is; unknown of what creators add."""
    lon: Mapped[float | None]
    confidence: Mapped[str]
    notes: Mapped[str]


class PetitionAddressee(Model):
    """That a petition is addressed to this addressee.

    Removed after the opening, it stays as long as signatures are its own; only new ones no longer go there.
    """

    __tablename__ = "petition_addressees"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"), primary_key=True)
    removed_at: Mapped[Moment | None]


class PetitionRoute(Model):
    """Whose signatures an addressee receives: of everybody who lives in this country. Others go to the fallback."""

    __tablename__ = "petition_routes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["petition_id", "addressee_id"],
            ["petition_addressees.petition_id", "petition_addressees.addressee_id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("country_code ~ '^[A-Z]{2}$'", name="country_code"),
    )

    petition_id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str] = mapped_column(primary_key=True)
    addressee_id: Mapped[int]
    since: Mapped[CreatedAt]
