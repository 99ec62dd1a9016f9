"""What the law of a place asks of those who want to hold a picket there: the table of rules, and what its words mean.

Information, not legal advice. What the table does not know is None or empty, and is shown as not known.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from core.typed import fold

DATA = Path(__file__).parent / "data"
STALE_AFTER = timedelta(days=180)
"""Assembly laws change several times a year in one country or another: what is older is shown as unverified."""

MODE_LABELS = {
    "static_assembly": _l("Picket: several people who stand in one place"),
    "petition_stand": _l("Stand that collects signatures"),
    "single_person": _l("One person alone"),
}
REGIME_LABELS: Mapping[str | None, Any] = {
    "none": _l("No notice is asked for"),
    "notification": _l("The authority has to be told"),
    "permit": _l("The authority has to agree"),
    "prohibited_or_restricted": _l("Prohibited or restricted"),
    None: _l("We do not know: ask"),
}
CONFIDENCE_LABELS = {"high": _l("high"), "medium": _l("medium"), "low": _l("low")}
FACE_LABELS = {
    "banned": _l("Covering the face is banned"),
    "restricted": _l("Covering the face is restricted"),
    "allowed": _l("Covering the face is allowed"),
    "unknown": _l("Not known: ask"),
}
ROUTE_LABELS = {
    "simplified": _l("Simplified notice"),
    "spontaneous": _l("Spontaneous assembly"),
    "urgent": _l("Urgent assembly"),
}
_ELIGIBILITY_LABELS = {
    "": _l("Not known: ask"),
    "any": _l("Everybody"),
    "citizens_or_residents": _l("Citizens of the country and its long-term or permanent residents"),
    "citizens_eu_residents": _l("Citizens of the country or of the European Union, and permanent residents"),
    "promoters_3": _l("Three people who sign with name, occupation and address"),
}
Key = tuple[str, str, str]
"""Country, folded region or city, and mode."""
UNITS = ("hours", "days", "clear_days", "working_days", "weeks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """How long before a picket the authority has to be told. `minimum` is None where no figure is known."""

    minimum: int | None = None
    unit: str | None = None
    """One of UNITS; None together with `minimum`."""
    counted_from: str | None = None
    """`event`: back from the picket; `announcement`: forward from filing to the first public word. None together with `minimum`."""
    earliest_days: int | None = None
    """Days before the picket at which filing begins to be possible; None where there is no such bound, or none is known."""
    skips_rest_days: bool = False
    """Whether hours of Saturdays, Sundays and public holidays do not count."""
    clear: bool = False
    """Whether working days are clear days: neither the day of filing nor that of the picket counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Period):
    """A shorter way than the ordinary one, open under the conditions that `note` tells."""

    code: str
    """A key of ROUTE_LABELS."""
    note: str
    confidence: str
    authority: str = ""
    """Whom to tell, where it is not the authority of the rule."""
    law: str = ""
    exempt: bool = False
    """Whether no notice is needed at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Period):
    """What is known of one kind of picket in one country, region or city: a line of data/assembly_rules.csv."""

    country_code: str
    region: str
    """Empty for the whole country, an ISO 3166-2 code, or the English name of a city."""
    mode: str
    """A key of MODE_LABELS."""
    regime: str | None
    """A key of REGIME_LABELS; None where it is not known."""
    authority_en: str
    authority_native: str
    channel: str
    """Ways to file and public domains, joined by "; "."""
    law: str
    eligibility: str
    """Who may organise: `any`, a code, or words; empty where it is not known."""
    min_people: int | None
    """The number of people from which the rule applies."""
    max_people: int | None = None
    """The number up to which its figure holds."""
    face_covering: str
    """A key of FACE_LABELS."""
    red_flag: bool
    """Whether whoever organises or takes part risks arrest or expulsion, so that a local lawyer comes first."""
    confidence: str
    """A key of CONFIDENCE_LABELS: how sure regime and figure are."""
    note: str
    """One English sentence."""
    checked_on: date
    routes: tuple[Route, ...] = ()


def find_rule(country: str, region: str, city: str, mode: str = "static_assembly") -> Rule | None:
    """The rule for a place: the city's, else the region's, else the country's, each of this mode; None where there is none.

    `country` and `region` are ISO 3166 codes (`region` may be empty), `city` an English name, however accents are written.
    """
    for place in (city, region):
        rule = _rules().get((country, fold(place.strip()), mode)) if place else None
        if rule is not None:
            return rule
    return _rules().get((country, "", mode))


def is_stale(rule: Rule, today: date) -> bool:
    """Whether the rule was checked longer ago than STALE_AFTER."""
    return today - rule.checked_on > STALE_AFTER


def period(rule_or_route: Period) -> str:
    """How long before the authority is told, as a phrase such as "6 days before the day of the picket"."""
    number = rule_or_route.minimum
    if isinstance(rule_or_route, Route) and rule_or_route.exempt:
        return str(_("no notice is needed"))
    if isinstance(rule_or_route, Rule) and rule_or_route.regime == "none":
        return str(_("the rule that we know asks for no notice"))
    if number is None:
        return str(_("no figure is known: ask"))
    if rule_or_route.unit == "hours":
        return _hours(rule_or_route, number)
    return _days(rule_or_route, number)


def _hours(told: Period, number: int) -> str:
    if told.counted_from == "announcement":
        phrase = ngettext("%(num)s hour before it is announced", "%(num)s hours before it is announced", number)
    else:
        phrase = ngettext("%(num)s hour before the picket begins", "%(num)s hours before the picket begins", number)
    if told.skips_rest_days:
        return str(_("%(period)s; Saturdays, Sundays and public holidays do not count", period=phrase))
    return str(phrase)


def _days(told: Period, number: int) -> str:
    if told.unit == "weeks":
        return str(
            ngettext("%(num)s week before the day of the picket", "%(num)s weeks before the day of the picket", number)
        )
    if told.unit == "clear_days":
        return str(
            ngettext(
                "%(num)s clear day: neither the day of filing nor the day of the picket counts",
                "%(num)s clear days: neither the day of filing nor the day of the picket counts",
                number,
            )
        )
    if told.unit == "working_days" and told.clear:
        return str(
            ngettext(
                "%(num)s clear working day: neither the day of filing nor the day of the picket counts",
                "%(num)s clear working days: neither the day of filing nor the day of the picket counts",
                number,
            )
        )
    if told.unit == "working_days":
        return str(
            ngettext(
                "%(num)s working day before the day of the picket",
                "%(num)s working days before the day of the picket",
                number,
            )
        )
    return str(
        ngettext("%(num)s day before the day of the picket", "%(num)s days before the day of the picket", number)
    )


def upper_bound(rule_or_route: Period) -> str | None:
    """How early filing begins to be possible, as a phrase; None where there is no bound, or none is known."""
    if rule_or_route.earliest_days is None:
        return None
    return str(
        ngettext(
            "not earlier than %(num)s day before the day of the picket",
            "not earlier than %(num)s days before the day of the picket",
            rule_or_route.earliest_days,
        )
    )


def who_may_organise(rule: Rule) -> str:
    """Who may organise, as a phrase. Where the table has words instead of a code, they are English."""
    return str(_ELIGIBILITY_LABELS.get(rule.eligibility, rule.eligibility))


@cache
def _rules() -> Mapping[Key, Rule]:
    """All rules by their keys. A file that contradicts itself raises ValueError or KeyError."""
    with (DATA / "assembly_rules.csv").open(encoding="utf-8", newline="") as file:
        read = [_rule(row) for row in csv.DictReader(file, strict=True)]
    rules = {(rule.country_code, fold(rule.region), rule.mode): rule for rule in read}
    if len(rules) != len(read):
        raise ValueError("two lines of assembly_rules.csv are about the same place and mode")
    _add_what_the_notes_say(rules, tomllib.loads((DATA / "assembly_routes.toml").read_text(encoding="utf-8")))
    return rules


def _rule(row: Mapping[str, str]) -> Rule:
    return Rule(
        country_code=row["country_code"],
        region=row["region"],
        mode=row["mode"],
        regime=row["regime"] or None,
        minimum=_number(row["minimum_notice"]),
        unit=row["unit"] or None,
        counted_from=row["counted_from"] or None,
        earliest_days=_number(row["earliest_notice_days"]),
        authority_en=row["authority_en"],
        authority_native=row["authority_native"],
        channel=row["channel"],
        law=row["law"],
        eligibility=row["organiser_eligibility"],
        min_people=_number(row["min_people"]),
        face_covering=row["face_covering"],
        red_flag={"yes": True, "no": False}[row["red_flag"]],
        confidence=row["confidence"],
        note=row["note_en"],
        checked_on=date.fromisoformat(row["checked_on"]),
    )


def _number(text: str) -> int | None:
    return int(text) if text else None


def _add_what_the_notes_say(rules: dict[Key, Rule], told: Mapping[str, Any]) -> None:
    """Put what data/assembly_routes.toml says beside the columns of the rules it names; KeyError if one is missing."""
    for row in told["skips_rest_days"]["rows"]:
        rules[_key(row)] = replace(rules[_key(row)], skips_rest_days=True)
    for row in told["clear"]["rows"]:
        rules[_key(row)] = replace(rules[_key(row)], clear=True)
    for row, number in told["max_people"].items():
        rules[_key(row)] = replace(rules[_key(row)], max_people=number)
    for entry in told["route"]:
        # All figures of routes are counted back from the picket.
        counted_from = "event" if "minimum" in entry else None
        route = Route(**{name: entry[name] for name in entry if name != "rows"}, counted_from=counted_from)
        for row in entry["rows"]:
            rules[_key(row)] = replace(rules[_key(row)], routes=(*rules[_key(row)].routes, route))


def _key(row: str) -> Key:
    """Of a row as data/assembly_routes.toml names it: PL, PL/Warsaw or LV//single_person."""
    country, region, mode, *_more = [*row.split("/"), "", ""]
    return country, fold(region), mode or "static_assembly"
