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


def hits(ranking: Iterable[tuple[str, float]], roots: Sequence[str]) -> NDArray[np.float64]:
    """Return AC@1 ... AC@5 of one case: the expected share of roots in the first k when ties are broken by lot.

    With `better` components scored above a root and `tied` at its score (itself included), its chance to be there is
    min(1, max(0, (k - better) / tied)); a root that the ranking does not list has none. With several roots the chances
    are added and divided by min(k, roots), as many as could be there.

    >>> hits([("web", 3.0), ("cart", 1.0), ("ads", 1.0)], ["cart"])
    array([0. , 0.5, 1. , 1. , 1. ])
    """
    scores = dict(ranking)
    found = np.zeros(len(CUTS))
    for root in roots:
        better, tied = _place(scores, root)
        if tied:
            found += np.clip((np.array(CUTS) - better) / tied, 0.0, 1.0)
    return found / np.minimum(CUTS, len(roots))


def mean_rank(ranking: Iterable[tuple[str, float]], roots: Sequence[str]) -> float | None:
    """Return the rank of the best placed root, ties at their mean; None when the ranking lists no root.

    >>> mean_rank([("web", 3.0), ("cart", 1.0), ("ads", 1.0)], ["ads"])
    2.5
    """
    scores = dict(ranking)
    places = [_place(scores, root) for root in roots if root in scores]
    return min((better + (tied + 1) / 2 for better, tied in places), default=None)


def _place(scores: Mapping[str, float], root: str) -> tuple[int, int]:
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


def share_interval(right: float, of: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share; ties may have made `right` no whole number.

    Source: Clopper and Pearson, The use of confidence or fiducial limits, 1934.

    >>> [round(end, 2) for end in share_interval(19, 20)]
    [0.75, 1.0]
    """
    from scipy.stats import beta

    low = float(beta.ppf(0.025, right, of - right + 1)) if right else 0.0
    high = float(beta.ppf(0.975, right + 1, of - right)) if right < of else 1.0
    return low, high
