"""What a hostile client asks of the query API of a real server with tokens: it is answered 4xx, and nothing breaks."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import raw_http
from hypocenter_server import HypocenterServer

from hypocenter.api.tokens import Grant, TokenFile

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = [
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/records.db",
    "....//....//tokens.json",
    "/etc/passwd",
    "\\..\\..\\windows",
    "a\0b",
    "%00",
    "a\r\nSet-Cookie: x=1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' OR '1'='1' --",
    "'; DROP TABLE incidents; --",
    "=cmd|' /C calc'!A1",
    "{{7*7}}${7*7}",
    "\u202e\u2066evil\ufeff",
    "\U0001f4a9" * 50,
    "a" * 5_000,
    "-1",
    "NaN",
    "9" * 400,
    "%",
    "*",
]
PLACES = [
    "incidents/{}",
    "incidents/{}/report",
    "incidents/{}/revisions/{}",
    "components/{}",
    "history/{}",
    "models/{}/versions/{}",
    "investigations/{}",
    "investigations/{}/events",
    "nothing/{}",
]


class Attacked:
    """A server, tokens that it accepts, and all that it said."""

    def __init__(self, server: HypocenterServer, tokens: dict[str, str], client: httpx.Client) -> None:
        self.server, self.tokens, self._client = server, tokens, client

    def ask(self, method: str, path: str, scope: str = "admin", **how: Any) -> httpx.Response:
        """Return the answer to a request with a token, whose path is sent as it stands."""
        headers = {"Authorization": f"Bearer {self.tokens[scope]}", **how.pop("headers", {})}
        url = httpx.URL(self.server.url).copy_with(raw_path=path.encode())
        return self._client.request(method, url, headers=headers, **how)

    def said(self, *pieces: bytes, ends: bool = False) -> list[int]:
        """Return the statuses that the server answers to bytes on one connection."""
        return raw_http.statuses(self.server.url, *pieces, ends=ends)

    @property
    def shown(self) -> bytes:
        """The header that shows the token of an admin."""
        return f"Authorization: Bearer {self.tokens['admin']}\r\n".encode()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """A server that logs all it can; at the end it must live, and have told no token."""
    folder = tmp_path_factory.mktemp("attacked")
    scopes = ("ingest", "read", "feedback", "admin")
    tokens = {scope: TokenFile(folder).create(scope, datetime.now(UTC), Grant.of([scope])) for scope in scopes}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_LOG_LEVEL", "debug")
        patched.setenv("HYPOCENTER_RATE_LIMIT", "0")
        patched.setenv("HYPOCENTER_MAX_BODY_BYTES", str(1 << 20))
        server = HypocenterServer(folder)
    with server, httpx.Client(timeout=raw_http.ANSWER_S, verify=False) as client:
        yield Attacked(server, tokens, client)
        assert server.process.exit_code is None, server.process.said()
        said = server.process.said()
        assert "Traceback" not in said
        assert '"status": 5' not in said
        for token in tokens.values():
            for text in (token, token.removeprefix("hyp_"), base64.b64encode(token.encode()).decode().rstrip("=")[:40]):
                assert text not in said


@pytest.fixture(autouse=True)
def _goes_on(attacked: Attacked) -> Iterator[None]:
    yield
    assert attacked.ask("GET", "/readyz").json()["ready"]
    assert attacked.ask("GET", "/api/v1/whoami", "read").status_code == 200


def _percented(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _is_refused(answer: httpx.Response, attacked: Attacked) -> bool:
    """Whether a request was refused in words that harm nobody."""
    assert not any(token in answer.text or token in str(answer.headers) for token in attacked.tokens.values())
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "text/html" not in answer.headers.get("content-type", "")
    assert "root:" not in answer.text
    return 400 <= answer.status_code < 500


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_name_is_nowhere(attacked: Attacked, place: str) -> None:
    for name in HOSTILE:
        answer = attacked.ask("GET", "/api/v1/" + place.replace("{}", _percented(name)))
        assert _is_refused(answer, attacked), (name, answer.status_code, answer.text)


@pytest.mark.parametrize(
    "path", ["/api/v1/../../etc/passwd", "/api/v1/incidents/../../../records.db", "/%2e%2e/tokens.json"]
)
def test_a_path_out_of_it_leads_nowhere(attacked: Attacked, path: str) -> None:
    line = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
    assert attacked.said(line + attacked.shown + b"\r\n") == [404]


ASKED = [
    ("incidents", "status"),
    ("incidents", "limit"),
    ("incidents", "cursor"),
    ("incidents", "since"),
    ("anomalies", "until"),
    ("anomalies", "cursor"),
    ("topology", "at"),
    ("topology", "depth"),
    ("audit", "cursor"),
    ("audit", "limit"),
    ("case", "start"),
]


@pytest.mark.parametrize(("resource", "parameter"), ASKED)
def test_a_hostile_parameter_is_refused(attacked: Attacked, resource: str, parameter: str) -> None:
    for value in HOSTILE:
        answer = attacked.ask("GET", f"/api/v1/{resource}?{_percented(parameter)}={_percented(value)}")
        assert _is_refused(answer, attacked), (value, answer.status_code, answer.text)


# Spaces that could stand in front of a name, after it or before a brace.
SELECTORS = [
    " " * 1_900 + "!",
    " " * 20_000 + "!",
    "up" + " " * 1_900 + "!",
    "{" + " " * 1_900 + "!}",
    '{a="' + "\\\\" * 900,
    "{" + 'a="b",' * 300 + "!}",
    '{a="\\UFFFFFFFF"}',
    '{a=~"\\ud800"}',
    '{a=~"(((a{1000}){1000}){1000}){1000}"}',
    '{a=~"' + "(" * 1_900 + '"}',
    'up{a="b"} or up{hypocenter_tenant="acme"}',
    'up{a="b" or hypocenter_tenant="acme"}',
]
SELECTED = [
    "api/v1/series?match[]={}",
    "api/v1/series/band?match[]={}",
    "prometheus/api/v1/query?query={}",
    "prometheus/api/v1/query_range?start=0&end=60&step=60&query={}",
    "prometheus/api/v1/series?match[]={}",
    "prometheus/api/v1/labels?match[]={}",
    "prometheus/api/v1/label/component/values?match[]={}",
    "api/v1/case?start=2026-03-01T12:00:00Z&end=2026-03-01T13:00:00Z&match={}",
]


@pytest.mark.parametrize("place", SELECTED)
def test_a_hostile_selector_is_refused_at_once(attacked: Attacked, place: str) -> None:
    for text in SELECTORS:
        sent = _percented(text).replace("%20", "+")
        # As often as they may stand in one question, where they fit into its line.
        answer = attacked.ask(
            "GET", "/" + place.replace("{}", sent) + f"&match[]={sent}" * min(19, 40_000 // len(sent))
        )
        assert _is_refused(answer, attacked), (text[:60], answer.status_code, answer.text)


BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "an unknown field": b'{"is_admin": true}',
    "half a character": b'{"name": "\\ud800", "scopes": ["read"]}',
    "a zero": b'{"name": "a\\u0000", "scopes": ["read"]}',
    "a formula": b'{"name": "=1+1", "scopes": ["read"]}',
    "a path": b'{"name": "../a", "scopes": ["read"]}',
    "a line": b'{"name": "a\\nb", "scopes": ["read"]}',
    "a long name": b'{"name": "%s", "scopes": ["read"]}' % (b"a" * 10_000),
    "an unknown scope": b'{"name": "a", "scopes": ["root"]}',
    "no scope": b'{"name": "a", "scopes": []}',
    "many scopes": b'{"name": "a", "scopes": [%s]}' % b",".join([b'"read"'] * 1000),
    "another tenant": b'{"name": "a", "scopes": ["read"], "tenant": "acme"}',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"name":' * 50_000,
    "a long number": b'{"precision": 1%s}' % (b"0" * 10_000),
    "not a number": b'{"precision": NaN}',
    "infinite": b'{"precision": 1e999}',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "twice": b'{"name": "a", "name": "b"}',
    "too long": b'{"name": "' + b"a" * (2 << 20) + b'"}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused(attacked: Attacked, name: str) -> None:
    json = {"Content-Type": "application/json"}
    for method, path in (
        ("POST", "/api/v1/tokens"),
        ("PATCH", "/api/v1/settings"),
        ("POST", "/api/v1/investigations"),
        ("POST", "/api/v1/incidents/x/feedback"),
    ):
        answer = attacked.ask(method, path, content=BODIES[name], headers=json)
        assert _is_refused(answer, attacked), (method, path, answer.status_code, answer.text[:200])


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "a" * 5000,
    ],
)
def test_a_body_of_another_type_is_refused(attacked: Attacked, content_type: str) -> None:
    body = b'{"name": "a", "scopes": ["read"]}'
    answer = attacked.ask("POST", "/api/v1/tokens", content=body, headers={"Content-Type": content_type})
    assert _is_refused(answer, attacked), (answer.status_code, answer.text)


HEAD = b"GET /api/v1/incidents HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
POST = b"POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\n\r\n"
SHAPES = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + SMUGGLED,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED,
    "a hidden coding": POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc",
    "a coding of two lines": POST + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "a chunk without end": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na",
    "a chunk of no number": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a space before the colon": HEAD + b"X-A : b\r\n\r\n",
    "a zero in a header": HEAD + b"X-A: a\0b\r\n\r\n",
    "a bare return": HEAD + b"X-A: a\rSet-Cookie: x\r\n\r\n",
    "an empty name": HEAD + b": a\r\n\r\n",
    "a line without a colon": HEAD + b"hello\r\n\r\n",
    "a large header": HEAD + b"X-A: " + b"a" * (256 << 10) + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)) + b"\r\n",
    "a long line": b"GET /" + b"a" * (256 << 10) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    "a proxy's line": b"PROXY TCP4 10.0.0.7 10.0.0.1 1 2\r\n" + HEAD + b"\r\n",
    "an unknown method": b"HACK /api/v1/incidents HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_request_of_another_shape_opens_nothing(attacked: Attacked, name: str) -> None:
    statuses = attacked.said(SHAPES[name], ends=True)
    assert all(400 <= status < 500 for status in statuses), statuses


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Forwarded-User: admin\r\nX-Forwarded-Groups: hypocenter:admin\r\nX-Forwarded-For: 127.0.0.1\r\n",
        b"X-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1;proto=https\r\n",
        b"X-HTTP-Method-Override: GET\r\nX-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\n",
        b"Cookie: token=admin; session=admin\r\n",
        b"Authorization: Bearer \r\nAuthorization: Basic YTph\r\n",
        b"Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.\r\n",
    ],
)
def test_what_a_stranger_says_of_themselves_opens_nothing(attacked: Attacked, headers: bytes) -> None:
    assert attacked.said(HEAD + headers + b"\r\n") == [401]


def test_ranges_and_methods_are_not_abused(attacked: Attacked) -> None:
    ranges = "bytes=" + ",".join(f"{number}-" for number in range(500))
    whole = attacked.ask("GET", "/api/v1/incidents", headers={"Range": ranges})
    assert (whole.status_code, whole.json()["items"]) == (200, [])
    for method in ("TRACE", "CONNECT", "PROPFIND", "PUT", "OPTIONS"):
        assert _is_refused(attacked.ask(method, "/api/v1/incidents"), attacked), method


def test_headers_cannot_be_put_into_answers(attacked: Attacked) -> None:
    given = {"X-Request-ID": "a b", "If-None-Match": '"' + "a" * 10_000 + '"', "Origin": "https://evil.example"}
    answer = attacked.ask("GET", "/api/v1/incidents", headers=given)
    assert answer.status_code == 200
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert "access-control-allow-origin" not in answer.headers


def test_a_slow_body_does_not_keep_others_waiting(attacked: Attacked) -> None:
    head = POST + attacked.shown + b"Content-Length: 100\r\n\r\n{"
    slow = [raw_http.connected(attacked.server.url) for _ in range(50)]
    for connection in slow:
        connection.sendall(head)
    assert attacked.ask("GET", "/api/v1/incidents").status_code == 200
    for connection in slow:
        connection.close()
