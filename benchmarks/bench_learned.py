"""Edges suggested from metrics alone, against graphs that are known, beside plain correlation and chance."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import results

from hypocenter.model import DependencyType, MetricKind, Series
from hypocenter.readers.case_folder import read_case_folder
from hypocenter.readers.folders import case_folders
from hypocenter.signals import resolve
from hypocenter.simulator import generate_scenario, simulate
from hypocenter.simulator.shapes import SHAPES
from hypocenter.telemetry import Case, SeriesTable
from hypocenter_graph.discover import learned
from hypocenter_graph.discover.dependence import latency_ratio, strengths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.model import Dependency
    from hypocenter.telemetry import Signals, Values

    Pairs = Sequence[tuple[int, int]]

FIRST_SEED = 60_000
SIMULATED = 40
LENGTH_S = 4 * 3600.0
FEWEST_SERVICES, MOST_SERVICES = 6, 40
OURS, CORRELATION, ORDERED, CHANCE = "hypocenter", "traffic correlation", "correlation, slower calls", "random pairs"
COMPONENTS, ROWS = 200, 10_000
LEAST_STRENGTH = 0.01
NEWTON_STEPS = 15
BANDS = (0.2, 0.3, 0.4, learned.MOST_CONFIDENCE + 1e-9)
NOTE = (
    "Traffic and latency alone, of fault-free days or, where there is none, of the cases; what spans and labels state "
    "of edges is not read. Every table of at least 60 rows is a system of its own; only calls between components whose "
    "traffic or latency moves are counted. Right: caller and callee; either way: the arrow may be reversed; found: the "
    "share of all calls; said: the mean confidence; left out: what would be said if the three constants of the "
    "confidence were fitted without that data set. The others suggest as many pairs, the strongest first; the arrow of "
    "plain correlation is drawn by lot (expected values). Simulated systems have 6 to 40 services in four shapes, from "
    "seeds on which nothing was chosen."
)


@dataclass(frozen=True)
class System:
    """A system of known graph: `calls` and `strength` are [caller, callee], `suggested` are pairs of places in them."""

    dataset: str
    blocks: learned.Blocks
    calls: NDArray[np.bool_]
    strength: Values
    suggested: tuple[tuple[int, int], ...]
    confidence: Values

    @property
    def either_way(self) -> NDArray[np.bool_]:
        """The calls and their reverses."""
        return self.calls | self.calls.T


def main() -> None:
    """Measure every data set and the simulated systems, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ (default: HYPOCENTER_DATA)")
    cases = results.data_folder(parser.parse_args().data) / "cases"
    systems = [*_labelled(cases), *_simulated()]
    results.keep("learned", [*_accuracy(systems), *_calibration(systems), _time()], note=NOTE)


def _labelled(cases: Path) -> Iterator[System]:
    for dataset in sorted(path for path in cases.iterdir() if path.is_dir()):
        print(f"reading {dataset.name}", file=sys.stderr)
        found = [resolve(read_case_folder(folder)) for folder in case_folders(dataset)]
        edges = [d for signals in found for d in signals.dependencies if d.source == "declared"]
        calm = {_when(table): table for signals in found for table in signals.reference}
        if calm:
            yield from _systems(dataset.name, ((table, edges) for table in calm.values()))
        else:
            yield from _systems(dataset.name, _own(found))


def _when(table: SeriesTable) -> tuple[str, int, str]:
    return str(table.times[0]) if len(table.times) else "", len(table.times), table.modality


def _own(found: Iterable[Signals]) -> Iterator[tuple[SeriesTable, Sequence[Dependency]]]:
    for signals in found:
        declared = [d for d in signals.dependencies if d.source == "declared"]
        yield from ((table, declared) for table in signals.tables)


