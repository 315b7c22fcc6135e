"""Fit the constants of confidence on labelled incidents: beliefs, thresholds and the candidates' limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from confidence_cases import ALERTS
from scipy.optimize import minimize
from scipy.stats import beta

from hypocenter_graph.calibration import MOST_CERTAIN, shares
from hypocenter_graph.candidates import limit_for, standing_before

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confidence_cases import Incident
    from numpy.typing import NDArray

    Table = tuple[tuple[float, float], ...]

# A weak pull towards sharpness 1 and towards telemetry of any richness being believed alike.
RIDGE = 3e-3
WANTED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99)
COVERAGES = (0.8, 0.9, 0.95, 0.99)
# A cause that is less likely than not is named only to who wants less than half of them right.
EVEN = 0.5
GRID = (*(round(0.01 * step, 2) for step in range(100)), 0.995)
RISK = 0.1
FEWEST_NAMED = 10


@dataclass(frozen=True)
class Constants:
    """What hypocenter_graph/fitted.py holds."""

    beliefs: Mapping[str, Mapping[str, float]]
    thresholds: Mapping[str, Table]
    limits: Mapping[str, Table]


def fit(incidents: Sequence[Incident]) -> Constants:
    """Fit beliefs on all incidents; thresholds and limits on what beliefs say of groups they were not fitted on."""
    by_kind = {kind: [one for one in incidents if one.strengths.world == kind] for kind in ("series", "alerts")}
    chances = {kind: cross_fitted(own) for kind, own in by_kind.items()}
    return Constants(
        {kind: fit_belief(own) for kind, own in by_kind.items()},
        {kind: thresholds(own, chances[kind]) for kind, own in by_kind.items()},
        {kind: limits(own, chances[kind]) for kind, own in by_kind.items()},
    )


def cross_fitted(incidents: Sequence[Incident]) -> list[tuple[float, ...]]:
    """Return every incident's probabilities, by a belief that was fitted without its group where there are others."""
    beliefs = {}
    for group in {one.group: None for one in incidents}:
        rest = [one for one in incidents if one.group != group] or incidents
        beliefs[group] = fit_belief(rest)
    return [shares(one.strengths, {one.strengths.world: beliefs[one.group]}) for one in incidents]


def fit_belief(incidents: Sequence[Incident]) -> dict[str, float]:
    """Maximise the likelihood of the roots; simulated and real incidents count the same in sum.

    A root without a score counts as "something else".
    """
    utilities, roots = log_odds(incidents)
    richness = np.array([one.strengths.richness for one in incidents])
    weights = world_weights(incidents)

    def loss(parameters: NDArray[np.float64]) -> float:
        sharpness, doubt, slope = math.exp(parameters[0]), parameters[1], parameters[2]
        likelihood = likelihood_of(sharpness * utilities, doubt + slope * richness, roots)
        ridge = RIDGE * (parameters[0] ** 2 + slope**2)
        return float(-np.sum(weights * np.log(np.maximum(likelihood, 1e-12))) + ridge)

    # Richer telemetry never makes a weak showing more believable.
    best = minimize(loss, np.zeros(3), method="L-BFGS-B", bounds=[(-3, 3), (None, None), (0, None)]).x
    return {"sharpness": math.exp(best[0]), "doubt": float(best[1]), "richness": float(best[2])}


def log_odds(incidents: Sequence[Incident]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return log-odds and root marks, [incident, suspect], minus infinity where there is no suspect or no score."""
    width = max(len(one.scores) for one in incidents)
    scores = np.zeros((len(incidents), width))
    roots = np.zeros((len(incidents), width), dtype=bool)
    for row, one in enumerate(incidents):
        scores[row, : len(one.scores)] = np.minimum(one.scores, MOST_CERTAIN)
        roots[row, list(one.roots)] = True
    with np.errstate(divide="ignore"):
        return np.log(scores) - np.log1p(-scores), roots & (scores > 0)


def likelihood_of(
    utilities: NDArray[np.float64], doubt: NDArray[np.float64], roots: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the probability that was given to what was so: to the roots, or to something else where none is marked."""
    most = np.maximum(utilities.max(axis=1), doubt)
    odds, rest = np.exp(utilities - most[:, None]), np.exp(doubt - most)
    true = np.where(roots.any(axis=1), (odds * roots).sum(axis=1), rest)
    return np.asarray(true / (odds.sum(axis=1) + rest))


def world_weights(incidents: Sequence[Incident]) -> NDArray[np.float64]:
    """Return weights that sum to 1, every world's to the same."""
    worlds = [one.world for one in incidents]
    return np.array([1.0 / worlds.count(world) / len(set(worlds)) for world in worlds])


def thresholds(incidents: Sequence[Incident], chances: Sequence[Sequence[float]]) -> Table:
    """Return per wanted precision the least probability at which naming the first suspect keeps it.

    It is kept when the lower Clopper-Pearson bound over all incidents is at least as high, and the share itself is
    lower neither on simulated nor on real incidents, nor on any set of alerts alone. What no probability keeps is left
    out; the table never falls.
    """
    first = np.array([own[0] for own in chances])
    right = np.array([one.right for one in incidents])
    # Alerts alone are worth very different things in different systems.
    sorts = np.array([one.group if one.world == ALERTS else one.world for one in incidents])
    table: list[tuple[float, float]] = []
    for wanted in WANTED:
        floor = max(min(wanted, EVEN), table[-1][1] if table else 0.0)
        steps = (step for step in GRID if step >= floor)
        least = next((step for step in steps if _keeps(wanted, first >= step, right, sorts)), None)
        if least is None:
            break
        table.append((wanted, least))
    return tuple(table)


def _keeps(wanted: float, named: NDArray[np.bool_], right: NDArray[np.bool_], sorts: NDArray[np.str_]) -> bool:
    if named.sum() < FEWEST_NAMED or lowest_share(int(right[named].sum()), int(named.sum())) < wanted:
        return False
    own = [right[named & (sorts == sort)] for sort in np.unique(sorts)]
    return all(marks.mean() >= wanted for marks in own if len(marks) >= FEWEST_NAMED)


def lowest_share(right: int, named: int, risk: float = RISK) -> float:
    """Return the one-sided lower bound of a share. Source: Clopper and Pearson, 1934.

    >>> round(lowest_share(95, 100), 3)
    0.898
    """
    return float(beta.ppf(risk, right, named - right + 1)) if right else 0.0


def limits(incidents: Sequence[Incident], chances: Sequence[Sequence[float]]) -> Table:
    """Return per coverage the limit of what may stand before a candidate: the larger of the worlds' own."""
    before = [root_depth(one, own) for one, own in zip(incidents, chances, strict=True)]
    worlds = sorted({one.world for one in incidents})
    own = [[b for one, b in zip(incidents, before, strict=True) if one.world == world] for world in worlds]
    table = [(coverage, max(limit_for(numbers, coverage) for numbers in own)) for coverage in COVERAGES]
    return tuple((coverage, limit) for coverage, limit in table if limit < math.inf)


def root_depth(incident: Incident, chances: Sequence[float]) -> float:
    """Return the probability that stands before the best placed root; infinity when no root is listed."""
    before = standing_before(chances)
    return min((before[place] for place in incident.roots), default=math.inf)
