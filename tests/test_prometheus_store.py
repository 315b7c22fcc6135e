"""Metrics kept in a real Prometheus and a real VictoriaMetrics, with increments in a file beside it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from own_prometheus import RECEIVER, OwnPrometheus
from scripted_prometheus import always, failure, running, success
from write_receiver import receiving

from hypocenter.batches import STALE_BITS, Batch, Samples, SeriesLimitError
from hypocenter.errors import InputError, LimitError, SourceError
from hypocenter.readers.prometheus_options import PrometheusOptions
from hypocenter.readers.selectors import parse_selector
from hypocenter.remote_write_sending import Patience
from hypocenter.stores.duckdb_metrics import DuckDbMetrics
from hypocenter.stores.metrics import Usage
from hypocenter.stores.opening_metrics import open_metrics
from hypocenter.stores.prometheus_metrics import PrometheusMetrics
from hypocenter.stores.prometheus_writing import OTHER_VALUE, TOO_FAR_AHEAD, TOO_OLD
from hypocenter.stores.split import SplitMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hypocenter.batches import Labels
    from hypocenter.stores.metrics import MetricsStore

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MINUTE = 60_000
OPTIONS = PrometheusOptions(timeout_s=20.0)
CONFIG = "storage: {tsdb: {out_of_order_time_window: 2h}}"
both = pytest.mark.parametrize("server", ["prometheus", "victoria"], indirect=True)


class Server(NamedTuple):
    """A server's address, and how to have it show what it took a moment ago."""

    url: str
    show: Callable[[], None]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "victoria":
        victoria = request.getfixturevalue("victoria_metrics")
        return Server(victoria.url, victoria.flush)
    return Server(request.getfixturevalue("prometheus_server"), lambda: None)


def opened(url: str, folder: Path, **more: object) -> SplitMetrics:
    remote = PrometheusMetrics(url, OPTIONS, now=lambda: NOW, **more)
    return SplitMetrics(remote, DuckDbMetrics(folder, lambda: NOW))


@pytest.fixture
def store(server: Server, tmp_path: Path) -> Iterator[SplitMetrics]:
    with closing(opened(server.url, tmp_path)) as split:
        yield split


def of(name: str, count: int, tenant: str) -> list[Labels]:
    return [(("__name__", name), ("pod", f"cart-{at}"), ("run", tenant)) for at in range(count)]


def batch(numbers: Sequence[int], at_ms: Sequence[int], values: Sequence[float]) -> Batch:
    return Batch(Samples(np.array(numbers, np.int64), np.array(at_ms, np.int64), np.array(values, np.float64)))


def read(store: MetricsStore, selector: str, start: int, end: int) -> dict[str, list[tuple[int, float]]]:
    """Samples by pod, times in ms from NOW."""
    series = store.series([parse_selector(selector)], NOW_MS + start, NOW_MS + end)
    found = {one.series: one for one in store.read([one.number for one in series], NOW_MS + start, NOW_MS + end)}
    assert list(found) == sorted(found) == [one.number for one in series]
    return {
        dict(one.labels)["pod"]: list(
            zip((found[one.number].at_ms - NOW_MS).tolist(), found[one.number].values.tolist(), strict=True)
        )
        for one in series
    }


@both
def test_samples_come_back_as_they_were_sent(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 3, tenant))
    values = [1.5, -2.0, 1e6, 0.1, -3e-5]
    taken = store.append([batch(numbers[[0, 0, 1, 1, 1]], NOW_MS - np.array([1, 4001, 5, 3, 2]), values)])
    assert [(each.written, each.refused) for each in taken] == [(5, 0)]
    server.show()
    found = read(store, f'up{{run="{tenant}"}}', -MINUTE, 0)
    assert found == {
        "cart-0": [(-4001, -2.0), (-1, 1.5)],
        "cart-1": [(-5, 1e6), (-3, 0.1), (-2, -3e-5)],
    }


