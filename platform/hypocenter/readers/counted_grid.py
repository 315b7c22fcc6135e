"""Counters that spans and log lines were counted into, laid beside scraped series on one grid.

They have samples only where something was counted, so their distances say nothing of how often anything is scraped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import BIN_MS, is_counted
from hypocenter.readers.grid import check_cells, on_grid, sampling_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_samples import Key
    from hypocenter.telemetry import Times, Values

_BIN_NS = BIN_MS * 1_000_000


def laid(series: Mapping[Key, Samples], least_ns: int, most_cells: int) -> tuple[Times, Values]:
    """Return series, in their order, on the grid of the scraped ones' interval or of the wider step `least_ns`.

    A counted series has in each step the total that stood then, from its first sample on. Raises LimitError when the
    grid would have more than `most_cells` cells.
    """
    of_counted = np.array([is_counted(dict(key)) for key in series], dtype=bool)
    counted = [samples for samples, is_one in zip(series.values(), of_counted, strict=True) if is_one]
    scraped = [samples for samples, is_one in zip(series.values(), of_counted, strict=True) if not is_one]
    moments = [moments for moments, _ in scraped]
    interval = max(sampling_interval(moments, _BIN_NS) if counted else sampling_interval(moments), least_ns)
    times, values = on_grid(scraped, interval, most_cells)
    if not counted:
        return times, values
    steps = _steps(times, counted, interval)
    check_cells(len(steps), len(series), most_cells)
    whole = np.full((len(steps), len(series)), np.nan)
    whole[np.ix_(np.searchsorted(steps, times), np.flatnonzero(~of_counted))] = values
    for column, samples in zip(np.flatnonzero(of_counted), counted, strict=True):
        whole[:, column] = _totals(samples, steps)
    return steps, whole


def _steps(times: Times, counted: Sequence[Samples], interval: int) -> Times:
    """Return the grid's times, carried on to both sides until it holds every counted sample."""
    seen = [moments for moments, _ in counted if len(moments)]
    stamps = [int(moments[0]) // interval * interval for moments in seen]
    stamps += [-(-int(moments[-1]) // interval) * interval for moments in seen]
    stamps += times.astype("datetime64[ns]").astype(np.int64).tolist()[:: max(len(times) - 1, 1)]
    if not stamps:
        return times
    return np.arange(min(stamps), max(stamps) + 1, interval, dtype=np.int64).astype("datetime64[ns]")


def _totals(samples: Samples, times: Times) -> Values:
    moments, totals = samples
    place = np.searchsorted(moments, times.astype(np.int64), side="right") - 1
    return np.where(place >= 0, totals[np.maximum(place, 0)], np.nan) if len(moments) else np.full(len(times), np.nan)
