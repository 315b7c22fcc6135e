"""Accuracy when the start that methods are told is shifted, or when it has to be found in the data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import results

from hypocenter_workers.evaluate import OURS, evaluate
from hypocenter_workers.scoreboard import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hypocenter_workers.evaluate import Outcome

MINUTES = (-2, -1, 0, 1, 2)
BESIDE = ("largest-z", "nsigma", "deepest-anomalous")
NOTE = (
    "Figures are Avg@5 unless the column says AC@1. Where the start is found, it is Hypocenter that finds it, and the "
    "baselines, which have no detector, are told what it found."
)


def main() -> None:
    """Measure every shift of the start and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ (default: HYPOCENTER_DATA)")
    cases = results.data_folder(parser.parse_args().data) / "cases"
    found: list[results.Row] = []
    for minutes in MINUTES:
        found += _rows(_words(minutes), evaluate([cases], offset_s=60.0 * minutes))
    found += _rows("found in the data", evaluate([cases], start="detected"))
    results.keep("start", sorted(found, key=lambda row: str(row["data set"])), note=NOTE)


def _words(minutes: int) -> str:
    return f"told, {abs(minutes)} min {'late' if minutes > 0 else 'early'}" if minutes else "told"


def _rows(start: str, outcomes: Iterable[Outcome]) -> Iterator[results.Row]:
    scores = {(row.dataset, row.method): row for row in rows(outcomes) if row.fault_type is None}
    for dataset in dict.fromkeys(dataset for dataset, _ in scores):
        ours = scores[dataset, OURS]
        beside = {method: scores[dataset, method].avg5.mean for method in BESIDE}
        yield {"data set": dataset, "start": start, f"{OURS} AC@1": ours.ac1.mean, OURS: ours.avg5.mean} | beside


if __name__ == "__main__":
    main()
