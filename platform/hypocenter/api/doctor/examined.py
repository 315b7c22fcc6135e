"""What is examined: the places that settings name, and the stores that could be opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hypocenter.api.parts import Places
    from hypocenter.stores.metrics import MetricsStore
    from hypocenter.stores.records import Records
    from hypocenter.stores.work_board import WorkBoard
    from hypocenter_graph.stores.contract import GraphStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of one tenant."""

    metrics: MetricsStore
    records: Records
    graph: GraphStore
    board: WorkBoard


@dataclass(frozen=True, slots=True)
class Examined:
    """One server, running or not.

    `stores` is None where none could be opened. `number` returns a metric that the running server tells of itself, by
    its name, None where it tells none.
    """

    places: Places
    now: Callable[[], datetime]
    stores: Stores | None = None
    number: Callable[[str], float | None] = lambda _: None
    is_running: bool = False
