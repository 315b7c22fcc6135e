"""Values that are too large to be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.telemetry import Values

# No quantity comes near it, and its square still is a number, also after a change of unit.
LARGEST = 1e100


def finite(values: Values, where: str) -> tuple[Values, tuple[str, ...]]:
    """Return `values` with infinities and what is as good as infinite as NaN, and a note that counts them."""
    infinite = (values > LARGEST) | (values < -LARGEST)
    if not infinite.any():
        return values, ()
    text = f"{where}: {int(infinite.sum())} values that are infinite or beyond {LARGEST:g} were left out"
    return np.where(infinite, np.nan, values), (text,)
