"""Scores and expected bands of signals, computed anew from stored samples as ticks computed them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hypocenter.errors import InputError, LimitError
from hypocenter.stores.matching import Matcher
from hypocenter_workers.detect.anomalies import BAND
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.ticks import relearning
from hypocenter_workers.ticks.plan import read_block
from hypocenter_workers.ticks.scoring import score
from hypocenter_workers.ticks.shards import Roster, shard_of
from hypocenter_workers.ticks.steps import times_of
from hypocenter_workers.ticks.tick import Plans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter.model import Series
    from hypocenter.telemetry import Values
    from hypocenter_workers.ticks.plan import Plan
    from hypocenter_workers.ticks.tick import Place

MOST_SERIES, MOST_LISTED = 50, 10_000
MOST_POINTS = 200_000
MOST_LISTINGS = 4
NUMBERS = ("start_ms", "end_ms", "step_ms", "back_ms", "until_ms")
LISTED_MS = 300_000
MS = 1000.0

Selector = tuple[Matcher, ...]


class Wanted(NamedTuple):
    """A question: signals that any selector matches, at times from `start_ms` to `end_ms`, each `step_ms` apart.

    A time for which there is no sample has the last one of the `back_ms` before; steps that begin after `until_ms` are
    not read. Without a step only what signals there are is asked.
    """

    selectors: tuple[Selector, ...]
    start_ms: int
    end_ms: int
    step_ms: int
    back_ms: int
    until_ms: int

    @property
    def at_ms(self) -> NDArray[np.int64]:
        """The times."""
        return np.arange(self.start_ms, self.end_ms + 1, self.step_ms)


def wanted_of(message: Mapping[str, Any]) -> Wanted:
    """Return the question in a message: `match`, lists of `[label, operator, value]`, and the numbers of `Wanted`."""
    selectors = tuple(tuple(Matcher(*each) for each in selector) for selector in message["match"])
    return Wanted(selectors, *(int(message[name]) for name in NUMBERS))


def labels_of(series: Series) -> dict[str, str]:
    """Return what names a signal, as labels; what says nothing is left out.

    >>> from hypocenter.model import Series
    >>> labels_of(Series("cart", "latency", unit="s", stat="p99"))
    {'component': 'cart', 'metric': 'latency', 'kind': 'other', 'unit': 's', 'stat': 'p99'}
    """
    named = {name: getattr(series, name) for name in ("component", "metric", "kind", "unit", "stat", "side", "peer")}
    return {name: str(value) for name, value in named.items() if value} | ({"host": "true"} if series.host else {})


def answered(listings: Listings, message: Mapping[str, Any]) -> str:
    """Return the answer to a message as JSON: `series` (with `step_ms` their bands, else labels), or `error`.

    Raises SourceError where the store cannot be reached.
    """
    wanted = wanted_of(message)
    try:
        found = bands(listings, wanted) if wanted.step_ms else listed(listings, wanted)
    except (InputError, LimitError) as error:
        return json.dumps({"error": str(error)})
    return json.dumps({"series": found})


class Listings:
    """The signals that are there at a time, as ticks plan them; the last few listings are kept. Threads may share it.

    `place` says where to read and how to watch; its own roster, which ticks go by, is left alone.
    """

    def __init__(self, place: Place) -> None:
        self._place, self._lock = place, Lock()
        self._kept: dict[int, Place] = {}

    def at(self, end_ms: int) -> Place:
        """Return where to ask for signals that had samples in the day before a time, to five minutes."""
        until = -(-end_ms // LISTED_MS) * LISTED_MS
        with self._lock:
            place = self._kept.pop(until, None) or self._new()
            self._kept[until] = place
            for old in list(self._kept)[:-MOST_LISTINGS]:
                del self._kept[old]
        return place

    def _new(self) -> Place:
        roster = Roster(self._place.metrics, self._place.rhythm.shards)
        return replace(self._place, roster=roster, plans=Plans())


def listed(listings: Listings, wanted: Wanted) -> list[dict[str, str]]:
    """Return the labels of the signals that are wanted, in order; raises InputError for too many, SourceError."""
    found = [
        labels_of(series) for plan, places in _found(listings.at(wanted.end_ms), wanted) for series in _of(plan, places)
    ]
    _check(len(found), MOST_LISTED)
    return sorted(found, key=lambda labels: sorted(labels.items()))


def bands(listings: Listings, wanted: Wanted, most: int = MOST_SERIES) -> list[dict[str, Any]]:
    """Return value, score, lower and upper end of the band of the signals that are wanted, at each time, NaN for none.

    A step's score is the highest since the time before. Raises InputError for too many signals, SourceError.
    """
    place = listings.at(wanted.end_ms)
    found = list(_found(place, wanted))
    count = sum(len(places) for _, places in found)
    _check(count, most)
    if count * len(wanted.at_ms) > MOST_POINTS:
        raise InputError(f"{count} series of {len(wanted.at_ms):,} points are too many; take a longer step")
    told = [one for plan, places in found for one in _bands(place, plan.only(places), wanted)]
    return sorted(told, key=lambda one: sorted(one["labels"].items()))


def _check(count: int, most: int) -> None:
    if count > most:
        raise InputError(f"{count:,} series match, and at most {most:,} are answered; name a component or a metric")


def _found(place: Place, wanted: Wanted) -> Iterator[tuple[Plan, NDArray[np.int64]]]:
    """Yield the plan of each shard that may have what is wanted, and which of its signals are."""
    for shard in sorted(_shards(place, wanted)):
        plan = place.plans.of(shard, place.roster, wanted.end_ms)
        labels = [labels_of(series) for series in plan.series]
        kept = sorted({at for selector in wanted.selectors for at in _matching(labels, selector)})
        if kept:
            yield plan, np.array(kept, np.int64)


def _of(plan: Plan, places: NDArray[np.int64]) -> Iterable[Series]:
    return (plan.series[at] for at in places.tolist())


def _shards(place: Place, wanted: Wanted) -> set[int]:
    names = sorted(place.roster.members(0, wanted.end_ms).components)
    components = [{"component": name} for name in names]
    found: set[int] = set()
    for selector in wanted.selectors:
        own = tuple(matcher for matcher in selector if matcher.label == "component")
        if not own:
            return set(range(place.roster.shards))
        exact = [matcher.value for matcher in own if matcher.operator == "="]
        known = (names[at] for at in _matching(components, own))
        # An edge may tell of a component that no series is of.
        found |= {shard_of(name, place.roster.shards) for name in (*exact, *known)}
    return found


def _matching(labels: Sequence[Mapping[str, str]], selector: Selector) -> list[int]:
    left = list(range(len(labels)))
    for matcher in selector:
        values = [labels[at].get(matcher.label, "") for at in left]
        kept = matcher.kept(set(values))
        left = [at for at, value in zip(left, values, strict=True) if value in kept]
    return left


@dataclass(frozen=True)
class _Scored:
    """Native steps of signals, [step, series], the first at `start_ms`."""

    start_ms: int
    step_ms: int
    columns: Mapping[str, Values]


def _bands(place: Place, plan: Plan, wanted: Wanted) -> Iterator[dict[str, Any]]:
    scored = _scored(place, plan, wanted)
    at_ms = wanted.at_ms
    laid = {name: _laid(scored, values, at_ms, wanted) for name, values in scored.columns.items()}
    laid["score"] = np.fmax(laid["score"], _highest(scored, at_ms, wanted.step_ms))
    for column, series in enumerate(plan.series):
        own = {name: [_number(value) for value in values[:, column].tolist()] for name, values in laid.items()}
        yield {"labels": labels_of(series), **own}


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _scored(place: Place, plan: Plan, wanted: Wanted) -> _Scored:
    """Score the steps of a question as ticks do, in blocks, from what was learned of the samples before."""
    step_ms = place.rhythm.step_ms
    first = (wanted.start_ms - max(wanted.back_ms, wanted.step_ms)) // step_ms * step_ms
    known = relearning.learned(place, plan, datetime.fromtimestamp(first / MS, UTC))
    rows = max(relearning.MOST_CELLS // max(plan.raw_series, 1), 1)
    parts = []
    last = min(wanted.end_ms, wanted.until_ms)
    for start in range(first, max(last, first) + 1, rows * step_ms):
        steps = min(rows, (max(last, first) - start) // step_ms + 1)
        values = read_block(place.metrics, plan, start, steps, step_ms).values
        told, known = score(place.watching, values, times_of(start, steps, step_ms), known)
        parts.append(_columns(values, told.heard.scores, told.heard.expected, told.heard.scale, told.heard.flags))
    return _Scored(first, step_ms, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _columns(values: Values, scores: Any, expected: Values, scale: Any, flags: Any) -> dict[str, Values]:
    told = (flags & Flag.WARMING) == 0
    return {
        "value": values,
        "score": np.asarray(scores, np.float64),
        "lower": np.where(told, expected - BAND * scale, np.nan),
        "upper": np.where(told, expected + BAND * scale, np.nan),
    }


def _laid(scored: _Scored, values: Values, at_ms: NDArray[np.int64], wanted: Wanted) -> Values:
    """Return at each time the last value of the steps up to it that is no longer ago than it may be."""
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1), axis=0)
    step = np.minimum((at_ms - scored.start_ms) // scored.step_ms, len(values) - 1)
    most = max(wanted.back_ms, wanted.step_ms, scored.step_ms)
    found = last[step]
    age = at_ms[:, None] - (scored.start_ms + found * scored.step_ms)
    taken: Values = np.take_along_axis(values, np.maximum(found, 0), axis=0)
    return np.where((found >= 0) & (age < most), taken, np.nan)


def _highest(scored: _Scored, at_ms: NDArray[np.int64], step_ms: int) -> Values:
    """Return at each time the highest score of the steps since the time before."""
    scores = np.nan_to_num(scored.columns["score"], nan=-np.inf)
    ends = (at_ms - scored.start_ms) // scored.step_ms + 1
    starts = np.minimum((at_ms - step_ms - scored.start_ms) // scored.step_ms + 1, ends - 1)
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    highest = np.stack([scores[start:end].max(axis=0, initial=-np.inf) for start, end in spans])
    return np.where(np.isfinite(highest), highest, np.nan)
