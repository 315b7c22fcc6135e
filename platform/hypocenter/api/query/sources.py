"""What the resources of the query API are answered from."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Annotated, Protocol

from fastapi import Depends, Request

from hypocenter.api.query.seats import Seats
from hypocenter.api.tokens import TenantTokens
from hypocenter.api.work_state import Overseen
from hypocenter.errors import SourceError
from hypocenter.stores.metrics import MetricsStore
from hypocenter.stores.records import Records
from hypocenter.stores.work_board import WorkBoard
from hypocenter_graph.stores.contract import GraphStore


class Send(Protocol):
    """Puts an order for the workers into their queue."""

    def __call__(self, order: str, *arguments: object) -> None:
        """Send a task by the name of its order; raises SourceError when the queue cannot be reached."""


def _no_workers(order: str, *_arguments: object) -> None:
    raise SourceError(f"no worker is reached from here that could do {order}")


@dataclass(frozen=True)
class QuerySources:
    """The open stores of one tenant, the clock, the way to the workers, and a seat for whoever listens."""

    records: Records
    metrics: MetricsStore
    graph: GraphStore
    board: WorkBoard
    overseen: Overseen
    now: Callable[[], datetime]
    send: Send = _no_workers
    tokens: TenantTokens | None = None
    seat: Callable[[], AbstractContextManager[None]] = field(default_factory=lambda: partial(Seats().seat, ""))


async def _sources(request: Request) -> QuerySources:
    sources: QuerySources = request.app.state.sources
    return sources


Sources = Annotated[QuerySources, Depends(_sources)]
"""The type of the parameter by which an endpoint is given the sources of its application."""
