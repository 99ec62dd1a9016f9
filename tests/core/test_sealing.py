"""Sealed messages open where they belong, for whom they were sealed, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from core import sealing
from core.sealing import KeyNotHeldError, Recipient, SealingError, context, pad, seal, unpad, unseal
from core.typed import MAX_EMAIL
from petitions.rules import MAX_CITY, MAX_NAME

KEYS = {uuid4(): X25519PrivateKey.generate() for _ in range(2)}
RECIPIENTS = [Recipient(key_id, key.public_key()) for key_id, key in KEYS.items()]
PLACE = context("sign", 1, UUID(int=5))


def test_each_recipient_alone_can_open() -> None:
    sealed = seal({"name": "Вольга"}, RECIPIENTS, PLACE)
    for key_id, key in KEYS.items():
        assert unseal(sealed, {key_id: key}, PLACE) == {"name": "Вольга"}


@pytest.mark.parametrize(
    "place", [context("sign", 2, UUID(int=5)), context("sign", 1, UUID(int=6)), context("confirm", 1, UUID(int=5))]
)
def test_moved_to_another_petition_event_or_kind_it_does_not_open(place: bytes) -> None:
    with pytest.raises(SealingError):
        unseal(seal({}, RECIPIENTS, PLACE), KEYS, place)


def test_a_key_not_held_is_told_apart_from_damage() -> None:
    sealed = seal({}, RECIPIENTS, PLACE)
    with pytest.raises(KeyNotHeldError):
        unseal(sealed, {uuid4(): X25519PrivateKey.generate()}, PLACE)
    with pytest.raises(SealingError) as error:
        unseal(sealed, {RECIPIENTS[0].key_id: X25519PrivateKey.generate()}, PLACE)
    assert not isinstance(error.value, KeyNotHeldError)


@given(st.integers(min_value=0, max_value=10_000))
def test_any_flipped_bit_is_noticed(position: int) -> None:
    sealed = bytearray(seal({"a": 1}, RECIPIENTS[:1], PLACE))
    sealed[position % len(sealed)] ^= 1
    with pytest.raises(SealingError):
        unseal(bytes(sealed), KEYS, PLACE)


@given(st.binary(max_size=200))
def test_junk_does_not_open(junk: bytes) -> None:
    with pytest.raises(SealingError):
        unseal(junk, KEYS, PLACE)


@given(st.binary(max_size=20_000))
def test_padding_comes_off_and_hides_the_length(plaintext: bytes) -> None:
    padded = pad(plaintext)
    assert unpad(padded) == plaintext
    assert len(padded) == 1536 or len(padded) % 8192 == 0


def test_shortest_and_longest_signature_are_equally_long() -> None:
    consent = {"ministry": True, "public": True, "updates": True, "hash": "f" * 64}
    text = {"version": 30000, "language": "sr-Cyrl", "hash": "f" * 64}
    common = {
        "v": 1,
        "country": "PL",
        "consent": consent,
        "text": text,
        "visibility": "ministry",
        "language": "be",
        "addressee_id": 2**31,
        "of_age": True,
        "signals": {
            "network": "f" * 16,
            "proof": "unknown",
            "proof_id": "f" * 32,
            "form": "unknown",
            "seconds": 172_800,
            "trap": False,
        },
        "salt": "A" * 44,
    }
    longest = {"name": "ႠႠ" * (MAX_NAME // 2), "city": "漢" * MAX_CITY, "email": "a" * MAX_EMAIL}
    sizes = {
        len(seal({**common, **typed}, RECIPIENTS, PLACE))
        for typed in (longest, {"name": "A", "city": "B", "email": "a@b.cd"})
    }
    assert len(sizes) == 1


def test_nothing_is_sealed_to_nobody() -> None:
    with pytest.raises(ValueError, match="nobody"):
        seal({}, [], PLACE)


def test_a_key_statement_binds_every_field(secrets: object) -> None:
    root = X25519PrivateKey.generate().private_bytes_raw()  # Any 32 bytes make an Ed25519 key.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(root).public_key().public_bytes_raw()
    now = datetime(2026, 11, 22, tzinfo=UTC)
    fields = (UUID(int=1), "worker", bytes(32), now, now.replace(year=2027))
    signature = sealing.sign_statement(root, sealing.key_statement(*fields))
    assert sealing.statement_is_signed(public, sealing.key_statement(*fields), signature)
    for place, changed in enumerate(
        (UUID(int=2), "recovery", bytes([1]) * 32, now.replace(day=21), now.replace(year=2028))
    ):
        other = [*fields[:place], changed, *fields[place + 1 :]]
        assert not sealing.statement_is_signed(public, sealing.key_statement(*other), signature)
