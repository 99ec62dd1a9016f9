"""After a picket: the report, and its photos, which nobody else sees before no face on them can be told.

Photos lie sealed under a key that only the console has, derived from its `factor.key`: neither the public web, nor the
worker, nor a stolen database can show one. They are in the clear from the moment on when they are public.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, func, select
from sqlalchemy.orm import defer

from accounts import approvals
from accounts.approvals import ApprovalKind, NotRipeError, request_approval
from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action
from core.audit import auditable, record
from core.config import current_config
from core.errors import DomainError, NotFoundError, NotNowError
from core.extensions import db
from core.i18n import current_language
from core.pictures import blur
from core.sealing import context, decrypt, encrypt
from pickets import services
from pickets.cities import city_name
from pickets.models import City, Photo, PhotoState, Picket, PicketReport, PicketState
from pickets.services import PicketPage

REPORTED = auditable("picket.reported", _l("Reported how a picket went"))
PHOTO_ADDED = auditable("photo.added", _l("Added a photo of a picket"))
PHOTO_PUBLISHED = auditable("photo.published", _l("Published a photo of a picket, its faces made unrecognisable"))
PHOTO_REMOVED = auditable("photo.removed", _l("Removed a photo of a picket"))

OVER = (PicketState.HELD, PicketState.REPORTED)
MOST_PHOTOS = 5
COLUMNS = 24
"""Squares across a photo."""
MOST_ROWS = 72
"""Squares down a photo, so none taller than three times its width: each square is a field of a form."""


class TooManyPhotosError(DomainError):
    """There are MOST_PHOTOS already. Nothing was changed."""


class TooTallError(DomainError):
    """The photo is more than three times as tall as it is wide. Nothing was changed."""


class NothingMarkedError(DomainError):
    """No square that is on the photo is marked. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class PhotoPage:
    """What the page of one photo needs, and not the photo itself."""

    picket_page: PicketPage
    photo: Photo
    state: PhotoState
    review: Approval | None
    """The request that nobody has decided yet."""

    @property
    def rows(self) -> int:
        """Squares down it."""
        return rows_of(self.photo.width, self.photo.height)


# --- The report ------------------------------------------------------------------------------------------------------------


def find_report(picket_id: UUID) -> PicketReport | None:
    """The report of a picket, if there is one."""
    return db.session.get(PicketReport, picket_id, populate_existing=True)


def is_public(report: PicketReport | None) -> bool:
    """Whether a report may be read by everybody, by the database's clock."""
    return report is not None and report.publish_at <= services.now()


def save_report(account: Account, picket_id: UUID, values: Mapping[str, Any], days: int | None) -> None:
    """Save the report of a picket that is over; it becomes public in so many days. Commits. Raises NotFoundError, NotNowError.

    `values` are columns of `PicketReport`. `days` None leaves the day of an earlier one as it is, and so does one that is
    public already: what was read is corrected, and not hidden again.
    """
    page = services.begin_change(account, picket_id, *OVER)
    report = find_report(picket_id)
    first = report is None
    if report is None:
        report = PicketReport(picket_id=picket_id, created_by=account.id, publish_at=func.now())
        db.session.add(report)
    for name, value in values.items():
        setattr(report, name, value)
    if days is not None and (first or not is_public(report)):
        report.publish_at = func.now() + timedelta(days=days)
    if page.state is not PicketState.REPORTED:
        services.move(page.picket, PicketState.REPORTED)
    db.session.flush()
    _write_down(REPORTED, account, page, first=first, days=days)
    db.session.commit()


# --- Photos ------------------------------------------------------------------------------------------------------------------


