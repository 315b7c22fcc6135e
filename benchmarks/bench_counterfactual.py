"""Counterfactuals beside what truly happens without the fault: every simulated incident has a fault-free twin."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import results

from hypocenter import signals
from hypocenter.readers.case_folder import read_case_folder
from hypocenter.simulator import generate_scenario, simulate, write_case
from hypocenter.simulator.faults import FAULTS
from hypocenter.simulator.shapes import SHAPES
from hypocenter_workers.detect.anomalies import instant
from hypocenter_workers.investigate import Options, investigate
from hypocenter_workers.without import Telemetry, levels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hypocenter.model import Counterfactual, Verdict

FIRST_SEED = 60_000
LENGTH_S = 7200.0
FEWEST, MOST = 6, 40
NOTE = (
    "Generated systems of 6 to 40 services in four shapes, every fault type in turn, two hours at 15 s with the fault "
    "in the last half hour, and decoys; nothing was chosen with sight of these seeds. `said`: the true root is among "
    "the first three suspects and has a counterfactual. `covered`: of those, where the symptom's level in the "
    "fault-free twin, which met the same load and the same chance, lies within the stated 90 % interval; `95 %` is the "
    "interval of that share itself. `width`: of the stated interval, as a share of the difference that the suspect "
    "makes, median."
)


@dataclass(frozen=True)
class Said:
    """What was said of one incident's true root, None where nothing was, and the twin's level, where it is known."""

    start: str
    fault_type: str
    counterfactual: Counterfactual | None
    truth: float | None


def main() -> None:
    """Simulate, investigate with the start told and found, compare with the twins and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=220)
    parser.add_argument("--folder", type=Path, help="where simulated incidents are kept, to be used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        said = [one for number in range(arguments.incidents) for one in _said(_written(number, folder))]
    results.keep("counterfactual", rows(said), note=NOTE)


def _written(number: int, folder: Path) -> Path:
    print(f"incident {number + 1}", file=sys.stderr)
    case = folder / f"{number:04d}"
    if not case.exists():
        seed = FIRST_SEED + number
        draw = np.random.default_rng(seed)
        shape, services = list(SHAPES)[int(draw.integers(len(SHAPES)))], int(draw.integers(FEWEST, MOST + 1))
        fault = list(FAULTS)[number % len(FAULTS)]
        write_case(simulate(generate_scenario(shape, services, seed, fault, length=LENGTH_S), seed), case)
    return case


def _said(folder: Path) -> list[Said]:
    case, truth = read_case_folder(folder), json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    found = []
    for start, at in (("told", case.started_at), ("found", None)):
        verdict = investigate(case, Options(at=at, ladder=False)).verdict
        known = _of_root(verdict, truth["root_components"])
        level = _in_twin(folder, known.series, verdict.onset) if known and verdict.onset else None
        found.append(Said(start, truth["fault_type"], known, level))
    return found


def _of_root(verdict: Verdict, roots: Sequence[str]) -> Counterfactual | None:
    return next((s.counterfactual for s in verdict.suspects if s.component in roots and s.counterfactual), None)


def _in_twin(folder: Path, series: str, onset: datetime) -> float | None:
    """Return the level of a series in the twin over the same rows; None of spans, which a twin does not have."""
    with tempfile.TemporaryDirectory() as temporary:
        shutil.copy(folder / "case.json", temporary)
        shutil.copy(folder / "truth_metrics.parquet", Path(temporary) / "metrics.parquet")
        resolved = signals.resolve(read_case_folder(Path(temporary)))
    seen = Telemetry(resolved.tables, instant(onset))
    same = [s for table in resolved.tables for s in table.series if s.name == series]
    known = levels(same[0], seen, by_load=False) if same else None
    return known.observed if known else None


def rows(said: Sequence[Said]) -> list[results.Row]:
    """Return a row for all and one per fault type, for either way of knowing the start."""
    kinds = [None, *sorted({one.fault_type for one in said})]
    return [
        _row(start, kind, [one for one in said if one.start == start and kind in (None, one.fault_type)])
        for start in ("told", "found")
        for kind in kinds
    ]


def _row(start: str, kind: str | None, said: Sequence[Said]) -> results.Row:
    known = [(one.counterfactual, one.truth) for one in said if one.counterfactual and one.truth is not None]
    covered = sum(told.low <= truth <= told.high for told, truth in known)
    widths = [(told.high - told.low) / abs(told.observed - told.expected) for told, _ in known]
    return {
        "start": start,
        "fault type": kind or "all",
        "incidents": len(said),
        "said": sum(one.counterfactual is not None for one in said),
        "with a twin": len(known),
        "covered": covered / len(known) if known else None,
        "95 %": _interval(covered, len(known)),
        "width": float(np.median(widths)) if widths else None,
    }


def _interval(covered: int, of: int) -> str | None:
    from scipy.stats import binomtest

    if of == 0:
        return None
    interval = binomtest(covered, of).proportion_ci(0.95, method="wilson")
    return f"{interval.low:.2f} to {interval.high:.2f}"


if __name__ == "__main__":
    main()
