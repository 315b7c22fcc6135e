"""Requests, failures and latency: recipes per component and per edge from counters and histograms."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from hypocenter.model import MetricKind, Series
from hypocenter.naming import UNITS, words_of
from hypocenter.signals.aggregate import Quantile, Ratio, Total
from hypocenter.signals.edges import View
from hypocenter.signals.shares import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hypocenter.signals.aggregate import Recipe, Rows
    from hypocenter.signals.identify import Column

CODE_LABELS = (
    "code",
    "status",
    "status_code",
    "http_status_code",
    "http_response_status_code",
    "http.response.status_code",
    "response_code",
    "grpc_code",
    "grpc_status",
    "grpc_response_status",
    "rpc_grpc_status_code",
    "rpc.grpc.status_code",
    "rpc_response_status_code",
    "rpc.response.status_code",
    "outcome",
    "result",
    "success",
    "error_type",
    "error.type",
)
GRPC_FAULTS = frozenset({"2", "4", "8", "12", "13", "14", "15"})
_GRPC = {"unknown", "deadlineexceeded", "resourceexhausted", "unimplemented", "internal", "unavailable", "dataloss"}
_WORDS = {"error", "err", "failed", "failure", "fail", "false", "timeout", "servererror", "exception", "5xx"}
# Of spans, as OpenTelemetry's own metrics about them tell it.
_SPAN = {"statuscodeerror"}
FAULT_WORDS = frozenset(_GRPC | _WORDS | _SPAN)
CALL_WORDS = frozenset(
    {"request", "requests", "call", "calls", "query", "queries", "operation", "operations", "command", "commands"}
    | {"handled", "handling", "rpc", "grpc", "http", "invocations", "transactions"}
)
DROPPED = (CALL_WORDS - {"http", "rpc", "grpc"}) | UNITS.keys() | {"total", "bucket", "sum", "count", "time", "started"}
DROPPED |= {"duration", "latency", "responsetime", "elapsed", "processed", "processing", "client", "server"}
DROPPED |= {"failed", "failure", "failures", "error", "errors"}
FIRST_STEMS = ("http", "grpc", "rpc", "")


def is_fault(label: str, value: str) -> bool:
    """Whether the value of a status label tells of a fault of the server.

    HTTP 5xx; of gRPC's codes those that OpenTelemetry counts as server errors, and RESOURCE_EXHAUSTED; words.

    >>> [is_fault("code", "503"), is_fault("status", "404"), is_fault("grpc_code", "14"), is_fault("grpc_code", "OK")]
    [True, False, True, False]
    """
    word = "".join(character for character in value.lower() if character.isalnum())
    if word.isdigit():
        return 500 <= int(word) <= 599 or ("grpc" in label and word in GRPC_FAULTS)
    if label in ("error_type", "error.type"):
        return word not in ("", "none")
    return word in FAULT_WORDS


def stem_of(name: str) -> str:
    """What metrics of the same requests share in their names.

    >>> stem_of("http_server_requests_total"), stem_of("http_request_duration_seconds"), stem_of("requests_total")
    ('http', 'http', '')
    """
    return "_".join(word for word in words_of(name) if word not in DROPPED)


class Requests:
    """The raw series of one stem at one view: counters and histograms of the same requests."""

    def __init__(self) -> None:
        self.counters: dict[str, list[Column]] = defaultdict(list)
        self.failures: dict[str, list[Column]] = defaultdict(list)
        self.seconds: dict[str, list[Column]] = defaultdict(list)
        self.histograms: dict[str, dict[str, list[Column]]] = defaultdict(lambda: defaultdict(list))

    def add(self, column: Column) -> None:
        """Sort a column in by what it counts."""
        if column.measure.part:
            self.histograms[column.measure.family][column.measure.part].append(column)
        elif column.measure.kind is MetricKind.LATENCY:
            self.seconds[column.name].append(column)
        elif column.measure.kind is MetricKind.ERRORS:
            self.failures[column.name].append(column)
        else:
            self.counters[column.name].append(column)

    @property
    def is_of_edges(self) -> bool:
        """Whether all of it is counted per edge, so that a component's total is a second count of the same requests."""
        sources = [*self.counters.values(), *self.failures.values(), *self.seconds.values()]
        sources += [columns for parts in self.histograms.values() for columns in parts.values()]
        return all(any(view.peer for view in column.views) for columns in sources for column in columns)

    def parts(self) -> dict[str, list[Column]]:
        """Sum, count and buckets of what these requests took; a counter of seconds is a sum without buckets."""
        if self.histograms:
            return self.histograms[min(self.histograms)]
        if self.seconds:
            return {"sum": self.seconds[min(self.seconds)], "count": self.counted()}
        return {}

    def counted(self) -> list[Column]:
        """The one source that counts these requests: one that tells failures apart, before a counter, before a name."""
        sources = [(0, name, columns) for name, columns in self.counters.items()]
        sources += [(1, name, parts["count"]) for name, parts in self.histograms.items() if parts["count"]]
        if not sources:
            return []
        return min(sources, key=lambda source: (not _has_codes(source[2]), source[0], source[1]))[2]


