"""The methods that anomaly detection is taught with, in one harness: a series goes in, a score per row comes out.

Each is fitted on the probationary rows of the series alone, unless its docstring says how it moves on; after them a
row's score depends on no later row. Higher is more unusual; `threshold` is where the method is customarily cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from nab import Floats, Labelled

SHINGLE = 8
AUTOENCODER_SHINGLE = 16
WINDOW = 1000
MOST_NEIGHBOURS = 20
DAY = np.timedelta64(1, "D")
STL_DAYS = 7
SMALLEST = 1e-12


@dataclass(frozen=True)
class Method:
    """A named way to score a series; `threshold` is the customary one, on its own scale."""

    name: str
    score: Callable[[Labelled], Floats]
    threshold: float


def z_score(one: Labelled) -> Floats:
    """Return distances from the mean in standard deviations."""
    fitted = _fitted(one)
    return np.asarray(np.abs(one.values - fitted.mean()) / _positive(fitted.std()))


def modified_z_score(one: Labelled) -> Floats:
    """Return distances from the median in 1.4826 median absolute deviations (Iglewicz, Hoaglin 1993)."""
    fitted = _fitted(one)
    centre = np.median(fitted)
    deviation = 1.4826 * np.median(np.abs(fitted - centre))
    return np.asarray(np.abs(one.values - centre) / _positive(deviation or fitted.std()))


def interquartile_range(one: Labelled) -> Floats:
    """Return distances outside the quartiles in interquartile ranges (Tukey 1977)."""
    fitted = _fitted(one)
    low, high = np.percentile(fitted, [25, 75])
    outside = np.maximum(np.maximum(low - one.values, one.values - high), 0)
    return np.asarray(outside / _positive((high - low) or fitted.std()))


def windowed_gaussian(one: Labelled) -> Floats:
    """Return standard deviations from the mean of the 1000 rows before: the baseline that NAB ships."""
    centred = one.values - one.values[0]
    sums, squares = (np.append(0.0, np.cumsum(centred**power)) for power in (1, 2))
    row = np.arange(len(centred))
    first = np.maximum(row - WINDOW, 0)
    rows = np.maximum(row - first, 1)
    mean = (sums[row] - sums[first]) / rows
    variance = np.maximum((squares[row] - squares[first]) / rows - mean**2, 0)
    return np.where(row == 0, 0.0, np.abs(centred - mean) / _positive(np.sqrt(variance)))


def density(one: Labelled) -> Floats:
    """Return -log10 p(x) of value and step as independent Gaussians; unusual is p(x) < epsilon."""
    features = np.stack([one.values, np.diff(one.values, prepend=one.values[0])])
    fitted = features[:, : one.probation]
    deviation = _positive(fitted.std(axis=1, keepdims=True))
    z = (features - fitted.mean(axis=1, keepdims=True)) / deviation
    return np.asarray(((z**2 + np.log(2 * np.pi)) / 2).sum(axis=0) / np.log(10))


def isolation_forest(one: Labelled) -> Floats:
    """Return the anomaly score of Liu, Ting, Zhou 2008 on windows of 8 rows."""
    from sklearn.ensemble import IsolationForest

    windows = shingled(one, SHINGLE)
    model = IsolationForest(n_estimators=100, random_state=1).fit(windows[: one.probation])
    return np.asarray(-model.score_samples(windows))


def one_class_svm(one: Labelled) -> Floats:
    """Return distances behind the boundary of an RBF one-class SVM on windows of 8 rows (Schölkopf et al. 2001)."""
    from sklearn.svm import OneClassSVM

    windows = shingled(one, SHINGLE)
    model = OneClassSVM(nu=0.01, gamma="scale").fit(windows[: one.probation])
    return np.asarray(-model.decision_function(windows))


def local_outlier_factor(one: Labelled) -> Floats:
    """Return the local outlier factor of windows of 8 rows among the fitted ones (Breunig et al. 2000)."""
    from sklearn.neighbors import LocalOutlierFactor

    windows = _jittered(shingled(one, SHINGLE))
    neighbours = min(MOST_NEIGHBOURS, one.probation - 1)
    model = LocalOutlierFactor(n_neighbors=neighbours, novelty=True).fit(windows[: one.probation])
    return np.asarray(-model.score_samples(windows))


def dbscan_noise(one: Labelled) -> Floats:
    """Return distances to the nearest core window of DBSCAN in units of its radius; noise is beyond 1 (Ester 1996).

    The radius is the 95th percentile of distances to the fifth neighbour among the fitted windows.
    """
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import NearestNeighbors

    windows = shingled(one, SHINGLE)
    fitted = windows[: one.probation]
    fifth = NearestNeighbors(n_neighbors=5).fit(fitted).kneighbors(fitted)[0][:, -1]
    radius = float(_positive(np.percentile(fifth, 95)))
    core = DBSCAN(eps=radius, min_samples=5).fit(fitted).core_sample_indices_
    nearest = NearestNeighbors(n_neighbors=1).fit(fitted[core] if len(core) else fitted)
    return np.asarray(nearest.kneighbors(windows)[0][:, 0] / radius)


def elliptic_envelope(one: Labelled) -> Floats:
    """Return robust Mahalanobis distances of windows of 8 rows (Rousseeuw, Van Driessen 1999)."""
    from sklearn.covariance import EllipticEnvelope

    windows = _jittered(shingled(one, SHINGLE))
    model = EllipticEnvelope(random_state=1, support_fraction=0.9).fit(windows[: one.probation])
    return np.asarray(np.sqrt(np.maximum(model.mahalanobis(windows), 0)))


def autoencoder(one: Labelled) -> Floats:
    """Return reconstruction errors of windows of 16 rows by a multilayer perceptron, in those of the fitted rows."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    windows = shingled(one, AUTOENCODER_SHINGLE)
    fitted = windows[: one.probation]
    model = MLPRegressor(hidden_layer_sizes=(8, 3, 8), activation="tanh", max_iter=300, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(fitted, fitted)
    return _against(np.sqrt(((windows - model.predict(windows)) ** 2).mean(axis=1)), one.probation)


def stl_residual(one: Labelled) -> Floats:
    """Return distances from what STL foresaw, in root mean squares of its errors so far (Cleveland et al. 1990).

    Every day STL decomposes the week before it; the day is expected to be the last trend and the last season. Scores
    are 0 before the fourth day, and throughout where a day has fewer than 4 rows.
    """
    period = rows_per_day(one)
    errors = np.full(len(one.values), np.nan)
    scores = np.zeros(len(one.values))
    if period < 4:
        return scores
    for begin in range(2 * period, len(scores), period):
        day = slice(begin, begin + period)
        known = one.values[max(begin - STL_DAYS * period, 0) : begin]
        errors[day] = np.abs(one.values[day] - _foreseen(known, period)[: len(scores) - begin])
        if begin >= 3 * period:
            scores[day] = errors[day] / _positive(np.sqrt(np.nanmean(errors[:begin] ** 2)))
    return scores


def _foreseen(known: Floats, period: int) -> Floats:
    from statsmodels.tsa.seasonal import STL

    jump = max(period // 10, 1)
    parts = STL(known, period=period, robust=True, seasonal_jump=jump, trend_jump=jump, low_pass_jump=jump).fit()
    return np.asarray(parts.trend[-1] + parts.seasonal[-period:])


def rows_per_day(one: Labelled) -> int:
    """Return how many rows a day has at the usual step of the fitted rows."""
    return round(DAY / np.median(np.diff(one.times[: one.probation])))


def shingled(one: Labelled, rows: int) -> Floats:
    """Return each row with those before it, standardized by the fitted rows: [time, rows]; the first is repeated."""
    fitted = _fitted(one)
    z = (one.values - fitted.mean()) / _positive(fitted.std())
    padded = np.concatenate([np.full(rows - 1, z[0]), z])
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, rows))


