"""Milliseconds of an investigation on simulated systems of growing size, beside the cheapest baseline."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import results

from hypocenter.readers import read_cases
from hypocenter.signals import resolve
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter_workers.baselines import Situation, nsigma
from hypocenter_workers.investigate import Options, investigate

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (5, 10, 20, 50, 100, 200, 500)
REPETITIONS = 3
NOTE = (
    "Meshes of generated services, two hours at 15 s, with one fault; medians of three runs. Signals are names, units "
    "and rates alone; investigate is signals, detection, ranking and verdict; nsigma is signals and that baseline."
)


def main() -> None:
    """Measure every size and keep the result."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(services, Path(folder)) for services in SIZES]
    results.keep("pipeline", rows, note=NOTE)


def _row(services: int, folder: Path) -> results.Row:
    simulation = simulate(generate_scenario("mesh", services=services, seed=1), seed=1)
    path = write_case(simulation, folder / f"mesh-{services}")
    read_ms, case = _median_ms(lambda: next(iter(read_cases(path))))
    signals_ms, signals = _median_ms(lambda: resolve(case))
    nsigma_ms, _ = _median_ms(lambda: nsigma(Situation(case, signals, case.started_at)))
    told_ms, _ = _median_ms(lambda: investigate(case, Options(at=case.started_at)))
    found_ms, _ = _median_ms(lambda: investigate(case, Options()))
    return {
        "time": "milliseconds per investigation",
        "services": services,
        "components": len(simulation.components),
        "series": simulation.metrics.values.shape[1],
        "read": read_ms,
        "signals": signals_ms,
        "investigate, told the start": told_ms,
        "investigate, start found": found_ms,
        "nsigma": signals_ms + nsigma_ms,
        "told / nsigma": told_ms / (signals_ms + nsigma_ms),
    }


def _median_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    spent = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        result = work()
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent), result


if __name__ == "__main__":
    main()
