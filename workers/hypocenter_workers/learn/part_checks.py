"""What the parts of a model may hold: numbers that are finite and of the length that their reader counts on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from hypocenter.errors import InputError
from hypocenter.stated import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

# No weight or sum that was learned comes near; products of such stay finite.
MOST = 1e6


@contextmanager
def reading(part: str, what: str) -> Iterator[None]:
    """Say of whatever is wrong in a part where it is, as InputError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{part}: is no {what}: {error!r:.200}; train it again") from error


def finite(stated: Sequence[Any], length: int, least: float = -MOST, most: float = MOST) -> tuple[float, ...]:
    """Return so many numbers, each within bounds. Raises ValueError.

    >>> finite([1, 0.5], 2)
    (1.0, 0.5)
    """
    if not isinstance(stated, list | tuple) or len(stated) != length:
        raise ValueError(f"{stated!r:.60} is no list of {length} numbers")
    return tuple(within(value, least, most) for value in stated)


def row(stated: Any, kinds: str) -> NDArray[Any]:
    """Return a list of numbers, of numpy kinds as "i" or "if", as an array. Raises ValueError."""
    if not isinstance(stated, list):
        raise ValueError(f"{stated!r:.60} is no list")
    found = np.asarray(stated)
    if not found.size:
        return np.zeros(0, np.intp)
    if found.ndim != 1 or found.dtype.kind not in kinds or not np.isfinite(found).all():
        raise ValueError(f"{stated!r:.60} is no list of numbers")
    return found
