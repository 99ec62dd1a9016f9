"""What must be so before a picket may be public: what no person can lift, and what a coordinator has to weigh.

Pure: facts and a moment go in, findings come out. Information, not legal advice: nothing here says that somebody may go
ahead, only what the rules that we know say, and how sure that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from flask_babel import lazy_gettext as _l

from core.i18n import current_language
from pickets.assembly import (
    CONFIDENCE_LABELS,
    MODE_LABELS,
    ROUTE_LABELS,
    Route,
    Rule,
    is_stale,
    period,
    upper_bound,
    who_may_organise,
)
from pickets.deadlines import SOON, Window, filing_window, may_be_announced_from

_UNKNOWN = (None, "prohibited_or_restricted")
"""Regimes under which somebody has to ask the authority first, whatever else is known."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is asked of a picket and of what was done for it. Moments are aware."""

    rule: Rule | None
    """Of its place and mode; None where the table has none."""
    mode: str
    """A key of `pickets.assembly.MODE_LABELS`."""
    route: str | None
    """Code of the shorter way that was taken. One that the rule does not know counts for nothing."""
    starts_at: datetime
    zone: ZoneInfo
    country: str
    region: str
    people: int
    """Expected."""
    eligible: str
    """Whether the organiser is one whom the rule lets organise: `yes`, `no` or `unsure`."""
    filed_at: datetime | None
    granted: bool
    """A permit was given."""
    answer: bool
    """Somebody asked the authority and wrote down what it said."""
    brief_read: bool
    """The organiser has read the safety brief."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the rules say of a picket; `explain` says it to people."""

    code: str
    until: datetime | None = None
    """The moment it is about, if it is about one."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands between a picket and the public."""

    blocks: tuple[Finding, ...]
    """What nobody can lift; a `wait` ends by itself at its moment."""
    concerns: tuple[Finding, ...]
    """What a coordinator has to weigh."""
    notices: tuple[Finding, ...]
    """What is told and asks for nobody's word."""
    public_from: datetime | None
    """The first moment at which the picket may be announced, where the rule counts from filing to announcing and it is filed."""
    window: Window | None
    """When a notice can be filed on the way that was taken; None without a rule."""


def look(facts: Facts, now: datetime) -> Gate:
    """What the rules say of a picket at a moment (aware)."""
    window = _window(facts)
    public_from = _public_from(facts, now)
    return Gate(
        blocks=tuple(_blocks(facts, now, window, public_from)),
        concerns=tuple(_concerns(facts, now, window)),
        notices=tuple(_notices(facts)),
        public_from=public_from,
        window=window,
    )


def rests_on_an_answer(facts: Facts) -> bool:
    """Whether nothing but what the authority answered lets the picket go on."""
    return facts.answer and (facts.rule is None or facts.rule.regime in _UNKNOWN)


def explain(finding: Finding, facts: Facts) -> str:
    """What a finding of these facts means and what to do now, in the language in force."""
    told = str(_SENTENCES[_variant(finding, facts)]) % _words(finding, facts)
    return told + (_other_ways(facts) if _variant(finding, facts) in _MAY_NAME_OTHER_WAYS else "")


def _taken(facts: Facts) -> Route | None:
    routes = facts.rule.routes if facts.rule else ()
    return next((route for route in routes if route.code == facts.route), None)


def _window(facts: Facts) -> Window | None:
    """A figure that holds up to a number of people says nothing of more."""
    if facts.rule is None or _is_large(facts.rule, facts.people):
        return None
    return filing_window(_taken(facts) or facts.rule, facts.starts_at, facts.zone, facts.country, facts.region)


def _public_from(facts: Facts, now: datetime) -> datetime | None:
    """A shorter way has no hours of its own to wait for: a coordinator weighs it instead."""
    rule, filed_at = facts.rule, facts.filed_at
    if rule is None or rule.counted_from != "announcement" or _taken(facts) is not None:
        return None
    if filed_at is None or _utc(filed_at) > _utc(now):
        return None
    return may_be_announced_from(rule, filed_at, facts.zone, facts.country, facts.region)


