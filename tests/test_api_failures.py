"""What is answered, logged and counted where a route fails, through all that stands before the routes."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from hypocenter.api.app import Routes, create_server_app, create_tenant_app
from hypocenter.api.auth import Door
from hypocenter.api.bodies import BodyMemory, read_body
from hypocenter.api.entrance import entrance_of_settings
from hypocenter.api.intake import BodyLimits
from hypocenter.api.rate_limits import Buckets, Rate
from hypocenter.api.request_log import JsonLines
from hypocenter.api.self_metrics import RequestMetrics
from hypocenter.api.tenants import TenantApp, Tenants
from hypocenter.batches import SeriesLimitError
from hypocenter.errors import HypocenterError, InputError, LimitError, SourceError
from hypocenter.stores.metrics import BusyError, FullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

SECRET = "the-password-of-a-database"
ERRORS: dict[str, tuple[Exception, int]] = {
    "input": (InputError("field x is missing"), 400),
    "limit": (LimitError("too long"), 413),
    "series": (SeriesLimitError("too many series"), 429),
    "source": (SourceError("the store does not answer"), 503),
    "busy": (BusyError(), 503),
    "full": (FullError("the disk is full"), 503),
    "ours": (HypocenterError("something of ours"), 500),
    "surprise": (RuntimeError(SECRET), 500),
}


async def _fail(request: Request) -> Response:
    raise ERRORS[request.path_params["name"]][0]


async def _length(request: Request) -> Response:
    return PlainTextResponse(str(len(await read_body(request, BodyLimits()))))


async def _begin(_: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError(SECRET)

    return StreamingResponse(pieces())


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def ask(tmp_path: Path, registry: CollectorRegistry) -> Callable[..., httpx.Response]:
    """`ask(method, path, ...)` is the answer of an application whose routes fail as their names say."""
    routes = [
        Route("/fail/{name}", _fail),
        Route("/length", _length, methods=["POST"]),
        Route("/begin", _begin),
    ]
    routed, unlimited = Routes(sending=routes), Buckets(Rate(0, 1))
    app = create_tenant_app(routed, BodyMemory(1000))
    tenants = Tenants({"shop": TenantApp(app, RequestMetrics(registry).observe)}, "shop")
    entrance = entrance_of_settings(tmp_path, lambda _: True)
    door = Door(entrance, routed.needs(), ("shop",), unlimited)
    served = create_server_app(tenants, door, unlimited)

    def call(method: str, path: str, **given: object) -> httpx.Response:
        return asyncio.run(_asked(served, method, path, **given))

    return call


async def _asked(app: ASGIApp, method: str, path: str, **given: object) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.request(method, path, **given)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_answered_with_its_status(ask: Callable[..., httpx.Response], name: str) -> None:
    error, status = ERRORS[name]
    answer = ask("GET", f"/fail/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert (str(error) in answer.json()["detail"]) == (name != "surprise")
    assert SECRET not in answer.text


def test_a_surprise_is_logged_with_where_it_came_from(
    ask: Callable[..., httpx.Response], caplog: pytest.LogCaptureFixture
) -> None:
    ask("GET", "/fail/surprise")
    lines = [
        json.loads(JsonLines().format(record)) for record in caplog.records if record.name.startswith("hypocenter")
    ]
    assert any("_fail" in line.get("exception", "") for line in lines)
    assert lines[-1]["status"] == 500


def test_a_refusal_is_logged_with_why_and_a_success_only_when_asked(
    ask: Callable[..., httpx.Response], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hypocenter")
    ask("POST", "/length", content=b"abc")
    assert caplog.records == []
    ask("GET", "/fail/input", headers={"X-Request-ID": "r-1"})
    (line,) = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert {"request_id": "r-1", "method": "GET", "status": 400, "level": "warning"}.items() <= line.items()
    assert line["why"] == "field x is missing"


def test_what_fails_after_its_answer_has_begun_breaks_the_connection(ask: Callable[..., httpx.Response]) -> None:
    with pytest.raises(RuntimeError, match=SECRET):
        ask("GET", "/begin")


def test_large_bodies_are_put_off_while_there_is_no_memory(
    ask: Callable[..., httpx.Response], registry: CollectorRegistry
) -> None:
    assert ask("POST", "/length", content=b"x" * 1000).text == "1000"
    refused = ask("POST", "/length", content=b"x" * 1001)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert ask("POST", "/length", content=b"x" * 1000).text == "1000"
    labels = {"path": "/length", "status": "503"}
    assert registry.get_sample_value("hypocenter_http_requests_total", labels) == 1


@pytest.mark.parametrize("path", ["/", "/fail", "/length/", "/nothing"])
def test_an_unknown_path_is_a_problem(ask: Callable[..., httpx.Response], path: str) -> None:
    answer = ask("GET", path)
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    assert all(known in answer.json()["detail"] for known in ("/api/v1/write", "/v1/traces", "/api/v1/alerts"))


def test_another_method_is_told_which_one_is_taken(ask: Callable[..., httpx.Response]) -> None:
    answer = ask("GET", "/length")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["detail"] == "this path takes POST, not GET"


def test_a_line_of_the_log_stays_one_line(ask: Callable[..., httpx.Response], caplog: pytest.LogCaptureFixture) -> None:
    ask("GET", "/a%0a%1b[31m{}", headers={"X-Request-ID": "r-2"})
    (line,) = [JsonLines().format(record) for record in caplog.records if record.name.startswith("hypocenter")]
    assert line.isprintable()
    assert json.loads(line)["path"] == "/a\n\x1b[31m{}"
