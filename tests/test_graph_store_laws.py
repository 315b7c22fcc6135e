"""What every graph store does with strange graphs, strange names and bad claims, example by example."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from hypocenter.errors import InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import LEARNED, ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.resolve import topology_of
from hypocenter_graph.stores.contract import EXPIRY, HUB, View
from hypocenter_graph.walks import blame_path, common_causes, impact, incident_subgraph

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
SEEN = (Interval(NOON, NOON + HOUR),)
HOLDS = (Interval(NOON, None),)
EVER = View()
CALLS, RUNS_ON, CONSUMES = DependencyType.CALLS, DependencyType.RUNS_ON, DependencyType.CONSUMES
ASTRAL, BMP = "\N{PARTY POPPER}", "\N{HALFWIDTH WHITE CIRCLE}"
HOSTILE = (
    "'}) DETACH DELETE n //",
    "`) MATCH (n) DETACH DELETE n //",
    '"; DROP TABLE dependencies; --',
    "$q.names",
    "new\nline\ttab\r",
    "nul\0nul",
    "\u202egnp.exe",
    ASTRAL,
    BMP,
    "caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    "cafe\N{COMBINING ACUTE ACCENT}",
    "1",
    "01",
    "null",
    "Cart",
    "cart",
    "cart ",
    "\\u0041",
    "x" * 512,
    ASTRAL * 512,
)


def call(caller, callee, type_=CALLS, source="spans", seen=SEEN, **how):
    return DependencyClaim(caller, callee, type_, source, seen, **how)


def edges(*claims):
    return Discovered((), claims)


def chain(*names):
    return edges(*(call(one, other) for one, other in pairwise(names)))


def names_of(found):
    return {claim.name for claim in found.components}


def test_both_ends_of_a_dependency_become_components(graph):
    graph.upsert(chain("web", "cart"))
    assert graph.claims().components == (ComponentClaim("cart", ""), ComponentClaim("web", ""))
    told = ComponentClaim("cart", "kubernetes", HOLDS, ComponentType.SERVICE, "shop", ("https://x",), ("cart.svc",))
    graph.upsert(Discovered((told,)))
    assert graph.claims().components == (told, ComponentClaim("web", ""))


def test_writing_twice_is_writing_once(graph):
    found = Discovered((ComponentClaim("web", "spans", SEEN),), (call("web", "cart"), call("web", "cart", RUNS_ON)))
    graph.upsert(found)
    once = graph.claims()
    graph.upsert(found)
    assert graph.claims() == once
    assert len(once.dependencies) == 2


def test_the_order_of_writing_does_not_matter(new_graph):
    claims = [call("a", "b"), call("b", "a"), call("a", "b", source="jaeger"), call("a", "b", RUNS_ON)]
    with closing(new_graph()) as one, closing(new_graph()) as other:
        for claim in claims:
            one.upsert(edges(claim))
        for claim in reversed(claims):
            other.upsert(edges(claim))
        assert one.claims() == other.claims()


def test_a_graph_is_copied_by_its_claims(new_graph):
    with closing(new_graph()) as one, closing(new_graph()) as other:
        one.upsert(Discovered((ComponentClaim("web", "spans", SEEN),), (call("web", "cart"), call("cart", "db"))))
        one.remove(["db"])
        other.upsert(one.claims())
        assert other.claims() == one.claims()
        other.upsert(Discovered((ComponentClaim("cart", "spans", SEEN), ComponentClaim("web", ""))))
        assert [claim.source for claim in other.claims().components] == ["spans", "spans"]


def test_what_vanished_and_came_back_has_two_intervals(graph):
    back = NOON + 30 * EXPIRY
    graph.upsert(edges(call("web", "cart")))
    graph.upsert(edges(call("web", "cart", seen=(Interval(back, back + HOUR),))))
    (claim,) = graph.claims().dependencies
    assert claim.seen == (*SEEN, Interval(back, back + HOUR))
    gone = NOON + HOUR + EXPIRY
    there = {
        NOON - INSTANT: False,
        NOON: True,
        gone: True,
        gone + INSTANT: False,
        back - INSTANT: False,
        back: True,
        back + HOUR + EXPIRY: True,
        back + HOUR + EXPIRY + INSTANT: False,
    }
    assert {at: bool(graph.steps(["web"], View(at))) for at in there} == there
    assert {at: bool(graph.claims(view=View(at)).dependencies) for at in there} == there
    assert {at: graph.nearest([], ["cart"], [], 9, View(at)).names == ("web",) for at in there} == there


def test_what_is_seen_again_within_the_gap_has_one_interval(graph):
    for first in (NOON, NOON + HOUR + EXPIRY):
        graph.upsert(edges(call("web", "cart", seen=(Interval(first, first + HOUR),))))
    (claim,) = graph.claims().dependencies
    assert claim.seen == (Interval(NOON, NOON + HOUR + EXPIRY + HOUR),)


def test_what_is_declared_holds_until_it_is_retracted(graph):
    said = edges(call("web", "cart", source="declared", seen=HOLDS), call("web", "db", source="declared", seen=HOLDS))
    graph.upsert(Discovered((ComponentClaim("web", "declared", HOLDS),), (*said.dependencies, call("web", "pay"))))
    later = NOON + 99 * EXPIRY
    assert graph.steps(["web"], View(later)) == {"web": ["cart", "db"]}
    assert graph.retract("declared", later, edges(said.dependencies[0])) == 2
    assert graph.retract("declared", later, edges(said.dependencies[0])) == 0
    assert graph.steps(["web"], View(later + EXPIRY + INSTANT)) == {"web": ["cart"]}
    assert graph.steps(["web"], View(later)) == {"web": ["cart", "db"]}
    assert [claim.seen for claim in graph.claims(["web"]).components] == [(Interval(NOON, later),)]


def test_what_is_retracted_before_it_began_never_was(graph):
    graph.upsert(edges(call("web", "cart", source="declared", seen=HOLDS)))
    assert graph.retract("declared", NOON - HOUR, Discovered()) == 1
    assert graph.claims().dependencies[0].seen == ()
    assert graph.steps(["web"], EVER) == {}
    assert graph.claims(view=EVER).dependencies == ()


def test_a_call_to_oneself_is_kept_and_is_no_step(graph):
    graph.upsert(edges(call("web", "web"), call("web", "web", CONSUMES), call("web", "cart")))
    assert len(graph.claims(["web"]).dependencies) == 2
    assert graph.steps(["web"], EVER) == {"web": ["cart"]}
    assert graph.steps(["web"], EVER, up=True) == {}
    assert graph.nearest(["web"], ["web"], [], 9, EVER).names == ("cart",)


def test_walks_around_a_cycle_end(graph):
    graph.upsert(chain("a", "b", "c", "a", "c"))
    assert blame_path(graph, "a", "b", EVER) == ("a", "b")
    assert blame_path(graph, "b", "a", EVER) == ("b", "c", "a")
    assert dict(impact(graph, "a", EVER).distances) == {"a": 0, "c": 1, "b": 2}
    assert dict(common_causes(graph, ["a", "b", "c"], EVER)) == {"c": (1, 1, 0), "a": (0, 2, 1), "b": (1, 0, 2)}
    assert dict(incident_subgraph(graph, ["a"], EVER).costs) == {"a": 0, "b": 1, "c": 1}


@pytest.mark.parametrize("name", ["nowhere", "", "\ud800", "x" * 600])
def test_nothing_is_near_what_is_unknown(graph, name):
    graph.upsert(chain("web", "cart"))
    assert graph.steps([name], EVER) == {}
    assert graph.nearest([name], [name], [name], 9, EVER).total == 0
    assert graph.claims([name]) == Discovered()
    assert blame_path(graph, name, name, EVER) == blame_path(graph, "web", name, EVER) == ()
    assert blame_path(graph, name, "cart", EVER) == ()
    assert dict(impact(graph, name, EVER).distances) == {}
    assert common_causes(graph, ["web", name], EVER) == {}
    assert incident_subgraph(graph, [name], EVER).components == ()
    graph.remove([name])
    assert len(graph.claims().components) == 2


def test_edges_that_contradict_each_other_are_kept_side_by_side(graph):
    graph.upsert(edges(call("a", "b", RUNS_ON), call("b", "a", RUNS_ON), call("a", "b"), call("b", "a")))
    assert len(graph.claims().dependencies) == 4
    assert graph.steps(["a", "b"], EVER) == graph.steps(["a", "b"], EVER, up=True) == {"a": ["b"], "b": ["a"]}


def test_the_most_trusted_source_gives_the_type(graph):
    types = {"backstage": ComponentType.QUEUE, "spans": ComponentType.CACHE, LEARNED: ComponentType.POD}
    graph.upsert(Discovered(tuple(ComponentClaim("x", source, SEEN, type_) for source, type_ in types.items())))
    graph.upsert(edges(call("y", "x", RUNS_ON)))
    found = graph.claims()
    assert topology_of(found.components, found.dependencies).components["x"].type is ComponentType.CACHE


def test_a_queue_is_passed_both_ways(graph):
    graph.upsert(edges(call("shop", "orders", DependencyType.PUBLISHES), call("worker", "orders", CONSUMES)))
    assert blame_path(graph, "shop", "worker", EVER) == ("shop", "orders", "worker")
    assert blame_path(graph, "worker", "shop", EVER) == ()
    assert graph.steps(["orders"], EVER, up=True) == {"orders": ["shop", "worker"]}


def test_learned_dependencies_are_seen_only_when_wanted(graph):
    graph.upsert(edges(call("web", "cart", source=LEARNED)))
    assert graph.steps(["web"], EVER) == {}
    assert graph.steps(["web"], View(learned=True)) == {"web": ["cart"]}


def test_what_is_removed_takes_its_dependencies_and_leaves_its_neighbours(graph):
    graph.upsert(Discovered((ComponentClaim("cart", "spans", SEEN),), chain("web", "cart", "db").dependencies))
    graph.remove(["cart", "nowhere"])
    assert graph.claims() == Discovered((ComponentClaim("db", ""), ComponentClaim("web", "")))
    graph.upsert(chain("web", "cart"))
    assert graph.steps(["web"], EVER) == {"web": ["cart"]}
    assert graph.steps(["cart", "db"], EVER, up=True) == {"cart": ["web"]}


def test_tenants_never_meet(new_graph):
    with closing(new_graph()) as one, closing(new_graph()) as other:
        one.upsert(Discovered((ComponentClaim("web", "spans", SEEN),), chain("web", "cart", "db").dependencies))
        other.upsert(edges(call("cart", "web", source="declared", seen=HOLDS)))
        before = one.claims()
        assert other.steps(["web", "cart"], EVER) == {"cart": ["web"]}
        assert other.claims().components == (ComponentClaim("cart", ""), ComponentClaim("web", ""))
        assert other.retract("declared", NOON + HOUR, Discovered()) == 1
        other.remove(["web", "cart"])
        assert one.claims() == before
        assert other.claims() == Discovered()


def test_steps_up_from_a_hub_are_not_taken(graph):
    upon = [call(f"caller-{number}", "hub") for number in range(HUB)]
    graph.upsert(edges(*upon, call("hub", "db")))
    assert graph.nearest([], ["hub"], [], 3, EVER).total == HUB
    graph.upsert(edges(call("caller-0", "hub", source="jaeger")))
    assert graph.nearest([], ["hub"], [], 3, EVER).total == 0
    assert graph.nearest(["hub"], ["db"], [], 3, EVER).total == 2
    assert len(graph.steps(["hub"], EVER, up=True)["hub"]) == HUB
    assert dict(incident_subgraph(graph, ["caller-7"], EVER).costs) == {"caller-7": 0, "hub": 1, "db": 2}
    graph.remove(["caller-0"])
    assert graph.nearest([], ["hub"], [], 3, EVER).total == HUB - 1


def test_ties_are_in_order_of_code_points(graph):
    """Not of UTF-16, where what lies beyond the first 65,536 letters comes before the last of them."""
    names = sorted({ASTRAL, BMP, "\ue000", "Z", "a", "\N{LATIN SMALL LETTER E WITH ACUTE}"})
    graph.upsert(edges(*(call("web", name) for name in names)))
    for most in range(len(names) + 1):
        assert set(graph.nearest(["web"], [], [], most, EVER).names) == set(names[:most])
    assert graph.steps(["web"], EVER) == {"web": names}
    every = sorted([*names, "web"])
    for after, name in enumerate(["", *every]):
        assert graph.names(name, 2) == every[after : after + 2]


def test_hostile_names_are_data(graph):
    said = tuple(ComponentClaim(name, "spans", SEEN, owner=name, links=(name,), aliases=(name,)) for name in HOSTILE)
    graph.upsert(Discovered(said, (*chain("web", *HOSTILE).dependencies, call("web", HOSTILE[0], source=HOSTILE[0]))))
    graph.upsert(chain("other", "end"))
    assert names_of(graph.claims()) == {"web", "other", "end", *HOSTILE}
    assert set(said) <= set(graph.claims().components)
    assert len(graph.claims(HOSTILE).dependencies) == len(HOSTILE) - 1
    assert blame_path(graph, "web", HOSTILE[-1], EVER) == ("web", *HOSTILE)
    assert graph.nearest(HOSTILE, [], HOSTILE, 9, EVER).total == 0
    assert len(impact(graph, HOSTILE[-1], EVER).distances) == len(HOSTILE) + 1
    assert graph.retract(HOSTILE[0], NOON, Discovered()) == 0
    graph.remove(HOSTILE)
    assert names_of(graph.claims()) == {"web", "other", "end"}


AGO = Interval(NOON, NOON - INSTANT)
NAIVE = Interval(datetime(2026, 3, 1), None)  # noqa: DTZ001 - a time without a zone is what is refused
ELSEWHERE = Interval(NOON, NOON.astimezone(timezone(HOUR)))
CART = ComponentClaim("cart", "spans", SEEN)
REFUSED = {
    "caller": call("", "cart"),
    "callee": call("web", "\ud800"),
    "longer": call("web", "x" * 513),
    "name": replace(CART, name=" "),
    "alias": replace(CART, aliases=("\udfff",)),
    "owner": replace(CART, owner="\ud800"),
    "links": replace(CART, links=("\ud800",)),
    "'service' is no ComponentType": replace(CART, type="service"),
    "'CALLS' is no DependencyType": replace(call("web", "cart"), type="CALLS"),
    "source": call("web", "cart", source=""),
    "must name who": ComponentClaim("cart", "", owner="crew"),
    "confidence": call("web", "cart", confidence=float("nan")),
    "confidence: .* not -0.1": call("web", "cart", confidence=-0.1),
    "confidence: .* not 1.5": call("web", "cart", confidence=1.5),
    "confidence: .* not '1'": call("web", "cart", confidence="1"),
    "calls_per_s": call("web", "cart", calls_per_s=-1.0),
    "calls_per_s: .* not nan": call("web", "cart", calls_per_s=float("nan")),
    "calls_per_s: .* not inf": call("web", "cart", calls_per_s=float("inf")),
    "seen: .* in UTC": call("web", "cart", seen=(NAIVE,)),
    "seen: .*01:00 must be .* in UTC": call("web", "cart", seen=(ELSEWHERE,)),
    "ends before it begins": replace(CART, seen=(*SEEN, AGO)),
}


@pytest.mark.parametrize(("told", "claim"), REFUSED.items(), ids=REFUSED.keys())
def test_a_claim_that_cannot_be_kept_is_refused_and_nothing_is_written(graph, told, claim):
    first = call("web", "cart")
    is_component = isinstance(claim, ComponentClaim)
    with pytest.raises(InputError, match=told):
        graph.upsert(Discovered((claim,), (first,)) if is_component else edges(first, claim))
    assert graph.claims() == Discovered()
