"""Spans to signals: how many, how long, how much is own time, how much is lost on the way; per component and edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hypocenter.model import Dependency, MetricKind, Series
from hypocenter.signals import grid
from hypocenter.telemetry import SeriesTable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hypocenter.telemetry import Values

Block = tuple[str, MetricKind, str, str, "Values"]
MOST_OPERATIONS = 100
VARIES = r"[0-9a-fA-F-]{8,}|\d+"


@dataclass(frozen=True)
class SpanTree:
    """Spans as arrays: `service` and `parent_row` (-1: none seen) are indices, durations are in seconds.

    `operation` indexes `operations`, with what varies from call to call masked. `failed` is NaN where the source does
    not say. `is_client` marks spans that wait for a call to another component.
    """

    names: tuple[str, ...]
    service: NDArray[np.int64]
    operations: tuple[str, ...]
    operation: NDArray[np.int64]
    parent_row: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    duration_s: Values
    failed: Values
    is_client: NDArray[np.bool_]

    @property
    def crosses(self) -> NDArray[np.bool_]:
        """Whether a span's parent belongs to another component: it is the server's end of a call."""
        known = self.parent_row >= 0
        return np.asarray(known & (self.service[self.parent_row] != self.service))


def resolve_spans(
    spans: pd.DataFrame | None, reference: pd.DataFrame | None
) -> tuple[SeriesTable | None, SeriesTable | None, tuple[Dependency, ...]]:
    """Reduce the spans of a case and of its reference on bins of one width; the edges they show are dependencies."""
    if spans is None or spans.empty:
        return None, None, ()
    tree = read_tree(spans)
    width_s = grid.width_of(tree.at_ns)
    table = reduce_spans(tree, width_s)
    calm = reduce_spans(read_tree(reference), width_s) if reference is not None and len(reference) else None
    return table, calm, edges_of(tree)


def read_tree(spans: pd.DataFrame) -> SpanTree:
    """Turn a frame of spans into arrays and find each span's parent and which spans are a client's end of a call."""
    import pandas as pd

    codes, names = pd.factorize(spans["service"], sort=True)
    service = codes.astype(np.int64)
    operation, operations = pd.factorize(
        spans["operation"].astype(str).str.replace(VARIES, "<*>", regex=True), sort=True
    )
    parent_row = _parent_rows(spans)
    return SpanTree(
        names=tuple(str(name) for name in names),
        service=service,
        operations=tuple(operations),
        operation=operation.astype(np.int64),
        parent_row=parent_row,
        at_ns=grid.nanoseconds(spans["time"]),
        duration_s=spans["duration_us"].to_numpy(dtype=float) / 1e6,
        failed=_failed(spans),
        is_client=_clients(service, parent_row),
    )


def _parent_rows(spans: pd.DataFrame) -> NDArray[np.int64]:
    """Row of each span's parent, -1 when it has none or it was not recorded.

    Ids are numbers or texts and unique within a trace; whatever marks a root is no span's id.
    """
    import pandas as pd

    trace = pd.factorize(spans["trace"])[0].astype(np.int64)
    ids = pd.factorize(pd.concat([spans["span"], spans["parent"]]))[0].astype(np.int64)
    span, parent = ids[: len(spans)], ids[len(spans) :]
    stride = int(ids.max()) + 1
    order = np.argsort(trace * stride + span, kind="stable")
    ranked = (trace * stride + span)[order]
    wanted = trace * stride + parent
    place = np.minimum(np.searchsorted(ranked, wanted), len(ranked) - 1)
    found = (parent >= 0) & (ranked[place] == wanted) & (order[place] != np.arange(len(spans)))
    return np.where(found, order[place], -1).astype(np.int64)


def _failed(spans: pd.DataFrame) -> Values:
    """1.0 for a span that failed, 0.0 for one that did not, NaN where the source does not say."""
    import pandas as pd

    if "error" not in spans:
        return np.full(len(spans), np.nan)
    said = pd.to_numeric(spans["error"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isnan(said), np.nan, said != 0)


def _clients(service: NDArray[np.int64], parent_row: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Spans whose children are all in another component, and which are not themselves the entry into their component.

    The entry span of a component that only passes a call on looks the same, but it is work, not waiting.
    """
    known = parent_row >= 0
    inside = known & (service[parent_row] == service)
    size = len(service)
    children = np.bincount(parent_row[known], minlength=size)
    foreign = np.bincount(parent_row[known & ~inside], minlength=size)
    return np.asarray((foreign == 1) & (children == 1) & inside)