@both
def test_a_series_is_found_by_the_very_milliseconds_of_its_samples(
    store: SplitMetrics, server: Server, tenant: str
) -> None:
    numbers = store.number(of("up", 2, tenant))
    store.append([batch(numbers, [NOW_MS - 2000, NOW_MS - 1000], [1, 2])])
    server.show()
    selector = f'{{run="{tenant}"}}'
    assert list(read(store, selector, -2000, -1000)) == ["cart-0", "cart-1"]
    assert list(read(store, selector, -1999, -1000)) == ["cart-1"]
    assert list(read(store, selector, -2000, -1001)) == ["cart-0"]
    assert list(read(store, selector, -1000, -1000)) == ["cart-1"]
    assert read(store, selector, -1999, -1001) == {}
    assert read(store, selector, 0, -1) == {}


@both
def test_days_are_read_in_pieces(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 1, tenant))
    at_ms = NOW_MS - np.arange(5) * 26 * 60 * MINUTE
    store.append([batch(numbers.repeat(5), at_ms, range(5))])
    server.show()
    found = read(store, f'up{{run="{tenant}"}}', -5 * 24 * 60 * MINUTE, 0)
    assert [value for _, value in found["cart-0"]] == [4, 3, 2, 1, 0]


@both
def test_more_series_than_one_question_is_for(store: SplitMetrics, server: Server, tenant: str) -> None:
    labels = [
        (("__name__", f"m{at % 7}"), ("job", "shop"), ("pod", f"cart-{at:04d}"), ("run", tenant)) for at in range(4500)
    ]
    numbers = store.number(labels)
    store.append([batch(numbers, np.full(4500, NOW_MS - 1000), range(4500))])
    server.show()
    found = read(store, f'{{run="{tenant}"}}', -MINUTE, 0)
    assert {pod: values for pod, ((_, values),) in found.items()} == {f"cart-{at:04d}": at for at in range(4500)}


@both
def test_whose_a_series_is_is_told_with_it(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number([(("__name__", "up"), ("pod", "cart-7d4b9c6f5d-x2x7k"), ("run", tenant))])
    store.append([batch(numbers, [NOW_MS], [1])])
    server.show()
    (found,) = store.series([parse_selector(f'up{{run="{tenant}"}}')], NOW_MS, NOW_MS)
    assert (found.number, found.component) == (numbers[0], "cart")


@both
def test_what_is_sent_twice_is_there_once(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 1, tenant))
    one = batch(numbers, [NOW_MS], [3])
    taken = [*store.append([one, one]), *store.append([one])]
    assert [(each.written, each.refused) for each in taken] == [(1, 0)] * 3
    server.show()
    assert read(store, f'up{{run="{tenant}"}}', -MINUTE, 0) == {"cart-0": [(0, 3)]}


@both
def test_another_value_at_its_time_is_refused(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 2, tenant))
    mine, other = batch(numbers, [NOW_MS, NOW_MS], [3, 4]), batch(numbers[:1], [NOW_MS], [5])
    first, second = store.append([mine, other])
    assert (first.written, second.written, second.refused) == (2, 0, 1)
    assert [example.reason for example in second.examples] == [OTHER_VALUE]
    server.show()
    assert read(store, f'up{{run="{tenant}"}}', -MINUTE, 0) == {"cart-0": [(0, 3)], "cart-1": [(0, 4)]}


@both
def test_the_future_is_refused_before_the_server_believes_it(store: SplitMetrics, server: Server, tenant: str) -> None:
    numbers = store.number(of("up", 2, tenant))
    (taken,) = store.append([batch(numbers, [NOW_MS + 11 * MINUTE, NOW_MS + 9 * MINUTE], [1, 2])])
    assert (taken.written, taken.refused, taken.examples[0].reason) == (1, 1, TOO_FAR_AHEAD)
    assert taken.examples[0].series == numbers[0]
    server.show()
    assert list(read(store, f'up{{run="{tenant}"}}', 0, 20 * MINUTE)) == ["cart-1"]


