"""Probability of being the root cause, and the probability from which on a cause may be named.

A conditional logit: every suspect's utility is its score in log-odds, times a sharpness; one more alternative,
"something else", stands for a cause that shows nothing or was not observed. The richer the telemetry, the likelier
would a cause have shown itself, and the more a weak best suspect speaks for something else.
Source: McFadden, Conditional logit analysis of qualitative choice behavior, 1974.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter_graph.fitted import BELIEFS, THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypocenter_graph.rank import Ranking

# Beyond this log-odds run away, and a difference between scores no longer tells suspects apart.
MOST_CERTAIN = 0.999
# Fewer kinds of signal were not there to fit on.
FEWEST_KINDS = 3
NEVER = 1.0


@dataclass(frozen=True, slots=True)
class Strengths:
    """All that confidence rests on: the scores, highest first, and how many kinds of signal were seen (0: alerts)."""

    scores: tuple[float, ...]
    kinds: int

    @property
    def world(self) -> str:
        """What the scores were read from, as `BELIEFS` and the candidates' limits are kept: `series` or `alerts`."""
        return "series" if self.kinds else "alerts"

    @property
    def richness(self) -> float:
        """The logarithm of the kinds of signal seen, relative to seven."""
        return math.log(max(FEWEST_KINDS, self.kinds) / 7.0) if self.kinds else 0.0


def strengths_of(ranking: Ranking) -> Strengths:
    """Read from a ranking what confidence rests on."""
    groups = (*ranking.seen.own.values(), *ranking.seen.edges.values())
    kinds = {deviation.series.kind for group in groups for deviation in group}
    return Strengths(tuple(scored.score for scored in ranking.scored), len(kinds))


def shares(strengths: Strengths, beliefs: Mapping[str, Mapping[str, float]] = BELIEFS) -> tuple[float, ...]:
    """Return the probability of every suspect, in the order of the scores; what is missing from 1 is something else.

    A suspect with score 0 has none, and no order of scores is turned round.

    >>> [round(p, 2) for p in shares(Strengths((0.0, 0.0), kinds=9))]
    [0.0, 0.0]
    """
    belief = beliefs[strengths.world]
    odds = [_odds(score) ** belief["sharpness"] for score in strengths.scores]
    total = math.exp(belief["doubt"] + belief["richness"] * strengths.richness) + math.fsum(odds)
    return tuple(odd / total for odd in odds)


def probabilities(ranking: Ranking) -> dict[str, float]:
    """Return the calibrated probability of every component to be the root cause, most suspect first.

    They sum to less than 1. The constants were fitted on labelled and simulated incidents, by
    `benchmarks/bench_calibration.py --fit`, and are the same for every installation.
    """
    given = shares(strengths_of(ranking))
    return {scored.component: chance for scored, chance in zip(ranking.scored, given, strict=True)}


def threshold(ranking: Ranking, wanted: float) -> float:
    """Return the least probability at which a cause is named so that a share `wanted` of named causes is right."""
    return least_for(wanted, THRESHOLDS[strengths_of(ranking).world])


def least_for(wanted: float, table: Sequence[tuple[float, float]]) -> float:
    """Read a table of (wanted precision, least probability): between its rows the next stricter one counts.

    What could not be promised is 1, which no suspect reaches; a wanted precision of 0 names any best suspect.

    >>> least_for(0.0, []), least_for(0.8, [(0.75, 0.4), (0.9, 0.7)]), least_for(0.95, [(0.9, 0.7)])
    (0.0, 0.7, 1.0)
    """
    if wanted <= 0:
        return 0.0
    return next((least for precision, least in table if precision >= wanted), NEVER)


def _odds(score: float) -> float:
    bounded = min(score, MOST_CERTAIN)
    return bounded / (1.0 - bounded)
