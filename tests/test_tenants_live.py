"""Two tenants on one platform of processes and servers: both fall ill at once, and each is told of its own alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tenant_platform import Tenant, TenantPlatform
from waiting import awaited

from hypocenter_workers.ticks.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from native_postgres import Postgres
    from victoria_metrics import VictoriaMetrics

pytestmark = [pytest.mark.redis, pytest.mark.postgres]
LISTS = (
    *("incidents", "anomalies", "alerts", "changes", "topology", "components", "history", "models", "investigations"),
    *("audit", "tokens", "series?match[]={__name__!=''}", "status"),
)
PROMETHEUS = ("labels", "label/service/values", "label/component/values", "series?match[]={__name__!=''}", "metadata")
TOLD = ("incidents", "anomalies", "alerts", "changes", "components", "investigations", "series?match[]={__name__!=''}")


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: str,
    postgres_server: Postgres,
    victoria_metrics: VictoriaMetrics,
    new_tenant: Callable[[], str],
) -> Iterator[TenantPlatform]:
    prepare()
    servers = {
        "REDIS_URL": redis_server,
        "RECORDS": postgres_server.url(),
        "RECORDS_PASSWORD_FILE": str(postgres_server.password_file),
        "METRICS": victoria_metrics.url,
    }
    with TenantPlatform(tmp_path_factory.mktemp("tenants"), (new_tenant(), new_tenant()), servers) as running:
        for tenant in running.tenants:
            changed = {"component": tenant.stream.pairs[0][0], "kind": "deploy", "title": "1.2.3"}
            assert running.ask(tenant, "/api/v1/changes", json=[changed]).status_code == 200
            alert = {"labels": {"alertname": "Slow", "service": changed["component"]}}
            assert running.ask(tenant, "/api/v2/alerts", json=[alert]).status_code == 200
            asked = {"at": tenant.stream.first.isoformat(), "components": sorted(system(tenant)), "robustness": False}
            assert running.ask(tenant, "/api/v1/investigations", json=asked).status_code == 202
        awaited(lambda: all(judged(running, each) and each.hook.requests for each in running.tenants), running.said)
        yield running


def judged(platform: TenantPlatform, tenant: Tenant) -> list[dict[str, Any]]:
    """Return the incidents of a tenant on which there is a verdict."""
    return [each for each in platform.ask(tenant, "/api/v1/incidents").json()["items"] if each["verdict"]]


def system(tenant: Tenant) -> set[str]:
    return {component for pair in tenant.stream.pairs for component in pair}


def test_each_tenant_has_incidents_of_its_own_system(platform: TenantPlatform) -> None:
    for tenant in platform.tenants:
        for incident in judged(platform, tenant):
            assert set(incident["components"]) <= system(tenant)
            assert incident["verdict"]["suspect"] in system(tenant)


@pytest.mark.parametrize(
    "path", [*(f"/api/v1/{each}" for each in LISTS), *(f"/prometheus/api/v1/{each}" for each in PROMETHEUS)]
)
def test_no_list_tells_anything_of_the_other(platform: TenantPlatform, path: str) -> None:
    for tenant, other in (platform.tenants, platform.tenants[::-1]):
        answer = platform.ask(tenant, path)
        assert answer.status_code == 200
        assert f'"{other.stream.name}-' not in answer.text
        assert other.name not in answer.text
        if path.removeprefix("/api/v1/") in TOLD:
            assert f'"{tenant.stream.name}-' in answer.text


def test_what_one_finds_by_its_name_is_not_there_for_the_other(platform: TenantPlatform) -> None:
    for tenant, other in (platform.tenants, platform.tenants[::-1]):
        found = [f"incidents/{each['incident_id']}" for each in judged(platform, other)]
        found += [f"incidents/{each['incident_id']}/suspects" for each in judged(platform, other)]
        asked = platform.ask(other, "/api/v1/investigations").json()["items"]
        found += [f"investigations/{each['investigation_id']}" for each in asked]
        found += [f"components/{component}" for component in system(other)]
        assert {platform.ask(other, f"/api/v1/{path}").status_code for path in found} == {200}
        assert {platform.ask(tenant, f"/api/v1/{path}").status_code for path in found} == {404}


def test_each_webhook_tells_of_its_own_tenant(platform: TenantPlatform) -> None:
    for tenant in platform.tenants:
        told = [json.loads(body)["data"]["incident"] for _, body in tenant.hook.requests]
        assert {component for each in told for component in each["components"]} <= system(tenant)
