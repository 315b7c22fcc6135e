"""The numbers of series in a process: by labels, and back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import SeriesLimitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.batches import Labels


class SeriesNumbers:
    """Numbers series from 0 in the order in which they are first seen; safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._numbers: dict[Labels, int] = {}
        self._labels: list[Labels] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._labels)

    def number(self, labels: Sequence[Labels]) -> NDArray[np.int64]:
        """Return the number of each series; raises SeriesLimitError when there would be too many, and takes none."""
        with self._lock:
            unseen = dict.fromkeys(each for each in labels if each not in self._numbers)
            if len(self._labels) + len(unseen) > self._most:
                raise SeriesLimitError(
                    f"{len(unseen):,} new series and {len(self._labels):,} known ones are more than the limit of "
                    f"{self._most:,} series; drop labels of many values, or raise HYPOCENTER_MAX_SERIES"
                )
            for each in unseen:
                self._numbers[each] = len(self._labels)
                self._labels.append(each)
            return np.fromiter((self._numbers[each] for each in labels), np.int64, len(labels))

    def labels(self, number: int) -> Labels | None:
        """Return the labels of a numbered series, None for a number that was not given."""
        return self._labels[number] if 0 <= number < len(self._labels) else None
