"""How well a ranking finds the root: AC@k with exact ties, Avg@5, and bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Ranking = tuple[tuple[str, float], ...]
CUTS = (1, 2, 3, 4, 5)
RESAMPLES = 2000


def ranking_of(scores: Mapping[str, float]) -> Ranking:
    """Order components by falling score; equal scores stay equal and are listed by name.

    >>> ranking_of({"cart": 1.0, "web": 3.0, "ads": 1.0})
    (('web', 3.0), ('ads', 1.0), ('cart', 1.0))
    """
    return tuple(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def hits(ranking: Iterable[tuple[str, float]], root: str) -> NDArray[np.float64]:
    """Return AC@1 ... AC@5 of one case: the chance that the root is in the first k when ties are broken by lot.

    With `better` components scored above the root and `tied` at its score (itself included), the chance is
    min(1, max(0, (k - better) / tied)). A root that the ranking does not list is a miss.

    >>> hits([("web", 3.0), ("cart", 1.0), ("ads", 1.0)], "cart")
    array([0. , 0.5, 1. , 1. , 1. ])
    """
    better, tied = _place(ranking, root)
    if not tied:
        return np.zeros(len(CUTS))
    return np.clip((np.array(CUTS) - better) / tied, 0.0, 1.0)


def mean_rank(ranking: Iterable[tuple[str, float]], root: str) -> float | None:
    """Return the root's rank, ties at their mean; None when the ranking does not list it.

    >>> mean_rank([("web", 3.0), ("cart", 1.0), ("ads", 1.0)], "ads")
    2.5
    """
    better, tied = _place(ranking, root)
    return better + (tied + 1) / 2 if tied else None


def _place(ranking: Iterable[tuple[str, float]], root: str) -> tuple[int, int]:
    scores = dict(ranking)
    if root not in scores:
        return 0, 0
    values = np.array(list(scores.values()))
    return int(np.sum(values > scores[root])), int(np.sum(values == scores[root]))


def at_service_level(ranking: Iterable[tuple[str, float]], service_of: Callable[[str], str]) -> Ranking:
    """Fold instances into services: a service is as suspicious as its most suspicious instance."""
    best: dict[str, float] = {}
    for component, score in ranking:
        service = service_of(component)
        best[service] = max(score, best.get(service, score))
    return ranking_of(best)


def bootstrap_interval(samples: Sequence[float], seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the 95 % percentile-bootstrap interval of the mean of `samples`, one value a case.

    The same samples in the same order and the same seed give the same interval. Source: Efron, 1979.
    """
    values = np.asarray(samples, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(values), size=(resamples, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
