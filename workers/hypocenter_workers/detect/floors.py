"""The least scale of a series: what it must move by, in its own unit, before anybody would look twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.catalog import KINDS
from hypocenter_workers.detect import robust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.model import Series
    from hypocenter.telemetry import Values

LEAST_SHARE = 0.002
# Below these nobody would look twice; they keep a series that was always zero from being infinitely unusual.
UNIT_FLOORS = {"s": 1e-3, "share": 0.01, "1/s": 0.01, "cores": 0.005, "bytes": 1e6, "bytes/s": 1e3, "count": 0.5}
PEER_FLOOR = 0.02
TINY = 1e-9


def floors(series: Sequence[Series], before: Values, history: Values) -> NDArray[np.float64]:
    """Return the least scale of each series: a share of its own level, and of what the metric is elsewhere."""
    return Floors(series).at(robust.median(before), robust.median(history))


class Floors:
    """The least scales of some series, whatever their levels."""

    def __init__(self, series: Sequence[Series]) -> None:
        kinds = [KINDS[s.kind] for s in series]
        self._own = np.array([kind.floor for kind in kinds])
        self._least = np.array([UNIT_FLOORS.get(s.unit, 0.0) for s in series])
        pairs = zip(series, kinds, strict=True)
        self._shares = np.array([kind.group == "errors" and s.unit == "share" for s, kind in pairs], dtype=bool)
        number = {metric: k for k, metric in enumerate(dict.fromkeys(s.metric for s in series))}
        self._metric = np.array([number[s.metric] for s in series], dtype=np.int64)

    def at(self, before: NDArray[np.float64], calm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least scale of each series, given its level before the onset and, where that is NaN, when calm."""
        level = np.abs(np.where(np.isfinite(before), before, calm))
        own = self._own * np.nan_to_num(level)
        typical = group_medians(level, self._metric)[self._metric]
        return np.where(self._shares, LEAST_SHARE, np.fmax(np.fmax(own, PEER_FLOOR * typical), self._least))


def group_medians(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of each group's values without NaN, 0 where a group has none; groups count from 0."""
    ordered = values[np.lexsort((values, group))]
    known = np.bincount(group, ~np.isnan(values)).astype(np.int64)
    size = np.bincount(group)
    start, last = np.cumsum(size) - size, np.maximum(known - 1, 0)
    middle = (ordered[start + last // 2] + ordered[start + (last + 1) // 2]) / 2
    return np.where(known > 0, middle, 0.0)
