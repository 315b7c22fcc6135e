"""Counters of spans and log lines, read back: the same series that the spans and the lines themselves give."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.batches import BIN_MS, is_counted
from hypocenter.model import Dependency, MetricKind, Series
from hypocenter.signals import grid
from hypocenter.signals.aggregate import Quantile, Ratio, Total
from hypocenter.signals.log_counts import EMPTY, ERROR_LINES, TEMPLATES
from hypocenter.signals.span_counts import (
    CALLS,
    EDGE_CALLS,
    EDGE_CLIENT,
    EDGE_FAILED,
    EDGE_GAP,
    EDGE_SERVER,
    LATENCY,
    OTHER,
    SELF,
    STATUS_ERROR,
)
from hypocenter.telemetry import RawTable, SeriesTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hypocenter.signals.aggregate import Recipe, Rows
    from hypocenter.telemetry import Times, Values

Key = frozenset[tuple[str, str]]
# So small a share of what was observed lies at the lower end of the first bucket that holds any.
_LEAST = 1e-9


@dataclass(frozen=True)
class Counted:
    """What counted series came to: tables of spans and of log lines, and the calls that spans showed."""

    tables: tuple[SeriesTable, ...] = ()
    reference: tuple[SeriesTable, ...] = ()
    dependencies: tuple[Dependency, ...] = ()


@dataclass(frozen=True)
class _Names:
    rate: str
    errors: str
    latency: str


_NAMES = {
    "server": _Names("call_rate", "call_error_share", "call_duration"),
    "client": _Names("client_request_rate", "client_error_share", "client_latency"),
}


def parted(table: RawTable) -> tuple[RawTable, RawTable]:
    """Return (what was scraped or pushed, what was counted from spans and log lines) of a table."""
    of_counted = np.array([is_counted(labels) for labels in table.labels], dtype=bool)
    return _columns(table, ~of_counted), _columns(table, of_counted)


def _columns(table: RawTable, wanted: NDArray[np.bool_]) -> RawTable:
    labels = tuple(one for one, is_wanted in zip(table.labels, wanted, strict=True) if is_wanted)
    return RawTable(labels, table.times, table.values[:, wanted])


def resolve_counted(table: RawTable, reference: Sequence[RawTable]) -> Counted:
    """Resolve the running totals of a case and of its reference to series per component and edge.

    Names, kinds and units are those of `signals.spans` and `signals.logs`; calls that no recorded span answers are
    told of their caller, at its client side. Each sample bears the time at which its step begins, as a bin's does.
    """
    keys = _keys((table, *reference))
    rows = _Rows(keys)
    plans = (("traces", tuple(_of_spans(rows))), ("logs", tuple(_of_lines(rows))))
    width_ns = _width_ns(table)
    gains = [_gained(one, keys, width_ns) for one in (table, *reference)]
    cooked = [[_cooked(plan, modality, *gain) for modality, plan in plans if plan and len(gain[0])] for gain in gains]
    calls = sorted(rows.ends(EDGE_SERVER))
    return Counted(
        tables=tuple(found for found in cooked[0] if len(found.times)),
        reference=tuple(found for tables in cooked[1:] for found in tables if len(found.times)),
        dependencies=tuple(Dependency(client, server, source="spans") for client, server in calls),
    )


def recipes_of_counted(labels: Sequence[Mapping[str, str]]) -> tuple[Recipe, ...]:
    """Plan how counted series, each in the row of its place, become signals, from what they gained per second."""
    rows = _Rows([frozenset(one.items()) for one in labels])
    return (*_of_spans(rows), *_of_lines(rows))


def _keys(tables: Sequence[RawTable]) -> list[Key]:
    found = {frozenset(labels.items()) for table in tables for labels in table.labels}
    return sorted(found, key=sorted)


def _width_ns(table: RawTable) -> int:
    """Return how wide steps are, as wide as the bins that the spans and lines themselves would have."""
    moments = table.times.astype("datetime64[ns]").astype(np.int64)
    gained = moments[:-1][np.diff(_without_gaps(table.values), axis=0).any(axis=1)]
    return max(grid.width_of(gained) * 1_000_000_000 if len(gained) else 0, BIN_MS * 1_000_000)


def _gained(table: RawTable, keys: Sequence[Key], width_ns: int) -> tuple[Times, Values]:
    """Return (when each step begins, what each series gained in it per second: [series, step])."""
    kept = _wide_steps(table.times, width_ns)
    times, totals = table.times[kept], np.zeros((len(kept), len(keys)))
    place = {frozenset(labels.items()): at for at, labels in enumerate(table.labels)}
    known = [column for column, key in enumerate(keys) if key in place]
    totals[:, known] = _without_gaps(table.values[kept][:, [place[keys[column]] for column in known]])
    seconds = np.diff(times).astype("timedelta64[ns]").astype(np.int64) / 1e9
    steps = np.diff(totals, axis=0)
    # A total that falls was begun anew.
    return times[:-1], np.where(steps < 0, totals[1:], steps).T / seconds


def _wide_steps(times: Times, width_ns: int) -> NDArray[np.intp]:
    """Return the rows between which steps are at least `width_ns` wide, at whole multiples of their width."""
    if len(times) < 2:
        return np.arange(0)
    moments = times.astype("datetime64[ns]").astype(np.int64)
    step = int(np.median(np.diff(moments)))
    return np.flatnonzero((moments // step) % max(math.ceil(width_ns / step), 1) == 0)


def _without_gaps(totals: Values) -> Values:
    """Carry totals over what is missing: on from the sample before, and back from the first."""
    known = ~np.isnan(totals)
    last = np.maximum.accumulate(np.where(known, np.arange(len(totals))[:, None], -1), axis=0)
    first = np.where(known.any(axis=0), known.argmax(axis=0), 0)
    return np.nan_to_num(np.take_along_axis(totals, np.where(last < 0, first, last), axis=0))


def _cooked(plan: Sequence[Recipe], modality: str, times: Times, gains: Values) -> SeriesTable:
    """Cook series in the steps in which anything at all of their modality was counted."""
    values = np.stack([recipe.cook(gains) for recipe in plan], axis=1)
    spoken = np.nan_to_num(values).any(axis=1)
    return SeriesTable(tuple(recipe.series for recipe in plan), times[spoken], values[spoken], modality)


class _Rows:
    """Rows of counted series by what they count."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._by_name: dict[str, list[tuple[int, Mapping[str, str]]]] = defaultdict(list)
        for row, key in enumerate(keys):
            labels = dict(key)
            self._by_name[labels.get("__name__", "")].append((row, labels))

    def grouped(self, name: str, *by: str, **wanted: str) -> dict[tuple[str, ...], Rows]:
        """Return the rows of a metric by the values of the labels `by`, in order of these; only those with `wanted`."""
        found: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for row, labels in self._by_name.get(name, ()):
            if all(labels.get(label) == value for label, value in wanted.items()):
                found[tuple(labels.get(label, "") for label in by)].append(row)
        return {key: tuple(found[key]) for key in sorted(found)}

    def buckets(self, name: str, *by: str) -> dict[tuple[str, ...], dict[float, Rows]]:
        """Return the rows of a histogram by `by` and upper bound, rising; a bound that is no number is left out."""
        found: dict[tuple[str, ...], dict[float, Rows]] = defaultdict(dict)
        for (*key, bound), rows in self.grouped(f"{name}_bucket", *by, "le").items():
            if _number(bound) is not None:
                found[tuple(key)][float(bound)] = rows
        return {key: dict(sorted(bounds.items())) for key, bounds in found.items()}

    def ends(self, name: str) -> set[tuple[str, ...]]:
        """Return (client, server) of the edges that have a histogram."""
        return set(self.grouped(f"{name}_count", "client", "server"))


