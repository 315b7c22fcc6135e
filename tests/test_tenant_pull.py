"""What the server reads by itself: for each tenant from a server of its own, or what of a shared one is its own."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pull_place import MINUTE, NOW, NOW_MS, Script, opened, seconds, stopping
from scripted_prometheus import running

from hypocenter.api.pulling import new_pull
from hypocenter.batches import Batch, Samples
from hypocenter.errors import InputError
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.stores.owner import owner_of
from hypocenter.stores.prometheus_metrics import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pull_place import Place
    from scripted_prometheus import Server

    from hypocenter.api.pull import Pull

ACME, GLOBEX = "acme", "globex"


@pytest.fixture(autouse=True)
def _tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METRICS", "PULL_URL", "PULL_MATCH", "PULL_TOKEN_FILE", "TENANTS_FILE"):
        monkeypatch.delenv(f"HYPOCENTER_{name}", raising=False)
    monkeypatch.setenv("HYPOCENTER_TENANTS", f"{ACME},{GLOBEX}")


@contextmanager
def scripted() -> Iterator[Server]:
    with running() as server:
        server.script = Script()
        yield server


def turned(pull: Pull | None) -> None:
    assert pull is not None
    with stopping(pull):
        pull.turn()


def test_each_tenant_reads_the_server_of_its_own(pull_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ours", "theirs"):
        (pull_place.folder / name).write_text(name)
    with scripted() as ours, scripted() as theirs:
        monkeypatch.setenv("HYPOCENTER_PULL_URL", ours.url)
        monkeypatch.setenv("HYPOCENTER_PULL_TOKEN_FILE", str(pull_place.folder / "ours"))
        file = pull_place.folder / "tenants.toml"
        token = pull_place.folder / "theirs"
        file.write_text(f'[acme]\npull_url = "{theirs.url}"\npull_match = "up{{}}"\npull_token_file = "{token}"\n')
        monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", str(file))
        assert new_pull(pull_place.intake, pull_place.folder, tenant=GLOBEX) is None, "nothing is inherited"
        turned(new_pull(pull_place.intake, pull_place.folder, tenant=ACME))
        assert max(seconds(pull_place)) == 0
        assert (ours.asked, theirs.authorizations) == ([], {"Bearer theirs"})
        turned(new_pull(pull_place.intake, pull_place.folder))
        assert ours.authorizations == {"Bearer ours"}


def test_a_pull_that_cannot_be_is_told_with_its_tenant(pull_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    file = pull_place.folder / "tenants.toml"
    file.write_text('[acme]\npull_url = "http://h"\npull_interval = 0.1\n')
    monkeypatch.setenv("HYPOCENTER_TENANTS_FILE", str(file))
    with pytest.raises(InputError, match="tenant acme: HYPOCENTER_PULL_INTERVAL"):
        new_pull(pull_place.intake, pull_place.folder, tenant=ACME)


@pytest.fixture(params=[pytest.param("prometheus", marks=pytest.mark.prometheus), "victoria"])
def shared(request: pytest.FixtureRequest) -> str:
    """URL of a server on which a rule fires for a component of each tenant."""
    name = "prometheus_server" if request.param == "prometheus" else "victoria_metrics"
    server = request.getfixturevalue(name)
    url = getattr(server, "url", server)
    for tenant in (None, ACME, GLOBEX):
        with closing(PrometheusMetrics(url, PrometheusOptions(), now=lambda: NOW, owner=owner_of(tenant))) as store:
            fire(store, f"of-{tenant}")
    if request.param == "victoria":
        server.flush()
    return url


def fire(store: PrometheusMetrics, component: str) -> None:
    rule = (("alertname", "Slow"), ("service", component))
    series = store.number(
        [(("__name__", "ALERTS"), ("alertstate", "firing"), *rule), (("__name__", "ALERTS_FOR_STATE"), *rule)]
    )
    at_ms = np.array([NOW_MS - 60_000] * 2)
    samples = Samples(series, at_ms, np.array([1.0, NOW.timestamp() - 120]))
    assert [taken.refused for taken in store.append([Batch(samples)])] == [0]


def test_of_the_alerts_of_a_shared_server_each_tenant_keeps_its_own(shared: str, tmp_path: Path) -> None:
    for tenant in (None, ACME, GLOBEX):
        with opened(tmp_path / f"{tenant}") as place:
            turned(new_pull(place.intake, place.folder, shared, tenant=tenant))
            kept = place.records.alerts.alerts(NOW - timedelta(days=1), NOW + timedelta(days=1), firing=True)
            assert [(each.alert.component, each.starts_at) for each in kept] == [(f"of-{tenant}", NOW - MINUTE)]
            assert "hypocenter_tenant" not in kept[0].origin.labels
