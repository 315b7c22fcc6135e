"""How the raw series of a shard become signals of its components: planned once, cooked for every block of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.batches import is_counted
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS
from hypocenter.signals.cooking import cooking_of
from hypocenter.signals.counted import recipes_of_counted
from hypocenter.signals.identify import identify
from hypocenter.signals.labelled import reading_of, recipes_of, scale_of
from hypocenter.stores.identity import identity_of
from hypocenter_workers.ticks.shards import shard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.model import Series
    from hypocenter.signals.aggregate import Recipe
    from hypocenter.signals.cooking import Cooking
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.telemetry import Values
    from hypocenter_workers.ticks.shards import Member, Members

    Recipes = tuple[tuple[Recipe, ...], tuple[Recipe, ...]]

# A counter is compared with its sample at most so many steps ago, and a sum carries a lost one on for three more.
MOST_STEPS_BETWEEN = 5
LOOK_BACK = MOST_STEPS_BETWEEN + 3


class Raw(NamedTuple):
    """Raw series in rows: their numbers, rising, how each is read, and its factor to the canonical unit."""

    numbers: NDArray[np.int64]
    readings: NDArray[np.int64]
    scales: NDArray[np.float64]
    since_ms: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """The signals of a shard and what they are made of.

    `scraped` and `counted` (from spans and log lines) are cooked apart; `series` are those of both, in this order, and
    `keys` name them for good.
    """

    scraped: Raw
    counted: Raw
    recipes: Recipes
    series: tuple[Series, ...]
    keys: NDArray[np.uint64]
    cooking: tuple[Cooking, Cooking]

    @property
    def raw_series(self) -> int:
        """How many raw series are read."""
        return len(self.scraped.numbers) + len(self.counted.numbers)

    @property
    def since_ms(self) -> NDArray[np.int64]:
        """Times before which each raw series has no samples."""
        return np.concatenate([self.scraped.since_ms, self.counted.since_ms])

    def only(self, places: NDArray[np.int64]) -> Plan:
        """Return the plan of some of the signals, by their places, and of the raw series that these are made of."""
        split = len(self.recipes[0])
        wanted = [self.recipes[0][at] for at in places[places < split].tolist()]
        counted = [self.recipes[1][at - split] for at in places[places >= split].tolist()]
        series = tuple(self.series[at] for at in places.tolist())
        parts = [_narrowed(raw, some) for raw, some in ((self.scraped, wanted), (self.counted, counted))]
        return _plan(parts[0][0], parts[1][0], (parts[0][1], parts[1][1]), series, self.keys[places])


def _plan(scraped: Raw, counted: Raw, recipes: Recipes, series: tuple[Series, ...], keys: NDArray[np.uint64]) -> Plan:
    cooking = cooking_of(recipes[0]), cooking_of(recipes[1])
    return Plan(scraped, counted, recipes, series, keys, cooking)


def _narrowed(raw: Raw, recipes: Sequence[Recipe]) -> tuple[Raw, tuple[Recipe, ...]]:
    """Return the raw series that recipes are made of, and the recipes on these."""
    used = np.array(sorted({row for recipe in recipes for row in recipe.used}), np.int64)
    places = dict(zip(used.tolist(), range(len(used)), strict=True))
    kept = Raw(raw.numbers[used], raw.readings[used], raw.scales[used], raw.since_ms[used])
    return kept, tuple(recipe.moved(places) for recipe in recipes)


class Block(NamedTuple):
    """Signals on steps, [step, series], how many raw samples each step and each before it had, and when the newest was.

    Where `uncounted` is given, True are steps in which counts are not known: the last columns, from `counted` on, are
    missing there.
    """

    values: Values
    samples: NDArray[np.int64]
    newest_ms: int
    counted: int
    uncounted: NDArray[np.bool_] | None = None

    def first(self, steps: int) -> Block:
        """Return what it holds of its first steps."""
        return self._replace(values=self.values[:steps], samples=self.samples[: LOOK_BACK + steps])

    def without_counts(self, uncounted: NDArray[np.bool_]) -> Block:
        """Return the same but for the counts of some steps, which are not known."""
        if not uncounted.any():
            return self
        values = self.values.copy()
        values[uncounted, self.counted :] = np.nan
        return self._replace(values=values, uncounted=uncounted)

    @property
    def reported(self) -> Values:
        """The values as those see them who look for silence: who was not asked is not silent."""
        if self.uncounted is None:
            return self.values
        values = self.values.copy()
        values[self.uncounted, self.counted :] = 0.0
        return values


def plan_of(members: Members, shard: int, shards: int) -> Plan:
    """Plan the signals of a shard's components; a unit that a name leaves open is what the name says."""
    labels = [dict(member.series.labels) for member in members.series]
    parts = [[at for at, one in enumerate(labels) if is_counted(one) is wanted] for wanted in (False, True)]
    scraped, counted = ([members.series[at] for at in part] for part in parts)
    columns = identify([labels[at] for at in parts[0]], DEFAULT_COMPONENT_LABELS, None, members.components)
    found = recipes_of(columns), recipes_of_counted([labels[at] for at in parts[1]])
    own = [tuple(one for one in some if shard_of(one.series.component, shards) == shard) for some in found]
    there = {recipe.series for recipe in own[0]}
    own[1] = tuple(recipe for recipe in own[1] if recipe.series not in there)
    series = tuple(recipe.series for some in own for recipe in some)
    readings = np.array([reading_of(column) for column in columns], np.int64)
    scales = np.array([scale_of(column) for column in columns], np.float64)
    return _plan(
        _raw(scraped, readings, scales),
        _raw(counted, np.zeros(len(counted), np.int64), np.ones(len(counted))),
        (own[0], own[1]),
        series,
        np.array([_key(one) for one in series], np.uint64),
    )


