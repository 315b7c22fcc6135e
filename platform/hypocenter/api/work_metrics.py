"""What detection tells of itself to a Prometheus that scrapes it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from hypocenter.api.bounded import PATIENCE_S, Bounded
from hypocenter.api.work_state import work_state
from hypocenter.errors import HypocenterError
from hypocenter.stores.work_board import (
    BOUNDS,
    SERIES,
    STATE_BYTES,
    TASK_SECONDS,
    TASKS,
    TASKS_WITHIN,
    TOTALS,
    WAITING,
    Figure,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client import Metric

    from hypocenter.api.work_state import Overseen, WorkState


class WorkMetrics(Collector):
    """Asks records and board whenever somebody scrapes, and waits for `patience_s` at most."""

    def __init__(self, overseen: Overseen, patience_s: float = PATIENCE_S) -> None:
        self._state = Bounded(lambda: work_state(overseen), patience_s)

    def collect(self) -> Iterable[Metric]:
        """Return lags, queues, tasks and what they counted; where records or board do not answer, that alone."""
        up = "Whether the records and the board of detection answer."
        try:
            state = self._state.answer()
        except HypocenterError:
            return [GaugeMetricFamily("hypocenter_detection_up", up, 0)]
        return [GaugeMetricFamily("hypocenter_detection_up", up, 1), *_of_positions(state), *_of_board(state)]


def _of_positions(state: WorkState) -> Iterable[Metric]:
    lag = GaugeMetricFamily("hypocenter_shard_lag_seconds", "Settled time not scored yet.", labels=["shard"])
    for shard, behind in state.lags.items():
        lag.add_metric([str(shard)], behind.total_seconds())
    yield lag
    yield GaugeMetricFamily("hypocenter_dead_letters", "Tasks that were given up and are kept.", state.dead_letters)
    yield GaugeMetricFamily("hypocenter_incidents_open", "Incidents that are open.", state.open_incidents)
    models = GaugeMetricFamily("hypocenter_model_version", "Version of the model that serves.", labels=["model"])
    for each in state.models:
        models.add_metric([each.name], each.version)
    yield models


def _of_board(state: WorkState) -> Iterable[Metric]:
    if state.beat_seen is not None:
        told = "When a beat took its last turn, in seconds since 1970."
        yield GaugeMetricFamily("hypocenter_beat_timestamp_seconds", told, state.beat_seen.timestamp())
    if state.heard is not None:
        told = "The newest scored step in which a sample came, by its beginning, in seconds since 1970."
        yield GaugeMetricFamily("hypocenter_heard_timestamp_seconds", told, state.heard.timestamp())
    waiting = GaugeMetricFamily("hypocenter_queue_messages", "Messages that wait in a queue.", labels=["queue"])
    yield _filled(waiting, state.levels, WAITING, 1)
    sizes = GaugeMetricFamily("hypocenter_shard_state_bytes", "Size of a shard's detector state.", labels=["shard"])
    yield _filled(sizes, state.levels, STATE_BYTES, 1)
    series = GaugeMetricFamily("hypocenter_shard_series", "Series of a shard that are watched.", labels=["shard"])
    yield _filled(series, state.levels, SERIES, 1)
    tasks = CounterMetricFamily("hypocenter_tasks", "Tasks by what became of them.", labels=["task", "outcome"])
    yield _filled(tasks, state.totals, TASKS, 2)
    yield _durations(state.totals)
    for name, told in TOTALS.items():
        yield CounterMetricFamily(f"hypocenter_{name}", told, state.totals.get(Figure(name), 0.0))


def _durations(totals: Mapping[Figure, float]) -> Metric:
    seconds = HistogramMetricFamily("hypocenter_task_seconds", "Time that tasks took.", labels=["task"])
    for name in sorted({each.first for each in totals if each.name == TASKS_WITHIN}):
        within = [totals.get(Figure(TASKS_WITHIN, name, str(bound)), 0.0) for bound in BOUNDS]
        buckets = list(zip(map(floatToGoString, BOUNDS), accumulate(within), strict=True))
        seconds.add_metric([name], buckets, totals.get(Figure(TASK_SECONDS, name), 0.0))
    return seconds


def _filled(metric: Metric, figures: Mapping[Figure, float], name: str, words: int) -> Metric:
    for figure, value in sorted(figures.items()):
        if figure.name == name:
            labels: Sequence[str] = figure[1 : 1 + words]
            metric.add_metric(labels, value)  # type: ignore[attr-defined]
    return metric
