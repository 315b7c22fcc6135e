"""Bodies as they were before compression, in no more memory than a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.api.refusals import UnsupportedError
from hypocenter.errors import InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODINGS = ("identity", "gzip", "zstd", "snappy")
# How a framed snappy stream begins; a block that began so would be corrupt, so that the two cannot be mistaken.
_FRAMED = b"\xff\x06\x00\x00sNaPpY"


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """Return a body without its `Content-Encoding` (RFC 9110); snappy may be in its block format or framed.

    Raises UnsupportedError for an encoding other than `ENCODINGS`, InputError when the body is not what the encoding
    says, LimitError when it would take more than `most` bytes.

    >>> unpacked(b"{}", "identity", 10)
    b'{}'
    """
    name = encoding.strip().lower() or "identity"
    if name not in ENCODINGS:
        raise UnsupportedError(f"Content-Encoding {encoding[:50]!r} is not supported; use {', '.join(ENCODINGS)}")
    if name != "identity":
        return _filled(body, name, most)
    if len(body) > most:
        raise _too_large(most)
    return body


def _filled(body: bytes, name: str, most: int) -> bytes:
    import cramjam
    import numpy as np

    into, size = _way(body, name, most)
    # Pages of an empty array take memory only once they are written to.
    room = np.empty(size, np.uint8).data
    try:
        return bytes(room[: into(body, room)])
    except cramjam.DecompressionError as error:
        if "write whole buffer" in str(error):
            raise _too_large(most) from error
        raise InputError(f"the body is not valid {name}: {error}") from error


def _way(body: bytes, name: str, most: int) -> tuple[Callable[[bytes, memoryview], int], int]:
    """Return what unpacks into a given room, and the bytes that room needs."""
    import cramjam

    if name != "snappy" or body.startswith(_FRAMED):
        return getattr(cramjam, name).decompress_into, most
    try:
        size = cramjam.snappy.decompress_raw_len(body)
    except cramjam.DecompressionError as error:
        raise InputError(f"the body is not valid snappy: {error}") from error
    if size > most:
        raise _too_large(most)
    return cramjam.snappy.decompress_raw_into, size


def _too_large(most: int) -> LimitError:
    return LimitError(f"the body is larger than {most:,} bytes when it is unpacked; send less at once")
