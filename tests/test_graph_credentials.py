"""No user and no password that a name carries is kept or shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypocenter.model import ComponentType, DependencyType
from hypocenter_graph.claims import ComponentClaim, DependencyClaim, Discovered, Interval
from hypocenter_graph.credentials import without_credentials, without_secrets
from hypocenter_graph.discover.declared import discover_declared
from hypocenter_graph.discover.spans import discover_spans
from hypocenter_graph.importing import plan_import, write_import
from hypocenter_graph.stores.memory import MemoryStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://user:s3cret@sqs.eu-west-1.amazonaws.com/1/orders", "https://sqs.eu-west-1.amazonaws.com/1/orders"),
        ("user:s3cret@db:5432", "db:5432"),
        ("rabbitmq:amqp://user:s3cret@mq/q", "rabbitmq:amqp://mq/q"),
        ("redis://:s3cret@cache", "redis://cache"),
        ("redis://s3cret@cache", "redis://cache"),
        ("a://u:s3cret@x,b://u:s3cret@y", "a://x,b://y"),
        ("user:s3@cret@db", "db"),
        ("user:s3cret@tcp(db:3306)/x", "tcp(db:3306)/x"),
        ("https://example.com/@user", "https://example.com/@user"),
        ("cart@7f3a", "cart@7f3a"),
        ("@x", "@x"),
        ("a:b@", "a:b@"),
    ],
)
def test_names_are_shown_without_user_and_password(name: str, shown: str) -> None:
    assert without_credentials(name) == shown


def imported(found: Discovered) -> str:
    store = MemoryStore()
    plan = plan_import(store.claims(), [found], timedelta(days=7))
    write_import(store, plan)
    return str((plan, store.claims()))


@pytest.mark.parametrize(
    "name", ["https://user:s3cret@sqs.example.com/1/orders", "user:s3cret@db:5432", "rabbitmq:amqp://user:s3cret@mq/q"]
)
def test_what_is_declared_is_kept_without_credentials(name: str) -> None:
    told = {
        "components": [{"name": name, "aliases": [name, "x"], "links": ["https://user:s3cret@run.example.com"]}],
        "dependencies": [["web", name], [name, "x", "DEPENDS_ON"]],
    }
    assert "s3cret" not in imported(discover_declared(told, "graph.yaml", NOON))


@pytest.mark.parametrize(
    "texts",
    [
        {"kind": "client", "db_system": "postgresql", "address": "user:s3cret@db:5432"},
        {"kind": "client", "db_system": "postgresql", "peer": "postgres://user:s3cret@db:5432/orders"},
        {"kind": "producer", "messaging_system": "rabbitmq", "destination": "amqp://user:s3cret@mq/q"},
        {"kind": "producer", "messaging_system": "rabbitmq", "address": "user:s3cret@mq"},
    ],
)
def test_what_spans_name_is_found_without_credentials(texts: dict[str, str]) -> None:
    row = {"time": pd.Timestamp(NOON), "trace": "t", "span": "a", "parent": "", "service": "web", "operation": "x"}
    found = discover_spans(pd.DataFrame([row | {"duration_us": 1.0} | texts]), "spans")
    assert len(found.dependencies) >= 1
    assert "s3cret" not in str(found)
    assert "s3cret" not in imported(found)


def test_queues_and_instances_that_look_alike_keep_their_names() -> None:
    names = (("kafka:orders@eu", ComponentType.QUEUE), ("shop:cart@7f3a", ComponentType.INSTANCE))
    found = Discovered(
        tuple(ComponentClaim(name, "spans", (Interval(NOON, NOON),), type_) for name, type_ in names),
        tuple(DependencyClaim("web", name, DependencyType.CALLS, "spans") for name, _ in names),
    )
    assert without_secrets(found) == found


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_a_name_is_never_lost(name: str) -> None:
    assert bool(without_credentials(name).strip()) == bool(name.strip())
