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


@dataclass(frozen=True)
class Block:
    """Raw series in canonical units, counters as rates: [series, time].

    `known` says where a sample is; `zero` has 0 where none is; `carried` has the last sample for up to `MOST_MISSED`
    samples, so that a sum over instances does not dip when one of them misses a scrape.
    """

    values: Values
    known: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    zero: Values
    carried: Values


def block_of(values: Values) -> Block:
    """Prepare [series, time] for recipes."""
    known = ~np.isnan(values)
    return Block(values, known, np.where(known, values, 0.0), np.nan_to_num(carry(values)))


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

    def cook(self, block: Block) -> Values:
        """Return its samples."""
        ...


@dataclass(frozen=True)
class Total:
    """The sum of raw series; missing only where all of them are."""

    series: Series
    rows: Rows

    def cook(self, block: Block) -> Values:
        """Sum over the rows."""
        return total(block, self.rows)


@dataclass(frozen=True)
class Average:
    """The mean of the raw series that are there."""

    series: Series
    rows: Rows

    def cook(self, block: Block) -> Values:
        """Average over the rows."""
        rows = list(self.rows)
        return ratio(block.zero[rows].sum(axis=0), block.known[rows].sum(axis=0).astype(float))


@dataclass(frozen=True)
class Ratio:
    """One sum over another; no part at all counts as zero, no whole leaves the share unknown."""

    series: Series
    part: Rows
    whole: Rows
    empty: float = np.nan

    def cook(self, block: Block) -> Values:
        """Divide the sums."""
        whole = total(block, self.whole)
        part = np.nan_to_num(total(block, self.part)) if self.part else np.zeros_like(whole)
        return np.where(whole == 0, self.empty, ratio(part, whole))


@dataclass(frozen=True)
class Quantile:
    """A quantile of a histogram whose buckets are sums of raw series; `rows[i]` belong to bound i."""

    series: Series
    bounds: tuple[float, ...]
    rows: tuple[Rows, ...]
    share: float

    def cook(self, block: Block) -> Values:
        """Sum the buckets and interpolate."""
        cumulative = np.vstack([total(block, rows) for rows in self.rows])
        return quantile_of(np.array(self.bounds), cumulative, self.share)


@dataclass(frozen=True)
class Fill:
    """How full the fullest of several vessels is: used over capacity, or what is free taken from 1."""

    series: Series
    vessels: tuple[tuple[Rows, Rows], ...]
    counts_free: bool

    def cook(self, block: Block) -> Values:
        """Take the largest share over the vessels."""
        shares = np.vstack([ratio(total(block, part), total(block, whole)) for part, whole in self.vessels])
        used = 1.0 - shares if self.counts_free else shares
        largest = np.where(np.isnan(used), -np.inf, used).max(axis=0)
        return np.where(np.isfinite(largest), largest, np.nan)


def total(block: Block, rows: Sequence[int]) -> Values:
    """Sum rows where at least one has a sample."""
    if len(rows) == 1:
        return np.asarray(block.values[rows[0]])
    picked = list(rows)
    return np.where(block.known[picked].any(axis=0), block.carried[picked].sum(axis=0), np.nan)


def ratio(part: Values, whole: Values) -> Values:
    """Divide, NaN where the whole is zero or missing."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))
