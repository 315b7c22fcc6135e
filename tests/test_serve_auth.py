"""Who may send to a real server: a table of what is shown and what comes of it; and what of it is told."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
from hypocenter_server import HypocenterServer
from waiting import awaited

from hypocenter.api.tokens import TokenFile
from hypocenter.remote_write_encoding import HEADERS, request_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = request_body([])
WRITE = "/api/v1/write"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HypocenterServer, str]]:
    """A server that asks for a token, and one that it accepts."""
    data_dir = tmp_path_factory.mktemp("closed")
    token = TokenFile(data_dir).create("prometheus", datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_LOG_LEVEL", "debug")
        server = HypocenterServer(data_dir)
    with server:
        yield server, token


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypocenterServer]:
    """A server without any token."""
    with HypocenterServer(tmp_path_factory.mktemp("opened")) as server:
        yield server


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("Bearer {}", 204),
        ("bearer {}", 204),
        (_basic("anyone:{}"), 204),
        ("Bearer {}x", 401),
        ("Bearer hyp_", 401),
        ("{}", 401),
        ("Digest {}", 401),
        ("Basic !", 401),
        ("Basic {}", 401),
        ("x" * 10_000, 401),
    ],
)
def test_a_token_opens_the_server(closed: tuple[HypocenterServer, str], shown: str, status: int) -> None:
    server, token = closed
    text = _basic(f"anyone:{token}") if shown == _basic("anyone:{}") else shown.replace("{}", token)
    answer = httpx.post(server.url + WRITE, content=BODY, headers=HEADERS | {"Authorization": text})
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert token not in answer.text


def test_two_headers_are_no_token(closed: tuple[HypocenterServer, str]) -> None:
    server, token = closed
    both = [*HEADERS.items(), ("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert httpx.post(server.url + WRITE, content=BODY, headers=both).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_everybody_may_ask_how_it_is(closed: tuple[HypocenterServer, str], path: str) -> None:
    assert httpx.get(closed[0].url + path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/metrics", WRITE, "/nothing", "/", "/healthz/", "//healthz", "/healthz%2f..", "/v1/logs"]
)
def test_nothing_else_is_told_without_a_token(closed: tuple[HypocenterServer, str], path: str) -> None:
    for method in ("GET", "POST", "PUT", "OPTIONS"):
        assert httpx.request(method, closed[0].url + path).status_code == 401


def test_its_metrics_are_told_to_who_has_a_token(closed: tuple[HypocenterServer, str]) -> None:
    server, token = closed
    answer = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "hypocenter_store_up 1.0" in answer.text


def test_no_token_is_needed_where_there_is_none(opened: HypocenterServer) -> None:
    assert httpx.post(opened.url + WRITE, content=BODY, headers=HEADERS).status_code == 204


def test_a_web_page_cannot_send_to_a_server_without_tokens(opened: HypocenterServer) -> None:
    for origin in ("https://example.org", "null", opened.url):
        answer = httpx.post(opened.url + WRITE, content=BODY, headers=HEADERS | {"Origin": origin})
        assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/incidents", "/nothing"])
def test_a_name_that_a_web_page_leads_here_opens_nothing_without_tokens(opened: HypocenterServer, path: str) -> None:
    for host in (
        "evil.example",
        "evil.example:4477",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
    ):
        answer = httpx.get(opened.url + path, headers={"Host": host})
        assert (answer.status_code, "Host header" in answer.text) == (421, True)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4477", "127.0.0.1", "[::1]:4477", "127.1.2.3:80"])
def test_the_names_of_loopback_open_a_server_without_tokens(opened: HypocenterServer, host: str) -> None:
    assert httpx.post(opened.url + WRITE, content=BODY, headers=HEADERS | {"Host": host}).status_code == 204


def test_with_a_token_or_open_to_all_any_name_will_do(closed: tuple[HypocenterServer, str], tmp_path: Path) -> None:
    server, token = closed
    shown = HEADERS | {"Host": "box.example", "Authorization": f"Bearer {token}"}
    assert httpx.post(server.url + WRITE, content=BODY, headers=shown).status_code == 204
    with HypocenterServer(tmp_path / "all", "--open") as to_all:
        answer = httpx.post(to_all.url + WRITE, content=BODY, headers=HEADERS | {"Host": "box.example"})
    assert answer.status_code == 204


def test_what_becomes_of_tokens_is_seen_by_a_server_that_runs(hypocenter_server: HypocenterServer) -> None:
    def answer(token: str) -> httpx.Response:
        headers = HEADERS | {"Authorization": f"Bearer {token}"}
        return httpx.post(hypocenter_server.url + WRITE, content=BODY, headers=headers)

    assert answer("none").status_code == 204
    tokens = TokenFile(hypocenter_server.data_dir)
    token = tokens.create("one", datetime.now(UTC))
    assert (answer("none").status_code, answer(token).status_code) == (401, 204)
    tokens.revoke("one")
    assert (answer("none").status_code, answer(token).status_code) == (401, 401)
    (hypocenter_server.data_dir / "tokens.json").write_text("{", encoding="utf-8")
    unreadable = answer(token)
    assert (unreadable.status_code, "retry-after" in unreadable.headers) == (503, True)
    assert str(hypocenter_server.data_dir) not in unreadable.text


def test_the_log_names_the_token_and_never_tells_it(closed: tuple[HypocenterServer, str]) -> None:
    server, token = closed
    for shown in (f"Bearer {token}", _basic(f"anyone:{token}"), f"Bearer x{token}", token, f"Digest {token}"):
        headers = HEADERS | {"Authorization": shown, "X-Request-ID": "known-1"}
        answer = httpx.post(f"{server.url}{WRITE}?token={token}", content=BODY, headers=headers)
        assert answer.headers["x-request-id"] == "known-1"
    awaited(lambda: server.process.said().count('"request_id": "known-1"') == 5)
    said = server.process.said()
    assert token not in said
    assert base64.b64encode(token.encode()).decode()[:30] not in said
    requests = [json.loads(line) for line in said.splitlines() if '"request_id": "known-1"' in line]
    told = [(line["status"], line.get("client", "")) for line in requests]
    assert told == [(204, "prometheus"), (204, "prometheus"), (401, ""), (401, ""), (401, "")]


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "é".encode().decode("latin-1")])
def test_an_id_of_a_request_that_is_not_sane_is_not_taken_over(opened: HypocenterServer, given: str) -> None:
    answer = httpx.get(f"{opened.url}/healthz", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    assert len(answer.headers["x-request-id"]) == 32
