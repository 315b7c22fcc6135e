"""Our detectors beside the methods that everybody knows and other libraries, by precision-recall area."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import detectors
import made
import methods
import nab
import numpy as np
import peers
import results
from bench_nab import nab_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nab import Floats, Labelled

    Scorers = dict[str, Callable[[Labelled], Floats]]

MADE = 3
BUFFER_ROWS = 50
VOLUME = Path(__file__).with_name("volume.py")
NOTE = (
    "Rows after the probationary 15 %, labels row by row; means over series. Average precision is the area under "
    "precision and recall, where chance scores the share of anomalous rows; VUS-PR (by aeon, buffers of up to 50 rows) "
    "forgives scores beside a label, which favours methods whose windows carry a point on. NAB's labels are windows of "
    "up to hundreds of rows around an anomaly, of which a detector speaks in a few: areas are low for all. Ours learn "
    "on from the first row; the methods are fitted to the probationary rows, and Isolation Forest to autoencoder look "
    "at windows of 8 or 16 rows. ms is per thousand rows, with fitting. Point: single rows of 6 to 10 standard "
    "deviations. Contextual: the level of noon at midnight. Collective: eight hours two standard deviations higher, or "
    "four hours without any movement."
)


@dataclass(frozen=True)
class Outcome:
    """One method's scores of one series, after the probationary rows."""

    group: str
    method: str
    labels: Floats
    scores: Floats
    ms_per_thousand: float


def main() -> None:
    """Score every group of series by every method, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="folder of labelled data, or of NAB itself")
    parser.add_argument("--made", action="store_true", help="made series only, without NAB")
    asked = parser.parse_args()
    groups = {f"{kind}, {MADE} made series": [made.series(kind, n) for n in range(MADE)] for kind in made.KINDS}
    if not asked.made:
        series = [one for one in nab.load(nab_folder(results.data_folder(asked.data))) if one.scored_windows]
        groups[f"NAB, {len(series)} series with anomalies"] = series
    scored_by = scorers()
    outcomes = [outcome for group, series in groups.items() for outcome in outcomes_of(group, series, scored_by)]
    results.keep("methods", list(rows_of(outcomes, volumes(outcomes))), note=NOTE)


def scorers() -> Scorers:
    """Return everything that scores a series: ours, the textbook's, and the peers that are installed."""
    ours = {name: partial(detectors.scores, detector) for name, detector in detectors.shipped().items()}
    return ours | {method.name: method.score for method in (*methods.METHODS, *peers.installed())}


def outcomes_of(group: str, series: Sequence[Labelled], scored_by: Scorers) -> Iterator[Outcome]:
    """Score every series by every scorer."""
    for name, score in scored_by.items():
        print(f"{group}: {name}", file=sys.stderr)
        for one in series:
            began = time.perf_counter()
            found = np.nan_to_num(np.asarray(score(one), dtype=np.float64))
            ms = (time.perf_counter() - began) * 1e6 / len(found)
            yield Outcome(group, name, one.labels[one.probation :].astype(float), found[one.probation :], ms)


def volumes(outcomes: Sequence[Outcome]) -> list[float | None]:
    """Return the VUS-PR of each outcome; None where the environment that computes it is missing, which is printed."""
    python = Path(sys.prefix) / "vus" / "bin" / "python"
    if not python.exists():
        print("skipped: VUS-PR (make peers installs aeon in an environment of its own)")
        return [None] * len(outcomes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.npz"
        arrays = {f"labels:{number}": outcome.labels for number, outcome in enumerate(outcomes)}
        arrays |= {f"scores:{number}": outcome.scores for number, outcome in enumerate(outcomes)}
        np.savez(path, allow_pickle=False, **arrays)
        command = [str(python), str(VOLUME), str(path), str(BUFFER_ROWS)]
        found: list[float | None] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def rows_of(outcomes: Sequence[Outcome], volume: Sequence[float | None]) -> Iterator[results.Row]:
    """Average the outcomes of each method over the series of a group; `volume` is each outcome's VUS-PR."""
    from sklearn.metrics import average_precision_score

    pairs = list(zip(outcomes, volume, strict=True))
    for group, method in dict.fromkeys((outcome.group, outcome.method) for outcome in outcomes):
        own = [(each, vus) for each, vus in pairs if (each.group, each.method) == (group, method)]
        yield {
            "series": group,
            "method": method,
            "average precision": float(np.mean([average_precision_score(o.labels, o.scores) for o, _ in own])),
            "VUS-PR": None if own[0][1] is None else float(np.mean([vus for _, vus in own if vus is not None])),
            "chance": float(np.mean([outcome.labels.mean() for outcome, _ in own])),
            "ms per 1000 rows": float(np.median([outcome.ms_per_thousand for outcome, _ in own])),
        }


if __name__ == "__main__":
    main()
