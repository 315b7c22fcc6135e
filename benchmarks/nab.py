"""Scores of the Numenta Anomaly Benchmark, computed by its rules on whatever part of its series is at hand.

Rules: A. Lavin, S. Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark",
ICMLA 2015, and its corrections in NAB 1.1 (positions within a window count from -1 to -1/rows; the probationary period
ends at row 750 of long series). A row is a detection when its score reaches the threshold. Of the detections in a
labelled window the first alone counts, the more the earlier it comes; each one outside costs the more the longer ago
the last window was. 0 is a detector that never speaks, 100 one that speaks at the first row of every window alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hypocenter.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Floats = NDArray[np.float64]
Window = tuple[int, int]

PROBATION = 0.15
PROBATION_ROWS = 5000
FAR_BEHIND = 3.0


@dataclass(frozen=True)
class Profile:
    """What an application gains by a hit, and loses by a false alarm and by a miss."""

    name: str
    hit: float
    false_alarm: float
    miss: float


PROFILES = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("reward_low_FP_rate", 1.0, 0.22, 1.0),
    Profile("reward_low_FN_rate", 1.0, 0.11, 2.0),
)


@dataclass(frozen=True)
class Labelled:
    """One series: `name` is `category/file.csv`, `windows` are first and last rows of labelled anomalies, in order."""

    name: str
    times: NDArray[np.datetime64]
    values: Floats
    windows: tuple[Window, ...]

    @property
    def category(self) -> str:
        """The folder that NAB keeps the series in."""
        return self.name.partition("/")[0]

    @property
    def probation(self) -> int:
        """Rows at the start in which nothing is scored: 15 % of the series, 750 at most.

        >>> Labelled("a/b.csv", np.empty(10_000, "M8[ns]"), np.zeros(10_000), ()).probation
        750
        """
        return int(min(np.floor(PROBATION * len(self.values)), PROBATION * PROBATION_ROWS))

    @property
    def scored_windows(self) -> tuple[Window, ...]:
        """The windows that do not end within the probationary period."""
        return tuple(window for window in self.windows if window[1] >= self.probation)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Whether each row lies in a window."""
        inside = np.zeros(len(self.values), dtype=bool)
        for first, last in self.windows:
            inside[first : last + 1] = True
        return inside


@dataclass(frozen=True)
class FileResult:
    """What became of one series at a threshold; `false_alarms` are rows, `points` the standard profile's raw score."""

    name: str
    hits: int
    misses: int
    false_alarms: int
    points: float


@dataclass(frozen=True)
class Curve:
    """What every threshold would bring: `thresholds` fall; `hit`, `false_alarm` and `found` start with none at all.

    `hit` sums the rewards of first detections, `false_alarm` the (negative) ones of detections outside windows,
    `found` counts the windows with a detection: at index i all rows with a score of `thresholds[i - 1]` or more.
    """

    thresholds: Floats
    hit: Floats
    false_alarm: Floats
    found: Floats
    windows: int

    def normalized(self, profile: Profile) -> Floats:
        """Return the score at each threshold, after that of no detection at all; NaN without windows."""
        perfect = self.windows * (profile.hit + profile.miss)
        points = profile.hit * self.hit + profile.false_alarm * self.false_alarm + profile.miss * self.found
        return 100 * points / perfect if perfect else np.full(len(points), np.nan)

    def index(self, threshold: float) -> int:
        """Return where the sums of rows that reach the threshold stand."""
        return int(np.searchsorted(-self.thresholds, -threshold, side="right"))


def load(folder: Path) -> list[Labelled]:
    """Read the series below `folder/data` in order of name, with `combined_windows.json` of the folder or its labels/.

    Raises InputError when there is no such file, a series has no entry in it, or a window's edge is no row's time.
    """
    places = [folder / "combined_windows.json", folder / "labels" / "combined_windows.json"]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"{folder} holds no combined_windows.json: name a folder of the Numenta Anomaly Benchmark")
    limits = json.loads(found.read_text(encoding="utf-8"))
    paths = sorted((folder / "data").glob("*/*.csv"))
    return [_read(path, f"{path.parent.name}/{path.name}", limits) for path in paths]


def _read(path: Path, name: str, limits: Mapping[str, Sequence[Sequence[str]]]) -> Labelled:
    import pandas as pd

    if name not in limits:
        raise InputError(f"{name} has no entry in combined_windows.json")
    table = pd.read_csv(path)
    times = table["timestamp"].to_numpy(dtype="datetime64[ns]")
    windows = tuple((_row(times, first, name), _row(times, last, name)) for first, last in limits[name])
    return Labelled(name, _rising(times), table["value"].to_numpy(dtype=np.float64), windows)


def _row(times: NDArray[np.datetime64], edge: str, name: str) -> int:
    rows = np.flatnonzero(times == np.datetime64(edge, "ns"))
    if not len(rows):
        raise InputError(f"{name} has no row at {edge}, where combined_windows.json has the edge of a window")
    return int(rows[0])


