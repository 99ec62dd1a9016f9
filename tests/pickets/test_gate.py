"""What must be so before a picket may be public, place by place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickets.assembly import MODE_LABELS, ROUTE_LABELS, find_rule
from pickets.gate import Facts, Finding, Gate, explain, look
from tests.pickets.test_assembly import all_rules

PLACES = {
    "Warsaw": ("PL", "", "Europe/Warsaw"),
    "Berlin": ("DE", "DE-BE", "Europe/Berlin"),
    "Munich": ("DE", "DE-BY", "Europe/Berlin"),
    "Budapest": ("HU", "", "Europe/Budapest"),
    "Vilnius": ("LT", "", "Europe/Vilnius"),
    "Brussels": ("BE", "", "Europe/Brussels"),
    "Kyiv": ("UA", "", "Europe/Kyiv"),
    "Tbilisi": ("GE", "", "Asia/Tbilisi"),
    "Reykjavik": ("IS", "", "Atlantic/Reykjavik"),
    "Dublin": ("IE", "", "Europe/Dublin"),
    "Oslo": ("NO", "", "Europe/Oslo"),
    "Sarajevo": ("BA", "", "Europe/Sarajevo"),
    "Prague": ("CZ", "", "Europe/Prague"),
    "Bern": ("CH", "", "Europe/Zurich"),
    "Zürich": ("CH", "", "Europe/Zurich"),
    "Astana": ("KZ", "", "Asia/Almaty"),
    "Tokyo": ("JP", "JP-13", "Asia/Tokyo"),
    "Minsk": ("BY", "", "Europe/Minsk"),
    "Jerusalem": ("IL", "", "Asia/Jerusalem"),
    "Copenhagen": ("DK", "", "Europe/Copenhagen"),
}


def at(city: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(PLACES[city][2]))  # type: ignore[arg-type, misc]


def picket_in(city: str, starts_at: datetime, mode: str = "static_assembly", **told: Any) -> Facts:
    """A picket for which all that people can do themselves is done, but no notice given."""
    country, region, zone = PLACES[city]
    facts = Facts(
        rule=find_rule(country, region, city, mode),
        mode=mode,
        route=None,
        starts_at=starts_at,
        zone=ZoneInfo(zone),
        country=country,
        region=region,
        people=1 if mode == "single_person" else 30,
        eligible="yes",
        filed_at=None,
        granted=False,
        answer=False,
        brief_read=True,
    )
    return replace(facts, **told)


def blocks(gate: Gate) -> list[str]:
    return [finding.code for finding in gate.blocks]


def concerns(gate: Gate) -> list[str]:
    return [finding.code for finding in gate.concerns]


def said(code: str, gate: Gate, facts: Facts) -> str:
    found = [one for one in (*gate.blocks, *gate.concerns, *gate.notices) if one.code == code]
    assert len(found) == 1
    return explain(found[0], facts)


def test_a_notice_in_warsaw_is_due_six_days_before() -> None:
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17))
    gate = look(facts, at("Warsaw", 2027, 2, 1, 9))
    assert (blocks(gate), concerns(gate)) == (["not_filed"], [])
    assert gate.blocks[0].until == at("Warsaw", 2027, 2, 12, 23, 59)
    sentence = said("not_filed", gate, facts)
    assert "Friday, 12 February 2027, 23:59" in sentence
    assert "6 days before the day of the picket" in sentence
    assert "“Simplified notice” (2 days before the day of the picket)" in sentence
    assert "City of Warsaw" in sentence


def test_a_notice_in_warsaw_that_was_filed_in_time_leaves_nothing_to_weigh() -> None:
    filed_at = at("Warsaw", 2027, 2, 12, 23, 59)
    gate = look(picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), filed_at=filed_at), filed_at)
    assert (gate.blocks, gate.concerns, gate.notices, gate.public_from) == ((), (), (), None)


def test_a_late_notice_is_told_as_late() -> None:
    filed_at = at("Warsaw", 2027, 2, 13, 0, 0)
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), filed_at=filed_at)
    gate = look(facts, filed_at)
    assert (blocks(gate), concerns(gate)) == ([], ["late"])
    assert "Simplified notice" in said("late", gate, facts)


def test_an_early_notice_is_told_as_early() -> None:
    filed_at = at("Warsaw", 2027, 1, 18, 23, 59)
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), filed_at=filed_at)
    gate = look(facts, filed_at)
    assert (blocks(gate), concerns(gate)) == ([], ["early"])
    assert "from Tuesday, 19 January 2027, 00:00" in said("early", gate, facts)
    later = look(replace(facts, filed_at=at("Warsaw", 2027, 1, 19)), at("Warsaw", 2027, 1, 19))
    assert concerns(later) == []


def test_when_it_is_too_late_the_shorter_way_is_named() -> None:
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17))
    gate = look(facts, at("Warsaw", 2027, 2, 13, 0))
    assert blocks(gate) == ["too_late_to_file"]
    assert "Simplified notice" in said("too_late_to_file", gate, facts)


def test_the_simplified_notice_in_warsaw_is_due_two_days_before_and_a_coordinator_confirms_it() -> None:
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), route="simplified")
    gate = look(facts, at("Warsaw", 2027, 2, 15, 9))
    assert (blocks(gate), concerns(gate)) == (["not_filed"], ["route"])
    assert gate.blocks[0].until == at("Warsaw", 2027, 2, 16, 23, 59)
    sentence = said("not_filed", gate, facts)
    assert "Municipal crisis-management centre" in sentence
    assert "Simplified notice" not in sentence, "the way that was taken is no other way"
    filed = replace(facts, filed_at=at("Warsaw", 2027, 2, 16, 12))
    assert concerns(look(filed, at("Warsaw", 2027, 2, 16, 12))) == ["route"]
    assert "disturbs no traffic" in said("route", gate, facts)
    late = replace(facts, filed_at=at("Warsaw", 2027, 2, 17, 12))
    assert concerns(look(late, at("Warsaw", 2027, 2, 17, 12))) == ["route", "late"]


def test_a_spontaneous_assembly_in_poland_needs_no_notice_but_a_word() -> None:
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), route="spontaneous")
    gate = look(facts, at("Warsaw", 2027, 2, 18, 9))
    assert (blocks(gate), concerns(gate)) == ([], ["route"])


def test_a_way_that_the_rule_does_not_know_counts_for_nothing() -> None:
    facts = picket_in("Vilnius", at("Vilnius", 2027, 2, 18, 17), route="spontaneous")
    assert blocks(look(facts, at("Vilnius", 2027, 2, 1, 9))) == ["not_filed"]


def test_nothing_is_public_before_the_safety_brief_is_read() -> None:
    for city in PLACES:
        facts = picket_in(city, at(city, 2027, 2, 18, 17), brief_read=False, granted=True, answer=True)
        assert "brief" in blocks(look(facts, at(city, 2027, 2, 1, 9)))


def test_berlin_waits_forty_eight_hours_before_announcing() -> None:
    filed_at = at("Berlin", 2027, 3, 27, 9)
    facts = picket_in("Berlin", at("Berlin", 2027, 4, 10, 12), filed_at=filed_at)
    # The clocks leap on 28 March: 48 elapsed hours end at 10:00.
    may_be = at("Berlin", 2027, 3, 29, 10)
    gate = look(facts, may_be - timedelta(seconds=1))
    assert gate.blocks == (Finding("wait", may_be),)
    assert gate.concerns == ()
    assert gate.public_from == may_be
    assert "Until Monday, 29 March 2027, 10:00" in said("wait", gate, facts)
    assert look(facts, may_be).blocks == ()
    assert look(facts, may_be).public_from == may_be


def test_a_picket_in_berlin_without_a_notice_is_not_announced() -> None:
    facts = picket_in("Berlin", at("Berlin", 2027, 4, 10, 12))
    gate = look(facts, at("Berlin", 2027, 4, 1, 12))
    assert blocks(gate) == ["not_filed"]
    assert gate.public_from is None
    sentence = said("not_filed", gate, facts)
    assert "before anybody is invited" in sentence
    assert "After Thursday, 8 April 2027, 12:00" in sentence
    assert "Urgent assembly" in sentence


def test_a_notice_in_berlin_less_than_forty_eight_hours_before_leads_to_the_urgent_way() -> None:
    filed_at = at("Berlin", 2027, 4, 9, 12)
    facts = picket_in("Berlin", at("Berlin", 2027, 4, 10, 12), filed_at=filed_at)
    gate = look(facts, filed_at)
    assert (blocks(gate), concerns(gate)) == (["wait"], ["late"])
    assert "Urgent assembly" in said("wait", gate, facts)
    urgent = replace(facts, route="urgent")
    assert (blocks(look(urgent, filed_at)), concerns(look(urgent, filed_at))) == ([], ["route"])
    assert blocks(look(replace(urgent, filed_at=None), filed_at)) == ["not_filed"]


def test_munich_does_not_count_the_weekend() -> None:
    # Friday 11 June 2027, 15:00: 9 hours of Friday, Monday, 15 hours of Tuesday.
    facts = picket_in("Munich", at("Munich", 2027, 6, 24, 12), filed_at=at("Munich", 2027, 6, 11, 15))
    gate = look(facts, at("Munich", 2027, 6, 13, 16))
    assert gate.blocks == (Finding("wait", at("Munich", 2027, 6, 15, 15)),)
    assert "Saturdays, Sundays and public holidays do not count" in said("wait", gate, facts)
    berlin = picket_in("Berlin", at("Berlin", 2027, 6, 24, 12), filed_at=at("Berlin", 2027, 6, 11, 15))
    assert look(berlin, at("Berlin", 2027, 6, 13, 16)).blocks == ()


def test_budapest_takes_no_notice_earlier_than_four_weeks_before() -> None:
    facts = picket_in("Budapest", at("Budapest", 2027, 3, 10, 12), filed_at=at("Budapest", 2027, 2, 9, 23))
    gate = look(facts, at("Budapest", 2027, 2, 12, 12))
    assert (blocks(gate), concerns(gate)) == ([], ["early"])
    assert gate.concerns[0].until == at("Budapest", 2027, 2, 10)
    assert concerns(look(replace(facts, filed_at=at("Budapest", 2027, 2, 10, 9)), at("Budapest", 2027, 2, 13))) == []


def test_twelve_people_in_vilnius_are_a_small_picket() -> None:
    facts = picket_in("Vilnius", at("Vilnius", 2027, 3, 30, 12), people=12)
    gate = look(facts, at("Vilnius", 2027, 3, 20, 12))
    assert (blocks(gate), concerns(gate)) == ([], ["small"])
    sentence = said("small", gate, facts)
    assert "16" in sentence
    assert "12" in sentence
    assert "three working days" in sentence, "the note says what holds nevertheless"


def test_twenty_people_in_vilnius_over_easter() -> None:
    facts = picket_in("Vilnius", at("Vilnius", 2027, 3, 30, 12), people=20)
    gate = look(facts, at("Vilnius", 2027, 3, 20, 12))
    assert gate.blocks == (Finding("not_filed", at("Vilnius", 2027, 3, 22, 23, 59)),)
    assert concerns(look(replace(facts, filed_at=at("Vilnius", 2027, 3, 22, 20)), at("Vilnius", 2027, 3, 23))) == []
    assert concerns(look(replace(facts, filed_at=at("Vilnius", 2027, 3, 23, 8)), at("Vilnius", 2027, 3, 23, 9))) == [
        "late"
    ]


def test_the_number_from_which_a_rule_begins_is_not_small() -> None:
    for people, expected in ((15, []), (16, ["not_filed"])):
        facts = picket_in("Vilnius", at("Vilnius", 2027, 3, 30, 12), people=people)
        assert blocks(look(facts, at("Vilnius", 2027, 3, 20, 12))) == expected


def test_a_small_picket_where_a_permit_is_needed_has_a_word_to_wait_for() -> None:
    facts = picket_in("Jerusalem", at("Jerusalem", 2027, 3, 30, 12), people=20)
    gate = look(facts, at("Jerusalem", 2027, 3, 20, 12))
    assert (blocks(gate), concerns(gate)) == ([], ["small"])


def test_a_small_picket_that_was_told_or_permitted_has_nothing_to_weigh() -> None:
    filed_at = at("Vilnius", 2027, 3, 10, 12)
    told = picket_in("Vilnius", at("Vilnius", 2027, 3, 30, 12), people=12, filed_at=filed_at)
    assert look(told, filed_at).concerns == ()
    permitted = picket_in("Jerusalem", at("Jerusalem", 2027, 3, 30, 12), people=20, granted=True)
    assert look(permitted, at("Jerusalem", 2027, 3, 20, 12)).concerns == ()


def test_who_may_organise_in_vilnius_is_asked() -> None:
    filed_at = at("Vilnius", 2027, 3, 10, 12)
    facts = picket_in("Vilnius", at("Vilnius", 2027, 3, 30, 12), filed_at=filed_at)
    for eligible, expected in (("yes", []), ("no", ["not_eligible"]), ("unsure", ["eligibility_unsure"])):
        gate = look(replace(facts, eligible=eligible), filed_at)
        assert (blocks(gate), concerns(gate)) == ([], expected)
        for code in expected:
            assert "European Union" in said(code, gate, facts)


def test_who_may_organise_is_no_concern_where_everybody_may() -> None:
    filed_at = at("Warsaw", 2027, 2, 10, 12)
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), filed_at=filed_at, eligible="unsure")
    assert look(facts, filed_at).concerns == ()


def test_where_it_is_not_known_who_may_organise_it_is_told_and_asks_for_no_word() -> None:
    filed_at = at("Tbilisi", 2027, 2, 1, 12)
    gate = look(picket_in("Tbilisi", at("Tbilisi", 2027, 2, 18, 17), filed_at=filed_at, eligible="unsure"), filed_at)
    assert [notice.code for notice in gate.notices] == ["eligibility_unknown"]
    assert concerns(gate) == ["red_flag"]


def test_brussels_needs_a_permit() -> None:
    facts = picket_in("Brussels", at("Brussels", 2027, 2, 18, 17), filed_at=at("Brussels", 2027, 2, 1, 12))
    gate = look(facts, at("Brussels", 2027, 2, 10, 12))
    # Ten working days before Thursday the 18th lie on Thursday the 4th.
    assert gate.blocks == (Finding("no_permit", at("Brussels", 2027, 2, 4, 23, 59)),)
    granted = look(replace(facts, granted=True), at("Brussels", 2027, 2, 10, 12))
    assert (granted.blocks, granted.concerns) == ((), ())


def test_a_permit_that_was_given_answers_whether_it_was_asked_for_in_time() -> None:
    facts = picket_in("Brussels", at("Brussels", 2027, 2, 18, 17), filed_at=at("Brussels", 2027, 2, 15, 12))
    assert concerns(look(facts, at("Brussels", 2027, 2, 16))) == ["late"]
    assert concerns(look(replace(facts, granted=True), at("Brussels", 2027, 2, 16))) == []


def test_kyiv_asks_a_lawyer_and_the_military_administration_first() -> None:
    facts = picket_in("Kyiv", at("Kyiv", 2027, 2, 18, 17))
    gate = look(facts, at("Kyiv", 2027, 2, 1, 12))
    assert (blocks(gate), concerns(gate)) == (["ask"], ["red_flag", "prohibited"])
    assert "Local military administration" in said("ask", gate, facts)
    assert "lawyer" in said("ask", gate, facts)
    asked = look(replace(facts, answer=True), at("Kyiv", 2027, 2, 1, 12))
    assert (blocks(asked), concerns(asked)) == ([], ["red_flag", "prohibited"])


def test_tbilisi_is_a_red_flag_even_with_a_notice() -> None:
    filed_at = at("Tbilisi", 2027, 2, 10, 12)
    facts = picket_in("Tbilisi", at("Tbilisi", 2027, 2, 18, 17), filed_at=filed_at)
    gate = look(facts, filed_at)
    assert (blocks(gate), concerns(gate)) == ([], ["red_flag"])
    assert "expelled" in said("red_flag", gate, facts)


def test_one_person_in_astana_is_no_way_around() -> None:
    facts = picket_in("Astana", at("Astana", 2027, 2, 18, 17), mode="single_person", people=1, eligible="no")
    gate = look(facts, at("Astana", 2027, 2, 1, 12))
    assert (blocks(gate), concerns(gate)) == (["ask"], ["mode", "red_flag", "prohibited", "not_eligible"])


def test_what_is_not_known_in_reykjavik_is_asked_there() -> None:
    facts = picket_in("Reykjavik", at("Reykjavik", 2027, 2, 18, 17))
    gate = look(facts, at("Reykjavik", 2027, 2, 1, 12))
    assert (blocks(gate), concerns(gate)) == (["ask"], ["unknown", "low_confidence"])
    assert said("ask", gate, facts).startswith("We do not know what the law asks for here. Ask there: Police")
    asked = look(replace(facts, answer=True), at("Reykjavik", 2027, 2, 1, 12))
    assert (blocks(asked), concerns(asked)) == ([], ["unknown", "low_confidence"])


def test_a_place_without_a_rule_is_asked_about() -> None:
    facts = picket_in("Minsk", at("Minsk", 2027, 2, 18, 17))
    gate = look(facts, at("Minsk", 2027, 2, 1, 12))
    assert (blocks(gate), concerns(gate), gate.window) == (["ask"], ["unknown"], None)
    assert said("ask", gate, facts).startswith("We do not know")


def test_a_mode_without_a_rule_is_not_taken_for_one_that_needs_nothing() -> None:
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17), mode="petition_stand", answer=True)
    gate = look(facts, at("Warsaw", 2027, 2, 1, 12))
    assert (blocks(gate), concerns(gate)) == ([], ["mode", "unknown"])
    assert "no rule here for “Stand that collects signatures”" in said("mode", gate, facts)


def test_nothing_blocks_in_dublin_but_it_is_called_no_permission() -> None:
    facts = picket_in("Dublin", at("Dublin", 2027, 2, 18, 17))
    gate = look(facts, at("Dublin", 2027, 2, 18, 16))
    assert (gate.blocks, gate.concerns) == ((), ())
    assert [notice.code for notice in gate.notices] == ["none"]
    sentence = said("none", gate, facts)
    assert "This is no permission" in sentence
    assert "how sure that is: high" in sentence
    assert "Gardaí" in sentence


def test_a_place_without_a_known_figure_needs_a_word() -> None:
    for city, expected in (("Oslo", ["no_figure"]), ("Sarajevo", ["no_figure", "low_confidence"])):
        facts = picket_in(city, at(city, 2027, 2, 18, 17), filed_at=at(city, 2027, 2, 10, 12))
        gate = look(facts, at(city, 2027, 2, 10, 12))
        assert (blocks(gate), concerns(gate)) == ([], expected)
        missing = replace(facts, filed_at=None)
        assert "no figure is known: ask" in said("not_filed", look(missing, at(city, 2027, 2, 10, 12)), missing)


def test_a_petition_stand_in_prague_needs_a_word_but_no_notice() -> None:
    facts = picket_in("Prague", at("Prague", 2027, 2, 18, 17), mode="petition_stand")
    gate = look(facts, at("Prague", 2027, 2, 18, 9))
    assert (blocks(gate), concerns(gate)) == ([], ["mode"])


def test_a_rule_of_which_little_is_sure_needs_a_word() -> None:
    facts = picket_in("Tokyo", at("Tokyo", 2027, 2, 18, 17), mode="single_person")
    gate = look(facts, at("Tokyo", 2027, 2, 18, 9))
    assert (blocks(gate), concerns(gate)) == ([], ["mode", "low_confidence"])
    assert [notice.code for notice in gate.notices] == ["none", "eligibility_unknown"]


def test_one_person_alone_is_no_way_round_the_notice_for_many() -> None:
    starts_at, now = at("Warsaw", 2027, 2, 18, 17), at("Warsaw", 2027, 2, 18, 9)
    facts = picket_in("Warsaw", starts_at, mode="single_person", people=2)
    gate = look(facts, now)
    assert "not_alone" in blocks(gate)
    assert "the number expected is 2" in said("not_alone", gate, facts)
    assert "not_alone" not in blocks(look(replace(facts, people=1), now))


@pytest.mark.parametrize("city", ["Warsaw", "Berlin"])
def test_what_is_planned_for_days_is_not_spontaneous(city: str) -> None:
    facts = picket_in(city, at(city, 2027, 2, 18, 17), route="spontaneous")
    planned = look(facts, at(city, 2027, 2, 16, 16, 59))
    assert "not_spontaneous" in blocks(planned)
    assert "more than two days ahead" in said("not_spontaneous", planned, facts)
    assert "not_spontaneous" not in blocks(look(facts, at(city, 2027, 2, 16, 17)))


def test_a_figure_for_few_people_is_none_for_many() -> None:
    starts_at, now = at("Bern", 2027, 2, 18, 17), at("Bern", 2027, 1, 4, 9)
    assert look(picket_in("Bern", starts_at, people=100), now).window is not None
    gate = look(picket_in("Bern", starts_at, people=101), now)
    assert gate.window is None
    assert "large" in concerns(gate)


def test_a_rule_that_was_not_checked_for_half_a_year_needs_a_word() -> None:
    facts = picket_in("Dublin", at("Dublin", 2027, 7, 1, 12))
    assert concerns(look(facts, at("Dublin", 2027, 5, 21, 12))) == []
    assert concerns(look(facts, at("Dublin", 2027, 5, 22, 12))) == ["stale"]


def test_a_large_picket_in_bern_has_another_figure() -> None:
    facts = picket_in("Bern", at("Bern", 2027, 2, 18, 17), granted=True)
    for people, expected in ((100, []), (101, ["large"])):
        gate = look(replace(facts, people=people), at("Bern", 2027, 2, 1))
        assert concerns(gate) == expected
    assert "three weeks" in said("large", look(replace(facts, people=200), at("Bern", 2027, 2, 1)), facts)


def test_what_has_begun_is_not_announced() -> None:
    starts_at = at("Dublin", 2027, 2, 18, 17)
    facts = picket_in("Dublin", starts_at)
    assert blocks(look(facts, starts_at - timedelta(seconds=1))) == []
    gate = look(facts, starts_at)
    assert blocks(gate) == ["over"]
    assert "Thursday, 18 February 2027, 17:00" in said("over", gate, facts)


def test_a_notice_that_is_to_be_filed_later_is_none() -> None:
    now = at("Berlin", 2027, 4, 1, 12)
    facts = picket_in("Berlin", at("Berlin", 2027, 4, 10, 12), filed_at=now + timedelta(minutes=1))
    gate = look(facts, now)
    assert (blocks(gate), gate.public_from) == (["future"], None)


def test_in_a_doubled_hour_the_picket_begins_when_it_begins() -> None:
    # The clocks of Berlin show 2:30 twice on 31 October 2027; the picket is meant for the second time.
    starts_at = datetime(2027, 10, 31, 1, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    facts = picket_in("Berlin", starts_at, filed_at=at("Berlin", 2027, 10, 20, 12))
    now = datetime(2027, 10, 31, 0, 45, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
    assert now.time() > starts_at.time()
    assert "over" not in blocks(look(facts, now))


def test_moments_are_those_of_the_city_wherever_the_server_stands() -> None:
    facts = picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17).astimezone(UTC))
    gate = look(facts, datetime(2027, 2, 12, 22, 59, tzinfo=UTC))
    assert blocks(gate) == ["not_filed"]
    assert "23:59, local time" in said("not_filed", gate, facts)
    assert blocks(look(facts, datetime(2027, 2, 12, 23, 0, tzinfo=UTC))) == ["too_late_to_file"]
    over = look(facts, facts.starts_at)
    assert "17:00, local time" in said("over", over, facts)


CITIES = st.sampled_from(sorted(PLACES))


@settings(deadline=None, max_examples=400)
@given(
    city=CITIES,
    mode=st.sampled_from(sorted(MODE_LABELS)),
    route=st.sampled_from([None, *ROUTE_LABELS]),
    people=st.integers(1, 300),
    eligible=st.sampled_from(["yes", "no", "unsure"]),
    filed=st.one_of(st.none(), st.integers(-60 * 24, 100)),
    before=st.integers(-48, 40 * 24),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_every_finding_is_said_in_whole_sentences(
    city: str,
    mode: str,
    route: str | None,
    people: int,
    eligible: str,
    filed: int | None,
    before: int,
    flags: tuple[bool, bool, bool],
) -> None:
    starts_at = at(city, 2027, 5, 20, 12)
    now = starts_at - timedelta(hours=before)
    granted, answer, brief_read = flags
    facts = picket_in(
        city,
        starts_at,
        mode,
        route=route,
        people=people,
        eligible=eligible,
        filed_at=None if filed is None else now + timedelta(hours=filed),
        granted=granted,
        answer=answer,
        brief_read=brief_read,
    )
    gate = look(facts, now)
    for finding in (*gate.blocks, *gate.concerns, *gate.notices):
        sentence = explain(finding, facts)
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "%" not in sentence
        assert "None" not in sentence
        assert "free to go" not in sentence
    # What holds whatever the facts are.
    rule = facts.rule
    assert len({finding.code for finding in gate.concerns}) == len(gate.concerns)
    if not gate.blocks:
        assert brief_read
        assert now.timestamp() < starts_at.timestamp()
        assert answer or (rule is not None and rule.regime not in (None, "prohibited_or_restricted"))
        if rule is not None and rule.regime == "notification" and facts.filed_at is None:
            assert {"small", "route"} & set(concerns(gate))
        if rule is not None and rule.regime == "permit" and not granted:
            assert {"small", "route"} & set(concerns(gate))
    if rule is None or rule.red_flag or rule.regime is None or rule.confidence == "low":
        assert gate.concerns


def test_every_rule_of_the_table_can_be_looked_at_and_explained() -> None:
    for rule in all_rules():
        for route in (None, *(route.code for route in rule.routes)):
            facts = replace(picket_in("Warsaw", at("Warsaw", 2027, 2, 18, 17)), rule=rule, mode=rule.mode, route=route)
            gate = look(facts, at("Warsaw", 2027, 2, 10, 17))
            for finding in (*gate.blocks, *gate.concerns, *gate.notices):
                assert explain(finding, facts)


def test_the_table_is_as_old_as_these_tests_take_it_for() -> None:
    rule = find_rule("PL", "", "Warsaw")
    assert rule is not None
    assert rule.checked_on == date(2026, 11, 22), "dates of these tests lie within half a year of it"


@pytest.mark.parametrize("city", ["Zürich", "Copenhagen"])
def test_a_notice_that_nobody_needs_to_weigh_is_not_weighed(city: str) -> None:
    facts = picket_in(city, at(city, 2027, 2, 18, 17), filed_at=at(city, 2027, 2, 10, 12), granted=True)
    expected = {"Zürich": ["low_confidence"], "Copenhagen": []}[city]
    assert concerns(look(facts, at(city, 2027, 2, 12, 12))) == expected
