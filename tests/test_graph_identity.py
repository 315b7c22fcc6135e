"""One component under several names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.identity import Identity, find_identity, resolved
from hypocenter_graph.identity_overrides import NO_OVERRIDES, Overrides, overrides_of, read_overrides

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEEN = (Interval(NOON, NOON + HOUR),)


def component(name: str, source: str = "spans", type_: ComponentType | None = None, *aliases: str) -> ComponentClaim:
    return ComponentClaim(name, source, SEEN, type_, aliases=aliases)


def call(
    caller: str, callee: str, rate: float | None = None, type_: DependencyType = DependencyType.CALLS
) -> DependencyClaim:
    return DependencyClaim(caller, callee, type_, "spans", SEEN, 0.95, rate)


def knowing(*names: str, overrides: Overrides = NO_OVERRIDES) -> Identity:
    return find_identity([Discovered(tuple(component(name) for name in names))], overrides)


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("cart", ["cart"], "cart"),
        ("cart:8080", ["cart"], "cart"),
        ("cart:8080", [], "cart"),
        ("localhost:6379", ["localhost"], "localhost:6379"),
        ("db.example.com:5432", [], "db.example.com:5432"),
        ("db.example.com:5432", ["db.example.com"], "db.example.com"),
        ("cart:http", ["cart"], "cart:http"),
        ("topic:orders:1", ["topic"], "topic:orders:1"),
        ("cart.shop.svc.cluster.local", ["cart"], "cart"),
        ("cart.shop.svc.cluster.local.", ["cart"], "cart"),
        ("cart.shop.svc.cluster.local:8080", ["cart"], "cart"),
        ("cart.shop.svc", ["cart", "shop/cart"], "shop/cart"),
        ("cart.shop.svc", ["cart", "cart.test.svc"], "cart.shop.svc"),
        ("cart.shop.svc.example.org", ["shop/cart"], "shop/cart"),
        ("cart.shop.svc:80", [], "cart.shop.svc"),
        ("kafka-0.kafka.shop.svc.cluster.local", ["kafka-0", "kafka"], "kafka-0"),
        ("kafka-0.kafka.shop.svc.cluster.local", ["kafka"], "kafka"),
        ("cart.shop", ["cart"], "cart.shop"),
        ("http://cart:8080/add?item=1", ["cart"], "cart"),
        ("https://user:pass@api.example.com/v1", [], "api.example.com"),
        ("jdbc:postgresql://db:5432/orders", [], "db"),
        ("amqp://rabbitmq:5672/", [], "rabbitmq"),
        ("mongodb://a,b/x", [], "mongodb://a,b/x"),
        ("http://", [], "http://"),
        ("https://API.Example.com/x", ["api.example.com"], "api.example.com"),
        ("API.Example.com:443", ["api.EXAMPLE.com"], "api.EXAMPLE.com"),
        ("API.Example.com.", ["api.example.com"], "api.example.com"),
        ("com.acme.Orders", ["com.acme.orders"], "com.acme.Orders"),
        ("Cart", ["cart"], "Cart"),
        ("carts", ["cart"], "carts"),
        ("10.0.0.7", ["10.0.0.8"], "10.0.0.7"),
        ("10.0.0.7:80", ["10.0.0.7"], "10.0.0.7:80"),
        ("[::1]:80", [], "[::1]:80"),
    ],
)
def test_a_name_means_what_its_form_proves(name: str, known: list[str], meant: str) -> None:
    assert knowing(*known).resolve(name) == meant


@pytest.mark.parametrize("type_", [ComponentType.HOST, ComponentType.EXTERNAL])
def test_hosts_differ_by_more_than_case_where_a_source_says_that_they_are_hosts(type_: ComponentType) -> None:
    found = Discovered((component("api.example.com"), component("API.Example.com", "spans", type_)))
    assert find_identity([found]).resolve("API.Example.com") == "api.example.com"


def test_addresses_are_what_an_alias_says_with_and_without_port() -> None:
    identity = find_identity(
        [Discovered((component("cart", "kubernetes", None, "10.0.0.7", "10.0.0.9:80", "fd00::1"),))]
    )
    for name in ("10.0.0.7", "10.0.0.7:8080", "http://10.0.0.7:80/x", "10.0.0.9:80", "[fd00::1]:80"):
        assert identity.resolve(name) == "cart"
    assert identity.resolve("10.0.0.9:81") == "10.0.0.9:81"


def test_users_are_believed_before_sources_and_sources_before_form() -> None:
    sources = [Discovered((component("checkout", "kubernetes", None, "cart:80", "cart:81"),))]
    identity = find_identity(
        sources, overrides_of({"cart:80": "till", "pay-v[0-9]+": "pay", "pay-v9": "new"}, "n.yaml")
    )
    assert identity.resolve("cart:80") == "till"
    assert identity.resolve("cart:81") == "checkout"
    assert identity.resolve("cart:82") == "cart"
    assert [identity.resolve(name) for name in ("pay-v1", "pay-v9", "pay-v1b")] == ["pay", "new", "pay-v1b"]


def test_chains_are_followed_through_users_sources_and_form() -> None:
    sources = [Discovered((component("c", "kubernetes", None, "b"), component("d", "backstage", None, "c")))]
    identity = find_identity(sources, overrides_of({"a": "b", "d": "e"}, "n.yaml"))
    assert identity.resolve("http://a:80/") == "e"


def test_an_override_to_itself_keeps_a_name() -> None:
    assert (
        knowing("cart", overrides=overrides_of({"cart:8080": "cart:8080"}, "n.yaml")).resolve("cart:8080")
        == "cart:8080"
    )


@pytest.mark.parametrize("told", [{"a": "b", "b": "c", "c": "a"}, {"a.*": "b1", "b.*": "a1"}])
def test_overrides_that_lead_back_are_refused(told: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"lead back to where they began.*take one of the overrides out"):
        find_identity([], overrides_of(told, "n.yaml"))


def test_aliases_that_lead_back_are_refused_where_they_are_given_and_followed_once_where_sources_claim_them() -> None:
    with pytest.raises(InputError, match="lead back"):
        Identity(NO_OVERRIDES, {"a": "b", "b": "a"}, frozenset("ab"))
    found = Discovered((component("a", "kubernetes", None, "b"), component("b", "backstage", None, "a")))
    identity = find_identity([found])
    assert {identity.resolve("a"), identity.resolve("b")} == {"a"}
    kept = find_identity([found], overrides_of({"a": "b"}, "n.yaml"))
    assert {kept.resolve("a"), kept.resolve("b")} == {"b"}


def test_the_more_trusted_source_says_whose_an_alias_is_and_it_is_noted() -> None:
    mesh, cluster = component("x", "backstage", None, "svc"), component("y", "kubernetes", None, "svc")
    for order in ((mesh, cluster), (cluster, mesh)):
        identity = find_identity([Discovered((claim,)) for claim in order])
        assert identity.resolve("svc") == "y"
        assert identity.notes == ("'svc' is said to be 'x', 'y'; it is read as 'y', as kubernetes says",)


def test_what_one_source_says_of_two_components_is_followed_to_neither() -> None:
    found = Discovered((component("x", "kubernetes", None, "svc"), component("y", "kubernetes", None, "svc")))
    identity = find_identity([found])
    assert identity.resolve("svc") == "svc"
    assert "'svc' is said to be 'x', 'y', which differ" in identity.notes[0]


def test_two_names_of_one_component_contradict_nothing() -> None:
    found = Discovered((component("x", "kubernetes", None, "svc", "y"), component("y", "backstage", None, "svc")))
    identity = find_identity([found])
    assert identity.resolve("svc") == "x"
    assert identity.notes == ()


def test_claims_that_become_equal_are_joined_and_keep_their_former_names() -> None:
    found = Discovered(
        (component("cart"), component("cart:8080", "spans", ComponentType.SERVICE)),
        (call("web", "cart", 2.0), call("web", "cart:8080", 3.0), call("web", "http://u:secret@cart/x", None)),
        ("read 5 spans",),
    )
    new = resolved(found, find_identity([found]))
    assert new.components == (component("cart", "spans", ComponentType.SERVICE),)
    assert new.dependencies == (call("web", "cart", 5.0),)
    assert new.notes[0] == "read 5 spans"
    assert "'cart:8080' of 'cart'" in new.notes[1]
    assert "secret" not in str(new)


def test_rates_of_other_times_do_not_add_up() -> None:
    later = replace(call("web", "cart:8080", 3.0), seen=(Interval(NOON + 2 * HOUR, NOON + 3 * HOUR),))
    found = Discovered(dependencies=(later, call("web", "cart", 2.0)))
    (joined,) = resolved(found, find_identity([found])).dependencies
    assert joined.calls_per_s == 3.0
    assert len(joined.seen) == 2
    (joined,) = resolved(found, find_identity([found]), gap=HOUR).dependencies
    assert joined.seen == (Interval(NOON, NOON + 3 * HOUR),)


def test_the_same_claim_twice_is_once_and_its_rate_its_own() -> None:
    found = Discovered(dependencies=(call("web", "cart:80", 2.0), call("web", "cart:80", 2.0)))
    assert resolved(found, find_identity([found])).dependencies == (call("web", "cart", 2.0),)


def test_a_name_that_only_dependencies_use_is_kept_as_an_alias() -> None:
    known = Discovered((component("cart", "kubernetes", None, "cart-svc"),))
    found = Discovered(dependencies=(call("web", "http://cart-svc:80/x"),))
    assert resolved(found, find_identity([known, found])).components == (component("cart", "spans", None, "cart-svc"),)


def test_names_that_their_form_explains_are_not_kept() -> None:
    known = Discovered((component("cart", "kubernetes", None, "10.0.0.7"),))
    names = [*(f"cart:{port}" for port in range(32768, 32800)), "10.0.0.7", "10.0.0.7:80", "http://10.0.0.7/x"]
    found = Discovered(dependencies=tuple(call(name, "db") for name in names))
    new = resolved(found, find_identity([known, found]))
    assert new.dependencies == (call("cart", "db"),)
    assert not any(claim.aliases for claim in new.components)


def test_pods_stay_components_and_their_workloads_call() -> None:
    pod = component("cart-7d4b9c6f5d-x2x7k", "kubernetes", ComponentType.POD)
    database = component("db-0", "kubernetes", ComponentType.POD)
    part = replace(call("db-0", "orders-db", None, DependencyType.INSTANCE_OF), source="kubernetes")
    cluster = Discovered((pod, database, component("cart", "kubernetes")), (part,))
    spans = Discovered(dependencies=(call("cart-7d4b9c6f5d-x2x7k", "db-0", 4.0), call("cart", "orders-db", 1.0)))
    new = resolved(spans, find_identity([cluster, spans]))
    guessed = call("cart-7d4b9c6f5d-x2x7k", "cart", None, DependencyType.INSTANCE_OF)
    assert set(new.dependencies) == {call("cart", "orders-db", 5.0), guessed}
    assert new.components == (component("cart-7d4b9c6f5d-x2x7k", "spans", ComponentType.POD),)
    kept = resolved(cluster, find_identity([cluster, spans]))
    assert kept == replace(cluster, notes=())


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("shop-2", None),
        ("cart-x2x7k", ComponentType.SERVICE),
        ("other-7d4b9c6f5d-x2x7k", None),
        ("cartography", None),
    ],
)
def test_what_only_looks_like_a_pod_is_none(name: str, type_: ComponentType | None) -> None:
    found = Discovered((component("cart"), component("shop"), component(name, "spans", type_)), (call(name, "cart"),))
    assert resolved(found, find_identity([found])).dependencies == (call(name, "cart"),)


@pytest.mark.parametrize(
    ("url", "type_"),
    [
        ("amqp://broker/orders", ComponentType.QUEUE),
        ("https://sqs.example.com/12/orders", None),
        ("https://sqs.example.com/12/orders", ComponentType.SERVICE),
    ],
)
def test_queues_that_are_called_by_a_url_are_not_their_broker(url: str, type_: ComponentType | None) -> None:
    found = Discovered((component(url, "spans", type_),))
    assert resolved(found, find_identity([found])) == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("n.yaml", "cart-svc: cart\nweb-v[0-9]+: web\n"),
        ("n.json", '{"cart-svc": "cart", "web-v[0-9]+": "web"}'),
        ("n.csv", "name,component\ncart-svc,cart\nweb-v[0-9]+,web\n"),
    ],
)
def test_overrides_are_read_from_yaml_json_and_csv(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    read = read_overrides(tmp_path / name)
    assert read.components_of(["cart-svc", "web-v12", "web-v", "x"]) == {"cart-svc": "cart", "web-v12": "web"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("n.yaml", "- a\n", "must be an object"),
        ("n.yaml", "a: 1\n", "'a': a component's name must be text"),
        ("n.yaml", "a: ''\n", "'a': a component's name must be text that is not empty"),
        ("n.yaml", "a: b\n---\nc: d\n", "2 documents; keep one"),
        ("n.yaml", "a(: b\n", r"'a(' is no regular expression of RE2"),
        ("n.yaml", "'a)|(b': b\n", "no regular expression"),
        ("n.yaml", "'(a)\\1': b\n", "no regular expression"),
        ("n.json", json.dumps({"a*" * 200: "b"}), "longer than the 200 letters"),
        ("n.csv", "name,component\na,b\na,c\n", "'a' is there twice"),
        ("n.csv", "name,component\na,\n", "'a': a component's name must be text"),
        ("n.csv", "name,to\na,b\n", "no column component"),
    ],
)
def test_what_is_wrong_with_overrides_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_overrides(tmp_path / name)
    assert name in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_expression_makes_a_name_slow() -> None:
    overrides = overrides_of({"(a+)+b": "x", "(.*)(.*)(.*)(.*)(.*)(.*)z": "y"}, "n.yaml")
    assert knowing("a" * 512, overrides=overrides).resolve("a" * 512) == "a" * 512


NAMES = st.sampled_from(
    [
        "cart",
        "cart:80",
        "http://cart:80/",
        "cart.shop.svc",
        "cart.test.svc",
        "shop/cart",
        "A.b.c",
        "a.b.c",
        "10.0.0.1",
        "10.0.0.1:80",
        "db-0",
        "cart-7d4b9c6f5d-x2x7k",
        "🛒",
        "localhost:1",
        "://",
        "x.",
        "[]:1",
        "a\nb';MATCH(n)DETACH/**/DELETE//",
    ]
)
SOURCES = st.sampled_from(["kubernetes", "backstage", "spans"])
TYPES = st.sampled_from([None, ComponentType.POD, ComponentType.SERVICE, ComponentType.QUEUE, ComponentType.HOST])
COMPONENTS = st.builds(
    ComponentClaim,
    NAMES,
    SOURCES,
    st.just(SEEN),
    TYPES,
    aliases=st.lists(NAMES, max_size=2).map(lambda a: tuple(sorted(set(a)))),
)
DEPENDENCIES = st.builds(
    DependencyClaim,
    NAMES,
    NAMES,
    st.sampled_from(DependencyType),
    SOURCES,
    st.just(SEEN),
    st.just(0.5),
    st.none() | st.just(2.0),
)
FOUND = st.builds(
    Discovered, st.lists(COMPONENTS, max_size=5).map(tuple), st.lists(DEPENDENCIES, max_size=6).map(tuple)
)


@given(FOUND, FOUND, st.dictionaries(NAMES, NAMES, max_size=2))
@hypothesis_settings(max_examples=150)
def test_whatever_sources_and_users_say_names_settle_and_nothing_is_dropped(
    one: Discovered, other: Discovered, told: dict[str, str]
) -> None:
    try:
        identity = find_identity([one, other], Overrides(told))
    except HypocenterError:
        return
    names = identity.known | {alias for found in (one, other) for c in found.components for alias in c.aliases}
    meant = identity.resolve_all(names)
    assert identity.resolve_all(set(meant.values())) == {name: name for name in meant.values()}
    new = resolved(one, identity)
    assert {(meant[c.name], c.source) for c in one.components} <= {(c.name, c.source) for c in new.components}
    assert {c.source for c in one.dependencies} == {c.source for c in new.dependencies}
    workloads = {name: identity.workload(name) for name in meant.values()}
    kept = {(c.caller, c.callee, c.type) for c in new.dependencies}
    for claim in one.dependencies:
        ends = [meant[claim.caller], meant[claim.callee]]
        if claim.type not in (DependencyType.RUNS_ON, DependencyType.INSTANCE_OF):
            ends = [workloads[end] for end in ends]
        assert (*ends, claim.type) in kept


def test_many_claims_and_long_chains_are_no_matter() -> None:
    many = 20_000
    chain = Discovered(tuple(component(f"n{at}", "kubernetes", None, f"n{at + 1}") for at in range(many)))
    assert find_identity([chain]).resolve(f"n{many}") == "n0"
    calls = Discovered(dependencies=tuple(call("web", f"s{at}:80") for at in range(many)))
    assert len(resolved(calls, find_identity([calls])).dependencies) == many


def test_ten_thousand_names_of_one_component_are_joined() -> None:
    names = [f"cart-{number}" for number in range(10_000)]
    known = Discovered((component("cart", "kubernetes", None, *names),))
    found = Discovered(tuple(map(component, names)), tuple(call(name, "db", 0.1) for name in names))
    new = resolved(found, find_identity([known, found]))
    assert new.dependencies == (call("cart", "db", 1000.0),)
    assert new.components == (component("cart", "spans", None, *sorted(names)),)
