"""What a real server answers: which samples it took, how it is, and what it counts; also when it can take no more."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypocenter_server import HypocenterServer
from prometheus_client.parser import text_string_to_metric_families

from hypocenter.remote_write_encoding import HEADERS, encoded_labels, encoded_series, request_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompb import Messages

WRITE = "/api/v1/write"
SECOND = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HypocenterServer]:
    """A server that keeps at most 50 series."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HYPOCENTER_MAX_SERIES", "50")
        server = HypocenterServer(tmp_path_factory.mktemp("answers"))
    with server:
        yield server


def _now_ms() -> int:
    return int(time.time() * 1000)


def _series(labels: list[tuple[str, str]], *samples: tuple[int, float]) -> bytes:
    bits = [struct.unpack("<Q", struct.pack("<d", value))[0] for _, value in samples]
    return encoded_series(encoded_labels(labels), [at for at, _ in samples], bits)


def _post(server: HypocenterServer, *series: bytes, content_type: str = HEADERS["Content-Type"]) -> httpx.Response:
    headers = HEADERS | {"Content-Type": content_type}
    return httpx.post(server.url + WRITE, content=request_body(series), headers=headers)


def _written(answer: httpx.Response) -> tuple[int, ...]:
    kinds = ("Samples", "Histograms", "Exemplars")
    return tuple(int(answer.headers[f"X-Prometheus-Remote-Write-{kind}-Written"]) for kind in kinds)


@pytest.mark.parametrize(
    "content_type", [HEADERS["Content-Type"], "application/x-protobuf;proto=prometheus.WriteRequest"]
)
def test_what_is_taken_is_counted(server: HypocenterServer, content_type: str) -> None:
    at = _now_ms()
    answer = _post(server, _series([("__name__", "up")], (at, 1.0), (at + 1, 0.0)), content_type=content_type)
    assert (answer.status_code, answer.content, _written(answer)) == (204, b"", (2, 0, 0))


def test_the_second_version_is_taken_by_its_name(server: HypocenterServer, prompb: Messages) -> None:
    request = prompb.request(symbols=["", "__name__", "up_2"])
    request.timeseries.add(labels_refs=[1, 2]).samples.add(value=1.0, timestamp=_now_ms())
    answer = _post(server, request.SerializeToString(), content_type=SECOND)
    assert (answer.status_code, _written(answer)) == (204, (1, 0, 0))
    assert _written(_post(server, request.SerializeToString())) == (0, 0, 0)


def test_what_is_invalid_is_told_and_the_rest_is_taken(server: HypocenterServer) -> None:
    at = _now_ms()
    bad = _series([("__name__", "a"), ("b", "1"), ("b", "2")], (at, 1.0))
    answer = _post(server, bad, _series([("__name__", "good")], (at, 1.0)))
    assert (answer.status_code, _written(answer)) == (400, (1, 0, 0))
    assert answer.text.startswith("stored 1 samples and histograms, refused 1: ")


@pytest.mark.parametrize(("shift", "reason"), [(-400 * DAY_MS, "too old"), (DAY_MS, "too far ahead")])
def test_what_the_store_refuses_is_told(server: HypocenterServer, shift: int, reason: str) -> None:
    answer = _post(server, _series([("__name__", "shifted")], (_now_ms() + shift, 1.0)))
    assert (answer.status_code, _written(answer)) == (400, (0, 0, 0))
    assert reason in answer.text
    refused = _metrics(server)["hypocenter_samples_refused_total"]
    assert refused[("reason", reason)] >= 1


def test_another_value_at_the_same_time_is_refused_and_the_same_is_taken(server: HypocenterServer) -> None:
    at = _now_ms()
    for value, status in ((1.0, 204), (1.0, 204), (2.0, 400)):
        assert _post(server, _series([("__name__", "twice")], (at, value))).status_code == status


@pytest.mark.parametrize(
    ("ahead", "kept"), [((1, 0, 0), (1, 2)), ((0, 1, 0), (2, 1)), ((0, 1, 1), (2, 0)), ((1, 0, 1), (1, 1))]
)
def test_a_histogram_of_which_parts_are_refused_is_none_that_is_written(
    server: HypocenterServer, prompb: Messages, ahead: tuple[int, ...], kept: tuple[int, int]
) -> None:
    """`ahead` are the second sample and the two histograms that are of tomorrow."""
    now_ms = _now_ms()
    at = [now_ms + DAY_MS * each for each in ahead]
    request = prompb.request(symbols=["", "__name__", "parts"])
    series = request.timeseries.add(labels_refs=[1, 2])
    series.samples.add(value=1.0, timestamp=now_ms - 1)
    series.samples.add(value=2.0, timestamp=at[0])
    for each in at[1:]:
        buckets = {"positive_spans": [{"offset": 0, "length": 2}], "positive_deltas": [1, 1]}
        series.histograms.add(count_int=3, sum=0.5, timestamp=each, schema=0, **buckets)
    for _ in range(2):
        answer = _post(server, request.SerializeToString(), content_type=SECOND)
        assert (answer.status_code, _written(answer)) == (400, (*kept, 0))
        assert answer.text.startswith(f"stored {sum(kept)} samples and histograms, refused {4 - sum(kept)}: too far")


