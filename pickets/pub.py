"""Views of the schema `pub`: all that the public web may read. No draft is in them, and no place before its hour."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import VIEW, Model


class PublicCity(Model):
    """Cities."""

    __tablename__ = "cities"
    __table_args__ = VIEW

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country_code: Mapped[str]
    region: Mapped[str]
    slug: Mapped[str]
    near: Mapped[str]
    lat: Mapped[float]
    lon: Mapped[float]
    timezone: Mapped[str]
    population: Mapped[int]


class PublicCityName(Model):
    """Names by which cities are looked for, folded."""

    __tablename__ = "city_names"
    __table_args__ = VIEW

    city_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


class PublicPicket(Model):
    """Pickets that were announced, those that are cancelled since included. `state` goes by the clock, too."""

    __tablename__ = "pickets"
    __table_args__ = VIEW

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    code: Mapped[str]
    petition_id: Mapped[int]
    city_id: Mapped[int]
    state: Mapped[str]
    mode: Mapped[str]
    title: Mapped[str]
    language: Mapped[str]
    alias: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    place: Mapped[str | None]
    """None while it is not for everybody."""
    place_from: Mapped[datetime | None]
    """When it will be, where that is a matter of time."""
    place_shown: Mapped[str]
    district: Mapped[str]
    about: Mapped[str]
    bring: Mapped[str]
    access: Mapped[str]
    announced_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str]
    cancel_note: Mapped[str]
    sequence: Mapped[int]
    band: Mapped[int]
    """At least so many said that they come: 0, 5, 10, 20, 50, 100, 200 and so on."""
    country_code: Mapped[str]
    """Of its city."""
    ministry: Mapped[str]
    ministry_native: Mapped[str]
    ministry_languages: Mapped[str]


class PublicShift(Model):
    """Shifts of coming pickets, with the seats that are free."""

    __tablename__ = "shifts"
    __table_args__ = VIEW

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    picket_id: Mapped[UUID] = mapped_column(Uuid)
    role: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    seats: Mapped[int]
    free: Mapped[int]


class PublicPicketReport(Model):
    """What was reported of pickets, once it may be read."""

    __tablename__ = "picket_reports"
    __table_args__ = VIEW

    picket_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    headcount: Mapped[int]
    sheets: Mapped[int]
    signatures: Mapped[int]
    summary: Mapped[str]
    publish_at: Mapped[datetime]


class PublicPhoto(Model):
    """Photos of reports that may be read; marked faces cannot be told on them."""

    __tablename__ = "photos"
    __table_args__ = VIEW

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    picket_id: Mapped[UUID] = mapped_column(Uuid)
    width: Mapped[int]
    height: Mapped[int]
    alt: Mapped[str]
    created_at: Mapped[datetime]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
