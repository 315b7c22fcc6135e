"""How much of what one component does is explained by another one alone: partial correlation at three time scales.

All arrays of load and latency are [time, component] on an even grid, NaN where missing; strengths are
[caller, callee]. Nothing here depends on the unit of a series or, but for the order of latencies, on its zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

FEWEST_ROWS = 60
SHRINKAGE = 0.05
TREND_ROWS = 61
SLOW_ROWS = 5
FARTHEST_SIGMAS = 5.0
CONSTANT_SHARE = 1e-6
ROUNDING_SHARE = 1e-12
LONGEST_LAG = 3
LAG_SIGMAS = 4.0
ORDER_WEIGHT = 0.8
_MAD_TO_SIGMA = 1.4826


def strengths(load: Sequence[Values], latency: Sequence[Values]) -> Values:
    """Return how strongly each component seems to call each other one; 0 where nothing speaks for it.

    `load` and `latency` are blocks of rows, one per table, over the same components. A caller waits for its callees,
    so the slower of two is the likelier caller, and a callee's load is explained by the loads of those that are slower
    than it: what drives both a caller and its callee is among them. What follows several rows later counts as well.
    """
    ratio = latency_ratio(latency)
    by_load = _mean_over_scales(load, ratio)
    by_latency = _mean_over_scales(latency, None)
    at_once = (by_load + by_latency) / 2 * (1 + ORDER_WEIGHT * np.tanh(2 * np.nan_to_num(ratio)))
    later = np.maximum(_lagged(load), _lagged(latency).T) / 2
    # What one does after the other explains that both do it within the same long step.
    found = np.maximum(np.maximum(at_once - later.T, 0), later)
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def latency_ratio(latency: Sequence[Values]) -> Values:
    """Return the logarithm of each component's median latency over each other one's, NaN where one is unknown."""
    rows = np.vstack(latency)
    known = np.flatnonzero(np.isfinite(rows).any(axis=0))
    logs = np.full(rows.shape[1], np.nan)
    medians = np.nanmedian(rows[:, known], axis=0)
    logs[known] = np.log(np.where(medians > 0, medians, np.nan))
    return np.asarray(logs[:, None] - logs[None, :])


def moving(blocks: Sequence[Values]) -> NDArray[np.bool_]:
    """Whether each component's series has rows enough and is not constant over them."""
    rows = np.vstack(blocks)
    finite = np.isfinite(rows)
    high = np.where(finite, rows, -np.inf).max(axis=0)
    low = np.where(finite, rows, np.inf).min(axis=0)
    with np.errstate(invalid="ignore"):
        varied = high - low > CONSTANT_SHARE * np.maximum(np.abs(high), np.abs(low))
    return np.asarray(varied & (finite.sum(axis=0) >= FEWEST_ROWS))


def _mean_over_scales(blocks: Sequence[Values], ratio: Values | None) -> Values:
    """Return the positive partial correlations, averaged over the scales; 0 for components that do not move.

    All others are held, or, with the `ratio` of latencies, those that may call the callee.
    """
    live = np.flatnonzero(moving(blocks))
    found = np.zeros((blocks[0].shape[1],) * 2)
    if len(live) < 2:
        return found
    scales = [[*_scales(block[:, live])] for block in blocks]
    for blocks_at_scale in zip(*scales, strict=True):
        correlation = _correlation(np.vstack(blocks_at_scale))
        among = given_all(correlation) if ratio is None else given_slower(correlation, ratio[np.ix_(live, live)])
        found[np.ix_(live, live)] += np.maximum(among, 0) / len(scales[0])
    return found


def _lagged(blocks: Sequence[Values]) -> Values:
    """Return how strongly each component is followed by each other one up to `LONGEST_LAG` rows later, [first, second].

    Correlated is what the others do not explain of either at its own time, beyond what chance does in so many rows.
    """
    live = np.flatnonzero(moving(blocks))
    found = np.zeros((blocks[0].shape[1],) * 2)
    if len(live) < 2:
        return found
    fast = [_standardised(block[:, live] - _rolling_mean(block[:, live], TREND_ROWS)) for block in blocks]
    precision = _inverse(_correlation(np.vstack(fast)))
    own = [block @ (precision / np.diag(precision)) for block in fast]
    best = np.max([_following(own, lag) for lag in range(1, LONGEST_LAG + 1)], axis=0)
    chance = LAG_SIGMAS / np.sqrt(sum(map(len, own)))
    found[np.ix_(live, live)] = np.maximum(best - chance, 0)
    return found


def _following(blocks: Sequence[Values], lag: int) -> Values:
    first = _unit(np.vstack([block[:-lag] for block in blocks]))
    second = _unit(np.vstack([block[lag:] for block in blocks]))
    return np.asarray(first.T @ second)


