"""A Prometheus that is down, slow, busy, wrong or partial: one line of error or a note, and never a secret."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pytest
from scripted_prometheus import Reply, Server, always, failure, healthy, running, success

from hypocenter.errors import HypocenterError, InputError, LimitError
from hypocenter.readers.prometheus import PrometheusOptions, read_prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypocenter.telemetry import Case

AT = datetime(2026, 9, 21, 12, tzinfo=UTC)
SECRET = "correct-horse-battery"
OPTIONS = PrometheusOptions(timeout_s=5.0, lookahead=timedelta(0))
SELF_SIGNED = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Server:
    shared.script = healthy
    shared.asked.clear()
    shared.authorizations.clear()
    shared.most_in_flight = 0
    return shared


def read(url: str, options: PrometheusOptions = OPTIONS, waits: list[float] | None = None, hours: float = 2) -> Case:
    sleep = (waits if waits is not None else []).append
    return read_prometheus(url, AT, timedelta(hours=hours), ("up",), options=options, sleep=sleep, jitter=lambda: 0.5)


def refused(url: str, options: PrometheusOptions = OPTIONS) -> str:
    with pytest.raises(HypocenterError) as caught:
        read(url, options)
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


def test_a_healthy_server_is_read_in_pieces_two_at_a_time(server: Server) -> None:
    gate = threading.Barrier(2, timeout=20)

    def script(endpoint: str, params: dict[str, str]) -> Reply:
        if "[1800s]" in params.get("query", ""):
            gate.wait()
        return healthy(endpoint, params)

    server.script = script
    case = read(server.url)
    assert case.metrics is not None
    assert case.metrics.values.shape == (481, 1)
    assert not np.isnan(case.metrics.values).any()
    assert server.most_in_flight == 2
    assert [endpoint for endpoint, _ in server.asked].count("query") == 1 + 1 + 4
    assert all("timeout" in params for endpoint, params in server.asked if endpoint == "query")


def test_a_server_that_is_down_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert f"127.0.0.1:{port}: cannot be reached" in refused(f"http://user:{SECRET}@127.0.0.1:{port}")


def test_a_server_that_does_not_answer_in_time_is_left_alone(server: Server) -> None:
    release = threading.Event()

    def script(endpoint: str, params: dict[str, str]) -> Reply:
        release.wait(20)
        return healthy(endpoint, params)

    server.script = script
    assert "no whole answer within 0.2 s" in refused(server.url, replace(OPTIONS, timeout_s=0.2))
    release.set()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_later_and_later(server: Server, status: int) -> None:
    left = [status] * 3

    def script(endpoint: str, params: dict[str, str]) -> Reply:
        return failure(left.pop()) if left else healthy(endpoint, params)

    server.script = script
    waits: list[float] = []
    assert read(server.url, waits=waits).metrics is not None
    assert waits == [0.75, 1.5, 3.0]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7.5),
        ({"Retry_After": "Mon, 21 Sep 2026 12:00:09 GMT", "Date": "Mon, 21 Sep 2026 12:00:00 GMT"}, 9.5),
        ({"Retry_After": "Mon, 21 Sep 2026 12:00:09 GMT"}, 0.75),
        ({"Retry_After": "soon"}, 0.75),
        ({"Retry_After": "000000000000007"}, 7.5),
        ({"Retry_After": "Mon, 21 Sep 2026 12:00:09 +" + "9" * 20, "Date": "Mon, 21 Sep 2026 12:00:00 GMT"}, 0.75),
    ],
)
def test_a_busy_server_says_how_long_to_wait(server: Server, headers: dict[str, str], wait: float) -> None:
    left = [headers]

    def script(endpoint: str, params: dict[str, str]) -> Reply:
        return failure(503, **left.pop()) if left else healthy(endpoint, params)

    server.script = script
    waits: list[float] = []
    read(server.url, waits=waits)
    assert waits == [wait]


def test_a_server_that_stays_busy_is_given_up(server: Server) -> None:
    server.script = always(failure(503, "TSDB not ready"))
    assert "turned the question down 5 times (503: TSDB not ready)" in refused(server.url)
    server.script = always(failure(503, Retry_After="3600"))
    assert "asks to wait 3600 s" in refused(server.url)
    server.script = always(failure(503, Retry_After="9" * 400))
    assert "a number of 400 digits" in refused(server.url)


def test_a_question_too_large_is_asked_in_halves(server: Server) -> None:
    def script(endpoint: str, params: dict[str, str]) -> Reply:
        if params.get("query", "").endswith("[1800s]"):
            return failure(422, "query processing would load too many samples into memory")
        return healthy(endpoint, params)

    whole = read(server.url)
    server.script = script
    waits: list[float] = []
    halves = read(server.url, waits=waits)
    assert whole.metrics is not None
    assert halves.metrics is not None
    np.testing.assert_array_equal(whole.metrics.values, halves.metrics.values)
    assert len(waits) == 4


def test_a_question_too_large_in_every_size_is_given_up(server: Server) -> None:
    def script(endpoint: str, params: dict[str, str]) -> Reply:
        return failure(422, "too many") if params.get("query", "").startswith("up") else healthy(endpoint, params)

    server.script = script
    assert "cannot answer the question (422: too many)" in refused(server.url)
    assert len(server.asked) < 30


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (failure(400, "parse error"), "refused the question (400: parse error)"),
        (failure(401), "refuses access (401)"),
        (failure(403), "refuses access (403)"),
        ((404, {}, b"<html>not here</html>"), "refused the question (404)"),
        (failure(500, "boom\nand\ttwo lines"), "refused the question (500: boom and two lines)"),
        ((302, {"Location": "http://169.254.169.254/"}, b""), "redirect (302), which is not followed"),
        ((200, {}, b"<html>hello</html>"), "does not speak the Prometheus API"),
        ((200, {}, b"[]"), "does not speak the Prometheus API"),
        ((200, {}, b"\xff\xfe"), "does not speak the Prometheus API"),
        ((200, {}, b"[" * 100_000), "does not speak the Prometheus API"),
        ((200, {}, b'{"status":"success"}'), "does not speak the Prometheus API"),
        ((200, {}, b'{"status":"error","error":"late"}'), "refused the question (200: late)"),
        ((200, {"Content_Encoding": "gzip"}, b"no gzip"), "cannot be reached or broke off"),
        (success({"resultType": "vector", "result": [{}]}), "not shaped"),
        (success([]), "not shaped"),
        (success("text"), "not shaped"),
        (success(None), "not shaped"),
        (success({"resultType": "vector", "result": []}), "not shaped"),
    ],
)
def test_a_wrong_answer_is_one_line(server: Server, reply: Reply, words: str) -> None:
    server.script = always(reply)
    assert words in refused(server.url)


def test_a_server_that_breaks_off_is_one_line(server: Server) -> None:
    def script(endpoint: str, params: dict[str, str]) -> Reply:
        raise ConnectionAbortedError

    server.script = script
    assert "cannot be reached or broke off" in refused(server.url)


def test_series_without_samples_are_an_error_that_says_what_to_change(server: Server) -> None:
    def script(endpoint: str, params: dict[str, str]) -> Reply:
        if params.get("query", "").startswith(("up", "{")):
            return success({"resultType": "matrix", "result": []})
        return healthy(endpoint, params)

    server.script = script
    assert "try another --at" in refused(server.url)


def test_partial_data_and_native_histograms_are_notes(server: Server) -> None:
    histogram = {"metric": {"__name__": "latency", "job": "a"}, "histograms": [[1, {"count": "1"}]]}

    def script(endpoint: str, params: dict[str, str]) -> Reply:
        status, headers, body = healthy(endpoint, params)
        answer = json.loads(body) | {"warnings": ["store-3 is\naway"]}
        if "[1800s]" in params.get("query", ""):
            answer["data"]["result"].append(histogram)
        return status, headers, json.dumps(answer).encode()

    server.script = script
    case = read(server.url)
    assert case.metrics is not None
    assert [labels["__name__"] for labels in case.metrics.labels] == ["up"]
    assert case.notes == (
        "the server warned that its answers may be partial: store-3 is away",
        "latency is a native histogram and was skipped",
    )


def test_an_answer_too_long_is_refused_with_the_limit_named(server: Server) -> None:
    server.script = always((200, {}, b" " * 100_000))
    with pytest.raises(LimitError, match="max_response_bytes"):
        read(server.url, replace(OPTIONS, max_response_bytes=10_000))


def test_series_too_many_to_list_are_refused_before_they_are_listed(server: Server) -> None:
    def script(endpoint: str, params: dict[str, str]) -> Reply:
        return success({"resultType": "vector", "result": [{"metric": {}, "value": [0, "5e6"]}]})

    server.script = script
    with pytest.raises(LimitError, match="narrow --match"):
        read(server.url)
    assert [endpoint for endpoint, _ in server.asked] == ["query"]


def test_a_user_name_and_password_or_a_token_is_sent(server: Server) -> None:
    read(server.url, replace(OPTIONS, username="ann", password=SECRET))
    read(server.url.replace("//", f"//ann:{SECRET}@"))
    read(server.url, replace(OPTIONS, bearer_token=SECRET))
    basic = "Basic YW5uOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="
    assert server.authorizations == {basic, f"Bearer {SECRET}"}


def test_a_secret_that_the_server_repeats_is_not_passed_on(server: Server) -> None:
    server.script = always(failure(400, f"bad token {SECRET}"))
    assert "bad token ***" in refused(server.url, replace(OPTIONS, bearer_token=SECRET))
    assert SECRET not in repr(replace(OPTIONS, bearer_token=SECRET, password=SECRET))


@pytest.mark.parametrize("in_url", [True, False])
@pytest.mark.parametrize("spelled", [str, lambda text: quote(text, safe=""), lambda text: text.rstrip("=")])
def test_the_pair_of_user_and_password_does_not_show(
    server: Server, in_url: bool, spelled: Callable[[str], str]
) -> None:
    pair = base64.b64encode(f"ann:{SECRET}".encode()).decode()
    server.script = always(failure(400, f"bad header {spelled(pair)} or {quote(SECRET[:-1] + '%79')}"))
    options = OPTIONS if in_url else replace(OPTIONS, username="ann", password=SECRET)
    told = refused(server.url.replace("//", f"//ann:{SECRET}@") if in_url else server.url, options)
    assert server.authorizations == {f"Basic {pair}"}
    assert "bad header ***" in told
    assert pair[:8] not in told
    assert SECRET[:7] not in told


def test_a_password_of_other_letters_does_not_show(server: Server) -> None:
    server.script = always(failure(400, "bad: p%C3%A4ss%20w%2Frd, p\u00e4ss+w/rd, p\u00e4ss w&#x2f;rd"))
    told = refused(server.url, replace(OPTIONS, username="ann", password="p\u00e4ss w/rd"))
    assert told.endswith("bad: ***, ***, ***)")


@pytest.mark.parametrize(
    "url", ["ftp://host", "file:///etc/passwd", "host:9090", "http://", "http://h:99999", "http://h/?a=1", "http://["]
)
def test_a_url_that_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="the Prometheus URL"):
        read(url)


@pytest.mark.parametrize("token", ["", f"{SECRET} x", f"{SECRET}\n", "\u00e9"])
def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    assert "bearer token" in refused("http://127.0.0.1:9", replace(OPTIONS, bearer_token=token))


def test_two_kinds_of_access_are_refused() -> None:
    options = replace(OPTIONS, username="ann", bearer_token=SECRET)
    assert "not both" in refused("http://127.0.0.1:9", options)


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.write_text("")
    assert "missing.pem" in refused("https://127.0.0.1:9", replace(OPTIONS, ca_file=missing))
    assert "empty.pem" in refused("https://127.0.0.1:9", replace(OPTIONS, cert_file=empty))


def test_a_certificate_is_verified_unless_told_not_to(tmp_path: Path, require: Callable[[str], str]) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([require("openssl"), *SELF_SIGNED.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    with running(context) as server:
        assert "certificate verify failed" in refused(server.url)
        assert read(server.url, replace(OPTIONS, ca_file=certificate)).metrics is not None
        assert read(server.url, replace(OPTIONS, insecure_skip_verify=True)).metrics is not None
        context.verify_mode = ssl.CERT_REQUIRED
        assert "cannot be reached or broke off" in refused(server.url, replace(OPTIONS, ca_file=certificate))
        client = replace(OPTIONS, ca_file=certificate, cert_file=certificate, key_file=key)
        assert read(server.url, client).metrics is not None


def test_a_lookback_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="--lookback"):
        read("http://127.0.0.1:9", hours=0)
