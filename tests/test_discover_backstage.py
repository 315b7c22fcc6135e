"""Backstage's catalog to components and dependencies."""

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
from hypocenter_graph.discover.backstage import discover_backstage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

SHOP = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: Cart
  links: [{url: "https://run.example.com/cart", title: Runbook}, {url: "javascript:alert(1)"}, {title: none}]
  annotations:
    backstage.io/kubernetes-id: cart-k8s
    backstage.io/kubernetes-label-selector: app=cart-app,environment=production
spec:
  type: service
  owner: group:default/payments
  dependsOn: [resource:orders-db, "Component:default/GONE", system:shop]
  consumesApis: [catalogue-api, lone-api]
  subcomponentOf: front
---
{kind: Resource, metadata: {name: orders-db}, spec: {type: database, owner: dba, dependencyOf: ["component:cart"]}}
---
{kind: Component, metadata: {name: catalogue}, spec: {type: service, owner: other/team, providesApis: [catalogue-api]}}
---
{kind: Component, metadata: {name: front}, spec: {type: website, owner: {kind: User, name: jo}}}
---
{kind: API, metadata: {name: catalogue-api}, spec: {type: openapi, owner: dba}}
---
{kind: API, metadata: {name: lone-api}, spec: {type: openapi, owner: dba}}
---
{kind: System, metadata: {name: shop}, spec: {owner: dba}}
---
{kind: Group, metadata: {name: dba}, spec: {type: team, children: []}}
"""


def discovered(text: str) -> Discovered:
    return discover_backstage(yaml_documents(text, "catalog.yaml"), "catalog.yaml", NOON)


def components(text: str) -> dict[str, ComponentClaim]:
    return {claim.name: claim for claim in discovered(text).components}


def edges(text: str) -> list[tuple[str, str]]:
    return [(claim.caller, claim.callee) for claim in discovered(text).dependencies]


def test_a_catalog_says_what_depends_on_what() -> None:
    assert edges(SHOP) == [("Cart", "orders-db"), ("Cart", "GONE"), ("Cart", "catalogue"), ("front", "Cart")]
    claim = discovered(SHOP).dependencies[0]
    assert (claim.type, claim.source, claim.confidence) == (DependencyType.DEPENDS_ON, "backstage", 0.7)
    assert claim.seen == (Interval(NOON, None),)


def test_a_catalog_says_who_owns_what_and_where_to_read_on() -> None:
    found = components(SHOP)
    assert set(found) == {"Cart", "orders-db", "catalogue", "front", "GONE"}
    assert {name: claim.owner for name, claim in found.items()} == {
        "Cart": "payments",
        "orders-db": "dba",
        "catalogue": "other/team",
        "front": "jo",
        "GONE": "",
    }
    assert found["Cart"].links == ("https://run.example.com/cart",)
    assert found["Cart"].aliases == ("cart-app", "cart-k8s")


def test_what_was_not_understood_is_noted() -> None:
    assert discovered(SHOP).notes == (
        "catalog.yaml: document 1 ('Component' 'Cart'): metadata.links: 2 of 3 are no http or https URL and were "
        "left out",
        "catalog.yaml: 1 are referred to and not in the catalog: components of their own: 'GONE'",
        "catalog.yaml: 1 are APIs that nobody provides: who consumes them depends on nothing known: 'lone-api'",
    )


@pytest.mark.parametrize(
    ("stated", "type_"),
    [
        ("database", ComponentType.DATABASE),
        ("Redis", ComponentType.CACHE),
        ("kafka-topic", ComponentType.QUEUE),
        ("message-queue", ComponentType.QUEUE),
        ("s3-bucket", ComponentType.EXTERNAL),
        ("website", ComponentType.SERVICE),
        ("library", None),
    ],
)
def test_the_type_of_a_resource_is_read(stated: str, type_: ComponentType | None) -> None:
    text = f"{{kind: Resource, metadata: {{name: a}}, spec: {{type: {stated}}}}}"
    assert components(text)["a"].type is type_


TWO = """\
{kind: Component, metadata: {name: cart}, spec: {dependsOn: [%s]}}
---
{kind: Component, metadata: {name: db, namespace: test}}
---
{kind: Resource, metadata: {name: db}}
---
{kind: Component, metadata: {name: cart, namespace: test}, spec: {dependsOn: [%s]}}
"""


@pytest.mark.parametrize(
    ("from_default", "from_test", "meant"),
    [
        ("'resource:db'", "", ("default/cart", "default/db")),
        ("'db'", "", ("default/cart", "default/db")),
        ("'DB'", "", ("default/cart", "default/db")),
        ("'Component:test/db'", "", ("default/cart", "test/db")),
        ("{kind: Component, namespace: test, name: db}", "", ("default/cart", "test/db")),
        ("", "'db'", ("test/cart", "test/db")),
        ("", "'resource:db'", ("test/cart", "resource:test/db")),
        ("", "'default/db'", ("test/cart", "default/db")),
    ],
)
def test_references_are_followed_from_where_they_stand(
    from_default: str, from_test: str, meant: tuple[str, str]
) -> None:
    assert edges(TWO % (from_default, from_test)) == [meant]
    assert {"default/db", "test/db", "default/cart", "test/cart"} <= set(components(TWO % (from_default, from_test)))


def test_equal_names_of_two_kinds_are_two_components() -> None:
    text = "{kind: Component, metadata: {name: db}, spec: {dependsOn: ['resource:db']}}\n---\n"
    text += "{kind: Resource, metadata: {name: db}}"
    assert edges(text) == [("component:default/db", "resource:default/db")]


def test_who_consumes_an_api_depends_on_all_that_provide_it_and_not_on_itself() -> None:
    text = "\n---\n".join(
        f"{{kind: Component, metadata: {{name: {name}}}, spec: {{providesApis: [api], consumesApis: ['default/api']}}}}"
        for name in ("a", "b")
    )
    assert edges(text) == [("a", "b"), ("b", "a")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "document 1: must be a JSON object"),
        ("a: 1", "document 1: field 'kind' must be text, as Component"),
        ("kind: Component", "document 1: metadata.name: a component's name"),
        ("kind: Component\nmetadata: 7", "document 1: metadata: must be"),
        ("{kind: API, metadata: {name: a}}\n---\n{kind: api, metadata: {name: A}}", "'A') is there twice, first in"),
        ("{kind: Component, metadata: {name: a}, spec: {dependsOn: 7}}", "spec.dependsOn: must be a JSON list"),
        ("{kind: Component, metadata: {name: a}, spec: {dependsOn: ['b:']}}", "'b:' is no reference; write [kind:]"),
        ("{kind: Component, metadata: {name: a}, spec: {dependsOn: [7]}}", "'7' is no reference"),
        ("{kind: Component, metadata: {name: a}, spec: {owner: [b]}}", "spec.owner: \"['b']\" is no reference"),
        ("{kind: Component, metadata: {name: a, links: [b]}}", "metadata.links: must be"),
        ("{kind: Component, metadata: {name: a, annotations: [b]}}", "metadata.annotations: must be"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        discovered(text)
    assert str(caught.value).startswith("catalog.yaml: document")
    assert words in str(caught.value)


REFERENCES = st.sampled_from(
    ["a", "b", "component:a", "resource:x/b", "api:a", "A", "x/a", "system:a", "'; MATCH", "🛒"]
)
SPECS = st.dictionaries(
    st.sampled_from(["dependsOn", "dependencyOf", "providesApis", "consumesApis", "subcomponentOf", "owner", "type"]),
    REFERENCES | st.lists(REFERENCES | st.none(), max_size=3) | st.integers(),
    max_size=4,
)
ENTITIES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["Component", "Resource", "API", "System"]),
        "metadata": st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "b", "A", "x"])}, optional={"namespace": st.sampled_from(["x", "default"])}
        ),
        "spec": SPECS,
    }
)


@given(st.lists(ENTITIES, max_size=5))
@hypothesis_settings(max_examples=200)
def test_nothing_else_than_claims_or_our_errors_comes_of_any_entities(documents: list[Any]) -> None:
    try:
        found = discover_backstage(documents, "catalog.json", NOON)
    except HypocenterError as error:
        assert "\n" not in str(error)  # noqa: PT017 - any error is fine as long as it is one line
        return
    names = [claim.name for claim in found.components]
    assert len(set(names)) == len(names)
    assert {end for claim in found.dependencies for end in (claim.caller, claim.callee)} <= set(names)
    assert all(claim.caller != claim.callee for claim in found.dependencies)
