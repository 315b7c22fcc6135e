"""What one request may take of memory and time, however small the parts are that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from hypocenter.errors import LimitError

MOST_STEPS = 1_000_000
_BYTES_A_STEP = 32


@dataclass(slots=True)
class Budget:
    """How many fields, points and samples of a request may still be read; it ends a request that is mostly husks."""

    left: int = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        """Take steps off. Raises LimitError when none are left."""
        self.left -= steps
        if self.left < 0:
            raise LimitError(f"a request of more than {MOST_STEPS:,} fields, points and samples; send smaller batches")

    def spend_on(self, begin: int, end: int) -> None:
        """Take off what a field in [begin, end) costs: large ones may be full of husks. Raises LimitError."""
        self.spend(1 + max(end - begin, 0) // _BYTES_A_STEP)
