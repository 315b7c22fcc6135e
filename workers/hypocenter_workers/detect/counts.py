"""Counts of log lines and operations against their component's others: more or less work alone moves none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import MetricKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

COUNTS = frozenset({MetricKind.LOG_LINES, MetricKind.OPERATION})


def whole(rates: Values, seconds: float) -> NDArray[np.float64]:
    """Return how many came in all of some rows of rates per second that lie `seconds` apart."""
    # Whole numbers again: a rate times its seconds is off by what floats lose, and sums of it by their order.
    return np.asarray(np.rint(np.nansum(rates, axis=0) * seconds))


def g_test(components: Sequence[str], before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each count is from its share of its component's counts, before and after, signed; 0 if unknown."""
    owner = np.unique(components, return_inverse=True)[1]
    total_before, total_after = (np.bincount(owner, counts)[owner] for counts in (before, after))
    share = (total_after + 1) / (total_before + total_after + 2)
    return np.where((total_before > 0) & (total_after > 0), _two_rates(before, after, share), 0.0)


def _two_rates(
    before: NDArray[np.float64], after: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the signed root of the likelihood ratio that `after` is not its share of both counts (a G-test).

    Unlike a difference over its standard error it stays sharp at counts near zero: a statement that used to come ten
    times and comes no more is worth more than one that came ten times less out of a hundred.
    """
    both = before + after
    expected_before, expected_after = both * (1 - share), both * share
    ratio = _log_term(before, expected_before) + _log_term(after, expected_after)
    return np.asarray(np.sign(after - expected_after) * np.sqrt(2.0 * np.clip(ratio, 0.0, None)))


def _log_term(count: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = (count > 0) & (expected > 0)
    ratio = np.where(positive, count / np.where(positive, expected, 1.0), 1.0)
    return np.asarray(np.where(positive, count * np.log(ratio), 0.0))