@dataclass(frozen=True)
class _Timed:
    """Rows of one histogram."""

    buckets: Mapping[float, Rows]
    sums: Rows
    counts: Rows

    def recipes(
        self,
        metric: str,
        kind: MetricKind,
        component: str,
        side: str | None = None,
        peer: str | None = None,
        quantiles: tuple[tuple[str, float], ...] = (("p95", 0.95),),
    ) -> Iterator[Recipe]:
        """Yield the mean, and quantiles from the buckets."""
        yield Ratio(Series(component, f"{metric}_mean", kind, "s", "mean", side, peer), self.sums, self.counts)
        for stat, share in quantiles:
            series = Series(component, f"{metric}_{stat}", kind, "s", stat, side, peer)
            yield Quantile(series, tuple(self.buckets), tuple(self.buckets.values()), share)


def _timed(rows: _Rows, name: str, *by: str) -> dict[tuple[str, ...], _Timed]:
    buckets, sums, counts = (
        rows.buckets(name, *by),
        rows.grouped(f"{name}_sum", *by),
        rows.grouped(f"{name}_count", *by),
    )
    return {key: _Timed(buckets[key], sums[key], counts[key]) for key in counts if key in buckets and key in sums}


def _number(text: str) -> float | None:
    try:
        return None if math.isnan(float(text)) else float(text)
    except ValueError:
        return None


