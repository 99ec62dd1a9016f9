"""What the public web may read of bundles: a view of the schema `pub`. No name is in it, and nothing of a hidden petition."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from core.extensions import VIEW, Model


class PublicVolume(Model):
    """Files of bundles that were built whole, also of those that were replaced or destroyed since. Number 0 is the index."""

    __tablename__ = "volumes"
    __table_args__ = VIEW

    # A code has 32 bits, so that two bundles can have one; their files differ.
    code: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    file_hash: Mapped[str] = mapped_column(primary_key=True)
    volumes: Mapped[int]
    """How many the bundle has, without the index."""
    first: Mapped[int | None]
    last: Mapped[int | None]
    pages: Mapped[int]
    slug: Mapped[str]
    ministry: Mapped[str]
    ministry_native: Mapped[str]
    ministry_languages: Mapped[str]
    level: Mapped[str]
    signatures: Mapped[int]
    cutoff_at: Mapped[datetime]
    ready_at: Mapped[datetime]
    head_size: Mapped[int]
    head_root: Mapped[bytes]
    head_signed_at: Mapped[datetime]
    replaced: Mapped[bool]
    struck: Mapped[int]
    """Lines that no longer count since the ministry has it."""

    @property
    def full_code(self) -> str:
        """Its code as it stands on its pages."""
        return f"{self.code}-{self.number}"
