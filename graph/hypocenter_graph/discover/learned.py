"""Metrics to suggestions: who probably calls whom, when no source says so, with how often such a suggestion is right.

A suggestion is never an observation: its source is `learned`, and its confidence is the share of right ones among
suggestions as strong as it, measured on systems whose graph is known (docs/benchmarks.md). The strength is that of
`dependence.strengths`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import DependencyType, MetricKind
from hypocenter_graph.claims import LEARNED, ComponentClaim, DependencyClaim, Discovered, Interval, check_name
from hypocenter_graph.discover.dependence import FEWEST_ROWS, moving, strengths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hypocenter.model import Series
    from hypocenter.telemetry import SeriesTable, Times, Values

MOST_CALLEES = 8
LEAST_CONFIDENCE = 0.2
MOST_CONFIDENCE = 0.6
FEWEST_COMPONENTS = 3
# Odds that a suggestion is right: fitted on labelled systems, each left out in turn to see that it holds there too.
_ODDS_OF_FULL_STRENGTH = 18.0
_STRENGTH_POWER = 1.1
_SIZE_POWER = 0.7
# Arrows less than this much stronger than their reverse proved right no more often than a coin does.
_CLEAR_DIRECTION = 5.0
_NAMED_IN_NOTE = 5
# Squares and sums of larger numbers would overflow: they count as missing.
_LARGEST = 1e100
_STATS = ("mean", "rate", "sum", "p50", "last", "p90", "p95", "p99")


def discover_learned(
    tables: Sequence[SeriesTable],
    at: datetime | None = None,
    *,
    most_callees: int = MOST_CALLEES,
    least_confidence: float = LEAST_CONFIDENCE,
) -> Discovered:
    """Suggest dependencies from the traffic and latency of components, as in `Signals.tables` and `.reference`.

    Rows later than `at` are not read. Series that name a peer, and tables of spans and log lines, are left out: they
    state edges themselves. `CALLS` where the direction can be told, else `DEPENDS_ON`, whose arrow is a guess. At most
    `most_callees` suggestions per caller, none of less than `least_confidence`. Raises InputError for a name that no
    component can have.
    """
    blocks = read_blocks(tables, at)
    if len(blocks.moving) < FEWEST_COMPONENTS:
        return Discovered(notes=(_why_nothing(blocks),))
    claims = _Suggestions(blocks.moving, strengths(blocks.load, blocks.latency), blocks.seen).claims(
        most_callees, least_confidence
    )
    ends = sorted({name for claim in claims for name in (claim.caller, claim.callee)})
    components = tuple(ComponentClaim(name, LEARNED, (blocks.seen,)) for name in ends)
    return Discovered(components, claims, tuple(_notes(blocks, claims)))


def confidence(strength: Values, components: int) -> Values:
    """Return the share of right suggestions among those of that strength, in a system of that many components.

    >>> confidence(np.array([0.05, 0.2, 0.8]), 20).round(2).tolist()
    [0.08, 0.27, 0.6]
    """
    odds = _ODDS_OF_FULL_STRENGTH * strength**_STRENGTH_POWER / components**_SIZE_POWER
    return np.asarray(np.minimum(odds / (1 + odds), MOST_CONFIDENCE))


@dataclass(frozen=True)
class Blocks:
    """Load and latency of the components in `moving`, a block of [time, component] per table that is long enough.

    `still` are components whose load and latency do not move; `longest` is the number of rows of the longest table.
    """

    moving: tuple[str, ...]
    still: tuple[str, ...]
    load: tuple[Values, ...]
    latency: tuple[Values, ...]
    times: tuple[Times, ...]
    longest: int

    @property
    def rows(self) -> int:
        """The number of rows of all blocks."""
        return sum(map(len, self.times))

    @property
    def seen(self) -> Interval:
        """From the first row to the last."""
        from hypocenter.readers.times import as_datetime

        first, last = min(times[0] for times in self.times), max(times[-1] for times in self.times)
        return Interval(as_datetime(first), as_datetime(last))


def read_blocks(tables: Sequence[SeriesTable], at: datetime | None = None) -> Blocks:
    """Return load and latency from the tables of metrics, up to `at`; InputError for an impossible name."""
    usable = [table for table in (_until(table, at) for table in tables) if table.modality == "metrics"]
    names = sorted({check_name(s.component, "metrics") for t in usable for s in t.series if _is_own(s)})
    long = [table for table in usable if len(table.times) >= FEWEST_ROWS and names]
    load = [_block(table, MetricKind.TRAFFIC, names) for table in long]
    latency = [_block(table, MetricKind.LATENCY, names) for table in long]
    live = moving(load) | moving(latency) if long else np.zeros(len(names), dtype=bool)
    return Blocks(
        moving=tuple(name for name, moves in zip(names, live, strict=True) if moves),
        still=tuple(name for name, moves in zip(names, live, strict=True) if not moves),
        load=tuple(block[:, live] for block in load),
        latency=tuple(block[:, live] for block in latency),
        times=tuple(table.times for table in long),
        longest=max((len(table.times) for table in usable), default=0),
    )


@dataclass(frozen=True)
class _Suggestions:
    """Strengths, [caller, callee], of named components."""

    names: tuple[str, ...]
    strength: Values
    seen: Interval

    def claims(self, most_callees: int, least_confidence: float) -> tuple[DependencyClaim, ...]:
        """Return the better direction of each pair, the surest first."""
        sure = confidence(self.strength, len(self.names))
        # Of two equal directions the one whose caller comes first by name is kept.
        first = np.triu(np.ones(sure.shape, dtype=bool), 1)
        better = (self.strength > self.strength.T) | ((self.strength == self.strength.T) & first)
        sure = np.where(better & (self.strength > 0) & (sure >= least_confidence), sure, 0.0)
        pairs = [pair for caller in range(len(sure)) for pair in _surest(sure, self.strength, caller, most_callees)]
        claims = [self._claim(caller, callee, float(sure[caller, callee])) for caller, callee in pairs]
        return tuple(sorted(claims, key=lambda claim: (-claim.confidence, claim.caller, claim.callee)))

    def _claim(self, caller: int, callee: int, sure: float) -> DependencyClaim:
        told = self.strength[caller, callee] > _CLEAR_DIRECTION * self.strength[callee, caller]
        type_ = DependencyType.CALLS if told else DependencyType.DEPENDS_ON
        return DependencyClaim(self.names[caller], self.names[callee], type_, LEARNED, (self.seen,), round(sure, 3))


def _surest(sure: Values, strength: Values, caller: int, most: int) -> list[tuple[int, int]]:
    order: list[int] = np.argsort(-strength[caller], kind="stable").tolist()
    return [(caller, callee) for callee in order if sure[caller, callee] > 0][:most]


def _until(table: SeriesTable, at: datetime | None) -> SeriesTable:
    """Return the table without the rows later than `at`."""
    from dataclasses import replace
    from datetime import UTC

    if at is None:
        return table
    rows = np.asarray(table.times <= np.datetime64(at.astimezone(UTC).replace(tzinfo=None), "ns"))
    return replace(table, times=table.times[rows], values=table.values[rows])


def _is_own(series: Series) -> bool:
    return series.peer is None and not series.host and series.kind in {MetricKind.TRAFFIC, MetricKind.LATENCY}


def _block(table: SeriesTable, kind: MetricKind, names: Sequence[str]) -> Values:
    """Return the best series of that kind for each component, NaN where it has none."""
    place = {name: column for column, name in enumerate(names)}
    block = np.full((len(table.times), len(names)), np.nan)
    finite = np.asarray(np.isfinite(table.values).any(axis=0))
    own = [(s, c) for c, s in enumerate(table.series) if s.kind is kind and _is_own(s) and finite[c]]
    for series, column in sorted(own, key=lambda pair: _quality(pair[0]), reverse=True):
        block[:, place[series.component]] = table.values[:, column]
    block[~(np.abs(block) < _LARGEST)] = np.nan
    return block


def _quality(series: Series) -> tuple[bool, int, str]:
    """What series of one kind are sorted by, the best first: what a component serves before what it asks for."""
    rank = _STATS.index(series.stat) if series.stat in _STATS else len(_STATS)
    return series.side == "client", rank, series.metric


def _why_nothing(blocks: Blocks) -> str:
    if blocks.longest < FEWEST_ROWS:
        return f"no edge is suggested: {FEWEST_ROWS} rows of metrics are needed, the longest table has {blocks.longest}"
    needed = f"traffic or latency of {FEWEST_COMPONENTS} components must move over {FEWEST_ROWS} rows"
    return f"no edge is suggested: {needed}, and that of {len(blocks.moving)} does"


def _notes(blocks: Blocks, claims: Sequence[DependencyClaim]) -> Iterator[str]:
    what = f"traffic and latency of {len(blocks.moving)} components in {blocks.rows} rows"
    yield f"{len(claims)} edges are suggested from {what}"
    if blocks.still:
        more = len(blocks.still) - _NAMED_IN_NOTE
        shown = ", ".join(blocks.still[:_NAMED_IN_NOTE]) + (f" and {more} more" if more > 0 else "")
        yield f"no edge can be suggested where neither traffic nor latency moves in {FEWEST_ROWS} rows: {shown}"
    unclear = sum(claim.type is DependencyType.DEPENDS_ON for claim in claims)
    if unclear:
        yield f"{unclear} suggestions have no clear direction: their arrows (DEPENDS_ON) are guesses"
