"""Metrics kept in a server that dies, refuses, is set up otherwise or answers what it should not."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from own_prometheus import RECEIVER, OwnPrometheus
from scripted_prometheus import always, failure, running, success
from split_store import MINUTE, NOW, NOW_MS, OPTIONS, batch, of, opened, read
from write_receiver import receiving

from hypocenter.batches import Batch, Samples
from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_sending import Patience
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.metrics import Usage
from hypocenter.stores.opening_metrics import open_metrics
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.prometheus_writing import OTHER_VALUE, TOO_OLD, Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


CONFIG = "storage: {tsdb: {out_of_order_time_window: 2h}}"


@pytest.fixture
def own_prometheus(require: Callable[[str], str], tmp_path: Path) -> Iterator[OwnPrometheus]:
    with OwnPrometheus(require("prometheus"), tmp_path, CONFIG, RECEIVER) as server:
        yield server


@pytest.mark.prometheus
def test_a_server_that_dies_in_the_middle_loses_nothing_that_was_taken(
    require: Callable[[str], str], tmp_path: Path, tenant: str
) -> None:
    program, hasty = require("prometheus"), Patience(attempts=2, wait=lambda _: None)
    dying = OwnPrometheus(program, tmp_path, CONFIG, RECEIVER)
    try:
        with closing(opened(dying.url, tmp_path / "store", writing=Writing(patience=hasty))) as store:
            numbers = store.number(of("calls_total", 2, tenant))
            first, second = (
                Batch(batch(numbers[:1], [at], [1]).samples, batch(numbers[1:], [at], [2]).samples, receipt)
                for at, receipt in ((NOW_MS - 10_000, b"first"), (NOW_MS, b"second"))
            )
            store.append([first])
            dying.kill()
            with pytest.raises(SourceError, match="did not take the samples"):
                store.append([first, second])
            with pytest.raises(SourceError):
                store.series([parse_selector("up")], NOW_MS - MINUTE, NOW_MS)
            with OwnPrometheus(program, tmp_path, CONFIG, RECEIVER, port=dying.port):
                store.append([first, second])
                found = read(store, f'calls_total{{run="{tenant}"}}', -MINUTE, 0)
    finally:
        dying.kill()
    assert found["cart-0"] == [(-10_000, 1), (0, 1)]
    assert np.diff([value for _, value in found["cart-1"]]).tolist() == [2]


@pytest.mark.prometheus
def test_samples_older_than_the_servers_window_are_refused_and_no_others(
    own_prometheus: OwnPrometheus, tmp_path: Path, tenant: str
) -> None:
    with closing(opened(own_prometheus.url, tmp_path / "store")) as store:
        numbers = store.number(of("up", 400, tenant))
        store.append([batch(numbers[:1], [NOW_MS], [1])])
        old = batch(numbers[:300], [NOW_MS - 180 * MINUTE] * 300, [2] * 300)
        fresh = batch(numbers[100:], [NOW_MS - MINUTE] * 300, [3] * 300)
        late, on_time = store.append([old, fresh])
        assert (late.written, late.refused, on_time.written, on_time.refused) == (0, 300, 300, 0)
        assert {example.reason for example in late.examples} == {TOO_OLD}
        assert len(read(store, f'up{{run="{tenant}"}}', -240 * MINUTE, 0)) == 301


@pytest.mark.prometheus
def test_another_value_later_is_refused_by_prometheus(own_prometheus: OwnPrometheus, tenant: str) -> None:
    """VictoriaMetrics says nothing and keeps both; one of them is read."""
    with closing(PrometheusMetrics(own_prometheus.url, OPTIONS, now=lambda: NOW)) as store:
        numbers = store.number(of("up", 50, tenant))
        store.append([batch(numbers, [NOW_MS] * 50, range(50))])
        (taken,) = store.append([batch(numbers[:10], [NOW_MS] * 10, [0, 1, 2, 3, 99, 5, 6, 98, 8, 9])])
        assert (taken.written, taken.refused) == (8, 2)
        assert {(one.series, one.reason) for one in taken.examples} == {(4, OTHER_VALUE), (7, OTHER_VALUE)}
        found = read(store, f'up{{run="{tenant}"}}', 0, 0)
    assert found["cart-4"] == [(0, 4)]


@pytest.mark.prometheus
def test_a_receiver_that_is_switched_off_is_an_error_and_no_refusal(
    require: Callable[[str], str], tmp_path: Path
) -> None:
    with (
        OwnPrometheus(require("prometheus"), tmp_path, "") as server,
        closing(opened(server.url, tmp_path / "store")) as store,
        pytest.raises(SourceError, match=r"404.*remote write receiver"),
    ):
        store.append([batch(store.number(of("up", 1, "a")), [NOW_MS], [1])])


SELECTORS = [parse_selector("up")]


@pytest.fixture
def scripted() -> Iterator[tuple[object, PrometheusMetrics]]:
    with running() as server, closing(PrometheusMetrics(server.url, OPTIONS)) as store:
        yield server, store


def test_a_question_too_large_is_asked_in_halves(scripted: tuple[object, PrometheusMetrics]) -> None:
    server, store = scripted
    ranges = list[int]()

    def script(_: str, params: dict[str, str]) -> object:
        if params["query"].startswith("up"):
            return success({"resultType": "matrix", "result": []})
        ranges.append(int(params["query"].rpartition("[")[2].removesuffix("ms])")))
        if ranges[-1] > 20 * MINUTE:
            return failure(422, "query processing would load too many samples")
        return success({"resultType": "vector", "result": [{"metric": {"__name__": "up"}, "value": [0, "1"]}]})

    server.script = script
    assert [each.labels for each in store.series(SELECTORS, NOW_MS - 60 * MINUTE, NOW_MS)] == [(("__name__", "up"),)]
    assert sum(each for each in ranges if each <= 20 * MINUTE) == 60 * MINUTE


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (failure(422, "too many samples"), "cannot answer the question"),
        (failure(401), "refuses access"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "redirect"),
        (success({"resultType": "scalar", "result": [0, "1"]}), "not shaped"),
        (success(None), "not shaped"),
        ((200, {}, b"<html>"), "does not speak the Prometheus API"),
    ],
)
def test_a_server_that_answers_otherwise_is_one_line(
    scripted: tuple[object, PrometheusMetrics], reply: object, words: str
) -> None:
    server, store = scripted
    server.script = always(reply)
    with pytest.raises(SourceError, match=words) as caught:
        store.series(SELECTORS, NOW_MS - MINUTE, NOW_MS)
    assert "\n" not in str(caught.value)


def test_an_answer_that_is_too_long_is_not_read(scripted: tuple[object, PrometheusMetrics]) -> None:
    server, _ = scripted
    server.script = always(success([{"__name__": "x" * 10_000}]))
    options = PrometheusOptions(max_response_bytes=5_000)
    with closing(PrometheusMetrics(server.url, options)) as store, pytest.raises(LimitError, match=r"limit of 5,000"):
        store.series(SELECTORS, NOW_MS - MINUTE, NOW_MS)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((404, {}, b"not here"), Usage(1, 0, None, None)),
        (success({"headStats": {"numSeries": 7, "maxTime": -(2**63)}}), Usage(7, 0, None, None)),
        (success({"headStats": {"numSeries": 7, "maxTime": 5}}), Usage(7, 0, None, 5)),
        (success({"totalSeries": 8}), Usage(8, 0, None, None)),
        (success({"headStats": "?"}), Usage(0, 0, None, None)),
        (success([]), Usage(0, 0, None, None)),
    ],
)
def test_usage_is_what_the_server_tells(
    scripted: tuple[object, PrometheusMetrics], reply: object, expected: Usage
) -> None:
    server, store = scripted
    store.number([(("__name__", "up"),)])
    server.script = always(reply)
    assert store.usage() == expected


def test_a_closed_store_answers_no_more(scripted: tuple[object, PrometheusMetrics]) -> None:
    _, store = scripted
    store.close()
    with pytest.raises(SourceError, match="closed"):
        store.append([Batch()])
    with pytest.raises(SourceError, match="closed"):
        store.series(SELECTORS, 0, 1)


def test_settings_tell_which_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prometheus_server: str, tenant: str
) -> None:
    monkeypatch.delenv("HYPOCENTER_METRICS", raising=False)
    with closing(open_metrics(tmp_path)) as embedded:
        assert isinstance(embedded, DuckDbMetrics)
    (tmp_path / "token").write_text("abc\n", encoding="utf-8")
    monkeypatch.setenv("HYPOCENTER_METRICS", "http://127.0.0.1:1")
    monkeypatch.setenv("HYPOCENTER_METRICS_WRITE_URL", f"{prometheus_server}/api/v1/write")
    monkeypatch.setenv("HYPOCENTER_METRICS_TOKEN_FILE", str(tmp_path / "token"))
    with closing(open_metrics(tmp_path, prometheus_server)) as remote:
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        remote.append([batch(remote.number(of("up", 1, tenant)), [now_ms], [1])])
        assert len(remote.series([parse_selector(f'up{{run="{tenant}"}}')], now_ms, now_ms)) == 1


def test_what_cannot_be_a_server_is_told_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="http://"):
        open_metrics(tmp_path, "metrics.example")
    monkeypatch.setenv("HYPOCENTER_METRICS_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="absent: cannot be read"):
        open_metrics(tmp_path, "http://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [-1, 1, 1 << 60])
def test_a_number_that_was_not_given_is_refused_before_anything_is_written(tmp_path: Path, number: int) -> None:
    with receiving() as receiver, closing(opened(receiver.url, tmp_path, writing=Writing(receiver.url))) as store:
        (given,) = store.number(of("up", 1, "a")).tolist()
        good, bad = batch([given], [NOW_MS], [1]), batch([number], [NOW_MS], [1])
        for wrong in (bad, Batch(increments=bad.samples)):
            with pytest.raises(InputError, match="number"):
                store.append([good, wrong])
        with pytest.raises(InputError, match="number"):
            list(store.read([number], NOW_MS, NOW_MS))
        assert not receiver.headers


def test_increments_that_are_refused_are_named_by_our_numbers(tmp_path: Path) -> None:
    with closing(opened("http://127.0.0.1:1", tmp_path)) as store:
        numbers = store.number([*of("up", 5, "a"), *of("calls_total", 2, "a")])[[6, 5]]
        (taken,) = store.append([Batch(increments=Samples(numbers, np.array([NOW_MS] * 2), np.array([np.inf, 1.0])))])
        assert (taken.written, taken.refused, taken.examples[0].series) == (1, 1, 6)
