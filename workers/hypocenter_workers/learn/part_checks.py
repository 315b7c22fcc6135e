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
    from scipy.sparse import csr_matrix

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


def sparse_to_json(matrix: csr_matrix) -> dict[str, Any]:
    """Return a sparse matrix as JSON holds it."""
    parts = {"values": matrix.data, "places": matrix.indices, "ends": matrix.indptr}
    return {name: part.tolist() for name, part in parts.items()}


def sparse(stated: dict[str, Any], columns: int, most: float) -> csr_matrix:
    """Read what `sparse_to_json` wrote, with values up to `most` either way. Raises KeyError or ValueError.

    scipy itself reads beyond its arrays where places or ends are wrong.
    """
    from scipy.sparse import csr_matrix

    values = row(stated["values"], "if").astype(np.float64)
    if (np.abs(values) > most).any():
        raise ValueError(f"a value is beyond {most}")
    ends = row(stated["ends"], "i")
    matrix = csr_matrix((values, row(stated["places"], "i"), ends), shape=(max(0, len(ends) - 1), columns))
    matrix.check_format(full_check=True)
    if len(values) != matrix.indptr[-1]:
        raise ValueError("the ends do not fit the values")
    return csr_matrix((matrix.data, matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)), matrix.shape)
