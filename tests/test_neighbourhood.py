"""Of an incident in a large system what is near is read, and the verdict is as if there were nothing else."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hypocenter.batches import Batch, Samples
from hypocenter.errors import SourceError
from hypocenter.model import DependencyType
from hypocenter.stores.memory_metrics import MemoryMetrics
from hypocenter.stores.opening import open_records
from hypocenter.stores.stored_case import MOST_NEAR, read_stored
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.memory import MemoryStore
from hypocenter_workers.known_graph import KnownGraph
from hypocenter_workers.neighbourhood import neighbourhood

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = NOON - timedelta(hours=1), NOON
SINCE = (Interval(NOON - timedelta(days=1), None),)
CALLS = (("web", "cart"), ("cart", "cart-db"), ("cart-db", "disk"), ("mail", "queue"))


def metrics(strangers: int) -> MemoryMetrics:
    """Return a store with a system whose calls are labels of series, beside so many series of others."""
    kept = MemoryMetrics(lambda: NOON)
    own = [{"__name__": "calls", "client": one, "server": f"{other}.shop.svc:80"} for one, other in CALLS]
    own += [{"__name__": "depth", "service_name": name} for name in ("web", "cart", "cart-db", "disk", "mail")]
    others = [{"__name__": "depth", "service_name": f"stranger-{at}"} for at in range(strangers)]
    numbers = kept.number([tuple(sorted(one.items())) for one in (*own, *others)])
    at_ms = np.full(len(numbers), int(NOON.timestamp() * 1000))
    kept.append([Batch(Samples(numbers, at_ms, np.ones(len(numbers))))])
    return kept


def graph(*calls: tuple[str, str]) -> KnownGraph:
    store = MemoryStore()
    other_name = ComponentClaim("cart-db", "declared", SINCE, aliases=("basket-db",))
    edges = tuple(DependencyClaim(*ends, DependencyType.CALLS, "declared", SINCE) for ends in calls)
    store.upsert(Discovered((other_name,), edges))
    return KnownGraph(store, View())


@pytest.fixture(scope="module")
def large() -> MemoryMetrics:
    return metrics(MOST_NEAR)


def test_of_a_small_system_everything_is_near() -> None:
    assert neighbourhood(metrics(3), graph(*CALLS), ["cart"], NOON, WINDOW) is None


def test_the_graph_says_what_is_near_by_all_names(large: MemoryMetrics) -> None:
    near = neighbourhood(large, graph(*CALLS), ["web", "basket-db"], NOON, WINDOW)
    assert near is not None
    assert near[:2] == ("basket-db", "web")
    assert set(near) == {"web", "cart", "cart-db", "basket-db", "disk"}


@pytest.mark.parametrize(
    "known",
    [None, graph(("mail", "queue")), KnownGraph(SourceError("nobody answers"), View())],
    ids=["none", "of others", "away"],
)
def test_edges_that_series_tell_of_do_where_no_graph_does(large: MemoryMetrics, known: KnownGraph | None) -> None:
    near = neighbourhood(large, known, ["web"], NOON, WINDOW)
    assert near is not None
    assert near[0] == "web"
    assert {"web", "cart", "cart-db"} <= set(near)
    assert {"disk", "mail", "queue", "stranger-1"}.isdisjoint(near)


def test_only_what_is_near_is_read_and_the_nearest_first(large: MemoryMetrics, tmp_path: Path) -> None:
    with closing(open_records(str(tmp_path / "records.db"))) as records:
        own = read_stored(large, records, WINDOW, near=("cart", "cart-db"))
        everyone = ["mail", *(f"stranger-{at}" for at in reversed(range(MOST_NEAR))), "queue"]
        cut = read_stored(large, records, WINDOW, near=everyone)
    assert own.metrics is not None
    assert {one.get("service_name") for one in own.metrics.labels} == {None, "cart", "cart-db"}
    assert own.notes == ()
    assert cut.metrics is not None
    assert len(cut.metrics.labels) == MOST_NEAR
    read = {one.get("service_name", "") for one in cut.metrics.labels}
    assert "mail" in read
    assert "stranger-0" not in read
    assert any(f"{MOST_NEAR} of {MOST_NEAR + 2} series" in note for note in cut.notes)
