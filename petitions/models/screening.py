"""What is noticed about signatures, so that floods of made-up ones are held back, and what people decide about these.

No address and no name is in these tables. Mailbox domains and networks are keyed hashes; a domain stands in the clear only
where it can be nobody's own: that of a large provider, or one that many used within an hour.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import CreatedAt, Model, Moment


class Trace(Model):
    """What the checks saw of one signature. Erased with it, and after `screening.TRACES_KEPT_FOR`."""

    __tablename__ = "traces"
    __table_args__ = (
        Index(
            "ix_traces_network", "petition_id", "network", "received_at", postgresql_where=text("network IS NOT NULL")
        ),
        Index("ix_traces_domain", "petition_id", "domain", "received_at", postgresql_where=text("domain IS NOT NULL")),
        Index("ix_traces_received_at", "received_at"),
    )

    signature_id: Mapped[UUID] = mapped_column(ForeignKey("signatures.id", ondelete="CASCADE"), primary_key=True)
    petition_id: Mapped[int]
    network: Mapped[bytes | None] = mapped_column(LargeBinary)
    """HMAC of the /24 or /48 that it came from, under a key that nobody has after 25 hours; under a pass, of the picket, for a day."""
    domain: Mapped[bytes | None] = mapped_column(LargeBinary)
    """HMAC of the mailbox's domain; None for large providers, about whom it would say nothing."""
    provider: Mapped[str | None]
    """The large provider's domain, in the clear."""
    score: Mapped[int] = mapped_column(SmallInteger)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(String))
    """Codes of the checks that spoke against it."""
    received_at: Mapped[Moment]


class BurstKind(StrEnum):
    """What the signatures of a burst have in common."""

    NETWORK = "network"
    DOMAIN = "domain"


class Sighting(Model):
    """How many signatures of a petition came from one network, or with one mail domain, in one hour (UTC)."""

    __tablename__ = "sightings"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    hour: Mapped[Moment] = mapped_column(primary_key=True, index=True)
    total: Mapped[int]


class Burst(Model):
    """More signatures from one network, or with one mail domain, than an hour of people brings. Found by the worker.

    What came since `since` is held back, also what was counted before the burst showed. One that nothing was added to
    for an hour is over, and the next is another.
    """

    __tablename__ = "bursts"
    __table_args__ = (
        CheckConstraint("kind IN ('network', 'domain')", name="kind"),
        Index(
            "uq_bursts_going_on", "petition_id", "kind", "key", unique=True, postgresql_where=text("ended_at IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"))
    kind: Mapped[str]
    key: Mapped[bytes] = mapped_column(LargeBinary)
    domain: Mapped[str | None]
    """The mail domain itself, of a burst of one."""
    since: Mapped[Moment]
    last_at: Mapped[Moment]
    seen: Mapped[int] = mapped_column(server_default="0")
    """Signatures in the hour in which most came."""
    swept: Mapped[bool] = mapped_column(server_default="false")
    """Whether what came before it was noticed is held back, too."""
    ended_at: Mapped[Moment | None]


class Hold(Model):
    """A signature that is held back, as those who decide about it see it."""

    __tablename__ = "holds"
    __table_args__ = (
        Index("ix_holds_waiting", "petition_id", postgresql_where=text("decision_id IS NULL")),
        Index("ix_holds_decision", "decision_id", postgresql_where=text("decision_id IS NOT NULL")),
    )

    signature_id: Mapped[UUID] = mapped_column(ForeignKey("signatures.id", ondelete="CASCADE"), primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"))
    burst_id: Mapped[int | None] = mapped_column(ForeignKey("bursts.id", ondelete="SET NULL"))
    reasons: Mapped[list[str]] = mapped_column(ARRAY(String))
    score: Mapped[int] = mapped_column(SmallInteger)
    country_code: Mapped[str]
    hour: Mapped[Moment]
    """In which it came."""
    provider: Mapped[str | None]
    """Its mail domain, when that is a large provider's. Of another, which may be its owner's own, only a burst tells."""
    confirmed: Mapped[bool]
    """Whether its signer has proved to have the mailbox."""
    held_at: Mapped[CreatedAt]
    decision_id: Mapped[UUID | None] = mapped_column(ForeignKey("decisions.id"))


class DecisionState(StrEnum):
    """How far a decision is. People move it to READY and UNDO, the worker does what it says."""

    WAITING = "waiting"
    READY = "ready"
    DONE = "done"
    UNDO = "undo"
    UNDONE = "undone"
    REFUSED = "refused"


DECISION_STATE_LABELS = {
    DecisionState.WAITING: _l("Waits for a second person"),
    DecisionState.READY: _l("Being done"),
    DecisionState.DONE: _l("Done"),
    DecisionState.UNDO: _l("Being undone"),
    DecisionState.UNDONE: _l("Undone"),
    DecisionState.REFUSED: _l("Refused by the second person"),
}


class Decision(Model):
    """What people decided about signatures that were held back: to let them count, or to reject them."""

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint("kind IN ('release', 'reject')", name="kind"),
        CheckConstraint("state IN ('waiting', 'ready', 'done', 'undo', 'undone', 'refused')", name="state"),
        Index("ix_decisions_open", "petition_id", postgresql_where=text("state IN ('ready', 'undo')")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"))
    kind: Mapped[str]
    reason: Mapped[str]
    """Code of the group in which they stood together."""
    burst_id: Mapped[int | None] = mapped_column(ForeignKey("bursts.id", ondelete="SET NULL"))
    total: Mapped[int]
    state: Mapped[str]
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    requested_at: Mapped[CreatedAt]
    decided_at: Mapped[Moment | None]
    done_at: Mapped[Moment | None]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))


class SpentProof(Model):
    """A proof of work that was sent with a signature, so that none is good for two."""

    __tablename__ = "spent_proofs"

    id: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    spent_at: Mapped[CreatedAt] = mapped_column(index=True)
