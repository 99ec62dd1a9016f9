"""Pickets in every state that a page can show, announced as people do, or written past all grants where that takes days."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from core.demo.staff import Robot
from core.demo.street import announce
from tests.browser.petitions import picture_of_nothing
from tests.browser.waiting import until

PLACES = {"announced": "Варшава", "held": "Stockholm", "cancelled": "Praha"}
COPIES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "review": ("review", 9, {}),
    "notified": ("notified", 9, {}),
    "changed": ("announced", 15, {"sequence": 2, "place_shown": "late", "district": "Mokotów"}),
    "single": ("announced", 18, {"mode": "single_person", "place_shown": "late", "district": "Mokotów"}),
    "over": ("held", -20, {}),
}
"""Others like the one that is announced: their state, so many days later, and what else is so."""


def fill(site: Any, petition_slug: str) -> None:
    """Announce three, and make one each of what they can become."""
    known, stand = site.addresses, site.stand
    organiser, coordinator = Robot(stand, "organiser"), Robot(stand, "coordinator")
    organiser.browser, coordinator.browser = site.staff["organiser"], site.staff["coordinator"]
    with site.database() as db:

        def value(statement: str, *values: object) -> Any:
            row = db.execute(statement, values).fetchone()
            return row and row[0]

        petition = value("SELECT id FROM petitions WHERE slug = %s", petition_slug)
        for number, (state, city) in enumerate(PLACES.items()):
            site.freshen()
            known[f"{state}_picket"] = known["console"] + announce(organiser, coordinator, city, number, petition)
        waits = "SELECT count(*) FROM pickets WHERE state = 'announced'"
        until("the pickets are announced", lambda: value(waits) == len(PLACES))
        codes = {
            state: value("SELECT code FROM pickets WHERE id = %s", known[f"{state}_picket"].rpartition("/")[2])
            for state in PLACES
        }
        known |= {f"{state}_code": code for state, code in codes.items()}
        here = known["announced_picket"].rpartition("/")[2]
        for role, seats in (("table", 2), ("police", 1)):
            db.execute(
                "INSERT INTO shifts SELECT gen_random_uuid(), id, %s, starts_at, ends_at, %s FROM pickets WHERE id = %s",
                (role, seats, here),
            )
        shift = value("SELECT id FROM shifts WHERE role = 'table' AND picket_id = %s", here)
        _come(site, codes["announced"], str(shift))
        db.execute(
            "UPDATE pickets SET state = 'cancelled', cancelled_at = now(), cancel_reason = 'safety', cancel_note = 'Stay at home.', sequence = 1 WHERE code = %s",
            (codes["cancelled"],),
        )
        db.execute(
            "INSERT INTO broadcasts (id, picket_id, kind, sequence, queued, sent, failed, finished_at) SELECT gen_random_uuid(), id, 'cancelled', 1, 12, 11, 1, now() FROM pickets WHERE code = %s",
            (codes["cancelled"],),
        )
        over = known["held_picket"].rpartition("/")[2]
        db.execute(
            "UPDATE pickets SET starts_at = now() - interval '26 hours', ends_at = now() - interval '24 hours', state = 'reported' WHERE id = %s",
            (over,),
        )
        db.execute(
            "INSERT INTO picket_reports (picket_id, headcount, sheets, signatures, summary, publish_at) VALUES (%s, 120, 9, 101, 'It rained, and nobody left.', now())",
            (over,),
        )
        db.execute(
            "INSERT INTO photos (id, picket_id, state, width, height, content, alt, published_at) VALUES (%s, %s, 'published', 1200, 800, %s, 'People under umbrellas', now())",
            (uuid4(), over, picture_of_nothing()),
        )
        _upload(site, f"{known['held_picket']}/photos", picture_of_nothing())
        known["photo"] = known["held_picket"] + "/photos/" + str(value("SELECT id FROM photos WHERE state = 'private'"))
        draft = _draft(site, petition)
        known["draft_picket"] = draft
        for name, (state, days, told) in COPIES.items():
            copied = value(
                "INSERT INTO pickets (id, code, petition_id, addressee_id, city_id, state, mode, language, alias, starts_at, ends_at, place, place_shown, district, people,"
                " announce_at, announced_at, sequence, created_by)"
                " SELECT gen_random_uuid(), %s, petition_id, addressee_id, city_id, %s, %s, language, alias, starts_at + %s * interval '1 day', ends_at + %s * interval '1 day', place, %s,"
                " %s, people, now() + interval '40 hours', %s, %s, created_by FROM pickets WHERE id = %s RETURNING id",
                f"{name[:4]}99", state, told.get("mode", "static_assembly"), days, days, told.get("place_shown", "exact"), told.get("district", ""),
                None if state in ("review", "notified") else datetime.now(UTC), told.get("sequence", 0), here,
            )  # fmt: skip
            known[f"{name}_code"] = f"{name[:4]}99"
            db.execute(
                "INSERT INTO assembly_notices (picket_id, eligible, filed_at, brief_read_at, receipt) VALUES (%s, 'yes', now(), now(), 'Z-7')",
                (copied,),
            )
            db.execute(
                "INSERT INTO picket_organisers (picket_id, account_id, accepted_at) SELECT %s, account_id, now() FROM picket_organisers WHERE picket_id = %s",
                (copied, here),
            )
            known[f"{name}_picket"] = f"{known['console']}/pickets/{copied}"
        db.execute(
            "INSERT INTO approvals (id, kind, object_id, petition_id, country_code, details, reason, requested_by, expires_at)"
            " SELECT gen_random_uuid(), 'picket', %s, %s, 'PL', '{}', 'We filed two days ago.', id, now() + interval '6 days' FROM accounts WHERE email = 'robot-organiser@example.org'",
            (known["review_picket"].rpartition("/")[2], petition),
        )
        db.execute(
            "INSERT INTO picket_organisers (picket_id, account_id, note) SELECT %s, id, 'I have a table and two chairs.' FROM accounts WHERE email = 'robot-coordinator@example.org'",
            (here,),
        )


def _come(site: Any, code: str, shift: str) -> None:
    """Somebody with an address, a shift and a page of their own; somebody without anything; somebody whom nobody heard of yet."""
    known, visitor = site.addresses, site.visitor
    form = f"{known['site']}/pickets/{code}/join"
    page = visitor.get(form)
    typed = {"people": "2", "alias": "Зубр-77", "email": "zubr@example.org", "shift": shift}
    known["joined_mail"] = visitor.submit(page, page.forms("")[-1], typed).url.split("?")[0]
    body = site.mail_to("zubr@example.org")[1].get_body(("plain",))
    assert body
    link = re.search(r"http\S+/pickets/confirm/\S+", body.get_content())
    assert link
    known["join_confirm"] = link[0]
    page = visitor.get(link[0])
    answer = visitor.submit(page, page.forms("")[-1])
    known["attending"] = answer.url.split("?")[0]
    until("one's own page", lambda: "Refresh" not in visitor.get(known["attending"]).headers)
    page = visitor.get(form)
    answer = visitor.submit(page, page.forms("")[-1], {"people": "12"})
    known["joined_alone"] = answer.url.split("?")[0]
    until("the answer", lambda: "Refresh" not in visitor.get(known["joined_alone"]).headers)
    mine = re.search(r"/pickets/mine/[\w-]+", visitor.get(known["joined_alone"]).text)
    assert mine
    known["attend"] = known["site"] + mine[0]


def _draft(site: Any, petition: int) -> str:
    organiser, console = site.staff["organiser"], site.addresses["console"]
    page = organiser.get(f"{console}/pickets/new")
    typed = {
        "petition": str(petition), "city": "Berlin", "city_id": "2950159", "addressee": "", "day": "2027-05-14", "begins": "17:00", "ends": "19:00", "mode": "static_assembly",
        "people": "30", "place": "Werderscher Markt 1", "place_shown": "late", "district": "Mitte", "alias": "Ala", "language": "en",
    }  # fmt: skip
    page = organiser.submit(page, page.forms("")[-1], typed)
    found = re.search(r"/pickets/[0-9a-f-]{36}", page.url)
    assert found, page.text
    return f"{console}{found[0]}"


def _upload(site: Any, address: str, content: bytes) -> None:
    """Send a photo."""
    organiser = site.staff["organiser"]
    page = organiser.get(address)
    form = next(one for one in page.forms("") if one.method == "post" and not one.action)
    assert organiser.submit(page, form, file=content).status == 200
