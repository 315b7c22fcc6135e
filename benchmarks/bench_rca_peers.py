"""Other methods of root-cause ranking beside ours, on the metrics of the labelled cases."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import rca_conditions
import results
from bench_rca import as_row
from rca_child import Tally, interpreter
from rca_peers import SLOW, available

from hypocenter_workers import truth
from hypocenter_workers.evaluate import OURS, evaluate
from hypocenter_workers.scoreboard import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hypocenter_workers.evaluate import Method

EVERY = 8
PACKAGES = ("fse-baro", "sfr-pyrca", "RCAEval")
NOTE = (
    "Every method is told when the case began and is given the metrics, as components' series, and the call graph; "
    "Hypocenter is given the spans and log lines, too, where a case has them. Ties are broken by lot. A case for which "
    "a method gives no answer within a minute counts as a miss. Methods that take long were asked about a part of the "
    "cases only: compare rows with the same number of cases. docs/evaluation.md says how each method was run."
)


def main() -> None:
    """Ask every peer about every case, slow ones about some, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ (default: HYPOCENTER_DATA)")
    parser.add_argument("--every", type=int, default=EVERY, help="slow methods are asked about each so many-th case")
    given = parser.parse_args()
    tally = Tally()
    peers = available(tally)
    quick = {name: peer for name, peer in peers.items() if name not in SLOW}
    cases = [source.path for source in truth.sources(results.data_folder(given.data) / "cases")]
    slow = {name: peer for name, peer in peers.items() if name in SLOW}
    kept = [*_measured(cases, quick), *_measured(cases[:: given.every], slow)]
    unanswered = "; ".join(tally.lines()) or "none"
    results.keep("rca_peers", kept, note=f"{NOTE} Without an answer: {unanswered}. {_versions()}")


def _measured(cases: Sequence[Path], peers: Mapping[str, Method]) -> Iterator[results.Row]:
    told = partial(print, file=sys.stderr, flush=True)
    outcomes = evaluate(cases, (OURS,), conditions=(rca_conditions.TRUE,), extra=peers, progress=told)
    for row in rows(o for o in outcomes if o.method in (OURS, *peers) and o.level == "component"):
        if row.fault_type is None:
            yield {"data set": row.dataset, "method": row.method, "cases": row.cases, **_figures(as_row(row))}


def _figures(row: results.Row) -> results.Row:
    return {name: row[name] for name in ("AC@1", "AC@1 95 %", "AC@3", "AC@5", "Avg@5", "Avg@5 95 %", "ms")}


def _versions() -> str:
    """Say which versions of the packages answered."""
    python = interpreter()
    if python is None:
        return "The packages were not installed."
    site = sorted(str(path) for path in python.parent.parent.glob("lib/python*/site-packages"))
    found = {d.metadata["Name"]: d.version for d in distributions(path=site)}
    return "Packages: " + ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found) + "."


if __name__ == "__main__":
    main()
