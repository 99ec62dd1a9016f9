"""What of pickets waits for somebody on the start page, and the room that pickets add to the console."""

from __future__ import annotations

from collections.abc import Iterable

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from accounts import desk
from accounts.desk import Place, Waiting
from accounts.models import Account
from accounts.permissions import Action, may_somewhere
from core.i18n import current_language
from pickets import services
from pickets.cities import full_name


@desk.waits
def _pickets_wait(account: Account) -> Iterable[Waiting]:
    if not may_somewhere(account, Action.SEE_PICKETS):
        return
    for line in services.unfinished(account):
        where = full_name(line.city, current_language())
        text = _("%(city)s: the picket is not public yet. See what is missing.", city=where)
        yield Waiting(text, url_for("pickets_console.overview", picket_id=line.picket.id))
    for line in services.without_report(account):
        where = full_name(line.city, current_language())
        text = _("%(city)s: how did the picket go? The report takes three minutes.", city=where)
        yield Waiting(text, url_for("pickets_console.report", picket_id=line.picket.id))
    for line in services.orphaned(account):
        where = full_name(line.city, current_language())
        text = _("%(city)s: nobody who may organises this picket any more. Take it over, or cancel it.", city=where)
        yield Waiting(text, url_for("pickets_console.overview", picket_id=line.picket.id), urgent=True)
    if number := services.offers_waiting(account):
        text = ngettext(
            "%(num)s person offers to organise with you.", "%(num)s people offer to organise with you.", number
        )
        yield Waiting(text, url_for("pickets_console.index"))


desk.add_place(
    Place(
        _l("Pickets"),
        "pickets_console.index",
        _l("Announce one, look after it, tell how it went."),
        lambda account: may_somewhere(account, Action.SEE_PICKETS),
    )
)
