"""Train the model that ships with the package, on simulated incidents: `make cold-start [DATA=folder]`.

Incidents that the folder lacks are simulated first, which takes an hour or two; those that are there are used again.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hypocenter.cli_models_show import card_lines
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.simulator.faults import FAULTS
from hypocenter.simulator.shapes import SHAPES
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.model_file import write_model
from hypocenter_workers.learn.serving import COLD_START
from hypocenter_workers.learn.training import train

INCIDENTS = 240
FIRST_SEED = 70_000
FEWEST, MOST = 6, 41
LENGTH_S = 7200.0


def main(folder: Path, incidents: int = INCIDENTS) -> None:
    """Write the model into the package, with a word on how well it does."""
    cases = [simulated(folder, number) for number in range(incidents)]
    model = train(examples(cases, progress=tell), datetime.now(UTC), simulated=True, progress=tell)
    write_model(COLD_START, model)
    print(*card_lines(model.card), f"{COLD_START}: {COLD_START.stat().st_size:,} bytes", sep="\n")


def simulated(folder: Path, number: int) -> Path:
    """Return a simulated case, made where it is not there; shapes, then kinds of fault take turns."""
    shape = SHAPES[number % len(SHAPES)]
    place = folder / shape / f"{number:05d}"
    if not place.exists():
        seed = FIRST_SEED + number
        services = int(np.random.default_rng(seed).integers(FEWEST, MOST))
        fault = list(FAULTS)[number // len(SHAPES) % len(FAULTS)]
        scenario = generate_scenario(shape, services, seed, fault, length=LENGTH_S)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_case(simulate(scenario, seed), place)
        tell(f"simulated {place}")
    return place


def tell(text: str) -> None:
    """Say what is being done."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".cold-start"))
