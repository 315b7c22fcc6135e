"""Judged incidents as tables: quality of the probabilities, abstention, candidate sets, reliability."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from confidence_cases import ALERTS, REAL, SIMULATED
from confidence_fit import COVERAGES
from confidence_measures import (
    bins_of,
    bootstrap,
    brier,
    calibration_error,
    log_loss,
    recalibration,
)

from hypocenter_graph.calibration import least_for, shares
from hypocenter_graph.candidates import limit_of, set_size
from hypocenter_workers.scoring import share_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import results
    from confidence_cases import Incident
    from confidence_fit import Constants
    from confidence_measures import Floats

WANTED = (0.5, 0.8, 0.9, 0.95, 0.99)
COLUMNS = (
    "incidents", "incidents of", "said", "right", "ECE", "Brier", "log-loss", "intercept", "intercept 95 %", "slope",
    "slope 95 %", "wanted precision", "threshold", "speaks", "precision", "precision 95 %", "wanted coverage",
    "covered", "covered 95 %", "mean size", "median size",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """An incident, the probabilities of its suspects, and the constants that they come from."""

    incident: Incident
    chances: tuple[float, ...]
    constants: Constants

    @property
    def threshold(self) -> dict[float, float]:
        """The least probability at which a cause is named, by wanted precision."""
        table = self.constants.thresholds[self.incident.strengths.world]
        return {wanted: least_for(wanted, table) for wanted in WANTED}

    def set_size(self, coverage: float) -> int:
        """Return how many suspects are candidates."""
        table = self.constants.limits[self.incident.strengths.world]
        return set_size(self.chances, limit_of(coverage, table))


def judged(incident: Incident, constants: Constants) -> Judged:
    """Return the probabilities that some constants give an incident's suspects."""
    return Judged(incident, shares(incident.strengths, constants.beliefs), constants)


def worlds(found: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    """Yield the worlds that there are, with their incidents."""
    for world in (SIMULATED, REAL, ALERTS):
        own = [one for one in found if one.incident.world == world]
        if own:
            yield world, own


def first(own: Sequence[Judged]) -> tuple[Floats, Floats]:
    """Return the probabilities of the first suspects, and whether they were right."""
    return np.array([one.chances[0] for one in own]), np.array([float(one.incident.right) for one in own])


def tables(how: str, found: Sequence[Judged]) -> Iterator[results.Row]:
    """Yield quality, abstention and candidate sets, all rows with the same columns; `how` is how it was fitted."""
    split = list(worlds(found))
    yield from (row for world, own in split for row in _quality(f"probability of the first suspect, {how}", world, own))
    yield from (row for world, own in split for row in _abstention(f"abstention, {how}", world, own))
    yield from (row for world, own in split for row in _candidates(f"candidate sets, {how}", world, own))


def reliability_table(how: str, found: Sequence[Judged]) -> Iterator[results.Row]:
    """Yield, per world, what was said and what was, in bins of equal mass."""
    for world, own in worlds(found):
        for said, was, size in bins_of(*first(own)):
            cells: dict[str, results.Cell] = {"incidents": "a fifteenth", "incidents of": size}
            yield _row(f"reliability, {world}, {how}", **cells, said=said, right=was)


def _row(table: str, **cells: results.Cell) -> results.Row:
    named = {name.replace("_", " "): cell for name, cell in cells.items()}
    return {"table": table} | {name: named.get(name) for name in COLUMNS}


def _quality(table: str, world: str, own: Sequence[Judged]) -> Iterator[results.Row]:
    chances, right = first(own)
    raw = np.array([one.incident.scores[0] for one in own])
    for name, said in ((world, chances), (f"{world}, raw score", raw)):
        intercept, slope = recalibration(said, right)
        ranges = [f"{low:.2f} to {high:.2f}" for low, high in bootstrap(recalibration, said, right)]
        cells: dict[str, results.Cell] = {"incidents": name, "incidents of": len(own)}
        cells |= {"ECE": calibration_error(said, right), "Brier": brier(said, right), "log-loss": log_loss(said, right)}
        cells |= {"intercept": intercept, "intercept 95 %": ranges[0], "slope": slope, "slope 95 %": ranges[1]}
        yield _row(table, **cells, said=float(said.mean()), right=float(right.mean()))


def _abstention(table: str, world: str, own: Sequence[Judged]) -> Iterator[results.Row]:
    for wanted in WANTED:
        least = [one.threshold[wanted] for one in own]
        named = [one for one, bound in zip(own, least, strict=True) if one.chances[0] >= bound]
        right = sum(one.incident.right for one in named)
        cells: dict[str, results.Cell] = {"incidents": world, "wanted precision": wanted, "threshold": median(least)}
        cells |= {"speaks": len(named) / len(own), "precision": right / len(named) if named else None}
        yield _row(table, **cells, **{"precision 95 %": _interval(right, len(named))})


def _candidates(table: str, world: str, own: Sequence[Judged]) -> Iterator[results.Row]:
    for coverage in COVERAGES:
        sizes = [one.set_size(coverage) for one in own]
        within = sum(any(place < size for place in one.incident.roots) for one, size in zip(own, sizes, strict=True))
        cells: dict[str, results.Cell] = {"incidents": world, "wanted coverage": coverage, "covered": within / len(own)}
        cells |= {"covered 95 %": _interval(within, len(own)), "mean size": float(np.mean(sizes))}
        yield _row(table, **cells, **{"median size": median(sizes)})


def _interval(right: int, of: int) -> str | None:
    low, high = share_interval(right, of)
    return f"{low:.2f}-{high:.2f}" if of else None
