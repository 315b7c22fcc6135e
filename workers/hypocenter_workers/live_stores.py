"""The stores that continuous detection works with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from hypocenter import settings
from hypocenter.errors import InputError, SourceError
from hypocenter_workers.known_graph import KnownGraph

if TYPE_CHECKING:
    from pathlib import Path

    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_graph.stores.contract import GraphStore
    from hypocenter_workers.ticks.states import StateCache


class Stores(Protocol):
    """What is read and written; `reports` is a folder for reports, where there is one."""

    @property
    def metrics(self) -> MetricsStore:
        """Samples by series."""

    @property
    def records(self) -> Records:
        """Positions, anomalies, incidents, dead letters."""

    @property
    def graph(self) -> KnownGraph | None:
        """The kept graph, where there is one."""

    @property
    def states(self) -> StateCache:
        """States of detectors."""

    @property
    def board(self) -> WorkBoard:
        """Where beat, workers and server meet."""

    @property
    def reports(self) -> Path | None:
        """Where reports are written."""


@dataclass(frozen=True, slots=True)
class GivenStores:
    """Stores that somebody else opened and closes."""

    metrics: MetricsStore
    records: Records
    graph: KnownGraph | None
    states: StateCache
    board: WorkBoard
    reports: Path | None = None


class SettingsStores:
    """The stores that the settings name, each opened when it is first needed: who investigates cases needs none.

    They are those of `tenant`, None for that of the settings.
    """

    reports: Path | None = None

    def __init__(self, tenant: str | None = None) -> None:
        self._tenant = tenant

    @cached_property
    def board(self) -> WorkBoard:
        """Where beat, workers and server meet."""
        from hypocenter.stores.redis_board import open_board

        return open_board(tenant=self._tenant)

    @cached_property
    def records(self) -> Records:
        """Positions, anomalies, incidents, dead letters."""
        from hypocenter.stores.opening import open_records

        return open_records(tenant=self._tenant)

    @cached_property
    def metrics(self) -> MetricsStore:
        """Samples by series; raises InputError where no server is named: the file of another process is closed."""
        from hypocenter.stores.opening_metrics import metrics_url, open_metrics_server

        url = metrics_url()
        if url is None:
            raise InputError("HYPOCENTER_METRICS: name a server of metrics; a file can be read by one process")
        return open_metrics_server(url, _now, self._tenant)

    @cached_property
    def states(self) -> StateCache:
        """States of detectors."""
        from redis import Redis

        from hypocenter.stores.redis_place import redis_url
        from hypocenter_workers.ticks.states import RedisStates

        redis = Redis.from_url(redis_url(), socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        return RedisStates(redis, self._tenant or str(settings.read("tenant")))

    @property
    def graph(self) -> KnownGraph | None:
        """The kept graph, where the settings name one; while it cannot be opened, whoever asks next tries again."""
        from hypocenter_graph.stores.opening import view_as_of

        if not settings.read("graph"):
            return None
        try:
            return known(self._graph)
        except SourceError as error:
            # An incident is never without a verdict for it.
            return KnownGraph(error, view_as_of(None))

    @cached_property
    def _graph(self) -> GraphStore:
        from hypocenter_graph.stores.opening import open_graph

        return open_graph(None, self._tenant)


TIMEOUT_S = 30.0


def known(store: GraphStore) -> KnownGraph:
    """Return an open graph as investigations look at it."""
    from hypocenter_graph.stores.opening import view_as_of

    return KnownGraph(store, view_as_of(None))


def _now() -> datetime:
    return datetime.now(UTC)
