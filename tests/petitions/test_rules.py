"""Names, mailboxes and throw-away domains."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.typed import normal_email, tidy
from petitions.rules import canonical_mailbox, initials, is_throwaway, problem_with


@pytest.mark.parametrize(
    "name",
    [
        "Вольга Вераб’ёва",
        "Žymantė Šimkutė",
        "გიორგი ბერიძე",
        "Ελένη Παππά",
        "נועה כהן",
        "Anna-Maria O'Neil",
        "J. R. R. Tolkien",
        "J.R.de la Cruz",
        "Dr.Me Lee",
        "A.Ru",
        "M.de Vries",
        "नरेन्द्र",
        "می‌خواهم",
        "שרה-לי",
        "علاء الدين",
        "Արամ Խաչատրյան",
    ],
)
def test_names_of_any_script_we_can_print_are_names(name: str) -> None:
    assert problem_with(tidy(name), 80) is None


@pytest.mark.parametrize("name", ["孙中山", "สมชาย", "Anna 🌸", "Anna \ufffd"])
def test_what_the_register_cannot_print_is_refused(name: str) -> None:
    assert problem_with(tidy(name), 80) == "unprintable"


def test_more_marks_on_one_letter_than_any_script_sets_are_refused() -> None:
    assert problem_with("שָׁלוֹם Nguyễn J́", 80) is None
    assert problem_with("A" + "\u0301" * 5, 80) == "marks"


@pytest.mark.parametrize(
    "city",
    ["St. Gallen", "Frankfurt am Main", "Bielsko-Biała", "'s-Hertogenbosch", "Washington, D.C.", "Visit zbor.org"],
)
def test_cities_are_not_taken_for_links(city: str) -> None:
    expected = "link" if city == "Visit zbor.org" else None
    assert problem_with(tidy(city), 80) == expected


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Вольга Вераб’ёва", "В. В."), ("anna-maria o'Neil", "A. M. O."), ("ნინო მაგალიძე", "ნ. მ."), ("ǆemal (x)", "ǅ.")],
)
def test_initials_are_capitals_where_names_begin_with_them(name: str, letters: str) -> None:
    assert initials(name) == letters


@given(st.text(max_size=100))
def test_tidy_is_stable_and_what_passes_has_no_control_character(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once
    if problem_with(once, 80) is None:
        assert not any(unicodedata.category(char) == "Cc" for char in once)
        assert once[0] not in "=+-@"


@pytest.mark.parametrize(
    ("typed", "mailbox"),
    [
        ("Olga@Example.org", "olga@example.org"),
        ("olga+petition@example.org", "olga@example.org"),
        ("o.l.g.a+x@gmail.com", "olga@gmail.com"),
        ("olga@googlemail.com", "olga@gmail.com"),
        ("o.lga@example.org", "o.lga@example.org"),
        ("olga@pm.me", "olga@proton.me"),
        ("+tag@example.org", "+tag@example.org"),
    ],
)
def test_spellings_of_one_mailbox_become_one(typed: str, mailbox: str) -> None:
    assert canonical_mailbox(typed) == mailbox


@given(st.emails())
def test_canonical_mailbox_is_stable(email: str) -> None:
    assert canonical_mailbox(canonical_mailbox(email)) == canonical_mailbox(email)


def test_addresses() -> None:
    assert normal_email("Olga@EXAMPLE.org") == "Olga@example.org"
    assert normal_email("olga@bücher.example.org") == "olga@xn--bcher-kva.example.org"
    assert normal_email("olga@faß.de") != normal_email("olga@fass.de")
    assert normal_email("user@אב1.org") == "user@xn--1-zhcd.org"
    assert normal_email("жук@example.org") is None, "many servers cannot write to it"
    assert normal_email("=?utf-8?q?=0a?=@example.org") is None
    assert normal_email("olga@example.org\r\nBcc: x@example.org") is None
    assert is_throwaway("a@sub.yopmail.com")
    assert not is_throwaway("a@example.org")
