"""Speed, size and start of detection on one core, beside other libraries on the same machine in the same run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import detectors
import made
import numpy as np
import peers
import results
from methods import SHINGLE, shingled
from peers import SAMPLES, TREES

from hypocenter_workers.detect.ensemble import Ensemble
from hypocenter_workers.detect.seasonal import Seasonal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nab import Floats

    from hypocenter.telemetry import Times
    from hypocenter_workers.detect.contract import Detector, Scored, State

REPETITIONS = 15
STEP = np.timedelta64(60, "s")
BEGIN = np.datetime64("2026-03-02", "ns")
WARM_ROWS = 300
MOST_CELLS = 10_000_000
FLEET = 800_000
FLAT = "ensemble without shapes"
FLEET_TIERS = ("seasonal", FLAT)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
NOTE = (
    "One process on one core. A figure is the best of several runs and, beside it, their median. Blocks hold 60 rows "
    "of 60 s for the fleet's tiers (20,000 series, past their warm-up) and 4,000 rows of the peers' series, from the "
    "first on, for the others (the forest has 50 trees, 256 samples, shingle 8). krcf and rrcf have the forest's "
    "settings and, as it, score and learn every point; scikit-learn's forest is fitted once and does not learn. A step "
    "scores one row of 800,000 series: keeping what was known before, or in the memory of the last step. First "
    "detection is a fresh process from its start to its end with one score: interpreter, imports, kernels. Where "
    "nothing can be kept, neither the package nor the user's cache folder can be written."
)
FIRST_DETECTION = """
import numpy as np
from {module} import {name}
detector = {name}()
times = np.datetime64("2026-03-02", "ns") + np.arange(2) * np.timedelta64(60, "s")
detector.score_block(np.ones((2, 1)), times, detector.begin(1))
"""


@dataclass(frozen=True)
class Timed:
    """Seconds of the fastest run and of the median one."""

    best: float
    middle: float

    def times(self, factor: float) -> Timed:
        """Return it in another unit."""
        return Timed(self.best * factor, self.middle * factor)


def main() -> None:
    """Measure all of it on one core, and keep the result."""
    from threadpoolctl import threadpool_limits

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    shipped = detectors.shipped() | {FLAT: Ensemble(shapes=False)}
    with threadpool_limits(1):
        ours = {name: per_point(detector, *_block_of(name)) for name, detector in shipped.items()}
        rows = [
            *(_speed(name, ours, spent, points) for name, (spent, points) in (ours | dict(_others())).items()),
            *(row for name, detector in shipped.items() for row in _sizes(name, detector)),
            *(row for detector in detectors.shipped().values() for row in _first_detections(detector)),
        ]
    results.keep("detect", rows, note=NOTE)


def _row(group: str, case: str, spent: Timed, unit: str, **ratios: float | None) -> results.Row:
    print(f"{group}: {case}", file=sys.stderr)
    row: results.Row = {"measured": group, "case": case, "best": spent.best, "median": spent.middle, "unit": unit}
    row["a second"] = 1e6 / spent.best if unit == "µs" else None
    return row | {f"{name} is × faster": ratios.get(name) for name in ("seasonal", "forest")}


def timed(work: Callable[[], object], repetitions: int = REPETITIONS) -> Timed:
    """Return the seconds that some work takes, best and median of several runs."""
    spent = []
    for _ in range(repetitions):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return Timed(min(spent), median(spent))


def samples(rows: int, series: int, seed: int = 1) -> Floats:
    """Return noise around levels, [rows, series]."""
    levels = np.random.default_rng(1).uniform(10, 1000, series)
    return levels + np.random.default_rng(seed).standard_normal((rows, series), dtype=np.float32)


def warmed(detector: Detector, series: int, rows: int = WARM_ROWS) -> State:
    """Return a state that has seen enough rows to be past its warm-up, in blocks that leave room in memory."""
    state, at_once = detector.begin(series), max(MOST_CELLS // series, 1)
    for first in range(0, rows, at_once):
        block = np.arange(first, min(first + at_once, rows))
        state = detector.score_block(samples(len(block), series, first), BEGIN + block * STEP, state).state
    return state


def _block_of(name: str) -> tuple[int, int]:
    """Return rows and series of a block that suits a detector: those for fleets see many series at once."""
    return (60, 20_000) if name in FLEET_TIERS else (4000, 1)


def per_point(detector: Detector, rows: int, series: int) -> tuple[Timed, int]:
    """Return the seconds per point of a block, and its points."""
    return _block(detector, rows, series).times(1 / (rows * series)), rows * series


def _block(detector: Detector, rows: int, series: int) -> Timed:
    if series == 1:
        state, values = detector.begin(1), _wave(rows)
    else:
        state, values = warmed(detector, series), samples(rows, series)
    times = BEGIN + (WARM_ROWS + np.arange(rows)) * STEP
    return timed(lambda: detector.score_block(values, times, state))


def _wave(rows: int) -> Floats:
    """Return the one series that the peers are measured on, [rows, 1]."""
    return np.ascontiguousarray(made.series("point", 1).values[:rows, None])


def _speed(name: str, ours: dict[str, tuple[Timed, int]], spent: Timed, points: int) -> results.Row:
    ratios = {tier: spent.best / ours[tier][0].best for tier in ("seasonal", "forest") if tier in ours}
    return _row("microseconds a point", f"{name}, {points:,} points", spent.times(1e6), "µs", **ratios)


def _others() -> Iterator[tuple[str, tuple[Timed, int]]]:
    """Measure each peer that is installed: seconds per point, and how many points."""
    series = made.series("point", 1)
    windows = shingled(series, SHINGLE)
    yield from _forests(windows)
    yield (
        f"statsmodels {version('statsmodels')}, STL with jumps",
        _run(partial(_stl, series.values), len(series.values)),
    )
    if peers.present("adtk"):
        yield f"adtk {version('adtk')}, SeasonalAD", _run(partial(_adtk, series.values), len(series.values))


def _forests(windows: Floats) -> Iterator[tuple[str, tuple[Timed, int]]]:
    fit, few, many = windows[:1000], windows[1000:1200], windows[1000:4000]
    if peers.present("krcf"):
        yield f"krcf {version('krcf')}", _run(partial(_each, _krcf(fit), many), len(many))
    if peers.present("rrcf"):
        trees = _rrcf(windows[:SAMPLES])
        yield f"rrcf {version('rrcf')}", _run(partial(_rrcf_points, trees, windows[SAMPLES : SAMPLES + 20]), 20, 1)
    yield from _isolation_forest(fit, few, many)
    if peers.present("river"):
        yield f"river {version('river')}, HalfSpaceTrees (25 trees)", _run(partial(_each, _river(fit), many), len(many))


def _run(work: Callable[[], object], points: int, repetitions: int = REPETITIONS) -> tuple[Timed, int]:
    return timed(work, repetitions).times(1 / points), points


def _each(step: Callable[[Any], object], points: Floats) -> None:
    for point in points.tolist():
        step(point)


def _krcf(fit: Floats) -> Callable[[list[float]], float]:
    step = peers.krcf_step()
    _each(step, fit)
    return step


def _rrcf(fit: Floats) -> list[Any]:
    rrcf = peers.imported("rrcf")
    return [rrcf.RCTree(fit, index_labels=range(len(fit)), random_state=tree) for tree in range(TREES)]


def _rrcf_points(trees: list[Any], points: Floats) -> None:
    for place, point in enumerate(points):
        for tree in trees:
            tree.forget_point(place)
            tree.insert_point(point, index=SAMPLES + place)
            tree.codisp(SAMPLES + place)


def _isolation_forest(fit: Floats, few: Floats, many: Floats) -> Iterator[tuple[str, tuple[Timed, int]]]:
    from sklearn.ensemble import IsolationForest

    name = f"scikit-learn {version('scikit-learn')}, IsolationForest"
    model = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=1).fit(fit)
    yield f"{name}, by the point", _run(partial(_rows_alone, model, few), len(few))
    yield f"{name}, in one block", _run(partial(model.score_samples, many), len(many))


def _rows_alone(model: Any, points: Floats) -> None:
    for row in range(len(points)):
        model.score_samples(points[row : row + 1])


def _river(fit: Floats) -> Callable[[list[float]], None]:
    trees = peers.imported("river.anomaly").HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=1)

    def step(point: list[float]) -> None:
        row = dict(enumerate(point))
        trees.score_one(row)
        trees.learn_one(row)

    _each(step, fit)
    return step


def _stl(values: Floats) -> None:
    from statsmodels.tsa.seasonal import STL

    jump = made.DAY // 10
    STL(values, period=made.DAY, seasonal_jump=jump, trend_jump=jump, low_pass_jump=jump).fit()


def _adtk(values: Floats) -> None:
    import pandas as pd

    table = pd.Series(values, index=pd.date_range("2026-03-02", periods=len(values), freq="5min"))
    peers.imported("adtk.detector").SeasonalAD(freq=made.DAY).fit_detect(table)


def _sizes(name: str, detector: Detector) -> Iterator[results.Row]:
    """Yield the state's size, and for the tier of the fleet one step of 800,000 series and the cost by size."""
    rows, series = (7 * 24 * 4, 100) if name in FLEET_TIERS else (WARM_ROWS, 2)
    quarter_hours = BEGIN + np.arange(rows) * np.timedelta64(900, "s")
    state = detector.score_block(samples(rows, series), quarter_hours, detector.begin(series)).state
    size = len(state.to_bytes()) / series
    yield _row("bytes of state a series", f"{name}, {series} series", Timed(size, size), "B")
    if name not in FLEET_TIERS:
        return
    for many in SIZES:
        spent = _block(detector, 10, many).times(1e9 / (10 * many))
        yield _row("nanoseconds a point, by the number of series", f"{name}, {many:,} series", spent, "ns")
    yield _row("milliseconds a step", f"{name}, {FLEET:,} series, all kept", _steps(detector, _anew).times(1000), "ms")
    if isinstance(detector, Seasonal):
        spent = _steps(detector, _in_place)
        yield _row(
            "milliseconds a step", f"{name}, {FLEET:,} series, in the last step's memory", spent.times(1000), "ms"
        )


