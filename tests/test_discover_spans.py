"""Spans to claims: who calls whom, when, how often; and what strange spans are worth."""

from __future__ import annotations

import pandas as pd

from hypocenter.model import DependencyType
from hypocenter.signals.spans import edges_of, read_tree
from hypocenter_graph.discover.spans import discover_spans

START = pd.Timestamp("2026-03-01T12:00:00Z")


def spans(*rows: tuple[float, str, str, str]) -> pd.DataFrame:
    """Rows of (second, span, parent, service), all of one trace."""
    return pd.DataFrame(
        {
            "time": pd.to_datetime([START + pd.Timedelta(seconds=row[0]) for row in rows], utc=True).as_unit("ns"),
            "trace": "t",
            "span": [row[1] for row in rows],
            "parent": [row[2] for row in rows],
            "service": [row[3] for row in rows],
            "operation": "get",
            "duration_us": 1000,
        }
    )


def test_a_span_whose_parent_is_anothers_is_a_call() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "web"), (2, "c", "b", "cart"), (10, "d", "", "web"))
    found = discover_spans(frame, "spans")
    (call,) = found.dependencies
    assert (call.caller, call.callee, call.type, call.source) == ("web", "cart", DependencyType.CALLS, "spans")
    assert call.seen[0].first == call.seen[0].last == START + pd.Timedelta(seconds=2)
    assert call.calls_per_s == 1 / 10
    assert [component.name for component in found.components] == ["cart", "web"]
    assert found.notes == ()


def test_the_investigation_sees_the_same_calls() -> None:
    frame = spans((0, "a", "", "web"), (1, "b", "a", "cart"), (2, "c", "b", "db"), (3, "d", "a", "db"))
    seen = {(edge.caller, edge.callee) for edge in edges_of(read_tree(frame))}
    assert {(claim.caller, claim.callee) for claim in discover_spans(frame, "spans").dependencies} == seen
