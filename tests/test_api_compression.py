"""Compressed bodies: what was packed comes out, damage and bombs are told apart, and nothing exceeds the limit."""

from __future__ import annotations

import gzip
from contextlib import suppress

import cramjam
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hypocenter.api.compression import ENCODINGS, unpacked
from hypocenter.api.refusals import UnsupportedError
from hypocenter.errors import InputError, LimitError

PACKERS = {
    "identity": lambda body: body,
    "gzip": gzip.compress,
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
    "snappy": lambda body: bytes(cramjam.snappy.compress_raw(body)),
    # The library leaves the header out where there is nothing to frame.
    "framed": lambda body: bytes(cramjam.snappy.compress(body)) or b"\xff\x06\x00\x00sNaPpY",
}
NAMES = {name: name for name in PACKERS} | {"framed": "snappy"}
every_packer = pytest.mark.parametrize("packer", PACKERS)
MOST = 10_000


def _unpacked(packer: str, body: bytes, most: int = MOST) -> bytes:
    return unpacked(body, NAMES[packer], most)


def test_there_is_a_packer_for_every_encoding() -> None:
    assert set(NAMES.values()) == set(ENCODINGS)


@every_packer
@pytest.mark.parametrize("body", [b"", b"a", bytes(range(256)) * 10, b"\0" * MOST])
def test_what_was_packed_comes_out(packer: str, body: bytes) -> None:
    assert _unpacked(packer, PACKERS[packer](body)) == body


@every_packer
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(packer: str) -> None:
    packed = PACKERS[packer](b"x" * MOST)
    assert len(_unpacked(packer, packed, MOST)) == MOST
    with pytest.raises(LimitError, match="9,999 bytes"):
        _unpacked(packer, packed, MOST - 1)


@pytest.mark.parametrize("packer", [packer for packer in PACKERS if packer != "identity"])
def test_damage_is_told(packer: str) -> None:
    packed = PACKERS[packer](bytes(range(256)) * 10)
    for damaged in (packed[:-1], packed[: len(packed) // 2], b""):
        with pytest.raises(InputError) as told:
            _unpacked(packer, damaged)
        assert not isinstance(told.value, LimitError)


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_members_that_follow_one_another_are_joined(packer: str) -> None:
    both = PACKERS[packer](b"one ") + PACKERS[packer](b"two")
    assert _unpacked(packer, both) == b"one two"
    with pytest.raises(LimitError):
        _unpacked(packer, both, 5)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 1000, "zip"])
def test_an_unknown_encoding_is_named(encoding: str) -> None:
    with pytest.raises(UnsupportedError, match="use identity, gzip, zstd, snappy") as told:
        unpacked(b"", encoding, MOST)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(("encoding", "packer"), [("GZIP", "gzip"), (" zstd ", "zstd"), ("", "identity")])
def test_names_of_encodings_are_read_as_http_has_them(encoding: str, packer: str) -> None:
    assert unpacked(PACKERS[packer](b"abc"), encoding, MOST) == b"abc"


# The length that a snappy block claims for itself.
@example("snappy", b"\xff\xff\xff\xff\x0f\x00", 0, b"")
@example("snappy", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 0, b"")
@given(st.sampled_from(list(PACKERS)), st.binary(max_size=300), st.integers(0, 400), st.binary(max_size=5))
def test_no_body_does_more_than_be_refused(packer: str, body: bytes, place: int, put: bytes) -> None:
    packed = PACKERS[packer](body)
    mutated = packed[:place] + put + packed[place + len(put) :]
    for each in (mutated, body):
        with suppress(InputError):
            assert len(_unpacked(packer, each, 1000)) <= 1000
