"""A burst of 100,000 calls to one component, on each graph store: taken whole, and no burden to those beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypocenter.model import DependencyType
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.walks import blame_path, impact, incident_subgraph

MANY = 100_000
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN = (Interval(NOON, NOON + timedelta(hours=1)),)
VIEW = View(NOON)


def call(caller, callee):
    return DependencyClaim(caller, callee, DependencyType.CALLS, "spans", SEEN)


def test_a_burst_upon_one_component_is_taken_and_walked_past(graph):
    graph.upsert(Discovered((), tuple(call(f"caller {number}", "hub") for number in range(MANY))))
    graph.upsert(Discovered((), (call("hub", "db"), call("caller 7", "cache"), call("web", "caller 7"))))
    found = incident_subgraph(graph, ["caller 7"], VIEW)
    assert dict(found.costs) == {"caller 7": 0, "hub": 1, "cache": 1, "db": 2, "web": 2}
    assert found.left_out == 0
    assert blame_path(graph, "web", "db", VIEW) == ("web", "caller 7", "hub", "db")
    reach = impact(graph, "hub", VIEW, 10)
    assert (len(reach.distances), reach.left_out) == (11, MANY - 10)
    assert len(graph.claims().dependencies) == MANY + 3