@both
def test_the_end_of_a_series_is_taken(store: SplitMetrics, server: Server, tenant: str) -> None:
    """A query API shows a stale marker as no sample (Prometheus), or as a NaN (VictoriaMetrics)."""
    numbers = store.number(of("up", 1, tenant))
    end = np.array([STALE_BITS], np.uint64).view(np.float64)[0]
    (taken,) = store.append([batch(numbers.repeat(2), [NOW_MS - 1000, NOW_MS], [1, end])])
    assert taken.written == 2
    server.show()
    found = read(store, f'up{{run="{tenant}"}}', -MINUTE, 0)["cart-0"]
    assert found[0] == (-1000, 1)
    assert all(np.isnan(value) for _, value in found[1:])


@both
def test_increments_are_counted_once_beside_the_server(store: SplitMetrics, server: Server, tenant: str) -> None:
    gauge, counter = store.number([*of("up", 1, tenant), *of("calls_total", 1, tenant)]).tolist()
    gained = Samples(np.array([counter] * 3), np.array([NOW_MS, NOW_MS - 10_000, NOW_MS]), np.array([1.0, 2.0, 4.0]))
    one = Batch(batch([gauge], [NOW_MS], [9]).samples, gained, b"r" * 16)
    assert [each.written for each in store.append([one])] == [4]
    store.append([one])
    server.show()
    selector = f'{{run="{tenant}"}}'
    series = store.series([parse_selector(selector)], NOW_MS - MINUTE, NOW_MS)
    assert [each.number for each in series] == [gauge, counter]
    found = {one.series: one for one in store.read([gauge, counter], NOW_MS - MINUTE, NOW_MS)}
    assert (found[counter].at_ms - NOW_MS).tolist() == [-10_000, 0]
    assert np.diff(found[counter].values).tolist() == [5]
    assert found[gauge].values.tolist() == [9]


@both
def test_numbers_are_of_the_process_and_labels_of_the_server(
    store: SplitMetrics, server: Server, tenant: str, tmp_path: Path
) -> None:
    numbers = store.number(of("up", 2, tenant))
    store.append([batch(numbers, [NOW_MS, NOW_MS], [1, 2])])
    server.show()
    with closing(opened(server.url, tmp_path / "another")) as other:
        other.number(of("other", 5, tenant))
        assert read(other, f'up{{run="{tenant}"}}', -MINUTE, 0) == {"cart-0": [(0, 1)], "cart-1": [(0, 2)]}


@both
def test_a_label_may_hold_any_text(store: SplitMetrics, server: Server, tenant: str) -> None:
    odd = ['a"b', "back\\slash", "line\nbreak", "(regular|.*)+$", "é ü 日本", "{}", "a b#c-d&e~f"]
    labels = [(("__name__", "up"), ("pod", text), ("run", tenant)) for text in odd]
    store.append([batch(store.number(labels), [NOW_MS] * len(odd), range(len(odd)))])
    server.show()
    assert read(store, f'up{{run="{tenant}"}}', 0, 0) == {text: [(0, at)] for at, text in enumerate(odd)}


@both
def test_usage_tells_of_the_servers_series(server: Server, tenant: str) -> None:
    """VictoriaMetrics tells of those of the day, so that this one test is about today."""
    now = datetime.now(UTC)
    with closing(PrometheusMetrics(server.url, OPTIONS)) as store:
        store.append([batch(store.number(of("up", 3, tenant)), [int(now.timestamp() * 1000)] * 3, [1, 2, 3])])
        server.show()
        usage = store.usage()
    assert usage.series >= 3
    assert usage.full == ""


def test_too_many_series_are_refused_whole() -> None:
    with closing(PrometheusMetrics("http://127.0.0.1:1", OPTIONS, most_series=2)) as store:
        store.number(of("up", 1, "a"))
        with pytest.raises(SeriesLimitError, match="HYPOCENTER_MAX_SERIES"):
            store.number(of("up", 3, "a"))
        assert store.number(of("up", 2, "a")).tolist() == [0, 1]


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
        with closing(opened(dying.url, tmp_path / "store", patience=hasty)) as store:
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
    with receiving() as receiver, closing(opened(receiver.url, tmp_path, write_url=receiver.url)) as store:
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
