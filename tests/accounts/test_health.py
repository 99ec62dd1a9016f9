"""The health panel and its banner, from what the worker measures; and the search through the worker."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import fsck, vitals
from core.config import Role
from core.extensions import db
from core.health import read_panel, silent_workers
from core.queues import QUEUES, TaskName
from tests.conftest import House
from tests.factories import Factory, counted, enter, post, signed
from worker.measures import measures


def panel(house: House) -> dict[str, tuple[str, str]]:
    with house.inside(Role.CONSOLE) as app, app.test_request_context("/"):
        return {reading.name: (reading.state, reading.text) for reading in read_panel()}


def measured(house: House, tmp_path: Path) -> dict[str, Any]:
    with house.inside(Role.WORKER) as app:
        vitals.report("measures", found := measures(replace(app.extensions["zbor"], bundle_dir=tmp_path)))
    return found


def test_before_anything_was_measured_all_is_unknown(house: House) -> None:
    readings = panel(house)
    assert {state for name, (state, _) in readings.items() if name != "Sealing key"} == {"unknown"}
    assert readings["Backup"][0] == "unknown"
    assert readings["Sealing key"] == ("good", "Ends in 29 days.")


def test_the_panel_tells_what_the_worker_measured(house: House, make: Factory, tmp_path: Path) -> None:
    slug = make.slug(make.petition())
    signed(house, slug)
    with house.inside(Role.WORKER):
        for queue in QUEUES:
            vitals.report(f"pulse.{queue}", {})
        vitals.report("fsck", {"broken": []})
    measured(house, tmp_path)
    readings = panel(house)
    assert readings["Worker “heavy”"][0] == "good"
    assert readings["Inbox"] == ("good", "Nothing waits.")
    assert readings["Mail"][1].startswith("1 waits, the oldest for 0 seconds")
    assert readings["Given up"] == ("good", "Nothing.")
    assert re.fullmatch(r"\d+ % used", readings["Disk of the bundles"][1])
    assert readings["Invariants"][1].startswith("All hold")


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        ("UPDATE outbox SET due_at = now() - interval '2 hours'", "Mail"),
        ("UPDATE inbox SET state = 'new', sealed = 'x', received_at = now() - interval '3 minutes'", "Inbox"),
        ("UPDATE inbox SET state = 'failed', sealed = 'x'", "Given up"),
        ("UPDATE sealing_keys SET not_after = now() + interval '4 days'", "Sealing key"),
        ("DELETE FROM sealing_keys", "Sealing key"),
    ],
)
def test_what_is_bad_is_called_bad(house: House, make: Factory, tmp_path: Path, harm: str, name: str) -> None:
    signed(house, make.slug(make.petition()))
    measured(house, tmp_path)
    assert panel(house)[name][0] == "good"
    house.sql(harm)
    measured(house, tmp_path)
    assert panel(house)[name][0] == "bad"


def test_a_broken_invariant_is_shown_by_its_number(house: House) -> None:
    with house.inside(Role.WORKER):
        vitals.report("fsck", {"broken": ["I3", "I13"]})
    assert panel(house)["Invariants"][1].startswith("Broken: I3, I13")
    house.sql("UPDATE vitals SET value = '{\"broken\": []}', measured_at = now() - interval '37 hours'")
    assert panel(house)["Invariants"][0] == "note"


def test_old_measures_are_not_passed_off_as_new(house: House, tmp_path: Path) -> None:
    measured(house, tmp_path)
    house.sql("UPDATE vitals SET measured_at = now() - interval '4 minutes'")
    assert panel(house)["Inbox"][0] == "unknown"


def test_a_silent_worker_is_told_on_every_page_to_everybody(house: House, make: Factory) -> None:
    client = enter(house, make.account(role="organiser"))
    assert "gives no sign" not in client.get("/").text, "none has ever run"
    with house.inside(Role.WORKER):
        for queue in QUEUES:
            vitals.report(f"pulse.{queue}", {})
    assert "gives no sign" not in client.get("/").text
    house.sql("UPDATE vitals SET measured_at = now() - interval '4 minutes' WHERE name = 'pulse.heavy'")
    for path in ("/", "/me", "/me/passphrase"):
        assert "The worker “heavy” gives no sign" in client.get(path).text, path
    with house.inside(Role.CONSOLE):
        assert silent_workers() == ["heavy"]


def test_the_tasks_measure_and_have_the_invariants_checked_daily(
    own_database: House, make_own: Factory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from worker import tasks

    woken: list[TaskName] = []
    monkeypatch.setattr(tasks, "wake", woken.append)
    app = own_database.app(Role.WORKER)
    heads = tmp_path / "heads"
    app.extensions["zbor"] = replace(app.extensions["zbor"], audit_heads=heads, bundle_dir=tmp_path)
    enter(own_database, make_own.account())
    with app.app_context():
        tasks.measure.run()
        assert woken == [TaskName.CHECK]
        tasks.check.run()
        tasks.measure.run()
        assert woken == [TaskName.CHECK], "once a day"
        imported = {item.name for item in fsck._invariants}
        assert {"I1", "I2", "I6", "I8", "I13"} <= imported, "of every room"
        assert own_database.value("SELECT value FROM vitals WHERE name = 'fsck'") == {"broken": []}
        own_database.sql("UPDATE audit SET details = '[]'")
        tasks.check.run()
        assert own_database.value("SELECT value FROM vitals WHERE name = 'fsck'") == {"broken": ["I13"]}
        own_database.sql("UPDATE vitals SET measured_at = now() - interval '25 hours'")
        tasks.measure.run()
        assert woken == [TaskName.CHECK] * 2
        tasks.pulse.push_request(delivery_info={"routing_key": "quick"})
        tasks.pulse.run()
        tasks.pulse.pop_request()
        db.session.rollback()
    assert own_database.value("SELECT count(*) FROM vitals WHERE name = 'pulse.quick'") == 1
    assert heads.read_text().startswith("1 ")


# --- Looking for one signature ---------------------------------------------------------------------------------------------


def search(house: House, client: Any, petition: int, email: str) -> str:
    asked = post(client, f"/petitions/{petition}/search", email=email)
    assert asked.status_code == 303
    assert "Looking" in client.get(asked.location).text
    house.drain()
    return str(client.get(asked.location).text)


def test_a_reviewer_learns_the_state_of_one_signature_and_no_name(house: House, make: Factory) -> None:
    petition = make.petition()
    counted(house, make.slug(petition), email="Olga.Smith+x@gmail.com", name="Very Secret", city="Hidden")
    client = enter(house, make.account(petition, role="reviewer"))
    page = search(house, client, petition, "olgasmith@GMAIL.com")
    assert "Counted" in page
    assert "Poland" in page
    for private in ("Very Secret", "Hidden", "gmail"):
        assert private not in page
    assert "No signature of this address" in search(house, client, petition, "other@example.org")
    assert (
        house.sql("SELECT petition_id, details FROM audit WHERE action = 'signature.searched'").all()
        == [(petition, "{}")] * 2
    )


def test_nobody_else_can_read_the_answer(house: House, make: Factory) -> None:
    petition = make.petition()
    counted(house, make.slug(petition))
    one, other = (enter(house, make.account(petition, role="reviewer")) for _ in range(2))
    asked = post(one, f"/petitions/{petition}/search", email="olga@example.org")
    house.drain()
    assert "Counted" in one.get(asked.location).text
    assert "Counted" not in other.get(asked.location).text


def test_the_public_web_cannot_ask_even_when_it_is_taken_over(house: House, make: Factory) -> None:
    """The same sealed event, written under the role of the public web, is set aside: it would tell who has signed."""
    from uuid import uuid4

    from core.answers import new_secret, public_key, read_answer
    from core.inbox import append

    petition = make.petition()
    counted(house, make.slug(petition))
    event, secret = uuid4(), new_secret()
    with house.inside(Role.PUBLIC):
        append(
            "search", petition, {"v": 1, "email": "olga@example.org", "answer_key": public_key(secret, event)}, event
        )
        append(
            "staff_mail",
            None,
            {"v": 1, "to": "x@example.org", "language": "en", "news": "invited", "values": {"link": "evil"}},
            uuid4(),
        )
    house.drain()
    assert house.value("SELECT count(*) FROM inbox WHERE state = 'unreadable'") == 2
    with house.inside(Role.PUBLIC):
        assert read_answer(event, secret, wait=0) is None
    assert house.value("SELECT count(*) FROM outbox WHERE template = 'staff'") == 0


def test_searches_are_limited(house: House, make: Factory) -> None:
    petition = make.petition()
    client = enter(house, make.account(petition, role="reviewer"))
    path = f"/petitions/{petition}/search"
    assert [post(client, path, email="x@example.org").status_code for _ in range(21)] == [303] * 20 + [429]
    assert post(client, path, email="not an address").status_code == 422


def test_a_reviewer_of_one_country_cannot_search_in_all(house: House, make: Factory) -> None:
    petition = make.petition()
    client = enter(house, make.account(petition, role="reviewer", country="PL"))
    assert client.get(f"/petitions/{petition}/search").status_code == 404
    assert f"/petitions/{petition}/search" not in client.get(f"/petitions/{petition}").text
