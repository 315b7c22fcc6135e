"""Kubernetes' objects to components and dependencies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hypocenter.errors import HypocenterError, InputError
from hypocenter.model import ComponentType, DependencyType
from hypocenter.readers.yaml_documents import yaml_documents
from hypocenter_graph.claims import ComponentClaim, Discovered, Interval
from hypocenter_graph.discover.kubernetes import ENVIRONMENT_CONFIDENCE, discover_kubernetes
from hypocenter_graph.identity import find_identity

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALLS, RUNS_ON = DependencyType.CALLS, DependencyType.RUNS_ON
INSTANCE_OF, DEPENDS_ON = DependencyType.INSTANCE_OF, DependencyType.DEPENDS_ON

SHOP = """\
kind: Deployment
metadata: {name: cart, namespace: shop, annotations: {example.com/team: payments}}
spec:
  template:
    metadata: {labels: {app: cart, app.kubernetes.io/name: carts}}
    spec:
      containers:
      - image: registry:5000/shop/cart:1
        env:
        - {name: OTEL_SERVICE_NAME, value: CartService}
        - {name: CATALOGUE, value: "catalogue:8080"}
        - {name: DATABASE_URL, value: "postgres://user:secret@db.shop.svc:5432/orders"}
        - {name: LEGACY_HOST, value: legacy}
        - {name: MODE, value: db}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: x, key: y}}}
        - {name: SELF_URL, value: "http://basket/"}
---
{kind: Service, metadata: {name: basket, namespace: shop},
 spec: {selector: {app: cart}, clusterIP: 10.96.0.7, externalIPs: [203.0.113.9], ports: [{port: 80}]}}
---
{kind: Service, metadata: {name: legacy, namespace: shop}, spec: {type: ExternalName, externalName: old.example.com}}
---
{kind: StatefulSet, metadata: {name: db, namespace: shop},
 spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{image: "bitnami/postgresql:16@sha256:00"}]}}}}
---
{kind: Service, metadata: {name: db, namespace: shop}, spec: {selector: {app: db}, clusterIP: None}}
---
{kind: Deployment, metadata: {name: catalogue-v1, namespace: shop},
 spec: {template: {metadata: {labels: {app: catalogue, v: "1"}}, spec: {containers: []}}}}
---
{kind: Deployment, metadata: {name: catalogue-v2, namespace: shop},
 spec: {template: {metadata: {labels: {app: catalogue, v: "2"}}, spec: {containers: []}}}}
---
{kind: Service, metadata: {name: catalogue, namespace: shop}, spec: {selector: {app: catalogue}}}
---
{kind: Ingress, metadata: {name: shop, namespace: shop}, spec: {
  defaultBackend: {service: {name: gone}},
  rules: [{host: shop.example.com, http: {paths: [{path: /, backend: {service: {name: basket, port: {number: 80}}}}]}},
          {host: "*.example.com"}]}}
---
{kind: Secret, metadata: {name: s}, stringData: {password: secret}}
"""
LIVE = """\
kind: List
items:
- {kind: Pod, metadata: {name: cart-7d4b9c6f5d-x2x7k, namespace: shop,
   labels: {app: cart, pod-template-hash: 7d4b9c6f5d},
   ownerReferences: [{kind: ReplicaSet, name: cart-7d4b9c6f5d, controller: true}]},
   spec: {nodeName: node-1}, status: {podIP: 10.1.2.3, phase: Running}}
- {kind: Pod, metadata: {name: report-28001-abcde, namespace: shop,
   ownerReferences: [{kind: Job, name: report-28001, controller: true}]}, status: {phase: Succeeded}}
- {kind: Job, metadata: {name: report-28001, namespace: shop,
   ownerReferences: [{kind: CronJob, name: report, controller: true}]}}
- {kind: Pod, metadata: {name: kube-proxy-node-1, namespace: kube-system,
   ownerReferences: [{kind: Node, name: node-1, controller: true}]},
   spec: {nodeName: node-1, hostNetwork: true}, status: {podIP: 192.168.0.1, phase: Running}}
- {kind: Node, metadata: {name: node-1},
   status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: Hostname, address: node-1}]}}
