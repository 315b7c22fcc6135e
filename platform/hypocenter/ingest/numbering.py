"""Series to their numbers; where there would be too many, as many as the limit allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import SeriesLimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels, SeriesIndex


def numbered(labels: Sequence[Labels], index: SeriesIndex) -> tuple[NDArray[np.int64], SeriesLimitError | None]:
    """Return the number of each series, -1 for those beyond the limit, and then the error that tells of it."""
    if not labels:
        return np.empty(0, np.int64), None
    try:
        return index.number(labels), None
    except SeriesLimitError as error:
        return np.array([_number_or_none(one, index) for one in labels], np.int64), error


def _number_or_none(labels: Labels, index: SeriesIndex) -> int:
    try:
        return int(index.number([labels])[0])
    except SeriesLimitError:
        return -1