def _rising(times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Move a time that repeats by a millisecond: detectors ask for strictly rising ones."""
    steps = np.arange(len(times)) * np.timedelta64(1, "ms")
    return np.asarray(np.maximum.accumulate(times - steps) + steps)


def sigmoid(position: Floats) -> Floats:
    """Return the worth of a detection: -1 is a window's first row, 0 behind its last, 1 a window's length later.

    >>> sigmoid(np.array([-1.0, 0.0, 1.0, 3.0])).round(5).tolist()
    [0.98661, 0.0, -0.98661, -1.0]
    """
    near = np.minimum(position, FAR_BEHIND)
    return np.asarray(np.where(position >= FAR_BEHIND, -1.0, 2 / (1 + np.exp(5 * near)) - 1))


def curve(series: Sequence[Labelled], scores: Sequence[Floats]) -> Curve:
    """Return what every threshold would bring on the series together; a NaN is never a detection."""
    parts = [part for one, own in zip(series, scores, strict=True) for part in _steps(one, np.asarray(own))]
    steps = np.concatenate([np.empty((4, 0)), *parts], axis=1)
    score, *gains = steps[:, np.argsort(-steps[0], kind="stable")]
    # Equal scores are passed together: the sums count after the last of them.
    last = np.append(score[1:] != score[:-1], True)[: len(score)]
    hit, false_alarm, found = (np.append(0.0, np.cumsum(gain)[last]) for gain in gains)
    return Curve(score[last], hit, false_alarm, found, sum(len(one.scored_windows) for one in series))


def _steps(one: Labelled, scores: Floats) -> list[Floats]:
    """Return rows that change a sum when the threshold falls to their score: score, hit, false alarm, found."""
    if len(scores) != len(one.values):
        raise InputError(f"{one.name} has {len(one.values)} rows and {len(scores)} scores")
    return [_outside(one, scores), *(_inside(one, scores, window) for window in one.scored_windows)]


def _outside(one: Labelled, scores: Floats) -> Floats:
    position = np.full(len(scores), FAR_BEHIND)
    for first, last in one.windows:
        position[last + 1 :] = np.arange(1, len(scores) - last) / max(last - first, 1)
    rows = _scored(one, scores, ~one.labels)
    none = np.zeros(len(rows))
    return np.stack([scores[rows], none, sigmoid(position[rows]), none])


def _inside(one: Labelled, scores: Floats, window: Window) -> Floats:
    first, last = window
    within = np.zeros(len(scores), dtype=bool)
    within[first : last + 1] = True
    rows = _scored(one, scores, within)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    worth = sigmoid(-(last - rows + 1) / (last - first + 1)) / sigmoid(np.array(-1.0))
    reward = np.diff(np.maximum.accumulate(worth), prepend=0.0)
    return np.stack([scores[rows], reward, np.zeros(len(rows)), np.arange(len(rows)) == 0])


def _scored(one: Labelled, scores: Floats, among: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = np.flatnonzero(among & ~np.isnan(scores))
    return rows[rows >= one.probation]


def score(series: Sequence[Labelled], scores: Sequence[Floats], threshold: float) -> dict[str, float]:
    """Return each profile's score at one threshold for all series; NaN when no series has a window."""
    swept = curve(series, scores)
    return {profile.name: float(swept.normalized(profile)[swept.index(threshold)]) for profile in PROFILES}


def best(series: Sequence[Labelled], scores: Sequence[Floats]) -> dict[str, tuple[float, float]]:
    """Return each profile's highest score and its threshold, one for all series; the highest such, infinity for none.

    Raises InputError when no series has a window: no threshold is better than another then.
    """
    swept = curve(series, scores)
    if not swept.windows:
        raise InputError("none of the series has a labelled window: there is nothing to choose a threshold by")
    thresholds = np.append(np.inf, swept.thresholds)
    places = {profile.name: swept.normalized(profile) for profile in PROFILES}
    return {name: (float(points.max()), float(thresholds[points.argmax()])) for name, points in places.items()}


def by_file(series: Sequence[Labelled], scores: Sequence[Floats], threshold: float) -> list[FileResult]:
    """Return what became of each series at a threshold."""
    return [_file(one, own, threshold) for one, own in zip(series, scores, strict=True)]


def _file(one: Labelled, scores: Floats, threshold: float) -> FileResult:
    swept = curve([one], [scores])
    place, standard = swept.index(threshold), PROFILES[0]
    hits = round(swept.found[place])
    misses = swept.windows - hits
    points = standard.hit * swept.hit[place] + standard.false_alarm * swept.false_alarm[place] - standard.miss * misses
    alarms = _scored(one, scores, ~one.labels & (scores >= threshold))
    return FileResult(one.name, hits, misses, len(alarms), float(points))


def by_category(series: Sequence[Labelled], scores: Sequence[Floats]) -> dict[str, tuple[list[Labelled], list[Floats]]]:
    """Return the series and scores of each category, in order of appearance."""
    found: dict[str, tuple[list[Labelled], list[Floats]]] = {}
    for one, own in zip(series, scores, strict=True):
        group = found.setdefault(one.category, ([], []))
        group[0].append(one)
        group[1].append(own)
    return found
