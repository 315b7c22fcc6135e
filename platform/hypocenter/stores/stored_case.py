"""What was kept around a moment, as a case: samples, alerts and change events out of the stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypocenter.errors import InputError, LimitError
from hypocenter.readers.limits import limits_from_settings
from hypocenter.readers.prometheus_options import DEFAULT_MATCH_OF_KEPT
from hypocenter.readers.prometheus_samples import alerts_of, table_of
from hypocenter.readers.selectors import parse_selector
from hypocenter.telemetry import Case

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from hypocenter.readers.grid import Samples
    from hypocenter.readers.prometheus_samples import Key
    from hypocenter.stores.metrics import MetricsStore, StoredSeries
    from hypocenter.stores.records import Records
    from hypocenter.telemetry import RawTable

NANOSECONDS = 1_000_000
MOST_NEAR = 5_000


def read_stored(
    metrics: MetricsStore,
    records: Records,
    window: tuple[datetime, datetime],
    match: Sequence[str] = DEFAULT_MATCH_OF_KEPT,
    reference: Sequence[timedelta] = (),
    near: Sequence[str] | None = None,
) -> Case:
    """Return what was kept from the first to the second moment of `window`, in UTC, as a case.

    `match` are series selectors such as `{namespace="shop"}`; `reference` says how long before the same window is read
    as what was normal. With `near`, components nearest first, MOST_NEAR series of theirs are read at most.
    Raises InputError where nothing was kept or a selector is none, LimitError where it is more than the settings let
    one table hold.
    """
    start, end = window
    series, cut = _series(metrics, match, window, near)
    alerts = tuple(kept.alert for kept in records.alerts.alerts(start, end))
    table, notes = table_of(series, "metrics")
    if not len(table.times) and not alerts:
        raise InputError(
            f"nothing that matches was kept from {start:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC; "
            "ask for another time, see with --match '{__name__=~\".+\"}' whether another name matches, or set "
            "HYPOCENTER_METRICS where the server kept metrics elsewhere (--metrics)"
        )
    return Case(
        case_id=f"kept-{end:%Y-%m-%dT%H%M%SZ}",
        metrics=table if len(table.times) else None,
        reference=tuple(_reference(metrics, match, window, reference, near)),
        alerts=(*alerts_of(series), *alerts),
        changes=tuple(kept.change for kept in records.changes.changes(start, end)),
        notes=(*notes, *cut),
    )


def _reference(
    metrics: MetricsStore,
    match: Sequence[str],
    window: tuple[datetime, datetime],
    ago: Sequence[timedelta],
    near: Sequence[str] | None,
) -> Iterator[RawTable]:
    start, end = window
    for span in ago:
        series, _ = _series(metrics, match, (start - span, end - span), near)
        table, _ = table_of(series, "metrics")
        if len(table.times):
            yield table


def _series(
    metrics: MetricsStore, match: Sequence[str], window: tuple[datetime, datetime], near: Sequence[str] | None
) -> tuple[Mapping[Key, Samples], tuple[str, ...]]:
    """Return labels and samples (times in ns) of what matches, in order of labels, and a note where it was cut."""
    start_ms, end_ms = (round(moment.timestamp() * 1000) for moment in window)
    listed = metrics.series([parse_selector(text) for text in match], start_ms, end_ms, near)
    kept = listed if near is None else _nearest(listed, near)
    notes = (f"{len(kept)} of {len(listed)} series were read, the nearest",) if len(kept) < len(listed) else ()
    return _read(metrics, kept, start_ms, end_ms), notes


def _nearest(listed: Sequence[StoredSeries], near: Sequence[str]) -> Sequence[StoredSeries]:
    """Return the first MOST_NEAR series by the nearest component that each may speak of."""
    places = {component: place for place, component in enumerate(near)}
    far = len(places)
    return sorted(listed, key=lambda one: (min(places.get(name, far) for name in one.components), one.labels))[
        :MOST_NEAR
    ]


def _read(metrics: MetricsStore, series: Sequence[StoredSeries], start_ms: int, end_ms: int) -> Mapping[Key, Samples]:
    labels = {one.number: one.labels for one in series}
    most, held = limits_from_settings().cells, 0
    found: dict[Key, Samples] = {}
    for samples in metrics.read(sorted(labels), start_ms, end_ms):
        held += len(samples.values)
        if held > most:
            raise LimitError(
                f"more than the limit of {most:,} samples match; ask for a shorter time, name what is wanted with "
                "--match, or raise HYPOCENTER_MAX_CELLS"
            )
        found[labels[samples.series]] = samples.at_ms * NANOSECONDS, samples.values
    return {key: found[key] for key in sorted(found)}
