"""What a server is made of: stores, the writer, and what runs beside the requests; opened and closed in order."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from hypocenter import settings
from hypocenter.access import served_tenants
from hypocenter.api.intake import BodyLimits, Intake
from hypocenter.api.schedule import Schedule
from hypocenter.api.signed_webhooks import signatures_of_settings
from hypocenter.api.tending import tend
from hypocenter.api.tokens import TenantTokens, TokenFile
from hypocenter.ingest.alert_labels import label_order
from hypocenter.tenant_settings import of_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from hypocenter.api.intake import Writer
    from hypocenter.stores.duckdb_metrics import DuckDbMetrics
    from hypocenter.stores.forwarding import Forwarder
    from hypocenter.stores.records import Records
    from hypocenter.stores.split import SplitMetrics
    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_graph.stores.contract import GraphStore

TICK_S, FORWARD_S = 60.0, 1.0
GRAPH_FILE, RECORDS_FILE = "graph.db", "records.db"
# A folder in the data directory, of a folder for each incident.
REPORTS = "reports"
# Below the data directory, a folder each.
TENANTS = "tenants"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a server keeps what it is sent; what is None is as the settings say, else in the data directory.

    `pull` is a Prometheus-compatible server whose series `match` are fetched. `apart` says that workers are processes
    of their own, which are met at the Redis server of the settings. `tenant` is whose it is, None for the setting's.
    """

    data_dir: Path
    metrics: str | None = None
    records: str | None = None
    graph: str | None = None
    pull: str | None = None
    match: tuple[str, ...] = ()
    limits: BodyLimits = field(default_factory=BodyLimits)
    apart: bool = False
    tenant: str | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether it is of another tenant than the one of the settings, whose server it is."""
        return self.tenant is not None

    @property
    def home(self) -> Path:
        """The data directory of the server, in which that of each other tenant lies, and the tokens of all."""
        return self.data_dir.parents[1] if self.is_foreign else self.data_dir

    def tokens(self) -> TenantTokens:
        """Return the tokens that open what is kept here."""
        return TenantTokens(TokenFile(self.home), self.tenant or "", self.tenant or served_tenants()[0])

    def of(self, tenant: str) -> Places:
        """Return where the same server keeps what it is sent of another tenant; what was typed is not read for it."""
        return replace(self, data_dir=self.data_dir / TENANTS / tenant, tenant=tenant, pull=None, match=())


@dataclass(frozen=True, slots=True)
class Parts:
    """The open stores of one server."""

    metrics: DuckDbMetrics | SplitMetrics
    writer: Writer
    records: Records
    graph: GraphStore
    limits: BodyLimits
    board: WorkBoard
    data_dir: Path
    forwarder: Forwarder | None = None

    def intake(self, registry: CollectorRegistry, tenant: str | None = None) -> Intake:
        """Return what routes are given; what they write is counted in `registry`."""
        from hypocenter.api.self_metrics import CountedWriter

        writer = CountedWriter(self.writer, registry)
        return Intake(
            *(self.metrics, writer, self.records, self.graph, _now, self.limits),
            component_labels=label_order(),
            signatures=of_tenant(tenant, signatures_of_settings),
        )

    def checks(self) -> Mapping[str, Callable[[], str]]:
        """Return how to ask each part whether it can do its work."""
        found: dict[str, Callable[[], str]] = {
            "metrics": lambda: self.metrics.usage().full,
            "records": partial(_answers, self.records.models.models),
            "graph": partial(_answers, lambda: self.graph.named(["hypocenter"])),
        }
        return found if self.forwarder is None else found | {"forwarding": self.forwarder.problem}


@contextmanager
def opened(places: Places) -> Iterator[Parts]:
    """Open every part, and close them in the order that loses nothing: what writes, the writer, then the stores."""
    from hypocenter.stores.forwarding_told import tell
    from hypocenter.stores.group_commit import GroupCommit
    from hypocenter.stores.opening import open_records
    from hypocenter.stores.opening_metrics import open_metrics
    from hypocenter.stores.split import SplitMetrics
    from hypocenter_graph.stores.opening import open_graph

    folder, tenant = places.data_dir, places.tenant
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        # It ends last: a store that is closed breaks its work off, and what writes must not wait for that.
        maintenance = stack.enter_context(Schedule(TICK_S, "maintenance"))
        forwarding = stack.enter_context(Schedule(FORWARD_S, "forwarding"))
        metrics = stack.enter_context(closing(open_metrics(folder, places.metrics, _now, tenant)))
        where = _place("records", places.records, folder / RECORDS_FILE)
        records = stack.enter_context(closing(open_records(where, tenant)))
        where = _place("graph", places.graph, folder / GRAPH_FILE)
        graph = stack.enter_context(closing(open_graph(where, tenant)))
        board = stack.enter_context(closing(_board(places)))
        telling = stack.enter_context(Schedule(FORWARD_S, "telling of counts"))
        writer = stack.enter_context(closing(GroupCommit(metrics)))
        maintenance.start(lambda: tend(metrics, records, _now(), folder / REPORTS))
        forwarder = metrics.forwarder if isinstance(metrics, SplitMetrics) else None
        if forwarder is not None:
            forwarding.start(forwarder.turn)
        if forwarder is not None and places.apart:
            telling.start(partial(tell, board, forwarder))
        yield Parts(metrics, writer, records, graph, places.limits, board, folder, forwarder)


def _board(places: Places) -> WorkBoard:
    from hypocenter.stores.redis_board import open_board
    from hypocenter.stores.work_board import MemoryBoard

    return open_board(tenant=places.tenant) if places.apart else MemoryBoard()


def _place(setting: str, typed: str | None, usual: Path) -> str:
    return str(typed or settings.read(setting) or usual)


def _answers(question: Callable[[], object]) -> str:
    question()
    return ""


def _now() -> datetime:
    return datetime.now(UTC)
