"""From settings to an open graph: a file or a server, and each setting that cannot be is told by its name."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from hypocenter.errors import InputError
from hypocenter.model import DependencyType
from hypocenter_graph.claims import DependencyClaim, Discovered, Interval
from hypocenter_graph.stores.contract import View
from hypocenter_graph.stores.neo4j import Neo4jStore
from hypocenter_graph.stores.opening import open_graph, view_as_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALL = DependencyClaim("web", "cart", DependencyType.CALLS, "spans", (Interval(NOON, NOON),))


@pytest.fixture
def setting(monkeypatch):
    def state(name, value):
        monkeypatch.setenv(f"HYPOCENTER_{name}", value)

    return state


def test_a_file_is_opened_for_the_tenant_of_the_settings(tmp_path, setting):
    setting("GRAPH", str(tmp_path / "all.graph"))
    for tenant, there in (("one", {}), ("other", {}), ("one", {"web": ["cart"]})):
        setting("TENANT", tenant)
        with closing(open_graph()) as store:
            assert store.steps(["web"], View()) == there
            store.upsert(Discovered((), (CALL,)))


def test_the_expiry_of_the_settings_is_what_a_view_has(setting):
    setting("GRAPH_EXPIRY_DAYS", "0.5")
    assert view_as_of(NOON) == View(NOON, timedelta(hours=12))


def test_no_graph_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("HYPOCENTER_GRAPH", raising=False)
    with pytest.raises(InputError, match="HYPOCENTER_GRAPH"):
        open_graph()
    with pytest.raises(InputError, match=r"absent\.graph: there is no graph"):
        open_graph(str(tmp_path / "absent.graph"), create=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TENANT", "\udcff"),
        ("GRAPH_EXPIRY_DAYS", "-1"),
        ("GRAPH_EXPIRY_DAYS", "0"),
        ("GRAPH_EXPIRY_DAYS", "nan"),
        ("GRAPH_EXPIRY_DAYS", "1e9"),
        ("NEO4J_TIMEOUT", "0"),
        ("NEO4J_TIMEOUT", "inf"),
        ("NEO4J_TIMEOUT", "soon"),
        ("NEO4J_PASSWORD_FILE", "/absent/password"),
    ],
)
def test_a_setting_that_cannot_be_is_told_by_its_name(setting, name, value):
    setting(name, value)
    with pytest.raises(InputError, match=f"HYPOCENTER_{name}"):
        open_graph("bolt://127.0.0.1:7687")


def test_a_server_is_not_asked_before_it_is_needed():
    with closing(open_graph("bolt://127.0.0.1:1")) as store:
        assert isinstance(store, Neo4jStore)


@pytest.mark.parametrize("where", ["http://db:7474", "bolt://neo4j:s3cret@db", "redis://db"])
def test_another_address_is_refused(where):
    with pytest.raises(InputError) as told:
        open_graph(where)
    assert "s3cret" not in str(told.value)
