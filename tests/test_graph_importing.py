"""What is found goes into a store under the names of its components, and what the store held is folded into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.errors import InputError
from hypocenter.model import DependencyType
from hypocenter.readers.yaml_documents import yaml_documents
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.discover.kubernetes import discover_kubernetes
from hypocenter_graph.identity_overrides import NO_OVERRIDES, Overrides
from hypocenter_graph.importing import Counts, plan_import, write_import
from hypocenter_graph.stores.file import FileStore
from hypocenter_graph.stores.memory import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
HOLDS = (Interval(NOON, None),)
SEEN = (Interval(NOON, NOON + timedelta(hours=1)),)


def declared(caller: str, callee: str, source: str = "declared") -> DependencyClaim:
    return DependencyClaim(caller, callee, DependencyType.CALLS, source, HOLDS)


def seen(caller: str, callee: str, rate: float = 1.0) -> DependencyClaim:
    return DependencyClaim(caller, callee, DependencyType.CALLS, "spans", SEEN, 0.95, rate)


def alias(name: str, *aliases: str, source: str = "kubernetes") -> Discovered:
    return Discovered((ComponentClaim(name, source, HOLDS, aliases=aliases),))


def of(*dependencies: DependencyClaim) -> Discovered:
    return Discovered(dependencies=dependencies)


def add(store: MemoryStore, *sources: Discovered, overrides: Overrides = NO_OVERRIDES, retracted=None):
    plan = plan_import(store.claims(), sources, WEEK, overrides)
    return plan, write_import(store, plan, retracted)


def edges(store: MemoryStore) -> list[tuple[str, str]]:
    return [(claim.caller, claim.callee) for claim in store.claims().dependencies]


def names(store: MemoryStore) -> set[str]:
    return {claim.name for claim in store.claims().components}


def test_new_and_extended_are_told_apart() -> None:
    store = MemoryStore()
    plan, _ = add(store, of(declared("web", "cart"), declared("cart", "db")))
    assert (plan.new, plan.extended) == (Counts(3, 2), Counts(0, 0))
    again, _ = add(store, of(declared("web", "cart"), declared("cart", "db")))
    assert (again.new, again.extended) == (Counts(0, 0), Counts(0, 0))
    more, _ = add(store, of(seen("web", "cart"), seen("web", "mail")))
    assert (more.new, more.extended) == (Counts(1, 1), Counts(0, 1))
    assert more.by_source() == {"spans": Counts(3, 2)}


def test_aliases_of_one_source_rename_what_another_one_says() -> None:
    store = MemoryStore()
    add(store, of(seen("web", "cart-svc")), alias("cart", "cart-svc"))
    assert edges(store) == [("web", "cart")]


def test_aliases_that_the_store_knows_rename_what_comes_later() -> None:
    store = MemoryStore()
    add(store, alias("cart", "cart-svc"))
    plan, _ = add(store, of(seen("web", "cart-svc")))
    assert edges(store) == [("web", "cart")]
    assert plan.folded == {}
    assert plan.new == Counts(1, 1)


def test_overrides_go_before_aliases() -> None:
    store = MemoryStore()
    add(store, of(seen("web", "cart-svc")), alias("cart", "cart-svc"), overrides=Overrides({"cart-svc": "basket"}))
    assert ("web", "basket") in edges(store)


def test_a_component_that_turns_out_to_be_another_is_folded_into_it() -> None:
    store = MemoryStore()
    add(store, of(seen("web", "cart-svc"), seen("cart-svc", "db"), declared("web", "mail")))
    plan, _ = add(store, alias("cart", "cart-svc"))
    assert plan.folded == {"cart-svc": "cart"}
    assert names(store) == {"web", "cart", "db", "mail"}
    assert edges(store) == [("cart", "db"), ("web", "cart"), ("web", "mail")]
    assert add(store, of(seen("web", "cart-svc")))[0].new == Counts(0, 0)


def test_what_is_folded_keeps_when_it_was_seen() -> None:
    store, later = MemoryStore(), timedelta(days=30)
    add(store, of(seen("web", "cart-svc", 2.0)))
    long_after = (Interval(NOON + later, NOON + 2 * later),)
    add(
        store,
        of(DependencyClaim("web", "cart", DependencyType.CALLS, "spans", long_after, 0.95, 5.0)),
        alias("cart", "cart-svc"),
    )
    (claim,) = store.claims().dependencies
    assert claim.seen == (*SEEN, *long_after)
    assert claim.calls_per_s == 5.0


def test_what_is_no_longer_declared_has_ended_for_its_source_alone() -> None:
    store, later = MemoryStore(), NOON + timedelta(days=1)
    add(
        store,
        of(declared("web", "cart"), declared("web", "mail"), declared("web", "old", "kubernetes"), seen("a", "b")),
    )
    _, ended = add(store, of(declared("web", "cart")), retracted=later)
    assert ended == 1
    held = {(claim.callee, claim.seen[0].last) for claim in store.claims().dependencies}
    assert held == {("cart", None), ("mail", later), ("old", None), ("b", SEEN[0].last)}


def test_overrides_that_lead_in_a_circle_write_nothing() -> None:
    store = MemoryStore()
    with pytest.raises(InputError, match="lead back"):
        add(store, of(seen("a", "b")), overrides=Overrides({"a": "b", "b": "a"}))
    assert store.claims() == Discovered()


SHORT = st.sampled_from(["a", "b", "c", "d", "a.x.svc", "b:80"])
SAID = st.one_of(
    st.builds(lambda caller, callee: of(seen(caller, callee)), SHORT, SHORT),
    st.builds(lambda caller, callee: of(declared(caller, callee)), SHORT, SHORT),
    st.builds(alias, SHORT, SHORT),
)


@given(st.lists(st.lists(SAID, min_size=1, max_size=3), max_size=4))
@settings(max_examples=80)
def test_whatever_is_imported_a_second_time_changes_nothing(rounds: list[list[Discovered]]) -> None:
    store = MemoryStore()
    for sources in rounds:
        add(store, *sources)
        once = store.claims()
        plan, _ = add(store, *sources)
        assert (plan.new, plan.extended, plan.folded) == (Counts(0, 0), Counts(0, 0), {})
        assert store.claims() == once


CLUSTER = """\
{{kind: Deployment, metadata: {{name: cart, namespace: {0}}}, spec: {{template: {{metadata: {{labels: {{app: cart}}}},
  spec: {{containers: [{{env: [{{name: DB_HOST, value: "{0}-db.{0}.svc.cluster.local"}}]}}]}}}}}}}}
