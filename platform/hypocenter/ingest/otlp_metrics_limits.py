"""What one OTLP request of metrics may take of memory and time, however it was encoded."""

from __future__ import annotations

from dataclasses import dataclass

from hypocenter.errors import LimitError

MOST_STEPS = 1_000_000
MOST_BYTES = 256 << 10
MOST_ATTRIBUTES = 512


@dataclass(slots=True)
class Budget:
    """How many fields, points and samples of a request may still be read; it ends a request that is mostly husks."""

    left: int = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        """Take steps off. Raises LimitError when none are left."""
        self.left -= steps
        if self.left < 0:
            raise LimitError(f"a request of more than {MOST_STEPS:,} metrics, points and samples; send smaller batches")


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