"""


def discovered(text: str) -> Discovered:
    return discover_kubernetes(yaml_documents(text, "k.yaml"), "k.yaml", NOON)


def components(text: str) -> dict[str, ComponentClaim]:
    return {claim.name: claim for claim in discovered(text).components}


def edges(text: str) -> set[tuple[str, DependencyType, str]]:
    return {(claim.caller, claim.type, claim.callee) for claim in discovered(text).dependencies}


def test_workloads_services_and_what_they_lean_on_are_found_in_manifests() -> None:
    found = discovered(SHOP)
    assert edges(SHOP) == {
        ("shop/cart", DEPENDS_ON, "shop/catalogue"),
        ("shop/cart", DEPENDS_ON, "shop/db"),
        ("shop/cart", DEPENDS_ON, "old.example.com"),
        ("shop/catalogue-v1", INSTANCE_OF, "shop/catalogue"),
        ("shop/catalogue-v2", INSTANCE_OF, "shop/catalogue"),
        ("shop/ingress/shop", CALLS, "shop/cart"),
        ("shop/ingress/shop", CALLS, "shop/gone"),
    }
    assert {claim.confidence for claim in found.dependencies if claim.type is DEPENDS_ON} == {ENVIRONMENT_CONFIDENCE}
    assert all(claim.seen == (Interval(NOON, None),) for claim in (*found.components, *found.dependencies))
    assert "secret" not in str(found).lower().replace("'secret' (1)", "")
    assert found.notes == ("k.yaml: kinds that say nothing of the graph were left out: 'Secret' (1)",)


def test_types_and_owners_are_found() -> None:
    found = components(SHOP)
    assert found["shop/cart"].owner == "payments"
    assert (found["shop/cart"].type, found["shop/db"].type) == (None, ComponentType.DATABASE)
    assert found["old.example.com"].type is ComponentType.EXTERNAL


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("basket", "shop/cart"),
        ("basket:80", "shop/cart"),
        ("basket.shop", "shop/cart"),
        ("basket.shop.svc", "shop/cart"),
        ("http://basket.shop.svc.cluster.local:80/items", "shop/cart"),
        ("10.96.0.7:80", "shop/cart"),
        ("203.0.113.9", "shop/cart"),
        ("CartService", "shop/cart"),
        ("shop/CartService", "shop/cart"),
        ("carts", "shop/cart"),
        ("cart", "shop/cart"),
        ("legacy", "old.example.com"),
        ("shop.example.com", "shop/ingress/shop"),
        ("catalogue.shop", "shop/catalogue"),
    ],
)
def test_a_cluster_proves_other_names(alias: str, name: str) -> None:
    assert find_identity([discovered(SHOP)]).resolve(alias) == name


def test_live_pods_are_instances_of_workloads_on_nodes_and_what_ended_is_not() -> None:
    assert edges(LIVE) == {
        ("shop/cart-7d4b9c6f5d-x2x7k", INSTANCE_OF, "shop/cart"),
        ("shop/cart-7d4b9c6f5d-x2x7k", RUNS_ON, "node-1"),
        ("kube-system/kube-proxy-node-1", RUNS_ON, "node-1"),
    }
    found = components(LIVE)
    assert set(found) == {
        "shop/cart",
        "shop/report",
        "node-1",
        "shop/cart-7d4b9c6f5d-x2x7k",
        "kube-system/kube-proxy-node-1",
    }
    assert found["node-1"].type is ComponentType.HOST
    assert found["shop/cart-7d4b9c6f5d-x2x7k"].type is ComponentType.POD
    identity = find_identity([discovered(LIVE)])
    assert identity.resolve("10.1.2.3:8080") == "shop/cart-7d4b9c6f5d-x2x7k"
    assert identity.resolve("192.168.0.1") == "node-1"


def test_manifests_and_live_objects_together_are_one_cluster() -> None:
    assert ("shop/cart-7d4b9c6f5d-x2x7k", INSTANCE_OF, "shop/cart") in edges(SHOP + "---\n" + LIVE)
    assert edges(SHOP) < edges(SHOP + "---\n" + LIVE)


@pytest.mark.parametrize(
    ("name", "labels", "owner", "workload"),
    [
        ("cart-7d4b9c6f5d-x2x7k", "{}", "{kind: ReplicaSet, name: cart-7d4b9c6f5d, controller: true}", "cart"),
        ("cart-blue-x", "{}", "{kind: ReplicaSet, name: cart-blue, controller: true}", "cart-blue"),
        ("db-0", "{}", "{kind: StatefulSet, name: db, controller: true}", "db"),
        ("run-1", "{}", "{kind: Workflow, name: run, controller: true}", "run"),
    ],
)
def test_a_pod_tells_of_the_workload_that_made_it(name: str, labels: str, owner: str, workload: str) -> None:
    pod = f"{{kind: Pod, metadata: {{name: {name}, labels: {labels}, ownerReferences: [{owner}]}}}}"
    assert edges(pod) == {(name, INSTANCE_OF, workload)}


def deployment(name: str, namespace: str, kind: str = "Deployment", image: str = "x", labels: str = "{}") -> str:
    spec = f"{{template: {{metadata: {{labels: {labels}}}, spec: {{containers: [{{image: '{image}'}}]}}}}}}"
    return f"---\n{{kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}, spec: {spec}}}\n"


def test_equal_names_in_two_namespaces_are_two_components() -> None:
    text = deployment("cart", "shop") + deployment("cart", "test") + deployment("web", "shop")
    assert set(components(text)) == {"shop/cart", "test/cart", "shop/web"}
    text += "---\n{kind: Service, metadata: {name: web, namespace: test}, spec: {selector: {a: b}}}\n"
    assert set(components(text)) == {"shop/cart", "test/cart", "shop/web", "test/web"}
    assert "1 Services select no workload here" in discovered(text).notes[0]
    assert find_identity([discovered(text)]).resolve("cart") == "cart"
    assert find_identity([discovered(text)]).resolve("cart.test.svc") == "test/cart"


def test_equal_names_in_one_namespace_are_told_apart_by_kind() -> None:
    pod = "---\n{kind: Pod, metadata: {name: cart, namespace: shop}}\n"
    text = deployment("cart", "shop") + deployment("cart", "shop", "StatefulSet") + pod
    assert set(components(text)) == {"shop/cart", "shop/statefulset/cart", "shop/pod/cart"}


def test_a_label_on_many_workloads_names_none() -> None:
    labels = "{app.kubernetes.io/instance: release}"
    both = deployment("cart", "shop", labels=labels) + deployment("web", "shop", labels=labels)
    assert "release" not in {alias for claim in components(both).values() for alias in claim.aliases}
    assert discovered(both).notes == ()
    assert "release" in components(deployment("cart", "shop", labels=labels))["shop/cart"].aliases


def test_a_name_that_two_workloads_claim_is_noted() -> None:
    one = "{kind: %s, metadata: {name: %s}, spec: {template: {metadata: {annotations: {%s: pay}}}}}\n---\n"
    key = "resource.opentelemetry.io/service.name"
    found = discovered(one % ("Deployment", "a", key) + one % ("Deployment", "b", key))
    assert found.notes == ("k.yaml: names that mean several components are followed to none: 'pay' (1 in all)",)


def test_a_service_in_front_of_one_and_its_canary_is_the_one_of_its_name() -> None:
    labels = "{app: cart}"
    text = deployment("cart", "shop", labels=labels) + deployment("cart-canary", "shop", labels=labels)
    text += "---\n{kind: Service, metadata: {name: cart, namespace: shop}, spec: {selector: {app: cart}}}\n"
    assert set(components(text)) == {"shop/cart", "shop/cart-canary"}
    assert "cart.shop.svc" in components(text)["shop/cart"].aliases


def test_an_address_that_services_share_is_theirs_with_its_port() -> None:
    one = "{kind: Service, metadata: {name: %s}, spec: {externalIPs: [10.0.0.1], ports: [{port: %d}]}}\n---\n"
    identity = find_identity([discovered(one % ("a", 80) + one % ("b", 81))])
    assert [identity.resolve(f"10.0.0.1:{port}") for port in (80, 81, 82)] == ["a", "b", "10.0.0.1:82"]


def test_gateway_routes_call_their_backends() -> None:
    text = """\
{kind: HTTPRoute, metadata: {name: shop, namespace: web}, spec: {hostnames: [shop.example.com], rules: [
  {backendRefs: [{name: cart, namespace: shop, port: 80}, {name: bucket, kind: Bucket}]}]}}