---
{{kind: Service, metadata: {{name: cart, namespace: {0}}}, spec: {{selector: {{app: cart}}}}}}
---
{{kind: Service, metadata: {{name: {0}-db, namespace: {0}}}, spec: {{type: ExternalName, externalName: db.{0}.org}}}}
"""


def cluster(*namespaces: str) -> Discovered:
    text = "---\n".join(CLUSTER.format(namespace) for namespace in namespaces)
    return discover_kubernetes(yaml_documents(text, "k.yaml"), "k.yaml", NOON)


@pytest.mark.parametrize("order", [("shop", "prod"), ("prod", "shop"), ("default", "shop"), ("shop", "default")])
def test_namespaces_are_never_folded_and_one_after_the_other_is_both_at_once(order: tuple[str, str]) -> None:
    apart, together = MemoryStore(), MemoryStore()
    folded = [add(apart, cluster(namespace))[0].folded for namespace in order]
    add(together, cluster(*order))
    assert folded == [{}, {}]
    assert edges(apart) == edges(together)
    assert names(apart) == names(together)
    assert {caller for caller, _ in edges(apart)} == {"cart" if n == "default" else f"{n}/cart" for n in order}


def test_telemetry_that_says_no_namespace_means_the_only_one_and_none_of_two() -> None:
    store = MemoryStore()
    add(store, of(seen("web", "cart")))
    add(store, cluster("shop"))
    assert ("web", "shop/cart") in edges(store)
    add(store, cluster("prod"))
    plan, _ = add(store, of(seen("mobile", "cart")))
    assert ("mobile", "cart") in edges(store)
    assert any("'cart' is said to be 'prod/cart', 'shop/cart'" in note for note in plan.notes)


def test_a_name_of_one_namespace_is_none_of_another() -> None:
    store = MemoryStore()
    add(store, cluster("prod"))
    add(store, of(seen("web", "cart.shop.svc.cluster.local"), seen("web", "cart.prod.svc:80")))
    assert ("web", "cart.shop.svc.cluster.local") in edges(store)
    assert ("web", "prod/cart") in edges(store)


def pod(name: str, address: str, at: datetime) -> Discovered:
    return Discovered((ComponentClaim(name, "kubernetes", (Interval(at, None),), aliases=(address,)),))


def asked(address: str, at: datetime) -> Discovered:
    return of(DependencyClaim("front", address, DependencyType.CALLS, "spans", (Interval(at, at),)))


@pytest.mark.parametrize("retracted", [True, False])
def test_an_address_is_that_of_the_pod_that_had_it_last(retracted: bool) -> None:
    store, later = MemoryStore(), NOON + timedelta(days=30)
    add(store, pod("cart-0", "10.0.0.5", NOON))
    add(store, asked("10.0.0.5:8080", NOON))
    add(store, pod("web-0", "10.0.0.5", later), retracted=later if retracted else None)
    add(store, asked("10.0.0.5:8080", later + timedelta(days=1)))
    assert edges(store) == [("front", "cart-0"), ("front", "web-0")]


def test_what_has_ended_gives_its_other_names_to_nobody() -> None:
    store, later = MemoryStore(), NOON + timedelta(days=30)
    add(store, alias("cart", "cart-svc"), alias("pay", "till", source="spans"))
    add(store, alias("web"), retracted=later)
    long_after = later + timedelta(days=1)
    add(store, asked("cart-svc", long_after), asked("till", long_after))
    assert ("front", "cart-svc") in edges(store)
    within = MemoryStore()
    add(within, alias("cart", "cart-svc"))
    add(within, asked("cart-svc", NOON - timedelta(days=30)))
    assert ("front", "cart") in edges(within)


def test_what_was_seen_holds_its_other_names_for_a_while() -> None:
    store = MemoryStore()
    observed = Discovered((ComponentClaim("pay", "spans", SEEN, aliases=("till",)),))
    for days, meant in ((5, "pay"), (30, "till")):
        add(store, observed)
        add(store, asked("till", NOON + timedelta(days=days)))
        assert ("front", meant) in edges(store)


def test_rates_of_what_is_folded_add_up_as_they_do_at_once() -> None:
    apart, together = MemoryStore(), MemoryStore()
    calls = of(seen("web", "cart", 5.0), seen("web", "cart-svc", 3.0))
    add(apart, calls)
    add(apart, alias("cart", "cart-svc"))
    add(together, calls, alias("cart", "cart-svc"))
    assert [claim.calls_per_s for claim in apart.claims().dependencies] == [8.0]
    assert apart.claims().dependencies == together.claims().dependencies


def test_what_another_wrote_since_the_plan_was_made_is_carried_over(tmp_path: Path) -> None:
    ours, theirs = FileStore(tmp_path / "g.db"), FileStore(tmp_path / "g.db")
    ours.upsert(of(seen("web", "cart-svc", 3.0), seen("web", "cart", 5.0)))
    plan = plan_import(ours.claims(), [alias("cart", "cart-svc")], WEEK)
    owned = ComponentClaim("cart-svc", "backstage", HOLDS, owner="shop")
    theirs.upsert(Discovered((owned,), (seen("mobile", "cart-svc"), seen("cart-svc", "db"), seen("cart", "cart-svc"))))
    write_import(ours, plan)
    assert {("cart", "db"), ("mobile", "cart"), ("web", "cart")} <= {
        (claim.caller, claim.callee) for claim in theirs.claims().dependencies
    }
    assert {claim.name: claim.owner for claim in theirs.claims().components if claim.owner} == {"cart": "shop"}
    assert [claim.calls_per_s for claim in theirs.claims({"web", "cart"}).dependencies if claim.caller == "web"] == [8]
    assert "cart-svc" not in {claim.name for claim in theirs.claims().components}
    ours.close()
    theirs.close()
