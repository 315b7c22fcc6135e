"""How large a part of an OTLP request of metrics may be, however it was encoded."""

from __future__ import annotations

from hypocenter.errors import LimitError

MOST_BYTES = 256 << 10
MOST_ATTRIBUTES = 512


def check_size(message: bytes) -> bytes:
    """Return a point, scope or resource that is not too large. Raises LimitError.

    >>> check_size(b"point")
    b'point'
    """
    if len(message) > MOST_BYTES:
        raise LimitError(f"a point, scope or resource of {len(message):,} bytes; {MOST_BYTES:,} are the most")
    return message


def check_number(attributes: int) -> None:
    """Check how many attributes a point, scope or resource has. Raises LimitError."""
    if attributes > MOST_ATTRIBUTES:
        raise LimitError(f"{attributes:,} attributes of one point or resource; {MOST_ATTRIBUTES} are the most")
