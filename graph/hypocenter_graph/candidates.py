"""Candidate sets: the first suspects, as many as it takes for the root cause to be among them as often as wanted.

Split-conformal: on groups of incidents that the probabilities were not fitted on, one number is taken of each, the
probability that stood before its root cause; the limit is a quantile of these numbers, so that a share of at least
`coverage` of exchangeable incidents lies within it, whatever the probabilities are worth.
Source: Romano, Sesia and Candes, Classification with valid and adaptive coverage, 2020, without its random part; a
suspect's own probability does not count against it, so that the first is always in the set.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypocenter_graph.calibration import shares, strengths_of
from hypocenter_graph.fitted import LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypocenter_graph.rank import Ranking

COVERAGE = 0.9


def candidates(ranking: Ranking, coverage: float = COVERAGE) -> tuple[str, ...]:
    """Return the smallest set of suspects that holds the root cause with probability `coverage`, most likely first.

    Suspects of equal probability are in it together or not at all. Above what the limits were fitted for it is every
    suspect.
    """
    strengths = strengths_of(ranking)
    within = set_size(shares(strengths), limit_of(coverage, LIMITS[strengths.world]))
    return tuple(scored.component for scored in ranking.scored[:within])


def first_holding(ranking: Ranking, coverage: float = COVERAGE) -> tuple[str, ...]:
    """Return the first suspects whose probabilities sum to `coverage`, every suspect where all sum to less.

    For a ranking whose probabilities were calibrated elsewhere than here, to which the fitted limits do not apply.
    """
    within = set_size(shares(strengths_of(ranking)), math.nextafter(coverage, 0.0))
    return tuple(scored.component for scored in ranking.scored[:within])


def limit_of(coverage: float, table: Sequence[tuple[float, float]]) -> float:
    """Read a table of (coverage, limit): between its rows the next larger coverage counts, above the last infinity.

    >>> limit_of(0.85, [(0.8, 0.0), (0.9, 0.6)]), limit_of(0.95, [(0.9, 0.6)])
    (0.6, inf)
    """
    return next((limit for wanted, limit in table if wanted >= coverage), math.inf)


def set_size(chances: Sequence[float], limit: float) -> int:
    """Return how many suspects, most likely first, have at most `limit` of the probability standing before them.

    >>> set_size([0.6, 0.2, 0.1, 0.1], 0.5), set_size([0.6, 0.2, 0.1, 0.1], 0.8)
    (1, 4)
    """
    return sum(before <= limit for before in standing_before(chances))


def standing_before(chances: Sequence[float]) -> list[float]:
    """Return for every suspect, most likely first, the probability of all that are likelier; equals share it.

    >>> standing_before([0.5, 0.25, 0.25, 0.0])
    [0.0, 0.5, 0.5, 1.0]
    """
    found: list[float] = []
    total = passed = 0.0
    for place, chance in enumerate(chances):
        if place and chance < chances[place - 1]:
            passed = total
        found.append(passed)
        total += chance
    return found


def limit_for(before: Sequence[float], coverage: float) -> float:
    """Return the split-conformal limit: the ceil((n + 1) coverage)-th smallest of the n numbers, or infinity.

    `before` is, per incident held out, what stood before its root cause; infinity where the root was not listed.

    >>> limit_for([0.0, 0.0, 0.3, 0.7], 0.6), limit_for([0.0, 0.0], 0.9)
    (0.3, inf)
    """
    place = math.ceil((len(before) + 1) * coverage)
    return sorted(before)[place - 1] if place <= len(before) else math.inf
