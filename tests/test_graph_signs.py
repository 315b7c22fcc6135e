"""What is worked out once and looked up again says the same as working it out anew: naive twins."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import Dependency, MetricKind, Series, Target
from hypocenter_graph.deviation import Deviation
from hypocenter_graph.observations import observe
from hypocenter_graph.rank import Assumed, Context, rank, rank_over
from hypocenter_graph.topology import build_topology

NAMES = st.sampled_from("abcd")
KINDS = (MetricKind.CPU, MetricKind.LATENCY, MetricKind.ERRORS, MetricKind.AVAILABILITY, MetricKind.TRAFFIC)
SERIES = st.builds(
    Series,
    NAMES,
    st.sampled_from(["m", "n"]),
    st.sampled_from(KINDS),
    st.sampled_from(["s", "share"]),
    st.sampled_from(["mean", "p95"]),
    peer=st.none() | NAMES,
    side=st.sampled_from([None, "client", "server"]),
    host=st.booleans(),
)
DEVIATIONS = st.lists(
    st.builds(Deviation, SERIES, st.floats(0, 1), st.floats(0, 9), st.floats(-300, 300), silent=st.booleans()),
    max_size=12,
)
EDGES = st.lists(st.builds(Dependency, NAMES, NAMES), max_size=6)


@given(DEVIATIONS, NAMES, st.lists(st.sampled_from(KINDS), unique=True))
def test_deviations_of_some_kinds_match_a_naive_search(deviations, component, kinds):
    own = [d for d in deviations if d.series.peer is None and d.series.component == component]
    wanted = [d for d in own if d.series.kind in kinds and not d.series.host]
    assert list(observe(deviations).of_kind(component, *kinds)) == wanted


@settings(max_examples=40)
@given(DEVIATIONS, st.lists(EDGES, min_size=1, max_size=3))
def test_a_start_ranked_on_one_graph_after_the_other_is_ranked_on_each_as_if_on_no_other(deviations, graphs):
    start, context = Assumed(None, tuple(deviations)), Context(Target("a"))
    for edges in graphs:
        topology = build_topology((), edges)
        again = rank_over([start], topology, context)[0]
        assert again == rank_over([Assumed(None, tuple(deviations))], topology, context)[0]
        assert again.explained == rank(deviations, topology, context).explained
