"""Write the fitted constants into the package, as a module of plain tables."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confidence_cases import Incident
    from confidence_fit import Constants, Table

FILE = Path(__file__).parents[1] / "graph" / "hypocenter_graph" / "fitted.py"
HEAD = '''"""Constants of confidence, written by `benchmarks/bench_calibration.py --fit`, and not by hand.

`BELIEFS`: per source of the scores (series, or alerts alone) the sharpness of their log-odds, the doubt that leaves
room for something else, and how doubt grows with the logarithm of the kinds of signal seen; by maximum likelihood,
simulated and real incidents weighing the same, with a weak ridge. `THRESHOLDS`: (wanted precision, least probability at
which a cause is named), by a one-sided 90 % Clopper-Pearson bound. `LIMITS`: (coverage, most probability that may stand
before a candidate), split-conformal, the larger of the limits of simulated and of real incidents. Both are taken from
probabilities by beliefs that were fitted without the data set, or the shape of simulated system, that they are of.

Incidents it was fitted on: {incidents}.
"""
'''


def write_constants(constants: Constants, incidents: Sequence[Incident], file: Path = FILE) -> None:
    """Write the constants and what they were fitted on."""
    counts = Counter(one.world for one in incidents)
    told = ", ".join(f"{count} {world}" for world, count in sorted(counts.items()))
    parts = [HEAD.format(incidents=told), "BELIEFS: dict[str, dict[str, float]] = {", *_beliefs(constants.beliefs), "}"]
    for name, tables in (("THRESHOLDS", constants.thresholds), ("LIMITS", constants.limits)):
        parts += [f"{name}: dict[str, tuple[tuple[float, float], ...]] = {{", *_tables(tables), "}"]
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _beliefs(beliefs: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = []
    for kind, own in beliefs.items():
        values = ", ".join(f'"{name}": {value:.4f}' for name, value in own.items())
        lines.append(f'    "{kind}": {{{values}}},')
    return lines


def _tables(tables: Mapping[str, Table]) -> list[str]:
    lines = []
    for kind, table in tables.items():
        if len(table) < 2:
            # As ruff formats it.
            lines.append(f'    "{kind}": ({"".join(f"({wanted:g}, {_up(value):g})," for wanted, value in table)}),')
            continue
        lines += [f'    "{kind}": (', *(f"        ({wanted:g}, {_up(value)})," for wanted, value in table), "    ),"]
    return lines


def _up(value: float) -> float:
    """Round up: a limit that is rounded down covers less than it promises."""
    return math.ceil(value * 1e4 - 1e-6) / 1e4
