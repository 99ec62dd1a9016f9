"""The log of a petition: an append-only Merkle tree (RFC 9162) from which its count can be proved."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import Model, Moment


class Log(Model):
    """That a petition has a log, and since when something waits to be written into it."""

    __tablename__ = "logs"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    waiting_since: Mapped[Moment | None]


class Leaf(Model):
    """One entry. `S` adds a signature by a salted commitment; `W` (withdrawn), `Q` (held back) and `R` (released again)
    refer to the leaf of a signature. Never changed, never deleted."""

    __tablename__ = "leaves"
    __table_args__ = (
        CheckConstraint("kind IN ('S', 'W', 'Q', 'R')", name="kind"),
        CheckConstraint(
            "CASE WHEN kind = 'S' THEN commitment IS NOT NULL AND octet_length(commitment) = 32 AND about IS NULL"
            " ELSE commitment IS NULL AND about IS NOT NULL AND about < index END",
            name="whole",
        ),
        ForeignKeyConstraint(["petition_id", "about"], ["leaves.petition_id", "leaves.index"]),
        CheckConstraint("index >= 0", name="index"),
        Index("ix_leaves_about", "petition_id", "about", postgresql_where=text("about IS NOT NULL")),
    )

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    commitment: Mapped[bytes | None] = mapped_column(LargeBinary)
    about: Mapped[int | None]
    """Index of the leaf that it refers to."""


class Tile(Model):
    """The root of 256 leaves that stand side by side, so that a proof need not read all leaves."""

    __tablename__ = "tiles"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)


class TreeHead(Model):
    """A signed statement: with so many leaves the tree has this root, and so many signatures are counted by it."""

    __tablename__ = "tree_heads"

    petition_id: Mapped[int] = mapped_column(ForeignKey("petitions.id"), primary_key=True)
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    counted: Mapped[int]
    signed_at: Mapped[Moment]
    key_id: Mapped[UUID] = mapped_column(ForeignKey("sealing_keys.id"))
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    """Ed25519, of `core.merkle.head_statement`."""
