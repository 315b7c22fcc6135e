"""Every route of a composed server, with every scope, of the own tenant and of another: what is answered to whom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from query_client import NOON
from query_seeds import ASKED, INCIDENT, MODEL, graph, seed
from served import FIRST, OTHER, SCOPES, Served, serving

from hypocenter.access import Scope
from hypocenter.batches import Batch, Samples
from hypocenter_workers.embedded import crews
from hypocenter_workers.live_stores import GivenStores, known
from hypocenter_workers.live_work import LiveWork
from hypocenter_workers.ticks.states import FileStates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter.api.parts import Parts

# Written by hand: what a route needs is decided here, and a route that is not here fails the test.
EVERYBODY = """
GET /healthz
GET /readyz
GET /api/v1/openapi.json
"""
KNOWN = """
GET /metrics
GET /api/v1/whoami
"""
INGEST = """
POST /api/v1/write
POST /api/v1/push
POST /api/prom/push
POST /v1/metrics
POST /otlp/v1/metrics
POST /api/v1/otlp/v1/metrics
POST /v1/traces
POST /otlp/v1/traces
POST /api/v1/otlp/v1/traces
POST /v1/logs
POST /otlp/v1/logs
POST /api/v1/otlp/v1/logs
POST /api/v1/alertmanager
POST /api/v2/alerts
POST /api/v1/alerts
POST /api/v1/changes
POST /api/v1/cdevents
POST /api/v1/upload/metrics
POST /api/v1/history
"""
READ = """
GET /api/v1/case
GET /status
GET /api/v1/incidents
GET /api/v1/incidents/{incident_id}
GET /api/v1/incidents/{incident_id}/anomalies
GET /api/v1/incidents/{incident_id}/alerts
GET /api/v1/incidents/{incident_id}/suspects
GET /api/v1/incidents/{incident_id}/revisions
GET /api/v1/incidents/{incident_id}/revisions/{number}
GET /api/v1/incidents/{incident_id}/report
GET /api/v1/incidents/{incident_id}/feedback
GET /api/v1/anomalies
GET /api/v1/alerts
GET /api/v1/changes
GET /api/v1/topology
GET /api/v1/components
GET /api/v1/components/{name:path}
GET /api/v1/history
GET /api/v1/history/{history_id}
GET /api/v1/models
GET /api/v1/models/{name}/versions/{version}
GET /api/v1/status
POST /api/v1/investigations
GET /api/v1/investigations
GET /api/v1/investigations/{investigation_id}
DELETE /api/v1/investigations/{investigation_id}
GET /api/v1/investigations/{investigation_id}/report
GET /api/v1/investigations/{investigation_id}/events
GET /api/v1/series
GET /api/v1/series/band
GET /prometheus/api/v1/query
POST /prometheus/api/v1/query
GET /prometheus/api/v1/query_range
POST /prometheus/api/v1/query_range
GET /prometheus/api/v1/series
POST /prometheus/api/v1/series
GET /prometheus/api/v1/labels
POST /prometheus/api/v1/labels
GET /prometheus/api/v1/label/{name}/values
GET /prometheus/api/v1/metadata
GET /prometheus/api/v1/status/buildinfo
GET /api/v1/settings
"""
FEEDBACK = """
POST /api/v1/incidents/{incident_id}/feedback
"""
ADMIN = """
POST /api/v1/models/{name}/versions/{version}/promote
PATCH /api/v1/settings
GET /api/v1/tokens
POST /api/v1/tokens
DELETE /api/v1/tokens/{name}
GET /api/v1/audit
POST /api/v1/backup
GET /api/v1/doctor
"""
GROUPS = {"everybody": EVERYBODY, "known": KNOWN, "ingest": INGEST, "read": READ, "feedback": FEEDBACK, "admin": ADMIN}
TABLE = {line: group for group, lines in GROUPS.items() for line in lines.split("\n") if line}
# Whom each group of routes lets in.
LET_IN = {
    "everybody": {None, *SCOPES},
    "known": {*SCOPES},
    "ingest": {"ingest", "admin"},
    "read": {"read", "feedback", "admin"},
    "feedback": {"feedback", "admin"},
    "admin": {"admin"},
}
PAST = "0" * 64
# What of the first tenant is asked for, and how; the other tenant has nothing.
NAMES = {
    "incident_id": INCIDENT,
    "investigation_id": ASKED,
    "name:path": "cart-db",
    "history_id": PAST,
    "version": "1",
    "number": "1",
}
AT = NOON.isoformat().replace("+00:00", "Z")
ASKED_FOR = {
    "GET /api/v1/case": {"start": AT, "end": AT.replace("T12:00", "T12:30")},
    "GET /api/v1/series": {"match[]": '{component="cart"}'},
    "GET /api/v1/topology": {"at": AT},
}
SECRET = "cart"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of which one tenant has some of each thing, and the other nothing."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_TENANTS", OTHER)
        patched.setenv("HYPOCENTER_RATE_LIMIT", "0")
        with serving(tmp_path_factory.mktemp("table")) as found:
            works = {tenant: _work(parts, None if tenant == FIRST else tenant) for tenant, parts in found.parts.items()}
            with crews(works[FIRST], {OTHER: works[OTHER]}):
                _fill(found)
                yield found


def _work(parts: Parts, tenant: str | None) -> LiveWork:
    """Return what workers of a server do for a tenant."""
    states = FileStates(parts.data_dir / "states")
    return LiveWork(GivenStores(parts.metrics, parts.records, known(parts.graph), states, parts.board), tenant=tenant)


def _fill(served: Served) -> None:
    parts = served.parts[FIRST]
    seed(parts.records)
    parts.graph.upsert(graph().claims())
    labels = (("__name__", "latency"), ("component", "cart"))
    at_ms = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    samples = Samples(parts.metrics.number([labels]), np.array([at_ms], np.int64), np.array([1.0]))
    assert parts.writer.submit(Batch(samples)).result().written == 1


def _path(route: str) -> str:
    path = route.partition(" ")[2]
    for name, value in NAMES.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{name}", MODEL if "models" in path else "nobody")


def _asked(served: Served, route: str, scope: str | None, tenant: str = FIRST) -> tuple[int, str]:
    answer = served.ask(route.partition(" ")[0], _path(route), scope, tenant, params=ASKED_FOR.get(route))
    return answer.status_code, answer.text


def test_the_table_has_every_route(served: Served) -> None:
    found = {
        f"{method} {route.path}": str(getattr(need, "value", need))
        for route, need in served.app.needs.routes
        for method in (route.methods or ())
        if method != "HEAD"
    }
    assert found == TABLE


@pytest.mark.parametrize("scope", [None, *SCOPES])
def test_a_scope_opens_what_the_table_says_and_nothing_else(served: Served, scope: str | None) -> None:
    for route, group in TABLE.items():
        status = _asked(served, route, scope, OTHER)[0]
        if scope in LET_IN[group]:
            # With what the route says of an empty body, or of what is not there.
            assert status not in (401, 403), route
            assert status < 500, route
        else:
            assert status == (401 if scope is None else 403), route


def test_what_one_tenant_has_is_there_for_it(served: Served) -> None:
    own = [route for route in TABLE if route.startswith("GET") and "{" in route and "prometheus" not in route]
    own.remove("GET /api/v1/history/{history_id}")
    statuses = {route: _asked(served, route, "admin")[0] for route in own}
    assert set(statuses.values()) == {200}, statuses
    reading = [route for route, group in TABLE.items() if group == "read" and route.startswith("GET")]
    told = [route for route in reading if SECRET in _asked(served, route, "read")[1]]
    assert len(told) > 15


@pytest.mark.parametrize("scope", ["read", "admin"])
def test_what_is_another_tenant_s_is_not_there(served: Served, scope: str) -> None:
    for route, group in TABLE.items():
        if group not in ("read", "feedback", "admin") or scope not in LET_IN[group] or "PATCH" in route:
            continue
        status, text = _asked(served, route, scope, OTHER)
        if "{" in route and "prometheus" not in route and "tokens" not in route:
            assert status in (404, 422, 400), (route, status, text)
            assert "GET" not in route or status == 404, (route, status, text)
        else:
            # The log tells of what the other itself has asked for, and a backup holds the log.
            own = route in ("GET /api/v1/audit", "POST /api/v1/backup")
            assert own or status != 200 or SECRET not in text, (route, text)


def test_a_past_incident_is_there_for_its_tenant_alone(served: Served) -> None:
    listed = served.ask("GET", "/api/v1/history", "read").json()["items"]
    for each in listed:
        path = f"/api/v1/history/{each['history_id']}"
        assert [served.ask("GET", path, "read", tenant).status_code for tenant in (FIRST, OTHER)] == [200, 404]
    assert len(listed) == 2


def test_scopes_of_the_table_are_those_there_are() -> None:
    assert list(SCOPES) == [scope.value for scope in Scope]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/incidents/", "//healthz"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "TRACE", "OPTIONS", "PROPFIND"])
def test_what_is_nowhere_is_told_to_those_who_are_known(served: Served, method: str, path: str) -> None:
    assert served.ask(method, path).status_code == 401
    assert served.ask(method, path, "read").status_code in (403, 404, 405)


def test_another_method_than_that_of_a_route_opens_nothing(served: Served) -> None:
    for route in TABLE:
        assert served.ask("PUT", _path(route)).status_code == 401, route
        assert served.ask("PUT", _path(route), "read").status_code == 405, route


def test_headers_alone_need_what_the_whole_does(served: Served) -> None:
    for route, group in TABLE.items():
        if route.startswith("GET") and group != "everybody":
            assert served.ask("HEAD", _path(route)).status_code == 401, route
            if group == "admin":
                assert served.ask("HEAD", _path(route), "read").status_code in (403, 405), route
