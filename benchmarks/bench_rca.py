"""Accuracy on labelled data: told the true start beside the trivial baselines, and under worse conditions."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import rca_conditions
import results

from hypocenter_workers.evaluate import METHODS, OURS, evaluate
from hypocenter_workers.scoreboard import Row, Score, rows
from hypocenter_workers.scoring import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from hypocenter_workers.evaluate import Condition, Outcome

TRUE = rca_conditions.TRUE.name
POOLED = "all cases with metrics"
NOTE = (
    "Unless a condition says otherwise every method is told when the case began. Ties are broken by lot (expected "
    "values); the ranges are 95 % bootstrap intervals; ms is the median per case, from telemetry in memory to the "
    "ranking. One configuration for all data sets; some of its constants were chosen with sight of these cases. A "
    "start that is off is off by a row of the metrics at least (petshop: always 5 min). Where the start is found, it "
    "is Hypocenter that finds it, and the others, which have no detector, are told what it found. Traces are spans and "
    "what was counted of them per minute; alerts belong to the modality that they are on. Without the declared graph "
    "what spans and labels show of it is left; without topology that is gone too, and with it every series of a call "
    "between two components. Series are lost, and edges wrong, by lot, other ones in each case. Cases that a condition "
    "does not change, or of which it leaves nothing, are left out; against start told is the difference on the same "
    "cases, with a paired interval. Alerts alone have no start to be told wrongly. bench-rca-peers holds other methods."
)


def main() -> None:
    """Measure every method under every condition on every data set and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with cases/ and events/ (default: HYPOCENTER_DATA)")
    folder = results.data_folder(parser.parse_args().data)
    true, starts, losses = rca_conditions.TRUE, rca_conditions.starts(), rca_conditions.losses()
    cases = measured(folder / "cases", (true, *starts, *losses))
    events = measured(folder / "events", (true, *losses))
    results.keep("rca", list(tables(cases, events)), note=NOTE)


def measured(folder: Path, conditions: Sequence[Condition]) -> tuple[Outcome, ...]:
    """Run every method over the labelled cases of a folder; nothing where there is no such folder."""
    if not folder.is_dir():
        return ()
    told = partial(print, file=sys.stderr, flush=True)
    return evaluate([folder], METHODS, conditions=conditions, progress=told)


def tables(cases: Sequence[Outcome], events: Sequence[Outcome]) -> list[results.Row]:
    """Return the rows of all tables: methods by data set, ours by condition, pooled first, and methods by condition."""
    by_method = [_placed(as_row(row)) for outcomes in (cases, events) for row in _rows(outcomes, TRUE)]
    pooled = [replace(o, dataset=POOLED, case_id=f"{o.dataset} {o.case_id}") for o in cases]
    by_condition = [row for outcomes in (pooled, cases, events) for row in _by_condition(outcomes)]
    found = [*by_method, *by_condition, *_side_by_side(pooled)]
    columns = dict.fromkeys(column for row in found for column in row)
    return [dict.fromkeys(columns) | row for row in found]


def _rows(outcomes: Iterable[Outcome], condition: str) -> list[Row]:
    found = rows(o for o in outcomes if o.condition == condition)
    return [row for row in found if row.fault_type is None]


def _by_condition(outcomes: Iterable[Outcome]) -> Iterator[results.Row]:
    """Yield a row of our method per data set and condition, a data set's rows together."""
    grouped: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        if outcome.method == OURS and outcome.level == "component":
            grouped[outcome.dataset][outcome.condition].append(outcome)
    for dataset, found in grouped.items():
        true = {o.case_id: o for o in found[TRUE]}
        for condition in _in_order(found):
            own = found[condition]
            row = {**as_row(_rows(own, condition)[0]), "data set": f"{dataset}, {OURS} by condition", "method": None}
            yield _placed(row, condition, len(own), *_against(own, true if condition != TRUE else {}))


def _in_order(conditions: Collection[str]) -> list[str]:
    every = (rca_conditions.TRUE, *rca_conditions.starts(), *rca_conditions.losses())
    return [condition.name for condition in every if condition.name in conditions]


def _side_by_side(outcomes: Sequence[Outcome]) -> Iterator[results.Row]:
    """Yield a row per cut and condition, a column per method."""
    for cut in (1, 3):
        for condition in _in_order({o.condition for o in outcomes}):
            found = _rows(outcomes, condition)
            means = {row.method: (row.ac1 if cut == 1 else row.ac3).mean for row in found}
            head = {"data set": f"{POOLED}, AC@{cut} of every method by condition", "condition": condition}
            yield {**head, "cases": found[0].cases, **means}


def _placed(
    row: results.Row,
    condition: str | None = None,
    cases: int | None = None,
    against: str | None = None,
    interval: str | None = None,
) -> results.Row:
    """Put what a row is of before its figures."""
    head = {"data set": row["data set"], "method": row["method"], "condition": condition, "cases": cases}
    return {**head, "AC@1": row["AC@1"], "against start told": against, "against 95 %": interval, **row}


def _against(own: Sequence[Outcome], true: Mapping[str, Outcome]) -> tuple[str | None, str | None]:
    """Return the mean difference of AC@1 to the true start, case by case, and its interval."""
    paired = [o.hits[0] - true[o.case_id].hits[0] for o in own if o.case_id in true]
    if not paired:
        return None, None
    low, high = bootstrap_interval(paired)
    return f"{sum(paired) / len(paired):+.3f}", f"{low:+.2f} to {high:+.2f}"


def as_row(row: Row) -> results.Row:
    """Return a row of the scoreboard as a row of a benchmark."""
    by_service = ", by service" if row.level == "service" else ""
    return {
        "data set": f"{row.dataset}, {row.cases} cases{by_service}",
        "method": row.method,
        "AC@1": row.ac1.mean,
        "AC@1 95 %": _interval(row.ac1),
        "AC@3": row.ac3.mean,
        "AC@5": row.ac5.mean,
        "Avg@5": row.avg5.mean,
        "Avg@5 95 %": _interval(row.avg5),
        "ms": row.ms,
        "abstained": row.abstained,
        "precision": row.precision,
        "Brier": row.brier,
    }


def _interval(score: Score) -> str:
    return f"{score.low:.2f}-{score.high:.2f}"


if __name__ == "__main__":
    main()
