"""A Prometheus server's recent past as a case, without hurting the server during the incident."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.errors import InputError
from hypocenter.readers.prometheus_client import PrometheusClient
from hypocenter.readers.prometheus_options import DEFAULT_MATCH, PrometheusOptions, options_from_settings
from hypocenter.readers.prometheus_plan import Window, expressions, pieces, plan
from hypocenter.readers.prometheus_questions import Questions
from hypocenter.readers.prometheus_samples import alerts_of, table_of
from hypocenter.readers.selectors import parse_selector
from hypocenter.readers.times import to_datetime
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_plan import Catalogue, Plan
    from hypocenter.readers.prometheus_samples import Key
    from hypocenter.readers.selectors import Selector
    from hypocenter.telemetry import RawTable

__all__ = ["DEFAULT_MATCH", "PrometheusOptions", "options_from_settings", "read_prometheus"]


def read_prometheus(
    url: str,
    at: datetime,
    lookback: timedelta,
    match: Sequence[str] = DEFAULT_MATCH,
    *,
    options: PrometheusOptions | None = None,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Case:
    """Return what the server at `url` knows of the `lookback` before `at`, and of the while after it, as a case.

    `match` are series selectors such as `{namespace="shop"}`. Samples are asked for as they were scraped, so that a
    series that falls silent is seen to; only metrics that would break the budget are added up at the server. Firing
    `ALERTS` become alerts. Raises InputError for a URL or selector that cannot be asked or matches nothing, LimitError
    when the answer would be larger than `options` allow, SourceError when the server does not answer as it should.
    """
    options = options or options_from_settings()
    selectors = [parse_selector(text) for text in match]
    window = _window(at, lookback, options)
    with PrometheusClient(url, options, sleep, jitter) as client:
        questions = Questions(client)
        catalogue = questions.catalogue(selectors, window, options.max_response_bytes)
        interval = questions.interval(catalogue, window)
        chosen = plan(catalogue, selectors, window, interval, options.max_points, options.component_labels)
        series = questions.raw(list(pieces(catalogue, chosen.raw, selectors, window, interval)))
        series |= _added_up(questions, chosen, window)
        metrics = _table(series, chosen.step_s if chosen.aggregated else 0, questions)
        reference = tuple(_baselines(questions, catalogue, chosen, selectors, window, options))
    _note_end(metrics, window, questions)
    return Case(
        case_id=f"prometheus-{datetime.fromtimestamp(window.at, tz=UTC):%Y-%m-%dT%H%M%SZ}",
        metrics=metrics,
        reference=reference,
        alerts=alerts_of(series),
        notes=tuple(questions.notes),
    )


def _window(at: datetime, lookback: timedelta, options: PrometheusOptions) -> Window:
    moment = to_datetime(at, "--at").timestamp()
    if lookback.total_seconds() <= 0:
        raise InputError("--lookback must be longer than nothing; write 6h")
    if lookback.total_seconds() > moment:
        raise InputError("--lookback reaches back before 1970; ask for less, such as 6h")
    return Window(moment - lookback.total_seconds(), moment + options.lookahead.total_seconds(), moment)


def _added_up(questions: Questions, chosen: Plan, window: Window) -> dict[Key, Samples]:
    series: dict[Key, Samples] = {}
    for aggregation in chosen.aggregated:
        series |= questions.added_up(aggregation, window, chosen.step_s)
        questions.note(
            f"{aggregation.metric} has too many series for the budget of points and was added up at the server: "
            "one instance that falls silent is not seen in it"
        )
    return series


def _table(series: Mapping[Key, Samples], least_s: int, questions: Questions) -> RawTable:
    """Return series on the grid of their scrape interval, or of `least_s` seconds where that is longer."""
    table, notes = table_of(series, "Prometheus", least_s)
    if len(table.times) == 0:
        raise InputError(
            f"{questions.client.place}: the series that match have no samples in that time; try another --at"
        )
    for note in notes:
        questions.note(note)
    return table


def _baselines(
    questions: Questions,
    catalogue: Catalogue,
    chosen: Plan,
    selectors: Sequence[Selector],
    window: Window,
    options: PrometheusOptions,
) -> Iterator[RawTable]:
    """Yield the same window of earlier times, read coarsely, as long as the budget of points lasts."""
    cost = sum(len(catalogue[metric]) for metric in chosen.raw) * int(window.seconds / chosen.step_s + 1)
    asked = list(expressions(catalogue, chosen.raw, selectors))
    for number, ago in enumerate(options.baselines, start=1):
        if chosen.points + number * cost > options.max_points:
            questions.note(f"no points are left in the budget to read what was normal {ago} earlier")
            return
        earlier = window.before(ago.total_seconds())
        series = questions.coarse(asked, earlier, chosen.step_s) | _added_up(questions, chosen, earlier)
        if series:
            yield _table(series, chosen.step_s, questions)
        else:
            questions.note(f"the server knows nothing of {ago} earlier")


def _note_end(metrics: RawTable, window: Window, questions: Questions) -> None:
    early = window.at - float(metrics.times[-1].astype(np.int64)) / 1e9
    if early > 300:
        questions.note(f"the last sample of all is {early / 60:.0f} minutes before the stated time")
