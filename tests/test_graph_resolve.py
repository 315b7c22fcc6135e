"""What the claims of several sources come to: the most trusted is believed, and nothing depends on their order."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypocenter.model import ComponentType, Dependency, DependencyType
from hypocenter_graph.claims import LEARNED, SOURCES, ComponentClaim, DependencyClaim
from hypocenter_graph.resolve import component_of, components_of, dependencies_of, dependency_of, topology_of

CALLS, DEPENDS_ON = DependencyType.CALLS, DependencyType.DEPENDS_ON
SOURCE = st.sampled_from([*SOURCES, "a source nobody knows"])
NAMES = st.sampled_from("abc")
COMPONENTS = st.lists(
    st.builds(
        ComponentClaim,
        NAMES,
        SOURCE,
        type=st.none() | st.sampled_from(ComponentType),
        owner=st.sampled_from(["", "crew", "shop"]),
        links=st.lists(st.sampled_from(["x", "y"])).map(tuple),
    ),
    max_size=8,
    unique_by=lambda claim: (claim.name, claim.source),
)
DEPENDENCIES = st.lists(
    st.builds(
        DependencyClaim,
        NAMES,
        NAMES,
        st.sampled_from(DependencyType),
        SOURCE,
        confidence=st.floats(0, 1),
        calls_per_s=st.none() | st.floats(0, 9),
    ),
    max_size=8,
    unique_by=lambda claim: (claim.caller, claim.callee, claim.type, claim.source),
)


def call(source, confidence=1.0, calls_per_s=None, type_=CALLS):
    return DependencyClaim("web", "cart", type_, source, (), confidence, calls_per_s)


@given(COMPONENTS, DEPENDENCIES, st.randoms())
def test_the_order_of_claims_does_not_matter(components, dependencies, random):
    mixed = random.sample(components, len(components)), random.sample(dependencies, len(dependencies))
    assert topology_of(*mixed) == topology_of(components, dependencies)


@given(COMPONENTS, DEPENDENCIES)
def test_each_component_and_dependency_is_there_once(components, dependencies):
    edges = dependencies_of(dependencies)
    assert {c.name for c in components_of(components, edges)} == {claim.name for claim in components}
    assert [c.name for c in components_of(components, edges)] == sorted({claim.name for claim in components})
    ends = [(edge.caller, edge.callee, edge.type) for edge in edges]
    assert ends == sorted(set(ends))
    claimed = {(claim.caller, claim.callee, claim.type) for claim in dependencies}
    known = {(claim.caller, claim.callee) for claim in dependencies if claim.source != LEARNED}
    told = {(caller, callee) for caller, callee, _ in ends}
    assert told == {(caller, callee) for caller, callee, _ in claimed}
    for caller, callee, type_ in claimed - set(ends):
        others = {c.type for c in dependencies if (c.caller, c.callee) == (caller, callee) and c.type is not type_}
        assert others
        assert type_ is DEPENDS_ON or (caller, callee) in known


def test_a_suggestion_counts_only_where_nobody_knows_better():
    guess = call("learned", confidence=0.9)
    assert dependencies_of([guess, call("backstage", confidence=0.1)])[0].confidence == 0.1
    stated = call("backstage", type_=DEPENDS_ON)
    assert [(edge.type, edge.source) for edge in dependencies_of([guess, stated])] == [(DEPENDS_ON, "backstage")]
    assert [edge.source for edge in dependencies_of([guess])] == ["learned"]


def test_the_most_trusted_source_that_says_something_is_believed():
    claims = (
        ComponentClaim("cart", "backstage", type=ComponentType.QUEUE, owner="crew", links=("wiki",)),
        ComponentClaim("cart", "spans", type=ComponentType.CACHE, links=("traces", "wiki")),
        ComponentClaim("cart", "kubernetes"),
    )
    for order in permutations(claims):
        found = component_of(order)
        assert (found.type, found.owner, found.links) == (ComponentType.CACHE, "crew", ("traces", "wiki"))


def test_a_source_nobody_knows_comes_before_the_learned():
    learned = ComponentClaim("cart", LEARNED, type=ComponentType.POD)
    assert component_of([learned, ComponentClaim("cart", "zoo", type=ComponentType.HOST)]).type is ComponentType.HOST


def test_the_surest_claim_gives_the_confidence_and_the_most_trusted_the_rest():
    claims = (call("jaeger", 0.99, 3.0), call("spans", 0.5, 7.0), call("declared", 0.2))
    for order in permutations(claims):
        assert dependency_of(order) == Dependency("web", "cart", CALLS, "declared", confidence=0.99, calls_per_s=7.0)


def test_a_call_says_more_than_that_something_depends():
    assert [edge.type for edge in dependencies_of([call("spans"), call("backstage", type_=DEPENDS_ON)])] == [CALLS]
    assert [edge.type for edge in dependencies_of([call("backstage", type_=DEPENDS_ON)])] == [DEPENDS_ON]
    back = DependencyClaim("cart", "web", DEPENDS_ON, "backstage")
    assert [edge.type for edge in dependencies_of([call("spans"), back])] == [DEPENDS_ON, CALLS]


@pytest.mark.parametrize(
    ("type_", "caller", "callee"),
    [
        (DependencyType.RUNS_ON, ComponentType.SERVICE, ComponentType.HOST),
        (DependencyType.INSTANCE_OF, ComponentType.INSTANCE, ComponentType.SERVICE),
        (DependencyType.PUBLISHES, ComponentType.SERVICE, ComponentType.QUEUE),
        (DependencyType.CONSUMES, ComponentType.SERVICE, ComponentType.QUEUE),
        (CALLS, ComponentType.SERVICE, ComponentType.SERVICE),
    ],
)
def test_a_role_gives_the_type_where_no_source_does(type_, caller, callee):
    ends = (ComponentClaim("one", ""), ComponentClaim("two", ""))
    edge = DependencyClaim("one", "two", type_, "spans")
    found = topology_of(ends, [edge]).components
    assert (found["one"].type, found["two"].type) == (caller, callee)
    stated = ComponentClaim("two", "backstage", type=ComponentType.EXTERNAL)
    assert topology_of((ends[0], stated), [edge]).components["two"].type is ComponentType.EXTERNAL


def test_a_name_gives_the_type_where_there_is_no_role():
    assert component_of([ComponentClaim("orders-db", "")]).type is ComponentType.DATABASE


def test_edges_that_run_on_each_other_are_both_kept():
    edges = [
        DependencyClaim("a", "b", DependencyType.RUNS_ON, "spans"),
        DependencyClaim("b", "a", DependencyType.RUNS_ON, "spans"),
    ]
    found = topology_of([ComponentClaim("a", ""), ComponentClaim("b", "")], edges)
    assert len(found.dependencies) == 2
    assert {component.type for component in found.components.values()} == {ComponentType.HOST}


def test_of_several_rates_the_highest_counts_since_traces_are_sampled():
    sampled = DependencyClaim("web", "cart", CALLS, "spans", calls_per_s=0.2)
    counted = DependencyClaim("web", "cart", CALLS, "service_graph", calls_per_s=38.0)
    (edge,) = dependencies_of([counted, sampled])
    assert (edge.source, edge.calls_per_s) == ("spans", 38.0)
    (unknown,) = dependencies_of([DependencyClaim("web", "cart", CALLS, "declared")])
    assert unknown.calls_per_s is None
