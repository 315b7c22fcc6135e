"""Detection over one table of series: a detector, its threshold and its events."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hypocenter.errors import InputError
from hypocenter.readers.series_tables import SeriesOfTable, read_series
from hypocenter_workers.detect import naming
from hypocenter_workers.detect.budget import Watch, default_threshold
from hypocenter_workers.detect.contract import Flag
from hypocenter_workers.detect.ensemble import RUN_PRICE, Ensemble
from hypocenter_workers.detect.events import Event, Events, Kind, QuietTime, mute
from hypocenter_workers.detect.silence import Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hypocenter.telemetry import Values
    from hypocenter_workers.detect.calendar import Calendar
    from hypocenter_workers.detect.contract import Detector

# The first rows say how often a series is looked at, so that no later row moves the threshold.
STEP_ROWS = 100
LONE_ROW_STEP_S = 60.0
# Series are scored so many at a time: what they do not share need not be in memory at once.
MOST_SHAPED = 256
WEEK_S = 604_800.0
MOST_RARER = 3.0
SERIES_AT_ONCE = 64


@dataclass(frozen=True)
class Detection:
    """A table, its scores, expected values and scales, [time, series], and its events in the order they were told.

    `alert_scores` are the scores but where a row over the threshold belongs to an event that was told before.
    """

    title: str
    table: SeriesOfTable
    scores: Values
    alert_scores: Values
    expected: Values
    scale: Values
    events: tuple[Event, ...]
    threshold: float


class _Part(NamedTuple):
    scores: Values
    alert_scores: Values
    expected: Values
    scale: Values
    events: tuple[Event, ...]


def default_detector(calendar: Calendar, series: int = 1, limit: float | None = None) -> Detector:
    """Return the detector that tables of so many series are scored with unless another is wanted.

    `limit`, in the unit of the series, is what they cannot exceed; without one each has its highest value.
    Beyond 256 series it does without the forest of shapes, which takes a hundred times as long as all the rest.
    """
    return Ensemble(calendar, shapes=series <= MOST_SHAPED, limit=limit)


def detect_file(
    path: Path,
    calendar: Calendar,
    score: float | None = None,
    alerts_per_week: float | None = None,
    limit: float | None = None,
    quiet: Sequence[QuietTime] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Detect in a file with the default detector; `progress` is told what is being done.

    The threshold is `score`, or follows from `alerts_per_week` on each series, or is the default one; `limit` is what
    `default_detector` takes, and nothing is told in `quiet`. Raises InputError for a file that holds no series, for
    more alerts than rows and for a quiet time that makes no sense.
    """
    table = read_series(path)
    threshold = score if alerts_per_week is None else threshold_of(table, alerts_per_week)
    many = len(table.names)
    if many > MOST_SHAPED:
        note = f"{path.name}: shapes are looked for in at most {MOST_SHAPED} series at once; this table has {many:,}"
        table = replace(table, notes=(*table.notes, note))
    _announce_compiling(progress)
    return detect(table, default_detector(calendar, many, limit), path.name, threshold, quiet, progress)


def _announce_compiling(progress: Callable[[str], None]) -> None:
    """Say so when the first use will take much longer than any other."""
    from hypocenter_workers.detect.compiling import was_kept
    from hypocenter_workers.detect.seasonal_kernels import score_rows

    if not was_kept(score_rows):
        progress("compiling the detectors, which happens once and takes about half a minute")


def detect(
    table: SeriesOfTable,
    detector: Detector,
    title: str = "",
    score: float | None = None,
    quiet: Sequence[QuietTime] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Detection:
    """Score every row of a table against the rows before it and tell its events, but none in `quiet`.

    A series that says nothing while others go on is one of them. `score` is the threshold of an alert; without one it
    is that of `budget.default_threshold`. Raises InputError for a quiet time that makes no sense.
    """
    stage = _stage(default_threshold(_watch(table)), score)
    silence = _silence(table)
    muted = np.broadcast_to(mute(table.times, len(table.names), quiet), silence.shape)
    parts = []
    for first in range(0, len(table.names), SERIES_AT_ONCE):
        columns = slice(first, first + SERIES_AT_ONCE)
        names = table.names[columns]
        progress(f"detecting in series {first + 1} to {first + len(names)} of {len(table.names)}")
        parts.append(_detect_columns(table, columns, detector, stage, silence[:, columns], muted[:, columns]))
    scores, alerts, expected, scale = (np.concatenate(pieces, axis=1) for pieces in list(zip(*parts, strict=True))[:4])
    told = sorted((event for part in parts for event in part.events), key=lambda event: (event.alert, event.series))
    return Detection(title, table, scores, alerts, expected, scale, tuple(told), stage.threshold)


def threshold_of(table: SeriesOfTable, alerts_per_week: float) -> float:
    """Return the threshold at which chance raises so many alerts a week on each series; the default one raises one.

    Raises InputError when so many alerts need no threshold.
    """
    found = default_threshold(_watch(table)) - math.log10(alerts_per_week)
    if found <= 0:
        raise InputError(f"{alerts_per_week:g} alerts a week are as many as there are rows; ask for fewer")
    return found


def _stage(usual: float, score: float | None) -> Events:
    """Return the event stage of a threshold; its budget is to one alert a week as the threshold is to the usual one."""
    limit = usual if score is None else score
    rarer = 10.0 ** min(max(limit - usual, -MOST_RARER), MOST_RARER)
    return Events(limit, budget_s=WEEK_S * rarer)


def _watch(table: SeriesOfTable) -> Watch:
    steps = np.diff(table.times[:STEP_ROWS]) / np.timedelta64(1, "s")
    return Watch(series=len(table.names), step_s=float(np.median(steps)) if len(steps) else LONE_ROW_STEP_S)


def _silence(table: SeriesOfTable) -> Values:
    """Return how unusual it is that a series says nothing while others go on, NaN where it is not: [time, series]."""
    detector = Silence()
    scored = detector.score_block(table.values, table.times, detector.begin(len(table.names)))
    told = scored.scores - RUN_PRICE
    return np.where(np.isnan(table.values) & (told > 0), told, np.nan)


def _detect_columns(
    table: SeriesOfTable, columns: slice, detector: Detector, stage: Events, silence: Values, muted: NDArray[np.bool_]
) -> _Part:
    values = np.ascontiguousarray(table.values[:, columns])
    state = detector.begin(values.shape[1])
    if isinstance(detector, Ensemble):
        scored, kinds = detector.detect_block(values, table.times, state)
    else:
        scored = detector.score_block(values, table.times, state)
        kinds = np.full(values.shape, Kind.POINT, dtype=np.uint8)
    seen = naming.seen(values, table.times, scored, stage.threshold)
    silent = np.isfinite(silence)
    kinds = np.where(seen.ordinary & (kinds == Kind.POINT), np.uint8(Kind.CONTEXTUAL), kinds)
    kinds = np.where(silent, np.uint8(Kind.SILENCE), kinds)
    heard = scored._replace(scores=np.where(silent, silence, scored.scores))
    muted = muted | ((scored.flags & Flag.SUPPRESSED) != 0)
    told = stage.tell_block(heard, values, table.times, stage.begin(), muted, kinds)
    named = (naming.named(event, seen) for event in told.events)
    scores, expected, scale = (np.asarray(each, np.float64) for each in (scored.scores, scored.expected, scored.scale))
    moved = tuple(replace(event, series=event.series + columns.start) for event in named)
    alert_scores = stage.alert_scores(scores, np.where(silent, np.uint8(0), told.flags))
    return _Part(scores, alert_scores, expected, scale, moved)