def _scales(block: Values) -> Iterator[Values]:
    """Yield the block as it is, without its slow trend, and in steps of several rows; each standardised."""
    yield _standardised(block)
    yield _standardised(block - _rolling_mean(block, TREND_ROWS))
    yield _standardised(_binned(block, SLOW_ROWS))


def _standardised(block: Values) -> Values:
    """Return robust standard scores, cut at `FARTHEST_SIGMAS`; 0 where missing or constant."""
    if not len(block):
        return block
    found = np.zeros_like(block)
    for column in range(block.shape[1]):
        values = block[:, column]
        seen = np.isfinite(values)
        if seen.any():
            found[seen, column] = _scores(values[seen])
    return found


def _scores(values: Values) -> Values:
    off = values - np.median(values)
    sigma = float(np.median(np.abs(off))) * _MAD_TO_SIGMA or float(values.std())
    # What rounding leaves of a constant is not a movement.
    if sigma <= ROUNDING_SHARE * float(np.abs(values).max()):
        return np.zeros_like(values)
    return np.clip(off / sigma, -FARTHEST_SIGMAS, FARTHEST_SIGMAS)


def _rolling_mean(block: Values, rows: int) -> Values:
    """Return the centred mean over `rows` rows, fewer at the ends, of what is not missing."""
    seen = np.isfinite(block)
    sums = np.vstack([np.zeros((1, block.shape[1])), np.cumsum(np.where(seen, block, 0.0), axis=0)])
    counts = np.vstack([np.zeros((1, block.shape[1])), np.cumsum(seen, axis=0)])
    place = np.arange(len(block))
    first, last = np.maximum(place - rows // 2, 0), np.minimum(place + rows // 2 + 1, len(block))
    number = counts[last] - counts[first]
    return np.asarray((sums[last] - sums[first]) / np.where(number > 0, number, np.nan))


def _binned(block: Values, rows: int) -> Values:
    """Return means of `rows` consecutive rows, of what is not missing; a remainder at the end is left out."""
    bins = block[: len(block) // rows * rows].reshape(-1, rows, block.shape[1])
    seen = np.isfinite(bins)
    number = seen.sum(axis=1)
    return np.asarray(np.where(seen, bins, 0.0).sum(axis=1) / np.where(number > 0, number, np.nan))


def _correlation(rows: Values) -> Values:
    """Return the correlation of standardised columns, shrunk towards none; it can always be inverted."""
    unit = _unit(rows)
    found: Values = (1 - SHRINKAGE) * (unit.T @ unit)
    np.fill_diagonal(found, 1.0)
    return found


def _unit(rows: Values) -> Values:
    """Return the columns less their mean, of length 1; 0 where constant."""
    if not len(rows):
        return rows
    centred = rows - rows.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    return np.asarray(centred / np.where(norms > 0, norms, 1.0))


def given_all(correlation: Values) -> Values:
    """Return the correlation of each pair when all others are held.

    Whittaker, Graphical Models in Applied Multivariate Statistics (1990), corollary 5.8.2.
    """
    return _from_precision(_inverse(correlation))


def _inverse(matrix: Values) -> Values:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def given_slower(correlation: Values, ratio: Values) -> Values:
    """Return the correlation of each pair when the components slower than the second are held, [caller, callee].

    0 where the first is the faster one. Components of unknown latency are held always, and theirs is given all others.
    The inverse over the components already held is widened by one component at a time.
    """
    known = np.flatnonzero(np.isfinite(np.diag(ratio)))
    faster = (ratio[np.ix_(known, known)] < 0).sum(axis=1)
    held: list[int] = np.setdiff1d(np.arange(len(ratio)), known).tolist()
    unknown = len(held)
    inverse = _inverse(correlation[np.ix_(held, held)])
    found = np.zeros_like(correlation)
    for column in known[np.argsort(faster, kind="stable")].tolist():
        inverse = _bordered(inverse, correlation[held, column])
        found[held, column] = _from_precision(inverse)[:-1, -1]
        held.append(column)
    found[np.ix_(held, held[:unknown])] = _from_precision(inverse)[:, :unknown]
    return found


def _bordered(inverse: Values, column: Values) -> Values:
    """Return the inverse of a correlation matrix widened by one component, which has `column` with the others."""
    weights = inverse @ column
    unexplained = 1.0 - column @ weights
    corner = np.outer(weights, weights) / unexplained
    edge = -weights[:, None] / unexplained
    return np.block([[inverse + corner, edge], [edge.T, np.full((1, 1), 1 / unexplained)]])


def _from_precision(precision: Values) -> Values:
    scale = np.sqrt(np.diag(precision))
    found = np.asarray(-precision / np.outer(scale, scale))
    np.fill_diagonal(found, 0.0)
    return found
