"""Train the model that ships with the package, on simulated incidents: `make cold-start [DATA=folder]`.

Incidents that the folder lacks are simulated first, which takes an hour or two; those that are there are used again.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from confidence_cases import simulate_incidents

from hypocenter.cli_models_show import card_lines
from hypocenter.simulator.shapes import SHAPES
from hypocenter_workers.learn.from_history import examples
from hypocenter_workers.learn.model_file import write_model
from hypocenter_workers.learn.serving import COLD_START
from hypocenter_workers.learn.training import train

INCIDENTS = 240


def main(folder: Path, incidents: int = INCIDENTS) -> None:
    """Write the model into the package, with a word on how well it does."""
    simulate_incidents(folder, incidents)
    cases = [folder / SHAPES[number % len(SHAPES)] / f"{number:05d}" for number in range(incidents)]
    model = train(examples(cases, progress=tell), datetime.now(UTC), simulated=True, progress=tell)
    write_model(COLD_START, model)
    print(*card_lines(model.card), f"{COLD_START}: {COLD_START.stat().st_size:,} bytes", sep="\n")


def tell(text: str) -> None:
    """Say what is being done."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".cold-start"))