def rows_of(width: int, height: int) -> int:
    """Squares down a photo that has COLUMNS across; the last row may reach below it."""
    return -(-height * COLUMNS // width)


def list_photos(picket_id: UUID) -> Sequence[tuple[Photo, PhotoState]]:
    """Photos of a picket in the order in which they came, without what is on them."""
    mine = select(Photo).where(Photo.picket_id == picket_id).order_by(Photo.created_at, Photo.id)
    photos = db.session.scalars(mine.options(*_WITHOUT_PIXELS)).all()
    return [(one, state_of(one)) for one in photos]


def state_of(photo: Photo) -> PhotoState:
    """Where a photo stands now: a request that ran out has left it private."""
    if photo.state == PhotoState.REVIEW and waiting_review(photo.id) is None:
        return PhotoState.PRIVATE
    return PhotoState(photo.state)


def waiting_review(photo_id: UUID) -> Approval | None:
    """The request about a photo that nobody has decided yet."""
    return db.session.scalar(
        select(Approval).where(
            Approval.kind == WORD.name,
            Approval.object_id == str(photo_id),
            Approval.state == ApprovalState.PENDING,
            Approval.expires_at > func.now(),
        )
    )


def find_photo(account: Account, picket_id: UUID, photo_id: UUID) -> PhotoPage:
    """A photo of a picket that this account looks after. Raises NotFoundError, as for one that is not there."""
    page = services.find_picket(account, picket_id)
    photo = db.session.scalar(
        select(Photo)
        .where(Photo.id == photo_id, Photo.picket_id == picket_id)
        .options(*_WITHOUT_PIXELS)
        .execution_options(populate_existing=True)
    )
    if photo is None:
        raise NotFoundError
    return PhotoPage(page, photo, state_of(photo), waiting_review(photo_id))


def add_photo(account: Account, picket_id: UUID, picture: tuple[bytes, int, int]) -> UUID:
    """Add a photo, as `core.pictures.shrink` made it. Commits. Returns its id.

    Raises NotFoundError, NotNowError, TooManyPhotosError, TooTallError.
    """
    content, width, height = picture
    page = services.begin_change(account, picket_id, *OVER)
    mine = select(func.count()).select_from(Photo).where(Photo.picket_id == picket_id)
    if db.session.scalars(mine).one() >= MOST_PHOTOS:
        db.session.rollback()
        raise TooManyPhotosError
    if rows_of(width, height) > MOST_ROWS:
        db.session.rollback()
        raise TooTallError
    photo_id = uuid4()
    sealed = encrypt(_photo_key(), content, _place(photo_id))
    db.session.add(
        Photo(id=photo_id, picket_id=picket_id, width=width, height=height, sealed=sealed, uploaded_by=account.id)
    )
    db.session.flush()
    _write_down(PHOTO_ADDED, account, page, photo=str(photo_id))
    db.session.commit()
    return photo_id


def open_photo(account: Account, picket_id: UUID, photo_id: UUID) -> bytes:
    """A photo as it is stored, a JPEG file: with its faces until it is published. Raises NotFoundError."""
    return _pixels_of(find_photo(account, picket_id, photo_id).photo)


def preview_photo(account: Account, picket_id: UUID, photo_id: UUID) -> bytes:
    """A photo that is not published, as it would be, by the squares that were saved. Raises NotFoundError, PictureError."""
    found = find_photo(account, picket_id, photo_id)
    if found.state is PhotoState.PUBLISHED or not found.photo.marks:
        raise NotFoundError
    return blur(_pixels_of(found.photo), found.photo.marks, COLUMNS, found.rows)


def save_photo(account: Account, picket_id: UUID, photo_id: UUID, marks: Collection[int], alt: str) -> None:
    """Keep the marked squares and what is to be seen, and publish nothing. Commits. Raises NotFoundError, NotNowError."""
    found = _begin(account, picket_id, photo_id)
    _keep(found, marks, alt)
    db.session.commit()


def publish_photo(account: Account, picket_id: UUID, photo_id: UUID, marks: Collection[int], alt: str) -> None:
    """Publish a photo with a mosaic over the marked squares, and erase the one with the faces. Commits.

    Everybody sees it as soon as the report may be read. Raises NotFoundError, NotNowError, NothingMarkedError, PictureError.
    """
    found = _begin(account, picket_id, photo_id)
    _keep(found, marks, alt)
    if not found.photo.marks:
        db.session.rollback()
        raise NothingMarkedError
    _publish(found.photo, blur(_pixels_of(found.photo), found.photo.marks, COLUMNS, found.rows))
    _write_down(PHOTO_PUBLISHED, account, found.picket_page, photo=str(photo_id), squares=len(found.photo.marks))
    db.session.commit()


def ask_for_photo(account: Account, picket_id: UUID, photo_id: UUID, alt: str) -> UUID:
    """Have a second person look at a photo on which, its sender says, there is no face. Commits. Returns the request's id.

    Raises NotFoundError, NotNowError.
    """
    found = _begin(account, picket_id, photo_id)
    _keep(found, (), alt)
    found.photo.state = PhotoState.REVIEW
    db.session.flush()
    picket, city = found.picket_page.picket, found.picket_page.city
    asked = request_approval(
        WORD, account, photo_id, "", petition_id=picket.petition_id, country_code=city.country_code
    )
    db.session.commit()
    return asked


def remove_photo(account: Account, picket_id: UUID, photo_id: UUID) -> None:
    """Remove a photo, in whatever state it or its picket is. Commits. Raises NotFoundError."""
    found = find_photo(account, picket_id, photo_id)
    approvals.withdraw_about(WORD.name, photo_id)
    db.session.execute(delete(Photo).where(Photo.id == photo_id))
    _write_down(PHOTO_REMOVED, account, found.picket_page, photo=str(photo_id), was=str(found.state))
    db.session.commit()


def _begin(account: Account, picket_id: UUID, photo_id: UUID) -> PhotoPage:
    """A photo that is private, locked until the end of the transaction. Raises NotFoundError, NotNowError."""
    services.begin_change(account, picket_id, *OVER)
    db.session.scalar(select(Photo.id).where(Photo.id == photo_id).with_for_update())
    found = find_photo(account, picket_id, photo_id)
    if found.state is not PhotoState.PRIVATE:
        db.session.rollback()
        raise NotNowError
    return found


def _keep(found: PhotoPage, marks: Collection[int], alt: str) -> None:
    found.photo.state = PhotoState.PRIVATE  # A request that ran out has left it private.
    found.photo.marks = sorted({one for one in marks if 0 <= one < COLUMNS * found.rows})
    found.photo.alt = alt
    db.session.flush()


def _publish(photo: Photo, content: bytes) -> None:
    photo.content, photo.sealed = content, None
    photo.state, photo.published_at = PhotoState.PUBLISHED, func.now()
    db.session.flush()


_WITHOUT_PIXELS = (defer(Photo.sealed), defer(Photo.content))


def _pixels_of(photo: Photo) -> bytes:
    """A JPEG file."""
    if photo.content is not None:
        return photo.content
    if photo.sealed is None:
        raise NotFoundError
    return decrypt(_photo_key(), photo.sealed, _place(photo.id))


def _place(photo_id: UUID) -> bytes:
    return context("photos", photo_id)


def _photo_key() -> bytes:
    """A key of its own, so that nothing sealed for one use opens in another."""
    secret = base64.b64decode(current_config().secret("factor.key"), validate=True)
    return HKDF(SHA256(), 32, salt=None, info=b"zbor|photos").derive(secret)


# --- Squares as people write them ----------------------------------------------------------------------------------------------

_SQUARES = re.compile(r"([A-X])([1-9]\d?)(?:[-–:]([A-X])([1-9]\d?))?")
"""Telephones make a dash of a hyphen."""
_CYRILLIC = str.maketrans("АВЕКМНОРСТХ", "ABEKMHOPCTX")
"""Letters that look the same, for whoever has not changed the keyboard."""


def square_name(number: int) -> str:
    """What a square is called: its column's letter and its row's number, such as `C7`."""
    return f"{chr(ord('A') + number % COLUMNS)}{number // COLUMNS + 1}"


def read_squares(typed: str, rows: int) -> set[int]:
    """Numbers of the squares in a text such as `C7, D7-F9`. Raises ValueError with the part that cannot be read."""
    found: set[int] = set()
    together = re.sub(r"\s*([-–:])\s*", r"\1", typed.upper().translate(_CYRILLIC))
    for part in re.findall(r"[^\s,;]+", together):
        match = _SQUARES.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first_column, first_row, last_column, last_row = match.groups()
        columns = sorted(ord(one) - ord("A") for one in (first_column, last_column or first_column))
        lines = sorted(int(one) - 1 for one in (first_row, last_row or first_row))
        if lines[1] >= rows:
            raise ValueError(part)
        found |= {
            row * COLUMNS + column
            for row in range(lines[0], lines[1] + 1)
            for column in range(columns[0], columns[1] + 1)
        }
    return found


# --- A second person looks -------------------------------------------------------------------------------------------------------


def _photo_of(approval: Approval) -> Photo | None:
    return db.session.get(Photo, UUID(approval.object_id), options=_WITHOUT_PIXELS)


def _describe(approval: Approval) -> str:
    photo = _photo_of(approval)
    if photo is None:
        return _("A photo that is gone")
    picket = db.session.get_one(Picket, photo.picket_id)
    return _(
        "Photo of the picket in %(city)s on %(day)s",
        city=city_name(db.session.get_one(City, picket.city_id), current_language()),
        day=f"{picket.starts_at:%Y-%m-%d}",
    )


def _is_there(approval: Approval) -> bool:
    return _photo_of(approval) is not None


def _locked(approval: Approval) -> Photo | None:
    return db.session.get(Photo, UUID(approval.object_id), with_for_update=True, populate_existing=True)


def _publish_as_it_is(approval: Approval) -> None:
    photo = _locked(approval)
    if photo is None or photo.state != PhotoState.REVIEW:
        db.session.rollback()
        raise NotRipeError  # It was erased since the page was opened.
    _publish(photo, _pixels_of(photo))


def _back_to_private(approval: Approval) -> None:
    photo = _locked(approval)
    if photo is not None and photo.state == PhotoState.REVIEW:
        photo.state = PhotoState.PRIVATE
        db.session.flush()


def _page_of(approval: Approval) -> str | None:
    photo = _photo_of(approval)
    if photo is None:
        return None
    return url_for("pickets_console.photo", picket_id=photo.picket_id, photo_id=photo.id)


WORD = approvals.register(
    ApprovalKind(
        "photo",
        _l("A photo on which there is no face"),
        Action.DECIDE_PHOTO,
        _describe,
        _publish_as_it_is,
        _back_to_private,
        is_ripe=_is_there,
        unripe=_l("The photo is gone: it was removed, or nobody published it in time."),
        page=_page_of,
    )
)


def _write_down(action: str, account: Account, page: PicketPage, **details: str | int | bool | None) -> None:
    where = {"petition_id": page.picket.petition_id, "country_code": page.city.country_code}
    record(action, account.id, "picket", page.picket.id, **where, **details)  # type: ignore[arg-type]  # Each goes to its own parameter.