"""
    assert edges(text + deployment("other", "x")) == {("web/httproute/shop", CALLS, "shop/cart")}


@pytest.mark.parametrize(
    ("image", "type_"),
    [
        ("redis", ComponentType.CACHE),
        ("docker.io/bitnami/redis-cluster:7.2", ComponentType.CACHE),
        ("confluentinc/cp-kafka:7.6", ComponentType.QUEUE),
        ("registry.example.com:5000/mysql", ComponentType.DATABASE),
        ("oliver006/redis_exporter", None),
        ("kafka-ui", None),
        ("shop/cart", None),
    ],
)
def test_well_known_images_tell_the_type(image: str, type_: ComponentType | None) -> None:
    assert components(deployment("thing", "shop", image=image))["shop/thing"].type is type_


def test_a_component_label_tells_the_type() -> None:
    labels = "{app.kubernetes.io/component: database}"
    assert components(deployment("thing", "shop", labels=labels))["shop/thing"].type is ComponentType.DATABASE


def test_items_of_a_list_need_no_kind_of_their_own() -> None:
    assert set(components("{kind: PodList, items: [{metadata: {name: a}}]}")) == {"a"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "document 1: must be a JSON object"),
        ("a: 1", "document 1: field 'kind' must be text, as Deployment"),
        ("kind: Pod", "document 1: metadata.name: a component's name"),
        ("kind: Pod\nmetadata: []", "document 1: metadata: must be a JSON object"),
        ("{kind: List, items: {}}", "document 1: items: must be a JSON list"),
        ("{kind: List, items: [{kind: Pod, metadata: {name: 7}}]}", "document 1: items[0]: metadata.name"),
        ("{kind: Pod, metadata: {name: a}, spec: []}", "document 1 (Pod 'a'): spec: must be a JSON object"),
        ("{kind: Deployment, metadata: {name: a}, spec: {template: 7}}", "(Deployment 'a'): spec.template: must be"),
        ("{kind: Deployment, metadata: {name: a}, spec: {template: {spec: {containers: 7}}}}", "containers: must be"),
        ("{kind: Pod, metadata: {name: a, labels: []}}", "(Pod 'a'): metadata.labels: must be"),
        ("{kind: Pod, metadata: {name: a, ownerReferences: [{controller: true}]}}", "ownerReferences[0]: field 'kind'"),
        ("{kind: Service, metadata: {name: a}, spec: {selector: []}}", "(Service 'a'): spec.selector: must be"),
        ("{kind: Ingress, metadata: {name: a}, spec: {rules: 7}}", "(Ingress 'a'): rules: must be a JSON list"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        discovered(text)
    assert str(caught.value).startswith("k.yaml: ")
    assert words in str(caught.value)


def test_hostile_names_are_data() -> None:
    name = "x'}) DETACH DELETE n //\n🛒"
    document = {"kind": "Deployment", "metadata": {"name": name, "namespace": "a/b"}}
    assert discover_kubernetes([document], "k.json", NOON).components[0].name == f"a/b/{name}"


WORDS = st.sampled_from(["a", "b", "Pod", "Service", "Deployment", "Ingress", "List", "10.0.0.1", "a:80"])
KEYS = st.sampled_from(
    ["kind", "metadata", "name", "namespace", "spec", "status", "items", "template", "containers", "env", "value",
     "selector", "rules", "http", "paths", "backend", "service", "labels", "ownerReferences", "controller", "podIP"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    metadata = draw(st.fixed_dictionaries({"name": WORDS, "namespace": WORDS}, optional={"labels": VALUES}))
    kind = draw(st.sampled_from(["Pod", "Service", "Deployment", "CronJob", "Ingress", "HTTPRoute", "Node"]))
    return {"kind": kind, "metadata": metadata, "spec": draw(VALUES), "status": draw(VALUES)}


@given(st.lists(objects() | VALUES, max_size=4))
@hypothesis_settings(max_examples=200)
def test_nothing_else_than_claims_or_our_errors_comes_of_any_objects(documents: list[Any]) -> None:
    try:
        found = discover_kubernetes(documents, "k.json", NOON)
    except HypocenterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any error is fine as long as it is one line
        return
    names = [claim.name for claim in found.components]
    assert len(set(names)) == len(names)
    assert {end for claim in found.dependencies for end in (claim.caller, claim.callee)} <= set(names)
