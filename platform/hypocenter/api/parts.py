"""What a server is made of: stores, the writer, and what runs beside the requests; opened and closed in order."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from hypocenter.api.intake import BodyLimits, Intake
from hypocenter.api.schedule import Schedule
from hypocenter.api.self_metrics import CountedWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from hypocenter.api.intake import Writer
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records
    from hypocenter_graph.stores.contract import GraphStore

TICK_S = 60.0
GRAPH_FILE, RECORDS_FILE = "graph.db", "records.db"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a server keeps what it is sent; what is None is in the data directory."""

    data_dir: Path
    metrics: str | None = None
    records: str | None = None
    graph: str | None = None
    limits: BodyLimits = field(default_factory=BodyLimits)


@dataclass(frozen=True, slots=True)
class Parts:
    """The open stores of one server."""

    metrics: MetricsStore
    writer: Writer
    records: Records
    graph: GraphStore
    limits: BodyLimits

    def intake(self, registry: CollectorRegistry) -> Intake:
        """Return what routes are given; what they write is counted in `registry`."""
        writer = CountedWriter(self.writer, registry)
        return Intake(self.metrics, writer, self.records, self.graph, _now, self.limits)

    def checks(self) -> Mapping[str, Callable[[], str]]:
        """Return how to ask each part whether it can do its work."""
        return {
            "metrics": lambda: self.metrics.usage().full,
            "records": partial(_answers, self.records.models.models),
            "graph": partial(_answers, lambda: self.graph.named(["hypocenter"])),
        }


@contextmanager
def opened(places: Places, folder: Path) -> Iterator[Parts]:
    """Open every part, and close them in the order that loses nothing: what writes, the writer, then the stores."""
    from hypocenter.stores.group_commit import GroupCommit
    from hypocenter.stores.opening import open_records
    from hypocenter.stores.opening_metrics import open_metrics
    from hypocenter_graph.stores.opening import open_graph

    with ExitStack() as stack:
        metrics = stack.enter_context(closing(open_metrics(folder, places.metrics)))
        records = stack.enter_context(closing(open_records(places.records or str(folder / RECORDS_FILE))))
        graph = stack.enter_context(closing(open_graph(places.graph or str(folder / GRAPH_FILE))))
        writer = stack.enter_context(closing(GroupCommit(metrics)))
        stack.enter_context(closing(Schedule(lambda: metrics.tick(_now()), TICK_S, "maintenance")))
        yield Parts(metrics, writer, records, graph, places.limits)


def _answers(question: Callable[[], object]) -> str:
    question()
    return ""


def _now() -> datetime:
    return datetime.now(UTC)
