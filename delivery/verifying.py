"""What a stranger is told of a file or a code: whether it is ours, and of what. Never a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select

from core.errors import NotFoundError, database_may_be_away
from core.extensions import db
from delivery.document import file_name
from delivery.pub import PublicVolume
from petitions.reading import PetitionPage, find_public

_HASH = re.compile(r"(?<![0-9A-F])[0-9A-F]{64}(?![0-9A-F])")
_CODE = re.compile(r"(?:ZB)?([0-9A-F]{4})([0-9A-F]{4})(\d{0,5})")
_CODE_AMONG_OTHERS = re.compile(r"(?<![0-9A-Z])ZB\W?([0-9A-F]{4})\W?([0-9A-F]{4})(?:\W(\d{1,5})|(?!\W\d))(?![0-9A-Z])")


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know of: the SHA-256 of a file, or the code of a bundle, with the number of a volume or without."""

    file_hash: str | None = None
    code: str = ""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A bundle that is ours."""

    page: PetitionPage
    """Its petition, with the text in the reader's language."""
    volumes: Sequence[PublicVolume]
    """The one that was asked for, or all of the bundle."""
    by_hash: bool
    """Whether the file itself was recognised, and not only what it should be."""
    whole: bool
    """Whether the bundle as a whole was asked for."""

    @property
    def volume(self) -> PublicVolume:
        """The one that was asked for, or the first of all, in which everything about the bundle stands as well."""
        return self.volumes[0]

    @property
    def file_name(self) -> str:
        """What the file was called when it was handed over."""
        return f"{file_name(self.volume.code, self.volume.number)}.pdf"


def read_asked(typed: str) -> Asked | None:
    """What somebody typed or pasted: capitals, spaces and hyphens do not count, nor what stands around it. None if it is neither."""
    text = unicodedata.normalize("NFKC", typed).upper()
    solid = re.sub(r"[\W_]", "", text)
    if (digest := _HASH.search(text) or _HASH.fullmatch(solid)) is not None:
        return Asked(file_hash=digest[0].lower())
    if (code := _CODE.fullmatch(solid) or _CODE_AMONG_OTHERS.search(text)) is not None:
        return Asked(code=f"ZB-{code[1]}-{code[2]}", number=int(code[3]) if code[3] else None)
    return None


def find(asked: Asked, language: str) -> Found | None:
    """The bundle or the file, None if there is none or its petition is not public. Raises UnavailableError."""
    query = select(PublicVolume).order_by(PublicVolume.ready_at.desc(), PublicVolume.number)
    if asked.file_hash is not None:
        return _found(query.where(PublicVolume.file_hash == asked.file_hash).limit(1), language, by_hash=True)
    query = query.where(PublicVolume.code == asked.code)
    if asked.number is not None:
        return _found(query.where(PublicVolume.number == asked.number).limit(1), language)
    return _found(query, language, whole=True)


def _found(query: Select[PublicVolume], language: str, *, by_hash: bool = False, whole: bool = False) -> Found | None:
    with database_may_be_away():
        rows = db.session.scalars(query).all()
    if not rows:
        return None
    try:
        page = find_public(rows[0].slug, language, routed=False)
    except NotFoundError:
        return None
    # Of two bundles with one code the newer one.
    return Found(page, [one for one in rows if one.ready_at == rows[0].ready_at], by_hash, whole)