def _is_large(rule: Rule, people: int) -> bool:
    return rule.max_people is not None and people > rule.max_people


def _is_small(facts: Facts) -> bool:
    """Whether nothing was filed for fewer people than the rule begins at."""
    begins_at = facts.rule.min_people if facts.rule else None
    return begins_at is not None and facts.people < begins_at and facts.filed_at is None and not facts.granted


def _blocks(facts: Facts, now: datetime, window: Window | None, public_from: datetime | None) -> Iterator[Finding]:
    regime = facts.rule.regime if facts.rule else None
    taken = _taken(facts)
    last = window.last if window else None
    if _utc(now) >= _utc(facts.starts_at):
        yield Finding("over", facts.starts_at)
    if facts.mode == "single_person" and facts.people > 1:
        yield Finding("not_alone")
    if taken and taken.code == "spontaneous" and _utc(facts.starts_at) - _utc(now) > SOON:
        yield Finding("not_spontaneous", facts.starts_at)
    if not facts.brief_read:
        yield Finding("brief")
    if regime in _UNKNOWN and not facts.answer:
        yield Finding("ask")
    if not (_is_small(facts) or (taken and taken.exempt)):
        if regime == "notification" and facts.filed_at is None:
            yield Finding("not_filed" if last is None or _utc(now) <= _utc(last) else "too_late_to_file", last)
        if regime == "permit" and not facts.granted:
            yield Finding("no_permit", last)
    if facts.filed_at and _utc(facts.filed_at) > _utc(now):
        yield Finding("future", facts.filed_at)
    if public_from and _utc(now) < _utc(public_from):
        yield Finding("wait", public_from)


def _concerns(facts: Facts, now: datetime, window: Window | None) -> Iterator[Finding]:
    rule, taken = facts.rule, _taken(facts)
    if facts.mode != "static_assembly":
        yield Finding("mode")
    if rule is None:
        yield Finding("unknown")
        return
    if rule.red_flag:
        yield Finding("red_flag")
    if rule.regime is None:
        yield Finding("unknown")
    if rule.regime == "prohibited_or_restricted":
        yield Finding("prohibited")
    if taken:
        yield Finding("route")
    yield from _about_time(facts, window)
    if rule.eligibility not in ("", "any") and facts.eligible != "yes":
        yield Finding("not_eligible" if facts.eligible == "no" else "eligibility_unsure")
    if _is_small(facts) and rule.regime in ("notification", "permit"):
        yield Finding("small")
    if _is_large(rule, facts.people):
        yield Finding("large")
    if rule.confidence == "low":
        yield Finding("low_confidence")
    if is_stale(rule, now.astimezone(facts.zone).date()):
        yield Finding("stale")


def _about_time(facts: Facts, window: Window | None) -> Iterator[Finding]:
    """A permit that was given answers whether it was asked for in time."""
    rule, taken, filed_at = facts.rule, _taken(facts), facts.filed_at
    if rule is None or facts.granted:
        return
    if rule.regime in ("notification", "permit") and rule.minimum is None and taken is None:
        yield Finding("no_figure")
    if filed_at is None or window is None:
        return
    if window.last is not None and _utc(filed_at) > _utc(window.last):
        yield Finding("late", window.last)
    if window.first is not None and _utc(filed_at) < _utc(window.first):
        yield Finding("early", window.first)


def _notices(facts: Facts) -> Iterator[Finding]:
    if facts.rule and facts.rule.regime == "none":
        yield Finding("none")
    if facts.rule and not facts.rule.eligibility:
        yield Finding("eligibility_unknown")


def _utc(moment: datetime) -> datetime:
    """Python compares two moments of one zone by what the clocks show, which in a doubled hour is wrong."""
    return moment.astimezone(UTC)


