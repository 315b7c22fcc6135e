"""Other libraries' detectors as methods of the same harness; `make peers` installs them, and those missing are named.

Random Cut Forest: krcf 0.4 (AWS's algorithm in Rust), rrcf (the authors' of ICML 2016, in Python).
"""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from methods import AUTOENCODER_SHINGLE, SHINGLE, SMALLEST, Method, rows_per_day, shingled

if TYPE_CHECKING:
    from collections.abc import Callable

    from nab import Floats, Labelled

TREES = 50
SAMPLES = 256
RRCF_TREES = 20
RRCF_SAMPLES = 128
RRCF_ROWS = 400
EPOCHS = 15
BATCH = 32
MANY = 1024
CHATTY = ("prophet", "prophet.plot", "cmdstanpy", "jax._src.xla_bridge")


def imported(module: str) -> Any:
    """Import a peer without its words on the way: notes on plotting, and warnings of what it was written for."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = importlib.import_module(module)
    # Some set their own level when they are imported.
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return found


def krcf_forest(one: Labelled) -> Floats:
    """Score and update row by row: 50 trees of 256 samples, shingle 8."""
    step = krcf_step()
    return np.array([step(window) for window in shingled(one, SHINGLE).tolist()])


def krcf_step() -> Callable[[list[float]], float]:
    """Return what scores a window by a forest of its own, and then learns it."""
    krcf = imported("krcf")
    options = krcf.RandomCutForestOptions(
        dimensions=SHINGLE, shingle_size=1, num_trees=TREES, sample_size=SAMPLES, random_seed=1
    )
    forest = krcf.RandomCutForest(options)

    def step(window: list[float]) -> float:
        score = forest.score(window)
        forest.update(window)
        return float(score)

    return step


def rrcf_forest(one: Labelled) -> Floats:
    """Score and insert one row of every few, 400 in all: 20 trees of 128 samples, shingle 8; others take the last."""
    rrcf = imported("rrcf")
    step = max(len(one.values) // RRCF_ROWS, 1)
    windows = shingled(one, SHINGLE)[::step]
    trees = [rrcf.RCTree(random_state=tree) for tree in range(RRCF_TREES)]
    scores = [float(np.mean([_insert(tree, window, row) for tree in trees])) for row, window in enumerate(windows)]
    return np.repeat(scores, step)[: len(one.values)]


def _insert(tree: Any, window: Floats, row: int) -> float:
    if len(tree.leaves) > RRCF_SAMPLES:
        tree.forget_point(row - RRCF_SAMPLES - 1)
    tree.insert_point(window, index=row)
    return float(tree.codisp(row))


def half_space_trees(one: Labelled) -> Floats:
    """Score and learn row by row: river's 25 trees of height 8, window 250, on windows of 8 rows scaled to 0..1."""
    anomaly, preprocessing = imported("river.anomaly"), imported("river.preprocessing")
    scaler, trees = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1)
    scores = []
    for window in shingled(one, SHINGLE).tolist():
        row = dict(enumerate(window))
        scaler.learn_one(row)
        scaled = scaler.transform_one(row)
        scores.append(trees.score_one(scaled))
        trees.learn_one(scaled)
    return np.array(scores)


def adtk_seasonal(one: Labelled) -> Floats:
    """Return distances from adtk's daily season in interquartile ranges; 0 throughout without a fitted day."""
    import pandas as pd

    period = rows_per_day(one)
    if not 1 < period <= one.probation:
        return np.zeros(len(one.values))
    season = imported("adtk.transformer").ClassicSeasonalDecomposition(freq=period)
    # It wants an even grid; the season is counted in rows.
    index = pd.date_range("2026-01-01", periods=len(one.values), freq="h")
    table = pd.Series(one.values, index=index)
    season.fit(table.iloc[: one.probation])
    residual = np.abs(season.transform(table).to_numpy())
    low, high = np.percentile(residual[: one.probation], [25, 75])
    return np.asarray(residual / max(high - low, SMALLEST))


def prophet_interval(one: Labelled) -> Floats:
    """Fit Prophet to the probationary rows; return distances from its forecast in half its interval."""
    import pandas as pd

    prophet = imported("prophet")
    table = pd.DataFrame({"ds": one.times, "y": one.values})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = prophet.Prophet(uncertainty_samples=100).fit(table.iloc[: one.probation], seed=1)
        np.random.seed(1)
        forecast = model.predict(table[["ds"]])
    half = (forecast["yhat_upper"] - forecast["yhat_lower"]).to_numpy() / 2
    return np.asarray(np.abs(one.values - forecast["yhat"].to_numpy()) / np.maximum(half, SMALLEST))


def lstm_autoencoder(one: Labelled) -> Floats:
    """Return reconstruction errors of windows of 16 rows by an LSTM autoencoder, in those of the fitted rows."""
    model, fresh = _lstm()
    for variable, value in fresh:
        variable.assign(value)
    windows = shingled(one, AUTOENCODER_SHINGLE)[..., None].astype(np.float32)
    # Whole batches alone: each other shape would be compiled anew.
    fitted = windows[: max(one.probation // BATCH, 1) * BATCH]
    model.fit(fitted, fitted, epochs=EPOCHS, batch_size=BATCH, shuffle=False, verbose=0)
    padded = np.concatenate([windows, np.repeat(windows[-1:], -len(windows) % MANY, axis=0)])
    found = model.predict(padded, batch_size=MANY, verbose=0)[: len(windows)]
    errors = np.sqrt(((windows - found) ** 2).mean(axis=(1, 2)), dtype=np.float64)
    return np.asarray(errors / max(np.sqrt((errors[: one.probation] ** 2).mean()), SMALLEST))


@cache
def _lstm() -> tuple[Any, list[tuple[Any, Floats]]]:
    """Return a compiled model, and its variables with the values that they begin with."""
    keras = imported("keras")
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential([
        layers.Input((AUTOENCODER_SHINGLE, 1)),
        layers.LSTM(16),
        layers.RepeatVector(AUTOENCODER_SHINGLE),
        layers.LSTM(16, return_sequences=True),
        layers.Dense(1),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss="mse")
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return model, [(variable, np.array(variable)) for variable in variables]


PEERS = {
    "krcf": Method("krcf, Random Cut Forest", krcf_forest, 1.5),
    "rrcf": Method("rrcf, thinned to 400 rows", rrcf_forest, 20.0),
    "river": Method("river, Half-Space Trees", half_space_trees, 0.95),
    "adtk": Method("adtk, seasonal", adtk_seasonal, 3.0),
    "prophet": Method("Prophet", prophet_interval, 1.0),
    "keras": Method("LSTM autoencoder (Keras)", lstm_autoencoder, 3.0),
}


def installed() -> list[Method]:
    """Return the peers that can be imported; print which cannot and why."""
    return [method for module, method in PEERS.items() if present(module)]


def present(module: str) -> bool:
    """Return whether a peer can be imported; print why not."""
    try:
        imported(module)
    except ImportError as error:
        print(f"skipped: {module} ({error}); make peers installs it")
        return False
    return True
