"""Spans that wait for their parents and children, which other processes send in other requests.

A span waits for a while, or until too many wait: the oldest goes first. When it goes, what nobody answered is known.
The same spans in another order, or cut into other requests, give the same as long as they meet within the window.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_S = 20.0
MOST_WAITING = 100_000
REMOTE = frozenset({"client", "server", "producer", "consumer"})


class Sort(NamedTuple):
    """What spans of one sort have in common; texts as in `otlp_columns.COLUMNS`, "" where a span does not say."""

    service: str
    namespace: str
    kind: str
    peer: str
    address: str
    db_system: str
    db_name: str
    messaging_system: str
    messaging_operation: str
    destination: str
    temporary: str


class Span(NamedTuple):
    """One span as it was recorded: ids as text ("" the parent of a root), start in ns since 1970, duration in s."""

    trace: str
    span: str
    parent: str
    sort: Sort
    operation: str
    at_ns: int
    duration_s: float
    failed: bool


@dataclass(slots=True, eq=False)
class WaitingSpan:
    """A span, and what is known of the spans around it.

    `crosses` says that its parent belongs to another service, `is_inside` that it is of the same; `continued`, that a
    recorded span goes on with the call which this one makes. `callee` is the last other service among its children.
    """

    key: str
    above: str
    sort: Sort
    at_ns: int
    duration_s: float
    failed: bool
    arrived_s: float
    parent: WaitingSpan | None = None
    crosses: bool = False
    is_inside: bool = False
    continued: bool = False
    children: int = 0
    spent_s: float = 0.0
    foreign: int = 0
    callee: str = ""
    callee_at_ns: int = 0

    @property
    def waits(self) -> bool:
        """Whether it only waits for one call to another service, and is not the entry into its own."""
        return self.foreign == 1 and self.children == 1 and self.is_inside


def key_of(trace: str, span: str) -> str:
    """Return what tells a span from all others, "" where there is none.

    >>> key_of("7b", "00f0"), key_of("7b", "0000")
    ('7b/00f0', '')
    """
    return f"{trace}/{span}" if span.strip("0") else ""


class SpanWindow:
    """Brings parents and children together. Not safe to share between threads without a lock.

    `paired` is told each call from one service to another, as soon as both of its ends are there, and `settled` each
    span when it goes.
    """

    def __init__(
        self,
        paired: Callable[[WaitingSpan, WaitingSpan], None],
        settled: Callable[[WaitingSpan], None],
        wait_s: float = WAIT_S,
        most: int = MOST_WAITING,
    ) -> None:
        self._paired, self._settled = paired, settled
        self._wait_s, self._most = wait_s, most
        self._spans: dict[str, WaitingSpan] = {}
        # A dictionary finds its first slowly once many were taken out before it.
        self._in_order: deque[WaitingSpan] = deque()
        self._children: dict[str, dict[str, WaitingSpan]] = {}

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: WaitingSpan) -> None:
        """Take a span in, unless it waits already; one of too many lets the oldest go."""
        if span.key in self._spans:
            return
        self._spans[span.key] = span
        self._in_order.append(span)
        parent = self._spans.get(span.above) if span.above != span.key else None
        for child in self._children.pop(span.key, {}).values():
            self._relate(span, child)
        if parent is not None:
            self._relate(parent, span)
        elif span.above:
            self._children.setdefault(span.above, {})[span.key] = span
        if len(self._spans) > self._most:
            self._let_go_of_oldest()

    def settle(self, now_s: float | None) -> None:
        """Let go of spans that have waited long enough by `now_s`; None lets go of all."""
        while self._in_order:
            if now_s is not None and 0 <= now_s - self._in_order[0].arrived_s < self._wait_s:
                return
            self._let_go_of_oldest()

    def _relate(self, parent: WaitingSpan, child: WaitingSpan) -> None:
        parent.children += 1
        parent.spent_s += child.duration_s
        child.parent = parent
        child.crosses = (parent.sort.service, parent.sort.namespace) != (child.sort.service, child.sort.namespace)
        child.is_inside = not child.crosses
        if child.crosses:
            parent.foreign += 1
            parent.callee, parent.callee_at_ns = child.sort.service, child.at_ns
            self._paired(parent, child)
        if child.crosses or child.continued or child.sort.kind in REMOTE:
            _continue(parent)

    def _let_go_of_oldest(self) -> None:
        span = self._in_order.popleft()
        del self._spans[span.key]
        waiting = self._children.get(span.above)
        if waiting is not None:
            waiting.pop(span.key, None)
            if not waiting:
                del self._children[span.above]
        self._settled(span)
        # A chain of spans, each the parent of the next, must not be kept by its last.
        span.parent = None


def _continue(span: WaitingSpan | None) -> None:
    """Mark a span and those of its service that it goes on from: what they ask is asked by what is below them."""
    while span is not None and not span.continued:
        span.continued = True
        span = span.parent if span.is_inside else None
