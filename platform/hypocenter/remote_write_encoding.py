"""Samples as requests of Prometheus remote write 1.0.

Source of the format: the Prometheus remote-write specification 1.0 (prometheus/docs). Protobuf is written by hand,
since the messages have five fields in all.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "hypocenter",
}
_MASK = 0xFFFFFFFFFFFFFFFF


def request_body(series: Iterable[bytes]) -> bytes:
    """Return a whole request, compressed, of what `encoded_series` returned."""
    import cramjam

    return bytes(cramjam.snappy.compress_raw(b"".join(series)))


def encoded_labels(labels: Iterable[tuple[str, str]]) -> bytes:
    """Return the labels of a series, sorted by name and none of them empty, as the fields of its message."""
    return b"".join(encoded_label(name, value) for name, value in labels)


def encoded_label(name: str, value: str) -> bytes:
    """Return one label as a field of its series' message."""
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def encoded_series(labels: bytes, at_ms: Iterable[int], value_bits: Iterable[int]) -> bytes:
    """Return a series and its samples as one field of a request; `labels` is what `encoded_labels` returned.

    Values come as the bits of their float64, so that a stale marker stays the NaN that it is.
    """
    samples = [
        _field(2, b"\x09" + struct.pack("<Q", bits) + b"\x10" + _varint(at))
        for at, bits in zip(at_ms, value_bits, strict=True)
    ]
    return _field(1, b"".join((labels, *samples)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