def _fitted(one: Labelled) -> Floats:
    return one.values[: one.probation]


def _against(errors: Floats, fitted: int) -> Floats:
    return errors / _positive(np.sqrt((errors[:fitted] ** 2).mean()))


def _positive(scale: Floats | np.floating | float) -> Floats:
    return np.maximum(scale, SMALLEST)


def _jittered(windows: Floats) -> Floats:
    """Tell equal windows apart: covariances and densities of a constant series do not exist."""
    return windows + np.random.default_rng(1).normal(0, 1e-3, windows.shape)


METHODS = (
    Method("z-score", z_score, 3.0),
    Method("modified z-score", modified_z_score, 3.5),
    Method("interquartile range", interquartile_range, 1.5),
    Method("windowed Gaussian", windowed_gaussian, 3.0),
    Method("density p(x) < epsilon", density, 6.0),
    Method("Isolation Forest", isolation_forest, 0.6),
    Method("One-Class SVM", one_class_svm, 0.0),
    Method("LOF", local_outlier_factor, 1.5),
    Method("DBSCAN noise", dbscan_noise, 1.0),
    Method("elliptic envelope", elliptic_envelope, 5.0),
    Method("MLP autoencoder", autoencoder, 3.0),
    Method("STL residual", stl_residual, 5.0),
)
