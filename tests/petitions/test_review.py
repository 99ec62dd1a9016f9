"""A second person opens what creators wrote: exactly that, once, and never the one who wrote it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from core.config import Role
from petitions.texts import text_hash
from petitions.versions import compare
from tests.conftest import House
from tests.factories import Factory, counted, enter, hidden, post
from tests.petitions.test_editing import WORDS, address, begin, ids, revised, routes, set_up, whole, write


@pytest.fixture
def creator(house: House, make: Factory) -> FlaskClient:
    return enter(house, make.account(make.petition(countries=())))


@pytest.fixture
def reviewer(house: House, make: Factory) -> FlaskClient:
    return enter(house, make.account(role="reviewer"))


def waiting(house: House, petition: int, kind: str = "petition_opening") -> str:
    """Number of the request that waits."""
    return str(
        house.value(
            "SELECT id FROM approvals WHERE petition_id = :p AND kind = :k AND state = 'pending'", p=petition, k=kind
        )
    )


def decide(client: FlaskClient, approval: str, decision: str = "approve", reason: str = "") -> Any:
    return post(client, f"/approvals/{approval}", decision=decision, reason=reason)


def state(house: House, petition: int) -> str:
    return str(house.value("SELECT state FROM petitions WHERE id = :p", p=petition))


def submit(client: FlaskClient, petition: int) -> Any:
    return post(client, f"/petitions/{petition}/submission", reason="Please hurry.")


def test_a_whole_petition_opens_as_the_reviewer_read_it(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    write(creator, petition, "pl", title="Nie uznawać 2020-2021", body="Szanowna Pani Minister, **nie**.")
    assert submit(creator, petition).status_code == 303
    assert state(house, petition) == "review"
    waits = reviewer.get("/").text
    assert "waits for your decision" in waits
    approval = waiting(house, petition)
    page = reviewer.get(f"/approvals/{approval}").text
    assert f"/petitions/{petition}/preview" in page
    assert "Please hurry." in page
    preview = reviewer.get(f"/petitions/{petition}/preview/pl").text
    assert "<strong>nie</strong>" in preview
    assert decide(reviewer, approval).status_code == 303
    row = house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one()
    assert (row.state, row.opens_at is not None) == ("open", True)
    texts = {one.language: one for one in house.sql("SELECT * FROM petition_texts WHERE petition_id = :p", p=petition)}
    assert texts.keys() == {"en", "pl"}
    assert texts["en"].hash == text_hash(WORDS["title"], WORDS["summary"], WORDS["body"], texts["en"].demands)
    assert texts["pl"].body_html == "<p>Szanowna Pani Minister, <strong>nie</strong>.</p>\n"
    assert house.value("SELECT version FROM text_versions WHERE petition_id = :p", p=petition) == 1
    found = "SELECT count(*) FROM petition_texts WHERE petition_id = :p AND search @@ to_tsquery('simple', 'uznawac & 2021')"
    assert house.value(found, p=petition) == 1
    public = house.client(Role.PUBLIC).get(f"/petitions/{row.slug}")
    assert public.status_code == 200
    assert WORDS["title"] in public.text
    again = decide(reviewer, approval)
    assert again.status_code == 303, "once"
    assert "Somebody was faster" in reviewer.get(again.location).text
    assert house.value("SELECT count(*) FROM petition_texts WHERE petition_id = :p", p=petition) == 2


def test_a_chosen_opening_time_is_kept(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator, opens_at="2090-01-01T10:00")
    submit(creator, petition)
    decide(reviewer, waiting(house, petition))
    assert house.value("SELECT opens_at FROM petitions WHERE id = :p", p=petition).year == 2090
    assert house.client(Role.PUBLIC).get(f"/petitions/{make.slug(petition)}").status_code == 404, "not yet"
    assert "Opens 1 Jan 2090" in creator.get(f"/petitions/{petition}/overview").text
    post(creator, f"/petitions/{petition}/closing")
    assert state(house, petition) == "open", "what nobody has seen has no end"


@pytest.mark.parametrize(
    ("lack", "told"),
    [
        ("UPDATE drafts SET body = '' WHERE petition_id = :p", "Write the text in at least one language"),
        ("INSERT INTO drafts (petition_id, language, title) VALUES (:p, 'pl', 'x')", "Polski is not complete"),
        ("UPDATE petitions SET fallback_addressee_id = NULL WHERE id = :p", "Choose who receives the signatures"),
        ("DELETE FROM petition_addressees WHERE petition_id = :p", "Choose whom it is addressed to"),
        ("UPDATE petitions SET closes_at = now() - interval '1 hour' WHERE id = :p", "The closing time is over"),
        ("UPDATE petitions SET kind = 'open_letter' WHERE id = :p", "at least one first signatory"),
        (
            ("WITH i AS (INSERT INTO pictures (id, petition_id, width, height, content) VALUES (gen_random_uuid(), :p, 1, 1, '') RETURNING id)"
            " UPDATE petitions SET picture_id = i.id FROM i WHERE petitions.id = :p"),
            "describe the picture",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_and_keeps_it_from_review(
    house: House, make: Factory, creator: FlaskClient, lack: str, told: str
) -> None:
    petition = whole(house, make, creator)
    assert "It is ready for a reviewer" in creator.get(f"/petitions/{petition}/overview").text
    house.sql(lack, p=petition)
    page = creator.get(f"/petitions/{petition}/overview").text
    assert told in page
    submit(creator, petition)
    assert state(house, petition) == "draft"
    assert house.value("SELECT count(*) FROM approvals") == 0


def test_while_a_reviewer_reads_nothing_changes_and_nothing_typed_is_lost(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator, kind="open_letter")
    path = f"/petitions/{petition}"
    assert "still to do" in creator.get(f"{path}/overview").text.lower()
    post(creator, f"{path}/signatories", people="Anna Nowak", agreed="y")
    opened = {
        name: hidden(creator.get(f"{path}/{name}").text, "revision") for name in ("texts/en", "settings", "addressees")
    }
    submit(creator, petition)
    assert state(house, petition) == "review"
    before = house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one()
    answer = post(creator, f"{path}/texts/en", **{**WORDS, "body": "Quickly changed.", "revision": opened["texts/en"]})
    assert answer.status_code == 409
    assert "Quickly changed.</textarea>" in answer.text
    assert "A reviewer is deciding about this" in answer.text
    assert "Take my request back" in answer.text
    values = {
        "kind": "petition",
        "slug": "other",
        "fallback": "",
        "zone": "UTC",
        "thresholds": "",
        "min_age": "",
        "per_mailbox": "1",
    }
    post(creator, f"{path}/settings", **values, revision=opened["settings"])
    post(creator, f"{path}/addressees", addressee=[], save="1", revision=opened["addressees"])
    post(creator, f"{path}/texts/en/removal")
    post(creator, f"{path}/signatories", people="Barys Klim", agreed="y")
    post(creator, f"{path}/picture/removal")
    assert house.sql("SELECT * FROM petitions WHERE id = :p", p=petition).one() == before
    assert house.value("SELECT body FROM drafts WHERE petition_id = :p", p=petition) == WORDS["body"]
    assert len(ids(house, petition)) == 2
    assert house.value("SELECT count(*) FROM first_signatories WHERE petition_id = :p", p=petition) == 1
    post(creator, f"/approvals/{waiting(house, petition)}/withdraw")
    assert state(house, petition) == "draft"
    assert write(creator, petition, body="Changed in time.").status_code == 303


def test_a_refusal_goes_back_to_the_creators_with_its_reason(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    submit(creator, petition)
    approval = waiting(house, petition)
    assert decide(reviewer, approval, "refuse").status_code == 422, "without a reason"
    decide(reviewer, approval, "refuse", "The second paragraph names somebody.")
    assert state(house, petition) == "draft"
    assert "was not opened: read why" in creator.get("/").text
    assert "The second paragraph names somebody." in creator.get(f"/petitions/{petition}/overview").text
    assert write(creator, petition).status_code == 303
    submit(creator, petition)
    assert state(house, petition) == "review"


def test_nobody_opens_their_own(house: House, make: Factory) -> None:
    account = make.account(make.petition(countries=()))
    make.grant(account, "reviewer")
    client = enter(house, account)
    petition = whole(house, make, client)
    submit(client, petition)
    assert decide(client, waiting(house, petition)).status_code == 403
    assert post(client, f"/petitions/{petition}/rejection", reason="Mine.").status_code == 303
    assert state(house, petition) == "review"


def test_reviewers_of_something_else_and_coordinators_decide_nothing(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    submit(creator, petition)
    approval = waiting(house, petition)
    for account in (
        make.account(make.petition(countries=()), role="reviewer"),
        make.account(petition, role="reviewer", country="PL"),
        make.account(petition),
        make.account(role="administrator"),
    ):
        client = enter(house, account)
        assert decide(client, approval).status_code == 404
        assert post(client, f"/petitions/{petition}/rejection", reason="No.").status_code in (403, 404)
    assert state(house, petition) == "review"


def test_a_review_that_ran_out_leaves_a_draft(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    submit(creator, petition)
    approval = waiting(house, petition)
    house.sql("UPDATE approvals SET expires_at = now()")
    decide(reviewer, approval)
    assert state(house, petition) == "review", "nothing is opened by it"
    assert write(creator, petition, body="Changed since.").status_code == 303
    assert state(house, petition) == "draft"
    submit(creator, petition)
    assert waiting(house, petition) != approval


def test_a_closing_time_that_came_meanwhile_keeps_it_from_opening(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    submit(creator, petition)
    house.sql("UPDATE petitions SET closes_at = now() WHERE id = :p", p=petition)
    approval = waiting(house, petition)
    assert "It cannot be opened as it is" in reviewer.get(f"/approvals/{approval}").text
    decide(reviewer, approval)
    assert state(house, petition) == "review"


def test_whoever_loses_the_role_takes_the_petition_out_of_review(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    submit(creator, petition)
    account = house.value("SELECT created_by FROM petitions WHERE id = :p", p=petition)
    grant = house.value("SELECT id FROM grants WHERE account_id = :a AND petition_id = :p", a=account, p=petition)
    chief = enter(house, make.account(role="administrator"))
    post(chief, f"/people/{account}/grants/{grant}/remove")
    assert house.value("SELECT state FROM approvals WHERE petition_id = :p", p=petition) == "withdrawn"
    assert state(house, petition) == "draft"


# --- Versions -----------------------------------------------------------------------------------------------------------


def opened(house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient, **changes: Any) -> int:
    petition = whole(house, make, creator, **changes)
    submit(creator, petition)
    decide(reviewer, waiting(house, petition))
    assert state(house, petition) == "open"
    return petition


def test_a_new_version_needs_a_note_a_change_and_a_second_person(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = opened(house, make, creator, reviewer)
    path = f"/petitions/{petition}/versions"
    post(creator, path, note="Nothing is different.", language="en")
    assert house.value("SELECT count(*) FROM approvals WHERE kind = 'petition_version'") == 0
    write(creator, petition, body="Dear Minister, on second thoughts.")
    write(creator, petition, "pl")
    assert post(creator, path, note=" ", language="en").status_code == 422
    assert post(creator, path, note="We corrected a date.", language="en").status_code == 303
    assert write(creator, petition, body="Quickly.").status_code == 409, "locked"
    public = house.client(Role.PUBLIC)
    assert "on second thoughts" not in public.get(f"/petitions/{make.slug(petition)}").text
    decide(reviewer, waiting(house, petition, "petition_version"))
    rows = house.sql("SELECT version, language FROM petition_texts WHERE petition_id = :p", p=petition).all()
    assert set(rows) == {(1, "en"), (2, "en"), (2, "pl")}
    note = house.sql(
        "SELECT note, note_language FROM text_versions WHERE petition_id = :p AND version = 2", p=petition
    ).one()
    assert note == ("We corrected a date.", "en")
    assert "on second thoughts" in public.get(f"/petitions/{make.slug(petition)}").text
    assert "We corrected a date." in creator.get(f"/petitions/{petition}/overview").text
    assert "corrected" not in "".join(house.sql("SELECT details FROM audit").scalars()), "the trail tells nothing typed"


def test_a_reviewer_sees_word_by_word_what_a_new_version_changes(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = opened(house, make, creator, reviewer)
    preview = f"/petitions/{petition}/preview/en"
    assert "<del>" not in reviewer.get(preview).text
    write(creator, petition, body=WORDS["body"].replace("do not", "do <b>not</b>"))
    write(creator, petition, "pl")
    page = " ".join(re.sub(r"<span.*?</span>", "", reviewer.get(preview).text).split())
    assert "please do <del>not.</del><ins>&lt;b&gt;not&lt;/b&gt;.</ins></p>" in page
    assert page.count("<del>") == 1, "the other fields are as they were"
    assert "<ins>" not in reviewer.get(f"/petitions/{petition}/preview/pl").text, "all of it is new"


@given(st.text("a \n.", max_size=30), st.text("a \n.", max_size=30))
def test_a_comparison_holds_both_texts_whole(old: str, new: str) -> None:
    parts = compare(old, new)
    assert "".join(one.words for one in parts if one.kind != "new") == old
    assert "".join(one.words for one in parts if one.kind != "gone") == new


def test_a_version_of_what_was_published_before_drafts_existed(
    house: House, make: Factory, reviewer: FlaskClient
) -> None:
    petition = make.petition(texts=("en", "pl"))
    client = enter(house, make.account(petition))
    assert "Dear Minister" in client.get(f"/petitions/{petition}/texts/en").text
    write(client, petition, "pl")
    post(client, f"/petitions/{petition}/versions", note="Better Polish.", language="en")
    decide(reviewer, waiting(house, petition, "petition_version"))
    rows = house.sql("SELECT version, language FROM petition_texts WHERE petition_id = :p", p=petition).all()
    assert set(rows) == {(1, "en"), (1, "pl"), (2, "pl")}


# --- Addressees of an open petition -------------------------------------------------------------------------------------


def test_an_addressee_is_taken_away_while_signatures_wait_for_it(
    house: House, make: Factory, reviewer: FlaskClient
) -> None:
    petition = make.petition()
    signature = counted(house, make.slug(petition))
    poland, left = signature.addressee_id, ids(house, petition) - {signature.addressee_id}
    client = enter(house, make.account(petition))
    assert "1 signature" in client.get(f"/petitions/{petition}/addressees").text
    answer = address(client, petition, *left)
    assert "/approvals/" in answer.location
    assert poland in ids(house, petition), "not before a reviewer agrees"
    assert "1 signature stays with it" in reviewer.get(answer.location).text
    again = post(client, f"/petitions/{petition}/addressees", addressee=list(left), save="1", revision="0")
    assert again.status_code == 409, "one change at a time"
    decide(reviewer, answer.location.rsplit("/", 1)[1])
    assert ids(house, petition) == left
    assert "PL" not in routes(house, petition)
    kept = house.sql("SELECT state, addressee_id FROM signatures").one()
    assert kept == ("counted", poland), "it stays with whom it was given to"
    assert house.value("SELECT count(*) FROM petition_addressees WHERE addressee_id = :a", a=poland) == 1
    answer = address(client, petition, *left, poland)
    decide(reviewer, answer.location.rsplit("/", 1)[1])
    assert poland in ids(house, petition)
    assert routes(house, petition)["PL"] == poland


def test_a_country_whose_receiver_goes_has_its_own_ministry_again(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = begin(creator)
    write(creator, petition)
    poland, germany, union = make.addressee("PL"), make.addressee("DE"), make.addressee()
    for is_open in (False, True):
        address(creator, petition, poland, germany, union)
        if is_open:
            decide(reviewer, waiting(house, petition, "petition_addressees"))
        post(creator, f"/petitions/{petition}/routes", country="PL", addressee=str(germany))
        if is_open:
            decide(reviewer, waiting(house, petition, "petition_addressees"))
        assert routes(house, petition) == {"PL": germany, "DE": germany}
        address(creator, petition, poland, union)
        if is_open:
            decide(reviewer, waiting(house, petition, "petition_addressees"))
        assert routes(house, petition) == {"PL": poland}
        if not is_open:
            set_up(creator, petition, union)
            submit(creator, petition)
            decide(reviewer, waiting(house, petition))


def test_the_fallback_of_an_open_petition_stays(house: House, make: Factory) -> None:
    petition = make.petition()
    client = enter(house, make.account(petition))
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    assert address(client, petition, *(ids(house, petition) - {fallback})).status_code == 422


# --- The end ------------------------------------------------------------------------------------------------------------


def test_a_rejection_is_public_and_final(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator)
    path = f"/petitions/{petition}/rejection"
    assert post(reviewer, path, reason="Too early.").status_code == 303
    assert state(house, petition) == "draft", "nobody sent it in"
    submit(creator, petition)
    assert post(reviewer, path, reason=" ").status_code == 422
    assert post(reviewer, path, reason="It calls for violence.").status_code == 303
    assert state(house, petition) == "rejected"
    assert (
        house.value("SELECT public_reason FROM pub.taken_down WHERE slug = :s", s=make.slug(petition))
        == "It calls for violence."
    )
    assert house.value("SELECT state FROM approvals WHERE petition_id = :p", p=petition) == "refused"
    submit(creator, petition)
    assert write(creator, petition).status_code == 409
    assert state(house, petition) == "rejected"


@pytest.mark.parametrize("role", ["reviewer", "administrator"])
def test_hiding_works_at_once_and_showing_again_needs_two(
    house: House, make: Factory, reviewer: FlaskClient, role: str
) -> None:
    petition = make.petition()
    client = enter(house, make.account(role=role))
    path = f"/petitions/{petition}/hiding"
    assert post(client, path, reason="").status_code == 422
    assert state(house, petition) == "open"
    assert post(client, path, reason="A court decided so.").status_code == 303
    assert state(house, petition) == "hidden"
    public = house.client(Role.PUBLIC).get(f"/petitions/{make.slug(petition)}")
    assert "Do not recognise" not in public.text
    assert "A court decided so." in client.get(path).text
    assert post(client, f"/petitions/{petition}/restoration", reason="").status_code == 422
    assert post(client, f"/petitions/{petition}/restoration", reason="The court changed its mind.").status_code == 303
    assert state(house, petition) == "hidden"
    decide(reviewer, waiting(house, petition, "petition_restore"))
    assert state(house, petition) == "open"
    assert house.value("SELECT public_reason FROM petitions WHERE id = :p", p=petition) == ""


def test_a_draft_cannot_be_hidden_and_is_not_there_for_who_takes_down(
    house: House, make: Factory, creator: FlaskClient
) -> None:
    petition = begin(creator)
    chief = enter(house, make.account(role="administrator"))
    assert chief.get(f"/petitions/{petition}/hiding").status_code == 404
    assert post(chief, f"/petitions/{petition}/hiding", reason="No.").status_code == 404
    assert post(creator, f"/petitions/{petition}/hiding", reason="No.").status_code == 403


def test_closed_at_once_it_stays_closed_and_goes_into_the_archive(house: House, make: Factory) -> None:
    petition = make.petition()
    client = enter(house, make.account(petition))
    post(client, f"/petitions/{petition}/archiving")
    assert state(house, petition) == "open", "an open one is not archived"
    post(client, f"/petitions/{petition}/closing")
    assert state(house, petition) == "closed"
    revised(client, f"/petitions/{petition}/settings", closes_at="2090-01-01T10:00", zone="UTC", thresholds="")
    assert state(house, petition) == "closed"
    assert house.value("SELECT closes_at <= now() FROM petitions WHERE id = :p", p=petition)
    assert "cannot be opened again" in client.get(f"/petitions/{petition}/overview").text
    post(client, f"/petitions/{petition}/archiving")
    assert state(house, petition) == "archived"
    actions = set(house.sql("SELECT action FROM audit WHERE petition_id = :p", p=petition).scalars())
    assert {"petition.closed", "petition.archived"} <= actions


def test_an_open_letter_opens_with_its_first_signatories_and_a_petition_without(
    house: House, make: Factory, creator: FlaskClient, reviewer: FlaskClient
) -> None:
    petition = whole(house, make, creator, kind="open_letter")
    post(
        creator,
        f"/petitions/{petition}/signatories",
        people="\n".join(f"Person {n}, writer" for n in "ABCDE"),
        agreed="y",
    )
    fallback = house.value("SELECT fallback_addressee_id FROM petitions WHERE id = :p", p=petition)
    submit(creator, petition)
    assert len(re.findall(r"Person [A-E]", reviewer.get(f"/petitions/{petition}/preview").text)) == 5
    post(creator, f"/approvals/{waiting(house, petition)}/withdraw")
    set_up(creator, petition, fallback, kind="petition")
    submit(creator, petition)
    decide(reviewer, waiting(house, petition))
    assert house.value("SELECT count(*) FROM first_signatories WHERE petition_id = :p", p=petition) == 0


def test_thresholds_that_were_reached_are_told_to_those_who_hand_over(house: House, make: Factory) -> None:
    petition = make.petition()
    house.sql("UPDATE petitions SET thresholds = '{1000, 5000}' WHERE id = :p", p=petition)
    house.sql("INSERT INTO milestones (petition_id, total) VALUES (:p, 500), (:p, 1000)", p=petition)
    assert "has reached 1,000 signatures" in enter(house, make.account(petition)).get("/").text
    assert "has reached" not in enter(house, make.account(petition, country="PL")).get("/").text
