"""Tables of peers beside ours: a data set a table where the start is told, all cases pooled under other conditions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import rca_conditions
from bench_rca import POOLED, as_row

from hypocenter_workers.evaluate import OURS
from hypocenter_workers.scoreboard import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from results import Row

    from hypocenter_workers.evaluate import Outcome

FIGURES = ("AC@1", "AC@1 95 %", "AC@3", "AC@5", "Avg@5", "Avg@5 95 %", "ms")


def tables(outcomes: Sequence[Outcome], order: Sequence[str]) -> list[Row]:
    """Return a row per condition, data set and method, the conditions in an order; those not to be drawn untitled."""
    pooled = [replace(one, dataset=POOLED, case_id=f"{one.dataset} {one.case_id}") for one in outcomes]
    sets = _split([*outcomes, *pooled])
    places = [(dataset, condition) for condition in order for dataset in dict.fromkeys(name for name, _ in sets)]
    return [row for place in places if place in sets for row in _table(*place, sets[place])]


def _split(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], list[Outcome]]:
    found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.dataset, outcome.condition].append(outcome)
    return found


def _table(dataset: str, condition: str, outcomes: Sequence[Outcome]) -> Iterator[Row]:
    told = condition == rca_conditions.TRUE.name
    title = f"{dataset}, {condition}" if told or dataset == POOLED else None
    for row in (row for group in _beside_ours(outcomes) for row in rows(group) if row.fault_type is None):
        head = {"table": title, "data set": None, "condition": None, "method": row.method, "cases": row.cases}
        if title is None:
            head |= {"data set": dataset, "condition": condition}
        figures = as_row(row)
        yield {**head, **{name: figures[name] for name in FIGURES}}


def _beside_ours(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Group methods that were asked about the same cases, most cases first, each group led by ours on these cases."""
    methods: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for outcome in outcomes:
        methods[outcome.method][outcome.case_id] = outcome
    ours = methods.pop(OURS, {})
    groups: dict[frozenset[str], list[Outcome]] = defaultdict(list)
    for answers in methods.values():
        groups[frozenset(answers)] += answers.values()
    ordered = sorted(groups, key=lambda cases: (-len(cases), sorted(cases)))
    return [[*(ours[case] for case in sorted(cases) if case in ours), *groups[cases]] for cases in ordered]