def _variant(finding: Finding, facts: Facts) -> str:
    """The key of the sentence for a finding: its code, or the code with what is special about these facts."""
    rule = facts.rule
    if finding.code == "ask" and (rule is None or rule.regime is not None):
        return "ask_anybody" if rule is None else "ask_a_lawyer"
    if finding.code == "mode" and rule is None:
        return "mode_without_a_rule"
    if finding.code in ("not_filed", "no_permit") and finding.until is None:
        return f"{finding.code}_no_figure"
    if finding.code == "not_filed" and rule and rule.counted_from == "announcement" and not _taken(facts):
        return "not_filed_before_announcing"
    if finding.code == "wait" and finding.until and _utc(finding.until) >= _utc(facts.starts_at):
        return "wait_too_long"
    return finding.code


def _words(finding: Finding, facts: Facts) -> dict[str, object]:
    """What the sentences have places for. A shorter way that was taken has its own period, and perhaps its own authority."""
    rule, taken = facts.rule, _taken(facts)
    words: dict[str, object] = {"mode": MODE_LABELS[facts.mode], "people": facts.people}
    if finding.until:
        pattern, language = "EEEE, d MMMM y, HH:mm", current_language()
        words["moment"] = format_datetime(finding.until, pattern, tzinfo=facts.zone, locale=language)
    if rule:
        words |= {
            "authority": (taken.authority if taken else "") or rule.authority_en,
            "period": period(taken or rule),
            "bound": upper_bound(taken or rule),
            "note": rule.note,
            "who": who_may_organise(rule),
            "begins_at": rule.min_people,
            "holds_to": rule.max_people,
            "confidence": CONFIDENCE_LABELS[rule.confidence],
        }
    if taken:
        words |= {"way": ROUTE_LABELS[taken.code], "condition": taken.note}
    return words


def _other_ways(facts: Facts) -> str:
    """The shorter ways of the rule that were not taken, a sentence each, with a space before; empty where there is none."""
    ways = [route for route in (facts.rule.routes if facts.rule else ()) if route is not _taken(facts)]
    return "".join(
        " "
        + str(_SENTENCES["another_way"]) % {"way": ROUTE_LABELS[way.code], "period": period(way), "condition": way.note}
        for way in ways
    )


