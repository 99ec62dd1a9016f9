"""The audit trail: who did what to which object. Never personal data of signers, and nothing anybody typed.

An entry is written in the transaction of what it tells. PostgreSQL itself numbers it, dates it and chains it to the one
before (the trigger of migration 0003), so no process can write another number, another time or into the middle, and
no role of a running process may change or delete an entry. Its owner and a superuser can: altering is found by
the chain, cutting by the head beside it, and both together by the heads that were carried elsewhere in time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from flask_babel import LazyString
from sqlalchemy import BigInteger, CheckConstraint, FetchedValue, ForeignKey, Index, LargeBinary, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from core.config import current_config
from core.extensions import Model, Moment, db
from core.fsck import invariant

log = logging.getLogger(__name__)

GENESIS = bytes(32)
"""What stands for the hash before the first entry."""

labels: dict[str, LazyString] = {}
"""What each action is called on the pages that show the trail."""


def auditable(action: str, label: LazyString) -> str:
    """Declare an action that is written down, with its name for people. Returns the action."""
    labels[action] = label
    return action


class AuditEntry(Model):
    """One line of the trail. Everything but what `record` passes is set by the database."""

    __tablename__ = "audit"
    __table_args__ = (
        CheckConstraint("action ~ '^[a-z_]+[.][a-z_]+$'", name="action"),
        CheckConstraint("object_kind ~ '^[a-z_]*$' AND object_id !~ '[[:cntrl:]]'", name="object"),
        CheckConstraint("details !~ '[[:cntrl:]]'", name="details"),
        Index("ix_audit_actor", "actor_id", "seq"),
        Index("ix_audit_object", "object_kind", "object_id", "seq"),
        {"implicit_returning": False},  # Whoever writes an entry need not be allowed to read one.
    )

    seq: Mapped[int] = mapped_column(BigInteger, FetchedValue(), primary_key=True, autoincrement=False)
    at: Mapped[Moment]
    via: Mapped[str]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    petition_id: Mapped[int | None]
    country_code: Mapped[str | None]
    details: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Model):
    """One row: number and hash of the newest entry."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


def record(
    action: str,
    actor_id: int | None,
    object_kind: str = "",
    object_id: object = "",
    *,
    petition_id: int | None = None,
    country_code: str | None = None,
    **details: str | int | bool | None,
) -> None:
    """Write one entry; `actor_id` is None for the command line and for strangers. Does not commit.

    Call it last before the commit: from here on the transaction holds the end of the chain. `details` are ids, roles and
    other words of ours.
    """
    if action not in labels:
        raise ValueError(f"The action {action!r} is not declared as auditable.")
    told = {name: value for name, value in details.items() if value is not None}
    values = {
        "actor_id": actor_id,
        "action": action,
        "object_kind": object_kind,
        "object_id": str(object_id),
        "petition_id": petition_id,
        "country_code": country_code,
        "details": json.dumps(told, ensure_ascii=False, sort_keys=True),
    }
    # Past the ORM, which would ask for the number back, and not every role may read the trail.
    db.session.execute(insert(AuditEntry.__table__).values(values))  # type: ignore[arg-type]  # A mapped class's table is one.


# --- Proving it --------------------------------------------------------------------------------------------------------


def line_of(entry: AuditEntry) -> bytes:
    """What is hashed about an entry: its columns in a fixed order, apart by U+001F, an empty one for NULL."""
    parts = [
        entry.seq, entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"), entry.via, entry.actor_id, entry.action, entry.object_kind,
        entry.object_id, entry.petition_id, entry.country_code, entry.details,
    ]  # fmt: skip
    return "\x1f".join("" if part is None else str(part) for part in parts).encode()


def broken_links(known: dict[int, bytes] | None = None) -> Iterator[str]:
    """A sentence for each thing that is wrong with the trail. `known` are hashes by number that were kept elsewhere."""
    expected = dict(known or {})
    before, number = GENESIS, 0
    for entry in db.session.scalars(
        select(AuditEntry).order_by(AuditEntry.seq).execution_options(yield_per=1000, populate_existing=True)
    ):
        if entry.seq != number + 1:
            yield f"entry {number + 1} is missing"
        if hashlib.sha256(before + line_of(entry)).digest() != entry.hash:
            yield f"entry {entry.seq} was altered or moved"
        if expected.pop(entry.seq, entry.hash) != entry.hash:
            yield f"entry {entry.seq} is not the one whose hash was kept elsewhere"
        before, number = entry.hash, entry.seq
    head = db.session.scalars(select(AuditHead).execution_options(populate_existing=True)).one()
    if (head.seq, head.hash) != (number, before):
        yield f"the trail ends with entry {number}, and should end with {head.seq}"
    for seq in expected:
        yield f"entry {seq}, whose hash was kept elsewhere, is gone"


@invariant("I13", "No entry of the audit trail was altered, moved, or cut off")
def _chain() -> int:
    config = current_config()
    found = list(broken_links(read_heads(config.audit_heads) if config.audit_heads else None))
    for sentence in found[:10]:
        log.error("audit trail: %s", sentence)
    return len(found)


# --- The heads that are kept elsewhere ---------------------------------------------------------------------------------


def read_heads(path: Path) -> dict[int, bytes]:
    """Hashes by number, as `carry_head` wrote them. A file that is not there yet holds none."""
    if not path.exists():
        return {}
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {int(parts[0]): bytes.fromhex(parts[1]) for parts in lines if len(parts) == 3}


_told = 0
"""Number of the entry that this process told the log last."""


def carry_head(path: Path | None) -> None:
    """Tell the log the newest entry's number and hash, and add a line to the file that lies elsewhere, if one is set.

    Does nothing while there is nothing new. Changes nothing in the database.
    """
    global _told
    head = db.session.scalars(select(AuditHead).execution_options(populate_existing=True)).one()
    if head.seq and head.seq != _told:
        log.info("audit trail: entry %d has the hash %s", head.seq, head.hash.hex())
        _told = head.seq
    if head.seq and path is not None and head.seq not in read_heads(path):
        with path.open("a", encoding="ascii") as file:
            file.write(f"{head.seq} {head.hash.hex()} {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")
