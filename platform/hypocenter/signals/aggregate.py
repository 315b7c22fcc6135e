"""Recipes: how one signal comes out of many raw series, written once and cooked on the case and on its reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hypocenter.signals.counters import MOST_MISSED
from hypocenter.signals.histograms import quantile_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter.model import Series
    from hypocenter.telemetry import Values

Rows = tuple[int, ...]


def carry(values: Values) -> Values:
    """Carry the last sample of each series over at most `MOST_MISSED` missing ones; [series, time]."""
    places = np.arange(values.shape[1])
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, places), axis=1) if values.size else values.astype(int)
    near = (last >= 0) & (places - last <= MOST_MISSED)
    return np.where(near, np.take_along_axis(values, np.maximum(last, 0), axis=1), np.nan)


class Recipe(Protocol):
    """One signal and how it is made."""

    @property
    def series(self) -> Series:
        """The signal that comes out."""
        ...

    def cook(self, raw: Values) -> Values:
        """Return its samples from raw series in canonical units, counters as rates: [series, time]."""
        ...


@dataclass(frozen=True)
class Total:
    """The sum of raw series; missing only where all of them are."""

    series: Series
    rows: Rows

    def cook(self, raw: Values) -> Values:
        """Sum over the rows."""
        return total(raw, self.rows)


@dataclass(frozen=True)
class Average:
    """The mean of the raw series that are there."""

    series: Series
    rows: Rows

    def cook(self, raw: Values) -> Values:
        """Average over the rows."""
        picked = raw[list(self.rows)]
        known = ~np.isnan(picked)
        return ratio(np.where(known, picked, 0.0).sum(axis=0), known.sum(axis=0).astype(float))


@dataclass(frozen=True)
class Ratio:
    """One sum over another; no part at all counts as zero, no whole leaves the share unknown."""

    series: Series
    part: Rows
    whole: Rows
    empty: float = np.nan

    def cook(self, raw: Values) -> Values:
        """Divide the sums."""
        whole = total(raw, self.whole)
        part = np.nan_to_num(total(raw, self.part)) if self.part else np.zeros_like(whole)
        return np.where(whole == 0, self.empty, ratio(part, whole))


@dataclass(frozen=True)
class Quantile:
    """A quantile of a histogram whose buckets are sums of raw series; `rows[i]` belong to bound i."""

    series: Series
    bounds: tuple[float, ...]
    rows: tuple[Rows, ...]
    share: float

    def cook(self, raw: Values) -> Values:
        """Sum the buckets and interpolate."""
        cumulative = np.vstack([total(raw, rows) for rows in self.rows])
        return quantile_of(np.array(self.bounds), cumulative, self.share)


@dataclass(frozen=True)
class Fill:
    """How full the fullest of several vessels is: used over capacity, or what is free taken from 1."""

    series: Series
    vessels: tuple[tuple[Rows, Rows], ...]
    counts_free: bool

    def cook(self, raw: Values) -> Values:
        """Take the largest share over the vessels."""
        shares = np.vstack([ratio(total(raw, part), total(raw, whole)) for part, whole in self.vessels])
        used = 1.0 - shares if self.counts_free else shares
        largest = np.where(np.isnan(used), -np.inf, used).max(axis=0)
        return np.where(np.isfinite(largest), largest, np.nan)


def total(raw: Values, rows: Sequence[int]) -> Values:
    """Sum rows of [series, time] where at least one has a sample.

    One that misses up to `MOST_MISSED` samples is carried on, so that the sum does not dip for a lost scrape.
    """
    picked = raw[list(rows)]
    missing = np.isnan(picked)
    nowhere = missing.all(axis=0)
    if np.array_equal(nowhere, missing.any(axis=0)):
        return np.asarray(picked.sum(axis=0))
    return np.where(nowhere, np.nan, np.nan_to_num(carry(picked)).sum(axis=0))


def ratio(part: Values, whole: Values) -> Values:
    """Divide, NaN where the whole is zero or missing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
