"""Recipes: how one signal comes out of many raw series, written once and cooked on the case and on its reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from hypocenter.signals.counters import MOST_MISSED
from hypocenter.signals.histograms import quantile_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypocenter.model import Series
    from hypocenter.telemetry import Values

Rows = tuple[int, ...]
# Rows of one sum, or [sum, row]: those of many sums of equally many rows.
RowsOfMany = Rows | NDArray[np.int64]


def carry(values: Values) -> Values:
    """Carry the last sample of each series over at most `MOST_MISSED` missing ones; [..., time]."""
    places = np.arange(values.shape[-1])
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, places), axis=-1) if values.size else values.astype(int)
    near = (last >= 0) & (places - last <= MOST_MISSED)
    return np.where(near, np.take_along_axis(values, np.maximum(last, 0), axis=-1), np.nan)


class Recipe(Protocol):
    """One signal and how it is made."""

    @property
    def series(self) -> Series:
        """The signal that comes out."""
        ...

    @property
    def used(self) -> Rows:
        """The rows of the raw series that it is made of."""
        ...

    def moved(self, to: Mapping[int, int]) -> Recipe:
        """Return the same recipe of raw series whose rows are elsewhere."""
        ...

    def cook(self, raw: Values) -> Values:
        """Return its samples from raw series in canonical units, counters as rates: [series, time]."""
        ...


@dataclass(frozen=True)
class Total:
    """The sum of raw series; missing only where all of them are."""

    series: Series
    rows: Rows

    @property
    def used(self) -> Rows:
        """The rows that it sums."""
        return self.rows

    def moved(self, to: Mapping[int, int]) -> Total:
        """Return the same of rows that are elsewhere."""
        return replace(self, rows=_moved(self.rows, to))

    def cook(self, raw: Values) -> Values:
        """Sum over the rows."""
        return total(raw, self.rows)


@dataclass(frozen=True)
class Average:
    """The mean of the raw series that are there."""

    series: Series
    rows: Rows

    @property
    def used(self) -> Rows:
        """The rows that it sums."""
        return self.rows

    def moved(self, to: Mapping[int, int]) -> Average:
        """Return the same of rows that are elsewhere."""
        return replace(self, rows=_moved(self.rows, to))

    def cook(self, raw: Values) -> Values:
        """Average over the rows."""
        return average(raw, self.rows)


@dataclass(frozen=True)
class Ratio:
    """One sum over another; no part at all counts as zero, no whole leaves the share unknown."""

    series: Series
    part: Rows
    whole: Rows
    empty: float = np.nan

    @property
    def used(self) -> Rows:
        """The rows of both sums."""
        return self.part + self.whole

    def moved(self, to: Mapping[int, int]) -> Ratio:
        """Return the same of rows that are elsewhere."""
        return replace(self, part=_moved(self.part, to), whole=_moved(self.whole, to))

    def cook(self, raw: Values) -> Values:
        """Divide the sums."""
        return share(raw, self.part, self.whole, self.empty)


@dataclass(frozen=True)
class Quantile:
    """A quantile of a histogram whose buckets are sums of raw series; `rows[i]` belong to bound i."""

    series: Series
    bounds: tuple[float, ...]
    rows: tuple[Rows, ...]
    share: float

    @property
    def used(self) -> Rows:
        """The rows of all buckets."""
        return tuple(row for rows in self.rows for row in rows)

    def moved(self, to: Mapping[int, int]) -> Quantile:
        """Return the same of rows that are elsewhere."""
        return replace(self, rows=tuple(_moved(rows, to) for rows in self.rows))

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

    @property
    def used(self) -> Rows:
        """The rows of all vessels."""
        return tuple(row for part, whole in self.vessels for row in part + whole)

    def moved(self, to: Mapping[int, int]) -> Fill:
        """Return the same of rows that are elsewhere."""
        return replace(self, vessels=tuple((_moved(part, to), _moved(whole, to)) for part, whole in self.vessels))

    def cook(self, raw: Values) -> Values:
        """Take the largest share over the vessels."""
        shares = np.vstack([ratio(total(raw, part), total(raw, whole)) for part, whole in self.vessels])
        used = 1.0 - shares if self.counts_free else shares
        largest = np.where(np.isnan(used), -np.inf, used).max(axis=0)
        return np.where(np.isfinite(largest), largest, np.nan)


def _moved(rows: Rows, to: Mapping[int, int]) -> Rows:
    return tuple(to[row] for row in rows)


def total(raw: Values, rows: RowsOfMany) -> Values:
    """Sum rows of [series, time] where at least one has a sample; one sum, or one for each row of `rows`.

    One that misses up to `MOST_MISSED` samples is carried on, so that the sum does not dip for a lost scrape.
    """
    picked = raw[np.asarray(rows, np.intp)]
    missing = np.isnan(picked)
    nowhere = missing.all(axis=-2)
    if np.array_equal(nowhere, missing.any(axis=-2)):
        return np.asarray(picked.sum(axis=-2))
    return np.where(nowhere, np.nan, np.nan_to_num(carry(picked)).sum(axis=-2))


def average(raw: Values, rows: RowsOfMany) -> Values:
    """Average rows of [series, time] that have a sample; one mean, or one for each row of `rows`."""
    picked = raw[np.asarray(rows, np.intp)]
    known = ~np.isnan(picked)
    return ratio(np.where(known, picked, 0.0).sum(axis=-2), known.sum(axis=-2).astype(float))


def share(raw: Values, part: RowsOfMany, whole: RowsOfMany, empty: float) -> Values:
    """Divide the sum of some rows by that of others, `empty` where that is zero; one share, or one for each row."""
    wholes = total(raw, whole)
    parts = np.nan_to_num(total(raw, part)) if np.shape(part)[-1] else np.zeros_like(wholes)
    return np.where(wholes == 0, empty, ratio(parts, wholes))


def ratio(part: Values, whole: Values) -> Values:
    """Divide, NaN where the whole is zero or missing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
