"""Milliseconds of a ranking by number of components, the first call in a process included."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import results

from hypocenter.model import Component, Dependency, MetricKind, Series
from hypocenter.telemetry import Case, SeriesTable, Signals
from hypocenter_graph.rank import Context, rank_over
from hypocenter_graph.topology import build_topology
from hypocenter_workers.detect.anomalies import instant
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.starts import Movements, plausible_starts

if TYPE_CHECKING:
    from collections.abc import Callable

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
    "Made systems with noise in every series and one component that is unwell; 240 rows at 30 s. Rank is the ranking "
    "over all starts that are tried, from what was measured; measure is how far each series moved, from every start; "
    "investigate is both and all that the verdict says, without the robustness ladder. Every size runs in a process of "
    "its own: the first call loads what is needed, later is the median of three more."
)


def main() -> None:
    """Measure every size in a process of its own and keep the result, or one size where it is named."""
    if len(sys.argv) > 2:
        print(*_measured(int(sys.argv[1]), int(sys.argv[2])))
        return
    results.keep("rank", [_row(components, metrics) for components, metrics in SIZES], note=NOTE)


def _row(components: int, metrics: int) -> results.Row:
    told = subprocess.run(
        [sys.executable, __file__, str(components), str(metrics)], capture_output=True, text=True, check=True
    )
    figures = [float(figure) for figure in told.stdout.split()]
    names = [f"{work}, {call}" for work in ("rank", "measure", "investigate") for call in ("first", "later")]
    head = {"time": "milliseconds", "components": components, "metrics each": metrics, "starts": int(figures[0])}
    return head | dict(zip(names, figures[1:], strict=True))


def _measured(components: int, metrics: int) -> list[float]:
    made = signals(components, metrics)
    topology = build_topology(made.components, made.dependencies)
    moments = plausible_starts(made.tables, instant(AT))
    measure = _timed(lambda: Movements(made).around(moments))
    starts = Movements(made).around(moments)
    rank = _timed(lambda: rank_over(starts, topology, Context()))
    whole = _timed(lambda: investigate(Case("made"), Options(at=AT, ladder=False), resolved=made))
    return [len(moments), *rank, *measure, *whole]


def _timed(work: Callable[[], object]) -> tuple[float, float]:
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
