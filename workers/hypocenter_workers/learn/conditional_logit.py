"""Conditional logit: which of an incident's alternatives was it, by a utility that is linear in what is known of each.

Source: McFadden, Conditional logit analysis of qualitative choice behavior, 1974; with a ridge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

MOST_STEPS = 150


def fit_weights(
    known: Any, sizes: NDArray[np.intp], chosen: Values, ridge: float, around: Values | None = None
) -> Values:
    """Return the weights of the features, one each.

    `known` is [alternative, feature], dense or sparse by rows, the alternatives of one incident after those of another;
    `sizes` counts the alternatives of each incident, `chosen` shares 1 among those that were right. The ridge pulls
    towards `around`, or 0.
    """
    from scipy.optimize import minimize

    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    incident = np.repeat(np.arange(len(sizes)), sizes)
    turned = known.T.tocsr() if hasattr(known, "tocsr") else known.T
    centre = np.zeros(known.shape[1]) if around is None else around

    def loss(weights: Values) -> tuple[float, Values]:
        utility = known @ weights
        most = np.maximum.reduceat(utility, starts)
        raised = np.exp(utility - most[incident])
        total = np.add.reduceat(raised, starts)
        surprise = chosen @ (most[incident] + np.log(total)[incident] - utility)
        off = weights - centre
        gradient = turned @ (raised / total[incident] - chosen) + ridge * off
        return float(surprise + 0.5 * ridge * off @ off), np.asarray(gradient)

    found = minimize(loss, centre, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS})
    return np.asarray(found.x, dtype=np.float64)


def log_chances(utility: Values) -> Values:
    """Return the logarithm of each alternative's probability, by softmax.

    >>> [round(float(x), 3) for x in np.exp(log_chances(np.array([1.0, 1.0])))]
    [0.5, 0.5]
    """
    if not len(utility):
        return utility
    lowered = utility - utility.max()
    return np.asarray(lowered - np.log(np.exp(np.sort(lowered)).sum()))
