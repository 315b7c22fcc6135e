"""Seconds that a simulation takes: the shop of ten services over six hours, and generated systems of any size."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import results

from hypocenter.simulator import generate_scenario, read_scenario, simulate

if TYPE_CHECKING:
    from hypocenter.simulator import Scenario

SHOP = Path(__file__).parents[1] / "fixtures" / "scenarios" / "shop.scenario"
SIZES = (10, 50, 100, 500)
REPETITIONS = 3
NOTE = "Median of three runs, each of the system with its fault and of the fault-free twin; steps of 15 s."


def main() -> None:
    """Measure the shop and every size and keep the result."""
    systems = {"shop": read_scenario(SHOP)} | {
        f"mesh of {services}": generate_scenario("mesh", services=services, seed=1) for services in SIZES
    }
    results.keep("simulator", [_row(name, scenario) for name, scenario in systems.items()], note=NOTE)


def _row(name: str, scenario: Scenario) -> results.Row:
    seconds = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        simulation = simulate(scenario, seed=1)
        seconds.append(time.perf_counter() - began)
    steps, series = simulation.metrics.values.shape
    return {
        "time": "seconds per simulation",
        "system": name,
        "components": len(simulation.components),
        "hours": steps * scenario.step / 3600,
        "series": series,
        "spans": len(simulation.spans),
        "seconds": median(seconds),
    }


if __name__ == "__main__":
    main()
