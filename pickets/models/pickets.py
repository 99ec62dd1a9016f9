"""Pickets: where, when, under which petition, what the authority was told, and what is printed for them."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


class PicketState(StrEnum):
    """Where a picket stands. The public sees it from ANNOUNCED on, and once announced, as CANCELLED, too."""

    DRAFT = "draft"
    REVIEW = "review"
    NOTIFIED = "notified"
    """A coordinator agreed and what the law asks for is recorded; it goes out by itself once it may."""
    ANNOUNCED = "announced"
    HELD = "held"
    REPORTED = "reported"
    CANCELLED = "cancelled"


PICKET_STATE_LABELS = {
    PicketState.DRAFT: _l("Draft"),
    PicketState.REVIEW: _l("In review"),
    PicketState.NOTIFIED: _l("Ready, not public yet"),
    PicketState.ANNOUNCED: _l("Announced"),
    PicketState.HELD: _l("Over"),
    PicketState.REPORTED: _l("Over, with a report"),
    PicketState.CANCELLED: _l("Cancelled"),
}


class PlaceShown(StrEnum):
    """Who learns the exact place, and when."""

    EXACT = "exact"
    LATE = "late"
    """Participants who left an address at once, everybody a day before."""
    DISTRICT = "district"
    """Participants who left an address alone."""


SHOWN_LABELS = {
    PlaceShown.EXACT: _l("Everybody, at once"),
    PlaceShown.LATE: _l("Participants who leave an address; everybody else 24 hours before"),
    PlaceShown.DISTRICT: _l("Participants who leave an address alone; everybody else reads the district"),
}

CANCEL_REASON_LABELS = {
    "safety": _l("For the safety of those who come"),
    "permit": _l("The authority does not allow it, or not there"),
    "weather": _l("Because of the weather"),
    "organiser": _l("Nobody can hold it"),
    "other": _l("For another reason"),
}

MODES = ("static_assembly", "petition_stand", "single_person")
"""Forms of a picket that the law tells apart."""


class Picket(Model):
    """One picket in front of a ministry."""

    __tablename__ = "pickets"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'review', 'notified', 'announced', 'held', 'reported', 'cancelled')", name="state"
        ),
        CheckConstraint("code ~ '^[a-z0-9]{6}$'", name="code"),
        CheckConstraint("mode IN ('static_assembly', 'petition_stand', 'single_person')", name="mode"),
        CheckConstraint("place_shown IN ('exact', 'late', 'district')", name="place_shown"),
        CheckConstraint("ends_at > starts_at AND ends_at <= starts_at + interval '24 hours'", name="ends_after_start"),
        CheckConstraint("people BETWEEN 1 AND 100000", name="people"),
        CheckConstraint("state NOT IN ('announced', 'held', 'reported') OR announced_at IS NOT NULL", name="announced"),
        CheckConstraint("(state = 'cancelled') = (cancelled_at IS NOT NULL)", name="cancelled"),
        CheckConstraint("cancel_reason IN ('', 'safety', 'permit', 'weather', 'organiser', 'other')", name="reason"),
        CheckConstraint("place_shown = 'exact' OR district <> ''", name="district_where_place_is_hidden"),
        Index("ix_pickets_when", "starts_at"),
        Index("ix_pickets_city_id", "city_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    """Six letters and digits that name it in its address and on paper."""
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), index=True)
    addressee_id: Mapped[int] = mapped_column(ForeignKey("addressees.id"))
    city_id: Mapped[int] = mapped_column(ForeignKey("cities.id"))
    state: Mapped[str] = mapped_column(server_default="draft")
    state_changed_at: Mapped[CreatedAt]
    mode: Mapped[str] = mapped_column(server_default="static_assembly")
    title: Mapped[str] = mapped_column(server_default="")
    language: Mapped[str]
    """Of what the organiser wrote."""
    alias: Mapped[str]
    """What the organiser is called in public."""
    starts_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    place: Mapped[str]
    district: Mapped[str] = mapped_column(server_default="")
    place_shown: Mapped[str] = mapped_column(server_default="exact")
    about: Mapped[str] = mapped_column(server_default="")
    bring: Mapped[str] = mapped_column(server_default="")
    access: Mapped[str] = mapped_column(server_default="")
    lawyer_phone: Mapped[str] = mapped_column(server_default="")
    people: Mapped[int] = mapped_column(Integer)
    """How many the organiser expects, which the rules depend on."""
    differs: Mapped[str] = mapped_column(server_default="")
    """Why it is not the one that already stands nearby, in the organiser's words."""
    announce_at: Mapped[Moment | None]
    """The earliest moment at which it may become public: the organiser's wish, or what the law says."""
    announced_at: Mapped[Moment | None]
    agreed_concerns: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))
    """Codes of what the rules left to a person, and a coordinator agreed to (pickets.gate)."""
    cancelled_at: Mapped[Moment | None]
    cancel_reason: Mapped[str] = mapped_column(server_default="")
    cancel_note: Mapped[str] = mapped_column(server_default="")
    sequence: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of its entry in calendars (RFC 5545, 3.8.7.4): rises whenever the public has to learn hours or place anew."""
    changed_at: Mapped[CreatedAt]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[CreatedAt]
    revision: Mapped[int] = mapped_column(Integer, server_default="0")
    """Rises with each save, so that two editors notice each other."""
    purged_at: Mapped[Moment | None]
    """When everything about its participants was erased."""


class AssemblyNotice(Model):
    """What was filed with the authority, or asked there. Never what the notice itself holds of the organiser."""

    __tablename__ = "assembly_notices"
    __table_args__ = (
        CheckConstraint("eligible IN ('yes', 'no', 'unsure')", name="eligible"),
        CheckConstraint("route IN ('', 'simplified', 'spontaneous', 'urgent')", name="route"),
    )

    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"), primary_key=True)
    route: Mapped[str] = mapped_column(server_default="")
    """A shorter way that the rule knows; empty for the ordinary one."""
    eligible: Mapped[str] = mapped_column(server_default="unsure")
    filed_at: Mapped[Moment | None]
    receipt: Mapped[str] = mapped_column(server_default="")
    granted: Mapped[bool] = mapped_column(server_default="false")
    """Whether a permit was given, where one is needed."""
    answer: Mapped[str] = mapped_column(server_default="")
    """Whom the organiser asked and what they said, where we do not know the rule."""
    brief_read_at: Mapped[Moment | None]
    updated_at: Mapped[CreatedAt]


class PicketOrganiser(Model):
    """Who organises a picket. Without `accepted_at` it is somebody who offered to, and whom an organiser has not answered."""

    __tablename__ = "picket_organisers"

    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True)
    note: Mapped[str] = mapped_column(server_default="")
    asked_at: Mapped[CreatedAt]
    accepted_at: Mapped[Moment | None]


class PaperState(StrEnum):
    """Where a paper stands."""

    WANTED = "wanted"
    READY = "ready"
    FAILED = "failed"


class Paper(Model):
    """A paper of the print room, drawn by the worker. No person's data is on any."""

    __tablename__ = "papers"
    __table_args__ = (
        CheckConstraint("state IN ('wanted', 'ready', 'failed')", name="state"),
        Index("ix_papers_wanted", "wanted_at", postgresql_where=text("state = 'wanted'")),
    )

    picket_id: Mapped[UUID] = mapped_column(ForeignKey("pickets.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(server_default="wanted")
    revision: Mapped[int] = mapped_column(Integer, server_default="0")
    """Of the picket as it was drawn."""
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    wanted_at: Mapped[CreatedAt]
    leased_until: Mapped[Moment | None]
    """Until then a worker draws it."""
    drawn_at: Mapped[Moment | None]
