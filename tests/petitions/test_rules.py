"""Names, mailboxes and throw-away domains."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import addresses
from core.addresses import canonical_mailbox, is_large_provider, is_throwaway
from core.typed import normal_email, tidy
from petitions.rules import initials, problem_with


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
        ("olga@ya.ru", "olga@yandex.ru"),
        ("olga@yandex.com.tr", "olga@yandex.ru"),
        ("olga@mac.com", "olga@icloud.com"),
        ("petition@olga.fastmail.com", "olga@fastmail.com"),
        ("a+b@olga.fastmail.fm", "olga@fastmail.fm"),
        ("olga@a.b.fastmail.com", "olga@a.b.fastmail.com"),
        ("olga@mail.gmail.com", "olga@mail.gmail.com"),
        ("olga-x@yahoo.com", "olga-x@yahoo.com"),
        ("+tag@example.org", "+tag@example.org"),
        ("olga@bücher.example", "olga@xn--bcher-kva.example"),
        ("Olga+x@XN--BCHER-KVA.example", "olga@xn--bcher-kva.example"),
    ],
)
def test_spellings_of_one_mailbox_become_one(typed: str, mailbox: str) -> None:
    assert canonical_mailbox(typed) == mailbox


@pytest.mark.parametrize(
    "domains",
    [
        ("outlook.com", "hotmail.com", "live.com", "msn.com"),
        ("mail.ru", "bk.ru", "inbox.ru", "list.ru"),
        ("gmx.de", "gmx.net", "gmx.com", "web.de"),
        ("wp.pl", "o2.pl", "onet.pl", "op.pl"),
        ("seznam.cz", "email.cz", "post.cz"),
        ("fastmail.com", "fastmail.fm"),
    ],
)
def test_one_name_at_several_domains_may_be_several_people(domains: tuple[str, ...]) -> None:
    assert len({canonical_mailbox(f"olga@{domain}") for domain in domains}) == len(domains)


OURS = addresses._providers()
NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]|\.(?=[a-z0-9])){0,20}[A-Za-z0-9]", fullmatch=True)
"""What stands before a tag."""
TAGS = st.from_regex(r"[A-Za-z0-9]{0,8}(\+[A-Za-z0-9]{1,4})?", fullmatch=True)
DOMAINS = st.sampled_from(
    [*OURS.same_as, *OURS.same_as.values(), *OURS.names_before_the_domain, "outlook.com", "mail.ru", "xn--80a1acn3a.xn--90ais"]
) | st.from_regex(r"[a-z]{2,10}\.(org|pl|co\.uk|fastmail\.com)", fullmatch=True)  # fmt: skip
ADDRESSES = st.builds("{}@{}".format, NAMES, DOMAINS) | st.emails().map(normal_email).filter(bool)


def parted(address: str) -> tuple[str, str]:
    """What stands before the last @, and the domain."""
    local, _, domain = address.rpartition("@")
    return local, domain


@given(st.text(max_size=60) | st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20)))
def test_whatever_is_asked_for_its_mailbox_nothing_breaks(text: str) -> None:
    assert isinstance(canonical_mailbox(text), str)


@given(ADDRESSES)
def test_a_canonical_mailbox_is_its_own_and_an_address(email: str) -> None:
    once = canonical_mailbox(email)
    assert canonical_mailbox(once) == once
    assert normal_email(once) == once


@given(ADDRESSES)
def test_letters_of_another_case_reach_the_same_mailbox(email: str) -> None:
    assert canonical_mailbox(email.swapcase()) == canonical_mailbox(email.upper()) == canonical_mailbox(email)


@given(NAMES, TAGS, DOMAINS)
def test_tags_reach_the_same_mailbox(name: str, tag: str, domain: str) -> None:
    assert canonical_mailbox(f"{name}+{tag}@{domain}") == canonical_mailbox(f"{name}@{domain}")


@given(st.from_regex(r"[a-z0-9]{2,12}", fullmatch=True), st.data(), DOMAINS)
def test_dots_mean_nothing_at_gmail_and_something_everywhere_else(name: str, data: st.DataObject, domain: str) -> None:
    place = data.draw(st.integers(1, len(name) - 1))
    dotted, plain = (canonical_mailbox(f"{one}@{domain}") for one in (f"{name[:place]}.{name[place:]}", name))
    # Where the name stands before the domain, what is left of the @ is a tag.
    one_mailbox = domain in ("gmail.com", "googlemail.com") or domain.partition(".")[2] in OURS.names_before_the_domain
    assert (dotted == plain) is one_mailbox


@given(NAMES, st.sampled_from(sorted(OURS.same_as)))
def test_further_domains_of_a_provider_reach_the_same_mailbox(name: str, domain: str) -> None:
    assert canonical_mailbox(f"{name}@{domain}") == canonical_mailbox(f"{name}@{OURS.same_as[domain]}")


@given(NAMES, NAMES, DOMAINS, DOMAINS)
def test_two_people_are_never_taken_for_one(one: str, other: str, domain: str, another: str) -> None:
    """Only what the file tells makes one mailbox of two; nothing else does, whatever the names look like."""

    def told(name: str, at: str) -> tuple[str, str]:
        if at.partition(".")[2] in OURS.names_before_the_domain:
            name, _, at = at.partition(".")
        at = OURS.same_as.get(at, at)
        return (name.lower().replace(".", "") if at == "gmail.com" else name.lower()), at

    same = told(one, domain) == told(other, another)
    assert (canonical_mailbox(f"{one}@{domain}") == canonical_mailbox(f"{other}@{another}")) is same


@given(NAMES, st.lists(st.sampled_from(["bücher", "пошта", "faß", "café", "żółw", "ελλάδα", "почта", "org"]), min_size=1, max_size=3))  # fmt: skip
def test_both_forms_of_a_domain_in_another_script_are_one(name: str, labels: list[str]) -> None:
    typed = ".".join([*labels, "бел"])
    ascii_form = normal_email(f"{name}@{typed}")
    assert ascii_form is not None
    assert ascii_form.isascii()
    apart = unicodedata.normalize("NFD", typed)
    mailboxes = {
        canonical_mailbox(f"{name}@{domain}")
        for domain in (typed, apart, typed.upper().replace("SS", "ß"), parted(ascii_form)[1], parted(ascii_form)[1].upper())
    }  # fmt: skip
    assert mailboxes == {canonical_mailbox(ascii_form)}


def test_lists_of_providers_hold_domains_as_addresses_have_them() -> None:
    large = addresses._listed_domains("large_providers.txt")
    assert 120 <= len(large) <= 250
    for domain in (*large, *OURS.same_as, *OURS.same_as.values(), *OURS.names_before_the_domain):
        assert normal_email(f"a@{domain}") == f"a@{domain}"
        assert not is_throwaway(f"a@{domain}"), "nobody's mailbox for longer than an hour"
    lines = (Path(addresses.__file__).parent / "data" / "large_providers.txt").read_text().splitlines()
    assert len(large) == sum(bool(line) and not line.startswith("#") for line in lines), "one is there twice"
    assert not set(OURS.same_as) & set(OURS.same_as.values()), "an alias of an alias would not be its own mailbox"


def test_large_providers_are_known_and_a_domain_of_ones_own_is_not() -> None:
    for domain in ("gmail.com", "GMAIL.COM", "wp.pl", "inbox.lt", "seznam.cz", "gmx.de", "telia.com", "ukr.net", "tut.by", "yandex.lt", "mail.ge", "shaw.ca"):  # fmt: skip
        assert is_large_provider(domain)
    for domain in ("", "com", "mail.gmail.com", "olga.fastmail.com", "gmail.co", "belsat.eu", "uj.edu.pl"):
        assert not is_large_provider(domain)


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