_MAY_NAME_OTHER_WAYS = frozenset(
    {
        "not_filed",
        "not_filed_before_announcing",
        "too_late_to_file",
        "no_permit",
        "late",
        "wait_too_long",
    }
)
_SENTENCES = {
    "another_way": _l("There is a shorter way, “%(way)s” (%(period)s). %(condition)s"),
    "over": _l("The picket began on %(moment)s, local time. What is over cannot be announced; choose another day."),
    "not_alone": _l(
        "One person alone is one, and the number expected is %(people)s. Choose another kind of picket, or expect one person."
    ),
    "not_spontaneous": _l(
        "Nothing that begins on %(moment)s, local time, is spontaneous: that is more than two days ahead. Take the ordinary way, or choose a nearer day."
    ),
    "brief": _l("Nobody has read the safety brief. Read it to its end, and say that you have."),
    "ask": _l(
        "We do not know what the law asks for here. Ask there: %(authority)s. Write down who said what and when."
    ),
    "ask_anybody": _l(
        "We do not know what the law asks for here. Ask the police or the town hall of the place, and write down who said what and when."
    ),
    "ask_a_lawyer": _l(
        "As far as we know, gatherings are prohibited or restricted here. Ask a local lawyer first, and there: %(authority)s. Write down who said what and when."
    ),
    "not_filed": _l(
        "The authority has to be told by %(moment)s, local time (%(period)s), and no notice is recorded. File it there: %(authority)s. Then record when you did."
    ),
    "not_filed_no_figure": _l(
        "The authority has to be told (%(period)s), and no notice is recorded. File it there: %(authority)s. Then record when you did."
    ),
    "not_filed_before_announcing": _l(
        "The authority has to be told before anybody is invited (%(period)s), and no notice is recorded. File it there: %(authority)s. Then record when you did. After %(moment)s, local time, the picket could no longer be announced in time."
    ),
    "too_late_to_file": _l(
        "The notice had to be filed by %(moment)s, local time (%(period)s), and none is recorded. Choose a later day; if you did file, record when."
    ),
    "no_permit": _l(
        "A permit is needed here, and none is recorded. It has to be applied for by %(moment)s, local time (%(period)s), there: %(authority)s. Record the permit when you have it; if that moment is over, choose a later day."
    ),
    "no_permit_no_figure": _l(
        "A permit is needed here, and none is recorded (%(period)s). Apply there: %(authority)s. Record the permit when you have it."
    ),
    "future": _l(
        "The notice is recorded as filed on %(moment)s, local time, which is still to come. Correct the moment, or record it once the notice is filed."
    ),
    "wait": _l(
        "The law counts the time up to the announcement (%(period)s). Until %(moment)s, local time, nobody may be invited, here or elsewhere; then this site announces the picket by itself."
    ),
    "wait_too_long": _l(
        "The law counts the time up to the announcement (%(period)s). The picket could not be announced before %(moment)s, local time, when it has begun. Choose a later day."
    ),
    "mode": _l(
        "The rule for “%(mode)s” holds only as long as the picket stays that. If others join in, or if it becomes a gathering, the rule for pickets applies."
    ),
    "mode_without_a_rule": _l(
        "We know of no rule here for “%(mode)s”. The authority may take it for a picket, and the rule for pickets may apply."
    ),
    "unknown": _l(
        "We do not know what the law asks for here. All there is to go by is what the authority answered: weigh whether it is clear, and who gave it."
    ),
    "red_flag": _l(
        "People who organise or take part can be in danger here. Do nothing in public before a local lawyer has advised you. %(note)s"
    ),
    "prohibited": _l(
        "As far as we know, gatherings are prohibited or restricted here. Weigh what the authority and a lawyer answered."
    ),
    "route": _l(
        "A shorter way was chosen, “%(way)s” (%(period)s). %(condition)s A coordinator has to be sure that its conditions hold."
    ),
    "no_figure": _l(
        "We do not know how long before the authority wants to be told. Ask there, and file as early as you can: %(authority)s."
    ),
    "late": _l(
        "The notice was filed late: the last moment was %(moment)s, local time (%(period)s). Ask whether the authority accepts it, or choose a later day."
    ),
    "early": _l(
        "The notice was filed too early: it can be filed from %(moment)s, local time, on (%(bound)s). Ask whether the authority accepted it, or file it again then."
    ),
    "not_eligible": _l(
        "The rule lets only some people organise: %(who)s. The organiser is not among them. Find somebody who is and who gives the notice."
    ),
    "eligibility_unsure": _l(
        "The rule lets only some people organise: %(who)s. It is not sure that the organiser is among them. Ask, or find somebody who surely is."
    ),
    "eligibility_unknown": _l(
        "We do not know who may organise here. Ask when you file, above all if nobody among you is a citizen of the country."
    ),
    "small": _l(
        "As we know it, the rule begins at this number of people: %(begins_at)s. Expected: %(people)s, and nothing is recorded as filed. That does not mean that nothing is asked for, and more people may come. %(note)s"
    ),
    "large": _l(
        "What we know holds up to this number of people: %(holds_to)s. Expected: %(people)s. Ask what holds for more. %(note)s"
    ),
    "low_confidence": _l(
        "It is not sure that what we know of this rule is right. Ask the authority, and write down what it says."
    ),
    "stale": _l(
        "The rule was last checked about half a year ago or earlier, and such laws change often. Check it again."
    ),
    "none": _l(
        "The rule that we know asks for no notice; how sure that is: %(confidence)s. This is no permission. %(note)s"
    ),
}
"""What findings say. Notes of rules and conditions of shorter ways are English, as the table has them."""