def _of_spans(rows: _Rows) -> Iterator[Recipe]:
    for (service,), every in rows.grouped(CALLS, "service_name").items():
        yield Total(Series(service, "span_rate", MetricKind.TRAFFIC, "1/s", "rate"), every)
    for (service, operation), those in rows.grouped(CALLS, "service_name", "span_name").items():
        if operation != OTHER:
            yield Total(Series(service, f"operation:{operation}", MetricKind.OPERATION, "1/s", "rate"), those)
    yield from _of_components(rows)
    yield from _of_calls(rows)
    yield from _of_gaps(rows)


def _of_components(rows: _Rows) -> Iterator[Recipe]:
    counts = rows.grouped(f"{LATENCY}_count", "service_name")
    failed = rows.grouped(f"{LATENCY}_count", "service_name", status_code=STATUS_ERROR)
    for key, counted in counts.items():
        yield Total(Series(key[0], "traced_request_rate", MetricKind.TRAFFIC, "1/s", "rate"), counted)
        share = Series(key[0], "traced_error_share", MetricKind.ERRORS, "share", "mean")
        yield Ratio(share, failed.get(key, ()), counted)
    for key, timed in _timed(rows, LATENCY, "service_name").items():
        yield from timed.recipes("duration", MetricKind.LATENCY, key[0])
    for key, timed in _timed(rows, SELF, "service_name").items():
        yield from timed.recipes("self_time", MetricKind.SELF_TIME, key[0])


def _of_calls(rows: _Rows) -> Iterator[Recipe]:
    """Calls that were answered are the callee's; the others are the caller's, as it alone saw them."""
    ends = ("client", "server", "connection_type")
    answered, asked = (_timed(rows, name, *ends) for name in (EDGE_SERVER, EDGE_CLIENT))
    counts, failed = (rows.grouped(name, *ends) for name in (EDGE_CALLS, EDGE_FAILED))
    for key, counted in counts.items():
        client, server, _ = key
        view, timed = ("server", answered[key]) if key in answered else ("client", asked.get(key))
        names = _NAMES[view]
        whose = (server, client) if view == "server" else (client, server)
        yield Total(Series(whose[0], names.rate, MetricKind.TRAFFIC, "1/s", "rate", view, whose[1]), counted)
        share = Series(whose[0], names.errors, MetricKind.ERRORS, "share", "mean", view, whose[1])
        yield Ratio(share, failed.get(key, ()), counted)
        if timed is not None:
            yield from timed.recipes(names.latency, MetricKind.LATENCY, whose[0], view, whose[1])


def _of_gaps(rows: _Rows) -> Iterator[Recipe]:
    for (client, server), timed in _timed(rows, EDGE_GAP, "client", "server").items():
        of_gap = ("gap", MetricKind.EDGE_GAP, server, "server", client)
        yield from timed.recipes(*of_gap, quantiles=(("p50", 0.5), ("min", _LEAST)))


def _of_lines(rows: _Rows) -> Iterator[Recipe]:
    for (service, template), those in rows.grouped(TEMPLATES, "service_name", "template").items():
        shown = "" if template == EMPTY else template
        yield Total(Series(service, f"template:{shown}", MetricKind.LOG_LINES, "1/s", "rate"), those)
    for (service,), every in rows.grouped(ERROR_LINES, "service_name").items():
        yield Total(Series(service, "error_lines", MetricKind.ERROR_LINES, "1/s", "rate"), every)
