"""Counters to rates: resets and gaps handled as Prometheus' `rate` would, sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hypocenter.telemetry import Times, Values

MOST_MISSED = 3


def increases(values: Values) -> Values:
    """Increase of each counter since its last sample, [time, series]; NaN at the first sample and where none is.

    A value below the last one means the counter was reset to zero between them, so the value itself is the increase.
    """
    return _since_last(values)[0]


def rates(values: Values, times: Times) -> Values:
    """Per-second rate of counters, [time, series].

    A gap of at most `MOST_MISSED` samples between two samples of a counter that was not reset is bridged by the rate
    over the gap: the counter itself witnesses that it was counting. Longer gaps stay NaN.
    """
    rate = np.empty_like(values)
    whole = ~np.isnan(values).any(axis=0)
    seconds = times.astype("datetime64[ns]").astype(np.int64) / 1e9
    rate[:, whole] = _whole_rates(values[:, whole], seconds)
    rate[:, ~whole] = _gapped_rates(values[:, ~whole], seconds)
    return rate


def _whole_rates(values: Values, seconds: Values) -> Values:
    """Rates of counters that lack no sample: the usual case, and the cheap one."""
    rate = np.full_like(values, np.nan)
    gained = np.diff(values, axis=0)
    rate[1:] = np.where(gained < 0, values[1:], gained) / np.diff(seconds)[:, None]
    return rate


def _gapped_rates(values: Values, seconds: Values) -> Values:
    gained, last, was_reset = _since_last(values)
    rows = np.arange(len(seconds))[:, None]
    elapsed = seconds[:, None] - seconds[np.maximum(last, 0)]
    rate = np.divide(gained, elapsed, out=np.full_like(gained, np.nan), where=(last >= 0) & ~np.isnan(gained))
    missed = rows - last - 1
    bridged = (missed > 0) & (missed <= MOST_MISSED) & (last >= 0) & ~np.isnan(rate) & ~was_reset
    for row, column in zip(*np.nonzero(bridged), strict=True):
        rate[last[row, column] + 1 : row, column] = rate[row, column]
    return rate


def changes(values: Values) -> Values:
    """1 where a sample differs from the one before it, else 0; NaN where there is nothing to compare, [time, series].

    For a process' start time, whose every change is a restart.
    """
    gained, _, was_reset = _since_last(values)
    return np.where(np.isnan(gained), np.nan, (gained != 0) | was_reset)


def looks_like_counter(values: Values) -> bool:
    """Whether samples behave as a counter's: nearly never falling, and never below zero."""
    steps = np.diff(values, axis=0)
    moved = np.count_nonzero(np.abs(steps) > 0)
    return bool(np.nanmin(values, initial=0.0) >= 0 and np.count_nonzero(steps < 0) <= 0.1 * moved)


def _since_last(
    values: Values,
) -> tuple[Values, np.ndarray[tuple[int, int], np.dtype[np.int64]], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """(increase, row of the sample before or -1, whether a reset lies between)."""
    known = ~np.isnan(values)
    rows = np.arange(len(values))[:, None]
    latest = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    last = np.vstack([np.full((1, values.shape[1]), -1), latest[:-1]]) if len(values) else latest
    before = np.take_along_axis(values, np.maximum(last, 0), axis=0) if len(values) else values
    was_reset = values < before
    gained = np.where(was_reset, values, values - before)
    gained[(last < 0) | ~known] = np.nan
    return gained, last, was_reset
