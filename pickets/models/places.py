"""Cities, as GeoNames knows them: those with 15,000 inhabitants or more."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import Model


class City(Model):
    """A city. Comes from data/cities.tsv.gz; its number is the one of GeoNames."""

    __tablename__ = "cities"
    __table_args__ = (
        UniqueConstraint("country_code", "slug"),
        CheckConstraint("country_code ~ '^[A-Z]{2}$'", name="country_code"),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    country_code: Mapped[str]
    region: Mapped[str]
    """ISO 3166-2, where a rule or a calendar depends on it and we know it; empty otherwise."""
    slug: Mapped[str]
    near: Mapped[str]
    """A much larger city nearby, of one whose name another city of its country has, too."""
    lat: Mapped[float]
    lon: Mapped[float]
    timezone: Mapped[str]
    population: Mapped[int]


class CityName(Model):
    """One of the names by which a city is looked for, in any language, as `core.typed.search_words` folds it."""

    __tablename__ = "city_names"
    __table_args__ = (Index("ix_city_names_name", "name", postgresql_ops={"name": "text_pattern_ops"}),)

    city_id: Mapped[int] = mapped_column(ForeignKey("cities.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