def _anew(detector: Detector, values: Floats, times: Times, last: Scored) -> Scored:
    return detector.score_block(values, times, last.state)


def _in_place(detector: Seasonal, values: Floats, times: Times, last: Scored) -> Scored:
    return detector.score_block(values, times, last.state, into=last)


def _steps(detector: Any, step: Callable[[Any, Floats, Times, Scored], Scored]) -> Timed:
    """Return the seconds of single rows of the whole fleet, each learned before the next."""
    values = samples(1, FLEET)
    scored = detector.score_block(values, BEGIN + np.array([29]) * STEP, warmed(detector, FLEET, rows=29))
    spent = []
    for minute in range(30, 30 + 2 * REPETITIONS):
        times = BEGIN + np.array([minute]) * STEP
        began = time.perf_counter()
        scored = step(detector, values, times, scored)
        spent.append(time.perf_counter() - began)
    return Timed(min(spent), median(spent))


def _first_detections(detector: Detector) -> Iterator[results.Row]:
    """Yield the time from a process's start to its first score, by what it finds of compiled kernels."""
    code = FIRST_DETECTION.format(module=type(detector).__module__, name=type(detector).__name__)
    group = "seconds to the first detection of a process"
    with tempfile.TemporaryDirectory() as folder:
        sources, kept = Path(folder) / "sources", {"NUMBA_CACHE_DIR": str(Path(folder) / "kept")}
        sealed = _sealed(sources)
        for case, environ, repetitions in (
            ("kernels compiled and kept", kept, 1),
            ("kernels kept before", kept, REPETITIONS),
            ("kernels compiled, nothing can be kept", sealed, 1),
        ):
            yield _row(group, f"{detector.name}, {case}", timed(partial(_process, code, environ), repetitions), "s")


def _sealed(folder: Path) -> dict[str, str]:
    """Copy the packages to where no folder for compiled code can be made, not even by root; return the environment."""
    for package in ("hypocenter", "hypocenter_graph", "hypocenter_workers"):
        found = find_spec(package)
        assert found is not None
        assert found.submodule_search_locations is not None
        source = Path(found.submodule_search_locations[0])
        shutil.copytree(source, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for place in [path for path in folder.rglob("*") if path.is_dir()]:
        (place / "__pycache__").touch()
    home = folder / "home"
    home.touch()
    nowhere = {name: str(home / "none") for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    return nowhere | {"PYTHONPATH": str(folder)}


def _process(code: str, environ: dict[str, str]) -> None:
    """Run Python as it is run by default, keeping the bytecode of what it imports."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], env=usual | environ, check=True)


if __name__ == "__main__":
    main()
