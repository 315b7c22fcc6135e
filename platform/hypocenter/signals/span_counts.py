"""Spans to increments at their own time: calls and latency per component, and per call between two.

Names and labels are those of Grafana Tempo's span metrics and service graphs; durations are in seconds.
What a span tells by itself is counted with the request that brings it. What only spans together tell (calls between
services, own time, calls that nobody recorded an answer to) is counted when they have met, or have waited for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hypocenter.signals.increments import Tally, bin_end_ms, labels_of
from hypocenter.signals.span_window import MOST_WAITING, WAIT_S, Sort, Span, SpanWindow, WaitingSpan, key_of
from hypocenter.signals.spans import MOST_OPERATIONS, VARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hypocenter.batches import Labels

Key = TypeVar("Key")
Value = TypeVar("Value")
SOURCE = "spans"
OTHER = "(other)"
CALLS = "traces_spanmetrics_calls_total"
LATENCY = "traces_spanmetrics_latency"
SELF = "traces_spanmetrics_self_seconds"
EDGE_CALLS = "traces_service_graph_request_total"
EDGE_FAILED = "traces_service_graph_request_failed_total"
EDGE_SERVER = "traces_service_graph_request_server_seconds"
EDGE_CLIENT = "traces_service_graph_request_client_seconds"
EDGE_GAP = "traces_service_graph_request_gap_seconds"
TIMED = (LATENCY, SELF, EDGE_SERVER, EDGE_CLIENT, EDGE_GAP)
STATUS_OK, STATUS_ERROR = "STATUS_CODE_UNSET", "STATUS_CODE_ERROR"
MESSAGING, DATABASE, VIRTUAL = "messaging_system", "database", "virtual_node"
LONGEST_OPERATION = 200
_MOST_KNOWN = 20_000
_ENTERING = frozenset({"server", "consumer"})
_ASKING = frozenset({"client", "producer"})
_VARIES = re.compile(VARIES)


class Peer(NamedTuple):
    """Who is at the other end of a call that no recorded span answers: a name, and the type of connection."""

    name: str
    connection: str


class Relation(NamedTuple):
    """A sort of span and what stands above it: `caller` is another service's, `above` the sort of its parent.

    `is_end` says that no recorded span goes on with its call.
    """

    sort: Sort
    caller: Sort | None
    above: Sort | None
    is_end: bool


class SpanCounter:
    """Counts spans. `peers` names those at the other end of an end of a call, from its sort.

    `due` is what has been counted of spans together; whoever writes it takes it out with `drained`, and gives it back
    where it could not be written. `related` is told each relation, its time
    (ns), and 1 for a call or 0 where that was told before. Not safe to share between threads
    without a lock.
    """

    def __init__(
        self,
        peers: Callable[[Sort], Sequence[Peer]],
        related: Callable[[Relation, int, int], None],
        wait_s: float = WAIT_S,
        most: int = MOST_WAITING,
    ) -> None:
        self.due = Tally()
        self._peers, self._related = peers, related
        self._window = SpanWindow(self._paired, self._settled, wait_s, most)
        self._operations = Operations()
        self._sorts: dict[Sort, Sort] = {}
        self._labels: dict[tuple[str, ...], Labels] = {}

    @property
    def waiting(self) -> int:
        """How many spans wait for others."""
        return len(self._window)

    def count(self, spans: Iterable[Span]) -> Tally:
        """Return what each span of a request tells by itself: it does not depend on any other request."""
        tally = Tally()
        for span in spans:
            service, kind, end = span.sort.service, span.sort.kind, bin_end_ms(span.at_ns)
            status = STATUS_ERROR if span.failed else STATUS_OK
            operation = self._operations.name(service, span.operation)
            tally.count(self._named(CALLS, service, operation, kind, status), end)
            if kind in _ENTERING or (kind and not key_of(span.trace, span.parent)):
                tally.time(self._latency(service, status), end, span.duration_s)
        return tally

    def meet(self, spans: Iterable[Span], now_s: float) -> None:
        """Bring the spans of a request together with those that wait; `now_s` is a clock that never goes back."""
        for span in spans:
            key, above = (key_of(span.trace, each) for each in (span.span, span.parent))
            sort = self._same(span.sort)
            self._window.add(WaitingSpan(key, above, sort, span.at_ns, span.duration_s, span.failed, now_s))
        self._window.settle(now_s)

    def settle(self, now_s: float | None) -> None:
        """Count spans that have waited long enough; None counts all that wait."""
        self._window.settle(now_s)

    def drained(self) -> Tally:
        """Take out what is due."""
        due, self.due = self.due, Tally()
        return due

    def _paired(self, parent: WaitingSpan, child: WaitingSpan) -> None:
        by_message = parent.sort.kind == "producer" or child.sort.kind == "consumer"
        ends = parent.sort.service, child.sort.service, MESSAGING if by_message else ""
        end = bin_end_ms(child.at_ns)
        if ends[0] != ends[1]:
            self._count_edge(ends, end, failed=child.failed)
            self.due.time(self._edge(EDGE_SERVER, *ends), end, child.duration_s)
            if parent.sort.kind in _ASKING:
                self.due.time(self._edge(EDGE_CLIENT, *ends), end, parent.duration_s)
        self._related(Relation(child.sort, parent.sort, parent.sort, is_end=False), child.at_ns, 1)

    def _settled(self, span: WaitingSpan) -> None:
        end, service = bin_end_ms(span.at_ns), span.sort.service
        if not span.sort.kind and not span.is_inside:
            status = STATUS_ERROR if span.failed else STATUS_OK
            self.due.time(self._latency(service, status), end, span.duration_s)
        if span.waits:
            gap = max(span.duration_s - span.spent_s, 0.0)
            self.due.time(self._edge(EDGE_GAP, service, span.callee, ""), bin_end_ms(span.callee_at_ns), gap)
        else:
            self.due.time(self._named(SELF, service), end, max(span.duration_s - span.spent_s, 0.0))
        if not span.continued:
            self._unanswered(span, end)
        above = span.parent.sort if span.parent is not None else None
        self._related(Relation(span.sort, None, above, is_end=not span.continued), span.at_ns, int(not span.crosses))

    def _unanswered(self, span: WaitingSpan, end: int) -> None:
        for peer in self._peers(span.sort):
            ends = span.sort.service, peer.name, peer.connection
            self._count_edge(ends, end, failed=span.failed)
            self.due.time(self._edge(EDGE_CLIENT, *ends), end, span.duration_s)

    def _count_edge(self, ends: tuple[str, str, str], end: int, *, failed: bool) -> None:
        self.due.count(self._edge(EDGE_CALLS, *ends), end)
        # One that never failed is 0, not unknown.
        self.due.count(self._edge(EDGE_FAILED, *ends), end, float(failed))

    def _same(self, sort: Sort) -> Sort:
        """Return the one object that stands for a sort, so that spans that wait share it."""
        _make_room(self._sorts)
        return self._sorts.setdefault(sort, sort)

    def _named(self, name: str, service: str, operation: str = "", kind: str = "", status: str = "") -> Labels:
        key = (name, service, operation, kind, status)
        if key not in self._labels:
            _make_room(self._labels)
            span_kind = f"SPAN_KIND_{kind.upper()}" if kind else ""
            told = {"span_name": operation, "span_kind": span_kind, "status_code": status}
            self._labels[key] = labels_of(name, SOURCE, service_name=service, **told)
        return self._labels[key]

    def _latency(self, service: str, status: str) -> Labels:
        return self._named(LATENCY, service, status=status)

    def _edge(self, name: str, client: str, server: str, connection: str) -> Labels:
        key = (name, client, server, connection)
        if key not in self._labels:
            _make_room(self._labels)
            self._labels[key] = labels_of(name, SOURCE, client=client, server=server, connection_type=connection)
        return self._labels[key]


class Operations:
    """Names of operations with what varies masked, the first `MOST_OPERATIONS` of each component; others are one."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._kept: dict[str, set[str]] = {}

    def name(self, service: str, operation: str) -> str:
        """Return what an operation is counted under.

        >>> Operations().name("cart", "GET /cart/12345")
        'GET /cart/<*>'
        """
        key = (service, operation[:LONGEST_OPERATION])
        if key not in self._known:
            _make_room(self._known)
            self._known[key] = self._kept_name(*key)
        return self._known[key]

    def _kept_name(self, service: str, operation: str) -> str:
        masked = _VARIES.sub("<*>", operation)
        if service not in self._kept:
            _make_room(self._kept)
        kept = self._kept.setdefault(service, set())
        if masked not in kept and len(kept) >= MOST_OPERATIONS:
            return OTHER
        kept.add(masked)
        return masked


def _make_room(known: dict[Key, Value]) -> None:
    """Forget all where there is more than what one system has: names that never come again must not fill memory."""
    if len(known) >= _MOST_KNOWN:
        known.clear()