def self_times(tree: SpanTree) -> Values:
    """Seconds of each span that no child accounts for: its duration less its children's, never below zero.

    Children that overlap in time may account for more than the parent's duration; then nothing is left.
    """
    known = tree.parent_row >= 0
    spent = np.bincount(tree.parent_row[known], weights=tree.duration_s[known], minlength=len(tree.duration_s))
    return np.maximum(tree.duration_s - spent, 0.0)


def gaps(tree: SpanTree) -> tuple[NDArray[np.int64], Values]:
    """(rows of server spans whose caller recorded a client span, seconds between the two durations)."""
    rows = np.flatnonzero(tree.crosses & tree.is_client[tree.parent_row])
    return rows, np.maximum(tree.duration_s[tree.parent_row[rows]] - tree.duration_s[rows], 0.0)


def edges_of(tree: SpanTree) -> tuple[Dependency, ...]:
    """Who calls whom, as the spans show it."""
    rows = np.flatnonzero(tree.crosses)
    size = len(tree.names)
    pairs = np.unique(tree.service[tree.parent_row[rows]] * size + tree.service[rows])
    return tuple(Dependency(tree.names[pair // size], tree.names[pair % size], source="spans") for pair in pairs)


def reduce_spans(tree: SpanTree, width_s: int) -> SeriesTable:
    """Reduce spans to series per component and per edge, one sample a bin, in seconds, shares and 1/s.

    A component without spans in a bin has rate 0 and no durations there.
    """
    bins = grid.bin_events(tree.at_ns, width_s)
    parts = [_per_component(tree, bins), _per_operation(tree, bins), _per_edge(tree, bins), _per_gap(tree, bins)]
    series = tuple(one for found, _ in parts for one in found)
    return SeriesTable(series, bins.starts, np.hstack([values for _, values in parts]), "traces")


def _per_component(tree: SpanTree, bins: grid.Grid) -> tuple[list[Series], Values]:
    """Entry spans (a call's server end, or a root) tell rate, duration and failures; all but waiting ones self-time."""
    entries = np.flatnonzero(tree.crosses | (tree.parent_row < 0))
    shape = (bins.size, len(tree.names))
    every = bins.bin_of * shape[1] + tree.service
    cells = every[entries]
    durations = tree.duration_s[entries]
    counts = grid.count(cells, shape)
    working = np.flatnonzero(~tree.is_client)
    own, own_cells = self_times(tree)[working], every[working]
    blocks = [
        ("span_rate", MetricKind.TRAFFIC, "1/s", "rate", grid.count(every, shape) / bins.width_s),
        ("traced_request_rate", MetricKind.TRAFFIC, "1/s", "rate", counts / bins.width_s),
        ("duration_mean", MetricKind.LATENCY, "s", "mean", _ratio(grid.total(cells, durations, shape), counts)),
        ("duration_p95", MetricKind.LATENCY, "s", "p95", grid.quantile(cells, durations, shape, 0.95)),
        (
            "self_time_mean",
            MetricKind.SELF_TIME,
            "s",
            "mean",
            _ratio(grid.total(own_cells, own, shape), grid.count(own_cells, shape)),
        ),
        ("self_time_p95", MetricKind.SELF_TIME, "s", "p95", grid.quantile(own_cells, own, shape, 0.95)),
    ]
    blocks += _error_share("traced_error_share", tree.failed[entries], cells, shape)
    return _series_of(blocks, [(name, None) for name in tree.names])


def _per_operation(tree: SpanTree, bins: grid.Grid) -> tuple[list[Series], Values]:
    """Spans per operation: which calls a component stops making, or starts to, shows the branch it takes."""
    size = len(tree.operations)
    pairs, column, counts = np.unique(tree.service * size + tree.operation, return_inverse=True, return_counts=True)
    rates = grid.count(bins.bin_of * len(pairs) + column, (bins.size, len(pairs))) / bins.width_s
    kept = _most_frequent(pairs // size, counts)
    series = [_operation_series(tree.names[pair // size], tree.operations[pair % size]) for pair in pairs[kept]]
    return series, rates[:, kept]


def _most_frequent(owner: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the `MOST_OPERATIONS` most frequent of each owner, in order of place; ties go to the first."""
    order = np.lexsort((-counts, owner))
    begins = np.searchsorted(owner[order], owner[order])
    return np.sort(order[np.arange(len(order)) - begins < MOST_OPERATIONS])


def _operation_series(component: str, operation: str) -> Series:
    return Series(component, f"operation:{operation}", MetricKind.OPERATION, "1/s", "rate")


def _per_edge(tree: SpanTree, bins: grid.Grid) -> tuple[list[Series], Values]:
    """Per call between two components: rate and the callee's duration."""
    rows = np.flatnonzero(tree.crosses)
    edges, cells, shape = _edge_cells(tree, bins, rows)
    durations = tree.duration_s[rows]
    counts = grid.count(cells, shape)
    blocks = [
        ("call_rate", MetricKind.TRAFFIC, "1/s", "rate", counts / bins.width_s),
        ("call_duration_mean", MetricKind.LATENCY, "s", "mean", _ratio(grid.total(cells, durations, shape), counts)),
        ("call_duration_p95", MetricKind.LATENCY, "s", "p95", grid.quantile(cells, durations, shape, 0.95)),
    ]
    blocks += _error_share("call_error_share", tree.failed[rows], cells, shape)
    return _series_of(blocks, edges)


def _error_share(metric: str, failed: Values, cells: NDArray[np.int64], shape: tuple[int, int]) -> list[Block]:
    """The share of failures among the spans that say whether they failed; nothing where none does."""
    said = ~np.isnan(failed)
    if not said.any():
        return []
    share = _ratio(grid.total(cells[said], failed[said], shape), grid.count(cells[said], shape))
    return [(metric, MetricKind.ERRORS, "share", "mean", share)]


def _per_gap(tree: SpanTree, bins: grid.Grid) -> tuple[list[Series], Values]:
    """Per call with both ends recorded: the time between them, which is network and waiting for a free connection."""
    rows, seconds = gaps(tree)
    edges, cells, shape = _edge_cells(tree, bins, rows)
    blocks = [
        (
            "gap_mean",
            MetricKind.EDGE_GAP,
            "s",
            "mean",
            _ratio(grid.total(cells, seconds, shape), grid.count(cells, shape)),
        ),
        ("gap_p50", MetricKind.EDGE_GAP, "s", "p50", grid.quantile(cells, seconds, shape, 0.5)),
        ("gap_min", MetricKind.EDGE_GAP, "s", "min", grid.quantile(cells, seconds, shape, 0.0)),
    ]
    return _series_of(blocks, edges)


def _edge_cells(
    tree: SpanTree, bins: grid.Grid, rows: NDArray[np.int64]
) -> tuple[list[tuple[str, str | None]], NDArray[np.int64], tuple[int, int]]:
    """([(callee, caller)], flat cell of each row, shape)."""
    size = len(tree.names)
    pairs, column = np.unique(tree.service[tree.parent_row[rows]] * size + tree.service[rows], return_inverse=True)
    edges: list[tuple[str, str | None]] = [(tree.names[pair % size], tree.names[pair // size]) for pair in pairs]
    return edges, bins.bin_of[rows] * len(pairs) + column, (bins.size, len(pairs))


def _series_of(blocks: list[Block], places: list[tuple[str, str | None]]) -> tuple[list[Series], Values]:
    """Name the columns of blocks of [time, place]."""
    series = [
        Series(component, metric, kind, unit, stat, "server" if peer else None, peer)
        for metric, kind, unit, stat, _ in blocks
        for component, peer in places
    ]
    return series, np.hstack([values for *_, values in blocks])


def _ratio(above: Values, below: Values) -> Values:
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))