def _raw(members: Sequence[Member], readings: NDArray[np.int64], scales: NDArray[np.float64]) -> Raw:
    numbers = np.array([member.series.number for member in members], np.int64)
    return Raw(numbers, readings, scales, np.array([member.since_ms for member in members], np.int64))


def _key(series: Series) -> int:
    return int(identity_of(repr(series))[:16], 16)


def read_block(metrics: MetricsStore, plan: Plan, start_ms: int, steps: int, step_ms: int) -> Block:
    """Read the samples of some steps and a few before them and return the plan's signals on those steps.

    A step's signals depend on nothing but samples of it and of the steps before it. Raises SourceError.
    """
    from hypocenter_workers.ticks.kernels import lay, read_raw, steps_of

    first, rows = start_ms - LOOK_BACK * step_ms, steps + LOOK_BACK
    numbers = np.concatenate([plan.scraped.numbers, plan.counted.numbers])
    found = metrics.read_columns(numbers.tolist(), first, start_ms + steps * step_ms - 1)
    order = np.argsort(numbers)
    places = order[np.searchsorted(numbers, found.series, sorter=order)]
    laid = steps_of(first, step_ms, (len(numbers), rows))
    lay(laid, places, found.at_ms, found.values, found.gained)
    own = len(plan.scraped.numbers)
    raw = np.empty((own, rows))
    read_raw(laid, plan.scraped.readings, MOST_STEPS_BETWEEN, raw)
    # What was counted and did not come was not there to count.
    added = np.nan_to_num(laid.gains[own:]) * (1000 / step_ms)
    cooked = plan.cooking[0].cook(raw * plan.scraped.scales[:, None]), plan.cooking[1].cook(added)
    values = np.concatenate(cooked)[:, LOOK_BACK:]
    newest_ms = int(found.at_ms.max(initial=0))
    return Block(np.ascontiguousarray(values.T), laid.counts, newest_ms, len(plan.recipes[0]))
