"""Milliseconds of a ranking by number of components, the first call in a process included."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
import results

from hypocenter.model import Component, Dependency, MetricKind, Series
from hypocenter.telemetry import Case, SeriesTable, Signals
from hypocenter_graph.rank import Context, rank_over
from hypocenter_graph.topology import build_topology
from hypocenter_workers.detect.anomalies import instant
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.starts import Movements, plausible_starts

Work = Callable[[], object]
SIZES = ((50, 30), (1_000, 10), (10_000, 3))
KINDS = (
    (MetricKind.CPU, "cores", "last"),
    (MetricKind.MEMORY, "bytes", "last"),
    (MetricKind.LATENCY, "s", "p50"),
    (MetricKind.LATENCY, "s", "p95"),
    (MetricKind.ERRORS, "share", "last"),
    (MetricKind.TRAFFIC, "1/s", "rate"),
)
ROWS, BEGINS, STEP_S = 240, 180, 30
AT = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
NOTE = (
    "Made systems with noise in every series and one component that is unwell; 240 rows at 30 s; starts are moments "
    "of beginning that are tried. Rank is the ranking over all of them, from what was measured; measure and rank also "
    "measures how far each series moved, from every start; investigate is all that a verdict says, without or with the "
    "robustness ladder. Each row runs in a process of its own, which has imported the investigation: the first call "
    "loads what else it needs, later is the median of three more."
)


def main() -> None:
    """Measure all work on every size, each in a process of its own, and keep the result; or one where it is named."""
    if len(sys.argv) > 3:
        print(*_measured(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
        return
    results.keep("rank", [_row(*size, work) for size in SIZES for work in WORKS], note=NOTE)


def _row(components: int, metrics: int, work: str) -> results.Row:
    command = [sys.executable, __file__, str(components), str(metrics), work]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    starts, first, later = told.stdout.split()
    size: results.Row = {"components": components, "metrics each": metrics, "starts": int(starts)}
    return {"time": "milliseconds"} | size | {"work": work, "first call": float(first), "later": float(later)}


def _measured(components: int, metrics: int, work: str) -> tuple[int, float, float]:
    made = signals(components, metrics)
    return len(plausible_starts(made.tables, instant(AT))), *_timed(WORKS[work](made))


def _rank(made: Signals) -> Work:
    topology = build_topology(made.components, made.dependencies)
    starts = Movements(made).around(plausible_starts(made.tables, instant(AT)))
    # A start keeps what it shows, so each call has its own.
    return lambda: rank_over([replace(start) for start in starts], topology, Context())


def _measure_and_rank(made: Signals) -> Work:
    topology = build_topology(made.components, made.dependencies)
    return lambda: rank_over(Movements(made).around(plausible_starts(made.tables, instant(AT))), topology, Context())


def _investigate(made: Signals, *, ladder: bool = False) -> Work:
    return lambda: investigate(Case("made"), Options(at=AT, ladder=ladder), resolved=made)


WORKS: dict[str, Callable[[Signals], Work]] = {
    "rank": _rank,
    "measure and rank": _measure_and_rank,
    "investigate, without the ladder": _investigate,
    "investigate, with the ladder": partial(_investigate, ladder=True),
}


def _timed(work: Work) -> tuple[float, float]:
    """Return the milliseconds of the first call, and the median of three more."""
    spent = []
    for _ in range(4):
        began = time.perf_counter()
        work()
        spent.append((time.perf_counter() - began) * 1000)
    return spent[0], sorted(spent[1:])[1]


def signals(components: int, metrics: int) -> Signals:
    """Return a layered system in which the component in the middle is unwell from the 180th row on."""
    random = np.random.default_rng(0)
    names = [f"c{number:05d}" for number in range(components)]
    series = tuple(Series(name, f"m{j}", *KINDS[j % len(KINDS)]) for name in names for j in range(metrics))
    times = np.datetime64("2026-03-01T00:00", "ns") + np.arange(ROWS) * np.timedelta64(STEP_S, "s")
    values = 1 + 0.05 * random.standard_normal((ROWS, len(series)))
    unwell = components // 2 * metrics
    values[BEGINS:, unwell : unwell + metrics] += 3
    callers = [int(random.integers(0, number)) for number in range(1, components) for _ in range(3)]
    edges = tuple(Dependency(names[c], names[1 + place // 3]) for place, c in enumerate(callers))
    return Signals((SeriesTable(series, times, values),), (), edges, tuple(map(Component, names)))


if __name__ == "__main__":
    main()
