"""How the platform is doing, from what the worker measured (core.vitals) and the list of sealing keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import func, select

from core.extensions import db
from core.inbox import PublicSealingKey
from core.queues import QUEUES
from core.vitals import read_vitals

SILENT_AFTER = 180
"""Seconds without a sign after which a worker counts as dead. A sign comes every 30."""
LATE_EVENT, LATE_MAIL = 120, 3600
"""Seconds that an event, and a mail, may wait before it is bad."""
FULL_DISK = 0.9
OLD_FSCK = 36 * 3600
LAST_DAYS = 5
"""A sealing key that ends sooner must be followed by another."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of the panel. `state` is good, note, bad or unknown."""

    name: str
    state: str
    text: str


def silent_workers() -> list[str]:
    """Queues whose worker has given no sign for SILENT_AFTER seconds. None before any worker has ever run."""
    vitals = read_vitals()
    return [queue for queue in QUEUES if (pulse := vitals.get(f"pulse.{queue}")) and pulse[1] > SILENT_AFTER]


def read_panel() -> list[Reading]:
    """Everything, in the order of what is looked at first."""
    vitals = read_vitals()
    measured = vitals.get("measures")
    stale = measured is None or measured[1] > SILENT_AFTER
    values: dict[str, Any] = measured[0] if measured else {}
    return [
        *(_worker(queue, vitals.get(f"pulse.{queue}")) for queue in QUEUES),
        _backlog(_("Inbox"), values, "inbox", LATE_EVENT, stale),
        _backlog(_("Mail"), values, "outbox", LATE_MAIL, stale),
        _backlog(_("Bundles"), values, "bundles", None, stale),
        _failed(values, stale),
        _disk(values, stale),
        _key(),
        _fsck(vitals.get("fsck")),
        Reading(_("Backup"), "unknown", _("Unknown: no backup reports here yet.")),
    ]


def _since(seconds: float) -> str:
    if seconds < 120:
        return ngettext("%(num)s second", "%(num)s seconds", int(seconds))
    if seconds < 7200:
        return ngettext("%(num)s minute", "%(num)s minutes", int(seconds // 60))
    if seconds < 172800:
        return ngettext("%(num)s hour", "%(num)s hours", int(seconds // 3600))
    return ngettext("%(num)s day", "%(num)s days", int(seconds // 86400))


def _worker(queue: str, pulse: tuple[dict[str, Any], float] | None) -> Reading:
    name = _("Worker “%(queue)s”", queue=queue)
    if pulse is None:
        return Reading(name, "unknown", _("It has never given a sign."))
    state = "good" if pulse[1] <= SILENT_AFTER else "bad"
    return Reading(name, state, _("Last sign: %(time)s ago", time=_since(pulse[1])))


def _unknown(name: str) -> Reading:
    return Reading(name, "unknown", _("Unknown: nothing was measured lately."))


def _backlog(name: str, values: dict[str, Any], key: str, late: int | None, stale: bool) -> Reading:
    if stale or key not in values:
        return _unknown(name)
    waiting, oldest = values[key]["waiting"], values[key]["oldest"]
    if not waiting:
        return Reading(name, "good", _("Nothing waits."))
    if late is None:
        return Reading(
            name, "good", ngettext("%(num)s is being built or waits.", "%(num)s are being built or wait.", waiting)
        )
    text = ngettext(
        "%(num)s waits, the oldest for %(time)s", "%(num)s wait, the oldest for %(time)s", waiting, time=_since(oldest)
    )
    return Reading(name, "bad" if oldest > late else "good", text)


def _failed(values: dict[str, Any], stale: bool) -> Reading:
    name = _("Given up")
    if stale or "failed" not in values:
        return _unknown(name)
    failed = values["failed"]
    if not failed:
        return Reading(name, "good", _("Nothing."))
    text = ngettext(
        "%(num)s event; `flask retry-failed` tries it again.",
        "%(num)s events; `flask retry-failed` tries them again.",
        failed,
    )
    return Reading(name, "bad", text)


def _disk(values: dict[str, Any], stale: bool) -> Reading:
    name = _("Disk of the bundles")
    if stale or "disk" not in values:
        return _unknown(name)
    used = values["disk"]
    return Reading(name, "bad" if used > FULL_DISK else "good", _("%(share)s %% used", share=round(used * 100)))


def _key() -> Reading:
    name = _("Sealing key")
    left = db.session.scalar(
        select(func.extract("epoch", func.max(PublicSealingKey.not_after) - func.now())).where(
            PublicSealingKey.purpose == "worker", PublicSealingKey.not_before <= func.now()
        )
    )
    if not left or left <= 0:
        return Reading(name, "bad", _("No key is valid: nobody can sign. List a new one."))
    days = int(left // 86400)
    text = ngettext("Ends in %(num)s day.", "Ends in %(num)s days.", days)
    return Reading(name, "bad" if days < LAST_DAYS else "good", text)


def _fsck(result: tuple[dict[str, Any], float] | None) -> Reading:
    name = _("Invariants")
    if result is None:
        return Reading(name, "unknown", _("Never checked yet; it is done once a day."))
    when = _since(result[1])
    if broken := result[0].get("broken"):
        return Reading(name, "bad", _("Broken: %(names)s, as of %(time)s ago", names=", ".join(broken), time=when))
    return Reading(name, "note" if result[1] > OLD_FSCK else "good", _("All hold, as of %(time)s ago.", time=when))
