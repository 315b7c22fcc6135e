"""The wire format of protobuf, read field by field from bytes that nobody vouches for.

Source: "Encoding" of the Protocol Buffers documentation (protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)
_FIXED = {FIXED64: 8, FIXED32: 4}
_MOST_VARINT_BYTES = 10
_LAST_TAG = 2**32 - 1
_MOST_NESTED = 100
# No message that we read has groups; what skips them must not be kept busy.
_MOST_GROUPS, _LONGEST_GROUP = 100, 64 << 10
_MASK64 = 2**64 - 1
_TWO_BYTES = 2**14 - 1

Field = tuple[int, int, int]
"""Tag (field number and wire type, as on the wire); of a varint its value and 0, else where the bytes begin and end."""


def varint(body: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return a varint (modulo 2**64) and where it ends. Raises InputError if it is longer than 10 bytes or cut off.

    >>> varint(b"\\xac\\x02", 0, 2)
    (300, 2)
    """
    if at < stop and body[at] < 0x80:
        return body[at], at + 1
    value = 0
    for place, byte in enumerate(body[at : min(stop, at + _MOST_VARINT_BYTES)]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & _MASK64, at + place + 1
    raise malformed(at, "a number that does not end")


def fields(body: bytes, at: int, stop: int) -> Iterator[Field]:
    """Yield the fields of the message in [at, stop) as they stand; groups are left out. Raises InputError.

    >>> list(fields(b"\\x08\\x2a\\x12\\x02hi", 0, 6))
    [(8, 42, 0), (18, 4, 6)]
    """
    groups = 0
    while at < stop:
        tag, begin = body[at], at + 2
        if tag & 0x87 == LENGTH and tag > 7 and begin < stop:
            # Nearly every field: a tag of one byte, a length of one or two.
            size = body[at + 1]
            if size > 0x7F:
                size, begin = size + (body[begin] << 7) - 0x80, begin + 1
            if size <= _TWO_BYTES and begin + size <= stop:
                at = begin + size
                yield tag, begin, at
                continue
        tag, at = _tag(body, at, stop)
        if tag & 7 == GROUP:
            groups += 1
            if groups > _MOST_GROUPS:
                raise malformed(at, f"more than {_MOST_GROUPS} groups")
            at = _after_group(body, at, stop, tag)
        elif tag & 7 == VARINT:
            value, at = varint(body, at, stop)
            yield tag, value, 0
        else:
            begin, at = _extent(body, at, stop, tag & 7)
            yield tag, begin, at


def span(body: bytes, at: int, stop: int) -> tuple[int, int]:
    """Return where the bytes begin and end whose length stands at `at`. Raises InputError if they pass `stop`."""
    size, begin = varint(body, at, stop)
    if size > stop - begin:
        raise malformed(at, f"a length of {size} bytes where {stop - begin} are left")
    return begin, begin + size


def varints(body: bytes, at: int, stop: int) -> list[int]:
    """Return the packed varints in [at, stop). Raises InputError.

    >>> varints(b"\\x01\\xac\\x02", 0, 3)
    [1, 300]
    """
    found = []
    while at < stop:
        value, at = varint(body, at, stop)
        found.append(value)
    return found


def doubles(body: bytes, at: int, stop: int) -> list[float]:
    """Return the packed numbers of eight bytes in [at, stop). Raises InputError.

    >>> doubles(bytes(6) + b"\\xf0\\x3f", 0, 8)
    [1.0]
    """
    if (stop - at) % 8:
        raise malformed(at, "numbers of eight bytes of which one is cut off")
    return list(struct.unpack_from(f"<{(stop - at) // 8}d", body, at))


def signed(value: int) -> int:
    """Return an int64 from its varint.

    >>> signed(2**64 - 1)
    -1
    """
    return value - 2**64 if value >= 2**63 else value


def zigzag(value: int) -> int:
    """Return a sint32 or sint64 from its varint.

    >>> [zigzag(value) for value in range(4)]
    [0, -1, 1, -2]
    """
    return (value >> 1) ^ -(value & 1)


def double(body: bytes, at: int) -> float:
    """Return the eight bytes at `at` as a number; of a NaN every bit is kept."""
    number: float = struct.unpack_from("<d", body, at)[0]
    return number


def malformed(at: int, what: str) -> InputError:
    """Return the error of a body that is no protobuf."""
    return InputError(f"byte {at}: {what}; the body is not the protobuf message that its Content-Type says")


def _tag(body: bytes, at: int, stop: int) -> tuple[int, int]:
    tag, after = varint(body, at, stop)
    if tag > _LAST_TAG or tag < 8:
        raise malformed(at, "a field without a number")
    return tag, after


def _extent(body: bytes, at: int, stop: int, kind: int) -> tuple[int, int]:
    if kind == LENGTH:
        return span(body, at, stop)
    if kind not in _FIXED:
        raise malformed(at, f"a field of wire type {kind}")
    if at + _FIXED[kind] > stop:
        raise malformed(at, "a number that is cut off")
    return at, at + _FIXED[kind]


def _after_group(body: bytes, at: int, stop: int, tag: int) -> int:
    """Return where the group ends whose first field stands at `at`."""
    open_groups, begin = [tag], at
    while open_groups:
        # As the generated classes do: what is passed over need not have a number.
        tag, at = varint(body, at, stop)
        if tag > _LAST_TAG:
            raise malformed(at, "a field with too great a number")
        kind = tag & 7
        if kind == GROUP:
            open_groups.append(tag)
        elif kind == GROUP_END:
            if open_groups.pop() >> 3 != tag >> 3:
                raise malformed(at, "a group that ends as another")
        elif kind == VARINT:
            _, at = varint(body, at, stop)
        else:
            _, at = _extent(body, at, stop, kind)
        if at - begin > _LONGEST_GROUP:
            raise malformed(at, f"a group of more than {_LONGEST_GROUP:,} bytes")
        if len(open_groups) > _MOST_NESTED:
            raise malformed(at, f"more than {_MOST_NESTED} groups within each other")
    return at
