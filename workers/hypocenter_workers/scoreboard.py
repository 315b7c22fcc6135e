"""What an evaluation says: outcomes averaged per data set and fault type, as a table to read and as JSON."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from hypocenter_workers.evaluate import OURS
from hypocenter_workers.scoring import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypocenter_workers.evaluate import Outcome

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Score:
    """The mean of a measure over cases and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one data set, level and fault type (None: all); `ms` is the median milliseconds per case.

    `abstained` is the share of cases without a named cause, `precision` the share of named causes that are a root,
    `brier` the mean squared error of the first suspect's probability; None where a method states no such thing.
    """

    dataset: str
    level: str
    fault_type: str | None
    method: str
    cases: int
    ac1: Score
    ac3: Score
    ac5: Score
    avg5: Score
    ms: float
    abstained: float | None
    precision: float | None
    brier: float | None


def rows(outcomes: Iterable[Outcome], seed: int = 0) -> tuple[Row, ...]:
    """Average outcomes per data set, level, fault type and method; the rows of all fault types come first."""
    groups: dict[tuple[str, str, str | None, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for fault_type in (None, outcome.fault_type):
            groups[outcome.dataset, outcome.level, fault_type, outcome.method].append(outcome)
    found = [_row(*key, group, seed) for key, group in groups.items()]
    return tuple(sorted(found, key=lambda row: (row.dataset, row.level, row.fault_type or "")))


def _row(dataset: str, level: str, fault_type: str | None, method: str, outcomes: Sequence[Outcome], seed: int) -> Row:
    ac1, ac3, ac5 = (_score([outcome.hits[cut - 1] for outcome in outcomes], seed) for cut in (1, 3, 5))
    avg5 = _score([fmean(outcome.hits) for outcome in outcomes], seed)
    return Row(
        *(dataset, level, fault_type, method, len(outcomes)),
        *(ac1, ac3, ac5, avg5, median(outcome.ms for outcome in outcomes)),
        abstained=_mean(float(outcome.abstained) for outcome in outcomes if outcome.abstained is not None),
        precision=_mean(float(outcome.cause_hit) for outcome in outcomes if outcome.cause_hit is not None),
        brier=_mean(
            (outcome.probability - (outcome.top in outcome.roots)) ** 2
            for outcome in outcomes
            if outcome.probability is not None
        ),
    )


def _score(samples: Sequence[float], seed: int) -> Score:
    return Score(fmean(samples), *bootstrap_interval(samples, seed))


def _mean(samples: Iterable[float]) -> float | None:
    known = list(samples)
    return fmean(known) if known else None


def evaluation_to_json(outcomes: Sequence[Outcome], seed: int = 0) -> dict[str, Any]:
    """Return the rows and every single outcome as plain JSON values."""
    return {"rows": [asdict(row) for row in rows(outcomes, seed)], "cases": [asdict(outcome) for outcome in outcomes]}


def evaluation_to_text(outcomes: Sequence[Outcome], seed: int = 0) -> str:
    """Return one table per data set and level: every method, then our method by fault type."""
    blocks: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows(outcomes, seed):
        blocks[row.dataset, row.level].append(row)
    return "\n\n".join(_block(dataset, level, block) for (dataset, level), block in blocks.items())


def _block(dataset: str, level: str, block: Sequence[Row]) -> str:
    overall = [row for row in block if row.fault_type is None]
    title = f"{dataset}, {overall[0].cases} cases" + ("" if level == "component" else f", by {level}")
    heads = ("method", "AC@1", "95 %", "AC@3", "AC@5", "Avg@5", "95 %", "ms", "abstained", "precision", "Brier")
    lines = [[row.method, *_cells(row)] for row in overall] + [
        [f"  {row.fault_type} ({row.cases})", *_cells(row)] for row in _by_fault_type(block)
    ]
    return "\n".join([title, *aligned([list(heads), *lines])])


def _by_fault_type(block: Sequence[Row]) -> list[Row]:
    """Return our method's rows by fault type, where types repeat: a type seen once says nothing by itself."""
    return [row for row in block if row.fault_type is not None and row.method == OURS and row.cases > 1]


def _cells(row: Row) -> list[str]:
    shown = (row.abstained, row.precision, row.brier)
    return [
        *(f"{row.ac1.mean:.3f}", _interval(row.ac1), f"{row.ac3.mean:.3f}", f"{row.ac5.mean:.3f}"),
        *(f"{row.avg5.mean:.3f}", _interval(row.avg5), f"{row.ms:.0f}"),
        *("-" if value is None else f"{value:.2f}" for value in shown),
    ]


def _interval(score: Score) -> str:
    return f"{score.low:.2f}-{score.high:.2f}"


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Pad cells to columns, the first column to the left and the others to the right.

    >>> aligned([["method", "AC@1"], ["random", "0.1"]])
    ['method  AC@1', 'random   0.1']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
