"""Tables, marks, hashes and samples: what is said of a register, and can be repeated by whoever has it."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.document import COLUMNS, RegisterRow, draw_sample, register_hash, row_marks, table_of
from delivery.letters import fill, native_part, paragraphs
from delivery.models import Level

DAY = date(2026, 11, 24)


def cells(rows: list[RegisterRow], level: str = Level.NAMES) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table_of(rows, level).decode("utf-8-sig"), newline="")))


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_in_a_cell_comes_back_out_of_the_table(name: str, city: str) -> None:
    row = RegisterRow(1, name, city, DAY)
    read = cells([row])[1]
    for found, wanted in zip(read, row.cells(Level.NAMES), strict=True):
        assert found.removeprefix("'") == wanted or found == wanted
        assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


def test_the_table_is_csv_with_its_columns_named_and_a_mark_for_spreadsheets() -> None:
    table = table_of([RegisterRow(1, 'Anna "A", Nowak', "=1+1", DAY)], Level.NAMES)
    assert table.startswith(b"\xef\xbb\xbfnumber,name,city,signed_on\r\n")
    assert table.endswith(b'1,"Anna ""A"", Nowak",\'=1+1,2026-11-24\r\n')


@pytest.mark.parametrize("level", Level)
def test_a_level_tells_its_columns_and_no_others(level: Level) -> None:
    row = RegisterRow(7, "A. N.", "Łódź", DAY, 12)
    head, line = cells([row], level)
    assert tuple(head) == COLUMNS[level]
    assert len(line) == len(head)
    assert ("Łódź" in line) == (level != Level.INITIALS)
    assert ("12" in line) == (level == Level.COUNTS)


def test_letters_composed_or_not_make_one_table() -> None:
    composed, apart = (RegisterRow(1, name, "", DAY) for name in ("Zoë", "Zoe\u0308"))
    assert table_of([composed], Level.NAMES) == table_of([apart], Level.NAMES)
    assert row_marks([composed], Level.NAMES) == row_marks([apart], Level.NAMES)


def test_marks_are_eight_digits_of_each_lines_hash() -> None:
    rows = [RegisterRow(1, "A", "B", DAY), RegisterRow(2, "C", "D", DAY)]
    wanted = [
        hashlib.sha256(f"{n}\t{a}\t{b}\t2026-11-24".encode()).hexdigest()[:8]
        for n, a, b in ((1, "A", "B"), (2, "C", "D"))
    ]
    assert row_marks(rows, Level.NAMES) == "".join(wanted)


def test_the_hash_of_a_register_is_that_of_its_tables_hashes() -> None:
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"1", b"2"))
    assert register_hash([one, two]) == hashlib.sha256(f"{one}\n{two}\n".encode()).hexdigest()
    assert register_hash([one, two]) != register_hash([two, one])


@given(st.integers(1, 500), st.integers(1, 400))
def test_a_sample_is_as_large_as_is_asked_for_and_each_number_once(count: int, size: int) -> None:
    drawn = draw_sample("00" * 32, "ZB-0000-0000", count, size)
    assert len(drawn) == len(set(drawn)) == min(count, size)
    assert all(1 <= number <= count for number in drawn)


def test_a_sample_follows_the_rule_that_is_printed() -> None:
    root = "ab" * 32
    lines = [f"zbor-sample/1 {root} ZB-1A2B-3C4D {counter}" for counter in range(6)]
    numbers = [int(hashlib.sha256(line.encode()).hexdigest(), 16) % 1000 + 1 for line in lines]
    assert draw_sample(root, "ZB-1A2B-3C4D", 1000, 3) == list(dict.fromkeys(numbers))[:3]
    assert draw_sample("cd" * 32, "ZB-1A2B-3C4D", 1000, 3) != draw_sample(root, "ZB-1A2B-3C4D", 1000, 3)


def test_a_sample_prefers_nobody() -> None:
    """Of 2,000 draws of one in ten, each number is drawn about as often: five standard deviations are 67."""
    times = [0] * 10
    for at in range(2000):
        times[draw_sample("11" * 32, f"ZB-{at:04X}-0000", 10, 1)[0] - 1] += 1
    assert all(abs(one - 200) < 67 for one in times)


def test_placeholders_are_replaced_and_reach_into_nothing() -> None:
    values = {"title": "T {count}", "count": "3"}
    text = "{title}, {count}, {unknown}, {title.__class__}, {0}, {, }, {{count}}"
    assert fill(text, values) == "T {count}, 3, {unknown}, {title.__class__}, {0}, {, }, {3}"
    assert fill({"a": ["{count}"], "b": 7}, values) == {"a": ["3"], "b": 7}


def test_paragraphs_have_an_empty_line_between_them() -> None:
    assert paragraphs(" One\ntwo \n\n \n three\r\n\r\n") == ["One two", "three"]


def test_the_part_of_a_language_is_taken_where_there_is_one_for_each() -> None:
    told = "Mevrouw de Minister, / Madame la Ministre, / Sehr geehrte Frau Ministerin,"
    assert native_part(told, ["nl", "fr", "de"], "fr") == "Madame la Ministre,"
    assert native_part(told, ["nl", "fr", "de"], "en") == "Mevrouw de Minister,"
    assert native_part("One name", ["fi", "sv"], "sv") == "One name"