def _simulated() -> Iterator[System]:
    for number in range(SIMULATED):
        draw = np.random.default_rng(FIRST_SEED + number)
        shape = SHAPES[number % len(SHAPES)]
        services = int(draw.integers(FEWEST_SERVICES, MOST_SERVICES + 1))
        scenario = generate_scenario(shape, services, FIRST_SEED + number, "none", length=LENGTH_S)
        made = simulate(scenario, FIRST_SEED + number)
        signals = resolve(Case("simulated", metrics=made.metrics, components=made.components))
        yield from _systems("simulated, unseen", ((table, made.dependencies) for table in signals.tables))


def _systems(dataset: str, tables: Iterable[tuple[SeriesTable, Sequence[Dependency]]]) -> Iterator[System]:
    """Yield what can be measured: tables where enough moves and calls between what moves are known."""
    for table, dependencies in tables:
        blocks = learned.read_blocks([table])
        place = {name: number for number, name in enumerate(blocks.moving)}
        calls = np.zeros((len(place), len(place)), dtype=bool)
        for d in dependencies:
            if d.type is DependencyType.CALLS and d.caller in place and d.callee in place and d.caller != d.callee:
                calls[place[d.caller], place[d.callee]] = True
        if len(place) >= learned.FEWEST_COMPONENTS and calls.any():
            claims = learned.discover_learned([table]).dependencies
            pairs = tuple((place[claim.caller], place[claim.callee]) for claim in claims)
            sure = np.array([claim.confidence for claim in claims])
            yield System(dataset, blocks, calls, strengths(blocks.load, blocks.latency), pairs, sure)


def _accuracy(systems: Sequence[System]) -> Iterator[results.Row]:
    for dataset in dict.fromkeys(system.dataset for system in systems):
        own = [system for system in systems if system.dataset == dataset]
        head = f"{dataset}, {len(own)} {'system' if len(own) == 1 else 'systems'}"
        fit = _fitted([system for system in systems if system.dataset != dataset])
        yield _row(head, OURS, _counts(own, [s.suggested for s in own])) | {
            "said": _mean(np.concatenate([s.confidence for s in own])),
            "said, left out": _mean(np.concatenate([_said(s, fit) for s in own])),
        }
        yield from (_row(head, method, counts) for method, counts in _baselines(own))


def _baselines(systems: Sequence[System]) -> Iterator[tuple[str, Counts]]:
    """Yield what would be right among as many suggestions of other kinds."""
    plain = _counts(systems, [_most_correlated(s, by_latency=False) for s in systems])
    yield CORRELATION, replace(plain, right=plain.either_way / 2)
    yield ORDERED, _counts(systems, [_most_correlated(s, by_latency=True) for s in systems])
    yield (
        CHANCE,
        replace(
            plain,
            right=sum(len(s.suggested) * _density(s.calls) for s in systems),
            either_way=sum(len(s.suggested) * _density(s.either_way) for s in systems),
        ),
    )


def _most_correlated(system: System, *, by_latency: bool) -> Pairs:
    """Return as many pairs as were suggested; with `by_latency` the slower of two calls, where that is known."""
    import pandas as pd

    correlation = pd.DataFrame(np.vstack(system.blocks.load)).corr(min_periods=10).abs().fillna(0).to_numpy()
    ratio = latency_ratio(system.blocks.latency)
    first, second = np.triu_indices(len(correlation), 1)
    order = np.argsort(-correlation[first, second], kind="stable")[: len(system.suggested)]
    pairs = [(int(first[i]), int(second[i])) for i in order]
    return [(b, a) if by_latency and ratio[a, b] < 0 else (a, b) for a, b in pairs]


@dataclass(frozen=True)
class Counts:
    """How many pairs were suggested, are right, are right either way, and how many calls there are."""

    suggested: int
    right: float
    either_way: float
    calls: int


def _counts(systems: Sequence[System], suggested: Sequence[Pairs]) -> Counts:
    both = [(system, pair) for system, pairs in zip(systems, suggested, strict=True) for pair in pairs]
    return Counts(
        suggested=len(both),
        right=sum(bool(system.calls[pair]) for system, pair in both),
        either_way=sum(bool(system.either_way[pair]) for system, pair in both),
        calls=sum(int(system.calls.sum()) for system in systems),
    )


