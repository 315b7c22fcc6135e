"""From what alerts may cost to the score that raises one.

A score is -log10 of a probability, so at a threshold T each look at a series alerts by chance with probability 10^-T.
Looks are added up as if they were independent, as Bonferroni did: over N looks a day at most N * 10^-T are expected,
whatever the series have to do with one another. Rows over the threshold come in clumps, and a clump is one event, which
divides the number of alerts by the rows of a clump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hypocenter.errors import InputError

DAY_S = 86_400.0
WEEK_DAYS = 7.0
USUAL_STEP_S = 300.0
USUAL_CLUMP = 3.5


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched: a number of series, each looked at every `step_s` seconds by `tests` detectors.

    `clump` is how many rows over the threshold one chance event has; 1 promises the budget for every kind of series.
    Raises InputError when a number makes no sense.
    """

    series: int
    step_s: float
    tests: int = 1
    clump: float = 1.0

    def __post_init__(self) -> None:
        for name in ("series", "tests", "clump"):
            if not 1 <= getattr(self, name) < math.inf:
                raise InputError(f"{name}={getattr(self, name)} must be at least 1")
        _require_positive("step_s", self.step_s)

    @property
    def chances_per_day(self) -> float:
        """Return how many events a day there would be if every look alerted."""
        return self.series * self.tests * DAY_S / self.step_s / self.clump


@dataclass(frozen=True, slots=True)
class Costs:
    """What mistakes cost, in any one currency, and what there is to miss.

    `incidents_per_day` is over all watched series. `typical_score` is the mean of the highest score that an incident
    reaches; the scores of incidents are taken as exponentially distributed, the widest distribution of that mean.
    Raises InputError when one of them is not above 0, or incidents would score no higher than noise.
    """

    false_alarm: float
    miss: float
    incidents_per_day: float
    typical_score: float = 10.0

    def __post_init__(self) -> None:
        for name in ("false_alarm", "miss", "incidents_per_day", "typical_score"):
            _require_positive(name, getattr(self, name))
        if self.typical_score <= 1.0:
            raise InputError(f"typical_score={self.typical_score} must be above 1: noise alone reaches that")


def threshold(alerts_per_day: float, watch: Watch) -> float:
    """Return the score at which chance alone raises so many alerts a day over all watched series; at least 0.

    Raises InputError when the budget is not above 0: no threshold keeps every alert away.

    >>> round(threshold(1.0, Watch(series=1, step_s=86.4)), 6)
    3.0
    >>> round(threshold(10.0, Watch(series=800_000, step_s=60.0)), 2)
    8.06
    """
    _require_positive("alerts_per_day", alerts_per_day)
    return max(0.0, math.log10(watch.chances_per_day / alerts_per_day))


def default_threshold(watch: Watch) -> float:
    """Return the threshold of one alert per series and week, which does not depend on how many series there are.

    Rows over it are taken to come in clumps of three or four, and looks at least every five minutes
    are assumed: series that are seen less often keep the threshold of those, and alert less often in turn.

    >>> [round(default_threshold(Watch(series=1, step_s=step)), 2) for step in (15.0, 60.0, 300.0, 3600.0)]
    [4.06, 3.46, 2.76, 2.76]
    """
    usual = replace(watch, step_s=min(watch.step_s, USUAL_STEP_S), clump=USUAL_CLUMP)
    return threshold(watch.series / WEEK_DAYS, usual)


def threshold_from_costs(costs: Costs, watch: Watch) -> float:
    """Return the score at which a day's false alarms and misses together cost least; at least 0.

    With N chances a day, R incidents a day and a typical score m, a day costs

        false_alarm * N * 10^-T  +  miss * R * (1 - exp(-T / m))

    which is least where one more step of T saves as much on the one side as it loses on the other:
    T = ln(false_alarm * N * ln(10) * m / (miss * R)) / (ln(10) - 1 / m).

    >>> watch = Watch(series=1, step_s=300.0)
    >>> cheap = threshold_from_costs(Costs(false_alarm=1, miss=1000, incidents_per_day=0.03), watch)
    >>> dear = threshold_from_costs(Costs(false_alarm=100, miss=1000, incidents_per_day=0.03), watch)
    >>> round(cheap, 2), round(dear, 2)
    (2.45, 4.54)
    """
    gain = costs.false_alarm * watch.chances_per_day * math.log(10.0) * costs.typical_score
    loss = costs.miss * costs.incidents_per_day
    return max(0.0, math.log(gain / loss) / (math.log(10.0) - 1.0 / costs.typical_score))


def alerts_per_day(score: float, watch: Watch) -> float:
    """Return how many alerts a day chance alone raises at a threshold: what `threshold` was asked for.

    >>> round(alerts_per_day(3.0, Watch(series=1, step_s=86.4)), 9)
    1.0
    """
    return watch.chances_per_day * math.pow(10.0, -score)


def _require_positive(name: str, number: float) -> None:
    if not 0 < number < math.inf:
        raise InputError(f"{name}={number} must be a number above 0")
