"""Gauges and resources: recipes per component and per instance."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind, Series
from hypocenter.signals.aggregate import Average, Quantile, Ratio, Total
from hypocenter.signals.requests import buckets_of
from hypocenter.signals.shares import fill_recipes, hit_recipes, idle_recipes, owner, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter.signals.aggregate import Recipe
    from hypocenter.signals.identify import Column

PER_INSTANCE = frozenset(
    {MetricKind.CPU, MetricKind.MEMORY, MetricKind.DISK, MetricKind.SATURATION, MetricKind.RESTARTS, MetricKind.UP}
)


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain name for the best of several families of a kind: one of `words` must be in it, none of `without`."""

    name: str
    kind: MetricKind
    words: frozenset[str]
    without: frozenset[str] = frozenset()


def _plain(name: str, kind: MetricKind, words: str, without: str = "") -> Plain:
    return Plain(name, kind, frozenset(words.split()), frozenset(without.split()))


BY_PREFERENCE = (
    _plain("cpu", MetricKind.CPU, "usage", "throttled user system cfs"),
    _plain("cpu", MetricKind.CPU, "cpu", "throttled user system cfs periods"),
    _plain("memory", MetricKind.MEMORY, "workingset"),
    _plain("memory", MetricKind.MEMORY, "rss resident", "huge"),
    _plain("memory", MetricKind.MEMORY, "usage used memory", "swap paging heap gc virtual cache max failcnt"),
    _plain("network_receive", MetricKind.NETWORK, "receive received rx in", "packets errs drop dropped"),
    _plain("network_transmit", MetricKind.NETWORK, "transmit sent tx out", "packets errs drop dropped"),
    _plain("disk_read", MetricKind.DISK, "read reads", "time merged completed"),
    _plain("disk_write", MetricKind.DISK, "write writes written", "time merged completed"),
    _plain("restarts", MetricKind.RESTARTS, "restart restarts"),
    _plain("restarts", MetricKind.RESTARTS, "starttime"),
    _plain("up", MetricKind.UP, "up"),
)


def resource_recipes(columns: Sequence[Column]) -> tuple[Recipe, ...]:
    """Recipes for everything that is neither a request nor said to be constant: gauges, resources, other counters."""
    kept = _without_totals(column for column in columns if column.views and "info" not in column.name.split("_")[-1:])
    shares, filled = fill_recipes(kept)
    idle, timed = idle_recipes(kept)
    hits, looked_up = hit_recipes(kept)
    spent = filled | timed | looked_up
    groups = _groups([column for column in kept if column.at not in spent and not column.measure.part])
    plain = _plain_names(groups)
    recipes = [_recipe(key, plain.get(key, key[1]), found) for key, found in sorted(groups.items(), key=_order)]
    return (*recipes, *_histograms(kept), *shares, *idle, *hits)


Key = tuple[str, str, str, str, MetricKind, str | None]


def _order(item: tuple[Key, list[Column]]) -> tuple[str, ...]:
    return tuple(str(part) for part in item[0])


def _groups(columns: Iterable[Column]) -> dict[Key, list[Column]]:
    """By (component, family, unit, stat, kind, instance); instance None is the component as a whole."""
    groups: dict[Key, list[Column]] = defaultdict(list)
    instances: dict[str, set[str]] = defaultdict(set)
    columns = list(columns)
    for column in columns:
        if column.instance is not None:
            instances[owner(column)].add(column.instance)
    for column in columns:
        how, component = column.measure, owner(column)
        groups[component, how.family, how.unit, how.stat, how.kind, None].append(column)
        if column.instance is not None and how.kind in PER_INSTANCE and len(instances[component]) > 1:
            groups[column.instance, how.family, how.unit, how.stat, how.kind, component].append(column)
    return groups


def _plain_names(groups: Iterable[Key]) -> dict[Key, str]:
    """Give one family of each component, by preference, the plain name of its resource."""
    chosen: dict[tuple[str, str], tuple[int, str, Key]] = {}
    for key in groups:
        component, family, unit, _, kind, _ = key
        words = set(family.split("_"))
        for rank, plain in enumerate(BY_PREFERENCE):
            if kind is plain.kind and words & plain.words and not words & plain.without and unit not in ("1/s", ""):
                rival = (rank, f"{family} {unit}", key)
                chosen[component, plain.name] = min(
                    chosen.get((component, plain.name), rival), rival, key=lambda one: one[:2]
                )
    return {key: name for (_, name), (_, _, key) in chosen.items()}


def _recipe(key: Key, metric: str, columns: Sequence[Column]) -> Recipe:
    component, _, unit, stat, kind, _ = key
    series = Series(component, metric, kind, unit, stat, columns[0].measure.side)
    rows = rows_of(columns)
    adds_up = unit in ("cores", "bytes", "bytes/s", "1/s") or kind in (MetricKind.SATURATION, MetricKind.RESTARTS)
    return Total(series, rows) if adds_up and unit not in ("share", "s") else Average(series, rows)


def _without_totals(columns: Iterable[Column]) -> list[Column]:
    """Leave out what sums up others beside it: cAdvisor's pod and pause container beside containers, `cpu="total"`."""
    kept = [column for column in columns if column.labels.get("container") != "POD"]
    parts = {(column.name, column.instance) for column in kept if column.labels.get("container")}
    return [column for column in kept if column.labels.get("container") or (column.name, column.instance) not in parts]


def _histograms(columns: Sequence[Column]) -> list[Recipe]:
    """Histograms that do not time requests: the mean and the 95th percentile under their own name."""
    groups: dict[tuple[str, str], dict[str, list[Column]]] = defaultdict(lambda: defaultdict(list))
    for column in columns:
        if column.measure.part:
            groups[owner(column), column.measure.family][column.measure.part].append(column)
    recipes: list[Recipe] = []
    for (component, family), parts in sorted(groups.items()):
        how = next(iter(parts.values()))[0].measure
        if parts["sum"] and parts["count"]:
            series = Series(component, f"{family}_mean", how.kind, how.unit, "mean", how.side)
            recipes.append(Ratio(series, rows_of(parts["sum"]), rows_of(parts["count"])))
        buckets = buckets_of(parts["bucket"])
        if buckets:
            series = Series(component, f"{family}_p95", how.kind, how.unit, "p95", how.side)
            recipes.append(Quantile(series, tuple(buckets), tuple(buckets.values()), 0.95))
    return recipes