def test_series_beyond_the_limit_are_refused_and_may_come_again(server: HypocenterServer) -> None:
    at = _now_ms()
    answer = _post(server, *(_series([("__name__", "many"), ("n", str(n))], (at, 1.0)) for n in range(60)))
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
    assert "HYPOCENTER_MAX_SERIES" in answer.text


def test_all_paths_of_remote_write_lead_to_the_same(server: HypocenterServer) -> None:
    for path in ("/api/v1/push", "/api/prom/push"):
        assert httpx.post(server.url + path, content=request_body([]), headers=HEADERS).status_code == 204


def _metrics(server: HypocenterServer) -> dict[str, dict[tuple[str, ...], float]]:
    """Return what the server tells of itself, by name and then by all labels in order."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text):
        for sample in family.samples:
            key = tuple(part for pair in sorted(sample.labels.items()) for part in pair)
            found.setdefault(sample.name, {})[key] = sample.value
    return found


def test_it_counts_requests_and_samples(server: HypocenterServer) -> None:
    before = _metrics(server)
    at = _now_ms()
    _post(server, _series([("__name__", "up")], (at, 1.0), (at + 1, 1.0), (at + 2, 1.0)))
    httpx.get(f"{server.url}/unknown/{at}")
    after = _metrics(server)

    def more(name: str, *labels: str) -> float:
        return after[name][labels] - before.get(name, {}).get(labels, 0.0)

    assert more("hypocenter_samples_written_total") == 3
    assert more("hypocenter_batches_total", "outcome", "written") == 1
    assert more("hypocenter_commit_seconds_count") == 1
    assert more("hypocenter_http_requests_total", "path", WRITE, "status", "204") == 1
    assert more("hypocenter_http_requests_total", "path", "other", "status", "404") == 1
    assert after["hypocenter_samples_waiting"][()] == 0
    assert after["hypocenter_store_series"][()] > 0
    assert after["process_resident_memory_bytes"][()] > 0
    assert not any(str(at) in part for name in after.values() for labels in name for part in labels)


def test_it_is_ready_and_alive(server: HypocenterServer) -> None:
    assert httpx.get(f"{server.url}/healthz").text == "ok\n"
    state = httpx.get(f"{server.url}/readyz")
    part = {"ok": True, "why": ""}
    assert (state.status_code, state.json()) == (
        200,
        {"ready": True, "parts": {"metrics": part, "records": part, "graph": part}},
    )


def test_it_never_loads_what_computes(server: HypocenterServer) -> None:
    _post(server, _series([("__name__", "up")], (_now_ms(), 1.0)))
    maps = Path(f"/proc/{server.process.pid}/maps").read_text(encoding="utf-8")
    loaded = {word for word in ("numpy", "lightgbm", "numba", "llvmlite", "statsmodels") if word in maps}
    assert loaded == {"numpy"}


def test_a_server_that_is_full_or_without_its_graph_says_so_and_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPOCENTER_DISK_LIMIT_BYTES", "1")
    monkeypatch.setenv("HYPOCENTER_NEO4J_TIMEOUT", "1")
    with HypocenterServer(tmp_path / "data", "--graph", "bolt://127.0.0.1:1") as server:
        state = httpx.get(f"{server.url}/readyz", timeout=60)
        parts = state.json()["parts"]
        assert (state.status_code, state.json()["ready"]) == (503, False)
        assert {name: part["ok"] for name, part in parts.items()} == {"metrics": False, "records": True, "graph": False}
        assert parts["metrics"]["why"]
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        refused = _post(server, _series([("__name__", "up")], (_now_ms(), 1.0)))
        assert (refused.status_code, "retry-after" in refused.headers, _written(refused)) == (503, True, (0, 0, 0))
        told = _metrics(server)
        assert (told["hypocenter_store_full"][()], told["hypocenter_batches_total"]["outcome", "full"]) == (1, 1)
        assert server.stop() == 0
