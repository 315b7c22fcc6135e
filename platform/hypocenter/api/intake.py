"""What every route of the intake is given: where things go, and how long they may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hypocenter.api.signed_webhooks import Signatures
from hypocenter.signals.components import DEFAULT_COMPONENT_LABELS

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime

    from hypocenter.api.counting import Counting
    from hypocenter.batches import Batch, SeriesIndex, Taken
    from hypocenter.stores.records import Records
    from hypocenter_graph.stores.contract import GraphStore


class Writer(Protocol):
    """Takes batches and writes many together."""

    def submit(self, batch: Batch) -> Future[Taken]:
        """Queue a batch; the future ends when it is durable. Raises BusyError when too much waits, FullError."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Most bytes of one body, as sent and after decompression, and seconds for all of it to arrive."""

    sent: int = 64 << 20
    unpacked: int = 64 << 20
    seconds: float = 60.0


@dataclass(frozen=True)
class Intake:
    """Where what is pushed goes; `now` is the clock, `component_labels` name an alert's component, best first.

    `counting` counts spans and log lines; where it is None the routes count them, and nobody counts those that wait.
    `signatures` tell the webhooks of tools that sign from those of others.
    """

    index: SeriesIndex
    writer: Writer
    records: Records
    graph: GraphStore
    now: Callable[[], datetime]
    limits: BodyLimits = BodyLimits()
    component_labels: tuple[str, ...] = DEFAULT_COMPONENT_LABELS
    counting: Counting | None = None
    signatures: Signatures = field(default_factory=Signatures)