def _row(dataset: str, method: str, counts: Counts) -> results.Row:
    return {
        "data set": dataset,
        "method": method,
        "suggested": counts.suggested,
        "right": counts.right / counts.suggested if counts.suggested else None,
        "either way": counts.either_way / counts.suggested if counts.suggested else None,
        "found": counts.right / counts.calls if counts.calls else None,
        "said": None,
        "said, left out": None,
        "seconds": None,
    }


def _density(calls: NDArray[np.bool_]) -> float:
    return float(calls.sum() / (calls.size - len(calls)))


def _mean(values: Values) -> float | None:
    return float(values.mean()) if len(values) else None


def _calibration(systems: Sequence[System]) -> Iterator[results.Row]:
    """Yield, for each band of confidence, how much was right and what was said, over all systems."""
    said = np.concatenate([system.confidence for system in systems])
    right = np.array([system.calls[pair] for system in systems for pair in system.suggested], dtype=float)
    for low, high in pairwise(BANDS):
        inside = (said >= low) & (said < high)
        band = Counts(int(inside.sum()), float(right[inside].sum()), 0, 0)
        row = _row("all, by confidence", f"{low:.1f} to {high:.1f}", band)
        yield row | {"either way": None, "said": _mean(said[inside])}


def _time() -> results.Row:
    """Return how long a large system takes, from tables to suggestions."""
    random = np.random.default_rng(FIRST_SEED)
    kinds = ((MetricKind.TRAFFIC, "rate"), (MetricKind.LATENCY, "mean"))
    series = [Series(f"c{n:03d}", kind.value, kind, stat=stat) for n in range(COMPONENTS) for kind, stat in kinds]
    times = np.datetime64("2026-03-01", "ns") + np.arange(ROWS) * np.timedelta64(60, "s")
    table = SeriesTable(tuple(series), times, random.gamma(5, 1, (ROWS, len(series))))
    began = perf_counter()
    found = learned.discover_learned([table])
    seconds = perf_counter() - began
    row = _row(f"{COMPONENTS} independent components, {ROWS} rows", OURS, Counts(len(found.dependencies), 0, 0, 0))
    return row | {"right": None, "either way": None, "seconds": seconds}


def _fitted(systems: Sequence[System]) -> Values:
    """Fit the constants of the confidence; a data set weighs by the root of its number of pairs."""
    sizes: dict[str, int] = {}
    chosen = [np.nonzero((s.strength > LEAST_STRENGTH) & (s.strength > s.strength.T)) for s in systems]
    for system, (rows, _) in zip(systems, chosen, strict=True):
        sizes[system.dataset] = sizes.get(system.dataset, 0) + len(rows)
    both = list(zip(systems, chosen, strict=True))
    features = np.vstack([_features(system.strength[pairs], len(system.calls)) for system, pairs in both])
    right = np.concatenate([system.calls[pairs] for system, pairs in both])
    weights = np.concatenate([np.full(len(pairs[0]), sizes[s.dataset] ** -0.5) for s, pairs in both])
    return _logistic(features, right.astype(float), weights)


def _features(strength: Values, size: int) -> Values:
    return np.column_stack([np.ones(len(strength)), np.log(strength), np.full(len(strength), np.log(size))])


def _logistic(features: Values, right: Values, weights: Values) -> Values:
    """Fit log odds by Newton's method."""
    fit = np.zeros(features.shape[1])
    for _ in range(NEWTON_STEPS):
        share = 1 / (1 + np.exp(-features @ fit))
        slope = features.T @ (weights * (right - share))
        curvature = (features * (weights * share * (1 - share))[:, None]).T @ features
        fit = fit + np.linalg.solve(curvature, slope)
    return fit


def _said(system: System, fit: Values) -> Values:
    chosen = np.array([system.strength[pair] for pair in system.suggested])
    share = 1 / (1 + np.exp(-_features(chosen, len(system.calls)) @ fit))
    return np.asarray(np.minimum(share, learned.MOST_CONFIDENCE))


if __name__ == "__main__":
    main()