def is_request(column: Column) -> bool:
    """Whether a raw series counts or times requests, or failures among them."""
    how = column.measure
    if not how.counter:
        return False
    if how.part or how.kind is MetricKind.LATENCY:
        return how.kind is MetricKind.LATENCY
    words = set(words_of(column.name))
    return (how.kind is MetricKind.TRAFFIC and bool(words & CALL_WORDS)) or how.kind is MetricKind.ERRORS


def request_recipes(columns: Sequence[Column]) -> tuple[Recipe, ...]:
    """Recipes for rate, failed share and latency at every view."""
    groups: dict[View, dict[str, Requests]] = defaultdict(lambda: defaultdict(Requests))
    stems = {name: stem_of(name) for name in {column.name for column in columns}}
    for column in columns:
        stem = stems[column.name]
        for view in column.views:
            for whole in _wholes(view):
                groups[whole][stem].add(column)
    ordered = sorted(groups, key=lambda view: (view.component, view.side or "", view.peer or ""))
    return tuple(recipe for view in ordered for recipe in _view_recipes(view, groups[view]))


def _wholes(view: View) -> tuple[View, ...]:
    """What is served to a caller counts for the component too; what it asks of others stays apart by callee."""
    side = view.side or "server"
    exact = View(view.component, side, view.peer)
    return (exact,) if view.peer is None or side == "client" else (exact, View(view.component, side))


def _view_recipes(view: View, stems: Mapping[str, Requests]) -> Iterable[Recipe]:
    """The first stem of a view bears the plain names, every other one has its own before them."""
    first = _first(stems)
    for stem in sorted(stems):
        if view.peer is None and stem != first and stems[stem].is_of_edges:
            continue
        yield from _recipes(view, "" if stem == first else f"{stem or 'plain'}_", stems[stem])


def _first(stems: Mapping[str, Requests]) -> str | None:
    counted = [stem for stem in stems if stems[stem].counted() or stems[stem].histograms]
    ranked = {stem: place for place, stem in enumerate(FIRST_STEMS)}
    return min(counted, key=lambda stem: (ranked.get(stem, len(ranked)), stem), default=None)


def _recipes(view: View, prefix: str, requests: Requests) -> list[Recipe]:
    prefix = f"{prefix}client_" if view.side == "client" else prefix
    counted = _one_reporter(requests.counted(), view)
    recipes: list[Recipe] = []
    if counted:
        recipes.append(
            Total(_series(view, f"{prefix}request_rate", MetricKind.TRAFFIC, "1/s", "rate"), rows_of(counted))
        )
    failed = _failed(requests, counted)
    if counted and failed is not None:
        recipes.append(
            Ratio(_series(view, f"{prefix}error_share", MetricKind.ERRORS, "share", "mean"), failed, rows_of(counted))
        )
    elif failed:
        recipes.append(Total(_series(view, f"{prefix}error_rate", MetricKind.ERRORS, "1/s", "rate"), failed))
    parts = {part: _one_reporter(found, view) for part, found in requests.parts().items()}
    return [*recipes, *latency_recipes(view, prefix, parts)]


def latency_recipes(view: View, prefix: str, parts: Mapping[str, list[Column]]) -> list[Recipe]:
    """Mean from sum over count, median and 95th percentile from buckets."""
    recipes: list[Recipe] = []
    if parts.get("sum") and parts.get("count"):
        series = _series(view, f"{prefix}latency_mean", MetricKind.LATENCY, "s", "mean")
        recipes.append(Ratio(series, rows_of(parts["sum"]), rows_of(parts["count"])))
    buckets = buckets_of(parts.get("bucket", ()))
    if buckets:
        for stat, share in (("p50", 0.5), ("p95", 0.95)):
            series = _series(view, f"{prefix}latency_{stat}", MetricKind.LATENCY, "s", stat)
            recipes.append(Quantile(series, tuple(buckets), tuple(buckets.values()), share))
    return recipes


def buckets_of(columns: Iterable[Column]) -> dict[float, Rows]:
    """Rows by the upper bound of their bucket, rising, in canonical units; a bound that is no number is left out."""
    found: dict[float, list[int]] = defaultdict(list)
    for column in columns:
        found[_bound(column)].append(column.at)
    return {bound: tuple(found[bound]) for bound in sorted(found) if not math.isnan(bound)}


def _bound(column: Column) -> float:
    try:
        return float(column.labels["le"]) * column.measure.scale
    except ValueError:
        return math.nan


def _failed(requests: Requests, counted: Sequence[Column]) -> Rows | None:
    """Rows that count failures; None when nothing tells failures apart."""
    if _has_codes(counted):
        return tuple(column.at for column in counted if _column_fails(column))
    if requests.failures:
        return rows_of(requests.failures[min(requests.failures)])
    return None


def _has_codes(columns: Sequence[Column]) -> bool:
    return any(label in column.labels for column in columns for label in CODE_LABELS)


def _column_fails(column: Column) -> bool:
    return any(is_fault(label, column.labels[label]) for label in CODE_LABELS if label in column.labels)


def _one_reporter(columns: list[Column], view: View) -> list[Column]:
    """Where both proxies of a mesh report a call, take the one at the view's own end."""
    wanted = "source" if view.side == "client" else "destination"
    own_end = [column for column in columns if column.labels.get("reporter") == wanted]
    return own_end or columns


def _series(view: View, metric: str, kind: MetricKind, unit: str, stat: str) -> Series:
    return Series(view.component, metric, kind, unit, stat, view.side, view.peer)
