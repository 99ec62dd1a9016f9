"""The assembly-notice desk: what was filed, the coordinator's word, and the way to the public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import func

from accounts import approvals
from accounts.approvals import ApprovalKind, request_approval
from accounts.models import Account, Approval, ApprovalState
from accounts.permissions import Action
from core.audit import auditable, record
from core.errors import DomainError
from core.extensions import db
from core.i18n import country_name, current_language
from core.queues import TaskName, wake
from pickets import services
from pickets.cities import city_name
from pickets.gate import Finding
from pickets.models import AssemblyNotice, City, Picket, PicketState
from pickets.services import REVIEW, PicketPage

NOTICE_RECORDED = auditable("picket.notice_recorded", _l("Recorded what an authority was told of a picket"))

WAIT = "wait"
"""The block that ends by itself (pickets.gate)."""


class NotYetError(DomainError):
    """Something has to be done before a coordinator can be asked. Nothing was changed."""

    def __init__(self, blocks: Sequence[Finding]) -> None:
        super().__init__()
        self.blocks = blocks


def record_notice(account: Account, picket_id: UUID, values: Mapping[str, Any]) -> None:
    """Write down what was filed or asked. `values` are columns of `AssemblyNotice`. Commits. Raises NotFoundError, NotNowError.

    Once a coordinator has agreed, only the receipt can still change: the word was given to the rest.
    """
    page = services.begin_change(
        account, picket_id, PicketState.DRAFT, PicketState.NOTIFIED, PicketState.ANNOUNCED, PicketState.HELD
    )
    kept = values if page.state is PicketState.DRAFT else {"receipt": values["receipt"]}
    for name, value in kept.items():
        setattr(page.notice, name, value)
    page.notice.updated_at = func.now()
    db.session.flush()
    _write_down(NOTICE_RECORDED, account, page, route=page.notice.route, filed=page.notice.filed_at is not None)
    db.session.commit()


def read_brief(account: Account, picket_id: UUID) -> None:
    """That an organiser has read the safety brief. Commits. Raises NotFoundError, NotNowError."""
    page = services.begin_change(account, picket_id, PicketState.DRAFT)
    page.notice.brief_read_at = page.notice.brief_read_at or func.now()
    db.session.commit()


def what_blocks(page: PicketPage) -> list[Finding]:
    """What has to be done before a coordinator is asked; waiting is no such thing, unless it lasts until the picket."""
    return [one for one in services.look_at_gate(page).blocks if one.code != WAIT or _lasts_too_long(one, page)]


def _lasts_too_long(wait: Finding, page: PicketPage) -> bool:
    return wait.until is not None and wait.until >= page.picket.starts_at


def submit(account: Account, picket_id: UUID, reason: str) -> UUID:
    """Ask a coordinator for the word by which a picket becomes public. Commits. Returns the request's id.

    Raises NotFoundError, NotNowError, NotYetError.
    """
    page = services.begin_change(account, picket_id, PicketState.DRAFT)
    blocks = what_blocks(page)
    if blocks:
        db.session.rollback()
        raise NotYetError(blocks)
    services.move(page.picket, PicketState.REVIEW)
    where = {"petition_id": page.picket.petition_id, "country_code": page.city.country_code}
    asked = request_approval(WORD, account, picket_id, reason, **where)  # type: ignore[arg-type]  # Each goes to its own parameter.
    db.session.commit()
    return asked


def _page_of(approval: Approval) -> PicketPage:
    picket = db.session.get_one(Picket, UUID(approval.object_id), with_for_update=True, populate_existing=True)
    city = db.session.get_one(City, picket.city_id)
    notice = db.session.get_one(AssemblyNotice, picket.id)
    return PicketPage(picket, city, services.ministry_of(picket), notice, services.state_of(picket), ())


def _describe(approval: Approval) -> str:
    picket = db.session.get(Picket, UUID(approval.object_id))
    if picket is None:
        return _("A picket that is gone")
    city = db.session.get_one(City, picket.city_id)
    language = current_language()
    return _(
        "Picket in %(city)s, %(country)s, on %(day)s",
        city=city_name(city, language),
        country=country_name(city.country_code, language),
        day=f"{picket.starts_at:%Y-%m-%d}",
    )


def _is_ripe(approval: Approval) -> bool:
    page = _page_of(approval)
    return page.picket.state == PicketState.REVIEW and not what_blocks(page)


def _publish(approval: Approval) -> None:
    page = _page_of(approval)
    looked = services.look_at_gate(page)
    page.picket.agreed_concerns = [str(one.code) for one in looked.concerns]
    page.picket.announce_at = looked.public_from or func.now()
    page.picket.revision += 1  # Papers that were drawn before have no pass.
    services.move(page.picket, PicketState.NOTIFIED)
    services.tell_organisers(page.picket.id, but=approval.decided_by)


def _back_to_draft(approval: Approval) -> None:
    picket = db.session.get(Picket, UUID(approval.object_id), with_for_update=True, populate_existing=True)
    if picket is not None and picket.state == PicketState.REVIEW:
        services.move(picket, PicketState.DRAFT)
        if approval.state == ApprovalState.REFUSED:
            services.tell_organisers(picket.id, but=approval.decided_by)


WORD = approvals.register(
    ApprovalKind(
        REVIEW,
        _l("A picket that is to become public"),
        Action.DECIDE_PICKET,
        _describe,
        _publish,
        _back_to_draft,
        is_ripe=_is_ripe,
        unripe=_l("Something is missing that no coordinator can make up for; the page of the picket says what."),
        page=lambda approval: url_for("pickets_console.overview", picket_id=approval.object_id),
        after_commit=lambda _approval: wake(TaskName.PICKETS),
    )
)


def _write_down(action: str, account: Account, page: PicketPage, **details: str | int | bool) -> None:
    where = {"petition_id": page.picket.petition_id, "country_code": page.city.country_code}
    record(action, account.id, "picket", page.picket.id, **where, **details)  # type: ignore[arg-type]  # As above.
